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
from newsletter.web.forms import MAX_BODY, client_ip
from newsletter.web.guard import Problem, damaged_link
from newsletter.web.links.opening import ask_again, reader_of
from newsletter.web.shown import EditionShown, ReaderShown, enabled_editions, shown_editions
from newsletter.web.signup_form import names_of
from newsletter.web.site import Site, SiteParameter
from newsletter.wording import phrase
from subscribers.consent import Confirmed, asked_together, confirm, subscription, would_confirm
from subscribers.errors import InvalidToken
from subscribers.lists import is_archived
from subscribers.tokens import CONFIRM_WITHIN, Purpose

router = APIRouter(max_body_size=MAX_BODY)

_READ = ["GET", "HEAD"]


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
        asked = _Request(reader, _editions(session, site, reader, _waiting(session, subscription_id)), outcome)
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
    )


@router.post("/c/{token}")
def confirm_address(token: str, request: Request, site: SiteParameter) -> Response:
    """Put the reader on the lists."""
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
        )
        for one in done.joined:
            letters.owe_welcome(session, one)
        reader = reader_of(site, session, subscription_id)
        joined = done.joined or (subscription_id,)
        asked = _Request(reader, _editions(session, site, reader, joined), done.outcome)
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


def _waiting(session: Session, subscription_id: int) -> tuple[int, ...]:
    """Return the subscriptions that a link is about: those asked for together whose list is still open, or the one."""
    row = subscription(session, subscription_id)
    together = asked_together(session, row) if row else []
    return tuple(one.id for one in together if not is_archived(session, one.list_id)) or (subscription_id,)


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
