"""Which place each name in a text is: the longest name wins, and the story around it decides between places of one
name.

Every reading of a name competes, whether its region is registered or not, so that the state of Georgia is never taken
for the country only because nobody registered the state. For a reading speak: that it needs nothing else (not marked
"?"), the names in the text that have one meaning, words such as "governor" (data/context.txt), the country the source
writes from, and what follows after a comma (Paris, Texas). A marked reading needs one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from newsletter.regions.asides import credit_spans
from newsletter.regions.compounds import COUNTY, OTHER_COUNTIES
from newsletter.regions.data import read_sections
from newsletter.regions.lexicon import Hit, Kind, Raw
from newsletter.regions.places import within
from newsletter.regions.text import Case, Text
from newsletter.regions.usage import Usage, after, before, usage
from newsletter.regions.vocabulary import words

_HOLDER = re.compile(r"(?:, | \(|,? in | )")
_COMMA = re.compile(r", | \(")
_ENOUGH = 0.6
_TITLED = frozenset({Kind.LEADER, Kind.SEAT})
_LONGEST_TITLE = 40
#: What stands between a country and its leader or its ministry.
_TITLE = re.compile(r"(?:'s)? (?:[\w-]+ |Gov\. |Sen\. |Rep\. ){0,4}")
_NO_PLACE = frozenset({Usage.PERSON, Usage.STREET, Usage.LANGUAGE, Usage.DISH})
_STATES = frozenset({"US", "CA", "AU"})
_MAX_CONTEXT = 1.4


@dataclass(frozen=True, eq=False, slots=True)
class Mention:
    """A place that the text names: where, by what words, and how it is used. `code` is the nearest that is sure."""

    start: int
    code: str
    words: str
    kind: Kind
    usage: Usage


@dataclass(frozen=True)
class Story:
    """What else is known when names are read."""

    home: str
    languages: tuple[str, ...]
    #: Codes that speak for themselves already: of the story's categories and its own region.
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Around:
    """What decides between readings: the text, how much it speaks for each code, what else is known of the story."""

    text: Text
    votes: Mapping[str, float]
    story: Story


def mentions(text: Text, hits: list[Hit], story: Story) -> list[Mention]:
    """Return the places that the text names, in order, from the longest hits in it."""
    starts = frozenset(hit.start for hit in hits)
    phrases = [hit for hit in hits if hit.is_phrase]
    spans = credit_spans(text)
    hits = [hit for hit in hits if not hit.is_phrase]
    if spans:
        hits = [hit for hit in hits if not any(begin <= hit.start < end for begin, end in spans)]
    used = _one_use_each(text, {hit: usage(text, hit, starts) for hit in hits}, phrases)
    hits = [hit for hit in hits if used[hit] not in _NO_PLACE]
    held = _holders(text, hits)
    around = _Around(text, _votes(text, hits, story), story)
    found: list[Mention] = []
    end = 0
    for hit in hits:
        raw = _choose(hit, around, held.get(hit, ""))
        if raw is None:
            continue
        mention = Mention(hit.start, raw.code, _shown(text, hit, raw), raw.kind, used[hit])
        if not found or not _is_same(text, found[-1], mention, end):
            found.append(mention)
        end = hit.end
    return found


def _is_same(text: Text, last: Mention, mention: Mention, end: int) -> bool:
    """Say whether two names of one place, the last ending at `end`, are one mention.

    So are a country and who leads it ("French President Macron", "UK Foreign Office") and where somebody is from by
    town and country.
    """
    if mention.code not in within(last.code):
        return False
    if last.usage is mention.usage is Usage.PASSING:
        return True
    if mention.kind not in _TITLED or mention.start - end > _LONGEST_TITLE:
        return False
    return _TITLE.fullmatch(text.exact, end, mention.start) is not None


def _shown(text: Text, hit: Hit, raw: Raw) -> str:
    return raw.text if raw.kind is Kind.OWN else text.exact[hit.start : hit.end]


def _one_use_each(text: Text, used: dict[Hit, Usage], phrases: list[Hit]) -> dict[Hit, Usage]:
    """Return the uses, with a name that is a person's somewhere being so everywhere but after "in" and such."""
    people = {text.exact[hit.start : hit.end] for hit, use in used.items() if use is Usage.PERSON}
    for phrase in phrases:
        people |= (words().given | words().family).intersection(text.exact[phrase.start : phrase.end].split())
    if not people:
        return used
    return {
        hit: Usage.PERSON
        if use is Usage.PLACE
        and text.exact[hit.start : hit.end] in people
        and (text.exact.startswith("'s", hit.end) or before(text, hit).lower() not in words().place_before)
        else use
        for hit, use in used.items()
    }


def _holders(text: Text, hits: list[Hit]) -> dict[Hit, str]:
    """Return the code that a name is in by what follows it: Paris, Texas; London, Ontario; Kharkiv, Ukraine."""
    held = {}
    for hit, following in pairwise(hits):
        gap = text.exact[hit.end : following.start]
        if not _HOLDER.fullmatch(gap) or all(raw.kind is Kind.PEOPLE for raw in hit.names):
            continue
        for raw in following.names:
            is_after_comma = _COMMA.fullmatch(gap) is not None
            if (raw.kind is Kind.PART and (is_after_comma or (gap == " " and raw.code[:2] in _STATES))) or (
                raw.kind is Kind.COUNTRY and is_after_comma
            ):
                held[hit] = raw.code
                break
    return held


def _votes(text: Text, hits: list[Hit], story: Story) -> dict[str, float]:
    """Return how much the story speaks for each country and part without its ambiguous names."""
    votes: dict[str, float] = {}
    for code in {story.home, *story.given} - {""}:
        votes[code] = votes.get(code, 0.0) + 1.0
    seen = set()
    for hit in hits:
        sure = (
            {raw.code for raw in hit.names if raw.kind not in {Kind.WEAK, Kind.OUTLET}}
            if all(_is_sure(raw) for raw in hit.names)
            else set()
        )
        if len(sure) == 1 and (key := (*sure, text.folded[hit.start : hit.end])) not in seen:
            seen.add(key)
            for code in within(sure.pop()):
                votes[code] = votes.get(code, 0.0) + 1.0
        for raw in hit.names:
            if raw.kind is Kind.OUTLET:
                votes[raw.code] = max(votes.get(raw.code, 0.0), _OF_ITS_OUTLET)
    if any(len(hit.names) > 1 or hit.names[0].doubt for hit in hits):
        for code, score in _context(text).items():
            for each in within(code):
                votes[each] = votes.get(each, 0.0) + score
    return votes


def _is_sure(raw: Raw) -> bool:
    return not raw.doubt


def _context(text: Text) -> Mapping[str, float]:
    scores: dict[str, float] = {}
    pattern, codes = _context_words()
    for word in set(pattern.findall(text.folded)):
        for code in codes[word]:
            scores[code] = min(_MAX_CONTEXT, scores.get(code, 0.0) + 0.7)
    return scores


@lru_cache(maxsize=1)
def _context_words() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    """Return a pattern that finds the words of data/context.txt, and the codes each speaks for."""
    codes: dict[str, list[str]] = {}
    for line in read_sections("context.txt")[""]:
        code, _, listed = line.partition(":")
        for word in listed.split(","):
            codes.setdefault(word.strip(), []).append(code)
    longest_first = sorted(codes, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)"), codes


def _choose(hit: Hit, around: _Around, holder: str) -> Raw | None:
    """Return the best reading of a name; None when none has enough that speaks for it."""
    only = hit.names[0]
    is_plain = len(hit.names) == 1 and not holder and not only.doubt and not only.text.endswith(".")
    if is_plain and not _is_namesake(only, hit, around):
        return only
    scored = []
    for raw in hit.names:
        score = _score(hit, raw, around, holder)
        if score is not None:
            scored.append((score, raw))
    if not scored:
        return None
    best, chosen = max(scored, key=lambda pair: pair[0])
    if holder and holder.partition("-")[0] in _STATES and "-" in holder and holder not in within(chosen.code):
        return Raw(chosen.text, holder, Kind.CITY)
    equal = {raw.code for score, raw in scored if score == best}
    return chosen if len(equal) == 1 else _common(equal, chosen)


def _common(codes: set[str], raw: Raw) -> Raw | None:
    """Return the reading as the smallest place that holds all of the codes; None when nothing does."""
    chains = [within(code) for code in sorted(codes)]
    shared = [code for code in chains[0] if all(code in chain for chain in chains[1:])]
    return Raw(raw.text, shared[0], raw.kind) if shared else None


def _score(hit: Hit, raw: Raw, around: _Around, holder: str) -> float | None:
    """Return how much speaks for a reading, or None when it cannot be meant."""
    text, votes, story = around.text, around.votes, around.story
    if raw.doubted_in == COUNTY:
        return 1.0 if votes.get("US", 0.0) >= max(votes.get(code, 0.0) for code in OTHER_COUNTIES) else None
    if _is_short_form(raw):
        is_written_so = (
            text.exact[max(0, hit.start - 2) : hit.start] == ", " and text.case_at(hit.start) is not Case.NONE
        )
        return 2.0 if is_written_so else None
    chain = within(raw.code)
    support = sum(min(2.0, votes.get(code, 0.0)) for code in chain) + (3.0 if holder and holder in chain else 0.0)
    doubt = _doubt(raw, story)
    if raw.kind is Kind.SEAT and raw.code == story.home:
        doubt = ""
    if _is_namesake(raw, hit, around):
        return None
    if doubt == "~" and _stands_as_place(text, hit, story):
        doubt = ""
    if doubt and (support < _ENOUGH or (doubt == "~" and not _may_be_name(text, hit, story))):
        return None
    return support * _DOUBTED if doubt else raw.kind.prior + support


def _is_namesake(raw: Raw, hit: Hit, around: _Around) -> bool:
    """Say whether a British town is one of America, Canada or Australia here: Carlisle, in a story of Pennsylvania."""
    if not raw.code.startswith("GB") or around.text.exact[hit.start : hit.end] not in words().namesakes:
        return False
    votes = around.votes
    is_british = votes.get("GB", 0.0) > (1.0 if not raw.doubt else 0.0)
    return not is_british and any("-" in code and code[:2] in _STATES and vote >= 1 for code, vote in votes.items())


def _is_short_form(raw: Raw) -> bool:
    """Say whether the name is what papers write of a state after a town only: Paris, TX; Macon, Ga."""
    is_state = raw.kind is Kind.PART and raw.code[:2] in _STATES
    return is_state and ("postal" in raw.doubted_in or raw.text.endswith("."))


def _doubt(raw: Raw, story: Story) -> str:
    """Return the doubt of a reading where it holds: in the languages, or for sources of the countries, it names."""
    if raw.doubted_in and raw.doubted_in.isdisjoint((*story.languages, story.home)):
        return ""
    return raw.doubt


def _stands_as_place(text: Text, hit: Hit, story: Story) -> bool:
    """Say whether an ordinary word is meant as a place: after "in" and the like, or by its capital."""
    if not text.exact[hit.start].isupper() or text.case_at(hit.start) is Case.NONE:
        return False
    following = after(text, hit)
    if following[:1].isupper() and (hit.end + 1 < len(text.exact)) and following.lower() not in words().function:
        return False
    if before(text, hit).lower() in words().place_before:
        return True
    if text.exact[hit.start : hit.end] in words().given | words().family:
        return False
    is_sentence = text.case_at(hit.start) is Case.SENTENCE and hit.start not in text.starts
    return is_sentence and "de" not in story.languages and not before(text, hit)[:1].isupper()


def _may_be_name(text: Text, hit: Hit, story: Story) -> bool:
    """Say whether the word has a capital, and a word in small letters after it only where verbs follow names."""
    if text.case_at(hit.start) is Case.NONE or not text.exact[hit.start].isupper():
        return False
    return not after(text, hit)[:1].islower() or not _BEFORE_VERBS.isdisjoint(story.languages)


_DOUBTED = 0.75
#: How much a paper that is called after a country speaks for it.
_OF_ITS_OUTLET = 0.7
_BEFORE_VERBS = frozenset({"uk", "ru"})
