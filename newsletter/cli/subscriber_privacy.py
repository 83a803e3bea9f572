"""`newsletter subscriber evidence`, `data` and `erase`: what a reader may ask for, or who looks after their rights."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import FAILED, JsonOption, open_app, say, say_json, stop, table, warn
from newsletter.cli.readers import some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.app import App
    from newsletter.privacy import Step
    from subscribers.evidence import Document

#: What an action is called in a document for somebody who knows no programs.
_ACTIONS = {
    "requested": "asked to join",
    "confirmed": "confirmed by the link in the mail",
    "imported": "brought in by the newsroom",
    "joined": "joined, or came back, by a link in a mail to them",
    "left": "left",
    "changed": "changed how they are written to",
    "erased": "erased",
}


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(evidence)
    commands.command()(data)
    commands.command()(erase)


def evidence(
    address: Annotated[str, typer.Argument(help="The reader's address; erased:NUMBER for one who was erased.")],
    csv: Annotated[Path | None, typer.Option(help="Write the lines to this CSV file, too.")] = None,
    json: JsonOption = False,
) -> None:
    """Print what proves that a reader agreed, as a document to file: when, where, to which words, oldest first.

    It also says what is not there. Readers who have left keep their evidence.
    Example: newsletter subscriber evidence ann@example.org > ann.txt
    """
    from sqlmodel import select

    from newsletter.retention import NETWORK_DAYS
    from subscribers.addresses import parse_address
    from subscribers.evidence import document_of, write_csv
    from subscribers.models import Subscriber

    app = open_app()
    key = address if address.startswith("erased:") else parse_address(address).key
    with app.db.reading() as session:
        reader = session.exec(select(Subscriber).where(Subscriber.address_key == key)).first()
        if reader is None:
            warn(f"{address} is not known here, so there is no evidence about it.{_was_erased(app, key)}")
            stop(FAILED)
        document = document_of(session, reader, NETWORK_DAYS)
    if csv:
        with csv.open("w", encoding="utf-8", newline="") as out:
            write_csv(document, out)
    if json:
        say_json(asdict(document) | {"made_at": app.clock(), "installation": app.settings.base_url})
    else:
        _print_document(app, document)
        if csv:
            warn(f"Wrote {some(len(document.lines), 'line')} to {csv}.")


def _was_erased(app: App, key: str) -> str:
    """Return a sentence about an address that is known by a hash alone."""
    from newsletter.cli.readers import known_hashes
    from subscribers.suppression import find_known

    hashes = known_hashes(app)
    if hashes is None:
        return ""
    with app.db.reading() as session:
        row = find_known(session, key, hashes)
    if row is None:
        return ""
    if row.address_key == key:
        return f" It is blocked since {row.at:%Y-%m-%d}: {row.reason}."
    return " Its reader was erased at their wish; what stays says nothing of who it was."


def _print_document(app: App, document: Document) -> None:
    """Print the document in lines: a printer and a text file show them as a terminal does."""
    who = document.address or f"A reader who was erased on {document.erased_at:%Y-%m-%d}"
    say(f"Evidence of consent: {who}{f' ({document.name})' if document.name else ''}")
    say(f"Made on {app.clock():%Y-%m-%d %H:%M} UTC from {app.settings.base_url}")
    say(f"Known since {document.known_since:%Y-%m-%d %H:%M} UTC")
    for one in document.standings:
        say(f"Now: {one.list_name} ({one.list}): {one.state} since {one.since:%Y-%m-%d %H:%M} UTC")
    for number, line in enumerate(document.lines, start=1):
        about = f": {line.list_name} ({line.list})" if line.list else ""
        say()
        say(f"{number}. {line.at:%Y-%m-%d %H:%M:%S} UTC  {_ACTIONS[line.action]}{about}")
        say(f"   Where: {line.source or '-'}")
        if line.network:
            say(f"   Network: {line.network}")
        if line.wording:
            say(f"   Words (version {line.version}): {line.wording}")
    say()
    say("What is not here")
    for sentence in document.missing:
        say(f"- {sentence}")


def data(
    address: str,
    output: Annotated[Path | None, typer.Option(help="Write to this file instead; nobody else may read it.")] = None,
) -> None:
    """Write everything that is known of a person as JSON, for them (GDPR articles 15 and 20).

    Example: newsletter subscriber data ann@example.org --output ann.json
    """
    import json
    import os

    from newsletter import privacy
    from subscribers.addresses import parse_address

    app = open_app()
    key = parse_address(address).key
    with app.db.reading() as session:
        known = privacy.data_of(session, key, app.hashes, app.clock())
    text = json.dumps(known, ensure_ascii=False, indent=2) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        rows = sum(len(one["rows"]) for one in known["tables"])
        say(f"Wrote {some(rows, 'row')} from {some(len(known['tables']), 'table')} to {output}.")
    if not known["tables"]:
        warn(f"Nothing is known of {address}.")


def erase(
    address: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without typing the address again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Erase a person at their wish (GDPR article 17). It cannot be undone.

    They leave every list, and everything that says who they were goes. A keyed hash of the address stays, so that no
    import brings them back; they can sign up again themselves. The evidence stays, about nobody.
    Example: newsletter subscriber erase ann@example.org
    """
    from newsletter import privacy
    from subscribers.addresses import parse_address

    app = open_app()
    key = parse_address(address).key
    with app.db.reading() as session:
        steps = privacy.plan(session, key, app.hashes)
    if not json:
        _print_steps(address, steps)
    if dry_run:
        if json:
            say_json({"planned": [asdict(one) for one in steps], "dry_run": True})
        else:
            say("Nothing was changed: this was a dry run.")
        return
    _ask_for(address, key, yes=yes)
    done = privacy.erase(app.db, key, app.hashes, app.clock(), source="command line, at the reader's wish")
    provider = app.settings.provider.use
    elsewhere = [privacy.at_provider(one).replace("ADDRESS", key) for one in dict.fromkeys(_providers(app))]
    if json:
        say_json(asdict(done) | {"provider": provider, "elsewhere": elsewhere})
        return
    say(f"Erased; {some(done.left, 'list')} left." if done.reader else "Erased; it was no reader's address.")
    say("What is left to do:")
    for sentence in elsewhere:
        say(f"- {sentence}")
    say("- Backups made until now still have the address; docs/operate.md, Privacy, says how they are dealt with.")


def _providers(app: App) -> list[str]:
    fallback = app.settings.fallback
    return [app.settings.provider.use, *([fallback.use] if fallback else [])]


def _print_steps(address: str, steps: Sequence[Step]) -> None:
    if not steps:
        say(f"Nothing is known of {address}; a hash of it would keep imports from bringing it in.")
        return
    say(f"What is known of {address}, and what becomes of it:")
    rows = ((one.table, one.rows, "deleted" if one.deleted else f"emptied: {', '.join(one.emptied)}") for one in steps)
    table(("Table", "Rows", "What"), rows)
    say("The lists are left, with one line of evidence. Among the suppressed a keyed hash takes the address's place.")


def _ask_for(address: str, key: str, *, yes: bool) -> None:
    """Have the address typed again, since nothing brings it back; `--yes` answers, and so a script can."""
    from subscribers.addresses import parse_address
    from subscribers.errors import InvalidAddress

    if yes:
        return
    if not sys.stdin.isatty():
        warn(f"Erase {address}? It cannot be undone. Nothing was done: add --yes to do it without being asked.")
        stop(FAILED)
    typed = typer.prompt("It cannot be undone. Type the address again to erase it", default="", show_default=False)
    try:
        same = parse_address(typed.strip()).key == key
    except InvalidAddress:
        same = False
    if not same:
        warn("That is another address. Nothing was done.")
        stop(FAILED)
