"""Headings, alternative texts, sizes of letters and flags: R44, R45, R47, R49 and R54."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from newsletter.preflight.comparing import words_of
from newsletter.preflight.finding import Finding, errors, warnings
from newsletter.preflight.reading import SMALLEST, Reading, inherited, pixels, whole
from newsletter.render.text import display_text, shortened

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
#: Characters of an alternative text.
ALT_LENGTH = 125
#: Pixels of letters that are not to be read at all.
_UNREADABLE = 13
#: Regional indicators in pairs: Windows shows them as letters.
_EMOJI_FLAG = re.compile("\\s*[\U0001f1e6-\U0001f1ff]{2}")
#: Characters of the longest region tag; a flag in a longer text is the writer's.
_TAG_LENGTH = 60
_FILE_NAME = re.compile(
    r"\S+\.(?:jpe?g|png|gif|webp|avif|svg|tiff?)|(?:img|dsc|dscn|pxl|image|photo)[_-]?\d+", re.IGNORECASE
)
_EMPTY_ALT = re.compile(r"(?:image|picture|photo|bild|foto|logo|icon|spacer|img)\W*", re.IGNORECASE)


def headings(reading: Reading) -> Iterator[Finding]:
    """R45: readers of headings alone get the mail's outline."""
    page = reading.page
    found = [one for one in page.all(*_HEADINGS) if one.inside("body") and not one.is_hidden]
    firsts = [one for one in found if one.tag == "h1"]
    if not firsts:
        fix = "Make the newsletter's name, or the mail's title, the h1."
        yield Finding("R45", "error", "The mail has no h1, so it has no title for screen readers.", fix)
    fix = "Keep the first as h1, and make the others h2 or h3."
    yield from errors("R45", "The mail has more than one h1", map(page.place, firsts[1:]), fix)
    empty = [one for one in found if not display_text(page.name_of(one))]
    yield from errors("R45", "A heading is empty", map(page.place, empty), "Write its text, or take it out.")
    levels = [0, *(int(one.tag[1]) for one in found)]
    jumps = [one for one, (last, level) in zip(found, pairwise(levels), strict=True) if level > last + 1]
    fix = "Go down one level at a time: h1, h2 for the lead and the sections, h3 for stories."
    yield from errors("R45", "A heading skips a level", map(page.place, jumps), fix)


def alternatives(reading: Reading) -> Iterator[Finding]:
    """R47: what those hear and read who do not see the pictures."""
    page = reading.page
    titles = {page.text_of(one).casefold() for one in page.all(*_HEADINGS)}
    alts = {one: display_text(one.attributes.get("alt", "")) for one in page.all("img") if not one.inside(*_HEADINGS)}
    long = [f"“{shortened(alt, 60)}” has {len(alt)}" for alt in alts.values() if len(alt) > ALT_LENGTH]
    fix = "Say what matters in it; the rest belongs into the text."
    yield from warnings("R47", f"An alternative text is longer than {ALT_LENGTH} characters", long, fix)
    copies = [f"“{shortened(alt, 60)}”" for alt in alts.values() if alt and alt.casefold() in titles]
    fix = "Describe what the picture shows, or write nothing."
    yield from warnings("R47", "An alternative text repeats a headline", copies, fix)
    bare = [one for one, alt in alts.items() if alt and not {"font-size", "color"} <= one.style.keys()]
    fix = "Write font-size:14px and a colour on it, inline: that is what is seen while pictures are off."
    yield from warnings("R47", "An alternative text has no size and colour of its own", map(page.place, bare), fix)
    names = [
        f"“{shortened(alt, 60)}”" for alt in alts.values() if _FILE_NAME.fullmatch(alt) or _EMPTY_ALT.fullmatch(alt)
    ]
    yield from warnings("R47", "An alternative text says nothing", names, fix)


def sizes(reading: Reading) -> Iterator[Finding]:
    """R33, R49: letters that can be read; the smallest ones are how spam hides its words."""
    small: dict[str, list[str]] = {}
    for run in reading.page.runs:
        size = pixels(inherited(run.element, "font-size"))
        if size is None or not display_text(run.text) or run.element.is_hidden or not run.element.inside("body"):
            continue
        if size < SMALLEST:
            kind = "hidden" if size < _UNREADABLE else "small"
            small.setdefault(kind, []).append(f"“{shortened(display_text(run.text), 60)}” at {size:g} pixels")
    fix = f"Write font-size:{SMALLEST}px or more; 16 for running text."
    yield from warnings("R49", "Letters cannot be read, or are meant to be hidden", small.get("hidden", []), fix)
    yield from warnings("R49", f"Letters are smaller than {SMALLEST} pixels", small.get("small", []), fix)


def flags(reading: Reading) -> Iterator[Finding]:
    """R54: Windows has no flags among its emoji, and screen readers read a flag's alternative text beside the name."""
    page = reading.page
    found = [
        f"“{shortened(display_text(run.text), 40)}”"
        for run in page.runs
        if _EMOJI_FLAG.match(run.text)
        and len(page.text_of(run.element)) <= _TAG_LENGTH
        and not any(up.attributes.get("aria-hidden") == "true" for up in run.element.up())
    ]
    yield from warnings(
        "R54", "Windows shows emoji flags as letters", found, 'Show a picture with alt="", or the name only.'
    )
    spoken = [
        one
        for one in page.all("img")
        if (whole(one.attributes.get("width", "")) or 100) <= 24 and one.attributes.get("alt")
    ]
    yield from warnings("R54", "A flag is read out beside its name", map(page.place, spoken), 'Write alt="".')


def identities(reading: Reading) -> Iterator[Finding]:
    """R44: what axe finds in every document."""
    counted = Counter(one.attributes["id"] for one in reading.page.elements if "id" in one.attributes)
    twice = [f'id="{name}"' for name, times in counted.items() if times > 1]
    yield from warnings("R44", "An id stands twice", twice, "Give each element its own, or none.")
    page = reading.page
    silent = [one for one in page.elements if one.attributes.get("aria-hidden") == "true" and not one.is_hidden]
    links = [inner for one in silent for inner in (one, *page.within(one)) if inner.tag == "a"]
    fix = "Take aria-hidden out."
    yield from warnings("R44", "A link is hidden from screen readers", map(page.place, links), fix)
    mute = [one for one in silent if re.search(r"\w", page.text_of(one)) and one not in links]
    yield from warnings("R44", "Text is hidden from screen readers", map(page.place, mute), fix)


def roles(reading: Reading) -> Iterator[Finding]:
    """R44, R45: headings and links are what they are for everybody, in the order in which they stand."""
    page = reading.page
    named = [one for one in page.all(*_HEADINGS, "a", "p", "img") if "role" in one.attributes]
    found = [f'role="{one.attributes["role"]}" at {page.place(one)}' for one in named]
    fix = "Take the role out; only tables and the wrapper have one."
    yield from warnings("R44", "A role changes what screen readers say of an element", found, fix)
    labelled = [
        f"“{shortened(one.attributes['aria-label'], 60)}” at <{one.tag}>"
        for one in page.all(*_HEADINGS, "a", "p", "td")
        if one.attributes.get("aria-label")
        and words_of(page.text_of(one)) not in words_of(one.attributes["aria-label"])
    ]
    fix = "Take aria-label out; what is seen is read."
    yield from warnings("R44", "Screen readers say something else than what is seen", labelled, fix)
    turned = [
        f"{name} at {page.place(one)}"
        for one in page.elements
        for name in ("tabindex", "accesskey", "contenteditable")
        if name in one.attributes
    ]
    fix = "Take it out: the order of the mail is that of its links."
    yield from warnings("R44", "A mail leaves the keyboard alone", turned, fix)


RULES = (headings, alternatives, sizes, flags, identities, roles)
