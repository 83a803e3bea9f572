"""F22: a database restored from a backup in the middle of a sending, which would send again what was sent since."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter import delivery
from newsletter.db import Database
from newsletter.delivery import Post
from newsletter.delivery.journal import Journal
from newsletter.delivery.ledger.rows import ledger_id
from newsletter.delivery.restoring import Restored, take_up
from newsletter.errors import Refused
from newsletter.models import Attempt, DeliveryState, Issue
from tests.builders import NOW
from tests.test_delivery import BASE, SIGNER, Scripted, approved, counts

LATER = NOW + timedelta(days=30)


def send(database: Database, issue_id: int, provider: Scripted, folder: Path) -> delivery.SendReport:
    post = Post(provider, SIGNER, BASE, lambda: LATER, journal=Journal(folder / "sending"))
    return delivery.send(database, issue_id, post, by_hand=True)


def copy(database: Database, to: Path) -> Database:
    """Return a copy of a SQLite database as a backup has it."""
    with sqlite3.connect(str(database.url.database)) as source, sqlite3.connect(to) as target:
        source.backup(target)
    return Database(f"sqlite:///{to}")


@pytest.mark.parametrize("begun", [True, False], ids=["mid-send", "before-it-began"])
def test_a_restored_ledger_sends_nothing_until_it_is_taken_up(
    sqlite_database: Database, tmp_path: Path, begun: bool
) -> None:
    _, issue_id = approved(sqlite_database, readers=9)
    provider = Scripted(chunk_size=3)
    backups: list[Database] = []
    if begun:
        provider.before = lambda _: backups.append(copy(sqlite_database, tmp_path / f"{len(backups)}.db"))
    else:
        with sqlite_database.transaction() as session:
            ledger_id(session)  # `db upgrade` names the ledger
        backups.append(copy(sqlite_database, tmp_path / "before.db"))
    send(sqlite_database, issue_id, provider, tmp_path)
    assert len(provider.sent) == 9
    provider.before = lambda _: None
    restored = backups[0]
    with pytest.raises(Refused, match="restored from a backup"):
        send(restored, issue_id, provider, tmp_path)
    with restored.transaction() as session:
        done = take_up(session, Journal(tmp_path / "sending"), 3, LATER)
        assert done == Restored(issues=1, uncertain=6 if begun else 9)
        assert take_up(session, Journal(tmp_path / "sending"), 3, LATER) == Restored(0, 0)
    send(restored, issue_id, provider, tmp_path)
    assert max(provider.addresses.values()) == 1
    held = counts(restored, issue_id)
    assert (held.uncertain, held.accepted) == (9, 0)  # the chunk under way at the backup is uncertain, too
    with restored.transaction() as session:
        delivery.plan_again(session, session.get_one(Issue, issue_id), DeliveryState.UNCERTAIN, LATER, "ed")
    send(restored, issue_id, provider, tmp_path)
    assert max(provider.addresses.values()) == 2  # a person said so
    for backup in backups:
        backup.close()


def test_a_new_database_is_no_older_copy(sqlite_database: Database, tmp_path: Path) -> None:
    _, issue_id = approved(sqlite_database, readers=3)
    send(sqlite_database, issue_id, Scripted(), tmp_path)
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.upgrade()
    _, issue_id = approved(other, readers=3)
    assert send(other, issue_id, Scripted(), tmp_path).tally.accepted == 3
    other.close()


def test_attempts_are_counted_on_from_the_highest(database: Database, tmp_path: Path) -> None:
    """The provider's late reports name attempts: a number must not come twice."""
    _, issue_id = approved(database, readers=6)
    journal = Journal(tmp_path / "sending")
    send(database, issue_id, Scripted(chunk_size=3), tmp_path)
    with database.transaction() as session:
        journal.reach(ledger_id(session), 40)
        take_up(session, journal, 3, LATER)
        attempt = Attempt(issue_id=issue_id, chunk=0, worker="w", provider="p", readers=1, at=LATER)
        session.add(attempt)
        session.flush()
        assert attempt.id == 42


def test_the_highest_attempt_never_falls(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.reached("a") == 0
    for attempt in (3, 17, 5):
        journal.reach("a", attempt)
    assert (journal.reached("a"), journal.reached("b")) == (17, 0)
