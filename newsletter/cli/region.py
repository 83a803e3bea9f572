"""`newsletter region`: the places that editions and stories are about."""

from __future__ import annotations

from typing import Annotated

import typer

from newsletter.cli.base import JsonOption, group, open_app, say, say_json, table
from newsletter.cli.newsroom import show

commands = group("region", "The places that editions and stories are about.")


@commands.command()
def add(
    code: Annotated[str, typer.Argument(help="A country or region code such as UA or GB-SCT, or your own: fen-north.")],
    name: Annotated[str, typer.Argument(help="What readers call it.")],
    word: Annotated[
        list[str] | None, typer.Option(help="A name or place that marks a story as being about it.")
    ] = None,
) -> None:
    """Add a region, or change its name and words.

    Example: newsletter region add UA Ukraine --word Kyiv --word Kharkiv
    """
    from newsletter import newsroom

    entry = newsroom.checked(newsroom.RegionEntry, code=code, name=name, words=word or [])
    app = open_app()
    with app.db.transaction() as session:
        change = newsroom.put_region(session, entry)
    show([change] if change else [])


@commands.command("list")
def list_(json: JsonOption = False) -> None:
    """Print the regions with their words. Example: newsletter region list"""
    from newsletter import newsroom

    with open_app().db.reading() as session:
        regions = newsroom.read(session).regions
    if json:
        say_json([region.model_dump() for region in regions])
    elif not regions:
        say("There are no regions yet. Add one with `newsletter region add`.")
    else:
        table(("Code", "Name", "Words"), ((one.code, one.name, ", ".join(one.words)) for one in regions))
