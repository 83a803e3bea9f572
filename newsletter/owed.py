"""Sending mails that single readers are owed, each at most once: claimed first, and given back when surely not sent."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from sqlmodel import Session

from newsletter.db import Database
from newsletter.errors import ProviderRefused
from newsletter.mail import Mail, Recipient, Status
from newsletter.providers import Provider

log = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True)
class Owed:
    """A mail to one reader, and how it is claimed, given back as if never claimed, and put off as tried.

    `what` names it in the log, and `given_up` says there what it means when no try is left. `claim` returns False when
    there is nothing to send any more, and `put_off` when that was the last try.
    """

    what: str
    mail: Mail
    recipient: Recipient
    claim: Callable[[Session], bool]
    give_back: Callable[[Session], None]
    put_off: Callable[[Session], bool]
    given_up: str = "given up"


def send_each(db: Database, provider: Provider, waiting: Iterable[tuple[int, Callable[[], Owed]]]) -> int:
    """Send the waiting mails, each given with its edition's id, and return how many the provider took.

    What a reader's server puts off waits and holds up nobody else. When the provider is out of reach the call ends.
    Raises ProviderRefused, after the others were sent, when it refuses an edition's mail; that waits.
    """
    accepted = 0
    refusals: dict[int, ProviderRefused] = {}
    for edition_id, make in waiting:
        if edition_id in refusals:
            continue
        try:
            status = _send(db, provider, make())
        except ProviderRefused as error:
            refusals[edition_id] = error  # perhaps only this edition's sender is refused: the others go on
            continue
        accepted += status is Status.ACCEPTED
        if status is Status.NOT_TRIED:
            break
    for refusal in refusals.values():
        raise refusal
    return accepted


def _send(db: Database, provider: Provider, owed: Owed) -> Status | None:
    """Claim one mail, send it and return what became of it; None when there is nothing to send any more.

    What surely was not sent is given back: as a try when the reader's server did not take it, else as if never claimed.
    """
    with db.transaction() as session:
        if not owed.claim(session):
            return None
    try:
        [outcome] = provider.send(owed.mail, [owed.recipient])
    except ProviderRefused:
        _in_transaction(db, owed.give_back)
        raise
    if outcome.status is Status.ACCEPTED:
        return outcome.status
    then = ""
    if outcome.status is Status.NOT_TRIED:
        _in_transaction(db, owed.give_back)
    elif outcome.status in {Status.DEFERRED, Status.REFUSED} and not _in_transaction(db, owed.put_off):
        then = f"; {owed.given_up}"
    said = without_address(outcome.detail, owed.recipient.address)
    log.warning("%s: %s (%s)%s", owed.what, outcome.status, said, then)
    return outcome.status


def without_address(text: str, address: str) -> str:
    """Return a server's words fit for a log: they often repeat whom the mail was for. Pure."""
    return re.sub(re.escape(address), "(address)", text, flags=re.IGNORECASE)


def _in_transaction(db: Database, change: Callable[[Session], _T]) -> _T:
    with db.transaction() as session:
        return change(session)
