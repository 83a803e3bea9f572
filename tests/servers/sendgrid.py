"""A simulator of SendGrid's v3 API that answers by SendGrid's own rules, with faults that a test can script.

It knows what the published schema says and what it leaves out: content and its order, empty and repeated addresses,
forbidden headers, sizes, rate limits, missing answers. There is no idempotency, and an answer can be lost after the
request was taken, as with the real one.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "SG.simulated-key.0123456789"
MAX_BYTES = 30_000_000
_ADDRESS = re.compile(r"[!-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_FORBIDDEN_HEADERS = {
    *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
    *("to", "from", "subject", "reply-to", "cc", "bcc"),
}


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


@dataclass(frozen=True)
class Canned:
    """An answer in place of the usual one; the request is not taken."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivered:
    """What one reader would get."""

    message_id: str
    address: str
    name: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    custom_args: Mapping[str, str]


@dataclass
class SendGridSimulator:
    """What a test sets before sending and looks at afterwards."""

    url: str = ""
    scopes: list[str] = field(default_factory=lambda: ["mail.send", "alerts.read"])
    max_bytes: int = MAX_BYTES
    #: For the next requests to send, one each; None is no fault.
    faults: list[Fault | Canned | None] = field(default_factory=list)
    #: Addresses that SendGrid finds wrong, and names in its answer.
    bad: set[str] = field(default_factory=set)
    #: It names the first of them only.
    names_one: bool = False
    #: Addresses that it finds wrong without telling which.
    bad_without_name: set[str] = field(default_factory=set)
    #: Addresses of which it takes only one in a request, and does not tell.
    not_together: set[str] = field(default_factory=set)
    #: The bodies of all requests to send, taken or not.
    requests: list[dict[str, Any]] = field(default_factory=list)
    #: Their sizes in bytes, and how many connections there were.
    sizes: list[int] = field(default_factory=list)
    connections: int = 0
    delivered: list[Delivered] = field(default_factory=list)
    #: Set when the simulator closes; ends silent answers.
    closing: threading.Event = field(default_factory=threading.Event)

    def arrived(self) -> list[str]:
        """Return who would get a message, in order."""
        return [one.address for one in self.delivered]

    def take(self, body: dict[str, Any]) -> str:
        """Take a valid request and return its X-Message-Id."""
        message_id = f"sim{len(self.requests):04}"
        if not body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            self.delivered += (one for one in deliveries(body, message_id) if not _is_dropped(one))
        return message_id

    def errors(self, body: Any) -> list[dict[str, Any]]:
        """Return what is wrong with a request, as SendGrid's `errors`."""
        found = [_error(message, where) for where, message in violations(body)]
        for number, one in enumerate(body.get("personalizations", [])):
            address = (one.get("to") or [{}])[0].get("email")
            if address in self.bad:
                found.append(_error("Does not contain a valid address.", f"personalizations.{number}.to.0.email"))
            if address in self.bad_without_name:
                found.append(_error("Bad Request", None))
        addresses = {one["to"][0]["email"] for one in body["personalizations"] if one.get("to")}
        if len(addresses & self.not_together) > 1:
            found.append(_error("Bad Request", None))
        return found[:1] if self.names_one else found


def violations(body: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Yield (field, message) for each rule that the request breaks."""
    people = body.get("personalizations") or []
    if not 1 <= len(people) <= 1000:
        yield "personalizations", f"There must be 1 to 1000 personalizations, not {len(people)}."
    if not _is_mailbox(body.get("from")):
        yield "from.email", "The from address is required and must be valid."
    if not body.get("subject"):
        yield "subject", "The subject is required."
    if "reply_to" in body and not _is_mailbox(body["reply_to"]):
        yield "reply_to.email", "Does not contain a valid address."
    if not isinstance(body.get("custom_args", ""), str):
        yield "custom_args", "Invalid type. Expected: string, given: object."  # the published schema's own slip
    yield from _content_violations(body.get("content") or [])
    yield from _category_violations(body.get("categories", []))
    yield from _header_violations("headers", body.get("headers", {}))
    seen: set[str] = set()
    for number, one in enumerate(people):
        yield from _personalization_violations(f"personalizations.{number}", one)
        for mailbox in [*one.get("to", []), *one.get("cc", []), *one.get("bcc", [])]:
            key = str(mailbox.get("email")).lower()
            if key in seen:
                yield "personalizations", f"Each address may appear once in a request; {key} appears again."
            seen.add(key)


def _content_violations(content: list[dict[str, Any]]) -> Iterator[tuple[str | None, str]]:
    if not content:
        yield "content", "Content or a template is required."
    if any(not part.get("value") for part in content):
        yield "content.0.value", "The content value must have at least one character."
    types = [str(part.get("type")) for part in content]
    if types not in (["text/plain"], ["text/html"], ["text/plain", "text/html"]):
        yield "content", "text/plain has to come first, then text/html."


def _category_violations(categories: list[str]) -> Iterator[tuple[str | None, str]]:
    if len(categories) > 10 or len(set(categories)) < len(categories) or any(len(one) > 255 for one in categories):
        yield "categories", "There may be 10 different categories of 255 characters."


def _header_violations(where: str, headers: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    for name, value in headers.items():
        if name.lower() in _FORBIDDEN_HEADERS:
            yield f"{where}.{name}", f"The header {name} may not be set."
        if not isinstance(value, str) or not value.isascii() or re.search("[\r\n]", value):
            yield f"{where}.{name}", "A header's value must be one line of ASCII."


def _personalization_violations(where: str, one: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    if not one.get("to"):
        yield f"{where}.to", "The to array is required and must have an address."
    for number, mailbox in enumerate(one.get("to", [])):
        if not _is_mailbox(mailbox):
            yield f"{where}.to.{number}.email", "Does not contain a valid address."
    for name in ("substitutions", "custom_args"):
        values = one.get(name, {})
        if any(not isinstance(value, str) for value in values.values()):
            yield f"{where}.{name}", "Invalid type. Expected: string."
        elif sum(len(key.encode()) + len(value.encode()) for key, value in values.items()) > 10_000:
            yield f"{where}.{name}", f"The {name} may not exceed 10,000 bytes."
    yield from _header_violations(f"{where}.headers", one.get("headers", {}))


def deliveries(body: dict[str, Any], message_id: str) -> Iterator[Delivered]:
    """Yield what each reader of a request gets: substitutions made in subject and parts, headers put together."""
    content = {part["type"]: part["value"] for part in body["content"]}
    for one in body["personalizations"]:
        tags = one.get("substitutions", {})
        yield Delivered(
            message_id=message_id,
            address=one["to"][0]["email"],
            name=one["to"][0].get("name", ""),
            subject=_filled(one.get("subject", body["subject"]), tags),
            text=_filled(content.get("text/plain", ""), tags),
            html=_filled(content.get("text/html", ""), tags),
            headers={**body.get("headers", {}), **one.get("headers", {})},
            custom_args=one.get("custom_args", {}),
        )


def _filled(text: str, tags: Mapping[str, str]) -> str:
    for tag, value in tags.items():
        text = text.replace(tag, value)
    return text


def _is_mailbox(mailbox: Any) -> bool:
    return isinstance(mailbox, dict) and _ADDRESS.fullmatch(str(mailbox.get("email"))) is not None


def _is_dropped(one: Delivered) -> bool:
    """A bare comma in a reader's name splits it; the message is taken, and then dropped for its invalid address."""
    return "," in one.name and not (one.name.startswith('"') and one.name.endswith('"'))


def _error(message: str, where: str | None) -> dict[str, Any]:
    return {"message": message, "field": where, "help": None}


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.simulator.connections += 1
        self.server.open.append(self.connection)

    def do_GET(self) -> None:
        if self.path != "/v3/scopes":
            self._answer(404, {"errors": [_error("not found", None)]})
        elif self._has_key():
            self._answer(200, {"scopes": self.server.simulator.scopes})

    def do_POST(self) -> None:
        simulator = self.server.simulator
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v3/mail/send":
            self._answer(404, {"errors": [_error("not found", None)]})
        elif not self._has_key():
            return
        elif "mail.send" not in simulator.scopes:
            self._answer(403, {"errors": [_error("access forbidden", None)]})
        elif len(content) > simulator.max_bytes:
            self._answer(413, {"errors": [_error("content too large", None)]})
        else:
            self._send(simulator, json.loads(content))

    def _send(self, simulator: SendGridSimulator, body: dict[str, Any]) -> None:
        simulator.requests.append(body)
        simulator.sizes.append(int(self.headers["Content-Length"]))
        fault = simulator.faults.pop(0) if simulator.faults else None
        if isinstance(fault, Canned):
            self._raw(fault.status, fault.body, fault.headers)
        elif fault is Fault.ERROR_BEFORE:
            self._answer(500, {"errors": [_error("internal server error", None)]})
        elif fault is Fault.RESET_BEFORE:
            self._reset()
        elif errors := simulator.errors(body):
            self._answer(400, {"errors": errors})
        else:
            self._taken(simulator, simulator.take(body), body, fault)

    def _taken(self, simulator: SendGridSimulator, message_id: str, body: dict[str, Any], fault: Fault | None) -> None:
        if fault is Fault.ERROR_AFTER:
            self._answer(503, {"errors": [_error("service unavailable", None)]})
        elif fault is Fault.RESET_AFTER:
            self._reset()
        elif fault is Fault.SILENT_AFTER:
            simulator.closing.wait(60)
            self.close_connection = True
        elif fault is Fault.GARBAGE_AFTER:
            self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")
            self.close_connection = True
        elif body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            self._raw(200, b"", {})
        else:
            self._raw(202, b"", {"X-Message-Id": message_id})

    def _has_key(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {KEY}":
            return True
        self._answer(401, {"errors": [_error("authorization required", None)]})
        return False

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._raw(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _raw(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
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
    daemon_threads = False
    simulator: SendGridSimulator

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        #: Connections, which clients may keep for long.
        self.open: list[socket.socket] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


@contextmanager
def sendgrid_simulator() -> Iterator[SendGridSimulator]:
    """Run a simulator on loopback; KEY is its key."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.simulator = SendGridSimulator(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.simulator
    finally:
        server.simulator.closing.set()
        server.shutdown()
        for connection in server.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        thread.join()
