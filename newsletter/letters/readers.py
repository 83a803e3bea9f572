"""Welcome, when a reader has joined; goodbye, when one has left on the page and the edition wants it said."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from newsletter import issues
from newsletter.db import Database
from newsletter.identity import identity_of
from newsletter.mail import Recipient
from newsletter.models import Edition, Issue, IssueState
from newsletter.owed import Owed, send_each
from newsletter.providers import Provider
from newsletter.render import GoodbyeContent, Renderer, WelcomeContent
from newsletter.signup import edition_of
from subscribers import letters
from subscribers.consent import subscription
from subscribers.letters import OwedLetter
from subscribers.models import LetterKind, MailingList
from subscribers.tokens import Purpose, Signer


def owe_welcome(session: Session, subscription_id: int) -> None:
    """Take down that a reader who has just joined is owed a welcome, where the list's edition has one."""
    if (edition := _edition(session, subscription_id)) and edition.welcome:
        letters.owe(session, LetterKind.WELCOME, subscription_id)


def owe_goodbye(session: Session, subscription_id: int) -> None:
    """Take down that a reader who has just left on the page is owed a goodbye, where the list's edition has one.

    Never after a one-click request or a complaint: who leaves that way wants no further mail (RFC 8058, section 3).
    """
    if (edition := _edition(session, subscription_id)) and edition.goodbye:
        letters.owe(session, LetterKind.GOODBYE, subscription_id)


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

    Mails are sent, put off and refused as `send_each` does. Raises ProviderRefused as it does.
    """
    with db.reading() as session:
        waiting = letters.awaiting(session, limit, now)
        editions = {one.list_id: edition_of(session, one.list_id) for one in waiting}
    owed = [
        (edition.id, partial(_owed, db, renderer, signer, edition, one, base_url=base_url, now=now))
        for one in waiting
        if (edition := editions[one.list_id])
    ]
    return send_each(db, provider, owed)


def _edition(session: Session, subscription_id: int) -> Edition | None:
    row = subscription(session, subscription_id)
    edition = edition_of(session, row.list_id) if row else None
    return edition if edition and edition.enabled else None


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
    with db.reading() as session:
        if one.kind is LetterKind.WELCOME:
            mail = renderer.welcome(_welcome(session, signer, edition, one, base_url=base_url, now=now))
        else:
            mail = renderer.goodbye(_goodbye(session, edition, one, base_url))
    # The same letter always has the same Message-ID, so that a receiver can tell a repeated mail (RFC 7352).
    cause = f"{one.kind} {one.subscription_id} {one.caused_at.isoformat()} {base_url}"
    message = hashlib.sha256(cause.encode()).hexdigest()[:32]
    domain = edition.sender_address.rpartition("@")[2]
    headers = (("Message-ID", f"<{message}@{domain}>"), ("Auto-Submitted", "auto-generated"))  # RFC 3834
    return Owed(
        what=f"{one.kind} mail for subscription {one.subscription_id}",
        mail=replace(mail, headers=headers),
        recipient=Recipient(message, one.address, one.name, {}),
        claim=lambda session: letters.claim(session, one.id, now),
        give_back=lambda session: letters.give_back(session, one.id, now),
        put_off=lambda session: letters.put_off(session, one.id, now),
    )


def _welcome(
    session: Session, signer: Signer, edition: Edition, one: OwedLetter, *, base_url: str, now: datetime
) -> WelcomeContent:
    first = issues.next_slot(edition, now).send_at.astimezone(ZoneInfo(edition.time_zone))
    latest = _latest(session, edition)
    return WelcomeContent(
        identity=identity_of(edition),
        list_name=session.get_one(MailingList, one.list_id).name,
        tagline=edition.tagline,
        weekday=edition.send_weekday,
        first_day=first.date(),
        hour=f"{first:%H:%M}",
        latest_url=f"{base_url}/issues/{edition.slug}/{latest.number}" if latest else "",
        latest_subject=latest.subject if latest else "",
        preferences_url=f"{base_url}/p/{signer.sign(Purpose.PREFERENCES, one.subscription_id)}",
        unsubscribe_url=f"{base_url}/u/{signer.sign(Purpose.UNSUBSCRIBE, one.subscription_id)}",
    )


def _goodbye(session: Session, edition: Edition, one: OwedLetter, base_url: str) -> GoodbyeContent:
    return GoodbyeContent(
        identity=identity_of(edition),
        list_name=session.get_one(MailingList, one.list_id).name,
        return_url=f"{base_url}/editions/{edition.slug}",
    )


def _latest(session: Session, edition: Edition) -> Issue | None:
    """Return the edition's latest issue that has gone out, if any."""
    sent = (Issue.edition_id == edition.id, Issue.state == IssueState.SENT)
    return session.exec(select(Issue).where(*sent).order_by(col(Issue.send_at).desc()).limit(1)).first()
