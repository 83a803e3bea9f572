"""An edition's calendar: weeks, clock changes, year ends (F8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from newsletter.errors import ConfigurationError
from newsletter.issues import last_slot, near_slot, next_slot, slot_of


@dataclass
class Timetable:
    send_weekday: int = 5
    send_hour_minute: str = "07:00"
    time_zone: str = "Europe/Berlin"
    draft_hours: int = 24


@pytest.mark.parametrize(
    ("timetable", "week", "send_at"),
    [
        (Timetable(), "2026-W47", "2026-11-21T06:00"),
        (Timetable(), "2026-W30", "2026-07-25T05:00"),  # summer time
        (Timetable(send_weekday=6, send_hour_minute="02:30"), "2026-W13", "2026-03-29T01:30"),  # skipped: 03:30 local
        (Timetable(send_weekday=6, send_hour_minute="02:30"), "2026-W43", "2026-10-25T00:30"),  # repeated: the first
        (Timetable(send_weekday=0), "2026-W53", "2026-12-28T06:00"),
        (Timetable(send_weekday=4), "2026-W53", "2027-01-01T06:00"),  # the ISO year goes on into January
        (Timetable(time_zone="Pacific/Auckland", send_weekday=0), "2026-W47", "2026-11-15T18:00"),  # Sunday in UTC
        (Timetable(time_zone="America/St_Johns"), "2028-W09", "2028-03-04T10:30"),  # after a leap day
    ],
)
def test_the_send_time_is_local(timetable: Timetable, week: str, send_at: str) -> None:
    slot = slot_of(timetable, week)
    assert slot.send_at == datetime.fromisoformat(send_at).replace(tzinfo=UTC)
    assert slot.draft_at == slot.send_at - timedelta(hours=24)


@pytest.mark.parametrize("week", ["2026-W54", "2026-W00", "2025-W53", "47", "", "2026-47", "2026-W4", "x2026-W47"])
def test_what_is_no_week_gets_a_sentence(week: str) -> None:
    with pytest.raises(ConfigurationError, match="Weeks are written like 2026-W47"):
        slot_of(Timetable(), week)


def test_a_week_far_away_is_a_slip() -> None:
    now = datetime(2026, 11, 19, tzinfo=UTC)
    assert near_slot(Timetable(), "2026-W48", now) == slot_of(Timetable(), "2026-W48")
    with pytest.raises(ConfigurationError, match="2027-W47 is 53 weeks away from now"):
        near_slot(Timetable(), "2027-W47", now)


@pytest.mark.parametrize(
    ("now", "last", "coming"),
    [
        ("2026-11-21T05:59:59", "2026-W46", "2026-W47"),
        ("2026-11-21T06:00:00", "2026-W46", "2026-W47"),  # at its minute it is the coming one
        ("2026-11-21T06:00:01", "2026-W47", "2026-W48"),
        ("2027-01-02T06:00:01", "2026-W53", "2027-W01"),
    ],
)
def test_last_and_next(now: str, last: str, coming: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert last_slot(Timetable(), moment).week == last
    assert next_slot(Timetable(), moment).week == coming


@pytest.mark.parametrize("zone", ["Europe/Kyiv", "America/New_York", "Pacific/Chatham", "Asia/Kolkata", "UTC"])
def test_ten_years_have_one_issue_a_week(zone: str) -> None:
    """F8: whatever the clocks do, each week comes once and none is left out."""
    timetable = Timetable(time_zone=zone, send_weekday=6, send_hour_minute="02:30")
    now, seen = datetime(2026, 1, 1, tzinfo=UTC), []
    while now < datetime(2036, 1, 1, tzinfo=UTC):
        slot = next_slot(timetable, now)
        seen.append(slot.week)
        assert slot.send_at.astimezone(ZoneInfo(zone)).weekday() == 6
        now = slot.send_at + timedelta(seconds=1)
    mondays = [datetime.strptime(f"{week}-1", "%G-W%V-%u") for week in seen]  # noqa: DTZ007 - days only
    assert {later - earlier for earlier, later in pairwise(mondays)} == {timedelta(days=7)}
    assert len(seen) == 523
