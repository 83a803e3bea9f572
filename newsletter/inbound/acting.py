"""What follows from a message: somebody leaves, an address is not written to again, or nothing at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesHeaderParser
from email.policy import compat32
from enum import StrEnum

from newsletter import feedback
from newsletter.db import Database
from newsletter.feedback.matching import match
from newsletter.feedback.people import is_before
from newsletter.inbound.reading import Automatic, Leaving, Meaning, read
from newsletter.inbound.reports import Bounce, Complaint, date_of
from newsletter.mail import Kind
from newsletter.providers.events import Event
from subscribers.consent import leave, subscription
from subscribers.errors import InvalidToken
from subscribers.merging import followed
from subscribers.models import SubscriptionState
from subscribers.tokens import Purpose, Signer

#: Who reported it, in the ledger's events and in what is kept with a suppression; and how somebody left.
SOURCE = "mail"
#: How somebody left whose complaint proves itself by a link alone.
COMPLAINT_SOURCE = f"reported by {SOURCE}"


class Did(StrEnum):
    """What a message led to."""

    LEFT = "left"
    #: They had left before.
    ALREADY = "had left"
    BOUNCED = "bounced"
    #: Refused, and the address may be good.
    BLOCKED = "blocked"
    DEFERRED = "deferred"
    COMPLAINED = "complained"
    #: It is about a mail of ours, and nothing follows from it.
    NOTED = "noted"
    IGNORED = "ignored"
    #: Not understood: it is kept for people.
    KEPT = "kept"


@dataclass(frozen=True)
class Done:
    """What a message led to, and why where that is not plain. It names nobody."""

    did: Did
    why: str = ""


_DID = {
    Kind.BOUNCED: Did.BOUNCED,
    Kind.BLOCKED: Did.BLOCKED,
    Kind.DEFERRED: Did.DEFERRED,
    Kind.COMPLAINED: Did.COMPLAINED,
    Kind.UNSUBSCRIBED: Did.LEFT,
}


def act(db: Database, signer: Signer, data: bytes, recipients: Sequence[str], now: datetime) -> Done:
    """Do what a message asks for, as far as it proves that it may; doing it again changes nothing.

    `recipients` are the addresses it was delivered to, as far as the server tells.
    """
    *meanings, otherwise = read(data, recipients)
    for meaning in meanings:
        if done := _follow(db, signer, meaning, data, now):
            return done
    return Done(Did.IGNORED if isinstance(otherwise, Automatic) else Did.KEPT, getattr(otherwise, "why", ""))


def _follow(db: Database, signer: Signer, meaning: Meaning, data: bytes, now: datetime) -> Done | None:
    """Do what a message means; None when it does not prove that it may."""
    if isinstance(meaning, Leaving):
        return _leave(db, signer, meaning.tokens, now)
    at = date_of(BytesHeaderParser(policy=compat32).parsebytes(data), now)
    if isinstance(meaning, Bounce):
        return _report(db, meaning, at, now)
    if isinstance(meaning, Complaint):
        return _report(db, meaning, at, now) or _complain(db, signer, meaning, at, now)
    return None


def _leave(db: Database, signer: Signer, tokens: Sequence[str], now: datetime, source: str = SOURCE) -> Done | None:
    """Take a reader off the list of a token, and off those that it was merged into; answers nobody."""
    subscription_id = _subscription_of(signer, tokens)
    if subscription_id is None:
        return None
    with db.transaction() as session:
        row = subscription(session, subscription_id)
        rows = [row, *followed(session, row)] if row else []
        left = [leave(session, subscription_id=one.id, now=now, source=source) for one in rows]
    return Done(Did.LEFT if any(left) else Did.ALREADY)


def _report(db: Database, report: Bounce | Complaint, at: datetime, now: datetime) -> Done | None:
    """Take a report in as a provider's event about the mail that it names; None when no name is one of ours."""
    name = _proven(db, report.names, now)
    if name is None:
        return None
    if report.kind is Kind.OTHER:
        return Done(Did.NOTED, "it says nothing of the reader")
    bounce = report if isinstance(report, Bounce) else None
    said = {"status": bounce.status if bounce else "", "detail": report.detail}
    event_id = hashlib.sha256("\0".join((name, report.kind, *said.values())).encode(errors="replace")).hexdigest()
    address = bounce.address if bounce else ""
    event = Event(event_id, report.kind, at, name, address=address, detail=report.detail, raw=said)
    feedback.take_in(db, SOURCE, [event], now)
    return Done(_DID.get(report.kind, Did.NOTED))


def _complain(db: Database, signer: Signer, complaint: Complaint, at: datetime, now: datetime) -> Done | None:
    """Follow a complaint whose returned mail is known by its link alone; None when the link is not ours.

    Whoever a mail was forwarded to has that link, and it lets them leave a list, no more: so no address is suppressed
    for good by it, which nobody could take back by signing up again (threat 16).
    """
    subscription_id = _subscription_of(signer, complaint.tokens)
    if subscription_id is None:
        return None
    if complaint.kind is Kind.UNSUBSCRIBED:
        return _leave(db, signer, complaint.tokens, now)
    if complaint.kind is not Kind.COMPLAINED:
        return Done(Did.NOTED, "it says nothing of the reader")
    with db.reading() as session:
        row = subscription(session, subscription_id)
    if row is None:
        return Done(Did.NOTED, "its reader is gone")
    if row.state is SubscriptionState.CONFIRMED and is_before(at, row.changed_at):
        return Done(Did.NOTED, "its reader has joined since")
    return _leave(db, signer, complaint.tokens, now, COMPLAINT_SOURCE)


def _subscription_of(signer: Signer, tokens: Sequence[str]) -> int | None:
    """Return the subscription that the first genuine token lets its holder leave; None without one."""
    for token in tokens:
        try:
            return signer.read(Purpose.UNSUBSCRIBE, token)
        except InvalidToken:
            continue
    return None


def _proven(db: Database, names: Sequence[str], now: datetime) -> str | None:
    """Return the first of the names that is one of ours."""
    asked = {name: Event(name, Kind.OTHER, now, name) for name in names}
    with db.reading() as session:
        found = match(session, asked)
    return next((name for name in names if name in found), None)
