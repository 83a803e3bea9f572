"""Stage 2 on a real database: drafting, what an editor changes, approval that freezes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from newsletter import issues
from newsletter.db import Database
from newsletter.errors import NotFound, Refused
from newsletter.issues import Changes
from newsletter.models import Edition, Issue, IssueState, IssueStory, StoryRegion
from newsletter.render import Renderer
from tests.builders import NOW, WEEK, Newsroom, newsroom, populated, story

BASE = "https://news.example.org"


def drafted(session: Session, made: Newsroom) -> Issue:
    edition = session.get_one(Edition, made.edition_id)
    return issues.draft(session, edition, issues.next_slot(edition, NOW), NOW).issue


def order(session: Session, issue: Issue) -> list[int]:
    return [place.story.id for place in issues.places(session, issue.id)]


def test_a_draft_has_a_lead_a_number_and_reasons(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        placed = issues.places(session, issue.id)
        assert (issue.week, issue.number, issue.state) == (WEEK, 1, IssueState.DRAFT)
        assert [place.row.position for place in placed] == [0, 1, 2, 3]
        assert placed[0].row.reasons[0] == "1 h old"


def test_drafting_again_finds_new_stories_and_keeps_one_issue(database: Database) -> None:
    made = populated(database, readers=0, stories=2)
    with database.transaction() as session:
        drafted(session, made)
        newest = story(session, made, 9, hours_old=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        assert order(session, issue)[0] == newest.id
        assert len(session.exec(select(Issue)).all()) == 1


def test_what_was_sent_is_not_sent_again(database: Database) -> None:
    made = populated(database, readers=0, stories=3)
    with database.transaction() as session:
        first = drafted(session, made)
        issues.approve(session, first, Renderer(None), BASE, by="ed", now=NOW)
        old = order(session, first)
        fresh = [story(session, made, number, hours_old=0).id for number in (10, 11)]
        edition = session.get_one(Edition, made.edition_id)
        second = issues.draft(session, edition, issues.slot_of(edition, "2026-W48"), NOW)
        assert order(session, second.issue) == fresh
        assert {second.choice.left_out[one].reason for one in old} == {f"sent in {WEEK}"}
        assert second.issue.number == 2


def test_another_edition_may_send_the_same_story(database: Database) -> None:
    made = populated(database, readers=0, stories=2)
    with database.transaction() as session:
        first = drafted(session, made)
        issues.approve(session, first, Renderer(None), BASE, by="ed", now=NOW)
        other = newsroom(session, "other-weekly")
        from newsletter.models import EditionRegion

        session.add(EditionRegion(edition_id=other.edition_id, region_id=made.region_id))
        session.flush()
        assert sorted(order(session, drafted(session, other))) == sorted(order(session, first))


def test_a_thin_week_is_skipped_and_can_be_drafted_later(database: Database) -> None:
    made = populated(database, readers=0, stories=1)
    with database.transaction() as session:
        issue = drafted(session, made)
        assert (issue.state, issue.reason, issue.number) == (IssueState.SKIPPED, "1 new story, 2 needed", None)
        assert order(session, issue) == []
        with pytest.raises(Refused, match="is skipped"):
            issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        story(session, made, 8)
        again = drafted(session, made)
        assert (again.id, again.state, again.reason, again.number) == (issue.id, IssueState.DRAFT, "", 1)


def test_what_an_editor_changed_survives_a_new_draft(database: Database) -> None:
    made = populated(database, readers=0, stories=4)
    with database.transaction() as session:
        issue = drafted(session, made)
        a, b, c, d = order(session, issue)
        issues.edit(session, issue, Changes(lead=d, drop=[b], headlines={c: "  Our own\nwords "}, subject="A subject"))
        assert order(session, issue) == [d, a, c]
        story(session, made, 9, hours_old=0)
        again = drafted(session, made)
        after = order(session, again)
        assert after[0] == d
        assert b not in after
        assert again.subject_override == "A subject"
        assert {place.story.id: place.headline for place in issues.places(session, again.id)}[c] == "Our own words"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (lambda s: Changes(order=[s[3], s[1]]), [3, 1, 0, 2]),
        (lambda s: Changes(lead=s[2]), [2, 0, 1, 3]),
        (lambda s: Changes(lead=s[2], order=[s[3]]), [2, 3, 0, 1]),
        (lambda s: Changes(drop=[s[0], s[3]]), [1, 2]),
        (lambda s: Changes(pin=[s[1]]), [0, 1, 2, 3]),
    ],
)
def test_orders(database: Database, changes: Callable[[list[int]], Changes], expected: list[int]) -> None:
    made = populated(database, readers=0, stories=4)
    with database.transaction() as session:
        issue = drafted(session, made)
        before = order(session, issue)
        issues.edit(session, issue, changes(before))
        assert order(session, issue) == [before[place] for place in expected]


def test_a_dropped_story_can_come_back(database: Database) -> None:
    made = populated(database, readers=0, stories=3)
    with database.transaction() as session:
        issue = drafted(session, made)
        first = order(session, issue)[0]
        issues.edit(session, issue, Changes(drop=[first]))
        issues.edit(session, issue, Changes(restore=[first]))
        assert order(session, issue)[-1] == first
        assert first in order(session, drafted(session, made))


def test_impossible_changes_get_a_sentence_and_change_nothing(database: Database) -> None:
    made = populated(database, readers=0, stories=2)
    with database.transaction() as session:
        issue = drafted(session, made)
        a, b = order(session, issue)
        with pytest.raises(NotFound, match="no story called '999'"):
            issues.edit(session, issue, Changes(lead=999))
        with pytest.raises(Refused, match="cannot be dropped and kept"):
            issues.edit(session, issue, Changes(lead=a, drop=[a]))
    with pytest.raises(Refused, match="would be empty"), database.transaction() as session:
        issues.edit(session, issues.find_issue(session, "fen-weekly"), Changes(drop=[a, b]))
    with database.reading() as session:
        assert order(session, issue) == [a, b]


def test_approval_freezes_and_any_change_takes_it_back(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        frozen = issue.frozen_mail()
        assert issue.state is IssueState.APPROVED
        assert frozen.content_hash == issue.content_hash
        assert f"{BASE}/issues/fen-weekly/1" in frozen.html
        place = issues.places(session, issue.id)[0]
        place.story.title = "The source changed its mind"
        session.add(place.story)
        assert issue.frozen_mail() == frozen  # what was approved does not follow its sources
        with pytest.raises(Refused, match="approved already"):
            issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        issues.edit(session, issue, Changes(subject="Another"))
        assert (issue.state, issue.content_hash, issue.html) == (IssueState.DRAFT, "", "")


@pytest.mark.parametrize("column", ["subject", "html", "text", "nonce", "from_name", "from_address", "reply_to"])
def test_a_tampered_mail_is_not_sent(database: Database, column: str) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        setattr(issue, column, getattr(issue, column) + "x")
        with pytest.raises(Refused, match="is not what was approved"):
            issue.frozen_mail()


def test_approval_names_every_error_of_preflight(database: Database) -> None:
    made = populated(database, readers=0, postal_address="")
    with database.transaction() as session:
        issue = drafted(session, made)
        with pytest.raises(Refused, match="postal address"):
            issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        assert issue.state is IssueState.DRAFT


def test_what_is_being_sent_does_not_change(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        issue.state = IssueState.SENDING
        session.add(issue)
        session.flush()
        for change in (
            lambda: issues.edit(session, issue, Changes(subject="x")),
            lambda: issues.skip(session, issue, "no"),
            lambda: drafted(session, made),
            lambda: issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW),
        ):
            with pytest.raises(Refused, match="does not change any more"):
                change()


def test_skipping_has_a_reason_and_frees_the_number(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        issues.skip(session, issue, "Public holiday")
        assert (issue.state, issue.reason, issue.number) == (IssueState.SKIPPED, "Public holiday", None)


def test_ten_schedulers_make_one_issue(database: Database) -> None:
    """F8: (edition, week) is unique, and so is the number."""
    made = populated(database, readers=0)
    failures: list[Exception] = []

    def work() -> None:
        try:
            with database.transaction() as session:
                drafted(session, made)
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.reading() as session:
        assert [(one.week, one.number) for one in session.exec(select(Issue))] == [(WEEK, 1)]
        assert len(session.exec(select(IssueStory)).all()) == 4


def test_issues_are_found_by_name(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        with pytest.raises(NotFound, match="newsletter issue draft fen-weekly"):
            issues.find_issue(session, "fen-weekly")
        with pytest.raises(NotFound, match="no edition called 'nowhere'.*fen-weekly"):
            issues.find_issue(session, "nowhere")
        issue = drafted(session, made)
        assert issues.find_issue(session, "fen-weekly").id == issue.id
        assert issues.find_issue(session, f"fen-weekly/{WEEK}").id == issue.id
        with pytest.raises(NotFound, match="2026-W01"):
            issues.find_issue(session, "fen-weekly/2026-W01")


def test_hostile_headlines_stay_text(database: Database) -> None:
    """Threats 1 and 3: a headline can neither add a header nor name a hole or a template's variable."""
    made = populated(database, readers=0, stories=1)
    headline = "=?UTF-8?Q?x=0D=0ABcc:_a@b.c?= {{ 7*7 }} <b>bold</b>"
    with database.transaction() as session:
        story(session, made, 50, hours_old=0, title=headline, published_at=NOW + timedelta(hours=1))
        issue = drafted(session, made)
        issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
        assert "=?" not in issue.subject
        assert "\n" not in issue.subject
        assert "{{ 7*7 }} &lt;b&gt;bold&lt;/b&gt;" in issue.html
        assert "49" not in issue.subject


def test_two_weeks_approved_at_once_do_not_share_a_story(database: Database) -> None:
    made = populated(database, readers=0, stories=3)
    with database.transaction() as session:
        first = drafted(session, made)
        edition = session.get_one(Edition, made.edition_id)
        second = issues.draft(session, edition, issues.slot_of(edition, "2026-W48"), NOW).issue
        issues.approve(session, first, Renderer(None), BASE, by="ed", now=NOW)
        with pytest.raises(Refused, match=rf"get or got in another week:\n.*Headline number 0 \({WEEK}\)"):
            issues.approve(session, second, Renderer(None), BASE, by="ed", now=NOW)


def test_a_pinned_story_that_went_out_meanwhile_loses_its_place(database: Database) -> None:
    made = populated(database, readers=0, stories=3)
    with database.transaction() as session:
        edition = session.get_one(Edition, made.edition_id)
        later = issues.draft(session, edition, issues.slot_of(edition, "2026-W48"), NOW).issue
        lead = order(session, later)[2]
        issues.edit(session, later, Changes(lead=lead))
        first = drafted(session, made)
        issues.approve(session, first, Renderer(None), BASE, by="ed", now=NOW)
        fresh = [story(session, made, number, hours_old=0).id for number in (20, 21)]
        again = issues.draft(session, edition, issues.slot_of(edition, "2026-W48"), NOW)
        assert order(session, again.issue) == fresh
        assert again.choice.left_out[lead].reason == f"sent in {WEEK}"


def test_pins_outlive_a_thin_week(database: Database) -> None:
    made = populated(database, readers=0, stories=2)
    with database.transaction() as session:
        issue = drafted(session, made)
        second = order(session, issue)[1]
        issues.edit(session, issue, Changes(lead=second))
        edition = session.get_one(Edition, made.edition_id)
        edition.min_stories = 3
        session.add(edition)
        session.flush()
        assert drafted(session, made).state is IssueState.SKIPPED
        edition.min_stories = 2
        session.add(edition)
        session.flush()
        assert order(session, drafted(session, made))[0] == second


def test_drafting_again_waits_for_a_sending_that_begins(database: Database) -> None:
    """On PostgreSQL an unlocked read would see "approved", and make a draft of what is being sent."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue_id = drafted(session, made).id
        issues.approve(session, issues.find_issue(session, "fen-weekly"), Renderer(None), BASE, by="ed", now=NOW)
    locked, begun = threading.Event(), threading.Event()
    outcome: list[str] = []

    def begin_sending() -> None:
        with database.transaction() as session:
            issue = issues.lock_issue(session, issue_id)
            locked.set()
            begun.wait(10)
            time.sleep(0.3)  # the draft has every chance to read; it must wait for this transaction
            issue.state = IssueState.SENDING
            session.add(issue)

    def draft_again() -> None:
        locked.wait(10)
        begun.set()
        try:
            with database.transaction() as session:
                drafted(session, made)
        except Refused as error:
            outcome.append(str(error))

    drafting, sending = threading.Thread(target=draft_again), threading.Thread(target=begin_sending)
    sending.start()
    drafting.start()
    sending.join()
    drafting.join()
    assert "does not change any more" in outcome[0]


def test_an_order_names_stories_of_the_issue(database: Database) -> None:
    """Whoever writes places where numbers belong must not get another newsroom's story as the lead."""
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        stranger = story(session, made, 77).id
        before = order(session, issue)
        with pytest.raises(
            Refused, match=rf"Story {stranger} is not in fen-weekly/.*--pin {stranger} puts this one in"
        ):
            issues.edit(session, issue, Changes(order=[stranger]))
        issues.edit(session, issue, Changes(order=[stranger, before[1]], pin=[stranger]))
        assert order(session, issue)[:2] == [stranger, before[1]]


def test_dropping_and_restoring_a_story_that_was_not_in_changes_nothing_in_the_issue(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        stranger = story(session, made, 77).id
        before = order(session, issue)
        issues.edit(session, issue, Changes(drop=[stranger]))
        issues.edit(session, issue, Changes(restore=[stranger]))
        assert order(session, issue) == before
        issues.edit(session, issue, Changes(drop=[before[1]]))
        issues.edit(session, issue, Changes(restore=[before[1]]))
        assert set(order(session, issue)) == set(before)


def test_a_story_about_something_else_is_told_apart(database: Database) -> None:
    made = populated(database, readers=0)
    with database.transaction() as session:
        issue = drafted(session, made)
        ids = order(session, issue)
        tag = session.exec(select(StoryRegion).where(StoryRegion.story_id == ids[0])).one()
        tag.strength = 0.1
        session.flush()
        assert issues.about_edition(session, made.edition_id, ids) == set(ids[1:])
