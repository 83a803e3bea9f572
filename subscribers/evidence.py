"""What proves that one reader agreed, and what does not: a document to file (GDPR article 7(1)). Only reads."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from sqlmodel import Session, select

from subscribers import consent
from subscribers.models import Consent, ConsentAction, MailingList, Subscriber, SubscriptionState
from subscribers.transfer.formulas import defuse

COLUMNS = ("when", "action", "list", "list_name", "source", "wording", "version", "network")
#: What makes a reader confirmed on a list.
_PROVES = frozenset({ConsentAction.CONFIRMED, ConsentAction.IMPORTED, ConsentAction.JOINED})
_NEVER_KEPT = "Never kept: whole IP addresses (networks end in .0/24 or ::/48), browsers, the mails with the links."


@dataclass(frozen=True)
class Line:
    """One thing that the reader did, or that somebody vouched for. `list` is "" for what is about no list."""

    at: datetime
    action: ConsentAction
    list: str
    list_name: str
    source: str
    #: The exact words that were shown, or the statement of who brought the reader in.
    wording: str
    #: The same for the same words: `wording_version`.
    version: str
    #: As /24 or /48; "" where it was not known, or has been let go.
    network: str


@dataclass(frozen=True)
class Standing:
    """How the reader stands with a list now."""

    list: str
    list_name: str
    state: SubscriptionState
    since: datetime


@dataclass(frozen=True)
class Document:
    """Everything that there is, oldest first, and in sentences what there is not."""

    address: str
    name: str
    known_since: datetime
    erased_at: datetime | None
    standings: tuple[Standing, ...]
    lines: tuple[Line, ...]
    missing: tuple[str, ...]


def document_of(session: Session, reader: Subscriber, network_days: int) -> Document:
    """Return the evidence about a reader; networks older than `network_days` are let go."""
    lists = {one.id: one for one in session.exec(select(MailingList))}
    lines = tuple(_line(one, lists) for one in consent.history(session, reader.id))
    standings = tuple(
        Standing(lists[one.list_id].slug, lists[one.list_id].name, one.state, one.changed_at)
        for one in consent.subscriptions_of(session, reader.id)
    )
    missing = what_is_missing(standings, lines, network_days)
    return Document(reader.address, reader.name, reader.created_at, reader.erased_at, standings, lines, missing)


def what_is_missing(standings: Sequence[Standing], lines: Sequence[Line], network_days: int) -> tuple[str, ...]:
    """Return in sentences what the evidence does not have. Pure."""
    sentences = []
    for one in standings:
        proofs = [line for line in lines if line.list == one.list and line.action in _PROVES]
        if one.state is SubscriptionState.PENDING:
            sentences.append(f"{one.list_name}: asked for and not confirmed, so nothing but the confirmation was sent.")
        elif one.state is SubscriptionState.CONFIRMED and not proofs:
            sentences.append(f"{one.list_name}: NOTHING HERE PROVES CONSENT, although the reader is on this list.")
        elif proofs and proofs[-1].action is ConsentAction.IMPORTED:
            sentences.append(
                f"{one.list_name}: the reader was brought in from elsewhere. What is here is the statement of who did "
                "that; the form or record that it speaks of has to be shown from there."
            )
    without = sum(1 for line in lines if not line.network)
    if without:
        sentences.append(
            f"{without} of {len(lines)} lines have no network: it was not known, or it was let go after "
            f"{network_days} days."
        )
    return (*sentences, _NEVER_KEPT)


def write_csv(document: Document, file: TextIO) -> None:
    """Write the lines as CSV (RFC 4180), oldest first, with cells that a spreadsheet would compute defused."""
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(("address", *COLUMNS))
    for one in document.lines:
        at = one.at.astimezone(UTC).isoformat(timespec="seconds")
        cells = (document.address, at, one.action.value, one.list, one.list_name)
        writer.writerow(map(defuse, (*cells, one.source, one.wording, one.version, one.network)))


def _line(row: Consent, lists: dict[int, MailingList]) -> Line:
    about = lists.get(row.list_id) if row.list_id is not None else None
    slug, name = (about.slug, about.name) if about else ("", "")
    return Line(
        row.at, row.action, slug, name, row.source, row.wording, consent.wording_version(row.wording), row.network
    )
