"""When a source is read again after a failure, and when people should look at it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.models import Source

#: After the first failure; it doubles with each further one.
FIRST_WAIT = timedelta(minutes=15)
LONGEST_WAIT = timedelta(hours=24)
#: A server may ask for more than our longest wait, but not for ever.
LONGEST_REST = timedelta(days=7)


@dataclass(frozen=True)
class Patience:
    """How long a source may fail, or bring nothing new, before people are told."""

    failing: timedelta = timedelta(days=3)
    silent: timedelta = timedelta(weeks=4)


def next_try(failures: int, retry_after: float | None, now: datetime) -> datetime:
    """Return when to read a source again that has failed `failures` times in a row.

    `retry_after` is in seconds, as its server asked (RFC 9110 section 10.2.3).
    """
    wait = min(FIRST_WAIT * (1 << min(failures - 1, 10)), LONGEST_WAIT)
    rest = min(timedelta(seconds=min(retry_after or 0, 1e6)), LONGEST_REST)
    return now + max(wait, rest)


def is_resting(source: Source, now: datetime) -> bool:
    """Tell whether the source is left alone until later."""
    return source.next_fetch_at is not None and source.next_fetch_at > now


def is_due(source: Source, every: timedelta, now: datetime) -> bool:
    """Tell whether the schedule should read the source now: it was not read for `every`, and may be."""
    waited = source.fetched_at is None or now - source.fetched_at >= every
    return source.enabled and waited and not is_resting(source, now)


@dataclass(frozen=True)
class Trouble:
    """What people should know about a source: `kind` is "failing" or "silent", `sentence` says since when."""

    kind: str
    sentence: str


def trouble(source: Source, patience: Patience, now: datetime) -> Trouble | None:
    """Return what people should know about a source, or None while all is well enough."""
    if not source.enabled:
        return None
    if source.failing_since and now - source.failing_since >= patience.failing:
        return Trouble("failing", f"It has failed for {_span(now - source.failing_since)}: {source.last_error}")
    last = source.new_story_at or source.first_fetched_at
    if last and now - last >= patience.silent:
        sentence = f"It has brought no new story for {_span(now - last)}, since {last:%Y-%m-%d}."
        return Trouble("silent", sentence)
    return None


def _span(time: timedelta) -> str:
    if time >= timedelta(weeks=2):
        return f"{time.days // 7} weeks"
    return "1 day" if time.days == 1 else f"{time.days} days"
