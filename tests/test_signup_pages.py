"""Signing up for one or several editions, with own fields, in languages, from other sites (U1-U5, threats 11, 20)."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import html as lxml_html
from sqlmodel import select

from newsletter.db import Database
from newsletter.mail import Status
from newsletter.models import RateUse
from newsletter.resources import templates_folder
from newsletter.signup.door import Rules
from newsletter.web.signup_form import _WRONG_ADDRESS
from newsletter.web.site import accepted_languages
from newsletter.windows import gone_at
from subscribers import fields
from subscribers.addresses import parse_address
from subscribers.errors import InvalidAddress
from subscribers.lists import archive
from subscribers.models import FieldKind, Subscriber, SubscriptionState
from tests import builders
from tests.databases import sqlite_database
from tests.sites import BASE_URL, TestSite, buttons, link_in, make_site, press, words

__all__ = ["sqlite_database"]

FORM = "/editions/fen-weekly"
JSON = {"Accept": "application/json"}


@pytest.fixture
def site(sqlite_database: Database) -> TestSite:
    site = make_site(sqlite_database)
    with site.db.transaction() as session:
        builders.newsroom(session, "ely", name="Ely Weekly", send_weekday=0)
    return site


def own_fields(site: TestSite) -> None:
    with site.db.transaction() as session:
        fields.add_field(session, "town", label="Your <town>", kind=FieldKind.TEXT)
        trades = ["I farm", "I teach"]
        fields.add_field(session, "trade", label="Trade", kind=FieldKind.CHOICE, choices=trades, required=True)
        fields.add_field(session, "born", label="Birthday", kind=FieldKind.DATE)


# --- several editions


@pytest.mark.parametrize(
    ("path", "ticked"),
    [
        ("/", []),
        ("/?edition=ely", ["ely"]),
        ("/?edition=nothing", []),
        ("/?edition=ely&edition=fen-weekly", ["fen-weekly"]),
    ],
)
def test_no_edition_is_ticked_but_that_of_the_context(site: TestSite, path: str, ticked: list[str]) -> None:
    """U2; CASL: no pre-ticked boxes."""
    page = lxml_html.fromstring(site.client.get(path).text)
    boxes = page.xpath("//input[@type='checkbox']")
    assert [box.get("value") for box in boxes] == ["ely", "fen-weekly"]
    assert [box.get("value") for box in boxes if box.get("checked") is not None] == ticked


def test_two_editions_take_one_mail_one_press_and_two_lines_of_evidence(site: TestSite) -> None:
    """Trust 2.1; GDPR 7(1)."""
    answer = site.sign_up("ann@example.org", path="/", edition=["ely", "fen-weekly"])  # type: ignore[arg-type]
    assert "on the list for Ely Weekly and Fen Weekly" in words(answer.text)
    [mail] = site.provider.sent
    page = site.client.get(link_in(mail, "c")).text
    assert "Press the button to get Ely Weekly and Fen Weekly at a•••@example.org." in words(page)
    assert buttons(page) == ["Yes, put me on the lists"]
    done = words(press(site, page, "Yes, put me on the lists"))
    assert "a•••@example.org is on the list for Ely Weekly and Fen Weekly." in done
    assert "When it comes: weekly, on Mondays at 07:00 (Berlin time). The next one: Monday, 23 November." in done
    assert [site.state(number) for number in (1, 2)] == [SubscriptionState.CONFIRMED] * 2
    wordings = [line.wording for line in site.consents()]
    assert len(wordings) == 4
    assert wordings[0].startswith("Ely Weekly: weekly, on Mondays at 07:00 (Berlin time)\nPress “Sign up” to get the")


def test_the_words_beside_the_boxes_are_the_evidence(site: TestSite) -> None:
    page = lxml_html.fromstring(site.client.get("/").text)
    site.sign_up("ann@example.org", path="/", edition="ely")
    [evidence] = site.consents()
    assert evidence.wording.partition("\n")[2] == page.get_element_by_id("wording").text_content()
    assert evidence.source == f"{BASE_URL}/"


def test_a_form_without_a_choice_comes_back(site: TestSite) -> None:
    answer = site.sign_up("ann@example.org", path="/")
    assert answer.status_code == 422
    assert "Please choose at least one newsletter." in words(answer.text)
    assert 'value="ann@example.org"' in answer.text
    assert site.provider.calls == []


def test_an_edition_that_is_not_offered_is_no_choice(site: TestSite) -> None:
    with site.db.transaction() as session:
        archive(session, "ely", builders.NOW)
    assert "Ely Weekly" not in site.client.get("/").text
    assert site.sign_up("ann@example.org", path="/", edition="ely").status_code == 422


def test_a_list_that_was_archived_before_the_press_says_so(site: TestSite) -> None:
    site.sign_up("ann@example.org")
    link = link_in(site.provider.sent[0], "c")
    with site.db.transaction() as session:
        archive(session, "fen-weekly", builders.NOW)
    for answer in (site.client.get(link), site.client.post(link)):
        assert answer.status_code == 410
        assert "This newsletter takes no new readers" in answer.text
    assert site.state(1) is SubscriptionState.PENDING


# --- own fields and languages


def test_own_fields_are_asked_checked_and_kept_once_confirmed(site: TestSite) -> None:
    own_fields(site)
    page = lxml_html.fromstring(site.client.get(FORM).text)
    labels = [label.text_content() for label in page.xpath("//div[@class='field']/label")]
    assert labels == ["Your e-mail address", "Your <town> (if you like)", "Trade", "Birthday (if you like)"]
    wrong = {"field-town": "x" * 501, "field-trade": "", "field-born": "30.11.2026"}
    answer = site.sign_up("ann@example.org", **wrong)
    assert answer.status_code == 422
    for sentence in ("500 characters are the most", "Please fill this in.", "such as 2026-11-30"):
        assert sentence in answer.text
    site.sign_up("ann@example.org", **{"field-town": "Ely", "field-trade": "I farm", "field-no": "x"})
    assert site.subscription(1).answers == {"field:town": "Ely", "field:trade": "I farm"}
    site.client.post(link_in(site.provider.sent[0], "c"))
    with site.db.reading() as session:
        assert fields.values_of(session, 1) == {"town": "Ely", "trade": "I farm"}


def test_nothing_that_was_typed_is_in_the_mail(site: TestSite) -> None:
    """Threat 11: a stranger's text reaches nobody."""
    own_fields(site)
    planted = {"field-town": "planted casino", "field-trade": "I farm", "name": "planted", "language": "planted"}
    site.sign_up("ann+planted@example.org", **planted)
    [mail] = site.provider.sent
    said = f"{mail.subject} {mail.html} {mail.text} {mail.headers}".replace("ann+planted@example.org", "")
    assert "planted" not in said
    assert "I farm" not in said


def _speak(folder: Path, language: str, phrase: str, said: str) -> None:
    (folder / "words").mkdir(exist_ok=True)
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    (folder / "words" / f"{language}.po").write_text(f'{head}msgid "{phrase}"\nmsgstr "{said}"\n', encoding="utf-8")


def test_pages_speak_the_edition_s_language_and_the_newsroom_s_the_browser_s(
    sqlite_database: Database, tmp_path: Path
) -> None:
    _speak(tmp_path, "cy", "Your e-mail address", "Eich cyfeiriad e-bost")
    site = make_site(sqlite_database, templates=tmp_path)
    with site.db.transaction() as session:
        builders.newsroom(session, "mon", name="Wythnos Môn", language="cy")

    def language(path: str, accepted: str = "") -> str:
        page = site.client.get(path, headers={"Accept-Language": accepted}).text
        assert ("Eich cyfeiriad" in page) is ('<html lang="cy"' in page)
        return str(lxml_html.fromstring(page).get("lang"))

    assert language("/editions/mon", "en") == "cy"
    assert language(FORM, "cy") == "en"
    assert [language("/", one) for one in ("cy-GB, en;q=0.5", "en, cy;q=0.9", "xx", "")] == ["cy", "en", "en", "en"]
    assert language("/?lang=cy", "en") == "cy"
    assert language("/nowhere", "en") == "en"
    answer = site.sign_up("ann@example.org", language="cy")
    assert answer.status_code == 200
    site.client.post(link_in(site.provider.sent[0], "c"))
    with site.db.reading() as session:
        assert session.exec(select(Subscriber.language)).one() == "cy"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("de", ["de"]),
        ("en;q=0.3, de-CH , fr;q=0.9, *;q=0.1", ["de-CH", "fr", "en"]),
        ("de;q=0, fr", ["fr"]),
        ("de;q=x, ../../etc, fr;q=1.0", ["fr"]),
        ("," * 100_000, []),
    ],
)
def test_the_languages_a_browser_accepts(header: str, expected: list[str]) -> None:
    """RFC 9110, section 12.5.4."""
    assert accepted_languages(header) == expected


def test_languages_that_strangers_ask_for_are_not_remembered(site: TestSite) -> None:
    for number in range(50):
        site.client.get(f"/?lang=x{number}", headers={"Accept-Language": f"y{number}"})
    assert set(site.app.state.site.pages.wordings._known) <= {one.tag for one in site.app.state.site.pages.languages}


def test_every_fault_of_an_address_has_a_sentence_that_can_be_translated() -> None:
    wrong = [
        "", "a" * 300 + "@example.org", "a\0@example.org", " a@example.org", "<a@example.org>", '"a"@example.org',
        "a b@example.org", "a", "a@b@example.org", "@example.org", "a@", "é@example.org", "a" * 65 + "@example.org",
        "a..b@example.org", "a@[127.0.0.1]", "a@b", "a@b.invalid", "a@-b.org",
    ]  # fmt: skip
    for address in wrong:
        with pytest.raises(InvalidAddress) as caught:
            parse_address(address)
        assert f"Please check the address: {caught.value.reason}" in _WRONG_ADDRESS
    assert len(wrong) == len(_WRONG_ADDRESS)


# --- one more press, and too many


def test_one_more_press_keeps_what_was_said(site: TestSite) -> None:
    own_fields(site)
    said = {
        "address": "ann@example.org",
        "edition": ["ely", "fen-weekly"],
        "field-town": "Ely",
        "field-trade": "I farm",
    }
    page = site.client.post("/", data=said).text
    assert "a mail with a link is sent to ann@example.org for Ely Weekly and Fen Weekly" in words(page)
    assert site.provider.calls == []
    site.clock.now += timedelta(seconds=2)
    assert "Please look at your inbox" in press(site, page, "Sign up")
    assert len(site.provider.sent) == 1
    assert site.subscription(1).answers == {"field:town": "Ely", "field:trade": "I farm"}
    assert len(site.consents()) == 2


def test_who_comes_too_often_is_told_so(sqlite_database: Database) -> None:
    """U5: rate-limited."""
    site = make_site(sqlite_database, rules=Rules(per_network=1))
    site.sign_up("ann@example.org")
    answer = site.sign_up("bob@example.org")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert "Nothing is wrong with your address." in words(answer.text)
    assert f'href="{FORM}"' in answer.text
    assert len(site.provider.sent) == 1


def test_the_editors_hear_of_a_flood_from_the_pages(sqlite_database: Database) -> None:
    site = make_site(sqlite_database, rules=Rules(per_minute=1))
    site.app.state.site.__dict__["editors"] = ["desk@fen.example"]
    for number in range(4):
        site.sign_up(f"r{number}@example.org", ip=f"203.0.{number}.1")
    assert [mail.subject for mail in site.provider.sent if mail.address == "desk@fen.example"] == [
        "Very many sign-ups: Fen Weekly"
    ]


# --- on other sites


def test_the_snippets_can_be_copied(site: TestSite) -> None:
    """U1: a form in three forms."""
    page = lxml_html.fromstring(site.client.get(f"{FORM}/embed").text)
    script, frame, plain = (code.text_content() for code in page.xpath("//pre/code"))
    assert script == f'<script src="{BASE_URL}/static/embed.js" data-edition="fen-weekly" async></script>'
    assert lxml_html.fromstring(frame).get("src") == f"{BASE_URL}{FORM}/embed/frame"
    form = lxml_html.fromstring(plain)
    assert (form.get("action"), form.get("method")) == (BASE_URL + FORM, "post")
    assert form.xpath("//label/@for") == form.xpath("//input/@id")


def test_plain_html_leads_to_a_page_of_ours_and_from_there_to_the_list(site: TestSite) -> None:
    """It holds no token: one more press, never a refusal."""
    own_fields(site)
    plain = lxml_html.fromstring(site.client.get(f"{FORM}/embed").text).xpath("//pre/code")[2].text_content()
    [form] = lxml_html.fromstring(f"<div>{plain}</div>").forms
    form.fields = {"address": "ann@example.org", "field-trade": "I teach"}
    page = site.client.post(form.action, data=dict(form.fields)).text
    site.clock.now += timedelta(seconds=2)
    press(site, page, "Sign up")
    assert [mail.address for mail in site.provider.sent] == ["ann@example.org"]


@pytest.mark.parametrize("said", [{}, {"address": "ann@example.org"}, {"address": "ann"}])
def test_only_the_frame_may_be_framed(site: TestSite, said: dict[str, str]) -> None:
    for path, allowed in ((FORM, "'none'"), (f"{FORM}/embed/frame", "*"), ("/", "'none'")):
        answers = [site.client.get(path), *([site.client.post(path, data=said)] if said else [])]
        for answer in answers:
            assert f"frame-ancestors {allowed}" in answer.headers["content-security-policy"]
            assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in site.client.get(f"{FORM}/embed").headers["content-security-policy"]


def test_the_frame_stays_in_the_frame(site: TestSite) -> None:
    site.issue(7)
    page = site.sign_up("ann@example.org", path=f"{FORM}/embed/frame").text
    assert "Please look at your inbox" in page
    assert 'class="framed"' in page
    assert f'href="{FORM}/embed/frame"' in page
    form = lxml_html.fromstring(site.client.get(f"{FORM}/embed/frame").text)
    assert form.xpath("//form/@target") == ["_self"]
    assert form.xpath("//base/@target") == ["_blank"]
    assert site.consents()[0].source == f"{BASE_URL}{FORM}/embed/frame"


def test_the_script_is_small_and_keeps_nothing(site: TestSite) -> None:
    """U1: at most 5 KB, no cookies, no third party."""
    text = (templates_folder() / "web" / "static" / "embed.js").read_text(encoding="utf-8")
    assert len(text.encode()) <= 5_000
    assert not re.search(r"cookie|[lL]ocalStorage|sessionStorage|indexedDB|https?://", text.replace("No cookies", ""))
    answer = site.client.get("/static/embed.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "set-cookie" not in answer.headers


def test_the_script_gets_the_same_form(site: TestSite) -> None:
    answer = site.client.get(f"{FORM}/embed/form")
    assert answer.headers["access-control-allow-origin"] == "*"
    [form] = lxml_html.fromstring(answer.text).forms
    assert form.action == BASE_URL + FORM
    assert all(one.startswith("fen-weekly-") for one in form.xpath(".//@id"))


def test_what_the_script_is_told(site: TestSite) -> None:
    """The same door: an answer in JSON, that any site may read, for each state (U5)."""
    own_fields(site)
    said = {"address": "ann@example.org", "field-trade": "I farm"}

    def told(**fields: str) -> tuple[int, dict[str, object]]:
        answer = site.client.post(FORM, data=said | fields, headers=JSON)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Accept" in answer.headers["vary"]
        return answer.status_code, answer.json()

    status, invalid = told(**{"address": "ann", "field-trade": ""})
    assert (status, invalid["state"]) == (422, "invalid")
    assert invalid["problems"] == {
        "address": "Please check the address: it has no @-sign.",
        "field-trade": "Please fill this in.",
    }
    status, again = told()
    assert (status, again["state"]) == (200, "again")
    site.clock.now += timedelta(seconds=2)
    status, sent = told(token=str(again["token"]))
    assert (status, sent["state"]) == (200, "sent")
    assert "\u2068Fen Weekly\u2069" in str(sent["text"])
    assert len(site.provider.sent) == 1
    site.app.state.site.door.__dict__["rules"] = Rules(per_network=0)
    status, wait = told()
    assert (status, wait["state"]) == (429, "wait")
    status, trapped = told(website="https://pills.example")
    assert trapped["state"] == "sent"


def test_old_counts_go_by_themselves(site: TestSite) -> None:
    site.sign_up("ann@example.org")
    site.clock.now += timedelta(days=40)
    site.sign_up("bob@example.org")
    with site.db.reading() as session:
        rows = session.exec(select(RateUse).where(RateUse.start >= 0)).all()
    assert rows
    assert all(gone_at(row.start, row.seconds) > site.clock.now for row in rows)


def test_no_log_holds_an_address(
    site: TestSite, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Threat 22: whatever is typed where, and whatever becomes of it."""
    caplog.set_level("DEBUG")
    site.provider.script("planted1@example.org", Status.REFUSED)
    for number in range(25):
        site.sign_up(f"planted{number}@example.org")
        site.client.post(FORM, data={"address": f"planted{number} <planted@example.org>", "token": "planted"})
        site.client.post("/", data={"address": "planted@example.org", "edition": "planted"}, headers=JSON)
    assert "confirmation mail for subscription 2: refused" in caplog.text
    said = caplog.text + "".join(capfd.readouterr())
    assert "planted" not in said
