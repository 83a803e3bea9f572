"""Finding out about uncertain readers: five steps in their order, and nothing is ever guessed (trust 3.3, step 4)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from newsletter import delivery, issues
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger.rows import lock_issue
from newsletter.delivery.ledger.values import Terms
from newsletter.delivery.planning import plan
from newsletter.delivery.reconciling import (
    SILENCE,
    Doubt,
    Reports,
    doubts,
    is_silent,
    reconcile,
    why_left,
)
from newsletter.errors import ProviderRefused
from newsletter.feedback import take_in
from newsletter.mail import Kind, Mail, Outcome, Recipient, Status
from newsletter.models import AttemptOutcome, DeliveryState, Issue, IssueState
from newsletter.providers import Provider
from newsletter.providers.events import Event
from tests.databases import created_database
from tests.waiting import AT, BEFORE, NAME, Knowing, Later, Telling, approved, check_truth, issue_of, send, states

PLANNED, ACCEPTED, UNCERTAIN = DeliveryState.PLANNED, DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN
#: Late enough for silence to mean something about what was sent at BEFORE.
LATER = BEFORE + SILENCE


class Plain:
    """It can only send."""

    chunk_size = 2

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        raise NotImplementedError


def unclear(
    database: Database,
    issue_id: int,
    provider: Later,
    *,
    took: Sequence[int] = (),
    now: datetime = BEFORE,
    send_at: datetime | None = None,
) -> ledger.Claim:
    """Claim a chunk; the provider takes the readers at these places of it, and its answer is lost."""
    batch = provider.new_batch() if send_at else ""
    terms = Terms(provider=NAME, full=provider.chunk_size, batch=batch, send_at=send_at)
    with database.transaction() as session:
        issue = lock_issue(session, issue_id)
        if issue.state is IssueState.APPROVED:
            plan(session, issue, provider.chunk_size, now)
            issue.scheduled_for = send_at
        claimed = ledger.claim(session, issue_id, "another-host:1:1:1", now, terms)
    assert claimed is not None
    taken = [Recipient(one.delivery_id, one.address, "", {}, claimed.attempt) for one in claimed.readers]
    provider.schedule(None, [taken[place] for place in took], batch, AT)  # type: ignore[arg-type] # nothing is rendered
    with database.transaction() as session:
        outcomes = [Outcome(one.delivery_id, Status.UNCERTAIN, "reset") for one in claimed.readers]
        ledger.record(session, claimed, outcomes, now)
    return claimed


def report(database: Database, claimed: ledger.Claim, place: int, at: datetime, kind: Kind = Kind.DELIVERED) -> None:
    """Bring in what the provider reports about one reader of a claim."""
    one = claimed.readers[place]
    event = Event(f"{claimed.attempt}-{place}-{kind}", kind, at, one.delivery_id, claimed.attempt, address=one.address)
    take_in(database, NAME, [event], at)


def ask(database: Database, provider: Provider, now: datetime = LATER) -> tuple[int, int, int]:
    found = reconcile(database, {NAME: provider}, now)
    return found.accepted, found.released, found.held


def test_step_1_a_report_about_the_reader_settles_it(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Telling()
    claimed = unclear(database, issue_id, provider, took=[0])
    report(database, claimed, 0, BEFORE)
    assert states(database) == {"r0@example.org": ACCEPTED, "r1@example.org": UNCERTAIN}
    assert ask(database, provider) == (0, 0, 1)  # the attempt was taken, in part: its silence proves nothing
    check_truth(database, issue_id, provider)


def test_step_2_whom_the_provider_knows_has_it(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Knowing()
    unclear(database, issue_id, provider, took=[1])
    assert ask(database, provider) == (1, 0, 1)  # its memory comes late: who is not in it stays uncertain
    assert states(database) == {"r0@example.org": UNCERTAIN, "r1@example.org": ACCEPTED}
    check_truth(database, issue_id, provider)
    with database.reading() as session:
        told = session.exec(select(AttemptOutcome).order_by(col(AttemptOutcome.id).desc())).first()
    assert told is not None
    assert (told.status, told.by, told.detail) == ("accepted", "provider", "the provider, asked later, knows of it")


def test_step_2_a_name_that_is_not_ours_settles_nobody(database: Database) -> None:
    """Whoever answers: only the name of the delivery itself proves that it is meant (`delivery.names`)."""
    issue_id, provider = approved(database, readers=2), Knowing()
    claimed = unclear(database, issue_id, provider)
    number = claimed.readers[0].number
    provider.names[claimed.attempt] = {f"{number:x}-{'0' * 20}", "nonsense", ""}
    assert ask(database, provider) == (0, 0, 2)


def test_step_2_a_provider_that_cannot_be_asked_now_settles_nobody(database: Database) -> None:
    issue_id = approved(database, readers=2)

    class Silent(Knowing):
        def taken(self, attempt: int, since: datetime) -> set[str] | None:
            raise ProviderRefused("later", "not now")

    unclear(database, issue_id, provider := Silent(), took=[0, 1])
    assert ask(database, provider) == (0, 0, 2)


def test_step_2_having_a_batch_that_may_be_cancelled_proves_nothing(database: Database) -> None:
    """It knows of the mail, and may have been told in time not to send it."""
    issue_id, provider = approved(database, readers=2), Knowing()
    unclear(database, issue_id, provider, took=[0, 1], send_at=AT)

    def lose(batch: str) -> None:
        raise ConnectionResetError("reset")

    provider.after_cancel = lose
    assert ask(database, provider, BEFORE) == (0, 0, 2)
    assert ask(database, provider, AT + SILENCE) == (0, 0, 2)
    check_truth(database, issue_id, provider)


def test_step_3_a_batch_is_cancelled_before_its_time(database: Database) -> None:
    issue_id, provider = approved(database, readers=4), Later()
    unclear(database, issue_id, provider, took=[0], send_at=AT)
    assert ask(database, provider, BEFORE) == (0, 2, 0)
    check_truth(database, issue_id, provider)
    assert send(database, issue_id, provider, BEFORE + timedelta(minutes=1)).tally.accepted == 4
    check_truth(database, issue_id, provider)


def test_step_3_not_after_the_last_moment(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Later()
    unclear(database, issue_id, provider, took=[0, 1], send_at=AT)
    assert ask(database, provider, AT - provider.cancel_before) == (0, 0, 2)
    assert provider.asked == []


def test_step_4_silence_about_it_beside_reports_about_later_attempts(database: Database) -> None:
    issue_id, provider = approved(database, readers=4), Telling()
    unclear(database, issue_id, provider)
    later = unclear(database, issue_id, provider, took=[0, 1], now=BEFORE + timedelta(minutes=1))
    report(database, later, 0, BEFORE + timedelta(minutes=2))
    assert ask(database, provider, LATER - timedelta(seconds=1)) == (0, 0, 3)
    assert ask(database, provider, LATER) == (0, 2, 1)
    check_truth(database, issue_id, provider)


def test_step_4_silence_alone_proves_nothing(database: Database) -> None:
    """Without a report about a later attempt nobody knows that reports come at all."""
    issue_id, provider = approved(database, readers=4), Telling()
    earlier = unclear(database, issue_id, provider, took=[0, 1])
    unclear(database, issue_id, provider, took=[0, 1])
    report(database, earlier, 0, LATER)
    assert ask(database, provider, LATER + timedelta(days=3)) == (0, 0, 3)


def test_step_4_what_waits_for_its_time_is_silent_until_then(database: Database) -> None:
    """Attempt 1 goes out an hour after attempt 2, which is reported about at once: that proves nothing about 1."""
    issue_id, provider = approved(database, readers=4), Telling()
    unclear(database, issue_id, provider, took=[0, 1], send_at=AT)
    provider.keeps = {"batch-1"}
    at_once = unclear(database, issue_id, provider, took=[0, 1], now=BEFORE + timedelta(minutes=1))
    report(database, at_once, 0, BEFORE + timedelta(minutes=2))
    assert ask(database, provider, AT + SILENCE) == (0, 0, 3)
    check_truth(database, issue_id, provider)


def test_step_5_without_a_way_to_find_out_they_are_held(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Later()
    unclear(database, issue_id, provider, took=[0])
    assert reconcile(database, {}, LATER).held == 2
    assert reconcile(database, {NAME: Plain()}, LATER).held == 2
    assert states(database) == {"r0@example.org": UNCERTAIN, "r1@example.org": UNCERTAIN}


def test_one_issue_or_all(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Knowing()
    unclear(database, issue_id, provider, took=[0, 1])
    assert reconcile(database, {NAME: provider}, LATER, issue_id + 1).held == 0
    assert reconcile(database, {NAME: provider}, LATER, issue_id).accepted == 2
    with database.reading() as session:
        assert doubts(session) == []


def test_a_released_reader_of_a_sent_issue_is_sent_to(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Telling()
    unclear(database, issue_id, provider)
    with database.transaction() as session:
        ledger.finish(session, issue_id, BEFORE)
    assert issue_of(database, issue_id).state is IssueState.SENT
    release(database, issue_id)
    assert issue_of(database, issue_id).state is IssueState.SENDING


def release(database: Database, issue_id: int) -> None:
    with database.transaction() as session:
        issue = issues.lock_issue(session, issue_id)
        assert delivery.plan_again(session, issue, UNCERTAIN, LATER, "ed") == 2


def doubt(**fields: object) -> Doubt:
    usual: dict[str, object] = {
        "issue_id": 1, "attempt": 1, "provider": NAME, "batch": "", "send_at": None, "at": BEFORE, "readers": 2,
    }  # fmt: skip
    return Doubt(**(usual | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "provider", "told", "now", "why"),
    [
        (doubt(provider=""), None, Reports(False, False), LATER, "restored from a backup"),
        (doubt(), None, Reports(False, False), LATER, "not in the settings any more"),
        (doubt(), Plain(), Reports(False, False), LATER, "look for the Message-IDs in its log"),
        (doubt(send_at=AT), Later(), Reports(False, False), BEFORE, "asked again until 05:49 UTC"),
        (doubt(), Telling(), Reports(True, True), LATER, "about these not yet"),
        (doubt(), Telling(), Reports(False, True), BEFORE, "may still come; by 05:30 UTC"),
        (doubt(), Telling(), Reports(False, False), LATER, "its silence proves nothing"),
    ],
    ids=["restored", "gone", "no reports", "waits", "in part", "too early", "no later"],
)
def test_why_readers_are_left(found: Doubt, provider: Provider | None, told: Reports, now: datetime, why: str) -> None:
    assert why in why_left(found, provider, told, now)


@given(
    reported=st.booleans(),
    later_reported=st.booleans(),
    waits=st.one_of(st.none(), st.timedeltas(timedelta(-1), timedelta(days=1))),
    passed=st.timedeltas(timedelta(-1), timedelta(days=2)),
)
def test_silence_means_something_only_when_reports_are_alive_and_had_time(
    *, reported: bool, later_reported: bool, waits: timedelta | None, passed: timedelta
) -> None:
    found = doubt(send_at=None if waits is None else BEFORE + waits)
    silent = is_silent(found, reported=reported, later_reported=later_reported, now=BEFORE + passed)
    due = max(timedelta(0), waits or timedelta(0))
    assert silent == (not reported and later_reported and passed - due >= SILENCE)


@pytest.fixture(scope="module")
def made_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a database with an approved issue for eight readers, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    with created_database("sqlite", folder) as database:
        approved(database, readers=8)
    return folder / "newsletter.db"


@contextmanager
def one_like(file: Path, folder: Path) -> Iterator[tuple[Database, int]]:
    """Yield a copy of a database, and the id of the issue in it."""
    database = Database(f"sqlite:///{shutil.copy(file, folder)}")
    try:
        with database.reading() as session:
            issue_id = session.exec(select(Issue.id)).one()
        yield database, issue_id
    finally:
        database.close()


@settings(max_examples=20, deadline=None)
@given(
    taken=st.lists(st.sampled_from(["all", "none"]), min_size=4, max_size=4),
    reports=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 1))),
    keeps=st.booleans(),
    wait=st.booleans(),
    minutes=st.lists(st.integers(0, 120), min_size=1, max_size=4).map(sorted),
    kind=st.sampled_from([Later, Telling, Knowing]),
)
def test_nothing_is_ever_guessed(
    made_before: Path,
    *,
    taken: list[str],
    reports: set[tuple[int, int]],
    keeps: bool,
    wait: bool,
    minutes: list[int],
    kind: type[Later],
) -> None:
    """Whatever was taken, reported, cancelled and asked: accepted only whom the provider sends to, free only the others.

    The provider is honest: it takes a call whole or not at all, and when it reports about a call it reports about all
    calls before that it took.
    """
    with TemporaryDirectory() as folder, one_like(made_before, Path(folder)) as (database, issue_id):
        provider = kind()
        claims = [
            unclear(database, issue_id, provider, took=[0, 1] if one == "all" else [], send_at=AT if wait else None)
            for one in taken
        ]
        told = {(number, place) for number, place in reports if taken[number] == "all"}
        if told and kind is Telling:
            last = max(number for number, _ in told)
            told |= {(number, 0) for number in range(last) if taken[number] == "all"}
            for number, place in sorted(told):
                report(database, claims[number], place, AT if wait else BEFORE)
        provider.keeps = {"batch-1", "batch-3"} if keeps else set()
        for passed in minutes:
            reconcile(database, {NAME: provider}, BEFORE + timedelta(minutes=passed))
            check_truth(database, issue_id, provider)
