"""What each mail gives its templates, made from its content: plain values, fit to be shown (docs/templates.md)."""

from __future__ import annotations

from urllib.parse import urlsplit

from newsletter.render.colours import DARK, LIGHT, dark_of
from newsletter.render.content import (
    AddressContent,
    Card,
    ConfirmContent,
    DataContent,
    GoodbyeContent,
    Identity,
    IssueContent,
    Look,
    MovedContent,
    RegionTag,
    ReviewContent,
    SourcesContent,
    WelcomeContent,
)
from newsletter.render.language import Language
from newsletter.render.text import attribute_text, display_text, reads_from_right, shortened, web_address
from newsletter.render.written import Written, written

#: Characters of a preheader, at least and at most (R34), and of an alternative text (R47).
_PREHEADER_LENGTH = (85, 130)
_ALT_LENGTH = 125

Values = dict[str, object]


def issue_values(content: IssueContent, nonce: str) -> Values:
    """Return what the templates of an issue's mail can print; `nonce` marks what differs from reader to reader."""
    language = Language.of(content.language)
    insecure = urlsplit(content.view_url).scheme == "http"
    lead, *more = (_card(card, language, insecure_pictures=insecure) for card in (content.lead, *content.more))
    return (
        _frame(content)
        | _written("intro", written(content.intro, language.primary, nonce))
        | _written("corrections", written(content.corrections, language.primary, nonce))
        | _written("closing", written(content.closing, language.primary, nonce))
        | {
            "own_subject": content.subject,
            "sender_name": content.sender.name,
            "preheader": display_text(content.preheader) or default_preheader(content),
            "tagline": display_text(content.tagline),
            "region": display_text(content.region_name),
            "list_name": display_text(content.list_name),
            "number": content.number,
            "date": language.long_date(content.day),
            "lead": lead,
            "more": more,
            "view_url": content.view_url,
            "signup_url": content.signup_url,
        }
    )


def confirm_values(content: ConfirmContent) -> Values:
    """Return what the templates of the confirmation can print."""
    language = Language.of(content.identity.language)
    names = [_isolated(display_text(name), language) for name in (content.identity.edition_name, *content.further)]
    return _frame(content.identity) | {
        "editions": language.listed(names),
        "several": len(names) > 1,
        "weekday": content.weekday,
        "valid_days": content.valid_days,
        "confirm_url": content.confirm_url,
    }


def welcome_values(content: WelcomeContent) -> Values:
    """Return what the templates of the mail to a new reader can print."""
    language = Language.of(content.identity.language)
    return _frame(content.identity) | {
        "tagline": display_text(content.tagline),
        "list_name": display_text(content.list_name),
        "weekday": content.weekday,
        "hour": content.hour,
        "first_day": language.short_date(content.first_day),
        "latest_url": content.latest_url,
        "latest_subject": display_text(content.latest_subject),
        "sender_address": content.identity.sender.address,
        "preferences_url": content.preferences_url,
        "unsubscribe_url": content.unsubscribe_url,
    }


def goodbye_values(content: GoodbyeContent) -> Values:
    """Return what the templates of the mail to a reader who has left can print."""
    return _frame(content.identity) | {
        "list_name": display_text(content.list_name),
        "return_url": content.return_url,
    }


def address_values(content: AddressContent) -> Values:
    """Return what the templates of the mail to a new address can print."""
    return _frame(content.identity) | {"address_url": content.address_url, "valid_days": content.valid_days}


def moved_values(content: MovedContent) -> Values:
    """Return what the templates of the mail to an old address can print."""
    return _frame(content.identity) | {"back_url": content.back_url}


def data_values(content: DataContent) -> Values:
    """Return what the templates of the mail with the link to a reader's data can print."""
    return _frame(content.identity) | {"data_url": content.data_url, "valid_hours": content.valid_hours}


def review_values(content: ReviewContent) -> Values:
    """Return what the templates of the mail that asks editors for a review can print."""
    return _frame(content.identity) | {
        "issue_name": display_text(content.issue_name),
        "draft_subject": display_text(content.subject),
        "headlines": [display_text(headline) for headline in content.headlines],
        "findings": [display_text(finding) for finding in content.findings],
        "send_at": content.send_at,
        "sends_unapproved": content.sends_unapproved,
    }


def sources_values(content: SourcesContent) -> Values:
    """Return what the templates of the mail about sources in trouble can print."""
    return _frame(content.identity) | {
        "sources": [{"name": display_text(one.name), "trouble": display_text(one.trouble)} for one in content.sources]
    }


def mark_values(identity: Identity, subject: str) -> Values:
    """Return what the templates of the mark on a test copy can print."""
    return _frame(identity) | {"tested_subject": subject}


def default_preheader(content: IssueContent) -> str:
    """Return what inboxes show after the subject: the headlines below the lead, then its summary (R34)."""
    shortest, longest = _PREHEADER_LENGTH
    language = Language.of(content.language)
    line = ""
    for piece in [*(card.headline for card in content.more), content.lead.summary]:
        if len(line) >= shortest:
            break
        line = " · ".join(filter(None, [line, _isolated(display_text(piece), language)]))
    short = shortened(line, longest)
    return short + "\u2069" * (short.count("\u2068") - short.count("\u2069"))  # what was cut off is closed (UAX 9)


def _frame(content: IssueContent | Identity) -> Values:
    contact = display_text(content.contact)
    return {
        "lang": Language.of(content.language),
        "edition": display_text(content.edition_name),
        "publisher": display_text(content.publisher),
        "postal_address": display_text(content.postal_address),
        "contact": contact,
        "contact_url": web_address(contact),
        **_look(content.look),
    }


def _look(look: Look) -> Values:
    accent = look.accent or LIGHT["accent"]
    accent_dark = look.accent_dark or (dark_of(look.accent) if look.accent else DARK["accent"])
    return {
        "light": dict(LIGHT) | {"accent": accent},
        "dark": dict(DARK) | {"accent": accent_dark},
        "logo_url": web_address(look.logo_url) if look.logo_width else "",
        "logo_width": look.logo_width,
    }


def _written(name: str, piece: Written) -> Values:
    return {name: list(piece.html), f"{name}_text": list(piece.text)}


def _card(card: Card, language: Language, *, insecure_pictures: bool) -> Values:
    own = Language.of(card.language) if card.language else language
    foreign = own.primary != language.primary
    picture = web_address(card.image_url)
    shown = bool(picture) and (insecure_pictures or picture.startswith("https:"))
    headline, alt = display_text(card.headline), display_text(card.image_alt)
    source = display_text(card.source)
    return {
        "headline": headline,
        "summary": display_text(card.summary),
        "link": web_address(card.link),
        "source": source,
        "source_direction": _other_direction(source, language),
        "date": language.short_date(card.day) if card.day else "",
        "regions": [_region(region, language) for region in card.regions],
        "image_url": picture if shown else "",
        "small_url": (web_address(card.small_url) or picture) if shown else "",
        "image_alt": "" if alt == headline else attribute_text(shortened(alt, _ALT_LENGTH)),
        "image_credit": display_text(card.image_credit),
        "also": language.listed([_isolated(display_text(outlet), language) for outlet in card.also]),
        "lang": own.tag if foreign else "",
        "direction": own.direction,
        "language": language.name_of(own) if foreign else "",
    }


def _region(region: RegionTag, language: Language) -> dict[str, str]:
    name = display_text(str(region))
    direction = _other_direction(display_text(region.name), language)
    return {"name": name, "flag_url": web_address(region.flag_url), "direction": direction}


def _other_direction(name: str, language: Language) -> str:
    """Return the direction of a name when it is not the mail's, else nothing (R52)."""
    direction = "rtl" if reads_from_right(name) else "ltr"
    return direction if direction != language.direction else ""


def _isolated(name: str, language: Language) -> str:
    """Return a name between isolating marks where it reads in the other direction than the mail (UAX 9)."""
    return f"\u2068{name}\u2069" if name and _other_direction(name, language) else name
