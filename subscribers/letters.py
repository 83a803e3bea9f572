"""The mails that readers are owed for what they did: welcome, goodbye. Functions work in the caller's transaction.

As with confirmations: a letter is claimed, then sent; what surely was not sent is given back. One that has waited for a
day, or whose reader has done something else since, is not sent any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, delete, select, update

from subscribers.confirmations import next_try
from subscribers.consent import can_undo_leaving, subscription
from subscribers.inserts import insert_missing
from subscribers.models import Letter, LetterKind, Subscriber, Subscription, SubscriptionState
from subscribers.suppression import is_suppressed

#: A letter that could not be sent for so long is out of place.
WITHIN = timedelta(days=1)
#: In so long a reader gets at most one letter of a kind for a subscription. Who holds a forwarded mail's preferences
#: link can join and leave for its reader, again and again, and no more mails may come of it (threat 11).
APART = timedelta(days=7)
#: Where a reader has to stand with the list for the letter to be right.
_STATE = {LetterKind.WELCOME: SubscriptionState.CONFIRMED, LetterKind.GOODBYE: SubscriptionState.LEFT}


@dataclass(frozen=True)
class OwedLetter:
    """A letter that may be sent now, to whom and how. Without a name: a stranger may have typed it (threat 11).

    `language` is "" for that of the list's edition.
    """

    id: int
    kind: LetterKind
    subscription_id: int
    list_id: int
    address: str
    caused_at: datetime
    language: str
    text_only: bool


def owe(session: Session, kind: LetterKind, subscription_id: int) -> bool:
    """Take down that a reader is owed a letter for what they have just done; return False when nothing was.

    That is so when it was taken down before, when they got one of the kind less than APART ago, and when they dropped a
    request that was never confirmed: nothing but the confirmation may be sent for one.
    """
    row = subscription(session, subscription_id)
    if row is None or row.state is not _STATE[kind] or _was_sent_lately(session, kind, row):
        return False
    if kind is LetterKind.GOODBYE and not can_undo_leaving(session, subscription_id=row.id, left_at=row.changed_at):
        return False
    new = {"subscription_id": row.id, "kind": kind, "caused_at": row.changed_at, "tries": 0}
    return bool(insert_missing(session, Letter, [new], unique=["subscription_id", "kind", "caused_at"]))


def awaiting(session: Session, limit: int, now: datetime) -> list[OwedLetter]:
    """Return at most `limit` letters that may be sent now: those never tried first, first come first."""
    query = (
        select(Letter, Subscription, Subscriber)
        .join(Subscription, col(Subscription.id) == col(Letter.subscription_id))
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .where(*_due(now), _still_right(), ~is_suppressed(col(Subscriber.address_key)))
        .order_by(col(Letter.not_before).nulls_first(), col(Letter.caused_at), col(Letter.id))
        .limit(limit)
    )
    return [_owed(*rows) for rows in session.exec(query)]


def _owed(letter: Letter, at: Subscription, person: Subscriber) -> OwedLetter:
    return OwedLetter(
        id=letter.id,
        kind=letter.kind,
        subscription_id=at.id,
        list_id=at.list_id,
        address=person.address,
        caused_at=letter.caused_at,
        language=person.language,
        text_only=person.text_only,
    )


def claim(session: Session, letter_id: int, now: datetime) -> bool:
    """Claim the sending of a letter, before it is sent; of several workers one gets True.

    False also when the reader has done something else meanwhile or was suppressed, or the letter was put off.
    """
    right = (
        select(Subscription.id)
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .where(col(Subscription.id) == col(Letter.subscription_id), _still_right())
        .where(~is_suppressed(col(Subscriber.address_key)))
        .exists()
    )
    return _change(session, and_(col(Letter.id) == letter_id, *_due(now), right), sent_at=now)


def give_back(session: Session, letter_id: int, claimed_at: datetime) -> None:
    """Give back a letter that was claimed at `claimed_at` and surely was not sent; a newer claim stays."""
    _change(session, _claimed(letter_id, claimed_at), sent_at=None)


def put_off(session: Session, letter_id: int, claimed_at: datetime) -> bool:
    """Give back a letter that the reader's server did not take, to be tried again later.

    Returns False when that was the last try: the letter stays marked as sent.
    """
    letter = session.get_one(Letter, letter_id)
    not_before = next_try(letter.tries + 1, claimed_at)
    later = {"sent_at": None, "not_before": not_before} if not_before else {}
    claimed = _change(session, _claimed(letter_id, claimed_at), tries=letter.tries + 1, **later)
    return not_before is not None or not claimed


def drop(session: Session, letter_id: int) -> bool:
    """Let a letter go that nobody can or wants to send any more; return False when it is claimed or gone."""
    unclaimed = (col(Letter.id) == letter_id, col(Letter.sent_at).is_(None))
    return session.exec(delete(Letter).where(*unclaimed)).rowcount == 1


def _was_sent_lately(session: Session, kind: LetterKind, row: Subscription) -> bool:
    """Tell whether a letter of the kind was sent less than APART before the reader's last change."""
    same = (Letter.subscription_id == row.id, Letter.kind == kind)
    lately = col(Letter.sent_at) > row.changed_at - APART
    return session.exec(select(Letter.id).where(*same, lately).limit(1)).first() is not None


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    not_before = col(Letter.not_before)
    fresh = col(Letter.caused_at) > now - WITHIN
    return col(Letter.sent_at).is_(None), fresh, or_(not_before.is_(None), not_before <= now)


def _still_right() -> ColumnElement[bool]:
    """Tell that the reader has done nothing since on this list."""
    kinds = [and_(col(Letter.kind) == kind, col(Subscription.state) == state) for kind, state in _STATE.items()]
    return and_(col(Subscription.changed_at) == col(Letter.caused_at), or_(*kinds))


def _claimed(letter_id: int, claimed_at: datetime) -> ColumnElement[bool]:
    return and_(col(Letter.id) == letter_id, col(Letter.sent_at) == claimed_at)


def _change(session: Session, where: ColumnElement[bool], **values: object) -> bool:
    statement = update(Letter).where(where).values(**values)
    return session.exec(statement, execution_options={"synchronize_session": "fetch"}).rowcount == 1
