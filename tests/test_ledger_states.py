"""The whole ledger against an oracle: any order of claims, answers, crashes, reports and decisions (trust section 5).

The oracle is the provider's truth: which attempts it took for whom, whatever it answered, and which batches it does not
send any more. After every step the ledger must add up, may have made only the changes that docs/design.md lists, and
must agree with the truth: nobody is accepted whose mail the provider has not, nobody is to be sent a second one unless
a person said so. In the end everybody else has an outcome.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlmodel import select

from newsletter import delivery
from newsletter.db import Database
from newsletter.delivery import ledger, undoing
from newsletter.delivery.accounting import contradictions
from newsletter.delivery.learning import Report, learn, settle_reported
from newsletter.delivery.ledger.rows import lock_issue
from newsletter.delivery.ledger.values import Terms
from newsletter.delivery.planning import plan
from newsletter.delivery.rates import Limits, Windows
from newsletter.mail import Kind, Outcome, Status
from newsletter.models import Delivery, DeliveryState, Issue, IssueState, ReportedEvent
from subscribers import consent
from subscribers.models import Subscription, SubscriptionState
from tests.builders import NOW
from tests.databases import created_database
from tests.faults.newsroom import another_issue
from tests.faults.oracle import CHUNK, Hand, Oracle, Row, Snapshot, snapshot
from tests.test_delivery import approved

S = DeliveryState
READERS = 3
#: What the provider tells of a reader, and whether it has the mail.
FATES = [
    *((Status.ACCEPTED, True), (Status.UNCERTAIN, True), (Status.UNCERTAIN, False)),
    *((status, False) for status in (Status.REJECTED, Status.DEFERRED, Status.NOT_TRIED, Status.REFUSED)),
]
_fates = st.lists(st.sampled_from(FATES), min_size=CHUNK, max_size=CHUNK)
#: What becomes of a worker once it has handed over: it records the answers, is slow, or dies, with a journal or not.
_ends = st.sampled_from(["records", "records", "is slow", "dies", "dies with a journal"])
TERMS = {
    "a chunk": Terms(full=CHUNK),
    "one reader": Terms(full=1),
    "one a minute": Terms(full=CHUNK, limits=Limits(other_domains=Windows(per_minute=1))),
}
_terms = st.sampled_from(list(TERMS))


class LedgerMachine(RuleBasedStateMachine):
    """Workers claim, hand over and record in any order, die, report late; people and events decide in between."""

    claimed = Bundle("claimed")
    handed = Bundle("handed")

    def __init__(self, db: Database, first_issue: int) -> None:
        super().__init__()
        self.db = db
        self.now = NOW
        self.oracle = Oracle(lambda: self.now)
        self.hands: dict[int, Hand] = {}
        self.gone: set[str] = set()
        #: Deliveries that a person had sent again, how often; and those they took as sent.
        self.asked_for: Counter[int] = Counter()
        self.by_hand: set[int] = set()
        self.left: set[int] = set()
        with db.transaction() as session:
            self.issue_id = another_issue(session, first_issue, NOW)
            session.get_one(Issue, self.issue_id).scheduled_for = NOW + timedelta(hours=3)
            for one in session.exec(select(Subscription)):
                one.state = SubscriptionState.CONFIRMED
            assert plan(session, session.get_one(Issue, self.issue_id), CHUNK, NOW) == READERS
        self.provider = f"provider of {self.issue_id}"  # its rates are its own
        self.before = self.look()
        self.numbers = sorted(self.before.rows)

    # Workers

    @rule(target=claimed, terms=_terms, scheduled=st.booleans(), waits=st.booleans())
    def claims(self, terms: str, scheduled: bool, waits: bool) -> Any:
        """A worker claims a chunk or a part of one; mostly after what made the issue wait is over."""
        hand = self._claim(terms, scheduled=scheduled, waits=waits)
        return hand if hand else multiple()

    @rule(target=handed, hand=consumes(claimed), fates=_fates, end=_ends, answered=st.lists(st.booleans(), max_size=2))
    def hands_over(self, hand: Hand, fates: list[tuple[Status, bool]], end: str, answered: list[bool]) -> Hand:
        """The provider gets the claim's readers, and the worker records what it answers, sooner, later or never."""
        attempt = hand.claim.attempt
        for reader, (status, takes) in zip(hand.claim.readers, fates, strict=False):
            if takes:
                self.oracle.take(reader, attempt, hand.batch)
            hand.told.append(Outcome(reader.delivery_id, status, f"said {status}", "ref"))
        if end == "records":
            self._record(hand)
        elif end != "is slow":
            self.gone.add(hand.worker)
            hand.testimony = self._journal(hand, answered) if end == "dies with a journal" else None
        return hand

    @rule(target=handed, terms=_terms, fates=_fates, scheduled=st.booleans())
    def sends(self, terms: str, fates: list[tuple[Status, bool]], scheduled: bool) -> Any:
        """A chunk that goes as it should, if one is due: a second mail shows as soon as it is sent."""
        self.now += timedelta(minutes=90)
        hand = self._claim(terms, scheduled=scheduled, waits=False)
        return self.hands_over(hand, fates, "records", []) if hand else multiple()

    @rule(hand=handed)
    def reports_late(self, hand: Hand) -> None:
        """A worker that was taken for dead reports, or one whose answer was recorded tries again."""
        if hand.worker not in self.gone:
            self._record(hand)

    @rule(
        target=handed,
        hand=consumes(claimed),
        fates=_fates,
        meanwhile=st.sampled_from(["they are sent again", "they are taken back", "the rest is sent"]),
    )
    def is_overtaken(self, hand: Hand, fates: list[tuple[Status, bool]], meanwhile: str) -> Hand:
        """A worker is so slow that it counts as dead, and reports after others decided about its readers."""
        self.hands_over(hand, fates, "is slow", [])
        self.leases_end()
        self.everything_holds()
        after = None
        if meanwhile == "they are sent again":
            self.a_person_sends_again(S.UNCERTAIN)
            self.everything_holds()
            after = self._claim("a chunk", scheduled=False, waits=False)
        elif meanwhile == "they are taken back":
            self.is_taken_back("told")
        else:
            self._send_the_rest()
        self.everything_holds()
        self._record(hand)
        self.everything_holds()
        if after:
            self.hands_over(after, [(Status.ACCEPTED, True)] * CHUNK, "records", [])
        return hand

    @rule(hand=consumes(claimed))
    def is_refused_as_a_whole(self, hand: Hand) -> None:
        with self.db.transaction() as session:
            ledger.release(session, hand.claim, "the key is wrong", self.now)

    @rule(hand=consumes(claimed), with_journal=st.booleans())
    def dies_before_it_hands_over(self, hand: Hand, with_journal: bool) -> None:
        self.gone.add(hand.worker)
        hand.testimony = self._journal(hand, []) if with_journal else None

    @rule()
    def the_dead_are_noticed(self) -> None:
        self._hold(lambda worker: worker in self.gone)
        after = self.look().rows
        for number, row in self.before.rows.items():
            if row.state is S.SENDING and self.hands[row.attempt].worker not in self.gone:
                assert after[number] == row, "its worker is at work"

    @rule()
    def leases_end(self) -> None:
        """Nobody can tell whether the workers live: those of another host."""
        self.now += ledger.LEASE + timedelta(minutes=1)
        self._hold(lambda _: None)

    # People

    @rule(state=st.sampled_from([S.UNCERTAIN, S.UNCERTAIN, S.REJECTED]))
    def a_person_sends_again(self, state: DeliveryState) -> None:
        with self.db.transaction() as session:
            self.asked_for.update(number for number, row in self.before.rows.items() if row.state is state)
            delivery.plan_again(session, session.get_one(Issue, self.issue_id), state, self.now, "ed")

    @rule()
    def a_person_takes_them_as_sent(self) -> None:
        with self.db.transaction() as session:
            self.by_hand |= {number for number, row in self.before.rows.items() if row.state is S.UNCERTAIN}
            delivery.accept(session, session.get_one(Issue, self.issue_id), self.now, "ed")

    @rule()
    def is_paused(self) -> None:
        with self.db.transaction() as session:
            issue = lock_issue(session, self.issue_id)
            if issue.state is IssueState.SENDING:
                undoing.pause(session, issue, "ed")
        assert self._claim("a chunk", scheduled=False, waits=True) is None

    @rule(cancelling=st.sampled_from(["told", "told", "not told", "no"]))
    def is_taken_back(self, cancelling: str) -> None:
        """Whatever waits for its time is cancelled: by undo, or by `reconcile` while workers are at work."""
        self.oracle.cancelling = cancelling
        if any(row.state is S.SENDING for row in self.before.rows.values()):
            delivery.reconcile(self.db, self._providers, self.now, self.issue_id)
            return
        with self.db.reading() as session:
            if undoing.why_not_undo(session, session.get_one(Issue, self.issue_id), self._providers, self.now):
                return
        undone = undoing.undo(self.db, self.issue_id, self._providers, lambda: self.now, "ed", wait=lambda _: None)
        if undone.whole:
            assert not any(self.oracle.mailed(number) for number in self.numbers if not self.asked_for[number])
            with self.db.transaction() as session:
                issue = lock_issue(session, self.issue_id)
                plan(session, issue, CHUNK, self.now)
                issue.scheduled_for = self.now + timedelta(hours=3)

    @rule(which=st.integers(0, READERS - 1))
    def a_reader_leaves(self, which: int) -> None:
        with self.db.transaction() as session:
            reader = session.get_one(Delivery, self.numbers[which]).subscriber_id
            [subscription] = session.exec(select(Subscription.id).where(Subscription.subscriber_id == reader))
            consent.leave(session, subscription_id=subscription, now=self.now, source="test")
            self.left.add(self.numbers[which])

    # The provider and the clock

    @precondition(lambda self: self.oracle.mails)
    @rule(
        which=st.integers(0, 9),
        kind=st.sampled_from([Kind.PROCESSED, Kind.DELIVERED, Kind.BOUNCED, Kind.DEFERRED]),
        without_attempt=st.booleans(),
    )
    def the_provider_reports(self, which: int, kind: Kind, without_attempt: bool) -> None:
        mails = sorted(self.oracle.mails)
        number, attempt = mails[which % len(mails)]
        told = 0 if without_attempt else attempt
        with self.db.transaction() as session:
            event_id = f"{number}-{told}-{kind}"
            if session.exec(select(ReportedEvent).where(ReportedEvent.event_id == event_id)).first() is None:
                event = ReportedEvent(
                    provider=self.provider, event_id=event_id, kind=kind, at=self.now, received_at=self.now,
                    delivery_id=number, attempt_id=told,
                )  # fmt: skip
                session.add(event)
                session.flush()
                learn(session, [Report(number, self.issue_id, kind, told)], self.now)

    @rule()
    def reports_are_looked_at_again(self) -> None:
        with self.db.transaction() as session:
            settle_reported(session, self.issue_id, self.now)

    @rule(minutes=st.sampled_from([1, 6, 200]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        with self.db.transaction() as session:
            ledger.finish(session, self.issue_id, self.now)

    # What holds after each step

    @invariant()
    def everything_holds(self) -> None:
        """Compare the ledger with the truth, and with what it was before."""
        after = self.look()
        self._adds_up()
        for number, row in after.rows.items():
            self._agrees_with_the_truth(number, row)
            before = self.before.rows[number].state
            # A step may make two changes of one reader, such as sending -> uncertain -> planned.
            via = {before} | {to for at, to in ledger.TRANSITIONS if at is before}
            assert row.state is before or any((one, row.state) in ledger.TRANSITIONS for one in via)
        assert after.notes >= self.before.notes
        self.before = after

    def teardown(self) -> None:
        """Let everything come to an end: then everybody has an outcome."""
        for hand in self.hands.values():
            if hand.told and hand.worker not in self.gone:
                self._record(hand)
        self._hold(lambda _: True)
        self._send_the_rest()
        self.everything_holds()
        assert self.before.issue is IssueState.SENT
        final = {S.ACCEPTED, S.REJECTED, S.SUPPRESSED, S.UNCERTAIN}
        assert {row.state for row in self.before.rows.values()} <= final
        self.a_person_sends_again(S.UNCERTAIN)
        self.everything_holds()

    # How

    def look(self) -> Snapshot:
        """Return the ledger as it stands."""
        return snapshot(self.db, self.issue_id)

    @property
    def _providers(self) -> dict[str, Any]:
        return {self.provider: self.oracle}

    def _claim(self, terms: str, *, scheduled: bool, waits: bool) -> Hand | None:
        """Claim as a worker of its own; the readers are those who wait, and nobody who has left."""
        worker = f"another-host:{len(self.hands)}:1"
        batch = self.oracle.new_batch() if scheduled else ""
        limits = replace(TERMS[terms], provider=self.provider, batch=batch, send_at=self.oracle.send_at.get(batch))
        before = self.look()
        with self.db.transaction() as session:
            if not waits:
                issue = lock_issue(session, self.issue_id)
                issue.reason, issue.next_try_at = "", None
            taken = ledger.claim(session, self.issue_id, worker, self.now, limits)
        if taken is None or not taken.readers:
            return None
        numbers = {reader.number for reader in taken.readers}
        assert len(numbers) == len(taken.readers) <= limits.full
        assert all(before.rows[number].state is S.PLANNED for number in numbers)
        assert not numbers & self.left, "they had left before the claim began (F7)"
        after = self.look()
        assert numbers == {number for number, row in after.rows.items() if row.attempt == taken.attempt}
        hand = self.hands[taken.attempt] = Hand(taken, worker, batch)
        return hand

    def _send_the_rest(self) -> None:
        """Send to everybody who waits, however long they have to, and let the issue's hour pass."""
        for _ in range(ledger.MAX_TRIES + 1):
            self.now += timedelta(days=1)
            while rest := self._claim("a chunk", scheduled=False, waits=False):
                self.hands_over(rest, [(Status.ACCEPTED, True)] * CHUNK, "records", [])
                self.everything_holds()
        self.time_passes(1)

    def _record(self, hand: Hand) -> None:
        """Record what the provider told, and check that it changed what it had to, and nothing else."""
        before = self.look()
        with self.db.transaction() as session:
            ledger.record(session, hand.claim, hand.told, self.now)
        after = self.look()
        told = {one.number: answer.status for one, answer in zip(hand.claim.readers, hand.told, strict=False)}
        changed = False
        for number, row in before.rows.items():
            status = told.get(number)
            mine = status is not None and row.attempt == hand.claim.attempt
            is_open = mine and row.state in {S.SENDING, S.UNCERTAIN}
            may_change = is_open or (mine and row.state is S.PLANNED and status is Status.ACCEPTED)
            changed |= may_change
            assert may_change or after.rows[number] == row
            assert not may_change or after.rows[number].state in _after(status)
        if not changed:
            assert (after.issue, after.reason, after.chunks) == (before.issue, before.reason, before.chunks)

    def _journal(self, hand: Hand, answered: list[bool]) -> list[Outcome]:
        """Return what a journal holds at a worker's death: for whom the answer had come, or that it was handed over."""
        if not hand.told:
            return [Outcome(one.delivery_id, Status.NOT_TRIED, "not its turn") for one in hand.claim.readers]
        known = [*answered, False, False]
        return [
            outcome if yes else Outcome(outcome.delivery_id, Status.UNCERTAIN, "no answer yet")
            for outcome, yes in zip(hand.told, known, strict=False)
        ]

    def _hold(self, is_gone: Callable[[str], bool | None]) -> None:
        def testimony(_: str, attempt: int, __: Sequence[str]) -> list[Outcome] | None:
            return self.hands[attempt].testimony

        with self.db.transaction() as session:
            ledger.hold_orphans(session, self.issue_id, self.now, is_gone, testimony)

    def _adds_up(self) -> None:
        with self.db.reading() as session:
            issue = session.get_one(Issue, self.issue_id)
            assert contradictions(session, issue) == []
            assert issue.expected == READERS == len(self.numbers)

    def _agrees_with_the_truth(self, number: int, row: Row) -> None:
        mails = self.oracle.mailed(number)
        if row.state is S.ACCEPTED:
            assert mails or number in self.by_hand, "accepted, and the provider has nothing"
        assert len(mails) <= 1 + self.asked_for[number], "a second mail that nobody asked for"
        others = [attempt for attempt in mails if row.state is not S.SENDING or attempt != row.attempt]
        if row.state not in {S.ACCEPTED, S.UNCERTAIN}:
            assert len(others) <= self.asked_for[number], f"the provider has it, and it is {row.state}"


def _after(status: Status | None) -> set[DeliveryState]:
    """Return the states that an answer leads to."""
    settled = {Status.ACCEPTED: S.ACCEPTED, Status.REJECTED: S.REJECTED, Status.UNCERTAIN: S.UNCERTAIN}
    if status in settled:
        return {settled[status]}
    return {S.PLANNED} if status is Status.NOT_TRIED else {S.PLANNED, S.REJECTED}


@pytest.fixture(scope="module")
def begun() -> Iterator[tuple[Database, int]]:
    """Yield a database and an issue in it; in memory where that can be, since nothing here is about power cuts."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        created_database("sqlite", Path(folder)) as db,
    ):
        yield db, approved(db, readers=READERS)[1]


def test_the_ledger_holds_in_any_order_of_events(begun: tuple[Database, int]) -> None:
    """F2, F3: no order of claims, answers, crashes, reports and decisions loses a reader or mails one twice."""
    run_state_machine_as_test(
        partial(LedgerMachine, *begun),  # type: ignore[arg-type] # anything that makes one will do
        settings=settings(
            max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
