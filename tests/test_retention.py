"""What is known of readers goes when it has been kept for long enough, and not before (trust 1.3; GDPR article 5(1)(e))."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, SQLModel, col, select

from newsletter import retention
from newsletter.db import Database
from newsletter.mail import Kind
from newsletter.models import Delivery, DeliveryState, Issue, IssueState, RateUse, ReportedEvent
from newsletter.schedule import tick
from newsletter.windows import part_of
from subscribers import consent
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.hashes import KeyedHash
from subscribers.models import (
    Consent,
    ConsentAction,
    Letter,
    LetterKind,
    ReaderRequest,
    RequestKind,
    Subscriber,
    Subscription,
    SubscriptionState,
)
from subscribers.retention import WINDOW, first_since
from tests.builders import newsroom, reader
from tests.test_schedule import Clock, an_app

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def aged(days: float) -> datetime:
    return NOW - timedelta(days=days)


def tidied(db: Database, *, full: bool = True, dry_run: bool = False) -> dict[str, int]:
    return {one.rule.name: one.rows for one in retention.tidy(db, NOW, full=full, dry_run=dry_run) if one.rows}


def delivered(session: Session, edition_id: int, subscriber_id: int, at: datetime, week: str) -> Delivery:
    issue = Issue(
        edition_id=edition_id, week=week, state=IssueState.SENT, expected=1, send_at=at, drafted_at=at,
        content_hash="x", approved_at=at,
    )  # fmt: skip
    session.add(issue)
    session.flush()
    row = Delivery(
        issue_id=issue.id, subscriber_id=subscriber_id, chunk=0, state=DeliveryState.ACCEPTED, attempt=1,
        address="ann@example.org", detail="250 ok", changed_at=at,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def reported(session: Session, name: str, at: datetime, delivery_id: int | None = None) -> None:
    session.add(
        ReportedEvent(
            provider="sendgrid",
            event_id=name,
            kind=Kind.BOUNCED,
            at=at,
            received_at=at,
            delivery_id=delivery_id,
            address="ann@example.org",
            detail="550 <ann@example.org>",
            raw={"email": "ann@example.org"},
        )
    )
    session.flush()


def asked(session: Session, list_id: int, address: str, at: datetime) -> int:
    consent.request(
        session,
        {list_id: "Send me Fen Weekly."},
        address=parse_address(address),
        evidence=Evidence(at, "page", "", "203.0.113.7"),
        hashes=KeyedHash(["a secret of thirty-two characters"]),
        may_mail=lambda: True,
    )
    person = consent.find_subscriber(session, parse_address(address))
    assert person is not None
    return person.id


def test_who_never_confirmed_is_forgotten_but_for_the_evidence_that_somebody_asked(database: Database) -> None:
    with database.transaction() as session:
        list_id = newsroom(session).list_id
        old = asked(session, list_id, "old@example.org", aged(31))
        new = asked(session, list_id, "new@example.org", aged(29))
    assert tidied(database, dry_run=True) == {"requests": 1}
    assert tidied(database) == {"requests": 1, "strangers": 1}
    assert tidied(database) == {}
    with database.reading() as session:
        row = session.get_one(Subscriber, old)
        assert (row.address, row.address_key, row.name, row.erased_at) == ("", f"erased:{old}", "", NOW)
        assert session.get_one(Subscriber, new).address == "new@example.org"
        [line] = consent.history(session, old)
        assert (line.action, line.wording, line.network) == (ConsentAction.REQUESTED, "Send me Fen Weekly.", "")
        assert [one.subscriber_id for one in session.exec(select(Subscription))] == [new]


@pytest.mark.parametrize("action", [ConsentAction.CONFIRMED, ConsentAction.IMPORTED, ConsentAction.LEFT])
def test_who_was_ever_a_reader_is_not_taken_for_a_stranger(database: Database, action: ConsentAction) -> None:
    """Who left has to stay kept out of imports (point 4)."""
    with database.transaction() as session:
        list_id = newsroom(session).list_id
        person = asked(session, list_id, "ann@example.org", aged(90))
        consent.record(session, action, person, list_id, Evidence(aged(80), "page", "", ""))
    assert tidied(database)["requests"] == 1
    with database.reading() as session:
        assert session.get_one(Subscriber, person).address == "ann@example.org"


def test_who_asks_again_is_no_stranger(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        person = asked(session, made.list_id, "ann@example.org", aged(31))
        session.add(
            Subscription(
                subscriber_id=person,
                list_id=newsroom(session, "other").list_id,
                state=SubscriptionState.PENDING,
                requested_at=aged(1),
                changed_at=aged(1),
            )
        )
    assert tidied(database) == {"requests": 1}


def test_networks_go_and_the_rest_of_the_evidence_stays(database: Database) -> None:
    with database.transaction() as session:
        row = reader(session, newsroom(session), "ann@example.org")
        for days in (366, 364):
            evidence = Evidence(aged(days), "page", "Send me Fen Weekly.", "203.0.113.7")
            consent.record(session, ConsentAction.CONFIRMED, row.subscriber_id, row.list_id, evidence)
            session.flush()
    assert tidied(database) == {"networks": 1}
    with database.reading() as session:
        lines = session.exec(select(Consent).order_by(col(Consent.id))).all()
        assert [one.network for one in lines] == ["", "203.0.113.0/24"]
        assert {one.wording for one in lines} == {"Send me Fen Weekly."}


def test_reports_and_addresses_of_old_mails_go_and_the_figures_stay(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        row = reader(session, made, "ann@example.org")
        for number, days in enumerate((366, 364, 91, 89)):
            mail = delivered(session, made.edition_id, row.subscriber_id, aged(days), f"2026-W0{number}")
            reported(session, str(number), aged(days), mail.id)
    assert tidied(database) == {"reports": 3, "report-addresses": 1, "mail-addresses": 1}
    assert tidied(database) == {}
    with database.reading() as session:
        events = session.exec(select(ReportedEvent).order_by(col(ReportedEvent.id))).all()
        assert [bool(one.raw) for one in events] == [False, False, False, True]
        assert [bool(one.address) for one in events] == [False, True, True, True]
        assert [one.kind for one in events] == [Kind.BOUNCED] * 4
        mails = session.exec(select(Delivery).order_by(col(Delivery.id))).all()
        assert [(bool(one.address), bool(one.detail)) for one in mails] == [(False, False), *[(True, True)] * 3]
        assert {one.state for one in mails} == {DeliveryState.ACCEPTED}


def test_once_a_day_it_looks_only_at_what_came_of_age_lately(database: Database) -> None:
    long_ago = 90 + WINDOW.days
    with database.transaction() as session:
        reported(session, "1", aged(long_ago + 5))
        reported(session, "2", aged(long_ago - 5))
        reported(session, "3", aged(1))
    assert tidied(database, full=False) == {"reports": 1}
    assert tidied(database) == {"reports": 1}


def test_links_letters_and_counts_of_sign_ups_go(database: Database) -> None:
    with database.transaction() as session:
        row = reader(session, newsroom(session), "ann@example.org")
        for days in (29, 31):
            session.add(Letter(subscription_id=row.id, kind=LetterKind.WELCOME, caused_at=aged(days)))
            session.add(ReaderRequest(subscription_id=row.id, kind=RequestKind.DATA, asked_at=aged(days)))
        for scope in ("sign-up address h:1", "smtp"):
            for seconds in (86_400, 30 * 86_400):
                for days in (29, 33):
                    start = part_of(aged(days), seconds)
                    session.add(RateUse(scope=scope, seconds=seconds, start=start, used=1))
    assert tidied(database) == {"links": 1, "letters": 1, "sign-ups": 2}
    with database.reading() as session:
        assert len(session.exec(select(RateUse).where(RateUse.scope == "smtp")).all()) == 4
        assert len(session.exec(select(RateUse)).all()) == 6


def test_what_was_written_down_after_erasing_goes_too(database: Database) -> None:
    """A worker that was just sending, and a provider that reports later, do not bring an erased reader back."""
    with database.transaction() as session:
        made = newsroom(session)
        row = reader(session, made, "ann@example.org")
        person = session.get_one(Subscriber, row.subscriber_id)
        person.address, person.address_key, person.erased_at = "", f"erased:{person.id}", aged(1)
        session.add(person)
        mail = delivered(session, made.edition_id, person.id, aged(1), "2026-W40")
        reported(session, "1", aged(0.5), mail.id)
    assert tidied(database, full=False) == {"erased": 1}
    with database.reading() as session:
        assert [(one.address, one.detail) for one in session.exec(select(Delivery))] == [("", "")]
        assert [(one.address, one.detail, one.raw) for one in session.exec(select(ReportedEvent))] == [("", "", {})]


def test_of_several_schedulers_one_tidies_once_a_day(database: Database) -> None:
    for now, first in ((NOW, True), (NOW + DAY / 2, False), (NOW + DAY, True)):
        with database.transaction() as session:
            assert retention.is_due(session, now) is first
            assert retention.claim_day(session, now) is first
            assert not retention.claim_day(session, now)
    with database.reading() as session:
        assert len(session.exec(select(RateUse)).all()) == 1


def test_the_scheduler_tidies_once_a_day_and_says_what_went(tmp_path: Path) -> None:
    clock = Clock(NOW)
    app = an_app(tmp_path, clock)
    with app.db.transaction() as session:
        # An entry of the provider's list is found by its address when its reader is erased, so it keeps that.
        reported(session, f"suppressed {'0' * 64}", aged(400))
        reported(session, "1", aged(100))
        reported(session, "2", aged(89.5))
    said = [one.what for one in tick(app)]
    assert "tidied: reports 1" in said
    clock.now += DAY / 2
    assert [one.what for one in tick(app) if one.what.startswith("tidied")] == []
    clock.now += DAY / 2
    assert [one.what for one in tick(app) if one.what.startswith("tidied")] == ["tidied: reports 1"]
    assert tidied(app.db) == {"reports": 1}  # by hand it looks at everything
    with app.db.reading() as session:
        assert [bool(one.address) for one in session.exec(select(ReportedEvent))] == [True] * 3


def test_a_number_is_found_by_its_time(sqlite_database: Database) -> None:
    table = SQLModel.metadata.tables["event"]
    with sqlite_database.transaction() as session:
        assert first_since(session, table, "received_at", NOW) == 0
        for number in range(9):
            reported(session, str(number), aged(9 - number))
        session.connection().execute(table.delete().where(table.c.id.in_([3, 4, 9])))
        found = [first_since(session, table, "received_at", aged(days)) for days in (20, 9, 7, 5, 2, 0)]
    # Rows 1, 2, 5, 6, 7 and 8 are of 9, 8, 5, 4, 3 and 2 days ago: behind which of them does it begin?
    assert found == [0, 0, 3, 3, 8, 9]


def test_the_table_in_the_documents_is_the_rules() -> None:
    text = (Path(__file__).parent.parent / "docs/operate.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+ days|at once) \| (.+?) \| (.+?) \|$", text, re.M)
    wanted = [(one.name, f"{one.days} days" if one.days else "at once", one.what, one.why) for one in retention.RULES]
    assert rows == wanted
