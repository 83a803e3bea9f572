"""`newsletter segment`: readers by what is known of them, counted before they are used."""

from __future__ import annotations

from typing import Annotated

import typer

from newsletter.cli.base import JsonOption, group, open_app, say, say_json
from newsletter.cli.readers import AfterOption, LimitOption, after_key, meant, print_page, some

commands = group(
    "segment",
    "Readers by list, tag, field, date and what they did, in one line such as: list:ukraine tag:donor -tag:staff "
    "field:town=Lviv joined>2026-01-01 clicked:90d. All must hold; `or`, parentheses and a hyphen for not.",
)

SegmentArgument = Annotated[str, typer.Argument(help="The segment, in quotation marks; docs/operate.md has the words.")]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Say in words whom it means.")]


@commands.command()
def count(text: SegmentArgument, explain: ExplainOption = False, json: JsonOption = False) -> None:
    """Count the readers of a segment.

    Example: newsletter segment count "list:ukraine tag:donor -clicked:90d" --explain
    """
    from newsletter import engagement
    from subscribers import segments

    app = open_app()
    now = app.clock()
    terms = engagement.terms(now)
    with app.db.reading() as session:
        words = segments.explain(session, text, terms, now=now)
        number = segments.count(session, text, terms, now=now)
    if json:
        say_json({"segment": text, "readers": number, "words": words})
        return
    if explain:
        say(words)
    say(some(number))


@commands.command()
def show(
    text: SegmentArgument,
    limit: LimitOption = 50,
    after: AfterOption = "",
    json: JsonOption = False,
) -> None:
    """Print the readers of a segment, a page at a time.

    Example: newsletter segment show "list:ukraine (field:town=Lviv,Kyiv or tag:donor)" --limit 20
    """
    from subscribers.finding import find

    app = open_app()
    with app.db.reading() as session:
        found = find(session, "", meant(app, session, text), limit=limit + 1, after=after_key(after))
    print_page(found, limit, json=json)
