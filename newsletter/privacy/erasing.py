"""Erasing one person at their wish (GDPR article 17): what the tables' lists say, in one transaction (threat 23).

What stays is a row that says nothing of who it was, so that the evidence and the accounts of issues still add up, and a
keyed hash of the address among the suppressed, so that no import brings them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, func, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, col, select

from newsletter.db import Database
from newsletter.models import Delivery, Issue, ReportedEvent
from newsletter.privacy.people import person_with
from newsletter.privacy.tables import TABLES
from subscribers import consent
from subscribers.consent import Evidence
from subscribers.hashes import KeyedHash
from subscribers.inserts import insert_missing
from subscribers.models import (
    ConsentAction,
    Subscriber,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
)
from subscribers.personal import About, Person

#: Reports that are an entry of the provider's list have an id that is made of the address alone.
_LISTED = "suppressed %"


@dataclass(frozen=True)
class Step:
    """What erasing does to one table, and to how many rows."""

    table: str
    rows: int
    #: Nothing of the rows stays; else `emptied` says what goes.
    deleted: bool
    emptied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Erased:
    """What was erased. `reader` is False where the address was no reader's: only what else had it was erased."""

    reader: bool
    left: int
    steps: tuple[Step, ...]


def plan(session: Session, key: str, hashes: KeyedHash) -> list[Step]:
    """Return what erasing the person with this address would do, for each table that has rows about them."""
    person = person_with(session, key, hashes)
    steps = (_step(about, _count(session, about, person)) for about in TABLES)
    return [step for step in steps if step.rows]


def erase(db: Database, key: str, hashes: KeyedHash, now: datetime, *, source: str) -> Erased:
    """Erase the person whose address has this key; `source` says where it was asked for. It cannot be undone.

    Who is just being sent an issue may still get it; who waits for one drops out. After an interruption nothing is
    erased, and erasing again does everything.
    """
    with db.reading() as session:
        person = person_with(session, key, hashes)
    with db.transaction() as session:
        if db.is_sqlite:  # else what is deleted stays in the file until something is written over it
            session.connection().exec_driver_sql("PRAGMA secure_delete = ON")
        _lock(session, person)
        left = _leave(session, person, now, source) if person.id else 0
        _keep_out(session, person, now)
        listed = (col(ReportedEvent.id).in_(person.found.get("event", ())), col(ReportedEvent.event_id).like(_LISTED))
        session.exec(delete(ReportedEvent).where(*listed))
        steps = [_apply(session, about, person, now) for about in TABLES]
    if db.is_sqlite:
        _shorten_log(db)
    return Erased(bool(person.id), left, tuple(step for step in steps if step.rows))


def _lock(session: Session, person: Person) -> None:
    """Lock in the ledger's order, the issues before the reader: nobody claims or records their mails meanwhile."""
    issues = select(Delivery.issue_id).where(
        col(Delivery.issue_id).in_(select(Issue.id).where(Issue.expected > 0)), Delivery.subscriber_id == person.id
    )
    session.exec(select(Issue.id).where(col(Issue.id).in_(issues)).order_by(col(Issue.id)).with_for_update()).all()
    session.exec(select(Subscriber.id).where(Subscriber.id == person.id).with_for_update()).all()
    mine = select(Subscription.id).where(Subscription.subscriber_id == person.id).order_by(col(Subscription.id))
    session.exec(mine.with_for_update()).all()


def _leave(session: Session, person: Person, now: datetime, source: str) -> int:
    """Take a reader off every list, with one line of evidence for all; return how many they were on or waited for."""
    on = (col(Subscription.subscriber_id) == person.id, col(Subscription.state) != SubscriptionState.LEFT)
    left = session.exec(update(Subscription).where(*on).values(state=SubscriptionState.LEFT, changed_at=now)).rowcount
    consent.record(session, ConsentAction.ERASED, person.id, None, Evidence(now, source, "", ""))
    session.flush()
    return left


def _keep_out(session: Session, person: Person, now: datetime) -> None:
    """Let each address stand among the suppressed once: one that does not gets a hash, and `TABLES` makes the rest so.

    Of several rows about one address, under hashes of several secrets, the one stays that keeps more away.
    """
    for key, hashes in person.hashes.items():
        about = select(Suppression).where(col(Suppression.address_key).in_([key, *hashes]))
        rows = sorted(session.exec(about), key=lambda row: (row.reason is SuppressionReason.ERASED, row.at, row.id))
        for row in rows[1:]:
            session.delete(row)
        if not rows:
            new = {"address_key": hashes[0], "reason": SuppressionReason.ERASED, "note": "", "at": now}
            insert_missing(session, Suppression, [new], unique=["address_key"])
    session.flush()


def _apply(session: Session, about: About, person: Person, now: datetime) -> Step:
    table, mine = _table(about), about.mine(person)
    if about.deleted:
        rows = session.connection().execute(delete(table).where(mine)).rowcount
    elif values := about.values_for(person, now):
        rows = session.connection().execute(update(table).where(mine).values(_written(table, values))).rowcount
    else:
        rows = 0
    return _step(about, rows)


def _written(table: Table, values: Mapping[str, Any]) -> dict[Any, Any]:
    return {table.c[name]: value for name, value in values.items()}


def _step(about: About, rows: int) -> Step:
    return Step(about.table, rows if about.deleted or about.emptied else 0, about.deleted, tuple(about.emptied))


def _count(session: Session, about: About, person: Person) -> int:
    query = select_columns(func.count()).select_from(_table(about)).where(about.mine(person))
    return int(session.execute(query).scalar_one())


def _table(about: About) -> Table:
    return SQLModel.metadata.tables[about.table]


def _shorten_log(db: Database) -> None:
    """Bring SQLite's log into the file and empty it: what is erased was in its pages, too.

    While somebody reads, what they read stays until they are done and the next checkpoint comes.
    """
    with db.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
