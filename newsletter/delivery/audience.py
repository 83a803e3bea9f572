"""Whom an issue goes to: readers of its edition's list as they chose to be written to, of those whom the edition means.

What readers chose counts twice, when the audience is frozen and when a worker takes their chunk. Whom the edition means
(`Edition.audience`) is decided when it is frozen: a tag that is given meanwhile counts from the next issue on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Select, exists, func, true
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from newsletter import engagement
from newsletter.errors import Refused
from newsletter.models import Chunk, Edition, Issue, IssueState
from subscribers import segments
from subscribers.models import Subscriber, Subscription
from subscribers.suppression import may_receive

#: An issue that went out, or is going out.
_BEGUN = (IssueState.SENDING, IssueState.SENT)


#: A query for readers; its columns are those of `may_receive`.
Receivers = Select[int, str, str, int, datetime, bool]


class BrokenAudience(Refused):
    """The line that says whom an edition means cannot be understood (any more): nothing is sent to anybody."""


@dataclass(frozen=True)
class Besides:
    """How many on the list could be written to, and do not get an issue, by why: each counted once, in this order."""

    #: They get nothing for a while.
    paused: int
    #: They get one issue a month, and this is not its first.
    not_due: int
    #: The edition's segment does not mean them.
    outside: int


def receivers(session: Session, issue: Issue, edition: Edition, at: datetime | None) -> Receivers:
    """Return the query for those on the list who want this issue `at` a time."""
    wanted = may_receive(edition.list_id, at)
    if edition.monthly and not is_first_of_month(session, issue, edition):
        return wanted.where(col(Subscription.monthly).is_(False))
    return wanted


def audience(session: Session, issue: Issue, edition: Edition, at: datetime | None) -> Receivers:
    """Return the query for everybody the issue goes to when it is planned now and sent `at` a time.

    Raises BrokenAudience when nobody can tell whom the edition means.
    """
    wanted = receivers(session, issue, edition, at)
    if not edition.audience:
        return wanted
    meant = _meant(session, edition, at or issue.send_at).subquery()
    return wanted.where(col(Subscriber.id).in_(select_columns(meant.c[0])))


def audience_size(session: Session, issue: Issue, edition: Edition, at: datetime | None) -> int:
    """Return how many readers the issue would go to. Raises BrokenAudience."""
    return _count(session, audience(session, issue, edition, at))


def besides(session: Session, issue: Issue, edition: Edition, at: datetime) -> Besides:
    """Return how many do not get the issue who could be written to, by why. Raises BrokenAudience."""
    all_of_them = _count(session, may_receive(edition.list_id, None))
    not_paused = _count(session, may_receive(edition.list_id, at))
    due = _count(session, receivers(session, issue, edition, at)) if edition.monthly else not_paused
    meant = audience_size(session, issue, edition, at) if edition.audience else due
    return Besides(paused=all_of_them - not_paused, not_due=not_paused - due, outside=due - meant)


def is_first_of_month(session: Session, issue: Issue, edition: Edition) -> bool:
    """Tell whether no other issue of the edition was begun before this one and has its time in the same month.

    The month is that of the edition's time zone. One that was called off does not count.
    """
    start, end = month_around(issue.send_at, edition.time_zone)
    # Chunks are numbered as they are made: whose first one came earlier was planned earlier.
    ours = session.exec(select(func.min(Chunk.id)).where(Chunk.issue_id == issue.id)).one()
    before = true() if ours is None else col(Chunk.id) < ours
    planned_before = exists().where(col(Chunk.issue_id) == col(Issue.id), before)
    of_month = (
        col(Issue.edition_id) == edition.id,
        col(Issue.id) != issue.id,
        col(Issue.send_at) >= start,
        col(Issue.send_at) < end,
        col(Issue.state).in_(_BEGUN),
    )
    return not session.exec(select(exists().where(*of_month, planned_before))).one()


def month_around(moment: datetime, time_zone: str) -> tuple[datetime, datetime]:
    """Return when the local month that a moment lies in begins, and when the next one does, in UTC. Pure."""
    local = moment.astimezone(ZoneInfo(time_zone))
    start = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start.astimezone(UTC), following.astimezone(UTC)


def _meant(session: Session, edition: Edition, now: datetime) -> segments.Readers:
    """Return the query for the readers whom the edition means. Raises BrokenAudience."""
    try:
        return segments.readers(session, edition.audience, engagement.terms(now), now=now)
    except segments.SegmentError as error:
        raise BrokenAudience(
            f"Nothing is sent: whom {edition.name} goes to cannot be told, since its audience {edition.audience!r} "
            f"cannot be understood: {error.sentence} `newsletter edition set {edition.slug}` gives it another audience."
        ) from error


def _count(session: Session, query: Receivers) -> int:
    return int(session.execute(select_columns(func.count()).select_from(query.subquery())).scalar_one())
