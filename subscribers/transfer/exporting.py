"""Readers out of the database, in a stream, in the caller's session."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from sqlalchemy import Select, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from subscribers.models import (
    FieldValue,
    MailingList,
    ReaderField,
    Subscriber,
    SubscriberTag,
    Subscription,
    SubscriptionState,
    Tag,
)
from subscribers.transfer.formulas import defuse
from subscribers.transfer.layout import CHOICES
from subscribers.transfer.rows import NO, YES

#: The columns that every export has. `tags` follows where there are tags, and field:NAME for each reader field.
EXPORT_COLUMNS = ("email", "name", "list", "state", "since", *CHOICES)
_OWN = len(EXPORT_COLUMNS)

_EXPORT_BATCH = 1_000
#: Between tags while they come from the database; no tag has it.
_BETWEEN = "\x1f"


def export_csv(
    session: Session,
    list_id: int | None,
    file: TextIO,
    *,
    state: SubscriptionState | None = None,
    raw: bool = False,
) -> int:
    """Write the readers of one list, or of all, as CSV (RFC 4180) and return how many rows there are.

    Its columns: email, name, list, state, since (the last change of state, UTC), how the reader wants to be written to
    (language, or nothing for the edition's; text_only and monthly, yes or no; paused_until, UTC), tags with commas
    between them, and own fields. Cells that a spreadsheet would take for formulas get an apostrophe, which `import_csv`
    takes away again; `raw` leaves them as they are, for programs.
    """
    # Everything is quoted for spreadsheets: some split unquoted cells at semicolons, too, and find formulas there.
    writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL if raw else csv.QUOTE_ALL)
    fields, with_tags = _known(session)
    slugs = [f"field:{one.slug}" for one in fields]
    writer.writerow((*EXPORT_COLUMNS, *(["tags"] if with_tags else []), *slugs))
    written = 0
    for row in _rows(session, list_id, state, fields, with_tags=with_tags):
        tags = (", ".join(_sorted(row[_OWN])),) if with_tags else ()
        cells = (*map(_cell, _own(row)), *tags, *(value or "" for value in row[_OWN + with_tags :]))
        writer.writerow(cells if raw else map(defuse, cells))
        written += 1
    return written


def export_json_lines(
    session: Session, list_id: int | None, file: TextIO, *, state: SubscriptionState | None = None
) -> int:
    """Write the same as one JSON object a line, with `tags` as a list and `fields` by name; return how many.

    `text_only` and `monthly` are true or false, and `paused_until` is null where there is no pause.
    """
    fields, with_tags = _known(session)
    written = 0
    for row in _rows(session, list_id, state, fields, with_tags=with_tags):
        values = zip(fields, row[_OWN + with_tags :], strict=True)
        reader = {
            **dict(zip(EXPORT_COLUMNS, _own(row), strict=True)),
            "tags": _sorted(row[_OWN]) if with_tags else [],
            "fields": {one.slug: value for one, value in values if value is not None},
        }
        file.write(json.dumps(reader, ensure_ascii=False) + "\n")
        written += 1
    return written


def _known(session: Session) -> tuple[list[ReaderField], bool]:
    """Return the fields that readers may have, in order, and whether there are any tags."""
    fields = session.exec(select(ReaderField).order_by(col(ReaderField.position), col(ReaderField.id))).all()
    return list(fields), session.exec(select(Tag.id).limit(1)).first() is not None


def _rows(
    session: Session,
    list_id: int | None,
    state: SubscriptionState | None,
    fields: list[ReaderField],
    *,
    with_tags: bool,
) -> Iterator[Any]:
    """Yield what EXPORT_COLUMNS names, the tags if there are any, and the value of each field or None."""
    lists = select(MailingList).order_by(col(MailingList.slug))
    if list_id is not None:
        lists = lists.where(MailingList.id == list_id)
    for one in session.exec(lists).all():
        mine = (col(Subscription.list_id) == one.id, col(Subscriber.erased_at).is_(None))
        rows = _query(fields, with_tags=with_tags).where(*mine)
        if state is not None:
            rows = rows.where(col(Subscription.state) == state)
        yield from session.execute(rows, execution_options={"yield_per": _EXPORT_BATCH})


def _query(fields: list[ReaderField], *, with_tags: bool) -> Select[Any]:
    more: list[Any] = []
    if with_tags:
        tags = select_columns(func.aggregate_strings(col(Tag.name), _BETWEEN)).join(
            SubscriberTag, col(SubscriberTag.tag_id) == col(Tag.id)
        )
        more.append(tags.where(col(SubscriberTag.subscriber_id) == col(Subscriber.id)).scalar_subquery())
    for one in fields:
        value = select_columns(col(FieldValue.value)).where(
            col(FieldValue.subscriber_id) == col(Subscriber.id), col(FieldValue.field_id) == one.id
        )
        more.append(value.scalar_subquery())
    return (
        select_columns(
            col(Subscriber.address),
            col(Subscriber.name),
            col(MailingList.slug),
            col(Subscription.state),
            col(Subscription.changed_at),
            col(Subscriber.language),
            col(Subscriber.text_only),
            col(Subscriber.paused_until),
            col(Subscription.monthly),
            *more,
        )
        .join(Subscription, col(Subscription.subscriber_id) == col(Subscriber.id))
        .join(MailingList, col(MailingList.id) == col(Subscription.list_id))
        .order_by(col(Subscription.id))
    )


def _own(row: Any) -> tuple[str | bool | None, ...]:
    """Return what every export has of a reader, as JSON has it."""
    address, name, mailing_list, stands, since, language, text_only, paused_until, monthly = row[:_OWN]
    paused = paused_until and _utc(paused_until)
    return (address, name, mailing_list, stands.value, _utc(since), language, text_only, paused, monthly)


def _cell(value: str | bool | None) -> str:  # noqa: FBT001 - any value
    if isinstance(value, bool):
        return YES if value else NO
    return value or ""


def _sorted(tags: str | None) -> list[str]:
    return sorted(tags.split(_BETWEEN)) if tags else []


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
