"""What feeds say: as files with what must come out beside them, and what is refused."""

from __future__ import annotations

import gzip
import json
import pickle
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Previous
from newsletter.sources.detect import Shape, shape_of
from newsletter.sources.entries import ENTRY_LIMIT, fetched
from newsletter.sources.feed import FeedSource, parse_feed
from newsletter.sources.feeds.decoding import INFLATED_LIMIT, decoded
from newsletter.sources.feeds.mending import balanced, trimmed
from newsletter.sources.http import Client
from newsletter.sources.jsonfeed import parse_json_feed
from newsletter.sources.net.answers import Answer
from tests.contracts.sources import Entry, json_feed, rss
from tests.fetching import client, server
from tests.servers.http import FeedServer

__all__ = ["client", "server"]

FEEDS = Path(__file__).parent / "data" / "feeds"


def feed_files() -> list[Path]:
    return sorted(path for path in FEEDS.iterdir() if ".expected" not in path.name)


def parsed(path: Path) -> Fetched:
    answer = Answer(f"https://feeds.example/dir/{path.name}", path.read_bytes(), "text/xml")
    return parse_json_feed(answer) if path.suffix == ".json" else parse_feed(answer)


def feed(items: str, *, attributes: str = "version='2.0'") -> Answer:
    text = f"<rss {attributes}><channel><title>T</title>{items}</channel></rss>"
    return Answer("https://post.example/feed", text.encode(), "application/rss+xml")


def item(inside: str, number: int = 1) -> str:
    return f"<item><title>Story {number}</title><link>https://post.example/{number}</link>{inside}</item>"


# Whole feeds


def as_json(fetched: Fetched) -> object:
    """Return the result as it is written in a file: only what is there, times and tuples as JSON has them."""
    items = [{name: value for name, value in asdict(item).items() if value} for item in fetched.items]
    content = {"title": fetched.title, "items": items, "problems": fetched.problems}
    written = json.dumps(content, default=lambda value: value.isoformat())
    return json.loads(written)


@pytest.mark.parametrize("path", feed_files(), ids=lambda path: path.name)
def test_a_feed_says_what_is_written_beside_it(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert as_json(parsed(path)) == expected


@pytest.mark.parametrize("path", feed_files(), ids=lambda path: path.name)
def test_the_shape_of_a_feed_is_seen(path: Path) -> None:
    assert shape_of(path.read_bytes()) is (Shape.JSON_FEED if path.suffix == ".json" else Shape.FEED)


@pytest.mark.parametrize("path", feed_files(), ids=lambda path: path.name)
def test_what_a_feed_says_travels_between_processes(path: Path) -> None:
    """Threat 8: feeds are read in a child."""
    result = parsed(path)
    assert pickle.loads(pickle.dumps(result)) == result


@pytest.mark.parametrize("name", ["rss2.xml", "atom.xml", "jsonfeed-1.1.json"])
def test_a_feed_compressed_as_a_file_is_read(name: str) -> None:
    body = gzip.compress((FEEDS / name).read_bytes(), mtime=0)
    answer = Answer(f"https://feeds.example/dir/{name}", body, "application/gzip")
    assert (parse_json_feed if name.endswith("json") else parse_feed)(answer).items == parsed(FEEDS / name).items


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (gzip.compress(bytes(INFLATED_LIMIT + 1), mtime=0), "holds more than 10,485,760 bytes"),
        (gzip.compress(b"<rss/>", mtime=0)[:-9] + b"damaged", "The compressed file is damaged"),
    ],
)
def test_a_compressed_file_is_no_way_around_the_limits_threat_7(body: bytes, sentence: str) -> None:
    with pytest.raises(FetchError, match=re.escape(sentence)):
        parse_feed(Answer("https://feeds.example/feed.gz", body))


# Encodings


def test_utf8_wins_over_a_server_that_says_otherwise(server: FeedServer, client: Client) -> None:
    server.misbehave("/feed", "wrong_charset")
    fetched = FeedSource(server.url("/feed"), client).fetch(Previous())
    assert (fetched.title, fetched.items[0].title) == ("Põhjala Post", "Jõgi tõusis üle kallaste")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "cp037"])
@pytest.mark.parametrize("name", ["rss2.xml", "jsonfeed-1.1.json"])
def test_wide_encodings_read_the_same(name: str, encoding: str) -> None:
    path = FEEDS / name
    if path.suffix == ".json" and encoding == "cp037":
        return  # RFC 8259 knows Unicode only
    text = path.read_text(encoding="utf-8").replace('encoding="UTF-8"', f'encoding="{encoding.removesuffix("-sig")}"')
    answer = Answer(f"https://feeds.example/dir/{name}", text.encode(encoding, "xmlcharrefreplace"), "")
    parse = parse_json_feed if path.suffix == ".json" else parse_feed
    assert parse(answer).items == parsed(path).items


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("windows-1251", "cp1251", "Міст"),
        ("Windows1251", "cp1251", "Міст"),
        ("cp-1251", "cp1251", "Міст"),
        ("koi8-u", "koi8-u", "Міст"),
        ("iso-8859-5", "iso8859-5", "Мост"),
        ("iso-8859-1", "cp1252", "“Fen” – 10 €"),
        ("us-ascii", "cp1252", "café"),
        ("ISO_8859-2", "iso8859-2", "Źródło"),
        ("iso-8859-9", "cp1254", "İstanbul"),
        ("x-sjis", "cp932", "橋"),
        ("euc-jp", "euc_jp", "橋"),
        ("iso-2022-jp", "iso2022_jp", "橋"),
        ("gbk", "gb18030", "大桥镕"),
        ("big5", "big5", "大橋"),
        ("ks_c_5601-1987", "cp949", "다리"),
        ("tis-620", "cp874", "สะพาน"),
        ("no-such-encoding", "utf-8", "café"),
        ("no-such-encoding", "cp1252", "café"),
        ("utf-7", "utf-8", "a+AGE-b"),
        ("utf-16", "utf-8", "café"),
        ("utf-16", "cp1252", "café"),
    ],
)
@pytest.mark.parametrize("declared", ["in the document", "by the server"])
def test_declared_encodings_are_read(declared: str, label: str, encoding: str, text: str) -> None:
    if declared == "in the document":
        answer = Answer("https://e.example/", f'<?xml version="1.0" encoding="{label}"?><a>{text}</a>'.encode(encoding))
    else:
        answer = Answer("https://e.example/", f"<a>{text}</a>".encode(encoding), f"text/xml; charset={label}")
    assert f"<a>{text}</a>" in decoded(answer)


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        # The server's Latin-1 is a habit, not a statement; its other words come first (RFC 7303).
        ('<?xml encoding="windows-1251"?>Міст'.encode("cp1251"), "text/xml; charset=ISO-8859-1", "Міст"),
        ('<?xml encoding="windows-1252"?>Міст'.encode("cp1251"), "text/xml; charset=windows-1251", "Міст"),
        ('<?xml encoding="utf-8"?><language>ru</language>Мост открыт'.encode("koi8-r"), "", "Мост открыт"),
        ('<?xml encoding="utf-8"?><language>ru-RU</language>Мост открыт'.encode("cp1251"), "", "Мост открыт"),
        ('<rss xml:lang="el">Γέφυρα'.encode("cp1253"), "", "Γέφυρα"),
        ("Žluťoučký kůň ".encode() + b"caf\xe9", "", "Žluťoučký kůň café"),
        ("Žluťoučký kůň".encode()[:-1], "text/xml; charset=iso-8859-1", "Žluťoučký ků"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "text/xml; charset=utf-16", "café"),
        (b"\xfe\xff\x00a\x00", "", "a\ufffd"),
        (b"", "", ""),
        (bytes(range(256)), "", "abc"),
    ],
)
def test_contradictions_and_damage_are_read(body: bytes, content_type: str, text: str) -> None:
    assert text in decoded(Answer("https://e.example/", body, content_type))


# Mending


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("<rss><a>1 & 2 &lt; 3 &#52; &x;</a></rss>", "<rss><a>1 &amp; 2 &lt; 3 &#52; &amp;x;</a></rss>"),
        ("<rss><a>1 < 2</a>", "<rss><a>1 &lt; 2</a></rss>"),
        ("<rss><a><b></a></b></rss>", "<rss><a><b></b></a></rss>"),
        ("<rss></a><A>x</a></rss>", "<rss><A>x</A></rss>"),
        (
            "<rss><item><title>a<link>b</item><item></rss>",
            "<rss><item><title>a</title><link>b</link></item><item></item></rss>",
        ),
        ("<rss><item>a<item>b</rss>", "<rss><item>a</item><item>b</item></rss>"),
        ("<rss><item><p>a<br>b</item></rss>", "<rss><item><p>a<br/>b</p></item></rss>"),
        ("<rss><a b=1 c='2' b=\"3\" d>x</a></rss>", '<rss><a b="1" c="2">x</a></rss>'),
        ("<rss><a href='?x=1&y=2'/></rss>", '<rss><a href="?x=1&amp;y=2"/></rss>'),
        ("<rss><a><![CDATA[<b> & c]]></a></rss>", "<rss><a>&lt;b&gt; &amp; c</a></rss>"),
        ("<rss><a><![CDATA[<b>x</a></rss>", "<rss><a>&lt;b&gt;x</a></rss>"),
        ("<rss><!-- <a> --><b/></rss><c/>after", "<rss><b/></rss>"),
        ("<rss><a/><!-- never ends <b/></rss>", "<rss><a/> never ends <b/></rss>"),
        ("<rss><dc:date/></rss>", '<rss xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:date/></rss>'),
        ("<rss><my:a my:b='1'/></rss>", '<rss xmlns:my="urn:undeclared:my"><my:a my:b="1"/></rss>'),
        ("text only", ""),
    ],
)
def test_tags_are_balanced(text: str, mended: str) -> None:
    assert balanced(text) == mended


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\n <b>Notice</b> <?xml version='1.0'?><rss>", "<rss>"),
        ("<!-- <rss> --><?xml version='1.0'?><!DOCTYPE rss [ <!ENTITY a 'b'> ]><rss>&a;", "<rss>b"),
        ("<rss>\x00a\x0bb\x1fc\ufffe\ud800", "<rss>a bc"),
        ("<rss>&#0;&#x1F;&#55296;&#xFFFF;&#1114112;", "<rss>\ufffd\ufffd\ufffd"),
        ("<rss>&#55357;&#56832;&#xD83D;&#xDE00;", "<rss>&#128512;&#128512;"),
        ("<rss>&#150;&#65;&#x42", "<rss>–&#65;&#66;"),
        ("<rss>&nbsp;&Eacute;&amp;&lt;&nosuch;", "<rss>\xa0É&amp;&lt;&nosuch;"),
    ],
)
def test_what_xml_does_not_have_is_taken_out(text: str, left: str) -> None:
    assert trimmed(text) == left


# One part at a time


def test_a_picture_given_as_media_gets_the_words_its_text_has_for_it() -> None:
    """R47: a lead picture needs a description, and feeds mostly have it only in the html."""
    picture = "https://post.example/ely.jpg"
    shown = f"<p>Text.</p><img src='{picture}' alt='A bridge at dusk'>"
    media = f"<media:content url='{picture}' medium='image'/><description><![CDATA[{shown}]]></description>"
    entry = {"id": "1", "url": "https://post.example/1", "title": "One", "image": picture, "content_html": shown}
    document = {"version": "https://jsonfeed.org/version/1.1", "title": "T", "items": [entry]}
    for result in (
        parse_feed(feed(item(media), attributes="version='2.0' xmlns:media='http://search.yahoo.com/mrss/'")),
        parse_json_feed(Answer("https://post.example/feed", json.dumps(document).encode(), "application/feed+json")),
    ):
        assert [(one.image_url, one.image_alt) for one in result.items] == [(picture, "A bridge at dusk")]


def test_an_entry_that_feedparser_cannot_read_costs_no_other() -> None:
    """trust.md section 5: feedparser raises ValueError over one number in one entry."""
    broken = "<where><gml:Point><gml:pos srsDimension='x'>1 2</gml:pos></gml:Point></where>"
    odd = "<gml:Point srsName='urn:EPSG:4326:'><gml:pos>1 2</gml:pos></gml:Point>"
    items = item("", 1) + item(broken, 2) + item(f"<where>{odd}</where>", 3) + item("", 4)
    answer = feed(items, attributes="version='2.0' xmlns:gml='http://www.opengis.net/gml'")
    assert [one.title for one in parse_feed(answer).items] == ["Story 1", "Story 2", "Story 3", "Story 4"]


@pytest.mark.parametrize("written", [rss, json_feed])
def test_only_the_newest_entries_are_kept(written: object) -> None:
    dates = [datetime.fromisoformat(f"2026-11-{1 + number % 28:02}T00:00:00Z") for number in range(ENTRY_LIMIT + 50)]
    entries = [
        Entry(f"https://example.org/{number}", f"S{number}", published=date) for number, date in enumerate(dates)
    ]
    body = rss(entries) if written is rss else json_feed(entries)
    fetched = (parse_feed if written is rss else parse_json_feed)(Answer("https://example.org/feed", body))
    kept = [item.published_at for item in fetched.items if item.published_at]
    assert len(kept) == ENTRY_LIMIT
    assert min(kept) >= sorted(dates, reverse=True)[ENTRY_LIMIT - 1]
    assert kept != sorted(kept)
    assert "250 entries" in fetched.problems[0]


def test_of_a_giant_feed_the_newest_are_kept_wherever_they_stand() -> None:
    """Threat 8: feedparser needs half a millisecond for an entry, so it never sees more than are kept."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    items = "".join(
        item(f"<pubDate>{format_datetime(start + timedelta(hours=number))}</pubDate>", number)
        for number in range(4_000)
    )
    fetched = parse_feed(feed(items))
    assert [one.title for one in fetched.items] == [f"Story {number}" for number in range(3_800, 4_000)]
    assert fetched.problems == ("Of its 4000 entries, only the newest 200 were kept.",)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Snow fell. More is coming.", "Snow fell. More is coming"),
        ("Snow fell overnight on every hill. More is coming.", "Snow fell overnight on every hill"),
        ("Is the bridge open yet? Nobody says.", "Is the bridge open yet?"),
        ("Short.", "Short"),
        ("And so on and on and on it goes...", "And so on and on and on it goes..."),
        (f"{'word ' * 30}", f"{'word ' * 17}word…"),
        ("x" * 200, f"{'x' * 89}…"),
        ("", None),
    ],
)
def test_a_note_is_called_by_its_first_words(text: str, title: str | None) -> None:
    entry = {"url": "https://post.example/1", "content_text": text}
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": [entry]}).encode()
    fetched = parse_json_feed(Answer("https://post.example/feed", body))
    assert [one.title for one in fetched.items] == ([title] if title else [])


def test_a_move_for_good_is_told() -> None:
    answer = Answer("https://new.example/feed", moved_to="https://new.example/feed")
    assert "moved for good to https://new.example/feed" in fetched(answer, "T", ()).notice


def test_nothing_that_comes_out_is_endless() -> None:
    """Threat 8: a part of an item is as long as it may be, whatever a feed holds."""
    long = "word " * 30_000
    inside = f"<description>{long}</description><author>{long}</author>" + "".join(
        f"<category>{number} {long[:500]}</category>" for number in range(100)
    )
    (one,) = parse_feed(feed(item(inside).replace("Story 1", long))).items
    assert (len(one.title) <= 1_000, len(one.summary) <= 10_000, len(one.author) <= 500) == (True, True, True)
    assert len(one.categories) == 20
    assert max(map(len, one.categories)) <= 100


# What is no feed


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"/etc/hostname", "plain text, not an RSS or Atom feed"),
        (b"http://127.0.0.1/feed.xml", "plain text"),
        (b"<!-- c --><!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'><p>x", "a web page, not an RSS or Atom feed"),
        (b"\n<html lang=en><head><title>x</title>", "Look on it for a link called RSS or Feed"),
        (json_feed([]), "a JSON Feed, not an RSS or Atom feed. Add the source with --kind jsonfeed."),
        (b'{"error": 1}', "JSON of another kind"),
        (b"<?xml version='1.0'?><urlset/>", "a sitemap, not an RSS or Atom feed. Add the source with --kind sitemap."),
        (b"<opml version='2.0'><body/></opml>", "Add the feeds it lists one by one."),
        (b"<?xml version='1.0'?><catalogue><book/></catalogue>", "XML of another kind"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "binary data"),
        (gzip.compress(b"<html><body>", mtime=0), "a web page"),
        (b"<rss", "XML of another kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_feed_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(FetchError, match=re.escape(sentence)):
        parse_feed(Answer("https://example.org/feed", body))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (rss([]), "This is an RSS or Atom feed, not a JSON Feed. Add the source with --kind feed."),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": [', "damaged beyond reading"),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": []} // end', "damaged beyond reading"),
        (b'{"version": "https://jsonfeed.org/version/1.1", /* none */ "items": []}', "damaged beyond reading"),
        (b'{"version": 1, "items": []}', "JSON of another kind"),
        (b"[1, 2]", "JSON of another kind"),
        (b"[" * 100_000, "not a JSON Feed"),
        (b'{"n": ' + b"9" * 5_000 + b"}", "not a JSON Feed"),
    ],
    ids=range(8),
)
def test_what_is_no_json_feed_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(FetchError, match=re.escape(sentence)):
        parse_json_feed(Answer("https://example.org/feed", body))


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (b"<!DOCTYPE html><rss version='2.0'>", Shape.FEED),
        (b"<!DOCTYPE html><p>about <rss>", Shape.PAGE),
        (b"<atom:feed xmlns:atom='x'>", Shape.FEED),
        (b"<br/>Notice<?xml version='1.0'?><feed>", Shape.FEED),
        (b"<CHANNEL HREF='x'>", Shape.FEED),
        (b"<sm:urlset xmlns:sm='x'>", Shape.SITEMAP),
        (b"<!-- x --><sitemapindex>", Shape.SITEMAP),
        (gzip.compress(b"<urlset>", mtime=0), Shape.SITEMAP),
        (b"\x1f\x8b\x08 damaged", Shape.TEXT),
    ],
    ids=range(9),
)
def test_shapes(body: bytes, shape: Shape) -> None:
    assert shape_of(body) is shape


@pytest.mark.parametrize("name", ["not_xml", "plain_text"])
def test_a_page_is_no_feed(name: str, server: FeedServer, client: Client) -> None:
    server.misbehave("/page", name)
    with pytest.raises(FetchError, match="not an RSS or Atom feed"):
        parse_feed(client.get(server.url("/page")))


@pytest.mark.parametrize("piece", ["<!--", "&lt;!--", "&lt;a b=", "&amp;", "&lt;div&gt;", "&lt;/", "<", "<![CDATA["])
def test_known_killers_end(piece: str) -> None:
    """Threat 8: these take feedparser's own cleaning, nh3 or html.parser from many seconds to minutes."""
    body = f"<rss version='2.0'><channel><item><title>x</title><link>https://e.org/</link><description>{piece * 20_000}"
    fetched = parse_feed(Answer("https://example.org/feed", f"{body}</description></item></channel></rss>".encode()))
    assert len(fetched.items) == 1


def test_markup_without_a_floor_is_refused() -> None:
    """Threat 8: 20,000 elements in one another are no damage, and cost seconds wherever they are looked at."""
    with pytest.raises(FetchError, match="nested more than 256 deep"):
        parse_feed(feed(item(f"<description>{'<div>' * 20_000}</description>")))


@pytest.mark.parametrize(
    "inside",
    [
        "".join(f"<category>{number}</category>" for number in range(30_000)),
        "<link>https://post.example/2</link>" * 50_000,
        f"<author>{'a' * 300_000}</author>",
        f"<author><name>{'a@' * 150_000}</name></author>",
        "<m:content url='https://post.example/1.jpg'/>" * 20_000,
        "<m:group>" * 200 + "<m:description>x</m:description>" * 5_000,
        f"<pubDate>{'1 ' * 300_000}</pubDate>",
    ],
    ids=range(7),
)
def test_an_entry_without_an_end_ends(inside: str) -> None:
    """Threat 8: over each of these, feedparser or a plain reading takes a time that grows with its square."""
    answer = feed(item(inside) + item("", 2), attributes="version='2.0' xmlns:m='http://search.yahoo.com/mrss/'")
    assert parse_feed(answer).items[-1].title == "Story 2"
