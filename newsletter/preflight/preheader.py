"""What inboxes show after the subject, and other text that is not drawn: R33, R35 and R36."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.preflight.finding import Finding, warnings
from newsletter.preflight.page import Element, Run
from newsletter.preflight.reading import Reading, pixels
from newsletter.render.text import display_text, shortened

#: How the preheader is hidden (R33), and what of it SpamAssassin counts against a mail.
_HIDING = {"display": "none", "max-height": "0", "overflow": "hidden", "mso-hide": "all"}
_SUSPECT = ("color", "font-size", "line-height", "visibility", "font")
_FILLER = re.compile("[\u034f\u2007\u00ad\u00a0]")
_FORBIDDEN = re.compile("[\u200b-\u200f\u2060\ufeff]")
#: Characters of filler: 60 times a figure space and a joiner (R35).
_MOST = 120
#: What makes things small, and how many pixels of them nobody sees.
_SIDES = ("height", "max-height", "width", "max-width", "font-size")
_BARELY = 2
_FAINT = re.compile(r"0|0?\.[0-4]\d*|[0-4]?\d%")


def hiding(reading: Reading) -> Iterator[Finding]:
    """R33, R36: first in the body, hidden in the way that is not scored."""
    fix = "Put the block `preheader` back to the top of the body, as _base.html has it."
    found = reading.preheader
    body = reading.page.first("body")
    before = [run for run in reading.page.own_runs(body) if run.text.strip()] if body else []
    if found is None or any(run.element is body for run in before):
        yield Finding("R33", "warning", "The body does not begin with a hidden preheader.", fix)
    if found is None:
        return
    missing = [f"{name}:{value}" for name, value in _HIDING.items() if not found.style.get(name, "").startswith(value)]
    yield from warnings("R33", "Some mail programs show the preheader", missing, "Write it into the class `hide`.")
    scored = [
        f"{name}:{one.style[name]}"
        for one in (found, *reading.page.within(found))
        for name in _SUSPECT
        if name in one.style
    ]
    fix = "Take it out; display:none is enough."
    yield from warnings("R33", "Spam filters score how the preheader is hidden", scored, fix)
    if found.attributes.get("aria-hidden") == "true":
        yield Finding("R36", "warning", "Screen readers are kept from the preheader.", "Take aria-hidden out.")


def filler(reading: Reading) -> Iterator[Finding]:
    """R35: as little as possible, none of what shows as boxes or blanks a mail."""
    hidden = [run.text for run in reading.page.runs if run.element.is_hidden and run.element.inside("body")]
    text = "".join(hidden)
    if len(_FILLER.findall(text)) > _MOST:
        message = "The preheader is filled up with more characters than inboxes show."
        yield Finding("R35", "warning", message, "Print &#8199;&#847; 60 times at most, or nothing.")
    odd = [f"U+{ord(one):04X}" for one in _FORBIDDEN.findall(text)]
    fix = "Take &#8199;&#847; instead, or nothing."
    yield from warnings("R35", "The filler has characters that show as boxes, or that blank a mail", odd, fix)
    if re.search("[\u034f\u2007]", reading.text):
        yield Finding("R35", "warning", "The filler stands in the text part.", "Take it out of body.txt.")


def elsewhere(reading: Reading) -> Iterator[Finding]:
    """R33: other hidden text is what spam does, and screen readers may read it."""
    allowed = reading.preheader
    concealing = [one for one in reading.page.elements if conceals(one)]
    found = [
        f"“{shortened(display_text(run.text), 60)}”"
        for run in reading.page.runs
        if run.element.inside("body")
        and (run.element.is_hidden or any(one.index <= run.element.index < one.end for one in concealing))
        and (allowed is None or not allowed.index <= run.element.index < allowed.end)
        and not _is_filler(run)
    ]
    yield from warnings("R33", "Text is hidden", found, "Take it out: spam filters count hidden text.")


def _is_filler(run: Run) -> bool:
    """Return whether nothing of it is read: blanks, or marks that are kept from screen readers, too (R36)."""
    silent = any(one.attributes.get("aria-hidden") == "true" for one in run.element.up())
    return not display_text(run.text) or run.element.tag == "style" or (silent and not re.search(r"\w", run.text))


def conceals(element: Element) -> bool:
    """Return whether a style of the element hides what is in it, other than by `display`."""
    return any(hides(name, value) for name, value in element.style.items())


def hides(name: str, value: str) -> bool:
    """Return whether a declaration, other than `display:none`, takes what it is for out of sight."""
    if name in _SIDES:
        return (_BARELY + 1 if (length := pixels(value)) is None else length) <= _BARELY
    if name == "opacity":
        return _FAINT.fullmatch(value) is not None
    return (
        (name == "visibility" and value in {"hidden", "collapse"})
        or (name == "text-indent" and (pixels(value) or 0) < -100)
        or (name in {"color", "-webkit-text-fill-color"} and value == "transparent")
        or (name == "mso-hide" and value == "all")
    )


RULES = (hiding, filler, elsewhere)
