"""What the reports of one event say together: how many outlets tell it, and which report is typical. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.stories import SHARED_SITES, site

#: Words are compared by this many letters, so that their endings do not count.
_STEM = 6
_WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True)
class Report:
    """One story of an event. `is_about`: it is about the edition's regions, or of a source of theirs."""

    story_id: int
    outlet: str
    url: str
    title: str
    summary: str
    is_about: bool


def outlets(reports: Sequence[Report]) -> tuple[str, ...]:
    """Return the names of the outlets, in order. Two feeds of one site are one outlet, by the name of the first."""
    found: dict[str, str] = {}
    for report in reports:
        found.setdefault(outlet_key(report.url, report.outlet), report.outlet)
    return tuple(found.values())


def outlet_key(url: str, name: str) -> str:
    """Return what one outlet's stories have in common: its site, or its name where many publish on one host."""
    own = site(url)
    return own if own not in SHARED_SITES and own.rpartition(".")[2].isalpha() and "." in own else name


def typical(reports: Sequence[Report]) -> dict[int, float]:
    """Return story id -> how many of its headline's words the other reports use too, on average, from 0 to 1."""
    if len(reports) < 3:
        return {report.story_id: 0.0 for report in reports}
    used = {report.story_id: _stems(f"{report.title} {report.summary}") for report in reports}
    often = Counter(stem for stems in used.values() for stem in stems)
    others = len(reports) - 1
    found = {}
    for report in reports:
        own = _stems(report.title)
        found[report.story_id] = sum((often[stem] - 1) / others for stem in own) / len(own) if own else 0.0
    return found


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:_STEM] for word in _WORD.findall(text.casefold()))
