"""The values that travel between rendering, the ledger and the providers: a mail with holes, and what became of it.

A mail is rendered once for an issue. What differs from reader to reader stays a *hole*: a tag with a random nonce,
so that no text from a feed can name one (docs/design.md; threat 3). Every provider fills the holes in its own way.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape

from newsletter.errors import Refused

#: What differs from reader to reader. Values are plain text; `Mail` escapes them where they stand in html.
HOLES = ("address", "since", "unsubscribe_url", "preferences_url", "token", "delivery_id")

_HEADER_LIMIT = 400
#: C0, DEL and C1 controls, line and paragraph separators, and the characters that change reading direction.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def header_text(text: str, limit: int = _HEADER_LIMIT) -> str:
    """Return `text` fit for a header: one line of at most `limit` characters with nothing a mail program would decode.

    Python up to 3.11.9 decodes an encoded-word in a header's value and writes the line break hidden inside it
    (CVE-2024-6923), so `=?...?=` is broken up here, before any library sees it (threat 1).
    """
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
    """A rendered message. `subject` is complete; `html`, `text` and the values of `headers` may have holes."""

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

    def html_for(self, values: Mapping[str, str]) -> str:
        """Return the html part for one reader."""
        return self._fill(self.html, values, html=True)

    def text_for(self, values: Mapping[str, str]) -> str:
        """Return the text part for one reader."""
        return self._fill(self.text, values, html=False)

    def headers_for(self, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Return the headers that are ours to set, for one reader, in order."""
        return tuple((name, self._fill(value, values, html=False)) for name, value in self.headers)

    def substitutions(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return tag -> value for a provider that fills holes itself; html and text have tags of their own."""
        filled = {hole_tag(self.nonce, name): values[name] for name in HOLES if name in values}
        filled |= {hole_tag(self.nonce, name, html=True): escape(values[name]) for name in HOLES if name in values}
        return filled

    def _fill(self, part: str, values: Mapping[str, str], *, html: bool) -> str:
        def value(match: re.Match[str]) -> str:
            return escape(values[match[1]]) if html else values[match[1]]

        return re.sub(_tag_pattern(self.nonce, html=html), value, part)


def hole_tag(nonce: str, name: str, *, html: bool = False) -> str:
    """Return the tag that stands for hole `name`. It survives premailer and lxml unchanged, in a link too (P11)."""
    return f"-{nonce}{'h' if html else 't'}.{name}-"


def hole_tags(nonce: str, *, html: bool) -> dict[str, str]:
    """Return hole name -> tag, for a template to print."""
    return {name: hole_tag(nonce, name, html=html) for name in HOLES}


def refuse_nonce(nonce: str, *texts: str) -> None:
    """Raise Refused when text from outside contains the nonce: it could name a hole and leak a reader's link."""
    if any(nonce in text for text in texts):
        raise Refused("A story contains this issue's secret marker. Draft the issue again to get a new one.")


def _tag_pattern(nonce: str, *, html: bool) -> str:
    return re.escape(f"-{nonce}{'h' if html else 't'}.") + f"({'|'.join(HOLES)})-"


@dataclass(frozen=True)
class Recipient:
    """One reader of one mail: where it goes, and what fills the holes."""

    delivery_id: str
    address: str
    name: str
    values: Mapping[str, str]


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
