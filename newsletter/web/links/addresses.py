"""The link in the mail to a new address: whoever presses its button is written to there from then on (U7)."""

from __future__ import annotations

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
from subscribers.errors import InvalidToken
from subscribers.models import RequestKind
from subscribers.moving import move
from subscribers.requests import Asked, Link
from subscribers.tokens import Purpose

router = APIRouter(max_body_size=MAX_BODY)


@router.api_route("/a/{token}", methods=READ)
def address_form(token: str, site: SiteParameter) -> Response:
    """Show the button that changes the address."""
    with site.db.reading() as session:
        reader, asked = asked_for(site, session, Purpose.ADDRESS, token)
    if asked.link is Link.USED:
        return page(site, "address_changed", reader)
    return page(site, "address", reader, token=token, new_address=isolated(mask(asked.address)))


@router.post("/a/{token}")
def change_address(token: str, request: Request, site: SiteParameter) -> Response:
    """Write to the reader at the new address from now on, and tell the old one; again and again does no more."""
    with site.db.transaction() as session:
        reader, asked = asked_for(site, session, Purpose.ADDRESS, token)
        moved = asked.link is Link.OPEN and move(session, asked, site.hashes, evidence(site, request, "/a"))
        reader, _ = asked_for(site, session, Purpose.ADDRESS, token)
    answer = page(site, "address_changed", reader)
    if moved:
        answer.background = asking.sending(site, asked.id)
    return answer


def asked_for(site: Site, session: Session, purpose: Purpose, token: str) -> tuple[ReaderShown, Asked]:
    """Return what a link to a new address, or to somebody's data, is about; or show why it cannot be used any more."""
    try:
        request_id, asked_at = site.signer.read_request(purpose, token)
    except InvalidToken as error:
        raise damaged_link(token, error) from error
    asked = requests.asked(session, RequestKind(purpose.value), request_id, asked_at, site.clock())
    if asked is None:
        raise gone()
    reader = reader_of(site, session, asked.subscription_id)
    if asked.link is Link.OVER:
        raise _over(reader)
    return reader, asked


def _over(reader: ReaderShown) -> Problem:
    heading = phrase("This link is no longer valid")
    text = phrase(
        "It is too old, or another one was asked for after it. Nothing was changed. "
        "You can ask for a new one on the page that the link to change what you get leads to."
    )
    return Problem(410, heading, text, wording=reader.wording)
