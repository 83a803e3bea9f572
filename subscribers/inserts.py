"""The insert that both databases have in common: of rows not there yet, even while others add the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel


def insert_missing(
    session: Session,
    model: type[SQLModel],
    rows: Sequence[Mapping[str, object]],
    *,
    unique: Sequence[str],
    returning: str = "id",
) -> list[int]:
    """Insert those `rows` for which no row with the same `unique` columns is stored.

    Every column without a default in the database must be in each row. Returns the column `returning` of the
    rows that were inserted, in no particular order.
    """
    if not rows:
        return []
    table = SQLModel.metadata.tables[str(model.__tablename__)]
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(table) if on_postgresql else sqlite.insert(table)
    statement = insert.on_conflict_do_nothing(index_elements=list(unique)).returning(table.c[returning])
    return [row[0] for row in session.exec(statement, params=list(rows))]
