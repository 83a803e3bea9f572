"""The suppression list as a file, in and out: who must never be written to, why and since when.

An import opens short transactions of its own, an export reads in the caller's session.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TextIO

from sqlmodel import Session, col, select

from subscribers.addresses import one_line, parse_address
from subscribers.csvfile import CsvReader, Record
from subscribers.errors import InvalidAddress
from subscribers.hashes import KeyedHash, is_hash
from subscribers.inserts import insert_missing
from subscribers.models import Subscriber, Suppression, SuppressionReason
from subscribers.transfer import ADDRESS_COLUMNS, RejectedRow
from subscribers.transfer.formulas import defuse, undo

COLUMNS = ("email", "reason", "note", "since")

#: Opens a session that may write and commits at its end, such as `Database.transaction`.
Transaction = Callable[[], AbstractContextManager[Session]]

_BATCH = 1_000
_NOTE_LIMIT = 500
#: Nobody is erased by a file.
_REASONS = [reason for reason in SuppressionReason if reason is not SuppressionReason.ERASED]


@dataclass(frozen=True)
class SuppressionReport:
    """What became of the rows of a file."""

    added: int
    #: Were suppressed before; the reason and time they had stay.
    already: int
    #: Of those added: who is a reader here, and gets nothing any more.
    readers: int
    rejected: tuple[RejectedRow, ...]


@dataclass(frozen=True)
class _Entry:
    key: str
    reason: SuppressionReason
    note: str
    at: datetime


def import_suppressions(
    transaction: Transaction,
    file: TextIO,
    *,
    source: str,
    now: datetime,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
    hashes: KeyedHash | None = None,
) -> SuppressionReport:
    """Suppress every address in a CSV file and report on each row; a bad one does not stop the others.

    Its columns: the address, and where they are there `reason` (bounce, complaint, manual; manual without one), `note`
    and `since`. After an interruption, import it again: who is suppressed is counted as such, and with `hashes` so is
    who was erased: their address is not stored again. A `dry_run` changes nothing. Raises TransferError when the file
    has no such header or is no text.
    """
    reader = CsvReader(file, source, ADDRESS_COLUMNS)
    address = next(name for name in ADDRESS_COLUMNS if name in reader.header)
    places = {name: reader.header.index(name) for name in (address, *COLUMNS[1:]) if name in reader.header}
    rejected: list[RejectedRow] = []
    added = already = readers = 0
    records = reader.records([place for name, place in places.items() if name != "note"])
    while batch := list(islice(records, _BATCH)):
        entries = {one.key: one for one in _entries(batch, address, places, now, rejected)}
        with transaction() as session:
            new, known = _store(session, entries, hashes, dry_run=dry_run)
        added, already, readers = added + new, already + len(entries) - new, readers + known
        if progress:
            progress(added + already + len(rejected))
    return SuppressionReport(added, already, readers, tuple(rejected))


def export_suppressions(session: Session, file: TextIO, *, raw: bool = False) -> tuple[int, int]:
    """Write the suppression list as CSV (RFC 4180), the oldest entries first; return how many, and how many not.

    Left out is who was erased: what is kept of them is a hash that another installation, with other secrets, can make
    nothing of. Cells that a spreadsheet would take for formulas get an apostrophe, which `import_suppressions` takes
    away again; `raw` leaves them as they are, for programs.
    """
    writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL if raw else csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    query = select(Suppression.address_key, Suppression.reason, Suppression.note, Suppression.at)
    written = left_out = 0
    rows = session.exec(query.order_by(col(Suppression.id)), execution_options={"yield_per": _BATCH})
    for key, reason, note, at in rows:
        if is_hash(key):
            left_out += 1
            continue
        cells = (key, str(reason), note, at.astimezone(UTC).isoformat())
        writer.writerow(cells if raw else map(defuse, cells))
        written += 1
    return written, left_out


def _entries(
    batch: list[Record], address: str, places: dict[str, int], now: datetime, rejected: list[RejectedRow]
) -> Iterator[_Entry]:
    """Yield what the rows say; report those that cannot be read."""
    for record in batch:
        cells = {name: undo(record.cells[place]) for name, place in places.items() if place < len(record.cells)}
        shown = one_line(cells.get(address, "")) if not record.fault else one_line(record.cells[0])
        try:
            entry = None if record.fault else _entry(cells, address, now)
        except ValueError as error:
            reason = error.reason if isinstance(error, InvalidAddress) else str(error)
            rejected.append(RejectedRow(record.line, shown, reason))
            continue
        if entry is None:
            rejected.append(RejectedRow(record.line, shown, record.fault))
        else:
            yield entry


def _entry(cells: dict[str, str], address: str, now: datetime) -> _Entry:
    """Return what one row says. Raises InvalidAddress, or ValueError with a sentence."""
    reason = cells.get("reason", "").lower() or SuppressionReason.MANUAL
    if reason not in _REASONS:
        raise ValueError(f"{reason!r} is no reason; write one of {', '.join(_REASONS)}, or nothing.")
    key = parse_address(cells.get(address, "")).key
    return _Entry(key, SuppressionReason(reason), one_line(cells.get("note", ""), _NOTE_LIMIT), _since(cells, now))


def _since(cells: dict[str, str], now: datetime) -> datetime:
    """Return when the entry was made: as the file says, and never in the future."""
    text = cells.get("since", "")
    try:
        since = datetime.fromisoformat(text) if text else now
        aware = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no time; write it such as 2026-11-30, or nothing.") from error
    return min(aware, now)


def _store(session: Session, entries: dict[str, _Entry], hashes: KeyedHash | None, *, dry_run: bool) -> tuple[int, int]:
    """Suppress those that are not; return how many these are, and how many of them are readers here."""
    wanted = {key: key for key in entries}
    if hashes:
        wanted |= {hashed: key for key in entries for hashed in hashes.each(key)}
    stored = session.exec(select(Suppression.address_key).where(col(Suppression.address_key).in_(wanted)))
    known = {wanted[one] for one in stored}
    new = [one for key, one in sorted(entries.items()) if key not in known]
    mine = col(Subscriber.address_key).in_([one.key for one in new])
    # Locked as by `suppress`: who is just being claimed for a mail is suppressed after it.
    readers = session.exec(select(Subscriber.id).where(mine).order_by(col(Subscriber.id)).with_for_update()).all()
    if not dry_run:
        rows = [{"address_key": one.key, "reason": one.reason, "note": one.note, "at": one.at} for one in new]
        insert_missing(session, Suppression, rows, unique=["address_key"])
    return len(new), len(readers)


def write_rejected(rejected: Sequence[RejectedRow], file: TextIO) -> None:
    """Write the rejected rows of an import as CSV: line, address, reason. Formulas are defused."""
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(("line", "address", "reason"))
    writer.writerows((row.line, defuse(row.address), row.reason) for row in rejected)
