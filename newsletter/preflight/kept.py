"""The style blocks that stay in a mail: R10 to R13, R15, R50, R55 and R56."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.preflight.finding import Finding, errors, warnings
from newsletter.preflight.links import is_underlined
from newsletter.preflight.preheader import hides
from newsletter.preflight.reading import MARKS, SMALLEST, WIDEST, Reading, kept_style_bytes, pixels
from newsletter.preflight.sheet import OUTLOOK_DARK, Declared, Sheet, StyleRule, colours_dark, matches

#: Bytes of all kept style blocks together (R10).
STYLE_LIMIT = 8_192

#: What makes Gmail drop the whole block (R11): a name for it, and how it is written.
_BREAKS = {
    "an address in url()": re.compile(r"url\s*\(", re.IGNORECASE),
    "a colour with blanks instead of commas": re.compile(r"(?:rgb|hsl)a?\(\s*[\d.]+%?\s+[\d.]", re.IGNORECASE),
    ":has, :not, :is or :where": re.compile(r":(?:has|not|is|where)\s*\(", re.IGNORECASE),
    "a variable": re.compile(r"var\s*\(|(?:^|[{;\s])--[\w-]+\s*:", re.IGNORECASE),
}
_OUTSIDE = re.compile("@(?:import|font-face|charset|namespace)", re.IGNORECASE)
_MOVING = re.compile(r"@keyframes|(?:^|[{;\s])(?:animation|transition)[\w-]*\s*:", re.IGNORECASE)
#: How premailer writes a block that it was not told to leave alone.
_REWRITTEN = re.compile(r"<style>(@media[^{]*)\{\n {4}[^\n]*\{\n {8}")
#: From which width on a rule counts, the widest that a phone is, and what webmail takes beside a mail, in pixels.
_START = re.compile(r"min-(?:device-)?width\s*:\s*(\d+(?:\.\d+)?)px")
_PHONE, _MARGINS = 440, 40
#: Letters up to so many pixels are hidden, not small.
_BARE = 2
_KEEP = 'Keep the block in _styles.html, with data-premailer="ignore".'
_FIX = "Correct it in _styles.html."


def size(reading: Reading) -> Iterator[Finding]:
    """R10: Gmail drops what is too long."""
    kept = kept_style_bytes(reading.mail.html)
    if kept >= STYLE_LIMIT:
        message = f"The style blocks have {kept:,} bytes; some mail programs drop them from {STYLE_LIMIT:,} on."
        yield Finding("R10", "error", message, "Shorten _styles.html.")


def writing(reading: Reading) -> Iterator[Finding]:
    """R7, R11: one slip, and Gmail drops the whole block."""
    sheets = list(enumerate(reading.sheets, start=1))
    wrong = [f"block {number} has {name}" for number, sheet in sheets for name in _slips(sheet)]
    yield from warnings("R11", "Gmail drops a whole style block for one slip", wrong, _FIX)
    outside = [one for sheet in reading.sheets for one in _OUTSIDE.findall(sheet.text)]
    yield from errors("R7", "Mail programs fetch no styles and no fonts", outside, "Take the rule out of the styles.")
    moving = [one.strip(" {;:") for sheet in reading.sheets for one in _MOVING.findall(sheet.text)]
    yield from warnings("R50", "Nothing in a mail moves", moving, "Take the animation out of the styles.")


def _slips(sheet: Sheet) -> Iterator[str]:
    yield from (f"a rule within a rule, {one[:60]}" for one in sheet.nested)
    if sheet.is_torn:
        yield "braces that do not match"
    yield from (name for name, pattern in _BREAKS.items() if pattern.search(sheet.text))


def place(reading: Reading) -> Iterator[Finding]:
    """R13: a block in the body is dropped, or comes too late."""
    inside = [reading.page.place(one) for one in reading.page.all("style") if not one.inside("head")]
    fix = "Put it into _styles.html, which stands in the head."
    yield from errors("R13", "A style block stands outside the head", inside, fix)


def order(reading: Reading) -> Iterator[Finding]:
    """R12: three blocks in order, so that who rejects the second or the third still gets the first."""
    kinds = [sorted({_kind(rule) for rule in sheet.rules}) for sheet in reading.sheets]
    mixed = [f"block {number}" for number, found in enumerate(kinds, start=1) if len(found) > 1]
    fix = "Keep three blocks apart: sizes by width, dark, and what is for single mail programs."
    yield from warnings("R12", "A style block mixes what some mail programs reject with what all read", mixed, fix)
    if (firsts := [found[0] for found in kinds if found]) != sorted(firsts):
        yield Finding("R12", "warning", "The style blocks are not in their order.", fix)
    rewritten = [found.strip() for found in _REWRITTEN.findall(reading.mail.html)]
    yield from warnings("R12", "The inliner has rewritten a block, and drops what it does not know", rewritten, _KEEP)


def presence(reading: Reading) -> Iterator[Finding]:
    """R12, R15, R55, R56: what the blocks are for."""
    said = {
        ("R15", "No style block makes the mail larger on wide screens."): any(
            "width" in r.media for r in reading.rules
        ),
        ("R55", "No style block is for readers whose system is dark."): any(r.is_dark for r in reading.rules),
        ("R56", "No style block repeats the dark colours for Outlook.com and its apps."): any(
            OUTLOOK_DARK.match(r.selector) for r in reading.rules
        ),
        ("R12", "No style block keeps Apple Mail from turning dates and places into blue links."): any(
            "x-apple-data-detectors" in r.selector for r in reading.rules
        ),
    }
    for (rule, sentence), is_there in said.items():
        if not is_there:
            yield Finding(rule, "warning", sentence, _KEEP)


def _kind(rule: StyleRule) -> int:
    """Return 0 for sizes, 1 for dark, 2 for single mail programs."""
    if rule.is_dark or rule.selector == ":root":
        return 1
    return 0 if "width" in rule.media else 2


def phone_first(reading: Reading) -> Iterator[Finding]:
    """R15: the inline styles are the phone's, and blocks only make the mail larger."""
    media = dict.fromkeys(rule.media for rule in reading.rules if "max-width" in rule.media)
    fix = (
        "Write the phone's sizes into the first block, and larger ones under @media only screen and (min-width:481px)."
    )
    yield from warnings("R15", "Phones that read no style blocks get the wrong sizes", media, fix)


def strength(reading: Reading) -> Iterator[Finding]:
    """R12: without !important the inline style wins, and the block does nothing."""
    weak = []
    for rule in reading.rules:
        names = {name for one in rule.declared if not one.important for name in (one.name, one.name.partition("-")[0])}
        beaten = [one for one in reading.page.elements if names & one.style.keys() and matches(rule.selector, one)]
        weak += [rule.selector] if beaten else []
    yield from warnings("R12", "A kept rule is weaker than the inline style it should change", weak, "Add !important.")


def hiding(reading: Reading) -> Iterator[Finding]:
    """R33, R42, R49: a block that hides words, or makes them too small, does so for readers it is read by."""
    hidden = [
        (f"{one.name}:{one.value} for {rule.selector}", rule.selector)
        for rule in reading.rules
        for one in rule.declared
        if (one.name, one.value) == ("display", "none") or hides(one.name, one.value) or _cuts(one)
    ]
    fix = "Take the part out for everybody."
    yield from warnings("R33", "A style block hides a part of the mail", (told for told, _ in hidden), fix)
    way_out = [one for one in reading.links if one.attributes.get("href") == MARKS["unsubscribe_url"]]
    gone = [told for told, selector in hidden if any(matches(selector, up) for one in way_out for up in one.up())]
    yield from errors("R42", "A style block hides the link for unsubscribing", gone, "Take the rule out.")
    small = [
        f"{one.value} for {rule.selector}"
        for rule in reading.rules
        for one in rule.declared
        if one.name == "font-size" and _BARE < (pixels(one.value) or 0) < SMALLEST
    ]
    fix = f"Write {SMALLEST}px or more."
    yield from warnings("R49", f"A style block makes letters smaller than {SMALLEST} pixels", small, fix)


def lines(reading: Reading) -> Iterator[Finding]:
    """R39: a block that takes the line from links takes it from those in text, too."""
    links = [one for one in reading.links if not one.inside("h1", "h2", "h3", "h4") and is_underlined(one)]
    bare = [
        rule.selector
        for rule in reading.rules
        for one in rule.declared
        if one.name.startswith("text-decoration") and "none" in one.value
        if any(matches(rule.selector, link) for link in links)
    ]
    fix = "Name the links of headings and buttons only."
    yield from warnings("R39", "A style block takes the line from links in text", bare, fix)


def _cuts(one: Declared) -> bool:
    return one.name == "max-height" and pixels(one.value) is not None


def added(reading: Reading) -> Iterator[Finding]:
    """R33, R60: words that stand in a style are in no text part, and are not read out everywhere."""
    words = [
        f"{one.value} for {rule.selector}"
        for rule in reading.rules
        for one in rule.declared
        if one.name == "content" and one.value not in {"none", "normal", '""', "''"}
    ]
    yield from warnings("R33", "A style block adds words of its own", words, "Write them into the mail.")


def wide(reading: Reading) -> Iterator[Finding]:
    """R15, R17: wide screens are wider than phones, and the mail is not wider than 600 pixels on them."""
    starts = {rule.media: found[1] for rule in reading.rules if (found := _START.search(rule.media))}
    odd = [media for media, start in starts.items() if not _PHONE < float(start) <= WIDEST + _MARGINS]
    fix = "Write @media only screen and (min-width:481px): phones are up to 440 pixels wide."
    yield from warnings("R15", "The block for wide screens begins at another width than theirs", odd, fix)
    broad = [
        f"{one.name}:{one.value} for {rule.selector}"
        for rule in reading.rules
        for one in rule.declared
        if one.name in {"width", "min-width", "max-width"} and (pixels(one.value) or 0) > WIDEST
    ]
    fix = f"Write {WIDEST}px or less."
    yield from warnings("R17", f"A style block makes the mail wider than {WIDEST} pixels", broad, fix)


def dark(reading: Reading) -> Iterator[Finding]:
    """R55, R56: what is dark in one place is dark in all that can be told."""
    if not any(rule.is_dark for rule in reading.rules):
        return
    roots = [one for rule in reading.rules if rule.selector == ":root" for one in rule.declared]
    if not any(one.name == "color-scheme" and "dark" in one.value for one in roots):
        fix = "Write :root{color-scheme:light dark} into the block with the dark colours."
        yield Finding("R55", "warning", "Apple Mail is not told that the mail has dark colours.", fix)
    if not any(OUTLOOK_DARK.match(rule.selector) for rule in reading.rules):
        return
    repeated = {
        (OUTLOOK_DARK.sub("", rule.selector), one.name)
        for rule in reading.rules
        if OUTLOOK_DARK.match(rule.selector)
        for one in rule.declared
    }
    missing = [
        f"{selector} ({name})" for selector, name in colours_dark(reading.rules) if (selector, name) not in repeated
    ]
    fix = "Write each with [data-ogsc] for text and [data-ogsb] for grounds."
    yield from warnings("R56", "A dark colour is not repeated for Outlook.com and its apps", missing, fix)


RULES = (size, writing, place, order, presence, phone_first, wide, strength, hiding, lines, added, dark)
