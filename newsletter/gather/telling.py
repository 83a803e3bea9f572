"""Telling the editors about sources that have failed for days or bring nothing new: one mail, once for each trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.editors import send_to_editors
from newsletter.errors import ProviderRefused
from newsletter.gather.health import Patience, Trouble, trouble
from newsletter.identity import identity_of
from newsletter.models import Edition, Source
from newsletter.providers import Provider
from newsletter.render import Renderer, SourcesContent, TroubledSource


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
    # Troubles are told in English, as the commands that mend them are.
    identity = replace(identity_of(edition), language="en")
    mail = renderer.sources(SourcesContent(identity=identity, sources=listed))
    try:
        arrived = send_to_editors(provider, mail, editors, now)
    except ProviderRefused:
        _take_back(db, told, now)
        raise
    if not arrived:
        _take_back(db, told, now)
    return len(told) if arrived else 0


def _untold(session: Session, patience: Patience, now: datetime) -> list[tuple[Source, Trouble]]:
    """Return, locked, the sources in a trouble that the editors were not told of, each with what it is."""
    query = select(Source).where(col(Source.enabled)).order_by(Source.slug)
    judged = ((source, trouble(source, patience, now)) for source in session.exec(query.with_for_update()))
    return [(source, what) for source, what in judged if what and what.kind != source.told_of]


def _take_back(db: Database, told: Sequence[int], now: datetime) -> None:
    with db.transaction() as session:
        query = select(Source).where(col(Source.id).in_(told), Source.told_at == now).with_for_update()
        for source in session.exec(query):
            source.told_at, source.told_of = None, ""
