"""The command line. Commands parse, call one function and print; heavy parts are imported when a command needs them."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from newsletter import __version__
from newsletter.cli import (
    base,
    edition,
    field,
    gather,
    inbound,
    issue,
    mailing_list,
    newsroom,
    region,
    run,
    segment,
    setup,
    source,
    source_status,
    story,
    subscriber,
    subscriber_clean,
    subscriber_files,
    subscriber_privacy,
    subscriber_tags,
    suppression,
    tidy,
)
from newsletter.cli.base import BUG, FAILED, INTERRUPTED, options, warn

commands = typer.Typer(
    name="newsletter",
    help="A weekly regional newsletter, from feeds to inboxes. Start with `newsletter init`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for module in (setup, newsroom, gather, run, tidy, inbound):
    module.register(commands)
source_status.register(source.commands)
for part in (subscriber_tags, subscriber_files, subscriber_clean, subscriber_privacy):
    part.register(subscriber.commands)
for module_group in (source, story, region, edition, mailing_list, subscriber, segment, field, suppression, issue):
    commands.add_typer(module_group.commands)
commands.add_typer(setup.database)


def _version(show: bool) -> None:
    if show:
        base.say(f"newsletter {__version__}")
        raise typer.Exit


@commands.callback()
def before(
    config: Annotated[
        Path | None,
        typer.Option(help="The settings file; else $NEWSLETTER_CONFIG, else ./newsletter.toml.", show_default=False),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show what happens inside, and tracebacks.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A weekly regional newsletter, from feeds to inboxes. Start with `newsletter init`."""
    options.config, options.debug = config, debug
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def main() -> None:
    """Run the command line and exit: 0 done, 1 refused with a sentence, 2 wrong usage, 3 in part, 70 a bug of ours."""
    try:
        commands()
    except KeyboardInterrupt:
        warn("Interrupted.")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FAILED)
    except Exception as error:
        sentence = _sentence(error)
        if options.debug:
            raise
        if sentence:
            warn(f"Error: {sentence}")
            sys.exit(FAILED)
        warn(f"Error: this is a fault of ours ({type(error).__name__}: {error}). `newsletter --debug ...` shows where.")
        sys.exit(BUG)


def _sentence(error: Exception) -> str:
    """Return what to tell a person about an error they can do something about; "" for a bug of ours."""
    from newsletter.errors import NewsletterError
    from subscribers.errors import SubscriberError

    if isinstance(error, NewsletterError | SubscriberError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    if "sqlalchemy" not in sys.modules:
        return ""
    from sqlalchemy.exc import DatabaseError, OperationalError

    if isinstance(error, OperationalError) or type(error) is DatabaseError:
        return f"the database does not answer as it should: {error.orig}. What was done before it is kept."
    return ""
