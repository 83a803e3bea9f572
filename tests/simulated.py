"""A client of the SendGrid simulator that uses nothing of the provider: what a request says and its answer, as they are."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any, Self

from newsletter.testing.sendgrid import API_KEY


@dataclass(frozen=True)
class Got:
    """An answer. Names of headers are in lower case."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fields(self) -> list[str | None]:
        """The fields of SendGrid's `errors`."""
        return [one["field"] for one in self.json["errors"]]


class Client:
    """One kept connection to a simulator."""

    def __init__(self, url: str, *, key: str = API_KEY, timeout: float = 5.0) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, target: str, content: object = None, **headers: str) -> Got:
        """Ask for a page of the API. Raises what http.client does."""
        body = content if isinstance(content, bytes) else None if content is None else json.dumps(content).encode()
        self._connection.request(method, target, body, self._headers | headers)
        answer = self._connection.getresponse()
        return Got(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})

    def send(self, body: object, **headers: str) -> Got:
        return self.ask("POST", "/v3/mail/send", body, **headers)


def make_request(*addresses: str, **changes: Any) -> dict[str, Any]:
    """Return a valid request to send to these readers, each with a custom_arg `d` that is their address' local part."""
    return {
        "personalizations": [
            {"to": [{"email": address}], "custom_args": {"d": address.partition("@")[0]}} for address in addresses
        ],
        "from": {"email": "weekly@news.example.org"},
        "subject": "The week",
        "content": [{"type": "text/plain", "value": "Hello -name-"}, {"type": "text/html", "value": "<p>-name-"}],
        **changes,
    }


def readers(count: int, name: str = "reader") -> list[str]:
    return [f"{name}-{number}@example.org" for number in range(count)]
