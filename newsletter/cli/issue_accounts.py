"""The commands of `newsletter issue` that account for every reader, and settle those of whom nobody knows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.base import FAILED, IN_PART, JsonOption, confirm, open_app, say, say_json, stop, table, warn, who
from newsletter.cli.issue_shown import accounting_line, moment, some

if TYPE_CHECKING:
    from sqlmodel import Session

    from newsletter.app import App
    from newsletter.delivery import Tally, Trouble
    from newsletter.delivery.accounting import UnderWay
    from newsletter.delivery.history import History
    from newsletter.delivery.reconciling import Doubt, Left
    from newsletter.delivery.resolving import Doubtful
    from newsletter.feedback import Reported
    from newsletter.models import Issue

_IssueArgument = Annotated[
    str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
]
#: How many readers are listed for people; scripts get all.
_SHOWN = 50


class As(StrEnum):
    """What to take uncertain readers for."""

    ACCEPTED = "accepted"
    RESEND = "resend"


@dataclass(frozen=True)
class _Seen:
    """What `status` prints of an issue's ledger."""

    counts: Tally
    reported: Reported
    working: list[UnderWay]
    troubles: list[Trouble]
    why_waiting: str
    wrong: list[str]


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(status)
    commands.command("who-got-it")(who_got_it)
    commands.command()(resolve)
    commands.command()(reconcile)


def status(issue: _IssueArgument, json: JsonOption = False) -> None:
    """Print where an issue stands, with every reader accounted for, and what went wrong for whom.

    Exits with 1 when the readers do not add up, which is a fault of ours.
    Example: newsletter issue status ukraine-weekly
    """
    from newsletter import delivery, issues
    from newsletter.delivery.accounting import contradictions, under_way, why_waiting
    from newsletter.feedback import reported

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found)
        seen = _Seen(
            delivery.tally(session, found),
            reported(session, found.id),
            under_way(session, found.id),
            delivery.troubles(session, found.id),
            why_waiting(session, found),
            contradictions(session, found),
        )
    if json:
        say_json({"issue": name} | _status_facts(app, found, seen))
    else:
        say(f"{name}: {found.state}{': ' + found.reason if found.reason else ''}")
        _print_times(app, found)
        _print_status(name, found, seen)
    for sentence in seen.wrong:
        warn(f"{sentence} This is a fault of ours: please report it.")
    if seen.wrong:
        stop(FAILED)


def who_got_it(
    issue: _IssueArgument,
    address: Annotated[str, typer.Argument(help="The reader's address, now or when the issue was sent.")],
    json: JsonOption = False,
) -> None:
    """Say whether one reader got an issue, and everything that is known about it, in order of time.

    Also for who was not in the audience: why not.
    Example: newsletter issue who-got-it ukraine-weekly ann@example.org
    """
    from newsletter import issues
    from newsletter.delivery.history import histories

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found)
        known = histories(session, found, address, app.clock())
    if json:
        say_json({"issue": name, "readers": [asdict(one) for one in known]})
        return
    for one in known:
        _print_history(name, one)


def resolve(
    issue: _IssueArgument,
    as_: Annotated[
        As | None,
        typer.Option("--as", help="Take them as sent, or send again, which may repeat a mail. Without it: only show."),
    ] = None,
    attempt: Annotated[int | None, typer.Option(help="Only the uncertain readers of this attempt.", min=1)] = None,
    reader: Annotated[str, typer.Option(metavar="ADDRESS", help="Only this uncertain reader.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Settle readers of whom nobody knows whether they got an issue, by your word. Try `issue reconcile` before.

    Look for the Message-IDs in the provider's log first: who was sent to again and had it gets it twice.
    Example: newsletter issue resolve ukraine-weekly
    Example: newsletter issue resolve ukraine-weekly --as accepted --attempt 12
    """
    from newsletter import issues
    from newsletter.delivery.resolving import doubtful, settle
    from newsletter.errors import Refused

    app = open_app()
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        name = issues.issue_name(session, found)
        doubts = doubtful(session, found, attempt=attempt, address=reader)
    count = sum(len(one.readers) for one in doubts)
    if json and as_ is None:
        say_json({"issue": name, "uncertain": count, "attempts": [asdict(one) for one in doubts]})
        return
    _print_doubtful(name, doubts, named=bool(attempt or reader), to_stderr=json)
    if as_ is None and count:
        say("`--as accepted` takes them as sent; `--as resend` sends again.")
    if as_ is None or not count:
        return
    if as_ is As.RESEND and found.state == "cancelled":
        raise Refused(f"{name} was cancelled: {found.reason}. Nobody else gets it.")
    confirm(_question(as_, count), yes=yes)
    with app.db.transaction() as session:
        row = issues.lock_issue(session, found.id)
        settled = settle(session, row, doubts, app.clock(), who(), resend=as_ is As.RESEND)
    if json:
        say_json({"issue": name, "settled": settled, "as": as_})
    elif as_ is As.ACCEPTED:
        say(f"{some(settled)} taken as sent.")
    else:
        held = f" It waits: {row.reason}." if row.reason else ""
        say(
            f"{some(settled)} planned again. `newsletter run` sends to them, or `newsletter issue resume {name}`.{held}"
        )


def reconcile(
    issue: Annotated[
        str,
        typer.Argument(metavar="[ISSUE]", help="An edition's name, or edition/2026-W47; every issue when left out."),
    ] = "",
    restored: Annotated[
        bool,
        typer.Option(
            "--restored", help="The database was restored from a backup: hold who may have been sent to since."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Find out about uncertain readers: ask the provider, cancel what waits for its time, look at what it reported.

    Nothing is guessed: who is left after that is held, and settled with `issue resolve`. `newsletter run` does the same
    every minute. Exits with 3 when readers are left.
    Example: newsletter issue reconcile
    """
    from newsletter import delivery, issues
    from newsletter.delivery.reconciling import doubts

    app = open_app()
    if restored:
        _take_up(app, yes=yes, json=json)
    with app.db.reading() as session:
        found = issues.find_issue(session, issue) if issue else None
        open_doubts = doubts(session, found.id if found else None)
    if not json:
        say(_before(open_doubts))
    result = delivery.reconcile(app.db, app.providers, app.clock(), found.id if found else None)
    if json:
        say_json(asdict(result))
    elif open_doubts:
        say(f"Have it: {some(result.accepted)}. Surely have not, and are sent to again: {some(result.released)}.")
        _print_left(app, result.left)
    if result.held:
        stop(IN_PART)


def _undo_until(app: App, issue: Issue) -> Any:
    from newsletter.delivery.undoing import last_moment
    from newsletter.providers import Scheduling

    waits = issue.scheduled_for is not None and issue.scheduled_for > app.clock()
    if not waits or issue.scheduled_for is None or not isinstance(app.provider, Scheduling):
        return None
    return last_moment(issue.scheduled_for, app.provider)


def _status_facts(app: App, issue: Issue, seen: _Seen) -> dict[str, Any]:
    facts = {name: getattr(issue, name) for name in ("state", "reason", "send_at", "scheduled_for", "sent_at")}
    facts |= {"undo_until": _undo_until(app, issue), "adds_up": seen.counts.adds_up, "contradictions": seen.wrong}
    facts |= {"identity": seen.counts.identity, "reported": asdict(seen.reported)}
    facts |= {"why_waiting": seen.why_waiting}
    facts |= {"under_way": [asdict(one) for one in seen.working], "troubles": [asdict(one) for one in seen.troubles]}
    return facts | asdict(seen.counts)


def _print_status(name: str, issue: Issue, seen: _Seen) -> None:
    counts = seen.counts
    if counts.expected:
        say(accounting_line(counts, over=issue.state in {"cancelled", "skipped"}))
        say(f"{counts.identity}.")
        _print_reported(seen.reported)
    for one in seen.working:
        say(f"Attempt {one.attempt}: {_about_worker(name, one)}.")
    if counts.planned and counts.next_try and issue.state == "sending" and not issue.reason:
        because = f", because {seen.why_waiting.rstrip('.')}" if seen.why_waiting else ""
        say(f"The next try comes at {moment(counts.next_try)}{because}.")
    _print_troubles(name, seen.troubles)
    if counts.uncertain:
        say(f"Uncertain readers are found out about with `newsletter issue reconcile {name}`, or `resolve`.")


def _about_worker(name: str, one: UnderWay) -> str:
    if one.is_gone:
        return (
            f"{one.worker} is gone, with {some(one.readers)} for {one.provider}. "
            f"`newsletter run` or `newsletter issue resume {name}` finds out about them"
        )
    return f"{one.worker} hands {some(one.readers)} to {one.provider} since {moment(one.since)}"


def _print_times(app: App, issue: Issue) -> None:
    if issue.subject:
        say(f"Subject: {issue.subject}")
    if issue.sent_at:
        say(f"Sent: {moment(issue.sent_at)}.")
    elif issue.state == "approved":
        say(f"It goes out at {moment(issue.send_at)}{', unless it still waits then' if issue.reason else ''}.")
    elif issue.scheduled_for:
        say(f"The provider sends it at {moment(issue.scheduled_for)}.")
        until = _undo_until(app, issue)
        if until is not None:
            say(f"It can be undone until {moment(until)}." if until >= app.clock() else "It cannot be undone any more.")


def _print_reported(told: Reported) -> None:
    """Print what the provider reported since it took the mails."""
    counts = asdict(told)
    silent = counts.pop("not_reported")
    listed = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    if listed:
        say(f"Reported: {listed}; of {silent} accepted nothing was heard.")


def _print_troubles(name: str, troubles: list[Trouble]) -> None:
    if not troubles:
        return
    rows = ((one.address, one.state, one.detail, one.delivery_id) for one in troubles[:_SHOWN])
    table(("Address", "State", "What was said", "Message-ID begins with"), rows)
    if len(troubles) > _SHOWN:
        say(f"... and {len(troubles) - _SHOWN} more; `newsletter issue status {name} --json` has all of them.")


def _print_history(name: str, one: History) -> None:
    say(f"{one.address}, {name}: {one.answer}.")
    if one.message_id:
        say(f"Message-ID {one.message_id}")
    if one.reference:
        say(f"The provider's own id or answer: {one.reference}")
    table(("Time", "What", "Detail"), ((moment(line.at), line.what, line.detail) for line in one.lines))


def _print_doubtful(name: str, doubts: list[Doubtful], *, named: bool, to_stderr: bool) -> None:
    tell = warn if to_stderr else say
    if not doubts:
        tell(f"No reader of {name} is uncertain{', or none that you named' if named else ''}.")
    for one in doubts:
        through = f" through {one.provider}" if one.provider else ""
        batch = f", batch {one.batch} for {moment(one.send_at)}" if one.batch else ""
        tell(f"Attempt {one.attempt}, {moment(one.at)}, by {one.worker}{through}{batch}:")
        others = ", ".join(f"{count} {what}" for what, count in one.others.items()) or "nothing"
        tell(f"  {some(len(one.readers))} uncertain; reported about this attempt so far: {others}")
        for each in one.readers[:_SHOWN]:
            tell(f"  {each.address}  {each.delivery_id}  {each.detail}")
        if len(one.readers) > _SHOWN:
            tell(
                f"  ... and {len(one.readers) - _SHOWN} more; `newsletter issue resolve {name} --json` has all of them."
            )


def _question(as_: As, count: int) -> str:
    if as_ is As.ACCEPTED:
        return f"Take {some(count)} as sent? Who does not have it will not get it."
    return f"Send to {some(count)} again? Some may already have this issue and would get it twice."


def _before(open_doubts: list[Doubt]) -> str:
    if not open_doubts:
        return "No reader is uncertain; there is nothing to find out."
    readers = sum(one.readers for one in open_doubts)
    providers = ", ".join(sorted({one.provider or "no provider" for one in open_doubts}))
    return (
        f"Uncertain: {some(readers)} in {some(len(open_doubts), 'attempt')}, through {providers}. The provider is "
        "asked what it has; what waits for its time is cancelled; an attempt counts as not taken when nothing is "
        "reported about it and something about later ones."
    )


def _print_left(app: App, left: tuple[Left, ...]) -> None:
    if not left:
        return
    with app.db.reading() as session:
        names = {one.doubt.issue_id: _name_of(session, one.doubt.issue_id) for one in left}
    say(f"Left: {some(sum(one.doubt.readers for one in left))}.")
    rows = ((names[one.doubt.issue_id], one.doubt.attempt, one.doubt.readers, one.why) for one in left)
    table(("Issue", "Attempt", "Readers", "Why"), rows)
    say("Wait and ask again, or settle them by your word with `newsletter issue resolve ISSUE`.")


def _name_of(session: Session, issue_id: int) -> str:
    from newsletter import issues
    from newsletter.models import Issue

    return issues.issue_name(session, session.get_one(Issue, issue_id))


def _take_up(app: App, *, yes: bool, json: bool) -> None:
    """Make a database that was restored from a backup safe to send from."""
    from newsletter import issues
    from newsletter.delivery.restoring import older_copy, take_up

    journal = app.post.journal
    with app.db.transaction() as session:
        older = older_copy(session, journal)
    if not older or journal is None:
        warn("The database knows of everything that was sent from here: it is no older copy, and stays as it is.")
        return
    tell = warn if json else say
    tell("The database is older than what was sent from here.")
    confirm("Hold everybody of whom it does not know whether they were sent to since?", yes=yes)
    with app.db.transaction() as session:
        restored = take_up(session, journal, app.provider.chunk_size, app.clock())
        left_out = issues.leave_out_unsure(session, app.clock())
    tell(f"Uncertain now, and held: {some(restored.uncertain)} of {some(restored.issues, 'issue')}.")
    for name in left_out:
        edition, _, week = name.partition("/")
        again = f"newsletter issue draft {edition} --week {week}"
        tell(f"{name} may have been sent since, and is left out. If it was not, `{again}` makes it again.")
