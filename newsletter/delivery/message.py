"""What a reader's copy carries besides the frozen content: the list headers, and the values for its holes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from newsletter.delivery.ledger.values import Claim, Reader
from newsletter.mail import Mail, Recipient, hole_tag
from newsletter.models import Edition
from newsletter.render import Language
from newsletter.render.text import display_text, shortened
from subscribers.models import MailingList
from subscribers.tokens import Purpose, Signer

#: Who joined the list at most this long before an issue's time is new to it: "this month", whichever month it is.
NEW_FOR = timedelta(days=31)
_NAME_LENGTH = 100
_DAYS_KEPT = 10_000
#: Names that are shown as they are.
_PLAIN = re.compile(rf"(?=.{{0,{_NAME_LENGTH}}}\Z)(?:[A-Za-z0-9.,'-]+(?: [A-Za-z0-9.,'-]+)*)?")
#: Marks of reading direction that `display_text` leaves to texts longer than a name.
_DIRECTION = re.compile("[\u061c\u200e\u200f]")


def with_list_headers(mail: Mail, edition: Edition, mailing_list: MailingList, week: str, base_url: str) -> Mail:
    """Return the mail with the headers of a list (RFC 2369, 2919, 8058; Gmail's Feedback-ID), holes left open."""
    domain = mail.sender.address.rpartition("@")[2]
    delivery_id = hole_tag(mail.nonce, "delivery_id")
    sender_id = hashlib.sha256(domain.encode()).hexdigest()[:10]  # Gmail wants 5 to 15 characters that stay the same
    return replace(
        mail,
        headers=(
            ("Message-ID", f"<{delivery_id}@{domain}>"),
            *list_headers(mail, mailing_list, base_url),
            ("Feedback-ID", f"{week}:{edition.slug}:issue:{sender_id}"),
        ),
    )


def list_headers(mail: Mail, mailing_list: MailingList, base_url: str) -> tuple[tuple[str, str], ...]:
    """Return what names the list and leads off it (R43; RFC 2369, 2919, 8058), with the hole `token` left open."""
    domain = mail.sender.address.rpartition("@")[2]
    answers = mail.sender.reply_to or mail.sender.address
    token = hole_tag(mail.nonce, "token")
    by_mail = f"mailto:{answers}?subject=unsubscribe%20{token}"
    return (
        ("List-Id", f"<{mailing_list.slug}.lists.{domain}>"),
        ("List-Post", "NO"),  # RFC 2369, section 3.4: nobody can write to the list
        ("List-Unsubscribe", f"<{base_url}/u/{token}>, <{by_mail}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )


class Recipients:
    """Makes the readers of claims into what a provider needs: a million times for an issue, so what can be is kept."""

    def __init__(self, edition: Edition, send_at: datetime, signer: Signer, base_url: str) -> None:
        """`send_at` is when the issue was to be sent."""
        self._edition = edition
        self._new_since = send_at - NEW_FOR
        self._signer = signer
        self._unsubscribe, self._preferences = f"{base_url}/u/", f"{base_url}/p/"
        #: The day in words, by the quarter of an hour: no time zone changes its day within one.
        self._days: dict[int, str] = {}

    def of(self, claimed: Claim) -> list[Recipient]:
        """Return the readers of a claim, in order."""
        return [self._one(reader, claimed.attempt) for reader in claimed.readers]

    def _one(self, reader: Reader, attempt: int) -> Recipient:
        token = self._signer.sign(Purpose.UNSUBSCRIBE, reader.subscription_id)
        preferences = self._signer.sign(Purpose.PREFERENCES, reader.subscription_id)
        values = {
            "address": reader.address,
            "name": name_to_show(reader.name) if reader.name else "",
            "new": "yes" if reader.since >= self._new_since else "",
            "since": self._day(reader.since),
            "token": token,
            "unsubscribe_url": self._unsubscribe + token,
            "preferences_url": self._preferences + preferences,
            "delivery_id": reader.delivery_id,
        }
        return Recipient(reader.delivery_id, reader.address, reader.name, values, attempt)

    def _day(self, since: datetime) -> str:
        quarter = int(since.timestamp()) // 900
        if (known := self._days.get(quarter)) is None:
            if len(self._days) >= _DAYS_KEPT:
                self._days.clear()
            known = self._days[quarter] = day_in_words(since, self._edition)
        return known


def name_to_show(name: str) -> str:
    """Return a reader's name, which anybody may have typed, as one line of at most 100 characters.

    It has no control characters and nothing that turns the reading direction of the text around it.
    """
    if _PLAIN.fullmatch(name):  # as most are
        return name
    return shortened(display_text(_DIRECTION.sub("", name)), _NAME_LENGTH)


def day_in_words(moment: datetime, edition: Edition) -> str:
    """Return the local day as the edition's language writes it, such as "22 November 2026"."""
    return Language.of(edition.language).long_date(moment.astimezone(ZoneInfo(edition.time_zone)).date())
