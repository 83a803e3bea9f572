"""Feeds for `bench/gather.py`, served by a process of their own, so that serving is not in the figures.

    python bench/served.py --feeds 200 --stories 50

It prints its port and serves until its input ends. Feed N is at /feed/N and answers 304 to whoever has its ETag.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bench.grouping import week
from tests.servers.http import FeedServer

NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)

PLACES = (
    *("Kharkiv", "Lviv", "Odesa", "Poltava", "Hamburg", "Bremen", "Kassel", "Munich", "Lyon", "Rennes", "Brest"),
    *("Nantes", "Glasgow", "Dundee", "Leeds", "Ely", "March", "Gdansk", "Krakow", "Vilnius", "Riga", "Tartu", "Boston"),
    *("Denver", "Atlanta", "Tbilisi", "Amman", "Niamey", "Accra"),
)


def stories(count: int) -> list[tuple[str, str]]:
    """Return headlines and summaries: a made-up week whose words are as skewed as a language's, with places in it."""
    return [
        (f"{piece.title} in {PLACES[piece.id // 7 % len(PLACES)]}", f"{piece.summary} {piece.title.lower()}.")
        for piece in week(count)
    ]


def rss(feed: int, texts: Sequence[tuple[str, str]]) -> bytes:
    """Return feed number `feed` with these stories."""
    items = "".join(_item(feed, number, *text) for number, text in enumerate(texts))
    return f"<rss version='2.0'><channel><title>Outlet {feed}</title>{items}</channel></rss>".encode()


def _item(feed: int, number: int, headline: str, summary: str) -> str:
    date = NOW - timedelta(minutes=(feed * 37 + number * 211) % 9_000)
    return (
        f"<item><title>{headline}</title><link>https://news{feed}.example/{number}?utm_source=rss</link>"
        f"<pubDate>{date:%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
        f"<description><![CDATA[<p>{summary}</p><p>Said the <b>mayor</b> &amp; others.</p>]]></description></item>"
    )


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve feeds on loopback.")
    parser.add_argument("--feeds", type=int, required=True)
    parser.add_argument("--stories", type=int, required=True, help="in each feed")
    options = parser.parse_args()
    texts = stories(options.feeds * options.stories)
    with FeedServer() as server:
        for feed in range(options.feeds):
            body = rss(feed, texts[feed * options.stories : (feed + 1) * options.stories])
            server.serve(f"/feed/{feed}", body, "application/rss+xml", etag=f'"{feed}"')
        print(server.url(""), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
