"""A double of Resend's API for batches, with its idempotency keys."""

from __future__ import annotations

import re
from typing import Any

from tests.servers.api import ApiServer, Delivered, Received, Reply, as_json, mailbox_in

KEY = "re_simulated_0123456789"
_FIELDS = {"from", "to", "subject", "bcc", "cc", "reply_to", "html", "text", "headers", "tags", "scheduled_at"}


class Resend(ApiServer):
    """Answers a key that it knows with its first answer; a request with the same key and other content, with 409."""

    def __init__(self) -> None:
        super().__init__()
        #: The answer to GET /domains.
        self.domains: Reply = as_json({"data": [{"name": "news.example.org", "status": "verified"}]})
        self._answers: dict[str, tuple[bytes, Reply]] = {}

    def reply(self, request: Received) -> Reply:
        """Answer as Resend does."""
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(403, "invalid_api_key", "API key is invalid")
        if self.refuses:
            return _error(403, "validation_error", "The news.example.org domain is not verified.")
        if request.method == "GET":
            return self.domains
        if self.busy:
            return as_json(
                {"name": "rate_limit_exceeded", "message": "Too many requests."}, 429, **{"retry-after": "1"}
            )
        return self._once(request, request.headers.get("idempotency-key", ""))

    def _once(self, request: Received, key: str) -> Reply:
        """Answer a known key as it was answered before."""
        if not 1 <= len(key) <= 256:
            return _error(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        body, answer = self._answers.setdefault(key, (request.body, Reply(0)))
        if body != request.body:
            return _error(409, "invalid_idempotent_request", "Same idempotency key used with a different payload.")
        if not answer.status:
            answer = self._batch(request)
            self._answers[key] = (body, answer)
        return answer

    def _batch(self, request: Received) -> Reply:
        messages = request.json()
        if request.path != "/emails/batch" or not 1 <= len(messages) <= 100:
            return _error(422, "validation_error", "The batch must have 1 to 100 emails.")
        bad = {at: words for at, one in enumerate(messages) if (words := self._wrong(one))}
        if bad and request.headers.get("x-batch-validation") != "permissive":
            return _error(422, "validation_error", next(iter(bad.values())))
        errors = [{"index": at, "message": words} for at, words in bad.items()]
        taken = [self._take(one) for at, one in enumerate(messages) if at not in bad]
        return as_json({"data": taken, **({"errors": errors} if errors else {})})

    def _take(self, one: dict[str, Any]) -> dict[str, str]:
        (to,) = one["to"]
        found = mailbox_in(to)
        assert found is not None
        ids = {tag["name"]: tag["value"] for tag in one["tags"]}
        headers = dict(one["headers"])
        self.delivered.append(
            Delivered(
                found.addr_spec, found.display_name, one["subject"], one.get("html", ""), one["text"], headers, ids
            )
        )
        return {"id": f"email-{len(self.delivered) - 1:04}"}

    def _wrong(self, one: dict[str, Any]) -> str:
        """Return what is wrong with a message, or nothing."""
        to = mailbox_in(one["to"][0])
        if unknown := sorted(set(one) - _FIELDS):
            return f"Unknown field {unknown[0]}."
        if len(one["to"]) != 1 or to is None or to.addr_spec in self.bad:
            return "Invalid `to` field. The email address needs to follow the `email@example.com` format."
        if mailbox_in(one["from"]) is None:
            return "Invalid `from` field."
        if any(not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", part) for tag in one["tags"] for part in tag.values()):
            return "Tags should only contain ASCII letters, numbers, underscores, or dashes."
        if any(not re.fullmatch("[ -~]+", value) for value in one["headers"].values()):
            return "Invalid `headers` field."
        return ""


def _error(status: int, name: str, message: str) -> Reply:
    return as_json({"statusCode": status, "name": name, "message": message}, status)
