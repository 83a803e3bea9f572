"""The ledger: one row for each issue and reader, and the only places where such a row changes its state.

    planned --claim--> sending --accepted / rejected--> (final)
       ^                  |----this reader later--------> planned, in a new chunk, after a growing wait
       |                  |----nobody now, or refused---> planned; the issue waits
       |                  |----answer unclear, worker died----> uncertain
       |<---- by hand only: uncertain to be sent again, rejected to be tried again
    uncertain --by hand only: taken as sent--> accepted
    planned --claim, but the reader left or is suppressed--> suppressed (final)

Every function takes the caller's session and never commits. The network is never used while a transaction is open.
Rows are locked in one order, the issue before its chunks before their deliveries, so that workers cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Select, bindparam, exists, func, update
from sqlmodel import Session, col, select

from newsletter.mail import Outcome, Status
from newsletter.models import Chunk, ChunkState, Delivery, DeliveryState, Edition, Issue, IssueState
from subscribers.models import Subscriber
from subscribers.suppression import may_receive

#: A claim holds for this long. A worker that is slower only has its rows shown as uncertain until it reports.
LEASE = timedelta(minutes=15)
#: The wait after the provider could not be reached or had no time; it doubles, up to the longest.
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)
#: A reader whose server keeps deferring is tried this often, then given up with the server's last words.
MAX_TRIES = 5
#: The wait after the first deferral; it doubles with each further one.
FIRST_BACKOFF = timedelta(minutes=5)

_TAKEN_AS_SENT = "taken as sent by an admin"
_FINAL = {
    Status.ACCEPTED: DeliveryState.ACCEPTED,
    Status.REJECTED: DeliveryState.REJECTED,
    Status.UNCERTAIN: DeliveryState.UNCERTAIN,
}


@dataclass(frozen=True)
class Reader:
    """One reader of a claimed chunk. `since` is when they joined the list."""

    delivery_id: str
    attempt: int
    address: str
    name: str
    subscription_id: int
    since: datetime


@dataclass(frozen=True)
class Claim:
    """A chunk that one worker may send now."""

    issue_id: int
    chunk_id: int
    tries: int
    readers: tuple[Reader, ...]


@dataclass
class Settled:
    """What is to be written for a claim: final rows, readers to try later, and readers nothing was found out about."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    later: list[tuple[Reader, Outcome]] = field(default_factory=list)
    not_tried: list[Reader] = field(default_factory=list)
    #: Seconds the provider asked for; 0 when it did not.
    retry_after: float = 0
    #: Why a person has to look before anybody else is tried; "" when nobody has to.
    refusal: str = ""

    def keep_only(self, delivery_ids: set[str]) -> None:
        """Forget the readers who are to be tried later but are no longer this claim's to decide about."""
        self.later = [(reader, outcome) for reader, outcome in self.later if reader.delivery_id in delivery_ids]
        self.not_tried = [reader for reader in self.not_tried if reader.delivery_id in delivery_ids]
        if not self.not_tried:
            self.refusal = ""


def claim(session: Session, issue_id: int, worker: str, now: datetime) -> Claim | None:
    """Take the next chunk that is due, or None, also while the issue is held or waits.

    Who left or was suppressed since planning drops out here. The issue's row is locked, so that what another worker
    is just recording is seen before anybody is handed out.
    """
    issue = _lock_issue(session, issue_id)
    if issue.reason or (issue.next_try_at is not None and issue.next_try_at > now):
        return None
    chunk = _next_chunk(session, issue_id, now)
    if chunk is None:
        return None
    mine = (Delivery.issue_id == issue_id, Delivery.chunk == chunk.n, Delivery.state == DeliveryState.PLANNED)
    readers = _readers(session, issue_id, mine)
    _begin_attempt(session, mine, readers, now)
    chunk.state = ChunkState.CLAIMED if readers else ChunkState.DONE
    chunk.worker, chunk.lease_until = worker, now + LEASE
    session.add(chunk)
    session.flush()
    return Claim(issue_id, chunk.id, chunk.tries, tuple(readers))


def record(session: Session, claimed: Claim, outcomes: Sequence[Outcome], now: datetime) -> bool:
    """Write down what became of each reader of a claim; tell whether the next chunk may be sent now.

    An outcome counts only for the claim it belongs to (by attempt), also when the lease had run out meanwhile.
    """
    issue = _lock_issue(session, claimed.issue_id)
    chunk = _lock_chunk(session, claimed.chunk_id)
    settled = settle(claimed, outcomes, anybody_accepted=_anybody_accepted(session, claimed.issue_id))
    settled.keep_only(_still_open(session, claimed))
    if settled.later:
        _defer(session, claimed, settled.later, now)
    if settled.not_tried:  # to the end of the queue, so that the same readers do not come first for ever
        n = _new_chunk(session, claimed.issue_id, tries=claimed.tries, not_before=None)
        _write_outcomes(session, [_outcome_row(one, DeliveryState.PLANNED) for one in settled.not_tried], now, chunk=n)
    _write_outcomes(session, settled.rows, now)
    if settled.later or settled.not_tried:
        _reopen(issue)
    _wait_or_go_on(issue, settled, now)
    chunk.state, chunk.lease_until = ChunkState.DONE, None
    session.add_all([issue, chunk])
    session.flush()
    return not settled.not_tried


def _wait_or_go_on(issue: Issue, settled: Settled, now: datetime) -> None:
    """Set when the issue may be tried again. A hold and a wait that another worker was told stay as they are."""
    if any(row["state"] is DeliveryState.ACCEPTED for row in settled.rows):
        issue.put_off = 0  # there is progress: the waits begin anew
    if settled.not_tried:
        wait = settled.retry_after or min(FIRST_WAIT * 2 ** min(issue.put_off, 8), LONGEST_WAIT).total_seconds()
        until = now + timedelta(seconds=wait)
        issue.next_try_at, issue.put_off = max(until, issue.next_try_at or until), issue.put_off + 1
        issue.reason = settled.refusal or issue.reason
    elif issue.next_try_at is not None and issue.next_try_at <= now:
        issue.next_try_at = None


def settle(claimed: Claim, outcomes: Sequence[Outcome], *, anybody_accepted: bool) -> Settled:
    """Return what outcomes mean for the readers of a claim. Pure.

    What says nothing about a reader costs them no try: an outage of the provider rejects nobody. A refusal for policy
    is about us as long as nobody at all was accepted; once somebody was, it is about the reader.
    """
    told = {outcome.delivery_id: outcome for outcome in outcomes}
    settled = Settled()
    anybody_accepted |= any(outcome.status is Status.ACCEPTED for outcome in outcomes)
    for reader in claimed.readers:
        unmentioned = Outcome(reader.delivery_id, Status.UNCERTAIN, "the provider did not mention it")
        outcome = told.get(reader.delivery_id, unmentioned)
        state = _FINAL.get(outcome.status)
        if state is not None:
            settled.rows.append(_outcome_row(reader, state, outcome.detail, outcome.reference))
        elif outcome.status is Status.NOT_TRIED:
            settled.not_tried.append(reader)
            settled.retry_after = max(settled.retry_after, outcome.retry_after or 0)
        elif outcome.status is Status.REFUSED and not anybody_accepted:
            settled.not_tried.append(reader)
            settled.refusal = f"held: the provider refuses every reader so far, such as: {outcome.detail}"
        elif claimed.tries + 1 < MAX_TRIES:
            settled.later.append((reader, outcome))
        else:
            detail = f"given up after {MAX_TRIES} tries: {outcome.detail}"
            settled.rows.append(_outcome_row(reader, DeliveryState.REJECTED, detail))
    return settled


def release(session: Session, claimed: Claim, reason: str, now: datetime) -> None:
    """Give a claim back unsent, because the provider takes nothing; the issue keeps the reason and waits."""
    issue = _lock_issue(session, claimed.issue_id)
    chunk = _lock_chunk(session, claimed.chunk_id)
    _write_outcomes(session, [_outcome_row(reader, DeliveryState.PLANNED) for reader in claimed.readers], now)
    _reopen(issue)
    issue.reason = reason
    chunk.state, chunk.worker, chunk.lease_until = ChunkState.PLANNED, "", None
    session.add_all([issue, chunk])
    session.flush()


def hold_orphans(session: Session, issue_id: int, now: datetime, is_gone: Callable[[str], bool | None]) -> int:
    """Make the deliveries of dead workers' claims uncertain and return how many: nobody knows whether they went out.

    `is_gone` tells of a worker whether it has ended, or None when it cannot know; then its lease decides.
    """
    held = 0
    query = select(Chunk).where(Chunk.issue_id == issue_id, Chunk.state == ChunkState.CLAIMED).with_for_update()
    for chunk in session.exec(query).all():
        gone = is_gone(chunk.worker)
        if gone is None:
            gone = chunk.lease_until is not None and chunk.lease_until < now
        if not gone:
            continue
        mine = (
            Delivery.issue_id == issue_id,
            Delivery.chunk == chunk.n,
            Delivery.state == DeliveryState.SENDING,
        )
        detail = f"{chunk.worker} stopped before the answer was recorded"
        held += _update(session, mine, {"state": DeliveryState.UNCERTAIN, "detail": detail, "changed_at": now})
        _close(session, chunk.id)
    return held


def accept_uncertain(session: Session, issue: Issue, now: datetime) -> int:
    """Take every uncertain delivery as sent, because a person says so. Returns how many."""
    mine = (col(Delivery.issue_id) == issue.id, col(Delivery.state) == DeliveryState.UNCERTAIN)
    values = {"state": DeliveryState.ACCEPTED, "detail": _TAKEN_AS_SENT, "changed_at": now}
    return _update(session, mine, values)


def plan_again(session: Session, issue: Issue, state: DeliveryState, now: datetime) -> int:
    """Plan every uncertain or rejected delivery again, because a person says so. Returns how many."""
    mine = (col(Delivery.issue_id) == issue.id, col(Delivery.state) == state)
    if not session.exec(select(exists().where(*mine))).one():
        return 0
    _reopen(_lock_issue(session, issue.id))
    n = _new_chunk(session, issue.id, tries=0, not_before=None)
    detail = f"was {state}; to be sent again, by an admin"
    return _update(session, mine, {"state": DeliveryState.PLANNED, "chunk": n, "detail": detail, "changed_at": now})


def finish(session: Session, issue_id: int, now: datetime) -> None:
    """Mark the issue sent when no reader is left to send to."""
    issue = _lock_issue(session, issue_id)  # what is waiting is looked at once nobody else can add to it
    open_states = [DeliveryState.PLANNED, DeliveryState.SENDING]
    waiting = exists().where(col(Delivery.issue_id) == issue_id, col(Delivery.state).in_(open_states))
    if issue.state is not IssueState.SENDING or session.exec(select(waiting)).one():
        return
    issue.state, issue.sent_at, issue.reason, issue.next_try_at = IssueState.SENT, now, "", None
    session.add(issue)
    session.flush()


def _next_chunk(session: Session, issue_id: int, now: datetime) -> Chunk | None:
    """Return the next chunk that is due and that no other worker is taking, locked."""
    not_before = col(Chunk.not_before)
    due = (
        Chunk.issue_id == issue_id,
        Chunk.state == ChunkState.PLANNED,
        not_before.is_(None) | (not_before <= now),
    )
    query = select(Chunk).where(*due).order_by(col(Chunk.n)).limit(1)
    return session.exec(query.with_for_update(skip_locked=True)).first()


def _begin_attempt(session: Session, mine: tuple[Any, ...], readers: list[Reader], now: datetime) -> None:
    """Mark the deliveries of a chunk as being sent, and those whose readers are gone as suppressed."""
    gone = (*mine, col(Delivery.id).not_in([reader.delivery_id for reader in readers]))
    reason = "left or suppressed before it was sent"
    _update(session, gone, {"state": DeliveryState.SUPPRESSED, "detail": reason, "changed_at": now})
    address = select(Subscriber.address).where(col(Subscriber.id) == Delivery.subscriber_id).scalar_subquery()
    attempt = Delivery.attempt + 1
    values = {"state": DeliveryState.SENDING, "attempt": attempt, "address": address, "changed_at": now}
    _update(session, mine, values)


def _readers(session: Session, issue_id: int, mine: tuple[Any, ...]) -> list[Reader]:
    edition_list = session.exec(
        select(Edition.list_id).join(Issue, col(Issue.edition_id) == Edition.id).where(Issue.id == issue_id)
    ).one()
    readers = may_receive(edition_list).subquery()
    reader = readers.c
    query: Select[Any] = sa.select(
        col(Delivery.id),
        col(Delivery.attempt) + 1,
        reader.address,
        reader.name,
        reader.subscription_id,
        reader.since,
    )
    query = query.join(readers, reader.subscriber_id == col(Delivery.subscriber_id)).where(*mine)
    return [Reader(*row) for row in session.execute(query.order_by(col(Delivery.id)))]


def _lock_issue(session: Session, issue_id: int) -> Issue:
    return session.get_one(Issue, issue_id, with_for_update=True, populate_existing=True)


def _reopen(issue: Issue) -> None:
    """Make a sent issue sending again: a late worker, or a person, gives readers back."""
    if issue.state is IssueState.SENT:
        issue.state, issue.sent_at = IssueState.SENDING, None


def _still_open(session: Session, claimed: Claim) -> set[str]:
    """Return the deliveries of a claim that wait for its outcome: nobody planned them again or settled them since."""
    attempts = {reader.delivery_id: reader.attempt for reader in claimed.readers}
    open_states = [DeliveryState.SENDING, DeliveryState.UNCERTAIN]
    query = select(Delivery.id, Delivery.attempt).where(
        col(Delivery.id).in_(list(attempts)), col(Delivery.state).in_(open_states)
    )
    return {delivery_id for delivery_id, attempt in session.exec(query) if attempts[delivery_id] == attempt}


def _anybody_accepted(session: Session, issue_id: int) -> bool:
    """Tell whether the provider has taken anybody's copy; a person's word for it does not count."""
    accepted = (
        col(Delivery.issue_id) == issue_id,
        col(Delivery.state) == DeliveryState.ACCEPTED,
        col(Delivery.detail) != _TAKEN_AS_SENT,
    )
    return bool(session.exec(select(exists().where(*accepted))).one())


def _lock_chunk(session: Session, chunk_id: int) -> Chunk:
    return session.get_one(Chunk, chunk_id, with_for_update=True, populate_existing=True)


def _defer(session: Session, claimed: Claim, later: list[tuple[Reader, Outcome]], now: datetime) -> None:
    """Move deferred readers into a chunk of their own that is due after the back-off, or when their server asked."""
    asked = max(outcome.retry_after or 0 for _, outcome in later)
    wait = max(timedelta(seconds=asked), FIRST_BACKOFF * 2**claimed.tries)
    n = _new_chunk(session, claimed.issue_id, tries=claimed.tries + 1, not_before=now + wait)
    rows = [_outcome_row(reader, DeliveryState.PLANNED, outcome.detail) for reader, outcome in later]
    _write_outcomes(session, rows, now, chunk=n)


def _new_chunk(session: Session, issue_id: int, *, tries: int, not_before: datetime | None) -> int:
    """Add a chunk to an issue whose row the caller has locked, so that numbers are given one by one."""
    n = 1 + session.exec(select(func.max(Chunk.n)).where(Chunk.issue_id == issue_id)).one()
    session.add(Chunk(issue_id=issue_id, n=n, state=ChunkState.PLANNED, tries=tries, not_before=not_before))
    session.flush()
    return int(n)


def _outcome_row(reader: Reader, state: DeliveryState, detail: str = "", reference: str = "") -> dict[str, Any]:
    return {
        "of_id": reader.delivery_id,
        "of_attempt": reader.attempt,
        "of_accepted": state is DeliveryState.ACCEPTED,
        "state": state,
        "detail": detail[:500],
        "reference": reference[:200],
    }


def _write_outcomes(session: Session, rows: list[dict[str, Any]], now: datetime, **more: Any) -> None:
    """Update deliveries that are still open in the attempt the outcome belongs to; others are left alone."""
    if not rows:
        return
    table: Any = Delivery.__table__  # type: ignore[attr-defined]
    is_open = (table.c.state == DeliveryState.SENDING) | (table.c.state == DeliveryState.UNCERTAIN)
    # A late "accepted" also counts for a reader who was planned again meanwhile: that spares them a second mail.
    is_open |= (table.c.state == DeliveryState.PLANNED) & bindparam("of_accepted", type_=Boolean)
    statement = (
        update(table)
        .where(table.c.id == bindparam("of_id"), table.c.attempt == bindparam("of_attempt"), is_open)
        .values(state=bindparam("state"), detail=bindparam("detail"), reference=bindparam("reference"))
        .values(changed_at=now, **more)
    )
    session.connection().execute(statement, rows)


def _close(session: Session, chunk_id: int) -> None:
    session.execute(update(Chunk).where(col(Chunk.id) == chunk_id).values(state=ChunkState.DONE, lease_until=None))


def _update(session: Session, where: tuple[Any, ...], values: dict[str, Any]) -> int:
    result = session.execute(
        update(Delivery).where(*where).values(**values).execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]
