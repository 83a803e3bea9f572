"""Faults of trust section 5, a few hundred of each; `make faults` runs thousands. What was found is printed with -s."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlmodel import col, select

from newsletter.db import Database
from newsletter.delivery.planning import plan
from newsletter.delivery.restoring import take_up
from newsletter.delivery.workers import is_gone
from newsletter.errors import Refused
from newsletter.models import Issue
from newsletter.testing.sendgrid import Naming
from subscribers import consent
from subscribers.models import Subscription
from tests.builders import NOW
from tests.databases import SERVER_VARIABLE, created_database
from tests.faults import kills, outages, points, races, replies, stops
from tests.faults.__main__ import BAD
from tests.faults.figures import Figures, table
from tests.faults.judging import judge
from tests.faults.modes import MODES, Mode, pass_time
from tests.faults.newsroom import Clock, Template, opened
from tests.faults.sides import sendgrid_side
from tests.faults.worker import apart, until_sent
from tests.test_delivery import Scripted, approved, counts, send

on_both = pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, int], Template]]:
    """Return installations to copy, by the database and the number of readers, each made once."""
    made: dict[tuple[str, int], Template] = {}

    def get(kind: str, readers: int) -> Template:
        server = os.environ.get(SERVER_VARIABLE, "") if kind == "postgresql" else ""
        if kind == "postgresql" and not server:
            pytest.skip(f"no PostgreSQL: `make test` starts one and sets {SERVER_VARIABLE}")
        if (kind, readers) not in made:
            made[kind, readers] = Template(kind, tmp_path_factory.mktemp("template"), readers, server=server)
        return made[kind, readers]

    yield get
    for one in made.values():
        one.__exit__()


def check(figures: Figures) -> None:
    """Nobody lost, nobody mailed twice, nobody passed over in silence, and every promise kept."""
    print(f"\n{table([figures])}")
    assert figures.is_sound, f"{figures}"


@on_both
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.replace(", ", "-").replace(" ", "-"))
def test_workers_that_are_killed_lose_nobody(
    template: Callable[[str, int], Template], tmp_path: Path, mode: Mode, kind: str
) -> None:
    """F1: 10 kills in each mode on each database."""
    check(kills.kill_series(mode, template(kind, 400), tmp_path, kills=10, chunk=20, seed=1))


@on_both
@pytest.mark.parametrize(("plan", "step"), [("smtp", 4), ("sendgrid", 4), ("sendgrid, undo and send", 15)])
def test_a_worker_that_dies_at_a_boundary_loses_nobody(
    template: Callable[[str, int], Template], tmp_path: Path, plan: str, step: int, kind: str
) -> None:
    """F2: some of the commits and talks with the network; `make faults` has all of them."""
    check(apart(points.every_point, plan, template(kind, 6), tmp_path, 1 + (kind == "sqlite"), step))


def test_what_was_undone_reaches_nobody_wherever_a_worker_died(
    template: Callable[[str, int], Template], tmp_path: Path
) -> None:
    """F2, with undo."""
    check(apart(points.every_point, "sendgrid, send and undo", template("sqlite", 6), tmp_path, 1, 15))


@on_both
@pytest.mark.parametrize(("names", "sends"), [(replies.WHOLE, 150), (replies.PARTIAL, 50)], ids=["whole", "partial"])
def test_no_answer_of_the_provider_leads_to_a_guess(
    template: Callable[[str, int], Template], tmp_path: Path, names: tuple[str, ...], sends: int, kind: str
) -> None:
    """F3."""
    check(replies.odd_answers(template(kind, 200), tmp_path, names=names, sends=sends))


@pytest.mark.parametrize("name", replies.STORMS)
def test_a_provider_that_is_busy_is_asked_once_a_wait(
    template: Callable[[str, int], Template], tmp_path: Path, name: str
) -> None:
    """F4: whatever the header says, one request, and then a wait of at most a quarter of an hour."""
    check(replies.storm(template("sqlite", 200), tmp_path, name))


def test_a_small_account_gets_through(template: Callable[[str, int], Template], tmp_path: Path) -> None:
    """F4."""
    check(replies.limited(template("sqlite", 200), tmp_path))


@pytest.mark.parametrize("naming", list(Naming))
@pytest.mark.parametrize("bad", list(BAD))
def test_a_bad_reader_keeps_nobody_else_from_the_issue(
    template: Callable[[str, int], Template], tmp_path: Path, bad: int, naming: Naming
) -> None:
    """F5: exactly the bad ones are rejected, with at most 2 k log2(1000) requests more."""
    check(replies.bad_readers(template("sqlite", 1_000), tmp_path, pattern=BAD[bad], bad=bad, naming=naming))


def test_what_is_too_large_is_halved(template: Callable[[str, int], Template], tmp_path: Path) -> None:
    """F5."""
    check(replies.too_large(template("sqlite", 1_000), tmp_path, most=100))


@on_both
def test_who_left_before_a_claim_began_is_not_mailed(
    template: Callable[[str, int], Template], tmp_path: Path, kind: str
) -> None:
    """F7."""
    figures = races.leaving_while_it_is_sent(template(kind, 200), tmp_path, races=200)
    check(figures)
    assert min(figures.more.values()) > 0, "nobody raced"


@pytest.mark.postgresql
def test_a_reader_who_leaves_in_the_middle_of_a_claim_is_either_mailed_or_suppressed(tmp_path: Path) -> None:
    """F7: one had left before the claim; while it takes that one out, another leaves, and was to be mailed."""
    with created_database("postgresql", tmp_path) as db:
        _, issue_id = approved(db, readers=3)
        with db.transaction() as session:
            plan(session, session.get_one(Issue, issue_id), 3, NOW)
            first, second, _ = session.exec(select(Subscription.id).order_by(col(Subscription.id))).all()
        _leave(db, first)
        # In a thread of its own: it waits for the claim, which holds the rows of whom it takes.
        leaving = threading.Thread(target=_leave, args=(db, second))

        @event.listens_for(Engine, "before_cursor_execute")
        def others_leave(*arguments: object) -> None:
            if str(arguments[2]).startswith("UPDATE delivery") and leaving.ident is None:
                leaving.start()
                leaving.join(0.5)

        try:
            provider = Scripted()
            send(db, issue_id, provider)
        finally:
            event.remove(Engine, "before_cursor_execute", others_leave)
        leaving.join(60)
        assert leaving.ident is not None
        assert not leaving.is_alive()
        found = counts(db, issue_id)
        assert (found.accepted, found.suppressed) == (len(provider.sent), 3 - len(provider.sent))


def _leave(db: Database, subscription: int) -> None:
    with db.transaction() as session:
        consent.leave(session, subscription_id=subscription, now=NOW, source="test")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(kind, name, marks=pytest.mark.postgresql if kind == "postgresql" else [])
        for kind, names in outages.OF.items()
        for name in names
    ],
)
def test_a_database_that_goes_away_loses_nobody(
    template: Callable[[str, int], Template], tmp_path: Path, kind: str, name: str
) -> None:
    """F9: the worker says so, and the next one goes on."""
    check(outages.outage(name, template(kind, 200), tmp_path, times=4))


@pytest.mark.parametrize("name", list(stops.SLOW))
def test_a_worker_that_is_asked_to_end_leaves_nothing_half_way(
    template: Callable[[str, int], Template], tmp_path: Path, name: str
) -> None:
    """F11."""
    check(stops.stopped(name, template("sqlite", 200), tmp_path, stops=10))


def test_events_settle_what_a_restored_database_does_not_know(
    template: Callable[[str, int], Template], tmp_path: Path
) -> None:
    """F22: yesterday's database is put back after the issue was sent; nobody gets it twice, and nobody stays held."""
    with sendgrid_side() as side, template("sqlite", 200).copy(tmp_path / "restored") as installation:
        mine, clock = replace(installation, provider={**side.options, "chunk_size": 20}), Clock()
        backup = (mine.folder / "newsletter.db").read_bytes()
        with opened(mine, clock) as app:
            until_sent(app, mine.issue_id)
        for file in mine.folder.glob("newsletter.db*"):
            file.unlink()
        (mine.folder / "newsletter.db").write_bytes(backup)
        with opened(mine, clock) as app:
            with pytest.raises(Refused, match="restored from a backup"):
                until_sent(app, mine.issue_id)
            assert app.post.journal is not None
            with app.db.transaction() as session:
                assert take_up(session, app.post.journal, 20, clock()).uncertain == 200 + 1  # and the other issue's
            pass_time(60, side, clock)
            side.report(app)
            until_sent(app, mine.issue_id)
            judged = judge(app.db, mine.issue_id, side.taken())
    assert judged.is_sound
    assert (judged.accepted, judged.held) == (200, 0)


def test_a_killed_process_that_nobody_waited_for_is_gone() -> None:
    """In a container without an init a zombie stays for ever, and its readers would wait as long."""
    with subprocess.Popen([sys.executable, "-c", _NAMES_ITSELF], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = process.stdout.readline().strip()
        assert is_gone(worker) is False
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended and stays a zombie
        assert is_gone(worker) is True


_NAMES_ITSELF = """
import time
from newsletter.delivery.workers import at_work
with at_work() as worker:
    print(worker, flush=True)
    time.sleep(60)
"""
