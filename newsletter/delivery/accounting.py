"""Where an issue stands: its readers counted by state, whether that adds up, and those there is something to say of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from newsletter.delivery.names import name_of
from newsletter.delivery.workers import is_gone
from newsletter.mail import Status
from newsletter.models import Attempt, AttemptOutcome, Chunk, ChunkState, Delivery, DeliveryState, Issue, IssueState
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

    @property
    def identity(self) -> str:
        """The accounting identity in numbers (trust 3.3). Who is being sent to counts as planned, uncertain as held."""
        counted = (self.accepted, self.rejected, self.suppressed, self.uncertain, self.open)
        names = ("accepted", "rejected", "suppressed late", "held", "planned")
        sums = " + ".join(f"{count} {name}" for count, name in zip(counted, names, strict=True))
        return f"{self.expected} expected {'=' if self.adds_up else 'IS NOT'} {sums}"


@dataclass(frozen=True)
class Trouble:
    """A reader who did not simply get the issue, and why."""

    address: str
    state: DeliveryState
    detail: str
    #: The left part of the message's Message-ID, to look for in the provider's log.
    delivery_id: str


@dataclass(frozen=True)
class UnderWay:
    """An attempt that a worker has begun and not recorded yet."""

    attempt: int
    worker: str
    provider: str
    readers: int
    since: datetime
    #: From then on its readers are uncertain, where nobody can tell whether the worker lives.
    until: datetime | None
    #: The worker is known to have died.
    is_gone: bool


@dataclass(frozen=True)
class Reason:
    """Words that the provider or readers' servers said, and of how many readers."""

    detail: str
    readers: int


def tally(session: Session, issue: Issue) -> Tally:
    """Return the issue's deliveries counted by state."""
    query = select(Delivery.state, func.count()).where(Delivery.issue_id == issue.id).group_by(Delivery.state)
    counts = {str(state): count for state, count in session.exec(query)}
    waiting = select(func.min(Chunk.not_before)).where(Chunk.issue_id == issue.id, Chunk.state == ChunkState.PLANNED)
    next_try = issue.next_try_at or session.exec(waiting).one()
    return Tally(expected=issue.expected, next_try=next_try, **counts)


def contradictions(session: Session, issue: Issue) -> list[str]:
    """Return what the ledger's rows say that cannot be, as sentences; none unless there is a fault of ours.

    Beside the identity it finds readers whom the identity counts and nobody would ever send to.
    """
    counts = tally(session, issue)
    found = [] if counts.adds_up else [f"The readers do not add up: {counts.identity}."]
    if issue.state is IssueState.SENT and counts.open:
        found.append(f"It counts as sent, and {counts.open} readers have no outcome.")
    chunk_of = and_(col(Chunk.issue_id) == col(Delivery.issue_id), col(Chunk.n) == col(Delivery.chunk))
    open_states = (DeliveryState.PLANNED, DeliveryState.SENDING)
    states = (col(Delivery.state), col(Chunk.state))
    query = select_columns(*states, func.count()).join(Chunk, chunk_of, isouter=True)
    mine = query.where(col(Delivery.issue_id) == issue.id, col(Delivery.state).in_(open_states))
    for state, chunk_state, count in session.execute(mine.group_by(*states)):
        if state is DeliveryState.PLANNED and chunk_state is not ChunkState.PLANNED:
            found.append(f"{count} readers are planned in a chunk that nobody sends any more.")
        if state is DeliveryState.SENDING and chunk_state is not ChunkState.CLAIMED:
            found.append(f"{count} readers are being sent to in a chunk that no worker has.")
    tried = [DeliveryState.SENDING, DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.UNCERTAIN]
    untried = select(func.count()).where(
        Delivery.issue_id == issue.id, Delivery.attempt == 0, col(Delivery.state).in_(tried)
    )
    if count := session.exec(untried).one():
        found.append(f"{count} readers have an outcome of no attempt.")
    return found


def troubles(session: Session, issue_id: int) -> list[Trouble]:
    """Return the readers there is something to say about: refused, uncertain, gone meanwhile, or to be tried again."""
    told = [DeliveryState.REJECTED, DeliveryState.UNCERTAIN, DeliveryState.SUPPRESSED]
    tried = (col(Delivery.detail) != "") & (col(Delivery.attempt) > 0)  # not who was taken back before it was sent
    waiting = (col(Delivery.state) == DeliveryState.PLANNED) & tried
    query = (
        select(Delivery, Subscriber.address)
        .join(Subscriber, col(Subscriber.id) == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, col(Delivery.state).in_(told) | waiting)
        .order_by(col(Delivery.state), col(Subscriber.address))
    )
    key = session.exec(select(Issue.name_key).where(Issue.id == issue_id)).one()
    return [
        Trouble(row.address or address, row.state, row.detail, name_of(key, row.id, row.subscriber_id))
        for row, address in session.exec(query)
    ]


def why_waiting(session: Session, issue: Issue) -> str:
    """Return why nobody is sent to now although readers are left, in words; "" when nothing says so."""
    if issue.next_try_at is not None and issue.put_off:
        query = (
            select(AttemptOutcome.detail)
            .join(Attempt, col(Attempt.id) == AttemptOutcome.attempt_id)
            .where(Attempt.issue_id == issue.id, AttemptOutcome.status == Status.NOT_TRIED)
            .order_by(col(AttemptOutcome.id).desc())
            .limit(1)
        )
        return session.exec(query).first() or ""
    if issue.next_try_at is not None and issue.scheduled_for is not None:
        return "the provider made no batch for its time, which the log tells then, or a rate in the settings is used up"
    if issue.next_try_at is not None:
        return "a rate in the settings is used up"
    mine = select(Chunk).where(Chunk.issue_id == issue.id, Chunk.state == ChunkState.PLANNED)
    chunk = session.exec(mine.order_by(col(Chunk.not_before), col(Chunk.n)).limit(1)).first()
    if chunk is None or chunk.not_before is None:
        return ""
    return "their servers put them off" if chunk.tries else "the rate for their domain is used up"


def under_way(session: Session, issue_id: int) -> list[UnderWay]:
    """Return the attempts that workers have begun and not recorded yet, oldest first."""
    latest = (
        select(func.max(Attempt.id))
        .where(Attempt.issue_id == issue_id, col(Attempt.chunk) == col(Chunk.n))
        .correlate(Chunk)
        .scalar_subquery()
    )
    query = (
        select(Attempt, Chunk.lease_until)
        .join(Chunk, (col(Chunk.issue_id) == col(Attempt.issue_id)) & (col(Chunk.n) == col(Attempt.chunk)))
        .where(Attempt.issue_id == issue_id, Chunk.state == ChunkState.CLAIMED, col(Attempt.id) == latest)
        .order_by(col(Attempt.id))
    )
    return [
        UnderWay(one.id, one.worker, one.provider, one.readers, one.at, until, is_gone(one.worker) is True)
        for one, until in session.exec(query)
    ]


def reasons(session: Session, issue_id: int, state: DeliveryState, most: int = 5) -> list[Reason]:
    """Return what was said of the issue's readers in this state, the most frequent first."""
    count = func.count()
    query = (
        select(Delivery.detail, count)
        .where(Delivery.issue_id == issue_id, Delivery.state == state)
        .group_by(Delivery.detail)
        .order_by(count.desc(), Delivery.detail)
        .limit(most)
    )
    return [Reason(*row) for row in session.exec(query)]
