"""A mail read for judging: its page, its text, its style blocks, and what it ought to be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from newsletter.mail import CONDITIONS, HOLES, Mail
from newsletter.preflight.comparing import letters_of
from newsletter.preflight.finding import CLOSE, OPEN
from newsletter.preflight.page import Element, Page, word_page
from newsletter.preflight.sheet import Sheet, StyleRule, sheet_of
from newsletter.render import Language
from newsletter.sources.net.addresses import is_inside_name, is_public

#: What stands for a hole while a mail is judged: its name between two characters that nobody can type.
MARKS: Mapping[str, str] = {name: f"{OPEN}hole.{name}{CLOSE}" for name in (*HOLES, *CONDITIONS)}
#: The same for a reader of whom nothing is known: no block that asks for something is shown.
MARKS_OF_NOBODY: Mapping[str, str] = {**MARKS, **dict.fromkeys(CONDITIONS, "")}

#: Pixels of letters that are read without trouble (R49).
SMALLEST = 14
#: Pixels: the widest that a mail is (R17).
WIDEST = 600

_ADDRESS = re.compile(r"https?://\S+")
_CONDITIONAL = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Reading:
    """What the rules judge. Holes are marked in `page` and `text` by `marks`; `site` is our own scheme and host."""

    mail: Mail
    page: Page
    text: str
    sheets: tuple[Sheet, ...]
    language: Language
    site: str = ""
    marks: Mapping[str, str] = field(default_factory=lambda: MARKS)

    @classmethod
    def of(cls, mail: Mail, language: str, site: str = "", marks: Mapping[str, str] = MARKS) -> Reading:
        """Return the mail as the rules see it, as for the reader whose values are `marks`.

        Raises ConfigurationError when its holes and blocks are wrong.
        """
        page = Page.of(mail.html_for(marks))
        sheets = tuple(sheet_of(page.text_of(one)) for one in page.all("style"))
        return cls(mail, page, mail.text_for(marks), sheets, Language.of(language), site, marks)

    @property
    def is_trial(self) -> bool:
        """Whether the installation has no https address yet."""
        return self.site.startswith("http:")

    @cached_property
    def rules(self) -> tuple[StyleRule, ...]:
        """The rules of all style blocks, in order."""
        return tuple(rule for sheet in self.sheets for rule in sheet.rules)

    @cached_property
    def links(self) -> list[Element]:
        """The links that readers see."""
        return [one for one in self.page.all("a") if not one.is_hidden]

    @cached_property
    def shown_text(self) -> str:
        """What readers see of the html, without alternative texts, as one line."""
        return " ".join(shown_words(self.page))

    @cached_property
    def word_page(self) -> Page:
        """What Word makes of the html."""
        return word_page(self.mail.html_for(self.marks))

    @cached_property
    def shown_letters(self) -> str:
        """The letters and digits of `shown_text` alone."""
        return letters_of(self.shown_text)

    @cached_property
    def text_letters(self) -> str:
        """The letters and digits of the text part without its web addresses: a paper's name may stand in one."""
        return letters_of(_ADDRESS.sub("", self.text))

    @property
    def preheader(self) -> Element | None:
        """The hidden element at the top of the body, when there is one."""
        body = self.page.first("body")
        inside = self.page.within(body) if body else ()
        return inside[0] if inside and inside[0].is_hidden else None


def shown_words(page: Page) -> list[str]:
    """Return the words that readers see of a page, without alternative texts."""
    runs = (run for run in page.runs if not run.is_alt and run.element.inside("html"))
    return "".join(f"{run.text} " for run in runs if not run.element.is_hidden).split()


def parts_of(url: str) -> SplitResult:
    """Return the parts of an address; of one that cannot be read, none."""
    try:
        return urlsplit(url.strip())
    except ValueError:
        return urlsplit("")


def is_inside(url: str) -> bool:
    """Return whether an address leads to this machine or into a network of its own: no reader can open it."""
    try:
        host = urlsplit(url).hostname or ""
        return is_inside_name(host) or not is_public(ip_address(host))
    except ValueError:
        return False


def kept_style_bytes(html: str) -> int:
    """Return the bytes of the style blocks that stay in the mail; what only Word reads does not count (R10)."""
    blocks = re.findall("<style[^>]*>(.*?)</style>", _CONDITIONAL.sub("", html), re.DOTALL)
    return sum(len(block.encode()) for block in blocks)


def pixels(value: str) -> float | None:
    """Return the number of a length in whole or broken pixels, or None when it is none."""
    found = re.fullmatch(r"(-?\d*\.?\d+)(px)?", value.strip())
    return float(found[1]) if found and (found[2] or float(found[1]) == 0) else None


def whole(value: str) -> int | None:
    """Return the number of an attribute such as width, in pixels, or None when it is none."""
    return int(value) if re.fullmatch("[0-9]{1,6}", value.strip()) else None


def inherited(element: Element, name: str) -> str:
    """Return the inline value of a property that passes to what lies within, or nothing."""
    return next((one.style[name] for one in element.up() if name in one.style), "")
