"""Readers found by a part of their address or name, page by page. Works inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from subscribers.models import MailingList, Subscriber, SubscriberTag, Subscription, SubscriptionState, Tag
from subscribers.segments import Readers


@dataclass(frozen=True)
class Found:
    """One reader: where they stand with which list, by its short name, and their tags; both in order of their names."""

    id: int
    address: str
    #: What the next page begins behind.
    address_key: str
    name: str
    created_at: datetime
    lists: dict[str, SubscriptionState]
    tags: tuple[str, ...]


def find(
    session: Session, text: str = "", readers: Readers | None = None, *, limit: int, after: str = ""
) -> list[Found]:
    """Return at most `limit` readers by their address, beginning behind the key `after`.

    Those with `text` in their address or name, whatever its capitals; of `readers`, a query for ids, where it is given.
    Who was erased is nobody.
    """
    query = select(Subscriber).where(col(Subscriber.address_key) > after, col(Subscriber.erased_at).is_(None))
    if text:
        query = query.where(_has(text))
    if readers is not None:
        meant = readers.subquery()
        query = query.where(col(Subscriber.id).in_(select_columns(meant.c.reader_id)))
    rows = session.exec(query.order_by(col(Subscriber.address_key)).limit(limit)).all()
    ids = [row.id for row in rows]
    lists, tags = _lists(session, ids), _tags(session, ids)
    return [
        Found(row.id, row.address, row.address_key, row.name, row.created_at, lists[row.id], tuple(tags[row.id]))
        for row in rows
    ]


def _has(text: str) -> ColumnElement[bool]:
    """Return the condition that an address or name has the text in it.

    SQLite knows capitals of a to z alone; for other letters the usual spellings are looked for.
    """
    spellings = dict.fromkeys((text, text.lower(), text.upper(), text.title(), text.capitalize()))
    names = (col(Subscriber.name).icontains(one, autoescape=True) for one in spellings)
    return or_(col(Subscriber.address_key).contains(text.lower(), autoescape=True), *names)


def _lists(session: Session, ids: list[int]) -> dict[int, dict[str, SubscriptionState]]:
    query = (
        select(Subscription.subscriber_id, MailingList.slug, Subscription.state)
        .join(MailingList, col(MailingList.id) == Subscription.list_id)
        .where(col(Subscription.subscriber_id).in_(ids))
        .order_by(MailingList.slug)
    )
    found: dict[int, dict[str, SubscriptionState]] = defaultdict(dict)
    for reader, slug, stands in session.exec(query):
        found[reader][slug] = SubscriptionState(stands)
    return found


def _tags(session: Session, ids: list[int]) -> dict[int, list[str]]:
    query = (
        select(SubscriberTag.subscriber_id, Tag.name)
        .join(Tag, col(Tag.id) == SubscriberTag.tag_id)
        .where(col(SubscriberTag.subscriber_id).in_(ids))
        .order_by(Tag.name)
    )
    tags: dict[int, list[str]] = defaultdict(list)
    for reader, name in session.exec(query):
        tags[reader].append(name)
    return tags
