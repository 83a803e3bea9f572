"""Who stories are about: names of people and what else acts, told from places, and the sagas that they make."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from newsletter.coverage.pieces import Piece
from newsletter.coverage.profiles import RARE_SHARE, Profile, lead_of, prior_share
from newsletter.coverage.tables import before_places, countries
from newsletter.coverage.words import Reader

#: A name in more of the stories than this share is no topic by itself, nor in more than so many times their root: in a
#: small batch one saga has a larger share.
COMMON_SHARE, COMMON_ROOT = 0.03, 1.2
#: A name that so often follows a word such as "in" is a place.
PLACE_SHARE = 0.14
#: A part of a name is somebody's alone if it mostly stands with the same other part.
SAME_PART = 0.7
#: A name that is followed by another so often is a first name.
ALWAYS = 0.8
#: A name that ends in s at least so often, but not always, is a word for many.
PLURAL_SHARE = 0.1
#: A name belongs to the saga of another when this share of its stories have both; two common names make a saga when
#: this share of the stories that have one have both.
BELONGS, INSEPARABLE = 0.5, 0.35
#: The share of a topic's stories that must name the saga's actors.
MOSTLY = 0.34

#: A name by its term and its language, which tells two of one spelling apart.
_Name = tuple[str, str]


@dataclass
class _Mentions:
    """How the names of a batch are used."""

    all: Counter[_Name] = field(default_factory=Counter)
    placed: Counter[_Name] = field(default_factory=Counter)
    acronyms: set[_Name] = field(default_factory=set)
    #: How often a name ends in s, and whether it also stands without: Democrats.
    plurals: Counter[_Name] = field(default_factory=Counter)
    #: The names that stand right before and right after a name, and how often.
    before: defaultdict[_Name, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    after: defaultdict[_Name, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def read(self, tokens: list[tuple[str, str]], names: frozenset[str], language: str) -> list[_Name]:
        """Count the names of a text, and return those of two words that stand side by side as one name each."""
        prepositions = before_places(language)
        last, word, is_placed = "", "", False
        doubles: list[_Name] = []
        for token, term in tokens:
            if term not in names or not token[0].isupper():
                last, word = "", token.casefold()
                continue
            is_placed = is_placed if last else word in prepositions
            name = (term, language)
            self.all[name] += 1
            self.placed[name] += is_placed
            self.plurals[name] += token.endswith("s") and "'" not in token
            if len(token) <= 5 and token.isupper():
                self.acronyms.add(name)
            if last:
                self.before[name][last] += 1
                self.after[last, language][term] += 1
                doubles.append((f"{last} {term}", language))
            last, word = term, ""
        return doubles

    def is_place(self, name: _Name) -> bool:
        """Say whether a name is a country, or stands where places do."""
        return name[0] in countries(name[1]) or self.placed[name] >= PLACE_SHARE * self.all[name]

    def is_shared(self, name: _Name) -> bool:
        """Say whether more than one may have this name: a first name, the surname of several, a word for many."""
        count = self.all[name]
        if self.after[name].total() >= ALWAYS * count or self._is_for_many(name):
            return True
        return any(
            2 * beside.total() >= count and max(beside.values()) < SAME_PART * beside.total()
            for beside in (self.before[name], self.after[name])
        )

    def _is_for_many(self, name: _Name) -> bool:
        return PLURAL_SHARE * self.all[name] <= self.plurals[name] <= (1 - PLURAL_SHARE) * self.all[name]


class Sagas:
    """The running stories of a batch, by their main actors. `pieces` stand in the order of `stories`."""

    def __init__(self, pieces: Sequence[Piece], stories: Sequence[Profile]) -> None:
        self.acting = _actors(pieces, stories)
        self.homes = _homes(self.acting)

    def join(self, clusters: Iterable[list[int]]) -> list[list[int]]:
        """Return the clusters (places of stories), joined where most of their headlines name the same main actors.

        A cluster joins one saga at most, so that sagas do not chain.
        """
        found: dict[_Name | int, list[int]] = {}
        for number, members in enumerate(clusters):
            saga = _saga_of(members, self.acting, self.homes)
            found.setdefault(number if saga is None else saga, []).extend(members)
        return sorted(sorted(members) for members in found.values())


def _actors(pieces: Sequence[Piece], stories: Sequence[Profile]) -> list[frozenset[_Name]]:
    """Return the names in each headline that may be those of actors."""
    mentions, readers = _Mentions(), dict[str, Reader]()
    doubles = []
    for piece, story in zip(pieces, stories, strict=True):
        reader = readers.setdefault(story.language, Reader(story.language))
        doubles.append(mentions.read(reader.spell(_listed(piece.title)), story.title_names, story.language))
        mentions.read(reader.spell(_listed(lead_of(piece.summary))), story.names, story.language)
    acts: dict[_Name, bool] = {}
    found = []
    for story, pairs in zip(stories, doubles, strict=True):
        names = [(term, story.language) for term in story.title_names & story.sure_names]
        for name in names:
            if name not in acts:
                acts[name] = _acts(name, mentions)
        found.append(
            frozenset(
                [name for name in names if acts[name]]
                + [pair for pair in pairs if not any(mentions.is_place((part, pair[1])) for part in pair[0].split())]
            )
        )
    return found


def _listed(text: str) -> str:
    """Return a text in which commas part names as other signs do."""
    return text.replace(", ", "; ")


def _acts(name: _Name, mentions: _Mentions) -> bool:
    """Say whether a name may be that of one actor: no place, no acronym, no common word, no name of several people."""
    term, language = name
    return (
        len(term) > 2
        and prior_share(term, language) <= RARE_SHARE
        and name not in mentions.acronyms
        and not mentions.is_place(name)
        and not mentions.is_shared(name)
    )


def _homes(acting: Sequence[frozenset[_Name]]) -> dict[_Name, _Name]:
    """Return the main actor of the saga that each name belongs to; names that make no topic are left out."""
    counts = Counter(name for names in acting for name in names)
    both = Counter(pair for names in acting for pair in combinations(sorted(names), 2))
    common = max(COMMON_SHARE * len(acting), COMMON_ROOT * math.sqrt(len(acting)))
    inseparable = {
        name
        for (one, other), count in both.items()
        if count >= INSEPARABLE * (counts[one] + counts[other] - count) and not _is_one(one, other, counts, count)
        for name in (one, other)
    }
    kept = {
        name
        for name, count in counts.items()
        if count > 1 and all(counts[part] <= common or part in inseparable for part in _parts(name))
    }
    best: dict[_Name, tuple[int, int, _Name]] = {}
    for (one, other), count in both.items():
        if one in kept and other in kept:
            (fewer, less), (more, main) = sorted([(counts[one], one), (counts[other], other)])
            if count > 1 and count >= BELONGS * fewer:
                best[less] = max(best.get(less, (0, 0, less)), (count, more, main))
    homes: dict[_Name, _Name] = {}
    for name in sorted(kept, key=lambda name: (counts[name], name), reverse=True):
        homes[name] = homes[best[name][2]] if name in best else name
    return homes


def _parts(name: _Name) -> list[_Name]:
    """Return a name, and the two that it is made of if it is."""
    return [name, *((part, name[1]) for part in name[0].split() if " " in name[0])]


def _is_one(one: _Name, other: _Name, counts: Counter[_Name], together: int) -> bool:
    """Say whether two names are mostly one: one is part of the other, or they stand side by side."""
    if one in _parts(other) or other in _parts(one):
        return True
    doubles = ((f"{first[0]} {second[0]}", first[1]) for first, second in ((one, other), (other, one)))
    return 2 * sum(counts[double] for double in doubles) >= together


def _saga_of(members: list[int], acting: Sequence[frozenset[_Name]], homes: dict[_Name, _Name]) -> _Name | None:
    """Return the main actor whom most of the stories name, the most named first, or nobody."""
    named = Counter(saga for place in members for saga in {homes[name] for name in acting[place] if name in homes})
    if not named:
        return None
    saga, count = min(named.items(), key=lambda item: (-item[1], item[0]))
    return saga if count >= MOSTLY * len(members) else None
