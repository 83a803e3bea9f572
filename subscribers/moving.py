"""A reader who is written to at another address from now on. Functions work in the caller's transaction.

The link in the mail to the new address proves that it is theirs. Where somebody is known by that address, it is the
same person, twice: the lists of the old one go to the other, and the old one leaves them.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from subscribers import requests
from subscribers.addresses import Address
from subscribers.consent import Evidence, join, leave, record, subscriptions_of
from subscribers.hashes import KeyedHash
from subscribers.lists import is_archived
from subscribers.models import ConsentAction, RequestKind, Subscriber, Subscription, SubscriptionState
from subscribers.preferences import set_monthly
from subscribers.requests import CHANGED, CHANGED_BACK, Asked
from subscribers.suppression import give_up, take_up

__all__ = ["CAME_OVER", "CHANGED", "CHANGED_BACK", "GONE_OVER", "move", "move_back"]

#: What the evidence says. No address stands in it: the rows outlive them.
GONE_OVER = "went over to another address they have here, with the link in a mail to that one"
CAME_OVER = "brought over from another address of theirs, with the link in a mail to this one"


def move(session: Session, asked: Asked, hashes: KeyedHash, evidence: Evidence) -> bool:
    """Write to a reader at the address that they asked for; return False when the link was used before.

    The old address is owed a mail that says so. The evidence's wording is made here.
    """
    person = _locked(session, asked)
    old = Address(person.address, person.address_key)
    if not requests.use(session, asked.id, evidence.at, tell=old):
        return False
    if not _go_to(session, person, asked, hashes, replace(evidence, wording=CHANGED)):
        requests.drop(session, asked.id, evidence.at)  # nobody has to be told, or may be
    requests.end(session, RequestKind.DATA, person.id, evidence.at)  # links that went to the old inbox
    return True


def move_back(session: Session, back: Asked, hashes: KeyedHash, evidence: Evidence) -> int | None:
    """Write to a reader at the address of before again, and let no link work any more that they were sent since.

    The address that they leave is owed a mail, which has no such link. Returns the id of what it is owed for; None when
    the link was used before.
    """
    person = _locked(session, back)
    tell = Address(person.address, person.address_key)
    word = requests.use_back(session, back, evidence.at, tell)
    if word is not None and not _go_to(session, person, back, hashes, replace(evidence, wording=CHANGED_BACK)):
        requests.drop(session, word, evidence.at)
    return word


def _locked(session: Session, asked: Asked) -> Subscriber:
    """Lock the reader, and whoever has the address already, in the order of their ids: nobody waits for each other."""
    both = (col(Subscriber.id) == asked.subscriber_id) | (col(Subscriber.address_key) == asked.address_key)
    query = select(Subscriber).where(both).order_by(col(Subscriber.id)).with_for_update()
    found = session.exec(query, execution_options={"populate_existing": True}).all()
    return next(one for one in found if one.id == asked.subscriber_id)


def _go_to(session: Session, person: Subscriber, asked: Asked, hashes: KeyedHash, evidence: Evidence) -> bool:
    """Give a reader the address, or their lists to whom has it; return whether the old one is to be told."""
    new, old = Address(asked.address, asked.address_key), person.address_key
    take_up(session, new.key, hashes)
    if _rename(session, person, new):
        record(session, ConsentAction.CHANGED, person.id, None, evidence)
        return new.key != old and not give_up(session, old, hashes, evidence.at)
    _bring_over(session, person, _known_by(session, new), evidence)
    record(session, ConsentAction.CHANGED, person.id, None, replace(evidence, wording=GONE_OVER))
    return True


def _rename(session: Session, person: Subscriber, new: Address) -> bool:
    """Give a reader the address, unless somebody has it; somebody may sign up with it at this moment."""
    try:
        with session.begin_nested():
            person.address, person.address_key = new.typed, new.key
            session.add(person)
    except IntegrityError:
        session.refresh(person)
        return False
    return True


def _known_by(session: Session, new: Address) -> Subscriber:
    query = select(Subscriber).where(Subscriber.address_key == new.key).with_for_update()
    return session.exec(query).one()


def _bring_over(session: Session, person: Subscriber, other: Subscriber, evidence: Evidence) -> None:
    """Let the reader with the new address join what the old one is on, and the old one leave everything."""
    for row in subscriptions_of(session, person.id):
        if row.state is SubscriptionState.CONFIRMED and not is_archived(session, row.list_id):
            _join(session, row, other, evidence)
        leave(session, subscription_id=row.id, now=evidence.at, source=evidence.source, network=evidence.network)


def _join(session: Session, row: Subscription, other: Subscriber, evidence: Evidence) -> None:
    joined = join(
        session,
        subscriber_id=other.id,
        list_id=row.list_id,
        now=evidence.at,
        source=evidence.source,
        wording=CAME_OVER,
        network=evidence.network,
    )
    if joined and row.monthly:
        theirs = select(Subscription.id).where(
            Subscription.subscriber_id == other.id, Subscription.list_id == row.list_id
        )
        set_monthly(session, session.exec(theirs).one(), monthly=True, evidence=evidence)
