"""T1, T2, T4, T5, T10, T12, T17: every mail obeys every rule that shows without a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from newsletter.render.colours import DARK, LIGHT
from scripts import caniemail
from tests.mail import contrast, policy
from tests.mail.lint import problems
from tests.mail.samples import ISSUES, MAILS, view
from tests.mail.view import is_hidden, pixels, style

#: Points 8 of the issue: bytes of a lead and ten stories with a reader's values in, and of their kept style blocks.
BYTES, KEPT_BYTES = 38_000, 1_740


@pytest.mark.parametrize("name", MAILS)
def test_the_mail_obeys_the_rules(name: str) -> None:
    """T1, T2, T4, T10, T12."""
    assert problems(view(name)) == []


def test_ten_stories_are_light() -> None:
    """T5, R9, R10: the handbook's prototype had 38.9 KB and 1.7 KB."""
    ten = view("ten")
    assert len(ten.html.encode()) <= BYTES
    assert sum(len(block.encode()) for block in ten.styles) <= KEPT_BYTES


@pytest.mark.parametrize("name", ISSUES)
def test_summaries_are_set_in_16_pixels_at_least(name: str) -> None:
    """R49: and no text is smaller than 14."""
    shown = {summary for summary in view(name).summaries if summary}
    sizes = [
        pixels(style(line)["font-size"])
        for line in view(name).root.iter("p")
        if " ".join(line.text_content().split()) in shown and not is_hidden(line)
    ]
    assert len(sizes) == len([summary for summary in view(name).summaries if summary])
    assert all(size is not None and size >= 16 for size in sizes)


# T10: the formula itself


@pytest.mark.parametrize(
    ("colour", "ground", "ratio"),
    [
        ("#000000", "#FFFFFF", 21.0),
        ("#777777", "#FFFFFF", 4.48),
        ("#1D2023", "#FFFFFF", 16.4),
        ("#8FCBD8", "#1C1F22", 9.2),
    ],
)
def test_contrast_is_wcags(colour: str, ground: str, ratio: float) -> None:
    """T10: two well-known pairs, and two of the handbook's table."""
    pair = contrast.Pair(colour, ground, "")
    assert pair.ratio == pytest.approx(ratio, abs=0.06)
    assert pair.inverted.inverted == pair


@pytest.mark.parametrize(
    ("text", "ground", "least"),
    [
        ("ink", "sheet", contrast.TARGET),
        ("ink", "paper", contrast.TARGET),
        ("text", "sheet", contrast.TARGET),
        ("text", "paper", contrast.TARGET),
        ("meta", "sheet", contrast.TARGET),
        ("meta", "paper", contrast.TARGET),
        ("meta", "tint", contrast.DEMAND),
        ("accent", "sheet", contrast.TARGET),
        ("label", "accent", contrast.TARGET),
    ],
)
def test_the_palette_can_be_read_in_three_states(text: str, ground: str, least: float) -> None:
    """T10, R48: light, dark, and light turned round; the demand is 4.5, which descriptions of pictures keep, the target 5.5."""
    light = contrast.Pair(LIGHT[text], LIGHT[ground], text)
    dark = contrast.Pair(DARK[text], DARK[ground], text)
    assert min(pair.ratio for pair in (light, dark, light.inverted)) >= least


def test_all_states_of_the_palette_are_looked_at() -> None:
    """T10: light, dark, what Outlook makes of dark, and everything turned round; each with several pairs."""
    states = contrast.Colours(view("full")).states
    assert set(states) == {"light", "dark", "outlook", "inverted"}
    for pairs in states.values():
        assert len({(pair.colour, pair.ground) for pair in pairs}) >= 5
    assert {pair.ground for pair in states["light"]} & {pair.ground for pair in states["dark"]} == set()


# T4: the data and the policy


def test_the_data_of_caniemail_is_small_and_says_who_made_it() -> None:
    read = json.loads(policy.DATA.read_text(encoding="utf-8"))
    assert read["licence"].startswith("MIT")
    assert "Rémi Parmentier" in read["source"]
    assert (policy.DATA.parent / "caniemail.LICENSE").read_text(encoding="utf-8").count("Copyright") >= 2
    assert policy.DATA.stat().st_size < 16_000
    assert set(read["clients"]) == set(caniemail.CLIENTS)
    assert {mark for marks in read["features"].values() for mark in marks} <= set("yanu")
    assert {len(marks) for marks in read["features"].values()} == {len(read["clients"])}


def test_the_script_takes_the_latest_result_of_each_client(tmp_path: Path) -> None:
    stats = {"gmail": {"ios": {"2019-01": "n", "2021-01": "y", "2022-02": "a #1"}}, "hey": {"ios": {"2020-01": "n"}}}
    feature = {"slug": "css-opacity", "stats": stats}
    made = caniemail.trimmed({"last_update_date": "2026-05-13 14:45:41 +0000", "data": [feature]}, "2.0.2")
    assert made["date"] == "2026-05-13"
    assert dict(zip(made["clients"], made["features"]["css-opacity"], strict=True)) == {
        client: "a" if client == "gmail.ios" else "u" for client in caniemail.CLIENTS
    }


@pytest.mark.parametrize(
    ("declaration", "client"),
    [
        ("display:flex", "outlook.windows"),
        ("display:grid", "outlook.windows-mail"),
        ("position:absolute", "gmail.desktop-webmail"),
        ("box-shadow:0 1px #000000", "outlook.windows"),
        ("width:calc(100% - 2px)", "outlook.windows"),
        ("background-image:url(https://x.example.org/a.png)", "outlook.windows"),
        ("padding-inline-start:4px", "outlook.windows"),
        ("color:var(--ink)", "gmail.desktop-webmail"),
        ("color:oklch(40% 0.2 30)", "gmail.desktop-webmail"),
    ],
)
def test_the_policy_refuses_what_is_not_drawn(declaration: str, client: str) -> None:
    """T4."""
    name, _, value = declaration.partition(":")
    said = [problem for feature in policy.declared(name, value) for problem in policy.judged(feature)]
    assert any(client in problem for problem in said), said


def test_the_policy_refuses_what_nobody_knows() -> None:
    """T4: a feature without data must be explained, or it is a finding."""
    said = list(policy.judged("css-zoom"))
    assert said == ["T4: caniemail does not know css-zoom, which is used inline"]
    assert not {f"css-{name}" for name in policy.KNOWN_PROPERTIES} & set(policy.data())


def test_every_exception_of_the_policy_is_needed() -> None:
    """T4: a client that has learnt the feature is no longer excused."""
    for feature, (clients, reason) in policy.EXCUSED.items():
        assert {policy.data()[feature][client] for client in clients} <= {"n", "u"}, feature
        assert reason


# T17: what stress must not do


def test_hostile_text_is_shown_as_text() -> None:
    """T17, threats 3 and 4: markup, templates and tags of others come out as they are."""
    for name in ("hostile", "odd"):
        root = view(name).root
        assert root.xpath("//script | //b[not(ancestor::p)] | //*[@onerror or @onload]") == []
        assert "alert(1)" in root.text_content()
    assert not re.search("[\u202a-\u202e]", view("odd").html + view("odd").text)


def test_what_is_not_known_leaves_no_gap() -> None:
    """T17: no date, no source, no region, no summary: no empty line, no separator without neighbours."""
    for line in view("bare").root.iter("p", "h1", "h2", "h3"):
        text = " ".join(line.text_content().split())
        assert not re.search("^·|·$|· ·|None", text)
    assert not re.search("^ *·|· *$|None", view("bare").text, re.MULTILINE)
