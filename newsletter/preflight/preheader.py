"""What inboxes show after the subject, and other text that is not drawn: R33, R35 and R36."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.preflight.finding import Finding, warnings
from newsletter.preflight.page import Element
from newsletter.preflight.reading import Reading, pixels
from newsletter.render.text import display_text, shortened

#: How the preheader is hidden (R33), and what of it SpamAssassin counts against a mail.
_HIDING = {"display": "none", "max-height": "0", "overflow": "hidden", "mso-hide": "all"}
_SUSPECT = ("color", "font-size", "line-height", "visibility", "font")
_FILLER = re.compile("[\u034f\u2007\u00ad\u00a0]")
_FORBIDDEN = re.compile("[\u200b-\u200f\u2060\ufeff]")
#: Characters of filler: 60 times a figure space and a joiner (R35).
_MOST = 120


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
    found = [
        f"“{shortened(display_text(run.text), 60)}”"
        for run in reading.page.runs
        if display_text(run.text)
        and run.element.inside("body")
        and (allowed is None or allowed not in run.element.up())
        and _is_concealed(run.element)
    ]
    yield from warnings("R33", "Text is hidden", found, "Take it out: spam filters count hidden text.")


def _is_concealed(element: Element) -> bool:
    if element.tag in {"style", "script"} or any(one.attributes.get("aria-hidden") == "true" for one in element.up()):
        return False
    return element.is_hidden or any(_conceals(one) for one in element.up())


def _conceals(element: Element) -> bool:
    style = element.style
    return (
        style.get("visibility") == "hidden"
        or pixels(style.get("opacity", "1px")) == 0
        or pixels(style.get("max-height", "1px")) == 0
        or pixels(style.get("height", "1px")) == 0
        or (pixels(style.get("text-indent", "0")) or 0) < -100
        or style.get("mso-hide") == "all"
    )


RULES = (hiding, filler, elsewhere)
