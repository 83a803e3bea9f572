"""Opening a connection: greeting, EHLO, STARTTLS and login are the standard library's; what failures mean is ours."""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import header_text

NAME = "smtp"


class Unreachable(Exception):
    """No connection that could take mail; nothing was sent over it, and it is worth another try."""


@dataclass(frozen=True)
class Server:
    """Where mails are handed over, and how a connection there is opened."""

    host: str
    port: int
    security: str
    credentials: tuple[str, str]
    timeout: float
    local_hostname: str | None
    tls: ssl.SSLContext | None

    def connect(self) -> smtplib.SMTP:
        """Return a connection that is ready for a message. Raises Unreachable or ProviderRefused."""
        session: smtplib.SMTP | None = None
        try:
            session = self._dial()
            session.ehlo_or_helo_if_needed()
            if self.security == "starttls":
                session.starttls(context=self.tls)
                session.ehlo_or_helo_if_needed()
            if self.credentials[0]:
                session.login(*self.credentials)
            _without_delay(session)
        except (OSError, ValueError) as error:  # ValueError: a server's challenge that is not base64
            if session is not None:
                session.close()
            raise self._not_connected(error) from error
        return session

    def refusal(self, sentence: str) -> ProviderRefused:
        """Return the error for a server that takes nothing until somebody changes something."""
        return ProviderRefused(NAME, f"{self}: {sentence}")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"<{self}>"

    def _dial(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, self.local_hostname, timeout=self.timeout, context=self.tls)
        return smtplib.SMTP(self.host, self.port, self.local_hostname, timeout=self.timeout)

    def _not_connected(self, error: Exception) -> ProviderRefused | Unreachable:
        """Return what a failure to connect means: another try can help, or somebody has to change something."""
        if sentence := _to_change(error):
            return self.refusal(sentence)
        if isinstance(error, smtplib.SMTPResponseException):
            return Unreachable(f"{self} takes no mail now: {_answer(error)}")
        if isinstance(error, ssl.SSLError):
            return Unreachable(f"TLS with {self} failed: {error}. Check provider.port and provider.security.")
        return Unreachable(f"{self} could not be reached: {error}.")


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what a server's certificate is checked with. Raises ConfigurationError when `ca_file` cannot be read."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"provider.ca_file: {ca_file} cannot be read as certificates: {error}.") from error


def _to_change(error: Exception) -> str:
    """Return a sentence on what somebody has to change before this server can take mail, or ""."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}. Check provider.host and provider.ca_file."
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500:
        return f"it refused the login ({_answer(error)}). Check provider.username and provider.password."
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500:
        return f"it takes no mail from here: {_answer(error)}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"{error} Check provider.port and provider.security."
    if type(error) is smtplib.SMTPException:
        return f"{error} It was asked for CRAM-MD5, PLAIN and LOGIN."
    return ""


def _without_delay(connection: smtplib.SMTP) -> None:
    """Let the final dot, which is sent alone, leave at once instead of waiting for an acknowledgement."""
    if connection.sock is not None:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _answer(error: smtplib.SMTPResponseException) -> str:
    words = error.smtp_error
    text = words.decode("utf-8", errors="replace") if isinstance(words, bytes) else words
    return f"{error.smtp_code} {header_text(text)}".strip()
