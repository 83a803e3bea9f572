"""Telling the editors about sources that have failed for days or bring nothing new: one mail, once for each trouble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.editors import send_to_editors
from newsletter.errors import ProviderRefused
from newsletter.gather.health import Patience, Trouble, trouble
from newsletter.identity import identity_of
from newsletter.mail import Mail
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
    marks are taken back. Raises ProviderRefused as the provider does, and ConfigurationError, with nothing marked, when
    the mail cannot be made.
    """
    if not editors:
        return 0
    with db.transaction() as session:
        edition = session.exec(select(Edition).where(col(Edition.enabled)).order_by(col(Edition.id))).first()
        found = _untold(session, patience, now) if edition else []
        if edition is None or not found:
            return 0
        mail = _mail(edition, found, renderer)
        before = {source.id: (source.told_at, source.told_of) for source, _ in found}
        for source, what in found:
            source.told_at, source.told_of = now, what.kind
    try:
        arrived = send_to_editors(provider, mail, editors, now)
    except ProviderRefused:
        _take_back(db, before, now)
        raise
    if not arrived:
        _take_back(db, before, now)
    return len(before) if arrived else 0


def _mail(edition: Edition, found: Sequence[tuple[Source, Trouble]], renderer: Renderer) -> Mail:
    """Return the mail, which looks like the edition's. It is in English, as the commands are that mend a source."""
    listed = tuple(TroubledSource(source.name, what.sentence) for source, what in found)
    identity = replace(identity_of(edition), language="en")
    return renderer.sources(SourcesContent(identity=identity, sources=listed))


def _untold(session: Session, patience: Patience, now: datetime) -> list[tuple[Source, Trouble]]:
    """Return, locked, the sources in a trouble that the editors were not told of, each with what it is."""
    query = select(Source).where(col(Source.enabled)).order_by(Source.slug)
    judged = ((source, trouble(source, patience, now)) for source in session.exec(query.with_for_update()))
    return [(source, what) for source, what in judged if what and what.kind != source.told_of]


def _take_back(db: Database, before: Mapping[int, tuple[datetime | None, str]], now: datetime) -> None:
    """Mark the sources again as they were `before`, by id, unless they have changed since."""
    with db.transaction() as session:
        query = select(Source).where(col(Source.id).in_(before), Source.told_at == now).with_for_update()
        for source in session.exec(query):
            source.told_at, source.told_of = before[source.id]
