"""`newsletter suppression`: the addresses that are never written to, here and at the provider."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.base import (
    IN_PART,
    JsonOption,
    confirm,
    group,
    open_app,
    progress,
    say,
    say_json,
    stop,
    table,
    warn,
)
from newsletter.cli.readers import known_hashes, some

if TYPE_CHECKING:
    from newsletter.feedback import Plan, Planned

commands = group("suppression", "Addresses that are never written to, here and at the provider.")


@commands.command("list")
def list_(
    reason: Annotated[str, typer.Option(help="Only these: bounce, complaint, manual or erased.")] = "",
    json: JsonOption = False,
) -> None:
    """Show who is suppressed, since when and why, the latest first. `newsletter subscriber unblock` lifts one.

    Of readers who were erased a keyed hash is left, which starts with "h:" and stands for an address nobody can read.

    Example: newsletter suppression list --reason bounce
    """
    from sqlmodel import col, select

    from newsletter.errors import NotFound
    from subscribers.models import Suppression, SuppressionReason

    if reason and reason not in set(SuppressionReason):
        raise NotFound("reason", reason, known=[str(one) for one in SuppressionReason])
    query = select(Suppression).order_by(col(Suppression.at).desc(), col(Suppression.address_key))
    if reason:
        query = query.where(Suppression.reason == SuppressionReason(reason))
    with open_app().db.reading() as session:
        rows = session.exec(query).all()
    if json:
        say_json([row.model_dump(include={"address_key", "reason", "note", "at"}) for row in rows])
        return
    table(("address", "reason", "since", "note"), ((row.address_key, row.reason, row.at, row.note) for row in rows))


@commands.command()
def sync(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
    json: JsonOption = False,
) -> None:
    """Bring the provider's list of addresses that it does not write to, and ours, to agree; what is done comes first.

    Bounces, complaints and leavings found there are taken over. Who confirmed after the provider's entry, or was lifted
    here by an admin, is lifted there.
    Example: newsletter suppression sync --dry-run
    """
    from newsletter.errors import Refused
    from newsletter.feedback import agree, plan_agreement
    from newsletter.providers.events import Suppressing

    app = open_app()
    provider, name = app.provider, app.settings.provider.use
    if not isinstance(provider, Suppressing):
        raise Refused(
            f"The provider {name} keeps no list of addresses that could be asked for; there is nothing to do."
        )
    plan = plan_agreement(app.db, provider, name)
    if not json:
        _print(plan)
    done: dict[str, int] = {}
    if plan.changes and not dry_run:
        confirm(f"Change {len(plan.changes)} of them?", yes=yes)
    if not dry_run:
        done = {str(step): count for step, count in agree(app.db, provider, name, plan, app.clock()).items()}
    if json:
        say_json({"planned": [_shown(one) for one in plan.changes], "strangers": plan.strangers, "done": done})
    elif dry_run:
        say("Nothing was changed: this was a dry run.")
    elif plan.changes:
        say(f"Done: {', '.join(f'{step} {count}' for step, count in sorted(done.items())) or 'nothing'}.")


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header: email, and reason, note, since if there.")],
    rejects: Annotated[Path | None, typer.Option(help="Write the rejected rows with their reasons here.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge every row, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Suppress every address in a CSV file; who is suppressed already keeps the reason and time they have.

    Exits with 3 when rows were rejected.
    Example: newsletter suppression import blocked.csv --dry-run
    """
    from subscribers.csvfile import open_csv
    from subscribers.suppression_file import import_suppressions, write_rejected

    app = open_app()
    with open_csv(file).text as opened, progress("Importing") as advance:
        report = import_suppressions(
            app.db.transaction, opened, source=file.name, now=app.clock(), dry_run=dry_run, progress=advance,
            hashes=known_hashes(app),
        )  # fmt: skip
    if rejects and report.rejected:
        with rejects.open("w", encoding="utf-8", newline="") as out:
            write_rejected(report.rejected, out)
    if json:
        say_json(asdict(report) | {"dry_run": dry_run})
    else:
        for row in report.rejected:
            warn(f"line {row.line}: {row.reason}")
        say(f"{report.added} added, {report.readers} of them readers here; {report.already} were suppressed.")
        if dry_run:
            say("Nothing was changed: this was a dry run.")
    if report.rejected:
        stop(IN_PART)


@commands.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; standard output when left out.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="For programs: do not defuse cells that a spreadsheet would compute.")
    ] = False,
) -> None:
    """Write the suppression list as CSV, with reasons and times. Erased readers are left out and counted.

    Example: newsletter suppression export blocked.csv
    """
    from subscribers.suppression_file import export_suppressions

    with open_app().db.reading() as session:
        if file is None:
            _, left_out = export_suppressions(session, sys.stdout, raw=raw)
        else:
            with file.open("w", encoding="utf-8", newline="") as out:
                count, left_out = export_suppressions(session, out, raw=raw)
            say(f"Wrote {count} rows to {file}.")
    if left_out:
        warn(f"{some(left_out, 'entry', 'entries')} left out: of readers who were erased only a keyed hash is kept.")


def _print(plan: Plan) -> None:
    rows = [_shown(one) for one in plan.changes]
    table(("address", "step", "since", "why", "words"), (tuple(row.values()) for row in rows))
    agreed = len(plan.entries) - len(rows)
    say(f"{len(rows)} to change, {agreed} in agreement, {plan.strangers} of nobody on our lists.")


def _shown(one: Planned) -> dict[str, Any]:
    return {
        "address": one.entry.address,
        "step": str(one.step),
        "since": one.entry.at.isoformat(timespec="seconds"),
        "why": one.why,
        "detail": one.entry.detail,
    }
