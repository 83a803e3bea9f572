"""F1: SIGKILL at a random moment of two workers that send one issue, again and again until it is sent."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

from newsletter.models import Issue
from tests.faults.figures import Figures
from tests.faults.judging import judge
from tests.faults.modes import AHEAD, Mode, settle, uncertain
from tests.faults.newsroom import Clock, Installation, Template, opened
from tests.faults.sides import Side
from tests.faults.worker import Worker

_WORKERS = 2
#: Seconds within which a worker is killed, from when it begins.
_SPAN = 0.6


def kill_series(mode: Mode, template: Template, folder: Path, *, kills: int, chunk: int, seed: int) -> Figures:
    """Send issue after issue until workers were killed so many times, and judge each when it is done."""
    figures = Figures("F1", mode.name, template.kind, more={"runs": 0, "held_before": 0})
    chance = random.Random(seed)
    started = time.monotonic()
    while figures.cases < kills:
        run = figures.more["runs"] + 1
        with mode.slow_side() as side, template.copy(folder / f"run-{run}") as installation:
            mine = _prepared(mode, side, installation, chunk)
            killed = _kill_until_sent(mine, kills - figures.cases, chance)
            clock = Clock()
            with opened(mine, clock) as app:
                held = uncertain(app, mine.issue_id)
                settle(mode, side, app, clock, mine)
                judged = judge(app.db, mine.issue_id, side.taken())
        figures.cases += killed
        figures.add(judged, f"run {run}")
        figures.more = {"runs": run, "held_before": figures.more["held_before"] + held}
        figures.problems += mode.broken_promises(killed, held, judged.held, chunk)
    figures.seconds = round(time.monotonic() - started, 1)
    return figures


def _prepared(mode: Mode, side: Side, installation: Installation, chunk: int) -> Installation:
    options = {**side.options, "chunk_size": chunk}
    made = replace(installation, provider=options, in_advance=mode.in_advance)
    if mode.in_advance:
        with opened(made) as app, app.db.transaction() as session:
            session.get_one(Issue, made.issue_id).send_at = app.clock() + AHEAD
    return made


def _kill_until_sent(installation: Installation, most: int, chance: random.Random) -> int:
    """Run two workers, kill one or both at random moments and start them again; return how many were killed."""
    workers = [Worker(installation) for _ in range(_WORKERS)]
    killed = 0
    while killed < most and any(worker.is_alive for worker in workers):
        time.sleep(chance.uniform(0, _SPAN))
        for number in chance.sample(range(_WORKERS), chance.choice((1, 1, _WORKERS))):
            if workers[number].kill():
                killed += 1
                workers[number] = Worker(installation)
    for worker in workers:
        worker.end()
    return killed
