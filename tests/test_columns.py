"""The column types: times come back in UTC, words come back as members, and the database refuses the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import col, select

from newsletter.db import Database
from subscribers.columns import UtcDateTime, one_of, word_type
from subscribers.models import MailingList, Subscriber, Subscription, SubscriptionState, Suppression, SuppressionReason

NOW = datetime(2026, 11, 22, 7, 0, 0, 123456, tzinfo=UTC)
RANGE = datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2400-01-01")
KYIV = timezone(timedelta(hours=2))


@given(at=st.datetimes(*RANGE, timezones=st.timezones()))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_time_comes_back_as_the_same_moment_in_utc(database: Database, at: datetime) -> None:
    with database.transaction() as session:
        session.exec(text("DELETE FROM mailing_list"))  # type: ignore[call-overload]
        session.add(MailingList(slug="weekly", name="Weekly", created_at=at))
        session.flush()
        session.expire_all()
        stored = session.exec(select(MailingList.created_at)).one()
    # Python never calls a local time inside a clock change equal to a time in another zone, so the moments are compared.
    assert stored == at.astimezone(UTC)
    assert stored.tzinfo is UTC


def test_times_are_compared_and_ordered_as_moments(database: Database) -> None:
    with database.transaction() as session:
        for slug, at in (
            ("later", NOW.astimezone(KYIV) + timedelta(minutes=1)),
            ("first", NOW.replace(microsecond=0)),
            ("second", NOW.astimezone(KYIV)),
        ):
            session.add(MailingList(slug=slug, name=slug, created_at=at))
        session.flush()
        ordered = session.exec(select(MailingList.slug).order_by(col(MailingList.created_at))).all()
        until = session.exec(select(MailingList.slug).where(col(MailingList.created_at) <= NOW.astimezone(KYIV))).all()
    assert ordered == ["first", "second", "later"]
    assert set(until) == {"first", "second"}


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with database.transaction() as session:
        session.add(MailingList(slug="weekly", name="Weekly", created_at=NOW.replace(tzinfo=None)))
        with pytest.raises(StatementError, match="without a time zone"):
            session.flush()
        session.rollback()


def test_no_time_stays_no_time() -> None:
    column = UtcDateTime()
    assert column.process_bind_param(None, None) is None  # type: ignore[arg-type]
    assert column.process_result_value(None, None) is None  # type: ignore[arg-type]


def test_a_time_that_somebody_wrote_with_an_offset_is_that_moment(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        insert = "INSERT INTO mailing_list (slug, name, created_at) VALUES ('a', 'A', '2026-11-22 12:00:00+02:00')"
        session.connection().exec_driver_sql(insert)
        assert session.exec(select(MailingList.created_at)).one() == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_a_word_comes_back_as_a_member(database: Database) -> None:
    with database.transaction() as session:
        session.add(Suppression(address_key="r@example.org", reason=SuppressionReason.BOUNCE, at=NOW))
        session.flush()
        session.expire_all()
        reason = session.exec(select(Suppression.reason)).one()
        raw = session.connection().execute(text("SELECT reason FROM suppression")).scalar_one()
    assert reason is SuppressionReason.BOUNCE
    assert raw == "bounce"


def test_an_unknown_word_is_refused_by_the_column_and_by_the_database(database: Database) -> None:
    with database.transaction() as session:
        session.add(Suppression(address_key="r@example.org", reason="boredom", at=NOW))  # type: ignore[arg-type]
        with pytest.raises(StatementError, match="boredom"):
            session.flush()
        session.rollback()
    statement = (
        "INSERT INTO suppression (address_key, reason, note, at) VALUES ('r', 'boredom', '', '2026-11-22 07:00')"
    )
    with pytest.raises(IntegrityError, match="reason_known"), database.transaction() as session:
        session.connection().execute(text(statement))


def test_the_column_is_as_wide_as_its_longest_word() -> None:
    class Shade(StrEnum):
        LIGHT = "light"
        ANTHRACITE = "anthracite"

    column = word_type(Shade)
    assert column.impl_instance.length == len("anthracite")
    assert column.process_bind_param("light", None) == "light"
    assert column.process_bind_param(None, None) is column.process_result_value(None, None) is None
    assert str(one_of("shade", Shade).sqltext) == "shade IN ('light', 'anthracite')"


def test_foreign_keys_and_uniqueness_hold(database: Database) -> None:
    """SQLite checks foreign keys only when told to; libraries.md, SQLite driver."""
    orphan = Subscription(
        subscriber_id=404, list_id=404, state=SubscriptionState.PENDING, requested_at=NOW, changed_at=NOW
    )
    twins = [Subscriber(address=name, address_key="the same", created_at=NOW) for name in ("one", "two")]
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(orphan)
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add_all(twins)
