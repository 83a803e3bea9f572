"""Reports about mails: bounces (RFC 3464, and what servers wrote before it) and complaints (RFC 5965). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from email.policy import compat32
from email.utils import parsedate_to_datetime

from newsletter.mail import Kind, header_text

#: A delivery's name where it is the left part of an address or a Message-ID (`delivery.names`). No more is looked up.
_NAME = re.compile(r"(?<![0-9a-z])([0-9a-f]{1,16}-[0-9a-f]{20})(?![0-9a-z-])", re.IGNORECASE)
_MAX_NAMES = 20
#: The token in the link or in the mailto address of a returned List-Unsubscribe (`delivery.message.list_headers`).
_LINK = re.compile(r"(?:/u/|unsubscribe(?:%20|\s))([A-Za-z0-9_-]{22,100})", re.IGNORECASE)
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
#: Of the subject "addressing" (RFC 3463 section 3.2): the address is valid; it is the sender's that is wrong.
_NOT_THE_READER = frozenset({5, 7, 8, 9})
#: How qmail's bounces begin (https://cr.yp.to/proto/qsbmf.txt), and what stands before the returned mail.
_QMAIL = re.compile(r"\s*Hi\. This is the ")
_QMAIL_MAIL = "--- Below this line is a copy of the message."
#: Feedback-Type -> what it means; others (RFC 5965 section 7.3: virus, not-spam, other) are no reader's doing.
_FEEDBACK = {
    "abuse": Kind.COMPLAINED,
    "fraud": Kind.COMPLAINED,
    "opt-out": Kind.UNSUBSCRIBED,
    "opt-out-list": Kind.UNSUBSCRIBED,
}
_TEXT_LIMIT = 200_000
_WORDS_LIMIT = 500


@dataclass(frozen=True)
class Bounce:
    """A report on one mail. `names` are what it may have been called, the surest first."""

    names: tuple[str, ...]
    kind: Kind
    status: str
    #: The server's words, and the address that it speaks of: both as they came.
    detail: str
    address: str


@dataclass(frozen=True)
class Complaint:
    """A reader's complaint about a mail with one of these names, or with one of these tokens in its links."""

    names: tuple[str, ...]
    tokens: tuple[str, ...]
    kind: Kind
    detail: str


def kind_of(action: str, status: str) -> Kind:
    """Return what an action and a status (RFC 3464 section 2.3, RFC 3463) mean.

    Hard is only what says that the address is wrong, 5.1.x; that a server gave up, is full, or wants none of this mail
    says nothing of the address (trust 2.2).
    """
    if action in {"delayed", "delivered"}:
        return Kind.DEFERRED if action == "delayed" else Kind.DELIVERED
    found = _STATUS.fullmatch(status)
    if action != "failed" or found is None:
        return Kind.BLOCKED if action == "failed" else Kind.OTHER
    kind, subject, detail = map(int, found.groups())
    is_hard = (kind, subject) == (5, 1) and detail not in _NOT_THE_READER
    return Kind.BOUNCED if is_hard else Kind.BLOCKED


def names_in(text: str) -> list[str]:
    """Return what may be deliveries' names in a text, each once."""
    return list(dict.fromkeys(name.lower() for name in _NAME.findall(text)))[:_MAX_NAMES]


def field_of(message: Message, name: str) -> str:
    """Return a field's value as one printable line; "" without one."""
    return header_text(str(message.get(name, "")), _WORDS_LIMIT)


def date_of(message: Message, now: datetime) -> datetime:
    """Return when a message says that it was written, and no later than now."""
    try:
        written = parsedate_to_datetime(str(message.get("Date", "")))
        return min(written if written.tzinfo else written.replace(tzinfo=UTC), now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return now


def bounce_in(parts: Sequence[Message], names: Sequence[str]) -> Bounce | None:
    """Return what a delivery status notification says; None when the parts hold none.

    `names` are those in the addresses it came to. Each of our mails has one recipient, and so has its report.
    """
    report = next((one for one in parts if _is(one, "delivery-status")), None)
    if report is None:
        return None
    blocks = list(_blocks(report))
    envelope = [name for block in blocks for name in names_in(field_of(block, "Original-Envelope-Id"))]
    told = next((block for block in blocks if "Action" in block), Message(policy=compat32))
    words, address = _after_type(field_of(told, "Diagnostic-Code")), _after_type(field_of(told, "Final-Recipient"))
    status = _surest(field_of(told, "Status"), words)
    return Bounce(
        names=_once(names, envelope, _returned_names(parts)),
        kind=kind_of(field_of(told, "Action").lower(), status),
        status=status,
        detail=f"{status} {words}".strip() if status not in words else words,
        address=address,
    )


def plain_bounce_in(message: Message, parts: Sequence[Message], names: Sequence[str]) -> Bounce | None:
    """Return what a bounce of a server says that writes no reports: qmail, and Exim as it was; None for other mails."""
    text = next((_text(one) for one in parts if one.get_content_type() == "text/plain"), "")
    failed = field_of(message, "X-Failed-Recipients")
    if not failed and not _QMAIL.match(text):
        return None
    said, _, returned = text.partition(_QMAIL_MAIL)
    found = _STATUS.search(said)
    status = found[0] if found else ""
    line = next((one for one in said.splitlines() if status and status in one), "")
    return Bounce(
        names=_once(names, names_in(returned or text), _returned_names(parts)),
        kind=kind_of("delayed" if status.startswith("4") else "failed", status),
        status=status,
        detail=header_text(line, _WORDS_LIMIT),
        address=failed,
    )


def complaint_in(parts: Sequence[Message]) -> Complaint | None:
    """Return a feedback report's complaint; None when the parts hold none."""
    report = next((one for one in parts if _is(one, "feedback-report")), None)
    if report is None:
        return None
    kinds = [field_of(block, "Feedback-Type").lower() for block in _blocks(report)]
    kind = next(filter(None, kinds), "")
    returned = list(_returned(parts))
    links = " ".join(str(one.get("List-Unsubscribe", "")) for one in returned)
    tokens = tuple(dict.fromkeys(_LINK.findall(" ".join(links.split()))))
    return Complaint(_once(_returned_names(parts)), tokens, _FEEDBACK.get(kind, Kind.OTHER), header_text(kind, 100))


def _is(part: Message, report: str) -> bool:
    return part.get_content_type() in {f"message/{report}", f"message/global-{report}", f"text/{report}"}


def _blocks(report: Message) -> Iterator[Message]:
    """Yield the groups of fields of a report: the mail's, then each recipient's."""
    payload = report.get_payload()
    if not isinstance(payload, list):
        text = _text(report)
    else:
        yield from (one for one in payload if isinstance(one, Message))
        # Where the parser knows the type as some message only, what follows the first group is that message's text.
        text = "\n\n".join(_text(one) for one in payload if isinstance(one, Message))
    for group in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        if ":" in group:
            yield HeaderParser(policy=compat32).parsestr(group)


def _returned(parts: Sequence[Message]) -> Iterator[Message]:
    """Yield the mails, or headers of mails, that a report returns."""
    for part in parts:
        payload = part.get_payload()
        if part.get_content_type() in {"message/rfc822", "message/global"} and isinstance(payload, list):
            yield from (one for one in payload if isinstance(one, Message))
        elif part.get_content_type() in {"text/rfc822-headers", "message/global-headers"}:
            yield HeaderParser(policy=compat32).parsestr(_text(part))


def _returned_names(parts: Sequence[Message]) -> list[str]:
    """Return the names in the Message-IDs of what a report returns."""
    return [name for one in _returned(parts) for name in names_in(str(one.get("Message-ID", "")))]


def _text(part: Message) -> str:
    """Return a part's text; of what its encoding or character set hides, what can be read."""
    payload = part.get_payload(decode=True)
    return payload[:_TEXT_LIMIT].decode("utf-8", errors="replace") if isinstance(payload, bytes) else ""


def _surest(status: str, words: str) -> str:
    """Return the status that tells more: Exim's is 5.0.0 whatever the other server said."""
    own, said = _STATUS.search(status), _STATUS.search(words)
    if own is None or (own[2], own[3]) == ("0", "0"):
        return said[0] if said else (own[0] if own else "")
    return own[0]


def _after_type(value: str) -> str:
    """Return a field's value without its type, such as "smtp;" or "rfc822;"."""
    return value.partition(";")[2].strip() if ";" in value else value


def _once(*names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for some in names for name in some))[:_MAX_NAMES]
