"""The words of data/people.txt and data/words.txt, which stand around names and say how a name is meant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from newsletter.regions.data import read_sections


@dataclass(frozen=True)
class Words:
    """The words of data/people.txt and data/words.txt."""

    given: frozenset[str]
    family: frozenset[str]
    titles: frozenset[str]
    roles: frozenset[str]
    place_before: frozenset[str]
    street_before: frozenset[str]
    street_after: frozenset[str]
    weak_before: frozenset[str]
    weak_after: frozenset[str]
    place_after: frozenset[str]
    outlet_after: frozenset[str]
    war: frozenset[str]
    war_of: frozenset[str]
    beside: frozenset[str]
    namesakes: frozenset[str]
    passing: frozenset[str]
    also_words: frozenset[str]
    directions: frozenset[str]
    function: frozenset[str]
    links: frozenset[str]
    of_language: frozenset[str]


@lru_cache(maxsize=1)
def words() -> Words:
    """Return the words that surround names, as their files have them."""
    sections = {**read_sections("people.txt"), **read_sections("words.txt")}
    return Words(**{name.replace(" ", "_"): frozenset(" ".join(lines).split()) for name, lines in sections.items()})
