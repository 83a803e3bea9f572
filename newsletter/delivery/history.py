"""Who got it: everything that is known of one reader and one issue, in order of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, func, select

from newsletter import engagement
from newsletter.delivery.audience import is_first_of_month
from newsletter.delivery.ledger.recording import TAKEN_AS_SENT
from newsletter.delivery.ledger.rows import CANCELLED, CANCELLING, DUPLICATE, EVENT, JOURNAL, PROVIDER, RELEASED, WORKER
from newsletter.delivery.names import name_of
from newsletter.mail import Kind, Status
from newsletter.models import (
    Attempt,
    AttemptOutcome,
    Chunk,
    Delivery,
    DeliveryState,
    Edition,
    Issue,
    IssueState,
    ReportedEvent,
)
from subscribers import segments, suppression
from subscribers.addresses import parse_address
from subscribers.models import Consent, MailingList, Subscriber, Subscription, SubscriptionState


@dataclass(frozen=True)
class Line:
    """One thing that happened, or was found out."""

    at: datetime
    what: str
    #: The words of the provider, of the reader's server, or of ours.
    detail: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class History:
    """What is known of one reader and one issue. `state` is None for a reader who was not in its audience."""

    address: str
    #: The answer, as a sentence.
    answer: str
    state: DeliveryState | None = None
    message_id: str = ""
    reference: str = ""
    reported: str = ""
    lines: tuple[Line, ...] = ()


#: How a report reads; `Kind` says what each means.
_REPORTED = {
    Kind.PROCESSED: "processed",
    Kind.DEFERRED: "put off by the reader's server",
    Kind.DELIVERED: "delivered",
    Kind.BOUNCED: "bounced",
    Kind.BLOCKED: "blocked by the reader's server",
    Kind.DROPPED: "dropped: taken and not sent",
    Kind.COMPLAINED: "called spam by the reader",
    Kind.UNSUBSCRIBED: "answered by the reader with leaving",
    Kind.OPENED: "opened",
    Kind.CLICKED: "opened, and a link followed",
    Kind.OTHER: "something else",
}
_FOUND_OUT = {
    WORKER: "",
    JOURNAL: ", by the journal of a worker that died",
    EVENT: ", by the provider's reports",
    PROVIDER: ", by asking the provider",
}
_BECAME = {
    Status.ACCEPTED: "accepted",
    Status.REJECTED: "refused for good",
    Status.DEFERRED: "put off",
    Status.NOT_TRIED: "not tried",
    Status.REFUSED: "refused for policy",
    Status.UNCERTAIN: "unclear whether it was taken",
    RELEASED: "free to be sent again",
    CANCELLING: "the provider was asked not to send its batch",
    CANCELLED: "its batch was cancelled before its time",
    DUPLICATE: "this one was sent, too: a second mail",
}


def histories(session: Session, issue: Issue, address: str, now: datetime) -> list[History]:
    """Return what is known of the reader with this address, or who had it when the issue was sent; never nothing.

    Mostly one; two when an address changed hands. Raises InvalidAddress for what is no address.
    """
    key = parse_address(address).key
    person = session.exec(select(Subscriber).where(Subscriber.address_key == key)).one_or_none()
    mine = func.lower(col(Delivery.address)) == key
    if person is not None:
        mine |= col(Delivery.subscriber_id) == person.id
    query = select(Delivery).where(Delivery.issue_id == issue.id, mine).order_by(col(Delivery.id))
    found = [_of_delivery(session, issue, row, now) for row in session.exec(query)]
    return found or [_not_in_audience(session, issue, address, person, now)]


def _of_delivery(session: Session, issue: Issue, row: Delivery, now: datetime) -> History:
    reader = session.get_one(Subscriber, row.subscriber_id)
    outcomes = session.exec(
        select(AttemptOutcome).where(AttemptOutcome.delivery_id == row.id).order_by(col(AttemptOutcome.id))
    ).all()
    events = session.exec(
        select(ReportedEvent)
        .where(ReportedEvent.delivery_id == row.id)
        .order_by(col(ReportedEvent.at), col(ReportedEvent.id))
    ).all()
    numbers = {row.attempt, *(one.attempt_id for one in outcomes), *(one.attempt_id for one in events)}
    of_chunk = (col(Attempt.chunk) == row.chunk) & (col(Attempt.issue_id) == issue.id)
    attempts = session.exec(select(Attempt).where(col(Attempt.id).in_(numbers) | of_chunk)).all()
    told = sorted([*outcomes, *_of_all(session, row, attempts, outcomes)], key=lambda one: one.id)
    lines = [_begun(one) for one in attempts] + [_found_out(one) for one in told] + [_report(one) for one in events]
    last = {one.id: one for one in attempts}.get(row.attempt)
    answer = _answer(session, issue, row, last, now)
    domain = issue.from_address.rpartition("@")[2]
    return History(
        address=row.address or reader.address,
        answer=answer + _reported(row, events),
        state=row.state,
        message_id=f"<{name_of(issue.name_key, row.id, row.subscriber_id)}@{domain}>",
        reference=row.reference,
        reported=row.reported,
        lines=tuple(sorted(lines, key=lambda line: line.at)),  # of one time: begun, found out, reported
    )


def _begun(attempt: Attempt) -> Line:
    later = f", to be sent at {_time(attempt.send_at)}" if attempt.send_at else ""
    batch = f", batch {attempt.batch}" if attempt.batch else ""
    readers = f"{attempt.readers} reader{'s' * (attempt.readers != 1)}"
    what = f"attempt {attempt.id} begun, for {readers}, through {attempt.provider or 'no provider'}{later}"
    return Line(attempt.at, what, f"by {attempt.worker}{batch}", attempt.id)


def _found_out(outcome: AttemptOutcome) -> Line:
    who = _FOUND_OUT.get(outcome.by, f", by {outcome.by}")
    what = f"attempt {outcome.attempt_id}: {_BECAME.get(outcome.status, outcome.status)}{who}"
    return Line(outcome.at, what, outcome.detail, outcome.attempt_id)


def _report(event: ReportedEvent) -> Line:
    what = f"{event.provider} reported: {_REPORTED[event.kind]}"
    return Line(event.at, what, event.detail, event.attempt_id)


def _of_all(
    session: Session, row: Delivery, attempts: Sequence[Attempt], own: Sequence[AttemptOutcome]
) -> list[AttemptOutcome]:
    """Return the outcomes that are kept once for all readers of an attempt, and are this reader's, too.

    A worker writes down by name whatever is not "accepted" or "not tried", so who has a line of their own from it is
    none of the others; and who is accepted in the attempt is one of those.
    """
    by_name = {one.attempt_id for one in own if one.by in {WORKER, JOURNAL}}
    numbers = [one.id for one in attempts]
    query = select(AttemptOutcome).where(
        col(AttemptOutcome.attempt_id).in_(numbers), col(AttemptOutcome.delivery_id).is_(None)
    )
    of_attempt: dict[int, list[AttemptOutcome]] = defaultdict(list)
    for one in session.exec(query.order_by(col(AttemptOutcome.id))):
        if one.status == CANCELLING or one.attempt_id not in by_name:
            of_attempt[one.attempt_id].append(one)
    given_back = {one.attempt_id for one in own if one.status == CANCELLED}
    if row.state is not DeliveryState.PLANNED:
        given_back.add(row.attempt)
    return [
        one for number, told in of_attempt.items() for one in _fitting(row.reference, told, had=number in given_back)
    ]


def _fitting(reference: str, told: Sequence[AttemptOutcome], *, had: bool) -> list[AttemptOutcome]:
    """Return those of an attempt's outcomes that can be a reader's, whom the provider had in it or had not. Pure."""
    asked = [one for one in told if one.status == CANCELLING]
    accepted = [one for one in told if one.status == Status.ACCEPTED]
    others = [one for one in told if one.status not in {Status.ACCEPTED, CANCELLING}]
    if accepted and others:
        accepted, others = (accepted, []) if had else ([], others)
    exact = [one for one in accepted if one.reference == reference]
    return asked + (exact or accepted) + others


def _answer(session: Session, issue: Issue, row: Delivery, attempt: Attempt | None, now: datetime) -> str:
    """Return where the delivery stands, in plain words."""
    provider = attempt.provider if attempt and attempt.provider else "the provider"
    said = f": {row.detail}" if row.detail else ""
    at = _time(row.changed_at)
    match row.state:
        case DeliveryState.ACCEPTED if row.detail == TAKEN_AS_SENT:
            answer = f"{TAKEN_AS_SENT} on {at}; whether {provider} took it was not found out"
        case DeliveryState.ACCEPTED if attempt and attempt.send_at and attempt.send_at > now:
            answer = f"accepted by {provider} on {at}, which sends it at {_time(attempt.send_at)}"
        case DeliveryState.ACCEPTED:
            answer = f"accepted by {provider} on {at}{said if not row.reference else ''}"
        case DeliveryState.REJECTED:
            answer = f"refused for good on {at}{said}"
        case DeliveryState.UNCERTAIN:
            answer = f"uncertain since {at}: {row.detail or 'nobody knows whether the provider took it'}"
        case DeliveryState.SUPPRESSED:
            answer = f"nothing was sent{said or ': left or suppressed before it was sent'}"
        case DeliveryState.SENDING:
            answer = f"being handed to {provider} since {at}"
        case DeliveryState.PLANNED:
            answer = _waiting(session, issue, row, now)
    return answer


def _waiting(session: Session, issue: Issue, row: Delivery, now: datetime) -> str:
    said = f" ({row.detail})" if row.detail else ""
    if issue.state is IssueState.CANCELLED:
        return f"does not get it, since the issue was {issue.reason}{said}"
    if issue.state is IssueState.SKIPPED:
        return f"does not get it, since the issue is skipped: {issue.reason}{said}"
    if issue.reason:
        return f"not sent yet: the issue waits, {issue.reason}{said}"
    chunk = session.exec(select(Chunk).where(Chunk.issue_id == issue.id, Chunk.n == row.chunk)).one_or_none()
    times = [at for at in (issue.next_try_at, chunk.not_before if chunk else None) if at and at > now]
    return f"not sent yet: waits {f'until {_time(max(times))}' if times else 'for its turn'}{said}"


def _reported(row: Delivery, events: Sequence[ReportedEvent]) -> str:
    if not row.reported:
        return ""
    kind = Kind(row.reported)
    times = [event.at for event in events if event.kind is kind]
    return f", reported {_REPORTED[kind]}{f' on {_time(max(times))}' if times else ''}"


def _not_in_audience(session: Session, issue: Issue, address: str, person: Subscriber | None, now: datetime) -> History:
    edition = session.get_one(Edition, issue.edition_id)
    mailing_list = session.get_one(MailingList, edition.list_id)
    key = parse_address(address).key
    verdict = "not in the audience" if issue.expected else "would not get it"
    if person is None:
        history = History(address, f"{verdict}: nobody with this address is known here")
        stopped = suppression.find(session, key)
        why = f", and it is suppressed since {_time(stopped.at)} ({stopped.reason})" if stopped else ""
        return replace(history, answer=history.answer + why)
    consents = session.exec(
        select(Consent)
        .where(Consent.subscriber_id == person.id, Consent.list_id == mailing_list.id)
        .order_by(col(Consent.at), col(Consent.id))
    ).all()
    lines = tuple(Line(one.at, f"{one.action} (list {mailing_list.slug})", one.source) for one in consents)
    chosen_at = _chosen_at(session, issue)
    why_not = (
        _why_not_chosen(session, mailing_list, person)
        or _not_wanted(session, issue, edition, person, now)
        or _not_meant(session, edition, person, now)
        or _too_late(session, mailing_list, person, chosen_at)
    )
    answer = f"{verdict}: {why_not}" if why_not else "would get it as things stand; its readers are not chosen yet"
    return History(person.address, answer, lines=lines)


def _not_meant(session: Session, edition: Edition, person: Subscriber, now: datetime) -> str:
    """Return that the edition goes to others of its list, where its audience says so as things stand."""
    if not edition.audience:
        return ""
    try:
        meant = segments.readers(session, edition.audience, engagement.terms(now), now=now).subquery()
    except segments.SegmentError:
        return f"the audience of {edition.slug}, {edition.audience!r}, cannot be understood"
    found = session.execute(select_columns(meant.c[0]).where(meant.c[0] == person.id)).first()
    return "" if found else f"{edition.slug} goes to others of its list: its audience is {edition.audience!r}"


def _not_wanted(session: Session, issue: Issue, edition: Edition, person: Subscriber, now: datetime) -> str:
    """Return that the reader does not want this issue: a pause that lasts, or one issue a month."""
    if person.paused_until is not None and person.paused_until > now:
        return f"asked for a pause, until {_time(person.paused_until)}"
    mine = (Subscription.subscriber_id == person.id, Subscription.list_id == edition.list_id)
    once_a_month = edition.monthly and session.exec(select(Subscription.monthly).where(*mine)).one()
    if once_a_month and not is_first_of_month(session, issue, edition):
        return "asked for one issue a month, and this is not its first"
    return ""


def _why_not_chosen(session: Session, mailing_list: MailingList, person: Subscriber) -> str:
    """Return why a known reader has no delivery of an issue; "" when they would have one if it was sent now."""
    mine = (Subscription.subscriber_id == person.id, Subscription.list_id == mailing_list.id)
    subscription = session.exec(select(Subscription).where(*mine)).one_or_none()
    if subscription is None:
        return f"never was on the list {mailing_list.slug}"
    since = _time(subscription.changed_at)
    if subscription.state is SubscriptionState.LEFT:
        return f"left the list {mailing_list.slug} on {since}"
    if subscription.state is SubscriptionState.PENDING:
        return f"asked to join on {_time(subscription.requested_at)} and has not confirmed"
    stopped = suppression.find(session, person.address_key)
    if stopped is not None:
        return f"the address is suppressed since {_time(stopped.at)} ({stopped.reason})"
    return ""


def _too_late(session: Session, mailing_list: MailingList, person: Subscriber, chosen_at: datetime | None) -> str:
    """Return why somebody on the list was not chosen when the readers were; "" when they are not chosen yet."""
    if chosen_at is None:
        return ""
    mine = (Subscription.subscriber_id == person.id, Subscription.list_id == mailing_list.id)
    subscription = session.exec(select(Subscription).where(*mine)).one()
    since = _time(subscription.changed_at)
    chosen = f"the readers were chosen on {_time(chosen_at)}"
    is_late = subscription.changed_at > chosen_at
    return f"on the list since {since}, {'after' if is_late else 'but could not be written to when'} {chosen}"


def _chosen_at(session: Session, issue: Issue) -> datetime | None:
    """Return when the audience was frozen, as near as the rows tell; None when it is not yet."""
    if not issue.expected:
        return None
    first = session.exec(select(func.min(Attempt.at)).where(Attempt.issue_id == issue.id)).one()
    planned = session.exec(select(func.min(Delivery.changed_at)).where(Delivery.issue_id == issue.id)).one()
    return min(at for at in (first, planned, issue.sending_since) if at is not None)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
