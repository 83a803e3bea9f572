"""The rows of a file that were not imported, with their reasons, to be mended and imported."""

from __future__ import annotations

import csv
from typing import TextIO

from subscribers.csvfile import CsvReader
from subscribers.transfer.formulas import defuse
from subscribers.transfer.layout import REJECT_COLUMNS, Layout
from subscribers.transfer.staging import Staging


def write_rejects(reader: CsvReader, layout: Layout, staging: Staging, out: TextIO) -> None:
    """Write every rejected row as CSV: its line and the reason, then its own columns as they are in the file.

    `reader` stands at the beginning of the same file again. Formulas are defused. A mended row can be imported from
    here: an import passes over `line` and `reason`.
    """
    again = len(REJECT_COLUMNS) if reader.header[: len(REJECT_COLUMNS)] == REJECT_COLUMNS else 0
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow((*REJECT_COLUMNS, *map(defuse, reader.titles[again:])))
    reasons = staging.rejected()
    wanted = next(reasons, None)
    for record in reader.records(layout.one_line):
        if wanted is None:
            return
        if record.line == wanted.line:
            cells = [record.cells[0].rstrip("\r\n")] if record.fault else record.cells[again:]
            writer.writerow((record.line, wanted.reason, *map(_defused, cells)))
            wanted = next(reasons, None)


def _defused(cell: str) -> str:
    """Return a cell that means the same to an import: one apostrophe is taken away there, and one may be there."""
    return cell if cell.startswith("'") else defuse(cell)
