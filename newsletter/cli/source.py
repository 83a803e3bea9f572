"""`newsletter source`: where stories come from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import source_lists
from newsletter.cli.base import JsonOption, confirm, group, open_app, say, say_json, table
from newsletter.cli.newsroom import show

if TYPE_CHECKING:
    from newsletter.models import Source

commands = group("source", "Where stories come from.")
source_lists.register(commands)


@commands.command()
def add(
    url: Annotated[str, typer.Argument(help="The address of a site, a section of it, an article or a feed.")],
    name: Annotated[str, typer.Option(help="What readers see as the source; the feed's own title when left out.")] = "",
    slug: Annotated[str, typer.Option(help="Its name in commands; made from the name when left out.")] = "",
    region: Annotated[
        list[str] | None, typer.Option(help="A region all of its stories belong to; may be repeated.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="feed, jsonfeed, sitemap, page or module:Class; found out when left out.")
    ] = "",
    language: Annotated[str, typer.Option(help="Its language, such as en or uk; the feed's own when left out.")] = "",
    weight: Annotated[
        float | None, typer.Option(help="How much its stories count, 0 to 5; 1 is usual.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, and add it even when it has no story now.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what was found, and save nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Find the feed of a site, show its newest stories, and add it as a source.

    It asks on a terminal before it saves, and saves without asking elsewhere. For a source that is known,
    the options that are given are changed and the others stay.

    Example: newsletter source add news.example.org --region UA
    """
    from newsletter.cli import source_search

    app = open_app()
    wanted = source_search.Wanted(url, name, slug, region, kind, language, weight)
    choice = source_search.choose(app, wanted)
    if not yes:
        source_search.refuse_empty(choice)
    if not json:
        source_search.show_choice(choice)
        if not dry_run and not yes and sys.stdin.isatty():
            confirm(f"{'Change' if choice.known else 'Add'} {choice.entry.name} as a source?", yes=False)
    change = source_search.save(app, choice, dry_run=dry_run)
    if json:
        say_json(source_search.facts(choice, change, saved=not dry_run))
        return
    if change:
        show([change])
    else:
        say(f"This is source {choice.entry.slug} already; nothing to change.")
    if dry_run and change:
        say("Nothing was saved: this was a dry run.")
    if not choice.entry.regions:
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
