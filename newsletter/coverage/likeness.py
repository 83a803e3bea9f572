"""How likely two stories are about one event: what they share, when they came, and what tells look-alikes apart."""

from __future__ import annotations

import math
from heapq import nlargest

from newsletter.coverage.profiles import Profile
from newsletter.coverage.tables import countries, shared_concepts

#: Two stories further apart than this are two stories: a follow-up days later is news of its own.
MAX_HOURS = 72.0
#: A routine headline (weather, markets) is another one after this many hours.
ROUTINE_HOURS = 14.0
#: What it adds when one story is a copy of the other: the words of an agency's text that fifty outlets print are so
#: common in the batch that alone they would tell little. The same text after a day is a routine that comes again.
W_COPY, COPY_HOURS = 3.0, 24.0
#: What it takes off when nothing tells names, as in scripts without capitals.
W_NAMELESS = -0.8
#: What speaks against one event, in logits, when each headline names somebody or some place the other does not know.
CLASH = 0.3
#: The weight of a word that few stories have.
RARE = 0.6
#: What two stories must share of a term that is more than a country or a concept, and what it takes off where none is.
SPECIFIC, W_FRAME = 0.3, -1.0
#: Kinds of which no two are one story, whoever publishes them.
NEVER_ONE = frozenset({"horoscope", "quiz", "letter", "lottery", "guide"})
#: Weights of the evidence, in logits, fitted on labelled pairs of nine languages and then rounded: how much of each
#: headline the other text has; how much is shared at all, without the two heaviest terms, in concepts, in names, in
#: other words; in how many words of names (a first name and a surname are one name); and how much of the names of each
#: story the other knows.
W_CROSS, W_TOTAL, W_THIRD, W_CONCEPTS = 2.5, 2.2, -2.5, 3.5
W_WHO, W_WHAT, W_NAME_WORDS, W_NAMES_KNOWN, W_NUMBER = 1.5, 2.0, -0.8, 1.2, 0.5
#: What it takes off when two stories with summaries share next to nothing but names, or no name, or look alike by their
#: length; when each headline has a name that the other story does not know; and when each tells of another concept.
W_ONLY_NAMES, W_NO_NAMES, W_FULL, W_DIFFER, W_KINDS, W_BIAS = -2.0, -1.4, -0.6, -0.65, -1.5, -2.8


def likeness(a: Profile, b: Profile) -> float:
    """Return how likely two stories are about one event, from 0 to 1; 0 where something tells look-alikes."""
    hours = abs(a.hour - b.hour)
    title = shared(a.title, b.title) / (a.title_norm * b.title_norm)
    if hours > MAX_HOURS or are_look_alikes(a, b, title, hours):
        return 0.0
    if a.language != b.language and a.language and b.language and title < 0.9:
        return 0.0
    is_copy = a.full.keys() == b.full.keys() and a.numbers == b.numbers and hours < COPY_HOURS
    copied = W_COPY if is_copy and a.has_summary and b.has_summary else 0.0
    return 1.0 / (1.0 + math.exp(-_evidence(a, b) - copied + _doubt(a, b, hours)))


def kinship(a: Profile, b: Profile) -> float:
    """Return how likely two stories belong to one topic, from 0 to 1: the same evidence, whatever their times."""
    if a.language != b.language and a.language and b.language:
        return 0.0
    return 1.0 / (1.0 + math.exp(-_evidence(a, b) + (1.0 if _names_clash(a, b) else 0.0)))


def _evidence(a: Profile, b: Profile) -> float:
    """Return what speaks for one event, in logits."""
    products = {term: weight * b.full[term] for term, weight in a.full.items() if term in b.full}
    total = sum(products.values())
    third = total - sum(nlargest(2, products.values()))
    concepts = sum(product for term, product in products.items() if term[0] == "=")
    names = [product for term, product in products.items() if term in a.names or term in b.names]
    who = sum(names)
    of_many = sum(product for term, product in products.items() if term in shared_concepts())
    evidence = (
        W_CROSS * (_held(a, b) + _held(b, a)) / 2
        + W_TOTAL * min(total, 4.0) / 4
        + W_THIRD * min(third, 3.0) / 3
        + W_CONCEPTS * min(concepts, 2.0) / 2
        + W_WHO * min(who, 2.0) / 2
        + W_WHAT * min(total - who, 2.0) / 2
        + W_NAME_WORDS * min(len(names), 3) / 3
        + W_NAMES_KNOWN * (_names_known(a, b) + _names_known(b, a)) / 2
        + W_NUMBER * (not a.numbers.isdisjoint(b.numbers))
        + _differing(a, b, products)
        + W_KINDS * _kinds_clash(a, b)
        + W_BIAS
    )
    both = a.has_summary and b.has_summary
    is_little = total - who < 0.25 or (total - who - of_many < 0.25 and _kinds_clash(a, b))
    if is_little and (both or len(names) < 2):
        evidence += W_ONLY_NAMES
    if both:
        evidence += W_NO_NAMES * (who < 0.2 and bool(a.names) and bool(b.names))
        evidence += W_FULL * total / (a.full_norm * b.full_norm)
    if not a.names and not b.names:
        evidence += W_NAMELESS
    return evidence


def shared(a: dict[str, float], b: dict[str, float]) -> float:
    """Return the sum of products over the terms that both have."""
    if len(a) > len(b):
        a, b = b, a
    return sum(weight * b[term] for term, weight in a.items() if term in b)


def _held(a: Profile, b: Profile) -> float:
    """Return which part of a's headline stands anywhere in b."""
    return sum(weight * weight for term, weight in a.title.items() if term in b.full) / (a.title_norm * a.title_norm)


def _doubt(a: Profile, b: Profile, hours: float) -> float:
    """Return what speaks against one event without deciding it, in logits."""
    doubt = 2.4 * hours / MAX_HOURS + 1.7 * max(0.0, hours - 36.0) / 36.0
    if a.source == b.source:
        doubt += 2.7
    if _names_clash(a, b):
        doubt += CLASH
    if _clash(a.numbers, b.numbers):
        doubt += 0.3
    if (a.routine or b.routine) and a.routine != b.routine:
        doubt += 1.5 if a.routine in NEVER_ONE or b.routine in NEVER_ONE else 0.75
    return doubt


def _names_clash(a: Profile, b: Profile) -> bool:
    """Say whether each headline names somebody or some place that the other story does not know, and no other."""
    return _unknown(a.sure_names & a.title_names, b) and _unknown(b.sure_names & b.title_names, a)


def _names_differ(a: Profile, b: Profile) -> bool:
    """Say whether each headline has a name that the other story does not know, whatever else they share."""
    return any(name not in b.full for name in a.title_names) and any(name not in a.full for name in b.title_names)


def _differing(a: Profile, b: Profile, products: dict[str, float]) -> float:
    """Return what names that each headline has alone take off, and more where the stories share only countries and
    concepts: one war, one election has many events."""
    if not _names_differ(a, b):
        return 0.0
    known = countries(a.language)
    for term, product in products.items():
        if product >= SPECIFIC and term[0] not in "=#" and term not in known:
            return W_DIFFER
    return W_DIFFER + W_FRAME


def _names_known(a: Profile, b: Profile) -> float:
    """Return which part of a's names b knows, by weight; one half for a story without names, which tells nothing."""
    everything = math.fsum(a.full[name] ** 2 for name in a.names if name in a.full)
    known = math.fsum(a.full[name] ** 2 for name in a.names if name in a.full and name in b.full)
    return known / everything if everything else 0.5


def _kinds_clash(a: Profile, b: Profile) -> bool:
    """Say whether each headline tells of a concept and neither of one that the other story knows: a fire, a theft."""
    return bool(
        a.kinds
        and b.kinds
        and not any(kind in b.full for kind in a.kinds)
        and not any(kind in a.full for kind in b.kinds)
    )


def _strangers(a: Profile, b: Profile) -> bool:
    """Say whether both stories have names and neither knows any name of the other."""
    return _unknown(a.sure_names, b) and _unknown(b.sure_names, a)


def _unknown(names: frozenset[str], other: Profile) -> bool:
    return bool(names) and names.isdisjoint(other.full)


def are_look_alikes(a: Profile, b: Profile, title: float, hours: float) -> bool:
    """Say whether two stories only look alike: a routine of another day, another part of a series, another game."""
    first, second = a.figures, b.figures
    if _clash(first.ordinals, second.ordinals) or _clash(first.scores, second.scores):
        return True
    both_routine = bool(a.routine and b.routine)
    if both_routine and _routines_clash(a, b, hours):
        return True
    if (title > 0.7 or both_routine) and _names_differ(a, b):
        return True
    if title > 0.35 and (_names_clash(a, b) or _strangers(a, b)):
        return True
    return title > 0.5 and (_clash(first.days, second.days) or _numbers_clash(a, b, hours))


def _numbers_clash(a: Profile, b: Profile, hours: float) -> bool:
    """Say whether like headlines tell of other numbers; one event's toll may grow from outlet to outlet."""
    if not _clash(a.figures.numbers, b.figures.numbers):
        return False
    return a.source == b.source or (hours > 12.0 and _clash(a.figures.measures, b.figures.measures))


def _clash(a: frozenset[str], b: frozenset[str]) -> bool:
    return bool(a) and bool(b) and not a & b


def _routines_clash(a: Profile, b: Profile, hours: float) -> bool:
    if a.routine in NEVER_ONE or b.routine in NEVER_ONE:
        return True
    if a.routine == "weather" and _has_own_word(a, b) and _has_own_word(b, a):
        return True
    return hours > ROUTINE_HOURS or a.source == b.source or _clash(a.figures.days, b.figures.days)


def _has_own_word(a: Profile, b: Profile) -> bool:
    """Say whether a's headline has a rare word that b lacks; between two forecasts that is another place."""
    return any(weight >= RARE for term, weight in a.title.items() if term not in b.full)
