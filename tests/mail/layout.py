"""T6, T7, T8, T17, T18: where things stand, measured in Chromium. Facts and sentences, never pixels of a picture."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from tests.mail.contrast import Pair
from tests.mail.pages import SCHEMES, WIDTHS, MailPage

#: Pixels of a line that show its colours.
_ENOUGH = 240
#: R18: Word tears tables that are taller than its page.
TALLEST = 1_700
_SIZE = "() => (e => [e.scrollHeight, e.scrollWidth, e.clientWidth])(document.documentElement)"
#: Every line of text and every picture that is seen: left, top, right, bottom, what it says, its place in the order.
_BOXES = """() => {
  const boxes = [], push = (r, what, kind) => r.width > 1 && r.height > 1
    && boxes.push([r.left + scrollX, r.top + scrollY, r.right + scrollX, r.bottom + scrollY, what, kind])
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT)
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    if (node.nodeType === 1) { if (node.tagName === "IMG") push(node.getBoundingClientRect(), node.src, "img"); continue }
    if (!node.data.trim() || !node.parentElement.checkVisibility()) continue
    const range = document.createRange()
    range.selectNodeContents(node)
    for (const r of range.getClientRects()) push(r, node.data.trim().slice(0, 40), "text")
  }
  return boxes
}"""
#: WCAG 2.2, 1.4.12: what a reader may set without losing anything.
_SPACING = """* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }
p, h1, h2, h3 { margin-bottom: 2em !important }"""
#: Elements that hide a part of their text.
_CUT = """() => [...document.querySelectorAll("[role=article], [role=article] *")].filter(e =>
  getComputedStyle(e).overflow !== "visible" && (e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1))
  .map(e => e.textContent.trim().slice(0, 40))"""

Box = tuple[float, float, float, float, str, str]


def size(page: MailPage) -> tuple[int, int, int]:
    """Return height and width of what can be scrolled, and the width of the window, in pixels."""
    height, width, window = page.measure(_SIZE)
    return height, width, window


def overflows(page: MailPage) -> list[str]:
    """Return each scheme and width at which the page in it scrolls sideways (R16)."""
    found = []
    for scheme in SCHEMES:
        page.page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            page.resize(width)
            _, scroll_width, window = size(page)
            if not scroll_width == window == width:
                found.append(f"R16: {scroll_width} pixels wide at {width}, {scheme}")
    page.page.emulate_media(color_scheme="light")
    return found


def boxes(page: MailPage) -> list[Box]:
    """Return every line of text and every picture that is seen, in the order of the document."""
    return [tuple(one) for one in page.measure(_BOXES)]


def overlapping(found: list[Box]) -> list[str]:
    """Return which texts or pictures cover one another. Lines may touch: letters are taller than their lines."""

    def core(box: Box) -> tuple[float, float]:
        inset = (box[3] - box[1]) * (0.2 if box[5] == "text" else 0)
        return box[1] + inset, box[3] - inset

    covered = []
    by_top = sorted(found, key=lambda box: core(box)[0])
    for at, one in enumerate(by_top):
        for other in by_top[at + 1 :]:
            if core(other)[0] >= core(one)[1] - 1:
                break
            if min(one[2], other[2]) - max(one[0], other[0]) > 1:
                covered.append(f"T8: {one[4]!r} and {other[4]!r} cover one another")
    return covered


def outside(found: list[Box], left: float, right: float) -> list[str]:
    """Return what stands outside a column."""
    return [
        f"R17: {box[4]!r} stands at {box[0]:.0f} to {box[2]:.0f}"
        for box in found
        if box[0] < left - 1 or box[2] > right + 1
    ]


def cut(page: MailPage) -> list[str]:
    """Return the texts of which a part is hidden."""
    return [f"T18: cut off: {text!r}" for text in page.measure(_CUT)]


def space_text(page: MailPage) -> None:
    """Set the text as wide as WCAG 1.4.12 lets a reader do."""
    page.change(_SPACING)


def tall_bands(page: MailPage) -> list[str]:
    """Return the bands that are taller than Word's page (R18)."""
    heights = page.measure("() => [...document.querySelectorAll('[role=article] > table')].map(t => t.offsetHeight)")
    return [f"R18: a band is {height} pixels tall" for height in heights if height > TALLEST]


def faint_texts(page: MailPage, least: float) -> list[str]:
    """Return the texts whose contrast, as drawn, is below `least`: for colours that no style tells (R58)."""
    shot = Image.open(io.BytesIO(page.page.screenshot(full_page=True))).convert("RGB")
    faint = []
    for left, top, right, bottom, text, _ in _lines(boxes(page)):
        area = (int(left), int(top), min(int(right) + 1, int(left) + _ENOUGH), int(bottom) + 1)
        if area[2] <= shot.width and area[3] <= shot.height:
            pair = _drawn(shot.crop(area), text)
            if pair.ratio < least:
                faint.append(f"R58: {pair.ratio:.1f}, {pair.colour} on {pair.ground}: {text!r}")
    return faint


def _lines(found: list[Box]) -> list[Box]:
    """Return the lines of text, each in one piece: runs of two directions stand side by side, some only a full stop."""
    lines: list[Box] = []
    for box in found:
        if box[5] != "text":
            continue
        last = lines[-1] if lines else None
        if last and last[4] == box[4] and abs(last[1] - box[1]) < 3:
            right, bottom = max(last[2], box[2]), max(last[3], box[3])
            lines[-1] = (min(last[0], box[0]), min(last[1], box[1]), right, bottom, box[4], box[5])
        else:
            lines.append(box)
    return lines


def _drawn(area: Image.Image, text: str) -> Pair:
    """Return the ground, which is the commonest colour, and the colour that differs most from it."""
    colours: list[Any] = sorted(area.getcolors(area.width * area.height) or [], reverse=True)
    ground = colours[0][1]
    pairs = (Pair(_named(colour), _named(ground), text) for _, colour in colours)
    return max(pairs, key=lambda pair: pair.ratio)


def _named(colour: tuple[int, int, int]) -> str:
    return "#{:02X}{:02X}{:02X}".format(*colour)
