"""What a mail shows, as plain values. Whoever makes a mail fills these; nothing here knows the database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from newsletter.mail import Sender


@dataclass(frozen=True)
class RegionTag:
    """A place as a story shows it; `flag_url` is a picture of 32 by 24 pixels, empty where there is no flag."""

    code: str
    name: str
    flag_url: str = ""

    def __str__(self) -> str:
        """The code is shown where readers know it: two capital letters, as in "LT · Lithuania" (R54)."""
        return f"{self.code} · {self.name}" if re.fullmatch("[A-Z]{2}", self.code) else self.name


@dataclass(frozen=True)
class Card:
    """A story as readers see it. `language` is that of headline and summary; empty means the edition's.

    `day` is None where the source gave no date; `also` names other outlets that report the same event. `image_url` is
    as wide as a lead needs it, `small_url` as a card does; cards show the large one where there is no small one.
    """

    headline: str
    summary: str
    link: str
    source: str
    day: date | None
    regions: tuple[RegionTag, ...]
    image_url: str = ""
    small_url: str = ""
    image_alt: str = ""
    image_credit: str = ""
    also: tuple[str, ...] = ()
    language: str = ""
    #: By which commands name the story; 0 where there is none. Readers do not see it.
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What an edition has of its own: the accent on light and on dark ground, and a picture of its name.

    Colours have six digits (R28) and are empty for ours. `templates` names the edition's folder of own templates.
    """

    accent: str = ""
    accent_dark: str = ""
    logo_url: str = ""
    #: In pixels, as shown.
    logo_width: int = 0
    templates: str = ""


@dataclass(frozen=True, kw_only=True)
class IssueContent:
    """All that an issue's mail shows. An empty `subject` or `preheader` is made from the stories.

    `intro`, `corrections` and `closing` are the editor's, in Markdown: paragraphs, emphasis and links.
    """

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
    intro: str = ""
    corrections: str = ""
    closing: str = ""
    view_url: str
    signup_url: str
    sender: Sender
    look: Look = Look()


@dataclass(frozen=True)
class TroubledSource:
    """A source that editors should look at, and why, as a sentence."""

    name: str
    trouble: str


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a mail that is no issue comes from: an edition's name, language, imprint, sender and look."""

    edition_name: str
    language: str
    publisher: str
    postal_address: str
    contact: str
    sender: Sender
    look: Look = Look()


@dataclass(frozen=True, kw_only=True)
class SourcesContent:
    """All that the mail shows which tells editors that sources are in trouble."""

    identity: Identity
    sources: tuple[TroubledSource, ...]


@dataclass(frozen=True, kw_only=True)
class ConfirmContent:
    """All that the mail shows which asks whether a sign-up is meant. `weekday` is 0 for Monday.

    `further` are the names of other editions that were asked for in the same form. Nothing that a stranger may have
    typed belongs in here (threat 11).
    """

    identity: Identity
    confirm_url: str
    weekday: int
    #: For how many days the link works.
    valid_days: int
    further: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WelcomeContent:
    """All that the mail shows which greets a reader who has joined. `weekday` is 0 for Monday.

    `latest_url` and `latest_subject` are those of the latest issue, empty when there is none yet.
    """

    identity: Identity
    list_name: str
    tagline: str
    weekday: int
    #: The first day on which an issue comes, and the hour as "07:00".
    first_day: date
    hour: str
    latest_url: str = ""
    latest_subject: str = ""
    preferences_url: str
    unsubscribe_url: str


@dataclass(frozen=True, kw_only=True)
class GoodbyeContent:
    """All that the mail shows which a reader gets who has left on the page, in case it was a slip."""

    identity: Identity
    list_name: str
    #: Where they come back with one press, and where others sign up.
    return_url: str


@dataclass(frozen=True, kw_only=True)
class AddressContent:
    """All that the mail shows which asks at a new address whether it is the reader's."""

    identity: Identity
    address_url: str
    #: For how many days the link works.
    valid_days: int


@dataclass(frozen=True, kw_only=True)
class MovedContent:
    """All that the mail shows which tells an old address that it is not written to any more."""

    identity: Identity
    #: Where the change is undone; "" where it cannot be.
    back_url: str


@dataclass(frozen=True, kw_only=True)
class DataContent:
    """All that the mail shows which leads a reader to what is known of them."""

    identity: Identity
    data_url: str
    #: For how many hours the link works.
    valid_hours: int


@dataclass(frozen=True, kw_only=True)
class ReviewContent:
    """All that the mail shows which asks the editors to review a draft."""

    identity: Identity
    issue_name: str
    subject: str
    #: Headlines, the lead first.
    headlines: tuple[str, ...]
    #: What preflight found, as sentences; errors first.
    findings: tuple[str, ...]
    #: When it goes out, as the edition's language writes it, and whether it does so without an approval.
    send_at: str
    sends_unapproved: bool
