"""The provider Mailgun, by its API for whole messages: one reader a request, over several kept connections.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages. Mailgun has a batch call that fills
%recipient.name% for up to 1,000 readers. It is not used: there all readers share one Message-ID, and whatever a story
writes between percent signs would be filled, too (threat 3). What is sent instead is each reader's message, byte for
byte. There is no idempotency key, so a request whose answer is missing or 5xx is never repeated; one at a time is
in doubt for each connection.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from newsletter.errors import ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status, header_text
from newsletter.providers import Unwatched, Watch
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
from newsletter.providers.events import Event, Kind, NotGenuine, ReportsOff
from newsletter.providers.http import Answer, Api, File, checked_key, until
from newsletter.providers.mailboxes import ids_of
from newsletter.providers.message import ascii_address
from newsletter.providers.reports import (
    Keys,
    attempt_of,
    epoch_of,
    json_object,
    object_of,
    prove_fresh,
    prove_signature,
    text_of,
)
from newsletter.providers.single import send_singly

_NAME = "mailgun"

_MANNERS = Manners(
    wait_headers=("retry-after", "x-ratelimit-reset"),
    advice={
        401: "Check provider.api_key, and provider.host: a key of the EU needs https://api.eu.mailgun.net.",
        402: "The account has to be paid for.",
        403: "Check that provider.domain is verified and that the account may send.",
        404: "Check provider.domain, and provider.host: a domain of the EU needs https://api.eu.mailgun.net.",
    },
    otherwise="Check provider.host.",
)
#: Mailgun's own status for a domain that sent to as many readers as it may for now; its words say until when
#: (https://github.com/mailgun/mailgun-java/issues/50).
_LIMITED = 420
_UNTIL = re.compile(r"try again after (.+?)\W*$", re.IGNORECASE)
#: In this order: what is said of a domain that may not send names "authorized recipients", too.
_ABOUT_READER = re.compile(r"\bto'? parameter", re.IGNORECASE)
_ABOUT_MAIL = re.compile(r"\bfrom'? parameter|\b(domain|account|message|sender|key)s?\b", re.IGNORECASE)

#: https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure
_KINDS = {
    "accepted": Kind.PROCESSED,
    "delivered": Kind.DELIVERED,
    "rejected": Kind.DROPPED,
    "complained": Kind.COMPLAINED,
    "unsubscribed": Kind.UNSUBSCRIBED,
    "opened": Kind.OPENED,
    "clicked": Kind.CLICKED,
}
#: An enhanced status code (RFC 3463). Only 5.1.x says that the address is bad for good.
_ENHANCED = re.compile(r"\b5\.(\d{1,3})\.\d{1,3}\b")


class MailgunProvider:
    """Hands each reader's message to Mailgun.

    `domain` is the sending domain, `host` https://api.eu.mailgun.net for one in the EU. `webhook_key` is the HTTP
    webhook signing key, or several with the newest first. `connections` requests are made at a time. In `sandbox`
    Mailgun takes the messages and sends nothing. `timeout` is in seconds, for connecting and for each wait.
    """

    def __init__(
        self,
        *,
        api_key: Annotated[str, Field(min_length=1)],
        domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")],
        webhook_key: Keys = (),
        host: str = "https://api.mailgun.net",
        timeout: Annotated[float, Field(gt=0)] = 30.0,
        connections: Annotated[int, Field(ge=1, le=50)] = 8,
        sandbox: bool = False,
        chunk_size: Annotated[int, Field(ge=1, le=1000)] = 200,
    ) -> None:
        self.chunk_size = chunk_size
        self._domain = domain
        self._webhook_keys = [one.encode() for one in webhook_key]
        self._connections = connections
        self._sandbox = sandbox
        key = checked_key("api_key", api_key)
        basic = base64.b64encode(f"api:{key}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        self._api = Api(host, headers=headers, secrets=[key, basic], timeout=timeout, connections=connections)

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Send one request a reader. Raises ProviderRefused when Mailgun takes none of it."""
        return self.send_watched(mail, recipients, Unwatched())

    def send_watched(self, mail: Mail, recipients: Sequence[Recipient], watch: Watch) -> list[Outcome]:
        """Do as `send`, and tell `watch` about each reader (Watched)."""
        return send_singly(_NAME, mail, recipients, self._post, watch=watch, connections=self._connections)

    def check(self) -> str:
        """Ask whether key and domain are good, and what the domain tracks. Raises ProviderRefused."""
        found = asked(_NAME, self._api.host, lambda: self._api.get(f"/v3/domains/{self._domain}/tracking"))
        if found.status in {401, 403}:
            return self._check_sending_key()
        tracking = object_of(content_of(found), "tracking")
        if found.status != 200 or not tracking:
            raise ProviderRefused(_NAME, judge(found, datetime.now(UTC)).sentence)
        if object_of(tracking, "unsubscribe").get("active") in {True, "yes", "true"}:
            raise ProviderRefused(
                _NAME,
                f"The domain {self._domain} has unsubscribe tracking: Mailgun adds a List-Unsubscribe of its own and "
                "fills %unsubscribe_url% in stories. Switch it off.",
            )
        sandbox = " Sandbox: nothing is sent." if self._sandbox else ""
        return f"{self._api.host} takes the key for {self._domain}.{sandbox}"

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:  # noqa: ARG002 - in the body
        """Return the event of one request (Reporting).

        Mailgun signs a time and a token with HMAC-SHA256, but not the event beside them
        (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks). So the token is the
        event's id: whatever comes with a token that was used before is the event that came with it.
        """
        if not self._webhook_keys:
            raise ReportsOff("Reports are off: provider.webhook_key is not set.")
        try:
            content = json_object(body)
        except ValueError as error:
            raise NotGenuine("The request holds no signature.") from error
        proof = object_of(content, "signature")
        timestamp, token = str(proof.get("timestamp", "")), text_of(proof, "token")
        prove_fresh(epoch_of(timestamp), now)
        signed = f"{timestamp}{token}".encode(errors="replace")
        wanted = [hmac.new(key, signed, "sha256").hexdigest().encode() for key in self._webhook_keys]
        given = [text_of(proof, name).encode(errors="replace") for name in ("signature", "parent-signature")]
        prove_signature(given, wanted)
        return [_event(token, object_of(content, "event-data"))]

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _post(self, message: bytes, recipient: Recipient) -> Verdict:
        fields = {
            "to": ascii_address(recipient.address),
            "o:tracking": "no",
            "o:tracking-clicks": "no",
            "o:tracking-opens": "no",
            **{f"v:{name}": value for name, value in ids_of(recipient).items()},
            **({"o:testmode": "yes"} if self._sandbox else {}),
        }
        files = {"message": File("message.eml", message, "message/rfc822")}
        return verdict_on(
            self._api.host,
            1,
            lambda: self._api.post_form(self._messages(), fields, files),
            lambda answer: judge(answer, datetime.now(UTC)),
        )

    def _messages(self) -> str:
        return f"/v3/{self._domain}/messages.mime"

    def _check_sending_key(self) -> str:
        """Ask with a request that lacks everything, which a key that may only send gets an answer of 400 to."""
        incomplete = {"o:testmode": "yes"}
        found = asked(_NAME, self._api.host, lambda: self._api.post_form(self._messages(), incomplete))
        if found.status != 400:
            raise ProviderRefused(_NAME, judge(found, datetime.now(UTC)).sentence)
        return (
            f"{self._api.host} takes the key, which may only send. "
            f"Look yourself that {self._domain} has no unsubscribe tracking."
        )


def judge(answer: Answer, now: datetime) -> Verdict:
    """Return what the answer to one reader's message means."""
    content = content_of(answer)
    said = words_of(content, "message") or header_text(answer.body[:200].decode(errors="replace"))
    sentence = f"{answer.status} {said}".strip()
    if answer.status == _LIMITED:
        found = _UNTIL.search(said)
        return for_all(Then.STOP, 1, Status.NOT_TRIED, sentence, until(found[1], now) if found else None)
    if verdict := judge_status(answer, 1, said, now, _MANNERS):
        return verdict
    if answer.status >= 400:
        if _ABOUT_READER.search(said):
            return Verdict(Then.GO_ON, sentence, [Fate(Status.REJECTED, sentence)])
        return Verdict(Then.REFUSE, sentence) if _ABOUT_MAIL.search(said) else blame_one_or_halve(1, sentence)
    reference = text_of(content, "id")
    if not reference:
        return unreadable(1, answer)
    return Verdict(Then.GO_ON, said, [Fate(Status.ACCEPTED, said, reference)])


def _event(token: str, found: Mapping[str, Any]) -> Event:
    """Return a report as an event. Raises ValueError when it has no time."""
    number = found.get("timestamp")
    if not isinstance(number, int | float) or not 0 < number < 1e11:
        raise ValueError("The report has no time.")
    ids, delivery = object_of(found, "user-variables"), object_of(found, "delivery-status")
    words = text_of(delivery, "message") or text_of(delivery, "description") or text_of(found, "reason")
    return Event(
        id=token,
        kind=_kind(found, words),
        at=datetime.fromtimestamp(number, UTC),
        delivery_id=text_of(ids, "delivery_id"),
        attempt=attempt_of(ids.get("attempt")),
        reference=text_of(object_of(object_of(found, "message"), "headers"), "message-id"),
        address=text_of(found, "recipient"),
        detail=header_text(words),
        raw=found,
    )


def _kind(found: Mapping[str, Any], words: str) -> Kind:
    """Return our word. A failure for good is the address's fault unless the reader's server says it is not."""
    word, reason = text_of(found, "event"), text_of(found, "reason")
    if word != "failed":
        return _KINDS.get(word, Kind.OTHER)
    if text_of(found, "severity") == "temporary":
        return Kind.DEFERRED
    if reason.startswith("suppress-"):
        return Kind.DROPPED
    enhanced = _ENHANCED.search(text_of(object_of(found, "delivery-status"), "enhanced-code") or words)
    bad_address = enhanced[1] == "1" if enhanced else reason == "bounce"
    return Kind.BOUNCED if bad_address else Kind.BLOCKED
