"""What needs the proof of an inbox: a new address, and one's own data; each by a mail with a link (U7, threats 12, 16)."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import StringIO

import pytest
from lxml import html as lxml_html
from sqlmodel import col, select

from newsletter import delivery, letters, privacy
from newsletter.db import Database
from newsletter.delivery import Post
from newsletter.mail import Status
from newsletter.models import Edition
from newsletter.render import Renderer
from newsletter.signup.door import Rules, count_mail_wish
from subscribers import requests
from subscribers.addresses import parse_address
from subscribers.consent import Evidence, history, join, subscriptions_of
from subscribers.hashes import KeyedHash
from subscribers.models import (
    ConsentAction,
    ReaderRequest,
    RequestKind,
    Subscriber,
    Subscription,
    SubscriptionState,
    SuppressionReason,
)
from subscribers.moving import CAME_OVER, CHANGED, CHANGED_BACK, GONE_OVER, move
from subscribers.requests import Link
from subscribers.suppression import find, find_known, is_barred, suppress
from subscribers.tokens import BACK_WITHIN, Purpose
from subscribers.transfer import Options, import_csv
from tests import builders
from tests.builders import NOW
from tests.databases import sqlite_database
from tests.hooked import HookedProvider
from tests.sites import BASE_URL, TestSite, buttons, link_in, make_site, press, words
from tests.waiting import AT, BASE, NAME, SIGNER, approved

__all__ = ["sqlite_database"]

PENDING, CONFIRMED, LEFT = SubscriptionState.PENDING, SubscriptionState.CONFIRMED, SubscriptionState.LEFT
DAY = timedelta(days=1)
OLD, NEW = "ann@example.org", "ann.new@example.net"


@pytest.fixture
def site(sqlite_database: Database) -> TestSite:
    return make_site(sqlite_database)


@pytest.fixture
def either_site(database: Database) -> TestSite:
    """The pages over SQLite and over PostgreSQL, for what the database may answer differently."""
    return make_site(database)


def ask(site: TestSite, subscription_id: int, address: str = NEW) -> str:
    """Type a new address on the preferences page; return the page that follows."""
    fields = {"what": "address", "address": address}
    return site.client.post(site.preferences_path(subscription_id), data=fields, follow_redirects=True).text


def asked(site: TestSite, subscription_id: int, address: str = NEW) -> str:
    """Type a new address; return the path of the link in the mail that goes there."""
    ask(site, subscription_id, address)
    assert site.provider.sent[-1].address == address
    return link_in(site.provider.sent[-1], "a").removeprefix(BASE_URL)


def data_link(site: TestSite, subscription_id: int) -> str:
    """Ask for the link to one's data; return its path."""
    site.client.post(site.preferences_path(subscription_id), data={"what": "data"})
    assert site.provider.sent[-1].address == OLD
    return link_in(site.provider.sent[-1], "d").removeprefix(BASE_URL)


def address_of(site: TestSite, subscription_id: int) -> str:
    with site.db.reading() as session:
        row = session.get_one(Subscription, subscription_id)
        return session.get_one(Subscriber, row.subscriber_id).address


# --- a new address


def test_a_new_address_is_confirmed_there_and_the_old_one_is_told(either_site: TestSite) -> None:
    """U7: nothing changes before the button behind the link is pressed; then the old address gets its last mail."""
    site = either_site
    subscription_id = site.reader(OLD)
    page = ask(site, subscription_id)
    assert "If we may write to that address, a mail with a link is on its way to it." in words(page)
    [mail] = site.provider.sent
    assert (mail.address, mail.subject) == (NEW, "Please confirm your new address: Fen Weekly")
    assert ("Auto-Submitted", "auto-generated") in mail.headers
    assert OLD not in mail.html + mail.text
    path = link_in(mail, "a").removeprefix(BASE_URL)
    before = site.dump()
    page = site.client.get(path).text
    assert "we write to a•••@example.net from now on, and no longer to a•••@example.org" in words(page)
    assert site.dump() == before
    page = press(site, page, "Yes, write to me there")
    assert "From now on we write to your new address." in words(page)
    assert address_of(site, subscription_id) == NEW
    told = site.provider.sent[-1]
    assert (told.address, told.subject) == (OLD, "Your address for Fen Weekly was changed")
    assert NEW not in told.html + told.text
    assert "desk@fen.example" in told.text
    [row] = site.consents()
    assert (row.action, row.list_id, row.wording) == (ConsentAction.CHANGED, None, CHANGED)
    assert (row.source, row.network) == (f"{BASE_URL}/a", "203.0.113.0/24")


def test_the_link_works_once(either_site: TestSite) -> None:
    """Threat 16: pressed again it says how things stand, and is no way back to an address of before."""
    site = either_site
    subscription_id = site.reader(OLD)
    path = asked(site, subscription_id)
    first = site.client.post(path)
    before, mails = site.dump(), len(site.provider.sent)
    for answer in (site.client.post(path), site.client.get(path)):
        assert (answer.status_code, answer.text) == (200, first.text)
    assert site.dump() == before
    assert len(site.provider.sent) == mails
    third = asked(site, subscription_id, "ann.third@example.net")
    site.client.post(third)
    site.client.post(path)
    assert address_of(site, subscription_id) == "ann.third@example.net"


def test_of_two_at_once_one_changes_the_address(database: Database) -> None:
    site = make_site(database)
    path = asked(site, site.reader(OLD))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: site.client.post(path).status_code, range(4)))
    assert answers == [200] * 4
    assert len(site.consents()) == 1
    assert [mail.address for mail in site.provider.sent] == [NEW, OLD]


@pytest.mark.parametrize(("days", "works"), [(6.9, True), (7.1, False)])
def test_the_link_works_for_seven_days(site: TestSite, days: float, works: bool) -> None:
    subscription_id = site.reader(OLD)
    path = asked(site, subscription_id)
    site.clock.now += days * DAY
    before = site.dump()
    looked, acted = site.client.get(path), site.client.post(path)
    assert (looked.status_code, acted.status_code) == ((200, 200) if works else (410, 410))
    assert address_of(site, subscription_id) == (NEW if works else OLD)
    if not works:
        assert site.dump() == before
        assert "This link is no longer valid" in words(acted.text)


def test_a_slip_is_put_right_by_asking_again(site: TestSite) -> None:
    """The link that went to a stranger works no more."""
    subscription_id = site.reader(OLD)
    stranger = asked(site, subscription_id, "anna@example.com")
    right = asked(site, subscription_id)
    assert site.client.post(stranger).status_code == 410
    assert site.client.post(right).status_code == 200
    assert address_of(site, subscription_id) == NEW


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "it is empty"),
        ("ann", "no @-sign"),
        ("ann@example.org, ben@example.org", "it has a space in it"),
        ("änn@example.org", "letters other than a to z"),
    ],
)
def test_what_is_no_address_is_told_at_its_field(site: TestSite, typed: str, said: str) -> None:
    """U1: the same reasons as on the sign-up form, tied to the field, and what was typed is still there."""
    path = site.preferences_path(site.reader(OLD))
    before = site.dump()
    answer = site.client.post(path, data={"what": "address", "address": typed})
    assert answer.status_code == 422
    page = lxml_html.fromstring(answer.text)
    [field] = page.xpath("//input[@name='address']")
    assert field.get("aria-invalid") == "true"
    assert field.get("value") == typed
    [problem] = page.xpath("//*[@role='alert']")
    assert problem.get("id") in field.get("aria-describedby").split()
    assert said in problem.text_content()
    assert site.dump() == before


def test_every_address_gets_the_same_answer(site: TestSite) -> None:
    """Threat 12: new, known, unconfirmed, gone, never written to, once erased, or the reader's own."""
    reader = site.reader(OLD)
    site.reader("known@example.net")
    site.reader("pending@example.net", PENDING)
    site.reader("gone@example.net", LEFT)
    with site.db.transaction() as session:
        suppress(session, "stopped@example.net", SuppressionReason.COMPLAINT, "", NOW)
        suppress(session, site.hashes.of("erased@example.net"), SuppressionReason.ERASED, "", NOW)
    answers = set()
    for name in ("new", "known", "pending", "gone", "stopped", "erased"):
        site.clock.now += 2 * DAY
        path = site.preferences_path(reader)
        answer = site.client.post(path, data={"what": "address", "address": f"{name}@example.net"})
        answers.add((answer.status_code, answer.headers["location"], answer.text))
    assert len(answers) == 1
    assert {mail.address.partition("@")[0] for mail in site.provider.sent} == {
        "new",
        "known",
        "pending",
        "gone",
        "erased",
    }


@pytest.mark.parametrize("name", ["new", "stopped"])
def test_a_reader_may_ask_three_times_in_a_day(site: TestSite, name: str) -> None:
    """Threats 11, 12: so many mails a day can be had from one forwarded link; the limit is the same for any address."""
    subscription_id = site.reader(OLD)
    with site.db.transaction() as session:
        for number in range(5):
            suppress(session, f"stopped{number}@example.net", SuppressionReason.BOUNCE, "", NOW)
    path = site.preferences_path(subscription_id)
    statuses = []
    for number in range(5):
        fields = {"what": "address", "address": f"{name}{number}@example.net"}
        statuses.append(site.client.post(path, data=fields).status_code)
        site.clock.now += timedelta(hours=1)
    assert statuses == [303, 303, 303, 429, 429]
    assert len(site.provider.sent) == (3 if name == "new" else 0)
    site.clock.now += DAY
    assert site.client.post(path, data={"what": "address", "address": NEW}).status_code == 303


def test_an_address_gets_one_such_mail_a_day_from_all_readers(site: TestSite) -> None:
    """Threat 11: a hundred forwarded links do not fill a stranger's inbox."""
    for number in range(10):
        ask(site, site.reader(f"reader{number}@example.org"), "victim@example.com")
    assert [mail.address for mail in site.provider.sent] == ["victim@example.com"]


def test_nothing_that_was_typed_stands_in_the_mail(site: TestSite) -> None:
    """Threat 11."""
    ask(site, site.reader(OLD), "buy-cheap-pills.now@example.com")
    [mail] = site.provider.sent
    assert "pills" not in mail.subject + mail.html + mail.text


def test_who_has_the_address_already_gets_the_lists(either_site: TestSite) -> None:
    """One person, known twice: what the old address was on goes to the new one, with evidence for both."""
    site = either_site
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly")
        session.get_one(Edition, ely.edition_id).monthly = True
        builders.reader(session, ely, NEW, state=LEFT)
        row = builders.reader(session, site.room, OLD)
        assert join(session, subscriber_id=row.subscriber_id, list_id=ely.list_id, now=NOW, source="t", wording="")
        for one in subscriptions_of(session, row.subscriber_id):
            one.monthly = one.list_id == ely.list_id
        subscription_id, person = row.id, row.subscriber_id
    site.client.post(asked(site, subscription_id))
    with site.db.reading() as session:
        assert {row.state for row in subscriptions_of(session, person)} == {LEFT}
        other = session.exec(select(Subscriber).where(Subscriber.address_key == NEW)).one()
        on = {row.list_id: (row.state, row.monthly) for row in subscriptions_of(session, other.id)}
        assert on == {ely.list_id: (CONFIRMED, True), site.room.list_id: (CONFIRMED, False)}
        came = [row.wording for row in history(session, other.id) if row.action is ConsentAction.JOINED]
        assert came == [CAME_OVER, CAME_OVER]
        gone = [(row.action, row.wording) for row in history(session, person)][1:]
    assert gone == [(ConsentAction.LEFT, ""), (ConsentAction.LEFT, ""), (ConsentAction.CHANGED, GONE_OVER)]
    assert site.provider.sent[-1].address == OLD


def test_an_address_that_somebody_signs_up_with_meanwhile_is_no_error(either_site: TestSite) -> None:
    site = either_site
    subscription_id = site.reader(OLD)
    path = asked(site, subscription_id)
    other = site.reader(NEW, PENDING)
    assert site.client.post(path).status_code == 200
    assert [site.state(subscription_id), site.state(other)] == [LEFT, CONFIRMED]


def test_only_the_writing_of_an_address_can_be_changed_too(site: TestSite) -> None:
    """The same mailbox: nobody has to be told."""
    subscription_id = site.reader(OLD)
    site.client.post(asked(site, subscription_id, "Ann@example.org"))
    assert address_of(site, subscription_id) == "Ann@example.org"
    assert len(site.provider.sent) == 1
    assert letters.send_requests(site.db, site.provider, Renderer(), site.signer, base_url=BASE_URL, now=NOW) == 0


def test_no_word_goes_to_an_address_that_refuses_mail(site: TestSite) -> None:
    """A reader whose old mailbox is gone changes the address for that very reason."""
    subscription_id = site.reader(OLD)
    with site.db.transaction() as session:
        suppress(session, OLD, SuppressionReason.BOUNCE, "", NOW)
    site.client.post(asked(site, subscription_id))
    assert [mail.address for mail in site.provider.sent] == [NEW]
    assert "Nothing is sent to this address" not in site.client.get(site.preferences_path(subscription_id)).text


def test_an_erased_address_may_be_somebodys_again(site: TestSite) -> None:
    """Who was erased and confirms with a button that they want mail is not kept out by the hash of before."""
    subscription_id = site.reader(OLD)
    with site.db.transaction() as session:
        suppress(session, site.hashes.of(NEW), SuppressionReason.ERASED, "", NOW)
    site.client.post(asked(site, subscription_id))
    with site.db.reading() as session:
        assert not session.exec(select(ReaderRequest).where(col(ReaderRequest.done_at).is_(None))).all()
    kept = [str(row) for row in site.dump()["suppression"]]
    assert not [row for row in kept if site.hashes.of(NEW) in row]


# --- an address that a stranger took


def taken(site: TestSite, subscription_id: int, address: str = NEW) -> str:
    """Let whoever holds the preferences link take the reader; return the path of the way back that the old one got."""
    site.client.post(asked(site, subscription_id, address))
    return link_in(site.provider.sent[-1], "a").removeprefix(BASE_URL)


def ask_data(site: TestSite, subscription_id: int) -> str:
    """Press for the link to the data on the preferences page; return what the page says then."""
    fields = {"what": "data"}
    return words(site.client.post(site.preferences_path(subscription_id), data=fields, follow_redirects=True).text)


def test_who_takes_a_reader_by_a_forwarded_link_gets_no_data(either_site: TestSite) -> None:
    """Threat 23: not for the week in which the old address can undo it; the page says from when on, and why."""
    site = either_site
    subscription_id = site.reader(OLD)
    taken(site, subscription_id)
    mails = len(site.provider.sent)
    looked = words(site.client.get(site.preferences_path(subscription_id)).text)
    for said in (looked, ask_data(site, subscription_id)):
        assert "the old one was told. The link can be had from 27 November 2026 on" in said
        assert "A mail with the link is on its way" not in said
    site.clock.now += BACK_WITHIN - timedelta(minutes=1)
    ask_data(site, subscription_id)
    assert len(site.provider.sent) == mails
    site.clock.now += timedelta(minutes=1)
    assert "A mail with the link is on its way" in ask_data(site, subscription_id)
    assert [mail.address for mail in site.provider.sent[mails:]] == [NEW]


def test_no_request_for_data_is_taken_down_within_the_week(database: Database) -> None:
    """Also where the page was answered before the address was changed."""
    site = make_site(database)
    subscription_id = site.reader(OLD)
    taken(site, subscription_id)
    with site.db.transaction() as session:
        assert requests.ask(session, RequestKind.DATA, subscription_id, site.clock()) is None


def test_the_old_address_gets_its_reader_back(either_site: TestSite) -> None:
    """Once, with a button; every link that the stranger has ends with it, and the data can be had at once."""
    site = either_site
    subscription_id = site.reader(OLD)
    ask_data(site, subscription_id)  # by the stranger, too: it must not use up the reader's own
    way = taken(site, subscription_id)
    site.clock.now += timedelta(hours=1)
    open_request = asked(site, subscription_id, "third@example.com")
    before = site.dump()
    page = site.client.get(way).text
    assert "we write to a•••@example.org again" in words(page)
    assert (site.dump(), address_of(site, subscription_id)) == (before, NEW)
    page = press(site, page, "Yes, write to me there")
    assert "From now on we write to your old address again." in words(page)
    assert address_of(site, subscription_id) == OLD
    assert [row.wording for row in site.consents()] == [CHANGED, CHANGED_BACK]
    told = site.provider.sent[-1]
    assert (told.address, told.subject) == (NEW, "Your address for Fen Weekly was changed")
    assert "/a/" not in told.text + told.html
    assert site.client.post(open_request).status_code == 410
    before, mails = site.dump(), len(site.provider.sent)
    for again in (site.client.get(way), site.client.post(way)):
        assert (again.status_code, words(again.text)) == (200, words(page))
    assert (site.dump(), len(site.provider.sent)) == (before, mails)
    ask_data(site, subscription_id)
    assert (site.provider.sent[-1].address, site.provider.sent[-1].subject) == (OLD, "Your data at Fen Weekly")


def test_a_stranger_who_moves_on_is_undone_as_well(either_site: TestSite) -> None:
    """The first way back holds, and ends those that came after it."""
    site = either_site
    subscription_id = site.reader(OLD)
    first = taken(site, subscription_id, "stranger@example.net")
    site.clock.now += timedelta(minutes=1)
    second = taken(site, subscription_id, "stranger.too@example.net")
    site.clock.now += timedelta(minutes=1)
    assert site.client.post(first).status_code == 200
    assert site.client.post(second).status_code == 410
    assert address_of(site, subscription_id) == OLD


@pytest.mark.parametrize(("days", "works"), [(6.9, True), (7.1, False)])
def test_the_way_back_works_for_seven_days(site: TestSite, days: float, works: bool) -> None:
    subscription_id = site.reader(OLD)
    way = taken(site, subscription_id)
    site.clock.now += days * DAY
    assert {site.client.get(way).status_code, site.client.post(way).status_code} == {200 if works else 410}
    assert address_of(site, subscription_id) == (OLD if works else NEW)


def test_of_two_ways_back_at_once_one_is_taken(database: Database) -> None:
    site = make_site(database)
    way = taken(site, site.reader(OLD))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: site.client.post(way).status_code, range(4)))
    assert answers == [200] * 4
    assert [mail.address for mail in site.provider.sent] == [NEW, OLD, NEW]
    assert [row.wording for row in site.consents()] == [CHANGED, CHANGED_BACK]


def test_lists_that_went_over_have_no_way_back(site: TestSite) -> None:
    """The reader is still there, under the old address, and joins again with the link in any mail."""
    subscription_id = site.reader(OLD)
    site.reader(NEW)
    site.client.post(asked(site, subscription_id))
    told = site.provider.sent[-1]
    assert told.address == OLD
    assert "/a/" not in told.text
    assert "desk@fen.example" in told.text


def bring_in(site: TestSite, address: str) -> int:
    """Import a file of before; return how many readers came by it."""
    return import_csv(
        site.db.transaction,
        StringIO(f"email\n{address}\n"),
        list_id=site.room.list_id,
        consent="Paper form",
        source="old.csv",
        now=site.clock(),
        options=Options(),
        hashes=site.hashes,
    ).added


def test_no_import_brings_an_old_address_back(either_site: TestSite) -> None:
    """Only its hash is kept; going back, or signing up there oneself, lifts that."""
    site = either_site
    subscription_id = site.reader(OLD)
    way = taken(site, subscription_id)
    assert bring_in(site, OLD) == 0
    site.client.post(way)
    with site.db.reading() as session:
        assert find_known(session, OLD, site.hashes) is None
        assert find_known(session, NEW, site.hashes) is not None
        assert not is_barred(session, NEW, site.hashes)
    assert bring_in(site, NEW) == 0


@pytest.mark.parametrize("reason", [SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT])
def test_what_stood_against_an_old_address_stands_under_its_hash(
    either_site: TestSite, reason: SuppressionReason
) -> None:
    """Nothing of it is left in clear, whatever comes of the reader; nobody is written to there."""
    site = either_site
    subscription_id = site.reader(OLD)
    with site.db.transaction() as session:
        suppress(session, OLD, reason, f"550 {OLD} unknown", NOW)
    site.client.post(asked(site, subscription_id))
    assert OLD not in str(site.dump()["suppression"])
    with site.db.reading() as session:
        assert is_barred(session, OLD, site.hashes)
    site.clock.now += timedelta(hours=1)
    assert (send(site), [mail.address for mail in site.provider.sent]) == (0, [NEW])
    assert bring_in(site, OLD) == 0
    assert privacy.erase(site.db, NEW, site.hashes, site.clock(), source="test").reader
    assert OLD not in json.dumps(site.dump(), default=str)


def test_what_stood_against_an_address_holds_for_who_takes_it(either_site: TestSite) -> None:
    """It became known between asking and pressing, when only the hash was there."""
    site = either_site
    path = asked(site, site.reader(OLD))
    with site.db.transaction() as session:
        suppress(session, site.hashes.of(NEW), SuppressionReason.COMPLAINT, "", NOW)
    site.client.post(path)
    with site.db.reading() as session:
        found = find(session, NEW)
    assert found is not None
    assert found.reason is SuppressionReason.COMPLAINT


def test_who_take_each_others_addresses_do_not_wait_for_each_other(database: Database) -> None:
    """Readers are locked in the order of their ids: in that of the requests this is a deadlock."""
    site = make_site(database)
    paths = []
    for number in range(6):
        pair = [f"a{number}@example.org", f"b{number}@example.org"]
        for mine, other in (pair, pair[::-1]):
            token = site.request_token(RequestKind.ADDRESS, site.reader(mine), other)
            paths.append(f"/a/{token}")
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda path: site.client.post(path).status_code, paths))
    assert answers == [200] * 12


def test_mails_to_strangers_are_counted_by_network(either_site: TestSite) -> None:
    """Threat 11: the preferences page is no side door past the limits of the sign-up form."""
    site = either_site
    readers = [site.reader(f"own{number}@example.org") for number in range(10)]
    statuses = []
    for number, reader in enumerate([*readers, *readers, *readers]):
        fields = {"what": "address", "address": f"victim{number}@example.net"}
        statuses.append(site.client.post(site.preferences_path(reader), data=fields).status_code)
    assert statuses == [303] * 20 + [429] * 10
    assert len(site.provider.sent) == 20
    assert "from your network" in ask(site, readers[9], "one.more@example.net")
    assert not count_after(site, "203.0.113.1")
    assert count_after(site, "198.51.100.1")
    site.clock.now += timedelta(minutes=61)
    assert count_after(site, "203.0.113.1")


def count_after(site: TestSite, ip: str) -> bool:
    """Count one more wish for a mail, from a client."""
    with site.db.transaction() as session:
        return count_mail_wish(session, site.rules, ip, site.clock())


def test_while_all_is_flooded_few_mails_can_be_wished_for(database: Database) -> None:
    """The breaker of all editions together holds here, too, and trips by this way in."""
    site = make_site(database, rules=Rules(per_minute=2))
    assert all(count_after(site, f"198.51.{number}.1") for number in range(7))
    assert [count_after(site, "203.0.113.1") for _ in range(4)] == [True, True, True, False]


def test_nothing_is_asked_for_who_is_erased(database: Database) -> None:
    """Nothing that was typed is stored with a row that says of nobody who it was."""
    site = make_site(database)
    subscription_id = site.reader(OLD)
    privacy.erase(site.db, OLD, site.hashes, NOW, source="test")
    with site.db.transaction() as session:
        for kind in RequestKind:
            assert requests.ask(session, kind, subscription_id, NOW, parse_address(NEW)) is None
    assert site.dump()["reader_request"] == []


# --- one's own data


def test_the_link_to_the_data_goes_to_the_readers_inbox_once_a_day(either_site: TestSite) -> None:
    """The preferences link may have been forwarded: it opens nobody's data."""
    site = either_site
    subscription_id = site.reader(OLD)
    page = press(site, site.client.get(site.preferences_path(subscription_id)).text, "Send me the link")
    assert "A mail with the link is on its way to a•••@example.org." in words(page)
    again = press(site, page, "Send me the link")
    assert words(again) == words(page)
    [mail] = site.provider.sent
    assert (mail.address, mail.subject) == (OLD, "Your data at Fen Weekly")
    site.clock.now += DAY + timedelta(minutes=1)
    press(site, page, "Send me the link")
    assert len(site.provider.sent) == 2


def test_the_data_comes_as_a_file(either_site: TestSite) -> None:
    """GDPR article 15: everything, by the button alone; looking gives nothing away (scanners follow links)."""
    site = either_site
    path = data_link(site, site.reader(OLD))
    before = site.dump()
    looked = site.client.get(path)
    assert {"Download my data", "Delete me"} <= set(buttons(looked.text))
    assert OLD not in looked.text
    answer = site.client.post(path, data={"what": "download"})
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["cache-control"] == "no-store"
    found = json.loads(answer.text)
    assert found["address"] == OLD
    assert {"subscriber", "subscription"} <= {one["table"] for one in found["tables"]}
    assert site.dump() == before


def test_deleting_needs_the_tick(site: TestSite) -> None:
    path = data_link(site, site.reader(OLD))
    before = site.dump()
    for fields in ({"what": "delete"}, {"what": "delete", "sure": "no"}, {"sure": "yes"}, {}):
        answer = site.client.post(path, data=fields)
        assert answer.status_code == (422 if "what" in fields else 200)
        assert site.dump() == before
    [alert] = lxml_html.fromstring(site.client.post(path, data={"what": "delete"}).text).xpath("//*[@role='alert']")
    assert "please tick the box" in alert.text_content()


def test_deleting_leaves_nothing_of_who_it_was(either_site: TestSite) -> None:
    """Threat 23: no address in any table; the links of every mail say so, and a one-click request has its wish."""
    site = either_site
    subscription_id = site.reader(OLD)
    ask(site, subscription_id)
    path = data_link(site, subscription_id)
    answer = site.client.post(path, data={"what": "delete", "sure": "yes"})
    assert "You are deleted" in words(answer.text)
    kept = json.dumps(site.dump(), default=str)
    assert OLD not in kept
    assert NEW not in kept
    assert site.client.post(path, data={"what": "delete", "sure": "yes"}).status_code == 410
    for gone, status in ((site.preferences_path(subscription_id), 410), (site.unsubscribe_path(subscription_id), 200)):
        answer = site.client.get(gone)
        assert answer.status_code == status
        assert "Nothing is sent to you" in words(answer.text)
    with site.db.reading() as session:
        assert not privacy.data_of(session, OLD, site.hashes, NOW)["reader"]


@pytest.mark.parametrize(("hours", "status"), [(23.9, 200), (24.1, 410)])
def test_the_link_to_the_data_works_for_a_day(site: TestSite, hours: float, status: int) -> None:
    path = data_link(site, site.reader(OLD))
    site.clock.now += timedelta(hours=hours)
    for fields in ({"what": "download"}, {"what": "delete", "sure": "yes"}):
        assert site.client.post(path, data=fields).status_code == status
    assert (OLD in json.dumps(site.dump(), default=str)) is (status == 410)


def test_a_new_address_ends_the_link_that_went_to_the_old_one(site: TestSite) -> None:
    subscription_id = site.reader(OLD)
    path = data_link(site, subscription_id)
    site.client.post(asked(site, subscription_id))
    assert site.client.post(path, data={"what": "download"}).status_code == 410


def test_nothing_is_sent_to_whom_nothing_may_be_sent(site: TestSite) -> None:
    subscription_id = site.reader(OLD)
    with site.db.transaction() as session:
        suppress(session, OLD, SuppressionReason.COMPLAINT, "", NOW)
    site.client.post(site.preferences_path(subscription_id), data={"what": "data"})
    assert site.provider.sent == []


# --- the mails


def send(site: TestSite, minutes: float = 0) -> int:
    now = site.clock() + timedelta(minutes=minutes)
    return letters.send_requests(site.db, site.provider, Renderer(), site.signer, base_url=BASE_URL, now=now)


def test_an_address_that_may_not_be_written_to_keeps_no_others_waiting(database: Database) -> None:
    """Suppressed after it was asked for, as a new address, or as the one of before."""
    site = make_site(database)
    first, second = site.reader(OLD), site.reader("ben@example.org")
    site.request_token(RequestKind.ADDRESS, first, "blocked@example.org")
    site.request_token(RequestKind.DATA, second)
    with site.db.transaction() as session:
        suppress(session, "blocked@example.org", SuppressionReason.MANUAL, "", NOW)
    assert send(site) == 1
    assert [mail.address for mail in site.provider.sent] == ["ben@example.org"]
    with site.db.transaction() as session:
        suppress(session, OLD, SuppressionReason.BOUNCE, "", NOW)
    site.clock.now += timedelta(minutes=1)
    site.client.post(f"/a/{site.request_token(RequestKind.ADDRESS, first, NEW)}")
    assert address_of(site, first) == NEW
    site.request_token(RequestKind.ADDRESS, second, "ben.new@example.net")
    assert (send(site), site.provider.sent[-1].address) == (1, "ben.new@example.net")
    with site.db.reading() as session:
        assert not requests.awaiting(session, 10, site.clock())


def test_a_mail_that_was_put_off_comes_later_and_once(database: Database) -> None:
    """As every mail to one reader: claimed before it is sent, given back when it surely was not."""
    site = make_site(database)
    site.provider.script(NEW, Status.DEFERRED)
    ask(site, site.reader(OLD))
    assert (send(site), send(site, minutes=6), send(site, minutes=7)) == (0, 1, 0)
    assert [mail.address for mail in site.provider.sent] == [NEW]


def test_a_mail_that_waited_for_a_day_is_not_sent_any_more(site: TestSite) -> None:
    site.request_token(RequestKind.DATA, site.reader(OLD))
    assert send(site, minutes=24 * 60 + 1) == 0
    assert send(site, minutes=1) == 1


def test_what_was_replaced_while_it_waited_is_not_sent(site: TestSite) -> None:
    subscription_id = site.reader(OLD)
    site.request_token(RequestKind.ADDRESS, subscription_id, "first@example.net")
    site.request_token(RequestKind.ADDRESS, subscription_id, "second@example.net")
    assert send(site) == 1
    assert [mail.address for mail in site.provider.sent] == ["second@example.net"]


def test_who_wants_text_alone_gets_it_in_their_language(site: TestSite) -> None:
    subscription_id = site.reader(OLD)
    with site.db.transaction() as session:
        person = session.get_one(Subscriber, 1)
        person.text_only, person.language = True, "de"
    site.request_token(RequestKind.DATA, subscription_id)
    assert send(site) == 1
    [mail] = site.provider.sent
    assert mail.html == ""
    assert re.search("Fragen", mail.text), mail.text


def test_the_mail_of_a_closed_list_comes_all_the_same(site: TestSite) -> None:
    """Everybody can have their data, whatever has become of the list."""
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly")
        session.get_one(Edition, ely.edition_id).list_id = site.room.list_id
        subscription_id = builders.reader(session, ely, OLD).id
    assert data_link(site, subscription_id)


@pytest.mark.parametrize(
    ("age", "done", "address", "link"),
    [
        (0, None, NEW, Link.OPEN),
        (7, None, NEW, Link.OPEN),
        (7.01, None, NEW, Link.OVER),
        (1, NOW, OLD, Link.USED),
        (900, NOW, OLD, Link.USED),
        (1, NOW, "", Link.OVER),
    ],
)
def test_how_a_link_stands(age: float, done: datetime | None, address: str, link: Link) -> None:
    row = ReaderRequest(
        id=1,
        subscription_id=1,
        kind=RequestKind.ADDRESS,
        address=address,
        address_key=address,
        asked_at=NOW - age * DAY,
        done_at=done,
    )
    assert requests.link_of(row, NOW) is link


@pytest.mark.parametrize(
    ("age", "address", "key", "link"),
    [
        (0, OLD, OLD, Link.OPEN),
        (7, OLD, OLD, Link.OPEN),
        (7.01, OLD, OLD, Link.OVER),
        (1, OLD, "", Link.USED),
        (900, OLD, "", Link.USED),
        (1, "", "", Link.OVER),
    ],
)
def test_how_the_way_back_stands(age: float, address: str, key: str, link: Link) -> None:
    done_at = NOW - age * DAY
    row = ReaderRequest(
        subscription_id=1,
        kind=RequestKind.ADDRESS,
        address=address,
        address_key=key,
        asked_at=done_at,
        done_at=done_at,
    )
    assert requests.link_back_of(row, NOW) is link


def test_a_link_is_of_its_request_and_its_second(site: TestSite) -> None:
    """Threat 16: a row that is gone, and an id that is used again, open nothing."""
    subscription_id = site.reader(OLD)
    site.request_token(RequestKind.ADDRESS, subscription_id)
    for token in (
        site.signer.sign_request(Purpose.ADDRESS, 1, NOW - timedelta(seconds=1)),
        site.signer.sign_request(Purpose.ADDRESS, 2, NOW),
        site.signer.sign_request(Purpose.DATA, 1, NOW),
    ):
        letter = "d" if token == site.signer.sign_request(Purpose.DATA, 1, NOW) else "a"
        assert site.client.get(f"/{letter}/{token}").status_code == 410
    assert parse_address(NEW).key == NEW


def moved(database: Database, number: int, new: str) -> None:
    """Let the reader r0@example.org, r1@... ask for a new address and press the button behind the link."""
    with database.transaction() as session:
        person = session.exec(select(Subscriber).where(Subscriber.address_key == f"r{number}@example.org")).one()
        [row] = subscriptions_of(session, person.id)
        request_id = requests.ask(session, RequestKind.ADDRESS, row.id, AT, parse_address(new))
        assert request_id is not None
        found = requests.asked(session, RequestKind.ADDRESS, request_id, AT.replace(microsecond=0), AT)
        assert found is not None
        assert move(session, found, KeyedHash(["a secret"]), Evidence(AT, "page", "", ""))


def test_nobody_gets_an_issue_twice_over_a_change_of_address(database: Database) -> None:
    """F7: the ledger froze who gets it when it was planned, and each address when it was claimed."""
    issue_id = approved(database, readers=8)

    def change() -> None:
        moved(database, 0, "first@example.net")  # is being sent to
        moved(database, 1, "r7@example.org")  # is being sent to, and is known by the other address
        moved(database, 5, "later@example.net")  # is planned
        moved(database, 6, "r4@example.org")  # is planned, and is known by the other address

    provider = HookedProvider(change)
    provider.chunk_size = 2
    report = delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: AT, name=NAME), by_hand=True)
    assert report.tally.adds_up
    got = [mail.address.partition("@")[0] for mail in provider.sent]
    assert got == ["r0", "r1", "r2", "r3", "r4", "later", "r7"]


def test_asking_many_times_at_once_is_counted_one_by_one(database: Database) -> None:
    """Threat 11: the limit holds for parallel requests, too."""
    site = make_site(database)
    subscription_id = site.reader(OLD)
    path = site.preferences_path(subscription_id)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: site.client.post(path, data={"what": "address", "address": f"n{n}@e.org"}), range(6)))
        list(pool.map(lambda _: site.client.post(path, data={"what": "data"}), range(6)))
    with site.db.reading() as session:
        kinds = [row.kind for row in session.exec(select(ReaderRequest))]
    assert (kinds.count(RequestKind.ADDRESS), kinds.count(RequestKind.DATA)) == (3, 1)
    assert sum(mail.address == OLD for mail in site.provider.sent) == 1
