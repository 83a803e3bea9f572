"""What every page behind a link does: read its token, find the reader, answer in their language."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from newsletter.web.forms import client_ip
from newsletter.web.guard import Problem, damaged_link
from newsletter.web.shown import ReaderShown, reader_shown
from newsletter.web.signup_form import names_of
from newsletter.web.site import Site, isolated
from newsletter.wording import phrase
from subscribers.consent import Evidence
from subscribers.errors import InvalidToken
from subscribers.tokens import Purpose

READ = ["GET", "HEAD"]


def read(site: Site, purpose: Purpose, token: str) -> int:
    """Return the subscription that a link is about, or show why it cannot be used."""
    try:
        return site.signer.read(purpose, token)
    except InvalidToken as error:
        raise damaged_link(token, error) from error


def reader_of(site: Site, session: Session, subscription_id: int, *, status_if_gone: int = 410) -> ReaderShown:
    """Return whom a link is about. An unsubscribe link of somebody erased since has got its wish, so it answers 200."""
    reader = reader_shown(session, subscription_id, site.pages.root, site.clock(), site.pages.wordings)
    if reader is None:
        raise gone(status_if_gone)
    return reader


def gone(status: int = 410) -> Problem:
    """Return the page for the link of somebody who was erased since."""
    return Problem(
        status,
        phrase("Nothing is sent to you"),
        phrase("Whoever had this link is not in our records any more, so nothing is sent to them."),
    )


def ask_again(site: Site, reader: ReaderShown, heading: str, text: str) -> Problem:
    """Return the page for a link that has had its time, with the way to sign up again."""
    path = reader.about.editions[0].path if reader.about.is_open else f"{site.pages.root}/"
    say = reader.wording.say
    return Problem(410, heading, text, (say(phrase("Sign up again")), path), reader.wording)


def html(site: Site, name: str, reader: ReaderShown, **values: object) -> str:
    """Return a page for one reader, in their language; its footer is that of the edition the link is about.

    `names` are those of the editions that the link is about, or of the list where none is left.
    """
    editions = reader.about.editions
    return site.pages.html(
        name,
        reader.wording,
        address=isolated(reader.address),
        about=reader.about,
        names=names_of(editions, reader.wording) or isolated(reader.about.list_name),
        edition=editions[0] if editions else None,
        **values,
    )


def page(site: Site, name: str, reader: ReaderShown, **values: object) -> HTMLResponse:
    """Return the answer that shows a page to one reader."""
    return HTMLResponse(html(site, name, reader, **values))


def evidence(site: Site, request: Request, path: str, wording: str = "") -> Evidence:
    """Return when, where and from which network something happened; `path` is the page's, without the token."""
    return Evidence(site.clock(), f"{site.base_url}{path}", wording, client_ip(request))
