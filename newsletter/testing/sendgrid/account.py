"""What a SendGrid account remembers: mails, batches, lists of addresses, and what happens to a mail in time."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from newsletter.testing.sendgrid.behaviour import Behaviour, Step, dropped, steps
from newsletter.testing.sendgrid.clock import Clock
from newsletter.testing.sendgrid.events import Disorder, Happened, Outbox, Post
from newsletter.testing.sendgrid.faults import chance
from newsletter.testing.sendgrid.mails import SimulatedMail, State, Suppression, content_of
from newsletter.testing.sendgrid.rules import splits
from newsletter.testing.sendgrid.signing import SigningKey

#: Seconds before `send_at` from which on a cancellation is not promised any more.
CANCEL_BEFORE = 600
#: Seconds after `send_at` for which a paused mail is kept.
PAUSED_FOR = 72 * 3600
MAX_STOPPED = 100

#: The lists by the names that their paths have, and what a drop for each is called. Blocks stop nothing.
LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes")
_STOPPING = (
    ("invalid_emails", "Invalid", ""),
    ("bounces", "Bounced Address", "bypass_bounce_management"),
    ("spam_reports", "Spam Reporting Address", "bypass_spam_management"),
    ("unsubscribes", "Unsubscribed Address", "bypass_unsubscribe_management"),
)


class LateCancel(StrEnum):
    """What a cancellation does that comes later than ten minutes before the time. It is answered as any other."""

    IGNORED = "ignored"
    HONOURED = "honoured"
    #: Either, decided by the seed: SendGrid promises neither.
    EITHER = "either"


class Account:
    """The state behind the API. Every method may be called by several threads."""

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        behaviour: Behaviour | None = None,
        disorder: Disorder | None = None,
        per_post: int = 1_000,
        late_cancel: LateCancel = LateCancel.IGNORED,
        keep_events: bool = True,
    ) -> None:
        self.clock = clock
        self.seed = seed
        self.behaviour = behaviour
        self.late_cancel = late_cancel
        self.key = SigningKey()
        self.outbox = Outbox(disorder or Disorder(), seed=seed, per_post=per_post)
        self.lists: dict[str, dict[str, Suppression]] = {name: {} for name in LISTS}
        self._keep_events = keep_events
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._mails: list[SimulatedMail] = []
        self._batches: set[str] = set()
        #: Batch -> (status, when it was set).
        self._stopped: dict[str, tuple[str, float]] = {}
        self._paused: dict[str, list[SimulatedMail]] = {}
        self._waiting: Counter[str] = Counter()
        self._to_come: list[tuple[float, int, SimulatedMail, Step | None]] = []

    # --- mail

    def take(self, body: Mapping[str, Any], share: float = 1.0) -> str:
        """Take the mails of a valid request, or a share of them, and return its X-Message-Id."""
        content, now = content_of(body), self.clock.now()
        with self._lock:
            self._catch_up()
            number = next(self._numbers)
            message_id = f"sim{number:011d}{int(chance(self.seed, 'message', number) * 16**8):08x}"
            position = itertools.count()
            for one in self._chosen(body["personalizations"], share, number):
                for mailbox in (*one["to"], *(one.get("cc") or ()), *(one.get("bcc") or ())):
                    mail = SimulatedMail(
                        id=f"{message_id}.recvd-simulator-{number}.{next(position)}",
                        message_id=message_id,
                        address=mailbox["email"],
                        name=mailbox.get("name") or "",
                        custom_args={**(body.get("custom_args") or {}), **(one.get("custom_args") or {})},
                        substitutions=one.get("substitutions") or {},
                        own_headers=one.get("headers") or {},
                        own_subject=one.get("subject") or "",
                        content=content,
                        batch_id=body.get("batch_id") or "",
                        send_at=one.get("send_at") or body.get("send_at"),
                        taken_at=now,
                        state_at=now,
                    )
                    self._keep(mail, now)
            return message_id

    def _chosen(self, people: Sequence[dict[str, Any]], share: float, number: int) -> Sequence[dict[str, Any]]:
        """Return a share of the personalizations in their order: not all and, of more than one, not none."""
        if share >= 1:
            return people
        count = max(min(round(share * len(people)), len(people) - 1), min(len(people) - 1, 1))
        drawn = sorted(range(len(people)), key=lambda order: chance(self.seed, "share", number, order))
        return [people[order] for order in sorted(drawn[:count])]

    @property
    def taken(self) -> int:
        """How many mails were taken."""
        return len(self._mails)

    def mails(self, after: int = 0) -> list[SimulatedMail]:
        """Return the mails that were taken, in order, without the first `after`; how far each is by now."""
        with self._lock:
            self._catch_up()
            return self._mails[after:]

    def counts(self) -> dict[str, int]:
        """Return how many mails are in each state."""
        with self._lock:
            self._catch_up()
            return {state.value: count for state, count in sorted(Counter(one.state for one in self._mails).items())}

    def _keep(self, mail: SimulatedMail, now: float) -> None:
        self._mails.append(mail)
        if mail.send_at is not None and mail.send_at > now:
            self._waiting[mail.batch_id] += 1
            self._push(mail.send_at, mail, None)
        else:
            self._release(mail, now)

    # --- batches

    def new_batch(self) -> str:
        """Return the id of a new batch."""
        with self._lock:
            number = next(self._numbers)
            batch = f"Sim{number:08d}{int(chance(self.seed, 'batch', number) * 16**12):012x}"
            self._batches.add(batch)
            return batch

    def batches(self) -> frozenset[str]:
        """Return the ids that were given out."""
        with self._lock:
            return frozenset(self._batches)

    def has_batch(self, batch: str) -> bool:
        """Tell whether the id was given out."""
        with self._lock:
            return batch in self._batches

    def stopped(self) -> dict[str, str]:
        """Return the batches that are cancelled or paused, with which of both: "cancel" or "pause"."""
        with self._lock:
            self._catch_up()
            return {batch: status for batch, (status, _) in self._stopped.items()}

    def active_stops(self) -> int:
        """Return how many cancellations and pauses count against MAX_STOPPED: those whose mail is not yet discarded."""
        with self._lock:
            self._catch_up()
            return sum(batch in self._paused or self._waiting.get(batch, 1) > 0 for batch in self._stopped)

    def stop(self, batch: str, status: str) -> None:
        """Cancel or pause a batch: mails whose time comes are not sent."""
        with self._lock:
            self._catch_up()
            self._stopped[batch] = (status, self.clock.now())
            if status == "cancel":
                for mail in self._paused.pop(batch, []):
                    self._set(mail, State.CANCELLED, self.clock.now())

    def let_go(self, batch: str) -> None:
        """Take a cancellation or a pause back; mails that were paused past their time are sent."""
        with self._lock:
            self._catch_up()
            self._stopped.pop(batch, None)
            for mail in self._paused.pop(batch, []):
                self._release(mail, self.clock.now())

    # --- lists of addresses

    def suppress(self, name: str, address: str, reason: str = "", status: str = "") -> None:
        """Put an address on one of LISTS. Raises ValueError when there is no such list."""
        if name not in self.lists:
            raise ValueError(f"There is no list {name!r}. Known: {', '.join(LISTS)}.")
        with self._lock:
            self._suppress(name, address, self.clock.now(), reason, status)

    def suppressions(self, name: str) -> list[Suppression]:
        """Return the entries of a list, the newest first, as the API does."""
        with self._lock:
            self._catch_up()
            return sorted(self.lists[name].values(), key=lambda one: -one.created)

    def forgive(self, name: str, address: str | None) -> bool:
        """Take an address, or with None every address, off a list; False when it was not there."""
        with self._lock:
            self._catch_up()
            if address is None:
                self.lists[name].clear()
                return True
            return self.lists[name].pop(address.lower(), None) is not None

    def _suppress(self, name: str, address: str, at: float, reason: str, status: str) -> None:
        self.lists[name].setdefault(address.lower(), Suppression(address, int(at), reason, status))

    # --- time

    def advance(self, seconds: float) -> float:
        """Let time pass, with everything that happens in it; return the new time."""
        now = self.clock.advance(seconds)
        with self._lock:
            self._catch_up()
        return now

    def next_at(self) -> float:
        """Return when the next thing happens, in seconds since the epoch; infinity when nothing will by itself."""
        with self._lock:
            return min(self._to_come[0][0] if self._to_come else float("inf"), self.outbox.next_at())

    def posts(self) -> list[Post]:
        """Return the posts of events that are due by now; each is returned once."""
        with self._lock:
            self._catch_up()
            return self.outbox.take(self.clock.now(), self.key)

    def rotate_key(self) -> str:
        """Sign with a new key from now on, and return its public half."""
        with self._lock:
            self.key = SigningKey()
            return self.key.public_key

    def _push(self, at: float, mail: SimulatedMail, step: Step | None) -> None:
        heapq.heappush(self._to_come, (at, next(self._numbers), mail, step))

    def _catch_up(self) -> None:
        """Let happen what was to happen until now, in its order."""
        now = self.clock.now()
        while self._to_come and self._to_come[0][0] <= now:
            at, _, mail, step = heapq.heappop(self._to_come)
            if step:
                self._happen(mail, step, at)
            else:
                self._come_due(mail, at, now)
        for batch, mails in list(self._paused.items()):
            self._expire(batch, mails, now)

    def _come_due(self, mail: SimulatedMail, at: float, now: float) -> None:
        self._waiting[mail.batch_id] -= 1
        status, since = self._stopped.get(mail.batch_id, ("", now))
        if status and (since <= at - CANCEL_BEFORE or mail.taken_at >= since or self._honours(mail.batch_id)):
            if status == "pause":
                self._paused.setdefault(mail.batch_id, []).append(mail)
            else:
                self._set(mail, State.CANCELLED, at)
        else:
            self._release(mail, at)

    def _honours(self, batch: str) -> bool:
        if self.late_cancel is LateCancel.EITHER:
            return chance(self.seed, "late cancel", batch) < 0.5
        return self.late_cancel is LateCancel.HONOURED

    def _expire(self, batch: str, mails: Sequence[SimulatedMail], now: float) -> None:
        kept = []
        for mail in mails:
            if (mail.send_at or 0) + PAUSED_FOR > now:
                kept.append(mail)
            else:
                self._set(mail, State.EXPIRED, now)
        self._paused[batch] = kept
        if not kept:
            del self._paused[batch]

    def _release(self, mail: SimulatedMail, at: float) -> None:
        """Send a mail, unless its address is on a list."""
        self._set(mail, State.SENT, at)
        reason = self._stopping(mail)
        for step in dropped(reason) if reason else steps(mail, self.behaviour):
            if step.after:
                self._push(at + step.after, mail, step)
            else:
                self._happen(mail, step, at)

    def _stopping(self, mail: SimulatedMail) -> str:
        """Return why a mail is not sent, in SendGrid's words, or nothing."""
        if splits(mail.name):
            return "Invalid"
        on = mail.content.settings
        for name, reason, bypass in _STOPPING:
            bypassed = bypass and (bypass in on or "bypass_list_management" in on)
            if not bypassed and mail.address.lower() in self.lists[name]:
                return reason
        return ""

    def _happen(self, mail: SimulatedMail, step: Step, at: float) -> None:
        self._change(mail, step, at)
        mail.last_event = step.event
        if self._keep_events:
            number = next(self._numbers)
            self.outbox.add(Happened(mail, step, at, f"{step.event}-{number}-{mail.message_id}"))

    def _change(self, mail: SimulatedMail, step: Step, at: float) -> None:
        """Do what an event means for the mail and for the lists."""
        reason, status = str(step.fields.get("reason", "")), str(step.fields.get("status", ""))
        blocked = step.fields.get("type") == "blocked"
        state = {
            "deferred": State.DEFERRED,
            "delivered": State.DELIVERED,
            "dropped": State.DROPPED,
            "bounce": State.BLOCKED if blocked else State.BOUNCED,
        }.get(step.event)
        if state:
            self._set(mail, state, at)
        if step.event == "bounce":
            self._suppress("blocks" if blocked else "bounces", mail.address, at, reason, status)
        elif step.event == "spamreport":
            self._suppress("spam_reports", mail.address, at, "", "")
        elif step.event in {"unsubscribe", "group_unsubscribe"}:
            self._suppress("unsubscribes", mail.address, at, "", "")
        mail.opens += step.event == "open"
        mail.clicks += step.event == "click"

    @staticmethod
    def _set(mail: SimulatedMail, state: State, at: float) -> None:
        mail.state, mail.state_at = state, at
