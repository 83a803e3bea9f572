"""`newsletter source`: where stories come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, confirm, group, open_app, say, say_json, table
from newsletter.cli.newsroom import show

if TYPE_CHECKING:
    from newsletter.models import Source

commands = group("source", "Where stories come from.")


@commands.command()
def add(
    url: Annotated[str, typer.Argument(help="The address of an RSS, Atom or JSON feed.")],
    name: Annotated[str, typer.Option(help="What readers see as the source; the feed's own title when left out.")] = "",
    slug: Annotated[str, typer.Option(help="Its name in commands; made from the name when left out.")] = "",
    region: Annotated[
        list[str] | None, typer.Option(help="A region all of its stories belong to; may be repeated.")
    ] = None,
    kind: Annotated[str, typer.Option(help="feed, jsonfeed or module:Class; found out when left out.")] = "",
    language: Annotated[str, typer.Option(help="Its language, such as en or uk.")] = "",
    weight: Annotated[float, typer.Option(help="How much its stories count, 0 to 5; 1 is usual.")] = 1.0,
) -> None:
    """Read a feed once, show its newest stories, and add it as a source (or change it).

    Example: newsletter source add https://news.example.org/feed.xml --region UA
    """
    from newsletter import newsroom
    from newsletter.sources import Previous, load_source
    from newsletter.sources.detect import detect_kind

    app = open_app()
    kind = kind or detect_kind(app.client.get(url, Previous()))
    fetched = load_source(kind, url, app.client).fetch(Previous())
    name = name or fetched.title or url
    with app.db.transaction() as session:
        entry = newsroom.checked(
            newsroom.SourceEntry,
            slug=newsroom.source_slug(session, url, slug=slug, name=name),
            name=name,
            kind=kind,
            url=url,
            regions=region or [],
            language=language,
            weight=weight,
        )
        change = newsroom.put_source(session, entry)
    say(f"{name}: {len(fetched.items)} stories now, such as:")
    for item in fetched.items[:5]:
        say(f"  {item.published_at:%Y-%m-%d}  {item.title}" if item.published_at else f"  no date     {item.title}")
    show([change] if change else [])
    if not entry.regions:
        say("It has no region: only stories that mention a region's words will be found by an edition.")


@commands.command("list")
def list_(json: JsonOption = False) -> None:
    """Print the sources and how their last reading went. Example: newsletter source list"""
    from sqlmodel import select

    from newsletter import newsroom
    from newsletter.models import Source

    with open_app().db.reading() as session:
        entries = {entry.slug: entry for entry in newsroom.read(session).sources}
        rows = session.exec(select(Source).order_by(Source.slug)).all()
    if json:
        say_json(
            [
                entries[row.slug].model_dump()
                | {"fetched_at": row.fetched_at, "failures": row.failures, "last_error": row.last_error}
                for row in rows
            ]
        )
    elif not rows:
        say("There are no sources yet. Add one with `newsletter source add`.")
    else:
        table(
            ("Source", "Name", "Regions", "Last reading"),
            ((row.slug, row.name, ", ".join(entries[row.slug].regions), _state(row)) for row in rows),
        )


@commands.command()
def disable(slug: str) -> None:
    """Stop reading a source; its stories stay. Example: newsletter source disable harbour-post"""
    _set_enabled(slug, enabled=False)


@commands.command()
def enable(slug: str) -> None:
    """Read a source again. Example: newsletter source enable harbour-post"""
    _set_enabled(slug, enabled=True)


@commands.command()
def remove(slug: str, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Remove a source that has brought no stories yet. Example: newsletter source remove harbour-post --yes"""
    from newsletter import newsroom

    app = open_app()
    confirm(f"Remove source {slug}?", yes=yes)
    with app.db.transaction() as session:
        newsroom.remove_source(session, slug)
    say(f"- source {slug}")


def _set_enabled(slug: str, *, enabled: bool) -> None:
    from newsletter import newsroom

    app = open_app()
    with app.db.transaction() as session:
        change = newsroom.enable_source(session, slug, enabled=enabled)
    show([change] if change else [])


def _state(row: Source) -> str:
    if not row.enabled:
        return "disabled"
    if row.fetched_at is None:
        return "not read yet"
    if row.failures:
        return f"failed, {row.failures} in a row: {row.last_error}"
    return f"{row.fetched_at:%Y-%m-%d %H:%M} UTC"
