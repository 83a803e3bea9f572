"""`newsletter issue`: one week's number of an edition, from draft to sent."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import issue_explain, issue_sending
from newsletter.cli.base import JsonOption, group, open_app, say, say_json, table, who
from newsletter.cli.issue_shown import (
    facts_of,
    fetch_pictures,
    finding_rows,
    mention_approval,
    print_issue,
    show_findings,
)

if TYPE_CHECKING:
    from sqlmodel import Session

    from newsletter.app import App
    from newsletter.issues import LeftOut
    from newsletter.models import Issue

commands = group("issue", "One week's number of an edition, from draft to sent.")
issue_sending.register(commands)
issue_explain.register(commands)

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


@commands.command()
def edit(
    issue: IssueArgument,
    lead: Annotated[int | None, typer.Option(help="Make this story the lead. Stories are named by number.")] = None,
    pin: Annotated[list[int] | None, typer.Option(help="Keep this story in, at its place.")] = None,
    unpin: Annotated[list[int] | None, typer.Option(help="Let a new draft decide about this story.")] = None,
    drop: Annotated[list[int] | None, typer.Option(help="Leave this story out, also of new drafts.")] = None,
    restore: Annotated[list[int] | None, typer.Option(help="Bring a dropped story back.")] = None,
    order: Annotated[str, typer.Option(help="Stories that come first, in this order, such as 4,2,9.")] = "",
    subject: Annotated[str | None, typer.Option(help='The subject; "" for the proposed one.')] = None,
    preheader: Annotated[str | None, typer.Option(help='The line after the subject; "" for the proposed one.')] = None,
    headline: Annotated[list[str] | None, typer.Option(help="STORY=new headline; empty for the source's.")] = None,
    summary: Annotated[list[str] | None, typer.Option(help="STORY=new summary; empty for the source's.")] = None,
    json: JsonOption = False,
) -> None:
    """Change an issue before it is sent. An approval is taken back by any change.

    Example: newsletter issue edit ukraine-weekly --lead 12 --drop 9 --headline "7=Ferry returns on Monday"
    """
    from newsletter import issues

    changes = issues.Changes(
        lead=lead,
        pin=pin or (),
        unpin=unpin or (),
        drop=drop or (),
        restore=restore or (),
        order=[_number(part) for part in order.split(",") if part.strip()],
        subject=subject,
        preheader=preheader,
        headlines=dict(_worded(text) for text in headline or ()),
        summaries=dict(_worded(text) for text in summary or ()),
    )
    app = open_app()
    with app.db.transaction() as session:
        found = issues.lock_issue(session, issues.find_issue(session, issue).id)
        had_approval = issues.edit(session, found, changes)
        facts = facts_of(session, found)
    pictures = fetch_pictures(app, facts["id"])
    print_issue(facts | {"pictures": pictures}, json=json)
    placed = sum(one["place"] != "dropped" for one in facts["stories"])
    if not json and (drop or unpin) and placed < facts["max_stories"]:
        say(f"The edition takes {facts['max_stories']} stories: `newsletter issue draft` fills the free places.")
    mention_approval(had_approval, facts["issue"])


@commands.command()
def preview(
    issue: IssueArgument,
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path("preview"),
    json: JsonOption = False,
) -> None:
    """Write the mail as html and text, and as pictures where Chromium is installed.

    Example: newsletter issue preview ukraine-weekly --folder /tmp/look
    """
    from newsletter import delivery, issues
    from newsletter.models import Edition
    from newsletter.pictures import data_urls
    from newsletter.preview import write_preview

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found).replace("/", "-")
        edition = session.get_one(Edition, found.edition_id)
        mail, findings = issues.render(session, found, app.renderer, app.settings.base_url)
        pictures = data_urls(session, found.id, app.settings.base_url)
    values = delivery.example_values("reader@example.org", "preview", edition, app.settings.base_url, app.clock())
    written = write_preview(mail, values, folder, name, pictures=pictures)
    if json:
        say_json({"files": [str(path) for path in written], "findings": finding_rows(findings)})
        return
    for path in written:
        say(f"Wrote {path}")
    if not any(path.suffix == ".png" for path in written):
        say("No pictures: Chromium was not found (Debian: apt-get install chromium).")
    show_findings(findings)


@commands.command()
def test(
    issue: IssueArgument,
    to: Annotated[list[str], typer.Option(help="Who gets the test; may be repeated.")],
) -> None:
    """Send one marked test through the provider. The ledger is not touched.

    Example: newsletter issue test ukraine-weekly --to me@example.org
    """
    issue_sending.send_tests(issue, to)


@commands.command()
def approve(
    issue: IssueArgument,
    by: Annotated[str, typer.Option(help="Who approves; the login name when left out.")] = "",
    json: JsonOption = False,
) -> None:
    """Freeze the subject, html and text: exactly this is sent, at the edition's time or by `issue send`.

    Example: newsletter issue approve ukraine-weekly
    """
    from newsletter import issues

    app = open_app()
    with app.db.transaction() as session:
        found = issues.lock_issue(session, issues.find_issue(session, issue).id)
        findings = issues.approve(session, found, app.renderer, app.settings.base_url, by=by or who(), now=app.clock())
        name, at = issues.issue_name(session, found), issues.local_time(session, found)
    if json:
        say_json({"issue": name, "content_hash": found.content_hash, "findings": finding_rows(findings)})
        return
    say(f"{name} is approved: {found.subject}")
    say(f"Content hash {found.content_hash}.")
    say(f"It goes out on {at} by `newsletter run`, or now by `newsletter issue send`.")
    show_findings(findings)


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


def _worded(text: str) -> tuple[int, str]:
    number, equals, words = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r}: write STORY=words, such as 7=Ferry returns on Monday")
    return _number(number), words


def _number(text: str) -> int:
    if not text.strip().isdigit():
        raise typer.BadParameter(f"{text!r} is no story number; `newsletter issue show` prints them")
    return int(text)
