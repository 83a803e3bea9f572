"""Cells that a spreadsheet would take for formulas: defused on the way out, as they were on the way in (threat 13)."""

from __future__ import annotations

import re

#: How such a cell begins (OWASP ASVS 1.2.10). Apostrophes before it count, so that taking one away gives the cell back.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\0|]")


def defuse(cell: str) -> str:
    """Return a cell that is no formula: with an apostrophe before it where it would be one."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def undo(cell: str) -> str:
    """Return a cell without spaces around it or the apostrophe that an export puts before a formula."""
    if "'" not in cell:
        return cell.strip()
    text = cell.strip(" ")
    if text.startswith("'") and _FORMULA.match(text):
        text = text[1:]
    return text.strip()
