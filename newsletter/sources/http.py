"""One careful GET. Whatever goes wrong is a FetchError whose sentence says what happened and what to do.

Bounded are where it goes (threat 5), and seconds, redirects, bytes as they arrive and bytes after inflating (threat 7).
What came is read by a function in a child process, which may be killed (threat 8).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Literal, ParamSpec, TypeVar

import httpx2

from newsletter.errors import FetchError
from newsletter.sources import Previous
from newsletter.sources.net.addresses import Network, Reach, shown, wrong_with
from newsletter.sources.net.answers import Answer
from newsletter.sources.net.bodies import Limits, read_body
from newsletter.sources.net.hosts import Hosts
from newsletter.sources.net.network import NotAllowed, Resolve, Transport, system_addresses
from newsletter.sources.net.parsers import CPU_SECONDS, Parsers
from newsletter.sources.net.refusals import broken, refused

__all__ = ["FEEDS", "MAX_RAW_BYTES", "MAX_REDIRECTS", "Answer", "Client"]

MAX_REDIRECTS = 5
MAX_RAW_BYTES = 5 * 1024 * 1024
#: What a GET asks for, unless it says otherwise.
FEEDS = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.9, */*;q=0.1"
)

#: What a probe asks for, as those do who read pages.
_PAGES = "text/html, application/xhtml+xml, */*;q=0.8"

_FIRST_FETCH = Previous()

P = ParamSpec("P")
T = TypeVar("T")


class Client:
    """Fetches addresses. One client serves any number of threads; it keeps no cookies and reads no environment.

    `timeout` is in seconds for one exchange to its last byte, redirects included; only the system's resolver keeps its
    own time, and waiting for a turn at a busy host does not count. `max_raw_bytes` bounds a body as it arrives,
    `max_bytes` after inflating. Nothing is fetched from outside the public Internet and its web ports, but for
    `private_networks`, such as 10.0.0.0/8, and further `ports`. `per_host` exchanges with a host run at a time, and
    `parsers` documents are read at a time, each in at most `parse_seconds` of computing. `resolve` stands in for the
    system's resolver.
    """

    def __init__(
        self,
        timeout: float,
        max_bytes: int,
        user_agent: str,
        *,
        max_raw_bytes: int = MAX_RAW_BYTES,
        private_networks: Iterable[str | Network] = (),
        ports: Iterable[int] = (),
        per_host: int = 2,
        parsers: int | None = None,
        parse_seconds: int = CPU_SECONDS,
        resolve: Resolve = system_addresses,
    ) -> None:
        self._timeout = timeout
        self._local = threading.local()
        self._limits = Limits(min(max_raw_bytes, max_bytes), max_bytes)
        self._hosts = Hosts(per_host)
        self._parsers = Parsers(parsers or min(2, os.cpu_count() or 1), cpu_seconds=parse_seconds)
        self._http = httpx2.Client(
            transport=Transport(Reach.of(private_networks, ports), resolve),
            trust_env=False,
            headers={"User-Agent": user_agent, "Accept-Encoding": "gzip, identity"},
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        )

    def get(
        self, url: str, previous: Previous = _FIRST_FETCH, *, accept: str = FEEDS, max_bytes: int | None = None
    ) -> Answer:
        """Return what is at `url`, or `not_modified` when it is what `previous` saw (RFC 9110 section 13).

        `accept` is the Accept header; `max_bytes` stands for the client's own, both as a body arrives and inflated.
        Raises FetchError; its `retry_after` says when a server asked us to come back.
        """
        if accept == FEEDS and previous == _FIRST_FETCH:
            self._parsers.warm_up()
        limits = self._limits if max_bytes is None else self._limits.for_one(max_bytes)
        return self._exchange(_Wanted(url, shown(url), previous, {"Accept": accept} | _conditions(previous), limits))

    def probe(self, url: str, *, method: Literal["HEAD", "GET"] = "HEAD") -> str:
        """Return the address that answers for `url` in the end, after redirects; of its content nothing is read.

        Raises FetchError as `get` does.
        """
        return self._exchange(_Wanted(url, shown(url), _FIRST_FETCH, {"Accept": _PAGES}, None, method)).url

    def _exchange(self, wanted: _Wanted) -> Answer:
        seconds = self._seconds_left(wanted.name)
        try:
            return self._follow(wanted, seconds)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise broken(wanted.name, error, round(seconds, 1)) from error

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let everything that this thread gets in the block take no longer than so many seconds together."""
        self._local.deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._local.deadline = None

    def _seconds_left(self, name: str) -> float:
        """Return the seconds that one exchange may take now. Raises FetchError when the time of `within` is over."""
        deadline: float | None = getattr(self._local, "deadline", None)
        left = self._timeout if deadline is None else min(self._timeout, deadline - time.monotonic())
        if left <= 0:
            raise FetchError(name, "Reading this source takes too long in all. What is missing is read the next time.")
        return left

    def parse(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Return what `function`, a function of a module, makes of the arguments, in a child process (threat 8).

        Raises what the function raises, and FetchError when it was stopped because it took too long, too much memory,
        or made too much. All that goes in and out is pickled.
        """
        return self._parsers.run(function, *arguments, **options)

    def close(self) -> None:
        """Give back what the client holds, and end its children."""
        self._http.close()
        self._parsers.close()

    def _follow(self, wanted: _Wanted, seconds: float) -> Answer:
        visited: list[str] = []
        address, for_good = wanted.url, True
        while len(visited) <= MAX_REDIRECTS:
            _refuse_wrong_address(wanted, address, redirected=bool(visited))
            with self._hosts.turn(address, asked=wanted.name):
                start = time.monotonic()
                came = self._ask(wanted, address, start + seconds, redirected=bool(visited))
                seconds -= time.monotonic() - start
            if isinstance(came, Answer):
                return replace(came, moved_to=came.url) if visited and for_good else came
            visited.append(came.source)
            address, for_good = came.target, for_good and came.for_good
            if address in visited:
                raise FetchError(
                    wanted.name,
                    f"It redirects in a circle: {address} leads back to itself. "
                    "Open the address in a browser and use the one that the browser ends at.",
                )
        raise FetchError(
            wanted.name,
            f"It redirects more than {MAX_REDIRECTS} times. "
            "Open the address in a browser and use the one that the browser ends at.",
        )

    def _ask(self, wanted: _Wanted, address: str, deadline: float, *, redirected: bool) -> Answer | _Redirect:
        """Return what one request brings, to be over at `deadline` (see network.py)."""
        timeout = httpx2.Timeout(deadline, pool=None)
        try:
            with self._http.stream(wanted.method, address, headers=wanted.headers, timeout=timeout) as response:
                if response.next_request is None:
                    return self._answer(wanted, response)
                target = str(response.next_request.url)
                return _Redirect(str(response.url), target, for_good=response.status_code in {301, 308})
        except NotAllowed as error:
            sentence = f"It redirects to {shown(address)}. {error}" if redirected else str(error)
            raise FetchError(wanted.name, sentence) from error

    def _answer(self, wanted: _Wanted, response: httpx2.Response) -> Answer:
        previous = wanted.previous
        etag = _validator(response.headers.get("etag", ""))
        last_modified = _validator(response.headers.get("last-modified", ""))
        if response.status_code == 304 and (previous.etag or previous.last_modified):
            return Answer(
                str(response.url),
                etag=etag or previous.etag,
                last_modified=last_modified or previous.last_modified,
                not_modified=True,
            )
        if not response.is_success:
            error = refused(wanted.name, response)
            if error.retry_after:
                self._hosts.rest(str(response.url), error.retry_after)
            raise error
        if wanted.limits is None:
            return Answer(str(response.url))
        body = read_body(wanted.name, response, wanted.limits)
        if not body.strip():
            raise FetchError(
                wanted.name,
                "The answer is empty. Open the address in a browser to see whether it is the right one.",
                status=response.status_code,
            )
        return Answer(str(response.url), body, response.headers.get("content-type", ""), etag, last_modified)


@dataclass(frozen=True)
class _Wanted:
    """What one call is after. `name` is the address without credentials, for sentences; no `limits`: no content."""

    url: str
    name: str
    previous: Previous
    headers: dict[str, str]
    limits: Limits | None
    method: Literal["HEAD", "GET"] = "GET"


@dataclass(frozen=True)
class _Redirect:
    """An answer that says to ask elsewhere."""

    source: str
    target: str
    for_good: bool


def _conditions(previous: Previous) -> dict[str, str]:
    conditions = {"If-None-Match": _validator(previous.etag), "If-Modified-Since": _validator(previous.last_modified)}
    return {name: value for name, value in conditions.items() if value}


def _validator(value: str) -> str:
    """Return a validator that can be sent back as it came, or nothing."""
    return value if value.isascii() and value.isprintable() and len(value) <= 500 else ""


def _refuse_wrong_address(wanted: _Wanted, address: str, *, redirected: bool) -> None:
    """Raise FetchError unless `address` is one that we would fetch: http or https, with a host and no credentials."""
    reason = wrong_with(address)
    if not reason:
        return
    if redirected:
        raise FetchError(
            wanted.name,
            f"It redirects to {shown(address)}, which cannot be used: {reason}. Look for the source's new address.",
        )
    raise FetchError(wanted.name, f"This address cannot be used: {reason}.")
