"""Everything that was decided about one story in one issue, for `issue explain`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from newsletter.errors import NotFound
from newsletter.issues.candidates import candidates
from newsletter.issues.drafting import limits_of, reconsider
from newsletter.issues.rows import issue_name, places, regions_of
from newsletter.issues.score import Candidate, Part, Weights, parts, total
from newsletter.models import Edition, Issue, IssueStory, Region, Source, Story, StoryRegion
from newsletter.regions import ABOUT
from newsletter.stories import NotAWebAddress, canonical_url


@dataclass(frozen=True)
class Tagged:
    """A region of a story: why, how surely from 0 to 1, and whether that makes it a story about the region."""

    code: str
    name: str
    evidence: str
    strength: float
    about: bool


@dataclass(frozen=True)
class Told:
    """Another story about the same event."""

    story_id: int
    source: str
    headline: str
    published_at: datetime


@dataclass(frozen=True)
class Facts:
    """What is true of a story in any issue."""

    story_id: int
    headline: str
    link: str
    source: str
    language: str
    published_at: datetime
    is_dated: bool
    updated_at: datetime | None
    tags: tuple[Tagged, ...]
    also: tuple[Told, ...]
    picture_problem: str


@dataclass(frozen=True)
class Explanation:
    """What became of a story in an issue: its place from 0 for the lead, or why it is left out."""

    issue: str
    place: int | None
    left_out: str
    score: float | None
    parts: tuple[Part, ...]
    reasons: tuple[str, ...]


def find_story(session: Session, name: str) -> Story:
    """Return the story with this number or address. Raises NotFound."""
    story = None
    if name.isdecimal() and len(name) < 10:
        story = session.get(Story, int(name))
    elif "://" in name:
        try:
            story = session.exec(select(Story).where(Story.url == canonical_url(name))).first()
        except NotAWebAddress as error:
            raise NotFound("story", name, str(error)) from error
    if story is None:
        raise NotFound("story", name, "Name it by its number, which `newsletter issue show` prints, or its address.")
    return story


def facts_of(session: Session, story: Story) -> Facts:
    """Return what is known of a story."""
    tags = session.exec(
        select(StoryRegion, Region)
        .join(Region, col(Region.id) == StoryRegion.region_id)
        .where(StoryRegion.story_id == story.id)
        .order_by(col(StoryRegion.strength).desc(), Region.code)
    )
    others = session.exec(
        select(Story, Source)
        .join(Source, col(Source.id) == Story.source_id)
        .where(Story.coverage == story.coverage, Story.id != story.id, col(Story.coverage).is_not(None))
        .order_by(col(Story.published_at), col(Story.id))
    )
    return Facts(
        story_id=story.id,
        headline=story.title,
        link=story.link,
        source=session.get_one(Source, story.source_id).name,
        language=story.language,
        published_at=story.published_at,
        is_dated=story.is_dated,
        updated_at=story.updated_at,
        tags=tuple(
            Tagged(region.code, region.name, tag.evidence, tag.strength, tag.strength >= ABOUT) for tag, region in tags
        ),
        also=tuple(Told(one.id, source.name, one.title, one.published_at) for one, source in others),
        picture_problem=story.picture_problem,
    )


def explain(session: Session, issue: Issue, story: Story, now: datetime, weights: Weights | None = None) -> Explanation:
    """Return where the story stands in the issue and why; for one that is not in, what a new draft would decide."""
    edition = session.get_one(Edition, issue.edition_id)
    row = session.exec(
        select(IssueStory).where(IssueStory.issue_id == issue.id, IssueStory.story_id == story.id)
    ).first()
    until = min(now, issue.send_at)
    limits = limits_of(edition)
    one = _candidate(session, edition, issue, story, until)
    found = parts(one, weights or Weights(), limits.max_age, until) if one else ()
    place = row.position if row else None
    return Explanation(
        issue=issue_name(session, issue),
        place=place,
        left_out="" if place is not None else _left_out(session, issue, story, one, now=now, weights=weights),
        score=total(found) if one else None,
        parts=found,
        reasons=tuple(row.reasons) if row and place is not None else (),
    )


def _candidate(session: Session, edition: Edition, issue: Issue, story: Story, until: datetime) -> Candidate | None:
    """Return the story as the choice looks at it, or None where it does not."""
    max_age = limits_of(edition).max_age
    for wider in (False, True) if edition.fall_back else (False,):
        for one in candidates(session, edition, issue, max_age, until, wider=wider):
            if one.story_id == story.id:
                return one
    return None


def _left_out(
    session: Session, issue: Issue, story: Story, one: Candidate | None, *, now: datetime, weights: Weights | None
) -> str:
    """Return why a story is not in the issue, as a new draft would see it."""
    edition = session.get_one(Edition, issue.edition_id)
    if one is None:
        return _never_looked_at(session, edition, story)
    choice = reconsider(session, issue, now, weights=weights, min_stories=as_thin_as(session, issue, edition))
    if story.id in choice.left_out:
        return choice.left_out[story.id].reason
    if any(chosen.story_id == story.id for chosen in choice.chosen):
        return "it came after the draft; a new draft would take it"
    if one.wider and not choice.skip:
        return f"of {one.wider}; the week is not thin"
    return f"the week is thin: {choice.skip}"


def as_thin_as(session: Session, issue: Issue, edition: Edition) -> int:
    """Return the fewest stories that the issue was content with: the edition's, or what an editor accepted."""
    placed = len(places(session, issue.id))
    return min(edition.min_stories, placed) if placed else edition.min_stories


def _never_looked_at(session: Session, edition: Edition, story: Story) -> str:
    own = regions_of(session, edition.id)
    tags = session.exec(select(StoryRegion).where(StoryRegion.story_id == story.id)).all()
    weak = [tag for tag in tags if tag.region_id in own]
    if weak and max(tag.strength for tag in weak) < ABOUT:
        names = " and ".join(own[tag.region_id].name for tag in weak)
        return f"it only mentions {names} in passing ({weak[0].evidence})"
    if weak:
        return f"older than {2 * edition.max_age_days} days"
    return f"it is not about {' or '.join(region.name for region in own.values())}"
