"""`newsletter list`: mailing lists."""

from __future__ import annotations

from typing import Annotated

import typer

from newsletter.cli.base import JsonOption, group, open_app, say, say_json, table
from newsletter.cli.newsroom import show

commands = group("list", "Mailing lists. An edition is sent to one.")


@commands.command()
def add(
    slug: Annotated[str, typer.Argument(help="Its name in commands and in the List-Id header.")],
    name: Annotated[str, typer.Argument(help="What readers call it.")],
) -> None:
    """Add a list, or rename it.

    Example: newsletter list add ukraine "Ukraine Weekly"
    """
    from newsletter import newsroom

    entry = newsroom.checked(newsroom.ListEntry, slug=slug, name=name)
    app = open_app()
    with app.db.transaction() as session:
        change = newsroom.put_list(session, entry, app.clock())
    show([change] if change else [])


@commands.command("show")
def show_(json: JsonOption = False) -> None:
    """Print the lists with how many readers are confirmed, pending and gone. Example: newsletter list show"""
    from sqlmodel import select

    from subscribers.lists import count_by_state
    from subscribers.models import MailingList, SubscriptionState

    with open_app().db.reading() as session:
        lists = session.exec(select(MailingList).order_by(MailingList.slug)).all()
        counts = {one.slug: count_by_state(session, one.id) for one in lists}
    states = list(SubscriptionState)
    if json:
        say_json(
            [
                {"slug": one.slug, "name": one.name} | {state.value: counts[one.slug].get(state, 0) for state in states}
                for one in lists
            ]
        )
    elif not lists:
        say("There are no lists yet. Add one with `newsletter list add`.")
    else:
        rows = ((one.slug, one.name, *(counts[one.slug].get(state, 0) for state in states)) for one in lists)
        table(("List", "Name", *(state.capitalize() for state in states)), rows)
