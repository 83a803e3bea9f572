"""Threats 6, 7 and 8: documents and answers that are made to do harm, and ordinary ones that look a little like them.

Each bomb ends, in a FetchError or with what could be read, the process stays small, and other sources go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlmodel import col, func, select

from newsletter.db import Database
from newsletter.errors import FetchError
from newsletter.gather import gather
from newsletter.models import Source, Story
from newsletter.sources import Fetched, Previous, load_source
from newsletter.sources.feed import FeedSource
from newsletter.sources.http import Client
from newsletter.sources.net.answers import Answer
from newsletter.sources.net.scan import MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, MAX_TAG_BYTES, refuse_hostile
from tests.contracts.sources import Entry, rss
from tests.databases import sqlite_database
from tests.readers import compute_for_ever
from tests.servers.http import LOOPBACK, FeedServer

__all__ = ["sqlite_database"]

FEEDS = Path(__file__).parent / "data" / "feeds"
NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)


def document(description: str = "What it is about.", *, before: str = "", author: str = "Ada", more: str = "") -> str:
    """Return a feed with one story, with `before` in front and `more` inside its channel."""
    return (
        f"<?xml version='1.0'?>{before}<rss version='2.0'><channel><title>News</title>{more}<item><title>Ferry</title>"
        f"<link>https://news.example/ferry</link><author>{author}</author>"
        f"<description>{description}</description></item></channel></rss>"
    )


def laughs(levels: int) -> str:
    lines = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels))
    return document(f"&l{levels - 1};", before=f'<!DOCTYPE rss [<!ENTITY l0 "lol">{lines}]>')


def parameters() -> str:
    inner = "".join(f"<!ENTITY % p{n} '{f'%p{n - 1};' * 10}'>" for n in range(1, 10))
    return document(before=f"<!DOCTYPE rss [<!ENTITY % p0 'lol'>{inner}%p9;]>")


def attributes(number: int) -> str:
    """Return an element with so many attributes."""
    return "<a " + " ".join(f"b{n}=''" for n in range(number)) + "/>"


ENTITIES = "It defines entities"
NESTED = "nested more than 256 deep"

#: Name -> the document, and what the sentence says; "" where it may be read just as well.
BOMBS: dict[str, tuple[str | bytes, str]] = {
    "billion laughs": (laughs(10), ENTITIES),
    "quadratic blow-up": (
        document("&a;" * 50_000, before=f'<!DOCTYPE rss [<!ENTITY a "{"x" * 50_000}">]>'),
        ENTITIES,
    ),
    "a file": (document("&x;", before='<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), ENTITIES),
    "an address": (document("&x;", before='<!DOCTYPE rss [<!ENTITY x SYSTEM "{inside}">]>'), ENTITIES),
    "a public address": (document("&x;", before='<!DOCTYPE rss [<!ENTITY x PUBLIC "p" "{inside}">]>'), ENTITIES),
    "parameter entities": (parameters(), ENTITIES),
    "a parameter entity from outside": (
        document(before='<!DOCTYPE rss [<!ENTITY % x SYSTEM "{inside}"> %x;]>'),
        ENTITIES,
    ),
    "a document type from outside": (document(before='<!DOCTYPE rss SYSTEM "{inside}">'), ""),
    "an inclusion": (
        document(more='<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{inside}" parse="text"/>'),
        "",
    ),
    "a style sheet": (document(before='<?xml-stylesheet type="text/xsl" href="{inside}"?>'), ""),
    "laughs in UTF-16": (laughs(10).encode("utf-16"), ENTITIES),
    "laughs in UTF-16 without a mark": (laughs(10).encode("utf-16-be"), ENTITIES),
    "laughs in UTF-32": (laughs(10).encode("utf-32"), ENTITIES),
    "laughs in EBCDIC": (laughs(10).encode("cp037"), ENTITIES),
    "laughs in UTF-7": (
        b"<?xml version='1.0' encoding='utf-7'?>" + laughs(10)[21:].replace("<!", "+ADwAIQ-").encode(),
        ENTITIES,
    ),
    "laughs as escapes": (
        b"<?xml version='1.0' encoding='unicode_escape'?>" + laughs(10)[21:].replace("<!", "\\x3c!").encode(),
        "written in 'unicode_escape'",
    ),
    "100,000 deep": (document(more="<a>" * 100_000), NESTED),
    "200,000 unknown elements deep": (
        document(more="".join(f"<u{n}>" for n in range(200_000))),
        NESTED,
    ),
    "left open": (document("<p>" * 200_000), NESTED),
    "50,000 attributes": (
        document(more=attributes(50_000)),
        "One of its",
    ),
    "300 attributes": (document(more=attributes(300)), "more than 256 attributes"),
    "a tag of a megabyte": (document(more=f"<a b='{'x' * 1_000_000}'/>"), "longer than 65,536 bytes"),
    "a tag that never ends": (document(more="<a b='" + "x" * 1_000_000), "longer than 65,536 bytes"),
    "a million elements": (document(more="<a/>" * 1_000_000), "more than 500,000 elements"),
    "a million ends": (document(more="</a>" * 1_000_000), "more than 500,000 elements"),
    "an author of a megabyte": (document(author="a" * 1_000_000), ""),
    "a reference to a huge number": (document("&#" + "9" * 1_000_000 + ";&#x" + "f" * 100_000 + ";"), ""),
    "references to surrogates": (document("&#55296;&#xDFFF;" * 50_000), ""),
    "comments in the text": (document("<![CDATA[" + "<!--" * 250_000 + "]]>"), ""),
    "comments as text": (document("&lt;!--" * 150_000), ""),
    "comments that never end": (document("<!--" * 250_000), ""),
    "sections that never end": (document("<![CDATA[" * 100_000), ""),
    "instructions that never end": (document("<?" * 500_000), "" ),
    "html 50,000 deep": (document("<![CDATA[" + "<div>" * 50_000 + "]]>"), ""),
    "ampersands": (document("&amp;" * 200_000), ""),
    "spaces": (document("<![CDATA[<a " + " " * 1_000_000 + "]]>"), ""),
    "20,000 stories": (document(more="<item><title>x</title><link>https://e.org/</link></item>" * 20_000), ""),
    "a date of a megabyte": (document(more=f"<pubDate>{'1' * 1_000_000}</pubDate>"), ""),
    "zeros": (b"\x00" * 1_000_000, ""),
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as server:
        yield server


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    client = Client(timeout=60, max_bytes=10_485_760, user_agent="test", private_networks=LOOPBACK, parse_seconds=3)
    yield client
    client.close()


def written(name: str, server: FeedServer) -> bytes:
    """Return the bomb; where it reaches out, to an address of `server`."""
    body, _ = BOMBS[name]
    content = body if isinstance(body, bytes) else body.encode()
    return content.replace(b"{inside}", server.url("/inside").encode())


@pytest.mark.parametrize("name", [name for name, (_, sentence) in BOMBS.items() if sentence])
def test_what_is_made_to_do_harm_is_refused_at_a_look(name: str, server: FeedServer) -> None:
    with pytest.raises(FetchError, match=re.escape(BOMBS[name][1])) as caught:
        refuse_hostile(Answer("https://news.example/feed", written(name, server)))
    assert caught.value.url == "https://news.example/feed"


@pytest.mark.parametrize("name", BOMBS)
def test_every_bomb_ends(name: str, server: FeedServer, client: Client) -> None:
    """In a sentence, or with plain items; and nothing outside of the document was touched."""
    server.serve("/feed", written(name, server), "application/xml")
    growth = memory_growth(lambda: end(FeedSource(server.url("/feed"), client), refused=bool(BOMBS[name][1])))
    assert growth < 128_000_000
    assert [request.path for request in server.requests] == ["/feed"]


def end(source: FeedSource, *, refused: bool) -> None:
    try:
        items = source.fetch(Previous()).items
    except FetchError as error:
        assert error.sentence[0].isupper()  # noqa: PT017 - either end is good
        return
    assert not refused
    assert all("root:" not in item.summary for item in items)


@pytest.mark.parametrize(
    "name",
    [
        "gzip_bomb", "gibibyte", "gibibyte_twice", "deflated", "brotli", "zstandard", "endless_chunks", "endless_header",
        "endless_headers", "fifty_megabytes", "announced_fifty_megabytes",
    ],
)  # fmt: skip
def test_an_answer_cannot_fill_the_memory(name: str, server: FeedServer, client: Client) -> None:
    """Threat 7: a naive client takes 2.1 GB for these."""
    server.misbehave("/feed", name)
    with pytest.raises(FetchError):
        client.get(server.url("/missing"))  # what a first request takes is not counted

    def fetch() -> None:
        with pytest.raises(FetchError, match="larger than|encoded as|broke off|more than 100,000 pieces"):
            client.get(server.url("/feed"))

    assert memory_growth(fetch) < 128_000_000


def memory_growth(work: Callable[[], None]) -> int:
    """Return by how many bytes this process was larger during `work` than before it, at its largest."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = memory("VmRSS")
    work()
    return memory("VmHWM") - before


def memory(name: str) -> int:
    (kilobytes,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(kilobytes) * 1_024


def test_one_hostile_feed_among_fifty_stops_none(sqlite_database: Database, server: FeedServer, client: Client) -> None:
    """F14: a parser that computes for ever is killed; the other forty-nine bring their stories."""
    with sqlite_database.transaction() as session:
        for number in range(50):
            kind = "tests.test_bombs:HostileSource" if number == 7 else "feed"
            server.serve(f"/{number}", rss([Entry(f"/story/{number}", f"Story {number}")]))
            session.add(Source(slug=f"s-{number:02}", name=f"S {number}", kind=kind, url=server.url(f"/{number}")))
    reports = gather(sqlite_database, partial(load_source, client=client), clock=lambda: NOW, threads=8)
    failed = [report for report in reports if report.error]
    assert [report.slug for report in failed] == ["s-07"]
    assert failed[0].error.startswith("Reading it took more than 3 s of computing time, so it was stopped.")
    assert sum(report.new for report in reports) == 49
    with sqlite_database.reading() as session:
        assert session.exec(select(func.count(col(Story.id)))).one() == 49
        assert session.exec(select(Source.failures).where(Source.slug == "s-07")).one() == 1


def backtrack(answer: Answer) -> Fetched:
    """Read nothing and never come back."""
    return Fetched(title=str(compute_for_ever(answer)))


class HostileSource(FeedSource):
    """A feed on which a regular expression backtracks for ever."""

    reader = staticmethod(backtrack)


# What passes


ORDINARY = {
    "RSS 0.91's document type": document(
        before='<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" '
        '"http://my.netscape.com/publish/formats/rss-0.91.dtd">'
    ),
    "a short entity": document("a&nbsp;b", before='<!DOCTYPE rss [<!ENTITY nbsp "&#160;"><!ENTITY copy "(c)">]>'),
    "the W3C's entities": document(
        before='<!DOCTYPE rdf:RDF [\n<!ENTITY % HTMLlat1 PUBLIC "-//W3C//ENTITIES Latin 1 for XHTML//EN" '
        '"http://www.w3.org/TR/xhtml1/DTD/xhtml-lat1.ent">\n%HTMLlat1;\n]>'
    ),
    "a declaration without entities": document(before="<!DOCTYPE rss [<!ELEMENT rss ANY>]>"),
    "entities that are talked about": document('<![CDATA[<!ENTITY x SYSTEM "file:///x">]]><!-- <!ENTITY a "b"> -->'),
    "entities that are escaped": document("&lt;!ENTITY x SYSTEM &quot;file:///x&quot;&gt;"),
    "deep html in a section": document("<![CDATA[" + "<div>" * 5_000 + "]]>"),
    "deep html escaped": document("&lt;div&gt;" * 5_000),
    "a long text": document("word " * 500_000),
    "a picture in the text": document(f"<![CDATA[<img src='data:image/png;base64,{'A' * 200_000}'>]]>"),
    "lines left open": document("one<br>" * 3_000 + "<p>two" * 1_000),
    "an image left open in each": document(more="<item><img src='a'><title>x</title></item>" * 1_000),
    "ends of nothing": document("</b></i>" * 1_000),
    "signs in the text": document("a < b and c <d and 'e' > f " * 200),
    "a quote that never ends": document("<a href='x>one</a> " * 3),
    "a feed cut off": document("<![CDATA[<p>" + "text " * 100_000)[:200_000],
    "just as deep": "<a>" * (MAX_DEPTH - 1) + "<b/>" + "</a>" * (MAX_DEPTH - 1),
    "just as many attributes": attributes(MAX_ATTRIBUTES),
    "just as long a tag": f"<a b='{'x' * (MAX_TAG_BYTES - 20)}'/>",
    "just as many elements": "<a/>" * MAX_ELEMENTS,
    "JSON": '{"version": "https://jsonfeed.org/version/1.1", "items": [{"content_html": "' + "<div>" * 1_000 + '"}]}',
    "nothing": "",
    "no markup": "<",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_what_is_ordinary_passes(name: str) -> None:
    refuse_hostile(Answer("https://news.example/feed", ORDINARY[name].encode(), "text/xml; charset=utf-8"))


@pytest.mark.parametrize(
    "encoding",
    [
        "utf-8",
        "utf-16",
        "utf-32",
        "iso-2022-jp",
        "shift_jis",
        "euc-jp",
        "hz",
        "gb18030",
        "big5",
        "koi8-r",
        "cp037",
        "nonsense",
    ],
)
def test_text_of_every_encoding_passes(encoding: str) -> None:
    """The bytes of some look like markup: in ISO-2022-JP half of the characters begin with a `<`."""
    text = {"koi8-r": "Мост открыт", "hz": "桥已开放", "gb18030": "桥已开放", "big5": "橋已開放"}.get(
        encoding, "会社の時間と事業者の車"
    )
    written_in = "utf-8" if encoding == "nonsense" else encoding
    feed = (
        f"<?xml version='1.0' encoding='{encoding}'?><rss><channel>"
        + f"<title>{text}</title>" * 400
        + "</channel></rss>"
    )
    body = feed.encode(written_in, "replace")
    refuse_hostile(Answer("https://news.example/feed", body, f"text/xml; charset={encoding}"))
    refuse_hostile(Answer("https://news.example/feed", body))


@pytest.mark.parametrize("path", sorted(FEEDS.glob("*.*")), ids=lambda path: path.name)
def test_feeds_that_are_there_pass(path: Path) -> None:
    refuse_hostile(Answer("https://news.example/feed", path.read_bytes(), "text/xml"))
