"""`newsletter tidy`: what has been kept for long enough goes."""

from __future__ import annotations

from typing import Annotated

import typer

from newsletter.cli.base import JsonOption, open_app, progress, say, say_json, table


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(tidy)


def tidy(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the counts, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Let go of what has been kept for long enough: networks, reports, addresses of old mails, unconfirmed requests.

    `run` does it once a day. How long each is kept, and why, is in docs/operate.md, Privacy. Evidence of consent stays.
    Example: newsletter tidy --dry-run
    """
    from newsletter import retention

    app = open_app()
    with progress("Tidying") as advance:
        done = retention.tidy(
            app.db, app.clock(), dry_run=dry_run, progress=lambda name, rows: advance(rows, note=f"({name})")
        )
    if json:
        rows = [{"rule": one.rule.name, "days": one.rule.days, "rows": one.rows} for one in done]
        say_json({"rules": rows, "dry_run": dry_run})
        return
    table(
        ("Rule", "After", "Rows", "What"),
        ((one.rule.name, _age(one.rule.days), one.rows, one.rule.what) for one in done),
    )
    if dry_run:
        say("Nothing was changed: this was a dry run.")


def _age(days: int) -> str:
    return f"{days} days" if days else "at once"
