"""What readers choose is what is sent (U7): pauses, one issue a month, text alone; and whom an edition means."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, func, select, update

from newsletter import delivery
from newsletter.db import Database
from newsletter.delivery import Carrier, Post, ledger
from newsletter.delivery.audience import Besides, BrokenAudience, besides, is_first_of_month, month_around
from newsletter.delivery.forecast import Forecast, forecast
from newsletter.delivery.ledger.values import Terms
from newsletter.delivery.planning import plan
from newsletter.delivery.undoing import undo
from newsletter.errors import Refused
from newsletter.mail import Mail, Outcome, Recipient, Status
from newsletter.models import Chunk, Delivery, DeliveryState, Edition, Issue, IssueState
from newsletter.testing import MemoryProvider
from subscribers import consent, tags
from subscribers.models import Subscriber, Subscription
from tests.builders import NOW, Newsroom, reader
from tests.waiting import AT, BASE, BEFORE, NAME, SIGNER, Later, approved, issue_of, send, states

S = DeliveryState
DAY = timedelta(days=1)
FOREVER = datetime(2099, 1, 1, tzinfo=UTC)


def choose(database: Database, *numbers: int, **values: Any) -> None:
    """Let readers such as r0@example.org choose."""
    with database.transaction() as session:
        chosen(session, *numbers, **values)


def chosen(session: Session, *numbers: int, **values: Any) -> None:
    addresses = [f"r{number}@example.org" for number in numbers]
    ids = select(Subscriber.id).where(col(Subscriber.address_key).in_(addresses))
    table, key = (Subscription, Subscription.subscriber_id) if "monthly" in values else (Subscriber, Subscriber.id)
    changed = session.execute(update(table).where(col(key).in_(ids)).values(**values))
    assert changed.rowcount == len(numbers)  # type: ignore[attr-defined]


def edit(database: Database, **values: Any) -> None:
    """Give the edition other settings."""
    with database.transaction() as session:
        edition = session.exec(select(Edition)).one()
        for name, value in values.items():
            setattr(edition, name, value)


def sent_to(database: Database, issue_id: int, now: datetime = AT) -> set[str]:
    """Send the issue and return the part before the @ of who got it."""
    provider = MemoryProvider(chunk_size=2)
    report = delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: now, name=NAME), by_hand=True)
    assert report.tally.adds_up
    assert max(Counter(one.address for one in provider.sent).values(), default=1) == 1
    return {one.address.partition("@")[0] for one in provider.sent}


def told(database: Database, issue_id: int, now: datetime = AT, *, ahead: bool = False) -> Forecast:
    with database.reading() as session:
        carrier = Carrier(Later(), NAME)
        return forecast(session, session.get_one(Issue, issue_id), carrier, now, ahead=ahead)


def details(database: Database) -> dict[str, str]:
    query = select(Subscriber.address, Delivery.detail).where(
        Delivery.subscriber_id == Subscriber.id, Delivery.state == S.SUPPRESSED
    )
    with database.reading() as session:
        return dict(session.exec(query).all())


def planned(database: Database, issue_id: int, now: datetime = AT) -> int:
    with database.transaction() as session:
        return plan(session, session.get_one(Issue, issue_id), 2, now)


# Pauses.


@pytest.mark.parametrize(
    ("until", "gets"), [(AT - DAY, True), (AT, True), (AT + timedelta(seconds=1), False), (FOREVER, False)]
)
def test_u7_who_pauses_gets_nothing_until_the_pause_is_over(database: Database, until: datetime, gets: bool) -> None:
    issue_id = approved(database, readers=2)
    choose(database, 1, paused_until=until)
    expected = told(database, issue_id)
    assert (expected.readers, expected.paused) == ((2, 0) if gets else (1, 1))
    assert sent_to(database, issue_id) == ({"r0", "r1"} if gets else {"r0"})
    with database.reading() as session:
        assert session.exec(select(func.count()).select_from(Delivery)).one() == expected.readers


@pytest.mark.parametrize(
    ("until", "gets"), [(BEFORE + timedelta(minutes=1), True), (AT, True), (AT + timedelta(minutes=1), False)]
)
def test_u7_what_is_handed_over_in_advance_goes_by_its_own_time(
    database: Database, until: datetime, gets: bool
) -> None:
    """A pause that is over when the provider sends it keeps nobody from getting it."""
    issue_id, provider = approved(database, readers=2), Later()
    choose(database, 1, paused_until=until)
    assert told(database, issue_id, BEFORE, ahead=True).readers == 1 + gets
    assert told(database, issue_id, BEFORE).readers == 1  # sent now, they still pause
    send(database, issue_id, provider)
    assert set(provider.goes_out) == {"r0@example.org", *(["r1@example.org"] if gets else [])}


def test_f7_who_pauses_between_planning_and_claim_gets_nothing(database: Database) -> None:
    issue_id = approved(database, readers=5)
    assert planned(database, issue_id) == 5
    choose(database, 1, 4, paused_until=FOREVER)
    with database.transaction() as session:
        [left] = session.exec(select(Subscription.id).where(Subscription.subscriber_id == 3)).all()
        consent.leave(session, subscription_id=left, now=AT, source="page")
        chosen(session, 2, paused_until=FOREVER)  # who left and pauses has left
    assert told(database, issue_id).readers == 2
    assert sent_to(database, issue_id) == {"r0", "r3"}
    paused, gone = "paused before it was sent", "left or suppressed before it was sent"
    assert details(database) == {"r1@example.org": paused, "r4@example.org": paused, "r2@example.org": gone}
    assert issue_of(database, issue_id).expected == 5


def test_f7_pausing_and_claiming_wait_for_each_other(database: Database) -> None:
    """Either the claim sees the pause, or the pause comes after the claim: half of it is nothing."""
    issue_id = approved(database, readers=40)
    planned(database, issue_id)
    provider = MemoryProvider(chunk_size=2)
    paused: dict[str, int] = {}

    def pause() -> None:
        for number in range(0, 40, 2):
            choose(database, number, paused_until=FOREVER)
            paused[f"r{number}@example.org"] = len(provider.calls)

    pausing = threading.Thread(target=pause)
    pausing.start()
    post = Post(provider, SIGNER, BASE, lambda: AT, name=NAME, lanes=2)
    report = delivery.send(database, issue_id, post, by_hand=True)
    pausing.join()
    assert report.tally.adds_up
    got = {one.address: at for at, one in enumerate(provider.sent)}
    assert {f"r{number}@example.org" for number in range(1, 40, 2)} <= set(got)
    assert report.tally.accepted + report.tally.suppressed == 40
    # A pause that was committed when so many calls had begun is seen by every claim that came after the lanes' next.
    late = [address for address, calls in paused.items() if address in got and got[address] // 2 > calls + 2]
    assert late == []


# One issue a month.


def add_issue(database: Database, week: str, send_at: datetime, state: IssueState = IssueState.APPROVED) -> int:
    """Add an issue like the one there is, for another week; begun ones are planned."""
    with database.transaction() as session:
        model = session.exec(select(Issue).order_by(col(Issue.id))).first()
        assert model is not None
        values = model.model_dump(exclude={"id", "week", "number"}) | {"send_at": send_at, "week": week}
        row = Issue(**(values | {"state": IssueState.APPROVED, "scheduled_for": None, "sent_at": None}))
        session.add(row)
        session.flush()
        if state is not IssueState.APPROVED:
            plan(session, row, 2, send_at)
            row.state = state
        return row.id


@pytest.mark.parametrize(
    ("state", "send_at", "first"),
    [
        (IssueState.SENT, datetime(2026, 11, 1, 6, tzinfo=UTC), False),
        (IssueState.SENDING, datetime(2026, 11, 14, 6, tzinfo=UTC), False),
        (IssueState.CANCELLED, datetime(2026, 11, 14, 6, tzinfo=UTC), True),
        (IssueState.APPROVED, datetime(2026, 11, 14, 6, tzinfo=UTC), True),
        (IssueState.SENT, datetime(2026, 10, 31, 22, 59, tzinfo=UTC), True),  # 23:59 in Berlin
        (IssueState.SENT, datetime(2026, 10, 31, 23, 0, tzinfo=UTC), False),  # midnight there: November
        (IssueState.SENT, datetime(2026, 11, 28, 6, tzinfo=UTC), False),  # the other one went out before this one
        (IssueState.SENT, datetime(2026, 11, 30, 23, 0, tzinfo=UTC), True),
    ],
)
def test_u7_monthly_readers_get_the_first_issue_of_a_month(
    sqlite_database: Database, state: IssueState, send_at: datetime, first: bool
) -> None:
    database = sqlite_database
    issue_id = approved(database, readers=3)
    edit(database, monthly=True)
    add_issue(database, "2026-W40", send_at, state)
    choose(database, 1, monthly=True)
    expected = told(database, issue_id)
    assert (expected.readers, expected.not_due) == ((3, 0) if first else (2, 1))
    assert sent_to(database, issue_id) == ({"r0", "r1", "r2"} if first else {"r0", "r2"})
    with database.reading() as session:
        issue, edition = session.get_one(Issue, issue_id), session.exec(select(Edition)).one()
        assert is_first_of_month(session, issue, edition) is first  # and it stays so once it was sent


def test_u7_an_edition_that_does_not_offer_it_any_more_sends_every_issue(database: Database) -> None:
    issue_id = approved(database, readers=2)
    add_issue(database, "2026-W40", AT - 7 * DAY, IssueState.SENT)
    choose(database, 0, 1, monthly=True)
    assert sent_to(database, issue_id) == {"r0", "r1"}


def test_u7_each_month_has_one_issue_whichever_is_sent_first(database: Database) -> None:
    """Also where an older one, long held, goes out while the newer one is being sent."""
    newer = approved(database, readers=2)
    edit(database, monthly=True)
    older = add_issue(database, "2026-W40", AT - 7 * DAY)
    choose(database, 1, monthly=True)
    planned(database, newer)
    planned(database, older)
    assert sent_to(database, older) == {"r0"}
    assert sent_to(database, newer) == {"r0", "r1"}


def test_u7_who_chooses_monthly_between_planning_and_claim_is_spared(database: Database) -> None:
    issue_id = approved(database, readers=2)
    edit(database, monthly=True)
    add_issue(database, "2026-W40", AT - 7 * DAY, IssueState.SENT)
    planned(database, issue_id)
    choose(database, 1, monthly=True)
    assert sent_to(database, issue_id) == {"r0"}
    assert "one issue a month" in details(database)["r1@example.org"]


def test_a_month_is_that_of_the_time_zone() -> None:
    """With its change of clocks, and over the end of the year."""
    berlin = month_around(datetime(2026, 10, 31, 23, 30, tzinfo=UTC), "Europe/Berlin")
    assert berlin == (datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC))
    assert month_around(datetime(2026, 12, 31, 12, tzinfo=UTC), "Pacific/Auckland") == (
        datetime(2026, 12, 31, 11, tzinfo=UTC),
        datetime(2027, 1, 31, 11, tzinfo=UTC),
    )
    assert month_around(datetime(2026, 10, 15, tzinfo=UTC), "Europe/Berlin") == (
        datetime(2026, 9, 30, 22, tzinfo=UTC),
        datetime(2026, 10, 31, 23, tzinfo=UTC),
    )


# Whom the edition means.


def tag(database: Database, name: str, *numbers: int) -> None:
    with database.transaction() as session:
        mine = col(Subscriber.address_key).in_([f"r{number}@example.org" for number in numbers])
        tags.add_tag(session, name, select_columns(col(Subscriber.id).label("reader_id")).where(mine), NOW)


def test_an_audience_narrows_the_list(database: Database) -> None:
    issue_id = approved(database, readers=5)
    tag(database, "staff", 1, 3)
    edit(database, audience="-tag:staff")
    choose(database, 3, 4, paused_until=FOREVER)
    expected = told(database, issue_id)
    assert (expected.readers, expected.paused, expected.outside) == (2, 2, 1)
    assert sent_to(database, issue_id) == {"r0", "r2"}


def test_an_audience_may_ask_what_readers_did(database: Database) -> None:
    """The terms of engagement count: `sent` is who got an issue before."""
    first = approved(database, readers=3)
    choose(database, 2, paused_until=FOREVER)
    sent_to(database, first)
    choose(database, 2, paused_until=None)
    edit(database, audience="-sent")
    assert sent_to(database, add_issue(database, "2026-W48", AT + 7 * DAY), AT + 7 * DAY) == {"r2"}


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_broken_audience_holds_the_issue_and_is_sent_to_nobody(database: Database, by_hand: bool) -> None:
    issue_id = approved(database, readers=2)
    tag(database, "staff", 0)
    edit(database, audience="-tag:staff")
    with database.transaction() as session:
        tags.delete_tag(session, "staff")
    with pytest.raises(BrokenAudience, match="there is no tag called .staff."):
        told(database, issue_id)
    provider = MemoryProvider()
    post = Post(provider, SIGNER, BASE, lambda: AT, name=NAME)
    with pytest.raises(Refused, match="Nothing is sent: whom Fen Weekly goes to cannot be told"):
        delivery.send(database, issue_id, post, by_hand=by_hand)
    issue = issue_of(database, issue_id)
    assert (issue.state, provider.sent) == (IssueState.APPROVED, [])
    assert issue.reason.startswith("held: Nothing is sent")
    edit(database, audience="")
    assert sent_to(database, issue_id) == {"r0", "r1"}


def test_a_changed_audience_counts_when_an_issue_that_was_taken_back_is_sent_again(database: Database) -> None:
    issue_id, provider = approved(database, readers=4), Later()
    send(database, issue_id, provider)
    undo(database, issue_id, {NAME: provider}, lambda: BEFORE, "ed", wait=lambda _: None)
    tag(database, "staff", 1, 2)
    edit(database, audience="-tag:staff")
    assert told(database, issue_id, BEFORE).readers == 2
    again = send(database, issue_id, provider, BEFORE + timedelta(minutes=5))
    assert (again.tally.accepted, again.tally.suppressed, again.tally.expected) == (2, 2, 4)
    assert provider.goes_out == {"r0@example.org": 1, "r3@example.org": 1}


def test_who_does_not_get_an_issue_is_counted_once(database: Database) -> None:
    """On the list and confirmed = readers + paused + not due + outside: forecast and plan agree."""
    issue_id = approved(database, readers=12)
    add_issue(database, "2026-W40", AT - 7 * DAY, IssueState.SENT)
    edit(database, monthly=True, audience="-tag:staff")
    choose(database, 0, 1, 2, paused_until=FOREVER)
    choose(database, 2, 3, 4, 5, monthly=True)
    tag(database, "staff", 0, 5, 6, 7)
    expected = told(database, issue_id)
    assert (expected.paused, expected.not_due, expected.outside, expected.readers) == (3, 3, 2, 4)
    with database.reading() as session:
        found = besides(session, session.get_one(Issue, issue_id), session.exec(select(Edition)).one(), AT)
    assert found == Besides(paused=3, not_due=3, outside=2)
    assert planned(database, issue_id) == expected.readers


def test_nobody_left_to_send_to_is_told_with_why(database: Database) -> None:
    issue_id = approved(database, readers=2)
    choose(database, 0, paused_until=FOREVER)
    edit(database, audience="tag:vip")
    tag(database, "vip")
    tag(database, "vip", 0)
    with pytest.raises(Refused, match="1 pause, 0 get the first issue of a month only, 1 are outside"):
        planned(database, issue_id)
    assert issue_of(database, issue_id).state is IssueState.APPROVED


# Text alone.


class Looking:
    """A provider that keeps which addresses came with html and which without, call by call."""

    chunk_size = 2

    def __init__(self, *statuses: Status) -> None:
        self.calls: list[tuple[bool, list[str]]] = []
        self.statuses = list(statuses)

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        assert mail.text
        self.calls.append((bool(mail.html), [one.address.partition("@")[0] for one in recipients]))
        status = self.statuses.pop(0) if self.statuses else Status.ACCEPTED
        return [Outcome(one.delivery_id, status, "said") for one in recipients]

    def with_html(self, wanted: bool) -> list[str]:
        return sorted(name for html, names in self.calls for name in names if html is wanted)


def look(database: Database, issue_id: int, provider: Looking, now: datetime = AT) -> delivery.SendReport:
    report = delivery.send(database, issue_id, Post(provider, SIGNER, BASE, lambda: now, name=NAME), by_hand=True)
    assert report.tally.adds_up
    return report


def test_u7_who_wants_text_alone_gets_no_html(database: Database) -> None:
    issue_id, provider = approved(database, readers=7), Looking()
    choose(database, 1, 3, 4, text_only=True)
    look(database, issue_id, provider)
    assert provider.with_html(False) == ["r1", "r3", "r4"]
    assert provider.with_html(True) == ["r0", "r2", "r5", "r6"]
    with database.reading() as session:
        chunks = session.exec(select(Chunk.n, Chunk.text_only).order_by(col(Chunk.n))).all()
    assert chunks == [(0, False), (1, False), (2, True), (3, True)]


def test_u7_everybody_may_want_text_alone(database: Database) -> None:
    issue_id, provider = approved(database, readers=3), Looking()
    choose(database, 0, 1, 2, text_only=True)
    assert look(database, issue_id, provider).tally.accepted == 3
    assert provider.with_html(True) == []


def test_u7_a_choice_between_planning_and_claim_counts(database: Database) -> None:
    """The reader moves to a chunk of the other form; nobody gets two."""
    issue_id, provider = approved(database, readers=6), Looking()
    choose(database, 4, 5, text_only=True)
    planned(database, issue_id)
    choose(database, 0, 1, 2, text_only=True)
    choose(database, 5, text_only=False)
    assert look(database, issue_id, provider).tally.accepted == 6
    assert provider.with_html(False) == ["r0", "r1", "r2", "r4"]
    assert provider.with_html(True) == ["r3", "r5"]


@pytest.mark.parametrize("status", [Status.DEFERRED, Status.NOT_TRIED])
def test_u7_who_is_tried_again_gets_text_alone_again(database: Database, status: Status) -> None:
    issue_id, provider = approved(database, readers=2), Looking(status)
    choose(database, 0, 1, text_only=True)
    look(database, issue_id, provider)
    assert look(database, issue_id, provider, AT + timedelta(hours=1)).tally.accepted == 2
    assert provider.calls == [(False, ["r0", "r1"])] * 2
    with database.reading() as session:
        assert set(session.exec(select(Chunk.text_only))) == {True}


def test_u7_a_part_of_a_chunk_keeps_its_form(database: Database) -> None:
    issue_id = approved(database, readers=5)
    choose(database, *range(5), text_only=True)
    with database.transaction() as session:
        plan(session, session.get_one(Issue, issue_id), 5, AT)
    for _ in range(5):
        with database.transaction() as session:
            claimed = ledger.claim(session, issue_id, "w", AT, Terms(provider=NAME, full=1))
        assert claimed is not None
        assert (claimed.text_only, len(claimed.readers)) == (True, 1)


def test_u7_an_uncertain_reader_who_is_sent_to_again_gets_their_form(database: Database) -> None:
    issue_id, provider = approved(database, readers=4), Looking(Status.UNCERTAIN, Status.UNCERTAIN)
    choose(database, 0, 1, text_only=True)
    look(database, issue_id, provider)
    with database.transaction() as session:
        delivery.plan_again(session, session.get_one(Issue, issue_id), S.UNCERTAIN, AT, "ann")
    look(database, issue_id, provider)
    assert provider.with_html(False) == ["r0", "r0", "r1", "r1"]
    assert provider.with_html(True) == ["r2", "r2", "r3", "r3"]
    assert set(states(database).values()) == {S.ACCEPTED}


def test_who_joined_since_an_undo_is_planned_in_their_form(database: Database) -> None:
    issue_id, provider = approved(database, readers=2), Later()
    choose(database, 0, text_only=True)
    send(database, issue_id, provider)
    undo(database, issue_id, {NAME: provider}, lambda: BEFORE, "ed", wait=lambda _: None)
    with database.transaction() as session:
        edition = session.exec(select(Edition)).one()
        made = Newsroom(edition.id, edition.list_id, 0, 0)
        for name in ("new", "plain"):
            reader(session, made, f"{name}@example.org")
        session.execute(update(Subscriber).where(col(Subscriber.address) == "plain@example.org").values(text_only=True))
    looking = Looking()
    look(database, issue_id, looking)
    assert (looking.with_html(False), looking.with_html(True)) == (["plain", "r0"], ["new", "r1"])
