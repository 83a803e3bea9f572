"""The confirmation mails that wait to be sent. Every function works inside the caller's transaction.

A mail is claimed, then sent; what surely was not sent is given back. A server that puts its mail off is asked again
later and later, so that it holds up nobody else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlmodel import Session, col, select

from subscribers.consent import LANGUAGE_ANSWER, change_subscription, form_waits, subscription
from subscribers.models import Subscriber, Subscription, SubscriptionState
from subscribers.suppression import is_suppressed
from subscribers.tokens import CONFIRM_WITHIN

#: How often a confirmation mail is sent to a server that puts it off or refuses it.
TRIES = 5
#: The wait after the first of these tries; it doubles with each.
FIRST_WAIT = timedelta(minutes=5)
#: How many ids one statement asks for; databases have a limit.
_AT_ONCE = 500


@dataclass(frozen=True)
class Waiting:
    """A reader who is owed a confirmation mail. Nothing else that was typed is in it: a stranger may have (threat 11).

    The link is that of `subscription_id`, which leads the form. `list_id` and `further` are the lists that still wait
    for it. `language` is the reader's, or the one chosen on the form among those that there are; "" for the edition's.
    """

    subscription_id: int
    list_id: int
    address: str
    requested_at: datetime
    further: tuple[int, ...] = ()
    language: str = ""


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
    found = list(rows)
    further = _asked_with(session, [waiting.id for waiting, _ in found])
    return [_waiting(leading, reader, further[leading.id]) for leading, reader in found]


def _waiting(leading: Subscription, reader: Subscriber, further: Sequence[tuple[int, datetime]]) -> Waiting:
    lists = [leading.list_id] if leading.state is SubscriptionState.PENDING else []
    lists += [list_id for list_id, at in further if at == leading.requested_at]
    language = reader.language or (leading.answers or {}).get(LANGUAGE_ANSWER, "")
    return Waiting(leading.id, lists[0], reader.address, leading.requested_at, tuple(lists[1:]), language)


def claim(session: Session, subscription_id: int, now: datetime) -> bool:
    """Claim the sending of a confirmation mail, before it is sent; of several workers one gets True.

    False also when nothing of the form waits any more, the reader was suppressed meanwhile, or the mail was put off.
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
    return form_waits(), unsent, or_(not_before.is_(None), not_before <= now)


def _asked_with(session: Session, leading: Sequence[int]) -> Mapping[int, list[tuple[int, datetime]]]:
    """Return, by the subscription they are asked with, the lists that wait for it, each with when it was asked for."""
    found: dict[int, list[tuple[int, datetime]]] = defaultdict(list)
    columns = select(Subscription.asked_with, Subscription.list_id, Subscription.requested_at)
    pending = col(Subscription.state) == SubscriptionState.PENDING
    for start in range(0, len(leading), _AT_ONCE):
        some = col(Subscription.asked_with).in_(leading[start : start + _AT_ONCE])
        for one, list_id, at in session.exec(columns.where(some, pending).order_by(col(Subscription.id))):
            if one is not None:
                found[one].append((list_id, at))
    return found


def _claimed(subscription_id: int, claimed_at: datetime) -> ColumnElement[bool]:
    return and_(
        col(Subscription.id) == subscription_id,
        form_waits(),
        col(Subscription.confirmation_sent_at) == claimed_at,
    )
