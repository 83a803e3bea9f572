"""From any address of a site to its feed."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.errors import FetchError
from newsletter.sources import Item
from newsletter.sources.discovery import FEED_REQUESTS, SITEMAP_REQUESTS, addresses, find_feeds, language_of
from newsletter.sources.http import Answer, Client
from newsletter.sources.pages.feedlinks import FeedLink, is_about_comments, known_feeds, read_page_links, usual_places
from tests.contracts.sources import Entry, atom, json_feed, rss
from tests.fetching import client, server
from tests.servers.http import LOOPBACK, FeedServer

__all__ = ["client", "server"]

WEEK = (Path(__file__).parent / "data" / "week.xml").read_bytes()
FRONT = "https://post.example/"


def page(head: str = "", body: str = "") -> str:
    return f"<!doctype html><html><head><title>Post</title>{head}</head><body>{body}</body></html>"


def declared(head: str, url: str = FRONT) -> list[str]:
    return [link.url for link in read_page_links(Answer(url, page(head).encode(), "text/html")).declared]


def mentioned(body: str, url: str = FRONT) -> list[str]:
    return [link.url for link in read_page_links(Answer(url, page("", body).encode(), "text/html")).mentioned]


def feed(*titles: str) -> bytes:
    return rss([Entry(f"https://post.example/{title}", title) for title in titles])


def found(server: FeedServer, client: Client, path: str = "/") -> list[tuple[str, str, int, str]]:
    candidates = find_feeds(client, server.url(path)).candidates
    return [(one.url.removeprefix(server.url("")), one.kind, len(one.items), one.where) for one in candidates]


# What a page leads to


@pytest.mark.parametrize(
    ("head", "urls"),
    [
        ("<link rel=alternate type='application/rss+xml' href='/feed'>", ["/feed"]),
        ("<link rel='ALTERNATE feed' type='Application/Atom+XML; charset=utf-8' href='//post.example/a'>", ["/a"]),
        ("<link rel=alternate type='application/feed+json' href='feed.json'>", ["/feed.json"]),
        ("<link rel=alternate type='text/xml' href='/rss.php'>", ["/rss.php"]),
        ("<link rel=alternate type='text/xml' href='/map'>", []),
        ("<link rel=alternate type='application/json' href='/wp-json/wp/v2/posts/1'>", []),
        ("<link rel=alternate type='application/json+oembed' href='/oembed?url=x'>", []),
        ("<link rel=alternate hreflang=de href='/de'>", []),
        ("<link rel=stylesheet type='application/rss+xml' href='/x'>", []),
        ("<link rel=alternate type='application/rss+xml' href='javascript:x'>", []),
        ("<link rel=alternate type='application/rss+xml' href='feed://post.example/f'>", ["/f"]),
        ("<base href='/deep/'><link rel=alternate type='application/rss+xml' href='f.xml'>", ["/deep/f.xml"]),
        (
            "<link rel=alternate type='application/rss+xml' title='Post » Comments Feed' href='/comments/feed/'>"
            "<link rel=alternate type='application/rss+xml' title='Post » Feed' href='/feed/'>",
            ["/feed/", "/comments/feed/"],
        ),
        (
            "<link rel=alternate type='application/rss+xml' href='https://other.example/feed'>"
            "<link rel=alternate type='application/rss+xml' href='/feed'>",
            ["/feed", "https://other.example/feed"],
        ),
    ],
)
def test_feeds_that_a_page_declares(head: str, urls: list[str]) -> None:
    assert [url.replace("https://post.example", "") for url in declared(head)] == urls


def test_a_section_has_its_own_feed_first() -> None:
    head = "".join(
        f"<link rel=alternate type='application/rss+xml' title='{title}' href='{href}'>"
        for title, href in (("Post", "/rss"), ("Sport", "/rss/sport"), ("World", "/rss/world"), ("x", "/world/uk.rss"))
    )
    assert declared(head, "https://post.example/world")[:2] == [
        "https://post.example/rss/world",
        "https://post.example/world/uk.rss",
    ]


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        ("<a href='/rss'>News</a>", ["/rss"]),
        ("<a href='/news/feed.xml'>x</a>", ["/news/feed.xml"]),
        ("<a href='/?feed=rss2'>x</a>", ["/?feed=rss2"]),
        ("<a href='/subscribe/77'>RSS</a>", ["/subscribe/77"]),
        ("<a href='https://feeds.post.example/top'>x</a>", ["https://feeds.post.example/top"]),
        ("<a href='/feedback'>Feedback</a><a href='/feeding-birds'>Feeding</a>", []),
        ("<a href='/news/rss-is-twenty-five.html'>RSS is 25</a>", []),
        ("<a href='https://feedly.com/i/subscription/feed/x'>Feedly</a>", []),
    ],
)
def test_feeds_that_a_page_mentions(body: str, urls: list[str]) -> None:
    assert [url.replace("https://post.example", "") for url in mentioned(body)] == urls


@pytest.mark.parametrize(
    ("url", "title", "expected"),
    [
        ("https://post.example/comments/feed", "", True),
        ("https://post.example/x/feed", "Kommentare zu: Brücke", True),
        ("https://post.example/2026/11/17/bridge/feed/", "Bridge", True),
        ("https://post.example/feed/", "Post", False),
    ],
)
def test_feeds_of_comments(url: str, title: str, expected: bool) -> None:
    assert is_about_comments(FeedLink(url, title), "https://post.example/2026/11/17/bridge/") is expected


@pytest.mark.parametrize(
    ("url", "feed_url"),
    [
        ("https://www.youtube.com/channel/UCabc-_1/videos", "https://www.youtube.com/feeds/videos.xml?channel_id=UCabc-_1"),
        ("https://m.youtube.com/user/post", "https://www.youtube.com/feeds/videos.xml?user=post"),
        ("https://www.youtube.com/playlist?list=PL1", "https://www.youtube.com/feeds/videos.xml?playlist_id=PL1"),
        ("https://mastodon.example/@post", "https://mastodon.example/@post.rss"),
        ("https://mastodon.example/users/post", "https://mastodon.example/users/post.rss"),
        ("https://post.substack.com/p/bridge", "https://post.substack.com/feed"),
        ("https://medium.com/@ada/bridge-1", "https://medium.com/feed/@ada"),
        ("https://medium.com/post-weekly", "https://medium.com/feed/post-weekly"),
        ("https://post.medium.com/", "https://post.medium.com/feed"),
        ("https://www.reddit.com/r/ukraine/top/?t=day", "https://www.reddit.com/r/ukraine/.rss"),
        ("https://post.blogspot.co.uk/2026/11/x.html", "https://post.blogspot.co.uk/feeds/posts/default"),
        ("https://post.tumblr.com", "https://post.tumblr.com/rss"),
        ("https://post.wordpress.com/", "https://post.wordpress.com/feed/"),
        ("https://bsky.app/profile/post.example", "https://bsky.app/profile/post.example/rss"),
        ("https://github.com/ada/marsh/releases", "https://github.com/ada/marsh/releases.atom"),
    ],
)  # fmt: skip
def test_feeds_by_the_rules_of_a_site(url: str, feed_url: str) -> None:
    assert known_feeds(url) == [feed_url]


@pytest.mark.parametrize(
    "url", ["https://post.example/news", "https://post.example/", "https://youtube.example/user/x"]
)
def test_other_sites_have_no_rule(url: str) -> None:
    assert known_feeds(url) == []


def test_a_channel_of_youtube_by_its_page() -> None:
    head = "<meta itemprop=identifier content=UCabc>"
    url = "https://www.youtube.com/@post"
    assert declared(head, url) == ["https://www.youtube.com/feeds/videos.xml?channel_id=UCabc"]


def test_usual_places_begin_below_a_section() -> None:
    places = usual_places("https://post.example/world/")
    assert places[:3] == [
        "https://post.example/world/feed/",
        "https://post.example/world/rss",
        "https://post.example/feed/",
    ]
    assert usual_places("https://post.example/2026/11/17/bridge")[0] == "https://post.example/feed/"


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        (" https://post.example/x ", ["https://post.example/x"]),
        ("post.example", ["https://post.example", "http://post.example"]),
        ("feed://post.example/f", ["https://post.example/f"]),
        ("feed:http://post.example/f", ["http://post.example/f"]),
        ("//post.example/f", ["https://post.example/f", "http://post.example/f"]),
    ],
)
def test_what_people_paste(text: str, urls: list[str]) -> None:
    assert addresses(text) == urls


def test_the_language_of_a_feed_is_that_of_nearly_all() -> None:
    items = [Item("u", "t", language="uk")] * 19 + [Item("u", "t", language="en"), Item("u", "t")]
    assert language_of(items) == "uk"
    assert language_of(items[10:]) == "uk"
    assert language_of(items[15:]) == ""
    assert language_of([]) == ""


# The search


@pytest.mark.parametrize(
    ("body", "kind"),
    [(WEEK, "feed"), (atom([Entry()]), "feed"), (json_feed([Entry()]), "jsonfeed"), (feed(), "feed")],
    ids=["rss", "atom", "json", "empty"],
)
def test_a_feed_is_its_own_answer(server: FeedServer, client: Client, body: bytes, kind: str) -> None:
    server.serve("/f", body, "text/html")  # servers often name the wrong type
    ((url, its_kind, _, where),) = found(server, client, "/f")
    assert (url, its_kind, where) == ("/f", kind, "the address itself")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "path"), [(301, "/new"), (308, "/new"), (302, "/old")])
def test_a_feed_that_has_moved_for_good_has_its_new_address(
    server: FeedServer, client: Client, status: int, path: str
) -> None:
    server.redirect("/old", "/new", status=status)
    server.serve("/new", WEEK)
    assert found(server, client, "/old") == [(path, "feed", 5, "the address itself")]


def test_an_address_without_a_scheme(server: FeedServer, client: Client) -> None:
    server.serve("/f", WEEK)
    (candidate,) = find_feeds(client, server.url("/f").removeprefix("http://")).candidates
    assert candidate.url == server.url("/f")


def test_the_main_feed_before_comments_and_empty_ones(server: FeedServer, client: Client) -> None:
    head = "".join(
        f"<link rel=alternate type='application/rss+xml' href='{path}'>"
        for path in ("/e", "/comments", "/f", "/g", "/gone")
    )
    server.serve("/", page(head), "text/html")
    server.serve("/e", feed())
    server.serve("/comments", feed("one"))
    server.serve("/f", WEEK)
    server.serve("/g", WEEK.replace(b"<title>The Fen Post", b"<title>The same once more"))
    where = "linked from the page"
    assert found(server, client) == [
        ("/f", "feed", 5, where),
        ("/e", "feed", 0, where),
        ("/comments", "feed", 1, where),
    ]
    assert find_feeds(client, server.url("/")).candidates[0].title == "The Fen Post"


def test_an_article_leads_to_its_sites_feed(server: FeedServer, client: Client) -> None:
    own = "<link rel=alternate type='application/rss+xml' href='/2026/11/17/bridge-opens/feed/'>"
    server.serve("/2026/11/17/bridge-opens", page(own, "<h1>Bridge opens</h1>"), "text/html")
    server.serve("/2026/11/17/bridge-opens/feed/", feed("comment"))
    server.serve("/", page("<link rel=alternate type='application/rss+xml' href='/f'>"), "text/html")
    server.serve("/f", WEEK)
    first, second = found(server, client, "/2026/11/17/bridge-opens")
    assert first == ("/f", "feed", 5, "linked from the site's front page")
    assert second[0] == "/2026/11/17/bridge-opens/feed/"


@pytest.mark.parametrize("path", ["/feed/", "/rss.xml", "/atom.xml", "/feed.json", "/?feed=rss2"])
def test_feeds_in_usual_places(server: FeedServer, client: Client, path: str) -> None:
    server.serve("/", page(), "text/html")
    server.serve("/rss", page("", "Not found, but the server says 200."), "text/html")
    server.serve(path, json_feed([Entry()]) if path.endswith("json") else WEEK)
    ((url, _, _, where),) = found(server, client)
    assert (url, where) == (path, "in a usual place")


def test_a_site_that_keeps_programs_out_may_still_have_a_feed(server: FeedServer, client: Client) -> None:
    server.misbehave("/", "forbidden")
    with pytest.raises(FetchError, match="HTTP status 403"):
        find_feeds(client, server.url("/"))
    server.serve("/rss", WEEK)
    assert found(server, client) == [("/rss", "feed", 5, "in a usual place")]


def test_a_page_without_a_feed_is_a_source_itself(server: FeedServer, client: Client) -> None:
    stories = [f"story-number-{one}-of-the-harbour" for one in range(7)]
    items = "".join(f"<h2><a href='/news/{slug}'>{slug.replace('-', ' ')}</a></h2>" for slug in stories)
    server.serve("/news", page("", items), "text/html")
    for slug in stories:
        head = "<meta property='article:published_time' content='2026-11-17'>"
        server.serve(f"/news/{slug}", page(head, f"<h1>{slug.replace('-', ' ')}</h1>"), "text/html")
    assert found(server, client, "/news") == [("/news", "page", 5, "articles that the page links to")]
    server.serve("/robots.txt", "User-agent: *\nDisallow: /news", "text/plain")
    other = Client(timeout=20, max_bytes=1_000_000, user_agent="Newsletter/test", private_networks=LOOPBACK)
    with pytest.raises(FetchError, match="No feed was found .* robots.txt asks programs not to read this"):
        find_feeds(other, server.url("/news"))
    other.close()


def news_sitemap(title: str) -> str:
    story = f"<news:title>{title}</news:title><news:publication_date>2026-11-17</news:publication_date>"
    return (
        "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'"
        " xmlns:news='http://www.google.com/schemas/sitemap-news/0.9'>"
        f"<url><loc>https://post.example/1</loc><news:news>{story}</news:news></url></urlset>"
    )


@pytest.mark.parametrize("path", ["/maps/news-today.xml", "/sitemap-news.xml"])
def test_a_news_sitemap_before_the_page_itself(server: FeedServer, path: str) -> None:
    client = Client(timeout=20, max_bytes=1_000_000, user_agent="Newsletter/test", private_networks=LOOPBACK)
    items = "".join(f"<h2><a href='/news/story-number-{one}'>Story number {one} of many</a></h2>" for one in range(5))
    server.serve("/", page("", items), "text/html")
    server.serve("/robots.txt", "Sitemap: /sitemap.xml\nSitemap: /maps/news-today.xml", "text/plain")
    server.serve(path, news_sitemap("Bridge opens"), "application/xml")
    assert found(server, client) == [(path, "sitemap", 1, "the site's news sitemap")]
    assert "/sitemap.xml" not in {request.path for request in server.requests}
    client.close()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("<url><loc>https://post.example/1</loc></url>", r"None of its 1 addresses has a title \(news:title\)"),
        ("", "There are no stories in this sitemap. Use the publisher's feed"),
    ],
    ids=["addresses", "empty"],
)
def test_a_sitemap_without_news_is_no_source(server: FeedServer, client: Client, body: str, sentence: str) -> None:
    server.serve("/sitemap.xml", f"<urlset>{body}</urlset>", "application/xml")
    with pytest.raises(FetchError, match=sentence):
        find_feeds(client, server.url("/sitemap.xml"))


def test_a_hostile_feed_is_refused_for_what_it_is(server: FeedServer, client: Client) -> None:
    """Threat 8: that it is a feed, and why it is not read, is what a person has to know."""
    server.serve(
        "/f", '<!DOCTYPE rss [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><rss><channel><title>&b;</title></channel></rss>'
    )
    with pytest.raises(FetchError, match="It defines entities that grow or reach out of it"):
        find_feeds(client, server.url("/f"))


def test_a_page_that_leads_nowhere_costs_few_requests(server: FeedServer, client: Client) -> None:
    head = "".join(f"<link rel=alternate type='application/rss+xml' href='/f{one}'>" for one in range(50))
    server.serve("/a/b", page(head, "<a href='/rss/1'>RSS</a>" * 50), "text/html")
    with pytest.raises(FetchError, match="This is a web page, not a feed. No feed was found"):
        find_feeds(client, server.url("/a/b"))
    assert len(server.requests) <= 1 + FEED_REQUESTS + 1 + SITEMAP_REQUESTS  # the page, feeds, robots.txt, sitemaps


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("missing", "404"), ("plain_text", "This is plain text, not a feed"), ("redirect_loop", "circle")],
)
def test_an_address_that_cannot_be_read_is_a_sentence(
    server: FeedServer, client: Client, name: str, sentence: str
) -> None:
    server.misbehave("/x", name)
    with pytest.raises(FetchError, match=sentence):
        find_feeds(client, server.url("/x"))
