"""How a name is used where it stands: for a place, or for a person, a street or a club that is called after one."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from newsletter.regions.asides import is_other_team, is_war_of_another, is_where_from
from newsletter.regions.lexicon import Hit, Kind
from newsletter.regions.text import Case, Text, fold, small_words
from newsletter.regions.vocabulary import words

_OPENING = "\"'«“„([‘"
_CLOSING = ',;:!?)]»”"’…'
_TWO_BEFORE = re.compile(r"([\w.'-]+) (?:d'|de |di |del |della |du |des |la |von )$")
_CLAUSE = re.compile(r"[^.!?;:,–—]*$")
_AFTER_LANGUAGE = re.compile(r"\W*$|[.,;:!?)]| (?:et|and|und|y|e|or|ou|oder|o|i|та|і|и) ")
#: What German titles end with: US-Verteidigungsminister Austin.
_GERMAN_TITLES = (
    "minister",
    "ministerin",
    "präsident",
    "präsidentin",
    "richter",
    "richterin",
    "sprecher",
    "sprecherin",
)
_AGE = re.compile(r", \d\d(?:,| and |\.)")
_DATELINE_END = re.compile(r"[^.!?]{0,40}?(?:\([\w./ -]{2,30}\)|\s[-–—]{1,2}\s|\s?[–—]\s?)")

#: Nobody and nothing else is called as these are: they need no look at the words around them.
_WITHOUT_NAMESAKES = frozenset({Kind.LEADER, Kind.OUTLET, Kind.CLUB})
#: Whose queens of beauty are called after them: Miss France, Miss Texas.
_CONTESTED = frozenset({Kind.COUNTRY, Kind.PART})


class Usage(Enum):
    """What a name stands for where it stands, and how much of a mention's strength that leaves."""

    PLACE = ("a place", 1.0)
    NAMED_AFTER = ("a club, a bank, a paper", 0.6)
    PERSON_FROM = ("a French tourist", 0.45)
    OUTLET = ("a paper, a broadcaster", 0.3)
    OTHER_TEAM = ("the other team of a match", 0.6)
    WAR = ("the name of a war in a story of something else", 0.5)
    DATELINE = ("where the reporter writes", 1.0)
    PASSING = ("where somebody once was", 0.6)
    LANGUAGE = ("a language", 0.0)
    DISH = ("a dish", 0.0)
    PERSON = ("a person", 0.0)
    STREET = ("a street", 0.0)

    def __init__(self, _meaning: str, share: float) -> None:
        self.share = share


@lru_cache(maxsize=1)
def _all_small_words() -> frozenset[str]:
    return frozenset().union(*small_words().values())


def before(text: Text, hit: Hit) -> str:
    """Return the word right before the hit, or ""."""
    end = hit.start - 1
    if end <= 0 or text.exact[end] != " ":
        return ""
    word = text.exact[text.exact.rfind(" ", 0, end) + 1 : end].rpartition("\n")[2].lstrip(_OPENING)
    return word if word[-1:].isalnum() or word[-1:] in ".'" else ""


def after(text: Text, hit: Hit) -> str:
    """Return the word right after the hit, or ""."""
    if text.exact[hit.end : hit.end + 1] != " ":
        return ""
    end = text.exact.find(" ", hit.end + 1)
    word = text.exact[hit.end + 1 : end if end > 0 else len(text.exact)].partition("\n")[0].rstrip(_CLOSING)
    return word if word[:1].isalnum() else ""


def usage(text: Text, hit: Hit, places: frozenset[int]) -> Usage:
    """Say what the name stands for. `places` are the starts of all hits, which are no one's family names."""
    kinds = {raw.kind for raw in hit.names}
    previous, following = before(text, hit), after(text, hit)
    if kinds == {Kind.PEOPLE}:
        return _people_usage(text, hit, previous, following)
    if kinds <= _WITHOUT_NAMESAKES:
        return Usage.OTHER_TEAM if kinds == {Kind.CLUB} and is_other_team(text, hit.start) else Usage.PLACE
    if _is_german_dish(text, hit, following):
        return Usage.DISH
    if text.exact[hit.start : hit.start + 1].isupper() and _is_person(text, hit, previous, following, places):
        return Usage.PERSON
    if _is_street(text, hit, previous, following):
        return Usage.STREET
    return _place_usage(text, hit, previous, following)


def _place_usage(text: Text, hit: Hit, previous: str, following: str) -> Usage:
    known = words()
    if following.lower() in known.outlet_after and following[:1].isupper():
        return Usage.OUTLET
    if following.lower() in known.weak_after and following[:1].isupper():
        return Usage.NAMED_AFTER
    if previous.lower() in known.weak_before and previous[:1].isupper():
        return Usage.NAMED_AFTER
    if _is_dateline(text, hit):
        return Usage.DATELINE
    if _is_country(hit) and is_war_of_another(text, hit.start, hit.end):
        return Usage.WAR
    is_aside = _is_passing(text, hit) or is_where_from(text, hit.start, known.roles)
    return Usage.PASSING if is_aside else Usage.PLACE


def _is_passing(text: Text, hit: Hit) -> bool:
    """Say whether the part of the sentence before the name says that somebody once was there."""
    near = text.exact[max(text.headline_end, hit.start - 70) : hit.start]
    if words().passing.isdisjoint(near.replace("'", " ").split()):
        return False
    clause = _CLAUSE.search(near)
    return clause is not None and not words().passing.isdisjoint(clause[0].replace("'", " ").split())


def _people_usage(text: Text, hit: Hit, previous: str, following: str) -> Usage:
    if previous.lower() in words().of_language and _AFTER_LANGUAGE.match(text.exact, hit.end):
        return Usage.LANGUAGE
    is_born = text.folded.startswith("-born", hit.end)
    return Usage.PERSON_FROM if is_born or following.strip(".'") in words().roles else Usage.PLACE


def _is_german_dish(text: Text, hit: Hit, following: str) -> bool:
    """Say whether a German word made of a town with -er has no noun after it: Hamburger, but not Hamburger Hafen."""
    ends_so = text.folded[hit.start : hit.end].endswith("er") and all(
        not fold(raw.text).endswith("er") for raw in hit.names
    )
    return ends_so and following[:1].islower()


def _is_street(text: Text, hit: Hit, previous: str, following: str) -> bool:
    known = words()
    if following[:1].isupper() and following.lower().rstrip(".") in known.street_after:
        return True
    if previous.lower().rstrip(".") in known.street_before:
        return True
    if previous not in known.links and text.exact[hit.start - 1 : hit.start] != "'":
        return False
    further = _TWO_BEFORE.search(text.exact, max(0, hit.start - 40), hit.start)
    return further is not None and further[1].lower() in known.street_before


def _is_person(text: Text, hit: Hit, previous: str, following: str, places: frozenset[int]) -> bool:
    known = words()
    name = text.exact[hit.start : hit.end]
    if previous == "Miss" and all(raw.kind in _CONTESTED for raw in hit.names):
        return False
    if previous in known.titles and (name in known.family or not _is_country(hit)):
        return True
    if name not in known.given and name not in known.family:
        return _follows_given(text, hit, previous, places)
    if (
        previous.endswith(_GERMAN_TITLES)
        or _AGE.match(text.exact, hit.end)
        or _follows_given(text, hit, previous, places)
    ):
        return True
    if name in known.family and _is_after_first_name(text, hit, previous, places):
        return True
    return name in known.given and _has_family_name(text, hit, following, places)


def _follows_given(text: Text, hit: Hit, previous: str, places: frozenset[int]) -> bool:
    """Say whether a name that is not known as a family name stands after a first name like one: Marco Polen."""
    if previous not in words().given or not _is_first(hit, previous, places):
        return False
    name = text.exact[hit.start : hit.end]
    is_family = name.istitle() and name.isalpha() and previous not in words().also_words
    return is_family and (not _is_country(hit) or text.case_at(hit.start) is Case.SENTENCE)


def _is_country(hit: Hit) -> bool:
    return any(raw.kind is Kind.COUNTRY for raw in hit.names)


def _is_first(hit: Hit, previous: str, places: frozenset[int]) -> bool:
    """Say whether the word before is a first name and not itself a place or the end of another name."""
    return hit.start - len(previous) - 1 not in places


def _is_after_first_name(text: Text, hit: Hit, previous: str, places: frozenset[int]) -> bool:
    known = words()
    if not _is_first(hit, previous, places) and previous not in known.given:
        return False
    if previous in known.given:
        return True
    if re.fullmatch(r"[A-Z]\.", previous):
        return True
    if text.case_at(hit.start) is not Case.SENTENCE or not previous[:1].isupper() or not previous.isalpha():
        return False
    begin = hit.start - len(previous) - 1
    is_common = (
        previous.lower() in _all_small_words() or previous.lower() in known.directions or previous in known.place_after
    )
    return begin not in text.starts and not is_common and not previous.isupper() and not _is_country(hit)


def _has_family_name(text: Text, hit: Hit, following: str, places: frozenset[int]) -> bool:
    known = words()
    word = following.removesuffix("'s").rstrip(".,")
    if not word[:1].isupper() or word in known.place_after or following in known.place_after or hit.end + 1 in places:
        return False
    if text.case_at(hit.start) is not Case.SENTENCE or not word[1:].islower():
        return word in known.family
    return word.isalpha() and word.lower() not in known.street_after | known.weak_after


def _is_dateline(text: Text, hit: Hit) -> bool:
    """Say whether the name begins the summary as an agency does: KYIV (Reuters) - ..., BERLIN — ..."""
    if hit.start != text.headline_end + 1 or not text.exact[hit.start : hit.end].isupper():
        return False
    return _DATELINE_END.match(text.exact, hit.end) is not None
