"""Finding issues and their stories: the queries that drafting, editing and approving share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from newsletter.errors import NotFound, Refused
from newsletter.models import (
    Edition,
    EditionRegion,
    Issue,
    IssueState,
    IssueStory,
    Region,
    Source,
    Story,
    StoryRegion,
)
from newsletter.pictures import NONE
from newsletter.regions import ABOUT, parent_of


@dataclass(frozen=True)
class Place:
    """A story's row in an issue together with the story and its source."""

    row: IssueStory
    story: Story
    source: Source

    @property
    def headline(self) -> str:
        """The editor's headline, else the source's."""
        return self.row.headline or self.story.title

    @property
    def summary(self) -> str:
        """The editor's summary, else the source's."""
        return self.row.summary or self.story.summary

    @property
    def picture(self) -> str:
        """The hash of the editor's picture, else of the source's; "" for none."""
        return "" if self.row.picture == NONE else self.row.picture or self.story.picture

    @property
    def has_edited_picture(self) -> bool:
        """Whether the picture, its description or its credit is the editor's choice."""
        return bool(self.row.picture or self.row.image_alt or self.row.image_credit)

    @property
    def image_alt(self) -> str:
        """What the picture shows. What the source says of its own is never said of the editor's."""
        return (self.row.image_alt or ("" if self.row.picture else self.story.image_alt)) if self.picture else ""

    @property
    def image_credit(self) -> str:
        """Whose picture it is. The source's credit never stays on the editor's picture."""
        return (self.row.image_credit or ("" if self.row.picture else self.story.image_credit)) if self.picture else ""


def find_edition(session: Session, slug: str) -> Edition:
    """Return the edition. Raises NotFound, naming those that exist."""
    edition = session.exec(select(Edition).where(Edition.slug == slug)).first()
    if edition is None:
        known = session.exec(select(Edition.slug).order_by(Edition.slug)).all()
        raise NotFound("edition", slug, "" if known else "Add one with `newsletter edition add`.", known=known)
    return edition


def find_issue(session: Session, name: str) -> Issue:
    """Return the issue named `edition` (its latest) or `edition/2026-W47`. Raises NotFound."""
    slug, _, week = name.partition("/")
    edition = find_edition(session, slug)
    query = select(Issue).where(Issue.edition_id == edition.id).order_by(col(Issue.week).desc())
    issue = session.exec(query.where(Issue.week == week) if week else query).first()
    if issue is None:
        hint = f"Draft it with `newsletter issue draft {slug}{' --week ' + week if week else ''}`."
        raise NotFound("issue", name, hint)
    return issue


def lock_issue(session: Session, issue_id: int) -> Issue:
    """Return the issue's row as it is now, locked until the transaction ends (on PostgreSQL; SQLite has one writer)."""
    query = select(Issue).where(Issue.id == issue_id).with_for_update().execution_options(populate_existing=True)
    return session.exec(query).one()


def issue_name(session: Session, issue: Issue) -> str:
    """Return the name the command line uses, such as `fenland-weekly/2026-W47`."""
    return f"{session.get_one(Edition, issue.edition_id).slug}/{issue.week}"


@dataclass(frozen=True)
class Listed:
    """An issue as a line of a list. `about` is its subject, or why it is skipped or held."""

    name: str
    number: int | None
    state: IssueState
    send_at: datetime
    about: str


def all_issues(session: Session, slug: str = "") -> list[Listed]:
    """Return the issues of one edition, or of all, the newest first. Raises NotFound for an unknown edition."""
    query = select(Issue, Edition.slug).join(Edition, col(Edition.id) == Issue.edition_id)
    if slug:
        query = query.where(Issue.edition_id == find_edition(session, slug).id)
    rows = session.exec(query.order_by(col(Issue.send_at).desc(), Edition.slug))
    return [
        Listed(f"{edition}/{row.week}", row.number, row.state, row.send_at, row.reason or row.subject)
        for row, edition in rows
    ]


def local_time(session: Session, issue: Issue) -> str:
    """Return the send time as the edition's people read it, such as "Saturday 2026-11-21 07:00 (Europe/Kyiv)"."""
    zone = session.get_one(Edition, issue.edition_id).time_zone
    return f"{issue.send_at.astimezone(ZoneInfo(zone)):%A %Y-%m-%d %H:%M} ({zone})"


def places(session: Session, issue_id: int) -> list[Place]:
    """Return the stories of an issue in order; dropped ones are left out."""
    return [place for place in all_places(session, issue_id) if place.row.position is not None]


def all_places(session: Session, issue_id: int) -> list[Place]:
    """Return every story row of an issue, placed ones first and in order."""
    query = (
        select(IssueStory, Story, Source)
        .join(Story, col(Story.id) == IssueStory.story_id)
        .join(Source, col(Source.id) == Story.source_id)
        .where(IssueStory.issue_id == issue_id)
        .order_by(col(IssueStory.position).is_(None), col(IssueStory.position), col(IssueStory.id))
    )
    return [Place(row, story, source) for row, story, source in session.exec(query)]


def regions_of(session: Session, edition_id: int) -> dict[int, Region]:
    """Return the edition's regions by id."""
    query = select(Region).join(EditionRegion, col(EditionRegion.region_id) == Region.id)
    return {region.id: region for region in session.exec(query.where(EditionRegion.edition_id == edition_id))}


def wider_regions_of(session: Session, regions: Iterable[Region]) -> dict[int, Region]:
    """Return the regions that `regions` lie in, by id, without those that are among them."""
    own = list(regions)
    codes = {region.parent or parent_of(region.code) for region in own} - {region.code for region in own}
    query = select(Region).where(col(Region.code).in_(sorted(codes)))
    return {region.id: region for region in session.exec(query)}


def evidence_of(session: Session, story_ids: Iterable[int], region_ids: Iterable[int]) -> dict[int, list[StoryRegion]]:
    """Return story id -> its region rows among `region_ids` that it is about, the surest first."""
    query = (
        select(StoryRegion)
        .where(
            col(StoryRegion.story_id).in_(list(story_ids)),
            col(StoryRegion.region_id).in_(list(region_ids)),
            col(StoryRegion.strength) >= ABOUT,
        )
        .order_by(col(StoryRegion.strength).desc(), col(StoryRegion.region_id))
    )
    found: dict[int, list[StoryRegion]] = {}
    for row in session.exec(query):
        found.setdefault(row.story_id, []).append(row)
    return found


def about_edition(session: Session, edition_id: int, story_ids: Iterable[int]) -> set[int]:
    """Return those of the stories that are about the edition's regions, or about the regions that these lie in."""
    own = regions_of(session, edition_id)
    return set(evidence_of(session, story_ids, [*own, *wider_regions_of(session, own.values())]))


def require_open(issue: Issue, name: str) -> None:
    """Raise Refused when the issue can no longer change."""
    if issue.state in {IssueState.SENDING, IssueState.SENT, IssueState.CANCELLED}:
        raise Refused(f"{name} is {issue.state}: what readers got does not change any more.")


def take_back_approval(issue: Issue) -> None:
    """Make the issue a draft again: what was approved is no longer what would be sent."""
    issue.state = IssueState.DRAFT
    issue.reason = ""
    issue.approved_at, issue.approved_by, issue.content_hash, issue.nonce = None, "", "", ""
    issue.subject, issue.html, issue.text, issue.accepted = "", "", "", []
    issue.from_name, issue.from_address, issue.reply_to = "", "", ""
