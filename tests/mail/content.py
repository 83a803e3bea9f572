"""T1, what is said: hidden line, links, buttons, footer, headings, pictures (R19 to R22, R33 to R48)."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from tests.mail.styling import is_button
from tests.mail.view import MailView, inherited, is_hidden, pixels, style, words

#: Texts that say nothing of where a link leads (R38).
EMPTY_WORDS = {"click here", "here", "read more", "more", "link", "this", "learn more"}
BLOCKS = ["div", "p", "table", "td", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "hr"]
#: Characters of a hidden line at most (R34), of an alternative text (R47), pairs of filler (R35).
HIDDEN_LINE, ALT, FILLER = 130, 125, 60
HIDDEN = {
    "display": "none",
    "max-height": "0",
    "max-width": "0",
    "overflow": "hidden",
    "opacity": "0",
    "mso-hide": "all",
}
#: Pixels that a button is high at least, and a flag at most.
BUTTON, FLAG = 44, 20
SHORTENERS = {"bit.ly", "t.co", "tinyurl.com", "goo.gl", "ow.ly", "is.gd", "buff.ly"}


def problems(view: MailView) -> Iterator[str]:
    """Yield what is wrong with what is said, each as a sentence that begins with the rule."""
    yield from _hidden_line(view)
    for link in view.root.iter("a"):
        yield from _link(link)
    yield from _link_texts(view)
    yield from _buttons(view)
    yield from _pictures(view)
    yield from _headings(view)
    yield from _said(view)
    yield from _footer(view)


def _hidden_line(view: MailView) -> Iterator[str]:
    first = next((one for one in view.root.find("body") if isinstance(one.tag, str)), None)
    if first is None or first.tag != "div" or style(first) != HIDDEN:
        yield "R33: the body does not begin with a hidden line that is hidden honestly"
        return
    text = words(first)
    if not text or text == view.subject:
        yield "R34: the hidden line says nothing of its own"
    if len(text) > HIDDEN_LINE:
        yield f"R34: the hidden line has {len(text)} characters"
    if len(first) or first.get("aria-hidden"):
        yield "R36: the hidden line holds more than text, or is kept from screen readers"
    hidden = " ".join(
        one.text_content() for one in view.root.find("body") if isinstance(one.tag, str) and is_hidden(one)
    )
    if re.search("[\u200b-\u200f\ufeff\u00ad]", hidden) or hidden.count("\u034f") > FILLER:
        yield "R35: the hidden line is filled up with what some mail programs choke on"


def _link(link: Any) -> Iterator[str]:
    href, text = link.get("href", ""), words(link)
    parts = urlsplit(href)
    host = parts.hostname or ""
    if parts.scheme != "https" or "." not in host or host in SHORTENERS or _is_ip(host) or href.startswith("#"):
        yield f"R37: a link leads to {href!r}"
    images = [image for image in link.iter("img") if image.get("alt")]
    if not text and not images:
        yield f"R38: the link to {href!r} says nothing"
    if text.lower() in EMPTY_WORDS:
        yield f"R38: a link says only {text!r}"
    for tag in BLOCKS:
        if link.find(f".//{tag}") is not None:
            yield f"R29: <{tag}> stands in a link"
    heading = any(one.tag in {"h1", "h2", "h3"} for one in link.iterancestors())
    line = style(link).get("text-decoration", "")
    if not (heading or is_button(link) or not text) and line != "underline":
        yield f"R39: the link {text!r} is not underlined"
    if link.get("target"):
        yield "R37: a link asks for a window of its own"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _link_texts(view: MailView) -> Iterator[str]:
    places: dict[str, set[str]] = {}
    for link in view.root.iter("a"):
        places.setdefault(words(link), set()).add(link.get("href", ""))
    for text, addresses in places.items():
        if text and len(addresses) > 1:
            yield f"R38: {len(addresses)} different links say {text!r}"
    linked = set().union(*places.values()) if places else set()
    yield from (f"R42: nothing links to {address}" for address in view.wanted if address not in linked)
    yield from (f"R59: no link to the story {address}" for address in view.links if address and address not in linked)


def _buttons(view: MailView) -> Iterator[str]:
    """R40: padding for everybody, and for Word a raised space on either side."""
    for link in filter(is_button, view.root.iter("a")):
        css, cell = style(link), link.getparent()
        sides = [pixels(one) or 0 for one in css.get("padding", "0").split()]
        above, beside = sides[0], sides[1] if len(sides) > 1 else sides[0]
        border = pixels(css.get("border", "0").split()[0]) or 0
        if above * 2 + (pixels(css.get("line-height", "0")) or 0) + border * 2 < BUTTON or beside < 16:
            yield f"R40, R41: the button {words(link)!r} is hard to hit"
        if cell.tag != "td" or cell.get("bgcolor") != css.get("background-color"):
            yield "R40: the button's cell has not the button's colour"
        if css.get("mso-padding-alt") is None or css.get("text-decoration") != "none":
            yield "R40: Word would pad or underline the button"
        if str(_source(link)).count("mso-font-width") < 2:
            yield "R40: Word gets no space beside the button's words"


def _source(element: Any) -> str:
    from lxml import etree

    return str(etree.tostring(element, encoding="unicode"))


def _pictures(view: MailView) -> Iterator[str]:
    headlines = {headline.casefold() for headline in view.headlines}
    for image in view.root.iter("img"):
        css, alt, source = style(image), image.get("alt"), image.get("src", "")
        if alt is None:
            yield f"R21: the picture {source} has no alt"
            continue
        if urlsplit(source).scheme != "https" or not urlsplit(source).netloc:
            yield f"R21: the picture {source[:60]!r} is not at an https address"
        if re.search(r"\.(webp|avif|svg|heic)$", urlsplit(source).path):
            yield f"R22: Word does not draw {source}"
        width = image.get("width", "")
        if not width.isdecimal() or not image.get("height", "1").isdecimal():
            yield f"R21: the picture {source} has width={width!r} height={image.get('height')!r}"
            continue
        flag = int(width) <= FLAG
        if not re.match("0|none", css.get("border", "")) or (css.get("display") != "block" and not flag):
            yield f"R21: the picture {source} has a border or stands in a line"
        if css.get("height") != "auto" and not flag:
            yield f"R20: the picture {source} may be squeezed"
        yield from _alt(image, alt, headlines, flag=flag)


def _alt(image: Any, alt: str, headlines: set[str], *, flag: bool) -> Iterator[str]:
    if len(alt) > ALT or re.search(r"\.(jpe?g|png|gif)$", alt) or alt.casefold() in headlines or (flag and alt):
        yield f"R47: a picture's alt is {alt[:60]!r}"
    heading = any(one.tag == "h1" for one in image.iterancestors())  # where the name's picture is set like the name
    if alt and not heading and not {"font-size", "color", "background-color"} <= set(style(image)):
        yield f"R47: the alt {alt[:40]!r} is not fit to be read while pictures are off"


def _headings(view: MailView) -> Iterator[str]:
    headings = list(view.root.iter("h1", "h2", "h3", "h4", "h5", "h6"))
    levels = [int(heading.tag[1]) for heading in headings]
    if levels.count(1) != 1 or levels[:1] != [1]:
        yield f"R45: the headings' levels are {levels}; there is not one h1 that comes first"
    if any(below > above + 1 for above, below in pairwise(levels)):
        yield f"R45: the headings' levels are {levels}; one is skipped"
    for heading in headings:
        if not words(heading) and not heading.xpath(".//img[@alt!='']"):
            yield f"R45: an empty {heading.tag}"
    if view.headlines:
        said = [words(heading) for heading in headings]
        shown = [one for one in said if one in set(view.headlines)]
        if shown != [one for one in view.headlines if one]:
            yield "R45, R46: the headings are not the headlines in their order"
        levels_of = [heading.tag for heading in headings if words(heading) in set(view.headlines)]
        if levels_of and levels_of != ["h2", *["h3"] * (len(levels_of) - 1)]:
            yield f"R45: the headlines are {levels_of}"


def _said(view: MailView) -> Iterator[str]:
    """R42, R54, R59: who, when and where, once for each story."""
    for part, text in (("html", view.root.find("body").text_content()), ("text", view.text)):
        squeezed = "".join(text.split())
        for piece, times in Counter(view.said).items():
            found = squeezed.count("".join(piece.split()))
            if text and found < times:
                yield f"R59: the {part} part says {piece!r} {found} times, not {times} times"


def _footer(view: MailView) -> Iterator[str]:
    if not view.footer:
        return
    first = view.footer[0]
    for part, text in (("html", words(view.root.find("body"))), ("text", " ".join(view.text.split()))):
        places = [text.rfind(piece) for piece in view.footer]
        if -1 in places or places != sorted(places):
            missing = [piece for piece, place in zip(view.footer, places, strict=True) if place < 0]
            yield f"R42: the {part} part's footer is out of order or lacks {missing or 'nothing'}"
    body = view.root.xpath("//body//p | //body//td/a")
    why = next((one for one in body if first in words(one)), None)
    links = {link.get("href"): link for link in view.root.iter("a")}
    order = [address for address in links if address in view.wanted]
    if order != list(view.wanted) and set(view.wanted) <= set(links):
        yield "R42: preferences, unsubscribe and view do not follow in this order"
    for address in view.wanted:
        if why is None or address not in links:
            continue
        size, other = inherited(links[address], "font-size"), inherited(why, "font-size")
        if (pixels(size) or 0) < (pixels(other) or 0):
            yield f"R42: {words(links[address])!r} is smaller than the rest of the footer"
