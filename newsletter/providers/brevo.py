"""The provider Brevo, by its API for transactional mails: up to 1,000 message versions a request.

https://developers.brevo.com/reference/send-transac-email and docs/batch-send-transactional-emails. Each version has its
reader's own html, text and headers. Brevo would fill what stands between {{ and }} by its template language, so a mail
with such marks is refused instead of being changed (threat 3). A Message-ID is not ours to set there; Brevo returns its
own. Its idempotency key is kept for a quarter to half an hour and answers "duplicate" whether or not the first request
was taken, so it guards against a request that is repeated on the way, and an answer that is missing stays uncertain.
Brevo has no switch for tracking in a request; the account's has to be off.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.header import Header
from typing import Annotated, Any
from uuid import NAMESPACE_OID, uuid5

from pydantic import Field

from newsletter.errors import ProviderRefused, Refused
from newsletter.mail import Mail, Outcome, Recipient, Status, header_text
from newsletter.providers.answers import (
    Fate,
    Manners,
    Then,
    Verdict,
    asked,
    blame_one_or_halve,
    content_of,
    for_all,
    judge_status,
    unreadable,
    verdict_on,
    words_of,
)
from newsletter.providers.batches import Batches
from newsletter.providers.events import Event, Kind
from newsletter.providers.http import Answer, Api, checked_key
from newsletter.providers.mailboxes import as_json, headers_of, ids_of, shown_name
from newsletter.providers.message import ascii_address, refuse_unsendable
from newsletter.providers.reports import Keys, attempt_of, json_object, prove_token, text_of

_NAME = "brevo"
MAX_VERSIONS = 1_000
#: Brevo tells no limit for a request; what is over it is answered with 413, and halved.
_MAX_BYTES = 20_000_000

_MANNERS = Manners(
    wait_headers=("retry-after", "x-sib-ratelimit-reset"),
    advice={
        401: "Check provider.api_key, and that Brevo lets this machine's address use it.",
        402: "The account has no credits left.",
        403: "Brevo has not activated the account for transactional mails, or the key may not send.",
    },
    otherwise="Check provider.host.",
)
#: Codes of a 400 that are about the account, the sender or what stands in the mail, and about no reader.
_ABOUT_MAIL = {
    *("missing_parameter", "not_enough_credits", "unauthorized", "permission_denied", "account_under_validation"),
    *("document_not_found", "method_not_allowed", "reseller_permission_denied"),
}
_ABOUT_SENDER = re.compile(r"\b(sender|replyto|subject|htmlcontent|textcontent)\b", re.IGNORECASE)
_TEMPLATE_MARKS = re.compile(r"\{\{|\{%|\{#")
#: RFC 5322 section 3.2.3: what has to be quoted in a name. Brevo drops a name that has one and is not ASCII.
_SPECIALS = re.compile(r'[()<>\[\]:;@\\,."]')

#: https://developers.brevo.com/docs/transactional-webhooks
_KINDS = {
    "request": Kind.PROCESSED,
    "sent": Kind.PROCESSED,
    "delivered": Kind.DELIVERED,
    "deferred": Kind.DEFERRED,
    "hard_bounce": Kind.BOUNCED,
    "invalid_email": Kind.BOUNCED,
    "soft_bounce": Kind.BLOCKED,
    "blocked": Kind.DROPPED,
    "error": Kind.DROPPED,
    "spam": Kind.COMPLAINED,
    "complaint": Kind.COMPLAINED,
    "unsubscribed": Kind.UNSUBSCRIBED,
    "unsubscribe": Kind.UNSUBSCRIBED,
    "opened": Kind.OPENED,
    "unique_opened": Kind.OPENED,
    "proxy_open": Kind.OPENED,
    "unique_proxy_open": Kind.OPENED,
    "click": Kind.CLICKED,
}


class BrevoProvider:
    """Hands mails to Brevo, up to 1,000 a request.

    Reports are taken when they carry one of `webhook_token`, newest first: as a bearer token or the password in the
    webhook's URL; Brevo signs nothing. With `sandbox` Brevo checks the requests and sends nothing. `timeout` is in
    seconds, for connecting and for each wait.
    """

    def __init__(
        self,
        *,
        api_key: Annotated[str, Field(min_length=1)],
        webhook_token: Keys = (),
        host: str = "https://api.brevo.com",
        timeout: Annotated[float, Field(gt=0)] = 60.0,
        sandbox: bool = False,
        chunk_size: Annotated[int, Field(ge=1, le=MAX_VERSIONS)] = 500,
    ) -> None:
        self.chunk_size = chunk_size
        self._webhook_token = webhook_token
        self._sandbox = sandbox
        key = checked_key("api_key", api_key)
        self._api = Api(host, headers={"api-key": key}, secrets=[key], timeout=timeout)

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send as few requests as it takes. Raises ProviderRefused when Brevo takes none of it."""
        refuse_unsendable(_NAME, mail)
        if _TEMPLATE_MARKS.search(mail.subject + mail.html + mail.text):
            raise ProviderRefused(_NAME, f"the mail {_WOULD_FILL}")
        batches = Batches(
            _NAME,
            recipients,
            lambda recipient: as_json(version(mail, recipient)),
            lambda versions, readers: self._post(mail, versions, readers),
            most=MAX_VERSIONS,
            most_bytes=_MAX_BYTES,
        )
        return batches.outcomes()

    def check(self) -> str:
        """Ask whether the key is good. Raises ProviderRefused with what to change."""
        found = asked(_NAME, self._api.host, lambda: self._api.get("/v3/account"))
        content = content_of(found)
        if found.status != 200 or not isinstance(content, dict):
            raise ProviderRefused(_NAME, judge(found, 1, datetime.now(UTC)).sentence)
        relay = content.get("relay")
        if isinstance(relay, dict) and relay.get("enabled") is False:
            raise ProviderRefused(_NAME, _MANNERS.advice[403])
        sandbox = " Sandbox: nothing is sent." if self._sandbox else ""
        return f"{self._api.host} takes the key. Look yourself that the account tracks no clicks.{sandbox}"

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:  # noqa: ARG002 - unsigned
        """Return the events of one request, one or a batch (Reporting). Raises NotGenuine without the token.

        Nothing in the request is signed, so its age proves nothing; a repeated one has the same id.
        """
        prove_token(headers, self._webhook_token, "provider.webhook_token")
        return [_event(one) for one in _reports(body)]

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _post(self, mail: Mail, versions: Sequence[bytes], readers: Sequence[Recipient]) -> Verdict:
        content = request(mail, versions, sandbox=self._sandbox)
        count = len(readers)
        return verdict_on(
            self._api.host,
            count,
            lambda: self._api.post_json("/v3/smtp/email", content),
            lambda answer: judge(answer, count, datetime.now(UTC)),
        )


_WOULD_FILL = "holds {{, {% or {#, which Brevo would take for its template language. Take it out of the story."


def request(mail: Mail, versions: Sequence[bytes], *, sandbox: bool = False) -> bytes:
    """Return the request with `versions`. What stands beside them is for all, and has nothing of a reader."""
    joined = b"[" + b",".join(versions) + b"]"
    # A UUID made of the content (RFC 9562 section 5.5): the same request has the same key.
    key = uuid5(NAMESPACE_OID, hashlib.sha256(joined).hexdigest())
    shared = {
        "sender": _person(mail.sender.address, mail.sender.name),
        "subject": header_text(mail.subject),
        **({"htmlContent": "<!DOCTYPE html><html><body></body></html>"} if mail.html else {"textContent": "-"}),
        "headers": {"idempotencyKey": str(key)} | ({"X-Sib-Sandbox": "drop"} if sandbox else {}),
    }
    if mail.sender.reply_to:
        shared["replyTo"] = {"email": ascii_address(mail.sender.reply_to)}
    return as_json(shared)[:-1] + b',"messageVersions":' + joined + b"}"


def version(mail: Mail, recipient: Recipient) -> dict[str, Any]:
    """Return one reader's version of a request.

    Raises ConfigurationError for an address that cannot be written in ASCII, and Refused when Brevo would change what
    stands in the mail.
    """
    html, text = mail.html_for(recipient.values), mail.text_for(recipient.values)
    if _TEMPLATE_MARKS.search(html + text):
        raise Refused(f"This reader's mail {_WOULD_FILL}")
    return {
        "to": [_person(recipient.address, recipient.name)],
        **({"htmlContent": html} if mail.html else {}),
        "textContent": text,
        "headers": headers_of(mail, recipient) | {"X-Mailin-custom": as_json(ids_of(recipient)).decode()},
    }


def judge(answer: Answer, count: int, now: datetime) -> Verdict:
    """Return what the answer to a request with `count` versions means."""
    content = content_of(answer)
    said, code = words_of(content, "message"), text_of(content, "code")
    if verdict := judge_status(answer, count, said, now, _MANNERS):
        return verdict
    sentence = f"{answer.status} {said or code}".strip()
    if code == "duplicate_parameter" or answer.status == 409:
        # Brevo has seen this request's key before; whether it took that one, it does not say.
        return for_all(Then.STOP, count, Status.UNCERTAIN, f"{sentence}: it may have been taken before")
    if answer.status >= 400:
        about_mail = code in _ABOUT_MAIL or _ABOUT_SENDER.search(said)
        return Verdict(Then.REFUSE, sentence) if about_mail else blame_one_or_halve(count, sentence)
    ids = content.get("messageIds", [content.get("messageId")]) if isinstance(content, dict) else None
    if not isinstance(ids, list) or len(ids) != count or not all(isinstance(one, str) for one in ids):
        return unreadable(count, answer)
    return Verdict(Then.GO_ON, "taken", [Fate(Status.ACCEPTED, reference=one) for one in ids])


def _person(address: str, name: str) -> dict[str, str]:
    """Return a mailbox. Brevo silently drops a name that is not ASCII and has punctuation, unless it comes encoded."""
    plain = shown_name(name)
    if not plain.isascii() and _SPECIALS.search(plain):
        plain = Header(plain, "utf-8").encode(linesep="")
    return {"email": ascii_address(address), "name": plain} if plain else {"email": ascii_address(address)}


def _reports(body: bytes) -> list[dict[str, Any]]:
    """Return the reports of a request. Raises ValueError when there are none to read."""
    if not body.lstrip().startswith(b"["):
        return [json_object(body)]
    return [json_object(json.dumps(one)) for one in json_object(b'{"all":' + body + b"}")["all"]]


def _event(found: Mapping[str, Any]) -> Event:
    """Return a report as an event. Raises ValueError when it has no time."""
    word, address, reference = text_of(found, "event"), text_of(found, "email"), text_of(found, "message-id")
    at = _time(found)
    ids = _ids(text_of(found, "X-Mailin-custom"))
    same = [word, reference, address.casefold(), str(at.timestamp()), text_of(found, "link")]
    return Event(
        id=hashlib.sha256("\0".join(same).encode(errors="replace")).hexdigest(),
        kind=_KINDS.get(word, Kind.OTHER),
        at=at,
        delivery_id=text_of(ids, "delivery_id"),
        attempt=attempt_of(ids.get("attempt")),
        reference=reference,
        address=address,
        detail=header_text(text_of(found, "reason")),
        raw=found,
    )


def _time(found: Mapping[str, Any]) -> datetime:
    """Return when it happened. `ts_epoch` is in UTC, in milliseconds or, in Brevo's own example, in seconds."""
    number = found.get("ts_epoch") or found.get("ts_event")
    if not isinstance(number, int) or not 0 < number < 10**14:
        raise ValueError("The report has no time.")
    return datetime.fromtimestamp(number / 1000 if number >= 10**11 else number, UTC)


def _ids(text: str) -> dict[str, Any]:
    try:
        return json_object(text)
    except ValueError:
        return {}
