"""Counting in the database what went out, so that no stretch of time of a given length ever holds more than it may.

A window slides: it is the last second, minute, hour or day, wherever one looks from. What went out is counted by
sixtieths of the window's length (`RateUse.start`: which sixtieth since 1970). The one that a window cuts at its edge
counts whole; so a limit is never passed, and at most a sixtieth of the time is lost. The row at `TOTAL` holds their
sum. Everybody who counts holds the provider's `lock`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import TextClause, text
from sqlmodel import Session

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86_400
#: Into how many parts a window is cut.
PARTS = 60
#: The `start` of the row that holds a window's sum.
TOTAL = -1
#: What is on its way counts in the window of a second for this long, or until it is known to have arrived: a call may
#: take longer than a second, and what arrives at its end has to fit beside what others send then. Longer windows see a
#: call from its beginning to their own end, which is long enough.
HELD: Mapping[int, timedelta] = {SECOND: timedelta(seconds=30)}
#: What was counted further ahead than this was counted by a clock that was wrong.
_AHEAD = timedelta(minutes=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: What is counted, and a window's length in seconds.
Key = tuple[str, int]
#: A key, the sixtieth or TOTAL, and by how many to change it; or what was found there.
Change = tuple[str, int, int, int]

# A claim of 500 readers may have fifty domains and two hundred counts. As one JSON value they take a statement of less
# than a millisecond; as parameters or rows of their own they took five.
_KEY = "r.scope = k.value ->> 0 AND r.seconds = CAST(k.value ->> 1 AS BIGINT)"
_START = "CAST(k.value ->> 2 AS BIGINT)"
_COLUMNS = f"k.value ->> 0, CAST(k.value ->> 1 AS BIGINT), {_START}"


def _statements(rows: str) -> dict[str, TextClause]:
    """Return the statements of one database; `rows` makes rows with the column `value` of the JSON array :rows."""
    found = f"SELECT r.scope, r.seconds, r.start, r.used FROM {rows} JOIN rate_use r ON {_KEY}"  # noqa: S608 - constants
    added = f"SELECT {_COLUMNS}, CAST(k.value ->> 3 AS BIGINT) FROM {rows}"  # noqa: S608
    insert = f"INSERT INTO rate_use (scope, seconds, start, used) {added} WHERE true"
    return {
        "before": text(f"{found} AND r.start < {_START}"),
        "at": text(f"{found} AND r.start = {_START}"),
        "from": text(f"{found} AND r.start >= {_START} ORDER BY r.start"),
        "sum": text(
            f"SELECT r.scope, r.seconds, 0, SUM(r.used) FROM {rows} JOIN rate_use r ON {_KEY} "  # noqa: S608
            f"AND r.start >= {_START} GROUP BY r.scope, r.seconds"
        ),
        "add": text(f"{insert} ON CONFLICT (scope, seconds, start) DO UPDATE SET used = rate_use.used + excluded.used"),
        "remove": text(f"DELETE FROM rate_use WHERE (scope, seconds, start) IN (SELECT {_COLUMNS} FROM {rows})"),  # noqa: S608
    }


_STATEMENTS = {
    "sqlite": _statements("json_each(:rows) AS k"),
    "postgresql": _statements("json_array_elements(CAST(:rows AS json)) AS k(value)"),
}


@dataclass(frozen=True)
class Windows:
    """How many mails may go out in a second, minute, hour and day; None: as many as wanted."""

    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None

    @cached_property
    def limits(self) -> tuple[tuple[int, int], ...]:
        """Length in seconds and limit of each window that has one."""
        lengths = ((SECOND, self.per_second), (MINUTE, self.per_minute), (HOUR, self.per_hour), (DAY, self.per_day))
        return tuple((seconds, limit) for seconds, limit in lengths if limit is not None)


NO_WINDOWS = Windows()


def part_of(at: datetime, seconds: int) -> int:
    """Return the number since 1970 of the sixtieth of `seconds` that `at` is in."""
    return (at - _EPOCH) // _MICROSECOND * PARTS // (seconds * 1_000_000)


def gone_at(part: int, seconds: int) -> datetime:
    """Return the first moment at which no window of this length sees the sixtieth any more."""
    microseconds = -(-(part + PARTS + 1) * seconds * 1_000_000 // PARTS)
    return _EPOCH + microseconds * _MICROSECOND


def lock(session: Session, provider: str) -> None:
    """Wait until nobody else counts for this provider, and keep others waiting until the transaction ends.

    One row is locked for everything, so that nobody can wait for somebody who waits for them. On SQLite a transaction
    that writes is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        _run(session, "add", [(provider, 0, TOTAL, 0)])


def held(session: Session, scopes: Mapping[str, Windows], wanted: Mapping[str, int], now: datetime) -> dict[Key, int]:
    """Return how many mails each window of `scopes` holds, where so many more are `wanted`.

    What no window sees any more is removed when there is no room because of it, or once it is twice as old as need be:
    so that much is removed at once, and mostly nothing. Until then it is counted, where there is room for it. What was
    counted far ahead, by a clock that was wrong, then counts as of now, so that it passes.
    """
    limits = {(scope, seconds): limit for scope, one in scopes.items() for seconds, limit in one.limits}
    current = {seconds: part_of(now, seconds) for seconds in {seconds for _, seconds in limits}}
    totals = dict.fromkeys(limits, 0)
    stale = set()
    for scope, seconds, start, used in _found(session, "before", {key: current[key[1]] - 2 * PARTS for key in limits}):
        if start == TOTAL:
            totals[scope, seconds] = used
        else:
            stale.add((scope, seconds))
    stale |= {key for key, limit in limits.items() if totals[key] and limit - totals[key] < wanted[key[0]]}
    if not stale:
        return totals
    changes: list[Change] = []
    moved: list[Change] = []
    for row in counted(session, stale):
        scope, seconds, start, used = row
        if start != TOTAL and start < current[seconds] - PARTS:
            totals[scope, seconds] -= used
            changes.append((scope, seconds, TOTAL, -used))
            moved.append(row)
        elif start > part_of(now + _AHEAD, seconds):
            changes.append((scope, seconds, current[seconds], used))
            moved.append(row)
    remove(session, moved)
    add(session, changes)
    return totals


def counted(session: Session, keys: Iterable[Key]) -> list[Change]:
    """Return everything that is counted for the keys, totals too, in the order of time."""
    return _found(session, "from", dict.fromkeys(keys, TOTAL))


def summed(session: Session, since: Mapping[Key, int]) -> dict[Key, int]:
    """Return what is counted for each key from a sixtieth on, where anything is; for those who keep no totals."""
    return {(scope, seconds): int(used) for scope, seconds, _, used in _found(session, "sum", since)}


def counted_at(session: Session, parts: Mapping[Key, int]) -> dict[Key, int]:
    """Return what is counted for each key in its one sixtieth, where anything is."""
    return {(scope, seconds): used for scope, seconds, _, used in _found(session, "at", parts)}


def add(session: Session, changes: Iterable[Change]) -> None:
    """Add to what is counted; what is not there yet begins at 0."""
    summed: dict[tuple[str, int, int], int] = defaultdict(int)
    for scope, seconds, start, used in changes:
        summed[scope, seconds, start] += used
    rows = [(*place, used) for place, used in sorted(summed.items()) if used]
    if rows:
        _run(session, "add", rows)


def remove(session: Session, rows: Sequence[Change]) -> None:
    """Remove what was found. The caller sees to the totals."""
    if rows:
        _run(session, "remove", rows)


def room_at(session: Session, needs: Mapping[Key, int], now: datetime) -> dict[str, datetime]:
    """Return for each scope when every window of it has room for so many more (`needs`) than are free now.

    What is booked in this transaction counts, whether it is written already or not.
    """
    left = dict(needs)
    until: dict[Key, datetime] = {}
    for scope, seconds, start, used in counted(session, needs):
        key = (scope, seconds)
        if start != TOTAL and left[key] > 0:
            left[key] -= used
            until[key] = gone_at(min(start, part_of(now, seconds)), seconds)
    times: dict[str, datetime] = {}
    for key, missing in left.items():
        at = gone_at(part_of(now, key[1]), key[1]) if missing > 0 else until[key]
        times[key[0]] = max(at, times.get(key[0], at))
    return times


def _found(session: Session, statement: str, parts: Mapping[Key, int]) -> list[Change]:
    found = _run(session, statement, [(*key, part) for key, part in parts.items()])
    return [(scope, seconds, start, used) for scope, seconds, start, used in found]


def _run(session: Session, statement: str, rows: Sequence[tuple[str | int, ...]]) -> Iterable[Any]:
    connection = session.connection()
    return connection.execute(_STATEMENTS[connection.dialect.name][statement], {"rows": json.dumps(rows)})
