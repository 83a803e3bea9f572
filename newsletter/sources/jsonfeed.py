"""JSON Feed 1.0 and 1.1. A value of a wrong type counts as missing."""

from __future__ import annotations

import json
import re
from html import unescape

from newsletter.sources import Fetched, Item
from newsletter.sources.detect import Shape, refusal
from newsletter.sources.entries import Document, fetched
from newsletter.sources.http import Answer
from newsletter.sources.pictures import Picture, best
from newsletter.sources.text import (
    HTML_LIMIT,
    absolute_url,
    described,
    from_html,
    language_tag,
    plain_text,
    utc_time,
)

_REFERENCE = re.compile(r"&(?:#\w{1,8}|[A-Za-z]\w{1,30});")


def parse_json_feed(answer: Answer) -> Fetched:
    """Return what the JSON Feed in `answer` says. Raises FetchError when it is none."""
    try:
        content: object = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise refusal(answer, Shape.JSON_FEED) from error
    if not isinstance(content, dict) or "jsonfeed.org/version/" not in _string(content, "version"):
        raise refusal(answer, Shape.JSON_FEED)
    base = absolute_url(_string(content, "home_page_url"), answer.url) or answer.url
    language = language_tag(_string(content, "language"))
    entries = content.get("items")
    items = [_item(entry, base, language) for entry in entries] if isinstance(entries, list) else []
    return fetched(answer, _title(content), items)


def _item(entry: object, base: str, language: str) -> Item:
    body = from_html(_string(entry, "content_html"), base)
    texts = (_string(entry, "summary"), _string(entry, "content_text"))
    given = best(Picture(absolute_url(_string(entry, name), base)) for name in ("image", "banner_image"))
    picture = described(given, [body]) if given.url else best(body.pictures)
    return Item(
        url=absolute_url(_string(entry, "url"), base) or absolute_url(_string(entry, "external_url"), base),
        title=_title(entry),
        summary=next(filter(None, map(plain_text, texts)), body.text),
        published_at=utc_time(_string(entry, "date_published")),
        updated_at=utc_time(_string(entry, "date_modified")),
        author=_author(entry),
        language=language_tag(_string(entry, "language")) or language,
        image_url=picture.url,
        image_alt=picture.alt,
    )


def _value(part: object, name: str) -> object:
    return part.get(name) if isinstance(part, dict) else None


def _string(part: object, name: str) -> str:
    value = _value(part, name)
    return value[:HTML_LIMIT] if isinstance(value, str) else ""


def _title(part: object) -> str:
    """Return a title. It should be plain text, but many publishing systems write it with html's references."""
    return plain_text(_REFERENCE.sub(lambda match: unescape(match[0]), _string(part, "title")))


def _author(entry: object) -> str:
    """Return the authors' names: version 1.1 has a list of them, version 1.0 one."""
    authors = _value(entry, "authors")
    listed = authors if isinstance(authors, list) else [_value(entry, "author")]
    names = (plain_text(_string(author, "name")) for author in listed)
    return ", ".join(dict.fromkeys(filter(None, names)))


class JsonFeedSource(Document):
    """A source of kind `jsonfeed`: one JSON Feed by its address."""

    reader = staticmethod(parse_json_feed)
