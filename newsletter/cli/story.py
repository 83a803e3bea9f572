"""`newsletter story`: single stories."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, group, open_app, say, say_json
from newsletter.cli.issue_shown import fetch_pictures, mention_approval

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.sources import Fetched

#: A text of fewer characters is no article's when the page has no date.
_SHORT_TEXT = 250

commands = group("story", "Single stories.")


@commands.callback()
def _group() -> None:
    """Keep `add` a command of the group although it is the only one."""


@commands.command()
def add(
    url: Annotated[str, typer.Argument(help="The address of an article.")],
    issue: Annotated[str, typer.Option(help="Pin it to this issue: an edition, or edition/2026-W47.")] = "",
    lead: Annotated[bool, typer.Option("--lead", help="Make it the lead of that issue.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Keep it even when the page hardly looks like an article.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Read one article and keep it as a story, for what no source brings. With --issue it is pinned there.

    Example: newsletter story add https://news.example.org/2026/bridge-opens --issue ukraine-weekly --lead
    """
    from newsletter import gather, issues

    if lead and not issue:
        raise typer.BadParameter("--lead needs --issue: say of which issue")
    app = open_app()
    if issue:
        with app.db.reading() as session:
            issues.find_issue(session, issue)  # before anything is fetched
    fetched = _read(app, url)
    if not yes:
        _refuse_empty(url, fetched)
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


def _read(app: App, url: str) -> Fetched:
    """Return the article at the address. Raises FetchError with sentences about articles, where those are of feeds."""
    from newsletter.errors import FetchError
    from newsletter.sources import Previous, load_source
    from newsletter.sources.detect import Shape

    try:
        return load_source("article", url, app.client).fetch(Previous())
    except FetchError as error:
        sentence = ""
        if error.status in {404, 410}:
            sentence = f"There is nothing at this address. Check it in a browser. (HTTP status {error.status})"
        elif error.sentence.startswith(
            tuple(f"This is {one}," for one in (Shape.FEED, Shape.JSON_FEED, Shape.SITEMAP))
        ):
            sentence = f"This is a feed, not an article; add it with `newsletter source add {url}`."
        if not sentence:
            raise
        raise FetchError(error.url, sentence, status=error.status) from error


def _refuse_empty(url: str, fetched: Fetched) -> None:
    """Raise Refused for a page with neither a date nor a text: a front page, an empty one, or one made by a script."""
    from newsletter.errors import Refused

    for item in fetched.items:
        text = max(item.content, item.summary, key=len)
        if item.published_at is None and item.updated_at is None and len(text) < _SHORT_TEXT:
            raise Refused(
                f"{url}: The page is headed {item.title[:80]!r}, has no date and hardly any text, so it is no article "
                "that a program can read. Check the address in a browser, or keep it all the same with --yes."
            )
