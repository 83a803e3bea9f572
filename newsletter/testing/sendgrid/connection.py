"""One connection to the simulator: reads requests, writes answers, and does to both what a fault says."""

from __future__ import annotations

import select
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from newsletter.testing.sendgrid.clock import Clock
from newsletter.testing.sendgrid.faults import Fault, Faults, Seen
from newsletter.testing.sendgrid.messages import Answer, Request, errors, written
from newsletter.testing.sendgrid.named import End
from newsletter.testing.sendgrid.rules import MAX_BYTES
from newsletter.testing.sendgrid.scanning import addresses_in, readers_in

_MAX_HEAD = 65_536
#: Read from a body that is refused for its size, so that the client gets to read why.
_MAX_READ = 2 * MAX_BYTES


class Stream(Protocol):
    """What requests are read from: a socket's file."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, or fewer at the end."""
        ...

    def readline(self, limit: int, /) -> bytes:
        """Return a line with its end."""
        ...


class Gone(Exception):
    """The client went away, or the connection is to end without a word."""


class Unreadable(Exception):
    """What came is not HTTP/1.1 as SendGrid takes it."""


@dataclass(frozen=True)
class Serving:
    """What every connection shares."""

    clock: Clock
    faults: Faults
    answer: Callable[[Request, Fault | None], Answer]
    #: Told about each request once it is answered, or as far as it came.
    note: Callable[[Request, Fault | None, int, int], None]
    #: Set when the simulator ends: nothing waits any longer.
    closing: threading.Event


class Connection:
    """Serves one client until it goes, an answer closes the connection, or the simulator ends."""

    def __init__(self, sock: socket.socket, serving: Serving) -> None:
        self._socket = sock
        self._serving = serving
        self._count = 0

    def serve(self) -> None:
        """Answer request after request."""
        with self._socket, self._socket.makefile("rb", 262_144) as stream:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while not self._serving.closing.is_set() and self._one(stream):
                    pass
            except (Gone, OSError):
                return
            except (Unreadable, ValueError) as error:
                self._refuse(str(error))

    def _one(self, stream: Stream) -> bool:
        """Serve one request; False when the connection is to end."""
        head = _read_head(stream)
        if head is None:
            return False
        self._count += 1
        path = head.target.partition("?")[0]
        fault = self._serving.faults.choose(Seen(head.method, path, self._count))
        if fault and fault.read is not None:
            stream.read(min(fault.read, int(head.headers.get("content-length", "0"))))
            return self._cut_short(head, fault)
        if head.headers.get("expect", "").lower() == "100-continue":
            self._write(written(Answer(100)))
        body = _read_body(stream, head)
        request = Request(head.method, head.target, head.headers, body)
        addresses = addresses_in(body) if self._serving.faults.all() else []
        fault = self._serving.faults.choose(Seen(head.method, path, self._count, addresses))
        if fault and fault.late:
            self._serving.closing.wait(fault.late)
        usual = self._serving.answer(request, fault)
        answer = changed(usual, fault, self._serving.clock.now()) if fault else usual
        self._serving.note(request, fault, answer.status, readers_in(body))
        return self._reply(answer, fault) and head.headers.get("connection", "").lower() != "close"

    def _cut_short(self, head: Request, fault: Fault) -> bool:
        """Answer, or not, a request of which not all was read; False, since what follows is no request."""
        self._serving.note(head, fault, fault.status or 0, 0)
        if fault.status:
            self._write(written(changed(Answer(fault.status), fault, self._serving.clock.now())))
        if fault.end is End.STALL:
            self._stall()
        if fault.end is End.KEEP and not fault.status:
            self._reset()
        return False

    def _reply(self, answer: Answer, fault: Fault | None) -> bool:
        """Write the answer, or what a fault leaves of it; False when the connection is to end."""
        if fault is None:
            self._write(written(answer))
            return True
        if fault.delay:
            self._serving.closing.wait(fault.delay)
        for status in fault.interim:
            self._write(written(Answer(status)))
        content = written(answer) if fault.raw is None else fault.raw.encode("latin-1")
        content = content if fault.cut is None else content[: fault.cut]
        if fault.drip:
            self._drip(content, fault.drip)
        else:
            self._write(content)
        if fault.end is End.RESET:
            self._reset()
        if fault.end is End.STALL:
            self._stall()
        return fault.end is End.KEEP

    def _write(self, content: bytes) -> None:
        self._socket.sendall(content)

    def _drip(self, content: bytes, gap: float) -> None:
        for at in range(len(content)):
            self._write(content[at : at + 1])
            if self._serving.closing.wait(gap):
                raise Gone

    def _stall(self) -> None:
        """Say nothing more, until the client goes or the simulator ends."""
        while not self._serving.closing.is_set():
            if select.select([self._socket], [], [], 0.05)[0] and not self._socket.recv(65_536):
                raise Gone

    def _reset(self) -> None:
        """End the connection by RST: closing with what was not read or sent thrown away."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def _refuse(self, why: str) -> None:
        try:
            self._write(written(errors(400, why).with_headers({"Connection": "close"})))
        except OSError:
            return


def changed(usual: Answer, fault: Fault, now: float) -> Answer:
    """Return the answer with what a fault puts in place of its parts; `now` in seconds since the epoch."""
    headers = dict(usual.headers)
    if fault.status is not None and not 200 <= fault.status <= 299:
        headers.pop("X-Message-Id", None)
    if fault.reset_in is not None:
        headers |= {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(now + fault.reset_in))}
    headers |= fault.headers
    body = usual.body if fault.body is None else fault.body.encode()
    if fault.body and "Content-Type" not in fault.headers:
        headers["Content-Type"] = "application/json"
    return Answer(usual.status if fault.status is None else fault.status, body, headers)


def _read_head(stream: Stream) -> Request | None:
    """Return a request without its body; None when the client has no more. Raises Unreadable."""
    first = stream.readline(_MAX_HEAD)
    if not first:
        return None
    words = first.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Unreadable("That is no HTTP/1.1 request line.")
    headers: dict[str, str] = {}
    while (line := stream.readline(_MAX_HEAD)) not in {b"\r\n", b"\n"}:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise Gone if not line else Unreadable("A header needs a colon.")
        headers[name.strip().lower()] = value.strip()
    return Request(words[0], words[1], headers)


def _read_body(stream: Stream, head: Request) -> bytes:
    """Return the body, its transfer and content encodings undone. Raises Gone when it ends early, and Unreadable."""
    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        body = _read_chunks(stream)
    else:
        body = _exactly(stream, min(int(head.headers.get("content-length", "0")), _MAX_READ))
    if head.headers.get("content-encoding", "").lower() == "gzip":
        try:
            return zlib.decompressobj(31).decompress(body, MAX_BYTES + 1)
        except zlib.error as error:
            raise Unreadable(f"The body is not gzip: {error}.") from error
    return body


def _read_chunks(stream: Stream) -> bytes:
    parts: list[bytes] = []
    while size := int(stream.readline(1_024).partition(b";")[0], 16):
        parts.append(_exactly(stream, size))
        stream.readline(1_024)
    while stream.readline(_MAX_HEAD) not in {b"\r\n", b"\n", b""}:
        pass
    return b"".join(parts)


def _exactly(stream: Stream, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise Gone
    return content
