"""Settling what is open: claims of workers that died, readers of whom nobody knows, decisions of people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from newsletter.delivery.ledger.recording import TAKEN_AS_SENT, record
from newsletter.delivery.ledger.rows import (
    JOURNAL,
    RELEASED,
    about,
    change,
    keep,
    ledger_id,
    lock_issue,
    new_chunk,
    note,
    reopen,
)
from newsletter.delivery.ledger.values import Claim, Reader
from newsletter.delivery.names import name_of
from newsletter.mail import Outcome, Status
from newsletter.models import Chunk, ChunkState, Delivery, DeliveryState, Issue

#: What a worker that died wrote down of an attempt, given the ledger's name, the attempt's number and the deliveries'
#: names; None when it wrote nothing that can be relied on.
Testimony = Callable[[str, int, Sequence[str]], list[Outcome] | None]


def no_testimony(ledger: str, attempt: int, names: Sequence[str]) -> list[Outcome] | None:  # noqa: ARG001 - as Testimony
    """Know nothing of any attempt."""
    return None


def hold_orphans(
    session: Session,
    issue_id: int,
    now: datetime,
    is_gone: Callable[[str], bool | None],
    testimony: Testimony = no_testimony,
) -> int:
    """Settle the claims of workers that are gone and return how many readers are uncertain now for that.

    `is_gone` tells of a worker by its name, or None when it cannot know: then the lease decides. What the worker's
    testimony says is believed; without one every reader of the claim is uncertain.
    """
    issue = lock_issue(session, issue_id)
    held = 0
    query = select(Chunk).where(Chunk.issue_id == issue_id, Chunk.state == ChunkState.CLAIMED).with_for_update()
    for chunk in session.exec(query).all():
        gone = is_gone(chunk.worker)
        if gone is None:
            gone = chunk.lease_until is not None and chunk.lease_until < now
        if not gone:
            continue
        for claimed in _claims_of(session, issue, chunk):
            told = testimony(ledger_id(session), claimed.attempt, [reader.delivery_id for reader in claimed.readers])
            if told is None:
                detail = f"{chunk.worker} stopped before the answer was recorded"
                told = [Outcome(one.delivery_id, Status.UNCERTAIN, detail) for one in claimed.readers]
            held += sum(1 for outcome in told if outcome.status is Status.UNCERTAIN)
            put_off, next_try = issue.put_off, issue.next_try_at
            record(session, claimed, told, now, by=JOURNAL)
            issue.put_off, issue.next_try_at = put_off, next_try  # a crash is no word of the provider
        chunk.state, chunk.lease_until = ChunkState.DONE, None
        session.add_all([issue, chunk])
    session.flush()
    return held


def _claims_of(session: Session, issue: Issue, chunk: Chunk) -> list[Claim]:
    """Return what a chunk's worker had claimed and did not record, as claims: one, unless rows were moved by hand."""
    query = (
        select(Delivery)
        .where(Delivery.issue_id == issue.id, Delivery.chunk == chunk.n, Delivery.state == DeliveryState.SENDING)
        .order_by(col(Delivery.id))
    )
    readers: dict[int, list[Reader]] = defaultdict(list)
    for row in session.exec(query):
        name = name_of(issue.name_key, row.id, row.subscriber_id)
        readers[row.attempt].append(Reader(row.id, name, row.address, "", 0, row.changed_at))
    return [
        Claim(issue.id, chunk.id, chunk.n, attempt, chunk.tries, tuple(found), "", issue.drafted_at, chunk.text_only)
        for attempt, found in readers.items()
    ]


def accept(session: Session, issue: Issue, now: datetime, by: str, *, only: Iterable[Any] = ()) -> int:
    """Take uncertain deliveries as sent, because somebody says so; `only` narrows them. Returns how many."""
    mine = _of(issue, DeliveryState.UNCERTAIN, only)
    found = about(session, mine)
    change(session, mine, state=DeliveryState.ACCEPTED, detail=f"{TAKEN_AS_SENT}", changed_at=now)
    keep(session, [note(attempt, Status.ACCEPTED, by, now, detail=TAKEN_AS_SENT, delivery=n) for n, attempt in found])
    return len(found)


def plan_again(
    session: Session, issue: Issue, state: DeliveryState, now: datetime, by: str, *, only: Iterable[Any] = ()
) -> int:
    """Plan uncertain or rejected deliveries again, because somebody says so. Returns how many."""
    detail = f"was {state}; to be sent again, decided by {by}"
    return give_free(session, issue, state, now, by, detail=detail, only=only)


def give_free(
    session: Session,
    issue: Issue,
    state: DeliveryState,
    now: datetime,
    by: str,
    *,
    detail: str,
    only: Iterable[Any] = (),
    status: str = RELEASED,
) -> int:
    """Plan deliveries in `state` again in a chunk of their own, and keep for each that its attempt was released."""
    reopen(lock_issue(session, issue.id))
    mine = _of(issue, state, only)
    found = about(session, mine)
    if not found:
        return 0
    n = new_chunk(session, issue.id).n
    change(session, mine, state=DeliveryState.PLANNED, chunk=n, detail=detail, changed_at=now)
    keep(session, [note(attempt, status, by, now, detail=detail, delivery=number) for number, attempt in found])
    return len(found)


def _of(issue: Issue, state: DeliveryState, only: Iterable[Any]) -> tuple[Any, ...]:
    return (col(Delivery.issue_id) == issue.id, col(Delivery.state) == state, *only)
