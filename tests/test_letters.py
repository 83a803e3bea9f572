"""Letters: a reader who has joined is welcomed once, and who has left on the page is told so where the edition wants it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import pytest
from sqlmodel import select

from newsletter.db import Database
from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.letters import owe_goodbye, owe_welcome, send_letters
from newsletter.mail import Status
from newsletter.models import Edition, Issue, IssueState
from newsletter.render import Renderer
from newsletter.testing import MemoryProvider, Scripted
from subscribers import consent
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.hashes import KeyedHash
from subscribers.letters import APART
from subscribers.models import Letter, Subscriber, Subscription, SubscriptionState, SuppressionReason
from subscribers.suppression import suppress
from subscribers.tokens import Purpose, Signer
from tests.builders import NOW, Newsroom, newsroom, reader
from tests.hooked import HookedProvider
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


def switch(db: Database, room: Newsroom, **flags: bool) -> None:
    with db.transaction() as session:
        edition = session.get_one(Edition, room.edition_id)
        for name, value in flags.items():
            setattr(edition, name, value)


def send(
    db: Database, provider: MemoryProvider, *, minutes: float = 1, templates: Path | None = None, limit: int = 100
) -> int:
    now = NOW + timedelta(minutes=minutes)
    return send_letters(db, provider, Renderer(templates), SIGNER, base_url=BASE_URL, now=now, limit=limit)


def broken_template(folder: Path, name: str) -> Path:
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("{{ nope }}")
    return folder / name


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


def test_a_welcome_can_be_left_in_one_click_and_a_goodbye_has_nothing_to_leave(
    database: Database, room: Newsroom
) -> None:
    """R43; RFC 2369, 2919, 8058: with the reader's own token."""
    subscription_id = joined(database, room)
    provider = MemoryProvider()
    send(database, provider)
    left(database, subscription_id)
    send(database, provider, minutes=2)
    welcome, goodbye = (dict(mail.headers) for mail in provider.sent)
    token = SIGNER.sign(Purpose.UNSUBSCRIBE, subscription_id)
    by_mail = f"mailto:weekly@fen.example?subject=unsubscribe%20{token}"
    assert welcome["List-Unsubscribe"] == f"<{BASE_URL}/u/{token}>, <{by_mail}>"
    assert welcome["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert welcome["List-Id"] == "<fen-weekly.lists.fen.example>"
    assert goodbye.keys() == {"Message-ID", "Auto-Submitted"} <= welcome.keys()


def test_a_letter_names_nobody(database: Database, room: Newsroom) -> None:
    """Threat 11: whoever typed the address may have typed the name, and the reader has not seen it yet."""
    with database.transaction() as session:
        row = reader(session, room, "ann@example.org", name="Cheap pills at https://pills.example")
        row.changed_at = NOW
        session.flush()
        owe_welcome(session, row.id)
    provider = MemoryProvider()
    assert send(database, provider) == 1
    assert provider.sent[0].name == ""
    assert "pills" not in f"{provider.sent[0]}"


def test_a_forwarded_link_brings_its_reader_at_most_two_mails_a_week(database: Database, room: Newsroom) -> None:
    """Whoever holds the link to the preferences can join and leave again and again."""
    subscription_id = joined(database, room)
    provider = MemoryProvider()

    def come_and_go(minutes: int) -> None:
        for at, change in ((minutes, "leave"), (minutes + 2, "join")):
            now = NOW + timedelta(minutes=at)
            with database.transaction() as session:
                if change == "leave":
                    assert consent.leave(session, subscription_id=subscription_id, now=now, source="page")
                    owe_goodbye(session, subscription_id)
                else:
                    fields = {"subscriber_id": 1, "list_id": room.list_id, "now": now}
                    assert consent.join(session, **fields, source="page", wording="yes")  # type: ignore[arg-type]
                    owe_welcome(session, subscription_id)
            send(database, provider, minutes=at + 1)

    send(database, provider)
    for minutes in range(10, 60, 10):
        come_and_go(minutes)
    assert [mail.subject for mail in provider.sent] == ["Welcome to Fen Weekly", "You have left Fen Weekly"]
    come_and_go(APART // MINUTE + 12)
    assert len(provider.sent) == 4


def test_a_welcome_that_was_overtaken_does_not_cost_the_next_one(database: Database, room: Newsroom) -> None:
    """Only what was sent counts: who left before the welcome came, and is back, is welcomed."""
    subscription_id = joined(database, room)
    left(database, subscription_id)
    with database.transaction() as session:
        row = session.get_one(Subscription, subscription_id)
        row.state, row.changed_at = SubscriptionState.CONFIRMED, NOW + 2 * MINUTE
        session.flush()
        owe_welcome(session, subscription_id)
    provider = MemoryProvider()
    assert send(database, provider, minutes=3) == 1
    assert provider.sent[0].subject == "Welcome to Fen Weekly"


def test_who_drops_a_request_gets_no_goodbye(database: Database, room: Newsroom) -> None:
    """Nothing but the confirmation is sent to somebody who never confirmed."""
    with database.transaction() as session:
        consent.request(
            session,
            {room.list_id: "yes"},
            address=parse_address("ann@example.org"),
            evidence=Evidence(NOW, "page", "yes", ""),
            hashes=KeyedHash([SECRET]),
            may_mail=lambda: True,
        )
    left(database, 1)
    assert send(database, MemoryProvider(), minutes=2) == 0


@pytest.mark.parametrize("flags", [{"welcome": False}, {"enabled": False}], ids=["switched off", "edition disabled"])
def test_a_letter_that_its_edition_does_not_send_any_more_is_dropped(
    database: Database, room: Newsroom, caplog: pytest.LogCaptureFixture, flags: dict[str, bool]
) -> None:
    joined(database, room)
    switch(database, room, **flags)
    provider = MemoryProvider()
    assert send(database, provider) == 0
    assert "subscription 1 gets no welcome mail: its list has no edition that sends one" in caplog.text
    switch(database, room, welcome=True, enabled=True)
    assert send(database, provider, minutes=2) == 0
    assert provider.calls == []


def test_switching_off_holds_for_the_letters_of_a_call_under_way(database: Database, room: Newsroom) -> None:
    joined(database, room)
    joined(database, room, "bob@example.org")
    provider = HookedProvider(lambda: switch(database, room, welcome=False))
    assert send(database, provider) == 1
    assert [mail.address for mail in provider.sent] == ["ann@example.org"]


def test_a_goodbye_goes_out_where_only_the_welcome_is_switched_off(database: Database, room: Newsroom) -> None:
    left(database, joined(database, room))
    switch(database, room, welcome=False)
    assert send(database, MemoryProvider(), minutes=2) == 1


def test_a_list_without_an_edition_does_not_hold_up_the_rest(
    database: Database, room: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    joined(database, room)
    with database.transaction() as session:
        ely = newsroom(session, "ely")
        session.get_one(Edition, room.edition_id).list_id = ely.list_id
    joined(database, ely, "new@example.org")
    provider = MemoryProvider()
    assert [send(database, provider, minutes=minute, limit=1) for minute in (1, 2)] == [1, 0]
    assert [mail.address for mail in provider.sent] == ["new@example.org"]
    assert caplog.text.count("subscription 1 gets no welcome mail") == 1
    assert "example.org" not in caplog.text


def test_a_broken_template_keeps_nothing_else_waiting(database: Database, room: Newsroom, tmp_path: Path) -> None:
    """Neither another edition's letters, where its own would fill the call, nor its own of the other kind."""
    joined(database, room)
    joined(database, room, "bob@example.org")
    left(database, joined(database, room, "cem@example.org"))
    with database.transaction() as session:
        ely = newsroom(session, "ely")
    joined(database, ely, "dee@example.org")
    broken = broken_template(tmp_path, "editions/fen-weekly/welcome/body.txt")
    provider = MemoryProvider()
    for minute in (2, 3):
        with pytest.raises(ConfigurationError, match="The welcome mail of fen-weekly cannot be made: .*'nope'"):
            send(database, provider, minutes=minute, templates=tmp_path, limit=1)
    assert {mail.address for mail in provider.sent} == {"cem@example.org", "dee@example.org"}
    broken.unlink()
    assert send(database, provider, minutes=4, templates=tmp_path) == 2


def test_what_nobody_foresaw_about_one_edition_keeps_no_other_waiting(sqlite_database: Database) -> None:
    """Not only errors that are meant for users: the schedule logs what is raised in the end."""
    with sqlite_database.transaction() as session:
        fen, ely = newsroom(session, time_zone="Fens/Ely"), newsroom(session, "ely")
    joined(sqlite_database, fen)
    joined(sqlite_database, ely, "bob@example.org")
    provider = MemoryProvider()
    with pytest.raises(ZoneInfoNotFoundError, match="Fens/Ely"):
        send(sqlite_database, provider)
    assert [mail.address for mail in provider.sent] == ["bob@example.org"]


def test_a_crash_while_sending_never_mails_twice(database: Database, room: Newsroom) -> None:
    def crash() -> None:
        raise KeyboardInterrupt

    joined(database, room)
    with pytest.raises(KeyboardInterrupt):
        send(database, HookedProvider(crash))
    assert send(database, MemoryProvider(), minutes=2) == 0


def test_two_schedulers_send_a_letter_once(database: Database, room: Newsroom) -> None:
    joined(database, room)
    other = MemoryProvider()
    provider = HookedProvider(lambda: send(database, other))
    assert send(database, provider) == 1
    assert other.calls == []


def test_a_letter_comes_in_the_language_and_form_that_its_reader_chose(database: Database, room: Newsroom) -> None:
    """U7: and the newsletter's own line below its name, which is in the newsletter's language, stays out then."""
    subscription_id = joined(database, room)
    with database.transaction() as session:
        person = session.get_one(Subscriber, session.get_one(Subscription, subscription_id).subscriber_id)
        person.language, person.text_only = "de", True
        edition = session.get_one(Edition, room.edition_id)
        edition.tagline = "The news from the fens"
    provider = MemoryProvider()
    assert send(database, provider) == 1
    [mail] = provider.sent
    assert mail.subject == "Willkommen bei Fen Weekly"
    assert mail.html == ""
    assert "fens" not in mail.text
