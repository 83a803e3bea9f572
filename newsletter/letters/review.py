"""Asking the editors to review a draft: one mail for each issue, as soon as there is something to look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from newsletter import issues
from newsletter.db import Database
from newsletter.editors import send_to_editors
from newsletter.errors import ProviderRefused
from newsletter.identity import identity_of
from newsletter.mail import Mail
from newsletter.models import DeadlineRule, Edition, Issue, IssueState
from newsletter.providers import Provider
from newsletter.render import Language, Renderer, ReviewContent


def ask_for_reviews(
    db: Database, provider: Provider, renderer: Renderer, *, base_url: str, editors: Sequence[str], now: datetime
) -> list[str]:
    """Ask the editors to review the drafts that they were not told of; return the names of those issues.

    A draft is marked before its mail is sent, so that two schedulers ask once; when surely nobody got it, the mark is
    taken back. Raises ProviderRefused as the provider does.
    """
    asked: list[str] = []
    for issue_id in _unasked(db, now) if editors else []:
        with db.transaction() as session:
            issue = issues.lock_issue(session, issue_id)
            if issue.review_asked_at or issue.state is not IssueState.DRAFT:
                continue
            issue.review_asked_at = now
            session.flush()
            name, mail = _mail(session, issue, renderer, base_url)
        if _sent(db, provider, mail, editors, issue_id=issue_id, now=now):
            asked.append(name)
    return asked


def _unasked(db: Database, now: datetime) -> list[int]:
    """Return the drafts still to go out of which the editors were not told, the most urgent first."""
    open_drafts = (Issue.state == IssueState.DRAFT, col(Issue.review_asked_at).is_(None), col(Issue.send_at) > now)
    with db.reading() as session:
        return list(session.exec(select(Issue.id).where(*open_drafts).order_by(col(Issue.send_at), col(Issue.id))))


def _mail(session: Session, issue: Issue, renderer: Renderer, base_url: str) -> tuple[str, Mail]:
    """Return the issue's name and the mail that asks for its review."""
    edition = session.get_one(Edition, issue.edition_id)
    drafted, findings = issues.render(session, issue, renderer, base_url)
    language = Language.of(edition.language)
    at = issue.send_at.astimezone(ZoneInfo(edition.time_zone))
    content = ReviewContent(
        identity=identity_of(edition),
        issue_name=issues.issue_name(session, issue),
        subject=drafted.subject,
        headlines=tuple(place.headline for place in issues.places(session, issue.id)),
        findings=tuple(f"{finding.message} {finding.fix}" for finding in findings),
        send_at=f"{language.long_date(at.date())}, {at:%H:%M}",
        sends_unapproved=edition.deadline_rule is DeadlineRule.SEND,
    )
    return content.issue_name, renderer.review(content)


def _sent(
    db: Database, provider: Provider, mail: Mail, editors: Sequence[str], *, issue_id: int, now: datetime
) -> bool:
    """Send the mail and tell whether any editor may have it; if none has, the issue's mark is taken back."""
    try:
        if send_to_editors(provider, mail, editors, now):
            return True
    except ProviderRefused:
        _take_back(db, issue_id, now)
        raise
    _take_back(db, issue_id, now)
    return False


def _take_back(db: Database, issue_id: int, now: datetime) -> None:
    with db.transaction() as session:
        issue = issues.lock_issue(session, issue_id)
        if issue.review_asked_at == now:
            issue.review_asked_at = None
            session.add(issue)
