"""Signing up: the newsroom's page with all editions, a page for each, and what both answer (U1-U5).

Forms on other sites, the frame and the script send to the same paths, and everything passes the same door.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, BackgroundTasks, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from sqlmodel import Session, col, select
from starlette.exceptions import HTTPException

from newsletter.models import Edition
from newsletter.signup.asking import Asked
from newsletter.signup.door import Knock, Verdict
from newsletter.web.forms import MAX_BODY, Fields, FieldsParameter, client_ip
from newsletter.web.guard import FORM_POLICY, FRAME_POLICY, Problem
from newsletter.web.signup_form import (
    Form,
    Offer,
    Said,
    checked,
    form_for,
    names_of,
    plain_names_of,
    read_offer,
)
from newsletter.web.signups import SignUp, SignUps
from newsletter.web.site import LanguageShown, Site, SiteParameter, wording_for
from newsletter.wording import Wording, phrase
from subscribers.lists import is_archived

router = APIRouter(max_body_size=MAX_BODY)

_READ = ["GET", "HEAD"]
#: Seconds after which somebody who came too often may come again.
_WAIT = 3600
#: What the two kinds of answers to a form have in common with no other page.
_VARY = {"Vary": "Accept, Accept-Language"}


@dataclass(frozen=True)
class Place:
    """Where a form stands: the newsroom's page or an edition's, in our look or in the frame on another site.

    `action` is where it is sent, from the host's root; `source` the page's address, for the evidence.
    """

    action: str
    source: str
    wording: Wording
    offer: Offer
    framed: bool = False

    def page(self, site: Site, name: str, status: int = 200, **values: object) -> HTMLResponse:
        """Return the answer that shows a page of signing up."""
        editions = self.offer.editions
        publishers = {one.publisher for one in editions}
        values |= {"edition": editions[0] if len(publishers) == 1 else None, "framed": self.framed}
        html = site.pages.html(name, self.wording, **values)
        policy = FRAME_POLICY if self.framed else FORM_POLICY
        return HTMLResponse(html, status, {"Content-Security-Policy": policy} | _VARY)


@router.api_route("/", methods=_READ)
def home(request: Request, site: SiteParameter) -> Response:
    """Show the newsroom's editions, with a box for each; that of ?edition= is ticked (U2)."""
    place = _home(request, site)
    asked = frozenset({request.query_params.get("edition", "")})
    form = form_for(site, place.action, place.offer, Said(editions=asked))
    return place.page(site, "home", form=form, languages=_languages(place))


@router.post("/")
def sign_up_for_several(
    fields: FieldsParameter, request: Request, site: SiteParameter, background: BackgroundTasks
) -> Response:
    """Take a request for one or several editions down: one form, one confirmation mail (trust 2.1)."""
    return take(_home(request, site), fields, request, site, background)


@router.api_route("/editions/{slug}", methods=_READ)
def sign_up_form(slug: str, site: SiteParameter) -> Response:
    """Show an edition and its sign-up form (U1, U2)."""
    place = edition_place(site, slug)
    return place.page(site, "edition", form=form_for(site, place.action, place.offer, Said()))


@router.post("/editions/{slug}")
def sign_up(
    slug: str, fields: FieldsParameter, request: Request, site: SiteParameter, background: BackgroundTasks
) -> Response:
    """Take a request down. The answer is the same for every address, so that nobody learns who is on a list (U3)."""
    return take(edition_place(site, slug), fields, request, site, background)


def edition_place(site: Site, slug: str, *, framed: bool = False) -> Place:
    """Return an edition's page or frame. Raises a Problem when nobody can sign up for it."""
    with site.db.reading() as session:
        edition = _edition(session, slug)
        wording = site.pages.wordings.of(edition.language)
        offer = read_offer(session, site, wording, slug)
        if offer is None:
            raise _closed(session, edition, wording)
    path = f"/editions/{slug}{'/embed/frame' if framed else ''}"
    return Place(site.pages.root + path, site.base_url + path, wording, offer, framed)


def take(
    place: Place, came: Fields, request: Request, site: Site, background: BackgroundTasks
) -> HTMLResponse | JSONResponse:
    """Check a form, let the door decide, and answer; what is let in is stored after the answer (threat 12)."""
    say = _Said(place, site, in_json="application/json" in request.headers.get("accept", ""))
    said = Said.of(came, place.offer)
    if said.trapped:
        return say.sent(said)
    found = checked(said, place.offer, place.wording)
    if found.address is None or found.problems:
        return say.invalid(said, dict(found.problems))
    now, ip = site.clock(), client_ip(request)
    with site.db.transaction() as session:
        knock = Knock(found.address, sorted(said.editions), said.token, said.work, ip)
        answer = site.door.knock(session, knock, now)
    if answer.verdict is Verdict.AGAIN:
        return say.again(said, answer.token)
    wordings = {slug: place.offer.shown_to(slug) for slug in sorted(said.editions)}
    asked = Asked(found.address, wordings, place.source, ip, found.answers)
    taken = asked if answer.verdict is Verdict.TAKEN else None
    sign_ups: SignUps = request.app.state.sign_ups
    background.add_task(sign_ups.take_in, site, SignUp(taken, answer.flooded))
    return say.too_many() if answer.verdict is Verdict.TOO_MANY else say.sent(said)


@dataclass(frozen=True)
class _Said:
    """Says what became of a form: as a page, or in JSON to the script, which any site may read."""

    place: Place
    site: Site
    in_json: bool

    def sent(self, said: Said) -> HTMLResponse | JSONResponse:
        chosen = [one for one in self.place.offer.editions if one.slug in said.editions] or self.place.offer.editions
        say = self.place.wording.say
        if self.in_json:
            text = say(_SENT, editions=plain_names_of(chosen, self.place.wording))
            return self._json("sent", 200, heading=say(_LOOK), text=text, more=[say(_UNTIL), say(_NO_MAIL)])
        names = names_of(chosen, self.place.wording)
        return self.place.page(self.site, "asked", names=names, path=self.place.action)

    def invalid(self, said: Said, problems: dict[str, str]) -> HTMLResponse | JSONResponse:
        if self.in_json:
            return self._json("invalid", 422, problems=problems)
        form = form_for(self.site, self.place.action, self.place.offer, said, problems)
        if self.place.offer.boxes:
            return self.place.page(self.site, "home", 422, form=form, languages=_languages(self.place))
        return self.place.page(self.site, "edition", 422, form=form)

    def again(self, said: Said, token: str) -> HTMLResponse | JSONResponse:
        say = self.place.wording.say
        if self.in_json:
            return self._json("again", 200, token=token, text=say(_AGAIN), button=say(_PRESS))
        rules = self.site.door.rules
        form = Form(self.place.action, self.place.offer, said, token, rules.proof_of_work)
        chosen = [one for one in self.place.offer.editions if one.slug in said.editions]
        return self.place.page(self.site, "again", form=form, names=names_of(chosen, self.place.wording))

    def too_many(self) -> HTMLResponse | JSONResponse:
        say = self.place.wording.say
        if self.in_json:
            return self._json("wait", 429, heading=say(_BUSY), text=say(_LATER))
        said = {"heading": say(_BUSY), "text": say(_LATER), "label": say(_BACK), "path": self.place.action}
        answer = self.place.page(self.site, "problem", 429, **said)
        answer.headers["Retry-After"] = str(_WAIT)
        return answer

    def _json(self, state: str, status: int, **values: object) -> JSONResponse:
        return JSONResponse({"state": state} | values, status, {"Access-Control-Allow-Origin": "*"} | _VARY)


_LOOK = phrase("Please look at your inbox")
_SENT = phrase(
    "If this address is not on the list yet, a mail with a link is on its way to it. Open the link and press the "
    "button on the page behind it, and you are on the list for %(editions)s."
)
_UNTIL = phrase("Until then nothing else is sent. The link works for seven days.")
_NO_MAIL = phrase(
    "No mail after ten minutes? Look in the folder for spam or advertising. Another mail can be asked for tomorrow: an "
    "address gets one a day."
)
_AGAIN = phrase("One more press, so that we know you are not a program.")
_PRESS = phrase("Yes, sign me up")
_BUSY = phrase("Too many sign-ups at once")
_LATER = phrase(
    "Many sign-ups have come from your network within the hour, so we take no more from there for now. Nothing is "
    "wrong with your address. Please try again in an hour."
)
_BACK = phrase("Back to the form")


def _home(request: Request, site: Site) -> Place:
    wording = wording_for(request)
    with site.db.reading() as session:
        offer = read_offer(session, site, wording)
    assert offer is not None  # noqa: S101 - only that of one edition may be none
    return Place(f"{site.pages.root}/?lang={wording.language.tag}", f"{site.base_url}/", wording, offer)


def _languages(place: Place) -> list[LanguageShown]:
    """Return the languages of the editions, where they have several, without the page's own."""
    return [LanguageShown.of(one) for one in place.offer.languages if one.tag != place.wording.language.tag]


def _edition(session: Session, slug: str) -> Edition:
    """Return an enabled edition; a page that does not exist otherwise."""
    edition = None
    if slug.isprintable():  # PostgreSQL takes no NUL
        edition = session.exec(select(Edition).where(Edition.slug == slug, col(Edition.enabled))).first()
    if edition is None:
        raise HTTPException(404)
    return edition


def _closed(session: Session, edition: Edition, wording: Wording) -> HTTPException:
    if not is_archived(session, edition.list_id):
        return HTTPException(404)  # switched off this moment
    heading = phrase("This newsletter takes no new readers")
    return Problem(410, heading, phrase("Its list is closed. Nothing was changed."), wording=wording)
