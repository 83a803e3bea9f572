"""Tags: words that admins put on readers, many at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from newsletter.db import Database
from subscribers import segments, tags
from subscribers.models import Subscriber, SubscriberTag, Tag
from subscribers.segments import Readers
from tests.builders import newsroom, reader

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def people(session: Session, count: int) -> None:
    made = newsroom(session)
    for number in range(count):
        reader(session, made, f"r{number}@example.org")


def some(*numbers: int) -> Readers:
    """Return the query for the readers with these numbers."""
    keys = [f"r{number}@example.org" for number in numbers]
    return select_columns(col(Subscriber.id).label("reader_id")).where(col(Subscriber.address_key).in_(keys))


def test_a_tag_is_put_on_readers_once(database: Database) -> None:
    with database.transaction() as session:
        people(session, 4)
        assert tags.add_tag(session, "Donor", some(0, 1), NOW) == 2
        assert tags.add_tag(session, "donor ", some(1, 2), NOW + timedelta(days=1)) == 1
        assert tags.count_readers(session) == {"donor": 3}
        at = session.exec(select(SubscriberTag.at).order_by(col(SubscriberTag.subscriber_id))).all()
        assert at == [NOW, NOW, NOW + timedelta(days=1)]
        assert tags.count_with(session, "DONOR") == 3


def test_a_tag_is_put_on_a_segment_that_asks_for_it(database: Database) -> None:
    with database.transaction() as session:
        people(session, 5)
        tags.add_tag(session, "a", some(0), NOW)
        others = segments.readers(session, "-tag:a")
        assert tags.add_tag(session, "a", others, NOW) == 4
        assert tags.add_tag(session, "a", others, NOW) == 0


@pytest.mark.parametrize("rolled_back", [True, False])
def test_whom_a_segment_means_stays_while_tags_change(database: Database, rolled_back: bool) -> None:
    for _ in range(2):  # again on the same connection, whose temporary table has to be gone
        with database.transaction() as session:
            if session.exec(select(Subscriber.id)).first() is None:
                people(session, 3)
            tags.add_tag(session, "a", some(0), NOW)
            with segments.frozen(session, segments.readers(session, "-tag:a")) as readers:
                added = [tags.add_tag(session, name, readers, NOW) for name in ("a", "b")]
                removed = tags.remove_tag(session, "b", readers)
            assert (len(set(added)), removed) == (1, added[1])
            if rolled_back:
                session.rollback()


def test_a_tag_is_taken_off_and_deleted(database: Database) -> None:
    with database.transaction() as session:
        people(session, 3)
        tags.add_tag(session, "donor", some(0, 1, 2), NOW)
        tags.add_tag(session, "staff", some(0), NOW)
        person = session.exec(select(Subscriber.id).where(Subscriber.address_key == "r0@example.org")).one()
        assert tags.tags_of(session, person) == ["donor", "staff"]
        assert tags.remove_tag(session, "Donor", some(0, 1)) == 2
        assert tags.remove_tag(session, "Donor", some(0, 1)) == 0
        assert tags.tags_of(session, person) == ["staff"]
        assert tags.delete_tag(session, "donor") == 1
        assert tags.count_readers(session) == {"staff": 1}
        with pytest.raises(tags.UnknownTag, match=r"no tag called 'donor'\. There are: staff"):
            tags.remove_tag(session, "donor", some(0))


def test_a_tag_is_renamed_but_not_to_another(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        people(session, 1)
        for name in ("doner", "staff"):
            tags.add_tag(session, name, some(0), NOW)
        tags.rename_tag(session, "Doner", "DONOR")
        tags.rename_tag(session, "donor", "Donor")
        with pytest.raises(tags.TagExists, match="There is a tag staff already"):
            tags.rename_tag(session, "donor", "staff")
        assert sorted(session.exec(select(Tag.name))) == ["donor", "staff"]


@pytest.mark.parametrize(
    ("text", "name"), [("Donor", "donor"), ("  VIP\t 2024 ", "vip 2024"), ("Ґанок", "ґанок"), ("a-b_c", "a-b_c")]
)
def test_a_tag_is_stored_in_one_spelling(text: str, name: str) -> None:
    assert tags.tag_name(text) == name
    assert tags.tag_name(name) == name


@pytest.mark.parametrize("text", ["", " \0 ", 'a"b', "a,b", "x" * 65])
def test_what_cannot_be_a_tag_is_refused(text: str) -> None:
    with pytest.raises(tags.InvalidTag, match="cannot be a tag: "):
        tags.tag_name(text)
