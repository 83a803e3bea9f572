"""How long what is known of readers is kept, as code: what goes after how many days, and why (GDPR article 5(1)(e)).

Evidence itself is append-only and stays; of it only networks go. Other packages have rules of their own, of the same
kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, String, Table, and_, cast, delete, exists, literal, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, col, func

from subscribers import cleaning
from subscribers.models import (
    Consent,
    ConsentAction,
    FieldValue,
    Subscriber,
    SubscriberTag,
    Subscription,
)

#: Rows of one transaction. On SQLite everybody else who writes waits for it.
BATCH = 5_000
#: A daily run looks at what came of age in so many days before; a run by hand at everything.
WINDOW = timedelta(days=90)

#: A request that nobody confirmed: the link in its mail has long ceased to work, and its mail may have gone to somebody
#: who asked for nothing.
UNCONFIRMED_DAYS = cleaning.PENDING_DAYS
#: The network that a consent came from: it shows that a sign-up was no robot's, which is disputed soon or never.
NETWORK_DAYS = 365
#: Links to a new address or to one's data: they work for days; a month later nobody asks what became of them.
REQUEST_DAYS = 30
#: Which letters were sent: `letters.APART` asks for a week back.
LETTER_DAYS = 30


class Work(Protocol):
    """What a rule lets go, some rows at a time."""

    def find(self, session: Session, cutoff: datetime, after: int, *, full: bool) -> Sequence[int]:
        """Return the next rows, behind `after`, that are older than the cutoff; () when there are none."""
        ...

    def let_go(self, session: Session, ids: Sequence[int], cutoff: datetime, now: datetime) -> None:
        """Let these rows go, or what of them has to."""
        ...


@dataclass(frozen=True)
class Rule:
    """What goes after so many days, in words for the person who answers for it, and why then."""

    name: str
    days: int
    what: str
    why: str
    work: Work


@dataclass(frozen=True)
class ByAge:
    """Rows of one table that are older than the cutoff: deleted, or some columns of them emptied."""

    table: str
    time: str
    #: What of the rows there is to let go.
    there: Callable[[], ColumnElement[bool]] | None = None
    #: Column -> what it holds afterwards; None: the rows are deleted.
    emptied: Mapping[str, Any] | None = None
    #: Numbers are given in the order of `time`, so that it need not look at all rows.
    ordered: bool = False

    def find(self, session: Session, cutoff: datetime, after: int, *, full: bool) -> Sequence[int]:
        """Return the next rows; see `Work`."""
        table = self._table
        old = [table.c[self.time] < cutoff]
        if self.there is not None:
            old.append(self.there())
        if self.ordered:
            old.append(table.c.id < first_since(session, table, self.time, cutoff))
            after = after if full else max(after, first_since(session, table, self.time, cutoff - WINDOW) - 1)
        query = select_columns(table.c.id).where(table.c.id > after, *old).order_by(table.c.id).limit(BATCH)
        return session.execute(query).scalars().all()

    def let_go(self, session: Session, ids: Sequence[int], cutoff: datetime, now: datetime) -> None:  # noqa: ARG002 - as others
        """Delete or empty them."""
        mine = self._table.c.id.in_(ids)
        if self.emptied is None:
            session.connection().execute(delete(self._table).where(mine))
        else:
            session.connection().execute(update(self._table).where(mine).values(dict(self.emptied)))

    @property
    def _table(self) -> Table:
        return SQLModel.metadata.tables[self.table]


class Unconfirmed:
    """Requests that nobody confirmed: dropped, as `cleaning` does it."""

    def find(self, session: Session, cutoff: datetime, after: int, *, full: bool) -> Sequence[int]:  # noqa: ARG002 - as others
        """Return the next rows; see `Work`."""
        return cleaning.pending(session, cutoff, after, BATCH)

    def let_go(self, session: Session, ids: Sequence[int], cutoff: datetime, now: datetime) -> None:
        """Drop them; who had left before stands as left again."""
        cleaning.drop_pending(session, cleaning.still_pending(session, ids, cutoff), now)


class NeverReaders:
    """People of whom nothing is there but a request that was dropped: their address goes, the evidence stays."""

    def find(self, session: Session, cutoff: datetime, after: int, *, full: bool) -> Sequence[int]:  # noqa: ARG002 - as others
        """Return the next rows; see `Work`."""
        query = select_columns(col(Subscriber.id)).where(col(Subscriber.id) > after, _never_reader(cutoff))
        return session.execute(query.order_by(col(Subscriber.id)).limit(BATCH)).scalars().all()

    def let_go(self, session: Session, ids: Sequence[int], cutoff: datetime, now: datetime) -> None:
        """Empty them, as erasing does, but for those who have asked again meanwhile."""
        mine = (col(Subscriber.id).in_(ids), _never_reader(cutoff))
        query = select_columns(col(Subscriber.id)).where(*mine).order_by(col(Subscriber.id)).with_for_update()
        still = session.execute(query).scalars().all()
        for table in (SubscriberTag, FieldValue):
            session.exec(delete(table).where(col(table.subscriber_id).in_(still)))
        session.exec(
            update(Consent).where(col(Consent.subscriber_id).in_(still), col(Consent.network) != "").values(network="")
        )
        values = {
            "address": "",
            "address_key": literal("erased:") + cast(col(Subscriber.id), String),
            "name": "",
            "language": "",
            "text_only": False,
            "paused_until": None,
            "erased_at": now,
        }
        session.connection().execute(update(Subscriber).where(col(Subscriber.id).in_(still)).values(values))


def first_since(session: Session, table: Table, time: str, moment: datetime) -> int:
    """Return the number from which on rows are of `moment` or later, where numbers are in the order of the time.

    Found by halving: some thirty rows are looked at, whatever their number.
    """
    low, high = 0, int(session.execute(select_columns(func.coalesce(func.max(table.c.id), 0))).scalar_one()) + 1
    while low < high:
        middle = (low + high) // 2
        row = session.execute(
            select_columns(table.c.id, table.c[time]).where(table.c.id >= middle).order_by(table.c.id).limit(1)
        ).first()
        if row is None or row[1] >= moment:
            high = middle
        else:
            low = int(row[0]) + 1
    return low


def _never_reader(cutoff: datetime) -> ColumnElement[bool]:
    mine = col(Subscription.subscriber_id) == col(Subscriber.id)
    was_reader = exists().where(
        col(Consent.subscriber_id) == col(Subscriber.id), col(Consent.action) != ConsentAction.REQUESTED
    )
    asked = exists().where(
        col(Consent.subscriber_id) == col(Subscriber.id),
        col(Consent.action) == ConsentAction.REQUESTED,
        col(Consent.at) < cutoff,
    )
    known = and_(col(Subscriber.created_at) < cutoff, col(Subscriber.erased_at).is_(None))
    return and_(known, ~exists().where(mine), asked, ~was_reader)


RULES: tuple[Rule, ...] = (
    Rule(
        "requests",
        UNCONFIRMED_DAYS,
        "requests to join that nobody confirmed",
        "their links work no more, and whoever got the mail may have asked for nothing",
        Unconfirmed(),
    ),
    Rule(
        "strangers",
        UNCONFIRMED_DAYS,
        "address and name of who asked and never confirmed anything",
        "they are no readers; that somebody asked stays as evidence, without who",
        NeverReaders(),
    ),
    Rule(
        "networks",
        NETWORK_DAYS,
        "networks (/24, /48) in the evidence of consent",
        "they show that a sign-up was no robot's, which is disputed within months or never",
        ByAge("consent", "at", lambda: col(Consent.network) != "", {"network": ""}, ordered=True),
    ),
    Rule(
        "links",
        REQUEST_DAYS,
        "links to a new address or to one's data, with the addresses in them",
        "they have ceased to work by then",
        ByAge("reader_request", "asked_at"),
    ),
    Rule(
        "letters",
        LETTER_DAYS,
        "which welcome and goodbye mails were sent",
        "after a week nothing asks for them",
        ByAge("letter", "caused_at"),
    ),
)
