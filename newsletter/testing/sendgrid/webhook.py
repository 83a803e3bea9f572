"""Posts events to a webhook as SendGrid does: again and again, with growing gaps, for a day."""

from __future__ import annotations

import heapq
import http.client
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from newsletter.testing.sendgrid.clock import Clock
from newsletter.testing.sendgrid.events import Post

#: Seconds until the second try; each gap after it is twice as long.
FIRST_GAP = 30.0
_TIMEOUT = 10.0


@dataclass(frozen=True)
class Tried:
    """One try to post: when, in seconds since the epoch; the status answered, 0 without an answer; the body's bytes."""

    at: float
    status: int
    size: int


class Webhook:
    """Posts what `due` returns to a URL: when `flush` is called, and from `start` to `stop` in a thread of its own."""

    def __init__(self, url: str, clock: Clock, due: Callable[[], list[Post]]) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in {"http", "https"} or not self._url.hostname:
            raise ValueError(f"{url} is no URL that events could be posted to.")
        self._clock = clock
        self._due = due
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, float, Post]] = []
        self._posting = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sendgrid-simulator-webhook", daemon=True)
        self.tried: list[Tried] = []
        #: Posts that were never taken within a day.
        self.given_up: list[Post] = []

    def start(self) -> None:
        """Post events as they come, from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Post nothing more."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def next_at(self) -> float:
        """Return when something is tried again; infinity when nothing is."""
        with self._posting:
            return self._waiting[0][0] if self._waiting else float("inf")

    def flush(self) -> None:
        """Post what is due by the clock now, and return when that was tried."""
        with self._posting:
            now = self._clock.now()
            for post in self._due():
                self._wait(now, FIRST_GAP, post)
            while self._waiting and self._waiting[0][0] <= now and not self._closing.is_set():
                _, _, gap, post = heapq.heappop(self._waiting)
                self._try(post, gap, now)

    def _run(self) -> None:
        while not self._closing.wait(0.02):
            self.flush()

    def _try(self, post: Post, gap: float, now: float) -> None:
        status = self._post(post)
        self.tried.append(Tried(now, status, len(post.body)))
        if 200 <= status <= 299:
            return
        if now + gap > post.last_try:
            self.given_up.append(post)
        else:
            self._wait(now + gap, gap * 2, post)

    def _wait(self, at: float, gap: float, post: Post) -> None:
        heapq.heappush(self._waiting, (at, next(self._numbers), gap, post))

    def _post(self, post: Post) -> int:
        """Return the status that the webhook answers; 0 when it does not."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=_TIMEOUT)
        try:
            target = self._url._replace(scheme="", netloc="").geturl() or "/"
            connection.request("POST", target, post.body, dict(post.headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
