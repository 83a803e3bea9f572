"""The provider Postmark, by its API for batches: 500 whole messages a request, and an answer for each.

https://postmarkapp.com/developer/api/email-api. Postmark fills no holes here: each reader's own html and text are sent.
It has no idempotency key, so a request whose answer is missing or 5xx is never repeated. A broadcast stream gets a link
and a List-Unsubscribe of Postmark's own unless "Manage unsubscribes on your own" is on for it, which `check` asks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from newsletter.errors import ProviderRefused
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
from newsletter.providers.mailboxes import as_json, headers_of, ids_of, mailbox
from newsletter.providers.message import refuse_unsendable
from newsletter.providers.reports import Keys, attempt_of, json_object, prove_token, text_of, time_of

_NAME = "postmark"
#: https://postmarkapp.com/developer/user-guide/send-email-with-api/batch-emails: 500 messages, 50 MB.
MAX_MESSAGES = 500
MAX_BYTES = 45_000_000

_MANNERS = Manners(
    wait_headers=("retry-after",),
    advice={401: "The token is not valid. Check provider.token: it is a server's, not the account's."},
    otherwise="Check provider.host and what Postmark says of the account.",
)

#: ErrorCode (https://postmarkapp.com/developer/api/overview#error-codes). 406: the address is on Postmark's list of
#: bounces and complaints. 300, 402 and 403: the message or its JSON is invalid, and the words say what, or do not.
_INACTIVE, _INVALID = 406, {300, 402, 403}
#: Maintenance, and too many requests.
_BUSY = {100, 429}
_ABOUT_READER = re.compile(r"(invalid|error parsing) 'to'", re.IGNORECASE)
_ABOUT_MAIL = re.compile(r"'(from|replyto|subject)'|\b(textbody|htmlbody|messagestream)\b", re.IGNORECASE)

_RECORDS = {
    "Delivery": Kind.DELIVERED,
    "SpamComplaint": Kind.COMPLAINED,
    "Open": Kind.OPENED,
    "Click": Kind.CLICKED,
}
#: https://postmarkapp.com/developer/api/bounce-api#bounce-types
_BOUNCES = {
    "HardBounce": Kind.BOUNCED,
    "BadEmailAddress": Kind.BOUNCED,
    "Transient": Kind.DEFERRED,
    "DnsError": Kind.BLOCKED,
    "SoftBounce": Kind.BLOCKED,
    "Undeliverable": Kind.BLOCKED,
    "Blocked": Kind.BLOCKED,
    "SpamNotification": Kind.BLOCKED,
    "VirusNotification": Kind.BLOCKED,
    "DMARCPolicy": Kind.BLOCKED,
    "ManuallyDeactivated": Kind.DROPPED,
    "TemplateRenderingFailed": Kind.DROPPED,
    "SpamComplaint": Kind.COMPLAINED,
    "Unsubscribe": Kind.UNSUBSCRIBED,
}
_SUPPRESSIONS = {
    "HardBounce": Kind.BOUNCED,
    "SpamComplaint": Kind.COMPLAINED,
    "ManualSuppression": Kind.UNSUBSCRIBED,
}


class PostmarkProvider:
    """Hands mails to Postmark, up to 500 a request.

    `token` is the server's. `stream` is the message stream, of the type Broadcasts for a newsletter. Reports are taken
    when they carry one of `webhook_token`, newest first: as the header X-Webhook-Token, a bearer token, or the password
    in the webhook's URL; Postmark signs nothing. `timeout` is in seconds, for connecting and for each wait.
    """

    def __init__(
        self,
        *,
        token: Annotated[str, Field(min_length=1)],
        stream: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "broadcast",
        webhook_token: Keys = (),
        host: str = "https://api.postmarkapp.com",
        timeout: Annotated[float, Field(gt=0)] = 60.0,
        chunk_size: Annotated[int, Field(ge=1, le=MAX_MESSAGES)] = MAX_MESSAGES,
    ) -> None:
        self.chunk_size = chunk_size
        self._stream = stream
        self._webhook_token = webhook_token
        key = checked_key("token", token)
        self._api = Api(host, headers={"X-Postmark-Server-Token": key}, secrets=[key], timeout=timeout)

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send as few requests as it takes. Raises ProviderRefused when Postmark takes none of it."""
        refuse_unsendable(_NAME, mail)
        batches = Batches(
            _NAME,
            recipients,
            lambda recipient: as_json(message(mail, recipient, self._stream)),
            self._post,
            most=MAX_MESSAGES,
            most_bytes=MAX_BYTES,
        )
        return batches.outcomes()

    def check(self) -> str:
        """Ask whether token and stream are good for a newsletter. Raises ProviderRefused with what to change."""
        found = asked(_NAME, self._api.host, lambda: self._api.get(f"/message-streams/{self._stream}"))
        if found.status in {404, 422}:
            raise ProviderRefused(_NAME, f"The server has no message stream {self._stream!r}. Check provider.stream.")
        content = content_of(found)
        if found.status != 200 or not isinstance(content, dict):
            raise ProviderRefused(_NAME, judge(found, 1, datetime.now(UTC)).sentence)
        handling = content.get("SubscriptionManagementConfiguration") or {}
        if str(handling.get("UnsubscribeHandlingType", "none")).lower() == "postmark":
            raise ProviderRefused(
                _NAME,
                f"The stream {self._stream!r} adds Postmark's own unsubscribe link and List-Unsubscribe to each mail. "
                'Ask Postmark to allow "Manage unsubscribes on your own" and switch it on for the stream.',
            )
        return f"{self._api.host} takes the token, and the stream {self._stream!r} may send."

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:  # noqa: ARG002 - unsigned
        """Return the event of one request (Reporting). Raises NotGenuine without the token.

        Nothing in the request is signed, so its age proves nothing; a repeated one has the same id.
        """
        prove_token(headers, self._webhook_token, "provider.webhook_token")
        return [_event(json_object(body))]

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _post(self, messages: Sequence[bytes], readers: Sequence[Recipient]) -> Verdict:
        content, count = b"[" + b",".join(messages) + b"]", len(readers)
        return verdict_on(
            self._api.host,
            count,
            lambda: self._api.post_json("/email/batch", content),
            lambda answer: judge(answer, count, datetime.now(UTC)),
        )


def message(mail: Mail, recipient: Recipient, stream: str) -> dict[str, Any]:
    """Return one message of a request. Raises ConfigurationError for an address that cannot be written in ASCII.

    Postmark writes a Message-ID of its own unless X-PM-KeepID asks it not to.
    """
    headers = headers_of(mail, recipient) | {"X-PM-KeepID": "true"}
    made = {
        "From": mailbox(mail.sender.address, mail.sender.name),
        "To": mailbox(recipient.address, recipient.name),
        "Subject": header_text(mail.subject),
        "TextBody": mail.text_for(recipient.values),
        **({"HtmlBody": mail.html_for(recipient.values)} if mail.html else {}),
        "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
        "Metadata": ids_of(recipient),
        "MessageStream": stream,
        "TrackOpens": False,
        "TrackLinks": "None",
    }
    if mail.sender.reply_to:
        made["ReplyTo"] = mailbox(mail.sender.reply_to)
    return made


def judge(answer: Answer, count: int, now: datetime) -> Verdict:
    """Return what the answer to a batch of `count` messages means."""
    content = content_of(answer)
    said = words_of(content, "Message")
    if verdict := judge_status(answer, count, said, now, _MANNERS):
        return verdict
    if answer.status >= 400:
        return _refused(answer.status, content, count)
    if not isinstance(content, list) or len(content) != count:
        return unreadable(count, answer)
    fates, worst, sentence = [], Then.GO_ON, ""
    for one in content:
        fate, then = _fate(one)
        fates.append(fate)
        if then is not Then.GO_ON and worst is not Then.REFUSE:
            worst, sentence = then, fate.detail
    return Verdict(worst, sentence or "taken", fates)


def _refused(status: int, content: Any, count: int) -> Verdict:
    """Return what it means that a whole batch was refused with 400, 409 or 422: of it nothing was taken."""
    fate, then = _fate(content)
    sentence = f"{status} {words_of(content, 'Message')}".strip()
    if then is Then.STOP:
        return for_all(Then.STOP, count, Status.NOT_TRIED, sentence)
    if then is Then.REFUSE:
        return Verdict(Then.REFUSE, f"{sentence}. {_MANNERS.otherwise}")
    return blame_one_or_halve(count, sentence, named=fate.status is Status.REJECTED and fate.named)


def _fate(one: Any) -> tuple[Fate, Then]:
    """Return what became of one message, and what follows for the others."""
    code, said = (one.get("ErrorCode"), words_of(one, "Message")) if isinstance(one, dict) else (None, "")
    sentence = f"{code} {said}".strip()
    if not isinstance(code, int) or isinstance(code, bool):
        return Fate(Status.UNCERTAIN, "Postmark did not say what became of it: it may have been taken"), Then.GO_ON
    if code == 0:
        return Fate(Status.ACCEPTED, said, text_of(one, "MessageID")), Then.GO_ON
    if code == _INACTIVE or (code in _INVALID and _ABOUT_READER.match(said)):
        return Fate(Status.REJECTED, sentence), Then.GO_ON
    if code in _INVALID and not _ABOUT_MAIL.search(said):
        return Fate(Status.REJECTED, sentence, named=False), Then.GO_ON
    if code in _BUSY:
        return Fate(Status.NOT_TRIED, sentence), Then.STOP
    # Anything else is about the sender, the stream, the account or what stands in the mail.
    return Fate(Status.NOT_TRIED, sentence), Then.REFUSE


def _event(found: Mapping[str, Any]) -> Event:
    """Return one report as an event. Raises ValueError when it has no time or is about no message."""
    record = text_of(found, "RecordType")
    times = (text_of(found, name) for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt"))
    at = time_of(next(filter(None, times), ""))
    ids = found.get("Metadata")
    ids = ids if isinstance(ids, dict) else {}
    reference, address = text_of(found, "MessageID"), text_of(found, "Email") or text_of(found, "Recipient")
    same = [record, str(found.get("ID", "")), reference, address.casefold(), at.isoformat(), str(_kind(record, found))]
    return Event(
        id=hashlib.sha256("\0".join(same).encode()).hexdigest(),
        kind=_kind(record, found),
        at=at,
        delivery_id=text_of(ids, "delivery_id"),
        attempt=attempt_of(ids.get("attempt")),
        reference=reference,
        address=address,
        detail=header_text(text_of(found, "Details") or text_of(found, "Description") or text_of(found, "Type")),
        raw=found,
    )


def _kind(record: str, found: Mapping[str, Any]) -> Kind:
    if record == "Bounce":
        return _BOUNCES.get(text_of(found, "Type"), Kind.OTHER)
    if record == "SubscriptionChange":
        suppressed = found.get("SuppressSending") is True
        return _SUPPRESSIONS.get(text_of(found, "SuppressionReason"), Kind.OTHER) if suppressed else Kind.OTHER
    return _RECORDS.get(record, Kind.OTHER)
