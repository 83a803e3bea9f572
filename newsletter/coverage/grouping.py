"""Groups of stories about one event: likely pairs from an index of rare terms, joined while the whole group agrees."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nlargest
from operator import itemgetter

from newsletter.coverage.actors import Sagas
from newsletter.coverage.likeness import MAX_HOURS, kinship, likeness
from newsletter.coverage.pieces import Piece
from newsletter.coverage.profiles import Profile, profiles

#: Two stories this likely to be about one event may join their groups, if the stories of both are on average.
PAIR = 0.4
AVERAGE = 0.28
#: A group larger than the small ones must be more alike, by this much each time it doubles: what joins every story that
#: is a little like the others joins a whole theme in the end.
SMALL = 4
STRICTER = 0.05
#: The same for topics.
TOPIC_PAIR = 0.5
TOPIC_AVERAGE = 0.3
WEEK_HOURS = 24.0 * 14
#: Terms of a story that are looked up, the heaviest first, and how many stories back in time each one leads to.
INDEXED_TERMS = 14
REACH = 24
#: The part of the cosine that the looked-up terms must reach before two stories are compared in full.
LEAST_OVERLAP = 0.12
#: How many stories each story is compared with in full, the likeliest first.
MOST_COMPARED = 20
#: Members of each side that are compared when two groups might join.
WITNESSES = 8

_Score = Callable[[Profile, Profile], float]


def group(pieces: Sequence[Piece]) -> list[tuple[int, ...]]:
    """Return the groups of two or more ids that are about one event; ids and groups are in the order of time.

    The order of `pieces` does not matter. Stories that stand alone are in no group.
    """
    stories = profiles(pieces)
    clusters = _events(stories)
    return [tuple(stories[place].id for place in members) for members in clusters if len(members) > 1]


def topics(pieces: Sequence[Piece]) -> dict[int, int]:
    """Return the number of the topic of each story, by its id. Topics are looser than groups and may last for weeks.

    Stories of one group have one topic, and so have stories with the same main actors: what an editor would not want
    five cards of in one issue. Numbers begin at 0 and follow the time of the first story of each topic.
    """
    ordered = sorted(pieces, key=lambda piece: (piece.published_at, piece.id))
    stories = profiles(ordered)
    sagas = Sagas(ordered, stories)
    begin = sagas.join(_events(stories))
    home = {place: number for number, members in enumerate(begin) for place in members}
    pairs = ((one, other) for one, other in candidates(stories, WEEK_HOURS) if home[one] != home[other])
    edges = _edges(stories, kinship, TOPIC_PAIR, pairs)
    clusters = sagas.join(_Clusters(stories, kinship, TOPIC_AVERAGE, begin).join(edges))
    return {stories[place].id: number for number, members in enumerate(clusters) for place in members}


def _events(stories: list[Profile]) -> list[list[int]]:
    alone = [[place] for place in range(len(stories))]
    edges = _edges(stories, likeness, PAIR, candidates(stories))
    return _Clusters(stories, likeness, AVERAGE, alone).join(edges)


def _edges(
    stories: list[Profile], score: _Score, least: float, pairs: Iterable[tuple[int, int]]
) -> list[tuple[float, int, int]]:
    """Return those of the pairs that score at least so much, the best first."""
    scored = ((score(stories[one], stories[other]), one, other) for one, other in pairs)
    return sorted((edge for edge in scored if edge[0] >= least), key=lambda edge: (-edge[0], edge[1], edge[2]))


def candidates(stories: list[Profile], hours: float = MAX_HOURS) -> Iterator[tuple[int, int]]:
    """Yield pairs of places (the smaller first) of stories that share heavy terms and are so many hours apart at most.

    A term leads only to the last few stories that have it, and a story is compared with a few at most, so that the work
    grows with the number of stories, whatever words they share.
    """
    postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
    norms, times = [story.full_norm for story in stories], [story.hour for story in stories]
    for place, story in enumerate(stories):
        overlaps: dict[int, float] = {}
        seen = overlaps.get
        for term, weight in nlargest(INDEXED_TERMS, story.full.items(), key=itemgetter(1)):
            posting = postings[term]
            for other, other_weight in posting[-REACH:]:
                overlaps[other] = seen(other, 0.0) + weight * other_weight
            posting.append((place, weight))
            if len(posting) > 4 * REACH:
                del posting[:-REACH]
        least, since = LEAST_OVERLAP * story.full_norm, story.hour - hours
        likely = [
            (overlap / norms[other], other)
            for other, overlap in overlaps.items()
            if overlap >= least * norms[other] and times[other] >= since
        ]
        for _, other in likely if len(likely) <= MOST_COMPARED else nlargest(MOST_COMPARED, likely):
            yield other, place


class _Clusters:
    """Groups that join while they are alike on average: A like B and B like C does not join A and C."""

    def __init__(self, stories: list[Profile], score: _Score, average: float, begin: list[list[int]]) -> None:
        self.stories, self.score, self.average = stories, score, average
        self.members = {members[0]: members for members in begin}
        self.home = {place: members[0] for members in begin for place in members}
        self.known: dict[tuple[int, int], float] = {}

    def join(self, edges: list[tuple[float, int, int]]) -> list[list[int]]:
        """Return the groups, alone standing stories too, as places in order."""
        for _, one, other in edges:
            first, second = sorted((self.home[one], self.home[other]))
            if first != second and self._agree(self.members[first], self.members[second]):
                joined = sorted(self.members[first] + self.members.pop(second))
                self.members[first] = joined
                self.home.update(dict.fromkeys(joined, first))
        return [self.members[place] for place in sorted(self.members)]

    def _agree(self, first: list[int], second: list[int]) -> bool:
        """Say whether the stories of two groups are alike on average, seen by witnesses spread over each group."""
        pairs = [(one, other) for one in _witnesses(first) for other in _witnesses(second)]
        average = self.average + STRICTER * max(0.0, math.log2((len(first) + len(second)) / SMALL))
        return sum(map(self._score, pairs)) >= average * len(pairs)

    def _score(self, pair: tuple[int, int]) -> float:
        one, other = pair if pair[0] < pair[1] else (pair[1], pair[0])
        score = self.known.get((one, other))
        if score is None:
            score = self.known[one, other] = self.score(self.stories[one], self.stories[other])
        return score


def _witnesses(members: list[int]) -> list[int]:
    if len(members) <= WITNESSES:
        return members
    step = len(members) / WITNESSES
    return [members[int(number * step)] for number in range(WITNESSES)]
