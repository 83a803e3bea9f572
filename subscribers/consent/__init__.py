"""Who is on a list, and what proves it. Every function works inside the caller's transaction.

Each step that changes anything adds one row to `consent`, which the database keeps append-only (GDPR article 7(1)). A
change of state is one UPDATE with the state it starts from as its condition, so that of two at the same time one
happens and the other finds it done.
"""

from __future__ import annotations

from subscribers.consent.evidence import Evidence, history, record, shorten_network, wording_version
from subscribers.consent.joining import (
    FIELD_ANSWER,
    LANGUAGE_ANSWER,
    Confirmation,
    Confirmed,
    Requested,
    answer_to_request,
    asked_together,
    confirm,
    request,
    would_confirm,
)
from subscribers.consent.leaving import can_undo_leaving, join, leave, leave_all, undo_leaving
from subscribers.consent.rows import change_subscription, find_subscriber, subscription, subscriptions_of

__all__ = [
    "FIELD_ANSWER",
    "LANGUAGE_ANSWER",
    "Confirmation",
    "Confirmed",
    "Evidence",
    "Requested",
    "answer_to_request",
    "asked_together",
    "can_undo_leaving",
    "change_subscription",
    "confirm",
    "find_subscriber",
    "history",
    "join",
    "leave",
    "leave_all",
    "record",
    "request",
    "shorten_network",
    "subscription",
    "subscriptions_of",
    "undo_leaving",
    "wording_version",
    "would_confirm",
]
