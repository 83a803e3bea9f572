"""Rows for tests: a small newsroom in a real database, with readers and stories on demand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session

from newsletter.db import Database
from newsletter.models import Edition, EditionRegion, Region, Source, SourceRegion, Story, StoryRegion
from subscribers.models import MailingList, Subscriber, Subscription, SubscriptionState

#: A Thursday. The edition below goes out on Saturday the 21st at 06:00 UTC, in week 47.
NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)
WEEK = "2026-W47"


@dataclass(frozen=True)
class Newsroom:
    """The ids of what `newsroom` made."""

    edition_id: int
    list_id: int
    region_id: int
    source_id: int


def add_list(session: Session, slug: str, name: str, now: datetime) -> MailingList:
    """Add a mailing list and return it."""
    row = MailingList(slug=slug, name=name, created_at=now)
    session.add(row)
    session.flush()
    return row


def newsroom(session: Session, slug: str = "fen-weekly", **edition: Any) -> Newsroom:
    """Add a region, a source, a list and an edition of that region, and return their ids."""
    mailing_list = MailingList(slug=slug, name=slug.replace("-", " ").title(), created_at=NOW - timedelta(days=90))
    region = Region(code=f"{slug}-region", name="The Fens", words=["Ely"])
    source = Source(slug=f"{slug}-post", name="The Fen Post", kind="feed", url=f"https://post.example/{slug}.xml")
    session.add_all([mailing_list, region, source])
    session.flush()
    made = Edition(**(edition_fields(slug, mailing_list.id) | edition))
    session.add(made)
    session.flush()
    session.add(EditionRegion(edition_id=made.id, region_id=region.id))
    session.add(SourceRegion(source_id=source.id, region_id=region.id))
    session.flush()
    return Newsroom(made.id, mailing_list.id, region.id, source.id)


def edition_fields(slug: str, list_id: int) -> dict[str, Any]:
    """Return the fields of a usual edition: Saturdays at 07:00 in Berlin."""
    return {
        "slug": slug,
        "name": "Fen Weekly",
        "tagline": "The week in the fens.",
        "region_name": "the Fens",
        "list_id": list_id,
        "sender_name": "Fen Weekly",
        "sender_address": "weekly@fen.example",
        "publisher": "Fen Press",
        "postal_address": "1 Bridge Street, Ely CB7 4AA",
        "contact": "desk@fen.example",
        "send_weekday": 5,
        "send_hour_minute": "07:00",
        "time_zone": "Europe/Berlin",
        "min_stories": 2,
        "created_at": NOW - timedelta(days=3),
    }


def story(session: Session, made: Newsroom, number: int, *, hours_old: float = 10, **fields: Any) -> Story:
    """Add a story of the newsroom's region and return it."""
    values: dict[str, Any] = {
        "source_id": made.source_id,
        "url": f"https://post.example/story/{made.source_id}/{number}",
        "link": f"https://post.example/story/{made.source_id}/{number}",
        "title": f"Headline number {number}",
        "summary": f"What story {number} is about, told in a sentence or two.",
        "published_at": NOW - timedelta(hours=hours_old),
        "first_seen_at": NOW,
    }
    row = Story(**(values | fields))
    session.add(row)
    session.flush()
    session.add(StoryRegion(story_id=row.id, region_id=made.region_id, evidence="from The Fen Post"))
    session.flush()
    return row


def reader(
    session: Session,
    made: Newsroom,
    address: str,
    *,
    state: SubscriptionState = SubscriptionState.CONFIRMED,
    name: str = "",
) -> Subscription:
    """Add a reader of the newsroom's list and return the subscription."""
    person = Subscriber(address=address, address_key=address.lower(), name=name, created_at=NOW)
    session.add(person)
    session.flush()
    row = Subscription(
        subscriber_id=person.id, list_id=made.list_id, state=state, requested_at=NOW, changed_at=NOW - timedelta(days=9)
    )
    session.add(row)
    session.flush()
    return row


def populated(db: Database, *, readers: int, stories: int = 4, **edition: Any) -> Newsroom:
    """Make a newsroom with stories and readers r0@example.org, r1@..., committed."""
    with db.transaction() as session:
        made = newsroom(session, **edition)
        for number in range(stories):
            story(session, made, number, hours_old=number + 1)
        for number in range(readers):
            reader(session, made, f"r{number}@example.org")
    return made
