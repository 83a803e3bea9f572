"""Sending an approved issue: claim a chunk, hand it to the provider, record what became of it; again until none is due.

approved -> plan -> [ claim -> provider.send -> record ]* -> sent
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.accounting import Tally, tally
from newsletter.delivery.ledger import Claim
from newsletter.delivery.message import recipient, with_list_headers
from newsletter.delivery.planning import plan
from newsletter.errors import ProviderRefused, Refused
from newsletter.mail import Mail, Outcome, Status, outcome_for_all
from newsletter.models import Edition, Issue, IssueState
from newsletter.providers import Provider
from subscribers.models import MailingList
from subscribers.tokens import Signer

log = logging.getLogger(__name__)

#: After so many stops in mid-chunk the schedule leaves an issue to a person: each stop leaves a chunk uncertain.
MAX_STOPS = 3
#: Seconds between tries to record; each try itself waits for a locked SQLite file, too.
_RECORD_WAITS = (1.0, 5.0)


@dataclass(frozen=True)
class Post:
    """What sending needs besides the rows: who carries the mail, who signs its links, where they lead, the time."""

    provider: Provider
    signer: Signer
    base_url: str
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class SendReport:
    """What one call of `send` did. `tally` is the whole issue's, `held` what a dead worker had left unclear."""

    tally: Tally
    state: IssueState
    #: Why it waits for a person; "" when it does not.
    reason: str
    planned: int
    held: int


@dataclass(frozen=True)
class _Begun:
    mail: Mail
    edition: Edition
    send_at: datetime
    planned: int
    held: int
    go_on: bool


def send(
    db: Database,
    issue_id: int,
    post: Post,
    *,
    by_hand: bool,
    stop: threading.Event | None = None,
    progress: Callable[[Tally], None] | None = None,
) -> SendReport:
    """Send the issue to every reader who is due, and return where it stands. Safe to call twice, or from two processes.

    `by_hand`, a person wants it now: what made it wait is forgotten. `stop` is looked at between chunks, so that no
    chunk is left half-way. Raises Refused when the issue is not approved, has nobody to go to, or is not what was
    approved; and ProviderRefused when the provider takes nothing (the issue waits, nothing is lost).
    """
    begun = _begin(db, issue_id, post, by_hand=by_hand)
    worker, go_on = worker_name(), begun.go_on
    while go_on and not (stop and stop.is_set()):
        with db.transaction() as session:
            claimed = ledger.claim(session, issue_id, worker, post.clock())
        if claimed is None:
            break
        if claimed.readers:
            go_on = _send_chunk(db, claimed, begun, post)
        if progress:
            with db.reading() as session:
                progress(tally(session, session.get_one(Issue, issue_id)))
    with db.transaction() as session:
        ledger.finish(session, issue_id, post.clock())
        issue = session.get_one(Issue, issue_id)
        return SendReport(tally(session, issue), issue.state, issue.reason, begun.planned, begun.held)


def _begin(db: Database, issue_id: int, post: Post, *, by_hand: bool) -> _Begun:
    """Plan an approved issue or take up one that was begun."""
    with db.transaction() as session:
        issue = _locked(session, issue_id)
        edition = session.get_one(Edition, issue.edition_id)
        if issue.state in {IssueState.DRAFT, IssueState.SKIPPED}:
            name = f"{edition.slug}/{issue.week}"
            raise Refused(f"{name} is not approved. Run `newsletter issue approve {edition.slug}`.")
        mailing_list = session.get_one(MailingList, edition.list_id)
        mail = with_list_headers(issue.frozen_mail(), edition, mailing_list, issue.week, post.base_url)
        planned = 0
        if issue.state is IssueState.APPROVED:
            planned = plan(session, issue, post.provider.chunk_size, post.clock())
        if by_hand:
            issue.reason, issue.next_try_at, issue.put_off, issue.stops = "", None, 0, 0
            issue.sending_since = post.clock()  # from now on the limit counts anew
        held = ledger.hold_orphans(session, issue_id, post.clock(), is_gone)
        issue.stops += bool(held)
        if not by_hand and issue.stops >= MAX_STOPS:
            issue.reason = f"held: the sending stopped in mid-chunk {issue.stops} times; look at the log first"
        waiting = issue.next_try_at is not None and issue.next_try_at > post.clock()
        return _Begun(mail, edition, issue.send_at, planned, held, go_on=not issue.reason and not waiting)


def _send_chunk(db: Database, claimed: Claim, begun: _Begun, post: Post) -> bool:
    """Send one chunk and record what became of it; tell whether the next may follow."""
    edition, send_at = begun.edition, begun.send_at
    recipients = [recipient(reader, edition, send_at, post.signer, post.base_url) for reader in claimed.readers]
    try:
        outcomes = post.provider.send(begun.mail, recipients)
    except ProviderRefused as error:
        with db.transaction() as session:
            ledger.release(session, claimed, str(error), post.clock())
        raise
    except Exception as error:
        # A fault in a provider: nobody can tell what it had handed over, so nothing of this chunk is sent again, and
        # nothing else is sent until somebody has looked.
        what = f"unexpected {type(error).__name__}: {error}"
        outcomes = outcome_for_all(recipients, Status.UNCERTAIN, what)
        _record(db, claimed, outcomes, post)
        with db.transaction() as session:
            _locked(session, claimed.issue_id).reason = f"held: {what}"
        raise
    return _record(db, claimed, outcomes, post)


def _record(db: Database, claimed: Claim, outcomes: list[Outcome], post: Post) -> bool:
    """Record outcomes. They exist nowhere else, so a database that is busy for long is asked again before giving up."""
    for wait in _RECORD_WAITS:
        try:
            with db.transaction() as session:
                return ledger.record(session, claimed, outcomes, post.clock())
        except OperationalError:
            log.warning("the outcomes of chunk %s could not be recorded; trying again", claimed.chunk_id)
            time.sleep(wait)
    with db.transaction() as session:
        return ledger.record(session, claimed, outcomes, post.clock())


def _locked(session: Session, issue_id: int) -> Issue:
    return session.get_one(Issue, issue_id, with_for_update=True, populate_existing=True)


def worker_name() -> str:
    """Return this process's name in the ledger: host, process number and its start time, which make it unique."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(worker: str) -> bool | None:
    """Tell whether a worker has ended; None when that cannot be known, as of workers on other hosts."""
    host, _, number = worker.rpartition(":")[0].rpartition(":")
    started = worker.rpartition(":")[2]
    if host != socket.gethostname() or not number.isdigit() or started == "?":
        return None
    return _started(int(number)) != started


def _started(pid: int) -> str:
    """Return the process's start time in clock ticks since boot, "" when there is none, "?" when it cannot be told."""
    if not Path("/proc/self/stat").exists():
        return "?"
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
