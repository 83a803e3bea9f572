"""One mail for one reader as the bytes of an internet message (RFC 5322, MIME).

The headers are written here and not by `email.message`: Python turns a List-Unsubscribe URL of 78 characters into an
encoded-word (cpython #85725), and up to 3.11.9 it decodes encoded-words in a value and writes the line breaks hidden
in them (CVE-2024-6923). What is written is parsed again before it is given away (threat 1).
"""

from __future__ import annotations

import binascii
import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from email.header import Header
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import format_datetime
from urllib.parse import quote

from email_validator import EmailNotValidError, validate_email

from newsletter.errors import ConfigurationError, NewsletterError, ProviderRefused, Refused
from newsletter.mail import Mail, Recipient, check_blocks, header_text

_CRLF = "\r\n"
#: RFC 2047 section 2: a line with an encoded-word has at most 76 characters. RFC 5322 section 2.1.1 would allow 78.
_LINE = 76
#: RFC 5322 section 2.1.1, without the line break.
_LONGEST_LINE = 998
#: An encoded-word this long stands on one line with the longest name it is used for, "Reply-To: ".
_ENCODED_WORD = _LINE - len("Reply-To: ")
_NAME_LIMIT = 100
#: "=_" appears neither in quoted-printable nor in base64 (RFC 2045 section 6.7), so no part can hold the boundary.
_BOUNDARY = "=_alternative"

#: Headers that this module, the provider or the mail's parts set; `Mail.headers` may not (SendGrid forbids most).
_RESERVED = frozenset(
    {
        *("bcc", "cc", "date", "from", "received", "reply-to", "return-path", "sender", "subject", "to"),
        *("content-transfer-encoding", "content-type", "mime-version"),
        *("dkim-signature", "x-sg-eid", "x-sg-id"),
    }
)
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ASCII_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@.{{1,253}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_PLAIN_PHRASE = re.compile(rf"{_ATOM}(?: {_ATOM})*")


def build(mail: Mail, recipient: Recipient, *, date: datetime) -> bytes:
    """Return the complete message for `recipient`: text and html as alternatives, CRLF line ends, ASCII only.

    Raises ConfigurationError when the reader's address cannot be written in ASCII, and Refused when the mail lacks
    something or the message would not hold exactly the intended headers.
    """
    check_mail(mail)
    fields = _fields(mail, recipient, date)
    head = "".join(f"{_fold(name, tokens)}{_CRLF}" for name, tokens in fields)
    _check_head(head, [name for name, _ in fields])
    text = _part("plain", mail.text_for(recipient.values))
    html = _part("html", mail.html_for(recipient.values))
    parts = f"--{_BOUNDARY}{_CRLF}{text}{_CRLF}--{_BOUNDARY}{_CRLF}{html}{_CRLF}--{_BOUNDARY}--{_CRLF}"
    return f"{head}{_CRLF}{parts}".encode("ascii")


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


def ascii_address(address: str) -> str:
    """Return `address` as an envelope and a header take it: the domain as A-labels, nothing outside ASCII.

    Raises ConfigurationError for anything else; a local part outside ASCII would need SMTPUTF8 (RFC 6532).
    """
    if not address.isascii():
        address = _with_a_labels(address)
    if not _ASCII_ADDRESS.fullmatch(address) or "=?" in address:
        raise ConfigurationError(f"The address {address!r} cannot be sent to. Correct it.")
    return address


def _with_a_labels(address: str) -> str:
    try:
        valid = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ConfigurationError(f"The address {address!r} cannot be sent to: {error}") from error
    if valid.ascii_email is None:
        raise ConfigurationError(f"The address {address!r} cannot be sent to: only ASCII may stand before the @.")
    return valid.ascii_email


def header_value(value: str) -> str:
    """Return `value` for a header that holds URLs and ids: printable ASCII, nothing that looks like an encoded-word.

    Everything else is percent-encoded, as it would be in a URL.
    """
    plain = "".join(one if " " <= one <= "~" else quote(one, safe="", errors="replace") for one in value.strip())
    return plain.replace("=?", "=%3F")


def _fields(mail: Mail, recipient: Recipient, date: datetime) -> list[tuple[str, list[str]]]:
    """Return the header's fields in order, each value as the tokens between which a line may be broken."""
    sender = mail.sender
    fields = [
        ("Date", [format_datetime(date)]),
        ("From", _mailbox(sender.name, sender.address)),
        ("To", _mailbox(recipient.name, recipient.address)),
        ("Subject", _unstructured(header_text(mail.subject))),
        *((name, _at_commas(header_value(value))) for name, value in mail.headers_for(recipient.values)),
        ("MIME-Version", ["1.0"]),
        ("Content-Type", ["multipart/alternative;", f'boundary="{_BOUNDARY}"']),
    ]
    if sender.reply_to:
        fields.insert(3, ("Reply-To", _mailbox("", sender.reply_to)))
    return fields


def _mailbox(name: str, address: str) -> list[str]:
    plain = header_text(name, _NAME_LIMIT)
    return [*_phrase(plain), f"<{ascii_address(address)}>"] if plain else [ascii_address(address)]


def _phrase(text: str) -> list[str]:
    """Return a display name's tokens: bare words, a quoted string or encoded-words (RFC 5322, RFC 2047 section 5)."""
    if not text.isascii():
        return _encoded_words(text)
    if _PLAIN_PHRASE.fullmatch(text):
        return text.split(" ")
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'.split(" ")


def _unstructured(text: str) -> list[str]:
    return text.split(" ") if text.isascii() else _encoded_words(text)


def _encoded_words(text: str) -> list[str]:
    """Return `text` as encoded-words; each holds whole characters."""
    return Header(text, "utf-8", maxlinelen=_ENCODED_WORD).encode(linesep="\n").split("\n ")


def _at_commas(value: str) -> list[str]:
    """Return the tokens of a header that is folded only at commas, so that no URL is touched (RFC 2369 section 2)."""
    return re.split(r"(?<=,) +", value)


def _fold(name: str, tokens: Iterable[str]) -> str:
    """Return the header field, folded before the token that would make a line too long."""
    lines = [f"{name}:"]
    for position, token in enumerate(tokens):
        if position and len(lines[-1]) + 1 + len(token) > _LINE:
            lines.append("")
        lines[-1] += f" {token}"
    return _CRLF.join(lines)


def _check_head(head: str, intended: list[str]) -> None:
    """Raise Refused when `head` holds other headers than intended, or a line that no server has to take."""
    parsed = BytesHeaderParser(policy=compat32).parsebytes(f"{head}{_CRLF}".encode("ascii"))
    if parsed.keys() != intended or parsed.get_payload():
        raise Refused("The message would not have exactly the headers it should have. It was not sent.")
    if any(len(line) > _LONGEST_LINE for line in head.split(_CRLF)):
        raise Refused(f"The message would have a header line of more than {_LONGEST_LINE} octets. It was not sent.")


def _part(subtype: str, content: str) -> str:
    """Return one part with its headers: utf-8 (R6), in the shorter transfer encoding, lines of at most 76."""
    data = re.sub(r"\r\n|\r|\n", _CRLF, content).encode("utf-8", errors="replace")
    # Quoted-printable adds two octets to each octet outside ASCII, base64 a third to all of them.
    outside = len(data.translate(None, bytes(range(128))))
    if outside * 6 > len(data):
        encoding, body = "base64", _base64(data)
    else:
        encoding, body = "quoted-printable", _quoted_printable(data)
    head = (f'Content-Type: text/{subtype}; charset="utf-8"', f"Content-Transfer-Encoding: {encoding}", "")
    return _CRLF.join([*head, body])


def _quoted_printable(data: bytes) -> str:
    """Return `data`, whose line ends are CRLF, encoded; binascii breaks lines with LF where it met no CRLF."""
    return re.sub(r"\r?\n", _CRLF, binascii.b2a_qp(data, istext=True).decode("ascii"))


def _base64(data: bytes) -> str:
    lines = (binascii.b2a_base64(data[at : at + 57], newline=False) for at in range(0, len(data), 57))
    return _CRLF.join(line.decode("ascii") for line in lines)
