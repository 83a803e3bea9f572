"""Tables whose rows are only ever added: the database itself refuses everything else."""

from __future__ import annotations

from sqlalchemy import DDL, event
from sqlmodel import SQLModel


def append_only(table: str) -> dict[str, tuple[str, ...]]:
    """Return the statements that make a table append-only, by dialect. Pure."""
    refusal = f"{table} rows are append-only"
    is_there = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"  # noqa: S608 - the table's name is ours
    return {
        "sqlite": (
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{refusal}'); END",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{refusal}'); END",
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {is_there} "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END",
        ),
        "postgresql": (
            f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$",
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()",
        ),
    }


def keep_append_only(table: str) -> None:
    """Make `table` append-only wherever it is created from the models."""
    for dialect, statements in append_only(table).items():
        for statement in statements:
            ddl = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call] # DDL has no types
            event.listen(SQLModel.metadata.tables[table], "after_create", ddl)
