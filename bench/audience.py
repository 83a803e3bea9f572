"""An installation with any number of readers and an approved issue of 30 KB, for the benchmarks of delivery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from bench.fill import example_mail
from bench.sending import BASE
from newsletter import issues
from newsletter.db import Database
from newsletter.mail import Sender
from newsletter.models import Edition, Issue
from newsletter.render import Renderer
from tests.builders import NOW, populated

#: Together they make a message of about 30 KB.
_HTML_BYTES, _TEXT_BYTES = 20_000, 6_000


@contextmanager
def installation(url: str, readers: int) -> Iterator[tuple[Database, int]]:
    """Yield a database with so many confirmed readers and the id of an approved issue; nothing is planned yet.

    `url` is that of a new SQLite file, or of an empty PostgreSQL database.
    """
    db = Database(url)
    db.upgrade()
    made = populated(db, readers=0)
    with db.transaction() as session:
        connection = session.connection()
        for statement in _FILL[connection.dialect.name]:
            connection.execute(text(statement), {"n": readers, "list": made.list_id})
        edition = session.get_one(Edition, made.edition_id)
        issue = issues.draft(session, edition, issues.next_slot(edition, NOW), NOW).issue
        issues.approve(session, issue, Renderer(None), BASE, by="bench", now=NOW)
        _of_usual_size(issue)
        issue_id = issue.id
    if not db.is_sqlite:
        with db.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    try:
        yield db, issue_id
    finally:
        db.close()


def _of_usual_size(issue: Issue) -> None:
    mail = example_mail(_HTML_BYTES, _TEXT_BYTES)
    issue.html, issue.text, issue.nonce = mail.html, mail.text, mail.nonce
    sender = Sender(issue.from_name, issue.from_address, issue.reply_to)
    issue.content_hash = replace(mail, subject=issue.subject, sender=sender).content_hash


def sqlite_url(folder: Path) -> str:
    """Return the URL of a SQLite file in a folder."""
    return f"sqlite:///{folder / 'newsletter.db'}"


_SUBSCRIPTIONS = (
    "INSERT INTO subscription (subscriber_id, list_id, state, requested_at, changed_at, confirmation_tries) "
    "SELECT id, :list, 'confirmed', created_at, created_at, 0 FROM subscriber"
)
_ADDRESS = "'reader-' || i || '@example' || (i % 50) || '.org'"
_FILL = {
    "sqlite": (
        "INSERT INTO subscriber (address, address_key, name, created_at) "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n) "
        f"SELECT {_ADDRESS}, {_ADDRESS}, "
        "CASE i % 2 WHEN 1 THEN 'Ada Sample ' || i ELSE '' END, '2026-01-01 00:00:00.000000' FROM n",
        _SUBSCRIPTIONS,
    ),
    "postgresql": (
        "INSERT INTO subscriber (address, address_key, name, created_at) "
        f"SELECT {_ADDRESS}, {_ADDRESS}, "
        "CASE i % 2 WHEN 1 THEN 'Ada Sample ' || i ELSE '' END, '2026-01-01 00:00:00+00' FROM generate_series(1, :n) i",
        _SUBSCRIPTIONS,
    ),
}
