"""Reading CSV that people made: unknown encoding and delimiter, broken rows. Knows nothing of subscribers.

A row with broken quoting must not swallow the rows after it, so quotes that stay open are followed for a
few lines only; then the first line is reported and reading goes on with the second.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from subscribers.errors import TransferError

#: The largest file that is read, in bytes: over a million readers with all that another product knows of them. More is
#: a mistake, or an attack (threat 14).
MAX_BYTES = 500_000_000
#: The longest line, in characters, and the most lines that one quoted cell may span.
MAX_LINE = 65_536
MAX_CELL_LINES = 20
#: What a file may be separated by, the likeliest first, and what each is called.
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}

_CHUNK = 1 << 20
#: Lines, and characters, that are read at once while nothing is wrong with them.
_LINES, _CHARACTERS = 500, 100_000
#: How files begin that are sent by mistake, and what they are.
_NOT_CSV = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"PK\x05\x06": "an empty ZIP archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database",
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: What is tried where the file does not say itself, and what each encoding is called.
_TRIED = ("utf-8", "cp1252")
_SPOKEN = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with a byte order mark", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
_SAVE_AS = "Save the table as CSV in UTF-8 and try again."


class Record(NamedTuple):
    """One row: the number of its first line, from 1, and its cells. A `fault` leaves the line as one cell.

    A tuple, since a million are made.
    """

    line: int
    cells: tuple[str, ...]
    fault: str = ""


@dataclass(frozen=True)
class CsvFile:
    """A file that is text: opened, for the caller to close, with its encoding, its bytes and their SHA-256 (hex)."""

    text: TextIO
    encoding: str
    size: int
    digest: str

    @property
    def spoken(self) -> str:
        """What the encoding is called: UTF-8, UTF-16, Windows-1252, or the name that was given."""
        return _SPOKEN.get(self.encoding, self.encoding)


def open_csv(path: Path, encoding: str = "") -> CsvFile:
    """Open a file that somebody made elsewhere, and find its encoding unless one is given.

    It is UTF-8, or UTF-16 where a byte order mark says so, or Windows-1252 when the bytes are not UTF-8, as older
    spreadsheets write. Raises TransferError when the file cannot be read, is too large, or is no text.
    """
    try:
        if not path.is_file():
            raise TransferError(f"There is no file {path}.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TransferError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB. Split it and import the parts.")
        found, digest = _judge(path, encoding)
        return CsvFile(path.open(encoding=found, newline=""), found, size, digest)
    except OSError as error:
        raise TransferError(f"{path} cannot be read: {error.strerror}.") from error


def _judge(path: Path, encoding: str) -> tuple[str, str]:
    """Return the encoding of a file, the one that is given or the first under which all of it is text, and its hash."""
    with path.open("rb") as file:
        candidates = [_known(encoding)] if encoding else _candidates(path, file.read(16))
        decoders = {name: codecs.getincrementaldecoder(name)() for name in candidates}
        digest = sha256()
        file.seek(0)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            decoders = {name: one for name, one in decoders.items() if _decodes(path, one, chunk)}
            if not decoders:
                break
    for name, decoder in decoders.items():
        if _decodes(path, decoder, b"", final=True):
            return name, digest.hexdigest()
    tried = " nor ".join(_SPOKEN.get(name, name) for name in candidates)
    raise TransferError(f"{path} is {'text in neither' if len(candidates) > 1 else 'no text in'} {tried}. {_SAVE_AS}")


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, UnicodeError) as error:
        raise TransferError(f"There is no encoding called {encoding}. Usual ones: utf-8, utf-16, cp1252.") from error


def _candidates(path: Path, start: bytes) -> Sequence[str]:
    for signature, kind in _NOT_CSV.items():
        if start.startswith(signature):
            raise TransferError(f"{path} is {kind}, not CSV. {_SAVE_AS}")
    if start.startswith(codecs.BOM_UTF8):
        return ("utf-8-sig",)
    return ("utf-16",) if start.startswith(_UTF16) else _TRIED


def _decodes(path: Path, decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    """Return whether the bytes are text; a NUL, which text has none of, ends it at once."""
    try:
        text = decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    if "\0" in text:
        raise TransferError(
            f"{path} holds NUL bytes, as no text does, but UTF-16 without a byte order mark. {_SAVE_AS}"
        )
    return True


class CsvReader:
    """The rows below a header, read one at a time. `header` has the names of the columns in lower case.

    `titles` has them as they are written, `delimiter` is the sign between cells.
    """

    def __init__(self, file: TextIO, name: str, wanted: Collection[str], delimiter: str = "") -> None:
        """Read the header of `file`, which errors call `name`.

        The delimiter, unless it is given, is the first under which a column has one of the `wanted` names, else the one
        that the header has most of. Raises TransferError when there is no header, or the file is not text.
        """
        self._lines = _Lines(file, name)
        first = "\n"
        while first and not first.strip():
            _, first = self._lines.next() or (0, "")
        self.first_line = _checked_header(first.removeprefix("\ufeff"), name)
        self.delimiter = delimiter or _find_delimiter(self.first_line, wanted)
        self.titles = tuple(cell.strip() for cell in _cells([self.first_line], self.delimiter) or ())
        self.header = tuple(title.lower() for title in self.titles)

    def records(self, one_line: Sequence[int]) -> Iterator[Record]:
        """Yield the rows in order, without blank ones. Cells of the `one_line` columns may not span lines."""
        while lines := self._lines.some():
            rows = _rows([text for _, text in lines], self.delimiter)
            if rows:
                for (number, _), row in zip(lines, rows, strict=True):
                    if any(map(str.strip, row)):
                        yield Record(number, tuple(row))
            else:
                yield from self._one_by_one(lines, one_line)

    def _one_by_one(self, lines: list[tuple[int, str]], one_line: Sequence[int]) -> Iterator[Record]:
        """Yield the rows that begin on these lines, of which one at least is broken or goes on on the next."""
        self._lines.give_back(lines)
        last = lines[-1][0]
        while (taken := self._lines.next()) is not None:
            record = self._record(taken, one_line)
            if record.fault or any(map(str.strip, record.cells)):
                yield record
            if self._lines.passed >= last:
                return

    def _record(self, first: tuple[int, str], one_line: Sequence[int]) -> Record:
        number, text = first
        if len(text) > MAX_LINE:
            return Record(number, (text,), f"the line is longer than {MAX_LINE:,} characters.")
        more: list[tuple[int, str]] = []
        lines = [text]
        cells = _cells(lines, self.delimiter)
        while cells is None and _quotes_open(lines) and (following := self._lines.next()):
            more.append(following)
            lines.append(following[1])
            cells = _cells(lines, self.delimiter)
        if cells is None or any("\n" in cell or "\r" in cell for cell in _at(cells, one_line)):
            self._lines.give_back(more)
            return Record(number, (text,), "its quotation marks do not match.")
        return Record(number, cells)


class _Lines(Iterator[tuple[int, str]]):
    """The physical lines of a file with their numbers, of which some can be handed back."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file = file
        self._name = name
        self._number = 0
        self._returned: deque[tuple[int, str]] = deque()

    @property
    def passed(self) -> int:
        """The number of the last line that was taken and not handed back."""
        return self._returned[0][0] - 1 if self._returned else self._number

    def next(self) -> tuple[int, str] | None:
        """Return the next line, or None at the end. A line too long is cut one character above the limit."""
        return next(self, None)

    def __next__(self) -> tuple[int, str]:
        if self._returned:
            return self._returned.popleft()
        try:
            text = self._file.readline(MAX_LINE + 1)
            if len(text) > MAX_LINE:
                self._skip_rest(text)
        except UnicodeDecodeError as error:
            raise TransferError(f"{self._name} is not text in {error.encoding}. {_SAVE_AS}") from error
        if not text:
            raise StopIteration
        self._number += 1
        return self._number, text

    def _skip_rest(self, rest: str) -> None:
        while len(rest) > MAX_LINE and not rest.endswith(("\n", "\r")):
            rest = self._file.readline(MAX_LINE + 1)

    def some(self) -> list[tuple[int, str]]:
        """Return the next few lines: fewer when they are long, since each may have as many cells as characters."""
        lines, room = [], _CHARACTERS
        for line in islice(self, _LINES):
            lines.append(line)
            room -= len(line[1])
            if room < 0:
                break
        return lines

    def give_back(self, lines: Sequence[tuple[int, str]]) -> None:
        self._returned.extendleft(reversed(lines))


def _checked_header(line: str, name: str) -> str:
    if not line:
        raise TransferError(f"{name} is empty. Its first line must name the columns, one of them `email`.")
    if "\0" in line or line.startswith("PK\x03\x04") or len(line) > MAX_LINE:
        raise TransferError(f"{name} is not CSV. {_SAVE_AS}")
    return line


def _find_delimiter(line: str, wanted: Collection[str]) -> str:
    for delimiter in DELIMITERS:
        if any(cell.strip().lower() in wanted for cell in _cells([line], delimiter) or ()):
            return delimiter
    return max(DELIMITERS, key=lambda delimiter: len(_cells([line], delimiter) or ()))


def _rows(lines: list[str], delimiter: str) -> list[list[str]] | None:
    """Return the rows of lines of which each is a row of its own, or None when one is not."""
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True))
    except (csv.Error, ValueError):
        return None
    # A row that goes on on the next line leaves fewer rows than lines.
    return rows if len(rows) == len(lines) and max(map(len, lines)) <= MAX_LINE else None


def _cells(lines: Sequence[str], delimiter: str) -> tuple[str, ...] | None:
    """Return the cells of the one row in `lines`, or None when quotation marks are open or misplaced."""
    try:
        (row,) = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        return None
    return tuple(row)


def _quotes_open(lines: Sequence[str]) -> bool:
    """Return whether another line may complete the row. Quotation marks come in pairs, doubled ones too."""
    return len(lines) < MAX_CELL_LINES and sum(line.count('"') for line in lines) % 2 == 1


def _at(cells: Sequence[str], columns: Sequence[int]) -> list[str]:
    return [cells[column] for column in columns if column < len(cells)]
