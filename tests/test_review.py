"""The editors are asked to review a draft: by mail, once for each issue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from newsletter import issues
from newsletter.db import Database
from newsletter.errors import ProviderRefused
from newsletter.letters import ask_for_reviews
from newsletter.mail import Status
from newsletter.models import DeadlineRule, Edition, Issue
from newsletter.render import Renderer
from newsletter.testing import MemoryProvider
from tests.builders import NOW, newsroom, story
from tests.sites import BASE_URL

EDITORS = ["ed@example.org", "deputy@example.org"]
NAME = "fen-weekly/2026-W47"


def drafted(db: Database, **edition: Any) -> int:
    """Draft the week's issue of four stories and return its id."""
    with db.transaction() as session:
        made = newsroom(session, **edition)
        for number in range(4):
            story(session, made, number, hours_old=number + 1, summary="")
        row = session.get_one(Edition, made.edition_id)
        return issues.draft(session, row, issues.next_slot(row, NOW), NOW).issue.id


def ask(db: Database, provider: MemoryProvider, *, editors: list[str] = EDITORS, hours: float = 0) -> list[str]:
    now = NOW + timedelta(hours=hours)
    return ask_for_reviews(db, provider, Renderer(), base_url=BASE_URL, editors=editors, now=now)


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
