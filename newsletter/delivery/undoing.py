"""Stopping a sending: pausing it, taking back what a provider was handed over in advance, calling the rest off.

While a batch is taken back nobody knows whether the provider sends it, so its readers are uncertain for as long:

    accepted --its batch is to be cancelled--> uncertain --the provider says that it is--> planned

A crash, a lost answer or a no of the provider leaves them so, and `reconcile` finds out. Nobody counts as accepted
whose mail may have been cancelled, and nobody is sent to again whose mail may go out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, func, select

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Testimony, no_testimony
from newsletter.delivery.ledger.rows import CANCELLED, CANCELLING, change, keep, lock_issue, note
from newsletter.delivery.workers import is_gone
from newsletter.errors import ProviderRefused, Refused
from newsletter.models import (
    Attempt,
    AttemptOutcome,
    Chunk,
    ChunkState,
    Delivery,
    DeliveryState,
    Issue,
    IssueState,
)
from newsletter.providers import Provider, Scheduling

#: The provider's clock and ours may differ by so much.
MARGIN = timedelta(minutes=1)
_PAUSED = "paused by "
_ONCE_HANDED_OVER = (DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN)
#: Seconds for the workers that are just handing over, before a batch is taken back without theirs.
_PATIENCE = 60


@dataclass(frozen=True)
class Undone:
    """What taking an issue back came to: how many readers are free again, and how many still get it."""

    freed: int
    #: Accepted or uncertain after all: sent before, or the provider would not give them back.
    kept: int
    #: Just being handed over by a worker.
    sending: int
    #: Why batches were not given back, in the provider's words.
    problems: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nobody gets the issue now."""
        return not self.kept and not self.sending


@dataclass(frozen=True)
class Batch:
    """Readers that a provider has together, and sends to later."""

    name: str
    #: As the ledger knows it.
    provider: str
    send_at: datetime
    readers: int


def pause(session: Session, issue: Issue, by: str) -> None:
    """Keep the rest of an issue from being sent until it is resumed. Raises Refused when nothing is left to pause."""
    if issue.state not in {IssueState.APPROVED, IssueState.SENDING}:
        raise Refused(f"The issue is {issue.state}: there is nothing to pause.")
    issue.reason = f"{_PAUSED}{by}"
    session.add(issue)
    session.flush()


def is_paused(issue: Issue) -> bool:
    """Tell whether a person paused the issue and nobody has resumed it."""
    return issue.reason.startswith(_PAUSED)


def last_moment(send_at: datetime, provider: Scheduling) -> datetime:
    """Return until when what is to be sent at `send_at` can surely be taken back. Pure."""
    return send_at - provider.cancel_before - MARGIN


def may_undo(issue: Issue, provider: Provider | None, now: datetime) -> str:
    """Return why the issue cannot be taken back, as a sentence; "" when it can. Pure."""
    if issue.scheduled_for is None:
        return "It was not handed over in advance: what the provider was given, it has sent."
    if provider is None or not isinstance(provider, Scheduling):
        return "The provider in the settings is not the one that has it: it gives nothing back."
    last = last_moment(issue.scheduled_for, provider)
    if now > last:
        return f"It could be taken back until {last:%H:%M} UTC; the provider promises nothing after that."
    return ""


def why_not_undo(session: Session, issue: Issue, providers: Mapping[str, Provider], now: datetime) -> str:
    """Return why nothing of an issue can be taken back, as a sentence; "" when something can.

    Also "" when the provider is to send it later and was handed over nothing yet.
    """
    if issue.scheduled_for is None and issue.state not in {IssueState.SENDING, IssueState.SENT, IssueState.CANCELLED}:
        return "The provider has nothing of it: its sending has not begun, or it was taken back already."
    if issue.scheduled_for is None:
        return may_undo(issue, None, now)
    names = {batch.provider for batch in batches(session, issue.id, now)}
    reasons = [may_undo(issue, providers.get(name), now) for name in sorted(names)]
    if not names and now >= issue.scheduled_for:
        return f"Its time was {issue.scheduled_for:%Y-%m-%d %H:%M} UTC: there is nothing left to take back."
    return reasons[0] if reasons and all(reasons) else ""


def batches(session: Session, issue_id: int, now: datetime) -> list[Batch]:
    """Return what providers have of an issue and send later, in the order of their names."""
    columns = (col(Attempt.batch), col(Attempt.provider), col(Attempt.send_at))
    query = (
        select_columns(*columns, func.count())
        .join(Delivery, col(Delivery.attempt) == col(Attempt.id))
        .where(col(Attempt.issue_id) == issue_id, col(Attempt.batch) != "", col(Attempt.send_at) > now)
        .where(col(Delivery.issue_id) == issue_id, col(Delivery.state).in_(_ONCE_HANDED_OVER))
        .group_by(*columns)
        .order_by(col(Attempt.batch))
    )
    return [Batch(*row) for row in session.execute(query)]


def undo(
    db: Database,
    issue_id: int,
    providers: Mapping[str, Provider],
    clock: Callable[[], datetime],
    by: str,
    *,
    wait: Callable[[float], object],
    testimony: Testimony = no_testimony,
    progress: Callable[[int, int], None] | None = None,
) -> Undone:
    """Take a whole issue back from the providers that were to send it later, batch by batch.

    `providers` by their names in the ledger; `wait` lets so many seconds pass while workers come to an end; `progress`
    is told how many batches were asked back, and of how many. A batch counts as given back only when the provider says
    so. When nobody gets the issue any more it is approved again and waits, so that it can be changed, sent, or skipped.
    Raises Refused when it cannot be taken back; then nothing was done.
    """
    with db.transaction() as session:
        issue = lock_issue(session, issue_id)
        if why_not := why_not_undo(session, issue, providers, clock()):
            raise Refused(why_not)
        issue.reason = f"being undone by {by}"  # nobody hands over more meanwhile
    _let_workers_end(db, issue_id, clock, testimony, wait)
    with db.reading() as session:
        held = batches(session, issue_id, clock())
    freed, problems = 0, []
    for done, batch in enumerate(held, start=1):
        count, problem = take_back(db, issue_id, batch, providers.get(batch.provider), clock=clock, by=by)
        freed += count
        problems += [problem] * bool(problem)
        if progress:
            progress(done, len(held))
    with db.transaction() as session:
        return _result(session, lock_issue(session, issue_id), freed, problems, by)


def take_back(
    db: Database, issue_id: int, batch: Batch, provider: Provider | None, *, clock: Callable[[], datetime], by: str
) -> tuple[int, str]:
    """Cancel one batch before its time; return how many readers are free for it, and why none, as a sentence.

    From before the provider is asked until it says that the batch is cancelled, its readers are uncertain.
    """
    if provider is None or not isinstance(provider, Scheduling):
        return 0, f"Batch {batch.name} is with {batch.provider}, which is not in the settings or gives nothing back."
    if clock() > last_moment(batch.send_at, provider):
        return 0, f"It was too late for batch {batch.name}."
    with db.transaction() as session:
        _doubt(session, lock_issue(session, issue_id), batch.name, clock(), by)
    try:
        gone = provider.cancel(batch.name)
    except (ProviderRefused, OSError) as error:
        return 0, f"Batch {batch.name}: {error}"
    if not gone:
        return 0, f"{batch.provider} does not say that batch {batch.name} is cancelled."
    if clock() > batch.send_at - provider.cancel_before:
        return 0, f"{batch.provider} answered too late for batch {batch.name}: it may have been sent."
    with db.transaction() as session:
        return free_batch(session, lock_issue(session, issue_id), batch.name, clock(), by), ""


def free_batch(session: Session, issue: Issue, batch: str, now: datetime, by: str) -> int:
    """Plan the readers of a batch again that the provider surely gave back. Returns how many."""
    mine = col(Delivery.attempt).in_(_attempts(issue, batch))
    detail = f"its batch was cancelled before its time, by {by}"
    freed = sum(
        ledger.give_free(session, issue, state, now, by, detail=detail, only=[mine], status=CANCELLED)
        for state in _ONCE_HANDED_OVER
    )
    # A worker that reports late that the provider took it says nothing any more: the provider does not send it.
    change(session, [col(Delivery.issue_id) == issue.id, mine, Delivery.state == DeliveryState.PLANNED], attempt=0)
    return freed


def cancel(session: Session, issue: Issue, by: str) -> int:
    """Call off what was not handed over yet; return how many readers do not get the issue for that.

    Raises Refused when the sending has not begun (skipping is for that), or nothing is left of it.
    """
    if why_not := why_not_cancel(session, issue):
        raise Refused(why_not)
    issue.state, issue.reason, issue.next_try_at = IssueState.CANCELLED, f"called off by {by}", None
    session.add(issue)
    session.flush()
    return _count(session, issue, (DeliveryState.PLANNED,))


def why_not_cancel(session: Session, issue: Issue) -> str:
    """Return why there is nothing to call off, as a sentence; "" when there is."""
    begun = session.exec(select(exists().where(col(Chunk.issue_id) == issue.id))).one()
    if issue.state is IssueState.APPROVED and not begun:
        return "Its sending has not begun. `newsletter issue skip` leaves the week out."
    if issue.state not in {IssueState.APPROVED, IssueState.SENDING}:
        return f"The issue is {issue.state}: there is nothing to cancel."
    return ""


def _let_workers_end(
    db: Database,
    issue_id: int,
    clock: Callable[[], datetime],
    testimony: Testimony,
    wait: Callable[[float], object],
) -> None:
    """Wait for workers that are just handing over: a batch that is cancelled first would be reported as accepted."""
    for _ in range(_PATIENCE):
        with db.transaction() as session:
            ledger.hold_orphans(session, issue_id, clock(), is_gone, testimony)
            if not _under_way(session, issue_id):
                return
        wait(1.0)


def _doubt(session: Session, issue: Issue, batch: str, now: datetime, by: str) -> None:
    """Write down that a batch is to be cancelled, and that nobody knows of its readers until the provider said so."""
    attempts = session.exec(_attempts(issue, batch)).all()
    accepted = (
        Delivery.issue_id == issue.id,
        col(Delivery.attempt).in_(attempts),
        Delivery.state == DeliveryState.ACCEPTED,
    )
    detail = f"taken back by {by}, and the provider has not said that it will not send it"
    changed = change(session, accepted, state=DeliveryState.UNCERTAIN, detail=detail, changed_at=now)
    asked = [attempt for attempt in attempts if changed or not was_asked_back(session, attempt)]
    keep(session, [note(attempt, CANCELLING, by, now, detail=f"batch {batch}", readers=changed) for attempt in asked])


def was_asked_back(session: Session, attempt: int) -> bool:
    """Tell whether the provider was ever asked to cancel an attempt's batch: then having it proves no sending."""
    told = (col(AttemptOutcome.attempt_id) == attempt, col(AttemptOutcome.status) == CANCELLING)
    return bool(session.exec(select(exists().where(*told))).one())


def _attempts(issue: Issue, batch: str) -> Any:
    return select(Attempt.id).where(Attempt.issue_id == issue.id, Attempt.batch == batch)


def _result(session: Session, issue: Issue, freed: int, problems: list[str], by: str) -> Undone:
    kept = _count(session, issue, _ONCE_HANDED_OVER)
    sending = _count(session, issue, (DeliveryState.SENDING,)) if _under_way(session, issue.id) else 0
    undone = Undone(freed, kept, sending, tuple(problems))
    issue.reason = f"undone by {by}" if undone.whole else f"undone by {by}, but not whole: {kept + sending} may get it"
    if undone.whole:
        issue.scheduled_for, issue.next_try_at = None, None
        if issue.state is IssueState.SENDING:
            issue.state = IssueState.APPROVED
    session.add(issue)
    session.flush()
    return undone


def _under_way(session: Session, issue_id: int) -> bool:
    claimed = (col(Chunk.issue_id) == issue_id, col(Chunk.state) == ChunkState.CLAIMED)
    return bool(session.exec(select(exists().where(*claimed))).one())


def _count(session: Session, issue: Issue, states: tuple[DeliveryState, ...]) -> int:
    query = select(func.count()).where(Delivery.issue_id == issue.id, col(Delivery.state).in_(states))
    return session.exec(query).one()
