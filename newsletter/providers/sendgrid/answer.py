"""What SendGrid's answers mean for the recipients of a request. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Protocol

from newsletter.mail import Status, header_text

_LONGEST_WAIT = 15 * 60.0
_PERSONALIZATION = re.compile(r"personalizations(?:\.|\[)(\d+)\]?(?P<below>.*)")


class Headers(Protocol):
    """An answer's headers; names are matched without regard to case."""

    def get(self, name: str, /) -> str | None:
        """Return a header's value."""
        ...


class Then(Enum):
    """What follows an answer."""

    #: Every recipient of the request has the verdict's status; on to the next request.
    GO_ON = 1
    #: The same, but nobody else is sent to in this call.
    STOP = 2
    #: The recipients in `bad` are rejected, the others are sent again.
    WITHOUT_BAD = 3
    #: It is too large: each half is sent again by itself.
    HALVES = 4
    #: The fault is with some of them, and nobody says with whom.
    SEARCH = 5
    #: Nobody was taken, and nobody will be until somebody changes something.
    REFUSE = 6


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: Headers


@dataclass(frozen=True)
class Verdict:
    """What an answer means. `bad` maps positions within the request to SendGrid's own words."""

    then: Then
    status: Status = Status.NOT_TRIED
    sentence: str = ""
    reference: str = ""
    retry_after: float | None = None
    bad: Mapping[int, str] = field(default_factory=dict)
    #: The bad recipient was alone in the request; SendGrid did not name anybody.
    found_by_search: bool = False


@dataclass(frozen=True)
class Complaint:
    """One entry of `errors` in an answer. `field` is "" when SendGrid names none."""

    message: str
    field: str


def judge(answer: Answer, count: int, now: datetime) -> Verdict:
    """Return what `answer` to a request with `count` recipients means."""
    words = "; ".join(complaint.message for complaint in complaints(answer.body))
    said = f"{answer.status} {words}".strip()
    if 200 <= answer.status <= 299:
        return Verdict(Then.GO_ON, Status.ACCEPTED, said, reference=answer.headers.get("X-Message-Id") or "")
    if answer.status == 429:
        wait = retry_after(answer.headers.get("X-RateLimit-Reset"), answer.headers.get("Retry-After"), now)
        return Verdict(Then.STOP, Status.NOT_TRIED, said, retry_after=wait)
    if not 400 <= answer.status <= 499 or answer.status == 408:
        check = "" if answer.status >= 400 else f". {_what_to_check(answer.status)}"
        return Verdict(Then.STOP, Status.UNCERTAIN, f"{said}: it may have been taken{check}")
    if answer.status == 413 and count > 1:
        return Verdict(Then.HALVES, sentence=said)
    if answer.status == 400:
        return _judge_complaints(complaints(answer.body), count, said)
    return Verdict(Then.REFUSE, sentence=f"{said}. {_what_to_check(answer.status)}")


def complaints(content: bytes) -> list[Complaint]:
    """Return the entries of `errors`; none when the body is not SendGrid's."""
    try:
        found = json.loads(content)["errors"]
        return [Complaint(header_text(str(one["message"])), _field(one.get("field"))) for one in found]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def retry_after(reset: str | None, delay: str | None, now: datetime) -> float | None:
    """Return the seconds to wait, 1 s to 15 min; None when nothing tells.

    X-RateLimit-Reset (epoch seconds) comes first, since SendGrid documents it. Retry-After (RFC 9110 section 10.2.3:
    seconds or a date) is what something in between may answer.
    """
    seconds = _number(reset, from_epoch=now)
    if seconds is None or seconds <= 0:
        seconds = _number(delay)
        seconds = _until(delay, now) if seconds is None else seconds
    return min(max(seconds, 1.0), _LONGEST_WAIT) if seconds is not None and seconds > 0 else None


def _number(text: str | None, *, from_epoch: datetime | None = None) -> float | None:
    """Return a header's number, or how far it is ahead of a time; None when it holds none."""
    if text is None or not re.fullmatch(r"\s*[0-9]{1,12}(\.[0-9]{1,9})?\s*", text):
        return None
    return float(text) - (from_epoch.timestamp() if from_epoch else 0.0)


def _until(date: str | None, now: datetime) -> float | None:
    """Return the seconds until a header's date; None when it holds none."""
    try:
        return (parsedate_to_datetime(date or "").astimezone(UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _judge_complaints(found: list[Complaint], count: int, said: str) -> Verdict:
    """Return what a 400 means: some readers are bad, the mail is, or nobody says who."""
    elsewhere = [one for one in found if one.field and not one.field.startswith("personalizations")]
    if elsewhere:
        return Verdict(Then.REFUSE, sentence=f"400 {elsewhere[0].message} (field {elsewhere[0].field})")
    bad: dict[int, str] = {}
    about_address = False
    for one in found:
        match = _PERSONALIZATION.fullmatch(one.field)
        if match and int(match[1]) < count:
            bad[int(match[1])] = f"400 {one.message}"
            about_address |= match["below"].startswith((".to", "[to"))
    if bad and len(bad) == count > 1 and not about_address:
        # Every reader has the same fault, and not in the address: it is ours, not theirs.
        return Verdict(Then.REFUSE, sentence=f"{said} (field {found[0].field})")
    if bad:
        return Verdict(Then.WITHOUT_BAD, bad=bad)
    if count > 1:
        return Verdict(Then.SEARCH, sentence=said)
    return Verdict(Then.WITHOUT_BAD, bad={0: said}, found_by_search=True)


def _field(value: Any) -> str:
    """Return the field an entry names. The specification's examples write a missing one as the text "null"."""
    return value if isinstance(value, str) and value != "null" else ""


def _what_to_check(status: int) -> str:
    if status == 401:
        return "The key is not valid. Check provider.api_key."
    if status == 403:
        return "Check that the key has the scope mail.send and that the sender is a verified identity of the account."
    if status == 413:
        return "The mail is too large for SendGrid (30 MB)."
    return "Check provider.host."
