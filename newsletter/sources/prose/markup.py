"""What html says, by its blocks, and the pictures it shows. No tree is built, so depth costs nothing (threat 8)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from lxml import etree

from newsletter.sources.pictures import Picture, offered
from newsletter.sources.prose.captions import credited

_INLINE = frozenset(
    {"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd"}
    | {"mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"}
)
#: Elements between whose texts a space stands, though the line goes on.
_SPACED = frozenset({"td", "th", "img", "picture", "source", "label", "input"})
#: Elements whose text is no part of what is said.
_SILENT = frozenset(
    {"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "title", "select", "textarea"}
    | {"button", "nav", "dialog", "audio", "video", "canvas", "datalist", "applet", "frameset", "noembed"}
)
#: Class names of what stands beside a text: share bars, counters of comments, offers of other stories, bylines.
_ASIDE = re.compile(
    r"share(?:daddy|-?(?:bar|box|buttons?|icons?|links?|this|tools?))?|sharing(?:-.*)?|addtoany.*|addthis.*|a2a_.*|"
    r"social-?(?:bar|box|buttons?|icons?|links?|media|share|sharing)|feedflare|(?:jp-)?related-?(?:posts?|articles?|"
    r"stories|links|content)|post-?meta|entry-?meta|by-?line|read-?more(?:-link)?|more-link|"
    r"comments?-?(?:count|link|number)|screen-reader-text|sr-only|visually-?hidden|(?:no-?print|print-?only)|"
    r"ad(?:s|vert|vertisement|vertising)?-?(?:banner|block|box|container|label|slot|unit|wrapper)?|mc4wp-form.*|"
    r"(?:newsletter|subscribe|signup)-?(?:box|form|promo|signup|widget|embed)|subscription-widget.*|cookie-?(?:banner|"
    r"notice)|wp-block-(?:jetpack-subscriptions|social-links|buttons?)|button-wrapper|kg-(?:button|signup|cta)-card",
    re.IGNORECASE,
)
_CAPTION = re.compile(
    r"(?:wp-|image-|photo-|media-|picture-)?(?:caption|credit|legend)(?:-text)?|gallery-caption", re.IGNORECASE
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)

#: Elements that show, by an opening and a closing tag, that a text is html.
_OPENED = re.compile(
    r"<(p|div|span|a|b|i|u|em|strong|small|ul|ol|li|h[1-6]|blockquote|figure|figcaption|table|tr|td|font|section|"
    r"article|center|sup|sub|script|style|iframe)(?=[\s>])[^<>]*>",
    re.IGNORECASE,
)
_CLOSED = re.compile(r"</([a-z][a-z1-6]{0,9})\s*>", re.IGNORECASE)
#: Tags that show it alone.
_EMPTY = re.compile(r"<(?:br|hr)\s*/>|<img\s[^<>]*\bsrc\s*=|<a\s[^<>]*\bhref\s*=\s*[\"']", re.IGNORECASE)

#: Pictures of one text that are looked at.
_PICTURE_LIMIT = 100
_BLOCK, _LINE = "\x02", "\x03"


@dataclass(frozen=True)
class Reading:
    """What html says. Addresses of pictures are as they stand there."""

    blocks: tuple[str, ...]
    pictures: tuple[Picture, ...]


def is_markup(text: str) -> bool:
    """Say whether `text` has whole elements of html in it, not only the name of a tag."""
    if "<" not in text:
        return False
    opened = {match[1].lower() for match in _OPENED.finditer(text)}
    return bool(_EMPTY.search(text)) or any(match[1].lower() in opened for match in _CLOSED.finditer(text))


def read(markup: str) -> Reading:
    """Return what `markup` says. The caller has cut it to a size and taken out controls."""
    parser = etree.HTMLParser(target=_Reader())
    # Inside an element, since the parser calls bare text by itself an empty document.
    parser.feed(f"<div>{markup}")
    reading = parser.close()
    return reading if isinstance(reading, Reading) else Reading((), ())


@dataclass
class _Reader:
    """Collects text and pictures while lxml walks through html."""

    pieces: list[str] = field(default_factory=list)
    #: Text of elements that stand beside it by their class; all that there is, now and then.
    beside: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    #: For each open element, where its text goes.
    open: list[list[str] | None] = field(default_factory=list)
    #: The attributes of the <source> elements that wait for their <img>.
    sources: list[dict[str, str]] = field(default_factory=list)
    caption: list[str] = field(default_factory=list)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        goes = self.open[-1] if self.open else self.pieces
        if goes is self.pieces:
            goes = self._place(tag, attributes)
        elif goes is not None and tag in _SILENT:
            goes = None
        self.open.append(goes)
        if tag == "source":
            self.sources.append(attributes)
        elif tag == "img" and goes is self.pieces and len(self.pictures) < _PICTURE_LIMIT:
            self.pictures += offered([*self.sources, attributes])
        if goes is not None:
            goes.append(_gap(tag))

    def _place(self, tag: str, attributes: dict[str, str]) -> list[str] | None:
        """Return where the text of an element in the running text goes."""
        if tag in _SILENT or "hidden" in attributes or _HIDDEN.search(attributes.get("style", "")):
            return None
        names = attributes.get("class", "").split()[:20]
        if tag == "figcaption" or any(map(_CAPTION.fullmatch, names)):
            self.caption = []
            return self.caption
        return self.beside if any(map(_ASIDE.fullmatch, names)) else self.pieces

    def end(self, tag: str) -> None:
        goes = self.open.pop() if self.open else self.pieces
        above = self.open[-1] if self.open else self.pieces
        if tag == "picture":
            self.sources = []
        if goes is self.caption and above is not goes:
            self._credit(" ".join("".join(self.caption).translate(_SPACES).split(" ")))
            self.caption = []
        if above is not None:
            above.append(_gap(tag) if tag != "br" else "")

    def data(self, text: str) -> None:
        goes = self.open[-1] if self.open else self.pieces
        if goes is not None:
            goes.append(text.translate(_SPACES))

    def _credit(self, caption: str) -> None:
        """Give the words of a caption to the pictures before it that came from one element."""
        words, credit = credited(caption)
        alt = self.pictures[-1].alt if self.pictures else ""
        for place in range(len(self.pictures) - 1, -1, -1):
            picture = self.pictures[place]
            if picture.alt != alt or picture.credit:
                break
            self.pictures[place] = replace(picture, alt=picture.alt or words, credit=credit)

    def close(self) -> Reading:
        blocks = _blocks(self.pieces) or _blocks(self.beside)
        return Reading(blocks, tuple(self.pictures))


#: The marks between blocks, and line breaks that html takes for spaces.
_SPACES = {ord(mark): " " for mark in f"{_BLOCK}{_LINE}\r\n\t"}


def _gap(tag: str) -> str:
    """Return what stands in the text where an element begins or ends."""
    if tag in _INLINE:
        return ""
    if tag in _SPACED:
        return " "
    return _LINE if tag == "br" else _BLOCK


def _blocks(pieces: list[str]) -> tuple[str, ...]:
    """Return the blocks of a text: a line break is a space, two are the end of a paragraph."""
    text = re.sub(f"{_LINE} *{_LINE}[{_LINE} ]*", _BLOCK, "".join(pieces)).replace(_LINE, " ")
    # Only plain spaces: the others may be the halves of letters that were misread (repair.py).
    blocks = (" ".join(filter(None, part.split(" "))) for part in text.split(_BLOCK))
    return tuple(filter(None, blocks))
