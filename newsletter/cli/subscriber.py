"""`newsletter subscriber`: readers, looked up, taken off lists, blocked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.base import (
    FAILED,
    JsonOption,
    group,
    open_app,
    say,
    say_json,
    stop,
    table,
    warn,
)
from newsletter.cli.readers import AfterOption, LimitOption, after_key, known_hashes, meant, print_page

if TYPE_CHECKING:
    from datetime import datetime

    from sqlmodel import Session

    from subscribers.models import Subscriber, Suppression

commands = group("subscriber", "Readers: add, import, export, look up, tag, block, remove.")


@commands.command()
def show(address: str, json: JsonOption = False) -> None:
    """Print one reader: lists, tags, fields, the record of consent. `issue who-got-it` has what they were sent.

    Example: newsletter subscriber show ann@example.org
    """
    from sqlmodel import select

    from subscribers import suppression
    from subscribers.addresses import parse_address
    from subscribers.models import Subscriber, SuppressionReason

    app, key = open_app(), parse_address(address).key
    with app.db.reading() as session:
        subscriber = session.exec(select(Subscriber).where(Subscriber.address_key == key)).first()
        hashes = known_hashes(app)
        suppressed = suppression.find_known(session, key, hashes) if hashes else suppression.find(session, key)
        if subscriber is None:
            warn(f"{address} is not known.{_blocked_all_the_same(suppressed)}")
            stop(FAILED)
        facts = _facts(session, subscriber, app.clock())
    if suppressed and suppressed.reason is not SuppressionReason.ERASED:  # who was erased may come back
        facts["blocked"] = suppressed.model_dump(include={"reason", "note", "at"})
    if json:
        say_json(facts)
    else:
        _print_reader(facts)


def _facts(session: Session, subscriber: Subscriber, now: datetime) -> dict[str, Any]:
    """Return what is known of a reader, but for whether they are blocked."""
    from sqlmodel import select

    from subscribers import consent, fields, tags
    from subscribers.models import MailingList
    from subscribers.preferences import is_paused

    lists = {one.id: one.slug for one in session.exec(select(MailingList))}
    return {
        "address": subscriber.address,
        "name": subscriber.name,
        "since": subscriber.created_at,
        "language": subscriber.language,
        "text_only": subscriber.text_only,
        "paused_until": subscriber.paused_until if is_paused(subscriber.paused_until, now) else None,
        "blocked": None,
        "tags": tags.tags_of(session, subscriber.id),
        "fields": fields.values_of(session, subscriber.id),
        "lists": [
            {"list": lists[one.list_id], "state": one.state, "since": one.changed_at, "monthly": one.monthly}
            for one in consent.subscriptions_of(session, subscriber.id)
        ],
        # What is about the reader and no list, such as a new address, has none.
        "consent": [
            one.model_dump(exclude={"id", "subscriber_id"}) | {"list": lists.get(one.list_id or 0, "")}
            for one in consent.history(session, subscriber.id)
        ],
    }


def _blocked_all_the_same(row: Suppression | None) -> str:
    """Return a sentence about an address that is no reader's and still known: blocked, or by a hash."""
    if row is None:
        return ""
    if row.reason == "erased":
        return f" Its reader was erased on {row.at:%Y-%m-%d}, at their wish."
    return f" It is blocked: {row.reason}."


def _print_reader(facts: dict[str, Any]) -> None:
    say(f"{facts['address']}{'  ' + facts['name'] if facts['name'] else ''}")
    if blocked := facts["blocked"]:
        note = f", {blocked['note']}" if blocked["note"] else ""
        say(f"Blocked since {blocked['at']:%Y-%m-%d} ({blocked['reason']}{note}). Nothing is sent to this address.")
    if facts["paused_until"]:
        say(f"Paused: no issue is sent before {facts['paused_until']:%Y-%m-%d %H:%M} UTC.")
    if facts["language"] or facts["text_only"]:
        wishes = [f"pages and letters in {facts['language']}"] if facts["language"] else []
        say(f"Wishes: {', '.join([*wishes, *(['mails as text only'] if facts['text_only'] else [])])}")
    if facts["tags"]:
        say(f"Tags: {', '.join(facts['tags'])}")
    for slug, value in facts["fields"].items():
        say(f"{slug}: {value}")
    table(
        ("List", "State", "Since (UTC)"),
        (
            (one["list"], one["state"] + (", monthly" if one["monthly"] else ""), f"{one['since']:%Y-%m-%d %H:%M}")
            for one in facts["lists"]
        ),
    )
    table(
        ("When (UTC)", "What", "List", "Where", "Network"),
        (
            (f"{one['at']:%Y-%m-%d %H:%M}", _what(one), one["list"], one["source"], one["network"])
            for one in facts["consent"]
        ),
    )


def _what(line: dict[str, Any]) -> str:
    """Return what a line of evidence says was done; of a change also which."""
    return f"{line['action']}: {line['wording']}" if line["action"] == "changed" else str(line["action"])


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
def block(
    addresses: Annotated[list[str], typer.Argument(help="Whom to write to no more.")],
    note: Annotated[str, typer.Option(help="Why; kept with the entry.")] = "",
    json: JsonOption = False,
) -> None:
    """Never write to an address again, whatever list it is on. `newsletter suppression` has them all.

    Example: newsletter subscriber block ann@example.org --note "Asked by telephone"
    """
    from subscribers import suppression
    from subscribers.addresses import parse_address
    from subscribers.models import SuppressionReason

    keys = [parse_address(address).key for address in addresses]
    app = open_app()
    with app.db.transaction() as session:
        given = (SuppressionReason.MANUAL, note, app.clock(), known_hashes(app))
        new = [suppression.suppress(session, key, *given) for key in keys]
    if json:
        say_json([{"address": key, "blocked": is_new} for key, is_new in zip(keys, new, strict=True)])
        return
    for address, is_new in zip(addresses, new, strict=True):
        say(f"{address} is blocked." if is_new else f"{address} was blocked; that entry stays.")


@commands.command()
def unblock(
    addresses: Annotated[list[str], typer.Argument(help="Whom to write to again.")],
    json: JsonOption = False,
) -> None:
    """Allow mail to an address again. Lists that the reader left stay left.

    Example: newsletter subscriber unblock ann@example.org
    """
    from newsletter.errors import Refused
    from subscribers import suppression
    from subscribers.addresses import parse_address
    from subscribers.models import SuppressionReason

    keys = [parse_address(address).key for address in addresses]
    app = open_app()
    hashes = known_hashes(app)
    with app.db.transaction() as session:
        for address, key in zip(addresses, keys, strict=True):
            known = suppression.find_known(session, key, hashes) if hashes else None
            if known is not None and known.reason is SuppressionReason.ERASED:
                raise Refused(
                    f"{address} was erased on {known.at:%Y-%m-%d}, at the reader's wish. Only they can come back, with "
                    "the sign-up form. Nothing was changed."
                )
        lifted = [suppression.lift(session, key, hashes) for key in keys]
    if json:
        say_json([{"address": key, "unblocked": was} for key, was in zip(keys, lifted, strict=True)])
        return
    for address, was in zip(addresses, lifted, strict=True):
        say(f"{address} may be written to again." if was else f"{address} was not blocked.")


@commands.command()
def find(
    text: Annotated[str, typer.Argument(help="A part of the address or of the name.")] = "",
    mailing_list: Annotated[str, typer.Option("--list", help="Only readers of this list.")] = "",
    state: Annotated[str, typer.Option(help="Only in this state: confirmed, pending or left.")] = "",
    tag: Annotated[str, typer.Option(help="Only with this tag.")] = "",
    segment: Annotated[str, typer.Option(help="Only of this segment; see `newsletter segment`.")] = "",
    limit: LimitOption = 50,
    after: AfterOption = "",
    json: JsonOption = False,
) -> None:
    """Find readers by a part of their address or name, by list, state, tag or segment, a page at a time.

    Example: newsletter subscriber find ann --list ukraine --tag donor
    """
    from subscribers.finding import find as find_readers

    terms = [f'{name}:"{value}"' for name, value in (("list", mailing_list), ("state", state), ("tag", tag)) if value]
    if segment:
        terms.append(f"({segment})" if terms else segment)
    app = open_app()
    with app.db.reading() as session:
        readers = meant(app, session, " ".join(terms)) if terms else None
        found = find_readers(session, text, readers, limit=limit + 1, after=after_key(after))
    print_page(found, limit, json=json)
