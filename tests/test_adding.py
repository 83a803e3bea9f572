"""A story by its address belongs to the outlet that it comes from, whatever its page calls itself."""

from __future__ import annotations

import pytest
from sqlmodel import select

from newsletter.db import Database
from newsletter.errors import Refused
from newsletter.gather import add_story
from newsletter.models import Source, Story
from newsletter.sources import Fetched, Item
from tests.builders import NOW


def known(db: Database, name: str, url: str) -> None:
    with db.transaction() as session:
        session.add(Source(slug=name.lower().replace(" ", "-"), name=name, kind="feed", url=url))


def add(db: Database, url: str, site: str = "") -> tuple[str, bool]:
    """Return the name of the source that the story is kept under, and whether the source was there before."""
    with db.reading() as session:
        before = {source.name for source in session.exec(select(Source))}
    added = add_story(db, url, Fetched(items=(Item(url, "Sluice gate fails at Denver"),), title=site), NOW)
    return added.source, added.source in before


@pytest.mark.parametrize(
    ("url", "site", "outlet"),
    [
        ("https://www.post.example/2026/a", "The Post", "The Post"),
        ("https://post.example/2026/a", "Post Online", "The Post"),  # the same host
        ("https://news.post.example/a", "The Post", "The Post"),  # the same name on the same site
        ("https://news.post.example/a", "Post Sport", None),
        ("https://evil.example/a", "The Post", None),  # any page may call itself so
        ("https://medium.com/@bob/a", "Bob", None),
        ("https://medium.com/@ann/a", "Ann", "Ann"),
        ("http://127.0.0.1:5002/a", "Mirror", None),  # another port is another server
        ("http://127.0.0.1:5001/a", "Mirror", "Local"),
    ],
)
def test_whose_story_it_is(database: Database, url: str, site: str, outlet: str | None) -> None:
    known(database, "The Post", "https://post.example/feed.xml")
    known(database, "Ann", "https://medium.com/feed/@ann")
    known(database, "Local", "http://127.0.0.1:5001/feed.xml")
    source, was_there = add(database, url, site)
    assert (source, was_there) == ((outlet, True) if outlet else (source, False))
    if site == "The Post" and not outlet:
        assert source == "The Post (evil.example)"


def test_a_new_outlet_is_switched_off_and_two_of_one_host_can_be(database: Database) -> None:
    assert add(database, "https://medium.com/@bob/a", "Bob") == ("Bob", False)
    assert add(database, "https://medium.com/@eve/a", "Eve") == ("Eve", False)
    with database.reading() as session:
        rows = {one.name: (one.enabled, one.kind) for one in session.exec(select(Source))}
    assert rows == {"Bob": (False, "article"), "Eve": (False, "article")}


def test_the_headline_does_not_name_the_site(database: Database) -> None:
    """As in stories of feeds; else its own feed would change the headline as soon as it brings the story."""
    url = "https://news.example/a"
    found = Fetched(items=(Item(url, "Sluice gate fails at Denver | The Fen Post"),), title="The Fen Post")
    assert add_story(database, url, found, NOW).headline == "Sluice gate fails at Denver"


def test_a_known_story_is_returned_as_it_is(database: Database) -> None:
    add(database, "https://post.example/a", "Post")
    again = Fetched(items=(Item("https://www.post.example/a?utm_source=x", "Other words"),), title="Post")
    added = add_story(database, "https://post.example/a", again, NOW)
    assert (added.headline, added.is_new) == ("Sluice gate fails at Denver", False)
    with database.reading() as session:
        assert len(session.exec(select(Story)).all()) == 1


def test_what_cannot_be_kept_is_a_sentence(database: Database) -> None:
    with pytest.raises(Refused, match="There is no story at"):
        add_story(database, "https://post.example/a", Fetched(), NOW)
