"""Double opt-in: a reader asks, a confirmation mail goes out, the reader confirms.

What is asked for in one form is confirmed with one mail: that of the first list, which the others are asked with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_
from sqlmodel import Session, col, select

from subscribers import fields
from subscribers.addresses import Address
from subscribers.consent.evidence import Evidence, record
from subscribers.consent.rows import (
    NEVER_TRIED,
    ONE_SECOND,
    change_subscription,
    find_subscriber,
    insert_subscription,
    subscription,
    subscriptions_of,
    within_second,
)
from subscribers.hashes import KeyedHash
from subscribers.inserts import insert_missing
from subscribers.lists import is_archived
from subscribers.models import Consent, ConsentAction, Subscriber, Subscription, SubscriptionState
from subscribers.suppression import forget_erased, is_barred

#: What an answer's name begins with in `Subscription.answers` when it is that to a field.
FIELD_ANSWER = "field:"
#: The name of the answer that says in which language the reader wants pages and mails about the subscription.
LANGUAGE_ANSWER = "language"


class Requested(StrEnum):
    """What a request to join a list led to."""

    #: The address was not on the list.
    NEW = "new"
    #: The reader had left.
    RETURNED = "returned"
    #: Still unconfirmed, and another mail may be sent.
    REPEATED = "repeated"
    #: A mail would be due, but the address has got as many as it may for now. Nothing changed.
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
    #: The list was archived meanwhile. Nothing changed.
    CLOSED = "closed"


@dataclass(frozen=True)
class Confirmation:
    """What a confirmation led to, and the subscriptions by which the reader is on a list from now on."""

    outcome: Confirmed
    joined: tuple[int, ...] = ()


def request(
    session: Session,
    wishes: Mapping[int, str],
    *,
    address: Address,
    evidence: Evidence,
    hashes: KeyedHash,
    may_mail: Callable[[], bool],
    answers: Mapping[str, str] | None = None,
) -> dict[int, Requested]:
    """Take down that somebody asked for lists with this address in one form; return what that led to, by list.

    Anybody may type any address: until it is confirmed nothing but a confirmation mail follows, and nothing that is
    known of a reader is changed. `wishes` are lists, each with what the form said; `may_mail` is asked at most once,
    when a mail would be due, and takes it from those the address may get. `answers` wait with the first list that is
    asked for. Of the network in `evidence`, a client's IP address, only the network is kept.
    """
    if is_barred(session, address.key, hashes):
        return dict.fromkeys(wishes, Requested.SUPPRESSED)
    reader = find_subscriber(session, address)
    known = {row.list_id: row for row in subscriptions_of(session, reader.id)} if reader else {}
    outcomes = {list_id: answer_to_request(_state(known.get(list_id))) for list_id in wishes}
    due = [list_id for list_id, outcome in outcomes.items() if outcome.mail_due]
    if due and not may_mail():
        return outcomes | dict.fromkeys(due, Requested.TOO_SOON)
    # Links carry whole seconds: a later second makes sure that no earlier link fits this request.
    at = max([evidence.at, *(known[one].requested_at + ONE_SECOND for one in due if one in known)])
    leading: int | None = None
    for list_id in due:
        subscriber_id = _subscriber_for(session, address, evidence.at)
        start = {
            "state": SubscriptionState.PENDING,
            "requested_at": at,
            "asked_with": leading,
            "answers": dict(answers) if answers and leading is None else None,
        }
        outcomes[list_id], subscription_id = _make_pending(session, subscriber_id, list_id, evidence.at, start)
        if outcomes[list_id].mail_due:
            leading = leading or subscription_id
            shown = replace(evidence, wording=wishes[list_id])
            record(session, ConsentAction.REQUESTED, subscriber_id, list_id, shown)
    return outcomes


def answer_to_request(state: SubscriptionState | None) -> Requested:
    """Return what another request leads to where a mail may be sent; None: the address is not on the list. Pure."""
    if state is None:
        return Requested.NEW
    if state is SubscriptionState.CONFIRMED:
        return Requested.ALREADY_CONFIRMED
    return Requested.RETURNED if state is SubscriptionState.LEFT else Requested.REPEATED


def asked_together(session: Session, row: Subscription) -> list[Subscription]:
    """Return the subscription and those that wait to be confirmed with it."""
    waiting = (
        col(Subscription.asked_with) == row.id,
        col(Subscription.state) == SubscriptionState.PENDING,
        *within_second(col(Subscription.requested_at), row.requested_at),
    )
    found = session.exec(select(Subscription).where(*waiting).order_by(col(Subscription.id)))
    return [row, *found]


def would_confirm(session: Session, *, subscription_id: int, requested_at: datetime) -> Confirmed:
    """Return what pressing the button behind a confirmation link would lead to now."""
    row = subscription(session, subscription_id)
    if row is not None and row.state is SubscriptionState.CONFIRMED:
        return Confirmed.ALREADY
    same = row is not None and row.requested_at.replace(microsecond=0) == requested_at.replace(microsecond=0)
    if row is None or row.state is not SubscriptionState.PENDING or not same:
        return Confirmed.OUTDATED
    return Confirmed.NOW if _open(session, asked_together(session, row)) else Confirmed.CLOSED


def confirm(
    session: Session,
    *,
    subscription_id: int,
    requested_at: datetime,
    now: datetime,
    source: str,
    hashes: KeyedHash,
    network: str = "",
) -> Confirmation:
    """Put a reader who used a confirmation link on the list, and on those asked for with it.

    `requested_at` comes from the link, in whole seconds: a link works for the request it was made for, once. The
    evidence repeats the wording of that request. How old a link may be is `Signer.read_confirm`'s to say.
    """
    outcome = would_confirm(session, subscription_id=subscription_id, requested_at=requested_at)
    row = subscription(session, subscription_id)
    if outcome is not Confirmed.NOW or row is None:
        return Confirmation(outcome)
    joined: list[int] = []
    for one in _open(session, asked_together(session, row)):
        as_asked = and_(
            col(Subscription.id) == one.id,
            col(Subscription.state) == SubscriptionState.PENDING,
            *within_second(col(Subscription.requested_at), requested_at),
        )
        if change_subscription(session, as_asked, state=SubscriptionState.CONFIRMED, changed_at=now, asked_with=None):
            shown = Evidence(now, source, _requested_wording(session, one), network)
            record(session, ConsentAction.CONFIRMED, one.subscriber_id, one.list_id, shown)
            joined.append(one.id)
    if not joined:  # somebody was faster
        return Confirmation(would_confirm(session, subscription_id=subscription_id, requested_at=requested_at))
    _welcome_back(session, row, hashes)
    return Confirmation(Confirmed.NOW, tuple(joined))


def _subscriber_for(session: Session, address: Address, now: datetime) -> int:
    """Return the id of the reader with this address, whom the first request makes."""
    row = {"address": address.typed, "address_key": address.key, "name": "", "created_at": now}
    made = insert_missing(session, Subscriber, [row], unique=["address_key"])
    if made:
        return made[0]
    return session.exec(select(Subscriber.id).where(Subscriber.address_key == address.key)).one()


def _make_pending(
    session: Session, subscriber_id: int, list_id: int, now: datetime, start: dict[str, object]
) -> tuple[Requested, int]:
    """Let a list wait for confirmation where that is right; return what happened, and the subscription's id."""
    made = insert_subscription(session, subscriber_id, list_id, now, start)
    if made:
        return Requested.NEW, made
    statement = select(Subscription).where(Subscription.subscriber_id == subscriber_id, Subscription.list_id == list_id)
    while True:
        row = session.exec(statement, execution_options={"populate_existing": True}).one()
        outcome = answer_to_request(row.state)
        if not outcome.mail_due or _make_pending_again(session, row, now, start):
            return outcome, row.id
        # Another transaction has changed the row since it was read: look again at what it says now.


def _make_pending_again(session: Session, row: Subscription, now: datetime, start: Mapping[str, object]) -> bool:
    as_read = and_(
        col(Subscription.id) == row.id,
        col(Subscription.state) == row.state,
        col(Subscription.requested_at) == row.requested_at,
    )
    changed_at = row.changed_at if row.state is SubscriptionState.PENDING else now
    return change_subscription(session, as_read, **start, changed_at=changed_at, **NEVER_TRIED)


def _state(row: Subscription | None) -> SubscriptionState | None:
    return row.state if row else None


def _open(session: Session, rows: Sequence[Subscription]) -> list[Subscription]:
    """Return those of the subscriptions whose list can still be joined."""
    return [row for row in rows if not is_archived(session, row.list_id)]


def _welcome_back(session: Session, row: Subscription, hashes: KeyedHash) -> None:
    """Keep what whoever asked said of themselves, now that they have shown that the address is theirs.

    Nothing that was known of the reader before is replaced: the form may have been somebody else's.
    """
    reader = session.get_one(Subscriber, row.subscriber_id)
    forget_erased(session, reader.address_key, hashes)
    answers = row.answers or {}
    if not reader.language and (language := answers.get(LANGUAGE_ANSWER)):
        reader.language = language
        session.add(reader)
    said = fields.values_of(session, reader.id)
    for field in fields.fields(session):
        answer = answers.get(f"{FIELD_ANSWER}{field.slug}")
        if answer and field.slug not in said:
            with suppress(fields.InvalidValue):  # its choices were changed since it was asked
                fields.say(session, reader.id, field, answer)
    change_subscription(session, col(Subscription.id) == row.id, answers=None)


def _requested_wording(session: Session, row: Subscription) -> str:
    """Return what the form said when the reader last asked for the list."""
    asked = select(Consent.wording).where(
        Consent.subscriber_id == row.subscriber_id,
        Consent.list_id == row.list_id,
        Consent.action == ConsentAction.REQUESTED,
    )
    return session.exec(asked.order_by(col(Consent.id).desc()).limit(1)).first() or ""
