"""Files that other products export: known by their columns, and nobody brought in who left or bounced there."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import Session, select

from newsletter.db import Database
from subscribers.csvfile import CsvReader, open_csv
from subscribers.importers import PRODUCTS, product_called, recognise
from subscribers.models import (
    Consent,
    Subscriber,
    SubscriberTag,
    Subscription,
    SubscriptionState,
    Suppression,
    Tag,
)
from subscribers.transfer import ADDRESS_COLUMNS, ImportReport, Options, import_csv
from tests.builders import add_list
from tests.databases import database, sqlite_database

__all__ = ["database", "sqlite_database"]

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
FILES = Path(__file__).parent / "data" / "imports"
STATEMENT = "Moved from elsewhere"


def _import(session: Session, list_id: int, name: str, *, suppress: bool = False) -> ImportReport:
    opened = open_csv(FILES / name)
    with opened.text:
        return import_csv(
            lambda: nullcontext(session),
            opened.text,
            list_id=list_id,
            consent=STATEMENT,
            source=name,
            now=NOW,
            options=Options(suppress=suppress),
        )


def _header(name: str) -> tuple[str, ...]:
    opened = open_csv(FILES / name)
    with opened.text:
        return CsvReader(opened.text, name, ADDRESS_COLUMNS).header


def test_each_file_is_known_by_its_columns() -> None:
    found = {path.name: recognise(_header(path.name)) for path in sorted(FILES.glob("*.csv"))}
    assert {name: product.key if product else "" for name, product in found.items()} == {
        "buttondown.csv": "buttondown",
        "ghost.csv": "ghost",
        "listmonk.csv": "listmonk",
        "mailchimp-cleaned.csv": "mailchimp",
        "mailchimp-subscribed.csv": "mailchimp",
        "mailchimp-unsubscribed.csv": "mailchimp",
        "substack-dashboard.csv": "substack",
        "substack.csv": "substack",
    }
    assert {product.key for product in found.values() if product} == {one.key for one in PRODUCTS}


@pytest.mark.parametrize(
    "header", [("email", "name"), ("email", "name", "list", "state", "since", "tags"), ("address", "status"), ()]
)
def test_other_files_are_nobodys(header: tuple[str, ...]) -> None:
    assert recognise(header) is None


def test_a_product_is_found_by_name_in_any_case() -> None:
    found = product_called("Ghost")
    assert found
    assert found.title == "Ghost"
    assert product_called("mailman") is None


@pytest.mark.parametrize(
    ("name", "left", "suppressed", "reasons"),
    [
        ("listmonk.csv", 1, 1, []),
        ("mailchimp-subscribed.csv", 0, 0, []),
        ("ghost.csv", 2, 0, []),
        (
            "buttondown.csv",
            1,
            2,
            [
                "the file says that this reader has not confirmed.",
                "`subscriber_type` says 'mysterious', and it is not known whether such a reader gets mail.",
            ],
        ),
        ("substack.csv", 1, 0, []),
        ("substack-dashboard.csv", 0, 0, []),
    ],
)
def test_two_come_in_and_who_left_there_stays_out(
    sqlite_database: Database, name: str, left: int, suppressed: int, reasons: list[str]
) -> None:
    with sqlite_database.transaction() as session:
        weekly = add_list(session, "weekly", "Weekly", NOW).id
        report = _import(session, weekly, name)
        readers = session.exec(select(Subscriber.address).order_by(Subscriber.address)).all()
        assert session.exec(select(Suppression)).all() == []
    assert (report.added, report.kept_out_left, report.kept_out_suppressed) == (2, left, suppressed)
    assert [row.reason for row in report.rejected] == reasons
    assert readers == ["ada@example.org", "ben@example.net"]


@pytest.mark.parametrize(
    ("name", "people"),
    [
        (
            "listmonk.csv",
            {"ada": ("Ada Sample", "2024-03-05 08:30", ""), "ben": ("Бен Зразок", "2024-03-06 09:00", "")},
        ),
        (
            "mailchimp-subscribed.csv",
            {
                "ada": ("Ada Sample", "2021-04-18 13:55", "198.51.100.0/24"),
                "ben": ("Björn O'Sample", "2021-05-01 09:00", "203.0.113.0/24"),
            },
        ),
        ("ghost.csv", {"ada": ("Ada Sample", "2023-07-01 10:00", ""), "ben": ("", "2023-07-02 10:00", "")}),
        (
            "buttondown.csv",
            {"ada": ("", "2023-01-05 10:02", "192.0.2.0/24"), "ben": ("", "2023-01-06 10:00", "2001:db8:aa::/48")},
        ),
        ("substack.csv", {"ada": ("", "2024-01-15 10:00", ""), "ben": ("", "2024-02-01 10:00", "")}),
        ("substack-dashboard.csv", {"ada": ("Ada Sample", "2026-05-01 10:00", ""), "ben": ("", "2026/07/20", "")}),
    ],
)
def test_when_and_where_somebody_agreed_is_in_the_evidence(
    database: Database, name: str, people: dict[str, tuple[str, str, str]]
) -> None:
    with database.transaction() as session:
        _import(session, add_list(session, "weekly", "Weekly", NOW).id, name)
        rows = session.exec(select(Subscriber, Consent).where(Subscriber.id == Consent.subscriber_id)).all()
        found = {
            reader.address.partition("@")[0]: (reader.name, line.wording, line.network, line.at)
            for reader, line in rows
        }
    assert found == {
        who: (person, f"{STATEMENT} (The file says: since {since}.)", network, NOW)
        for who, (person, since, network) in people.items()
    }


@pytest.mark.parametrize("name", ["mailchimp-subscribed.csv", "ghost.csv", "buttondown.csv"])
def test_labels_become_tags(database: Database, name: str) -> None:
    with database.transaction() as session:
        weekly = add_list(session, "weekly", "Weekly", NOW).id
        for _ in range(2):
            _import(session, weekly, name)
        rows = session.exec(
            select(Subscriber.address, Tag.name)
            .where(Subscriber.id == SubscriberTag.subscriber_id, Tag.id == SubscriberTag.tag_id)
            .order_by(Tag.name)
        ).all()
    assert rows == [("ada@example.org", "book club"), ("ada@example.org", "vip")]


@pytest.mark.parametrize(
    ("name", "gone", "suppressed"),
    [
        ("listmonk.csv", ["cleo"], {"dora": "manual"}),
        ("mailchimp-unsubscribed.csv", ["cleo"], {"dora": "complaint"}),
        ("mailchimp-cleaned.csv", [], {"emil": "bounce"}),
        ("ghost.csv", ["cleo", "dora"], {}),
        ("buttondown.csv", ["cleo"], {"dora": "complaint", "emil": "bounce"}),
        ("substack.csv", ["cleo"], {}),
    ],
)
def test_who_left_or_bounced_there_is_taken_over_when_asked(
    database: Database, name: str, gone: list[str], suppressed: dict[str, str]
) -> None:
    """So that they stay out of whatever is imported later. Importing again adds nothing."""
    with database.transaction() as session:
        weekly = add_list(session, "weekly", "Weekly", NOW).id
        first = _import(session, weekly, name, suppress=True)
        again = _import(session, weekly, name, suppress=True)
        on = select(Subscriber.address).where(Subscriber.id == Subscription.subscriber_id)
        left = session.exec(on.where(Subscription.state == SubscriptionState.LEFT)).all()
        actions = session.exec(
            select(Subscriber.address, Consent.source, Consent.network).where(
                Subscriber.id == Consent.subscriber_id, Consent.action == "left"
            )
        ).all()
        kept = {row.address_key: (row.reason.value, row.note) for row in session.exec(select(Suppression))}
    assert sorted(left) == [f"{who}@example.com" for who in gone]
    assert sorted(address for address, *_ in actions) == sorted(left)
    assert {source for _, source, _ in actions} <= {name}
    assert kept == {f"{who}@example.com": (reason, name) for who, reason in suppressed.items()}
    assert (first.recorded, again.recorded) == (len(gone) + len(suppressed), 0)
    assert (again.kept_out_left, again.kept_out_suppressed) == (len(gone), len(suppressed))


def test_who_is_on_the_list_here_stays_on_it_but_not_who_bounced(database: Database) -> None:
    """They left there, and may have joined here since; an address that bounced or complained is that of nobody else."""
    with database.transaction() as session:
        weekly = add_list(session, "weekly", "Weekly", NOW).id
        for address in ("cleo@example.com", "dora@example.com"):
            reader = Subscriber(address=address, address_key=address, created_at=NOW)
            session.add(reader)
            session.flush()
            state = SubscriptionState.CONFIRMED
            row = Subscription(subscriber_id=reader.id, list_id=weekly, state=state, requested_at=NOW, changed_at=NOW)
            session.add(row)
            session.flush()
        report = _import(session, weekly, "mailchimp-unsubscribed.csv", suppress=True)
        states = session.exec(select(Subscription.state)).all()
        kept = session.exec(select(Suppression.address_key)).all()
    assert report.recorded == 1
    assert states == [SubscriptionState.CONFIRMED] * 2
    assert kept == ["dora@example.com"]
