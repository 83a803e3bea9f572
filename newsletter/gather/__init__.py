"""Stage 1: sources -> stories.

    sources --read, in threads--> items --candidates(), pure--> candidates --store(), a transaction each--> stories
    stories --index()--> tags (which regions) and coverage (which of them tell the same event)

A source that fails is a value in the reports, never an exception that stops the others.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from newsletter.db import Database
from newsletter.errors import FetchError, NewsletterError, NotFound
from newsletter.gather.adding import Added, add_story
from newsletter.gather.candidates import SUMMARY_LIMIT, TITLE_LIMIT, Candidate, candidates, changes
from newsletter.gather.health import Patience, Trouble, is_due, is_resting, next_try, trouble
from newsletter.gather.indexing import index, region_words
from newsletter.gather.storing import Reading, SourceReport, store
from newsletter.gather.telling import tell_editors
from newsletter.models import Source
from newsletter.sources import Previous
from newsletter.sources import Source as Fetcher
from newsletter.sources.text import plain_text
from newsletter.stories import shorten

__all__ = [
    "SUMMARY_LIMIT",
    "TITLE_LIMIT",
    "Added",
    "Candidate",
    "Patience",
    "Reading",
    "SourceReport",
    "Trouble",
    "add_story",
    "candidates",
    "changes",
    "gather",
    "index",
    "is_due",
    "is_resting",
    "next_try",
    "region_words",
    "store",
    "tell_editors",
    "trouble",
]

#: How many sources are read ahead of the one that is stored, for each thread: a slow one holds up no more than these.
_AHEAD = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    """A source to read, as it stood when the gathering began."""

    source_id: int
    slug: str
    name: str
    kind: str
    url: str
    language: str
    previous: Previous


def gather(
    db: Database,
    open_source: Callable[[str, str], Fetcher],
    *,
    clock: Callable[[], datetime],
    threads: int,
    only: Collection[str] = (),
    every: timedelta | None = None,
    progress: Callable[[SourceReport], None] | None = None,
) -> list[SourceReport]:
    """Read every enabled source, or those named in `only`, store their stories, and return a report for each by slug.

    A source that failed before is left alone until its next try, unless it is named; with `every`, so is one that was
    read since. `open_source(kind, url)` makes a source; `progress` is called after each is stored. They are stored in
    the order of their slugs, so that which of two brings a story first does not depend on the network. Raises NotFound,
    before anything is fetched, for an unknown slug.
    """
    with db.reading() as session:
        jobs, resting = _jobs(session, only, every, clock())
    reports = list(resting)
    for reading in _readings(jobs, open_source, clock, threads):
        report = _stored(db, reading)
        reports.append(report)
        if progress is not None:
            progress(report)
    index(db, clock())
    return sorted(reports, key=lambda report: report.slug)


def _stored(db: Database, reading: Reading) -> SourceReport:
    """Store what was read; where the database cannot (locked for too long, full), say why and go on with the others."""
    try:
        return store(db, reading)
    except OperationalError as error:
        logger.warning("action=gather source=%s could not be stored: %s", reading.slug, error)
        cause = plain_text(str(error.orig).partition("\n")[0]).rstrip(".")
        sentence = f"Its stories could not be stored: {cause}. It is read again the next time."
        return SourceReport(reading.slug, error=sentence)


def _jobs(
    session: Session, only: Collection[str], every: timedelta | None, now: datetime
) -> tuple[list[_Job], list[SourceReport]]:
    """Return what to read, and a report for each source that is left alone."""
    sources = session.exec(select(Source).order_by(Source.slug)).all()
    known = {source.slug for source in sources}
    for slug in sorted(only):
        if slug not in known:
            raise NotFound("source", slug, "" if known else "Add one with `newsletter source add`.", known=known)
    wanted = [source for source in sources if (source.slug in only if only else source.enabled)]
    if every is not None:
        wanted = [source for source in wanted if is_due(source, every, now) or is_resting(source, now)]
    resting = [source for source in wanted if not only and is_resting(source, now)]
    jobs = [
        _Job(
            source.id,
            source.slug,
            source.name,
            source.kind,
            source.url,
            source.language,
            Previous(source.etag, source.last_modified),
        )
        for source in wanted
        if source not in resting
    ]
    return jobs, [SourceReport(one.slug, error=one.last_error, resting_until=one.next_fetch_at) for one in resting]


def _readings(
    jobs: Sequence[_Job], open_source: Callable[[str, str], Fetcher], clock: Callable[[], datetime], threads: int
) -> Iterator[Reading]:
    """Read the sources in threads; the results come in the order of the jobs, and few wait to be stored."""
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="gather")
    waiting: deque[Future[Reading]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(_read, job, open_source, clock))
            if len(waiting) >= _AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(job: _Job, open_source: Callable[[str, str], Fetcher], clock: Callable[[], datetime]) -> Reading:
    try:
        fetched = open_source(job.kind, job.url).fetch(job.previous)
        now = clock()
        kept, problems = candidates(fetched.items, language=job.language, now=now, name=job.name)
    except FetchError as error:
        return replace(_failed(job, clock(), error.sentence), retry_after=error.retry_after, asked=error.asked)
    except NewsletterError as error:
        return _failed(job, clock(), str(error))
    except Exception as error:  # A source is foreign code: its bug must not stop the others.
        logger.exception("action=gather source=%s failed unexpectedly", job.slug)
        cause = shorten(plain_text(f"{type(error).__name__}: {error}"), 300)
        return _failed(job, clock(), f"Unexpected error in the code of the source, see the log: {cause}")
    told = (*fetched.problems, *problems)
    return Reading(job.source_id, job.slug, now, fetched=replace(fetched, items=()), candidates=kept, problems=told)


def _failed(job: _Job, at: datetime, sentence: str) -> Reading:
    return Reading(job.source_id, job.slug, at, error=plain_text(sentence))
