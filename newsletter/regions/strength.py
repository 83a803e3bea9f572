"""How strongly a story is about each place it names.

The strength of one mention is a product of three. Where it stands: headline 0.9, first sentence of the summary 0.62,
second 0.48, later 0.4, the last of three or more 0.3. What it is: a country, a part of one, a word of the newsroom 1,
a town 0.97, a people (Ukrainian) 0.9, a seat of power (the Kremlin) 0.89, a leader (Emmanuel Macron) 0.7, a sports
club 0.6, what is only called after a place (Deutsche Bank) 0.5, a paper or broadcaster (the Irish Times) 0.3. How it
is used: a club or bank by the words around it 0.6, the other team of a match 0.6, where somebody once was or is from
0.6, an agency's dateline 0.6 beside other countries, the name of a war in a story of something else 0.5,
a person from there (a French tourist) 0.45, a paper by the words around it 0.3. A leader or a ministry right after its
country (French President Emmanuel Macron) is no mention of its own.

Mentions of one region add up as chances do: 1 - (1 - a)(1 - b). Where the headline names other places strongly and
not this one, a mention in the summary counts 0.7 of that: two make a story about the region, one does not. In a story
that names no other country it counts 1.1 of that. A category is 0.85, a point in the area 0.9, a region by one inside
it 0.95 of that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.regions.readings import Mention
from newsletter.regions.text import Text
from newsletter.regions.usage import Usage

HEADLINE = 0.9
FIRST, SECOND, LATER, LAST = 0.62, 0.48, 0.4, 0.3
CATEGORY = 0.85
IN_AREA = 0.9
OF_ANOTHER = 0.7
OF_A_CHILD = 0.95
ALONE = 1.1
_STRONG = 0.75
_DATELINE = 0.6


@dataclass(frozen=True, eq=False, slots=True)
class Weighed:
    """A mention with its strength and where it stands, in words."""

    code: str
    words: str
    place: str
    strength: float
    in_headline: bool


def weigh(text: Text, mentions: Sequence[Mention]) -> list[Weighed]:
    """Return each mention with its own strength, before others are looked at."""
    countries = {mention.code.partition("-")[0] for mention in mentions}
    starts = [start for start in text.starts if start > text.headline_end]
    weighed = []
    for mention in mentions:
        in_headline = mention.start <= text.headline_end
        strength = HEADLINE if in_headline else _in_summary(starts, mention.start)
        strength *= mention.kind.worth * mention.usage.share
        if len(countries) > 1:
            strength *= _DATELINE if mention.usage is Usage.DATELINE else 1.0
        elif not in_headline:
            strength *= ALONE
        place = "headline" if in_headline else "summary"
        weighed.append(Weighed(mention.code, mention.words, place, strength, in_headline))
    return weighed


def _in_summary(starts: list[int], position: int) -> float:
    sentence = bisect_right(starts, position)
    if sentence <= 1:
        return FIRST
    if sentence == len(starts) >= 3:
        return LAST
    return SECOND if sentence == 2 else LATER


def strength_of(
    inside: Sequence[Weighed], everything: Sequence[Weighed], above: tuple[str, ...]
) -> tuple[float, Weighed | None]:
    """Return how strongly a story names a region, and the strongest mention.

    `inside` are the mentions of the region and of places in it, `everything` those of all places, and `above` the codes
    of the region and of those that hold it.
    """
    if not inside:
        return 0.0, None
    lead = [each for each in everything if each.in_headline and each.strength >= _STRONG]
    is_of_another = bool(lead) and not any(each.in_headline and each.strength >= _STRONG for each in inside)
    is_of_another = is_of_another and not any(each.code in above for each in lead)
    rest = 1.0
    seen = set()
    for each in inside:
        key = (each.words, each.place, each.strength)
        if key not in seen:
            seen.add(key)
            rest *= 1.0 - each.strength * (OF_ANOTHER if is_of_another and each.place == "summary" else 1.0)
    return 1.0 - rest, max(inside, key=lambda each: each.strength)
