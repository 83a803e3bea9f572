"""A double of Brevo's API for transactional mails, with the habits of Brevo that matter."""

from __future__ import annotations

import json
import re
from email.header import decode_header, make_header
from typing import Any

from tests.servers.api import ApiServer, Delivered, Received, Reply, as_json, is_address

KEY = "xkeysib-simulated-0123456789"
_SHARED = {"sender", "subject", "htmlContent", "textContent", "headers", "replyTo", "messageVersions", "tags", "params"}
_OWN = {"to", "htmlContent", "textContent", "headers", "subject", "params", "replyTo"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Brevo(ApiServer):
    """Takes a batch whole or not at all, drops names that it does not like, and sets the Message-ID itself."""

    def __init__(self) -> None:
        super().__init__()
        self.account: Reply = as_json({"email": "desk@example.org", "relay": {"enabled": True}})
        #: The Message-IDs under which readers get their mails.
        self.message_ids: list[str] = []
        self._keys: set[str] = set()

    def reply(self, request: Received) -> Reply:
        """Answer as Brevo does."""
        if request.headers.get("api-key") != KEY:
            return _error(401, "unauthorized", "Key not found")
        if self.refuses:
            return _error(403, "permission_denied", "Unable to send email. Your SMTP account is not yet activated.")
        if self.busy:
            return as_json({"message": "Too many requests"}, 429, **{"x-sib-ratelimit-reset": "37"})
        return self.account if request.method == "GET" else self._batch(request)

    def _batch(self, request: Received) -> Reply:
        body = request.json()
        versions, key = body.get("messageVersions", []), body["headers"].get("idempotencyKey", "")
        if request.path != "/v3/smtp/email" or not 1 <= len(versions) <= 1000 or set(body) - _SHARED:
            return _error(400, "invalid_parameter", "messageVersions is not valid")
        if not _UUID.fullmatch(key):
            return _error(400, "invalid_parameter", "idempotencyKey is not a valid UUID")
        if key in self._keys:
            return _error(400, "duplicate_parameter", "idempotencyKey was used before")
        if wrong := next(filter(None, map(self._wrong, versions)), ""):
            return _error(400, "invalid_parameter", wrong)
        self._keys.add(key)
        if body["headers"].get("X-Sib-Sandbox") == "drop":
            return as_json({"messageIds": [f"<sandbox{at}@brevo>" for at in range(len(versions))]}, 201)
        return as_json({"messageIds": [self._take(body, one) for one in versions]}, 201)

    def _take(self, body: dict[str, Any], one: dict[str, Any]) -> str:
        headers = dict(one["headers"])
        ids = json.loads(headers.pop("X-Mailin-custom"))
        # What a version lacks it has from what is for all.
        html, text = (one.get(name, body.get(name, "")) for name in ("htmlContent", "textContent"))
        to = one["to"][0]
        self.delivered.append(
            Delivered(
                to["email"], _name(to.get("name", "")), body["subject"], _template(html), _template(text), headers, ids
            )
        )
        message_id = f"<2026{len(self.message_ids):04}@smtp-relay.mailin.fr>"
        self.message_ids.append(message_id)
        return message_id

    def _wrong(self, one: dict[str, Any]) -> str:
        """Return what is wrong with a version, or nothing."""
        address = one["to"][0]["email"]
        if set(one) - _OWN or len(one["to"]) != 1:
            return "messageVersions is not valid"
        if not is_address(address) or address in self.bad:
            return "email is not valid in to"
        # Brevo would send other bytes as they are, and receivers refuse them.
        return "" if all(re.fullmatch("[ -~]+", value) for value in one["headers"].values()) else "headers is not valid"


def _template(text: str) -> str:
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", text, flags=re.DOTALL)


def _name(name: str) -> str:
    """Return the name that arrives: one that is not ASCII and has punctuation is dropped, an encoded one is decoded."""
    if not name.isascii() and re.search(r'[()<>\[\]:;@\\,."]', name):
        return ""
    return str(make_header(decode_header(name)))


def _error(status: int, code: str, message: str) -> Reply:
    return as_json({"code": code, "message": message}, status)
