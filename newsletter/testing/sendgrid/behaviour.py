"""What becomes of a mail after it was taken: a few steps in time, chosen by the reader's address. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

MINUTE = 60.0
HOUR = 3600.0


class Addressed(Protocol):
    """What a behaviour is chosen by: a mail of the simulator."""

    @property
    def address(self) -> str:
        """The reader's address."""
        ...

    @property
    def custom_args(self) -> Mapping[str, str]:
        """What the sender gave along."""
        ...


@dataclass(frozen=True)
class Step:
    """One event, `after` seconds from when the mail was processed, with fields of its own."""

    event: str
    after: float = 0.0
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: Reported by a message that came back later, which may lack every id (twilio docs #5177).
    asynchronous: bool = False


#: Steps for a mail, or None for those of its address.
Behaviour = Callable[[Addressed], Sequence[Step] | None]

_GONE = {
    "type": "bounce",
    "status": "5.1.1",
    "reason": "550 5.1.1 The mailbox does not exist",
    "bounce_classification": "Invalid Address",
}
_FULL = {
    "type": "blocked",
    "status": "4.2.2",
    "reason": "452 4.2.2 The mailbox is full",
    "bounce_classification": "Mailbox Unavailable",
}
#: SendGrid leaves the status out for a domain that does not exist.
_NO_DOMAIN = {
    "type": "blocked",
    "reason": "unable to get mx info: no such host",
    "bounce_classification": "Unclassified",
}
_MACHINE = {"useragent": "Mozilla/5.0", "ip": "192.0.2.7"}

PROCESSED = Step("processed")
DELIVERED = Step("delivered", 2.0, {"response": "250 2.0.0 OK", "ip": "192.0.2.1", "tls": 1})
_BOUNCED = Step("bounce", 2.0, _GONE)
_BLOCKED = Step("bounce", 2.0, _FULL)
_OPENED = Step("open", HOUR, {**_MACHINE, "sg_machine_open": False})
_CLICKED = Step(
    "click", HOUR + 5, {**_MACHINE, "url": "https://example.org/", "url_offset": {"index": 0, "type": "html"}}
)


def _deferrals(count: int) -> tuple[Step, ...]:
    """Return deferrals with growing gaps, as a mail server makes them."""
    return tuple(
        Step(
            "deferred",
            MINUTE * 5 * (2**attempt - 1) + 2,
            {"response": "451 4.7.1 Try again later", "attempt": str(attempt + 1)},
        )
        for attempt in range(count)
    )


#: By how an address begins; the first that fits counts. All others are delivered.
BY_ADDRESS: tuple[tuple[str, tuple[Step, ...]], ...] = (
    ("late-bounce-", (PROCESSED, DELIVERED, Step("bounce", 2 * HOUR, _GONE, asynchronous=True))),
    ("bounce-", (PROCESSED, _BOUNCED)),
    ("block-", (PROCESSED, _BLOCKED)),
    ("nodomain-", (PROCESSED, Step("bounce", 2.0, _NO_DOMAIN))),
    ("defer-", (PROCESSED, *_deferrals(3), Step("delivered", 1 * HOUR, DELIVERED.fields))),
    (
        "expire-",
        (PROCESSED, *_deferrals(9), Step("bounce", 72 * HOUR, {**_FULL, "reason": "expired after 72 hours"})),
    ),
    ("drop-", (Step("dropped", 0.0, {"reason": "Invalid", "status": "5.0.0"}),)),
    ("spam-", (PROCESSED, DELIVERED, Step("spamreport", 3 * HOUR))),
    ("open-", (PROCESSED, DELIVERED, _OPENED)),
    ("click-", (PROCESSED, DELIVERED, _OPENED, _CLICKED)),
    ("unsubscribe-", (PROCESSED, DELIVERED, Step("unsubscribe", 2 * HOUR))),
    ("silent-", ()),
    ("", (PROCESSED, DELIVERED)),
)


def steps(mail: Addressed, behaviour: Behaviour | None = None) -> Sequence[Step]:
    """Return what happens to a mail, in order of time: what `behaviour` says, or else its address (BY_ADDRESS)."""
    said = behaviour(mail) if behaviour else None
    if said is not None:
        return sorted(said, key=lambda step: step.after)
    address = mail.address.lower()
    return next(found for beginning, found in BY_ADDRESS if address.startswith(beginning))


def dropped(reason: str) -> Sequence[Step]:
    """Return what happens to a mail that is not sent, with SendGrid's word for why."""
    return (Step("dropped", 0.0, {"reason": reason, "status": "5.0.0"}),)
