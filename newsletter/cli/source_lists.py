"""`newsletter source import` and `newsletter source export`: sources as OPML, the file of feed readers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import IN_PART, JsonOption, open_app, progress, say, say_json, stop

if TYPE_CHECKING:
    from sqlmodel import Session

    from newsletter.app import App
    from newsletter.opml import Outline


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command("import")(import_)
    commands.command()(export)


@dataclass
class _Import:
    """What an import came to."""

    added: list[dict[str, object]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def skip(self, outline: Outline, reason: str) -> None:
        """Leave a feed out."""
        self.skipped.append({"name": outline.name, "url": outline.url, "reason": reason})


def import_(
    file: Annotated[Path, typer.Argument(help="The OPML file; - for standard input.")],
    region: Annotated[list[str] | None, typer.Option(help="A region for all of them; may be repeated.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Read each feed first, and leave out what fails.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be added, and add nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Add the feeds of an OPML file, which every feed reader can write. Feeds that are sources already are left alone.

    Example: newsletter source import feeds.opml --region UA
    """
    from newsletter import opml

    app = open_app()
    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
        outlines = opml.parse(stream.read(opml.SIZE_LIMIT + 1), str(file))
    done = _Import()
    failures = _failures(app, outlines) if check else {}
    with app.db.transaction() as session:
        _add(session, outlines, region or [], failures, done)
        if dry_run:
            session.rollback()
    folders = list(dict.fromkeys(" / ".join(one.folders) for one in outlines if one.folders))
    if json:
        say_json({"added": done.added, "skipped": done.skipped, "folders": folders, "dry_run": dry_run})
    else:
        _show(done, folders, dry_run=dry_run)
    if failures:
        stop(IN_PART)


def _add(
    session: Session, outlines: Sequence[Outline], regions: list[str], failures: dict[str, str], done: _Import
) -> None:
    """Add those of the feeds that can be added; regions that the file names count where the newsroom has them."""
    from newsletter import newsroom
    from newsletter.errors import NewsletterError
    from newsletter.sources.text import language_tag

    here = newsroom.read(session)
    codes = {entry.code.casefold(): entry.code for entry in here.regions}
    seen = {_key(entry.url): f"It is source {entry.slug} already." for entry in here.sources}
    for outline in outlines:
        url = _address(outline.url)
        reason = _reason(outline, url) or seen.get(_key(url), "") or failures.get(outline.url, "")
        if reason:
            done.skip(outline, reason)
            continue
        named = [codes[one.casefold()] for one in outline.regions if one.casefold() in codes]
        name = (outline.name or url)[:200].strip()
        try:
            entry = newsroom.checked(
                newsroom.SourceEntry,
                slug=newsroom.source_slug(session, url, name=name),
                name=name,
                kind=outline.kind,
                url=url,
                regions=list(dict.fromkeys([*regions, *named])),
                language=language_tag(outline.language),
            )
        except NewsletterError as error:
            done.skip(outline, str(error))
            continue
        newsroom.put_source(session, entry)
        seen[_key(url)] = "It is in the file twice."
        done.added.append(entry.model_dump())


def _address(url: str) -> str:
    from newsletter.sources.discovery import addresses

    return addresses(url)[0]


def _key(url: str) -> str:
    """Return what two ways of writing one feed's address have in common."""
    from newsletter.stories import NotAWebAddress, canonical_url

    try:
        return canonical_url(url)
    except NotAWebAddress:
        return url


def _reason(outline: Outline, url: str) -> str:
    """Return why a feed cannot be added, or nothing."""
    from newsletter.sources import KINDS
    from newsletter.sources.text import absolute_url

    if not absolute_url(url):
        return "Its address is none that sources are read from: it must begin with https:// or http://."
    if outline.kind not in KINDS:
        return f"Its kind is {outline.kind!r}. Add it by itself: newsletter source add {url} --kind {outline.kind}"
    return ""


def _failures(app: App, outlines: Sequence[Outline]) -> dict[str, str]:
    """Return address -> sentence for the feeds that cannot be read."""
    from concurrent.futures import ThreadPoolExecutor

    from newsletter.errors import NewsletterError
    from newsletter.sources import Previous, load_source

    def failure(outline: Outline) -> str:
        try:
            load_source(outline.kind, _address(outline.url), app.client).fetch(Previous())
        except NewsletterError as error:
            return str(error)
        return ""

    readable = [outline for outline in outlines if not _reason(outline, _address(outline.url))]
    found = {}
    with progress("Reading feeds", len(readable)) as advance, ThreadPoolExecutor(app.settings.fetch.threads) as pool:
        for number, (outline, sentence) in enumerate(zip(readable, pool.map(failure, readable), strict=True), start=1):
            advance(number)
            if sentence:
                found[outline.url] = sentence
    return found


def _show(done: _Import, folders: list[str], *, dry_run: bool) -> None:
    for entry in done.added:
        say(f"+ source {entry['slug']}: {entry['name']}, {entry['url']}")
    for one in done.skipped:
        say(f"  left out: {one['name'] or one['url']}: {one['reason']}")
    if folders:
        say(f"Its folders: {', '.join(folders)}. Folders are not kept; --region gives all of its feeds a region.")
    say(f"{len(done.added)} {'would be added' if dry_run else 'added'}, {len(done.skipped)} left out.")


def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; standard output when left out, or -.")] = None,
) -> None:
    """Write the sources as OPML, which every feed reader can read. Example: newsletter source export feeds.opml"""
    from newsletter import newsroom, opml

    app = open_app()
    with app.db.reading() as session:
        every = newsroom.read(session).sources
    sources = [one for one in every if one.enabled]  # OPML has no word for a source that is switched off
    outlines = [
        opml.Outline(one.url, one.name, one.kind, _site(one.url), one.language, tuple(one.regions)) for one in sources
    ]
    text = opml.write(outlines, "Sources", app.clock())
    if file is None or str(file) == "-":
        typer.echo(text, nl=False)
        return
    file.write_text(text, encoding="utf-8")
    off = f" {len(every) - len(sources)} that are switched off were left out." if len(sources) < len(every) else ""
    say(f"Wrote {len(outlines)} sources to {file}.{off}")


def _site(url: str) -> str:
    """Return the front page of a feed's site, as far as its address tells."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"
