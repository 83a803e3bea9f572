"""Leaving by the link in a mail, its undo, and the one question afterwards (U8, RFC 8058)."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from newsletter import letters
from newsletter.web.forms import MAX_BODY, FieldsParameter, client_ip
from newsletter.web.guard import Problem, damaged_link
from newsletter.web.links.opening import READ, ask_again, evidence, page, read, reader_of
from newsletter.web.shown import ReaderShown
from newsletter.web.site import Site, SiteParameter
from newsletter.wording import phrase
from subscribers.consent import can_undo_leaving, leave, subscription, undo_leaving
from subscribers.errors import InvalidToken
from subscribers.merging import followed
from subscribers.preferences import say_why
from subscribers.tokens import UNDO_WITHIN, Purpose

router = APIRouter(max_body_size=MAX_BODY)

#: RFC 8058 section 3.1: the one pair that unsubscribes at once.
_ONE_CLICK = ("List-Unsubscribe", "One-Click")
#: The field that our own page adds to that pair.
_FROM_PAGE = "page"
#: Why somebody left, in their words and in those of the evidence. Nobody has to say, and nobody writes a text.
WHY = {
    "often": (phrase("It comes too often."), "it comes too often"),
    "content": (phrase("It is not about what I want to know."), "it is not about what they want to know"),
    "never": (phrase("I did not ask for it."), "they did not ask for it"),
    "elsewhere": (phrase("I read the news elsewhere."), "they read the news elsewhere"),
}

_CHANGED_SINCE = phrase("The list was closed, or something else has happened since. Nothing was changed.")
_HOUR_OVER = phrase("Leaving can be undone for an hour. Nothing was changed.")


@router.api_route("/u/{token}", methods=READ)
def leave_form(token: str, site: SiteParameter) -> Response:
    """Show the button that unsubscribes (U8)."""
    with site.db.reading() as session:
        reader = reader_of(site, session, read(site, Purpose.UNSUBSCRIBE, token), status_if_gone=200)
    if reader.about.is_on:
        return page(site, "leave", reader, token=token)
    return _left_page(site, reader, token)


@router.post("/u/{token}")
def leave_list(token: str, fields: FieldsParameter, request: Request, site: SiteParameter) -> Response:
    """Unsubscribe at once (RFC 8058): the mail program's one-click request and our own button send the same pair.

    Answers 200, never a redirect; again and again does no harm. Without the exact pair it is the form, and no change.
    """
    name, value = _ONE_CLICK
    if fields.text(name) != value:
        return leave_form(token, site)
    subscription_id = read(site, Purpose.UNSUBSCRIBE, token)
    with site.db.transaction() as session:
        left = _leave(session, site, subscription_id, client_ip(request))
        for one in left if fields.text(_FROM_PAGE) else ():
            letters.owe_goodbye(session, one)
        reader = reader_of(site, session, subscription_id, status_if_gone=200)
        undo = _undo_token(session, site, reader)
    return _left_page(site, reader, token, undo_token=undo)


def _leave(session: Session, site: Site, subscription_id: int, network: str) -> list[int]:
    """Take a reader off the list of a link, and off those that it was merged into; return what was left."""
    row = subscription(session, subscription_id)
    rows = [row, *followed(session, row)] if row else []
    now, source = site.clock(), f"{site.base_url}/u"
    return [
        one.id for one in rows if leave(session, subscription_id=one.id, now=now, source=source, network=network)
    ]  # fmt: skip


def _undo_token(session: Session, site: Site, reader: ReaderShown) -> str:
    """Return what undoes the reader's leaving, or "" where it cannot be undone (any more)."""
    left, left_at = reader.about.subscription_id, reader.changed_at
    if left is None or not reader.about.is_open or site.clock() - left_at > UNDO_WITHIN:
        return ""
    can_return = can_undo_leaving(session, subscription_id=left, left_at=left_at)
    return site.signer.sign_undo(left, left_at) if can_return else ""


def _left_page(site: Site, reader: ReaderShown, token: str, *, undo_token: str = "", said: bool = False) -> Response:
    """Return the page of somebody who has left. Who has just left is asked why, and may close the page."""
    asks = {key: reader.wording.say(words) for key, (words, _) in WHY.items()} if undo_token and not said else {}
    return page(
        site, "left", reader, token=token, undo_token=undo_token, asks=asks, said=said
    )  # fmt: skip


@router.api_route("/u/{token}/why", methods=READ)
def why_form(token: str, site: SiteParameter) -> Response:
    """Show the page on which leaving was answered: a browser may ask for it again."""
    return leave_form(token, site)


@router.post("/u/{token}/why")
def say_why_left(token: str, fields: FieldsParameter, request: Request, site: SiteParameter) -> Response:
    """Keep why the reader has left, one of four answers, once (U8). It changes nothing else."""
    subscription_id = read(site, Purpose.UNSUBSCRIBE, token)
    _, why = WHY.get(fields.text("why"), ("", ""))
    with site.db.transaction() as session:
        reader = reader_of(site, session, subscription_id, status_if_gone=200)
        left = reader.about.subscription_id
        if why and left is not None:
            say_why(session, left, why, evidence(site, request, "/u"))
        undo = _undo_token(session, site, reader)
    if reader.about.is_on:
        return page(site, "leave", reader, token=token)
    return _left_page(site, reader, token, undo_token=undo, said=bool(why))


@router.api_route("/r/{token}", methods=READ)
def undo_form(token: str, site: SiteParameter) -> Response:
    """Show the button that undoes leaving (U8)."""
    subscription_id, left_at = _read_undo(site, token)
    with site.db.reading() as session:
        reader = reader_of(site, session, subscription_id)
        can_return = can_undo_leaving(session, subscription_id=subscription_id, left_at=left_at)
    if can_return and reader.about.is_open:
        return page(site, "return", reader, token=token)
    return _returned_page(site, reader)


@router.post("/r/{token}")
def undo_leaving_list(token: str, request: Request, site: SiteParameter) -> Response:
    """Put the reader back on the list they left within the last hour, and on no other."""
    subscription_id, left_at = _read_undo(site, token)
    with site.db.transaction() as session:
        reader = reader_of(site, session, subscription_id)
        if reader.about.is_open:
            button = reader.wording.say(phrase("Undo: put me back on the list"))
            undo_leaving(
                session,
                subscription_id=subscription_id,
                left_at=left_at,
                now=site.clock(),
                source=f"{site.base_url}/r",
                wording=f"{button}. {reader.about.wording}",
                network=client_ip(request),
            )
            reader = reader_of(site, session, subscription_id)
    return _returned_page(site, reader)


def _returned_page(site: Site, reader: ReaderShown) -> Response:
    """Return the page of somebody who is back; its token must not open the preferences (threat 16)."""
    if not reader.about.is_on:
        raise _too_late(site, reader, _CHANGED_SINCE)
    return page(site, "returned", reader)


def _too_late(site: Site, reader: ReaderShown, why: str) -> Problem:
    return ask_again(site, reader, phrase("This cannot be undone any more"), why)


def _read_undo(site: Site, token: str) -> tuple[int, datetime]:
    """Return the subscription and the leaving that an undo button is about, or show why it cannot be used."""
    now = site.clock()
    try:
        subscription_id, left_at = site.signer.read_undo(token, now, max_age=timedelta.max)
    except InvalidToken as error:
        raise damaged_link(token, error) from error
    if now - left_at > UNDO_WITHIN:
        with site.db.reading() as session:
            reader = reader_of(site, session, subscription_id)
        raise _too_late(site, reader, _HOUR_OVER)
    return subscription_id, left_at
