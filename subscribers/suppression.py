"""Who must never be written to, and so who may. Every function works inside the caller's transaction.

A suppression belongs to an address, not to a list, and stays when its reader is gone. Of somebody who was erased only a
keyed hash of the address is left: whoever looks up an address without a row of its own has to look for the hash, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, label, or_, true
from sqlalchemy import select as select_columns
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, delete, select, update

from subscribers.addresses import one_line
from subscribers.hashes import KeyedHash
from subscribers.inserts import insert_missing
from subscribers.models import MailingList, Subscriber, Subscription, SubscriptionState, Suppression, SuppressionReason

_NOTE_LIMIT = 500


def suppress(  # noqa: PLR0917 - in the order of the row
    session: Session, key: str, reason: SuppressionReason, note: str, now: datetime, hashes: KeyedHash | None = None
) -> bool:
    """Never write to the address with this key again; return False when that was so already.

    The first reason and its time stay: they are what explains the mails that were not sent. The reader's row is locked:
    who is just being claimed for a mail is suppressed after it. With `hashes` the address of somebody who was erased is
    not stored again: their hash gets the reason.
    """
    if hashes and _bar_erased(session, hashes.each(key), reason, now):
        return True
    if hashes and find_known(session, key, hashes):
        return False
    session.exec(select(Subscriber.id).where(Subscriber.address_key == key).with_for_update()).all()
    row = {"address_key": key, "reason": reason, "note": one_line(note, _NOTE_LIMIT), "at": now}
    return bool(insert_missing(session, Suppression, [row], unique=["address_key"]))


def lift(session: Session, key: str, hashes: KeyedHash | None = None) -> bool:
    """Allow mail to the address again; return False when it was not suppressed.

    With `hashes` that of somebody who was erased loses its reason, too, and stays: an import must not bring them back.
    """
    lifted = session.exec(delete(Suppression).where(col(Suppression.address_key) == key)).rowcount > 0
    if hashes is None:
        return lifted
    mine = col(Suppression.address_key).in_(hashes.each(key))
    barred = update(Suppression).where(mine, col(Suppression.reason) != SuppressionReason.ERASED)
    return session.exec(barred.values(reason=SuppressionReason.ERASED, note="")).rowcount > 0 or lifted


def find(session: Session, key: str) -> Suppression | None:
    """Return why and since when the address is suppressed, or None. A hash of it is not looked for."""
    return session.exec(select(Suppression).where(Suppression.address_key == key)).one_or_none()


def find_known(session: Session, key: str, hashes: KeyedHash) -> Suppression | None:
    """Return what is kept against an address, under the address or under a hash of it, or None.

    Of several the one that keeps more away: an erased reader's own entry comes last.
    """
    keys = [key, *hashes.each(key)]
    found = session.exec(select(Suppression).where(col(Suppression.address_key).in_(keys))).all()
    return min(found, key=lambda row: row.reason is SuppressionReason.ERASED, default=None)


def is_barred(session: Session, key: str, hashes: KeyedHash) -> bool:
    """Tell whether who types this address may not sign up: it is suppressed, or was when its reader was erased.

    Who was erased and nothing else may come back; see `forget_erased`.
    """
    found = find_known(session, key, hashes)
    return found is not None and found.reason is not SuppressionReason.ERASED


def forget_erased(session: Session, key: str, hashes: KeyedHash) -> bool:
    """Take away what keeps imports from bringing an erased reader back, once they confirmed that they want to be.

    Returns False when there was nothing.
    """
    mine = col(Suppression.address_key).in_(hashes.each(key))
    erased = col(Suppression.reason) == SuppressionReason.ERASED
    return session.exec(delete(Suppression).where(mine, erased)).rowcount > 0


def give_up(session: Session, key: str, hashes: KeyedHash, now: datetime) -> bool:
    """Let a keyed hash keep out an address that its reader has no more, so that no import brings it back.

    What was kept against it stays under the hash. Returns True when there was such a thing: nothing may be sent there.
    """
    each = hashes.each(key)
    if (clear := find(session, key)) is not None:
        session.exec(delete(Suppression).where(col(Suppression.address_key).in_(each)))
        clear.address_key, clear.note = each[0], ""
        session.flush()
        return True
    kept = session.exec(select(Suppression).where(col(Suppression.address_key).in_(each))).all()
    if not kept:
        row = {"address_key": each[0], "reason": SuppressionReason.ERASED, "note": "", "at": now}
        insert_missing(session, Suppression, [row], unique=["address_key"])
    return any(row.reason is not SuppressionReason.ERASED for row in kept)


def take_up(session: Session, key: str, hashes: KeyedHash) -> None:
    """Forget that an address, which is a reader's from now on, was given up or erased.

    What else was kept against it under a hash stands under the address again: that is what sending looks for.
    """
    forget_erased(session, key, hashes)
    if find(session, key) is None:
        mine = col(Suppression.address_key).in_(hashes.each(key))
        if (kept := session.exec(select(Suppression).where(mine).limit(1)).first()) is not None:
            kept.address_key = key
            session.flush()


def _bar_erased(session: Session, keys: Sequence[str], reason: SuppressionReason, now: datetime) -> bool:
    """Give a reason to the hash of somebody who was erased; return False when there is none without."""
    erased = (col(Suppression.address_key).in_(keys), col(Suppression.reason) == SuppressionReason.ERASED)
    return session.exec(update(Suppression).where(*erased).values(reason=reason, at=now)).rowcount > 0


def is_suppressed(address_key: Mapped[str]) -> ColumnElement[bool]:
    """Return the condition that the key in a column, such as `col(Subscriber.address_key)`, is suppressed."""
    return exists().where(col(Suppression.address_key) == address_key)


def may_receive(list_id: int, at: datetime | None) -> Select[int, str, str, int, datetime, bool]:
    """Return the query for everybody who may be sent an issue `at` a time: confirmed, not suppressed, and not pausing.

    Nobody may on an archived list, and nobody who was erased. Without a time, pauses are left aside. Its columns:
    subscriber_id, address, name, subscription_id, since when the reader is on the list (since), and whether they want
    text alone (text_only).
    """
    paused_until = col(Subscriber.paused_until)
    not_pausing = true() if at is None else or_(paused_until.is_(None), paused_until <= at)
    return (
        select_columns(
            label("subscriber_id", col(Subscriber.id)),
            col(Subscriber.address),
            col(Subscriber.name),
            label("subscription_id", col(Subscription.id)),
            label("since", col(Subscription.changed_at)),
            col(Subscriber.text_only),
        )
        .join(Subscription, col(Subscription.subscriber_id) == col(Subscriber.id))
        .where(
            col(Subscription.list_id) == list_id,
            col(Subscription.state) == SubscriptionState.CONFIRMED,
            ~is_suppressed(col(Subscriber.address_key)),
            not_pausing,
            col(Subscriber.erased_at).is_(None),
            exists().where(col(MailingList.id) == list_id, col(MailingList.archived_at).is_(None)),
        )
    )
