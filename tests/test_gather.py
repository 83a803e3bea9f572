"""Stage 1 on a real database, from feeds on a real server: sources -> stories."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from sqlmodel import Session, col, delete, select

from newsletter import db as db_module
from newsletter.db import Database
from newsletter.errors import NotFound
from newsletter.gather import SUMMARY_LIMIT, TITLE_LIMIT, SourceReport, candidates, changes, gather
from newsletter.models import Region, Source, SourceRegion, Story, StoryRegion
from newsletter.sources import Fetched, Item, Previous, load_source
from newsletter.sources import Source as Fetcher
from newsletter.sources.http import Client
from tests.contracts.sources import Entry, json_feed, rss
from tests.databases import database, sqlite_database
from tests.servers.http import LOOPBACK, FeedServer

__all__ = ["database", "sqlite_database"]

NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
FERRY = Item("https://post.example/ferry", "Ferry reopens", "The first boat left.", NOW - timedelta(days=1))


# The pure half


@pytest.mark.parametrize(
    ("item", "field_name", "value"),
    [
        (replace(FERRY, url="http://www.post.example/ferry/?utm_source=x"), "url", "https://post.example/ferry"),
        (replace(FERRY, url="http://www.post.example/ferry?a=1"), "link", "http://www.post.example/ferry?a=1"),
        (replace(FERRY, title=" A\n title\x00 "), "title", "A title"),
        (replace(FERRY, title="\ud800x"), "title", "x"),
        (replace(FERRY, title="word " * 200), "title", ("word " * 100)[:-1] + "…"),
        (replace(FERRY, summary="", content="The first boat left at noon."), "summary", "The first boat left at noon."),
        (replace(FERRY, image_credit="x" * 300), "image_credit", "x" * 199 + "…"),
        (replace(FERRY, categories=("Ferries", " Ferries ", "", "Islands")), "categories", ("Ferries", "Islands")),
        (replace(FERRY, point=(52.4, 0.26)), "latitude", 52.4),
        (replace(FERRY, point=(52.4, 0.26)), "longitude", 0.26),
        (replace(FERRY, author="x" * 300), "author", "x" * 199 + "…"),
        (replace(FERRY, image_alt="x" * 600), "image_alt", "x" * 499 + "…"),
        (replace(FERRY, image_url="https://post.example/" + "x" * 2_000), "image_url", ""),
        (replace(FERRY, image_url="javascript:alert(1)"), "image_url", ""),
        (replace(FERRY, language=""), "language", "en"),
        (replace(FERRY, language="en-GB"), "language", "en-GB"),
        (replace(FERRY, language="uk"), "language", "en"),  # many systems declare a language that the text is not in
        (replace(FERRY, language="not a tag at all"), "language", "en"),
        # dates: the item's, else its change, else now; never in the future
        (FERRY, "published_at", NOW - timedelta(days=1)),
        (
            replace(FERRY, published_at=None, updated_at=NOW - timedelta(days=2)),
            "published_at",
            NOW - timedelta(days=2),
        ),
        (replace(FERRY, published_at=None), "published_at", NOW),
        (replace(FERRY, published_at=NOW + timedelta(days=3)), "published_at", NOW),
        (replace(FERRY, published_at=NOW + timedelta(minutes=50)), "is_dated", True),
        (replace(FERRY, published_at=NOW + timedelta(days=3)), "is_dated", False),
        (replace(FERRY, published_at=None), "is_dated", False),
        (replace(FERRY, published_at=NOW.astimezone(timezone(timedelta(hours=-8)))), "published_at", NOW),
    ],
)
def test_an_item_is_made_fit_to_be_stored(item: Item, field_name: str, value: object) -> None:
    ((candidate,), _) = candidates([item], language="en", now=NOW)
    assert getattr(candidate, field_name) == value


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (replace(FERRY, url="ftp://post.example/ferry"), "is not a web address"),
        (replace(FERRY, url="https://post.example/" + "x" * 2_000), "longer than 2,000 characters"),
        (replace(FERRY, title=" \n"), "has no title"),
    ],
)
def test_an_item_that_cannot_be_stored_is_a_sentence(item: Item, sentence: str) -> None:
    kept, (problem,) = candidates([item], language="", now=NOW)
    assert kept == ()
    assert sentence in problem
    assert problem.endswith("left out.")


def test_a_headline_does_not_name_its_outlet() -> None:
    item = replace(FERRY, title="Ferry to the islands reopens | Odesa Post", summary="Ferry to the islands reopens")
    ((candidate,), _) = candidates([item], language="en", now=NOW, name="Odesa Post")
    assert (candidate.title, candidate.summary) == ("Ferry to the islands reopens", "")
    ((candidate,), _) = candidates([item], language="en", now=NOW)
    assert candidate.title == item.title


def test_of_two_items_with_one_address_the_first_counts() -> None:
    twice = [FERRY, replace(FERRY, url=FERRY.url + "?utm_source=x", title="Other words")]
    kept, problems = candidates(twice, language="", now=NOW)
    assert ([candidate.title for candidate in kept], problems) == (["Ferry reopens"], ())


STORED = Story(
    source_id=1,
    url=FERRY.url,
    link=FERRY.url,
    title=FERRY.title,
    summary=FERRY.summary,
    published_at=NOW,
    first_seen_at=NOW,
)


@pytest.mark.parametrize(
    ("item", "source_id", "changed"),
    [
        (FERRY, 1, {}),
        (replace(FERRY, title="Ferry is back"), 1, {"title": "Ferry is back"}),
        (replace(FERRY, summary=""), 1, {"summary": ""}),
        (
            replace(FERRY, image_url="https://p.example/x.jpg", image_alt="A boat"),
            1,
            {"image_url": "https://p.example/x.jpg", "image_alt": "A boat"},
        ),
        # neither its date nor its author nor the way to it makes a story another one
        (replace(FERRY, published_at=NOW, author="Ada", url=FERRY.url + "#top"), 1, {}),
        # another source's words are not the story's
        (replace(FERRY, title="Ferry is back"), 2, {}),
    ],
)
def test_what_a_source_changes_in_a_story(item: Item, source_id: int, changed: dict[str, str]) -> None:
    ((candidate,), _) = candidates([item], language="", now=NOW)
    assert changes(STORED, source_id, candidate) == changed


# The whole stage


@dataclass
class Desk:
    """A database and a server on which feeds are published, and the gathering between them."""

    db: Database
    server: FeedServer
    client: Client
    now: datetime = NOW
    seen: list[SourceReport] = field(default_factory=list)

    def region(self, code: str, name: str, *words: str) -> int:
        with self.db.transaction() as session:
            region = Region(code=code, name=name, words=list(words))
            session.add(region)
            session.flush()
            return region.id

    def source(self, slug: str, *regions: int, kind: str = "feed", **fields: object) -> None:
        with self.db.transaction() as session:
            source = Source(slug=slug, name=slug.replace("-", " ").title(), kind=kind, url=self.server.url(f"/{slug}"))
            for name, value in fields.items():
                setattr(source, name, value)
            session.add(source)
            session.flush()
            session.add_all(SourceRegion(source_id=source.id, region_id=region_id) for region_id in regions)

    def publish(self, slug: str, *entries: Entry, etag: str = "") -> None:
        self.server.serve(f"/{slug}", rss(entries), "application/rss+xml", etag=etag)

    def gather(self, *only: str, open_source: Callable[[str, str], Fetcher] | None = None) -> list[SourceReport]:
        return gather(
            self.db,
            open_source or partial(load_source, client=self.client),
            clock=lambda: self.now,
            threads=4,
            only=only,
            progress=self.seen.append,
        )

    def stories(self) -> dict[str, Story]:
        with self.db.reading() as session:
            return {story.url: story for story in session.exec(select(Story))}

    def story(self) -> Story:
        (story,) = self.stories().values()
        return story

    def row(self, slug: str) -> Source:
        with self.db.reading() as session:
            return session.exec(select(Source).where(Source.slug == slug)).one()

    def regions(self) -> dict[str, str]:
        """Return code -> evidence of the only story."""
        with self.db.reading() as session:
            return regions_of(session, self.story().id)


def regions_of(session: Session, story_id: int) -> dict[str, str]:
    rows = session.exec(
        select(Region.code, StoryRegion.evidence)
        .join(StoryRegion, col(StoryRegion.region_id) == Region.id)
        .where(StoryRegion.story_id == story_id)
    )
    return dict(rows.all())


class Fixed:
    """A source whose fetch does what the test says."""

    def __init__(
        self, *items: Item, problem: Exception | None = None, before: Callable[[], object] | None = None
    ) -> None:
        self.items = items
        self.problem = problem
        self.before = before

    def fetch(self, previous: Previous) -> Fetched:
        if self.before is not None:
            self.before()
        if self.problem is not None:
            raise self.problem
        return Fetched(items=self.items)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    client = Client(timeout=20, max_bytes=1_000_000, user_agent="test", private_networks=LOOPBACK)
    yield client
    client.close()


@pytest.fixture(scope="module")
def hasty_client() -> Iterator[Client]:
    """Yield a client for a source that never answers."""
    client = Client(timeout=0.5, max_bytes=1_000_000, user_agent="test", private_networks=LOOPBACK)
    yield client
    client.close()


@pytest.fixture
def desk(sqlite_database: Database, client: Client) -> Iterator[Desk]:
    with FeedServer() as server:
        yield Desk(sqlite_database, server, client)


@pytest.fixture
def either(database: Database, client: Client) -> Iterator[Desk]:
    """Yield a desk on SQLite and one on PostgreSQL, for what the two might do in their own ways."""
    with FeedServer() as server:
        yield Desk(database, server, client)


def test_stories_come_in_once_and_stay(either: Desk) -> None:
    either.source("post", language="en")
    either.publish(
        "post", Entry("/ferry", "Ferry reopens", "The first boat left."), Entry("/mast?utm_source=rss", "Mast")
    )
    assert either.gather() == [SourceReport("post", new=2)]
    assert either.gather() == [SourceReport("post", unchanged=2)]
    story = either.stories()[f"https://127.0.0.1:{either.server.url('').rpartition(':')[2]}/ferry"]
    assert (story.title, story.summary, story.language) == ("Ferry reopens", "The first boat left.", "en")
    assert (story.link, story.first_seen_at) == (either.server.url("/ferry"), NOW)
    assert (story.published_at, story.updated_at) == (datetime(2026, 11, 17, tzinfo=UTC), None)


def test_a_json_feed_is_gathered_too(desk: Desk) -> None:
    desk.source("isle", kind="jsonfeed")
    desk.server.serve("/isle", json_feed([Entry("/lighthouse", "Lighthouse lit")]), "application/feed+json")
    assert desk.gather() == [SourceReport("isle", new=1)]


def test_a_story_updated_at_its_source_is_an_update(either: Desk) -> None:
    either.source("post")
    either.publish("post", Entry("/ferry", "Ferry to reopen"), Entry("/mast", "Mast"))
    either.gather()
    either.publish("post", Entry("/ferry", "Ferry reopened"), Entry("/mast", "Mast"))
    either.now = LATER
    assert either.gather() == [SourceReport("post", updated=1, unchanged=1)]
    updated = {story.title: story.updated_at for story in either.stories().values()}
    assert updated == {"Ferry reopened": LATER, "Mast": None}


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"image_url": "https://post.example/new.jpg"}, ("", "", None)),
        ({"title": "Ferry is back"}, ("f" * 64, "It is too large.", NOW)),
    ],
    ids=["picture", "words"],
)
def test_a_new_picture_is_as_one_never_asked_for(
    desk: Desk, change: dict[str, str], kept: tuple[str, str, datetime | None]
) -> None:
    """Nothing of the old one holds it up: neither that it is there or unfit, nor that it was asked for in vain."""
    desk.source("post")
    shown = replace(FERRY, image_url="https://post.example/old.jpg")
    desk.gather(open_source=lambda kind, url: Fixed(shown))
    with desk.db.transaction() as session:
        story = session.exec(select(Story)).one()
        story.picture, story.picture_problem, story.picture_tried_at = "f" * 64, "It is too large.", NOW
    desk.now = LATER
    desk.gather(open_source=lambda kind, url: Fixed(Item(**(vars(shown) | change))))
    story = desk.story()
    assert story.updated_at == LATER
    assert (story.picture, story.picture_problem, story.picture_tried_at) == kept


def test_what_has_not_changed_costs_one_request_and_no_reading(desk: Desk) -> None:
    desk.source("post")
    desk.publish("post", Entry("/ferry"), etag='"1"')
    desk.gather()
    desk.now = LATER
    assert desk.gather() == [SourceReport("post", not_modified=True)]
    row = desk.row("post")
    assert (row.etag, row.fetched_at, row.succeeded_at) == ('"1"', LATER, LATER)
    assert desk.server.requests[-1].headers["If-None-Match"] == '"1"'


def test_one_story_of_two_sources_is_one_row_with_the_regions_of_both(either: Desk) -> None:
    north, south = either.region("N", "Northland"), either.region("S", "Southland")
    either.source("a-post", north)
    either.source("b-wire", south)
    either.publish("a-post", Entry("/ferry", "Ferry reopens"))
    either.publish("b-wire", Entry("/ferry?utm_source=wire", "Boat news"))
    assert either.gather() == [SourceReport("a-post", new=1), SourceReport("b-wire", unchanged=1)]
    assert either.story().title == "Ferry reopens"
    assert either.regions() == {"N": "from A Post", "S": "from B Wire"}
    either.publish("b-wire", Entry("/ferry", "Boat news, again"))
    assert either.gather("b-wire") == [SourceReport("b-wire", unchanged=1)]
    assert either.story().title == "Ferry reopens"


def test_regions_come_from_the_words_and_from_the_source(desk: Desk) -> None:
    ukraine, fens = desk.region("UA", "Ukraine", "Kharkiv"), desk.region("FEN", "The Fens", "Ely")
    desk.source("fen-post", fens)
    desk.publish("fen-post", Entry("/visit", "Kharkiv choir sings", "They came to Ely by boat."))
    desk.gather()
    assert ukraine != fens
    assert desk.regions() == {"UA": '"Kharkiv" in the headline', "FEN": "from Fen Post"}


def test_a_corrected_headline_takes_its_region_back(either: Desk) -> None:
    for code, name in (("KHA", "Kharkiv"), ("KHE", "Kherson"), ("UA", "Ukraine")):
        either.region(code, name)
    with either.db.reading() as session:
        (kherson,) = session.exec(select(Region.id).where(Region.code == "KHE"))
    either.source("post", kherson)
    either.publish("post", Entry("/metro", "Kharkiv and Kherson in Ukraine"))
    either.gather()
    either.publish("post", Entry("/metro", "One city in Ukraine"))
    either.gather()
    assert either.regions() == {"UA": '"Ukraine" in the headline', "KHE": "from Post"}


@pytest.mark.parametrize("name", ["not_xml", "missing", "redirect_loop", "fifty_megabytes", "never_answers"])
def test_one_bad_source_never_stops_the_others(desk: Desk, hasty_client: Client, name: str) -> None:
    desk.source("a-bad", etag='"old"', last_modified="Tue, 17 Nov 2026 08:00:00 GMT")
    desk.source("b-good")
    desk.server.misbehave("/a-bad", name)
    desk.publish("b-good", Entry("/ferry"))

    def open_source(kind: str, url: str) -> Fetcher:
        hasty = name == "never_answers" and url.endswith("/a-bad")
        return load_source(kind, url, hasty_client if hasty else desk.client)

    bad, good = desk.gather(open_source=open_source)
    assert (bad.slug, bad.new) == ("a-bad", 0)
    assert bad.error
    assert good == SourceReport("b-good", new=1)
    desk.gather("a-bad", open_source=open_source)
    row = desk.row("a-bad")
    assert (row.failures, row.last_error) == (2, bad.error)
    assert (row.fetched_at, row.succeeded_at) == (NOW, None)
    assert row.etag == '"old"'


def test_a_source_whose_host_rests_has_not_failed(sqlite_database: Database) -> None:
    """Only one of them was asked; the others are read when the rest is over, and nobody's count of failures goes up."""
    client = Client(timeout=5, max_bytes=1_000_000, user_agent="test", private_networks=LOOPBACK)
    with FeedServer() as server:
        desk = Desk(sqlite_database, server, client)
        for slug in ("a", "b"):
            desk.source(slug)
            server.serve(f"/{slug}", b"later", "text/plain", status=429, retry_after="1800")
        desk.gather("a")
        desk.gather("b")
        asked = [request.path for request in server.requests]
    client.close()
    assert asked == ["/a"]
    first, second = desk.row("a"), desk.row("b")
    assert (first.failures, second.failures) == (1, 0)
    assert first.next_fetch_at == NOW + timedelta(minutes=30)
    assert second.next_fetch_at is not None
    assert timedelta(minutes=29) < second.next_fetch_at - NOW <= timedelta(minutes=30)
    assert (second.fetched_at, second.last_error) == (None, "")
    assert (first.first_fetched_at, second.first_fetched_at) == (NOW, None)


def test_the_first_reading_stays_the_first(desk: Desk) -> None:
    """A source that never brought a story is silent since then."""
    desk.source("post")
    desk.publish("post")
    desk.gather()
    desk.now = LATER
    desk.gather()
    row = desk.row("post")
    assert (row.first_fetched_at, row.fetched_at) == (NOW, LATER)


def test_the_schedule_reads_only_what_is_due(desk: Desk) -> None:
    desk.source("just-read", fetched_at=NOW - timedelta(minutes=10))
    desk.source("long-ago", fetched_at=NOW - timedelta(hours=3))
    desk.publish("just-read", Entry("/a"))
    desk.publish("long-ago", Entry("/b"))
    reports = gather(
        desk.db,
        partial(load_source, client=desk.client),
        clock=lambda: NOW,
        threads=2,
        every=timedelta(hours=1),
    )
    assert reports == [SourceReport("long-ago", new=1)]


def test_a_source_that_recovers_starts_afresh(desk: Desk) -> None:
    desk.source("post", failures=3, last_error="It was away.", fetched_at=NOW)
    desk.publish("post", Entry("/ferry"))
    desk.gather()
    row = desk.row("post")
    assert (row.failures, row.last_error, row.succeeded_at) == (0, "", NOW)


def test_a_validator_counts_only_once_the_body_was_read(desk: Desk) -> None:
    desk.source("post")
    desk.server.serve("/post", b"<html><body>Sorry</body></html>", "text/html", etag='"page"')
    (report,) = desk.gather()
    assert "a web page" in report.error
    assert desk.row("post").etag == ""


def test_a_bug_in_a_source_is_reported_and_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.source("a-bug")
    desk.source("b-naive")
    desk.source("c-good")
    sources = {
        "/a-bug": Fixed(problem=ZeroDivisionError("division by zero")),
        "/b-naive": Fixed(replace(FERRY, published_at=datetime(2026, 11, 1))),  # noqa: DTZ001 - the bug in question
        "/c-good": Fixed(FERRY),
    }
    with caplog.at_level(logging.ERROR):
        bug, naive, good = desk.gather(open_source=lambda kind, url: sources[url.removeprefix(desk.server.url(""))])
    assert "ZeroDivisionError: division by zero" in bug.error
    assert "TypeError" in naive.error
    assert good == SourceReport("c-good", new=1)
    assert desk.row("a-bug").failures == 1
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_what_a_locked_database_cannot_take_is_read_again(
    sqlite_database: Database, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else writes for longer than anybody waits."""
    monkeypatch.setattr(db_module, "_BUSY_SECONDS", 0)
    impatient = Database(str(sqlite_database))
    with FeedServer() as server:
        desk = Desk(impatient, server, client)
        for slug in ("a", "b"):
            desk.source(slug)
            desk.publish(slug, Entry(f"/of-{slug}"))
        with sqlite_database.transaction(), caplog.at_level(logging.WARNING):
            reports = desk.gather()
        sentence = "Its stories could not be stored: database is locked. It is read again the next time."
        assert reports == desk.seen == [SourceReport("a", error=sentence), SourceReport("b", error=sentence)]
        assert "source=a could not be stored" in caplog.text
        assert desk.row("a").fetched_at is None
        assert desk.gather() == [SourceReport("a", new=1), SourceReport("b", new=1)]
    impatient.close()


def test_an_unknown_kind_is_the_sentence_of_its_source(desk: Desk) -> None:
    desk.source("odd", kind="gopher")
    (report,) = desk.gather()
    assert "no kind of source called 'gopher'" in report.error
    assert desk.row("odd").last_error == report.error


def test_what_a_foreign_source_brings_cannot_break_the_database(either: Desk) -> None:
    either.source("odd")
    nasty = Item("https://odd.example/\x00a", "T\x00itle \ud800", "S\x00\udfff", NOW, author="\x00", image_alt="\ud83d")
    many = [Item(f"https://odd.example/{number}", f"Story {number}", published_at=NOW) for number in range(1_200)]
    (report,) = either.gather(open_source=lambda kind, url: Fixed(nasty, *many))
    assert (report.new, report.error) == (1_201, "")
    (report,) = either.gather(open_source=lambda kind, url: Fixed(*many))
    assert report.unchanged == 1_200


def test_what_is_left_out_is_said(desk: Desk) -> None:
    desk.source("post")
    long = "/" + "x" * 2_000
    desk.publish("post", Entry(long, "Long way"), Entry("", "No way"), Entry("/ferry", "T" * 600, "s" * 3_000))
    (report,) = desk.gather()
    assert report.new == 1
    assert ["No way" in report.problems[0], "Long way" in report.problems[1]] == [True, True]
    assert len(desk.story().title) == TITLE_LIMIT
    assert len(desk.story().summary) <= SUMMARY_LIMIT


def test_a_disabled_source_is_read_only_when_it_is_named(desk: Desk) -> None:
    desk.source("off", enabled=False)
    desk.source("on")
    desk.publish("off", Entry("/a"))
    desk.publish("on", Entry("/b"))
    assert desk.gather() == [SourceReport("on", new=1)]
    assert desk.gather("off") == [SourceReport("off", new=1)]
    assert desk.row("on").fetched_at == NOW


def test_an_unknown_slug_stops_before_anything_is_fetched(desk: Desk) -> None:
    desk.source("post")
    desk.publish("post", Entry("/a"))
    with pytest.raises(NotFound, match=r"no source called 'pots'. Did you mean post\?"):
        desk.gather("post", "pots")
    assert desk.server.requests == []


def test_where_there_are_no_sources_a_name_is_answered_with_how_to_add_one(desk: Desk) -> None:
    with pytest.raises(NotFound, match="no source called 'post'. Add one with `newsletter source add`"):
        desk.gather("post")


def test_reports_come_by_slug_as_each_is_stored(desk: Desk) -> None:
    """Which of two sources brings a story first does not depend on the network: the slower one is first by name."""
    desk.source("a-slow")
    desk.source("b-fast")
    fast_is_done = threading.Event()
    sources = {
        "a-slow": Fixed(FERRY, before=lambda: fast_is_done.wait(5)),
        "b-fast": Fixed(FERRY, before=fast_is_done.set),
    }
    reports = desk.gather(open_source=lambda kind, url: sources[url.rpartition("/")[2]])
    assert reports == desk.seen == [SourceReport("a-slow", new=1), SourceReport("b-fast", unchanged=1)]


def test_no_sources_make_no_reports(desk: Desk) -> None:
    assert desk.gather() == []


def test_a_source_removed_meanwhile_is_a_sentence(either: Desk) -> None:
    either.source("post")

    def remove() -> None:
        with either.db.transaction() as session:
            session.exec(delete(Source))

    (report,) = either.gather(open_source=lambda kind, url: Fixed(FERRY, before=remove))
    assert "was removed" in report.error
    assert either.stories() == {}


def test_a_region_removed_meanwhile_is_passed_over(either: Desk) -> None:
    either.region("F", "Ferry")
    either.region("R", "reopens")
    either.source("post")

    def remove() -> None:
        with either.db.transaction() as session:
            session.exec(delete(Region).where(col(Region.code) == "F"))

    (report,) = either.gather(open_source=lambda kind, url: Fixed(FERRY, before=remove))
    assert report == SourceReport("post", new=1)
    assert either.regions() == {"R": '"reopens" in the headline'}


def test_gatherings_at_once_make_each_story_once(either: Desk) -> None:
    """Three gatherings have fetched the same stories, in different orders, before any of them stores one."""
    region = either.region("N", "Story")
    items = [Item(f"https://post.example/{number}", f"Story {number}", published_at=NOW) for number in range(300)]
    orders = {"a": items, "b": items[::-1], "c": items[150:] + items[:150]}
    all_fetched = threading.Barrier(len(orders))
    for slug in orders:
        either.source(slug, region)

    def gathered(slug: str) -> SourceReport:
        source = Fixed(*orders[slug], before=lambda: all_fetched.wait(60))
        (report,) = either.gather(slug, open_source=lambda kind, url: source)
        return report

    with ThreadPoolExecutor(len(orders)) as pool:
        reports = list(pool.map(gathered, orders))
    assert [report.error for report in reports] == ["", "", ""]
    assert sum(report.new for report in reports) == len(either.stories()) == 300
    assert sum(report.unchanged for report in reports) == 600


def test_a_story_that_another_is_just_storing_is_known(either: Desk) -> None:
    either.source("first")
    either.source("second")
    stored = threading.Event()

    def store_slowly() -> None:
        with either.db.transaction() as session:
            source = session.exec(select(Source).where(Source.slug == "first")).one()
            session.add(Story(**(STORED.model_dump(exclude={"id"}) | {"source_id": source.id})))
            session.flush()
            stored.set()
            time.sleep(0.3)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(store_slowly)
        assert stored.wait(60)
        reports = either.gather("second", open_source=lambda kind, url: Fixed(replace(FERRY, title="Other words")))
        slow.result()
    assert reports == [SourceReport("second", unchanged=1)]
    assert either.story().title == FERRY.title
