"""What every page needs: the parts it works with, and the templates it is written in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from newsletter.db import Database
from newsletter.providers import Provider
from newsletter.render import Renderer
from newsletter.render.language import Language
from newsletter.resources import templates_folder
from newsletter.signup.door import Door
from newsletter.wording import Wording, Wordings
from subscribers.hashes import KeyedHash
from subscribers.tokens import Signer

#: Characters of an Accept-Language header that are read; browsers send a tenth of that.
_MOST_ACCEPTED = 1_000


class Pages:
    """The templates of `templates/web`; files in the folder `override` replace ours.

    Links within the site start at `root`, the path of the base URL, so that no Host header can turn them (threat 20).
    """

    def __init__(self, base_url: str, override: Path | None = None) -> None:
        self.root = urlsplit(base_url).path.rstrip("/")
        self.wordings = Wordings(override)
        self._static_paths: dict[str, str] = {}
        self._loader = FileSystemLoader([*([override] if override else []), templates_folder() / "web"])
        self._environment = Environment(
            loader=self._loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        translate = (_gettext, _ngettext)
        self._environment.install_gettext_callables(*translate, newstyle=True)  # type: ignore[attr-defined] # the extension's
        self._environment.filters |= {"capitalize_first": _capitalize_first, "isolated": isolated}
        self._environment.globals |= {"root": self.root, "static": self.static_path, "edition": None, "framed": False}

    def html(self, name: str, wording: Wording | None = None, **values: object) -> str:
        """Return template `name`, filled in, in the language of `wording`; English without one."""
        wording = wording or self.wordings.of("en")
        return self._environment.get_template(f"{name}.html").render(values | {"wording": wording})

    def page(self, name: str, wording: Wording | None = None, **values: object) -> HTMLResponse:
        """Return the answer that shows template `name`."""
        return HTMLResponse(self.html(name, wording, **values))

    @cached_property
    def languages(self) -> tuple[Language, ...]:
        """The languages that the pages speak."""
        return self.wordings.offered()

    def offered_tag(self, tag: str) -> str:
        """Return the tag of ours that is this language, or the closest; "" when the pages do not speak it."""
        primary = tag.lower().partition("-")[0]
        same = [one.tag for one in self.languages if one.primary == primary]
        return next((one for one in same if one.lower() == tag.lower()), same[0] if same else "")

    def static(self, name: str) -> str:
        """Return a file of ours, such as pages.css."""
        return self._loader.get_source(self._environment, f"static/{name}")[0]

    def static_path(self, name: str) -> str:
        """Return where such a file is; the path changes with its content, so that browsers may keep it for long."""
        if name not in self._static_paths:
            version = hashlib.sha256(self.static(name).encode()).hexdigest()[:12]
            self._static_paths[name] = f"{self.root}/static/{name}?v={version}"
        return self._static_paths[name]


@pass_context
def _gettext(context: Context, phrase: str) -> str:
    return str(context["wording"].words.translations.gettext(phrase))


@pass_context
def _ngettext(context: Context, one: str, many: str, number: int) -> str:
    return str(context["wording"].words.translations.ngettext(one, many, number))


@dataclass(frozen=True)
class LanguageShown:
    """A language to choose, by its own name, such as "Deutsch"; with the tag where that says more than the language."""

    tag: str
    name: str
    direction: str

    @classmethod
    def of(cls, language: Language) -> LanguageShown:
        """Return how a language is shown; its name as a list of names begins it."""
        name = _capitalize_first(language.name_of(language))
        shown = name if language.tag == language.primary else f"{name} ({language.tag})"
        return cls(language.tag, shown, language.direction)


def isolated(text: str) -> Markup:
    """Return a name or an address for a sentence of any direction: what it begins or ends with turns nothing around."""
    return Markup("<bdi>{}</bdi>").format(text)


def _capitalize_first(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Site:
    """The parts that the pages work with. `clock` returns the time in UTC; `base_url` has no slash at its end."""

    db: Database
    provider: Provider
    renderer: Renderer
    signer: Signer
    base_url: str
    clock: Callable[[], datetime]
    pages: Pages
    #: What stands for addresses that must not be kept.
    hashes: KeyedHash
    #: Decides over sign-up forms.
    door: Door
    #: Who is told when an edition is flooded with sign-ups.
    editors: Sequence[str] = ()
    #: The providers that may report, by the last part of the path (/hooks/sendgrid); who is not Reporting may not.
    hooks: Mapping[str, object] = field(default_factory=dict)
    #: Held while reports are stored on SQLite, whose writers wait for each other asleep, and not in turn.
    turn: Lock = field(default_factory=Lock)


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


#: How a handler asks for the site.
SiteParameter = Annotated[Site, Depends(_site)]


def wording_for(request: Request) -> Wording:
    """Return the words of the language that the address asks for (?lang=), or else the browser; English if need be."""
    site: Site = request.app.state.site
    asked = [request.query_params.get("lang", ""), *accepted_languages(request.headers.get("accept-language", ""))]
    # Only tags of ours are looked up: each that is looked up is remembered, and a stranger has many.
    return site.pages.wordings.of(*filter(None, map(site.pages.offered_tag, asked)))


def accepted_languages(header: str) -> list[str]:
    """Return the languages of an Accept-Language header, the most wanted first (RFC 9110, section 12.5.4). Pure.

    What is no language, or not wanted at all, is passed over.
    """
    found: list[tuple[float, str]] = []
    for part in header[:_MOST_ACCEPTED].split(","):
        tag, _, weight = part.partition(";")
        match = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight) if weight else None
        wanted = 1.0 if not weight else float(match[1]) if match else 0.0
        if wanted and re.fullmatch("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag.strip()):
            found.append((wanted, tag.strip()))
    return [tag for _, tag in sorted(found, key=lambda one: -one[0])]
