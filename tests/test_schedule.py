"""When stages run: what is due is read from rows, so downtime, clock jumps and many schedulers make one issue (F8)."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from newsletter import issues, schedule
from newsletter.app import App, make_app
from newsletter.errors import Refused
from newsletter.models import DeadlineRule, Delivery, DeliveryState, Edition, Issue, IssueState, Source
from newsletter.schedule import Act, due_for
from newsletter.settings import Settings
from tests.builders import WEEK, edition_fields, newsroom, populated, story

SEND_AT = datetime(2026, 11, 21, 6, tzinfo=UTC)
LIMIT = timedelta(hours=12)


def an_edition(**fields: Any) -> Edition:
    return Edition(id=1, **(edition_fields("fen-weekly", 1) | {"deadline_rule": "hold", "draft_hours": 24} | fields))


def an_issue(state: IssueState, week: str = WEEK) -> Issue:
    return Issue(id=7, edition_id=1, week=week, state=state, send_at=SEND_AT, drafted_at=SEND_AT)


PAST = [an_issue(IssueState.SENT, "2026-W46"), an_issue(IssueState.SENT, "2026-W48")]


@pytest.mark.parametrize(
    ("when", "rows", "expected"),
    [
        (-25.0, [], []),  # before its draft time
        (-24.0, [], [Act.DRAFT]),
        (-1.0, [an_issue(IssueState.DRAFT)], []),
        (-1.0, [an_issue(IssueState.APPROVED)], []),
        (0.0, [an_issue(IssueState.APPROVED)], [Act.SEND]),
        (11.9, [an_issue(IssueState.APPROVED)], [Act.SEND]),  # catching up after downtime
        (12.1, [an_issue(IssueState.APPROVED)], [Act.HOLD]),  # too late: an editor decides
        (2.0, [], [Act.DRAFT]),  # nobody drafted, still in time
        (13.0, [], [Act.MISSED]),
        (2.0, [an_issue(IssueState.DRAFT)], []),  # hold: it waits for an editor
        (2.0, [an_issue(IssueState.SENDING)], []),
        (2.0, [an_issue(IssueState.SENT)], []),
        (2.0, [an_issue(IssueState.SKIPPED)], []),
    ],
)
def test_what_is_due(when: float, rows: list[Issue], expected: list[Act]) -> None:
    found = due_for(an_edition(), [*PAST, *rows], SEND_AT + timedelta(hours=when), LIMIT)
    assert [(one.act, one.slot.week) for one in found] == [(act, WEEK) for act in expected]


@pytest.mark.parametrize(
    ("when", "state", "expected"),
    [
        (-0.1, IssueState.DRAFT, []),
        (0.0, IssueState.DRAFT, [Act.APPROVE]),
        (12.1, IssueState.DRAFT, []),
        (1.0, IssueState.SKIPPED, []),
    ],
)
def test_the_deadline_rule_send(when: float, state: IssueState, expected: list[Act]) -> None:
    edition = an_edition(deadline_rule=DeadlineRule.SEND)
    found = due_for(edition, [*PAST, an_issue(state)], SEND_AT + timedelta(hours=when), LIMIT)
    assert [one.act for one in found] == expected


def test_an_issue_goes_out_at_the_time_its_approval_promised() -> None:
    """A later change of the edition's day moves the next issue, not one that is approved."""
    moved = an_edition(send_weekday=4)  # Friday instead of Saturday
    issue = an_issue(IssueState.APPROVED)
    assert due_for(moved, [*PAST, issue], SEND_AT - timedelta(hours=12), LIMIT) == []
    assert [one.act for one in due_for(moved, [*PAST, issue], SEND_AT, LIMIT)] == [Act.SEND]


def test_a_new_edition_has_missed_nothing() -> None:
    edition = an_edition(created_at=SEND_AT + timedelta(hours=20))
    assert due_for(edition, [], SEND_AT + timedelta(hours=21), LIMIT) == []


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look up no host: the deadline rule asks whether the links work, and a test has no network."""

    def getaddrinfo(*words: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def an_app(folder: Path, clock: Clock) -> App:
    settings = Settings(
        database=f"sqlite:///{folder / 'newsletter.db'}",
        base_url="https://news.example.org",
        secrets=["a secret that is long enough for the tests"],
        folder=folder,
    )
    app = make_app(settings, clock=clock, check_schema=False)
    app.db.upgrade()
    return app


def quiet_sources(app: App, clock: Clock) -> None:
    """Make gathering not due, so that a tick reads no feed."""
    with app.db.transaction() as session:
        for source in session.exec(select(Source)):
            source.fetched_at = clock.now
            session.add(source)


def outbox(app: App) -> list[Path]:
    return list((app.settings.folder / "outbox" / "new").glob("*"))


def test_a_week_by_itself(tmp_path: Path) -> None:
    """From nothing to sent: drafted at its time, approved by an editor, sent at its hour, and then quiet."""
    clock = Clock(SEND_AT - timedelta(hours=30))
    app = an_app(tmp_path, clock)
    made = populated(app.db, readers=3)
    quiet_sources(app, clock)
    assert schedule.tick(app) == []
    clock.now = SEND_AT - timedelta(hours=23)
    quiet_sources(app, clock)
    assert [one.what for one in schedule.tick(app)] == [
        f"fen-weekly/{WEEK}: drafted with 4 stories; it waits for approval"
    ]
    with app.db.transaction() as session:
        issue = issues.find_issue(session, "fen-weekly")
        issues.approve(session, issue, app.renderer, app.settings.base_url, by="ed", now=clock.now)
    clock.now = SEND_AT + timedelta(minutes=1)
    quiet_sources(app, clock)
    assert [one.what for one in schedule.tick(app)] == [f"fen-weekly/{WEEK}: sent: 3 of 3 accepted"]
    assert schedule.tick(app) == []
    assert len(outbox(app)) == 3
    assert made.edition_id


def test_the_deadline_rule_sends_in_one_tick(tmp_path: Path) -> None:
    clock = Clock(SEND_AT + timedelta(minutes=1))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=2, deadline_rule="send")
    quiet_sources(app, clock)
    assert [one.what.split(": ")[1] for one in schedule.tick(app)] == [
        "drafted with 4 stories; it goes out at its time, approved or not",
        "approved by the edition's deadline rule",
        "sent",
    ]
    assert len(outbox(app)) == 2


@pytest.mark.parametrize("rule", ["send", "hold"])
@pytest.mark.parametrize("drafted", [True, False], ids=["a draft in the backup", "not drafted yet"])
def test_what_may_have_been_sent_since_a_backup_is_left_out(tmp_path: Path, drafted: bool, rule: str) -> None:
    """F22: the week was approved and sent after the backup that is restored. It takes a person to make it again."""
    clock = Clock(SEND_AT - timedelta(hours=1))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=2, deadline_rule=rule)
    if drafted:
        quiet_sources(app, clock)
        schedule.tick(app)
    with app.db.transaction() as session:
        assert issues.leave_out_unsure(session, clock.now) == [f"fen-weekly/{WEEK}"]
        assert issues.leave_out_unsure(session, clock.now) == []
    clock.now = SEND_AT + timedelta(minutes=1)
    quiet_sources(app, clock)
    assert schedule.tick(app) == []
    assert not outbox(app)
    with app.db.transaction() as session:
        issue = issues.find_issue(session, f"fen-weekly/{WEEK}")
        with pytest.raises(Refused, match="is skipped"):
            issues.approve(session, issue, app.renderer, app.settings.base_url, by="ed", now=clock.now)


def test_downtime_over_the_limit_leaves_a_reason(tmp_path: Path) -> None:
    clock = Clock(SEND_AT + timedelta(hours=13))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=2)
    quiet_sources(app, clock)
    done = schedule.tick(app)
    assert [one.what for one in done] == [
        f"fen-weekly/{WEEK}: skipped: missed: nothing ran from its draft time until 12 h after its send time"
    ]
    assert schedule.tick(app) == []
    assert not outbox(app)


def test_an_approved_issue_that_is_too_late_is_held_and_says_how_to_send_it(tmp_path: Path) -> None:
    clock = Clock(SEND_AT - timedelta(hours=1))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=2)
    quiet_sources(app, clock)
    schedule.tick(app)
    with app.db.transaction() as session:
        issue = issues.find_issue(session, "fen-weekly")
        issues.approve(session, issue, app.renderer, app.settings.base_url, by="ed", now=clock.now)
    clock.now = SEND_AT + timedelta(hours=20)
    quiet_sources(app, clock)
    assert "`newsletter issue send fen-weekly/2026-W47` sends it all the same" in schedule.tick(app)[0].what
    assert schedule.tick(app) == []
    assert not outbox(app)


def test_ten_schedulers_at_once(tmp_path: Path) -> None:
    """F8: restarts, several processes and double clicks still make one issue and one mail a reader."""
    clock = Clock(SEND_AT + timedelta(minutes=1))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=5, deadline_rule="send")
    quiet_sources(app, clock)
    threads = [threading.Thread(target=schedule.tick, args=(app,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    schedule.tick(app)
    with app.db.reading() as session:
        weeks = [issue.week for issue in session.exec(select(Issue))]
        states = [row.state for row in session.exec(select(Delivery))]
    assert weeks.count(WEEK) == 1
    assert states == [DeliveryState.ACCEPTED] * 5
    assert len(outbox(app)) == 5


def test_a_failure_of_one_edition_does_not_stop_another(tmp_path: Path) -> None:
    clock = Clock(SEND_AT - timedelta(hours=1))
    app = an_app(tmp_path, clock)
    with app.db.transaction() as session:
        broken = newsroom(session, "aa-broken")
        session.get_one(Edition, broken.edition_id).send_hour_minute = "99:99"
        good = newsroom(session, "fen-weekly")
        for number in range(3):
            story(session, good, number)
    quiet_sources(app, clock)
    done = schedule.tick(app)
    assert [one.failed for one in done] == [True, False]
    assert "drafted with 3 stories" in done[1].what


def test_a_sending_that_drags_on_is_held(tmp_path: Path) -> None:
    clock = Clock(SEND_AT + timedelta(minutes=1))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=2, deadline_rule="send")
    quiet_sources(app, clock)
    (tmp_path / "outbox").write_text("a file where the maildir should be")
    schedule.tick(app)
    with app.db.transaction() as session:
        issue = issues.find_issue(session, "fen-weekly")
        issue.reason = ""
        session.add(issue)
    clock.now += timedelta(hours=13)
    quiet_sources(app, clock)
    assert "held: not done 12 h after it began" in schedule.tick(app)[0].what
    assert schedule.tick(app) == []


def test_an_issue_whose_last_word_was_lost_is_finished(tmp_path: Path) -> None:
    """A process may end between the last outcome and saying that the issue is sent."""
    clock = Clock(SEND_AT + timedelta(minutes=1))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=2, deadline_rule="send")
    quiet_sources(app, clock)
    schedule.tick(app)
    with app.db.transaction() as session:
        issue = issues.find_issue(session, "fen-weekly")
        issue.state, issue.sent_at = IssueState.SENDING, None
        session.add(issue)
    assert [one.what for one in schedule.tick(app)] == [f"fen-weekly/{WEEK}: sent: 2 of 2 accepted"]
    assert schedule.tick(app) == []
    assert len(outbox(app)) == 2


def test_an_edition_without_readers_says_so_once(tmp_path: Path) -> None:
    clock = Clock(SEND_AT + timedelta(minutes=1))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=0, deadline_rule="send")
    quiet_sources(app, clock)
    assert "Nobody on the list of Fen Weekly" in schedule.tick(app)[-1].what
    assert schedule.tick(app) == []


def test_an_issue_the_provider_refused_waits_for_resume(tmp_path: Path) -> None:
    clock = Clock(SEND_AT + timedelta(minutes=1))
    app = an_app(tmp_path, clock)
    populated(app.db, readers=2, deadline_rule="send")
    quiet_sources(app, clock)
    (tmp_path / "outbox").write_text("a file where the maildir should be")
    done = schedule.tick(app)
    assert done[-1].failed
    assert schedule.tick(app) == []  # nobody is asked every minute
    with app.db.reading() as session:
        issue = issues.find_issue(session, "fen-weekly")
        assert issue.state is IssueState.SENDING
        assert "outbox" in issue.reason
