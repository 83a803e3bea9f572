"""The simulator's clock: it goes with the machine's, or stands still, and jumps ahead when it is told to."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class Clock:
    """Seconds since the epoch, as the simulated service sees them.

    Without a `start` the clock shows the machine's time plus every advance. With one it begins there and stands still
    between advances, so that a test decides how much time passes.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._fixed = start.timestamp() if start else None
        self._ahead = 0.0

    def now(self) -> float:
        """Return the simulated time in seconds since the epoch."""
        with self._lock:
            return (time.time() if self._fixed is None else self._fixed) + self._ahead

    def advance(self, seconds: float) -> float:
        """Let `seconds` pass and return the new time. Raises ValueError for a step back."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"The clock goes ahead by 0 seconds or more, not by {seconds}.")
        with self._lock:
            self._ahead += seconds
        return self.now()

    def read(self) -> datetime:
        """Return the simulated time in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)
