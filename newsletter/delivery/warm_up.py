"""Warming up a sender's domain: a daily ceiling that grows with what went out, until none is needed (trust 1.2).

Mailbox providers distrust a domain that suddenly sends much. So the ceiling of a day, by UTC, is a multiple of the most
that went out on any earlier day. A day without mail changes nothing, and a day with little raises nothing: the ceiling
follows what the mailbox providers have seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlmodel import Session

from newsletter import windows
from newsletter.windows import DAY, TOTAL

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class WarmUp:
    """The plan: `first` mails on the first day, then up to `growth` times the most so far, a day.

    Once that would be `until` or more, there is no ceiling any more. `growth` is above 1.
    """

    first: int
    growth: float
    until: int


def ceiling(plan: WarmUp, most: int) -> int | None:
    """Return how many mails a day may have after one of `most` mails, 0 for the first; None: as many as wanted."""
    today = max(plan.first, math.ceil(most * plan.growth))
    return None if today >= plan.until else today


def room(session: Session, plan: WarmUp, scope: str, now: datetime) -> int | None:
    """Return how many more may go out today; None: as many as wanted."""
    most, used = _state(session, scope, now)
    today = ceiling(plan, most)
    return None if today is None else max(0, today - used)


def book(session: Session, plan: WarmUp, scope: str, count: int, now: datetime) -> None:
    """Count mails of today, as long as there is a ceiling."""
    most, _ = _state(session, scope, now)
    if ceiling(plan, most) is not None:
        windows.add(session, [(scope, DAY, _day(now), count)])


def give_back(session: Session, scope: str, count: int, booked_at: datetime) -> None:
    """Take back mails that were counted at `booked_at` and surely were not tried. Nothing is taken back twice."""
    day = _day(booked_at)
    if windows.counted_at(session, {(scope, DAY): day}).get((scope, DAY), 0) >= count:
        windows.add(session, [(scope, DAY, day, -count)])


def next_day(now: datetime) -> datetime:
    """Return when the next day begins, by UTC."""
    return _EPOCH + timedelta(days=_day(now) + 1)


def _state(session: Session, scope: str, now: datetime) -> tuple[int, int]:
    """Return the most that went out on one day before today, and what went out today.

    The first is kept in the row at TOTAL, so that days that are over can be removed. What was counted for a day to
    come, before the clock went back, counts for today.
    """
    today = _day(now)
    most, used = 0, 0
    others = []
    for row in windows.counted(session, [(scope, DAY)]):
        _, _, day, count = row
        if day < today:  # TOTAL comes first
            most = max(most, count)
        else:
            used += count
        if day not in {TOTAL, today}:
            others.append(row)
    if others:
        later = sum(count for _, _, day, count in others if day > today)
        kept = windows.counted_at(session, {(scope, DAY): TOTAL}).get((scope, DAY), 0)
        windows.remove(session, others)
        windows.add(session, [(scope, DAY, TOTAL, most - kept), (scope, DAY, today, later)])
    return most, used


def _day(at: datetime) -> int:
    return (at - _EPOCH).days
