"""The connections of a provider: opened without holding up those that send, and kept between two calls."""

from __future__ import annotations

import socket
import threading
import time
from queue import Empty, SimpleQueue

from newsletter.errors import ProviderRefused
from newsletter.providers.smtp.connection import Connection
from newsletter.providers.smtp.opening import Server, Unreachable

#: Seconds after which a kept connection is closed; servers close theirs after some minutes.
_IDLE_SECONDS = 60.0
#: Seconds after which a server that wanted fewer connections is asked for more again.
_LIMITED_SECONDS = 300.0


class Pool:
    """Idle connections, the latest used first."""

    def __init__(self) -> None:
        #: Whether the server takes the parameters of RFC 3461 where it offers them.
        self.dsn = True
        #: Behind which letters of a connection the server closed it without a word: nothing is put there any more.
        self.silent_ends: set[int] = set()
        self._lock = threading.Lock()
        self._kept: list[Connection] = []
        self._lent = 0
        self._opening = 0
        self._limit = 0
        self._limited_at = 0.0
        self._timer: threading.Timer | None = None
        self._ended = False

    def take(self) -> Connection | None:
        """Return a kept connection that was still alive a moment ago; None when there is none."""
        self._close_idle()
        while True:
            with self._lock:
                if not self._kept:
                    return None
                connection = self._kept.pop()
                self._lent += 1
            if not connection.wire.speaks():
                connection.kept, connection.answers = True, 0
                return connection
            connection.wire.close()  # the server closed it, or says that it will
            self.forget()

    def lend(self) -> None:
        """Count a connection that was opened for a call."""
        with self._lock:
            self._lent += 1

    def forget(self) -> None:
        """Count a lent connection no more, since it was closed."""
        with self._lock:
            self._lent -= 1

    def give(self, connection: Connection) -> None:
        """Take back a lent connection that is idle and well."""
        connection.kept_since = time.monotonic()
        with self._lock:
            self._lent -= 1
            if not self._ended:
                self._kept.append(connection)
                self._watch_idle()
                return
        connection.wire.quit()

    def has_any(self) -> bool:
        """Tell whether there are connections, kept or lent."""
        with self._lock:
            return bool(self._kept) or self._lent > 0

    def opening(self, connections: int) -> None:
        """Count so many connections more (less) that are being opened."""
        with self._lock:
            self._opening += connections

    @property
    def opens_any(self) -> bool:
        """Whether a connection is being opened, which may be why the server refused another one."""
        with self._lock:
            return self._opening > 0

    def at_most(self, wanted: int) -> int:
        """Return how many connections a call may have that wants so many."""
        with self._lock:
            if self._limit and time.monotonic() - self._limited_at < _LIMITED_SECONDS:
                return min(wanted, self._limit)
            return wanted

    def limit(self, connections: int) -> None:
        """Keep that the server does not want more connections from one call, for some minutes."""
        with self._lock:
            self._limit, self._limited_at = connections, time.monotonic()

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            kept, self._kept = self._kept, []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for connection in kept:
            connection.wire.quit()

    def end(self) -> None:
        """Close what is kept, and whatever is given back from now on."""
        self._ended = True
        self.close()

    def _watch_idle(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(_IDLE_SECONDS, self._close_idle)
            self._timer.daemon = True
            self._timer.start()

    def _close_idle(self) -> None:
        """Close what was kept for long, and come back for the rest."""
        before = time.monotonic() - _IDLE_SECONDS
        with self._lock:
            old = [one for one in self._kept if one.kept_since <= before]
            self._kept = [one for one in self._kept if one.kept_since > before]
            if self._timer is not None and (old or not self._kept):
                self._timer.cancel()
                self._timer = None
            if self._kept:
                self._watch_idle()
        for connection in old:
            connection.wire.quit()


class Openings:
    """Connections that are being opened for one call, each by a thread of its own, since it may take long."""

    def __init__(self, server: Server, pool: Pool) -> None:
        self._server = server
        self._pool = pool
        self._lock = threading.Lock()
        self._results: SimpleQueue[Connection | ProviderRefused | Unreachable] = SimpleQueue()
        #: Can be read when there are results.
        self.bell, self._rope = socket.socketpair()
        self.under_way = 0
        self._closed = False

    def begin(self) -> None:
        """Open one more."""
        self.under_way += 1
        threading.Thread(target=self._open, name="smtp-opening", daemon=True).start()

    def results(self) -> list[Connection | ProviderRefused | Unreachable]:
        """Return the connections that were opened, lent from the pool, and why others were not."""
        found: list[Connection | ProviderRefused | Unreachable] = []
        self.bell.setblocking(False)  # noqa: FBT003 - its only parameter
        try:
            self.bell.recv(100)
            while True:
                found.append(self._results.get_nowait())
                self.under_way -= 1
        except (Empty, BlockingIOError):
            return found

    def close(self) -> None:
        """Await nothing more; what was opened, or will be, is kept for later calls."""
        with self._lock:
            self._closed = True
            self.bell.close()
            self._rope.close()
        while not self._results.empty():
            self._keep(self._results.get_nowait())

    def _open(self) -> None:
        result: Connection | ProviderRefused | Unreachable
        self._pool.opening(1)
        try:
            result = Connection(self._server.connect())
            self._pool.lend()
        except (ProviderRefused, Unreachable) as error:
            result = error
        finally:
            self._pool.opening(-1)
        with self._lock:
            if not self._closed:
                self._results.put(result)
                self._rope.send(b"x")
                return
        self._keep(result)

    def _keep(self, result: Connection | ProviderRefused | Unreachable) -> None:
        if isinstance(result, Connection):
            self._pool.give(result)
