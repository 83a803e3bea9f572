"""T11, T14: lynx reads the mail in order, and SpamAssassin takes it for what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from newsletter.render import Renderer
from tests.mail import lynx, spam
from tests.mail.programs import MissingProgramError, found
from tests.mail.samples import ISSUES, MAILS, SENT, view

RENDERER = Renderer()
#: Counts Latin e against letters that look like it, and so matches a mail in Cyrillic whose links have some.
CYRILLIC = {"MIXED_ES": 1.0}


@pytest.mark.parametrize("name", MAILS)
def test_the_mail_is_heard_in_its_order(name: str) -> None:
    """T11, R46: headlines as in the manifest, then the footer."""
    assert list(lynx.problems(view(name))) == []


def test_another_order_is_noticed() -> None:
    """T11."""
    ten = view("ten")
    turned = replace(ten, headlines=(*ten.headlines[:3], *reversed(ten.headlines[3:])))
    assert [one[:4] for one in lynx.problems(turned)][:1] == ["R46:"]


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingProgramError, match="lynx is missing. On Debian: apt-get install lynx"):
        found("lynx")


@pytest.fixture(scope="module")
def verdicts() -> dict[str, spam.Verdict]:
    """What SpamAssassin says of every mail, and of two that are wrong; one run, since it starts slowly."""
    messages = {name: spam.message(MAILS[name].mail(RENDERER), listed=name in ISSUES) for name in SENT}
    three = MAILS["three"].mail(RENDERER)
    stub = replace(three, text="Please read the html part.\n")
    seen = three.html.replace("display:none", "display:block").replace("mso-hide:all", "color:#FFFFFE;font-size:1px")
    return spam.judge(
        messages
        | {"a stub of a text part": spam.message(stub, listed=True)}
        | {"a preheader in white": spam.message(replace(three, html=seen), listed=True)}
        | {"no list": spam.message(three, listed=False)}
    )


@pytest.mark.parametrize("name", SENT)
def test_spamassassin_finds_nothing(verdicts: dict[str, spam.Verdict], name: str) -> None:
    """T14, R61: at most -1 point with the headers of a list, and none of the rules that speak of bad html."""
    verdict = verdicts[name]
    excused = sum(CYRILLIC.get(rule, 0) for rule in verdict.rules)
    assert [rule for rule in verdict.rules if spam.NEVER.search(rule)] == []
    assert verdict.score - excused <= (spam.WITH_LIST if name in ISSUES else spam.WITHOUT_LIST), verdict.rules


def test_spamassassin_would_notice(verdicts: dict[str, spam.Verdict]) -> None:
    """T14: the rules that must not match do match where they should."""
    assert "MPART_ALT_DIFF" in verdicts["a stub of a text part"].rules
    assert "HTML_FONT_LOW_CONTRAST" in verdicts["a preheader in white"].rules
    assert verdicts["no list"].score <= spam.WITHOUT_LIST
    assert "MAILING_LIST_MULTI" not in verdicts["no list"].rules
