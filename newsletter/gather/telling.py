"""Telling the editors about sources that have failed for days or bring nothing new: one mail, once for each trouble."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.errors import ProviderRefused
from newsletter.gather.health import Patience, Trouble, trouble
from newsletter.mail import Mail, Outcome, Recipient, Sender, Status, hole_tag
from newsletter.models import Edition, Source
from newsletter.providers import Provider
from newsletter.render import Renderer, SourcesContent, TroubledSource

log = logging.getLogger(__name__)


def tell_editors(
    db: Database,
    provider: Provider,
    renderer: Renderer,
    *,
    editors: Sequence[str],
    patience: Patience,
    now: datetime,
) -> int:
    """Send the editors one mail about the sources in trouble that they were not told of; return how many those are.

    The sources are marked before the mail is sent, so that two schedulers tell it once; when surely nobody got it, the
    marks are taken back. Raises ProviderRefused as the provider does.
    """
    if not editors:
        return 0
    with db.transaction() as session:
        edition = session.exec(select(Edition).where(col(Edition.enabled)).order_by(col(Edition.id))).first()
        found = _untold(session, patience, now) if edition else []
        for source, what in found:
            source.told_at, source.told_of = now, what.kind
        told = [source.id for source, _ in found]
        listed = tuple(TroubledSource(source.name, what.sentence) for source, what in found)
    if edition is None or not listed:
        return 0
    mail = _mail(renderer, edition, listed)
    try:
        outcomes = provider.send(mail, [_recipient(mail, address, now) for address in editors])
    except ProviderRefused:
        _take_back(db, told, now)
        raise
    if not _may_have_arrived(outcomes):
        _take_back(db, told, now)
        return 0
    return len(told)


def _untold(session: Session, patience: Patience, now: datetime) -> list[tuple[Source, Trouble]]:
    """Return, locked, the sources in a trouble that the editors were not told of, each with what it is."""
    query = select(Source).where(col(Source.enabled)).order_by(Source.slug)
    judged = ((source, trouble(source, patience, now)) for source in session.exec(query.with_for_update()))
    return [(source, what) for source, what in judged if what and what.kind != source.told_of]


def _mail(renderer: Renderer, edition: Edition, listed: tuple[TroubledSource, ...]) -> Mail:
    content = SourcesContent(
        edition_name=edition.name,
        language="en",
        publisher=edition.publisher,
        postal_address=edition.postal_address,
        contact=edition.contact,
        sources=listed,
        sender=Sender(edition.sender_name, edition.sender_address, edition.reply_to),
    )
    mail = renderer.sources(content)
    domain = edition.sender_address.rpartition("@")[2]
    message_id = f"<{hole_tag(mail.nonce, 'delivery_id')}@{domain}>"
    return replace(mail, headers=(("Message-ID", message_id), ("Auto-Submitted", "auto-generated")))  # RFC 3834


def _recipient(mail: Mail, address: str, now: datetime) -> Recipient:
    """Return an editor as the provider needs them; the id names this mail to this editor at this time."""
    name = hashlib.sha256(f"{mail.content_hash} {address} {now.isoformat()}".encode()).hexdigest()[:32]
    return Recipient(name, address, "", {"delivery_id": name})


def _may_have_arrived(outcomes: Sequence[Outcome]) -> bool:
    for outcome in outcomes:
        if outcome.status is not Status.ACCEPTED:
            log.warning("mail to an editor about sources: %s", outcome.status)
    return any(outcome.status in {Status.ACCEPTED, Status.UNCERTAIN} for outcome in outcomes)


def _take_back(db: Database, told: Sequence[int], now: datetime) -> None:
    with db.transaction() as session:
        query = select(Source).where(col(Source.id).in_(told), Source.told_at == now).with_for_update()
        for source in session.exec(query):
            source.told_at, source.told_of = None, ""
