"""The size of a call while a provider gets to know us: 1, 10, 100, 1,000 (trust 2.1, provider ramp-up)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, select

from newsletter.db import Database
from newsletter.delivery import pace
from newsletter.models import Pace
from tests.databases import created_database

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "taken", "readers", "following"),
    [
        pytest.param(1, 1, 1, 10, id="taken"),
        pytest.param(100, 100, 100, 1000, id="a hundred taken"),
        pytest.param(10, 12, 12, 100, id="more than had to be"),
        pytest.param(100, 3, 3, 100, id="the last few say nothing about more"),
        pytest.param(100, 99, 100, 100, id="one of them was not"),
        pytest.param(100, 1, 100, 100, id="all but one were not"),
        pytest.param(1000, 0, 1000, 100, id="nobody taken"),
        pytest.param(100, 0, 1000, 100, id="another worker's call of before says the same"),
        pytest.param(1000, 0, 15, 1, id="not even a few"),
        pytest.param(1, 0, 1, 1, id="never under one"),
        pytest.param(10, 0, 10, 1, id="down to one"),
    ],
)
def test_what_a_call_tells_about_the_next(size: int, taken: int, readers: int, following: int) -> None:
    assert pace.next_size(size, taken, readers) == following


def test_a_new_account_grows_and_a_restart_forgets_nothing(tmp_path: Path) -> None:
    sizes = []
    with created_database("sqlite", tmp_path) as database:
        for _ in range(5):
            with database.transaction() as session:
                sizes.append(pace.limit(session, "sendgrid", 1, 1000))
                pace.learn(session, "sendgrid", 1, 1000, sizes[-1], sizes[-1], NOW)
    again = Database(f"sqlite:///{tmp_path / 'newsletter.db'}")
    with again.transaction() as session:
        assert sizes == [1, 10, 100, 1000, 1000]
        assert pace.limit(session, "sendgrid", 1, 1000) == 1000
        assert pace.limit(session, "sendgrid", 1, 300) == 300, "as many as wanted, however many those are"
        assert pace.limit(session, "other", 1, 1000) == 1, "each provider for itself"
        row = session.exec(select(Pace)).one()
        assert (row.scope, row.chunk_size, row.since) == ("sendgrid", 0, NOW)
    again.close()


def test_an_account_that_refuses_large_calls_gets_smaller_ones(database: Database) -> None:
    """It takes 40 at most: the size settles where calls go through, and nothing fails for ever."""
    sizes = []
    for _ in range(8):
        with database.transaction() as session:
            sizes.append(pace.limit(session, "sendgrid", 1, 500))
            taken = sizes[-1] if sizes[-1] <= 40 else 0
            pace.learn(session, "sendgrid", 1, 500, taken, sizes[-1], NOW)
    assert sizes == [1, 10, 100, 10, 100, 10, 100, 10]
    with database.transaction() as session:
        session.get_one(Pace, "sendgrid").chunk_size = 0
    with database.transaction() as session:
        pace.learn(session, "sendgrid", 1, 500, 0, 500, NOW)
        assert pace.limit(session, "sendgrid", 1, 500) == 50


def test_a_provider_that_is_not_ramped_costs_nothing() -> None:
    session = Session()  # connected to nothing: a statement would raise
    assert pace.limit(session, "smtp", 0, 50) == 50
    pace.learn(session, "smtp", 0, 50, 0, 50, NOW)


def test_a_row_is_written_only_when_something_changes(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        pace.learn(session, "sendgrid", 1, 1000, 0, 1, NOW)
        pace.learn(session, "sendgrid", 10, 1000, 4, 4, NOW)
        pace.learn(session, "sendgrid", 1, 1000, 0, 0, NOW)
        assert session.exec(select(Pace)).all() == []
        pace.learn(session, "sendgrid", 10, 1000, 10, 10, NOW)
        assert pace.limit(session, "sendgrid", 10, 1000) == 100
        pace.learn(session, "sendgrid", 10, 1000, 0, 100, NOW + timedelta(days=1))
        assert session.exec(select(Pace)).one().since == NOW


def test_two_workers_that_learn_at_once_make_one_step(database: Database) -> None:
    with database.transaction() as session:
        pace.learn(session, "sendgrid", 100, 10_000, 100, 100, NOW)
    together = threading.Barrier(2)

    def work() -> None:
        together.wait()
        with database.transaction() as session:
            pace.learn(session, "sendgrid", 100, 10_000, 0, 1000, NOW)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with database.reading() as session:
        assert pace.limit(session, "sendgrid", 100, 10_000) == 100
