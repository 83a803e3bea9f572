"""A double of Mailgun's API for whole messages."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP

from tests.contracts.providers import arrived
from tests.servers.api import ApiServer, Delivered, Received, Reply, as_json

KEY = "simulated-mailgun-key-0123456789"
DOMAIN = "mg.news.example.org"


class Mailgun(ApiServer):
    """Takes each message as it is, but for clicks and opens that it is not told to leave alone."""

    def __init__(self) -> None:
        super().__init__()
        #: The key may only send.
        self.sending_key = False
        self.unsubscribe_tracking: object = False
        #: What came in, byte for byte.
        self.messages: list[bytes] = []
        self.fields: list[dict[str, str]] = []

    def reply(self, request: Received) -> Reply:
        """Answer as Mailgun does."""
        basic = base64.b64encode(f"api:{KEY}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return Reply(401, b"Forbidden")
        if self.refuses:
            return as_json({"message": f"Domain {DOMAIN} is not allowed to send: The domain is unverified."}, 403)
        if request.method == "GET":
            return self._tracking(request)
        if request.path != f"/v3/{DOMAIN}/messages.mime":
            return as_json({"message": "Domain not found"}, 404)
        return as_json({"message": "Too many requests"}, 429) if self.busy else self._take(request)

    def is_send(self, request: Received) -> bool:
        """Faults are for requests that have a message."""
        return b'name="message"' in request.body

    def _tracking(self, request: Received) -> Reply:
        if self.sending_key:
            return Reply(401, b"Forbidden")
        if request.path != f"/v3/domains/{DOMAIN}/tracking":
            return as_json({"message": "Domain not found"}, 404)
        off = {"active": False}
        return as_json({"tracking": {"click": off, "open": off, "unsubscribe": {"active": self.unsubscribe_tracking}}})

    def _take(self, request: Received) -> Reply:
        fields, message = _form(request)
        if "to" not in fields or message is None:
            return as_json({"message": "to parameter is missing"}, 400)
        if fields["to"] in self.bad or "," in fields["to"]:
            return as_json({"message": "to parameter is not a valid address. please check documentation"}, 400)
        self.messages.append(message)
        self.fields.append(fields)
        parsed = BytesParser(EmailMessage, policy=SMTP).parsebytes(message)
        if fields.get("o:testmode") != "yes":
            self.delivered.append(_delivered(fields, parsed))
        return as_json({"id": parsed["Message-ID"], "message": "Queued. Thank you."})


def _delivered(fields: dict[str, str], parsed: EmailMessage) -> Delivered:
    found = arrived(parsed)
    tracked = "" if fields.get("o:tracking") == "no" else "<img src='https://email.mg.example/o/1'>"
    ids = {name.removeprefix("v:"): value for name, value in fields.items() if name.startswith("v:")}
    headers = {name: value for name, value in found.headers if not name.lower().startswith("x-mailgun")}
    return Delivered(fields["to"], found.name, found.subject, found.html + tracked, found.text, headers, ids)


def _form(request: Received) -> tuple[dict[str, str], bytes | None]:
    """Return the fields of a form and its file `message`, as the parts of a multipart message."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return {}, None
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    fields: dict[str, str] = {}
    message = None
    for part in request.body.split(b"--" + boundary)[1:-1]:
        lines, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = lines.partition(b'name="')[2].partition(b'"')[0].decode().replace("%3A", ":")
        if name == "message":
            message = content.removesuffix(b"\r\n")
        else:
            fields[name] = content.removesuffix(b"\r\n").decode()
    return fields, message
