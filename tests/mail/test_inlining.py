"""T15: premailer at work on every mail, and on a page that has all that it gets wrong."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from newsletter.render import Renderer, inline
from tests.mail import inlining
from tests.mail.samples import MAILS

RENDERER = Renderer()
PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>x</title>
<style>
.p{color:#112233;margin:0 0 8px}
.i{width:100%;height:auto;background-color:#FFFFFF}
.t{text-align:start;width:50%;background-color:#EEEEEE;vertical-align:top}
.f{float:left}
.s{font-family:Segoe UI, Arial, sans-serif;color:#000000}
</style>
<style data-premailer="ignore">
@media only screen and (min-width:481px){
.p{color:#445566!important}
}
</style>
<style data-premailer="ignore">:root{color-scheme:light dark}
@media (prefers-color-scheme:dark){.p{color:#EEEEEE!important}}</style>
<style data-premailer="ignore">[data-ogsc] .p{color:#EEEEEE!important}
a[x-apple-data-detectors]{color:inherit!important}
#outlook a{padding:0!important}
u + .body .p{color:#EEEEEE!important}
.p:hover{text-decoration:underline!important}</style>
</head><body>
<!--[if mso]><table width="600"><tr><td class="p"><![endif]-->
<table class="t" width="100%" align="center"><tr><td class="p">&zwnj;&#8199;&nbsp;&copy; 日本 عربي 👩‍🚒</td></tr></table>
<!--[if mso]></td></tr></table><![endif]-->
<img class="i f" src="https://x.example.org/1.jpg" width="600" alt="">
<p class="p s"><a href="https://x.example.org/u/-0123h.token-?a=1&amp;b=ä">x</a></p>
</body></html>"""


@pytest.mark.parametrize("name", [name for name, sample in MAILS.items() if not sample.trial])
def test_premailer_keeps_what_must_stay(name: str) -> None:
    """T15."""
    assert list(inlining.problems(inlining.inlined(lambda: MAILS[name].mail(RENDERER)))) == []


@pytest.mark.parametrize(
    ("pattern", "replacement", "rule"),
    [
        ("<!DOCTYPE html>\n", "", "P6"),
        ("!important", "", "P1"),
        (r"\[data-ogsc\]", ".x", "P2"),
        (r"<!--\[if mso\]>", "<!--", "P13"),
        (r"-[0-9a-f]+h\.unsubscribe_url-", "https://news.example.org/u/1", "P11"),
        ('style="', "style='", "P12"),
        ('width="600" alt', 'width="100%" alt', "P5"),
        ("color:#2F3337", "color:#234", "P17"),
        ("<div ", '<div bgcolor="#FFFFFF" ', "P5"),
    ],
)
def test_what_premailer_would_break_is_noticed(pattern: str, replacement: str, rule: str) -> None:
    """T15: the facts can be false."""
    sound = inlining.inlined(lambda: MAILS["three"].mail(RENDERER))
    html = re.sub(pattern, replacement, sound.mail.html)
    assert html != sound.mail.html
    said = list(inlining.problems(replace(sound, mail=replace(sound.mail, html=html))))
    assert any(rule in one.partition(":")[0] for one in said), said


def test_lost_elements_are_noticed() -> None:
    """P5, P9, P14, P15."""
    sound = inlining.inlined(lambda: MAILS["three"].mail(RENDERER))
    for pattern, replacement, rule in (
        (r"<br>", "<wbr>", "P14"),
        (r' style="[^"]*"', "", "P15"),
        ("https://", "", "P11"),
    ):
        broken = replace(sound, after=re.sub(pattern, replacement, sound.after))
        assert any(rule in one.partition(":")[0] for one in inlining.problems(broken)), rule


@pytest.fixture(scope="module")
def page() -> str:
    """The page after inlining."""
    return inline(PAGE)


def test_kept_blocks_stay_byte_for_byte(page: str) -> None:
    """P1, P2, P3, P7: importance, selectors that match nothing now, pseudo classes and media queries."""
    for block in PAGE.split('<style data-premailer="ignore">')[1:]:
        assert f"<style>{block.partition('</style>')[0]}</style>" in page
    assert page.count("!important") == PAGE.count("!important")
    assert page.count("<style>") == 3
    assert "data-premailer" not in page


def test_attributes_written_by_hand_stay(page: str) -> None:
    """P5: no width or height from styles, no bgcolor, no align of nobody's."""
    assert 'width="600"' in page
    assert 'width="100%" align="center"' in page.replace("  ", " ")
    assert not any(one in page for one in ("height=", "bgcolor", 'align="left"', 'align="start"', "valign"))


def test_styles_are_written_once_and_in_double_quotes(page: str) -> None:
    """P8, P12, P17: unquoted fonts, six digits."""
    assert "style='" not in page
    assert "Segoe UI" in page
    assert "color:#112233" in page.replace(": ", ":")
    assert "#000000" in page
    assert "#FFFFFF" in page


def test_comments_and_characters_stay(page: str) -> None:
    """P10, P13: conditional comments untouched, entities become characters of UTF-8."""
    assert '<!--[if mso]><table width="600"><tr><td class="p"><![endif]-->' in page
    assert "\u200c\u2007\u00a0© 日本 عربي 👩‍🚒" in page
    assert "-0123h.token-?a=1&amp;b=" in page


def test_doing_it_again_changes_nothing(page: str) -> None:
    """Facts of section 4: the output is stable."""
    again = page.replace("<style>", '<style data-premailer="ignore">')
    assert inline(again) == page
