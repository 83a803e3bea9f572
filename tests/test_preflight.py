"""Stage 3b: what an editor is told of an issue's content, and what comes from outside the mail."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from newsletter.mail import Mail, hole_tag
from newsletter.preflight import Finding, Known, check, kept_style_bytes, links_of
from newsletter.preflight.page import Page
from newsletter.preflight.sheet import matches, sheet_of
from newsletter.reach.domain import DomainFinding, DomainState
from newsletter.reach.links import LinkState
from newsletter.render import Card, IssueContent, Look, Renderer
from tests import mail_fixtures as fixtures

CONTENT = fixtures.issue(3)
RENDERER = Renderer()
MAIL = RENDERER.issue(CONTENT, fixtures.NONCE)


def findings(content: IssueContent) -> list[Finding]:
    return check(content, RENDERER.issue(content, fixtures.NONCE))


def told(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.severity, one.rule) for one in found]


def lead(**changes: Any) -> IssueContent:
    return replace(CONTENT, lead=replace(CONTENT.lead, **changes))


def second(**changes: Any) -> IssueContent:
    return replace(CONTENT, more=(replace(CONTENT.more[0], **changes), *CONTENT.more[1:]))


@pytest.mark.parametrize(
    "content",
    [
        fixtures.issue(),
        fixtures.issue(0),
        fixtures.issue(1),
        fixtures.issue(pictures=False),
        fixtures.arabic_issue(),
        replace(CONTENT, intro="Good *morning*, with [a link](https://x.example/1).\n\nA second paragraph."),
        replace(CONTENT, corrections="We wrote 14 where 15 was right.", closing="Until next week."),
        replace(CONTENT, contact="https://news.example.org/corrections"),
        second(language="fr", headline="Les bergers et le parc"),
        second(language="ar", headline="الرعاة والمتنزه", source="النهار"),
        second(also=("Kysuce News", "النهار"), image_credit="A. Nováková"),
    ],
    ids=[
        "ten",
        "lead only",
        "one",
        "no pictures",
        "arabic",
        "intro",
        "notes",
        "contact page",
        "french",
        "foreign",
        "also",
    ],
)
def test_a_good_issue_has_no_findings(content: IssueContent) -> None:
    assert findings(content) == []


LONG = "A sentence of exactly seven words here. "


@pytest.mark.parametrize(
    ("content", "expected", "words"),
    [
        (replace(CONTENT, postal_address=" "), ("error", "R42"), "postal address"),
        (replace(CONTENT, publisher=""), ("error", "R42"), "who publishes"),
        (replace(CONTENT, contact=""), ("error", "R42"), "corrections"),
        (replace(CONTENT, subject="x" * 101), ("warning", "R14"), "101 characters"),
        (
            replace(CONTENT, preheader="Wolves, trains and a free night bus"),
            ("warning", "R34"),
            "35 characters; 85 to 130",
        ),
        (replace(CONTENT, preheader="Wolves, trains and a free bus. " * 5), ("warning", "R34"), "154 characters"),
        (replace(CONTENT, preheader=CONTENT.lead.headline), ("warning", "R34"), "repeats: the subject"),
        (lead(headline=" "), ("error", "R45"), "no headline: “https://uzh-courier"),
        (second(headline="\u202e"), ("error", "R45"), "no headline: “https://tatra-post"),
        (second(headline="Word " * 30), ("warning", "copy"), "longer than 110 .*has 149"),
        (lead(summary=""), ("warning", "copy"), "no summary: “Night train"),
        (second(summary="It rains."), ("warning", "copy"), "one short sentence: “Shepherds"),
        (second(summary=LONG * 6), ("warning", "copy"), "6 sentences, 42 words"),
        (second(summary="word " * 91), ("warning", "copy"), "91 words"),
        (second(source=""), ("warning", "copy"), "does not say where it is from: “Shepherds"),
        (lead(image_alt=""), ("warning", "R47"), "no description"),
        (second(link="javascript:alert(1)"), ("error", "R37"), r"Shepherds .* \(javascript:alert\(1\)\)"),
        (second(link=""), ("error", "R37"), "it is empty"),
        (second(link="http://old.example.org/1"), ("warning", "R37"), "not https: “http://old.example.org/1”"),
        (second(image_url="http://old.example.org/1.jpg"), ("warning", "R21"), "left out.*Shepherds"),
        (replace(CONTENT, view_url="http://127.0.0.1:8000/x"), ("warning", "R37"), "trial: .* http://127.0.0.1:8000,"),
        (
            replace(CONTENT, look=Look(accent="#9AA7AD")),
            ("error", "R48"),
            "edition's accent #9AA7AD has a contrast of 2",
        ),
        (replace(CONTENT, intro="[here](https://x.example/1)"), ("warning", "R38"), "does not say where.*here"),
        (
            replace(CONTENT, intro="[One](https://x.example/1) [one](https://x.example/2)"),
            ("warning", "R38"),
            "same text",
        ),
    ],
)
def test_content(content: IssueContent, expected: tuple[str, str], words: str) -> None:
    """The finding names the thing and says what to do."""
    [found] = [
        one for one in findings(content) if (one.severity, one.rule) == expected and re.search(words, one.message)
    ]
    assert found.fix.endswith(".")


@pytest.mark.parametrize("content", [lead(image_url="", image_alt=""), second(image_alt=""), second(day=None)])
def test_what_may_be_missing(content: IssueContent) -> None:
    assert findings(content) == []


def test_a_trial_is_told_once() -> None:
    """A trial installation's own http addresses are one finding, not one for each link and picture."""
    base = "http://127.0.0.1:8000"
    cards = [replace(card, link=f"{base}/{n}", image_url=f"{base}/{n}.jpg") for n, card in enumerate(CONTENT.more)]
    content = replace(CONTENT, more=tuple(cards), view_url=f"{base}/x", signup_url=f"{base}/y")
    assert told(findings(content)) == [("warning", "R37")]


GONE = LinkState("gone", "news.example answered 404, not found.", "")
DOMAIN = DomainState("news.example.org", (DomainFinding("SPF", "warning", "There is no SPF record.", "Publish one."),))


@pytest.mark.parametrize(
    ("known", "expected", "words"),
    [
        (Known(earlier_subjects=(("2026-W46", MAIL.subject.upper() + " "),)), ("warning", "R14"), "2026-W46"),
        (Known(earlier_subjects=(("2026-W46", "Another subject"),)), None, ""),
        (Known(links={CONTENT.lead.link: GONE}), ("warning", "T13"), r"dead: “https://uzh.*404, not found\)"),
        (Known(links={CONTENT.lead.link: LinkState("unknown", "No answer."), "https://gone.example/": GONE}), None, ""),
        (Known(domain=DOMAIN), ("warning", "SPF"), "no SPF record"),
        (Known(domain=replace(DOMAIN, findings=())), None, ""),
        (Known(missing_words=("Issue %(number)s", "Unsubscribe")), ("warning", "words"), "Issue .*, and 1 more"),
    ],
)
def test_what_is_known_from_outside(known: Known, expected: tuple[str, str] | None, words: str) -> None:
    found = check(CONTENT, MAIL, known)
    assert told(found) == ([expected] if expected else [])
    assert all(re.search(words, one.message) for one in found)


def test_links_to_look_at_are_the_public_ones_of_others() -> None:
    """No reader's token leaves the house, and our own page is not there before the issue is sent."""
    content = replace(CONTENT, intro="See [the map](https://maps.example/1).")
    found = links_of(content, RENDERER.issue(content, fixtures.NONCE))
    assert found == ["https://maps.example/1", *(card.link for card in (content.lead, *content.more))]


def padded(letter: str, size: int) -> Mail:
    """The mail with a body as long as asked for, counted after its holes are filled."""
    usual = len(MAIL.html_for(dict.fromkeys(fixtures.VALUES, "")).encode())
    filling = letter * ((size - usual) // len(letter.encode()))
    return replace(MAIL, html=MAIL.html.replace("</body>", f"<!--{filling}--></body>"))


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (padded("x", 69_000), []),
        (padded("x", 71_000), [("warning", "R9")]),
        (padded("x", 91_000), [("error", "R9")]),
        (padded("é", 50_000), [("error", "R9")]),  # three times as long when encoded
    ],
    ids=["small", "large", "too large", "too large when encoded"],
)
def test_size(mail: Mail, expected: list[tuple[str, str]]) -> None:
    """R9: Gmail cuts at about 102 KB, and the unsubscribe link is at the end."""
    assert told(check(CONTENT, mail)) == expected


def test_blocks_for_some_readers_are_judged_as_each_gets_them() -> None:
    """A link that only readers with a name see is judged, and what those without one see, too."""
    start, end = f"<!--{fixtures.NONCE}h.if.not_name-->", f"<!--{fixtures.NONCE}h.end-->"
    block = f'{start}<a href="#">Tell us your name</a>{end}'
    broken = replace(MAIL, html=MAIL.html.replace("</h1>", f"{block}</h1>", 1))
    assert ("error", "R37") in told(check(CONTENT, broken))
    assert ("error", "R37") not in told(
        check(CONTENT, replace(broken, html=broken.html.replace("#", CONTENT.view_url)))
    )


def test_a_story_named_by_a_hostile_headline_stays_one_line() -> None:
    content = replace(CONTENT, more=(Card("a\r\n\u202eb" * 60, "", "", "", CONTENT.day, ()),))
    for one in findings(content):
        assert re.fullmatch("[^\r\n\u202e]{1,240}", one.message)


@pytest.mark.parametrize("content", [fixtures.hostile_issue(), fixtures.long_issue()], ids=["hostile", "long"])
def test_hostile_and_long_texts_break_nothing_but_copy(content: IssueContent) -> None:
    """T17: whatever sources write, the mail itself stays sound; what is found is the editor's to decide."""
    assert {one.rule for one in findings(content)} <= {"R14", "R21", "R34", "R37", "R38", "R45", "R59", "copy"}


def test_a_hole_cannot_be_faked() -> None:
    """Threat 3: words that look like our marks for holes are words."""
    html = MAIL.html.replace(hole_tag(fixtures.NONCE, "unsubscribe_url", html=True), "{hole.unsubscribe_url}")
    assert ("error", "R42") in told(check(CONTENT, replace(MAIL, html=html)))


def test_kept_style_bytes_leave_out_what_only_word_reads() -> None:
    html = "<style>é</style><!--[if mso]><style>long</style><![endif]--><style>xy</style>"
    assert kept_style_bytes(html) == 4


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        (".a", True),
        ("p.a.b", True),
        ("p", True),
        ("*", True),
        ("td p", True),
        ("table .a", True),
        ("td > p", True),
        ("table > p", False),
        (".c .a", False),
        ("p.c", False),
        ("#x", False),
        ("[lang]", True),
        ("[lang=de]", True),
        ('p[lang="fr"]', False),
        ("p:hover", False),
        ("td + p", False),
    ],
)
def test_selectors(selector: str, fits: bool) -> None:
    page = Page.of('<table><tr><td><p class="a b" lang="de">Text</p></td></tr></table>')
    assert matches(selector, page.all("p")[0]) is fits


def test_a_sheet_is_read_as_rules() -> None:
    sheet = sheet_of("/* a{b:c} */ .a,.b{color:#123456!important} @media (min-width:1px){.c{x:y;z:1}}")
    assert [(rule.media, rule.selector, len(rule.declared)) for rule in sheet.rules] == [
        ("", ".a", 1),
        ("", ".b", 1),
        ("(min-width:1px)", ".c", 2),
    ]
    assert sheet.rules[0].declared[0].important
    assert not sheet.nested
    assert not sheet.is_torn
