"""What the commands about readers share: segments in the words of this installation, and pages of readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import say, say_json, table

if TYPE_CHECKING:
    from sqlmodel import Session

    from newsletter.app import App
    from subscribers.finding import Found
    from subscribers.segments import Readers

LimitOption = Annotated[int, typer.Option(min=1, max=10_000, help="How many to show.")]
AfterOption = Annotated[str, typer.Option(help="Go on behind this address, the last of the page before.")]


def meant(app: App, session: Session, text: str) -> Readers:
    """Return the query for the readers of a segment. Raises SegmentError."""
    from newsletter import engagement
    from subscribers import segments

    now = app.clock()
    return segments.readers(session, text, engagement.terms(now), now=now)


def after_key(after: str) -> str:
    """Return what a page begins behind. Raises InvalidAddress."""
    from subscribers.addresses import parse_address

    return parse_address(after).key if after else ""


def some(count: int, what: str = "reader") -> str:
    """Return a number with its noun."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


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
