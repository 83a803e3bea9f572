"""Confirming, preferences and tokens: what opens, what acts, and what never does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from lxml import html as lxml_html
from sqlmodel import select

from newsletter.db import Database
from newsletter.models import Edition
from newsletter.web.links import confirm_would
from newsletter.web.links import router as links_router
from newsletter.web.public import router as public_router
from subscribers import consent
from subscribers.consent import Confirmed
from subscribers.models import ConsentAction, Subscription, SubscriptionState
from subscribers.tokens import Purpose
from tests import builders
from tests.builders import NOW
from tests.databases import sqlite_database
from tests.sites import BASE_URL, TestSite, buttons, make_site, press, words

__all__ = ["sqlite_database"]

PENDING, CONFIRMED, LEFT = SubscriptionState.PENDING, SubscriptionState.CONFIRMED, SubscriptionState.LEFT


@pytest.fixture
def site(sqlite_database: Database) -> TestSite:
    return make_site(sqlite_database)


@pytest.fixture
def either_site(database: Database) -> TestSite:
    """The pages over SQLite and over PostgreSQL, for what the database may answer differently."""
    return make_site(database)


# --- confirm


@pytest.mark.parametrize(
    ("state", "asked_at", "expected"),
    [
        (PENDING, NOW, Confirmed.NOW),
        (PENDING, NOW.replace(microsecond=9), Confirmed.NOW),
        (PENDING, NOW + timedelta(seconds=1), Confirmed.OUTDATED),
        (CONFIRMED, NOW + timedelta(days=1), Confirmed.ALREADY),
        (LEFT, NOW, Confirmed.OUTDATED),
    ],
)
def test_what_a_confirmation_link_would_do(state: SubscriptionState, asked_at: datetime, expected: Confirmed) -> None:
    row = Subscription(id=1, subscriber_id=1, list_id=1, state=state, requested_at=asked_at, changed_at=NOW)
    assert confirm_would(row, NOW) is expected
    assert confirm_would(None, NOW) is Confirmed.OUTDATED


def test_confirming(either_site: TestSite) -> None:
    """U3: the link shows a button, the button acts; what follows says what comes when."""
    site = either_site
    site.client.post("/editions/fen-weekly", data={"address": "ann@example.org"})
    path = f"/c/{site.confirm_token(1)}"
    page = site.client.get(path).text
    assert buttons(page) == ["Yes, put me on the list"]
    assert site.state(1) is PENDING
    page = press(site, page, "Yes, put me on the list")
    assert site.state(1) is CONFIRMED
    assert "a•••@example.org is on the list for Fen Weekly." in words(page)
    assert "The next one is planned for Saturday, 21 November." in words(page)
    asked, confirmed = site.consents()
    assert (confirmed.action, confirmed.source) == (ConsentAction.CONFIRMED, f"{BASE_URL}/c")
    assert confirmed.wording == asked.wording


def test_confirming_twice_is_once(site: TestSite) -> None:
    path = f"/c/{site.confirm_token(site.reader('ann@example.org', PENDING))}"
    first, second = site.client.post(path), site.client.post(path)
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert "You are on the list" in site.client.get(path).text
    assert len(site.consents()) == 1


def has_expired(site: TestSite, subscription_id: int) -> None:
    site.clock.now += timedelta(days=7, seconds=1)


def has_left(site: TestSite, subscription_id: int) -> None:
    with site.db.transaction() as session:
        consent.leave(session, subscription_id=subscription_id, now=NOW, source="test")


def has_asked_again(site: TestSite, subscription_id: int) -> None:
    with site.db.transaction() as session:
        row = session.get_one(Subscription, subscription_id)
        row.requested_at += timedelta(minutes=20)


@pytest.mark.parametrize(
    ("happens", "heading"),
    [
        (has_expired, "This link has expired"),
        (has_left, "This link has been used up"),
        (has_asked_again, "This link has been used up"),
    ],
)
def test_a_link_that_is_over_says_what_to_do(
    site: TestSite, happens: Callable[[TestSite, int], None], heading: str
) -> None:
    """Threat 16: a confirmation link works once, for its request, for seven days."""
    subscription_id = site.reader("ann@example.org", PENDING)
    path = f"/c/{site.confirm_token(subscription_id)}"
    happens(site, subscription_id)
    before = site.dump()
    for answer in (site.client.get(path), site.client.post(path)):
        assert answer.status_code == 410
        assert heading in answer.text
        assert '<a href="/editions/fen-weekly">Sign up again</a>' in answer.text
    assert site.dump() == before


def test_an_expired_link_to_a_closed_list_leads_home(site: TestSite) -> None:
    with site.db.transaction() as session:
        session.get_one(Edition, site.room.edition_id).enabled = False
    path = f"/c/{site.confirm_token(site.reader('ann@example.org', PENDING))}"
    site.clock.now += timedelta(days=8)
    assert '<a href="/">Sign up again</a>' in site.client.get(path).text


# --- preferences


def test_preferences_say_what_is_and_keep_what_is_chosen(either_site: TestSite) -> None:
    """U6, U7, U9: join and leave on one page, with evidence; saved is announced, with the date of the last change."""
    site = either_site
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly", send_weekday=0)
    subscription_id = site.reader("ann@example.org")
    path = site.preferences_path(subscription_id)
    page = site.client.get(path).text
    assert "For a•••@example.org" in words(page)
    assert "ann@" not in page
    assert "Last changed on 10 November 2026." in words(page)
    boxes = lxml_html.fromstring(page).xpath("//label/input[@type='checkbox']")
    assert [(box.get("value"), "checked" in box.attrib) for box in boxes] == [
        (str(ely.list_id), False),
        (str(site.room.list_id), True),
    ]
    shown = [str(ely.list_id), str(site.room.list_id)]
    for _ in range(2):  # saving twice does no more
        answer = site.client.post(path, data={"shown": shown, "list": [str(ely.list_id)]})
        [status] = lxml_html.fromstring(answer.text).xpath("//*[@role='status']")
        assert status.text_content() == "Saved. It takes effect at once."
        assert "Last changed on 19 November 2026." in words(answer.text)
    left, joined = sorted(site.consents(), key=lambda evidence: evidence.list_id)
    assert (left.action, left.list_id) == (ConsentAction.LEFT, site.room.list_id)
    assert (joined.action, joined.list_id) == (ConsentAction.JOINED, ely.list_id)
    assert joined.wording == "Ely Weekly: weekly, on Mondays at 07:00 (Berlin time)"
    assert (joined.source, joined.network) == (f"{BASE_URL}/p", "203.0.113.0/24")


def test_editions_that_share_a_list_share_a_box(site: TestSite) -> None:
    with site.db.transaction() as session:
        builders.newsroom(session, "ely", name="Ely Weekly", list_id=site.room.list_id)
        session.exec(select(Edition).where(Edition.slug == "ely")).one()
    page = site.client.get(site.preferences_path(site.reader("ann@example.org"))).text
    [label] = [one for one in lxml_html.fromstring(page).xpath("//label") if "Ely Weekly" in one.text_content()]
    assert "Fen Weekly" in label.text_content()


def test_leaving_everything_and_coming_back(site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org")
    page = site.client.get(site.preferences_path(subscription_id)).text
    page = press(site, page, "Unsubscribe from everything")
    assert "You are on no list now: nothing more is sent to you." in words(page)
    assert site.state(subscription_id) is LEFT
    assert buttons(page) == ["Save"]
    site.client.post(
        site.preferences_path(subscription_id), data={"shown": str(site.room.list_id), "list": str(site.room.list_id)}
    )
    assert site.state(subscription_id) is CONFIRMED


@pytest.mark.parametrize(
    "fields",
    [{}, {"list": "1"}, {"shown": "99", "list": "99"}, {"shown": "x'; --"}, {"shown": "99999999999999999999"}],
)
def test_only_what_the_form_showed_is_changed(site: TestSite, fields: dict[str, str]) -> None:
    """A form that was opened before a list was added does not leave it; a made-up list is nobody's."""
    path = site.preferences_path(site.reader("ann@example.org"))
    before = site.dump()
    assert site.client.post(path, data=fields).status_code == 200
    assert site.dump() == before


def test_preferences_with_nothing_to_choose(site: TestSite) -> None:
    with site.db.transaction() as session:
        session.get_one(Edition, site.room.edition_id).enabled = False
    page = site.client.get(site.preferences_path(site.reader("ann@example.org", LEFT))).text
    assert "There is no newsletter to choose at the moment" in page
    assert buttons(page) == []


# --- tokens


def tokens(site: TestSite) -> dict[str, str]:
    """Return every kind of token there is, by what it is, for three readers."""
    found = {"nonsense": "AAAAAAAAAAAAAAAAAAAAAAAA", "test": "test", "long": "A" * 500}
    for state in SubscriptionState:
        subscription_id = site.reader(f"{state}@example.org", state)
        found[f"confirm, {state}"] = site.confirm_token(subscription_id)
        found[f"undo, {state}"] = site.undo_token(subscription_id)
        for purpose in (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES):
            found[f"{purpose}, {state}"] = site.token(purpose, subscription_id)
    found["expired"] = site.signer.sign_confirm(1, datetime(2026, 1, 1, tzinfo=UTC))
    return found


def test_opening_a_link_changes_nothing(either_site: TestSite) -> None:
    """Threat 10: every route there is, with every kind of token, by every method that only looks."""
    site = either_site
    site.issue(7)
    paths = {str(route.path) for route in [*public_router.routes, *links_router.routes]}  # type: ignore[attr-defined]
    every_token = tokens(site)
    before = site.dump()
    tried = 0
    for template in paths:
        path = template.replace("{slug}", "fen-weekly").replace("{number:int}", "7")
        for token in every_token.values() if "{token}" in path else [""]:
            for method in ("GET", "HEAD", "OPTIONS"):
                for ending in ("", "/", "?List-Unsubscribe=One-Click&list=1&shown=1&address=ann%40example.org"):
                    site.client.request(method, path.replace("{token}", token) + ending)
                    tried += 1
    assert tried > 500
    assert site.dump() == before
    assert site.provider.calls == []


def test_a_token_is_good_for_one_purpose(site: TestSite) -> None:
    """Threat 16."""
    kinds = {"c": "confirm", "u": "unsubscribe", "p": "preferences", "r": "undo"}
    every_token = tokens(site)
    before = site.dump()
    for letter, kind in kinds.items():
        for name, token in every_token.items():
            if name.startswith((kind, "expired")):
                continue
            fields = {"List-Unsubscribe": "One-Click", "shown": "1", "list": "1"}
            for answer in (site.client.get(f"/{letter}/{token}"), site.client.post(f"/{letter}/{token}", data=fields)):
                assert answer.status_code == 404, (letter, name)
    assert site.dump() == before


def test_no_letter_of_a_token_can_be_changed(site: TestSite) -> None:
    token = site.token(Purpose.UNSUBSCRIBE, site.reader("ann@example.org"))
    before = site.dump()
    for place, letter in enumerate(token):
        changed = token[:place] + ("A" if letter != "A" else "B") + token[place + 1 :]
        assert site.client.post(f"/u/{changed}", data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert site.client.post(f"/u/{token[:-1]}", data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert site.dump() == before


def test_a_damaged_link_says_what_to_do(site: TestSite) -> None:
    for letter in "cupr":
        answer = site.client.get(f"/{letter}/damaged")
        assert answer.status_code == 404
        assert "Open it from the mail itself, or copy all of it." in answer.text


def test_the_links_of_a_test_mail_say_so(site: TestSite) -> None:
    for letter in "cupr":
        assert "This was a test mail" in site.client.get(f"/{letter}/test").text


def test_a_reader_who_is_gone_gets_a_sentence(site: TestSite) -> None:
    """A one-click request for somebody already erased is fulfilled, so it is no error (RFC 8058)."""
    for path, status in (
        (site.unsubscribe_path(99), 200),
        (site.preferences_path(99), 410),
        (f"/c/{site.signer.sign_confirm(99, NOW)}", 410),
        (f"/r/{site.signer.sign_undo(99, NOW)}", 410),
        (f"/r/{site.signer.sign_undo(99, NOW - timedelta(days=30))}", 410),
        (f"/c/{site.signer.sign_confirm(99, NOW - timedelta(days=30))}", 410),
    ):
        for answer in (site.client.get(path), site.client.post(path, data={"List-Unsubscribe": "One-Click"})):
            assert answer.status_code == status
            assert "Nothing is sent to you" in answer.text


def test_no_token_page_names_an_address_or_loads_anything(site: TestSite) -> None:
    """U6, threat 16: no third party learns a token from a Referer."""
    for name, token in tokens(site).items():
        for letter in "cupr":
            page = site.client.get(f"/{letter}/{token}").text
            assert not re.search(r"(pending|confirmed|left)@example\.org", page), name
            loaded = re.findall(r'<(?:link|img|script|iframe)[^>]*(?:href|src)="([^"]*)"', page)
            assert [one.partition("?")[0] for one in loaded] == ["/static/pages.css"]
