"""`newsletter subscriber clean`: what need not be kept of readers any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import JsonOption, confirm, open_app, progress, say, say_json, table
from newsletter.cli.readers import refusing_domains, some

if TYPE_CHECKING:
    from newsletter.app import App
    from subscribers.cleaning import Kind

_WORDS = {
    "pending": "never confirmed for {days} days; dropped",
    "bounced": "on a list whose address bounced; taken off",
    "listless": "on no list; name, tags and fields are forgotten",
}


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(clean)


def clean(
    what: Annotated[
        list[str] | None, typer.Argument(help="pending, bounced, listless; all of them if left out.")
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=7, show_default="30", help="How old an unconfirmed request is before it is dropped."),
    ] = None,
    check_domains: Annotated[
        bool,
        typer.Option(
            "--check-domains", help="Instead, ask the DNS which domains take no mail, and block readers there."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without being asked.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the counts, and change nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Let go of what need not be kept: old requests, places of dead addresses, details of readers on no list.

    Evidence stays, and who left stays kept out of imports. With --check-domains the DNS is asked once for each domain;
    readers at one that takes no mail are blocked as bounced, and `clean bounced` takes them off their lists.
    Example: newsletter subscriber clean pending --days 60 --dry-run
    """
    if check_domains:
        _clean_domains(yes=yes, dry_run=dry_run, json=json)
        return
    from newsletter.errors import NotFound
    from subscribers.cleaning import PENDING_DAYS, Kind, counts

    days = days or PENDING_DAYS
    for one in what or []:
        if one not in set(Kind):
            raise NotFound("kind", one, known=[str(kind) for kind in Kind])
    kinds = [Kind(one) for one in dict.fromkeys(what or Kind)]
    app = open_app()
    with app.db.reading() as session:
        found = {kind: count for kind, count in counts(session, app.clock(), days).items() if kind in kinds}
    if not json:
        for kind, count in found.items():
            say(f"{kind}: {some(count)} {_WORDS[kind].format(days=days)}")
    done: dict[str, int] = {}
    if any(found.values()) and not dry_run:
        confirm("Clean these? It cannot be undone.", yes=yes)
        done = {str(kind): _all(app, kind, days, found[kind]) for kind in kinds}
    if json:
        say_json({"found": found, "done": done, "dry_run": dry_run})
    elif done:
        say(f"Done: {', '.join(f'{kind} {count:,}' for kind, count in done.items())}.")
    else:
        say("Nothing was changed: this was a dry run." if dry_run else "There is nothing to clean.")


def _all(app: App, kind: Kind, days: int, expected: int) -> int:
    """Clean everything of a kind, some thousands a transaction; return how many."""
    from subscribers.cleaning import clean as clean_some

    done = 0
    with progress(f"Cleaning {kind}", expected) as advance:
        while True:
            with app.db.transaction() as session:
                now_done = clean_some(session, kind, app.clock(), days)
            if not now_done:
                return done
            done += now_done
            advance(done)


def _clean_domains(*, yes: bool, dry_run: bool, json: bool) -> None:
    """Ask about every domain that readers have, show those that take no mail, and block the readers there."""
    from subscribers.cleaning import domains, suppress_domain

    app = open_app()
    with app.db.reading() as session:
        readers = domains(session)
    refused = refusing_domains(sorted(readers))
    count = sum(readers[domain] for domain in refused)
    if not json:
        table(("Domain", "Readers", "Why"), ((domain, readers[domain], why) for domain, why in refused.items()))
        say(f"{some(len(refused), 'domain')} of {len(readers):,} take no mail: {some(count)}.")
    blocked = 0
    if refused and not dry_run:
        confirm(f"Block {some(count)}, as bounced?", yes=yes)
        for domain, why in refused.items():
            with app.db.transaction() as session:
                blocked += suppress_domain(session, domain, f"by the DNS: {why}", app.clock())
    if json:
        found = [{"domain": domain, "readers": readers[domain], "why": why} for domain, why in refused.items()]
        say_json({"domains": len(readers), "refusing": found, "blocked": blocked, "dry_run": dry_run})
    elif dry_run:
        say("Nothing was changed: this was a dry run.")
    elif refused:
        say(f"Blocked {some(blocked)}. `newsletter subscriber clean bounced` takes them off their lists.")
