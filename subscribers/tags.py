"""Tags: words that admins put on readers. Every function works inside the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import literal, true
from sqlalchemy import select as select_columns
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, delete, func, select

from subscribers.addresses import one_line
from subscribers.columns import UtcDateTime
from subscribers.errors import SubscriberError
from subscribers.inserts import insert_missing
from subscribers.models import SubscriberTag, Tag
from subscribers.segments import Readers
from subscribers.segments.known import likely

_LIMIT = 64


class InvalidTag(SubscriberError, ValueError):
    """A text cannot be a tag."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name!r} cannot be a tag: {reason}")


class UnknownTag(SubscriberError, LookupError):
    """No tag has this name."""

    def __init__(self, name: str, likely: str) -> None:
        super().__init__(f"There is no tag called {name!r}. {likely}")


class TagExists(SubscriberError):
    """A tag cannot get the name of another."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(
            f'There is a tag {new} already. `newsletter subscriber tag --segment \'tag:"{old}"\' --add "{new}"` gives '
            f"it to the readers with {old}, which can be deleted then."
        )


def tag_name(text: str) -> str:
    """Return a tag as it is stored: in lower case, one space where there are several. Raises InvalidTag."""
    name = one_line(text.lower(), len(text))
    if not name:
        raise InvalidTag(text, "it is empty.")
    if len(name) > _LIMIT:
        raise InvalidTag(text[:_LIMIT] + "…", f"it is longer than {_LIMIT} characters.")
    if '"' in name or "," in name:
        raise InvalidTag(text, "quotation marks and commas have a meaning in segments.")
    return name


def add_tag(session: Session, text: str, readers: Readers, now: datetime) -> int:
    """Put a tag, new or not, on the readers whose ids a query finds; return how many did not have it."""
    name = tag_name(text)
    insert_missing(session, Tag, [{"name": name}], unique=["name"])
    return _put(session, _id(session, name), readers, now)


def remove_tag(session: Session, text: str, readers: Readers) -> int:
    """Take a tag off the readers whose ids a query finds; return how many had it. Raises UnknownTag."""
    found = readers.subquery()
    tagged = col(SubscriberTag.tag_id) == _id(session, tag_name(text))
    mine = col(SubscriberTag.subscriber_id).in_(select_columns(found.c.reader_id))
    return session.exec(delete(SubscriberTag).where(tagged, mine)).rowcount


def count_readers(session: Session) -> dict[str, int]:
    """Return how many readers have each tag, by name; those that nobody has are there."""
    counted = session.exec(select(SubscriberTag.tag_id, func.count()).group_by(col(SubscriberTag.tag_id)))
    counts = dict(counted.all())
    return {one.name: counts.get(one.id, 0) for one in session.exec(select(Tag).order_by(Tag.name))}


def count_with(session: Session, text: str) -> int:
    """Return how many readers have a tag. Raises UnknownTag."""
    return session.exec(select(func.count()).where(SubscriberTag.tag_id == _id(session, tag_name(text)))).one()


def tags_of(session: Session, subscriber_id: int) -> list[str]:
    """Return the tags of one reader, by name."""
    mine = SubscriberTag.subscriber_id == subscriber_id
    query = select(Tag.name).join(SubscriberTag, col(SubscriberTag.tag_id) == Tag.id).where(mine)
    return list(session.exec(query.order_by(Tag.name)))


def rename_tag(session: Session, old: str, new: str) -> None:
    """Give a tag another name. Raises UnknownTag, InvalidTag or TagExists."""
    tag, name = session.get_one(Tag, _id(session, tag_name(old))), tag_name(new)
    if session.exec(select(Tag.id).where(Tag.name == name, Tag.id != tag.id)).first() is not None:
        raise TagExists(tag.name, name)
    tag.name = name
    session.add(tag)
    session.flush()


def delete_tag(session: Session, text: str) -> int:
    """Delete a tag and return how many readers had it. Raises UnknownTag."""
    tag_id = _id(session, tag_name(text))
    had = session.exec(delete(SubscriberTag).where(col(SubscriberTag.tag_id) == tag_id)).rowcount
    session.exec(delete(Tag).where(col(Tag.id) == tag_id))
    return had


def _id(session: Session, name: str) -> int:
    found = session.exec(select(Tag.id).where(Tag.name == name)).first()
    if found is None:
        raise UnknownTag(name, likely(name, session.exec(select(Tag.name)).all()))
    return found


def _put(session: Session, tag_id: int, readers: Readers, now: datetime) -> int:
    found = readers.subquery()
    # SQLite's grammar needs a WHERE between SELECT and ON CONFLICT.
    rows: Any = select_columns(found.c.reader_id, literal(tag_id), literal(now, UtcDateTime())).where(true())
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = (postgresql.insert if is_postgresql else sqlite.insert)(SubscriberTag)
    statement = insert.from_select(["subscriber_id", "tag_id", "at"], rows).on_conflict_do_nothing()
    return int(session.connection().execute(statement.execution_options(preserve_rowcount=True)).rowcount)
