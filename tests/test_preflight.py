"""Stage 3b: what blocks an issue and what an editor is told."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from newsletter.mail import Mail, hole_tag
from newsletter.preflight import Finding, check, kept_style_bytes
from newsletter.render import Card, IssueContent, Renderer
from tests import mail_fixtures as fixtures

CONTENT = fixtures.issue(3)
RENDERER = Renderer()
MAIL = RENDERER.issue(CONTENT, fixtures.NONCE)
UNSUBSCRIBE = {html: hole_tag(fixtures.NONCE, "unsubscribe_url", html=html) for html in (True, False)}
PREFERENCES = hole_tag(fixtures.NONCE, "preferences_url", html=True)


def findings(content: IssueContent) -> list[Finding]:
    return check(content, RENDERER.issue(content, fixtures.NONCE))


def told(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.severity, one.rule) for one in found]


def lead(**changes: str) -> IssueContent:
    return replace(CONTENT, lead=replace(CONTENT.lead, **changes))  # type: ignore[arg-type]


def second(**changes: str) -> IssueContent:
    return replace(CONTENT, more=(replace(CONTENT.more[0], **changes), *CONTENT.more[1:]))  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [fixtures.issue(), fixtures.issue(pictures=False), fixtures.arabic_issue()])
def test_a_good_issue_has_no_findings(content: IssueContent) -> None:
    assert findings(content) == []


@pytest.mark.parametrize(
    ("content", "expected", "words"),
    [
        (replace(CONTENT, postal_address=" "), ("error", "CAN-SPAM"), "postal address"),
        (replace(CONTENT, publisher=""), ("error", "R42"), "who publishes"),
        (replace(CONTENT, contact=""), ("error", "R42"), "corrections"),
        (replace(CONTENT, subject="x" * 101), ("warning", "R14"), "101 characters"),
        (lead(headline=" "), ("error", "R45"), "“https://uzh-courier.* has no headline"),
        (second(headline="\u202e"), ("error", "R45"), "“https://tatra-post.* has no headline"),
        (lead(summary=""), ("warning", "R59"), "no summary"),
        (lead(image_alt=""), ("warning", "R47"), "no description"),
        (lead(image_url="", image_alt=""), None, ""),
        (second(image_alt=""), None, ""),
        (second(link="javascript:alert(1)"), ("error", "R37"), r"Shepherds .* \(javascript:alert\(1\)\)"),
        (second(link=""), ("error", "R37"), "it is empty"),
        (second(source=""), ("warning", "R59"), "does not say where it is from"),
        (
            second(link="http://old.example.org/1"),
            ("warning", "R37"),
            "Links that are not https: 1, .* http://old.example.org/1",
        ),
        (second(image_url="http://old.example.org/1.jpg"), ("warning", "R21"), "Shepherds .* left out"),
        (replace(CONTENT, view_url="http://127.0.0.1:8000/x"), ("warning", "R37"), "trial: .* http://127.0.0.1:8000,"),
        (replace(CONTENT, contact="https://news.example.org/corrections"), None, ""),
    ],
)
def test_content(content: IssueContent, expected: tuple[str, str] | None, words: str) -> None:
    """One finding each, in words that name the thing."""
    found = findings(content)
    assert told(found) == ([expected] if expected else [])
    for one in found:
        assert re.search(words, one.message)
        assert one.fix.endswith(".")


def test_a_trial_is_told_once() -> None:
    """A trial installation's own http addresses are one finding, not one for each link and picture."""
    base = "http://127.0.0.1:8000"
    cards = [replace(card, link=f"{base}/{n}", image_url=f"{base}/{n}.jpg") for n, card in enumerate(CONTENT.more)]
    content = replace(CONTENT, more=tuple(cards), view_url=f"{base}/x", signup_url=f"{base}/y")
    assert told(findings(content)) == [("warning", "R37")]


@pytest.mark.parametrize(
    ("mail", "expected", "words"),
    [
        (replace(MAIL, subject="  "), ("error", "R14"), "subject is empty"),
        (
            replace(MAIL, html=MAIL.html.replace(UNSUBSCRIBE[True], "https://x.example/")),
            ("error", "CAN-SPAM"),
            "html part",
        ),
        (replace(MAIL, text=MAIL.text.replace(UNSUBSCRIBE[False], "")), ("error", "CAN-SPAM"), "text part"),
        (replace(MAIL, html=MAIL.html.replace(PREFERENCES, "https://x.example/")), ("warning", "R42"), "preferences"),
        (replace(MAIL, text=MAIL.text.replace(CONTENT.lead.link, "")), ("error", "R59"), "no link to “Night train"),
        (replace(MAIL, text=MAIL.text.replace(CONTENT.lead.link, CONTENT.lead.link + "9")), ("error", "R59"), "Night"),
        (replace(MAIL, html=MAIL.html.replace(CONTENT.view_url, "/view")), ("error", "R37"), "“/view” is no complete"),
        (replace(MAIL, html=MAIL.html.replace(CONTENT.view_url, "#")), ("error", "R37"), "“#” is no complete"),
        (replace(MAIL, html=MAIL.html.replace(CONTENT.view_url, "-unsubscribe_url-")), ("error", "R37"), "“-unsub"),
        (replace(MAIL, html=MAIL.html.replace("</style>", "x" * 9_000 + "</style>")), ("error", "R10"), "style blocks"),
    ],
)
def test_templates_of_a_newsrooms_own(mail: Mail, expected: tuple[str, str], words: str) -> None:
    found = check(CONTENT, mail)
    assert expected in told(found)
    assert re.search(words, next(one.message for one in found if (one.severity, one.rule) == expected))


def padded(letter: str, size: int) -> Mail:
    """The mail with a body as long as asked for, counted after its holes are filled."""
    usual = len(MAIL.html_for(dict.fromkeys(fixtures.VALUES, "")).encode())
    return replace(
        MAIL, html=MAIL.html.replace("</body>", letter * ((size - usual) // len(letter.encode())) + "</body>")
    )


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (padded("x", 69_000), []),
        (padded("x", 71_000), [("warning", "R9")]),
        (padded("x", 91_000), [("error", "R9")]),
        (padded("é", 50_000), [("error", "R9")]),  # three times as long when encoded
    ],
)
def test_size(mail: Mail, expected: list[tuple[str, str]]) -> None:
    """R9: Gmail cuts at about 102 KB, and the unsubscribe link is at the end."""
    assert told(check(CONTENT, mail)) == expected


def test_a_story_named_by_a_hostile_headline_stays_one_line() -> None:
    content = replace(CONTENT, more=(Card("a\r\n\u202eb" * 60, "", "", "", CONTENT.day, ()),))
    for one in findings(content):
        assert re.fullmatch("[^\r\n\u202e]{1,200}", one.message)


def test_kept_style_bytes_leave_out_what_only_word_reads() -> None:
    html = "<style>é</style><!--[if mso]><style>long</style><![endif]--><style>xy</style>"
    assert kept_style_bytes(html) == 4
