"""The editors are asked to review a draft: by mail, once for each issue."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest
from sqlmodel import select

from newsletter import issues
from newsletter.db import Database
from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.letters import ask_for_reviews
from newsletter.mail import Mail, Status
from newsletter.models import DeadlineRule, Edition, Issue, IssueStory
from newsletter.render import Renderer, ReviewContent
from newsletter.testing import MemoryProvider
from tests.builders import NOW, newsroom, story
from tests.hooked import HookedProvider
from tests.sites import BASE_URL

EDITORS = ["ed@example.org", "deputy@example.org"]
NAME = "fen-weekly/2026-W47"


def drafted(db: Database, slug: str = "fen-weekly", **edition: Any) -> int:
    """Draft the week's issue of four stories and return its id."""
    with db.transaction() as session:
        made = newsroom(session, slug, **edition)
        for number in range(4):
            story(session, made, number, hours_old=number + 1, summary="")
        row = session.get_one(Edition, made.edition_id)
        return issues.draft(session, row, issues.next_slot(row, NOW), NOW).issue.id


def ask(
    db: Database,
    provider: MemoryProvider,
    *,
    editors: list[str] = EDITORS,
    hours: float = 0,
    templates: Path | None = None,
) -> list[str]:
    now = NOW + timedelta(hours=hours)
    return ask_for_reviews(db, provider, Renderer(templates), base_url=BASE_URL, editors=editors, now=now)


def asked_of(provider: MemoryProvider) -> list[str]:
    """Return the names of the issues whose review was asked for, once for each editor."""
    return [mail.subject.removeprefix("Please review ").partition(":")[0] for mail in provider.sent]


def test_each_editor_is_asked_once(database: Database) -> None:
    drafted(database)
    provider = MemoryProvider()
    assert ask(database, provider) == [NAME]
    assert ask(database, provider, hours=1) == []
    assert [mail.address for mail in provider.sent] == EDITORS
    first = provider.sent[0]
    assert first.subject.startswith(f"Please review {NAME}: Headline number ")
    for part in (first.html, first.text):
        shown = " ".join(part.split())
        assert f"{NAME} goes out on 21 November 2026, 07:00 if it is approved by then." in shown
        assert all(f"Headline number {number}" in shown for number in range(4))
        assert f"newsletter issue approve {NAME}" in shown
        assert "has no summary" in shown


def test_the_mail_says_when_the_issue_goes_out_without_an_approval(database: Database) -> None:
    drafted(database, deadline_rule=DeadlineRule.SEND)
    provider = MemoryProvider()
    ask(database, provider)
    assert "2026, 07:00, approved or not." in " ".join(provider.sent[0].text.split())


def test_nobody_is_asked_without_editors_or_too_late(database: Database) -> None:
    drafted(database)
    provider = MemoryProvider()
    assert ask(database, provider, editors=[]) == []
    assert ask(database, provider, hours=72) == []
    assert provider.calls == []


def test_an_approved_issue_needs_no_review(database: Database) -> None:
    issue_id = drafted(database)
    with database.transaction() as session:
        issue = session.get_one(Issue, issue_id)
        issues.approve(session, issue, Renderer(), BASE_URL, by="Ed", now=NOW, accept={"all": "trial"})
    assert ask(database, MemoryProvider()) == []


def test_when_surely_nobody_got_it_they_are_asked_again(database: Database) -> None:
    drafted(database)
    provider = MemoryProvider()
    for address in EDITORS:
        provider.script(address, Status.NOT_TRIED)
    assert ask(database, provider) == []
    assert ask(database, provider, hours=1) == [NAME]


def test_a_refusing_provider_leaves_the_draft_unasked(database: Database) -> None:
    class Refusing(MemoryProvider):
        def send(self, mail: object, recipients: object) -> list[object]:  # type: ignore[override]
            raise ProviderRefused("sendgrid", "the key is wrong")

    drafted(database)
    with pytest.raises(ProviderRefused):
        ask(database, Refusing())
    assert ask(database, MemoryProvider(), hours=1) == [NAME]


@pytest.mark.parametrize("template", ["review/body.txt", "issue/body.txt"], ids=["of the review", "of the issue"])
def test_a_broken_template_of_one_edition_keeps_no_other_from_being_asked(
    sqlite_database: Database, tmp_path: Path, template: str
) -> None:
    """Its draft is not marked as asked for: the editors are asked as soon as it was mended."""
    drafted(sqlite_database, "aa")
    drafted(sqlite_database, "bb")
    broken = tmp_path / "editions" / "aa" / template
    broken.parent.mkdir(parents=True)
    broken.write_text("{{ nope }}")
    provider = MemoryProvider()
    for hours in (0, 1):
        with pytest.raises(ConfigurationError, match="review of aa/2026-W47 cannot be made: .*'nope'"):
            ask(sqlite_database, provider, hours=hours, templates=tmp_path)
    assert asked_of(provider) == ["bb/2026-W47"] * 2
    broken.unlink()
    assert ask(sqlite_database, provider, hours=2, templates=tmp_path) == ["aa/2026-W47"]


def test_what_nobody_foresaw_about_one_issue_keeps_no_other_from_being_asked(sqlite_database: Database) -> None:
    """Not only errors that are meant for users: the schedule logs what is raised in the end."""
    drafted(sqlite_database, "aa")
    drafted(sqlite_database, "bb")
    with sqlite_database.transaction() as session:
        session.get_one(Edition, 1).time_zone = "Fens/Ely"
    provider = MemoryProvider()
    with pytest.raises(ZoneInfoNotFoundError, match="Fens/Ely"):
        ask(sqlite_database, provider)
    assert asked_of(provider) == ["bb/2026-W47"] * 2


def test_an_issue_without_stories_is_told_and_skipped(sqlite_database: Database) -> None:
    empty = drafted(sqlite_database, "aa")
    drafted(sqlite_database, "bb")
    with sqlite_database.transaction() as session:
        for place in session.exec(select(IssueStory).where(IssueStory.issue_id == empty)):
            place.dropped, place.position = True, None
    provider = MemoryProvider()
    with pytest.raises(ConfigurationError, match="aa/2026-W47 has no stories"):
        ask(sqlite_database, provider)
    assert asked_of(provider) == ["bb/2026-W47"] * 2
    with sqlite_database.reading() as session:
        assert session.get_one(Issue, empty).review_asked_at is None


def test_a_refused_sender_of_one_edition_keeps_no_other_from_being_asked(sqlite_database: Database) -> None:
    drafted(sqlite_database, "aa", sender_address="nobody")
    drafted(sqlite_database, "bb")
    provider = MemoryProvider()
    with pytest.raises(ProviderRefused, match="'nobody' cannot be sent to"):
        ask(sqlite_database, provider)
    assert asked_of(provider) == ["bb/2026-W47"] * 2
    with sqlite_database.transaction() as session:
        session.get_one(Edition, 1).sender_address = "weekly@fen.example"
    assert ask(sqlite_database, provider, hours=1) == ["aa/2026-W47"]


def test_nobody_is_asked_about_a_disabled_edition(sqlite_database: Database) -> None:
    """Its issue would not go out, so the mail would say what is not true."""
    drafted(sqlite_database, enabled=False)
    assert ask(sqlite_database, MemoryProvider()) == []


def test_two_schedulers_ask_once(database: Database) -> None:
    drafted(database)
    other = MemoryProvider()
    assert ask(database, HookedProvider(lambda: ask(database, other))) == [NAME]
    assert other.calls == []


def test_what_was_done_while_the_mail_was_made_counts(database: Database) -> None:
    """Another scheduler has asked meanwhile: this one does not."""

    class Slow(Renderer):
        def review(self, content: ReviewContent) -> Mail:
            assert ask(database, MemoryProvider()) == [NAME]
            return super().review(content)

    drafted(database)
    provider = MemoryProvider()
    later = NOW + timedelta(minutes=1)
    assert ask_for_reviews(database, provider, Slow(), base_url=BASE_URL, editors=EDITORS, now=later) == []
    assert provider.calls == []
