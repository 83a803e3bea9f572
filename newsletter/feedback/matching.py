"""Whose mail an event is about: by the name we gave along or, where that is lost, by the provider's own id.

A name proves itself (`delivery.names`). An id of the provider's counts only together with the address, and only when
exactly one delivery fits; an address alone proves nothing (trust 2.2: the token beats the address).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from newsletter.delivery.learning import among, portions
from newsletter.delivery.names import name_of, number_in
from newsletter.models import AttemptOutcome, Delivery, Issue
from newsletter.providers.events import Event
from subscribers.models import Subscriber

#: The largest id that a row can have.
LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Match:
    """The delivery that an event is about."""

    delivery_id: int
    issue_id: int
    subscriber_id: int


def match(session: Session, events: Mapping[str, Event]) -> dict[str, Match]:
    """Return the deliveries that events are about, by the events' ids; those that fit none are left out."""
    found = _by_name(session, events)
    unnamed = {key: event for key, event in events.items() if not event.delivery_id}
    return found | _by_reference(session, unnamed) if unnamed else found


def stands_for(reference: str, told: str) -> bool:
    """Tell whether the id in an event is that of a mail with this reference: the same, or longer after a dot.

    SendGrid's X-Message-Id is the first part of each reader's sg_message_id (trust 1.4). Pure.
    """
    return bool(reference) and (told == reference or told.startswith(f"{reference}."))


def _by_name(session: Session, events: Mapping[str, Event]) -> dict[str, Match]:
    numbers = {key: number_in(event.delivery_id) for key, event in events.items() if event.delivery_id}
    wanted = [number for number in numbers.values() if number is not None and number <= LARGEST]
    rows: dict[int, tuple[Match, str]] = {}
    query = select(Delivery.id, Delivery.issue_id, Delivery.subscriber_id, Issue.name_key)
    query = query.join(Issue, col(Issue.id) == Delivery.issue_id)
    for ids in portions(wanted):
        for number, issue_id, subscriber_id, name_key in session.exec(
            query.where(among(session, col(Delivery.id), ids))
        ):
            rows[number] = Match(number, issue_id, subscriber_id), name_of(name_key, number, subscriber_id)
    matches = {}
    for key, claimed in numbers.items():
        if claimed in rows and rows[claimed][1] == events[key].delivery_id:
            matches[key] = rows[claimed][0]
    return matches


def _by_reference(session: Session, events: Mapping[str, Event]) -> dict[str, Match]:
    """Return what events without a name are about. Looked up by the reader's address, which has an index."""
    asked = {key: _key(event.address) for key, event in events.items() if event.reference and event.address}
    deliveries = _deliveries_to(session, set(asked.values()))
    references = _references(session, [row for rows in deliveries.values() for row in rows])
    matches = {}
    for key, address_key in asked.items():
        told = events[key].reference
        fitting = [
            row
            for row in deliveries[address_key]
            if _key(row.address) == address_key and any(stands_for(one, told) for one in references[row.id])
        ]
        if len(fitting) == 1:
            matches[key] = Match(fitting[0].id, fitting[0].issue_id, fitting[0].subscriber_id)
    return matches


def _key(address: str) -> str:
    """Return an address as it is compared; a provider may have changed its capitals."""
    return address.strip().casefold()


def _deliveries_to(session: Session, address_keys: Collection[str]) -> dict[str, list[Any]]:
    """Return the deliveries that were tried, by the key of their reader's address."""
    keys: dict[int, str] = {}
    ordered = sorted(address_keys)
    for start in range(0, len(ordered), 500):
        some = col(Subscriber.address_key).in_(ordered[start : start + 500])
        keys |= {row[0]: row[1] for row in session.exec(select(Subscriber.id, Subscriber.address_key).where(some))}
    deliveries: dict[str, list[Any]] = defaultdict(list)
    if not keys:
        return deliveries
    issues = session.exec(select(Issue.id).where(Issue.expected > 0)).all()
    told = (Delivery.id, Delivery.issue_id, Delivery.subscriber_id, Delivery.address, Delivery.reference)
    query = select_columns(*map(col, told), col(Delivery.attempt))
    query = query.where(among(session, col(Delivery.issue_id), issues), col(Delivery.attempt) > 0)
    for ids in portions(keys):
        for row in session.execute(query.where(among(session, col(Delivery.subscriber_id), ids))):
            deliveries[keys[row.subscriber_id]].append(row)
    return deliveries


def _references(session: Session, deliveries: Sequence[Any]) -> dict[int, set[str]]:
    """Return the provider's ids by delivery: its own, or that of the request it was part of."""
    of_attempt = defaultdict(set)
    query = select(AttemptOutcome.attempt_id, AttemptOutcome.reference).where(AttemptOutcome.reference != "")
    for ids in portions(row.attempt for row in deliveries):
        whole = query.where(
            among(session, col(AttemptOutcome.attempt_id), ids), col(AttemptOutcome.delivery_id).is_(None)
        )
        for attempt, reference in session.exec(whole):
            of_attempt[attempt].add(reference)
    return {row.id: {row.reference} if row.reference else of_attempt[row.attempt] for row in deliveries}
