"""Text as sources give it, made plain: no markup, no control characters, absolute addresses (threats 4 and 8)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

from newsletter.sources.pictures import Picture, original
from newsletter.sources.prose.characters import parsable, scrubbed, unbroken
from newsletter.sources.prose.markup import Reading, is_markup, read
from newsletter.sources.prose.repair import repaired

#: Characters of one piece of text or html that are looked at; what follows is cut off before any parser sees it.
HTML_LIMIT = 65_536
ADDRESS_LIMIT = 10_000
#: Times that one text is decoded: once as it should be, and again where its source has escaped it twice or thrice.
_ROUNDS = 3

#: Only with its semicolon is a reference one for certain: "AT&notes" is none.
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
#: What says nothing and may be longer than the text, by its beginning and end: comments, scripts and styles.
_BALLAST = [
    (re.compile(start, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for start, end in [("<!--", "-->"), (r"<script\b", r"</script\s*>"), (r"<style\b", r"</style\s*>")]
]
#: A picture within its address.
_DATA = re.compile(r"data:[a-z]+/[^\"'\s<>,]{0,99},[^\"'\s<>]*", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True)
class Extract:
    """What html says: its text in one line, and its pictures in order."""

    text: str = ""
    pictures: tuple[Picture, ...] = ()
    #: The same text by its blocks: paragraphs, headings, points of a list.
    blocks: tuple[str, ...] = ()

    @property
    def content(self) -> str:
        """The text with a line for each block, from which summary_of tells a heading from a sentence."""
        return "\n".join(self.blocks)


def described(picture: Picture, texts: Iterable[Extract]) -> Picture:
    """Return `picture` with the words and credit of the first text that shows it, in any size, where it has none."""
    key = original(picture.url)
    shown = [one for text in texts for one in text.pictures if original(one.url) == key]
    alt = picture.alt or next((one.alt for one in shown if one.alt), "")
    return replace(picture, alt=alt, credit=picture.credit or next((one.credit for one in shown if one.credit), ""))


def plain_text(text: str) -> str:
    """Return `text` as one clean line: NFC, single spaces, nothing invisible, nothing misread, no more than HTML_LIMIT.

    References that a source left in its text (&amp;quot;) are decoded, and where they hid whole elements of html, that
    goes. What looks like markup without them is meant as it stands: a headline about <br>, or Atom's plain text.
    """
    text = text[:HTML_LIMIT]
    for _ in range(_ROUNDS):
        decoded = _REFERENCE.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text
        if decoded != text and is_markup(decoded) and not is_markup(text):
            decoded = " ".join(read(parsable(decoded)).blocks)
        if decoded == text:
            break
        text = decoded
    return scrubbed(repaired(text))


def from_html(markup: str, base: str = "") -> Extract:
    """Return what `markup` says. Relative addresses start from `base`."""
    if "<" not in markup and "&" not in markup:
        text = plain_text(markup)
        return Extract(text, blocks=(text,) if text else ())
    reading = _read_out(markup)
    blocks = tuple(filter(None, map(plain_text, reading.blocks)))
    urls = [(absolute_url(one.url, base), one) for one in reading.pictures]
    pictures = (
        replace(one, url=url, alt=plain_text(one.alt), credit=plain_text(one.credit)) for url, one in urls if url
    )
    return Extract(" ".join(blocks), tuple(pictures), blocks)


def _read_out(markup: str) -> Reading:
    """Return what html says; where its text turns out to be html again, what that says (escaped once too often)."""
    reading = read(parsable(_lightened(markup)[:HTML_LIMIT]))
    for _ in range(_ROUNDS - 1):
        inner = "\n".join(reading.blocks)
        if not is_markup(inner):
            break
        again = read(parsable(inner))
        reading = Reading(again.blocks, (*reading.pictures, *again.pictures))
    return reading


def _lightened(markup: str) -> str:
    """Return html that is longer than HTML_LIMIT without what says nothing, so that the cut comes later in the text."""
    if len(markup) <= HTML_LIMIT:
        return markup
    for start, end in _BALLAST:
        markup = _without(markup, start, end)
    return _DATA.sub("", markup)


def _without(text: str, start: re.Pattern[str], end: re.Pattern[str]) -> str:
    """Return `text` without everything from a `start` to the next `end`. It is looked at once, whatever is in it."""
    kept, place = [], 0
    while (opening := start.search(text, place)) and (closing := end.search(text, opening.end())):
        kept.append(text[place : opening.start()])
        place = closing.end()
    return "".join([*kept, text[place:]])


def absolute_url(address: str, base: str = "") -> str:
    """Return `address` as an absolute http or https URL without credentials, or nothing when it is none."""
    address = unbroken(address[:ADDRESS_LIMIT]).replace("&amp;", "&")  # escaped twice: no address means it
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
