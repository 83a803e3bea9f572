"""Stories as weighted terms: how much each word of a headline and summary says about which event it is."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from newsletter.coverage.pieces import Piece
from newsletter.coverage.stems import COMPOUNDING, family, stem
from newsletter.coverage.tables import (
    COMMON_SHARE,
    CONCEPT_SHARE,
    concepts,
    countries,
    known_languages,
    most_common_words,
    routine_phrases,
    shared_concepts,
    shares,
)
from newsletter.coverage.words import Figures, Reader

#: A summary is read this far: what an event is stands in its first sentences.
SUMMARY_CHARACTERS = 420
#: How much a term of the summary counts beside one of the headline.
SUMMARY_WEIGHT = 0.6
#: The prior speaks with the voice of this many stories, so that ten stories are weighed as well as twenty thousand.
PRIOR_STORIES = 5_000.0
#: The share of stories that have a word which no table knows.
RARE_SHARE = 0.0004
NAME_BOOST = 1.25
#: What so many headlines end with after a dash is the name of an outlet.
TAILS = 4
_TAIL = re.compile(r"\s[-–—|]\s+([^-–—|]{2,30})$")
#: "WARSAW (Reuters) - ": the place belongs to the story, the agency does not.
_AGENCY = re.compile(r"^([^\n.(]{2,40}?) ?\([^)\n]{2,24}\) ?[-–—:] ?")


@dataclass(frozen=True, slots=True)
class Profile:
    """A story, ready to be compared. `title` and `full` map terms to weights; `hour` is its time in hours."""

    id: int
    hour: float
    source: str
    language: str
    title: dict[str, float]
    full: dict[str, float]
    title_norm: float
    full_norm: float
    #: Names in the headline and in all of the text.
    title_names: frozenset[str]
    names: frozenset[str]
    #: Those that are names for sure; all of them where none is.
    sure_names: frozenset[str]
    #: Concepts that the headline tells of.
    kinds: frozenset[str]
    #: Those of the headline.
    figures: Figures
    numbers: frozenset[str]
    #: The kind of routine headline, such as "weather", or nothing.
    routine: str
    has_summary: bool


@dataclass(frozen=True, slots=True)
class _Text:
    """A story as it was read, without what only the counts of the batch need."""

    language: str
    title: tuple[str, ...]
    lead: tuple[str, ...]
    #: Terms that may be names.
    capitals: tuple[str, ...]
    figures: Figures
    numbers: frozenset[str]


def profiles(pieces: Sequence[Piece]) -> list[Profile]:
    """Return the profiles of stories in the order of their time, then their id."""
    ordered = sorted(pieces, key=lambda piece: (piece.published_at, piece.id))
    counts = _Counts(_tails(ordered))
    texts = [counts.read(piece) for piece in ordered]
    weigh = _Weights(counts, len(ordered))
    return [_profile(piece, text, weigh) for piece, text in zip(ordered, texts, strict=True)]


class _Counts:
    """How many stories of the batch have each term, and how often it is written with a capital and small."""

    def __init__(self, tails: frozenset[str]) -> None:
        self.tails = tails
        self.readers: dict[str, Reader] = {}
        self.stories: Counter[str] = Counter()
        self.capitals: Counter[str] = Counter()
        self.smalls: Counter[str] = Counter()

    def read(self, piece: Piece) -> _Text:
        """Read a story and count its terms."""
        language = _language(piece)
        reader = self.readers.get(language)
        if reader is None:
            reader = self.readers[language] = Reader(language)
        title, lead = reader.read(self.headline(piece.title)), reader.read(lead_of(piece.summary))
        self.stories.update({*title.terms, *lead.terms})
        for words in (title, lead):
            self.capitals.update(words.capitals)
            self.smalls.update(words.smalls)
        numbers = title.figures.numbers | lead.figures.numbers
        capitals = tuple(title.capitals | lead.capitals | title.firsts | lead.firsts)
        return _Text(language, title.terms, lead.terms, capitals, title.figures, numbers)

    def headline(self, title: str) -> str:
        """Return a headline without the name of its outlet at the end."""
        tail = _TAIL.search(title)
        return title[: tail.start()] if tail and tail[1] in self.tails else title


def _tails(pieces: Sequence[Piece]) -> frozenset[str]:
    """Return what several headlines end with after a dash or a bar: the name of an outlet, of a column."""
    found = Counter(tail[1] for tail in map(_TAIL.search, (piece.title for piece in pieces)) if tail)
    return frozenset(tail for tail, count in found.items() if count >= TAILS)


def lead_of(summary: str) -> str:
    """Return the beginning of a summary, without the agency's name in its dateline and a half word at its end."""
    summary = _AGENCY.sub(r"\1. ", summary)
    if len(summary) <= SUMMARY_CHARACTERS:
        return summary
    cut = summary[:SUMMARY_CHARACTERS]
    return cut[: cut.rfind(" ")] if " " in cut else cut


def _profile(piece: Piece, text: _Text, weigh: _Weights) -> Profile:
    names = weigh.names(text.capitals, text.language)
    sure = weigh.sure(names)
    head = weigh.vector(text.title, names, text.language, 1.0)
    full = weigh.vector(text.lead, names, text.language, SUMMARY_WEIGHT)
    has_summary = bool(full)
    full.update(head)
    return Profile(
        id=piece.id,
        hour=piece.published_at.timestamp() / 3600,
        source=piece.source,
        language=text.language,
        title=head,
        full=full,
        title_norm=_norm(head.values()),
        full_norm=_norm(full.values()),
        title_names=names.intersection(head),
        names=names,
        sure_names=sure,
        kinds=frozenset(term for term in head if term[0] == "=" and term not in shared_concepts()),
        figures=text.figures,
        numbers=text.numbers,
        routine=routine_kind(piece.title),
        has_summary=has_summary,
    )


def _norm(weights: Iterable[float]) -> float:
    return math.sqrt(sum(weight * weight for weight in weights)) or 1.0


class _Weights:
    """What each term weighs: the rarer in the batch and in the language, the more."""

    def __init__(self, counts: _Counts, stories: int) -> None:
        self.counts = counts.stories
        self.capitals, self.smalls = counts.capitals, counts.smalls
        self.stories = stories + PRIOR_STORIES
        self.top = math.log(self.stories / (1 + PRIOR_STORIES * RARE_SHARE))
        #: Weights of terms by language and factor: equal weights are one object, for a week has a million of them.
        self.tables: dict[tuple[str, float], dict[str, float]] = defaultdict(dict)
        self.parts: dict[tuple[str, str], tuple[str, ...]] = {}
        self.known_names: dict[tuple[str, str], bool] = {}

    def vector(
        self, terms: Iterable[str], names: frozenset[str], language: str, part_of_all: float
    ) -> dict[str, float]:
        """Return the weights of the terms that weigh anything, times what this part of the story counts for."""
        found: dict[str, float] = {}
        plain, named = self.tables[language, part_of_all], self.tables[language, part_of_all * NAME_BOOST]
        is_compounding = language in COMPOUNDING
        for term in terms:
            if term in found:
                continue
            table = named if term in names else plain
            weight = table.get(term)
            if weight is None:
                factor = part_of_all * NAME_BOOST if table is named else part_of_all
                weight = table[term] = self._weight(term, language) * factor
            if weight > 0.0:
                found[term] = weight
            if is_compounding and len(term) >= 9:
                for part in self._parts_of(term, language):
                    found.setdefault(part, self._weight(part, language) * part_of_all * 0.7)
        return found

    def names(self, capitals: Iterable[str], language: str) -> frozenset[str]:
        """Return the terms of a story that are names: with a capital here, and hardly ever small in the batch."""
        return frozenset(term for term in capitals if self._is_name(term, language))

    def sure(self, names: frozenset[str]) -> frozenset[str]:
        """Return the names whose capital tells one somewhere in the batch; all where there is none."""
        sure = frozenset(term for term in names if self.capitals[term])
        return sure if sure and len(sure) < len(names) else names

    def _is_name(self, term: str, language: str) -> bool:
        key = (term, language)
        known = self.known_names.get(key)
        if known is None:
            known = self.known_names[key] = self._looks_like_a_name(term, language)
        return known

    def _looks_like_a_name(self, term: str, language: str) -> bool:
        capitals, smalls = self.capitals[term], self.smalls[term]
        share = prior_share(term, language)
        if language == "de":
            return capitals > 0 and capitals >= 3 * smalls and share < 0.02
        if capitals or smalls:
            return capitals >= 3 * smalls and share < 1.0
        return share == RARE_SHARE

    def _weight(self, term: str, language: str) -> float:
        share = prior_share(term, language)
        if share >= 1.0:
            return 0.0
        count = self.counts[term]
        if share == RARE_SHARE and count > 20 and term not in countries(language):
            count = 20 + (count - 20) // 5  # the name of a large event is not a common word
        rarity = math.log(self.stories / (count + PRIOR_STORIES * share)) / self.top
        weight = max(0.0, rarity)
        if term[0] == "#":
            weight *= 0.75 if len(term) > 2 else 0.4
        elif len(term) <= 2 and term.isascii():
            weight *= 0.5
        return weight if weight > 0.12 else 0.0

    def _parts_of(self, term: str, language: str) -> tuple[str, ...]:
        parts = self.parts.get((term, language))
        if parts is None:
            ends = (self._known(term[place:], language) for place in range(4, len(term) - 3))
            begins = (self._known(term[:place], language) for place in range(len(term) - 4, 3, -1))
            parts = self.parts[term, language] = (*next(filter(None, ends), ()), *next(filter(None, begins), ()))
        return parts

    def _known(self, part: str, language: str) -> tuple[str, ...]:
        """Return the terms of a part of a compound, if it names a concept or stands alone somewhere in the batch."""
        for linked in ("", "s", "n", "en", "es"):
            if linked and not (part.endswith(linked) and len(part) - len(linked) >= 4):
                continue
            root = stem(part.removesuffix(linked), family(language))
            found = concepts(language).get(root)
            if found or (root in self.counts and prior_share(root, language) < COMMON_SHARE):
                return found or (root,)
        return ()


def prior_share(term: str, language: str) -> float:
    """Return about which share of all stories of a language has the term."""
    if term[0] == "=":
        return CONCEPT_SHARE
    if term[0] == "#":
        return 0.02 if len(term) <= 2 else 0.005 if len(term) == 3 else 0.001
    share = shares(language).get(term)
    if share is not None:
        return share
    if len(term) == 1:
        return 0.05
    return RARE_SHARE


def routine_kind(title: str) -> str:
    """Return which kind of routine headline this is, or nothing."""
    text = " ".join(title.casefold().replace("’", "'").split())
    exact, beginnings, unspaced = _routines()
    tokens = _PHRASE_TOKEN.findall(text)
    for place, token in enumerate(tokens):
        for kind, phrase in exact.get(token, ()):
            if tuple(tokens[place : place + len(phrase)]) == phrase:
                return kind
        for kind, phrase in beginnings.get(token[:4], ()):
            *whole, last = phrase
            rest = tokens[place : place + len(phrase)]
            if rest[:-1] == whole and rest[-1:] and rest[-1].startswith(last):
                return kind
    if text.isascii():
        return ""
    return next((kind for kind, phrase in unspaced if phrase in text), "")


_PHRASE_TOKEN = re.compile(r"[\w'-]+|[:.]")
_Phrases = dict[str, list[tuple[str, tuple[str, ...]]]]


@lru_cache(maxsize=1)
def _routines() -> tuple[_Phrases, _Phrases, list[tuple[str, str]]]:
    """Return routine phrases by first word, those with an open end by first letters, and those without blanks."""
    exact: _Phrases = {}
    beginnings: _Phrases = {}
    unspaced: list[tuple[str, str]] = []
    for kind, phrases in routine_phrases():
        for phrase in phrases:
            words = tuple(_PHRASE_TOKEN.findall(phrase.removesuffix("*")))
            if phrase[0] > "\u2e80":
                unspaced.append((kind, phrase))
            elif phrase.endswith("*"):
                beginnings.setdefault(words[0][:4], []).append((kind, words))
            else:
                exact.setdefault(words[0], []).append((kind, words))
    return exact, beginnings, unspaced


def _language(piece: Piece) -> str:
    """Return the primary tag of a story's language: the one it says, or the one whose common words it uses."""
    tag = piece.language.replace("_", "-").partition("-")[0].casefold()
    return tag or _guess(f"{piece.title} {lead_of(piece.summary)}")


_COMMON: dict[str, tuple[str, ...]] = {}
#: Letters that hardly any other language of news has.
_LETTERS = tuple(
    (frozenset(letters), language)
    for letters, language in (
        ("ąęłśźż", "pl"),
        ("їєґ", "uk"),
        ("ыэё", "ru"),
        ("ßäöü", "de"),
        ("ñ¿¡", "es"),
        ("ãõ", "pt"),
    )
)


def _guess(text: str) -> str:
    """Return the language whose most common words stand in the text most often, or nothing."""
    if not _COMMON:
        for language in sorted(known_languages()):
            for word in most_common_words(language, 60):
                _COMMON[word] = (*_COMMON.get(word, ()), language)
    hits = Counter(language for word in set(text.casefold().split()) for language in _COMMON.get(word, ()))
    for letters, language in _LETTERS:
        if not letters.isdisjoint(text):
            hits[language] += 2
    best = hits.most_common(2)
    if not best or best[0][1] < 2 or (len(best) > 1 and best[0][1] == best[1][1]):
        return ""
    return best[0][0]
