"""The pictures of an issue's stories: fetched once, made fit for a mail, kept under their hash.

Mails show our copy, so that a reader's opening a mail tells the sources nothing, and a picture that its source takes
down stays in what was sent.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.errors import NewsletterError
from newsletter.models import IssueStory, Picture, Story
from newsletter.sources.http import Client
from newsletter.sources.prose.resized import Made, made
from newsletter.sources.text import plain_text
from newsletter.stories import shorten
from subscribers.inserts import insert_missing

#: Bytes of a picture as its source has it.
MAX_BYTES = 8_000_000


@dataclass(frozen=True)
class PictureReport:
    """What became of one story's picture; `problem` is a sentence, empty when it is stored."""

    story_id: int
    headline: str
    problem: str = ""


def fetch_pictures(
    db: Database, client: Client, issue_id: int, *, clock: Callable[[], datetime]
) -> list[PictureReport]:
    """Store the pictures that the issue's stories lack, and return a report for each that was tried.

    A picture that cannot be used is noted with the reason and not tried again before its address changes.
    """
    with db.reading() as session:
        wanted = _wanted(session, issue_id)
    reports = []
    for story_id, headline, url in wanted:
        try:
            answer = client.get(url, accept="image/jpeg, image/png, image/webp, image/gif", max_bytes=MAX_BYTES)
            picture: Made | str = client.parse(made, answer.body)
        except NewsletterError as error:
            picture = shorten(plain_text(getattr(error, "sentence", str(error))), 500)
        _store(db, story_id, url, picture, clock())
        reports.append(PictureReport(story_id, headline, picture if isinstance(picture, str) else ""))
    return reports


def _wanted(session: Session, issue_id: int) -> list[tuple[int, str, str]]:
    """Return (story id, headline, picture's address) of the issue's stories whose picture was not tried yet."""
    query = (
        select(Story.id, Story.title, Story.image_url)
        .join(IssueStory, col(IssueStory.story_id) == Story.id)
        .where(
            IssueStory.issue_id == issue_id,
            col(IssueStory.position).is_not(None),
            Story.image_url != "",
            Story.picture == "",
            Story.picture_problem == "",
        )
        .order_by(col(IssueStory.position))
    )
    return list(session.exec(query))


def _store(db: Database, story_id: int, url: str, picture: Made | str, now: datetime) -> None:
    with db.transaction() as session:
        story = session.get(Story, story_id, with_for_update=True)
        if story is None or story.image_url != url:
            return  # the source has changed it meanwhile
        if isinstance(picture, str):
            story.picture_problem = picture
            return
        row = {
            "sha256": picture.sha256,
            "media_type": picture.media_type,
            "width": picture.width,
            "height": picture.height,
            "body": picture.body,
            "created_at": now,
        }
        insert_missing(session, Picture, [row], unique=["sha256"], returning="sha256")
        story.picture = picture.sha256


def address_of(base_url: str, sha256: str) -> str:
    """Return where mails find a stored picture."""
    return f"{base_url}/pictures/{sha256}"


def data_urls(session: Session, issue_id: int, base_url: str) -> dict[str, str]:
    """Return address -> data URL (RFC 2397) of the stored pictures of an issue, for looking at it without a server."""
    query = (
        select(Picture)
        .join(Story, col(Story.picture) == Picture.sha256)
        .join(IssueStory, col(IssueStory.story_id) == Story.id)
        .where(IssueStory.issue_id == issue_id)
    )
    return {
        address_of(base_url, found.sha256): f"data:{found.media_type};base64,{b64encode(found.body).decode()}"
        for found in session.exec(query)
    }
