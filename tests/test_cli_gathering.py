"""The commands about sources' health, regions, single stories and why a story is where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import col, select

from newsletter.cli.base import FAILED, IN_PART, USAGE, open_app
from newsletter.models import Region, Source, Story, StoryRegion
from tests.servers.http import FeedServer
from tests.test_cli import Run, feeds, newsroom, run

__all__ = ["feeds", "newsroom", "run"]

ARTICLE = """<!DOCTYPE html><html lang="en"><head><title>Sluice gate fails at Denver - The Denver Echo</title>
<meta property="og:site_name" content="The Denver Echo"><meta property="og:type" content="article">
<script type="application/ld+json">{"@type": "NewsArticle", "headline": "Sluice gate fails at Denver",
"datePublished": "2026-11-18T09:00:00Z", "description": "The gate jammed at high water; forty acres are flooded."}
</script></head><body><article><h1>Sluice gate fails at Denver</h1><p>The gate jammed at high water on Tuesday night,
and forty acres of winter wheat are flooded. The drainage board has two pumps at work and hopes to be done by Friday.</p>
</article></body></html>"""


def test_how_the_sources_do(newsroom: Run, feeds: FeedServer) -> None:
    assert "not read yet" in newsroom("source", "status").out
    newsroom("gather")
    assert "fen-post\twell" in newsroom("source", "status").out
    assert newsroom("source", "status", "--trouble").out == "All 1 sources are well.\n"
    feeds.misbehave("/feed.xml", "missing")
    newsroom("gather", code=IN_PART)
    said = newsroom("source", "status", "--trouble").out
    assert said == (  # for three days that is nobody's business
        "No source has failed for 3 days or been silent for 4 weeks; 1 failed the last time: fen-post.\n"
    )
    (row,) = newsroom("source", "status", "--json").json
    assert (row["state"], row["failures"]) == ("failing", 1)
    assert "There is nothing at this address" in row["last_error"]
    assert row["next_try_at"]


def test_a_source_that_failed_is_left_alone_until_its_next_try(newsroom: Run, feeds: FeedServer) -> None:
    feeds.misbehave("/feed.xml", "missing")
    newsroom("gather", code=IN_PART)
    asked = len(feeds.requests)
    said = newsroom("gather", code=IN_PART).out
    assert "fen-post: not read before" in said
    assert "There is nothing at this address" in said
    assert len(feeds.requests) == asked
    newsroom("gather", "fen-post", code=IN_PART)  # unless it is named
    assert len(feeds.requests) == asked + 1


def test_a_region_shows_what_names_it(newsroom: Run) -> None:
    newsroom("region", "add", "UA-63", "Kharkiv oblast", "--word", "Saltivka")
    newsroom("region", "add", "marsh", "The marsh", "--area", "52.3,-0.2,52.8,0.4", "--parent", "GB-ENG")
    facts = newsroom("region", "show", "UA-63", "--json").json
    assert (facts["parent"], facts["words"]) == ("UA", ["Saltivka"])
    assert "Kharkiv" in facts["known_names"]
    said = newsroom("region", "show", "marsh").out
    assert "marsh: The marsh, in GB-ENG" in said
    assert "no region called 'XX'" in newsroom("region", "show", "XX", code=FAILED).err


def test_a_region_of_iso_3166_needs_no_name(newsroom: Run) -> None:
    for code, name in (("GB", "United Kingdom"), ("GB-SCT", "Scotland")):
        assert newsroom("region", "add", code).out == f"+ region {code}\n"
        assert newsroom("region", "show", code, "--json").json["name"] == name
    said = newsroom("region", "add", "uk", code=FAILED).err
    assert (
        "'uk' is no code of ISO 3166, so it needs a name: newsletter region add uk \"Its name\". Did you mean GB?"
        in said
    )
    assert "no region called 'SCT'. Did you mean GB-SCT?" in newsroom("region", "show", "SCT", code=FAILED).err


def test_a_region_that_is_there_keeps_what_is_not_given(newsroom: Run) -> None:
    newsroom("region", "add", "marsh", "The marsh", "--word", "Reedham")
    assert newsroom("region", "add", "marsh", "Marshland").out == ("~ region marsh: name: 'The marsh' -> 'Marshland'\n")
    assert newsroom("region", "show", "marsh", "--json").json["words"] == ["Reedham"]
    assert newsroom("region", "add", "marsh").out == "Nothing to change.\n"


def test_a_region_that_nothing_names_is_pointed_out(newsroom: Run) -> None:
    said = newsroom("region", "add", "XX", "Nowhere").err
    assert "Nothing is known about XX but its name: give it words with --word" in said
    assert newsroom("region", "add", "XX", "--word", "Erewhon").err == ""
    assert newsroom("region", "add", "FR", "la France").err == ""


@pytest.mark.parametrize("area", ["here", "1,2,3", "52,0,51,1", "52;0;51;1"])
def test_an_area_that_is_none_is_a_sentence(newsroom: Run, area: str) -> None:
    said = newsroom("region", "add", "marsh", "The marsh", "--area", area, code=FAILED if "," in area else USAGE).err
    assert "52.3,-0.2,52.8,0.4" in said or "south, west, north, east" in said


def test_a_story_by_its_address_is_pinned(newsroom: Run, feeds: FeedServer) -> None:
    with FeedServer() as echo:
        echo.serve("/2026/11/18/sluice", ARTICLE.encode(), "text/html")
        newsroom("gather")
        newsroom("issue", "draft", "fen-weekly")
        added = newsroom(
            "story", "add", echo.url("/2026/11/18/sluice"), "--issue", "fen-weekly", "--lead", "--json"
        ).json
        assert (added["headline"], added["is_new"]) == ("Sluice gate fails at Denver", True)
        lead = newsroom("issue", "show", "fen-weekly", "--json").json["stories"][0]
        assert (lead["id"], lead["place"], lead["pinned"]) == (added["story_id"], "lead", True)
        newsroom("issue", "draft", "fen-weekly")  # a new draft keeps it
        assert newsroom("issue", "show", "fen-weekly", "--json").json["stories"][0]["id"] == added["story_id"]
        assert "Known already" in newsroom("story", "add", echo.url("/2026/11/18/sluice")).out
    with open_app().db.reading() as session:
        sources = {one.name: one.enabled for one in session.exec(select(Source))}
    assert sources == {"The Fen Post": True, "The Denver Echo": False}


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("story", "add", "https://127.0.0.1:1/x", "--lead"), USAGE, "--lead needs --issue"),
        (("story", "add", "ftp://post.example/x"), FAILED, "cannot be used"),
        (("story", "add", "https://post.example/x", "--issue", "nope"), FAILED, "no edition called 'nope'"),
        (("issue", "explain", "4711"), FAILED, "no story called '4711'"),
        (("issue", "explain", "ferry"), FAILED, "Name it by its number"),
    ],
)
def test_mistakes_get_a_sentence(newsroom: Run, words: tuple[str, ...], code: int, sentence: str) -> None:
    assert sentence in newsroom(*words, code=code).err


def test_a_page_that_is_no_article_is_not_kept(newsroom: Run, feeds: FeedServer) -> None:
    feeds.serve("/empty", b"<!DOCTYPE html><html><body></body></html>", "text/html")
    said = newsroom("story", "add", feeds.url("/empty"), code=FAILED).err
    assert "no headline" in said


@pytest.mark.parametrize("status", ["missing", "gone"])
def test_an_address_without_an_article_is_not_looked_for_among_feeds(
    newsroom: Run, feeds: FeedServer, status: str
) -> None:
    feeds.misbehave("/story", status)
    said = newsroom("story", "add", feeds.url("/story"), code=FAILED).err
    assert "There is nothing at this address. Check it in a browser." in said
    assert "feed" not in said.partition(": ")[2]


def test_a_feed_is_no_story(newsroom: Run, feeds: FeedServer) -> None:
    url = feeds.url("/feed.xml")
    said = newsroom("story", "add", url, code=FAILED).err
    assert f"This is a feed, not an article; add it with `newsletter source add {url}`." in said


def test_a_page_with_hardly_any_text_and_no_date_is_only_kept_when_that_is_meant(
    newsroom: Run, feeds: FeedServer
) -> None:
    feeds.serve("/nothing", "<!DOCTYPE html><title>Nothing</title><h1>Nothing</h1><p>Come back later.", "text/html")
    said = newsroom("story", "add", feeds.url("/nothing"), code=FAILED).err
    assert "The page is headed 'Nothing', has no date and hardly any text" in said
    assert "story" in newsroom("story", "add", feeds.url("/nothing"), "--yes").out


def test_a_story_says_which_georgia_and_whose_second_report(newsroom: Run, feeds: FeedServer) -> None:
    newsroom("region", "add", "GE", "Georgia")
    newsroom("region", "add", "US-GA")
    newsroom("list", "add", "georgia", "Georgia")
    edition = ["edition", "add", "georgia-weekly", "--name", "Georgia Weekly", "--region", "GE", "--list", "georgia"]
    edition += ["--sender", "a@post.example", "--publisher", "P", "--postal-address", "1 Main St"]
    newsroom(*edition, "--send", "monday 07:00", "--time-zone", "Asia/Tbilisi")
    newsroom("gather")
    with open_app().db.transaction() as session:
        one, two, three, *_ = session.exec(select(Story).order_by(col(Story.id))).all()
        other = Source(slug="echo", name="The Echo", kind="feed", url="https://echo.example/")
        session.add(other)
        session.flush()
        three.source_id = other.id
        one.coverage = two.coverage = three.coverage = 7
        region = session.exec(select(Region).where(Region.code == "US-GA")).one()
        session.add(StoryRegion(story_id=one.id, region_id=region.id, evidence='"Atlanta"', strength=0.9))
        number, second, third, source = str(one.id), two.id, three.id, session.get_one(Source, one.source_id).name
    newsroom("issue", "draft", "fen-weekly")
    newsroom("issue", "draft", "georgia-weekly")
    lines = newsroom("issue", "explain", number).out.splitlines()
    assert '  About Georgia (US-GA) (0.90): "Atlanta"' in lines
    assert any(line.startswith(f"  Another report of {source}: ") and f"(story {second})" in line for line in lines)
    assert any(line.startswith("  Also reported by The Echo: ") and f"(story {third})" in line for line in lines)
    assert lines[-1] == "Not about: Georgia Weekly"
    assert not any(line.startswith("georgia-weekly/") for line in lines)
    named = newsroom("issue", "explain", number, "--issue", "georgia-weekly").out
    assert "left out: it is not about Georgia" in named
    assert len(newsroom("issue", "explain", number, "--json").json["issues"]) == 2


def test_a_story_explains_itself(newsroom: Run) -> None:
    newsroom("gather")
    assert "There is no issue yet" in newsroom("issue", "explain", "1").out
    newsroom("issue", "draft", "fen-weekly")
    stories = newsroom("issue", "show", "fen-weekly", "--json").json["stories"]
    said = newsroom("issue", "explain", str(stories[0]["id"])).out
    assert "the lead" in said
    assert "in all" in said
    assert '  About The Fens (0.90): "Ely" in the headline\n' in said
    newsroom("issue", "edit", "fen-weekly", "--drop", str(stories[1]["id"]))
    facts = newsroom("issue", "explain", str(stories[1]["id"]), "--issue", "fen-weekly", "--json").json
    assert facts["issues"][0]["left_out"] == "dropped by the editor"
    assert facts["headline"] == stories[1]["headline"]


def test_why_lists_the_next_best_first(newsroom: Run) -> None:
    newsroom("gather")
    newsroom("edition", "set", "fen-weekly", "min_stories=1")
    newsroom("edition", "set", "fen-weekly", "max_stories=1")
    newsroom("issue", "draft", "fen-weekly")
    out = newsroom("issue", "show", "fen-weekly", "--why").out
    ranks = [line.rpartition("place ")[2].split()[0] for line in out.splitlines() if "no room: place" in line]
    assert ranks == sorted(ranks, key=int)
    assert ranks[0] == "2"
    left = newsroom("issue", "show", "fen-weekly", "--why", "--json").json["left_out"]
    assert {one["rank"] for one in left.values() if one["reason"].startswith("no room")} >= {1}


def test_what_an_editors_settings_may_be(run: Run) -> None:
    run("init", "--base-url", "https://news.example.org")
    text = Path("newsletter.toml").read_text(encoding="utf-8")
    Path("newsletter.toml").write_text(text + '\n[schedule]\neditors = ["Ed"]\n', encoding="utf-8")
    assert "'Ed' is no mail address" in run("source", "status", code=FAILED).err
    Path("newsletter.toml").write_text(text + "\n[score]\nper_source = 0\n", encoding="utf-8")
    assert "score.per_source" in run("source", "status", code=FAILED).err
