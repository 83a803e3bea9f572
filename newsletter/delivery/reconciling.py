"""Finding out about uncertain readers without a guess, in this order (trust 3.3, step 4):

1. a report of the provider about the reader     -> accepted (learning.py does it when the report comes)
2. the provider, asked, knows of the reader      -> accepted; not while it may still be told not to send it
3. the attempt's batch is cancelled before its time, and the provider says so -> planned again
4. the provider's reports come, about later attempts too, and none about this -> planned again
5. nothing of these                              -> held for a person
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, literal_column
from sqlmodel import Session, col, func, select

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.learning import among
from newsletter.delivery.ledger.rows import EVENT, PROVIDER, change, keep, lock_issue, note
from newsletter.delivery.names import name_of
from newsletter.delivery.undoing import Batch, last_moment, take_back, was_asked_back
from newsletter.errors import ProviderRefused
from newsletter.mail import Status
from newsletter.models import Attempt, Delivery, DeliveryState, Issue, IssueState, ReportedEvent
from newsletter.providers import Provider, Scheduling
from newsletter.providers.events import Answering, Reporting

#: Silence about an attempt means something only after this long, and when later attempts were reported about.
SILENCE = timedelta(minutes=30)
_KNOWN = "the provider, asked later, knows of it"


@dataclass(frozen=True)
class Doubt:
    """An attempt with uncertain readers."""

    issue_id: int
    attempt: int
    provider: str
    batch: str
    send_at: datetime | None
    at: datetime
    readers: int
    worker: str = ""

    @property
    def due(self) -> datetime:
        """When the provider was to send it: no report can come before."""
        return self.at if self.send_at is None else max(self.at, self.send_at)


@dataclass(frozen=True)
class Left:
    """A doubt that is left, and why."""

    doubt: Doubt
    why: str


@dataclass(frozen=True)
class Reconciled:
    """What was found out: readers who have the issue, readers who surely have not, and who is left."""

    accepted: int = 0
    released: int = 0
    held: int = 0
    left: tuple[Left, ...] = ()


@dataclass(frozen=True)
class Reports:
    """What a provider has reported: anything about an attempt, and anything about one that came later."""

    of_it: bool
    of_later: bool


def doubts(session: Session, issue_id: int | None = None) -> list[Doubt]:
    """Return the attempts of which readers are uncertain, oldest first; of one issue, or of all."""
    query = (
        select(Delivery.issue_id, Attempt, func.count())
        .join(Attempt, col(Attempt.id) == Delivery.attempt)
        .where(literal_column("delivery.state = 'uncertain'"))
        .group_by(col(Delivery.issue_id), *Attempt.__table__.columns)  # type: ignore[attr-defined]
        .order_by(col(Attempt.id))
    )
    open_states = [IssueState.SENDING, IssueState.SENT, IssueState.CANCELLED]
    issues = select(Issue.id).where(col(Issue.state).in_(open_states))
    query = query.where(Delivery.issue_id == issue_id) if issue_id else query.where(col(Delivery.issue_id).in_(issues))
    return [
        Doubt(of_issue, one.id, one.provider, one.batch, one.send_at, one.at, readers, one.worker)
        for of_issue, one, readers in session.exec(query)
    ]


def reconcile(
    db: Database, providers: Mapping[str, Provider], now: datetime, issue_id: int | None = None
) -> Reconciled:
    """Ask about every uncertain reader what can be asked, and settle whom it settles; `providers` by their names."""
    clock = _clock_from(now)
    with db.reading() as session:
        found = doubts(session, issue_id)
    accepted = released = 0
    for doubt in found:
        provider = providers.get(doubt.provider)
        if provider is None:
            continue
        accepted += _ask(db, doubt, provider, clock())
        released += _take_back(db, doubt, provider, clock) or _release_unreported(db, doubt, provider, clock())
    with db.reading() as session:
        left = [
            Left(doubt, why_left(doubt, providers.get(doubt.provider), reports(session, doubt), clock()))
            for doubt in doubts(session, issue_id)
        ]
    return Reconciled(accepted, released, sum(one.doubt.readers for one in left), tuple(left))


def is_silent(doubt: Doubt, *, reported: bool, later_reported: bool, now: datetime) -> bool:
    """Tell whether reports that do not come prove that an attempt was not taken. Pure.

    They do when the reports are alive: the provider tells of a later attempt, and had time to tell of this one.
    """
    return not reported and later_reported and now - doubt.due >= SILENCE


def why_left(doubt: Doubt, provider: Provider | None, told: Reports, now: datetime) -> str:
    """Return why nothing is known about an attempt's readers yet, and whether anything may come. Pure."""
    if not doubt.provider:
        return "The database was restored from a backup; only the provider's log tells what was sent after it was made."
    if provider is None:
        return f"{doubt.provider} is not in the settings any more, so it cannot be asked."
    if doubt.send_at is not None and isinstance(provider, Scheduling) and now <= last_moment(doubt.send_at, provider):
        last = last_moment(doubt.send_at, provider)
        return f"{doubt.provider} has not said that its batch is cancelled; it is asked again until {last:%H:%M} UTC."
    if isinstance(provider, Reporting):
        return _why_unreported(doubt, told, now)
    return f"{doubt.provider} does not report; look for the Message-IDs in its log."


def _why_unreported(doubt: Doubt, told: Reports, now: datetime) -> str:
    if told.of_it:
        return f"{doubt.provider} reported about others of this attempt, and about these not yet."
    if now - doubt.due < SILENCE:
        return f"Reports of {doubt.provider} may still come; by {doubt.due + SILENCE:%H:%M} UTC most are there."
    return f"{doubt.provider} reported about no later attempt either, so its silence proves nothing."


def reports(session: Session, doubt: Doubt) -> Reports:
    """Return what the provider of an attempt has reported about it, and about those that were sent after it.

    An attempt with a higher number proves that reports are alive only when it was to be sent no sooner.
    """
    of_provider = col(ReportedEvent.provider) == doubt.provider[:50]
    of_it = exists().where(of_provider, col(ReportedEvent.attempt_id) == doubt.attempt)
    sent_after = func.coalesce(col(Attempt.send_at), col(Attempt.at)) >= doubt.due
    of_later = exists().where(
        of_provider,
        col(ReportedEvent.attempt_id) > doubt.attempt,
        col(Attempt.id) == col(ReportedEvent.attempt_id),
        sent_after,
        col(ReportedEvent.received_at) >= doubt.due,
    )
    return Reports(session.exec(select(of_it)).one(), session.exec(select(of_later)).one())


def _clock_from(now: datetime) -> Callable[[], datetime]:
    """Return a clock that begins at `now`: asking for many batches takes longer than the last moment waits."""
    began = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - began)


def _ask(db: Database, doubt: Doubt, provider: Provider, now: datetime) -> int:
    """Take as accepted whom the provider knows, when it can be asked."""
    if not isinstance(provider, Answering) or now < doubt.due:
        return 0
    with db.reading() as session:
        if was_asked_back(session, doubt.attempt):
            return 0  # it had it, and may have been told in time not to send it
    try:
        names = provider.taken(doubt.attempt, doubt.at)
    except (ProviderRefused, OSError):
        return 0  # it cannot be asked now: they stay uncertain
    if not names:
        return 0
    with db.transaction() as session:
        return _accept_known(session, lock_issue(session, doubt.issue_id), doubt, names, now)


def _accept_known(session: Session, issue: Issue, doubt: Doubt, names: Collection[str], now: datetime) -> int:
    """Take as accepted the attempt's uncertain readers whose deliveries bear one of the names; return how many."""
    mine = (Delivery.issue_id == issue.id, Delivery.attempt == doubt.attempt, Delivery.state == DeliveryState.UNCERTAIN)
    query = select(Delivery.id, Delivery.subscriber_id).where(*mine).order_by(col(Delivery.id)).with_for_update()
    known = [number for number, reader in session.exec(query) if name_of(issue.name_key, number, reader) in names]
    if known:
        values = {"state": DeliveryState.ACCEPTED, "detail": _KNOWN, "changed_at": now}
        change(session, [among(session, col(Delivery.id), known)], **values)
        told = [note(doubt.attempt, Status.ACCEPTED, PROVIDER, now, detail=_KNOWN, delivery=one) for one in known]
        keep(session, told)
    return len(known)


def _take_back(db: Database, doubt: Doubt, provider: Provider, clock: Callable[[], datetime]) -> int:
    """Cancel the batch of an attempt that waits for its time; when the provider says it is, all of it is free again."""
    if not doubt.batch or doubt.send_at is None:
        return 0
    batch = Batch(doubt.batch, doubt.provider, doubt.send_at, doubt.readers)
    return take_back(db, doubt.issue_id, batch, provider, clock=clock, by=PROVIDER)[0]


def _release_unreported(db: Database, doubt: Doubt, provider: Provider, now: datetime) -> int:
    """Plan an attempt's readers again when the provider's reports prove that it never had them."""
    if not isinstance(provider, Reporting):
        return 0
    with db.transaction() as session:
        issue = lock_issue(session, doubt.issue_id)
        told = reports(session, doubt)
        if not is_silent(doubt, reported=told.of_it, later_reported=told.of_later, now=now):
            return 0
        detail = "the provider reported about later attempts, and nothing about this one"
        mine = [col(Delivery.attempt) == doubt.attempt]
        return ledger.give_free(session, issue, DeliveryState.UNCERTAIN, now, EVENT, detail=detail, only=mine)
