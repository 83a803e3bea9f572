"""How readers are written to, as they choose it behind a signed link. Functions work in the caller's transaction.

A change is one UPDATE whose condition is that it changes something, so that choosing the same again does nothing. Each
adds one row of evidence that says in a sentence what was chosen.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, delete, func, select, update

from subscribers.consent import Evidence, change_subscription, lock_reader, record, subscription
from subscribers.models import (
    Consent,
    ConsentAction,
    Subscriber,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
)

#: For how many weeks a reader may pause (U7).
PAUSE_WEEKS = (2, 4, 8)
#: A reader who gets no mail since one came back may ask for it again this often (U22).
LIFT_AGAIN = timedelta(days=30)
#: What the evidence says of that. Who did it wants mail from then on, whatever is reported of the time before.
LIFTED = "asked to be written to again, after mail had come back"

_ONE_DAY = timedelta(days=1)
_SAID_WHY = "said why they left:"


def pause_end(now: datetime, weeks: int) -> datetime:
    """Return until when a pause of so many weeks lasts: through the day (UTC) on which they are over. Pure.

    Pausing twice on a day is the same pause, and who pauses after an issue gets none on that weekday until it is over.
    """
    last_day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(weeks=weeks)
    return last_day + _ONE_DAY


def is_paused(paused_until: datetime | None, now: datetime) -> bool:
    """Tell whether no issue is sent to a reader now. Pure."""
    return paused_until is not None and paused_until > now


def pause(session: Session, subscriber_id: int, until: datetime, evidence: Evidence) -> bool:
    """Send no issue to a reader before `until`, instead of whatever pause there was; False when nothing changed.

    That is so, too, for a time that is past, and for who has been erased. The evidence's wording is made here.
    """
    if until <= evidence.at:
        return False
    other = or_(col(Subscriber.paused_until).is_(None), col(Subscriber.paused_until) != until)
    wording = f"paused until {until.astimezone(UTC):%Y-%m-%d}"
    return _change(session, subscriber_id, other, evidence, wording, paused_until=until)


def resume(session: Session, subscriber_id: int, evidence: Evidence) -> bool:
    """End a reader's pause; return False when there is none, or it is over."""
    lasts = col(Subscriber.paused_until) > evidence.at
    return _change(session, subscriber_id, lasts, evidence, "ended the pause", paused_until=None)


def set_text_only(session: Session, subscriber_id: int, text_only: bool, evidence: Evidence) -> bool:  # noqa: FBT001 - the value
    """Write to a reader in text alone, or with html beside it; return False when that was so."""
    wording = "wants mails as text only" if text_only else "wants mails with pictures and colours, not as text only"
    other = col(Subscriber.text_only).is_not(text_only)
    return _change(session, subscriber_id, other, evidence, wording, text_only=text_only)


def set_language(session: Session, subscriber_id: int, language: str, evidence: Evidence) -> bool:
    """Show a reader pages, and write of the subscription, in a language; False when that was so.

    `language` is a BCP 47 tag that the caller knows, or "" for that of each edition.
    """
    wording = f"wants pages and mails about the subscription in the language {language or 'of the newsletter'}"
    return _change(
        session, subscriber_id, col(Subscriber.language) != language, evidence, wording, language=language
    )  # fmt: skip


def set_monthly(session: Session, subscription_id: int, monthly: bool, evidence: Evidence) -> bool:  # noqa: FBT001 - the value
    """Send a reader one issue a month of a list, the first, or every one; return False when that was so."""
    row = subscription(session, subscription_id)
    if row is None:
        return False
    lock_reader(session, row.subscriber_id)
    other = and_(col(Subscription.id) == subscription_id, col(Subscription.monthly).is_not(monthly))
    if not change_subscription(session, other, monthly=monthly):
        return False
    wording = "wants one issue a month, the first" if monthly else "wants every issue"
    record(session, ConsentAction.CHANGED, row.subscriber_id, row.list_id, replace(evidence, wording=wording))
    return True


def may_lift(session: Session, subscriber_id: int, now: datetime) -> datetime:
    """Return from when on a reader may ask for mail again that came back: `now`, or LIFT_AGAIN after the last time."""
    asked = select(func.max(Consent.at)).where(Consent.subscriber_id == subscriber_id, Consent.wording == LIFTED)
    last = session.exec(asked).one()
    return now if last is None else max(now, last + LIFT_AGAIN)


def lift_bounce(session: Session, subscriber_id: int, evidence: Evidence) -> bool:
    """Write again to a reader to whom mail came back, once in LIFT_AGAIN; return False when nothing was lifted.

    What somebody else put there, or a complaint did, stays: of these a person has to hear.
    """
    reader = session.get(Subscriber, subscriber_id, with_for_update=True)
    if reader is None or may_lift(session, subscriber_id, evidence.at) > evidence.at:
        return False
    mine = col(Suppression.address_key) == reader.address_key, col(Suppression.reason) == SuppressionReason.BOUNCE
    if not session.exec(delete(Suppression).where(*mine)).rowcount:
        return False
    record(session, ConsentAction.CHANGED, subscriber_id, None, replace(evidence, wording=LIFTED))
    return True


def say_why(session: Session, subscription_id: int, why: str, evidence: Evidence) -> bool:
    """Keep why a reader left a list, once for each leaving (U8); `why` is one of the answers that the page offers.

    Returns False when they are on the list, or have said it.
    """
    row = subscription(session, subscription_id)
    if row is None:
        return False
    lock_reader(session, row.subscriber_id)
    session.refresh(row)
    if row.state is not SubscriptionState.LEFT or _has_said_why(session, row):
        return False
    wording = f"{_SAID_WHY} {why}"
    record(session, ConsentAction.CHANGED, row.subscriber_id, row.list_id, replace(evidence, wording=wording))
    session.flush()
    return True


def _has_said_why(session: Session, row: Subscription) -> bool:
    said = select(Consent.id).where(
        Consent.subscriber_id == row.subscriber_id,
        Consent.list_id == row.list_id,
        col(Consent.wording).startswith(_SAID_WHY),
        Consent.at >= row.changed_at,
    )
    return session.exec(said.limit(1)).first() is not None


def _change(
    session: Session,
    subscriber_id: int,
    other: ColumnElement[bool],
    evidence: Evidence,
    wording: str,
    **values: object,
) -> bool:
    """Change one reader where the condition says that it changes something, and record it."""
    who = (col(Subscriber.id) == subscriber_id, col(Subscriber.erased_at).is_(None))
    statement = update(Subscriber).where(*who, other).values(**values)
    if session.exec(statement, execution_options={"synchronize_session": "fetch"}).rowcount != 1:
        return False
    record(session, ConsentAction.CHANGED, subscriber_id, None, replace(evidence, wording=wording))
    return True
