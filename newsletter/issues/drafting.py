"""Making an edition's issue for a week, and making it again when stories or the editor's wishes changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from newsletter.errors import Refused
from newsletter.issues.choice import Candidate, Choice, Limits, choose
from newsletter.issues.rows import evidence_of, lock_issue, regions_of, require_open, sent_before, take_back_approval
from newsletter.issues.weeks import Slot
from newsletter.models import Edition, Issue, IssueState, IssueStory, Source, Story, StoryRegion
from subscribers.inserts import insert_missing


@dataclass(frozen=True)
class Drafted:
    """An issue as drafted, and what was decided about every story that was looked at."""

    issue: Issue
    choice: Choice
    #: An approval was taken back.
    had_approval: bool


def draft(session: Session, edition: Edition, slot: Slot, now: datetime, *, min_stories: int | None = None) -> Drafted:
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
    choice = reconsider(session, issue, now, min_stories=min_stories)
    take_back_approval(issue)
    issue.drafted_at = now
    if choice.skip:
        issue.state, issue.reason, issue.number = IssueState.SKIPPED, choice.skip, None
    elif issue.number is None:
        issue.number = _next_number(session, edition.id)
    session.add(issue)
    _place(session, issue.id, choice)
    return Drafted(issue, choice, had_approval)


def reconsider(session: Session, issue: Issue, now: datetime, *, min_stories: int | None = None) -> Choice:
    """Return what a new draft of the issue would choose now; nothing is changed."""
    edition = session.get_one(Edition, issue.edition_id)
    limits = Limits(min_stories or edition.min_stories, edition.max_stories, timedelta(days=edition.max_age_days))
    until = min(now, issue.send_at)
    return choose(candidates(session, edition, issue, limits, until), limits, until)


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


def candidates(session: Session, edition: Edition, issue: Issue, limits: Limits, until: datetime) -> list[Candidate]:
    """Return every story that could go into the issue: recent ones of its regions, and those the editor touched."""
    region_ids = list(regions_of(session, edition.id))
    edits = {row.story_id: row for row in session.exec(select(IssueStory).where(IssueStory.issue_id == issue.id))}
    kept = [story_id for story_id, row in edits.items() if row.pinned or row.dropped]
    of_regions = select(StoryRegion.story_id).where(col(StoryRegion.region_id).in_(region_ids))
    recent = col(Story.published_at) > until - 2 * limits.max_age
    query = (
        select(Story, Source)
        .join(Source, col(Source.id) == Story.source_id)
        .where((col(Story.id).in_(of_regions) & recent) | col(Story.id).in_(kept))
    )
    found = list(session.exec(query))
    evidence = evidence_of(session, [story.id for story, _ in found], region_ids)
    sent = sent_before(session, edition.id, issue.id)
    return [
        Candidate(
            story_id=story.id,
            title=story.title,
            summary=story.summary,
            published_at=story.published_at,
            source=source.name,
            source_weight=source.weight,
            has_picture=bool(story.image_url),
            evidence=tuple(row.evidence for row in evidence.get(story.id, [])),
            sent_in=sent.get(story.id, ""),
            pinned_at=edits[story.id].position if story.id in edits and edits[story.id].pinned else None,
            dropped=story.id in edits and edits[story.id].dropped,
        )
        for story, source in found
    ]


def _place(session: Session, issue_id: int, choice: Choice) -> None:
    """Write the choice into the issue's rows; rows that hold an editor's decision or words are never deleted."""
    rows = {row.story_id: row for row in session.exec(select(IssueStory).where(IssueStory.issue_id == issue_id))}
    places = {} if choice.skip else {chosen.story_id: (n, chosen) for n, chosen in enumerate(choice.chosen)}
    for story_id, row in rows.items():
        if story_id in places:
            continue
        if row.pinned or row.dropped or row.headline or row.summary:
            row.position = row.position if row.pinned and choice.skip else None
        else:
            session.delete(row)
    for story_id, (position, chosen) in places.items():
        row = rows.get(story_id) or IssueStory(issue_id=issue_id, story_id=story_id)
        row.position, row.score, row.reasons = position, chosen.score, list(chosen.reasons)
        session.add(row)
    session.flush()


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
        name: field.default
        for name, field in Issue.model_fields.items()
        if not field.is_required() and name not in {"id", "number"}
    }


def _next_number(session: Session, edition_id: int) -> int:
    query = select(func.max(Issue.number)).where(Issue.edition_id == edition_id)
    return (session.exec(query).one() or 0) + 1
