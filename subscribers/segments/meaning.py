"""From a tree to what is meant: names looked up, dates read, `state:` and its kind tied to the lists beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NoReturn

from subscribers.addresses import one_line, parse_address
from subscribers.errors import InvalidAddress
from subscribers.models import FieldKind, SubscriptionState, SuppressionReason
from subscribers.segments.known import ExtraTerm, Known, likely
from subscribers.segments.parsing import Either, Every, Node, Not, SegmentError, Term, parse

#: `name` -> the state whose beginning it dates.
_DATED = {"joined": SubscriptionState.CONFIRMED, "left": SubscriptionState.LEFT, "asked": SubscriptionState.PENDING}
#: Terms about a subscription; beside a list they are about that list.
_BOUND = frozenset({"state", *_DATED})
_AGE = re.compile(r"([1-9]\d{0,4})d")
_TERMS = ("list", "tag", "field", "domain", "blocked", "no-name", "no-list", "state", *_DATED)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """A stretch of time: from `start` on, until before `end`; None where it is open."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class Standing:
    """Stands with one of these lists (ids; None: with any) in one of these states, since when all the spans say."""

    lists: tuple[int, ...] | None
    states: frozenset[SubscriptionState]
    spans: tuple[tuple[SubscriptionState, Span], ...] = ()


@dataclass(frozen=True)
class Tagged:
    """Has one of these tags, by id."""

    tags: tuple[int, ...]


@dataclass(frozen=True)
class Said:
    """Said something in a field: one of `values` ("="), or a date before or after one ("<", "<=", ">", ">=").

    Without a comparison: anything.
    """

    field: int
    comparison: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class AtDomain:
    """Has an address at one of these domains, in their ASCII form."""

    domains: tuple[str, ...]


@dataclass(frozen=True)
class Blocked:
    """Must never be written to, for one of these reasons."""

    reasons: tuple[SuppressionReason, ...]


@dataclass(frozen=True)
class Nameless:
    """Has no name."""


@dataclass(frozen=True)
class Listless:
    """Is on no list and waits for none."""


@dataclass(frozen=True)
class Other:
    """What a term of another package says, for one of these values; ("",) for the term alone."""

    term: ExtraTerm
    values: tuple[str, ...]


@dataclass(frozen=True)
class Opposite:
    """Readers who are not meant by `part`."""

    part: Meaning


@dataclass(frozen=True)
class AllOf:
    """Readers who are meant by every part."""

    parts: tuple[Meaning, ...]


@dataclass(frozen=True)
class AnyOf:
    """Readers who are meant by at least one part."""

    parts: tuple[Meaning, ...]


Meaning = (
    Standing | Tagged | Said | AtDomain | Blocked | Nameless | Listless | Other | Opposite | AllOf | AnyOf
)  # fmt: skip


def understand(text: str, known: Known) -> Meaning:
    """Return what a segment means. Raises SegmentError, which names the column, for all that cannot be understood."""
    return _Reading(text, known).node(parse(text))


class _Reading:
    def __init__(self, text: str, known: Known) -> None:
        self.text = text
        self.known = known

    def node(self, node: Node, *, lists: bool = False, bound: Term | None = None) -> Meaning:
        """Return the meaning of a part; `lists` and `bound`: what stands beside the parentheses that it is in."""
        if isinstance(node, Not):
            return Opposite(self.node(node.part, lists=lists, bound=bound))
        if isinstance(node, Either):
            return AnyOf(tuple(dict.fromkeys(self.node(part, lists=lists, bound=bound) for part in node.parts)))
        parts = node.parts if isinstance(node, Every) else (node,)
        return self.every(parts, lists=lists, bound=bound)

    def every(self, parts: tuple[Node, ...], *, lists: bool, bound: Term | None) -> Meaning:
        """Return the meaning of conditions that stand side by side."""
        named = [part for part in parts if isinstance(part, Term) and part.name == "list"]
        tied = [part for part in parts if isinstance(part, Term) and part.name in _BOUND]
        if tied and not named and lists:
            self.fail(tied[0], f"`{tied[0].name}` stands in other parentheses than its list; write the list here, too.")
        if named and bound and not tied:
            self.fail(bound, f"`{bound.name}` stands in other parentheses than its list; write it beside the list.")
        meant: list[Meaning] = [self.standing(self.ids(one), tied) for one in named]
        if tied and not named:
            meant.append(self.standing(None, tied))
        lists, bound = lists or bool(named), None if named else next(iter(tied), bound)
        for part in parts:
            if isinstance(part, Term):
                if part.name != "list" and part.name not in _BOUND:
                    meant.append(self.term(part))
            elif isinstance(part, Not) and isinstance(part.part, Term):
                # What a hyphen turns around is meant by itself, whatever stands beside it.
                meant.append(Opposite(self.every((part.part,), lists=False, bound=None)))
            else:
                meant.append(self.node(part, lists=lists, bound=bound))
        once = tuple(dict.fromkeys(meant))  # what is said twice is asked once
        return once[0] if len(once) == 1 else AllOf(once)

    def standing(self, lists: tuple[int, ...] | None, tied: Iterable[Term]) -> Standing:
        """Return how readers stand with a list: confirmed on it, or as the terms beside it say."""
        states: frozenset[SubscriptionState] | None = None
        spans = []
        for term in tied:
            if term.name == "state":
                allowed = frozenset(
                    SubscriptionState(self.word(term, one, list(SubscriptionState))) for one in self.of(term)
                )
            else:
                allowed = frozenset({_DATED[term.name]})
                spans.append((_DATED[term.name], self.span(term)))
            states = allowed if states is None else states & allowed
        return Standing(lists, frozenset({SubscriptionState.CONFIRMED}) if states is None else states, tuple(spans))

    def term(self, term: Term) -> Meaning:
        """Return the meaning of a term that is about the reader alone."""
        if term.name == "tag":
            return Tagged(
                tuple(self.known.tags[self.word(term, one.casefold(), self.known.tags)] for one in self.of(term))
            )
        if term.name == "field":
            return self.said(term)
        if term.name == "domain":
            return AtDomain(tuple(self.domain(term, one) for one in self.of(term)))
        if term.name == "blocked":
            self.refuse_comparison(term)
            words = [self.word(term, one, list(SuppressionReason)) for one in term.values]
            return Blocked(tuple(SuppressionReason(one) for one in words or SuppressionReason))
        if term.name in {"no-name", "no-list"}:
            if term.values:
                self.fail(term, f"`{term.name}` stands alone, without a value.")
            return Nameless() if term.name == "no-name" else Listless()
        return self.other(term)

    def other(self, term: Term) -> Meaning:
        extra = self.known.extra.get(term.name)
        if extra is None:
            names = [*_TERMS, *self.known.extra]
            self.fail(term, f"there is no condition called `{term.name}`. {likely(term.name, names)}")
        self.refuse_comparison(term)
        values = term.values or ("",)
        try:
            for one in values:
                extra.words(one)
        except ValueError as error:
            self.fail(term, str(error))
        return Other(extra, values)

    def said(self, term: Term) -> Said:
        field = self.known.fields[self.word(term, term.key, self.known.fields, "field")]
        values, comparison = term.values, term.comparison
        if comparison not in {"", "="} and field.kind is not FieldKind.DATE:
            self.fail(term, f"only dates come before or after one another; {field.slug} is a {field.kind}.")
        if comparison not in {"", "="} and len(values) > 1:
            self.fail(term, f"give one date after {comparison}.")
        if field.kind is FieldKind.DATE:
            values = tuple(self.date(term, one).isoformat() for one in values)
        if field.kind is FieldKind.CHOICE:
            values = tuple(self.word(term, one, field.choices, f"choice in {field.slug}") for one in values)
        return Said(field.id, comparison, tuple(one_line(one, len(one)) for one in values))

    def span(self, term: Term) -> Span:
        """Return the time that a date or an age means; days are those of UTC."""
        if not term.values or len(term.values) > 1:
            self.fail(term, f"write one date or age, such as {term.name}>2026-01-31 or {term.name}:30d.")
        value = term.values[0]
        if not term.comparison:
            return Span(self.ago(term, value), None)
        day = self.date(term, value)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        after = start + _DAY
        return {
            "=": Span(start, after),
            "<": Span(None, start),
            "<=": Span(None, after),
            ">": Span(after, None),
            ">=": Span(start, None),
        }[term.comparison]

    def ago(self, term: Term, value: str) -> datetime:
        age = _AGE.fullmatch(value)
        if not age:
            self.fail(
                term, f"write a number of days such as {term.name}:30d, or a date such as {term.name}>2026-01-31."
            )
        if self.known.now is None:
            self.fail(term, f"ages cannot be used here; write a date such as {term.name}>2026-01-31.")
        return self.known.now - timedelta(days=int(age.group(1)))

    def date(self, term: Term, value: str) -> date:
        try:
            day = date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) else None
        except ValueError:
            day = None
        if day is None or not 1 < day.year < 9999:
            self.fail(term, f"{value!r} is no date; write year, month and day, such as 2026-01-31.")
        return day

    def domain(self, term: Term, value: str) -> str:
        try:
            return parse_address(f"x@{value.removeprefix('@')}").key.removeprefix("x@")
        except InvalidAddress as error:
            self.fail(term, f"{value!r} is no domain of addresses, such as example.org: {error.reason}")

    def ids(self, term: Term) -> tuple[int, ...]:
        return tuple(self.known.lists[self.word(term, one, self.known.lists)].id for one in self.of(term))

    def of(self, term: Term) -> tuple[str, ...]:
        """Return the values of a term that needs some, behind a colon."""
        self.refuse_comparison(term)
        if not term.values:
            self.fail(term, f"say which {term.name}: write {term.name}: and its name.")
        return term.values

    def refuse_comparison(self, term: Term) -> None:
        if term.comparison:
            self.fail(term, f"write {term.name}: with a colon, such as {term.name}:{term.values[0]}.")

    def word(self, term: Term, value: str, known: Iterable[str], kind: str = "") -> str:
        """Return the one of the known words that a value is; capitals count only where two differ by them."""
        names = list(known)
        if value in names:
            return value
        same = [one for one in names if one.casefold() == value.casefold()]
        if len(same) != 1:
            self.fail(term, f"there is no {kind or term.name} called {value!r}. {likely(value, names)}")
        return same[0]

    def fail(self, term: Term, sentence: str) -> NoReturn:
        raise SegmentError(self.text, term.position, sentence)
