"""`newsletter issue edit`: what an editor changes in a draft."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.base import FAILED, JsonOption, open_app, say, stop, warn
from newsletter.cli.issue_shown import facts_of, fetch_pictures, mention_approval, print_issue

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.issues import Changes
    from newsletter.sources.prose.resized import Made


def register(commands: typer.Typer) -> None:
    """Add this file's command."""
    commands.command()(edit)


def edit(
    issue: Annotated[
        str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
    ],
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
    intro: Annotated[
        str | None, typer.Option(help='Your words above the lead, in Markdown; @FILE reads a file, "" removes them.')
    ] = None,
    closing: Annotated[str | None, typer.Option(help="Your words below the stories, likewise.")] = None,
    corrections: Annotated[str | None, typer.Option(help="What an earlier issue had wrong, likewise.")] = None,
    picture: Annotated[
        list[str] | None,
        typer.Option(help="STORY=your own picture, a file or an address; none for no picture, empty for the source's."),
    ] = None,
    alt: Annotated[list[str] | None, typer.Option(help="STORY=what the picture shows, for who cannot see it.")] = None,
    credit: Annotated[list[str] | None, typer.Option(help="STORY=whose picture it is.")] = None,
    json: JsonOption = False,
) -> None:
    """Change an issue before it is sent. An approval is taken back by any change.

    Example: newsletter issue edit ukraine-weekly --lead 12 --drop 9 --headline "7=Ferry returns on Monday"
    --intro @intro.md --picture 12=ferry.jpg --alt "12=The ferry at its quay" --credit "12=Ada Reed"
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
        headlines=_worded(headline),
        summaries=_worded(summary),
        intro=_text(intro),
        closing=_text(closing),
        corrections=_text(corrections),
        alts=_worded(alt),
        credits=_worded(credit),
    )
    had_approval, facts = _edited(open_app(), issue, changes, _worded(picture))
    print_issue(facts, json=json)
    placed = sum(one["place"] != "dropped" for one in facts["stories"])
    if not json and (drop or unpin) and placed < facts["max_stories"]:
        say(f"The edition takes {facts['max_stories']} stories: `newsletter issue draft` fills the free places.")
    mention_approval(had_approval, facts["issue"])


def _edited(app: App, name: str, changes: Changes, wanted: dict[int, str]) -> tuple[bool, dict[str, Any]]:
    """Bring the pictures that are wanted, then change the issue: all of it or nothing.

    Returns whether that took an approval back, and the issue's facts.
    """
    from newsletter import issues, pictures

    with app.db.reading() as session:
        issues.find_issue(session, name)  # who mistypes it need not wait for the pictures
    brought = {story: _brought(app, story, place.strip()) for story, place in wanted.items()}
    with app.db.transaction() as session:
        found = issues.lock_issue(session, issues.find_issue(session, name).id)
        stored = {
            story: one if isinstance(one, str) else pictures.store(session, one, app.clock())
            for story, one in brought.items()
        }
        had_approval = issues.edit(session, found, replace(changes, pictures=stored))
        facts = facts_of(session, found)
    return had_approval, facts | {"pictures": fetch_pictures(app, facts["id"])}


def _brought(app: App, story: int, place: str) -> Made | str:
    """Return the picture for a story, or what stands for none or for the source's."""
    from newsletter import pictures
    from newsletter.errors import FetchError, NewsletterError, Refused
    from newsletter.sources.prose.resized import made

    if place.casefold() in {"", pictures.NONE}:
        return place.casefold()
    try:
        return pictures.brought(app.client, place, made)
    except FetchError as error:
        # The sentence for a feed that is gone asks for its new address.
        gone = f"There is nothing at this address (HTTP status {error.status}). Copy it from a browser that shows it."
        sentence = gone if error.status in {404, 410} else error.sentence
    except NewsletterError as error:
        sentence = str(error)
    except OSError as error:
        sentence = f"{error.strerror}."
    raise Refused(f"The picture for story {story}, {place}: {sentence} Nothing was changed.")


def _text(words: str | None) -> str | None:
    """Return an option's words, or those in the file that it names as @FILE; @- is standard input."""
    if words is None or not words.startswith("@"):
        return words
    try:
        return sys.stdin.read() if words == "@-" else Path(words[1:]).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        warn(f"Error: {words[1:]} is not UTF-8 text. Save it as UTF-8 and try again.")
        stop(FAILED)


def _worded(texts: Sequence[str] | None) -> dict[int, str]:
    """Return story -> words."""
    found = {}
    for text in texts or ():
        number, equals, words = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r}: write STORY=words, such as 7=Ferry returns on Monday")
        found[_number(number)] = words
    return found


def _number(text: str) -> int:
    if not text.strip().isdigit():
        raise typer.BadParameter(f"{text!r} is no story number; `newsletter issue show` prints them")
    return int(text)
