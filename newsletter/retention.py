"""How long what is known of readers is kept: the rules of both packages, and what carries them out once a day.

`docs/operate.md` has them as a table; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, cast, delete, or_, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from newsletter.db import Database
from newsletter.models import Delivery, Issue, RateUse, ReportedEvent
from subscribers import retention
from subscribers.inserts import insert_missing
from subscribers.models import Subscriber
from subscribers.retention import NETWORK_DAYS, ByAge, Rule

__all__ = ["NETWORK_DAYS", "RULES", "Rule", "claim_day", "is_due", "tidy"]

#: What a provider reported, as it came: it is for looking into a report that was not understood.
RAW_DAYS = 90
#: Which address a mail went to, and the words of servers about it: disputed within a year or never.
ADDRESS_DAYS = 365
#: How often somebody signed up, by keyed hashes; the longest limit counts a month back.
SIGN_UP_DAYS = 31
#: After erasing, a worker or a provider may still write down what it had begun with.
_LATE = timedelta(days=7)
_SIGN_UPS = "sign-up %"
#: The scope of `RateUse` that says of a day that it was tidied.
_TIDIED = "tidied"
_DAY = 86_400


class _SignUps:
    """Counts of sign-ups. They have no number of their own, and go all at once."""

    def find(self, session: Session, cutoff: datetime, after: int, *, full: bool) -> Sequence[int]:  # noqa: ARG002 - as others
        """Return the lengths of windows in seconds that have something to let go."""
        query = select_columns(col(RateUse.seconds)).where(_old_sign_ups(cutoff), col(RateUse.seconds) > after)
        return session.execute(query.distinct().order_by(col(RateUse.seconds))).scalars().all()

    def let_go(self, session: Session, ids: Sequence[int], cutoff: datetime, now: datetime) -> None:  # noqa: ARG002 - as others
        """Delete the counts of these windows."""
        session.exec(delete(RateUse).where(_old_sign_ups(cutoff), col(RateUse.seconds).in_(ids)))


class _Late:
    """What was written down of readers after they were erased, by who had begun before."""

    def find(self, session: Session, cutoff: datetime, after: int, *, full: bool) -> Sequence[int]:
        """Return the next deliveries."""
        lately = col(Subscriber.erased_at) > cutoff - _LATE
        erased = col(Subscriber.erased_at).is_not(None) if full else lately
        people = select_columns(col(Subscriber.id)).where(erased)
        issues = select_columns(col(Issue.id)).where(col(Issue.expected) > 0)
        mine = (col(Delivery.issue_id).in_(issues), col(Delivery.subscriber_id).in_(people))
        told = select_columns(col(ReportedEvent.delivery_id)).where(
            col(ReportedEvent.delivery_id) == col(Delivery.id), _says_something()
        )
        left = or_(col(Delivery.address) != "", col(Delivery.detail) != "", told.exists())
        query = select_columns(col(Delivery.id)).where(*mine, left, col(Delivery.id) > after)
        return session.execute(query.order_by(col(Delivery.id)).limit(retention.BATCH)).scalars().all()

    def let_go(self, session: Session, ids: Sequence[int], cutoff: datetime, now: datetime) -> None:  # noqa: ARG002 - as others
        """Empty them, and the reports about them."""
        session.exec(update(Delivery).where(col(Delivery.id).in_(ids)).values(address="", detail=""))
        about = update(ReportedEvent).where(col(ReportedEvent.delivery_id).in_(ids))
        session.exec(about.values(address="", detail="", raw={}))


def _says_something() -> ColumnElement[bool]:
    return or_(col(ReportedEvent.address) != "", col(ReportedEvent.detail) != "")


def _says_whom() -> ColumnElement[bool]:
    """Return the condition for reports with an address that is of no use any more.

    Entries of the provider's list stay: `suppression sync` knows by them what an admin lifted, and erasing a reader
    finds them by the address alone.
    """
    return _says_something() & ~col(ReportedEvent.event_id).like("suppressed %")


def _old_sign_ups(cutoff: datetime) -> ColumnElement[bool]:
    """Return the condition for counts that end before the cutoff: sixtieths of their window since 1970."""
    ended = col(RateUse.start) * col(RateUse.seconds) < int(cutoff.timestamp()) * 60
    return col(RateUse.scope).like(_SIGN_UPS) & ended


RULES: tuple[Rule, ...] = (
    *retention.RULES,
    Rule(
        "reports",
        RAW_DAYS,
        "reports of providers, as they came",
        "they are for looking into what was not understood; what they say is kept in columns",
        ByAge(
            "event",
            "received_at",
            lambda: cast(col(ReportedEvent.raw), String) != "{}",
            {"raw": {}},
            ordered=True,
        ),
    ),
    Rule(
        "report-addresses",
        ADDRESS_DAYS,
        "addresses in reports of providers, and the words of servers",
        "what became of a mail is disputed within a year or never; the kind of report stays, for the figures",
        ByAge("event", "received_at", _says_whom, {"address": "", "detail": ""}, ordered=True),
    ),
    Rule(
        "mail-addresses",
        ADDRESS_DAYS,
        "which address each mail went to, and the words of servers",
        "as with reports; that the reader got it stays, so that every issue adds up",
        ByAge(
            "delivery",
            "changed_at",
            lambda: or_(col(Delivery.address) != "", col(Delivery.detail) != ""),
            {"address": "", "detail": ""},
            ordered=True,
        ),
    ),
    Rule(
        "sign-ups",
        SIGN_UP_DAYS,
        "counts of sign-ups by hashes of addresses and networks",
        "the longest limit counts a month back",
        _SignUps(),
    ),
    Rule(
        "erased",
        0,
        "what workers and providers wrote down of a reader just after they were erased",
        "it was begun before, and has to go as everything else",
        _Late(),
    ),
)


@dataclass(frozen=True)
class Tidied:
    """How many rows a rule concerned."""

    rule: Rule
    rows: int


def tidy(
    db: Database,
    now: datetime,
    *,
    dry_run: bool = False,
    full: bool = True,
    progress: Callable[[str, int], None] | None = None,
) -> list[Tidied]:
    """Let go what the rules say, some thousand rows a transaction, and return how many by rule.

    Without `full` it looks only at what came of age lately, which is enough once a day. A `dry_run` counts what each
    rule would do now. After an interruption, tidying again goes on.
    """
    return [Tidied(rule, _tidy(db, rule, now, dry_run=dry_run, full=full, progress=progress)) for rule in RULES]


def is_due(session: Session, now: datetime) -> bool:
    """Tell whether nobody has taken it upon them to tidy today (by UTC)."""
    today = (RateUse.scope == _TIDIED, RateUse.start == int(now.timestamp()) // _DAY)
    return session.exec(select(RateUse.start).where(*today)).first() is None


def claim_day(session: Session, now: datetime) -> bool:
    """Take it upon the caller to tidy today (by UTC); of several schedulers one gets True, once a day."""
    day = int(now.timestamp()) // _DAY
    session.exec(delete(RateUse).where(col(RateUse.scope) == _TIDIED, col(RateUse.start) < day))
    row = {"scope": _TIDIED, "seconds": _DAY, "start": day, "used": 1}
    return bool(insert_missing(session, RateUse, [row], unique=["scope", "seconds", "start"], returning="start"))


def _tidy(
    db: Database,
    rule: Rule,
    now: datetime,
    *,
    dry_run: bool,
    full: bool,
    progress: Callable[[str, int], None] | None,
) -> int:
    cutoff, after, rows = now - timedelta(days=rule.days), 0, 0
    while True:
        with db.reading() as session:
            ids = rule.work.find(session, cutoff, after, full=full)
        if not ids:
            return rows
        if not dry_run:
            with db.transaction() as session:
                rule.work.let_go(session, ids, cutoff, now)
        after, rows = ids[-1], rows + len(ids)
        if progress:
            progress(rule.name, rows)
