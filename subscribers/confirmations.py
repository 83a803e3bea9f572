"""The confirmation mails that wait to be sent. Every function works inside the caller's transaction.

A mail is claimed, then sent; what surely was not sent is given back. A server that puts its mail off is asked again
later and later, so that it holds up nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlmodel import Session, col, select

from subscribers.consent import change_subscription, subscription
from subscribers.models import Subscriber, Subscription, SubscriptionState
from subscribers.suppression import is_suppressed
from subscribers.tokens import CONFIRM_WITHIN

#: How often a confirmation mail is sent to a server that puts it off or refuses it.
TRIES = 5
#: The wait after the first of these tries; it doubles with each.
FIRST_WAIT = timedelta(minutes=5)


@dataclass(frozen=True)
class Waiting:
    """A reader who is owed a confirmation mail. Without a name: a stranger may have typed it (threat 11)."""

    subscription_id: int
    list_id: int
    address: str
    requested_at: datetime


def awaiting(session: Session, limit: int, now: datetime) -> list[Waiting]:
    """Return at most `limit` readers whose confirmation mail may be sent now.

    First those it was never tried for, first come first; then the others, by when they may be tried again. Left out are
    requests so old that the mail's link would not work.
    """
    rows = session.exec(
        select(Subscription, Subscriber)
        .where(Subscription.subscriber_id == Subscriber.id, *_owed_a_mail(now))
        .where(col(Subscription.requested_at) >= now - CONFIRM_WITHIN)
        .where(~is_suppressed(col(Subscriber.address_key)))
        .order_by(
            col(Subscription.confirmation_not_before).nulls_first(),
            col(Subscription.requested_at),
            col(Subscription.id),
        )
        .limit(limit)
    )
    return [
        Waiting(waiting.id, waiting.list_id, subscriber.address, waiting.requested_at) for waiting, subscriber in rows
    ]


def claim(session: Session, subscription_id: int, now: datetime) -> bool:
    """Claim the sending of a confirmation mail, before it is sent; of several workers one gets True.

    False also when the reader has left, has confirmed or was suppressed meanwhile, or the mail was put off.
    """
    suppressed = exists().where(
        col(Subscriber.id) == col(Subscription.subscriber_id), is_suppressed(col(Subscriber.address_key))
    )
    return change_subscription(
        session,
        and_(col(Subscription.id) == subscription_id, *_owed_a_mail(now), ~suppressed),
        confirmation_sent_at=now,
    )


def give_back(session: Session, subscription_id: int, claimed_at: datetime) -> None:
    """Give back a confirmation mail that was claimed at `claimed_at` and surely was not sent; a newer claim stays."""
    change_subscription(session, _claimed(subscription_id, claimed_at), confirmation_sent_at=None)


def put_off(session: Session, subscription_id: int, claimed_at: datetime, now: datetime) -> bool:
    """Give back a confirmation mail that the reader's server did not take, to be tried again later.

    Returns False when that was the last of TRIES: the mail stays marked as sent, until they ask again.
    """
    row = subscription(session, subscription_id)
    tries = row.confirmation_tries + 1 if row else 1
    not_before = next_try(tries, now)
    later = {"confirmation_sent_at": None, "confirmation_not_before": not_before} if not_before else {}
    claimed = change_subscription(session, _claimed(subscription_id, claimed_at), confirmation_tries=tries, **later)
    return not_before is not None or not claimed


def next_try(tries: int, now: datetime) -> datetime | None:
    """Return when a confirmation mail that failed for the `tries`th time may be tried again; None for never. Pure."""
    return now + FIRST_WAIT * 2 ** (tries - 1) if tries < TRIES else None


def _owed_a_mail(now: datetime) -> tuple[ColumnElement[bool], ...]:
    unsent = col(Subscription.confirmation_sent_at).is_(None)
    not_before = col(Subscription.confirmation_not_before)
    return col(Subscription.state) == SubscriptionState.PENDING, unsent, or_(not_before.is_(None), not_before <= now)


def _claimed(subscription_id: int, claimed_at: datetime) -> ColumnElement[bool]:
    return and_(
        col(Subscription.id) == subscription_id,
        col(Subscription.state) == SubscriptionState.PENDING,
        col(Subscription.confirmation_sent_at) == claimed_at,
    )
