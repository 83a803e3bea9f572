"""Telling the editors that an edition is flooded with sign-ups: once a day, and what they need not do about it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime
from html import escape

from sqlmodel import col, select

from newsletter.db import Database
from newsletter.editors import send_to_editors
from newsletter.identity import identity_of
from newsletter.mail import Mail
from newsletter.models import Edition
from newsletter.providers import Provider
from newsletter.signup.door import flooded_editions
from newsletter.signup.limits import PREFIX, count, counted, lock
from newsletter.windows import DAY

log = logging.getLogger(__name__)


def tell_of_flood(
    db: Database, provider: Provider, flooded: Sequence[str], *, editors: Sequence[str], base_url: str, now: datetime
) -> bool:
    """Send the editors one mail about what is flooded, unless they were told within a day; return whether it went out.

    Told is marked before the mail is sent, so that several workers tell it once. Raises ProviderRefused as the provider
    does.
    """
    told = [(f"{PREFIX}told{name.removeprefix(PREFIX.rstrip())}", DAY) for name in flooded]
    with db.transaction() as session:
        lock(session)
        if all(counted(session, told, now).values()):
            return False
        count(session, told, now)
        slugs = flooded_editions(flooded)
        query = select(Edition).where(col(Edition.enabled)).order_by(col(Edition.id))
        about = session.exec(query.where(col(Edition.slug).in_(slugs)) if slugs else query).all()
    names = [edition.name for edition in about] if slugs else []
    log.warning("sign-ups come in a flood: %s", ", ".join(slugs) or "all editions together")
    return bool(editors and about) and send_to_editors(provider, _mail(about[0], names, base_url), editors, now)


def _mail(edition: Edition, names: Sequence[str], base_url: str) -> Mail:
    """Return the mail. It is in English, as the commands are, and holds nothing that came with the sign-ups."""
    what = ", ".join(names) or "all newsletters together"
    subject = f"Very many sign-ups: {what}"
    paragraphs = (
        f"Within a minute or an hour far more sign-ups came for {what} than usual ({base_url}).",
        "If you have just been recommended somewhere, this may be joy. If not, somebody types in other people’s "
        "addresses to annoy them.",
        "You need not do anything. No address gets more than one confirmation mail a day. For as long as it lasts, and "
        "a quarter of an hour after that, a sign-up takes one more press and few are taken from each network; then all "
        "is as before by itself. This is told once a day.",
    )
    html = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    page = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(subject)}</title></head>'
    nonce = hashlib.sha256(f"{subject} {base_url}".encode()).hexdigest()[:32]
    text = "\n\n".join(paragraphs) + "\n"
    return Mail(subject, f"{page}<body>{html}</body></html>", text, identity_of(edition).sender, nonce)
