"""Who is sending: names that tell one call of `send` from all others, and whether it has ended."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_numbers = itertools.count(1)
#: The calls of this process that are under way.
_working: set[str] = set()


@contextmanager
def at_work() -> Iterator[str]:
    """Yield the name of a worker that counts as alive until the end: host, process number and start, and the call's."""
    worker = f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}:{next(_numbers)}"
    _working.add(worker)
    try:
        yield worker
    finally:
        _working.discard(worker)


def is_gone(worker: str) -> bool | None:
    """Tell whether a worker has ended; None when that cannot be known, as of workers on other hosts."""
    host, number, started, *_ = [*worker.split(":"), "", "", ""]
    if host != socket.gethostname() or not number.isdigit() or started == "?":
        return None
    if int(number) == os.getpid() and started == _started(os.getpid()):
        return worker not in _working
    return _started(int(number)) != started


def _started(pid: int) -> str:
    """Return the process's start time in clock ticks since boot, "" when there is none, "?" when it cannot be told.

    A process that was killed and that nobody has waited for (a zombie) is none: in a container it may stay for ever.
    """
    if not Path("/proc/self/stat").exists():
        return "?"
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state in {"Z", "X"} else fields[18]
