"""The ways to send an issue, what each promises after a crash, and what settles whom a crash left uncertain."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from newsletter import delivery
from newsletter.app import App
from newsletter.models import Issue
from newsletter.testing.sendgrid import Fault
from tests.faults.newsroom import Clock, Installation, another_issue
from tests.faults.sides import SendGridSide, Side, maildir_side, sendgrid_side, smtp_side
from tests.faults.worker import until_sent

#: How long before its hour an issue is handed over.
AHEAD = timedelta(hours=6)
#: Of each worker of SMTP, each with one mail whose answer it waits for.
_CONNECTIONS = 2
#: Seconds: until events are there; until their silence means something.
_SOON, _LONG = 60.0, 1_860.0
_ROUNDS = 6


@dataclass(frozen=True)
class Mode:
    """One way to send, and what it promises."""

    name: str
    side: Callable[[], AbstractContextManager[Any]]
    #: The same, taking a moment for every answer, so that a kill can come between a mail and its answer.
    slow_side: Callable[[], AbstractContextManager[Any]]
    #: Readers that one killed worker may leave uncertain; None: the chunk it had.
    window: int | None = None
    events: bool = False
    in_advance: bool = False

    @property
    def settles_all(self) -> bool:
        """Whether nobody is uncertain in the end."""
        return self.events or self.in_advance

    def broken_promises(self, killed: int, held: int, held_in_the_end: int, chunk: int) -> list[str]:
        """Return what a run has more of than was promised: readers held by the crash, and in the end."""
        found, most = [], killed * (self.window or chunk)
        if held > most:
            found.append(f"{held} readers are held after {killed} kills; at most {most} were promised")
        if held_in_the_end and self.settles_all:
            found.append(f"{held_in_the_end} readers are held in the end")
        return found


_slow_smtp = partial(smtp_side, slow=0.003)
_slow_sendgrid = partial(sendgrid_side, Fault(delay=0.02))
_SENDGRID = sendgrid_side, _slow_sendgrid
MODES = (
    Mode("smtp", smtp_side, _slow_smtp, window=_CONNECTIONS),
    Mode("maildir", maildir_side, maildir_side, window=1),
    Mode("sendgrid, no events", *_SENDGRID),
    Mode("sendgrid, events", *_SENDGRID, events=True),
    Mode("sendgrid, in advance", *_SENDGRID, in_advance=True),
)


def uncertain(app: App, issue_id: int) -> int:
    """Return how many readers of an issue are uncertain."""
    with app.db.reading() as session:
        return delivery.tally(session, session.get_one(Issue, issue_id)).uncertain


def settle(mode: Mode, side: Side, app: App, clock: Clock, installation: Installation) -> None:
    """Let come what settles the uncertain in the hours after."""
    if mode.events and isinstance(side, SendGridSide):
        _after_events(side, app, clock, installation)
    if mode.in_advance:
        _after_its_hour(side, app, clock, installation.issue_id)


def _after_events(side: SendGridSide, app: App, clock: Clock, installation: Installation) -> None:
    """Let events come, and next week's issue, whose events show that those of this one would have come."""
    for _ in range(_ROUNDS):
        until_sent(app, installation.issue_id)
        with app.db.transaction() as session:
            next_week = another_issue(session, installation.next_issue_id, clock())
        until_sent(app, next_week)
        pass_time(_SOON, side, clock)
        side.report(app)
        if not uncertain(app, installation.issue_id):
            return
        pass_time(_LONG, side, clock)
        delivery.reconcile(app.db, app.providers, clock(), installation.issue_id)


def _after_its_hour(side: Side, app: App, clock: Clock, issue_id: int) -> None:
    """Find out about the uncertain by cancelling, send again whom that freed, and let the issue's hour come."""
    for _ in range(_ROUNDS):
        until_sent(app, issue_id, in_advance=True)
        if not uncertain(app, issue_id):
            break
    pass_time(AHEAD.total_seconds() + _SOON, side, clock)
    until_sent(app, issue_id)


def pass_time(seconds: float, side: Side, clock: Clock) -> None:
    """Let so many seconds pass on both sides."""
    side.advance(seconds)
    clock.advance(seconds)
