"""Every page in a real browser, used as readers do: on a phone and on a desk, light and dark, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from newsletter.db import Database
from subscribers.models import SubscriptionState
from subscribers.tokens import Purpose
from tests import builders
from tests.databases import sqlite_database
from tests.sites import TestSite, link_in, served

__all__ = ["sqlite_database"]

pytestmark = pytest.mark.browser

#: The narrowest phone, a usual one, a desk.
WIDTHS = (320, 360, 1200)
PAPER = {"light": "rgb(244, 241, 234)", "dark": "rgb(19, 21, 23)"}

#: What must hold on every page, measured in the page itself: a list of sentences, empty when all is well.
FAULTS = """() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
  if (document.querySelectorAll('h1').length !== 1) faults.push('not exactly one h1');
  if (document.querySelectorAll('main').length !== 1) faults.push('not exactly one main');
  if (!document.title.trim()) faults.push('no title');
  const hidden = element => element.closest('.unused, [type=hidden]') !== null;
  for (const field of document.querySelectorAll('input, select, textarea'))
    if (!hidden(field) && !field.labels.length) faults.push(`no label: ${field.name}`);
  for (const target of document.querySelectorAll('button, label.choice, input[type=email], .links a, header a')) {
    const box = target.getBoundingClientRect();
    if (box.height < 44) faults.push(`only ${box.height}px high: ${target.textContent.trim()}`);
  }
  for (const element of document.querySelectorAll('p, li, label, button, h1, h2, a, strong, legend')) {
    const box = element.getBoundingClientRect();
    if (!hidden(element) && !element.matches('.skip') && (box.left < 0 || box.right > root.clientWidth + 0.5))
      faults.push(`outside the page: ${element.textContent.trim()}`);
  }
  return faults;
}"""

#: The contrast of every text against what is behind it (R48: at least 4.5), by WCAG's formula.
LOW_CONTRAST = """() => {
  const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => rgb(colour).slice(0, 3)
    .map(one => one / 255).map(one => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (rgb(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('.unused')) continue;
    const [high, less] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    const contrast = (high + 0.05) / (less + 0.05);
    if (contrast < 4.5) low.push(`${contrast.toFixed(2)}: ${walker.currentNode.data.trim()}`);
  }
  return low;
}"""


@dataclass
class Visit:
    """A browser's tab without JavaScript, and what it loaded and complained about."""

    page: Page
    site: TestSite
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.site.base_url + path)

    def check(self, heading: str) -> None:
        """Check the page that is open at every width, in light and dark."""
        page = self.page
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == PAPER[scheme]
            assert page.evaluate(LOW_CONTRAST) == [], f"{heading}, {scheme}"
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 740})
                assert page.evaluate(FAULTS) == [], f"{heading}, {scheme}, {width} px"
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 360, "height": 740})

    def wait(self, seconds: int = 5) -> None:
        """Let time pass, as it does while somebody fills in a form."""
        self.site.clock.now += timedelta(seconds=seconds)

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()


@contextmanager
def visit(chromium: Browser, site: TestSite) -> Iterator[Visit]:
    """Open a tab; at the end nothing may have been loaded from elsewhere, and no policy violated."""
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    made = Visit(context.new_page(), site)
    made.page.on("request", lambda request: made.requested.append(request.url))
    made.page.on("console", lambda message: made.complaints.append(message.text))
    made.page.on("dialog", lambda dialog: made.complaints.append(dialog.message))
    try:
        yield made
        assert all(url.startswith(site.base_url) for url in made.requested)
        assert [one for one in made.complaints if "Failed to load resource" not in one] == []
        assert context.cookies() == []
    finally:
        context.close()


@pytest.fixture
def site(sqlite_database: Database) -> Iterator[TestSite]:
    with served(sqlite_database) as site:
        with site.db.transaction() as session:
            builders.newsroom(
                session,
                "long",
                name="Rindfleischetikettierungsüberwachungswochenblatt",
                tagline="An edition whose name is a single word of forty-eight letters, as German has them.",
                language="de",
                postal_address="Donaudampfschifffahrtsgesellschaftskapitänsstraße 123, 14770 Brandenburg",
            )
            builders.newsroom(session, "levant", name="أسبوع المشرق", tagline="أخبار الأسبوع من لبنان.", language="ar")
        yield site


def test_home(chromium: Browser, site: TestSite) -> None:
    site.issue(7)
    with visit(chromium, site) as tab:
        tab.open("/")
        tab.check("Newsletters from Fen Press")
        expect(tab.page.get_by_role("checkbox", checked=True)).to_have_count(0)
        tab.page.get_by_role("checkbox", name="Fen Weekly").check()
        tab.page.get_by_role("checkbox", name="أسبوع المشرق").check()
        tab.page.get_by_label("Your e-mail address").fill("ann@example.org")
        tab.wait()
        tab.press("Sign up")
        tab.check("Please look at your inbox")
        site.wait_for_mail(1)
        assert len(site.consents()) == 2


def test_signing_up_and_confirming(chromium: Browser, site: TestSite) -> None:
    """U1-U3, U5: from the form to the list, through the mail; with a slip on the way."""
    with visit(chromium, site) as tab:
        page = tab.page
        tab.open("/editions/fen-weekly")
        tab.check("Fen Weekly")
        page.get_by_label("Your e-mail address").fill("ann example.org")
        tab.press("Sign up")
        tab.check("Fen Weekly")
        expect(page.get_by_role("alert")).to_have_text("Please check the address: it has a space in it.")
        expect(page.get_by_label("Your e-mail address")).to_have_value("ann example.org")
        page.get_by_label("Your e-mail address").fill("ann@example.org")
        page.keyboard.press("Enter")
        tab.check("One more press")
        tab.wait()
        tab.press("Sign up")
        tab.check("Please look at your inbox")
        site.wait_for_mail(1)
        page.goto(link_in(site.provider.sent[0], "c"))
        tab.check("Confirm your address")
        assert site.state(1) is SubscriptionState.PENDING
        tab.press("Yes, put me on the list")
        tab.check("You are on the list")
        assert site.state(1) is SubscriptionState.CONFIRMED
        page.get_by_role("link", name="change what you get").click()
        tab.check("What you get")
        expect(page.get_by_role("checkbox", name="Fen Weekly")).to_be_checked()


def test_a_confirmation_link_that_is_over(chromium: Browser, site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org", SubscriptionState.LEFT)
    with visit(chromium, site) as tab:
        tab.open(f"/c/{site.confirm_token(subscription_id)}")
        tab.check("This link is no longer valid")
        tab.page.get_by_role("link", name="Sign up again").click()
        expect(tab.page.get_by_label("Your e-mail address")).to_be_visible()


def test_unsubscribing_and_undo(chromium: Browser, site: TestSite) -> None:
    """U8."""
    subscription_id = site.reader("ann@example.org")
    with visit(chromium, site) as tab:
        tab.open(f"/u/{site.token(Purpose.UNSUBSCRIBE, subscription_id)}")
        tab.check("Unsubscribe")
        assert site.state(subscription_id) is SubscriptionState.CONFIRMED
        tab.press("Unsubscribe")
        tab.check("You are off the list")
        assert site.state(subscription_id) is SubscriptionState.LEFT
        tab.press("Undo: put me back on the list")
        tab.check("You are back on the list")
        assert site.state(subscription_id) is SubscriptionState.CONFIRMED


def test_the_page_behind_an_undo_link(chromium: Browser, site: TestSite) -> None:
    subscription_id = site.reader("ann@example.org", SubscriptionState.LEFT)
    site.clock.now = site.subscription(subscription_id).changed_at
    with visit(chromium, site) as tab:
        tab.open(f"/r/{site.undo_token(subscription_id)}")
        tab.check("Come back to the list")
        assert site.state(subscription_id) is SubscriptionState.LEFT
        tab.press("Yes, put me back on the list")
        tab.check("You are back on the list")
        assert site.state(subscription_id) is SubscriptionState.CONFIRMED


def test_preferences(chromium: Browser, site: TestSite) -> None:
    """U7, U9: what is ticked is what one gets; going back shows what is true, not what was."""
    subscription_id = site.reader("ann@example.org")
    with visit(chromium, site) as tab:
        page = tab.page
        tab.open(f"/p/{site.token(Purpose.PREFERENCES, subscription_id)}")
        tab.check("What you get")
        page.get_by_role("checkbox", name="Fen Weekly").uncheck()
        page.get_by_role("checkbox", name="أسبوع المشرق").check()
        tab.press("Save newsletters")
        tab.check("What you get")
        assert site.state(subscription_id) is SubscriptionState.LEFT
        page.go_back()
        expect(page.get_by_role("checkbox", name="Fen Weekly")).not_to_be_checked()
        tab.press("Unsubscribe from everything")
        tab.check("What you get")
        expect(page.get_by_role("status")).to_contain_text("nothing more is sent to you")
        expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)


def test_view_in_browser(chromium: Browser, site: TestSite) -> None:
    """U12; R16: no sideways scrolling at any width."""
    site.issue(7)
    with visit(chromium, site) as tab:
        page = tab.page
        tab.open("/issues/fen-weekly/7")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 740})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
        link = page.get_by_role("link", name="Sign up")
        assert link.get_attribute("href") == f"{site.base_url}/editions/fen-weekly"


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/nowhere", "This page does not exist"),
        ("/u/damaged", "This link does not work"),
        ("/p/test", "This was a test mail"),
    ],
)
def test_problems_are_pages_too(chromium: Browser, site: TestSite, path: str, heading: str) -> None:
    with visit(chromium, site) as tab:
        tab.open(path)
        tab.check(heading)


def test_the_keyboard_is_enough(chromium: Browser, site: TestSite) -> None:
    """Skip link first, focus visible, the field that is for programs never reached."""
    with visit(chromium, site) as tab:
        page = tab.page
        tab.open("/editions/fen-weekly")
        reached = []
        for _ in range(6):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()"))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", reached[-1]
        form = ["address", "language", "Sign up"]
        assert reached == ["Skip to the content", "All newsletters", *form, "desk@fen.example"]
