"""A child process that reads documents (threats 6 and 8): python -m newsletter.sources.net.child SECONDS

Calls come on standard input and what they came to goes out on standard output, see wire.py. The child limits its own
memory and, to SECONDS for each call, its computing time, and ends with its parent, whatever it is doing then.
"""

from __future__ import annotations

import fcntl
import importlib
import itertools
import math
import os
import pickle
import resource
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from newsletter.errors import NewsletterError
from newsletter.sources.net.wire import HEAD, Outcome, framed, packed

_MEGABYTE = 1024 * 1024

MEMORY_BYTES = 1024 * _MEGABYTE
#: What a call may come to, pickled.
RESULT_BYTES = 16 * _MEGABYTE
#: A child makes room for a fresh one after so many calls, or when it has grown to so many bytes.
CALLS = 500
GROWN_BYTES = 300 * _MEGABYTE

#: What nearly every document is read by, imported with all that it needs while the first one is still on its way.
_PARSER = "newsletter.sources.feed"


def main(cpu_seconds: int) -> None:
    """Answer calls until the parent ends or this child has done its share."""
    calls, outcomes = _own_pipes()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each of its threads would take a share of the memory allowed
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    importlib.import_module(_PARSER)
    for number in itertools.count(1):
        path = _frame(calls)
        call = _frame(calls)
        if path is None or call is None:
            return
        _allow(cpu_seconds)
        _end_with_parent(calls, wanted=True)
        content = _answered(path, call, last=number == CALLS)
        _end_with_parent(calls, wanted=False)
        outcomes.write(framed(content))
        outcomes.flush()


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes to the parent, and keep everybody else from them: what a parser prints goes nowhere."""
    calls, outcomes = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return os.fdopen(calls, "rb"), os.fdopen(outcomes, "wb")


def _frame(pipe: BinaryIO) -> bytes | None:
    """Return the next frame, or None when the parent is gone."""
    head = pipe.read(HEAD)
    content = pipe.read(int.from_bytes(head, "big"))
    return content if len(head) == HEAD else None


def _allow(cpu_seconds: int) -> None:
    """Have the system end this process (SIGXCPU) when one call computes for longer; its limit is for a whole life."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _end_with_parent(calls: BinaryIO, *, wanted: bool) -> None:
    """Have the system end this process when the parent's end of the pipe closes.

    During a call nothing else comes through it, so the signal (SIGIO) means just that. Nothing in Python would notice:
    a regular expression lets no other thread run until it is through.
    """
    fcntl.fcntl(calls, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(calls, fcntl.F_GETFL)
    fcntl.fcntl(calls, fcntl.F_SETFL, flags | os.O_ASYNC if wanted else flags & ~os.O_ASYNC)


def _answered(path: bytes, call: bytes, *, last: bool) -> bytes:
    """Return what a call came to, as it travels."""
    outcome = _outcome(path, call)
    content = packed(replace(outcome, last=last or _size() > GROWN_BYTES or bool(outcome.limit)))
    if len(content) > RESULT_BYTES:
        return packed(Outcome(limit=f"came to more than {RESULT_BYTES // _MEGABYTE} MB", last=True))
    return content


def _outcome(path: bytes, call: bytes) -> Outcome:
    try:
        _search_modules_in(pickle.loads(path))  # noqa: S301 - the parent is trusted
        function, arguments, options = pickle.loads(call)  # noqa: S301
        return Outcome(function(*arguments, **options))
    except MemoryError:
        return Outcome(limit=f"took more than {MEMORY_BYTES // _MEGABYTE:,} MB of memory")
    except NewsletterError as error:
        return Outcome(error=error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it again
        error.add_note(f"In the parser child:\n{traceback.format_exc()}")
        return Outcome(error=error)


def _size() -> int:
    """Return how many bytes of memory this process holds; `ru_maxrss` would begin with what its parent held."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def _search_modules_in(path: list[str]) -> None:
    """Find modules where the parent finds them: a newsroom's own kinds of source are among them."""
    if sys.path != path:
        sys.path[:] = path
        importlib.invalidate_caches()


if __name__ == "__main__":
    main(int(sys.argv[1]))
