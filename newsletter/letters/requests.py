"""The mails that readers' requests lead to: the link to press at a new address, a word to the old one, the link to
one's own data. Nothing that somebody typed stands in any of them (threat 11)."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.identity import identity_of
from newsletter.mail import Mail, Recipient
from newsletter.models import Edition
from newsletter.owed import LOOK_AHEAD, Owed, Unmade, send_each
from newsletter.providers import Provider
from newsletter.render import AddressContent, DataContent, MovedContent, Renderer
from newsletter.signup import edition_of
from subscribers import requests
from subscribers.models import Subscriber, Subscription
from subscribers.requests import OwedRequest, RequestMail
from subscribers.tokens import ADDRESS_WITHIN, DATA_WITHIN, Purpose, Signer

log = logging.getLogger(__name__)


def send_requests(
    db: Database,
    provider: Provider,
    renderer: Renderer,
    signer: Signer,
    *,
    base_url: str,
    now: datetime,
    limit: int = 100,
    only: int | None = None,
) -> int:
    """Send at most `limit` waiting mails, or that of one request, and return how many the provider took.

    Mails are sent, put off and refused as `send_each` does. Raises what it does.
    """
    with db.reading() as session:
        waiting = requests.awaiting(session, LOOK_AHEAD, now, only)
        editions = {list_id: _edition_for(session, list_id) for list_id in {one.list_id for one in waiting}}
    unmade: list[Unmade] = []
    for one in waiting:
        if edition := editions[one.list_id]:
            make = partial(_owed, db, renderer, signer, edition, one, base_url=base_url, now=now)
            unmade.append(Unmade(edition.slug, one.mail, make))
        else:
            _drop(db, one, now)
    return send_each(db, provider, unmade, limit=limit)


def _edition_for(session: Session, list_id: int) -> Edition | None:
    """Return the edition whose look and sender the mail has: the list's own, or, of a closed list, another one.

    Everybody can have their data, whatever has become of the list.
    """
    own = edition_of(session, list_id)
    others = select(Edition).order_by(col(Edition.enabled).desc(), col(Edition.id)).limit(1)
    return own or session.exec(others).first()


def _drop(db: Database, one: OwedRequest, now: datetime) -> None:
    """Let a mail wait no longer that nobody can send, so that it never holds up the others."""
    with db.transaction() as session:
        dropped = requests.drop(session, one.id, now)
    if dropped:
        log.warning("subscription %s gets no %s mail: there is no edition to send it", one.subscription_id, one.mail)


def _owed(
    db: Database,
    renderer: Renderer,
    signer: Signer,
    edition: Edition,
    one: OwedRequest,
    *,
    base_url: str,
    now: datetime,
) -> Owed:
    """Return one mail, ready to be claimed and sent."""
    mail = _mail(renderer, signer, edition, one, base_url)
    with db.reading() as session:
        text_only = _wants_text_alone(session, one)
    # The same request always has the same Message-ID, so that a receiver can tell a repeated mail (RFC 7352).
    cause = f"{one.mail} {one.id} {one.asked_at.isoformat()} {base_url}"
    message = hashlib.sha256(cause.encode()).hexdigest()[:32]
    domain = edition.sender_address.rpartition("@")[2]
    headers = (("Message-ID", f"<{message}@{domain}>"), ("Auto-Submitted", "auto-generated"))  # RFC 3834
    return Owed(
        what=f"{one.mail} mail for subscription {one.subscription_id}",
        mail=replace(mail.text_alone if text_only else mail, headers=headers),
        recipient=Recipient(message, one.address, "", {}),
        claim=lambda session: requests.claim(session, one, now),
        give_back=lambda session: requests.give_back(session, one.id, now),
        put_off=lambda session: requests.put_off(session, one.id, now),
        given_up="given up until they ask again",
    )


def _mail(renderer: Renderer, signer: Signer, edition: Edition, one: OwedRequest, base_url: str) -> Mail:
    identity = identity_of(edition)
    if one.language:
        identity = replace(identity, language=one.language)
    if one.mail is RequestMail.MOVED:
        back = f"{base_url}/a/{signer.sign_request(Purpose.BACK, one.id, one.undoes)}" if one.undoes else ""
        return renderer.moved(MovedContent(identity=identity, back_url=back))
    if one.mail is RequestMail.DATA:
        token = signer.sign_request(Purpose.DATA, one.id, one.asked_at)
        hours = int(DATA_WITHIN.total_seconds()) // 3600
        return renderer.data(DataContent(identity=identity, data_url=f"{base_url}/d/{token}", valid_hours=hours))
    token = signer.sign_request(Purpose.ADDRESS, one.id, one.asked_at)
    content = AddressContent(identity=identity, address_url=f"{base_url}/a/{token}", valid_days=ADDRESS_WITHIN.days)
    return renderer.address(content)


def _wants_text_alone(session: Session, one: OwedRequest) -> bool:
    query = select(Subscriber.text_only).join(Subscription, col(Subscription.subscriber_id) == col(Subscriber.id))
    return session.exec(query.where(Subscription.id == one.subscription_id)).one()
