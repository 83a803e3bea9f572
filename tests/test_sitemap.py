"""News sitemaps, and indexes that lead to them."""

from __future__ import annotations

import gzip
import json
import pickle
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.errors import FetchError
from newsletter.sources import Previous, load_source
from newsletter.sources.detect import Shape, shape_of
from newsletter.sources.entries import ENTRY_LIMIT
from newsletter.sources.http import Client
from newsletter.sources.net.answers import Answer
from newsletter.sources.sitemap import CHILD_LIMIT, Child, SitemapSource, newest_children, parse_sitemap
from tests.fetching import client, server
from tests.servers.http import FeedServer

__all__ = ["client", "server"]

SITEMAPS = Path(__file__).parent / "data" / "sitemaps"


def sitemap_files() -> list[Path]:
    return sorted(path for path in SITEMAPS.iterdir() if ".expected" not in path.name)


def answer(path: Path) -> Answer:
    return Answer(f"https://feeds.example/dir/{path.name}", path.read_bytes(), "text/xml")


def news(*stories: tuple[str, str], name: str = "Post") -> bytes:
    entries = "".join(
        f"<url><loc>{address}</loc><news:news><news:publication><news:name>{name}</news:name></news:publication>"
        f"<news:publication_date>2026-11-17</news:publication_date><news:title>{title}</news:title></news:news></url>"
        for address, title in stories
    )
    return f"<urlset xmlns:news='http://www.google.com/schemas/sitemap-news/0.9'>{entries}</urlset>".encode()


def index(*addresses: str) -> bytes:
    entries = "".join(f"<sitemap><loc>{address}</loc></sitemap>" for address in addresses)
    return f"<sitemapindex>{entries}</sitemapindex>".encode()


@pytest.mark.parametrize("path", sitemap_files(), ids=lambda path: path.name)
def test_a_sitemap_says_what_is_written_beside_it(path: Path) -> None:
    fetched = parse_sitemap(answer(path)).fetched
    items = [{name: value for name, value in asdict(item).items() if value} for item in fetched.items]
    content = {"title": fetched.title, "items": items, "problems": fetched.problems}
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(content, default=lambda value: value.isoformat())) == expected


@pytest.mark.parametrize("path", sitemap_files(), ids=lambda path: path.name)
def test_the_shape_of_a_sitemap_is_seen(path: Path) -> None:
    packed = Answer("https://feeds.example/sitemap.xml.gz", gzip.compress(path.read_bytes()), "application/x-gzip")
    assert shape_of(answer(path).body) is shape_of(packed.body) is Shape.SITEMAP
    assert parse_sitemap(packed).fetched.items == parse_sitemap(answer(path)).fetched.items
    assert pickle.loads(pickle.dumps(parse_sitemap(packed))) == parse_sitemap(packed)


def test_an_index_says_where_its_sitemaps_are() -> None:
    children = parse_sitemap(answer(SITEMAPS / "index.xml")).children
    assert [(child.url, child.modified_at and child.modified_at.date().isoformat()) for child in children] == [
        ("https://feeds.example/sitemap-2026-10.xml", "2026-11-01"),
        ("https://feeds.example/sitemap-2026-11.xml", "2026-11-17"),
        ("https://feeds.example/tags.xml", None),
    ]


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        # by their names
        (["/pages.xml", "/news.xml", "/tags.xml", "/google-news-2.xml"], ["/google-news-2.xml", "/news.xml"]),
        (["/a.xml", "/noticias.xml"], ["/noticias.xml"]),
        # by their dates
        (["/a.xml 2026-01-01", "/b.xml 2026-11-17", "/c.xml"], ["/b.xml", "/a.xml", "/c.xml"]),
        # by their numbers
        (["/2026-9.xml", "/2026-10.xml", "/2025-12.xml"], ["/2026-10.xml", "/2026-9.xml", "/2025-12.xml"]),
        # a word in the host says nothing about one of many
        (["/a.xml", "/a.xml"], ["/a.xml"]),
        ([f"/s{number}.xml" for number in range(9)], ["/s8.xml", "/s7.xml", "/s6.xml", "/s5.xml", "/s4.xml"]),
        ([], []),
    ],
    ids=range(7),
)
def test_the_sitemaps_worth_reading_are_chosen(listed: list[str], chosen: list[str]) -> None:
    children = []
    for line in listed:
        path, _, date = line.partition(" ")
        modified_at = datetime.fromisoformat(date).replace(tzinfo=UTC) if date else None
        children.append(Child(f"https://news.example{path}", modified_at))
    assert [child.url.removeprefix("https://news.example") for child in newest_children(children)] == chosen


def test_a_sitemap_is_fetched_and_not_again_when_unchanged(server: FeedServer, client: Client) -> None:
    server.serve("/news.xml", news((server.url("/1"), "One")), "text/xml", etag='"1"')
    source = load_source("sitemap", server.url("/news.xml"), client)
    first = source.fetch(Previous())
    assert [(item.url, item.title) for item in first.items] == [(server.url("/1"), "One")]
    assert source.fetch(Previous(first.etag)).not_modified


def test_the_sitemaps_of_an_index_are_read_together(server: FeedServer, client: Client) -> None:
    server.serve("/index.xml", index("/news-1.xml", "/gone-news.xml", "/news-2.xml.gz", "/pages.xml"), etag='"1"')
    server.serve("/news-1.xml", news((server.url("/1"), "One"), (server.url("/2"), "Two")))
    server.serve("/news-2.xml.gz", gzip.compress(news((server.url("/2"), "Two"), (server.url("/3"), "Three"))))
    fetched = SitemapSource(server.url("/index.xml"), client).fetch(Previous())
    assert sorted(item.title for item in fetched.items) == ["One", "Three", "Two"]
    assert (fetched.title, fetched.etag) == ("Post", "")
    (problem,) = fetched.problems
    assert "/gone-news.xml: There is nothing at this address" in problem
    assert "/pages.xml" not in {request.path for request in server.requests}


def test_an_index_of_thousands_costs_a_few_requests(server: FeedServer, client: Client) -> None:
    server.serve("/index.xml", index(*(f"/news-{number}.xml" for number in range(3_000))))
    for number in range(3_000 - CHILD_LIMIT, 3_000):
        server.serve(f"/news-{number}.xml", news(*((server.url(f"/{number}/{one}"), "A") for one in range(60))))
    fetched = SitemapSource(server.url("/index.xml"), client).fetch(Previous())
    assert len(server.requests) == 1 + CHILD_LIMIT
    assert len(fetched.items) == ENTRY_LIMIT
    assert "Of its 300 entries, only the newest 200 were kept." in fetched.problems


def test_an_index_within_an_index_is_not_followed(server: FeedServer, client: Client) -> None:
    """Threat 7: an index that names itself would go round for ever."""
    server.serve("/index.xml", index("/index.xml"))
    assert SitemapSource(server.url("/index.xml"), client).fetch(Previous()).items == ()
    assert len(server.requests) == 2


def test_an_index_of_nothing_that_can_be_read_is_an_error(server: FeedServer, client: Client) -> None:
    server.serve("/index.xml", index("/gone.xml", "/gone-too.xml"))
    with pytest.raises(FetchError, match="None of the sitemaps that it leads to can be read. The last:"):
        SitemapSource(server.url("/index.xml"), client).fetch(Previous())


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<rss version='2.0'><channel/></rss>", "This is an RSS or Atom feed, not a sitemap. Add the source with"),
        (b"<html><body>", "a web page, not a sitemap"),
        (b"<!DOCTYPE urlset [<!ENTITY a '&a;&a;'>]><urlset>&a;</urlset>", "It defines entities that grow"),
        (b"https://example.org/1\nhttps://example.org/2", "plain text, not a sitemap"),
    ],
    ids=range(4),
)
def test_what_is_no_sitemap_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(FetchError, match=re.escape(sentence)):
        parse_sitemap(Answer("https://example.org/sitemap.xml", body))
