"""Where an issue stands: its readers counted by state, and those there is something to say about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.models import Chunk, ChunkState, Delivery, DeliveryState, Issue
from subscribers.models import Subscriber


@dataclass(frozen=True)
class Tally:
    """An issue's deliveries by state. `expected` was fixed when the audience was frozen (trust 3.3)."""

    expected: int
    planned: int = 0
    sending: int = 0
    accepted: int = 0
    rejected: int = 0
    suppressed: int = 0
    uncertain: int = 0
    #: When the next deferred readers may be tried, if that is what the issue waits for.
    next_try: datetime | None = None

    @property
    def adds_up(self) -> bool:
        """Whether every reader is accounted for."""
        counted = self.planned + self.sending + self.accepted + self.rejected + self.suppressed + self.uncertain
        return counted == self.expected

    @property
    def open(self) -> int:
        """How many readers still wait for an outcome."""
        return self.planned + self.sending


@dataclass(frozen=True)
class Trouble:
    """A reader who did not simply get the issue, and why."""

    address: str
    state: DeliveryState
    detail: str
    #: The left part of the message's Message-ID, to look for in the provider's log.
    delivery_id: str


def tally(session: Session, issue: Issue) -> Tally:
    """Return the issue's deliveries counted by state."""
    query = select(Delivery.state, func.count()).where(Delivery.issue_id == issue.id).group_by(Delivery.state)
    counts = {str(state): count for state, count in session.exec(query)}
    waiting = select(func.min(Chunk.not_before)).where(Chunk.issue_id == issue.id, Chunk.state == ChunkState.PLANNED)
    next_try = issue.next_try_at or session.exec(waiting).one()
    return Tally(expected=issue.expected, next_try=next_try, **counts)


def troubles(session: Session, issue_id: int) -> list[Trouble]:
    """Return the readers there is something to say about: refused, uncertain, gone meanwhile, or to be tried again."""
    told = [DeliveryState.REJECTED, DeliveryState.UNCERTAIN, DeliveryState.SUPPRESSED]
    waiting = (col(Delivery.state) == DeliveryState.PLANNED) & (col(Delivery.detail) != "")
    query = (
        select(Delivery, Subscriber.address)
        .join(Subscriber, col(Subscriber.id) == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, col(Delivery.state).in_(told) | waiting)
        .order_by(col(Delivery.state), col(Subscriber.address))
    )
    return [Trouble(row.address or address, row.state, row.detail, row.id) for row, address in session.exec(query)]
