"""T4: what the mail uses inline is drawn by the mail programs that people have (email.md, "Policy"; caniemail's data).

A feature that is used inline must be drawn, at least almost, by Gmail, Apple Mail, Outlook.com, Yahoo and Samsung. Word
may fail on those that only refine. The first kept block must be legal in Gmail on the web; the others are free.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.mail.view import MailView, style

_GMAIL_WEB = "gmail.desktop-webmail"
_GMAIL_MOBILE_WEB = frozenset({"gmail.mobile-webmail"})
_YAHOO = frozenset({"yahoo.desktop-webmail", "yahoo.ios", "yahoo.android"})
_YAHOO_APPS = frozenset({"yahoo.ios", "yahoo.android"})
_WINDOWS_MAIL = frozenset({"outlook.windows-mail"})
_WORD = ("outlook.windows", "outlook.windows-mail")

DATA = Path(__file__).parent.parent / "data" / "caniemail.json"
#: What Word need not draw: without it the mail is as readable, with other corners, widths or breaks.
WORD_MAY_FAIL = frozenset(
    f"css-{name}"
    for name in ("border-radius", "max-width", "float", "opacity", "overflow", "max-height", "word-break", "outline")
)
#: Where a client fails a feature that we use all the same: which, and why.
EXCUSED = {
    "css-display-none": (_GMAIL_MOBILE_WEB, "the hidden line has max-height:0 with overflow:hidden, too"),
    "css-opacity": (_GMAIL_MOBILE_WEB, "the hidden line has max-height:0 with overflow:hidden, too"),
    "css-height": (_YAHOO, "becomes min-height; height:auto on a picture without a height says the same"),
    "css-word-break": (_YAHOO, "long words may stick out there; nothing else breaks them (R16)"),
    "html-aria-label": (_YAHOO | _WINDOWS_MAIL, "for screen readers only; the mail program names the mail itself"),
    "html-role": (_WINDOWS_MAIL, "for screen readers only"),
    "html-body": (_YAHOO_APPS, "all that body has stands on the wrapper again (R3)"),
}
#: Declarations that caniemail has no entry for.
KNOWN_PROPERTIES = {
    "color": "as old as CSS; Gmail's list of supported CSS has it",
    "font-family": "as old as CSS; Gmail's list of supported CSS has it",
    "-webkit-text-size-adjust": "only WebKit enlarges text on its own; all others ignore it",
    "border-width": "a part of border",
    "border-style": "a part of border",
    "border-color": "a part of border",
    "font-style": "as old as CSS; Gmail's list of supported CSS has it",
}
KNOWN_ELEMENTS = {
    "html": "replaced by webmail; what it has stands on the wrapper again (R3)",
    "head": "dropped by webmail",
    "title": "not shown",
    "meta": "dropped by webmail",
    "a": "every mail program has links",
    "br": "every mail program breaks lines",
}
KNOWN_ATTRIBUTES = {
    "class": "for the kept blocks only",
    "style": "what this test is about",
    "href": "links",
    "src": "pictures",
    "alt": "pictures; part of html-img",
    "border": "on tables: for Word and the oldest programs",
    "bgcolor": "for Word; the same colour stands in the style (R28)",
    "aria-roledescription": "for screen readers only",
    "xmlns": "for Word",
    "xmlns:v": "for Word",
    "xmlns:o": "for Word",
    "name": "on meta",
    "content": "on meta",
    "http-equiv": "on meta",
}
_ELEMENTS = {
    **dict.fromkeys(("table", "tr", "td", "tbody"), "html-table"),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "html-h1-h6"),
    **dict.fromkeys(("strong", "b", "em", "i"), "html-strong"),
    **dict.fromkeys(("ul", "ol", "li"), "html-lists"),
    **dict.fromkeys(("article", "header", "footer", "section", "main", "nav", "aside"), "html-semantics"),
}
#: Properties that caniemail tells of under another name.
_PROPERTIES = re.compile(r"(margin|padding|border)-(?:top|right|bottom|left)(?:-(?:width|style|color))?")
_LOGICAL = re.compile(r"(margin|padding|border)-(?:inline|block)(-(?:start|end))?")
_VALUES = (
    (r"\dpx\b", "css-unit-px"),
    (r"\d%", "css-unit-percent"),
    (r"\drem\b", "css-unit-rem"),
    (r"\dem\b", "css-unit-em"),
    (r"\dvw\b", "css-unit-vw"),
    (r"\dvh\b", "css-unit-vh"),
    (r"\dpt\b", "css-unit-pt"),
    (r"\dch\b", "css-unit-ch"),
    (r"calc\(", "css-unit-calc"),
    (r"clamp\(", "css-function-clamp"),
    (r"\bmin\(", "css-function-min"),
    (r"\bmax\(", "css-function-max"),
    (r"light-dark\(", "css-function-light-dark"),
    (r"var\(", "css-variables"),
    (r"url\(", "css-background-image"),
    (r"linear-gradient\(", "css-linear-gradient"),
    (r"(?:rgb|hsl)a?\([^,)]* [^,)]*\)|oklch\(|lab\(", "css-modern-color"),
    (r"rgba\(", "css-rgba"),
    (r"rgb\(", "css-rgb"),
    (r"!important", "css-important"),
    (r"\binitial\b", "css-unit-initial"),
)
_DISPLAYS = {"none": "css-display-none", "flex": "css-display-flex", "grid": "css-display-grid"}


@cache
def data() -> dict[str, dict[str, str]]:
    """Return feature -> client -> y, a, n or u."""
    read = json.loads(DATA.read_text(encoding="utf-8"))
    return {name: dict(zip(read["clients"], marks, strict=True)) for name, marks in read["features"].items()}


def problems(view: MailView) -> Iterator[str]:
    """Yield each feature that a mail program does not draw, and each that caniemail does not know and nobody explained."""
    for feature in sorted(used(view.root)):
        yield from judged(feature)
    for feature in sorted(used_in_block(view.styles[0])) if view.styles else ():
        mark = data().get(feature, {}).get(_GMAIL_WEB)
        if mark is None and feature.removeprefix("css-") not in KNOWN_PROPERTIES:
            yield f"T4: caniemail does not know {feature}, which the first style block uses"
        elif mark in {"n", "u"}:
            yield f"T4: Gmail on the web does not take {feature}, which the first style block uses"


def judged(feature: str) -> Iterator[str]:
    """Yield what the policy has against a feature that is used inline."""
    kind, _, name = feature.partition("-")
    known = {"css": KNOWN_PROPERTIES, "element": KNOWN_ELEMENTS, "attribute": KNOWN_ATTRIBUTES}.get(kind, {})
    if name in known:
        return
    if feature not in data():
        yield f"T4: caniemail does not know {feature}, which is used inline"
        return
    failing = [client for client, mark in data()[feature].items() if mark not in {"y", "a"}]
    failing = [client for client in failing if client not in _WORD or feature not in WORD_MAY_FAIL]
    excused, _ = EXCUSED.get(feature, (frozenset(), ""))
    if failing := [client for client in failing if client not in excused]:
        yield f"T4: {feature} is used inline and not drawn by {', '.join(failing)}"


def used(root: Any) -> set[str]:
    """Return the features that elements, attributes and style attributes use, by caniemail's names."""
    found: set[str] = set()
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag == "style":
            continue  # a kept block is not inline: the mail is the same without it (R15)
        found.add(_element(element.tag))
        found |= {_attribute(name) for name in element.attrib}
        found |= set(_addresses(element))
        for name, value in style(element).items():
            found |= declared(name, value)
    return found


def _element(tag: str) -> str:
    feature = _ELEMENTS.get(tag, f"html-{tag}")
    return feature if feature in data() else f"element-{tag}"


def _attribute(name: str) -> str:
    known = f"html-{name}" in data() and name not in KNOWN_ATTRIBUTES  # html-style is the element
    return f"html-{name}" if known else f"attribute-{name}"


def _addresses(element: Any) -> Iterator[str]:
    href, source = element.get("href", ""), element.get("src", "")
    if href.startswith("#"):
        yield "html-anchor-links"
    if href.startswith("mailto:"):
        yield "html-mailto-links"
    if source.startswith("data:"):
        yield "image-base64"
    if ending := re.search(r"\.(apng|avif|bmp|gif|heif|jpg|png|svg|tiff|webp)$", source):
        yield f"image-{ending[1]}"


def declared(name: str, value: str) -> set[str]:
    """Return the features that one declaration uses; what begins with mso- is for Word and unknown elsewhere."""
    if name.startswith("mso-"):
        return set()
    if longhand := _PROPERTIES.fullmatch(name):
        found = {f"css-{longhand[1]}"}
    elif logical := _LOGICAL.fullmatch(name):
        found = {f"css-{logical[1]}-inline-block"}
    else:
        found = {f"css-{name}"}
    if name == "display":
        found = {_DISPLAYS.get(value.removesuffix("!important"), "css-display")}
    return found | {feature for pattern, feature in _VALUES if re.search(pattern, value)}


def used_in_block(block: str) -> set[str]:
    """Return the features that a style block uses."""
    found = {f"css-at-{name}" for name in re.findall(r"@([\w-]+)", block)}
    for selector, body in re.findall(r"([^{}@]+)\{([^{}]*)\}", block):
        for name, value in re.findall(r"([\w-]+):([^;]+)", body):
            found |= declared(name, value)
        found |= {f"css-pseudo-class-{name}" for name in re.findall(r":([\w-]+)", selector)}
        found |= {feature for mark, feature in _SELECTORS.items() if mark in selector.strip()}
    return found


_SELECTORS = {
    ".": "css-selector-class",
    "#": "css-selector-id",
    "[": "css-selector-attribute",
    ">": "css-selector-child",
    "+": "css-selector-adjacent-sibling",
    "~": "css-selector-general-sibling",
    "*": "css-selector-universal",
    ",": "css-selector-grouping",
}
