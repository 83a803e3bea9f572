"""The pages behind readers' links in a real browser: every state, on a phone and a desk, light and dark, right to left,
by keyboard, without JavaScript; axe finds nothing. And a scanner that renders pages and presses nothing (threat 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pytest
from playwright.sync_api import Browser, Page, expect

from newsletter.db import Database
from newsletter.models import Edition
from newsletter.resources import templates_folder
from subscribers.consent import leave
from subscribers.models import RequestKind, Subscriber, SubscriptionState, SuppressionReason
from subscribers.suppression import suppress
from subscribers.tokens import Purpose
from tests import builders
from tests.builders import NOW
from tests.databases import sqlite_database
from tests.mail import axe
from tests.sites import TestSite, served

__all__ = ["sqlite_database"]

pytestmark = pytest.mark.browser

#: A phone, a phone with text twice as large, a desk.
WIDTHS = (390, 320, 1200)
#: What must hold on every page, measured in the page itself: sentences, none when all is well.
FAULTS = """() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
  if (document.querySelectorAll('h1').length !== 1) faults.push('not exactly one h1');
  for (const target of document.querySelectorAll('button, label.choice, input[type=email], select, .links a')) {
    const box = target.getBoundingClientRect();
    if (box.height < 44) faults.push(`only ${box.height}px high: ${target.textContent.trim()}`);
    if (box.left < 0 || box.right > root.clientWidth + 0.5) faults.push(`outside: ${target.textContent.trim()}`);
  }
  return faults;
}"""
ARABIC = """
msgid ""
msgstr ""
"Language: ar\\n"
"Plural-Forms: nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);\\n"
"Content-Type: text/plain; charset=utf-8\\n"

msgid "What you get"
msgstr "ما يصلك"

msgid "For %(address)s"
msgstr "للعنوان %(address)s"

msgid "Newsletters"
msgstr "النشرات البريدية"

msgid "Save newsletters"
msgstr "حفظ النشرات"

msgid "Pause"
msgstr "إيقاف مؤقت"
"""


@pytest.fixture
def site(sqlite_database: Database, tmp_path: Path) -> Iterator[TestSite]:
    """A newsroom with three editions, one offered monthly, one with a long name, one in Arabic."""
    folder = tmp_path / "words"
    folder.mkdir()
    copyfile(templates_folder() / "web" / "words" / "messages.pot", folder / "messages.pot")
    (folder / "ar.po").write_text(ARABIC, encoding="utf-8")
    with served(sqlite_database, templates=tmp_path) as site:
        with site.db.transaction() as session:
            session.get_one(Edition, site.room.edition_id).monthly = True
            builders.newsroom(session, "long", name="Rindfleischetikettierungsüberwachungswochenblatt", language="de")
            builders.newsroom(session, "levant", name="أسبوع المشرق", language="ar", publisher="دار المشرق")
        yield site


def ann(site: TestSite) -> int:
    return site.reader("ann@example.org")


def p(site: TestSite) -> str:
    return site.preferences_path(ann(site))


def paused(site: TestSite) -> str:
    path = p(site)
    with site.db.transaction() as session:
        session.get_one(Subscriber, 1).paused_until = NOW + timedelta(weeks=2)
    return path


def stopped(reason: SuppressionReason) -> Callable[[TestSite], str]:
    def path(site: TestSite) -> str:
        with site.db.transaction() as session:
            suppress(session, "ann@example.org", reason, "", NOW)
        return p(site)

    return path


def arabic(site: TestSite) -> str:
    path = paused(site)
    with site.db.transaction() as session:
        session.get_one(Subscriber, 1).language = "ar"
    return path


def request_path(kind: RequestKind, letter: str) -> Callable[[TestSite], str]:
    return lambda site: f"/{letter}/{site.request_token(kind, ann(site))}"


def undo(site: TestSite) -> str:
    subscription_id = ann(site)
    with site.db.transaction() as session:
        leave(session, subscription_id=subscription_id, now=NOW, source="test")
    return f"/r/{site.undo_token(subscription_id)}"


def typed(page: Page) -> None:
    page.get_by_label("New e-mail address").fill("ann at example")
    press("Send a mail to the new address")(page)


def press(button: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=button, exact=True).click()


def deleted(page: Page) -> None:
    page.get_by_role("checkbox").check()
    press("Delete me")(page)


def answered(page: Page) -> None:
    press("Unsubscribe")(page)
    page.get_by_role("radio").first.check()
    press("Send this answer")(page)


STATES: dict[str, tuple[Callable[[TestSite], str], Callable[[Page], None] | None, str]] = {
    "preferences": (p, None, "What you get"),
    "lists saved": (p, press("Save newsletters"), "What you get"),
    "left everything": (p, press("Unsubscribe from everything"), "What you get"),
    "often saved": (p, press("Save how often"), "What you get"),
    "pause saved": (p, press("8 weeks"), "What you get"),
    "paused": (paused, None, "What you get"),
    "pause ended": (paused, press("End the pause"), "What you get"),
    "format saved": (p, press("Save how mails look"), "What you get"),
    "language saved": (p, press("Save the language"), "What you get"),
    "no address": (p, typed, "What you get"),
    "data asked for": (p, press("Send me the link"), "What you get"),
    "bounced": (stopped(SuppressionReason.BOUNCE), None, "What you get"),
    "bounce lifted": (stopped(SuppressionReason.BOUNCE), press("Write to me again"), "What you get"),
    "complained": (stopped(SuppressionReason.COMPLAINT), None, "What you get"),
    "blocked": (stopped(SuppressionReason.MANUAL), None, "What you get"),
    "arabic": (arabic, None, "ما يصلك"),
    "arabic saved": (arabic, press("حفظ النشرات"), "ما يصلك"),
    "leave": (lambda site: site.unsubscribe_path(ann(site)), None, "Unsubscribe"),
    "left": (lambda site: site.unsubscribe_path(ann(site)), press("Unsubscribe"), "You are off the list"),
    "said why": (lambda site: site.unsubscribe_path(ann(site)), answered, "You are off the list"),
    "return": (undo, None, "Come back to the list"),
    "returned": (undo, press("Yes, put me back on the list"), "You are back on the list"),
    "address": (request_path(RequestKind.ADDRESS, "a"), None, "Your new address"),
    "address changed": (
        request_path(RequestKind.ADDRESS, "a"),
        press("Yes, write to me there"),
        "Your address is changed",
    ),
    "data": (request_path(RequestKind.DATA, "d"), None, "What we know about you"),
    "data, no tick": (request_path(RequestKind.DATA, "d"), press("Delete me"), "What we know about you"),
    "deleted": (request_path(RequestKind.DATA, "d"), deleted, "You are deleted"),
}


@contextmanager
def opened(chromium: Browser, site: TestSite, *, scripts: bool) -> Iterator[Page]:
    """Open a tab; nothing may be loaded from elsewhere. With scripts, the page's policy is set aside, for axe."""
    context = chromium.new_context(
        java_script_enabled=scripts, bypass_csp=scripts, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    try:
        yield page
        assert all(url.startswith(site.base_url) for url in requested)
        assert context.cookies() == []
    finally:
        context.close()


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_sound(chromium: Browser, site: TestSite, name: str) -> None:
    """Reached by buttons alone; then axe on it, in light and dark, and its layout at each width (R44, R48, U9)."""
    path, act, heading = STATES[name]
    with opened(chromium, site, scripts=True) as page:
        page.goto(site.base_url + path(site))
        if act:
            act(page)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert axe.findings(page) == [], scheme
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate(FAULTS) == [], width
        if name.startswith("arabic"):
            assert page.evaluate("getComputedStyle(document.body).direction") == "rtl"


def test_choosing_works_without_javascript_and_going_back_sends_nothing(chromium: Browser, site: TestSite) -> None:
    """U7, U9: after two forms, back and reload show the page again, without a question or a second form."""
    with opened(chromium, site, scripts=False) as page:
        page.goto(site.base_url + p(site))
        press("2 weeks")(page)
        expect(page.get_by_role("status")).to_have_text("Saved. No issue is sent to you before 4 December 2026.")
        page.get_by_role("radio", name="as text only").check()
        press("Save how mails look")(page)
        expect(page.get_by_role("status")).to_have_text("Saved. Mails come as text only.")
        before = site.dump()
        page.go_back()
        expect(page.get_by_role("status")).to_have_text("Saved. No issue is sent to you before 4 December 2026.")
        expect(page.get_by_role("radio", name="as text only")).to_be_checked()
        page.reload()
        page.go_forward()
        assert site.dump() == before


def test_the_keyboard_is_enough(chromium: Browser, site: TestSite) -> None:
    """From the top of the page to a pause by Tab and Enter; focus is seen, and stands in the section afterwards."""
    with opened(chromium, site, scripts=False) as page:
        page.goto(site.base_url + p(site))
        target = page.get_by_role("button", name="4 weeks", exact=True)
        for _ in range(40):
            page.keyboard.press("Tab")
            if target.evaluate("one => one === document.activeElement"):
                break
        assert target.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_be_in_viewport()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent.trim()") == "End the pause"


def test_a_scanner_that_renders_and_presses_nothing_changes_nothing(chromium: Browser, site: TestSite) -> None:
    """Threat 10: Outlook's scanner runs what scripts a page has."""
    subscription_id = site.reader("dan@example.org")
    pending = site.reader("ben@example.org", SubscriptionState.PENDING)
    paths = [
        undo(site),
        site.unsubscribe_path(subscription_id),
        site.preferences_path(subscription_id),
        f"/c/{site.confirm_token(pending)}",
        f"/a/{site.request_token(RequestKind.ADDRESS, subscription_id)}",
        f"/d/{site.request_token(RequestKind.DATA, subscription_id)}",
    ]
    assert {site.token(Purpose.UNSUBSCRIBE, subscription_id) in path for path in paths} == {True, False}
    before = site.dump()
    with opened(chromium, site, scripts=True) as page:
        for path in paths:
            page.goto(site.base_url + path)
            page.wait_for_load_state("networkidle")
            for link in page.locator("main a").all():
                link.hover()
    assert site.dump() == before
    assert site.provider.calls == []
