"""Who must never be written to, and so who may. Every function works inside the caller's transaction.

A suppression belongs to an address, not to a list, and stays when its reader is gone.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, label
from sqlalchemy import select as select_columns
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, delete, select

from subscribers.addresses import one_line
from subscribers.inserts import insert_missing
from subscribers.models import MailingList, Subscriber, Subscription, SubscriptionState, Suppression, SuppressionReason

_NOTE_LIMIT = 500


def suppress(session: Session, key: str, reason: SuppressionReason, note: str, now: datetime) -> bool:
    """Never write to the address with this key again; return False when that was so already.

    The first reason and its time stay: they are what explains the mails that were not sent. The reader's row is locked:
    who is just being claimed for a mail is suppressed after it.
    """
    session.exec(select(Subscriber.id).where(Subscriber.address_key == key).with_for_update()).all()
    row = {"address_key": key, "reason": reason, "note": one_line(note, _NOTE_LIMIT), "at": now}
    return bool(insert_missing(session, Suppression, [row], unique=["address_key"]))


def lift(session: Session, key: str) -> bool:
    """Allow mail to the address again; return False when it was not suppressed."""
    return session.exec(delete(Suppression).where(col(Suppression.address_key) == key)).rowcount == 1


def find(session: Session, key: str) -> Suppression | None:
    """Return why and since when the address is suppressed, or None."""
    return session.exec(select(Suppression).where(Suppression.address_key == key)).one_or_none()


def is_suppressed(address_key: Mapped[str]) -> ColumnElement[bool]:
    """Return the condition that the key in a column, such as `col(Subscriber.address_key)`, is suppressed."""
    return exists().where(col(Suppression.address_key) == address_key)


def may_receive(list_id: int) -> Select[int, str, str, int, datetime]:
    """Return the query for everybody who may be sent an issue: confirmed on the list, and not suppressed.

    Nobody may on an archived list. Its columns: subscriber_id, address, name, subscription_id, and since when the
    reader is on the list (since).
    """
    return (
        select_columns(
            label("subscriber_id", col(Subscriber.id)),
            col(Subscriber.address),
            col(Subscriber.name),
            label("subscription_id", col(Subscription.id)),
            label("since", col(Subscription.changed_at)),
        )
        .join(Subscription, col(Subscription.subscriber_id) == col(Subscriber.id))
        .where(
            col(Subscription.list_id) == list_id,
            col(Subscription.state) == SubscriptionState.CONFIRMED,
            ~is_suppressed(col(Subscriber.address_key)),
            exists().where(col(MailingList.id) == list_id, col(MailingList.archived_at).is_(None)),
        )
    )
