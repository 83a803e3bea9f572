"""One reader put on a list by an admin, who says where they agreed. Works inside the caller's transaction.

The same rules as for a file: who left stays out, who is suppressed or was erased is not added.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select, update

from subscribers.addresses import Address, one_line
from subscribers.errors import SubscriberError
from subscribers.hashes import KeyedHash
from subscribers.inserts import insert_missing
from subscribers.models import (
    Consent,
    ConsentAction,
    MailingList,
    Subscriber,
    Subscription,
    SubscriptionState,
    SuppressionReason,
)
from subscribers.suppression import find, find_known


class NotAdded(SubscriberError):
    """A reader cannot be put on a list by somebody else."""


def add_reader(
    session: Session,
    address: Address,
    mailing_list: MailingList,
    *,
    name: str,
    consent: str,
    source: str,
    now: datetime,
    hashes: KeyedHash | None = None,
) -> tuple[int, bool]:
    """Put a reader on a list, and return their id and whether they were not on it before.

    `consent` says where they agreed; it and `source` become evidence. A name that is known is not changed. Raises
    NotAdded for who left the list, who is suppressed, with `hashes` for who was erased, and without a statement.
    """
    statement = one_line(consent, len(consent))
    if not statement:
        raise NotAdded("Say with --consent where and when this reader agreed; it is kept as evidence.")
    suppressed = find_known(session, address.key, hashes) if hashes else find(session, address.key)
    if suppressed and suppressed.reason is SuppressionReason.ERASED:
        raise NotAdded(
            f"{address.typed} was erased on {suppressed.at:%Y-%m-%d}, at the reader's wish, and stays out; only they "
            "can come back, with the sign-up form."
        )
    if suppressed:
        raise NotAdded(
            f"{address.typed} is blocked since {suppressed.at:%Y-%m-%d} ({suppressed.reason}) and stays out. "
            "`newsletter subscriber unblock` lifts that."
        )
    row = {"address": address.typed, "address_key": address.key, "name": one_line(name), "created_at": now}
    insert_missing(session, Subscriber, [row], unique=["address_key"])
    reader_id = session.exec(select(Subscriber.id).where(Subscriber.address_key == address.key)).one()
    joined = _join(session, reader_id, mailing_list, now)
    if joined:
        session.add(
            Consent(
                subscriber_id=reader_id,
                list_id=mailing_list.id,
                action=ConsentAction.IMPORTED,
                at=now,
                source=source,
                wording=statement,
            )
        )
        session.flush()
    return reader_id, joined


def _join(session: Session, subscriber_id: int, mailing_list: MailingList, now: datetime) -> bool:
    """Make a reader confirmed who is new to the list or waits for it. Raises NotAdded for one who left."""
    confirmed = SubscriptionState.CONFIRMED
    new = {
        "subscriber_id": subscriber_id,
        "list_id": mailing_list.id,
        "state": confirmed,
        "requested_at": now,
        "changed_at": now,
        "confirmation_sent_at": None,
        "confirmation_tries": 0,
    }
    if insert_missing(session, Subscription, [new], unique=["subscriber_id", "list_id"]):
        return True
    mine = (col(Subscription.subscriber_id) == subscriber_id, col(Subscription.list_id) == mailing_list.id)
    waits = col(Subscription.state) == SubscriptionState.PENDING
    changed = session.exec(update(Subscription).where(*mine, waits).values(state=confirmed, changed_at=now))
    if changed.rowcount:
        return True
    found = session.exec(select(Subscription.state, Subscription.changed_at).where(*mine)).one()
    if found[0] is SubscriptionState.LEFT:
        raise NotAdded(
            f"This reader left {mailing_list.slug} on {found[1]:%Y-%m-%d} and stays out; only they can come back, "
            "with the sign-up form."
        )
    return False
