"""Who must never be written to, and that nobody else is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlmodel import Session, col, select

from newsletter.db import Database
from subscribers.models import Subscriber, Subscription, SubscriptionState, SuppressionReason
from subscribers.suppression import find, is_suppressed, lift, may_receive, suppress
from tests.builders import add_list

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def _reader(session: Session, name: str, lists: dict[int, SubscriptionState], since: datetime = NOW) -> Subscriber:
    reader = Subscriber(
        address=f"{name.title()}@example.org", address_key=f"{name}@example.org", name=name.title(), created_at=NOW
    )
    session.add(reader)
    session.flush()
    for list_id, state in lists.items():
        session.add(
            Subscription(subscriber_id=reader.id, list_id=list_id, state=state, requested_at=NOW, changed_at=since)
        )
    session.flush()
    return reader


def test_an_address_is_suppressed_until_it_is_lifted(database: Database) -> None:
    reason = SuppressionReason.BOUNCE
    with database.transaction() as session:
        assert find(session, "ann@example.org") is None
        assert suppress(session, "ann@example.org", reason, "550 5.1.1\r\nno such user\0", NOW)
        found = find(session, "ann@example.org")
        assert found is not None
        assert (found.reason, found.note, found.at) == (reason, "550 5.1.1 no such user", NOW)
        assert find(session, "bob@example.org") is None
        assert lift(session, "ann@example.org")
        assert find(session, "ann@example.org") is None
        assert not lift(session, "ann@example.org")


def test_the_first_reason_stays(database: Database) -> None:
    with database.transaction() as session:
        assert suppress(session, "ann@example.org", SuppressionReason.COMPLAINT, "first", NOW)
        assert not suppress(session, "ann@example.org", SuppressionReason.BOUNCE, "second", LATER)
        found = find(session, "ann@example.org")
        assert found is not None
        assert (found.reason, found.note, found.at) == (SuppressionReason.COMPLAINT, "first", NOW)


def test_a_long_note_is_cut_to_its_column(database: Database) -> None:
    with database.transaction() as session:
        suppress(session, "ann@example.org", SuppressionReason.BOUNCE, "x" * 5000, NOW)
        found = find(session, "ann@example.org")
        assert found is not None
        assert len(found.note) == 500


def test_the_condition_can_be_used_in_any_query(database: Database) -> None:
    with database.transaction() as session:
        for name in ("ann", "bob"):
            _reader(session, name, {})
        suppress(session, "bob@example.org", SuppressionReason.MANUAL, "", NOW)
        key = col(Subscriber.address_key)
        assert session.exec(select(Subscriber.name).where(is_suppressed(key))).all() == ["Bob"]
        assert session.exec(select(Subscriber.name).where(~is_suppressed(key))).all() == ["Ann"]


def test_who_may_receive_an_issue(database: Database) -> None:
    with database.transaction() as session:
        weekly, other = (add_list(session, slug, slug, NOW).id for slug in ("weekly", "other"))
        ann = _reader(session, "ann", {weekly: SubscriptionState.CONFIRMED, other: SubscriptionState.LEFT}, LATER)
        _reader(session, "bob", {weekly: SubscriptionState.PENDING})
        _reader(session, "cleo", {weekly: SubscriptionState.LEFT, other: SubscriptionState.CONFIRMED})
        _reader(session, "dan", {weekly: SubscriptionState.CONFIRMED, other: SubscriptionState.CONFIRMED})
        suppress(session, "dan@example.org", SuppressionReason.COMPLAINT, "", NOW)
        _reader(session, "eve", {})

        rows = session.execute(may_receive(weekly, NOW)).all()
        subscription_id = session.exec(
            select(Subscription.id).where(Subscription.subscriber_id == ann.id, Subscription.list_id == weekly)
        ).one()
        assert [tuple(row) for row in rows] == [(ann.id, "Ann@example.org", "Ann", subscription_id, LATER, False)]
        names = {row.name for row in session.execute(may_receive(other, NOW))}
        assert names == {"Cleo"}
        lift(session, "dan@example.org")
        assert {row.name for row in session.execute(may_receive(other, NOW))} == {"Cleo", "Dan"}


def test_the_columns_have_the_names_the_ledger_uses() -> None:
    columns = may_receive(1, NOW).subquery().c
    assert list(columns.keys()) == ["subscriber_id", "address", "name", "subscription_id", "since", "text_only"]
