"""What the tables hold of a person, and what erasing that person does to it: decided column by column (threat 23).

`TABLES` is about this package's tables; others have lists of their own. Exporting and erasing go by these lists alone,
so a test refuses a column of any table that nobody has decided about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_
from sqlalchemy import select as select_columns
from sqlmodel import col

from subscribers.models import (
    Consent,
    FieldValue,
    Letter,
    ReaderRequest,
    Subscriber,
    SubscriberTag,
    Subscription,
    Suppression,
)


@dataclass(frozen=True)
class Person:
    """Whom rows are about. `id` is 0 for an address that is no reader's."""

    id: int
    #: The key of the address.
    key: str
    #: That key, and those of addresses that this reader had before and nobody else has now -> what stands for each
    #: where it must not be kept, and what stood for it under earlier secrets (`hashes.KeyedHash.each`).
    hashes: Mapping[str, tuple[str, ...]]
    #: Rows of tables that are found by looking through them, by the table's name.
    found: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def known_by(self) -> dict[str, str]:
        """All that a suppression may know this person by, hashes too -> the hash that is to stand there."""
        return {one: hashes[0] for key, hashes in self.hashes.items() for one in (key, *hashes)}


@dataclass(frozen=True)
class About:
    """A table with rows about people."""

    table: str
    #: What the rows are, in words that somebody who asks for their data understands.
    what: str
    #: Returns the condition for the rows about a person.
    mine: Callable[[Person], ColumnElement[bool]]
    #: Erasing deletes the rows; else each column is either emptied or kept.
    deleted: bool = False
    #: Column -> what erasing puts there: a value, or a function of the person and the time.
    emptied: Mapping[str, Any] = field(default_factory=dict)
    #: Column -> what erasing puts there to say that it was done; in the same way.
    marked: Mapping[str, Any] = field(default_factory=dict)
    #: Columns, with spaces between them -> why they may stay.
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept_columns(self) -> frozenset[str]:
        """The columns that stay as they are."""
        return frozenset(name for names in self.kept for name in names.split())

    def values_for(self, person: Person, now: datetime) -> dict[str, Any]:
        """Return what erasing a person puts into their rows."""
        values = {**self.emptied, **self.marked}
        return {name: value(person, now) if callable(value) else value for name, value in values.items()}


@dataclass(frozen=True)
class AboutNobody:
    """A table without a word about readers, and the columns that this was decided for."""

    table: str
    columns: str
    why: str


_POINTS_NOWHERE = "a number, which leads to a row without a name or address"
_EVIDENCE = (
    "evidence of what was agreed to and sent has to be shown for as long as it can be disputed "
    "(GDPR articles 7(1) and 17(3)(e)); without the reader's row it names nobody"
)


def _of_subscription(column: Any) -> Callable[[Person], ColumnElement[bool]]:
    """Return the condition for rows that belong to a person's subscriptions."""
    mine = select_columns(col(Subscription.id))
    return lambda person: column.in_(mine.where(col(Subscription.subscriber_id) == person.id))


TABLES: tuple[About, ...] = (
    About(
        "reader_request",
        "mails with a link that you, or somebody who typed your address, asked for on a preferences page",
        lambda person: or_(
            _of_subscription(col(ReaderRequest.subscription_id))(person),
            col(ReaderRequest.address_key).in_(person.known_by),
            func.lower(col(ReaderRequest.address)).in_(person.hashes),
        ),
        deleted=True,
    ),
    About(
        "letter",
        "welcome and goodbye mails that you were owed or got",
        _of_subscription(col(Letter.subscription_id)),
        deleted=True,
    ),
    About(
        "subscriber_tag",
        "words that the newsroom put on you",
        lambda person: col(SubscriberTag.subscriber_id) == person.id,
        deleted=True,
    ),
    About(
        "field_value",
        "what you said in the newsroom's own fields",
        lambda person: col(FieldValue.subscriber_id) == person.id,
        deleted=True,
    ),
    About(
        "suppression",
        "that you must not be written to, and why",
        lambda person: col(Suppression.address_key).in_(person.known_by),
        emptied={
            "address_key": lambda person, _: case(person.known_by, value=col(Suppression.address_key)),
            "note": "",
        },
        kept={
            "id reason at": "why and since when an address that only a keyed hash knows is not written to; "
            "without it the next import would bring the reader back"
        },
    ),
    About(
        "consent",
        "the evidence of what you agreed to, and when you left",
        lambda person: col(Consent.subscriber_id) == person.id,
        emptied={"network": ""},
        kept={"id subscriber_id list_id action at source wording": _EVIDENCE},
    ),
    About(
        "subscription",
        "the lists that you are on or left",
        lambda person: col(Subscription.subscriber_id) == person.id,
        emptied={"monthly": False, "asked_with": None, "answers": None},
        kept={
            "id subscriber_id list_id": _POINTS_NOWHERE,
            "state requested_at changed_at confirmation_sent_at confirmation_tries confirmation_not_before": _EVIDENCE,
        },
    ),
    About(
        "subscriber",
        "your address, your name and how you want to be written to",
        lambda person: col(Subscriber.id) == person.id,
        emptied={
            "address": "",
            "address_key": lambda person, _: f"erased:{person.id}",
            "name": "",
            "language": "",
            "text_only": False,
            "paused_until": None,
        },
        marked={"erased_at": lambda _, now: now},
        kept={"id": _POINTS_NOWHERE, "created_at": _EVIDENCE},
    ),
)

TABLES_ABOUT_NOBODY: tuple[AboutNobody, ...] = (
    AboutNobody("mailing_list", "id slug name created_at archived_at merged_into", "lists, not who is on them"),
    AboutNobody("tag", "id name", "the words themselves, which admins chose"),
    AboutNobody("reader_field", "id slug label kind choices required position", "what is asked, not what was said"),
)
