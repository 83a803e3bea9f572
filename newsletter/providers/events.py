"""What providers tell after they took a mail: their events in one vocabulary, whoever reports them.

A provider that reports over HTTP has `events`, which checks that a request is genuine and translates it. What its words
mean is a table of its own; a word that is not in it stays `OTHER`, and the raw event is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from newsletter.errors import NewsletterError
from newsletter.mail import Kind

__all__ = ["Answering", "Event", "Kind", "NotGenuine", "Reporting", "ReportsOff", "Suppressed", "Suppressing"]


@dataclass(frozen=True)
class Event:
    """One report about one mail. `delivery_id` is ours, from what we gave along; empty when it did not come back."""

    #: Unique at the provider: the same id is the same event, however often it comes.
    id: str
    kind: Kind
    at: datetime
    delivery_id: str = ""
    #: Whose try it was (`Recipient.attempt`); 0 when it did not come back.
    attempt: int = 0
    #: The provider's own id of the message.
    reference: str = ""
    address: str = ""
    #: What the reader's server said, in its words.
    detail: str = ""
    #: This event as it came, without other readers' data.
    raw: Mapping[str, Any] = field(default_factory=dict)


class NotGenuine(NewsletterError):
    """A request that is not surely the provider's: no signature, a wrong or an old one. Nothing of it is believed."""


class ReportsOff(NotGenuine):
    """The provider's settings have no key to know its reports by, so there is nothing that could be believed."""


@runtime_checkable
class Reporting(Protocol):
    """A provider that reports over HTTP."""

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
        """Return the events of one request; names of headers are in lower case.

        Raises ReportsOff without a key, NotGenuine unless the request proves that it is the provider's (threat 15), and
        ValueError when it is genuine and cannot be read.
        """
        ...


@dataclass(frozen=True)
class Suppressed:
    """An address that the provider writes to no more, and why: BOUNCED, BLOCKED, COMPLAINED, UNSUBSCRIBED or OTHER."""

    address: str
    kind: Kind
    at: datetime
    detail: str = ""


@runtime_checkable
class Suppressing(Protocol):
    """A provider that keeps addresses to which it does not write, whatever it is asked."""

    def suppressed(self, since: datetime | None) -> Iterator[Suppressed]:
        """Yield the addresses suppressed since `since`, or all. Raises ProviderRefused when that cannot be told."""
        ...

    def lift(self, address: str) -> bool:
        """Let the address be written to again; False when it was not suppressed. Raises ProviderRefused."""
        ...


@runtime_checkable
class Answering(Protocol):
    """A provider that can be asked later what it has taken."""

    def taken(self, attempt: int, since: datetime) -> set[str] | None:
        """Return the delivery ids of a try that the provider knows of; None when it cannot tell.

        A delivery that is not in the set may still have been taken: the provider's memory comes late.
        """
        ...
