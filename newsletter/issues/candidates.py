"""What could go into an issue: the stories of an edition's regions with all that the choice looks at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from newsletter.coverage import Piece, materially_new, topics
from newsletter.issues.events import Report, outlets, typical
from newsletter.issues.rows import evidence_of, regions_of, wider_regions_of
from newsletter.issues.score import Candidate
from newsletter.models import Edition, Issue, IssueState, IssueStory, Region, Source, Story, StoryRegion
from newsletter.pictures import NONE
from newsletter.regions import ABOUT
from newsletter.sources.prose.titles import is_routine

#: Candidates whose topics are told apart; no issue has room for more, and all would take seconds under the lock.
_TOPICAL = 400
#: The place of a pinned story that was out of the issue meanwhile: after all others.
_LAST = 10_000


@dataclass(frozen=True)
class Sent:
    """A story that an edition's readers got, or are approved to get, in another week."""

    week: str
    #: Its source tells something new since.
    updated: bool


def candidates(
    session: Session,
    edition: Edition,
    issue: Issue,
    max_age: timedelta,
    until: datetime,
    *,
    wider: bool = False,
) -> list[Candidate]:
    """Return every story that could go into the issue: recent ones of its regions, and those the editor touched.

    With `wider`, return instead the recent stories of the regions that the edition's own lie in.
    """
    own = regions_of(session, edition.id)
    regions = wider_regions_of(session, own.values()) if wider else own
    edits = {row.story_id: row for row in session.exec(select(IssueStory).where(IssueStory.issue_id == issue.id))}
    sent = sent_before(session, edition.id, issue.id)
    kept = [story_id for story_id, row in edits.items() if row.pinned or row.dropped]
    kept += [story_id for story_id, before in sent.items() if before.updated]
    since = until - 2 * max_age
    if wider:
        already = {story.id for story, _ in _stories(session, own, kept, since)}
        found = [pair for pair in _stories(session, regions, [], since) if pair[0].id not in already]
    else:
        found = _stories(session, own, kept, since)
    known = _known(session, edition, sent, found, regions)
    made = [known.candidate(story, source, edits.get(story.id), wider=wider) for story, source in found]
    return _with_topics(made, {story.id: _piece(story) for story, _ in found}, wider=wider)


def _with_topics(made: Sequence[Candidate], pieces: dict[int, Piece], *, wider: bool) -> list[Candidate]:
    """Return the candidates with their topics; only those that may come in have one. Wider regions have their own."""
    best = sorted(made, key=lambda one: (one.pinned_at is None, -len(one.outlets), -one.published_at.timestamp()))
    found = topics([pieces[one.story_id] for one in best[:_TOPICAL]])
    numbers = {story_id: -1 - number if wider else number for story_id, number in found.items()}
    return [replace(one, topic=numbers.get(one.story_id)) for one in made]


@dataclass(frozen=True)
class _Known:
    """What is looked up once for all candidates, by story id or by coverage."""

    language: str
    regions: dict[int, Region]
    evidence: dict[int, list[StoryRegion]]
    sent: dict[int, Sent]
    covered: dict[int, str]
    reports: dict[int, list[Report]]
    typical: dict[int, float]

    def candidate(self, story: Story, source: Source, row: IssueStory | None, *, wider: bool) -> Candidate:
        tags = self.evidence.get(story.id, [])
        before = self.sent.get(story.id)
        reports = self.reports.get(story.coverage or 0, [])
        return Candidate(
            story_id=story.id,
            title=story.title,
            summary=story.summary,
            published_at=story.updated_at if before and before.updated and story.updated_at else story.published_at,
            source=source.name,
            source_weight=source.weight,
            has_picture=_has_picture(story, row),
            is_dated=story.is_dated,
            evidence=tuple(tag.evidence for tag in tags),
            strength=tags[0].strength if tags else 0.0,
            foreign=story.language if primary(story.language) not in {"", self.language} else "",
            outlets=outlets(reports) or (source.name,),
            coverage=story.coverage,
            reports=len(reports) or 1,
            reports_about=sum(report.is_about for report in reports) if reports else 1,
            typical=self.typical.get(story.id, 0.0),
            routine=is_routine(story.title, story.language),
            sent_in=before.week if before else "",
            updated=before.updated if before else False,
            covered_in=self.covered.get(story.coverage or 0, ""),
            wider=" and ".join(dict.fromkeys(self.regions[tag.region_id].name for tag in tags)) if wider else "",
            pinned_at=(_LAST if row.position is None else row.position) if row and row.pinned else None,
            dropped=bool(row and row.dropped),
        )


def _has_picture(story: Story, row: IssueStory | None) -> bool:
    """Tell whether there is a picture to show: the editor's, unless they want none, else the source's."""
    if row is not None and row.picture:
        return row.picture != NONE
    return bool(story.image_url) and not story.picture_problem


def _known(
    session: Session,
    edition: Edition,
    sent: dict[int, Sent],
    found: Sequence[tuple[Story, Source]],
    regions: dict[int, Region],
) -> _Known:
    reports = reports_of(session, [story.coverage for story, _ in found], regions)
    return _Known(
        language=primary(edition.language),
        regions=regions,
        evidence=evidence_of(session, [story.id for story, _ in found], regions),
        sent=sent,
        covered=_covered(session, sent),
        reports=reports,
        typical={number: share for told in reports.values() for number, share in typical(told).items()},
    )


def primary(language: str) -> str:
    """Return the first part of a language tag, in lower case: "pt" of pt-BR."""
    return language.partition("-")[0].lower()


def _stories(
    session: Session, region_ids: Collection[int], kept: Sequence[int], since: datetime
) -> list[tuple[Story, Source]]:
    """Return the stories since then that are about the regions, and those in `kept`, with their sources."""
    of_regions = select(StoryRegion.story_id).where(
        col(StoryRegion.region_id).in_(list(region_ids)), col(StoryRegion.strength) >= ABOUT
    )
    query = (
        select(Story, Source)
        .join(Source, col(Source.id) == Story.source_id)
        .where((col(Story.id).in_(of_regions) & (col(Story.published_at) > since)) | col(Story.id).in_(kept))
        .order_by(col(Story.id))
    )
    return list(session.exec(query))


def _piece(story: Story) -> Piece:
    return Piece(
        story.id, story.title, story.summary, str(story.source_id), story.published_at, story.language, story.url
    )


def sent_before(session: Session, edition_id: int, issue_id: int) -> dict[int, Sent]:
    """Return story id -> the last other week in which this edition sent it, or has it approved for sending."""
    query = (
        select(Story, Issue.week, IssueStory.sent_text)
        .join(IssueStory, col(IssueStory.story_id) == Story.id)
        .join(Issue, col(Issue.id) == IssueStory.issue_id)
        .where(
            Issue.edition_id == edition_id,
            Issue.id != issue_id,
            col(IssueStory.position).is_not(None),
            col(Issue.state).in_([IssueState.APPROVED, IssueState.SENDING, IssueState.SENT]),
        )
        .order_by(col(Issue.week))
    )
    return {
        story.id: Sent(week, bool(text) and story.updated_at is not None and materially_new(text, text_of(story)))
        for story, week, text in session.exec(query)
    }


def text_of(story: Story) -> str:
    """Return the words of a story that an update of it is told by."""
    return f"{story.title}\n{story.summary}"


def _covered(session: Session, sent: dict[int, Sent]) -> dict[int, str]:
    """Return coverage -> the last week in which one of its stories was sent."""
    query = select(Story.coverage, Story.id).where(col(Story.id).in_(list(sent)), col(Story.coverage).is_not(None))
    weeks: dict[int, str] = {}
    for number, story_id in session.exec(query):
        weeks[number or 0] = max(weeks.get(number or 0, ""), sent[story_id].week)
    return weeks


def reports_of(session: Session, coverages: Iterable[int | None], regions: Collection[int]) -> dict[int, list[Report]]:
    """Return coverage -> the stories that tell the event, in the order in which they came, whatever they are about."""
    wanted = sorted({number for number in coverages if number is not None})
    query = (
        select(Story, Source.name)
        .join(Source, col(Source.id) == Story.source_id)
        .where(col(Story.coverage).in_(wanted))
        .order_by(col(Story.published_at), col(Story.id))
    )
    rows = session.exec(query).all()
    about = evidence_of(session, [story.id for story, _ in rows], regions)
    found: dict[int, list[Report]] = {}
    for story, outlet in rows:
        report = Report(story.id, outlet, story.url, story.title, story.summary, story.id in about)
        found.setdefault(story.coverage or 0, []).append(report)
    return found
