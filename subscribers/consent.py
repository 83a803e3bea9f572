"""Double opt-in, leaving, and the evidence for both. Every function works inside the caller's transaction.

A reader asks, a confirmation mail goes out, the reader confirms. Each step that changes anything adds one
row to `consent`, which the database keeps append-only (GDPR article 7(1)). A change of state is one UPDATE
with the state it starts from as its condition, so that of two at the same time one happens and the other
finds it done.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select, update

from subscribers.addresses import Address, one_line
from subscribers.inserts import insert_missing
from subscribers.models import Consent, ConsentAction, Subscriber, Subscription, SubscriptionState
from subscribers.suppression import find as find_suppression

#: After a confirmation mail, or a request for one, an address gets no other for this long (threat 11).
COOLDOWN = timedelta(minutes=15)

_SOURCE_LIMIT = 500
#: The bits of an IP address that are kept: enough to see a pattern, too few to find a person (GDPR 5(1)(c)).
_IPV4_PREFIX = 24
_IPV6_PREFIX = 48
_ONE_SECOND = timedelta(seconds=1)
#: How a confirmation mail stands when it was just asked for.
_NEVER_TRIED: Mapping[str, object] = {
    "confirmation_sent_at": None,
    "confirmation_tries": 0,
    "confirmation_not_before": None,
}


class Requested(StrEnum):
    """What a request to join a list led to."""

    #: The address was not on the list.
    NEW = "new"
    #: The reader had left.
    RETURNED = "returned"
    #: Still unconfirmed, and the last mail is long enough ago for another.
    REPEATED = "repeated"
    #: Unconfirmed, and a confirmation mail is under way or has just been sent. Nothing changed.
    TOO_SOON = "too soon"
    #: On the list. Nothing changed.
    ALREADY_CONFIRMED = "already confirmed"
    #: The address must not be written to. Nothing was stored.
    SUPPRESSED = "suppressed"

    @property
    def mail_due(self) -> bool:
        """True when a confirmation mail now waits to be sent."""
        return self in {Requested.NEW, Requested.RETURNED, Requested.REPEATED}


class Confirmed(StrEnum):
    """What opening a confirmation link and pressing its button led to."""

    #: The reader is on the list from now on.
    NOW = "now"
    #: The reader was on the list already. Nothing changed.
    ALREADY = "already"
    #: The link is of an earlier request, or its reader has left since. Nothing changed.
    OUTDATED = "outdated"


@dataclass(frozen=True)
class Evidence:
    """When and where something happened: `source` is a page's address, `wording` what the reader saw."""

    at: datetime
    source: str
    wording: str
    network: str


def request(
    session: Session,
    *,
    list_id: int,
    address: Address,
    name: str,
    now: datetime,
    source: str,
    wording: str,
    network: str,
) -> Requested:
    """Take down that somebody asked for a list with this address, and return what that led to.

    Anybody may type any address: until it is confirmed nothing but a confirmation mail follows, and the
    name of a reader we know is never changed. `wording` is what the form said, `network` the client's IP
    address, of which only the network is kept.
    """
    if find_suppression(session, address.key):
        return Requested.SUPPRESSED
    subscriber_id = _subscriber_for(session, address, name, now)
    pending = {"state": SubscriptionState.PENDING, "requested_at": now}
    outcome = Requested.NEW
    if not _insert_subscription(session, subscriber_id, list_id, now, pending):
        outcome = _ask_again(session, subscriber_id, list_id, now)
    if outcome.mail_due:
        evidence = Evidence(now, source, wording, network)
        record(session, ConsentAction.REQUESTED, subscriber_id, list_id, evidence)
    return outcome


def answer_to_request(state: SubscriptionState, last_asked: datetime, now: datetime) -> Requested:
    """Return what another request leads to; `last_asked` is when the mail was sent, or else asked for."""
    if state is SubscriptionState.CONFIRMED:
        return Requested.ALREADY_CONFIRMED
    if state is SubscriptionState.LEFT:
        return Requested.RETURNED
    return Requested.REPEATED if now - last_asked >= COOLDOWN else Requested.TOO_SOON


def confirm(
    session: Session,
    *,
    subscription_id: int,
    requested_at: datetime,
    now: datetime,
    source: str,
    network: str = "",
) -> Confirmed:
    """Put a reader on the list who used a confirmation link, and return what that led to.

    `requested_at` comes from the link, in whole seconds: a link works for the request it was made for, once.
    The evidence repeats the wording of that request. How old a link may be is `Signer.read_confirm`'s to say.
    """
    this_request = and_(
        col(Subscription.id) == subscription_id,
        col(Subscription.state) == SubscriptionState.PENDING,
        *_within_second(col(Subscription.requested_at), requested_at),
    )
    changed = change_subscription(session, this_request, state=SubscriptionState.CONFIRMED, changed_at=now)
    row = subscription(session, subscription_id)
    if row is None or row.state is not SubscriptionState.CONFIRMED:
        return Confirmed.OUTDATED
    if not changed:
        return Confirmed.ALREADY
    wording = _requested_wording(session, row)
    evidence = Evidence(now, source, wording, network)
    record(session, ConsentAction.CONFIRMED, row.subscriber_id, row.list_id, evidence)
    return Confirmed.NOW


def leave(session: Session, *, subscription_id: int, now: datetime, source: str, network: str = "") -> bool:
    """Take a reader off a list, or drop their request; return False, and add no evidence, when it is done."""
    not_left = and_(col(Subscription.id) == subscription_id, col(Subscription.state) != SubscriptionState.LEFT)
    row = subscription(session, subscription_id)
    if row is None or not change_subscription(session, not_left, state=SubscriptionState.LEFT, changed_at=now):
        return False
    evidence = Evidence(now, source, "", network)
    record(session, ConsentAction.LEFT, row.subscriber_id, row.list_id, evidence)
    return True


def leave_all(
    session: Session,
    *,
    subscriber_id: int,
    now: datetime,
    source: str,
    network: str = "",
    list_id: int | None = None,
) -> int:
    """Take a reader off every list, or off the one given; return how many that changed."""
    return sum(
        leave(session, subscription_id=row.id, now=now, source=source, network=network)
        for row in subscriptions_of(session, subscriber_id)
        if list_id in {None, row.list_id}
    )


def can_undo_leaving(session: Session, *, subscription_id: int, left_at: datetime) -> bool:
    """Tell whether a reader left the list at `left_at` (whole seconds), had been on it, and nothing happened since.

    Dropping an unconfirmed request cannot be undone: that would be a way around confirming (threat 16).
    """
    row = subscription(session, subscription_id)
    if row is None or row.state is not SubscriptionState.LEFT:
        return False
    if row.changed_at.replace(microsecond=0) != left_at.replace(microsecond=0):
        return False
    before = [line.action for line in history(session, row.subscriber_id) if line.list_id == row.list_id]
    joined = [action for action in before if action is not ConsentAction.LEFT]
    return joined[-1:] != [ConsentAction.REQUESTED]


def undo_leaving(
    session: Session,
    *,
    subscription_id: int,
    left_at: datetime,
    now: datetime,
    source: str,
    wording: str,
    network: str = "",
) -> bool:
    """Put a reader back on the list they left at `left_at` (whole seconds), and on no other (U8).

    Returns False, and adds no evidence, unless `can_undo_leaving` and nobody was faster.
    """
    this_leaving = and_(
        col(Subscription.id) == subscription_id,
        col(Subscription.state) == SubscriptionState.LEFT,
        *_within_second(col(Subscription.changed_at), left_at),
    )
    row = subscription(session, subscription_id)
    if row is None or not can_undo_leaving(session, subscription_id=subscription_id, left_at=left_at):
        return False
    if not change_subscription(session, this_leaving, state=SubscriptionState.CONFIRMED, changed_at=now):
        return False
    record(session, ConsentAction.JOINED, row.subscriber_id, row.list_id, Evidence(now, source, wording, network))
    return True


def join(
    session: Session,
    *,
    subscriber_id: int,
    list_id: int,
    now: datetime,
    source: str,
    wording: str,
    network: str = "",
) -> bool:
    """Put a reader on a list who came through a signed link, which proves that the address is theirs.

    Returns False, and adds no evidence, when they were on it.
    """
    confirmed = {"state": SubscriptionState.CONFIRMED, "requested_at": now}
    not_on_it = and_(
        col(Subscription.subscriber_id) == subscriber_id,
        col(Subscription.list_id) == list_id,
        col(Subscription.state) != SubscriptionState.CONFIRMED,
    )
    joined = _insert_subscription(session, subscriber_id, list_id, now, confirmed) or change_subscription(
        session, not_on_it, state=SubscriptionState.CONFIRMED, changed_at=now
    )
    if joined:
        evidence = Evidence(now, source, wording, network)
        record(session, ConsentAction.JOINED, subscriber_id, list_id, evidence)
    return joined


def find_subscriber(session: Session, address: Address) -> Subscriber | None:
    """Return the reader with this address, or None."""
    return session.exec(select(Subscriber).where(Subscriber.address_key == address.key)).one_or_none()


def subscription(session: Session, subscription_id: int) -> Subscription | None:
    """Return one subscription as it is stored now, or None."""
    statement = select(Subscription).where(Subscription.id == subscription_id)
    return session.exec(statement, execution_options={"populate_existing": True}).one_or_none()


def change_subscription(session: Session, where: ColumnElement[bool], **values: object) -> bool:
    """Update the one subscription that meets the condition; return False when none does."""
    statement = update(Subscription).where(where).values(**values)
    return session.exec(statement, execution_options={"synchronize_session": "fetch"}).rowcount == 1


def subscriptions_of(session: Session, subscriber_id: int) -> list[Subscription]:
    """Return all subscriptions of one reader, left ones too, in the order they were first asked for."""
    statement = select(Subscription).where(Subscription.subscriber_id == subscriber_id)
    return list(session.exec(statement.order_by(col(Subscription.id))))


def history(session: Session, subscriber_id: int) -> list[Consent]:
    """Return the evidence about one reader on all lists, oldest first."""
    statement = select(Consent).where(Consent.subscriber_id == subscriber_id)
    return list(session.exec(statement.order_by(col(Consent.id))))


def record(
    session: Session, action: ConsentAction, subscriber_id: int, list_id: int | None, evidence: Evidence
) -> None:
    """Add one line of evidence. The network is shortened here: no caller can store a whole IP address."""
    session.add(
        Consent(
            subscriber_id=subscriber_id,
            list_id=list_id,
            action=action,
            at=evidence.at,
            source=one_line(evidence.source, _SOURCE_LIMIT),
            wording=evidence.wording,
            network=shorten_network(evidence.network),
        )
    )


def shorten_network(ip: str) -> str:
    """Return the network an IP address is in, as /24 or /48; empty for anything that is no IP address.

    A network stays what it is, so that shortening twice does no harm.
    """
    try:
        address = ipaddress.ip_interface(ip).ip
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if isinstance(address, ipaddress.IPv4Address):
        return str(ipaddress.IPv4Network((int(address), _IPV4_PREFIX), strict=False))
    return str(ipaddress.IPv6Network((int(address), _IPV6_PREFIX), strict=False))


def _subscriber_for(session: Session, address: Address, name: str, now: datetime) -> int:
    """Return the id of the reader with this address, whom the first request makes."""
    row = {"address": address.typed, "address_key": address.key, "name": one_line(name), "created_at": now}
    made = insert_missing(session, Subscriber, [row], unique=["address_key"])
    if made:
        return made[0]
    return session.exec(select(Subscriber.id).where(Subscriber.address_key == address.key)).one()


def _ask_again(session: Session, subscriber_id: int, list_id: int, now: datetime) -> Requested:
    """Make a known subscription pending again where that is right, and return what happened."""
    statement = select(Subscription).where(Subscription.subscriber_id == subscriber_id, Subscription.list_id == list_id)
    while True:
        row = session.exec(statement, execution_options={"populate_existing": True}).one()
        outcome = answer_to_request(row.state, row.confirmation_sent_at or row.requested_at, now)
        if not outcome.mail_due or _make_pending(session, row, now):
            return outcome
        # Another transaction has changed the row since it was read: look again at what it says now.


def _make_pending(session: Session, row: Subscription, now: datetime) -> bool:
    as_read = and_(
        col(Subscription.id) == row.id,
        col(Subscription.state) == row.state,
        col(Subscription.requested_at) == row.requested_at,
    )
    return change_subscription(
        session,
        as_read,
        state=SubscriptionState.PENDING,
        # Links carry whole seconds: a later second makes sure that no earlier link fits this request.
        requested_at=max(now, row.requested_at + _ONE_SECOND),
        changed_at=row.changed_at if row.state is SubscriptionState.PENDING else now,
        **_NEVER_TRIED,
    )


def _within_second(column: Mapped[datetime], at: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    second = at.replace(microsecond=0)
    return column >= second, column < second + _ONE_SECOND


def _insert_subscription(
    session: Session, subscriber_id: int, list_id: int, now: datetime, start: dict[str, object]
) -> bool:
    row = {
        "subscriber_id": subscriber_id,
        "list_id": list_id,
        "changed_at": now,
        **_NEVER_TRIED,
    }
    return bool(insert_missing(session, Subscription, [row | start], unique=["subscriber_id", "list_id"]))


def _requested_wording(session: Session, row: Subscription) -> str:
    """Return what the form said when the reader last asked for the list."""
    asked = select(Consent.wording).where(
        Consent.subscriber_id == row.subscriber_id,
        Consent.list_id == row.list_id,
        Consent.action == ConsentAction.REQUESTED,
    )
    return session.exec(asked.order_by(col(Consent.id).desc()).limit(1)).first() or ""
