"""Tables whose rows are only ever added: the database itself refuses everything else."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import DDL, event
from sqlmodel import SQLModel


def append_only(table: str, columns: Sequence[str] = (), may_empty: str = "") -> dict[str, tuple[str, ...]]:
    """Return the statements that make a table append-only, by dialect. Pure.

    `may_empty` is the one of its `columns` that may be made empty later, all others staying as they are.
    """
    refusal = f"{table} rows are append-only"
    is_there = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"  # noqa: S608 - the table's name is ours
    others = [column for column in columns if column != may_empty]
    emptied = {
        how: " AND ".join(f"NEW.{column} {how} OLD.{column}" for column in others)
        for how in ("IS", "IS NOT DISTINCT FROM")
    }
    unless, first = "", ""
    if may_empty:
        unless = f"WHEN NOT (NEW.{may_empty} = '' AND {emptied['IS']}) "
        same = emptied["IS NOT DISTINCT FROM"]
        first = f"IF TG_OP = 'UPDATE' AND NEW.{may_empty} = '' AND {same} THEN RETURN NEW; END IF; "
    return {
        "sqlite": (
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {unless}"
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{refusal}'); END",
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {is_there} "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END",
        ),
        "postgresql": (
            f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {first}RAISE EXCEPTION '{refusal}'; END $$",
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()",
        ),
    }


def keep_append_only(table: str, may_empty: str = "") -> None:
    """Make `table` append-only wherever it is created from the models; see `append_only`."""
    columns = [column.name for column in SQLModel.metadata.tables[table].columns]
    for dialect, statements in append_only(table, columns, may_empty).items():
        for statement in statements:
            ddl = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call] # DDL has no types
            event.listen(SQLModel.metadata.tables[table], "after_create", ddl)
