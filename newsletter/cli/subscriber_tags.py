"""`newsletter subscriber add`, `tag` and `tags`: a reader put on a list, and words put on readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import FAILED, IN_PART, JsonOption, confirm, group, open_app, say, say_json, stop, table, warn
from newsletter.cli.readers import known_hashes, meant, refusing_domains, some

if TYPE_CHECKING:
    from newsletter.app import App
    from subscribers.segments import Readers

tags = group("tags", "The tags that readers have.")


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(add)
    commands.command()(tag)
    commands.add_typer(tags)


def add(
    address: str,
    mailing_list: Annotated[str, typer.Option("--list", help="The list to put them on.")],
    consent: Annotated[str, typer.Option(help="Where and when they agreed; kept as evidence.")],
    name: Annotated[str, typer.Option(help="Their name; one that is known is not changed.")] = "",
    field: Annotated[list[str] | None, typer.Option(help="What they said, as NAME=VALUE; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag for them; may be repeated.")] = None,
    check_domain: Annotated[
        bool, typer.Option("--check-domain", help="Ask the DNS, and refuse an address whose domain takes no mail.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Put one reader on a list who agreed elsewhere. Who left it, is blocked or was erased stays out.

    Example: newsletter subscriber add ann@example.org --list ukraine --consent "By telephone, 3 May 2026" --tag donor
    """
    from subscribers import fields, tags
    from subscribers.adding import add_reader
    from subscribers.addresses import parse_address
    from subscribers.lists import get_open_list

    app = open_app()
    if check_domain and (refused := refusing_domains([parse_address(address).key.rpartition("@")[2]])):
        warn(f"Error: {next(iter(refused.values()))} {address} was not added.")
        stop(FAILED)
    where = {"consent": consent, "source": "command line", "now": app.clock(), "hashes": known_hashes(app)}
    with app.db.transaction() as session:
        chosen, parsed = get_open_list(session, mailing_list), parse_address(address)
        reader_id, joined = add_reader(session, parsed, chosen, name=name, **where)  # type: ignore[arg-type]
        for one in field or []:
            slug, _, value = one.partition("=")
            fields.say(session, reader_id, fields.get_field(session, slug), value)
        for one in tag or []:
            tags.add_tag(session, one, _of([parsed.key]), app.clock())
    if json:
        say_json({"address": parsed.typed, "list": mailing_list, "joined": joined})
    else:
        say(f"{parsed.typed} is on {mailing_list}." if joined else f"{parsed.typed} was on {mailing_list}.")


def tag(
    addresses: Annotated[list[str] | None, typer.Argument(help="The readers; or use --segment.")] = None,
    segment: Annotated[str, typer.Option(help="All readers of this segment; see `newsletter segment`.")] = "",
    add: Annotated[list[str] | None, typer.Option(help="A tag to put on them; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to take off them; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the counts, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Tag a whole segment without being asked.")] = False,
    json: JsonOption = False,
) -> None:
    """Put tags on readers or take them off: on some, or on a whole segment.

    Exits with 3 when an address is nobody's.
    Example: newsletter subscriber tag --segment "list:ukraine clicked:90d" --add active --remove sleeping
    """
    if bool(addresses) == bool(segment) or not (add or remove):
        warn("Name the readers or a --segment, and what to --add or --remove.")
        stop(FAILED)
    from subscribers.segments import count_of

    app = open_app()
    unknown = _unknown(app, addresses or [])
    for address in unknown:
        warn(f"{address} is not known.")
    if segment and not dry_run:
        with app.db.reading() as session:
            number = count_of(session, meant(app, session, segment))
        confirm(f"Change the tags of {some(number)}?", yes=yes)
    done = _change(app, addresses or [], segment, add or [], remove or [], dry_run=dry_run)
    if json:
        say_json(done | {"unknown": unknown, "dry_run": dry_run})
    else:
        _say_done(done, dry_run=dry_run)
    if unknown:
        stop(IN_PART)


def _change(
    app: App, addresses: list[str], segment: str, add: list[str], remove: list[str], *, dry_run: bool
) -> dict[str, dict[str, int]]:
    """Change tags and return how many readers that changed, by tag; a `dry_run` does everything and takes it back."""
    from subscribers import tags
    from subscribers.segments import frozen

    done: dict[str, dict[str, int]] = {"added": {}, "removed": {}}
    with app.db.transaction() as session:
        named = meant(app, session, segment) if segment else _of(_keys(addresses))
        with frozen(session, named) as readers:
            for one in add:
                done["added"][tags.tag_name(one)] = tags.add_tag(session, one, readers, app.clock())
            for one in remove:
                done["removed"][tags.tag_name(one)] = tags.remove_tag(session, one, readers)
        if dry_run:
            session.rollback()
    return done


def _keys(addresses: list[str]) -> list[str]:
    from subscribers.addresses import parse_address

    return [parse_address(one).key for one in addresses]


def _unknown(app: App, addresses: list[str]) -> list[str]:
    """Return the addresses that are no reader's."""
    from sqlmodel import col, select

    from subscribers.models import Subscriber

    keys = dict(zip(_keys(addresses), addresses, strict=True))
    with app.db.reading() as session:
        known = set(session.exec(select(Subscriber.address_key).where(col(Subscriber.address_key).in_(keys))))
    return [address for key, address in keys.items() if key not in known]


def _of(keys: list[str]) -> Readers:
    """Return the query for the readers with these addresses."""
    from sqlalchemy import select
    from sqlmodel import col

    from subscribers.models import Subscriber

    return select(col(Subscriber.id).label("reader_id")).where(col(Subscriber.address_key).in_(keys))


def _say_done(done: dict[str, dict[str, int]], *, dry_run: bool) -> None:
    for name, count in done["added"].items():
        say(f"{name}: put on {some(count)}.")
    for name, count in done["removed"].items():
        say(f"{name}: taken off {some(count)}.")
    if dry_run:
        say("Nothing was changed: this was a dry run.")


@tags.command()
def show(json: JsonOption = False) -> None:
    """Print the tags with how many readers have each. Example: newsletter subscriber tags show"""
    from subscribers.tags import count_readers

    with open_app().db.reading() as session:
        counts = count_readers(session)
    if json:
        say_json([{"tag": name, "readers": count} for name, count in counts.items()])
    elif not counts:
        say("There are no tags yet. `newsletter subscriber tag` puts them on readers.")
    else:
        table(("Tag", "Readers"), counts.items())


@tags.command()
def rename(old: str, new: str, json: JsonOption = False) -> None:
    """Give a tag another name. Example: newsletter subscriber tags rename doner donor"""
    from newsletter import newsroom
    from subscribers.tags import rename_tag, tag_name

    with open_app().db.transaction() as session:
        newsroom.refuse_named(session, "tag", tag_name(old))
        rename_tag(session, old, new)
    if json:
        say_json({"tag": tag_name(new), "was": tag_name(old)})
    else:
        say(f"{tag_name(old)} is {tag_name(new)} now.")


@tags.command()
def delete(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete a tag; its readers stay. Example: newsletter subscriber tags delete staff"""
    from newsletter import newsroom
    from subscribers.tags import count_with, delete_tag, tag_name

    app = open_app()
    with app.db.reading() as session:
        newsroom.refuse_named(session, "tag", tag_name(name))
        count = count_with(session, name)
    confirm(f"Take {name} off {some(count)} and delete it? It cannot be undone.", yes=yes)
    with app.db.transaction() as session:
        newsroom.refuse_named(session, "tag", tag_name(name))
        had = delete_tag(session, name)
    if json:
        say_json({"deleted": name, "readers": had})
    else:
        say(f"{name} is deleted; {some(had)} had it.")
