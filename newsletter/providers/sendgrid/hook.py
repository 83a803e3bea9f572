"""SendGrid's signed Event Webhook: is a request genuine, and what do its events mean. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from newsletter.errors import ConfigurationError
from newsletter.mail import header_text
from newsletter.providers.events import Event, Kind, NotGenuine, ReportsOff

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
#: SendGrid tries for 24 hours to post an event; that a request may come again, its events' ids tell.
_OLDEST = timedelta(hours=26)
#: How far our clock may be behind.
_NEWEST = timedelta(minutes=10)
#: SendGrid posts at 768 KB.
_LONGEST = 2 * 1024 * 1024
_LONGEST_ID = 100
_PEM = re.compile("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)

_KINDS = {
    "processed": Kind.PROCESSED,
    "deferred": Kind.DEFERRED,
    "delivered": Kind.DELIVERED,
    "dropped": Kind.DROPPED,
    "spamreport": Kind.COMPLAINED,
    "unsubscribe": Kind.UNSUBSCRIBED,
    "group_unsubscribe": Kind.UNSUBSCRIBED,
    "open": Kind.OPENED,
    "click": Kind.CLICKED,
}
#: A bounce is for good, or only for this mail.
_BOUNCES = {"bounce": Kind.BOUNCED, "blocked": Kind.BLOCKED}
#: Where the reader's server, or SendGrid, says why.
_WORDS = ("status", "reason", "response")
#: What JSON can say and a database cannot hold: NUL, halves of characters, numbers without end.
_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|[0-9][eE]\+?[0-9]{3}")
_UNSTORABLE_TEXT = re.compile("[\x00\ud800-\udfff]")


def listed(keys: object) -> object:
    """Return keys as a list: in the environment they are one text, with spaces or line ends between them."""
    if not isinstance(keys, str):
        return keys
    return [*_PEM.findall(keys), *_PEM.sub(" ", keys).replace(",", " ").split()]


class Hook:
    """What posts of one account are checked with."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Read the public keys: PEM, or the base64 that SendGrid shows. Raises ConfigurationError."""
        self._keys = [_key(text) for text in keys]

    def events(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
        """Return the events of one post; what is wrong with one of them spoils no other.

        Raises NotGenuine unless it is signed by one of the keys and fresh (threat 15), and ValueError when it is no
        JSON array.
        """
        posted = self._checked(headers, body, now)
        try:
            found = json.loads(body.decode(), parse_constant=lambda _: None)
        except RecursionError as error:
            raise ValueError("the events are nested too deeply") from error
        if not isinstance(found, list):
            raise ValueError("the events are no JSON array")  # noqa: TRY004 - the contract's error
        storable = _UNSTORABLE.search(body) is None
        events = []
        for number, one in enumerate(found):
            try:
                raw = one if storable else _storable(one)
                events.append(_event(raw if isinstance(raw, dict) else {"value": raw}, posted))
            except RecursionError:  # nested more deeply than any of SendGrid's: what it says is lost, not that it came
                digest = hashlib.sha256(b"%d %s" % (number, body)).hexdigest()
                events.append(Event(f"sha256:{digest}", Kind.OTHER, posted))
        return events

    def _checked(self, headers: Mapping[str, str], body: bytes, now: datetime) -> datetime:
        """Return when the post was signed. Raises NotGenuine."""
        if not self._keys:
            raise ReportsOff(
                "provider.webhook_keys is empty, so no event is believed. Write SendGrid's public key there."
            )
        if len(body) > _LONGEST:
            raise NotGenuine(f"The post has more than {_LONGEST} bytes, which none of SendGrid's has.")
        stamp = headers.get(TIMESTAMP, "")
        if not re.fullmatch("[0-9]{1,12}", stamp):
            raise NotGenuine("The post does not tell when it was signed.")
        try:
            signature = base64.b64decode(headers.get(SIGNATURE, "").encode(), validate=True)
        except ValueError:
            signature = b""
        if not any(_signed(key, signature, stamp.encode() + body) for key in self._keys):
            raise NotGenuine("The post is not signed by a key in provider.webhook_keys.")
        posted = _time(int(stamp))
        if posted is None or not now - _OLDEST <= posted <= now + _NEWEST:
            raise NotGenuine("The post is too old, or our clock is wrong.")
        return posted


def _key(text: str) -> ec.EllipticCurvePublicKey:
    try:
        pem = "BEGIN" in text
        key = load_pem_public_key(text.strip().encode()) if pem else load_der_public_key(base64.b64decode(text))
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError(
            "provider.webhook_keys is wrong: one of them is no public key of the Event Webhook (ECDSA, P-256). "
            "Copy the verification key from SendGrid's settings."
        )
    return key


def _signed(key: ec.EllipticCurvePublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _event(raw: Mapping[str, Any], posted: datetime) -> Event:
    """Return one event in our words, with as much as it tells."""
    attempt = raw.get("try")  # a field `attempt` of its own counts its deferrals
    return Event(
        id=_id(raw),
        kind=_kind(raw),
        at=_time(raw.get("timestamp")) or posted,
        delivery_id=_text(raw, "delivery_id"),
        attempt=int(attempt) if isinstance(attempt, str | int) and re.fullmatch("[0-9]{1,18}", str(attempt)) else 0,
        reference=_text(raw, "sg_message_id"),
        address=_text(raw, "email"),
        detail=header_text(" ".join(words for name in _WORDS if (words := _text(raw, name)))),
        raw=raw,
    )


def _kind(raw: Mapping[str, Any]) -> Kind:
    name = _text(raw, "event")
    if name != "bounce":
        return _KINDS.get(name, Kind.OTHER)
    kind = _BOUNCES.get(_text(raw, "type"))
    if kind:
        return kind
    # Without a type only what says that the address is wrong is for good (trust 2.2).
    invalid = _text(raw, "status").startswith("5.1.") or _text(raw, "bounce_classification") == "Invalid Address"
    return Kind.BOUNCED if invalid else Kind.BLOCKED


def _id(raw: Mapping[str, Any]) -> str:
    """Return the event's own id, or one made of what it says: the same event has the same."""
    given = _text(raw, "sg_event_id")
    if 0 < len(given) <= _LONGEST_ID:
        return given
    return f"sha256:{hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()}"


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _time(seconds: object) -> datetime | None:
    """Return a time in epoch seconds; None when it is none, or outside of what a calendar has."""
    if isinstance(seconds, str) and re.fullmatch("[0-9]{1,12}", seconds):
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1 << 36:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _storable(value: Any) -> Any:
    """Return a value of JSON without what no database holds."""
    if isinstance(value, str):
        return _UNSTORABLE_TEXT.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(one) for name, one in value.items()}
    return value
