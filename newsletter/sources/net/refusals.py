"""The sentences for what can go wrong in an exchange: what happened and what to do."""

from __future__ import annotations

import socket
import ssl
import time

import httpx2

from newsletter.errors import FetchError
from newsletter.sources.net.hosts import retry_after

_REFUSALS = {
    304: "The server says that nothing has changed, but nothing was fetched before. Try later.",
    401: "The server asks for a password. Ask the publisher for a public feed address.",
    403: "The server does not let us read this. Ask the publisher to allow feed readers, or use another address.",
    404: "There is nothing at this address. Look on the site for the feed's new address.",
    410: "The publisher has removed this feed for good. Look for another one on the site, or remove the source.",
    429: "The server was asked too often. Gather less often.",
}


def refused(url: str, response: httpx2.Response) -> FetchError:
    """Return the error for an answer that is no success, with the rest that the server asked for (429 and 503)."""
    status = response.status_code
    wait = response.headers.get("retry-after", "")[:40]
    rest = retry_after(wait, response.headers.get("date", ""), time.time()) if status in {429, 503} else None
    return FetchError(url, _sentence(status, wait), status=status, retry_after=rest)


def _sentence(status: int, wait: str) -> str:
    sentence = _REFUSALS.get(status)
    if sentence is None and status >= 500:
        sentence = "The server has trouble of its own, which mostly passes. If it stays so, tell the publisher."
    if sentence is None and status < 400:
        sentence = "The server redirects without saying where to. Look on the site for the feed's new address."
    if sentence is None:
        sentence = "The server's answer is not a page. Open the address in a browser and check it."
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


def broken(url: str, error: Exception, timeout: float) -> FetchError:
    """Return the error for an exchange that did not come to an answer."""
    cause = _first_cause(error)
    sentence = next(text for kind, text in _BREAKS if isinstance(error, kind) or isinstance(cause, kind))
    return FetchError(url, sentence.format(error=str(error).rstrip("."), cause=cause, timeout=timeout))


def _first_cause(error: BaseException) -> BaseException:
    """Return what started it; the connection pool keeps that as context only."""
    while earlier := error.__cause__ or error.__context__:
        error = earlier
    return error
