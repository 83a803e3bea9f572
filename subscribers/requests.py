"""What a reader asks for that only the owner of an inbox may do: a new address, and what is known of them.

Whoever holds a forwarded mail has its preferences link, so each begins with a mail to the inbox in question, whose link
goes on. Rows are claimed, given back and put off as letters are. Every function works in the caller's transaction.

    ask -> the mail with the link is sent -> the link is used (done) -> a new address: the old one is told
                                                  ^-- and back, once, with the link in that mail ---'
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, true
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select, update

from subscribers.addresses import Address
from subscribers.confirmations import next_try
from subscribers.models import Consent, ReaderRequest, RequestKind, Subscriber, Subscription, Suppression
from subscribers.tokens import ADDRESS_WITHIN, BACK_WITHIN, DATA_WITHIN

#: How often a reader may ask in a day. A new address may have a typing slip; what is known of them goes to one inbox.
A_DAY = {RequestKind.ADDRESS: 3, RequestKind.DATA: 1}
#: How long the link in a request's mail works.
WORKS_FOR = {RequestKind.ADDRESS: ADDRESS_WITHIN, RequestKind.DATA: DATA_WITHIN}
#: A mail that could not be sent for so long is out of place.
WITHIN = timedelta(days=1)
#: What the evidence says of a change of address, and of one that was undone. No address stands in it: it outlives them.
CHANGED = "changed the address, with the link in a mail to the new one"
CHANGED_BACK = "went back to the address of before, with the link in the mail that told it of the change"

_ONE_DAY = timedelta(days=1)
_ONE_SECOND = timedelta(seconds=1)


class RequestMail(StrEnum):
    """Which mail is owed for a request."""

    #: To a new address: press here to be written to at this one.
    ADDRESS = "address"
    #: To the address of before: it is not written to any more.
    MOVED = "moved"
    #: To the reader's address: the link to what is known of them.
    DATA = "data"


class Link(StrEnum):
    """How the link in a request's mail stands."""

    OPEN = "open"
    #: It did what it was for.
    USED = "used"
    #: It is too old, or another request came after it.
    OVER = "over"


@dataclass(frozen=True)
class OwedRequest:
    """A mail that may be sent now, to whom, and in which language ("" for the edition's)."""

    id: int
    mail: RequestMail
    subscription_id: int
    list_id: int
    address: str
    language: str
    asked_at: datetime
    #: When the address was changed, where the mail has a link that undoes it.
    undoes: datetime | None = None


@dataclass(frozen=True)
class Asked:
    """A request as its link names it."""

    id: int
    kind: RequestKind
    subscription_id: int
    subscriber_id: int
    #: The new address, or "" where the request is about none (any more).
    address: str
    address_key: str
    link: Link


def may_ask(session: Session, kind: RequestKind, subscriber_id: int, now: datetime) -> bool:
    """Tell whether a reader has not asked as often as they may in a day.

    A link to their data that a change of address has ended counts no more: perhaps neither was theirs.
    """
    lately = (*_of(kind, subscriber_id), col(ReaderRequest.asked_at) > now - _ONE_DAY)
    if kind is RequestKind.DATA:
        lately = (*lately, col(ReaderRequest.done_at).is_(None))
    return session.exec(select(func.count()).select_from(ReaderRequest).where(*lately)).one() < A_DAY[kind]


def data_from(session: Session, subscriber_id: int, now: datetime) -> datetime:
    """Return from when on a reader's data can be had: `now`, or BACK_WITHIN after the address was changed.

    Whoever holds a forwarded mail can have it changed to their own; until then the old address can undo that, and a
    change that was undone keeps nothing back.
    """
    changes = select(Consent).where(
        Consent.subscriber_id == subscriber_id, col(Consent.wording).in_([CHANGED, CHANGED_BACK])
    )
    last = session.exec(changes.order_by(col(Consent.at).desc(), col(Consent.id).desc()).limit(1)).first()
    return now if last is None or last.wording == CHANGED_BACK else max(now, last.at + BACK_WITHIN)


def ask(
    session: Session, kind: RequestKind, subscription_id: int, now: datetime, address: Address | None = None
) -> int | None:
    """Take down what a reader asked for and return its id.

    None, and nothing is taken down, when they asked too often, are erased, or cannot have their data yet. The links of
    their earlier requests of the kind work no more: the first may have gone to a stranger, by a slip.
    """
    person = session.get_one(Subscription, subscription_id).subscriber_id
    # Of two at once, the second counts the first; and nobody is erased, or gets another address, meanwhile.
    reader = session.get_one(Subscriber, person, with_for_update=True)
    if reader.erased_at is not None or not may_ask(session, kind, person, now):
        return None
    if kind is RequestKind.DATA and data_from(session, person, now) > now:
        return None
    end(session, kind, person, now)
    typed, key = (address.typed, address.key) if address else ("", "")
    row = ReaderRequest(subscription_id=subscription_id, kind=kind, address=typed, address_key=key, asked_at=now)
    session.add(row)
    session.flush()
    return row.id


def end(session: Session, kind: RequestKind, subscriber_id: int, now: datetime) -> None:
    """Let no link of a reader's requests of a kind work any more, and none of their mails be sent."""
    sent_at = func.coalesce(ReaderRequest.sent_at, now)
    unused = and_(*_of(kind, subscriber_id), col(ReaderRequest.done_at).is_(None))
    _change(session, unused, sent_at=sent_at, done_at=now, address="", address_key="")


def asked(session: Session, kind: RequestKind, request_id: int, asked_at: datetime, now: datetime) -> Asked | None:
    """Return the request that a link is about, which was signed for `asked_at` in whole seconds.

    None when it, or its reader, is gone.
    """
    found = _found(session, kind, request_id, _in_second(col(ReaderRequest.asked_at), asked_at))
    return None if found is None else _asked(*found, link_of(found[0], now))


def asked_back(session: Session, request_id: int, done_at: datetime, now: datetime) -> Asked | None:
    """Return the way back from the change of address that was made at `done_at`, in whole seconds.

    Its address is that of before the change. None when it, or its reader, is gone.
    """
    found = _found(session, RequestKind.ADDRESS, request_id, _in_second(col(ReaderRequest.done_at), done_at))
    return None if found is None else _asked(*found, link_back_of(found[0], now))


def link_of(row: ReaderRequest, now: datetime) -> Link:
    """Return how the link of a request stands. Pure."""
    if row.done_at is not None:
        return Link.USED if row.address_key else Link.OVER
    return Link.OPEN if now - row.asked_at <= WORKS_FOR[row.kind] else Link.OVER


def link_back_of(row: ReaderRequest, now: datetime) -> Link:
    """Return how the link stands that undoes the change of address which a request led to. Pure."""
    if not row.address_key:
        return Link.USED if row.address else Link.OVER
    return Link.OPEN if row.done_at is not None and now - row.done_at <= BACK_WITHIN else Link.OVER


def use(session: Session, request_id: int, now: datetime, tell: Address) -> bool:
    """Mark the request for a new address as used, and owe the old one, `tell`, a mail that says so.

    Returns False when somebody was faster.
    """
    unused = and_(col(ReaderRequest.id) == request_id, col(ReaderRequest.done_at).is_(None))
    fresh = {"sent_at": None, "tries": 0, "not_before": None}
    return _change(session, unused, done_at=now, address=tell.typed, address_key=tell.key, **fresh)


def use_back(session: Session, back: Asked, now: datetime, tell: Address) -> int | None:
    """Mark a way back as used, end the reader's open requests, and owe the address that they leave a mail.

    The ways back of later changes end with it, else it would go to and fro. Returns the id of what the mail is owed
    for; None when somebody was faster.
    """
    row = session.get_one(ReaderRequest, back.id, populate_existing=True)
    this = and_(col(ReaderRequest.id) == back.id, col(ReaderRequest.address_key) != "")
    sent_at = func.coalesce(ReaderRequest.sent_at, now)
    if not _change(session, this, address_key="", sent_at=sent_at):
        return None
    later = and_(*_of(RequestKind.ADDRESS, back.subscriber_id), col(ReaderRequest.done_at) >= row.done_at)
    _change(session, and_(later, col(ReaderRequest.id) != back.id), address="", address_key="", sent_at=sent_at)
    for kind in RequestKind:
        end(session, kind, back.subscriber_id, now)
    word = ReaderRequest(
        subscription_id=back.subscription_id,
        kind=RequestKind.ADDRESS,
        address=tell.typed,
        address_key=tell.key,
        asked_at=now,
        done_at=now,
    )
    session.add(word)
    session.flush()
    return word.id


def awaiting(session: Session, limit: int, now: datetime, only: int | None = None) -> list[OwedRequest]:
    """Return at most `limit` mails that may be sent now, those never tried first, first come first; or `only` one."""
    query = (
        select(ReaderRequest, Subscription, Subscriber, _is_change())
        .join(Subscription, col(Subscription.id) == col(ReaderRequest.subscription_id))
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .where(*_due(now), *_sendable(), true() if only is None else col(ReaderRequest.id) == only)
        .order_by(col(ReaderRequest.not_before).nulls_first(), col(ReaderRequest.asked_at), col(ReaderRequest.id))
        .limit(limit)
    )
    return [
        OwedRequest(
            row.id,
            mail_of(row),
            at.id,
            at.list_id,
            row.address or person.address,
            person.language,
            row.asked_at,
            row.done_at if undoes else None,
        )
        for row, at, person, undoes in session.exec(query)
    ]


def mail_of(row: ReaderRequest) -> RequestMail:
    """Return which mail is next for a request. Pure."""
    if row.kind is RequestKind.DATA:
        return RequestMail.DATA
    return RequestMail.ADDRESS if row.done_at is None else RequestMail.MOVED


def claim(session: Session, one: OwedRequest, now: datetime) -> bool:
    """Claim the sending of a mail, before it is sent; of several workers one gets True.

    False also when the request was used, replaced or put off meanwhile, or the address was suppressed.
    """
    right = (
        select(Subscription.id)
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .where(col(Subscription.id) == col(ReaderRequest.subscription_id), *_sendable())
        .where(or_(col(ReaderRequest.kind) == RequestKind.ADDRESS, col(Subscriber.address) == one.address))
        .correlate(ReaderRequest)
        .exists()
    )
    done = col(ReaderRequest.done_at)
    same = done.is_not(None) if one.mail is RequestMail.MOVED else done.is_(None)
    return _change(session, and_(col(ReaderRequest.id) == one.id, same, *_due(now), right), sent_at=now)


def give_back(session: Session, request_id: int, claimed_at: datetime) -> None:
    """Give back a mail that was claimed at `claimed_at` and surely was not sent; a newer claim stays."""
    _change(session, _claimed(request_id, claimed_at), sent_at=None)


def put_off(session: Session, request_id: int, claimed_at: datetime) -> bool:
    """Give back a mail that the reader's server did not take, to be tried again later.

    Returns False when that was the last try: the mail stays marked as sent.
    """
    row = session.get_one(ReaderRequest, request_id)
    not_before = next_try(row.tries + 1, claimed_at)
    later = {"sent_at": None, "not_before": not_before} if not_before else {}
    claimed = _change(session, _claimed(request_id, claimed_at), tries=row.tries + 1, **later)
    return not_before is not None or not claimed


def drop(session: Session, request_id: int, now: datetime) -> bool:
    """Let a mail wait no longer that nobody can send; return False when it is claimed or gone."""
    return _change(
        session, and_(col(ReaderRequest.id) == request_id, col(ReaderRequest.sent_at).is_(None)), sent_at=now
    )


def _of(kind: RequestKind, subscriber_id: int) -> tuple[ColumnElement[bool], ...]:
    theirs = select(Subscription.id).where(Subscription.subscriber_id == subscriber_id)
    return col(ReaderRequest.kind) == kind, col(ReaderRequest.subscription_id).in_(theirs)


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a mail waits: the link's, or that to the address of before."""
    not_before = col(ReaderRequest.not_before)
    since = func.coalesce(ReaderRequest.done_at, ReaderRequest.asked_at)
    addressed = or_(col(ReaderRequest.kind) == RequestKind.DATA, col(ReaderRequest.address) != "")
    used = col(ReaderRequest.done_at).is_not(None)
    still = or_(~used, col(ReaderRequest.kind) == RequestKind.ADDRESS)
    return (
        col(ReaderRequest.sent_at).is_(None),
        since > now - WITHIN,
        addressed,
        still,
        or_(not_before.is_(None), not_before <= now),
    )


def _sendable() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that the reader is known and the address that the mail goes to may be written to."""
    key = col(ReaderRequest.address_key)
    goes_to = case((key != "", key), else_=col(Subscriber.address_key))
    suppressed = exists().where(col(Suppression.address_key) == goes_to)
    # Said, since it goes two queries up in `claim`: else it would be about the requests of everybody.
    return col(Subscriber.erased_at).is_(None), ~suppressed.correlate(ReaderRequest, Subscriber)


def _is_change() -> ColumnElement[bool]:
    """Return the condition that a request has given a reader another address: neither back, nor over to another one."""
    return exists().where(
        col(Consent.subscriber_id) == col(Subscriber.id),
        col(Consent.at) == col(ReaderRequest.done_at),
        col(Consent.wording) == CHANGED,
    )


def _found(
    session: Session, kind: RequestKind, request_id: int, when: tuple[ColumnElement[bool], ...]
) -> tuple[ReaderRequest, Subscription] | None:
    query = (
        select(ReaderRequest, Subscription)
        .join(Subscription, col(Subscription.id) == col(ReaderRequest.subscription_id))
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .where(ReaderRequest.id == request_id, ReaderRequest.kind == kind, col(Subscriber.erased_at).is_(None), *when)
    )
    return session.exec(query, execution_options={"populate_existing": True}).first()


def _asked(row: ReaderRequest, at: Subscription, link: Link) -> Asked:
    return Asked(row.id, row.kind, at.id, at.subscriber_id, row.address, row.address_key, link)


def _in_second(column: Mapped[datetime] | Mapped[datetime | None], second: datetime) -> tuple[ColumnElement[bool], ...]:
    return column >= second, column < second + _ONE_SECOND


def _claimed(request_id: int, claimed_at: datetime) -> ColumnElement[bool]:
    return and_(col(ReaderRequest.id) == request_id, col(ReaderRequest.sent_at) == claimed_at)


def _change(session: Session, where: ColumnElement[bool], **values: object) -> bool:
    statement = update(ReaderRequest).where(where).values(**values)
    return session.exec(statement, execution_options={"synchronize_session": "fetch"}).rowcount == 1
