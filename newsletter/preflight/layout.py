"""How a mail is built from tables and pictures: R15 to R24, as far as it can be told without drawing it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from newsletter.preflight.finding import Finding, errors, warnings
from newsletter.preflight.page import Element, Page
from newsletter.preflight.reading import WIDEST, Reading, is_inside, parts_of, pixels, shown_words, whole
from newsletter.render import Language
from newsletter.render.text import shortened

#: Pixels: the narrowest that a phone is, and a sign that stands in a line of text.
_PHONE, _SIGN = 320, 24
_DEPTH = 5
_OPENS_CELL = re.compile(r"\[if[^\]]*mso.*<td[^>]*>\s*<!\[endif\]$", re.DOTALL)
_POOR = (".webp", ".avif", ".svg", ".bmp", ".tif", ".tiff", ".heic")
_TEXTS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "li")
_SIDES = ("top", "right", "bottom", "left")
#: Pixels: what margins and padding take from a phone's width at most, the narrowest column, the highest gap.
_MOST_BESIDE, _SLIM, _GAP = 80, 120, 120
_BLANKS = re.compile("[\u00a0\u2003\u3000]{6}")
_BREAKS = re.compile(r"(?:<br\s*/?>\s*){3}", re.IGNORECASE)
_FLOATS = {"left", "right"}
_WHOLE = re.compile(r"\d+")


def tables(reading: Reading) -> Iterator[Finding]:
    """R24: for screen readers a table without a role has rows and columns of data."""
    found = [one for one in (*reading.page.elements, *reading.page.word) if one.tag == "table"]
    place = reading.page.place
    fix = 'Write role="presentation" cellpadding="0" cellspacing="0" border="0" on every table, also on those for Word.'
    roleless = [one for one in found if one.attributes.get("role") not in {"presentation", "none"}]
    yield from errors("R24", "A table is read out as data", map(place, roleless), fix)
    spaced = [
        one for one in found if any(one.attributes.get(n) != "0" for n in ("cellpadding", "cellspacing", "border"))
    ]
    yield from warnings("R24", "A table has spaces or borders of its own", map(place, spaced), fix)
    deep = [one for one in found if sum(up.tag == "table" for up in one.up()) > _DEPTH]
    fix = "Put fewer tables into one another."
    yield from warnings("R24", f"Tables lie more than {_DEPTH} deep", map(place, deep), fix)
    data = reading.page.all("th", "caption", "thead", "tfoot")
    yield from warnings("R24", "A layout table has cells of a data table", map(place, data), "Write td.")


def widths(reading: Reading) -> Iterator[Finding]:
    """R15, R17: as wide as the phone by itself, 600 pixels at most, and told to Word by a table of its own."""
    place = reading.page.place
    shown = [one for one in reading.page.elements if one.inside("body") and not one.is_hidden]
    fix = f'Write width="100%" and max-width:{WIDEST}px, and leave the number to Word\'s table.'
    yield from warnings(
        "R15", "Phones without style blocks must scroll sideways", map(place, filter(_is_wide, shown)), fix
    )
    broad = [one for one in shown if (pixels(one.style.get("max-width", "")) or 0) > WIDEST]
    yield from warnings("R17", f"The mail is wider than {WIDEST} pixels", map(place, broad), fix)
    bands = [one for one in shown if one.tag == "table" and one.style.get("max-width")]
    bare = [one for one in bands if not _OPENS_CELL.search(one.before)]
    fix = f'Put <!--[if mso]><table … align="center" width="{WIDEST}"><tr><td><![endif]--> before it.'
    yield from warnings("R17", "Word draws this table as wide as its window", map(place, bare), fix)
    if not bands:
        yield Finding("R17", "warning", f"Nothing keeps the mail from being wider than {WIDEST} pixels.", fix)
    broad = [
        one
        for one in reading.page.word
        if one.tag == "table" and (whole(one.attributes.get("width", "")) or 0) > WIDEST
    ]
    fix = f'Write width="{WIDEST}" on the table for Word.'
    yield from warnings("R17", f"Word draws the mail wider than {WIDEST} pixels", map(place, broad), fix)
    fix = "Close in a second comment for Word what the first one opens."
    yield from warnings("R17", "What Word reads is torn", reading.word_page.unbalanced, fix)


def same_in_word(reading: Reading) -> Iterator[Finding]:
    """R17: comments for Word hold tables; words and pictures are the same for everybody."""
    page = reading.page
    theirs, ours = shown_words(reading.word_page), shown_words(page)
    extra, missing = _without(theirs, ours), _without(ours, theirs)
    fix = "Take them out of the comments for Word."
    yield from warnings("R17", "Only Word shows these words", extra, fix)
    yield from warnings("R17", "Word does not show these words", missing, fix)
    sources = Counter(one.attributes.get("src", "") for one in reading.word_page.all("img"))
    only = sources - Counter(one.attributes.get("src", "") for one in page.all("img"))
    yield from warnings("R17", "Only Word shows this picture", (f"“{one}”" for one in only), fix)


def _without(words: list[str], others: list[str]) -> list[str]:
    """Return the words that are more often here than there, as one text, or nothing."""
    left = Counter(words) - Counter(others)
    return [f"“{shortened(' '.join(left.elements()), 60)}”"] if left else []


def room(reading: Reading) -> Iterator[Finding]:
    """R15, R18, R23: phones are 320 pixels wide, and space is made by margins and padding, of a size that is seen."""
    page = reading.page
    shown = [one for one in page.elements if one.inside("body") and not one.is_hidden]
    texts = [one for one in shown if one.tag != "img" and (_beside(one) > _MOST_BESIDE or _is_slim(one))]
    fix = f"Leave phones {_PHONE - _MOST_BESIDE} pixels or more for a line."
    narrow = [page.place(one) for one in texts if page.text_of(one)]
    yield from warnings("R15", "Text has little room on phones", narrow, fix)
    fix = f"Take {_GAP} pixels at most."
    high = [page.place(one) for one in shown if any(side > _GAP for side in _above_and_below(one))]
    high += [page.place(one) for one in shown if (whole(one.attributes.get("height", "")) or 0) > WIDEST]
    yield from warnings("R18", "A gap is so high that the mail seems to end", high, fix)
    blanks = [
        f"“{shortened(run.text.strip(), 60)}”"
        for run in page.runs
        if _BLANKS.search(run.text) and not run.element.is_hidden
    ]
    blanks += ["<br><br><br>" for _ in _BREAKS.findall(reading.mail.html)]
    yield from warnings("R23", "Space is made of blanks or empty lines", blanks, "Write a margin or a padding.")


def _is_slim(element: Element) -> bool:
    widths = [pixels(element.style.get(name, "")) for name in ("width", "max-width")]
    return element.tag != "a" and any(one is not None and one < _SLIM for one in widths)


def _beside(element: Element) -> float:
    return sum(_side(element, name, place) for name in ("margin", "padding") for place in (1, 3))


def _above_and_below(element: Element) -> list[float]:
    return [_side(element, name, place) for name in ("margin", "padding") for place in (0, 2)]


def _side(element: Element, name: str, place: int) -> float:
    """Return the pixels of a margin or padding on one side: 0 is above, then clockwise."""
    if not any(one.startswith(name) for one in element.style):
        return 0
    given = (element.style.get(name) or "0").split()
    four = given[place] if place < len(given) else given[place - 2] if 0 <= place - 2 < len(given) else given[0]
    return pixels(element.style.get(f"{name}-{_SIDES[place]}", four)) or 0


def _is_wide(element: Element) -> bool:
    if (pixels(element.style.get("min-width", "")) or 0) > _PHONE:
        return True
    width = element.style.get("width", "")
    if width.endswith("%"):
        return False
    wide = (pixels(width) if width else whole(element.attributes.get("width", ""))) or 0
    return wide > _PHONE and element.style.get("max-width") != "100%"


def breaking(reading: Reading) -> Iterator[Finding]:
    """R16: long words and addresses must break, or the whole mail becomes as wide as they are."""
    body = reading.page.first("body")
    wrapped = body and (body.style.get("word-break") == "break-word" or body.style.get("overflow-wrap") == "anywhere")
    if not wrapped:
        yield Finding("R16", "warning", "Long words do not break.", "Write word-break:break-word on the body, inline.")
    page = reading.page
    lidded = [one for one in page.elements if not one.is_hidden and _cuts(one) and page.text_of(one)]
    fix = "Take height, max-height and overflow out: letters may be larger than yours."
    yield from warnings("R16", "Text may be cut off, or run over what follows", map(page.place, lidded), fix)
    rigid = [one for one in reading.page.elements if one.style.get("white-space") in {"nowrap", "pre"}]
    yield from warnings("R16", "Text must not break", map(reading.page.place, rigid), "Take white-space out.")


def _cuts(element: Element) -> bool:
    style = element.style
    lid = style.get("max-height") or (style.get("height") if element.tag not in {"td", "tr", "table"} else None)
    return (pixels(lid or "") or 0) > 0 or "line-clamp" in " ".join(style)


def bands(reading: Reading) -> Iterator[Finding]:
    """R18: Word tears what is taller than a sheet of paper."""
    page = reading.page
    tall = [one for one in page.all("table") if sum(inner.tag == "h3" for inner in page.within(one)) > 1]
    fix = "Give each story a table of its own, one after the other."
    yield from warnings("R18", "Word tears tables that hold several stories", map(page.place, tall), fix)


def floats(reading: Reading) -> Iterator[Finding]:
    """R19: beside a floating table Word crops the text, unless it gets two cells."""
    place = reading.page.place
    found = [one for one in reading.page.all("table") if _floats(one)]
    bare = [one for one in found if not _OPENS_CELL.search(one.before)]
    fix = "Wrap the table and the text beside it into two cells for Word, as the macro `story` does."
    yield from warnings("R19", "Word crops the text beside a floating table", map(place, bare), fix)
    half = [one for one in found if one.style.get("float") != one.attributes.get("align", "").lower()]
    fix = 'Write both, such as align="right" and float:right.'
    yield from warnings("R19", "A table floats in some mail programs only", map(place, half), fix)
    loose = [one for one in reading.page.elements if one.tag != "table" and one.style.get("float") in _FLOATS]
    loose += [one for one in reading.page.all("img") if one.attributes.get("align", "").lower() in _FLOATS]
    yield from warnings("R19", "Word lets nothing but tables float", map(place, loose), "Put it into a small table.")


def _floats(table: Element) -> bool:
    return table.style.get("float") in _FLOATS or table.attributes.get("align", "").lower() in _FLOATS


def pictures(reading: Reading) -> Iterator[Finding]:
    """R20, R21, R22: pictures as every mail program shows them in the same size."""
    place = reading.page.place
    found = reading.page.all("img")
    silent = [one for one in found if "alt" not in one.attributes]
    fix = 'Write alt="…", or alt="" where the picture only decorates.'
    yield from errors("R21", "A picture has no alternative text, so its address is read out", map(place, silent), fix)
    yield from _addresses(reading, found)
    sized = [one for one in found if not _WHOLE.fullmatch(one.attributes.get("width", ""))]
    sized += [one for one in found if not _WHOLE.fullmatch(one.attributes.get("height", "0"))]
    fix = 'Write width="136" as a whole number, and leave the height out; Word reads nothing else.'
    yield from warnings("R21", "A picture's width or height is no whole number", map(place, sized), fix)
    large = [one for one in found if _number(one) > _SIGN]
    bordered = [
        one for one in found if one.style.get("border", one.attributes.get("border")) not in {"0", "none", "0px"}
    ]
    yield from warnings(
        "R21", "A picture in a link gets a blue border", map(place, bordered), "Write border:0, inline."
    )
    hanging = [one for one in large if one.style.get("display") != "block"]
    fix = "Write display:block, inline."
    yield from warnings("R21", "A picture stands on a line of text, with a gap below", map(place, hanging), fix)
    stiff = [one for one in large if not one.style.get("width") or one.style.get("height") != "auto"]
    fix = "Write the phone's width and height:auto, inline; the attribute is for Word."
    yield from warnings("R20", "A picture has no size of its own on phones", map(place, stiff), fix)


def _number(picture: Element) -> float:
    return whole(picture.attributes.get("width", "")) or WIDEST


def _addresses(reading: Reading, found: list[Element]) -> Iterator[Finding]:
    place = reading.page.place
    data = [one for one in found if one.attributes.get("src", "").strip().lower().startswith("data:")]
    yield from errors(
        "R7", "Gmail shows no pictures that stand in the mail itself", map(place, data), "Link to a file."
    )
    web = {"https"} | ({"http"} if reading.is_trial else set())
    poor = [one for one in found if one not in data and parts_of(one.attributes.get("src", "")).scheme not in web]
    lost = [one for one in poor if parts_of(one.attributes.get("src", "")).scheme != "http"]
    yield from errors("R21", "A picture has no web address", map(place, lost), "Write its complete https address.")
    insecure = [one for one in poor if one not in lost]
    fix = "Take its https address; webmail shows no others."
    yield from warnings("R21", "A picture's address is not https", map(place, insecure), fix)
    if not reading.is_trial:
        inside = [one for one in found if is_inside(one.attributes.get("src", ""))]
        fix = "Put it on a public server."
        yield from errors("R21", "No reader can load this picture", map(place, inside), fix)
    kinds = [one for one in found if parts_of(one.attributes.get("src", "")).path.lower().endswith(_POOR)]
    kinds += [one for one in found if "srcset" in one.attributes]
    fix = "Take a JPEG or a PNG, and one address in src."
    yield from warnings("R22", "Some mail programs cannot show this kind of picture", map(place, kinds), fix)


def direction(reading: Reading) -> Iterator[Finding]:
    """R51, R52: sides by their physical names, and turned by the template."""
    place = reading.page.place
    vague = [
        one for one in reading.page.elements if one.attributes.get("dir", "").lower() == "auto" or one.tag == "bdi"
    ]
    fix = 'Write <span lang="…" dir="ltr"> or "rtl".'
    yield from warnings("R52", "Mail programs do not find out the direction by themselves", map(place, vague), fix)
    against = [
        one
        for one in reading.page.elements
        if ("dir" in one.attributes or "direction" in one.style) and _turns(reading.page, one)
    ]
    fix = "Write the direction of its own language."
    yield from warnings("R52", "A direction turns the text round", map(place, against), fix)
    logical = [one for one in reading.page.elements if any(_is_logical(*item) for item in one.style.items())]
    logical += [one for one in reading.page.elements if one.attributes.get("align") in {"start", "end"}]
    fix = "Write left and right by {{ lang.start }} and {{ lang.end }}."
    yield from warnings("R51", "Word and Gmail do not know logical sides", map(place, logical), fix)
    start = reading.language.start
    texts = [one for one in reading.page.all(*_TEXTS) if one.inside("td") and not one.is_hidden]
    turned = [place(one) for one in texts if not _starts(one, start)]
    turned += [place(one) for one in reading.page.all("center")]
    turned += [
        f"text-align:{one.value} for {rule.selector}"
        for rule in reading.rules
        for one in rule.declared
        if one.name == "text-align" and one.value not in {start, "inherit"}
    ]
    fix = "Write text-align:{{ lang.start }} on the cell; centred lines have no edge that eyes come back to."
    yield from warnings("R51", f"Lines do not begin on the {start}", turned, fix)
    if start == "right":
        cells = [one for one in reading.page.word if one.tag == "td" and one.attributes.get("dir") != "rtl"]
        fix = 'Write dir="rtl" on the cells for Word.'
        yield from warnings("R51", "Word forgets the direction in its own cells", map(place, cells), fix)


def _turns(page: Page, element: Element) -> bool:
    """Return whether an element says another direction than that of its language, or of most of its letters."""
    said = element.style.get("direction") or element.attributes["dir"].lower()
    tag = element.attributes.get("lang")
    if said not in {"ltr", "rtl"}:
        return False
    if tag:
        return Language.of(tag).direction != said
    kinds = Counter(unicodedata.bidirectional(letter) for letter in page.text_of(element))
    mostly = "rtl" if kinds["R"] + kinds["AL"] > kinds["L"] else "ltr"
    return mostly != said and bool(kinds["R"] + kinds["AL"] + kinds["L"])


def _starts(text: Element, start: str) -> bool:
    for one in text.up():
        if aligned := one.style.get("text-align") or (one.attributes.get("align") if one.tag != "table" else None):
            return aligned.lower() == start
    return start == "left"


def _is_logical(name: str, value: str) -> bool:
    return "-inline" in name or "-block" in name or (name in {"text-align", "float"} and value in {"start", "end"})


RULES = (tables, widths, same_in_word, room, breaking, bands, floats, pictures, direction)
