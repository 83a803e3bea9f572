"""After gathering: which regions a story is about, and which stories tell one event, on a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from newsletter.db import Database
from newsletter.gather import index, indexing
from newsletter.models import Region, Source, SourceRegion, Story, StoryRegion, StorySource
from tests.builders import NOW, newsroom

DEPOT = (
    "Drone attack on Kharkiv bus depot kills at least nine",
    "Drones slammed into a municipal bus depot in Kharkiv early on Monday and killed nine drivers, officials said.",
)
DEPOT_TOO = (
    "Nine killed as drones hit bus depot in Kharkiv",
    "At least nine drivers died when drones hit a municipal bus depot in the Ukrainian city of Kharkiv on Monday.",
)
BRIDGE = ("Bridge at Denver sluice shut for repairs", "Lorries have to go round by Downham Market until the spring.")
FERRY = ("Ferry to the islands runs again", "The first boat in a month left the harbour with forty passengers.")


def region(db: Database, code: str, name: str, *words: str, **fields: Any) -> None:
    with db.transaction() as session:
        session.add(Region(code=code, name=name, words=list(words), **fields))


def source(db: Database, slug: str, *codes: str) -> int:
    with db.transaction() as session:
        row = Source(slug=slug, name=slug.title(), kind="feed", url=f"https://{slug}.example/")
        session.add(row)
        session.flush()
        for found in session.exec(select(Region).where(col(Region.code).in_(codes))):
            session.add(SourceRegion(source_id=row.id, region_id=found.id))
        return row.id


def story(db: Database, number: int, words: tuple[str, str], *sources: int, **fields: Any) -> int:
    url = f"https://s{sources[0]}.example/{number}"
    values: dict[str, Any] = {
        "source_id": sources[0],
        "url": url,
        "link": url,
        "title": words[0],
        "summary": words[1],
        "published_at": NOW - timedelta(hours=number),
        "first_seen_at": NOW,
        "language": "en",
    }
    with db.transaction() as session:
        row = Story(**(values | fields))
        session.add(row)
        session.flush()
        session.add_all(StorySource(story_id=row.id, source_id=one) for one in sources)
        return row.id


def tags(db: Database, story_id: int) -> dict[str, str]:
    with db.reading() as session:
        query = (
            select(Region.code, StoryRegion.evidence)
            .join(StoryRegion, col(StoryRegion.region_id) == Region.id)
            .where(StoryRegion.story_id == story_id)
        )
        return dict(session.exec(query).all())


def coverage(db: Database) -> dict[int, int | None]:
    with db.reading() as session:
        return {story.id: story.coverage for story in session.exec(select(Story))}


def test_a_story_belongs_to_what_it_names_and_to_its_sources_regions(database: Database) -> None:
    region(database, "UA", "Ukraine")
    region(database, "FEN", "The Fens")
    region(database, "SCO", "Highland")
    fen, wire = source(database, "fen-post", "FEN"), source(database, "wire", "SCO")
    one = story(database, 1, DEPOT, fen, wire)
    index(database, NOW)
    assert tags(database, one) == {
        "UA": '"Kharkiv" in the headline',
        "FEN": "from Fen-Post",
        "SCO": "from Wire",
    }


def test_a_child_region_tags_its_parent(database: Database) -> None:
    region(database, "UA", "Ukraine")
    region(database, "UA-63", "Kharkiv oblast")
    one = story(database, 1, DEPOT, source(database, "post"))
    index(database, NOW)
    assert set(tags(database, one)) == {"UA", "UA-63"}


def test_a_place_lies_in_an_area(database: Database) -> None:
    region(database, "fen-north", "The northern fens", area=[52.3, -0.2, 52.8, 0.4])
    inside = story(database, 1, FERRY, source(database, "post"), latitude=52.4, longitude=0.26)
    outside = story(database, 2, FERRY, source(database, "herald"), latitude=54.0, longitude=0.26)
    index(database, NOW)
    assert (set(tags(database, inside)), tags(database, outside)) == ({"fen-north"}, {})


def test_new_words_of_a_region_are_looked_for_in_the_stories_that_are_there(database: Database) -> None:
    region(database, "ISL", "The isles")
    one = story(database, 1, FERRY, source(database, "post"))
    index(database, NOW)
    assert tags(database, one) == {}
    with database.transaction() as session:
        session.exec(select(Region)).one().words = ["Ferry"]
    index(database, NOW)
    assert tags(database, one) == {"ISL": '"Ferry" in the headline'}


def test_a_source_that_gets_another_region_moves_its_stories(database: Database) -> None:
    region(database, "ISL", "The isles")
    post = source(database, "post", "ISL")
    one = story(database, 1, FERRY, post)
    index(database, NOW)
    assert tags(database, one) == {"ISL": "from Post"}
    with database.transaction() as session:
        session.delete(session.exec(select(SourceRegion)).one())
    index(database, NOW)
    assert tags(database, one) == {}


def test_old_stories_keep_their_tags(database: Database) -> None:
    region(database, "UA", "Ukraine")
    one = story(database, 1, DEPOT, source(database, "post"), first_seen_at=NOW - timedelta(days=31))
    index(database, NOW)
    assert tags(database, one) == {}


def test_more_stories_than_one_batch_are_tagged(sqlite_database: Database) -> None:
    region(sqlite_database, "UA", "Ukraine")
    post = source(sqlite_database, "post")
    for number in range(3):
        story(sqlite_database, number, DEPOT, post)
    with sqlite_database.transaction() as session:
        first = session.exec(select(Story)).first()
        assert first is not None
        copied = first.model_dump(exclude={"id", "url"})
        session.add_all(Story(**copied, url=f"https://post.example/copy/{number}") for number in range(700))
    index(sqlite_database, NOW)
    with sqlite_database.reading() as session:
        assert len(session.exec(select(StoryRegion)).all()) == 703


def test_one_event_of_several_sources_is_one_coverage(database: Database) -> None:
    post, herald = source(database, "post"), source(database, "herald")
    first = story(database, 5, DEPOT, post)
    other = story(database, 4, FERRY, post)
    second = story(database, 3, DEPOT_TOO, herald)
    index(database, NOW)
    assert coverage(database) == {first: first, other: None, second: first}


@pytest.mark.parametrize(("age", "kept"), [(timedelta(days=8), True), (timedelta(hours=20), False)])
def test_a_coverage_that_falls_apart_with_age_keeps_its_number(database: Database, age: timedelta, kept: bool) -> None:
    """Its other stories may be too old to be looked at; an issue that was sent must still know the event."""
    post = source(database, "post")
    one = story(database, 5, DEPOT, post, coverage=77, published_at=NOW - age)
    index(database, NOW)
    assert coverage(database) == {one: 77 if kept else None}


def test_stories_whose_every_number_names_another_event_are_one_coverage_all_the_same(database: Database) -> None:
    """Two larger events go by the numbers of their stories; a number below zero is no story's, and stays."""
    outlets = [source(database, slug) for slug in ("post", "herald", "echo")]
    first = story(database, 5, DEPOT, outlets[0])
    second = story(database, 3, DEPOT_TOO, outlets[1])
    ferries = [story(database, 4, FERRY, outlet, coverage=first) for outlet in outlets]
    bridges = [story(database, 6, BRIDGE, outlet, coverage=second) for outlet in outlets]
    expected = dict.fromkeys(ferries, first) | dict.fromkeys(bridges, second) | {first: -first, second: -first}
    for _ in range(2):
        index(database, NOW)
        assert coverage(database) == expected
        with database.transaction() as session:
            session.get_one(Story, first).tagged_as = ""


def test_nothing_new_means_nothing_written(database: Database) -> None:
    region(database, "UA", "Ukraine")
    post = source(database, "post")
    one = story(database, 5, DEPOT, post)
    index(database, NOW)
    with database.transaction() as session:
        session.get_one(Story, one).coverage = 99
    index(database, NOW + timedelta(hours=1))
    assert coverage(database) == {one: 99}


def test_a_crash_between_tagging_and_grouping_is_made_good(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    post, herald = source(database, "post"), source(database, "herald")
    first = story(database, 5, DEPOT, post)
    second = story(database, 3, DEPOT_TOO, herald)

    def crash(pieces: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(indexing, "group", crash)
        with pytest.raises(KeyboardInterrupt):
            index(database, NOW)
    assert coverage(database) == {first: None, second: None}
    index(database, NOW)
    assert coverage(database) == {first: first, second: first}


def test_stories_are_grouped_as_far_back_as_an_edition_takes_them(database: Database) -> None:
    with database.transaction() as session:
        newsroom(session, max_age_days=14)
    post, herald = source(database, "post"), source(database, "herald")
    age = timedelta(days=12)
    first = story(database, 5, DEPOT, post, published_at=NOW - age)
    second = story(database, 3, DEPOT_TOO, herald, published_at=NOW - age)
    index(database, NOW)
    assert coverage(database) == {first: first, second: first}
