"""Events on their way to a webhook: as JSON, in signed posts, with what the way does to them.

The real stream is neither whole nor in order: events come twice, late, in another order, or not at all, and bounces
that came back as messages lack our ids (trust 1.4, F6).
"""

from __future__ import annotations

import hashlib
import heapq
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from newsletter.testing.sendgrid.behaviour import Step
from newsletter.testing.sendgrid.mails import SimulatedMail
from newsletter.testing.sendgrid.signing import SigningKey

#: A post has at most this many bytes: SendGrid sends one when it has 768 KB together, or after half a minute.
MAX_POST_BYTES = 768_000
#: Seconds after an event for which its post is tried again.
POSTED_FOR = 24 * 3600


@dataclass(frozen=True)
class Disorder:
    """What happens to events on their way, as shares from 0 to 1. Nothing does unless it is said."""

    #: Posted a second time, in another post, with the same sg_event_id.
    duplicated: float = 0.0
    #: Never posted.
    lost: float = 0.0
    #: Posted late, by up to `latest` seconds.
    late: float = 0.0
    latest: float = 24 * 3600.0
    #: In each post, and among the posts of one moment, events stand in any order.
    reordered: bool = False
    #: Asynchronous bounces that lack sg_message_id and everything that the sender gave along.
    without_ids: float = 1.0


class Happened(NamedTuple):
    """An event that is not yet written down."""

    mail: SimulatedMail
    step: Step
    at: float
    id: str


@dataclass(frozen=True)
class Post:
    """One request to the webhook. `headers` and `body` are what arrives; `last_try` is when it is given up."""

    headers: Mapping[str, str]
    body: bytes
    last_try: float


class Outbox:
    """Events until they are posted. Not for several threads at once."""

    def __init__(self, disorder: Disorder, *, seed: int, per_post: int) -> None:
        self.disorder = disorder
        self._seed = seed
        self._per_post = per_post
        self._count = 0
        self._waiting: list[tuple[float, float, int, Happened]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def next_at(self) -> float:
        """Return when the next event is due; infinity when none waits."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def add(self, event: Happened) -> None:
        """Put an event on its way: once, twice, late, or not at all."""
        way, drawn = self.disorder, self._draw(event)
        if drawn[0] < way.lost:
            return
        self._push(event, drawn[1] * way.latest if drawn[2] < way.late else 0.0, drawn[3])
        if drawn[4] < way.duplicated:
            self._push(event, drawn[5] * way.latest if drawn[6] < way.late else 0.0, drawn[7])

    def take(self, now: float, key: SigningKey) -> list[Post]:
        """Return the posts that are due, signed at `now`; their events are on their way no more."""
        due: list[tuple[float, float, int, Happened]] = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting))
        if self.disorder.reordered:
            due.sort(key=lambda one: one[1:3])
        return [self._post(group, now, key) for group in self._grouped([event for *_, event in due])]

    def _push(self, event: Happened, lateness: float, order: float) -> None:
        self._count += 1
        heapq.heappush(
            self._waiting, (event.at + lateness, order if self.disorder.reordered else 0.0, self._count, event)
        )

    def _draw(self, event: Happened) -> Sequence[float]:
        """Return eight numbers from 0 to below 1, the same in every run, whichever thread took the mail first."""
        mail, step = event.mail, event.step
        key = repr((self._seed, mail.address, sorted(mail.custom_args.items()), step.event, step.after))
        return [number / 2**64 for number in struct.unpack("8Q", hashlib.blake2b(key.encode()).digest())]

    def _grouped(self, events: Sequence[Happened]) -> Iterator[list[tuple[Happened, bytes]]]:
        """Yield events with their JSON, as many as a post holds."""
        group: list[tuple[Happened, bytes]] = []
        size = 0
        for event in events:
            content = json.dumps(self.written(event), separators=(",", ":")).encode()
            if group and (len(group) == self._per_post or size + len(content) >= MAX_POST_BYTES):
                yield group
                group, size = [], 0
            group.append((event, content))
            size += len(content) + 1
        if group:
            yield group

    @staticmethod
    def _post(group: Sequence[tuple[Happened, bytes]], now: float, key: SigningKey) -> Post:
        body = b"[" + b",".join(content for _, content in group) + b"]"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
            **key.headers(int(now), body),
        }
        return Post(headers, body, max(event.at for event, _ in group) + POSTED_FOR)

    def written(self, event: Happened) -> dict[str, Any]:
        """Return an event as SendGrid writes it: the sender's own arguments stand beside SendGrid's fields."""
        mail, step = event.mail, event.step
        common = {"email": mail.address, "timestamp": int(event.at), "event": step.event, "sg_event_id": event.id}
        if step.asynchronous and self._draw(event)[5] < self.disorder.without_ids:
            return {**common, **step.fields}
        ids = {"sg_message_id": mail.id, "smtp-id": f"<{mail.message_id}@simulator.invalid>"}
        categories = mail.content.categories
        if categories:
            ids["category"] = categories[0] if len(categories) == 1 else list(categories)  # type: ignore[assignment]
        return {**mail.custom_args, **common, **ids, **step.fields}
