"""Break it, and count: python -m tests.faults --kills 1000 --recipients 20000

Each line is a fault of trust section 5 on one database; lost, duplicated and silent have to be 0. The exit code is 1
when they are not, or when another promise was broken; what it was is printed. SQLite is always tried, PostgreSQL where
TEST_POSTGRESQL_URL names a server.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from newsletter.testing.sendgrid import Naming
from tests.databases import SERVER_VARIABLE
from tests.faults import kills, outages, points, races, replies, stops
from tests.faults.figures import Figures, as_json, table
from tests.faults.modes import MODES
from tests.faults.newsroom import Template
from tests.faults.worker import apart

#: Readers of the issues of everything but F1.
_FEW = 200
#: Patterns of readers' addresses, and how many of 1,000 have it (F5).
BAD = {1: "r77@*", 5: "r[1-5]@*", 40: "r[1-4]?@*"}
Series = Callable[[], Figures]


class Everything:
    """The series of one database, each to be called."""

    def __init__(self, kind: str, server: str, folder: Path, options: argparse.Namespace) -> None:
        self.kind = kind
        self._server = server
        self._folder = folder / kind
        self._options = options
        self._stack = ExitStack()
        self._made = 0

    def __enter__(self) -> Everything:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def series(self, fault: str) -> Iterator[Series]:
        """Yield what there is to try of one fault, such as F1."""
        yield from getattr(self, f"_{fault.lower()}")()

    def _f1(self) -> Iterator[Series]:
        many, chunk = self._template(self._options.recipients), self._options.chunk
        for share, mode in enumerate(MODES):
            count = (self._options.kills + share) // len(MODES)
            yield lambda mode=mode, count=count: kills.kill_series(  # type: ignore[misc]
                mode, many, self._new(), kills=count, chunk=chunk, seed=self._options.seed
            )

    def _f2(self) -> Iterator[Series]:
        six = self._template(6)
        for plan in points.PLANS:
            yield lambda plan=plan: apart(points.every_point, plan.name, six, self._new())  # type: ignore[misc]

    def _f3(self) -> Iterator[Series]:
        few = self._template(_FEW)
        for names, sends in ((replies.WHOLE, self._options.sends), (replies.PARTIAL, self._options.sends // 10)):
            yield lambda names=names, sends=sends: replies.odd_answers(few, self._new(), names=names, sends=sends)  # type: ignore[misc]

    def _f4(self) -> Iterator[Series]:
        few = self._template(_FEW)
        for name in replies.STORMS:
            yield lambda name=name: replies.storm(few, self._new(), name)  # type: ignore[misc]
        yield lambda: replies.limited(few, self._new())

    def _f5(self) -> Iterator[Series]:
        thousand = self._template(1_000)
        for bad, pattern in BAD.items():
            for naming in Naming:
                yield lambda bad=bad, pattern=pattern, naming=naming: replies.bad_readers(  # type: ignore[misc]
                    thousand, self._new(), pattern=pattern, bad=bad, naming=naming
                )
        yield lambda: replies.too_large(thousand, self._new(), most=100)

    def _f7(self) -> Iterator[Series]:
        yield lambda: races.leaving_while_it_is_sent(self._template(2_000), self._new(), races=self._options.races)

    def _f9(self) -> Iterator[Series]:
        for name in outages.OF[self.kind]:
            yield lambda name=name: outages.outage(  # type: ignore[misc]
                name, self._template(_FEW), self._new(), times=self._options.outages
            )

    def _f11(self) -> Iterator[Series]:
        for name in stops.SLOW:
            count = self._options.stops // len(stops.SLOW)
            yield lambda name=name, count=count: stops.stopped(  # type: ignore[misc]
                name, self._template(_FEW), self._new(), stops=count
            )

    def _template(self, readers: int) -> Template:
        return self._stack.enter_context(Template(self.kind, self._new(), readers, server=self._server))

    def _new(self) -> Path:
        self._made += 1
        return self._folder / str(self._made)


FAULTS = ("F1", "F2", "F3", "F4", "F5", "F7", "F9", "F11")


def main() -> int:
    """Run what was asked for, print the figures, and return 1 when a promise was broken."""
    options = _parser().parse_args()
    server = os.environ.get(SERVER_VARIABLE, "")
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("sqlite", "postgresql") if server else ("sqlite",):
            with Everything(kind, server if kind == "postgresql" else "", Path(folder), options) as everything:
                for fault in options.only or FAULTS:
                    for series in everything.series(fault):
                        found.append(series())
                        print(table(found[-1:]).splitlines()[1], file=sys.stderr, flush=True)
    print(as_json(found) if options.json else table(found))
    broken = [f"{one.fault} {one.what}, {one.database}: {problem}" for one in found for problem in one.problems]
    print(*broken, sep="\n", end="\n" if broken else "", file=sys.stderr)
    return int(not all(one.is_sound for one in found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Break sendings, and count.")
    add = parser.add_argument
    add("--only", nargs="+", choices=FAULTS, metavar="F", help=f"only these: {', '.join(FAULTS)}")
    add("--kills", type=int, default=100, help="workers killed on each database, all modes together (F1)")
    add("--recipients", type=int, default=2_000, help="readers of an issue whose workers are killed")
    add("--chunk", type=int, default=500, help="readers a worker takes at a time then")
    add("--sends", type=int, default=10_000, help="requests to a provider that answers oddly (F3)")
    add("--races", type=int, default=10_000, help="readers who leave while it is sent (F7)")
    add("--outages", type=int, default=50, help="of the database, of each kind (F9)")
    add("--stops", type=int, default=500, help="workers that are asked to end (F11)")
    add("--seed", type=int, default=1, help="decides the moments")
    add("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
