"""The page behind the link in a confirmation mail: one button for all that was asked for in the form (U3).

A link opened changes nothing, since mail scanners open links; only its page's button does (threat 10).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from sqlmodel import Session, col, select

from newsletter import letters
from newsletter.models import Edition
from newsletter.signup import forget_mails
from newsletter.web.forms import MAX_BODY, Fields, FieldsParameter, client_ip
from newsletter.web.guard import Problem, damaged_link
from newsletter.web.links.opening import ask_again, reader_of
from newsletter.web.shown import EditionShown, ReaderShown, enabled_editions, shown_editions
from newsletter.web.signup_form import names_of
from newsletter.web.site import Site, SiteParameter
from newsletter.wording import phrase
from subscribers.consent import Confirmed, confirm, subscription, waiting_with, would_confirm
from subscribers.errors import InvalidToken
from subscribers.lists import is_archived
from subscribers.models import Subscriber
from subscribers.tokens import CONFIRM_WITHIN, Purpose

router = APIRouter(max_body_size=MAX_BODY)

_READ = ["GET", "HEAD"]
#: No number of a row has so many digits.
_LONGEST = 20


@dataclass(frozen=True)
class _Request:
    """Whose request a link is about, and the editions that come with it; `outcome` is what it leads or has led to."""

    reader: ReaderShown
    editions: tuple[EditionShown, ...]
    outcome: Confirmed


@router.api_route("/c/{token}", methods=_READ)
def confirm_form(token: str, site: SiteParameter) -> Response:
    """Show the button that confirms."""
    subscription_id, requested_at = _read(site, token)
    with site.db.reading() as session:
        reader = reader_of(site, session, subscription_id)
        outcome = would_confirm(session, subscription_id=subscription_id, requested_at=requested_at)
        waiting = _waiting(session, subscription_id, requested_at)
        asked = _Request(reader, _editions(session, site, reader, waiting or (subscription_id,)), outcome)
    if outcome is not Confirmed.NOW:
        return _outcome_page(site, asked)
    return site.pages.page(
        "confirm",
        reader.wording,
        edition=asked.editions[0] if asked.editions else None,
        names=names_of(asked.editions, reader.wording),
        many=len(asked.editions) > 1,
        address=reader.address,
        token=token,
        shown=waiting,
    )


@router.post("/c/{token}")
def confirm_address(token: str, fields: FieldsParameter, request: Request, site: SiteParameter) -> Response:
    """Put the reader on the lists that the page named; when all of it is done, and something else waits, show that."""
    subscription_id, requested_at = _read(site, token)
    with site.db.transaction() as session:
        reader_of(site, session, subscription_id)
        done = confirm(
            session,
            subscription_id=subscription_id,
            requested_at=requested_at,
            now=site.clock(),
            source=f"{site.base_url}/c",
            hashes=site.hashes,
            network=client_ip(request),
            shown=_shown(fields),
        )
        for one in done.joined:
            letters.owe_welcome(session, one)
        reader = reader_of(site, session, subscription_id)
        if done.joined:
            address_key = session.get_one(Subscriber, reader.subscriber_id).address_key
            forget_mails(session, address_key, site.hashes)
        joined = done.joined or (subscription_id,)
        asked = _Request(reader, _editions(session, site, reader, joined), done.outcome)
    if done.outcome is Confirmed.NOW and not done.joined:
        return confirm_form(token, site)
    return _outcome_page(site, asked)


def _outcome_page(site: Site, asked: _Request) -> Response:
    reader = asked.reader
    if asked.outcome is Confirmed.OUTDATED:
        text = phrase("It belongs to an earlier request, or you have left the list since. Nothing was changed.")
        raise ask_again(site, reader, phrase("This link is no longer valid"), text)
    if asked.outcome is Confirmed.CLOSED:
        text = phrase("The list was closed after you asked for it. Nothing was changed, and nothing is sent to you.")
        raise Problem(410, phrase("This newsletter takes no new readers"), text, wording=reader.wording)
    preferences = site.signer.sign(Purpose.PREFERENCES, reader.subscription_id)
    return site.pages.page(
        "confirmed",
        reader.wording,
        edition=asked.editions[0] if asked.editions else None,
        names=names_of(asked.editions, reader.wording),
        editions=asked.editions,
        address=reader.address,
        preferences_path=f"{site.pages.root}/p/{preferences}",
    )


def _waiting(session: Session, subscription_id: int, requested_at: datetime) -> tuple[int, ...]:
    """Return the subscriptions that a link would confirm: what waits of its form, where the list is still open."""
    waiting = waiting_with(session, subscription_id, requested_at)
    return tuple(one.id for one in waiting if not is_archived(session, one.list_id))


def _shown(fields: Fields) -> frozenset[int] | None:
    """Return the subscriptions that the page named whose button was pressed; None for who sends no page's form."""
    said = fields.all("shown")
    return (
        frozenset(int(one) for one in said if one.isascii() and one.isdigit() and len(one) < _LONGEST) if said else None
    )


def _editions(
    session: Session, site: Site, reader: ReaderShown, subscription_ids: Iterable[int]
) -> tuple[EditionShown, ...]:
    """Return the editions of the lists of subscriptions; of a list without an enabled one the others, to name it."""
    rows: list[Edition] = []
    for one in subscription_ids:
        if row := subscription(session, one):
            enabled = enabled_editions(session, row.list_id)
            rows += enabled or session.exec(select(Edition).where(col(Edition.list_id) == row.list_id)).all()
    return shown_editions(session, rows, site.pages.root, site.clock(), reader.wording)


def _read(site: Site, token: str) -> tuple[int, datetime]:
    """Return the subscription and the request that a confirmation link is about, or show why it cannot be used."""
    now = site.clock()
    try:
        subscription_id, requested_at = site.signer.read_confirm(token, now, max_age=timedelta.max)
    except InvalidToken as error:
        raise damaged_link(token, error) from error
    if now - requested_at > CONFIRM_WITHIN:
        with site.db.reading() as session:
            reader = reader_of(site, session, subscription_id)
        text = reader.wording.say(phrase("It worked for %(days)s days. Nothing was changed."), days=CONFIRM_WITHIN.days)
        raise ask_again(site, reader, phrase("This link has expired"), text)
    return subscription_id, requested_at
