"""R48, R57: whether text can be told from its ground: in light, in dark, in Outlook's dark, and inverted.

A text's colours are found as a mail program finds them: inline styles, changed by the kept rules for the state, else
those of what it lies in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from newsletter.preflight.colour_names import COLOURS
from newsletter.preflight.finding import Finding, Severity
from newsletter.preflight.page import Element, Run
from newsletter.preflight.reading import Reading, inherited, pixels
from newsletter.preflight.sheet import OUTLOOK_DARK, StyleRule, matches, weight
from newsletter.render.colours import LEAST, contrast, inverted
from newsletter.render.text import display_text, shortened

#: Contrast that large letters need: from 24 pixels on, or from 18.66 when bold (WCAG 2.2, 1.4.3).
LEAST_LARGE = 3.0
_LARGE, _LARGE_BOLD = 24.0, 18.66
#: What a mail program shows where nothing says otherwise.
_GROUND, _TEXT, _LINK = "#FFFFFF", "#000000", "#0000EE"
_WORDS = re.compile(r"\w")
_Declared = Mapping[tuple[int, str], str]


@dataclass(frozen=True)
class _State:
    """A way in which the mail is shown: its name in findings, and the kept rules that count in it."""

    name: str
    rules: tuple[StyleRule, ...]


def contrasts(reading: Reading) -> Iterator[Finding]:
    """R48, R57: every text in every state; one finding for each state and pair of colours."""
    plain = tuple(rule for rule in reading.rules if not rule.media and "[data-ogs" not in rule.selector)
    light = _pairs(reading, plain)
    yield from _told("light", light)
    turned = {(inverted(text), inverted(ground), large): runs for (text, ground, large), runs in light.items()}
    yield from _told("inverted colours, as some mail programs show them", turned)
    yield from _extremes(light)
    for state in _states(reading):
        if state.rules:
            pairs = _pairs(reading, plain + state.rules)
            yield from _told(state.name, {pair: runs for pair, runs in pairs.items() if pair not in light})


def _states(reading: Reading) -> tuple[_State, ...]:
    """Return the states beside light. What is as it is in light is told there."""
    outlook = tuple(
        StyleRule("", OUTLOOK_DARK.sub("", rule.selector), rule.declared)
        for rule in reading.rules
        if OUTLOOK_DARK.match(rule.selector)
    )
    return (
        _State("light on wide screens", tuple(r for r in reading.rules if "width" in r.media and not r.is_dark)),
        _State("dark", tuple(rule for rule in reading.rules if rule.is_dark)),
        _State("Outlook's dark", outlook),
    )


def _pairs(reading: Reading, rules: tuple[StyleRule, ...]) -> dict[tuple[str, str, bool], list[Run]]:
    """Return (colour of text, colour of ground, whether it is large) -> the texts that have them."""
    declared = _declared(reading, rules)
    found: dict[tuple[str, str, bool], list[Run]] = {}
    for run in reading.page.runs:
        if _WORDS.search(run.text) and not run.element.is_hidden and run.element.inside("body"):
            text, ground = _text_of(run.element, declared), _ground_of(run.element, declared)
            if text and ground:
                found.setdefault((text, ground, _is_large(run.element)), []).append(run)
    return found


def _declared(reading: Reading, rules: tuple[StyleRule, ...]) -> _Declared:
    """Return (element, property) -> value of the kept rules that win over the inline style."""
    strongest: dict[tuple[int, str], tuple[bool, tuple[int, int, int], int, str]] = {}
    for order, rule in enumerate(rules):
        wanted = [one for one in rule.declared if one.name in {"color", "background-color", "background"}]
        elements = [one for one in reading.page.elements if wanted and matches(rule.selector, one)]
        for one in wanted:
            name = "color" if one.name == "color" else "background-color"
            for element in elements:
                if one.important or name not in element.style:
                    candidate = (one.important, weight(rule.selector), order, one.value)
                    key = (element.index, name)
                    strongest[key] = max(strongest.get(key, candidate), candidate)
    return {key: found[-1] for key, found in strongest.items()}


def _text_of(element: Element, declared: _Declared) -> str:
    """Return the colour of text in the element, or nothing where it is one we cannot read."""
    for one in element.up():
        value = declared.get((one.index, "color"), one.style.get("color", one.attributes.get("color", "")))
        if value and value != "inherit":
            return _colour(value)
        if one.tag == "a" and not value:
            return _LINK
    return _TEXT


def _ground_of(element: Element, declared: _Declared) -> str:
    for one in element.up():
        inline = one.style.get("background-color") or one.style.get("background") or one.attributes.get("bgcolor", "")
        value = declared.get((one.index, "background-color"), inline)
        if value and value not in {"transparent", "none", "inherit", "initial"}:
            return _colour(value)
    return _GROUND


def _colour(value: str) -> str:
    """Return a colour as six digits in upper case, or nothing when it is written in another way."""
    if found := re.search(r"#([0-9a-f]{6}|[0-9a-f]{3})\b", value, re.IGNORECASE):
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        return f"#{digits.upper()}"
    if channels := re.match(r"rgba?\(\s*(\d+)[,\s]+(\d+)[,\s]+(\d+)", value):
        return "#" + "".join(f"{min(int(channel), 255):02X}" for channel in channels.groups())
    return next((COLOURS[word] for word in value.lower().split() if word in COLOURS), "")


def _is_large(element: Element) -> bool:
    size = pixels(inherited(element, "font-size")) or 0
    bold = inherited(element, "font-weight") in {"600", "700", "800", "900", "bold"}
    return size >= _LARGE or (bold and size >= _LARGE_BOLD)


def _told(state: str, pairs: Mapping[tuple[str, str, bool], list[Run]]) -> Iterator[Finding]:
    for (text, ground, large), runs in pairs.items():
        needed = LEAST_LARGE if large else LEAST
        if (figure := contrast(text, ground)) < needed:
            severity: Severity = "error"
            more = f", and {len(runs) - 1} more" if len(runs) > 1 else ""
            message = (
                f"Text is hard to read in {state}: {text} on {ground} has a contrast of {int(figure * 100) / 100}, "
                f"and {needed} is needed: {_shown(runs[0])}{more}."
            )
            yield Finding("R48", severity, message, "Take a darker colour on light ground, a lighter one on dark.")


def _extremes(pairs: Mapping[tuple[str, str, bool], list[Run]]) -> Iterator[Finding]:
    """R57: pure black and white lose their edges where a mail program darkens them by itself."""
    for (text, ground, _), runs in pairs.items():
        if {text, ground} == {"#000000", "#FFFFFF"}:
            message = f"Text is pure black and white: {_shown(runs[0])}."
            yield Finding("R57", "warning", message, "Take a dark grey such as #2F3337, and give each text a colour.")


def _shown(run: Run) -> str:
    return f"“{shortened(display_text(run.text), 60)}”"


RULES = (contrasts,)
