"""Fields: what a newsroom asks its readers besides the address. Functions work inside the caller's transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from sqlmodel import Session, col, delete, func, select

from subscribers.addresses import one_line
from subscribers.errors import SubscriberError
from subscribers.inserts import insert_missing
from subscribers.models import FieldKind, FieldValue, ReaderField
from subscribers.segments.known import likely

#: The longest text that is kept of what a reader says.
VALUE_LIMIT = 500
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: What columns of files and conditions of segments are called already.
_TAKEN = frozenset({"email", "address", "name", "list", "state", "tag", "tags", "field", "since", "created"})
_LABEL_LIMIT = 200


class InvalidField(SubscriberError, ValueError):
    """A field cannot be as it was asked for."""


class UnknownField(SubscriberError, LookupError):
    """No field has this name."""

    def __init__(self, slug: str, likely: str) -> None:
        super().__init__(f"There is no field called {slug!r}. {likely}")


class InvalidValue(SubscriberError, ValueError):
    """What was said in a field is nothing that it takes; `reason` says why, without the value."""

    def __init__(self, field: ReaderField, reason: str) -> None:
        self.slug = field.slug
        self.reason = reason
        super().__init__(f"{field.slug}: {reason}")


def value_of(field: ReaderField, text: str) -> str:
    """Return what is stored for a text: one line, the choice as it is spelt, the date as 2026-11-30; "" for nothing.

    Raises InvalidValue. Whether a field has to be answered is its form's to say.
    """
    said = one_line(text, len(text))
    if len(said) > VALUE_LIMIT:
        raise InvalidValue(field, f"more than {VALUE_LIMIT} characters are too many.")
    if not said or field.kind is FieldKind.TEXT:
        return said
    if field.kind is FieldKind.CHOICE:
        same = next((one for one in field.choices if one.casefold() == said.casefold()), None)
        if same is None:
            raise InvalidValue(field, f"choose one of {', '.join(field.choices)}.")
        return same
    if not _is_date(said):
        raise InvalidValue(field, "write the date as year, month and day, such as 2026-11-30.")
    return said


def fields(session: Session) -> Sequence[ReaderField]:
    """Return the fields in the order in which they are asked."""
    return session.exec(select(ReaderField).order_by(col(ReaderField.position), col(ReaderField.id))).all()


def get_field(session: Session, slug: str) -> ReaderField:
    """Return the field with this name. Raises UnknownField."""
    found = session.exec(select(ReaderField).where(ReaderField.slug == slug)).one_or_none()
    if found is None:
        known = session.exec(select(ReaderField.slug)).all()
        raise UnknownField(slug, likely(slug, known) if known else "Add one with `newsletter field add`.")
    return found


def add_field(
    session: Session, slug: str, *, label: str, kind: FieldKind, choices: Sequence[str] = (), required: bool = False
) -> ReaderField:
    """Add a field behind the others and return it. Raises InvalidField."""
    if not _SLUG.fullmatch(slug) or slug in _TAKEN:
        why = "files and segments use that name already" if slug in _TAKEN else "write lower-case letters and digits"
        raise InvalidField(f"A field cannot be called {slug!r}: {why}, such as town or birth-date.")
    if session.exec(select(ReaderField.id).where(ReaderField.slug == slug)).first() is not None:
        raise InvalidField(f"There is a field called {slug} already. `newsletter field set {slug}` changes it.")
    last = session.exec(select(func.coalesce(func.max(ReaderField.position), -1))).one()
    row = ReaderField(slug=slug, label="", kind=kind, position=last + 1)
    _set(session, row, label or slug.replace("-", " ").capitalize(), choices, required=required)
    return row


def set_field(
    session: Session,
    slug: str,
    *,
    label: str | None = None,
    choices: Sequence[str] | None = None,
    required: bool | None = None,
    position: int | None = None,
) -> ReaderField:
    """Change what is given and return the field; `position` counts from 1. Raises UnknownField or InvalidField.

    A choice that readers made cannot be taken away: what they said would be nothing that the field takes.
    """
    row = get_field(session, slug)
    if choices is not None:
        _refuse_to_lose(session, row, choices)
    new_choices = row.choices if choices is None else choices
    _set(session, row, label or row.label, new_choices, required=row.required if required is None else required)
    if position is not None:
        _move(session, row, position)
    return row


def remove_field(session: Session, slug: str) -> int:
    """Remove a field with all that readers said in it; return of how many readers. Raises UnknownField."""
    row = get_field(session, slug)
    gone = session.exec(delete(FieldValue).where(col(FieldValue.field_id) == row.id)).rowcount
    session.exec(delete(ReaderField).where(col(ReaderField.id) == row.id))
    return gone


def count_values(session: Session, field_id: int) -> dict[str, int]:
    """Return how many readers said what in a field, the most frequent first."""
    many, value = func.count(), col(FieldValue.value)
    query = select(value, many).where(FieldValue.field_id == field_id).group_by(value).order_by(many.desc(), value)
    return dict(session.exec(query).all())


def count_answers(session: Session, field_id: int) -> int:
    """Return how many readers said something in a field."""
    return session.exec(select(func.count()).where(FieldValue.field_id == field_id)).one()


def values_of(session: Session, subscriber_id: int) -> dict[str, str]:
    """Return what one reader said, by the fields' names in their order."""
    query = (
        select(ReaderField.slug, FieldValue.value)
        .join(FieldValue, col(FieldValue.field_id) == ReaderField.id)
        .where(FieldValue.subscriber_id == subscriber_id)
        .order_by(col(ReaderField.position), col(ReaderField.id))
    )
    return dict(session.exec(query).all())


def say(session: Session, subscriber_id: int, field: ReaderField, text: str) -> None:
    """Keep what a reader says in a field, instead of what they said before; "" takes it away. Raises InvalidValue."""
    value = value_of(field, text)
    mine = (col(FieldValue.subscriber_id) == subscriber_id, col(FieldValue.field_id) == field.id)
    session.exec(delete(FieldValue).where(*mine))
    if value:
        row = {"subscriber_id": subscriber_id, "field_id": field.id, "value": value}
        insert_missing(session, FieldValue, [row], unique=["subscriber_id", "field_id"], returning="field_id")


def _set(session: Session, row: ReaderField, label: str, choices: Sequence[str], *, required: bool) -> None:
    shown = one_line(label, len(label))
    if not shown or len(shown) > _LABEL_LIMIT:
        raise InvalidField(f"What readers see of {row.slug} needs 1 to {_LABEL_LIMIT} characters.")
    row.label, row.choices, row.required = shown, _checked(row, choices), required
    session.add(row)
    session.flush()


def _checked(row: ReaderField, choices: Sequence[str]) -> list[str]:
    """Return the choices as they are stored. Raises InvalidField."""
    clean = [one_line(one, VALUE_LIMIT) for one in choices]
    if row.kind is not FieldKind.CHOICE:
        if clean:
            raise InvalidField(f"{row.slug} is a {row.kind} and has no choices.")
        return []
    if len(clean) < 2 or not all(clean):
        raise InvalidField(f"{row.slug} needs two choices or more; give --choice for each, in order.")
    if len({one.casefold() for one in clean}) < len(clean):
        raise InvalidField(f"{row.slug} has one choice twice.")
    return clean


def _refuse_to_lose(session: Session, row: ReaderField, choices: Sequence[str]) -> None:
    kept = {one_line(one, VALUE_LIMIT) for one in choices}
    lost = {value: count for value, count in count_values(session, row.id).items() if value not in kept}
    if row.kind is FieldKind.CHOICE and lost:
        value, count = next(iter(lost.items()))
        readers = "1 reader" if count == 1 else f"{count} readers"
        raise InvalidField(f"{readers} chose {value!r} in {row.slug}, so it has to stay among the choices.")


def _move(session: Session, row: ReaderField, position: int) -> None:
    others = [one for one in fields(session) if one.id != row.id]
    others.insert(max(0, position - 1), row)
    for place, one in enumerate(others):
        one.position = place
        session.add(one)
    session.flush()


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return False
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False
