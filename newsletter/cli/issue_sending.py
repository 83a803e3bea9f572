"""The commands of `newsletter issue` that send, and go on with it. Each shows first what it will do."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import (
    FAILED,
    IN_PART,
    JsonOption,
    confirm,
    open_app,
    progress,
    say,
    say_json,
    stop,
    table,
    warn,
    who,
)
from newsletter.cli.issue_shown import accounting_line, find, moment, show_before, some, where_it_stands
from newsletter.cli.signals import stop_on_signal

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.delivery import SendReport
    from newsletter.delivery.forecast import Forecast
    from newsletter.models import Issue

_IssueArgument = Annotated[
    str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
]
_YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    for command in (send, resume, retry):
        commands.command()(command)


def send(
    issue: _IssueArgument,
    at_its_time: Annotated[
        bool,
        typer.Option(
            "--at-its-time", help="Hand it over now, for the provider to send at its time; `issue undo` takes it back."
        ),
    ] = False,
    dry_run: _DryRunOption = False,
    yes: _YesOption = False,
    json: JsonOption = False,
) -> None:
    """Send an approved issue now, to every confirmed reader once. Calling it again sends nothing twice.

    Exits with 3 when somebody was refused, waits for another try, or is uncertain.
    Example: newsletter issue send ukraine-weekly --dry-run
    Example: newsletter issue send ukraine-weekly --at-its-time, to a provider that can wait
    """
    from newsletter.delivery.forecast import forecast
    from newsletter.delivery.undoing import is_paused
    from newsletter.errors import Refused

    app = open_app()
    found, name = find(app, issue)
    with app.db.reading() as session:
        ahead = at_its_time and found.state == "approved"
        expected = forecast(session, found, app.post.carrier, app.clock(), ahead=ahead)
    if dry_run:
        _print_forecast(name, found, expected, json=json)
    if is_paused(found):
        raise Refused(f"{name} is {found.reason}. `newsletter issue resume {name}` goes on with it.")
    if at_its_time and found.state == "approved" and expected.not_ahead:
        raise Refused(f"{name} cannot be handed over for its time. {expected.not_ahead} Nothing was done.")
    if dry_run:
        return
    if not json:
        say(_in_one_line(name, found, expected, ahead=at_its_time))
    if expected.readers and sys.stdin.isatty():  # a script that sends has decided already
        confirm("Send it?", yes=yes)
    _send(app, found.id, name, json=json, ahead=at_its_time, why_not_ahead=expected.not_ahead)


def resume(issue: _IssueArgument, json: JsonOption = False) -> None:
    """Go on with an issue that was paused, held or stopped half-way. Who got it, or may have, is not written to again.

    One whose sending has not begun goes out at its time again, and not now.
    Example: newsletter issue resume ukraine-weekly
    """
    from newsletter import delivery

    app = open_app()
    found, name = find(app, issue)
    if found.state not in {"approved", "sending", "sent"}:
        warn(f"{name} is {found.state}: there is nothing to go on with.")
        stop(FAILED)
    if found.state == "approved":
        _let_go(app, found.id, name, json=json)
        return
    if not json:
        with app.db.reading() as session:
            counts = delivery.tally(session, found)
        why = f" It waited: {found.reason}." if found.reason else ""
        say(f"{name} goes on: {counts.open} of {some(counts.expected)} left.{why}")
    _send(app, found.id, name, json=json)


def retry(
    issue: _IssueArgument, dry_run: _DryRunOption = False, yes: _YesOption = False, json: JsonOption = False
) -> None:
    """Send again to those whom the provider refused, and to nobody who has the issue. Mend the reason first.

    Example: newsletter issue retry ukraine-weekly --dry-run
    """
    from newsletter import delivery, issues
    from newsletter.delivery.accounting import reasons
    from newsletter.errors import Refused
    from newsletter.models import DeliveryState

    app = open_app()
    found, name = find(app, issue)
    with app.db.reading() as session:
        counts = delivery.tally(session, found)
        said = reasons(session, found.id, DeliveryState.REJECTED)
    if found.state == "cancelled":
        raise Refused(f"{name} was cancelled: {found.reason}. Nobody else gets it.")
    if found.state not in {"sending", "sent"} or found.reason:
        why = f"it waits: {found.reason}" if found.reason else f"it is {found.state}"
        raise Refused(f"{name} is not being sent ({why}). `newsletter issue resume {name}` comes first.")
    if dry_run and json:
        say_json({"issue": name, "rejected": counts.rejected, "reasons": [asdict(one) for one in said]})
        return
    if not json:
        say(f"{name}: {some(counts.rejected)} refused{', most of them with:' if said else '.'}")
        table(("Readers", "What was said"), ((one.readers, one.detail) for one in said))
    if dry_run or not counts.rejected:
        show_before("Nothing was changed.", json=json)
        return
    confirm(f"Send to these {counts.rejected} again?", yes=yes)
    with app.db.transaction() as session:
        row = issues.lock_issue(session, found.id)
        delivery.plan_again(session, row, DeliveryState.REJECTED, app.clock(), who())
    _send(app, found.id, name, json=json)


def _let_go(app: App, issue_id: int, name: str, *, json: bool) -> None:
    """Take the reason from an approved issue, so that it goes out at its time."""
    from newsletter import delivery, issues

    with app.db.transaction() as session:
        row = issues.lock_issue(session, issue_id)
        why, row.reason = row.reason, ""
        session.add(row)
        at = issues.local_time(session, row)
        counts = delivery.tally(session, row)
    if json:
        say_json(where_it_stands(name, row, counts))
        return
    say(f"{name} waits for nothing any more{f' ({why})' if why else ''}.")
    if row.send_at > app.clock():
        say(f"It goes out on {at} by `newsletter run`, or now by `newsletter issue send`.")
    else:
        say(f"Its time was {at}: `newsletter run` still sends it if that is not too long ago, `issue send` does now.")


def _send(app: App, issue_id: int, name: str, *, json: bool, ahead: bool = False, why_not_ahead: str = "") -> None:
    from newsletter import delivery

    with stop_on_signal() as halt, progress(f"Sending {name}") as advance:
        report = delivery.send(app.db, issue_id, app.post, by_hand=True, ahead=ahead, stop=halt, progress=advance)
    if report.state == "approved":
        warn(f"{name} was not handed over, and nothing was changed. {why_not_ahead}".rstrip())
        stop(FAILED)
    _report(app, name, report, json=json)
    if halt.is_set() and report.tally.open:
        warn(f"Stopped between two chunks. `newsletter issue resume {name}` goes on.")
    counts = report.tally
    if counts.open or counts.rejected or counts.uncertain:
        stop(IN_PART)


def _report(app: App, name: str, report: SendReport, *, json: bool) -> None:
    counts = report.tally
    undo_until = _undo_until(app, report.scheduled_for)
    if json:
        facts = {"issue": name, "state": report.state, "reason": report.reason, "planned_now": report.planned}
        times = {"scheduled_for": report.scheduled_for, "undo_until": undo_until}
        say_json(facts | times | asdict(counts))
        return
    say(f"{name}: {report.state}{': ' + report.reason if report.reason else '.'}")
    say(accounting_line(counts))
    if undo_until:
        say(
            f"The provider sends it at {moment(report.scheduled_for)}. "
            f"Until {moment(undo_until)} `newsletter issue undo {name}` takes it back."
        )
    if report.held:
        warn(f"{report.held} readers were with a worker that died; they are uncertain and were not written to again.")
    if counts.uncertain:
        warn(f"Uncertain readers are found out about with `newsletter issue reconcile {name}`, or `resolve`.")
    if counts.planned and report.reason:
        warn(f"{some(counts.planned)} wait until `newsletter issue resume {name}`.")
    elif counts.planned and counts.next_try:
        because = f", because {report.why_waiting.rstrip('.')}" if report.why_waiting else ""
        warn(
            f"To be tried again from {moment(counts.next_try)} on{because}: {some(counts.planned)}, "
            f"by `newsletter run` or `newsletter issue resume {name}`."
        )


def _undo_until(app: App, scheduled_for: datetime | None) -> datetime | None:
    """Return until when what waits for its time can be taken back; None when nothing does."""
    from newsletter.delivery.undoing import last_moment
    from newsletter.providers import Scheduling

    if scheduled_for is None or scheduled_for <= app.clock() or not isinstance(app.provider, Scheduling):
        return None
    return last_moment(scheduled_for, app.provider)


def _in_one_line(name: str, issue: Issue, expected: Forecast, *, ahead: bool) -> str:
    """Return what `send` is about to do."""
    if not expected.readers:
        return f"{name}: nobody is left to be sent to."
    calls = f"through {expected.provider} in {some(expected.chunks, 'call')} or more"
    when = f", to be sent at {moment(issue.send_at)}" if ahead else ""
    return f"{name} goes to {some(expected.readers)} {calls}{when}: {expected.subject}"


def _print_forecast(name: str, issue: Issue, expected: Forecast, *, json: bool) -> None:
    if json:
        facts = {"issue": name, "state": issue.state, "dry_run": True}
        say_json(facts | asdict(expected) | {"at_least": expected.at_least.total_seconds()})
        return
    say(_in_one_line(name, issue, expected, ahead=False))
    say(f"From {expected.sender}. Content hash {expected.content_hash}.")
    if issue.expected:
        say(f"Have it, may have it or were refused, and are not written to: {some(expected.settled)}.")
    others = [(expected.suppressed, "suppressed"), (expected.pending, "not confirmed"), (expected.left, "gone")]
    listed = ", ".join(f"{count} {why}" for count, why in others if count)
    say(f"The list {expected.list_name} has {listed or 'nobody'} besides.")
    chosen = [
        (expected.paused, "paused"),
        (expected.not_due, "monthly and not due"),
        (expected.outside, "outside the edition's audience"),
    ]
    if spared := ", ".join(f"{count} {why}" for count, why in chosen if count):
        say(f"Confirmed, and do not get this issue: {spared}.")
    table(("Domain", "Readers"), expected.domains.items())
    if rest := expected.readers - sum(expected.domains.values()):
        say(f"... and {some(rest)} of other domains.")
    if expected.at_least:
        say(f"With the rates that are set it takes {expected.at_least} (days, hours:minutes:seconds) at least.")
    if expected.undo_until:
        until = moment(expected.undo_until)
        say(f"It can be handed over for its time, {moment(issue.send_at)}, and undone until {until}.")
    elif expected.provider_waits:
        say(f"It cannot be handed over in advance. {expected.not_ahead}")
    say("Nothing was sent or changed: this was a dry run.")
