"""Mails to the editors that the settings name: one mail for each time something is to be told."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from newsletter.mail import Mail, Recipient, Status, hole_tag
from newsletter.providers import Provider

log = logging.getLogger(__name__)


def send_to_editors(provider: Provider, mail: Mail, editors: Sequence[str], now: datetime) -> bool:
    """Send a mail to the editors and tell whether any of them may have it.

    Raises ProviderRefused as the provider does.
    """
    domain = mail.sender.address.rpartition("@")[2]
    message_id = f"<{hole_tag(mail.nonce, 'delivery_id')}@{domain}>"
    headers = (("Message-ID", message_id), ("Auto-Submitted", "auto-generated"))  # RFC 3834
    outcomes = provider.send(replace(mail, headers=headers), [_recipient(mail, one, now) for one in editors])
    for outcome in outcomes:
        if outcome.status is not Status.ACCEPTED:
            log.warning("mail to an editor, “%s”: %s", mail.subject, outcome.status)
    return any(outcome.status in {Status.ACCEPTED, Status.UNCERTAIN} for outcome in outcomes)


def _recipient(mail: Mail, address: str, now: datetime) -> Recipient:
    """Return an editor as the provider needs them; the id names this mail to this editor at this time."""
    name = hashlib.sha256(f"{mail.content_hash} {address} {now.isoformat()}".encode()).hexdigest()[:32]
    return Recipient(name, address, "", {"delivery_id": name})
