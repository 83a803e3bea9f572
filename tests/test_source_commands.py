"""`newsletter source add`, `import` and `export` as people use them."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli.base import FAILED, IN_PART
from tests.commands import NEWSLETTER
from tests.contracts.sources import Entry, rss
from tests.servers.http import FeedServer
from tests.test_cli import Run
from tests.test_cli import run as bare

__all__ = ["bare"]

WEEK = (Path(__file__).parent / "data" / "week.xml").read_bytes()


@pytest.fixture
def run(bare: Run) -> Run:
    """Return a function that runs a command inside this process, for an installation with two regions."""
    bare("init", "--base-url", "https://news.example.org")
    bare("region", "add", "UA", "Ukraine")
    bare("region", "add", "fens", "The Fens")
    return bare


@pytest.fixture
def site() -> Iterator[FeedServer]:
    """A site whose front page declares a feed of stories and one of comments."""
    with FeedServer() as server:
        head = "".join(
            f"<link rel=alternate type='application/rss+xml' href='{path}'>" for path in ("/comments.xml", "/feed.xml")
        )
        server.serve("/", f"<!doctype html><html><head>{head}</head></html>", "text/html")
        server.serve("/feed.xml", WEEK)
        server.serve("/comments.xml", rss([Entry("https://fenpost.example/#1", "Well said")]))
        yield server


def sources(run: Run) -> list[dict[str, Any]]:
    return list(run("source", "list", "--json").json)


# add


def test_a_sites_feed_is_found_and_shown_before_it_is_saved(run: Run, site: FeedServer) -> None:
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in (16, 17)]
    entries = [Entry("/1", "First", "It is about this.", days[0]), Entry("/2", "Second", "It is about that.", days[1])]
    site.serve("/feed.xml", rss(entries))
    said = run("source", "add", site.url("/"), "--region", "UA").out
    feed, comments = site.url("/feed.xml"), site.url("/comments.xml")
    lines = said.splitlines()
    assert lines[0] == (
        f"Found 2 sources; taking the feed {feed}, linked from the page; the others: {comments} (comments, 1)"
    )
    assert lines[1] == "News: 2 stories now, such as:"
    assert lines[2] == "  2026-11-17  Second (summary of 4 words)"
    assert lines[3] == "  2026-11-16  First (summary of 4 words)"
    assert lines[-1] == "+ source news"
    (source,) = sources(run)
    assert (source["url"], source["kind"], source["regions"]) == (feed, "feed", ["UA"])


def test_no_date_only_where_there_is_none(run: Run, site: FeedServer) -> None:
    site.serve(
        "/atom.xml",
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>Atom</title>"
        "<entry><title>Only updated</title><link href='/a'/><updated>2026-11-17T08:00:00Z</updated></entry>"
        "<entry><title>No time at all</title><link href='/b'/></entry></feed>",
    )
    said = run("source", "add", site.url("/atom.xml")).out
    assert "  2026-11-17  Only updated (no summary)" in said
    assert "  no date     No time at all (no summary)" in said


def test_the_language_of_a_feed_is_the_sources(run: Run, site: FeedServer) -> None:
    feed = rss([Entry("https://a.example/1")]).replace(b"<title>News", b"<language>uk</language><title>News", 1)
    site.serve("/uk.xml", feed)
    assert run("source", "add", site.url("/uk.xml"), "--json").json["language"] == "uk"
    assert run("source", "add", site.url("/uk.xml"), "--language", "ru", "--json").json["language"] == "ru"
    assert run("source", "add", site.url("/uk.xml"), "--json").json["language"] == "ru"


@pytest.mark.parametrize("address", ["/feed.xml", "/"])
def test_adding_a_known_source_again_keeps_what_is_left_out(run: Run, site: FeedServer, address: str) -> None:
    feed = site.url("/feed.xml")
    run("source", "add", feed, "--name", "Fen Post", "--region", "UA", "--weight", "3", "--language", "en-GB")
    run("source", "disable", "fen-post")
    (before,) = sources(run)
    said = run("source", "add", site.url(address)).out
    assert "\nThis is source fen-post already; nothing to change.\n" in said
    assert sources(run) == [before]
    assert "~ source fen-post: weight: 3.0 -> 0.0" in run("source", "add", site.url(address), "--weight", "0").out
    assert sources(run) == [before | {"weight": 0.0}]


def test_a_dry_run_saves_nothing(run: Run, site: FeedServer) -> None:
    said = run("source", "add", site.url("/feed.xml"), "--region", "UA", "--dry-run").out
    assert "+ source the-fen-post\nNothing was saved: this was a dry run." in said
    assert sources(run) == []
    assert "no region called 'XX'" in run("source", "add", site.url("/feed.xml"), "--region", "XX", "--dry-run", code=FAILED).err  # fmt: skip


CHANNEL = "<rss version='2.0'><channel><title>Quiet Post</title><link>https://quiet.example/</link>"


@pytest.mark.parametrize(
    ("feed", "sentence"),
    [
        (f"{CHANNEL}<item><ti", "The feed breaks off before its first story. "),
        (f"{CHANNEL}", "The feed breaks off before its first story. "),
        (f"{CHANNEL}</channel></rss>", ""),
        (
            f"{CHANNEL}<item><title>No address</title></item></channel></rss>",
            "Entry 1 ('No address') has no web address",
        ),
    ],
)
def test_a_feed_without_a_story_is_only_added_when_that_is_meant(
    run: Run, site: FeedServer, feed: str, sentence: str
) -> None:
    site.serve("/quiet.xml", feed)
    address = site.url("/quiet.xml")
    for options in ([], ["--json"], ["--dry-run"], ["--kind", "feed"]):
        refused = run("source", "add", address, *options, code=FAILED)
        assert "This feed has no story now; add it all the same with --yes." in refused.err
        assert sentence in refused.err or "--kind" in options
        assert (refused.out, sources(run)) == ("", [])
    said = run("source", "add", address, "--yes").out
    assert said.startswith("Quiet Post: no stories now.\n")
    assert "+ source quiet-post\n" in said
    assert "~ source quiet-post: weight" in run("source", "add", address, "--weight", "2").out  # it is there already


def test_how_many_stories_there_are_and_are_kept(run: Run, site: FeedServer) -> None:
    site.serve("/long.xml", rss([Entry(f"https://a.example/{number}", f"Story {number}") for number in range(282)]))
    said = run("source", "add", site.url("/long.xml")).out
    assert said.startswith("News: 282 stories, of which the newest 200 are kept, such as:\n")
    assert "Of its 282 entries" not in said
    site.serve("/one.xml", rss([Entry("https://b.example/1", "One"), Entry("", "No address")]))
    said = run("source", "add", site.url("/one.xml")).out
    assert said.startswith("News: 1 story now, such as:\n")
    assert "\n  Entry 2 ('No address') has no web address" in said


def test_the_help_says_when_it_asks(run: Run) -> None:
    said = " ".join(run("source", "add", "--help").out.split())
    assert "It asks on a terminal before it saves, and saves without asking elsewhere." in said


def test_what_was_found_as_json(run: Run, site: FeedServer) -> None:
    said = run("source", "add", site.url("/"), "--region", "UA", "--weight", "2", "--json").json
    assert (said["slug"], said["name"], said["weight"], said["added"], said["saved"]) == (
        "the-fen-post", "The Fen Post", 2.0, True, True,
    )  # fmt: skip
    assert [(one["url"], one["stories"]) for one in said["found"]] == [
        (site.url("/feed.xml"), 5),
        (site.url("/comments.xml"), 1),
    ]
    assert len(said["stories"]) == 5
    assert all(story["title"] and story["summary_words"] > 5 for story in said["stories"])
    again = run("source", "add", site.url("/"), "--weight", "1", "--json", "--dry-run").json
    assert (again["added"], again["changed"], again["saved"]) == (False, {"weight": [2.0, 1.0]}, False)


def test_a_page_of_articles_is_added_as_one(run: Run, site: FeedServer) -> None:
    slugs = [f"story-number-{one}-of-the-harbour" for one in range(3)]
    body = "".join(f"<h2><a href='/news/{slug}'>{slug.replace('-', ' ')}</a></h2>" for slug in slugs)
    site.serve("/news", f"<!doctype html><html><head><title>News</title></head><body>{body}</body></html>", "text/html")
    for slug in slugs:
        head = f"<title>{slug}</title><meta property='article:published_time' content='2026-11-17'>"
        site.serve(f"/news/{slug}", f"<!doctype html><html><head>{head}</head></html>", "text/html")
    for path in ("/", "/feed.xml"):
        site.remove(path)
    said = run("source", "add", site.url("/news"))
    assert f"Found one source; taking the page {site.url('/news')}, articles that the page links to" in said.out
    (source,) = sources(run)
    assert source["kind"] == "page"
    (report,) = run("gather", "--json").json
    assert (report["new"], report["error"]) == (3, "")
    (report,) = run("gather", source["slug"], "--json").json
    assert (report["new"], report["not_modified"]) == (0, True)


def test_a_site_without_any_is_a_sentence(run: Run, site: FeedServer) -> None:
    for path in ("/", "/feed.xml"):
        site.remove(path)
    site.serve("/", "<!doctype html><html><body>Hello</body></html>", "text/html")
    assert "This is a web page, not a feed. No feed was found" in run("source", "add", site.url("/"), code=FAILED).err
    assert sources(run) == []


@pytest.mark.parametrize(("answer", "options", "slugs"), [("n", [], []), ("y", [], ["the-fen-post"]), ("", ["--yes"], ["the-fen-post"])])  # fmt: skip
def test_on_a_terminal_it_asks_before_it_saves(
    run: Run, site: FeedServer, answer: str, options: list[str], slugs: list[str]
) -> None:
    terminal, inside = pty.openpty()
    try:
        os.write(terminal, f"{answer}\n".encode())
        done = subprocess.run(
            [NEWSLETTER, "source", "add", site.url("/feed.xml"), *options],
            stdin=inside,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(terminal)
        os.close(inside)
    assert ("Add The Fen Post as a source?" in done.stdout) == (not options)
    assert "5 stories now" in done.stdout.partition("as a source?")[0]
    assert [one["slug"] for one in sources(run)] == slugs


# import and export


def opml(*outlines: str) -> str:
    return f'<opml version="2.0"><body>{"".join(outlines)}</body></opml>'


def test_a_list_of_feeds_is_imported(run: Run, site: FeedServer) -> None:
    run("source", "add", site.url("/feed.xml"))
    site.requests.clear()
    Path("feeds.opml").write_text(
        opml(
            '<outline text="Coast"><outline text="Harbour News" xmlUrl="https://harbour.example/feed" category="ua,Sport"/>'
            '<outline text="Inner"><outline text="Mill" type="json" xmlUrl="https://mill.example/f.json" language="de"/></outline>'
            "</outline>",
            '<outline text="Harbour again" xmlUrl="https://www.harbour.example/feed/"/>',
            f'<outline text="Post" xmlUrl="{site.url("/feed.xml")}"/>',
            '<outline text="Old" xmlUrl="gopher://old.example/1"/>',
            '<outline text="Own" type="newsroom.notices:NoticesSource" xmlUrl="https://own.example/x"/>',
            '<outline text="Feed scheme" xmlUrl="feed://scheme.example/f"/>',
        )
    )
    dry = run("source", "import", "feeds.opml", "--region", "fens", "--dry-run").out
    assert "3 would be added, 4 left out." in dry
    assert len(sources(run)) == 1
    said = run("source", "import", "feeds.opml", "--region", "fens").out
    assert "+ source harbour-news: Harbour News, https://harbour.example/feed" in said
    assert "left out: Harbour again: It is in the file twice." in said
    assert "left out: Post: It is source the-fen-post already." in said
    assert "left out: Old: Its address is none that sources are read from" in said
    assert "left out: Own: Its kind is 'newsroom.notices:NoticesSource'. Add it by itself" in said
    assert "Its folders: Coast, Coast / Inner." in said
    assert said.endswith("3 added, 4 left out.\n")
    assert site.requests == []  # feeds are not read
    assert {one["slug"]: (one["kind"], one["url"], one["language"], one["regions"]) for one in sources(run)[:-1]} == {
        "feed-scheme": ("feed", "https://scheme.example/f", "", ["fens"]),
        "harbour-news": ("feed", "https://harbour.example/feed", "", ["UA", "fens"]),
        "mill": ("jsonfeed", "https://mill.example/f.json", "de", ["fens"]),
    }
    assert run("source", "import", "feeds.opml").out.endswith("0 added, 7 left out.\n")


def test_an_import_as_json(run: Run) -> None:
    Path("feeds.opml").write_text(opml('<outline text="Harbour" xmlUrl="https://harbour.example/f"/>', '<outline text="X" xmlUrl="x y"/>'))  # fmt: skip
    said = run("source", "import", "feeds.opml", "--json").json
    assert [one["slug"] for one in said["added"]] == ["harbour"]
    assert [(one["name"], one["url"]) for one in said["skipped"]] == [("X", "x y")]
    assert (said["folders"], said["dry_run"]) == ([], False)


def test_a_check_leaves_out_feeds_that_cannot_be_read(run: Run, site: FeedServer) -> None:
    site.misbehave("/broken.xml", "broken")
    Path("feeds.opml").write_text(
        opml(*(f'<outline text="{name}" xmlUrl="{site.url(f"/{name}.xml")}"/>' for name in ("feed", "broken")))
    )
    said = run("source", "import", "feeds.opml", "--check", code=IN_PART).out
    assert "left out: broken: " in said
    assert "(HTTP status 500)" in said
    assert said.endswith("1 added, 1 left out.\n")


def test_an_unknown_region_adds_nothing(run: Run) -> None:
    Path("feeds.opml").write_text(opml('<outline text="Harbour" xmlUrl="https://harbour.example/f"/>'))
    assert "no region called 'XX'" in run("source", "import", "feeds.opml", "--region", "XX", code=FAILED).err
    assert sources(run) == []


def test_what_is_no_opml_is_a_sentence(run: Run) -> None:
    Path("feeds.opml").write_text("<rss/>")
    assert "feeds.opml is no OPML" in run("source", "import", "feeds.opml", code=FAILED).err
    assert "missing.opml" in run("source", "import", "missing.opml", code=FAILED).err


def test_what_is_exported_can_be_imported(run: Run, site: FeedServer) -> None:
    run("source", "add", site.url("/feed.xml"), "--region", "UA", "--region", "fens", "--language", "en")
    text = run("source", "export").out
    assert f'xmlUrl="{site.url("/feed.xml")}"' in text
    assert f'htmlUrl="{site.url("/")}"' in text
    assert "Wrote 1 sources to feeds.opml." in run("source", "export", "feeds.opml").out
    (before,) = sources(run)
    run("source", "remove", "the-fen-post", "--yes")
    run("source", "import", "feeds.opml")
    (after,) = sources(run)
    named = ("slug", "name", "kind", "url", "regions", "language")
    assert {name: after[name] for name in named} == {name: before[name] for name in named}


def test_a_source_that_is_switched_off_is_not_exported(run: Run, site: FeedServer) -> None:
    """OPML has no word for it, and whoever imports the file would switch it on."""
    run("source", "add", site.url("/feed.xml"), "--name", "Post", "--slug", "post")
    run("source", "disable", "post")
    said = run("source", "export", "feeds.opml").out
    assert said == "Wrote 0 sources to feeds.opml. 1 that are switched off were left out.\n"
    assert "Post" not in Path("feeds.opml").read_text(encoding="utf-8")
