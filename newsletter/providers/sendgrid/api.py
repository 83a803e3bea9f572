"""Asking SendGrid's v3 API, by the `sendgrid` package's client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from newsletter.providers.sendgrid.answer import Answer
from newsletter.providers.sendgrid.transport import Body, Transport, api_client


class Api:
    """The API of one account. Threads share it."""

    def __init__(self, key: str, host: str, *, timeout: float, direct: bool) -> None:
        self.host = host
        self._key = key
        self._transport = Transport(host, timeout=timeout, direct=direct)
        self._client = api_client(key, host, self._transport)

    def ask(
        self, method: str, *path: str, content: Body | None = None, query: Mapping[str, object] | None = None
    ) -> Answer:
        """Return the answer, whatever its status.

        Raises NotConnected when surely nothing was sent; OSError or HTTPException when there is no whole answer.
        """
        client: Any = self._client
        for part in path:
            client = client._(quote(part, safe=""))
        response = getattr(client, method)(request_body=content, query_params=query)
        return Answer(response.status_code, self._without_key(response.body), response.headers)

    def close(self) -> None:
        """Close what is kept open; the next request opens it again."""
        self._transport.close()

    def _without_key(self, content: bytes) -> bytes:
        """Nobody has to send the key back to us, but what comes back is shown and stored (threat 21)."""
        return content.replace(self._key.encode(), b"[key]")
