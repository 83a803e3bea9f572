"""The flags beside the names of regions (R54): PNGs of 32 by 24 pixels, shown half as large.

They are drawn by scripts/flags.py from the package flag-icons, whose licence lies beside them (LICENSE, MIT).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

#: Codes that people write and ISO 3166-1 gives to nobody (exceptionally reserved).
_IN_USE = {"UK": "GB", "EL": "GR"}


def file_of(code: str) -> str:
    """Return the name of the file with a region's flag, such as "gb-sct.png" for GB-SCT; "" where there is none.

    Only codes in capitals are those of ISO 3166, with EU and XK; a newsroom's own (fen-north) have no flag, and neither
    have parts of a country that are known by its flag alone.
    """
    name = f"{_IN_USE.get(code, code).lower()}.png"
    return name if code.isupper() and name in _bodies() else ""


def body_of(file: str) -> bytes | None:
    """Return what is in a file that `file_of` names; None for any other name."""
    return _bodies().get(file)


def address_of(base_url: str, code: str) -> str:
    """Return where mails find a region's flag; "" where there is none."""
    file = file_of(code)
    return f"{base_url}/flags/{file}" if file else ""


@cache
def _bodies() -> dict[str, bytes]:
    """Return every flag by its file's name, about 110 KB together: no name from outside ever becomes a path."""
    return {entry.name: entry.read_bytes() for entry in files(__name__).iterdir() if entry.name.endswith(".png")}
