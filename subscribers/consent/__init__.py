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
    confirm,
    request,
    would_confirm,
)
from subscribers.consent.leaving import can_undo_leaving, join, leave, leave_all, undo_leaving
from subscribers.consent.rows import change_subscription, find_subscriber, lock_reader, subscription, subscriptions_of
from subscribers.consent.waiting import form_waits, waiting_with

__all__ = [
    "FIELD_ANSWER",
    "LANGUAGE_ANSWER",
    "Confirmation",
    "Confirmed",
    "Evidence",
    "Requested",
    "answer_to_request",
    "can_undo_leaving",
    "change_subscription",
    "confirm",
    "find_subscriber",
    "form_waits",
    "history",
    "join",
    "leave",
    "leave_all",
    "lock_reader",
    "record",
    "request",
    "shorten_network",
    "subscription",
    "subscriptions_of",
    "undo_leaving",
    "waiting_with",
    "wording_version",
    "would_confirm",
]
