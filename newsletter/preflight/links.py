"""The links of a mail: R29 and R37 to R41."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.preflight.finding import OPEN, Finding, errors, warnings
from newsletter.preflight.page import Element
from newsletter.preflight.reading import MARKS, Reading, inherited, is_inside, parts_of, pixels
from newsletter.preflight.vague_texts import VAGUE_TEXTS
from newsletter.render.text import display_text, shortened

_WEB = frozenset({"http", "https"})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "center", "dd", "details", "div", "dl", "dt", "fieldset", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre",
    "section", "table", "tbody", "td", "th", "tr", "ul", "a",
})  # fmt: skip
_SHORTENERS = frozenset({
    "bit.ly", "bitly.com", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "buff.ly", "cutt.ly", "rebrand.ly",
    "t.ly", "tiny.cc", "rb.gy", "shorturl.at", "lnkd.in", "v.gd", "qr.ae", "clck.ru", "bl.ink",
})  # fmt: skip
_NUMBERS = re.compile(r"\d+(\.\d+){3}|\[.*\]|.*:.*")
#: Pixels: how high a link is at least that stands alone, and a button (R40, R41).
_TARGET, _BUTTON = 24, 44


def blocks(reading: Reading) -> Iterator[Finding]:
    """R29: Outlook and keyboards lose a link that holds more than text and pictures."""
    wrong = [
        f"{reading.page.place(inner)} in a link"
        for link in reading.page.all("a")
        for inner in reading.page.within(link)
        if inner.tag in _BLOCKS
    ]
    fix = "Put the link into the heading or paragraph, not around it."
    yield from errors("R29", "A link is wrapped around a block", wrong, fix)


def addresses(reading: Reading) -> Iterator[Finding]:
    """R37: complete, https, and somewhere readers can go."""
    found = dict.fromkeys(one.attributes.get("href", "") for one in reading.links)
    wrong = [_quoted(one) for one in found if not _is_address(one)]
    fix = "Correct what prints it: a complete address that starts with https://."
    yield from errors("R37", "A link is no complete web address", wrong, fix)
    if reading.is_trial:
        return
    web = [one for one in found if parts_of(one).scheme in _WEB]
    inside = [one for one in web if is_inside(one)]
    fix = "Correct the link; it leads to this machine or into a network of its own."
    yield from errors("R37", "No reader can open this link", map(_quoted, inside), fix)
    insecure = [one for one in web if parts_of(one).scheme == "http" and one not in inside]
    fix = "See whether the source has an https address."
    yield from warnings("R37", "A link is not https", map(_quoted, insecure), fix)
    hosts = {one: parts_of(one).hostname or "" for one in web if one not in inside}
    odd = [one for one, host in hosts.items() if host.removeprefix("www.") in _SHORTENERS or _NUMBERS.fullmatch(host)]
    fix = "Write the address that it leads to."
    yield from warnings("R37", "Spam filters distrust shortened links and numbers for hosts", map(_quoted, odd), fix)


def secrets(reading: Reading) -> Iterator[Finding]:
    """R42: what tells one reader from another stands in two links only; mails are passed on, and pictures report."""
    links = [one.attributes.get("href", "") for one in reading.links]
    carrying = [_quoted(one) for one in links if OPEN in one and one not in MARKS.values()]
    carrying += [
        _quoted(source) for one in reading.page.all("img") if OPEN in (source := one.attributes.get("src", ""))
    ]
    fix = "Take the hole out of the address."
    yield from warnings("R42", "An address tells who opens it", carrying, fix)
    parts = {"html": reading.shown_text, "text": reading.text}
    names = ("token", "delivery_id")
    shown = [f"{{hole.{name}}} in the {part}" for part, text in parts.items() for name in names if MARKS[name] in text]
    yield from warnings(
        "R42", "What signs a reader's links is shown to everybody who sees the mail", shown, "Take it out."
    )


def _is_address(address: str) -> bool:
    if address in MARKS.values():
        return True
    parts = parts_of(address)
    if any(letter.isspace() for letter in address):
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme in _WEB and bool(parts.hostname)


def _quoted(address: str) -> str:
    return f"“{shortened(display_text(address), 80)}”"


def texts(reading: Reading) -> Iterator[Finding]:
    """R38: a list of links alone must make sense, as screen readers read it."""
    leads: dict[str, set[str]] = {}
    empty, vague = [], []
    for link in reading.links:
        name = display_text(reading.page.name_of(link))
        address = link.attributes.get("href", "")
        if not name:
            empty.append(_quoted(address))
        else:
            leads.setdefault(name.casefold(), set()).add(address)
            if name.casefold().strip(" .…>»›→:!") in VAGUE_TEXTS:
                vague.append(f"“{name}”")
    yield from errors("R38", "A link has no text", empty, "Write what it leads to, or an alt text for its picture.")
    fix = "Say where it leads, such as “Read the full story at ERR News”."
    yield from warnings("R38", "A link's text does not say where it leads", vague, fix)
    same = [f"“{shortened(name, 60)}” ({len(places)} addresses)" for name, places in leads.items() if len(places) > 1]
    fix = "Give each its own text."
    yield from warnings("R38", "Links with the same text lead to different places", same, fix)
    anchors = [one for one in reading.page.all("a") if not one.is_hidden and "href" not in one.attributes]
    yield from errors("R37", "A link leads nowhere", map(reading.page.place, anchors), "Give it an address.")


def looks(reading: Reading) -> Iterator[Finding]:
    """R39, R40, R41: links are seen as links, and hit with a finger."""
    page = reading.page
    plain = [one for one in reading.links if page.text_of(one) and _is_plain(one)]
    fix = "Underline it, inline; headings and buttons need no line."
    yield from warnings("R39", "A link in text is told by its colour alone", map(page.place, plain), fix)
    buttons = [one for one in reading.links if "background-color" in one.style]
    low = [one for one in buttons if not _is_high(one)]
    fix = "Write line-height:24px and 10 pixels of padding or more above and below."
    yield from warnings("R40", f"A button is lower than {_BUTTON} pixels", map(page.place, low), fix)
    spaces = sum("mso-font-width" in one.style for one in reading.page.word)
    bare = buttons[spaces // 2 :]
    fix = "Put the two spaces for Word beside its text, as the macro `button` does."
    yield from warnings("R40", "Word draws a button without its padding", map(page.place, bare), fix)
    alone = [
        one
        for one in reading.links
        if one not in buttons and one.parent and page.text_of(one) == page.text_of(one.parent)
    ]
    small = [one for one in alone if page.text_of(one) and 0 < _line(one) < _TARGET]
    fix = f"Write a line height of {_TARGET} pixels or more."
    yield from warnings("R41", "A link is too low for a finger", map(page.place, small), fix)


def _is_plain(link: Element) -> bool:
    if link.inside("h1", "h2", "h3", "h4") or "background-color" in link.style:
        return False
    return not is_underlined(link)


def is_underlined(link: Element) -> bool:
    """Return whether the link has the line that mail programs give it, or one of its own."""
    return "none" not in link.style.get("text-decoration", link.style.get("text-decoration-line", ""))


def _line(element: Element) -> float:
    return pixels(inherited(element, "line-height")) or 0


def _is_high(button: Element) -> bool:
    sides = (button.style.get("padding", "0") + " ").split()
    above = pixels(button.style.get("padding-top", sides[0])) or 0
    below = pixels(button.style.get("padding-bottom", sides[2 if len(sides) > 2 else 0])) or 0
    return _line(button) + above + below >= _BUTTON


RULES = (blocks, addresses, secrets, texts, looks)
