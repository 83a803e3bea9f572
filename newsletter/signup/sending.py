"""The mails that ask whether a sign-up is meant: one for each form, also when it asked for several editions.

A confirmation mail is claimed before it is sent: a crash between the two leaves one reader without a mail, who can ask
again, and never mails anybody twice.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.identity import identity_of
from newsletter.mail import Recipient
from newsletter.models import Edition
from newsletter.owed import LOOK_AHEAD, Owed, Unmade, send_each
from newsletter.providers import Provider
from newsletter.render import ConfirmContent, Renderer
from subscribers import confirmations, consent
from subscribers.confirmations import Waiting
from subscribers.lists import open_only
from subscribers.models import MailingList
from subscribers.tokens import CONFIRM_WITHIN, Signer

log = logging.getLogger(__name__)


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

    Mails are sent, put off and refused as `send_each` does. Raises what it does.
    """
    with db.reading() as session:
        waiting = confirmations.awaiting(session, LOOK_AHEAD, now)
        lists = {list_id for one in waiting for list_id in (one.list_id, *one.further)}
        editions = {list_id: edition_of(session, list_id) for list_id in lists}
    unmade: list[Unmade] = []
    for one in waiting:
        if edition := next(filter(None, (editions[list_id] for list_id in (one.list_id, *one.further))), None):
            others = [other for list_id in one.further if (other := editions[list_id]) and other.id != edition.id]
            make = partial(_confirmation, renderer, signer, edition, others, one, base_url=base_url, now=now)
            unmade.append(Unmade(edition.slug, "confirmation", make))
        else:
            _give_up(db, one, now)
    return send_each(db, provider, unmade, limit=limit)


def edition_of(session: Session, list_id: int) -> Edition | None:
    """Return the edition whose look and sender a list's mail has: the first enabled one, or else the first.

    An archived list has none: no mail is sent for it.
    """
    editions = select(Edition).join(MailingList, col(MailingList.id) == col(Edition.list_id))
    editions = editions.where(Edition.list_id == list_id, open_only())
    return session.exec(editions.order_by(col(Edition.enabled).desc(), col(Edition.id)).limit(1)).first()


def _give_up(db: Database, one: Waiting, now: datetime) -> None:
    """Let a mail that cannot be sent any more wait no longer, so that it never holds up the others."""
    with db.transaction() as session:
        given_up = confirmations.claim(session, one.subscription_id, now)
    if given_up:
        log.warning("subscription %s gets no confirmation mail: its list has no edition", one.subscription_id)


def _confirmation(
    renderer: Renderer,
    signer: Signer,
    edition: Edition,
    others: Sequence[Edition],
    one: Waiting,
    *,
    base_url: str,
    now: datetime,
) -> Owed:
    """Return one reader's confirmation mail, ready to be claimed and sent; nothing that was typed is in it."""
    token = signer.sign_confirm(one.subscription_id, one.requested_at)
    identity = identity_of(edition)
    content = ConfirmContent(
        identity=replace(identity, language=one.language) if one.language else identity,
        confirm_url=f"{base_url}/c/{token}",
        weekday=edition.send_weekday,
        valid_days=CONFIRM_WITHIN.days,
        further=tuple(other.name for other in others),
    )
    # The same request always has the same Message-ID, so that a receiver can tell a repeated mail (RFC 7352).
    message = hashlib.sha256(token.encode()).hexdigest()[:32]
    domain = edition.sender_address.rpartition("@")[2]
    headers = (("Message-ID", f"<{message}@{domain}>"), ("Auto-Submitted", "auto-generated"))  # RFC 3834
    return Owed(
        what=f"confirmation mail for subscription {one.subscription_id}",
        mail=replace(renderer.confirm(content), headers=headers),
        recipient=Recipient(message, one.address, "", {}),
        claim=lambda session: _claim(session, one, now),
        give_back=lambda session: confirmations.give_back(session, one.subscription_id, now),
        put_off=lambda session: confirmations.put_off(session, one.subscription_id, now, now),
        given_up="given up until they ask again",
    )


def _claim(session: Session, one: Waiting, now: datetime) -> bool:
    if not confirmations.claim(session, one.subscription_id, now):
        return False
    row = consent.subscription(session, one.subscription_id)
    if row is None or row.requested_at != one.requested_at:
        # They asked again since this mail was written: its link is outdated, the next call writes a new one.
        confirmations.give_back(session, one.subscription_id, now)
        return False
    return True
