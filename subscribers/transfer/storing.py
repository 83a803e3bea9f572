"""A batch of readers into the database: a few statements for all of it, in the caller's transaction.

On PostgreSQL rows come by COPY into a temporary table, on SQLite by one prepared statement; from there on both work in
sets. Nobody is brought back who left, and nobody added who is suppressed or was erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlmodel import Session

from subscribers.columns import UtcDateTime
from subscribers.hashes import KeyedHash
from subscribers.transfer import statements as sql
from subscribers.transfer.rows import NO, YES, Row, as_text

_TRUTHS = {"": None, YES: True, NO: False}


@dataclass(frozen=True)
class Statement:
    """What an admin vouches for with a file, and what to do with it."""

    list_id: int
    consent: str
    source: str
    now: datetime
    #: The file's name and fields replace what is known.
    update: bool = False
    #: Who bounced, complained or was blocked there is suppressed here; who left there is put down as having left.
    suppress: bool = False
    #: What those who were erased here are known by; None where nobody can have been.
    hashes: KeyedHash | None = None


@dataclass(frozen=True)
class Fates:
    """What became of readers, counted."""

    added: int = 0
    already: int = 0
    left: int = 0
    suppressed: int = 0
    #: Of those that left or are suppressed by the file: put down here as such, and not before.
    recorded: int = 0
    #: Known here by a keyed hash alone: they were erased, and nothing of them is stored again.
    erased: int = 0

    def __add__(self, other: Fates) -> Fates:
        return Fates(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


def store(session: Session, statement: Statement, rows: Sequence[Row]) -> Fates:
    """Put a batch of readers on the list, with their evidence, and return what became of them.

    No two rows have the same key, and they come in the order of the keys, so that two imports of the same people at
    once do not wait for each other in a circle.
    """
    batch = _Batch(session.connection(), statement)
    batch.fill(rows)
    erased = batch.keep_out_erased(rows, statement.hashes) if statement.hashes else 0
    recorded = batch.record() if statement.suppress else 0
    suppressed = batch.run(sql.NOT_SUPPRESSED_BY_FILE) + batch.run(sql.NOT_SUPPRESSED)
    left = batch.run(sql.NOT_LEFT_BY_FILE) + batch.run(sql.NOT_LEFT)
    remaining = len(rows) - suppressed - left - erased
    added = batch.join(remaining)
    batch.tell(rows)
    stood = remaining - added
    return Fates(added=added, already=stood, left=left, suppressed=suppressed, recorded=recorded, erased=erased)


class _Batch:
    """One batch on one connection."""

    def __init__(self, connection: Connection, statement: Statement) -> None:
        self._connection = connection
        self._on_postgresql = connection.dialect.name == "postgresql"
        self._update = statement.update
        self._now = as_text(statement.now)
        self._known = {
            "list": statement.list_id,
            "now": statement.now,
            "source": statement.source,
            "consent": statement.consent,
        }

    def run(self, statement: str) -> int:
        """Run one statement and return how many rows it concerned."""
        used = {name: value for name, value in self._known.items() if f":{name}" in statement}
        prepared = text(statement)
        if "now" in used:
            prepared = prepared.bindparams(bindparam("now", type_=UtcDateTime()))
        return self._connection.execute(prepared, used).rowcount

    def fill(self, rows: Sequence[Row]) -> None:
        """Make the temporary table of the batch hold these rows, and no others."""
        self._make("incoming")
        self._bring(
            "incoming",
            [
                (place, row.key, row.address, row.name, row.standing.value, row.agreed, row.network)
                for place, row in enumerate(rows)
            ],
        )

    def keep_out_erased(self, rows: Sequence[Row], hashes: KeyedHash) -> int:
        """Take out of the batch who was erased, before anything of them is stored; return how many.

        No address is hashed where there is no hash to find.
        """
        stored = text(sql.HASHES_POSTGRESQL if self._on_postgresql else sql.HASHES_SQLITE)
        known = set(self._connection.execute(stored).scalars())
        if not known:
            return 0
        places = [{"place": place} for place, row in enumerate(rows) if not known.isdisjoint(hashes.each(row.key))]
        if places:
            self._connection.execute(text(sql.NOT_ERASED), places)
        return len(places)

    def record(self) -> int:
        """Suppress, and put down as left, whom the file says so of; return for how many that was new."""
        if self._on_postgresql:
            self.run(sql.LOCK_SUPPRESSED)
        suppressed = self.run(sql.SUPPRESS)
        if self._on_postgresql:
            return suppressed + self.run(sql.LEAVE_NEW_POSTGRESQL) + self.run(sql.LEAVE_POSTGRESQL)
        self.run(sql.NEW_READERS.format(standing="left"))
        left = self.run(sql.LEAVE_EVIDENCE_SQLITE)
        self.run(sql.LEAVE_SQLITE)
        return suppressed + left

    def join(self, remaining: int) -> int:
        """Put what is left of the batch on the list, so many readers; return how many were not on it."""
        if self._on_postgresql:
            new = self.run(sql.JOIN_NEW_POSTGRESQL)
            return new if new == remaining else new + self.run(sql.JOIN_POSTGRESQL)
        self.run(sql.NEW_READERS.format(standing="subscribed"))
        added = self.run(sql.JOIN_EVIDENCE_SQLITE)
        self.run(sql.JOIN_SQLITE)
        return added

    def tell(self, rows: Sequence[Row]) -> None:
        """Store what the file says of those readers besides: their name if that is wished, their fields and tags."""
        if self._update:
            self.run(sql.RENAME)
        values = [(place, *value) for place, row in enumerate(rows) for value in row.fields.items()]
        if values:
            self._make("incoming_value")
            self._bring("incoming_value", values)
            self.run(sql.VALUES.format(known="DO UPDATE SET value = excluded.value" if self._update else "DO NOTHING"))
        tags = [(place, tag) for place, row in enumerate(rows) for tag in row.tags]
        if tags:
            self._make("incoming_tag")
            self._bring("incoming_tag", tags)
            self.run(sql.NEW_TAGS)
            self.run(sql.TAGS)
        self._choose([(place, row.choices) for place, row in enumerate(rows) if row.choices])

    def _choose(self, said: Sequence[tuple[int, tuple[str, ...]]]) -> None:
        """Write to readers as the file says they want it: to those who are new, and with `update` to all."""
        values = [
            (place, language, _TRUTHS[text_only], until if until > self._now else None, _TRUTHS[monthly])
            for place, (language, text_only, until, monthly) in said
        ]
        if not self._update:  # what is as it is for everybody needs no writing
            values = [row for row in values if any(row[1:])]
        if not values:
            return
        self._make("incoming_choice")
        self._bring("incoming_choice", values)
        everybody = sql.CHOICES_POSTGRESQL if self._on_postgresql else sql.CHOICES_SQLITE
        self.run(everybody + ("" if self._update else sql.NEW_READERS_ALONE))
        self.run(sql.MONTHLY + ("" if self._update else sql.NEW_SUBSCRIPTIONS_ALONE))

    def _make(self, table: str) -> None:
        """Make an empty temporary table."""
        self.run(f"CREATE TEMP TABLE IF NOT EXISTS {table} ({sql.TEMPORARY[table]})")
        # What PostgreSQL deletes stays until somebody cleans up, which nobody does behind temporary tables.
        empty = "TRUNCATE" if self._on_postgresql else "DELETE FROM"
        self.run(f"{empty} {table}")

    def _bring(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Put rows into a temporary table, the quickest way there is."""
        if not self._on_postgresql:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", list(rows))  # noqa: S608
            return
        driver: Any = self._connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        # Nobody counts temporary tables for the planner either, and it would go through all readers for each batch.
        self.run(f"ANALYZE {table}")
