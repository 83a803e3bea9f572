"""Double opt-in, step by step and with several at once: who is on a list, and what proves it (trust 1.3, 2.3)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlmodel import Session, select

from newsletter.db import Database
from subscribers import confirmations, consent
from subscribers.addresses import parse_address
from subscribers.consent import COOLDOWN, Confirmed, Requested
from subscribers.models import (
    Consent,
    ConsentAction,
    Subscriber,
    Subscription,
    SubscriptionState,
    SuppressionReason,
)
from subscribers.suppression import lift, suppress
from tests.builders import add_list

NOW = datetime(2026, 11, 22, 7, 0, 0, 250_000, tzinfo=UTC)
LATER = NOW + COOLDOWN
PAGE = "https://news.example.org/weekly"
WORDING = "Send me Weekly every Saturday."


@dataclass(frozen=True)
class Desk:
    """The steps a reader and the confirmation sender take, with everything but what a test is about filled in."""

    session: Session
    list_id: int

    def request(
        self, now: datetime = NOW, address: str = "reader@example.org", name: str = "", wording: str = WORDING
    ) -> Requested:
        return consent.request(
            self.session,
            list_id=self.list_id,
            address=parse_address(address),
            name=name,
            now=now,
            source=PAGE,
            wording=wording,
            network="192.0.2.77",
        )

    def row(self, address: str = "reader@example.org") -> Subscription:
        reader = self.reader(address)
        found = select(Subscription).where(
            Subscription.subscriber_id == reader.id, Subscription.list_id == self.list_id
        )
        return self.session.exec(found, execution_options={"populate_existing": True}).one()

    def reader(self, address: str = "reader@example.org") -> Subscriber:
        found = consent.find_subscriber(self.session, parse_address(address))
        assert found is not None
        return found

    def confirm(self, requested_at: datetime, now: datetime = LATER) -> Confirmed:
        return consent.confirm(
            self.session,
            subscription_id=self.row().id,
            requested_at=requested_at.replace(microsecond=0),
            now=now,
            source=PAGE,
            network="192.0.2.78",
        )

    def leave(self, now: datetime = LATER) -> bool:
        return consent.leave(self.session, subscription_id=self.row().id, now=now, source="one-click")

    def send_mail(self, now: datetime = NOW) -> list[str]:
        """Send what waits, as the sign-up stage does; return the addresses."""
        return [
            waiting.address
            for waiting in confirmations.awaiting(self.session, 10, now)
            if confirmations.claim(self.session, waiting.subscription_id, now)
        ]

    def actions(self) -> list[ConsentAction]:
        return [row.action for row in consent.history(self.session, self.reader().id)]


def _desk(session: Session) -> Desk:
    return Desk(session, add_list(session, "weekly", "Weekly", NOW).id)


def test_the_whole_way_on_and_off_a_list(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        assert desk.request(address="Reader@Example.org", name="Ann Reader") is Requested.NEW
        assert (desk.reader().address, desk.reader().name) == ("Reader@Example.org", "Ann Reader")
        assert desk.row().state is SubscriptionState.PENDING
        assert desk.send_mail() == ["Reader@Example.org"]
        assert desk.confirm(NOW, now=NOW + timedelta(minutes=2)) is Confirmed.NOW
        assert desk.row().state is SubscriptionState.CONFIRMED
        assert desk.row().changed_at == NOW + timedelta(minutes=2)
        assert desk.leave(NOW + timedelta(days=3))
        assert desk.row().state is SubscriptionState.LEFT

        told = [
            (row.action, row.at, row.source, row.wording, row.network)
            for row in consent.history(session, desk.reader().id)
        ]
    assert told == [
        (ConsentAction.REQUESTED, NOW, PAGE, WORDING, "192.0.2.0/24"),
        (ConsentAction.CONFIRMED, NOW + timedelta(minutes=2), PAGE, WORDING, "192.0.2.0/24"),
        (ConsentAction.LEFT, NOW + timedelta(days=3), "one-click", "", ""),
    ]


SOON = COOLDOWN - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("state", "since_last_mail", "outcome"),
    [
        (SubscriptionState.PENDING, timedelta(0), Requested.TOO_SOON),
        (SubscriptionState.PENDING, SOON, Requested.TOO_SOON),
        (SubscriptionState.PENDING, COOLDOWN, Requested.REPEATED),
        (SubscriptionState.PENDING, timedelta(days=30), Requested.REPEATED),
        (SubscriptionState.PENDING, timedelta(seconds=-5), Requested.TOO_SOON),
        (SubscriptionState.CONFIRMED, timedelta(0), Requested.ALREADY_CONFIRMED),
        (SubscriptionState.CONFIRMED, timedelta(days=30), Requested.ALREADY_CONFIRMED),
        (SubscriptionState.LEFT, timedelta(0), Requested.RETURNED),
        (SubscriptionState.LEFT, timedelta(days=30), Requested.RETURNED),
    ],
)
def test_what_another_request_leads_to(
    state: SubscriptionState, since_last_mail: timedelta, outcome: Requested
) -> None:
    assert consent.answer_to_request(state, NOW, NOW + since_last_mail) is outcome


def test_a_mail_is_due_for_these_outcomes_and_no_others() -> None:
    assert {outcome for outcome in Requested if outcome.mail_due} == {
        Requested.NEW,
        Requested.RETURNED,
        Requested.REPEATED,
    }


def test_one_address_cannot_be_flooded_threat_11(database: Database) -> None:
    """Trust 2.3: listmonk sent dozens of opt-ins to one address."""
    with database.transaction() as session:
        desk = _desk(session)
        sent = []
        for second in range(0, 3600, 20):
            now = NOW + timedelta(seconds=second)
            desk.request(now, address="READER@example.org" if second % 40 else "reader@example.org")
            sent += desk.send_mail(now)
        assert len(sent) == 4
        assert desk.actions() == [ConsentAction.REQUESTED] * 4


def test_the_cooldown_counts_from_the_mail_when_it_was_sent_late(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        assert desk.send_mail(NOW + timedelta(minutes=14))
        assert desk.request(LATER) is Requested.TOO_SOON
        assert desk.request(LATER + timedelta(minutes=14)) is Requested.REPEATED


def test_asking_again_while_the_mail_waits_makes_one_mail_with_the_newest_link(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        assert desk.request(LATER) is Requested.REPEATED
        assert desk.row().changed_at == NOW
        (waiting,) = confirmations.awaiting(session, 10, LATER)
        assert waiting.requested_at == LATER
        assert desk.confirm(NOW, LATER) is Confirmed.OUTDATED
        assert desk.confirm(waiting.requested_at, LATER) is Confirmed.NOW


def test_a_reader_on_the_list_is_not_touched_by_another_request(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        desk.send_mail()
        desk.confirm(NOW)
        before = desk.row().model_dump()
        assert desk.request(NOW + timedelta(days=30)) is Requested.ALREADY_CONFIRMED
        assert desk.row().model_dump() == before
        assert desk.send_mail() == []
        assert desk.actions() == [ConsentAction.REQUESTED, ConsentAction.CONFIRMED]


def test_who_left_and_asks_again_has_to_confirm_again(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        desk.send_mail()
        desk.confirm(NOW)
        desk.leave()
        again = LATER + timedelta(days=1)
        assert desk.request(again) is Requested.RETURNED
        assert desk.row().state is SubscriptionState.PENDING
        assert desk.row().changed_at == again
        assert desk.send_mail(again) == ["reader@example.org"]
        assert desk.confirm(again, again) is Confirmed.NOW
        assert desk.actions() == [
            ConsentAction.REQUESTED,
            ConsentAction.CONFIRMED,
            ConsentAction.LEFT,
            ConsentAction.REQUESTED,
            ConsentAction.CONFIRMED,
        ]


def test_a_stranger_cannot_rename_a_known_reader(database: Database) -> None:
    """Trust 2.3: 3,000 people were sent a spammer's text through the name field (listmonk #1133)."""
    with database.transaction() as session:
        desk = _desk(session)
        desk.request(name="Ann\r\n Reader")
        for now, name in ((NOW, "Mallory"), (LATER, ""), (LATER + COOLDOWN, "Visit https://casino.example")):
            desk.request(now, name=name)
        desk.leave()
        desk.request(LATER + COOLDOWN, name="Mallory")
        assert desk.reader().name == "Ann Reader"
        (waiting,) = confirmations.awaiting(session, 10, LATER)
        assert not hasattr(waiting, "name")


def test_a_suppressed_address_gets_no_confirmation_mail_and_leaves_no_trace(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        suppress(session, "reader@example.org", SuppressionReason.COMPLAINT, "", NOW)
        assert desk.request(address="Reader@example.org") is Requested.SUPPRESSED
        assert desk.send_mail() == []
        assert session.exec(select(Subscriber)).all() == []
        assert session.exec(select(Consent)).all() == []


def test_an_address_suppressed_while_its_mail_waits_gets_none(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        (waiting,) = confirmations.awaiting(session, 10, LATER)
        suppress(session, "reader@example.org", SuppressionReason.BOUNCE, "", NOW)
        assert confirmations.awaiting(session, 10, LATER) == []
        assert not confirmations.claim(session, waiting.subscription_id, NOW)
        lift(session, "reader@example.org")
        assert confirmations.claim(session, waiting.subscription_id, NOW)


def test_waiting_mails_come_in_the_order_they_were_asked_for(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        for minute, name in enumerate(["c", "a", "b", "d"]):
            desk.request(NOW + timedelta(minutes=minute), address=f"{name}@example.org")
        first = confirmations.awaiting(session, 3, LATER)
        assert [waiting.address for waiting in first] == ["c@example.org", "a@example.org", "b@example.org"]
        assert {waiting.list_id for waiting in first} == {desk.list_id}


def test_a_mail_that_surely_was_not_sent_can_be_given_back(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        row = desk.row()
        assert confirmations.claim(session, row.id, NOW)
        assert desk.row().confirmation_sent_at == NOW
        assert confirmations.awaiting(session, 10, LATER) == []
        assert not confirmations.claim(session, row.id, NOW)
        confirmations.give_back(session, row.id, NOW - timedelta(minutes=20))  # an older claim's worker
        assert desk.row().confirmation_sent_at == NOW
        confirmations.give_back(session, row.id, NOW)
        assert desk.row().confirmation_sent_at is None
        assert desk.send_mail() == ["reader@example.org"]


def test_a_mail_that_is_put_off_waits_longer_each_time_and_is_given_up_after_five_tries(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        row, now, waits = desk.row(), NOW, []
        for number in range(1, confirmations.TRIES + 1):
            assert confirmations.claim(session, row.id, now)
            again = confirmations.put_off(session, row.id, now, now)
            assert again is (number < confirmations.TRIES)
            assert desk.row().confirmation_tries == number
            if again:
                not_before = desk.row().confirmation_not_before
                assert not_before is not None
                early = not_before - timedelta(seconds=1)
                assert confirmations.awaiting(session, 10, early) == []
                assert not confirmations.claim(session, row.id, early)
                assert len(confirmations.awaiting(session, 10, not_before)) == 1
                waits.append(not_before - now)
                now = not_before
        assert waits == [timedelta(minutes=minutes) for minutes in (5, 10, 20, 40)]
        assert desk.row().confirmation_sent_at == now
        assert confirmations.awaiting(session, 10, now + timedelta(days=1)) == []


def test_only_who_claimed_a_mail_can_put_it_off(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        row = desk.row()
        assert confirmations.claim(session, row.id, LATER)
        assert confirmations.put_off(session, row.id, NOW, NOW)
        assert (desk.row().confirmation_sent_at, desk.row().confirmation_tries) == (LATER, 0)
        desk.confirm(NOW)
        assert confirmations.put_off(session, row.id, LATER, LATER)
        assert desk.row().confirmation_tries == 0


def test_who_was_never_tried_comes_before_who_was_put_off(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        for name, tried_at in (("a", NOW + timedelta(minutes=2)), ("b", NOW), ("c", None), ("d", None)):
            desk.request(address=f"{name}@example.org")
            if tried_at:
                row = desk.row(f"{name}@example.org")
                assert confirmations.claim(session, row.id, tried_at)
                assert confirmations.put_off(session, row.id, tried_at, tried_at)
        found = [waiting.address for waiting in confirmations.awaiting(session, 10, LATER)]
        assert found == ["c@example.org", "d@example.org", "b@example.org", "a@example.org"]


@pytest.mark.parametrize("leaves", [False, True])
def test_asking_again_starts_the_tries_anew(database: Database, leaves: bool) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        assert confirmations.claim(session, desk.row().id, NOW)
        assert confirmations.put_off(session, desk.row().id, NOW, LATER)
        if leaves:
            desk.leave()
        assert desk.request(LATER) is (Requested.RETURNED if leaves else Requested.REPEATED)
        assert (desk.row().confirmation_tries, desk.row().confirmation_not_before) == (0, None)
        assert desk.send_mail(LATER) == ["reader@example.org"]


@pytest.mark.parametrize(("age", "count"), [(timedelta(days=7), 1), (timedelta(days=7, seconds=1), 0)])
def test_no_mail_with_a_link_that_would_not_work_u3(database: Database, age: timedelta, count: int) -> None:
    with database.transaction() as session:
        _desk(session).request()
        assert len(confirmations.awaiting(session, 10, NOW + age)) == count


@pytest.mark.parametrize("step", ["confirm", "leave"])
def test_no_confirmation_mail_after_it_is_settled(database: Database, step: str) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        row = desk.row()
        assert desk.confirm(NOW) is Confirmed.NOW if step == "confirm" else desk.leave()
        assert confirmations.awaiting(session, 10, LATER) == []
        assert not confirmations.claim(session, row.id, LATER)


def test_a_link_of_another_request_does_nothing(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        for offset in (timedelta(seconds=-1), timedelta(seconds=1), timedelta(days=1)):
            assert desk.confirm(NOW + offset) is Confirmed.OUTDATED
        assert desk.row().state is SubscriptionState.PENDING
        assert desk.actions() == [ConsentAction.REQUESTED]


def test_a_link_works_once_threat_16(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        assert desk.confirm(NOW, LATER) is Confirmed.NOW
        assert desk.confirm(NOW, LATER + COOLDOWN) is Confirmed.ALREADY
        assert desk.row().changed_at == LATER
        desk.leave()
        assert desk.confirm(NOW) is Confirmed.OUTDATED
        # Asking again within the second of the first request must not revive its link either.
        assert desk.request(NOW + timedelta(milliseconds=300)) is Requested.RETURNED
        assert desk.confirm(NOW) is Confirmed.OUTDATED
        assert desk.actions() == [
            ConsentAction.REQUESTED,
            ConsentAction.CONFIRMED,
            ConsentAction.LEFT,
            ConsentAction.REQUESTED,
        ]


def test_confirming_what_does_not_exist_is_outdated(database: Database) -> None:
    with database.transaction() as session:
        outcome = consent.confirm(session, subscription_id=404, requested_at=NOW, now=NOW, source=PAGE)
    assert outcome is Confirmed.OUTDATED


def test_leaving_is_idempotent_rfc_8058(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        desk.confirm(NOW)
        assert [desk.leave(LATER), desk.leave(LATER + COOLDOWN)] == [True, False]
        assert desk.row().changed_at == LATER
        assert desk.actions().count(ConsentAction.LEFT) == 1
        assert not consent.leave(session, subscription_id=404, now=NOW, source="one-click")


def test_leaving_everything(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        other = Desk(session, add_list(session, "other", "Other", NOW).id)
        for each in (desk, other):
            each.request()
        other.leave()
        reader = desk.reader()
        assert consent.leave_all(session, subscriber_id=reader.id, now=LATER, source="preferences") == 1
        assert consent.leave_all(session, subscriber_id=reader.id, now=LATER, source="preferences") == 0
        states = [(row.list_id, row.state) for row in consent.subscriptions_of(session, reader.id)]
    assert states == [(desk.list_id, SubscriptionState.LEFT), (other.list_id, SubscriptionState.LEFT)]


@pytest.mark.parametrize("before", [None, *SubscriptionState])
def test_joining_from_the_preferences_page_u7(database: Database, before: SubscriptionState | None) -> None:
    with database.transaction() as session:
        weekly = add_list(session, "weekly", "Weekly", NOW)
        reader = Subscriber(address="r@example.org", address_key="r@example.org", created_at=NOW)
        session.add(reader)
        session.flush()
        if before:
            session.add(
                Subscription(subscriber_id=reader.id, list_id=weekly.id, state=before, requested_at=NOW, changed_at=NOW)
            )
        joined = consent.join(
            session,
            subscriber_id=reader.id,
            list_id=weekly.id,
            now=LATER,
            source="preferences",
            wording="Weekly: every Saturday",
            network="2001:db8:1:2::3",
        )
        (row,) = consent.subscriptions_of(session, reader.id)
        session.refresh(row)
        told = [(line.action, line.wording, line.network) for line in consent.history(session, reader.id)]
    assert joined is (before is not SubscriptionState.CONFIRMED)
    assert row.state is SubscriptionState.CONFIRMED
    assert row.changed_at == (LATER if joined else NOW)
    assert told == ([(ConsentAction.JOINED, "Weekly: every Saturday", "2001:db8:1::/48")] if joined else [])


def _undo(desk: Desk, left_at: datetime, now: datetime) -> bool:
    return consent.undo_leaving(
        desk.session,
        subscription_id=desk.row().id,
        left_at=left_at.replace(microsecond=0),
        now=now,
        source=PAGE,
        wording="Undo",
        network="192.0.2.78",
    )


def test_leaving_can_be_undone_once_with_evidence_u8(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        desk.confirm(NOW)
        assert not _undo(desk, LATER, LATER)  # has not left
        desk.leave(LATER)
        for offset in (timedelta(seconds=-1), timedelta(seconds=1), timedelta(days=1)):
            assert not _undo(desk, LATER + offset, LATER)
        soon = LATER + timedelta(minutes=1)
        assert [_undo(desk, LATER, soon), _undo(desk, LATER, soon)] == [True, False]
        assert (desk.row().state, desk.row().changed_at) == (SubscriptionState.CONFIRMED, soon)
        line = consent.history(session, desk.reader().id)[-1]
        assert (line.action, line.wording, line.network) == (ConsentAction.JOINED, "Undo", "192.0.2.0/24")
        desk.leave(soon)
        assert not _undo(desk, LATER, soon)  # an earlier leaving's button
        assert desk.row().state is SubscriptionState.LEFT


def test_undoing_does_not_confirm_a_request_made_since(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        desk.confirm(NOW)
        desk.leave(LATER)
        desk.request(LATER)
        assert not _undo(desk, LATER, LATER)
        assert desk.row().state is SubscriptionState.PENDING


def test_a_stored_row_is_read_afresh(database: Database) -> None:
    """A session that read a row before must not see its old state afterwards."""
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        seen = consent.subscription(session, desk.row().id)
        assert seen is not None
        assert confirmations.claim(session, seen.id, LATER)
        assert seen.confirmation_sent_at == LATER
        states = [seen.state]
        desk.confirm(NOW)
        states.append(seen.state)
        consent.leave(session, subscription_id=seen.id, now=LATER, source="one-click")
        states.append(seen.state)
        assert states == [SubscriptionState.PENDING, SubscriptionState.CONFIRMED, SubscriptionState.LEFT]
        assert consent.subscription(session, 404) is None


def test_the_evidence_of_confirming_repeats_what_was_asked_last(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request(wording="The first form.")
        desk.leave()
        desk.request(LATER, wording="The second form.")
        session.add(
            Consent(
                subscriber_id=desk.reader().id,
                list_id=desk.list_id,
                action=ConsentAction.JOINED,
                at=LATER,
                source="preferences",
                wording="Not what the confirmation is about.",
            )
        )
        desk.confirm(LATER)
        assert consent.history(session, desk.reader().id)[-1].wording == "The second form."


def test_each_reader_and_list_has_its_own_history(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        desk.request(address="other@example.org")
        assert len(consent.history(session, desk.reader().id)) == 1
        assert consent.find_subscriber(session, parse_address("nobody@example.org")) is None


def test_long_and_odd_circumstances_are_kept_in_their_columns(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        consent.request(
            session,
            list_id=desk.list_id,
            address=parse_address("reader@example.org"),
            name="x" * 500 + "\0",
            now=NOW,
            source="https://news.example.org/\0" + "x" * 900,
            wording=WORDING * 500,
            network="not an address",
        )
        (line,) = consent.history(session, desk.reader().id)
    assert (len(line.source), line.network, line.wording) == (500, "", WORDING * 500)


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("255.255.255.255", "255.255.255.0/24"),
        ("2001:db8:aaaa:bbbb:cccc::1", "2001:db8:aaaa::/48"),
        ("::1", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:db8:aaaa::/48", "2001:db8:aaaa::/48"),
        ("", ""),
        ("testclient", ""),
        ("192.0.2", ""),
        ("192.0.2.77:443", ""),
    ],
)
def test_only_the_network_of_an_ip_address_is_kept(ip: str, network: str) -> None:
    assert consent.shorten_network(ip) == network


def _at_once(database: Database, step: Callable[[Desk], object], list_id: int, workers: int = 8) -> list[object]:
    """Run `step` in as many transactions at the same time and return what each returned."""
    start = Barrier(workers)

    def run(number: int) -> object:
        start.wait()
        with database.transaction() as session:
            return step(Desk(session, list_id))

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def test_of_many_requests_at_once_one_counts(database: Database) -> None:
    with database.transaction() as session:
        list_id = _desk(session).list_id
    outcomes = _at_once(database, Desk.request, list_id)
    assert sorted(map(str, outcomes)) == ["new"] + ["too soon"] * 7
    again = _at_once(database, lambda desk: desk.request(LATER), list_id)
    assert sorted(map(str, again)) == ["repeated"] + ["too soon"] * 7
    with database.transaction() as session:
        assert Desk(session, list_id).actions() == [ConsentAction.REQUESTED] * 2


def test_of_many_workers_one_sends_the_mail(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
    sent = _at_once(database, lambda each: each.send_mail(), desk.list_id)
    assert sorted(map(len, sent)) == [0] * 7 + [1]  # type: ignore[arg-type]


def test_of_many_clicks_at_once_one_counts(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
    confirmed = _at_once(database, lambda each: each.confirm(NOW), desk.list_id)
    assert sorted(map(str, confirmed)) == ["already"] * 7 + ["now"]
    left = _at_once(database, Desk.leave, desk.list_id)
    assert sorted(map(bool, left)) == [False] * 7 + [True]
    with database.transaction() as session:
        assert Desk(session, desk.list_id).actions() == [
            ConsentAction.REQUESTED,
            ConsentAction.CONFIRMED,
            ConsentAction.LEFT,
        ]


def test_leaving_at_the_same_time_as_confirming_never_loses_the_leaving(database: Database) -> None:
    """F7 in small: whichever comes first, the reader who left is not on the list."""
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
    start = Barrier(2)

    def run(step: Callable[[Desk], object]) -> object:
        start.wait()
        with database.transaction() as session:
            return step(Desk(session, desk.list_id))

    with ThreadPoolExecutor(2) as pool:
        confirmed, left = pool.map(run, (lambda each: each.confirm(NOW), Desk.leave))
    assert left is True
    with database.transaction() as session:
        after = Desk(session, desk.list_id)
        assert after.row().state is SubscriptionState.LEFT
        assert after.actions()[-1] is ConsentAction.LEFT
        assert (ConsentAction.CONFIRMED in after.actions()) is (confirmed is Confirmed.NOW)
