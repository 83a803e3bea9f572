"""`newsletter issue preview`: an issue's mail as readers see it, in files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.base import JsonOption, open_app, say, say_json, warn
from newsletter.cli.issue_shown import finding_rows, show_findings

_IssueArgument = Annotated[
    str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
]


class Reader(StrEnum):
    """Whom a preview or a test is made for; newsletter.delivery.marked says what is known of each."""

    NEW = "new"
    KNOWN = "known"
    NAMELESS = "nameless"


ReaderOption = Annotated[
    Reader,
    typer.Option(
        help="As a reader gets it who is new to the list, who has been on it for long, or whose name is not known."
    ),
]


def register(commands: typer.Typer) -> None:
    """Add this file's command."""
    commands.command()(preview)


def preview(
    issue: _IssueArgument,
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path("preview"),
    only: Annotated[str, typer.Option(help="Only these views, such as phone,dark.")] = "",
    scale: Annotated[int, typer.Option(help="2 and 3 draw sharper pictures.", min=1, max=3)] = 1,
    reader: ReaderOption = Reader.KNOWN,
    json: JsonOption = False,
) -> None:
    """Write the mail as html and text, and as pictures where Chromium is installed: each view, and a contact sheet.

    The views are desktop, dark, outlook, text, phone, dark-phone, images-off, no-styles, forced-dark and zoom.
    Open index.html to see them side by side. Says so when other readers get other parts of the mail.
    Example: newsletter issue preview ukraine-weekly --folder /tmp/look
    Example: newsletter issue preview ukraine-weekly --only phone,dark --scale 2
    Example: newsletter issue preview ukraine-weekly --reader new
    """
    from newsletter import delivery, issues
    from newsletter.delivery.marked import EXAMPLES, who_else
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
    example = EXAMPLES[reader]
    values = delivery.example_values(
        "reader@example.org", "preview", edition, app.settings.base_url, app.clock(),
        name=example.name, new=example.new,
    )  # fmt: skip
    others = who_else(mail, example, values)
    written = write_preview(mail, values, folder, name, pictures=pictures, views=views, scale=scale)
    if json:
        files = [str(path) for path in written.files]
        shown = {"files": files, "notes": written.notes, "findings": finding_rows(findings)}
        say_json(shown | {"reader": reader, "other_readers": others})
        return
    for path in written.files:
        say(f"Wrote {path}")
    if others:
        choices = " or ".join(f"--reader {one}" for one in others)
        say(f"This is for a {reader} reader. Others get other parts of the mail: look at it with {choices}, too.")
    for note in written.notes:
        warn(note)
    show_findings(findings)
