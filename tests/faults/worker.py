"""The process that is killed: it opens an installation and sends, with nothing but the code of an installation.

Workers are forked from one process that has everything imported and does nothing else, so that a start takes a few
milliseconds, and a kill meets work and not the start.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import TypeVar

from newsletter import delivery
from newsletter.app import App
from tests.faults.newsroom import Installation, opened

T = TypeVar("T")
#: What a worker does with an installation and an issue.
Work = Callable[[App, int], None]

_TURN = 0.01
#: Seconds after which a worker that was not killed has to be done.
PATIENCE = 120.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["__main__", "tests.faults.preloaded"])


class Worker:
    """One process that sends an issue. It works when this is made."""

    def __init__(self, installation: Installation, work: Work | None = None) -> None:
        ours, its = _context.Pipe()
        self._process: ForkServerProcess = _context.Process(target=_work, args=(installation, its, work), daemon=True)
        self._process.start()
        its.close()
        try:
            ours.recv()
        except EOFError as error:
            raise ChildProcessError("the worker did not start; its words are above") from error
        finally:
            ours.close()

    @property
    def is_alive(self) -> bool:
        """Whether it still works."""
        return self._process.is_alive()

    def kill(self) -> bool:
        """Kill it, as `kill -9` does; False when it had ended before."""
        alive = self._process.is_alive()
        self._process.kill()
        self._process.join(PATIENCE)
        return alive and self._process.exitcode != 0

    def terminate(self) -> None:
        """Ask it to end, as a service manager does."""
        self._process.terminate()

    def end(self) -> int:
        """Wait for its end and return its exit code. Raises TimeoutError when it does not end."""
        self._process.join(PATIENCE)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"a worker was not done after {PATIENCE:g} s")
        return self._process.exitcode


def apart(function: Callable[..., T], *arguments: object) -> T:
    """Return what `function` returns, called in a process of its own that has no other threads, so that it may fork."""
    ours, its = _context.Pipe()
    process = _context.Process(target=_call, args=(function, arguments, its), daemon=True)
    process.start()
    its.close()
    try:
        found: T = ours.recv()
    except EOFError as error:
        raise ChildProcessError(f"{function.__name__} failed; its words are above") from error
    process.join()
    return found


def _call(function: Callable[..., object], arguments: tuple[object, ...], result: Connection) -> None:
    result.send(function(*arguments))


def _work(installation: Installation, ready: Connection, work: Work | None) -> None:
    with opened(installation) as app:
        app.post  # noqa: B018 - what it needs is imported before it is said to be ready
        ready.send(True)
        if work:
            work(app, installation.issue_id)
        else:
            until_sent(app, installation.issue_id, in_advance=installation.in_advance)


def until_sent(app: App, issue_id: int, *, in_advance: bool = False, reconciles: bool = True) -> None:
    """Send an issue until nobody waits any more, as `issue resume` does when it is called again and again."""
    while True:
        report = delivery.send(app.db, issue_id, app.post, by_hand=True, ahead=in_advance)
        if reconciles:
            delivery.reconcile(app.db, app.providers, app.clock(), issue_id)
        if not report.tally.open:
            return
        time.sleep(_TURN)
