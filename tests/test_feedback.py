"""Events taken in: each once, about the delivery that it proves to be about, with what follows for readers (F6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import select

from newsletter import feedback
from newsletter.db import Database
from newsletter.delivery.names import name_of
from newsletter.feedback import Reported, Taken, take_in
from newsletter.feedback.matching import stands_for
from newsletter.feedback.people import Consequence, Leaving, consequence
from newsletter.mail import Kind
from newsletter.models import Attempt, AttemptOutcome, Delivery, Issue, IssueState
from subscribers import moving, preferences, suppression
from subscribers.consent import Evidence, record
from subscribers.models import Consent, ConsentAction, Subscriber, Subscription, SubscriptionState, SuppressionReason
from tests import builders
from tests.builders import NOW
from tests.reported import NONCE, UNCERTAIN, out

PROCESSED, DELIVERED, BOUNCED, DROPPED = Kind.PROCESSED, Kind.DELIVERED, Kind.BOUNCED, Kind.DROPPED
COMPLAINED, UNSUBSCRIBED, BLOCKED = Kind.COMPLAINED, Kind.UNSUBSCRIBED, Kind.BLOCKED
HOUR = timedelta(hours=1)
BOUNCE, COMPLAINT = SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT
CONFIRMED, LEFT = SubscriptionState.CONFIRMED, SubscriptionState.LEFT
#: SendGrid's id of a request, and its id of one reader's mail, which begins with it.
REQUEST = "14c5d75ce93.dfd.64b469"
MESSAGE = f"{REQUEST}.filter0001.16648.5515E0B88.0"


def test_an_event_is_stored_as_it_came_and_acted_on_once(database: Database) -> None:
    issue = out(database, 3)
    event = issue.event(1, DELIVERED, reference=MESSAGE, detail="250 OK", raw={"event": "delivered", "n": [1, None]})
    taken = take_in(database, "sendgrid", [event, event], NOW + HOUR)
    assert taken == Taken(events=2, new=1, matched=1)
    assert take_in(database, "sendgrid", [event], NOW + 2 * HOUR) == Taken(events=1)
    [stored] = issue.stored()
    assert (stored.provider, stored.event_id, stored.kind) == ("sendgrid", event.id, DELIVERED)
    assert (stored.at, stored.received_at) == (NOW, NOW + HOUR)
    assert (stored.delivery_id, stored.attempt_id) == (issue.deliveries[1], 1)
    assert (stored.reference, stored.address, stored.detail) == (MESSAGE, "r1@example.org", "250 OK")
    assert stored.raw == {"event": "delivered", "n": [1, None]}
    assert [row.reported for row in issue.rows()] == ["", "delivered", ""]


def test_the_same_id_at_another_provider_is_another_event(sqlite_database: Database) -> None:
    issue = out(sqlite_database, 1)
    event = issue.event(0, DELIVERED)
    assert [take_in(sqlite_database, name, [event], NOW).new for name in ("a", "b", "a")] == [1, 1, 0]


def test_no_events_change_nothing(sqlite_database: Database) -> None:
    issue = out(sqlite_database, 1)
    before = issue.dump()
    assert take_in(sqlite_database, "p", [], NOW) == Taken()
    assert issue.dump() == before


def test_a_name_that_nobody_gave_out_is_believed_by_nobody(database: Database) -> None:
    """Trust 2.2: only a name that proves itself finds its delivery, whatever address stands beside it."""
    issue = out(database, 2)
    number, _, mac = issue.name(0).partition("-")
    forged = [
        f"{number}-{mac[:-1]}{'0' if mac[-1] != '0' else '1'}",
        f"{number}-{'0' * 20}",
        f"{number}-{issue.name(1).partition('-')[2]}",
        name_of("another nonce", issue.deliveries[0], issue.subscribers[0]),
        name_of(NONCE, issue.deliveries[0], issue.subscribers[1]),
        name_of(NONCE, 2**63, issue.subscribers[0]),
        name_of(NONCE, 2**64 - 1, issue.subscribers[0]),
        name_of(NONCE, 999_999, issue.subscribers[0]),
        issue.name(0).upper(),
        f"0{issue.name(0)}",
        f" {issue.name(0)}",
        "9c0d1f20" * 4,
        "x" * 5_000,
        "1-\0",
    ]
    events = [issue.event(0, BOUNCED, id=str(n), delivery_id=name) for n, name in enumerate(forged)]
    taken = take_in(database, "p", events, NOW)
    assert (taken.new, taken.matched, taken.suppressed) == (len(forged), 0, 0)
    assert {row.reported for row in issue.rows()} == {""}
    assert {one.delivery_id for one in issue.stored()} == {None}


def test_a_number_of_the_provider_is_no_attempt_of_ours(database: Database) -> None:
    """SendGrid's deferred events count its own tries in `attempt`, where ours stands in all others."""
    issue = out(database, 2, attempt=4)
    with database.transaction() as session:
        room = builders.newsroom(session, "other")
        other = Issue(edition_id=room.edition_id, week="2026-W46", state=IssueState.DRAFT, send_at=NOW, drafted_at=NOW)
        session.add(other)
        session.flush()
        foreign = Attempt(issue_id=other.id, chunk=0, worker="w", provider="p", readers=1, at=NOW)
        session.add(foreign)
        session.flush()
        numbers = [foreign.id, 999, 2**62]
    events = [issue.event(0, Kind.DEFERRED, attempt=number) for number in numbers]
    taken = take_in(database, "p", [*events, issue.event(1, Kind.DEFERRED, attempt=3)], NOW)
    assert (taken.matched, taken.duplicates) == (4, 1)
    assert sorted(one.attempt_id for one in issue.stored()) == [0, 0, 0, 3]


@pytest.mark.parametrize(
    ("reference", "told", "fits"),
    [
        (REQUEST, REQUEST, True),
        (REQUEST, MESSAGE, True),
        (REQUEST, f"{REQUEST}x.filter", False),
        (REQUEST, "14c5d75ce93.dfd", False),
        ("", MESSAGE, False),
        ("", "", False),
    ],
)
def test_which_ids_of_the_provider_are_of_one_mail(reference: str, told: str, fits: bool) -> None:
    assert stands_for(reference, told) is fits


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, True),
        ({"address": " R0@Example.ORG "}, True),
        ({"address": "nobody@example.org"}, False),
        ({"address": ""}, False),
        ({"reference": ""}, False),
        ({"reference": "14c5d75ce94.dfd.64b469.filter0001"}, False),
        ({"delivery_id": "9c0d1f20" * 4}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("whole", [False, True], ids=["of the delivery", "of the attempt"])
def test_an_event_without_our_name_is_found_by_reference_and_address(
    database: Database, change: dict[str, Any], found: bool, whole: bool
) -> None:
    """Trust 1.4: bounces may come back without our arguments; X-Message-Id is the prefix of sg_message_id."""
    issue = out(database, 2)
    if whole:
        _take_whole(database)
    else:
        issue.put(0, reference=REQUEST)
    unnamed = {"delivery_id": "", "attempt": 0, "reference": MESSAGE}
    taken = take_in(database, "sendgrid", [issue.event(0, BOUNCED, **(unnamed | change))], NOW)
    assert (taken.matched, taken.suppressed) == (int(found), int(found))
    assert issue.row(0).reported == ("bounced" if found else "")


def test_a_reference_counts_only_together_with_the_address(database: Database) -> None:
    """Each reader of a request has its reference: the address says which of them it is."""
    issue = out(database, 3)
    issue.put(0, reference=REQUEST)
    issue.put(2, reference="14c5d75ce94", address="r0@example.org")
    unnamed = {"delivery_id": "", "attempt": 0, "reference": MESSAGE}
    other = issue.event(0, BOUNCED, **unnamed | {"address": "r1@example.org"})
    assert take_in(database, "sendgrid", [other], NOW).matched == 0
    _take_whole(database)
    again = issue.event(0, BOUNCED, **unnamed | {"id": "again", "address": "r1@example.org"})
    assert take_in(database, "sendgrid", [again], NOW).matched == 1
    assert [row.reported for row in issue.rows()] == ["", "bounced", ""]


def test_a_reference_that_fits_two_mails_finds_none(database: Database) -> None:
    """Nor does one whose mail went to another address than the reader has now."""
    issue = out(database, 2)
    for number, address in enumerate(("r0@example.org", "before@example.org")):
        issue.put(number, reference=REQUEST, address=address)
    with database.transaction() as session:
        values = session.get_one(Issue, issue.issue_id).model_dump(exclude={"id"})
        other = Issue(**values | {"week": "2026-W40", "number": 40})
        session.add(other)
        session.flush()
        values = session.get_one(Delivery, issue.deliveries[0]).model_dump(exclude={"id"})
        session.add(Delivery(**values | {"issue_id": other.id}))
    unnamed = {"delivery_id": "", "attempt": 0, "reference": MESSAGE}
    events = [issue.event(number, BOUNCED, **unnamed) for number in (0, 1)]
    assert take_in(database, "sendgrid", events, NOW).matched == 0


def _take_whole(database: Database) -> None:
    """Record that the provider took the first attempt as a whole, by one id."""
    with database.transaction() as session:
        whole = AttemptOutcome(attempt_id=1, readers=3, status="accepted", by="worker", at=NOW, reference=REQUEST)
        session.add(whole)


@pytest.mark.parametrize(
    "odd",
    [
        {"id": ""},
        {"id": "x" * 201},
        {"id": "a\0b\n"},
        {"id": "\ud800"},
        {"attempt": 2**63},
        {"attempt": -1},
        {"detail": "a\0b\x1b[31m\ud800\u202e" + "x" * 5_000},
        {"address": "y" * 500},
        {"reference": "z\0" * 300},
        {"raw": {"n": float("nan"), "deep": [float("inf")]}},
        {"raw": {"text": "\0 \ud800 \n ' \" \\"}},
    ],
    ids=[
        *("no id", "long id", "controls in id", "half a character", "attempt too large", "negative attempt"),
        *("odd words", "long address", "odd reference", "no JSON", "odd JSON"),
    ],
)
def test_an_odd_event_is_stored_and_known_again(database: Database, odd: dict[str, Any]) -> None:
    """One event that a database would choke on must not make the provider post its whole request for a day."""
    issue = out(database, 2)
    events = [issue.event(0, DELIVERED, **odd), issue.event(1, DELIVERED)]
    assert take_in(database, "p", events, NOW).matched == 2
    assert take_in(database, "p", events, NOW).new == 0
    assert [row.reported for row in issue.rows()] == ["delivered", "delivered"]
    assert len(issue.stored()) == 2


@pytest.mark.parametrize(
    ("kind", "detail", "meant"),
    [
        (BOUNCED, "550 5.1.1 no such user", Consequence(BOUNCE)),
        (BLOCKED, "552 5.2.2 mailbox full", Consequence()),
        (COMPLAINED, "", Consequence(COMPLAINT, Leaving.ALL)),
        (UNSUBSCRIBED, "", Consequence(leaving=Leaving.LIST)),
        (DROPPED, "Bounced Address", Consequence(BOUNCE)),
        (DROPPED, "5.0.0 Bounced Address", Consequence(BOUNCE)),
        (DROPPED, "Invalid", Consequence(BOUNCE)),
        (DROPPED, "5.0.0 Invalid", Consequence(BOUNCE)),
        (DROPPED, "Spam Reporting Address", Consequence(COMPLAINT, Leaving.ALL)),
        (DROPPED, "Unsubscribed Address", Consequence(leaving=Leaving.LIST)),
        (DROPPED, "suppress-complaint", Consequence(COMPLAINT, Leaving.ALL)),
        (DROPPED, "Recipient List over Package Quota", Consequence()),
        (DROPPED, "Spam Content (if Spam Checker app is enabled)", Consequence()),
        (DROPPED, "Invalid SMTPAPI header", Consequence()),
        (DROPPED, "", Consequence()),
        (DELIVERED, "Bounced Address", Consequence()),
        (Kind.OTHER, "", Consequence()),
    ],
)
def test_what_a_report_means_for_its_reader(kind: Kind, detail: str, meant: Consequence) -> None:
    """Trust 2.2: hard only for what is surely the address's fault; a block is never hard."""
    assert consequence(kind, detail) == meant


def test_readers_are_suppressed_and_leave_as_reported(database: Database) -> None:
    issue = out(database, 6)
    events = [
        issue.event(0, BOUNCED, detail="550 5.1.1\r\nno such user"),
        issue.event(1, COMPLAINED),
        issue.event(2, UNSUBSCRIBED),
        issue.event(3, BLOCKED, detail="552 full"),
        issue.event(4, DROPPED, detail="Bounced Address"),
    ]
    taken = take_in(database, "sendgrid", events, NOW + HOUR)
    assert (taken.suppressed, taken.left) == (3, 2)
    notes = {key: (row.reason, row.note, row.at) for key, row in issue.suppressions().items()}
    assert notes == {
        "r0@example.org": (BOUNCE, "bounced, reported by sendgrid: 550 5.1.1 no such user", NOW),
        "r1@example.org": (COMPLAINT, "complained, reported by sendgrid", NOW),
        "r4@example.org": (BOUNCE, "dropped, reported by sendgrid: Bounced Address", NOW),
    }
    assert [issue.subscription(n).state for n in range(6)] == [CONFIRMED, LEFT, LEFT, CONFIRMED, CONFIRMED, CONFIRMED]
    with database.reading() as session:
        evidence = session.exec(select(Consent)).all()
    assert {(row.action, row.source) for row in evidence} == {("left", "reported by sendgrid")}
    assert take_in(database, "sendgrid", events, NOW + HOUR).suppressed == 0


@pytest.mark.parametrize("kind", [BOUNCED, COMPLAINED, UNSUBSCRIBED])
def test_what_was_before_the_reader_confirmed_counts_no_more(database: Database, kind: Kind) -> None:
    """A bounce that comes a day late must not suppress a reader who has come back meanwhile."""
    issue = out(database, 2)
    for number in (0, 1):
        issue.confirmed_at(number, NOW + HOUR)
    late = [issue.event(0, kind), issue.event(1, kind, at=NOW + HOUR)]
    take_in(database, "p", late, NOW + 2 * HOUR)
    assert list(issue.suppressions()) == ([] if kind is UNSUBSCRIBED else ["r1@example.org"])
    assert issue.subscription(0).state is CONFIRMED
    assert issue.subscription(1).state is (CONFIRMED if kind is BOUNCED else LEFT)


def test_a_bounce_is_of_the_address_that_the_mail_went_to(database: Database) -> None:
    """A reader who moved since the mail is not suppressed where they are now (U7)."""
    issue = out(database, 1)
    with database.transaction() as session:
        session.execute(update(Delivery).values(address="r0@example.org"))
        reader = session.get_one(Subscriber, issue.subscribers[0])
        reader.address = reader.address_key = "moved@example.org"
        session.add(reader)
    taken = take_in(database, "p", [issue.event(0, BOUNCED, at=NOW + HOUR)], NOW + HOUR)
    assert taken.suppressed == 1
    with database.reading() as session:
        assert suppression.find(session, "moved@example.org") is None
        assert suppression.find(session, "r0@example.org") is not None


@pytest.mark.parametrize("wording", [moving.CHANGED, preferences.LIFTED])
def test_a_report_of_before_a_reader_asked_for_mail_again_counts_no_more(database: Database, wording: str) -> None:
    """U7, U22: a bounce from before a new address was confirmed, or a bounce was lifted, is about what is over."""
    issue = out(database, 1)
    with database.transaction() as session:
        evidence = Evidence(NOW + 2 * HOUR, "https://example.org/p", wording, "")
        record(session, ConsentAction.CHANGED, issue.subscribers[0], None, evidence)
    assert take_in(database, "p", [issue.event(0, BOUNCED, at=NOW + HOUR)], NOW + 3 * HOUR).suppressed == 0
    later = issue.event(0, BOUNCED, id="later", at=NOW + 3 * HOUR)
    assert take_in(database, "p", [later], NOW + 3 * HOUR).suppressed == 1


def test_who_was_brought_to_the_list_after_leaving_stays_on_it(database: Database) -> None:
    """An old leaving is about the list as it was, also where no confirmation of the reader's own came after it."""
    issue = out(database, 1)
    with database.transaction() as session:
        row = session.get_one(Subscription, issue.subscription(0).id)
        row.changed_at = NOW + HOUR
        session.add(row)
    assert take_in(database, "p", [issue.event(0, UNSUBSCRIBED)], NOW + 2 * HOUR).left == 0


def test_the_earliest_report_explains_a_suppression_and_a_person_knows_better(database: Database) -> None:
    issue = out(database, 2)
    with database.transaction() as session:
        suppression.suppress(session, "r1@example.org", SuppressionReason.MANUAL, "by telephone", NOW)
    for number in (0, 1):
        late = issue.event(number, COMPLAINED, id=f"late {number}", at=NOW + HOUR)
        early = issue.event(number, BOUNCED, id=f"early {number}", at=NOW - HOUR, detail="no such user")
        take_in(database, "p", [late], NOW + 2 * HOUR)
        take_in(database, "p", [early], NOW + 2 * HOUR)
    found = {key: (row.reason, row.at) for key, row in issue.suppressions().items()}
    assert found == {
        "r0@example.org": (BOUNCE, NOW - HOUR),
        "r1@example.org": (SuppressionReason.MANUAL, NOW),
    }


def test_an_issue_s_figures(database: Database) -> None:
    issue = out(database, 12)
    kinds = [PROCESSED, Kind.DEFERRED, DELIVERED, DELIVERED, BOUNCED, BLOCKED, DROPPED, COMPLAINED, UNSUBSCRIBED]
    kinds += [Kind.OPENED, Kind.CLICKED]
    take_in(database, "p", [issue.event(number, kind) for number, kind in enumerate(kinds)], NOW)
    with database.reading() as session:
        found = feedback.reported(session, issue.issue_id)
    assert found == Reported(
        delivered=6,
        processed=1,
        deferred=1,
        blocked=1,
        bounced=1,
        dropped=1,
        complained=1,
        unsubscribed=1,
        opened=2,
        not_reported=1,
    )


def test_two_workers_with_the_same_events_do_the_work_of_one(database: Database) -> None:
    """SendGrid posts from many servers at once, and again what was not answered in time."""
    issue = out(database, 300, UNCERTAIN)
    kinds = (PROCESSED, DELIVERED, BOUNCED, COMPLAINED)
    events = [issue.event(number, kind) for number in range(300) for kind in kinds]
    requests = [events[start : start + 100] for start in range(0, len(events), 100)]
    overlapping = [events[start : start + 150][::-1] for start in range(0, len(events), 150)]
    ways = [requests, requests[::-1], overlapping, requests]
    with ThreadPoolExecutor(len(ways)) as workers:
        totals = [
            one
            for done in workers.map(lambda way: [take_in(database, "p", request, NOW) for request in way], ways)
            for one in done
        ]
    assert sum(one.new for one in totals) == len(events) == len(issue.stored())
    assert sum(one.settled for one in totals) == 300
    assert len(issue.outcomes()) == 300
    assert {row.reported for row in issue.rows()} == {"complained"}
    assert {issue.subscription(number).state for number in range(0, 300, 50)} == {LEFT}
