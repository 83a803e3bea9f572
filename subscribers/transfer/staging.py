"""Where a file's rows wait until all of it is read: a database of its own on disk, gone when it is closed.

There they are put in the order of their addresses. That finds those that are there twice without holding a million of
them in memory, and readers are then stored in the order of the index that they go into, page by page.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

from subscribers.importers import Standing
from subscribers.transfer.rows import Row

#: The memory that it may take, in KiB.
_CACHE = 16_000
#: Of several rows with the same address the first counts, but who left or is not to be written to in one of them stays
#: out for all of them.
_WEIGHT = {Standing.SUBSCRIBED: 0, Standing.LEFT: 1, Standing.BOUNCED: 2, Standing.BLOCKED: 3, Standing.COMPLAINED: 4}
#: A look into this takes a third of the time that the enumeration itself does.
_STANDINGS = {one.value: one for one in Standing}
_TABLES = (
    f"PRAGMA cache_size = -{_CACHE}",
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "CREATE TABLE good (key TEXT, line INTEGER, address TEXT, name TEXT, standing TEXT, more TEXT)",
    "CREATE TABLE bad (line INTEGER, shown TEXT, reason TEXT)",
)


class Rejected(NamedTuple):
    """A row that is not imported: its line in the file, what stood for the address, and why."""

    line: int
    shown: str
    reason: str


class Staging:
    """The rows of one file. A context manager."""

    def __init__(self) -> None:
        # A database without a name: SQLite keeps it in a file that nobody else can open and that is gone with us.
        self._db = sqlite3.connect("", isolation_level=None)
        for statement in _TABLES:
            self._db.execute(statement)
        #: How many rows there are of either kind.
        self.good = self.bad = 0

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows that can be imported."""
        self._db.execute("BEGIN")
        self.good += self._db.executemany("INSERT INTO good VALUES (?, ?, ?, ?, ?, ?)", map(_packed, rows)).rowcount
        self._db.execute("COMMIT")

    def reject(self, rows: Iterable[Rejected]) -> None:
        """Keep rows that cannot."""
        self.bad += max(0, self._db.executemany("INSERT INTO bad VALUES (?, ?, ?)", rows).rowcount)

    def domains(self) -> list[str]:
        """Return the domains of the addresses that can be imported, each once."""
        query = "SELECT DISTINCT substr(key, instr(key, '@') + 1) FROM good ORDER BY 1"
        return [row[0] for row in self._db.execute(query)]

    def reject_domain(self, domain: str, reason: str) -> None:
        """Take everybody at a domain out of those that can be imported."""
        mine = "substr(key, instr(key, '@') + 1) = ?"
        rows = self._db.execute(f"SELECT line, address FROM good WHERE {mine}", [domain]).fetchall()  # noqa: S608 - ours
        self.good -= self._db.execute(f"DELETE FROM good WHERE {mine}", [domain]).rowcount  # noqa: S608
        self.reject(Rejected(line, address, reason) for line, address in rows)

    def people(self) -> Iterator[Row]:
        """Yield one row for each address, in the order of their keys; the others with it are rejected meanwhile."""
        rows = self._db.execute("SELECT key, line, address, name, standing, more FROM good ORDER BY key, line")
        first: Row | None = None
        for row in rows:
            if first is not None and row[0] == first.key:
                # One by one: a file may have the same address a million times.
                self.reject([Rejected(row[1], row[2], f"the address is already on line {first.line}.")])
                self.good -= 1
                first = first._replace(standing=max(first.standing, _STANDINGS[row[4]], key=_WEIGHT.__getitem__))
                continue
            if first is not None:
                yield first
            first = _unpacked(row)
        if first is not None:
            yield first

    def rejected(self, limit: int = -1) -> Iterator[Rejected]:
        """Yield the rejected rows in the order of their lines, at most `limit` of them."""
        for row in self._db.execute("SELECT line, shown, reason FROM bad ORDER BY line LIMIT ?", [limit]):
            yield Rejected(*row)


def _packed(row: Row) -> tuple[object, ...]:
    key, line, address, name, standing, *more = row
    # SQLite's driver asks around for what a member of an enumeration may be; it takes a plain word at once.
    return key, line, address, name, standing.value, json.dumps(more) if any(more) else None


def _unpacked(row: tuple[Any, ...]) -> Row:
    key, line, address, name, standing, more = row
    if more is None:
        return Row(key, line, address, name, _STANDINGS[standing])
    fields, tags, agreed, network, choices = json.loads(more)
    values = {int(field): value for field, value in fields.items()}
    return Row(key, line, address, name, _STANDINGS[standing], values, tuple(tags), agreed, network, tuple(choices))
