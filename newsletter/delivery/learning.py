"""What providers report, brought into the ledger: how far each mail got, and what that proves about open deliveries.

Reports come in any order, twice, late or never, so nothing here depends on their order: how far a mail got is the
furthest of what was reported, and what is proved is judged from all stored events of a delivery (trust 3.3, step 4).

    uncertain --reported--> accepted
    planned   --reported for an attempt that was released--> accepted: the reader has the mail
    accepted  --reported for another attempt, too--> accepted, and a duplicate is counted

A delivery that is being sent is left to its worker; `settle_reported` takes up afterwards what came meanwhile. Rows are
locked in the ledger's order, the issue before its deliveries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, bindparam, exists, update
from sqlalchemy import select as select_columns
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import Session, col, select

from newsletter.delivery.ledger.rows import CANCELLED, CANCELLING, DUPLICATE, EVENT, keep, note
from newsletter.mail import Kind, Status
from newsletter.models import AttemptOutcome, Delivery, DeliveryState, Issue, ReportedEvent

#: How far a mail can get, in order; each overrides those before it. A bounce may follow a delivery (a server that takes
#: a mail and returns it later), an old deferral never undoes one, and who complains or leaves by a mail has got it.
_COURSE = (
    Kind.PROCESSED,
    Kind.DEFERRED,
    Kind.DROPPED,
    Kind.DELIVERED,
    Kind.OPENED,
    Kind.CLICKED,
    Kind.BLOCKED,
    Kind.BOUNCED,
    Kind.UNSUBSCRIBED,
    Kind.COMPLAINED,
)
_RANK = {str(kind): rank for rank, kind in enumerate(_COURSE, start=1)}
#: What proves that the provider sent the mail, or will. DROPPED proves only that it had it; OTHER may be anything.
_SENT = frozenset(_COURSE) - {Kind.DROPPED}

_PROVED = "the provider reported it"
_TABLE: Any = Delivery.__table__  # type: ignore[attr-defined]
#: Rows that one statement names.
_PORTION = 1_000


@dataclass(frozen=True)
class Report:
    """What a provider reported about one delivery; `attempt` is 0 when that did not come back."""

    delivery_id: int
    issue_id: int
    kind: Kind
    attempt: int = 0


@dataclass(frozen=True)
class Learned:
    """How many deliveries turned out to be accepted, and how many attempts to have been a second mail."""

    accepted: int = 0
    duplicates: int = 0


@dataclass(frozen=True)
class Verdict:
    """What the reports about a delivery prove: whether it is accepted now, in which attempt, and in which others."""

    accepted: bool
    attempt: int
    duplicates: frozenset[int] = frozenset()


@dataclass(frozen=True)
class _Row:
    """A delivery as it stands, its row locked."""

    id: int
    state: DeliveryState
    attempt: int
    reported: str


def further(reported: str, kind: Kind) -> str:
    """Return how far a mail got that had got as far as `reported` ("" for nothing yet) and is now reported as `kind`.

    Pure, and the same for any order of kinds: "delivered" is never undone by an old "deferred" (threat 15).
    """
    return str(kind) if _RANK.get(kind, 0) > _RANK.get(reported, 0) else reported


def judge(state: DeliveryState, attempt: int, found: AbstractSet[tuple[int, Kind]], *, by_worker: bool) -> Verdict:
    """Return what the (attempt, kind) pairs reported about a delivery prove. Pure.

    `attempt` is the delivery's own. `by_worker`: it was accepted by an answer, not by a report, so that its own
    attempt counts as sent without one. Of several attempts that were sent, the latest has the delivery.
    """
    sent = {tried for tried, kind in found if tried and kind in _SENT}
    had = any(kind in _SENT for _, kind in found)
    if state is DeliveryState.UNCERTAIN:
        accepted = had or any(kind is Kind.DROPPED and tried in {0, attempt} for tried, kind in found)
    else:
        accepted = state is DeliveryState.PLANNED and had
    if not accepted and state is not DeliveryState.ACCEPTED:
        return Verdict(accepted=False, attempt=attempt)
    if by_worker:
        sent.add(attempt)
    holder = max(sent, default=attempt)
    return Verdict(accepted, holder, frozenset(sent - {holder}))


def learn(session: Session, reports: Sequence[Report], now: datetime) -> Learned:
    """Bring new reports into the ledger; their events are stored before, in the same transaction.

    Whatever the order and the grouping in which the same reports come, the ledger ends the same.
    """
    if not reports:
        return Learned()
    _lock_issues(session, {report.issue_id for report in reports})
    rows = _locked(session, {report.delivery_id for report in reports})
    _move_on(session, rows, reports)
    attempts = defaultdict(set)
    for report in reports:
        attempts[report.delivery_id].add(report.attempt)
    return _settle(session, [row for row in rows if _is_in_question(row, attempts[row.id])], now)


def settle_reported(session: Session, issue_id: int, now: datetime, chunks: Collection[int] | None = None) -> int:
    """Take up what was reported about deliveries while they were being sent; return how many are accepted for it.

    To be called when a worker has recorded a chunk, with that chunk and those that its readers were moved to, and when
    deliveries became uncertain or were planned again. Without `chunks` it looks through the whole issue.
    """
    _lock_issues(session, {issue_id})
    elsewhere = exists().where(
        col(ReportedEvent.delivery_id) == col(Delivery.id),
        col(ReportedEvent.attempt_id) != 0,
        col(ReportedEvent.attempt_id) != col(Delivery.attempt),
    )
    is_open = col(Delivery.state).in_([DeliveryState.UNCERTAIN, DeliveryState.PLANNED])
    where = [col(Delivery.issue_id) == issue_id, col(Delivery.reported) != ""]
    if chunks is not None:
        where.append(col(Delivery.chunk).in_(chunks))
    found = session.exec(select(Delivery.id).where(*where, is_open | elsewhere)).all()
    return _settle(session, _locked(session, found), now).accepted


def portions(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Yield the different numbers in order, as many at a time as one statement may name."""
    ordered = sorted(set(numbers))
    for start in range(0, len(ordered), _PORTION):
        yield ordered[start : start + _PORTION]


def among(session: Session, column: SQLCoreOperations[Any], numbers: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that a column is one of the numbers.

    On PostgreSQL they are one array: its driver takes a statement with a thousand parameters apart for longer than the
    server needs to run it.
    """
    if session.get_bind().dialect.name != "postgresql":
        return column.in_(numbers)
    return column == any_(bindparam(None, list(numbers), type_=ARRAY(BigInteger)))


def _is_in_question(row: _Row, attempts: AbstractSet[int]) -> bool:
    """Tell whether reports of these attempts can say more about a delivery than how far its mail got. Pure."""
    if row.state is DeliveryState.ACCEPTED:
        return bool(attempts - {0, row.attempt})
    return row.state in {DeliveryState.UNCERTAIN, DeliveryState.PLANNED}


def _lock_issues(session: Session, issue_ids: Collection[int]) -> None:
    session.exec(select(Issue.id).where(col(Issue.id).in_(issue_ids)).order_by(col(Issue.id)).with_for_update()).all()


def _locked(session: Session, delivery_ids: Iterable[int]) -> list[_Row]:
    """Return the deliveries as they stand now, locked in the order of their ids."""
    query = select_columns(col(Delivery.id), col(Delivery.state), col(Delivery.attempt), col(Delivery.reported))
    rows: list[_Row] = []
    for ids in portions(delivery_ids):
        found = query.where(among(session, col(Delivery.id), ids)).order_by(col(Delivery.id)).with_for_update()
        rows += [_Row(*row) for row in session.execute(found)]
    return rows


def _move_on(session: Session, rows: list[_Row], reports: Sequence[Report]) -> None:
    """Write how far each mail got, one statement for each kind."""
    before = {row.id: row.reported for row in rows}
    after = dict(before)
    for report in reports:
        after[report.delivery_id] = further(after[report.delivery_id], report.kind)
    moved = defaultdict(list)
    for delivery_id, reported in after.items():
        if reported != before[delivery_id]:
            moved[reported].append(delivery_id)
    for reported, delivery_ids in moved.items():
        for ids in portions(delivery_ids):
            statement = update(_TABLE).where(among(session, _TABLE.c.id, ids)).values(reported=reported)
            session.connection().execute(statement)  # past the ORM, which takes as long again


def _settle(session: Session, rows: list[_Row], now: datetime) -> Learned:
    """Write what the stored events of these deliveries prove."""
    found = _found(session, rows)
    for delivery_id, attempt in _given_back(session, [row for row in rows if row.state is not DeliveryState.ACCEPTED]):
        found[delivery_id].discard((attempt, Kind.PROCESSED))  # that it had it is known; it gave it back
    told = _told(session, rows)
    changed: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for row in rows:
        known = told[row.id]
        by_worker = row.state is DeliveryState.ACCEPTED and (row.attempt, Status.ACCEPTED) not in known
        verdict = judge(row.state, row.attempt, found[row.id], by_worker=by_worker)
        if verdict.accepted or verdict.attempt != row.attempt:
            changed.append({"of_id": row.id, "of_attempt": verdict.attempt})
        if verdict.accepted:
            notes.append(note(verdict.attempt, Status.ACCEPTED, EVENT, now, detail=_PROVED, delivery=row.id))
        repeated = [tried for tried in sorted(verdict.duplicates) if (tried, DUPLICATE) not in known]
        notes += [note(tried, DUPLICATE, EVENT, now, detail=_PROVED, delivery=row.id) for tried in repeated]
    _write_accepted(session, changed, now)
    keep(session, notes)
    duplicates = sum(one["status"] == DUPLICATE for one in notes)
    return Learned(len(notes) - duplicates, duplicates)


def _found(session: Session, rows: list[_Row]) -> dict[int, set[tuple[int, Kind]]]:
    """Return the (attempt, kind) pairs of all stored events, by delivery."""
    found: dict[int, set[tuple[int, Kind]]] = defaultdict(set)
    query = select_columns(
        *map(col, (ReportedEvent.delivery_id, ReportedEvent.attempt_id, ReportedEvent.kind))
    ).distinct()
    for ids in portions(row.id for row in rows):
        mine = among(session, col(ReportedEvent.delivery_id), ids)
        for delivery_id, attempt, kind in session.execute(query.where(mine)):
            found[delivery_id].add((attempt, kind))
    return found


def _given_back(session: Session, rows: list[_Row]) -> set[tuple[int, int]]:
    """Return the (delivery, attempt) pairs of batches that were cancelled, or were to be: what came of it is open."""
    given: set[tuple[int, int]] = set()
    query = select_columns(*map(col, (AttemptOutcome.delivery_id, AttemptOutcome.attempt_id)))
    for ids in portions(row.id for row in rows):
        mine = among(session, col(AttemptOutcome.delivery_id), ids)
        cancelled = query.where(mine, col(AttemptOutcome.status) == CANCELLED)
        given |= {(delivery_id, attempt) for delivery_id, attempt in session.execute(cancelled)}
    asked_back = select_columns(col(AttemptOutcome.attempt_id)).where(col(AttemptOutcome.status) == CANCELLING)
    for ids in portions(row.attempt for row in rows if row.attempt):
        asked = set(session.scalars(asked_back.where(among(session, col(AttemptOutcome.attempt_id), ids))))
        given |= {(row.id, row.attempt) for row in rows if row.attempt in asked}
    return given


def _told(session: Session, rows: list[_Row]) -> dict[int, set[tuple[int, str]]]:
    """Return the (attempt, status) pairs that reports have led to before, by delivery."""
    told: dict[int, set[tuple[int, str]]] = defaultdict(set)
    query = select_columns(*map(col, (AttemptOutcome.delivery_id, AttemptOutcome.attempt_id, AttemptOutcome.status)))
    for ids in portions(row.id for row in rows):
        mine = among(session, col(AttemptOutcome.delivery_id), ids)
        by_event = query.where(mine, col(AttemptOutcome.by) == EVENT)
        for delivery_id, attempt, status in session.execute(by_event):
            told[delivery_id].add((attempt, status))
    return told


def _write_accepted(session: Session, rows: list[dict[str, Any]], now: datetime) -> None:
    if rows:
        accepted = {"state": DeliveryState.ACCEPTED, "attempt": bindparam("of_attempt"), "detail": _PROVED}
        statement = update(_TABLE).where(_TABLE.c.id == bindparam("of_id")).values(**accepted, changed_at=now)
        session.connection().execute(statement, rows)
