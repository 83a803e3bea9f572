"""Mails in Chromium: one page that shows one mail after the other, with our pictures and nothing else (T6)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page, Route, sync_playwright

from newsletter.preview import find_chromium
from tests import mail_fixtures as fixtures
from tests.mail.programs import MissingProgramError

#: R16: phones from the smallest on, the mail's own width, a tablet, a desk.
WIDTHS = (320, 360, 375, 414, 480, 600, 768, 1200)
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
#: Where pictures of mails are kept for people to look at; not compared.
SCREENSHOTS = Path(__file__).parents[2] / "var" / "screenshots"
ADDRESS = "https://mail.example.org/"


class MailPage:
    """A page that opens html. We serve it and its pictures; every other request is refused."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._html = ""
        self._pictures = True
        self._loaded = False
        self._devtools: CDPSession | None = None
        page.route("**/*", self._answer)

    def open(self, html: str, *, width: int = 600, scheme: Scheme = "light", pictures: bool = True) -> Page:
        """Return the page with the mail in it, loaded; a mail that is there already is not loaded again."""
        there = self._loaded and (self._html, self._pictures) == (html, pictures)
        self._html, self._pictures, self._loaded = html, pictures, True
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(color_scheme=scheme)
        if not there:
            self.page.goto(ADDRESS)
        return self.page

    def change(self, css: str) -> None:
        """Add styles of a reader's own, until the next mail is opened."""
        self._loaded = False
        self.page.add_style_tag(content=css)

    def resize(self, width: int) -> None:
        """Make the window as wide, without loading anything again."""
        self.page.set_viewport_size({"width": width, "height": 800})

    def darken(self, *, on: bool) -> None:
        """Turn the colours of every page round as Chromium on Android does (R58), or stop doing so."""
        if self._devtools is None:
            self._devtools = self.page.context.new_cdp_session(self.page)
        self._devtools.send("Emulation.setAutoDarkModeOverride", {"enabled": True} if on else {})

    def measure(self, script: str, argument: object = None) -> Any:
        """Return what a function in JavaScript says of the page."""
        return self.page.evaluate(script, argument)

    def _answer(self, route: Route) -> None:
        url = route.request.url
        if url == ADDRESS:
            route.fulfill(body=self._html, content_type="text/html; charset=utf-8")
        elif self._pictures and url.startswith(fixtures.PICTURES):
            body, kind = picture(url)
            route.fulfill(body=body, content_type=kind)
        else:
            route.abort()


def picture(url: str) -> tuple[bytes, str]:
    """Return one of the fixtures' pictures, or a plain flag, with its content type."""
    number = re.search(r"/(\d+)\.jpg$", url)
    if number:
        return fixtures.picture(int(number[1])), "image/jpeg"
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (0, 87, 183)).save(out, "PNG")
    return out.getvalue(), "image/png"


@contextmanager
def mail_page(browser: Browser, *, scale: float = 1) -> Iterator[MailPage]:
    """Open a page in a context of its own. `scale` is the device's pixels for one of the page's."""
    context = browser.new_context(device_scale_factor=scale)
    try:
        yield MailPage(context.new_page())
    finally:
        context.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, for the benchmark; tests share the one of tests/browser/conftest.py."""
    path = find_chromium()
    if path is None:
        raise MissingProgramError("Chromium is missing. On Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
