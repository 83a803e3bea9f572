"""Readers in and out as CSV, in a stream. An import opens short transactions, an export reads in the caller's session.

An import is a statement that the readers in the file agreed elsewhere: it is kept with each of them as
evidence. It never brings back who left and never adds who is suppressed.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import chain, islice
from typing import TextIO

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, insert, select, update

from subscribers.addresses import Address, one_line, parse_address
from subscribers.csvfile import CsvReader, Record
from subscribers.errors import InvalidAddress, TransferError
from subscribers.inserts import insert_missing
from subscribers.models import (
    Consent,
    ConsentAction,
    MailingList,
    Subscriber,
    Subscription,
    SubscriptionState,
    Suppression,
)

#: What the column with the addresses may be called, the best name first.
ADDRESS_COLUMNS = ("email", "e-mail", "email address", "e-mail address", "address")
EXPORT_COLUMNS = ("email", "name", "list", "state", "since")

#: Opens a session that may write and commits at its end, such as `Database.transaction`.
Transaction = Callable[[], AbstractContextManager[Session]]

#: Rows of one transaction. On SQLite everybody else who writes waits for it, a quarter of a second.
_BATCH = 1_000
_EXPORT_BATCH = 500
_SOURCE_LIMIT = 500
#: A spreadsheet takes a cell that begins like this for a formula (OWASP ASVS 1.2.10; threat 13).
#: Apostrophes before it count, so that taking one away gives the cell back.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\0|]")


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not imported: its line in the file, what stood for the address, and why."""

    line: int
    address: str
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What became of the rows of a file. Their sum is the number of rows that were not blank."""

    #: On the list now and not before; those who had asked and not confirmed count here.
    added: int
    #: On the list before.
    already: int
    #: Left the list, here or by the file's own `state` column.
    kept_out_left: int
    kept_out_suppressed: int
    rejected: tuple[RejectedRow, ...]


class _Fate(Enum):
    ADDED = auto()
    ALREADY = auto()
    LEFT = auto()
    SUPPRESSED = auto()


@dataclass(frozen=True)
class _Columns:
    count: int
    address: int
    name: int | None
    state: int | None


@dataclass(frozen=True)
class _Row:
    address: Address
    name: str


@dataclass(frozen=True)
class _Import:
    list_id: int
    consent: str
    source: str
    now: datetime


def import_csv(
    transaction: Transaction,
    file: TextIO,
    *,
    list_id: int,
    consent: str,
    source: str,
    now: datetime,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Put the readers in `file` on a list and report on every row; a bad one does not stop the others.

    `consent` says where they agreed, `source` is the file's name; both become evidence. Who asked for the
    list before and did not confirm is confirmed: the statement holds for them as for everybody else in the
    file. The name of a reader we know is not changed. A `dry_run` does everything and takes it back.

    The rows come in batches with a transaction each, readers and evidence together, so that nobody who writes
    waits long; `progress` is called after each, outside of them, with the rows read so far.

    Raises TransferError when there is no statement, no header, or more than one list in the file, with nothing
    imported; and when the file ceases to be text. Then, as after any interruption, the batches before stay in;
    import the mended file again for the rest: who is on the list already is counted as such and gets no second
    evidence.
    """
    statement = one_line(consent, len(consent))
    if not statement:
        raise TransferError(
            f"Say where the readers in {source} agreed to get this list, such as: paper forms, market day, May 2026."
        )
    _refuse_several_lists(file, source)
    reader = CsvReader(file, source, ADDRESS_COLUMNS)
    columns = _find_columns(reader.header, source)
    run = _Import(list_id, statement, one_line(source, _SOURCE_LIMIT), now)
    fates: Counter[_Fate] = Counter()
    rejected: list[RejectedRow] = []
    seen: dict[str, int] = {}
    records = reader.records([place for place in (columns.address, columns.name) if place is not None])
    while first := next(records, None):
        # Rows are read before the transaction begins, and judged one by one: a long record is not kept.
        batch = chain([first], islice(records, _BATCH - 1))
        # In one order, so that two imports of the same people at once do not wait for each other in a circle.
        rows = sorted(_good_rows(batch, columns, seen, fates, rejected), key=lambda row: row.address.key)
        if rows:
            with transaction() as session:
                fates.update(_store(session, run, rows, dry_run=dry_run))
        if progress:
            progress(fates.total() + len(rejected))
    return ImportReport(
        added=fates[_Fate.ADDED],
        already=fates[_Fate.ALREADY],
        kept_out_left=fates[_Fate.LEFT],
        kept_out_suppressed=fates[_Fate.SUPPRESSED],
        rejected=tuple(rejected),
    )


def write_rejects(report: ImportReport, file: TextIO) -> None:
    """Write the rejected rows of an import as CSV: line, address, reason. Formulas are defused."""
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(("line", "address", "reason"))
    writer.writerows((row.line, _defuse(row.address), row.reason) for row in report.rejected)


def export_csv(session: Session, list_id: int | None, file: TextIO, *, raw: bool = False) -> int:
    """Write the readers of one list, or of all, as CSV (RFC 4180) and return how many rows there are.

    Its columns: email, name, list, state, since (the last change of state, UTC). Cells that a spreadsheet
    would take for formulas get an apostrophe, which `import_csv` takes away again; `raw` leaves them as
    they are, for programs.
    """
    rows = (
        select_columns(
            col(Subscriber.address),
            col(Subscriber.name),
            col(MailingList.slug),
            col(Subscription.state),
            col(Subscription.changed_at),
        )
        .join(Subscription, col(Subscription.subscriber_id) == col(Subscriber.id))
        .join(MailingList, col(MailingList.id) == col(Subscription.list_id))
        .order_by(col(MailingList.slug), col(Subscription.id))
    )
    if list_id is not None:
        rows = rows.where(col(Subscription.list_id) == list_id)
    # Everything is quoted for spreadsheets: some split unquoted cells at semicolons, too, and find formulas there.
    writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL if raw else csv.QUOTE_ALL)
    writer.writerow(EXPORT_COLUMNS)
    written = 0
    for address, name, slug, state, since in session.execute(rows, execution_options={"yield_per": _EXPORT_BATCH}):
        cells = (address, name, slug, state.value, since.astimezone(UTC).isoformat(timespec="seconds"))
        writer.writerow(cells if raw else map(_defuse, cells))
        written += 1
    return written


def _refuse_several_lists(file: TextIO, source: str) -> None:
    """Raise TransferError for a file of several lists: who left one of them would come back through another."""
    reader = CsvReader(file, source, ADDRESS_COLUMNS)
    if "list" in reader.header:
        place = reader.header.index("list")
        lists = sorted({name for record in reader.records([]) if (name := _cell(record, place))})
        if len(lists) > 1:
            raise TransferError(
                f"{source} holds several lists ({', '.join(lists)}). Import them one by one; "
                "`newsletter subscriber export FILE --list NAME` writes one alone."
            )
    file.seek(0)


def _find_columns(header: tuple[str, ...], source: str) -> _Columns:
    """Return where the columns are. Raises TransferError when two have the name that is used."""
    address = next(name for name in ADDRESS_COLUMNS if name in header)
    for name in (address, "name", "state"):
        if header.count(name) > 1:
            raise TransferError(f"{source} has two columns called `{name}`. Rename one of them.")

    def place(name: str) -> int | None:
        return header.index(name) if name in header else None

    return _Columns(len(header), header.index(address), place("name"), place("state"))


def _good_rows(
    records: Iterable[Record],
    columns: _Columns,
    seen: dict[str, int],
    fates: Counter[_Fate],
    rejected: list[RejectedRow],
) -> Iterator[_Row]:
    """Yield the rows that can be imported; count those that left, and report the others."""
    for record in records:
        row = _read(record, columns, seen)
        if isinstance(row, str):
            shown = record.cells[0] if record.fault else _cell(record, columns.address)
            rejected.append(RejectedRow(record.line, one_line(shown), row))
        elif _cell(record, columns.state) == SubscriptionState.LEFT:
            fates[_Fate.LEFT] += 1
        else:
            yield row


def _read(record: Record, columns: _Columns, seen: dict[str, int]) -> _Row | str:
    """Return the reader in a row, or what is wrong with it."""
    if record.fault:
        return record.fault
    if any(cell.strip() for cell in record.cells[columns.count :]):
        return f"the row has {len(record.cells)} columns, but the header has {columns.count}."
    if _cell(record, columns.state) == SubscriptionState.PENDING:
        return "the file says that this reader has not confirmed."
    try:
        address = parse_address(_cell(record, columns.address))
    except InvalidAddress as error:
        return error.reason
    first = seen.setdefault(address.key, record.line)
    if first != record.line:
        return f"the address is already on line {first}."
    return _Row(address, one_line(_cell(record, columns.name)))


def _cell(record: Record, place: int | None) -> str:
    """Return a cell without spaces around it or the apostrophe that an export puts before a formula."""
    if place is None or place >= len(record.cells):
        return ""
    text = record.cells[place].strip(" ")
    if text.startswith("'") and _FORMULA.match(text):
        text = text[1:]
    return text.strip()


def _store(session: Session, run: _Import, batch: list[_Row], *, dry_run: bool) -> Iterable[_Fate]:
    """Store a batch, or for a `dry_run` store it and take it back; return the fate of each row."""
    with session.begin_nested() as savepoint:
        fates = _put(session, run, batch)
        if dry_run:
            savepoint.rollback()
    return fates


def _put(session: Session, run: _Import, batch: list[_Row]) -> list[_Fate]:
    """Put a batch on the list, with a handful of statements for all of it, and return the fate of each row."""
    keys = [row.address.key for row in batch]
    suppressed = set(session.exec(select(Suppression.address_key).where(col(Suppression.address_key).in_(keys))))
    allowed = [row for row in batch if row.address.key not in suppressed]
    ids = _subscriber_ids(session, run, allowed)
    added = _confirm(session, run, list(ids.values()))
    _record(session, run, added)
    left = set(
        session.exec(
            select(Subscription.subscriber_id).where(
                Subscription.list_id == run.list_id,
                Subscription.state == SubscriptionState.LEFT,
                col(Subscription.subscriber_id).in_(ids.values()),
            )
        )
    )
    return [_fate(ids.get(key), added, left) for key in keys]


def _fate(subscriber_id: int | None, added: set[int], left: set[int]) -> _Fate:
    if subscriber_id is None:
        return _Fate.SUPPRESSED
    if subscriber_id in added:
        return _Fate.ADDED
    return _Fate.LEFT if subscriber_id in left else _Fate.ALREADY


def _subscriber_ids(session: Session, run: _Import, rows: list[_Row]) -> Mapping[str, int]:
    """Return the id of every reader in `rows` by address key, making those that are new."""
    new = [
        {
            "address": row.address.typed,
            "address_key": row.address.key,
            "name": row.name,
            "created_at": run.now,
        }
        for row in rows
    ]
    insert_missing(session, Subscriber, new, unique=["address_key"])
    keys = [row.address.key for row in rows]
    found = session.exec(select(Subscriber.address_key, Subscriber.id).where(col(Subscriber.address_key).in_(keys)))
    return dict(found.all())


def _confirm(session: Session, run: _Import, subscriber_ids: list[int]) -> set[int]:
    """Put readers on the list who are new to it or pending; return the ids of those that this changed."""
    new = [
        {
            "subscriber_id": subscriber_id,
            "list_id": run.list_id,
            "state": SubscriptionState.CONFIRMED,
            "requested_at": run.now,
            "changed_at": run.now,
            "confirmation_sent_at": None,
        }
        for subscriber_id in subscriber_ids
    ]
    unique = ["subscriber_id", "list_id"]
    added = insert_missing(session, Subscription, new, unique=unique, returning="subscriber_id")
    pending = (
        update(Subscription)
        .where(
            col(Subscription.list_id) == run.list_id,
            col(Subscription.state) == SubscriptionState.PENDING,
            col(Subscription.subscriber_id).in_(subscriber_ids),
        )
        .values(state=SubscriptionState.CONFIRMED, changed_at=run.now)
        .returning(col(Subscription.subscriber_id))
    )
    return {*added, *(row[0] for row in session.exec(pending))}


def _record(session: Session, run: _Import, subscriber_ids: Iterable[int]) -> None:
    """Add the evidence for a batch; everybody gets the same statement."""
    rows = [
        {
            "subscriber_id": subscriber_id,
            "list_id": run.list_id,
            "action": ConsentAction.IMPORTED,
            "at": run.now,
            "source": run.source,
            "wording": run.consent,
            "network": "",
        }
        for subscriber_id in subscriber_ids
    ]
    if rows:
        session.exec(insert(Consent), params=rows)


def _defuse(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell
