"""Double opt-in, step by step and with several at once: who is on a list, and what proves it (trust 1.3, 2.3)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlmodel import Session, select

from newsletter.db import Database
from newsletter.signup import may_mail
from subscribers import cleaning, confirmations, consent, fields
from subscribers.addresses import parse_address
from subscribers.consent import Confirmed, Evidence, Requested
from subscribers.hashes import KeyedHash
from subscribers.lists import archive
from subscribers.merging import merge
from subscribers.models import (
    Consent,
    ConsentAction,
    FieldKind,
    MailingList,
    Subscriber,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
)
from subscribers.suppression import lift, suppress
from tests.builders import add_list

NOW = datetime(2026, 11, 22, 7, 0, 0, 250_000, tzinfo=UTC)
DAY = timedelta(days=1)
#: When another mail may be asked for; the limiter counts in parts of 24 minutes.
LATER = NOW + DAY + timedelta(minutes=24)
HASHES = KeyedHash(["a secret of more than thirty-two characters"])
PAGE = "https://news.example.org/weekly"
WORDING = "Send me Weekly every Saturday."


@dataclass(frozen=True)
class Desk:
    """The steps a reader and the confirmation sender take, with everything but what a test is about filled in."""

    session: Session
    list_id: int

    def request(
        self,
        now: datetime = NOW,
        address: str = "reader@example.org",
        wording: str = WORDING,
        *,
        limited: bool = False,
        answers: dict[str, str] | None = None,
    ) -> Requested:
        """Ask for the list. With `limited` as the pages do, by the limiter; else every mail that is due may be sent."""
        return self.request_all({self.list_id: wording}, now, address, limited=limited, answers=answers)[self.list_id]

    def request_all(
        self,
        wishes: dict[int, str],
        now: datetime = NOW,
        address: str = "reader@example.org",
        *,
        limited: bool = False,
        answers: dict[str, str] | None = None,
    ) -> dict[int, Requested]:
        found = parse_address(address)
        return consent.request(
            self.session,
            wishes,
            address=found,
            evidence=Evidence(now, PAGE, "", "192.0.2.77"),
            hashes=HASHES,
            may_mail=lambda: not limited or may_mail(self.session, found.key, HASHES, now),
            answers=answers,
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
            hashes=HASHES,
            network="192.0.2.78",
        ).outcome

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
        assert desk.request(address="Reader@Example.org") is Requested.NEW
        assert (desk.reader().address, desk.reader().name) == ("Reader@Example.org", "")
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


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (None, Requested.NEW),
        (SubscriptionState.PENDING, Requested.REPEATED),
        (SubscriptionState.CONFIRMED, Requested.ALREADY_CONFIRMED),
        (SubscriptionState.LEFT, Requested.RETURNED),
    ],
)
def test_what_another_request_leads_to(state: SubscriptionState | None, outcome: Requested) -> None:
    assert consent.answer_to_request(state) is outcome


def test_a_mail_is_due_for_these_outcomes_and_no_others() -> None:
    assert {outcome for outcome in Requested if outcome.mail_due} == {
        Requested.NEW,
        Requested.RETURNED,
        Requested.REPEATED,
    }


def test_one_address_cannot_be_flooded_threat_11(database: Database) -> None:
    """Trust 2.3: listmonk sent dozens of opt-ins to one address. One a day, three in thirty days, whatever is tried."""
    with database.transaction() as session:
        desk = _desk(session)
        sent = []
        for hour in range(0, 30 * 24, 3):
            now = NOW + timedelta(hours=hour)
            tagged = "reader+tag@example.org" if hour % 2 else "READER@example.org"
            desk.request(now, address=tagged, limited=True)
            sent += desk.send_mail(now)
        assert len(sent) == 3


def test_a_request_that_came_too_soon_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request(limited=True)
        desk.send_mail()
        before = desk.row().model_dump()
        assert desk.request(NOW + timedelta(hours=23), limited=True) is Requested.TOO_SOON
        assert desk.row().model_dump() == before
        assert desk.actions() == [ConsentAction.REQUESTED]
        assert desk.confirm(NOW) is Confirmed.NOW


def test_the_limit_is_asked_only_when_a_mail_is_due(database: Database) -> None:
    """Else who is on the list would use up what they may get after leaving."""
    with database.transaction() as session:
        desk = _desk(session)
        desk.request(limited=True)
        desk.confirm(NOW)
        for _ in range(5):
            assert desk.request(NOW + DAY, limited=True) is Requested.ALREADY_CONFIRMED
        desk.leave()
        assert desk.request(LATER, limited=True) is Requested.RETURNED


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


def test_what_a_stranger_says_changes_no_known_reader(database: Database) -> None:
    """Trust 2.3: 3,000 people were sent a spammer's text through the name field (listmonk #1133).

    What a form says waits until its mail was confirmed, is in no mail, and replaces nothing that is known. But the mail
    is in the language that was chosen from the list, unless the reader's is known.
    """
    with database.transaction() as session:
        desk = _desk(session)
        other = Desk(session, add_list(session, "other", "Other", NOW).id)
        for slug in ("town", "trade"):
            fields.add_field(session, slug, label=slug.title(), kind=FieldKind.TEXT)
        desk.request(answers={"language": "de", "field:town": "Ely"})
        assert (desk.reader().language, fields.values_of(session, desk.reader().id)) == ("", {})
        (waiting,) = confirmations.awaiting(session, 10, NOW)
        assert set(vars(waiting)) == {"subscription_id", "list_id", "address", "requested_at", "further", "language"}
        assert waiting.language == "de"
        desk.confirm(NOW)
        assert (desk.reader().language, fields.values_of(session, desk.reader().id)) == ("de", {"town": "Ely"})
        spam = {"language": "ar", "field:town": "Visit https://casino.example", "field:trade": "Baker", "field:no": "x"}
        other.request(LATER, answers=spam)
        assert [one.language for one in confirmations.awaiting(session, 10, LATER)] == ["de"]
        other.confirm(LATER, LATER)
        session.expire_all()
        assert desk.reader().language == "de"
        assert fields.values_of(session, desk.reader().id) == {"town": "Ely", "trade": "Baker"}
        assert other.row().answers is None


def test_an_answer_that_the_field_does_not_take_any_more_is_dropped(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        fields.add_field(session, "town", label="Town", kind=FieldKind.CHOICE, choices=["Ely", "March"])
        desk.request(answers={"field:town": "March"})
        fields.set_field(session, "town", choices=["Ely", "Wisbech"])
        assert desk.confirm(NOW) is Confirmed.NOW
        assert fields.values_of(session, desk.reader().id) == {}


def test_several_lists_in_one_form_take_one_mail(database: Database) -> None:
    """Trust 2.1: listmonk #3037 sent one mail for each list."""
    with database.transaction() as session:
        desk = _desk(session)
        second, third = (Desk(session, add_list(session, name, name.title(), NOW).id) for name in ("ely", "march"))
        third.request()
        third.confirm(NOW)
        wishes = {desk.list_id: "one", second.list_id: "two", third.list_id: "three"}
        outcomes = desk.request_all(wishes, LATER, limited=True)
        assert list(outcomes.values()) == [Requested.NEW, Requested.NEW, Requested.ALREADY_CONFIRMED]
        (waiting,) = confirmations.awaiting(session, 10, LATER)
        assert (waiting.list_id, waiting.further) == (desk.list_id, (second.list_id,))
        assert desk.send_mail(LATER) == ["reader@example.org"]
        assert desk.confirm(LATER, LATER) is Confirmed.NOW
        assert [each.row().state for each in (desk, second)] == [SubscriptionState.CONFIRMED] * 2
        told = [(row.list_id, row.wording) for row in consent.history(session, desk.reader().id)[-2:]]
        assert told == [(desk.list_id, "one"), (second.list_id, "two")]


def _form_of_two(session: Session, now: datetime = NOW, **more: Any) -> tuple[Desk, Desk]:
    """Ask for two lists in one form; the first leads it."""
    desk = _desk(session)
    second = Desk(session, add_list(session, "ely", "Ely", NOW).id)
    desk.request_all({desk.list_id: "one", second.list_id: "two"}, now, **more)
    return desk, second


def test_a_link_confirms_what_was_asked_for_with_it_and_nothing_else(database: Database) -> None:
    with database.transaction() as session:
        desk, second = _form_of_two(session)
        third = Desk(session, add_list(session, "march", "March", NOW).id)
        third.request()
        second.request(LATER)  # the second alone, again: it has a link of its own from then on
        assert [(one.list_id, one.further) for one in confirmations.awaiting(session, 10, LATER)] == [
            (desk.list_id, ()),
            (third.list_id, ()),
            (second.list_id, ()),
        ]
        assert second.confirm(NOW) is Confirmed.OUTDATED
        assert desk.confirm(NOW) is Confirmed.NOW
        assert [each.row().state for each in (second, third)] == [SubscriptionState.PENDING] * 2


@pytest.mark.parametrize("left", [False, True])
def test_asking_again_for_the_leading_list_alone_takes_the_others_along(database: Database, left: bool) -> None:
    """Their link works no more, so the new one is for them, too; once it would have expired, it is not."""
    with database.transaction() as session:
        desk, second = _form_of_two(session)
        desk.send_mail()
        if left:
            desk.leave(NOW)
        desk.request(LATER)
        (waiting,) = confirmations.awaiting(session, 10, LATER)
        assert (waiting.list_id, waiting.further) == (desk.list_id, (second.list_id,))
        assert desk.confirm(NOW, LATER) is Confirmed.OUTDATED
        desk.request(LATER + timedelta(days=8))
        (waiting,) = confirmations.awaiting(session, 10, LATER + timedelta(days=8))
        assert waiting.further == ()
        assert desk.confirm(waiting.requested_at) is Confirmed.NOW
        assert second.row().state is SubscriptionState.PENDING


def test_what_is_taken_along_follows_the_new_forms_leading_list(database: Database) -> None:
    with database.transaction() as session:
        desk, second = _form_of_two(session)
        third = Desk(session, add_list(session, "march", "March", NOW).id)
        third.request_all({third.list_id: "three", desk.list_id: "one"}, LATER)
        (waiting,) = confirmations.awaiting(session, 10, LATER)
        assert (waiting.list_id, waiting.further) == (third.list_id, (desk.list_id, second.list_id))
        assert third.confirm(LATER) is Confirmed.NOW
        assert {each.row().state for each in (desk, second, third)} == {SubscriptionState.CONFIRMED}


@pytest.mark.parametrize("mailed", [False, True])
@pytest.mark.parametrize("leaves", [False, True])
def test_a_link_stands_for_what_of_its_form_still_waits(database: Database, mailed: bool, leaves: bool) -> None:
    """The leading list was joined on the preferences page, or left for good, before the link was opened."""
    with database.transaction() as session:
        desk, second = _form_of_two(session)
        if mailed:
            desk.send_mail()
        if leaves:
            desk.leave(NOW)
        else:
            _join(desk, LATER)
        waiting = confirmations.awaiting(session, 10, NOW)
        assert [(one.list_id, one.further) for one in waiting] == ([] if mailed else [(second.list_id, ())])
        if not mailed:
            assert confirmations.claim(session, desk.row().id, NOW)
            assert confirmations.put_off(session, desk.row().id, NOW, NOW)
            assert desk.row().confirmation_tries == 1
        state = desk.row().state
        assert desk.confirm(NOW) is Confirmed.NOW
        assert (desk.row().state, second.row().state) == (state, SubscriptionState.CONFIRMED)
        assert desk.confirm(NOW) is (Confirmed.OUTDATED if leaves else Confirmed.ALREADY)
        assert confirmations.awaiting(session, 10, LATER) == []


def _join(desk: Desk, now: datetime, subscriber_id: int | None = None) -> bool:
    return consent.join(
        desk.session,
        subscriber_id=subscriber_id or desk.reader().id,
        list_id=desk.list_id,
        now=now,
        source="preferences",
        wording="Weekly",
    )


@pytest.mark.parametrize("mailed", [False, True])
def test_what_is_asked_for_while_no_mail_is_left_is_confirmed_with_the_open_form(
    database: Database, mailed: bool
) -> None:
    """Threat 11: else a stranger who types an address for another edition keeps its owner from signing up for a day."""
    with database.transaction() as session:
        desk = _desk(session)
        second, third = (Desk(session, add_list(session, name, name.title(), NOW).id) for name in ("ely", "march"))
        third.request()
        third.leave(NOW)
        desk.request(limited=True)
        if mailed:
            assert desk.send_mail() == ["reader@example.org"]
        soon = NOW + timedelta(hours=5)
        wishes = {desk.list_id: "again", second.list_id: "two", third.list_id: "three"}
        outcomes = desk.request_all(wishes, soon, limited=True, answers={"language": "de"})
        assert list(outcomes.values()) == [Requested.TOO_SOON, Requested.ADDED, Requested.ADDED]
        assert set(desk.request_all(wishes, soon, limited=True).values()) == {Requested.TOO_SOON}
        further = [one.further for one in confirmations.awaiting(session, 10, soon)]
        assert further == ([] if mailed else [(third.list_id, second.list_id)])
        assert third.confirm(NOW) is Confirmed.OUTDATED
        assert desk.confirm(NOW, soon) is Confirmed.NOW
        assert {each.row().state for each in (desk, second, third)} == {SubscriptionState.CONFIRMED}
        told = [(row.list_id, row.action, row.wording) for row in consent.history(session, desk.reader().id)[-5:]]
        assert told[:2] == [
            (second.list_id, ConsentAction.REQUESTED, "two"),
            (third.list_id, ConsentAction.REQUESTED, "three"),
        ]
        assert {(one, "confirmed", text) for one, text in zip(wishes, [WORDING, "two", "three"], strict=True)} == set(
            told[2:]
        )
        assert desk.reader().language == ""


def test_only_an_open_form_of_the_very_address_is_added_to(database: Database) -> None:
    """A link that went to another spelling of the mailbox proves nothing; nor does one that works no more."""
    with database.transaction() as session:
        desk = _desk(session)
        second = Desk(session, add_list(session, "ely", "Ely", NOW).id)
        desk.request(limited=True, address="reader+tag@example.org")
        assert second.request(limited=True) is Requested.TOO_SOON
        assert consent.find_subscriber(session, parse_address("reader@example.org")) is None
        for day in (2, 4):
            desk.request(NOW + timedelta(days=day), limited=True)
        assert second.request(NOW + timedelta(days=12), limited=True) is Requested.TOO_SOON
        assert [row.list_id for row in consent.subscriptions_of(session, desk.reader().id)] == [desk.list_id]


def test_what_the_page_did_not_name_is_not_confirmed_by_its_button(database: Database) -> None:
    """Threat 10: somebody may have asked for more between the page and the button."""
    with database.transaction() as session:
        desk, second = _form_of_two(session)
        link: dict[str, Any] = {"subscription_id": desk.row().id, "requested_at": NOW, "now": NOW}
        link |= {"source": PAGE, "hashes": HASHES}
        assert consent.confirm(session, **link, shown=[0]) == consent.Confirmation(Confirmed.NOW)
        named = desk.row().id
        assert consent.confirm(session, **link, shown=[named]).joined == (named,)
        assert second.row().state is SubscriptionState.PENDING
        assert consent.confirm(session, **link).joined == (second.row().id,)


@pytest.mark.parametrize("step", ["leave", "join", "drop", "bounce"])
def test_what_a_stranger_typed_goes_when_the_request_is_settled_otherwise(database: Database, step: str) -> None:
    """Threat 11, GDPR 5(1)(c): it waits for the confirmation, and for nothing else."""
    with database.transaction() as session:
        desk, second = _form_of_two(session)
        for each in (desk, second):
            each.leave(NOW)
        desk.request_all({desk.list_id: "", second.list_id: ""}, LATER, answers={"field:town": "slander"})
        assert (desk.row().answers, second.row().asked_with) == ({"field:town": "slander"}, desk.row().id)
        if step == "drop":
            assert cleaning.clean(session, cleaning.Kind.PENDING, LATER + 31 * DAY) == 2
        elif step == "bounce":
            suppress(session, "reader@example.org", SuppressionReason.BOUNCE, "", LATER)
            assert cleaning.clean(session, cleaning.Kind.BOUNCED, LATER) == 2
        else:
            for each in (desk, second):
                assert each.leave(LATER) if step == "leave" else _join(each, LATER)
        session.expire_all()
        assert [(each.row().answers, each.row().asked_with) for each in (desk, second)] == [(None, None)] * 2


def test_what_a_stranger_typed_goes_when_lists_are_merged(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request(answers={"field:town": "slander"})
        old = Desk(session, add_list(session, "old", "Old", NOW).id)
        _join(old, NOW, desk.reader().id)
        source, target = (session.get_one(MailingList, one.list_id) for one in (old, desk))
    assert merge(database.transaction, source, target, consent="They were told.", now=LATER) == 1
    with database.transaction() as session:
        row = Desk(session, desk.list_id).row()
        assert (row.state, row.answers) == (SubscriptionState.CONFIRMED, None)


def test_what_was_kept_of_a_form_is_named_in_the_evidence_and_not_told(database: Database) -> None:
    """GDPR 7(1), 5(2): the language and fields, once, and only those that were kept."""
    with database.transaction() as session:
        desk, second = _form_of_two(session)
        for slug in ("town", "trade", "age"):
            fields.add_field(session, slug, label=slug.title(), kind=FieldKind.TEXT)
        fields.say(session, desk.reader().id, fields.fields(session)[0], "Ely")
        said = {"language": "de", "field:town": "March", "field:trade": "Baker"}
        desk.request_all({desk.list_id: "", second.list_id: ""}, LATER, answers=said)
        desk.confirm(LATER)
        [line] = [one for one in consent.history(session, desk.reader().id) if one.action is ConsentAction.CHANGED]
        assert line.wording == "said with the sign-up, kept now that it is confirmed: the language, the field trade"
        assert (line.list_id, line.source, line.network) == (None, PAGE, "192.0.2.0/24")


def test_a_list_that_was_archived_meanwhile_is_joined_by_nobody(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        second = Desk(session, add_list(session, "ely", "Ely", NOW).id)
        desk.request_all({desk.list_id: "", second.list_id: ""})
        archive(session, "weekly", NOW)
        assert desk.confirm(NOW) is Confirmed.NOW
        assert (desk.row().state, second.row().state) == (SubscriptionState.PENDING, SubscriptionState.CONFIRMED)
        assert desk.confirm(NOW) is Confirmed.CLOSED
        assert desk.actions() == [ConsentAction.REQUESTED] * 2 + [ConsentAction.CONFIRMED]


def test_who_was_erased_may_come_back_by_confirming(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        suppress(session, HASHES.of("reader@example.org"), SuppressionReason.ERASED, "", NOW)
        assert desk.request() is Requested.NEW
        assert session.exec(select(Suppression)).all() != []
        desk.confirm(NOW)
        assert session.exec(select(Suppression)).all() == []


@pytest.mark.parametrize("reason", [SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT, SuppressionReason.MANUAL])
def test_who_was_kept_away_before_being_erased_stays_so(database: Database, reason: SuppressionReason) -> None:
    with database.transaction() as session:
        suppress(session, HASHES.of("reader@example.org"), reason, "", NOW)
        assert _desk(session).request() is Requested.SUPPRESSED


def test_a_wording_has_a_version() -> None:
    assert consent.wording_version(WORDING) == consent.wording_version(WORDING)
    assert consent.wording_version("") == ""
    assert consent.wording_version(WORDING) != consent.wording_version(WORDING + " ")


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
        assert desk.confirm(NOW, LATER + DAY) is Confirmed.ALREADY
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
        done = consent.confirm(session, subscription_id=404, requested_at=NOW, now=NOW, source=PAGE, hashes=HASHES)
    assert (done.outcome, done.joined) == (Confirmed.OUTDATED, ())


def test_leaving_is_idempotent_rfc_8058(database: Database) -> None:
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        desk.confirm(NOW)
        assert [desk.leave(LATER), desk.leave(LATER + DAY)] == [True, False]
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


@pytest.mark.parametrize(
    "changes", ["said why they left: they did not ask for it", "wants one issue a month, the first"]
)
def test_dropping_a_request_cannot_be_undone_whatever_was_chosen_since(database: Database, changes: str) -> None:
    """Threat 16: else who holds a forwarded mail's unsubscribe link gets around confirming."""
    with database.transaction() as session:
        desk = _desk(session)
        desk.request()
        desk.confirm(NOW)
        desk.leave(NOW)
        desk.request(LATER)
        desk.leave(LATER)
        said = Evidence(LATER, PAGE, changes, "")
        consent.record(session, ConsentAction.CHANGED, desk.reader().id, desk.list_id, said)
        session.flush()
        assert not consent.can_undo_leaving(session, subscription_id=desk.row().id, left_at=LATER)
        assert not _undo(desk, LATER, LATER)
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
            {desk.list_id: WORDING * 500},
            address=parse_address("reader@example.org"),
            evidence=Evidence(NOW, "https://news.example.org/\0" + "x" * 900, "", "not an address"),
            hashes=HASHES,
            may_mail=lambda: True,
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
    outcomes = _at_once(database, lambda desk: desk.request(limited=True), list_id)
    assert sorted(map(str, outcomes)) == ["new"] + ["too soon"] * 7
    again = _at_once(database, lambda desk: desk.request(LATER, limited=True), list_id)
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


def test_nobody_waits_for_somebody_who_waits_for_them(database: Database) -> None:
    """Who changes several lists of a reader at once, in whatever order, locks the reader first, as erasing does."""
    with database.transaction() as session:
        desk = _desk(session)
        desks = [desk, *(Desk(session, add_list(session, name, name, NOW).id) for name in "abc")]
        lists = [one.list_id for one in desks]
        desk.request_all(dict.fromkeys(lists, ""))
        reader_id, leading = desk.reader().id, desk.row().id

    def joins(each: Desk, order: list[int]) -> None:
        where: dict[str, Any] = {"subscriber_id": reader_id, "now": LATER, "source": PAGE, "wording": ""}
        for list_id in order:
            consent.join(each.session, list_id=list_id, **where)

    def leaves(each: Desk) -> None:
        for row in reversed(consent.subscriptions_of(each.session, reader_id)):
            consent.leave(each.session, subscription_id=row.id, now=LATER, source=PAGE)

    def confirms(each: Desk) -> None:
        link: dict[str, Any] = {"subscription_id": leading, "requested_at": NOW}
        consent.confirm(each.session, **link, now=LATER, source=PAGE, hashes=HASHES)

    def erases(each: Desk) -> None:
        each.session.exec(select(Subscriber.id).where(Subscriber.id == reader_id).with_for_update()).all()
        each.session.exec(select(Subscription.id).with_for_update()).all()

    steps: list[Callable[[Desk], object]] = [
        lambda each: joins(each, lists),
        lambda each: joins(each, lists[::-1]),
        leaves,
        lambda each: consent.leave_all(each.session, subscriber_id=reader_id, now=LATER, source=PAGE),
        confirms,
        erases,
        lambda each: each.request_all(dict.fromkeys(lists[::-1], ""), LATER),
        lambda each: each.request_all(dict.fromkeys(lists, ""), LATER, limited=True),
    ]
    for _ in range(6):
        start = Barrier(len(steps))

        def run(step: Callable[[Desk], object], start: Barrier = start) -> None:
            start.wait()
            with database.transaction() as session:
                step(Desk(session, desk.list_id))

        with ThreadPoolExecutor(len(steps)) as pool:
            list(pool.map(run, steps))
