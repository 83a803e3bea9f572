"""The link in the mail to a reader's own inbox: take along what is known of them, or have it deleted (U7, threat 23).

The preferences link may have been forwarded with a mail; this one goes to the reader's address alone, not within a week
after that was changed, and works for a day. Both buttons are forms: a scanner that follows links gets nobody's data.
"""

from __future__ import annotations

import json

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from newsletter import privacy
from newsletter.web.forms import MAX_BODY, FieldsParameter
from newsletter.web.links.addresses import asked_for
from newsletter.web.links.opening import READ, html, page
from newsletter.web.shown import ReaderShown
from newsletter.web.site import Site, SiteParameter
from newsletter.wording import phrase
from subscribers.models import Subscriber
from subscribers.tokens import Purpose

router = APIRouter(max_body_size=MAX_BODY)

_AS_FILE = {"Content-Disposition": 'attachment; filename="my-data.json"'}


@router.api_route("/d/{token}", methods=READ)
def data_form(token: str, site: SiteParameter) -> Response:
    """Show what can be done with the reader's data, each with a button."""
    with site.db.reading() as session:
        reader, _ = asked_for(site, session, Purpose.DATA, token)
    return page(site, "data", reader, token=token, problem="")


@router.post("/d/{token}")
def use_data(token: str, fields: FieldsParameter, site: SiteParameter) -> Response:
    """Give the reader what is known of them as a file, or delete it where the box is ticked."""
    what = fields.text("what")
    with site.db.reading() as session:
        reader, _ = asked_for(site, session, Purpose.DATA, token)
        if what == "download":
            return _download(site, session, reader)
        key = _key(session, reader)
    if what != "delete":
        return page(site, "data", reader, token=token, problem="")
    if fields.text("sure") != "yes":
        problem = reader.wording.say(phrase("Nothing was deleted: please tick the box first."))
        return HTMLResponse(html(site, "data", reader, token=token, problem=problem), 422)
    privacy.erase(site.db, key, site.hashes, site.clock(), source=f"{site.base_url}/d")
    return page(site, "data_deleted", reader)


def _download(site: Site, session: Session, reader: ReaderShown) -> Response:
    found = privacy.data_of(session, _key(session, reader), site.hashes, site.clock())
    body = json.dumps(found, ensure_ascii=False, indent=2)
    return Response(body, media_type="application/json", headers=_AS_FILE)


def _key(session: Session, reader: ReaderShown) -> str:
    return session.get_one(Subscriber, reader.subscriber_id).address_key
