"""A double of Postmark's API for batches, which answers each message by Postmark's rules."""

from __future__ import annotations

import re
from email.headerregistry import Address
from typing import Any

from tests.servers.api import ApiServer, Delivered, Received, Reply, as_json, mailbox_in

TOKEN = "0f0f0f0f-simulated-server-token"
STREAM = "broadcast"
_FIELDS = {
    *("From", "To", "Cc", "Bcc", "Subject", "Tag", "HtmlBody", "TextBody", "ReplyTo", "Headers", "TrackOpens"),
    *("TrackLinks", "Metadata", "Attachments", "MessageStream"),
}


class Postmark(ApiServer):
    """Keeps a message's own Message-ID only when X-PM-KeepID asks it to, and tracks what it is not told not to."""

    def __init__(self) -> None:
        super().__init__()
        #: Readers for whom a whole batch is refused, in words that name nobody.
        self.unreadable: set[str] = set()
        self.handling = "Custom"

    def reply(self, request: Received) -> Reply:
        """Answer as Postmark does."""
        if request.headers.get("x-postmark-server-token") != TOKEN:
            return as_json({"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied."}, 401)
        if request.method == "GET":
            return self._stream(request)
        if self.busy:
            return as_json({"ErrorCode": 429, "Message": "Rate limit exceeded."}, 429, **{"Retry-After": "20"})
        return self._batch(request)

    def _batch(self, request: Received) -> Reply:
        messages = request.json()
        if request.path != "/email/batch" or not isinstance(messages, list):
            return as_json({"ErrorCode": 403, "Message": "Incompatible JSON."}, 422)
        if len(messages) > 500:
            return as_json({"ErrorCode": 410, "Message": "Too many batch messages."}, 422)
        readers = {found.addr_spec for one in messages if (found := mailbox_in(one["To"]))}
        if readers & self.unreadable:
            return as_json({"ErrorCode": 402, "Message": "Invalid JSON."}, 422)
        return as_json([self._take(one) for one in messages])

    def _stream(self, request: Received) -> Reply:
        if request.path != f"/message-streams/{STREAM}":
            return as_json({"ErrorCode": 1226, "Message": "The stream was not found."}, 422)
        if self.refuses:
            return as_json({"ErrorCode": 412, "Message": "Your account is pending approval."}, 403)
        handling = {"UnsubscribeHandlingType": self.handling}
        return as_json(
            {"ID": STREAM, "MessageStreamType": "Broadcasts", "SubscriptionManagementConfiguration": handling}
        )

    def _take(self, one: dict[str, Any]) -> dict[str, Any]:
        to = mailbox_in(one["To"])
        if to is None or (error := self._error(one, to)):
            return error if to else {"ErrorCode": 300, "Message": f"Invalid 'To' address: '{one['To']}'."}
        message_id = f"0000-{len(self.delivered):04}"
        self.delivered.append(_delivered(one, to, message_id))
        return {"ErrorCode": 0, "Message": "OK", "MessageID": message_id, "To": to.addr_spec, "SubmittedAt": "now"}

    def _error(self, one: dict[str, Any], to: Address) -> dict[str, Any]:
        """Return what is wrong with a message, or nothing."""
        headers, unknown = one["Headers"], sorted(set(one) - _FIELDS)
        errors = [
            # "Pending" accounts send only to their own domain.
            (self.refuses, 412, "Your account is pending approval."),
            (unknown, 300, f"Unknown field {unknown}."),
            (one["MessageStream"] != STREAM, 1235, "The stream provided does not exist on this server."),
            (mailbox_in(one["From"]) is None, 300, f"Invalid 'From' address: '{one['From']}'."),
            (to.addr_spec in self.bad, 406, f"Found inactive addresses: {to.addr_spec}."),
            (any(len(key) > 20 or len(value) > 80 for key, value in one["Metadata"].items()), 300, "Invalid metadata."),
            (any(not re.fullmatch("[ -~]+", header["Value"]) for header in headers), 300, "Invalid header."),
        ]
        return next(({"ErrorCode": code, "Message": words} for wrong, code, words in errors if wrong), {})


def _delivered(one: dict[str, Any], to: Address, message_id: str) -> Delivered:
    headers = {header["Name"]: header["Value"] for header in one["Headers"]}
    if headers.pop("X-PM-KeepID", "") != "true":
        headers["Message-ID"] = f"<{message_id}@mtasv.net>"
    html = one.get("HtmlBody", "")
    if html and one.get("TrackOpens", True):
        html += "<img src='https://pstmrk.it/open'>"
    if one.get("TrackLinks") != "None":
        html = html.replace("href='", "href='https://track.pstmrk.it/")
    return Delivered(to.addr_spec, to.display_name, one["Subject"], html, one["TextBody"], headers, one["Metadata"])
