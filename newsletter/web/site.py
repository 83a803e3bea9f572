"""What every page needs: the parts it works with, and the templates it is written in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
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

from newsletter.db import Database
from newsletter.providers import Provider
from newsletter.render import Renderer
from newsletter.resources import templates_folder
from newsletter.wording import Wording, Wordings
from subscribers.tokens import Signer


class Pages:
    """The templates of `templates/web`; files in the folder `override` replace ours.

    Links within the site start at `root`, the path of the base URL, so that no Host header can turn them (threat 20).
    """

    def __init__(self, base_url: str, override: Path | None = None) -> None:
        self.root = urlsplit(base_url).path.rstrip("/")
        self.wordings = Wordings(override)
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
        self._environment.filters["capitalize_first"] = _capitalize_first
        self._environment.globals |= {"root": self.root, "stylesheet": self.stylesheet_path, "edition": None}

    def html(self, name: str, wording: Wording | None = None, **values: object) -> str:
        """Return template `name`, filled in, in the language of `wording`; English without one."""
        wording = wording or self.wordings.of("en")
        return self._environment.get_template(f"{name}.html").render(values | {"wording": wording})

    def page(self, name: str, wording: Wording | None = None, **values: object) -> HTMLResponse:
        """Return the answer that shows template `name`."""
        return HTMLResponse(self.html(name, wording, **values))

    @cached_property
    def stylesheet(self) -> str:
        """The style sheet of all pages."""
        return self._loader.get_source(self._environment, "static/pages.css")[0]

    @property
    def stylesheet_path(self) -> str:
        """Where the style sheet is; the path changes with its content, so that browsers may keep it for long."""
        version = hashlib.sha256(self.stylesheet.encode()).hexdigest()[:12]
        return f"{self.root}/static/pages.css?v={version}"


@pass_context
def _gettext(context: Context, phrase: str) -> str:
    return str(context["wording"].words.translations.gettext(phrase))


@pass_context
def _ngettext(context: Context, one: str, many: str, number: int) -> str:
    return str(context["wording"].words.translations.ngettext(one, many, number))


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
    #: The providers that may report, by the last part of the path (/hooks/sendgrid); who is not Reporting may not.
    hooks: Mapping[str, object] = field(default_factory=dict)
    #: Held while reports are stored on SQLite, whose writers wait for each other asleep, and not in turn.
    turn: Lock = field(default_factory=Lock)


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


#: How a handler asks for the site.
SiteParameter = Annotated[Site, Depends(_site)]
