"""The values that travel between rendering, the ledger and the providers: a mail with holes, and what became of it.

A mail is rendered once for an issue. What differs from reader to reader stays a hole, and what only some readers see
stands in a block (holes.py). Every provider fills them in its own way, and all of them with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from newsletter.mail.holes import (
    CONDITIONS,
    HOLES,
    VALUES,
    Part,
    as_for_nobody,
    block_tags,
    hole_tag,
    hole_tags,
    refuse_nonce,
)

__all__ = [
    "CONDITIONS",
    "HOLES",
    "MAX_SUBSTITUTION_BYTES",
    "VALUES",
    "Kind",
    "Mail",
    "Outcome",
    "Part",
    "Recipient",
    "Sender",
    "Status",
    "as_for_nobody",
    "block_tags",
    "check_blocks",
    "header_text",
    "hole_tag",
    "hole_tags",
    "outcome_for_all",
    "refuse_nonce",
    "substitution_bytes",
]

#: What SendGrid's API description allows for one reader. Its guide to substitution tags says 50,000, and accounts were
#: refused at either; neither says whether the tags count, so here they do.
MAX_SUBSTITUTION_BYTES = 10_000

_HEADER_LIMIT = 400
#: C0, DEL and C1 controls, line and paragraph separators, and the characters that change reading direction.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def header_text(text: str, limit: int = _HEADER_LIMIT) -> str:
    """Return `text` fit for a header: one line of at most `limit` characters with nothing a mail program would decode.

    Python up to 3.11.9 decodes an encoded-word in a header's value and writes the line break hidden inside it
    (CVE-2024-6923), so `=?...?=` is broken up here, before any library sees it (threat 1).
    """
    plain = text
    if not (text.isascii() and text.isprintable()):
        plain = _UNPRINTABLE.sub(" ", unicodedata.normalize("NFC", text))
    plain = plain.replace("=?", "= ?").replace("?=", "? =")
    plain = " ".join(plain.split())
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


@dataclass(frozen=True)
class Sender:
    """Who a mail is from."""

    name: str
    address: str
    reply_to: str = ""


@dataclass(frozen=True)
class Mail:
    """A rendered message. `subject` is complete; `html`, `text` and the values of `headers` may have holes.

    Without `html` it is text alone: no provider gives it an html part.
    """

    subject: str
    html: str
    text: str
    sender: Sender
    nonce: str
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def content_hash(self) -> str:
        """The SHA-256 of everything a reader can see, as 64 hexadecimal digits."""
        seen = [
            self.subject,
            self.html,
            self.text,
            self.nonce,
            self.sender.name,
            self.sender.address,
            self.sender.reply_to,
        ]
        return hashlib.sha256(json.dumps(seen, ensure_ascii=False).encode()).hexdigest()

    @cached_property
    def text_alone(self) -> Mail:
        """The mail without html, for readers who asked for that; the same one each time."""
        return replace(self, html="")

    def html_for(self, values: Mapping[str, str]) -> str:
        """Return the html part for one reader. Raises KeyError when a value is missing."""
        return self._html.fill(values)

    def text_for(self, values: Mapping[str, str]) -> str:
        """Return the text part for one reader. Raises KeyError when a value is missing."""
        return self._text.fill(values)

    def headers_for(self, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Return the headers that are ours to set, for one reader, in order."""
        return tuple((name, part.fill(values)) for name, part in self._headers)

    @property
    def tagged_html(self) -> str:
        """The html part for a provider that fills it by `substitutions`."""
        return self._html.tagged

    @property
    def tagged_text(self) -> str:
        """The text part for a provider that fills it by `substitutions`."""
        return self._text.tagged

    @property
    def text_part(self) -> Part:
        """The text, taken apart, for a provider that encodes what is fixed only once."""
        return self._text

    @property
    def html_part(self) -> Part:
        """The html, taken apart."""
        return self._html

    @property
    def header_parts(self) -> tuple[tuple[str, Part], ...]:
        """The names of the headers and their values, taken apart, in order."""
        return self._headers

    def substitutions(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return tag -> value for each tag in `tagged_html` and `tagged_text`, which have tags of their own.

        No value holds a tag and no tag another, so it makes no difference in which order, or how often, they are
        replaced; the result is what `html_for` and `text_for` return. Raises KeyError when a value is missing.
        """
        return self._text.substitutions(values) | self._html.substitutions(values)

    @cached_property
    def _html(self) -> Part:
        return Part(self.html, self.nonce, html=True)

    @cached_property
    def _text(self) -> Part:
        return Part(self.text, self.nonce, html=False)

    @cached_property
    def _headers(self) -> tuple[tuple[str, Part], ...]:
        return tuple((name, Part(value, self.nonce, html=False)) for name, value in self.headers)


def check_blocks(mail: Mail) -> None:
    """Raise ConfigurationError when a block of the mail is unknown, nested or left open, or a tag is not whole."""
    _ = mail.tagged_html, mail.tagged_text


def substitution_bytes(mail: Mail, values: Mapping[str, str]) -> int:
    """Return the bytes of a reader's substitutions, tags and values (MAX_SUBSTITUTION_BYTES)."""
    return sum(len(tag.encode()) + len(value.encode()) for tag, value in mail.substitutions(values).items())


@dataclass(frozen=True)
class Recipient:
    """One reader of one mail: where it goes, and what fills the holes."""

    delivery_id: str
    address: str
    name: str
    values: Mapping[str, str]
    #: Which of our tries this is, to know the provider's reports by; 0 outside the ledger.
    attempt: int = 0


class Status(StrEnum):
    """What became of one recipient, as far as the provider's answer tells."""

    #: The provider took responsibility.
    ACCEPTED = "accepted"
    #: The provider will never take it; trying again is useless.
    REJECTED = "rejected"
    #: Surely not taken, because of this recipient, and worth another try later: a 4xx for the address or the message.
    DEFERRED = "deferred"
    #: Surely not taken, and not because of this recipient: the provider was out of reach or busy, or the call ended
    #: before their turn. The rest of the list waits, too.
    NOT_TRIED = "not tried"
    #: Surely not taken, for policy (5.7.x): either they do not want us, or we are set up wrongly. Others tell which.
    REFUSED = "refused"
    #: It may or may not have been taken. Never sent again by itself.
    UNCERTAIN = "uncertain"


class Kind(StrEnum):
    """What happened to a mail after the provider took it."""

    #: The provider has it and will deliver it.
    PROCESSED = "processed"
    #: The reader's server put it off; the provider tries again.
    DEFERRED = "deferred"
    #: The reader's server took it.
    DELIVERED = "delivered"
    #: The address does not exist or refuses mail for good.
    BOUNCED = "bounced"
    #: The reader's server refused this mail: full, too large, policy. The address may be good.
    BLOCKED = "blocked"
    #: The provider took it and then did not send it, mostly because the address is on a list of its own.
    DROPPED = "dropped"
    #: The reader called it spam.
    COMPLAINED = "complained"
    #: The reader left by the provider's own means.
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"
    #: Something this table has no word for; the raw event tells.
    OTHER = "other"


@dataclass(frozen=True)
class Outcome:
    """What became of one recipient. `detail` is the provider's own sentence, `reference` its own id for the message."""

    delivery_id: str
    status: Status
    detail: str = ""
    reference: str = ""
    #: Seconds the provider asked us to wait, for a recipient who was deferred or not tried.
    retry_after: float | None = None


def outcome_for_all(
    recipients: Sequence[Recipient],
    status: Status,
    detail: str,
    *,
    reference: str = "",
    retry_after: float | None = None,
) -> list[Outcome]:
    """Return the same outcome for every recipient, in order."""
    return [Outcome(one.delivery_id, status, detail, reference, retry_after) for one in recipients]
