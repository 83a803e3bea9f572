"""From the entries of any kind of feed to the result of a fetch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar

from newsletter.sources import Fetched, Item, Previous
from newsletter.sources.http import Answer, Client

#: Entries of one feed that are kept, the newest.
ENTRY_LIMIT = 200

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
            return Fetched(not_modified=True, etag=answer.etag, last_modified=answer.last_modified)
        return self._client.parse(type(self).reader, answer)


def fetched(answer: Answer, title: str, entries: Iterable[Item]) -> Fetched:
    """Return the result of a fetch: the entries that can be shown to readers, and a sentence for each that cannot."""
    kept: list[Item] = []
    problems: list[str] = []
    for number, item in enumerate(entries, start=1):
        problem = _problem(number, item)
        if problem:
            problems.append(problem)
        else:
            kept.append(item)
    if len(kept) > ENTRY_LIMIT:
        problems.append(f"Of its {len(kept)} entries, only the newest {ENTRY_LIMIT} were kept.")
    return Fetched(
        items=_newest(kept),
        etag=answer.etag,
        last_modified=answer.last_modified,
        title=title,
        problems=tuple(problems),
    )


def _problem(number: int, item: Item) -> str:
    if not item.title:
        return f"Entry {number} has no title{f' ({item.url})' if item.url else ''}; it was left out."
    if not item.url:
        return f"Entry {number} ({item.title[:80]!r}) has no web address to send readers to; it was left out."
    return ""


def _newest(items: list[Item]) -> tuple[Item, ...]:
    """Return at most ENTRY_LIMIT items, in the feed's order; those without a date count as the oldest."""

    def date(place: int) -> datetime:
        return items[place].published_at or items[place].updated_at or _OLDEST

    places = sorted(range(len(items)), key=date, reverse=True)[:ENTRY_LIMIT]
    return tuple(items[place] for place in sorted(places))
