"""`newsletter apply` and `newsletter export`: the newsroom as one file."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.base import FAILED, JsonOption, open_app, say, say_json, stop, warn

if TYPE_CHECKING:
    from newsletter.newsroom import Change


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(apply)
    commands.command()(export)


def apply(
    file: Annotated[Path, typer.Argument(help="The newsroom file; - for standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Bring regions, lists, sources and editions to what a file says. What the file does not name is left alone.

    Example: newsletter apply newsroom.toml
    """
    from newsletter import newsroom

    text = sys.stdin.read() if str(file) == "-" else _read(file)
    app = open_app()
    parsed = newsroom.parse(text, str(file))
    with app.db.transaction() as session:
        changes = newsroom.apply(session, parsed, app.clock())
        if dry_run:
            session.rollback()
    if json:
        say_json([{"kind": one.kind, "name": one.name, "added": one.added, "fields": one.fields} for one in changes])
        return
    show(changes)
    if dry_run and changes:
        say("Nothing was changed: this was a dry run.")


def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; standard output when left out, or -.")] = None,
) -> None:
    """Write the newsroom's regions, lists, sources and editions to a file that `apply` reads.

    Example: newsletter export newsroom.toml
    """
    from newsletter import newsroom

    with open_app().db.reading() as session:
        text = newsroom.to_toml(newsroom.read(session))
    if file is None or str(file) == "-":
        typer.echo(text, nl=False)
        return
    file.write_text(text, encoding="utf-8")
    say(f"Wrote {file}.")


def show(changes: list[Change]) -> None:
    """Print what changed, a line a thing."""
    if not changes:
        say("Nothing to change.")
    for change in changes:
        if change.added:
            say(f"+ {change.kind} {change.name}")
        for name, (old, new) in change.fields.items():
            say(f"~ {change.kind} {change.name}: {name}: {_in_words(name, old)} -> {_in_words(name, new)}")


def _in_words(name: str, value: Any) -> str:
    from newsletter.newsroom import WEEKDAYS

    if name == "send_weekday":
        return WEEKDAYS[value]
    return str(value) if isinstance(value, StrEnum) else repr(value)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        warn(f"Error: {file} is not UTF-8 text. Save it as UTF-8 and apply it again.")
        stop(FAILED)
