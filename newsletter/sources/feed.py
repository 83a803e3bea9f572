"""RSS 0.9 to 2.0, RSS 1.0 and Atom, through feedparser.

feedparser is given bytes only (a text would be taken for an address or a file name), and neither cleans html nor
resolves its links: that costs half its time and is where it hangs (trust fact 8). What leaves here is plain text.
"""

from __future__ import annotations

import calendar
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any

import feedparser

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Item
from newsletter.sources.detect import NO_FEED, Shape, refusal, shape_of
from newsletter.sources.entries import Document, fetched
from newsletter.sources.http import Answer
from newsletter.sources.pictures import Picture, best
from newsletter.sources.text import Extract, absolute_url, described, from_html, language_tag, plain_text

_REFERENCE = re.compile(rb"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?")
_MARKUP = re.compile(r"</[a-z]|<(?:br|hr|img|p|script|style|iframe|svg|wbr)\b|&(?:#\w+|[a-z]\w+);", re.IGNORECASE)
_PICTURE_NAME = re.compile(r"\.(?:jpe?g|png|webp|gif)(?:$|[?#])", re.IGNORECASE)


def parse_feed(answer: Answer) -> Fetched:
    """Return what the feed in `answer` says. Raises FetchError when it is no feed or is damaged beyond reading."""
    if shape_of(answer.body) in NO_FEED:
        raise refusal(answer, Shape.FEED)
    parsed = _parsed(answer)
    channel, version = parsed["feed"], str(parsed["version"] or "")
    feed = _Feed(answer.url, version.startswith("atom"), _string(channel, "language"))
    return fetched(answer, _text(channel, "title", feed).text, (_item(entry, feed) for entry in parsed["entries"]))


def _parsed(answer: Answer) -> dict[str, Any]:
    """Return what feedparser makes of the answer, as plain dicts."""
    headers = {"content-type": _content_type(answer), "content-location": answer.url}
    try:
        parsed = feedparser.parse(
            io.BytesIO(_scrubbed(answer.body)),
            response_headers=headers,
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except Exception as error:  # It raises anything on damaged input: on 0.54 % of mutated feeds.
        raise FetchError(
            answer.url, f"The feed is damaged beyond reading ({type(error).__name__}). Tell the publisher."
        ) from error
    if not parsed["entries"] and not parsed.get("version"):
        raise refusal(answer, Shape.FEED)
    return {"feed": _plain(parsed["feed"]), "entries": _plain(parsed["entries"]), "version": parsed.get("version")}


def _plain(value: Any) -> Any:
    """Return feedparser's dicts as plain ones: its own answer to one name with the value of another."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in dict.items(value)}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _content_type(answer: Answer) -> str:
    """Return the type to read by. UTF-8 proves itself, so it wins over a server or declaration that says otherwise."""
    if not answer.body.isascii() and _is_utf8(answer.body):
        return "application/xml; charset=utf-8"
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", answer.content_type, re.IGNORECASE)
    return f"application/xml; charset={charset[1]}" if charset else "application/xml"


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _scrubbed(body: bytes) -> bytes:
    """Return the body without references to characters that XML does not have; feedparser raises on surrogates."""

    def one(match: re.Match[bytes]) -> bytes:
        digits, radix = (match[1], 16) if match[1] else (match[2], 10)
        digits = digits.lstrip(b"0")
        code = int(digits or b"0", radix) if len(digits) <= 7 else -1
        return match[0] if _is_xml_character(code) else b"&#xFFFD;"

    return _REFERENCE.sub(one, body)


def _is_xml_character(code: int) -> bool:
    """Say whether XML 1.0 has this character (section 2.2)."""
    return code in {9, 10, 13} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


@dataclass(frozen=True)
class _Feed:
    """What its entries inherit from a feed."""

    base: str
    is_atom: bool
    language: str


def _item(entry: dict[str, Any], feed: _Feed) -> Item:
    # A summary without its detail is feedparser's copy of the content, whose type it has lost.
    summary = [_text(entry, "summary", feed)] if "summary_detail" in entry else []
    texts = [*summary, *_contents(entry, feed)]
    picture = _picture(entry, texts, feed.base)
    url = absolute_url(_string(entry, "link"), feed.base)
    return Item(
        url=url if url != feed.base else "",  # an empty link leads back to the feed
        title=_text(entry, "title", feed).text,
        summary=next((found.text for found in texts if found.text), ""),
        published_at=_time(entry.get("published_parsed")),
        updated_at=_time(entry.get("updated_parsed")),
        author=_author(entry),
        language=_language(entry, feed),
        image_url=picture.url,
        image_alt=picture.alt,
    )


def _string(part: dict[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""


def _dicts(part: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = part.get(name)
    return [found for found in value if isinstance(found, dict)] if isinstance(value, list) else []


def _text(part: dict[str, Any], name: str, feed: _Feed) -> Extract:
    """Return the text of an element; feedparser notes its type beside it."""
    detail = part.get(f"{name}_detail")
    return _extract(_string(part, name), detail if isinstance(detail, dict) else {}, feed)


def _contents(entry: dict[str, Any], feed: _Feed) -> list[Extract]:
    return [_extract(_string(content, "value"), content, feed) for content in _dicts(entry, "content")]


def _extract(value: str, detail: dict[str, Any], feed: _Feed) -> Extract:
    """Return what an element says. Atom states whether it is html; RSS leaves that to be guessed."""
    if "html" in _string(detail, "type") or (not feed.is_atom and _MARKUP.search(value)):
        return from_html(value, _string(detail, "base") or feed.base)
    return Extract(plain_text(value))


def _picture(entry: dict[str, Any], texts: Sequence[Extract], base: str) -> Picture:
    """Return the entry's picture: the widest given as media, else an enclosure, else one in its text."""
    media = filter(_is_picture, _dicts(entry, "media_content"))
    enclosures = [link for link in _dicts(entry, "links") if link.get("rel") == "enclosure" and _is_picture(link)]
    for offered in (media, _dicts(entry, "media_thumbnail"), enclosures):
        picture = best(Picture(_address(one, base), width=_width(one)) for one in offered)
        if picture.url:
            return described(picture, texts)
    return best(picture for text in reversed(texts) for picture in text.pictures)


def _address(media: dict[str, Any], base: str) -> str:
    return absolute_url(_string(media, "url") or _string(media, "href"), base)


def _is_picture(media: dict[str, Any]) -> bool:
    """Say whether a media element or an enclosure is a picture that mail programs show."""
    kind = _string(media, "type").lower()
    if kind or media.get("medium"):
        return "svg" not in kind and (kind.startswith("image/") or media.get("medium") == "image")
    return bool(_PICTURE_NAME.search(_string(media, "url") or _string(media, "href")))


def _width(media: dict[str, Any]) -> int:
    width = _string(media, "width")
    return int(width) if width.isdecimal() and len(width) < 6 else 0


def _author(entry: dict[str, Any]) -> str:
    """Return the authors' names; a mail address alone is none that readers should see."""
    given = _string(entry, "author")
    if "@" in given:
        return plain_text(parseaddr(given)[0])
    names = [plain_text(_string(author, "name")) for author in _dicts(entry, "authors")]
    return ", ".join(dict.fromkeys(filter(None, names))) or plain_text(given)


def _language(entry: dict[str, Any], feed: _Feed) -> str:
    detail = entry.get("title_detail")
    own = _string(detail, "language") if isinstance(detail, dict) else ""
    return language_tag(own) or language_tag(feed.language)


def _time(parsed: Any) -> datetime | None:
    """Return feedparser's UTC time as an aware one, or None for a date that cannot be."""
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None


class FeedSource(Document):
    """A source of kind `feed`: one RSS or Atom feed by its address."""

    reader = staticmethod(parse_feed)
