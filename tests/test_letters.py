"""Letters: a reader who has joined is welcomed once, and who has left on the page is told so where the edition wants it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import select

from newsletter.db import Database
from newsletter.errors import ProviderRefused
from newsletter.letters import owe_goodbye, owe_welcome, send_letters
from newsletter.mail import Status
from newsletter.models import Edition, Issue, IssueState
from newsletter.render import Renderer
from newsletter.testing import MemoryProvider, Scripted
from subscribers import consent
from subscribers.models import Letter, Subscription, SubscriptionState, SuppressionReason
from subscribers.suppression import suppress
from subscribers.tokens import Purpose, Signer
from tests.builders import NOW, Newsroom, newsroom, reader
from tests.sites import BASE_URL, SECRET

SIGNER = Signer([SECRET])
MINUTE = timedelta(minutes=1)


@pytest.fixture
def room(database: Database) -> Newsroom:
    with database.transaction() as session:
        return newsroom(session, goodbye=True)


def joined(db: Database, room: Newsroom, address: str = "ann@example.org") -> int:
    """Somebody who has joined, and is owed a welcome; returns their subscription."""
    with db.transaction() as session:
        row = reader(session, room, address, name="Ann")
        row.changed_at = NOW
        session.flush()
        owe_welcome(session, row.id)
        return row.id


def left(db: Database, subscription_id: int) -> None:
    with db.transaction() as session:
        assert consent.leave(session, subscription_id=subscription_id, now=NOW + MINUTE, source="page")
        owe_goodbye(session, subscription_id)


def send(db: Database, provider: MemoryProvider, *, minutes: float = 1) -> int:
    now = NOW + timedelta(minutes=minutes)
    return send_letters(db, provider, Renderer(), SIGNER, base_url=BASE_URL, now=now)


def test_a_new_reader_is_welcomed_once(database: Database, room: Newsroom) -> None:
    """The mail says when the next issue comes and has the reader's own links."""
    subscription_id = joined(database, room)
    provider = MemoryProvider()
    assert send(database, provider) == 1
    assert send(database, provider, minutes=2) == 0
    [mail] = provider.sent
    assert (mail.address, mail.subject) == ("ann@example.org", "Welcome to Fen Weekly")
    text = " ".join(mail.text.split())
    assert "Fen Weekly comes every Saturday at 07:00. The next issue is due on 21 November." in text
    assert f"{BASE_URL}/u/{SIGNER.sign(Purpose.UNSUBSCRIBE, subscription_id)}" in mail.text
    assert f"{BASE_URL}/p/{SIGNER.sign(Purpose.PREFERENCES, subscription_id)}" in mail.html
    assert "latest" not in text
    assert ("Auto-Submitted", "auto-generated") in mail.headers


def test_the_welcome_leads_to_the_latest_issue_that_went_out(database: Database, room: Newsroom) -> None:
    with database.transaction() as session:
        for number, state in ((1, IssueState.SENT), (2, IssueState.SENT), (3, IssueState.APPROVED)):
            sent_at = NOW - timedelta(weeks=5 - number)
            issue = Issue(
                edition_id=room.edition_id,
                week=f"2026-W4{number}",
                number=number,
                state=state,
                send_at=sent_at,
                drafted_at=sent_at,
                approved_at=sent_at,
                content_hash="x",
                subject=f"Issue number {number}",
            )
            session.add(issue)
    joined(database, room)
    provider = MemoryProvider()
    assert send(database, provider) == 1
    assert f"{BASE_URL}/issues/fen-weekly/2" in provider.sent[0].text
    assert "“Issue number 2”" in " ".join(provider.sent[0].text.split())


def test_who_left_on_the_page_is_told_so_once_and_not_welcomed_any_more(database: Database, room: Newsroom) -> None:
    """A welcome that waits is not sent to somebody who has left meanwhile."""
    left(database, joined(database, room))
    provider = MemoryProvider()
    assert send(database, provider, minutes=2) == 1
    assert [mail.subject for mail in provider.sent] == ["You have left Fen Weekly"]
    assert f"{BASE_URL}/editions/fen-weekly" in provider.sent[0].text
    assert send(database, provider, minutes=3) == 0


def test_who_came_back_meanwhile_gets_no_goodbye(database: Database, room: Newsroom) -> None:
    subscription_id = joined(database, room)
    left(database, subscription_id)
    with database.transaction() as session:
        row = session.get_one(Subscription, subscription_id)
        row.state, row.changed_at = SubscriptionState.CONFIRMED, NOW + 2 * MINUTE
    assert send(database, MemoryProvider(), minutes=3) == 0


def test_an_edition_can_do_without_letters(database: Database, room: Newsroom) -> None:
    with database.transaction() as session:
        edition = session.get_one(Edition, room.edition_id)
        edition.welcome = edition.goodbye = False
    left(database, joined(database, room))
    with database.reading() as session:
        assert session.exec(select(Letter)).all() == []


def test_a_suppressed_address_gets_no_letter(database: Database, room: Newsroom) -> None:
    joined(database, room)
    with database.transaction() as session:
        suppress(session, "ann@example.org", SuppressionReason.COMPLAINT, "", NOW)
    assert send(database, MemoryProvider()) == 0


def test_a_letter_owed_twice_is_one_letter(database: Database, room: Newsroom) -> None:
    subscription_id = joined(database, room)
    with database.transaction() as session:
        owe_welcome(session, subscription_id)
    provider = MemoryProvider()
    assert send(database, provider) == 1
    assert len(provider.sent) == 1


def test_a_letter_that_has_waited_for_a_day_is_out_of_place(database: Database, room: Newsroom) -> None:
    joined(database, room)
    assert send(database, MemoryProvider(), minutes=24 * 60 + 1) == 0


@pytest.mark.parametrize("status", [Status.DEFERRED, Status.REFUSED])
def test_what_a_server_puts_off_is_tried_again_later(database: Database, room: Newsroom, status: Status) -> None:
    joined(database, room)
    provider = MemoryProvider()
    provider.script("ann@example.org", status)
    assert [send(database, provider, minutes=minute) for minute in (1, 2, 5, 7)] == [0, 0, 0, 1]
    assert len(provider.calls) == 2


def test_what_may_have_been_sent_is_not_sent_again(database: Database, room: Newsroom) -> None:
    """F3: nobody knows whether it arrived, so it stays as it is."""
    joined(database, room)
    provider = MemoryProvider()
    provider.script("ann@example.org", Status.UNCERTAIN)
    assert [send(database, provider, minutes=minute) for minute in (1, 10, 100)] == [0, 0, 0]
    assert len(provider.calls) == 1


def test_a_provider_that_refuses_everything_costs_nobody_their_letter(database: Database, room: Newsroom) -> None:
    class Refusing(MemoryProvider):
        def send(self, mail: object, recipients: object) -> list[object]:  # type: ignore[override]
            raise ProviderRefused("sendgrid", "the key is wrong")

    joined(database, room)
    with pytest.raises(ProviderRefused):
        send(database, Refusing())
    unreachable = MemoryProvider()
    unreachable.script("ann@example.org", Scripted(Status.NOT_TRIED, "out of reach"))
    assert send(database, unreachable, minutes=2) == 0
    assert send(database, MemoryProvider(), minutes=3) == 1
