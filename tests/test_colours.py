"""Colours: the formula of WCAG 2.2, our own pairs (T10), and the accents that an edition may have (R48)."""

from __future__ import annotations

from itertools import product

import pytest

from newsletter.render.colours import DARK, LEAST, LIGHT, accent_problems, contrast, dark_of, inverted

#: What stands on what in the mail: (colour, ground).
PAIRS = [
    *product(("ink", "text", "meta", "accent"), ("paper", "sheet")),
    *product(("ink", "text", "meta"), ("tint",)),
    ("label", "accent"),
]
UPSIDE_DOWN = {name: inverted(colour) for name, colour in LIGHT.items()}


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#FFFFFF", 21.0),
        ("#123456", "#123456", 1.0),
        ("#767676", "#FFFFFF", 4.54),
        ("#FFFFFF", "#777777", 4.48),
        ("#FF0000", "#FFFFFF", 4.0),
        ("#0000ff", "#FFFFFF", 8.59),
        ("#0F4C5C", "#FFFFFF", 9.51),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize("text", ["", "#FFF", "FFFFFF", "#GGGGGG", "#FFFFFF00", "white", "#FFFFFF\n"])
def test_other_forms_are_no_colours(text: str) -> None:
    with pytest.raises(ValueError, match="six hexadecimal digits"):
        contrast(text, "#FFFFFF")


@pytest.mark.parametrize(("colour", "ground"), PAIRS)
@pytest.mark.parametrize("look", [LIGHT, DARK, UPSIDE_DOWN], ids=["light", "dark", "inverted"])
def test_everything_is_read_in_every_state_r48(look: dict[str, str], colour: str, ground: str) -> None:
    """T10; the target of R48 is 5.5."""
    assert contrast(look[colour], look[ground]) >= (5.5 if ground != "tint" else LEAST)


def test_our_own_accent_has_no_problem() -> None:
    assert accent_problems("", "") == []
    assert accent_problems(LIGHT["accent"], DARK["accent"]) == []


@pytest.mark.parametrize(
    ("accent", "accent_dark", "sentences"),
    [
        ("#8B1A1A", "", []),
        ("#8b1a1a", "#e8a0a0", []),
        ("", "#E8A0A0", []),
        ("#767676", "", ["accent #767676 has a contrast of 4.0 on the paper around it"]),
        (
            "#FF9900",
            "",
            ["accent #FF9900 has a contrast of 1.8", "inverted as some mail programs do, has a contrast of 3.9"],
        ),
        ("#0F4C5C", "#0F4C5C", ["accent_dark #0F4C5C has a contrast of 1.7 as a button under its words"]),
        ("", "#333333", ["accent_dark #333333 has a contrast of 1.2"]),
        ("#FF9900", "#000000", ["accent #FF9900", "accent #FF9900, inverted", "accent_dark #000000"]),
        ("red", "", ["accent 'red' is no colour: write # and six hexadecimal digits"]),
        ("#FFF", "#12345G", ["accent '#FFF' is no colour", "accent_dark '#12345G' is no colour"]),
    ],
)
def test_an_accent_that_cannot_be_read_is_named_with_its_figure(
    accent: str, accent_dark: str, sentences: list[str]
) -> None:
    problems = accent_problems(accent, accent_dark)
    assert len(problems) == len(sentences)
    for problem, sentence in zip(problems, sentences, strict=True):
        assert sentence in problem
        assert problem.endswith(".")


@pytest.mark.parametrize(("accent", "accent_dark"), [("#FF9900", ""), ("#FFFF00", "#222222"), ("#777777", "#777777")])
def test_the_remedy_that_a_sentence_offers_works(accent: str, accent_dark: str) -> None:
    for problem in accent_problems(accent, accent_dark):
        remedy = problem.rpartition(" #")[2].removesuffix(", or none for one that is made.").removesuffix(".")
        is_dark = problem.startswith("accent_dark")
        assert not [
            one
            for one in accent_problems("" if is_dark else f"#{remedy}", f"#{remedy}" if is_dark else "")
            if one.startswith("accent_dark") == is_dark
        ]


def test_an_accent_for_the_dark_can_be_made_of_every_colour() -> None:
    for channels in product(range(0, 256, 51), repeat=3):
        accent = f"#{bytes(channels).hex().upper()}"
        made = dark_of(accent)
        assert [problem for problem in accent_problems(accent, made) if problem.startswith("accent_dark")] == []


def test_the_accent_for_the_dark_keeps_its_hue() -> None:
    red, green, blue = bytes.fromhex(dark_of("#0F4C5C")[1:])
    assert red < green < blue
    assert len(set(bytes.fromhex(dark_of("#303030")[1:]))) == 1
