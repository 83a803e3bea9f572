"""Leaving a list, taking that back, and joining from behind a signed link, which proves that the address is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import and_
from sqlmodel import Session, col, select

from subscribers.consent.evidence import Evidence, history, record
from subscribers.consent.rows import (
    change_subscription,
    insert_subscription,
    lock_reader,
    subscription,
    subscriptions_of,
    within_second,
)
from subscribers.models import ConsentAction, Subscriber, Subscription, SubscriptionState

#: What puts a reader on a list, or is the first step there.
_TOWARDS = {ConsentAction.REQUESTED, ConsentAction.CONFIRMED, ConsentAction.IMPORTED, ConsentAction.JOINED}
#: What a request has that is settled: whose form it came with is past, and what was typed with it goes (threat 11).
_SETTLED: Mapping[str, object] = {"asked_with": None, "answers": None}


def leave(session: Session, *, subscription_id: int, now: datetime, source: str, network: str = "") -> bool:
    """Take a reader off a list, or drop their request; return False, and add no evidence, when it is done."""
    not_left = and_(col(Subscription.id) == subscription_id, col(Subscription.state) != SubscriptionState.LEFT)
    row = subscription(session, subscription_id)
    if row is None:
        return False
    lock_reader(session, row.subscriber_id)
    if not change_subscription(session, not_left, state=SubscriptionState.LEFT, changed_at=now, **_SETTLED):
        return False
    evidence = Evidence(now, source, "", network)
    record(session, ConsentAction.LEFT, row.subscriber_id, row.list_id, evidence)
    return True


def leave_all(
    session: Session,
    *,
    subscriber_id: int,
    now: datetime,
    source: str,
    network: str = "",
    list_id: int | None = None,
) -> int:
    """Take a reader off every list, or off the one given; return how many that changed."""
    lock_reader(session, subscriber_id)
    return sum(
        leave(session, subscription_id=row.id, now=now, source=source, network=network)
        for row in subscriptions_of(session, subscriber_id)
        if list_id in {None, row.list_id}
    )


def can_undo_leaving(session: Session, *, subscription_id: int, left_at: datetime) -> bool:
    """Tell whether a reader left the list at `left_at` (whole seconds), had been on it, and nothing happened since.

    Dropping an unconfirmed request cannot be undone: that would be a way around confirming (threat 16).
    """
    row = subscription(session, subscription_id)
    if row is None or row.state is not SubscriptionState.LEFT:
        return False
    if row.changed_at.replace(microsecond=0) != left_at.replace(microsecond=0):
        return False
    of_list = [line.action for line in history(session, row.subscriber_id) if line.list_id == row.list_id]
    towards = [action for action in of_list if action in _TOWARDS]
    return towards[-1:] != [ConsentAction.REQUESTED]


def undo_leaving(
    session: Session,
    *,
    subscription_id: int,
    left_at: datetime,
    now: datetime,
    source: str,
    wording: str,
    network: str = "",
) -> bool:
    """Put a reader back on the list they left at `left_at` (whole seconds), and on no other (U8).

    Returns False, and adds no evidence, unless `can_undo_leaving` and nobody was faster.
    """
    this_leaving = and_(
        col(Subscription.id) == subscription_id,
        col(Subscription.state) == SubscriptionState.LEFT,
        *within_second(col(Subscription.changed_at), left_at),
    )
    row = subscription(session, subscription_id)
    if row is None:
        return False
    lock_reader(session, row.subscriber_id)
    if not can_undo_leaving(session, subscription_id=subscription_id, left_at=left_at):
        return False
    if not change_subscription(session, this_leaving, state=SubscriptionState.CONFIRMED, changed_at=now):
        return False
    record(session, ConsentAction.JOINED, row.subscriber_id, row.list_id, Evidence(now, source, wording, network))
    return True


def join(
    session: Session,
    *,
    subscriber_id: int,
    list_id: int,
    now: datetime,
    source: str,
    wording: str,
    network: str = "",
) -> bool:
    """Put a reader on a list who came through a signed link, which proves that the address is theirs.

    Returns False, and adds no evidence, when they were on it, and for who was erased: a link outlives its reader.
    """
    there = select(Subscriber.id).where(Subscriber.id == subscriber_id, col(Subscriber.erased_at).is_(None))
    if session.exec(there.with_for_update()).first() is None:
        return False
    confirmed = {"state": SubscriptionState.CONFIRMED, "requested_at": now}
    not_on_it = and_(
        col(Subscription.subscriber_id) == subscriber_id,
        col(Subscription.list_id) == list_id,
        col(Subscription.state) != SubscriptionState.CONFIRMED,
    )
    added = insert_subscription(session, subscriber_id, list_id, now, confirmed)
    joined = added is not None or change_subscription(
        session, not_on_it, state=SubscriptionState.CONFIRMED, changed_at=now, **_SETTLED
    )
    if joined:
        evidence = Evidence(now, source, wording, network)
        record(session, ConsentAction.JOINED, subscriber_id, list_id, evidence)
    return joined
