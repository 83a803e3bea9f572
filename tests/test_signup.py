"""Signing up: what is taken down, and a confirmation mail that is sent once."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from newsletter.db import Database
from newsletter.errors import ConfigurationError, ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status
from newsletter.models import Edition
from newsletter.owed import Owed, Unmade, send_each, without_address
from newsletter.providers import Provider
from newsletter.render import Language, Renderer
from newsletter.signup import consent_wording, frequency, send_confirmations, zone_in_words
from newsletter.signup.asking import Asked, ask
from newsletter.signup.words import day_in_words
from newsletter.testing import MemoryProvider, Scripted
from newsletter.wording import Wordings
from subscribers import consent
from subscribers.addresses import parse_address
from subscribers.consent import Requested
from subscribers.hashes import KeyedHash
from subscribers.models import (
    Consent,
    ConsentAction,
    Subscriber,
    Subscription,
    SubscriptionState,
    SuppressionReason,
)
from subscribers.suppression import suppress
from subscribers.tokens import Signer
from tests.builders import NOW, Newsroom, edition_fields, newsroom, reader
from tests.hooked import HookedProvider
from tests.sites import BASE_URL, SECRET, link_in

SIGNER = Signer([SECRET])
HASHES = KeyedHash([SECRET])
ENGLISH = Wordings().of("en")
#: When an address may be mailed again; it is counted in parts of 24 minutes.
NEXT_DAY = NOW + timedelta(days=1, minutes=24)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def room(database: Database) -> Newsroom:
    with database.transaction() as session:
        return newsroom(session)


def edition(**changes: object) -> Edition:
    fields: dict[str, Any] = edition_fields("fen-weekly", 1) | changes
    return Edition(**fields)


def asked(db: Database, room: Newsroom, address: str, now: datetime = NOW, **answers: str) -> Requested:
    with db.transaction() as session:
        edition = session.get_one(Edition, room.edition_id)
        wordings = {edition.slug: consent_wording(edition, ENGLISH)}
        said = Asked(parse_address(address), wordings, f"{BASE_URL}/editions/fen-weekly", "203.0.113.77", answers)
        return ask(session, said, hashes=HASHES, now=now)[room.list_id]


def send(db: Database, provider: Provider, *, now: datetime = NOW, limit: int = 100) -> int:
    return send_confirmations(db, provider, Renderer(), SIGNER, base_url=BASE_URL, now=now, limit=limit)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "weekly, on Saturdays at 07:00 (Berlin time)"),
        ({"send_weekday": 0, "send_hour_minute": "18:30"}, "weekly, on Mondays at 18:30 (Berlin time)"),
        ({"send_weekday": 6, "time_zone": "UTC"}, "weekly, on Sundays at 07:00 (UTC)"),
    ],
)
def test_frequency_is_told_in_words(changes: dict[str, object], expected: str) -> None:
    """U2: "weekly, Saturdays"."""
    assert frequency(edition(**changes), ENGLISH) == expected


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Europe/Kyiv", "Kyiv time"),
        ("America/New_York", "New York time"),
        ("America/Argentina/Buenos_Aires", "Buenos Aires time"),
        ("Etc/UTC", "UTC"),
    ],
)
def test_time_zones_in_words(zone: str, words: str) -> None:
    assert zone_in_words(zone, ENGLISH) == words


def test_time_zones_have_the_names_that_places_have_in_the_language() -> None:
    told = {tag: zone_in_words("Europe/Kyiv", Wordings().of(tag)) for tag in ("de", "uk")}
    assert "Kiew" in told["de"]
    assert "Київ" in told["uk"]


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("en", "Saturday, 28 November"),
        ("de", "Samstag, 28. November"),
        ("es", "sábado, 28 de noviembre"),
        ("hu", "november 28., szombat"),
        ("ja", "11月28日土曜日"),
        ("ko", "11월 28일 토요일"),
        ("lt", "lapkričio 28 d., šeštadienis"),
        ("lv", "sestdiena, 28. novembris"),
        ("ru", "суббота, 28 ноября"),
        ("uk", "субота, 28 листопада"),
    ],
)
def test_a_near_day_is_written_as_its_language_does_without_the_year(tag: str, words: str) -> None:
    assert day_in_words(date(2026, 11, 28), Language.of(tag)) == words


def test_what_is_asked_is_taken_down_with_its_evidence(database: Database, room: Newsroom) -> None:
    """GDPR 7(1); of the client's address only the network is kept."""
    assert asked(database, room, "Ann@Example.org") is Requested.NEW
    with database.reading() as session:
        row = session.get_one(Subscription, 1)
        evidence = session.get_one(Consent, 1)
        person = session.get_one(Subscriber, row.subscriber_id)
        shown = consent_wording(session.get_one(Edition, room.edition_id), ENGLISH)
    assert (row.state, row.confirmation_sent_at) == (SubscriptionState.PENDING, None)
    assert person.address_key == "ann@example.org"
    assert (evidence.action, evidence.at) == (ConsentAction.REQUESTED, NOW)
    assert evidence.source == f"{BASE_URL}/editions/fen-weekly"
    assert evidence.network == "203.0.113.0/24"
    assert evidence.wording == shown
    assert "Fen Weekly" in shown
    assert "weekly, on Saturdays at 07:00 (Berlin time)" in shown


def test_the_confirmation_mail_is_in_the_language_chosen_on_the_form(database: Database, room: Newsroom) -> None:
    """The one mail that a new reader must act on is one they can read; the language is one of a list, nothing typed."""
    provider = MemoryProvider()
    asked(database, room, "ann@example.org", language="de")
    asked(database, room, "bob@example.org")
    assert send(database, provider) == 2
    assert ["Bitte bestätigen" in mail.subject for mail in provider.sent] == [True, False]


def test_the_confirmation_mail(database: Database, room: Newsroom) -> None:
    """U3; RFC 3834: automatic mail says so. A confirmation is no list mail: no List-* header, no unsubscribe link."""
    asked(database, room, "ann@example.org")
    provider = MemoryProvider()
    assert send(database, provider) == 1
    [mail] = provider.sent
    headers = dict(mail.headers)
    assert headers.keys() == {"Message-ID", "Auto-Submitted"}
    assert headers["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<[0-9a-f]{32}@fen\.example>", headers["Message-ID"])
    assert (mail.address, mail.name) == ("ann@example.org", "")
    link = link_in(mail, "c")
    assert link.startswith(f"{BASE_URL}/c/")
    assert link in mail.html
    assert "/u/" not in mail.text
    subscription_id, requested_at = SIGNER.read_confirm(link.rpartition("/")[2], NOW)
    assert (subscription_id, requested_at) == (1, NOW.replace(microsecond=0))


def test_a_stranger_cannot_put_words_into_it(database: Database, room: Newsroom) -> None:
    """Threat 11, listmonk #1133: spam in the name field reached 3,000 people in confirmation mails."""
    asked(database, room, "ann@example.org", name="Cheap pills at https://pills.example")
    provider = MemoryProvider()
    send(database, provider)
    [mail] = provider.sent
    assert "pills" not in f"{mail}"


def test_it_is_sent_once(database: Database, room: Newsroom) -> None:
    asked(database, room, "ann@example.org")
    provider = MemoryProvider()
    assert [send(database, provider), send(database, provider)] == [1, 0]
    assert len(provider.sent) == 1


def test_a_limit_leaves_the_rest_for_the_next_call(database: Database, room: Newsroom) -> None:
    for number in range(3):
        asked(database, room, f"r{number}@example.org", NOW + number * MINUTE)
    provider = MemoryProvider()
    assert send(database, provider, limit=2) == 2
    assert [mail.address for mail in provider.sent] == ["r0@example.org", "r1@example.org"]
    assert send(database, provider, limit=2) == 1


@pytest.mark.parametrize("status", [Status.DEFERRED, Status.REFUSED])
def test_what_is_put_off_is_tried_later_with_the_same_message_id(
    database: Database, room: Newsroom, status: Status
) -> None:
    """RFC 7352: a receiver that got both can tell that they are one. A relay that denies us may be mended meanwhile."""
    asked(database, room, "ann@example.org")
    provider = MemoryProvider()
    provider.script("ann@example.org", Scripted(status, "554 5.7.1 Relay access denied"))
    assert send(database, provider) == 0
    assert send(database, provider, now=NOW + 4 * MINUTE) == 0
    assert len(provider.calls) == 1
    assert send(database, provider, now=NOW + 5 * MINUTE) == 1
    assert provider.calls[0] == provider.calls[1]


def test_who_is_put_off_holds_up_nobody_else(database: Database, room: Newsroom) -> None:
    """A hundred sign-ups at a domain that answers 450 are not to fill every call."""
    provider = MemoryProvider()
    for number in range(4):
        asked(database, room, f"r{number}@slow.example")
        provider.script(f"r{number}@slow.example", *[Status.DEFERRED] * 9)
    assert send(database, provider, limit=4) == 0
    asked(database, room, "ann@example.org", NOW + MINUTE)
    assert send(database, provider, now=NOW + MINUTE, limit=4) == 1
    asked(database, room, "bob@example.org", NOW + 6 * MINUTE)
    assert send(database, provider, now=NOW + 6 * MINUTE, limit=4) == 1
    assert [mail.address for mail in provider.sent] == ["ann@example.org", "bob@example.org"]


@pytest.mark.parametrize("status", [Status.DEFERRED, Status.REFUSED])
def test_after_five_tries_a_mail_is_given_up_and_logged_without_the_address(
    database: Database, room: Newsroom, caplog: pytest.LogCaptureFixture, status: Status
) -> None:
    asked(database, room, "Ann@example.org")
    provider = MemoryProvider()
    provider.script("Ann@example.org", *[Scripted(status, "450 <ann@example.org>: not now")] * 9)
    for minute in range(0, 600, 5):
        assert send(database, provider, now=NOW + minute * MINUTE) == 0
    assert len(provider.calls) == 5
    last = caplog.records[-1]
    assert last.levelname == "WARNING"
    assert last.getMessage() == (
        f"confirmation mail for subscription 1: {status} (450 <(address)>: not now); given up until they ask again"
    )
    assert sum("given up" in record.getMessage() for record in caplog.records) == 1
    assert "example.org" not in caplog.text
    later = NEXT_DAY
    assert asked(database, room, "ann@example.org", later) is Requested.REPEATED
    assert send(database, MemoryProvider(), now=later) == 1


def test_when_the_provider_is_out_of_reach_the_call_ends_and_costs_no_try(database: Database, room: Newsroom) -> None:
    for number in range(3):
        asked(database, room, f"r{number}@example.org")
    provider = MemoryProvider()
    for _ in range(7):
        provider.script("r0@example.org", Scripted(Status.NOT_TRIED, "could not be reached"))
    assert [send(database, provider) for _ in range(7)] == [0] * 7
    assert len(provider.calls) == 7
    with database.reading() as session:
        row = session.get_one(Subscription, 1)
        assert (row.confirmation_sent_at, row.confirmation_tries, row.confirmation_not_before) == (None, 0, None)
    assert send(database, provider) == 3


@pytest.mark.parametrize("status", [Status.REJECTED, Status.UNCERTAIN])
def test_what_may_have_arrived_or_never_will_is_not_tried_again(
    database: Database, room: Newsroom, status: Status
) -> None:
    asked(database, room, "ann@example.org")
    provider = MemoryProvider()
    provider.script("ann@example.org", Scripted(status, arrives=status is Status.UNCERTAIN))
    assert [send(database, provider), send(database, provider)] == [0, 0]
    assert len(provider.calls) == 1


def test_a_refusal_keeps_everything_waiting(database: Database, room: Newsroom) -> None:
    for number in range(3):
        asked(database, room, f"r{number}@example.org")
    provider = MemoryProvider()
    provider.refusal = "the key is wrong"
    with pytest.raises(ProviderRefused, match="the key is wrong"):
        send(database, provider)
    assert len(provider.calls) == 1
    provider.refusal = ""
    assert send(database, provider) == 3


def test_a_crash_while_sending_never_mails_twice(database: Database, room: Newsroom) -> None:
    def crash() -> None:
        raise KeyboardInterrupt

    asked(database, room, "ann@example.org")
    with pytest.raises(KeyboardInterrupt):
        send(database, HookedProvider(crash))
    provider = MemoryProvider()
    assert send(database, provider) == 0
    later = NEXT_DAY
    assert asked(database, room, "ann@example.org", later) is Requested.REPEATED
    assert send(database, provider, now=later) == 1


def test_several_workers_send_each_mail_once(database: Database, room: Newsroom) -> None:
    """`newsletter run` and the web's own sending may meet, and so may several machines."""
    for number in range(12):
        asked(database, room, f"r{number}@example.org")
    provider = MemoryProvider()
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(send(database, provider))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 12
    assert sorted(mail.address for mail in provider.sent) == sorted(f"r{number}@example.org" for number in range(12))


def test_somebody_suppressed_or_gone_meanwhile_gets_none(database: Database, room: Newsroom) -> None:
    for number in range(3):
        asked(database, room, f"r{number}@example.org", NOW + number * MINUTE)

    def meanwhile() -> None:
        with database.transaction() as session:
            suppress(session, "r1@example.org", SuppressionReason.MANUAL, "", NOW)
            consent.leave(session, subscription_id=3, now=NOW, source="test")

    provider = HookedProvider(meanwhile)
    assert send(database, provider) == 1
    assert [mail.address for mail in provider.sent] == ["r0@example.org"]


def test_who_asks_again_meanwhile_gets_the_new_link_only(database: Database, room: Newsroom) -> None:
    asked(database, room, "r0@example.org")
    asked(database, room, "r1@example.org")
    later = NEXT_DAY
    provider = HookedProvider(lambda: asked(database, room, "r1@example.org", later))
    assert send(database, provider, now=later) == 1
    assert send(database, provider, now=later) == 1
    link = link_in(provider.sent[1], "c")
    assert SIGNER.read_confirm(link.rpartition("/")[2], later) == (2, later)


@pytest.mark.parametrize(
    ("first_enabled", "expected"),
    [(True, "Fen Weekly"), (False, "Ely Weekly")],
    ids=["the first", "the first that is enabled"],
)
def test_the_mail_looks_like_the_lists_first_enabled_edition(
    database: Database, room: Newsroom, first_enabled: bool, expected: str
) -> None:
    asked(database, room, "ann@example.org")
    with database.transaction() as session:
        session.get_one(Edition, room.edition_id).enabled = first_enabled
        newsroom(session, "ely", name="Ely Weekly", list_id=room.list_id)
    provider = MemoryProvider()
    send(database, provider)
    [mail] = provider.sent
    assert expected in mail.subject


def test_a_request_is_still_answered_when_its_edition_was_closed(database: Database, room: Newsroom) -> None:
    asked(database, room, "ann@example.org")
    with database.transaction() as session:
        session.get_one(Edition, room.edition_id).enabled = False
    assert send(database, MemoryProvider()) == 1


def test_a_request_whose_link_would_have_expired_is_left_out(database: Database, room: Newsroom) -> None:
    asked(database, room, "old@example.org")
    later = NOW + timedelta(days=7, seconds=1)
    asked(database, room, "new@example.org", later)
    provider = MemoryProvider()
    assert send(database, provider, now=later, limit=1) == 1
    assert [mail.address for mail in provider.sent] == ["new@example.org"]


def test_a_list_without_an_edition_does_not_hold_up_the_rest(
    database: Database, room: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    asked(database, room, "old@example.org")
    with database.transaction() as session:
        ely = newsroom(session, "ely")
        session.get_one(Edition, room.edition_id).list_id = ely.list_id
    asked(database, ely, "new@example.org", NOW + MINUTE)
    provider = MemoryProvider()
    assert [send(database, provider, now=NOW + MINUTE, limit=1) for _ in range(2)] == [1, 0]
    assert [mail.address for mail in provider.sent] == ["new@example.org"]
    assert caplog.text.count("has no edition") == 1
    assert "subscription 1 gets no confirmation mail: its list has no edition" in caplog.text
    assert "example.org" not in caplog.text


def test_one_form_for_several_editions_takes_one_mail_that_names_them_all(database: Database, room: Newsroom) -> None:
    """Trust 2.1; threat 11: what was typed beside the address is in no part of it."""
    with database.transaction() as session:
        newsroom(session, "ely", name="Ely Weekly")
        rows = session.exec(select(Edition)).all()
        planted = {"language": "x-planted", "field:town": "https://planted.example"}
        said = Asked(parse_address("ann@example.org"), {row.slug: "" for row in rows}, BASE_URL, "", planted)
        assert set(ask(session, said, hashes=HASHES, now=NOW).values()) == {Requested.NEW}
    provider = MemoryProvider()
    assert send(database, provider) == 1
    [mail] = provider.sent
    assert mail.subject == "Please confirm: Ely Weekly and Fen Weekly"
    assert "asked for these newsletters to be sent to this address: Ely Weekly and Fen Weekly." in " ".join(
        mail.text.split()
    )
    assert "planted" not in f"{mail}"
    assert send(database, provider) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("550 <Ann@Example.org>: no", "550 <(address)>: no"),
        ("550 ann@example.org ann@example.org", "550 (address) (address)"),
        ("550 annxexample.org", "550 annxexample.org"),
        ("", ""),
    ],
)
def test_a_servers_words_are_logged_without_the_address(text: str, expected: str) -> None:
    assert without_address(text, "ann@example.org") == expected


def test_a_refused_sender_of_one_edition_does_not_keep_the_others_waiting(database: Database) -> None:
    class RefusesOne:
        chunk_size = 1

        def __init__(self) -> None:
            self.sent: list[str] = []

        def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
            if mail.sender.address == "bad@fen.example":
                raise ProviderRefused("smtp", "550 5.1.8 bad@fen.example is not yours")
            self.sent += [one.address for one in recipients]
            return [Outcome(one.delivery_id, Status.ACCEPTED) for one in recipients]

    with database.transaction() as session:
        bad = newsroom(session, "bad-weekly", sender_address="bad@fen.example")
        good = newsroom(session, "good-weekly")
        for made, name in ((bad, "first"), (bad, "second"), (good, "third")):
            reader(session, made, f"{name}@example.org", state=SubscriptionState.PENDING)
    provider, signer = RefusesOne(), Signer(["a secret that is long enough for the tests"])
    for _ in range(2):
        with pytest.raises(ProviderRefused, match="is not yours"):
            send_confirmations(database, provider, Renderer(None), signer, base_url="https://news.example.org", now=NOW)
    assert provider.sent == ["third@example.org"]


def waiting_for_two(db: Database) -> None:
    """Three readers wait for the mail of edition aa, and one, who came last, for that of bb."""
    with db.transaction() as session:
        aa, bb = newsroom(session, "aa"), newsroom(session, "bb")
    for number in range(3):
        asked(db, aa, f"a{number}@example.org", NOW + number * MINUTE)
    asked(db, bb, "b@example.org", NOW + 5 * MINUTE)


def test_a_broken_template_of_one_edition_keeps_no_other_waiting(sqlite_database: Database, tmp_path: Path) -> None:
    """Also where its mails would fill the call; they cost no try and go out when it was mended."""
    waiting_for_two(sqlite_database)
    broken = tmp_path / "editions" / "aa" / "confirm" / "body.txt"
    broken.parent.mkdir(parents=True)
    broken.write_text("{{ nope }}")
    provider, now = MemoryProvider(), NOW + 6 * MINUTE
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match="The confirmation mail of aa cannot be made: .*'nope' is undefined"
        ):
            send_confirmations(
                sqlite_database, provider, Renderer(tmp_path), SIGNER, base_url=BASE_URL, now=now, limit=1
            )
    assert [mail.address for mail in provider.sent] == ["b@example.org"]
    broken.unlink()
    assert send(sqlite_database, provider, now=now) == 3


def test_a_refused_sender_does_not_fill_the_call(sqlite_database: Database) -> None:
    waiting_for_two(sqlite_database)
    with sqlite_database.transaction() as session:
        session.get_one(Edition, 1).sender_address = "nobody"
    provider, now = MemoryProvider(), NOW + 6 * MINUTE
    with pytest.raises(ProviderRefused, match="'nobody' cannot be sent to"):
        send(sqlite_database, provider, now=now, limit=2)
    assert [mail.address for mail in provider.sent] == ["b@example.org"]


def test_of_several_errors_the_first_is_raised_and_the_others_are_logged(
    sqlite_database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    waiting_for_two(sqlite_database)
    broken = tmp_path / "confirm" / "body.txt"
    broken.parent.mkdir()
    broken.write_text("{{ nope }}")
    with pytest.raises(ConfigurationError, match="mail of aa"):
        send_confirmations(sqlite_database, MemoryProvider(), Renderer(tmp_path), SIGNER, base_url=BASE_URL, now=NOW)
    assert ["mail of bb" in record.getMessage() for record in caplog.records] == [True]


def test_what_cannot_be_made_for_an_edition_is_tried_once_a_call(sqlite_database: Database) -> None:
    """A thousand mails that wait for a template to be mended would take the call minutes."""
    made: list[str] = []

    def make() -> Owed:
        made.append("aa")
        raise ConfigurationError("wrong")

    waiting = [Unmade("aa", "confirmation", make)] * 3
    with pytest.raises(ConfigurationError, match="The confirmation mail of aa cannot be made: wrong"):
        send_each(sqlite_database, MemoryProvider(), waiting, limit=9)
    assert made == ["aa"]
