"""A million readers in and out: `python -m bench.readers`, or with `--json` for scripts.

    python -m bench.readers [--rows 1000000] [--json]

The file is like one that another product wrote: names in many scripts, 0.2 % of the addresses unusual, some rows
broken, some people suppressed here, some who had left and some who were erased, so that every address is hashed to
find those. PostgreSQL is measured where TEST_POSTGRESQL_URL names a server. Each part runs in a process of its own, so
that memory is its alone. Times are for comparing on one machine, never for a test.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text

from newsletter.db import Database
from subscribers.csvfile import open_csv
from subscribers.hashes import KeyedHash
from subscribers.models import MailingList, SuppressionReason
from subscribers.segments import count
from subscribers.suppression import suppress
from subscribers.transfer import Options, export_csv, import_csv

_MILLION = 1_000_000
_NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)
#: Of 1,000 rows: addresses that need a closer look, and rows that are nobody's; of 10,000: who stays out either way.
_UNUSUAL, _BROKEN, _OUT = 0.002, 0.001, 0.0002
#: How the addresses begin of those who stay out.
_LEFT, _SUPPRESSED, _ERASED = _WORDS = ("left", "suppressed", "erased")
_HASHES = KeyedHash(["a secret of the benchmark"])
_FIRST = ["Ada", "Björk", "Chloé", "Дарина", "Ελένη", "فاطمة", "小雨", "Jürgen", "Łukasz", "Mary", "Олександр"]
_LAST = ["Sample", "O'Hara", "Müller", "Коваленко", "Παππάς", "الحسن", "山田", "Świątek", "Nguyễn", "Smith", "García"]
_SEGMENT = "list:weekly state:confirmed"
Figures = dict[str, float]


@dataclass(frozen=True)
class Target:
    """What a figure is to be at most, and what it counts, in words."""

    value: float
    words: str


#: Issue 6, point 7.
TARGETS = {
    "import_1m_s_sqlite": Target(45, "seconds to import a million rows on SQLite, consent rows among it"),
    "import_1m_s_postgresql": Target(45, "seconds to import a million rows on PostgreSQL"),
    "segment_1m_s": Target(1, "seconds to count a segment of a million readers, on SQLite"),
    "export_1m_s": Target(20, "seconds to export a million readers, from SQLite"),
    "peak_mb": Target(200, "megabytes that the largest of these processes took"),
}


def make_file(path: Path, rows: int) -> None:
    """Write a file of so many rows; the same each time."""
    chance = random.Random(6)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("Email", "Name"))
        for number in range(rows):
            writer.writerow((_address(chance, number), f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"))


def _address(chance: random.Random, number: int) -> str:
    drawn = chance.random()
    if drawn < _UNUSUAL:
        return f"o'reader{number}@bücher{number % 9}.example"
    if drawn < _UNUSUAL + _BROKEN:
        return f"no reader {number}"
    for place, word in enumerate(_WORDS, 1):
        if drawn < _UNUSUAL + _BROKEN + place * _OUT:
            return f"{word}{number}@example.org"
    return f"{chance.getrandbits(32):08x}.reader{number}@example{number % 50}.org"


def prepare(url: str, source: Path) -> None:
    """Make the database, with a list and those of the file who left it, are suppressed or were erased."""
    db = Database(url)
    db.upgrade()
    with db.transaction() as session, source.open(encoding="utf-8") as file:
        weekly = MailingList(slug="weekly", name="Weekly", created_at=_NOW)
        session.add(weekly)
        session.flush()
        out = [line.partition(",")[0] for line in file if line.startswith(_WORDS)]
        left = "".join(f"{address},left\n" for address in out if address.startswith(_LEFT))
        for address in out:
            if address.startswith(_SUPPRESSED):
                suppress(session, address, SuppressionReason.MANUAL, "bench", _NOW)
            elif address.startswith(_ERASED):
                suppress(session, _HASHES.of(address), SuppressionReason.ERASED, "", _NOW)
        list_id = weekly.id
    path = source.with_name("left.csv")
    path.write_text(f"email,state\n{left}", encoding="utf-8")
    _import(db, path, list_id, Options(suppress=True))
    db.close()


def measure(part: str, url: str, source: Path) -> Figures:
    """Do one part in this process, and return its seconds and its memory."""
    db = Database(url)
    with db.reading() as session:
        list_id = session.connection().execute(text("SELECT id FROM mailing_list")).scalar_one()
    started = time.perf_counter()
    if part == "import":
        rows = _import(db, source, list_id, Options(lanes=1 if db.is_sqlite else 2))
    else:
        with db.reading() as session:
            if part == "export":
                with source.with_name("out.csv").open("w", encoding="utf-8", newline="") as out:
                    rows = export_csv(session, list_id, out)
            else:
                rows = count(session, _SEGMENT, now=_NOW)
    found = {"seconds": time.perf_counter() - started, "rows": float(rows), "peak_mb": _peak_mb()}
    db.close()
    return found


def _import(db: Database, source: Path, list_id: int, options: Options) -> int:
    """Import a file and return how many rows it has."""
    opened = open_csv(source)
    with opened.text:
        report = import_csv(
            db.transaction,
            opened.text,
            list_id=list_id,
            consent="Paper forms, market day, May 2026",
            source=source.name,
            now=_NOW,
            options=options,
            hashes=_HASHES,
        )
    out = report.kept_out_left + report.kept_out_suppressed + report.kept_out_erased
    return report.added + report.already + out + report.rejected_rows


def _apart(part: str, url: str, source: Path) -> Figures:
    command = [sys.executable, "-m", "bench.readers", "--part", part, "--url", url, "--file", str(source)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    found: Figures = json.loads(done.stdout)
    return found


def _peak_mb() -> float:
    """Return the megabytes that this process had at most (Linux), as bench/sending.py does."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


@contextmanager
def _postgresql() -> Iterator[str]:
    """Yield the URL of an empty database on the server of TEST_POSTGRESQL_URL; "" where there is none."""
    server = os.environ.get("TEST_POSTGRESQL_URL")
    if not server:
        yield ""
        return
    name = f"bench_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def measured(rows: int) -> Figures:
    """Return every figure; the seconds are scaled to a million rows."""
    found: Figures = {}
    scale = _MILLION / rows
    with TemporaryDirectory() as folder, _postgresql() as postgresql:
        source = Path(folder) / "readers.csv"
        make_file(source, rows)
        sqlite = f"sqlite:///{Path(folder) / 'newsletter.db'}"
        parts = [("import", sqlite, "import_1m_s_sqlite"), ("segment", sqlite, "segment_1m_s")]
        parts += [("export", sqlite, "export_1m_s"), ("import", postgresql, "import_1m_s_postgresql")]
        for part, url, name in parts:
            if not url:
                continue
            if part == "import":
                prepare(url, source)
            one = _apart(part, url, source)
            found[name] = one["seconds"] * scale
            found["peak_mb"] = max(found.get("peak_mb", 0), one["peak_mb"])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=_MILLION)
    parser.add_argument("--json", action="store_true")
    for internal in ("--part", "--url", "--file"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measure(options.part, options.url, Path(options.file))))
        return
    found = measured(options.rows)
    if options.json:
        print(json.dumps(found))
        return
    for name, target in TARGETS.items():
        if name in found:
            reached = "reached" if found[name] <= target.value else "not reached"
            print(f"{name:24} {found[name]:8.1f}  at most {target.value:g}: {reached}  ({target.words})")


if __name__ == "__main__":
    main()
