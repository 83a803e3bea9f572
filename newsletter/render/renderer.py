"""The templates of `templates/email`, and what each mail gives them (docs/templates.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    UndefinedError,
    select_autoescape,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from newsletter.errors import ConfigurationError
from newsletter.mail import Mail, Sender, header_text, hole_tags, refuse_nonce
from newsletter.render.content import Card, ConfirmContent, IssueContent, SourcesContent
from newsletter.render.language import Language
from newsletter.render.markup import block_mark, hide_public_blocks, inline, public_page
from newsletter.render.text import (
    attribute_text,
    display_text,
    reads_from_right,
    shortened,
    tidied,
    web_address,
    wrapped,
)
from newsletter.resources import templates_folder

#: Characters of a preheader, at least and at most (R34), and of an alternative text (R47).
_PREHEADER_LENGTH = (85, 130)
_ALT_LENGTH = 125


class Renderer:
    """Turns issues into mails by the templates of `templates/email`; files in the folder `override` replace ours."""

    def __init__(self, override: Path | None = None) -> None:
        self._override = override

    def issue(self, content: IssueContent, nonce: str) -> Mail:
        """Return the issue's mail with holes marked by `nonce`.

        Raises Refused when a text holds the nonce, and ConfigurationError when a template is wrong.
        """
        refuse_nonce(nonce, *_strings(astuple(content)))
        mail = self._mail("issue", nonce, content.sender, issue_values(content))
        public_page(mail.html, nonce, content.signup_url)  # so that a wrong template shows now, not in the archive
        return mail

    def confirm(self, content: ConfirmContent) -> Mail:
        """Return the mail that asks a reader to confirm; it has no holes. Raises ConfigurationError as `issue` does."""
        nonce = sha256(content.confirm_url.encode()).hexdigest()[:32]
        return self._mail("confirm", nonce, content.sender, confirm_values(content))

    def sources(self, content: SourcesContent) -> Mail:
        """Return the mail that tells editors of sources in trouble; it has no holes.

        Raises ConfigurationError as `issue` does.
        """
        nonce = sha256(repr(content.sources).encode()).hexdigest()[:32]
        return self._mail("sources", nonce, content.sender, sources_values(content))

    def test_marked(self, mail: Mail) -> Mail:
        """Return the mail with a subject that tells it is a test."""
        return replace(mail, subject=f"[Test] {mail.subject}")

    @cached_property
    def _environment(self) -> ImmutableSandboxedEnvironment:
        folders = [*([self._override] if self._override else []), templates_folder() / "email"]
        environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folders),
            autoescape=select_autoescape(["html"], default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["wrapped"] = wrapped
        return environment

    def _mail(self, name: str, nonce: str, sender: Sender, values: dict[str, object]) -> Mail:
        subject = header_text(self._part(f"{name}/subject.txt", values))
        values |= {"subject": subject, "label": attribute_text(subject), "mark": block_mark(nonce)}
        html = self._part(f"{name}/body.html", values | {"hole": hole_tags(nonce, html=True)})
        text = self._part(f"{name}/body.txt", values | {"hole": hole_tags(nonce, html=False)})
        return Mail(subject, hide_public_blocks(inline(html), nonce), tidied(text), sender, nonce)

    def _part(self, name: str, values: Mapping[str, object]) -> str:
        try:
            return self._environment.get_template(name).render(values)
        except TemplateSyntaxError as error:
            raise ConfigurationError(f"Template {error.name}, line {error.lineno}: {error.message}") from error
        except UndefinedError as error:
            sentence = f"Template {name}: {error.message}. docs/templates.md lists what this mail has."
            raise ConfigurationError(sentence) from error
        except TemplateError as error:
            raise ConfigurationError(f"Template {name}: {error.message}") from error


def issue_values(content: IssueContent) -> dict[str, object]:
    """Return what the templates of an issue's mail can print, holes apart."""
    language = Language.of(content.language)
    insecure = urlsplit(content.view_url).scheme == "http"
    lead, *more = (_card(card, language, insecure_pictures=insecure) for card in (content.lead, *content.more))
    return _frame(content, language) | {
        "own_subject": content.subject,
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


def confirm_values(content: ConfirmContent) -> dict[str, object]:
    """Return what the templates of the confirmation can print."""
    language = Language.of(content.language)
    return _frame(content, language) | {
        "weekday": language.weekday(content.weekday),
        "valid_days": content.valid_days,
        "confirm_url": content.confirm_url,
    }


def sources_values(content: SourcesContent) -> dict[str, object]:
    """Return what the templates of the mail about sources in trouble can print."""
    return _frame(content, Language.of(content.language)) | {
        "sources": [{"name": display_text(one.name), "trouble": display_text(one.trouble)} for one in content.sources]
    }


def default_preheader(content: IssueContent) -> str:
    """Return what inboxes show after the subject: the headlines below the lead, then its summary (R34)."""
    shortest, longest = _PREHEADER_LENGTH
    line = ""
    for piece in [*(card.headline for card in content.more), content.lead.summary]:
        if len(line) >= shortest:
            break
        line = " · ".join(filter(None, [line, display_text(piece)]))
    return shortened(line, longest)


def _frame(content: IssueContent | ConfirmContent | SourcesContent, language: Language) -> dict[str, object]:
    contact = display_text(content.contact)
    return {
        "lang": language,
        "edition": display_text(content.edition_name),
        "publisher": display_text(content.publisher),
        "postal_address": display_text(content.postal_address),
        "contact": contact,
        "contact_url": web_address(contact),
    }


def _card(card: Card, language: Language, *, insecure_pictures: bool) -> dict[str, object]:
    own = Language.of(card.language) if card.language else language
    foreign = own.primary != language.primary
    picture = web_address(card.image_url)
    headline, alt = display_text(card.headline), display_text(card.image_alt)
    source = display_text(card.source)
    source_direction = "rtl" if reads_from_right(source) else "ltr"
    return {
        "headline": headline,
        "summary": display_text(card.summary),
        "link": web_address(card.link),
        "source": source,
        "source_direction": source_direction if source_direction != language.direction else "",
        "date": language.short_date(card.day) if card.day else "",
        "regions": [display_text(str(region)) for region in card.regions],
        "image_url": picture if insecure_pictures or picture.startswith("https:") else "",
        "image_alt": "" if alt == headline else attribute_text(shortened(alt, _ALT_LENGTH)),
        "image_credit": display_text(card.image_credit),
        "also": [_isolated(display_text(outlet), language) for outlet in card.also],
        "lang": own.tag if foreign else "",
        "direction": own.direction,
        "language": language.name_of(own) if foreign else "",
    }


def _isolated(name: str, language: Language) -> str:
    """Return a name between isolating marks where it reads in the other direction than the mail (UAX 9)."""
    return f"\u2068{name}\u2069" if reads_from_right(name) != (language.direction == "rtl") else name


def _strings(values: object) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, tuple):
        for value in values:
            yield from _strings(value)
