"""Freezing an issue's audience: one delivery for each confirmed reader, made by the database in one statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from newsletter.errors import Refused
from newsletter.models import Chunk, ChunkState, Delivery, DeliveryState, Edition, Issue, IssueState
from subscribers.columns import UtcDateTime
from subscribers.lists import is_archived
from subscribers.suppression import may_receive


def plan(session: Session, issue: Issue, chunk_size: int, now: datetime) -> int:
    """Freeze the audience of an approved issue: one delivery for each confirmed reader, in chunks. Returns how many.

    Half of it is nothing: deliveries, chunks and the number expected are one transaction (trust 2.1). Where the issue
    was taken back before (undo), its deliveries stay, and who has joined since is added. Raises Refused when the list
    has nobody to write to; then nothing is changed.
    """
    edition = session.get_one(Edition, issue.edition_id)
    first = session.exec(select(func.coalesce(func.max(Chunk.n) + 1, 0)).where(Chunk.issue_id == issue.id)).one()
    columns = _delivery_columns(issue.id, may_receive(edition.list_id), first, chunk_size, now)
    # SQLite's grammar needs a WHERE between SELECT and ON CONFLICT.
    rows: Any = sa.select(*columns.values()).where(literal(1) == 1)
    _insert_from(session, Delivery, tuple(columns), rows, ["issue_id", "subscriber_id"])
    planned = session.exec(select(func.count()).select_from(Delivery).where(Delivery.issue_id == issue.id)).one()
    if not planned:
        raise Refused(_why_nobody(session, edition))
    beginning = literal(ChunkState.PLANNED.value), literal(0), literal("")
    mine = (col(Delivery.issue_id) == issue.id, col(Delivery.chunk) >= first)
    chunks: Any = sa.select(literal(issue.id), col(Delivery.chunk), *beginning).where(*mine).distinct()
    _insert_from(session, Chunk, ("issue_id", "n", "state", "tries", "worker"), chunks, ["issue_id", "n"])
    issue.state, issue.expected, issue.sending_since, issue.reason = IssueState.SENDING, planned, now, ""
    session.add(issue)
    session.flush()
    return planned


def _why_nobody(session: Session, edition: Edition) -> str:
    if is_archived(session, edition.list_id):
        return (
            f"The list of {edition.name} is archived, so nothing is sent to it. `newsletter list unarchive` opens it "
            "again; `newsletter edition set` gives the edition another list."
        )
    return (
        f"Nobody on the list of {edition.name} can be written to yet. "
        "Readers count once they confirmed; `newsletter list show` has the numbers."
    )


def audience_size(session: Session, edition: Edition) -> int:
    """Return how many readers an issue would go to now."""
    audience = may_receive(edition.list_id).subquery()
    return session.exec(select(func.count()).select_from(audience)).one()


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
