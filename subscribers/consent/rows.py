"""Subscriptions as they are stored. A change of state is one UPDATE with the state it starts from as its condition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select, update

from subscribers.addresses import Address
from subscribers.inserts import insert_missing
from subscribers.models import Subscriber, Subscription

ONE_SECOND = timedelta(seconds=1)
#: How a confirmation mail stands when it was just asked for.
NEVER_TRIED: Mapping[str, object] = {
    "confirmation_sent_at": None,
    "confirmation_tries": 0,
    "confirmation_not_before": None,
}


def find_subscriber(session: Session, address: Address) -> Subscriber | None:
    """Return the reader with this address, or None."""
    return session.exec(select(Subscriber).where(Subscriber.address_key == address.key)).one_or_none()


def subscription(session: Session, subscription_id: int) -> Subscription | None:
    """Return one subscription as it is stored now, or None."""
    statement = select(Subscription).where(Subscription.id == subscription_id)
    return session.exec(statement, execution_options={"populate_existing": True}).one_or_none()


def lock_reader(session: Session, subscriber_id: int) -> None:
    """Wait until nobody else changes what a reader is on, and keep others waiting until the transaction ends.

    Whoever changes subscriptions locks their reader before them, as erasing does: then nobody waits for somebody who
    waits for them.
    """
    session.exec(select(Subscriber.id).where(Subscriber.id == subscriber_id).with_for_update()).all()


def change_subscription(session: Session, where: ColumnElement[bool], **values: object) -> bool:
    """Update the one subscription that meets the condition; return False when none does."""
    statement = update(Subscription).where(where).values(**values)
    return session.exec(statement, execution_options={"synchronize_session": "fetch"}).rowcount == 1


def subscriptions_of(session: Session, subscriber_id: int) -> list[Subscription]:
    """Return all subscriptions of one reader, left ones too, in the order they were first asked for."""
    statement = select(Subscription).where(Subscription.subscriber_id == subscriber_id)
    in_order = statement.order_by(col(Subscription.id))
    return list(session.exec(in_order, execution_options={"populate_existing": True}))


def within_second(column: Mapped[datetime], at: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that a time is in the second that `at` is in: links carry whole seconds."""
    second = at.replace(microsecond=0)
    return column >= second, column < second + ONE_SECOND


def insert_subscription(
    session: Session, subscriber_id: int, list_id: int, now: datetime, start: Mapping[str, object]
) -> int | None:
    """Add a subscription and return its id; None when there is one."""
    row = {"subscriber_id": subscriber_id, "list_id": list_id, "changed_at": now, **NEVER_TRIED, **start}
    made = insert_missing(session, Subscription, [row], unique=["subscriber_id", "list_id"])
    return made[0] if made else None
