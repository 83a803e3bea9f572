"""SendGrid's v3 API over an account: a request in, an answer out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from newsletter.testing.sendgrid import rules
from newsletter.testing.sendgrid.account import LISTS, MAX_STOPPED, Account
from newsletter.testing.sendgrid.activity import detail, found, summary
from newsletter.testing.sendgrid.faults import Fault, is_like
from newsletter.testing.sendgrid.mails import SimulatedMail, Suppression
from newsletter.testing.sendgrid.messages import Answer, Request, errors, json_answer
from newsletter.testing.sendgrid.named import Naming
from newsletter.testing.sendgrid.rules import Violation
from newsletter.testing.sendgrid.scanning import custom_args_in, readers_in

#: The key that the simulator knows unless it is told another.
API_KEY = "SG.simulated-key.0123456789"
#: What a key needs for each part of the API.
SCOPES = (
    "mail.send",
    "mail.batch.create",
    "mail.batch.read",
    "user.scheduled_sends.create",
    "user.scheduled_sends.read",
    "user.scheduled_sends.update",
    "user.scheduled_sends.delete",
    "suppression.read",
    "suppression.delete",
    "asm.groups.read",
    "messages.read",
)

#: The lists whose entries have pages of their own; unsubscribes are read and removed under /v3/asm/suppressions/global.
OWN_PAGES = frozenset(LISTS) - {"unsubscribes"}


@dataclass(frozen=True)
class Rate:
    """How many requests are answered in each window of so many seconds."""

    requests: int = 60_000
    seconds: int = 60


class Api:
    """Answers requests. `fast` takes every request to send that has the key: it counts it and keeps its custom_args."""

    def __init__(
        self,
        account: Account,
        *,
        key: str = API_KEY,
        scopes: tuple[str, ...] = SCOPES,
        rate: Rate | None = None,
        activity: bool = False,
        activity_lag: float = 0.0,
        fast: bool = False,
    ) -> None:
        self.account = account
        self.key = key
        self.scopes = list(scopes)
        self.rate = rate or Rate()
        self.activity = activity
        self.activity_lag = activity_lag
        self.fast = fast
        #: With `fast`: how many readers were taken, and every custom_args of their requests as JSON.
        self.taken = 0
        self.taken_args: list[bytes] = []
        self._lock = threading.Lock()
        self._window = (0, 0)

    def answer(self, request: Request, fault: Fault | None = None) -> Answer:
        """Return what SendGrid answers. A fault decides how much of a request to send is taken, and who is bad."""
        limits, over = self._limits()
        if over:
            return errors(429, "too many requests").with_headers(limits)
        return self._routed(request, fault or Fault()).with_headers(limits)

    def _routed(self, request: Request, fault: Fault) -> Answer:
        given = request.headers.get("authorization")
        if given != f"Bearer {self.key}":
            return errors(401, "The key is not valid, expired or revoked" if given else "authorization required")
        routes = [route for route in _ROUTES if _fits(route.path, request.path)]
        route = next((one for one in routes if one.method == request.method), None)
        if route is None:
            return errors(405, "method not allowed") if routes else errors(404, "not found")
        if route.scope and route.scope not in self.scopes:
            return errors(403, "access forbidden")
        if fault.share == 0 and request.method != "GET" and not fault.bad:
            return Answer(202)
        return route.handler(self, request, fault)

    def _limits(self) -> tuple[dict[str, str], bool]:
        """Count a request; return the headers about the limit, and whether it is passed."""
        window = int(self.account.clock.now() // self.rate.seconds)
        with self._lock:
            used = self._window[1] + 1 if self._window[0] == window else 1
            self._window = (window, used)
        limits = {
            "X-RateLimit-Limit": str(self.rate.requests),
            "X-RateLimit-Remaining": str(max(self.rate.requests - used, 0)),
            "X-RateLimit-Reset": str((window + 1) * self.rate.seconds),
        }
        return limits, used > self.rate.requests

    # --- mail

    def send(self, request: Request, fault: Fault) -> Answer:
        """`POST /v3/mail/send`."""
        if len(request.body) > rules.MAX_BYTES:
            return errors(413, f"A request may have {rules.MAX_BYTES} bytes.")
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            return errors(415, "Content-Type must be application/json.")
        return self._send_fast(request.body) if self.fast else self._send(request, fault)

    def _send(self, request: Request, fault: Fault) -> Answer:
        try:
            body = request.json()
        except (ValueError, RecursionError):
            return errors(400, "Bad Request")
        wrong = rules.violations(body, self.account.clock.now(), self.account.batches())
        wrong += _bad_readers(body, fault) if not wrong else []
        if wrong:
            return errors(400, *wrong)
        if rules.is_sandboxed(body):
            return Answer(200)
        if fault.share == 0:
            return Answer(202)
        return Answer(202, headers={"X-Message-Id": self.account.take(body, fault.share)})

    def _send_fast(self, body: bytes) -> Answer:
        args = custom_args_in(body)
        with self._lock:
            self.taken_args += args
            self.taken += readers_in(body)
            return Answer(202, headers={"X-Message-Id": f"fast{self.taken:018d}"})

    def new_batch(self, _request: Request, _fault: Fault) -> Answer:
        """`POST /v3/mail/batch`."""
        return json_answer(201, {"batch_id": self.account.new_batch()})

    def read_batch(self, request: Request, _fault: Fault) -> Answer:
        """`GET /v3/mail/batch/{batch_id}`."""
        batch = request.path[-1]
        return json_answer(200, {"batch_id": batch}) if self.account.has_batch(batch) else _unknown_batch()

    # --- scheduled sends

    def stop_batch(self, request: Request, _fault: Fault) -> Answer:
        """`POST /v3/user/scheduled_sends`: cancel or pause, once."""
        content = _object(request)
        batch, status = content.get("batch_id"), content.get("status")
        if not isinstance(batch, str) or not self.account.has_batch(batch):
            return _unknown_batch()
        if status not in {"cancel", "pause"}:
            return errors(400, Violation("status", "The status must be cancel or pause."))
        if batch in self.account.stopped():
            return errors(400, Violation("batch_id", "A status was set before; change it by PATCH."))
        if self.account.active_stops() >= MAX_STOPPED:
            return errors(400, f"There may be {MAX_STOPPED} cancelled or paused batches.")
        self.account.stop(batch, status)
        return json_answer(201, {"batch_id": batch, "status": status})

    def list_stopped(self, _request: Request, _fault: Fault) -> Answer:
        """`GET /v3/user/scheduled_sends`."""
        return json_answer(200, [_status(*one) for one in self.account.stopped().items()])

    def read_stopped(self, request: Request, _fault: Fault) -> Answer:
        """`GET /v3/user/scheduled_sends/{batch_id}`: a list of one, or of none for a batch that goes out."""
        batch, stopped = request.path[-1], self.account.stopped()
        return json_answer(200, [_status(batch, stopped[batch])] if batch in stopped else [])

    def change_stopped(self, request: Request, _fault: Fault) -> Answer:
        """`PATCH /v3/user/scheduled_sends/{batch_id}`."""
        batch, status = request.path[-1], _object(request).get("status")
        if batch not in self.account.stopped():
            return errors(404, "There is no cancellation or pause of this batch.")
        if status not in {"cancel", "pause"}:
            return errors(400, Violation("status", "The status must be cancel or pause."))
        self.account.stop(batch, status)
        return Answer(204)

    def delete_stopped(self, request: Request, _fault: Fault) -> Answer:
        """`DELETE /v3/user/scheduled_sends/{batch_id}`: the batch goes out again."""
        if request.path[-1] not in self.account.stopped():
            return errors(404, "There is no cancellation or pause of this batch.")
        self.account.let_go(request.path[-1])
        return Answer(204)

    # --- the account

    def read_scopes(self, _request: Request, _fault: Fault) -> Answer:
        """`GET /v3/scopes`."""
        return json_answer(200, {"scopes": self.scopes})

    def list_suppressed(self, request: Request, _fault: Fault) -> Answer:
        """`GET /v3/suppression/{list}`, with start_time, end_time, limit, offset and email."""
        name = request.path[2]
        if name not in self.account.lists:
            return errors(404, "not found")
        query = request.query
        try:
            start, end = int(query.get("start_time", 0)), int(query.get("end_time", 2**62))
            limit, offset = int(query.get("limit", 500)), int(query.get("offset", 0))
        except ValueError:
            return errors(400, "start_time, end_time, limit and offset must be integers.")
        there = [
            one
            for one in self.account.suppressions(name)
            if start <= one.created <= end and query.get("email", "").lower() in one.email.lower()
        ]
        page = there[max(offset, 0) :][: max(min(limit, 500), 0)]
        return json_answer(200, [_suppression(name, one) for one in page])

    def read_suppressed(self, request: Request, _fault: Fault) -> Answer:
        """`GET /v3/suppression/{list}/{email}`: a list of one or of none."""
        name, address = request.path[2:4]
        if name not in OWN_PAGES:
            return errors(404, "not found")
        there = [one for one in self.account.suppressions(name) if one.email.lower() == address.lower()]
        return json_answer(200, [_suppression(name, one) for one in there])

    def delete_suppressed(self, request: Request, _fault: Fault) -> Answer:
        """`DELETE /v3/suppression/{list}/{email}`."""
        name, address = request.path[2:4]
        if name not in OWN_PAGES:
            return errors(404, "not found")
        return Answer(204) if self.account.forgive(name, address) else errors(404, "not found")

    def delete_several(self, request: Request, _fault: Fault) -> Answer:
        """`DELETE /v3/suppression/{list}` with `emails` or `delete_all` in the body, not both."""
        name, content = request.path[2], _object(request)
        emails, every = content.get("emails"), content.get("delete_all")
        if name not in OWN_PAGES:
            return errors(404, "not found")
        if bool(emails) == bool(every) or not isinstance(emails or [], list):
            return errors(400, "Either emails or delete_all is required.")
        for address in [None] if every else emails or []:
            self.account.forgive(name, address)
        return Answer(204)

    def add_global(self, request: Request, _fault: Fault) -> Answer:
        """`POST /v3/asm/suppressions/global` with `recipient_emails`."""
        emails = _object(request).get("recipient_emails")
        if not isinstance(emails, list) or not all(isinstance(one, str) for one in emails):
            return errors(400, Violation("recipient_emails", "An array of addresses is required."))
        for address in emails:
            self.account.suppress("unsubscribes", address)
        return json_answer(201, {"recipient_emails": emails})

    def read_global(self, request: Request, _fault: Fault) -> Answer:
        """`GET /v3/asm/suppressions/global/{email}`: an empty object when it is not there."""
        address = request.path[-1].lower()
        there = any(one.email.lower() == address for one in self.account.suppressions("unsubscribes"))
        return json_answer(200, {"recipient_email": request.path[-1]} if there else {})

    def delete_global(self, request: Request, _fault: Fault) -> Answer:
        """`DELETE /v3/asm/suppressions/global/{email}`."""
        return Answer(204) if self.account.forgive("unsubscribes", request.path[-1]) else errors(404, "not found")

    def search_messages(self, request: Request, _fault: Fault) -> Answer:
        """`GET /v3/messages?query=…&limit=…`: Email Activity, which not every account has."""
        if not self.activity:
            return errors(403, "access forbidden")
        known = self._known()
        try:
            limit = int(request.query.get("limit", 10))
            chosen = found(known, request.query.get("query", ""))
        except ValueError as error:
            return errors(400, Violation("query", str(error)))
        if not 1 <= limit <= 1_000:
            return errors(400, Violation("limit", "The limit is 1 to 1000."))
        return json_answer(200, {"messages": [summary(mail) for mail in chosen[:limit]]})

    def read_message(self, request: Request, _fault: Fault) -> Answer:
        """`GET /v3/messages/{msg_id}`."""
        if not self.activity:
            return errors(403, "access forbidden")
        mail = next((one for one in self._known() if one.id == request.path[-1]), None)
        return json_answer(200, detail(mail)) if mail else errors(404, "not found")

    def _known(self) -> list[SimulatedMail]:
        """Return the mails that the Email Activity knows by now: its memory comes late."""
        until = self.account.clock.now() - self.activity_lag
        return [mail for mail in self.account.mails() if mail.taken_at <= until]


@dataclass(frozen=True)
class _Route:
    method: str
    path: str
    scope: str
    handler: Callable[[Api, Request, Fault], Answer]


_ROUTES = (
    _Route("POST", "mail/send", "mail.send", Api.send),
    _Route("POST", "mail/batch", "mail.batch.create", Api.new_batch),
    _Route("GET", "mail/batch/*", "mail.batch.read", Api.read_batch),
    _Route("POST", "user/scheduled_sends", "user.scheduled_sends.create", Api.stop_batch),
    _Route("GET", "user/scheduled_sends", "user.scheduled_sends.read", Api.list_stopped),
    _Route("GET", "user/scheduled_sends/*", "user.scheduled_sends.read", Api.read_stopped),
    _Route("PATCH", "user/scheduled_sends/*", "user.scheduled_sends.update", Api.change_stopped),
    _Route("DELETE", "user/scheduled_sends/*", "user.scheduled_sends.delete", Api.delete_stopped),
    _Route("GET", "scopes", "", Api.read_scopes),
    _Route("GET", "suppression/*", "suppression.read", Api.list_suppressed),
    _Route("GET", "suppression/*/*", "suppression.read", Api.read_suppressed),
    _Route("DELETE", "suppression/*/*", "suppression.delete", Api.delete_suppressed),
    _Route("DELETE", "suppression/*", "suppression.delete", Api.delete_several),
    _Route("POST", "asm/suppressions/global", "suppression.delete", Api.add_global),
    _Route("GET", "asm/suppressions/global/*", "suppression.read", Api.read_global),
    _Route("DELETE", "asm/suppressions/global/*", "suppression.delete", Api.delete_global),
    _Route("GET", "messages", "messages.read", Api.search_messages),
    _Route("GET", "messages/*", "messages.read", Api.read_message),
)


def _fits(pattern: str, path: tuple[str, ...]) -> bool:
    parts = ("v3", *pattern.split("/"))
    return len(parts) == len(path) and all(
        part in {"*", found_part} for part, found_part in zip(parts, path, strict=True)
    )


def _object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; an empty one for anything else."""
    try:
        content = request.json()
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _bad_readers(body: dict[str, Any], fault: Fault) -> list[Violation]:
    """Return what a fault says of the readers whom it finds bad."""
    if not fault.bad:
        return []
    bad = [
        number
        for number, one in enumerate(body["personalizations"])
        if any(is_like(to["email"], fault.bad) for to in one["to"])
    ]
    if bad and fault.naming is Naming.NONE:
        return [Violation(None, "Bad Request")]
    named = bad[:1] if fault.naming is Naming.FIRST else bad
    return [Violation(f"personalizations.{number}.to.0.email", "Does not contain a valid address.") for number in named]


def _unknown_batch() -> Answer:
    return errors(400, Violation("batch_id", "The batch_id is not one that was given out."))


def _status(batch: str, status: str) -> dict[str, str]:
    return {"batch_id": batch, "status": status}


def _suppression(name: str, one: Suppression) -> dict[str, Any]:
    """Return an entry in the form of its list."""
    if name == "spam_reports":
        return {"created": one.created, "email": one.email, "ip": "192.0.2.1"}
    if name == "unsubscribes":
        return {"created": one.created, "email": one.email}
    if name == "invalid_emails":
        return {"created": one.created, "email": one.email, "reason": one.reason}
    return {"created": one.created, "email": one.email, "reason": one.reason, "status": one.status}
