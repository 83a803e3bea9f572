"""The rules of a mail, read off the finished html: structure, styles, links (email.md R1 to R54, T15)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html

from newsletter.mail import HOLES, Mail, hole_tag, hole_tags
from newsletter.preflight import HTML_WARNING, kept_style_bytes
from newsletter.render import RegionTag, Renderer, inline
from newsletter.render.renderer import issue_values
from tests import mail_fixtures as fixtures

RENDERER = Renderer()
ISSUES = {
    "ten": fixtures.issue(),
    "three": fixtures.issue(3),
    "lead only": fixtures.issue(0),
    "no pictures": fixtures.issue(pictures=False),
    "arabic": fixtures.arabic_issue(),
    "long": fixtures.long_issue(),
    "hostile": fixtures.hostile_issue(),
}
MAILS = {name: RENDERER.issue(content, fixtures.NONCE) for name, content in ISSUES.items()}
MAILS["confirm"] = RENDERER.confirm(fixtures.confirm())
MAILS["sources"] = RENDERER.sources(fixtures.sources())
CONDITIONAL = re.compile(r"<!--\[if mso\]>(.*?)<!\[endif\]-->", re.DOTALL)
STYLES = re.compile("<style>(.*?)</style>", re.DOTALL)

every_mail = pytest.mark.parametrize("mail", MAILS.values(), ids=MAILS)
every_issue = pytest.mark.parametrize("name", ISSUES)


def filled(mail: Mail) -> str:
    return mail.html_for(fixtures.VALUES)


def tree(mail: Mail) -> Any:
    return lxml_html.document_fromstring(filled(mail))


def in_word(mail: Mail) -> Any:
    """The mail as Word reads it: what stands in conditional comments counts (T8)."""
    return lxml_html.document_fromstring(CONDITIONAL.sub(r"\1", filled(mail)))


def source(content: Any) -> str:
    """The html before styles are written into it."""
    renderer = Renderer()
    values = issue_values(content) | {"subject": "S", "label": "S", "mark": "m"}
    return renderer._part("issue/body.html", values | {"hole": hole_tags(fixtures.NONCE, html=True)})


# The document: R1 to R8


@every_mail
def test_the_document_starts_as_every_mail_program_expects(mail: Mail) -> None:
    """R1, R2, R3."""
    assert mail.html.startswith("<!DOCTYPE html>\n<html ")
    root = tree(mail)
    language = "ar" if mail is MAILS["arabic"] else "en"
    direction = "rtl" if language == "ar" else "ltr"
    assert (root.get("lang"), root.get("dir")) == (language, direction)
    assert {"xmlns", "xmlns:v", "xmlns:o"} <= set(root.attrib)
    [article] = root.xpath("//body/div[@role='article']")
    assert article.get("aria-roledescription") == "email"
    assert article.get("aria-label") == mail.subject.replace("<", "‹").replace(">", "›")
    assert (article.get("lang"), article.get("dir")) == (language, direction)


@every_mail
def test_the_head_is_complete_and_in_order(mail: Mail) -> None:
    """R4, R5: exactly these, so also one Content-Type only."""
    head = tree(mail).find("head")
    told = [
        element.get("name") or element.get("http-equiv") or element.tag
        for element in head
        if element.tag in {"meta", "title"}
    ]
    assert told == [
        "Content-Type",
        "viewport",
        "x-apple-disable-message-reformatting",
        "format-detection",
        "color-scheme",
        "supported-color-schemes",
        "title",
    ]
    assert head.findtext("title") == mail.subject
    html = mail.html[: mail.html.index("<body")]
    assert html.index("</title>") < html.index("<!--[if mso]><xml>") < html.index("\n<style>\n@media only screen")
    assert "<o:AllowPNG/><o:PixelsPerInch>96</o:PixelsPerInch>" in html
    assert "mso-line-height-rule:exactly" in html


@every_mail
def test_no_element_that_mail_programs_drop_or_refuse(mail: Mail) -> None:
    """R7, R8."""
    refused = "script form iframe video audio link base picture source wbr svg object embed th thead caption"
    sections = "article header footer section main nav aside figure"
    assert tree(mail).xpath(" | ".join(f"//{name}" for name in f"{refused} {sections}".split())) == []
    assert not re.search(r"@import|@font-face|url\(|data:", "".join(STYLES.findall(mail.html)))
    assert not [src for src in tree(mail).xpath("//img/@src") if src.startswith("data:")]


@every_mail
def test_no_control_characters(mail: Mail) -> None:
    """R6: one C1 character is enough for a false charset guess."""
    for part in (mail.subject, mail.html, mail.text):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", part)


# Size and kept style blocks: R9 to R13, T15


def test_ten_stories_stay_far_below_the_size_where_gmail_cuts() -> None:
    """R9: the handbook's prototype had 38.9 KB."""
    size = len(filled(MAILS["ten"]).encode())
    assert size < 38_900 < HTML_WARNING


@every_mail
def test_kept_style_blocks_are_three_short_and_in_order(mail: Mail) -> None:
    """R10, R11, R12, R13."""
    head, body = CONDITIONAL.sub("", mail.html).split("</head>")
    wide, dark, hacks = STYLES.findall(head)
    assert "<style" not in body
    assert kept_style_bytes(mail.html) < 4_096
    assert wide.startswith("\n@media only screen and (min-width:481px){")
    assert wide.count("@") == 1
    assert ":root{color-scheme:light dark" in dark
    assert "@media (prefers-color-scheme:dark){" in dark
    assert "[data-ogsc]" in hacks
    assert "[data-ogsb]" in hacks
    assert "a[x-apple-data-detectors]" in hacks
    assert "color" not in wide
    assert not re.search(r":(has|not)\(|rgb|var\(|--", wide + dark + hacks)
    for block in (wide, dark, hacks):
        assert block.count("{") == block.count("}")


@every_issue
def test_premailer_keeps_what_must_stay(name: str) -> None:
    """T15, P1, P2, P5, P6, P7, P11: kept blocks byte for byte, comments, holes; nothing of premailer's own."""
    before = source(ISSUES[name])
    after = inline(before)
    kept = re.findall('<style data-premailer="ignore">(.*?)</style>', before, re.DOTALL)
    assert STYLES.findall(CONDITIONAL.sub("", after)) == kept
    assert after.count("!important") == before.count("!important")
    assert after.count("<!--[if mso]>") == before.count("<!--[if mso]>") == before.count("<![endif]-->")
    for hole in HOLES:
        tag = hole_tag(fixtures.NONCE, hole, html=True)
        assert after.count(tag) == before.count(tag)
    assert before.count(hole_tag(fixtures.NONCE, "unsubscribe_url", html=True)) == 1
    assert "data-premailer" not in after
    assert "style='" not in after
    assert 'align="start"' not in after


@every_mail
def test_style_attributes_hold_what_word_and_gmail_need(mail: Mail) -> None:
    """R25, R27, R28, R31, R32, R49, P12."""
    root = tree(mail)
    for element in root.xpath("//*[@style]"):
        style = element.get("style")
        assert not re.search(
            r"flex|grid|position|shadow|object-fit|background-image|calc\(|\brem\b|\bvw\b|var\(|[\"']", style
        )
        assert "opacity" not in style or element.get("class") == "hide"
        assert not re.search(r"(?<!-)\bbackground:", style)
        assert not re.search(r"#(?![0-9A-Fa-f]{6}\b)", style), style
        assert not re.search(r"margin[^;]*-\d", style)
        assert set(re.findall(r"font-weight:(\w+)", style)) <= {"400", "600", "700"}
        assert all(int(size) >= 14 for size in re.findall(r"font-size:(\d+)px", style))
        if "font-size" in style:
            assert {"line-height", "font-family"} <= set(re.findall("[a-z-]+(?=:)", style)), style
    for element in root.xpath("//td[contains(@style, 'background-color')] | //body"):
        assert f"background-color:{element.get('bgcolor')}" in element.get("style")
    assert root.xpath("//*[@bgcolor][not(self::td or self::body)]") == []


@every_mail
def test_only_cells_have_padding(mail: Mail) -> None:
    """R23: Word knows padding on cells only; the button's link has its own cure (R40)."""
    padded = tree(mail).xpath("//*[contains(@style, 'padding')][not(self::td)][not(self::body)]")
    assert {element.get("class") for element in padded} <= {"button"}
    for element in tree(mail).xpath("//p | //h1 | //h2 | //h3"):
        assert re.search(r"(^|;\s*)margin:", element.get("style")), "browsers give it a margin of their own"


# Layout: R16 to R24


@every_mail
def test_every_table_is_layout_and_not_deep(mail: Mail) -> None:
    """R17, R24: inside Word's comments too."""
    for view in (tree(mail), in_word(mail)):
        for table in view.iter("table"):
            assert table.get("role") == "presentation"
            assert [table.get(name) for name in ("cellpadding", "cellspacing", "border")] == ["0", "0", "0"]
            assert len(list(table.iterancestors("table"))) < 5
    bands = tree(mail).xpath("//body/div[@role='article']/table")
    for band in bands:
        assert (band.get("align"), band.get("width")) == ("center", "100%")
        assert "max-width:600px" in band.get("style")
    ghosts = in_word(mail).xpath("//body/div[@role='article']/table")
    assert [ghost.get("width") for ghost in ghosts] == ["600"] * len(bands)


@every_issue
def test_each_story_is_a_band_of_its_own(name: str) -> None:
    """R18: Word tears tall tables. The look at 600 px is tested in Chromium."""
    for band in tree(MAILS[name]).xpath("//body/div[@role='article']/table"):
        assert len(band.xpath(".//h3")) <= 1
    assert len(tree(MAILS[name]).xpath("//h3")) == len(ISSUES[name].more)


@every_mail
def test_pictures_are_told_how_wide_they_are(mail: Mail) -> None:
    """R19, R20, R21, P5."""
    for img in tree(mail).iter("img"):
        assert urlsplit(img.get("src")).scheme == "https"
        assert img.get("width") in {"600", "136"}
        assert img.get("height") is None
        assert img.get("alt") is not None
        assert not re.search(r"\.(jpe?g|png)$", img.get("alt"))
        assert all(part in img.get("style") for part in ("border:0", "display:block", "height:auto"))
    for aside in tree(mail).xpath("//table[contains(@class, 'aside')]"):
        side = "left" if mail is MAILS["arabic"] else "right"
        assert (aside.get("align"), aside.get("style")) == (side, f"float:{side}")


def test_a_picture_says_something_or_nothing() -> None:
    """R47, R38: never a copy of the headline; only a picture with words is a link."""
    content = fixtures.issue(3)
    copy = replace(content.more[0], image_alt=f" {content.more[0].headline} ")
    long = replace(content.more[1], image_alt="word " * 60)
    mail = RENDERER.issue(replace(content, more=(copy, long)), fixtures.NONCE)
    lead, first, second = tree(mail).iter("img")
    assert lead.get("alt") == content.lead.image_alt
    assert lead.getparent().tag == "a"
    assert first.get("alt") == ""
    assert first.getparent().tag == "td"
    assert 100 < len(second.get("alt")) <= 125


# Preheader, links, footer, headings: R33 to R45


@every_mail
def test_the_preheader_is_first_and_hidden_honestly(mail: Mail) -> None:
    """R33, R35, R36."""
    first = tree(mail).find("body")[0]
    assert first.get("style") == "display:none; max-height:0; max-width:0; overflow:hidden; opacity:0; mso-hide:all"
    assert set(first.attrib) == {"class", "style"}
    assert len(first) == 0
    assert len(first.text) <= 130
    assert "\u034f" not in first.text


@every_mail
def test_links_lead_somewhere_and_say_where(mail: Mail) -> None:
    """R29, R37, R38: absolute, https, and no two texts alike for different places."""
    texts: dict[str, set[str]] = {}
    for link in tree(mail).iter("a"):
        parts = urlsplit(link.get("href"))
        assert parts.scheme == "https"
        assert "." in parts.netloc
        text = " ".join(link.text_content().split()) or link.find("img").get("alt")
        assert text
        assert text.lower() not in {"click here", "here", "read more", "more", "link"}
        texts.setdefault(text, set()).add(link.get("href"))
        assert link.xpath(".//p | .//div | .//table | .//h1 | .//h2 | .//h3") == []
    if mail is not MAILS["long"]:  # three stories with one headline
        assert all(len(places) == 1 for places in texts.values())


@every_mail
def test_links_in_small_print_are_underlined(mail: Mail) -> None:
    """R39."""
    links = tree(mail).xpath("//a[@class='link']")
    assert all("text-decoration:underline" in link.get("style") for link in links)
    others = tree(mail).xpath("//a[not(@class='link')]")
    assert {link.get("class") for link in others} <= {"plain", "button"}


@every_issue
def test_the_footer_says_all_in_order_and_at_one_size(name: str) -> None:
    """R42, in both parts; unsubscribing is as easy to read as everything else."""
    content = ISSUES[name]
    order = [
        fixtures.VALUES["address"],
        fixtures.VALUES["since"],
        "Change preferences",
        "Unsubscribe",
        "View in browser",
        content.publisher,
        content.postal_address,
        content.contact,
    ]
    shown = " ".join(tree(MAILS[name]).xpath("//td[contains(@class, 'end')]")[0].text_content().split())
    text = " ".join(MAILS[name].text_for(fixtures.VALUES).split())
    text = text[text.index("You receive this mail") :]
    for part in (shown, text):
        places = [part.index(word) for word in order]
        assert places == sorted(places)
    footer = tree(MAILS[name]).xpath("//td[contains(@class, 'end')]//p")
    assert {re.search(r"font-size:(\d+)px", line.get("style"))[1] for line in footer} == {"14"}  # type: ignore[index]
    hrefs = {" ".join(link.text_content().split()): link.get("href") for link in tree(MAILS[name]).iter("a")}
    assert hrefs["Unsubscribe"] == fixtures.VALUES["unsubscribe_url"]
    assert hrefs["Change preferences"] == fixtures.VALUES["preferences_url"]
    assert hrefs["View in browser"] == content.view_url


@every_issue
def test_headings_step_down_without_a_gap(name: str) -> None:
    """R45."""
    content = ISSUES[name]
    headings = tree(MAILS[name]).xpath("//h1 | //h2 | //h3 | //h4")
    more = ["h2"] + ["h3"] * len(content.more) if content.more else []
    assert [heading.tag for heading in headings] == ["h1", "h2", *more]
    assert headings[0].text_content() == content.edition_name
    if more:
        assert headings[2].text_content() == f"More from {content.region_name}"


def test_the_confirmation_has_one_heading_and_one_button() -> None:
    """R45, U3: its text part has the same link."""
    mail = MAILS["confirm"]
    assert [heading.tag for heading in tree(mail).xpath("//h1 | //h2 | //h3")] == ["h1"]
    assert {link.get("href") for link in tree(mail).iter("a")} == {fixtures.confirm().confirm_url}
    assert mail.text.count(fixtures.confirm().confirm_url) == 1
    assert "every Saturday" in mail.text
    assert "works for 7 days" in mail.text
    assert mail.html_for({}) == mail.html
    assert mail.text_for({}) == mail.text


def test_the_mail_to_editors_names_each_source_with_its_trouble() -> None:
    mail = MAILS["sources"]
    assert mail.subject == "2 sources need a look"
    assert [heading.text_content() for heading in tree(mail).xpath("//h1 | //h2")] == [
        "Sources that need a look",
        "The Harbour Post",
        "<b>Bold</b> & Sons {{ 7*7 }}",
    ]
    assert "It has brought no new story for 6 weeks, since 2026-10-11." in mail.text


def test_other_outlets_and_the_pictures_owner_are_named() -> None:
    content = fixtures.issue(1)
    lead = replace(content.lead, also=("The Post", "النهار"), image_credit="Ada Reed/NPA")
    bare = replace(content.more[0], image_url="", image_credit="Nobody", also=())
    mail = RENDERER.issue(replace(content, lead=lead, more=(bare,)), fixtures.NONCE)
    assert "Also reported by The Post, \u2068النهار\u2069 · Picture: Ada Reed/NPA" in tree(mail).text_content()
    assert "Also reported by The Post, \u2068النهار\u2069" in mail.text
    assert "Nobody" not in mail.html + mail.text


def test_a_story_without_a_date_shows_none() -> None:
    content = fixtures.issue(0)
    mail = RENDERER.issue(replace(content, lead=replace(content.lead, day=None)), fixtures.NONCE)
    assert tree(mail).xpath("//p[@class='meta before']")[0].text_content() == content.lead.source


# Language: R51, R52, R54


def test_a_mail_from_right_to_left_swaps_sides() -> None:
    """R51: physical sides, in Word's cells too."""
    mail = MAILS["arabic"]
    assert "text-align:left" not in mail.html
    assert mail.html.count("text-align:right") > 5
    for cell in in_word(mail).xpath("//body/div/table/tr/td"):
        assert cell.get("dir") == "rtl"
    assert ".gutter{padding-right:24px!important}" in mail.html
    assert ".beside{margin-left:160px!important}" in mail.html
    assert "Georgia" not in CONDITIONAL.sub("", mail.html)
    assert "Noto Sans Arabic" in mail.html
    assert "22 نوفمبر 2026" in mail.html
    assert "20 نوفمبر" in mail.html


def test_a_story_in_another_language_is_marked() -> None:
    """R52: for the screen reader, and in words for everybody."""
    content = fixtures.issue(2)
    arabic = replace(fixtures.arabic_issue().lead, language="ar")
    same = replace(content.more[0], language="en-GB")
    mail = RENDERER.issue(replace(content, more=(arabic, same)), fixtures.NONCE)
    spans = tree(mail).xpath("//h3//span[@lang] | //p[@class='text']//span[@lang]")
    assert [(span.get("lang"), span.get("dir")) for span in spans] == [("ar", "rtl")] * 2
    assert "\u2068النهار\u2069 · 20 November · in Arabic" in mail.text
    assert "in English" not in mail.text


@pytest.mark.parametrize(("name", "source", "direction"), [("three", "النهار", "rtl"), ("arabic", "The Post", "ltr")])
def test_a_source_of_the_other_direction_does_not_mix_with_the_date(name: str, source: str, direction: str) -> None:
    """R52: else the day's number jumps to the other side of the name."""
    content = ISSUES[name]
    mail = RENDERER.issue(replace(content, lead=replace(content.lead, source=source)), fixtures.NONCE)
    span = tree(mail).xpath("//p[@class='meta before']/span")[0]
    assert (span.text_content(), span.get("dir")) == (source, direction)
    assert f"\u2068{source}\u2069 · 20 " in mail.text


@pytest.mark.parametrize(
    ("code", "name", "tag"),
    [
        ("LT", "Lithuania", "LT · Lithuania"),
        ("GB-SCT", "Scotland", "Scotland"),
        ("fen-north", "The North Fen", "The North Fen"),
        ("lt", "Lithuania", "Lithuania"),
    ],
)
def test_region_tags_show_codes_that_readers_know(code: str, name: str, tag: str) -> None:
    """R54."""
    content = fixtures.issue(0)
    lead = replace(content.lead, regions=(RegionTag(code, name),))
    mail = RENDERER.issue(replace(content, lead=lead), fixtures.NONCE)
    assert tree(mail).xpath("//p[@class='tag']")[0].text_content() == tag
    assert f"\n{tag}\n" in mail.text
