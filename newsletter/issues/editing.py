"""What an editor changes in a draft: the order, pins, drops, words, pictures. Each change takes an approval back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session, col, select

from newsletter.errors import NotFound, Refused
from newsletter.issues.candidates import sent_before
from newsletter.issues.rows import issue_name, require_open, take_back_approval
from newsletter.models import Issue, IssueState, IssueStory, Story
from newsletter.render import written
from newsletter.sources.prose.captions import credited

#: What the columns hold.
_LONGEST_ALT, _LONGEST_CREDIT = 500, 200
#: Controls, which mail programs show as boxes or take for another character set (R6), and lone surrogates.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True)
class Changes:
    """What an editor wants changed. Stories are named by id. None leaves a thing as it is; "" goes back to ours.

    `intro`, `closing` and `corrections` are Markdown. `pictures` are hashes of stored pictures (`pictures.store`), or
    `pictures.NONE` for no picture; `alts` and `credits` are said of the picture that is shown then.
    """

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
    intro: str | None = None
    closing: str | None = None
    corrections: str | None = None
    pictures: Mapping[int, str] = field(default_factory=dict)
    alts: Mapping[int, str] = field(default_factory=dict)
    credits: Mapping[int, str] = field(default_factory=dict)

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
            *self.pictures,
            *self.alts,
            *self.credits,
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
    _refuse_strangers(name, rows, changes)
    _refuse_repeats(session, issue, changes)
    _reorder(rows, changes)
    _reword(issue, rows, changes)
    _picture(rows, changes)
    if all(row.position is None for row in rows.values()):
        raise Refused(f"{name} would be empty. Use `newsletter issue skip` to leave this week out.")
    had_approval = issue.state is IssueState.APPROVED
    take_back_approval(issue)
    session.add_all([issue, *rows.values()])
    session.flush()
    return had_approval


def _reword(issue: Issue, rows: dict[int, IssueStory], changes: Changes) -> None:
    for story_id, headline in changes.headlines.items():
        rows[story_id].headline = _line(headline)
    for story_id, summary in changes.summaries.items():
        rows[story_id].summary = _line(summary)
    if changes.subject is not None:
        issue.subject_override = _line(changes.subject)
    if changes.preheader is not None:
        issue.preheader_override = _line(changes.preheader)
    for name in ("intro", "closing", "corrections"):
        words = getattr(changes, name)
        if words is not None:
            shown = _paragraphs(words)
            written(shown, language="en", nonce="0" * 16)  # raises Refused for what could not be shown
            setattr(issue, name, shown)


def _picture(rows: dict[int, IssueStory], changes: Changes) -> None:
    """Change pictures and what is said of them. Words about a picture go with it: they belong to nobody else's."""
    for story_id, picture in changes.pictures.items():
        row = rows[story_id]
        if row.picture != picture:
            row.picture, row.image_alt, row.image_credit = picture, "", ""
    for story_id, alt in changes.alts.items():
        rows[story_id].image_alt = _short(alt, _LONGEST_ALT, f"The description of story {story_id}'s picture")
    for story_id, credit in changes.credits.items():
        name = credited(credit)[1] or credit  # the mail says "Picture:" in its own language
        rows[story_id].image_credit = _short(name, _LONGEST_CREDIT, f"The credit of story {story_id}'s picture")


def _line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())


def _paragraphs(text: str) -> str:
    """Return Markdown with its lines and without what no mail may carry (R6)."""
    return "\n".join(_CONTROLS.sub(" ", line).rstrip() for line in text.splitlines()).strip()


def _short(text: str, limit: int, what: str) -> str:
    line = _line(text)
    if len(line) > limit:
        raise Refused(f"{what} has {len(line)} characters; there is room for {limit}. Shorten it.")
    return line


def _refuse_strangers(name: str, rows: dict[int, IssueStory], changes: Changes) -> None:
    """Raise Refused for changes of stories that are not in the issue: most likely places were meant, not numbers."""
    there = {row.story_id for row in rows.values() if row.position is not None}
    there |= {*changes.pin, *changes.restore, *([] if changes.lead is None else [changes.lead])}
    worded = (changes.headlines, changes.summaries, changes.pictures, changes.alts, changes.credits)
    for story_id in (*changes.order, *(one for words in worded for one in words)):
        if story_id not in there:
            raise Refused(
                f"Story {story_id} is not in {name}. Stories are named by their numbers, which `newsletter issue show` "
                f"prints, not by their places; --pin {story_id} puts this one in."
            )


def _refuse_repeats(session: Session, issue: Issue, changes: Changes) -> None:
    """Raise Refused for a story that these readers got, or are approved to get, in another week."""
    sent = sent_before(session, issue.edition_id, issue.id)
    for story_id in [*changes.pin, *changes.order, *([] if changes.lead is None else [changes.lead])]:
        if story_id in sent and not sent[story_id].updated:
            raise Refused(f"Story {story_id} is sent in {sent[story_id].week}; these readers do not get it twice.")


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
        row = rows[story_id]
        if row.position is None:
            row.reasons = []  # it was not in the issue, and restoring it must not put it there
        row.dropped, row.pinned, row.position = True, False, None
    placed = sorted(
        (row for row in rows.values() if row.position is not None),
        key=lambda row: (row.position, row.story_id),
    )
    order = [row.story_id for row in placed]
    first = list(dict.fromkeys(([] if changes.lead is None else [changes.lead]) + list(changes.order)))
    order = first + [story_id for story_id in order if story_id not in first]
    back = [story_id for story_id in changes.restore if rows[story_id].reasons]
    order += [story_id for story_id in dict.fromkeys((*changes.pin, *back)) if story_id not in order]
    for position, story_id in enumerate(order):
        rows[story_id].position = position
    for story_id in (*first, *changes.pin):
        rows[story_id].pinned, rows[story_id].dropped = True, False
    for story_id in changes.unpin:
        rows[story_id].pinned = False
