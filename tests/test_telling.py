"""The editors are told of sources in trouble: by mail, once for each trouble."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from newsletter.db import Database
from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.gather import Patience, tell_editors
from newsletter.mail import Status
from newsletter.models import Source
from newsletter.render import Renderer
from newsletter.testing import MemoryProvider
from tests.builders import NOW, newsroom

EDITORS = ["ed@example.org", "deputy@example.org"]


def failing(db: Database, **fields: object) -> None:
    """Make a newsroom whose source has failed for five days."""
    with db.transaction() as session:
        newsroom(session)
        source = session.exec(select(Source)).one()
        source.failures, source.failing_since = 9, NOW - timedelta(days=5)
        source.last_error = "There is nothing at this address."
        for name, value in fields.items():
            setattr(source, name, value)


def tell(db: Database, provider: MemoryProvider, *, editors: list[str] = EDITORS, hours: float = 0) -> int:
    return tell_editors(
        db, provider, Renderer(), editors=editors, patience=Patience(), now=NOW + timedelta(hours=hours)
    )


def test_each_editor_is_told_once(database: Database) -> None:
    failing(database)
    provider = MemoryProvider()
    assert tell(database, provider) == 1
    assert [mail.address for mail in provider.sent] == EDITORS
    assert provider.sent[0].subject == "A source needs a look: The Fen Post"
    for part in (provider.sent[0].html, provider.sent[0].text):
        assert "The Fen Post" in part
        assert "It has failed for 5 days: There is nothing at this address." in " ".join(part.split())
    assert ("Auto-Submitted", "auto-generated") in provider.sent[0].headers
    assert tell(database, provider, hours=1) == 0
    assert len(provider.sent) == 2


def test_trouble_that_comes_back_is_told_again(database: Database) -> None:
    failing(database)
    provider = MemoryProvider()
    tell(database, provider)
    with database.transaction() as session:  # as a reading that succeeds leaves it, and one that fails later
        source = session.exec(select(Source)).one()
        source.told_at, source.told_of = None, ""
    assert tell(database, provider, hours=1) == 1


def test_another_trouble_of_a_source_is_told_too(database: Database) -> None:
    """Silence was told; that it fails now is news, and a time-out a day is no reason to tell the silence again."""
    failing(database, failing_since=None, failures=0, new_story_at=NOW - timedelta(days=60))
    provider = MemoryProvider()
    assert tell(database, provider) == 1
    with database.transaction() as session:
        source = session.exec(select(Source)).one()
        assert source.told_of == "silent"
        source.failing_since = NOW - timedelta(days=9)
    assert tell(database, provider, hours=1) == 1
    assert "It has failed for 9 days" in provider.sent[-1].text
    assert tell(database, provider, hours=2) == 0


def test_sources_that_are_well_or_switched_off_are_nobodys_news(database: Database) -> None:
    failing(database, enabled=False)
    provider = MemoryProvider()
    assert tell(database, provider) == 0
    assert provider.calls == []


def test_without_editors_nothing_is_marked(database: Database) -> None:
    failing(database)
    assert tell(database, MemoryProvider(), editors=[]) == 0
    with database.reading() as session:
        assert session.exec(select(Source)).one().told_at is None


def test_a_provider_that_takes_nothing_is_asked_again(database: Database) -> None:
    failing(database)
    provider = MemoryProvider()
    provider.refusal = "The key is wrong."
    with pytest.raises(ProviderRefused):
        tell(database, provider)
    provider.refusal = ""
    assert tell(database, provider) == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [(Status.NOT_TRIED, 0), (Status.DEFERRED, 0), (Status.REJECTED, 0), (Status.UNCERTAIN, 1)],
)
def test_only_what_may_have_arrived_counts_as_told(database: Database, status: Status, told: int) -> None:
    failing(database)
    provider = MemoryProvider()
    for address in EDITORS:
        provider.script(address, status)
    assert tell(database, provider) == told
    assert tell(database, provider, hours=1) == 1 - told


def test_a_mail_that_cannot_be_made_leaves_nothing_marked(sqlite_database: Database, tmp_path: Path) -> None:
    failing(sqlite_database)
    broken = tmp_path / "editions" / "fen-weekly" / "sources" / "body.txt"
    broken.parent.mkdir(parents=True)
    broken.write_text("{{ nope }}")
    with pytest.raises(ConfigurationError, match="'nope' is undefined"):
        tell_editors(
            sqlite_database, MemoryProvider(), Renderer(tmp_path), editors=EDITORS, patience=Patience(), now=NOW
        )
    assert tell(sqlite_database, MemoryProvider()) == 1


def test_what_was_told_before_stays_told_when_nobody_got_the_next_mail(sqlite_database: Database) -> None:
    """The silence was told and the failing could not be: when only the silence is left, it is no news again."""
    failing(sqlite_database, failing_since=None, failures=0, new_story_at=NOW - timedelta(days=60))
    provider = MemoryProvider()
    assert tell(sqlite_database, provider) == 1
    with sqlite_database.transaction() as session:
        session.exec(select(Source)).one().failing_since = NOW - timedelta(days=9)
    for address in EDITORS:
        provider.script(address, Status.NOT_TRIED)
    assert tell(sqlite_database, provider, hours=1) == 0
    with sqlite_database.transaction() as session:
        session.exec(select(Source)).one().failing_since = None
    assert tell(sqlite_database, provider, hours=2) == 0
