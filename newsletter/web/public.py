"""What everybody can open beside signing up: a sent issue in the browser, its pictures, our style sheet and scripts."""

from __future__ import annotations

import logging
import re

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from starlette.exceptions import HTTPException

from newsletter import flags
from newsletter.errors import NewsletterError
from newsletter.models import Edition, Issue, IssueState, Picture
from newsletter.render import public_page
from newsletter.web.forms import MAX_BODY
from newsletter.web.guard import MAIL_POLICY
from newsletter.web.site import SiteParameter

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
#: What pages load from us. embed.js is loaded by other sites without the part of its address that changes, so it is
#: kept for an hour only.
_STATIC = {"pages.css": "text/css", "embed.js": "text/javascript"}
_HOUR = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin"}
_YEAR = {"Cache-Control": f"public, max-age={_ONE_YEAR}, immutable"}
#: The largest number the issue's column holds on PostgreSQL.
_LARGEST_NUMBER = 2**31 - 1


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


@router.api_route("/static/{name}", methods=_READ)
def static(name: str, site: SiteParameter, v: str = "") -> Response:
    """Return the style sheet or a script; their addresses change with their content."""
    media_type = _STATIC.get(name)
    if media_type is None:
        raise HTTPException(404)
    return Response(site.pages.static(name), media_type=media_type, headers=_YEAR if v else _HOUR)


@router.api_route("/healthz", methods=_READ)
def health(site: SiteParameter) -> Response:
    """Tell a monitor whether the database answers and has this program's schema; the log says what is wrong."""
    try:
        site.db.check_schema()
    except (NewsletterError, SQLAlchemyError) as error:
        log.warning("health check: %s", error)
        return JSONResponse({"status": "failing"}, status_code=503)
    return JSONResponse({"status": "ok"})
