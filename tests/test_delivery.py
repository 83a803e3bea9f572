"""Stage 4 on real databases: every reader accounted for, nobody written to twice, nothing guessed (trust section 3)."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from newsletter import delivery, issues
from newsletter.db import Database
from newsletter.delivery import Post, Tally, ledger
from newsletter.delivery.marked import EXAMPLES, who_else
from newsletter.delivery.names import name_of
from newsletter.delivery.planning import plan
from newsletter.delivery.workers import at_work, here, is_gone
from newsletter.errors import ProviderRefused, Refused
from newsletter.mail import VALUES, Mail, Outcome, Recipient, Sender, Status, block_tags, hole_tag
from newsletter.models import Chunk, ChunkState, Delivery, DeliveryState, Edition, Issue, IssueState
from newsletter.render import Renderer
from subscribers import consent, suppression
from subscribers.models import MailingList, Subscription, SubscriptionState, SuppressionReason
from subscribers.tokens import Purpose, Signer
from tests.builders import NOW, Newsroom, populated, reader

BASE = "https://news.example.org"
SIGNER = Signer(["a secret that is long enough for the tests"])


class Scripted:
    """A provider whose answers a test decides: a status for an address, or a function called before anything else."""

    def __init__(self, chunk_size: int = 3, **answers: Status) -> None:
        self.chunk_size = chunk_size
        self.answers = answers
        self.before: Callable[[Sequence[Recipient]], None] = lambda recipients: None
        self.sent: list[Recipient] = []
        self.mails: list[Mail] = []
        self.lock = threading.Lock()

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        self.before(recipients)
        outcomes = []
        with self.lock:
            for recipient in recipients:
                status = self.answers.get(recipient.address.partition("@")[0], Status.ACCEPTED)
                if status is Status.ACCEPTED:
                    self.sent.append(recipient)
                    self.mails.append(mail)
                outcomes.append(Outcome(recipient.delivery_id, status, f"said {status}", "ref"))
        return outcomes

    @property
    def addresses(self) -> Counter[str]:
        return Counter(recipient.address for recipient in self.sent)


def approved(database: Database, *, readers: int) -> tuple[Newsroom, int]:
    made = populated(database, readers=readers)
    with database.transaction() as session:
        edition = session.get_one(Edition, made.edition_id)
        issue = issues.draft(session, edition, issues.next_slot(edition, NOW), NOW).issue
        issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        return made, issue.id


def send(
    database: Database, issue_id: int, provider: Scripted, now: datetime = NOW, *, by_hand: bool = False
) -> delivery.SendReport:
    report = delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: now), by_hand=by_hand)
    assert report.tally.adds_up
    return report


def counts(database: Database, issue_id: int) -> Tally:
    with database.reading() as session:
        tally = delivery.tally(session, session.get_one(Issue, issue_id))
    assert tally.adds_up
    return tally


def test_every_confirmed_reader_gets_it_once(database: Database) -> None:
    made, issue_id = approved(database, readers=7)
    with database.transaction() as session:
        reader(session, made, "pending@example.org", state=SubscriptionState.PENDING)
        reader(session, made, "gone@example.org", state=SubscriptionState.LEFT)
        reader(session, made, "never@example.org")
        suppression.suppress(session, "never@example.org", SuppressionReason.MANUAL, "", NOW)
    provider = Scripted()
    report = send(database, issue_id, provider)
    assert provider.addresses == {f"r{number}@example.org": 1 for number in range(7)}
    assert (report.state, report.planned) == (IssueState.SENT, 7)
    assert report.tally == Tally(expected=7, accepted=7)


def test_sending_again_sends_nothing(database: Database) -> None:
    made, issue_id = approved(database, readers=4)
    provider = Scripted()
    send(database, issue_id, provider)
    with database.transaction() as session:
        reader(session, made, "late@example.org")  # the audience was frozen
    again = send(database, issue_id, provider)
    assert (again.planned, again.tally.accepted) == (0, 4)
    assert len(provider.sent) == 4


def test_a_draft_is_not_sent(database: Database) -> None:
    _, issue_id = approved(database, readers=1)
    with database.transaction() as session:
        issues.edit(session, session.get_one(Issue, issue_id), issues.Changes(subject="Changed after approval"))
    with pytest.raises(Refused, match="is not approved"):
        send(database, issue_id, Scripted())


def test_a_list_without_readers_gets_a_sentence_and_stays_approved(database: Database) -> None:
    _, issue_id = approved(database, readers=0)
    with pytest.raises(Refused, match="Nobody on the list of Fen Weekly"):
        send(database, issue_id, Scripted())
    with database.reading() as session:
        assert session.get_one(Issue, issue_id).state is IssueState.APPROVED


def test_a_mail_that_is_not_what_was_approved_is_not_sent(database: Database) -> None:
    _, issue_id = approved(database, readers=2)
    with database.transaction() as session:
        session.get_one(Issue, issue_id).html += "<!-- changed -->"
    provider = Scripted()
    with pytest.raises(Refused, match="is not what was approved"):
        send(database, issue_id, provider)
    assert provider.sent == []


def test_what_each_reader_gets(database: Database) -> None:
    _, issue_id = approved(database, readers=1)
    provider = Scripted()
    send(database, issue_id, provider)
    recipient, mail = provider.sent[0], provider.mails[0]
    with database.reading() as session:
        subscription = session.exec(select(Subscription)).one()
        row = session.exec(select(Delivery)).one()
        issue = session.get_one(Issue, issue_id)
    assert SIGNER.read(Purpose.UNSUBSCRIBE, recipient.values["token"]) == subscription.id
    assert mail.html == issue.html
    headers = dict(mail.headers_for(recipient.values))
    assert headers["Message-ID"] == f"<{name_of(issue.name_key, row.id, row.subscriber_id)}@fen.example>"
    assert headers["List-Id"] == "<fen-weekly.lists.fen.example>"
    assert headers["List-Unsubscribe"].startswith(f"<{BASE}/u/{recipient.values['token']}>, <mailto:weekly@fen.example")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "10 November 2026" in mail.text_for(recipient.values)  # since when they get it
    assert row.address == "r0@example.org"


def leaves(session: Session) -> None:
    consent.leave(session, subscription_id=session.exec(select(Subscription.id)).all()[-1], now=NOW, source="test")


def suppressed(session: Session) -> None:
    suppression.suppress(session, "r3@example.org", SuppressionReason.COMPLAINT, "", NOW)


@pytest.mark.parametrize("happens", [leaves, suppressed])
def test_who_leaves_between_planning_and_claim_gets_nothing(
    database: Database, happens: Callable[[Session], None]
) -> None:
    """F7: an unsubscribe that is committed before the chunk's claim is honoured."""
    _, issue_id = approved(database, readers=4)
    provider = Scripted(chunk_size=2)

    def during_first_chunk(recipients: Sequence[Recipient]) -> None:
        provider.before = lambda _: None
        with database.transaction() as session:
            happens(session)

    provider.before = during_first_chunk
    report = send(database, issue_id, provider)
    assert "r3@example.org" not in provider.addresses
    assert report.tally == Tally(expected=4, accepted=3, suppressed=1)
    assert report.state is IssueState.SENT


def test_outcomes_are_recorded_reader_by_reader(database: Database) -> None:
    _, issue_id = approved(database, readers=6)
    provider = Scripted(r1=Status.REJECTED, r3=Status.UNCERTAIN, r4=Status.DEFERRED)
    report = send(database, issue_id, provider)
    assert report.state is IssueState.SENDING
    assert report.tally == Tally(
        expected=6, accepted=3, rejected=1, uncertain=1, planned=1, next_try=NOW + ledger.FIRST_BACKOFF
    )
    with database.reading() as session:
        told = {(one.address, one.state, one.detail) for one in delivery.troubles(session, issue_id)}
    assert told == {
        ("r1@example.org", DeliveryState.REJECTED, "said rejected"),
        ("r3@example.org", DeliveryState.UNCERTAIN, "said uncertain"),
        ("r4@example.org", DeliveryState.PLANNED, "said deferred"),
    }


def test_a_deferred_reader_is_tried_again_later_with_growing_waits_then_given_up(database: Database) -> None:
    _, issue_id = approved(database, readers=2)
    provider = Scripted(r1=Status.DEFERRED)
    now, waits = NOW, []
    for _ in range(ledger.MAX_TRIES):
        report = send(database, issue_id, provider, now)
        early = send(database, issue_id, provider, now)  # nothing happens before its time
        assert early.tally == report.tally
        if report.tally.next_try:
            waits.append(report.tally.next_try - now)
            now = report.tally.next_try
    assert waits == [timedelta(minutes=minutes) for minutes in (5, 10, 20, 40)]
    assert report.tally == Tally(expected=2, accepted=1, rejected=1)
    assert report.state is IssueState.SENT
    with database.reading() as session:
        assert "given up after 5 tries: said deferred" in delivery.troubles(session, issue_id)[0].detail


def test_a_deferred_reader_who_comes_through_gets_one_mail(database: Database) -> None:
    _, issue_id = approved(database, readers=2)
    provider = Scripted(r1=Status.DEFERRED)
    send(database, issue_id, provider)
    provider.answers = {}
    report = send(database, issue_id, provider, NOW + timedelta(minutes=6))
    assert provider.addresses == {"r0@example.org": 1, "r1@example.org": 1}
    assert report.tally == Tally(expected=2, accepted=2)


def test_the_provider_says_how_long_to_wait(database: Database) -> None:
    _, issue_id = approved(database, readers=1)
    provider = Scripted()

    def wait(mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        return [Outcome(one.delivery_id, Status.NOT_TRIED, "429", retry_after=42.0) for one in recipients]

    provider.send = wait  # type: ignore[method-assign]
    assert send(database, issue_id, provider).tally.next_try == NOW + timedelta(seconds=42)


def test_an_outage_rejects_nobody_however_long_it_lasts(database: Database) -> None:
    """What is about the provider is no try of a reader: ten hours without a relay, then everybody gets it."""
    _, issue_id = approved(database, readers=7)
    provider = Scripted(chunk_size=2, **{f"r{number}": Status.NOT_TRIED for number in range(7)})
    calls: list[int] = []
    provider.before = lambda recipients: calls.append(len(recipients))
    now, waits = NOW, []
    for _ in range(40):
        report = send(database, issue_id, provider, now)
        assert report.tally.planned == 7
        assert report.tally.next_try is not None
        waits.append((report.tally.next_try - now).total_seconds() / 60)
        send(database, issue_id, provider, now)  # before its time nobody is asked
        now = report.tally.next_try
    assert waits[:6] == [1, 2, 4, 8, 15, 15]
    assert len(calls) == 40  # one chunk a time, not the whole list
    provider.answers = {}
    assert send(database, issue_id, provider, now).tally == Tally(expected=7, accepted=7)
    assert max(provider.addresses.values()) == 1


def test_readers_nobody_got_to_go_to_the_end_of_the_queue(database: Database) -> None:
    """Else a chunk that always ends the call early would keep all the others waiting."""
    _, issue_id = approved(database, readers=6)
    provider = Scripted(chunk_size=2, r0=Status.NOT_TRIED, r1=Status.NOT_TRIED)
    send(database, issue_id, provider)
    report = send(database, issue_id, provider, NOW + timedelta(minutes=1))
    assert report.tally.accepted == 4


def test_a_person_need_not_wait_for_the_next_try(database: Database) -> None:
    _, issue_id = approved(database, readers=2)
    provider = Scripted(r0=Status.NOT_TRIED, r1=Status.NOT_TRIED)
    send(database, issue_id, provider)
    provider.answers = {}
    assert send(database, issue_id, provider, by_hand=True).tally == Tally(expected=2, accepted=2)


def test_an_interrupted_chunk_keeps_what_it_found_out(database: Database) -> None:
    _, issue_id = approved(database, readers=4)
    answers = {"r1": Status.REJECTED, "r2": Status.DEFERRED, "r3": Status.NOT_TRIED}
    provider = Scripted(chunk_size=4, **answers)
    report = send(database, issue_id, provider)
    assert (report.tally.accepted, report.tally.rejected, report.tally.planned) == (1, 1, 2)
    provider.answers = {}
    later = send(database, issue_id, provider, NOW + timedelta(minutes=6))
    assert later.tally == Tally(expected=4, accepted=3, rejected=1)
    assert max(provider.addresses.values()) == 1


def test_a_refusal_for_policy_holds_the_issue_while_nobody_was_accepted(database: Database) -> None:
    """ "Relay access denied" for everybody is our fault, not theirs."""
    _, issue_id = approved(database, readers=4)
    provider = Scripted(chunk_size=2, **{f"r{number}": Status.REFUSED for number in range(4)})
    report = send(database, issue_id, provider)
    assert report.tally.planned == 4
    assert report.reason == "held: the provider refuses every reader so far, such as: said refused"
    provider.answers = {}
    assert send(database, issue_id, provider, by_hand=True).tally == Tally(expected=4, accepted=4)


def test_a_refusal_for_policy_is_about_the_reader_once_somebody_was_accepted(database: Database) -> None:
    _, issue_id = approved(database, readers=4)
    provider = Scripted(chunk_size=2, r2=Status.REFUSED, r3=Status.REFUSED)
    now = NOW
    for _ in range(ledger.MAX_TRIES):
        report = send(database, issue_id, provider, now)
        now = report.tally.next_try or now
    assert report.tally == Tally(expected=4, accepted=2, rejected=2)
    with database.transaction() as session:
        issue = session.get_one(Issue, issue_id)
        assert delivery.plan_again(session, issue, DeliveryState.REJECTED, NOW, "ed") == 2  # a person says: once more
    provider.answers = {}
    assert send(database, issue_id, provider, now).tally == Tally(expected=4, accepted=4)


def test_a_worker_that_dies_again_and_again_is_stopped_by_the_schedule(database: Database) -> None:
    """Each stop leaves a chunk uncertain; a crash loop must not go through the whole list that way."""
    _, issue_id = approved(database, readers=20)
    crashed(database, issue_id, dead_worker())
    dying = Scripted()

    def die(recipients: Sequence[Recipient]) -> None:
        raise KeyboardInterrupt

    dying.before = die
    for _ in range(6):
        try:
            send(database, issue_id, dying)
        except KeyboardInterrupt:
            with database.transaction() as session:
                for chunk in session.exec(select(Chunk).where(Chunk.state == ChunkState.CLAIMED)):
                    chunk.worker = dead_worker()
                    session.add(chunk)
    held = send(database, issue_id, Scripted())
    assert held.tally.uncertain == 9
    assert held.tally.planned == 11
    assert "stopped in mid-chunk 3 times" in held.reason
    assert send(database, issue_id, Scripted(), by_hand=True).tally == Tally(expected=20, accepted=11, uncertain=9)


def test_a_late_acceptance_spares_a_reader_the_second_mail(database: Database) -> None:
    _, issue_id = approved(database, readers=3)
    claimed = crashed(database, issue_id, "another-host:17:99")
    send(database, issue_id, Scripted(), NOW + timedelta(hours=1))
    with database.transaction() as session:
        delivery.plan_again(session, session.get_one(Issue, issue_id), DeliveryState.UNCERTAIN, NOW, "ed")
        ledger.record(session, claimed, [Outcome(one.delivery_id, Status.ACCEPTED) for one in claimed.readers], NOW)
    provider = Scripted()
    assert send(database, issue_id, provider).tally == Tally(expected=3, accepted=3)
    assert provider.sent == []


def test_outcomes_survive_a_database_that_is_busy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcomes of a chunk exist nowhere but in memory: a lock that ends is waited for."""
    _, issue_id = approved(database, readers=2)
    real, failures = ledger.record, iter([True, False])

    def busy(*args: Any, **options: Any) -> ledger.Recorded:
        if next(failures):
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        return real(*args, **options)

    monkeypatch.setattr(ledger, "record", busy)
    monkeypatch.setattr("newsletter.delivery.carrying._RECORD_WAITS", (0.0,))
    assert send(database, issue_id, Scripted()).tally == Tally(expected=2, accepted=2)


def test_a_refused_chunk_is_given_back_when_the_database_is_no_longer_busy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is given back its readers count as being sent to: they would be held as uncertain for nothing."""
    _, issue_id = approved(database, readers=2)
    real, failures = ledger.release, iter([True, False])

    def busy(*args: Any, **options: Any) -> None:
        if next(failures):
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        real(*args, **options)

    def refuse(recipients: Sequence[Recipient]) -> None:
        raise ProviderRefused("sendgrid", "The key was withdrawn.")

    monkeypatch.setattr(ledger, "release", busy)
    monkeypatch.setattr("newsletter.delivery.carrying._RECORD_WAITS", (0.0,))
    provider = Scripted()
    provider.before = refuse
    with pytest.raises(ProviderRefused, match="withdrawn"):
        send(database, issue_id, provider)
    assert counts(database, issue_id) == Tally(expected=2, planned=2)


def test_a_refusal_loses_nobody_and_is_told(database: Database) -> None:
    _, issue_id = approved(database, readers=5)
    provider = Scripted(chunk_size=2)
    seen: list[int] = []

    def refuse_second(recipients: Sequence[Recipient]) -> None:
        seen.append(len(recipients))
        if len(seen) == 2:
            raise ProviderRefused("sendgrid", "The key was withdrawn.")

    provider.before = refuse_second
    with pytest.raises(ProviderRefused, match="withdrawn"):
        send(database, issue_id, provider)
    assert counts(database, issue_id) == Tally(expected=5, accepted=2, planned=3)
    with database.reading() as session:
        assert session.get_one(Issue, issue_id).reason == "sendgrid: The key was withdrawn."
    assert send(database, issue_id, provider).tally.planned == 3  # the schedule does not ask again by itself
    report = send(database, issue_id, provider, by_hand=True)
    assert report.tally == Tally(expected=5, accepted=5)
    assert max(provider.addresses.values()) == 1


def test_a_bug_in_a_provider_leaves_its_chunk_uncertain(database: Database) -> None:
    _, issue_id = approved(database, readers=5)
    provider = Scripted(chunk_size=2)

    def broken(recipients: Sequence[Recipient]) -> None:
        provider.before = lambda _: None
        raise RuntimeError("not ours")

    provider.before = broken
    with pytest.raises(RuntimeError, match="not ours"):
        send(database, issue_id, provider)
    assert counts(database, issue_id) == Tally(expected=5, planned=3, uncertain=2)
    waiting = send(database, issue_id, provider)  # by itself nothing goes on: each try would leave a chunk uncertain
    assert (waiting.tally.planned, waiting.reason) == (3, "held: unexpected RuntimeError: not ours")
    report = send(database, issue_id, provider, by_hand=True)
    assert report.tally == Tally(expected=5, accepted=3, uncertain=2)
    assert report.state is IssueState.SENT


def test_an_outcome_the_provider_forgot_is_uncertain(database: Database) -> None:
    _, issue_id = approved(database, readers=2)
    provider = Scripted()
    provider.send = lambda mail, recipients: []  # type: ignore[method-assign]
    assert send(database, issue_id, provider).tally == Tally(expected=2, uncertain=2)


def crashed(database: Database, issue_id: int, worker: str) -> ledger.Claim:
    """Plan, and claim a chunk as a worker that dies before it records anything."""
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 3, NOW)
        claimed = ledger.claim(session, issue_id, worker, NOW)
        assert claimed is not None
        return claimed


def dead_worker() -> str:
    return f"{here()}:{os.getpid()}:1:1"  # this process's number, but started at another time


def test_a_crash_leaves_uncertain_rows_that_are_never_sent_again_by_themselves(database: Database) -> None:
    _, issue_id = approved(database, readers=7)
    crashed(database, issue_id, dead_worker())
    provider = Scripted()
    report = send(database, issue_id, provider)
    assert (report.held, report.state) == (3, IssueState.SENT)
    assert report.tally == Tally(expected=7, accepted=4, uncertain=3)
    send(database, issue_id, provider, NOW + timedelta(days=1))
    assert len(provider.sent) == 4


@pytest.mark.parametrize(("accepted", "mails", "state"), [(True, 4, IssueState.SENT), (False, 7, IssueState.SENT)])
def test_uncertain_readers_are_settled_by_hand(
    database: Database, accepted: bool, mails: int, state: IssueState
) -> None:
    _, issue_id = approved(database, readers=7)
    crashed(database, issue_id, dead_worker())
    provider = Scripted()
    send(database, issue_id, provider)
    with database.transaction() as session:
        issue = session.get_one(Issue, issue_id)
        settled = (
            delivery.accept(session, issue, NOW, "ed")
            if accepted
            else delivery.plan_again(session, issue, DeliveryState.UNCERTAIN, NOW, "ed")
        )
        assert settled == 3
    report = send(database, issue_id, provider)
    assert len(provider.sent) == mails
    assert (report.tally, report.state) == (Tally(expected=7, accepted=7), state)


def test_a_live_worker_keeps_its_claim_until_the_lease_ends(database: Database) -> None:
    _, issue_id = approved(database, readers=3)
    crashed(database, issue_id, "another-host:17:99")
    assert send(database, issue_id, Scripted()).tally == Tally(expected=3, sending=3)
    late = send(database, issue_id, Scripted(), NOW + ledger.LEASE + timedelta(seconds=1))
    assert late.tally == Tally(expected=3, uncertain=3)


def test_a_slow_worker_that_reports_after_its_lease_is_believed(database: Database) -> None:
    _, issue_id = approved(database, readers=3)
    claimed = crashed(database, issue_id, "another-host:17:99")
    send(database, issue_id, Scripted(), NOW + timedelta(hours=1))
    with database.transaction() as session:
        outcomes = [Outcome(one.delivery_id, Status.ACCEPTED) for one in claimed.readers]
        ledger.record(session, claimed, outcomes, NOW + timedelta(hours=1))
    assert counts(database, issue_id) == Tally(expected=3, accepted=3)


@pytest.mark.parametrize("how", ["deferred", "refused"])
def test_a_slow_worker_that_gives_readers_back_reopens_the_issue(database: Database, how: str) -> None:
    _, issue_id = approved(database, readers=3)
    claimed = crashed(database, issue_id, "another-host:17:99")
    late = NOW + timedelta(hours=1)
    assert send(database, issue_id, Scripted(), late).state is IssueState.SENT
    with database.transaction() as session:
        if how == "deferred":
            outcomes = [Outcome(one.delivery_id, Status.DEFERRED, "later") for one in claimed.readers]
            ledger.record(session, claimed, outcomes, late)
        else:
            ledger.release(session, claimed, "smtp: no", late)
        assert session.get_one(Issue, issue_id).state is IssueState.SENDING
    assert counts(database, issue_id).planned == 3
    provider = Scripted()
    last = send(database, issue_id, provider, late + timedelta(hours=1), by_hand=how == "refused")
    assert last.tally == Tally(expected=3, accepted=3)
    assert max(provider.addresses.values()) == 1


def test_workers_that_defer_and_hold_at_once_do_not_deadlock(database: Database) -> None:
    """Rows are locked in one order; on PostgreSQL another order was a deadlock waiting to happen."""
    _, issue_id = approved(database, readers=40)
    statuses = {f"r{number}": Status.DEFERRED for number in range(0, 40, 2)}
    provider, late = Scripted(chunk_size=2, **statuses), NOW + timedelta(hours=1)
    errors: list[Exception] = []

    def work(now: datetime) -> None:
        try:
            for _ in range(3):
                delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: now), by_hand=True)
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(now,)) for now in (NOW, late, NOW, late)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (
        counts(database, issue_id).accepted + counts(database, issue_id).open + counts(database, issue_id).rejected
        == 40
    )
    assert max(provider.addresses.values()) == 1


def test_a_report_of_an_older_attempt_changes_nothing(database: Database) -> None:
    _, issue_id = approved(database, readers=3)
    claimed = crashed(database, issue_id, dead_worker())
    send(database, issue_id, Scripted())
    with database.transaction() as session:
        delivery.plan_again(session, session.get_one(Issue, issue_id), DeliveryState.UNCERTAIN, NOW, "ed")
    send(database, issue_id, Scripted())
    with database.transaction() as session:
        outcomes = [Outcome(one.delivery_id, Status.REJECTED, "too late") for one in claimed.readers]
        ledger.record(session, claimed, outcomes, NOW)
    assert counts(database, issue_id) == Tally(expected=3, accepted=3)


def test_four_workers_send_each_reader_one_mail(database: Database) -> None:
    _, issue_id = approved(database, readers=60)
    provider = Scripted(chunk_size=2)
    errors: list[Exception] = []

    def work() -> None:
        try:
            send_unchecked(database, issue_id, provider)
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert provider.addresses == {f"r{number}@example.org": 1 for number in range(60)}
    assert counts(database, issue_id) == Tally(expected=60, accepted=60)


def send_unchecked(database: Database, issue_id: int, provider: Scripted) -> None:
    delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: NOW), by_hand=False)


def test_planning_twice_at_once_plans_each_reader_once(database: Database) -> None:
    _, issue_id = approved(database, readers=20)
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 3, NOW)
        plan(session, session.get_one(Issue, issue_id), 7, NOW)
        assert len(session.exec(select(Delivery)).all()) == 20
        sizes = Counter(one.chunk for one in session.exec(select(Delivery)))
        assert sizes == {**dict.fromkeys(range(6), 3), 6: 2}
        assert {one.n for one in session.exec(select(Chunk))} == set(range(7))


def test_stopping_between_chunks_leaves_nothing_unclear(database: Database) -> None:
    """F11: a worker that is asked to stop finishes its chunk."""
    _, issue_id = approved(database, readers=6)
    provider, stop = Scripted(chunk_size=2), threading.Event()
    provider.before = lambda recipients: stop.set()
    report = delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: NOW), by_hand=True, stop=stop)
    assert report.tally == Tally(expected=6, accepted=2, planned=4)


def test_a_worker_is_known_by_host_number_and_start() -> None:
    with at_work() as worker:
        assert is_gone(worker) is False
        assert is_gone(dead_worker()) is True
        assert is_gone(f"{here()}:999999999:5:1") is True
    assert is_gone(worker) is True  # the process lives, but the call has ended
    assert not is_gone("another-host:1:1")  # only its lease tells
    assert not is_gone("nonsense")


def test_a_test_mail_leaves_the_ledger_alone(database: Database) -> None:
    made, issue_id = approved(database, readers=2)
    provider = Scripted()
    with database.reading() as session:
        issue, edition = session.get_one(Issue, issue_id), session.get_one(Edition, made.edition_id)
        mailing_list = session.get_one(MailingList, made.list_id)
        outcome = delivery.send_test(
            issue.frozen_mail(), issue, edition, mailing_list,
            to="me@example.org", renderer=Renderer(None), provider=provider, base_url=BASE, now=NOW,
        )  # fmt: skip
        assert session.exec(select(Delivery)).all() == []
    assert outcome.status is Status.ACCEPTED
    assert provider.mails[0].subject.startswith("[Test]")
    with pytest.raises(ValueError, match="damaged"):
        SIGNER.read(Purpose.UNSUBSCRIBE, provider.sent[0].values["token"])
    assert example(provider) == ("Kim Example", "")  # most readers have been on the list for long


@pytest.mark.parametrize("reader", list(EXAMPLES))
def test_a_test_mail_is_made_for_a_reader(database: Database, reader: str) -> None:
    made, issue_id = approved(database, readers=0)
    provider = Scripted()
    with database.reading() as session:
        issue, edition = session.get_one(Issue, issue_id), session.get_one(Edition, made.edition_id)
        delivery.send_test(
            issue.frozen_mail(), issue, edition, session.get_one(MailingList, made.list_id),
            to="me@example.org", renderer=Renderer(None), provider=provider, base_url=BASE, now=NOW,
            reader=EXAMPLES[reader],
        )  # fmt: skip
    known = {"known": ("Kim Example", ""), "new": ("Kim Example", "yes"), "nameless": ("", "")}
    assert example(provider) == known[reader]
    assert str(NOW.year if reader == "new" else NOW.year - 1) in provider.sent[0].values["since"]


def example(provider: Scripted) -> tuple[str, str]:
    """Return what a mail was told of the reader that it was made for."""
    values = provider.sent[0].values
    return values["name"], values["new"]


@pytest.mark.parametrize(
    ("asked", "reader", "others"),
    [
        ("", "known", []),
        ("new", "known", ["new"]),
        ("new", "new", ["known", "nameless"]),
        ("not_new", "nameless", ["new"]),
        ("name", "known", ["nameless"]),
        ("not_name", "nameless", ["known", "new"]),
    ],
)
@pytest.mark.parametrize("part", ["html", "text"])
def test_who_else_gets_other_parts(asked: str, reader: str, others: list[str], part: str) -> None:
    """Blocks count, in either part; the day somebody joined does not."""
    nonce = "0123456789abcdef"
    tags = block_tags(nonce, html=part == "html")
    since = hole_tag(nonce, "since", html=part == "html")
    inside = f"{tags[asked]}Only for some.{tags['end']}" if asked else ""
    words = f"Hello since {since}. {inside}"
    html, text = (words, "") if part == "html" else ("", words)
    mail = Mail("Week", html, text, Sender("Fens", "weekly@fen.example"), nonce)
    values = dict.fromkeys(VALUES, "x")
    assert who_else(mail, EXAMPLES[reader], values) == others
