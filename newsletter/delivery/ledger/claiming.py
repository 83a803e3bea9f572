"""Claiming: a worker takes the next chunk that is due, and who has left since planning drops out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func
from sqlmodel import Session, col, select

from newsletter.delivery import pace, rates
from newsletter.delivery.audience import Receivers, receivers
from newsletter.delivery.ledger.rows import change, lock_issue, new_chunk
from newsletter.delivery.ledger.values import ANY_TERMS, LEASE, Claim, Reader, Terms
from newsletter.delivery.names import Names
from newsletter.models import Attempt, Chunk, ChunkState, Delivery, DeliveryState, Edition, Issue, IssueState
from subscribers.models import Subscriber, Subscription
from subscribers.suppression import may_receive

#: Why a reader dropped out between the planning and the claim.
_GONE = "left or suppressed before it was sent"
_PAUSED = "paused before it was sent"
_NOT_DUE = "chose one issue a month before it was sent, and had this month's"
#: So many readers of one claim who wait for the same domain get a chunk of their own; fewer wait together with others.
_OWN_CHUNK = 50
#: More than any chunk has.
_ANY = 1_000_000


def claim(session: Session, issue_id: int, worker: str, now: datetime, terms: Terms = ANY_TERMS) -> Claim | None:
    """Take the next chunk that is due, or as much of it as the terms allow; None when nothing may be sent now.

    Who left, was suppressed or paused since planning drops out here. The issue's row is locked, so that what another
    worker is just recording is seen before anybody is handed out. Where a rate is used up, the issue waits until it is
    not.
    """
    issue = lock_issue(session, issue_id)
    waiting = issue.next_try_at is not None and issue.next_try_at > now
    if issue.state is not IssueState.SENDING or issue.reason or waiting:
        return None
    issue.next_try_at = None  # that wait is over
    chunk = _next_chunk(session, issue_id, now)
    if chunk is None:
        return None
    most = pace.limit(session, terms.provider, terms.first, terms.full or _ANY)
    allowed = rates.allow(session, terms.limits, terms.provider, terms.sender_domain, most, now)
    if not allowed.count:
        issue.next_try_at = allowed.until
        session.add(issue)
        return None
    rows, there = _wanting(session, issue, chunk, allowed.count, at=terms.send_at or now, now=now)
    now_possible = _within_domains(session, chunk, _of_form(session, chunk, rows), terms, now)
    there, rows = there - len(rows) + len(now_possible), now_possible
    taken = chunk if there == len(rows) else _part(session, chunk, rows)
    attempt = _begin_attempt(session, taken, len(rows), worker, now, terms=terms)
    rates.book(session, terms.limits, terms.provider, terms.sender_domain, len(rows), now)
    name_of = Names(issue.name_key).of
    readers = tuple(
        [
            Reader(number, name_of(number, subscriber), address, name, subscription, since)
            for number, subscriber, address, name, subscription, since, _ in rows
        ]
    )
    return Claim(issue_id, taken.id, taken.n, attempt, taken.tries, readers, terms.provider, now, taken.text_only)


def _next_chunk(session: Session, issue_id: int, now: datetime) -> Chunk | None:
    """Return the next chunk that is due and that no other worker is taking, locked."""
    not_before = col(Chunk.not_before)
    due = (
        Chunk.issue_id == issue_id,
        Chunk.state == ChunkState.PLANNED,
        not_before.is_(None) | (not_before <= now),
    )
    query = select(Chunk).where(*due).order_by(col(Chunk.n)).limit(1)
    return session.exec(query.with_for_update(skip_locked=True)).first()


def _wanting(
    session: Session, issue: Issue, chunk: Chunk, most: int, *, at: datetime, now: datetime
) -> tuple[list[Any], int]:
    """Return at most `most` readers of a chunk who want the issue `at` a time, and how many it has; others drop out."""
    edition = session.get_one(Edition, issue.edition_id)
    wanting = receivers(session, issue, edition, at)
    mine = (Delivery.issue_id == issue.id, Delivery.chunk == chunk.n, Delivery.state == DeliveryState.PLANNED)
    rows = _rows(session, wanting, issue.id, chunk.n, most)
    there = _count(session, mine)
    if len(rows) < min(there, most):
        there -= _drop_gone(session, edition.list_id, wanting, mine, at=at, now=now)
        # On PostgreSQL more may have left since the first look.
        rows = _rows(session, wanting, issue.id, chunk.n, most)
    return rows, there


def _drop_gone(
    session: Session, list_id: int, wanting: Receivers, mine: tuple[Any, ...], *, at: datetime, now: datetime
) -> int:
    """Mark the deliveries of a chunk whose readers do not want the issue any more, with why; return how many."""
    pausing_too = may_receive(list_id, None)
    reasons = ((pausing_too, _GONE), (may_receive(list_id, at), _PAUSED), (wanting, _NOT_DUE))
    dropped = 0
    for query, detail in reasons:
        readers = query.subquery()
        stays = sa.exists().where(readers.c.subscriber_id == col(Delivery.subscriber_id))
        dropped += change(session, (*mine, ~stays), state=DeliveryState.SUPPRESSED, detail=detail, changed_at=now)
    return dropped


def _rows(session: Session, wanting: Receivers, issue_id: int, chunk: int, most: int) -> list[Any]:
    """Return number, subscriber, address, name, subscription, since when, and text only, of readers of a chunk.

    Their subscriptions are locked until the claim is committed: who leaves or pauses meanwhile does after it (F7).
    """
    delivery: Any = Delivery.__table__  # type: ignore[attr-defined] # rows as they are: a million are read
    people: Any = Subscription.__table__, Subscriber.__table__  # type: ignore[attr-defined]
    query: Select[Any] = (
        wanting.with_only_columns(delivery.c.id, *wanting.selected_columns)
        .join(delivery, delivery.c.subscriber_id == people[1].c.id)
        .where(delivery.c.issue_id == issue_id, delivery.c.chunk == chunk, delivery.c.state == DeliveryState.PLANNED)
        .order_by(delivery.c.id)
        .limit(most)
        .with_for_update(read=True, of=people)
    )
    return list(session.connection().execute(query).fetchall())


def _of_form(session: Session, chunk: Chunk, rows: list[Any]) -> list[Any]:
    """Return the readers who want mails as the chunk's are; who chose otherwise since goes into another chunk."""
    others = [row[0] for row in rows if row[-1] is not chunk.text_only]
    if not others:
        return rows
    other = not chunk.text_only
    n = new_chunk(session, chunk.issue_id, tries=chunk.tries, text_only=other, waits_for=chunk.waits_for).n
    change(session, [col(Delivery.id).in_(others)], chunk=n)
    return [row for row in rows if row[-1] is chunk.text_only]


def _count(session: Session, mine: tuple[Any, ...]) -> int:
    return session.exec(select(func.count()).select_from(Delivery).where(*mine)).one()


def _within_domains(session: Session, chunk: Chunk, rows: list[Any], terms: Terms, now: datetime) -> list[Any]:
    """Return the readers whose servers may be sent to now; the others go into chunks of their own for later."""
    until = rates.domains(session, terms.limits, terms.provider, [row[2] for row in rows], now)
    if not until:
        return rows
    domains = {position: rates.domain_of(rows[position][2]) for position in until}
    waiting = Counter(domains.values())
    later: dict[tuple[datetime, str], list[int]] = defaultdict(list)
    for position, moment in until.items():
        domain = domains[position]
        later[moment, domain if waiting[domain] >= _OWN_CHUNK else ""].append(rows[position][0])
    for (moment, domain), numbers in later.items():
        n = new_chunk(
            session, chunk.issue_id, tries=chunk.tries, not_before=moment, waits_for=domain, text_only=chunk.text_only
        ).n
        change(session, [col(Delivery.id).in_(numbers)], chunk=n)
        if domain:
            _wait_too(session, chunk.issue_id, domain, moment, now)
    return [row for position, row in enumerate(rows) if position not in until]


def _wait_too(session: Session, issue_id: int, domain: str, moment: datetime, now: datetime) -> None:
    """Let everything else that waits for a domain wait until then: to look into it would only find that out again.

    A million readers of one domain would otherwise all be read and moved each time that a few of them may go.
    """
    due: tuple[Any, ...] = (
        Chunk.issue_id == issue_id,
        Chunk.state == ChunkState.PLANNED,
        Chunk.waits_for == domain,
        col(Chunk.not_before) <= now,
    )
    statement = sa.update(Chunk).where(*due).values(not_before=moment)
    session.execute(statement.execution_options(synchronize_session=False))


def _part(session: Session, chunk: Chunk, rows: Sequence[Any]) -> Chunk:
    """Return a new chunk made of these readers of a chunk; the others stay where they are, for another claim."""
    part = new_chunk(session, chunk.issue_id, tries=chunk.tries, text_only=chunk.text_only)
    change(session, [col(Delivery.id).in_([row[0] for row in rows])], chunk=part.n)
    return part


def _begin_attempt(session: Session, chunk: Chunk, readers: int, worker: str, now: datetime, *, terms: Terms) -> int:
    """Write down the attempt before anything is sent, and mark its readers; return its number."""
    chunk.state = ChunkState.CLAIMED if readers else ChunkState.DONE
    chunk.worker, chunk.lease_until = worker, now + LEASE if readers else None
    session.add(chunk)
    if not readers:
        session.flush()
        return 0
    attempt = Attempt(
        issue_id=chunk.issue_id,
        chunk=chunk.n,
        worker=worker,
        provider=terms.provider,
        readers=readers,
        batch=terms.batch,
        send_at=terms.send_at,
        at=now,
    )
    session.add(attempt)
    session.flush()
    address = select(Subscriber.address).where(col(Subscriber.id) == Delivery.subscriber_id).scalar_subquery()
    mine = (Delivery.issue_id == chunk.issue_id, Delivery.chunk == chunk.n, Delivery.state == DeliveryState.PLANNED)
    change(session, mine, state=DeliveryState.SENDING, attempt=attempt.id, address=address, changed_at=now)
    return attempt.id
