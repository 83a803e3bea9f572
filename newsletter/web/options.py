"""What the preferences page shows besides lists: a pause, form and language of mails, and why none may come (U22)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from newsletter.models import Delivery, DeliveryState, Edition, Issue, IssueState
from newsletter.web.shown import ReaderShown, last_change
from newsletter.web.site import LanguageShown
from newsletter.wording import Wordings
from subscribers import preferences, suppression
from subscribers.consent import subscriptions_of
from subscribers.models import Subscriber, SuppressionReason

#: So many issues, the last ones of the lists that a reader knows, are looked through for one that they got.
_LAST_ISSUES = 20


@dataclass(frozen=True)
class OptionsShown:
    """How a reader is written to. Days are in their language, and empty where there is none."""

    changed_on: str
    paused_until: str
    text_only: bool
    language: str
    languages: tuple[LanguageShown, ...]
    #: Why their address is never written to, "" where it is: bounce, complaint or manual; and since when.
    stopped: str
    stopped_on: str
    #: From when on they may ask for mail again that came back; "" for now.
    lift_from: str
    #: The last issue that was sent to them: when, and of which edition.
    last_sent: str
    last_edition: str


def options_shown(session: Session, reader: ReaderShown, wordings: Wordings, now: datetime) -> OptionsShown:
    """Return how a reader is written to, and whether they are."""
    person = session.get_one(Subscriber, reader.subscriber_id)
    long_date = reader.wording.language.long_date
    stopped = suppression.find(session, person.address_key)
    lift_from = preferences.may_lift(session, person.id, now)
    last_sent, last_edition = _last_issue(session, reader)
    paused = person.paused_until if preferences.is_paused(person.paused_until, now) else None
    return OptionsShown(
        changed_on=long_date(last_change(session, person.id).date()),
        paused_until=long_date(paused.date()) if paused else "",
        text_only=person.text_only,
        language=person.language,
        languages=languages_shown(wordings),
        stopped=_why(stopped.reason) if stopped else "",
        stopped_on=long_date(stopped.at.date()) if stopped else "",
        lift_from=long_date(lift_from.date()) if lift_from > now else "",
        last_sent=last_sent,
        last_edition=last_edition,
    )


def languages_shown(wordings: Wordings) -> tuple[LanguageShown, ...]:
    """Return every language that the pages speak, by its own name, in the order of the names."""
    return tuple(sorted(map(LanguageShown.of, wordings.offered()), key=lambda one: one.name.casefold()))


def _why(reason: SuppressionReason) -> str:
    """Return why nothing is sent as the page tells it: what is not the reader's to lift reads as set by hand."""
    known = {SuppressionReason.BOUNCE, SuppressionReason.COMPLAINT}
    return str(reason if reason in known else SuppressionReason.MANUAL)


def _last_issue(session: Session, reader: ReaderShown) -> tuple[str, str]:
    """Return on which day the ledger says that the reader was sent an issue last, and of which edition; or nothing."""
    lists = [row.list_id for row in subscriptions_of(session, reader.subscriber_id)]
    latest = (
        select(Issue.id)
        .join(Edition, col(Edition.id) == col(Issue.edition_id))
        .where(col(Edition.list_id).in_(lists), col(Issue.state).in_([IssueState.SENDING, IssueState.SENT]))
        .order_by(col(Issue.send_at).desc())
        .limit(_LAST_ISSUES)
    )
    sent = (
        select(Delivery, Edition)
        .join(Issue, col(Issue.id) == col(Delivery.issue_id))
        .join(Edition, col(Edition.id) == col(Issue.edition_id))
        .where(col(Delivery.issue_id).in_(session.exec(latest).all()))
        .where(Delivery.subscriber_id == reader.subscriber_id, Delivery.state == DeliveryState.ACCEPTED)
    )
    found = session.exec(sent.order_by(col(Delivery.changed_at).desc()).limit(1)).first()
    if found is None:
        return "", ""
    delivery, edition = found
    at = delivery.changed_at.astimezone(ZoneInfo(edition.time_zone))
    return reader.wording.language.long_date(at.date()), edition.name
