"""From the entries of any kind of feed to the result of a fetch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from newsletter.sources import Fetched, Item, Previous
from newsletter.sources.http import Client
from newsletter.sources.net.answers import Answer

#: Entries of one feed that are kept, the newest.
ENTRY_LIMIT = 200
#: Characters of each part of an item; no story needs more, and hostile ones have more.
_LIMITS = {"title": 1_000, "summary": 10_000, "content": 10_000, "author": 500, "image_alt": 1_000, "image_credit": 500}
_CATEGORY_LIMIT, _CATEGORY_LENGTH = 20, 100
#: Characters of a title that is made from the text, and the fewest of a sentence that makes one.
_TITLE_LIMIT, _TITLE_LEAST = 90, 20
_SENTENCE = re.compile(r".+?[.!?…。！？](?=\s|$)", re.DOTALL)

_OLDEST = datetime.min.replace(tzinfo=UTC)


class Document:
    """A source that is one document at one address. A kind of it names the function that reads the document.

    The function is one of a module, since it runs in a child process (threat 8), and it raises FetchError when the
    document is of another kind.
    """

    reader: ClassVar[staticmethod[[Answer], Fetched]]

    def __init__(self, url: str, client: Client) -> None:
        self._url = url
        self._client = client

    def fetch(self, previous: Previous) -> Fetched:
        """Return what the document has now, or `not_modified`. Raises FetchError."""
        answer = self._client.get(self._url, previous)
        if answer.not_modified:
            return unchanged(answer)
        return self._client.parse(type(self).reader, answer)


def fetched(answer: Answer, title: str, entries: Iterable[Item], problems: Iterable[str] = ()) -> Fetched:
    """Return the result of a fetch: the entries that can be shown to readers, and a sentence for each that cannot.

    An entry without a title, such as a short note, is called by the first words of its text. `problems` come first.
    """
    kept: list[Item] = []
    sentences = list(problems)
    for number, entry in enumerate(entries, start=1):
        item = _bounded(entry)
        problem = _problem(number, item)
        if problem:
            sentences.append(problem)
        else:
            kept.append(item)
    if len(kept) > ENTRY_LIMIT:
        sentences.append(too_many(len(kept)))
    return Fetched(
        items=newest_of(kept),
        etag=answer.etag,
        last_modified=answer.last_modified,
        title=title[: _LIMITS["title"]],
        problems=tuple(sentences),
        notice=_notice(answer),
    )


def unchanged(answer: Answer) -> Fetched:
    """Return the result of a fetch that brought nothing new."""
    return Fetched(not_modified=True, etag=answer.etag, last_modified=answer.last_modified, notice=_notice(answer))


def _notice(answer: Answer) -> str:
    return f"It has moved for good to {answer.moved_to}. Use that address for it." if answer.moved_to else ""


def too_many(number: int) -> str:
    """Return the sentence about a feed of more than ENTRY_LIMIT entries."""
    return f"Of its {number} entries, only the newest {ENTRY_LIMIT} were kept."


def _bounded(item: Item) -> Item:
    """Return `item` with a title, where it has a text, and nothing longer than it should be."""
    title = item.title or _first_words(item.summary or item.content)
    parts = {name: getattr(item, name)[:limit].rstrip() for name, limit in _LIMITS.items()}
    categories = dict.fromkeys(name[:_CATEGORY_LENGTH].rstrip() for name in item.categories if name)
    return replace(
        item, **parts | {"title": title[: _LIMITS["title"]].rstrip()}, categories=tuple(categories)[:_CATEGORY_LIMIT]
    )


def _first_words(text: str) -> str:
    """Return the first sentence of a text, or as many of its words as make a title."""
    line = text[:1_000].partition("\n")[0].strip()
    sentence = next((found[0] for found in _SENTENCE.finditer(line) if len(found[0]) >= _TITLE_LEAST), line)
    if len(sentence) <= _TITLE_LIMIT:
        return sentence.removesuffix(".") if not sentence.endswith("..") else sentence
    words = sentence[:_TITLE_LIMIT].rpartition(" ")[0] or sentence[: _TITLE_LIMIT - 1]
    return f"{words.rstrip(' ,;:–—-')}…"


def _problem(number: int, item: Item) -> str:
    if not item.title:
        return f"Entry {number} has no title{f' ({item.url[:200]!r})' if item.url else ''}; it was left out."
    if not item.url:
        return f"Entry {number} ({item.title[:80]!r}) has no web address to send readers to; it was left out."
    return ""


def newest_of(items: list[Item]) -> tuple[Item, ...]:
    """Return at most ENTRY_LIMIT items, in the feed's order; those without a date count as the oldest."""

    def date(place: int) -> datetime:
        return items[place].published_at or items[place].updated_at or _OLDEST

    places = sorted(range(len(items)), key=date, reverse=True)[:ENTRY_LIMIT]
    return tuple(items[place] for place in sorted(places))
