"""After the stories are stored: which regions each is about, and which of them tell the same event."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, count

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, delete, insert, select
from sqlmodel.sql.expression import SelectOfScalar

from newsletter.coverage import Piece, group
from newsletter.db import Database
from newsletter.models import Edition, Region, Source, SourceRegion, Story, StoryRegion, StorySource
from newsletter.regions import ABOUT, About, Gazetteer, RegionWords
from newsletter.stories import shorten

#: Stories first seen in this time are tagged again when regions or sources change.
TAG_WINDOW = timedelta(days=30)
#: Stories published in this time, or in an edition's longer one, are grouped; those in the older part keep their group.
COVERAGE_WINDOW = timedelta(days=10)
_SETTLED = timedelta(days=7)
_BATCH = 500
_PIECE = ("title", "summary", "source_id", "published_at", "language", "url")


def index(db: Database, now: datetime) -> None:
    """Tag the stories that need it, and group them by event when any did."""
    with db.reading() as session:
        regions = session.exec(select(Region).order_by(Region.code)).all()
        own = _own_regions(session)
        mark = _mark(regions, own)
        some_untagged = session.exec(_untagged(mark, now).limit(1)).first()
    if some_untagged is not None:  # making a gazetteer takes seconds
        gazetteer = Gazetteer.of([region_words(region) for region in regions])
        tagger = _Tagger(gazetteer, {region.code: region.id for region in regions}, own, mark)
        while _tag_batch(db, tagger, now):
            pass
    with db.reading() as session:
        some_ungrouped = session.exec(select(Story.id).where(Story.tagged_as == _ungrouped(mark)).limit(1)).first()
    if some_ungrouped is not None:
        _group(db, mark, now)


def region_words(region: Region) -> RegionWords:
    """Return a region's row as the gazetteer takes it."""
    area = None
    if region.area:
        south, west, north, east = region.area
        area = (south, west, north, east)
    return RegionWords(region.code, region.name, tuple(region.words), region.parent, area)


@dataclass(frozen=True, order=True)
class _Own:
    """A region that all stories of a source belong to."""

    region_id: int
    code: str
    source: str


@dataclass(frozen=True)
class _Tagger:
    """What tags are made with: region code -> id in `ids`, the regions of each source, and a mark of all of that."""

    gazetteer: Gazetteer
    ids: dict[str, int]
    own: dict[int, list[_Own]]
    mark: str

    def rows(self, story: Story, sources: Iterable[int]) -> list[dict[str, object]]:
        """Return a row for each region that the story names or that one of its sources belongs to.

        Where both are so, the words of the story are the reason, unless they are a passing mention.
        """
        reasons: dict[int, tuple[float, str]] = {}
        home = ""
        for own in (own for source_id in sources for own in self.own.get(source_id, [])):
            home = home or _country(own.code)
            reasons.setdefault(own.region_id, (ABOUT, shorten(f"from {own.source}", 200)))
        point = None if story.latitude is None or story.longitude is None else (story.latitude, story.longitude)
        summary = f"{story.dateline} - {story.summary}" if story.dateline else story.summary
        about = About(story.title, summary, story.language, tuple(story.categories or ()), point, home)
        for tag in self.gazetteer.tag(about):
            region_id = self.ids[tag.code]
            if region_id not in reasons or tag.strength >= ABOUT:
                reasons[region_id] = (tag.strength, shorten(tag.evidence, 200))
        return [
            {"story_id": story.id, "region_id": region_id, "evidence": evidence, "strength": strength}
            for region_id, (strength, evidence) in sorted(reasons.items())
        ]


def _own_regions(session: Session) -> dict[int, list[_Own]]:
    """Return source id -> the regions that it belongs to."""
    query = (
        select(Source.id, Region.id, Region.code, Source.name)
        .join(SourceRegion, col(SourceRegion.source_id) == Source.id)
        .join(Region, col(Region.id) == SourceRegion.region_id)
        .order_by(col(Source.id), col(Region.id))
    )
    own: dict[int, list[_Own]] = {}
    for source_id, region_id, code, name in session.exec(query):
        own.setdefault(source_id, []).append(_Own(region_id, code, name))
    return own


def _mark(regions: Sequence[Region], own: dict[int, list[_Own]]) -> str:
    """Return a short hash of all that tags are made from beside the story itself."""
    made_from = [(one.code, one.name, one.words, one.parent, one.area) for one in regions], sorted(own.items())
    return hashlib.sha256(repr(made_from).encode()).hexdigest()[:16]


def _ungrouped(mark: str) -> str:
    """Return the mark of stories that are tagged, but not grouped yet: a crash between the two is made good by it."""
    return f"~{mark[1:]}"


def _untagged(mark: str, now: datetime) -> SelectOfScalar[Story]:
    """Return the query for the stories that are not tagged as `mark` says."""
    recent = col(Story.first_seen_at) > now - TAG_WINDOW
    return select(Story).where(col(Story.tagged_as).not_in([mark, _ungrouped(mark)]), recent).order_by(col(Story.id))


def _tag_batch(db: Database, tagger: _Tagger, now: datetime) -> int:
    """Tag some of the stories that are not tagged with the tagger's mark; return how many there were.

    The stories are locked, in one order, so that nobody changes their words meanwhile.
    """
    with db.transaction() as session:
        stories = session.exec(_untagged(tagger.mark, now).limit(_BATCH).with_for_update()).all()
        carried = _sources_of(session, [story.id for story in stories])
        # Locked, so that no region is removed while a tag of it is written; the lock lets others refer to it.
        there = set(session.exec(select(Region.id).with_for_update(key_share=True)))
        rows: list[dict[str, object]] = []
        for story in stories:
            rows += (row for row in tagger.rows(story, carried.get(story.id, [])) if row["region_id"] in there)
            story.tagged_as = _ungrouped(tagger.mark)
        session.exec(delete(StoryRegion).where(col(StoryRegion.story_id).in_([story.id for story in stories])))
        if rows:
            session.exec(insert(StoryRegion), params=rows)
    return len(stories)


def _sources_of(session: Session, story_ids: Sequence[int]) -> dict[int, list[int]]:
    """Return story id -> the sources that carried it."""
    query = (
        select(StorySource.story_id, StorySource.source_id)
        .where(col(StorySource.story_id).in_(story_ids))
        .order_by(col(StorySource.story_id), col(StorySource.source_id))
    )
    carried: dict[int, list[int]] = {}
    for story_id, source_id in session.exec(query):
        carried.setdefault(story_id, []).append(source_id)
    return carried


def _country(code: str) -> str:
    """Return the country of an ISO 3166 code, or nothing for a code of the newsroom's own."""
    country = code.partition("-")[0]
    return country if len(country) == 2 and country.isupper() else ""


def _group(db: Database, mark: str, now: datetime) -> None:
    """Find the stories about the same event, note which group each belongs to, and that they are grouped."""
    table = SQLModel.metadata.tables["story"]
    columns = [table.c[name] for name in ("id", *_PIECE, "coverage", "tagged_as")]
    with db.reading() as session:
        begins = now - _window(session)
        rows = session.connection().execute(sa.select(*columns).where(table.c.published_at > begins)).all()
    pieces = [
        Piece(row.id, row.title, row.summary, str(row.source_id), row.published_at, row.language, row.url)
        for row in rows
    ]
    after = coverage_numbers(group(pieces), {row.id: row.coverage for row in rows})
    settled = now - _SETTLED
    moved = [
        {"story": row.id, "number": after.get(row.id)}
        for row in rows
        if after.get(row.id) != row.coverage and (row.published_at > settled or row.coverage is None)
    ]
    grouped = [{"story": row.id} for row in rows if row.tagged_as == _ungrouped(mark)]
    story = table.c.id == sa.bindparam("story")
    waiting = table.c.tagged_as == _ungrouped(mark)
    with db.transaction() as session:
        connection = session.connection()
        if moved:
            statement = sa.update(table).where(story).values(coverage=sa.bindparam("number"))
            connection.execute(statement, sorted(moved, key=lambda row: row["story"]))
        if grouped:
            statement = sa.update(table).where(story, waiting).values(tagged_as=mark)
            connection.execute(statement, sorted(grouped, key=lambda row: row["story"]))
        connection.execute(sa.update(table).where(waiting, table.c.published_at <= begins).values(tagged_as=mark))


def _window(session: Session) -> timedelta:
    """Return how far back stories are grouped: as far as any edition takes them, and a little further."""
    oldest = session.exec(select(sa.func.max(Edition.max_age_days))).one()
    return max(COVERAGE_WINDOW, timedelta(days=(oldest or 0) + 3))


def coverage_numbers(groups: Sequence[tuple[int, ...]], before: dict[int, int | None]) -> dict[int, int]:
    """Return story id -> number of its coverage, for the stories in groups.

    A group keeps the number that most of its stories had, so that an issue that was sent still knows it; of two groups
    that claim one number the larger has it. A new group is named by its first story. One whose stories' numbers and ids
    all name other groups gets a number below zero, which is no story's id, and keeps it like any other.
    """
    after: dict[int, int] = {}
    taken: set[int] = set()
    for members in sorted(groups, key=lambda one: (-len(one), min(one))):
        had = Counter(number for number in map(before.get, sorted(members)) if number is not None)
        spare = count(-min(members), -1)
        claims = chain((number for number, _ in had.most_common()), sorted(members), spare)
        number = next(number for number in claims if number not in taken)
        taken.add(number)
        after |= dict.fromkeys(members, number)
    return after
