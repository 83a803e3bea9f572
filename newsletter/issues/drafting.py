"""Making an edition's issue for a week, and making it again when stories or the editor's wishes changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, select

from newsletter.errors import Refused
from newsletter.issues.candidates import candidates
from newsletter.issues.choice import Choice, Limits, choose
from newsletter.issues.rows import lock_issue, require_open, take_back_approval
from newsletter.issues.score import Weights
from newsletter.issues.weeks import Slot, last_slot, next_slot
from newsletter.models import Edition, Issue, IssueState, IssueStory
from subscribers.inserts import insert_missing

_UNSURE = "the database was restored from a backup, and this week may have been sent since"


@dataclass(frozen=True)
class Drafted:
    """An issue as drafted, and what was decided about every story that was looked at."""

    issue: Issue
    choice: Choice
    #: An approval was taken back.
    had_approval: bool


def draft(
    session: Session,
    edition: Edition,
    slot: Slot,
    now: datetime,
    *,
    weights: Weights | None = None,
    min_stories: int | None = None,
) -> Drafted:
    """Return the edition's issue for the slot's week, made or made again from the stories there are.

    `min_stories` stands in for the edition's own, for an editor who wants a thin issue. The row is unique on (edition,
    week), so several schedulers make one issue. What the editor pinned, dropped or rewrote stays; an approval is taken
    back. A thin week becomes `skipped` with its reason, and may be drafted again. Raises Refused for an issue that is
    already being sent.
    """
    session.exec(select(Edition.id).where(Edition.id == edition.id).with_for_update()).one()
    _insert_if_missing(session, edition, slot, now)
    found = session.exec(select(Issue.id).where(Issue.edition_id == edition.id, Issue.week == slot.week)).one()
    issue = lock_issue(session, found)  # a worker may be about to send it
    require_open(issue, f"{edition.slug}/{slot.week}")
    issue.send_at = slot.send_at
    had_approval = issue.state is IssueState.APPROVED
    choice = reconsider(session, issue, now, weights=weights, min_stories=min_stories)
    take_back_approval(issue)
    issue.drafted_at = now
    if choice.skip:
        issue.state, issue.reason, issue.number = IssueState.SKIPPED, choice.skip, None
    elif issue.number is None:
        issue.number = _next_number(session, edition.id)
    session.add(issue)
    _place(session, issue.id, choice)
    return Drafted(issue, choice, had_approval)


def reconsider(
    session: Session, issue: Issue, now: datetime, *, weights: Weights | None = None, min_stories: int | None = None
) -> Choice:
    """Return what a new draft of the issue would choose now; nothing is changed."""
    edition = session.get_one(Edition, issue.edition_id)
    limits = limits_of(edition, min_stories)
    until = min(now, issue.send_at)
    found = candidates(session, edition, issue, limits.max_age, until)
    choice = choose(found, limits, until, weights)
    if choice.skip and edition.fall_back:
        found += candidates(session, edition, issue, limits.max_age, until, wider=True)
        choice = choose(found, limits, until, weights)
    return choice


def limits_of(edition: Edition, min_stories: int | None = None) -> Limits:
    """Return the edition's rules for an issue."""
    return Limits(min_stories or edition.min_stories, edition.max_stories, timedelta(days=edition.max_age_days))


def skip(session: Session, issue: Issue, reason: str) -> None:
    """Mark the issue as not to be sent, for `reason`. Raises Refused when it is already being sent."""
    edition = session.get_one(Edition, issue.edition_id)
    require_open(issue, f"{edition.slug}/{issue.week}")
    if not reason.strip():
        raise Refused("Say why the week is left out; readers may ask.")
    take_back_approval(issue)
    issue.state, issue.reason, issue.number = IssueState.SKIPPED, reason, None
    session.add(issue)
    session.flush()


def record_missed(session: Session, edition: Edition, slot: Slot, reason: str, now: datetime) -> bool:
    """Leave a skipped row for a week nobody made an issue of; tells whether this call was the one to make it."""
    created = _insert_if_missing(session, edition, slot, now)
    if created:
        issue = session.exec(select(Issue).where(Issue.edition_id == edition.id, Issue.week == slot.week)).one()
        skip(session, issue, reason)
    return created


def leave_out_unsure(session: Session, now: datetime) -> list[str]:
    """Skip the weeks that may have been sent since a backup; return their names.

    For a database that was restored: a week that was approved and sent after the backup is a draft in it, or missing.
    It would be sent again, by an editor who does not know or by the deadline rule. `draft` makes such an issue again.
    """
    left_out = []
    for edition in session.exec(select(Edition).order_by(Edition.slug)).all():
        mine = (Issue.edition_id == edition.id, Issue.state == IssueState.DRAFT)
        drafts = session.exec(select(Issue).where(*mine).order_by(Issue.week)).all()
        for issue in drafts:
            skip(session, lock_issue(session, issue.id), _UNSURE)
        slots = [last_slot(edition, now), next_slot(edition, now)]
        slots = [one for one in slots if edition.enabled and one.draft_at <= now and one.send_at >= edition.created_at]
        missed = [slot.week for slot in slots if record_missed(session, edition, slot, _UNSURE, now)]
        left_out += [f"{edition.slug}/{week}" for week in sorted([*(issue.week for issue in drafts), *missed])]
    return left_out


def _place(session: Session, issue_id: int, choice: Choice) -> None:
    """Write the choice into the issue's rows; rows that hold an editor's decision or words are never deleted."""
    rows = {row.story_id: row for row in session.exec(select(IssueStory).where(IssueStory.issue_id == issue_id))}
    places = {} if choice.skip else {chosen.story_id: (n, chosen) for n, chosen in enumerate(choice.chosen)}
    for story_id, row in rows.items():
        if story_id in places:
            continue
        if row.pinned or row.dropped or _has_own(row):
            row.position = row.position if row.pinned and choice.skip else None
        else:
            session.delete(row)
    for story_id, (position, chosen) in places.items():
        row = rows.get(story_id) or IssueStory(issue_id=issue_id, story_id=story_id)
        row.position, row.score, row.reasons = position, chosen.score, list(chosen.reasons)
        session.add(row)
    session.flush()


def _has_own(row: IssueStory) -> bool:
    """Tell whether the row holds words or a picture of the editor's."""
    return any((row.headline, row.summary, row.picture, row.image_alt, row.image_credit))


def _insert_if_missing(session: Session, edition: Edition, slot: Slot, now: datetime) -> bool:
    row = _empty_columns() | {
        "edition_id": edition.id,
        "week": slot.week,
        "state": IssueState.DRAFT,
        "send_at": slot.send_at,
        "drafted_at": now,
    }
    return bool(insert_missing(session, Issue, [row], unique=["edition_id", "week"]))


def _empty_columns() -> dict[str, object]:
    """Return the defaults of Issue's columns, which a plain INSERT does not know."""
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in Issue.model_fields.items()
        if not field.is_required() and name not in {"id", "number"}
    }


def _next_number(session: Session, edition_id: int) -> int:
    query = select(func.max(Issue.number)).where(Issue.edition_id == edition_id)
    return (session.exec(query).one() or 0) + 1
