"""`newsletter issue test`: an issue's mail to oneself, or to the provider's sandbox, which sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import FAILED, open_app, say, stop, warn
from newsletter.cli.issue_preview import Reader, ReaderOption

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.mail import Outcome
    from newsletter.providers import Provider


def register(commands: typer.Typer) -> None:
    """Add this file's command."""
    commands.command("test")(send_test)


def send_test(
    issue: Annotated[
        str, typer.Argument(metavar="ISSUE", help="An edition's name for its latest issue, or edition/2026-W47.")
    ],
    to: Annotated[
        list[str] | None, typer.Option(help="Who gets the test; may be repeated. Not needed with --sandbox.")
    ] = None,
    reader: ReaderOption = Reader.KNOWN,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="The provider checks the mail and sends nothing, where it can do that.")
    ] = False,
) -> None:
    """Send one marked test through the provider. The ledger is not touched.

    Example: newsletter issue test ukraine-weekly --to me@example.org
    Example: newsletter issue test ukraine-weekly --to me@example.org --reader new
    Example: newsletter issue test ukraine-weekly --sandbox
    """
    from newsletter import delivery, issues
    from newsletter.delivery.marked import EXAMPLES
    from newsletter.mail import Status
    from newsletter.models import Edition
    from subscribers.addresses import parse_address
    from subscribers.models import MailingList

    if not to and not sandbox:
        raise typer.BadParameter("say who gets it, or let the provider check it with --sandbox.", param_hint="--to")
    app = open_app()
    provider = _sandbox(app) if sandbox else app.provider
    with app.db.reading() as session:
        found = issues.find_issue(session, issue)
        edition = session.get_one(Edition, found.edition_id)
        mailing_list = session.get_one(MailingList, edition.list_id)
        mail, findings = issues.render(session, found, app.renderer, app.settings.base_url)
    for finding in findings:
        warn(f"{finding.severity} {finding.rule}: {finding.message} {finding.fix}")
    addresses = to or [edition.sender_address]
    for address in addresses:
        parse_address(address)  # a slip in the second must not be noticed after the first has gone
    outcomes = {}
    for address in addresses:
        outcomes[address] = delivery.send_test(
            mail, found, edition, mailing_list,
            to=address, renderer=app.renderer, provider=provider, base_url=app.settings.base_url, now=app.clock(),
            reader=EXAMPLES[reader],
        )  # fmt: skip
        _print_outcome(address, outcomes[address], app.settings.provider.use if sandbox else "")
    if sandbox:
        say("Nothing was sent: this was the provider's sandbox.")
    if any(outcome.status is not Status.ACCEPTED for outcome in outcomes.values()):
        stop(FAILED)


def _print_outcome(address: str, outcome: Outcome, sandbox_of: str) -> None:
    """Print what a provider said, in its sandbox where its name is given."""
    if outcome.status != "accepted":
        warn(f"{address}: {outcome.status}: {outcome.detail}")
    elif sandbox_of:
        said = f" It said: {outcome.detail}" if outcome.detail else ""
        say(f"{sandbox_of} would take the mail to {address}.{said}")
    else:
        say(f"A test went to {address}.")


def _sandbox(app: App) -> Provider:
    """Return the provider in its sandbox. Raises Refused, in words that fit, when it has none."""
    from newsletter.errors import ConfigurationError, Refused

    _ = app.provider  # what is wrong with the settings themselves is said as ever
    try:
        return app.sandbox()
    except ConfigurationError as error:
        raise Refused(
            f"The provider {app.settings.provider.use} has no sandbox, so it cannot check a mail without sending it. "
            "Leave --sandbox out, and it sends a test to --to."
        ) from error
