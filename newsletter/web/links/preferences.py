"""The preferences page: all that a reader can choose, on one page, by the signed link in every mail (U6, U7, U9).

Each section has a form that does one thing. What was saved is told after a redirect (303), so that going back or
reloading sends no form again; the page says how things stand, and never only what was pressed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session

from newsletter import letters
from newsletter.web.forms import MAX_BODY, Fields, FieldsParameter
from newsletter.web.links import asking
from newsletter.web.links.asking import NotAsked
from newsletter.web.links.opening import READ, evidence, html, read, reader_of
from newsletter.web.options import options_shown
from newsletter.web.shown import ListShown, ReaderShown, choices
from newsletter.web.signup_form import names_of
from newsletter.web.site import Site, SiteParameter, isolated
from subscribers import preferences, requests
from subscribers.consent import Evidence, join, leave, leave_all, subscriptions_of
from subscribers.tokens import Purpose

router = APIRouter(max_body_size=MAX_BODY)

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Saving:
    """One form of the page that was sent."""

    site: Site
    session: Session
    reader: ReaderShown
    fields: Fields
    evidence: Evidence
    background: BackgroundTasks


@router.api_route("/p/{token}", methods=READ)
def preferences_form(token: str, site: SiteParameter, saved: str = "") -> Response:
    """Show what the reader gets and how, with a form for each thing that can be chosen (U6, U7)."""
    with site.db.reading() as session:
        reader = reader_of(site, session, read(site, Purpose.PREFERENCES, token))
        return HTMLResponse(_html(site, session, reader, token, saved=saved))


@router.post("/p/{token}")
def save_preferences(
    token: str, fields: FieldsParameter, request: Request, site: SiteParameter, background: BackgroundTasks
) -> Response:
    """Do what one form of the page is for; sending it twice does no more (U9)."""
    what = fields.text("what")
    with site.db.transaction() as session:
        reader = reader_of(site, session, read(site, Purpose.PREFERENCES, token))
        save = _FORMS.get(what)
        if save is None:
            return HTMLResponse(_html(site, session, reader, token))
        try:
            save(Saving(site, session, reader, fields, evidence(site, request, "/p"), background))
        except NotAsked as error:
            problem = {"problem": error.sentence, "typed": fields.text("address")}
            return HTMLResponse(_html(site, session, reader, token, **problem), error.status)
    section = _SECTION_OF.get(what, what)
    return RedirectResponse(f"{site.pages.root}/p/{token}?{urlencode({'saved': what})}#{section}", 303)


def _html(
    site: Site,
    session: Session,
    reader: ReaderShown,
    token: str,
    *,
    saved: str = "",
    problem: str = "",
    typed: str = "",
) -> str:
    now = site.clock()
    lists = choices(session, reader, site.pages.root, now)
    data_from = requests.data_from(session, reader.subscriber_id, now)
    return html(
        site,
        "preferences",
        reader,
        token=token,
        saved=saved if saved in _FORMS else "",
        problem=problem,
        typed=typed,
        choices=lists,
        names_of_list=lambda one: names_of(one.editions, reader.wording) or isolated(one.list_name),
        any_on=any(one.is_on for one in lists),
        weeks=preferences.PAUSE_WEEKS,
        monthly=[one for one in lists if one.is_on and one.is_open and one.monthly_of],
        options=options_shown(session, reader, site.pages.wordings, now),
        data_from=reader.wording.language.long_date(data_from.date() + _ONE_DAY) if data_from > now else "",
    )


def _save_lists(form: Saving) -> None:
    """Join what is ticked and leave what is not, among the lists that the form showed."""
    shown, ticked = form.fields.all("shown"), form.fields.all("list")
    for one in choices(form.session, form.reader, form.site.pages.root, form.evidence.at):
        if str(one.list_id) in shown:
            _set(form, one, wanted=str(one.list_id) in ticked)


def _set(form: Saving, one: ListShown, *, wanted: bool) -> None:
    session, said = form.session, form.evidence
    if wanted and not one.is_on:
        person = form.reader.subscriber_id
        joined = join(
            session,
            subscriber_id=person,
            list_id=one.list_id,
            now=said.at,
            source=said.source,
            wording=one.wording,
            network=said.network,
        )
        if joined:
            on_it = next(row for row in subscriptions_of(session, person) if row.list_id == one.list_id)
            letters.owe_welcome(session, on_it.id)
        return
    left = one.subscription_id if one.is_on and not wanted else None
    if left is not None and leave(session, subscription_id=left, now=said.at, source=said.source, network=said.network):
        letters.owe_goodbye(session, left)


def _leave_everything(form: Saving) -> None:
    """Leave every list, closed ones and mere requests, too."""
    session, said, person = form.session, form.evidence, form.reader.subscriber_id
    on = [one.subscription_id for one in choices(session, form.reader, "", said.at) if one.is_on]
    leave_all(session, subscriber_id=person, now=said.at, source=said.source, network=said.network)
    for subscription_id in on:
        if subscription_id is not None:
            letters.owe_goodbye(session, subscription_id)


def _save_often(form: Saving) -> None:
    """Set how often each edition comes that offers a choice, and that the form showed."""
    shown, monthly = form.fields.all("shown"), form.fields.all("monthly")
    for one in choices(form.session, form.reader, "", form.evidence.at):
        if one.is_on and one.monthly_of and one.subscription_id is not None and str(one.list_id) in shown:
            wanted = str(one.list_id) in monthly
            preferences.set_monthly(form.session, one.subscription_id, wanted, form.evidence)


def _pause(form: Saving) -> None:
    for weeks in preferences.PAUSE_WEEKS:
        if form.fields.text("weeks") == str(weeks):
            until = preferences.pause_end(form.evidence.at, weeks)
            preferences.pause(form.session, form.reader.subscriber_id, until, form.evidence)


def _resume(form: Saving) -> None:
    preferences.resume(form.session, form.reader.subscriber_id, form.evidence)


def _save_format(form: Saving) -> None:
    wanted = form.fields.text("format")
    if wanted in {"text", "html"}:
        preferences.set_text_only(form.session, form.reader.subscriber_id, wanted == "text", form.evidence)


def _save_language(form: Saving) -> None:
    tag = form.fields.text("language")
    if tag in {"", *(language.tag for language in form.site.pages.wordings.offered())}:
        preferences.set_language(form.session, form.reader.subscriber_id, tag, form.evidence)


def _lift(form: Saving) -> None:
    if preferences.lift_bounce(form.session, form.reader.subscriber_id, form.evidence):
        form.background.add_task(asking.lift_at_provider, form.site, form.reader.subscriber_id)


def _ask_address(form: Saving) -> None:
    typed, ip = form.fields.text("address"), form.evidence.network
    asking.ask_for_address(form.site, form.session, form.reader, typed, form.background, ip=ip)


def _ask_data(form: Saving) -> None:
    asking.ask_for_data(form.site, form.session, form.reader, form.background)


_FORMS: dict[str, Callable[[Saving], None]] = {
    "lists": _save_lists,
    "everything": _leave_everything,
    "often": _save_often,
    "pause": _pause,
    "resume": _resume,
    "format": _save_format,
    "language": _save_language,
    "address": _ask_address,
    "lift": _lift,
    "data": _ask_data,
}
#: Where on the page it is told, where that is not called as the form is.
_SECTION_OF = {"everything": "lists", "resume": "pause", "lift": "help"}
