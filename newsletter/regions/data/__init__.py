"""The tables of names: plain text that a person can read and extend. Each file's head says what its lines mean."""

from __future__ import annotations

from importlib.resources import files


def read_sections(name: str) -> dict[str, list[str]]:
    """Return the lines of a data file under the [section] they follow, "" for those that stand before the first.

    Blank lines and comments (#) are left out.
    """
    sections: dict[str, list[str]] = {}
    section = ""
    for raw in files(__name__).joinpath(name).read_text(encoding="utf-8").splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line[1 : line.index("]")]
        elif line and not line.startswith("#"):
            sections.setdefault(section, []).append(line)
    return sections
