"""F7: readers who leave, or pause, while the issue is being sent."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import col, select

from newsletter import delivery
from newsletter.app import App
from newsletter.db import Database
from newsletter.delivery import Post
from newsletter.mail import Mail, Outcome, Recipient, Status, outcome_for_all
from newsletter.models import Attempt, Delivery
from subscribers import consent
from subscribers.models import Subscriber, Subscription
from tests.faults.figures import Figures
from tests.faults.judging import judge
from tests.faults.newsroom import Clock, Template, opened

_CHUNK = 5
_LONG_AFTER = datetime(2099, 1, 1, tzinfo=UTC)


class Everybody:
    """A provider that takes everybody, and remembers the names."""

    chunk_size = _CHUNK

    def __init__(self) -> None:
        self.names: list[str] = []
        self._lock = threading.Lock()

    def send(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Outcome]:
        with self._lock:
            self.names += [one.delivery_id for one in recipients]
        return outcome_for_all(recipients, Status.ACCEPTED, "taken")


def leaving_while_it_is_sent(template: Template, folder: Path, *, races: int, seed: int = 1) -> Figures:
    """Half of the readers leave or pause, one after the other, while two lanes send; again until there were so many."""
    figures = Figures("F7", "leaving while it is sent", template.kind, more={"mailed_before": 0, "spared": 0})
    chance = random.Random(seed)
    started = time.monotonic()
    while figures.cases < races:
        with template.copy(folder / f"run-{figures.cases}") as installation, opened(installation) as app:
            _race(app, installation.issue_id, figures, chance)
    figures.seconds = round(time.monotonic() - started, 1)
    return figures


def _race(app: App, issue_id: int, figures: Figures, chance: random.Random) -> None:
    provider, clock = Everybody(), Clock()
    post = Post(provider, app.signer, "https://news.example.org", clock, lanes=2)
    with app.db.reading() as session:
        everybody = list(session.exec(select(Subscription.id, Subscription.subscriber_id)))
    going = chance.sample(everybody, len(everybody) // 2)
    gone: dict[int, datetime] = {}
    leaving = threading.Thread(target=_leave, args=(app.db, going, clock, gone))
    leaving.start()
    report = delivery.send(app.db, issue_id, post, by_hand=True)
    leaving.join()
    judged = judge(app.db, issue_id, Counter(provider.names))
    figures.add(judged)
    figures.cases += len(gone)
    figures.problems += _mailed_too_late(app.db, issue_id, gone, figures)
    if not report.tally.adds_up:
        figures.problems.append(report.tally.identity)


def _leave(db: Database, going: Sequence[tuple[int, int]], clock: Clock, gone: dict[int, datetime]) -> None:
    """Take readers off the list one by one, or let them pause; keep when each was gone for certain."""
    for number, (subscription, subscriber) in enumerate(going):
        with db.transaction() as session:
            if number % 2:
                session.get_one(Subscriber, subscriber).paused_until = _LONG_AFTER
            else:
                consent.leave(session, subscription_id=subscription, now=clock(), source="test")
        gone[subscriber] = clock()


def _mailed_too_late(db: Database, issue_id: int, gone: dict[int, datetime], figures: Figures) -> list[str]:
    """Return whom a claim took that began after they were gone."""
    query = (
        select(Delivery.subscriber_id, Attempt.at)
        .join(Attempt, col(Attempt.id) == col(Delivery.attempt))
        .where(col(Delivery.issue_id) == issue_id)
    )
    with db.reading() as session:
        began = dict(session.exec(query).all())
    figures.more["mailed_before"] += sum(1 for subscriber in gone if subscriber in began)
    figures.more["spared"] += sum(1 for subscriber in gone if subscriber not in began)
    wrong = [subscriber for subscriber, at in gone.items() if subscriber in began and at < began[subscriber]]
    return [f"{len(wrong)} readers got it who had left before the claim began"] if wrong else []
