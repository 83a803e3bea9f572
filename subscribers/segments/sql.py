"""From a meaning to one query. Values are only ever parameters (threat 24), and no reader is looked at in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, exists, false, not_, or_, true, union
from sqlalchemy import select as select_columns
from sqlmodel import col

from subscribers.models import FieldValue, Subscriber, SubscriberTag, Subscription, SubscriptionState, Suppression
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

#: A query for readers' ids, in its one column reader_id.
Readers = Select[Any] | CompoundSelect[Any]
_Condition = ColumnElement[bool]

#: How a date of a field is compared: as text, which its form allows.
_COMPARED: dict[str, Callable[[Any, str], _Condition]] = {
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}


def readers_meant(meaning: Meaning, dialect: str) -> Readers:
    """Return the query for the readers who are meant, each once, in no order, on a database of this dialect."""
    if isinstance(meaning, AnyOf) and not all(_is_about_person(part) for part in meaning.parts):
        return union(*(readers_meant(part, dialect) for part in meaning.parts))
    query = _Query(dialect)
    parts = meaning.parts if isinstance(meaning, AllOf) else (meaning,)
    source = _source(parts)
    rest = [part for part in parts if part is not source]
    # It walks through the table of one condition, where that has no reader twice, and else through all readers.
    ids = _ids(source) if source else select_columns(col(Subscriber.id).label("reader_id"))
    by_person = not source or _may_be_erased(source)
    if source and (by_person or any(_is_about_person(part) for part in rest)):
        ids = ids.join(Subscriber, col(Subscriber.id) == _plain(ids))
    if by_person:  # who was erased is nobody
        ids = ids.where(col(Subscriber.erased_at).is_(None))
    return ids.where(*(query.condition(part, _plain(ids)) for part in rest))


def _may_be_erased(source: Tagged | Said | Standing) -> bool:
    """Tell whether a condition may mean somebody who was erased: they have no tags and fields, and left every list."""
    return isinstance(source, Standing) and SubscriptionState.LEFT in source.states


def _plain(ids: Select[Any]) -> Any:
    """Return the column of readers' ids that a query for them selects."""
    return cast("Any", ids.selected_columns[0]).element


@dataclass(frozen=True)
class _Query:
    """The conditions of one query, whose tables include Subscriber where one of them is about the person."""

    dialect: str

    def condition(self, meaning: Meaning, reader_id: Any) -> _Condition:
        """Return what holds of the readers who are meant."""
        if isinstance(meaning, Opposite):
            return not_(self.condition(meaning.part, reader_id))
        if isinstance(meaning, AllOf | AnyOf):
            join = and_ if isinstance(meaning, AllOf) else or_
            return join(*(self.condition(part, reader_id) for part in meaning.parts))
        if isinstance(meaning, Other):
            return or_(*(self._member(reader_id, meaning.term.readers(value)) for value in meaning.values))
        if isinstance(meaning, Listless):
            on = frozenset({SubscriptionState.CONFIRMED, SubscriptionState.PENDING})
            return not_(self._member(reader_id, _ids(Standing(None, on))))
        if isinstance(meaning, Standing | Tagged | Said):
            return self._member(reader_id, _ids(meaning))
        return _about_person(meaning)

    def _member(self, reader_id: Any, ids: Select[Any]) -> _Condition:
        """Return the condition that a reader is one of those a query finds.

        SQLite is fastest when it finds them first and once. PostgreSQL does that for EXISTS too, and for a NOT IN over
        many rows looks through all of them for each reader.
        """
        if self.dialect == "sqlite":
            return cast("_Condition", reader_id.in_(ids.correlate(None)))
        found = ids.subquery()
        return exists().where(found.c[0] == reader_id)


def _source(parts: Sequence[Meaning]) -> Tagged | Said | Standing | None:
    """Return the condition whose table to begin with: the one with the fewest rows, as far as its kind tells that."""
    for part in parts:
        if isinstance(part, Tagged) and len(part.tags) == 1:
            return part
    for part in parts:
        if isinstance(part, Said):
            return part
    for part in parts:
        if isinstance(part, Standing) and part.lists is not None and len(part.lists) == 1:
            return part
    return None


def _ids(meaning: Standing | Tagged | Said) -> Select[Any]:
    """Return the query for the readers in a condition's own table."""
    if isinstance(meaning, Standing):
        return select_columns(col(Subscription.subscriber_id).label("reader_id")).where(_stands(meaning))
    if isinstance(meaning, Tagged):
        tagged = _among(col(SubscriberTag.tag_id), meaning.tags)
        return select_columns(col(SubscriberTag.subscriber_id).label("reader_id")).where(tagged)
    return select_columns(col(FieldValue.subscriber_id).label("reader_id")).where(_said(meaning))


def _is_about_person(meaning: Meaning) -> bool:
    """Tell whether a meaning asks the table of readers itself."""
    if isinstance(meaning, Opposite):
        return _is_about_person(meaning.part)
    if isinstance(meaning, AllOf | AnyOf):
        return any(_is_about_person(part) for part in meaning.parts)
    return isinstance(meaning, AtDomain | Blocked | Nameless)


def _about_person(meaning: AtDomain | Blocked | Nameless) -> _Condition:
    if isinstance(meaning, Nameless):
        return col(Subscriber.name) == ""
    key = col(Subscriber.address_key)
    if isinstance(meaning, Blocked):
        return exists().where(col(Suppression.address_key) == key, col(Suppression.reason).in_(meaning.reasons))
    return or_(*(key.endswith(f"@{domain}", autoescape=True) for domain in meaning.domains))


def _stands(meaning: Standing) -> _Condition:
    wanted: list[_Condition] = []
    if meaning.lists is not None:
        wanted.append(_among(col(Subscription.list_id), meaning.lists))
    if meaning.states != frozenset(SubscriptionState):
        wanted.append(_among(col(Subscription.state), sorted(meaning.states)))
    for dated, span in meaning.spans:
        is_asked = dated is SubscriptionState.PENDING
        wanted.append(_within(span, col(Subscription.requested_at if is_asked else Subscription.changed_at)))
    return and_(true(), *wanted)


def _within(span: Span, at: Any) -> _Condition:
    """Return the condition that a time lies in a span."""
    bounds = []
    if span.start is not None:
        bounds.append(at >= span.start)
    if span.end is not None:
        bounds.append(at < span.end)
    return and_(*bounds)


def _said(meaning: Said) -> _Condition:
    field, value = col(FieldValue.field_id) == meaning.field, col(FieldValue.value)
    if not meaning.comparison:
        return field
    compared = _COMPARED.get(meaning.comparison)
    return and_(field, compared(value, meaning.values[0]) if compared else _among(value, meaning.values))


def _among(column: Any, values: Sequence[object]) -> _Condition:
    """Return the condition that a column has one of the values; with one value it is what an index likes best."""
    if not values:
        return false()
    return cast("_Condition", column == values[0] if len(values) == 1 else column.in_(values))
