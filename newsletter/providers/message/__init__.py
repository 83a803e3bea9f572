"""One mail for one reader as the bytes of an internet message (RFC 5322, MIME), made from pieces encoded once.

All that is the same for every reader is checked and encoded when the mail is compiled; a reader's message is then one
join. There is no other way to make one, whoever carries it.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from functools import lru_cache

from newsletter.errors import NewsletterError, ProviderRefused, Refused
from newsletter.mail import VALUES, Mail, Recipient, check_blocks
from newsletter.providers.message.body import Body
from newsletter.providers.message.fields import ascii_address, header_value
from newsletter.providers.message.head import Head
from newsletter.providers.message.values import Holes

__all__ = [
    "CompiledMail",
    "ascii_address",
    "build",
    "check_mail",
    "compiled",
    "header_value",
    "refuse_unsendable",
]

#: Headers that this package, the provider or the mail's parts set; `Mail.headers` may not (SendGrid forbids most).
_RESERVED = frozenset(
    {
        *("bcc", "cc", "date", "from", "received", "reply-to", "return-path", "sender", "subject", "to"),
        *("content-transfer-encoding", "content-type", "mime-version"),
        *("dkim-signature", "x-sg-eid", "x-sg-id"),
    }
)
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
#: Compiled mails kept: one issue goes out at a time, and some letters beside it.
_KEPT = 4


class CompiledMail:
    """A mail whose headers and parts are encoded but for the holes. Safe to use from several threads."""

    def __init__(self, mail: Mail) -> None:
        """Raise Refused or ConfigurationError when no reader could be sent `mail` (check_mail)."""
        check_mail(mail)
        parts = (mail.text_part, mail.html_part, *(part for _, part in mail.header_parts))
        self._holes = Holes(parts, mail.nonce)
        self._head = Head(mail)
        self._body = Body(mail)
        # A reader whose message stands for everybody's when the fixed parts are checked.
        anybody = dict.fromkeys(VALUES, "x")
        self._head.check(Recipient("x", "reader@example.org", "", anybody), self._holes.of(anybody))

    def message(self, recipient: Recipient, date: datetime) -> bytes:
        """Return the complete message for one reader. Raises as `pieces` does."""
        return b"".join(self.pieces(recipient, date))

    def pieces(self, recipient: Recipient, date: datetime) -> list[bytes]:
        """Return the complete message for one reader: the header's fields, an empty line, and the body in pieces.

        Most pieces are every reader's; the body is broken where no blank stands. Raises ConfigurationError when the
        reader's address cannot be written in ASCII, and Refused when the message would not hold exactly the intended
        headers.
        """
        own = self._holes.of(recipient.values)
        fields = self._head.fields(recipient, own, date) + self._body.fields(recipient.values)
        return [fields, b"\r\n", *self._body.pieces(recipient.values, own)]


@lru_cache(maxsize=_KEPT)
def compiled(mail: Mail) -> CompiledMail:
    """Return the mail compiled; the same one as long as it is among the last few. Raises as `check_mail` does."""
    return CompiledMail(mail)


def build(mail: Mail, recipient: Recipient, *, date: datetime) -> bytes:
    """Return the complete message for `recipient`: text and html, or text alone, with CRLF line ends, in ASCII only.

    No line begins with a dot, so that it stands on the wire as it stands in a file (RFC 5321 section 4.5.2). Raises
    ConfigurationError when the reader's address cannot be written in ASCII, and Refused when the mail lacks something
    or the message would not hold exactly the intended headers.
    """
    return compiled(mail).message(recipient, date)


def check_mail(mail: Mail) -> None:
    """Raise Refused or ConfigurationError when no reader could be sent `mail`.

    A Message-ID is asked of the caller, who knows the ledger: it has to be the same for every attempt and every
    provider, so that a receiver can tell a repeated message (RFC 7352). One made here would hide a forgotten one.
    """
    names = [name for name, _ in mail.headers]
    for name in names:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED:
            raise Refused(f"The mail sets the header {name!r}, which is not its to set.")
    repeated = [name for name, count in Counter(name.lower() for name in names).items() if count > 1]
    if repeated:
        raise Refused(f"The mail sets the header {repeated[0]} more than once (RFC 2369, RFC 5322 section 3.6).")
    if "message-id" not in (name.lower() for name in names):
        raise Refused("The mail has no Message-ID. Make one from the delivery, so that a retry carries the same.")
    check_blocks(mail)
    ascii_address(mail.sender.address)
    if mail.sender.reply_to:
        ascii_address(mail.sender.reply_to)


def refuse_unsendable(provider: str, mail: Mail) -> None:
    """Raise ProviderRefused when no reader could be sent `mail`."""
    try:
        check_mail(mail)
    except NewsletterError as error:
        raise ProviderRefused(provider, str(error)) from error
