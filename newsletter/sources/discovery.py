"""From any address of a site to its feeds: the search that `newsletter source add` makes.

Every candidate is really read before it counts, and no site gets more than some twenty requests.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Item, Previous
from newsletter.sources.detect import Shape, refusal, shape_of
from newsletter.sources.feed import parse_feed
from newsletter.sources.feeds.decoding import inflated
from newsletter.sources.http import Answer, Client
from newsletter.sources.jsonfeed import parse_json_feed
from newsletter.sources.net.robots import robots_of
from newsletter.sources.page import Memory, PageSource
from newsletter.sources.pages.feedlinks import (
    SITEMAP_PLACES,
    FeedLink,
    PageLinks,
    is_about_comments,
    known_feeds,
    read_page_links,
    usual_places,
    web_address,
)
from newsletter.sources.pages.links import Section
from newsletter.sources.sitemap import SitemapSource
from newsletter.stories import NotAWebAddress, canonical_url

#: Requests that the search may make for feeds, and then for sitemaps.
FEED_REQUESTS, SITEMAP_REQUESTS = 12, 4
#: Feeds that a page declares of which so many are read; some pages declare one for each section of the site.
_DECLARED, _MENTIONED = 5, 4
#: A page with fewer links to articles is no section page.
_FEWEST_ARTICLES = 3
#: What is said of a feed that was cut off before its first story.
_END = re.compile(
    rb"</(?:[\w.-]+:)?(?:rss|rdf|feed|channel)\s*>|<(?:[\w.-]+:)?(?:rss|rdf|feed)\b[^>]*/>", re.IGNORECASE
)
_BREAKS_OFF = "The feed breaks off before its first story."
_NO_NEWS = "There are no stories in this sitemap. Use the publisher's feed, or a news sitemap."


@dataclass(frozen=True)
class Candidate:
    """A source that was found and read. `where` says how it was found, such as "linked from the page".

    `problems` has a sentence for all that is wrong with it although it could be read.
    """

    url: str
    kind: str
    title: str
    items: tuple[Item, ...]
    where: str
    is_about_comments: bool = False
    problems: tuple[str, ...] = ()

    @property
    def language(self) -> str:
        """The language that nearly all of its stories say they are in, or nothing."""
        return language_of(self.items)


@dataclass(frozen=True)
class Found:
    """What a search came to: the candidates, the fittest first, and how many addresses were asked."""

    candidates: tuple[Candidate, ...]
    requests: int = 0


def language_of(items: Iterable[Item]) -> str:
    """Return the language that nine of ten items that name one are in, or nothing."""
    counted = Counter(item.language for item in items if item.language)
    language, times = counted.most_common(1)[0] if counted else ("", 0)
    return language if times * 10 >= counted.total() * 9 else ""


def find_feeds(client: Client, url: str) -> Found:
    """Return the sources that `url` leads to: the address itself, feeds of the page, of its site, or the page itself.

    `url` may be anything that a newsroom would paste: a front page, a section, an article, a feed, with or without
    https://. Raises FetchError when nothing can be read there, or when it leads nowhere.
    """
    search = _Search(client)
    try:
        address, answer = search.open(url)
    except FetchError as error:
        # Some sites keep programs from their pages and not from their feeds.
        if error.status is None or not search.blind(error.url):
            raise
        return search.found()
    if shape_of(answer.body) is not Shape.PAGE:
        search.add(address, answer, "the address itself")
        return search.found()
    search.around(answer)
    if not search.candidates:
        raise FetchError(
            answer.url,
            "This is a web page, not a feed. No feed was found on it or in the usual places, and no list of articles. "
            "Look for a page of the site that lists its articles, or ask the publisher for a feed.",
        )
    return search.found()


def addresses(url: str) -> list[str]:
    """Return the addresses that a text may mean: without a scheme, first https and then http."""
    url = web_address(url.strip())
    return [url] if "://" in url else [f"https://{url.lstrip('/')}", f"http://{url.lstrip('/')}"]


@dataclass
class _Search:
    """What is known while the search goes on."""

    client: Client
    candidates: list[Candidate] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    requests: int = 0
    left: int = FEED_REQUESTS

    def open(self, url: str) -> tuple[str, Answer]:
        """Return what is at the address that a person gave, and the address in full.

        Raises the error of the server where one answered, else that of the first way of reading the address.
        """
        errors = []
        for address in addresses(url):
            try:
                return address, self._get(address)
            except FetchError as error:
                errors.append(error)
        raise next((error for error in errors if error.status is not None), errors[0])

    def around(self, answer: Answer) -> None:
        """Look from a page: its site's rules, its links, its front page, the usual places, sitemaps, itself."""
        page = self.client.parse(read_page_links, answer)
        self._each((FeedLink(url) for url in known_feeds(answer.url)), answer.url, "known for this site")
        self._each(page.declared[:_DECLARED], answer.url, "linked from the page")
        if not self._is_done():
            self._each(page.mentioned[:_MENTIONED], answer.url, "linked from the page")
        if not self._is_done():
            self._front_page(answer.url)
        if not self._is_done():
            self._usual(answer.url)
        if not self._is_done():
            self._sitemaps(answer.url)
        if not self._is_done():
            self._page(answer, page)

    def blind(self, url: str) -> bool:
        """Look where feeds usually are, without a page to start from; say whether one was found."""
        self._each((FeedLink(one) for one in known_feeds(url)), url, "known for this site")
        self._usual(url)
        return bool(self.candidates)

    def found(self) -> Found:
        """Return the candidates: stories before comments, those that have some before empty ones."""
        order = sorted(self.candidates, key=lambda one: (one.is_about_comments, not one.items))
        return Found(tuple(order), self.requests)

    def add(self, url: str, answer: Answer, where: str, *, is_about_comments: bool = False) -> None:
        """Note what source `answer` is, unless it is one of those that are known.

        One that has moved for good is noted by its new address. Raises FetchError when it cannot be read as a source.
        """
        url = answer.moved_to or url
        kind, fetched = self._read(url, answer)
        stories = {item.url for item in fetched.items}
        # Most sitemaps list addresses only; they are no news.
        if not stories and kind == "sitemap":
            raise FetchError(url, next(iter(fetched.problems), _NO_NEWS))
        if stories and any(stories == {item.url for item in one.items} for one in self.candidates):
            return
        problems = fetched.problems if stories or not _breaks_off(answer) else (_BREAKS_OFF, *fetched.problems)
        self.candidates.append(Candidate(url, kind, fetched.title, fetched.items, where, is_about_comments, problems))

    def _read(self, url: str, answer: Answer) -> tuple[str, Fetched]:
        """Return the kind of source that reads `answer`, and what it says. Raises FetchError when none does."""
        match shape_of(answer.body):
            case Shape.FEED:
                return "feed", self.client.parse(parse_feed, answer)
            case Shape.JSON_FEED:
                return "jsonfeed", self.client.parse(parse_json_feed, answer)
            case Shape.SITEMAP:
                return "sitemap", SitemapSource(url, self.client).fetch(Previous())
        raise refusal(answer, "a feed")

    def _get(self, url: str) -> Answer:
        self.asked.add(_key(url))
        self.requests += 1
        answer = self.client.get(url)
        self.asked.add(_key(answer.url))
        return answer

    def _is_done(self) -> bool:
        return any(one.items and not one.is_about_comments for one in self.candidates)

    def _each(self, links: Iterable[FeedLink], page_url: str, where: str) -> None:
        """Read what the links lead to, while requests are left. What cannot be read as a source is passed over."""
        for link in links:
            if self.left <= 0 or _key(link.url) in self.asked:
                continue
            self.left -= 1
            try:
                answer = self._get(link.url)
                self.add(link.url, answer, where, is_about_comments=is_about_comments(link, page_url))
            except FetchError:
                continue

    def _front_page(self, url: str) -> None:
        """Look at what the site's front page links to."""
        parts = urlsplit(url)
        front = f"{parts.scheme}://{parts.netloc}/"
        if _key(front) in self.asked or self.left <= 1:
            return
        self.left -= 1
        try:
            answer = self._get(front)
            page = self.client.parse(read_page_links, answer)
        except FetchError:
            return
        self._each((*page.declared[:3], *page.mentioned[:2]), answer.url, "linked from the site's front page")

    def _usual(self, url: str) -> None:
        """Ask in the usual places, up to the first feed."""
        for place in usual_places(url):
            self._each([FeedLink(place)], url, "in a usual place")
            if self._is_done():
                return

    def _sitemaps(self, url: str) -> None:
        """Look for a Google News sitemap: those that robots.txt names, then the usual places."""
        self.left = SITEMAP_REQUESTS
        parts = urlsplit(url)
        named = [one for one in robots_of(self.client).rules([url]).sitemaps if "news" in one.lower()]
        places = [*named, *(f"{parts.scheme}://{parts.netloc}{place}" for place in SITEMAP_PLACES)]
        for place in places:
            self._each([FeedLink(place)], url, "the site's news sitemap")
            if self._is_done():
                return

    def _page(self, answer: Answer, page: PageLinks) -> None:
        """Take the page itself when it lists articles; some are read to see whether that goes well.

        Raises FetchError when they are closed to programs and nothing else was found.
        """
        if len(page.articles) < _FEWEST_ARTICLES:
            return
        try:
            rules = robots_of(self.client).require(answer.url)
        except FetchError as error:
            if self.candidates:
                return
            sentence = (
                f"No feed was found on this page or in the usual places. Its articles are not read: {error.sentence}"
            )
            raise FetchError(answer.url, sentence) from error
        source = _Sample(answer.url, self.client)
        fetched = source.read(answer, Section(page.title, page.articles), Memory(), rules.delay)
        if fetched.items:
            where = "articles that the page links to"
            self.candidates.append(Candidate(answer.url, "page", fetched.title, fetched.items, where))


class _Sample(PageSource):
    """A page of which only the first articles are read."""

    limit = 5
    budget = 20.0


def _breaks_off(answer: Answer) -> bool:
    """Tell whether a feed in XML has no end."""
    body = inflated(answer).body
    return shape_of(body) is Shape.FEED and not _END.search(body.replace(b"\x00", b""))


def _key(url: str) -> str:
    try:
        return canonical_url(url)
    except NotAWebAddress:
        return url
