"""A reader who is written to at another address from now on. Functions work in the caller's transaction.

The link in the mail to the new address proves that it is theirs. Where somebody is known by that address, it is the
same person, twice: the lists of the old one go to the other, and the old one leaves them.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from subscribers import requests
from subscribers.addresses import Address
from subscribers.consent import Evidence, join, leave, record, subscriptions_of
from subscribers.hashes import KeyedHash
from subscribers.lists import is_archived
from subscribers.models import ConsentAction, RequestKind, Subscriber, Subscription, SubscriptionState
from subscribers.preferences import set_monthly
from subscribers.requests import Asked
from subscribers.suppression import forget_erased

#: What the evidence says. No address stands in it: the rows outlive them.
CHANGED = "changed the address, with the link in a mail to the new one"
GONE_OVER = "went over to another address they have here, with the link in a mail to that one"
CAME_OVER = "brought over from another address of theirs, with the link in a mail to this one"


def move(session: Session, asked: Asked, hashes: KeyedHash, evidence: Evidence) -> bool:
    """Write to a reader at the address that they asked for; return False when the link was used before.

    The old address is owed a mail that says so. The evidence's wording is made here.
    """
    person = session.get_one(Subscriber, asked.subscriber_id, with_for_update=True)
    new, old = Address(asked.address, asked.address_key), Address(person.address, person.address_key)
    if not requests.use(session, asked.id, evidence.at, tell=old):
        return False
    if new.key == old.key:
        requests.drop(session, asked.id, evidence.at)  # nobody has to be told
    forget_erased(session, new.key, hashes)
    other = None if _rename(session, person, new) else _known_by(session, new)
    if other is not None:
        _bring_over(session, person, other, evidence)
    wording = GONE_OVER if other else CHANGED
    record(session, ConsentAction.CHANGED, person.id, None, replace(evidence, wording=wording))
    requests.end(session, RequestKind.DATA, person.id, evidence.at)  # links that went to the old inbox
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
