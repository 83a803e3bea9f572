"""What stories and editors bring, and what the mail makes of it: pictures, places, languages, names of others.

That every mail obeys the rules of email.md, whatever is in it, is tested in tests/mail and tests/browser.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lxml import html as lxml_html

from newsletter.mail import Mail
from newsletter.render import Card, IssueContent, RegionTag, Renderer
from tests import mail_fixtures as fixtures
from tests.mail.view import style, words

RENDERER = Renderer()


def rendered(content: IssueContent) -> Mail:
    return RENDERER.issue(content, fixtures.NONCE)


def tree(mail: Mail) -> Any:
    return lxml_html.document_fromstring(mail.html_for(fixtures.VALUES))


def lines(mail: Mail) -> list[str]:
    """The paragraphs and headings as shown."""
    return [words(line) for line in tree(mail).iter("p", "h1", "h2", "h3")]


def with_lead(**changed: Any) -> Mail:
    """A mail of one story, changed."""
    content = fixtures.issue(0)
    return rendered(replace(content, lead=replace(content.lead, **changed)))


# Pictures: R20, R38, R47


def test_a_picture_says_something_or_nothing() -> None:
    """R47, R38: never a copy of the headline; only a picture with words is a link."""
    content = fixtures.issue(3)
    copy = replace(content.more[0], image_alt=f" {content.more[0].headline} ")
    long = replace(content.more[1], image_alt="word " * 60)
    lead, first, second = tree(rendered(replace(content, more=(copy, long)))).iter("img")
    assert lead.get("alt") == content.lead.image_alt
    assert lead.getparent().tag == "a"
    assert first.get("alt") == ""
    assert first.getparent().tag == "td"
    assert 100 < len(second.get("alt")) <= 125


def test_pictures_are_as_wide_as_their_place() -> None:
    """R20: Word takes the attribute, phones the style."""
    widths = [
        (image.get("width"), style(image).get("width")) for image in tree(rendered(fixtures.issue(2))).iter("img")
    ]
    assert widths == [("600", "100%"), ("136", "96px"), ("136", "96px")]


def test_a_card_takes_the_small_picture_where_there_is_one() -> None:
    content = fixtures.issue(2)
    small = replace(content.more[0], small_url=f"{fixtures.PICTURES}1-small.jpg")
    sources = tree(rendered(replace(content, more=(small, content.more[1])))).xpath("//img/@src")
    assert sources == [content.lead.image_url, small.small_url, content.more[1].image_url]


@pytest.mark.parametrize(
    "address", ["http://pictures.example.org/1.jpg", "data:image/png;base64,AAAA", "javascript:1", ""]
)
def test_a_picture_that_cannot_be_shown_safely_is_left_out(address: str) -> None:
    """R21: with its credit, which would otherwise credit nothing."""
    mail = with_lead(image_url=address, image_alt="A bridge", image_credit="Nobody")
    assert list(tree(mail).iter("img")) == []
    assert "Nobody" not in mail.html + mail.text


# Cards: places, sources, dates, other outlets


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
    mail = with_lead(regions=(RegionTag(code, name),))
    assert tag in lines(mail)
    assert f"\n{tag}\n" in mail.text


def test_a_flag_stands_before_the_name_and_says_nothing() -> None:
    """R54: a small picture, silent; the tag is the same without it."""
    flag = f"{fixtures.PICTURES}flag.png"
    mail = with_lead(regions=(RegionTag("UA", "Ukraine", flag), RegionTag("carpathia", "Across the mountains")))
    [image] = tree(mail).xpath(f"//img[@src='{flag}']")
    assert (image.get("alt"), image.get("width"), image.get("height")) == ("", "16", "12")
    assert image.getparent().tag == "p"
    assert "UA · Ukraine, Across the mountains" in lines(mail)
    assert "UA · Ukraine, Across the mountains" in mail.text


def test_other_outlets_and_the_pictures_owner_are_named() -> None:
    mail = with_lead(also=("The Post", "النهار"), image_credit="Ada Reed/NPA")
    said = " ".join(lines(mail))
    assert "The Post" in said
    assert "\u2068النهار\u2069" in said
    assert "Picture: Ada Reed/NPA" in said
    assert "\u2068النهار\u2069" in mail.text


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"day": None}, "Uzh Courier"),
        ({"source": ""}, "20 November"),
        ({}, "Uzh Courier · 20 November"),
    ],
)
def test_a_byline_says_what_is_known(changed: dict[str, Any], line: str) -> None:
    """T17: no separator without neighbours."""
    mail = with_lead(**changed)
    assert line in lines(mail)
    assert line in mail.text.splitlines()


def test_a_story_without_an_address_is_no_link() -> None:
    """R37, threat 4."""
    mail = with_lead(link="javascript:alert(1)", image_url="")
    headline = next(tree(mail).iter("h2"))
    assert words(headline) == fixtures.issue(0).lead.headline
    assert list(headline.iter("a")) == []
    assert "javascript" not in mail.html + mail.text


# Languages: R51, R52


def test_a_mail_from_right_to_left_swaps_sides() -> None:
    """R51: text at the right, pictures at the left, days in Arabic."""
    mail = rendered(fixtures.arabic_issue())
    assert "text-align:left" not in mail.html
    floating = {style(table).get("float") for table in tree(mail).iter("table")} - {None}
    assert floating == {"left"}
    assert "22 نوفمبر 2026" in mail.html
    assert "20 نوفمبر" in mail.html
    assert "22 نوفمبر 2026" in mail.text


def _arabic() -> Card:
    return replace(fixtures.arabic_issue().lead, language="ar")


def test_a_story_in_another_language_is_marked() -> None:
    """R52: for the screen reader, and in words for everybody."""
    content = fixtures.issue(2)
    same = replace(content.more[0], language="en-GB")
    mail = rendered(replace(content, more=(_arabic(), same)))
    spans = tree(mail).xpath("//h3//span[@lang] | //p//span[@lang]")
    assert [(span.get("lang"), span.get("dir")) for span in spans] == [("ar", "rtl")] * 2
    assert [words(span) for span in spans] == [_arabic().headline, _arabic().summary]
    assert "\u2068النهار\u2069 · 20 November · in Arabic" in mail.text
    assert "in English" not in mail.text


@pytest.mark.parametrize(
    ("content", "source", "direction"),
    [(fixtures.issue(0), "النهار", "rtl"), (fixtures.arabic_issue(), "The Post", "ltr")],
    ids=["arabic source", "english source"],
)
def test_a_source_of_the_other_direction_does_not_mix_with_the_date(
    content: IssueContent, source: str, direction: str
) -> None:
    """R52: else the day's number jumps to the other side of the name."""
    mail = rendered(replace(content, lead=replace(content.lead, source=source)))
    directions = {span.get("dir") for span in tree(mail).xpath("//p/span") if words(span) == source}
    assert directions == {direction}
    assert f"\u2068{source}\u2069 · 20 " in mail.text


# The mails that are no issue


def test_the_confirmation_has_one_heading_and_one_link() -> None:
    """R45, U3: its text part has the same link; nothing in it differs from reader to reader."""
    mail, link = RENDERER.confirm(fixtures.confirm()), fixtures.confirm().confirm_url
    assert [heading.tag for heading in tree(mail).iter("h1", "h2", "h3")] == ["h1"]
    assert {one.get("href") for one in tree(mail).iter("a")} == {link}
    assert mail.text.count(link) == 1
    assert "every Saturday" in mail.text
    assert "works for 7 days" in mail.text
    assert (mail.html_for({}), mail.text_for({})) == (mail.html, mail.text)


def test_the_mail_to_editors_names_each_source_with_its_trouble() -> None:
    mail = RENDERER.sources(fixtures.sources())
    assert mail.subject == "2 sources need a look"
    assert [words(heading) for heading in tree(mail).iter("h1", "h2")] == [
        "Sources that need a look",
        "The Harbour Post",
        "<b>Bold</b> & Sons {{ 7*7 }}",
    ]
    assert "It has brought no new story for 6 weeks, since 2026-10-11." in mail.text


def test_a_test_copy_says_so_and_is_otherwise_the_same() -> None:
    """What the editor looks at is what readers get: only the subject and the notice on top are more."""
    mail = rendered(fixtures.issue(1))
    marked = RENDERER.test_marked(mail, fixtures.identity())
    assert marked.subject != mail.subject
    assert mail.subject in marked.subject
    assert marked.text.endswith(mail.text)
    start = mail.html.index('role="article"')
    assert marked.html.startswith(mail.html[:start])
    assert marked.html.endswith(mail.html[mail.html.index(">", start) + 1 :])
