"""Double opt-in: a reader asks, a confirmation mail goes out, the reader confirms.

What is asked for in one form is confirmed with one mail: that of the first list, which the others are asked with.
What is asked for while that mail is all that an address may get is confirmed with it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_
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
    lock_reader,
    subscription,
    subscriptions_of,
)
from subscribers.consent.waiting import is_live, open_form, waiting_with
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
    #: As that, but the link of an open request is to confirm this, too.
    ADDED = "added"
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
    due = {list_id: wishes[list_id] for list_id, outcome in outcomes.items() if outcome.mail_due}
    if not due:
        return outcomes
    reader_id = reader.id if reader else None
    mailed = session.begin_nested()  # who gets no mail does not become a reader
    subscriber_id = _locked_reader(session, address, evidence.at)
    if may_mail():
        mailed.commit()
        return outcomes | _start_form(session, subscriber_id, due, evidence, answers)
    mailed.rollback()
    added = _add_to_open_form(session, reader_id, due, evidence) if reader_id else {}
    return outcomes | dict.fromkeys(due, Requested.TOO_SOON) | added


def _start_form(
    session: Session, subscriber_id: int, due: Mapping[int, str], evidence: Evidence, answers: Mapping[str, str] | None
) -> dict[int, Requested]:
    """Let lists wait for a mail that is due; return what happened, by list.

    What waited with one of them would have lost its link: the new one is for that, too.
    """
    known = {row.list_id: row for row in subscriptions_of(session, subscriber_id)}
    asked_before = [known[list_id] for list_id in due if list_id in known]
    # Links carry whole seconds: a later second makes sure that no earlier link fits this request.
    at = max([evidence.at, *(row.requested_at + ONE_SECOND for row in asked_before)])
    outcomes: dict[int, Requested] = {}
    leading: int | None = None
    for list_id, wording in due.items():
        said = dict(answers) if answers and leading is None else None
        start = {"state": SubscriptionState.PENDING, "requested_at": at, "asked_with": leading, "answers": said}
        outcomes[list_id], subscription_id = _make_pending(session, subscriber_id, list_id, evidence.at, start)
        if outcomes[list_id].mail_due:
            leading = leading or subscription_id
            record(session, ConsentAction.REQUESTED, subscriber_id, list_id, replace(evidence, wording=wording))
    before = {row.id for row in asked_before}
    for row in known.values():
        if row.list_id not in due and row.asked_with in before and is_live(row, evidence.at):
            change_subscription(session, _as_read(row), requested_at=at, asked_with=leading)
    return outcomes


def _add_to_open_form(
    session: Session, subscriber_id: int, due: Mapping[int, str], evidence: Evidence
) -> dict[int, Requested]:
    """Let lists for which no mail is left be confirmed with the open form of the same address; return which those are.

    Its link's page names them. What waits for a link that works is left alone, and nothing is added where there is no
    such form. That of another spelling of the mailbox is another reader's: its link proves nothing for this one.
    """
    lock_reader(session, subscriber_id)
    known = {row.list_id: row for row in subscriptions_of(session, subscriber_id)}
    leading = open_form(session, known.values(), evidence.at)
    if leading is None:
        return {}
    start = {"requested_at": leading.requested_at, "asked_with": leading.id, "answers": None}
    added: dict[int, Requested] = {}
    for list_id, wording in due.items():
        row = known.get(list_id)
        if row is not None and (is_live(row, evidence.at) or row.id == leading.id):
            continue
        pending = start | {"state": SubscriptionState.PENDING}
        outcome, _ = _make_pending(session, subscriber_id, list_id, evidence.at, pending)
        if outcome.mail_due:
            added[list_id] = Requested.ADDED
            record(session, ConsentAction.REQUESTED, subscriber_id, list_id, replace(evidence, wording=wording))
    return added


def answer_to_request(state: SubscriptionState | None) -> Requested:
    """Return what another request leads to where a mail may be sent; None: the address is not on the list. Pure."""
    if state is None:
        return Requested.NEW
    if state is SubscriptionState.CONFIRMED:
        return Requested.ALREADY_CONFIRMED
    return Requested.RETURNED if state is SubscriptionState.LEFT else Requested.REPEATED


def would_confirm(session: Session, *, subscription_id: int, requested_at: datetime) -> Confirmed:
    """Return what pressing the button behind a confirmation link would lead to now."""
    waiting = waiting_with(session, subscription_id, requested_at)
    if _open(session, waiting):
        return Confirmed.NOW
    row = subscription(session, subscription_id)
    if row is not None and row.state is SubscriptionState.CONFIRMED:
        return Confirmed.ALREADY
    return Confirmed.CLOSED if waiting else Confirmed.OUTDATED


def confirm(
    session: Session,
    *,
    subscription_id: int,
    requested_at: datetime,
    now: datetime,
    source: str,
    hashes: KeyedHash,
    network: str = "",
    shown: Collection[int] | None = None,
) -> Confirmation:
    """Put a reader who used a confirmation link on the list, and on those asked for with it.

    `requested_at` comes from the link, in whole seconds: a link works for the request it was made for, once. `shown`
    are the subscriptions that the page named, where it said: nothing else is confirmed, as somebody may have asked for
    more since; NOW without any `joined` means that the page has to be shown again. The evidence repeats the wording of
    the request. How old a link may be is `Signer.read_confirm`'s to say.
    """
    row = subscription(session, subscription_id)
    if row is None:
        return Confirmation(Confirmed.OUTDATED)
    lock_reader(session, row.subscriber_id)
    outcome = would_confirm(session, subscription_id=subscription_id, requested_at=requested_at)
    if outcome is not Confirmed.NOW:
        return Confirmation(outcome)
    joined: list[int] = []
    for one in _open(session, waiting_with(session, subscription_id, requested_at)):
        wanted = shown is None or one.id in shown
        on_it = {"state": SubscriptionState.CONFIRMED, "changed_at": now, "asked_with": None}
        if wanted and change_subscription(session, _as_read(one), **on_it):
            said = Evidence(now, source, _requested_wording(session, one), network)
            record(session, ConsentAction.CONFIRMED, one.subscriber_id, one.list_id, said)
            joined.append(one.id)
    if joined:
        _welcome_back(session, row.id, hashes, Evidence(now, source, "", network))
    return Confirmation(outcome, tuple(joined))


def _locked_reader(session: Session, address: Address, now: datetime) -> int:
    """Return the id of the reader with this address, whom the first request makes; locked (`lock_reader`)."""
    row = {"address": address.typed, "address_key": address.key, "name": "", "created_at": now}
    there = select(Subscriber.id).where(Subscriber.address_key == address.key).with_for_update()
    while True:
        if made := insert_missing(session, Subscriber, [row], unique=["address_key"]):
            return made[0]
        if (found := session.exec(there).first()) is not None:
            return found
        # They were erased, or went over to another address, while we waited.


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
    changed_at = row.changed_at if row.state is SubscriptionState.PENDING else now
    return change_subscription(session, _as_read(row), **start, changed_at=changed_at, **NEVER_TRIED)


def _as_read(row: Subscription) -> ColumnElement[bool]:
    """Return the condition that nobody has changed a subscription since it was read."""
    return and_(
        col(Subscription.id) == row.id,
        col(Subscription.state) == row.state,
        col(Subscription.requested_at) == row.requested_at,
    )


def _state(row: Subscription | None) -> SubscriptionState | None:
    return row.state if row else None


def _open(session: Session, rows: Sequence[Subscription]) -> list[Subscription]:
    """Return those of the subscriptions whose list can still be joined."""
    return [row for row in rows if not is_archived(session, row.list_id)]


def _welcome_back(session: Session, leading_id: int, hashes: KeyedHash, evidence: Evidence) -> None:
    """Keep what whoever asked said of themselves, now that they have shown that the address is theirs.

    Nothing that was known of the reader before is replaced: the form may have been somebody else's. The evidence names
    what was kept, and not what was said.
    """
    row = session.get_one(Subscription, leading_id, populate_existing=True)
    reader = session.get_one(Subscriber, row.subscriber_id)
    forget_erased(session, reader.address_key, hashes)
    answers = row.answers or {}
    kept: list[str] = []
    if not reader.language and (language := answers.get(LANGUAGE_ANSWER)):
        reader.language = language
        session.add(reader)
        kept.append("the language")
    said = fields.values_of(session, reader.id)
    for field in fields.fields(session):
        answer = answers.get(f"{FIELD_ANSWER}{field.slug}")
        if answer and field.slug not in said:
            with suppress(fields.InvalidValue):  # its choices were changed since it was asked
                fields.say(session, reader.id, field, answer)
                kept.append(f"the field {field.slug}")
    change_subscription(session, col(Subscription.id) == row.id, answers=None)
    if kept:
        wording = f"said with the sign-up, kept now that it is confirmed: {', '.join(kept)}"
        record(session, ConsentAction.CHANGED, reader.id, None, replace(evidence, wording=wording))


def _requested_wording(session: Session, row: Subscription) -> str:
    """Return what the form said when the reader last asked for the list."""
    asked = select(Consent.wording).where(
        Consent.subscriber_id == row.subscriber_id,
        Consent.list_id == row.list_id,
        Consent.action == ConsentAction.REQUESTED,
    )
    return session.exec(asked.order_by(col(Consent.id).desc()).limit(1)).first() or ""
