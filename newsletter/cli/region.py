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
    parent: Annotated[
        str, typer.Option(help="The code of the region it lies in; GB-SCT lies in GB without being told.")
    ] = "",
    area: Annotated[
        str,
        typer.Option(help='Degrees south, west, north, east, such as "52.3,-0.2,52.8,0.4": for stories with a place.'),
    ] = "",
) -> None:
    """Add a region, or change it. Countries, their parts and their large places are known: words are for the rest.

    A word that begins with "!" says what does not count, such as "!Paris Hilton".
    Example: newsletter region add fen-north "The northern fens" --word Ely --word Littleport --parent GB-ENG
    """
    from newsletter import newsroom

    degrees = _degrees(area) if area else None
    entry = newsroom.checked(newsroom.RegionEntry, code=code, name=name, words=word or [], parent=parent, area=degrees)
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


@commands.command("show")
def show_(
    code: Annotated[str, typer.Argument(help="The region's code.")],
    json: JsonOption = False,
) -> None:
    """Print what marks a story as being about a region: its own words, and the names the gazetteer knows.

    Example: newsletter region show UA
    """
    from sqlmodel import select

    from newsletter.errors import NotFound
    from newsletter.gather import region_words
    from newsletter.models import Region
    from newsletter.regions import Gazetteer, parent_of

    with open_app().db.reading() as session:
        rows = session.exec(select(Region).order_by(Region.code)).all()
    found = next((row for row in rows if row.code == code), None)
    if found is None:
        known = ", ".join(row.code for row in rows)
        raise NotFound("region", code, f"Regions: {known}." if known else "Add one with `newsletter region add`.")
    names = Gazetteer.of([region_words(row) for row in rows]).words(code)
    parent = found.parent or parent_of(code)
    facts = {
        "code": found.code,
        "name": found.name,
        "parent": parent,
        "area": found.area,
        "words": found.words,
        "known_names": list(names),
    }
    if json:
        say_json(facts)
        return
    say(f"{found.code}: {found.name}{f', in {parent}' if parent else ''}")
    say(f"Own words: {', '.join(found.words) or 'none'}")
    say(f"Known names: {', '.join(names) or 'none'}")


def _degrees(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r}: write four numbers with commas between, such as 52.3,-0.2,52.8,0.4"
        ) from error
