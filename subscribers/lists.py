"""Mailing lists, as readers are looked up and counted by them. Every function works inside the caller's transaction."""

from __future__ import annotations

from sqlmodel import Session, col, func, select

from subscribers.errors import UnknownList
from subscribers.models import MailingList, Subscription, SubscriptionState


def get_list(session: Session, slug: str) -> MailingList:
    """Return the list with this short name. Raises UnknownList."""
    found = session.exec(select(MailingList).where(MailingList.slug == slug)).one_or_none()
    if found is None:
        raise UnknownList(slug)
    return found


def count_by_state(session: Session, list_id: int) -> dict[SubscriptionState, int]:
    """Return how many readers are in each state on a list; every state is there, with 0 where nobody is."""
    state = col(Subscription.state)
    counted = session.exec(select(state, func.count()).where(Subscription.list_id == list_id).group_by(state))
    return dict.fromkeys(SubscriptionState, 0) | dict(counted.all())
