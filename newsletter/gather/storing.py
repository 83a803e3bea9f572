"""What reading one source came to, written down in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.gather.candidates import Candidate, changes
from newsletter.gather.health import next_try
from newsletter.models import Source, Story, StorySource
from newsletter.sources import Fetched
from subscribers.inserts import insert_missing

#: Addresses in one query; databases limit how many values a statement has.
_QUERY_SIZE = 500
_NOTHING = Fetched()
_V = TypeVar("_V")
_COLUMNS = tuple(name for name in Candidate.__dataclass_fields__ if name != "categories")


@dataclass(frozen=True)
class SourceReport:
    """What gathering from one source came to. `unchanged` counts stories that were known and stayed as they were."""

    slug: str
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    not_modified: bool = False
    #: Why nothing could be read, as a sentence.
    error: str = ""
    #: A sentence for every entry that was left out.
    problems: tuple[str, ...] = ()
    #: It was not read: it failed before, or its server asked for rest until then.
    resting_until: datetime | None = None


@dataclass(frozen=True)
class Reading:
    """What reading one source came to: an error, or what was fetched with its candidates."""

    source_id: int
    slug: str
    at: datetime
    error: str = ""
    retry_after: float | None = None
    asked: bool = True
    fetched: Fetched = _NOTHING
    candidates: tuple[Candidate, ...] = ()
    problems: tuple[str, ...] = ()


def store(db: Database, reading: Reading) -> SourceReport:
    """Write down what reading a source came to, in one transaction."""
    with db.transaction() as session:
        source = session.get(Source, reading.source_id, with_for_update=True)
        if source is None:
            return SourceReport(reading.slug, error="The source was removed while it was being read.")
        if reading.asked:
            source.fetched_at = reading.at
            source.first_fetched_at = source.first_fetched_at or reading.at
        if reading.error:
            _note_failure(source, reading)
            return SourceReport(reading.slug, error=reading.error)
        new, updated, unchanged = keep(session, source, reading.candidates, reading.at)
        _note_success(source, reading, brought_new=bool(new))
    return SourceReport(
        reading.slug, new, updated, unchanged, not_modified=reading.fetched.not_modified, problems=reading.problems
    )


def _note_failure(source: Source, reading: Reading) -> None:
    if not reading.asked:  # its host rests, or is busy with our other questions: no fault of the source
        source.next_fetch_at = reading.at + timedelta(seconds=reading.retry_after or 60)
        return
    source.failures += 1
    source.last_error = reading.error
    source.failing_since = source.failing_since or reading.at
    source.next_fetch_at = next_try(source.failures, reading.retry_after, reading.at)


def _note_success(source: Source, reading: Reading, *, brought_new: bool) -> None:
    source.etag = _fitting(reading.fetched.etag, 500)
    source.last_modified = _fitting(reading.fetched.last_modified, 100)
    source.notice = reading.fetched.notice
    source.succeeded_at = reading.at
    if source.told_of == "failing":
        source.told_at, source.told_of = None, ""  # trouble that comes back is told again
    source.failures = 0
    source.last_error = ""
    source.failing_since = source.next_fetch_at = None
    if brought_new:
        source.new_story_at = reading.at
        source.told_at, source.told_of = None, ""


def _fitting(validator: str, limit: int) -> str:
    """Return the validator, or nothing when it cannot be kept whole: half of it would never match."""
    return validator if len(validator) <= limit and validator.isprintable() else ""


def keep(session: Session, source: Source, found: Sequence[Candidate], now: datetime) -> tuple[int, int, int]:
    """Insert and update stories; return how many were new, updated and unchanged."""
    # In one order for everybody: two inserts of the same stories in different orders would block each other.
    wanted = sorted(found, key=lambda candidate: candidate.url)
    known = _stories(session, wanted, lock=True)
    inserted = _insert(session, source, [each for each in wanted if each.url not in known], now)
    stories = _stories(session, wanted)
    updated = 0
    for candidate in wanted:
        story = stories[candidate.url]
        changed = changes(story, source.id, candidate)
        if changed and story.id not in inserted:
            _update(story, changed, now)
            updated += 1
    _note_source(session, source, [stories[each.url] for each in wanted])
    return len(inserted), updated, len(wanted) - len(inserted) - updated


def _stories(session: Session, wanted: Sequence[Candidate], *, lock: bool = False) -> dict[str, Story]:
    """Return the stored stories by address. Locked, they are so in the order of their ids, as tagging locks them."""
    ids: list[int] = []
    for urls in _portions([candidate.url for candidate in wanted]):
        ids += session.exec(select(Story.id).where(col(Story.url).in_(urls)))
    stories: dict[str, Story] = {}
    for some in _portions(sorted(ids)):
        query = select(Story).where(col(Story.id).in_(some)).order_by(col(Story.id))
        stories |= {story.url: story for story in session.exec(query.with_for_update() if lock else query)}
    return stories


def _portions(values: Sequence[_V]) -> Iterator[Sequence[_V]]:
    for start in range(0, len(values), _QUERY_SIZE):
        yield values[start : start + _QUERY_SIZE]


def _insert(session: Session, source: Source, fresh: Sequence[Candidate], now: datetime) -> set[int]:
    """Insert stories and return the ids of those that no other source brought at this very moment."""
    rows = [
        {"source_id": source.id, "first_seen_at": now, "categories": list(each.categories)}
        | {name: getattr(each, name) for name in _COLUMNS}
        for each in fresh
    ]
    return set(insert_missing(session, Story, rows, unique=["url"]))


def _update(story: Story, changed: dict[str, str], now: datetime) -> None:
    for name, value in changed.items():
        setattr(story, name, value)
    if "image_url" in changed:
        story.picture = story.picture_problem = ""
        story.picture_tried_at = None
    story.updated_at = now
    story.tagged_as = ""


def _note_source(session: Session, source: Source, stories: Sequence[Story]) -> None:
    """Note that this source carried these stories; those that it had not carried before are tagged again."""
    rows = [{"story_id": story.id, "source_id": source.id} for story in stories]
    fresh = insert_missing(session, StorySource, rows, unique=["story_id", "source_id"], returning="story_id")
    for story in stories:
        if story.id in fresh and story.tagged_as:
            story.tagged_as = ""
