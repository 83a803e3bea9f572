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
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel, select

from newsletter import db as db_module
from newsletter.db import Database
from newsletter.errors import ConfigurationError, SchemaError
from newsletter.models import Region, Story
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
            "UNION SELECT prosrc FROM pg_proc WHERE proname = 'consent_append_only'"
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
