"""F9: the database goes away in the middle of a sending, or cannot be written, and comes back."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError

from newsletter import delivery
from newsletter.app import App
from newsletter.errors import NewsletterError
from tests.faults.figures import Figures
from tests.faults.judging import judge
from tests.faults.modes import uncertain
from tests.faults.newsroom import Installation, Template, opened
from tests.faults.sides import smtp_side
from tests.faults.worker import Worker, until_sent

_CHUNK = 20
#: Of one connection each, in one worker; and what a worker in the journal may have had under way.
_WINDOW = 2
#: Exit codes of a worker that met an outage: it said so in words, or fell over.
TOLD, FELL_OVER = 3, 1


def outage(name: str, template: Template, folder: Path, *, times: int, seed: int = 1) -> Figures:
    """Break the database `times` times in the middle of sendings; each time a worker afterwards goes on."""
    figures = Figures("F9", name, template.kind, more={"told": 0})
    chance = random.Random(seed)
    started = time.monotonic()
    with smtp_side(slow=0.003) as side:
        while figures.cases < times:
            with template.copy(folder / f"run-{figures.cases}") as installation:
                mine = replace(installation, provider={**side.options, "chunk_size": _CHUNK})
                side.forget()
                code = BROKEN[name](mine, chance)
                figures.cases += 1
                figures.more["told"] += code == TOLD
                with opened(mine) as app:
                    until_sent(app, mine.issue_id)
                    held = uncertain(app, mine.issue_id)
                    figures.add(judge(app.db, mine.issue_id, side.taken()), f"run {figures.cases}")
                if held > _WINDOW or code not in {0, TOLD}:
                    figures.problems.append(f"run {figures.cases}: {held} are held; the worker ended with {code}")
    figures.seconds = round(time.monotonic() - started, 1)
    return figures


def send_and_tell(app: App, issue_id: int) -> None:
    """Send once; a fault of the database ends the process with TOLD, as the commands end with a sentence.

    Once there is one, outcomes are not tried again for a minute, as when the service is stopped then.
    """
    stop = threading.Event()
    event.listen(Engine, "handle_error", lambda _: stop.set())
    try:
        delivery.send(app.db, issue_id, app.post, by_hand=True, stop=stop)
    except (DatabaseError, NewsletterError):
        os._exit(TOLD)


def _full_disk(room: int, app: App, issue_id: int) -> None:
    """Let no file grow beyond this while the issue is sent."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    send_and_tell(app, issue_id)


def _read_only(after: int, app: App, issue_id: int) -> None:
    """Let the database be read-only after so many commits."""
    commits = iter(range(after, -1, -1))

    @event.listens_for(Engine, "begin")
    def close(connection: object) -> None:
        if next(commits, 0) == 0:
            connection.connection.driver_connection.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]

    send_and_tell(app, issue_id)


def _with_full_disk(installation: Installation, chance: random.Random) -> int:
    return Worker(installation, partial(_full_disk, chance.randrange(4_096, 500_000))).end()


def _with_read_only(installation: Installation, chance: random.Random) -> int:
    return Worker(installation, partial(_read_only, chance.randrange(1, 40))).end()


def _with_lock(installation: Installation, chance: random.Random) -> int:
    """Keep the file locked for a while: the worker waits."""
    worker = Worker(installation, send_and_tell)
    time.sleep(chance.uniform(0, 0.5))
    other = sqlite3.connect(installation.folder / "newsletter.db", isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(chance.uniform(0.5, 1.5))
    other.execute("ROLLBACK")
    other.close()
    return worker.end()


def _with_cut_connections(installation: Installation, chance: random.Random) -> int:
    """End every connection of the database's server at a random moment, as a restart does."""
    worker = Worker(installation, send_and_tell)
    time.sleep(chance.uniform(0, 0.6))
    engine = create_engine(installation.database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()
    return worker.end()


BROKEN: dict[str, Callable[[Installation, random.Random], int]] = {
    "disk full": _with_full_disk,
    "read-only": _with_read_only,
    "locked": _with_lock,
    "connections cut": _with_cut_connections,
}
#: Which of them there are on which database.
OF = {"sqlite": ("disk full", "read-only", "locked"), "postgresql": ("connections cut",)}
