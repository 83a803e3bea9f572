"""What is asked and what is answered about regions: the values other modules see, and the parent of an ISO code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

#: A tag of at least this strength means that the story is about the region; below it, the region is only mentioned.
ABOUT = 0.5


@dataclass(frozen=True)
class RegionWords:
    """A region the newsroom has registered, and what else names it.

    Words in capitals only (US, EU) match exactly, others in any case. A word that starts with "!" names nothing and
    takes away every match inside it ("!Paris Hilton"). `parent` is the code of the region it lies in; where it is
    empty, ISO 3166-2 says. `area` is south, west, north, east in degrees; across the date line west is the greater.
    """

    code: str
    name: str
    words: tuple[str, ...] = ()
    parent: str = ""
    area: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class About:
    """What is looked at: a story's texts and what else is known of it.

    `language` is a language tag or empty, `point` latitude and longitude in degrees, `home` the country code that the
    source writes from, or empty.
    """

    headline: str
    summary: str = ""
    language: str = ""
    categories: tuple[str, ...] = ()
    point: tuple[float, float] | None = None
    home: str = ""


@dataclass(frozen=True)
class Tag:
    """A region that a story names: why we think so, in at most 200 characters, and how strongly, from 0 to 1."""

    code: str
    evidence: str
    strength: float


@lru_cache(maxsize=8192)
def parent_of(code: str) -> str:
    """Return the code of the place that holds it by ISO 3166-2 (GB-SCT -> GB, FR-75C -> FR-IDF), "" when none does."""
    part = subdivision(code) if "-" in code else None
    return "" if part is None else str(part.parent_code or part.country_code)


def subdivision(code: str) -> Any:
    """Return pycountry's record of a part of a country, or None."""
    import pycountry  # noqa: PLC0415 - loads its tables, which only tagging needs

    return pycountry.subdivisions.get(code=code)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=8192)
def within(code: str) -> tuple[str, ...]:
    """Return the code and every code above it, nearest first."""
    chain = [code]
    while (parent := parent_of(chain[-1])) and parent not in chain:
        chain.append(parent)
    return tuple(chain)
