"""Where stories come from. A source has one duty: `fetch` what is new and return it, or raise FetchError.

To add a kind, write one class with `fetch` and either name it in KINDS or give its import path as the source's kind
(docs/adding-a-source.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Previous:
    """What the last successful fetch of a source left behind, for a conditional GET (RFC 9110 section 13)."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class Item:
    """One entry as its source gives it: plain text without markup, absolute URLs, aware times or None."""

    url: str
    title: str
    summary: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    author: str = ""
    language: str = ""
    image_url: str = ""
    image_alt: str = ""


@dataclass(frozen=True)
class Fetched:
    """What a fetch brought. `problems` has a sentence for every entry that had to be left out."""

    items: tuple[Item, ...] = ()
    etag: str = ""
    last_modified: str = ""
    not_modified: bool = False
    title: str = ""
    problems: tuple[str, ...] = ()


class Source(Protocol):
    """Something that stories can be fetched from."""

    def fetch(self, previous: Previous) -> Fetched:
        """Return what the source has now, or `not_modified`. Raises FetchError with a sentence."""
        ...
