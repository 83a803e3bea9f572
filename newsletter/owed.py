"""Sending mails that single readers are owed, each at most once: claimed first, and given back when surely not sent."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from sqlmodel import Session

from newsletter.db import Database
from newsletter.errors import ConfigurationError, NewsletterError, ProviderRefused
from newsletter.mail import Mail, Recipient, Status
from newsletter.providers import Provider

log = logging.getLogger(__name__)

#: Of how many waiting mails those are picked that can be sent. Mails of an edition whose templates or sender are wrong
#: keep waiting, and must not fill every call.
LOOK_AHEAD = 10_000

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


@dataclass(frozen=True)
class Unmade:
    """A mail that waits: the slug of its edition, which kind of mail it is, and how it is made."""

    edition: str
    kind: str
    make: Callable[[], Owed]


def send_each(db: Database, provider: Provider, waiting: Iterable[Unmade], *, limit: int) -> int:
    """Try at most `limit` of the waiting mails and return how many the provider took.

    What a reader's server puts off waits and holds up nobody else. When the provider is out of reach the call ends.
    After the others were sent, raises the first error of these: an edition's mail of a kind could not be made
    (ConfigurationError), or the provider refused an edition's mail (ProviderRefused). Those mails wait.
    """
    accepted = tried = 0
    failed: dict[tuple[str, ...], Exception] = {}
    for one in waiting:
        if tried >= limit:
            break
        if failed.keys() & {(one.edition,), (one.edition, one.kind)}:
            continue
        try:
            owed = one.make()
        except Exception as error:  # noqa: BLE001 - raised at the end
            failed[one.edition, one.kind] = not_made(f"{one.kind} mail of {one.edition}", error)
            continue
        tried += 1
        try:
            status = _send(db, provider, owed)
        except ProviderRefused as error:
            failed[one.edition,] = error  # perhaps only this edition's sender is refused: the others go on
            continue
        accepted += status is Status.ACCEPTED
        if status is Status.NOT_TRIED:
            break
    raise_first(failed.values())
    return accepted


def not_made(what: str, error: Exception) -> Exception:
    """Return the error to raise when a mail could not be made: one that names it, where a user can put it right."""
    if not isinstance(error, NewsletterError):
        return error
    named = ConfigurationError(f"The {what} cannot be made: {error}")
    named.__cause__ = error
    return named


def raise_first(errors: Iterable[Exception]) -> None:
    """Raise the first of the errors, if there is any, and log the others."""
    found = list(errors)
    for error in found[1:]:
        log.warning("%s", error, exc_info=None if isinstance(error, NewsletterError) else error)
    if found:
        raise found[0]


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
