"""What the commands about readers share: segments in the words of this installation, and pages of readers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import progress, say, say_json, table, warn

if TYPE_CHECKING:
    from sqlmodel import Session

    from newsletter.app import App
    from subscribers.finding import Found
    from subscribers.hashes import KeyedHash
    from subscribers.segments import Readers

LimitOption = Annotated[int, typer.Option(min=1, max=10_000, help="How many to show.")]
AfterOption = Annotated[str, typer.Option(help="Go on behind this address, the last of the page before.")]


def meant(app: App, session: Session, text: str) -> Readers:
    """Return the query for the readers of a segment. Raises SegmentError."""
    from newsletter import engagement
    from subscribers import segments

    now = app.clock()
    return segments.readers(session, text, engagement.terms(now), now=now)


def known_hashes(app: App) -> KeyedHash | None:
    """Return what erased readers are known by; None without a secret, since without one nobody can have been erased."""
    return app.hashes if app.settings.secrets else None


def refusing_domains(domains: Collection[str]) -> dict[str, str]:
    """Ask the DNS about domains; return those that take no mail with a sentence each, and say which it did not tell."""
    from subscribers.mailservers import Verdict, check_all

    with progress("Asking about domains", len(domains)) as advance:
        verdicts = check_all(domains, progress=advance)
    if unknown := [domain for domain, verdict in verdicts.items() if verdict is Verdict.UNKNOWN]:
        shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        warn(f"The DNS did not say whether these take mail, so they are kept: {shown}.")
    return {domain: f"{domain} {verdict}." for domain, verdict in verdicts.items() if verdict.refuses}


def after_key(after: str) -> str:
    """Return what a page begins behind. Raises InvalidAddress."""
    from subscribers.addresses import parse_address

    return parse_address(after).key if after else ""


def some(count: int, what: str = "reader", several: str = "") -> str:
    """Return a number with its noun; `several` where more than one are not called so with an s."""
    return f"{count:,} {what if count == 1 else several or f'{what}s'}"


def print_page(found: Sequence[Found], limit: int, *, json: bool) -> None:
    """Print at most `limit` readers, and how to see more when one more was found."""
    shown, more = found[:limit], len(found) > limit
    if json:
        readers = [asdict(one) for one in shown]
        say_json({"readers": readers, "after": shown[-1].address_key if more else None})
        return
    if not shown:
        say("No reader is like that.")
        return
    rows = ((one.address, one.name, _lists(one), ", ".join(one.tags)) for one in shown)
    table(("Address", "Name", "Lists", "Tags"), rows)
    if more:
        say(f"There are more: add --after {shown[-1].address_key}")


def _lists(one: Found) -> str:
    return ", ".join(slug if state == "confirmed" else f"{slug} ({state})" for slug, state in one.lists.items())
