"""What holds for every answer: safe headers, one path for a trailing slash, and errors in the look of the pages."""

from __future__ import annotations

import re

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.web.site import Site, wording_for
from newsletter.wording import Wording, phrase
from subscribers.errors import InvalidToken

#: Paths that hold a reader's token: confirm, unsubscribe, preferences, return, address, data (threat 16).
TOKEN_PATH = re.compile(r"/[cuprad]/", re.IGNORECASE)

#: Pages load their style sheet and send their forms home; nothing else, and nobody may frame them.
PAGE_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
#: Pages with a sign-up form also have our script, which sends it.
FORM_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
#: The frame with a sign-up form is there for other sites to frame; no other page is.
FRAME_POLICY = FORM_POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
#: A mail in the browser: its styles are its own, its pictures come from the sources.
MAIL_POLICY = (
    "default-src 'none'; img-src https: http:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def safe_headers(path: str) -> dict[str, str]:
    """Return the headers every answer to `path` gets unless its page sets its own. HSTS is the proxy's duty."""
    headers = {
        "Content-Security-Policy": PAGE_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    if TOKEN_PATH.search(path):
        headers |= {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
    return headers


class Guard:
    """Adds the safe headers, and takes `/u/token/` for `/u/token`: no one-click POST may be redirected (RFC 8058)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer back."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"].rstrip("/") or "/"

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in safe_headers(path).items():
                    headers.setdefault(name, value)
            await send(message)

        return await self.app({**scope, "path": path}, receive, send_safely)


class Problem(HTTPException):
    """A page cannot do what was asked and says why. `way_on` is the label and path of a link; home by default.

    Heading and text are phrases, or said already. `wording` is the page's language; by default the browser's.
    """

    def __init__(
        self,
        status: int,
        heading: str,
        text: str,
        way_on: tuple[str, str] | None = None,
        wording: Wording | None = None,
    ) -> None:
        super().__init__(status, text)
        self.heading = heading
        self.text = text
        self.way_on = way_on
        self.wording = wording


#: What the links of a test mail carry instead of a token.
_TEST_TOKEN = "test"  # noqa: S105
_WORDS = {
    404: (
        phrase("This page does not exist"),
        phrase("The address may have a typing slip, or the page is gone."),
    ),
    405: (
        phrase("That does not work here"),
        phrase("This page cannot be used that way. Please open it again and use its button."),
    ),
    413: (
        phrase("That was too large"),
        phrase("The form was larger than any of ours. Nothing was changed."),
    ),
    500: (
        phrase("Something is broken here"),
        phrase("The fault is ours, not yours. Please try again in a few minutes."),
    ),
}
_DAMAGED = (
    phrase("We could not read that"),
    phrase("The form arrived damaged; nothing was changed. Please go back and try again."),
)


def damaged_link(token: str, error: InvalidToken) -> Problem:  # noqa: ARG001 - why it is damaged helps no reader
    """Return the page for a link whose token is none of ours."""
    if token == _TEST_TOKEN:
        heading = phrase("This was a test mail")
        return Problem(404, heading, phrase("Its links lead here and change nothing. Readers get their own."))
    heading = phrase("This link does not work")
    text = phrase("This link is incomplete or damaged. Open it from the mail itself, or copy all of it.")
    return Problem(404, heading, text)


def http_problem(request: Request, error: Exception) -> HTMLResponse:
    """Return the page for an HTTP error."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    headers = error.headers
    if not isinstance(error, Problem):
        error = Problem(error.status_code, *_WORDS.get(error.status_code, _DAMAGED))
    return HTMLResponse(_html(request, error), error.status_code, dict(headers or {}))


def our_fault(request: Request, error: Exception) -> HTMLResponse:  # noqa: ARG001 - the server logs the error
    """Return the page for a bug or a broken database. It stands outside the guard, so it brings the safe headers."""
    return HTMLResponse(_html(request, Problem(500, *_WORDS[500])), 500, safe_headers(request.url.path))


def _html(request: Request, problem: Problem) -> str:
    site: Site = request.app.state.site
    wording = problem.wording or wording_for(request)
    label, path = problem.way_on or (wording.say(phrase("See all newsletters")), f"{site.pages.root}/")
    heading, text = wording.say(problem.heading), wording.say(problem.text)
    return site.pages.html("problem", wording, heading=heading, text=text, label=label, path=path)
