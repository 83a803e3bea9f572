"""Whom an export or an erasure is about: found by the address, with everything that other tables know them by."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.models import Delivery, Issue, ReportedEvent
from subscribers.hashes import KeyedHash
from subscribers.models import Subscriber
from subscribers.personal import Person


def person_with(session: Session, key: str, hashes: KeyedHash) -> Person:
    """Return the person whose address has this key, a reader or not.

    Reports that name no mail of ours have only the address: all of them are looked through, seconds for millions.
    """
    subscriber_id = session.exec(select(Subscriber.id).where(Subscriber.address_key == key)).first() or 0
    old_keys = _old_keys(session, subscriber_id, key) if subscriber_id else ()
    first, *others = hashes.each(key)
    events = tuple(_events(session, {key, *old_keys}))
    return Person(subscriber_id, key, first, tuple(others), old_keys, {"event": events})


def _old_keys(session: Session, subscriber_id: int, key: str) -> tuple[str, ...]:
    """Return other addresses that this reader was sent to, unless they are somebody else's by now."""
    issues = select(Issue.id).where(Issue.expected > 0)
    used = func.lower(col(Delivery.address))
    query = select(used).where(col(Delivery.issue_id).in_(issues), Delivery.subscriber_id == subscriber_id)
    found = set(session.exec(query.distinct())) - {"", key}
    taken = set(session.exec(select(Subscriber.address_key).where(col(Subscriber.address_key).in_(found))))
    return tuple(sorted(found - taken))


def _events(session: Session, keys: Collection[str]) -> Collection[int]:
    """Return the reports that are about one of these addresses and say of no mail of ours whose it is."""
    about = func.lower(col(ReportedEvent.address)).in_(keys)
    return session.exec(select(ReportedEvent.id).where(col(ReportedEvent.delivery_id).is_(None), about)).all()
