"""The pages behind the links in mails: confirm, unsubscribe and its undo, preferences.

A link opened changes nothing, since mail scanners open links; only its page's button does (threat 10). There are no
cookies and no logins here: the signed token says who it is and what it may do.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from newsletter import letters
from newsletter.web.forms import MAX_BODY, FieldsParameter, client_ip
from newsletter.web.guard import Problem
from newsletter.web.shown import ListShown, ReaderShown, choices, last_change, reader_shown
from newsletter.web.site import Site, SiteParameter
from subscribers.consent import (
    Confirmed,
    can_undo_leaving,
    confirm,
    join,
    leave,
    subscription,
    subscriptions_of,
    undo_leaving,
)
from subscribers.errors import InvalidToken
from subscribers.models import Subscription, SubscriptionState
from subscribers.tokens import CONFIRM_WITHIN, UNDO_WITHIN, Purpose

router = APIRouter(max_body_size=MAX_BODY)

_READ = ["GET", "HEAD"]
#: What the links of a test mail carry instead of a token.
_TEST_TOKEN = "test"  # noqa: S105
#: RFC 8058 section 3.1: the one pair that unsubscribes at once.
_ONE_CLICK = ("List-Unsubscribe", "One-Click")
#: The field that our own page adds to that pair.
_FROM_PAGE = "page"


@router.api_route("/c/{token}", methods=_READ)
def confirm_form(token: str, site: SiteParameter) -> Response:
    """Show the button that confirms (U3)."""
    subscription_id, requested_at = _read_confirm(site, token)
    with site.db.reading() as session:
        reader = _reader(site, session, subscription_id)
        outcome = confirm_would(subscription(session, subscription_id), requested_at)
    return _confirm_page(site, reader, outcome, token)


@router.post("/c/{token}")
def confirm_address(token: str, request: Request, site: SiteParameter) -> Response:
    """Put the reader on the list."""
    subscription_id, requested_at = _read_confirm(site, token)
    with site.db.transaction() as session:
        outcome = confirm(
            session,
            subscription_id=subscription_id,
            requested_at=requested_at,
            now=site.clock(),
            source=f"{site.base_url}/c",
            network=client_ip(request),
        )
        if outcome is Confirmed.NOW:
            letters.owe_welcome(session, subscription_id)
        reader = _reader(site, session, subscription_id)
    return _confirm_page(site, reader, outcome)


def confirm_would(row: Subscription | None, requested_at: datetime) -> Confirmed:
    """Return what a confirmation link would lead to if its button were pressed now. Pure."""
    if row is not None and row.state is SubscriptionState.CONFIRMED:
        return Confirmed.ALREADY
    if row is not None and row.state is SubscriptionState.PENDING:
        same = row.requested_at.replace(microsecond=0) == requested_at
        return Confirmed.NOW if same else Confirmed.OUTDATED
    return Confirmed.OUTDATED


def _confirm_page(site: Site, reader: ReaderShown, outcome: Confirmed, button_token: str = "") -> Response:
    if outcome is Confirmed.OUTDATED:
        text = "It belongs to an earlier request, or you have left the list since. Nothing was changed."
        raise _ask_again(site, "This link has been used up", text, reader)
    if outcome is Confirmed.NOW and button_token:
        return _reader_page(site, "confirm", reader, token=button_token)
    preferences = site.signer.sign(Purpose.PREFERENCES, reader.subscription_id)
    return _reader_page(site, "confirmed", reader, preferences_path=f"{site.pages.root}/p/{preferences}")


@router.api_route("/u/{token}", methods=_READ)
def leave_form(token: str, site: SiteParameter) -> Response:
    """Show the button that unsubscribes (U8)."""
    with site.db.reading() as session:
        reader = _reader(site, session, _read(site, Purpose.UNSUBSCRIBE, token), status_if_gone=200)
    if reader.about.is_on:
        return _reader_page(site, "leave", reader, token=token)
    return _reader_page(site, "left", reader, undo_token="")


@router.post("/u/{token}")
def leave_list(token: str, fields: FieldsParameter, request: Request, site: SiteParameter) -> Response:
    """Unsubscribe at once (RFC 8058): the mail program's one-click request and our own button send the same pair.

    Answers 200, never a redirect; again and again does no harm. Without the exact pair it is the form, and no change.
    """
    name, value = _ONE_CLICK
    if fields.text(name) != value:
        return leave_form(token, site)
    subscription_id = _read(site, Purpose.UNSUBSCRIBE, token)
    with site.db.transaction() as session:
        source, network = f"{site.base_url}/u", client_ip(request)
        left = leave(session, subscription_id=subscription_id, now=site.clock(), source=source, network=network)
        if left and fields.text(_FROM_PAGE):
            letters.owe_goodbye(session, subscription_id)
        reader = _reader(site, session, subscription_id, status_if_gone=200)
        left_at = reader.changed_at
        can_return = can_undo_leaving(session, subscription_id=subscription_id, left_at=left_at)
    in_time = reader.about.is_open and site.clock() - left_at <= UNDO_WITHIN
    undo_token = site.signer.sign_undo(subscription_id, left_at) if can_return and in_time else ""
    return _reader_page(site, "left", reader, undo_token=undo_token)


@router.api_route("/r/{token}", methods=_READ)
def undo_form(token: str, site: SiteParameter) -> Response:
    """Show the button that undoes leaving (U8)."""
    subscription_id, left_at = _read_undo(site, token)
    with site.db.reading() as session:
        reader = _reader(site, session, subscription_id)
        can_return = can_undo_leaving(session, subscription_id=subscription_id, left_at=left_at)
    if can_return and reader.about.is_open:
        return _reader_page(site, "return", reader, token=token)
    return _returned_page(site, reader)


@router.post("/r/{token}")
def undo_leaving_list(token: str, request: Request, site: SiteParameter) -> Response:
    """Put the reader back on the list they left within the last hour, and on no other."""
    subscription_id, left_at = _read_undo(site, token)
    with site.db.transaction() as session:
        reader = _reader(site, session, subscription_id)
        if reader.about.is_open:
            undo_leaving(
                session,
                subscription_id=subscription_id,
                left_at=left_at,
                now=site.clock(),
                source=f"{site.base_url}/r",
                wording=f"Undo: put me back on the list. {reader.about.wording}",
                network=client_ip(request),
            )
            reader = _reader(site, session, subscription_id)
    return _returned_page(site, reader)


def _returned_page(site: Site, reader: ReaderShown) -> Response:
    """Return the page of somebody who is back; its token must not open the preferences (threat 16)."""
    if not reader.about.is_on:
        text = "The list was closed, or something else has happened since. Nothing was changed."
        raise _ask_again(site, "This cannot be undone any more", text, reader)
    return _reader_page(site, "confirmed", reader, preferences_path="")


@router.api_route("/p/{token}", methods=_READ)
def preferences_form(token: str, site: SiteParameter) -> Response:
    """Show what the reader gets, with a box for each list (U6, U7)."""
    with site.db.reading() as session:
        reader = _reader(site, session, _read(site, Purpose.PREFERENCES, token))
        return _preferences_page(site, session, reader, token, saved=False)


@router.post("/p/{token}")
def save_preferences(token: str, fields: FieldsParameter, request: Request, site: SiteParameter) -> Response:
    """Join what is ticked and leave what is not, among the lists the form showed; saving twice does no more (U9)."""
    with site.db.transaction() as session:
        reader = _reader(site, session, _read(site, Purpose.PREFERENCES, token))
        shown, ticked = fields.all("shown"), fields.all("list")
        for one in choices(session, reader.subscriber_id, site.pages.root, site.clock()):
            if str(one.list_id) in shown:
                _set(session, site, reader, one, wanted=str(one.list_id) in ticked, network=client_ip(request))
        return _preferences_page(site, session, reader, token, saved=bool(shown))


def _set(session: Session, site: Site, reader: ReaderShown, one: ListShown, *, wanted: bool, network: str) -> None:
    now, source = site.clock(), f"{site.base_url}/p"
    if wanted and not one.is_on:
        joined = join(
            session,
            subscriber_id=reader.subscriber_id,
            list_id=one.list_id,
            now=now,
            source=source,
            wording=one.wording,
            network=network,
        )
        if joined:
            on_it = next(row for row in subscriptions_of(session, reader.subscriber_id) if row.list_id == one.list_id)
            letters.owe_welcome(session, on_it.id)
    elif (
        one.is_on
        and not wanted
        and one.subscription_id is not None
        and leave(session, subscription_id=one.subscription_id, now=now, source=source, network=network)
    ):
        letters.owe_goodbye(session, one.subscription_id)


def _preferences_page(site: Site, session: Session, reader: ReaderShown, token: str, *, saved: bool) -> Response:
    lists = choices(session, reader.subscriber_id, site.pages.root, site.clock())
    changed = last_change(session, reader.subscriber_id)
    return _reader_page(
        site,
        "preferences",
        reader,
        token=token,
        choices=lists,
        any_on=any(one.is_on for one in lists),
        changed_on=f"{changed.day} {changed:%B %Y}",
        saved=saved,
    )


def _reader_page(site: Site, name: str, reader: ReaderShown, **values: object) -> Response:
    """Return a page for one reader; its footer is that of the edition the link is about."""
    editions = reader.about.editions
    return site.pages.page(
        name,
        wording=None,
        address=reader.address,
        about=reader.about,
        edition=editions[0] if editions else None,
        **values,
    )


def _reader(site: Site, session: Session, subscription_id: int, *, status_if_gone: int = 410) -> ReaderShown:
    """Return whom a link is about. An unsubscribe link of somebody erased since has got its wish, so it answers 200."""
    reader = reader_shown(session, subscription_id, site.pages.root, site.clock())
    if reader is None:
        text = "Whoever had this link is not in our records any more, so nothing is sent to them."
        raise Problem(status_if_gone, "Nothing is sent to you", text)
    return reader


def _read(site: Site, purpose: Purpose, token: str) -> int:
    """Return the subscription that a link is about, or show why it cannot be used."""
    try:
        return site.signer.read(purpose, token)
    except InvalidToken as error:
        raise _damaged(token, error) from error


def _read_confirm(site: Site, token: str) -> tuple[int, datetime]:
    """Return the subscription and the request that a confirmation link is about, or show why it cannot be used."""
    now = site.clock()
    try:
        subscription_id, requested_at = site.signer.read_confirm(token, now, max_age=timedelta.max)
    except InvalidToken as error:
        raise _damaged(token, error) from error
    if now - requested_at > CONFIRM_WITHIN:
        with site.db.reading() as session:
            reader = _reader(site, session, subscription_id)
        text = f"It worked for {CONFIRM_WITHIN.days} days. Nothing was changed."
        raise _ask_again(site, "This link has expired", text, reader)
    return subscription_id, requested_at


def _read_undo(site: Site, token: str) -> tuple[int, datetime]:
    """Return the subscription and the leaving that an undo button is about, or show why it cannot be used."""
    now = site.clock()
    try:
        subscription_id, left_at = site.signer.read_undo(token, now, max_age=timedelta.max)
    except InvalidToken as error:
        raise _damaged(token, error) from error
    if now - left_at > UNDO_WITHIN:
        with site.db.reading() as session:
            reader = _reader(site, session, subscription_id)
        minutes = UNDO_WITHIN // timedelta(minutes=1)
        text = f"Leaving can be undone for {minutes} minutes. Nothing was changed."
        raise _ask_again(site, "This cannot be undone any more", text, reader)
    return subscription_id, left_at


def _damaged(token: str, error: InvalidToken) -> Problem:
    if token == _TEST_TOKEN:
        return Problem(404, "This was a test mail", "Its links lead here and change nothing. Readers get their own.")
    return Problem(404, "This link does not work", str(error))


def _ask_again(site: Site, heading: str, text: str, reader: ReaderShown) -> Problem:
    path = reader.about.editions[0].path if reader.about.is_open else f"{site.pages.root}/"
    return Problem(410, heading, text, ("Sign up again", path))
