"""The colours of mails and pages, and whether they can be told apart: WCAG 2.2 contrast as a formula. Pure.

The accent is the one colour that an edition has of its own; R48 wants it readable in light, in dark, and where a mail
program inverts every colour by itself.
"""

from __future__ import annotations

import colorsys
import math
import re
from collections.abc import Callable, Mapping

#: The look on light and on dark ground (docs/templates.md says where each one stands). Six digits each (R28).
LIGHT: Mapping[str, str] = {
    "paper": "#F4F1EA",
    "sheet": "#FFFFFF",
    "ink": "#1D2023",
    "text": "#2F3337",
    "meta": "#5B5F63",
    "accent": "#0F4C5C",
    "label": "#FFFFFF",
    "rule": "#DED9CE",
    "tint": "#EDE9E0",
}
DARK: Mapping[str, str] = {
    "paper": "#131517",
    "sheet": "#1C1F22",
    "ink": "#F1EEE8",
    "text": "#D6D3CD",
    "meta": "#A9ADB1",
    "accent": "#8FCBD8",
    "label": "#10232A",
    "rule": "#353A3F",
    "tint": "#2A2E32",
}

#: What text needs against its ground (WCAG 2.2, success criterion 1.4.3).
LEAST = 4.5
#: What a derived accent has on dark ground: its least contrast, and its greatest saturation (HLS).
_AIM, _VIVID = 7.0, 0.5
#: Where an accent stands as text, or is a button under its label.
_PLACES = {"sheet": "on the sheet", "paper": "on the paper around it", "label": "as a button under its words"}
#: A colour is lightened or darkened in so many steps.
_STEPS = 50
_FORM = "write # and six hexadecimal digits, such as #0F4C5C"

_COLOUR = re.compile("#[0-9A-Fa-f]{6}")
_Channels = tuple[int, ...]


def contrast(one: str, other: str) -> float:
    """Return how well two colours such as #0F4C5C are told apart: from 1, the same, to 21, black on white.

    This is the contrast ratio of WCAG 2.2. Raises ValueError for what is no colour of six digits.
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def inverted(colour: str) -> str:
    """Return what a mail program shows that inverts each channel by itself (Gmail on iOS, Outlook; R57)."""
    return _written(tuple(255 - channel for channel in _channels(colour)))


def dark_of(accent: str) -> str:
    """Return the accent for dark ground that belongs to one for light ground: its hue, light enough to be read well.

    It is no more vivid than ours, since vivid colours glare on dark ground.
    """
    hue, lightness, vividness = colorsys.rgb_to_hls(*(channel / 255 for channel in _channels(accent)))
    for step in range(_STEPS):
        share = lightness + (1 - lightness) * step / _STEPS
        made = colorsys.hls_to_rgb(hue, share, min(vividness, _VIVID))
        colour = _written(tuple(round(255 * channel) for channel in made))
        if _worst(colour, DARK)[0] >= _AIM:
            return colour
    return "#FFFFFF"


def accent_problems(accent: str, accent_dark: str) -> list[str]:
    """Return a sentence for each state in which the accent could not be read (R48), with the figure and a remedy.

    The states are light, dark, and light inverted. An empty `accent` stands for ours, an empty `accent_dark` for the
    one that belongs to `accent`.
    """
    given = {"accent": accent, "accent_dark": accent_dark}
    wrong = [
        f"{name} {value!r} is no colour: {_FORM}." for name, value in given.items() if value and not is_colour(value)
    ]
    if wrong:
        return wrong
    light = accent or LIGHT["accent"]
    dark = accent_dark or (dark_of(accent) if accent else DARK["accent"])
    readable = _mixed(
        light, "#000000", lambda one: min(_worst(one, LIGHT)[0], _worst(inverted(one), _INVERTED)[0]) >= LEAST
    )
    lighter = _mixed(dark, "#FFFFFF", lambda one: _worst(one, DARK)[0] >= LEAST)
    states = [
        (f"accent {light}", light, LIGHT, f"take a darker one, such as {readable}"),
        (f"accent {light}, inverted as some mail programs do,", inverted(light), _INVERTED, f"take {readable}"),
        (f"accent_dark {dark}", dark, DARK, f"take a lighter one, such as {lighter}, or none for one that is made"),
    ]
    return [sentence for state in states if (sentence := _problem(*state))]


def is_colour(text: str) -> bool:
    """Tell whether a text is a colour as mails may have it: # and six hexadecimal digits (R28)."""
    return _COLOUR.fullmatch(text) is not None


def _problem(named: str, shown: str, look: Mapping[str, str], remedy: str) -> str:
    """Return what is wrong with an accent in one state, as a sentence, or nothing."""
    figure, place = _worst(shown, look)
    if figure >= LEAST:
        return ""
    rounded = math.floor(figure * 10) / 10  # down: 4.49 is not 4.5
    return f"{named} has a contrast of {rounded} {_PLACES[place]}, and {LEAST} is needed to read it (R48): {remedy}."


def _worst(accent: str, look: Mapping[str, str]) -> tuple[float, str]:
    """Return the lowest contrast that an accent has where it is used, and where that is."""
    return min((contrast(accent, look[place]), place) for place in _PLACES)


def _mixed(colour: str, other: str, enough: Callable[[str], bool]) -> str:
    """Return `colour` with as little of `other` as is enough."""
    pairs = tuple(zip(_channels(colour), _channels(other), strict=True))
    for step in range(_STEPS):
        mixed = _written(tuple(round(one + (two - one) * step / _STEPS) for one, two in pairs))
        if enough(mixed):
            return mixed
    return other


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2), from 0 for black to 1 for white."""
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in _channels(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> _Channels:
    if not is_colour(colour):
        raise ValueError(f"{colour!r} is no colour: {_FORM}")
    return tuple(bytes.fromhex(colour[1:]))


def _written(channels: _Channels) -> str:
    return f"#{bytes(channels).hex().upper()}"


#: Our light colours as a mail program shows them that inverts every one.
_INVERTED: Mapping[str, str] = {name: inverted(colour) for name, colour in LIGHT.items()}
