"""How long gathering takes: feeds on loopback, once when everything is new and once when nothing has changed.

    python bench/gather.py [--feeds 200] [--stories 50] [--index 20000] [--runs 3] [--json]

`cold_s` is a gathering into an empty database, `unchanged_s` one after it: all feeds answer 304. Of the cold one,
`reading_s` is fetching, parsing and storing, `tagging_s` the regions and `coverage_s` finding the same events.
`group_tag_20000_s` is tagging and grouping of 20,000 stories without a database. `peak_mb` is the largest resident size
of the gathering process, with that of its parsers beside it. Figures are medians; times are wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.served import NOW, PLACES, stories
from newsletter.coverage import Piece, group
from newsletter.db import Database
from newsletter.gather import gather, indexing
from newsletter.models import Region, Source
from newsletter.regions import About, Gazetteer, RegionWords
from newsletter.sources import load_source
from newsletter.sources.http import Client

THREADS = 8
LOOPBACK = ("127.0.0.0/8",)
#: Ten regions as a newsroom has them: countries and their parts that the gazetteer knows, and two of its own.
REGIONS = (
    ("UA", "Ukraine", ()),
    ("DE", "Germany", ()),
    ("FR", "France", ()),
    ("GB-SCT", "Scotland", ()),
    ("PL", "Poland", ()),
    ("GE", "Georgia", ()),
    ("US", "United States", ()),
    ("LT", "Lithuania", ()),
    ("fen", "The Fens", ("Ely", "March")),
    ("coast", "The coast", PLACES[3:8]),
)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure gathering.")
    parser.add_argument("--feeds", type=int, default=200)
    parser.add_argument("--stories", type=int, default=50, help="in each feed")
    parser.add_argument("--index", type=int, default=20_000, help="stories to tag and group without a database")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    runs = [measure(options.feeds, options.stories, options.index) for _ in range(options.runs)]
    figures = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
    figures["cold_per_unchanged"] = round(figures["cold_s"] / figures["unchanged_s"], 1)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.feeds} feeds of {options.stories} stories, SQLite, {THREADS} threads; medians of {options.runs}")
    for name, value in figures.items():
        print(f"  {name:<20} {value:>10,}")


def measure(feeds: int, each: int, index: int) -> dict[str, float]:
    """Return the figures of one run."""
    figures = index_figures(index)
    with tempfile.TemporaryDirectory() as folder, _served(feeds, each) as origin:
        db = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        db.upgrade()
        _fill(db, origin, feeds)
        client = Client(timeout=20, max_bytes=10_000_000, user_agent="Newsletter/bench", private_networks=LOOPBACK)
        try:
            cold_s, new, parts = _timed(db, client)
            unchanged_s, again, _ = _timed(db, client)
            parser_peak_mb = _parser_peak_mb()
        finally:
            client.close()
            db.close()
    if (new, again) != (feeds * each, 0):
        raise SystemExit(f"expected {feeds * each} new stories and then none, got {new} and {again}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cold_s": cold_s,
        **parts,
        "unchanged_s": unchanged_s,
        **figures,
        "stories": new,
        "peak_mb": round(peak_mb),
        "parser_peak_mb": parser_peak_mb,
    }


def _parser_peak_mb() -> int:
    """Return the largest resident size of a parser. The system's own account of children begins with their parent's."""
    peaks = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            command = status.with_name("cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        if facts.get("PPid", "").strip() == str(os.getpid()) and b"newsletter.sources.net.child" in command:
            peaks.append(int(facts["VmHWM"].split()[0]) // 1024)
    return max(peaks)


def index_figures(count: int) -> dict[str, float]:
    """Return the seconds that tagging and grouping `count` stories take, making the gazetteer included."""
    texts = stories(count)
    pieces = [
        Piece(number, *text, str(number % 200), NOW - timedelta(minutes=number % 9_000), "en")
        for number, text in enumerate(texts)
    ]
    start = time.perf_counter()
    gazetteer = Gazetteer.of([RegionWords(code, name, words) for code, name, words in REGIONS])
    made = time.perf_counter()
    for text in texts:
        gazetteer.tag(About(*text, "en"))
    tagged = time.perf_counter()
    group(pieces)
    end = time.perf_counter()
    return {
        "gazetteer_s": made - start,
        f"tag_{count}_s": tagged - made,
        f"group_{count}_s": end - tagged,
        f"group_tag_{count}_s": end - start,
    }


def _timed(db: Database, client: Client) -> tuple[float, int, dict[str, float]]:
    """Return the seconds of one gathering, how many stories were new, and where the time went."""
    spent = {"tagging_s": 0.0, "coverage_s": 0.0}
    with _watched("_tag_batch", "tagging_s", spent), _watched("_group", "coverage_s", spent):
        start = time.perf_counter()
        reports = gather(db, partial(load_source, client=client), clock=lambda: NOW, threads=THREADS)
        seconds = time.perf_counter() - start
    failed = [report.error for report in reports if report.error]
    if failed:
        raise SystemExit(failed[0])
    reading = {"reading_s": seconds - sum(spent.values())}
    return seconds, sum(report.new for report in reports), reading | spent


@contextmanager
def _watched(name: str, figure: str, spent: dict[str, float]) -> Iterator[None]:
    """Add the seconds that a step of indexing takes to `spent`."""
    step = getattr(indexing, name)

    def timed(*arguments: object) -> object:
        start = time.perf_counter()
        try:
            return step(*arguments)
        finally:
            spent[figure] += time.perf_counter() - start

    setattr(indexing, name, timed)
    try:
        yield
    finally:
        setattr(indexing, name, step)


@contextmanager
def _served(feeds: int, each: int) -> Iterator[str]:
    """Serve the feeds from another process and yield their origin."""
    command = [sys.executable, "-m", "bench.served", "--feeds", str(feeds), "--stories", str(each)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if server.stdin is None or server.stdout is None:
            raise SystemExit("the server of the feeds has no pipes")
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


def _fill(db: Database, origin: str, feeds: int) -> None:
    """Note the regions, and the feeds as sources."""
    with db.transaction() as session:
        for code, name, words in REGIONS:
            session.add(Region(code=code, name=name, words=list(words)))
        for feed in range(feeds):
            session.add(Source(slug=f"feed-{feed:04}", name=f"Outlet {feed}", kind="feed", url=f"{origin}/feed/{feed}"))


if __name__ == "__main__":
    main()
