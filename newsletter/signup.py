"""The side stage: somebody asks for an edition's list, and a mail asks them to confirm (U3).

    ask -> row waits -> [ claim -> provider.send -> keep, put off or give back ]*

A confirmation mail is claimed before it is sent: a crash between the two leaves one reader without a mail, who can ask
again, and never mails anybody twice.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.errors import ProviderRefused
from newsletter.mail import Mail, Recipient, Sender, Status
from newsletter.models import Edition
from newsletter.providers import Provider
from newsletter.render import ConfirmContent, Renderer
from subscribers import confirmations, consent
from subscribers.addresses import parse_address
from subscribers.confirmations import Waiting
from subscribers.consent import Requested
from subscribers.tokens import CONFIRM_WITHIN, Signer

log = logging.getLogger(__name__)

_WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def frequency(edition: Edition) -> str:
    """Return how often the edition comes, such as "weekly, on Saturdays at 07:00 (Kyiv time)" (U2)."""
    zone = zone_in_words(edition.time_zone)
    return f"weekly, on {_WEEKDAYS[edition.send_weekday]} at {edition.send_hour_minute} ({zone})"


def zone_in_words(time_zone: str) -> str:
    """Return a time zone as people say it: Europe/Kyiv is "Kyiv time"."""
    place = time_zone.rpartition("/")[2].replace("_", " ")
    return place if place in {"UTC", "GMT"} else f"{place} time"


def consent_wording(edition: Edition) -> str:
    """Return the words beside the sign-up button: the page shows these and the evidence keeps them."""
    return (
        f"Press “Sign up” to get {edition.name} by e-mail, {frequency(edition)}. "
        "You can leave at any time with the link in every mail."
    )


def ask(
    session: Session, *, edition: Edition, address_text: str, now: datetime, source: str, network: str, name: str = ""
) -> Requested:
    """Take down that somebody asked for the edition with this address; the mail is `send_confirmations`'s to send.

    `source` is the page's address, `network` the client's IP address. Raises InvalidAddress. What comes back must not
    change what a stranger sees (threat 12).
    """
    return consent.request(
        session,
        list_id=edition.list_id,
        address=parse_address(address_text.strip()),
        name=name,
        now=now,
        source=source,
        wording=consent_wording(edition),
        network=network,
    )


@dataclass(frozen=True)
class _Letter:
    """One reader's confirmation mail, ready to be claimed and sent."""

    subscription_id: int
    requested_at: datetime
    mail: Mail
    recipient: Recipient


def send_confirmations(
    db: Database,
    provider: Provider,
    renderer: Renderer,
    signer: Signer,
    *,
    base_url: str,
    now: datetime,
    limit: int = 100,
) -> int:
    """Send at most `limit` waiting confirmation mails and return how many the provider took.

    What a reader's server puts off waits, longer each time, and holds up nobody else. When the provider is out of reach
    the call ends. Raises ProviderRefused, after the others were sent, when it refuses an edition's mail; that waits.
    """
    with db.reading() as session:
        waiting = confirmations.awaiting(session, limit, now)
        editions = {one.list_id: _edition_of(session, one.list_id) for one in waiting}
    accepted = 0
    refusals: dict[int, ProviderRefused] = {}
    for one in waiting:
        edition = editions[one.list_id]
        if edition is None:
            _give_up(db, one, now)
            continue
        if edition.id in refusals:
            continue
        try:
            status = _send(db, provider, _letter(renderer, signer, edition, one, base_url), now)
        except ProviderRefused as error:
            refusals[edition.id] = error  # perhaps only this edition's sender is refused: the others go on
            continue
        accepted += status is Status.ACCEPTED
        if status is Status.NOT_TRIED:
            break
    for refusal in refusals.values():
        raise refusal
    return accepted


def _edition_of(session: Session, list_id: int) -> Edition | None:
    """Return the edition whose look and sender a list's mail has: the first enabled one, or else the first."""
    editions = select(Edition).where(Edition.list_id == list_id)
    return session.exec(editions.order_by(col(Edition.enabled).desc(), col(Edition.id)).limit(1)).first()


def _give_up(db: Database, one: Waiting, now: datetime) -> None:
    """Let a mail that cannot be sent any more wait no longer, so that it never holds up the others."""
    with db.transaction() as session:
        confirmations.claim(session, one.subscription_id, now)
    log.warning("subscription %s gets no confirmation mail: its list has no edition", one.subscription_id)


def _letter(renderer: Renderer, signer: Signer, edition: Edition, one: Waiting, base_url: str) -> _Letter:
    token = signer.sign_confirm(one.subscription_id, one.requested_at)
    content = ConfirmContent(
        edition_name=edition.name,
        language=edition.language,
        publisher=edition.publisher,
        postal_address=edition.postal_address,
        contact=edition.contact,
        confirm_url=f"{base_url}/c/{token}",
        weekday=edition.send_weekday,
        valid_days=CONFIRM_WITHIN.days,
        sender=Sender(edition.sender_name, edition.sender_address, edition.reply_to),
    )
    # The same request always has the same Message-ID, so that a receiver can tell a repeated mail (RFC 7352).
    message = hashlib.sha256(token.encode()).hexdigest()[:32]
    domain = edition.sender_address.rpartition("@")[2]
    headers = (("Message-ID", f"<{message}@{domain}>"), ("Auto-Submitted", "auto-generated"))  # RFC 3834
    mail = replace(renderer.confirm(content), headers=headers)
    return _Letter(one.subscription_id, one.requested_at, mail, Recipient(message, one.address, "", {}))


def _send(db: Database, provider: Provider, letter: _Letter, now: datetime) -> Status | None:
    """Claim one mail, send it and return what became of it; None when there is nothing to send any more.

    What surely was not sent is given back: as a try when the reader's server did not take it, else as if never claimed.
    """
    if not _claim(db, letter, now):
        return None
    try:
        [outcome] = provider.send(letter.mail, [letter.recipient])
    except ProviderRefused:
        _give_back(db, letter, now)
        raise
    if outcome.status is Status.ACCEPTED:
        return outcome.status
    then = ""
    if outcome.status is Status.NOT_TRIED:
        _give_back(db, letter, now)
    elif outcome.status in {Status.DEFERRED, Status.REFUSED} and not _put_off(db, letter, now):
        then = "; given up until they ask again"
    said = without_address(outcome.detail, letter.recipient.address)
    log.warning("confirmation mail for subscription %s: %s (%s)%s", letter.subscription_id, outcome.status, said, then)
    return outcome.status


def without_address(text: str, address: str) -> str:
    """Return a server's words fit for a log: they often repeat whom the mail was for. Pure."""
    return re.sub(re.escape(address), "(address)", text, flags=re.IGNORECASE)


def _claim(db: Database, letter: _Letter, now: datetime) -> bool:
    with db.transaction() as session:
        if not confirmations.claim(session, letter.subscription_id, now):
            return False
        row = consent.subscription(session, letter.subscription_id)
        if row is None or row.requested_at != letter.requested_at:
            # They asked again since this mail was written: its link is outdated, the next call writes a new one.
            confirmations.give_back(session, letter.subscription_id, now)
            return False
    return True


def _put_off(db: Database, letter: _Letter, now: datetime) -> bool:
    """Give one mail back as tried; return False when it will not be tried any more."""
    with db.transaction() as session:
        return confirmations.put_off(session, letter.subscription_id, now, now)


def _give_back(db: Database, letter: _Letter, claimed_at: datetime) -> None:
    with db.transaction() as session:
        confirmations.give_back(session, letter.subscription_id, claimed_at)
