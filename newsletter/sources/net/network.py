"""Connections: to checked addresses only (threat 5), and never beyond a deadline (threat 7).

The host is looked up once; every address that comes back is checked, and the connection goes to one of those numbers,
while the Host header and the certificate keep the name. So a name cannot resolve to something else in between.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import httpcore2
import httpx2

from newsletter.sources.net.addresses import Reach

CONNECT_SECONDS = 5.0

#: Host and port -> numeric addresses in the order in which they should be tried. Raises OSError or UnicodeError.
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]


class NotAllowed(Exception):
    """An address that sources are not read from. The text says why and what to do."""


def system_addresses(host: str, port: int) -> Sequence[str]:
    """Return what the system's resolver knows."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Transport(httpx2.HTTPTransport):
    """Plain HTTP/1.1 over our own network. HTTPTransport has no public way to name one, so its pool is replaced."""

    def __init__(self, reach: Reach, resolve: Resolve) -> None:
        context = httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=_Network(reach, resolve),
        )


class _Network(httpcore2.NetworkBackend):
    """Connections that keep to a deadline.

    Every `timeout` that arrives here is the moment on the monotonic clock at which the whole exchange must be over:
    with a number of seconds for each read, a server that sends a byte now and then would hold a thread for ever.
    """

    def __init__(self, reach: Reach, resolve: Resolve) -> None:
        self._reach = reach
        self._resolve = resolve
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
        for address in self._checked_addresses(host, port):
            seconds = min(CONNECT_SECONDS, _seconds_left(timeout))
            try:
                stream = self._sockets.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream)
        raise failure

    def _checked_addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the host's addresses. Raises NotAllowed when a single one of them is refused."""
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(str(error)) from error
        for address in addresses:
            reason = self._reach.refusal(host, port, address)
            if reason:
                raise NotAllowed(reason)
        return addresses


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
