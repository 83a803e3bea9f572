"""Google News sitemaps, and sitemap indexes that lead to them (sitemaps.org; Google's news and image extensions).

A story is an entry with a news:title. Plain sitemaps list addresses only, so there are no stories in them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Item, Previous
from newsletter.sources.detect import Shape, refusal, shape_of
from newsletter.sources.entries import ENTRY_LIMIT, fetched, newest_of, too_many, unchanged
from newsletter.sources.feeds.dates import parse_date
from newsletter.sources.feeds.decoding import decoded, inflated
from newsletter.sources.feeds.feedtree import name_of
from newsletter.sources.feeds.mending import tree_of
from newsletter.sources.http import Client
from newsletter.sources.net.answers import Answer
from newsletter.sources.net.scan import refuse_hostile
from newsletter.sources.pictures import Picture, best
from newsletter.sources.text import absolute_url, language_tag, plain_text

#: Sitemaps of an index that are read, and seconds after which no further one is begun.
CHILD_LIMIT = 5
INDEX_SECONDS = 60.0

_NEWS = re.compile(
    r"news|nachricht|nouvelle|noticia|notizie|nieuws|novost|novyn|haber|uutis|aktual|wiadomosc", re.IGNORECASE
)
_NUMBERS = re.compile(r"\d+")
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Child:
    """A sitemap that an index names."""

    url: str
    modified_at: datetime | None = None


@dataclass(frozen=True)
class Sitemap:
    """What a sitemap says: its stories, or the sitemaps that it leads to."""

    fetched: Fetched
    children: tuple[Child, ...] = ()


class SitemapSource:
    """A source of kind `sitemap`: a news sitemap or an index by its address."""

    def __init__(self, url: str, client: Client) -> None:
        self._url = url
        self._client = client

    def fetch(self, previous: Previous) -> Fetched:
        """Return what the sitemap has now, or `not_modified`. Raises FetchError."""
        answer = self._client.get(self._url, previous)
        if answer.not_modified:
            return unchanged(answer)
        sitemap = self._client.parse(parse_sitemap, answer)
        return self._of_children(sitemap) if sitemap.children else sitemap.fetched

    def _of_children(self, index: Sitemap) -> Fetched:
        """Return what the newest of an index's sitemaps say together.

        It has no validators: an index may stay as it is while its sitemaps change.
        """
        chosen = newest_children(index.children)
        end = time.monotonic() + INDEX_SECONDS
        read: list[Fetched] = []
        problems: list[str] = []
        for child in chosen:
            if time.monotonic() > end:
                problems.append(f"Of its {len(chosen)} newest sitemaps, only {len(read)} could be read in time.")
                break
            try:
                read.append(self._client.parse(parse_sitemap, self._client.get(child.url)).fetched)
            except FetchError as error:
                problems.append(str(error))
        if not read:
            raise FetchError(self._url, f"None of the sitemaps that it leads to can be read. The last: {problems[-1]}")
        return _together(index.fetched, read, problems)


def _together(index: Fetched, read: Iterable[Fetched], problems: list[str]) -> Fetched:
    parts = list(read)
    items = list({item.url: item for part in parts for item in part.items}.values())
    if len(items) > ENTRY_LIMIT:
        problems.append(too_many(len(items)))
    return replace(
        index,
        items=newest_of(items),
        etag="",
        last_modified="",
        title=next((part.title for part in parts if part.title), ""),
        problems=(*problems, *(problem for part in parts for problem in part.problems)),
    )


def newest_children(children: Iterable[Child]) -> list[Child]:
    """Return the sitemaps of an index that are worth reading: those that are called news, or else the newest.

    Without dates, the highest numbers in the addresses are the newest (sitemap-2026-11.xml).
    """
    listed = list(dict.fromkeys(children))
    called = [child for child in listed if _NEWS.search(child.url.partition("://")[2].partition("/")[2])]

    def age(child: Child) -> tuple[datetime, list[int]]:
        numbers = [int(number[:9]) for number in _NUMBERS.findall(child.url.rpartition("/")[2])]
        return child.modified_at or _OLDEST, numbers

    return sorted(called or listed, key=age, reverse=True)[:CHILD_LIMIT]


def parse_sitemap(answer: Answer) -> Sitemap:
    """Return what the sitemap in `answer` says. Raises FetchError when it is none, hostile or too damaged."""
    answer = inflated(answer)
    if shape_of(answer.body) is not Shape.SITEMAP:
        raise refusal(answer, Shape.SITEMAP)
    refuse_hostile(answer)
    root = tree_of(decoded(answer))
    if root is None:
        raise refusal(answer, Shape.SITEMAP)
    if name_of(root) == "sitemapindex":
        return Sitemap(fetched(answer, "", ()), tuple(_children(root, answer.url)))
    entries = list(root.iter("{*}url"))
    stories = [
        (entry, news) for entry in entries if (news := _part(entry, "news")) is not None and _said(news, "title")
    ]
    problems = []
    if entries and not stories:
        problems.append(
            f"None of its {len(entries):,} addresses has a title (news:title), so there are no stories in it. "
            "Use the publisher's feed, or a news sitemap."
        )
    title = next((name for _, news in stories if (name := _said(_part(news, "publication"), "name"))), "")
    return Sitemap(fetched(answer, title, (_story(entry, news, answer.url) for entry, news in stories), problems))


def _children(root: Any, base: str) -> Iterator[Child]:
    for element in root.iter("{*}sitemap"):
        url = absolute_url(_said(element, "loc"), base)
        if url:
            yield Child(url, parse_date(_said(element, "lastmod")))


def _story(entry: Any, news: Any, base: str) -> Item:
    language = language_tag(_said(_part(news, "publication"), "language"))
    picture = best(_pictures(entry, base))
    keywords = [word for name in ("keywords", "geo_locations") for word in _said(news, name).split(",")]
    return Item(
        url=absolute_url(_said(entry, "loc"), base),
        title=_said(news, "title"),
        published_at=parse_date(_said(news, "publication_date"), language),
        updated_at=parse_date(_said(entry, "lastmod"), language),
        language=language,
        image_url=picture.url,
        image_alt=picture.alt,
        categories=tuple(filter(None, (word.strip() for word in keywords))),
    )


def _pictures(entry: Any, base: str) -> Iterator[Picture]:
    for image in (child for child in entry if name_of(child) == "image"):
        yield Picture(absolute_url(_said(image, "loc"), base), _said(image, "caption") or _said(image, "title"))


def _part(element: Any, name: str) -> Any:
    """Return the first child of that name, or None."""
    return None if element is None else next((child for child in element if name_of(child) == name), None)


def _said(element: Any, name: str) -> str:
    """Return the text of the first child of that name, or nothing."""
    part = _part(element, name)
    return "" if part is None else plain_text("".join(part.itertext()))
