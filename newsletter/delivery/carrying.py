"""One lane of a sending: it claims, hands over and records, one chunk after the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.delivery.journal import EVERYBODY, Journal, Watcher
from newsletter.delivery.learning import settle_reported
from newsletter.delivery.ledger.rows import lock_issue
from newsletter.delivery.ledger.values import Claim, Terms
from newsletter.delivery.message import Recipients
from newsletter.delivery.rates import NO_LIMITS, Limits
from newsletter.errors import ProviderRefused
from newsletter.mail import Mail, Outcome, Recipient, Status, outcome_for_all
from newsletter.models import Edition
from newsletter.providers import Provider, Ramping, Scheduling, Watched
from subscribers.tokens import Signer

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds between tries to record; each try itself waits for a locked SQLite file, too.
_RECORD_WAITS = (1.0, 5.0, 15.0, 30.0)
#: A wait for a rate that is no longer than this is waited for, in seconds; longer ones end the call.
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class Carrier:
    """A provider, the name it has in the settings, and what it may be given."""

    provider: Provider
    name: str = ""
    limits: Limits = NO_LIMITS

    def terms(self, sender: str, batch: str = "", send_at: datetime | None = None) -> Terms:
        """Return the terms of a claim for this provider."""
        full = self.provider.chunk_size
        first = self.provider.first_chunk if isinstance(self.provider, Ramping) else 0
        return Terms(self.name, full, first, self.limits, sender.rpartition("@")[2], batch, send_at)


@dataclass(frozen=True)
class Post:
    """What sending needs besides the rows: who carries the mail, who signs its links, where they lead, the time."""

    provider: Provider
    signer: Signer
    base_url: str
    clock: Callable[[], datetime]
    name: str = ""
    limits: Limits = NO_LIMITS
    #: Who carries what the provider surely did not take, while it is out of reach or refuses us.
    fallback: Carrier | None = None
    journal: Journal | None = None
    lanes: int = 1

    @property
    def carrier(self) -> Carrier:
        """The provider with its name and limits."""
        return Carrier(self.provider, self.name, self.limits)

    def testimony(self, ledger: str, attempt: int, names: Sequence[str]) -> list[Outcome] | None:
        """Return what the journal of a dead worker says (`ledger.Testimony`)."""
        return self.journal.testimony(ledger, attempt, names) if self.journal else None


@dataclass(frozen=True)
class Job:
    """The issue that is sent: its mail, and the time at which the provider is to send it, unless at once."""

    issue_id: int
    mail: Mail
    edition: Edition
    send_at: datetime
    scheduled_for: datetime | None
    #: The name of the ledger it is in.
    ledger: str


class Lane:
    """One lane. Several may run at once in threads, and in processes."""

    def __init__(
        self, db: Database, job: Job, post: Post, worker: str, *, stop: threading.Event, done: Callable[[int], None]
    ) -> None:
        self._db = db
        self._job = job
        self._post = post
        self._worker = worker
        self._stop = stop
        self._done = done
        self._carrier = post.carrier
        self._batch = ""
        self._recipients = Recipients(job.edition, job.send_at, post.signer, post.base_url)

    def run(self) -> None:
        """Send chunk after chunk until none is due, the provider has no time, or the process is to end.

        Raises ProviderRefused when nothing is taken and there is no other provider.
        """
        while not self._stop.is_set():
            terms = self._terms()
            if terms is None:
                return
            claimed, watcher = self._claim(terms)
            if claimed is None:
                if not self._pause():
                    return
            elif claimed.readers and not self._send(claimed, terms, watcher):
                return

    def _terms(self) -> Terms | None:
        """Return the terms of the next claim; None when the provider gives no batch for it now."""
        sender, at = self._job.mail.sender.address, self._job.scheduled_for
        provider = self._carrier.provider
        if at is None or at <= self._post.clock():
            return self._carrier.terms(sender)
        if not isinstance(provider, Scheduling):
            return None  # the fallback would send it before its time
        try:
            self._batch = self._batch or provider.new_batch()
        except (ProviderRefused, OSError) as error:
            self._put_off(f"no batch could be made: {error}", held=isinstance(error, ProviderRefused))
            return None
        return self._carrier.terms(sender, self._batch, at)

    def _put_off(self, reason: str, *, held: bool) -> None:
        with self._db.transaction() as session:
            issue = lock_issue(session, self._job.issue_id)
            if held:
                issue.reason = issue.reason or reason
            else:
                log.warning("%s", reason)
                issue.next_try_at = self._post.clock() + ledger.FIRST_WAIT

    def _claim(self, terms: Terms) -> tuple[Claim | None, Watcher | None]:
        """Take the next chunk; its journal is there before anybody can know of the claim.

        Its attempt is marked as reached once it is committed, and before anything is sent: a worker that dies in
        between must not make the ledger look like an older copy of itself.
        """
        journal = self._post.journal
        with self._db.transaction() as session:
            claimed = ledger.claim(session, self._job.issue_id, self._worker, self._post.clock(), terms)
            if claimed is None or not claimed.readers or journal is None:
                return claimed, None
            one_by_one = isinstance(self._carrier.provider, Watched) and not terms.batch
            names = [reader.delivery_id for reader in claimed.readers] if one_by_one else [EVERYBODY]
            watcher = journal.begin(self._job.ledger, claimed.attempt, names, self._stopping(claimed))
        journal.reach(self._job.ledger, claimed.attempt)
        return claimed, watcher

    def _is_over(self, claimed: Claim) -> bool:
        """Tell whether others may have taken up what was claimed: a machine that slept must not go on where it was."""
        return self._post.clock() >= claimed.at + ledger.LEASE

    def _stopping(self, claimed: Claim) -> Callable[[], bool]:
        """Return what tells a provider in mid-chunk to begin with nobody else."""
        return lambda: self._stop.is_set() or self._is_over(claimed)

    def _pause(self) -> bool:
        """Wait for a rate that is used up, when that does not take long; tell whether it was worth it."""
        if not self._carrier.limits:
            return False
        with self._db.transaction() as session:
            until = lock_issue(session, self._job.issue_id).next_try_at
        seconds = (until - self._post.clock()).total_seconds() if until else 0.0
        return 0 < seconds <= _LONGEST_PAUSE and not self._stop.wait(seconds)

    def _send(self, claimed: Claim, terms: Terms, watcher: Watcher | None) -> bool:
        """Send one chunk and record what became of it; tell whether the next may follow."""
        recipients = self._recipients.of(claimed)
        self._batch = ""
        try:
            if self._is_over(claimed):
                why = "the worker slept, and its claim is over"
                outcomes = outcome_for_all(recipients, Status.NOT_TRIED, why)
            else:
                outcomes = self._hand_over(claimed, recipients, terms, watcher)
        except ProviderRefused as error:
            return self._refused(claimed, terms, error)
        except Exception as error:
            # A fault in a provider: whom it may have handed over is not sent to again, and nothing else is sent until
            # somebody has looked.
            what = f"unexpected {type(error).__name__}: {error}"
            known = self._post.testimony(self._job.ledger, claimed.attempt, [one.delivery_id for one in recipients])
            self._record(claimed, known or outcome_for_all(recipients, Status.UNCERTAIN, what), terms)
            with self._db.transaction() as session:
                lock_issue(session, self._job.issue_id).reason = f"held: {what}"
            raise
        finally:
            if watcher:
                watcher.close()
        return self._record(claimed, outcomes, terms) or self._fall_back("out of reach or busy")

    def _hand_over(
        self, claimed: Claim, recipients: list[Recipient], terms: Terms, watcher: Watcher | None
    ) -> list[Outcome]:
        """Give the readers to the provider. What it answers is in the journal before it is in the ledger."""
        provider = self._carrier.provider
        mail = self._job.mail.text_alone if claimed.text_only else self._job.mail
        if watcher and isinstance(provider, Watched) and not terms.batch:
            return provider.send_watched(mail, recipients, watcher)
        if watcher:
            watcher.handing_over(EVERYBODY)
        if terms.send_at is not None and isinstance(provider, Scheduling):
            outcomes = provider.schedule(mail, recipients, terms.batch, terms.send_at)
        else:
            outcomes = provider.send(mail, recipients)
        if watcher and len({(outcome.status, outcome.detail) for outcome in outcomes}) == 1:
            watcher.settled(replace(outcomes[0], delivery_id=EVERYBODY))
        return outcomes

    def _refused(self, claimed: Claim, terms: Terms, error: ProviderRefused) -> bool:
        """Give a chunk back that was refused as a whole, and go on with the other provider; raise without one."""
        reason = "" if self._other() else str(error)
        self._write(claimed, lambda session: ledger.release(session, claimed, reason, self._post.clock(), terms=terms))
        self._forget(claimed)
        if self._fall_back(str(error)):
            return True
        raise error

    def _fall_back(self, why: str) -> bool:
        """Let the other provider carry what follows, also what waits for this one; False when there is none."""
        other = self._other()
        if other is None:
            return False
        log.warning("%s: %s; going on with %s", self._carrier.name, why, other.name)
        self._carrier = other
        with self._db.transaction() as session:
            issue = lock_issue(session, self._job.issue_id)
            issue.next_try_at, issue.put_off = None, 0
        return True

    def _other(self) -> Carrier | None:
        """Return the provider that can carry what this one does not take; none that would send it before its time."""
        other, at = self._post.fallback, self._job.scheduled_for
        early = at is not None and at > self._post.clock() and not isinstance(other and other.provider, Scheduling)
        return None if other is None or other is self._carrier or early else other

    def _record(self, claimed: Claim, outcomes: list[Outcome], terms: Terms) -> bool:
        """Record outcomes; tell whether the next chunk may follow."""

        def written(session: Session) -> bool:
            recorded = ledger.record(session, claimed, outcomes, self._post.clock(), terms=terms)
            chunks = [claimed.n, *recorded.open_chunks]  # what was reported while they were being sent counts
            settle_reported(session, claimed.issue_id, self._post.clock(), chunks)
            return recorded.go_on

        go_on = self._write(claimed, written)
        self._forget(claimed)
        self._done(sum(1 for outcome in outcomes if outcome.status not in {Status.NOT_TRIED, Status.DEFERRED}))
        return go_on

    def _write(self, claimed: Claim, write: Callable[[Session], T]) -> T:
        """Write what became of a claim. A database that is busy or away for long is asked again before giving up: until
        then it is known nowhere but here and in the journal.
        """
        for wait in _RECORD_WAITS:
            try:
                with self._db.transaction() as session:
                    return write(session)
            except OperationalError:
                log.warning("what became of attempt %s could not be recorded; trying again", claimed.attempt)
                self._stop.wait(wait)
        with self._db.transaction() as session:
            return write(session)

    def _forget(self, claimed: Claim) -> None:
        if self._post.journal:
            self._post.journal.end(self._job.ledger, claimed.attempt)
