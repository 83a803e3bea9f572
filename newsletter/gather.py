"""Stage 1: sources -> stories.

    sources --fetch, in threads--> items --candidates(), pure--> candidates --_store(), a transaction each--> stories

A source that fails is a value in the reports, never an exception that stops the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, delete, select

from newsletter.db import Database
from newsletter.errors import FetchError, NewsletterError, NotFound
from newsletter.models import Region, Source, SourceRegion, Story, StoryRegion
from newsletter.sources import Fetched, Item, Previous
from newsletter.sources import Source as Fetcher
from newsletter.sources.text import absolute_url, language_tag, plain_text
from newsletter.stories import NotAWebAddress, RegionMatch, RegionWords, canonical_url, match_regions, shorten
from subscribers.inserts import insert_missing

TITLE_LIMIT = 500
#: Characters of a summary; the mail's paragraph is made from it.
SUMMARY_LIMIT = 1_000
URL_LIMIT = 2_000

#: Addresses in one query; databases limit how many values a statement has.
_QUERY_SIZE = 500
_NOTHING = Fetched()

logger = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Candidate:
    """An item as it would be stored: cleaned, cut to size, dated, and with the regions that it names."""

    url: str
    link: str
    title: str
    summary: str
    author: str
    language: str
    image_url: str
    image_alt: str
    published_at: datetime
    matches: tuple[RegionMatch, ...]


@dataclass(frozen=True)
class _Job:
    """A source to read, as it stood when the gathering began."""

    source_id: int
    slug: str
    kind: str
    url: str
    language: str
    previous: Previous


@dataclass(frozen=True)
class _Reading:
    """What reading one source came to: an error, or what was fetched with its candidates."""

    job: _Job
    at: datetime
    error: str = ""
    fetched: Fetched = _NOTHING
    candidates: tuple[Candidate, ...] = ()
    problems: tuple[str, ...] = ()


def gather(
    db: Database,
    open_source: Callable[[str, str], Fetcher],
    *,
    clock: Callable[[], datetime],
    threads: int,
    only: Collection[str] = (),
    progress: Callable[[SourceReport], None] | None = None,
) -> list[SourceReport]:
    """Read every enabled source, or those named in `only`, store their stories, and return a report for each by slug.

    `open_source(kind, url)` makes a source; `progress` is called after each is stored. Sources are stored in the order
    of their slugs, so that which of two brings a story first does not depend on the network. Raises NotFound, before
    anything is fetched, for an unknown slug.
    """
    with db.reading() as session:
        jobs = _jobs(session, only)
        regions = _regions(session)
    reports = []
    for reading in _readings(jobs, open_source, regions, clock, threads):
        report = _store(db, reading, regions)
        reports.append(report)
        if progress is not None:
            progress(report)
    return reports


def _jobs(session: Session, only: Collection[str]) -> list[_Job]:
    sources = session.exec(select(Source).order_by(Source.slug)).all()
    known = {source.slug for source in sources}
    for slug in sorted(only):
        if slug not in known:
            raise NotFound("source", slug, f"Known are: {', '.join(sorted(known)) or 'none yet'}.")
    return [
        _Job(
            source.id,
            source.slug,
            source.kind,
            source.url,
            source.language,
            Previous(source.etag, source.last_modified),
        )
        for source in sources
        if (source.slug in only if only else source.enabled)
    ]


def _regions(session: Session) -> dict[int, RegionWords]:
    """Return region id -> what names the region, in the order of their codes."""
    regions = session.exec(select(Region).order_by(Region.code)).all()
    return {region.id: RegionWords(region.code, region.name, tuple(region.words)) for region in regions}


def _readings(
    jobs: Sequence[_Job],
    open_source: Callable[[str, str], Fetcher],
    regions: dict[int, RegionWords],
    clock: Callable[[], datetime],
    threads: int,
) -> Iterator[_Reading]:
    """Read the sources in threads; the results come in the order of the jobs."""
    words = list(regions.values())
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="gather")
    try:
        yield from pool.map(lambda job: _read(job, open_source, words, clock), jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _read(
    job: _Job,
    open_source: Callable[[str, str], Fetcher],
    regions: Sequence[RegionWords],
    clock: Callable[[], datetime],
) -> _Reading:
    try:
        fetched = open_source(job.kind, job.url).fetch(job.previous)
        now = clock()
        kept, problems = candidates(fetched.items, regions, language=job.language, now=now)
    except FetchError as error:
        return _Reading(job, clock(), error=plain_text(error.sentence))
    except NewsletterError as error:
        return _Reading(job, clock(), error=plain_text(str(error)))
    except Exception as error:  # A source is foreign code: its bug must not stop the others.
        logger.exception("action=gather source=%s failed unexpectedly", job.slug)
        cause = plain_text(f"{type(error).__name__}: {error}")
        sentence = f"Unexpected error in the code of the source, see the log: {shorten(cause, 300)}"
        return _Reading(job, clock(), error=sentence)
    return _Reading(job, now, fetched=fetched, candidates=kept, problems=(*fetched.problems, *problems))


def candidates(
    items: Iterable[Item], regions: Sequence[RegionWords], *, language: str, now: datetime
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Return what would be stored of `items`, and a sentence for each that cannot be.

    `language` is the source's, for items that name none. Of two items with one canonical URL the first counts.
    """
    kept: dict[str, Candidate] = {}
    problems = []
    for item in items:
        candidate = _candidate(item, regions, language, now)
        if isinstance(candidate, str):
            problems.append(candidate)
        else:
            kept.setdefault(candidate.url, candidate)
    return tuple(kept.values()), tuple(problems)


def _candidate(item: Item, regions: Sequence[RegionWords], language: str, now: datetime) -> Candidate | str:
    """Return the item as it would be stored, or the sentence on why it cannot be."""
    try:
        url = canonical_url(item.url)
    except NotAWebAddress as error:
        return f"{error} The entry was left out."
    link = absolute_url(item.url) or url
    title = shorten(plain_text(item.title), TITLE_LIMIT)
    summary = shorten(plain_text(item.summary), SUMMARY_LIMIT)
    if max(len(url), len(link)) > URL_LIMIT:
        return f"The address of {title[:80]!r} is longer than {URL_LIMIT:,} characters; the entry was left out."
    if not title:
        return f"The entry at {link} has no title; it was left out."
    image_url = absolute_url(item.image_url)
    return Candidate(
        url=url,
        link=link,
        title=title,
        summary=summary,
        author=shorten(plain_text(item.author), 200),
        language=language_tag(item.language) or language,
        image_url=image_url if len(image_url) <= URL_LIMIT else "",
        image_alt=shorten(plain_text(item.image_alt), 500),
        published_at=min(item.published_at or item.updated_at or now, now),
        matches=tuple(match_regions(title, summary, regions)),
    )


def changes(story: Story, source_id: int, candidate: Candidate) -> dict[str, str]:
    """Return the columns of a known story that the candidate changes, with their new values.

    Only the source that brought a story first may change its words; what others bring is the same story from elsewhere.
    """
    if story.source_id != source_id:
        return {}
    fresh = {name: getattr(candidate, name) for name in ("title", "summary", "image_url", "image_alt")}
    return {name: value for name, value in fresh.items() if value != getattr(story, name)}


def _store(db: Database, reading: _Reading, regions: dict[int, RegionWords]) -> SourceReport:
    """Write down what reading a source came to, in one transaction."""
    slug = reading.job.slug
    with db.transaction() as session:
        known = _lock(session, regions)
        source = session.get(Source, reading.job.source_id, with_for_update=True)
        if source is None:
            return SourceReport(slug, error="The source was removed while it was being read.")
        source.fetched_at = reading.at
        if reading.error:
            source.failures += 1
            source.last_error = reading.error
            return SourceReport(slug, error=reading.error)
        new, updated, unchanged = _keep(session, source, reading, known)
        source.etag = _fitting(reading.fetched.etag, 500)
        source.last_modified = _fitting(reading.fetched.last_modified, 100)
        source.succeeded_at = reading.at
        source.failures = 0
        source.last_error = ""
    return SourceReport(
        slug, new, updated, unchanged, not_modified=reading.fetched.not_modified, problems=reading.problems
    )


def _fitting(validator: str, limit: int) -> str:
    """Return the validator, or nothing when it cannot be kept whole: half of it would never match."""
    return validator if len(validator) <= limit and validator.isprintable() else ""


def _lock(session: Session, regions: dict[int, RegionWords]) -> dict[int, RegionWords]:
    """Lock the regions and return those that still exist.

    So two gatherings write one after the other on PostgreSQL too, and cannot wait for each other in a circle.
    """
    locked = session.exec(select(Region.id).order_by(col(Region.id)).with_for_update(key_share=True)).all()
    return {region_id: regions[region_id] for region_id in locked if region_id in regions}


def _keep(session: Session, source: Source, reading: _Reading, regions: dict[int, RegionWords]) -> tuple[int, int, int]:
    """Insert and update stories with their regions; return how many were new, updated and unchanged."""
    # In one order for everybody: two inserts of the same stories in different orders would block each other.
    wanted = sorted(reading.candidates, key=lambda candidate: candidate.url)
    known = _stories(session, wanted)
    inserted = _insert(session, source, [each for each in wanted if each.url not in known], reading.at)
    stories = _stories(session, wanted)
    updated = 0
    for candidate in wanted:
        story = stories[candidate.url]
        changed = changes(story, source.id, candidate)
        if changed and story.id not in inserted:
            _update(session, story, changed, regions, reading.at)
            updated += 1
    session.flush()
    _note_regions(session, source, [(stories[each.url].id, each.matches) for each in wanted], regions)
    return len(inserted), updated, len(wanted) - len(inserted) - updated


def _stories(session: Session, wanted: Sequence[Candidate]) -> dict[str, Story]:
    stories: dict[str, Story] = {}
    for start in range(0, len(wanted), _QUERY_SIZE):
        urls = [candidate.url for candidate in wanted[start : start + _QUERY_SIZE]]
        stories |= {story.url: story for story in session.exec(select(Story).where(col(Story.url).in_(urls)))}
    return stories


def _insert(session: Session, source: Source, fresh: Sequence[Candidate], now: datetime) -> set[int]:
    """Insert stories and return the ids of those that no other source brought at this very moment."""
    columns = ("url", "link", "title", "summary", "author", "language", "image_url", "image_alt", "published_at")
    rows = [
        {"source_id": source.id, "first_seen_at": now} | {name: getattr(each, name) for name in columns}
        for each in fresh
    ]
    return set(insert_missing(session, Story, rows, unique=["url"]))


def _update(
    session: Session, story: Story, changed: dict[str, str], regions: dict[int, RegionWords], now: datetime
) -> None:
    """Change a story's words, and forget the regions that only its old words named."""
    for region_id, match in _matched(match_regions(story.title, story.summary, list(regions.values())), regions):
        session.exec(
            delete(StoryRegion).where(
                col(StoryRegion.story_id) == story.id,
                col(StoryRegion.region_id) == region_id,
                col(StoryRegion.evidence) == match.evidence,
            )
        )
    for name, value in changed.items():
        setattr(story, name, value)
    story.updated_at = now
    session.add(story)


def _matched(matches: Iterable[RegionMatch], regions: dict[int, RegionWords]) -> list[tuple[int, RegionMatch]]:
    ids = {region.code: region_id for region_id, region in regions.items()}
    return [(ids[match.code], match) for match in matches if match.code in ids]


def _note_regions(
    session: Session,
    source: Source,
    matched: Sequence[tuple[int, tuple[RegionMatch, ...]]],
    regions: dict[int, RegionWords],
) -> None:
    """Note which regions the stories are about: those that they name, and those of the source."""
    own = session.exec(select(SourceRegion.region_id).where(SourceRegion.source_id == source.id)).all()
    evidence: dict[tuple[int, int], str] = {}
    for story_id, matches in matched:
        for region_id, match in _matched(matches, regions):
            evidence[story_id, region_id] = match.evidence
        for region_id in own:
            evidence.setdefault((story_id, region_id), shorten(f"from {source.name}", 200))
    rows = [
        {"story_id": story_id, "region_id": region_id, "evidence": words}
        for (story_id, region_id), words in sorted(evidence.items())
    ]
    insert_missing(session, StoryRegion, rows, unique=["story_id", "region_id"], returning="story_id")
