"""The pages everybody can open: the newsletters, signing up, a sent issue in the browser. No page needs JavaScript."""

from __future__ import annotations

import logging
import re

from fastapi import APIRouter, BackgroundTasks, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select
from starlette.exceptions import HTTPException

from newsletter import flags
from newsletter.errors import NewsletterError
from newsletter.models import Edition, Issue, IssueState, Picture
from newsletter.render import public_page
from newsletter.web.forms import MAX_BODY, FieldsParameter, client_ip
from newsletter.web.guard import MAIL_POLICY, Problem
from newsletter.web.shown import EditionShown, enabled_editions, shown_editions
from newsletter.web.signups import SignUp, SignUps
from newsletter.web.site import Site, SiteParameter
from subscribers.addresses import parse_address
from subscribers.errors import InvalidAddress
from subscribers.lists import is_archived

log = logging.getLogger(__name__)

router = APIRouter(max_body_size=MAX_BODY)

_READ = ["GET", "HEAD"]
_ONE_YEAR = 365 * 24 * 3600
#: For pictures in mails.
_LASTING = {
    "Cache-Control": f"public, max-age={_ONE_YEAR}, immutable",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",  # mail programs on the web show them
}
#: The largest number the issue's column holds on PostgreSQL.
_LARGEST_NUMBER = 2**31 - 1


@router.api_route("/", methods=_READ)
def home(site: SiteParameter) -> Response:
    """Show the newsroom's editions."""
    with site.db.reading() as session:
        editions = shown_editions(session, enabled_editions(session), site.pages.root, site.clock())
    publishers = {shown.publisher for shown in editions}
    return site.pages.page("home", editions=editions, edition=editions[0] if len(publishers) == 1 else None)


@router.api_route("/editions/{slug}", methods=_READ)
def sign_up_form(slug: str, site: SiteParameter) -> Response:
    """Show an edition and its sign-up form (U1, U2)."""
    with site.db.reading() as session:
        shown = _shown(session, _open_edition(session, slug), site)
    return site.pages.page("edition", edition=shown, address="", problem="")


@router.post("/editions/{slug}")
def sign_up(
    slug: str, fields: FieldsParameter, request: Request, site: SiteParameter, background: BackgroundTasks
) -> Response:
    """Take the request down. The answer is the same for every address, so that nobody learns who is on a list (U3)."""
    with site.db.reading() as session:
        shown = _shown(session, _open_edition(session, slug), site)
    address = fields.text("address")
    if not fields.text("website"):  # only programs fill that field in (U4)
        try:
            parse_address(address)
        except InvalidAddress as error:
            problem = f"Please check the address: {error.reason}"
            html = site.pages.html("edition", edition=shown, address=address, problem=problem)
            return HTMLResponse(html, 422)
        sign_ups: SignUps = request.app.state.sign_ups
        background.add_task(sign_ups.take_in, site, SignUp(slug, address, client_ip(request)))
    return site.pages.page("asked", edition=shown)


@router.api_route("/issues/{slug}/{number:int}", methods=_READ)
def view_in_browser(slug: str, number: int, site: SiteParameter) -> Response:
    """Show a sent issue as everybody may see it (U12); before it is being sent, nobody may."""
    public = col(Issue.state).in_([IssueState.SENDING, IssueState.SENT])
    found = None
    if slug.isprintable() and number <= _LARGEST_NUMBER:
        with site.db.reading() as session:
            found = session.exec(
                select(Issue)
                .join(Edition, col(Edition.id) == col(Issue.edition_id))
                .where(Edition.slug == slug, Issue.number == number, public)
            ).first()
    if found is None:
        raise HTTPException(404)
    html = public_page(found.html, found.nonce, f"{site.base_url}/editions/{slug}")
    return HTMLResponse(html, headers={"Content-Security-Policy": MAIL_POLICY, "X-Robots-Tag": "noindex"})


@router.api_route("/pictures/{sha256}", methods=_READ)
def picture(sha256: str, site: SiteParameter) -> Response:
    """Show a story's picture as mails have it; what is behind such an address never changes (threat 26)."""
    found = None
    if re.fullmatch("[0-9a-f]{64}", sha256):
        with site.db.reading() as session:
            found = session.get(Picture, sha256)
    if found is None:
        raise HTTPException(404)
    return Response(found.body, media_type=found.media_type, headers=_LASTING)


@router.api_route("/flags/{file}", methods=_READ)
def flag(file: str) -> Response:
    """Show a region's flag, such as lt.png (R54)."""
    body = flags.body_of(file)
    if body is None:
        raise HTTPException(404)
    return Response(body, media_type="image/png", headers=_LASTING)


@router.api_route("/static/pages.css", methods=_READ)
def stylesheet(site: SiteParameter) -> Response:
    """Return the style sheet; its address changes with its content."""
    headers = {"Cache-Control": f"public, max-age={_ONE_YEAR}, immutable"}
    return Response(site.pages.stylesheet, media_type="text/css", headers=headers)


@router.api_route("/healthz", methods=_READ)
def health(site: SiteParameter) -> Response:
    """Tell a monitor whether the database answers and has this program's schema; the log says what is wrong."""
    try:
        site.db.check_schema()
    except (NewsletterError, SQLAlchemyError) as error:
        log.warning("health check: %s", error)
        return JSONResponse({"status": "failing"}, status_code=503)
    return JSONResponse({"status": "ok"})


def _open_edition(session: Session, slug: str) -> Edition:
    """Return the edition if one can sign up for it; a page that does not exist otherwise."""
    edition = None
    if slug.isprintable():  # PostgreSQL takes no NUL
        edition = session.exec(select(Edition).where(Edition.slug == slug, col(Edition.enabled))).first()
    if edition is None:
        raise HTTPException(404)
    if is_archived(session, edition.list_id):
        text = "Its list is closed. Nothing was changed."
        raise Problem(410, "This edition takes no new readers", text)
    return edition


def _shown(session: Session, edition: Edition, site: Site) -> EditionShown:
    return shown_editions(session, [edition], site.pages.root, site.clock())[0]
