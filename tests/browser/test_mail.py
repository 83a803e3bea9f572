"""The mail in Chromium: every width, light and dark, without styles, without pictures, with hostile text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route

from newsletter.render import Renderer, public_page
from tests import mail_fixtures as fixtures

pytestmark = pytest.mark.browser

RENDERER = Renderer()
ISSUES = {
    "ten": fixtures.issue(),
    "three": fixtures.issue(3),
    "no pictures": fixtures.issue(pictures=False),
    "arabic": fixtures.arabic_issue(),
    "long": fixtures.long_issue(),
    "hostile": fixtures.hostile_issue(),
}
MAILS = {name: RENDERER.issue(content, fixtures.NONCE).html_for(fixtures.VALUES) for name, content in ISSUES.items()}
MAILS["confirm"] = RENDERER.confirm(fixtures.confirm()).html
MAILS["sources"] = RENDERER.sources(fixtures.sources()).html
MAILS["public"] = public_page(
    RENDERER.issue(ISSUES["ten"], fixtures.NONCE).html, fixtures.NONCE, "https://news.example.org/sign-up"
)
WIDTHS = [320, 360, 375, 414, 480, 600, 768, 1200]
ADDRESS = "https://mail.example.org/"

every_mail = pytest.mark.parametrize("name", MAILS)
SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def open_mail(chromium: Browser) -> Iterator[Open]:
    """Opens html in one page, over and over. We serve the html and its pictures; every other request is refused."""
    html, with_pictures = "", True
    context = chromium.new_context()
    page = context.new_page()

    def answer(route: Route) -> None:
        url = route.request.url
        number = re.fullmatch(rf"{re.escape(fixtures.PICTURES)}(\d+)\.jpg", url)
        if url == ADDRESS:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif number and with_pictures:
            route.fulfill(body=fixtures.picture(int(number[1])), content_type="image/jpeg")
        else:
            route.abort()

    def opened(content: str, *, width: int = 600, scheme: Any = "light", pictures: bool = True) -> Page:
        nonlocal html, with_pictures
        html, with_pictures = content, pictures
        page.set_viewport_size({"width": width, "height": 600})
        page.emulate_media(color_scheme=scheme)
        page.goto(ADDRESS)
        return page

    page.route("**/*", answer)
    yield opened
    context.close()


def without_styles(html: str) -> str:
    """The mail as programs show it that drop every style block."""
    return re.sub("<style.*?</style>", "", html, flags=re.DOTALL)


def size(page: Page) -> tuple[int, int, int]:
    """Height and width of what can be scrolled, and the width of the window."""
    found = page.evaluate("(e => [e.scrollHeight, e.scrollWidth, e.clientWidth])(document.documentElement)")
    return found[0], found[1], found[2]


@every_mail
def test_nothing_sticks_out_at_any_width(open_mail: Open, name: str) -> None:
    """R16, R1: also with a 36-letter word and a 90-character address in headline, summary and source."""
    page = open_mail(MAILS[name])
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    for scheme, width in product(SCHEMES, WIDTHS):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 600})
        _, scroll_width, client_width = size(page)
        assert scroll_width == client_width == width


@every_mail
def test_the_mail_is_the_same_on_a_phone_without_any_style_block(open_mail: Open, name: str) -> None:
    """R15: the inline look is the phone's."""
    full = size(open_mail(MAILS[name], width=320))
    assert size(open_mail(without_styles(MAILS[name]), width=320)) == full


@every_mail
def test_without_style_blocks_nothing_sticks_out_on_a_desk(open_mail: Open, name: str) -> None:
    """R15, R17."""
    page = open_mail(without_styles(MAILS[name]), width=1200)
    assert size(page)[1] == 1200
    widest = page.evaluate("Math.max(...[...document.querySelectorAll('table')].map(t => t.offsetWidth))")
    assert widest == 600


def test_wide_screens_get_larger_type_and_pictures(open_mail: Open) -> None:
    """R15, R20: the one thing the first kept block does."""
    facts = """() => {
      const style = q => getComputedStyle(document.querySelector(q))
      return [style("h1").fontSize, style("h2").fontSize, style("img.thumb").width, style("td.pad").paddingLeft]
    }"""
    page = open_mail(MAILS["ten"], width=480)
    assert page.evaluate(facts) == ["32px", "26px", "96px", "16px"]
    page.set_viewport_size({"width": 481, "height": 600})
    assert page.evaluate(facts) == ["40px", "32px", "136px", "32px"]


@every_mail
def test_no_band_is_taller_than_words_page(open_mail: Open, name: str) -> None:
    """R18."""
    page = open_mail(MAILS[name], width=600)
    heights = page.evaluate("[...document.querySelectorAll('[role=article] > table')].map(t => t.offsetHeight)")
    assert max(heights) <= 1_700


@pytest.mark.parametrize("name", ["ten", "arabic", "no pictures"])
def test_reading_order_is_what_is_seen(open_mail: Open, name: str) -> None:
    """R46, R51: headings below one another, at one edge; the pictures at the other."""
    page = open_mail(MAILS[name], width=600)
    boxes = page.evaluate(
        """[...document.querySelectorAll('h1, h2, h3')].map(h => {
             const range = document.createRange(); range.selectNodeContents(h); return range.getBoundingClientRect() })
           .map(r => [r.left, r.right, r.top])"""
    )
    tops = [box[2] for box in boxes]
    assert tops == sorted(tops)
    start = 1 if name == "arabic" else 0
    assert {round(box[start]) for box in boxes} == {568 if name == "arabic" else 32}
    images = page.evaluate("[...document.querySelectorAll('img.thumb')].map(i => i.getBoundingClientRect().left)")
    assert {round(left) for left in images} <= {32 if name == "arabic" else 432}


#: The worst contrast of all text with what is behind it, that text, and how light the sheet is (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number)
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const behind = e => { while (rgb(getComputedStyle(e).backgroundColor)[3] === 0) e = e.parentElement
                        return rgb(getComputedStyle(e).backgroundColor) }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), worst = []
  for (let node; node = walker.nextNode();) {
    const box = node.parentElement
    if (!node.data.trim() || !box.getClientRects().length) continue
    const [a, b] = [light(rgb(getComputedStyle(box).color)), light(behind(box))].sort((x, y) => y - x)
    worst.push([(a + 0.05) / (b + 0.05), node.data.slice(0, 40)])
  }
  return [worst.sort((x, y) => x[0] - y[0])[0], light(behind(document.querySelector("td.sheet")))]
}"""


@every_mail
def test_all_text_can_be_read(open_mail: Open, name: str) -> None:
    """R48, R55: every text has a contrast of 5.5 at least, and dark is dark."""
    page = open_mail(MAILS[name])
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        (contrast, text), sheet = page.evaluate(CONTRAST)
        assert contrast >= 5.5, text
        assert (sheet < 0.05) is (scheme == "dark")


def test_a_mail_without_pictures_is_a_finished_page(open_mail: Open) -> None:
    """Design, point 5: a description in a tinted box, never an empty one, and nothing wider than it was."""
    page = open_mail(MAILS["ten"], width=320, pictures=False)
    assert size(page)[1] == 320
    boxes = page.evaluate("[...document.images].map(i => [i.alt, i.offsetHeight, getComputedStyle(i).backgroundColor])")
    for alt, height, background in boxes:
        assert (height > 0) is bool(alt)
        assert not alt or background == "rgb(237, 233, 224)"


def test_the_first_screen_of_a_small_phone_has_the_whole_lead_headline(open_mail: Open) -> None:
    """Design, point 1: name, date, picture and headline on 320 by 568."""
    page = open_mail(MAILS["ten"], width=320)
    assert page.evaluate("document.querySelector('h2').getBoundingClientRect().bottom") <= 568


def test_links_can_be_hit_with_a_finger(open_mail: Open) -> None:
    """R41, R40: links of the footer are 24 pixels apart, the button is 44 high."""
    page = open_mail(MAILS["ten"], width=320)
    centres = page.evaluate(
        "[...document.querySelectorAll('.choice a')].map(a => a.getBoundingClientRect()).map(r => r.top + r.height / 2)"
    )
    assert len(centres) == 3
    assert all(below - above >= 24 for above, below in pairwise(centres))
    assert page.evaluate("document.querySelector('a.button').offsetHeight") >= 44


@pytest.mark.parametrize("public", [False, True])
def test_hostile_text_does_nothing(open_mail: Open, public: bool) -> None:
    """Threat 4: no dialog, no script, no request but for the pictures; scripts are on in this browser."""
    html = MAILS["hostile"]
    if public:
        mail = RENDERER.issue(ISSUES["hostile"], fixtures.NONCE)
        html = public_page(mail.html, fixtures.NONCE, "https://news.example.org/sign-up")
    page = open_mail("<!DOCTYPE html>")
    asked: list[str] = []
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", dismiss)
    open_mail(html)
    page.remove_listener("dialog", dismiss)
    assert dialogs == []
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.querySelectorAll('[onerror], [onload], iframe, form').length") == 0
    assert [url for url in asked if url != ADDRESS and not url.startswith(fixtures.PICTURES)] == []
    assert "alert(1)" in page.inner_text("body")
