"""Where providers report. A request is believed only when the provider's own code finds it genuine (threat 15)."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException

from newsletter import feedback
from newsletter.providers.events import NotGenuine, Reporting, ReportsOff
from newsletter.web.site import SiteParameter

log = logging.getLogger(__name__)

#: Bytes of a request. SendGrid posts at most 768 KB (trust 1.4).
MAX_REPORT = 2 * 1024 * 1024

router = APIRouter(max_body_size=MAX_REPORT)


async def _body(request: Request) -> bytes:
    """Read the body as it came: signatures are over its bytes."""
    return await request.body()


@router.post("/hooks/{provider}")
def take_reports(
    provider: str, body: Annotated[bytes, Depends(_body)], request: Request, site: SiteParameter
) -> Response:
    """Take the events in, and answer when they are stored: a provider posts again what was not answered with 2xx."""
    reporting = site.hooks.get(provider)
    if not isinstance(reporting, Reporting):
        raise HTTPException(404)
    now = site.clock()
    try:
        events = reporting.events(dict(request.headers), body, now)
    except ReportsOff:
        raise HTTPException(404) from None
    except NotGenuine as error:
        log.warning("a report to /hooks/%s was refused: %s", provider, error)
        return Response(status_code=403)
    except ValueError:
        log.warning("a report to /hooks/%s is genuine and cannot be read", provider)
        return Response(status_code=400)
    with site.turn if site.db.is_sqlite else nullcontext():
        feedback.take_in(site.db, provider, events, now, site.hashes)
    return Response(status_code=200)
