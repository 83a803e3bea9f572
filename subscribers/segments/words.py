"""A meaning said for people, so that they can tell whether it is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from subscribers.models import SubscriptionState
from subscribers.segments.known import Known
from subscribers.segments.meaning import (
    AllOf,
    AnyOf,
    AtDomain,
    Blocked,
    Listless,
    Meaning,
    Nameless,
    Opposite,
    Other,
    Said,
    Span,
    Standing,
    Tagged,
)

_STATES = {
    SubscriptionState.CONFIRMED: "are on",
    SubscriptionState.PENDING: "asked for and have not confirmed",
    SubscriptionState.LEFT: "left",
}
_COMPARED = {"<": "before", "<=": "on or before", ">": "after", ">=": "on or after"}


def in_words(meaning: Meaning, known: Known) -> str:
    """Return what readers a meaning means, as a sentence."""
    return f"Readers who {_words(meaning, known)}."


def _words(meaning: Meaning, known: Known, *, inside: bool = False) -> str:
    if isinstance(meaning, AllOf | AnyOf):
        between = " and " if isinstance(meaning, AllOf) else " or "
        joined = between.join(_words(part, known, inside=True) for part in meaning.parts)
        return f"({joined})" if inside else joined
    return _WORDS[type(meaning)](meaning, known)


def _opposite(meaning: Opposite, known: Known) -> str:
    return f"are not among those who {_words(meaning.part, known, inside=True)}"


def _tagged(meaning: Tagged, known: Known) -> str:
    names = {tag_id: name for name, tag_id in known.tags.items()}
    return f"have the tag {_either(names[one] for one in meaning.tags)}"


def _standing(meaning: Standing, known: Known) -> str:
    names = {one.id: one.slug for one in known.lists.values()}
    lists = "any list" if meaning.lists is None else f"the list {_either(names[one] for one in meaning.lists)}"
    states = _either(_STATES[state] for state in SubscriptionState if state in meaning.states)
    since = "".join(f", {_since(span)}" for _, span in meaning.spans)
    return f"{states} {lists}{since}" if states else f"stand with {lists} as nobody can"


def _since(span: Span) -> str:
    start = f"since {span.start:%Y-%m-%d %H:%M}" if span.start else ""
    end = f"before {span.end:%Y-%m-%d %H:%M}" if span.end else ""
    return f"{' and '.join(filter(None, (start, end)))} (UTC)"


def _said(meaning: Said, known: Known) -> str:
    label = next(one.label for one in known.fields.values() if one.id == meaning.field)
    if not meaning.comparison:
        return f"said something in “{label}”"
    if meaning.comparison in _COMPARED:
        return f"said in “{label}” a date {_COMPARED[meaning.comparison]} {meaning.values[0]}"
    return f"said in “{label}” {_either(f'“{one}”' for one in meaning.values)}"


def _either(words: Iterable[str]) -> str:
    return " or ".join(words)


_WORDS: dict[type, Callable[[Any, Known], str]] = {
    Opposite: _opposite,
    Standing: _standing,
    Tagged: _tagged,
    Said: _said,
    Other: lambda meaning, _: _either(meaning.term.words(value) for value in meaning.values),
    AtDomain: lambda meaning, _: f"have an address at {_either(meaning.domains)}",
    Blocked: lambda meaning, _: f"are blocked ({_either(meaning.reasons)})",
    Nameless: lambda _, __: "have no name",
    Listless: lambda _, __: "are on no list and wait for none",
}
