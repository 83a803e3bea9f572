"""A provider that takes mail for a time to come, and knows what really goes out: the oracle of undo and reconcile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlmodel import select

from newsletter import delivery, issues
from newsletter.db import Database
from newsletter.delivery import Post
from newsletter.mail import Mail, Outcome, Recipient, Status
from newsletter.models import Delivery, DeliveryState, Edition, Issue
from newsletter.providers.events import Event
from newsletter.render import Renderer
from subscribers.models import Subscriber
from subscribers.tokens import Signer
from tests.builders import NOW, populated

BASE = "https://news.example.org"
SIGNER = Signer(["a secret that is long enough for the tests"])
#: When the issue of `handed_over` goes out, an hour before which it is handed over.
AT = datetime.fromisoformat("2026-11-21T06:00:00+00:00")
BEFORE = AT - timedelta(hours=1)
NAME = "later"


class Later:
    """Takes mail at once and for later. Tests say which batches it does not give back, and when it loses an answer."""

    cancel_before = timedelta(minutes=10)
    schedule_ahead = timedelta(hours=72)
    max_cancelled = 100

    def __init__(self, chunk_size: int = 2) -> None:
        self.chunk_size = chunk_size
        #: Batch -> the addresses in it. "" has what was sent at once.
        self.taken_by: dict[str, list[str]] = {"": []}
        self.names: dict[int, set[str]] = {}
        self.cancelled: set[str] = set()
        self.asked: list[str] = []
        #: Batches that it says it did not cancel, and does not.
        self.keeps: set[str] = set()
        #: Called after a batch was cancelled: may raise, as when the answer is lost.
        self.after_cancel: Callable[[str], None] = lambda batch: None
        #: Called before a mail is taken, and after.
        self.before_taking: Callable[[Sequence[Recipient]], None] = lambda recipients: None
        self.after_taking: Callable[[Sequence[Recipient]], None] = lambda recipients: None

    def new_batch(self) -> str:
        self.taken_by[batch := f"batch-{len(self.taken_by)}"] = []
        return batch

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        return self._take("", recipients)

    def schedule(self, mail: Mail, recipients: Sequence[Recipient], batch: str, at: datetime) -> list[Outcome]:
        return self._take(batch, recipients)

    def cancel(self, batch: str) -> bool:
        self.asked.append(batch)
        if batch in self.keeps:
            return False
        self.cancelled.add(batch)
        self.after_cancel(batch)
        return True

    def _take(self, batch: str, recipients: Sequence[Recipient]) -> list[Outcome]:
        self.before_taking(recipients)
        for one in recipients:
            self.taken_by[batch].append(one.address)
            self.names.setdefault(one.attempt, set()).add(one.delivery_id)
        self.after_taking(recipients)
        return [Outcome(one.delivery_id, Status.ACCEPTED, "taken", f"ref-{batch}") for one in recipients]

    @property
    def goes_out(self) -> Counter[str]:
        """How many mails each reader really gets."""
        kept = (addresses for batch, addresses in self.taken_by.items() if batch not in self.cancelled)
        return Counter(address for addresses in kept for address in addresses)


class Telling(Later):
    """It also reports; `events` is never called here, events are brought in by hand."""

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
        raise NotImplementedError


class Knowing(Later):
    """It can also be asked what it has."""

    def taken(self, attempt: int, since: datetime) -> set[str] | None:
        return self.names.get(attempt)


def approved(database: Database, *, readers: int) -> int:
    """Make an approved issue that goes out at AT, with readers r0@example.org, r1@...; return its id."""
    made = populated(database, readers=readers)
    with database.transaction() as session:
        edition = session.get_one(Edition, made.edition_id)
        issue = issues.draft(session, edition, issues.next_slot(edition, NOW), NOW).issue
        issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        assert issue.send_at == AT
        return issue.id


def send(
    database: Database, issue_id: int, provider: Later, now: datetime = BEFORE, *, ahead: bool = True
) -> delivery.SendReport:
    """Send the issue, by default for its time, and check that it adds up."""
    post = Post(provider, SIGNER, BASE, lambda: now, name=NAME)
    report = delivery.send(database, issue_id, post, by_hand=True, ahead=ahead)
    assert report.tally.adds_up
    return report


def issue_of(database: Database, issue_id: int) -> Issue:
    with database.reading() as session:
        return session.get_one(Issue, issue_id)


def states(database: Database) -> dict[str, DeliveryState]:
    """Return address -> state of every delivery."""
    query = select(Subscriber.address, Delivery.state).where(Delivery.subscriber_id == Subscriber.id)
    with database.reading() as session:
        return {address: DeliveryState(state) for address, state in session.exec(query)}


def check_truth(database: Database, issue_id: int, provider: Later) -> None:
    """Check the ledger against what really goes out: nobody twice, nobody wrongly counted, everything adds up."""
    goes_out = provider.goes_out
    assert all(count == 1 for count in goes_out.values())
    for address, state in states(database).items():
        assert state is not DeliveryState.ACCEPTED or goes_out[address] == 1, address
        assert state is not DeliveryState.PLANNED or goes_out[address] == 0, address
    with database.reading() as session:
        issue = session.get_one(Issue, issue_id)
        assert delivery.tally(session, issue).adds_up
        assert delivery.accounting.contradictions(session, issue) == []
