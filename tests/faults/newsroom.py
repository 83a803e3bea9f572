"""Installations to break: a database with an approved issue for many readers, copied as often as one is needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import create_engine, insert, make_url, text
from sqlmodel import Session, col, func, select

from newsletter import issues
from newsletter.app import App, make_app
from newsletter.db import Database
from newsletter.delivery.ledger.rows import ledger_id
from newsletter.models import Edition, Issue, IssueState
from newsletter.providers import Closing
from newsletter.render import Renderer
from newsletter.settings import Settings
from subscribers.models import Subscriber, Subscription, SubscriptionState
from tests.builders import NOW, Newsroom, newsroom, reader, story

BASE = "https://news.example.org"
SECRET = "a secret that is long enough for the tests"
_ROWS = 1_000
#: What one issue has from another with the same mail.
_THE_MAIL = (
    *("edition_id", "drafted_at", "approved_at", "approved_by", "subject", "html", "text", "nonce", "name_key"),
    *("from_name", "from_address", "reply_to", "content_hash"),
)


class Clock:
    """The machine's time, and what was added to it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._ahead += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Installation:
    """What a process needs to open an installation: plain values, so that they travel to other processes."""

    folder: Path
    database: str
    #: The issue that is sent, and one for a single reader, which goes out after it.
    issue_id: int
    next_issue_id: int
    provider: Mapping[str, Any] = field(default_factory=dict)
    lanes: int = 1
    #: Handed over in advance, for the provider to send at the issue's time.
    in_advance: bool = False

    def open(self, clock: Callable[[], datetime]) -> App:
        """Put the installation together as every command does."""
        settings = Settings(
            database=self.database,
            base_url=BASE,
            secrets=[SECRET],
            provider=dict(self.provider),
            delivery={"lanes": self.lanes},
            folder=self.folder,
        )
        return make_app(settings, clock=clock, check_schema=False)


@contextmanager
def opened(installation: Installation, clock: Callable[[], datetime] | None = None) -> Iterator[App]:
    """Open the installation, and close its connections at the end."""
    app = installation.open(clock or Clock())
    try:
        yield app
    finally:
        closed(app)


def closed(app: App) -> None:
    """Close every connection of an installation, which opens them again when it needs them."""
    app.db.close()
    if isinstance(app.provider, Closing):
        app.provider.close()


class Template:
    """An installation whose issue nobody has begun to send; `copy` makes another one from it."""

    def __init__(self, kind: str, folder: Path, readers: int, *, server: str = "") -> None:
        self.kind = kind
        self.readers = readers
        self._folder = folder
        self._server = server
        folder.mkdir(parents=True, exist_ok=True)
        self._name = f"faults_{uuid4().hex}"
        if self._server:
            self._administer(f"CREATE DATABASE {self._name}")
        db = Database(self._url(self._name, folder))
        db.upgrade()
        with db.transaction() as session:
            self._issues = _filled(session, readers)
        db.close()

    def __enter__(self) -> Template:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._administer(f"DROP DATABASE {self._name} WITH (FORCE)")

    @contextmanager
    def copy(self, folder: Path) -> Iterator[Installation]:
        """Make an installation in `folder`; it is gone at the end."""
        folder.mkdir(parents=True)
        name = f"faults_{uuid4().hex}"
        if self._server:
            self._administer(f"CREATE DATABASE {name} TEMPLATE {self._name}")
        else:
            shutil.copy(self._folder / "newsletter.db", folder / "newsletter.db")
        try:
            yield Installation(folder, self._url(name, folder), *self._issues)
        finally:
            if self._server:
                self._administer(f"DROP DATABASE {name} WITH (FORCE)")
            shutil.rmtree(folder)

    def _url(self, name: str, folder: Path) -> str:
        if not self._server:
            return f"sqlite:///{folder / 'newsletter.db'}"
        return make_url(self._server).set(database=name).render_as_string(hide_password=False)

    def _administer(self, statement: str) -> None:
        engine = create_engine(self._server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


def _filled(session: Session, readers: int) -> tuple[int, int]:
    """Fill an empty database; return the numbers of the two issues."""
    made = newsroom(session)
    other = newsroom(session, slug="next-weekly")
    for one in (made, other):
        for number in range(4):
            story(session, one, number, hours_old=number + 1)
    reader(session, other, "next@example.org")
    _add_readers(session, made, readers)
    ledger_id(session)
    return _approved(session, made), _approved(session, other)


def _approved(session: Session, made: Newsroom) -> int:
    edition = session.get_one(Edition, made.edition_id)
    issue = issues.draft(session, edition, issues.next_slot(edition, NOW), NOW).issue
    issues.approve(session, issue, Renderer(None), BASE, by="ed", now=NOW)
    return issue.id


def _add_readers(session: Session, made: Newsroom, readers: int) -> None:
    """Add confirmed readers r0@example.org, r1@..., many at a time."""
    people = [
        {"address": address, "address_key": address, "name": "", "created_at": NOW}
        for address in (f"r{number}@example.org" for number in range(readers))
    ]
    for start in range(0, readers, _ROWS):
        session.execute(insert(Subscriber), people[start : start + _ROWS])
    query = select(Subscriber.id).where(col(Subscriber.address).startswith("r")).order_by(col(Subscriber.id))
    rows = [
        {
            "subscriber_id": number,
            "list_id": made.list_id,
            "state": SubscriptionState.CONFIRMED,
            "requested_at": NOW,
            "changed_at": NOW - timedelta(days=9),
        }
        for number in session.exec(query)
    ]
    for start in range(0, readers, _ROWS):
        session.execute(insert(Subscription), rows[start : start + _ROWS])


def another_issue(session: Session, issue_id: int, send_at: datetime) -> int:
    """Approve one more issue with the same mail, for a later week; return its number."""
    first = session.get_one(Issue, issue_id)
    count = session.exec(select(func.count()).select_from(Issue)).one()
    values = {column: getattr(first, column) for column in _THE_MAIL}
    week = f"{3000 + count // 50}-W{1 + count % 50:02}"
    issue = Issue(**values, week=week, state=IssueState.APPROVED, send_at=send_at)
    session.add(issue)
    session.flush()
    return issue.id
