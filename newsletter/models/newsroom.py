"""Tables about stories, editions and issues."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, Column, Index, Text, UniqueConstraint, false, text, true
from sqlmodel import Field, SQLModel

import subscribers.models  # noqa: F401 - foreign keys here name its tables; there is one metadata
from newsletter.errors import Refused
from newsletter.mail import Mail, Sender
from subscribers.columns import UtcDateTime, one_of, word_type

#: Columns that a later revision added hold this in the rows that were there before.
_EMPTY = {"server_default": text("''")}


class Region(SQLModel, table=True):
    """A place: `UA` Ukraine, `GB-SCT` Scotland, or the newsroom's own such as `fen-north`."""

    __tablename__ = "region"

    id: int = Field(default=None, primary_key=True)
    code: str = Field(max_length=32, unique=True)
    name: str = Field(max_length=100)
    #: Names and places that mark a story as being about this region, beside those that the gazetteer knows.
    words: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    #: The code of the region that this one lies in; empty for the one that ISO 3166-2 gives, if any.
    parent: str = Field(default="", max_length=32, sa_column_kwargs=_EMPTY)
    #: Degrees south, west, north, east: stories that say where they happened belong to the region they lie in.
    area: list[float] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class Source(SQLModel, table=True):
    """Where stories come from, and what its last fetch left behind."""

    __tablename__ = "source"

    id: int = Field(default=None, primary_key=True)
    slug: str = Field(max_length=64, unique=True)
    name: str = Field(max_length=200)
    kind: str = Field(max_length=200)
    url: str = Field(max_length=2000, unique=True)
    language: str = Field(default="", max_length=35)
    #: How much the newsroom trusts it: multiplies nothing, adds to a story's score. 1.0 is usual.
    weight: float = Field(default=1.0)
    enabled: bool = Field(default=True)
    etag: str = Field(default="", max_length=500)
    last_modified: str = Field(default="", max_length=100)
    fetched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    succeeded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failures: int = Field(default=0)
    last_error: str = Field(default="", sa_column=Column(Text, nullable=False))
    #: Since when every reading has failed.
    failing_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: Not read before this time: it failed, or its server asked for rest.
    next_fetch_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: When it last brought a story that was not known.
    new_story_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: What is odd about it although it can be read, such as a new address that its server announces.
    notice: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    #: When the editors were told of the trouble that it is in, and of which: "failing" or "silent".
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    told_of: str = Field(default="", max_length=10, sa_column_kwargs=_EMPTY)
    first_fetched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SourceRegion(SQLModel, table=True):
    """Stories of this source belong to this region."""

    __tablename__ = "source_region"

    source_id: int = Field(foreign_key="source.id", primary_key=True)
    region_id: int = Field(foreign_key="region.id", primary_key=True)


class Story(SQLModel, table=True):
    """One published piece, known by its canonical URL."""

    __tablename__ = "story"
    __table_args__ = (Index(None, "published_at"), Index(None, "coverage"))

    id: int = Field(default=None, primary_key=True)
    #: The source that brought it first.
    source_id: int = Field(foreign_key="source.id")
    #: The canonical URL, which is its identity; readers are sent to `link`.
    url: str = Field(max_length=2000, unique=True)
    link: str = Field(max_length=2000)
    title: str = Field(sa_column=Column(Text, nullable=False))
    summary: str = Field(default="", sa_column=Column(Text, nullable=False))
    author: str = Field(default="", max_length=200)
    language: str = Field(default="", max_length=35)
    image_url: str = Field(default="", max_length=2000)
    image_alt: str = Field(default="", max_length=500)
    image_credit: str = Field(default="", max_length=200, sa_column_kwargs=_EMPTY)
    #: The picture as stored for mails: `Picture.sha256`; and why there is none although the source names one.
    picture: str = Field(default="", max_length=64, sa_column_kwargs=_EMPTY)
    picture_problem: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    #: When it was last asked for in vain, for a reason that may pass.
    picture_tried_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: What its source files it under.
    categories: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=True))
    #: Where it was written, as agencies put it before the text: "KYIV, Nov 20 (Reuters)". Only regions are told by it.
    dateline: str = Field(default="", max_length=100, sa_column_kwargs=_EMPTY)
    #: Where it happened, in degrees, where its source says so.
    latitude: float | None = Field(default=None)
    longitude: float | None = Field(default=None)
    published_at: datetime = Field(sa_type=UtcDateTime)
    #: False: the source gave no date, or one in the future, and `published_at` is when it was first seen.
    is_dated: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    #: When its title, summary or picture last changed at the source.
    updated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: The id of the first story about the same event, for each story of a group, or a number below zero where every
    #: such id names another event; None for one that stands alone.
    coverage: int | None = Field(default=None)
    #: Which regions and sources its tags were made from; empty when it has to be tagged again.
    tagged_as: str = Field(default="", max_length=16, sa_column_kwargs=_EMPTY)


class StorySource(SQLModel, table=True):
    """This source carried this story; a story that aggregators repeat has several."""

    __tablename__ = "story_source"

    story_id: int = Field(foreign_key="story.id", primary_key=True)
    source_id: int = Field(foreign_key="source.id", primary_key=True)


class Picture(SQLModel, table=True):
    """A picture as mails show it: resized, without metadata. Its address is its hash, so it never changes."""

    __tablename__ = "picture"

    #: Of the body, as 64 hexadecimal digits.
    sha256: str = Field(max_length=64, primary_key=True)
    media_type: str = Field(max_length=20)
    width: int
    height: int
    body: bytes
    #: The small copy that cards show; empty when this one is small enough.
    small: str = Field(default="", max_length=64, sa_column_kwargs=_EMPTY)
    created_at: datetime = Field(sa_type=UtcDateTime)


class StoryRegion(SQLModel, table=True):
    """A story is about a region, for this reason."""

    __tablename__ = "story_region"

    story_id: int = Field(foreign_key="story.id", primary_key=True)
    region_id: int = Field(foreign_key="region.id", primary_key=True)
    #: Such as: "Kharkiv" in the headline.
    evidence: str = Field(max_length=200)
    #: From 0 to 1; under `newsletter.regions.ABOUT` it is a passing mention.
    strength: float = Field(default=1.0, sa_column_kwargs={"server_default": "1"})


class DeadlineRule(StrEnum):
    """What happens when nobody approved an issue by its send time."""

    #: It waits for an editor.
    HOLD = "hold"
    #: It is approved as drafted and sent.
    SEND = "send"


class Edition(SQLModel, table=True):
    """A regional weekly. `send_weekday` is 0 for Monday; `send_hour_minute` is local to `time_zone`, such as 07:00."""

    __tablename__ = "edition"
    __table_args__ = (
        one_of("deadline_rule", DeadlineRule),
        CheckConstraint("send_weekday BETWEEN 0 AND 6", name="send_weekday_known"),
        CheckConstraint("min_stories >= 1 AND max_stories >= min_stories", name="stories_ordered"),
    )

    id: int = Field(default=None, primary_key=True)
    slug: str = Field(max_length=64, unique=True)
    name: str = Field(max_length=100)
    tagline: str = Field(default="", max_length=200)
    #: What "More from ..." says; empty for the regions' own names.
    region_name: str = Field(default="", max_length=100)
    list_id: int = Field(foreign_key="mailing_list.id")
    language: str = Field(default="en", max_length=35)
    sender_name: str = Field(max_length=100)
    sender_address: str = Field(max_length=320)
    reply_to: str = Field(default="", max_length=320)
    #: Who publishes it, where their post goes, and where corrections are taken (CAN-SPAM, CASL; R42).
    publisher: str = Field(max_length=200)
    postal_address: str = Field(max_length=300)
    contact: str = Field(max_length=320)
    send_weekday: int
    send_hour_minute: str = Field(max_length=5)
    time_zone: str = Field(max_length=64)
    #: Hours before the send time at which the draft is made.
    draft_hours: int = Field(default=24)
    deadline_rule: DeadlineRule = Field(default=DeadlineRule.HOLD, sa_type=word_type(DeadlineRule))
    #: Fewer new stories than this, and the week is skipped.
    min_stories: int = Field(default=4)
    #: The lead and "More" together.
    max_stories: int = Field(default=9)
    #: Only stories published in this many days before the send time.
    max_age_days: int = Field(default=8)
    #: In a thin week, stories of the region that its regions lie in fill the issue up to `min_stories`.
    fall_back: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    #: Its colour on light and on dark ground, such as #0F4C5C; empty for ours.
    accent: str = Field(default="", max_length=7, sa_column_kwargs=_EMPTY)
    accent_dark: str = Field(default="", max_length=7, sa_column_kwargs=_EMPTY)
    #: A picture of its name, for the top of the mail: its address, and how many pixels wide it is shown.
    logo_url: str = Field(default="", max_length=2000, sa_column_kwargs=_EMPTY)
    logo_width: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    #: Whether readers get a mail when they have joined, and when they have left on the page.
    welcome: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    goodbye: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    #: Whether readers may choose to get one issue a month, the first.
    monthly: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    #: A segment, such as "-tag:staff": of the list only these readers get it. Empty: all.
    audience: str = Field(default="", max_length=1000, sa_column_kwargs=_EMPTY)
    created_at: datetime = Field(sa_type=UtcDateTime)
    enabled: bool = Field(default=True)


class EditionRegion(SQLModel, table=True):
    """An edition is about this region."""

    __tablename__ = "edition_region"

    edition_id: int = Field(foreign_key="edition.id", primary_key=True)
    region_id: int = Field(foreign_key="region.id", primary_key=True)


class IssueState(StrEnum):
    """How far one week's number of an edition is."""

    #: Proposed; an editor can change it, and drafting again keeps what the editor changed.
    DRAFT = "draft"
    #: Subject, html and text are frozen; it goes out at its time.
    APPROVED = "approved"
    #: The ledger is planned and readers are being sent to.
    SENDING = "sending"
    #: No reader is left to send to, and its time has come. Set and taken back by the ledger, as the deliveries are.
    SENT = "sent"
    #: Not sent, for the reason given.
    SKIPPED = "skipped"
    #: Called off after its sending had begun: who has it has it, nobody else gets it.
    CANCELLED = "cancelled"


class Issue(SQLModel, table=True):
    """One week's number of an edition. (edition, week) is unique, so that ten schedulers make one."""

    __tablename__ = "issue"
    __table_args__ = (
        UniqueConstraint("edition_id", "week"),
        UniqueConstraint("edition_id", "number"),
        one_of("state", IssueState),
        CheckConstraint(
            "state NOT IN ('approved', 'sending', 'sent', 'cancelled') "
            "OR (content_hash <> '' AND approved_at IS NOT NULL)",
            name="approved_is_frozen",
        ),
    )

    id: int = Field(default=None, primary_key=True)
    edition_id: int = Field(foreign_key="edition.id")
    #: The ISO week of the send time in the edition's time zone, such as 2026-W47.
    week: str = Field(max_length=8)
    #: The number readers see, counted per edition; a skipped week has none.
    number: int | None = Field(default=None)
    state: IssueState = Field(sa_type=word_type(IssueState))
    #: How many deliveries were planned when its audience was frozen; the counts of all states add up to it.
    expected: int = Field(default=0)
    #: While the provider is out of reach or busy: when to try again, and how often in a row it was put off.
    next_try_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    put_off: int = Field(default=0)
    #: How often a worker stopped without recording since a person last started or resumed the sending.
    stops: int = Field(default=0)
    #: Why it was skipped or is held back. A reason keeps the schedule from sending; `issue resume` clears it.
    reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    send_at: datetime = Field(sa_type=UtcDateTime)
    drafted_at: datetime = Field(sa_type=UtcDateTime)
    #: The editor's own; empty means made from the lead.
    subject_override: str = Field(default="", max_length=400)
    preheader_override: str = Field(default="", max_length=400)
    #: The editor's words above the lead, below the stories, and on what an earlier issue had wrong. Markdown's
    #: paragraphs, emphasis and links.
    intro: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    closing: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    corrections: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    #: The warnings of preflight that were accepted at the approval: rule, message, reason, by, places (a line each).
    accepted: list[dict[str, str]] = Field(default_factory=list, sa_column=Column(JSON, nullable=True))
    #: When the editors were asked to review it.
    review_asked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    approved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    approved_by: str = Field(default="", max_length=200)
    sending_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: It is handed over in advance, to be sent by the provider at this time; until shortly before it can be undone.
    scheduled_for: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: The frozen mail. `nonce` marks its holes; `content_hash` is over all of these.
    subject: str = Field(default="", sa_column=Column(Text, nullable=False))
    html: str = Field(default="", sa_column=Column(Text, nullable=False))
    text: str = Field(default="", sa_column=Column(Text, nullable=False))
    nonce: str = Field(default="", max_length=32)
    #: What the names of its deliveries are made with (`delivery.names`): the first `nonce`, and never another. So what
    #: a provider tells of a batch that was taken back still finds its readers after the issue was changed.
    name_key: str = Field(default="", max_length=32, sa_column_kwargs=_EMPTY)
    from_name: str = Field(default="", max_length=400)
    from_address: str = Field(default="", max_length=320)
    reply_to: str = Field(default="", max_length=320)
    content_hash: str = Field(default="", max_length=64)

    def frozen_mail(self) -> Mail:
        """Return the mail exactly as approved. Raises Refused when it is not what was approved, byte for byte."""
        mail = Mail(
            self.subject,
            self.html,
            self.text,
            Sender(self.from_name, self.from_address, self.reply_to),
            self.nonce,
        )
        if not self.content_hash or mail.content_hash != self.content_hash:
            raise Refused(
                f"The stored mail of issue {self.id} ({self.week}) is not what was approved: its hash differs. "
                "Nothing is sent. Draft the issue again and approve it."
            )
        return mail


class IssueStory(SQLModel, table=True):
    """A story's place in an issue. Position 0 is the lead; a dropped story keeps its row so that it stays out."""

    __tablename__ = "issue_story"
    __table_args__ = (UniqueConstraint("issue_id", "story_id"),)

    id: int = Field(default=None, primary_key=True)
    issue_id: int = Field(foreign_key="issue.id")
    story_id: int = Field(foreign_key="story.id", index=True)
    #: None when dropped.
    position: int | None = Field(default=None)
    pinned: bool = Field(default=False)
    dropped: bool = Field(default=False)
    #: The editor's words; empty means the source's.
    headline: str = Field(default="", sa_column=Column(Text, nullable=False))
    summary: str = Field(default="", sa_column=Column(Text, nullable=False))
    #: The editor's own picture (`Picture.sha256`, or "none" for no picture), its description and its credit.
    picture: str = Field(default="", max_length=64, sa_column_kwargs=_EMPTY)
    image_alt: str = Field(default="", max_length=500, sa_column_kwargs=_EMPTY)
    image_credit: str = Field(default="", max_length=200, sa_column_kwargs=_EMPTY)
    score: float = Field(default=0.0)
    reasons: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    #: Headline and summary as the source had them when the issue was approved, to tell an update by.
    sent_text: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
