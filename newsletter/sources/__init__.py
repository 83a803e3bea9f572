"""Where stories come from. A source has one duty: `fetch` what is new and return it, or raise FetchError.

To add a kind, write one class with `fetch` and either name it in KINDS or give its import path as the source's
kind (docs/adding-a-source.md).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from newsletter.errors import ConfigurationError

if TYPE_CHECKING:
    from newsletter.sources.http import Client

#: Kind -> where its class is. The class is called with the source's address and a Client.
KINDS = {
    "feed": "newsletter.sources.feed:FeedSource",
    "jsonfeed": "newsletter.sources.jsonfeed:JsonFeedSource",
    "page": "newsletter.sources.page:PageSource",
    "article": "newsletter.sources.article:ArticleSource",
    "sitemap": "newsletter.sources.sitemap:SitemapSource",
}


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
    image_credit: str = ""
    #: The fuller text, where the source gives one; a summary that is too thin is made from it.
    content: str = ""
    #: What the source files it under, such as ("Ukraine", "Energy").
    categories: tuple[str, ...] = ()
    #: Where it happened, as degrees north and east (GeoRSS, W3C geo).
    point: tuple[float, float] | None = None


@dataclass(frozen=True)
class Fetched:
    """What a fetch brought. `problems` has a sentence for every entry that had to be left out."""

    items: tuple[Item, ...] = ()
    etag: str = ""
    last_modified: str = ""
    not_modified: bool = False
    title: str = ""
    problems: tuple[str, ...] = ()
    #: What people should know about the source although it could be read, such as a new address.
    notice: str = ""


class Source(Protocol):
    """Something that stories can be fetched from."""

    def fetch(self, previous: Previous) -> Fetched:
        """Return what the source has now, or `not_modified`. Raises FetchError with a sentence."""
        ...


def load_source(kind: str, url: str, client: Client) -> Source:
    """Return the source of this kind for `url`. A kind is a name in KINDS or an import path, module:Class.

    Raises ConfigurationError for a kind that does not exist or cannot be imported.
    """
    module_name, _, class_name = KINDS.get(kind, kind).partition(":")
    if not module_name or not class_name:
        raise ConfigurationError(
            f"There is no kind of source called {kind!r}. Known are {', '.join(sorted(KINDS))}; "
            "your own is named by its import path, such as newsroom.bulletin:BulletinSource."
        )
    try:
        source_class = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"The kind of source {kind!r} cannot be imported: {error}.") from error
    source: Source = source_class(url, client)
    return source
