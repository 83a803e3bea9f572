"""An SMTP server on loopback that follows a script: what it does wrong, at which step, when. It speaks in raw bytes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

#: After this long a server that stalls closes the connection.
_STALL_SECONDS = 5.0


class How(Enum):
    """What the server does besides, or instead of, answering."""

    #: Says `say`, all of it at once, and goes on.
    SAY = "say"
    #: Says it byte by byte.
    DRIBBLE = "dribble"
    #: Says it and closes the connection.
    SAY_AND_CLOSE = "say and close"
    #: Says it and then nothing more, until the client goes.
    SAY_AND_STALL = "say and stall"
    #: Says it before the message has come, and goes on with the message.
    EARLY = "early"
    #: Says it before the message has come, and closes.
    EARLY_AND_CLOSE = "early and close"
    #: Says it after some of the message, and reads nothing more.
    EARLY_AND_STALL = "early and stall"
    #: Reads some of the message and closes.
    CUT = "cut"


@dataclass(frozen=True)
class Act:
    """One deviation. `say` None is the usual answer; `keeps` None: the message is kept if the answer says so."""

    how: How = How.SAY
    say: bytes | None = None
    keeps: bool | None = None


#: Step and how many times it has come -> what happens. Steps: CONNECT, EHLO, RSET, MAIL, RCPT, DATA, BODY, DOT.
Script = dict[tuple[str, int], Act]


class _Gone(Exception):
    """The connection is over."""


@dataclass
class ScriptedServer:
    """What a test sets before sending and looks at afterwards."""

    script: Script = field(default_factory=dict)
    extensions: tuple[bytes, ...] = (b"PIPELINING", b"SIZE 10000000")
    #: At most so many connections at once, and mails on one; what is said then, at CONNECT or MAIL.
    max_connections: int = 1_000
    max_mails: int = 1_000_000
    too_many: bytes = b"421 4.7.0 too many connections\r\n"
    too_many_at: str = "CONNECT"
    enough: bytes = b"421 4.7.0 enough on this connection\r\n"
    tls: ssl.SSLContext | None = None
    #: What the system takes in for it, in bytes; 0 is as much as it likes.
    receive_buffer: int = 0
    port: int = 0
    #: Who the kept messages were for and what they were, and all envelope lines.
    received: list[tuple[str, bytes]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    open: dict[int, socket.socket] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self) -> Counter[str]:
        """Return reader -> how many messages were kept for them."""
        with self.lock:
            return Counter(address for address, _ in self.received)

    def act(self, step: str) -> Act:
        """Return what happens at a step that has come now."""
        with self.lock:
            self.counts[step] += 1
            return self.script.get((step, self.counts[step]), Act())


class _Talk:
    """One connection."""

    def __init__(self, server: ScriptedServer, sock: socket.socket, *, crowded: bool) -> None:
        self.server, self.sock, self.crowded = server, sock, crowded
        self.buffer = b""
        self.recipient = ""
        self.in_mail = False
        self.mails = 0

    def run(self) -> None:
        """Talk until either side ends it."""
        if self.crowded and self.server.too_many_at == "CONNECT":
            self._do(Act(How.SAY_AND_CLOSE, self.server.too_many), b"")
        self._do(self.server.act("CONNECT"), b"220 script.test ESMTP\r\n")
        while True:
            line = self._line()
            verb = line[:4].upper()
            with self.server.lock:
                self.server.lines.append(line)
            if verb in {b"EHLO", b"HELO"}:
                lines = [b"script.test", *self.server.extensions]
                marks = [b"-"] * (len(lines) - 1) + [b" "]
                said = b"".join(b"250%s%s\r\n" % pair for pair in zip(marks, lines, strict=True))
                self._do(self.server.act("EHLO"), said)
            elif verb == b"QUIT":
                self._do(Act(How.SAY_AND_CLOSE), b"221 2.0.0 bye\r\n")
            elif verb == b"RSET":
                self.in_mail, self.recipient = False, ""
                self._do(self.server.act("RSET"), b"250 2.0.0 reset\r\n")
            elif verb == b"MAIL":
                self._mail()
            elif verb == b"RCPT":
                self._rcpt(line)
            elif verb == b"DATA":
                self._data()
            else:
                self._say(b"500 5.5.1 what?\r\n")

    def _mail(self) -> None:
        if self.crowded and self.server.too_many_at == "MAIL":
            self._do(Act(How.SAY_AND_CLOSE, self.server.too_many), b"")
        if self.mails >= self.server.max_mails:
            self._do(Act(How.SAY_AND_CLOSE, self.server.enough), b"")
        usual = b"503 5.5.1 nested MAIL\r\n" if self.in_mail else b"250 2.1.0 ok\r\n"
        if self._do(self.server.act("MAIL"), usual):
            self.in_mail = True

    def _rcpt(self, line: bytes) -> None:
        address = line.partition(b"<")[2].partition(b">")[0].decode()
        usual = b"250 2.1.5 ok\r\n" if self.in_mail else b"503 5.5.1 MAIL first\r\n"
        if self._do(self.server.act("RCPT"), usual) and self.in_mail:
            self.recipient = address

    def _data(self) -> None:
        act = self.server.act("DATA")
        ready = bool(self.recipient)
        if not ready and act.say is None:
            self._say(b"503 5.5.1 RCPT first\r\n")
            return
        said = act.say if act.say is not None else b"354 go ahead\r\n"
        self._do(act, said)
        if not said.startswith(b"354"):
            return
        body = self.server.act("BODY")
        if body.how in {How.EARLY, How.EARLY_AND_CLOSE}:
            self._say(body.say or b"250 2.0.0 early\r\n")
            if body.how is How.EARLY_AND_CLOSE:
                raise _Gone
        if body.how is How.EARLY_AND_STALL:
            self._more()
            self._say(body.say or b"250 2.0.0 early\r\n")
            self.server.over.wait(_STALL_SECONDS)
            raise _Gone
        if body.how is How.CUT:
            self._more()
            raise _Gone
        message = self._message()
        recipient, self.recipient, self.in_mail = self.recipient, "", False
        if body.how is How.EARLY:
            self._keep(recipient, message)
            return
        if not ready:
            self._say(b"554 5.5.1 no valid recipients\r\n")
            return
        self.mails += 1
        dot = self.server.act("DOT")
        usual = b"250 2.0.0 queued\r\n"
        if dot.keeps if dot.keeps is not None else (dot.say or usual).startswith(b"2"):
            self._keep(recipient, message)
        self._do(dot, usual)

    def _keep(self, recipient: str, message: bytes) -> None:
        with self.server.lock:
            self.server.received.append((recipient, message))

    def _do(self, act: Act, usual: bytes) -> bool:
        """Follow the script and tell whether the answer was a good one."""
        said = usual if act.say is None else act.say
        if act.how is How.DRIBBLE:
            for at in range(len(said)):
                self._say(said[at : at + 1])
                time.sleep(0.001)
        elif said:
            self._say(said)
        if act.how is How.SAY_AND_CLOSE:
            raise _Gone
        if act.how is How.SAY_AND_STALL:
            self.sock.settimeout(_STALL_SECONDS)
            while self.sock.recv(65_536):
                pass
            raise _Gone
        return said.startswith((b"2", b"3"))

    def _say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def _more(self) -> None:
        data = self.sock.recv(65_536)
        if not data:
            raise _Gone
        self.buffer += data

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _message(self) -> bytes:
        """Return a message as it was before dot-stuffing. Only CRLF ends a line (threat 25)."""
        lines = []
        while (line := self._line()) != b".":
            lines.append(line.removeprefix(b"."))
        return b"".join(one + b"\r\n" for one in lines)


@contextmanager
def scripted_server(server: ScriptedServer) -> Iterator[ScriptedServer]:
    """Run the server while the block runs."""
    threads = []
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        server.port = listener.getsockname()[1]
        if server.receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, server.receive_buffer)

        def talk(sock: socket.socket, number: int, *, crowded: bool) -> None:
            # OSError: the client has gone, or the test is over.
            with contextlib.suppress(OSError, _Gone):
                sock.settimeout(30.0)
                if server.tls is not None:
                    sock = server.tls.wrap_socket(sock, server_side=True)
                    server.open[number] = sock
                _Talk(server, sock, crowded=crowded).run()
            with server.lock:
                server.open.pop(number)
            sock.close()

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with server.lock:
                    server.connections += 1
                    crowded = len(server.open) >= server.max_connections
                    server.open[server.connections] = sock
                    server.most_at_once = max(server.most_at_once, len(server.open))
                    number = server.connections
                thread = threading.Thread(target=talk, args=(sock, number), kwargs={"crowded": crowded}, daemon=True)
                threads.append(thread)
                thread.start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            with server.lock:
                for sock in server.open.values():
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
