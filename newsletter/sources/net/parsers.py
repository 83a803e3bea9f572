"""The parser children, seen from the process that has them: started when needed, shared by threads, killed when stuck.

A hostile document costs one child and a few seconds, and neither this process nor the other documents notice
(threats 6 and 8). What a child may use is in child.py.
"""

from __future__ import annotations

import os
import pickle
import queue
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from typing import IO, ParamSpec, TypeVar, cast

from newsletter.errors import FetchError
from newsletter.sources.net.answers import Answer
from newsletter.sources.net.child import RESULT_BYTES
from newsletter.sources.net.wire import HEAD, Outcome, framed, head, packed_call, unpacked

#: Seconds that a call may compute; and after which it is stopped, however little of them it computed.
CPU_SECONDS = 10
WALL_SECONDS = 30.0

_ADVICE = "Look at it in a browser; if it is not what it should be, tell the publisher or remove the source."
#: What a child sees of the environment. Secrets are not among it.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONHOME")

P = ParamSpec("P")
T = TypeVar("T")


class Parsers:
    """Runs functions in at most `number` children. One object serves any number of threads.

    A call may compute for `cpu_seconds`, and is stopped after `wall_seconds` in any case.
    """

    def __init__(self, number: int, *, cpu_seconds: int = CPU_SECONDS, wall_seconds: float = WALL_SECONDS) -> None:
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        #: Those that run.
        self._children: set[_Child] = set()
        # Turns to have something read, each with the child that it leaves behind; the one left last comes first.
        self._turns: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(number):
            self._turns.put(None)
        # A client that nobody closes ends its children when it is collected, or with the process.
        weakref.finalize(self, _end_all, self._children, os.getpid())

    def warm_up(self) -> None:
        """Start a first child, which gets ready while the first document is on its way."""
        try:
            child = self._turns.get_nowait()
        except queue.Empty:
            return
        try:
            child = child or self._start()
        finally:
            self._turns.put(child)

    def run(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Return what `function` returns or raise what it raises; FetchError when it was stopped."""
        call = packed_call(function, arguments, options)
        try:
            outcome = self._outcome(call)
        except (_Stopped, _Gone) as error:
            url = next((one.url for one in arguments if isinstance(one, Answer)), function.__qualname__)
            raise FetchError(url, f"Reading it {error}, so it was stopped. {_ADVICE}") from error
        if outcome.error is not None:
            raise outcome.error
        return cast(T, outcome.value)

    def close(self) -> None:
        """End the children."""
        _end_all(self._children, os.getpid())

    def _outcome(self, call: bytes) -> Outcome:
        """Return what the call comes to in the next child that is free."""
        child = self._turns.get()
        try:
            if child is not None:
                try:
                    return self._asked(child, call)
                except _Gone:  # It may have ended between two calls; if the call ends a fresh one too, that is said.
                    child = None
            child = self._start()
            return self._asked(child, call)
        finally:
            self._turns.put(child if child in self._children else None)

    def _asked(self, child: _Child, call: bytes) -> Outcome:
        outcome = None
        try:
            outcome = child.ask(call)
        finally:
            if outcome is None or outcome.last:
                self._children.discard(child)
                child.end()
        if outcome.limit:
            raise _Stopped(outcome.limit)
        return outcome

    def _start(self) -> _Child:
        child = _Child(self._cpu_seconds, self._wall_seconds)
        self._children.add(child)
        return child


class _Stopped(Exception):
    """A call broke a limit. The text says which, as part of a sentence."""


class _Gone(Exception):
    """The child ended without an answer. The text is part of a sentence."""


class _Child:
    """One child process. It belongs to one thread at a time."""

    def __init__(self, cpu_seconds: int, wall_seconds: float) -> None:
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", "newsletter.sources.net.child", str(cpu_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment | {"PYTHONPATH": os.pathsep.join(_module_path())},
            start_new_session=True,  # Ctrl-C is for the parent, which then ends its children
            bufsize=0,
        )
        self._calls, self._outcomes = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        for pipe in (self._calls, self._outcomes):
            os.set_blocking(pipe.fileno(), False)

    def ask(self, call: bytes) -> Outcome:
        """Return what the call comes to. Raises _Stopped when a limit stopped it, _Gone when the child ended."""
        deadline = time.monotonic() + self._wall_seconds
        try:
            self._send(framed(pickle.dumps(_module_path())) + head(call), deadline)
            self._send(call, deadline)
            size = int.from_bytes(self._receive(HEAD, deadline), "big")
            if size > RESULT_BYTES:
                raise _Stopped("came to more than it may")
            return unpacked(self._receive(size, deadline))
        except (BrokenPipeError, EOFError) as error:
            raise self._ended() from error
        except TimeoutError as error:
            raise _Stopped(f"took more than {self._wall_seconds:g} s") from error
        except pickle.UnpicklingError as error:
            raise TypeError(str(error)) from error

    def end(self) -> None:
        """Kill the process, whatever it does, and give back what it held."""
        self._process.kill()
        self._process.wait()
        self._calls.close()
        self._outcomes.close()

    def _send(self, content: bytes, deadline: float) -> None:
        rest = memoryview(content)
        while rest:
            _wait(self._calls, select.POLLOUT, deadline)
            rest = rest[os.write(self._calls.fileno(), rest) :]

    def _receive(self, size: int, deadline: float) -> bytes:
        content = bytearray()
        while len(content) < size:
            _wait(self._outcomes, select.POLLIN, deadline)
            piece = os.read(self._outcomes.fileno(), size - len(content))
            if not piece:
                raise EOFError
            content += piece
        return bytes(content)

    def _ended(self) -> _Stopped | _Gone:
        """Return what became of a child that closed its pipes: the system ends one that computes for too long."""
        self._process.kill()
        status = self._process.wait()
        if status == -signal.SIGXCPU:
            return _Stopped(f"took more than {self._cpu_seconds} s of computing time")
        return _Gone(f"broke the parser ({signal.Signals(-status).name if status < 0 else f'exit status {status}'})")


def _wait(pipe: IO[bytes], event: int, deadline: float) -> None:
    """Wait until something can be done with the pipe. Raises TimeoutError when the time is over."""
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1_000):
        raise TimeoutError


def _module_path() -> list[str]:
    """Return where this process finds modules, for another whose current folder may differ."""
    return [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 - "" is the current folder here


def _end_all(children: set[_Child], owner: int) -> None:
    """End the children, unless this is a fork of the process that has them."""
    while children and os.getpid() == owner:
        children.pop().end()
