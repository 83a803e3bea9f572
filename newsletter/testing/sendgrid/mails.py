"""A mail as the simulator remembers it, and what it keeps beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from newsletter.testing.sendgrid.rules import is_enabled


class State(StrEnum):
    """How far a mail is."""

    #: Waits for its `send_at`.
    SCHEDULED = "scheduled"
    #: On its way to the reader.
    SENT = "sent"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    BLOCKED = "blocked"
    #: Taken, and then not sent.
    DROPPED = "dropped"
    CANCELLED = "cancelled"
    #: It was paused for more than 72 hours.
    EXPIRED = "expired"


#: A mail in one of these has left, whatever came of it.
LEFT = frozenset({State.SENT, State.DEFERRED, State.DELIVERED, State.BOUNCED, State.BLOCKED})


#: Those of `mail_settings` that change what happens to a mail.
SETTINGS = (
    "bypass_list_management",
    "bypass_spam_management",
    "bypass_bounce_management",
    "bypass_unsubscribe_management",
)


@dataclass(frozen=True)
class Content:
    """What all mails of a request have in common."""

    subject: str
    text: str
    html: str
    sender: str
    headers: Mapping[str, str]
    categories: tuple[str, ...]
    #: Those of SETTINGS that are on.
    settings: frozenset[str]


@dataclass(slots=True, eq=False)
class SimulatedMail:
    """One personalization that was taken. Times are in seconds since the epoch; the simulator changes `state`."""

    #: As events have it: sg_message_id. The request's X-Message-Id is how it begins.
    id: str
    message_id: str
    address: str
    name: str
    custom_args: Mapping[str, str]
    substitutions: Mapping[str, str]
    own_headers: Mapping[str, str]
    own_subject: str
    content: Content = field(repr=False)
    batch_id: str
    send_at: int | None
    taken_at: float
    state: State = State.SCHEDULED
    #: When it came to its state.
    state_at: float = 0.0
    #: The last event, by SendGrid's name for it.
    last_event: str = ""
    opens: int = 0
    clicks: int = 0

    @property
    def left(self) -> bool:
        """Whether it was sent towards the reader."""
        return self.state in LEFT

    @property
    def subject(self) -> str:
        """The subject as the reader gets it."""
        return self._filled(self.own_subject or self.content.subject)

    @property
    def text(self) -> str:
        """The text part as the reader gets it."""
        return self._filled(self.content.text)

    @property
    def html(self) -> str:
        """The html part as the reader gets it."""
        return self._filled(self.content.html)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the sender set, the reader's own before those of the request."""
        return {name: self._filled(value) for name, value in {**self.content.headers, **self.own_headers}.items()}

    def as_json(self) -> dict[str, Any]:
        """Return what a test in another process asks about; the parts are left out, being long."""
        return {
            "id": self.id,
            "message_id": self.message_id,
            "address": self.address,
            "name": self.name,
            "state": self.state.value,
            "state_at": self.state_at,
            "taken_at": self.taken_at,
            "send_at": self.send_at,
            "batch_id": self.batch_id,
            "custom_args": dict(self.custom_args),
            "substitutions": dict(self.substitutions),
            "headers": self.headers,
            "subject": self.subject,
        }

    def _filled(self, text: str) -> str:
        for tag, value in self.substitutions.items():
            text = text.replace(tag, value)
        return text


@dataclass(frozen=True)
class Suppression:
    """An entry of one of the lists of addresses that SendGrid keeps; `created` in seconds since the epoch."""

    email: str
    created: int
    reason: str = ""
    status: str = ""


def content_of(body: Mapping[str, Any]) -> Content:
    """Return what the mails of a valid request have in common."""
    parts = {part["type"].lower(): part["value"] for part in body.get("content") or ()}
    return Content(
        subject=body.get("subject") or "",
        text=parts.get("text/plain", ""),
        html=parts.get("text/html", ""),
        sender=body["from"]["email"],
        headers=body.get("headers") or {},
        categories=tuple(body.get("categories") or ()),
        settings=frozenset(name for name in SETTINGS if is_enabled(body, name)),
    )
