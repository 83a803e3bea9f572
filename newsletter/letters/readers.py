"""Welcome, when a reader has joined; goodbye, when one has left on the page and the edition wants it said."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from newsletter import issues
from newsletter.db import Database
from newsletter.delivery.message import list_headers
from newsletter.identity import identity_of
from newsletter.mail import Recipient
from newsletter.models import Edition, Issue, IssueState
from newsletter.owed import LOOK_AHEAD, Owed, Unmade, send_each
from newsletter.providers import Provider
from newsletter.render import GoodbyeContent, Identity, Renderer, WelcomeContent
from newsletter.signup import edition_of
from subscribers import letters
from subscribers.consent import subscription
from subscribers.letters import OwedLetter
from subscribers.models import LetterKind, MailingList
from subscribers.tokens import Purpose, Signer

log = logging.getLogger(__name__)


def owe_welcome(session: Session, subscription_id: int) -> None:
    """Take down that a reader who has just joined is owed a welcome, where the list's edition has one."""
    _owe(session, LetterKind.WELCOME, subscription_id)


def owe_goodbye(session: Session, subscription_id: int) -> None:
    """Take down that a reader who has just left on the page is owed a goodbye, where the list's edition has one.

    Never after a one-click request or a complaint: who leaves that way wants no further mail (RFC 8058, section 3).
    """
    _owe(session, LetterKind.GOODBYE, subscription_id)


def send_letters(
    db: Database,
    provider: Provider,
    renderer: Renderer,
    signer: Signer,
    *,
    base_url: str,
    now: datetime,
    limit: int = 100,
) -> int:
    """Send at most `limit` waiting letters and return how many the provider took.

    Mails are sent, put off and refused as `send_each` does. Raises what it does. A letter that the list's edition does
    not send any more is dropped.
    """
    with db.reading() as session:
        waiting = letters.awaiting(session, LOOK_AHEAD, now)
        editions = {list_id: edition_of(session, list_id) for list_id in {one.list_id for one in waiting}}
    unmade: list[Unmade] = []
    for one in waiting:
        edition = editions[one.list_id]
        if edition and _sends(edition, one.kind):
            make = partial(_owed, db, renderer, signer, edition, one, base_url=base_url, now=now)
            unmade.append(Unmade(edition.slug, one.kind, make))
        else:
            _drop(db, one)
    return send_each(db, provider, unmade, limit=limit)


def _owe(session: Session, kind: LetterKind, subscription_id: int) -> None:
    row = subscription(session, subscription_id)
    if row and _sends(edition_of(session, row.list_id), kind):
        letters.owe(session, kind, subscription_id)


def _sends(edition: Edition | None, kind: LetterKind) -> bool:
    """Tell whether an edition, that of a reader's list, sends letters of the kind. Pure."""
    if edition is None or not edition.enabled:
        return False
    return edition.welcome if kind is LetterKind.WELCOME else edition.goodbye


def _drop(db: Database, one: OwedLetter) -> None:
    """Let a letter wait no longer that is not to be sent, so that it never holds up the others."""
    with db.transaction() as session:
        dropped = letters.drop(session, one.id)
    if dropped:
        why = "its list has no edition that sends one"
        log.warning("subscription %s gets no %s mail: %s", one.subscription_id, one.kind, why)


def _owed(
    db: Database,
    renderer: Renderer,
    signer: Signer,
    edition: Edition,
    one: OwedLetter,
    *,
    base_url: str,
    now: datetime,
) -> Owed:
    """Return one reader's letter, ready to be claimed and sent."""
    token = signer.sign(Purpose.UNSUBSCRIBE, one.subscription_id)
    with db.reading() as session:
        if one.kind is LetterKind.WELCOME:
            preferences = signer.sign(Purpose.PREFERENCES, one.subscription_id)
            links = f"{base_url}/p/{preferences}", f"{base_url}/u/{token}"
            mail = renderer.welcome(_welcome(session, edition, one, links, base_url=base_url, now=now))
            leaving = list_headers(mail, session.get_one(MailingList, one.list_id), base_url)
        else:
            mail = renderer.goodbye(_goodbye(session, edition, one, base_url))
            leaving = ()  # they have left
    # The same letter always has the same Message-ID, so that a receiver can tell a repeated mail (RFC 7352).
    cause = f"{one.kind} {one.subscription_id} {one.caused_at.isoformat()} {base_url}"
    message = hashlib.sha256(cause.encode()).hexdigest()[:32]
    domain = edition.sender_address.rpartition("@")[2]
    headers = (("Message-ID", f"<{message}@{domain}>"), ("Auto-Submitted", "auto-generated"))  # RFC 3834
    return Owed(
        what=f"{one.kind} mail for subscription {one.subscription_id}",
        mail=replace(mail.text_alone if one.text_only else mail, headers=headers + leaving),
        recipient=Recipient(message, one.address, "", {"token": token}),
        claim=lambda session: _claim(session, one, now),
        give_back=lambda session: letters.give_back(session, one.id, now),
        put_off=lambda session: letters.put_off(session, one.id, now),
    )


def _claim(session: Session, one: OwedLetter, now: datetime) -> bool:
    """Claim a letter, unless its edition was switched off since it was read which letters wait."""
    return _sends(edition_of(session, one.list_id), one.kind) and letters.claim(session, one.id, now)


def _welcome(
    session: Session, edition: Edition, one: OwedLetter, links: tuple[str, str], *, base_url: str, now: datetime
) -> WelcomeContent:
    """Return what a welcome shows; `links` lead to the reader's preferences and off the list."""
    preferences_url, unsubscribe_url = links
    first = issues.next_slot(edition, now).send_at.astimezone(ZoneInfo(edition.time_zone))
    latest = _latest(session, edition)
    identity = _identity(edition, one)
    return WelcomeContent(
        identity=identity,
        list_name=session.get_one(MailingList, one.list_id).name,
        tagline=edition.tagline if identity.language == edition.language else "",
        weekday=edition.send_weekday,
        first_day=first.date(),
        hour=f"{first:%H:%M}",
        latest_url=f"{base_url}/issues/{edition.slug}/{latest.number}" if latest else "",
        latest_subject=latest.subject if latest else "",
        preferences_url=preferences_url,
        unsubscribe_url=unsubscribe_url,
    )


def _goodbye(session: Session, edition: Edition, one: OwedLetter, base_url: str) -> GoodbyeContent:
    return GoodbyeContent(
        identity=_identity(edition, one),
        list_name=session.get_one(MailingList, one.list_id).name,
        return_url=f"{base_url}/editions/{edition.slug}",
    )


def _identity(edition: Edition, one: OwedLetter) -> Identity:
    """Return who the letter is from, in the language that its reader has chosen, or else the edition's."""
    identity = identity_of(edition)
    return replace(identity, language=one.language) if one.language else identity


def _latest(session: Session, edition: Edition) -> Issue | None:
    """Return the edition's latest issue that has gone out, if any."""
    sent = (Issue.edition_id == edition.id, Issue.state == IssueState.SENT)
    return session.exec(select(Issue).where(*sent).order_by(col(Issue.send_at).desc()).limit(1)).first()
