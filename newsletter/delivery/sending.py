"""Sending an approved issue: claim a chunk, hand it to the provider, record what became of it; again until none is due.

approved -> plan -> [ claim -> provider -> record ]* -> sent, in as many lanes as wanted: while one waits for the
ledger, the provider has the other's readers.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.accounting import Tally, tally, why_waiting
from newsletter.delivery.audience import BrokenAudience
from newsletter.delivery.carrying import Job, Lane, Post
from newsletter.delivery.forecast import may_go_ahead
from newsletter.delivery.learning import settle_reported
from newsletter.delivery.ledger.rows import ledger_id, lock_issue
from newsletter.delivery.message import with_list_headers
from newsletter.delivery.planning import plan
from newsletter.delivery.restoring import older_copy
from newsletter.delivery.workers import at_work, is_gone
from newsletter.errors import Refused
from newsletter.mail import Outcome
from newsletter.models import Edition, Issue, IssueState
from subscribers.models import MailingList

#: After so many stops in mid-chunk the schedule leaves an issue to a person.
MAX_STOPS = 3


@dataclass(frozen=True)
class SendReport:
    """What one call of `send` did. `tally` is the whole issue's, `held` what a dead worker had left unclear."""

    tally: Tally
    state: IssueState
    #: Why it waits for a person; "" when it does not.
    reason: str
    planned: int
    held: int
    #: When the provider sends what it was handed over; None when it does at once.
    scheduled_for: datetime | None = None
    #: Why readers who are left are sent to later; "" when nobody is, or nothing says so.
    why_waiting: str = ""


@dataclass(frozen=True)
class _Begun:
    job: Job
    planned: int
    held: int
    go_on: bool
    tally: Tally


def send(
    db: Database,
    issue_id: int,
    post: Post,
    *,
    by_hand: bool,
    ahead: bool = False,
    stop: threading.Event | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SendReport:
    """Send the issue to every reader who is due, and return where it stands. Safe to call twice, or from two processes.

    `by_hand`, a person wants it now: what made it wait is forgotten. `ahead`, the provider is to send it at the issue's
    time, where it can and there is time enough to undo it. `stop` ends it as soon as nothing is left half-way.
    `progress` is told how many readers have an outcome, and of how many. Raises Refused when the issue is not
    approved, has nobody to go to, or is not what was approved; and ProviderRefused when the provider takes nothing
    (the issue waits, nothing is lost).
    """
    stop = stop or threading.Event()
    with at_work() as worker:
        try:
            begun = _begin(db, issue_id, post, by_hand=by_hand, ahead=ahead)
        except BrokenAudience as error:
            _hold(db, issue_id, f"held: {error}")
            raise
        if begun and begun.go_on:
            count = _Progress(begun.tally, progress)
            gc.freeze()  # what is there by now would be gone through for garbage every few thousand readers
            try:
                _drive([Lane(db, begun.job, post, worker, stop=stop, done=count.add) for _ in range(post.lanes)])
            finally:
                gc.unfreeze()
    with db.transaction() as session:
        ledger.finish(session, issue_id, post.clock())
        issue = session.get_one(Issue, issue_id)
        counts = tally(session, issue)
        planned, held = (begun.planned, begun.held) if begun else (0, 0)
        why = why_waiting(session, issue) if counts.planned else ""
        return SendReport(counts, issue.state, issue.reason, planned, held, issue.scheduled_for, why)


class _Progress:
    """Counts outcomes as they come: asking the ledger each time would read every reader's row each time."""

    def __init__(self, begun: Tally, report: Callable[[int, int], None] | None) -> None:
        self._done, self._expected = begun.expected - begun.open, begun.expected
        self._report = report
        self._lock = threading.Lock()

    def add(self, readers: int) -> None:
        """Count readers who have an outcome now."""
        with self._lock:
            self._done += readers
            if self._report:
                self._report(self._done, self._expected)


def _drive(lanes: list[Lane]) -> None:
    """Run the lanes side by side until all have ended; raise what the first of them raised."""
    if len(lanes) == 1:
        lanes[0].run()
        return
    with ThreadPoolExecutor(len(lanes), thread_name_prefix="lane") as pool:
        running = [pool.submit(lane.run) for lane in lanes]
    for one in running:
        one.result()


def _begin(db: Database, issue_id: int, post: Post, *, by_hand: bool, ahead: bool) -> _Begun | None:
    """Plan an approved issue or take up one that was begun; None when it cannot be handed over ahead of its time."""
    with db.transaction() as session:
        now = post.clock()
        issue = lock_issue(session, issue_id)
        edition = session.get_one(Edition, issue.edition_id)
        _require_sendable(session, issue, edition, post)
        mailing_list = session.get_one(MailingList, edition.list_id)
        mail = with_list_headers(issue.frozen_mail(), edition, mailing_list, issue.week, post.base_url)
        planned = 0
        if issue.state is IssueState.APPROVED:
            if ahead and not may_go_ahead(session, issue, edition, post.carrier, now):
                return None
            at = issue.send_at if ahead else now
            planned = plan(session, issue, post.provider.chunk_size, now, at=at)
            issue.scheduled_for = issue.send_at if ahead else None
        if by_hand:
            issue.reason, issue.next_try_at, issue.put_off, issue.stops = "", None, 0, 0
            issue.sending_since = now  # from now on the limit counts anew
        asked: list[int] = []
        held = ledger.hold_orphans(session, issue_id, now, is_gone, _noting(post.testimony, asked))
        if held or by_hand:  # what the provider told of them meanwhile
            held = max(0, held - settle_reported(session, issue_id, now))
        issue.stops += bool(held)
        if not by_hand and issue.stops >= MAX_STOPS:
            issue.reason = f"held: the sending stopped in mid-chunk {issue.stops} times; look at the log first"
        waiting = issue.next_try_at is not None and issue.next_try_at > now
        session.flush()
        job = Job(issue_id, mail, edition, issue.send_at, issue.scheduled_for, ledger_id(session))
        begun = _Begun(job, planned, held, not issue.reason and not waiting, tally(session, issue))
    for attempt in asked if post.journal else ():
        post.journal.end(job.ledger, attempt)  # type: ignore[union-attr] # what it said is in the ledger now
    return begun


def _hold(db: Database, issue_id: int, reason: str) -> None:
    """Let an issue wait for a person, unless it does already."""
    with db.transaction() as session:
        issue = lock_issue(session, issue_id)
        issue.reason = issue.reason or reason
        session.add(issue)


def _require_sendable(session: Session, issue: Issue, edition: Edition, post: Post) -> None:
    """Raise Refused unless the issue may be sent from this database."""
    name = f"{edition.slug}/{issue.week}"
    if issue.state in {IssueState.DRAFT, IssueState.SKIPPED}:
        raise Refused(f"{name} is not approved. Run `newsletter issue approve {edition.slug}`.")
    if issue.state is IssueState.CANCELLED:
        raise Refused(f"{name} was cancelled: {issue.reason}. Nobody else gets it.")
    if why_not := older_copy(session, post.journal):
        raise Refused(f"{name} was not sent: {why_not}.")


def _noting(testimony: ledger.Testimony, asked: list[int]) -> ledger.Testimony:
    """Return a testimony that also keeps of which attempts it was asked."""

    def ask(name: str, attempt: int, names: Sequence[str]) -> list[Outcome] | None:
        asked.append(attempt)
        return testimony(name, attempt, names)

    return ask
