"""What `newsletter source add` does between reading its options and printing: search, choose, save."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from newsletter import newsroom
from newsletter.app import App
from newsletter.cli.base import say
from newsletter.errors import Refused
from newsletter.newsroom import SourceEntry
from newsletter.sources import Item, Previous, load_source
from newsletter.sources.discovery import Candidate, addresses, find_feeds
from newsletter.stories import shorten

if TYPE_CHECKING:
    from newsletter.newsroom import Change

#: Stories that are shown of what was found.
_SHOWN = 5
_NAME_LIMIT = 200
#: The sentence of sources/entries.py about a feed of more entries than are kept.
_TOO_MANY = re.compile(r"Of its (\d+) entries, only the newest")
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Wanted:
    """What was asked for. What is empty or None was left out."""

    url: str
    name: str = ""
    slug: str = ""
    regions: list[str] | None = None
    kind: str = ""
    language: str = ""
    weight: float | None = None


@dataclass(frozen=True)
class Choice:
    """What would be saved, from which of the candidates, and whether it is a source already."""

    entry: SourceEntry
    taken: Candidate
    others: tuple[Candidate, ...] = ()
    known: bool = False


def choose(app: App, wanted: Wanted) -> Choice:
    """Return what to save. Raises FetchError when nothing can be read, or ConfigurationError for a wrong option."""
    with app.db.reading() as session:
        sources = {entry.url: entry for entry in newsroom.read(session).sources}
    known = next((sources[url] for url in addresses(wanted.url) if url in sources), None)
    kind = wanted.kind or (known.kind if known else "")
    others: list[Candidate] = []
    if kind:
        taken = _read(app, known.url if known else addresses(wanted.url)[0], kind)
    else:
        taken, *others = find_feeds(app.client, wanted.url).candidates
    known = known or sources.get(taken.url)
    with app.db.reading() as session:
        name = wanted.name or (known.name if known else "") or _name(taken)
        slug = newsroom.source_slug(session, taken.url, slug=wanted.slug or (known.slug if known else ""), name=name)
    entry = newsroom.checked(SourceEntry, **_fields(wanted, taken, known) | {"slug": slug, "name": name})
    return Choice(entry, taken, tuple(others), known=known is not None)


def _fields(wanted: Wanted, taken: Candidate, known: SourceEntry | None) -> dict[str, Any]:
    """Return the fields of the entry: what was asked for, else what the source has, else what was found."""
    fields = known.model_dump() if known else {"kind": taken.kind, "url": taken.url}
    given = {
        "kind": wanted.kind,
        "language": wanted.language or fields.get("language") or taken.language,
        "regions": wanted.regions,
        "weight": wanted.weight,
    }
    return fields | {name: value for name, value in given.items() if value is not None and value != ""}


def _read(app: App, url: str, kind: str) -> Candidate:
    fetched = load_source(kind, url, app.client).fetch(Previous())
    return Candidate(url, kind, fetched.title, fetched.items, "the address itself", problems=fetched.problems)


def _name(taken: Candidate) -> str:
    host = (urlsplit(taken.url).hostname or taken.url).removeprefix("www.")
    return shorten(taken.title, _NAME_LIMIT) or host


def refuse_empty(choice: Choice) -> None:
    """Raise Refused when nothing that could be a story was found, for a source that is new."""
    taken = choice.taken
    if taken.items or choice.known:
        return
    what = {"page": "page", "sitemap": "sitemap"}.get(taken.kind, "feed")
    reasons = " ".join(taken.problems[:_SHOWN])
    raise Refused(
        f"{taken.url}: {reasons + ' ' if reasons else ''}This {what} has no story now; add it all the same with --yes."
    )


def save(app: App, choice: Choice, *, dry_run: bool) -> Change | None:
    """Add or change the source, or with `dry_run` only find out what that would change."""
    with app.db.transaction() as session:
        change = newsroom.put_source(session, choice.entry)
        if dry_run:
            session.rollback()
    return change


def show_choice(choice: Choice) -> None:
    """Print what was found and the newest stories of what is taken."""
    taken = choice.taken
    if choice.others:
        others = ", ".join(f"{one.url} ({_counted(one)})" for one in choice.others[:_SHOWN])
        say(f"Found {len(choice.others) + 1} sources; taking {_named(taken)}; the others: {others}")
    elif taken.where != "the address itself":
        say(f"Found one source; taking {_named(taken)}")
    if not taken.items:
        say(f"{choice.entry.name}: no stories now.")
    else:
        say(f"{choice.entry.name}: {_how_many(taken)}, such as:")
    for item in newest(taken.items):
        time = item.published_at or item.updated_at
        say(f"  {f'{time:%Y-%m-%d}' if time else 'no date   '}  {item.title} ({_summary(item)})")
    problems = [problem for problem in taken.problems if not _TOO_MANY.match(problem)]
    for problem in problems[:_SHOWN]:
        say(f"  {problem}")
    if len(problems) > _SHOWN:
        say(f"  And {len(problems) - _SHOWN} more such sentences.")


def _how_many(taken: Candidate) -> str:
    """Return how many stories there are, and how many of them are kept where those are fewer."""
    kept = "1 story" if len(taken.items) == 1 else f"{len(taken.items)} stories"
    there = next((found[1] for found in map(_TOO_MANY.match, taken.problems) if found), "")
    return f"{there} stories, of which the newest {len(taken.items)} are kept" if there else f"{kept} now"


def newest(items: tuple[Item, ...]) -> list[Item]:
    """Return the newest of the items, the newest first; those without a date count as the oldest."""
    return sorted(items, key=lambda item: item.published_at or item.updated_at or _OLDEST, reverse=True)[:_SHOWN]


def _summary(item: Item) -> str:
    words = len((item.summary or item.content).split())
    return f"summary of {words} words" if words else "no summary"


def _named(one: Candidate) -> str:
    return f"the {one.kind} {one.url}, {one.where}"


def _counted(one: Candidate) -> str:
    return f"comments, {len(one.items)}" if one.is_about_comments else str(len(one.items))


def facts(choice: Choice, change: Change | None, *, saved: bool) -> dict[str, Any]:
    """Return what was found and done, for scripts."""
    taken = choice.taken
    return choice.entry.model_dump() | {
        "found": [
            {"url": one.url, "kind": one.kind, "title": one.title, "stories": len(one.items), "where": one.where}
            for one in (taken, *choice.others)
        ],
        "stories": [
            {
                "url": item.url,
                "title": item.title,
                "published_at": item.published_at,
                "updated_at": item.updated_at,
                "summary_words": len((item.summary or item.content).split()),
            }
            for item in newest(taken.items)
        ],
        "problems": list(taken.problems),
        "added": bool(change and change.added),
        "changed": {} if change is None else change.fields,
        "saved": saved,
    }
