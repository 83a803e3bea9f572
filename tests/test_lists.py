"""Mailing lists: their names, and how many readers stand where."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from newsletter.db import Database
from subscribers.errors import UnknownList
from subscribers.lists import count_by_state, get_list
from subscribers.models import Subscriber, Subscription, SubscriptionState
from tests.builders import add_list

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def test_a_list_is_found_by_its_short_name(database: Database) -> None:
    with database.transaction() as session:
        for slug in ("weekly", "fen-north"):
            add_list(session, slug, slug.title(), NOW)
    with database.reading() as session:
        found = get_list(session, "fen-north")
    assert (found.slug, found.name, found.created_at) == ("fen-north", "Fen-North", NOW)


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
