"""RSS 0.90 to 2.0, RSS 1.0 and Atom, through feedparser.

The document is decoded and mended, and its Media RSS taken out, before feedparser sees it: what it gets is always
well-formed and holds no more entries than are kept. It neither cleans html nor resolves its links: that costs half
its time and is where it hangs (trust fact 8). What leaves here is plain text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import feedparser
from lxml import etree

from newsletter.sources import Fetched, Item
from newsletter.sources.detect import NO_FEED, Shape, refusal, shape_of
from newsletter.sources.entries import ENTRY_LIMIT, Document, fetched, too_many
from newsletter.sources.feeds.dates import parse_date
from newsletter.sources.feeds.decoding import decoded, inflated
from newsletter.sources.feeds.feedtree import (
    Media,
    bound,
    entries_of,
    is_picture,
    may_have_media,
    name_of,
    newest,
    one_by_one,
    settle_links,
    settle_places,
    size,
    take_media,
)
from newsletter.sources.feeds.feedvalues import dicts, is_markup, plain, point, string, web_link
from newsletter.sources.feeds.mending import tree_of
from newsletter.sources.net.answers import Answer
from newsletter.sources.net.scan import refuse_hostile
from newsletter.sources.pictures import Picture, best
from newsletter.sources.text import Extract, absolute_url, described, from_html, language_tag, plain_text

_ROOTS = frozenset({"rss", "rdf", "feed", "channel"})
_NO_MEDIA = Media()
#: An address of mail with the brackets around it.
_ADDRESS = re.compile(r"[<(\[]?\s*[^\s<>()\[\]]+@[^\s<>()\[\]]+\s*[>)\]]?")


def parse_feed(answer: Answer) -> Fetched:
    """Return what the feed in `answer` says. Raises FetchError when it is none, hostile or too damaged."""
    answer = inflated(answer)
    if shape_of(answer.body) in NO_FEED:
        raise refusal(answer, Shape.FEED)
    refuse_hostile(answer)
    text = decoded(answer)
    root = tree_of(text)
    if root is None:
        raise refusal(answer, Shape.FEED)
    found = entries_of(root)
    entries = newest(found, ENTRY_LIMIT)
    bound(root, entries)
    settle_places(root)
    for entry in entries:
        settle_links(entry)
    has_media = may_have_media(text)
    media = [take_media(entry, answer.url) if has_media else _NO_MEDIA for entry in entries]
    parsed = _parsed(answer, root, entries)
    if not parsed.entries and name_of(root) not in _ROOTS:
        raise refusal(answer, Shape.FEED)
    if len(media) != len(parsed.entries):
        media = [_NO_MEDIA] * len(parsed.entries)
    feed = _Feed.of(parsed, answer.url)
    read = [(entry, one) for entry, one in zip(parsed.entries, media, strict=True) if entry or one != _NO_MEDIA]
    items = (_item(entry, one, feed) for entry, one in read)
    problems = [too_many(len(found))] if len(found) > len(entries) else []
    if len(read) < len(media):
        problems.append(f"Entries that are empty or damaged beyond reading: {len(media) - len(read)}; left out.")
    return fetched(answer, _text(parsed.channel, "title", feed).text, items, problems)


@dataclass(frozen=True)
class _Parsed:
    """What feedparser made of a document, as plain dicts. An entry that it could not read is empty."""

    channel: dict[str, Any]
    entries: list[dict[str, Any]]
    version: str


def _parsed(answer: Answer, root: Any, entries: Sequence[Any]) -> _Parsed:
    try:
        return _by_feedparser(root, answer.url)
    except Exception:  # noqa: BLE001 - it raises anything, over a single value of a single entry
        parts = [_alone(tree, answer.url) for tree in one_by_one(root, list(entries))]
    return _Parsed(
        next((part.channel for part in parts if part.channel), {}),
        [entry for part in parts for entry in part.entries or [{}]],
        next((part.version for part in parts if part.version), ""),
    )


def _alone(tree: Any, url: str) -> _Parsed:
    """Return what feedparser makes of a tree with one entry; nothing where it fails."""
    try:
        return _by_feedparser(tree, url)
    except Exception:  # noqa: BLE001 - the entry is reported as left out
        return _Parsed({}, [], "")


def _by_feedparser(root: Any, url: str) -> _Parsed:
    parsed = feedparser.parse(
        io.BytesIO(etree.tostring(root, encoding="utf-8", xml_declaration=True)),
        response_headers={"content-type": "application/xml; charset=utf-8", "content-location": url},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    return _Parsed(plain(parsed["feed"]), plain(parsed["entries"]), str(parsed.get("version") or ""))


@dataclass(frozen=True)
class _Feed:
    """What its entries inherit from a feed."""

    base: str
    is_atom: bool
    language: str
    author: str

    @classmethod
    def of(cls, parsed: _Parsed, url: str) -> _Feed:
        is_atom = parsed.version.startswith("atom")
        # RFC 4287 section 4.2.1: an entry without an author has the feed's. RSS names an editor there.
        author = _author(parsed.channel) if is_atom else ""
        return cls(url, is_atom, language_tag(string(parsed.channel, "language")), author)


def _item(entry: dict[str, Any], media: Media, feed: _Feed) -> Item:
    texts = list(_texts(entry, feed))
    fullest = max(texts, key=lambda text: len(text.text), default=Extract())
    summary = next((text.text for text in texts if text.text), media.description)
    picture = _picture(entry, media, texts, feed.base)
    published, updated = _times(entry, feed)
    return Item(
        url=web_link(entry, feed.base, is_atom=feed.is_atom),
        title=_text(entry, "title", feed).text or media.title,
        summary=summary,
        published_at=published,
        updated_at=updated,
        author=_author(entry) or _author(entry.get("source")) or feed.author,
        language=_language(entry) or feed.language,
        image_url=picture.url,
        image_alt=picture.alt,
        image_credit=picture.credit,
        content=fullest.content if len(fullest.text) > len(summary) else "",
        categories=_categories(entry, media),
        point=point(entry),
    )


def _texts(entry: dict[str, Any], feed: _Feed) -> Iterator[Extract]:
    """Yield what the entry says: its summary, and its contents.

    A summary without its detail is feedparser's copy of the content, whose type it has lost.
    """
    if "summary_detail" in entry:
        yield _text(entry, "summary", feed)
    for content in dicts(entry, "content"):
        yield _extract(string(content, "value"), content, feed)
    if isinstance(entry.get("subtitle"), str):  # itunes:subtitle
        yield _text(entry, "subtitle", feed)


def _text(part: dict[str, Any], name: str, feed: _Feed) -> Extract:
    """Return the text of an element; feedparser notes its type beside it."""
    detail = part.get(f"{name}_detail")
    return _extract(string(part, name), detail if isinstance(detail, dict) else {}, feed)


def _extract(value: str, detail: dict[str, Any], feed: _Feed) -> Extract:
    """Return what an element says. Atom states whether it is html; RSS leaves that to be guessed."""
    if "html" in string(detail, "type") or (not feed.is_atom and is_markup(value)):
        return from_html(value, string(detail, "base") or feed.base)
    text = plain_text(value)
    return Extract(text, blocks=(text,) if text else ())


def _times(entry: dict[str, Any], feed: _Feed) -> tuple[datetime | None, datetime | None]:
    """Return when the entry was published and updated. In RSS, the one date that an entry has is its publication's."""
    published, updated, created = (
        parse_date(string(entry, name), feed.language) for name in ("published", "updated", "created")
    )
    if published or feed.is_atom:
        return published or created, updated
    return created or updated, updated if created else None


def _picture(entry: dict[str, Any], media: Media, texts: Sequence[Extract], base: str) -> Picture:
    """Return the entry's picture, of all that it gives as media, as an enclosure, for podcasts and in its texts."""
    image = entry.get("image")
    given = [image] if isinstance(image, dict) else []
    given += [link for link in dicts(entry, "links") if string(link, "rel") == "enclosure"]
    offered = [
        Picture(url, "", "", size(string(one, "width")), size(string(one, "height")))
        for one in given
        if (url := absolute_url(string(one, "href") or string(one, "url"), base))
        and (one is image or is_picture(one, url))
    ]
    shown = [picture for text in reversed(texts) for picture in text.pictures]
    return described(best([*media.pictures, *offered, *shown]), texts)


def _author(part: Any) -> str:
    """Return the authors' names; a mail address is none that readers should see.

    What feedparser makes of a name and an address in one element is not used: it cuts addresses in the middle.
    """
    if not isinstance(part, dict):
        return ""
    given, named = string(part, "author"), dicts(part, "authors")
    names = [given] if "@" in given and len(named) < 2 else [string(author, "name") for author in named] or [given]
    names = [plain_text(_ADDRESS.sub("", name[:500])).strip(" ()<>[],;") for name in names[:20]]
    return ", ".join(dict.fromkeys(filter(None, names)))


def _language(entry: dict[str, Any]) -> str:
    """Return the language of an entry by dc:language or xml:lang."""
    details = (entry.get(f"{name}_detail") for name in ("title", "summary"))
    tags = [string(entry, "language"), *(string(one, "language") for one in details if isinstance(one, dict))]
    return next(filter(None, map(language_tag, tags)), "")


def _categories(entry: dict[str, Any], media: Media) -> tuple[str, ...]:
    """Return what the entry is filed under. Terms that are addresses name a scheme's point and no subject."""
    names = [plain_text(string(tag, "label") or string(tag, "term")) for tag in dicts(entry, "tags")]
    return tuple(name for name in (*names, *media.keywords) if name and not name.startswith(("http://", "https://")))


class FeedSource(Document):
    """A source of kind `feed`: one RSS or Atom feed by its address."""

    reader = staticmethod(parse_feed)
