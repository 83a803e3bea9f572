"""Readers by what is known of them: a line such as `list:ukraine tag:donor -tag:staff` becomes one query.

Side by side, conditions must all hold; `or`, parentheses and a hyphen for "not" do the rest. `state:`, `joined`, `left`
and `asked` are about the lists beside them, or about any list where none is; a list alone means those who are on it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select as select_columns
from sqlmodel import Session, func

from subscribers.segments.freezing import frozen
from subscribers.segments.known import Extra, ExtraTerm, Known, known_to
from subscribers.segments.meaning import Meaning, understand
from subscribers.segments.parsing import SegmentError, named_in
from subscribers.segments.sql import Readers, readers_meant
from subscribers.segments.words import in_words

__all__ = [
    "Extra",
    "ExtraTerm",
    "Known",
    "Meaning",
    "Readers",
    "SegmentError",
    "count",
    "count_of",
    "explain",
    "frozen",
    "known_to",
    "named_in",
    "readers",
]


def readers(session: Session, text: str, extra: Extra | None = None, *, now: datetime | None = None) -> Readers:
    """Return the query for the ids (reader_id) of a segment's readers, each once. Raises SegmentError.

    `extra` are the terms that others bring; ages such as joined:30d count back from `now` and need it.
    """
    return readers_meant(understand(text, known_to(session, extra, now)), session.get_bind().dialect.name)


def count(session: Session, text: str, extra: Extra | None = None, *, now: datetime | None = None) -> int:
    """Return how many readers a segment has. Raises SegmentError."""
    return count_of(session, readers(session, text, extra, now=now))


def count_of(session: Session, readers: Readers) -> int:
    """Return how many readers a query finds."""
    return int(session.execute(select_columns(func.count()).select_from(readers.subquery())).scalar_one())


def explain(session: Session, text: str, extra: Extra | None = None, *, now: datetime | None = None) -> str:
    """Return in words which readers a segment means. Raises SegmentError."""
    known = known_to(session, extra, now)
    return in_words(understand(text, known), known)
