"""The provider Resend, by its API for batches: 100 whole messages a request, and an idempotency key.

https://resend.com/docs/api-reference/emails/send-batch-emails. Resend fills no holes here: each reader's own html and
text are sent. For 24 hours it answers a repeated key with the first answer and sends nothing again, so a request whose
answer is missing or 5xx is repeated with the same key. The key is made of the whole request, in which each message
names its delivery and its try: a new try has a new one. Tracking is a setting of the domain: `check` looks at it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from newsletter.errors import ConfigurationError, ProviderRefused
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
from newsletter.providers.events import Event, Kind, ReportsOff
from newsletter.providers.http import LONGEST_WAIT, Answer, Api, checked_key
from newsletter.providers.mailboxes import as_json, headers_of, ids_of, mailbox
from newsletter.providers.message import refuse_unsendable
from newsletter.providers.reports import (
    Keys,
    attempt_of,
    epoch_of,
    json_object,
    object_of,
    prove_fresh,
    prove_signature,
    text_of,
    time_of,
)

_NAME = "resend"
MAX_MESSAGES = 100
#: Resend tells no limit for a request; what is over it is answered with 413, and halved.
_MAX_BYTES = 20_000_000
#: A request whose end nobody knows is made this often in all, each time with the same key.
TRIES = 3

_MANNERS = Manners(
    wait_headers=("retry-after", "ratelimit-reset"),
    advice={
        401: "Check provider.api_key.",
        403: "Check provider.api_key, and that the sender's domain is verified at Resend.",
        451: "Resend holds it for a risk to security. Its support says why.",
    },
    otherwise="Check provider.host.",
)
#: What a fault is about, by Resend's words for it: a reader, or what all messages have in common.
_ABOUT_READER = re.compile(r"`to`|\bto field\b|\brecipient", re.IGNORECASE)
_ABOUT_ALL = re.compile(r"`(from|reply_to|subject|html|text)`", re.IGNORECASE)
_QUOTAS = {"daily_quota_exceeded", "monthly_quota_exceeded"}
_ABOUT_MAIL = {"invalid_from_address", "invalid_idempotency_key", "missing_api_key", "invalid_access", "invalid_region"}

#: https://resend.com/docs/dashboard/webhooks/event-types
_KINDS = {
    "email.sent": Kind.PROCESSED,
    "email.delivered": Kind.DELIVERED,
    "email.delivery_delayed": Kind.DEFERRED,
    "email.bounced": Kind.BOUNCED,
    "email.complained": Kind.COMPLAINED,
    "email.failed": Kind.DROPPED,
    "email.suppressed": Kind.DROPPED,
    "email.opened": Kind.OPENED,
    "email.clicked": Kind.CLICKED,
}
#: Resend signs each repetition anew, so a request is never old (https://docs.svix.com/receiving/verifying-payloads).
_LONGEST_AGE = timedelta(minutes=5)


class ResendProvider:
    """Hands mails to Resend, up to 100 a request.

    `webhook_secret` is the signing secret of the webhook ("whsec_..."), or several with the newest first. `timeout` is
    in seconds, for connecting and for each wait; `retry_pause` before the first repetition, and twice it before the
    second.
    """

    def __init__(
        self,
        *,
        api_key: Annotated[str, Field(min_length=1)],
        webhook_secret: Keys = (),
        host: str = "https://api.resend.com",
        timeout: Annotated[float, Field(gt=0)] = 30.0,
        retry_pause: Annotated[float, Field(ge=0, le=60)] = 2.0,
        chunk_size: Annotated[int, Field(ge=1, le=MAX_MESSAGES)] = MAX_MESSAGES,
    ) -> None:
        self.chunk_size = chunk_size
        self._retry_pause = retry_pause
        self._secrets = [_secret_bytes(secret) for secret in webhook_secret]
        key = checked_key("api_key", api_key)
        self._api = Api(host, headers={"Authorization": f"Bearer {key}"}, secrets=[key], timeout=timeout)

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send as few requests as it takes. Raises ProviderRefused when Resend takes none of it."""
        refuse_unsendable(_NAME, mail)
        batches = Batches(
            _NAME,
            recipients,
            lambda recipient: as_json(message(mail, recipient)),
            self._post,
            most=MAX_MESSAGES,
            most_bytes=_MAX_BYTES,
        )
        return batches.outcomes()

    def check(self) -> str:
        """Ask whether the key is good, and what the domains track. Raises ProviderRefused with what to change."""
        found = asked(_NAME, self._api.host, lambda: self._api.get("/domains"))
        content = content_of(found)
        if found.status == 401 and text_of(content, "name") == "restricted_api_key":
            return f"{self._api.host} takes the key, which may only send. Look yourself that no domain tracks clicks."
        if found.status != 200:
            raise ProviderRefused(_NAME, judge(found, 1, datetime.now(UTC)).sentence)
        domains = content.get("data") if isinstance(content, dict) else None
        tracking = [text_of(one, "name") for one in domains or [] if _tracks(one)]
        advice = f" These domains track readers, which changes the links: {', '.join(tracking)}. Switch it off."
        return f"{self._api.host} takes the key.{advice if tracking else ''}"

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
        """Return the event of one request (Reporting), or none when it is about no mail.

        Svix signs id, time and body with HMAC-SHA256 (https://docs.svix.com/receiving/verifying-payloads/how-manual).
        """
        if not self._secrets:
            raise ReportsOff("Reports are off: provider.webhook_secret is not set.")
        number, timestamp = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
        prove_fresh(epoch_of(timestamp), now, _LONGEST_AGE)
        signed = f"{number}.{timestamp}.".encode(errors="replace") + body
        wanted = [base64.b64encode(hmac.digest(secret, signed, "sha256")) for secret in self._secrets]
        given = [one.partition(",")[2] for one in headers.get("svix-signature", "").split() if one.startswith("v1,")]
        prove_signature([one.encode(errors="replace") for one in given], wanted)
        found = json_object(body)
        return [_event(number, found)] if text_of(found, "type").startswith("email.") else []

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _post(self, messages: Sequence[bytes], readers: Sequence[Recipient]) -> Verdict:
        """Make the request until its end is known; once that was in doubt, only a success tells."""
        content = b"[" + b",".join(messages) + b"]"
        headers = {"Idempotency-Key": idempotency_key(content), "x-batch-validation": "permissive"}
        verdict = self._once(content, headers, len(readers))
        for number in range(1, TRIES):
            if not _in_doubt(verdict):
                break
            time.sleep(self._retry_pause * number)
            again = self._once(content, headers, len(readers))
            verdict = verdict if again.then is not Then.GO_ON else again
        return verdict

    def _once(self, content: bytes, headers: Mapping[str, str], count: int) -> Verdict:
        return verdict_on(
            self._api.host,
            count,
            lambda: self._api.post_json("/emails/batch", content, headers=headers),
            lambda answer: judge(answer, count, datetime.now(UTC)),
        )


def message(mail: Mail, recipient: Recipient) -> dict[str, Any]:
    """Return one message of a request. Raises ConfigurationError for an address that cannot be written in ASCII."""
    made = {
        "from": mailbox(mail.sender.address, mail.sender.name),
        "to": [mailbox(recipient.address, recipient.name)],
        "subject": header_text(mail.subject),
        **({"html": mail.html_for(recipient.values)} if mail.html else {}),
        "text": mail.text_for(recipient.values),
        "headers": headers_of(mail, recipient),
        "tags": [{"name": name, "value": value} for name, value in ids_of(recipient).items()],
    }
    if mail.sender.reply_to:
        made["reply_to"] = mailbox(mail.sender.reply_to)
    return made


def idempotency_key(content: bytes) -> str:
    """Return the key of a request, at most 256 characters: the same for the same messages of the same tries."""
    return f"newsletter/{hashlib.sha256(content).hexdigest()}"


def judge(answer: Answer, count: int, now: datetime) -> Verdict:
    """Return what the answer to a batch of `count` messages means (https://resend.com/docs/api-reference/errors)."""
    content = content_of(answer)
    said, name = words_of(content, "message"), text_of(content, "name")
    if answer.status == 429 and name in _QUOTAS:
        return _over_quota(name, f"429 {said}", count)
    if verdict := judge_status(answer, count, said, now, _MANNERS):
        return verdict
    if answer.status == 409:
        # Another request with this key is under way, or was taken with other content.
        return for_all(Then.STOP, count, Status.UNCERTAIN, f"409 {said}: it may have been taken")
    if answer.status >= 400:
        sentence = f"{answer.status} {said}".strip()
        about_all = name in _ABOUT_MAIL or _ABOUT_ALL.search(said)
        named = _ABOUT_READER.search(said) is not None
        return Verdict(Then.REFUSE, sentence) if about_all else blame_one_or_halve(count, sentence, named=named)
    return _taken(content, count) or unreadable(count, answer)


def _over_quota(name: str, sentence: str, count: int) -> Verdict:
    """Return what a quota that is used up means: Resend does not say until when, and for a month nobody waits."""
    if name == "monthly_quota_exceeded":
        return Verdict(Then.REFUSE, f"{sentence}. The account's plan takes no more mails this month.")
    return for_all(Then.STOP, count, Status.NOT_TRIED, sentence, LONGEST_WAIT)


def _taken(content: Any, count: int) -> Verdict | None:
    """Return who was taken of a permissive batch; None when the answer does not say so of each."""
    data = content.get("data") if isinstance(content, dict) else None
    errors = content.get("errors") or [] if isinstance(content, dict) else []
    if not isinstance(data, list) or not isinstance(errors, list):
        return None
    bad: dict[int, str] = {}
    for error in errors:
        index = error.get("index") if isinstance(error, dict) else None
        if not isinstance(index, int) or not 0 <= index < count:
            return None
        bad[index] = words_of(error, "message")
    ids = iter([text_of(one, "id") for one in data])
    if len(data) + len(bad) != count:
        return None
    fates = [_refused(bad[at]) if at in bad else Fate(Status.ACCEPTED, reference=next(ids)) for at in range(count)]
    about_all = next(filter(_ABOUT_ALL.search, bad.values()), "")
    if about_all:
        return Verdict(Then.REFUSE, about_all, fates)
    return Verdict(Then.GO_ON, next(iter(bad.values()), ""), fates)


def _refused(words: str) -> Fate:
    """Return what became of a message that was refused: nothing that is about all messages is held against a reader."""
    if _ABOUT_ALL.search(words):
        return Fate(Status.NOT_TRIED, words)
    return Fate(Status.REJECTED, words, named=_ABOUT_READER.search(words) is not None)


def _in_doubt(verdict: Verdict) -> bool:
    return any(fate.status is Status.UNCERTAIN for fate in verdict.fates)


def _secret_bytes(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError('provider.webhook_secret is wrong: a secret is "whsec_" and base64.') from None


def _tracks(domain: Any) -> bool:
    return isinstance(domain, dict) and (domain.get("click_tracking") is True or domain.get("open_tracking") is True)


def _event(number: str, found: Mapping[str, Any]) -> Event:
    """Return a report as an event. Raises ValueError when it has no time."""
    data = object_of(found, "data")
    bounce, tags, to = object_of(data, "bounce"), object_of(data, "tags"), data.get("to")
    return Event(
        id=number,
        kind=_kind(text_of(found, "type"), bounce),
        at=time_of(text_of(found, "created_at")),
        delivery_id=text_of(tags, "delivery_id"),
        attempt=attempt_of(tags.get("attempt")),
        reference=text_of(data, "email_id"),
        address=to[0] if isinstance(to, list) and to and isinstance(to[0], str) else "",
        detail=header_text(text_of(bounce, "message") or text_of(object_of(data, "failed"), "reason")),
        raw=found,
    )


def _kind(word: str, bounce: Mapping[str, Any]) -> Kind:
    """Return our word; a bounce is for good unless it says otherwise, and may be one of an earlier mail."""
    if word == "email.bounced" and "suppress" in text_of(bounce, "subType").lower():
        return Kind.DROPPED
    if word == "email.bounced" and text_of(bounce, "type") in {"Transient", "Undetermined", "Temporary"}:
        return Kind.BLOCKED
    return _KINDS.get(word, Kind.OTHER)
