"""Stage 3b: an issue that uses every slot, broken where only its content, or a reader's eye, can tell (T1, T16)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from newsletter.mail import Mail, hole_tag
from newsletter.preflight import check, check_mail
from newsletter.preflight.colour_names import COLOURS
from newsletter.preflight.comparing import first_astray, in_order
from newsletter.preflight.preheader import hides
from newsletter.render import IssueContent, Renderer
from tests import mail_fixtures as fixtures
from tests.mail.samples import MAILS, Sample
from tests.test_preflight_rules import Broken, error, is_told, named, warning

RENDERER = Renderer()
CONTENTS: dict[str, IssueContent] = {
    name: sample.content for name, sample in MAILS.items() if isinstance(sample.content, IssueContent)
}
CONTENT = CONTENTS["full"]
MAIL = RENDERER.issue(CONTENT, fixtures.NONCE)
TEN = CONTENTS["ten"]
TEN_MAIL = RENDERER.issue(TEN, fixtures.NONCE)
#: The lead's text; the first kept block; an end of the masthead to put something after; the first link of a story.
TEXT = r"(<p [^>]*style=\"[^\"]*)(\">The first carriages)"
WIDE = r"(@media only[^{]*\{)"
AFTER = r"</h1>"
PLAIN = "margin:0 0 0 0;font-size:16px;line-height:24px;color:#2F3337"
LEAVE = re.escape(hole_tag(fixtures.NONCE, "unsubscribe_url", html=True))
DELIVERY = hole_tag(fixtures.NONCE, "delivery_id", html=True)
TOKEN = hole_tag(fixtures.NONCE, "token", html=True)

PRINTED = [
    warning("credit", r"Picture: [^<]*", "", "R59", "html part lacks the picture credit", every=True),
    warning("credit in text", r"Picture: [^\n]*", "", "R59", "text part lacks the picture cr", part="text", every=True),
    warning("others", "Also reported by [^<]*", "", "R59", "html part lacks the list of other", every=True),
    warning("others in text", r"Also reported by [^\n]*", "", "R59", "lacks the list of other", part="text", every=True),
    warning("intro", "<p[^>]*>[^<]*snow came.*?</p>", "", "R59", "html part lacks words of the editor's intro.*snow"),
    warning("intro in text", r"snow came.*?\n\n", "", "R59", "text part lacks words of the editor's in", part="text"),
    warning("for new readers", "good to have you", "", "R59", "html part lacks words.*intro.*good"),
    warning("corrections", "<p[^>]*>Issue 46.*?</p>", "", "R59", "html part lacks words of the editor's corr"),
    warning("corrections in text", r"Issue 46.*?\n\n", "", "R59", "text part lacks words of.*corr", part="text"),
    warning("closing", "<p[^>]*>Until Sunday.*?</p>", "", "R59", "html part lacks words of the editor's clos"),
    warning("closing in text", r"Until Sunday.*?\n\n", "", "R59", "text part lacks words of.*clos", part="text"),
    warning("reason", "<p[^>]*>You receive this.*?</p>", "", "R42", "html part does not say why.*reader's address, and"),
    warning("reason in text", r"You receive this.*?\n\n", "", "R42", "text part does not say why", part="text"),
    warning("since", hole_tag(fixtures.NONCE, "since", html=True), "May", "R42", "lacks: the day on which"),
    warning("date", "22 November 2026", "", "R59", "html part lacks the issue's date"),
    warning("date in text", "22 November 2026", "", "R59", "text part lacks the issue's date", part="text"),
    warning("tagline", "The week on both sides", "", "R59", "html part lacks the edition's tagline"),
    warning("title", "(<h1[^>]*>)[^<]*", r"\1News", "R45", "neither the edition's name nor the subject"),
    warning("capitals", r"(<h2[^>]*>\s*<a[^>]*>)Night train", r"\1NIGHT TRAIN", "R59", "html part lacks the headline"),
    warning("capitals in text", "Night train", "Night Train", "R59", "text part lacks the headline", part="text"),
    warning("no section", r"<h2([^>]*>More.*?)</h2>", r"<p\1</p>", "R45", "below the lead have no heading"),
    warning("flag", r'<img[^>]*flag\.png[^>]*> ?', "", "R54", "without its flag: “UA"),
    warning("another flag", r"flag\.png", "other.png", "R54", "without its flag: “UA.*and 2 more", every=True),
    warning("flag twice", r'(<img[^>]*flag\.png[^>]*>)', r"\1\1", "R54", "does not belong"),
]  # fmt: skip

PICTURES = [
    warning("all alike", r"https://pictures\.example\.org/[1-9]\.jpg", "https://pictures.example.org/0.jpg", "R21", "picture is not shown", every=True),
    warning("alike", r"https://pictures\.example\.org/[1-9]\.jpg", "https://pictures.example.org/0.jpg", "R21", "more than once", every=True),
    warning("lead twice", r'(<a [^>]*><img[^>]*0\.jpg[^>]*></a>)', r"\1\1", "R21", "more than once"),
    warning("another's alt", 'alt="A blue', 'alt="A red', "R47", "not its story's"),
    warning("silent lead", 'alt="A blue[^"]*"', 'alt=""', "R47", "lead picture's description"),
    warning("another's link", r'(<a [^>]*href=")[^"]*("[^>]*><img[^>]*0\.jpg)', r"\1https://x.example/\2", "R38", "A picture leads to another"),
    warning("pixel", AFTER, '</h1><img src="https://t.example/o.gif" width="1" height="1" alt="" style="border:0">', "R21", "shows nothing.*o.gif"),
    warning("hidden picture", AFTER, '</h1><img src="https://t.example/o.gif" width="99" alt="" style="display:none;border:0">', "R21", "shows nothing"),
    warning("unseen picture", AFTER, '</h1><img src="https://t.example/o.gif" width="99" alt="" style="visibility:hidden;border:0">', "R21", "shows nothing"),
    warning("reporting picture", r"0\.jpg", f"0.jpg?d={DELIVERY}", "R42", "tells who opens"),
    warning("too wide", 'width="600" alt', 'width="900" alt', "R17", "picture is wider than 600"),
    warning("behind text", "(<td )", r'\1background="https://x.example/a.png" ', "R25", "pictures behind text"),
    warning("only in Word", AFTER, '</h1><!--[if mso]><img src="https://t.example/x.gif" width="90" alt=""><![endif]-->', "R17", "Only Word shows this picture"),
]  # fmt: skip

LOOKS = [
    *(
        warning(style, TEXT, rf"\1;{style}\2", rule, words)
        for style, rule, words in [
            ("text-align:center", "R51", "begin on the left"),
            ("text-align:justify", "R51", "begin on the left"),
            ("letter-spacing:-1px", "R25", "pushed into one another"),
            ("word-spacing:-2px", "R25", "pushed into one another"),
            ("line-height:8px", "R26", "stand in one another"),
            ("font:9px/20px Arial", "R30", "shorthand"),
            ("font-size:small", "R25", "whole pixels"),
            ("max-height:40px;overflow:hidden", "R16", "cut off"),
            ("height:40px", "R16", "cut off"),
            ("text-overflow:ellipsis", "R25", "text-overflow"),
            ("-webkit-line-clamp:2", "R25", "line-clamp"),
            ("zoom:0.3", "R25", "zoom"),
            ("rotate:180deg", "R25", "rotate"),
            ("pointer-events:none", "R25", "pointer-events"),
            ("unicode-bidi:bidi-override", "R25", "unicode-bidi"),
            ("direction:rtl", "R52", "turns the text round"),
            ("color:papayawhip", "R28", "six digits.*papayawhip"),
            ("color:canvastext", "R28", "six digits.*canvastext"),
            ("color:hsl(10,10%,90%)", "R28", "six digits.*hsl"),
            ("border-left:1px solid peru", "R28", "six digits.*peru"),
            ("color:transparent", "R33", "hidden.*The first"),
            ("opacity:0.05", "R33", "hidden.*The first"),
            ("visibility:collapse", "R33", "hidden.*The first"),
            ("font-size:0", "R33", "hidden.*The first"),
            ("max-width:80px", "R15", "little room"),
            ("margin:0 0 0 140px", "R15", "little room"),
            ("margin:0 0 400px 0", "R18", "seems to end"),
        ]
    ),
    error("pale by name", TEXT, r"\1;color:papayawhip\2", "R48", "in light: #FFEFD5 on #FFFFFF"),
    warning("align", "<p ", '<p align="center" ', "R51", "begin on the left"),
    warning("center", AFTER, f'</h1><center style="{PLAIN}">Words</center>', "R51", "begin on the left"),
    warning("body text", "<body ", '<body text="navy" ', "R28", 'text="navy"'),
    warning("tall cell", "<td ", '<td height="2000" ', "R18", "seems to end"),
    warning("blanks", AFTER, "</h1>" + "&nbsp;" * 9, "R23", "blanks"),
    warning("breaks", AFTER, "</h1><br><br><br>", "R23", "empty lines"),
    warning("small", ">(The first carriages)", r"><small>\1</small>", "R30", "in its own way.*<small>"),
    warning("font", ">(The first carriages)", r'><font size="1">\1</font>', "R30", "in its own way.*<font>"),
    warning("ping", "<a class", '<a ping="https://t.example/" class', "R25", "this attribute: ping"),
    warning("lazy", "<img ", '<img loading="lazy" ', "R25", "this attribute: loading"),
    warning("nowrap", "<td ", "<td nowrap ", "R25", "this attribute: nowrap"),
    warning("only in Word", AFTER, "</h1><!--[if mso]><p>Buy now</p><![endif]-->", "R17", "Only Word shows these words: “Buy now”"),
    warning("not in Word", "(<h2.*?</h2>)", r"<!--[if !mso]><!-->\1<!--<![endif]-->", "R17", "Word does not show.*Night"),
    error("refresh", "<title>", '<meta http-equiv="refresh" content="0;url=https://x.example/"><title>', "R7", "nowhere by itself"),
]  # fmt: skip

KEPT = [
    *(
        warning(style, WIDE, rf"\1.lead{{{style}!important}}", rule, words)
        for style, rule, words in [
            ("font-size:0", "R33", "hides a part.*font-size:0 for .lead"),
            ("max-height:0", "R33", "hides a part"),
            ("max-height:20px", "R33", "hides a part"),
            ("height:0", "R33", "hides a part"),
            ("visibility:hidden", "R33", "hides a part"),
            ("opacity:0", "R33", "hides a part"),
            ("text-indent:-999px", "R33", "hides a part"),
            ("color:transparent", "R33", "hides a part"),
            ("width:900px", "R17", "block makes the mail wider"),
            ("min-width:900px", "R17", "block makes the mail wider"),
            ("line-height:10px", "R26", "stand in one another: .lead"),
            ("font-size:80px", "R26", "stand in one another: .lead"),
            ("letter-spacing:-2px", "R25", "pushed into one another"),
            ("text-align:center", "R51", "begin on the left"),
            ("color:rebeccapurple", "R28", "six digits.*rebeccapurple"),
        ]
    ),
    warning("too early", "min-width:481px", "min-width:281px", "R15", "begins at another width.*281"),
    warning("too late", "min-width:481px", "min-width:900px", "R15", "begins at another width.*900"),
    warning("before", WIDE, r'\1.lead::before{content:"Advert"!important}', "R33", "adds words.*advert"),
    warning("after", WIDE, r'\1p:after{content:"x"!important}', "R33", "adds words"),
    warning("no lines", WIDE, r"\1a{text-decoration:none!important}", "R39", "takes the line"),
    error("no way out", WIDE, r"\1p{display:none!important}", "R42", "block hides the link for unsub"),
]

LINKS = [
    error("blank before", 'href="(https://uzh)', r'href=" \1', "R37", "no complete web address"),
    error("blank within", 'href="https://uzh-', 'href="https://uzh- ', "R37", "no complete web address"),
    error("line end", 'href="(https://uzh-)', 'href="\\1\n', "R37", "no complete web address"),
    error("unseen way out", f'(<a [^>]*href="{LEAVE}" style=")', r"\1visibility:hidden;", "R42", "html part has no link for unsub"),
    error("flat way out", rf'(<p [^>]*style=")([^>]*>\s*<a [^>]*href="{LEAVE})', r"\1max-height:0;\2", "R42", "html part has no link for unsub"),
    warning("telling", 'href="https://weather[^"]*"', f'href="https://weather.example.org/c?d={DELIVERY}"', "R42", "tells who opens"),
    warning("token", "22 November 2026", f"22 November 2026 {TOKEN}", "R42", r"signs a reader's links.*\{hole.token\} in the html"),
    warning("another story", r'(<h3[^>]*>\s*<a [^>]*href=")[^"]*', r"\1https://x.example/", "R38", "headline leads to another"),
]  # fmt: skip

SPOKEN = [
    *(
        warning(f"{tag} {role}", rf"<{tag}(?=[ >])", f'<{tag} role="{role}"', "R44", f"A role changes.*{role}.*<{tag}>")
        for tag in ("h1", "h2", "h3", "a")
        for role in ("presentation", "none", "button")
    ),
    warning("silent heading", "<h2", '<h2 aria-hidden="true"', "R44", "Text is hidden from screen readers: <h2>"),
    warning("silent link", "<a ", '<a aria-hidden="true" ', "R44", "A link is hidden from"),
    warning("silent text", "<p ", '<p aria-hidden="true" ', "R44", "Text is hidden from screen readers: <p>"),
    warning("another label", "<h2", '<h2 aria-label="Advert"', "R44", "something else than what is seen: “Advert”"),
    warning("tabindex", "<a class", '<a tabindex="3" class', "R44", "keyboard alone: tabindex"),
    warning("accesskey", "<a class", '<a accesskey="s" class', "R44", "keyboard alone: accesskey"),
    warning("turned names", '<span dir="rtl"', '<span dir="ltr"', "R52", "turns the text round", every=True),
    warning(
        "turned headline", '(<span lang="ar") dir="rtl"', r'\1 dir="ltr"', "R52", "turns the text round", every=True
    ),
    warning("turned Latin", "<h2", '<h2 dir="rtl"', "R52", "turns the text round: <h2>"),
    warning("strange language", "<h2", '<h2 lang="de"', "R52", 'which no story has: lang="de"'),
]

ALL = [*PRINTED, *PICTURES, *LOOKS, *KEPT, *LINKS, *SPOKEN]


def with_dots(broken: Broken) -> Broken:
    return replace(broken, pattern=f"(?s){broken.pattern}")


@pytest.mark.parametrize("broken", ALL, ids=lambda one: f"{one.rule}-{one.name}")
def test_every_break_is_named(broken: Broken) -> None:
    """T16: in words that the sound mail does not get."""
    found = check(CONTENT, with_dots(broken).of(MAIL))
    assert is_told(found, broken), named(found)
    for one in found:
        assert re.fullmatch(r"[^\n]+\.", one.message)
        assert one.fix.endswith(".")


@pytest.mark.parametrize(
    ("one", "other", "rule", "words"),
    [
        (TEN.more[0].summary, TEN.more[1].summary, "R59", "html part has the summary of another"),
        (TEN.more[0].source, TEN.more[1].source, "R59", "html part has the source of another"),
        ("19 November", "18 November", "R59", "html part has the date of another"),
        ("SK · Slovakia", "PL · Poland", "R59", "html part has the region of another"),
        ("/1.jpg", "/3.jpg", "R46", "pictures are not in the order"),
        (TEN.more[0].image_alt, TEN.more[2].image_alt, "R47", "not its story's"),
        (TEN.more[0].link.replace("&", "&amp;"), TEN.more[1].link.replace("&", "&amp;"), "R38", "A headline leads"),
    ],
    ids=["summary", "source", "date", "region", "picture", "alt", "link"],
)
def test_what_two_stories_have_exchanged(one: str, other: str, rule: str, words: str) -> None:
    """R46, R59: all of it is in the mail, and at the wrong place."""
    html = TEN_MAIL.html.replace(one, "\0").replace(other, one).replace("\0", other)
    assert html != TEN_MAIL.html
    found = check(TEN, replace(TEN_MAIL, html=html))
    assert [told for told in found if told.rule == rule and words in told.message], named(found)


def test_links_of_the_text_part_that_two_stories_have_exchanged() -> None:
    """R60: who follows the line below a story gets that story."""
    one, other = TEN.more[0].link, TEN.more[1].link
    text = TEN_MAIL.text.replace(one, "\0").replace(other, one).replace("\0", other)
    found = check(TEN, replace(TEN_MAIL, text=text))
    assert [(told.rule, told.severity) for told in found] == [("R60", "warning")]


def test_all_stories_of_one_day() -> None:
    """R59: each date is somewhere in the mail, and not often enough."""
    html = re.sub(r"1\d November", "20 November", TEN_MAIL.html)
    [found] = check(TEN, replace(TEN_MAIL, html=html))
    assert re.match("The html part lacks the date of a story: “Shepherds", found.message)


def test_what_a_template_of_its_own_may_leave_as_it_is() -> None:
    """A place without a flag, a story without a picture and an editor without words ask for nothing."""
    for name in ("three", "no pictures", "lead only"):
        assert named(check(CONTENTS[name], RENDERER.issue(CONTENTS[name], fixtures.NONCE))) == ""


#: What is found in mails of `MAILS` that are stressed on purpose, and belongs there.
STRESSED = {"R4", "R20", "R21", "R37", "R38", "R51", "copy"}


@pytest.mark.parametrize("name", [name for name, sample in MAILS.items() if not sample.public])
def test_a_sound_mail_is_only_told_what_its_content_is_told(name: str) -> None:
    """No rule finds anything in the mails that the other tools look at, whatever their language."""
    sample: Sample = MAILS[name]
    mail: Mail = sample.mail(RENDERER)
    content = sample.content
    if isinstance(content, IssueContent):
        found = check(content, mail)
    else:
        found = check_mail(mail, language=content.identity.language)
    assert {one.rule for one in found} <= (STRESSED if name in UNUSUAL else set()), named(found)


#: Mails of long, hostile or missing texts, and of what is not an issue's usual look.
UNUSUAL = ("long", "hostile", "wordy", "bare", "odd", "trial", "look", "welcome he", "goodbye ja")


def test_every_name_of_a_colour_has_six_digits() -> None:
    """CSS Color 4 has 148 names; a few are known to everybody."""
    assert len(COLOURS) == 148
    assert all(re.fullmatch("#[0-9A-F]{6}", value) for value in COLOURS.values())
    assert [COLOURS[name] for name in ("black", "white", "lime", "rebeccapurple")] == [
        "#000000", "#FFFFFF", "#00FF00", "#663399",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("opacity", "0", True),
        ("opacity", "0.3", True),
        ("opacity", ".04", True),
        ("opacity", "40%", True),
        ("opacity", "1", False),
        ("opacity", "0.9", False),
        ("opacity", "100%", False),
        ("font-size", "1px", True),
        ("font-size", "16px", False),
        ("max-height", "0", True),
        ("max-height", "none", False),
        ("text-indent", "-9999px", True),
        ("text-indent", "0", False),
        ("visibility", "visible", False),
        ("color", "#123456", False),
        ("mso-hide", "all", True),
    ],
)
def test_what_hides(name: str, value: str, hidden: bool) -> None:
    assert hides(name, value) is hidden


@pytest.mark.parametrize(
    ("pieces", "astray"),
    [([], None), (["a", "b"], None), (["b", "a"], None), (["a", "a"], None), (["a", "a", "a"], 2), (["3", "a"], 1)],
)
def test_the_first_piece_that_is_not_in_its_place(pieces: list[str], astray: int | None) -> None:
    assert first_astray(pieces, "a1b2a3") == astray
    assert in_order([*pieces, "not there"], "a1b2a3") is (astray is None)
