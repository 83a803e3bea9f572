"""What reports mean for readers: who is not written to again, and who has left.

Only the delivery says who it is about, and only what came after the reader last confirmed counts. The earliest report
explains a suppression, whichever came first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, select

from newsletter.delivery.learning import among, portions
from newsletter.mail import Kind
from newsletter.models import Delivery, Edition, Issue, ReportedEvent
from subscribers import moving, preferences
from subscribers.addresses import one_line, parse_address
from subscribers.consent import leave
from subscribers.models import (
    Consent,
    ConsentAction,
    Subscriber,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
)

_NOTE_LIMIT = 500
#: Providers tell whole seconds.
_SECOND = timedelta(seconds=1)


class Leaving(StrEnum):
    """Which lists a reader leaves."""

    NONE = "none"
    #: The list of the edition that the mail was of.
    LIST = "list"
    ALL = "all"


@dataclass(frozen=True)
class Consequence:
    """What one report means for its reader."""

    reason: SuppressionReason | None = None
    leaving: Leaving = Leaving.NONE


@dataclass(frozen=True)
class Told:
    """One report about a reader. `issue_id` is None when it is about no mail of ours, but about the address."""

    subscriber_id: int
    issue_id: int | None
    kind: Kind
    at: datetime
    detail: str


@dataclass(frozen=True)
class Followed:
    """How many suppressions were written, and how many lists were left."""

    suppressed: int = 0
    left: int = 0


_NOTHING = Consequence()
_BOUNCE = Consequence(SuppressionReason.BOUNCE)
_COMPLAINT = Consequence(SuppressionReason.COMPLAINT, Leaving.ALL)
_CONSEQUENCES = {
    Kind.BOUNCED: _BOUNCE,
    Kind.COMPLAINED: _COMPLAINT,
    Kind.UNSUBSCRIBED: Consequence(leaving=Leaving.LIST),
}
#: Why a provider drops a mail that it took, in the words of several; the first that fits counts. Others, such as a used
#: up quota or the mail's own content, are not about the reader.
_DROPS = (
    (re.compile(r"unsub", re.IGNORECASE), _CONSEQUENCES[Kind.UNSUBSCRIBED]),
    (re.compile(r"spam.?report|complain", re.IGNORECASE), _COMPLAINT),
    (re.compile(r"bounce|\binvalid$|inactive|suppress", re.IGNORECASE), _BOUNCE),
)


def consequence(kind: Kind, detail: str) -> Consequence:
    """Return what a report means for its reader. Pure.

    BLOCKED is never hard: the mail was refused, the address may be good (trust 2.2).
    """
    if kind is Kind.DROPPED:
        return next((found for words, found in _DROPS if words.search(detail)), _NOTHING)
    return _CONSEQUENCES.get(kind, _NOTHING)


def follow(session: Session, provider: str, reports: Sequence[Told], now: datetime) -> Followed:
    """Suppress and take off lists whom the reports are about, unless they have confirmed since.

    Who was erased meanwhile is nobody: what the reports say of them is not kept.
    """
    reports = _of_known(session, reports)
    meant = [(one, consequence(one.kind, one.detail)) for one in reports]
    meant = [(one, what) for one, what in meant if what != _NOTHING]
    if not meant:
        return Followed()
    since = last_confirmed(session, {one.subscriber_id for one, _ in meant})
    meant = [(one, what) for one, what in meant if not is_before(one.at, since.get(one.subscriber_id))]
    suppressed = _suppress(session, provider, meant, now)
    return Followed(suppressed, _leave(session, provider, meant, now))


def _of_known(session: Session, reports: Sequence[Told]) -> Sequence[Told]:
    """Return the reports about readers who are there, and empty what is stored of those about erased ones."""
    erased: set[int] = set()
    for ids in portions(one.subscriber_id for one in reports):
        gone = select(Subscriber.id).where(among(session, col(Subscriber.id), ids))
        erased |= set(session.exec(gone.where(col(Subscriber.erased_at).is_not(None))))
    if not erased:
        return reports
    issues = {one.issue_id for one in reports if one.subscriber_id in erased}
    mails = select(Delivery.id).where(col(Delivery.issue_id).in_(issues), col(Delivery.subscriber_id).in_(erased))
    about = update(ReportedEvent).where(col(ReportedEvent.delivery_id).in_(mails))
    session.execute(about.values(address="", detail="", raw={}))
    return [one for one in reports if one.subscriber_id not in erased]


def is_before(at: datetime, confirmed: datetime | None) -> bool:
    """Tell whether what happened at `at`, told in whole seconds, was before the reader confirmed. Pure."""
    return confirmed is not None and at + _SECOND <= confirmed


def last_confirmed(session: Session, subscriber_ids: Collection[int]) -> dict[int, datetime]:
    """Return when readers last proved themselves that they want mail; those who never did are left out.

    So does who takes another address, by a mail that went there, and who asks for mail again after it had come back.
    """
    asked = (col(Consent.action) == ConsentAction.CHANGED) & col(Consent.wording).in_(
        [preferences.LIFTED, moving.CHANGED, moving.CHANGED_BACK]
    )
    own_doing = col(Consent.action).in_([ConsentAction.CONFIRMED, ConsentAction.JOINED]) | asked
    query = select(Consent.subscriber_id, func.max(Consent.at)).where(own_doing).group_by(col(Consent.subscriber_id))
    found: dict[int, datetime] = {}
    for ids in portions(subscriber_ids):
        found |= {row[0]: row[1] for row in session.exec(query.where(among(session, col(Consent.subscriber_id), ids)))}
    return found


def _suppress(session: Session, provider: str, meant: Iterable[tuple[Told, Consequence]], now: datetime) -> int:
    """Write the suppressions, each with its earliest report; a person's own entry stays as it is."""
    reasons = [(one, what.reason) for one, what in meant if what.reason]
    keys = _keys(session, [one for one, _ in reasons])
    earliest: dict[str, tuple[datetime, str, str]] = {}
    for one, reason in reasons:
        row = (min(one.at, now), str(reason), _note(provider, one))
        key = keys[one.subscriber_id, one.issue_id]
        earliest[key] = min(row, earliest.get(key, row))
    return _write_suppressions(session, earliest)


def _keys(session: Session, reports: Sequence[Told]) -> dict[tuple[int, int | None], str]:
    """Return whose address each report is about: the one that the mail went to, which may not be the reader's now."""
    keys: dict[int, str] = {}
    sent_to: dict[tuple[int, int | None], str] = {}
    issues = {one.issue_id for one in reports if one.issue_id is not None}
    for ids in portions(one.subscriber_id for one in reports):
        query = select(Subscriber.id, Subscriber.address_key).where(among(session, col(Subscriber.id), ids))
        keys |= {row[0]: row[1] for row in session.exec(query)}
        mails = select(Delivery.subscriber_id, Delivery.issue_id, Delivery.address).where(
            col(Delivery.issue_id).in_(issues), among(session, col(Delivery.subscriber_id), ids), Delivery.address != ""
        )
        sent_to |= {(row[0], row[1]): parse_address(row[2]).key for row in session.exec(mails)}
    return {
        (one.subscriber_id, one.issue_id): sent_to.get((one.subscriber_id, one.issue_id), keys[one.subscriber_id])
        for one in reports
    }


def dropped_note(provider: str) -> str:
    """Return how the note begins of a suppression that is only known from a mail the provider dropped."""
    return _reported(Kind.DROPPED, provider)


def _note(provider: str, one: Told) -> str:
    """Return what is kept with a suppression: what was reported, and the server's words."""
    return one_line(f"{_reported(one.kind, provider)}: {one.detail}".removesuffix(": "), _NOTE_LIMIT)


def _reported(kind: Kind, provider: str) -> str:
    return f"{kind}, reported by {provider}"


def _write_suppressions(session: Session, rows: dict[str, tuple[datetime, str, str]]) -> int:
    if not rows:
        return 0
    table = SQLModel.metadata.tables[str(Suppression.__tablename__)]
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: Any = postgresql.insert(table) if on_postgresql else sqlite.insert(table)
    new = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=["address_key"],
        set_={"at": new.at, "reason": new.reason, "note": new.note},
        where=(table.c.reason != SuppressionReason.MANUAL)
        & (tuple_(new.at, new.reason, new.note) < tuple_(table.c.at, table.c.reason, table.c.note)),
    ).returning(table.c.id)
    values = [
        {"address_key": key, "at": at, "reason": reason, "note": note}
        for key, (at, reason, note) in sorted(rows.items())
    ]
    return len(session.execute(statement, values).all())


def _leave(session: Session, provider: str, meant: Iterable[tuple[Told, Consequence]], now: datetime) -> int:
    """Take readers off the lists they were on when they left or complained."""
    leaving = sorted(
        ((one, what.leaving) for one, what in meant if what.leaving is not Leaving.NONE),
        key=lambda pair: (pair[0].subscriber_id, pair[0].at),
    )
    list_of = _lists(session, {one.issue_id for one, _ in leaving if one.issue_id is not None})
    on = _confirmed(session, {one.subscriber_id for one, _ in leaving})
    left = 0
    for one, which in leaving:
        for row in on[one.subscriber_id]:
            wanted = which is Leaving.ALL or one.issue_id is None or row.list_id == list_of[one.issue_id]
            if wanted and not is_before(one.at, row.changed_at):
                source = f"reported by {provider}"
                left += leave(session, subscription_id=row.id, now=min(one.at, now), source=source)
    return left


def _lists(session: Session, issue_ids: Collection[int]) -> dict[int, int]:
    query = select(Issue.id, Edition.list_id).join(Edition, col(Edition.id) == Issue.edition_id)
    return {row[0]: row[1] for row in session.exec(query.where(col(Issue.id).in_(issue_ids)))}


def _confirmed(session: Session, subscriber_ids: Collection[int]) -> dict[int, list[Subscription]]:
    """Return the lists that readers are on, by reader."""
    on = defaultdict(list)
    for ids in portions(subscriber_ids):
        query = select(Subscription).where(
            among(session, col(Subscription.subscriber_id), ids), Subscription.state == SubscriptionState.CONFIRMED
        )
        for row in session.exec(query.order_by(col(Subscription.id))):
            on[row.subscriber_id].append(row)
    return on
