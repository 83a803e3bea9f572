"""F2: a worker dies at its first boundary, the next at its second, and so on, until one comes to its end alive.

All happens in one process, which forks a worker for each point from an installation that it has opened, and takes up
itself what the worker left: so a point takes a tenth of a second, and all of them can be tried.
"""

from __future__ import annotations

import os
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.app import App
from newsletter.delivery import undoing
from newsletter.errors import Refused
from tests.faults.boundaries import die_at
from tests.faults.figures import Figures
from tests.faults.judging import Judgement, judge
from tests.faults.modes import AHEAD, MODES, Mode, pass_time, settle, uncertain
from tests.faults.newsroom import Clock, Installation, Template, another_issue, closed, opened
from tests.faults.sides import Side
from tests.faults.worker import Work, until_sent

#: More boundaries than any of these sendings has.
_ENDLESS = 2_000
_CHUNK = 2


@dataclass(frozen=True)
class Plan:
    """What a worker does until it dies, and what is done about it then."""

    name: str
    mode: Mode
    work: Work
    #: What the readers were to get in the end: the issue, or nothing.
    undone: bool = False


def _sends(app: App, issue_id: int) -> None:
    until_sent(app, issue_id)


def _undoes(app: App, issue_id: int) -> None:
    """Hand an issue over in advance, take it back, and hand it over again."""
    until_sent(app, issue_id, in_advance=True)
    undo(app, issue_id)
    until_sent(app, issue_id, in_advance=True)


_MODE = {mode.name: mode for mode in MODES}
PLANS = (
    Plan("smtp", _MODE["smtp"], _sends),
    Plan("sendgrid", _MODE["sendgrid, events"], _sends),
    Plan("sendgrid, undo and send", _MODE["sendgrid, in advance"], _undoes),
    Plan("sendgrid, send and undo", _MODE["sendgrid, in advance"], _undoes, undone=True),
)


def undo(app: App, issue_id: int) -> undoing.Undone:
    """Take an issue back as the command does."""
    testimony = app.post.testimony
    return undoing.undo(app.db, issue_id, app.providers, app.clock, "ed", wait=time.sleep, testimony=testimony)


def every_point(name: str, template: Template, folder: Path, first: int = 1, step: int = 1) -> Figures:
    """Let a worker die at each point, or at each `step`-th from the `first`, and judge each issue when it is done.

    `name` is that of a plan. To be called in a process without other threads (`worker.apart`), since it forks.
    """
    plan = next(one for one in PLANS if one.name == name)
    figures = Figures("F2", plan.name, template.kind)
    started = time.monotonic()
    with plan.mode.side() as side, template.copy(folder / "points") as installation:
        options = {**side.options, "chunk_size": _CHUNK}
        mine = replace(installation, provider=options, in_advance=plan.mode.in_advance)
        clock = Clock()
        with opened(mine, clock) as app:
            for number in range(first, _ENDLESS, step):
                one = replace(mine, issue_id=_new_issue(app, mine.issue_id))
                died = _dies(app, one.issue_id, plan.work, number)
                _take_up(plan, side, app, clock, one, figures, number)
                if not died:
                    break
                figures.cases += 1
    figures.seconds = round(time.monotonic() - started, 1)
    return figures


def _new_issue(app: App, issue_id: int) -> int:
    with app.db.transaction() as session:
        return another_issue(session, issue_id, app.clock() + AHEAD)


def _dies(app: App, issue_id: int, work: Work, number: int) -> bool:
    """Work in a process of its own that dies at a point; False when it came to its end before."""
    closed(app)  # no connection is shared
    pid = os.fork()
    if pid == 0:
        failed = 1
        try:
            die_at(number)
            work(app, issue_id)
            failed = 0
        finally:  # nothing of the process that was forked may go on here
            if failed:
                traceback.print_exc()
            os._exit(failed)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise AssertionError(f"the worker that was to die at point {number} failed; its words are above")
    return os.WIFSIGNALED(status)


def _take_up(
    plan: Plan, side: Side, app: App, clock: Clock, installation: Installation, figures: Figures, number: int
) -> None:
    """Do what an installation does after a crash, and judge what it came to."""
    issue_id, where = installation.issue_id, f"point {number}"
    if plan.undone:
        judged = _undone(side, app, clock, issue_id)
        figures.add(replace(judged, open=0), where)
        if judged.accepted or judged.held:
            figures.problems.append(f"{where}: {judged.accepted} still get it, {judged.held} may")
        return
    until_sent(app, issue_id, in_advance=plan.mode.in_advance, reconciles=False)
    held = uncertain(app, issue_id)
    settle(plan.mode, side, app, clock, installation)
    judged = judge(app.db, issue_id, side.taken())
    figures.add(judged, where)
    figures.problems += [f"{where}: {one}" for one in plan.mode.broken_promises(1, held, judged.held, _CHUNK)]


def _undone(side: Side, app: App, clock: Clock, issue_id: int) -> Judgement:
    """Take the issue back, let its hour come, and judge: nobody was to get it."""
    with suppress(Refused):  # it was not handed over yet, or was taken back already: then nobody got it either
        undo(app, issue_id)
    pass_time(AHEAD.total_seconds() * 2, side, clock)
    return judge(app.db, issue_id, side.taken())
