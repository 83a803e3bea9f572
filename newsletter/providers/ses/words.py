"""The words of Amazon SES for what became of a mail, and ours. Pure.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html; the older feedback
notifications have the same shape with `notificationType`, and no tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newsletter.mail import header_text
from newsletter.providers.events import Event, Kind
from newsletter.providers.reports import attempt_of, json_object, object_of, text_of, time_of

#: eventType -> the member with its particulars, and our word.
_KINDS = {
    "Send": ("send", Kind.PROCESSED),
    "Delivery": ("delivery", Kind.DELIVERED),
    "DeliveryDelay": ("deliveryDelay", Kind.DEFERRED),
    "Bounce": ("bounce", Kind.BLOCKED),
    "Complaint": ("complaint", Kind.COMPLAINED),
    "Reject": ("reject", Kind.DROPPED),
    "Rendering Failure": ("failure", Kind.DROPPED),
    "Subscription": ("subscription", Kind.UNSUBSCRIBED),
    "Open": ("open", Kind.OPENED),
    "Click": ("click", Kind.CLICKED),
}
_SUPPRESSED = {"Suppressed", "OnAccountSuppressionList"}
_ADDRESSES = ("bouncedRecipients", "complainedRecipients", "delayedRecipients")
_WORDS = ("smtpResponse", "reason", "errorMessage", "complaintFeedbackType", "delayType", "bounceSubType")


def event(envelope: Mapping[str, Any]) -> list[Event]:
    """Return the event of a notification; none when SES only says that it found the topic. Raises ValueError."""
    message = text_of(envelope, "Message")
    if message.startswith("Successfully validated SNS topic"):
        return []
    found = json_object(message)
    word = text_of(found, "eventType") or text_of(found, "notificationType")
    member, kind = _KINDS.get(word, ("", Kind.OTHER))
    particulars, mail = object_of(found, member), object_of(found, "mail")
    tags = object_of(mail, "tags")
    reader = _reader(particulars)
    at = text_of(particulars, "timestamp") or text_of(mail, "timestamp") or text_of(envelope, "Timestamp")
    made = Event(
        id=text_of(envelope, "MessageId"),
        kind=_bounce(particulars) if word == "Bounce" else kind,
        at=time_of(at),
        delivery_id=_tag(tags, "delivery_id"),
        attempt=attempt_of(_tag(tags, "attempt")),
        reference=text_of(mail, "messageId"),
        address=text_of(reader, "emailAddress") or _first(mail.get("destination")),
        detail=header_text(text_of(reader, "diagnosticCode") or _words(particulars)),
        raw=found,
    )
    return [made]


def _bounce(particulars: Mapping[str, Any]) -> Kind:
    """Return what a bounce is: by SES's own list, for good, or only of this mail."""
    if text_of(particulars, "bounceSubType") in _SUPPRESSED:
        return Kind.DROPPED
    return Kind.BOUNCED if text_of(particulars, "bounceType") == "Permanent" else Kind.BLOCKED


def _reader(particulars: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one reader an event is about; each of our messages has one."""
    for name in _ADDRESSES:
        readers = particulars.get(name)
        if isinstance(readers, list) and readers and isinstance(readers[0], dict):
            return readers[0]
    return {}


def _words(particulars: Mapping[str, Any]) -> str:
    return next(filter(None, (text_of(particulars, name) for name in _WORDS)), "")


def _tag(tags: Mapping[str, Any], name: str) -> str:
    """Return a tag, whose values are a list."""
    return _first(tags.get(name))


def _first(values: object) -> str:
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else ""
