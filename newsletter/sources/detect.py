"""What an answer is, judged by its first bytes: servers often name the wrong type."""

from __future__ import annotations

import json
import re
from enum import StrEnum

from newsletter.errors import FetchError
from newsletter.sources.feeds.decoding import GZIP, beginning
from newsletter.sources.net.answers import Answer

_LOOKED_AT = 65_536
_FEED_ROOT = re.compile(rb"<(?:[\w.-]+:)?(?:rss|rdf|feed|channel)[\s>/]", re.IGNORECASE)
_SITEMAP_ROOT = re.compile(rb"<(?:[\w.-]+:)?(?:urlset|sitemapindex)[\s>/]", re.IGNORECASE)
_PROLOGUE = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_DOCTYPE = re.compile(rb"<!doctype\s[^>\[]*(?:\[[^\]]*\])?[^>]*>", re.IGNORECASE)
_HTML = re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_JSON_FEED = re.compile(rb'"version"\s*:\s*"https?:\\?/\\?/(?:www\.)?jsonfeed\.org\\?/version\\?/', re.IGNORECASE)


class Shape(StrEnum):
    """What a body looks like. The words are those of the sentence that refuses it."""

    FEED = "an RSS or Atom feed"
    JSON_FEED = "a JSON Feed"
    PAGE = "a web page"
    JSON = "JSON of another kind"
    SITEMAP = "a sitemap"
    OPML = "a list of feeds (OPML)"
    XML = "XML of another kind"
    TEXT = "plain text"
    BINARY = "binary data"


#: What is surely no feed. Of the other shapes only a parser can say.
NO_FEED = frozenset({Shape.JSON_FEED, Shape.PAGE, Shape.JSON, Shape.SITEMAP, Shape.OPML})

_ADVICE = {
    Shape.FEED: "Add the source with --kind feed.",
    Shape.JSON_FEED: "Add the source with --kind jsonfeed.",
    Shape.SITEMAP: "Add the source with --kind sitemap.",
    Shape.PAGE: "Look on it for a link called RSS or Feed and use that address.",
    Shape.OPML: "Add the feeds it lists one by one.",
}


def refusal(answer: Answer, wanted: str) -> FetchError:
    """Return the error for an answer that is not what was wanted: what it looks like and what to try."""
    shape = shape_of(answer.body)
    if shape == wanted:
        return FetchError(
            answer.url, f"This starts like {wanted}, but it is damaged beyond reading. Tell the publisher."
        )
    advice = _ADVICE.get(shape, "Look on the publisher's site for the feed's address.")
    return FetchError(answer.url, f"This is {shape}, not {wanted}. {advice}")


def shape_of(body: bytes) -> Shape:
    """Return what `body` looks like; of a gzip file, what is in it."""
    if body.startswith(GZIP):
        body = beginning(body, _LOOKED_AT)
    # Without its zero bytes and byte-order mark, UTF-16 and UTF-32 markup reads like ASCII.
    start = body[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip(b"\xfe\xff\x00").replace(b"\x00", b"")
    start = start[_matched(_PROLOGUE, start) :]
    if start[:1] in {b"{", b"["}:
        return _shape_of_json(body)
    root = start[_matched(_DOCTYPE, start) :]
    root = root[_matched(_PROLOGUE, root) :]
    for shape, pattern in ((Shape.FEED, _FEED_ROOT), (Shape.SITEMAP, _SITEMAP_ROOT), (Shape.PAGE, _HTML)):
        if pattern.match(root):
            return shape
    return Shape.PAGE if _HTML.match(start) else _shape_of_rest(start)


def _shape_of_json(body: bytes) -> Shape:
    """Return the shape of something that starts like JSON; only JSON Feed names its version so."""
    if _JSON_FEED.search(body.replace(b"\x00", b"") if b"\x00" in body[:4] else body):
        return Shape.JSON_FEED
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return Shape.TEXT
    return Shape.JSON


def _shape_of_rest(start: bytes) -> Shape:
    """Return the shape of something with another beginning, such as the notices of a publishing system."""
    if _FEED_ROOT.search(start):
        return Shape.FEED
    if _SITEMAP_ROOT.search(start):
        return Shape.SITEMAP
    if re.match(rb"<opml[\s>]", start, re.IGNORECASE):
        return Shape.OPML
    if _HTML.search(start):
        return Shape.PAGE
    if start.startswith(b"<"):
        return Shape.XML
    return Shape.BINARY if b"\xff" in start or any(byte < 9 for byte in start) else Shape.TEXT


def _matched(pattern: re.Pattern[bytes], text: bytes) -> int:
    match = pattern.match(text)
    return match.end() if match else 0
