"""The `database` fixture: a fresh database with the whole schema, on SQLite and, where there is one, on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlmodel import SQLModel

import newsletter.models  # noqa: F401 - the tables of both packages
from newsletter.db import Database

#: The environment variable with the URL of a PostgreSQL server on which databases may be made and dropped.
SERVER_VARIABLE = "TEST_POSTGRESQL_URL"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield an empty database with every table, on each kind; it is gone after the test."""
    with created_database(request.param, tmp_path) as db:
        yield db


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """Yield the same on SQLite alone, for what does not depend on the database."""
    with created_database("sqlite", tmp_path) as db:
        yield db


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database; "" for a test that is not marked `postgresql`."""
    if request.node.get_closest_marker("postgresql") is None:
        yield ""
        return
    with _postgresql_database() as url:
        yield url


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[Database]:
    """Open a database without any table; `kind` is sqlite or postgresql. Skips where there is no server."""
    with ExitStack() as stack:
        sqlite_url = f"sqlite:///{folder / 'newsletter.db'}"
        db = Database(sqlite_url if kind == "sqlite" else stack.enter_context(_postgresql_database()))
        stack.callback(db.close)
        yield db


@contextmanager
def created_database(kind: str, folder: Path) -> Iterator[Database]:
    """Open a database whose tables were made from the models."""
    with empty_database(kind, folder) as db:
        with db.connect() as connection:
            connection.info["write"] = True
            with connection.begin():
                SQLModel.metadata.create_all(connection)
            connection.info.pop("write")
        yield db


@contextmanager
def _postgresql_database() -> Iterator[str]:
    server = os.environ.get(SERVER_VARIABLE)
    if not server:
        pytest.skip(f"no PostgreSQL: `make test` starts one and sets {SERVER_VARIABLE}")
    name = f"test_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()
