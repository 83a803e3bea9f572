"""When a source is read again, and when people are told: pure decisions about the health of sources."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from newsletter.gather import Patience, is_due, is_resting, next_try, trouble
from newsletter.models import Source
from tests.builders import NOW

PATIENCE = Patience(failing=timedelta(days=3), silent=timedelta(weeks=4))


def source(**fields: Any) -> Source:
    return Source(slug="post", name="Post", kind="feed", url="https://post.example/", **fields)


@pytest.mark.parametrize(
    ("failures", "retry_after", "wait"),
    [
        (1, None, timedelta(minutes=15)),
        (2, None, timedelta(minutes=30)),
        (3, None, timedelta(hours=1)),
        (7, None, timedelta(hours=16)),
        (8, None, timedelta(hours=24)),
        (500, None, timedelta(hours=24)),
        (1, 60, timedelta(minutes=15)),  # never sooner than our own wait
        (1, 7200, timedelta(hours=2)),  # as the server asks
        (8, 86_400 * 3, timedelta(days=3)),
        (1, 1e30, timedelta(days=7)),  # but not for ever
    ],
)
def test_each_failure_doubles_the_wait(failures: int, retry_after: float | None, wait: timedelta) -> None:
    assert next_try(failures, retry_after, NOW) - NOW == wait


@pytest.mark.parametrize(
    ("until", "resting"), [(None, False), (NOW, False), (NOW + timedelta(seconds=1), True), (NOW - timedelta(1), False)]
)
def test_a_source_rests_until_its_time(until: datetime | None, resting: bool) -> None:
    assert is_resting(source(next_fetch_at=until), NOW) is resting


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, ""),
        ({"failing_since": NOW - timedelta(days=2, hours=23), "last_error": "Gone."}, ""),
        ({"failing_since": NOW - timedelta(days=3), "last_error": "Gone."}, "It has failed for 3 days: Gone."),
        ({"failing_since": NOW - timedelta(days=20), "last_error": "Gone."}, "It has failed for 2 weeks: Gone."),
        ({"failing_since": NOW - timedelta(days=9), "last_error": "Gone.", "enabled": False}, ""),
        ({"new_story_at": NOW - timedelta(days=27)}, ""),
        (
            {"new_story_at": NOW - timedelta(days=29)},
            "It has brought no new story for 4 weeks, since 2026-10-21.",
        ),
        ({"first_fetched_at": NOW - timedelta(days=35)}, "It has brought no new story for 5 weeks, since 2026-10-15."),
        ({"first_fetched_at": NOW - timedelta(days=35), "new_story_at": NOW - timedelta(days=1)}, ""),
    ],
)
def test_what_is_trouble(fields: dict[str, Any], sentence: str) -> None:
    found = trouble(source(**fields), PATIENCE, NOW)
    assert (found.sentence if found else "") == sentence
    if found:
        assert found.kind == ("failing" if "failed" in sentence else "silent")


EVERY = timedelta(minutes=60)


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, True),
        ({"fetched_at": NOW}, False),
        ({"fetched_at": NOW - timedelta(minutes=59)}, False),
        ({"fetched_at": NOW - timedelta(minutes=60)}, True),
        ({"enabled": False}, False),
        # One that failed and waits for its next try makes nobody read the others each minute.
        ({"fetched_at": NOW - timedelta(hours=9), "next_fetch_at": NOW + timedelta(hours=1)}, False),
        ({"fetched_at": NOW - timedelta(hours=9), "next_fetch_at": NOW}, True),
    ],
)
def test_what_is_due(fields: dict[str, Any], due: bool) -> None:
    assert is_due(source(**fields), EVERY, NOW) is due
