"""Whom editions go to of their lists: a segment, understood before it is kept, counted, and kept understandable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from newsletter import engagement
from newsletter.errors import ConfigurationError, Refused
from newsletter.models import Edition
from subscribers import segments
from subscribers.suppression import may_receive


@dataclass(frozen=True)
class Reach:
    """How many readers could be written to on an edition's list, how many of them it goes to, and whom in words."""

    readers: int
    meant: int
    words: str


def refuse_unclear(session: Session, slug: str, audience: str, now: datetime) -> None:
    """Raise ConfigurationError unless the line says which readers an edition goes to."""
    if not audience:
        return
    try:
        segments.readers(session, audience, engagement.terms(now), now=now)
    except segments.SegmentError as error:
        raise ConfigurationError(f"Edition {slug}: audience: {error}") from error


def reach_of(session: Session, slug: str, now: datetime) -> Reach:
    """Return how many readers an edition goes to now, pauses left aside. Raises SegmentError."""
    edition = session.exec(select(Edition).where(Edition.slug == slug)).one()
    everybody = may_receive(edition.list_id, None).subquery()
    count = select_columns(func.count()).select_from(everybody)
    readers = int(session.execute(count).scalar_one())
    if not edition.audience:
        return Reach(readers, readers, "")
    terms = engagement.terms(now)
    meant = segments.readers(session, edition.audience, terms, now=now).subquery()
    among = count.where(everybody.c.subscriber_id.in_(select_columns(meant.c[0])))
    words = segments.explain(session, edition.audience, terms, now=now)
    return Reach(readers, int(session.execute(among).scalar_one()), words)


def refuse_named(session: Session, kind: str, name: str) -> None:
    """Raise Refused while an edition's audience names a tag, field or list (`kind`) that is to go or be renamed.

    Without it the line would mean nobody knows whom, and nothing would be sent.
    """
    for slug, audience in session.exec(select(Edition.slug, Edition.audience).where(col(Edition.audience) != "")):
        if (kind, name.casefold()) in segments.named_in(audience):
            raise Refused(
                f"The {kind} {name} says who gets {slug}, whose audience is {audience!r}. Change that first, with "
                f"`newsletter edition set {slug} --audience ...`."
            )
