"""`newsletter list`: mailing lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import FAILED, JsonOption, confirm, group, open_app, progress, say, say_json, stop, table, warn
from newsletter.cli.newsroom import show

if TYPE_CHECKING:
    from sqlmodel import Session

    from subscribers.merging import Merged
    from subscribers.models import MailingList

commands = group("list", "Mailing lists. An edition is sent to one.")


@commands.command()
def add(
    slug: Annotated[str, typer.Argument(help="Its name in commands and in the List-Id header.")],
    name: Annotated[str, typer.Argument(help="What readers call it.")],
    json: JsonOption = False,
) -> None:
    """Add a list.

    Example: newsletter list add ukraine "Ukraine Weekly"
    """
    from sqlmodel import select

    from newsletter import newsroom
    from newsletter.errors import Refused
    from subscribers.models import MailingList

    entry = newsroom.checked(newsroom.ListEntry, slug=slug, name=name)
    app = open_app()
    with app.db.transaction() as session:
        known = session.exec(select(MailingList.name).where(MailingList.slug == entry.slug)).first()
        if known is not None and known != entry.name:
            raise Refused(f"There is a list {slug} already, called {known!r}. `newsletter list rename` changes that.")
        change = newsroom.put_list(session, entry, app.clock())
    if json:
        say_json({"list": entry.slug, "name": entry.name, "added": change is not None})
    else:
        show([change] if change else [])


@commands.command()
def rename(
    slug: str,
    name: Annotated[str, typer.Argument(help="What readers call it from now on; as it is when left out.")] = "",
    short: Annotated[str, typer.Option(help="Its new short name, in commands and in the List-Id header.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Change the short name without being asked.")] = False,
    json: JsonOption = False,
) -> None:
    """Rename a list. Change it in the newsroom file, too, if you keep one.

    Example: newsletter list rename ukraine "Ukraine, every Saturday"
    """
    from newsletter import newsroom
    from subscribers import lists

    if not name and not short:
        warn("Give the new name, a new short name with --short, or both.")
        stop(FAILED)
    app = open_app()
    if short and short != slug:
        with app.db.reading() as session:
            lists.get_list(session, slug)
            newsroom.refuse_named(session, "list", slug)
        confirm(f"Readers' filters go by the List-Id, which is {slug} until now. Change it to {short}?", yes=yes)
    with app.db.transaction() as session:
        row = lists.rename(session, slug, name=name, new_slug=short)
    if json:
        say_json({"list": row.slug, "name": row.name})
    else:
        say(f"{row.slug}: {row.name}")


@commands.command()
def archive(slug: str, json: JsonOption = False) -> None:
    """Let nobody join a list and send nothing to it. Its readers and the evidence stay; `unarchive` opens it again.

    Example: newsletter list archive ukraine
    """
    from newsletter import newsroom
    from subscribers import lists

    app = open_app()
    with app.db.transaction() as session:
        newsroom.refuse_while_sending(session, lists.get_list(session, slug).id)
        done = lists.archive(session, slug, app.clock())
        editions = newsroom.editions_of(session, lists.get_list(session, slug).id)
    if json:
        say_json({"list": slug, "archived": done, "editions": editions})
        return
    say(f"{slug} is archived: nobody can join it, and nothing is sent to it." if done else f"{slug} was archived.")
    if editions:
        say(f"Nothing more comes of {', '.join(editions)}. `newsletter edition set EDITION list=...` gives it a list.")


@commands.command()
def unarchive(slug: str, json: JsonOption = False) -> None:
    """Open an archived list again. Example: newsletter list unarchive ukraine"""
    from subscribers import lists

    with open_app().db.transaction() as session:
        done = lists.unarchive(session, slug)
    if json:
        say_json({"list": slug, "opened": done})
    else:
        say(f"{slug} is open again." if done else f"{slug} was not archived.")


@commands.command()
def merge(
    source: Annotated[str, typer.Argument(help="The list whose readers join the other; it is archived.")],
    target: Annotated[str, typer.Argument(help="The list they join.")],
    consent: Annotated[str, typer.Option(help="Why they may be put on the other list; kept as evidence for each.")],
    move_editions: Annotated[
        bool, typer.Option("--move-editions", help="Send the editions of the first list to the other.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the counts, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
    json: JsonOption = False,
) -> None:
    """Merge a list into another. Who left either stays left, and who never confirmed is not moved.

    After an interruption, run it again: it goes on where it was.
    Example: newsletter list merge ukraine europe --consent "Both were one newsletter until May 2026" --dry-run
    """
    from newsletter import newsroom
    from subscribers import lists, merging

    merging.checked_statement(consent)
    app = open_app()
    with app.db.reading() as session:
        first, second = lists.get_list(session, source), lists.get_list(session, target)
        plan = merging.plan_merge(session, first, second)
        _refuse_merge(session, first, second, move=move_editions)
        editions = newsroom.editions_of(session, first.id)
    if not json:
        _print_merge(plan, first, second, editions if move_editions else [])
    joined = 0
    if not dry_run:
        confirm(f"Merge {source} into {target}? It cannot be undone.", yes=yes)
        with app.db.transaction() as session:
            _refuse_merge(session, first, second, move=move_editions)
            newsroom.move_editions(session, first.id, second.id)
            lists.archive(session, source, app.clock())
        with progress("Merging", plan.joined) as advance:
            joined = merging.merge(
                app.db.transaction, first, second, consent=consent, now=app.clock(), progress=advance
            )
    if json:
        from dataclasses import asdict

        say_json(asdict(plan) | {"editions": editions, "moved": joined, "dry_run": dry_run})
    elif dry_run:
        say("Nothing was changed: this was a dry run.")
    else:
        say(f"{joined} joined {target}. {source} is archived.")


def _refuse_merge(session: Session, first: MailingList, second: MailingList, *, move: bool) -> None:
    """Raise Refused while something is sent to one of the lists, and for editions that would have no readers."""
    from newsletter import newsroom
    from newsletter.errors import Refused

    for one in (first, second):
        newsroom.refuse_while_sending(session, one.id)
    editions = newsroom.editions_of(session, first.id)
    if editions and not move:
        raise Refused(
            f"{', '.join(editions)} would have nobody to go to. Add --move-editions to send to {second.slug}, "
            "or give another list with `newsletter edition set EDITION list=...`."
        )


def _print_merge(plan: Merged, first: MailingList, second: MailingList, editions: list[str]) -> None:
    say(f"{plan.joined} of {first.slug} join {second.slug}; {plan.already} are on it.")
    say(f"{plan.left_target} had left {second.slug} and stay out; {plan.left_source} had left {first.slug}.")
    say(f"{plan.pending} asked for {first.slug} and never confirmed; their requests end with it.")
    if editions:
        say(f"{', '.join(editions)} goes to {second.slug} from now on.")
        if plan.left_source_on_target:
            count = plan.left_source_on_target
            warn(f"{count} had left {first.slug} and are on {second.slug}: they would get this again.")


@commands.command("show")
def show_(
    archived: Annotated[bool, typer.Option("--archived", help="Archived lists, too.")] = False, json: JsonOption = False
) -> None:
    """Print the lists with how many readers are confirmed, pending and gone. Example: newsletter list show"""
    from sqlmodel import select

    from subscribers.lists import count_by_state
    from subscribers.models import MailingList, SubscriptionState

    with open_app().db.reading() as session:
        everything = session.exec(select(MailingList).order_by(MailingList.slug)).all()
        lists = [one for one in everything if archived or json or not one.archived_at]
        counts = {one.slug: count_by_state(session, one.id) for one in lists}
    states = list(SubscriptionState)
    if json:
        say_json(
            [
                {"slug": one.slug, "name": one.name, "archived_at": one.archived_at}
                | {state.value: counts[one.slug].get(state, 0) for state in states}
                for one in lists
            ]
        )
    elif not everything:
        say("There are no lists yet. Add one with `newsletter list add`.")
    else:
        rows = ((one.slug, _named(one), *(counts[one.slug].get(state, 0) for state in states)) for one in lists)
        table(("List", "Name", *(state.capitalize() for state in states)), rows)
        hidden = len(everything) - len(lists)
        if hidden:
            say(f"And {hidden} archived; --archived shows them.")


def _named(one: MailingList) -> str:
    return f"{one.name} (archived)" if one.archived_at else one.name
