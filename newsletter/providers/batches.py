"""One call of `send` for a provider that takes many whole messages in one request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from newsletter.errors import NewsletterError, ProviderRefused
from newsletter.mail import Outcome, Recipient, Status
from newsletter.providers import refuse_or_stop
from newsletter.providers.answers import Fate, Then, Verdict

#: After this many readers in a row that were refused without being named, the last of the list is asked alone. When
#: they are refused, too, it is the mail or the account, and not the readers. Until that is known nobody is rejected:
#: who is rejected is not tried again.
MAX_UNNAMED = 3
#: The same once somebody was taken by this call: the mail was good then, and bad readers may have come in together.
MAX_UNNAMED_LATER = 20


class Batches:
    """The requests that are still to be made, and the outcomes so far by position.

    `make` returns a reader's message as it stands in a request, or raises NewsletterError: that reader is rejected.
    `post` sends some messages, with their readers, and returns one verdict on them.
    """

    def __init__(
        self,
        provider: str,
        recipients: Sequence[Recipient],
        make: Callable[[Recipient], bytes],
        post: Callable[[Sequence[bytes], Sequence[Recipient]], Verdict],
        *,
        most: int,
        most_bytes: int,
    ) -> None:
        self._provider = provider
        self._recipients = recipients
        self._make = make
        self._post = post
        self._most = most
        self._most_bytes = most_bytes
        self._settled: dict[int, Outcome] = {}
        self._made: dict[int, bytes] = {}
        #: Refused without being named, and nobody taken since: it may be the mail, so they are not rejected yet.
        self._doubtful: dict[int, Outcome] = {}
        self._taken = False
        self._asked_last = False

    def outcomes(self) -> list[Outcome]:
        """Make the requests and return one outcome for each recipient, in order. Raises ProviderRefused."""
        self._make_all()
        waiting = deque(self._requests())
        while waiting:
            positions = waiting.popleft()
            readers = [self._recipients[position] for position in positions]
            verdict = self._post([self._made[position] for position in positions], readers)
            if verdict.then is Then.HALVES:
                middle = len(positions) // 2
                waiting.extendleft([positions[middle:], positions[:middle]])
                continue
            self._settle(positions, verdict)
            if verdict.then is Then.REFUSE:
                self._refuse(ProviderRefused(self._provider, verdict.sentence))
                break
            if verdict.then is Then.STOP:
                self._leave(verdict)
                break
            if may_be_the_mail(len(self._doubtful), taken=self._taken) and not self._ask_last(waiting):
                self._refuse(unnamed_refusal(self._provider, verdict.sentence))
                break
        else:
            self._settled.update(self._doubtful)
        return [self._settled[position] for position in range(len(self._recipients))]

    def _make_all(self) -> None:
        for position, recipient in enumerate(self._recipients):
            try:
                self._made[position] = self._make(recipient)
            except NewsletterError as error:
                self._settled[position] = Outcome(recipient.delivery_id, Status.REJECTED, str(error))

    def _requests(self) -> Iterator[list[int]]:
        """Yield the positions of each request: as many as fit into one."""
        positions: list[int] = []
        size = 0
        for position, message in self._made.items():
            if positions and (len(positions) == self._most or size + len(message) > self._most_bytes):
                yield positions
                positions, size = [], 0
            positions.append(position)
            size += len(message) + 1
        if positions:
            yield positions

    def _settle(self, positions: Sequence[int], verdict: Verdict) -> None:
        """Keep what became of the readers of a request; whoever a refusal left untried stays open."""
        for position, fate in zip(positions, verdict.fates, strict=False):
            if fate.status is Status.NOT_TRIED and verdict.then is Then.REFUSE:
                continue
            kept = self._settled if fate.named else self._doubtful
            kept[position] = outcome(self._recipients[position], fate, verdict.retry_after)
        if any(fate.status is Status.ACCEPTED for fate in verdict.fates):
            self._settled.update(self._doubtful)
            self._doubtful, self._taken, self._asked_last = {}, True, False

    def _ask_last(self, waiting: deque[list[int]]) -> bool:
        """Let the last reader be asked next, alone; False when they were, or nobody is left."""
        if self._asked_last or not waiting:
            return False
        self._asked_last = True
        *others, last = waiting.pop()
        waiting.extend([others] if others else [])
        waiting.appendleft([last])
        return True

    def _refuse(self, refusal: ProviderRefused) -> None:
        """Raise `refusal`, or leave everybody who is open untried when somebody was accepted before."""
        rest = self._open()
        untried = refuse_or_stop(refusal, list(self._settled.values()), [self._recipients[at] for at in rest])
        self._settled.update(zip(rest, untried, strict=True))

    def _leave(self, verdict: Verdict) -> None:
        waits = Fate(Status.NOT_TRIED, waits_sentence(verdict.sentence))
        for position in self._open():
            self._settled[position] = outcome(self._recipients[position], waits, verdict.retry_after)

    def _open(self) -> list[int]:
        return [position for position in range(len(self._recipients)) if position not in self._settled]


def may_be_the_mail(unnamed: int, *, taken: bool) -> bool:
    """Tell whether `unnamed` readers refused in a row are too many to be their own fault; `taken`: somebody was."""
    return unnamed >= (MAX_UNNAMED_LATER if taken else MAX_UNNAMED)


def outcome(recipient: Recipient, fate: Fate, retry_after: float | None) -> Outcome:
    """Return a reader's fate as the ledger takes it; a wait only where waiting helps."""
    wait = retry_after if fate.status in {Status.NOT_TRIED, Status.DEFERRED} else None
    return Outcome(recipient.delivery_id, fate.status, fate.detail, fate.reference, wait)


def waits_sentence(why: str) -> str:
    """Return what is said of a reader whose turn did not come."""
    return f"waits, because of the request before: {why}"


def unnamed_refusal(provider: str, sentence: str) -> ProviderRefused:
    """Return the refusal of a mail of which several readers were refused, and none for a reason of theirs."""
    return ProviderRefused(provider, f"several readers were refused without a reason of theirs: {sentence}")
