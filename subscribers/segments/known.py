"""What a segment may name: lists, tags, fields as they are stored, and the terms that other packages bring."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select
from sqlmodel import Session, select

from subscribers.models import MailingList, ReaderField, Tag


@dataclass(frozen=True)
class ExtraTerm:
    """A term whose tables are not this package's, such as `clicked:90d`.

    `readers` returns for a value ("" for none) the query for the ids of the readers who are meant, in its one column;
    `words` says the same for people, to follow "readers who". Both raise ValueError with a sentence for a value that
    they do not know.
    """

    readers: Callable[[str], Select[Any]]
    words: Callable[[str], str]


Extra = Mapping[str, ExtraTerm]


@dataclass(frozen=True)
class Known:
    """Everything that a segment may name, read once; and the time from which ages such as 30d count back."""

    lists: Mapping[str, MailingList]
    tags: Mapping[str, int]
    fields: Mapping[str, ReaderField]
    extra: Extra = field(default_factory=dict)
    now: datetime | None = None


def known_to(session: Session, extra: Extra | None = None, now: datetime | None = None) -> Known:
    """Return what a segment may name here and now."""
    return Known(
        lists={one.slug: one for one in session.exec(select(MailingList))},
        tags=dict(session.exec(select(Tag.name, Tag.id)).all()),
        fields={one.slug: one for one in session.exec(select(ReaderField))},
        extra=extra or {},
        now=now,
    )


def likely(name: str, known: Collection[str]) -> str:
    """Return a question whether the most similar known name was meant, as a sentence; else those that there are."""
    near = difflib.get_close_matches(name.casefold(), known, n=1)
    if near:
        return f"Did you mean {near[0]}?"
    listed = sorted(known)[:8]
    more = f" and {len(known) - len(listed)} more" if len(known) > len(listed) else ""
    return f"There are: {', '.join(listed)}{more}." if listed else "There are none yet."
