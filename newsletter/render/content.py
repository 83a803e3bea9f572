"""What a mail shows, as plain values. Whoever makes a mail fills these; nothing here knows the database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from newsletter.mail import Sender


@dataclass(frozen=True)
class RegionTag:
    """A place as a story shows it."""

    code: str
    name: str

    def __str__(self) -> str:
        """The code is shown where readers know it: two capital letters, as in "LT · Lithuania" (R54)."""
        return f"{self.code} · {self.name}" if re.fullmatch("[A-Z]{2}", self.code) else self.name


@dataclass(frozen=True)
class Card:
    """A story as readers see it. `language` is that of headline and summary; empty means the edition's.

    `day` is None where the source gave no date; `also` names other outlets that report the same event.
    """

    headline: str
    summary: str
    link: str
    source: str
    day: date | None
    regions: tuple[RegionTag, ...]
    image_url: str = ""
    image_alt: str = ""
    image_credit: str = ""
    also: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class IssueContent:
    """All that an issue's mail shows. An empty `subject` or `preheader` is made from the stories."""

    edition_name: str
    tagline: str
    language: str
    region_name: str
    publisher: str
    postal_address: str
    contact: str
    list_name: str
    number: int | None
    day: date
    lead: Card
    more: tuple[Card, ...]
    subject: str = ""
    preheader: str = ""
    view_url: str
    signup_url: str
    sender: Sender


@dataclass(frozen=True)
class TroubledSource:
    """A source that editors should look at, and why, as a sentence."""

    name: str
    trouble: str


@dataclass(frozen=True, kw_only=True)
class SourcesContent:
    """All that the mail shows which tells editors that sources are in trouble. The identity is an edition's."""

    edition_name: str
    language: str
    publisher: str
    postal_address: str
    contact: str
    sources: tuple[TroubledSource, ...]
    sender: Sender


@dataclass(frozen=True, kw_only=True)
class ConfirmContent:
    """All that the mail shows which asks whether a sign-up is meant. `weekday` is 0 for Monday."""

    edition_name: str
    language: str
    publisher: str
    postal_address: str
    contact: str
    confirm_url: str
    weekday: int
    #: For how many days the link works.
    valid_days: int
    sender: Sender
