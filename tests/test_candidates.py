"""What is known of a story that could go into an issue."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from newsletter import issues
from newsletter.db import Database
from newsletter.models import Edition, Issue, IssueState, IssueStory, Story
from tests.builders import NOW, WEEK, newsroom, story

DAY = timedelta(days=1)


def sent(session: Session, edition: Edition, week: str, number: int, *stories: Story) -> None:
    """Add an issue that was sent with these stories."""
    issue = Issue(
        edition_id=edition.id,
        week=week,
        number=number,
        state=IssueState.SENT,
        content_hash="0" * 64,
        approved_at=NOW,
        send_at=NOW,
        drafted_at=NOW,
    )
    session.add(issue)
    session.flush()
    session.add_all(IssueStory(issue_id=issue.id, story_id=one.id, position=at) for at, one in enumerate(stories))
    session.flush()


def test_an_event_is_covered_in_the_last_week_that_told_of_it(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        edition = session.get_one(Edition, made.edition_id)
        first, second, third = (story(session, made, number, coverage=1) for number in range(3))
        sent(session, edition, "2026-W46", 1, first)
        sent(session, edition, "2026-W45", 2, second)
        issue = Issue(edition_id=edition.id, week=WEEK, state=IssueState.DRAFT, send_at=NOW + DAY, drafted_at=NOW)
        session.add(issue)
        session.flush()
        found = {one.story_id: one for one in issues.candidates(session, edition, issue, 7 * DAY, NOW + DAY)}
        assert found[third.id].covered_in == "2026-W46"
        assert (found[first.id].sent_in, found[second.id].sent_in) == ("2026-W46", "2026-W45")
