"""Inline styles, one property at a time: R11, R23, R25 to R28, R30 to R32, R39 and R51."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from newsletter.preflight.colour_names import COLOURS
from newsletter.preflight.finding import Finding, warnings
from newsletter.preflight.page import Element
from newsletter.preflight.reading import Reading, inherited, pixels
from newsletter.preflight.sheet import matches
from newsletter.render.language import UPRIGHT

#: Properties that some mail program of R's list does not know, or that make it drop the whole style (R25).
_UNKNOWN = re.compile(
    r"flex.*|grid.*|gap|row-gap|column-gap|position|top|left|right|bottom|inset|box-shadow|text-shadow|filter|transform.*"
    r"|object-fit|object-position|background-(?:image|size|position|repeat|clip|origin|attachment)|clip|clip-path"
    r"|text-overflow|zoom|rotate|scale|translate|pointer-events|(?:-webkit-|-moz-)?user-select|unicode-bidi|mask.*|all"
    r"|content-visibility|(?:-webkit-)?line-clamp|columns|column-.*|aspect-ratio|z-index|mix-blend-mode|writing-mode|animation.*|transition.*"
)
_LAYOUTS = {"flex", "inline-flex", "grid", "inline-grid", "contents"}
_UNITS = re.compile(
    r"(?<![\w#-])-?\d*\.?\d+(?:r?em|ex|ch|v[whib]|vmin|vmax|cm|mm|in|pt|pc)\b|calc\(|clamp\(|min\(|max\("
)
_BROKEN = re.compile(r"\d*\.\d+px")
#: Properties that are a colour and nothing else, and those that may hold one among other words.
_COLOURS = ("color", "background-color", "border-color", "outline-color", "text-decoration-color", "caret-color",
            *(f"border-{side}-color" for side in ("top", "right", "bottom", "left")))  # fmt: skip
_COLOURED = ("background", "border", "border-top", "border-bottom", "border-left", "border-right", "outline",
             "text-decoration", "font")  # fmt: skip
_NAMES = COLOURS.keys() | {"currentcolor"}
_SIX_DIGITS = re.compile("#[0-9A-Fa-f]{6}")
_NO_COLOURS = {"inherit", "transparent", "initial", "unset", "none"}
_COLOUR_CODES = re.compile(r"#(?![0-9a-f]{6}\b)[0-9a-f]+|(?:rgb|hsl|hwb|lab|lch|oklab|oklch|color|color-mix)a?\(")
_COLOUR_ATTRIBUTES = ("bgcolor", "color", "text", "link", "alink", "vlink", "bordercolor")
_EVEN = ("line-height", "padding", "padding-top", "padding-right", "padding-bottom", "padding-left")
_TEXTS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "li")
#: The least that a line is high, in heights of its letters.
_TIGHTEST = 1.1
_SIDES = ("top", "right", "bottom", "left")
#: Pixels from which letters are a title's, whose lines may be closer (R51).
_DISPLAY = 24
_WEIGHTS = {"400", "600", "700", "normal", "bold"}


def unknown(reading: Reading) -> Iterator[Finding]:
    """R25: what classic Outlook, Gmail or Yahoo do not know."""
    fix = "Build it from tables and margins, in pixels."
    yield from warnings("R25", "Not every mail program knows this style", _held(reading, _is_unknown), fix)
    yield from warnings("R25", "Lengths are whole pixels", _held(reading, _is_odd_unit), fix)
    odd = _held(reading, lambda name, value: name in _EVEN and any(_is_odd(part) for part in value.split()))
    fix = "Take an even number of pixels: Word turns odd ones into lines of one pixel."
    yield from warnings("R25", "A line height or padding is odd", odd, fix)
    images = _held(reading, lambda _, value: "url(" in value)
    fix = "Take it out, or show it as a picture."
    yield from warnings("R11", "An address in a style makes Gmail drop all styles", images, fix)


def _held(reading: Reading, wrong: Callable[[str, str], bool]) -> list[str]:
    """Return each inline declaration that is wrong, with where it stands."""
    return [
        f"{name}:{value} at {reading.page.place(element)}"
        for element in reading.page.elements
        if not element.is_hidden
        for name, value in element.style.items()
        if wrong(name, value)
    ]


def _is_unknown(name: str, value: str) -> bool:
    return bool(_UNKNOWN.fullmatch(name)) or name == "opacity" or (name == "display" and value in _LAYOUTS)


def _is_odd_unit(name: str, value: str) -> bool:
    if name.startswith(("mso-", "font-family")) or "url(" in value:
        return False
    if name == "font-size" and pixels(value) is None:
        return True
    percent = value.endswith("%") and name not in {"width", "max-width", "-webkit-text-size-adjust", "line-height"}
    return bool(_UNITS.search(value) or _BROKEN.search(value)) or percent


def _is_odd(part: str) -> bool:
    number = pixels(part)
    return number is not None and number % 2 != 0


def spaces(reading: Reading) -> Iterator[Finding]:
    """R23, R31: padding in cells, margins written out."""
    page = reading.page
    padded = [
        one
        for one in page.elements
        if one.tag not in {"td", "table", "body", "th"}
        and not (one.tag == "a" and one.style.get("background-color"))
        and any(name.startswith("padding") and pixels(value) != 0 for name, value in one.style.items())
    ]
    fix = "Put the padding on the td around it, or write a margin."
    yield from warnings("R23", "Word reads padding in cells only", map(page.place, padded), fix)
    texts = [one for one in page.all(*_TEXTS) if one.inside("body") and not one.is_hidden]
    loose = [one for one in texts if "margin" not in one.style and any(f"margin-{s}" not in one.style for s in _SIDES)]
    fix = "Write margin with all four sides, inline."
    yield from warnings("R23", "Each mail program has margins of its own", map(page.place, loose), fix)
    negative = _held(reading, lambda name, value: name.startswith("margin") and "-" in value)
    yield from warnings("R31", "Outlook drops negative margins", negative, "Write it without.")
    centred = [one for one in page.elements if "auto" in one.style.get("margin", "") and "align" not in one.attributes]
    fix = 'Write align="center", too.'
    yield from warnings("R31", "Word centres nothing by margin:auto", map(page.place, centred), fix)


def letters(reading: Reading) -> Iterator[Finding]:
    """R26, R27, R30, R32: every text says itself how it is set."""
    page = reading.page
    heights = _held(reading, lambda name, value: name == "line-height" and pixels(value) in {None, 0.0})
    fix = "Write line-height in pixels, such as line-height:24px."
    yield from warnings("R26", "Word sets lines with other heights than asked for", heights, fix)
    fonts = _held(reading, lambda name, value: name == "font-weight" and value not in _WEIGHTS)
    yield from warnings("R27", "Word knows regular and bold only", fonts, "Write font-weight 400, 600 or 700.")
    texts = [one for one in page.all(*_TEXTS) if one.inside("body") and not one.is_hidden and page.text_of(one)]
    bare = [
        one
        for one in texts
        if not {"color", "font-size", "line-height"} <= one.style.keys() and "font" not in one.style
    ]
    fix = "Give it a class that sets colour, size and line height."
    yield from warnings("R30", "Word and GMX set this text in their own way", map(page.place, bare), fix)
    strange = [one for one in texts if not _has_font(one)]
    fix = "Write font-family on the text or on the cell that it stands in."
    yield from warnings("R30", "This text has the mail program's font", map(page.place, strange), fix)
    quoted = _held(reading, lambda name, value: name in {"font-family", "font"} and bool(re.search("[\"']", value)))
    yield from warnings(
        "R32", "Quotes in a font's name break the style in some mail programs", quoted, "Leave them out."
    )


def closeness(reading: Reading) -> Iterator[Finding]:
    """R25, R26: letters and lines that stand in one another, on phones or where a kept block counts."""
    page = reading.page
    found = [
        page.place(one)
        for one in page.elements
        if "line-height" in one.style and not one.is_hidden and _is_tight(one, {})
    ]
    for rule in reading.rules:
        kept = {one.name: one.value for one in rule.declared if one.name in {"font-size", "line-height"}}
        tight = kept and any(matches(rule.selector, one) and _is_tight(one, kept) for one in page.elements)
        found += [f"{rule.selector} in a style block"] if tight else []
    yield from warnings("R26", "Lines stand in one another", found, "Write a larger line height.")
    narrow = _held(reading, _is_narrow)
    narrow += [
        f"{one.name}:{one.value} for {rule.selector}"
        for rule in reading.rules
        for one in rule.declared
        if _is_narrow(one.name, one.value)
    ]
    yield from warnings("R25", "Letters are pushed into one another", narrow, "Leave the spacing as the font has it.")
    joined = _held(reading, lambda name, _: name == "font")
    fix = "Write font-family, font-size, line-height and font-weight."
    yield from warnings("R30", "A shorthand sets what each mail program reads in its own way", joined, fix)


def _is_narrow(name: str, value: str) -> bool:
    return name in {"letter-spacing", "word-spacing"} and "-" in value


def _is_tight(element: Element, kept: Mapping[str, str]) -> bool:
    size = pixels(kept.get("font-size", inherited(element, "font-size")))
    height = pixels(kept.get("line-height", inherited(element, "line-height")))
    return bool(size) and height is not None and height < _TIGHTEST * (size or 0)


def _has_font(text: Element) -> bool:
    """Return whether the text, or the cell that it stands in, says its font: Word passes it on no further."""
    for one in text.up():
        if "font-family" in one.style or "font" in one.style:
            return True
        if one.tag == "td":
            return False
    return False


def colours(reading: Reading) -> Iterator[Finding]:
    """R28: six digits, and every ground twice."""
    page = reading.page
    fix = "Write six digits, such as #2F3337."
    short = _held(reading, _is_odd_colour)
    short += [
        f'{name}="{value}" at {page.place(one)}'
        for one in page.elements
        for name in _COLOUR_ATTRIBUTES
        if (value := one.attributes.get(name, "")) and not _SIX_DIGITS.fullmatch(value)
    ]
    short += [
        f"{one.name}:{one.value} in {rule.selector}"
        for rule in reading.rules
        for one in rule.declared
        if _is_odd_colour(one.name, one.value)
    ]
    yield from warnings("R28", "A colour is not written with six digits", short, fix)
    joined = _held(reading, lambda name, _: name == "background")
    yield from warnings("R28", "Word reads no background property", joined, "Write background-color.")
    single = [one for one in page.all("table", "tr", "td", "body") if not _is_twice(one)]
    fix = "Write the colour as bgcolor and as background-color."
    yield from warnings("R28", "A ground is coloured for some mail programs only", map(page.place, single), fix)


def _is_odd_colour(name: str, value: str) -> bool:
    if name in _COLOURS:
        return value not in _NO_COLOURS and not all(map(_SIX_DIGITS.fullmatch, value.split()))
    words = value.split()
    return name in _COLOURED and (bool(_COLOUR_CODES.search(value)) or any(word in _NAMES for word in words))


def _is_twice(element: Element) -> bool:
    attribute, style = element.attributes.get("bgcolor", ""), element.style.get("background-color", "")
    return attribute.lower() == style.lower() or style in {"transparent", "inherit"}


def scripts(reading: Reading) -> Iterator[Finding]:
    """R51: letters of Arabic, Hebrew, Indic and East Asian scripts."""
    if reading.language.primary not in UPRIGHT:
        return
    page = reading.page
    fix = "Leave letter spacing, capitals and slanted letters out; the script has none."
    forced = _held(reading, _is_latin_habit)
    forced += [page.place(one) for one in page.all("em", "i", "cite") if not one.is_hidden and one.parent]
    yield from warnings("R51", "The letters of this script are torn or bent", forced, fix)
    texts = [one for one in page.all("p") if not one.is_hidden and page.text_of(one)]
    low = [one for one in texts if _height(one) < 1.7 and (pixels(inherited(one, "font-size")) or 0) < _DISPLAY]
    fix = "Write a line height of 1.7 times the size of the letters."
    yield from warnings("R51", "Lines are too close for this script", map(page.place, low), fix)


def capitals(reading: Reading) -> Iterator[Finding]:
    """The design: sentence case everywhere; screen readers spell some words that are set in capitals by a style."""
    if reading.language.primary in UPRIGHT:
        return
    held = _held(reading, lambda name, value: name == "text-transform" and value != "none")
    yield from warnings("R25", "A style changes capitals", held, "Take text-transform out.")


def _is_latin_habit(name: str, value: str) -> bool:
    return (
        (name == "letter-spacing" and value not in {"normal", "0", "0px"})
        or (name == "text-transform" and value != "none")
        or (name == "font-style" and value != "normal")
    )


def _height(text: Element) -> float:
    size, height = pixels(inherited(text, "font-size")), pixels(inherited(text, "line-height"))
    return height / size if size and height else 2.0


RULES = (unknown, spaces, letters, closeness, colours, scripts, capitals)
