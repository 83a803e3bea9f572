"""What waits to be confirmed with one link: a form's leading subscription, and those that were asked for with it.

A link is about a form, and names its leading subscription and when it was sent. It stays good for whatever of the form
still waits, also when the leading one was joined or left meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from subscribers.consent.rows import subscription, within_second
from subscribers.models import Subscription, SubscriptionState
from subscribers.tokens import CONFIRM_WITHIN


def waiting_with(session: Session, subscription_id: int, requested_at: datetime) -> list[Subscription]:
    """Return what still waits of the form that a subscription leads and that was sent in the second `requested_at`."""
    mine, with_it = col(Subscription.id) == subscription_id, col(Subscription.asked_with)
    leading = and_(mine, with_it.is_(None))
    waits = (
        or_(leading, with_it == subscription_id),
        col(Subscription.state) == SubscriptionState.PENDING,
        *within_second(col(Subscription.requested_at), requested_at),
    )
    found = select(Subscription).where(*waits).order_by(~mine, col(Subscription.id))
    return list(session.exec(found, execution_options={"populate_existing": True}))


def form_waits() -> ColumnElement[bool]:
    """Tell that something of the form that a subscription leads waits to be confirmed: itself, or what came with it."""
    other = aliased(Subscription)
    with_it = exists().where(
        col(other.asked_with) == col(Subscription.id),
        col(other.requested_at) == col(Subscription.requested_at),
        col(other.state) == SubscriptionState.PENDING,
    )
    itself = col(Subscription.state) == SubscriptionState.PENDING
    return and_(col(Subscription.asked_with).is_(None), or_(itself, with_it))


def is_live(row: Subscription, now: datetime) -> bool:
    """Tell whether a subscription waits for a link that still works."""
    return row.state is SubscriptionState.PENDING and row.requested_at >= now - CONFIRM_WITHIN


def open_form(session: Session, rows: Iterable[Subscription], now: datetime) -> Subscription | None:
    """Return the leading subscription of the latest form of a reader whose link still works; None without one."""
    leading = {row.asked_with or row.id: row for row in rows if is_live(row, now)}
    latest = max(leading, key=lambda one: leading[one].requested_at, default=None)
    return subscription(session, latest) if latest is not None else None
