"""Stopping a sending: nobody counts as accepted whose mail was cancelled, nobody is sent to twice (trust 3.3, scheduled)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from newsletter import delivery, issues
from newsletter.db import Database
from newsletter.delivery import Post, ledger
from newsletter.delivery.ledger.values import Terms
from newsletter.delivery.reconciling import reconcile
from newsletter.delivery.undoing import (
    MARGIN,
    Undone,
    batches,
    cancel,
    last_moment,
    may_undo,
    pause,
    undo,
)
from newsletter.delivery.workers import at_work
from newsletter.errors import Refused
from newsletter.mail import Outcome, Recipient, Status
from newsletter.models import AttemptOutcome, Delivery, DeliveryState, Issue, IssueState
from newsletter.testing import MemoryProvider
from tests.waiting import (
    AT,
    BASE,
    BEFORE,
    NAME,
    SIGNER,
    Later,
    approved,
    check_truth,
    issue_of,
    send,
    states,
)

PLANNED, ACCEPTED, UNCERTAIN = DeliveryState.PLANNED, DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN


def take_back(database: Database, issue_id: int, provider: Later, now: datetime = BEFORE, name: str = NAME) -> Undone:
    return undo(database, issue_id, {name: provider}, lambda: now, "ed", wait=no_wait)


def no_wait(seconds: float) -> None:
    """Let no time pass."""


def test_a_whole_issue_is_taken_back_and_sent_again(database: Database) -> None:
    issue_id, provider = approved(database, readers=5), Later()
    handed_over = send(database, issue_id, provider)
    assert (handed_over.scheduled_for, handed_over.tally.accepted) == (AT, 5)
    told: list[tuple[int, int]] = []
    undone = undo(
        database, issue_id, {NAME: provider}, lambda: BEFORE, "ed", wait=no_wait, progress=lambda *at: told.append(at)
    )
    assert (undone, undone.whole, told) == (Undone(5, 0, 0), True, [(1, 3), (2, 3), (3, 3)])
    issue = issue_of(database, issue_id)
    assert (issue.state, issue.reason, issue.scheduled_for) == (IssueState.APPROVED, "undone by ed", None)
    assert set(states(database).values()) == {PLANNED}
    check_truth(database, issue_id, provider)
    again = send(database, issue_id, provider, BEFORE + timedelta(minutes=5))
    assert again.tally.accepted == again.tally.expected == 5
    check_truth(database, issue_id, provider)
    assert sum(provider.goes_out.values()) == 5


def test_an_issue_that_was_taken_back_may_be_changed(database: Database) -> None:
    issue_id, provider = approved(database, readers=3), Later()
    send(database, issue_id, provider)
    take_back(database, issue_id, provider)
    with database.transaction() as session:
        issues.edit(session, issues.lock_issue(session, issue_id), issues.Changes(subject="Changed"))
    assert issue_of(database, issue_id).state is IssueState.DRAFT


def test_what_is_not_given_back_is_uncertain_and_asked_for_again(database: Database) -> None:
    """The provider did not say that it is cancelled; nor did it say that it is not (a lost answer, a slow replica)."""
    issue_id, provider = approved(database, readers=6), Later()
    send(database, issue_id, provider)
    provider.keeps = {"batch-2"}
    undone = take_back(database, issue_id, provider)
    assert (undone.freed, undone.kept, undone.whole) == (4, 2, False)
    assert undone.problems == ("later does not say that batch batch-2 is cancelled.",)
    issue = issue_of(database, issue_id)
    assert (issue.state, issue.reason) == (IssueState.SENDING, "undone by ed, but not whole: 2 may get it")
    assert sorted(states(database).values()) == [PLANNED] * 4 + [UNCERTAIN] * 2
    check_truth(database, issue_id, provider)
    assert send_by_schedule(database, issue_id, provider).planned == 4  # it waits for a person
    provider.keeps.clear()
    assert take_back(database, issue_id, provider) == Undone(2, 0, 0)
    assert issue_of(database, issue_id).state is IssueState.APPROVED
    assert provider.asked.count("batch-1") == 1  # what is given back is not asked for again
    check_truth(database, issue_id, provider)


def send_by_schedule(database: Database, issue_id: int, provider: Later) -> delivery.Tally:
    post = Post(provider, SIGNER, BASE, lambda: BEFORE, name=NAME)
    return delivery.send(database, issue_id, post, by_hand=False).tally


@pytest.mark.parametrize("lost", [ConnectionResetError("reset"), KeyboardInterrupt()], ids=["answer lost", "killed"])
def test_a_batch_that_was_cancelled_without_our_knowing_counts_as_accepted_by_nobody(
    database: Database, lost: BaseException
) -> None:
    issue_id, provider = approved(database, readers=4), Later()
    send(database, issue_id, provider)

    def lose(batch: str) -> None:
        raise lost

    provider.after_cancel = lose
    if isinstance(lost, OSError):
        assert take_back(database, issue_id, provider).problems == ("Batch batch-1: reset", "Batch batch-2: reset")
    else:
        with pytest.raises(KeyboardInterrupt):
            take_back(database, issue_id, provider)
    check_truth(database, issue_id, provider)
    provider.after_cancel = lambda batch: None
    found = reconcile(database, {NAME: provider}, BEFORE, issue_id)
    assert (found.accepted, found.held) == (0, 0)
    check_truth(database, issue_id, provider)


def test_after_the_last_moment_nothing_is_taken_back(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Later()
    send(database, issue_id, provider)
    late = AT - provider.cancel_before
    with pytest.raises(Refused, match="It could be taken back until 05:49 UTC"):
        take_back(database, issue_id, provider, late)
    assert (provider.asked, issue_of(database, issue_id).reason) == ([], "")
    assert set(states(database).values()) == {ACCEPTED}


def test_a_batch_whose_turn_comes_too_late_stays_accepted(database: Database) -> None:
    """Undoing many batches takes its time: each looks at the clock for itself."""
    issue_id, provider = approved(database, readers=4), Later()
    send(database, issue_id, provider)
    times = {0: BEFORE, 1: AT - timedelta(minutes=9)}
    undone = undo(database, issue_id, {NAME: provider}, lambda: times[len(provider.asked)], "ed", wait=no_wait)
    assert undone.problems == (
        "later answered too late for batch batch-1: it may have been sent.",
        "It was too late for batch batch-2.",
    )
    assert sorted(states(database).values()) == [ACCEPTED] * 2 + [UNCERTAIN] * 2


def test_undoing_twice_and_undoing_what_was_sent_at_once_is_refused(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Later()
    send(database, issue_id, provider)
    take_back(database, issue_id, provider)
    with pytest.raises(Refused, match="The provider has nothing of it"):
        take_back(database, issue_id, provider)
    send(database, issue_id, provider, ahead=False)
    with pytest.raises(Refused, match="what the provider was given, it has sent"):
        take_back(database, issue_id, provider)


def test_undo_asks_the_provider_that_has_it(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Later()
    send(database, issue_id, provider)
    with pytest.raises(Refused, match="The provider in the settings is not the one that has it"):
        take_back(database, issue_id, provider, name="another")
    assert provider.asked == []


def test_a_worker_that_is_handing_over_is_waited_for(database: Database) -> None:
    """Cancelled before it is taken, the batch would be reported as accepted, and its readers were lost."""
    issue_id, provider = approved(database, readers=4), Later()
    scheduled(database, issue_id, provider)
    with at_work() as worker:
        claimed = claim(database, issue_id, provider, worker)
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            with database.transaction() as session:
                outcomes = [Outcome(one.delivery_id, Status.ACCEPTED) for one in claimed.readers]
                ledger.record(session, claimed, outcomes, BEFORE)

        undone = undo(database, issue_id, {NAME: provider}, lambda: BEFORE, "ed", wait=wait)
    assert (waited, undone.whole, undone.freed) == ([1.0], True, 4)
    check_truth(database, issue_id, provider)


def test_a_worker_that_takes_too_long_keeps_its_batch(database: Database) -> None:
    issue_id, provider = approved(database, readers=4), Later()
    scheduled(database, issue_id, provider)
    with at_work() as worker:
        claim(database, issue_id, provider, worker)
        undone = take_back(database, issue_id, provider)
    assert (undone.sending, undone.whole) == (2, False)
    assert "batch-2" not in provider.asked
    assert take_back(database, issue_id, provider).whole  # it has died meanwhile


def scheduled(database: Database, issue_id: int, provider: Later) -> None:
    """Hand the first chunk over for its time, and stop before the second."""

    def stop(recipients: Sequence[Recipient]) -> None:
        with database.transaction() as session:
            pause(session, issues.lock_issue(session, issue_id), "ed")

    provider.after_taking = stop
    assert send(database, issue_id, provider).tally.accepted == 2
    provider.after_taking = lambda recipients: None


def claim(database: Database, issue_id: int, provider: Later, worker: str) -> ledger.Claim:
    batch = provider.new_batch()
    with database.transaction() as session:
        issues.lock_issue(session, issue_id).reason = ""
        claimed = ledger.claim(session, issue_id, worker, BEFORE, Terms(provider=NAME, full=2, batch=batch, send_at=AT))
    assert claimed is not None
    return claimed


def test_a_late_report_of_a_cancelled_batch_changes_nothing(database: Database) -> None:
    """Its lease ran out, the batch was cancelled, and only then the worker says that the provider took it."""
    issue_id, provider = approved(database, readers=2), Later()
    with database.transaction() as session:
        issue = issues.lock_issue(session, issue_id)
        delivery.planning.plan(session, issue, 2, BEFORE)
        issue.scheduled_for = AT
    claimed = claim(database, issue_id, provider, "another-host:1:1:1")
    later = BEFORE + ledger.LEASE + timedelta(minutes=1)
    assert take_back(database, issue_id, provider, later).freed == 2
    with database.transaction() as session:
        outcomes = [Outcome(one.delivery_id, Status.ACCEPTED) for one in claimed.readers]
        ledger.record(session, claimed, outcomes, later)
    assert set(states(database).values()) == {PLANNED}
    check_truth(database, issue_id, provider)


def test_what_was_done_is_kept_for_good(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Later()
    send(database, issue_id, provider)
    take_back(database, issue_id, provider)
    with database.reading() as session:
        kept = [(one.status, one.by, one.readers) for one in session.exec(select(AttemptOutcome))]
    assert kept == [("accepted", "worker", 2), ("cancelling", "ed", 2), ("cancelled", "ed", 1), ("cancelled", "ed", 1)]


@pytest.mark.parametrize(
    ("scheduled_for", "provider", "now", "why"),
    [
        (None, Later(), BEFORE, "not handed over in advance"),
        (AT, None, BEFORE, "not the one that has it"),
        (AT, MemoryProvider(), BEFORE, "not the one that has it"),
        (AT, Later(), AT - timedelta(minutes=11), ""),
        (AT, Later(), AT - timedelta(minutes=11, seconds=-1), "until 05:49 UTC"),
        (AT, Later(), AT + timedelta(days=1), "until 05:49 UTC"),
    ],
    ids=["at once", "unknown provider", "cannot wait", "last moment", "a second later", "sent"],
)
def test_what_may_be_undone(
    scheduled_for: datetime | None, provider: Later | MemoryProvider | None, now: datetime, why: str
) -> None:
    found = may_undo(Issue.model_construct(scheduled_for=scheduled_for), provider, now)
    assert why in found
    assert bool(found) == bool(why)


@given(st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_undo_ends_a_margin_before_the_providers_promise_does(before: timedelta) -> None:
    provider, now = Later(), AT - before
    may = not may_undo(Issue.model_construct(scheduled_for=AT), provider, now)
    assert may == (now + MARGIN <= AT - provider.cancel_before) == (now <= last_moment(AT, provider))


@pytest.mark.parametrize("state", [IssueState.DRAFT, IssueState.SKIPPED, IssueState.SENT, IssueState.CANCELLED])
def test_what_is_over_or_has_not_begun_is_neither_paused_nor_cancelled(database: Database, state: IssueState) -> None:
    issue_id = approved(database, readers=1)
    with database.transaction() as session:
        issue = issues.lock_issue(session, issue_id)
        issue.state = state
        with pytest.raises(Refused, match=f"is {state}: there is nothing to pause"):
            pause(session, issue, "ed")
        with pytest.raises(Refused, match=f"is {state}: there is nothing to cancel"):
            cancel(session, issue, "ed")


def test_an_issue_that_has_not_begun_is_skipped_and_not_cancelled(database: Database) -> None:
    issue_id = approved(database, readers=1)
    with database.transaction() as session, pytest.raises(Refused, match="`newsletter issue skip`"):
        cancel(session, issues.lock_issue(session, issue_id), "ed")


def test_cancelling_a_paused_issue_leaves_the_rest_without_it(database: Database) -> None:
    issue_id, provider = approved(database, readers=6), Later()
    scheduled(database, issue_id, provider)
    with database.transaction() as session:
        assert cancel(session, issues.lock_issue(session, issue_id), "ed") == 4
    with pytest.raises(Refused, match="was cancelled: called off by ed"):
        send(database, issue_id, provider)
    assert sorted(states(database).values()) == [ACCEPTED] * 2 + [PLANNED] * 4
    check_truth(database, issue_id, provider)


def test_cancelling_after_an_undo_leaves_everybody_without_it(database: Database) -> None:
    issue_id, provider = approved(database, readers=3), Later()
    send(database, issue_id, provider)
    take_back(database, issue_id, provider)
    with database.transaction() as session:
        assert cancel(session, issues.lock_issue(session, issue_id), "ed") == 3
    assert provider.goes_out == {}


def test_pausing_and_resuming_to_and_fro_sends_each_reader_one_mail(database: Database) -> None:
    issue_id, provider = approved(database, readers=8), Later()

    def stop(recipients: Sequence[Recipient]) -> None:
        with database.transaction() as session:
            pause(session, issues.lock_issue(session, issue_id), "ed")

    provider.after_taking = stop
    done = [send(database, issue_id, provider, AT, ahead=False).tally.accepted for _ in range(4)]
    assert done == [2, 4, 6, 8]
    assert send_by_schedule(database, issue_id, provider).accepted == 8
    check_truth(database, issue_id, provider)


def test_batches_are_those_that_still_wait(database: Database) -> None:
    issue_id, provider = approved(database, readers=5), Later()
    send(database, issue_id, provider)
    with database.reading() as session:
        waiting = batches(session, issue_id, BEFORE)
        assert [(one.name, one.provider, one.send_at, one.readers) for one in waiting] == [
            ("batch-1", NAME, AT, 2),
            ("batch-2", NAME, AT, 2),
            ("batch-3", NAME, AT, 1),
        ]
        assert batches(session, issue_id, AT) == []
        assert session.exec(select(Delivery.attempt).where(Delivery.attempt == 0)).first() is None
