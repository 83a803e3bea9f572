"""Which week, which moment: an edition's calendar. Pure; the caller brings the time.

A week is the ISO week of the send time in the edition's own time zone, written 2026-W47. Local times that a clock
change skips move forward by the gap; of those that it repeats the first is meant (trust fact 11, F8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from newsletter.errors import ConfigurationError

#: Issues are made by hand for weeks this near.
NEAR = timedelta(weeks=5)


class Timetable(Protocol):
    """The columns of an Edition that say when it is sent."""

    send_weekday: int
    send_hour_minute: str
    time_zone: str
    draft_hours: int


@dataclass(frozen=True)
class Slot:
    """One week's turn of an edition. Times are UTC."""

    week: str
    send_at: datetime
    draft_at: datetime


def slot_of(timetable: Timetable, week: str) -> Slot:
    """Return the turn of `week`, such as 2026-W47. Raises ConfigurationError for what is no ISO week."""
    match = re.fullmatch(r"(\d{4})-W(\d{2})", week)
    try:
        day = date.fromisocalendar(int(match[1]), int(match[2]), timetable.send_weekday + 1) if match else None
    except ValueError:
        day = None
    if day is None:
        raise ConfigurationError(f"{week!r} is no week. Weeks are written like 2026-W47.")
    local = datetime.combine(day, time.fromisoformat(timetable.send_hour_minute), ZoneInfo(timetable.time_zone))
    send_at = local.astimezone(UTC)
    return Slot(week, send_at, send_at - timedelta(hours=timetable.draft_hours))


def near_slot(timetable: Timetable, week: str, now: datetime) -> Slot:
    """Return the turn of a week that somebody typed. Raises ConfigurationError for one that must be a slip."""
    slot = slot_of(timetable, week)
    if abs(slot.send_at - now) > NEAR:
        raise ConfigurationError(
            f"{week} is {abs(slot.send_at - now).days // 7} weeks away from now. Did you mean another?"
        )
    return slot


def next_slot(timetable: Timetable, now: datetime) -> Slot:
    """Return the first turn whose send time is not before `now`."""
    return next(slot for slot in _around(timetable, now) if slot.send_at >= now)


def last_slot(timetable: Timetable, now: datetime) -> Slot:
    """Return the latest turn whose send time is before `now`."""
    return [slot for slot in _around(timetable, now) if slot.send_at < now][-1]


def _around(timetable: Timetable, now: datetime) -> list[Slot]:
    today = now.astimezone(ZoneInfo(timetable.time_zone)).date()
    days = (today + timedelta(days=7 * step) for step in (-1, 0, 1))
    return [slot_of(timetable, "{}-W{:02}".format(*day.isocalendar()[:2])) for day in days]
