"""Tables about people: who they are, what they are on, what they agreed to, who must never be written to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel

from subscribers.appendonly import keep_append_only
from subscribers.columns import UtcDateTime, one_of, word_type

#: What a row of before has in a column that came later.
_EMPTY = {"server_default": text("''")}
_FALSE = {"server_default": false()}


class SubscriptionState(StrEnum):
    """Where a reader stands with a list."""

    #: Asked for, not confirmed yet: nothing but the confirmation mail may be sent.
    PENDING = "pending"
    #: On the list.
    CONFIRMED = "confirmed"
    #: Left. Only the reader can undo it; an import never does.
    LEFT = "left"


class ConsentAction(StrEnum):
    """What a reader did, or what somebody vouched for."""

    #: The sign-up form was sent with this address.
    REQUESTED = "requested"
    #: The link in the confirmation mail was opened and its button pressed.
    CONFIRMED = "confirmed"
    #: An admin brought the reader in and said where the consent was given.
    IMPORTED = "imported"
    #: The reader joined from the preferences page, or took a leaving back, behind a signed link.
    JOINED = "joined"
    #: The reader left, or an admin removed them at their wish.
    LEFT = "left"
    #: The reader changed how they are written to: paused, text only, their address. `wording` says what.
    CHANGED = "changed"
    #: Everything that says who the reader was is gone, at their wish.
    ERASED = "erased"


class SuppressionReason(StrEnum):
    """Why an address must never be written to."""

    #: The address does not exist or refuses us for good.
    BOUNCE = "bounce"
    #: The reader reported a mail as spam.
    COMPLAINT = "complaint"
    #: An admin put the address here, mostly because its owner asked.
    MANUAL = "manual"
    #: The reader was erased: no import brings them back. They can sign up again themselves.
    ERASED = "erased"


class LetterKind(StrEnum):
    """Which mail a reader is owed for what they did."""

    #: They are on a list now.
    WELCOME = "welcome"
    #: They have left a list on the page.
    GOODBYE = "goodbye"


class RequestKind(StrEnum):
    """What a reader asked for that only the owner of an address may do: a mail with a link goes there first."""

    #: To be written to at another address; the mail goes to that one.
    ADDRESS = "address"
    #: To see, take along or delete what is known of them; the mail goes to theirs.
    DATA = "data"


class FieldKind(StrEnum):
    """What a reader may say in a field."""

    TEXT = "text"
    CHOICE = "choice"
    DATE = "date"


class MailingList(SQLModel, table=True):
    """A list of readers. Editions are sent to one."""

    __tablename__ = "mailing_list"

    id: int = Field(default=None, primary_key=True)
    slug: str = Field(max_length=64, unique=True)
    name: str = Field(max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)
    #: Since when nobody can join it and nothing is sent to it; its people and their evidence stay.
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: The list that its readers were moved to; who leaves this one by an old link leaves that one.
    merged_into: int | None = Field(default=None)


class Subscriber(SQLModel, table=True):
    """One person, known by one address. `address_key` is the form that is compared.

    `address` is what was typed, with the domain in its ASCII form, so that it can be written to as it is.
    """

    __tablename__ = "subscriber"

    id: int = Field(default=None, primary_key=True)
    address: str = Field(max_length=320)
    address_key: str = Field(max_length=320, unique=True)
    name: str = Field(default="", max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)
    #: Of pages and of mails about the subscription; empty for the edition's.
    language: str = Field(default="", max_length=35, sa_column_kwargs=_EMPTY)
    #: Mails to this reader have no html.
    text_only: bool = Field(default=False, sa_column_kwargs=_FALSE)
    #: No issue is sent before this.
    paused_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: Since when this row says nothing of who it was: no address, and a key that no address has.
    erased_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Subscription(SQLModel, table=True):
    """One reader and one list. `confirmation_sent_at` is empty while a confirmation mail waits to be sent."""

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "list_id"),
        Index(None, "list_id", "state"),
        one_of("state", SubscriptionState),
    )

    id: int = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id")
    list_id: int = Field(foreign_key="mailing_list.id")
    state: SubscriptionState = Field(sa_type=word_type(SubscriptionState))
    requested_at: datetime = Field(sa_type=UtcDateTime)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    confirmation_sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: How often the reader's server put the confirmation mail off, and when it may be tried again.
    confirmation_tries: int = Field(default=0)
    confirmation_not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: Gets one issue a month, the first, of an edition that offers it.
    monthly: bool = Field(default=False, sa_column_kwargs=_FALSE)
    #: The subscription whose confirmation mail asks about this one, too: one form, one mail (trust 2.1).
    asked_with: int | None = Field(default=None, index=True)
    #: What the form said of who asked: "language", and values by "field:" and the field's name. Kept once confirmed.
    answers: dict[str, str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))


class Tag(SQLModel, table=True):
    """A word that admins put on readers."""

    __tablename__ = "tag"

    id: int = Field(default=None, primary_key=True)
    name: str = Field(max_length=64, unique=True)


class SubscriberTag(SQLModel, table=True):
    """A tag that a reader has."""

    __tablename__ = "subscriber_tag"
    __table_args__ = (Index(None, "tag_id", "subscriber_id"),)

    subscriber_id: int = Field(foreign_key="subscriber.id", primary_key=True)
    tag_id: int = Field(foreign_key="tag.id", primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)


class ReaderField(SQLModel, table=True):
    """Something that a newsroom wants to know of its readers besides their address, asked on the sign-up form."""

    __tablename__ = "reader_field"
    __table_args__ = (one_of("kind", FieldKind),)

    id: int = Field(default=None, primary_key=True)
    #: Its name in commands, files and segments.
    slug: str = Field(max_length=64, unique=True)
    #: What readers see.
    label: str = Field(max_length=200)
    kind: FieldKind = Field(sa_type=word_type(FieldKind))
    #: What can be chosen, in order; empty for other kinds.
    choices: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    required: bool = Field(default=False)
    position: int = Field(default=0)


class FieldValue(SQLModel, table=True):
    """What one reader said in a field: the text, the choice, or the date as 2026-11-30."""

    __tablename__ = "field_value"
    __table_args__ = (Index(None, "field_id", "value"),)

    subscriber_id: int = Field(foreign_key="subscriber.id", primary_key=True)
    field_id: int = Field(foreign_key="reader_field.id", primary_key=True)
    value: str = Field(max_length=500)


class Letter(SQLModel, table=True):
    """A mail that one reader is owed for one thing they did. `sent_at` is empty while it waits to be sent."""

    __tablename__ = "letter"
    __table_args__ = (
        UniqueConstraint("subscription_id", "kind", "caused_at"),
        Index(None, "sent_at", "caused_at"),
        one_of("kind", LetterKind),
    )

    id: int = Field(default=None, primary_key=True)
    subscription_id: int = Field(foreign_key="subscription.id")
    kind: LetterKind = Field(sa_type=word_type(LetterKind))
    #: When they did it: `Subscription.changed_at`. When that has moved on, the letter is not sent any more.
    caused_at: datetime = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: How often the reader's server put it off, and when it may be tried again.
    tries: int = Field(default=0)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ReaderRequest(SQLModel, table=True):
    """A mail with a link that a reader asked for on the preferences page; `done_at` is when the link was used."""

    __tablename__ = "reader_request"
    __table_args__ = (Index(None, "sent_at", "asked_at"), one_of("kind", RequestKind))

    id: int = Field(default=None, primary_key=True)
    #: Whose preferences link it was, and in whose edition's look the mail comes.
    subscription_id: int = Field(foreign_key="subscription.id", index=True)
    kind: RequestKind = Field(sa_type=word_type(RequestKind))
    #: The new address, as `Subscriber` has its own; empty where the mail goes to the reader's.
    address: str = Field(default="", max_length=320)
    address_key: str = Field(default="", max_length=320)
    asked_at: datetime = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: How often the reader's server put it off, and when it may be tried again.
    tries: int = Field(default=0)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Consent(SQLModel, table=True):
    """One line of evidence. Rows are only ever added; the database itself refuses changes (GDPR article 7(1)).

    One change is possible: the network of somebody who is erased is emptied.
    """

    __tablename__ = "consent"
    __table_args__ = (one_of("action", ConsentAction), Index(None, "subscriber_id", "list_id"))

    id: int = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id")
    #: None for what is about no list, such as a new address.
    list_id: int | None = Field(default=None, foreign_key="mailing_list.id")
    action: ConsentAction = Field(sa_type=word_type(ConsentAction))
    at: datetime = Field(sa_type=UtcDateTime)
    #: Where it happened: a page's address, "one-click", a file's name.
    source: str = Field(max_length=500)
    #: The words the reader saw, or the admin's statement for an import.
    wording: str = Field(default="", sa_column=Column(Text, nullable=False))
    #: The network the request came from, shortened to /24 or /48.
    network: str = Field(default="", max_length=64)


class Suppression(SQLModel, table=True):
    """An address that is never written to, whatever list it is on.

    Of somebody who was erased the key is "h:" and a keyed hash of the address (`hashes.KeyedHash`).
    """

    __tablename__ = "suppression"
    __table_args__ = (one_of("reason", SuppressionReason),)

    id: int = Field(default=None, primary_key=True)
    address_key: str = Field(max_length=320, unique=True)
    reason: SuppressionReason = Field(sa_type=word_type(SuppressionReason))
    note: str = Field(default="", max_length=500)
    at: datetime = Field(sa_type=UtcDateTime)


keep_append_only("consent", may_empty="network")
