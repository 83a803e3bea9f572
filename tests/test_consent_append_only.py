"""The evidence of consent can be added to and read, and by nobody changed (GDPR article 7(1), trust 1.3)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from newsletter.db import Database
from subscribers import consent
from subscribers.addresses import parse_address
from subscribers.models import Consent, Subscriber
from tests.builders import add_list

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


STATEMENTS = (
    "UPDATE consent SET wording = 'something else'",
    "UPDATE consent SET at = at",
    "UPDATE consent SET source = 'x' WHERE id = 1",
    "DELETE FROM consent",
    "DELETE FROM consent WHERE id = 1",
)


#: SQLite's own way round an UPDATE; PostgreSQL's way round a DELETE is TRUNCATE.
FORGERY = (
    "INSERT OR REPLACE INTO consent (id, subscriber_id, list_id, action, at, source, wording, network) "
    "SELECT id, subscriber_id, list_id, action, at, source, 'forged', network FROM consent"
)


def test_the_database_refuses_to_change_evidence(database: Database) -> None:
    with database.transaction() as session:
        weekly = add_list(session, "weekly", "Weekly", NOW)
        consent.request(
            session,
            list_id=weekly.id,
            address=parse_address("reader@example.org"),
            name="",
            now=NOW,
            source="https://news.example.org/weekly",
            wording="Send me Weekly every Saturday.",
            network="192.0.2.77",
        )
    for statement in (*STATEMENTS, FORGERY if database.is_sqlite else "TRUNCATE consent"):
        with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
            session.connection().execute(text(statement))
    with database.reading() as session:
        assert [row.wording for row in session.exec(select(Consent))] == ["Send me Weekly every Saturday."]


def test_the_rows_it_is_about_cannot_be_taken_away_from_under_it(database: Database) -> None:
    with database.transaction() as session:
        weekly = add_list(session, "weekly", "Weekly", NOW)
        reader = Subscriber(address="r@example.org", address_key="r@example.org", created_at=NOW)
        session.add(reader)
        session.flush()
        consent.join(
            session, subscriber_id=reader.id, list_id=weekly.id, now=NOW, source="preferences", wording="Weekly"
        )
    for table in ("subscriber", "mailing_list"):
        with pytest.raises(DBAPIError), database.transaction() as session:
            session.connection().execute(text(f"DELETE FROM {table}"))
