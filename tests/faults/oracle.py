"""The truth beside the ledger, for tests/test_ledger_states.py: a provider that says less than it knows, and claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.mail import Mail, Outcome, Recipient
from newsletter.models import DeliveryState, IssueState

CHUNK = 2
_ROWS = text("SELECT id, state, attempt, chunk FROM delivery WHERE issue_id = :id")
_OF_THE_ISSUE = text(
    "SELECT state, reason, (SELECT count(*) FROM chunk WHERE issue_id = :id), (SELECT count(*) FROM attempt_outcome "
    "WHERE attempt_id IN (SELECT id FROM attempt WHERE issue_id = :id)) FROM issue WHERE id = :id"
)


@dataclass
class Hand:
    """A claim in the hands of a worker of its own. `told` is what the provider answered, once it was asked."""

    claim: ledger.Claim
    worker: str
    batch: str
    told: list[Outcome] = field(default_factory=list)
    #: What the worker's journal says after its death; None without one.
    testimony: list[Outcome] | None = None


class Oracle:
    """The provider: what it has, and what it says when it is asked to give it back."""

    chunk_size = CHUNK
    cancel_before = timedelta(minutes=10)
    schedule_ahead = timedelta(hours=72)
    max_cancelled = 100

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        #: (delivery, attempt) of each mail that left or will leave, and the batch it waits in.
        self.mails: dict[tuple[int, int], str] = {}
        #: Attempt -> the names of whom it was ever given, cancelled or not.
        self._names: dict[int, set[str]] = {}
        self.send_at: dict[str, datetime] = {}
        self.cancelled: set[str] = set()
        #: How the next cancellation ends: done and told so, done and not told, or not done.
        self.cancelling = "told"

    def take(self, reader: ledger.Reader, attempt: int, batch: str) -> None:
        """Take a mail; in a batch that is cancelled it is never sent."""
        self._names.setdefault(attempt, set()).add(reader.delivery_id)
        if batch not in self.cancelled:
            self.mails[reader.number, attempt] = batch

    def mailed(self, number: int) -> list[int]:
        """Return the attempts in which a reader's mail left, or will."""
        return [attempt for one, attempt in self.mails if one == number]

    def taken(self, attempt: int, since: datetime) -> set[str] | None:
        return self._names.get(attempt)

    def new_batch(self) -> str:
        self.send_at[f"b{len(self.send_at)}"] = self._clock() + timedelta(hours=3)
        return list(self.send_at)[-1]

    def cancel(self, batch: str) -> bool:
        if self.cancelling == "no" or self._clock() > self.send_at[batch] - self.cancel_before:
            return False
        self.cancelled.add(batch)
        self.mails = {mail: one for mail, one in self.mails.items() if one != batch}
        if self.cancelling == "not told":
            raise ConnectionResetError("it cancelled, and the answer was lost")
        return True

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        raise AssertionError("the machine hands over by itself")

    def schedule(self, mail: Mail, recipients: Sequence[Recipient], batch: str, at: datetime) -> list[Outcome]:
        raise AssertionError("the machine hands over by itself")


@dataclass(frozen=True)
class Row:
    """A delivery as it stands."""

    state: DeliveryState
    attempt: int
    chunk: int


@dataclass(frozen=True)
class Snapshot:
    """The ledger as it stands."""

    rows: dict[int, Row]
    issue: IssueState
    reason: str
    chunks: int
    notes: int


def snapshot(db: Database, issue_id: int) -> Snapshot:
    """Return the ledger as it stands. In plain SQL: it is asked for after each step."""
    with db.connect() as connection:
        [(state, reason, chunks, notes)] = connection.execute(_OF_THE_ISSUE, {"id": issue_id})
        rows = {
            number: Row(DeliveryState(found), *more)
            for number, found, *more in connection.execute(_ROWS, {"id": issue_id})
        }
    return Snapshot(rows, IssueState(state), reason, chunks, notes)
