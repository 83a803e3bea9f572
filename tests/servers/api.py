"""A real HTTP server on loopback for the doubles of mail APIs, with faults that a test can script.

A double says in `reply` what its provider answers to a request, and keeps what its readers would get. What is the same
for all of them is here: connections that are kept, lost answers, garbage, and answers in place of the usual one.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.headerregistry import Address, HeaderRegistry
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Fault(Enum):
    """What goes wrong with a request."""

    #: 500 without taking it.
    ERROR_BEFORE = "500, not taken"
    #: It is taken, and answered with 503.
    ERROR_AFTER = "taken, then 503"
    #: The connection is reset without taking it.
    RESET_BEFORE = "reset, not taken"
    #: It is taken, then the connection is reset.
    RESET_AFTER = "taken, then reset"
    #: It is taken, and no answer comes.
    SILENT_AFTER = "taken, then silence"
    #: It is taken, and the answer is not HTTP.
    GARBAGE_AFTER = "taken, then garbage"
    #: It is taken, and the answer breaks off in the middle.
    TRUNCATED_AFTER = "taken, then half an answer"
    #: It is taken, and the answer is a success in other words.
    NONSENSE_AFTER = "taken, then nonsense"


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Received:
    """One request; the names of `headers` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Delivered:
    """What one reader would get, and the ids that would come back with its reports."""

    address: str
    name: str
    subject: str
    html: str
    text: str
    headers: Mapping[str, str]
    ids: Mapping[str, str]


def as_json(content: object, status: int = 200, **headers: str) -> Reply:
    """Return an answer of JSON."""
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


def is_address(text: str) -> bool:
    """Tell whether an API takes this as an address: ASCII, with a domain of several labels."""
    return re.fullmatch(r"[!-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", text) is not None


def mailbox_in(text: str) -> Address | None:
    """Return one mailbox; None when it is none, or several: punctuation in a name has to be quoted."""
    header: Any = HeaderRegistry()("to", text)
    if len(header.addresses) != 1 or header.defects:
        return None
    found: Address = header.addresses[0]
    return found if is_address(found.addr_spec) else None


class ApiServer:
    """Serves while used as a context manager. `requests` has everything that was asked, taken or not."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.delivered: list[Delivered] = []
        #: The addresses for which it never takes mail.
        self.bad: set[str] = set()
        #: It takes nothing now, and says that later will do; or nothing until somebody changes something.
        self.busy = False
        self.refuses = False
        #: For the next requests to send, one each; None is no fault.
        self.faults: list[Fault | Reply | None] = []
        #: How many connections were opened.
        self.connections = 0
        self.closing = threading.Event()
        #: What is called before it ends, such as a provider's `close`.
        self.cleanup = ExitStack()
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def reply(self, request: Received) -> Reply:
        """Return the provider's answer, and take what the request sends."""
        raise NotImplementedError

    def is_send(self, request: Received) -> bool:
        """Tell whether the request sends mails; faults are for those."""
        return request.method == "POST"

    def arrived(self) -> list[str]:
        """Return who would get a message, in order."""
        return [one.address for one in self.delivered]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.closing.set()
        self.cleanup.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # An answer is written in two pieces, and the second would wait for the first to be acknowledged.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(5)
        with self.server.api.lock:
            self.server.api.connections += 1

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        api = self.server.api
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.command, self.path, headers, body)
        with api.lock:
            api.requests.append(request)
            fault = api.faults.pop(0) if api.faults and api.is_send(request) else None
            before = fault is Fault.ERROR_BEFORE or fault is Fault.RESET_BEFORE
            reply = Reply(500, b"{}") if before else fault if isinstance(fault, Reply) else api.reply(request)
        self._end(None if isinstance(fault, Reply) else fault, reply)

    def _end(self, fault: Fault | None, reply: Reply) -> None:
        if fault in {Fault.RESET_BEFORE, Fault.RESET_AFTER}:
            self._reset()
        elif fault is Fault.SILENT_AFTER:
            self.server.api.closing.wait(30)
            self.close_connection = True
        elif fault is Fault.GARBAGE_AFTER:
            self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")
            self.close_connection = True
        elif fault is Fault.TRUNCATED_AFTER:
            self._write(reply.status, reply.body[: len(reply.body) // 2], reply.headers, len(reply.body))
            self.close_connection = True
        elif fault is Fault.ERROR_AFTER:
            self._write(503, b"{}", {}, 2)
        elif fault is Fault.NONSENSE_AFTER:
            self._write(200, b"<html>Welcome to the proxy</html>", {}, 33)
        else:
            self._write(reply.status, reply.body, reply.headers, len(reply.body))

    def _write(self, status: int, content: bytes, headers: Mapping[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        """Close with RST instead of an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Stay silent: the tests look at the requests themselves."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: ApiServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""
