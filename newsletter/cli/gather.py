"""`newsletter gather`: read the sources now."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import IN_PART, JsonOption, open_app, progress, say, say_json, stop

if TYPE_CHECKING:
    from newsletter.gather import SourceReport


def register(commands: typer.Typer) -> None:
    """Add this file's command."""
    commands.command()(gather)


def gather(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Only these sources; all enabled ones when left out.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Read the sources and keep their stories. One bad source never stops the others.

    Exits with 3 when a source failed. Example: newsletter gather harbour-post
    """
    from newsletter import gather as stage

    app = open_app()
    seen: list[SourceReport] = []
    with progress("Reading sources") as advance:

        def show(report: SourceReport) -> None:
            seen.append(report)
            advance(len(seen), None, report.slug)

        reports = stage.gather(
            app.db,
            app.open_source,
            clock=app.clock,
            threads=app.settings.fetch.threads,
            only=sources or (),
            progress=show,
        )
    if json:
        say_json([asdict(report) for report in reports])
    else:
        _show(reports)
    if any(report.error for report in reports):
        stop(IN_PART)


def _show(reports: list[SourceReport]) -> None:
    for report in reports:
        if report.resting_until:
            say(f"{report.slug}: not read before {report.resting_until:%Y-%m-%d %H:%M} UTC; it failed: {report.error}")
        elif report.error:
            say(f"{report.slug}: failed: {report.error}")
        elif report.not_modified:
            say(f"{report.slug}: unchanged since the last time")
        else:
            say(f"{report.slug}: {report.new} new, {report.updated} updated, {report.unchanged} known")
        for problem in report.problems:
            say(f"{report.slug}: left out: {problem}")
    if not reports:
        say("There are no sources yet. Add one with `newsletter source add`.")
        return
    failed = sum(1 for report in reports if report.error)
    new, updated = sum(report.new for report in reports), sum(report.updated for report in reports)
    say(f"Sources read: {len(reports)}, failed: {failed}. New stories: {new}, updated: {updated}.")
