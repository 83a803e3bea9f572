"""Sending an approved issue: claim a chunk, hand it to the provider, record what became of it; again until none is due.

approved -> plan -> [ claim -> provider.send -> record ]* -> sent
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlmodel import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.accounting import Tally, tally
from newsletter.delivery.ledger import Claim
from newsletter.delivery.message import recipient, with_list_headers
from newsletter.delivery.planning import plan
from newsletter.errors import ProviderRefused, Refused
from newsletter.mail import Mail, Outcome, Status
from newsletter.models import Edition, Issue, IssueState
from newsletter.providers import Provider
from subscribers.models import MailingList
from subscribers.tokens import Signer

log = logging.getLogger(__name__)


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
    planned: int
    held: int


def send(
    db: Database,
    issue_id: int,
    post: Post,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[Tally], None] | None = None,
) -> SendReport:
    """Send the issue to every reader who is due, and return where it stands. Safe to call twice, or from two processes.

    `stop` is looked at between chunks, so that no chunk is left half-way. Raises Refused when the issue is not
    approved, has nobody to go to, or is not what was approved; and ProviderRefused when the provider takes nothing
    (the issue waits, nothing is lost).
    """
    planned, held, mail, edition = _begin(db, issue_id, post)
    worker = worker_name()
    while not (stop and stop.is_set()):
        with db.transaction() as session:
            claimed = ledger.claim(session, issue_id, worker, post.clock())
        if claimed is None:
            break
        if claimed.readers:
            _send_chunk(db, claimed, mail, edition, post)
        if progress:
            with db.reading() as session:
                progress(tally(session, session.get_one(Issue, issue_id)))
    with db.transaction() as session:
        ledger.finish(session, issue_id, post.clock())
        issue = session.get_one(Issue, issue_id)
        return SendReport(tally(session, issue), issue.state, planned, held)


def _begin(db: Database, issue_id: int, post: Post) -> tuple[int, int, Mail, Edition]:
    """Plan an approved issue or take up one that was begun; return (planned now, held, the mail, the edition)."""
    with db.transaction() as session:
        issue = _locked(session, issue_id)
        edition = session.get_one(Edition, issue.edition_id)
        if issue.state in {IssueState.DRAFT, IssueState.SKIPPED}:
            raise Refused(
                f"{edition.slug}/{issue.week} is not approved. Run `newsletter issue approve {edition.slug}`."
            )
        mail = issue.frozen_mail()
        mailing_list = session.get_one(MailingList, edition.list_id)
        mail = with_list_headers(mail, edition, mailing_list, issue.week, post.base_url)
        planned = 0
        if issue.state is IssueState.APPROVED:
            planned = plan(session, issue, post.provider.chunk_size, post.clock())
        held = ledger.hold_orphans(session, issue_id, post.clock(), is_gone)
        issue.reason = ""
        return planned, held, mail, edition


def _send_chunk(db: Database, claimed: Claim, mail: Mail, edition: Edition, post: Post) -> None:
    recipients = [recipient(reader, edition, post.signer, post.base_url) for reader in claimed.readers]
    try:
        outcomes = post.provider.send(mail, recipients)
    except ProviderRefused as error:
        with db.transaction() as session:
            ledger.release(session, claimed, str(error), post.clock())
        raise
    except Exception as error:
        # A bug in a provider: nobody can tell what it had handed over, so nothing of this chunk is sent again.
        outcomes = [
            Outcome(reader.delivery_id, Status.UNCERTAIN, f"unexpected {type(error).__name__}: {error}")
            for reader in claimed.readers
        ]
        with db.transaction() as session:
            ledger.record(session, claimed, outcomes, post.clock())
        raise
    with db.transaction() as session:
        ledger.record(session, claimed, outcomes, post.clock())


def _locked(session: Session, issue_id: int) -> Issue:
    return session.get_one(Issue, issue_id, with_for_update=True, populate_existing=True)


def worker_name() -> str:
    """Return this process's name in the ledger: host, process number and its start time, which make it unique."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(worker: str) -> bool:
    """Tell whether a worker of this host has surely ended. Workers of other hosts are judged by their lease alone."""
    host, _, rest = worker.rpartition(":")[0].rpartition(":")
    started = worker.rpartition(":")[2]
    if host != socket.gethostname() or not rest.isdigit() or started == "?":
        return False
    return _started(int(rest)) != started


def _started(pid: int) -> str:
    """Return the process's start time in clock ticks since boot, "" when there is none, "?" when it cannot be told."""
    if not Path("/proc/self/stat").exists():
        return "?"
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
