"""Everything that is known of one person, for them to read or to take along (GDPR articles 15 and 20)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, select

from newsletter.models import Edition, Issue
from newsletter.privacy.people import person_with
from newsletter.privacy.tables import TABLES
from subscribers.hashes import KeyedHash
from subscribers.models import MailingList, ReaderField, Tag


def data_of(session: Session, key: str, hashes: KeyedHash, now: datetime) -> dict[str, Any]:
    """Return all rows about the person whose address has this key, by table, ready for JSON.

    Every column of every table about people is in it; ids of lists, fields, tags and issues have their names beside
    them. `reader` is False where the address is no reader's.
    """
    person = person_with(session, key, hashes)
    names = _names(session)
    tables = []
    for about in TABLES:
        table = SQLModel.metadata.tables[about.table]
        rows = _rows(session, table, about.mine(person), names)
        if rows:
            tables.append({"table": about.table, "what": about.what, "rows": rows})
    return {"address": key, "reader": bool(person.id), "made_at": _json(now), "tables": tables}


def _rows(session: Session, table: Table, mine: Any, names: dict[str, dict[int, str]]) -> list[dict[str, Any]]:
    """Return a person's rows with all of their columns, in the order of their keys."""
    found = session.execute(select_columns(table).where(mine).order_by(*table.primary_key.columns))
    return [_readable(dict(row._mapping), names) for row in found]  # noqa: SLF001 - SQLAlchemy's public name for it


def _readable(row: dict[str, Any], names: dict[str, dict[int, str]]) -> dict[str, Any]:
    shown = {name: _json(value) for name, value in row.items()}
    for column, by_id in names.items():
        if row.get(column) is not None:
            shown[column.removesuffix("_id")] = by_id.get(row[column], "")
    return shown


def _names(session: Session) -> dict[str, dict[int, str]]:
    """Return the names of what rows point to, by the column that points."""
    issues = select(Issue.id, Edition.slug, Issue.week).join(Edition)
    return {
        "list_id": dict(session.exec(select(MailingList.id, MailingList.name)).all()),
        "field_id": dict(session.exec(select(ReaderField.id, ReaderField.label)).all()),
        "tag_id": dict(session.exec(select(Tag.id, Tag.name)).all()),
        "issue_id": {number: f"{slug}/{week}" for number, slug, week in session.exec(issues)},
    }


def _json(value: Any) -> Any:
    """Return a value as JSON has it: times in UTC, such as 2026-11-30T07:00:00+00:00."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    return value
