"""Recording: what became of a claim's readers, written in one transaction with what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import exists
from sqlmodel import Session, col, select

from newsletter.delivery import pace, rates
from newsletter.delivery.ledger.outcomes import Settled, settle
from newsletter.delivery.ledger.rows import (
    DUPLICATE,
    RELEASED,
    WORKER,
    change,
    keep,
    lock_chunk,
    lock_issue,
    new_chunk,
    note,
    outcome_row,
    reopen,
    write,
)
from newsletter.delivery.ledger.values import ANY_TERMS, Claim, Reader, Terms
from newsletter.mail import Outcome, Status
from newsletter.models import AttemptOutcome, ChunkState, Delivery, DeliveryState, Issue, IssueState

#: The wait after the provider could not be reached or had no time; it doubles, up to the longest.
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=15)
#: The wait after the first deferral; it doubles with each further one.
FIRST_BACKOFF = timedelta(minutes=5)
#: The words that an admin's decision leaves: they say nothing about the provider.
TAKEN_AS_SENT = "taken as sent by an admin"


class Recorded(NamedTuple):
    """What recording came to: whether the next chunk may be sent now, and which chunks have readers that are open."""

    go_on: bool
    open_chunks: list[int]


def record(
    session: Session,
    claimed: Claim,
    outcomes: Sequence[Outcome],
    now: datetime,
    *,
    terms: Terms = ANY_TERMS,
    by: str = WORKER,
) -> Recorded:
    """Write down what became of each reader of a claim; tell whether the next chunk may be sent now.

    An outcome counts only for the claim it belongs to (by attempt), also when the lease had run out meanwhile. To call
    it again, when the answer to the commit was lost, changes nothing.
    """
    issue = lock_issue(session, claimed.issue_id)
    chunk = lock_chunk(session, claimed.chunk_id)
    late = chunk.state is not ChunkState.CLAIMED  # others have settled the claim meanwhile, or we have
    refused = any(outcome.status is Status.REFUSED for outcome in outcomes)
    settled = settle(claimed, outcomes, anybody_accepted=refused and _anybody_accepted(session, claimed.issue_id))
    if late and by == WORKER and _has_told(session, claimed):
        return Recorded(not settled.not_tried, [])
    told_later = len(settled.later) + len(settled.not_tried)
    if told_later:
        settled.keep_only(_still_open(session, claimed))
    _learn(session, claimed, settled, terms, now)
    moved_to = _defer(session, claimed, settled.later, now) + _queue(session, claimed, settled.not_tried, now)
    _write_final(session, claimed, settled, now)
    keep(session, _notes(claimed, settled, by, now))
    if late:
        keep(session, _second_mails(session, claimed, settled, by, now))
    if settled.later or settled.not_tried:
        reopen(issue)
    _wait_or_go_on(issue, settled, now)
    chunk.state, chunk.lease_until = ChunkState.DONE, None
    session.add_all([issue, chunk])
    session.flush()
    unsure = any(follows.state is DeliveryState.UNCERTAIN for _, follows, _ in settled.final)
    return Recorded(not settled.not_tried, [*moved_to, claimed.n] if unsure else moved_to)


def release(session: Session, claimed: Claim, reason: str, now: datetime, *, terms: Terms = ANY_TERMS) -> None:
    """Give a claim back unsent, because the provider takes nothing; with a reason the issue waits for a person.

    To call it again changes nothing: the chunk may be with another worker by then.
    """
    issue = lock_issue(session, claimed.issue_id)
    chunk = lock_chunk(session, claimed.chunk_id)
    if _has_told(session, claimed):
        return
    open_numbers = _still_open(session, claimed)
    rows = [outcome_row(number, claimed.attempt, DeliveryState.PLANNED) for number in open_numbers]
    write(session, rows, now)
    keep(session, [note(claimed.attempt, RELEASED, WORKER, now, detail=reason, readers=len(rows))])
    if terms.limits:
        _settle_rates(session, claimed, terms, now, sent=[], rest=claimed.readers)
    reopen(issue)
    issue.reason = reason or issue.reason
    chunk.state, chunk.worker, chunk.lease_until = ChunkState.PLANNED, "", None
    session.add_all([issue, chunk])
    session.flush()


def finish(session: Session, issue_id: int, now: datetime) -> None:
    """Mark the issue sent when no reader is left to send to and its time has come."""
    issue = lock_issue(session, issue_id)  # what is waiting is looked at once nobody else can add to it
    if issue.state is not IssueState.SENDING or (issue.scheduled_for is not None and issue.scheduled_for > now):
        return
    open_states = [DeliveryState.PLANNED, DeliveryState.SENDING]
    waiting = exists().where(col(Delivery.issue_id) == issue_id, col(Delivery.state).in_(open_states))
    if session.exec(select(waiting)).one():
        return
    issue.state, issue.sent_at, issue.reason, issue.next_try_at = IssueState.SENT, now, "", None
    session.add(issue)
    session.flush()


def _learn(session: Session, claimed: Claim, settled: Settled, terms: Terms, now: datetime) -> None:
    """Keep what the answer says about the account: its pace, and what was really used of its rates."""
    if terms.first:
        answered = sum(1 for _, follows, _ in settled.final if follows.state is not DeliveryState.UNCERTAIN)
        taken = answered if settled.anybody_accepted else 0  # who was rejected by name was looked at
        pace.learn(session, claimed.provider, terms.first, terms.full, taken, len(claimed.readers), now)
    if terms.limits:
        sent = [reader for reader, _, _ in settled.final] + [reader for reader, _ in settled.later]
        _settle_rates(session, claimed, terms, now, sent=sent, rest=[reader for reader, _ in settled.not_tried])


def _settle_rates(
    session: Session, claimed: Claim, terms: Terms, now: datetime, *, sent: Sequence[Reader], rest: Sequence[Reader]
) -> None:
    went, not_tried = [reader.address for reader in sent], [reader.address for reader in rest]
    rates.settle(
        session, terms.limits, claimed.provider, terms.sender_domain,
        sent=went, not_tried=not_tried, booked_at=claimed.at, now=now,
    )  # fmt: skip


def _defer(session: Session, claimed: Claim, later: Sequence[tuple[Reader, Outcome]], now: datetime) -> list[int]:
    """Move deferred readers into a chunk of their own that is due after the back-off, or when their server asked."""
    if not later:
        return []
    asked = max(outcome.retry_after or 0 for _, outcome in later)
    wait = max(timedelta(seconds=asked), FIRST_BACKOFF * 2**claimed.tries)
    tries, form = claimed.tries + 1, claimed.text_only
    n = new_chunk(session, claimed.issue_id, tries=tries, not_before=now + wait, text_only=form).n
    rows = [outcome_row(one.number, claimed.attempt, DeliveryState.PLANNED, told.detail) for one, told in later]
    write(session, rows, now, chunk=n)
    return [n]


def _queue(session: Session, claimed: Claim, rest: Sequence[tuple[Reader, Outcome]], now: datetime) -> list[int]:
    """Move who was not tried to the end of the queue, so that the same readers do not come first for ever."""
    if not rest:
        return []
    n = new_chunk(session, claimed.issue_id, tries=claimed.tries, text_only=claimed.text_only).n
    rows = [outcome_row(one.number, claimed.attempt, DeliveryState.PLANNED) for one, _ in rest]
    write(session, rows, now, chunk=n)
    return [n]


def _write_final(session: Session, claimed: Claim, settled: Settled, now: datetime) -> None:
    """Write the states that are decided: with one statement where all readers had the same answer."""
    answers = {(follows.state, follows.detail, outcome.reference) for _, follows, outcome in settled.final}
    if len(answers) == 1 and len(settled.final) == len(claimed.readers):
        state, detail, reference = answers.pop()
        _, detail, reference, *_ = outcome_row(0, claimed.attempt, state, detail, reference)
        values = {"state": state, "detail": detail, "reference": reference, "changed_at": now}
        open_states = [DeliveryState.SENDING, DeliveryState.UNCERTAIN]
        mine = (
            Delivery.issue_id == claimed.issue_id,
            Delivery.chunk == claimed.n,
            Delivery.attempt == claimed.attempt,
            col(Delivery.state).in_(open_states),
        )
        if change(session, mine, **values) == len(claimed.readers):
            return
    rows = [
        outcome_row(reader.number, claimed.attempt, follows.state, follows.detail, outcome.reference)
        for reader, follows, outcome in settled.final
    ]
    write(session, rows, now)


def _notes(claimed: Claim, settled: Settled, by: str, now: datetime) -> list[dict[str, Any]]:
    """Return what is kept for good of an attempt: how many were accepted and not tried, and every other reader's."""
    notes = []
    accepted: Counter[str] = Counter()
    said: dict[str, str] = {}
    for reader, follows, outcome in settled.final:
        if follows.state is DeliveryState.ACCEPTED:
            # SMTP has a reference for each message: those are with the deliveries.
            reference = outcome.reference if outcome.reference != outcome.detail else ""
            accepted[reference] += 1
            said[reference] = outcome.detail
        else:
            notes.append(_note_of(claimed, reader, outcome, by, now))
    notes += [_note_of(claimed, reader, outcome, by, now) for reader, outcome in settled.later]
    for reference, count in accepted.items():
        detail = said[reference] if reference or len(accepted) == 1 else ""
        notes.append(note(claimed.attempt, Status.ACCEPTED, by, now, detail=detail, reference=reference, readers=count))
    if settled.not_tried:
        told = settled.not_tried[0][1]
        count = len(settled.not_tried)
        notes.append(note(claimed.attempt, told.status, by, now, detail=told.detail, readers=count))
    return notes


def _second_mails(session: Session, claimed: Claim, settled: Settled, by: str, now: datetime) -> list[dict[str, Any]]:
    """Return what is kept of readers who were accepted in an attempt after another one had them: told, never hidden."""
    taken = [reader.number for reader, follows, _ in settled.final if follows.state is DeliveryState.ACCEPTED]
    another = (
        col(Delivery.id).in_(taken),
        col(Delivery.attempt) != claimed.attempt,
        col(Delivery.state).in_([DeliveryState.ACCEPTED, DeliveryState.SENDING, DeliveryState.UNCERTAIN]),
        col(Delivery.attempt) != 0,
    )
    detail = "the worker reported late, when it had been sent again"
    return [
        note(claimed.attempt, DUPLICATE, by, now, detail=detail, delivery=number)
        for number in session.exec(select(Delivery.id).where(*another))
    ]


def _note_of(claimed: Claim, reader: Reader, outcome: Outcome, by: str, now: datetime) -> dict[str, Any]:
    return note(claimed.attempt, outcome.status, by, now, detail=outcome.detail, delivery=reader.number)


def _wait_or_go_on(issue: Issue, settled: Settled, now: datetime) -> None:
    """Set when the issue may be tried again. A hold and a wait that another worker was told stay as they are."""
    if settled.anybody_accepted:
        issue.put_off = 0  # there is progress: the waits begin anew
    if settled.not_tried:
        wait = settled.retry_after or min(FIRST_WAIT * 2 ** min(issue.put_off, 8), LONGEST_WAIT).total_seconds()
        until = now + timedelta(seconds=wait)
        issue.next_try_at, issue.put_off = max(until, issue.next_try_at or until), issue.put_off + 1
        issue.reason = settled.refusal or issue.reason
    elif issue.next_try_at is not None and issue.next_try_at <= now:
        issue.next_try_at = None


def _has_told(session: Session, claimed: Claim) -> bool:
    """Tell whether the worker's own word about its claim is in the ledger."""
    told = (col(AttemptOutcome.attempt_id) == claimed.attempt, col(AttemptOutcome.by) == WORKER)
    return bool(session.exec(select(exists().where(*told))).one())


def _still_open(session: Session, claimed: Claim) -> set[int]:
    """Return the deliveries of a claim that wait for its outcome: nobody planned them again or settled them since."""
    open_states = [DeliveryState.SENDING, DeliveryState.UNCERTAIN]
    query = select(Delivery.id).where(
        col(Delivery.issue_id) == claimed.issue_id,
        col(Delivery.attempt) == claimed.attempt,
        col(Delivery.id).in_([reader.number for reader in claimed.readers]),
        col(Delivery.state).in_(open_states),
    )
    return set(session.exec(query))


def _anybody_accepted(session: Session, issue_id: int) -> bool:
    """Tell whether the provider has taken anybody's copy; a person's word for it does not count."""
    accepted = (
        col(Delivery.issue_id) == issue_id,
        col(Delivery.state) == DeliveryState.ACCEPTED,
        col(Delivery.detail) != TAKEN_AS_SENT,
    )
    return bool(session.exec(select(exists().where(*accepted))).one())
