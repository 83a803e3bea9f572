"""`newsletter region`: the places that editions and stories are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, group, open_app, say, say_json, table, warn
from newsletter.cli.newsroom import show

if TYPE_CHECKING:
    from newsletter.errors import ConfigurationError

commands = group("region", "The places that editions and stories are about.")


@commands.command()
def add(
    code: Annotated[str, typer.Argument(help="A country or region code such as UA or GB-SCT, or your own: fen-north.")],
    name: Annotated[
        str, typer.Argument(help="What readers call it; the English name when left out, for codes of ISO 3166.")
    ] = "",
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

    For a region that is there, what is given is changed and the rest stays. A word that begins with "!" says what does
    not count, such as "!Paris Hilton".
    Example: newsletter region add fen-north "The northern fens" --word Ely --word Littleport --parent GB-ENG
    """
    from newsletter import newsroom

    given = {"name": name, "words": word, "parent": parent, "area": _degrees(area) if area else None}
    app = open_app()
    with app.db.transaction() as session:
        known = {one.code: one.model_dump() for one in newsroom.read(session).regions}
        fields = (
            {"name": newsroom.name_of(code)} | known.get(code, {}) | {key: one for key, one in given.items() if one}
        )
        if not fields["name"]:
            raise _needs_name(code, list(known))
        entry = newsroom.checked(newsroom.RegionEntry, **fields | {"code": code})
        change = newsroom.put_region(session, entry)
    show([change] if change else [])
    if not (newsroom.name_of(entry.code) or entry.words or entry.area):
        warn(
            f"Nothing is known about {entry.code} but its name: give it words with --word, or no stories will be found "
            f"for it but those of its own sources and those that write {entry.name!r}."
        )


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

    from newsletter import newsroom
    from newsletter.gather import region_words
    from newsletter.models import Region
    from newsletter.regions import Gazetteer, parent_of

    with open_app().db.reading() as session:
        rows = session.exec(select(Region).order_by(Region.code)).all()
    found = next((row for row in rows if row.code == code), None)
    if found is None:
        raise newsroom.no_region(code, [row.code for row in rows])
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


def _needs_name(code: str, registered: list[str]) -> ConfigurationError:
    from newsletter import newsroom
    from newsletter.errors import ConfigurationError

    likely = newsroom.code_meant(code, registered)
    ask = f" Did you mean {likely}?" if likely else ""
    return ConfigurationError(
        f'{code!r} is no code of ISO 3166, so it needs a name: newsletter region add {code} "Its name".{ask}'
    )


def _degrees(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r}: write four numbers with commas between, such as 52.3,-0.2,52.8,0.4"
        ) from error
