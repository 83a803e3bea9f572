"""What a reader's copy carries besides the frozen content: the list headers, and the values for its holes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from newsletter.delivery.ledger import Reader
from newsletter.mail import Mail, Recipient, hole_tag
from newsletter.models import Edition
from newsletter.render import Language
from subscribers.models import MailingList
from subscribers.tokens import Purpose, Signer


def with_list_headers(mail: Mail, edition: Edition, mailing_list: MailingList, week: str, base_url: str) -> Mail:
    """Return the mail with the headers of a list (RFC 2369, 2919, 8058; Gmail's Feedback-ID), holes left open."""
    domain = mail.sender.address.rpartition("@")[2]
    answers = mail.sender.reply_to or mail.sender.address
    token, delivery_id = hole_tag(mail.nonce, "token"), hole_tag(mail.nonce, "delivery_id")
    by_mail = f"mailto:{answers}?subject=unsubscribe%20{token}"
    sender_id = hashlib.sha256(domain.encode()).hexdigest()[:10]  # Gmail wants 5 to 15 characters that stay the same
    return replace(
        mail,
        headers=(
            ("Message-ID", f"<{delivery_id}@{domain}>"),
            ("List-Id", f"<{mailing_list.slug}.lists.{domain}>"),
            ("List-Unsubscribe", f"<{base_url}/u/{token}>, <{by_mail}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("Feedback-ID", f"{week}:{edition.slug}:issue:{sender_id}"),
        ),
    )


def recipient(reader: Reader, edition: Edition, signer: Signer, base_url: str) -> Recipient:
    """Return a claimed reader as the provider needs them."""
    token = signer.sign(Purpose.UNSUBSCRIBE, reader.subscription_id)
    preferences = signer.sign(Purpose.PREFERENCES, reader.subscription_id)
    values = {
        "address": reader.address,
        "since": day_in_words(reader.since, edition),
        "token": token,
        "unsubscribe_url": f"{base_url}/u/{token}",
        "preferences_url": f"{base_url}/p/{preferences}",
        "delivery_id": reader.delivery_id,
    }
    return Recipient(reader.delivery_id, reader.address, reader.name, values)


def day_in_words(moment: datetime, edition: Edition) -> str:
    """Return the local day as the edition's language writes it, such as "22 November 2026"."""
    return Language.of(edition.language).long_date(moment.astimezone(ZoneInfo(edition.time_zone)).date())
