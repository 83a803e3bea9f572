"""The `sendgrid` package's client, carrying requests in a way that its answers can be relied on.

The package opens a connection for every request, follows a redirect of a POST with a GET, whose 200 would read as
"accepted", and wraps a failed connection and a half-sent request into the same error. Here a connection is kept for
the next request, every answer is an answer, and only what surely sent nothing is NotConnected.
"""

from __future__ import annotations

import http.client
import io
import logging
import os
import select
import socket
import ssl
import time
import weakref
from base64 import b64encode
from collections import deque
from collections.abc import Iterator, Sequence
from email.message import Message
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import Request, getproxies, proxy_bypass

import python_http_client
import sendgrid

#: Servers close a connection that rests for five seconds or more, and some networks forget one without a word: a
#: request sent into it would be uncertain. So only one that rested for less is used again.
_KEPT_SECONDS = 4.0
#: Seconds for a block of a request whose time is over: none would mean not to wait at all, which sends it as well.
_SHORTEST_WAIT = 0.001
#: More than any answer has: the longest are pages of 500 suppressed addresses, and of 1,000 messages.
_LONGEST_ANSWER = 16 * 1024 * 1024
#: Texts of a request that are joined at a time: with 50 readers and what stands between them, some 60 KB.
_TEXTS = 100


class NotConnected(OSError):
    """No connection was made, or the first byte of the request could not be sent."""


class Body:
    """The JSON of a request, in texts of ASCII. The package would encode what it is given, and write it into logs."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Raise ValueError for a text that is not in ASCII."""
        if not all(map(str.isascii, texts)):
            raise ValueError("the JSON of a request has to be in ASCII")
        self._texts = texts
        self.size = sum(map(len, texts))

    @property
    def blocks(self) -> Iterator[bytes]:
        """The request, some texts at a time: a megabyte in one piece costs more to allocate than to write."""
        for start in range(0, len(self._texts), _TEXTS):
            yield "".join(self._texts[start : start + _TEXTS]).encode("ascii")

    def encode(self, _encoding: str) -> Body:
        """Return the body itself: it is encoded."""
        return self

    def __repr__(self) -> str:
        """Tell the size and no more: what a request holds is about readers (threat 22)."""
        return f"<{self.size} bytes>"


class Transport:
    """Makes requests of one host, over connections that are kept for the next. Threads share it.

    There are as many connections as there are requests at one time. `timeout` (seconds) is for connecting, for sending
    and for the whole answer. With `direct` the proxies that the environment names are passed by.
    """

    def __init__(self, host: str, *, timeout: float, direct: bool) -> None:
        self._url = urlsplit(host)
        self._timeout = timeout
        self._direct = direct
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else None
        #: Connections that wait for their next request, with the time at which the last one ended.
        self._kept: deque[tuple[_Connection, float]] = deque()
        self._process = os.getpid()
        weakref.finalize(self, _close_all, self._kept)

    def answer(self, request: Request) -> Answered:
        """Return the whole answer, whatever its status.

        Raises NotConnected when surely nothing of the request was sent; OSError or HTTPException when it may have been.
        """
        connection = self._connection()
        try:
            answered = connection.ask(request)
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            self._kept.append((connection, time.monotonic()))
        return answered

    def close(self) -> None:
        """Close the kept connections; the next request opens another."""
        _close_all(self._kept)

    def _connection(self) -> _Connection:
        """Return the connection used last that can be used again, or else a new one, which is connected when used."""
        if os.getpid() != self._process:  # after a fork they are the other process's, too
            _close_all(self._kept)
            self._process = os.getpid()
        for connection, since in _taken_out(self._kept):
            if time.monotonic() - since < _KEPT_SECONDS and connection.rests():
                return connection
            connection.close()
        return self._new()

    def _new(self) -> _Connection:
        host = self._url.hostname or ""
        if self._tls is None:
            return _Connection(host, self._url.port or 80, timeout=self._timeout)
        port, proxy = self._url.port or 443, self._proxy()
        if proxy is None:
            return _SecureConnection(host, port, timeout=self._timeout, context=self._tls)
        through = _SecureConnection(proxy.hostname or "", proxy.port or 80, timeout=self._timeout, context=self._tls)
        through.set_tunnel(host, port, _proxy_login(proxy))
        return through

    def _proxy(self) -> SplitResult | None:
        """Return the proxy that the environment names for https, as urllib reads it."""
        named = None if self._direct or proxy_bypass(self._url.netloc) else getproxies().get("https")
        return urlsplit(named if "//" in named else f"//{named}") if named else None


class Answered:
    """An answer that is here as a whole, as the package's `Response` reads it."""

    def __init__(self, status: int, content: bytes, headers: Message) -> None:
        self._status = status
        self._content = content
        self._headers = headers

    def getcode(self) -> int:
        """Return the status."""
        return self._status

    def read(self) -> bytes:
        """Return the body."""
        return self._content

    def info(self) -> Message:
        """Return the headers."""
        return self._headers


def api_client(api_key: str, host: str, transport: Transport) -> Any:
    """Return the package's client for `host`, over `transport`. The package has no types."""
    # At DEBUG the package logs every request's headers, the key among them (threat 22).
    logging.getLogger("python_http_client").setLevel(logging.WARNING)
    api = sendgrid.SendGridAPIClient(api_key=api_key, host=host)
    # The package writes JSON of its own for exactly "application/json"; for any other type it takes the Body as it is.
    headers = {**api.client.request_headers, "Content-Type": "application/json; charset=utf-8"}
    api.client = _Client(transport, host=host, request_headers=headers)
    return api.client


class _Client(python_http_client.Client):  # type: ignore[misc] # the package has no types
    """The package's client over our transport; an answer of any status is returned."""

    def __init__(self, transport: Transport, **settings: Any) -> None:
        super().__init__(**{"version": 3, **settings})
        self._transport = transport

    def _build_client(self, name: str | None = None) -> _Client:
        return _Client(
            self._transport,
            host=self.host,
            request_headers=self.request_headers,
            url_path=[*self._url_path, name] if name else self._url_path,
        )

    def _make_request(self, opener: object, request: Request, timeout: float | None = None) -> Answered:  # noqa: ARG002
        return self._transport.answer(request)


class _Response(http.client.HTTPResponse):
    """An answer that has to be whole by a time, and that any number of interim answers may come before."""

    def __init__(self, sock: socket.socket, *arguments: Any, **settings: Any) -> None:
        super().__init__(sock, *arguments, **settings)
        self.fp.close()
        self._raw = _Until(sock, time.monotonic() + (sock.gettimeout() or 0.0))
        self.fp = io.BufferedReader(self._raw)

    def begin(self) -> None:
        """Read the head, which the library takes for whole where the connection ends in it."""
        super().begin()
        self.refuse_end()

    def refuse_end(self) -> None:
        """Raise IncompleteRead when the connection ended in what was read."""
        if self._raw.ended:
            raise http.client.IncompleteRead(b"")

    def _read_status(self) -> tuple[str, int, str]:
        """Return the first status line that is not an interim answer's (RFC 9110 section 15.2); 101 is an answer."""
        while True:
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc] # typeshed does not name it
            if not 102 <= found[1] <= 199:  # 100 is passed over by the library
                return found
            http.client.parse_headers(self.fp)


class _Until(io.RawIOBase):
    """Reads from a socket until a time. A timeout of the socket's own would begin anew with every byte."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        super().__init__()
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._end = end
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        size = self._file.readinto(buffer)
        self.ended |= not size
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


class _Connection(http.client.HTTPConnection):
    """A connection that tells what surely sent nothing."""

    response_class = _Response
    #: Whether a byte of the request was sent, and when the last has to be.
    _began = False
    _end = 0.0

    def ask(self, request: Request) -> Answered:
        """Send a request and return its whole answer; the connection stays open where that is possible."""
        self._began, self._end = False, time.monotonic() + (self.timeout or 0.0)
        headers = dict(request.header_items())
        body: Any = request.data
        if body is None:
            del headers["Content-type"]
        else:
            headers |= {"Content-type": "application/json", "Content-length": str(body.size)}
        self.request(request.get_method(), request.selector, body=body and body.blocks, headers=headers)
        self.sock.settimeout(self.timeout)
        with cast(_Response, self.getresponse()) as response:
            content = response.read(_LONGEST_ANSWER)
            if response.length or (not response.isclosed() and response.read(1)):
                raise http.client.IncompleteRead(content)
            if response.chunked:
                response.refuse_end()
        if not 200 <= response.status <= 299:
            self.close()  # after an error many servers close without having said so
        return Answered(response.status, content, response.headers)

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise NotConnected(str(error)) from error
        self._began, self._end = False, time.monotonic() + (self.timeout or 0.0)

    def send(self, data: Any) -> None:
        """Send as the library does, but in time, and telling when not even the first byte went out."""
        if self.sock is None:
            self.connect()
        self.sock.settimeout(max(self._end - time.monotonic(), _SHORTEST_WAIT))
        if not self._began:
            try:
                data = data[self.sock.send(data) :]
            except OSError as error:
                raise NotConnected(str(error)) from error
            self._began = True
        self.sock.sendall(data)

    def rests(self) -> bool:
        """Tell whether the other side has left the connection open, and has said nothing since its last answer."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS."""


def _taken_out(kept: deque[tuple[_Connection, float]]) -> Iterator[tuple[_Connection, float]]:
    """Take the connections out, the one used last first; another thread may take some meanwhile."""
    while kept:
        try:
            yield kept.pop()
        except IndexError:
            return


def _close_all(kept: deque[tuple[_Connection, float]]) -> None:
    for connection, _ in _taken_out(kept):
        connection.close()


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    """Return the header that names us to a proxy whose address has a name and a password."""
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}
