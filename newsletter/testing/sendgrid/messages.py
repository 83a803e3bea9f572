"""HTTP messages as values: what was asked and what is answered. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from newsletter.testing.sendgrid.rules import Violation

REASONS = {
    100: "Continue",
    102: "Processing",
    103: "Early Hints",
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass(frozen=True)
class Request:
    """What was asked. The names of `headers` are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> tuple[str, ...]:
        """The parts of the path, decoded."""
        return tuple(unquote(part) for part in urlsplit(self.target).path.split("/")[1:])

    @property
    def query(self) -> dict[str, str]:
        """The query's values; the last of each name."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def json(self) -> Any:
        """Return the body as JSON. Raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is answered. Headers keep their order and spelling."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        """Return the answer with these headers, too."""
        return Answer(self.status, self.body, {**self.headers, **headers})


def json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with JSON in it."""
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})


def errors(status: int, *violations: Violation | str) -> Answer:
    """Return SendGrid's form of an error: `errors`, a list of message, field and help."""
    found: Sequence[Violation] = [Violation(None, one) if isinstance(one, str) else one for one in violations]
    content = [{"message": one.message, "field": one.field, "help": None} for one in found]
    return json_answer(status, {"errors": content})


def written(answer: Answer) -> bytes:
    """Return the answer's bytes on the wire (RFC 9112)."""
    headers = {name: value for name, value in answer.headers.items() if value}
    if answer.status >= 200 and answer.status != 204:
        headers["Content-Length"] = str(len(answer.body))
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("latin-1") + (answer.body if answer.status not in {204, 304} else b"")
