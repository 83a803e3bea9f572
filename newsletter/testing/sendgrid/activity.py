"""Email Activity: the query language of `GET /v3/messages`, as far as a sender needs it to find its own mail. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from newsletter.testing.sendgrid.mails import SimulatedMail, State

_CLAUSE = re.compile(
    r"""\(*\s*(?:unique_args\[\s*(?P<q>['"])(?P<arg>[^'"]+)(?P=q)\s*\]|(?P<field>\w+))
        \s*(?P<operator>=|!=|LIKE)\s*(?P<quote>['"])(?P<value>[^'"]*)(?P=quote)\s*\)*""",
    re.IGNORECASE | re.VERBOSE,
)
_AND = re.compile(r"\s+AND\s+", re.IGNORECASE)
_FIELDS = {"msg_id", "to_email", "from_email", "subject", "status"}
_STATUS = {
    State.DELIVERED: "delivered",
    State.BOUNCED: "not_delivered",
    State.BLOCKED: "not_delivered",
    State.DROPPED: "not_delivered",
}


def found(mails: Sequence[SimulatedMail], query: str) -> list[SimulatedMail]:
    """Return the mails that a query describes: clauses joined by AND, of `=`, `!=` and LIKE with "%".

    Raises ValueError for anything else in the query.
    """
    chosen = list(mails)
    for text in _AND.split(query.strip()) if query.strip() else ():
        clause = _CLAUSE.fullmatch(text)
        if clause is None or not (clause["arg"] or clause["field"] in _FIELDS):
            raise ValueError(f"The query cannot be read at: {text}")
        chosen = [mail for mail in chosen if _holds(clause, mail)]
    return chosen


def summary(mail: SimulatedMail) -> dict[str, Any]:
    """Return what a search shows of a mail."""
    return {
        "from_email": mail.content.sender,
        "msg_id": mail.id,
        "subject": mail.subject,
        "to_email": mail.address,
        "status": _STATUS.get(mail.state, "processing"),
        "opens_count": mail.opens,
        "clicks_count": mail.clicks,
        "last_event_time": datetime.fromtimestamp(mail.state_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def detail(mail: SimulatedMail) -> dict[str, Any]:
    """Return what the page of a mail shows; `unique_args` is JSON inside JSON there."""
    return {**summary(mail), "categories": list(mail.content.categories), "unique_args": json.dumps(mail.custom_args)}


def _holds(clause: re.Match[str], mail: SimulatedMail) -> bool:
    value = mail.custom_args.get(clause["arg"]) if clause["arg"] else str(summary(mail)[clause["field"]])
    if clause["operator"].upper() == "LIKE":
        return value is not None and fnmatchcase(value, clause["value"].replace("%", "*"))
    return (value == clause["value"]) is (clause["operator"] == "=")
