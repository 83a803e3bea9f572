"""All known names in one automaton, and where a text holds them as whole words with the capitals they need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from newsletter.regions.inflect import adjectives, forget, stems
from newsletter.regions.text import Case, Text, is_mark, joins, one_form, script, spaced


class Kind(Enum):
    """What a name is of: how much a mention of it counts, and what its reading has before anything speaks for it."""

    OWN = (1.0, 4.0)  # a word of the newsroom
    COUNTRY = (1.0, 2.0)
    PART = (1.0, 1.5)
    CITY = (0.97, 1.5)
    PEOPLE = (0.9, 0.9)  # Ukrainian, Ukrainians
    SEAT = (0.89, 0.9)  # the Kremlin
    LEADER = (0.7, 0.9)  # Emmanuel Macron
    CLUB = (0.6, 0.9)  # Werder Bremen
    WEAK = (0.5, 0.9)  # the Deutsche Bank
    OUTLET = (0.3, 0.9)  # the Irish Times
    NOTHING = (0.0, 0.0)  # Guinea pigs

    def __init__(self, worth: float, prior: float) -> None:
        self.worth = worth
        self.prior = prior


@dataclass(frozen=True, eq=False, slots=True)
class Raw:
    """A name as a table has it, one object a line. Without `languages` it is for texts in any language."""

    text: str
    code: str
    kind: Kind
    languages: tuple[str, ...] = ()
    #: "?" needs something else that speaks for the place, "~" is an ordinary word as well.
    doubt: str = ""
    #: Languages or countries of sources that the doubt is limited to.
    doubted_in: frozenset[str] = frozenset()
    #: Whether a name of one language may be read in texts of others, where it does not change its ending.
    everywhere: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Name:
    """A name, or its unchanging part, in the automaton."""

    raw: Raw
    #: What may follow in the languages of the text; "" is any language.
    tails: Mapping[str, frozenset[str]]
    #: Compared with its capitals: "US".
    exact: bool
    any_case: bool


@dataclass(frozen=True, eq=False, slots=True)
class Hit:
    """A place in the text and what it may name."""

    start: int
    end: int
    names: tuple[Raw, ...]

    @property
    def is_phrase(self) -> bool:
        """Say whether it only keeps the names in it from being read."""
        names = self.names
        return names[0].kind is Kind.NOTHING or (len(names) > 1 and any(raw.kind is Kind.NOTHING for raw in names))


_HYPHEN = re.compile("[-‐‑]")
_NO_TAIL = frozenset({""})
#: One object for equal tails, kept for good: thousands of names have the same. Filled while a lexicon is built.
_SHARED: dict[tuple[tuple[str, int], ...], Mapping[str, frozenset[str]]] = {}
_LONGEST_TAIL = 12
#: Letters that Arabic and Hebrew write before a name without a space: and, in, to, from, the.
_FIRST_PREFIXED = "\u0590"
_PREFIXES = {
    "ARABIC": frozenset({"و", "ب", "ل", "ف", "ك", "ال", "وال", "بال", "لل", "وب", "ول"}),
    "HEBREW": frozenset({"ב", "ל", "מ", "ו", "ה", "ש", "כ", "וב", "של", "מה", "שב"}),
}


class Lexicon:
    """Names to look for. Built once; finding changes nothing."""

    def __init__(self, names: Iterable[Raw]) -> None:
        from ahocorasick_rs import AhoCorasick, Implementation  # noqa: PLC0415 - only tagging needs it

        table: dict[str, tuple[Name, ...]] = {}
        for raw in names:
            for stem, name in _entries(raw):
                table[stem] = (*table.get(stem, ()), name)
        table.pop("", None)
        forget()
        self._names = list(table.values())
        self._stems = list(table)
        self._tails = [_any_tail(at) for at in self._names]
        self._automaton = AhoCorasick(
            [_marked(stem) for stem in table], store_patterns=False, implementation=Implementation.ContiguousNFA
        )

    def names(self) -> list[Raw]:
        """Return every name once, in the order of the tables."""
        return list(dict.fromkeys(name.raw for names in self._names for name in names))

    def find(self, text: Text, languages: tuple[str, ...]) -> list[Hit]:
        """Return every name in the text, in order of place; hits may lie inside one another."""
        exact, folded, patterns, tails = text.exact, text.folded, self._stems, self._tails
        found: dict[tuple[int, int], list[Raw]] = {}
        for pattern, _, end in self._automaton.find_matches_as_indexes(text.spaced, overlapping=True):
            end -= 1  # noqa: PLW2901 - the text was given a space before it
            stem = patterns[pattern]
            start = end - len(stem)
            is_same = folded.startswith(stem, start) or _HYPHEN.sub(" ", stem) == _HYPHEN.sub(" ", folded[start:end])
            begins = stem[0] < _FIRST_PREFIXED or _begins_word(folded, start)
            stop = _word_end(folded, end) if is_same and begins else -1
            if stop < 0:
                continue
            tail = folded[end:stop]
            if tail not in tails[pattern]:
                continue
            for name in self._names[pattern]:
                if not _fits(name, tail, languages):
                    continue
                if _has_its_capitals(name, exact[start:stop], text.case_at(start)):
                    found.setdefault((start, stop), []).append(name.raw)
        return [Hit(start, end, tuple(dict.fromkeys(raws))) for (start, end), raws in sorted(found.items())]


def _marked(stem: str) -> str:
    """Return the stem as it is looked for: after a space, where its script has spaces and joins no words before it."""
    stands_alone = stem[0] < _FIRST_PREFIXED
    return f" {spaced(stem)}" if stands_alone else spaced(stem)


def longest(hits: list[Hit]) -> list[Hit]:
    """Return the hits that lie in no longer one; of two that overlap the longer stays, of equal ones the first."""
    kept: list[Hit] = []
    for hit in hits:
        while kept and kept[-1].end > hit.start and hit.end - hit.start > kept[-1].end - kept[-1].start:
            kept.pop()
        if not kept or kept[-1].end <= hit.start:
            kept.append(hit)
    return kept


def _entries(raw: Raw) -> Iterable[tuple[str, Name]]:
    """Return what to look for of a name and what it then is."""
    text = one_form(raw.text)
    exact = text.isupper() and (len(text) <= 6 or raw.kind is Kind.OWN) and raw.kind is not Kind.NOTHING
    any_case = raw.kind in {Kind.NOTHING, Kind.OWN} or (raw.kind is Kind.PEOPLE and raw.languages != ("en",))
    folded = text.casefold()
    found: dict[str, dict[str, frozenset[str]]] = {folded: dict.fromkeys(_as_it_is(raw), _NO_TAIL)}
    if not exact and raw.kind not in {Kind.NOTHING, Kind.WEAK, Kind.CLUB, Kind.OUTLET}:
        for language in raw.languages or ("",):
            for stem, tails in _stems(folded, language, is_place=raw.kind is not Kind.PEOPLE):
                found.setdefault(stem, {}).update(tails)
    for stem, tails in found.items():
        yield stem, Name(raw, _shared(tails), exact, any_case)


def _as_it_is(raw: Raw) -> tuple[str, ...]:
    """Return the languages that the name as it is may be read in."""
    return ("",) if raw.everywhere or not raw.languages else raw.languages


def _stems(folded: str, language: str, *, is_place: bool) -> Iterable[tuple[str, Mapping[str, frozenset[str]]]]:
    found = stems(folded.rpartition(" ")[2], language, is_place=is_place)
    if found:
        heads = _heads(folded, language)
        for stem, tails in found.items():
            yield from ((head + stem, tails) for head in heads)


_UNIONS: dict[frozenset[int], frozenset[str]] = {}


def _any_tail(names: tuple[Name, ...]) -> frozenset[str]:
    """Return what may follow a stem in any language, the same object for the same names' tails."""
    key = frozenset(id(name.tails) for name in names)
    if key not in _UNIONS:
        _UNIONS[key] = frozenset().union(*(ends for name in names for ends in name.tails.values()))
    return _UNIONS[key]


def _shared(tails: dict[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """Return the same object for the same tails: there are few different ones among many thousand names."""
    return _SHARED.setdefault(tuple(sorted((language, id(endings)) for language, endings in tails.items())), tails)


def _heads(folded: str, language: str) -> list[str]:
    """Return what may stand before the last word of a name: the other words, the only one in each of its cases."""
    words = folded.split(" ")[:-1]
    if not words:
        return [""]
    if len(words) == 1:
        return [f"{form} " for form in adjectives(words[0], language)]
    return ["".join(f"{word} " for word in words)]


def _begins_word(folded: str, start: int) -> bool:
    if not start:
        return True
    if joins(folded[start - 1]) and joins(folded[start]):
        return _has_prefix(folded, start)
    return not (_is_katakana(folded[start - 1]) and _is_katakana(folded[start]))


def _is_katakana(character: str) -> bool:
    """Say whether the letter is of the script in which Japanese writes foreign words, one after the other."""
    return "\u30a1" <= character <= "\u30fa" or character == "\u30fc"


def _word_end(folded: str, end: int) -> int:
    """Return where the word that goes on at `end` ends; -1 when no ending is that long."""
    if not joins(folded[end - 1]):
        goes_on = end < len(folded) and (
            is_mark(folded[end]) or (_is_katakana(folded[end]) and _is_katakana(folded[end - 1]))
        )
        return -1 if goes_on else end
    stop, limit = end, min(len(folded), end + _LONGEST_TAIL)
    while stop < limit and joins(folded[stop]):
        stop += 1
    return -1 if stop == limit < len(folded) and joins(folded[stop]) else stop


def _fits(name: Name, tail: str, languages: tuple[str, ...]) -> bool:
    tails = name.tails
    if not tail and "" in tails:
        return True
    for language in languages:  # noqa: SIM110 - any() of a generator takes twice as long, here in the innermost loop
        if language in tails and tail in tails[language]:
            return True
    return False


def _has_prefix(folded: str, start: int) -> bool:
    """Say whether what stands before `start` in its word is a word that the script writes without a space."""
    prefixes = _PREFIXES.get(script(folded[start])) if folded[start] >= _FIRST_PREFIXED else None
    if prefixes is None:
        return False
    begin = start
    while begin and joins(folded[begin - 1]) and start - begin < 4:
        begin -= 1
    return folded[begin:start] in prefixes


def _has_its_capitals(name: Name, found: str, case: Case) -> bool:
    if name.exact:
        return case is not Case.NONE and found == one_form(name.raw.text)
    if name.any_case or case is Case.NONE:
        return name.any_case or not name.raw.doubt.startswith("~")
    first = next((letter for letter in found if letter.isalpha()), "")
    return not first.islower()
