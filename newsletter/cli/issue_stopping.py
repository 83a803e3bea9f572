"""The commands of `newsletter issue` that stop a sending and take it back. Each shows first what it will do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import IN_PART, JsonOption, confirm, open_app, progress, say, say_json, stop, warn, who
from newsletter.cli.issue_shown import accounting_line, find, moment, show_before, some, where_it_stands
from newsletter.cli.signals import stop_on_signal

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.delivery import Tally
    from newsletter.delivery.undoing import Undone
    from newsletter.models import Issue

_IssueArgument = Annotated[
    str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
]
_YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    for command in (pause, cancel, undo):
        commands.command()(command)


def pause(issue: _IssueArgument, json: JsonOption = False) -> None:
    """Keep an issue from being sent, or the rest of it, until it is resumed. Chunks under way come to their end.

    Example: newsletter issue pause ukraine-weekly
    """
    from newsletter import delivery, issues
    from newsletter.delivery.undoing import batches
    from newsletter.delivery.undoing import pause as pause_sending

    app = open_app()
    with app.db.transaction() as session:
        found = issues.lock_issue(session, issues.find_issue(session, issue).id)
        name = issues.issue_name(session, found)
        pause_sending(session, found, who())
        counts = delivery.tally(session, found)
        handed_over = sum(one.readers for one in batches(session, found.id, app.clock()))
    if json:
        say_json(where_it_stands(name, found, counts) | {"handed_over": handed_over})
        return
    say(f"{name} is {found.reason}. `newsletter issue resume {name}` goes on with it.")
    if counts.expected:
        say(accounting_line(counts))
    if handed_over and found.scheduled_for:
        warn(
            f"The provider has the mails to {some(handed_over)} and sends them at {moment(found.scheduled_for)} "
            f"all the same. `newsletter issue undo {name}` takes them back."
        )


def cancel(issue: _IssueArgument, yes: _YesOption = False, json: JsonOption = False) -> None:
    """Call off the rest of an issue for good. What a provider has to send later is taken back first.

    Who has it has it. An issue whose sending has not begun is left out with `issue skip`.
    Exits with 3 when some of what was handed over in advance goes out all the same.
    Example: newsletter issue cancel ukraine-weekly
    """
    from newsletter import delivery, issues
    from newsletter.delivery.undoing import batches, why_not_cancel
    from newsletter.delivery.undoing import cancel as cancel_sending
    from newsletter.errors import Refused

    app = open_app()
    found, name = find(app, issue)
    with app.db.reading() as session:
        if why_not := why_not_cancel(session, found):
            raise Refused(f"{name} cannot be cancelled. {why_not}")
        counts = delivery.tally(session, found)
        handed_over = sum(one.readers for one in batches(session, found.id, app.clock()))
    too_late = _why_not_undo(app, found) if handed_over else ""
    show_before(f"{name}: {_before_cancelling(counts, handed_over, too_late)}", json=json)
    confirm(f"Cancel {name}? It cannot be sent afterwards.", yes=yes)
    undone = _undo(app, found.id, name) if handed_over and not too_late else None
    with app.db.transaction() as session:
        row = issues.lock_issue(session, found.id)
        not_sent = cancel_sending(session, row, who())
        counts = delivery.tally(session, row)
    if json:
        facts = {"not_sent": not_sent, "undone": asdict(undone) if undone else None}
        say_json(where_it_stands(name, row, counts) | facts)
    else:
        say(f"{name} is {row.state}, {row.reason}: not sent to {some(not_sent)}.")
        say(accounting_line(counts, over=True))
        _print_problems(undone)
    if counts.sending or (handed_over and (too_late or (undone and not undone.whole))):
        stop(IN_PART)


def undo(issue: _IssueArgument, yes: _YesOption = False, json: JsonOption = False) -> None:
    """Take a whole issue back from a provider that was to send it later. It is approved again then, and waits.

    Exits with 3 when it was not given back as a whole; calling it again asks for the rest, as long as there is time.
    Example: newsletter issue undo ukraine-weekly
    """
    from newsletter import delivery
    from newsletter.delivery.undoing import batches
    from newsletter.errors import Refused

    app = open_app()
    found, name = find(app, issue)
    if why_not := _why_not_undo(app, found):
        raise Refused(f"{name} cannot be undone. {why_not}")
    with app.db.reading() as session:
        held = batches(session, found.id, app.clock())
        counts = delivery.tally(session, found)
    readers = sum(one.readers for one in held)
    at = f" to send at {moment(found.scheduled_for)}" if found.scheduled_for else ""
    show_before(
        f"{name}: The provider has the mails to {readers} of {some(counts.expected)}, "
        f"in {some(len(held), 'batch')},{at}. "
        "Each batch is cancelled, and counts as given back when the provider says so.",
        json=json,
    )
    confirm(f"Take {name} back?", yes=yes)
    undone = _undo(app, found.id, name)
    if json:
        say_json({"issue": name} | asdict(undone) | {"whole": undone.whole})
    else:
        _print_undone(name, undone)
    if not undone.whole:
        stop(IN_PART)


def _why_not_undo(app: App, issue: Issue) -> str:
    from newsletter.delivery.undoing import why_not_undo

    with app.db.reading() as session:
        return why_not_undo(session, issue, app.providers, app.clock())


def _undo(app: App, issue_id: int, name: str) -> Undone:
    from newsletter.delivery.undoing import undo as take_all_back

    with stop_on_signal() as halt, progress(f"Undoing {name}") as advance:
        return take_all_back(
            app.db, issue_id, app.providers, app.clock, who(),
            wait=halt.wait, testimony=app.post.testimony, progress=advance,
        )  # fmt: skip


def _print_undone(name: str, undone: Undone) -> None:
    if undone.whole:
        say(f"{name} is taken back from {some(undone.freed)}. It is approved, and waits.")
        say(
            "Change it with `newsletter issue edit`, let it go out at its time with `newsletter issue resume`, "
            "or leave the week out with `newsletter issue skip`."
        )
        return
    say(
        f"{name} is not taken back as a whole: {undone.freed} readers do not get it, {undone.kept} may get it, "
        f"{undone.sending} are just being handed over."
    )
    _print_problems(undone)
    say(f"`newsletter issue undo {name}` asks again for these; `newsletter issue cancel {name}` calls off the rest.")


def _print_problems(undone: Undone | None) -> None:
    for problem in undone.problems if undone else ():
        warn(problem)


def _before_cancelling(counts: Tally, handed_over: int, too_late: str) -> str:
    has = counts.accepted + counts.uncertain + counts.sending - handed_over
    text = f"Have it, or may have it: {some(has)}. Would not get it: {some(counts.planned)}."
    if not handed_over:
        return text
    return f"{text} With the provider for later: {some(handed_over)}. {too_late or 'That is taken back first.'}"
