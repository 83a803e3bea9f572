"""What the pages show of editions, lists and readers. Reads rows, changes none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from newsletter.issues.weeks import next_slot
from newsletter.models import Edition, Issue, IssueState
from newsletter.signup import consent_wording, frequency
from subscribers.addresses import mask
from subscribers.consent import subscriptions_of
from subscribers.lists import open_only
from subscribers.models import MailingList, Subscriber, Subscription, SubscriptionState


@dataclass(frozen=True)
class EditionShown:
    """An edition as readers see it. Paths start at the host's root; `last_issue` is empty until one was sent."""

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
    path: str
    last_issue: str


@dataclass(frozen=True)
class ListShown:
    """A list as one reader sees it: what comes with it, and whether they get it.

    `subscription_id` is None where they never asked for it. Without an enabled edition nobody can join it.
    """

    list_id: int
    list_name: str
    subscription_id: int | None
    is_on: bool
    is_open: bool
    editions: tuple[EditionShown, ...]

    @property
    def wording(self) -> str:
        """The words beside the box on the preferences page, kept as evidence of what was ticked."""
        return "; ".join(f"{edition.name}: {edition.frequency}" for edition in self.editions)


@dataclass(frozen=True)
class ReaderShown:
    """Whose link was opened, by the masked address (U6), and the list the link is about; `changed_at` is of the two."""

    subscription_id: int
    subscriber_id: int
    address: str
    changed_at: datetime
    about: ListShown


def shown_editions(session: Session, rows: Sequence[Edition], root: str, now: datetime) -> tuple[EditionShown, ...]:
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
    return tuple(_shown(edition, last.get(edition.id), root, max(now, after.get(edition.id, now))) for edition in rows)


def _shown(edition: Edition, last_number: int | None, root: str, now: datetime) -> EditionShown:
    return EditionShown(
        slug=edition.slug,
        name=edition.name,
        tagline=edition.tagline,
        language=edition.language,
        frequency=frequency(edition),
        wording=consent_wording(edition),
        next_issue=_next_issue(edition, now),
        publisher=edition.publisher,
        postal_address=edition.postal_address,
        contact=edition.contact,
        path=f"{root}/editions/{edition.slug}",
        last_issue=f"{root}/issues/{edition.slug}/{last_number}" if last_number else "",
    )


def _next_issue(edition: Edition, now: datetime) -> str:
    local = next_slot(edition, now).send_at.astimezone(ZoneInfo(edition.time_zone))
    return f"{local:%A}, {local.day} {local:%B}"


def enabled_editions(session: Session, list_id: int | None = None) -> Sequence[Edition]:
    """Return the editions one can sign up for, by name; of one list where it is given. An archived list has none."""
    found = select(Edition).where(col(Edition.enabled)).order_by(col(Edition.name))
    found = found.join(MailingList, col(MailingList.id) == col(Edition.list_id)).where(open_only())
    return session.exec(found if list_id is None else found.where(Edition.list_id == list_id)).all()


def reader_shown(session: Session, subscription_id: int, root: str, now: datetime) -> ReaderShown | None:
    """Return the reader behind a link, or None when they were erased since."""
    found = session.exec(
        select(Subscription, Subscriber, MailingList)
        .join(Subscriber, col(Subscriber.id) == col(Subscription.subscriber_id))
        .join(MailingList, col(MailingList.id) == col(Subscription.list_id))
        .where(Subscription.id == subscription_id)
    ).first()
    if found is None:
        return None
    subscription, subscriber, mailing_list = found
    about = _list_shown(session, mailing_list, subscription, root, now)
    return ReaderShown(subscription.id, subscriber.id, mask(subscriber.address), subscription.changed_at, about)


def _list_shown(
    session: Session, mailing_list: MailingList, subscription: Subscription | None, root: str, now: datetime
) -> ListShown:
    """A list without an enabled edition shows the others, so that a page can name what it is about."""
    is_open = True
    rows = enabled_editions(session, mailing_list.id)
    if not rows:
        is_open = False
        rows = session.exec(select(Edition).where(Edition.list_id == mailing_list.id)).all()
    return ListShown(
        list_id=mailing_list.id,
        list_name=mailing_list.name,
        subscription_id=subscription.id if subscription else None,
        is_on=subscription is not None and subscription.state is SubscriptionState.CONFIRMED,
        is_open=is_open,
        editions=shown_editions(session, rows, root, now),
    )


def choices(session: Session, subscriber_id: int, root: str, now: datetime) -> tuple[ListShown, ...]:
    """Return the lines of a reader's preferences page: every list they can join or are on."""
    own = {row.list_id: row for row in subscriptions_of(session, subscriber_id)}
    lists = session.exec(select(MailingList).order_by(col(MailingList.name))).all()
    shown = (_list_shown(session, one, own.get(one.id), root, now) for one in lists)
    return tuple(one for one in shown if one.is_open or one.is_on)


def last_change(session: Session, subscriber_id: int) -> datetime:
    """Return when any of the reader's subscriptions changed last."""
    return max(row.changed_at for row in subscriptions_of(session, subscriber_id))
