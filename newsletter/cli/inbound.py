"""`newsletter inbound`: mail that comes back, from a mail server's pipe or a maildir."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, open_app, options, say, say_json, stop, table, warn

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.inbound import Done, Message

#: Tells a mail server to keep the message and to come back with it (sysexits.h: EX_TEMPFAIL).
_LATER = 75
_QUARANTINE = "inbound"


def register(commands: typer.Typer) -> None:
    """Add this file's command."""
    commands.command()(inbound)


def inbound(
    maildir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Read this maildir's new mail instead of standard input.")
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            envvar=["ORIGINAL_RECIPIENT", "RECIPIENT"],
            help="Whom the message was delivered to, where its headers do not say so.",
        ),
    ] = None,
    quarantine: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A maildir for what is not understood; else `inbound` by the settings, or .Quarantine in --maildir.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Deal with mail that comes back: bounces, complaints, and readers who leave by mail. Nobody is ever answered.

    Only what holds something we signed changes anything. What is not understood is kept for you to read. From a pipe,
    exits with 75 when it could not be done, so that the mail server tries again later.
    Example for a mail server's alias: newsletter --config /srv/newsletter/newsletter.toml inbound
    Example: newsletter inbound --maildir /var/mail/bounces
    """
    if maildir is not None:
        app = open_app()
        _print(_of_maildir(app, maildir, quarantine or maildir / ".Quarantine"), json=json)
        return
    from newsletter.errors import NewsletterError

    try:
        app = open_app()
        _print([_of_pipe(app, quarantine or app.settings.path(_QUARANTINE), recipient or [])], json=json)
    except Exception as error:
        if options.debug:
            raise
        why = str(error) if isinstance(error, NewsletterError) else type(error).__name__  # others may name readers
        warn(f"Error: the message was not dealt with, bring it again later: {why}")
        stop(_LATER)


def _of_pipe(app: App, quarantine: Path, recipients: list[str]) -> Message:
    from newsletter.inbound import act, deal_with_one

    def deal(data: bytes) -> Done:
        return act(app.db, app.signer, data, recipients, app.clock())

    return deal_with_one(sys.stdin.buffer, quarantine, deal)


def _of_maildir(app: App, maildir: Path, quarantine: Path) -> list[Message]:
    from newsletter.inbound import act, deal_with

    def deal(data: bytes) -> Done:
        return act(app.db, app.signer, data, [], app.clock())

    return list(deal_with(maildir, quarantine, deal))


def _print(messages: list[Message], *, json: bool) -> None:
    counts = Counter(str(one.done.did) for one in messages)
    if json:
        told = [{"file": one.file, "did": one.done.did, "why": one.done.why} for one in messages]
        say_json({"messages": len(messages), "counts": counts, "mails": told})
        return
    if not messages:
        say("No mail has come back.")
        return
    table(("Mail", "Led to", "Because"), ((one.file, one.done.did, one.done.why) for one in messages))
    say(", ".join(f"{count} {did}" for did, count in sorted(counts.items())) + ".")
