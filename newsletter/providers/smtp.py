"""The provider for any mail server: SMTP (RFC 5321) with TLS and a login, one reader a transaction.

Only between the final dot and its answer is it unknown whether a server took a message (RFC 1047, RFC 5321 section
4.5.3.2.6); everywhere else a failure means that it did not.
"""

from __future__ import annotations

import logging
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from newsletter.errors import ConfigurationError, NewsletterError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status, header_text, outcome_for_all
from newsletter.providers import is_this_machine, refuse_or_stop
from newsletter.providers.message import ascii_address, build, refuse_unsendable

log = logging.getLogger(__name__)

_NAME = "smtp"
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
#: An enhanced status code (RFC 3463), which servers write first, later in the text or not at all; no IP address.
_ENHANCED = re.compile(r"(?<![\w.])[45]\.(\d{1,3})\.\d{1,3}(?!\w|\.\d)")
#: Its subject for security and policy.
_POLICY = "7"
#: Answers that speak of the sender, whichever command they follow.
_SENDER_REFUSED = re.compile(r"530 |5\d\d 5\.1\.[78]\b")
#: Connections lost one after the other, without a message between, after which the rest waits.
_MAX_LOST = 2


class Step(StrEnum):
    """How far a message's transaction had come."""

    #: The envelope's sender.
    MAIL = "MAIL FROM"
    #: The reader.
    RCPT = "RCPT TO"
    #: The request to hand over the message, and the message without its final dot.
    DATA = "DATA"
    #: The final dot was sent; from here on nobody but the server knows.
    DOT = "the final dot"


class Then(Enum):
    """What may follow on the connection."""

    #: The next command of this transaction.
    GO_ON = 1
    #: The next reader.
    NEXT = 2
    #: The next reader, on a new connection: this one is broken or out of step.
    RECONNECT = 3
    #: Nothing now: the rest waits.
    STOP = 4
    #: Nothing until somebody changes something.
    REFUSE = 5


@dataclass(frozen=True)
class Verdict:
    """What an answer means for the reader and for the connection."""

    then: Then
    status: Status = Status.NOT_TRIED
    detail: str = ""


def judge(step: Step, code: int, text: str) -> Verdict:
    """Return what the server's answer `code` `text` to `step` means (RFC 5321 section 4.2)."""
    detail = f"{code} {text}"
    if code == 354 and step is Step.DATA:
        return Verdict(Then.GO_ON)
    if 200 <= code <= 299 and step is not Step.DATA:
        return Verdict(Then.NEXT, Status.ACCEPTED, detail) if step is Step.DOT else Verdict(Then.GO_ON)
    if 400 <= code <= 499:
        # After 421 the server goes away. It may be this reader who drives it away: only the others cost no try.
        then = Then.STOP if code == 421 or step is Step.MAIL else Then.NEXT
        return Verdict(then, Status.NOT_TRIED if step is Step.MAIL else Status.DEFERRED, detail)
    if 500 <= code <= 599:
        return _judge_refusal(step, detail)
    return lost(step, f"{step} was answered with {detail!r}, which is not SMTP")


def _judge_refusal(step: Step, detail: str) -> Verdict:
    if step is Step.MAIL or _SENDER_REFUSED.match(detail):
        return Verdict(Then.REFUSE, detail=detail)
    return Verdict(Then.NEXT, Status.REFUSED if _is_policy(detail) else Status.REJECTED, detail)


def lost(step: Step, why: str) -> Verdict:
    """Return what it means that the connection broke, or made no sense, while `step` waited for its answer."""
    # A reader or a mail that always breaks the connection must come to an end of tries, and not hold up the others.
    status = {Step.DOT: Status.UNCERTAIN, Step.MAIL: Status.NOT_TRIED}.get(step, Status.DEFERRED)
    return Verdict(Then.RECONNECT, status, f"the connection was lost at {step}: {why}")


def _is_policy(text: str) -> bool:
    """Tell whether a refusal is for policy (X.7.X): the first enhanced code counts.

    Servers answer so both for what a reader does not want and for what they hold against us ("554 5.7.1 Relay access
    denied"). One call of `send` cannot tell which.
    """
    code = _ENHANCED.search(text)
    return code is not None and code[1] == _POLICY


class Unreachable(Exception):
    """No connection that could take mail; nothing was sent over it, and it is worth another try."""


class SmtpProvider:
    """Hands mails to the server `host`.

    `security` is how the connection is protected: "starttls" (port 587) or "tls" (465) from the first byte; "none" (25)
    is for a server on this machine. `timeout` is for connecting and for each command, in seconds.
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
        chunk_size: Annotated[int, Field(ge=1)] = 50,
    ) -> None:
        _check_options(host, security, username, password)
        self.host = host
        self.port = port or _PORTS[security]
        self.chunk_size = chunk_size
        self._security = security
        self._credentials = (username, password)
        self.timeout = timeout
        self._local_hostname = local_hostname
        self._tls = None if security == "none" else _tls_context(ca_file)

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send over one connection, made again when it breaks. Raises ProviderRefused as the protocol says."""
        refuse_unsendable(_NAME, mail)
        with _Post(self, mail) as post:
            return post.deliver(recipients)

    def check(self) -> str:
        """Connect, log in and say NOOP. Raises ProviderRefused with what to change."""
        try:
            connection = self.connect()
        except Unreachable as error:
            raise ProviderRefused(_NAME, str(error)) from error
        try:
            connection.noop()
            connection.quit()
        except smtplib.SMTPException as error:
            raise self._refusal(f"the connection was lost: {error}.") from error
        finally:
            connection.close()
        username = self._credentials[0]
        login = f" as {username}" if username else ", without a login"
        return f"{self} takes mail{login} (security: {self._security})."

    def connect(self) -> smtplib.SMTP:
        """Return a connection that is ready for a message. Raises Unreachable or ProviderRefused."""
        connection: smtplib.SMTP | None = None
        try:
            connection = self._dial()
            connection.ehlo_or_helo_if_needed()
            if self._security == "starttls":
                connection.starttls(context=self._tls)
                connection.ehlo_or_helo_if_needed()
            if self._credentials[0]:
                connection.login(*self._credentials)
            _without_delay(connection)
        except (OSError, ValueError) as error:  # ValueError: a server's challenge that is not base64
            if connection is not None:
                connection.close()
            raise self._not_connected(error) from error
        return connection

    def _dial(self) -> smtplib.SMTP:
        if self._security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, self._local_hostname, timeout=self.timeout, context=self._tls)
        return smtplib.SMTP(self.host, self.port, self._local_hostname, timeout=self.timeout)

    def _not_connected(self, error: Exception) -> ProviderRefused | Unreachable:
        """Return what a failure to connect means: another try can help, or somebody has to change something."""
        if sentence := _to_change(error):
            return self._refusal(sentence)
        if isinstance(error, smtplib.SMTPResponseException):
            return Unreachable(f"{self} takes no mail now: {_answer(error)}")
        if isinstance(error, ssl.SSLError):
            return Unreachable(f"TLS with {self} failed: {error}. Check provider.port and provider.security.")
        return Unreachable(f"{self} could not be reached: {error}.")

    def _refusal(self, sentence: str) -> ProviderRefused:
        return ProviderRefused(_NAME, f"{self}: {sentence}")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class _Post:
    """One call of `send`: the connection in use and what was lost so far."""

    def __init__(self, provider: SmtpProvider, mail: Mail) -> None:
        self._provider = provider
        self._mail = mail
        self._sender = ascii_address(mail.sender.address)
        self._connection: smtplib.SMTP | None = None
        self._lost = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Hang up. After an interruption without QUIT, which could become a line of a half-sent message."""
        if self._connection is None:
            return
        try:
            if kind is None:
                self._connection.quit()
        except smtplib.SMTPException as error:
            log.debug("%s did not answer QUIT: %s", self._provider, error)  # every message has its outcome
        finally:
            self._connection.close()

    def deliver(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Return one outcome for each recipient, in order. Raises ProviderRefused when none was accepted."""
        now = datetime.now(UTC)
        outcomes: list[Outcome] = []
        for position, recipient in enumerate(recipients):
            try:
                message = build(self._mail, recipient, date=now)
            except NewsletterError as error:
                outcomes.append(Outcome(recipient.delivery_id, Status.REJECTED, str(error)))
                continue
            try:
                verdict = self._transact(ascii_address(recipient.address), message)
            except ProviderRefused as refusal:
                return outcomes + refuse_or_stop(refusal, outcomes, recipients[position:])
            except Unreachable as error:
                return outcomes + outcome_for_all(recipients[position:], Status.NOT_TRIED, str(error))
            reference = verdict.detail[:200] if verdict.status is Status.ACCEPTED else ""
            outcomes.append(Outcome(recipient.delivery_id, verdict.status, verdict.detail, reference))
            if verdict.then is Then.STOP or self._lost >= _MAX_LOST:
                return outcomes + outcome_for_all(recipients[position + 1 :], Status.NOT_TRIED, verdict.detail)
        return outcomes

    def _transact(self, address: str, message: bytes) -> Verdict:
        """Send one message and leave the connection fit for the next one."""
        connection = self._connection = self._connection or self._provider.connect()
        verdict = self._converse(connection, address, message)
        if verdict.then is Then.REFUSE:
            raise ProviderRefused(_NAME, f"{self._provider} takes nothing from {self._sender}: {verdict.detail}")
        if verdict.then is Then.NEXT and verdict.status is not Status.ACCEPTED and not _reset(connection):
            verdict = replace(verdict, then=Then.RECONNECT)
        if verdict.then is Then.RECONNECT:
            connection.close()
            self._connection = None
        self._lost = self._lost + 1 if verdict.then is Then.RECONNECT else 0
        return verdict

    def _converse(self, connection: smtplib.SMTP, address: str, message: bytes) -> Verdict:
        size = [f"size={len(message)}"] if connection.has_extn("size") else []
        step = Step.MAIL
        try:
            verdict = judge(step, *_words(connection.mail(self._sender, size)))
            if verdict.then is Then.GO_ON:
                step = Step.RCPT
                verdict = judge(step, *_words(connection.rcpt(address)))
            if verdict.then is Then.GO_ON:
                step = Step.DATA
                verdict = judge(step, *_words(connection.docmd("DATA")))
            if verdict.then is Then.GO_ON:
                _wait_up_to(connection, self._provider.final_answer_seconds)
                connection.send(re.sub(rb"(?m)^\.", b"..", message))
                step = Step.DOT
                connection.send(b".\r\n")
                verdict = judge(step, *_words(connection.getreply()))
                _wait_up_to(connection, self._provider.timeout)
        except smtplib.SMTPException as error:
            return lost(step, str(error))
        return verdict


def _reset(connection: smtplib.SMTP) -> bool:
    """Drop a refused transaction; a server left in the middle of one answers 503 to the next reader."""
    try:
        return connection.rset()[0] == 250
    except smtplib.SMTPException:
        return False


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


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"provider.ca_file: {ca_file} cannot be read as certificates: {error}.") from error


def _without_delay(connection: smtplib.SMTP) -> None:
    """Let the final dot, which is sent alone, leave at once instead of waiting for an acknowledgement."""
    if connection.sock is not None:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _wait_up_to(connection: smtplib.SMTP, seconds: float) -> None:
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _words(answer: tuple[int, bytes]) -> tuple[int, str]:
    """Return a server's answer as one clean line."""
    return answer[0], header_text(answer[1].decode("utf-8", errors="replace"))


def _answer(error: smtplib.SMTPResponseException) -> str:
    words = error.smtp_error
    text = words.decode("utf-8", errors="replace") if isinstance(words, bytes) else words
    return f"{error.smtp_code} {header_text(text)}".strip()
