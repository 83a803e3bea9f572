"""One request of a provider, taken in: its new events stored once, and brought into the ledger and to the readers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Column, Select, Text, cast, func
from sqlalchemy import select as select_columns
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, select

from newsletter.db import Database
from newsletter.delivery.learning import Report, among, learn, portions
from newsletter.feedback.matching import LARGEST, Match, match
from newsletter.feedback.people import Told, follow
from newsletter.models import Attempt, ReportedEvent
from newsletter.providers.events import Event
from subscribers.addresses import one_line
from subscribers.hashes import KeyedHash
from subscribers.models import Suppression

_PROVIDER_LIMIT = 50
_ID_LIMIT = 200
_ADDRESS_LIMIT = 320
_DETAIL_LIMIT = 1_000
#: Hashes of addresses that one statement asks for.
_AT_ONCE = 500
#: Columns of events that hold no text.
_NO_TEXTS = frozenset({"at", "received_at", "delivery_id", "attempt_id", "raw"})


@dataclass(frozen=True)
class Taken:
    """What one request brought. `settled` deliveries are accepted by it; `duplicates` are mails somebody got twice."""

    events: int = 0
    new: int = 0
    matched: int = 0
    settled: int = 0
    duplicates: int = 0
    suppressed: int = 0
    left: int = 0


def take_in(
    db: Database, provider_name: str, events: Sequence[Event], now: datetime, hashes: KeyedHash | None = None
) -> Taken:
    """Store the events of one request and act on those that are new, all in one transaction.

    An event that is stored already has no effect, however often and in whatever company it comes (threat 15). With
    `hashes`, one that names no mail of ours and is about an address that is known by a hash alone is stored without it
    (threat 23).
    """
    if not events:
        return Taken()
    by_id = {event_id(event): event for event in events}
    # In one order for everybody: requests with the same events wait for each other, and never each for the other.
    ordered = dict(sorted(by_id.items()))
    with db.transaction() as session:
        matches = match(session, ordered)
        ordered = _with_our_attempts(session, ordered, matches)
        if hashes:
            ordered = _without_erased(session, ordered, matches, hashes)
        new = store(session, [_row(provider_name, key, ordered[key], matches.get(key), now) for key in ordered])
        fresh = [(ordered[key], matches[key]) for key in ordered if key in new and key in matches]
        learned = learn(session, [_report(*pair) for pair in fresh], now)
        followed = follow(session, provider_name, [_told(*pair) for pair in fresh], now)
    return Taken(
        events=len(events),
        new=len(new),
        matched=len(fresh),
        settled=learned.accepted,
        duplicates=learned.duplicates,
        suppressed=followed.suppressed,
        left=followed.left,
    )


def event_id(event: Event) -> str:
    """Return what an event is known by: the provider's id or, without one that can be stored, a hash of what it says.

    Pure, so that an event that is posted again is known again.
    """
    if event.id and len(event.id) <= _ID_LIMIT and _is_plain(event.id):
        return event.id
    says = [event.id, event.kind, event.at.isoformat(), event.delivery_id, event.attempt, event.reference]
    says += [event.address, event.detail]
    return f"sha256 {hashlib.sha256(json.dumps(says).encode()).hexdigest()}"


def _with_our_attempts(session: Session, events: dict[str, Event], matches: Mapping[str, Match]) -> dict[str, Event]:
    """Return the events, each with its attempt if that was one at the event's own issue, and else with none.

    A provider has numbers of its own: SendGrid's deferred events count its tries in a field called attempt.
    """
    issue_of: dict[int, int] = {}
    for ids in portions(event.attempt for event in events.values() if 0 < event.attempt <= LARGEST):
        query = select(Attempt.id, Attempt.issue_id).where(among(session, col(Attempt.id), ids))
        issue_of |= {row[0]: row[1] for row in session.exec(query)}
    return {
        key: event
        if event.attempt == 0 or (key in matches and issue_of.get(event.attempt) == matches[key].issue_id)
        else replace(event, attempt=0)
        for key, event in events.items()
    }


def _without_erased(
    session: Session, events: dict[str, Event], matches: Mapping[str, Match], hashes: KeyedHash
) -> dict[str, Event]:
    """Return the events, those about addresses that must not be kept without what says whose they are.

    Events about mails of ours are left as they are: their reader is known, and `follow` empties those of erased ones.
    """
    asked = {
        key: hashes.each(event.address.strip().lower())
        for key, event in events.items()
        if event.address and key not in matches
    }
    wanted = iter(sorted({one for each in asked.values() for one in each}))
    known: set[str] = set()
    while some := list(islice(wanted, _AT_ONCE)):
        known |= set(session.exec(select(Suppression.address_key).where(col(Suppression.address_key).in_(some))))
    erased = {key for key, each in asked.items() if not known.isdisjoint(each)}
    return {
        key: replace(event, address="", detail="", raw={}) if key in erased else event for key, event in events.items()
    }


def store(session: Session, rows: Sequence[Mapping[str, object]]) -> set[str]:
    """Store the events that are not there yet and return the ids of these."""
    table = SQLModel.metadata.tables[str(ReportedEvent.__tablename__)]
    if session.get_bind().dialect.name == "postgresql":
        columns = [table.c[name] for name in rows[0]]
        insert: Any = postgresql.insert(table).from_select(columns, _unnested(columns, rows))
        values: Any = None
    else:
        insert, values = sqlite.insert(table), rows
    statement = insert.on_conflict_do_nothing(index_elements=["provider", "event_id"]).returning(table.c.event_id)
    return {row[0] for row in session.execute(statement, values)}


def _unnested(columns: Sequence[Column[Any]], rows: Sequence[Mapping[str, Any]]) -> Select[Any]:
    """Return the query that yields the rows, from one text for each column with a line for each row.

    Thousands of parameters, and the quoting within arrays, took the driver longer than all the rest (`learning.among`).
    No value has a line end in it; a dot before each keeps empty ones apart from none.
    """
    texts = ["." + "\n.".join(_as_text(row[column.name]) for row in rows) for column in columns]
    lines = func.unnest(*(func.string_to_array(text, "\n") for text in texts))
    found = lines.table_valued(*(column.name for column in columns)).render_derived()
    values = {column.name: func.substr(found.c[column.name], 2, type_=Text) for column in columns}
    return select_columns(
        *(
            cast(func.nullif(values[column.name], ""), column.type) if column.name in _NO_TEXTS else values[column.name]
            for column in columns
        )
    )


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return _json(value) if isinstance(value, dict) else str(value)


def _json(raw: object) -> str:
    """Return an event as it came as one line; within a text, when PostgreSQL's JSON could not hold it (NaN)."""
    try:
        return json.dumps(raw, allow_nan=False)
    except ValueError:
        return json.dumps({"text": json.dumps(raw)})


def _row(provider: str, key: str, event: Event, found: Match | None, now: datetime) -> dict[str, object]:
    return {
        "provider": provider[:_PROVIDER_LIMIT],
        "event_id": key,
        "kind": event.kind,
        "at": event.at,
        "received_at": now,
        "delivery_id": found.delivery_id if found else None,
        "attempt_id": event.attempt,
        "reference": _line(event.reference, _ID_LIMIT),
        "address": _line(event.address, _ADDRESS_LIMIT),
        "detail": _line(event.detail, _DETAIL_LIMIT),
        "raw": dict(event.raw),
    }


def _report(event: Event, found: Match) -> Report:
    return Report(found.delivery_id, found.issue_id, event.kind, event.attempt)


def _told(event: Event, found: Match) -> Told:
    return Told(found.subscriber_id, found.issue_id, event.kind, event.at, event.detail)


def _line(text: str, limit: int) -> str:
    return text[:limit] if _is_plain(text) else one_line(text, limit)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
