"""Mailing lists: their names, and how many readers stand where."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest

from newsletter.db import Database
from subscribers.errors import InvalidList, UnknownList
from subscribers.lists import add_list, count_by_state, get_list
from subscribers.models import Subscriber, Subscription, SubscriptionState

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def test_a_list_is_found_by_its_short_name(database: Database) -> None:
    slugs = ["weekly", "fen-north", "2026", "a", "x" * 64]
    with database.transaction() as session:
        for slug in slugs:
            add_list(session, slug, "  Fen\nNorth  Weekly ", NOW)
    with database.reading() as session:
        found = [get_list(session, slug) for slug in slugs]
    assert [(row.slug, row.name, row.created_at) for row in found] == [
        (slug, "Fen North Weekly", NOW) for slug in slugs
    ]


def test_badly_formed_names_are_refused(database: Database) -> None:
    with database.transaction() as session:
        for slug in ("", "-weekly", "Weekly", "we ekly", "weekly\n", "wöchentlich", "a_b", "x" * 65):
            with pytest.raises(InvalidList, match="use a to z, 0 to 9 and hyphens"):
                add_list(session, slug, "Weekly", NOW)
        with pytest.raises(InvalidList, match="needs a name"):
            add_list(session, "weekly", " \t", NOW)


def test_a_short_name_is_taken_once(database: Database) -> None:
    with database.transaction() as session:
        add_list(session, "weekly", "Weekly", NOW)
        with pytest.raises(InvalidList, match="already is a list called 'weekly'"):
            add_list(session, "weekly", "Another", NOW)
        assert get_list(session, "weekly").name == "Weekly"


def test_of_many_who_add_the_same_list_one_does(database: Database) -> None:
    start = Barrier(4)

    def add(number: int) -> bool:
        start.wait()
        try:
            with database.transaction() as session:
                add_list(session, "weekly", f"Weekly {number}", NOW)
        except InvalidList:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4))) == [False, False, False, True]


def test_an_unknown_list_names_the_command_that_lists_them(database: Database) -> None:
    with database.reading() as session, pytest.raises(UnknownList, match=r"no list called 'nowhere'.*`newsletter list"):
        get_list(session, "nowhere")


def test_readers_are_counted_by_state_and_list(database: Database) -> None:
    with database.transaction() as session:
        weekly, other = (add_list(session, slug, slug, NOW) for slug in ("weekly", "other"))
        assert count_by_state(session, weekly.id) == dict.fromkeys(SubscriptionState, 0)
        for number, state in enumerate(
            [SubscriptionState.CONFIRMED, SubscriptionState.CONFIRMED, SubscriptionState.LEFT]
        ):
            reader = Subscriber(address=f"{number}@example.org", address_key=f"{number}@example.org", created_at=NOW)
            session.add(reader)
            session.flush()
            for mailing_list in (weekly, other)[: number + 1]:
                session.add(
                    Subscription(
                        subscriber_id=reader.id, list_id=mailing_list.id, state=state, requested_at=NOW, changed_at=NOW
                    )
                )
        assert count_by_state(session, weekly.id) == {
            SubscriptionState.PENDING: 0,
            SubscriptionState.CONFIRMED: 2,
            SubscriptionState.LEFT: 1,
        }
