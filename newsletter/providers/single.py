"""One call of `send` for a provider that takes one whole message a request, over several connections at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from newsletter.errors import NewsletterError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status
from newsletter.providers import Watch, refuse_or_stop
from newsletter.providers.answers import Fate, Then, Verdict
from newsletter.providers.batches import may_be_the_mail, outcome, unnamed_refusal, waits_sentence
from newsletter.providers.message import build, refuse_unsendable


def send_singly(
    provider: str,
    mail: Mail,
    recipients: Sequence[Recipient],
    post: Callable[[bytes, Recipient], Verdict],
    *,
    watch: Watch,
    connections: int,
) -> list[Outcome]:
    """Build each reader's message and `post` it; return one outcome for each, in order. Raises ProviderRefused."""
    refuse_unsendable(provider, mail)
    now = datetime.now(UTC)
    make = partial(build, mail, date=now)
    return Singles(provider, recipients, make, post, watch=watch, connections=connections).outcomes()


class Singles:
    """The readers whose turn is still to come, and the outcomes so far by position.

    `make` returns a reader's message, or raises NewsletterError: that reader is rejected. `post` sends it and returns
    the verdict on one reader. What an answer ends, ends for readers whose request was not begun.
    """

    def __init__(
        self,
        provider: str,
        recipients: Sequence[Recipient],
        make: Callable[[Recipient], bytes],
        post: Callable[[bytes, Recipient], Verdict],
        *,
        watch: Watch,
        connections: int,
    ) -> None:
        self._provider = provider
        self._recipients = recipients
        self._make = make
        self._post = post
        self._watch = watch
        self._connections = connections
        self._lock = threading.Condition()
        self._turns = deque(range(len(recipients)))
        self._settled: dict[int, Outcome] = {}
        #: Position -> whose request was begun as the how-manyth.
        self._begun: dict[int, int] = {}
        #: Refused without being named, and nobody taken whose request came later: it may be the mail, so nobody is
        #: told yet.
        self._doubtful: dict[int, Outcome] = {}
        self._taken = False
        #: The last of the list, while they are to be asked whether it is the mail (may_be_the_mail).
        self._last: int | None = None
        #: The last is being asked, and all others wait.
        self._asking = False
        self._end: Verdict | None = None
        self._refusal: ProviderRefused | None = None

    def outcomes(self) -> list[Outcome]:
        """Send to each reader and return one outcome for each, in order. Raises ProviderRefused."""
        workers = min(self._connections, len(self._recipients))
        if workers > 1:
            with ThreadPoolExecutor(workers) as pool:
                for future in [pool.submit(self._work) for _ in range(workers)]:
                    future.result()
        else:
            self._work()
        self._finish()
        return [self._settled[position] for position in range(len(self._recipients))]

    def _work(self) -> None:
        try:
            while (position := self._next()) is not None:
                self._send(position)
        except BaseException:
            with self._lock:
                self._end = self._end or Verdict(Then.STOP, "the sending broke off.")
                self._lock.notify_all()
            raise

    def _send(self, position: int) -> None:
        recipient = self._recipients[position]
        try:
            made = self._make(recipient)
        except NewsletterError as error:
            self._keep(position, Verdict(Then.GO_ON, fates=[Fate(Status.REJECTED, str(error))]))
            return
        self._watch.handing_over(recipient.delivery_id)
        self._keep(position, self._post(made, recipient))

    def _next(self) -> int | None:
        """Return the position whose turn it is; None when nobody else is tried."""
        with self._lock:
            self._lock.wait_for(lambda: not self._asking or self._end is not None)
            if self._end is None and self._watch.stopping():
                self._end = Verdict(Then.STOP, "the process was asked to end.")
            if not self._turns or self._end is not None:
                return None
            position = self._turns.popleft()
            self._begun[position] = len(self._begun)
            self._asking = position == self._last
            return position

    def _keep(self, position: int, verdict: Verdict) -> None:
        with self._lock:
            if verdict.then is not Then.GO_ON:
                self._end = self._end or verdict
            if verdict.then is Then.REFUSE:
                self._refusal = self._refusal or ProviderRefused(self._provider, verdict.sentence)
            else:
                self._settle(position, verdict)
            if position == self._last:
                self._last, self._asking = None, False
            self._lock.notify_all()

    def _settle(self, position: int, verdict: Verdict) -> None:
        """Keep what became of a reader; when it may be the mail's fault, let the last of the list be asked next."""
        fate = verdict.fates[0]
        found = outcome(self._recipients[position], fate, verdict.retry_after)
        if not fate.named:
            self._doubtful[position] = found
        elif fate.status is Status.ACCEPTED:
            self._tell(self._cleared_by(position) | {position: found})
            self._taken = True
        else:
            self._tell({position: found})
        if self._end is not None or not may_be_the_mail(len(self._doubtful), taken=self._taken):
            return
        if self._last is None and self._turns:
            self._last = self._turns[-1]
            self._turns.rotate(1)
        elif position == self._last or self._last is None:
            self._end = verdict
            self._refusal = unnamed_refusal(self._provider, verdict.sentence)

    def _cleared_by(self, taken: int) -> dict[int, Outcome]:
        """Return whose refusal was about them after all, and let go of them: somebody was taken after their request.

        Answers overtake each other. One that was only late, from before an account broke, proves nothing of those who
        were refused since.
        """
        cleared = [position for position in self._doubtful if self._begun[position] < self._begun[taken]]
        return {position: self._doubtful.pop(position) for position in cleared}

    def _finish(self) -> None:
        """Settle whoever is open. Raises the refusal when there was one and nobody was taken."""
        if self._end is None:
            self._tell(self._doubtful)
        rest = [position for position in range(len(self._recipients)) if position not in self._settled]
        readers = [self._recipients[position] for position in rest]
        if self._refusal:
            untried = refuse_or_stop(self._refusal, list(self._settled.values()), readers)
        else:
            why = waits_sentence(self._end.sentence if self._end else "")
            wait = self._end.retry_after if self._end else None
            untried = [outcome(reader, Fate(Status.NOT_TRIED, why), wait) for reader in readers]
        self._tell(dict(zip(rest, untried, strict=True)))

    def _tell(self, found: dict[int, Outcome]) -> None:
        self._settled.update(found)
        for one in found.values():
            self._watch.settled(one)
