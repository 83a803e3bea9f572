"""The door of all sign-ups: tokens that work once, prices, limits by network and a breaker (threats 10, 11, 12, 19)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count as numbers
from itertools import pairwise
from threading import Barrier

import pytest
from sqlalchemy import event
from sqlmodel import select

from bench.list_bombing import SLUG, Attack, Visitor, bomb
from newsletter.db import Database
from newsletter.models import RateUse
from newsletter.signup import door as doors
from newsletter.signup.disposable import KNOWN, is_disposable, read_domains
from newsletter.signup.door import Door, Pressure, Rules, Verdict, decide, has_worked, networks_of
from newsletter.signup.limits import forget_mails, forget_old, limiter_key, may_mail
from newsletter.signup.telling import tell_of_flood
from newsletter.testing import MemoryProvider
from subscribers.confirmations import awaiting
from subscribers.consent import shorten_network
from subscribers.hashes import KeyedHash
from subscribers.models import SubscriptionState, SuppressionReason
from subscribers.suppression import suppress
from subscribers.tokens import Signer
from tests.builders import NOW, newsroom, reader
from tests.databases import sqlite_database
from tests.sites import BASE_URL, SECRET, TestSite, make_site

__all__ = ["sqlite_database"]

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86_400))


@pytest.fixture
def visitor(database: Database) -> Iterator[Visitor]:
    with database.transaction() as session:
        yield Visitor(session)


# --- tokens


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (timedelta(0), Verdict.AGAIN),
        (2 * SECOND, Verdict.AGAIN),
        (3 * SECOND, Verdict.TAKEN),
        (2 * HOUR, Verdict.TAKEN),
        (2 * HOUR + SECOND, Verdict.AGAIN),
        (-MINUTE, Verdict.AGAIN),
    ],
)
def test_how_old_a_form_may_be(visitor: Visitor, age: timedelta, verdict: Verdict) -> None:
    assert visitor.knock(NOW, visitor.door.token(NOW - age)).verdict is verdict


@pytest.mark.parametrize("token", ["", "x", "AQRV8SXieGJcyxsv_VrODa8", "another purpose", "another secret"])
def test_without_a_token_of_ours_it_takes_one_more_press(visitor: Visitor, token: str) -> None:
    """Forms on other sites have none; nobody is turned away for that."""
    made = {
        "another purpose": visitor.door.signer.sign_confirm(1, NOW),
        "another secret": Signer(["x" * 32]).sign_form(NOW - MINUTE, 1, b"12345678"),
    }
    answer = visitor.knock(NOW, made.get(token, token))
    assert answer.verdict is Verdict.AGAIN
    assert visitor.knock(NOW + SECOND, answer.token).verdict is Verdict.TAKEN


def test_a_form_is_taken_once(visitor: Visitor) -> None:
    """Pressed twice, it is the same answer and nothing more; with another address it is another form."""
    token = visitor.door.token(NOW)
    now = NOW + 5 * SECOND
    assert visitor.knock(now, token).verdict is Verdict.TAKEN
    assert visitor.knock(now, token).verdict is Verdict.REPEATED
    assert visitor.knock(now, token, "bob@example.org").verdict is Verdict.AGAIN
    assert visitor.knock(now, token, slugs="fen-weekly ely").verdict is Verdict.AGAIN


def test_a_form_that_takes_one_more_press_is_never_said_to_be_sent(visitor: Visitor) -> None:
    """A double click, or Back and the button: nothing was stored, so it takes the press; each form pays once."""
    first, now = visitor.door.token(NOW), NOW + 5 * SECOND
    address = "ann@mailinator.com"
    once, twice = (visitor.knock(now, first, address) for _ in range(2))
    assert [once.verdict, twice.verdict] == [Verdict.AGAIN] * 2
    now += 5 * SECOND
    assert visitor.knock(now, twice.token, address).verdict is Verdict.TAKEN
    assert visitor.knock(now, twice.token, address).verdict is Verdict.REPEATED
    assert visitor.knock(now, first, address).verdict is Verdict.AGAIN


def test_pressing_a_used_form_again_and_again_pays_nothing(visitor: Visitor) -> None:
    """What costs three presses is not had for less by sending the form of the second one several times."""
    visitor.door = Door(Signer([SECRET]), KeyedHash([SECRET]), Rules(proof_of_work=True))
    address, now = "ann@mailinator.com", NOW + 5 * SECOND
    second = visitor.knock(now, visitor.door.token(NOW), address).token
    now += 5 * SECOND
    answers = [visitor.knock(now, second, address) for _ in range(4)]
    assert {answer.verdict for answer in answers} == {Verdict.AGAIN}
    now += 5 * SECOND
    taken = [visitor.knock(now, answer.token, address).verdict for answer in answers]
    assert taken == [Verdict.TAKEN, Verdict.AGAIN, Verdict.AGAIN, Verdict.AGAIN]


@pytest.mark.parametrize("flooded", [False, True])
def test_who_has_to_come_back_later_is_not_told_that_it_was_sent(visitor: Visitor, flooded: bool) -> None:
    """The form was not used up: within its two hours it is taken, once, by a script that kept it, too."""
    visitor.door = Door(Signer([SECRET]), KeyedHash([SECRET]), Rules(per_network=4))
    if flooded:
        _flood(visitor, NOW, 100)
    visitor.ip = "198.51.100.1"
    for number in range(3 if flooded else 4):
        token = visitor.door.token(NOW - MINUTE, worth=2)
        assert visitor.knock(NOW, token, f"s{number}@example.org").verdict is Verdict.TAKEN
    token = visitor.door.token(NOW, worth=2)
    now = NOW + 5 * SECOND
    assert [visitor.knock(now, token).verdict for _ in range(3)] == [Verdict.TOO_MANY] * 3
    now = NOW + 100 * MINUTE
    assert [visitor.knock(now, token).verdict for _ in range(2)] == [Verdict.TAKEN, Verdict.REPEATED]


def test_of_many_uses_of_a_form_at_once_one_counts(database: Database) -> None:
    """By several workers, on both databases; so do the places of a network and the mails of an address."""
    door = Door(Signer([SECRET]), KeyedHash([SECRET]), Rules(per_network=5))
    token = door.token(NOW - MINUTE)
    start = Barrier(8)

    def run(number: int) -> tuple[Verdict, Verdict, bool]:
        start.wait()
        with database.transaction() as session:
            visitor = Visitor(session, door)
            once = visitor.knock(NOW, token, f"r{number}@example.org").verdict
        with database.transaction() as session:
            visitor = Visitor(session, door)
            own = visitor.knock(NOW, door.token(NOW - MINUTE), f"s{number}@example.org").verdict
            return once, own, may_mail(session, "victim@example.org", door.hashes, NOW)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, range(8)))
    assert [once for once, _, _ in found].count(Verdict.TAKEN) == 1
    assert sum(verdict is Verdict.TAKEN for once, own, _ in found for verdict in (once, own)) == 5
    assert [allowed for _, _, allowed in found].count(True) == 1


def test_nothing_that_is_counted_says_whose_it_was(visitor: Visitor) -> None:
    """Threat 22: keyed hashes and networks, and no address."""
    visitor.fill_in(NOW, "Ann.Reader@example.org")
    may_mail(visitor.session, "ann.reader@example.org", visitor.door.hashes, NOW)
    scopes = [row.scope for row in visitor.session.exec(select(RateUse))]
    assert all(scope.startswith("sign-up ") for scope in scopes)
    assert not any("ann" in scope.lower() or "example" in scope or "203.0.113.7" in scope for scope in scopes)
    assert "sign-up from 203.0.113.0/24" in scopes


# --- prices


@pytest.mark.parametrize(
    ("pressure", "paid", "price", "verdict"),
    [
        (Pressure(), 0, 1, Verdict.AGAIN),
        (Pressure(), 1, 1, Verdict.TAKEN),
        (Pressure(), 2, 1, Verdict.TAKEN),
        (Pressure(network=19), 1, 1, Verdict.TAKEN),
        (Pressure(network=20), 1, 1, Verdict.TOO_MANY),
        (Pressure(network=20), 0, 1, Verdict.TOO_MANY),
        (Pressure(wide=500), 1, 1, Verdict.TAKEN),
        (Pressure(flooded=True), 1, 2, Verdict.AGAIN),
        (Pressure(flooded=True), 2, 2, Verdict.TAKEN),
        (Pressure(network=2, flooded=True), 2, 2, Verdict.TAKEN),
        (Pressure(network=3, flooded=True), 2, 2, Verdict.TOO_MANY),
        (Pressure(wide=29, flooded=True), 2, 2, Verdict.TAKEN),
        (Pressure(wide=30, flooded=True), 2, 2, Verdict.TOO_MANY),
    ],
)
def test_what_becomes_of_a_form(pressure: Pressure, paid: int, price: int, verdict: Verdict) -> None:
    assert decide(Rules(), pressure, paid, price) is verdict


def _presses(visitor: Visitor, address: str = "ann@example.org", *, works: bool = False) -> int:
    """Return how many forms are sent until one is taken."""
    token, now = visitor.door.token(NOW), NOW
    for press in numbers(1):
        now += 5 * SECOND
        work = next(str(one) for one in numbers() if has_worked(token, str(one))) if works else ""
        answer = visitor.knock(now, token, address, work)
        if answer.verdict is Verdict.TAKEN:
            return press
        assert answer.verdict is Verdict.AGAIN
        token = answer.token
    raise AssertionError


def test_a_mailbox_that_is_thrown_away_costs_one_more_press_and_is_never_refused(visitor: Visitor) -> None:
    assert _presses(visitor) == 1
    assert _presses(visitor, "ann@mailinator.com") == 2


def test_work_takes_the_place_of_a_press(visitor: Visitor) -> None:
    visitor.door = Door(Signer([SECRET]), KeyedHash([SECRET]), Rules(proof_of_work=True))
    assert _presses(visitor) == 2
    assert _presses(visitor, "bob@example.org", works=True) == 1


@pytest.mark.parametrize("work", ["", "-1", "1e3", "٣", "0" * 30, "x"])
def test_what_is_no_work(work: str) -> None:
    assert not has_worked("token", work)


def test_work_is_a_hash_that_begins_with_sixteen_zero_bits() -> None:
    found = next(number for number in numbers() if has_worked("token", str(number)))
    assert hashlib.sha256(f"token:{found}".encode()).hexdigest().startswith("0000")
    assert not has_worked("another", str(found))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a@mailinator.com", True),
        ("a@sub.mailinator.com", True),
        ("a@notmailinator.com", False),
        ("a@example.org", False),
        ("mailinator.com@example.org", False),
    ],
)
def test_which_mailboxes_are_thrown_away(key: str, expected: bool) -> None:
    assert is_disposable(key, KNOWN) is expected


def test_an_installation_adds_domains(tmp_path: object) -> None:
    file = tmp_path / "domains"  # type: ignore[operator]
    file.write_text("# ours\nThrown.Example  # since May\n\n")
    assert read_domains(file) == KNOWN | {"thrown.example"}


# --- limits


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("ann@example.org", "ann@example.org"),
        ("ann+news@example.org", "ann@example.org"),
        ("a.n.n+x+y@gmail.com", "ann@gmail.com"),
        ("a.nn@googlemail.com", "ann@gmail.com"),
        ("a.nn@example.org", "a.nn@example.org"),
        ("+tag@example.org", "+tag@example.org"),
    ],
)
def test_one_mailbox_counts_once_however_it_is_spelt(key: str, expected: str) -> None:
    assert limiter_key(key) == expected


def test_an_address_gets_one_mail_a_day_and_three_in_thirty_days(database: Database) -> None:
    """Trust, threat 11; in parts of 24 minutes and 12 hours, by which it may be longer and never shorter."""
    old, new = KeyedHash(["o" * 32]), KeyedHash(["n" * 32, "o" * 32])
    with database.transaction() as session:
        taken = [
            hour
            for hour in range(40 * 24)
            if may_mail(session, "ann@example.org", old if hour < 100 else new, NOW + hour * HOUR)
        ]
    assert len([hour for hour in taken if hour < 30 * 24]) == 3
    assert all(later - earlier >= 24 for earlier, later in pairwise(taken))
    assert taken[3] - taken[0] >= 30 * 24


def test_a_confirmed_sign_up_resets_the_counts_of_its_mailbox_and_no_other(database: Database) -> None:
    old, new = KeyedHash(["o" * 32]), KeyedHash(["n" * 32, "o" * 32])
    with database.transaction() as session:
        for hashes, address in ((old, "ann@example.org"), (old, "bob@example.org")):
            assert may_mail(session, address, hashes, NOW)
        forget_mails(session, "ann+news@example.org", new)
        assert may_mail(session, "ann@example.org", new, NOW)
        assert not may_mail(session, "ann+news@example.org", new, NOW)
        assert not may_mail(session, "bob@example.org", new, NOW)


def test_old_counts_are_forgotten_and_young_ones_are_not(visitor: Visitor) -> None:
    visitor.fill_in(NOW)
    may_mail(visitor.session, "ann@example.org", visitor.door.hashes, NOW)

    def left() -> int:
        return len(visitor.session.exec(select(RateUse).where(RateUse.start >= 0)).all())

    before = left()
    assert forget_old(visitor.session, NOW) == 0
    assert forget_old(visitor.session, NOW + 3 * HOUR) > 0
    assert before > left() > 0
    assert not may_mail(visitor.session, "ann@example.org", visitor.door.hashes, NOW + 3 * HOUR)
    forget_old(visitor.session, NOW + 31 * DAY)
    assert left() == 0


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("203.0.113.7", ("203.0.113.0/24", "203.0.0.0/16")),
        ("::ffff:203.0.113.7", ("203.0.113.0/24", "203.0.0.0/16")),
        ("2001:db8:1:2::3", ("2001:db8:1::/48", "2001:db8::/32")),
        ("", ()),
        ("unix", ()),
    ],
)
def test_the_networks_of_a_client(ip: str, expected: tuple[str, ...]) -> None:
    assert networks_of(ip) == expected


def test_a_network_gets_twenty_an_hour(visitor: Visitor) -> None:
    """Then it is asked to come back; an hour after that it may, however often it has tried meanwhile."""
    verdicts = [visitor.fill_in(NOW, f"r{number}@example.org").verdict for number in range(25)]
    assert verdicts == [Verdict.TAKEN] * 20 + [Verdict.TOO_MANY] * 5
    visitor.ip = "203.0.114.7"
    assert visitor.fill_in(NOW).verdict is Verdict.TAKEN
    visitor.ip = "203.0.113.200"
    assert visitor.fill_in(NOW + 59 * MINUTE).verdict is Verdict.TOO_MANY
    assert visitor.fill_in(NOW + 62 * MINUTE).verdict is Verdict.TAKEN


def test_invented_addresses_of_clients_trip_the_limit_all_the_same(sqlite_database: Database) -> None:
    """Threat 19: X-Forwarded-For of whoever is no proxy of ours is passed over."""
    site = make_site(sqlite_database)
    statuses = Counter(
        site.client.post(
            f"/editions/{SLUG}",
            data={"address": f"r{number}@example.org", "token": site.door.token(site.clock.now - MINUTE)},
            headers={"X-Forwarded-For": f"198.51.{number}.9"},
        ).status_code
        for number in range(30)
    )
    assert statuses == {200: 20, 429: 10}


# --- the breaker


def _flood(visitor: Visitor, now: datetime, sign_ups: int, slug: str = SLUG) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    for number in range(sign_ups):
        visitor.ip = f"10.{number // 250}.{number % 250}.1"
        token = visitor.door.token(now - MINUTE, worth=2)
        found += visitor.knock(now, token, f"r{number}@example.org", slugs=slug).flooded
    return found


def test_the_breaker_trips_for_what_is_flooded_and_resets_by_itself(visitor: Visitor) -> None:
    assert doors.flooded_editions(_flood(visitor, NOW, 100)) == (SLUG,)
    visitor.ip = "198.51.100.1"
    assert visitor.knock(NOW, visitor.door.token(NOW - MINUTE)).verdict is Verdict.AGAIN
    assert visitor.knock(NOW, visitor.door.token(NOW - MINUTE), slugs="ely").verdict is Verdict.TAKEN
    later = NOW + 17 * MINUTE
    assert visitor.knock(later, visitor.door.token(later - MINUTE), "bob@example.org").verdict is Verdict.TAKEN


def test_several_editions_at_once_flood_them_all(visitor: Visitor) -> None:
    found = [name for slug in "abcd" for name in _flood(visitor, NOW, 55, slug)]
    assert doors.flooded_editions(found) == ()
    assert len(found) == 1


def test_the_editors_are_told_once_a_day_of_a_flood(database: Database) -> None:
    provider = MemoryProvider()
    with database.transaction() as session:
        newsroom(session)
        flooded = _flood(Visitor(session), NOW, 70)
    told = [
        tell_of_flood(
            database, provider, flooded, editors=["desk@fen.example"], base_url=BASE_URL, now=NOW + hours * HOUR
        )
        for hours in (0, 1, 20, 26)
    ]
    assert told == [True, False, False, True]
    assert {mail.address for mail in provider.sent} == {"desk@fen.example"}
    assert provider.sent[0].subject == "Very many sign-ups: Fen Weekly"
    assert "r1@example.org" not in f"{provider.sent}"


@pytest.mark.parametrize(
    "attack",
    [
        Attack(victims=400, networks=1, sign_ups=4_000),
        Attack(victims=400, networks=60, sign_ups=4_000),
        Attack(victims=400, networks=2_000, sign_ups=4_000),
    ],
    ids=["one network", "sixty networks", "two thousand networks"],
)
def test_list_bombing(sqlite_database: Database, attack: Attack) -> None:
    """Threat 11, at a twenty-fifth; `bench/list_bombing.py` runs 100,000 sign-ups at 10,000 victims.

    At most one mail to each, the breaker within a minute, and readers from elsewhere get through.
    """
    outcome = bomb(sqlite_database, attack, readers=60)
    assert outcome.most_mails <= 1
    assert outcome.tripped_after <= 60
    assert outcome.passed >= 0.99


# --- enumeration


def test_the_work_before_the_answer_is_the_same_for_every_address(sqlite_database: Database) -> None:
    """Threat 12: the same statements for new, pending, confirmed, left and suppressed, before the answer is made.

    How long they take is for `bench/enumeration.py`, over a real server.
    """
    site = make_site(sqlite_database)
    with site.db.transaction() as session:
        for state in SubscriptionState:
            reader(session, site.room, f"{state}@example.org", state=state)
        suppress(session, "suppressed@example.org", SuppressionReason.BOUNCE, "", NOW)
    names = ["new", *SubscriptionState, "suppressed"]
    assert len({_statements_before_answer(site, f"{name}@example.org") for name in names}) == 1


def _statements_before_answer(site: TestSite, address: str) -> tuple[str, ...]:
    """Return what is executed until the request's last statement before what follows the answer."""
    statements: list[str] = []
    answered: list[int] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    sign_ups = site.app.state.sign_ups
    deal_with = sign_ups.deal_with

    def watched(*given: object) -> None:
        answered.append(len(statements))
        deal_with(*given)

    sign_ups.deal_with = watched
    site.clock.now += HOUR
    token = site.door.token(site.clock.now - MINUTE)
    event.listen(site.db._engine, "before_cursor_execute", note)
    try:
        answer = site.client.post(f"/editions/{SLUG}", data={"address": address, "token": token})
    finally:
        event.remove(site.db._engine, "before_cursor_execute", note)
        sign_ups.deal_with = deal_with
    assert answer.status_code == 200
    [before] = answered
    return tuple(statements[:before])


def test_a_mail_that_was_not_asked_for_leaves_no_trace_of_the_client(sqlite_database: Database) -> None:
    """GDPR 5(1)(c): of the client's address the network is kept."""
    site = make_site(sqlite_database)
    site.sign_up("ann@example.org")
    assert [row.network for row in site.consents()] == [shorten_network("203.0.113.77")]
    with site.db.reading() as session:
        assert awaiting(session, 10, site.clock.now) == []
