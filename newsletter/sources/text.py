"""Text as sources give it, made plain: no markup, no control characters, absolute addresses (threats 4 and 8)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

from lxml import etree

from newsletter.sources.pictures import Picture

#: Characters of one piece of html that are looked at; what follows is cut off before any parser sees it.
HTML_LIMIT = 65_536
ADDRESS_LIMIT = 10_000

#: Controls (C0, DEL, C1), line and paragraph separators: a space stands for them.
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: What has no place in a line of text: soft hyphens, zero-width spaces, marks that override the reading direction,
#: lone surrogates (no database takes them) and noncharacters.
_NOISE = re.compile("[\xad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+")
_INLINE = frozenset(
    {"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd"}
    | {"mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var"}
)
#: Elements whose text is no part of what is said; a picture's caption is no sentence of the story either.
_SILENT = frozenset(
    {"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "title", "figcaption", "select"}
    | {"textarea", "button"}
)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True)
class Extract:
    """What html says: its text, and its pictures in order."""

    text: str = ""
    pictures: tuple[Picture, ...] = ()


def described(picture: Picture, texts: Iterable[Extract]) -> Picture:
    """Return `picture`, with the words for it from the first text that shows the same one where it has none."""
    shown = (one.alt for text in texts for one in text.pictures if one.url == picture.url and one.alt)
    return picture if picture.alt else replace(picture, alt=next(shown, ""))


def plain_text(text: str) -> str:
    """Return `text` as one clean line: NFC, single spaces, nothing invisible."""
    text = _NOISE.sub("", _BREAKS.sub(" ", text))
    return " ".join(unicodedata.normalize("NFC", text).split())


def from_html(markup: str, base: str = "") -> Extract:
    """Return what `markup` says. Relative addresses start from `base`."""
    if "<" not in markup and "&" not in markup:
        return Extract(plain_text(markup[:HTML_LIMIT]))
    parser = etree.HTMLParser(target=_Reader(base))
    # Inside an element, since the parser calls bare text by itself an empty document.
    parser.feed(f"<div>{_NOISE.sub('', _BREAKS.sub(' ', markup[:HTML_LIMIT]))}")
    extract = parser.close()
    return extract if isinstance(extract, Extract) else Extract()


@dataclass
class _Reader:
    """Collects text and pictures while lxml walks through html; no tree is built, so depth costs nothing."""

    base: str
    pieces: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    #: The open elements of _SILENT.
    silent: int = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in _SILENT:
            self.silent += 1
        elif tag == "img" and not self.silent and (picture := _picture(attributes, self.base)):
            self.pictures.append(picture)
        if tag not in _INLINE:
            self.pieces.append(" ")

    def end(self, tag: str) -> None:
        if tag in _SILENT:
            self.silent -= 1
        if tag not in _INLINE:
            self.pieces.append(" ")

    def data(self, text: str) -> None:
        if not self.silent:
            self.pieces.append(text)

    def close(self) -> Extract:
        return Extract(plain_text("".join(self.pieces)), tuple(self.pictures))


def _picture(attributes: dict[str, str], base: str) -> Picture | None:
    """Return the picture of an <img>, unless it is a pixel that counts readers."""
    if {attributes.get("width", "").strip(), attributes.get("height", "").strip()} & {"0", "1", "0px", "1px"}:
        return None
    url = absolute_url(attributes.get("src", ""), base)
    return Picture(url, plain_text(attributes.get("alt", ""))) if url else None


def absolute_url(address: str, base: str = "") -> str:
    """Return `address` as an absolute http or https URL without credentials, or nothing when it is none."""
    address = _NOISE.sub("", _BREAKS.sub("", address[:ADDRESS_LIMIT])).strip()
    try:
        url = urljoin(base, address)
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return ""
    if not address or parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return ""
    if re.search(r"[\s\\]", parts.netloc):
        return ""
    return re.sub(r"\s", "%20", url)


def language_tag(text: str) -> str:
    """Return a language tag such as en or pt-BR, or nothing when `text` is none (RFC 5646)."""
    tag = text.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) and len(tag) <= 35 else ""


def utc_time(text: str) -> datetime | None:
    """Return the UTC time that `text` names as in RFC 3339, or None when it names none. Without a zone it is UTC."""
    try:
        time = datetime.fromisoformat(text.strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
