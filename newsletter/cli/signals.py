"""Stopping long work between two steps, when a person or the system asks for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from newsletter.cli.base import warn


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets; a second signal ends the process the hard way."""
    halt = threading.Event()

    def ask(number: int, frame: Any) -> None:  # noqa: ARG001
        if halt.is_set():
            raise KeyboardInterrupt
        halt.set()
        warn("Finishing the chunk under way; once more stops at once and may leave readers uncertain.")

    old = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield halt
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
