"""The edge that readers see: pages, and the server they are served by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware import Middleware
from starlette.exceptions import HTTPException

from newsletter.db import Database
from newsletter.providers import Provider
from newsletter.render import Renderer
from newsletter.signup.door import Door, Rules
from newsletter.web import confirming, embedding, links, public, signing_up
from newsletter.web import hooks as reports
from newsletter.web.guard import Guard, http_problem, our_fault
from newsletter.web.server import make_server, serve
from newsletter.web.signups import SignUps
from newsletter.web.site import Pages, Site
from subscribers.hashes import KeyedHash
from subscribers.tokens import Signer

__all__ = ["make_server", "make_web", "serve"]


def make_web(
    *,
    db: Database,
    provider: Provider,
    renderer: Renderer,
    signer: Signer,
    hashes: KeyedHash,
    base_url: str,
    clock: Callable[[], datetime],
    templates: Path | None = None,
    hooks: Mapping[str, object] | None = None,
    rules: Rules | None = None,
    editors: Sequence[str] = (),
) -> FastAPI:
    """Return the web application. `templates` is a folder whose files replace those of `templates/web`.

    `hooks` are the providers, by name: "sendgrid" reports to /hooks/sendgrid, if it is Reporting. `rules` say what
    sign-ups are taken, and `editors` are told of floods of them.
    """
    app = FastAPI(
        title="Newsletter",
        openapi_url=None,
        redirect_slashes=False,
        middleware=[Middleware(Guard)],
        # Paths hold readers' tokens: they must not get into traces or exported logs (threat 16).
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.site = Site(
        db=db,
        provider=provider,
        renderer=renderer,
        signer=signer,
        base_url=base_url,
        clock=clock,
        pages=Pages(base_url, templates),
        hashes=hashes,
        door=Door(signer, hashes, rules or Rules()),
        editors=editors,
        hooks=hooks or {},
    )
    app.state.sign_ups = SignUps()
    app.add_exception_handler(HTTPException, http_problem)
    app.add_exception_handler(Exception, our_fault)
    for part in (signing_up, embedding, confirming, public, links, reports):
        app.include_router(part.router)
    return app
