"""Two lists into one: the readers of one join the other, a batch a transaction, with evidence for each.

A subscription moves as it is, so that the links in every mail that was sent for it go on working: who unsubscribes with
an old mail leaves the list that they are on now. Where one was on both, a link of the source leaves the target, too
(`followed`).
Who left either list stays left; who never confirmed is not moved.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, exists, insert, literal
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select, update

from subscribers.addresses import one_line
from subscribers.columns import UtcDateTime, word_type
from subscribers.errors import SubscriberError
from subscribers.lists import open_only
from subscribers.models import Consent, ConsentAction, MailingList, Subscription, SubscriptionState

#: Subscriptions of one transaction. On SQLite everybody else who writes waits for it, some tenths of a second.
BATCH = 20_000
#: How often a batch is tried while others sign up for the target at the same time.
_TRIES = 5

#: Opens a session that may write and commits at its end, such as `Database.transaction`.
Transaction = Callable[[], AbstractContextManager[Session]]


class CannotMerge(SubscriberError):
    """The lists cannot be merged as asked."""


@dataclass(frozen=True)
class Merged:
    """What a merge does to the readers who are on the source, or did."""

    #: Were not on the target in any way, or had asked for it and not confirmed.
    joined: int
    #: Were on the target, too.
    already: int
    #: Had left the target, and stay out.
    left_target: int
    #: Had asked for the source and never confirmed: nothing becomes of their requests.
    pending: int
    #: Had left the source. They are on the target all the same, where they joined it themselves.
    left_source: int
    left_source_on_target: int


def plan_merge(session: Session, source: MailingList, target: MailingList) -> Merged:
    """Return what a merge of two lists would do. Raises CannotMerge."""
    if source.id == target.id:
        raise CannotMerge("Name two lists: a list cannot be merged into itself.")
    if target.archived_at:
        raise CannotMerge(
            f"The list {target.slug} is archived, so nobody can join it. Open it again before, "
            f"with `newsletter list unarchive {target.slug}`."
        )
    confirmed, left, pending = SubscriptionState.CONFIRMED, SubscriptionState.LEFT, SubscriptionState.PENDING
    both = _count_both(session, source.id, target.id)
    whole = dict(
        session.exec(
            select(col(Subscription.state), func.count())
            .where(Subscription.list_id == source.id)
            .group_by(col(Subscription.state))
        ).all()
    )
    already, gone = both.get((confirmed, confirmed), 0), both.get((confirmed, left), 0)
    return Merged(
        joined=whole.get(confirmed, 0) - already - gone,
        already=already,
        left_target=gone,
        pending=whole.get(pending, 0),
        left_source=whole.get(left, 0),
        left_source_on_target=both.get((left, confirmed), 0),
    )


def checked_statement(consent: str) -> str:
    """Return why readers may be put on the other list, as one line. Raises CannotMerge when nothing is said."""
    statement = one_line(consent, len(consent))
    if not statement:
        raise CannotMerge("Say with --consent why these readers may be put on the other list; it is kept as evidence.")
    return statement


def merge(
    transaction: Transaction,
    source: MailingList,
    target: MailingList,
    *,
    consent: str,
    now: datetime,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Let the readers of one list join another and return how many did; `consent` says why they may, as evidence.

    After an interruption the batches before stay in, and merging again goes on. Raises CannotMerge without a statement.
    """
    batch = _Batch(source, target, checked_statement(consent), now)
    with transaction() as session:
        session.exec(update(MailingList).where(col(MailingList.id) == source.id).values(merged_into=target.id))
    joined, after = 0, 0
    while True:
        with transaction() as session:
            last = _last_of_batch(session, source.id, after)
        if last is None:
            return joined
        window = and_(col(Subscription.id) > after, col(Subscription.id) <= last)
        joined += _try_batch(transaction, batch, window)
        after = last
        if progress:
            progress(joined)


def followed(session: Session, row: Subscription) -> list[Subscription]:
    """Return a reader's subscriptions of the lists that the list of one was merged into, one after the other.

    A list that was opened again stands for itself.
    """
    found: list[Subscription] = []
    seen = {row.list_id}
    current = row.list_id
    while True:
        merged = select(MailingList.merged_into).where(MailingList.id == current, ~open_only())
        target = session.exec(merged).first()
        if target is None or target in seen:
            return found
        seen.add(target)
        current = target
        theirs = select(Subscription).where(
            Subscription.subscriber_id == row.subscriber_id, Subscription.list_id == target
        )
        found += session.exec(theirs, execution_options={"populate_existing": True}).all()


@dataclass(frozen=True)
class _Batch:
    source: MailingList
    target: MailingList
    statement: str
    now: datetime

    def evidence(self, subscriptions: Any) -> Any:
        """Return the statement that adds a line of evidence for each reader of a query of subscriptions."""
        columns = ["subscriber_id", "list_id", "action", "at", "source", "wording", "network"]
        rows = select_columns(
            subscriptions.c.subscriber_id,
            literal(self.target.id),
            literal(ConsentAction.IMPORTED, word_type(ConsentAction)),
            literal(self.now, UtcDateTime()),
            literal(f"merged from the list {self.source.slug}"),
            literal(self.statement),
            literal(""),
        )
        return insert(Consent).from_select(columns, rows)


def _try_batch(transaction: Transaction, batch: _Batch, window: ColumnElement[bool]) -> int:
    """Merge one batch. Who signs up for the target between two statements makes it begin again, and is seen then."""
    for _ in range(_TRIES - 1):
        try:
            with transaction() as session:
                return _merge_batch(session, batch, window)
        except IntegrityError:
            continue
    with transaction() as session:
        return _merge_batch(session, batch, window)


def _merge_batch(session: Session, batch: _Batch, window: ColumnElement[bool]) -> int:
    theirs = aliased(Subscription)
    same_reader = and_(
        col(theirs.subscriber_id) == col(Subscription.subscriber_id), col(theirs.list_id) == batch.target.id
    )
    here = and_(
        col(Subscription.list_id) == batch.source.id, col(Subscription.state) == SubscriptionState.CONFIRMED, window
    )
    new = and_(here, ~exists().where(same_reader))
    move = update(Subscription).where(new).values(list_id=batch.target.id)
    return _change(session, batch, new, move) + _confirm_waiting(session, batch, here)


def _change(session: Session, batch: _Batch, who: ColumnElement[bool], change: Update) -> int:
    """Change the subscriptions of a condition, with a line of evidence for each; return how many."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":  # where others write at the same time, it must be the same readers
        changed = change.returning(col(Subscription.subscriber_id).label("subscriber_id")).cte("changed")
        evidence = batch.evidence(changed).execution_options(preserve_rowcount=True)
        return int(connection.execute(evidence).rowcount)
    mine = select_columns(col(Subscription.subscriber_id).label("subscriber_id")).where(who).subquery()
    connection.execute(batch.evidence(mine))
    return int(connection.execute(change).rowcount)


def _confirm_waiting(session: Session, batch: _Batch, here: ColumnElement[bool]) -> int:
    """Confirm those who had asked for the target and are on the source: the statement holds for them as for others."""
    mine = aliased(Subscription, select_columns(Subscription).where(here).subquery())
    waits = and_(
        col(Subscription.list_id) == batch.target.id,
        col(Subscription.state) == SubscriptionState.PENDING,
        col(Subscription.subscriber_id).in_(select_columns(col(mine.subscriber_id))),
    )
    on_it = {"state": SubscriptionState.CONFIRMED, "changed_at": batch.now, "asked_with": None, "answers": None}
    confirm = update(Subscription).where(waits).values(on_it)
    return _change(session, batch, waits, confirm)


def _last_of_batch(session: Session, list_id: int, after: int) -> int | None:
    """Return the last subscription of the next batch, or None when there is none."""
    ids = (
        select_columns(col(Subscription.id))
        .where(
            col(Subscription.list_id) == list_id,
            col(Subscription.state) == SubscriptionState.CONFIRMED,
            col(Subscription.id) > after,
        )
        .order_by(col(Subscription.id))
        .limit(BATCH)
        .subquery()
    )
    found: int | None = session.execute(select_columns(func.max(ids.c.id))).scalar_one()
    return found


def _count_both(
    session: Session, source_id: int, target_id: int
) -> dict[tuple[SubscriptionState, SubscriptionState], int]:
    """Return how many readers know both lists, by their states on the two."""
    theirs = aliased(Subscription)
    states = (col(Subscription.state), col(theirs.state))
    query = (
        select_columns(*states, func.count())
        .join(theirs, col(theirs.subscriber_id) == col(Subscription.subscriber_id))
        .where(col(Subscription.list_id) == source_id, col(theirs.list_id) == target_id)
        .group_by(*states)
    )
    return {(mine, other): int(count) for mine, other, count in session.execute(query)}
