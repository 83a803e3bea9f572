"""A real SMTP server on loopback, which misbehaves by name where a test asks for it."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import Enum
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USERNAME, PASSWORD = "newsroom", "correct horse"
#: After this long a silent server closes the connection, so that a client that waits too long fails its test.
_SILENCE_SECONDS = 20.0


class Fault(Enum):
    """What the server does to a reader, besides answering with a status code."""

    #: Closes the connection at RCPT, without an answer.
    CLOSE_AT_RCPT = "close at RCPT"
    #: Says nothing at RCPT, and closes the connection much later.
    SILENT_AT_RCPT = "silent at RCPT"
    #: Closes the connection at DATA, without an answer.
    CLOSE_AT_DATA = "close at DATA"
    #: Takes the message, keeps it, and closes the connection without an answer.
    CLOSE_AFTER_DOT = "close after the dot"
    #: Takes the message, keeps it, says nothing, and closes the connection much later.
    SILENT_AFTER_DOT = "silent after the dot"


def parsed(content: bytes) -> EmailMessage:
    """Return an internet message, parsed."""
    return email.message_from_bytes(content, policy=email.policy.default)


@dataclass(frozen=True)
class Received:
    """A message that the server took."""

    sender: str
    recipient: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return parsed(self.content)


@dataclass
class SmtpServer:
    """What a test sets before sending and looks at afterwards. Answers are "code text"; "" is the usual one."""

    host: str = "localhost"
    port: int = 0
    received: list[Received] = field(default_factory=list)
    #: How many connections got as far as EHLO.
    connections: int = 0
    mail_answer: str = ""
    rcpt: dict[str, str | Fault] = field(default_factory=dict)
    data: dict[str, str | Fault] = field(default_factory=dict)
    dot: dict[str, str | Fault] = field(default_factory=dict)
    rset: int = 0
    login_answer: str = ""
    logins: int = 0
    #: Said instead of the usual greeting, from now on; or from the connection after so many on.
    greeting: str = ""
    greeting_after: tuple[int, str] | None = None
    transports: list[asyncio.Transport] = field(default_factory=list)

    def arrived(self) -> list[str]:
        """Return who the messages were for, in order."""
        return [one.recipient for one in self.received]

    # From here on: aiosmtpd's hooks.

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail_answer:
            return self.mail_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.rcpt.get(address, "")
        if answer is Fault.SILENT_AT_RCPT:
            await asyncio.sleep(_SILENCE_SECONDS)
        if isinstance(answer, Fault):
            return await _close(server)
        if not answer:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_RSET(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.rset += 1
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        recipient = envelope.rcpt_tos[0]
        answer = self.dot.get(recipient, "")
        if isinstance(answer, Fault) or not answer:
            content = envelope.content
            assert isinstance(content, bytes)
            self.received.append(Received(str(envelope.mail_from), recipient, content))
        if answer is Fault.CLOSE_AFTER_DOT:
            return await _close(server)
        if answer is Fault.SILENT_AFTER_DOT:
            await asyncio.sleep(_SILENCE_SECONDS)
            return await _close(server)
        return str(answer) or "250 2.0.0 OK queued as " + recipient

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any
    ) -> AuthResult:
        """Decide on a login."""
        right = isinstance(login, LoginPassword) and login == LoginPassword(USERNAME.encode(), PASSWORD.encode())
        if self.login_answer or not right:
            return AuthResult(success=False, handled=False, message=self.login_answer or "535 5.7.8 wrong password")
        self.logins += 1
        return AuthResult(success=True)


class _Smtp(SMTP):
    """aiosmtpd's server with a DATA command that can be refused or cut off."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        assert self.envelope is not None
        recipients = self.envelope.rcpt_tos
        answer = self.event_handler.data.get(recipients[0], "") if recipients else ""
        if isinstance(answer, Fault):
            await _close(self)
        elif answer:
            await self.push(answer)
        else:
            await super().smtp_DATA(arg)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to close it at the end: a client may keep its connection for later."""
        super().connection_made(transport)
        self.event_handler.transports.append(self.transport)

    async def push(self, status: Any) -> None:
        """Replace the greeting, the only answer that aiosmtpd has no hook for."""
        server: SmtpServer = self.event_handler
        if isinstance(status, str) and status.startswith("220 mail.test "):
            after = server.greeting_after
            status = after[1] if after and server.connections >= after[0] else server.greeting or status
        await super().push(status)


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Smtp(self.handler, **self.SMTP_kwargs)


async def _close(server: SMTP) -> str:
    """Close the connection now. aiosmtpd cancels the command once it is lost, so no answer follows."""
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()
    await asyncio.sleep(_SILENCE_SECONDS)
    raise AssertionError("the connection was not lost")


@contextmanager
def smtp_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, login: bool = False
) -> Iterator[SmtpServer]:
    """Run a server: plain, offering STARTTLS, or speaking TLS at once; `login` asks for USERNAME and PASSWORD."""
    server = SmtpServer(port=free_port())
    options: dict[str, Any] = {"hostname": server.host, "port": server.port, "server_hostname": "mail.test"}
    # On a busy machine the five seconds in which a controller must start are too few.
    options |= {"tls_context": starttls, "ssl_context": tls, "ready_timeout": 60.0}
    if login:
        # A connection that is TLS from its first byte counts as plain to aiosmtpd, hence auth_require_tls.
        options |= {"authenticator": server.authenticate, "auth_require_tls": starttls is not None}
    controller = _Controller(server, **options)
    controller.start()
    server.connections = 0
    try:
        yield server
    finally:
        for transport in server.transports:
            controller.loop.call_soon_threadsafe(transport.abort)
        controller.stop()


@contextmanager
def raw_server(*lines: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run a server that says `lines` to each connection and then nothing, and return its port."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            open_connections = []
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                try:
                    connection = tls.wrap_socket(connection, server_side=True) if tls else connection
                    connection.sendall(b"".join(lines))
                except OSError:
                    pass  # the client did not like us, which is what some tests are about
                open_connections.append(connection)
            for connection in open_connections:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stop.set()
            thread.join()


def free_port() -> int:
    """Return a port that was free a moment ago; aiosmtpd's controller cannot be given port 0."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Certificates:
    """A certificate authority of a test, and server contexts with certificates from it."""

    ca_file: Path
    localhost: ssl.SSLContext
    other_host: ssl.SSLContext


def make_certificates(folder: Path) -> Certificates:
    """Make an authority, a certificate for localhost and one for a host with another name."""
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    contexts = []
    for name in ("localhost", "elsewhere.example"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        contexts.append(context)
    return Certificates(ca_file, *contexts)
