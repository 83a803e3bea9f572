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
    """Yield the name of a worker that counts as alive until the end: place, process and its start, and the call."""
    worker = f"{here()}:{os.getpid()}:{_started(os.getpid())}:{next(_numbers)}"
    _working.add(worker)
    try:
        yield worker
    finally:
        _working.discard(worker)


def is_gone(worker: str) -> bool | None:
    """Tell whether a worker has ended; None when that cannot be known, as of workers in other places."""
    host, number, started, *_ = [*worker.split(":"), "", "", ""]
    if host != here() or not number.isdigit() or started == "?":
        return None
    if int(number) == os.getpid() and started == _started(os.getpid()):
        return worker not in _working
    return _started(int(number)) != started


def here() -> str:
    """Return the name of the place whose processes this one can see: host, boot, and namespace of process numbers.

    Containers may share a host's name and not its processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()


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
