"""T10: the contrast of all text with its ground as the styles declare it, in every state (R48, R55, R56, R57).

Light is the inline look, dark what the second block makes of it, outlook what the third does where Outlook says that it
is dark, and inverted what programs do that turn every colour round without asking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.mail.view import MailView, style, texts

#: R48: 4.5 is the demand, 5.5 the target. An edition may choose an accent of its own; it has to reach the demand.
DEMAND, TARGET = 4.5, 5.5
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")


@dataclass(frozen=True)
class Pair:
    """A text and its colours, as #RRGGBB."""

    colour: str
    ground: str
    text: str

    @property
    def ratio(self) -> float:
        """The contrast by WCAG 2.2, from 1 to 21."""
        high, low = sorted((luminance(self.colour), luminance(self.ground)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    @property
    def inverted(self) -> Pair:
        """The pair with every colour turned round."""
        return Pair(_inverted(self.colour), _inverted(self.ground), self.text)


@dataclass(frozen=True)
class Sheet:
    """Rules of kept blocks that set colours: class -> property -> value."""

    rules: dict[str, dict[str, str]]

    @classmethod
    def of(cls, block: str, prefix: str = "") -> Sheet:
        """Read the rules whose selectors are one class, or one class below `prefix`."""
        rules: dict[str, dict[str, str]] = {}
        for selectors, body in _RULE.findall(re.sub(r"@media[^{]*\{", "", block)):
            found = dict(re.findall(r"((?:background-)?color):(#[0-9A-Fa-f]{6})", body))
            for selector in selectors.split(","):
                matched = re.fullmatch(rf"\s*{re.escape(prefix)}\s*\.([\w-]+)\s*", selector)
                if matched:
                    rules.setdefault(matched[1], {}).update(found)
        return cls(rules)

    def value(self, element: Any, prop: str) -> str:
        """Return the colour that the rules, else the style attribute, give the element; the later rule wins."""
        classes = set(element.get("class", "").split())
        found = [values[prop] for name, values in self.rules.items() if name in classes and prop in values]
        return found[-1] if found else style(element).get(prop, "")


@dataclass(frozen=True)
class Colours:
    """The colours of one mail."""

    view: MailView

    @cached_property
    def states(self) -> dict[str, list[Pair]]:
        """State -> the pairs that are seen in it."""
        light = self._pairs(Sheet({}))
        found = {"light": light, "inverted": [pair.inverted for pair in light]}
        if len(self.view.styles) == 3:
            _, dark, hacks = self.view.styles
            found["dark"] = self._pairs(Sheet.of(dark))
            texts_only, grounds = Sheet.of(hacks, "[data-ogsc]"), Sheet.of(hacks, "[data-ogsb]")
            found["outlook"] = self._pairs(texts_only, grounds)
        return found

    def _pairs(self, colours: Sheet, grounds: Sheet | None = None) -> list[Pair]:
        grounds = grounds or colours
        made = []
        for element, text in texts(self.view.root.find("body")):
            made.append(Pair(_nearest(element, "color", colours), _nearest(element, "background-color", grounds), text))
        return made


def problems(view: MailView, least: float = TARGET) -> Iterator[str]:
    """Yield each text that is hard to read in a state, and each state that is not what its name says."""
    states = Colours(view).states
    for state, pairs in states.items():
        for pair in pairs:
            if pair.ratio < least:
                yield f"R48: {pair.ratio:.1f} in {state}: {pair.colour} on {pair.ground}: {pair.text[:40]}"
    for state in ("dark", "outlook"):
        bright = [pair for pair in states.get(state, []) if luminance(pair.ground) > 0.1 > luminance(pair.colour)]
        if len(bright) * 2 > len(states.get(state, [])):
            yield f"R55, R56: {state} is not dark"
    if "dark" in states and states["dark"] != states["outlook"]:
        differing = next(one for one, other in zip(states["dark"], states["outlook"], strict=True) if one != other)
        yield f"R56: Outlook's dark colours are not the dark ones: {differing.text[:40]}"


def _nearest(element: Any, prop: str, sheet: Sheet) -> str:
    for one in (element, *element.iterancestors()):
        value = sheet.value(one, prop)
        if re.fullmatch("#[0-9A-Fa-f]{6}", value):
            return value.upper()
    return "#000000" if prop == "color" else "#FFFFFF"


def luminance(colour: str) -> float:
    """Return the relative luminance of #RRGGBB, from 0 to 1 (WCAG 2.2)."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _inverted(colour: str) -> str:
    return f"#{0xFFFFFF - int(colour[1:], 16):06X}"
