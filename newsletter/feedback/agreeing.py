"""The provider's list of addresses it does not write to, and ours, brought to agree.

What the provider found out comes to us, unless the reader has confirmed since. Whom we may write to and the provider
does not is lifted there: readers who confirmed after the provider's entry, and those whom an admin lifted here. Entries
are remembered as events, so that one which was taken over before and is no more is known as lifted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.delivery.learning import portions
from newsletter.feedback.people import Told, dropped_note, follow, is_before, last_confirmed
from newsletter.feedback.taking import store
from newsletter.mail import Kind
from newsletter.models import Delivery, ReportedEvent
from newsletter.providers.events import Suppressed, Suppressing
from subscribers import suppression
from subscribers.models import Subscriber, Subscription, SubscriptionState, Suppression, SuppressionReason

_PORTION = 500
#: How much later than the event a provider may enter the same bounce into its list.
_SAME = timedelta(hours=1)


class Step(StrEnum):
    """What is to be done about one entry of the provider's list."""

    #: Both agree, or it is not for us to say.
    NOTHING = "nothing"
    #: Suppress the address here, too.
    SUPPRESS = "suppress"
    #: Take the reader off the lists they were on when they left at the provider.
    LEAVE = "leave"
    #: Let the provider write to the address again.
    LIFT = "lift"
    #: The same, and lift our own suppression, which only says that the provider dropped a mail.
    LIFT_BOTH = "lift both"


@dataclass(frozen=True)
class Reader:
    """What we know of a reader who is on the provider's list."""

    subscriber_id: int
    #: Since when they are on lists, for each list they are on.
    on_since: tuple[datetime, ...] = ()
    confirmed_at: datetime | None = None
    #: Why and with what note they are suppressed here.
    reason: SuppressionReason | None = None
    note: str = ""
    #: Whether this entry was taken over before, and when a report of the kind last came.
    seen: bool = False
    told_at: datetime | None = None


@dataclass(frozen=True)
class Planned:
    """One entry of the provider's list, about a reader of ours, and what is to be done about it."""

    entry: Suppressed
    step: Step
    why: str


@dataclass(frozen=True)
class Plan:
    """What a reconciliation would do. `strangers` are entries about nobody whom we know."""

    entries: tuple[Planned, ...] = ()
    strangers: int = 0

    @property
    def changes(self) -> list[Planned]:
        """The entries about which there is something to do."""
        return [one for one in self.entries if one.step is not Step.NOTHING]


def decide(entry: Suppressed, reader: Reader, provider: str) -> tuple[Step, str]:
    """Return what to do about an entry, and why. Pure."""
    if entry.kind is Kind.BLOCKED:
        return Step.NOTHING, "a block is not for good"
    if is_before(entry.at, reader.confirmed_at) and reader.on_since:
        return _of_confirmed(reader, provider)
    if entry.kind is Kind.UNSUBSCRIBED:
        left = any(not is_before(entry.at, since) for since in reader.on_since)
        return (Step.LEAVE, "left at the provider") if left else (Step.NOTHING, "on no list since")
    return _of_refused(entry, reader)


def _of_confirmed(reader: Reader, provider: str) -> tuple[Step, str]:
    """Return what to do about an entry from before the reader confirmed."""
    if reader.reason is None:
        return Step.LIFT, "confirmed since"
    if reader.reason is not SuppressionReason.MANUAL and reader.note.startswith(dropped_note(provider)):
        return Step.LIFT_BOTH, "confirmed since; suppressed here only because the provider dropped a mail"
    return Step.NOTHING, "suppressed here for a reason of its own"


def _of_refused(entry: Suppressed, reader: Reader) -> tuple[Step, str]:
    """Return what to do about an entry for a bounce or a complaint that counts."""
    if reader.reason is not None:
        return Step.NOTHING, "suppressed here, too"
    if reader.seen or (reader.told_at is not None and reader.told_at + _SAME >= entry.at):
        return (Step.LIFT, "lifted here") if reader.on_since else (Step.NOTHING, "on no list")
    return Step.SUPPRESS, f"{entry.kind} at the provider"


def plan_agreement(db: Database, provider: Suppressing, name: str) -> Plan:
    """Ask the provider, `name` in the settings, for its list; return what is to be done. Raises ProviderRefused."""
    with db.reading() as session:
        told = _told_at(session, name)
    planned: list[Planned] = []
    strangers = 0
    entries = iter(provider.suppressed(None))
    while portion := list(islice(entries, _PORTION)):
        with db.reading() as session:
            readers = _readers(session, portion, name, told)
        strangers += sum(_key(one) not in readers for one in portion)
        planned += _judged(portion, readers, name)
    return Plan(tuple(planned), strangers)


def agree(db: Database, provider: Suppressing, name: str, plan: Plan, now: datetime) -> Counter[Step]:
    """Do what a plan says where it still holds, ours first, and return how often each step was taken.

    Raises ProviderRefused when the provider does not lift; what was done before stays, and the next run does the rest.
    """
    done: Counter[Step] = Counter()
    with db.reading() as session:
        told = _told_at(session, name)
    for start in range(0, len(plan.entries), _PORTION):
        portion = plan.entries[start : start + _PORTION]
        with db.transaction() as session:
            readers = _readers(session, [one.entry for one in portion], name, told)
            valid = [one for one in portion if _still_holds(one, readers, name)]
            done += _take_over(session, name, valid, readers, now)
        for one in valid:
            if one.step in {Step.LIFT, Step.LIFT_BOTH}:
                done[one.step] += _lift(db, provider, one)
    return done


def _judged(entries: Iterable[Suppressed], readers: dict[str, Reader], name: str) -> Iterator[Planned]:
    for entry in entries:
        reader = readers.get(_key(entry))
        if reader is not None:
            yield Planned(entry, *decide(entry, reader, name))


def _still_holds(one: Planned, readers: dict[str, Reader], name: str) -> bool:
    reader = readers.get(_key(one.entry))
    return reader is not None and decide(one.entry, reader, name)[0] is one.step


def _take_over(
    session: Session, name: str, planned: Sequence[Planned], readers: dict[str, Reader], now: datetime
) -> Counter[Step]:
    """Suppress and take off lists here, and remember every entry."""
    ours = [one for one in planned if one.step in {Step.SUPPRESS, Step.LEAVE}]
    follow(session, name, [_as_told(one.entry, readers[_key(one.entry)].subscriber_id) for one in ours], now)
    if planned:
        store(session, [_as_event(one.entry, name, now) for one in planned])
    return Counter(one.step for one in ours)


def _lift(db: Database, provider: Suppressing, one: Planned) -> bool:
    """Lift at the provider, outside any transaction, and then here where that is wanted."""
    lifted = provider.lift(one.entry.address)
    if one.step is Step.LIFT_BOTH:
        with db.transaction() as session:
            suppression.lift(session, _key(one.entry))
    return lifted


def _as_told(entry: Suppressed, subscriber_id: int) -> Told:
    """Return an entry as a report. For whatever else it refuses an address, it counts as a bounce."""
    kind = Kind.BOUNCED if entry.kind is Kind.OTHER else entry.kind
    return Told(subscriber_id, None, kind, entry.at, entry.detail)


def _as_event(entry: Suppressed, name: str, now: datetime) -> dict[str, object]:
    return {
        "provider": name,
        "event_id": _entry_id(entry),
        "kind": entry.kind,
        "at": entry.at,
        "received_at": now,
        "delivery_id": None,
        "attempt_id": 0,
        "reference": "",
        "address": _key(entry),
        "detail": "from the provider's list of suppressed addresses",
        "raw": {},
    }


def _entry_id(entry: Suppressed) -> str:
    says = f"{_key(entry)} {entry.kind} {entry.at.isoformat()}"
    return f"suppressed {hashlib.sha256(says.encode()).hexdigest()}"


def _key(entry: Suppressed) -> str:
    return entry.address.strip().casefold()


def _told_at(session: Session, name: str) -> dict[int, datetime]:
    """Return when the provider last reported a reader's mail as refused for good, by reader; in one pass."""
    refused = col(ReportedEvent.kind).in_([Kind.BOUNCED, Kind.COMPLAINED, Kind.DROPPED])
    query = select(Delivery.subscriber_id, func.max(ReportedEvent.at))
    query = query.join(ReportedEvent, col(ReportedEvent.delivery_id) == Delivery.id)
    query = query.where(refused, ReportedEvent.provider == name).group_by(col(Delivery.subscriber_id))
    return {row[0]: row[1] for row in session.exec(query)}


def _readers(
    session: Session, entries: Collection[Suppressed], name: str, told: dict[int, datetime]
) -> dict[str, Reader]:
    """Return what is known of the readers on the provider's list, by the key of the address."""
    keys = {_key(one) for one in entries}
    people = select(Subscriber.id, Subscriber.address_key).where(col(Subscriber.address_key).in_(keys))
    ids = {row[1]: row[0] for row in session.exec(people)}
    held = {
        row.address_key: row for row in session.exec(select(Suppression).where(col(Suppression.address_key).in_(keys)))
    }
    seen_ids = {_entry_id(one): _key(one) for one in entries}
    stored = select(ReportedEvent.event_id).where(
        ReportedEvent.provider == name, col(ReportedEvent.event_id).in_(seen_ids)
    )
    seen = {seen_ids[one] for one in session.exec(stored)}
    confirmed = last_confirmed(session, ids.values())
    since = _on_since(session, ids.values())
    return {
        key: Reader(
            subscriber_id=one,
            on_since=tuple(since.get(one, ())),
            confirmed_at=confirmed.get(one),
            reason=held[key].reason if key in held else None,
            note=held[key].note if key in held else "",
            seen=key in seen,
            told_at=told.get(one),
        )
        for key, one in ids.items()
    }


def _on_since(session: Session, subscriber_ids: Iterable[int]) -> dict[int, list[datetime]]:
    since: dict[int, list[datetime]] = {}
    query = select(Subscription.subscriber_id, Subscription.changed_at)
    query = query.where(Subscription.state == SubscriptionState.CONFIRMED)
    for ids in portions(subscriber_ids):
        for subscriber_id, at in session.exec(query.where(col(Subscription.subscriber_id).in_(ids))):
            since.setdefault(subscriber_id, []).append(at)
    return since
