"""The links in the mails about a new address: to be written to there, and, from the old one, to undo that (U7).

Whoever holds a forwarded mail can ask for an address of their own. So the old one is told, and gets its reader back
with a button; until that has had its time, nobody gets the reader's data (`requests.data_from`).
"""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from newsletter.web.forms import MAX_BODY
from newsletter.web.guard import Problem, damaged_link
from newsletter.web.links import asking
from newsletter.web.links.opening import READ, evidence, gone, page, reader_of
from newsletter.web.shown import ReaderShown
from newsletter.web.site import Site, SiteParameter, isolated
from newsletter.wording import phrase
from subscribers import requests
from subscribers.addresses import mask
from subscribers.consent import Evidence
from subscribers.errors import InvalidToken
from subscribers.models import RequestKind
from subscribers.moving import move, move_back
from subscribers.requests import Asked, Link
from subscribers.tokens import Purpose

router = APIRouter(max_body_size=MAX_BODY)


@router.api_route("/a/{token}", methods=READ)
def address_form(token: str, site: SiteParameter) -> Response:
    """Show the button that changes the address, or the one that undoes it."""
    with site.db.reading() as session:
        purpose, reader, asked = _opened(site, session, token)
    back = purpose is Purpose.BACK
    if asked.link is Link.USED:
        return page(site, "address_changed", reader, back=back)
    return page(site, "address", reader, token=token, new_address=isolated(mask(asked.address)), back=back)


@router.post("/a/{token}")
def change_address(token: str, request: Request, site: SiteParameter) -> Response:
    """Write to the reader at the new address, or the old one, from now on, and tell the other; again does no more."""
    owed = None
    with site.db.transaction() as session:
        purpose, reader, asked = _opened(site, session, token)
        if asked.link is Link.OPEN:
            owed = _change(site, session, purpose, asked, evidence(site, request, "/a"))
        _, reader, _ = _opened(site, session, token)
    answer = page(site, "address_changed", reader, back=purpose is Purpose.BACK)
    if owed is not None:
        answer.background = asking.sending(site, owed)
    return answer


def asked_for(site: Site, session: Session, purpose: Purpose, token: str) -> tuple[ReaderShown, Asked]:
    """Return what a link to a new address, back, or to somebody's data is about; or show why it works no more."""
    try:
        request_id, at = site.signer.read_request(purpose, token)
    except InvalidToken as error:
        raise damaged_link(token, error) from error
    asked = _asked(session, purpose, request_id, at, site.clock())
    if asked is None:
        raise gone()
    reader = reader_of(site, session, asked.subscription_id)
    if asked.link is Link.OVER:
        raise _over(reader)
    return reader, asked


def _asked(session: Session, purpose: Purpose, request_id: int, at: datetime, now: datetime) -> Asked | None:
    if purpose is Purpose.BACK:
        return requests.asked_back(session, request_id, at, now)
    return requests.asked(session, RequestKind(purpose.value), request_id, at, now)


def _opened(site: Site, session: Session, token: str) -> tuple[Purpose, ReaderShown, Asked]:
    """Return which of the two links it is, and what it is about."""
    try:
        site.signer.read_request(Purpose.BACK, token)
    except InvalidToken:
        purpose = Purpose.ADDRESS
    else:
        purpose = Purpose.BACK
    return purpose, *asked_for(site, session, purpose, token)


def _change(site: Site, session: Session, purpose: Purpose, asked: Asked, said: Evidence) -> int | None:
    """Do what the button is for; return the id of what a mail is owed for."""
    if purpose is Purpose.BACK:
        return move_back(session, asked, site.hashes, said)
    return asked.id if move(session, asked, site.hashes, said) else None


def _over(reader: ReaderShown) -> Problem:
    heading = phrase("This link is no longer valid")
    text = phrase(
        "It is too old, or another one was asked for after it. Nothing was changed. "
        "You can ask for a new one on the page that the link to change what you get leads to."
    )
    return Problem(410, heading, text, wording=reader.wording)
