"""Asking the editors to review a draft: one mail for each issue, as soon as there is something to look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from newsletter import issues
from newsletter.db import Database
from newsletter.editors import send_to_editors
from newsletter.errors import ProviderRefused
from newsletter.identity import identity_of
from newsletter.mail import Mail
from newsletter.models import DeadlineRule, Edition, Issue, IssueState
from newsletter.owed import not_made, raise_first
from newsletter.providers import Provider
from newsletter.render import Language, Renderer, ReviewContent


def ask_for_reviews(
    db: Database, provider: Provider, renderer: Renderer, *, base_url: str, editors: Sequence[str], now: datetime
) -> list[str]:
    """Ask the editors to review the drafts that they were not told of; return the names of those issues.

    A draft is marked before its mail is sent, so that two schedulers ask once; when surely nobody got it, the mark is
    taken back. After the others were asked for, raises the first error of these, and those drafts stay unmarked: a mail
    could not be made (ConfigurationError), or the provider refused it (ProviderRefused).
    """
    asked: list[str] = []
    failed: list[Exception] = []
    for issue_id, name in _unasked(db, now) if editors else []:
        try:
            mail = _mail(db, issue_id, renderer, base_url)
        except Exception as error:  # noqa: BLE001 - raised at the end
            failed.append(not_made(f"mail that asks for the review of {name}", error))
            continue
        try:
            if _claim(db, issue_id, now) and _sent(db, provider, mail, editors, issue_id=issue_id, now=now):
                asked.append(name)
        except ProviderRefused as error:
            failed.append(error)  # perhaps only this edition's sender is refused: the others go on
    raise_first(failed)
    return asked


def _unasked(db: Database, now: datetime) -> list[tuple[int, str]]:
    """Return id and name of the drafts still to go out of which the editors were not told, the most urgent first."""
    open_drafts = (Issue.state == IssueState.DRAFT, col(Issue.review_asked_at).is_(None), col(Issue.send_at) > now)
    query = (
        select(Issue.id, Edition.slug, Issue.week)
        .join(Edition, col(Edition.id) == Issue.edition_id)
        .where(*open_drafts, col(Edition.enabled))
        .order_by(col(Issue.send_at), col(Issue.id))
    )
    with db.reading() as session:
        return [(issue_id, f"{slug}/{week}") for issue_id, slug, week in session.exec(query)]


def _mail(db: Database, issue_id: int, renderer: Renderer, base_url: str) -> Mail:
    """Return the mail that asks for the issue's review. Raises what rendering the issue does."""
    with db.reading() as session:
        issue = session.get_one(Issue, issue_id)
        edition = session.get_one(Edition, issue.edition_id)
        drafted, findings = issues.render(session, issue, renderer, base_url)
        language = Language.of(edition.language)
        at = issue.send_at.astimezone(ZoneInfo(edition.time_zone))
        content = ReviewContent(
            identity=identity_of(edition),
            issue_name=issues.issue_name(session, issue),
            subject=drafted.subject,
            headlines=tuple(f"{place.headline} ({place.story.id})" for place in issues.places(session, issue.id)),
            findings=tuple(f"{finding.message} {finding.fix}" for finding in findings),
            send_at=f"{language.long_date(at.date())}, {at:%H:%M}",
            sends_unapproved=edition.deadline_rule is DeadlineRule.SEND,
        )
    return renderer.review(content)


def _claim(db: Database, issue_id: int, now: datetime) -> bool:
    """Mark the draft as asked for; False when another scheduler was faster, or it is no draft any more."""
    with db.transaction() as session:
        issue = issues.lock_issue(session, issue_id)
        if issue.review_asked_at or issue.state is not IssueState.DRAFT:
            return False
        issue.review_asked_at = now
        session.add(issue)
    return True


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
