"""A story that an editor adds by its address: read like any other, and kept under the outlet it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlmodel import Session, col, select

from newsletter import slugs
from newsletter.db import Database
from newsletter.errors import Refused
from newsletter.gather.candidates import candidates
from newsletter.gather.indexing import index
from newsletter.gather.storing import keep
from newsletter.models import Source, Story
from newsletter.sources import Fetched
from newsletter.stories import SHARED_SITES, canonical_url, site

#: The kind of the source that is made for an outlet nobody reads yet. It is switched off: its address is no feed.
OUTLET_KIND = "article"


@dataclass(frozen=True)
class Added:
    """What adding a story came to."""

    story_id: int
    headline: str
    source: str
    is_new: bool


def add_story(db: Database, url: str, fetched: Fetched, now: datetime) -> Added:
    """Keep the one story that was read at `url` and return it; a story that is known already is returned as it is.

    It belongs to the source of its outlet, else to a new one of the site's name. Raises Refused with the reason when
    there is nothing to keep.
    """
    kept, problems = candidates(fetched.items, language="", now=now, name=fetched.title)
    if not kept:
        raise Refused(" ".join((*fetched.problems, *problems)) or f"There is no story at {url}.")
    candidate = kept[0]
    with db.transaction() as session:
        known = session.exec(select(Story).where(Story.url == candidate.url)).first()
        if known is not None:
            source = session.get_one(Source, known.source_id)
            return Added(known.id, known.title, source.name, is_new=False)
        source = _outlet(session, candidate.link, fetched.title)
        keep(session, source, kept[:1], now)
        story = session.exec(select(Story).where(Story.url == candidate.url)).one()
        added = Added(story.id, story.title, source.name, is_new=True)
    index(db, now)
    return added


def _outlet(session: Session, link: str, name: str) -> Source:
    """Return the source that stands for the story's outlet, made when there is none.

    A source on the same host is the outlet, unless both have names that differ and the host is shared by many; a source
    of the same name counts only where its site is the story's, since any page may call itself by any name.
    """
    sources = session.exec(select(Source).order_by(col(Source.id))).all()
    of_site = [source for source in sources if site(source.url) == site(link)]
    named = next((source for source in of_site if name and source.name == name), None)
    on_host = next((source for source in of_site if _host(source.url) == _host(link)), None)
    outlet = named or (on_host if site(link) not in SHARED_SITES else None)
    if outlet is not None:
        return outlet
    name = name or _host(link)
    if name in {source.name for source in sources}:
        name = f"{name} ({_host(link)})"  # readers must see that it is another
    slug = slugs.free(slugs.from_name_or_host(name, link), {source.slug for source in sources})
    parts = urlsplit(link)
    url = f"{parts.scheme}://{parts.netloc}/"
    taken = url in {source.url for source in sources}
    source = Source(slug=slug, name=name[:200], kind=OUTLET_KIND, url=link if taken else url, enabled=False)
    session.add(source)
    session.flush()
    return source


def _host(url: str) -> str:
    """Return the host without the label of a twin, such as "www.", with a port that is not the usual one."""
    return urlsplit(canonical_url(url)).netloc
