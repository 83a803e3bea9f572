"""Several workers on one issue, slow ones, dead ones, held ones: interleavings that the ledger must come through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from newsletter import delivery, issues
from newsletter.db import Database
from newsletter.delivery import Post, ledger
from newsletter.delivery.ledger import Claim
from newsletter.delivery.planning import plan
from newsletter.delivery.workers import at_work
from newsletter.mail import Outcome, Recipient, Status
from newsletter.models import DeliveryState, Issue, IssueState
from tests.builders import NOW
from tests.test_delivery import BASE, SIGNER, Scripted, approved, counts, send

LATE = NOW + ledger.LEASE + timedelta(minutes=1)


def planned(database: Database, readers: int) -> int:
    """Return an issue whose deliveries are planned in chunks of three."""
    _, issue_id = approved(database, readers=readers)
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 3, NOW)
    return issue_id


def claim(database: Database, issue_id: int, worker: str = "another-host:1:1", now: datetime = NOW) -> Claim | None:
    with database.transaction() as session:
        return ledger.claim(session, issue_id, worker, now)


def claimed(database: Database, issue_id: int, worker: str = "another-host:1:1") -> Claim:
    taken = claim(database, issue_id, worker)
    assert taken is not None
    return taken


def outcomes(taken: Claim, status: Status, retry_after: float | None = None) -> list[Outcome]:
    return [Outcome(one.delivery_id, status, str(status), retry_after=retry_after) for one in taken.readers]


def record(database: Database, taken: Claim, told: Sequence[Outcome], now: datetime = NOW) -> None:
    with database.transaction() as session:
        ledger.record(session, taken, told, now)


def issue(database: Database, issue_id: int) -> Issue:
    with database.reading() as session:
        return session.get_one(Issue, issue_id)


def once(provider: Scripted, happening: Callable[[], None]) -> None:
    """Let something happen while the provider has its first chunk."""

    def before(recipients: Sequence[Recipient]) -> None:
        provider.before = lambda _: None
        happening()

    provider.before = before


def planned_again(database: Database, issue_id: int) -> None:
    """Hold what the worker of a run-out lease had, and plan it again as a person would."""
    with database.transaction() as session:
        ledger.hold_orphans(session, issue_id, LATE, lambda worker: None)
    with database.transaction() as session:
        ledger.plan_again(session, issues.lock_issue(session, issue_id), DeliveryState.UNCERTAIN, LATE, "ed")


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_late_acceptance_under_way_is_seen_by_the_next_claim(database: Database) -> None:
    """A claim that did not wait would hand out readers whose acceptance is just being recorded.

    Only on PostgreSQL can the two overlap; SQLite has one writer.
    """
    issue_id = planned(database, 3)
    slow = claimed(database, issue_id)
    planned_again(database, issue_id)
    got: list[Claim | None] = []
    with database.transaction() as session:
        ledger.record(session, slow, outcomes(slow, Status.ACCEPTED), LATE)
        other = threading.Thread(target=lambda: got.append(claim(database, issue_id, "b:1:1", LATE)))
        other.start()
        time.sleep(0.5)
    other.join()
    assert counts(database, issue_id).accepted == 3
    assert got[0] is None or not got[0].readers


def test_an_outage_may_last_any_time(database: Database) -> None:
    _, issue_id = approved(database, readers=3)
    provider = Scripted(chunk_size=3, **{f"r{number}": Status.NOT_TRIED for number in range(3)})
    now = NOW
    for _ in range(60):
        send(database, issue_id, provider, now)
        now = issue(database, issue_id).next_try_at or now
    assert now - NOW > timedelta(hours=12)
    assert counts(database, issue_id).planned == 3


def test_a_hold_outlives_the_report_of_another_worker(database: Database) -> None:
    issue_id = planned(database, 6)
    first, second = claimed(database, issue_id), claimed(database, issue_id, "another-host:2:2")
    with database.transaction() as session:
        ledger.release(session, first, "the key is wrong", NOW)
    record(database, second, outcomes(second, Status.NOT_TRIED))
    assert issue(database, issue_id).reason == "the key is wrong"


def test_a_hold_stops_a_worker_after_its_chunk(database: Database) -> None:
    _, issue_id = approved(database, readers=9)
    provider = Scripted()

    def hold() -> None:
        with database.transaction() as session:
            session.get_one(Issue, issue_id).reason = "held: by another worker"

    once(provider, hold)
    assert send(database, issue_id, provider).reason == "held: by another worker"
    assert len(provider.sent) == 3


def test_a_wait_that_one_worker_was_told_binds_the_others(database: Database) -> None:
    _, issue_id = approved(database, readers=9)
    provider = Scripted()

    def told_to_wait() -> None:
        other = claimed(database, issue_id)
        record(database, other, outcomes(other, Status.NOT_TRIED, retry_after=3600))

    once(provider, told_to_wait)
    send(database, issue_id, provider)
    assert issue(database, issue_id).next_try_at == NOW + timedelta(hours=1)
    assert len(provider.sent) == 3


def test_progress_keeps_the_waits_short(database: Database) -> None:
    """A server that takes two mails a connection is slow, not out of reach."""
    _, issue_id = approved(database, readers=9)
    provider, waits, now = Scripted(chunk_size=3), [], NOW
    real = provider.send

    def two_at_a_time(mail: object, recipients: Sequence[Recipient]) -> list[Outcome]:
        rest = [Outcome(one.delivery_id, Status.NOT_TRIED, "421 too many") for one in recipients[2:]]
        return real(mail, recipients[:2]) + rest  # type: ignore[arg-type]

    provider.send = two_at_a_time  # type: ignore[method-assign]
    for _ in range(9):
        send(database, issue_id, provider, now)
        next_try = issue(database, issue_id).next_try_at
        if next_try:
            waits.append(next_try - now)
            now = next_try
    assert issue(database, issue_id).state is IssueState.SENT
    assert set(waits) == {ledger.FIRST_WAIT}
    assert max(provider.addresses.values()) == 1


def test_a_report_about_a_settled_attempt_reopens_nothing(database: Database) -> None:
    issue_id = planned(database, 3)
    slow = claimed(database, issue_id)
    planned_again(database, issue_id)
    send(database, issue_id, Scripted(), LATE)
    assert issue(database, issue_id).state is IssueState.SENT
    for status in (Status.REFUSED, Status.DEFERRED, Status.NOT_TRIED):
        record(database, slow, outcomes(slow, status), LATE)
    after = issue(database, issue_id)
    assert (after.state, after.reason, after.next_try_at) == (IssueState.SENT, "", None)


def test_a_slow_worker_of_this_host_that_lives_is_left_alone(database: Database) -> None:
    issue_id = planned(database, 6)
    stop = threading.Event()
    stop.set()
    post = Post(Scripted(), SIGNER, BASE, lambda: LATE)
    with at_work() as slow:
        claim(database, issue_id, slow)
        report = delivery.send(database, issue_id, post, by_hand=False, stop=stop)
    assert (report.held, report.tally.sending, report.reason) == (0, 3, "")


def test_resuming_starts_the_limit_anew(database: Database) -> None:
    _, issue_id = approved(database, readers=2)
    provider = Scripted(r0=Status.DEFERRED)
    send(database, issue_id, provider)
    late = NOW + timedelta(hours=13)
    send(database, issue_id, provider, late, by_hand=True)
    assert issue(database, issue_id).sending_since == late
