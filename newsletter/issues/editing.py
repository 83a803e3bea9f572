"""What an editor changes in a draft: the order, pins, drops and words. Each change takes an approval back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session, col, select

from newsletter.errors import NotFound, Refused
from newsletter.issues.rows import issue_name, require_open, take_back_approval
from newsletter.models import Issue, IssueState, IssueStory, Story


@dataclass(frozen=True)
class Changes:
    """What an editor wants changed. Stories are named by id. None leaves a thing as it is; "" goes back to ours."""

    lead: int | None = None
    pin: Sequence[int] = ()
    unpin: Sequence[int] = ()
    drop: Sequence[int] = ()
    restore: Sequence[int] = ()
    #: These come first, in this order, and keep their places.
    order: Sequence[int] = ()
    subject: str | None = None
    preheader: str | None = None
    headlines: Mapping[int, str] = field(default_factory=dict)
    summaries: Mapping[int, str] = field(default_factory=dict)

    def stories(self) -> set[int]:
        """Return every story named."""
        named = {
            *self.pin,
            *self.unpin,
            *self.drop,
            *self.restore,
            *self.order,
            *self.headlines,
            *self.summaries,
        }
        return named if self.lead is None else named | {self.lead}


def edit(session: Session, issue: Issue, changes: Changes) -> bool:
    """Apply an editor's changes to an issue, all or none; tell whether that took an approval back.

    A dropped story stays out of every new draft, a pinned one stays in at its place. Raises NotFound for a story that
    does not exist, and Refused when the issue is skipped, being sent or sent, or would lose its lead.
    """
    name = issue_name(session, issue)
    require_open(issue, name)
    if issue.state is IssueState.SKIPPED:
        raise Refused(f"{name} is skipped ({issue.reason}). `newsletter issue draft` makes it again.")
    clash = set(changes.drop) & {
        *changes.pin,
        *changes.restore,
        *changes.order,
        *([] if changes.lead is None else [changes.lead]),
    }
    if clash:
        raise Refused(f"Story {min(clash)} cannot be dropped and kept in the same change.")
    rows = _rows(session, issue.id, changes.stories())
    _reorder(rows, changes)
    for story_id, headline in changes.headlines.items():
        rows[story_id].headline = " ".join(headline.split())
    for story_id, summary in changes.summaries.items():
        rows[story_id].summary = " ".join(summary.split())
    if changes.subject is not None:
        issue.subject_override = " ".join(changes.subject.split())
    if changes.preheader is not None:
        issue.preheader_override = " ".join(changes.preheader.split())
    if all(row.position is None for row in rows.values()):
        raise Refused(f"{name} would be empty. Use `newsletter issue skip` to leave this week out.")
    had_approval = issue.state is IssueState.APPROVED
    take_back_approval(issue)
    session.add_all([issue, *rows.values()])
    session.flush()
    return had_approval


def _rows(session: Session, issue_id: int, named: set[int]) -> dict[int, IssueStory]:
    """Return story id -> row for all of the issue's stories and the named ones, new rows where there are none."""
    rows = {row.story_id: row for row in session.exec(select(IssueStory).where(IssueStory.issue_id == issue_id))}
    known = set(session.exec(select(Story.id).where(col(Story.id).in_(named - rows.keys()))))
    for story_id in sorted(named - rows.keys()):
        if story_id not in known:
            raise NotFound("story", str(story_id), "`newsletter issue show` prints the stories' numbers.")
        rows[story_id] = IssueStory(issue_id=issue_id, story_id=story_id, reasons=["added by the editor"])
    return rows


def _reorder(rows: dict[int, IssueStory], changes: Changes) -> None:
    for story_id in changes.restore:
        rows[story_id].dropped = False
    for story_id in changes.drop:
        rows[story_id].dropped, rows[story_id].pinned, rows[story_id].position = True, False, None
    placed = sorted(
        (row for row in rows.values() if row.position is not None),
        key=lambda row: (row.position, row.story_id),
    )
    order = [row.story_id for row in placed]
    first = list(dict.fromkeys(([] if changes.lead is None else [changes.lead]) + list(changes.order)))
    order = first + [story_id for story_id in order if story_id not in first]
    order += [story_id for story_id in dict.fromkeys((*changes.pin, *changes.restore)) if story_id not in order]
    for position, story_id in enumerate(order):
        rows[story_id].position = position
    for story_id in (*first, *changes.pin):
        rows[story_id].pinned, rows[story_id].dropped = True, False
    for story_id in changes.unpin:
        rows[story_id].pinned = False
