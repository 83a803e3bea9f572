"""What one row of a file says: a reader, or why it cannot be one. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from subscribers.addresses import one_line, ordinary_key, parse_address
from subscribers.consent import shorten_network
from subscribers.csvfile import Record
from subscribers.errors import InvalidAddress
from subscribers.fields import InvalidValue, value_of
from subscribers.importers import ANYTHING, Standing
from subscribers.models import ReaderField
from subscribers.transfer.formulas import undo
from subscribers.transfer.layout import Layout

_TAG_LIMIT = 64
_MOST_TAGS = 100
_BETWEEN_TAGS = re.compile(r"[,;|\n]")
#: The longest that a date in words nobody can read is kept.
_DATE_LIMIT = 60
#: The language of a reader as a tag (BCP 47) that the column can hold.
_LANGUAGE = re.compile(r"(?=.{1,35}$)[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
YES, NO = "yes", "no"
_WORDS = {"": "", YES: YES, "true": YES, "1": YES, NO: NO, "false": NO, "0": NO}


class Row(NamedTuple):
    """A reader as a file has them. A tuple, since a million are made."""

    key: str
    line: int
    address: str
    name: str
    standing: Standing
    #: Field id -> value.
    fields: Mapping[int, str] = {}
    tags: Collection[str] = ()
    #: When the reader agreed, as the file says it, and the network they did so from.
    agreed: str = ""
    network: str = ""
    #: The values of `layout.CHOICES`: a language, "yes" or "no", a time in UTC, "yes" or "no"; each "" where nothing is
    #: said, and () where nothing is said at all.
    choices: tuple[str, ...] = ()


class _Unfit(Exception):
    """A row cannot be imported; the text says why."""


def judge(record: Record, layout: Layout, fields: Mapping[str, ReaderField]) -> Row | str:
    """Return the reader in a row, or what is wrong with it."""
    cells = record.cells
    if record.fault:
        return record.fault
    if len(cells) > layout.count and any(cell.strip() for cell in cells[layout.count :]):
        return f"the row has {len(cells)} columns, but the header has {layout.count}."
    try:
        standing = _standing(cells, layout)
        typed = _cell(cells, layout.address)
        key = ordinary_key(typed)
        if not key:
            typed, key = (address := parse_address(typed)).typed, address.key
        values = _values(cells, layout, fields) if layout.fields else {}
        tags = _tags(cells, layout) if layout.tags else ()
        choices = _choices(cells, layout.choices) if layout.choices else ()
    except InvalidAddress as error:
        return error.reason
    except (_Unfit, InvalidValue) as error:
        return str(error)
    name = one_line(" ".join([_cell(cells, place) for place in layout.names]))
    if layout.plain:
        return Row(key, record.line, typed, name, standing)
    return Row(
        key,
        record.line,
        typed,
        name,
        standing,
        values,
        tags,
        _date(_first(cells, layout.agreed)),
        shorten_network(_first(cells, layout.network)),
        choices,
    )


def split_tags(text: str) -> tuple[str, ...]:
    """Return the tags in a cell: between commas, semicolons or bars, in quotation marks or as a list.

    One that is no tag here is made one: quotation marks go, and what is too long is cut.
    """
    parts = (one_line(part.replace('"', " ").strip(" []'").lower(), _TAG_LIMIT) for part in _BETWEEN_TAGS.split(text))
    return tuple(dict.fromkeys(part for part in parts if part))


def _standing(cells: tuple[str, ...], layout: Layout) -> Standing:
    """Return what the row says of the reader's standing. Raises _Unfit for who has not confirmed, or nobody knows."""
    found = layout.standing
    for place, rule in layout.rules:
        word = _cell(cells, place).lower()
        said = rule.words.get(word) or (rule.words.get(ANYTHING) if word else None)
        if said is None and rule.strict:
            said_so = one_line(word, _DATE_LIMIT)
            raise _Unfit(f"`{rule.column}` says {said_so!r}, and it is not known whether such a reader gets mail.")
        if said is not None:
            found = said
            break
    if found is Standing.PENDING:
        raise _Unfit("the file says that this reader has not confirmed.")
    return found


def _values(cells: tuple[str, ...], layout: Layout, fields: Mapping[str, ReaderField]) -> Mapping[int, str]:
    """Return the values of own fields by field id. Raises InvalidValue."""
    said = ((fields[slug], value_of(fields[slug], _cell(cells, place))) for slug, place in layout.fields)
    return {one.id: value for one, value in said if value}


def _tags(cells: tuple[str, ...], layout: Layout) -> tuple[str, ...]:
    """Return the tags. Raises _Unfit for more than anybody gives."""
    found = split_tags(",".join(_cell(cells, place) for place in layout.tags))
    if len(found) > _MOST_TAGS:
        raise _Unfit(f"it has {len(found)} tags, and {_MOST_TAGS} are the most.")
    return found


def _choices(cells: tuple[str, ...], places: tuple[int | None, ...]) -> tuple[str, ...]:
    """Return how the reader wants to be written to. Raises _Unfit for what cannot be told.

    A language in words, as files of others have it, is left aside: the edition's does for them.
    """
    language, text_only, paused_until, monthly = ("" if at is None else _cell(cells, at) for at in places)
    if not _LANGUAGE.fullmatch(language):
        language = ""
    said = (language, _yes_or_no("text_only", text_only), _time(paused_until), _yes_or_no("monthly", monthly))
    return said if any(said) else ()


def _yes_or_no(column: str, text: str) -> str:
    word = text.lower()
    if word in _WORDS:
        return _WORDS[word]
    raise _Unfit(f"`{column}` says {one_line(text, _DATE_LIMIT)!r}; write yes or no.")


def _time(text: str) -> str:
    """Return a time as 2026-11-30 07:00:00.000000, in UTC; without a time zone it is taken for UTC. Raises _Unfit."""
    if not text:
        return ""
    try:
        at = datetime.fromisoformat(text)
        text = as_text(at.replace(tzinfo=UTC) if at.tzinfo is None else at)
    except (ValueError, OverflowError):
        said = one_line(text, _DATE_LIMIT)
        raise _Unfit(f"`paused_until` says {said!r}; write a time such as 2026-11-30T07:00.") from None
    return text


def as_text(at: datetime) -> str:
    """Return a time in UTC as SQLite has it, such as 2026-11-30 07:00:00.000000; these stand in the times' order."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _date(text: str) -> str:
    """Return a date as 2024-05-01 12:30, or as the file has it where it is written in another way."""
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"
    except ValueError:
        return one_line(text, _DATE_LIMIT)


def _first(cells: tuple[str, ...], places: tuple[int, ...]) -> str:
    return next((text for place in places if (text := _cell(cells, place))), "")


def _cell(cells: tuple[str, ...], place: int) -> str:
    return undo(cells[place]) if place < len(cells) else ""
