"""What a message may mean, read without believing any of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from newsletter.inbound.reports import (
    Bounce,
    Complaint,
    bounce_in,
    complaint_in,
    field_of,
    names_in,
    plain_bounce_in,
)

#: Larger messages are not read: a report returns the header of a mail or, at most, a mail as we send them.
MAX_BYTES = 2 * 1024 * 1024
#: Parts of a message that are looked at.
_MAX_PARTS = 30
_MAX_DEPTH = 4
#: Where servers write whom a message was for, the most faithful first; `To` is what its author wrote.
_RECIPIENTS = ("X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "To", "Cc")
_PLUS = re.compile(r"[^\s<>,;:\"@+]+\+([^\s<>,;:\"@]{10,200})@")
_ASKS = re.compile(r"unsubscribe(?:\s|%20|[+:=])*([A-Za-z0-9_-]{22,100})", re.IGNORECASE)
_PREFIX = re.compile(r"(?:unsubscribe|leave)[-=+_.]?", re.IGNORECASE)
_AUTOMATIC_PRECEDENCE = frozenset({"bulk", "junk", "list", "auto_reply"})
_AUTOMATIC = ("List-Id", "X-Autoreply", "X-Autorespond", "X-Auto-Response", "X-Loop")
_SUBJECT_LIMIT = 1_000


@dataclass(frozen=True)
class Leaving:
    """Somebody asks to leave a list, with one of these tokens."""

    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Automatic:
    """A program wrote it, and not about a mail of ours: an answer from holidays, a receipt, a mail of a list."""

    why: str


@dataclass(frozen=True)
class NotUnderstood:
    """Somebody has to look at it."""

    why: str


Meaning = Leaving | Bounce | Complaint | Automatic | NotUnderstood


def read(data: bytes, recipients: Sequence[str] = ()) -> list[Meaning]:
    """Return what a message may mean, the likeliest first; the last holds where nothing before it can be proved.

    `recipients` are the addresses it was delivered to, as far as the server tells them apart from the message.
    """
    if len(data) > MAX_BYTES:
        return [NotUnderstood(f"it has more than {MAX_BYTES // 1024} KB")]
    try:
        return _read(BytesParser(policy=compat32).parsebytes(data), recipients)
    except Exception as error:  # noqa: BLE001 - the library's parser fails in many ways; such a message is kept
        return [NotUnderstood(f"it is no message that can be read ({type(error).__name__})")]


def _read(message: Message, recipients: Sequence[str]) -> list[Meaning]:
    delivered_to = [*recipients, *_headers(message, _RECIPIENTS)]
    parts = list(_parts(message))
    names = [name for address in delivered_to for name in names_in(address)]
    if complaint := complaint_in(parts):
        return [complaint, NotUnderstood("a complaint about a mail that cannot be told")]
    if bounce := bounce_in(parts, names) or plain_bounce_in(message, parts, names):
        return [bounce, NotUnderstood("a bounce of a mail that cannot be told")]
    if message.get_content_type() == "multipart/report":
        is_receipt = str(message.get_param("report-type", "")).lower() == "disposition-notification"
        return [Automatic("a receipt") if is_receipt else NotUnderstood("a report that cannot be read")]
    tokens = [*_ASKS.findall(_subject(message)), *_plus_parts(delivered_to)]
    asks: list[Meaning] = [Leaving(tuple(dict.fromkeys(tokens)))] if tokens else []
    if why := _why_automatic(message):
        return [*asks, Automatic(why)]
    return [*asks, NotUnderstood("it holds no token of ours" if tokens else "it is for people to read")]


def _parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """Yield the parts of a message, not those of a message in it."""
    payload = message.get_payload()
    if message.get_content_maintype() != "multipart" or not isinstance(payload, list) or depth >= _MAX_DEPTH:
        yield message
        return
    for part in payload[:_MAX_PARTS]:
        if isinstance(part, Message):
            yield from _parts(part, depth + 1)


def _headers(message: Message, names: Sequence[str]) -> list[str]:
    return [str(value)[:_SUBJECT_LIMIT] for name in names for value in message.get_all(name, [])]


def _subject(message: Message) -> str:
    """Return the subject as a person reads it, on one line."""
    raw = str(message.get("Subject", ""))[:_SUBJECT_LIMIT]
    try:
        text = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, ValueError):
        text = raw
    return " ".join(text.split())


def _plus_parts(addresses: Sequence[str]) -> list[str]:
    """Return what stands after a plus sign in the addresses, with and without "unsubscribe" before it."""
    found = [part for address in addresses for part in _PLUS.findall(address)]
    return [one for part in found for one in dict.fromkeys((_PREFIX.sub("", part, count=1), part))]


def _why_automatic(message: Message) -> str:
    """Return by what a message shows that a program wrote it; "" when nothing does (RFC 3834 section 2)."""
    if field_of(message, "Auto-Submitted").partition(";")[0].strip().lower() not in {"", "no"}:
        return "Auto-Submitted"
    if field_of(message, "Precedence").lower() in _AUTOMATIC_PRECEDENCE:
        return "Precedence"
    if field_of(message, "Return-Path") == "<>":
        return "null sender"
    return next((name for name in _AUTOMATIC if name in message), "")
