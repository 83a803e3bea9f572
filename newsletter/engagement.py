"""What readers did with the mails they got, as terms of segments: `clicked:90d`, `-opened:180d`, `sent`.

As far as providers report it: opens are told by a picture, which many mail programs fetch by themselves or never.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select
from sqlalchemy import select as select_columns
from sqlmodel import col

from newsletter.models import Delivery, DeliveryState, ReportedEvent
from newsletter.providers.events import Kind
from subscribers.segments import Extra, ExtraTerm

_DAYS = re.compile(r"([1-9]\d{0,4})d")
#: Name -> which reports count, and what is said of readers. Who clicked has opened, whatever else was reported.
_REPORTED: dict[str, tuple[Collection[Kind], str]] = {
    "opened": ((Kind.OPENED, Kind.CLICKED), "opened an issue"),
    "clicked": ((Kind.CLICKED,), "clicked a link in an issue"),
    "bounced": ((Kind.BOUNCED,), "had an issue refused for good by their server"),
}


def terms(now: datetime) -> Extra:
    """Return the terms of segments about engagement: opened, clicked, bounced, sent; ages count back from `now`."""
    reported = {name: _reported(name, kinds, words, now) for name, (kinds, words) in _REPORTED.items()}
    sent = ExtraTerm(
        lambda age: _sent(_since("sent", age, now)),
        lambda age: _in_words("sent", "got an issue", age, now),
    )
    return reported | {"sent": sent}


def _reported(name: str, kinds: Collection[Kind], words: str, now: datetime) -> ExtraTerm:
    return ExtraTerm(
        lambda age: _events(kinds, _since(name, age, now)),
        lambda age: _in_words(name, words, age, now),
    )


def _since(name: str, age: str, now: datetime) -> datetime | None:
    """Return when an age such as 90d began; None for no age. Raises ValueError with a sentence."""
    if not age:
        return None
    days = _DAYS.fullmatch(age)
    if not days:
        raise ValueError(f"write a number of days such as {name}:90d, or {name} alone for ever.")
    return now - timedelta(days=int(days.group(1)))


def _in_words(name: str, words: str, age: str, now: datetime) -> str:
    since = _since(name, age, now)
    return f"{words} since {since:%Y-%m-%d %H:%M} (UTC)" if since else words


def _events(kinds: Collection[Kind], since: datetime | None) -> Select[Any]:
    query: Select[Any] = (
        select_columns(col(Delivery.subscriber_id).label("reader_id"))
        .join(ReportedEvent, col(ReportedEvent.delivery_id) == col(Delivery.id))
        .where(col(ReportedEvent.kind).in_(kinds))
    )
    return query if since is None else query.where(col(ReportedEvent.at) >= since)


def _sent(since: datetime | None) -> Select[Any]:
    """Return the query for the readers whose mail was handed over."""
    query: Select[Any] = select_columns(col(Delivery.subscriber_id).label("reader_id"))
    query = query.where(col(Delivery.state) == DeliveryState.ACCEPTED)
    return query if since is None else query.where(col(Delivery.changed_at) >= since)
