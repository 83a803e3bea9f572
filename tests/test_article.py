"""Articles: what one page says of its story, and what stands where no story is."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pytest

from newsletter.errors import FetchError
from newsletter.sources import Item, Previous
from newsletter.sources.article import Article, ArticleSource, read_article
from newsletter.sources.http import Answer, Client
from newsletter.sources.pages.linkeddata import read_linked_data, types
from newsletter.sources.pages.walls import CONSENT_WALL, LOGIN_WALL, NO_SUCH_PAGE, ROBOT_WALL, SCRIPT_WALL
from newsletter.sources.pages.webpage import decoded, site_of
from tests.fetching import client
from tests.servers.http import FeedServer

__all__ = ["client"]

PAGES = Path(__file__).parent / "data" / "pages"
#: Where the pages were found.
ADDRESSES = {
    "graph": "https://www.fenpost.example/news/2026/11/17/ferry-runs-again?utm_source=feed",
    "opengraph": "https://gazeta.example/news/mist-cherez-lopan",
    "plain": "https://kuestenbote.example/stadt/2026/buslinie-hafen.html",
    "liveblog": "https://valley.example/live/flood-20261118",
    "paid": "https://quay.example/2026/11/15/harbour-deal",
}
TEXT = "<p>The council met on Monday and talked for six hours about the bridge, which everybody wants and nobody pays. </p>"
MORE = "<p>In the end it voted for a ferry, which costs less, runs on Sundays and can be sold again if nobody uses it. The mayor did not say when it will come, and the people of the island will wait for another winter at least.</p>"
URL = "https://news.example.org/2026/11/17/bridge"


def page(name: str) -> Answer:
    return Answer(ADDRESSES[name], (PAGES / f"{name}.html").read_bytes(), "text/html; charset=utf-8")


def read(head: str, body: str = "", url: str = URL) -> Article:
    markup = (
        f"<!doctype html><html><head>{head}</head><body>{body or '<article>' + TEXT * 4 + '</article>'}</body></html>"
    )
    return read_article(Answer(url, markup.encode(), "text/html; charset=utf-8"))


def said(item: Item) -> dict[str, object]:
    """Return what an item says, as JSON has it."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
        for name, value in asdict(item).items()
        if value and name != "content"
    }


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_says_what_is_written_beside_it(name: str) -> None:
    expected = json.loads((PAGES / f"{name}.expected.json").read_text(encoding="utf-8"))
    assert said(read_article(page(name)).item) == expected


def test_the_text_is_the_articles_own() -> None:
    content = read_article(page("graph")).item.content
    assert content.startswith("The ferry to Marsh Island left the pier")
    assert content.endswith("nobody has to book.")
    assert "Quay Street" not in content
    assert "Photo:" not in content


def test_what_only_subscribers_may_read_is_not_taken() -> None:
    article = read_article(page("paid"))
    assert article.is_free is False
    assert "SECRET" not in repr(article)


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title>Bridge opens at last | Example News</title>", "", "Bridge opens at last"),
        (
            "<title>Bridge opens at last – UK news – Example News</title><meta property=og:site_name content='Example News'>",
            "<h1>Bridge opens at last</h1>",
            "Bridge opens at last",
        ),
        (
            "<title>Example News: Bridge opens at last</title><meta property=og:title content='Bridge opens at last'>",
            "",
            "Bridge opens at last",
        ),
        (
            "<title>Russia - Ukraine: talks go on - Example</title><meta property=og:site_name content=Example>",
            "",
            "Russia - Ukraine: talks go on",
        ),
        (
            "<meta property=og:title content='A headline that was cut off after sixty characters or so because ...'>",
            "<h1>A headline that was cut off after sixty characters or so because of a rule</h1>",
            "A headline that was cut off after sixty characters or so because of a rule",
        ),
        (
            "<meta property=og:site_name content='Example News'><meta property=og:title content='Example News'>",
            "<h1>Bridge opens at last</h1>",
            "Bridge opens at last",
        ),
        ("<title>Ben &amp; Jerry&#39;s &lt;3 the bridge</title>", "", "Ben & Jerry's <3 the bridge"),
        ("<svg><title>Close</title></svg><title>Bridge opens at last</title>", "", "Bridge opens at last"),
    ],
)
def test_the_headline_is_without_the_sites_name(head: str, body: str, title: str) -> None:
    assert read(head, body and body + TEXT * 4).item.title == title


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ('{"@type":"NewsArticle","headline":"x"}', [{"NewsArticle"}]),
        ('{"@type":["NewsArticle","Article"]}', [{"NewsArticle", "Article"}]),
        ('[{"@type":"A"},{"@graph":[{"@type":"B"}]}]', [{"A"}, {"B"}]),
        ('{"@type":"A","part":{"@type":"B"}}', [{"A"}, {"B"}]),
        ('{"@type":"http://schema.org/NewsArticle"}', [{"NewsArticle"}]),
        ('{"@type":"A","x":[1,2,],}', [{"A"}]),
        ('{"@type":"A","x":"two\nlines\tand a tab"}', [{"A"}]),
        ('<!-- {"@type":"A"} -->', [{"A"}]),
        ('//<![CDATA[\n{"@type":"A"}\n//]]>', [{"A"}]),
        ('/* <![CDATA[ */{"@type":"A"}/* ]]> */', [{"A"}]),
        ('\ufeff{"@type":"A"};', [{"A"}]),
        ('{"@type":"A"}{"@type":"B"}', [{"A"}, {"B"}]),
        ('{"@type":"A","x":"it\\\'s","y":",}"}', [{"A"}]),
        ("{&quot;@type&quot;:&quot;A&quot;}", [{"A"}]),
        ('{"@type":"A","x":"cut of', []),
        ("null", []),
        ('"text"', []),
        ("[" * 100_000, []),
        ('{"a":' * 3_000 + '{"@type":"A"}' + "}" * 3_000, []),
        ('{"@type":7,"headline":["x",{"@value":"y"}]}', [set()]),
    ],
)
def test_linked_data_as_publishers_write_it(script: str, found: list[set[str]]) -> None:
    assert [types(node) for node in read_linked_data([script])] == found


@pytest.mark.parametrize(
    "linked",
    [
        '{"@type":"NewsArticle","headline":{"a":1},"author":7,"image":[[]],"datePublished":["x"],"publisher":"P"}',
        '{"@type":"NewsArticle","headline":["Bridge opens"],"author":[{"name":["Ada"]}],"image":{"url":{"@id":"x"}}}',
        '{"@type":"NewsArticle","headline":"Bridge opens","image":{"width":{"value":"9e9"}},"keywords":[1,null,{}]}',
        '{"@type":"NewsArticle","headline":"Bridge opens","@id":"[","url":"http://[","mainEntityOfPage":true}',
    ],
)
def test_values_of_wrong_types_count_as_missing(linked: str) -> None:
    article = read(f"<script type='application/ld+json'>{linked}</script><title>Bridge opens</title>")
    assert article.item.title == "Bridge opens"
    assert article.item.url == URL


def test_of_several_articles_the_one_of_this_page_counts() -> None:
    nodes = [
        {"@type": "NewsArticle", "headline": f"Story {number}", "url": f"https://news.example.org/{number}", "datePublished": "2026-11-11"}
        for number in range(3)
    ]  # fmt: skip
    nodes[2] |= {"headline": "Our story", "url": URL}
    article = read(f"<script type='application/ld+json'>{json.dumps(nodes)}</script>")
    assert article.item.title == "Our story"


@pytest.mark.parametrize(
    ("canonical", "url"),
    [
        ("https://news.example.org/2026/11/17/the-bridge", "https://news.example.org/2026/11/17/the-bridge"),
        ("https://www.example.org/story/77", "https://www.example.org/story/77"),
        ("/story?id=77", "https://news.example.org/story?id=77"),
        ("https://news.example.org/", URL),
        ("https://news.example.org/2026/11/", URL),
        ("https://partner.example/2026/11/17/bridge", URL),
        ("https://evil-example.org/2026/11/17/bridge", URL),
        ("javascript:alert(1)", URL),
        ("http://[", URL),
        ("", URL),
    ],
)
def test_a_canonical_address_is_one_of_this_story(canonical: str, url: str) -> None:
    assert read(f"<link rel=canonical href='{canonical}'><title>Bridge opens at last</title>").item.url == url


@pytest.mark.parametrize(
    ("head", "summary"),
    [
        (
            "<meta property=og:description content='A description that is cut off in the middle of…'>"
            "<meta name=description content='A description that is cut off in the middle of some sites, but not here.'>",
            "A description that is cut off in the middle of some sites, but not here.",
        ),
        ("<meta name=description content='A description that is cut off in the [...]'>", "The council met on Monday"),
        ("<meta name=description content='Bridge opens at last!'>", "The council met on Monday"),
        ("", "The council met on Monday"),
    ],
)
def test_a_description_that_is_cut_loses_to_the_text(head: str, summary: str) -> None:
    assert read(f"<title>Bridge opens at last</title>{head}").item.summary.startswith(summary)


@pytest.mark.parametrize(
    ("head", "body", "date"),
    [
        ("<meta name=date content='16 November 2026'>", "", "2026-11-16"),
        ("<meta property='article:published_time' content='2026-11-16T10:00:00+0200'>", "", "2026-11-16"),
        ("", "<time datetime='2026-11-16'>Monday</time>", "2026-11-17"),
        ("", "<time datetime='2026-11-17T08:00:00Z'>Tuesday</time>", "2026-11-17"),
        ("<meta name=date content='1970-01-01T00:00:00Z'>", "", "2026-11-17"),
    ],
)
def test_the_day_in_an_address_beats_what_plain_html_may_mean(head: str, body: str, date: str) -> None:
    article = read(f"<title>Bridge opens at last</title>{head}", f"<article>{body}{TEXT * 4}</article>")
    assert article.item.published_at is not None
    assert article.item.published_at.date().isoformat() == date


@pytest.mark.parametrize(
    ("head", "body", "url", "certain"),
    [
        ("<meta property=og:type content=article>", "<p>Short.</p>", "https://news.example.org/bridge", True),
        ("<meta name=date content='2026-11-16'>", "<p>Short.</p>", "https://news.example.org/bridge", True),
        ("", "<p>Short.</p>", URL, True),
        (
            '<script type="application/ld+json">{"@type":"WebPage","name":"All of our news"}</script>',
            "<p>Short.</p>",
            "https://news.example.org/bridge",
            False,
        ),
        ("", f"<time datetime='2026-11-16'>Monday</time>{TEXT}{MORE}", "https://news.example.org/bridge", True),
        ("", "<time datetime='2026-11-16'>Monday</time><p>Short.</p>", "https://news.example.org/bridge", False),
        (
            "",
            f"{TEXT}{MORE}<footer>Last change of this site: 16 November 2026</footer>",
            "https://news.example.org/x",
            False,
        ),
    ],
)
def test_what_makes_a_page_an_article_for_certain(head: str, body: str, url: str, certain: bool) -> None:
    assert read(f"<title>Bridge opens at last</title>{head}", f"<article>{body}</article>", url).is_certain is certain


def test_a_publishers_logo_is_no_picture() -> None:
    linked = {
        "@type": "NewsArticle",
        "headline": "Bridge opens",
        "publisher": {
            "@type": "Organization",
            "logo": {"@type": "ImageObject", "url": "https://news.example.org/l.png"},
        },
        "author": {"@type": "Person", "name": "Ada", "image": "https://news.example.org/ada.jpg"},
    }
    head = f"<script type='application/ld+json'>{json.dumps(linked)}</script>"
    assert read(head + "<meta property=og:image content='/assets/logo.png'>").item.image_url == ""


@pytest.mark.parametrize(
    ("head", "body", "url", "sentence"),
    [
        ("<title>Before you continue to Example</title>", "<form><button>Accept all</button></form>", URL, CONSENT_WALL),
        ("<title>Example</title>", "<p>Choose.</p>", "https://consent.example.org/collect?x=1", CONSENT_WALL),
        ("<title>Just a moment...</title>", "<p>Checking your browser.</p>", URL, ROBOT_WALL),
        ("<title>Sign in - Example</title>", "<form><input type=password></form>", URL, LOGIN_WALL),
        ("<title>Anmelden</title>", "<h1>Anmelden</h1><form><input type=PASSWORD></form>", URL, LOGIN_WALL),
        ("<title>Example</title>", "<noscript>You need to enable JavaScript to run this app.</noscript>", URL, SCRIPT_WALL),
        ("<title>404 Not Found</title>", "<p>Nothing here.</p>", URL, NO_SUCH_PAGE),
        ("", "<p>Words without a headline.</p>", URL, "This page has no headline"),
        ("<title> </title>", "<h1></h1>", URL, "This page has no headline"),
    ],
)  # fmt: skip
def test_what_is_no_article_gets_a_sentence(head: str, body: str, url: str, sentence: str) -> None:
    with pytest.raises(FetchError, match="^" + url.replace("?", r"\?")) as caught:
        read(head, body, url)
    assert caught.value.sentence.startswith(sentence)


def test_an_article_about_a_wall_is_one() -> None:
    article = read("<title>Sign in or stay out: the café that checks names</title>", f"<article>{TEXT * 8}</article>")
    assert article.item.title.startswith("Sign in or stay out")


@pytest.mark.parametrize(
    ("body", "content_type", "sentence"),
    [
        (b"%PDF-1.7\x00\x01\xff", "application/pdf", "This is binary data, not a web page"),
        (b"<rss version='2.0'><channel/></rss>", "text/xml", "This is an RSS or Atom feed, not a web page"),
        (b'{"a": 1}', "application/json", "This is JSON of another kind, not a web page"),
    ],
)
def test_what_is_no_page_is_refused(body: bytes, content_type: str, sentence: str) -> None:
    with pytest.raises(FetchError) as caught:
        read_article(Answer(URL, body, content_type))
    assert caught.value.sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Brücke".encode(), "text/html; charset=iso-8859-1", "Brücke"),  # UTF-8 proves itself
        ("Brücke".encode("latin-1"), "text/html; charset=ISO-8859-1", "Brücke"),
        ("“Brücke”".encode("cp1252"), "text/html; charset=latin1", "“Brücke”"),
        (b"<meta charset=windows-1251>" + "мост".encode("cp1251"), "text/html", "<meta charset=windows-1251>мост"),
        ("橋が開通".encode("shift_jis"), "text/html;charset=Shift_JIS", "橋が開通"),
        ("\ufeffBrücke".encode("utf-16-le"), "text/html", "Brücke"),
        ("Brücke".encode("latin-1"), "text/html; charset=no-such-thing", "Brücke"),
    ],
)
def test_pages_are_read_in_their_own_encoding(body: bytes, content_type: str, text: str) -> None:
    assert decoded(body, content_type) == text


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.example.org/", "example.org"),
        ("https://m.news.example.co.uk/1", "example.co.uk"),
        ("https://example.com.au", "example.com.au"),
        ("https://ada.substack.com/p/1", "ada.substack.com"),
        ("https://news.bbc.co.uk", "bbc.co.uk"),
        ("http://127.0.0.1:8080/", "127.0.0.1"),
        ("http://[::1]/", "::1"),
        ("http://localhost/", "localhost"),
    ],
)
def test_the_site_of_an_address(url: str, site: str) -> None:
    assert site_of(url) == site


def test_damaged_pages_raise_nothing_else() -> None:
    """Threat 8: cut and mangled pages give an article or a FetchError."""
    chance = random.Random(3)
    for name in ADDRESSES:
        whole = page(name).body
        for _ in range(12):
            body = bytearray(whole[: chance.randrange(len(whole) // 3, len(whole))])
            for _ in range(20):
                body[chance.randrange(len(body))] = chance.randrange(256)
            try:
                item = read_article(Answer(URL, bytes(body), "text/html")).item
            except FetchError:
                continue
            assert item.title
            assert item.url.startswith("https://")


def test_a_deep_page_is_read(client: Client) -> None:
    """Threat 8: depth is cut by the parser; what stands above is still read."""
    body = b"<!doctype html><title>Bridge opens at last</title>" + b"<div>" * 50_000 + b"deep"
    assert client.parse(read_article, Answer(URL, body, "text/html")).item.title == "Bridge opens at last"


def test_a_story_by_its_address(client: Client) -> None:
    with FeedServer() as server:
        server.serve("/story", page("graph").body, "text/html", etag='"v1"')
        source = ArticleSource(server.url("/story"), client)
        fetched = source.fetch(Previous())
        (item,) = fetched.items
        assert (item.title, fetched.title) == ("Ferry to Marsh Island runs again after storm", "The Fen Post")
        assert item.url == server.url("/story")  # what it calls its own address is on another site
        assert server.requests[-1].headers["Accept"].startswith("text/html")
        assert source.fetch(Previous(fetched.etag)).not_modified
