"""Uncertain readers as a person needs to see them to decide, and what follows from the decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from newsletter.delivery import ledger
from newsletter.delivery.learning import among, portions
from newsletter.delivery.names import name_of
from newsletter.models import Attempt, Delivery, DeliveryState, Issue, ReportedEvent
from subscribers.addresses import parse_address
from subscribers.models import Subscriber


@dataclass(frozen=True)
class Unsure:
    """A reader of whom nobody knows whether they have the issue."""

    #: The delivery's row.
    number: int
    address: str
    #: The left part of the message's Message-ID, to look for in the provider's log.
    delivery_id: str
    detail: str


@dataclass(frozen=True)
class Doubtful:
    """The uncertain readers of one attempt."""

    attempt: int
    at: datetime
    worker: str
    provider: str
    batch: str
    send_at: datetime | None
    readers: tuple[Unsure, ...]
    #: What the provider reported about the attempt, of its other readers too: kind -> number of reports.
    others: Mapping[str, int]


def doubtful(session: Session, issue: Issue, *, attempt: int | None = None, address: str = "") -> list[Doubtful]:
    """Return an issue's uncertain readers by attempt, oldest first; of one attempt, of one reader, or all.

    Raises InvalidAddress for what is no address.
    """
    query = (
        select(Delivery, Subscriber.address)
        .join(Subscriber, col(Subscriber.id) == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue.id, Delivery.state == DeliveryState.UNCERTAIN)
        .order_by(col(Delivery.attempt), col(Delivery.id))
    )
    if attempt is not None:
        query = query.where(Delivery.attempt == attempt)
    if address:
        key = parse_address(address).key
        query = query.where((col(Subscriber.address_key) == key) | (func.lower(col(Delivery.address)) == key))
    readers: dict[int, list[Unsure]] = defaultdict(list)
    for row, now_at in session.exec(query):
        name = name_of(issue.name_key, row.id, row.subscriber_id)
        readers[row.attempt].append(Unsure(row.id, row.address or now_at, name, row.detail))
    attempts = session.exec(select(Attempt).where(col(Attempt.id).in_(readers)).order_by(col(Attempt.id))).all()
    return [
        Doubtful(
            one.id, one.at, one.worker, one.provider, one.batch, one.send_at, tuple(readers[one.id]),
            _reported(session, one.id),
        )
        for one in attempts
    ]  # fmt: skip


def settle(session: Session, issue: Issue, doubts: Sequence[Doubtful], now: datetime, by: str, *, resend: bool) -> int:
    """Take the readers shown as sent, or plan them again; return how many.

    Who was found out about since they were shown stays as found.
    """
    count = 0
    for doubt in doubts:
        for numbers in portions(reader.number for reader in doubt.readers):
            only = [among(session, col(Delivery.id), numbers), col(Delivery.attempt) == doubt.attempt]
            if resend:
                count += ledger.plan_again(session, issue, DeliveryState.UNCERTAIN, now, by, only=only)
            else:
                count += ledger.accept(session, issue, now, by, only=only)
    return count


def _reported(session: Session, attempt: int) -> dict[str, int]:
    count = func.count()
    query = select(ReportedEvent.kind, count).where(ReportedEvent.attempt_id == attempt).group_by(ReportedEvent.kind)
    return {str(kind): number for kind, number in session.exec(query.order_by(count.desc()))}
