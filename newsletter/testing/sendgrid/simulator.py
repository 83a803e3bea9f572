"""The simulator as a whole: an account, its API on loopback, faults, and events to pull or to be posted."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from newsletter.testing.sendgrid import control
from newsletter.testing.sendgrid.account import Account, LateCancel
from newsletter.testing.sendgrid.api import API_KEY, SCOPES, Api, Rate
from newsletter.testing.sendgrid.behaviour import Behaviour
from newsletter.testing.sendgrid.clock import Clock
from newsletter.testing.sendgrid.connection import Serving
from newsletter.testing.sendgrid.events import Disorder
from newsletter.testing.sendgrid.faults import Fault, Faults
from newsletter.testing.sendgrid.mails import SimulatedMail
from newsletter.testing.sendgrid.messages import Answer, Request
from newsletter.testing.sendgrid.server import Server
from newsletter.testing.sendgrid.signing import SigningKey
from newsletter.testing.sendgrid.webhook import Webhook

#: Seconds between two posts of events.
_POST_EVERY = 30.0
#: Sums of seconds since the epoch, as floats, are not more exact than this.
_CLOSE_ENOUGH = 0.001


@dataclass(frozen=True)
class Asked:
    """One request that came, `at` seconds since the epoch by the simulator's clock.

    `status` is what was answered, or would have been; 0 when the request was not read to its end. `fault` is a name.
    """

    at: float
    method: str
    target: str
    status: int
    readers: int
    size: int
    fault: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it for another process."""
        return asdict(self)


class SendGridSimulator:
    """A SendGrid that runs on this machine, from `with` to its end. See the package's words for what it does.

    `start` is where the clock begins, which then stands still between advances; without one it goes with the machine's.
    Events are posted to `webhook` (while the clock stands still, in `advance` only), or else wait to be taken by
    `events`. All that is by chance is decided by `seed`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        key: str = API_KEY,
        scopes: tuple[str, ...] = SCOPES,
        rate: Rate | None = None,
        start: datetime | None = None,
        seed: int = 0,
        faults: Sequence[Fault] = (),
        behaviour: Behaviour | None = None,
        disorder: Disorder | None = None,
        per_post: int = 1_000,
        webhook: str = "",
        signing_key: SigningKey | None = None,
        late_cancel: LateCancel = LateCancel.IGNORED,
        activity: bool = False,
        activity_lag: float = 0.0,
        keep_events: bool = True,
        keep_bodies: bool = False,
        fast: bool = False,
    ) -> None:
        self.account = Account(
            Clock(start),
            seed=seed,
            behaviour=behaviour,
            disorder=disorder,
            per_post=per_post,
            late_cancel=late_cancel,
            keep_events=keep_events,
        )
        self.account.key = signing_key or self.account.key
        self.api = Api(
            self.account, key=key, scopes=scopes, rate=rate, activity=activity, activity_lag=activity_lag, fast=fast
        )
        self._clock_goes = start is None
        self.faults = Faults(faults, seed=seed)
        #: The requests that came, in order, those under /_simulator/ left out.
        self.requests: list[Asked] = []
        #: With `keep_bodies`: the bodies of all requests to send, as they came, taken or not.
        self.bodies: list[bytes] = []
        self._keep_bodies = keep_bodies
        self.webhook = Webhook(webhook, self.account.clock, self.account.posts) if webhook else None
        serving = Serving(self.account.clock, self.faults, self._answer, self._note, threading.Event())
        self._server = Server(serving, port=port)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._server.start()
        if self.webhook and self._clock_goes:
            self.webhook.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.webhook:
            self.webhook.stop()
        self._server.stop()

    @property
    def key(self) -> str:
        """The API key that is taken."""
        return self.api.key

    @property
    def public_key(self) -> str:
        """What the posts of events are verified with: DER in base64, as SendGrid shows it."""
        return self.account.key.public_key

    @property
    def mails(self) -> list[SimulatedMail]:
        """Every mail that was taken, in order, and how far it is by now."""
        return self.account.mails()

    @property
    def left(self) -> list[SimulatedMail]:
        """The mails that were sent towards their readers: not scheduled, dropped, cancelled or expired."""
        return [mail for mail in self.account.mails() if mail.left]

    @property
    def taken(self) -> int:
        """How many mails were taken."""
        return self.api.taken if self.api.fast else self.account.taken

    def taken_args(self) -> list[dict[str, str]]:
        """Return the custom_args of every mail that was taken, in order."""
        if self.api.fast:
            return [json.loads(one) for one in self.api.taken_args]
        return [dict(mail.custom_args) for mail in self.account.mails()]

    def left_by(self, name: str) -> Counter[str]:
        """Return how many mails left for each value of a custom_arg: a 2 is a reader who was written to twice."""
        return Counter(mail.custom_args.get(name, "") for mail in self.left)

    def fail(self, *faults: Fault | str) -> None:
        """Put these faults in place of those there; a text is one of NAMED, for each request to send."""
        self.faults.set([Fault.named(one) if isinstance(one, str) else one for one in faults])

    def advance(self, seconds: float) -> float:
        """Let time pass, with everything that happens in it, and return the new time in seconds since the epoch.

        With a webhook time goes in steps, and what is due is posted, and tried again, at its time.
        """
        if self.webhook is None:
            return self.account.advance(seconds)
        now = self.account.clock.now()
        until = now + seconds
        while True:
            ahead = min(self.account.next_at(), self.webhook.next_at()) - now
            now = self.account.advance(max(min(until - now, max(ahead, _POST_EVERY)), 0))
            self.webhook.flush()
            if until - now < _CLOSE_ENOUGH:
                return now

    def events(self) -> list[tuple[Mapping[str, str], bytes]]:
        """Return the posts of events that are due, as (headers, body); each is returned once."""
        return [(post.headers, post.body) for post in self.account.posts()]

    def _answer(self, request: Request, fault: Fault | None) -> Answer:
        if request.path[:1] == (control.PREFIX,):
            return control.answer(self, request)
        return self.api.answer(request, fault)

    def _note(self, request: Request, fault: Fault | None, status: int, readers: int) -> None:
        if request.path[:1] == (control.PREFIX,):
            return
        if self._keep_bodies and request.path[-2:] == ("mail", "send"):
            self.bodies.append(request.body)
        name = (fault.name or "unnamed") if fault else ""
        now = self.account.clock.now()
        self.requests.append(Asked(now, request.method, request.target, status, readers, len(request.body), name))
