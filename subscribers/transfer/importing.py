"""A file of readers onto a list.

An import is a statement that the readers in the file agreed elsewhere: it is kept with each of them as
evidence. It never brings back who left or was erased, and never adds who is suppressed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TextIO

from sqlmodel import Session

from subscribers.addresses import one_line
from subscribers.csvfile import CsvReader, Record
from subscribers.errors import TransferError
from subscribers.fields import get_field
from subscribers.hashes import KeyedHash
from subscribers.models import ReaderField
from subscribers.transfer.formulas import undo
from subscribers.transfer.layout import ADDRESS_COLUMNS, Layout, find_layout
from subscribers.transfer.rejects import write_rejects
from subscribers.transfer.rows import Row, judge
from subscribers.transfer.staging import Rejected, Staging
from subscribers.transfer.storing import Fates, Statement, store

#: Opens a session that may write and commits at its end, such as `Database.transaction`.
Transaction = Callable[[], AbstractContextManager[Session]]

#: Readers of one transaction. On SQLite everybody else who writes waits for it, half a second.
BATCH = 10_000
#: Rejected rows that a report names; a rejects file has all of them.
NAMED = 1_000
#: Rows that are kept at once while a file is read.
_ROWS = 5_000
_SOURCE_LIMIT = 500


@dataclass(frozen=True)
class Options:
    """How a file is to be read and what to do with its readers."""

    #: The sign between cells; found in the header when empty.
    delimiter: str = ""
    #: Role -> title of its column; see `find_layout`.
    columns: Mapping[str, str] = field(default_factory=dict)
    #: The product whose file it is, such as ghost; recognised by its columns when empty.
    product: str = ""
    #: The file's names and fields replace what is known.
    update: bool = False
    #: Who bounced, complained or was blocked there is suppressed here; who left there is put down as having left.
    suppress: bool = False
    #: Only so many rows are read; 0 for all.
    limit: int = 0
    #: Do everything and take it back.
    dry_run: bool = False
    #: Batches stored at the same time, each in a transaction of its own; more than one helps on PostgreSQL alone.
    lanes: int = 1


@dataclass(frozen=True)
class Position:
    """How far an import has come: readers who are dealt with, in the order of their addresses, and their fates."""

    done: int = 0
    fates: Fates = field(default_factory=Fates)


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not imported: its line in the file, what stood for the address, and why."""

    line: int
    address: str
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What became of the rows of a file. Together they are the rows that were not blank."""

    #: On the list now and not before; those who had asked and not confirmed count here.
    added: int
    #: On the list before.
    already: int
    #: Left the list, here or by what the file says.
    kept_out_left: int
    #: Suppressed, here or by what the file says.
    kept_out_suppressed: int
    #: The first thousand.
    rejected: tuple[RejectedRow, ...]
    rejected_rows: int = 0
    #: Of those kept out: suppressed or put down as left because the file says so, and not before.
    recorded: int = 0
    #: Whose file it is, such as Ghost; "" for any other.
    product: str = ""
    #: Were erased here at their wish, and are known by a keyed hash alone.
    kept_out_erased: int = 0


@dataclass(frozen=True)
class Progress:
    """How far an import is: rows read, or readers stored, so far; of how many, when that is known."""

    storing: bool
    done: int
    total: int = 0


def _ignore(_: object) -> None:
    """Listen to nothing."""


def import_csv(
    transaction: Transaction,
    file: TextIO,
    *,
    list_id: int,
    consent: str,
    source: str,
    now: datetime,
    options: Options | None = None,
    progress: Callable[[Progress], None] = _ignore,
    start: Position | None = None,
    committed: Callable[[Position], None] = _ignore,
    rejects: Callable[[], AbstractContextManager[TextIO]] | None = None,
    hashes: KeyedHash | None = None,
    check_domains: Callable[[Collection[str]], Mapping[str, str]] | None = None,
) -> ImportReport:
    """Put the readers in `file` on a list and report on every row; a bad one does not stop the others.

    `consent` says where they agreed, `source` is the file's name; both become evidence. Who asked for the
    list before and did not confirm is confirmed: the statement holds for them as for everybody else in the
    file. The name of a reader we know is not changed, nor a field that has a value, nor how they want to be written to,
    unless `options.update`; tags are added. A dry run does everything and takes it back.

    The whole file is read and judged before anything is stored. Then readers come in batches with a transaction each,
    in the order of their addresses, with their evidence, so that nobody who writes waits long. After each, outside of
    it, `committed` is told how far that is: with that as `start`, an interrupted import of the same file goes on
    behind it. Importing the whole file again does no harm either: who is on the list is counted as such and gets no
    second evidence. `rejects` opens a file for the rejected rows, if there are any; see `write_rejects`. With `hashes`
    nobody comes back who was erased, and nothing of them is stored. `check_domains` is given the domains of the file,
    and returns for those that take no mail the reason why their rows are rejected.

    Raises TransferError when there is no statement, no header, or more than one list in the file, or when it ceases to
    be text, with nothing imported.
    """
    options = options or Options()
    wording = one_line(consent, len(consent))
    if not wording:
        raise TransferError(
            f"Say where the readers in {source} agreed to get this list, such as: paper forms, market day, May 2026."
        )
    reader = CsvReader(file, source, ADDRESS_COLUMNS, options.delimiter)
    layout = find_layout(reader.header, reader.first_line, source, named=options.columns, product=options.product)
    where = one_line(source, _SOURCE_LIMIT)
    statement = Statement(list_id, wording, where, now, options.update, options.suppress, hashes)
    known = _known_fields(transaction, layout)
    with Staging() as staging:
        _Reading(staging, layout, known, source).read(reader.records(layout.one_line), options.limit, progress)
        for domain, reason in check_domains(staging.domains()).items() if check_domains else ():
            staging.reject_domain(domain, reason)
        fates = _Storing(transaction, statement, options).store(staging, start or Position(), committed, progress)
        if rejects and staging.bad:
            file.seek(0)
            with rejects() as out:
                write_rejects(CsvReader(file, source, ADDRESS_COLUMNS, options.delimiter), layout, staging, out)
        return ImportReport(
            added=fates.added,
            already=fates.already,
            kept_out_left=fates.left,
            kept_out_suppressed=fates.suppressed,
            rejected=tuple(RejectedRow(*row) for row in staging.rejected(NAMED)),
            rejected_rows=staging.bad,
            recorded=fates.recorded,
            product=layout.product,
            kept_out_erased=fates.erased,
        )


def _known_fields(transaction: Transaction, layout: Layout) -> dict[str, ReaderField]:
    """Return the fields that the layout has columns for, by name. Raises UnknownField."""
    if not layout.fields:
        return {}
    with transaction() as session:
        return {slug: get_field(session, slug) for slug, _ in layout.fields}


@dataclass(frozen=True)
class _Reading:
    """Judges every row of a file and keeps it for later."""

    staging: Staging
    layout: Layout
    fields: Mapping[str, ReaderField]
    source: str

    def read(self, records: Iterator[Record], limit: int, progress: Callable[[Progress], None]) -> None:
        """Read all of the file, or `limit` rows."""
        lists: set[str] = set()
        records = islice(records, limit or None)
        read = 0
        # Rows are judged one by one: a record may be long, and is not kept.
        while judged := [self._judged(record, lists) for record in islice(records, _ROWS)]:
            self.staging.add(row for row in judged if isinstance(row, Row))
            self.staging.reject(row for row in judged if isinstance(row, Rejected))
            read += len(judged)
            progress(Progress(storing=False, done=read))

    def _judged(self, record: Record, lists: set[str]) -> Row | Rejected:
        if self.layout.mailing_list is not None:
            lists.update(filter(None, map(undo, record.cells[self.layout.mailing_list :][:1])))
            if len(lists) > 1:
                raise _several_lists(lists, self.source)
        row = judge(record, self.layout, self.fields)
        return self._rejected(record, row) if isinstance(row, str) else row

    def _rejected(self, record: Record, reason: str) -> Rejected:
        place = 0 if record.fault else self.layout.address
        shown = one_line(undo(record.cells[place])) if place < len(record.cells) else ""
        return Rejected(record.line, shown, reason)


def _several_lists(lists: Iterable[str], source: str) -> TransferError:
    """Return the error for a file of several lists: who left one of them would come back through another."""
    return TransferError(
        f"{source} holds several lists ({', '.join(sorted(lists))}). Import them one by one; "
        "`newsletter subscriber export FILE --list NAME` writes one alone."
    )


@dataclass(frozen=True)
class _Storing:
    """Stores readers, a batch in a transaction."""

    transaction: Transaction
    statement: Statement
    options: Options

    def store(
        self,
        staging: Staging,
        start: Position,
        committed: Callable[[Position], None],
        progress: Callable[[Progress], None],
    ) -> Fates:
        """Store everybody behind `start`, and return the fates of all."""
        position = start
        people = islice(staging.people(), start.done, None)
        for size, fates in self._stored(iter(lambda: list(islice(people, BATCH)), [])):
            position = Position(position.done + size, position.fates + fates)
            committed(position)
            progress(Progress(storing=True, done=position.done, total=staging.good))
        return position.fates

    def _stored(self, batches: Iterator[list[Row]]) -> Iterator[tuple[int, Fates]]:
        """Store the batches, `lanes` at a time, and yield the size of each and its fates, in their order."""
        if self.options.lanes == 1:
            yield from ((len(batch), self._store_one(batch)) for batch in batches)
            return
        waiting: deque[tuple[int, Future[Fates]]] = deque()
        with ThreadPoolExecutor(self.options.lanes) as pool:
            for batch in batches:
                waiting.append((len(batch), pool.submit(self._store_one, batch)))
                if len(waiting) > self.options.lanes:
                    size, stored = waiting.popleft()
                    yield size, stored.result()
            for size, stored in waiting:
                yield size, stored.result()

    def _store_one(self, batch: list[Row]) -> Fates:
        with self.transaction() as session, session.begin_nested() as savepoint:
            fates = store(session, self.statement, batch)
            if self.options.dry_run:
                savepoint.rollback()
        return fates
