"""What every source keeps. A test class derives from SourceContract and says how its feeds are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import pytest

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Item, Previous, Source
from newsletter.sources.http import Client
from tests.servers.http import LOOPBACK, FeedServer

PATH = "/news/source"


@dataclass(frozen=True)
class Entry:
    """An entry to be written into a feed. `address` may be relative or missing."""

    address: str = "/story"
    title: str = "A story"
    summary: str = "What it is about."
    published: datetime | None = datetime(2026, 11, 17, tzinfo=UTC)


def rss(entries: Sequence[Entry]) -> bytes:
    """Return the entries as RSS 2.0."""
    items = "".join(
        f"<item><title>{escape(entry.title)}</title><link>{escape(entry.address)}</link>"
        f"<description>{escape(escape(entry.summary))}</description>"
        f"{f'<pubDate>{format_datetime(entry.published)}</pubDate>' if entry.published else ''}</item>"
        for entry in entries
    )
    return f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()


def atom(entries: Sequence[Entry]) -> bytes:
    """Return the entries as Atom."""
    items = "".join(
        f"<entry><title>{escape(entry.title)}</title><link href='{escape(entry.address)}'/>"
        f"<summary>{escape(entry.summary)}</summary>"
        f"{f'<published>{entry.published.isoformat()}</published>' if entry.published else ''}</entry>"
        for entry in entries
    )
    return f"<feed xmlns='http://www.w3.org/2005/Atom'><title>News</title>{items}</feed>".encode()


def json_feed(entries: Sequence[Entry]) -> bytes:
    """Return the entries as a JSON Feed 1.1."""
    items = [
        {
            "id": str(number),
            "url": entry.address,
            "title": entry.title,
            "content_text": entry.summary,
            "date_published": entry.published.isoformat() if entry.published else None,
        }
        for number, entry in enumerate(entries)
    ]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items}).encode()


class SourceContract:
    """Run by deriving. The rules are those of `newsletter.sources` and docs/adding-a-source.md."""

    content_type = "application/octet-stream"

    def make(self, url: str, client: Client) -> Source:
        """Return the source that reads `url`."""
        raise NotImplementedError

    def written(self, entries: Sequence[Entry]) -> bytes:
        """Return a feed with these entries."""
        raise NotImplementedError

    @pytest.fixture
    def server(self) -> Iterator[FeedServer]:
        with FeedServer() as server:
            yield server

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls) -> Iterator[Client]:
        client = Client(timeout=20, max_bytes=500_000, user_agent="contract/1", private_networks=LOOPBACK)
        yield client
        client.close()

    def serve(self, server: FeedServer, *entries: Entry, etag: str = "", last_modified: str = "") -> None:
        server.serve(PATH, self.written(entries), self.content_type, etag=etag, last_modified=last_modified)

    def fetch(self, server: FeedServer, client: Client, previous: Previous | None = None) -> Fetched:
        return self.make(server.url(PATH), client).fetch(previous or Previous())

    def read(self, server: FeedServer, client: Client, entry: Entry) -> Item:
        self.serve(server, entry)
        (item,) = self.fetch(server, client).items
        return item

    def test_an_entry_comes_as_plain_values(self, server: FeedServer, client: Client) -> None:
        item = self.read(server, client, Entry(server.url("/ferry"), "Ferry reopens", "The first boat left."))
        assert (item.url, item.title, item.summary) == (server.url("/ferry"), "Ferry reopens", "The first boat left.")
        assert item.published_at == datetime(2026, 11, 17, tzinfo=UTC)
        assert item.published_at.tzinfo is not None

    def test_entries_keep_their_order(self, server: FeedServer, client: Client) -> None:
        self.serve(server, *(Entry(f"/{word}", word) for word in ("one", "two", "three")))
        assert [item.title for item in self.fetch(server, client).items] == ["one", "two", "three"]

    def test_a_feed_without_entries_is_no_error(self, server: FeedServer, client: Client) -> None:
        self.serve(server)
        assert self.fetch(server, client).items == ()

    def test_a_relative_address_becomes_absolute(self, server: FeedServer, client: Client) -> None:
        assert self.read(server, client, Entry("/ferry")).url == server.url("/ferry")

    def test_the_base_is_where_redirects_ended(self, server: FeedServer, client: Client) -> None:
        server.redirect("/old/place", PATH)
        self.serve(server, Entry("ferry"))
        (item,) = self.make(server.url("/old/place"), client).fetch(Previous()).items
        assert item.url == server.url("/news/ferry")

    def test_an_entry_without_a_date_has_none(self, server: FeedServer, client: Client) -> None:
        assert self.read(server, client, Entry(published=None)).published_at is None

    @pytest.mark.parametrize(
        "address", ["", "javascript:alert(1)", "mailto:desk@example.org", "https://u:p@example.org/"]
    )
    def test_an_entry_without_a_usable_address_is_left_out_with_a_sentence(
        self, server: FeedServer, client: Client, address: str
    ) -> None:
        self.serve(server, Entry(address, "No way to it"), Entry("/good"))
        fetched = self.fetch(server, client)
        assert [item.url for item in fetched.items] == [server.url("/good")]
        (problem,) = fetched.problems
        assert "No way to it" in problem

    def test_an_entry_without_a_title_is_left_out_with_a_sentence(self, server: FeedServer, client: Client) -> None:
        self.serve(server, Entry("/untitled", "", ""))
        fetched = self.fetch(server, client)
        assert fetched.items == ()
        assert len(fetched.problems) == 1

    @pytest.mark.parametrize(
        "title",
        [
            "=?UTF-8?Q?x=0D=0ABcc:_a@b.c?=",
            "Prices {{ 7*7 }} -unsub_url- %recipient%",
            "افتتاح الجسر الجديد",
            "Hochwasser & Bürger: 5 > 4",
        ],
    )
    def test_a_title_stays_what_it_says(self, server: FeedServer, client: Client, title: str) -> None:
        """Threats 1 and 3: the text is neither decoded nor filled in here; what puts it into a header guards that."""
        assert self.read(server, client, Entry(title=title)).title == title

    def test_text_is_one_clean_line(self, server: FeedServer, client: Client) -> None:
        item = self.read(server, client, Entry(title="A\u00a0 wide\u202e \u200btitle", summary="soft\u00adly  said"))
        assert (item.title, item.summary) == ("A wide title", "softly said")

    def test_what_has_not_changed_is_not_fetched_again(self, server: FeedServer, client: Client) -> None:
        self.serve(server, Entry(), etag='"v1"', last_modified="Tue, 17 Nov 2026 08:00:00 GMT")
        first = self.fetch(server, client)
        assert (first.etag, first.last_modified) == ('"v1"', "Tue, 17 Nov 2026 08:00:00 GMT")
        second = self.fetch(server, client, Previous(first.etag, first.last_modified))
        assert (second.not_modified, second.items) == (True, ())
        assert (second.etag, second.last_modified) == (first.etag, first.last_modified)

    def test_what_has_changed_is_fetched(self, server: FeedServer, client: Client) -> None:
        self.serve(server, Entry(title="Second"), etag='"v2"')
        fetched = self.fetch(server, client, Previous(etag='"v1"'))
        assert (fetched.not_modified, fetched.etag) == (False, '"v2"')
        assert fetched.items[0].title == "Second"

    @pytest.mark.parametrize(
        "name", ["not_xml", "plain_text", "empty", "missing", "broken", "redirect_loop", "fifty_megabytes", "cut_off"]
    )
    def test_a_broken_answer_is_a_sentence(self, server: FeedServer, client: Client, name: str) -> None:
        server.misbehave(PATH, name)
        with pytest.raises(FetchError) as caught:
            self.fetch(server, client)
        assert caught.value.sentence[0].isupper()
        assert caught.value.sentence.rstrip(")").endswith((".", "404", "500"))
        assert urlsplit(caught.value.url).hostname == "127.0.0.1"

    def test_a_damaged_feed_raises_nothing_else(self, server: FeedServer, client: Client) -> None:
        """Threat 6 and F12: cut and mangled feeds give what can be read, or a FetchError."""
        whole = self.written([Entry(f"/{number}", f"Story {number}") for number in range(3)])
        for place in range(0, len(whole), max(1, len(whole) // 25)):
            for damaged in (whole[:place], whole[:place] + b"\xff<\x00&#55296;{" + whole[place:]):
                server.serve(PATH, damaged or b"?", self.content_type)
                try:
                    fetched = self.fetch(server, client)
                except FetchError:
                    continue
                assert all(item.title and urlsplit(item.url).hostname for item in fetched.items)
