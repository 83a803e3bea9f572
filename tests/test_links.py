"""Confirming, and the links of every kind: what opens, what acts, and what never does."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from newsletter.db import Database
from newsletter.models import Edition
from newsletter.web import confirming, embedding, links, public, signing_up
from newsletter.web.server import RedactTokens
from subscribers import consent
from subscribers.models import ConsentAction, RequestKind, Subscription, SubscriptionState
from subscribers.tokens import Purpose
from tests import builders
from tests.builders import NOW
from tests.databases import sqlite_database
from tests.sites import BASE_URL, TestSite, buttons, link_in, make_site, press, words

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


def test_confirming(either_site: TestSite) -> None:
    """U3: the link shows a button, the button acts; what follows says what comes when."""
    site = either_site
    site.sign_up("ann@example.org")
    path = f"/c/{site.confirm_token(1)}"
    page = site.client.get(path).text
    assert buttons(page) == ["Yes, put me on the list"]
    assert site.state(1) is PENDING
    page = press(site, page, "Yes, put me on the list")
    assert site.state(1) is CONFIRMED
    assert "a•••@example.org is on the list for Fen Weekly." in words(page)
    assert "Saturday, 21 November" in words(page)
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
        (has_left, "This link is no longer valid"),
        (has_asked_again, "This link is no longer valid"),
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
        for request in (RequestKind.ADDRESS, RequestKind.DATA):
            found[f"{request}, {state}"] = site.request_token(request, subscription_id)
    found["expired"] = site.signer.sign_confirm(1, datetime(2026, 1, 1, tzinfo=UTC))
    return found


_AS_IF_POSTED = "?List-Unsubscribe=One-Click&what=everything&list=1&shown=1&sure=yes&address=ann%40example.org"


def test_opening_a_link_changes_nothing(either_site: TestSite) -> None:
    """Threat 10: every route there is, with every kind of token, by every method that only looks."""
    site = either_site
    site.issue(7)
    parts = (public, confirming, signing_up, embedding, *links.PARTS)
    paths = {str(route.path) for part in parts for route in part.router.routes}
    every_token = tokens(site)
    before = site.dump()
    tried = 0
    for template in paths:
        path = template.replace("{slug}", "fen-weekly").replace("{number:int}", "7")
        for token in every_token.values() if "{token}" in path else [""]:
            for method, ending in (("GET", ""), ("HEAD", "/"), ("OPTIONS", ""), ("GET", _AS_IF_POSTED)):
                site.client.request(method, path.replace("{token}", token) + ending)
                tried += 1
    assert tried > 500
    assert site.dump() == before
    assert site.provider.calls == []


def test_a_token_is_good_for_one_purpose(site: TestSite) -> None:
    """Threat 16."""
    kinds = {"c": "confirm", "u": "unsubscribe", "p": "preferences", "r": "undo", "a": "address", "d": "data"}
    every_token = tokens(site)
    before = site.dump()
    for letter, kind in kinds.items():
        for name, token in every_token.items():
            if name.startswith((kind, "expired")):
                continue
            fields = {"List-Unsubscribe": "One-Click", "shown": "1", "list": "1", "what": "delete", "sure": "yes"}
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
    for letter in "cuprad":
        answer = site.client.get(f"/{letter}/damaged")
        assert answer.status_code == 404
        assert "Open it from the mail itself, or copy all of it." in answer.text


def test_the_links_of_a_test_mail_say_so(site: TestSite) -> None:
    for letter in "cuprad":
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
        (f"/a/{site.signer.sign_request(Purpose.ADDRESS, 99, NOW)}", 410),
        (f"/d/{site.signer.sign_request(Purpose.DATA, 99, NOW)}", 410),
    ):
        for answer in (site.client.get(path), site.client.post(path, data={"List-Unsubscribe": "One-Click"})):
            assert answer.status_code == status
            assert "Nothing is sent to you" in answer.text


def test_no_token_page_names_an_address_or_loads_anything(site: TestSite) -> None:
    """U6, threat 16: no third party learns a token from a Referer."""
    for name, token in tokens(site).items():
        for letter in "cuprad":
            page = site.client.get(f"/{letter}/{token}").text
            assert not re.search(r"(pending|confirmed|left)@example\.org", page), name
            loaded = re.findall(r'<(?:link|img|script|iframe)[^>]*(?:href|src)="([^"]*)"', page)
            assert [one.partition("?")[0] for one in loaded] == ["/static/pages.css"], (letter, name)


@pytest.mark.parametrize("letter", "cuprad")
def test_no_link_is_stored_indexed_passed_on_or_logged(site: TestSite, letter: str) -> None:
    """U6, threat 16: also of the answer to a form, of a redirect, and of the path's spelling in capitals."""
    subscription_id = site.reader("ann@example.org")
    found = {
        "c": site.confirm_token(subscription_id),
        "u": site.token(Purpose.UNSUBSCRIBE, subscription_id),
        "p": site.token(Purpose.PREFERENCES, subscription_id),
        "r": site.undo_token(subscription_id),
        "a": site.request_token(RequestKind.ADDRESS, subscription_id),
        "d": site.request_token(RequestKind.DATA, subscription_id),
    }
    path = f"/{letter}/{found[letter]}"
    for answer in (
        site.client.get(path),
        site.client.get(f"{path}?saved=pause"),
        site.client.post(path, data={"what": "download"}),
        site.client.post(path, data={"what": "pause", "weeks": "2"}),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["referrer-policy"] == "no-referrer"
    for shown in (f"{path}?saved=pause", path.upper(), f"/news{path}", f"{path}/why"):
        line = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, "%s %s", ("GET", shown), None)
        assert RedactTokens().filter(line)
        assert found[letter].lower() not in line.getMessage().lower()
        assert line.getMessage().endswith("(token)")


def test_a_stranger_who_types_an_address_first_keeps_its_owner_from_nothing(database: Database) -> None:
    """Threat 11: no mail is left for the day, so the one that is under way leads to a page that names both."""
    site = make_site(database)
    with site.db.transaction() as session:
        builders.newsroom(session, "ely", name="Ely Weekly")
    site.sign_up("ann@example.org", path="/editions/ely")
    [mail] = site.provider.sent
    path = link_in(mail, "c").removeprefix(BASE_URL)
    before = site.client.get(path).text
    assert "Fen Weekly at" not in words(before)
    site.sign_up("ann@example.org")
    assert len(site.provider.sent) == 1
    # Who opened the page before is shown what was added before it is confirmed.
    assert "Fen Weekly" not in words(press(site, before, "Yes, put me on the list"))
    assert [site.state(one) for one in (1, 2)] == [SubscriptionState.CONFIRMED, SubscriptionState.PENDING]
    after = site.client.get(path).text
    assert "to get Fen Weekly at" in words(after)
    assert "to get Fen Weekly at" in words(press(site, before, "Yes, put me on the list"))
    assert site.state(2) is SubscriptionState.PENDING
    press(site, after, "Yes, put me on the list")
    assert site.state(2) is SubscriptionState.CONFIRMED
    assert [row.wording.partition(":")[0] for row in site.consents() if row.action is ConsentAction.CONFIRMED] == [
        "Press “Sign up” to get Ely Weekly by e-mail",
        "Press “Sign up” to get Fen Weekly by e-mail",
    ]


def test_what_a_page_says_it_named_is_checked(database: Database) -> None:
    site = make_site(database)
    path = f"/c/{site.confirm_token(site.reader('ann@example.org', PENDING))}"
    for said in ("x", "-1", "9" * 5000, "٣", "2"):
        assert "Confirm your address" in site.client.post(path, data={"shown": said}).text
    assert site.state(1) is PENDING
    site.client.post(path, data={"shown": "1"})
    assert site.state(1) is SubscriptionState.CONFIRMED


def test_a_form_of_which_one_was_joined_elsewhere_is_confirmed_for_the_rest(database: Database) -> None:
    site = make_site(database)
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly")
    site.sign_up("ann@example.org", path="/", edition=["ely", "fen-weekly"])  # type: ignore[arg-type]
    path = link_in(site.provider.sent[0], "c").removeprefix(BASE_URL)
    site.client.post(
        site.preferences_path(1), data={"what": "lists", "shown": str(ely.list_id), "list": str(ely.list_id)}
    )
    page = site.client.get(path).text
    assert "to get Fen Weekly at" in words(page)
    assert "on the list for Fen Weekly." in words(press(site, page, "Yes, put me on the list"))
    assert [site.state(one) for one in (1, 2)] == [SubscriptionState.CONFIRMED] * 2
    assert "on the list for Ely Weekly." in words(site.client.get(path).text)
