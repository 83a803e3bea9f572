"""What sending an issue would do, worked out without doing any of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, cast, exists, func, or_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from newsletter import windows
from newsletter.delivery.audience import audience, audience_size, besides, receivers
from newsletter.delivery.carrying import Carrier
from newsletter.delivery.rates import Limits, Windows
from newsletter.delivery.undoing import last_moment
from newsletter.delivery.warm_up import ceiling
from newsletter.errors import Refused
from newsletter.models import Delivery, DeliveryState, Edition, Issue, IssueState
from newsletter.providers import Provider, Scheduling
from subscribers.models import MailingList, Subscriber, Subscription, SubscriptionState
from subscribers.suppression import is_suppressed

#: An issue is handed over in advance only when it can be taken back for so long after that (trust 3.3).
UNDO_AT_LEAST = timedelta(minutes=20)
#: Batches beyond the planned chunks: small ones of a new account, readers who were put off.
SPARE_BATCHES = 20
#: More days of warm-up than this are not counted.
_MOST_DAYS = 1_000


@dataclass(frozen=True)
class Forecast:
    """Who would get an issue now, through whom, in how many calls and for how long at least."""

    #: Readers who would be sent to now, and the domains of most of them with how many there are.
    readers: int
    domains: Mapping[str, int]
    #: Readers who have it, may have it, or were refused, and so are not sent to.
    settled: int
    #: On the list, and not sent to: suppressed, not confirmed, or gone.
    suppressed: int
    pending: int
    left: int
    #: Could be written to, and do not get this one: they pause, get one issue a month and not this one, or are not in
    #: the edition's audience. Of an issue that is planned, as it would be planned now.
    paused: int
    not_due: int
    outside: int
    list_name: str
    provider: str
    chunk_size: int
    chunks: int
    #: At least so long, for the rates that are set; what the provider takes is not known before.
    at_least: timedelta
    subject: str
    sender: str
    content_hash: str
    #: Whether the provider takes mail for a time to come.
    provider_waits: bool
    #: Why it cannot be handed over in advance; "" when it can, until `undo_until`.
    not_ahead: str
    undo_until: datetime | None


def forecast(
    session: Session, issue: Issue, carrier: Carrier, now: datetime, *, ahead: bool = False, most: int = 10
) -> Forecast:
    """Return what sending an issue now would do; the `most` frequent domains are counted by themselves.

    `ahead`, it would be handed over now to be sent at its time. Raises Refused when the issue is not approved, is not
    what was approved, or nobody can tell whom its edition means; reads only.
    """
    provider = carrier.provider
    edition = session.get_one(Edition, issue.edition_id)
    name = f"{edition.slug}/{issue.week}"
    if issue.state in {IssueState.DRAFT, IssueState.SKIPPED}:
        raise Refused(f"{name} is not approved. Run `newsletter issue approve {edition.slug}`.")
    if issue.state is IssueState.CANCELLED:
        raise Refused(f"{name} was cancelled: {issue.reason}. Nobody else gets it.")
    mail = issue.frozen_mail()
    at = issue.send_at if ahead else max(now, issue.scheduled_for or now)
    domains = _domains(session, _due(session, issue, edition, at))
    readers = sum(domains.values())
    mailing_list = session.get_one(MailingList, edition.list_id)
    of_list = _of_list(session, edition.list_id) | asdict(besides(session, issue, edition, at))
    at_least = _at_least(session, issue, carrier, domains)
    not_ahead = why_not_ahead(provider, issue.send_at, now, readers, at_least)
    can_wait = isinstance(provider, Scheduling) and not not_ahead
    return Forecast(
        readers=readers,
        domains=dict(domains.most_common(most)),
        settled=_settled(session, issue),
        **of_list,
        list_name=mailing_list.name,
        provider=carrier.name,
        chunk_size=provider.chunk_size,
        chunks=math.ceil(readers / provider.chunk_size),
        at_least=at_least,
        subject=mail.subject,
        sender=mail.sender.address,
        content_hash=mail.content_hash,
        provider_waits=isinstance(provider, Scheduling),
        not_ahead=not_ahead,
        undo_until=last_moment(issue.send_at, provider) if can_wait and isinstance(provider, Scheduling) else None,
    )


def may_go_ahead(session: Session, issue: Issue, edition: Edition, carrier: Carrier, now: datetime) -> bool:
    """Tell whether an approved issue can be handed over in advance, to all readers it would go to now."""
    if carrier.limits:
        domains = _domains(session, _due(session, issue, edition, issue.send_at))
        readers, at_least = sum(domains.values()), _at_least(session, issue, carrier, domains)
    else:
        readers, at_least = audience_size(session, issue, edition, issue.send_at), timedelta(0)
    return not why_not_ahead(carrier.provider, issue.send_at, now, readers, at_least)


def why_not_ahead(
    provider: Provider, send_at: datetime, now: datetime, readers: int, at_least: timedelta = timedelta(0)
) -> str:
    """Return why an issue cannot be handed over in advance, as a sentence; "" when it can. Pure.

    `at_least` is what `how_long` says of it: the provider sends what it has at once, without regard to our rates.
    """
    if not isinstance(provider, Scheduling):
        return "The provider takes no mail for a time to come."
    if wrong_time := _why_not_now(provider, send_at, now):
        return wrong_time
    if at_least:
        return "The rates in the settings spread it over a time, and the provider would send all of it at once."
    most = (provider.max_cancelled - SPARE_BATCHES) * provider.chunk_size
    if readers > most:
        return f"The provider gives back {most} readers at most, and there are {readers}."
    return ""


def _why_not_now(provider: Scheduling, send_at: datetime, now: datetime) -> str:
    """Return why it is too early or too late to hand an issue over in advance, "" when it is neither. Pure."""
    if now >= send_at:
        return f"Its time was {send_at:%Y-%m-%d %H:%M} UTC."
    latest = send_at - provider.cancel_before - UNDO_AT_LEAST
    if now > latest:
        return f"It could be handed over in advance until {latest:%Y-%m-%d %H:%M} UTC, to be undone for a while after."
    earliest = send_at - provider.schedule_ahead
    if now < earliest:
        return f"The provider takes it from {earliest:%Y-%m-%d %H:%M} UTC on."
    return ""


def how_long(limits: Limits, domains: Mapping[str, int], most_a_day: int = 0) -> timedelta:
    """Return how long sending to so many readers of each domain takes at least, where limits are all there is. Pure.

    `most_a_day` is the most that went out on one day so far, for the warm-up; what went out lately is left aside.
    """
    readers = sum(domains.values())
    waits = [_in_windows(limits.overall, readers)]
    if limits.limit_domains:
        waits += [_in_windows(limits.of_domain(domain), count) for domain, count in domains.items()]
    if limits.warm_up is not None:
        days, most, left = 0, most_a_day, readers
        while left > 0 and days < _MOST_DAYS and (today := ceiling(limits.warm_up, most)) is not None:
            days, most, left = days + (left > today), max(most, min(today, left)), left - today
        waits.append(timedelta(days=days))
    return max(waits)


def _in_windows(windows: Windows, readers: int) -> timedelta:
    """Return how long the last of so many readers waits: a window's length for each time it was filled before."""
    waits = [seconds * ((readers - 1) // limit) for seconds, limit in windows.limits if readers]
    return timedelta(seconds=max(waits, default=0))


def _at_least(session: Session, issue: Issue, carrier: Carrier, domains: Mapping[str, int]) -> timedelta:
    """Return how long an issue takes at least with the limits of its carrier and what its warm-up has reached."""
    return how_long(carrier.limits, domains, _most_so_far(session, carrier, issue.from_address))


def _most_so_far(session: Session, carrier: Carrier, sender: str) -> int:
    """Return the most mails that went out on one day from a sender's domain, as far as its warm-up counted."""
    if carrier.limits.warm_up is None:
        return 0
    scope = f"{carrier.name} from {sender.rpartition('@')[2].lower()}"
    return max((count for _, _, _, count in windows.counted(session, [(scope, windows.DAY)])), default=0)


def _due(session: Session, issue: Issue, edition: Edition, at: datetime) -> Any:
    """Return the addresses that would be sent to: of the audience, unless they have a delivery that is settled."""
    is_planned_first = issue.state is IssueState.APPROVED
    readers = (audience if is_planned_first else receivers)(session, issue, edition, at).subquery()
    mine = and_(col(Delivery.subscriber_id) == readers.c.subscriber_id, col(Delivery.issue_id) == issue.id)
    planned: ColumnElement[bool] = exists().where(mine, col(Delivery.state) == DeliveryState.PLANNED)
    if is_planned_first:  # who joined since is added
        planned = or_(planned, ~exists().where(mine))
    return select_columns(readers.c.address).where(planned)


def _domains(session: Session, addresses: Any) -> Counter[str]:
    """Return domain -> number of readers; counted by the database, which need not hand over a million addresses."""
    found = addresses.subquery()
    at = func.strpos if session.get_bind().dialect.name == "postgresql" else func.instr
    domain = func.lower(func.substr(found.c.address, cast(at(found.c.address, "@"), Integer) + 1))
    query = select_columns(domain, func.count()).group_by(domain)
    return Counter({str(name): int(count) for name, count in session.execute(query)})


def _of_list(session: Session, list_id: int) -> dict[str, int]:
    """Return how many on a list are not sent to, by why."""
    state = col(Subscription.state)
    query = select_columns(state, func.count()).where(col(Subscription.list_id) == list_id).group_by(state)
    counts = {one: int(count) for one, count in session.execute(query)}
    stopped = (
        select(func.count())
        .select_from(Subscription)
        .join(Subscriber, col(Subscriber.id) == Subscription.subscriber_id)
        .where(Subscription.list_id == list_id, Subscription.state == SubscriptionState.CONFIRMED)
        .where(is_suppressed(col(Subscriber.address_key)))
    )
    return {
        "suppressed": session.exec(stopped).one(),
        "pending": counts.get(SubscriptionState.PENDING, 0),
        "left": counts.get(SubscriptionState.LEFT, 0),
    }


def _settled(session: Session, issue: Issue) -> int:
    query = select(func.count()).where(Delivery.issue_id == issue.id, Delivery.state != DeliveryState.PLANNED)
    return session.exec(query).one()
