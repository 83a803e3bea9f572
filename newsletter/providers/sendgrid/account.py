"""What else SendGrid can be asked: batches to send later, the addresses it writes to no more, what it has taken."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from newsletter.errors import ProviderRefused
from newsletter.mail import header_text
from newsletter.providers.events import Kind, Suppressed
from newsletter.providers.sendgrid.answer import Answer, judge
from newsletter.providers.sendgrid.api import Api
from newsletter.providers.sendgrid.call import NAME
from newsletter.providers.sendgrid.transport import Body

log = logging.getLogger(__name__)

#: The lists of addresses that SendGrid keeps: where they are read and where one address is, and what they mean.
_LISTS = (
    (("suppression", "bounces"), ("suppression", "bounces"), Kind.BOUNCED),
    (("suppression", "blocks"), ("suppression", "blocks"), Kind.BLOCKED),
    (("suppression", "invalid_emails"), ("suppression", "invalid_emails"), Kind.BOUNCED),
    (("suppression", "spam_reports"), ("suppression", "spam_reports"), Kind.COMPLAINED),
    (("suppression", "unsubscribes"), ("asm", "suppressions", "global"), Kind.UNSUBSCRIBED),
)
#: What SendGrid gives at most at a time, of addresses and of messages.
_PAGE = 500
_MESSAGES = 1_000


class Account:
    """An account's state at SendGrid."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def check(self) -> str:
        """Ask what the key may do. Raises ProviderRefused with what to change."""
        answer = self._asked("get", "scopes")
        if answer.status in {404, 405}:
            return f"{self._api.host} answers, but does not tell what the key may do. Send a test to find out."
        if answer.status != 200:
            raise _refusal(answer)
        scopes = _field(_read(answer), "scopes")
        if not isinstance(scopes, list) or "mail.send" not in scopes:
            raise ProviderRefused(NAME, "The key lacks the scope mail.send. Give it to the key, or make another key.")
        return f"{self._api.host} takes the key, and the key may send mail."

    def new_batch(self) -> str:
        """Return the id of a new batch. Raises ProviderRefused, or OSError when it is worth another try."""
        answer = self._or_oserror(lambda: self._api.ask("post", "mail", "batch"))
        batch = _field(_read(answer), "batch_id")
        if 200 <= answer.status <= 299 and isinstance(batch, str) and batch:
            return batch
        if 400 <= answer.status <= 499 and answer.status not in {408, 429}:
            raise _refusal(answer)
        raise OSError(f"{self._api.host} gave no batch: {answer.status}")

    def cancel(self, batch: str) -> bool:
        """Cancel the batch and ask whether it is; True when SendGrid says so, and only then.

        A batch can have a status already: cancelled by a call whose answer was lost, or paused by somebody. Why it is
        not cancelled is logged.
        """
        wanted = Body([json.dumps({"batch_id": batch, "status": "cancel"})])
        said = self._said("post", "user", "scheduled_sends", content=wanted)
        status = self._status(batch)
        if status == "pause":
            said = self._said("patch", "user", "scheduled_sends", batch, content=Body(['{"status": "cancel"}']))
            status = self._status(batch)
        if status != "cancel":
            log.warning("batch %s may not be cancelled: %s", batch, said)
        return status == "cancel"

    def suppressed(self, since: datetime | None) -> Iterator[Suppressed]:
        """Yield the addresses on SendGrid's lists. Raises ProviderRefused when they cannot be told."""
        start: dict[str, str | int] = {"start_time": int(since.timestamp())} if since else {}
        for path, _, kind in _LISTS:
            offset, before = 0, None
            while True:
                page = _read(answer := self._asked("get", *path, limit=_PAGE, offset=offset, **start))
                if answer.status != 200 or not isinstance(page, list):
                    raise _refusal(answer)
                if page == before:  # whoever answers knows no offset
                    break
                yield from (one for one in (_suppressed(entry, kind) for entry in page) if one)
                if len(page) < _PAGE:
                    break
                offset, before = offset + _PAGE, page

    def lift(self, address: str) -> bool:
        """Take the address off all lists; False when it was on none. Raises ProviderRefused."""
        lifted = False
        for _, path, _ in _LISTS:
            answer = self._asked("get", *path, address)
            if answer.status not in {200, 404}:
                raise _refusal(answer)
            if answer.status == 200 and _read(answer):
                answer = self._asked("delete", *path, address)
                if answer.status != 404 and not 200 <= answer.status <= 299:
                    raise _refusal(answer)
                lifted |= answer.status != 404
        return lifted

    def taken(self, attempt: int, since: datetime) -> set[str] | None:
        """Return the delivery ids of a try that Email Activity knows; None when it cannot tell.

        Email Activity is sold apart, answers six requests a minute and lists messages without the ids we gave them: so
        each is asked for by itself until it takes no more, and what was found until then is returned.
        """
        query = {"query": f"unique_args['try']=\"{attempt}\"", "limit": _MESSAGES}
        messages = _field(self._activity("messages", query=query), "messages")
        if not isinstance(messages, list):
            return None
        found: set[str] = set()
        for message in messages:
            if _is_before(_field(message, "last_event_time"), since):  # another ledger's try of the same number
                continue
            ours = _unique_args(message) or _unique_args(self._activity("messages", str(_field(message, "msg_id"))))
            if ours is None:
                break
            if ours.get("try") == str(attempt) and isinstance(ours.get("delivery_id"), str):
                found.add(ours["delivery_id"])
        return found

    def _activity(self, *path: str, query: Mapping[str, object] | None = None) -> Any:
        """Return what Email Activity answers, or None when it does not."""
        try:
            answer = self._api.ask("get", *path, query=query)
        except (OSError, http.client.HTTPException) as error:
            log.warning("Email Activity could not be asked: %s", type(error).__name__)
            return None
        return _read(answer) if answer.status == 200 else None

    def _said(self, method: str, *path: str, content: Body) -> str:
        """Ask for a change, and return what was said or why nothing was; whether it was made is asked apart."""
        try:
            return judge(self._api.ask(method, *path, content=content), 1, datetime.now(UTC)).sentence
        except (OSError, http.client.HTTPException) as error:
            return f"{self._api.host} did not answer properly: {error}"

    def _status(self, batch: str) -> str:
        """Return "cancel" or "pause", as SendGrid has it for the batch; nothing when it has neither or cannot tell."""
        try:
            answer = self._api.ask("get", "user", "scheduled_sends", batch)
        except (OSError, http.client.HTTPException) as error:
            log.warning("batch %s could not be asked for: %s", batch, error)
            return ""
        found = _read(answer) if answer.status == 200 else []
        there = [one for one in (found if isinstance(found, list) else [found]) if _field(one, "batch_id") == batch]
        return str(_field(there[0], "status")) if there else ""

    def _asked(self, method: str, *path: str, **query: str | int) -> Answer:
        """Return an answer. Raises ProviderRefused when there is none."""
        try:
            return self._api.ask(method, *path, query=query)
        except (OSError, http.client.HTTPException) as error:
            raise ProviderRefused(NAME, f"{self._api.host} could not be asked: {error}.") from error

    def _or_oserror(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except http.client.HTTPException as error:
            raise OSError(f"{self._api.host} did not answer properly: {type(error).__name__}") from error


def _refusal(answer: Answer) -> ProviderRefused:
    return ProviderRefused(NAME, judge(answer, 1, datetime.now(UTC)).sentence)


def _read(answer: Answer) -> Any:
    """Return an answer's JSON; None when it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _suppressed(entry: Any, kind: Kind) -> Suppressed | None:
    """Return an entry of a list; None when it names no address or no time."""
    address, created = _field(entry, "email"), _field(entry, "created")
    if not isinstance(address, str) or not isinstance(created, int) or not 0 <= created < 1 << 36:
        return None
    detail = " ".join(str(word) for word in (_field(entry, "status"), _field(entry, "reason")) if word)
    return Suppressed(address, kind, datetime.fromtimestamp(created, UTC), header_text(detail))


def _unique_args(message: Any) -> dict[str, Any] | None:
    """Return the ids of ours that a message was sent with; SendGrid writes them as JSON in a text."""
    found = _field(message, "unique_args")
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def _is_before(time: Any, since: datetime) -> bool:
    """Tell whether a time as Email Activity writes it is surely before another."""
    try:
        return datetime.fromisoformat(time) < since
    except (TypeError, ValueError):
        return False
