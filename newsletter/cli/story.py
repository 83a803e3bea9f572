"""`newsletter story`: single stories."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from newsletter.cli.base import JsonOption, group, open_app, say, say_json
from newsletter.cli.issue_shown import fetch_pictures, mention_approval

commands = group("story", "Single stories.")


@commands.callback()
def _group() -> None:
    """Keep `add` a command of the group although it is the only one."""


@commands.command()
def add(
    url: Annotated[str, typer.Argument(help="The address of an article.")],
    issue: Annotated[str, typer.Option(help="Pin it to this issue: an edition, or edition/2026-W47.")] = "",
    lead: Annotated[bool, typer.Option("--lead", help="Make it the lead of that issue.")] = False,
    json: JsonOption = False,
) -> None:
    """Read one article and keep it as a story, for what no source brings. With --issue it is pinned there.

    Example: newsletter story add https://news.example.org/2026/bridge-opens --issue ukraine-weekly --lead
    """
    from newsletter import gather, issues
    from newsletter.sources import Previous, load_source

    if lead and not issue:
        raise typer.BadParameter("--lead needs --issue: say of which issue")
    app = open_app()
    if issue:
        with app.db.reading() as session:
            issues.find_issue(session, issue)  # before anything is fetched
    fetched = load_source("article", url, app.client).fetch(Previous())
    added = gather.add_story(app.db, url, fetched, app.clock())
    facts = asdict(added) | {"issue": ""}
    had_approval = False
    if issue:
        with app.db.transaction() as session:
            found = issues.lock_issue(session, issues.find_issue(session, issue).id)
            changes = issues.Changes(lead=added.story_id) if lead else issues.Changes(pin=[added.story_id])
            had_approval = issues.edit(session, found, changes)
            facts["issue"], issue_id = issues.issue_name(session, found), found.id
        facts["pictures"] = fetch_pictures(app, issue_id)
    if json:
        say_json(facts)
        return
    say(f"{'Added' if added.is_new else 'Known already:'} story {added.story_id} of {added.source}: {added.headline}")
    if issue:
        say(f"{'It leads' if lead else 'It is pinned to'} {facts['issue']}.")
    mention_approval(had_approval, str(facts["issue"]))
