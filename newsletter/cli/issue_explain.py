"""`newsletter issue explain`: why a story is in an issue, or is not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, open_app, say, say_json

if TYPE_CHECKING:
    from sqlmodel import Session

    from newsletter.issues import Explanation, Facts
    from newsletter.models import Issue, Story


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
    from newsletter.models import Edition

    app = open_app()
    elsewhere = []
    with app.db.reading() as session:
        found = issues.find_story(session, story)
        facts, doubles = issues.facts_of(session, found), _doubles(session)
        explained = []
        for one in _issues(session, issue):
            told = issues.explain(session, one, found, app.clock(), app.weights)
            if issue or json or told.score is not None or _is_concerned(session, one, found):
                explained.append(told)
            else:
                elsewhere.append(session.get_one(Edition, one.edition_id).name)
    if json:
        say_json(asdict(facts) | {"issues": [asdict(one) for one in explained]})
        return
    _print_facts(facts, doubles)
    for told in explained:
        _print_issue(told)
    if elsewhere:
        say(f"Not about: {', '.join(elsewhere)}")
    elif not explained:
        say("There is no issue yet. Make one with `newsletter issue draft EDITION`.")


def _is_concerned(session: Session, issue: Issue, story: Story) -> bool:
    """Tell whether the story names a region of the issue's edition, or an editor has put it in or out."""
    from sqlmodel import col, select

    from newsletter.models import EditionRegion, IssueStory, StoryRegion

    tags = select(StoryRegion.region_id).where(StoryRegion.story_id == story.id)
    named = select(EditionRegion).where(
        EditionRegion.edition_id == issue.edition_id, col(EditionRegion.region_id).in_(tags)
    )
    edited = select(IssueStory).where(IssueStory.issue_id == issue.id, IssueStory.story_id == story.id)
    return any(session.exec(query).first() is not None for query in (named, edited))


def _doubles(session: Session) -> set[str]:
    """Return the names that several regions have, such as Georgia."""
    from collections import Counter

    from sqlmodel import select

    from newsletter.models import Region

    return {name for name, times in Counter(session.exec(select(Region.name))).items() if times > 1}


def _issues(session: Session, name: str) -> list[Issue]:
    """Return the issue of this name, or the latest of every edition."""
    from newsletter import issues

    if name:
        return [issues.find_issue(session, name)]
    slugs = dict.fromkeys(one.name.partition("/")[0] for one in issues.all_issues(session))
    return [issues.find_issue(session, slug) for slug in sorted(slugs)]


def _print_facts(facts: Facts, doubles: set[str]) -> None:
    say(f"Story {facts.story_id}: {facts.headline}")
    say(f"  {facts.link}")
    date = f"{facts.published_at:%Y-%m-%d %H:%M} UTC" if facts.is_dated else "no date"
    first_seen = "" if facts.is_dated else f", first seen {facts.published_at:%Y-%m-%d %H:%M} UTC"
    say(f"  {facts.source}, {date}{first_seen}, language {facts.language or 'unknown'}")
    if facts.picture_problem:
        say(f"  No picture: {facts.picture_problem}")
    for tag in facts.tags:
        passing = "" if tag.about else ", a passing mention"
        name = f"{tag.name} ({tag.code})" if tag.name in doubles else tag.name
        say(f"  About {name} ({tag.strength:.2f}{passing}): {tag.evidence}")
    if not facts.tags:
        say("  It is about none of the regions.")
    for told in facts.also:
        who = f"Another report of {told.source}" if told.source == facts.source else f"Also reported by {told.source}"
        say(f"  {who}: {told.headline} (story {told.story_id})")


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
