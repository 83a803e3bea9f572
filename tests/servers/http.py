"""A real web server on loopback whose answers a test decides, with named misbehaviours.

with FeedServer() as server:
    server.serve("/feed", RSS, "application/rss+xml", etag='"1"')
    server.misbehave("/slow", "slow_drip")
    client.get(server.url("/feed"))
    server.requests[-1].headers["User-Agent"]
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self

#: What a client has to be allowed so that it reads from these servers.
LOOPBACK = ("127.0.0.0/8",)

#: How long a misbehaviour that waits would wait; leaving the server ends it at once.
_LONG_SECONDS = 60.0
_MEGABYTE = bytes(1_000_000)


@dataclass(frozen=True)
class Request:
    """One request that came in."""

    path: str
    headers: Message


class FeedServer:
    """Serves on an address of loopback at a free port while used as a context manager; over TLS when given a context.

    A route answers 304 by itself when it has an ETag or Last-Modified and the request names the same one.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, address: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self._routes: dict[str, Route] = {}
        self._leaving = threading.Event()
        self._server = _Server((address, 0), _handler_class(self._routes, self.requests, self._leaving))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._origin = f"{'http' if tls is None else 'https'}://{address}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def url(self, path: str) -> str:
        """Return the address of `path`."""
        return self._origin + path

    def serve(
        self,
        path: str,
        body: bytes | str,
        content_type: str = "application/rss+xml",
        *,
        status: int = 200,
        **headers: str,
    ) -> None:
        """Answer requests for `path` with `body`. Further headers are keywords: last_modified="..."."""
        content = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}

        def answer(handler: Handler) -> None:
            if _is_unchanged(named, handler.headers):
                handler.answer(304, b"", named)
            else:
                handler.answer(status, content, {"Content-Type": content_type, **named})

        self._routes[path] = answer

    def redirect(self, path: str, target: str, *, status: int = 302) -> None:
        """Send requests for `path` on to `target`, which may be relative; it goes out as UTF-8."""
        location = target.encode().decode("latin-1")
        self._routes[path] = lambda handler: handler.answer(status, b"", {"Location": location})

    def misbehave(self, path: str, name: str) -> None:
        """Answer requests for `path` with the misbehaviour of that name, see MISBEHAVIOURS."""
        self._routes[path] = MISBEHAVIOURS[name]

    def remove(self, path: str) -> None:
        """Answer requests for `path` with 404 from now on."""
        del self._routes[path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients that hang up on a misbehaviour are what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    """Answers by the routes of its server."""

    protocol_version = "HTTP/1.1"
    routes: ClassVar[dict[str, Route]]
    requests: ClassVar[list[Request]]
    leaving: ClassVar[threading.Event]

    def do_GET(self) -> None:
        self.requests.append(Request(self.path, self.headers))
        self.routes.get(self.path, _missing)(self)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, pieces: Iterator[bytes], headers: dict[str, str], *, every: float = 0.0) -> None:
        """Send pieces without saying how many, with a pause of `every` seconds after each."""
        self.close_connection = True
        self.send_response(200)
        for name, value in {"Content-Type": "application/rss+xml", "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
            if every and self.leaving.wait(every):
                return

    def raw(self, *pieces: bytes, every: float = 0.0) -> None:
        """Send bytes as they are and hang up."""
        self.close_connection = True
        for piece in pieces:
            self.wfile.write(piece)
            if every and self.leaving.wait(every):
                return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the tests' output clean."""


Route = Callable[[Handler], None]


def _handler_class(routes: dict[str, Route], requests: list[Request], leaving: threading.Event) -> type[Handler]:
    return type("BoundHandler", (Handler,), {"routes": routes, "requests": requests, "leaving": leaving})


def _is_unchanged(named: dict[str, str], asked: Message) -> bool:
    etag, modified = named.get("Etag"), named.get("Last-Modified")
    if etag and asked["If-None-Match"]:
        return bool(asked["If-None-Match"] == etag)
    return bool(modified and asked["If-Modified-Since"] == modified)


def _missing(handler: Handler) -> None:
    handler.answer(404, b"<h1>Not Found</h1>", {"Content-Type": "text/html"})


def _not_xml(handler: Handler) -> None:
    page = b"<!doctype html><html><head><title>The Harbour Post</title></head><body><p>Welcome.</p></body></html>"
    handler.answer(200, page, {"Content-Type": "text/html; charset=utf-8"})


def _plain_text(handler: Handler) -> None:
    handler.answer(200, b"Down for maintenance until noon.", {"Content-Type": "text/plain"})


def _status(status: int, **headers: str) -> Route:
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda handler: handler.answer(status, b"no", {"Content-Type": "text/plain", **named})


def _redirect_loop(handler: Handler) -> None:
    there = handler.path.removesuffix("-again")
    handler.routes.setdefault(f"{there}-again", _redirect_loop)
    target = there if handler.path != there else f"{there}-again"
    handler.answer(302, b"", {"Location": target})


def _redirect_chain(handler: Handler) -> None:
    handler.routes.setdefault(f"{handler.path}x", _redirect_chain)
    handler.answer(301, b"", {"Location": f"{handler.path}x"})


def _redirect_to(target: str) -> Route:
    return lambda handler: handler.answer(302, b"", {"Location": target})


def _fifty_megabytes(handler: Handler) -> None:
    handler.stream((_MEGABYTE for _ in range(50)), {})


def _announced_fifty_megabytes(handler: Handler) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Length", "50000000")
    handler.end_headers()


def _gzip_bomb(handler: Handler) -> None:
    handler.answer(200, gzip_bomb(100), {"Content-Encoding": "gzip"})


def _gzip_bomb_in_gzip(handler: Handler) -> None:
    handler.answer(200, gzip.compress(gzip_bomb(100)), {"Content-Encoding": "gzip, gzip"})


@cache
def gzip_bomb(megabytes: int) -> bytes:
    """Return gzip that inflates to so many megabytes of zeros, about a thousandth of it in size."""
    deflator = zlib.compressobj(9, wbits=31)
    return b"".join(deflator.compress(_MEGABYTE) for _ in range(megabytes)) + deflator.flush()


def _gibibyte(handler: Handler) -> None:
    """Send eleven bombs of 100 MB as the members of one gzip file: more than a gibibyte in about a megabyte."""
    handler.answer(200, gzip_bomb(100) * 11, {"Content-Encoding": "gzip"})


def _gibibyte_twice(handler: Handler) -> None:
    handler.answer(200, gzip.compress(gzip_bomb(100) * 11), {"Content-Encoding": "gzip, gzip"})


def _encoded(name: str, body: bytes) -> Route:
    return lambda handler: handler.answer(200, body, {"Content-Encoding": name})


def _damaged_gzip(handler: Handler) -> None:
    handler.answer(200, b"\x1f\x8b\x08\x00" + b"not deflated at all", {"Content-Encoding": "gzip"})


def _cut_gzip(handler: Handler) -> None:
    handler.answer(200, gzip.compress(b"<rss version='2.0'>" * 99)[:-9], {"Content-Encoding": "gzip"})


def _slow_drip(handler: Handler) -> None:
    handler.stream((b"<" for _ in range(10_000)), {}, every=0.05)


def _slow_headers(handler: Handler) -> None:
    start = b"HTTP/1.1 200 OK\r\nX-Slow: "
    handler.raw(*(start[n : n + 1] for n in range(len(start))), *(b"x" for _ in range(10_000)), every=0.05)


def _never_answers(handler: Handler) -> None:
    handler.close_connection = True
    handler.leaving.wait(_LONG_SECONDS)


def _reset(handler: Handler) -> None:
    """Break the connection with a TCP reset in the middle of the body."""
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<rss>")
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _hangs_up(handler: Handler) -> None:
    handler.close_connection = True


def _cut_off(handler: Handler) -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<rss version='2.0'>")


def _not_http(handler: Handler) -> None:
    handler.raw(b"220 mail.example.org ESMTP ready\r\n")


def _endless_header(handler: Handler) -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nX-Long: ", *(b"x" * 10_000 for _ in range(1_000)))


def _endless_headers(handler: Handler) -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\n", *(b"X-Many: x\r\n" * 1_000 for _ in range(1_000)))


def _endless_chunks(handler: Handler) -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    handler.raw(start, *(b"1\r\n<\r\n" * 10_000 for _ in range(2_000)))


def _empty(handler: Handler) -> None:
    handler.answer(200, b" \n", {"Content-Type": "application/rss+xml"})


def _wrong_charset(handler: Handler) -> None:
    """Send UTF-8 under a header that says ISO-8859-1."""
    feed = (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Põhjala Post</title>'
        "<item><title>Jõgi tõusis üle kallaste</title><link>https://example.org/jogi</link></item></channel></rss>"
    )
    handler.answer(200, feed.encode(), {"Content-Type": "application/rss+xml; charset=ISO-8859-1"})


MISBEHAVIOURS: dict[str, Route] = {
    "missing": _missing,
    "gone": _status(410),
    "forbidden": _status(403),
    "password": _status(401, www_authenticate="Basic"),
    "teapot": _status(418),
    "too_many_requests": _status(429, retry_after="120"),
    "broken": _status(500),
    "overloaded": _status(503, retry_after="Fri, 20 Nov 2026 12:00:00 GMT"),
    "unasked_304": _status(304),
    "not_xml": _not_xml,
    "plain_text": _plain_text,
    "empty": _empty,
    "wrong_charset": _wrong_charset,
    "redirect_loop": _redirect_loop,
    "redirect_chain": _redirect_chain,
    "redirect_to_ftp": _redirect_to("ftp://files.example.org/feed"),
    "redirect_to_credentials": _redirect_to("http://editor:secret@example.org/feed"),
    "redirect_to_nonsense": _redirect_to("http://[::1/feed"),
    "fifty_megabytes": _fifty_megabytes,
    "announced_fifty_megabytes": _announced_fifty_megabytes,
    "gzip_bomb": _gzip_bomb,
    "gzip_bomb_in_gzip": _gzip_bomb_in_gzip,
    "damaged_gzip": _damaged_gzip,
    "cut_gzip": _cut_gzip,
    "gibibyte": _gibibyte,
    "gibibyte_twice": _gibibyte_twice,
    "deflated": _encoded("deflate", zlib.compress(b"<rss version='2.0'/>")),
    "brotli": _encoded("br", b"\x0b\x02\x80rss\x03"),
    "zstandard": _encoded("zstd", b"\x28\xb5\x2f\xfd\x04\x00rss"),
    "endless_chunks": _endless_chunks,
    "slow_drip": _slow_drip,
    "slow_headers": _slow_headers,
    "never_answers": _never_answers,
    "reset": _reset,
    "hangs_up": _hangs_up,
    "cut_off": _cut_off,
    "not_http": _not_http,
    "endless_header": _endless_header,
    "endless_headers": _endless_headers,
}
