"""`newsletter subscriber`: readers, one by one and by file."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.base import (
    FAILED,
    IN_PART,
    JsonOption,
    group,
    open_app,
    progress,
    say,
    say_json,
    stop,
    table,
    warn,
)

if TYPE_CHECKING:
    from subscribers.transfer import ImportReport

commands = group("subscriber", "Readers: import, export, look up, remove.")


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header; the column email is needed, name is used.")],
    mailing_list: Annotated[str, typer.Option("--list", help="The list to bring them to.")],
    consent: Annotated[str, typer.Option(help="Where and when these readers agreed; kept as evidence for each.")],
    rejects: Annotated[
        Path | None, typer.Option(help="Write the rejected rows with their reasons to this file.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge every row, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Bring readers in from a CSV file. Who left before, or is suppressed, stays out.

    Exits with 3 when rows were rejected.
    Example: newsletter subscriber import readers.csv --list ukraine --consent "Paper forms, Lviv book fair, May 2026"
    """
    from subscribers.csvfile import open_csv
    from subscribers.lists import get_list
    from subscribers.transfer import import_csv, write_rejects

    app = open_app()
    with app.db.reading() as session:
        list_id = get_list(session, mailing_list).id
    opened, encoding = open_csv(file)
    with opened, progress("Importing") as advance:
        report = import_csv(
            app.db.transaction,
            opened,
            list_id=list_id,
            consent=consent,
            source=file.name,
            now=app.clock(),
            dry_run=dry_run,
            progress=advance,
        )
    if rejects and report.rejected:
        with rejects.open("w", encoding="utf-8", newline="") as out:
            write_rejects(report, out)
    if json:
        say_json(asdict(report) | {"encoding": encoding, "dry_run": dry_run})
    else:
        _print_report(report, encoding)
        if rejects and report.rejected:
            say(f"The rejected rows are in {rejects}.")
        if dry_run:
            say("Nothing was changed: this was a dry run.")
    if report.rejected:
        stop(IN_PART)


def _print_report(report: ImportReport, encoding: str) -> None:
    for row in report.rejected:
        warn(f"line {row.line}: {row.reason}")
    say(
        f"{report.added} added, {report.already} were on the list, {report.kept_out_left} had left and stay out, "
        f"{report.kept_out_suppressed} suppressed and stay out, {len(report.rejected)} rejected."
    )
    if encoding == "cp1252":
        say(f"The file was read as {encoding}; look at a name with an accent to see whether that was right.")


@commands.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to write; standard output when left out.")] = None,
    mailing_list: Annotated[str, typer.Option("--list", help="Only this list.")] = "",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="For programs: do not defuse cells that a spreadsheet would compute."),
    ] = False,
) -> None:
    """Write readers with their lists and states as CSV.

    Example: newsletter subscriber export readers.csv --list ukraine
    """
    from subscribers.lists import get_list
    from subscribers.transfer import export_csv

    with open_app().db.reading() as session:
        list_id = get_list(session, mailing_list).id if mailing_list else None
        if file is None:
            export_csv(session, list_id, sys.stdout, raw=raw)
            return
        with file.open("w", encoding="utf-8", newline="") as out:
            count = export_csv(session, list_id, out, raw=raw)
    say(f"Wrote {count} rows to {file}.")


@commands.command()
def show(address: str, json: JsonOption = False) -> None:
    """Print one reader: lists, states and the whole record of consent.

    Example: newsletter subscriber show ann@example.org
    """
    from sqlmodel import select

    from subscribers import consent, suppression
    from subscribers.addresses import parse_address
    from subscribers.models import MailingList, Subscriber

    key = parse_address(address).key
    with open_app().db.reading() as session:
        subscriber = session.exec(select(Subscriber).where(Subscriber.address_key == key)).first()
        suppressed = suppression.find(session, key)
        if subscriber is None:
            warn(f"{address} is not known." + (f" It is suppressed: {suppressed.reason}." if suppressed else ""))
            stop(FAILED)
        lists = {one.id: one.slug for one in session.exec(select(MailingList))}
        subscriptions = consent.subscriptions_of(session, subscriber.id)
        history = consent.history(session, subscriber.id)
    on_lists = [{"list": lists[one.list_id], "state": one.state, "since": one.changed_at} for one in subscriptions]
    record = [one.model_dump(exclude={"id", "subscriber_id"}) | {"list": lists[one.list_id]} for one in history]
    facts = {
        "address": subscriber.address,
        "name": subscriber.name,
        "suppressed": suppressed.reason if suppressed else None,
        "lists": on_lists,
        "consent": record,
    }
    if json:
        say_json(facts)
    else:
        _print_reader(facts)


def _print_reader(facts: dict[str, Any]) -> None:
    say(f"{facts['address']}{'  ' + facts['name'] if facts['name'] else ''}")
    if facts["suppressed"]:
        say(f"Suppressed: {facts['suppressed']}. Nothing is sent to this address.")
    table(
        ("List", "State", "Since (UTC)"),
        ((one["list"], one["state"], f"{one['since']:%Y-%m-%d %H:%M}") for one in facts["lists"]),
    )
    table(
        ("When (UTC)", "What", "List", "Where", "Network"),
        (
            (f"{one['at']:%Y-%m-%d %H:%M}", one["action"], one["list"], one["source"], one["network"])
            for one in facts["consent"]
        ),
    )


@commands.command()
def remove(
    address: Annotated[str, typer.Argument(help="The reader's address; or use --token.")] = "",
    mailing_list: Annotated[str, typer.Option("--list", help="Only from this list; from all when left out.")] = "",
    token: Annotated[str, typer.Option(help='The word after "unsubscribe" in a mail that a reader sent you.')] = "",
) -> None:
    """Take a reader off a list, or off all, because they asked.

    Example: newsletter subscriber remove ann@example.org --list ukraine
    """
    from subscribers import consent
    from subscribers.addresses import parse_address
    from subscribers.lists import get_list
    from subscribers.tokens import Purpose

    app = open_app()
    where: dict[str, Any] = {"now": app.clock(), "source": "command line, at the reader's wish"}
    with app.db.transaction() as session:
        if token:
            left = int(consent.leave(session, subscription_id=app.signer.read(Purpose.UNSUBSCRIBE, token), **where))
        elif address:
            person = consent.find_subscriber(session, parse_address(address))
            list_id = get_list(session, mailing_list).id if mailing_list else None
            left = consent.leave_all(session, subscriber_id=person.id, list_id=list_id, **where) if person else 0
        else:
            warn("Name the reader's address, or give --token.")
            stop(FAILED)
    lists = "1 list" if left == 1 else f"{left} lists"
    say(f"Taken off {lists}." if left else "This reader was on no such list; nothing to do.")


@commands.command()
def suppress(
    address: str,
    note: Annotated[str, typer.Option(help="Why; kept with the entry.")] = "",
) -> None:
    """Never write to an address again, whatever list it is on.

    Example: newsletter subscriber suppress ann@example.org --note "Asked by telephone"
    """
    from subscribers import suppression
    from subscribers.addresses import parse_address
    from subscribers.models import SuppressionReason

    app = open_app()
    with app.db.transaction() as session:
        suppression.suppress(session, parse_address(address).key, SuppressionReason.MANUAL, note, app.clock())
    say(f"{address} is suppressed.")


@commands.command()
def unsuppress(address: str) -> None:
    """Allow mail to an address again. Example: newsletter subscriber unsuppress ann@example.org"""
    from subscribers import suppression
    from subscribers.addresses import parse_address

    app = open_app()
    with app.db.transaction() as session:
        lifted = suppression.lift(session, parse_address(address).key)
    say(f"{address} may be written to again." if lifted else f"{address} was not suppressed.")
