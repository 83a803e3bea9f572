"""The pictures of mails: of stories, an editor's own, an edition's logo. Made fit for a mail, kept under their hash.

Mails show our copy, so that a reader's opening a mail tells the sources nothing, and a picture that its source takes
down stays in what was sent.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlmodel import Session, col, select, update

from newsletter import flags
from newsletter.db import Database
from newsletter.errors import FetchError, NewsletterError
from newsletter.models import Edition, Issue, IssueStory, Picture, Region, Story
from newsletter.sources.http import Client
from newsletter.sources.prose.resized import BODY_LIMIT, Made, made
from newsletter.sources.text import plain_text
from newsletter.stories import shorten
from subscribers.inserts import insert_missing

#: Bytes of a picture as its source has it.
MAX_BYTES = 8_000_000
#: What can be made fit for a mail.
ACCEPTED = "image/jpeg, image/png, image/webp, image/gif"
#: Seconds for all pictures of an issue together, and how many are fetched at the same time.
SECONDS = 45.0
_THREADS = 4

#: Stands in `IssueStory.picture` for an editor's wish that a story has none.
NONE = "none"

_T = TypeVar("_T")


@dataclass(frozen=True)
class PictureReport:
    """What became of one story's picture; `problem` is a sentence, empty when it is stored."""

    story_id: int
    headline: str
    problem: str = ""


def fetch_pictures(
    db: Database,
    client: Client,
    issue_id: int,
    *,
    clock: Callable[[], datetime],
    again_after: timedelta = timedelta(),
) -> list[PictureReport]:
    """Store the pictures that the issue's stories lack, and return a report for each that was tried.

    A picture that cannot be used is noted with the reason and not tried again before its address changes; one that
    could not be had for a reason that may pass is tried again after `again_after`. All together take SECONDS at most.
    """
    with db.reading() as session:
        wanted = _wanted(session, issue_id, clock() - again_after)
    if not wanted:
        return []
    end = time.monotonic() + SECONDS
    with ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="pictures") as pool:
        found = list(pool.map(lambda one: _fetch(client, one.url, end), wanted))
    for one, picture in zip(wanted, found, strict=True):
        _store(db, issue_id, one, picture, clock())
    return [
        PictureReport(one.story_id, one.headline, picture.sentence if isinstance(picture, _Problem) else "")
        for one, picture in zip(wanted, found, strict=True)
    ]


@dataclass(frozen=True)
class _Wanted:
    """A picture to fetch, and for which story."""

    story_id: int
    headline: str
    url: str


@dataclass(frozen=True)
class _Problem:
    """Why there is no picture. It may pass: the server was slow or had trouble."""

    sentence: str
    may_pass: bool


def _fetch(client: Client, url: str, end: float) -> Made | _Problem:
    """Return the picture at `url`, made fit for mails, unless the time is over or something is wrong with it."""
    left = end - time.monotonic()
    if left <= 0:
        return _Problem("There was no time left for it. The next draft tries again.", may_pass=True)
    try:
        with client.within(left):
            answer = client.get(url, accept=ACCEPTED, max_bytes=MAX_BYTES)
        return client.parse(made, answer.body)
    except FetchError as error:
        final = error.status is not None and 400 <= error.status < 500 and error.status not in {408, 425, 429}
        return _Problem(shorten(plain_text(error.sentence), 500), may_pass=not final)
    except NewsletterError as error:
        return _Problem(shorten(plain_text(str(error)), 500), may_pass=False)


def _wanted(session: Session, issue_id: int, before: datetime) -> list[_Wanted]:
    """Return the issue's stories whose picture was not tried yet, or was last tried in vain before that time."""
    tried = col(Story.picture_tried_at)
    query = (
        select(Story.id, Story.title, Story.image_url)
        .join(IssueStory, col(IssueStory.story_id) == Story.id)
        .where(
            IssueStory.issue_id == issue_id,
            IssueStory.picture == "",
            col(IssueStory.position).is_not(None),
            Story.image_url != "",
            Story.picture == "",
            Story.picture_problem == "",
            tried.is_(None) | (tried <= before),
        )
        .order_by(col(IssueStory.position))
    )
    return [_Wanted(*row) for row in session.exec(query)]


def _store(db: Database, issue_id: int, one: _Wanted, picture: Made | _Problem, now: datetime) -> None:
    with db.transaction() as session:
        story = session.get(Story, one.story_id, with_for_update=True)
        if story is None or story.image_url != one.url:
            return  # the source has changed it meanwhile
        if isinstance(picture, _Problem):
            story.picture_tried_at = now
            story.picture_problem = "" if picture.may_pass else picture.sentence
            _take_back_reason(session, issue_id, one.story_id)
            return
        story.picture = store(session, picture, now)


def store(session: Session, picture: Made, now: datetime) -> str:
    """Keep a picture and its small copy, once each, and return the hash that names it."""
    small = store(session, picture.small, now) if picture.small else ""
    row = {
        "sha256": picture.sha256,
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "body": picture.body,
        "small": small,
        "created_at": now,
    }
    insert_missing(session, Picture, [row], unique=["sha256"], returning="sha256")
    if small:  # it may have been there from a time without small copies
        without = update(Picture).where(col(Picture.sha256) == picture.sha256, col(Picture.small) == "")
        session.execute(without.values(small=small))
    return picture.sha256


def brought(client: Client, place: str, make: Callable[[bytes], _T]) -> _T:
    """Return what `make` (`made` or `made_logo`) makes of the picture in a file or at a web address.

    The file is one that whoever runs a command may read; pages hand in bytes, never a path. Raises FetchError or
    PictureRefused with a sentence, OSError for a file that cannot be read.
    """
    if place.startswith(("https://", "http://")):
        with client.within(SECONDS):
            body = client.get(place, accept=ACCEPTED, max_bytes=MAX_BYTES).body
    else:
        with Path(place).expanduser().open("rb") as file:
            body = file.read(BODY_LIMIT + 1)  # one more is refused for its size
    return client.parse(make, body)


def _take_back_reason(session: Session, issue_id: int, story_id: int) -> None:
    """Let the issue no longer say that a story is in because of a picture that cannot be shown."""
    query = select(IssueStory).where(IssueStory.issue_id == issue_id, IssueStory.story_id == story_id)
    row = session.exec(query.with_for_update()).first()
    if row is not None:
        row.reasons = [reason for reason in row.reasons if reason != "picture"]


def address_of(base_url: str, sha256: str) -> str:
    """Return where mails find a stored picture."""
    return f"{base_url}/pictures/{sha256}"


def small_copies(session: Session, hashes: Iterable[str]) -> dict[str, str]:
    """Return hash -> hash of the small copy, for the stored pictures that have one."""
    query = select(Picture.sha256, Picture.small).where(col(Picture.sha256).in_(set(hashes)), Picture.small != "")
    return dict(session.exec(query).all())


def data_urls(session: Session, issue_id: int, base_url: str) -> dict[str, str]:
    """Return address -> data URL (RFC 2397) of all that an issue's mail may show, for looking at it without a server.

    That is the pictures of its stories, large and small, the logo, and the flags of the newsroom's regions.
    """
    shown = _hashes(session, issue_id, base_url)
    shown |= set(small_copies(session, shown).values())
    pictures = session.exec(select(Picture).where(col(Picture.sha256).in_(shown)))
    found = {address_of(base_url, one.sha256): _data_url(one.media_type, one.body) for one in pictures}
    for code in session.exec(select(Region.code)):
        flag = flags.body_of(flags.file_of(code))
        if flag is not None:
            found[flags.address_of(base_url, code)] = _data_url("image/png", flag)
    return found


def _hashes(session: Session, issue_id: int, base_url: str) -> set[str]:
    """Return the hashes of the pictures that an issue and its edition name."""
    rows = (
        select(IssueStory.picture, Story.picture)
        .join(Story, col(Story.id) == IssueStory.story_id)
        .where(IssueStory.issue_id == issue_id)
    )
    edition = select(Edition.logo_url).join(Issue, col(Issue.edition_id) == Edition.id).where(Issue.id == issue_id)
    logo = session.exec(edition).one().removeprefix(address_of(base_url, ""))
    return {logo, *(sha256 for row in session.exec(rows) for sha256 in row)} - {"", NONE}


def _data_url(media_type: str, body: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(body).decode()}"
