"""Do the links of a mail open? Asked of their servers with care: HEAD first, in parallel, gently, and never for long.

robots.txt is not asked. Its rules are for crawlers (RFC 9309 section 1); this is a person who looks at the links of
one mail before readers open each of them many times. How often a host is asked, we limit all the same.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import httpx2

from newsletter.errors import FetchError
from newsletter.reach.pages import stands_for
from newsletter.sources.http import Client
from newsletter.sources.net.addresses import is_inside_name, is_public, real_address, wrong_with
from newsletter.sources.net.hosts import host_of
from newsletter.sources.net.network import NotAllowed

Verdict: TypeAlias = Literal["works", "gone", "unknown"]

#: How many hosts are asked at the same time; each is asked for one link at a time.
THREADS = 8
#: Seconds between two requests to one host.
PAUSE_SECONDS = 0.5
#: Seconds for one request, redirects included. Some servers never answer HEAD, so that one is shorter.
HEAD_SECONDS, GET_SECONDS = 5.0, 10.0
#: When no server at all has answered after so many seconds, this machine has no way to them, and the look is over.
SILENT_SECONDS = 6.0


@dataclass(frozen=True)
class LinkState:
    """What became of a link. `sentence` says why, and is empty for one that works.

    `final_url` is where it leads, after redirects; empty when nothing answered with a page.
    """

    verdict: Verdict
    sentence: str = ""
    final_url: str = ""


@dataclass(frozen=True)
class _Seen:
    """A link's state, and whether a server has answered for it: so names can be looked up from here."""

    state: LinkState
    answered: bool = False


def look(
    urls: Iterable[str],
    client: Client,
    *,
    seconds: float = 30.0,
    trial: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, LinkState]:
    """Return the state of each address, in order. Each is asked for once, and all together take `seconds` at most.

    In a `trial`, whose readers are on this machine, links to it count like all others. `progress` is called in this
    thread with how many are done, and of how many. Whatever a server does is a state, not an error. Give it public
    links only, such as stories': never one that carries a reader's token.
    """
    wanted = {url: url.partition("#")[0] for url in urls}
    sight = _Sight(client, time.monotonic() + seconds, trial=trial)
    states: dict[str, LinkState] = {}
    for address, one in _rounds(sight, dict.fromkeys(wanted.values())):
        states[address] = one.state
        if progress:
            progress(sum(address in states for address in wanted.values()), len(wanted))
    return {url: states.get(address, _LATE) for url, address in wanted.items()}


@dataclass(frozen=True)
class _Sight:
    """What one look looks with. `end` is a moment on the monotonic clock."""

    client: Client
    end: float
    trial: bool

    def seconds_left(self) -> float:
        return max(0.0, self.end - time.monotonic())

    def pause(self) -> None:
        time.sleep(min(PAUSE_SECONDS, self.seconds_left()))


def _rounds(sight: _Sight, addresses: Iterable[str]) -> Iterator[tuple[str, _Seen]]:
    """Yield what is seen of each address; those whose host does not exist are asked for again before it is said.

    Where no server answered at all, a missing host says nothing: the machine may have no Internet.
    """
    nameless, answered = [], False
    for address, one in _asked(sight, addresses):
        answered = answered or one.answered
        if one.state == _NO_HOST:
            nameless.append(address)
        else:
            yield address, one
    if not answered:
        yield from ((address, _Seen(_NO_NAMES)) for address in nameless)
    elif nameless:
        sight.pause()
        yield from _asked(sight, nameless)


def _asked(sight: _Sight, addresses: Iterable[str]) -> Iterator[tuple[str, _Seen]]:
    """Yield what is seen of the addresses as it comes, until all have come, the time is over, or all are silent."""
    hosts: dict[str, list[str]] = {}
    for address in addresses:
        hosts.setdefault(_host(address), []).append(address)
    work = _Work(sight, hosts.values())
    silent_until = min(sight.end, time.monotonic() + SILENT_SECONDS)
    try:
        for _ in range(sum(map(len, hosts.values()))):
            one = work.came.get(timeout=max(0.0, silent_until - time.monotonic()))
            if isinstance(one, Exception):
                raise one
            if one[1].answered:
                silent_until = sight.end
            yield one
    except Empty:
        return
    finally:
        work.over.set()


class _Work:
    """Threads that ask for links, those of a host one after the other, until all are asked for or it is over.

    They are daemons, so that one that waits for the system's resolver, which keeps its own time, holds up nothing.
    """

    def __init__(self, sight: _Sight, hosts: Iterable[list[str]]) -> None:
        self.came: SimpleQueue[tuple[str, _Seen] | Exception] = SimpleQueue()
        self.over = threading.Event()
        self._sight = sight
        self._waiting = deque(hosts)
        for number in range(min(THREADS, len(self._waiting))):
            threading.Thread(target=self._run, name=f"links-{number}", daemon=True).start()

    def _run(self) -> None:
        try:
            while self._waiting:
                self._ask(self._waiting.popleft())
        except IndexError:
            return  # another thread took the last
        except Exception as error:  # noqa: BLE001 - a bug of ours; it is raised where the links are looked at
            self.came.put(error)

    def _ask(self, addresses: list[str]) -> None:
        answered = False
        for address in addresses:
            if answered:
                self._sight.pause()
            if self.over.is_set():
                return
            one = _seen(self._sight, address)
            answered = one.answered
            self.came.put((address, one))


def _seen(sight: _Sight, address: str) -> _Seen:
    """Return what is to be seen of one address, asking for its head first, and for the page where that says little."""
    if refusal := _unusable(address, trial=sight.trial):
        return _Seen(LinkState("gone", refusal))
    try:
        return _found(sight, address, "HEAD", HEAD_SECONDS)
    except FetchError as error:
        if not _asks_for_more(error):
            return _failed(error)
    # Many servers refuse HEAD, and some say 404 to it: only what they say to a GET counts. Its content is not read.
    sight.pause()
    try:
        return _found(sight, address, "GET", GET_SECONDS)
    except FetchError as error:
        return _failed(error)


def _found(sight: _Sight, address: str, method: Literal["HEAD", "GET"], seconds: float) -> _Seen:
    """Return what the server says to one request. Raises FetchError."""
    seconds = min(seconds, sight.seconds_left())
    if not seconds:
        return _Seen(_LATE)
    with sight.client.within(seconds):
        final = sight.client.probe(address, method=method)
    match stands_for(address, final):
        case "front page":
            state = LinkState("gone", f"It leads to the front page {final} instead of the story.", final)
        case "missing":
            state = LinkState("gone", f"It leads to {final}, which stands for pages that are missing.", final)
        case "sign-in":
            state = LinkState("unknown", f"{_UNTOLD}it leads to {final}, where readers sign in.", final)
        case _:
            state = LinkState("works", "", final)
    return _Seen(state, answered=True)


def _unusable(address: str, *, trial: bool) -> str:
    """Return why readers cannot open the address, whatever is there; or nothing."""
    if reason := wrong_with(address):
        return f"Readers cannot open it: {reason.partition(', and sources')[0]}."
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        inside = not is_public(real_address(host))
    except ValueError:
        inside = is_inside_name(host)
    if not inside or trial:
        return ""
    return f"Readers cannot open it: {host} is inside a network and not on the public Internet."


def _host(address: str) -> str:
    """Return what counts as one host; addresses that cannot be asked for are nobody's."""
    return "" if wrong_with(address) else host_of(address)


_UNTOLD = "Whether it opens cannot be told from here: "
_LATE = LinkState("unknown", f"{_UNTOLD}there was no time left to ask.")
_NO_HOST = LinkState("gone", "Its host does not exist: the name is unknown, also when asked twice.")
_NO_NAMES = LinkState("unknown", f"{_UNTOLD}no host could be found, so this machine may have no Internet.")

#: Statuses after which nobody finds the page (RFC 9110 section 15.5).
_GONE = {
    404: "There is nothing at this address (HTTP status 404).",
    410: "The publisher has taken this page away (HTTP status 410).",
}
_STATUSES = {
    401: "the server asks for a password",
    402: "the server asks for money",
    403: "the server does not let programs look",
    408: "the server waited too long for us",
    429: "the server was asked too often",
    451: "the server does not show the page here, for legal reasons",
}
#: Certificates that stop readers, too (OpenSSL's verify codes): browsers warn on a whole page, and few go on. What only
#: we may be unable to judge (an issuer that we do not know, a date that our clock has not reached) is not among them.
_CERTIFICATES = {
    10: "has expired",
    18: "is signed by nobody but itself",
    62: "is for another name",
    64: "is for another address",
}
#: What broke, most telling first.
_BREAKS: tuple[tuple[type[BaseException], str], ...] = (
    (NotAllowed, "its host is, as seen from here, no web server on the public Internet"),
    (socket.gaierror, "its host could not be looked up"),
    (ssl.SSLError, "no secure connection could be made"),
    (ConnectionRefusedError, "its server takes no connections now"),
    (httpx2.TimeoutException, "its server did not answer in time"),
    (httpx2.HTTPError, "its server broke off"),
)
#: Errors of getaddrinfo that say that the name, or an address of it, does not exist; others are trouble of resolvers.
_NAMELESS = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def _asks_for_more(error: FetchError) -> bool:
    """Say whether a GET may fare better than the HEAD that failed so: not where a server asked for a rest."""
    if error.status is not None:
        return error.status not in {429, 503}
    causes = list(_causes(error))
    connected = not any(isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, NotAllowed)) for cause in causes)
    return connected and any(isinstance(cause, httpx2.TransportError) for cause in causes)


def _failed(error: FetchError) -> _Seen:
    """Return the state of a link that could not be opened."""
    if error.status is not None:
        return _Seen(_refused(error.status), answered=True)
    causes = list(_causes(error))
    if dead := next(filter(None, map(_dead, causes)), None):
        return dead
    what = next((text for kind, text in _BREAKS for cause in causes if isinstance(cause, kind)), "")
    if not what and error.asked:
        # Redirects that end nowhere, mostly for those who keep no cookies.
        return _Seen(LinkState("unknown", f"{_UNTOLD}{error.sentence[:1].lower()}{error.sentence[1:]}"), answered=True)
    return _Seen(LinkState("unknown", f"{_UNTOLD}{what or 'its host asked to be left alone for a while'}."))


def _dead(cause: BaseException) -> _Seen | None:
    """Return the state of a link that nobody can open for this cause, or None where others may fare better."""
    if isinstance(cause, socket.gaierror) and cause.errno in _NAMELESS:
        return _Seen(_NO_HOST)
    if isinstance(cause, UnicodeError):
        return _Seen(LinkState("gone", "Its host does not exist: no host can have such a name."))
    if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _CERTIFICATES:
        sentence = f"Browsers warn of it: its server's certificate {_CERTIFICATES[cause.verify_code]}."
        return _Seen(LinkState("gone", sentence), answered=True)
    return None


def _refused(status: int) -> LinkState:
    if status in _GONE:
        return LinkState("gone", _GONE[status])
    trouble = "the server has trouble of its own" if 500 <= status < 600 else "the server does not show it to programs"
    return LinkState("unknown", f"{_UNTOLD}{_STATUSES.get(status, trouble)} (HTTP status {status}).")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to the error, nearest first; the connection pool keeps some as context only."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
