"""JSON Feed 1.0 and 1.1. A value of a wrong type counts as missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from newsletter.sources import Fetched, Item
from newsletter.sources.detect import Shape, refusal
from newsletter.sources.entries import Document, fetched
from newsletter.sources.feeds.dates import parse_date
from newsletter.sources.feeds.decoding import decoded, inflated
from newsletter.sources.net.answers import Answer
from newsletter.sources.pictures import Picture, best
from newsletter.sources.text import HTML_LIMIT, absolute_url, described, from_html, language_tag, plain_text

#: Digits of the longest number that is read; nothing in a feed counts that far.
_DIGITS = 18


def parse_json_feed(answer: Answer) -> Fetched:
    """Return what the JSON Feed in `answer` says. Raises FetchError when it is none."""
    answer = inflated(answer)
    try:
        content: object = json.loads(decoded(answer), parse_int=_number, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise refusal(answer, Shape.JSON_FEED) from error
    if not isinstance(content, dict) or "jsonfeed.org/version/" not in _string(content, "version"):
        raise refusal(answer, Shape.JSON_FEED)
    base = absolute_url(_string(content, "home_page_url"), answer.url) or answer.url
    feed = _Feed(base, language_tag(_string(content, "language")), _author(content))
    items = (_item(entry, feed) for entry in _list(content, "items"))
    return fetched(answer, plain_text(_string(content, "title")), items)


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _DIGITS else None


@dataclass(frozen=True)
class _Feed:
    """What its items inherit from a feed."""

    base: str
    language: str
    author: str


def _item(entry: object, feed: _Feed) -> Item:
    body = from_html(_string(entry, "content_html"), feed.base)
    text = plain_text(_string(entry, "content_text"))
    summary = plain_text(_string(entry, "summary")) or text or body.text
    fullest = body.content if len(body.text) >= len(text) else text
    language = language_tag(_string(entry, "language")) or feed.language
    picture = described(best([*_given(entry, feed.base), *body.pictures]), [body])
    return Item(
        url=_web_link(entry, feed.base),
        title=plain_text(_string(entry, "title")),
        summary=summary,
        published_at=parse_date(_string(entry, "date_published"), language),
        updated_at=parse_date(_string(entry, "date_modified"), language),
        author=_author(entry) or feed.author,
        language=language,
        image_url=picture.url,
        image_alt=picture.alt,
        image_credit=picture.credit,
        content=fullest if len(fullest) > len(summary) else "",
        categories=tuple(plain_text(tag) for tag in _list(entry, "tags") if isinstance(tag, str)),
    )


def _web_link(entry: object, base: str) -> str:
    """Return the address of the item's page. Version 1.1 asks for an id that is one where there is no other."""
    identity = _string(entry, "id")
    given = (_string(entry, "url"), _string(entry, "external_url"), identity if "://" in identity else "")
    return next(filter(None, (absolute_url(address, base) for address in given)), "")


def _given(entry: object, base: str) -> Iterator[Picture]:
    """Yield the pictures that an item names beside its text."""
    for name in ("image", "banner_image"):
        yield Picture(absolute_url(_string(entry, name), base))
    for attachment in _list(entry, "attachments"):
        if _string(attachment, "mime_type").lower().startswith("image/"):
            yield Picture(absolute_url(_string(attachment, "url"), base), plain_text(_string(attachment, "title")))


def _value(part: object, name: str) -> object:
    return part.get(name) if isinstance(part, dict) else None


def _list(part: object, name: str) -> list[object]:
    value = _value(part, name)
    return value if isinstance(value, list) else []


def _string(part: object, name: str) -> str:
    value = _value(part, name)
    return value[:HTML_LIMIT] if isinstance(value, str) else ""


def _author(part: object) -> str:
    """Return the authors' names: version 1.1 has a list of them, version 1.0 one."""
    listed = _list(part, "authors")[:20] or [_value(part, "author")]
    names = (plain_text(_string(author, "name")) for author in listed)
    return ", ".join(dict.fromkeys(filter(None, names)))


class JsonFeedSource(Document):
    """A source of kind `jsonfeed`: one JSON Feed by its address."""

    reader = staticmethod(parse_json_feed)
