"""F11: SIGTERM while a slow provider has a chunk, as a service manager sends it before it kills."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from newsletter import delivery
from newsletter.app import App
from newsletter.cli.signals import stop_on_signal
from newsletter.models import Issue
from newsletter.testing.sendgrid import Fault
from tests.faults.figures import Figures
from tests.faults.judging import judge
from tests.faults.newsroom import Template, opened
from tests.faults.sides import sendgrid_side, smtp_side
from tests.faults.worker import Worker, until_sent

#: Seconds that a service manager waits before it kills.
GRACE = 10.0
_CHUNK = 20

SLOW: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "smtp": partial(smtp_side, slow=0.05),
    "sendgrid": partial(sendgrid_side, Fault(delay=0.4)),
}


def send_until_told(app: App, issue_id: int) -> None:
    """Send as `newsletter issue send` does: a signal ends it once nothing is left half-way."""
    with stop_on_signal() as halt:
        delivery.send(app.db, issue_id, app.post, by_hand=True, stop=halt)


def stopped(name: str, template: Template, folder: Path, *, stops: int, seed: int = 1) -> Figures:
    """Ask a worker to end at random moments, start it again, and so on until the issue is sent; again and again."""
    figures = Figures("F11", f"SIGTERM, {name}", template.kind, more={"longest_s": 0.0, "left_half_way": 0})
    chance = random.Random(seed)
    started = time.monotonic()
    while figures.cases < stops:
        with SLOW[name]() as side, template.copy(folder / f"run-{figures.cases}") as installation:
            mine = replace(installation, provider={**side.options, "chunk_size": _CHUNK})
            with opened(mine) as app:
                while figures.cases < stops and not _is_done(app, mine.issue_id):
                    _stop_one(Worker(mine, send_until_told), chance, figures)
                    _count_orphans(app, mine.issue_id, figures)
                until_sent(app, mine.issue_id)
                figures.add(judge(app.db, mine.issue_id, side.taken()))
    figures.seconds = round(time.monotonic() - started, 1)
    if figures.held or figures.more["left_half_way"]:
        figures.problems.append("a worker that was not killed left readers half-way")
    return figures


def _stop_one(worker: Worker, chance: random.Random, figures: Figures) -> None:
    time.sleep(chance.uniform(0, 0.8))
    if not worker.is_alive:
        worker.end()
        return
    asked = time.monotonic()
    worker.terminate()
    code = worker.end()
    seconds = time.monotonic() - asked
    figures.cases += 1
    figures.more["longest_s"] = round(max(figures.more["longest_s"], seconds), 2)
    if seconds >= GRACE or code:
        figures.problems.append(f"a worker ended {seconds:.1f} s after SIGTERM, with {code}")


def _is_done(app: App, issue_id: int) -> bool:
    with app.db.reading() as session:
        counts = delivery.tally(session, session.get_one(Issue, issue_id))
    return bool(counts.expected) and not counts.open


def _count_orphans(app: App, issue_id: int, figures: Figures) -> None:
    with app.db.reading() as session:
        counts = delivery.tally(session, session.get_one(Issue, issue_id))
    figures.more["left_half_way"] += counts.sending + counts.uncertain
