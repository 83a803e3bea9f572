"""Rates: no window of any length ever holds more than it may, whoever sends, and whatever the clock does (issue 5, F4)."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlmodel import Session, SQLModel, col, func, select

from newsletter.db import Database
from newsletter.delivery import rates
from newsletter.delivery.rates import NO_LIMITS, Allowance, Limits, WarmUp, Windows
from newsletter.models import RateUse
from newsletter.windows import TOTAL
from tests.databases import created_database

NOW = datetime(2026, 11, 22, 12, 0, 59, 999_000, tzinfo=UTC)
WARM = "news.example.org"
ONE_HOUR = timedelta(hours=1)
#: A window's length in seconds -> the name of its limit.
LENGTHS = {1: "per_second", 60: "per_minute", 3600: "per_hour", 86_400: "per_day"}
_NAMES = count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Yield one SQLite database for many examples, each of which has a provider of its own and keeps nothing."""
    with created_database("sqlite", Path(tmp_path_factory.mktemp("rates"))) as db:
        yield db


@contextmanager
def emptied(database: Database) -> Iterator[Session]:
    """Open a transaction of an example, which leaves nothing behind."""
    with database.transaction() as session:
        yield session
        session.execute(delete(RateUse))


def sends(session: Session, limits: Limits, wanted: int, now: datetime, *, provider: str = "smtp") -> Allowance:
    """Do what a claim does: ask, then book."""
    allowed = rates.allow(session, limits, provider, WARM, wanted, now)
    rates.book(session, limits, provider, WARM, allowed.count, now)
    return allowed


def settles(
    session: Session,
    limits: Limits,
    sent: int | Sequence[str],
    booked_at: datetime,
    now: datetime,
    *,
    not_tried: int | Sequence[str] = 0,
    provider: str = "smtp",
) -> None:
    """Tell what became of a claim, of readers somewhere where only their number matters."""
    went, back = (["reader@example.net"] * who if isinstance(who, int) else who for who in (sent, not_tried))
    rates.settle(session, limits, provider, WARM, sent=went, not_tried=back, booked_at=booked_at, now=now)


def most_in(times: Sequence[float], seconds: int) -> int:
    """Return how many of `times` at most lie within so many seconds."""
    ordered, most, first = sorted(times), 0, 0
    for last, time in enumerate(ordered):
        while time - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def check_totals(session: Session) -> None:
    """Every window's sum is that of its parts; a warm-up has a best day there."""
    sums: dict[tuple[str, int], int] = {}
    totals: dict[tuple[str, int], int] = {}
    for row in session.exec(select(RateUse).where(~col(RateUse.scope).contains(" from "))):
        place = totals if row.start == TOTAL else sums
        place[row.scope, row.seconds] = place.get((row.scope, row.seconds), 0) + row.used
    assert {key: total for key, total in totals.items() if total} == {key: one for key, one in sums.items() if one}


class Wire:
    """Workers in a simulation: each call is booked, takes its time, and its mails arrive somewhere within it."""

    def __init__(self, session: Session, limits: Limits, chance: random.Random) -> None:
        self.session, self.limits, self.chance = session, limits, chance
        self.provider = f"wire {next(_NAMES)}"
        self.real, self.behind = 0.0, 0.0
        self.under_way: list[tuple[float, datetime, int, int]] = []
        self.arrived: list[float] = []

    @property
    def clock(self) -> datetime:
        return NOW + timedelta(seconds=self.real - self.behind)

    def wait(self, seconds: float) -> None:
        """Let time pass, and calls end when they do."""
        target = self.real + seconds
        for call in sorted(self.under_way):
            if call[0] <= target:
                self.real = max(self.real, call[0])
                _, booked_at, sent, back = call
                settles(self.session, self.limits, sent, booked_at, self.clock, not_tried=back, provider=self.provider)
                self.under_way.remove(call)
        self.real = target

    def send(self, wanted: int, took: float, not_tried: float) -> Allowance:
        """Begin a call that takes `took` seconds and reaches all but a part of its readers."""
        allowed = sends(self.session, self.limits, wanted, self.clock, provider=self.provider)
        back = int(allowed.count * not_tried)
        self.under_way.append((self.real + took, self.clock, allowed.count - back, back))
        self.arrived += [self.real + self.chance.choice((0, took / 2, took)) for _ in range(allowed.count - back)]
        return allowed


STEPS = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 0.3), st.floats(0, 2), st.floats(0, 90), st.floats(0, 5000)),  # seconds until the call
        st.integers(1, 40),  # readers it has
        st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 29)),  # seconds it takes
        st.sampled_from([0.0, 0.0, 0.5, 1.0]),  # how many of them are not tried
        st.sampled_from([0.0] * 9 + [0.7, 70.0, 5000.0]),  # by how much the clock is put back
    ),
    min_size=1,
    max_size=40,
)
LIMITS = st.fixed_dictionaries({}, optional={name: st.integers(1, 60) for name in LENGTHS.values()}).filter(bool)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=LIMITS, steps=STEPS, seed=st.integers(0, 2**32))
def test_no_window_ever_holds_more_than_it_may(shared: Database, given: dict[str, int], steps: list[tuple[float, int, float, float, float]], seed: int) -> None:  # fmt: skip
    """By the time at which mails arrive, of several calls at once, on a clock that may be put back."""
    limits = Limits(overall=Windows(**given))
    with emptied(shared) as session:
        wire = Wire(session, limits, random.Random(seed))
        for pause, wanted, took, not_tried, put_back in steps:
            wire.wait(pause)
            wire.behind += put_back
            allowed = wire.send(wanted, took, not_tried)
            assert (allowed.until is None) == (allowed.count == wanted)
            assert allowed.until is None or allowed.until > wire.clock
        check_totals(session)
        for seconds, name in LENGTHS.items():
            if name in given:
                assert most_in(wire.arrived, seconds) <= given[name], name
        wire.wait(max(wire.behind, 30) + 2 * max(seconds for seconds, name in LENGTHS.items() if name in given))
        assert wire.send(min(given.values()), 0, 0).until is None, "after a quiet window the whole limit is free"


@pytest.mark.parametrize("seconds", LENGTHS)
def test_the_edge_of_a_window_lets_nobody_slip_through(shared: Database, seconds: int) -> None:
    """huey lets 24 pass for 20 where one aligned window ends and the next begins (libraries.md)."""
    limits = Limits(overall=Windows(**{LENGTHS[seconds]: 20}))
    just_before = NOW.replace(hour=23, minute=59)
    with emptied(shared) as session:
        assert sends(session, limits, 20, just_before, provider="edge").count == 20
        settles(session, limits, 20, just_before, just_before, provider="edge")
        for parts in (0.001, 0.5, 0.999, 1):
            later = just_before + timedelta(seconds=seconds * parts)
            assert rates.allow(session, limits, "edge", WARM, 4, later).count == 0
        afterwards = just_before + timedelta(seconds=seconds * 62 / 60)
        assert rates.allow(session, limits, "edge", WARM, 100, afterwards).count == 20


def test_who_has_to_wait_is_told_until_when(sqlite_database: Database) -> None:
    """And not until the first single mail may go: that would make a call of each."""
    limits = Limits(overall=Windows(per_minute=40))
    with sqlite_database.transaction() as session:
        for number in range(40):
            assert sends(session, limits, 1, NOW + timedelta(seconds=number)).count == 1
        now = NOW + timedelta(seconds=40)
        until = sends(session, limits, 500, now).until
        assert until is not None
        assert rates.allow(session, limits, "smtp", WARM, 1, now).until == until - timedelta(seconds=9)
        assert rates.allow(session, limits, "smtp", WARM, 500, until - timedelta(milliseconds=1)).count == 9
        assert rates.allow(session, limits, "smtp", WARM, 500, until).count == 10
        part = sends(session, limits, 500, until)
        assert part.count == 10
        assert part.until is not None
        assert part.until > until


def test_the_strictest_window_decides(sqlite_database: Database) -> None:
    limits = Limits(overall=Windows(per_second=5, per_minute=8, per_day=10))
    with sqlite_database.transaction() as session:
        now, counts = NOW, []
        for _ in range(4):
            allowed = sends(session, limits, 100, now)
            settles(session, limits, allowed.count, now, now)
            counts.append(allowed.count)
            assert allowed.until is not None
            now = allowed.until
    assert counts[:3] == [5, 3, 2]
    assert now - NOW > timedelta(days=1)


def test_a_slow_call_counts_until_it_is_over(sqlite_database: Database) -> None:
    """What arrives at the end of a call that took five seconds stands beside what is sent then, not before."""
    limits = Limits(overall=Windows(per_second=10))

    def after(seconds: float) -> datetime:
        return NOW + timedelta(seconds=seconds)

    with sqlite_database.transaction() as session:
        assert sends(session, limits, 10, NOW).count == 10
        assert rates.allow(session, limits, "smtp", WARM, 1, after(4.9)).count == 0
        settles(session, limits, 10, NOW, after(5))
        assert rates.allow(session, limits, "smtp", WARM, 1, after(5.9)).count == 0
        assert sends(session, limits, 10, after(6.1)).count == 10
        # The worker dies: nobody settles, and after half a minute others go on.
        assert rates.allow(session, limits, "smtp", WARM, 1, after(36)).count == 0
        assert rates.allow(session, limits, "smtp", WARM, 10, after(37.2)).count == 10


def test_what_was_not_tried_is_given_back(database: Database) -> None:
    """An outage does not eat the day's allowance, of the provider, of a domain, or of the warm-up."""
    readers = [f"reader{number}@{domain}" for number in range(5) for domain in ("one.example", "two.example")]
    limits = Limits(Windows(per_day=10), {"one.example": Windows(per_day=5)}, warm_up=WarmUp(10, 2, 1000))
    now = NOW
    for _ in range(3):
        with database.transaction() as session:
            assert rates.allow(session, limits, "smtp", WARM, 10, now).count == 10
            assert rates.domains(session, limits, "smtp", readers, now) == {}
            rates.book(session, limits, "smtp", WARM, 10, now)
            assert rates.allow(session, limits, "smtp", WARM, 10, now).count == 0
            assert len(rates.domains(session, limits, "smtp", readers, now)) == 5
        with database.transaction() as session:
            settles(session, limits, [], now, now + ONE_HOUR, not_tried=readers)
            check_totals(session)
        now += ONE_HOUR
    with database.transaction() as session:
        sends(session, limits, 10, now)
        rates.domains(session, limits, "smtp", readers, now)
        settles(session, limits, readers[:6], now, now, not_tried=readers[6:])
        assert rates.allow(session, limits, "smtp", WARM, 10, now).count == 4
        assert sorted(rates.domains(session, limits, "smtp", readers, now)) == [4, 6, 8]


def test_what_comes_back_long_after_is_not_given_back_twice(sqlite_database: Database) -> None:
    limits = Limits(Windows(per_minute=10), warm_up=WarmUp(10, 2, 1000))
    with sqlite_database.transaction() as session:
        sends(session, limits, 10, NOW)
        much_later = NOW + timedelta(days=2)
        sends(session, limits, 3, much_later)
        settles(session, limits, 0, NOW, much_later, not_tried=10)
        assert rates.allow(session, limits, "smtp", WARM, 10, much_later).count == 7
        check_totals(session)


def test_domains_of_readers_have_limits_of_their_own(database: Database) -> None:
    limits = Limits(
        of_domains={"big.example": Windows(per_minute=3), "free.example": Windows()},
        other_domains=Windows(per_minute=1),
    )
    addresses = [
        *("a@big.example", "b@BIG.example", "c@small.example", "d@free.example", "e@big.example"),
        *("f@big.example", "g@free.example", "h@small.example", "i@tiny.example", "j@big.example"),
    ]
    with database.transaction() as session:
        later = rates.domains(session, limits, "smtp", addresses, NOW)
        assert sorted(later) == [5, 7, 9]
        assert all(NOW < until <= NOW + timedelta(seconds=62) for until in later.values())
        assert later[5] == later[9]
        assert rates.domains(session, limits, "sendgrid", addresses[:3], NOW) == {}, "each provider for itself"
    with database.transaction() as session:
        again = [addresses[index] for index in sorted(later)]
        assert sorted(rates.domains(session, limits, "smtp", again, NOW)) == [0, 1, 2]
        assert rates.domains(session, limits, "smtp", again, max(later.values())) == {}
        check_totals(session)


def test_one_domain_in_bulk_goes_as_fast_as_it_may(sqlite_database: Database) -> None:
    """500 readers of a domain that takes 100 an hour: five hours and a twelfth, and few comings and goings."""
    limits = Limits(of_domains={"big.example": Windows(per_hour=100)})
    waiting, now, calls = [f"{number}@big.example" for number in range(500)], NOW, 0
    with sqlite_database.transaction() as session:
        while waiting and calls < 20:
            later = rates.domains(session, limits, "smtp", waiting, now)
            settles(session, limits, [one for index, one in enumerate(waiting) if index not in later], now, now)
            waiting, calls = [waiting[index] for index in later], calls + 1
            now = min(later.values(), default=now)
    assert now - NOW <= timedelta(hours=4, minutes=5)
    assert calls == 5


def test_without_limits_nothing_is_read_or_written() -> None:
    session = Session()  # connected to nothing: a statement would raise
    assert rates.allow(session, NO_LIMITS, "smtp", WARM, 500, NOW) == Allowance(500)
    assert rates.domains(session, NO_LIMITS, "smtp", ["a@example.org"], NOW) == {}
    rates.book(session, NO_LIMITS, "smtp", WARM, 500, NOW)
    settles(session, NO_LIMITS, 500, NOW, NOW)
    assert not NO_LIMITS
    assert not Limits(of_domains={"big.example": Windows()})
    assert all(
        [
            Limits(overall=Windows(per_day=1)),
            Limits(of_domains={"big.example": Windows(per_day=1)}),
            Limits(other_domains=Windows(per_second=1)),
            Limits(warm_up=WarmUp(1, 2, 3)),
        ]
    )


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    limits = Limits(Windows(per_hour=10), {"big.example": Windows(per_hour=1)}, warm_up=WarmUp(12, 2, 100))
    with created_database("sqlite", tmp_path) as database, database.transaction() as session:
        assert sends(session, limits, 7, NOW).count == 7
        assert rates.domains(session, limits, "smtp", ["a@big.example"], NOW) == {}
    again = Database(f"sqlite:///{tmp_path / 'newsletter.db'}")
    with again.transaction() as session:
        assert rates.allow(session, limits, "smtp", WARM, 100, NOW + timedelta(minutes=30)).count == 3
        assert list(rates.domains(session, limits, "smtp", ["b@big.example"], NOW)) == [0]
        assert sends(session, limits, 100, NOW + timedelta(minutes=62)).count == 5
    again.close()


def test_workers_share_every_limit(database: Database) -> None:
    """Six workers at once, in no order: each limit is used up and none is passed; nobody waits for ever."""
    limits = Limits(
        Windows(per_hour=150, per_day=1000), other_domains=Windows(per_hour=20), warm_up=WarmUp(120, 2, 999)
    )
    names = [f"domain{number}.example" for number in range(10)]
    went: list[str] = []
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(15):
                wanted = [f"reader@{name}" for name in chance.choices(names, k=7)]
                with database.transaction() as session:
                    allowed = rates.allow(session, limits, "smtp", WARM, len(wanted), NOW)
                    claimed = wanted[: allowed.count]
                    later = rates.domains(session, limits, "smtp", claimed, NOW) if claimed else {}
                    going = [one for index, one in enumerate(claimed) if index not in later]
                    rates.book(session, limits, "smtp", WARM, len(going), NOW)
                back, sent = going[:1], going[1:]
                with database.transaction() as session:
                    settles(session, limits, sent, NOW, NOW + timedelta(minutes=1), not_tried=back)
                went.extend(sent)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []
    assert max(went.count(f"reader@{name}") for name in names) <= 20
    with database.transaction() as session:
        check_totals(session)
        assert rates.allow(session, limits, "smtp", WARM, 999, NOW).count == 120 - len(went), "counted to the last one"


@pytest.mark.parametrize("jump", [timedelta(seconds=1), ONE_HOUR, timedelta(days=2), timedelta(days=36_500)], ids=str)
def test_a_clock_that_was_wrong_stops_nothing_for_long(sqlite_database: Database, jump: timedelta) -> None:
    """What was counted in a future that did not come lasts for one window from now, and no longer."""
    limits = Limits(Windows(per_second=3, per_hour=10), {"big.example": Windows(per_hour=5)}, warm_up=WarmUp(10, 2, 99))
    wrong = NOW + jump
    with sqlite_database.transaction() as session:
        for seconds in range(4):
            sends(session, limits, 3, wrong + timedelta(seconds=40 * seconds))
        rates.domains(session, limits, "smtp", ["a@big.example"] * 5, wrong)
        assert rates.allow(session, limits, "smtp", WARM, 10, NOW).count == 0
        assert len(rates.domains(session, limits, "smtp", ["b@big.example"], NOW)) == 1
        after = NOW + timedelta(days=1, minutes=5)
        assert sends(session, limits, 3, after).count == 3
        assert rates.domains(session, limits, "smtp", ["b@big.example"], after) == {}
        check_totals(session)


def test_old_rows_are_removed(sqlite_database: Database) -> None:
    limits = Limits(Windows(per_second=9, per_hour=10_000), {"big.example": Windows(per_hour=5)})
    with sqlite_database.transaction() as session:
        for minutes in range(600):
            now = NOW + timedelta(minutes=minutes)
            sends(session, limits, 1, now)
            rates.domains(session, limits, "smtp", ["a@big.example"], now)
            settles(session, limits, ["a@big.example"], now, now + timedelta(seconds=1))
        assert session.exec(select(func.count()).select_from(RateUse)).one() < 3 * 125
        check_totals(session)


def test_names_too_long_for_the_column_are_cut(database: Database) -> None:
    provider = "newsroom.providers:" + "P" * 400
    limits = Limits(Windows(per_hour=5), other_domains=Windows(per_hour=1), warm_up=WarmUp(9, 2, 99))
    with database.transaction() as session:
        assert sends(session, limits, 9, NOW, provider=provider).count == 5
        assert list(rates.domains(session, limits, provider, ["a@example.org", "b@example.org"], NOW)) == [1]
    assert SQLModel.metadata.tables["rate_use"].c.scope.type.length == 400  # type: ignore[attr-defined]


def sent_by_day(session: Session, plan: WarmUp, wanted: Sequence[int]) -> list[int]:
    """Return how many mails go out on each day on which so many wait."""
    limits, sent = Limits(warm_up=plan), []
    for day, waiting in enumerate(wanted):
        total, now = 0, NOW + timedelta(days=day)
        for hours in (0, 1):  # a second time on the same day brings nothing more
            total += sends(session, limits, waiting - total, now + timedelta(hours=hours)).count
        sent.append(total)
    return sent


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        pytest.param([9000] * 8, [50, 100, 200, 400, 800, 9000, 9000, 9000], id="doubles, then no ceiling"),
        pytest.param([9000, 0, 9000, 0, 0, 9000], [50, 0, 100, 0, 0, 200], id="a day without mail changes nothing"),
        pytest.param([9000, 9000, 60, 9000], [50, 100, 60, 200], id="a day with little loses nothing"),
        pytest.param([10, 10, 10, 9000], [10, 10, 10, 50], id="small days do not jump ahead"),
        pytest.param([30, 30, 9000, 9000], [30, 30, 60, 120], id="more than first was seen"),
    ],
)
def test_warming_up(sqlite_database: Database, wanted: list[int], sent: list[int]) -> None:
    """trust 1.2: the ceiling follows what mailbox providers saw on the best day so far."""
    with sqlite_database.transaction() as session:
        assert sent_by_day(session, WarmUp(50, 2, 1000), wanted) == sent


def test_a_slow_plan_always_grows(sqlite_database: Database) -> None:
    with sqlite_database.transaction() as session:
        sent = sent_by_day(session, WarmUp(1, 1.1, 50), [1000] * 40)
        days = session.exec(select(func.count()).select_from(RateUse)).one()
    assert sent[0] == 1
    assert all(before < after for before, after in pairwise(sent) if before < 1000)
    assert sent[-1] == 1000
    assert days <= 3, "days that are over are one number"


def test_each_domain_warms_up_at_each_provider(sqlite_database: Database) -> None:
    limits = Limits(warm_up=WarmUp(5, 2, 100))
    with sqlite_database.transaction() as session:
        for provider, domain in (("smtp", "a.example"), ("smtp", "b.example"), ("sendgrid", "a.example")):
            assert rates.allow(session, limits, provider, domain, 9, NOW).count == 5
            rates.book(session, limits, provider, domain, 5, NOW)
            allowed = rates.allow(session, limits, provider, domain.upper(), 9, NOW)
            assert allowed == Allowance(0, datetime(2026, 11, 23, tzinfo=UTC))


def test_a_days_ceiling_survives_a_clock_put_back_over_midnight(sqlite_database: Database) -> None:
    limits, midnight = Limits(warm_up=WarmUp(50, 2, 1000)), datetime(2026, 11, 23, tzinfo=UTC)
    with sqlite_database.transaction() as session:
        assert sends(session, limits, 20, midnight).count == 20
        assert sends(session, limits, 500, midnight - ONE_HOUR).count == 30
        assert sends(session, limits, 500, midnight).count == 100
