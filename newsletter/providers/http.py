"""Requests to the HTTP API of a provider, whose ends can be told apart: answered, surely not sent, or nobody knows.

httpx2 sends a request once and repeats it never; it follows no redirect, whose GET would read as "accepted". A
connection that was kept is dropped after a few idle seconds, since a server that closes it at the moment of a request
leaves nobody able to tell whether it was read.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from newsletter.errors import ConfigurationError
from newsletter.providers import is_this_machine

#: No answer of an API is longer; 1,000 readers with an id each are about 100 KB.
_MAX_BYTES = 4_000_000
_IDLE_SECONDS = 5.0
#: Nothing waits longer at a time (F4).
LONGEST_WAIT = 15 * 60.0
#: What is longer is no time.
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
#: A number above is a time (seconds since 1970) and no wait, and above the second one in milliseconds.
_EPOCH, _EPOCH_MILLISECONDS = 1e9, 1e12

#: What surely sent no byte of a request: DNS, connecting, TLS, or waiting for a place among the connections.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


class NotConnected(OSError):
    """No connection was made, so no byte of the request was sent."""


class NoAnswer(OSError):
    """The request was begun, and no whole answer came: it may have been taken."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; the names of `headers` are in lower case. No secret of the request is in it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """A file of a form."""

    name: str
    content: bytes
    content_type: str


class Api:
    """One host's API. Threads may share it; its connections are kept for the next request."""

    def __init__(
        self, host: str, *, headers: Mapping[str, str], secrets: Sequence[str], timeout: float, connections: int = 10
    ) -> None:
        """Raise ConfigurationError when `host`, a URL without a path, is none or would show the secrets to others.

        `timeout` (seconds) is for connecting, for each wait, and twice it for a whole answer. `secrets` are blotted
        out of the answers.
        """
        name = checked_host(host)
        self.host = host.rstrip("/")
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        self._secrets = [secret.encode() for secret in secrets if secret]
        self._timeout = timeout
        self._connections = connections
        self._use_proxies = not is_this_machine(name)
        self._uses_tls = self.host.startswith("https:")
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None

    def get(self, path: str) -> Answer:
        """Ask for `path`. Raises NotConnected or NoAnswer."""
        return self._answer("GET", path, {})

    def post_json(self, path: str, content: bytes, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send `content`, which is JSON. Raises NotConnected or NoAnswer."""
        return self._answer("POST", path, {"Content-Type": "application/json", **(headers or {})}, content=content)

    def post_form(self, path: str, fields: Mapping[str, str], files: Mapping[str, File] | None = None) -> Answer:
        """Send a form. Raises NotConnected or NoAnswer."""
        parts = {name: (one.name, one.content, one.content_type) for name, one in (files or {}).items()}
        return self._answer("POST", path, {}, data=fields, files=parts or None)

    def close(self) -> None:
        """Close the connections; the next request opens one again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _answer(self, method: str, path: str, headers: Mapping[str, str], **sent: Any) -> Answer:
        deadline = time.monotonic() + 2 * self._timeout
        try:
            with self._opened().stream(method, f"{self.host}{path}", headers=headers, **sent) as response:
                body = _read(response, deadline)
        except _NOT_SENT as error:
            raise NotConnected(self._without_secrets_in(str(error))) from error
        except httpx2.HTTPError as error:
            raise NoAnswer(f"{type(error).__name__}: {self._without_secrets_in(str(error))}") from error
        found = {name.lower(): self._without_secrets_in(value) for name, value in response.headers.items()}
        return Answer(response.status_code, self._without_secrets(body), found)

    def _opened(self) -> httpx2.Client:
        with self._lock:
            if self._client is None:
                self._client = httpx2.Client(
                    headers=self._headers,
                    verify=ssl.create_default_context() if self._uses_tls else _no_tls(),
                    timeout=self._timeout,
                    trust_env=self._use_proxies,
                    follow_redirects=False,
                    limits=httpx2.Limits(
                        max_connections=self._connections,
                        max_keepalive_connections=self._connections,
                        keepalive_expiry=_IDLE_SECONDS,
                    ),
                )
            return self._client

    def _without_secrets(self, content: bytes) -> bytes:
        """Nobody has to send a key back to us, but what comes back is shown and stored (threat 21)."""
        for secret in self._secrets:
            content = content.replace(secret, b"[key]")
        return content

    def _without_secrets_in(self, text: str) -> str:
        return self._without_secrets(text.encode(errors="replace")).decode(errors="replace")


def _no_tls() -> ssl.SSLContext:
    """Return a context that trusts nobody, for a host without TLS: reading all authorities takes a while."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def wait_of(headers: Mapping[str, str], names: Sequence[str], now: datetime) -> float | None:
    """Return the seconds to wait by the first of the headers `names` that tells them, 1 s to 15 min; None if none does.

    A value is a number of seconds, a time in seconds or milliseconds since 1970, or a date (RFC 9110 section 10.2.3).
    """
    waits = (until(headers.get(name, ""), now) for name in names)
    return next((wait for wait in waits if wait is not None), None)


def until(text: str, now: datetime) -> float | None:
    """Return the seconds to wait by a text as `wait_of` reads it, 1 s to 15 min; None when it tells none."""
    seconds = _seconds(text.strip(), now)
    return min(max(seconds, 1.0), LONGEST_WAIT) if seconds is not None and seconds > 0 else None


def checked_key(option: str, key: str) -> str:
    """Return `key` as a header takes it. Raises ConfigurationError, without the key, when none can be meant."""
    plain = key.strip()
    if not re.fullmatch(r"[!-~]+", plain):
        raise ConfigurationError(f"provider.{option} is wrong: it holds a character that no key has.")
    return plain


def _seconds(value: str, now: datetime) -> float | None:
    if _NUMBER.fullmatch(value):
        number = float(value)
        if number >= _EPOCH_MILLISECONDS:
            return number / 1000 - now.timestamp()
        return number - now.timestamp() if number >= _EPOCH else number
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()


def _read(response: httpx2.Response, deadline: float) -> bytes:
    """Return the whole body. Raises HTTPError when it is too long or takes too long."""
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _MAX_BYTES:
            raise httpx2.ReadError(f"the answer has more than {_MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise httpx2.ReadTimeout("the answer did not end in time")
    return body


def checked_host(host: str) -> str:
    """Return the name in the URL `host`. Raises ConfigurationError when a key should not be sent there."""
    try:
        parts = urlsplit(host)
        name = parts.hostname or ""
        usable = bool(name) and parts.port != 0
    except ValueError:
        usable, name = False, ""
    if not usable or parts.path.strip("/") or parts.query or parts.username or parts.scheme not in {"https", "http"}:
        raise ConfigurationError(f"provider.host is wrong: {host!r}. Give an address such as https://api.example.com.")
    if parts.scheme == "http" and not is_this_machine(name):
        raise ConfigurationError(
            f"provider.host is wrong: the key would cross the network readable to {host}. Use https."
        )
    return name
