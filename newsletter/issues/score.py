"""What a story is worth to an edition, in parts that each say why. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

#: A summary of this many words or more gets all of its points.
FULL_SUMMARY_WORDS = 40
#: An event that this many outlets tell gets the points that the weights say; more outlets get more.
MANY_OUTLETS = 6


@dataclass(frozen=True)
class Weights:
    """Points for each part of a score, and the limits of sameness. Only the order of stories depends on them."""

    #: Just published; nothing is left of it at the edition's greatest age.
    freshness: float = 25.0
    #: Six outlets tell the event. By a logarithm: the second counts more than the sixth, and twenty get more.
    outlets: float = 35.0
    #: How surely the story is about the edition's regions.
    region: float = 20.0
    picture: float = 8.0
    length: float = 7.0
    #: For each whole step of the source's weight above 1, and off for each below.
    source: float = 10.0
    #: Off for what comes each day or week under one name: a press review, a programme, a gallery.
    routine: float = 25.0
    #: Off for each story of the same outlet, and of the same topic, that is in already.
    same_source: float = 4.0
    same_topic: float = 10.0
    #: More of one outlet, or of one topic, come in only when nothing else is left.
    per_source: int = 3
    per_topic: int = 2


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
    is_dated: bool = True
    #: Why it is about the edition's regions, the surest reason first, and how sure that is, from 0 to 1.
    evidence: tuple[str, ...] = ()
    strength: float = 0.0
    #: The language it is in, where that is not the edition's.
    foreign: str = ""
    #: Every outlet that tells the same event, its own included; `coverage` is the event's number.
    outlets: tuple[str, ...] = ()
    coverage: int | None = None
    #: How many reports of the event there are, and how many of these are about the edition's regions.
    reports: int = 1
    reports_about: int = 1
    #: How much its words are those of the event's other reports, from 0 to 1.
    typical: float = 0.0
    routine: bool = False
    topic: int | None = None
    #: The week in which this edition already sent it, and whether it has told something new since.
    sent_in: str = ""
    updated: bool = False
    #: The week in which this edition sent another story about the same event.
    covered_in: str = ""
    #: The name of the wider region that it is of, when it is not of the edition's own.
    wider: str = ""
    pinned_at: int | None = None
    dropped: bool = False


@dataclass(frozen=True)
class Part:
    """A part of a score: its points, and the reason as a phrase such as "14 h old"."""

    points: float
    reason: str


def parts(one: Candidate, weights: Weights, max_age: timedelta, now: datetime) -> tuple[Part, ...]:
    """Return the parts of a story's score, the weightiest first. Their sum orders the stories."""
    age = max(timedelta(), now - one.published_at)
    words = len(one.summary.split())
    found = [
        Part(weights.freshness * max(0.0, 1 - age / max_age), _age_in_words(age, is_dated=one.is_dated)),
    ]
    if len(one.outlets) > 1:
        share = math.log(len(one.outlets)) / math.log(MANY_OUTLETS)
        found.append(Part(weights.outlets * share, f"{len(one.outlets)} outlets"))
    if one.evidence:
        found.append(Part(weights.region * one.strength, one.evidence[0]))
    if one.has_picture:
        found.append(Part(weights.picture, "picture"))
    if words:
        found.append(Part(weights.length * min(1.0, words / FULL_SUMMARY_WORDS), f"summary of {words} words"))
    if one.source_weight != 1.0:
        found.append(Part(weights.source * (one.source_weight - 1.0), f"source weight {one.source_weight:g}"))
    if one.routine:
        found.append(Part(-weights.routine, "a regular column or programme"))
    return tuple(sorted(found, key=lambda part: -part.points))


def total(found: tuple[Part, ...]) -> float:
    """Return the score that the parts make."""
    return round(sum(part.points for part in found), 2)


def _age_in_words(age: timedelta, *, is_dated: bool) -> str:
    hours = int(age.total_seconds() // 3600)
    span = "less than 1 h" if not hours else f"{hours} h" if hours < 48 else f"{hours // 24} days"
    return f"{span} old" if is_dated else f"no date; first seen {span} ago"
