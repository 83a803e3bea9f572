"""One call of `send`: the requests that are still to be made, and the outcomes so far.

A request that is refused without a word on who is to blame is searched: half of it goes by itself, and then the half
of that in which the fault is, until one reader is alone. What is sent on the way is sent; whoever was passed over goes
together again. So a bad reader costs about log2(1000) requests, and nobody is rejected but by an answer of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from newsletter.errors import NewsletterError, ProviderRefused
from newsletter.mail import Outcome, Recipient, Status
from newsletter.providers import refuse_or_stop
from newsletter.providers.message import ascii_address
from newsletter.providers.sendgrid.answer import Then, Verdict
from newsletter.providers.sendgrid.request import Compiled, batches

NAME = "sendgrid"
#: After so many readers who were refused alone, and nobody taken, it is the mail and not the readers.
_MAX_REFUSED_ALONE = 3
#: After so many answers that each named some readers, and nobody taken, one goes alone.
_DOUBTFUL_REFUSALS = 8


@dataclass(frozen=True)
class _Request:
    """The positions of a request, and of whom it keeps waiting while it searches for a fault."""

    positions: list[int]
    #: The fault is with one of these when all of `positions` are taken.
    suspects: list[int] = field(default_factory=list)
    #: Whoever was passed over: nothing is known of them.
    passed: list[int] = field(default_factory=list)


class Call:
    """Sends a compiled mail to some recipients. `post` makes a request from the personalizations of some of them."""

    def __init__(self, post: Callable[[list[str]], Verdict], mail: Compiled, recipients: Sequence[Recipient]) -> None:
        self._post = post
        self._mail = mail
        self._recipients = recipients
        self._settled: dict[int, Outcome] = {}
        self._waiting: deque[_Request] = deque()
        self._taken = False
        self._refusals = 0
        self._refused_alone = 0

    def outcomes(self) -> list[Outcome]:
        """Make the requests and return one outcome for each recipient, in order. Raises ProviderRefused."""
        addresses, written = self._written()
        self._waiting.extend(_Request(positions) for positions in batches(addresses))
        while self._waiting:
            asked = self._next()
            self._follow(asked, self._post([written[position] for position in asked.positions]))
        return [self._settled[position] for position in range(len(self._recipients))]

    def _written(self) -> tuple[dict[int, str], dict[int, str]]:
        """Return position -> address and position -> personalization; who cannot have one is rejected at once."""
        addresses, written = {}, {}
        for position, recipient in enumerate(self._recipients):
            try:
                address = ascii_address(recipient.address)
                written[position] = self._mail.personalization(recipient, address)
                addresses[position] = address
            except NewsletterError as error:
                self._settled[position] = Outcome(recipient.delivery_id, Status.REJECTED, str(error))
        return addresses, written

    def _next(self) -> _Request:
        """Take out the next request; in doubt only one of it, from here and there, and the others go after that."""
        asked = self._waiting.popleft()
        if self._in_doubt() and len(asked.positions) > 1:
            at = len(asked.positions) * (self._refused_alone + 1) // (_MAX_REFUSED_ALONE + 1)
            others = asked.positions[:at] + asked.positions[at + 1 :]
            self._waiting.appendleft(replace(asked, positions=others))
            asked = _Request([asked.positions[at]])
        return asked

    def _follow(self, asked: _Request, verdict: Verdict) -> None:
        """Do what a verdict says about a request."""
        waiting = [_Request(positions) for positions in (asked.suspects, asked.passed) if positions]
        if verdict.then is Then.GO_ON:
            self._settle(asked.positions, verdict.status, verdict)
            self._taken = True
            if asked.suspects:
                self._search(asked.suspects, asked.passed)
            else:
                self._waiting.extendleft(waiting)
        elif verdict.then is Then.SEARCH:
            self._search(asked.positions, asked.suspects + asked.passed)
        elif verdict.then is Then.HALVES:
            middle = len(asked.positions) // 2
            halves = [_Request(asked.positions[:middle]), _Request(asked.positions[middle:])]
            self._waiting.extendleft(reversed(halves + waiting))
        elif verdict.then is Then.WITHOUT_BAD:
            others = self._without_bad(asked, verdict) + asked.suspects + asked.passed
            self._waiting.extendleft([_Request(others)] if others else [])
        elif verdict.then is Then.REFUSE:
            self._refuse(verdict.sentence)
        else:
            self._settle(asked.positions, verdict.status, verdict)
            waits = replace(verdict, sentence=f"waits, because of the request before: {verdict.sentence}")
            self._settle(self._open(), Status.NOT_TRIED, waits)
            self._waiting.clear()

    def _search(self, suspects: list[int], passed: list[int]) -> None:
        """Ask next for half of those with whom the fault is, or for the one that is left."""
        middle = (len(suspects) + 1) // 2
        self._waiting.appendleft(_Request(suspects[:middle], suspects[middle:], passed))

    def _without_bad(self, asked: _Request, verdict: Verdict) -> list[int]:
        """Reject the bad ones of a request and return the others. Raises ProviderRefused when it is the mail."""
        for at, words in verdict.bad.items():
            position = asked.positions[at]
            self._settled[position] = Outcome(self._recipients[position].delivery_id, Status.REJECTED, words)
        alone = len(asked.positions) == 1 and (verdict.found_by_search or self._in_doubt())
        self._refused_alone += alone
        self._refusals += 1
        if self._refused_alone >= _MAX_REFUSED_ALONE and not self._taken:
            words = next(iter(verdict.bad.values()))
            raise ProviderRefused(NAME, f"several readers were refused without a reason of theirs: {words}")
        return [position for at, position in enumerate(asked.positions) if at not in verdict.bad]

    def _in_doubt(self) -> bool:
        """Tell whether it may be the mail that is refused, and none of its readers is bad."""
        return not self._taken and (self._refused_alone > 0 or self._refusals >= _DOUBTFUL_REFUSALS)

    def _refuse(self, sentence: str) -> None:
        """Raise ProviderRefused, or leave everybody who is open untried when somebody was accepted before."""
        still_open = self._open()
        rest = [self._recipients[position] for position in still_open]
        untried = refuse_or_stop(ProviderRefused(NAME, sentence), list(self._settled.values()), rest)
        self._settled.update(zip(still_open, untried, strict=True))
        self._waiting.clear()

    def _settle(self, positions: Iterable[int], status: Status, verdict: Verdict) -> None:
        wait = verdict.retry_after if status is Status.NOT_TRIED else None
        for position in positions:
            delivery_id = self._recipients[position].delivery_id
            self._settled[position] = Outcome(delivery_id, status, verdict.sentence, verdict.reference, wait)

    def _open(self) -> list[int]:
        return [position for position in range(len(self._recipients)) if position not in self._settled]
