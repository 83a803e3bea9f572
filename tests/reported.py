"""An issue that is out, row by row, for tests of what is reported about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, SQLModel, col, select

from newsletter.db import Database
from newsletter.delivery.names import name_of
from newsletter.mail import Kind
from newsletter.models import Attempt, AttemptOutcome, Chunk, ChunkState, Delivery, DeliveryState, Issue, IssueState
from newsletter.models import ReportedEvent as Stored
from newsletter.providers.events import Event
from subscribers.models import Consent, ConsentAction, Subscriber, Subscription, SubscriptionState, Suppression
from tests import builders
from tests.builders import NOW

NONCE = "6d1f0c2b9a8e7354"
ACCEPTED, UNCERTAIN, PLANNED = DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN, DeliveryState.PLANNED


@dataclass(frozen=True)
class Out:
    """An issue that is being sent: its deliveries' ids, one for each reader r0@example.org, r1@..., and an attempt."""

    db: Database
    room: builders.Newsroom
    issue_id: int
    deliveries: tuple[int, ...]
    subscribers: tuple[int, ...]
    attempt: int

    def name(self, number: int) -> str:
        """Return the name that a delivery has outside."""
        return name_of(NONCE, self.deliveries[number], self.subscribers[number])

    def event(self, number: int, kind: Kind, **fields: Any) -> Event:
        """Return an event about a delivery; its attempt is the issue's first unless told otherwise."""
        told: dict[str, Any] = {
            "id": f"{kind}-{number}-{fields.get('attempt', self.attempt)}",
            "at": NOW,
            "delivery_id": self.name(number),
            "attempt": self.attempt,
            "address": f"r{number}@example.org",
        }
        return Event(kind=kind, **(told | fields))

    def rows(self) -> list[Delivery]:
        """Return the deliveries as they are stored now."""
        with self.db.reading() as session:
            return list(session.exec(select(Delivery).order_by(col(Delivery.id))))

    def row(self, number: int) -> Delivery:
        """Return one delivery as it is stored now."""
        return self.rows()[number]

    def put(self, number: int, **values: Any) -> None:
        """Change a delivery's row."""
        with self.db.transaction() as session:
            row = session.get_one(Delivery, self.deliveries[number])
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)

    def outcomes(self) -> list[tuple[int, int | None, str, str]]:
        """Return (attempt, delivery's number, status, by) of every outcome."""
        with self.db.reading() as session:
            rows = session.exec(select(AttemptOutcome).order_by(col(AttemptOutcome.id))).all()
        return [
            (row.attempt_id, self.deliveries.index(row.delivery_id) if row.delivery_id else None, row.status, row.by)
            for row in rows
        ]

    def stored(self) -> list[Stored]:
        """Return every event, in the order in which they were stored."""
        with self.db.reading() as session:
            return list(session.exec(select(Stored).order_by(col(Stored.id))))

    def suppressions(self) -> dict[str, Suppression]:
        """Return every suppression by its address."""
        with self.db.reading() as session:
            return {row.address_key: row for row in session.exec(select(Suppression))}

    def subscription(self, number: int) -> Subscription:
        """Return where a reader stands with the edition's list."""
        with self.db.reading() as session:
            query = select(Subscription).where(
                Subscription.subscriber_id == self.subscribers[number], Subscription.list_id == self.room.list_id
            )
            return session.exec(query).one()

    def confirmed_at(self, number: int, at: datetime) -> None:
        """Let a reader have confirmed their subscription at this time."""
        with self.db.transaction() as session:
            query = select(Subscription).where(
                Subscription.subscriber_id == self.subscribers[number], Subscription.list_id == self.room.list_id
            )
            row = session.exec(query).one()
            row.state, row.changed_at = SubscriptionState.CONFIRMED, at
            session.add(row)
            session.add(
                Consent(
                    subscriber_id=row.subscriber_id,
                    list_id=row.list_id,
                    action=ConsentAction.CONFIRMED,
                    at=at,
                    source="a test",
                )
            )

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Return every row of every table."""
        with self.db.connect() as connection:
            return {
                table.name: sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
                for table in SQLModel.metadata.sorted_tables
            }


def out(db: Database, readers: int, state: DeliveryState = DeliveryState.ACCEPTED, *, attempt: int = 1) -> Out:
    """Make a newsroom with readers and an issue whose deliveries, in one chunk, are all in `state`."""
    with db.transaction() as session:
        room = builders.newsroom(session)
        people = _people(session, room, readers)
        issue = _issue(session, room, readers)
        session.add(Chunk(issue_id=issue.id, n=0, state=ChunkState.DONE))
        tried = [
            Attempt(issue_id=issue.id, chunk=0, worker="w", provider="p", readers=readers, at=NOW) for _ in "12345"
        ]
        session.add_all(tried)
        session.flush()
        rows = [_delivery(issue.id, one, number, state, attempt) for number, one in enumerate(people)]
        session.execute(insert(Delivery), rows)
        ids = session.exec(select(Delivery.id).order_by(col(Delivery.id))).all()
        return Out(db, room, issue.id, tuple(ids), tuple(people), attempt)


def _people(session: Session, room: builders.Newsroom, readers: int) -> list[int]:
    addresses = [f"r{number}@example.org" for number in range(readers)]
    since = NOW - timedelta(days=9)
    people = [{"address": one, "address_key": one, "name": "", "created_at": since} for one in addresses]
    session.execute(insert(Subscriber), people)
    ids = list(session.exec(select(Subscriber.id).order_by(col(Subscriber.id))))
    on_list = {
        "list_id": room.list_id,
        "state": SubscriptionState.CONFIRMED,
        "requested_at": since,
        "changed_at": since,
    }
    rows = [on_list | {"subscriber_id": one, "confirmation_tries": 0} for one in ids]
    session.execute(insert(Subscription), rows)
    return ids


def _issue(session: Session, room: builders.Newsroom, readers: int) -> Issue:
    issue = Issue(
        edition_id=room.edition_id,
        week=builders.WEEK,
        number=1,
        state=IssueState.SENDING,
        expected=readers,
        send_at=NOW,
        drafted_at=NOW,
        approved_at=NOW,
        content_hash="0" * 64,
        nonce=NONCE,
        name_key=NONCE,
    )
    session.add(issue)
    session.flush()
    return issue


def _delivery(issue_id: int, subscriber_id: int, number: int, state: DeliveryState, attempt: int) -> dict[str, Any]:
    return {
        "issue_id": issue_id,
        "subscriber_id": subscriber_id,
        "chunk": 0,
        "state": state,
        "attempt": attempt,
        "address": f"r{number}@example.org",
        "detail": "",
        "reference": "",
        "reported": "",
        "changed_at": NOW,
    }
