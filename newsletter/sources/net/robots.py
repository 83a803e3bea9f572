"""robots.txt: what a site lets programs read, how fast, and where its sitemaps are (RFC 9309)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, proxy

from newsletter.errors import FetchError
from newsletter.sources.http import Client
from newsletter.sources.text import absolute_url

#: What we answer to in a robots.txt: the first word of our User-Agent.
PRODUCT_TOKEN = "newsletter"  # noqa: S105 - the word of RFC 9309 for a program's name, no secret
#: Bytes of a robots.txt that count (RFC 9309 section 2.5 wants at least these), and that are fetched at all.
READ_BYTES, FETCHED_BYTES = 500 * 1024, 2_000_000
#: Seconds for which a robots.txt is good (section 2.4), and after which one that could not be read is tried again.
DAY, AGAIN = 86_400.0, 600.0
#: Seconds between two requests that a site may ask for; who asks for more gets these.
LONGEST_DELAY = 5.0

_CLOSED = "The site's robots.txt asks programs not to read this. Use a feed of the site, or ask the publisher."
#: Statuses of a site without rules: the file is empty, or the server says that it is not there (section 2.3.1.3).
_NO_RULES = frozenset({200, *range(400, 500)}) - {429}


@dataclass(frozen=True)
class Rules:
    """What a robots.txt says of some addresses: which may be read, seconds between two requests, and its sitemaps."""

    allowed: tuple[bool, ...]
    delay: float = 0.0
    sitemaps: tuple[str, ...] = ()


@dataclass(frozen=True)
class _File:
    """A robots.txt as it was read. Without a text nothing may be read; `problem` says why there is none."""

    read_at: float
    text: str | None
    url: str
    problem: str = ""


class Robots:
    """The robots.txt files of the sites that a client reads from, each fetched once a day. The client is not kept."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client: Client = proxy(client)  # or `robots_of` would keep both for ever
        self._clock = clock
        self._files: dict[str, _File] = {}

    def rules(self, urls: Sequence[str]) -> Rules:
        """Return what the sites say of `urls`, in their order; the longest delay counts."""
        allowed = [False] * len(urls)
        delay = 0.0
        sitemaps: list[str] = []
        for origin in dict.fromkeys(map(_origin, urls)):
            places = [place for place, url in enumerate(urls) if _origin(url) == origin]
            file = self._file(origin)
            if file.text is None:
                continue
            found = self._client.parse(read_rules, file.text, file.url, [urls[place] for place in places])
            for place, one in zip(places, found.allowed, strict=True):
                allowed[place] = one
            delay = max(delay, found.delay)
            sitemaps += found.sitemaps
        return Rules(tuple(allowed), delay, tuple(dict.fromkeys(sitemaps)))

    def require(self, url: str) -> Rules:
        """Return what its site says of `url`. Raises FetchError when it may not be read."""
        rules = self.rules([url])
        if not rules.allowed[0]:
            problem = self._file(_origin(url)).problem
            sentence = f"The site's robots.txt cannot be read, so nothing else of the site is: {problem}"
            raise FetchError(url, sentence if problem else _CLOSED)
        return rules

    def _file(self, origin: str) -> _File:
        file = self._files.get(origin)
        good_for = DAY if file and file.text is not None else AGAIN
        if file is None or self._clock() - file.read_at > good_for:
            file = self._files[origin] = self._read(f"{origin}/robots.txt")
        return file

    def _read(self, url: str) -> _File:
        """Return the file at `url`: none there is one that allows everything, trouble one that allows nothing."""
        try:
            answer = self._client.get(url, accept="text/plain, */*;q=0.1", max_bytes=FETCHED_BYTES)
        except FetchError as error:
            # An empty file is refused as a source, but it is an answer all the same.
            if error.status in _NO_RULES:
                return _File(self._clock(), "", url)
            return _File(self._clock(), None, url, error.sentence)
        return _File(self._clock(), answer.body[:READ_BYTES].decode("utf-8", "replace"), answer.url)


def read_rules(text: str, base: str, urls: Sequence[str]) -> Rules:
    """Return what the robots.txt `text`, found at `base`, says of `urls`. Pure; run it in a child (threat 8)."""
    from protego import Protego  # noqa: PLC0415 - only pages and the search for feeds need it

    file = Protego.parse(text.removeprefix("\ufeff"))
    return Rules(
        tuple(bool(file.can_fetch(url, PRODUCT_TOKEN)) for url in urls),
        min(file.crawl_delay(PRODUCT_TOKEN) or 0.0, LONGEST_DELAY),
        tuple(filter(None, (absolute_url(address, base) for address in list(file.sitemaps)[:100]))),
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


_ROBOTS: WeakKeyDictionary[Client, Robots] = WeakKeyDictionary()


def robots_of(client: Client) -> Robots:
    """Return what `client` knows of robots.txt files: sources live for one fetch, what they learn as long as it."""
    return _ROBOTS.setdefault(client, Robots(client))
