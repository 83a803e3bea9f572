"""`newsletter subscriber clean`: what need not be kept of readers any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, confirm, open_app, progress, say, say_json
from newsletter.cli.readers import some

if TYPE_CHECKING:
    from newsletter.app import App
    from subscribers.cleaning import Kind

_WORDS = {
    "pending": "never confirmed for {days} days; dropped",
    "bounced": "on a list whose address bounced; taken off",
    "listless": "on no list; name, tags and fields are forgotten",
}


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(clean)


def clean(
    what: Annotated[
        list[str] | None, typer.Argument(help="pending, bounced, listless; all of them if left out.")
    ] = None,
    days: Annotated[int, typer.Option(min=7, help="How old an unconfirmed request is before it is dropped.")] = 30,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the counts, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Let go of what need not be kept: old requests, places of dead addresses, details of readers on no list.

    Evidence stays, and who left stays kept out of imports.
    Example: newsletter subscriber clean pending --days 60 --dry-run
    """
    from newsletter.errors import NotFound
    from subscribers.cleaning import Kind, counts

    for one in what or []:
        if one not in set(Kind):
            raise NotFound("kind", one, known=[str(kind) for kind in Kind])
    kinds = [Kind(one) for one in dict.fromkeys(what or Kind)]
    app = open_app()
    with app.db.reading() as session:
        found = {kind: count for kind, count in counts(session, app.clock(), days).items() if kind in kinds}
    if not json:
        for kind, count in found.items():
            say(f"{kind}: {some(count)} {_WORDS[kind].format(days=days)}")
    done: dict[str, int] = {}
    if any(found.values()) and not dry_run:
        confirm("Clean these? It cannot be undone.", yes=yes)
        done = {str(kind): _all(app, kind, days, found[kind]) for kind in kinds}
    if json:
        say_json({"found": found, "done": done, "dry_run": dry_run})
    elif done:
        say(f"Done: {', '.join(f'{kind} {count:,}' for kind, count in done.items())}.")
    else:
        say("Nothing was changed: this was a dry run." if dry_run else "There is nothing to clean.")


def _all(app: App, kind: Kind, days: int, expected: int) -> int:
    """Clean everything of a kind, some thousands a transaction; return how many."""
    from subscribers.cleaning import clean as clean_some

    done = 0
    with progress(f"Cleaning {kind}", expected) as advance:
        while True:
            with app.db.transaction() as session:
                now_done = clean_some(session, kind, app.clock(), days)
            if not now_done:
                return done
            done += now_done
            advance(done)
