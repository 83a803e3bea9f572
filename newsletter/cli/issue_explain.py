"""`newsletter issue explain`: why a story is in an issue, or is not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, open_app, say, say_json

if TYPE_CHECKING:
    from sqlmodel import Session

    from newsletter.issues import Explanation, Facts
    from newsletter.models import Issue


def register(commands: typer.Typer) -> None:
    """Add this file's command."""
    commands.command()(explain)


def explain(
    story: Annotated[str, typer.Argument(help="A story's number, or its address.")],
    issue: Annotated[
        str, typer.Option(help="An edition, or edition/2026-W47; the latest issue of every edition when left out.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Print why a story is in an issue, or why it is left out: its regions, its outlets, each part of its score.

    Example: newsletter issue explain 12 --issue ukraine-weekly
    """
    from newsletter import issues

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_story(session, story)
        facts = issues.facts_of(session, found)
        explained = [issues.explain(session, one, found, app.clock(), app.weights) for one in _issues(session, issue)]
    if json:
        say_json(asdict(facts) | {"issues": [asdict(one) for one in explained]})
        return
    _print_facts(facts)
    for one in explained:
        _print_issue(one)
    if not explained:
        say("There is no issue yet. Make one with `newsletter issue draft EDITION`.")


def _issues(session: Session, name: str) -> list[Issue]:
    """Return the issue of this name, or the latest of every edition."""
    from newsletter import issues

    if name:
        return [issues.find_issue(session, name)]
    slugs = dict.fromkeys(one.name.partition("/")[0] for one in issues.all_issues(session))
    return [issues.find_issue(session, slug) for slug in sorted(slugs)]


def _print_facts(facts: Facts) -> None:
    say(f"Story {facts.story_id}: {facts.headline}")
    say(f"  {facts.link}")
    date = f"{facts.published_at:%Y-%m-%d %H:%M} UTC" if facts.is_dated else "no date"
    first_seen = "" if facts.is_dated else f", first seen {facts.published_at:%Y-%m-%d %H:%M} UTC"
    say(f"  {facts.source}, {date}{first_seen}, language {facts.language or 'unknown'}")
    if facts.picture_problem:
        say(f"  No picture: {facts.picture_problem}")
    for tag in facts.tags:
        passing = "" if tag.about else ", a passing mention"
        say(f"  About {tag.name} ({tag.strength:.2f}{passing}): {tag.evidence}")
    if not facts.tags:
        say("  It is about none of the regions.")
    for told in facts.also:
        say(f"  Also reported by {told.source}: {told.headline} (story {told.story_id})")


def _print_issue(one: Explanation) -> None:
    if one.place is None:
        say(f"{one.issue}: left out: {one.left_out}")
    else:
        say(f"{one.issue}: {'the lead' if one.place == 0 else f'place {one.place + 1}'}")
    for part in one.parts:
        say(f"  {part.points:+6.1f}  {part.reason}")
    if one.score is not None:
        say(f"  {one.score:6.1f}  in all")
    said = {part.reason for part in one.parts}
    for reason in one.reasons:
        if reason not in said:
            say(f"          {reason}")
