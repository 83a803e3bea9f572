"""A mail as one reader gets it, and the ways of looking at it that the rules share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from lxml import html as lxml_html

from newsletter.preview import outlook_view

_COMMENT = re.compile("<!--.*?-->", re.DOTALL)
_STYLE_BLOCK = re.compile("<style[^>]*>(.*?)</style>", re.DOTALL)


@dataclass(frozen=True)
class MailView:
    """A finished mail, and what it must show. `text` is empty for a page, which has no text part."""

    subject: str
    html: str
    text: str
    #: Headlines in order, as shown; empty where the mail lists no stories.
    headlines: tuple[str, ...] = ()
    summaries: tuple[str, ...] = ()
    #: The address of each story, in order; empty where a story has none that can be opened.
    links: tuple[str, ...] = ()
    #: Words that must stand in both parts in this order, at the end (R42).
    footer: tuple[str, ...] = ()
    #: Words that must stand in both parts in any place, as often as they are named here: sources, days, places (R59).
    said: tuple[str, ...] = ()
    #: Addresses that must be linked (R42).
    wanted: tuple[str, ...] = ()
    #: What the document is called where it is not the subject: a test copy keeps the title of the mail it tests.
    title: str = ""

    @cached_property
    def root(self) -> Any:
        """The html as lxml reads it; comments, and so what only Word reads, are comments."""
        return lxml_html.document_fromstring(self.html)

    @cached_property
    def word(self) -> Any:
        """The html as Word reads it."""
        return lxml_html.document_fromstring(outlook_view(self.html))

    @cached_property
    def styles(self) -> tuple[str, ...]:
        """The kept style blocks, without what only Word reads."""
        return tuple(_STYLE_BLOCK.findall(without_comments(self.html)))

    @cached_property
    def ground(self) -> Any:
        """The element that wraps all that is shown (R3), or the body where there is none."""
        found = self.root.xpath("//body//div[@role='article']")
        return found[0] if found else self.root.find("body")

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, as the document says."""
        return str(self.root.get("dir", ""))


def without_comments(html: str) -> str:
    """Return the html without comments, conditional ones included."""
    return _COMMENT.sub("", html)


def without_styles(html: str) -> str:
    """Return the html as programs show it that drop every style block (R15)."""
    return _STYLE_BLOCK.sub("", html)


def style(element: Any) -> dict[str, str]:
    """Return property -> value of the element's style attribute; of a property set twice the last value."""
    return _declared(element.get("style", ""))


@lru_cache(maxsize=4096)
def _declared(css: str) -> dict[str, str]:
    parts = (one.partition(":") for one in css.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in parts if name.strip()}


def inherited(element: Any, prop: str) -> str:
    """Return the value of `prop` at the element or its nearest ancestor that sets it, else nothing."""
    for one in (element, *element.iterancestors()):
        value = style(one).get(prop)
        if value and value != "inherit":
            return value
    return ""


def pixels(value: str) -> float | None:
    """Return the number of a length in px (or a bare zero), or None when it is none."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)(?:px)?", value)
    return float(found[1]) if found and (value.endswith("px") or float(found[1]) == 0) else None


def words(element: Any) -> str:
    """Return the element's text on one line."""
    return " ".join(element.text_content().split())


def is_hidden(element: Any) -> bool:
    """Return True when the element or an ancestor is not displayed."""
    return any(style(one).get("display") == "none" for one in (element, *element.iterancestors()))


def texts(root: Any) -> Iterator[tuple[Any, str]]:
    """Yield each text that is seen, with the element that holds it."""
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag in {"style", "title", "script"} or is_hidden(element):
            continue
        if element.text and element.text.strip():
            yield element, " ".join(element.text.split())
        for child in element:
            if child.tail and child.tail.strip():
                yield element, " ".join(child.tail.split())


def visible_text(root: Any) -> str:
    """Return all text that is seen, pictures' descriptions apart, with spaces between the pieces."""
    return " ".join(piece for _, piece in texts(root.find("body")))
