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
from pathlib import Path
from typing import TextIO

from subscribers.errors import TransferError

#: The largest file that is read, in bytes: some four million readers. More is a mistake, or an attack
#: (threat 14).
MAX_BYTES = 200_000_000
#: The longest line, in characters, and the most lines that one quoted cell may span.
MAX_LINE = 65_536
MAX_CELL_LINES = 20

_CHUNK = 1 << 20
_DELIMITERS = (",", ";", "\t")
#: How files begin that are sent by mistake, and what they are.
_NOT_CSV = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x1f\x8b": "a gzip archive",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"%PDF": "a PDF",
}
#: The bytes that stand for nothing in Windows-1252.
_NOT_CP1252 = b"\x81\x8d\x8f\x90\x9d"
_SAVE_AS = "Save the table as CSV in UTF-8 and try again."


@dataclass(frozen=True)
class Record:
    """One row: the number of its first line, from 1, and its cells. A `fault` leaves the line as one cell."""

    line: int
    cells: tuple[str, ...]
    fault: str = ""


def open_csv(path: Path) -> tuple[TextIO, str]:
    """Open a file that somebody made elsewhere; return it, for the caller to close, and its encoding.

    The encoding is `utf-8-sig`, or `cp1252` when the bytes are not UTF-8, as older spreadsheets write. Raises
    TransferError when the file cannot be read, is too large, or is no text in either.
    """
    try:
        if not path.is_file():
            raise TransferError(f"There is no file {path}.")
        if path.stat().st_size > MAX_BYTES:
            raise TransferError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB. Split it and import the parts.")
        encoding = _encoding(path)
        return path.open(encoding=encoding, newline=""), encoding
    except OSError as error:
        raise TransferError(f"{path} cannot be read: {error.strerror}.") from error


def _encoding(path: Path) -> str:
    utf8 = codecs.getincrementaldecoder("utf-8")()
    is_utf8 = is_cp1252 = True
    with path.open("rb") as file:
        start = file.read(4)
        for signature, kind in _NOT_CSV.items():
            if start.startswith(signature):
                raise TransferError(f"{path} is {kind}, not CSV. {_SAVE_AS}")
        file.seek(0)
        while chunk := file.read(_CHUNK):
            if b"\0" in chunk:
                raise TransferError(f"{path} holds NUL bytes, so it is no text. {_SAVE_AS}")
            is_utf8 = is_utf8 and _decodes(utf8, chunk)
            is_cp1252 = is_cp1252 and not any(byte in chunk for byte in _NOT_CP1252)
    if is_utf8 and _decodes(utf8, b"", final=True):
        return "utf-8-sig"
    if is_cp1252:
        return "cp1252"
    raise TransferError(f"{path} is text in neither UTF-8 nor Windows-1252. {_SAVE_AS}")


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


class CsvReader:
    """The rows below a header, read one at a time. `header` has the names of the columns in lower case."""

    def __init__(self, file: TextIO, name: str, wanted: Collection[str]) -> None:
        """Read the header of `file`, which errors call `name`.

        The delimiter is the one under which a column has one of the `wanted` names. Raises TransferError when
        there is none, or the file is not text.
        """
        self._lines = _Lines(file, name)
        first = "\n"
        while first and not first.strip():
            _, first = self._lines.next() or (0, "")
        self.header, self._delimiter = _read_header(first.removeprefix("\ufeff"), name, wanted)

    def records(self, one_line: Sequence[int]) -> Iterator[Record]:
        """Yield the rows in order, without blank ones. Cells of the `one_line` columns may not span lines."""
        while taken := self._lines.next():
            record = self._record(taken, one_line)
            if record.fault or any(cell.strip() for cell in record.cells):
                yield record

    def _record(self, first: tuple[int, str], one_line: Sequence[int]) -> Record:
        number, text = first
        if len(text) > MAX_LINE:
            return Record(number, (text,), f"the line is longer than {MAX_LINE:,} characters.")
        more: list[tuple[int, str]] = []
        lines = [text]
        cells = _cells(lines, self._delimiter)
        while cells is None and _quotes_open(lines) and (following := self._lines.next()):
            more.append(following)
            lines.append(following[1])
            cells = _cells(lines, self._delimiter)
        if cells is None or any("\n" in cell or "\r" in cell for cell in _at(cells, one_line)):
            self._lines.give_back(more)
            return Record(number, (text,), "its quotation marks do not match.")
        return Record(number, cells)


class _Lines:
    """The physical lines of a file with their numbers, of which some can be handed back."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file = file
        self._name = name
        self._number = 0
        self._returned: deque[tuple[int, str]] = deque()

    def next(self) -> tuple[int, str] | None:
        """Return the next line, or None at the end. A line too long is cut one character above the limit."""
        if self._returned:
            return self._returned.popleft()
        try:
            text = self._file.readline(MAX_LINE + 1)
            rest = text
            while len(rest) > MAX_LINE and not rest.endswith(("\n", "\r")):
                rest = self._file.readline(MAX_LINE + 1)
        except UnicodeDecodeError as error:
            raise TransferError(f"{self._name} is not text in {error.encoding}. {_SAVE_AS}") from error
        self._number += 1
        return (self._number, text) if text else None

    def give_back(self, lines: Sequence[tuple[int, str]]) -> None:
        self._returned.extendleft(reversed(lines))


def _read_header(line: str, name: str, wanted: Collection[str]) -> tuple[tuple[str, ...], str]:
    if not line:
        raise TransferError(f"{name} is empty. Its first line must name the columns, one of them `email`.")
    if "\0" in line or line.startswith("PK\x03\x04") or len(line) > MAX_LINE:
        raise TransferError(f"{name} is not CSV. {_SAVE_AS}")
    for delimiter in _DELIMITERS:
        header = tuple(cell.strip().lower() for cell in _cells([line], delimiter) or ())
        if any(column in wanted for column in header):
            return header, delimiter
    shown = line.strip()[:80]
    raise TransferError(
        f"{name} has no column called `email`; its first line is {shown!r}. "
        "Make the first line name the columns, such as: email,name"
    )


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
