"""Readers in and out as files, in a stream.

An import opens short transactions of its own, an export reads in the caller's session.
"""

from __future__ import annotations

from subscribers.transfer.bookmark import Bookmark
from subscribers.transfer.exporting import EXPORT_COLUMNS, export_csv, export_json_lines
from subscribers.transfer.importing import (
    ImportReport,
    Options,
    Position,
    Progress,
    RejectedRow,
    Transaction,
    import_csv,
)
from subscribers.transfer.layout import ADDRESS_COLUMNS, Layout, NoAddresses, find_layout

__all__ = [
    "ADDRESS_COLUMNS",
    "EXPORT_COLUMNS",
    "Bookmark",
    "ImportReport",
    "Layout",
    "NoAddresses",
    "Options",
    "Position",
    "Progress",
    "RejectedRow",
    "Transaction",
    "export_csv",
    "export_json_lines",
    "find_layout",
    "import_csv",
]
