"""Whom an export or an erasure is about: found by the address, with everything that other tables know them by."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.models import Delivery, Issue, ReportedEvent
from subscribers.hashes import KeyedHash, is_hash
from subscribers.models import ReaderRequest, Subscriber, Subscription
from subscribers.personal import Person


def person_with(session: Session, key: str, hashes: KeyedHash) -> Person:
    """Return the person whose address has this key, a reader or not.

    Reports that name no mail of ours have only the address: all of them are looked through, seconds for millions.
    """
    subscriber_id = session.exec(select(Subscriber.id).where(Subscriber.address_key == key)).first() or 0
    keys = [key, *(_old_keys(session, subscriber_id, key) if subscriber_id else ())]
    events = tuple(_events(session, keys))
    return Person(subscriber_id, key, {one: hashes.each(one) for one in keys}, {"event": events})


def _old_keys(session: Session, subscriber_id: int, key: str) -> list[str]:
    """Return other addresses that this reader was written to at, unless they are somebody else's by now.

    Those are told by the mails that went there, and by the request to be written to at another one: once its link was
    used, it has the address of before. Before that it has one that nobody has proved to be theirs.
    """
    issues = select(Issue.id).where(Issue.expected > 0)
    used = func.lower(col(Delivery.address))
    mails = select(used).where(col(Delivery.issue_id).in_(issues), Delivery.subscriber_id == subscriber_id)
    left = (
        select(func.lower(col(ReaderRequest.address)))
        .join(Subscription, col(Subscription.id) == col(ReaderRequest.subscription_id))
        .where(Subscription.subscriber_id == subscriber_id, col(ReaderRequest.done_at).is_not(None))
    )
    found = {*session.exec(mails.distinct()), *session.exec(left.distinct())} - {"", key}
    taken = set(session.exec(select(Subscriber.address_key).where(col(Subscriber.address_key).in_(found))))
    return sorted(one for one in found - taken if not is_hash(one))


def _events(session: Session, keys: Collection[str]) -> Collection[int]:
    """Return the reports that are about one of these addresses and say of no mail of ours whose it is."""
    about = func.lower(col(ReportedEvent.address)).in_(keys)
    return session.exec(select(ReportedEvent.id).where(col(ReportedEvent.delivery_id).is_(None), about)).all()
