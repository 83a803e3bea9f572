"""`newsletter issue`: one week's number of an edition, from draft to sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import (
    issue_accounts,
    issue_check,
    issue_edit,
    issue_explain,
    issue_preview,
    issue_sending,
    issue_stopping,
    issue_trial,
)
from newsletter.cli.base import JsonOption, group, open_app, say, say_json, table
from newsletter.cli.issue_shown import (
    facts_of,
    fetch_pictures,
    mention_approval,
    print_issue,
)

if TYPE_CHECKING:
    from sqlmodel import Session

    from newsletter.app import App
    from newsletter.issues import LeftOut
    from newsletter.models import Issue

commands = group("issue", "One week's number of an edition, from draft to sent.")
issue_sending.register(commands)
issue_stopping.register(commands)
issue_accounts.register(commands)
issue_check.register(commands)
issue_explain.register(commands)
issue_preview.register(commands)

IssueArgument = Annotated[
    str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
]


@commands.command()
def draft(
    edition: Annotated[str, typer.Argument(help="The edition's name.")],
    week: Annotated[str, typer.Option(help="Such as 2026-W47; the next one to be sent when left out.")] = "",
    min_stories: Annotated[int | None, typer.Option(help="For a thin week: be content with so many.", min=1)] = None,
    json: JsonOption = False,
) -> None:
    """Choose the week's stories and make the issue, or make it again. Pins, drops and rewritten words stay.

    Example: newsletter issue draft ukraine-weekly
    """
    from newsletter import issues

    app = open_app()
    with app.db.transaction() as session:
        found = issues.find_edition(session, edition)
        slot = issues.near_slot(found, week, app.clock()) if week else issues.next_slot(found, app.clock())
        drafted = issues.draft(session, found, slot, app.clock(), weights=app.weights, min_stories=min_stories)
        facts = facts_of(session, drafted.issue)
    pictures = fetch_pictures(app, facts["id"])
    print_issue(facts | {"pictures": pictures}, json=json)
    mention_approval(drafted.had_approval, facts["issue"])
    if not json and drafted.choice.left_out:
        say(f"{len(drafted.choice.left_out)} stories were left out; `newsletter issue show {edition} --why` says why.")


@commands.command()
def show(
    issue: IssueArgument,
    why: Annotated[bool, typer.Option("--why", help="Also print the stories left out, with the reason.")] = False,
    json: JsonOption = False,
) -> None:
    """Print an issue: its state, its stories in order, and why each was chosen.

    Example: newsletter issue show ukraine-weekly --why
    """
    from newsletter import issues

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        facts = facts_of(session, found)
        choice = _left_out(session, found, app) if why else None
    print_issue(facts, json=json, left_out=choice)


@commands.command("list")
def list_(
    edition: Annotated[str, typer.Argument(help="Only this edition.")] = "",
    json: JsonOption = False,
) -> None:
    """Print the issues there are, the newest first. Example: newsletter issue list ukraine-weekly"""
    from newsletter import issues

    with open_app().db.reading() as session:
        found = issues.all_issues(session, edition)
    if json:
        say_json([asdict(one) for one in found])
    elif not found:
        say("There are no issues yet. Make one with `newsletter issue draft EDITION`.")
    else:
        table(
            ("Issue", "Number", "State", "Send time (UTC)", "Subject or reason"),
            ((one.name, one.number or "", one.state, f"{one.send_at:%Y-%m-%d %H:%M}", one.about) for one in found),
        )


issue_edit.register(commands)
issue_trial.register(commands)


@commands.command()
def skip(
    issue: IssueArgument,
    reason: Annotated[str, typer.Option(help="Why this week is left out.")],
) -> None:
    """Leave a week out, with a reason.

    Example: newsletter issue skip ukraine-weekly --reason "Public holiday"
    """
    from newsletter import issues

    app = open_app()
    with app.db.transaction() as session:
        found = issues.lock_issue(session, issues.find_issue(session, issue).id)
        issues.skip(session, found, reason)
        name = issues.issue_name(session, found)
    say(f"{name} is skipped: {reason}")


def _left_out(session: Session, issue: Issue, app: App) -> dict[int, LeftOut]:
    """Return what a new draft would leave out, and why, of the stories that are not in the issue."""
    from newsletter import issues
    from newsletter.models import Edition

    least = issues.as_thin_as(session, issue, session.get_one(Edition, issue.edition_id))
    choice = issues.reconsider(session, issue, app.clock(), weights=app.weights, min_stories=least)
    placed = {place.story.id for place in issues.places(session, issue.id)}
    return {story_id: why for story_id, why in choice.left_out.items() if story_id not in placed}
