"""How long gathering takes: feeds on loopback, once when everything is new and once when nothing has changed.

    python bench/gather.py [--feeds 50] [--stories 30] [--json]

The feeds are served by a thread of the same process, so its share is in the figures.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from newsletter.db import Database
from newsletter.gather import gather
from newsletter.models import Region, Source
from newsletter.sources import load_source
from newsletter.sources.http import Client
from tests.servers.http import FeedServer

NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)
THREADS = 8


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure gathering.")
    parser.add_argument("--feeds", type=int, default=50)
    parser.add_argument("--stories", type=int, default=30, help="in each feed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    figures = measure(options.feeds, options.stories)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{options.feeds} feeds of {options.stories} stories, SQLite, {THREADS} threads")
    for name, value in figures.items():
        print(f"  {name:<12} {value:>10,}")


def measure(feeds: int, stories: int) -> dict[str, float]:
    """Return seconds of a cold and of an unchanged gathering, how many stories came, and the peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder, FeedServer() as server:
        db = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        db.upgrade()
        _fill(db, server, feeds, stories)
        client = Client(timeout=20, max_bytes=10_000_000, user_agent="Newsletter/bench")
        try:
            cold_s, new = _timed(db, client)
            unchanged_s, again = _timed(db, client)
        finally:
            client.close()
            db.close()
    if (new, again) != (feeds * stories, 0):
        raise SystemExit(f"expected {feeds * stories} new stories and then none, got {new} and {again}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cold_s": cold_s, "unchanged_s": unchanged_s, "stories": new, "peak_mb": round(peak_mb)}


def _timed(db: Database, client: Client) -> tuple[float, int]:
    """Return the seconds of one gathering and how many stories were new."""
    start = time.perf_counter()
    reports = gather(db, partial(load_source, client=client), clock=lambda: NOW, threads=THREADS)
    seconds = round(time.perf_counter() - start, 3)
    failed = [report.error for report in reports if report.error]
    if failed:
        raise SystemExit(failed[0])
    return seconds, sum(report.new for report in reports)


def _fill(db: Database, server: FeedServer, feeds: int, stories: int) -> None:
    """Publish feeds and note them as sources, with ten regions whose words the stories name now and then."""
    with db.transaction() as session:
        for n in range(10):
            session.add(Region(code=f"R{n}", name=f"Region {n}", words=[f"Town{n}{k}" for k in range(20)]))
        for feed in range(feeds):
            path = f"/feed/{feed}"
            server.serve(path, _rss(feed, stories), "application/rss+xml", etag=f'"{feed}"')
            session.add(Source(slug=f"feed-{feed:04}", name=f"Feed {feed}", kind="feed", url=server.url(path)))


def _rss(feed: int, stories: int) -> bytes:
    items = "".join(_item(feed, number) for number in range(stories))
    return f"<rss version='2.0'><channel><title>Feed {feed}</title>{items}</channel></rss>".encode()


def _item(feed: int, number: int) -> str:
    date = NOW - timedelta(hours=number)
    town = f"Town{number % 10}{feed % 20}"
    text = f"<p>The <b>council</b> of {town} met again &amp; voted on plan {number}.</p>" * 5
    return (
        f"<item><title>Story {number} of feed {feed}</title>"
        f"<link>https://news{feed}.example/story/{number}?utm_source=rss</link>"
        f"<pubDate>{date:%a, %d %b %Y %H:%M:%S} GMT</pubDate><description><![CDATA[{text}]]></description></item>"
    )


if __name__ == "__main__":
    main()
