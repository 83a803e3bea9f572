"""What the pages show of editions, lists and readers. Reads rows, changes none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from newsletter.issues.weeks import next_slot
from newsletter.models import Edition, Issue, IssueState
from newsletter.signup.words import consent_wording, day_in_words, frequency
from newsletter.wording import Wording, Wordings
from subscribers.addresses import mask
from subscribers.consent import subscriptions_of
from subscribers.lists import open_only
from subscribers.merging import followed
from subscribers.models import Consent, ConsentAction, MailingList, Subscriber, Subscription, SubscriptionState


@dataclass(frozen=True)
class EditionShown:
    """An edition as readers see it, in the language of the page.

    Paths start at the host's root; `last_issue` is empty until one was sent. `monthly` is whether one can have the
    first issue of each month alone.
    """

    slug: str
    name: str
    tagline: str
    language: str
    frequency: str
    wording: str
    next_issue: str
    publisher: str
    postal_address: str
    contact: str
    sender: str
    path: str
    last_issue: str
    monthly: bool


@dataclass(frozen=True)
class ListShown:
    """A list as one reader sees it: what comes with it, and where they stand with it.

    `subscription_id` and `state` are None where they never asked for it. Without an enabled edition nobody can join it.
    """

    list_id: int
    list_name: str
    subscription_id: int | None
    state: SubscriptionState | None
    is_open: bool
    #: The reader gets the first issue of each month alone, where `monthly_of` names who offers it.
    monthly: bool
    #: When they asked for it, as a day.
    asked_on: str
    editions: tuple[EditionShown, ...]

    @property
    def is_on(self) -> bool:
        """Whether the reader gets it."""
        return self.state is SubscriptionState.CONFIRMED

    @property
    def is_asked_for(self) -> bool:
        """Whether the reader, or somebody else with their address, asked for it and nobody has confirmed."""
        return self.state is SubscriptionState.PENDING

    @property
    def monthly_of(self) -> tuple[EditionShown, ...]:
        """The editions that one can have once a month."""
        return tuple(edition for edition in self.editions if edition.monthly)

    @property
    def wording(self) -> str:
        """The words beside the box on the preferences page, kept as evidence of what was ticked."""
        return "; ".join(f"{edition.name}: {edition.frequency}" for edition in self.editions)


@dataclass(frozen=True)
class ReaderShown:
    """Whose link was opened, by the masked address (U6), and the list the link is about; `changed_at` is of the two.

    The list is the one that they are on: where theirs was merged into another, that one. `subscription_id` is the one
    that the link names.
    """

    subscription_id: int
    subscriber_id: int
    address: str
    changed_at: datetime
    about: ListShown
    wording: Wording


def shown_editions(
    session: Session, rows: Sequence[Edition], root: str, now: datetime, wording: Wording
) -> tuple[EditionShown, ...]:
    """Return the editions of `rows` as readers see them, in the same order; new readers get the next one."""
    ids = [edition.id for edition in rows]
    sent = (
        select(Issue.edition_id, func.max(Issue.number))
        .where(col(Issue.edition_id).in_(ids), Issue.state == IssueState.SENT)
        .group_by(col(Issue.edition_id))
    )
    last = dict(session.exec(sent).all())
    begun = (
        select(Issue.edition_id, func.max(Issue.send_at))
        .where(col(Issue.edition_id).in_(ids), col(Issue.state).in_([IssueState.SENDING, IssueState.SENT]))
        .group_by(col(Issue.edition_id))
    )
    # An issue may be sent before its hour; the next one is then that of the week after.
    after = {edition_id: send_at + timedelta(seconds=1) for edition_id, send_at in session.exec(begun)}
    return tuple(
        _shown(edition, last.get(edition.id), root, max(now, after.get(edition.id, now)), wording) for edition in rows
    )


def _shown(edition: Edition, last_number: int | None, root: str, now: datetime, wording: Wording) -> EditionShown:
    return EditionShown(
        slug=edition.slug,
        name=edition.name,
        tagline=edition.tagline,
        language=edition.language,
        frequency=frequency(edition, wording),
        wording=consent_wording(edition, wording),
        next_issue=_next_issue(edition, now, wording),
        publisher=edition.publisher,
        postal_address=edition.postal_address,
        contact=edition.contact,
        sender=edition.sender_address,
        path=f"{root}/editions/{edition.slug}",
        last_issue=f"{root}/issues/{edition.slug}/{last_number}" if last_number else "",
        monthly=edition.monthly,
    )


def _next_issue(edition: Edition, now: datetime, wording: Wording) -> str:
    local = next_slot(edition, now).send_at.astimezone(ZoneInfo(edition.time_zone))
    return day_in_words(local.date(), wording.language)


def enabled_editions(session: Session, list_id: int | None = None) -> Sequence[Edition]:
    """Return the editions one can sign up for, by name; of one list where it is given. An archived list has none."""
    found = select(Edition).where(col(Edition.enabled)).order_by(col(Edition.name))
    found = found.join(MailingList, col(MailingList.id) == col(Edition.list_id)).where(open_only())
    return session.exec(found if list_id is None else found.where(Edition.list_id == list_id)).all()


def reader_shown(
    session: Session, subscription_id: int, root: str, now: datetime, wordings: Wordings
) -> ReaderShown | None:
    """Return the reader behind a link, in their language or else that of its edition; None when they were erased."""
    found = session.exec(
        select(Subscription, Subscriber)
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .where(Subscription.id == subscription_id, col(Subscriber.erased_at).is_(None))
    ).first()
    if found is None:
        return None
    subscription, subscriber = found
    on = _where_they_are(session, subscription)
    mailing_list = session.get_one(MailingList, on.list_id)
    rows, _ = _editions_of(session, mailing_list)
    wording = wordings.of(subscriber.language, rows[0].language if rows else "")
    about = _list_shown(session, mailing_list, on, root, now, wording=wording)
    return ReaderShown(subscription.id, subscriber.id, mask(subscriber.address), on.changed_at, about, wording)


def _where_they_are(session: Session, subscription: Subscription) -> Subscription:
    """Return where a link's reader stands: on the last list that its own was merged into, or where they left last."""
    rows = [subscription, *followed(session, subscription)]
    on = [row for row in rows if row.state is SubscriptionState.CONFIRMED]
    return on[-1] if on else max(reversed(rows), key=lambda row: row.changed_at)


def _editions_of(session: Session, mailing_list: MailingList) -> tuple[Sequence[Edition], bool]:
    """Return a list's enabled editions, and True; or else the others, so that a page can name what it is about."""
    rows = enabled_editions(session, mailing_list.id)
    if rows:
        return rows, True
    return session.exec(select(Edition).where(Edition.list_id == mailing_list.id)).all(), False


def _list_shown(
    session: Session,
    mailing_list: MailingList,
    subscription: Subscription | None,
    root: str,
    now: datetime,
    *,
    wording: Wording,
) -> ListShown:
    rows, is_open = _editions_of(session, mailing_list)
    return ListShown(
        list_id=mailing_list.id,
        list_name=mailing_list.name,
        subscription_id=subscription.id if subscription else None,
        state=subscription.state if subscription else None,
        is_open=is_open,
        monthly=subscription is not None and subscription.monthly,
        asked_on=wording.language.long_date(subscription.requested_at.date()) if subscription else "",
        editions=shown_editions(session, rows, root, now, wording),
    )


def choices(session: Session, reader: ReaderShown, root: str, now: datetime) -> tuple[ListShown, ...]:
    """Return the lines of a reader's preferences page: every list they can join or are on."""
    own = {row.list_id: row for row in subscriptions_of(session, reader.subscriber_id)}
    lists = session.exec(select(MailingList).order_by(col(MailingList.name))).all()
    shown = (_list_shown(session, one, own.get(one.id), root, now, wording=reader.wording) for one in lists)
    return tuple(one for one in shown if one.is_open or one.is_on)


def last_change(session: Session, subscriber_id: int) -> datetime:
    """Return when the reader changed anything last: a list they are on, or how they are written to."""
    changed = select(func.max(Consent.at)).where(
        Consent.subscriber_id == subscriber_id, Consent.action == ConsentAction.CHANGED
    )
    times = [row.changed_at for row in subscriptions_of(session, subscriber_id)]
    return max(filter(None, [*times, session.exec(changed).one()]))
