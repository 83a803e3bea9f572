"""What passes between the ledger and those who send: readers, claims, the terms of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from newsletter.delivery.rates import NO_LIMITS, Limits

#: A claim holds for this long. A worker that is slower only has its rows shown as uncertain until it reports.
LEASE = timedelta(minutes=15)


class Reader(NamedTuple):
    """One reader of a claimed chunk; a tuple, since a million are made. `since` is when they joined the list."""

    number: int
    #: The delivery's name (`delivery.names`).
    delivery_id: str
    address: str
    name: str
    subscription_id: int
    since: datetime


@dataclass(frozen=True)
class Claim:
    """A chunk that one worker may send now, as one attempt."""

    issue_id: int
    chunk_id: int
    #: The chunk's number within the issue.
    n: int
    attempt: int
    tries: int
    readers: tuple[Reader, ...]
    provider: str
    at: datetime
    #: Its readers get the mail without html.
    text_only: bool = False


@dataclass(frozen=True)
class Terms:
    """On what terms a worker claims: for which provider, how many readers at most, as part of which batch."""

    provider: str = ""
    #: How many readers a call may have; 0: any number. And the first call of a new account; 0: as any other (`pace`).
    full: int = 0
    first: int = 0
    limits: Limits = NO_LIMITS
    sender_domain: str = ""
    #: The provider's batch, and when it is to be sent.
    batch: str = ""
    send_at: datetime | None = None


ANY_TERMS = Terms()
