"""What follows a sign-up after its answer has gone out: the request is stored, its confirmation mail is sent.

Storing takes longer for an address that is new than for one that is known. Were it done before the answer, the time
would tell a stranger who is on a list (threat 12). It begins a moment after the answer, and nobody knows when: else the
time of a second request, which waits for the first, would tell.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi.concurrency import run_in_threadpool

from newsletter.errors import NewsletterError
from newsletter.signup import send_confirmations
from newsletter.signup.asking import Asked, ask
from newsletter.signup.limits import forget_old
from newsletter.signup.telling import tell_of_flood
from newsletter.web.site import Site

log = logging.getLogger(__name__)

_TIDY_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class SignUp:
    """What the door let in, if it did, and what it found to be flooded just then."""

    asked: Asked | None
    flooded: Sequence[str] = ()


class SignUps:
    """Stores requests and sends what waits, one sending at a time: a slow mail server keeps one thread busy."""

    def __init__(self, most_waiting: float = 0.5) -> None:
        """`most_waiting` is how many seconds after its answer a request is stored, at most."""
        self._most_waiting = most_waiting
        self._tidied_at: datetime | None = None
        self._wanted = threading.Event()
        self._running = threading.Lock()

    async def take_in(self, site: Site, sign_up: SignUp) -> None:
        """Wait a moment, without keeping a thread busy, and do what is to be done."""
        await asyncio.sleep(secrets.SystemRandom().uniform(0, self._most_waiting))
        await run_in_threadpool(self.deal_with, site, sign_up)

    def deal_with(self, site: Site, sign_up: SignUp) -> None:
        """Store the request and send its mail. A failure is logged: an exception here would only cut the connection."""
        try:
            if sign_up.asked is not None:
                with site.db.transaction() as session:
                    ask(session, sign_up.asked, hashes=site.hashes, now=site.clock())
                self._send_waiting(site)
                self._tidy(site)
            if sign_up.flooded:
                told, now = (site.db, site.provider, sign_up.flooded), site.clock()
                tell_of_flood(*told, editors=site.editors, base_url=site.base_url, now=now)
        except NewsletterError as error:
            log.warning("confirmation mails wait: %s", error)
        except Exception:
            log.exception("a sign-up could not be dealt with")

    def _tidy(self, site: Site) -> None:
        """Remove counts that no window sees any more, once an hour: each sign-up adds some."""
        now = site.clock()
        if self._tidied_at is None or now - self._tidied_at >= _TIDY_EVERY:
            self._tidied_at = now
            with site.db.transaction() as session:
                forget_old(session, now)

    def _send_waiting(self, site: Site) -> None:
        """Send now, or let the run that is under way do it; it looks once more when it has given the lock back."""
        self._wanted.set()
        while self._wanted.is_set() and self._running.acquire(blocking=False):
            try:
                self._wanted.clear()
                send_confirmations(
                    site.db, site.provider, site.renderer, site.signer, base_url=site.base_url, now=site.clock()
                )
            finally:
                self._running.release()
