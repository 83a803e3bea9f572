"""What came back about an issue, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.delivery.ledger.rows import DUPLICATE
from newsletter.mail import Kind
from newsletter.models import Attempt, AttemptOutcome, Delivery, DeliveryState


@dataclass(frozen=True)
class Reported:
    """An issue's mails by the furthest that was reported about them.

    `delivered` has everybody whose mail arrived, also those who opened it, left or complained afterwards. The mails
    that the provider took are delivered + processed + deferred + blocked + bounced + dropped + not_reported.
    """

    delivered: int = 0
    #: The provider has it, and that is the last that was heard.
    processed: int = 0
    #: Put off by the reader's server, and that is the last that was heard.
    deferred: int = 0
    blocked: int = 0
    bounced: int = 0
    dropped: int = 0
    #: Of those delivered: who called it spam, who left by the provider's own means, who opened it or followed a link.
    complained: int = 0
    unsubscribed: int = 0
    opened: int = 0
    #: Taken by the provider, and nothing was heard since.
    not_reported: int = 0
    #: Second mails: attempts that were given up as not taken, or made again, and turned out to have been taken.
    duplicates: int = 0


def reported(session: Session, issue_id: int) -> Reported:
    """Return what was reported about an issue's mails, in one pass over its deliveries."""
    query = select(Delivery.reported, Delivery.state, func.count()).where(Delivery.issue_id == issue_id)
    counts: Counter[str] = Counter()
    silent = 0
    for kind, state, count in session.exec(query.group_by(col(Delivery.reported), col(Delivery.state))):
        counts[kind] += count
        silent += count if not kind and state is DeliveryState.ACCEPTED else 0
    opened = counts[Kind.OPENED] + counts[Kind.CLICKED]
    complained, unsubscribed = counts[Kind.COMPLAINED], counts[Kind.UNSUBSCRIBED]
    return Reported(
        delivered=counts[Kind.DELIVERED] + opened + complained + unsubscribed,
        processed=counts[Kind.PROCESSED],
        deferred=counts[Kind.DEFERRED],
        blocked=counts[Kind.BLOCKED],
        bounced=counts[Kind.BOUNCED],
        dropped=counts[Kind.DROPPED],
        complained=complained,
        unsubscribed=unsubscribed,
        opened=opened,
        not_reported=silent,
        duplicates=_duplicates(session, issue_id),
    )


def _duplicates(session: Session, issue_id: int) -> int:
    attempts = select(Attempt.id).where(Attempt.issue_id == issue_id)
    query = select(func.count()).where(col(AttemptOutcome.attempt_id).in_(attempts), AttemptOutcome.status == DUPLICATE)
    return session.exec(query).one()
