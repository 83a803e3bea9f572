"""The sample newsroom of `make demo`: what it promises its readers, and feeds that real programs can read."""

from __future__ import annotations

import calendar
import csv
import json
import re
import tomllib
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import feedparser
import pytest
from PIL import Image

from demo.feeds import FeedServer
from demo.newsroom import Newsroom, Story, entries, entry, load
from demo.pictures import SCENES, draw

DEMO = Path(__file__).parents[1] / "demo"
NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
NEWSROOM = load()
STORIES = [story for story in NEWSROOM.stories if not story.linkless]
CONTENT = tomllib.loads((DEMO / "newsroom.toml").read_text(encoding="utf-8"))


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer(NEWSROOM, now=NOW) as running:
        yield running


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers with lower-case names, and body; a 304 or 404 is an answer, not an error."""
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


def parsed(server: FeedServer, outlet: str) -> Any:
    """Return the outlet's RSS or Atom feed as feedparser reads it; it must be well-formed."""
    _, headers, body = get(server.url + NEWSROOM.outlets[outlet].feed_path)
    feed = feedparser.parse(body, response_headers={"content-type": headers["content-type"]})
    assert not feed.bozo, feed.get("bozo_exception")
    return feed


def when(parts: Any) -> datetime:
    return datetime.fromtimestamp(calendar.timegm(parts), UTC)


# The content


def test_it_is_as_large_as_the_demo_says() -> None:
    assert len(STORIES) == 45
    assert len(CONTENT["sources"]) >= 6
    assert len(CONTENT["editions"]) >= 2
    assert Counter(outlet.kind for outlet in NEWSROOM.outlets.values()) == {"rss": 3, "atom": 2, "json": 2}


def test_no_two_stories_share_a_headline_or_an_address() -> None:
    titles = [title for story in NEWSROOM.stories for title in versions_of(story)]
    assert len(titles) == len(set(titles)) == 48
    assert len({story.path for story in NEWSROOM.stories}) == 46


def versions_of(story: Story) -> dict[str, str]:
    """Return title -> summary for every version of a story."""
    found = {story.title: story.summary}
    if story.update:
        found[story.update.title or story.title] = story.update.summary
    return found


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
def test_a_story_reads_like_one(story: Story) -> None:
    for title, summary in versions_of(story).items():
        assert 40 <= len(title) <= 90
        assert not title.endswith(".")
        assert 30 <= len(summary.split()) <= 80
        assert 2 <= len(re.findall(r"[.!?](?= |$)", summary)) <= 4
        assert "\n" not in summary
        assert not re.search(r"today|yesterday|tomorrow|Monday|Tuesday|Wednesday|Thursday|Friday", title + summary), (
            "a story is dated from the day the demo runs, so its text names no day"
        )
    assert story.author
    assert story.topic


def test_one_story_comes_in_two_feeds_two_are_updated_and_one_is_broken() -> None:
    assert [story.slug for story in NEWSROOM.stories if story.also_in] == ["skelmouth-dredger-stuck"]
    assert [story.slug for story in NEWSROOM.stories if story.update] == ["river-wendle-at-ostrey", "hallarand-water"]
    assert [story.slug for story in NEWSROOM.stories if story.linkless] == ["recycling-hours-correction"]
    assert all(story.update.hours_ago < story.hours_ago for story in NEWSROOM.stories if story.update)


def test_every_story_but_one_is_recent_enough_on_whatever_day_the_demo_runs() -> None:
    """The send time lies up to seven days ahead; an issue takes what was published in its last max_age_days."""
    for edition in CONTENT["editions"]:
        days = edition["max_age_days"]
        too_old = [story.slug for story in STORIES if story.hours_ago / 24 + 7 > days]
        assert too_old == ["lifeboat-named"]
        assert all(story.hours_ago / 24 > days for story in STORIES if story.slug in too_old)


def test_each_edition_has_three_sources_of_its_own_and_one_is_shared() -> None:
    reach = {source["slug"]: set(source["regions"]) for source in CONTENT["sources"]}
    fens, baltic = (
        {slug for slug, regions in reach.items() if regions & set(edition["regions"])}
        for edition in CONTENT["editions"]
    )
    assert fens & baltic == {"two-seas-wire"}
    assert (len(fens), len(baltic)) == (4, 4)


def test_the_newsroom_file_agrees_with_itself_and_with_the_feeds() -> None:
    regions = {region["code"] for region in CONTENT["regions"]}
    lists = {mailing_list["slug"] for mailing_list in CONTENT["lists"]}
    for source in CONTENT["sources"]:
        outlet = NEWSROOM.outlets[source["slug"]]
        assert source["url"] == f"http://127.0.0.1:8470{outlet.feed_path}"
        assert source["kind"] == ("jsonfeed" if outlet.kind == "json" else "feed")
        assert (source["name"], source["language"]) == (outlet.name, outlet.language)
        assert set(source["regions"]) <= regions
    assert {source["slug"] for source in CONTENT["sources"]} == set(NEWSROOM.outlets)
    for edition in CONTENT["editions"]:
        assert set(edition["regions"]) <= regions
        assert edition["list"] in lists
        assert (DEMO / f"{edition['list']}.csv").is_file()


def test_stories_name_outlets_and_pictures_that_exist() -> None:
    for story in NEWSROOM.stories:
        assert {story.outlet, *story.also_in} <= set(NEWSROOM.outlets)
        assert not story.picture or story.picture in NEWSROOM.alts
    used = Counter(story.picture for story in NEWSROOM.stories if story.picture)
    assert used == dict.fromkeys(NEWSROOM.alts, 1)


def test_the_readers_are_25_people_and_three_rows_are_bad() -> None:
    rows = {
        name: list(csv.DictReader((DEMO / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        for name in ("fenland", "baltic")
    }
    assert {name: len(found) for name, found in rows.items()} == {"fenland": 18, "baltic": 12}
    good = {
        name: {row["email"].lower() for row in found if re.fullmatch(r"\S+@example\.(org|net|com)", row["email"], re.I)}
        for name, found in rows.items()
    }
    assert {name: len(found) for name, found in good.items()} == {"fenland": 15, "baltic": 12}
    assert len(good["fenland"] | good["baltic"]) == 25


# The pictures


@pytest.mark.parametrize("name", sorted(NEWSROOM.alts))
def test_a_picture_is_fit_for_mail_and_says_what_it_shows(name: str) -> None:
    """R22: JPEG at twice the display size, small; R47: an alternative text of at most 125 characters."""
    path = DEMO / "pictures" / f"{name}.jpg"
    with Image.open(path) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (1200, 675), "RGB")
    assert path.stat().st_size <= 60_000
    assert 20 <= len(NEWSROOM.alts[name]) <= 125
    assert not re.match(r"(?i)(a )?(picture|image|photo|drawing)", NEWSROOM.alts[name])


def test_the_pictures_are_those_that_can_be_drawn_and_are_small_together() -> None:
    files = {path.stem: path.stat().st_size for path in (DEMO / "pictures").glob("*.jpg")}
    assert set(files) == set(SCENES) == set(NEWSROOM.alts)
    assert sum(files.values()) < 800_000


def test_a_picture_is_drawn_the_same_way_each_time(tmp_path: Path) -> None:
    first = draw("forest-mist", tmp_path).read_bytes()
    assert draw("forest-mist", tmp_path).read_bytes() == first


# What a feed holds


@pytest.mark.parametrize(
    ("hours_before_now", "title"),
    [
        (23, None),
        (22, "Ostrey told to move cars uphill as the River Wendle keeps rising"),
        (8, "Ostrey told to move cars uphill as the River Wendle keeps rising"),
        (7, "River Wendle peaks at Ostrey and 140 homes stay dry behind new gates"),
        (0, "River Wendle peaks at Ostrey and 140 homes stay dry behind new gates"),
    ],
)
def test_a_story_is_absent_then_new_then_updated(hours_before_now: float, title: str | None) -> None:
    story = next(story for story in NEWSROOM.stories if story.slug == "river-wendle-at-ostrey")
    one = entry(story, now=NOW, shown_at=NOW - timedelta(hours=hours_before_now))
    assert (one.title if one else None) == title
    if one:
        assert one.published_at == NOW - timedelta(hours=22)
        assert one.is_updated is (hours_before_now <= 7)


@pytest.mark.parametrize("now", [NOW, datetime(2031, 12, 31, 23, 59, tzinfo=UTC)], ids=["a March", "a New Year's Eve"])
def test_dates_count_back_from_the_moment_the_demo_starts(now: datetime) -> None:
    for slug in NEWSROOM.outlets:
        held = entries(NEWSROOM, slug, now=now, shown_at=now)
        assert [now - one.published_at for one in held] == sorted(now - one.published_at for one in held)
        assert all(one.published_at == now - timedelta(hours=one.story.hours_ago) for one in held)


# The server


@pytest.mark.parametrize("outlet", [slug for slug, outlet in NEWSROOM.outlets.items() if outlet.kind != "json"])
def test_rss_and_atom_say_what_was_published(server: FeedServer, outlet: str) -> None:
    feed = parsed(server, outlet)
    held = entries(NEWSROOM, outlet, now=NOW, shown_at=NOW)
    assert feed.version == ("rss20" if NEWSROOM.outlets[outlet].kind == "rss" else "atom10")
    assert feed.feed.title == NEWSROOM.outlets[outlet].name
    assert feed.feed.language == NEWSROOM.outlets[outlet].language
    assert [item.title for item in feed.entries] == [one.title for one in held]
    for item, one in zip(feed.entries, held, strict=True):
        assert item.summary == one.summary
        assert item.author == one.story.author
        assert when(item.published_parsed) == one.published_at
        if one.is_updated:
            assert when(item.updated_parsed) == one.updated_at
        if one.story.picture:
            url = f"{server.url}/pictures/{one.story.picture}.jpg"
            assert f'src="{url}"' in item.content[0].value
            assert [media["url"] for media in item.get("media_content", [])] == (
                [url] if feed.version == "rss20" else []
            )
            assert f'alt="{NEWSROOM.alts[one.story.picture]}"' in item.content[0].value


@pytest.mark.parametrize("outlet", [slug for slug, outlet in NEWSROOM.outlets.items() if outlet.kind == "json"])
def test_json_feeds_say_what_was_published(server: FeedServer, outlet: str) -> None:
    _, headers, body = get(server.url + NEWSROOM.outlets[outlet].feed_path)
    feed = json.loads(body)
    held = entries(NEWSROOM, outlet, now=NOW, shown_at=NOW)
    assert headers["content-type"].startswith("application/feed+json")
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"] == NEWSROOM.outlets[outlet].name
    for item, one in zip(feed["items"], held, strict=True):
        assert (item["title"], item["summary"]) == (one.title, one.summary)
        assert datetime.fromisoformat(item["date_published"]) == one.published_at
        assert item.get("image") == (f"{server.url}/pictures/{one.story.picture}.jpg" if one.story.picture else None)
        assert one.summary.split("'")[0] in item["content_html"]


def test_the_broken_entry_has_no_link_and_all_others_have_one(server: FeedServer) -> None:
    entries_of_courier = parsed(server, "wendle-courier").entries
    assert ["link" in item for item in entries_of_courier].count(False) == 1
    broken = next(item for item in entries_of_courier if "link" not in item)
    assert broken.title.startswith("Correction")


def test_the_shared_story_has_the_same_address_with_tracking_parameters(server: FeedServer) -> None:
    carried = next(item for item in parsed(server, "two-seas-wire").entries if "dredger" in item.title)
    _, _, body = get(server.url + NEWSROOM.outlets["saltmarsh-radio"].feed_path)
    original = next(item for item in json.loads(body)["items"] if "dredger" in item["title"])
    address = urlsplit(carried.link)
    assert address._replace(query="").geturl() == original["url"]
    assert set(parse_qs(address.query)) == {"utm_source", "utm_medium", "utm_campaign"}
    assert get(carried.link)[0] == 200


def test_every_story_has_a_page_with_its_picture(server: FeedServer) -> None:
    for story in STORIES:
        status, _, body = get(server.url + story.path)
        page = body.decode()
        assert status == 200
        assert f'<link rel="canonical" href="{server.url}{story.path}">' in page
        picture = re.search(r'<img src="([^"]+)" alt="([^"]+)"', page)
        assert (picture is not None) == bool(story.picture)
        if picture:
            assert picture[2] == NEWSROOM.alts[story.picture]
            assert get(server.url + picture[1])[1]["content-type"] == "image/jpeg"


def test_no_link_on_the_front_and_outlet_pages_is_dead(server: FeedServer) -> None:
    paths, seen = ["/"], set()
    while paths:
        path = paths.pop()
        if path in seen:
            continue
        seen.add(path)
        status, headers, body = get(server.url + path)
        assert status == 200, path
        if headers["content-type"].startswith("text/html"):
            paths += re.findall(r'href="(/[^"]*)"', body.decode())
    assert len(seen) == 1 + 7 + 7 + 45  # the front page, outlets, feeds, articles


@pytest.mark.parametrize("outlet", NEWSROOM.outlets)
def test_a_known_feed_answers_304_without_a_body(server: FeedServer, outlet: str) -> None:
    """RFC 9110 section 13: If-None-Match decides where it is given, If-Modified-Since otherwise."""
    url = server.url + NEWSROOM.outlets[outlet].feed_path
    status, headers, body = get(url)
    assert status == 200
    assert body
    earlier = format_datetime(NOW - timedelta(days=30), usegmt=True)
    for conditions, expected in [
        ({"If_None_Match": headers["etag"]}, 304),
        ({"If_None_Match": f'"other", W/{headers["etag"]}'}, 304),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_None_Match": '"other"', "If_Modified_Since": headers["last-modified"]}, 200),
        ({"If_Modified_Since": headers["last-modified"]}, 304),
        ({"If_Modified_Since": earlier}, 200),
        ({"If_Modified_Since": "not a date"}, 200),
    ]:
        again = get(url, **conditions)
        assert again[0] == expected, conditions
        assert (again[2] == b"") == (expected == 304)


def test_a_feed_changes_its_validators_when_a_story_is_updated(server: FeedServer) -> None:
    url = server.url + NEWSROOM.outlets["ostrey-post"].feed_path
    server.shown_at = NOW - timedelta(hours=8)
    _, before, _ = get(url)
    server.shown_at = NOW
    status, after, body = get(url, If_None_Match=before["etag"], If_Modified_Since=before["last-modified"])
    assert status == 200
    assert b"River Wendle peaks" in body
    assert after["last-modified"] == format_datetime(NOW - timedelta(hours=7), usegmt=True)


@pytest.mark.parametrize(
    "path",
    [
        "/nobody",
        "/nobody/nothing",
        "/wendle-courier/nothing",
        "/wendle-courier/recycling-hours-correction",
        "/wendle-courier/atom.xml",
        "/pictures/none.jpg",
        "/pictures/..%2Fstories.toml",
        "/ostrey-post/river-wendle-at-ostrey/more",
    ],
)
def test_what_does_not_exist_answers_404_with_a_page(server: FeedServer, path: str) -> None:
    status, headers, body = get(server.url + path)
    assert status == 404
    assert "etag" not in headers
    assert b"There is no such page" in body


def test_a_story_has_no_page_before_it_is_published(server: FeedServer) -> None:
    server.shown_at = NOW - timedelta(hours=23)
    assert get(f"{server.url}/ostrey-post/river-wendle-at-ostrey")[0] == 404


def test_head_answers_like_get_without_a_body(server: FeedServer) -> None:
    request = urllib.request.Request(f"{server.url}/ostrey-post/atom.xml", method="HEAD")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.read() == b""
        assert int(answer.headers["Content-Length"]) == len(get(request.full_url)[2])


def test_a_port_in_use_is_an_error_and_not_a_second_server(server: FeedServer) -> None:
    with pytest.raises(OSError, match="in use"):
        FeedServer(Newsroom({}, (), {}), now=NOW, port=server.port)
