"""What need not be kept any more goes, and nothing that has to stay; and what readers did with mails, as segments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from sqlmodel import Session, col, select

from newsletter import engagement
from newsletter.db import Database
from newsletter.models import Delivery, DeliveryState, Issue, IssueState, ReportedEvent
from newsletter.providers.events import Kind
from subscribers import cleaning, consent, segments, tags
from subscribers.addresses import parse_address
from subscribers.consent import Confirmed, Evidence
from subscribers.hashes import KeyedHash
from subscribers.models import (
    Consent,
    ConsentAction,
    Letter,
    LetterKind,
    Subscriber,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
)
from subscribers.segments import SegmentError
from subscribers.suppression import suppress
from subscribers.suppression_file import export_suppressions, import_suppressions
from tests.builders import newsroom, populated, reader

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HASHES = KeyedHash(["a secret of thirty-two characters"])


def asked(session: Session, list_id: int, address: str, at: datetime) -> int:
    """Let a reader ask for a list; return the subscription."""
    consent.request(
        session,
        {list_id: ""},
        address=parse_address(address),
        evidence=Evidence(at, "page", "", ""),
        hashes=HASHES,
        may_mail=lambda: True,
    )
    person = consent.find_subscriber(session, parse_address(address))
    assert person is not None
    [row] = consent.subscriptions_of(session, person.id)
    return row.id


def all_of(session: Session, kind: cleaning.Kind) -> int:
    """Clean everything of a kind, one at a time; return how many."""
    done = 0
    while found := cleaning.clean(session, kind, NOW, limit=1):
        done += found
    return done


def test_old_requests_are_dropped_and_new_ones_are_not(database: Database) -> None:
    with database.transaction() as session:
        list_id = newsroom(session).list_id
        old = asked(session, list_id, "old@example.org", NOW - 31 * DAY)
        new = asked(session, list_id, "new@example.org", NOW - 29 * DAY)
        assert cleaning.counts(session, NOW)[cleaning.Kind.PENDING] == 1
        assert cleaning.counts(session, NOW, pending_days=7)[cleaning.Kind.PENDING] == 2
        assert all_of(session, cleaning.Kind.PENDING) == 1
        assert consent.subscription(session, old) is None
        assert consent.subscription(session, new) is not None
        # The evidence that somebody asked stays.
        assert len(session.exec(select(Consent)).all()) == 2
        outcome = consent.would_confirm(session, subscription_id=old, requested_at=NOW - 31 * DAY)
        assert outcome is Confirmed.OUTDATED


def test_who_had_left_before_a_request_has_left_again(database: Database) -> None:
    """Else an import would bring them back: leaving survives everything but the reader's own coming back."""
    with database.transaction() as session:
        row = reader(session, newsroom(session), "ann@example.org")
        row.requested_at = NOW - 90 * DAY
        consent.leave(session, subscription_id=row.id, now=NOW - 60 * DAY, source="page")
        session.add(Letter(subscription_id=row.id, kind=LetterKind.GOODBYE, caused_at=NOW - 60 * DAY))
        asked(session, row.list_id, "ann@example.org", NOW - 40 * DAY)
        assert all_of(session, cleaning.Kind.PENDING) == 1
        after = consent.subscription(session, row.id)
        assert after is not None
        assert after.state is SubscriptionState.LEFT


def test_a_dropped_request_takes_its_letters_along(database: Database) -> None:
    with database.transaction() as session:
        row = asked(session, newsroom(session).list_id, "ann@example.org", NOW - 40 * DAY)
        session.add(Letter(subscription_id=row, kind=LetterKind.WELCOME, caused_at=NOW - 40 * DAY))
        session.flush()
        assert all_of(session, cleaning.Kind.PENDING) == 1
        assert session.exec(select(Letter)).all() == []


def test_dead_addresses_are_taken_off_with_evidence(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        for number, reason in enumerate((SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT, None)):
            reader(session, made, f"r{number}@example.org")
            if reason:
                suppress(session, f"r{number}@example.org", reason, "", NOW)
        assert all_of(session, cleaning.Kind.BOUNCED) == 1
        states = session.exec(select(Subscription.state).order_by(col(Subscription.id))).all()
        assert states == [SubscriptionState.LEFT, SubscriptionState.CONFIRMED, SubscriptionState.CONFIRMED]
        [evidence] = session.exec(select(Consent)).all()
        assert (evidence.action, evidence.source) == (ConsentAction.LEFT, "cleaned: the address bounced")
        assert len(session.exec(select(Suppression)).all()) == 2


def test_details_of_who_is_on_no_list_are_forgotten(database: Database) -> None:
    with database.transaction() as session:
        made = newsroom(session)
        for number, state in enumerate(SubscriptionState):
            reader(session, made, f"r{number}@example.org", state=state, name="Ann")
        tags.add_tag(session, "donor", segments.readers(session, "state:left,confirmed"), NOW)
        assert all_of(session, cleaning.Kind.LISTLESS) == 1
        names = dict(session.exec(select(Subscriber.address, Subscriber.name)).all())
        assert names == {"r0@example.org": "Ann", "r1@example.org": "Ann", "r2@example.org": ""}
        assert tags.count_readers(session) == {"donor": 1}
        assert len(session.exec(select(Subscription)).all()) == 3


def sent(database: Database) -> None:
    """Send an issue to four readers: one clicked long ago, one opened, one bounced, one is still to get it."""
    made = populated(database, readers=5)
    with database.transaction() as session:
        issue = Issue(edition_id=made.edition_id, week="2026-W30", state=IssueState.DRAFT, send_at=NOW, drafted_at=NOW)
        session.add(issue)
        session.flush()
        people = session.exec(select(Subscriber.id).order_by(col(Subscriber.id))).all()
        reports = ((Kind.CLICKED, 100), (Kind.OPENED, 10), (Kind.BOUNCED, 10), None)
        for number, report in enumerate(reports):
            state = DeliveryState.ACCEPTED if report else DeliveryState.PLANNED
            row = Delivery(
                issue_id=issue.id, subscriber_id=people[number], chunk=0, state=state, changed_at=NOW - 100 * DAY
            )
            session.add(row)
            session.flush()
            if report:
                kind, days = report
                at = NOW - days * DAY
                event = ReportedEvent(
                    provider="x", event_id=f"e{number}", kind=kind, at=at, received_at=NOW, delivery_id=row.id
                )
                session.add(event)


ENGAGED = {
    "clicked": "0",
    "clicked:90d": "",
    "clicked:101d": "0",
    "opened": "01",
    "opened:90d": "1",
    "-opened:90d": "0234",
    "bounced:30d or clicked": "02",
    "sent": "012",
    "sent:99d": "",
    "sent -opened": "2",
    "-sent": "34",
    "list:fen-weekly -opened": "234",
}


def test_engagement_is_what_was_reported(database: Database) -> None:
    sent(database)
    terms = engagement.terms(NOW)
    with database.reading() as session:
        for text, readers in ENGAGED.items():
            ids = set(session.execute(segments.readers(session, text, terms, now=NOW)).scalars())
            found = session.exec(
                select(Subscriber.address).where(col(Subscriber.id).in_(ids)).order_by(Subscriber.address)
            )
            assert (text, "".join(address[1] for address in found)) == (text, readers)
            assert segments.count(session, text, terms, now=NOW) == len(readers)


@pytest.mark.parametrize("text", ["clicked:soon", "opened:0d", "sent:90", "bounced>2026-01-01", "clicked:123456d"])
def test_engagement_takes_days_and_nothing_else(sqlite_database: Database, text: str) -> None:
    with sqlite_database.reading() as session, pytest.raises(SegmentError, match="at column 1: write "):
        segments.count(session, text, engagement.terms(NOW))


def test_a_suppression_file_is_taken_in_by_batches_and_given_out_again(database: Database) -> None:
    populated(database, readers=3)
    rows = "".join(
        f"r{number}@example.org,complaint,note {number},2026-01-0{number % 9 + 1}\n" for number in range(2_500)
    )
    seen: list[int] = []
    words = {"source": "a.csv", "now": NOW, "progress": seen.append}
    text = f"email,reason,note,since\n{rows}R7@example.org,bounce,twice,\nr9@example.org,,,2099-01-01\n"
    report = import_suppressions(database.transaction, StringIO(text, newline=""), **words)  # type: ignore[arg-type]
    assert (report.added, report.already, report.readers, report.rejected) == (2_500, 2, 3, ())
    assert seen == [1000, 2000, 2502]
    with database.reading() as session:
        assert {one.at for one in session.exec(select(Suppression))} <= {NOW} | {
            datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 10)
        }
        out = StringIO(newline="")
        assert export_suppressions(session, out) == (2_500, 0)
    out.seek(0)
    again = import_suppressions(database.transaction, out, **words)  # type: ignore[arg-type]
    assert (again.added, again.already) == (0, 2_500)
