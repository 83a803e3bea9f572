"""The content of the sample newsroom: what stories.toml says, and what a feed holds at a given moment."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("stories.toml")


@dataclass(frozen=True)
class Outlet:
    """Who publishes: its feed is `kind` rss, atom or json."""

    slug: str
    name: str
    place: str
    about: str
    kind: str
    language: str

    @property
    def feed_path(self) -> str:
        """The path of its feed on the server."""
        return f"/{self.slug}/{FEED_FILES[self.kind]}"


FEED_FILES = {"rss": "rss.xml", "atom": "atom.xml", "json": "feed.json"}


@dataclass(frozen=True)
class Update:
    """A later version of a story; an empty title keeps the first one."""

    hours_ago: float
    summary: str
    title: str = ""


@dataclass(frozen=True)
class Story:
    """One story as its outlet wrote it; times count back from the start of the demo."""

    outlet: str
    slug: str
    title: str
    summary: str
    author: str
    topic: str
    hours_ago: float
    picture: str = ""
    #: Outlets that carry it in their feeds with tracking parameters on the link.
    also_in: tuple[str, ...] = ()
    #: An entry that names no address and has no page.
    linkless: bool = False
    update: Update | None = None

    @property
    def path(self) -> str:
        """The path of its page on the server."""
        return f"/{self.outlet}/{self.slug}"


@dataclass(frozen=True)
class Newsroom:
    """Everything that is published. `alts` says what each picture shows, by its name."""

    outlets: Mapping[str, Outlet]
    stories: tuple[Story, ...]
    alts: Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """A story as readers find it at one moment. `updated_at` equals `published_at` until it is rewritten."""

    story: Story
    title: str
    summary: str
    published_at: datetime
    updated_at: datetime

    @property
    def is_updated(self) -> bool:
        """Whether this is a later version."""
        return self.updated_at > self.published_at


def load(file: Path = FILE) -> Newsroom:
    """Return the newsroom that `file` describes."""
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    outlets = {row["slug"]: Outlet(**row) for row in content["outlets"]}
    stories = tuple(_story(row) for row in content["stories"])
    return Newsroom(outlets, stories, {row["name"]: row["alt"] for row in content["pictures"]})


def entry(story: Story, *, now: datetime, shown_at: datetime) -> Entry | None:
    """Return `story` as it stood at `shown_at`, or None before it was published. Its hours count back from `now`."""
    published_at = now - timedelta(hours=story.hours_ago)
    if published_at > shown_at:
        return None
    if story.update is not None:
        updated_at = now - timedelta(hours=story.update.hours_ago)
        if updated_at <= shown_at:
            return Entry(story, story.update.title or story.title, story.update.summary, published_at, updated_at)
    return Entry(story, story.title, story.summary, published_at, published_at)


def entries(newsroom: Newsroom, outlet: str, *, now: datetime, shown_at: datetime) -> list[Entry]:
    """Return what the outlet's feed holds at `shown_at`, the newest first."""
    carried = [story for story in newsroom.stories if outlet == story.outlet or outlet in story.also_in]
    found = [entry(story, now=now, shown_at=shown_at) for story in carried]
    return sorted((one for one in found if one), key=lambda one: one.published_at, reverse=True)


def _story(row: Mapping[str, Any]) -> Story:
    update = Update(**_trimmed(row["update"])) if "update" in row else None
    return Story(**_trimmed(row) | {"also_in": tuple(row.get("also_in", ())), "update": update})


def _trimmed(row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(row) | {"summary": row["summary"].strip()}
