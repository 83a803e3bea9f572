"""The database: writers that do not lose updates, UTC times, one schema on both databases, refusal of an old one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel, col, select

from newsletter import db as db_module
from newsletter.db import Database
from newsletter.delivery.accounting import contradictions
from newsletter.delivery.reconciling import doubts
from newsletter.errors import ConfigurationError, SchemaError
from newsletter.models import (
    Attempt,
    Chunk,
    ChunkState,
    Delivery,
    DeliveryState,
    Edition,
    Issue,
    IssueStory,
    Region,
    Story,
    StoryRegion,
    StorySource,
)
from subscribers.models import MailingList
from tests.builders import NOW
from tests.databases import created_database, empty_database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield a database whose tables the migrations made."""
    with empty_database(request.param, tmp_path) as db:
        db.upgrade()
        yield db


def schema_objects(db: Database) -> set[str]:
    """Return the triggers and functions of a database, which Alembic does not compare."""
    if db.is_sqlite:
        query = "SELECT sql FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = (
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal "
            "UNION SELECT prosrc FROM pg_proc WHERE right(proname, 11) = 'append_only'"
        )
    with db.connect() as connection:
        return set(connection.exec_driver_sql(query).scalars())


def test_the_migrated_schema_equals_the_models(migrated: Database) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def checks(db: Database) -> dict[str, set[str | None]]:
    with db.connect() as connection:
        inspector = sa.inspect(connection)
        return {
            name: {constraint["name"] for constraint in inspector.get_check_constraints(name)}
            for name in inspector.get_table_names()
            if name != "alembic_version"
        }


def test_checks_and_triggers_are_the_models_too(migrated: Database, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    kind = "sqlite" if migrated.is_sqlite else "postgresql"
    with created_database(kind, tmp_path / "models") as created:
        assert checks(migrated) == checks(created)
        assert schema_objects(migrated) == schema_objects(created)
    assert schema_objects(migrated)


def test_an_old_database_with_data_is_upgraded(tmp_path: Path) -> None:
    _upgrade_with_data("sqlite", tmp_path)


@pytest.mark.postgresql
def test_an_old_database_with_data_is_upgraded_on_postgresql(tmp_path: Path) -> None:
    _upgrade_with_data("postgresql", tmp_path)


def _upgrade_with_data(kind: str, folder: Path) -> None:
    """Fill a database of revision 0001, upgrade it, and see that what was there is there, and is what it should be."""
    with empty_database(kind, folder) as db:
        db.upgrade("0001")
        with db.transaction() as session:
            for statement in _OLD_ROWS:
                session.connection().exec_driver_sql(statement)
        with pytest.raises(SchemaError, match="newsletter db upgrade"):
            db.check_schema()
        db.upgrade()
        db.check_schema()
        with db.reading() as session:
            story = session.exec(select(Story)).one()
            assert (story.title, story.categories or [], story.coverage) == ("Ferry reopens", [], None)
            assert (story.is_dated, story.tagged_as, story.picture) == (True, "", "")
            carried = session.exec(select(StorySource)).one()
            assert (carried.story_id, carried.source_id) == (story.id, story.source_id)
            sent = {row.issue_id: row.sent_text for row in session.exec(select(IssueStory))}
            assert sent == {1: "Ferry reopens\nThe first boat left.", 2: ""}
            assert session.exec(select(StoryRegion)).one().strength == 1.0
            assert session.exec(select(Edition)).one().fall_back is False
            deliveries = session.exec(select(Delivery).order_by(col(Delivery.id))).all()
            assert [(one.subscriber_id, one.state, one.detail) for one in deliveries] == [
                (2, DeliveryState.ACCEPTED, "250 OK"),
                (1, DeliveryState.UNCERTAIN, "was being sent when the database was upgraded"),
            ]
            assert session.exec(select(Chunk)).one().state is ChunkState.DONE
            attempt = session.exec(
                select(Attempt)
            ).one()  # what came of them belongs to an attempt, so it can be settled
            assert (attempt.issue_id, attempt.readers, attempt.worker) == (1, 2, "before the upgrade")
            assert {one.attempt for one in deliveries} == {attempt.id}
            wrong = contradictions(session, session.get_one(Issue, 1))
            assert [one for one in wrong if "attempt" in one] == []
            assert [doubt.readers for doubt in doubts(session, 1)] == [1]
            session.add(Delivery(issue_id=2, subscriber_id=1, chunk=0, state=DeliveryState.PLANNED, changed_at=NOW))
            session.flush()  # numbers are still given by the database


_OLD_ROWS = (
    "INSERT INTO region (id, code, name, words) VALUES (1, 'FEN', 'The Fens', '[]')",
    "INSERT INTO mailing_list (id, slug, name, created_at) VALUES (1, 'fens', 'Fens', '2026-11-01 00:00:00+00:00')",
    "INSERT INTO source (id, slug, name, kind, url, language, weight, enabled, etag, last_modified, failures, last_error) "
    "VALUES (1, 'post', 'Post', 'feed', 'https://post.example/feed', 'en', 1, true, '', '', 0, '')",
    "INSERT INTO story (id, source_id, url, link, title, summary, author, language, image_url, image_alt, published_at, "
    "first_seen_at) VALUES (1, 1, 'https://post.example/1', 'https://post.example/1', 'Ferry reopens', "
    "'The first boat left.', '', 'en', '', '', '2026-11-01 00:00:00+00:00', '2026-11-01 00:00:00+00:00')",
    "INSERT INTO story_region (story_id, region_id, evidence) VALUES (1, 1, 'from Post')",
    "INSERT INTO edition (id, slug, name, tagline, region_name, list_id, language, sender_name, sender_address, reply_to, "
    "publisher, postal_address, contact, send_weekday, send_hour_minute, time_zone, draft_hours, deadline_rule, min_stories, "
    "max_stories, max_age_days, created_at, enabled) VALUES (1, 'fens', 'Fens', '', '', 1, 'en', 'F', 'f@f.example', '', 'P', "
    "'A', 'c@f.example', 5, '07:00', 'UTC', 24, 'hold', 4, 9, 8, '2026-11-01 00:00:00+00:00', true)",
    *(
        "INSERT INTO issue (id, edition_id, week, number, state, expected, put_off, stops, reason, send_at, drafted_at, "
        "subject_override, preheader_override, approved_at, approved_by, subject, html, text, nonce, from_name, from_address, "
        f"reply_to, content_hash) VALUES ({number}, 1, '2026-W4{number}', {number}, '{state}', 0, 0, 0, '', "
        f"'2026-11-0{number} 07:00:00+00:00', '2026-11-01 00:00:00+00:00', '', '', '2026-11-01 00:00:00+00:00', '', '', '', "
        "'', '', '', '', '', 'x')"
        for number, state in ((1, "sent"), (2, "draft"))
    ),
    *(
        "INSERT INTO issue_story (issue_id, story_id, position, pinned, dropped, headline, summary, score, reasons) "
        f"VALUES ({number}, 1, 0, false, false, '', '', 0, '[]')"
        for number in (1, 2)
    ),
    *(
        "INSERT INTO subscriber (id, address, address_key, name, created_at) "
        f"VALUES ({number}, 'r{number}@e.example', 'r{number}@e.example', '', '2026-11-01 00:00:00+00:00')"
        for number in (1, 2)
    ),
    "INSERT INTO chunk (issue_id, n, state, tries, worker) VALUES (1, 0, 'claimed', 0, 'host:1:1')",
    *(
        "INSERT INTO delivery (id, issue_id, subscriber_id, chunk, state, attempt, address, detail, reference, changed_at) "
        f"VALUES ('{number:032x}', 1, {number}, {chunk}, '{state}', 1, '', '{said}', '', '2026-11-01 00:00:00+00:00')"
        for number, chunk, state, said in ((1, 1, "sending", ""), (2, 0, "accepted", "250 OK"))
    ),
)


def test_upgrading_twice_is_harmless(migrated: Database) -> None:
    migrated.upgrade()
    migrated.check_schema()


def test_an_empty_database_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="Run `newsletter db upgrade`"):
        Database(f"sqlite:///{tmp_path / 'empty.db'}").check_schema()


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        ("0001", "older than 9999.*Make a backup, then run `newsletter db upgrade`"),
        ("8888", "Install the newer version"),
    ],
)
def test_another_schema_is_refused(
    migrated: Database, monkeypatch: pytest.MonkeyPatch, revision: str, sentence: str
) -> None:
    monkeypatch.setattr(db_module, "latest_revision", lambda: "9999")
    with migrated.transaction() as session:
        session.connection().exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(SchemaError, match=sentence):
        migrated.check_schema()


def test_the_files_of_the_revisions_tell_their_order() -> None:
    """The schema is checked without asking alembic, which walks the same files by what they say in them."""
    scripts = ScriptDirectory(str(Path(db_module.__file__).parent / "migrations"))
    assert scripts.get_heads() == [db_module.latest_revision()]
    assert [script.revision for script in scripts.walk_revisions()][::-1] == db_module._revisions()


def test_sqlite_is_set_up_for_a_ledger(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with db.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2 is FULL


def test_read_then_write_loses_nothing(database: Database) -> None:
    """Libraries trap 1: with the default begin, 360 such commits ended at 74."""
    with database.transaction() as session:
        session.add(Region(code="X", name="0"))
    failures: list[Exception] = []

    def add() -> None:
        try:
            for _ in range(20):
                with database.transaction() as session:
                    region = session.exec(select(Region).with_for_update()).one()
                    region.name = str(int(region.name) + 1)
                    session.add(region)
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.reading() as session:
        assert session.exec(select(Region)).one().name == "80"


def test_an_exception_rolls_everything_back(database: Database) -> None:
    def fails(session: Session) -> None:
        session.add(Region(code="X", name="x"))
        session.flush()
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), database.transaction() as session:
        fails(session)
    with database.reading() as session:
        assert session.exec(select(Region)).all() == []


def test_a_reader_works_beside_an_open_writer(database: Database) -> None:
    with database.transaction() as writer:
        writer.add(Region(code="X", name="x"))
        writer.flush()
        with database.reading() as session:
            assert session.exec(select(Region)).all() == []


def test_times_come_back_in_utc(database: Database) -> None:
    local = NOW.astimezone(timezone(timedelta(hours=5)))
    with database.transaction() as session:
        session.add(MailingList(slug="x", name="x", created_at=local))
    with database.reading() as session:
        found = session.exec(select(MailingList)).one().created_at
    assert found == NOW
    assert found.utcoffset() == timedelta()


def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="without a time zone"), database.transaction() as session:
        session.add(MailingList(slug="x", name="x", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001 - the point


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(
            Story(source_id=99, url="u", link="u", title="t", published_at=NOW, first_seen_at=NOW),
        )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "is not a database URL"),
        ("mysql://x/y", "mysql is not supported; use sqlite or postgresql"),
    ],
)
def test_a_wrong_url_gets_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Database(url)


def test_a_database_that_cannot_be_opened_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Database(f"sqlite:///{tmp_path}/no/such/folder/x.db").check_schema()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Database("postgresql://nobody:secret@127.0.0.1:9/x").check_schema()


def test_a_password_is_not_printed() -> None:
    assert "hunter2" not in str(Database("postgresql://me:hunter2@127.0.0.1/x"))
