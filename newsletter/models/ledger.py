"""Tables of the ledger: who is to get an issue, what was tried, what came of it, and what the provider reported."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Text, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel

import subscribers.models  # noqa: F401 - foreign keys here name its tables; there is one metadata
from newsletter.mail import Kind
from subscribers.appendonly import keep_append_only
from subscribers.columns import UtcDateTime, one_of, word_type


def _number() -> Any:
    """Return the type of a key that counts readers over years. SQLite counts by itself only in an INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")


#: Written out, since neither database uses an index with a condition for a value that is given later.
UNCERTAIN = text("state = 'uncertain'")


class DeliveryState(StrEnum):
    """Where one reader's copy of one issue stands. The arrows between these are in docs/design.md."""

    #: Waiting for its chunk.
    PLANNED = "planned"
    #: Claimed by a worker, which may have handed it to the provider.
    SENDING = "sending"
    #: The provider took responsibility.
    ACCEPTED = "accepted"
    #: The provider refused it for good.
    REJECTED = "rejected"
    #: The reader left or was suppressed after planning; nothing was sent.
    SUPPRESSED = "suppressed"
    #: Nobody knows whether the provider took it. Never sent again by itself.
    UNCERTAIN = "uncertain"


class ChunkState(StrEnum):
    """Where a set of deliveries that is claimed together stands."""

    #: Free to be claimed, from `not_before` on.
    PLANNED = "planned"
    #: Claimed by `worker` until `lease_until`.
    CLAIMED = "claimed"
    #: Every delivery in it has an outcome, or has moved to another chunk.
    DONE = "done"


class Chunk(SQLModel, table=True):
    """Deliveries of one issue that are claimed and sent together."""

    __tablename__ = "chunk"
    __table_args__ = (
        UniqueConstraint("issue_id", "n"),
        Index(None, "issue_id", "state", "n"),
        one_of("state", ChunkState),
    )

    id: int = Field(default=None, primary_key=True)
    issue_id: int = Field(foreign_key="issue.id")
    n: int
    state: ChunkState = Field(sa_type=word_type(ChunkState))
    #: How often its deliveries were tried before.
    tries: int = Field(default=0)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: The domain with a limit that its readers wait for; empty where they wait for several, or for none.
    waits_for: str = Field(default="", max_length=320, sa_column_kwargs={"server_default": text("''")})
    #: Its readers asked for mails without html.
    text_only: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    worker: str = Field(default="", max_length=200)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Delivery(SQLModel, table=True):
    """One row for one issue and one reader: the ledger (docs/design.md, trust section 3).

    Outside the database a delivery is known by its name (`delivery.names`), which nobody can make up.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("issue_id", "subscriber_id"),
        Index(None, "issue_id", "chunk"),
        # Few are uncertain, and every minute somebody asks for them.
        Index("ix_delivery_uncertain", "attempt", sqlite_where=UNCERTAIN, postgresql_where=UNCERTAIN),
        one_of("state", DeliveryState),
    )

    id: int = Field(default=None, sa_column=Column(_number(), primary_key=True))
    issue_id: int = Field(foreign_key="issue.id")
    subscriber_id: int = Field(foreign_key="subscriber.id")
    #: The chunk's number within the issue.
    chunk: int
    state: DeliveryState = Field(sa_type=word_type(DeliveryState))
    #: The attempt that has it or had it last; 0 before the first. An outcome is recorded only for its own attempt.
    attempt: int = Field(default=0, sa_type=BigInteger)
    #: The address it went to, frozen at the claim.
    address: str = Field(default="", max_length=320)
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    reference: str = Field(default="", max_length=200)
    #: The furthest that the provider reported, a `Kind`; empty before the first report.
    reported: str = Field(default="", max_length=12)
    changed_at: datetime = Field(sa_type=UtcDateTime)


class Attempt(SQLModel, table=True):
    """One chunk handed to one provider by one worker. Rows are only ever added, before anything is sent."""

    __tablename__ = "attempt"
    __table_args__ = (Index(None, "issue_id"),)

    id: int = Field(default=None, sa_column=Column(_number(), primary_key=True))
    issue_id: int = Field(foreign_key="issue.id")
    chunk: int
    worker: str = Field(max_length=200)
    #: `provider.use` of the settings.
    provider: str = Field(max_length=200)
    #: How many readers it was for.
    readers: int
    #: The provider's batch and when it sends it; empty when it is sent at once.
    batch: str = Field(default="", max_length=100)
    send_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    at: datetime = Field(sa_type=UtcDateTime)


class Ledger(SQLModel, table=True):
    """One row: the name of this ledger. A copy of the database has the same, a new database another."""

    __tablename__ = "ledger"

    id: str = Field(max_length=32, primary_key=True)


class AttemptOutcome(SQLModel, table=True):
    """What was found out about an attempt: about one reader or, without `delivery_id`, about `readers` of them.

    Rows are only ever added, so that what was believed at any time can be told afterwards.
    """

    __tablename__ = "attempt_outcome"
    __table_args__ = (Index(None, "attempt_id"), Index(None, "delivery_id"))

    id: int = Field(default=None, sa_column=Column(_number(), primary_key=True))
    attempt_id: int = Field(sa_type=BigInteger)
    delivery_id: int | None = Field(default=None, sa_type=BigInteger)
    readers: int = Field(default=1)
    #: A `Status`, or what was done about an earlier one: "released", "cancelled".
    status: str = Field(max_length=12)
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    reference: str = Field(default="", max_length=200)
    #: Who found out: "worker", "journal", "event", "provider", or the name of the admin who decided.
    by: str = Field(max_length=200)
    at: datetime = Field(sa_type=UtcDateTime)


class ReportedEvent(SQLModel, table=True):
    """What a provider reported, as it came. `event_id` is the provider's: the same event is stored once (trust 1.4)."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("provider", "event_id"),
        Index(None, "delivery_id"),
        Index(None, "attempt_id"),
        one_of("kind", Kind),
    )

    id: int = Field(default=None, sa_column=Column(_number(), primary_key=True))
    provider: str = Field(max_length=50)
    event_id: str = Field(max_length=200)
    kind: Kind = Field(sa_type=word_type(Kind))
    at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)
    #: None: the event does not say whose it is, or what it says is not ours.
    delivery_id: int | None = Field(default=None, sa_type=BigInteger)
    attempt_id: int = Field(default=0, sa_type=BigInteger)
    reference: str = Field(default="", max_length=200)
    address: str = Field(default="", max_length=320)
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    raw: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class RateUse(SQLModel, table=True):
    """How many mails went out in a stretch of time, for what is limited: a provider, a domain of readers."""

    __tablename__ = "rate_use"

    #: "sendgrid", "sendgrid to example.org", "sendgrid from news.example.org".
    scope: str = Field(max_length=400, primary_key=True)
    #: The length of the window, in seconds, and which sixtieth of it since 1970 this is (for a warm-up, which day); -1
    #: for the sum of them (for a warm-up, the best day so far).
    seconds: int = Field(primary_key=True)
    start: int = Field(sa_column=Column(BigInteger, primary_key=True))
    used: int


class Pace(SQLModel, table=True):
    """What was learned about a provider's account or a sender's domain, so that a restart does not forget it."""

    __tablename__ = "pace"

    #: As `RateUse.scope`.
    scope: str = Field(max_length=400, primary_key=True)
    #: How many readers the next call may have; grows with success (trust 2.1, provider ramp-up). 0: as many as wanted.
    chunk_size: int = Field(default=0)
    #: When the first mail went out.
    since: datetime = Field(sa_type=UtcDateTime)


keep_append_only("attempt")
keep_append_only("attempt_outcome")
