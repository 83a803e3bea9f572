"""Signing up with JavaScript, in every state (U5): on our page, in a frame and by the script on another site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from newsletter.db import Database
from newsletter.signup.door import Rules
from subscribers import fields
from subscribers.models import FieldKind, SubscriptionState
from tests import builders
from tests.browser.test_pages import FAULTS, LOW_CONTRAST
from tests.databases import sqlite_database
from tests.mail import axe
from tests.sites import TestSite, link_in, served

__all__ = ["sqlite_database"]

pytestmark = pytest.mark.browser

FORM = "/editions/fen-weekly"
#: A phone, and a desk whose text is twice as large: half as many pixels of CSS.
SIZES = ((390, 844), (600, 450), (1200, 900))


@contextmanager
def opened(chromium: Browser, site: TestSite, elsewhere: str = "") -> Iterator[Page]:
    """Open a tab with JavaScript; nothing may be loaded from elsewhere, no policy violated and no cookie set."""
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
        assert [url for url in asked if not url.startswith((site.base_url, elsewhere or site.base_url))] == []
        assert [one for one in complaints if "Failed to load resource" not in one] == []
        assert context.cookies() == []
    finally:
        context.close()


@contextmanager
def other_site(html: str) -> Iterator[str]:
    """Serve one page of another site on loopback, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def check(page: Page) -> None:
    """Check the page as it is, at every size, light and dark: nothing cut off, contrast, axe."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(LOW_CONTRAST) == [], scheme
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate(FAULTS) == [], (scheme, width)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})


def axe_findings(chromium: Browser, url: str) -> list[str]:
    """Return what axe finds on a page of ours; our own policy would keep axe out."""
    context = chromium.new_context(bypass_csp=True)
    try:
        page = context.new_page()
        page.goto(url)
        return axe.findings(page)
    finally:
        context.close()


@pytest.fixture
def site(sqlite_database: Database) -> Iterator[TestSite]:
    with served(sqlite_database) as site:
        with site.db.transaction() as session:
            builders.newsroom(session, "ely", name="Ely Weekly")
            fields.add_field(session, "town", label="Your town", kind=FieldKind.TEXT)
            trades = ["I farm", "I teach"]
            fields.add_field(session, "trade", label="Your trade", kind=FieldKind.CHOICE, choices=trades, required=True)
            fields.add_field(session, "born", label="Your birthday", kind=FieldKind.DATE)
        yield site


def later(site: TestSite) -> None:
    site.clock.now += timedelta(seconds=5)


def test_every_state_in_place(chromium: Browser, site: TestSite) -> None:
    """U5: idle, invalid, offline, once more, sent; by the keyboard alone."""
    with opened(chromium, site) as page:
        page.goto(site.base_url + FORM)
        check(page)
        page.get_by_label("Your e-mail address").press("Enter")
        address = page.get_by_label("Your e-mail address")
        expect(address).to_be_focused()
        expect(address).to_have_attribute("aria-invalid", "true")
        alerts = page.get_by_role("alert")
        expect(alerts).to_have_text(["Please check the address: it is empty.", "Please fill this in."])
        assert str(address.get_attribute("aria-describedby")).split()[0] == alerts.first.get_attribute("id")
        check(page)
        address.fill("ann@example.org")
        page.get_by_label("Your trade").select_option("I farm")
        page.context.set_offline(True)
        address.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Please look whether you are online")
        expect(page.get_by_role("button")).to_have_text("Sign up")
        check(page)
        page.context.set_offline(False)
        address.press("Enter")
        button = page.get_by_role("button", name="Yes, sign me up")
        expect(button).to_be_focused()
        expect(page.get_by_role("alert")).to_have_count(0)
        check(page)
        later(site)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Please look at your inbox")).to_be_visible()
        expect(page.get_by_role("status")).to_be_focused()
        check(page)
    site.wait_for_mail(1)
    assert site.subscription(1).answers == {"field:trade": "I farm"}


def test_while_it_is_sent_it_is_busy_and_not_sent_twice(chromium: Browser, site: TestSite) -> None:
    with opened(chromium, site) as page:
        page.goto(site.base_url + FORM)
        later(site)
        page.get_by_label("Your e-mail address").fill("ann@example.org")
        page.get_by_label("Your trade").select_option("I farm")
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route(f"{site.base_url}{FORM}", hold)
        button = page.get_by_role("button")
        button.click()
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_have_text("One moment…")
        expect(page.get_by_role("status")).to_have_text("One moment…")
        page.keyboard.press("Enter")
        check(page)
        assert len(held) == 1
        held[0].continue_()
        expect(page.get_by_role("heading", name="Please look at your inbox")).to_be_visible()


def test_too_many_are_asked_to_wait(chromium: Browser, sqlite_database: Database) -> None:
    with served(sqlite_database, rules=Rules(per_network=1)) as site, opened(chromium, site) as page:
        for address in ("ann@example.org", "bob@example.org"):
            page.goto(site.base_url + FORM)
            later(site)
            page.get_by_label("Your e-mail address").fill(address)
            page.get_by_role("button").click()
            expect(page.get_by_role("status")).not_to_be_empty()
            expect(page.get_by_role("button", name="One moment…")).to_have_count(0)
        expect(page.get_by_role("status")).to_contain_text("Too many sign-ups at once. Many sign-ups have come")
        check(page)


def test_a_browser_works_for_its_sign_up(chromium: Browser, sqlite_database: Database) -> None:
    """The work takes the place of one more press."""
    with served(sqlite_database, rules=Rules(proof_of_work=True)) as site, opened(chromium, site) as page:
        page.goto(site.base_url + FORM)
        later(site)
        page.get_by_label("Your e-mail address").fill("ann@example.org")
        page.get_by_role("button").click()
        expect(page.get_by_role("heading", name="Please look at your inbox")).to_be_visible(timeout=60_000)
        site.wait_for_mail(1)


def test_axe_finds_nothing_on_any_page(chromium: Browser, site: TestSite) -> None:
    site.issue(7)
    subscription_id = site.reader("ann@example.org", SubscriptionState.PENDING)
    for path in ("/", "/?edition=ely", FORM, f"{FORM}/embed", f"{FORM}/embed/frame", "/nowhere"):
        assert axe_findings(chromium, site.base_url + path) == [], path
    assert axe_findings(chromium, f"{site.base_url}/c/{site.confirm_token(subscription_id)}") == []


def test_the_page_for_other_sites(chromium: Browser, site: TestSite) -> None:
    with opened(chromium, site) as page:
        page.goto(f"{site.base_url}{FORM}/embed")
        check(page)


def test_the_frame_on_another_site(chromium: Browser, site: TestSite) -> None:
    """Also without JavaScript the form and its answer stay in the frame."""
    with opened(chromium, site) as page:
        page.goto(f"{site.base_url}{FORM}/embed")
        snippet = page.locator("pre").nth(1).inner_text()
    blog = f"<!DOCTYPE html><title>Blog</title><h1>A blog</h1>{snippet}"
    with other_site(blog) as elsewhere, opened(chromium, site, elsewhere) as page:
        page.goto(elsewhere)
        frame = page.frame_locator("iframe")
        frame.get_by_label("Your e-mail address").fill("ann@example.org")
        frame.get_by_label("Your trade").select_option("I farm")
        later(site)
        frame.get_by_role("button").click()
        expect(frame.get_by_role("heading", name="Please look at your inbox")).to_be_visible()
        expect(page.get_by_role("heading", name="A blog")).to_be_visible()
        site.wait_for_mail(1)


def test_the_script_on_another_site(chromium: Browser, site: TestSite) -> None:
    with opened(chromium, site) as page:
        page.goto(f"{site.base_url}{FORM}/embed")
        snippet = page.locator("pre").first.inner_text()
    blog = f"<!DOCTYPE html><html lang=en><title>Blog</title><h1>A blog</h1>{snippet}<p>The end</p>"
    with other_site(blog) as elsewhere, opened(chromium, site, elsewhere) as page:
        page.goto(elsewhere)
        address = page.get_by_label("Your e-mail address")
        address.fill("ann")
        page.get_by_role("button").click()
        expect(page.get_by_role("alert").first).to_have_text("Please check the address: it has no @-sign.")
        box = page.locator("input[name=website]").bounding_box()
        assert box is None or box["width"] <= 1 or page.locator(".unused").evaluate("one => one.style.clipPath") != ""
        address.fill("ann@example.org")
        page.get_by_label("Your trade").select_option("I farm")
        later(site)
        page.get_by_role("button").click()
        expect(page.get_by_role("heading", name="Please look at your inbox")).to_be_visible()
        site.wait_for_mail(1)
        page.goto(link_in(site.provider.sent[0], "c"))
        page.get_by_role("button", name="Yes, put me on the list").click()
        assert site.state(1) is SubscriptionState.CONFIRMED


def test_from_right_to_left(chromium: Browser, sqlite_database: Database, tmp_path: Path) -> None:
    """The form begins at the right, an address still reads from the left."""
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    (tmp_path / "words").mkdir()
    said = f'{head}msgid "Your e-mail address"\nmsgstr "عنوان بريدك الإلكتروني"\n'
    (tmp_path / "words" / "ar.po").write_text(said, encoding="utf-8")
    with served(sqlite_database, templates=tmp_path) as site:
        with site.db.transaction() as session:
            builders.newsroom(session, "levant", name="أسبوع المشرق", language="ar")
        with opened(chromium, site) as page:
            page.goto(f"{site.base_url}/editions/levant")
            assert page.evaluate("document.documentElement.dir") == "rtl"
            check(page)
            field = page.get_by_label("عنوان بريدك الإلكتروني")
            assert field.evaluate("one => getComputedStyle(one).direction") == "ltr"
            edges = "[document.querySelector('button'), document.querySelector('.sheet')].map(one => one.getBoundingClientRect().right)"
            button, sheet = page.evaluate(edges)
            assert sheet - button < 40
            page.goto(f"{site.base_url}/?lang=ar")
            check(page)
