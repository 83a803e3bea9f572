"""The pages that everybody can open: the newsletters, signing up, a sent issue in the browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from lxml import html as lxml_html

from newsletter import issues
from newsletter.db import Database
from newsletter.mail import Status
from newsletter.models import Edition, IssueState
from newsletter.render import Renderer
from newsletter.signup.door import Rules
from newsletter.web.shown import shown_editions
from newsletter.wording import Wordings
from subscribers.models import ConsentAction, SubscriptionState, SuppressionReason
from subscribers.suppression import suppress
from subscribers.tokens import Purpose
from tests import builders
from tests.databases import sqlite_database
from tests.mail_fixtures import NONCE
from tests.sites import BASE_URL, TestSite, buttons, link_in, make_site, press, words

__all__ = ["sqlite_database"]

FORM = "/editions/fen-weekly"
ENGLISH = Wordings().of("en")


@pytest.fixture
def site(sqlite_database: Database) -> TestSite:
    return make_site(sqlite_database)


@pytest.fixture
def either_site(database: Database) -> TestSite:
    """The pages over SQLite and over PostgreSQL, for what the database may answer differently."""
    return make_site(database)


# --- the list of newsletters


def test_home_shows_every_enabled_edition(site: TestSite) -> None:
    with site.db.transaction() as session:
        builders.newsroom(session, "ely", name="Ely Weekly", send_weekday=0, time_zone="Europe/London")
        builders.newsroom(session, "closed", name="Closed Weekly", enabled=False)
    page = words(site.client.get("/").text)
    assert "Newsletters from Fen Press" in page
    assert "Fen Weekly The week in the fens. Weekly, on Saturdays at 07:00 (Berlin time)" in page
    assert "Ely Weekly The week in the fens. Weekly, on Mondays at 07:00 (London time)" in page
    assert "Closed" not in page


def test_home_names_no_publisher_when_there_are_two(site: TestSite) -> None:
    with site.db.transaction() as session:
        builders.newsroom(session, "ely", publisher="Ely Press")
    page = words(site.client.get("/").text)
    assert "Newsletters The week" in page
    assert "Fen Press" not in page
    assert "Ely Press" not in page


def test_home_of_an_empty_newsroom(site: TestSite) -> None:
    with site.db.transaction() as session:
        session.get_one(Edition, site.room.edition_id).enabled = False
    assert "There is no newsletter to sign up for yet" in site.client.get("/").text


@pytest.mark.parametrize("path", ["/", FORM])
def test_the_last_sent_issue_is_linked(site: TestSite, path: str) -> None:
    """U2: "See the last one"; only where there is one, and never one that is not out."""
    site.issue(3, IssueState.APPROVED)
    assert "See the last one" not in site.client.get(path).text
    site.issue(1)
    site.issue(2)
    assert 'href="/issues/fen-weekly/2"' in site.client.get(path).text


# --- the form


def test_the_form_can_be_used_by_everybody(site: TestSite) -> None:
    """U1, U2, U4: a visible label, the right keyboard, the frequency, the consent wording, one privacy sentence."""
    page = lxml_html.fromstring(site.client.get(FORM).text)
    [field] = page.xpath("//input[@type='email']")
    [label] = page.xpath(f"//label[@for='{field.get('id')}']")
    assert label.text_content() == "Your e-mail address"
    assert (field.get("autocomplete"), field.get("inputmode")) == ("email", "email")
    assert field.get("aria-invalid") is None
    described = [page.get_element_by_id(name).text_content() for name in field.get("aria-describedby").split()]
    assert described == [
        "Press “Sign up” to get Fen Weekly by e-mail: weekly, on Saturdays at 07:00 (Berlin time). "
        "You can leave at any time with the link in every mail.",
        "We use your address to send you what you sign up for, and for nothing else.",
    ]
    [trap] = page.xpath("//input[@name='website']")
    assert (trap.get("tabindex"), trap.get("autocomplete")) == ("-1", "off")
    assert trap.xpath("ancestor::*[@aria-hidden='true']")
    assert page.xpath("//input[@type='checkbox']") == []
    assert [str(script.get("src")).partition("?")[0] for script in page.xpath("//script")] == ["/static/embed.js"]


def test_the_words_that_were_shown_are_the_evidence(site: TestSite) -> None:
    """U2, GDPR 7(1)."""
    shown = lxml_html.fromstring(site.client.get(FORM).text).get_element_by_id("wording").text_content()
    site.sign_up("ann@example.org")
    [evidence] = site.consents()
    assert evidence.action is ConsentAction.REQUESTED
    assert evidence.wording == shown
    assert evidence.source == BASE_URL + FORM
    assert evidence.network == "203.0.113.0/24"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("", "it is empty."),
        ("ann", "it has no @-sign."),
        ("ann@", "nothing stands after the @-sign."),
        ("ann smith@example.org", "it has a space in it."),
        ('"><script>alert(1)</script>@example.org', "it has angle brackets; give the address alone, without a name."),
        ("ann@example.org\r\nBcc: eve@example.org", "it has a control or invisible character in it."),
        ("ann@example.org\0", "it has a control or invisible character in it."),
        ("a" * 400 + "@example.org", "it is longer than 254 characters."),
    ],
)
def test_a_wrong_address_gets_the_form_again(site: TestSite, address: str, sentence: str) -> None:
    """U1: the error is announced and tied to its field, and what was typed is still there."""
    before = site.dump()
    answer = site.client.post(FORM, data={"address": address})
    page = lxml_html.fromstring(answer.text)
    [field] = page.xpath("//input[@type='email']")
    [alert] = page.xpath("//*[@role='alert']")
    assert answer.status_code == 422
    assert alert.text_content() == f"Please check the address: {sentence}"
    assert alert.get("id") in field.get("aria-describedby").split()
    assert field.get("aria-invalid") == "true"
    assert "\0" in address or field.get("value") == address.replace("\r\n", "\n")
    assert page.xpath("//script[not(@src)]") == []
    assert site.dump() == before
    assert site.provider.calls == []


def test_a_form_without_the_field_is_a_wrong_address(site: TestSite) -> None:
    assert site.client.post(FORM).status_code == 422


def test_what_a_program_fills_in_is_forgotten(site: TestSite) -> None:
    """U4: the same page, so that the program learns nothing."""
    before = site.dump()
    caught = site.client.post(FORM, data={"address": "ann@example.org", "website": "https://pills.example"})
    assert site.dump() == before
    assert site.provider.calls == []
    assert caught.text == site.sign_up("ann@example.org").text


def test_nobody_learns_who_is_on_a_list(either_site: TestSite) -> None:
    """Threat 12, U3: one answer for every address, whatever we know of it; mail only where it is due."""
    for state in SubscriptionState:
        either_site.reader(f"{state}@example.org", state)
    with either_site.db.transaction() as session:
        suppress(session, "suppressed@example.org", SuppressionReason.BOUNCE, "", builders.NOW)
    names = ["new", "pending", "confirmed", "left", "suppressed"]
    answers = [either_site.sign_up(f"{name}@example.org") for name in names]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(answer.headers.items()) for answer in answers}) == 1
    assert "look at your inbox" in answers[0].text
    # The pending reader of this test was owed a mail before; nobody else who is known gets one.
    assert {mail.address for mail in either_site.provider.sent} == {
        f"{name}@example.org" for name in ("new", "pending", "left")
    }


def test_pressing_the_button_twice_sends_one_mail(site: TestSite) -> None:
    assert site.sign_up("ann@example.org").text == site.sign_up("ann@example.org").text
    assert len(site.provider.sent) == 1
    assert len(site.consents()) == 1


def test_the_confirmation_mail_leads_back_to_us(site: TestSite) -> None:
    site.sign_up("ann@example.org")
    [mail] = site.provider.sent
    link = link_in(mail, "c")
    assert link.startswith(f"{BASE_URL}/c/")
    assert site.client.post(link).status_code == 200
    assert site.state(1) is SubscriptionState.CONFIRMED


def test_who_confirmed_and_left_and_wants_back_gets_a_mail(either_site: TestSite) -> None:
    """The limit is on mails that nobody has confirmed since (threat 11)."""
    site = either_site
    site.sign_up("ann@example.org")
    site.client.post(link_in(site.provider.sent[0], "c"))
    site.client.post(site.unsubscribe_path(1), data={"List-Unsubscribe": "One-Click"})
    site.clock.now += timedelta(hours=2)
    before = len(site.provider.sent)
    site.sign_up("ann@example.org")
    assert site.state(1) is SubscriptionState.PENDING
    [mail] = site.provider.sent[before:]
    site.client.post(link_in(mail, "c"))
    assert site.state(1) is SubscriptionState.CONFIRMED


def test_a_double_click_on_a_form_that_takes_one_more_press(either_site: TestSite) -> None:
    token = either_site.door.token(either_site.clock.now - timedelta(minutes=1))
    form = {"address": "ann@mailinator.com", "token": token}
    for _ in range(2):
        answer = either_site.client.post(FORM, data=form)
        assert "One more press" in answer.text
        assert "look at your inbox" not in answer.text
    either_site.clock.now += timedelta(seconds=5)
    [button] = buttons(answer.text)
    again = press(either_site, answer.text, button)
    assert "look at your inbox" in again
    assert [mail.address for mail in either_site.provider.sent] == ["ann@mailinator.com"]


def test_the_script_is_told_that_it_was_sent_when_it_was(sqlite_database: Database) -> None:
    site = make_site(sqlite_database, rules=Rules(per_network=1))
    site.sign_up("bob@example.org")
    form = {"address": "ann@example.org", "token": site.door.token(site.clock.now - timedelta(minutes=1))}
    said = []
    for minutes in (0, 1, 62, 0):
        site.clock.now += timedelta(minutes=minutes)
        answer = site.client.post(FORM, data=form, headers={"Accept": "application/json"})
        said.append((answer.status_code, answer.json()["state"], len(site.provider.sent)))
    assert said == [(429, "wait", 1), (429, "wait", 1), (200, "sent", 2), (200, "sent", 2)]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example"},
    ],
)
def test_a_forged_host_turns_no_link(site: TestSite, headers: dict[str, str]) -> None:
    """Threat 20."""
    site.issue(1)
    subscription_id = site.reader("bob@example.org")
    token = site.token(Purpose.PREFERENCES, subscription_id)
    for path in ("/", FORM, "/issues/fen-weekly/1", f"/p/{token}", "/nowhere"):
        assert "evil.example" not in site.client.get(path, headers=headers).text
    token = site.door.token(site.clock.now - timedelta(minutes=1))
    answer = site.client.post(FORM, data={"address": "ann@example.org", "token": token}, headers=headers)
    assert "evil.example" not in answer.text
    [mail] = site.provider.sent
    assert link_in(mail, "c").startswith(f"{BASE_URL}/c/")
    assert "evil.example" not in f"{mail}"
    assert site.consents()[0].source.startswith(BASE_URL)


def test_a_closed_edition_takes_nobody(site: TestSite) -> None:
    """listmonk #2530: the form was off, its endpoint was not."""
    with site.db.transaction() as session:
        session.get_one(Edition, site.room.edition_id).enabled = False
    before = site.dump()
    assert site.client.get(FORM).status_code == 404
    assert site.client.post(FORM, data={"address": "ann@example.org"}).status_code == 404
    assert site.dump() == before


def test_mail_that_cannot_be_sent_waits(site: TestSite, caplog: pytest.LogCaptureFixture) -> None:
    site.provider.refusal = "the key is wrong"
    assert site.sign_up("ann@example.org").status_code == 200
    assert "confirmation mails wait: memory: the key is wrong" in caplog.text
    site.provider.refusal = ""
    site.provider.script("bob@example.org", Status.DEFERRED)
    assert site.sign_up("bob@example.org").status_code == 200
    assert [mail.address for mail in site.provider.sent] == ["ann@example.org"]
    assert "@example.org" not in caplog.text


def test_a_bug_after_the_answer_is_logged(
    site: TestSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.provider, "send", lambda *_: 1 / 0)
    assert site.sign_up("ann@example.org").status_code == 200
    assert "a sign-up could not be dealt with" in caplog.text


# --- a sent issue


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (IssueState.DRAFT, 404),
        (IssueState.APPROVED, 404),
        (IssueState.SENDING, 200),
        (IssueState.SENT, 200),
        (IssueState.SKIPPED, 404),
    ],
)
def test_an_issue_is_public_once_it_goes_out(site: TestSite, state: IssueState, status: int) -> None:
    site.issue(7, state)
    assert site.client.get("/issues/fen-weekly/7").status_code == status


def test_view_in_browser_holds_nothing_of_a_reader(site: TestSite) -> None:
    """U12: noindex, no reader's data, sign-up in the place of unsubscribe, no scripts and no pixel."""
    site.issue(7)
    answer = site.client.get("/issues/fen-weekly/7")
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; img-src https: http:;")
    assert NONCE not in answer.text
    assert not re.search(r"/[cup]/|unsubscribe", answer.text, re.IGNORECASE)
    assert f'href="{BASE_URL}/editions/fen-weekly"' in answer.text
    assert "Night train over the Uzhok pass" in answer.text


def test_what_does_not_exist_is_a_page(either_site: TestSite) -> None:
    either_site.issue(7)
    for path in (
        "/issues/fen-weekly/8",
        "/issues/ely/7",
        "/issues/fen-weekly/0",
        "/issues/fen-weekly/-1",
        "/issues/fen-weekly/7.html",
        "/issues/fen-weekly/99999999999999999999999",
        "/issues/fen%00weekly/7",
        "/issues/fen-weekly",
        "/editions/fen%00weekly",
        "/editions/%F0%28%8C",
        "/editions",
        "/static/../_base.html",
        "/static/home.html",
        "/docs",
        "/openapi.json",
        "/c/",
        "/u",
    ):
        answer = either_site.client.get(path)
        assert answer.status_code == 404, path
        assert "This page does not exist" in answer.text
        assert 'href="/"' in answer.text


def test_a_new_reader_is_promised_the_issue_after_one_that_went_out_early(sqlite_database: Database) -> None:
    made = builders.populated(sqlite_database, readers=0)
    with sqlite_database.transaction() as session:
        edition = session.get_one(Edition, made.edition_id)
        slot = issues.next_slot(edition, builders.NOW)
        assert shown_editions(session, [edition], "", builders.NOW, ENGLISH)[0].next_issue == "Saturday, 21 November"
        issue = issues.draft(session, edition, slot, builders.NOW).issue
        issues.approve(session, issue, Renderer(None), "https://news.example.org", by="ed", now=builders.NOW)
        issue.state = IssueState.SENT
        session.add(issue)
        session.flush()
        assert shown_editions(session, [edition], "", builders.NOW, ENGLISH)[0].next_issue == "Saturday, 28 November"
