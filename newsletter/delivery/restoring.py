"""A database that was restored from a backup would send again what was sent since (F22): it is found out, and held.

Each claim leaves the number of its attempt in the journal's folder, outside the database. A ledger that knows less than
that number is an older copy. Then nothing is sent until a person says what the state is: every reader who was still to
be sent to, as far as the copy knows, may have been, and is uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from newsletter.delivery.journal import Journal
from newsletter.delivery.ledger.rows import RELEASED, change, keep, ledger_id, lock_issue, note
from newsletter.delivery.planning import plan
from newsletter.models import Attempt, Delivery, DeliveryState, Issue, IssueState

_DETAIL = "the database was restored from a backup; it may have been sent after that was made"


@dataclass(frozen=True)
class Restored:
    """What taking up a restored ledger came to."""

    issues: int
    uncertain: int


def older_copy(session: Session, journal: Journal | None) -> str:
    """Return why nothing may be sent from this database, as a sentence; "" when it is no older copy."""
    if journal is None:
        return ""
    # In this order: what another worker reaches after the first look, it had committed before.
    reached = journal.reached(ledger_id(session))
    known = session.exec(select(func.coalesce(func.max(Attempt.id), 0))).one()
    if reached <= known:
        return ""
    return (
        f"the database is older than what was sent from here ({reached} attempts were made, it knows of {known}), "
        "as if restored from a backup. Run `newsletter issue reconcile --restored`"
    )


def take_up(session: Session, journal: Journal, chunk_size: int, now: datetime) -> Restored:
    """Make a restored ledger safe to send from: who may have been sent to since the backup is uncertain.

    That is everybody still to be sent to of issues that were being sent or are approved, whatever their hour: an issue
    may go out by hand, or be handed over in advance. Attempts are counted on from the highest that was ever made. Does
    nothing when the ledger is no older copy.
    """
    if not older_copy(session, journal):
        return Restored(0, 0)
    issues = uncertain = 0
    due = col(Issue.state).in_([IssueState.SENDING, IssueState.APPROVED])
    attempt = _count_on(session, journal, now)
    for issue in session.exec(select(Issue).where(due).order_by(col(Issue.id))).all():
        lock_issue(session, issue.id)
        if issue.state is IssueState.APPROVED:
            plan(session, issue, chunk_size, now)
        mine = [col(Delivery.issue_id) == issue.id, col(Delivery.state) == DeliveryState.PLANNED]
        values = {"state": DeliveryState.UNCERTAIN, "detail": _DETAIL, "attempt": attempt, "changed_at": now}
        found = change(session, mine, **values)
        issue.reason = "held: taken up from a backup"
        session.add(issue)
        issues, uncertain = issues + 1, uncertain + found
    if attempt:
        keep(session, [note(attempt, RELEASED, "backup", now, detail=_DETAIL, readers=uncertain)])
    session.flush()
    return Restored(issues, uncertain)


def _count_on(session: Session, journal: Journal, now: datetime) -> int:
    """Let the next attempt have a number that none had before, with one that nothing was sent in; return its number."""
    issue_id = session.exec(select(Issue.id).limit(1)).first()
    if issue_id is None:
        return 0
    number = journal.reached(ledger_id(session)) + 1
    worker = "restored from a backup"
    session.add(Attempt(id=number, issue_id=issue_id, chunk=-1, worker=worker, provider="", readers=0, at=now))
    session.flush()
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(text("SELECT setval(pg_get_serial_sequence('attempt', 'id'), :n)"), {"n": number})
    return number
