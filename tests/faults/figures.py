"""What a series of faults came to, as a line of the table that `python -m tests.faults` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tests.faults.judging import Judgement

_COLUMNS = ("fault", "what", "database", "cases", "readers", "accepted", "held", "lost", "duplicated", "silent")


@dataclass
class Figures:
    """One series. `cases` are kills, points, replies, races, as the fault has it; `held` counts those shown as such."""

    #: Its number in the fault matrix, such as F1.
    fault: str
    what: str
    database: str
    cases: int = 0
    readers: int = 0
    accepted: int = 0
    held: int = 0
    lost: int = 0
    duplicated: int = 0
    silent: int = 0
    seconds: float = 0.0
    #: What else was counted, by name.
    more: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, judged: Judgement, where: str = "") -> None:
        """Count one issue that was judged. Readers who still wait are a problem: it was to be finished."""
        self.readers += judged.readers
        self.accepted += judged.accepted
        self.held += judged.held
        self.lost += judged.lost
        self.duplicated += judged.duplicated
        self.silent += judged.silent
        self.problems += [f"{where}: {problem}" if where else problem for problem in judged.problems]
        if judged.open:
            self.problems.append(f"{where}: {judged.open} readers still wait")

    @property
    def is_sound(self) -> bool:
        """Whether everybody was accounted for, and every promise was kept."""
        return not (self.lost or self.duplicated or self.silent or self.problems)


def table(series: Sequence[Figures]) -> str:
    """Return the series as a table, with what else was counted at the end of each line."""
    rows = [_COLUMNS, *(tuple(str(getattr(one, column)) for column in _COLUMNS) for one in series)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    ends = ["", *(", ".join(f"{name} {count:g}" for name, count in one.more.items()) for one in series)]
    return "\n".join(f"{line}  {end}".rstrip() for line, end in zip(lines, ends, strict=True))


def as_json(series: Sequence[Figures]) -> str:
    """Return the series as JSON, one object each."""
    return json.dumps([asdict(one) for one in series], indent=2)
