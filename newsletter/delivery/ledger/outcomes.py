"""What follows an outcome. Pure: `what_follows` is the only place that decides it (docs/design.md, "The ledger")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from newsletter.delivery.ledger.values import Claim, Reader
from newsletter.mail import Outcome, Status
from newsletter.models import DeliveryState
from newsletter.owed import without_address

#: A reader whose server keeps deferring is tried this often, then given up with the server's last words.
MAX_TRIES = 5

S = DeliveryState
#: Every change of state there is. The table in docs/design.md says what makes each of them.
TRANSITIONS: frozenset[tuple[DeliveryState, DeliveryState]] = frozenset(
    {
        *((S.PLANNED, to) for to in (S.SENDING, S.SUPPRESSED, S.ACCEPTED, S.UNCERTAIN)),
        *((S.SENDING, to) for to in (S.ACCEPTED, S.REJECTED, S.PLANNED, S.UNCERTAIN)),
        *((S.UNCERTAIN, to) for to in (S.ACCEPTED, S.REJECTED, S.PLANNED)),
        (S.REJECTED, S.PLANNED),
        (S.ACCEPTED, S.PLANNED),
        (S.ACCEPTED, S.UNCERTAIN),
    }
)


_FINAL = {Status.ACCEPTED: S.ACCEPTED, Status.REJECTED: S.REJECTED, Status.UNCERTAIN: S.UNCERTAIN}


class Then(Enum):
    """What becomes of a reader after an outcome."""

    #: Its state is final, as far as sending goes.
    SETTLED = 1
    #: Tried again after a wait of its own; it cost a try.
    LATER = 2
    #: Nothing was found out: it waits with the rest of the list, and no try is counted.
    WAIT = 3
    #: As WAIT, and nobody is tried until a person has looked.
    HOLD = 4


class Consequence(NamedTuple):
    """What follows one outcome: the delivery's state, what happens next, and the words to keep."""

    state: DeliveryState
    then: Then
    detail: str


def what_follows(outcome: Outcome, tries: int, *, anybody_accepted: bool) -> Consequence:
    """Return what follows an outcome of a reader whose chunk was tried `tries` times before.

    What says nothing about a reader costs them no try: an outage of the provider rejects nobody. A refusal for policy
    is about us as long as nobody at all was accepted; once somebody was, it is about the reader.
    """
    status, detail = outcome.status, outcome.detail
    if (final := _FINAL.get(status)) is not None:
        return Consequence(final, Then.SETTLED, detail)
    if status is Status.NOT_TRIED:
        return Consequence(S.PLANNED, Then.WAIT, detail)
    if status is Status.REFUSED and not anybody_accepted:
        return Consequence(S.PLANNED, Then.HOLD, detail)
    if tries + 1 < MAX_TRIES:
        return Consequence(S.PLANNED, Then.LATER, detail)
    return Consequence(S.REJECTED, Then.SETTLED, f"given up after {MAX_TRIES} tries: {detail}")


@dataclass
class Settled:
    """What is to be written for a claim."""

    #: Readers whose state is decided, with what was said of them.
    final: list[tuple[Reader, Consequence, Outcome]] = field(default_factory=list)
    later: list[tuple[Reader, Outcome]] = field(default_factory=list)
    not_tried: list[tuple[Reader, Outcome]] = field(default_factory=list)
    #: Seconds the provider asked for; 0 when it did not.
    retry_after: float = 0
    #: Why a person has to look before anybody else is tried; "" when nobody has to.
    refusal: str = ""

    def keep_only(self, numbers: set[int]) -> None:
        """Forget the readers who are to be tried later but are no longer this claim's to decide about."""
        self.later = [one for one in self.later if one[0].number in numbers]
        self.not_tried = [one for one in self.not_tried if one[0].number in numbers]
        if not self.not_tried:
            self.refusal = ""

    @property
    def anybody_accepted(self) -> bool:
        """Whether anybody was."""
        return any(follows.state is S.ACCEPTED for _, follows, _ in self.final)


def settle(claimed: Claim, outcomes: Sequence[Outcome], *, anybody_accepted: bool) -> Settled:
    """Return what outcomes mean for the readers of a claim. Pure. Who is not mentioned is uncertain."""
    told = {outcome.delivery_id: outcome for outcome in outcomes}
    anybody_accepted |= any(outcome.status is Status.ACCEPTED for outcome in outcomes)
    settled = Settled()
    for reader in claimed.readers:
        outcome = told.get(reader.delivery_id) or Outcome(
            reader.delivery_id, Status.UNCERTAIN, "the provider did not mention it"
        )
        outcome = _for_good(outcome, reader.address)
        follows = what_follows(outcome, claimed.tries, anybody_accepted=anybody_accepted)
        if follows.then is Then.SETTLED:
            settled.final.append((reader, follows, outcome))
        elif follows.then is Then.LATER:
            settled.later.append((reader, outcome))
        else:
            settled.not_tried.append((reader, outcome))
            settled.retry_after = max(settled.retry_after, outcome.retry_after or 0)
            if follows.then is Then.HOLD:
                settled.refusal = f"held: the provider refuses every reader so far, such as: {follows.detail}"
    return settled


def _for_good(outcome: Outcome, address: str) -> Outcome:
    """Return an outcome that does not repeat whom the mail was for: what attempts came to is kept (threat 23)."""
    if "@" not in outcome.detail + outcome.reference:
        return outcome
    said, reference = (without_address(text, address) for text in (outcome.detail, outcome.reference))
    return replace(outcome, detail=said, reference=reference)
