"""Mailing lists. Every function works inside the caller's transaction and never commits."""

from __future__ import annotations

import re
from datetime import datetime

from sqlmodel import Session, col, func, select

from subscribers.addresses import one_line
from subscribers.errors import InvalidList, UnknownList
from subscribers.inserts import insert_missing
from subscribers.models import MailingList, Subscription, SubscriptionState

# A slug becomes a part of the List-Id header (RFC 2919 section 3) and of addresses of pages.
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def get_list(session: Session, slug: str) -> MailingList:
    """Return the list with this short name. Raises UnknownList."""
    found = session.exec(select(MailingList).where(MailingList.slug == slug)).one_or_none()
    if found is None:
        raise UnknownList(slug)
    return found


def add_list(session: Session, slug: str, name: str, now: datetime) -> MailingList:
    """Add a list and return it. Raises InvalidList for a slug taken or badly formed, or an empty name."""
    if not _SLUG.fullmatch(slug):
        raise InvalidList(
            f"{slug!r} cannot be a list's short name: use a to z, 0 to 9 and hyphens, "
            "begin with a letter or a digit, and use at most 64 characters."
        )
    shown = one_line(name)
    if not shown:
        raise InvalidList(f"The list {slug!r} needs a name that readers will see, such as 'Ukraine Weekly'.")
    row = {"slug": slug, "name": shown, "created_at": now}
    if not insert_missing(session, MailingList, [row], unique=["slug"]):
        raise InvalidList(f"There already is a list called {slug!r}.")
    return get_list(session, slug)


def count_by_state(session: Session, list_id: int) -> dict[SubscriptionState, int]:
    """Return how many readers are in each state on a list; every state is there, with 0 where nobody is."""
    state = col(Subscription.state)
    counted = session.exec(select(state, func.count()).where(Subscription.list_id == list_id).group_by(state))
    return dict.fromkeys(SubscriptionState, 0) | dict(counted.all())
