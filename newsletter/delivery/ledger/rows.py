"""The rows of the ledger: locked in one order, the issue before its chunks before their deliveries, so that workers
cannot deadlock; changed set by set; and what was found out is written down beside them, for good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import func, update
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from newsletter.models import AttemptOutcome, Chunk, ChunkState, Delivery, DeliveryState, Issue, IssueState, Ledger
from subscribers.columns import UtcDateTime

_WITHOUT_MAIL = [defer(Issue.html), defer(Issue.text)]  # type: ignore[arg-type] # columns, as SQLModel writes them
_DETAIL = 500
_REFERENCE = 200
#: Who found out, besides admins by their names.
WORKER, JOURNAL, EVENT, PROVIDER = "worker", "journal", "event", "provider"
#: `AttemptOutcome.status` beside the members of `Status`: the attempt's readers were given free to be sent again.
RELEASED, CANCELLED, DUPLICATE = "released", "cancelled", "duplicate"
#: Of an attempt whose batch is to be cancelled: from now on the provider may not send it.
CANCELLING = "cancelling"


def ledger_id(session: Session) -> str:
    """Return the name of the ledger in this database; a new database gets one."""
    found = session.exec(select(Ledger.id)).first()
    if found is None:
        found = uuid4().hex
        session.add(Ledger(id=found))
        session.flush()
    return found


def lock_issue(session: Session, issue_id: int) -> Issue:
    """Return the issue's row as it is now, locked. Its mail is read only when it is asked for."""
    return session.get_one(Issue, issue_id, options=_WITHOUT_MAIL, with_for_update=True, populate_existing=True)


def lock_chunk(session: Session, chunk_id: int) -> Chunk:
    """Return the chunk's row as it is now, locked."""
    return session.get_one(Chunk, chunk_id, with_for_update=True, populate_existing=True)


def reopen(issue: Issue) -> None:
    """Make a sent issue sending again: a late worker, an event or a person gives readers back."""
    if issue.state is IssueState.SENT:
        issue.state, issue.sent_at = IssueState.SENDING, None


def new_chunk(
    session: Session,
    issue_id: int,
    *,
    tries: int = 0,
    not_before: datetime | None = None,
    waits_for: str = "",
    text_only: bool = False,
    state: ChunkState = ChunkState.PLANNED,
) -> Chunk:
    """Add a chunk to an issue whose row the caller has locked, so that numbers are given one by one."""
    n = 1 + int(session.exec(select(func.coalesce(func.max(Chunk.n), -1)).where(Chunk.issue_id == issue_id)).one())
    chunk = Chunk(
        issue_id=issue_id,
        n=n,
        state=state,
        tries=tries,
        not_before=not_before,
        waits_for=waits_for,
        text_only=text_only,
    )
    session.add(chunk)
    session.flush()
    return chunk


def change(session: Session, where: Iterable[Any], **values: Any) -> int:
    """Give the deliveries that fit these values; return how many there were."""
    statement = update(Delivery).where(*where).values(**values).execution_options(synchronize_session=False)
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


#: State, words, reference, number, attempt, and whether it was accepted.
OutcomeRow = tuple[str, str, str, int, int, bool]


def outcome_row(number: int, attempt: int, state: DeliveryState, detail: str = "", reference: str = "") -> OutcomeRow:
    """Return what `write` takes for one delivery."""
    is_accepted = state is DeliveryState.ACCEPTED
    return state.value, detail[:_DETAIL], reference[:_REFERENCE], number, attempt, is_accepted


def write(session: Session, rows: Sequence[OutcomeRow], now: datetime, **more: int) -> None:
    """Update deliveries that are still open in the attempt the outcome belongs to; others are left alone."""
    if not rows:
        return
    session.flush()
    connection = session.connection()
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    columns = ["state", "detail", "reference", "changed_at", *more]
    # A late "accepted" also counts for a reader who was planned again meanwhile: that spares them a second mail.
    statement = (
        f"UPDATE delivery SET {', '.join(f'{one} = {mark}' for one in columns)} WHERE id = {mark} AND attempt = {mark} "  # noqa: S608
        f"AND (state IN ('sending', 'uncertain') OR state = 'planned' AND {mark})"
    )
    at = UtcDateTime().dialect_impl(connection.dialect).bind_processor(connection.dialect)
    changed_at = at(now) if at else now
    values = [(*row[:3], changed_at, *more.values(), *row[3:]) for row in rows]
    # Past SQLAlchemy's own executemany, which takes three times as long for each row as the database does.
    connection.exec_driver_sql(statement, values)


def note(
    attempt: int,
    status: str,
    by: str,
    now: datetime,
    *,
    detail: str = "",
    reference: str = "",
    delivery: int | None = None,
    readers: int = 1,
) -> dict[str, Any]:
    """Return a line of what was found out about an attempt, or about one delivery of it, for `keep`."""
    return {
        "attempt_id": attempt,
        "delivery_id": delivery,
        "readers": readers,
        "status": status,
        "detail": detail[:_DETAIL],
        "reference": reference[:_REFERENCE],
        "by": by[:_REFERENCE],
        "at": now,
    }  # fmt: skip


def keep(session: Session, notes: Sequence[dict[str, Any]]) -> None:
    """Write down what was found out."""
    if notes:
        session.connection().execute(sa.insert(AttemptOutcome), list(notes))


def about(session: Session, where: Iterable[Any]) -> list[tuple[int, int]]:
    """Return number and attempt of the deliveries that fit, locked, in the order of their numbers."""
    query = select(Delivery.id, Delivery.attempt).where(*where).order_by(col(Delivery.id)).with_for_update()
    return [(number, attempt) for number, attempt in session.exec(query)]
