"""The provider for any mail server: SMTP (RFC 5321) with TLS and a login, one reader a transaction.

opening -> connections (pool) -> one loop a call that keeps several of them busy (sending), each with the conversation
of connection.py over wire.py. What answers mean is decided in answers.py alone.
"""

from __future__ import annotations

import smtplib
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient
from newsletter.providers import Unwatched, Watch, is_this_machine
from newsletter.providers.dkim import Signer
from newsletter.providers.message import ascii_address, refuse_unsendable
from newsletter.providers.smtp.answers import Step, Then, Verdict, judge, lost
from newsletter.providers.smtp.letters import Letters, check_return_path, read_return_path, refuse_return_path
from newsletter.providers.smtp.opening import NAME, Server, Unreachable, tls_context
from newsletter.providers.smtp.pool import Pool
from newsletter.providers.smtp.sending import Sending

__all__ = ["SmtpProvider", "Step", "Then", "Verdict", "judge", "lost", "read_return_path"]

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class SmtpProvider:
    """Hands mails to the server `host`.

    `security` is how a connection is protected: "starttls" (port 587) or "tls" (465) from the first byte; "none" (25)
    is for a server on this machine. `timeout` is for connecting and for each command, in seconds. Each call of `send`
    uses up to `connections`, each for up to `mails_per_connection` (0: any number). With `return_path`, an address of
    ours such as bounces@news.example.org, bounces come to bounces+<delivery id>@news.example.org. With `dkim_key`, a
    RSA key in PEM, mails are signed for `dkim_domain`, whose public key is at <selector>._domainkey.<domain>; with
    `dkim_ed25519_key` they are signed with that as well, under a selector of its own (RFC 8463).
    """

    #: RFC 5321 section 4.5.3.2.6: a shorter wait ends in messages that the server delivers and we take for lost.
    final_answer_seconds: ClassVar[float] = 600.0

    def __init__(
        self,
        *,
        host: Annotated[str, Field(min_length=1)],
        port: Annotated[int, Field(ge=1, le=65535)] | None = None,
        security: Literal["starttls", "tls", "none"] = "starttls",
        username: str = "",
        password: str = "",
        timeout: Annotated[float, Field(gt=0)] = 60.0,
        ca_file: Path | None = None,
        local_hostname: str | None = None,
        chunk_size: Annotated[int, Field(ge=1)] = 500,
        connections: Annotated[int, Field(ge=1, le=100)] = 10,
        mails_per_connection: Annotated[int, Field(ge=0)] = 500,
        return_path: str = "",
        dkim_key: Path | None = None,
        dkim_domain: str = "",
        dkim_selector: str = "",
        dkim_ed25519_key: Path | None = None,
        dkim_ed25519_selector: str = "",
    ) -> None:
        _check_options(host, security, username, password)
        tls = None if security == "none" else tls_context(ca_file)
        self.host = host
        self.port = port or _PORTS[security]
        self.chunk_size = chunk_size
        self.timeout = timeout
        self._server = Server(host, self.port, security, (username, password), timeout, local_hostname, tls)
        self._connections = connections
        self._mails_per_connection = mails_per_connection
        self._return_path = check_return_path(return_path)
        ed25519 = dkim_ed25519_key, dkim_ed25519_selector
        self._signer = _signer(dkim_key, dkim_domain, dkim_selector, *ed25519)
        self._pool = Pool()
        self._finalizer = weakref.finalize(self, self._pool.end)

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send over several connections, opened as needed. Raises ProviderRefused as the protocol says."""
        return self.send_watched(mail, recipients, Unwatched())

    def send_watched(self, mail: Mail, recipients: Sequence[Recipient], watch: Watch) -> list[Outcome]:
        """Do as `send` and tell `watch` about each reader (Watched).

        Once `watch` is stopping, nothing new begins and answers that are to come are awaited for five seconds (F11).
        """
        refuse_unsendable(NAME, mail)
        if not recipients:
            return []
        if self._return_path:
            refuse_return_path(self._return_path, recipients)
        letters = Letters(mail, self._return_path, self._signer, datetime.now(UTC))
        sending = Sending(
            recipients,
            letters.write,
            self._server,
            self._pool,
            watch,
            sender=ascii_address(mail.sender.address),
            connections=self._connections,
            mails_per_connection=self._mails_per_connection,
            final_answer_seconds=self.final_answer_seconds,
        )
        return sending.run()

    def close(self) -> None:
        """Close the connections that are kept between two calls (Closing)."""
        self._pool.close()

    def check(self) -> str:
        """Connect, log in and say NOOP. Raises ProviderRefused with what to change."""
        try:
            session = self.connect()
        except Unreachable as error:
            raise ProviderRefused(NAME, str(error)) from error
        try:
            session.noop()
            session.quit()
        except smtplib.SMTPException as error:
            raise self._server.refusal(f"the connection was lost: {error}.") from error
        finally:
            session.close()
        username = self._server.credentials[0]
        login = f" as {username}" if username else ", without a login"
        return f"{self} takes mail{login} (security: {self._server.security})."

    def connect(self) -> smtplib.SMTP:
        """Return a connection that is ready for a message. Raises Unreachable or ProviderRefused."""
        return self._server.connect()

    def __str__(self) -> str:
        return str(self._server)


def _signer(
    key: Path | None, domain: str, selector: str, ed25519_key: Path | None, ed25519_selector: str
) -> Signer | None:
    """Return what signs mails, or None. Raises ConfigurationError for half of the options."""
    given: dict[str, object] = {"dkim_key": key, "dkim_domain": domain, "dkim_selector": selector}
    second: dict[str, object] = {"dkim_ed25519_key": ed25519_key, "dkim_ed25519_selector": ed25519_selector}
    if any(second.values()):  # it never signs alone, since not all verifiers know it
        given |= second
    missing = [f"provider.{name}" for name, value in given.items() if not value]
    if key is None or missing:
        if len(missing) < len(given):
            raise ConfigurationError(f"{' and '.join(missing)} is missing: signing needs {', '.join(given)}.")
        return None
    return Signer(key, domain, selector, ed25519_key=ed25519_key, ed25519_selector=ed25519_selector)


def _check_options(host: str, security: str, username: str, password: str) -> None:
    """Raise ConfigurationError for options that cannot work together, or at all."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise ConfigurationError(f"provider.host is wrong: {host!r} is no host name.") from error
    if bool(username) != bool(password):
        missing = "password" if username else "username"
        raise ConfigurationError(f"provider.{missing} is missing: a login needs both username and password.")
    if not (username + password).isascii():
        raise ConfigurationError("provider.username and provider.password may have ASCII characters only (smtplib).")
    if username and security == "none" and not is_this_machine(host):
        raise ConfigurationError(
            'provider.security is "none", so the password would cross the network readable. '
            'Set it to "starttls" or "tls".'
        )
