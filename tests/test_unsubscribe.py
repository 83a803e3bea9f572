"""Unsubscribing by link and by one click (RFC 8058): what acts at once, what shows the form, what never redirects."""

from __future__ import annotations

from datetime import timedelta

import pytest
from lxml import html as lxml_html

from newsletter.db import Database
from newsletter.models import Edition
from subscribers import consent, lists, merging
from subscribers.models import ConsentAction, MailingList, Subscription, SubscriptionState
from subscribers.tokens import Purpose
from tests import builders
from tests.builders import NOW
from tests.databases import sqlite_database
from tests.sites import BASE_URL, TestSite, buttons, make_site, press, words

__all__ = ["sqlite_database"]

PENDING, CONFIRMED, LEFT = SubscriptionState.PENDING, SubscriptionState.CONFIRMED, SubscriptionState.LEFT
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=frontier"


def part(name: str, value: str, more: str = "") -> str:
    return f'--frontier\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


ONE_CLICK = {
    "urlencoded": (URLENCODED, "List-Unsubscribe=One-Click"),
    "urlencoded, with a character set": (f"{URLENCODED}; charset=UTF-8", "List-Unsubscribe=One-Click"),
    "urlencoded, escaped": (URLENCODED, "List%2DUnsubscribe=One%2DClick"),
    "urlencoded, line end": (URLENCODED, "List-Unsubscribe=One-Click\r\n"),
    "urlencoded, among others": (URLENCODED, "a=1&List-Unsubscribe=One-Click&b="),
    "multipart": (MULTIPART, part("List-Unsubscribe", "One-Click") + "--frontier--\r\n"),
    "multipart, among others": (
        MULTIPART,
        part("a", "1") + part("List-Unsubscribe", "One-Click", "\r\nContent-Type: text/plain") + "--frontier--",
    ),
}
NOT_ONE_CLICK = {
    "nothing": ("", ""),
    "an empty form": (URLENCODED, ""),
    "another value": (URLENCODED, "List-Unsubscribe=Two-Click"),
    "lower case": (URLENCODED, "list-unsubscribe=one-click"),
    "no value": (URLENCODED, "List-Unsubscribe"),
    "another name": (URLENCODED, "Unsubscribe=One-Click"),
    "the value twice": (URLENCODED, "List-Unsubscribe=One-ClickOne-Click"),
    "JSON": ("application/json", '{"List-Unsubscribe": "One-Click"}'),
    "plain text": ("text/plain", "List-Unsubscribe=One-Click"),
    "multipart, another value": (MULTIPART, part("List-Unsubscribe", "No") + "--frontier--\r\n"),
}


@pytest.fixture
def site(sqlite_database: Database) -> TestSite:
    return make_site(sqlite_database)


@pytest.fixture
def either_site(database: Database) -> TestSite:
    """The pages over SQLite and over PostgreSQL, for what the database may answer differently."""
    return make_site(database)


@pytest.mark.parametrize(("kind", "body"), ONE_CLICK.values(), ids=ONE_CLICK)
@pytest.mark.parametrize("slash", ["", "/"], ids=["no slash", "slash"])
def test_one_click_acts_at_once(site: TestSite, kind: str, body: str, slash: str) -> None:
    """RFC 8058 section 3.1: either encoding, no cookie, no context, and never a redirect."""
    subscription_id = site.reader("ann@example.org")
    answer = site.client.post(
        site.unsubscribe_path(subscription_id) + slash,
        content=body,
        headers={"Content-Type": kind, "User-Agent": "Mail/1.0"},
    )
    assert answer.status_code == 200
    assert site.state(subscription_id) is LEFT
    [evidence] = site.consents()
    assert (evidence.action, evidence.source, evidence.network) == (
        ConsentAction.LEFT,
        f"{BASE_URL}/u",
        "203.0.113.0/24",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://mail.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Cookie": "session=stale"},
        {"Referer": "https://mail.example/inbox"},
        {"Host": "other.example"},
        {"Accept": "application/json"},
        {"Expect": "100-continue"},
    ],
    ids=str,
)
def test_one_click_asks_for_no_context(site: TestSite, headers: dict[str, str]) -> None:
    subscription_id = site.reader("ann@example.org")
    path = site.unsubscribe_path(subscription_id)
    answer = site.client.post(path, data={"List-Unsubscribe": "One-Click"}, headers=headers)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert site.state(subscription_id) is LEFT


@pytest.mark.parametrize(("kind", "body"), NOT_ONE_CLICK.values(), ids=NOT_ONE_CLICK)
def test_without_the_exact_pair_there_is_only_the_form(site: TestSite, kind: str, body: str) -> None:
    subscription_id = site.reader("ann@example.org")
    before = site.dump()
    path = site.unsubscribe_path(subscription_id)
    answer = site.client.post(path, content=body, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 200
    assert buttons(answer.text) == ["Unsubscribe"]
    assert site.dump() == before


def test_the_pair_in_the_query_is_not_in_the_body(site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org")
    path = site.unsubscribe_path(subscription_id)
    assert site.client.post(f"{path}?List-Unsubscribe=One-Click").status_code == 200
    assert site.state(subscription_id) is CONFIRMED


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MULTIPART, "garbage"),
        ("multipart/form-data", part("List-Unsubscribe", "One-Click")),
        (MULTIPART, part("List-Unsubscribe", "One-Click", '; filename="x"') + "--frontier--"),
    ],
)
def test_a_damaged_body_changes_nothing(site: TestSite, kind: str, body: str) -> None:
    subscription_id = site.reader("ann@example.org")
    path = site.unsubscribe_path(subscription_id)
    assert site.client.post(path, content=body, headers={"Content-Type": kind}).status_code == 400
    assert site.state(subscription_id) is CONFIRMED


def test_one_click_again_and_again(either_site: TestSite) -> None:
    """Idempotent: the same answer, and one line of evidence."""
    subscription_id = either_site.reader("ann@example.org")
    path = either_site.unsubscribe_path(subscription_id)
    answers = [either_site.client.post(path, data={"List-Unsubscribe": "One-Click"}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(either_site.consents()) == 1


def test_one_link_leaves_one_list(site: TestSite) -> None:
    """Threat 16: an unsubscribe token is able to unsubscribe, from its list, and nothing else."""
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely")
    first = site.reader("ann@example.org")
    with site.db.transaction() as session:
        person = session.get_one(Subscription, first).subscriber_id
        consent.join(session, subscriber_id=person, list_id=ely.list_id, now=NOW, source="test", wording="")
    site.client.post(site.unsubscribe_path(first), data={"List-Unsubscribe": "One-Click"})
    assert [site.state(number) for number in (first, first + 1)] == [LEFT, CONFIRMED]


def test_the_unsubscribe_page(site: TestSite) -> None:
    """U6, U8: one button, a masked address, in effect at once, undo, no guilt."""
    subscription_id = site.reader("ann@example.org")
    page = site.client.get(site.unsubscribe_path(subscription_id)).text
    assert buttons(page) == ["Unsubscribe"]
    assert "a•••@example.org" in words(page)
    assert "ann@" not in page
    page = press(site, page, "Unsubscribe")
    assert site.state(subscription_id) is LEFT
    assert "took effect at once" in words(page)
    assert lxml_html.fromstring(page).xpath("//*[@role='status']")
    page = press(site, page, "Undo: put me back on the list")
    assert site.state(subscription_id) is CONFIRMED
    assert [evidence.action for evidence in site.consents()] == [ConsentAction.LEFT, ConsentAction.JOINED]


def left(site: TestSite, address: str = "ann@example.org") -> tuple[int, str]:
    """Return a reader who has just unsubscribed, and the path of their undo button."""
    subscription_id = site.reader(address)
    path = site.unsubscribe_path(subscription_id)
    page = site.client.post(path, data={"List-Unsubscribe": "One-Click"}).text
    [undo] = [form.action for form in lxml_html.fromstring(page).forms if "/r/" in form.action]
    return subscription_id, undo


def test_who_has_left_is_told_so(site: TestSite) -> None:
    """Undo is offered to who pressed the button; a link opened later offers to sign up."""
    subscription_id, _ = left(site)
    page = site.client.get(site.unsubscribe_path(subscription_id)).text
    assert "You are off the list" in page
    assert buttons(page) == []
    assert '<a href="/editions/fen-weekly">Sign up again</a>' in page


@pytest.mark.parametrize("state", SubscriptionState)
def test_an_unsubscribe_token_opens_no_preferences(site: TestSite, state: SubscriptionState) -> None:
    """Threat 16: whoever has a forwarded mail's one-click link gets to see and change nothing else by it."""
    subscription_id = site.reader("ann@example.org", state)
    path = site.unsubscribe_path(subscription_id)
    one_click = {"List-Unsubscribe": "One-Click"}
    pages = [site.client.get(path).text, site.client.post(path).text, site.client.post(path, data=one_click).text]
    undo = f"/r/{site.undo_token(subscription_id)}"
    pages += [site.client.get(undo).text, site.client.post(undo).text, site.client.get(undo).text]
    for page in pages:
        assert "/p/" not in page
        assert site.token(Purpose.PREFERENCES, subscription_id) not in page


def test_undo_acts_on_its_button_only(either_site: TestSite) -> None:
    """U8; threat 10: the link shows a button, the button acts, again and again does no more."""
    site = either_site
    subscription_id, path = left(site)
    before = site.dump()
    page = site.client.get(path).text
    assert buttons(page) == ["Yes, put me back on the list"]
    assert "a•••@example.org" in words(page)
    assert site.dump() == before
    page = press(site, page, "Yes, put me back on the list")
    assert "You are back on the list" in page
    assert site.state(subscription_id) is CONFIRMED
    after = site.dump()
    assert site.client.post(path).text == page
    assert site.client.get(path).text == page
    assert site.dump() == after
    evidence = site.consents()[-1]
    assert (evidence.action, evidence.source) == (ConsentAction.JOINED, f"{BASE_URL}/r")
    assert evidence.wording == (
        "Undo: put me back on the list. Fen Weekly: weekly, on Saturdays at 07:00 (Berlin time)"
    )
    assert evidence.network == "203.0.113.0/24"


def test_undo_puts_back_on_that_list_only(site: TestSite) -> None:
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely")
    subscription_id, path = left(site)
    with site.db.transaction() as session:
        person = session.get_one(Subscription, subscription_id).subscriber_id
        consent.join(session, subscriber_id=person, list_id=ely.list_id, now=NOW, source="test", wording="")
        consent.leave(session, subscription_id=subscription_id + 1, now=NOW, source="test")
    fields = {"shown": str(ely.list_id), "list": str(ely.list_id)}
    assert site.client.post(path, data=fields).status_code == 200
    assert [site.state(number) for number in (subscription_id, subscription_id + 1)] == [CONFIRMED, LEFT]


@pytest.mark.parametrize(("minutes", "works"), [(59, True), (61, False)])
def test_undo_works_for_an_hour(site: TestSite, minutes: int, works: bool) -> None:
    subscription_id, path = left(site)
    site.clock.now += timedelta(minutes=minutes)
    unsubscribed = site.client.post(site.unsubscribe_path(subscription_id), data={"List-Unsubscribe": "One-Click"})
    offered = ["Undo: put me back on the list", "Send this answer"]
    assert buttons(unsubscribed.text) == (offered if works else [])
    before = site.dump()
    looked, acted = site.client.get(path), site.client.post(path)
    assert (looked.status_code, acted.status_code) == ((200, 200) if works else (410, 410))
    assert site.state(subscription_id) is (CONFIRMED if works else LEFT)
    if not works:
        assert site.dump() == before
        assert "Leaving can be undone for an hour. Nothing was changed." in words(acted.text)
        assert '<a href="/editions/fen-weekly">Sign up again</a>' in acted.text


def test_who_left_again_is_not_put_back_by_the_first_undo(site: TestSite) -> None:
    subscription_id, path = left(site)
    site.client.post(path)
    site.clock.now += timedelta(minutes=1)
    site.client.post(site.unsubscribe_path(subscription_id), data={"List-Unsubscribe": "One-Click"})
    before = site.dump()
    for answer in (site.client.get(path), site.client.post(path)):
        assert answer.status_code == 410
        assert "This cannot be undone any more" in answer.text
    assert site.dump() == before


def test_a_request_that_was_dropped_cannot_be_confirmed_by_undo(either_site: TestSite) -> None:
    """Threat 16: with a forwarded mail's link, signing its reader up and undoing would be a way around confirming."""
    site = either_site
    subscription_id = site.reader("ann@example.org", LEFT)
    site.sign_up("ann@example.org")
    assert site.state(subscription_id) is PENDING
    path = site.unsubscribe_path(subscription_id)
    assert buttons(site.client.post(path, data={"List-Unsubscribe": "One-Click"}).text) == []
    before = site.dump()
    undo = f"/r/{site.undo_token(subscription_id)}"
    assert [site.client.get(undo).status_code, site.client.post(undo).status_code] == [410, 410]
    assert site.dump() == before
    assert site.state(subscription_id) is LEFT


def test_nobody_is_put_back_on_a_closed_list(site: TestSite) -> None:
    subscription_id, undo = left(site)
    with site.db.transaction() as session:
        session.get_one(Edition, site.room.edition_id).enabled = False
    page = site.client.post(site.unsubscribe_path(subscription_id), data={"List-Unsubscribe": "One-Click"}).text
    assert "we no longer send Fen Weekly" in words(page)
    assert buttons(page) == []
    assert [site.client.get(undo).status_code, site.client.post(undo).status_code] == [410, 410]
    fields = {"what": "lists", "shown": str(site.room.list_id), "list": str(site.room.list_id)}
    assert site.client.post(site.preferences_path(subscription_id), data=fields).status_code == 303
    assert site.state(subscription_id) is LEFT


def test_a_list_without_any_edition_has_a_name(site: TestSite) -> None:
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely-news")
        session.get_one(Edition, ely.edition_id).list_id = site.room.list_id
        subscription_id = builders.reader(session, ely, "ann@example.org").id
    assert "we no longer send Ely News to a•••" in words(site.client.get(site.unsubscribe_path(subscription_id)).text)
    page = site.client.get(site.preferences_path(subscription_id)).text
    assert "Ely News" in words(page)
    press(site, page, "Unsubscribe from everything")
    assert site.state(subscription_id) is LEFT


# --- lists that were merged


def merged(site: TestSite) -> tuple[builders.Newsroom, int, int]:
    """Somebody on two lists, of which the first was merged into the second; return that and both subscriptions."""
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly")
    first = site.reader("ann@example.org")
    with site.db.transaction() as session:
        person = session.get_one(Subscription, first).subscriber_id
        consent.join(session, subscriber_id=person, list_id=ely.list_id, now=NOW, source="test", wording="")
        source, target = session.get_one(MailingList, site.room.list_id), session.get_one(MailingList, ely.list_id)
        session.get_one(Edition, site.room.edition_id).list_id = ely.list_id
        lists.archive(session, source.slug, NOW)
    merging.merge(site.db.transaction, source, target, consent="one newsletter from now on", now=NOW)
    return ely, first, first + 1


@pytest.mark.parametrize("page", [True, False])
def test_an_old_link_leaves_the_list_that_the_old_one_was_merged_into(either_site: TestSite, page: bool) -> None:
    """Issue 6, point 4: who is on both is still written to for the one; the link in an old mail ends that, too."""
    site = either_site
    _, old, new = merged(site)
    shown = site.client.get(site.unsubscribe_path(old)).text
    assert "Ely Weekly" in words(shown)
    if page:
        shown = press(site, shown, "Unsubscribe")
    else:
        shown = site.client.post(site.unsubscribe_path(old), data={"List-Unsubscribe": "One-Click"}).text
    assert [site.state(old), site.state(new)] == [LEFT, LEFT]
    assert [row.list_id for row in site.consents() if row.action is ConsentAction.LEFT] == [
        site.subscription(old).list_id,
        site.subscription(new).list_id,
    ]
    press(site, shown, "Undo: put me back on the list")
    assert [site.state(old), site.state(new)] == [LEFT, CONFIRMED]


def test_a_reader_who_was_moved_leaves_by_the_old_link(site: TestSite) -> None:
    with site.db.transaction() as session:
        ely = builders.newsroom(session, "ely", name="Ely Weekly")
        subscription_id = builders.reader(session, site.room, "ann@example.org").id
        source, target = session.get_one(MailingList, site.room.list_id), session.get_one(MailingList, ely.list_id)
    merging.merge(site.db.transaction, source, target, consent="one newsletter from now on", now=NOW)
    press(site, site.client.get(site.unsubscribe_path(subscription_id)).text, "Unsubscribe")
    assert site.subscription(subscription_id).list_id == ely.list_id
    assert site.state(subscription_id) is LEFT


def test_a_list_that_was_opened_again_stands_for_itself(site: TestSite) -> None:
    _, old, new = merged(site)
    with site.db.transaction() as session:
        lists.unarchive(session, session.get_one(MailingList, site.room.list_id).slug)
    site.client.post(site.unsubscribe_path(old), data={"List-Unsubscribe": "One-Click"})
    assert [site.state(old), site.state(new)] == [LEFT, CONFIRMED]


def test_lists_merged_in_a_circle_end_somewhere(site: TestSite) -> None:
    ely, old, new = merged(site)
    with site.db.transaction() as session:
        target = session.get_one(MailingList, ely.list_id)
        target.merged_into, target.archived_at = site.room.list_id, NOW
    site.client.post(site.unsubscribe_path(old), data={"List-Unsubscribe": "One-Click"})
    assert [site.state(old), site.state(new)] == [LEFT, LEFT]


# --- why


def test_why_may_be_said_once_and_need_not(either_site: TestSite) -> None:
    """U8: one optional question with four answers, kept as evidence; nobody is asked to stay."""
    site = either_site
    subscription_id, _ = left(site)
    path = f"{site.unsubscribe_path(subscription_id)}/why"
    for why in ("often", "never"):
        answer = site.client.post(path, data={"why": why})
        assert "Thank you. We have noted why." in words(answer.text)
        assert "Undo: put me back on the list" in buttons(answer.text)
        assert "Send this answer" not in buttons(answer.text)
    assert [(row.action, row.wording) for row in site.consents()][1:] == [
        (ConsentAction.CHANGED, "said why they left: it comes too often")
    ]
    press(site, answer.text, "Undo: put me back on the list")
    site.clock.now += timedelta(minutes=1)
    site.client.post(site.unsubscribe_path(subscription_id), data={"List-Unsubscribe": "One-Click"})
    site.client.post(path, data={"why": "never"})
    assert site.consents()[-1].wording == "said why they left: they did not ask for it"


@pytest.mark.parametrize("why", ["", "because", "often; DROP TABLE consent", "x" * 5000])
def test_only_the_four_answers_are_kept(site: TestSite, why: str) -> None:
    subscription_id, _ = left(site)
    before = site.dump()
    assert site.client.post(f"{site.unsubscribe_path(subscription_id)}/why", data={"why": why}).status_code == 200
    assert site.client.get(f"{site.unsubscribe_path(subscription_id)}/why").status_code == 200
    assert site.dump() == before


def test_who_is_on_the_list_says_nothing(site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org")
    before = site.dump()
    page = site.client.post(f"{site.unsubscribe_path(subscription_id)}/why", data={"why": "often"}).text
    assert buttons(page) == ["Unsubscribe"]
    assert site.dump() == before
