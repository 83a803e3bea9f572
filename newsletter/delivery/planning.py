"""Freezing an issue's audience: one delivery for each reader it goes to, made by the database in a few statements."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, exists, func, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from newsletter.delivery.audience import audience, besides, receivers
from newsletter.delivery.ledger.rows import change
from newsletter.errors import Refused
from newsletter.models import Chunk, ChunkState, Delivery, DeliveryState, Edition, Issue, IssueState
from subscribers.columns import UtcDateTime
from subscribers.lists import is_archived
from subscribers.models import Subscriber

_OUTSIDE = "the edition means other readers by now"


def plan(session: Session, issue: Issue, chunk_size: int, now: datetime, *, at: datetime | None = None) -> int:
    """Freeze the audience of an approved issue: one delivery for each of its readers, in chunks. Returns how many.

    `at` is when it is sent, where that is later: whose pause is over by then gets it. Who wants text alone is in chunks
    of their own. Half of it is nothing: deliveries, chunks and the number expected are one transaction (trust 2.1).
    Where the issue was taken back before (undo), its deliveries stay, who has joined since is added, and whom the
    edition means no more drops out. Raises Refused when there is nobody to write to, and BrokenAudience; then nothing
    is changed.
    """
    edition = session.get_one(Edition, issue.edition_id)
    readers = audience(session, issue, edition, at or now)
    first = _next_chunk(session, issue)
    if first:
        _drop_outside(session, issue, edition, now)
    for text_only in _forms(session):
        of_form = readers.where(col(Subscriber.text_only).is_(text_only))
        columns = _delivery_columns(issue.id, of_form, first, chunk_size, now)
        # SQLite's grammar needs a WHERE between SELECT and ON CONFLICT.
        rows: Any = sa.select(*columns.values()).where(literal(1) == 1)
        _insert_from(session, Delivery, tuple(columns), rows, ["issue_id", "subscriber_id"])
        _add_chunks(session, issue, first, text_only=text_only)
        first = _next_chunk(session, issue)
    planned = session.exec(select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue.id)).one()
    if not planned:
        raise Refused(_why_nobody(session, issue, edition, at or now))
    issue.state, issue.expected, issue.sending_since, issue.reason = IssueState.SENDING, planned, now, ""
    session.add(issue)
    session.flush()
    return planned


def _forms(session: Session) -> tuple[bool, ...]:
    """Return which forms of mail, with html and text alone, readers want: mostly nobody wants the second."""
    anybody = session.exec(select(exists().where(col(Subscriber.text_only).is_(True)))).one()
    return (False, True) if anybody else (False,)


def _next_chunk(session: Session, issue: Issue) -> int:
    return session.exec(select(func.coalesce(func.max(Chunk.n) + 1, 0)).where(Chunk.issue_id == issue.id)).one()


def _drop_outside(session: Session, issue: Issue, edition: Edition, now: datetime) -> None:
    """Let who was planned before drop out where the edition's audience was changed meanwhile.

    Whoever left or pauses drops out at the claim, as always.
    """
    if not edition.audience:
        return
    meant = audience(session, issue, edition, None).subquery()
    wanted = receivers(session, issue, edition, None).subquery()
    mine = (Delivery.issue_id == issue.id, Delivery.state == DeliveryState.PLANNED)
    is_meant = exists().where(meant.c.subscriber_id == col(Delivery.subscriber_id))
    is_wanted = exists().where(wanted.c.subscriber_id == col(Delivery.subscriber_id))
    where = (*mine, is_wanted, ~is_meant)
    change(session, where, state=DeliveryState.SUPPRESSED, detail=_OUTSIDE, changed_at=now)


def _why_nobody(session: Session, issue: Issue, edition: Edition, at: datetime) -> str:
    if is_archived(session, edition.list_id):
        return (
            f"The list of {edition.name} is archived, so nothing is sent to it. `newsletter list unarchive` opens it "
            "again; `newsletter edition set` gives the edition another list."
        )
    others = besides(session, issue, edition, at)
    if any((others.paused, others.not_due, others.outside)):
        return (
            f"Nobody on the list of {edition.name} gets this issue: {others.paused} pause, {others.not_due} get the "
            f"first issue of a month only, {others.outside} are outside the edition's audience."
        )
    return (
        f"Nobody on the list of {edition.name} can be written to yet. "
        "Readers count once they confirmed; `newsletter list show` has the numbers."
    )


def _add_chunks(session: Session, issue: Issue, first: int, *, text_only: bool) -> None:
    """Add the chunks of the deliveries that were just planned."""
    beginning = literal(ChunkState.PLANNED.value), literal(0), literal(""), literal(text_only)
    mine = (col(Delivery.issue_id) == issue.id, col(Delivery.chunk) >= first)
    chunks: Any = sa.select(literal(issue.id), col(Delivery.chunk), *beginning).where(*mine).distinct()
    _insert_from(session, Chunk, ("issue_id", "n", "state", "tries", "worker", "text_only"), chunks, ["issue_id", "n"])


def _delivery_columns(issue_id: int, audience: Any, first_chunk: int, chunk_size: int, now: datetime) -> dict[str, Any]:
    """Return column -> expression of a delivery for each reader of the audience, numbered into chunks."""
    readers = audience.subquery()
    number = func.row_number().over(order_by=readers.c.subscriber_id) - 1
    return {
        "issue_id": literal(issue_id),
        "subscriber_id": readers.c.subscriber_id,
        "chunk": number // chunk_size + first_chunk,
        "state": literal(DeliveryState.PLANNED.value),
        "attempt": literal(0),
        "address": literal(""),
        "detail": literal(""),
        "reference": literal(""),
        "reported": literal(""),
        "changed_at": literal(now, UtcDateTime()),
    }


def _insert_from(session: Session, table: Any, columns: tuple[str, ...], rows: Select[Any], unique: list[str]) -> None:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    statement = (postgresql.insert if is_postgresql else sqlite.insert)(table).from_select(columns, rows)
    session.connection().execute(statement.on_conflict_do_nothing(index_elements=unique))
