"""F6: a stream of events as a provider sends it on a bad day, against an oracle that reads it at leisure."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from newsletter import feedback
from newsletter.db import Database
from newsletter.feedback import take_in
from newsletter.mail import Kind
from newsletter.models import Delivery
from newsletter.providers.events import Event
from subscribers.models import Subscription, SubscriptionState
from tests.builders import NOW
from tests.databases import created_database
from tests.reported import ACCEPTED, UNCERTAIN, Out, out

#: What becomes of a mail, as its provider would report it, and how often.
COURSES = {
    (Kind.PROCESSED, Kind.DELIVERED): 60,
    (Kind.PROCESSED, Kind.DEFERRED, Kind.DEFERRED, Kind.DELIVERED, Kind.OPENED): 15,
    (Kind.PROCESSED, Kind.DELIVERED, Kind.OPENED, Kind.CLICKED): 10,
    (Kind.PROCESSED, Kind.BOUNCED): 5,
    (Kind.PROCESSED, Kind.DELIVERED, Kind.BOUNCED): 2,
    (Kind.PROCESSED, Kind.DEFERRED, Kind.BLOCKED): 4,
    (Kind.DROPPED,): 2,
    (Kind.PROCESSED, Kind.DELIVERED, Kind.COMPLAINED): 1,
    (Kind.PROCESSED, Kind.DELIVERED, Kind.UNSUBSCRIBED): 1,
}
#: How far a mail got, from the least; written down once more, so that a slip in the product's table shows.
FURTHEST = (
    *("processed", "deferred", "dropped", "delivered", "opened", "clicked", "blocked", "bounced", "unsubscribed"),
    "complained",
)


@dataclass
class Oracle:
    """What the events of a stream come to, told from the set of them."""

    reported: dict[int, str] = field(default_factory=lambda: defaultdict(str))
    suppressed: set[str] = field(default_factory=set)
    left: set[int] = field(default_factory=set)

    def see(self, number: int, kind: Kind) -> None:
        far = self.reported[number]
        if not far or FURTHEST.index(kind) > FURTHEST.index(far):
            self.reported[number] = str(kind)
        if kind in {Kind.BOUNCED, Kind.COMPLAINED, Kind.DROPPED}:
            self.suppressed.add(f"r{number}@example.org")
        if kind in {Kind.COMPLAINED, Kind.UNSUBSCRIBED}:
            self.left.add(number)


def stream(issue: Out, mails: int, rng: random.Random) -> Iterator[tuple[int, Event]]:
    """Yield (reader, event) as they happen; one in ten came back without our name and one in fifty without any trace."""
    for number in range(mails):
        [course] = rng.choices(list(COURSES), list(COURSES.values()))
        for step, kind in enumerate(course):
            event = issue.event(
                number,
                kind,
                id=f"{number}-{step}",
                at=NOW + timedelta(seconds=step * 60 + rng.randrange(30)),
                reference=f"request.{number % 20}.{number}",
                detail="Bounced Address" if kind is Kind.DROPPED else f"{kind} as the server said",
                raw={"event": str(kind), "sg_event_id": f"{number}-{step}"},
            )
            lost = rng.random()
            if lost < 0.02:
                event = replace(event, delivery_id="", attempt=0, reference="")
            elif lost < 0.12:
                event = replace(event, delivery_id="", attempt=0)
            yield number, event


def requests(events: list[Event], rng: random.Random) -> Iterable[list[Event]]:
    """Yield the events as a provider posts them: 30 in 100 twice, in any order, a handful or hundreds together."""
    posted = events + rng.sample(events, len(events) * 3 // 10)
    rng.shuffle(posted)
    while posted:
        size = rng.choice([1, 50, 200, 500])
        yield posted[:size]
        posted = posted[size:]


@pytest.mark.parametrize(
    ("kind", "mails"),
    [("sqlite", 8_000), pytest.param("postgresql", 1_500, marks=pytest.mark.postgresql)],
)
def test_a_bad_day_ends_as_the_oracle_says(kind: str, mails: int, tmp_path: Path) -> None:
    """F6: 30 % twice, in any order, 5 % lost, ids missing; then 1,000 of them replayed leave everything as it is."""
    with created_database(kind, tmp_path) as db:
        issue, rng, oracle = _issue(db, mails), random.Random(6), Oracle()
        kept = [(number, event) for number, event in stream(issue, mails, rng) if rng.random() >= 0.05]
        for number, event in kept:
            if event.delivery_id or event.reference:
                oracle.see(number, event.kind)
        events = [event for _, event in kept]
        settled = sum(take_in(db, "p", one, NOW + timedelta(days=1)).settled for one in requests(events, rng))
        _compare(issue, oracle, settled)
        assert len(issue.stored()) == len(events)
        before = issue.dump()
        replayed = rng.sample(events, min(1_000, len(events)))
        for start in range(0, len(replayed), 50):
            assert take_in(db, "p", replayed[start : start + 50], NOW + timedelta(days=2)).new == 0
        assert issue.dump() == before


def _issue(db: Database, mails: int) -> Out:
    """Make an issue of which one mail in twenty is uncertain, and the provider's ids of the others are known."""
    issue = out(db, mails)
    with db.transaction() as session:
        for row in session.exec(select(Delivery)):
            number = row.id - issue.deliveries[0]
            row.reference = f"request.{number % 20}"
            row.state = ACCEPTED if number % 20 else UNCERTAIN
            session.add(row)
    return issue


def _compare(issue: Out, oracle: Oracle, settled: int) -> None:
    rows = issue.rows()
    assert {number: row.reported for number, row in enumerate(rows) if row.reported} == oracle.reported
    accepted = {number for number, row in enumerate(rows) if row.state is ACCEPTED}
    assert accepted == {number for number in range(len(rows)) if number % 20 or number in oracle.reported}
    assert settled == sum(number % 20 == 0 for number in oracle.reported)
    assert set(issue.suppressions()) == oracle.suppressed
    assert _left(issue) == {issue.subscribers[number] for number in oracle.left}
    with issue.db.reading() as session:
        figures = feedback.reported(session, issue.issue_id)
    counts = Counter(oracle.reported.values())
    assert (figures.bounced, figures.complained, figures.duplicates) == (counts["bounced"], counts["complained"], 0)


def _left(issue: Out) -> set[int]:
    with issue.db.reading() as session:
        query = select(Subscription.subscriber_id).where(Subscription.state == SubscriptionState.LEFT)
        return set(session.exec(query))
