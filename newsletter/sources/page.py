"""A section page of a site that has no feed: the articles that it links to, each read by itself.

A fetch keeps nothing but what it hands back, so what is known of the links goes into the ETag that comes back as
`previous`: `links:`, eight hex digits for each link, and after a space the server's own ETag.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import urlsplit

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Item, Previous
from newsletter.sources.article import HTML, read_article
from newsletter.sources.entries import fetched, unchanged
from newsletter.sources.http import Answer, Client
from newsletter.sources.net.robots import robots_of
from newsletter.sources.pages.links import LINK_LIMIT, Section, read_section
from newsletter.stories import canonical_url

_FIRST_FETCH = Previous()
_MARK = "links:"
_DIGITS = 8
#: Links that are remembered: those of the page, and some that have just left it. An ETag has room for 500 characters.
_REMEMBERED = 40
_ETAG_LIMIT = 500


@dataclass(frozen=True)
class Memory:
    """What is known of earlier fetches: the links that were read, and the page's own validators."""

    known: tuple[str, ...] = ()
    previous: Previous = _FIRST_FETCH


@dataclass
class _Round:
    """What one fetch brings together."""

    items: list[Item] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    #: The links that need not be read again.
    done: list[str] = field(default_factory=list)
    #: Whether every link of the page is among those.
    is_whole: bool = True
    goes_on: bool = True

    def stop(self, problem: str) -> None:
        """Read no more of them now."""
        self.is_whole = self.goes_on = False
        self.problems.append(problem)


class PageSource:
    """A source of kind `page`: a section page of a site. The site's robots.txt is obeyed.

    Articles are read one after the other, with a pause between two requests, and each once.
    """

    #: Seconds between two articles, where the site's robots.txt asks for no more. Hosts of one's own get none.
    pause: ClassVar[float] = 0.5
    #: Seconds for all articles of one fetch; what is left is read by the next.
    budget: ClassVar[float] = 60.0
    #: Articles that are read of one page.
    limit: ClassVar[int] = LINK_LIMIT

    def __init__(self, url: str, client: Client) -> None:
        self._url = url
        self._client = client

    def fetch(self, previous: Previous) -> Fetched:
        """Return the articles that are new on the page, or `not_modified`. Raises FetchError."""
        delay = robots_of(self._client).require(self._url).delay
        memory = remembered(previous)
        answer = self._client.get(self._url, memory.previous, accept=HTML)
        if answer.not_modified:
            return replace(unchanged(answer), etag=previous.etag)
        section = self._client.parse(read_section, answer)
        if not section.links:
            raise FetchError(
                answer.url,
                "No links to articles were found on this page. Use a section of the site that lists some, or a feed.",
            )
        return self.read(answer, section, memory, delay)

    def read(self, answer: Answer, section: Section, memory: Memory, delay: float) -> Fetched:
        """Return the articles of `section` that `memory` does not know."""
        links = section.links[: self.limit]
        fresh = [link for link in links if mark(link) not in memory.known]
        came = self._articles(fresh, delay)
        known = [mark(link) for link in links if link not in fresh or link in came.done]
        etag = written(known, memory.known, answer.etag if came.is_whole else "")
        return replace(
            fetched(answer, section.title, came.items, came.problems),
            etag=etag,
            last_modified=answer.last_modified if came.is_whole else "",
            not_modified=not fresh,
        )

    def _articles(self, links: Sequence[str], delay: float) -> _Round:
        """Read articles one after the other, until the time is over."""
        came = _Round()
        if not links:
            return came
        rules = robots_of(self._client).rules(links)
        closed = [link for link, is_allowed in zip(links, rules.allowed, strict=True) if not is_allowed]
        if closed:
            came.done += closed
            came.problems.append(f"{len(closed)} articles are closed to programs by the site's robots.txt.")
        start = time.monotonic()
        wanted = [link for link in links if link not in closed]
        for place, link in enumerate(wanted):
            if time.monotonic() - start > self.budget:
                came.stop(f"{len(wanted) - place} articles are left for next time: the site is slow today.")
            if not came.goes_on:
                break
            if place:
                time.sleep(delay or (0.0 if is_own_host(link) else self.pause))
            self._article(link, came)
        return came

    def _article(self, link: str, came: _Round) -> None:
        """Read one article. What could not be fetched is tried again next time, what is no article is not."""
        try:
            answer = self._client.get(link, accept=HTML)
        except FetchError as error:
            came.is_whole = False
            came.problems.append(f"{link} could not be read: {error.sentence}")
            if error.retry_after is not None:
                came.stop("The site wants to be left alone for now; its other articles are left for next time.")
            return
        came.done.append(link)
        if answer.url != link and not robots_of(self._client).rules([answer.url]).allowed[0]:
            came.problems.append(f"{link} leads to a page that is closed to programs by the site's robots.txt.")
            return
        try:
            article = self._client.parse(read_article, answer)
        except FetchError as error:
            came.problems.append(f"{link} was left out: {error.sentence}")
            return
        if article.is_certain:
            came.items.append(article.item)
        else:
            came.problems.append(f"{link} was left out: the page has no date and does not say that it is an article.")


def is_own_host(url: str) -> bool:
    """Say whether a host is this machine or, by its numeric address, one of a private network."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def mark(link: str) -> str:
    """Return the digits that stand for a link."""
    return hashlib.sha256(canonical_url(link).encode()).hexdigest()[:_DIGITS]


def remembered(previous: Previous) -> Memory:
    """Return what an earlier fetch left behind."""
    if not previous.etag.startswith(_MARK):
        return Memory(previous=previous)
    digits, _, etag = previous.etag.removeprefix(_MARK).partition(" ")
    known = tuple(digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS))
    return Memory(known, Previous(etag, previous.last_modified))


def written(known: Iterable[str], before: Iterable[str], etag: str) -> str:
    """Return the ETag that says which links are known, and what the server's was where there is room for it."""
    marks = list(dict.fromkeys((*known, *before)))[:_REMEMBERED]
    whole = f"{_MARK}{''.join(marks)} {etag}" if etag else f"{_MARK}{''.join(marks)}"
    return whole if len(whole) <= _ETAG_LIMIT else f"{_MARK}{''.join(marks)}"
