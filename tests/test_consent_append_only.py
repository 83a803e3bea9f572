"""The evidence of consent can be added to and read, and by nobody changed (GDPR article 7(1), trust 1.3)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from newsletter.db import Database
from subscribers import consent
from subscribers.consent import Evidence
from subscribers.models import Consent, ConsentAction, Subscriber
from tests.builders import add_list

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


STATEMENTS = (
    "UPDATE consent SET wording = 'something else'",
    "UPDATE consent SET at = at",
    "UPDATE consent SET source = 'x' WHERE id = 1",
    # A network may be emptied, and only that: not changed, and nothing beside it.
    "UPDATE consent SET network = '198.51.100.0/24'",
    "UPDATE consent SET network = '', wording = 'something else'",
    "UPDATE consent SET network = '', at = '2020-01-01 00:00:00'",
    "UPDATE consent SET network = '', list_id = NULL",
    "UPDATE consent SET network = '', id = 7",
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
        reader = Subscriber(address="r@example.org", address_key="r@example.org", created_at=NOW)
        session.add(reader)
        session.flush()
        evidence = Evidence(NOW, "https://news.example.org/weekly", "Send me Weekly every Saturday.", "192.0.2.77")
        consent.record(session, ConsentAction.REQUESTED, reader.id, weekly.id, evidence)
    for statement in (*STATEMENTS, FORGERY if database.is_sqlite else "TRUNCATE consent"):
        with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
            session.connection().execute(text(statement))
    with database.reading() as session:
        [row] = session.exec(select(Consent)).all()
        assert (row.wording, row.network) == ("Send me Weekly every Saturday.", "192.0.2.0/24")


@pytest.mark.parametrize("list_is_known", [True, False])
def test_a_network_can_be_emptied_and_nothing_else_changes(database: Database, list_is_known: bool) -> None:
    """For who is erased, and when it is old; also of a line about no list, where NULL has to count as the same."""
    with database.transaction() as session:
        weekly = add_list(session, "weekly", "Weekly", NOW)
        reader = Subscriber(address="r@example.org", address_key="r@example.org", created_at=NOW)
        session.add(reader)
        session.flush()
        evidence = Evidence(NOW, "page", "paused", "192.0.2.77")
        list_id = weekly.id if list_is_known else None
        consent.record(session, ConsentAction.CHANGED, reader.id, list_id, evidence)
    for _ in range(2):  # what is empty may be emptied again
        with database.transaction() as session:
            session.connection().execute(text("UPDATE consent SET network = ''"))
    with database.reading() as session:
        [row] = session.exec(select(Consent)).all()
        assert (row.network, row.wording, row.source, row.list_id) == ("", "paused", "page", list_id)
    with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
        session.connection().execute(text("UPDATE consent SET network = '192.0.2.0/24'"))


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
