"""Sign-up forms for other sites, in three forms: plain HTML, a frame, a script (U1). None sets a cookie."""

from __future__ import annotations

import html

from fastapi import APIRouter, BackgroundTasks, Request, Response
from fastapi.responses import HTMLResponse

from newsletter.web.forms import MAX_BODY, FieldsParameter
from newsletter.web.signing_up import Place, edition_place, take
from newsletter.web.signup_form import Said, form_for
from newsletter.web.site import Site, SiteParameter

router = APIRouter(max_body_size=MAX_BODY)

_READ = ["GET", "HEAD"]
#: What any site may read: there is nothing of a reader in it.
_FOR_ALL = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
#: Pixels; what the form of an edition takes on a phone, and what an own field adds.
_HEIGHT, _FIELD_HEIGHT = 640, 100


@router.api_route("/editions/{slug}/embed", methods=_READ)
def embedding(slug: str, site: SiteParameter) -> Response:
    """Show a newsroom the three forms to copy."""
    place = edition_place(site, slug)
    shown = place.offer.editions[0]
    return place.page(
        site,
        "embed",
        shown=shown,
        script=f'<script src="{site.base_url}/static/embed.js" data-edition="{slug}" async></script>',
        frame=_frame(site, place),
        plain=_plain(site, place),
    )


@router.api_route("/editions/{slug}/embed/frame", methods=_READ)
def frame(slug: str, site: SiteParameter) -> Response:
    """Show the form for a frame on another site."""
    place = edition_place(site, slug, framed=True)
    return place.page(site, "edition", form=form_for(site, place.action, place.offer, Said()))


@router.post("/editions/{slug}/embed/frame")
def sign_up_in_frame(
    slug: str, fields: FieldsParameter, request: Request, site: SiteParameter, background: BackgroundTasks
) -> Response:
    """Take a request from the frame down, as from our own page."""
    return take(edition_place(site, slug, framed=True), fields, request, site, background)


@router.api_route("/editions/{slug}/embed/form", methods=_READ)
def form(slug: str, site: SiteParameter) -> Response:
    """Return the form for the script: a piece of HTML, in the edition's language, that stands in any page."""
    place = edition_place(site, slug)
    shown = form_for(site, f"{site.base_url}/editions/{slug}", place.offer, Said())
    piece = site.pages.html("_fragment", place.wording, form=shown, id=f"{slug}-")
    return HTMLResponse(piece, headers=_FOR_ALL)


def _frame(site: Site, place: Place) -> str:
    shown = place.offer.editions[0]
    height = _HEIGHT + _FIELD_HEIGHT * len(place.offer.fields)
    source = f"{site.base_url}/editions/{shown.slug}/embed/frame"
    title = html.escape(shown.name)
    return f'<iframe src="{source}" title="{title}" width="100%" height="{height}" style="border: 0"></iframe>'


def _plain(site: Site, place: Place) -> str:
    """Return the form as plain HTML. It holds no token, so a page of ours asks for one more press."""
    shown = place.offer.editions[0]
    form = form_for(site, "", place.offer, Said())
    action = f"{site.base_url}/editions/{shown.slug}"
    return site.pages.html("_plain", place.wording, form=form, shown=shown, action=action).strip()
