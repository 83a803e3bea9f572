"""What reports prove: how far a mail got, and which open deliveries were accepted (trust 3.3 step 4, threat 15)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter import feedback
from newsletter.db import Database
from newsletter.delivery.learning import Report, Verdict, further, judge, learn, settle_reported
from newsletter.feedback import take_in
from newsletter.mail import Kind
from newsletter.models import AttemptOutcome, Delivery, DeliveryState
from newsletter.providers.events import Event
from tests.builders import NOW
from tests.databases import created_database
from tests.reported import ACCEPTED, PLANNED, UNCERTAIN, Out, out

SENDING, REJECTED, SUPPRESSED = DeliveryState.SENDING, DeliveryState.REJECTED, DeliveryState.SUPPRESSED
PROCESSED, DEFERRED, DELIVERED = Kind.PROCESSED, Kind.DEFERRED, Kind.DELIVERED
BOUNCED, BLOCKED, DROPPED, OTHER = Kind.BOUNCED, Kind.BLOCKED, Kind.DROPPED, Kind.OTHER
#: What of a delivery's row is compared.
COMPARED = ("id", "state", "attempt", "detail", "reported", "chunk")


@pytest.mark.parametrize(
    ("kinds", "furthest"),
    [
        ([PROCESSED, DEFERRED], "deferred"),
        ([PROCESSED, DEFERRED, DELIVERED], "delivered"),
        ([PROCESSED, DROPPED], "dropped"),
        ([PROCESSED, DEFERRED, BLOCKED], "blocked"),
        ([PROCESSED, BOUNCED], "bounced"),
        ([DELIVERED, BOUNCED], "bounced"),
        ([DELIVERED, BLOCKED], "blocked"),
        ([DELIVERED, Kind.OPENED, Kind.CLICKED], "clicked"),
        ([DELIVERED, Kind.OPENED, Kind.COMPLAINED], "complained"),
        ([DELIVERED, Kind.UNSUBSCRIBED, Kind.CLICKED], "unsubscribed"),
        ([DELIVERED, OTHER], "delivered"),
        ([OTHER], ""),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else None,
)
def test_the_furthest_report_stays_in_whatever_order_they_come(kinds: list[Kind], furthest: str) -> None:
    """Threat 15: delivered is never undone by an old deferred; a bounce after delivered is allowed."""
    for order in permutations(kinds * 2 if len(kinds) < 3 else kinds):
        reported = ""
        for kind in order:
            reported = further(reported, kind)
        assert reported == furthest


@given(st.lists(st.sampled_from(Kind), max_size=8), st.randoms())
def test_any_order_of_any_reports_ends_the_same(kinds: list[Kind], rng: random.Random) -> None:
    ends = set()
    for _ in range(5):
        reported = ""
        for kind in kinds:
            reported = further(reported, kind)
        ends.add(reported)
        rng.shuffle(kinds)
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("state", "found", "by_worker", "verdict"),
    [
        (UNCERTAIN, {(6, PROCESSED)}, False, Verdict(True, 6)),
        (UNCERTAIN, {(0, BOUNCED)}, False, Verdict(True, 6)),
        (UNCERTAIN, {(6, DROPPED)}, False, Verdict(True, 6)),
        (UNCERTAIN, {(0, DROPPED)}, False, Verdict(True, 6)),
        (UNCERTAIN, {(5, DROPPED)}, False, Verdict(False, 6)),
        (UNCERTAIN, {(6, OTHER)}, False, Verdict(False, 6)),
        (UNCERTAIN, {(5, DELIVERED)}, False, Verdict(True, 5)),
        (UNCERTAIN, {(5, DELIVERED), (6, PROCESSED)}, False, Verdict(True, 6, frozenset({5}))),
        (UNCERTAIN, set(), False, Verdict(False, 6)),
        (PLANNED, {(6, PROCESSED)}, False, Verdict(True, 6)),
        (PLANNED, {(4, DELIVERED)}, False, Verdict(True, 4)),
        (PLANNED, {(0, DELIVERED)}, False, Verdict(True, 6)),
        (PLANNED, {(6, DROPPED)}, False, Verdict(False, 6)),
        (SENDING, {(6, DELIVERED)}, False, Verdict(False, 6)),
        (REJECTED, {(6, BOUNCED)}, False, Verdict(False, 6)),
        (SUPPRESSED, {(5, DELIVERED)}, False, Verdict(False, 6)),
        (ACCEPTED, {(6, DELIVERED)}, True, Verdict(False, 6)),
        (ACCEPTED, {(0, DELIVERED)}, True, Verdict(False, 6)),
        (ACCEPTED, {(5, DELIVERED)}, True, Verdict(False, 6, frozenset({5}))),
        (ACCEPTED, {(5, DROPPED)}, True, Verdict(False, 6)),
        (ACCEPTED, {(5, DELIVERED)}, False, Verdict(False, 5)),
        (ACCEPTED, {(4, DELIVERED), (5, DELIVERED)}, True, Verdict(False, 6, frozenset({4, 5}))),
    ],
)
def test_what_is_proved(state: DeliveryState, found: set[tuple[int, Kind]], by_worker: bool, verdict: Verdict) -> None:
    assert judge(state, 6, found, by_worker=by_worker) == verdict


def test_an_event_settles_an_uncertain_delivery(database: Database) -> None:
    """Trust 3.3 step 4 (i): the provider has it, so it is accepted; the others stay uncertain."""
    issue = out(database, 3, UNCERTAIN, attempt=2)
    taken = take_in(database, "p", [issue.event(1, PROCESSED)], NOW)
    assert (taken.settled, taken.duplicates) == (1, 0)
    assert [row.state for row in issue.rows()] == [UNCERTAIN, ACCEPTED, UNCERTAIN]
    assert issue.row(1).detail == "the provider reported it"
    assert issue.outcomes() == [(2, 1, "accepted", "event")]
    assert take_in(database, "p", [issue.event(1, DELIVERED)], NOW).settled == 0
    assert issue.outcomes() == [(2, 1, "accepted", "event")]


def test_a_released_delivery_that_was_taken_is_not_sent_again(database: Database) -> None:
    """Trust 3.3, late contradiction: the mail is spared while the reader still waits for the second try."""
    issue = out(database, 2, PLANNED, attempt=2)
    _release(issue, 2)
    take_in(database, "p", [issue.event(0, PROCESSED), issue.event(1, DROPPED)], NOW)
    assert [row.state for row in issue.rows()] == [ACCEPTED, PLANNED]
    assert issue.outcomes()[1:] == [(2, 0, "accepted", "event")]


def test_that_a_batch_was_processed_proves_nothing_once_it_was_given_back(database: Database) -> None:
    """A provider may report "processed" when it gets a mail for later: the reader would be lost by it."""
    issue = out(database, 2, PLANNED, attempt=2)
    with database.transaction() as session:
        for number in issue.deliveries:
            cancelled = AttemptOutcome(attempt_id=2, delivery_id=number, status="cancelled", by="ed", at=NOW)
            session.add(cancelled)
    take_in(database, "p", [issue.event(0, PROCESSED), issue.event(1, PROCESSED), issue.event(1, DELIVERED)], NOW)
    assert [row.state for row in issue.rows()] == [PLANNED, ACCEPTED]


def test_a_second_mail_is_counted_once(database: Database) -> None:
    """Trust 3.3, late contradiction: recorded as a duplicate and shown, never hidden."""
    issue = out(database, 2, ACCEPTED, attempt=3)
    _release(issue, 2)
    events = [issue.event(0, PROCESSED, attempt=2), issue.event(0, DELIVERED, attempt=2), issue.event(0, DELIVERED)]
    assert [take_in(database, "p", [one], NOW).duplicates for one in events] == [1, 0, 0]
    assert issue.outcomes()[1:] == [(2, 0, "duplicate", "event")]
    with database.reading() as session:
        assert feedback.reported(session, issue.issue_id).duplicates == 1


def test_what_is_being_sent_is_left_to_its_worker(database: Database) -> None:
    """And not forgotten when the worker dies: `settle_reported` takes it up."""
    issue = out(database, 4, SENDING, attempt=2)
    assert take_in(database, "p", [issue.event(number, PROCESSED) for number in (0, 1)], NOW).settled == 0
    assert take_in(database, "p", [issue.event(2, DELIVERED, attempt=1)], NOW).settled == 0
    assert [row.state for row in issue.rows()] == [SENDING] * 4
    with database.transaction() as session:
        assert settle_reported(session, issue.issue_id, NOW) == 0
    issue.put(0, state=UNCERTAIN)
    issue.put(1, state=PLANNED)
    issue.put(2, state=ACCEPTED)
    issue.put(3, state=UNCERTAIN)
    with database.transaction() as session:
        assert settle_reported(session, issue.issue_id, NOW, chunks=[7]) == 0
        assert settle_reported(session, issue.issue_id, NOW, chunks=[0]) == 2
        assert settle_reported(session, issue.issue_id, NOW) == 0
    assert [row.state for row in issue.rows()] == [ACCEPTED, ACCEPTED, ACCEPTED, UNCERTAIN]
    assert issue.outcomes() == [(2, 0, "accepted", "event"), (2, 1, "accepted", "event"), (1, 2, "duplicate", "event")]


def test_nothing_to_learn_asks_nothing(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        assert learn(session, [], NOW).accepted == 0


def test_only_stored_events_prove_anything(sqlite_database: Database) -> None:
    """What `learn` is told says which deliveries to look at; the proof is in the events, which stay."""
    issue = out(sqlite_database, 1, UNCERTAIN)
    with sqlite_database.transaction() as session:
        assert learn(session, [Report(issue.deliveries[0], issue.issue_id, PROCESSED, 1)], NOW).accepted == 0
        assert session.get_one(Delivery, issue.deliveries[0]).reported == "processed"


STATES = (PLANNED, UNCERTAIN, ACCEPTED, REJECTED, SUPPRESSED)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_order_and_grouping_of_events_ends_in_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Order, grouping into requests and repetition make no difference to any delivery or any count."""
    ends = [_run(tmp_path_factory.mktemp("order"), seed, order) for order in (1, 2, 3)]
    assert ends[0] == ends[1] == ends[2]


def _run(folder: Path, seed: int, order: int) -> tuple[object, object]:
    made, rng = random.Random(seed), random.Random(order)
    with created_database("sqlite", folder) as db:
        issue = out(db, 30, attempt=3)
        for number in range(30):
            issue.put(number, state=made.choice(STATES), attempt=made.choice([2, 3]))
        events = [
            issue.event(made.randrange(30), made.choice(list(Kind)), attempt=made.choice([0, 1, 2, 3, 4]))
            for _ in range(60)
        ]
        rng.shuffle(events)
        for group in _grouped(events, rng):
            take_in(db, "p", group, NOW)
        rows = [tuple(getattr(row, name) for name in COMPARED) for row in issue.rows()]
        outcomes = issue.outcomes()
        return rows, sorted({one for one in outcomes if one[2] == "duplicate"})


def _grouped(events: list[Event], rng: random.Random) -> Iterable[list[Event]]:
    while events:
        size = rng.randint(1, 12)
        yield events[:size]
        events = events[size - rng.randint(0, 1) if size > 1 else size :]


def _release(issue: Out, attempt: int) -> None:
    with issue.db.transaction() as session:
        session.add(AttemptOutcome(attempt_id=attempt, readers=2, status="released", by="ed", at=NOW))
