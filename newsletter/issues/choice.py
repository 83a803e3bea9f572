"""Which stories make an issue, and why. Pure: candidates, wishes and the time in; an order with reasons out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from newsletter.issues.score import Candidate, Part, Weights, parts, total


@dataclass(frozen=True)
class Limits:
    """An edition's rules for an issue."""

    min_stories: int
    max_stories: int
    max_age: timedelta


@dataclass(frozen=True)
class Chosen:
    """A story with its place. `reasons` are phrases such as "14 h old"; `score` is what its parts add up to."""

    story_id: int
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class LeftOut:
    """A story that was looked at and not taken, and why. `rank` orders those that might have been: 1 came next."""

    headline: str
    reason: str
    rank: int | None = None
    score: float | None = None


@dataclass(frozen=True)
class Choice:
    """The stories in order, the lead first; or why there are none. `left_out` has a reason for each other candidate."""

    chosen: tuple[Chosen, ...] = ()
    left_out: dict[int, LeftOut] = field(default_factory=dict)
    skip: str = ""


def choose(candidates: Sequence[Candidate], limits: Limits, now: datetime, weights: Weights | None = None) -> Choice:
    """Return the lead and the "More" stories of an issue, or the reason to skip the week.

    Stories the editor pinned keep their places; the others fill the rest by score. Of one event one story is taken,
    and of one outlet or topic no more than the weights say while there are others. Nothing is chosen that was dropped,
    that this edition's readers already got, or that is too old. A thin week (fewer than `min_stories`) is filled from
    the wider region where candidates of it are given, else skipped.
    """
    picking = _Picking(limits, now, weights or Weights())
    left_out = {one.story_id: LeftOut(one.title, reason) for one in candidates if (reason := picking.against(one))}
    usable = [one for one in candidates if one.story_id not in left_out]
    usable, repeats = picking.one_of_each_event(usable)
    left_out |= repeats
    own = [one for one in usable if not one.wider or one.pinned_at is not None]
    wider = sorted((one for one in usable if one not in own), key=picking.rank)
    taken = wider[: max(0, limits.min_stories - len(own))]
    left_out |= {one.story_id: LeftOut(one.title, f"of {one.wider}; not needed") for one in wider[len(taken) :]}
    usable = own + taken
    if len(usable) < limits.min_stories:
        stories = "1 new story" if len(usable) == 1 else f"{len(usable)} new stories"
        return Choice(left_out=left_out, skip=f"{stories}, {limits.min_stories} needed")
    chosen, rest = picking.order(usable)
    return Choice(chosen, left_out | rest)


class _Picking:
    """One choice in the making: the rules that all of its steps share."""

    def __init__(self, limits: Limits, now: datetime, weights: Weights) -> None:
        self.limits = limits
        self.now = now
        self.weights = weights
        self._parts: dict[int, tuple[Part, ...]] = {}

    def parts(self, one: Candidate) -> tuple[Part, ...]:
        if one.story_id not in self._parts:
            self._parts[one.story_id] = parts(one, self.weights, self.limits.max_age, self.now)
        return self._parts[one.story_id]

    def score(self, one: Candidate) -> float:
        return total(self.parts(one))

    def rank(self, one: Candidate) -> tuple[float, float, int]:
        """Return what orders stories: by score, then the newer, then the one known longer."""
        return (-self.score(one), -one.published_at.timestamp(), one.story_id)

    def against(self, one: Candidate) -> str:
        """Return why a story cannot be in the issue at all, or nothing."""
        if one.dropped:
            return "dropped by the editor"
        if one.sent_in and not one.updated:
            return f"sent in {one.sent_in}"
        if one.pinned_at is None and one.covered_in and not one.sent_in:
            return f"the same event was in {one.covered_in}"
        if one.pinned_at is None and self.now - one.published_at > self.limits.max_age:
            return f"older than {self.limits.max_age.days} days"
        return ""

    def one_of_each_event(self, usable: Sequence[Candidate]) -> tuple[list[Candidate], dict[int, LeftOut]]:
        """Return the story that stands for each event, and the others with the reason.

        The editor's pin decides, else the score; every pinned story stays.
        """
        kept: list[Candidate] = []
        repeats: dict[int, LeftOut] = {}
        standing: dict[int, Candidate] = {}
        for one in sorted(usable, key=lambda one: (one.pinned_at is None, bool(one.wider), self.rank(one))):
            first = standing.setdefault(one.coverage, one) if one.coverage is not None else one
            if first is one or one.pinned_at is not None:
                kept.append(one)
            else:
                reason = f"the same event as story {first.story_id}, which stands for it"
                repeats[one.story_id] = LeftOut(one.title, reason, score=self.score(one))
        return kept, repeats

    def order(self, usable: Sequence[Candidate]) -> tuple[tuple[Chosen, ...], dict[int, LeftOut]]:
        """Return the stories in their places, and those there is no room for."""
        pinned = sorted(
            (one for one in usable if one.pinned_at is not None), key=lambda one: (one.pinned_at, one.story_id)
        )
        free = sorted((one for one in usable if one.pinned_at is None), key=self.rank)
        room = max(0, self.limits.max_stories - len(pinned))
        places = self._varied(pinned, free, room)
        for one in pinned:
            places.insert(one.pinned_at or 0, self._chosen(one, ("pinned by the editor",)))
        taken = {one.story_id for one in places}
        rest = [one for one in free if one.story_id not in taken]
        sources = Counter(one.source for one in usable if one.story_id in taken)
        return tuple(places), {
            one.story_id: LeftOut(one.title, self._no_room(one, rank, len(usable), sources), rank, self.score(one))
            for rank, one in enumerate(rest, start=1)
        }

    def _varied(self, pinned: Sequence[Candidate], free: Sequence[Candidate], room: int) -> list[Chosen]:
        """Take `room` stories one by one, each the best beside those that are in already."""
        sources = Counter(one.source for one in pinned)
        topics: Counter[int | None] = Counter(one.topic for one in pinned if one.topic is not None)
        left = list(free)
        places: list[Chosen] = []
        while left and len(places) < room:
            best = min(left, key=lambda one: self._beside(one, sources[one.source], topics[one.topic]))
            left.remove(best)
            places.append(self._chosen(best, (), self._sameness(best, sources[best.source], topics[best.topic])))
            sources[best.source] += 1
            if best.topic is not None:
                topics[best.topic] += 1
        return places

    def _beside(self, one: Candidate, of_source: int, of_topic: int) -> tuple[bool, float, tuple[float, float, int]]:
        weights = self.weights
        too_many = of_source >= weights.per_source or of_topic >= weights.per_topic
        off = weights.same_source * of_source + weights.same_topic * of_topic
        return too_many, off - self.score(one), self.rank(one)

    def _sameness(self, one: Candidate, of_source: int, of_topic: int) -> tuple[str, ...]:
        """Return what was held against a story that came in all the same."""
        found = []
        if of_source >= self.weights.per_source:
            found.append(f"number {of_source + 1} of {one.source}, for want of others")
        if of_topic:
            found.append(f"number {of_topic + 1} on its topic")
        return tuple(found)

    def _chosen(self, one: Candidate, before: tuple[str, ...], after: tuple[str, ...] = ()) -> Chosen:
        news = (f"updated since {one.sent_in}",) if one.sent_in else ()
        wider = (f"of {one.wider}, to fill a thin week",) if one.wider else ()
        reasons = (*before, *news, *wider, *(part.reason for part in self.parts(one)), *after)
        return Chosen(one.story_id, self.score(one), reasons)

    def _no_room(self, one: Candidate, rank: int, usable: int, sources: Counter[str]) -> str:
        if sources[one.source] >= self.weights.per_source:
            return f"no room: {sources[one.source]} stories of {one.source} are in"
        place = self.limits.max_stories + rank
        return f"no room: place {place} of {usable}, and {self.limits.max_stories} fit"
