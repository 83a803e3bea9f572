"""What need not be kept any more: requests never confirmed, places of dead addresses, details of who is on no list.

Evidence stays, and so does who left: an import still keeps them out. Every function works inside the caller's
transaction, on at most `limit` rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, insert, literal, or_, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, func

from subscribers.columns import UtcDateTime, word_type
from subscribers.inserts import insert_missing
from subscribers.models import (
    Consent,
    ConsentAction,
    FieldValue,
    Letter,
    ReaderRequest,
    Subscriber,
    SubscriberTag,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
)
from subscribers.suppression import is_suppressed

#: After so many days a request that nobody confirmed is not kept any more; its link works for less long.
PENDING_DAYS = 30
#: Rows of one transaction.
BATCH = 5_000
_ROWS = 10_000
_SOURCE = "cleaned: the address bounced"


class Kind(StrEnum):
    """What can be cleaned."""

    #: Requests that were not confirmed in time: dropped. Who had left before stands as left again.
    PENDING = "pending"
    #: Places on lists of readers whose address bounced: they are taken off.
    BOUNCED = "bounced"
    #: Name, tags and fields of readers who are on no list and wait for none: forgotten.
    LISTLESS = "listless"


def counts(session: Session, now: datetime, pending_days: int = PENDING_DAYS) -> dict[Kind, int]:
    """Return how much of each kind there is."""
    queries = {
        Kind.PENDING: select_columns(func.count())
        .select_from(Subscription)
        .where(_pending(now - timedelta(days=pending_days))),
        Kind.BOUNCED: select_columns(func.count()).select_from(Subscription).where(_bounced()),
        Kind.LISTLESS: select_columns(func.count()).select_from(Subscriber).where(_listless()),
    }
    return {kind: int(session.execute(query).scalar_one()) for kind, query in queries.items()}


def clean(session: Session, kind: Kind, now: datetime, pending_days: int = PENDING_DAYS, limit: int = BATCH) -> int:
    """Clean at most `limit` of a kind and return how many; 0 when there is nothing left."""
    return _DO[kind](session, now, pending_days, limit)


def pending(session: Session, asked_before: datetime, after: int, limit: int) -> Sequence[int]:
    """Return at most `limit` subscriptions, by number from behind `after`, asked for before that time and waiting."""
    query = select_columns(col(Subscription.id)).where(col(Subscription.id) > after, _pending(asked_before))
    return session.execute(query.order_by(col(Subscription.id)).limit(limit)).scalars().all()


def still_pending(session: Session, ids: Sequence[int], asked_before: datetime) -> list[int]:
    """Return those of the subscriptions that still wait, locked."""
    return _first(session, col(Subscription.id), and_(col(Subscription.id).in_(ids), _pending(asked_before)), len(ids))


def drop_pending(session: Session, ids: Sequence[int], now: datetime) -> None:
    """Drop requests that wait, with what hangs on them; of who had left the list before, they stand as left again."""
    mine = col(Subscription.id).in_(ids)
    same = (
        col(Consent.subscriber_id) == col(Subscription.subscriber_id),
        col(Consent.list_id) == col(Subscription.list_id),
    )
    had_left = exists().where(*same, col(Consent.action) == ConsentAction.LEFT)
    connection = session.connection()
    as_left = {"state": SubscriptionState.LEFT, "changed_at": now, "asked_with": None, "answers": None}
    connection.execute(update(Subscription).where(mine, had_left).values(as_left))
    gone = and_(mine, col(Subscription.state) == SubscriptionState.PENDING)
    of_them = select_columns(col(Subscription.id)).where(gone)
    for hanging in (Letter, ReaderRequest):
        connection.execute(delete(hanging).where(col(hanging.subscription_id).in_(of_them)))
    connection.execute(delete(Subscription).where(gone))


def domains(session: Session) -> dict[str, int]:
    """Return how many readers, on a list or waiting for one and not suppressed, have an address at each domain."""
    key, counts = col(Subscriber.address_key), Counter[str]()
    query = select_columns(key).where(_written_to()).execution_options(yield_per=_ROWS)
    for rows in session.execute(query).scalars().partitions():
        counts.update(one.rpartition("@")[2] for one in rows)
    return dict(counts)


def suppress_domain(session: Session, domain: str, note: str, now: datetime) -> int:
    """Suppress every reader at a domain that takes no mail, as bounced; return how many were not before."""
    key = col(Subscriber.address_key)
    query = select_columns(key).where(key.endswith(f"@{domain}", autoescape=True), _written_to())
    keys = session.execute(query.order_by(col(Subscriber.id)).with_for_update()).scalars().all()
    rows = [{"address_key": one, "reason": SuppressionReason.BOUNCE, "note": note, "at": now} for one in keys]
    return len(insert_missing(session, Suppression, rows, unique=["address_key"]))


def _written_to() -> ColumnElement[bool]:
    on = exists().where(
        col(Subscription.subscriber_id) == col(Subscriber.id), col(Subscription.state) != SubscriptionState.LEFT
    )
    return and_(on, ~is_suppressed(col(Subscriber.address_key)))


def _clean_pending(session: Session, now: datetime, pending_days: int, limit: int) -> int:
    ids = _first(session, col(Subscription.id), _pending(now - timedelta(days=pending_days)), limit)
    drop_pending(session, ids, now)
    return len(ids)


def _clean_bounced(session: Session, now: datetime, _: int, limit: int) -> int:
    ids = _first(session, col(Subscription.id), _bounced(), limit)
    mine = col(Subscription.id).in_(ids)
    evidence = select_columns(
        col(Subscription.subscriber_id),
        col(Subscription.list_id),
        literal(ConsentAction.LEFT, word_type(ConsentAction)),
        literal(now, UtcDateTime()),
        literal(_SOURCE),
        literal(""),
        literal(""),
    ).where(mine)
    columns = ["subscriber_id", "list_id", "action", "at", "source", "wording", "network"]
    session.connection().execute(insert(Consent).from_select(columns, evidence))
    as_left = {"state": SubscriptionState.LEFT, "changed_at": now, "asked_with": None, "answers": None}
    session.connection().execute(update(Subscription).where(mine).values(as_left))
    return len(ids)


def _clean_listless(session: Session, now: datetime, _: int, limit: int) -> int:  # noqa: ARG001 - as the others
    ids = _first(session, col(Subscriber.id), _listless(), limit)
    connection = session.connection()
    connection.execute(delete(SubscriberTag).where(col(SubscriberTag.subscriber_id).in_(ids)))
    connection.execute(delete(FieldValue).where(col(FieldValue.subscriber_id).in_(ids)))
    connection.execute(update(Subscriber).where(col(Subscriber.id).in_(ids)).values(name=""))
    return len(ids)


_DO: dict[Kind, Callable[[Session, datetime, int, int], int]] = {
    Kind.PENDING: _clean_pending,
    Kind.BOUNCED: _clean_bounced,
    Kind.LISTLESS: _clean_listless,
}


def _first(session: Session, ids: Any, condition: ColumnElement[bool], limit: int) -> list[int]:
    """Return the first ids of those that meet a condition, locked, so that nobody confirms or leaves meanwhile."""
    query = select_columns(ids).where(condition).order_by(ids).limit(limit).with_for_update()
    return list(session.execute(query).scalars())


def _pending(asked_before: datetime) -> ColumnElement[bool]:
    old = col(Subscription.requested_at) < asked_before
    return and_(col(Subscription.state) == SubscriptionState.PENDING, old)


def _bounced() -> ColumnElement[bool]:
    dead = exists().where(
        col(Subscriber.id) == col(Subscription.subscriber_id),
        col(Suppression.address_key) == col(Subscriber.address_key),
        col(Suppression.reason) == SuppressionReason.BOUNCE,
    )
    return and_(col(Subscription.state) != SubscriptionState.LEFT, dead)


def _listless() -> ColumnElement[bool]:
    """Return the condition that a reader is on no list and waits for none, and that there is something to forget."""
    mine = col(Subscription.subscriber_id) == col(Subscriber.id)
    tagged = exists().where(col(SubscriberTag.subscriber_id) == col(Subscriber.id))
    said = exists().where(col(FieldValue.subscriber_id) == col(Subscriber.id))
    known = or_(col(Subscriber.name) != "", tagged, said)
    return and_(~exists().where(mine, col(Subscription.state) != SubscriptionState.LEFT), known)
