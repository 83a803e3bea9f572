"""T1, tables and style attributes: what Word, Gmail and Outlook need (R17 to R33, R49, R51)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.mail.view import MailView, is_hidden, pixels, style, words

#: The most levels of tables, and pixels across.
DEPTH, WIDTH = 5, 600
SMALLEST = 14
#: Drawn by no mail program, by few, or wrongly (R25, R28, R31, R51).
PROPERTIES = re.compile(
    r"(flex|grid|gap|position|top|left|right|bottom|inset|box-shadow|object-fit|background-image|background|transform"
    r"|filter|z-index|animation|transition|content|letter-spacing|text-transform|font-style)(-.*)?"
    r"|.*-(inline|block)(-.*)?"
)
ALLOWED = re.compile(r"background-color|font-style")
VALUES = re.compile(
    r"\b(calc|min|max|clamp|var|url|rgba?|hsla?|linear-gradient)\(|\d(rem|em|vw|vh|vmin|vmax|ch|ex|pt|cm|mm|in|pc)\b"
    r"|\d\.\d+px|#(?![0-9A-Fa-f]{6}(?![0-9A-Za-z]))|[\"'\\<]|!important|^(inherit|initial|unset)$"
)
COLOURS = ("color", "background-color", "border-color")
#: Elements that hold running text.
TEXT = ("p", "h1", "h2", "h3", "h4", "li")
UNSLANTED = ("ar", "he", "fa", "ur", "yi", "ja", "zh", "ko", "hi", "mr", "ne", "th")


def problems(view: MailView) -> Iterator[str]:
    """Yield what is wrong with tables and style attributes, each as a sentence that begins with the rule."""
    if "style='" in view.html:
        yield "P12: a style attribute stands in single quotes"
    for element in view.root.iter():
        if isinstance(element.tag, str) and "style" in element.attrib:
            yield from _declarations(element)
    yield from _backgrounds(view)
    yield from _padding(view)
    yield from _type(view)
    for root in (view.root, view.word):
        yield from _tables(root)
    yield from _bands(view)
    yield from _floats(view)
    yield from _sides(view)


def _declarations(element: Any) -> Iterator[str]:
    where = f"<{element.tag}>"
    for name, value in style(element).items():
        if PROPERTIES.fullmatch(name) and not ALLOWED.fullmatch(name):
            yield f"R25: {where} has {name}"
        elif name == "opacity" and not is_hidden(element):
            yield f"R25: {where} has {name} and is seen"
        elif name == "display" and value not in {"none", "block", "inline-block"}:
            yield f"R25: {where} has display:{value}"
        elif not name.startswith(("mso-", "-webkit-", "font-family")) and VALUES.search(value):
            yield f"R25, R28, R31: {where} has {name}:{value}"
        yield from _lengths(element, name, value)


def _lengths(element: Any, name: str, value: str) -> Iterator[str]:
    where, size = f"<{element.tag}>", pixels(value) or 0
    if name == "font-weight" and value not in {"400", "600", "700"}:
        yield f"R27: {where} has font-weight:{value}"
    if name == "font-family" and re.search("[\"']|&quot;", value):
        yield f"R32: {where} names a font in quotes"
    if name == "font-size" and size < SMALLEST and not is_hidden(element):
        yield f"R49: {where} has font-size:{value}"
    if name == "line-height" and size < SMALLEST:
        yield f"R26: {where} has line-height:{value}"
    if name in {"width", "max-width", "min-width"} and size > WIDTH:
        yield f"R17: {where} has {name}:{value}"


def _backgrounds(view: MailView) -> Iterator[str]:
    for element in view.root.iter("td", "body", "table", "tr"):
        colour, attribute = style(element).get("background-color"), element.get("bgcolor")
        if colour != attribute:
            yield f"R28: <{element.tag}> has bgcolor={attribute!r} and background-color:{colour}"
    for element in view.root.xpath("//*[@bgcolor][not(self::td or self::body or self::table or self::tr)]"):
        yield f"P5: <{element.tag}> has bgcolor"


def _padding(view: MailView) -> Iterator[str]:
    for element in view.root.iter():
        if not isinstance(element.tag, str) or element.tag in {"td", "table", "body"}:
            continue
        padded = any(name.startswith("padding") and pixels(value) != 0 for name, value in style(element).items())
        if padded and not is_button(element):
            yield f"R23: <{element.tag}> has padding, which Word knows on cells only"
    for element in view.root.iter(*TEXT):
        margin = style(element).get("margin", "")
        if not margin:
            yield f"R23: <{element.tag}> leaves its margins to the browser: {words(element)[:40]}"
        elif any((pixels(one) or 0) < 0 or one == "auto" for one in margin.split()):
            yield f"R31: <{element.tag}> has margin:{margin}"


def is_button(link: Any) -> bool:
    """Return True for a link that is drawn as a button."""
    return link.tag == "a" and "background-color" in style(link)


def _type(view: MailView) -> Iterator[str]:
    """R30: every text is fully set in its own cell, since Word and GMX forget what comes from outside a table."""
    needed = ("font-family", "font-size", "line-height", "color")
    for element in view.root.iter(*TEXT, "td"):
        own = [element.text or "", *(child.tail or "" for child in element)]
        if is_hidden(element) or (element.tag == "td" and not "".join(own).strip()):
            continue
        missing = [name for name in needed if name not in _set_in_cell(element)]
        if missing:
            yield f"R30: <{element.tag}> does not set {', '.join(missing)}: {words(element)[:40]}"
    for link in view.root.iter("a"):
        if "color" not in style(link):
            yield f"R30: a link leaves its colour to the mail program: {words(link)[:40]}"
        elif is_button(link) and any(name not in style(link) for name in needed):
            yield f"R30: a button does not set all of {', '.join(needed)}"


def _set_in_cell(element: Any) -> set[str]:
    """Return the properties that are set on the element or above it, up to its cell."""
    found = set(style(element))
    for one in element.iterancestors() if element.tag != "td" else ():
        found |= set(style(one))
        if one.tag == "td":
            break
    return found


def _tables(root: Any) -> Iterator[str]:
    for table in root.iter("table"):
        if table.get("role") != "presentation":
            yield "R24: a table is not marked as layout"
        if [table.get(name) for name in ("cellpadding", "cellspacing", "border")] != ["0", "0", "0"]:
            yield "R24: a table leaves padding, spacing or border to the mail program"
        if len(list(table.iterancestors("table"))) >= DEPTH:
            yield f"R24: tables are nested more than {DEPTH} deep"
    for element in root.xpath("//*[@width or @align]"):
        width, align = element.get("width"), element.get("align")
        if width and not re.fullmatch(r"\d+%?", width):
            yield f"R21: <{element.tag}> has width={width!r}"
        elif width and "%" not in width and int(width) > WIDTH:
            yield f"R17: <{element.tag}> is {width} pixels wide"
        if align not in {None, "left", "right", "center"}:
            yield f"P5: <{element.tag}> has align={align!r}"


def _bands(view: MailView) -> Iterator[str]:
    bands = view.ground.findall("table")
    for band in bands:
        css = style(band)
        if (band.get("align"), band.get("width"), css.get("max-width")) != ("center", "100%", f"{WIDTH}px"):
            yield "R17: a band is not centred, 100 % wide and at most 600 pixels"
        if len(band.xpath(".//h3")) > 1:
            yield "R18: a band holds several stories; Word tears tall tables"
    if not bands:
        yield "R17: there are no bands"
    ghosts = [table for table in view.word.iter("table") if not list(table.iterancestors("table"))]
    if len(ghosts) != len(bands) or any((one.get("width"), one.get("align")) != ("600", "center") for one in ghosts):
        yield "R17: Word does not get a table of 600 pixels around each band"
    loose = [element for element in view.ground if element.tag in {"p", "h1", "h2", "h3", "img", "a"}]
    loose += [element for element in view.ground.findall("div") if words(element) and not is_hidden(element)]
    yield from (f"R17: <{element.tag}> stands outside the bands" for element in loose)


def _floats(view: MailView) -> Iterator[str]:
    """R19: what floats has both spellings, and cells of its own in Word."""
    ghost = re.compile(r"<!--\[if mso\]><table[^>]*>\s*<tr>\s*<td[^>]*><!\[endif\]-->\s*$")
    seen = re.sub(r"<!--(?!\[if).*?-->", "", view.html, flags=re.DOTALL)
    for found in re.finditer(r"<(\w+)[^>]*\sstyle=\"[^\"]*\bfloat:\s*(\w+)[^>]*>", seen):
        if found[1] != "table":
            yield f"R19: <{found[1]}> floats; only a small table may"
        elif f'align="{found[2]}"' not in found[0]:
            yield "R19: a table floats by style only or to two sides"
        if not ghost.search(seen[: found.start()]):
            yield "R19: what floats has no cell of its own in Word"
    for found in re.finditer(r"<table[^>]*\salign=\"(left|right)\"[^>]*>", seen):
        if f"float:{found[1]}" not in found[0].replace("float: ", "float:"):
            yield "R19: a table floats by attribute only; Outlook on macOS ignores that"


def _sides(view: MailView) -> Iterator[str]:
    """R51: sides by their physical names, the right one for the direction, in every cell that Word gets."""
    start = "right" if view.direction == "rtl" else "left"
    for element in view.root.iter():
        if isinstance(element.tag, str) and style(element).get("text-align", start) not in {start, "center"}:
            yield f"R51: <{element.tag}> is set {style(element)['text-align']} in a mail that is read {view.direction}"
    aligned = [cell for cell in view.root.iter("td") if style(cell).get("text-align") == start]
    if not aligned:
        yield f"R51: no cell is set {start}"
    if view.direction == "rtl":
        for cell in view.word.xpath("//table[@width='600']/tr/td[not(@style)]"):
            if cell.get("dir") != "rtl":
                yield "R51: a cell that only Word gets is not read from right to left"
    language = str(view.root.get("lang", "")).partition("-")[0]
    slanted = [element.tag for element in view.root.iter("em", "i") if language in UNSLANTED]
    slanted += [one.tag for one in view.root.xpath("//*[@style]") if style(one).get("font-style") == "italic"]
    if slanted and language in UNSLANTED:
        yield f"R51: {language} is set in italics"
