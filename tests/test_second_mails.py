"""Sequences that would send a mail twice, lose a reader, or hide that either happened; each was possible once."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlmodel import col, func, select

from newsletter import delivery, issues
from newsletter.app import App
from newsletter.db import Database
from newsletter.delivery import Post, ledger
from newsletter.delivery.journal import Journal
from newsletter.delivery.ledger import LEASE
from newsletter.delivery.ledger.rows import ledger_id
from newsletter.delivery.ledger.values import Claim, Terms
from newsletter.delivery.message import Recipients
from newsletter.delivery.names import name_of
from newsletter.delivery.planning import plan
from newsletter.delivery.rates import Limits, Windows
from newsletter.delivery.restoring import take_up
from newsletter.delivery.undoing import undo
from newsletter.delivery.workers import at_work, here, is_gone
from newsletter.errors import Refused
from newsletter.feedback import reported, take_in
from newsletter.mail import Kind, Outcome, Recipient, Status
from newsletter.models import AttemptOutcome, Chunk, Delivery, DeliveryState, Issue, IssueState, RateUse, ReportedEvent
from newsletter.providers.events import Event
from newsletter.render import Renderer
from newsletter.schedule import _hold_overdue
from newsletter.windows import TOTAL
from subscribers import consent
from subscribers.models import Subscriber, Subscription
from tests import waiting
from tests.builders import NOW
from tests.test_delivery import BASE, SIGNER, Scripted, approved, counts
from tests.test_restoring import copy
from tests.waiting import AT, BEFORE, NAME, Later


def test_a_backup_of_an_issue_that_was_handed_over_in_advance(sqlite_database: Database, tmp_path: Path) -> None:
    """F22: its hour has not come, and the provider has it all the same."""
    issue_id, provider = waiting.approved(sqlite_database, readers=4), Later()
    with sqlite_database.transaction() as session:
        ledger_id(session)
    backup = copy(sqlite_database, tmp_path / "backup.db")
    journal = Journal(tmp_path / "sending")
    post = Post(provider, SIGNER, BASE, lambda: BEFORE, name=NAME, journal=journal)
    delivery.send(sqlite_database, issue_id, post, by_hand=False, ahead=True)
    with pytest.raises(Refused, match="restored from a backup"):
        delivery.send(backup, issue_id, post, by_hand=False, ahead=True)
    with backup.transaction() as session:
        assert take_up(session, journal, 2, BEFORE).uncertain == 4
    delivery.send(backup, issue_id, post, by_hand=True)
    assert max(provider.goes_out.values()) == 1
    backup.close()


def test_a_worker_that_slept_past_its_lease_sends_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was suspended between claim and hand-over: others may have sent it since."""
    _, issue_id = approved(database, readers=3)
    now = [NOW]
    real = Recipients.of

    def sleeps(self: Recipients, claimed: Claim) -> list[Recipient]:
        now[0] += LEASE + timedelta(minutes=1)
        return real(self, claimed)

    provider = Scripted()
    monkeypatch.setattr(Recipients, "of", sleeps)
    delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: now[0]), by_hand=False)
    assert provider.sent == []
    assert counts(database, issue_id).planned == 3


def test_a_worker_in_another_namespace_of_processes_is_not_known_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers may share a host's name: only the lease tells of their workers."""
    with at_work() as worker:
        assert is_gone(worker) is False
        place, *rest = worker.split(":")
        assert place == here()
        assert is_gone(":".join([place + "1", *rest])) is None
    host, _, rest_of_place = place.partition("/")
    assert rest_of_place
    assert is_gone(f"{host}/another-boot/1:1:1:1") is None


def test_that_it_was_processed_proves_nothing_of_a_batch_that_may_be_cancelled(database: Database) -> None:
    """The provider cancels, and its answer is lost: the reader would be accepted, and get nothing."""
    issue_id, provider = waiting.approved(database, readers=1), Later()
    waiting.send(database, issue_id, provider)
    with database.reading() as session:
        row = session.exec(select(Delivery)).one()
        name = name_of(session.get_one(Issue, issue_id).name_key, row.id, row.subscriber_id)
    take_in(database, NAME, [Event("e", Kind.PROCESSED, BEFORE, name, row.attempt)], BEFORE)

    def lost(batch: str) -> None:
        raise OSError("reset")

    provider.after_cancel = lost
    undo(database, issue_id, {NAME: provider}, lambda: BEFORE, "ed", wait=lambda _: None)
    waiting.send(database, issue_id, provider, BEFORE + timedelta(minutes=1))
    waiting.check_truth(database, issue_id, provider)


def test_what_is_told_of_a_batch_finds_its_reader_after_the_issue_was_changed(database: Database) -> None:
    """The provider sent what it said it would not: that must not be lost because the week was approved anew."""
    issue_id, provider = waiting.approved(database, readers=1), Later()
    waiting.send(database, issue_id, provider)
    (name,) = provider.names[1]
    undo(database, issue_id, {NAME: provider}, lambda: BEFORE, "ed", wait=lambda _: None)
    with database.transaction() as session:
        issue = session.get_one(Issue, issue_id)
        issues.edit(session, issue, issues.Changes(subject="Another subject"))
        assert issue.state is IssueState.DRAFT
        issues.approve(session, issue, Renderer(None), waiting.BASE, by="ed", now=BEFORE)
    take_in(database, NAME, [Event("e", Kind.DELIVERED, BEFORE, name, 1)], BEFORE)
    with database.reading() as session:
        (told,) = session.exec(select(ReportedEvent)).all()
        assert told.delivery_id == session.exec(select(Delivery.id)).one()
    assert waiting.states(database) == {"r0@example.org": DeliveryState.ACCEPTED}
    waiting.send(database, issue_id, provider)
    assert provider.names == {1: {name}}, "the reader has a mail, and gets no second one"


def test_a_late_word_of_a_worker_is_a_counted_duplicate(database: Database) -> None:
    """Trust 3.3: a late contradiction is shown, never hidden."""
    _, issue_id = approved(database, readers=2)
    later = NOW + timedelta(minutes=20)
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 2, NOW)
        first = ledger.claim(session, issue_id, "host-b:1:1:1", NOW)
    assert first is not None
    with database.transaction() as session:
        ledger.hold_orphans(session, issue_id, later, lambda _: None)
        ledger.plan_again(session, session.get_one(Issue, issue_id), DeliveryState.UNCERTAIN, later, "ed")
    delivery.send(database, issue_id, Post(Scripted(), SIGNER, BASE, lambda: later), by_hand=True)
    told = [Outcome(one.delivery_id, Status.ACCEPTED, "202", "ref") for one in first.readers]
    with database.transaction() as session:
        ledger.record(session, first, told, later)
    with database.reading() as session:
        assert reported(session, issue_id).duplicates == 2
        assert len(session.exec(select(AttemptOutcome).where(AttemptOutcome.status == "duplicate")).all()) == 2


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_who_leaves_while_being_claimed_leaves_after_the_claim(database: Database) -> None:
    """F7: a leaving that is committed before the claim is seen by it; another waits until the claim is committed."""
    _, issue_id = approved(database, readers=2)
    left: list[float] = []

    def leave() -> None:
        with database.transaction() as session:
            query = select(Subscription.id).join(Subscriber, col(Subscriber.id) == Subscription.subscriber_id)
            mine = session.exec(query.where(Subscriber.address == "r1@example.org")).one()
            consent.leave(session, subscription_id=mine, now=NOW, source="test")
        left.append(time.monotonic())

    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 2, NOW)
    reader = threading.Thread(target=leave)
    with database.transaction() as session:
        taken = ledger.claim(session, issue_id, "w:1:1:1", NOW)
        reader.start()
        reader.join(0.5)
        assert left == []
        assert taken is not None
        assert len(taken.readers) == 2
    reader.join()
    assert len(left) == 1


def test_a_lane_does_not_spin_while_a_domain_has_no_room(sqlite_database: Database) -> None:
    """With a limit for all and one for a domain: the wait of the first is over, the second's is not."""
    _, issue_id = approved(sqlite_database, readers=6)
    limits = Limits(overall=Windows(per_minute=3), of_domains={"example.org": Windows(per_hour=3)})
    now, looks = [NOW], [0]

    def clock() -> Any:
        looks[0] += 1
        assert looks[0] < 400, "the lane spins"
        return now[0]

    post = Post(Scripted(), SIGNER, BASE, clock, name="x", limits=limits)
    report = delivery.send(sqlite_database, issue_id, post, by_hand=False)
    assert (report.tally.accepted, report.why_waiting) == (3, "a rate in the settings is used up")
    now[0] += timedelta(minutes=2)
    report = delivery.send(sqlite_database, issue_id, post, by_hand=False)
    assert (report.tally.accepted, report.why_waiting) == (3, "the rate for their domain is used up")
    now[0] += timedelta(hours=2)
    assert delivery.send(sqlite_database, issue_id, post, by_hand=False).tally.accepted == 6


def test_who_waits_for_a_domain_is_not_looked_at_each_time(sqlite_database: Database) -> None:
    """All readers of one domain with a limit: when a few of them may go, the others are not moved from chunk to chunk."""
    _, issue_id = approved(sqlite_database, readers=600)
    limits = Limits(of_domains={"example.org": Windows(per_hour=60)})
    now = [NOW]
    post = Post(Scripted(chunk_size=60), SIGNER, BASE, lambda: now[0], name="x", limits=limits)
    chunks, accepted = [], []
    for _ in range(8):
        accepted.append(delivery.send(sqlite_database, issue_id, post, by_hand=False).tally.accepted)
        with sqlite_database.reading() as session:
            chunks.append(session.exec(select(func.count()).select_from(Chunk)).one())
        now[0] += timedelta(minutes=61)
    assert accepted == [60 * hour for hour in range(1, 9)]
    assert max(after - before for before, after in pairwise(chunks[1:])) <= 2


def test_an_issue_that_waits_at_the_provider_is_not_overdue(sqlite_database: Database) -> None:
    issue_id, provider = waiting.approved(sqlite_database, readers=2), Later()
    waiting.send(sqlite_database, issue_id, provider, AT - timedelta(hours=40))
    settings = SimpleNamespace(schedule=SimpleNamespace(late_limit=12.0))
    app = cast(App, SimpleNamespace(settings=settings, db=sqlite_database))
    assert _hold_overdue(app, AT - timedelta(hours=20)) == []


def test_a_refusal_is_told_without_an_address(database: Database) -> None:
    """Threat 22: reasons are shown in logs."""
    _, issue_id = approved(database, readers=2)

    class Relay(Scripted):
        def send(self, mail: Any, recipients: Any) -> list[Outcome]:
            words = "554 5.7.1 <{}>: Relay access denied"
            return [Outcome(one.delivery_id, Status.REFUSED, words.format(one.address)) for one in recipients]

    report = delivery.send(database, issue_id, Post(Relay(), SIGNER, BASE, lambda: NOW), by_hand=False)
    assert "Relay access denied" in report.reason
    assert "@" not in report.reason


def test_giving_back_twice_takes_nothing_from_the_worker_who_has_it_now(database: Database) -> None:
    """F9: the answer to the commit was lost, so it is asked for again; meanwhile another worker has claimed the chunk."""
    _, issue_id = approved(database, readers=4)
    terms = Terms(provider="x", limits=Limits(overall=Windows(per_hour=8)))
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 4, NOW)
        mine = ledger.claim(session, issue_id, "w1:1:1:1", NOW, terms)
        assert mine is not None
        ledger.release(session, mine, "", NOW, terms=terms)
        theirs = ledger.claim(session, issue_id, "w2:1:1:1", NOW, terms)
        assert theirs is not None
        ledger.release(session, mine, "", NOW, terms=terms)
        assert ledger.claim(session, issue_id, "w3:1:1:1", NOW, terms) is None
        assert max(session.exec(select(RateUse.used).where(RateUse.start == TOTAL))) == 4
        assert ledger.hold_orphans(session, issue_id, NOW + timedelta(days=1), lambda _: True) == 4


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.NOT_TRIED, Status.DEFERRED])
def test_recording_twice_is_recording_once(database: Database, status: Status) -> None:
    _, issue_id = approved(database, readers=3)
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 3, NOW)
        claimed = ledger.claim(session, issue_id, "w1:1:1:1", NOW)
        assert claimed is not None
        told = [Outcome(one.delivery_id, status, "said") for one in claimed.readers]
        first = ledger.record(session, claimed, told, NOW)
        kept = session.exec(select(func.count()).select_from(AttemptOutcome)).one()
        again = ledger.record(session, claimed, told, NOW)
        assert again.go_on == first.go_on
        assert session.exec(select(func.count()).select_from(AttemptOutcome)).one() == kept
        assert session.exec(select(func.count()).select_from(Chunk).where(Chunk.state == "planned")).one() <= 1
