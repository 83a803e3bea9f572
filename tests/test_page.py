"""Section pages: which links lead to articles, what robots.txt allows, and that nothing is read twice."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import ClassVar

import pytest

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Previous
from newsletter.sources.http import Answer, Client
from newsletter.sources.net.robots import AGAIN, DAY, LONGEST_DELAY, Robots, read_rules, robots_of
from newsletter.sources.page import Memory, PageSource, is_own_host, mark, remembered, written
from newsletter.sources.pages.links import LINK_LIMIT, looks_like_article, may_be_article, read_section
from tests.fetching import client, server
from tests.servers.http import LOOPBACK, FeedServer

__all__ = ["client", "server"]

SECTION = Path(__file__).parent / "data" / "pages" / "section.html"
WORDS = "It happened at the harbour on Monday morning, and the people of the town talked about it all day. "


def links(body: str, url: str = "https://fenpost.example/news") -> list[str]:
    section = read_section(Answer(url, f"<!doctype html><html><body>{body}</body></html>".encode(), "text/html"))
    return [link.removeprefix("https://fenpost.example") for link in section.links]


def article(number: int, date: str = "2026-11-17") -> str:
    return (
        f"<!doctype html><html lang=en><head><title>Story number {number} of the harbour</title>"
        f"<meta property='article:published_time' content='{date}'></head>"
        f"<body><article><h1>Story number {number} of the harbour</h1><p>{WORDS * 5}</p></article></body></html>"
    )


def publish(server: FeedServer, *numbers: int, etag: str = "") -> None:
    """Serve a section page with links to these stories, and the stories."""
    items = "".join(
        f"<h2><a href='/news/story-number-{one}'>Story number {one} of the harbour</a></h2>" for one in numbers
    )
    server.serve("/news", f"<!doctype html><html><body><main>{items}</main></body></html>", "text/html", etag=etag)
    for one in numbers:
        server.serve(f"/news/story-number-{one}", article(one), "text/html")


def fetch(server: FeedServer, client: Client, previous: Previous | None = None) -> Fetched:
    return PageSource(server.url("/news"), client).fetch(previous or Previous())


def asked(server: FeedServer) -> list[str]:
    """Return the paths that were asked for since the last time."""
    paths = [request.path for request in server.requests]
    server.requests.clear()
    return paths


# Links


def test_the_articles_of_a_section_page() -> None:
    answer = Answer("https://fenpost.example/news/islands", SECTION.read_bytes(), "text/html")
    section = read_section(answer)
    assert section.title == "The Fen Post"
    assert section.links == (
        "https://fenpost.example/news/2026/11/17/ferry-runs-again",
        "https://islands.fenpost.example/lighthouse",
        "https://fenpost.example/news/school-opens-again-wednesday",
        "https://fenpost.example/news/bread-41237845",
    )


def test_json_ld_lists_come_first() -> None:
    listed = """<script type="application/ld+json">{"@type":"ItemList","itemListElement":[
      {"@type":"ListItem","position":1,"url":"/a/a-story-of-four-words"},
      {"@type":"ListItem","position":2,"item":{"@type":"NewsArticle","url":"/b/77123456"}},
      {"@type":"ListItem","position":3,"item":"/sections/culture"}, "/c/2026/11/17/short"]}</script>"""
    found = links("<a href='/d/another-story-of-many-words'>Another story of many words</a>" + listed)
    assert found == [
        "/a/a-story-of-four-words",
        "/b/77123456",
        "/c/2026/11/17/short",
        "/d/another-story-of-many-words",
    ]


def test_there_is_an_end_to_a_page() -> None:
    many = "".join(f"<a href='/news/story-number-{one}-of-many'>Story number {one} of many</a>" for one in range(99))
    assert len(links(many)) == LINK_LIMIT


@pytest.mark.parametrize(
    ("url", "shape"),
    [
        ("https://a.example/2026/11/17/x", True),
        ("https://a.example/2026/nov/17/x", True),
        ("https://a.example/news/20261117-bridge", True),
        ("https://a.example/news/the-bridge-opens-again", True),
        ("https://a.example/news/a-41237845", True),
        ("https://a.example/artikel/522721.kenia.html", True),
        ("https://a.example/story.php?id=77", True),
        ("https://a.example/статті/міст-через-річку-відкрито", True),
        ("https://a.example/news/politics", False),
        ("https://a.example/news/foreign-affairs", False),
        ("https://a.example/2026/11/17/", False),
        ("https://a.example/page?lang=en", False),
    ],
)
def test_the_shape_of_an_articles_address(url: str, shape: bool) -> None:
    assert looks_like_article(url) is shape


@pytest.mark.parametrize(
    "path",
    [
        "/", "/index.html", "/tag/bridge", "/category/news/page/2", "/author/ada-marsh", "/login", "/news/search?q=x",
        "/about/who-we-are", "/privacy-policy", "/photo.jpg", "/report.pdf", "/feed/", "/news/print.php?id=7",
        "/archive/2026-11-17", "/news/2026-11-17", "/wp-login.php", "/newsletters/the-week-in-brief",
    ],
)  # fmt: skip
def test_what_is_never_an_article(path: str) -> None:
    assert not may_be_article(f"https://a.example{path}")


# Fetching


def test_a_page_brings_its_articles_in_its_order(server: FeedServer, client: Client) -> None:
    publish(server, 2, 1)
    fetched = fetch(server, client)
    assert [item.title for item in fetched.items] == ["Story number 2 of the harbour", "Story number 1 of the harbour"]
    assert fetched.items[0].summary.startswith("It happened at the harbour")
    assert fetched.problems == ()


def test_nothing_is_read_twice(server: FeedServer, client: Client) -> None:
    publish(server, 1, 2)
    first = fetch(server, client)
    asked(server)
    again = fetch(server, client, Previous(first.etag, first.last_modified))
    assert (again.not_modified, again.items, again.etag) == (True, (), first.etag)
    assert asked(server) == ["/news"]
    publish(server, 3, 1, 2)
    third = fetch(server, client, Previous(first.etag, first.last_modified))
    assert [item.title for item in third.items] == ["Story number 3 of the harbour"]
    assert asked(server) == ["/news", "/news/story-number-3"]
    publish(server, 3, 1)  # one fell off the page, and comes back
    assert fetch(server, client, Previous(third.etag)).not_modified
    publish(server, 3, 1, 2)
    assert fetch(server, client, Previous(third.etag)).not_modified


def test_an_unchanged_page_is_not_sent_again(server: FeedServer, client: Client) -> None:
    publish(server, 1, etag='"v1"')
    first = fetch(server, client)
    again = fetch(server, client, Previous(first.etag, first.last_modified))
    assert (again.not_modified, again.etag) == (True, first.etag)
    assert server.requests[-1].headers["If-None-Match"] == '"v1"'


def test_one_bad_article_is_a_sentence(server: FeedServer, client: Client) -> None:
    publish(server, 1, 2, 3, etag='"v1"')
    server.misbehave("/news/story-number-1", "broken")
    server.serve("/news/story-number-2", "<!doctype html><title>Sign in</title><input type=password>", "text/html")
    first = fetch(server, client)
    assert [item.title for item in first.items] == ["Story number 3 of the harbour"]
    assert [problem.partition(": ")[0].rpartition("/")[2] for problem in first.problems] == [
        "story-number-1 could not be read",
        "story-number-2 was left out",
    ]
    asked(server)
    publish(server, 1, 2, 3, etag='"v1"')  # what failed is tried again, although the page has not changed
    again = fetch(server, client, Previous(first.etag, first.last_modified))
    assert [item.title for item in again.items] == ["Story number 1 of the harbour"]
    assert asked(server) == ["/news", "/news/story-number-1"]


def test_a_list_without_dates_is_no_article(server: FeedServer, client: Client) -> None:
    publish(server, 1)
    server.serve("/news/story-number-1", "<!doctype html><title>All of our stories</title><p>Many.</p>", "text/html")
    (problem,) = fetch(server, client).problems
    assert "does not say that it is an article" in problem


def test_a_slow_site_is_read_in_parts(server: FeedServer, client: Client) -> None:
    class Hasty(PageSource):
        budget: ClassVar[float] = -1.0

    publish(server, 1, 2, etag='"v1"')
    first = Hasty(server.url("/news"), client).fetch(Previous())
    assert (first.items, first.etag) == ((), "links:")
    assert first.problems == ("2 articles are left for next time: the site is slow today.",)
    assert len(fetch(server, client, Previous(first.etag, first.last_modified)).items) == 2


def test_a_site_that_asks_for_rest_is_left_alone(server: FeedServer, client: Client) -> None:
    publish(server, 1, 2, 3)
    server.misbehave("/news/story-number-2", "too_many_requests")
    fetched = fetch(server, client)
    assert len(fetched.items) == 1
    assert "left alone" in fetched.problems[-1]
    assert "/news/story-number-3" not in asked(server)


@pytest.mark.parametrize(
    ("name", "sentence"), [("missing", "404"), ("not_xml", "No links to articles"), ("plain_text", "not a web page")]
)
def test_a_page_that_cannot_be_used_is_a_sentence(server: FeedServer, client: Client, name: str, sentence: str) -> None:
    server.misbehave("/news", name)
    with pytest.raises(FetchError, match=sentence):
        fetch(server, client)


# What is remembered


def test_what_is_known_fits_into_an_etag() -> None:
    marks = [mark(f"https://a.example/news/{one}") for one in range(60)]
    etag = written(marks[:LINK_LIMIT], marks[LINK_LIMIT:], '"server"')
    assert len(etag) <= 500
    assert remembered(Previous(etag, "yesterday")) == Memory(tuple(marks[:40]), Previous('"server"', "yesterday"))
    assert written(marks, (), '"' + "x" * 300 + '"') == f"links:{''.join(marks[:40])}"
    assert remembered(Previous('"of another kind"')) == Memory((), Previous('"of another kind"'))
    assert remembered(Previous(written((), (), ""))) == Memory()


def test_one_story_has_one_mark() -> None:
    assert mark("https://www.a.example/news/1?utm_source=x#top") == mark("https://a.example/news/1/")


# robots.txt (RFC 9309)

ROBOTS = """User-agent: otherbot
Disallow: /

User-agent: *
Disallow: /private/
Allow: /private/open
Disallow: /*.pdf$
Crawl-delay: 2

Sitemap: https://a.example/sitemap-news.xml
Sitemap: /relative.xml
Sitemap: ftp://a.example/no.xml
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/", True), ("/private/x", False), ("/private/open/1", True), ("/a.pdf", False), ("/a.pdf?x", True)],
)
def test_what_a_robots_txt_says(path: str, allowed: bool) -> None:
    rules = read_rules(ROBOTS, "https://a.example/robots.txt", [f"https://a.example{path}"])
    assert rules.allowed == (allowed,)
    assert rules.delay == 2
    assert rules.sitemaps == ("https://a.example/sitemap-news.xml", "https://a.example/relative.xml")


@pytest.mark.parametrize("name", ["Newsletter", "newsletter", "NEWSLETTER"])
def test_we_answer_to_our_name(name: str) -> None:
    text = f"User-agent: {name}\nDisallow: /\nCrawl-delay: 900\n\nUser-agent: *\nAllow: /"
    rules = read_rules(text, "https://a.example/robots.txt", ["https://a.example/x"])
    assert (rules.allowed, rules.delay) == ((False,), LONGEST_DELAY)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("missing", True), ("gone", True), ("forbidden", True), ("password", True), ("empty", True), ("not_xml", True),
        ("broken", False), ("overloaded", False), ("too_many_requests", False), ("cut_off", False), ("reset", False),
    ],
)  # fmt: skip
def test_without_a_robots_txt(server: FeedServer, client: Client, name: str, allowed: bool) -> None:
    """Sections 2.3.1.3 and 2.3.1.4: a file that is not there allows everything, one out of reach nothing."""
    server.misbehave("/robots.txt", name)
    assert Robots(client).rules([server.url("/news")]).allowed == (allowed,)


def test_a_robots_txt_is_read_once_a_day(server: FeedServer, client: Client) -> None:
    now = 0.0
    robots = Robots(client, lambda: now)
    server.serve("/robots.txt", ROBOTS, "text/plain")
    assert robots.rules([server.url("/private/1"), server.url("/open")]).allowed == (False, True)
    now = DAY - 1
    robots.rules([server.url("/open")])
    assert len(asked(server)) == 1
    server.misbehave("/robots.txt", "broken")
    now = DAY + 1
    assert robots.rules([server.url("/open")]).allowed == (False,)
    server.remove("/robots.txt")
    now += AGAIN + 1
    assert robots.rules([server.url("/open")]).allowed == (True,)


def test_a_giant_robots_txt_counts_to_its_limit(server: FeedServer, client: Client) -> None:
    body = "User-agent: *\nDisallow: /first\n" + "# nothing\n" * 60_000 + "Disallow: /last\n"
    server.serve("/robots.txt", body, "text/plain")
    assert Robots(client).rules([server.url("/first"), server.url("/last")]).allowed == (False, True)


def test_a_page_that_robots_txt_closes_is_not_read(server: FeedServer, client: Client) -> None:
    publish(server, 1)
    server.serve("/robots.txt", "User-agent: *\nDisallow: /news$", "text/plain")
    with pytest.raises(FetchError, match=r"robots\.txt asks programs not to read this"):
        fetch(server, client)
    assert asked(server) == ["/robots.txt"]


def test_a_site_whose_robots_txt_is_out_of_reach_is_not_read(server: FeedServer, client: Client) -> None:
    publish(server, 1)
    server.misbehave("/robots.txt", "broken")
    with pytest.raises(FetchError, match=r"robots\.txt cannot be read.*HTTP status 500"):
        fetch(server, client)


def test_articles_that_robots_txt_closes_are_left_out(server: FeedServer, client: Client) -> None:
    publish(server, 1, 2)
    server.serve("/robots.txt", "User-agent: *\nDisallow: /news/story-number-1", "text/plain")
    fetched = fetch(server, client)
    assert [item.title for item in fetched.items] == ["Story number 2 of the harbour"]
    assert fetched.problems == ("1 articles are closed to programs by the site's robots.txt.",)
    assert "/news/story-number-1" not in asked(server)
    assert fetch(server, client, Previous(fetched.etag)).not_modified


def test_an_article_that_leads_behind_robots_txt_is_not_read(server: FeedServer, client: Client) -> None:
    publish(server, 1, 2)
    server.serve("/robots.txt", "User-agent: *\nDisallow: /private", "text/plain")
    server.serve("/private/1", "<!doctype html><html><body><h1>Not for programs</h1></body></html>", "text/html")
    server.redirect("/news/story-number-1", server.url("/private/1"))
    fetched = fetch(server, client)
    assert [item.title for item in fetched.items] == ["Story number 2 of the harbour"]
    assert "closed to programs" in fetched.problems[0]


def test_what_is_known_of_robots_lives_as_long_as_the_client(server: FeedServer) -> None:
    client = Client(timeout=20, max_bytes=1_000, user_agent="Newsletter/test", private_networks=LOOPBACK)
    assert robots_of(client) is robots_of(client)
    other = Client(timeout=20, max_bytes=1_000, user_agent="Newsletter/test", private_networks=LOOPBACK)
    assert robots_of(other) is not robots_of(client)
    client.close()
    other.close()
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("url", "is_own"),
    [
        ("http://127.0.0.1/", True), ("http://localhost:8000/", True), ("http://10.1.2.3/", True), ("http://[::1]/", True),
        ("https://93.184.216.34/", False), ("https://example.org/", False), ("https://10.example.org/", False),
    ],
)  # fmt: skip
def test_hosts_of_ones_own_need_no_pause(url: str, is_own: bool) -> None:
    assert is_own_host(url) is is_own
