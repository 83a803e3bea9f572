"""Politeness: few exchanges with a host at a time, and none before the moment at which it asked us to come back."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from newsletter.errors import FetchError

#: How long a source waits for its turn while others of its host are read.
QUEUE_SECONDS = 60.0
#: No server keeps us away for longer, whatever it asks for.
MAX_REST_SECONDS = 7 * 86_400.0


class Hosts:
    """Who may be asked now. One object serves any number of threads."""

    def __init__(self, at_a_time: int) -> None:
        self._turns: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(at_a_time))
        self._resting: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, url: str, *, asked: str) -> Iterator[None]:
        """Hold one of the turns that the host of `url` grants; waits for one.

        Raises FetchError, which names the address `asked` for, when the host wants to be left alone, or when others
        keep it busy for too long.
        """
        host = host_of(url)
        self._refuse_resting(host, asked)
        with self._lock:
            turns = self._turns[host]
        if not turns.acquire(timeout=QUEUE_SECONDS):
            raise FetchError(
                asked,
                f"Other sources at {host} took longer than {QUEUE_SECONDS:g} seconds. It is read the next time.",
                asked=False,
            )
        try:
            self._refuse_resting(host, asked)
            yield
        finally:
            turns.release()

    def rest(self, url: str, seconds: float) -> None:
        """Note that the host of `url` wants to be left alone for so many seconds."""
        with self._lock:
            host = host_of(url)
            self._resting[host] = max(self._resting.get(host, 0.0), time.monotonic() + seconds)

    def _refuse_resting(self, host: str, asked: str) -> None:
        with self._lock:
            seconds = self._resting.get(host, 0.0) - time.monotonic()
        if seconds > 0:
            raise FetchError(
                asked,
                f"{host} asked us a moment ago to come back after {math.ceil(seconds):,} seconds, "
                "so it was not asked again. It is read when they are over.",
                retry_after=seconds,
                asked=False,
            )


def host_of(url: str) -> str:
    """Return what counts as one host: the name, and the port where it is not the usual one."""
    parts = urlsplit(url)
    name = (parts.hostname or "").rstrip(".")
    return name if parts.port in {None, 80, 443} else f"{name}:{parts.port}"


def retry_after(value: str, date: str, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110 section 10.2.3), or None when it says nothing.

    It holds seconds or a moment. `date` is the answer's own Date header, from which a moment is counted, so that a
    server with a wrong clock is understood; `now` (seconds since 1970) stands in where it is missing.
    """
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:12]), MAX_REST_SECONDS)
    moment = _moment(value)
    if moment is None:
        return None
    sent = _moment(date.strip())
    return min(max(moment - (now if sent is None else sent), 0.0), MAX_REST_SECONDS)


def _moment(date: str) -> float | None:
    """Return an HTTP date as seconds since 1970, or None."""
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
