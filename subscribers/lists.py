"""Mailing lists: found, counted, renamed, archived. Every function works inside the caller's transaction."""

from __future__ import annotations

import re
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_
from sqlmodel import Session, col, func, select

from subscribers.addresses import one_line
from subscribers.errors import SubscriberError, UnknownList
from subscribers.models import MailingList, Subscriber, Subscription, SubscriptionState

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_NAME_LIMIT = 200


class ArchivedList(SubscriberError):
    """Nobody can join an archived list, and nothing is sent to it."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(
            f"The list {slug} is archived: nobody can join it. `newsletter list unarchive {slug}` opens it again."
        )


class InvalidList(SubscriberError, ValueError):
    """A list cannot be called so."""


def get_list(session: Session, slug: str) -> MailingList:
    """Return the list with this short name, archived or not. Raises UnknownList."""
    found = session.exec(select(MailingList).where(MailingList.slug == slug)).one_or_none()
    if found is None:
        raise UnknownList(slug)
    return found


def get_open_list(session: Session, slug: str) -> MailingList:
    """Return the list with this short name, for somebody to join. Raises UnknownList or ArchivedList."""
    found = get_list(session, slug)
    if found.archived_at:
        raise ArchivedList(slug)
    return found


def is_archived(session: Session, list_id: int) -> bool:
    """Tell whether nobody can join a list, and nothing is sent to it."""
    return session.exec(select(MailingList.id).where(MailingList.id == list_id, ~open_only())).first() is not None


def open_only() -> ColumnElement[bool]:
    """Return the condition that a list of a query is not archived."""
    return col(MailingList.archived_at).is_(None)


def archive(session: Session, slug: str, now: datetime) -> bool:
    """Let nobody join a list and nothing be sent to it; return False when that was so. Raises UnknownList."""
    row = get_list(session, slug)
    if row.archived_at:
        return False
    row.archived_at = now
    session.add(row)
    session.flush()
    return True


def unarchive(session: Session, slug: str) -> bool:
    """Open a list again; return False when it was open. Raises UnknownList."""
    row = get_list(session, slug)
    if not row.archived_at:
        return False
    row.archived_at = None
    session.add(row)
    session.flush()
    return True


def rename(session: Session, slug: str, *, name: str = "", new_slug: str = "") -> MailingList:
    """Change what readers call a list, its short name, or both; return it. Raises UnknownList or InvalidList."""
    row = get_list(session, slug)
    if name:
        row.name = one_line(name, len(name))
        if not row.name or len(row.name) > _NAME_LIMIT:
            raise InvalidList(f"A list's name needs 1 to {_NAME_LIMIT} characters.")
    if new_slug and new_slug != slug:
        if not _SLUG.fullmatch(new_slug):
            raise InvalidList(f"{new_slug!r} cannot be a short name: write lower-case letters, digits and hyphens.")
        if session.exec(select(MailingList.id).where(MailingList.slug == new_slug)).first() is not None:
            raise InvalidList(
                f"There is a list called {new_slug} already. `newsletter list merge {slug} {new_slug}` makes them one."
            )
        row.slug = new_slug
    session.add(row)
    session.flush()
    return row


def count_by_state(session: Session, list_id: int) -> dict[SubscriptionState, int]:
    """Return how many readers are in each state on a list; every state is there, with 0 where nobody is.

    Who was erased has left, and is not counted.
    """
    state = col(Subscription.state)
    is_there = exists().where(
        col(Subscriber.id) == col(Subscription.subscriber_id), col(Subscriber.erased_at).is_(None)
    )
    mine = (Subscription.list_id == list_id, or_(state != SubscriptionState.LEFT, is_there))
    counted = session.exec(select(state, func.count()).where(*mine).group_by(state))
    return dict.fromkeys(SubscriptionState, 0) | dict(counted.all())
