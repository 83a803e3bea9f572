"""`newsletter issue preview`: an issue's mail as readers see it, in files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.base import JsonOption, open_app, say, say_json, warn
from newsletter.cli.issue_shown import finding_rows, show_findings

_IssueArgument = Annotated[
    str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
]


def register(commands: typer.Typer) -> None:
    """Add this file's command."""
    commands.command()(preview)


def preview(
    issue: _IssueArgument,
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path("preview"),
    only: Annotated[str, typer.Option(help="Only these views, such as phone,dark.")] = "",
    scale: Annotated[int, typer.Option(help="2 and 3 draw sharper pictures.", min=1, max=3)] = 1,
    json: JsonOption = False,
) -> None:
    """Write the mail as html and text, and as pictures where Chromium is installed: each view, and a contact sheet.

    The views are desktop, dark, outlook, text, phone, dark-phone, images-off, no-styles, forced-dark and zoom.
    Open index.html to see them side by side.
    Example: newsletter issue preview ukraine-weekly --folder /tmp/look
    Example: newsletter issue preview ukraine-weekly --only phone,dark --scale 2
    """
    from newsletter import delivery, issues
    from newsletter.models import Edition
    from newsletter.pictures import data_urls
    from newsletter.preview import chosen, write_preview

    views = chosen(only)
    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found).replace("/", "-")
        edition = session.get_one(Edition, found.edition_id)
        mail, findings = issues.render(session, found, app.renderer, app.settings.base_url)
        pictures = data_urls(session, found.id, app.settings.base_url)
    values = delivery.example_values("reader@example.org", "preview", edition, app.settings.base_url, app.clock())
    written = write_preview(mail, values, folder, name, pictures=pictures, views=views, scale=scale)
    if json:
        files = [str(path) for path in written.files]
        say_json({"files": files, "notes": written.notes, "findings": finding_rows(findings)})
        return
    for path in written.files:
        say(f"Wrote {path}")
    for note in written.notes:
        warn(note)
    show_findings(findings)
