"""What follows a sign-up after its answer has gone out: the request is stored, its confirmation mail is sent.

Storing takes longer for an address that is new than for one that is known. Were it done before the answer, the time
would tell a stranger who is on a list (threat 12).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from sqlmodel import select

from newsletter.errors import NewsletterError
from newsletter.models import Edition
from newsletter.signup import ask, send_confirmations
from newsletter.web.site import Site

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignUp:
    """What the form brought: a valid address, and the client's IP address."""

    edition_slug: str
    address: str
    network: str


class SignUps:
    """Stores requests and sends what waits, one sending at a time: a slow mail server keeps one thread busy."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._running = threading.Lock()

    def take_in(self, site: Site, sign_up: SignUp) -> None:
        """Store the request and send its mail. A failure is logged: an exception here would only cut the connection."""
        try:
            _store(site, sign_up)
            self._send_waiting(site)
        except NewsletterError as error:
            log.warning("confirmation mails wait: %s", error)
        except Exception:
            log.exception("a sign-up could not be dealt with")

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


def _store(site: Site, sign_up: SignUp) -> None:
    with site.db.transaction() as session:
        ask(
            session,
            edition=session.exec(select(Edition).where(Edition.slug == sign_up.edition_slug)).one(),
            address_text=sign_up.address,
            now=site.clock(),
            source=f"{site.base_url}/editions/{sign_up.edition_slug}",
            network=sign_up.network,
        )
