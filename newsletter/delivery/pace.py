"""How many readers one call of a provider may have, while it gets to know us: 1, 10, 100, and so on.

A new account refuses large calls, and refused them for ever where their size was fixed (trust 2.1, provider ramp-up).
So the size grows tenfold with each call that was taken, and falls to a tenth of a call of which nobody was.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from newsletter.models import Pace
from subscribers.inserts import insert_missing

_STEP = 10
_SCOPE_LENGTH = 400


def next_size(size: int, taken: int, readers: int) -> int:
    """Return how many readers the next call may have, after one of `readers` of whom so many were taken. Pure.

    `size` is how many it might have had: a smaller call that was taken says nothing about larger ones. A call of which
    nobody was taken counts for what it was, so that two workers whose calls fail at the same time make one step.
    """
    if taken == readers >= size:
        return size * _STEP
    if not taken:
        return max(1, min(size, readers // _STEP))
    return size


def limit(session: Session, provider: str, first: int, full: int) -> int:
    """Return how many readers the next call may have, between 1 and `full`.

    `first` is what a new account may begin with; 0: the provider is not ramped, and nothing is read.
    """
    if not first:
        return full
    pace = session.get(Pace, provider[:_SCOPE_LENGTH])
    size = first if pace is None else pace.chunk_size or full
    return min(size, full)


def learn(  # noqa: PLR0917 - the first four as in `limit`, then those of `next_size`
    session: Session, provider: str, first: int, full: int, taken: int, readers: int, now: datetime
) -> None:
    """Write down what a call tells about the next, if it changes anything; `taken` of its `readers` were accepted."""
    if not first or not readers:
        return
    scope, begin = provider[:_SCOPE_LENGTH], min(first, full)
    if session.get(Pace, scope) is None:
        if next_size(begin, taken, readers) == begin:
            return
        row = {"scope": scope, "chunk_size": begin, "since": now}
        insert_missing(session, Pace, [row], unique=["scope"], returning="chunk_size")
    pace = session.get_one(Pace, scope, with_for_update=True, populate_existing=True)
    size = min(pace.chunk_size or full, full)
    after = next_size(size, taken, readers)
    if after != size:
        pace.chunk_size = 0 if after >= full else after
        session.add(pace)
        session.flush()
