"""Envelopes: who a message is from and for as a server is told, and the return path that brings a bounce back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Mail, Recipient
from newsletter.providers.dkim import Signer
from newsletter.providers.message import ascii_address, compiled
from newsletter.providers.smtp.connection import Connection, Letter
from newsletter.providers.smtp.opening import NAME

#: RFC 5321 section 4.5.3.1.1: octets before the @.
_LOCAL_LIMIT = 64
#: What a delivery id may be to stand in an address: it comes back in either case.
_ID = re.compile(r"[0-9a-f-]{10,60}")
#: RFC 3461 section 4: what stands for itself in xtext.
_PLAIN = re.compile(r"[!-*,-<>-~]*")


class Letters:
    """Writes the letters of one call."""

    def __init__(self, mail: Mail, return_path: str, signer: Signer | None, date: datetime) -> None:
        self._signer = signer
        self._compiled = compiled(mail)
        self._return_path = return_path
        self._sender = ascii_address(mail.sender.address)
        self._date = date

    def write(self, at: int, recipient: Recipient, connection: Connection) -> Letter:
        """Return the letter to a reader, for what the server of `connection` understands.

        Raises ConfigurationError or Refused when the reader cannot be written to.
        """
        address = ascii_address(recipient.address)
        message = self._compiled.pieces(recipient, self._date)
        if self._signer is not None:
            message.insert(0, self._signer.fields(message[0], message[2:], self._date))
        size = sum(map(len, message))
        sender = self._sender
        if self._return_path:
            sender = signed_return_path(self._return_path, recipient.delivery_id)
        mail_from, rcpt_to = f"MAIL FROM:<{sender}>", f"RCPT TO:<{address}>"
        if connection.size:
            mail_from += f" SIZE={size}"
        if connection.dsn:
            mail_from += f" RET=HDRS ENVID={xtext(recipient.delivery_id)}"
            rcpt_to += f" NOTIFY=FAILURE,DELAY ORCPT=rfc822;{xtext(address)}"
        commands = f"{mail_from}\r\n".encode("ascii"), f"{rcpt_to}\r\n".encode("ascii")
        return Letter(at, recipient, *commands, message, size, connection.dsn)


def xtext(text: str) -> str:
    """Return text as a parameter of RFC 3461 (section 4) takes it."""
    if _PLAIN.fullmatch(text):
        return text
    plain = (chr(octet) if _PLAIN.fullmatch(chr(octet)) else f"+{octet:02X}" for octet in text.encode())
    return "".join(plain)


def check_return_path(return_path: str) -> str:
    """Return the address to which bounces come, or "". Raises ConfigurationError when it is no address."""
    try:
        return ascii_address(return_path) if return_path else ""
    except ConfigurationError as error:
        raise ConfigurationError(f"provider.return_path is wrong: {error}") from error


def refuse_return_path(return_path: str, recipients: Sequence[Recipient]) -> None:
    """Raise ProviderRefused when the id of a delivery cannot stand in the return path."""
    room = _LOCAL_LIMIT - len(return_path.partition("@")[0]) - len("+")
    for recipient in recipients:
        delivery_id = recipient.delivery_id
        if len(delivery_id) > room or not _ID.fullmatch(delivery_id):
            raise ProviderRefused(
                NAME,
                f"provider.return_path: {return_path} has no room for the delivery id {delivery_id}. "
                f"Shorten what stands before the @ (RFC 5321: {_LOCAL_LIMIT} characters with the id).",
            )


def signed_return_path(return_path: str, delivery_id: str) -> str:
    """Return the envelope's sender for one delivery, such as bounces+<id>@news.example.org."""
    local, _, domain = return_path.partition("@")
    return f"{local}+{delivery_id}@{domain}"


def read_return_path(address: str, return_path: str) -> str | None:
    """Return the delivery id in an address that `signed_return_path` made; None when there is none.

    Servers on the way may have changed the case of any of it.
    """
    local, _, domain = return_path.casefold().partition("@")
    start, end = f"{local}+", f"@{domain}"
    address = address.casefold().strip().removeprefix("<").removesuffix(">")
    if not (address.startswith(start) and address.endswith(end)):
        return None
    delivery_id = address[len(start) : -len(end)]
    return delivery_id if _ID.fullmatch(delivery_id) else None
