"""`newsletter edition`: the regional weeklies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, group, open_app, say, say_json, table, warn
from newsletter.cli.newsroom import show
from newsletter.cli.readers import some

if TYPE_CHECKING:
    from newsletter.newsroom import EditionEntry, Reach

commands = group("edition", "The regional weeklies.")


@commands.command()
def add(
    slug: Annotated[str, typer.Argument(help="Its name in commands and addresses.")],
    name: Annotated[str, typer.Option(help="What readers call it.")],
    region: Annotated[list[str], typer.Option(help="A region it is about; may be repeated.")],
    mailing_list: Annotated[str, typer.Option("--list", help="The list it is sent to.")],
    sender: Annotated[str, typer.Option(help="The address it is sent from.")],
    publisher: Annotated[str, typer.Option(help="Who publishes it.")],
    postal_address: Annotated[str, typer.Option(help="Where post reaches the publisher; the law asks for it.")],
    send: Annotated[str, typer.Option(help='Weekday and local time, such as "saturday 07:00".')],
    time_zone: Annotated[str, typer.Option(help="Such as Europe/Kyiv.")],
    contact: Annotated[str, typer.Option(help="Where corrections are taken; the sender when left out.")] = "",
    sender_name: Annotated[str, typer.Option(help="The name it is sent from; the edition's when left out.")] = "",
    tagline: Annotated[str, typer.Option(help="One sentence under the name.")] = "",
    language: Annotated[str, typer.Option(help="Such as en, uk or pt-BR.")] = "en",
    min_stories: Annotated[int, typer.Option(help="Fewer new stories than this, and the week is skipped.")] = 4,
    max_stories: Annotated[int, typer.Option(help='The lead and "More" together.')] = 9,
    accent: Annotated[str, typer.Option(help="Its colour, such as #0F4C5C; ours when left out.")] = "",
    accent_dark: Annotated[str, typer.Option(help="The same for dark mode; made from --accent when left out.")] = "",
    logo_url: Annotated[str, typer.Option(help="A picture of its name; `edition logo` takes a file.")] = "",
    logo_width: Annotated[int, typer.Option(help="How many pixels wide the logo is shown.", max=280)] = 0,
    welcome: Annotated[bool, typer.Option(help="Greet readers who have joined.")] = True,
    goodbye: Annotated[bool, typer.Option(help="Write to readers who have left on the page.")] = False,
    monthly: Annotated[bool, typer.Option(help="Let readers choose one issue a month.")] = False,
    audience: Annotated[str, typer.Option(help='Only these of the list get it: a segment, such as "-tag:staff".')] = "",
) -> None:
    """Add an edition. The other settings are in the newsroom file: `newsletter export`, edit, `newsletter apply`.

    Example: newsletter edition add ukraine-weekly --name "Ukraine Weekly" --region UA --list ukraine
    --sender weekly@example.org --publisher "Example Press" --postal-address "1 Main St, Lviv"
    --send "saturday 07:00" --time-zone Europe/Kyiv
    """
    from newsletter import newsroom

    weekday, at = _send_time(send)
    entry = newsroom.checked(
        newsroom.EditionEntry,
        slug=slug,
        name=name,
        tagline=tagline,
        regions=region,
        list=mailing_list,
        language=language,
        sender_name=sender_name or name,
        sender_address=sender,
        publisher=publisher,
        postal_address=postal_address,
        contact=contact or sender,
        send_weekday=weekday,
        send_time=at,
        time_zone=time_zone,
        min_stories=min_stories,
        max_stories=max_stories,
        accent=accent,
        accent_dark=accent_dark,
        logo_url=logo_url,
        logo_width=logo_width,
        welcome=welcome,
        goodbye=goodbye,
        monthly=monthly,
        audience=audience,
    )
    _put(entry)


def _put(entry: EditionEntry) -> None:
    from newsletter import newsroom

    app = open_app()
    with app.db.transaction() as session:
        change = newsroom.put_edition(session, entry, app.clock())
    show([change] if change else [])


def _send_time(text: str) -> tuple[str, str]:
    """Return the weekday and the time of day; the time is checked with the rest."""
    from newsletter.newsroom import WEEKDAYS

    weekday, _, at = text.strip().lower().partition(" ")
    if weekday not in WEEKDAYS:
        raise typer.BadParameter(f'{text!r}: --send begins with a weekday in English, such as "monday 07:00"')
    return weekday, at.strip()


@commands.command("list")
def list_(json: JsonOption = False) -> None:
    """Print the editions with their next send time. Example: newsletter edition list"""
    from sqlmodel import select

    from newsletter import issues, newsroom
    from newsletter.models import Edition

    app = open_app()
    with app.db.reading() as session:
        entries = {entry.slug: entry for entry in newsroom.read(session).editions}
        rows = session.exec(select(Edition).order_by(Edition.slug)).all()
    coming = {row.slug: issues.next_slot(row, app.clock()) for row in rows}
    if json:
        say_json(
            [
                entries[one].model_dump() | {"next_week": coming[one].week, "next_send_at": coming[one].send_at}
                for one in entries
            ]
        )
    elif not rows:
        say("There are no editions yet. Add one with `newsletter edition add` or `newsletter apply`.")
    else:
        table(
            ("Edition", "Name", "Regions", "List", "Next (UTC)"),
            (
                (one.slug, one.name, ", ".join(one.regions), one.list, f"{coming[one.slug].send_at:%Y-%m-%d %H:%M}")
                for one in entries.values()
            ),
        )


@commands.command("set")
def set_(
    slug: str,
    change: Annotated[list[str] | None, typer.Argument(help="key=value, with the keys of the newsroom file.")] = None,
    audience: Annotated[
        str | None, typer.Option(help='Only these of the list get it: a segment, such as "-tag:staff"; "" for all.')
    ] = None,
    monthly: Annotated[bool | None, typer.Option(help="Whether readers may choose one issue a month.")] = None,
) -> None:
    """Change an edition. Lists are written with commas. A new audience is counted.

    Example: newsletter edition set ukraine-weekly send_time=08:30 max_stories=7 accent=#1B5E20
    """
    from newsletter import newsroom

    changes = [*(change or []), *([] if audience is None else [f"audience={audience}"])]
    changes += [] if monthly is None else [f"monthly={str(monthly).lower()}"]
    if not changes:
        raise typer.BadParameter("say what to change: key=value, --audience, --monthly or --no-monthly")
    app = open_app()
    with app.db.transaction() as session:
        changed = newsroom.change_edition(session, slug, changes, app.clock())
    show([changed] if changed else [])
    if any(one.startswith("audience=") for one in changes):
        with app.db.reading() as session:
            say(_reached(newsroom.reach_of(session, slug, app.clock())))


def _reached(reach: Reach) -> str:
    """Return how many readers get an edition, and whom its audience means."""
    words = f" {reach.words}" if reach.words else ""
    return f"Of {some(reach.readers)} {reach.meant:,} get it.{words}"


@commands.command("show")
def show_(slug: str, json: JsonOption = False) -> None:
    """Print one edition's settings, and how many readers get it. Example: newsletter edition show ukraine-weekly"""
    from dataclasses import asdict

    from newsletter import newsroom
    from newsletter.errors import NotFound

    app = open_app()
    with app.db.reading() as session:
        entries = {entry.slug: entry for entry in newsroom.read(session).editions}
        if slug not in entries:
            raise NotFound("edition", slug, "" if entries else "Add one with `newsletter edition add`.", known=entries)
        reach = newsroom.reach_of(session, slug, app.clock())
    if json:
        say_json(entries[slug].model_dump() | {"reach": asdict(reach)})
        return
    for name, value in entries[slug].model_dump().items():
        if value not in ("", [], None):
            say(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    say(_reached(reach))


@commands.command()
def logo(
    slug: str,
    file: Annotated[str, typer.Argument(help="A PNG or JPEG, from 560 pixels wide, or its web address.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Show the edition's name in letters again.")] = False,
) -> None:
    """Show a picture of the edition's name on top of its mails. What is transparent stays so.

    Example: newsletter edition logo ukraine-weekly logo.png
    """
    from newsletter import newsroom, pictures
    from newsletter.sources.prose.resized import made_logo

    if bool(file) == remove:
        raise typer.BadParameter("name a file, or say --remove")
    app = open_app()
    made = None if remove else pictures.brought(app.client, file, made_logo)
    with app.db.transaction() as session:
        change = newsroom.put_logo(session, slug, made, app.settings.base_url, app.clock())
    show([change] if change else [])
    if made and made.hides_in_dark:
        warn("The logo is dark on transparent ground: dark mode swallows it. Give it a light ground or a light edge.")
