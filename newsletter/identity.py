"""Who an edition's mails come from and how they look, from its row: the same for every mail."""

from __future__ import annotations

from newsletter.mail import Sender
from newsletter.models import Edition
from newsletter.render import Identity, Look


def identity_of(edition: Edition) -> Identity:
    """Return the edition's name, language, imprint, sender and look."""
    return Identity(
        edition_name=edition.name,
        language=edition.language,
        publisher=edition.publisher,
        postal_address=edition.postal_address,
        contact=edition.contact,
        sender=Sender(edition.sender_name, edition.sender_address, edition.reply_to),
        look=look_of(edition),
    )


def look_of(edition: Edition) -> Look:
    """Return the edition's accent, logo and folder of templates."""
    return Look(
        accent=edition.accent,
        accent_dark=edition.accent_dark,
        logo_url=edition.logo_url,
        logo_width=edition.logo_width,
        templates=edition.slug,
    )
