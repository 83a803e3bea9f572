"""Which stories make an issue, and why. Pure: candidates, wishes and the time in; an order with reasons out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from newsletter.issues.score import Candidate, Part, Weights, parts, total

#: An event with so many reports is of the edition's regions only when at least this share of them is.
FEW_REPORTS, LEAST_SHARE = 4, 0.25
#: Points that the most typical report of an event gets when it is asked which of them stands for it.
_TYPICAL_POINTS = 20.0


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


#: The reports of one event, the one that stands for it best first. A story that is alone is an event, too.
_Event = tuple[Candidate, ...]


def choose(candidates: Sequence[Candidate], limits: Limits, now: datetime, weights: Weights | None = None) -> Choice:
    """Return the lead and the "More" stories of an issue, or the reason to skip the week.

    Stories the editor pinned keep their places; the others fill the rest by score. Of one event one story is taken,
    and of one outlet or topic no more than the weights say while there are others; stories in another language come
    after those in the edition's. Nothing is chosen that was dropped, that this edition's readers already got, or that
    is too old. A thin week (fewer than `min_stories`) is filled from the wider region where candidates of it are given,
    else skipped.
    """
    picking = _Picking(limits, now, weights or Weights())
    left_out = {one.story_id: LeftOut(one.title, reason) for one in candidates if (reason := picking.against(one))}
    usable = [one for one in candidates if one.story_id not in left_out]
    pinned = sorted((one for one in usable if one.pinned_at is not None), key=lambda one: (one.pinned_at, one.story_id))
    events, repeats = picking.events(usable, pinned)
    left_out |= repeats
    own = [event for event in events if not event[0].wider]
    wider = [event for event in events if event[0].wider]
    taken = wider[: max(0, limits.min_stories - len(pinned) - len(own))]
    for event in wider[len(taken) :]:
        left_out |= {one.story_id: LeftOut(one.title, f"of {one.wider}; not needed") for one in event}
    found = len(pinned) + len(own) + len(taken)
    if found < limits.min_stories:
        stories = "1 new story" if found == 1 else f"{found} new stories"
        return Choice(left_out=left_out, skip=f"{stories}, {limits.min_stories} needed")
    chosen, rest = picking.order(pinned, [*own, *taken])
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
        return self._unfit(one) if one.pinned_at is None else ""

    def _unfit(self, one: Candidate) -> str:
        if one.covered_in and not one.sent_in:
            return f"the same event was in {one.covered_in}"
        if self.now - one.published_at > self.limits.max_age:
            return f"older than {self.limits.max_age.days} days"
        if one.reports >= FEW_REPORTS and one.reports_about < LEAST_SHARE * one.reports:
            return f"only {one.reports_about} of {one.reports} reports of the event are about the edition's regions"
        return ""

    def events(
        self, usable: Sequence[Candidate], pinned: Sequence[Candidate]
    ) -> tuple[list[_Event], dict[int, LeftOut]]:
        """Return the events that are free to be chosen, the best first, and the stories whose event is pinned."""
        standing = {one.coverage: one for one in reversed(pinned) if one.coverage is not None}
        by_event: dict[tuple[int | None, int], list[Candidate]] = {}
        repeats: dict[int, LeftOut] = {}
        for one in usable:
            if one.pinned_at is not None:
                continue
            if one.coverage in standing:
                repeats[one.story_id] = self._same(one, standing[one.coverage])
            else:
                by_event.setdefault((one.coverage, 0 if one.coverage is not None else one.story_id), []).append(one)
        events = [tuple(sorted(members, key=self._standing)) for members in by_event.values()]
        return sorted(events, key=lambda event: self.rank(event[0])), repeats

    def _standing(self, one: Candidate) -> tuple[bool, bool, float, tuple[float, float, int]]:
        """Return what orders the reports of one event: who stands for it best comes first."""
        return bool(one.wider), bool(one.foreign), -self.score(one) - _TYPICAL_POINTS * one.typical, self.rank(one)

    def order(
        self, pinned: Sequence[Candidate], events: Sequence[_Event]
    ) -> tuple[tuple[Chosen, ...], dict[int, LeftOut]]:
        """Return the stories in their places, and those there is no room for."""
        room = max(0, self.limits.max_stories - len(pinned))
        places, left_out, rest = self._varied(pinned, list(events), room)
        for one in pinned:
            places.insert(one.pinned_at or 0, self._chosen(one, ("pinned by the editor",)))
        taken = {one.story_id for one in places}
        sources = Counter(one.source for event in events for one in event if one.story_id in taken)
        count = len(places) + len(rest)
        for rank, (first, *others) in enumerate(rest, start=1):
            reason = self._no_room(first, rank, count, sources)
            left_out[first.story_id] = LeftOut(first.title, reason, rank, self.score(first))
            for one in others:
                left_out[one.story_id] = self._same(one, first)
        return tuple(places), left_out

    def _varied(
        self, pinned: Sequence[Candidate], left: list[_Event], room: int
    ) -> tuple[list[Chosen], dict[int, LeftOut], list[_Event]]:
        """Take `room` events one by one, each the best beside those that are in; return the rest, too."""
        sources = Counter(one.source for one in pinned)
        topics: Counter[int | None] = Counter(one.topic for one in pinned if one.topic is not None)
        places: list[Chosen] = []
        same: dict[int, LeftOut] = {}
        while left and len(places) < room:
            offers = [(self._offer(event, sources), event) for event in left]
            best, event = min(offers, key=lambda offer: self._beside(offer[0], sources, topics))
            left.remove(event)
            places.append(self._chosen(best, (), self._sameness(best, sources[best.source], topics[best.topic])))
            same |= {one.story_id: self._same(one, best) for one in event if one is not best}
            sources[best.source] += 1
            if best.topic is not None:
                topics[best.topic] += 1
        return places, same, left

    def _offer(self, event: _Event, sources: Counter[str]) -> Candidate:
        """Return the report that would stand for an event: if there is one, of an outlet that has few stories in."""
        few = (one for one in event if sources[one.source] < self.weights.per_source and not one.foreign)
        return next(few, event[0])

    def _beside(
        self, one: Candidate, sources: Counter[str], topics: Counter[int | None]
    ) -> tuple[bool, bool, float, tuple[float, float, int]]:
        """Return what orders stories beside those that are in: other languages, then too many of a kind, come last."""
        weights, of_source, of_topic = self.weights, sources[one.source], topics[one.topic]
        too_many = of_source >= weights.per_source or of_topic >= weights.per_topic
        off = weights.same_source * of_source + weights.same_topic * of_topic
        return bool(one.foreign), too_many, off - self.score(one), self.rank(one)

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
        foreign = (f"in another language ({one.foreign})",) if one.foreign else ()
        reasons = (*before, *news, *wider, *(part.reason for part in self.parts(one)), *foreign, *after)
        return Chosen(one.story_id, self.score(one), reasons)

    def _same(self, one: Candidate, first: Candidate) -> LeftOut:
        return LeftOut(
            one.title, f"the same event as story {first.story_id}, which stands for it", score=self.score(one)
        )

    def _no_room(self, one: Candidate, rank: int, count: int, sources: Counter[str]) -> str:
        if one.foreign:
            return f"no room: it is in another language ({one.foreign}), and such stories come last"
        if sources[one.source] >= self.weights.per_source:
            return f"no room: {sources[one.source]} stories of {one.source} are in"
        place = self.limits.max_stories + rank
        return f"no room: place {place} of {count}; the issue takes {self.limits.max_stories}"
