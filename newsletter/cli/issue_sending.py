"""The commands of `newsletter issue` that send, and that tell what became of it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
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
)
from newsletter.cli.signals import stop_on_signal

if TYPE_CHECKING:
    from newsletter.cli.issue_preview import Reader
    from newsletter.delivery import SendReport, Tally

_IssueArgument = Annotated[
    str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
]


#: How many readers `status` lists for people; scripts get all.
_SHOWN = 50


class Uncertain(StrEnum):
    """What to do with readers of whom nobody knows whether they got it."""

    HOLD = "hold"
    ACCEPT = "accept"
    RESEND = "resend"


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(send)
    commands.command()(resume)
    commands.command()(status)


def send(issue: _IssueArgument, json: JsonOption = False) -> None:
    """Send an approved issue now, to every confirmed reader once. Calling it again sends nothing twice.

    Exits with 3 when somebody was refused, waits for another try, or is uncertain.
    Example: newsletter issue send ukraine-weekly
    """
    _send(issue, json=json)


def resume(
    issue: _IssueArgument,
    uncertain: Annotated[
        Uncertain,
        typer.Option(help="Readers of a crash: hold leaves them, accept takes them as sent, resend may repeat a mail."),
    ] = Uncertain.HOLD,
    rejected: Annotated[bool, typer.Option("--rejected", help="Also try again whom the provider rejected.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Go on with an issue that stopped half-way. Who surely got it, or may have got it, is not written to again.

    Example: newsletter issue resume ukraine-weekly
    Example: newsletter issue resume ukraine-weekly --rejected, once the provider's settings are mended
    """
    from newsletter import delivery, issues
    from newsletter.models import DeliveryState

    if uncertain is Uncertain.RESEND:
        confirm(
            "Some of the uncertain readers may already have this issue and would get it twice. Send again?",
            yes=yes,
        )
    app = open_app()
    with app.db.transaction() as session:
        found = issues.lock_issue(session, issues.find_issue(session, issue).id)
        name = issues.issue_name(session, found)
        if found.state not in {"sending", "sent"}:
            warn(f"{name} is {found.state}; nothing was begun. `newsletter issue send` starts an approved issue.")
            stop(FAILED)
        if uncertain is Uncertain.ACCEPT:
            warn(f"Uncertain readers taken as sent: {delivery.accept_uncertain(session, found, app.clock())}.")
        elif uncertain is Uncertain.RESEND:
            again = delivery.plan_again(session, found, DeliveryState.UNCERTAIN, app.clock())
            warn(f"Uncertain readers planned again: {again}.")
        if rejected:
            again = delivery.plan_again(session, found, DeliveryState.REJECTED, app.clock())
            warn(f"Rejected readers planned again: {again}.")
    _send(name, json=json)


def status(issue: _IssueArgument, json: JsonOption = False) -> None:
    """Print where an issue stands, with every reader accounted for, and what went wrong for whom.

    Example: newsletter issue status ukraine-weekly
    """
    from newsletter import delivery, issues

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found)
        counts = delivery.tally(session, found)
        troubles = delivery.troubles(session, found.id)
    if json:
        say_json(
            {"issue": name, "state": found.state, "reason": found.reason, "sent_at": found.sent_at}
            | {"adds_up": counts.adds_up, "troubles": [asdict(one) for one in troubles]}
            | asdict(counts)
        )
        return
    say(f"{name}: {found.state}{': ' + found.reason if found.reason else ''}")
    if found.subject:
        say(f"Subject: {found.subject}")
    if counts.expected:
        say(_accounting(counts))
    if troubles:
        rows = ((one.address, one.state, one.detail, one.delivery_id) for one in troubles[:_SHOWN])
        table(("Address", "State", "What was said", "Message-ID begins with"), rows)
        if len(troubles) > _SHOWN:
            say(f"... and {len(troubles) - _SHOWN} more; `newsletter issue status {name} --json` has all of them.")


def send_tests(issue: str, to: list[str], reader: Reader) -> None:
    """Send one marked test to each address, as the reader gets it."""
    from newsletter import delivery, issues
    from newsletter.delivery.marked import EXAMPLES
    from newsletter.mail import Status
    from newsletter.models import Edition
    from subscribers.addresses import parse_address
    from subscribers.models import MailingList

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        edition = session.get_one(Edition, found.edition_id)
        mailing_list = session.get_one(MailingList, edition.list_id)
        mail, findings = issues.render(session, found, app.renderer, app.settings.base_url)
    for finding in findings:
        warn(f"{finding.severity} {finding.rule}: {finding.message} {finding.fix}")
    refused = False
    for address in to:
        parse_address(address)  # a slip in the second must not be noticed after the first has gone
    for address in to:
        outcome = delivery.send_test(
            mail, found, edition, mailing_list,
            to=address, renderer=app.renderer, provider=app.provider, base_url=app.settings.base_url, now=app.clock(),
            reader=EXAMPLES[reader],
        )  # fmt: skip
        if outcome.status is Status.ACCEPTED:
            say(f"A test went to {address}.")
        else:
            refused = True
            warn(f"{address}: {outcome.status}: {outcome.detail}")
    if refused:
        stop(FAILED)


def _send(issue: str, *, json: bool) -> None:
    from newsletter import delivery, issues

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found)
    with stop_on_signal() as halt, progress(f"Sending {name}") as advance:
        report = delivery.send(
            app.db,
            found.id,
            app.post,
            by_hand=True,
            stop=halt,
            progress=lambda counts: advance(counts.expected - counts.open, counts.expected),
        )
    _report(name, report, json=json)
    if halt.is_set() and report.tally.open:
        warn(f"Stopped between two chunks. `newsletter issue resume {name}` goes on.")
    counts = report.tally
    if counts.open or counts.rejected or counts.uncertain:
        stop(IN_PART)


def _report(name: str, report: SendReport, *, json: bool) -> None:
    counts = report.tally
    if json:
        facts = {"issue": name, "state": report.state, "reason": report.reason, "planned_now": report.planned}
        say_json(facts | asdict(counts))
        return
    say(f"{name}: {report.state}{': ' + report.reason if report.reason else '.'}")
    say(_accounting(counts))
    if report.held:
        warn(f"{report.held} readers were with a worker that died; they are uncertain and were not written to again.")
    if counts.uncertain:
        warn(f"Uncertain readers are settled with `newsletter issue resume {name} --uncertain accept` or `resend`.")
    if counts.planned and counts.next_try:
        warn(
            f"{counts.planned} readers are tried again from {counts.next_try:%Y-%m-%d %H:%M} UTC on, "
            f"by `newsletter run` or `newsletter issue resume {name}`."
        )


def _accounting(counts: Tally) -> str:
    parts: list[tuple[int, str]] = [
        (counts.accepted, "accepted"),
        (counts.rejected, "rejected"),
        (counts.suppressed, "left or suppressed meanwhile"),
        (counts.uncertain, "uncertain"),
        (counts.sending, "being sent"),
        (counts.planned, "waiting"),
    ]
    listed = ", ".join(f"{number} {what}" for number, what in parts if number)
    text = f"{counts.expected} readers: {listed}."
    return text if counts.adds_up else f"{text} THESE DO NOT ADD UP: please report this."
