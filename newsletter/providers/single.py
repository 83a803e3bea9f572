"""One call of `send` for a provider that takes one message a request, over several connections at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from newsletter.errors import NewsletterError, ProviderRefused
from newsletter.mail import Outcome, Recipient, Status
from newsletter.providers import Watch, refuse_or_stop
from newsletter.providers.answers import Fate, Then, Verdict
from newsletter.providers.batches import MAX_UNNAMED, outcome, unnamed_refusal, waits_sentence

Made = TypeVar("Made")


class Singles(Generic[Made]):
    """The readers whose turn is still to come, and the outcomes so far by position.

    `make` returns what is sent for a reader, or raises NewsletterError: that reader is rejected. `post` sends it and
    returns the verdict on one reader. What an answer ends, ends for readers whose request was not begun.
    """

    def __init__(
        self,
        provider: str,
        recipients: Sequence[Recipient],
        make: Callable[[Recipient], Made],
        post: Callable[[Made, Recipient], Verdict],
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
        self._lock = threading.Lock()
        self._turns = deque(range(len(recipients)))
        self._settled: dict[int, Outcome] = {}
        #: Refused without being named, while nobody was taken: it may be the mail, so nobody is told yet.
        self._doubtful: dict[int, Outcome] = {}
        self._taken = False
        #: The last of the list, once they are asked whether it is the mail (MAX_UNNAMED).
        self._last: int | None = None
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
            if self._end is None and self._watch.stopping():
                self._end = Verdict(Then.STOP, "the process was asked to end.")
            return self._turns.popleft() if self._turns and self._end is None else None

    def _keep(self, position: int, verdict: Verdict) -> None:
        with self._lock:
            if verdict.then is not Then.GO_ON:
                self._end = self._end or verdict
            if verdict.then is Then.REFUSE:
                self._refusal = self._refusal or ProviderRefused(self._provider, verdict.sentence)
                return
            fate = verdict.fates[0]
            self._taken = self._taken or fate.status in {Status.ACCEPTED, Status.UNCERTAIN}
            self._doubtful[position] = outcome(self._recipients[position], fate, verdict.retry_after)
            if fate.named and not self._taken:
                self._tell({position: self._doubtful.pop(position)})
            elif self._taken:
                self._tell(self._doubtful)
                self._doubtful = {}
            if len(self._doubtful) >= MAX_UNNAMED:
                self._ask_last(position, verdict)

    def _ask_last(self, position: int, verdict: Verdict) -> None:
        """Let the last reader be asked next; when they were refused, too, or nobody is left, refuse the mail."""
        if self._turns and self._last is None:
            self._last = self._turns[-1]
            self._turns.rotate(1)
        elif position == self._last or not self._turns:
            self._end = self._end or verdict
            self._refusal = self._refusal or unnamed_refusal(self._provider, verdict.sentence)

    def _finish(self) -> None:
        """Settle whoever is open. Raises the refusal when there was one and nobody was taken."""
        if self._refusal is None or self._taken:
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
