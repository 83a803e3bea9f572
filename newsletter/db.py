"""The database: one engine, transactions that begin as writers, and the schema check.

On SQLite a transaction that reads first and writes later loses updates or fails (59 of 80 did); so every
`transaction()` begins with BEGIN IMMEDIATE, and `reading()` begins deferred and never writes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlmodel import Session

from newsletter.errors import ConfigurationError, SchemaError

_BUSY_SECONDS = 30
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One database by URL. Opening it does not connect."""

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
        except ArgumentError as error:
            raise ConfigurationError(
                "`database` is not a database URL. Examples: sqlite:///newsletter.db, postgresql://user@host/name."
            ) from error
        if self.url.get_backend_name() not in {"sqlite", "postgresql"}:
            raise ConfigurationError(
                f"`database`: {self.url.get_backend_name()} is not supported; use sqlite or postgresql."
            )
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = self._make_engine()
        # SQLite has one writer. Threads of one process take turns here; there each would ask again and again.
        self._writer: AbstractContextManager[object] = threading.Lock() if self.is_sqlite else nullcontext()

    def _make_engine(self) -> Engine:
        try:
            if not self.is_sqlite:
                return create_engine(self.url, pool_pre_ping=True, hide_parameters=True)
            # Parameters hold readers' addresses, and tracebacks end in logs (threat 22).
            engine = create_engine(self.url, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise ConfigurationError("PostgreSQL needs its driver: pip install 'newsletter[postgres]'.") from error
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a session that may write; commits at the end, rolls everything back on an exception."""
        with self._writer, self._engine.connect() as connection:
            connection.info["write"] = True
            try:
                with connection.begin(), Session(connection, expire_on_commit=False) as session:
                    yield session
                    session.flush()
            finally:
                connection.info.pop("write", None)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that only reads, beside any writer."""
        with self._engine.connect() as connection, Session(connection, expire_on_commit=False) as session:
            yield session

    def revision(self) -> str | None:
        """Return the schema's revision, or None for an empty database."""
        try:
            with self._engine.connect() as connection:
                if not inspect(connection).has_table("alembic_version"):
                    return None
                found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
                return found
        except OperationalError as error:
            raise ConfigurationError(f"The database {self} cannot be opened: {_first_line(error)}") from error

    def check_schema(self) -> None:
        """Raise SchemaError, naming the command that helps, unless the schema is this program's."""
        found, wanted = self.revision(), latest_revision()
        if found is None:
            raise SchemaError(f"The database {self} has no tables yet. Run `newsletter db upgrade`.")
        if found == wanted:
            return
        if found in _revisions():
            raise SchemaError(
                f"The database {self} has schema {found}, older than {wanted}. "
                "Make a backup, then run `newsletter db upgrade`."
            )
        raise SchemaError(
            f"The database {self} has schema {found}, which this version does not know. "
            "Install the newer version that made it."
        )

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema to this program's revision, or to an older one; create the tables where there are none."""
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        from alembic import command  # noqa: PLC0415 - see _revisions
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self._engine.connect() as connection:
            connection.info["write"] = True
            if self.is_sqlite:  # a table is changed by copying it; dropping the old one would drop what refers to it
                _foreign_keys(connection, "OFF")
            with connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
                if self.is_sqlite and (lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
                    raise SchemaError(f"The upgrade of {self} was not made: a row of {lost[0]} would refer to nothing.")
            if self.is_sqlite:
                _foreign_keys(connection, "ON")

    def connect(self) -> Connection:
        """Return a bare connection, for schema tools."""
        return self._engine.connect()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)


def latest_revision() -> str:
    """Return the newest revision this program brings."""
    return _revisions()[-1]


def _revisions() -> list[str]:
    """Return the revisions this program brings, in order: the numbers that the files begin with.

    Every command checks the schema, and alembic takes 15 MB and a tenth of a second to say the same.
    """
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _prepare_sqlite(connection: object, record: object) -> None:  # noqa: ARG001
    """Set up a new SQLite connection. FULL keeps the ledger through a power cut; NORMAL may lose the last commits."""
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {_BUSY_SECONDS * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _foreign_keys(connection: Connection, switch: str) -> None:
    """Switch SQLite's foreign keys, which it does between transactions only, past SQLAlchemy, which would begin one."""
    driver = connection.connection.driver_connection
    driver.execute(f"PRAGMA foreign_keys = {switch}")  # type: ignore[union-attr]


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("write") else "BEGIN DEFERRED")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
