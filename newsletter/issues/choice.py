"""Which stories make an issue, and why. Pure: candidates, wishes and the time in; an order with reasons out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

#: Points for each part of a score. An editor reads the reasons, not the points; the points only order the stories.
FRESHNESS_POINTS = 40.0
PICTURE_POINTS = 10.0
SUMMARY_POINTS = 10.0
REGION_POINTS = 15.0
WEIGHT_POINTS = 10.0
#: A summary of this many words or more gets all of its points.
FULL_SUMMARY_WORDS = 40


@dataclass(frozen=True)
class Candidate:
    """A story that could go into an issue, and what the editor decided about it."""

    story_id: int
    title: str
    summary: str
    published_at: datetime
    source: str
    source_weight: float = 1.0
    has_picture: bool = False
    #: Why it is about the edition's regions; quoted words count more than the source's own region.
    evidence: tuple[str, ...] = ()
    #: The week in which this edition already sent it.
    sent_in: str = ""
    pinned_at: int | None = None
    dropped: bool = False


@dataclass(frozen=True)
class Limits:
    """An edition's rules for an issue."""

    min_stories: int
    max_stories: int
    max_age: timedelta


@dataclass(frozen=True)
class Chosen:
    """A story with its place. `reasons` are phrases such as "14 h old"."""

    story_id: int
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class LeftOut:
    """A story that was looked at and not taken, and why."""

    headline: str
    reason: str


@dataclass(frozen=True)
class Choice:
    """The stories in order, the lead first; or why there are none. `left_out` has a reason for each other candidate."""

    chosen: tuple[Chosen, ...] = ()
    left_out: dict[int, LeftOut] = field(default_factory=dict)
    skip: str = ""


def choose(candidates: Sequence[Candidate], limits: Limits, now: datetime) -> Choice:
    """Return the lead and the "More" stories of an issue, or the reason to skip the week.

    Stories the editor pinned keep their places; the others fill the rest by score. Nothing is chosen that was dropped,
    that this edition already sent, or that is too old. A thin week (fewer than `min_stories`) is skipped.
    """
    left_out = {
        one.story_id: LeftOut(one.title, reason) for one in candidates if (reason := _reason_against(one, limits, now))
    }
    usable = [one for one in candidates if one.story_id not in left_out]
    if len(usable) < limits.min_stories:
        stories = "1 new story" if len(usable) == 1 else f"{len(usable)} new stories"
        return Choice(left_out=left_out, skip=f"{stories}, {limits.min_stories} needed")
    scored = {one.story_id: score(one, limits, now) for one in usable}
    free = sorted(
        (one for one in usable if one.pinned_at is None),
        key=lambda one: (-scored[one.story_id].score, -one.published_at.timestamp(), one.story_id),
    )
    pinned = sorted((one for one in usable if one.pinned_at is not None), key=lambda one: (one.pinned_at, one.story_id))
    room = max(0, limits.max_stories - len(pinned))
    order = [one.story_id for one in free[:room]]
    for one in pinned:
        order.insert(one.pinned_at or 0, one.story_id)
    for rank, one in enumerate(free[room:], start=len(order) + 1):
        reason = f"no room: place {rank} of {len(usable)}, and {limits.max_stories} fit"
        left_out[one.story_id] = LeftOut(one.title, reason)
    return Choice(tuple(scored[story_id] for story_id in order), left_out)


def score(one: Candidate, limits: Limits, now: datetime) -> Chosen:
    """Return a story's score with the reason for each of its parts, the weightiest first."""
    age = max(timedelta(), now - one.published_at)
    freshness = FRESHNESS_POINTS * max(0.0, 1 - age / limits.max_age)
    words = len(one.summary.split())
    parts = [(freshness, _age_in_words(age))]
    quoted = [evidence for evidence in one.evidence if evidence.startswith('"')]
    if quoted:
        strength = 1.0 if any("headline" in evidence for evidence in quoted) else 0.5
        parts.append((REGION_POINTS * strength, quoted[0]))
    if one.has_picture:
        parts.append((PICTURE_POINTS, "picture"))
    if words:
        parts.append((SUMMARY_POINTS * min(1.0, words / FULL_SUMMARY_WORDS), f"summary of {words} words"))
    if one.source_weight != 1.0:
        parts.append((WEIGHT_POINTS * (one.source_weight - 1.0), f"source weight {one.source_weight:g}"))
    parts.sort(key=lambda part: -part[0])
    pinned = () if one.pinned_at is None else ("pinned by the editor",)
    return Chosen(
        one.story_id,
        round(sum(points for points, _ in parts), 2),
        (*pinned, *(reason for _, reason in parts)),
    )


def _reason_against(one: Candidate, limits: Limits, now: datetime) -> str:
    if one.dropped:
        return "dropped by the editor"
    if one.sent_in:
        return f"sent in {one.sent_in}"
    if one.pinned_at is None and now - one.published_at > limits.max_age:
        return f"older than {limits.max_age.days} days"
    return ""


def _age_in_words(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    if not hours:
        return "less than 1 h old"
    return f"{hours} h old" if hours < 48 else f"{hours // 24} days old"
