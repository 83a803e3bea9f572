"""One careful GET. Whatever goes wrong is a FetchError whose sentence says what happened and what to do.

What is bounded (threat 7): seconds for the whole exchange, redirects, bytes as they arrive and bytes after inflating.
"""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpcore2
import httpx2

from newsletter.errors import FetchError
from newsletter.sources import Previous

MAX_REDIRECTS = 5
CONNECT_SECONDS = 5.0

_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.9, */*;q=0.1"
)
_INFLATE_STEP = 65_536
_FIRST_FETCH = Previous()

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What came back. `url` is the address after redirects; `not_modified` answers have no body."""

    url: str
    body: bytes = b""
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    not_modified: bool = False


class Client:
    """Fetches addresses. One client serves any number of threads; it keeps no cookies and reads no environment.

    `timeout` is in seconds for one exchange to its last byte, redirects included; only the system's resolver keeps its
    own time. `max_bytes` bounds a body both as it arrives and after inflating.
    """

    def __init__(self, timeout: float, max_bytes: int, user_agent: str) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._http = httpx2.Client(
            transport=_Transport(),
            trust_env=False,
            headers={"User-Agent": user_agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip, identity"},
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        )

    def get(self, url: str, previous: Previous = _FIRST_FETCH) -> Answer:
        """Return what is at `url`, or `not_modified` when it is what `previous` saw (RFC 9110 section 13).

        Raises FetchError.
        """
        deadline = time.monotonic() + self._timeout
        try:
            return self._follow(url, previous, deadline)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise FetchError(_shown(url), _what_broke(error, self._timeout)) from error

    def parse(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Return what `function`, a function of a module, makes of the arguments."""
        return function(*arguments, **options)

    def close(self) -> None:
        """Give back what the client holds."""
        self._http.close()

    def _follow(self, url: str, previous: Previous, deadline: float) -> Answer:
        visited: list[str] = []
        address = url
        while len(visited) <= MAX_REDIRECTS:
            _refuse_wrong_address(url, address, redirected=bool(visited))
            with self._http.stream(
                "GET", address, headers=_conditions(previous), timeout=httpx2.Timeout(deadline, pool=None)
            ) as response:
                if response.next_request is None:
                    return self._answer(url, response, previous)
                visited.append(str(response.url))
                address = str(response.next_request.url)
            if address in visited:
                raise FetchError(
                    _shown(url),
                    f"It redirects in a circle: {address} leads back to itself. "
                    "Open the address in a browser and use the one that the browser ends at.",
                )
        raise FetchError(
            _shown(url),
            f"It redirects more than {MAX_REDIRECTS} times. "
            "Open the address in a browser and use the one that the browser ends at.",
        )

    def _answer(self, url: str, response: httpx2.Response, previous: Previous) -> Answer:
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
            raise FetchError(_shown(url), _refusal(response))
        body = self._body(url, response)
        if not body.strip():
            raise FetchError(
                _shown(url), "The answer is empty. Open the address in a browser to see whether it is the right one."
            )
        return Answer(str(response.url), body, response.headers.get("content-type", ""), etag, last_modified)

    def _body(self, url: str, response: httpx2.Response) -> bytes:
        too_large = FetchError(
            _shown(url),
            f"The answer is larger than {self._max_bytes:,} bytes, so it was not read. "
            "Check the address; if it is right, raise `max_bytes` under [fetch].",
        )
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._max_bytes:
            raise too_large
        inflate = _inflater(url, response.headers.get("content-encoding", ""))
        body = bytearray()
        for piece in inflate(_capped(response.iter_raw(), self._max_bytes, too_large)):
            body += piece
            if len(body) > self._max_bytes:
                raise too_large
        return bytes(body)


def _conditions(previous: Previous) -> dict[str, str]:
    conditions = {"If-None-Match": _validator(previous.etag), "If-Modified-Since": _validator(previous.last_modified)}
    return {name: value for name, value in conditions.items() if value}


def _validator(value: str) -> str:
    """Return a validator that can be sent back as it came, or nothing."""
    return value if value.isascii() and value.isprintable() and len(value) <= 500 else ""


def _refuse_wrong_address(url: str, address: str, *, redirected: bool) -> None:
    """Raise FetchError unless `address` is one that we would fetch: http or https, with a host and no credentials."""
    reason = _wrong_with(address)
    if not reason:
        return
    if redirected:
        raise FetchError(
            _shown(url),
            f"It redirects to {_shown(address)}, which cannot be used: {reason}. Look for the source's new address.",
        )
    raise FetchError(_shown(url), f"This address cannot be used: {reason}.")


def _wrong_with(address: str) -> str:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        return f"it is not a web address ({error})"
    if parts.scheme not in {"http", "https"}:
        return "it must start with https:// or http://"
    if parts.username is not None or parts.password is not None:
        return "it carries a user name or password, and sources are read without one"
    if not parts.hostname:
        return "it has no host name"
    if any(character.isspace() or not character.isprintable() for character in address):
        return "it contains a space or an invisible character"
    return ""


def _shown(url: str) -> str:
    """Return `url` as it may be printed and stored: without credentials."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


_REFUSALS = {
    304: "The server says that nothing has changed, but nothing was fetched before. Try later.",
    401: "The server asks for a password. Ask the publisher for a public feed address.",
    403: "The server does not let us read this. Ask the publisher to allow feed readers, or use another address.",
    404: "There is nothing at this address. Look on the site for the feed's new address.",
    410: "The publisher has removed this feed for good. Look for another one on the site, or remove the source.",
    429: "The server was asked too often. Gather less often.",
}


def _refusal(response: httpx2.Response) -> str:
    """Return the sentence for an answer that is no success."""
    status = response.status_code
    sentence = _REFUSALS.get(status)
    if sentence is None and status >= 500:
        sentence = "The server has trouble of its own, which mostly passes. If it stays so, tell the publisher."
    if sentence is None and status < 400:
        sentence = "The server redirects without saying where to. Look on the site for the feed's new address."
    if sentence is None:
        sentence = "The server's answer is not a page. Open the address in a browser and check it."
    wait = response.headers.get("retry-after", "")[:40]
    if wait and wait.isprintable():
        sentence += f" It asks to come back after {wait + ' seconds' if wait.isdecimal() else wait}."
    return f"{sentence} (HTTP status {status})"


#: What broke, most telling first: the first class that the error or its first cause belongs to gives the sentence.
_BREAKS: tuple[tuple[type[BaseException], str], ...] = (
    (httpx2.InvalidURL, "This address cannot be used: {error}."),
    (httpx2.ConnectTimeout, "The server took no connection in time. It may be down; try later."),
    (
        httpx2.TimeoutException,
        "No complete answer came within {timeout:g} seconds. The server may be slow today; "
        "if it stays so, raise `timeout` under [fetch].",
    ),
    (socket.gaierror, "The host name is unknown. Check how it is written, and that this machine reaches the Internet."),
    (UnicodeError, "The host name cannot exist. Check how it is written."),
    (ConnectionRefusedError, "Nothing answers there (connection refused). Check the address, or try later."),
    (ssl.SSLCertVerificationError, "The server's certificate is not valid ({cause}). Tell the publisher."),
    (ssl.SSLError, "No secure connection could be made ({cause}). Check whether the address starts with http://."),
    (httpx2.ConnectError, "The server cannot be reached ({cause}). Check the address, or try later."),
    (httpx2.ProtocolError, "The answer broke off or is not HTTP ({error}). Try later, or tell the publisher."),
    (Exception, "The connection broke off before the answer was complete ({cause}). Try later."),
)


def _what_broke(error: Exception, timeout: float) -> str:
    """Return the sentence for an exchange that did not come to an answer."""
    cause = _first_cause(error)
    sentence = next(text for kind, text in _BREAKS if isinstance(error, kind) or isinstance(cause, kind))
    return sentence.format(error=str(error).rstrip("."), cause=cause, timeout=timeout)


def _first_cause(error: BaseException) -> BaseException:
    """Return what started it; the connection pool keeps that as context only."""
    while earlier := error.__cause__ or error.__context__:
        error = earlier
    return error


def _capped(pieces: Iterator[bytes], limit: int, too_large: FetchError) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise too_large
        yield piece


def _inflater(url: str, encoding: str) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """Return the function that turns the pieces that arrive into pieces of the body."""
    match encoding.strip().lower():
        case "" | "identity":
            return iter
        case "gzip" | "x-gzip":
            return lambda pieces: _gunzip(url, pieces)
    raise FetchError(
        _shown(url), f"The answer is encoded as {encoding[:40]!r}, which was not asked for. Tell the publisher."
    )


def _gunzip(url: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Inflate gzip in small steps, so that a bomb is noticed before it fills the memory (threat 7).

    Several members in a row are one body (RFC 1952 section 2.2); what follows the last is padding.
    """
    inflator = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if inflator.eof:
                    if not rest.startswith(b"\x1f"):
                        break
                    inflator = zlib.decompressobj(wbits=31)
                yield inflator.decompress(rest, _INFLATE_STEP)
                rest = inflator.unconsumed_tail or inflator.unused_data
        yield inflator.flush()
    except zlib.error as error:
        raise FetchError(
            _shown(url), "The compressed answer is damaged. Try later; if it stays so, tell the publisher."
        ) from error
    if not inflator.eof:
        raise FetchError(_shown(url), "The compressed answer broke off before its end. Try later.")


class _Transport(httpx2.HTTPTransport):
    """Plain HTTP/1.1 over our own network. HTTPTransport has no public way to name one, so its pool is replaced."""

    def __init__(self) -> None:
        context = httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=None, max_keepalive_connections=0, network_backend=_Network()
        )


class _Network(httpcore2.NetworkBackend):
    """Connections that keep to a deadline.

    Every `timeout` that arrives here is the moment on the monotonic clock at which the whole exchange must be over:
    with a number of seconds for each read, a server that sends a byte now and then would hold a thread for ever.
    """

    def __init__(self) -> None:
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            seconds = min(CONNECT_SECONDS, _seconds_left(timeout))
            try:
                stream = self._sockets.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream)
        raise failure


def _addresses(host: str, port: int) -> list[str]:
    """Return the host's numeric addresses in the order in which they should be tried."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(str(error)) from error
    return [str(entry[4][0]) for entry in found]


class _Stream(httpcore2.NetworkStream):
    """A connection whose timeouts are moments, see _Network."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _seconds_left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _seconds_left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        seconds = min(CONNECT_SECONDS, _seconds_left(timeout))
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, seconds))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _seconds_left(deadline: float | None) -> float:
    """Return the seconds until `deadline`. Raises a timeout when there are none, or when nobody set one."""
    seconds = 0.0 if deadline is None else deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore2.ReadTimeout("the time for the whole exchange is over")
    return seconds
