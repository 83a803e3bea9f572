"""Stage 3: from content to a mail. Its structure: test_render_rules.py; its look: browser/test_mail.py."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from html5lib import HTMLParser
from lxml import html as lxml_html

from newsletter.errors import ConfigurationError, NewsletterError, Refused
from newsletter.mail import HOLES, Sender, block_tags, hole_tag
from newsletter.render import Card, Language, Look, Renderer, inline, public_page, web_address
from newsletter.render.colours import contrast
from newsletter.render.markup import block_mark
from newsletter.render.text import display_text, reads_from_right, shortened, wrapped
from newsletter.render.values import (
    address_values,
    confirm_values,
    data_values,
    default_preheader,
    goodbye_values,
    issue_values,
    mark_values,
    moved_values,
    review_values,
    sources_values,
    welcome_values,
)
from newsletter.render.written import Paragraph
from newsletter.resources import templates_folder
from tests import mail_fixtures as fixtures

RENDERER = Renderer()
NONCE, VALUES = fixtures.NONCE, fixtures.VALUES
ISSUES = {
    "ten": fixtures.issue(),
    "three": fixtures.issue(3),
    "arabic": fixtures.arabic_issue(),
    "long": fixtures.long_issue(),
    "hostile": fixtures.hostile_issue(),
}
every_issue = pytest.mark.parametrize("name", ISSUES)


def visible(html: str) -> Any:
    """The body without what is hidden before it and without comments."""
    body = lxml_html.document_fromstring(re.sub("<!--.*?-->", "", html, flags=re.DOTALL)).find("body")
    body.remove(body.find("div"))
    return body


def own_templates(folder: Path, **files: str) -> Renderer:
    """A renderer with templates of a newsroom's own; `issue__body_html` is issue/body.html."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/").rpartition("_")[0] + "." + name.rpartition("_")[2])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Renderer(folder)


# Subject and preheader


@pytest.mark.parametrize(
    ("own", "headline", "subject"),
    [
        ("", "Night train runs again", "Night train runs again"),
        ("  Our own\nwords ", "Night train runs again", "Our own words"),
        ("", "word " * 40, ("word " * 19).strip() + "…"),
        ("", "=?UTF-8?Q?x=0D=0ABcc:_a@b.c?=", "= ?UTF-8?Q?x=0D=0ABcc:_a@b.c? ="),
        ("", "\u202etxt\r\nBcc: a@b.c", "txt Bcc: a@b.c"),
    ],
)
def test_the_subject_is_the_editors_or_the_leads_headline(own: str, headline: str, subject: str) -> None:
    """R14, threat 1."""
    content = fixtures.issue(1)
    mail = RENDERER.issue(replace(content, subject=own, lead=replace(content.lead, headline=headline)), NONCE)
    assert mail.subject == subject
    assert lxml_html.document_fromstring(mail.html).findtext("head/title") == subject


@pytest.mark.parametrize(
    ("sender", "language", "subject"),
    [
        ("Carpathian Weekly", "en", "Night train runs again"),
        ("Ann at Carpathian Weekly", "en", "Night train runs again"),
        ("Carpathian Press", "en", "Carpathian Weekly: Night train runs again"),
        ("Carpathian Press", "fr", "Carpathian Weekly : Night train runs again"),
    ],
)
def test_the_editions_name_is_said_once_in_an_inbox(sender: str, language: str, subject: str) -> None:
    """R14: phones show 40 characters, and who it is from stands beside them."""
    content = replace(fixtures.issue(1), sender=Sender(sender, "a@example.org"), language=language)
    content = replace(content, lead=replace(content.lead, headline="Night train runs again"))
    assert RENDERER.issue(content, NONCE).subject == subject


@pytest.mark.parametrize(
    ("headlines", "summary", "preheader"),
    [
        (["First of all", "Second"], "Lead.", "First of all · Second · Lead."),
        (["a" * 85, "b"], "Lead.", "a" * 85),
        (["word " * 16, "b " * 50], "Lead.", ("word " * 16).strip() + " · " + ("b " * 23).strip() + "…"),
        ([], "Only the lead's summary.", "Only the lead's summary."),
        ([], "", ""),
    ],
)
def test_the_preheader_is_made_from_what_the_subject_does_not_say(
    headlines: list[str], summary: str, preheader: str
) -> None:
    """R34: at most 130 characters, and at least 85 where there is so much to say."""
    content = fixtures.issue(1)
    more = tuple(replace(content.more[0], headline=headline) for headline in headlines)
    content = replace(content, lead=replace(content.lead, summary=summary), more=more)
    assert default_preheader(content) == preheader
    own = RENDERER.issue(replace(content, preheader="Our own"), NONCE)
    assert lxml_html.document_fromstring(own.html).findtext("body/div") == "Our own"


def test_the_preheader_of_a_usual_issue_has_the_wanted_length() -> None:
    """R34."""
    content = fixtures.issue()
    preheader = default_preheader(content)
    assert 85 <= len(preheader) <= 130
    assert content.lead.headline not in preheader
    assert preheader not in RENDERER.issue(content, NONCE).subject


# Holes and freezing


@every_issue
def test_the_same_content_makes_the_same_mail(name: str) -> None:
    """What is approved has one hash, however often it is rendered; any change of what readers see changes it."""
    content = ISSUES[name]
    mail = RENDERER.issue(content, NONCE)
    assert Renderer().issue(content, NONCE) == mail
    assert Renderer().issue(content, NONCE).content_hash == mail.content_hash
    other = RENDERER.issue(replace(content, lead=replace(content.lead, summary="Other.")), NONCE)
    assert other.content_hash != mail.content_hash


def test_filling_leaves_no_hole_and_escapes_values() -> None:
    mail = RENDERER.issue(fixtures.issue(), NONCE)
    values = VALUES | {"address": '"<b>&"@example.org'}
    html, text = mail.html_for(values), mail.text_for(values)
    assert NONCE not in html
    assert NONCE not in text
    assert "because &quot;&lt;b&gt;&amp;&quot;@example.org joined" in html
    assert '"<b>&"@example.org' in text


def test_text_from_outside_cannot_name_a_hole() -> None:
    """Threat 3: a story that holds the nonce stops the rendering, wherever it stands."""
    content = fixtures.issue(2)
    tag = hole_tag(NONCE, "unsubscribe_url", html=True)
    evil = replace(content.more[1], link=f"https://evil.example/?t={tag}")
    with pytest.raises(Refused, match="secret marker"):
        RENDERER.issue(replace(content, more=(content.more[0], evil)), NONCE)


def test_a_test_copy_is_marked_in_both_parts_and_else_as_it_is() -> None:
    """Issue 4, point 1: one band on top and one line; take them away, and it is byte for byte the mail itself."""
    mail = RENDERER.issue(fixtures.issue(1), NONCE)
    marked = RENDERER.test_marked(mail, fixtures.identity())
    said = "This is a test copy. Readers do not get it."
    assert marked.subject == f"[Test] {mail.subject}"
    assert (marked.html.count(said), marked.text.count(said)) == (1, 1)
    assert marked.text == f"{said}\n\n{mail.text}"
    place = mail.html.index('role="article"')
    begin = mail.html.index(">", place) + 1
    band = marked.html[begin : begin + len(marked.html) - len(mail.html)]
    assert said in band
    assert marked.html == mail.html[:begin] + band + mail.html[begin:]
    assert public_page(marked.html, NONCE, "https://x.example.org/") == public_page(
        mail.html, NONCE, "https://x.example.org/"
    )


def test_a_test_copy_is_marked_also_where_a_newsroom_has_no_wrapper() -> None:
    """Issue 4, point 1: a copy that looks like the mail itself would be taken for one."""
    mail = RENDERER.issue(fixtures.issue(1), NONCE)
    other = replace(mail, html=mail.html.replace(' role="article"', ""))
    marked = RENDERER.test_marked(other, fixtures.identity())
    body = visible(f"<body><div></div>{marked.html.partition('<body')[2].partition('>')[2]}")
    assert body.text_content().split()[:5] == ["This", "is", "a", "test", "copy."]
    assert len(marked.html) > len(other.html)
    with pytest.raises(ConfigurationError, match="no body element"):
        RENDERER.test_marked(replace(mail, html="<!DOCTYPE html><p>x</p>"), fixtures.identity())


# Hostile text


def test_what_a_source_writes_is_shown_and_never_run() -> None:
    """Threats 3 and 4: every text comes out letter for letter, in both parts, and makes no element and no link."""
    content = fixtures.hostile_issue()
    mail = RENDERER.issue(content, NONCE)
    body = visible(mail.html_for(VALUES))
    shown = " ".join(body.text_content().split())
    text = " ".join(mail.text_for(VALUES).split())
    for hostile in fixtures.HOSTILE:
        assert shown.count(hostile) >= 3  # headline, summary, source
        assert text.count(hostile) >= 3
    assert not [name for element in body.iter() for name in element.attrib if name.startswith("on")]
    links = body.xpath("//a/@href")
    assert not [link for link in links if "javascript" in link or "evil" in link]
    assert links.count(VALUES["unsubscribe_url"]) == 1
    assert mail.html_for(VALUES).count(VALUES["token"]) == 1  # in the unsubscribe link
    assert "passwd'" in shown
    assert "root:" not in shown


def test_what_turns_or_hides_text_is_taken_out() -> None:
    """R6, T17: "\u202e" turns the rest of a line round, NUL ends a mail for some programs."""
    mail = RENDERER.issue(fixtures.hostile_issue(), NONCE)
    assert "Evil esrever text" in mail.text
    assert ">Evil esrever text<" in mail.html


def test_attributes_hold_no_angle_brackets() -> None:
    """libxml2 writes them raw: a comment mark in a description must not look like one of ours, or Word's."""
    mail = RENDERER.issue(fixtures.hostile_issue(), NONCE)
    for attribute in re.findall(r'="([^"]*)"', re.sub("<!--.*?-->", "", mail.html, flags=re.DOTALL)):
        assert "<!--" not in attribute
    assert 'alt="‹/title›‹/style›‹!--[if mso]›' in mail.html


@pytest.mark.parametrize(
    ("view_url", "image_url", "kept"),
    [
        ("https://news.example.org/1", "https://p.example.org/1.jpg", True),
        ("https://news.example.org/1", "http://p.example.org/1.jpg", False),
        ("http://127.0.0.1:8000/1", "http://127.0.0.1:8001/1.jpg", True),
        ("http://127.0.0.1:8000/1", "//p.example.org/1.jpg", False),
        ("http://127.0.0.1:8000/1", "data:image/gif;base64,R0lGOD", False),
        ("https://news.example.org/1", "/1.jpg", False),
    ],
)
def test_pictures_are_absolute_and_https_unless_it_is_a_trial(view_url: str, image_url: str, kept: bool) -> None:
    """R21."""
    content = replace(fixtures.issue(0), view_url=view_url)
    mail = RENDERER.issue(replace(content, lead=replace(content.lead, image_url=image_url)), NONCE)
    assert (f'src="{image_url}"' in mail.html) is kept
    assert ("<img" in mail.html) is kept


# The text part


@every_issue
def test_both_parts_tell_the_same_in_the_same_order(name: str) -> None:
    """R59, R60: every headline, summary, source, date and tag; the same links; much the same words."""
    content = ISSUES[name]
    mail = RENDERER.issue(content, NONCE)
    html, text = mail.html_for(VALUES), mail.text_for(VALUES)
    body = visible(html)
    flat = " ".join(text.split())
    values = issue_values(content, NONCE)
    cards: list[Any] = [values["lead"], *values["more"]]  # type: ignore[misc]
    places: list[int] = []
    for card in cards:
        places.append(flat.index(card["headline"], places[-1] + 1 if places else 0))
        for piece in (
            card["summary"],
            card["source"],
            card["date"],
            ", ".join(region["name"] for region in card["regions"]),
        ):
            assert piece in flat
    assert places == sorted(places)
    for card in cards:
        if card["link"]:
            assert len(re.findall(rf"^{re.escape(card['link'])}$", text, re.MULTILINE)) == [
                other["link"] for other in cards
            ].count(card["link"])
    links = set(re.findall(r"^https?://\S+$", text, re.MULTILINE))
    ours = {link for link in links if link not in {fixtures.LONG_URL}}
    assert set(body.xpath("//a/@href")) == ours
    words, other_words = (
        set(re.findall(r"\w+", body.text_content())),
        set(re.findall(r"\w+", re.sub(r"https?://\S+", "", text))),
    )
    assert len(words & other_words) / len(words | other_words) >= 0.85


@every_issue
def test_the_text_part_is_made_for_narrow_screens(name: str) -> None:
    """R59: at most 78 characters a line except addresses, no entities of ours, no preheader."""
    content = ISSUES[name]
    text = RENDERER.issue(content, NONCE).text_for(VALUES)
    assert [line for line in text.splitlines() if len(line) > 78 and "://" not in line] == []
    assert text == unescape(text) or name == "hostile"
    assert default_preheader(content) not in " ".join(text.split())
    assert "\n\n\n" not in text
    assert not re.search("[ \t]\n", text)
    assert text.endswith("\n")


def test_the_text_part_shows_ampersands_as_they_are() -> None:
    """R59: `Q&A` stays, and so does a source's own `&amp;`."""
    content = fixtures.issue(0)
    mail = RENDERER.issue(replace(content, lead=replace(content.lead, headline='Q&A "now" <b>')), NONCE)
    assert 'Q&A "now" <b>' in mail.text
    assert "&lt;" not in mail.text
    assert "&#34;" not in mail.text
    assert "id=0&from=weekly" in mail.text


# The public page


@every_issue
def test_the_public_page_is_the_mail_without_the_reader(name: str) -> None:
    """U12: no hole, no reader's link; noindex and a link to sign up; all stories as approved."""
    content = ISSUES[name]
    mail = RENDERER.issue(content, NONCE)
    page = public_page(mail.html, NONCE, "https://moved.example.net/sign?up=1&x=2")
    assert NONCE not in page
    assert not [hole for hole in HOLES if f".{hole}-" in page]
    root = lxml_html.document_fromstring(page)
    assert root.xpath("//meta[@name='robots']/@content") == ["noindex"]
    links = root.xpath("//a/@href")
    assert links.count("https://moved.example.net/sign?up=1&x=2") == 1
    assert content.signup_url not in page
    assert content.view_url not in page
    words = RENDERER._words_of(Language.of(content.language), "").translations
    assert not [words.gettext(said) for said in ("Change preferences", "Unsubscribe") if words.gettext(said) in page]
    assert content.postal_address in page
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<h3") == len(content.more)


def test_readers_do_not_see_what_is_for_the_public_page() -> None:
    """U12: it is a comment in the mail."""
    html = RENDERER.issue(fixtures.issue(1), NONCE).html_for(VALUES)
    root = lxml_html.document_fromstring(html)
    assert root.xpath("//meta[@name='robots']") == []
    assert [link.text_content() for link in root.iter("a")].count("Sign up for Carpathian Weekly") == 1


@pytest.mark.parametrize("name", ["Fen -- Weekly", "--> Fen", "<!-- Fen --!>", "Fen ---", "Fen &amp;#45; -&#45;"])
def test_what_is_for_the_public_page_only_is_a_sound_comment(name: str) -> None:
    """R1: two hyphens in a comment are an error of html, and some programs end it there. The page shows the name."""
    mail = RENDERER.issue(replace(fixtures.issue(1), edition_name=name), NONCE)
    comments = re.findall(f"<!--{block_mark(NONCE)} public (.*?)-->", mail.html, re.DOTALL)
    assert len(comments) == 2
    assert not [comment for comment in comments if "--" in comment]
    parser = HTMLParser()
    parser.parse(mail.html)
    assert [code for _, code, _ in parser.errors if "comment" in code] == []
    page = public_page(mail.html, NONCE, "https://x.example.org/")
    [link] = lxml_html.document_fromstring(page).xpath("//a[@href='https://x.example.org/']")
    assert link.text_content() == f"Sign up for {name}"


# Templates of a newsroom's own


def test_an_own_template_replaces_ours_and_the_rest_stays(tmp_path: Path) -> None:
    fonts = (templates_folder() / "email/_fonts.txt").read_text(encoding="utf-8").replace("Georgia", "Palatino")
    renderer = own_templates(tmp_path, _fonts_txt=fonts, issue__subject_txt="No. {{ number }}: {{ lead.headline }}")
    mail = renderer.issue(fixtures.issue(1), NONCE)
    assert mail.subject == "No. 47: Night train over the Uzhok pass runs again after six years"
    assert "Palatino" in mail.html
    assert "Georgia" not in mail.html
    assert mail.text == RENDERER.issue(fixtures.issue(1), NONCE).text


def test_an_own_template_changes_one_block_and_keeps_the_rest(tmp_path: Path) -> None:
    """Issue 4, point 1: `newsletter/...` names ours, so that a file of the same name can extend it."""
    own = '{% extends "newsletter/issue/body.html" %}{% block closing %}<p class="foot dim">Printed in Svidník.</p>{% endblock %}'
    renderer = own_templates(tmp_path, issue__body_html=own)
    mail, ours = renderer.issue(fixtures.issue(1), NONCE), RENDERER.issue(fixtures.issue(1), NONCE)
    begin = mail.html.index("Printed in Svidník.")
    assert "font-size:14px" in mail.html[begin - 200 : begin]
    assert len(mail.html) - len(ours.html) < 300
    assert mail.text == ours.text


def test_templates_of_one_edition_are_for_that_edition_only(tmp_path: Path) -> None:
    own = {
        "editions__north__issue__subject_txt": "North: {{ lead.headline }}",
        "issue__subject_txt": "All: {{ edition }}",
    }
    renderer = own_templates(tmp_path, **own)
    content = fixtures.issue(1)
    assert renderer.issue(replace(content, look=Look(templates="north")), NONCE).subject.startswith("North: Night")
    assert renderer.issue(replace(content, look=Look(templates="south")), NONCE).subject == "All: Carpathian Weekly"
    assert renderer.issue(content, NONCE).subject == "All: Carpathian Weekly"


def test_an_edition_has_its_accent_and_its_name_as_a_picture() -> None:
    """R57, R47: in light, in dark and in both programs that colour by themselves; the picture is still the heading."""
    look = Look(accent="#7A1F2B", accent_dark="#F0A8B0", logo_url="https://news.example.org/logo.png", logo_width=240)
    html = RENDERER.issue(replace(fixtures.issue(1), look=look), NONCE).html
    assert "#0F4C5C" not in html
    assert "#8FCBD8" not in html
    assert html.count("#F0A8B0") >= 4
    [logo] = lxml_html.document_fromstring(html).xpath("//h1/img")
    assert (logo.get("alt"), logo.get("width"), logo.get("src")) == ("Carpathian Weekly", "240", look.logo_url)


def test_an_accent_without_a_dark_one_gets_one_that_can_be_read() -> None:
    """R48."""
    values = issue_values(replace(fixtures.issue(1), look=Look(accent="#7A1F2B")), NONCE)
    light, dark = values["light"], values["dark"]
    assert isinstance(light, dict)
    assert isinstance(dark, dict)
    assert light["accent"] == "#7A1F2B"
    assert contrast(dark["accent"], dark["sheet"]) >= 4.5
    assert contrast(dark["accent"], dark["label"]) >= 4.5


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "issue__subject_txt",
            "{{ hedline }}",
            r"issue/subject\.txt, line 1: 'hedline' is undefined.*docs/templates\.md",
        ),
        ("issue__subject_txt", "\n{% if %}", r"issue/subject\.txt, line 2: Expected an expression"),
        ("issue__subject_txt", "{% include 'gone.txt' %}", r"issue/subject\.txt, line 1: .*gone\.txt"),
        ("issue__subject_txt", "{{ ''.__class__.__mro__ }}", r"issue/subject\.txt, line 1: .*unsafe"),
        ("issue__body_html", "<!doctype html><html><body>x</body></html>", "must start with exactly <!DOCTYPE html>"),
        ("issue__body_html", "<!DOCTYPE html><p>{{ hole.address }}</p>", "a hole outside the macro `for_reader`"),
        (
            "issue__body_html",
            '{% from "_macros.html" import for_public with context %}<!DOCTYPE html>'
            "<p>{% call for_public() %}<!-- x -->{% endcall %}</p>",
            "may hold no comment",
        ),
    ],
)
def test_a_wrong_template_is_named_in_a_sentence(tmp_path: Path, file: str, text: str, sentence: str) -> None:
    renderer = own_templates(tmp_path, **{file: text})
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        renderer.issue(fixtures.issue(1), NONCE)
    assert isinstance(caught.value, NewsletterError)


def test_inlining_refuses_what_would_lose_its_doctype() -> None:
    """R1, P6: premailer drops it silently and browsers fall back to their oldest ways."""
    assert inline("\n  <!DOCTYPE html>\n<html><body>x</body></html>").startswith("<!DOCTYPE html>")
    for lost in ("<!doctype html><p>x", "<!-- x --><!DOCTYPE html><p>x", "<p>x"):
        with pytest.raises(ConfigurationError):
            inline(lost)


def test_inlining_is_done_with_the_options_of_the_handbook() -> None:
    """P1, P3, T15: !important survives also in a block that is not marked, and nothing is fetched."""
    page = (
        '<!DOCTYPE html><html><head><link rel="stylesheet" href="http://127.0.0.1:9/x.css">'
        "<style>.a{color:#ffffff}*{margin:0}@media print{.a{color:#000000!important}}</style></head>"
        '<body><p class="a" align="left">x</p></body></html>'
    )
    done = inline(page)
    assert '<p class="a" align="left" style="color:#ffffff">' in done
    assert "!important" in done
    assert '<link rel="stylesheet" href="http://127.0.0.1:9/x.css">' in done


def documented() -> list[tuple[str, set[str]]]:
    """Each table of docs/templates.md that lists variables: the heading and words before it, and the names in it.

    Names of other tables that the words before it take over count as its own.
    """
    docs = (Path(__file__).parent.parent / "docs/templates.md").read_text(encoding="utf-8")
    found = []
    for section in docs.split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        before, *tables = text.split("| variable | what it is |\n")
        for table in tables:
            rows, _, after = table.partition("\n\n")
            said = before.strip().rpartition("\n\n")[2] if before.strip() else ""
            names = {*re.findall(r"^\| `([a-z_.]+)`", rows, re.MULTILINE), *re.findall("`([a-z_]+)`", said)}
            found.append((f"{heading}: {said}", names))
            before = after
    return found


def table_of(beginning: str) -> set[str]:
    """The names in the first table whose heading and words before it begin like this."""
    return next(names for said, names in documented() if said.startswith(beginning))


def test_docs_list_every_variable_of_each_mail() -> None:
    """A template's author finds each name in docs/templates.md where its mail is described, and none that it lacks."""
    marked = set(mark_values(fixtures.identity(), ""))
    frame = marked - {"tested_subject"}
    language = {f"lang.{name}" for name in ("tag", "primary", "direction", "opposite", "start", "end")}
    assert table_of("What every mail has: ") == frame | language | {"subject", "label", "mark", "words"}
    mails = {
        "The issue: ": set(issue_values(fixtures.issue(), NONCE)),
        "The mails to one reader: The confirmation:": set(confirm_values(fixtures.confirm())),
        "The mails to one reader: The welcome has": set(welcome_values(fixtures.welcome())),
        "The mails to one reader: The goodbye has": set(goodbye_values(fixtures.goodbye())),
        "The mails to one reader: The mail to a new address:": set(address_values(fixtures.address())),
        "The mails to one reader: The mail to the old address:": set(moved_values(fixtures.moved())),
        "The mails to one reader: The mail with the link to one's data:": set(data_values(fixtures.data())),
        "A draft to review: ": set(review_values(fixtures.review())),
        "Sources in trouble: ": set(sources_values(fixtures.sources())) | {"source.name", "source.trouble"},
        "A test copy: ": marked,
    }
    for beginning, values in mails.items():
        assert frame < values
        assert table_of(beginning) == values - frame, beginning


def test_docs_list_every_part_of_what_is_printed() -> None:
    lead = issue_values(fixtures.issue(), NONCE)["lead"]
    assert isinstance(lead, dict)
    assert isinstance(lead["regions"], list)
    regions = {f"region.{name}" for name in lead["regions"][0]}
    assert table_of("The issue: A card is a story") == {f"card.{name}" for name in lead} | regions
    assert table_of("The issue: A paragraph of the editor") == {f"paragraph.{one.name}" for one in fields(Paragraph)}
    assert table_of("What differs from reader to reader: A mail is") == {f"hole.{name}" for name in HOLES}
    assert table_of("What differs from reader to reader: Some words") == {
        f"only.{name}" for name in block_tags(NONCE, html=True)
    }


# Pure pieces


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("short enough", 12, "short enough"),
        ("cut after a word", 13, "cut after a…"),
        ("comma, and more", 9, "comma…"),
        ("x" * 20, 10, "x" * 9 + "…"),
        ("ab " + "x" * 20, 12, "ab " + "x" * 8 + "…"),
    ],
)
def test_shortened(text: str, limit: int, short: str) -> None:
    assert shortened(text, limit) == short
    assert len(short) <= limit


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("see https://example.org/a-long-one ok", ["see", "https://example.org/a-long-one", "ok"]),
        ("x" * 12, ["x" * 10, "xx"]),
        ("well-known-words", ["well-", "known-", "words"]),
        ("", [""]),
    ],
)
def test_wrapped(text: str, lines: list[str]) -> None:
    """R59."""
    assert wrapped(text, 10) == "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" a\r\n\tb\x00c\x85d\u2028e ", "a b c d e"),
        ("\u202egnihtemos\u202c \u2067x\u2069", "gnihtemos x"),
        ("e\u0301", "é"),
        ("\ufeffa\u200bb\ud800", "ab"),
        ("می\u200cخواهم 👩\u200d🚒", "می\u200cخواهم 👩\u200d🚒"),
        ("soft\u00adhyphen", "soft\u00adhyphen"),
    ],
)
def test_display_text(text: str, shown: str) -> None:
    """R6, T17: joiners stay, since Persian words and emoji need them."""
    assert display_text(text) == shown


@pytest.mark.parametrize(
    ("text", "from_right"),
    [("BBC", False), ("النهار", True), ("הארץ", True), ("24 النهار", True), ("24 · 7", False), ("", False)],
)
def test_reads_from_right(text: str, from_right: bool) -> None:
    assert reads_from_right(text) is from_right


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://example.org/a?b=c&d=e#f", "https://example.org/a?b=c&d=e#f"),
        ("HTTP://Example.ORG:8080/A", "http://example.org:8080/A"),
        ("https://user:secret@example.org/", "https://example.org/"),
        ("https://[2001:DB8::1]:8080/x?y=[1]", "https://[2001:db8::1]:8080/x?y=%5B1%5D"),
        ("https://[::1", ""),
        ("https://[v1.a]/", ""),
        ("https://[fe80::1%25eth0]/", ""),
        ("https://exa mple.org/", ""),
        ("https://exa％41mple.org/", ""),
        ("https://a..b/", ""),
        ("https://ß.example/", "https://xn--zca.example/"),
        ("https://例え。example/", "https://xn--r8jz45g.example/"),
        ("https://ex\u202eample\u0301\u200d.org/", ""),
        ("https://r3---sn-4g.my_paper.example./", "https://r3---sn-4g.my_paper.example./"),
        ("https://" + "x" * 64 + ".org/", ""),
        ("https://example.org//a", "https://example.org//a"),
        ("https://bücher.example/straße", "https://xn--bcher-kva.example/stra%C3%9Fe"),
        ('https://example.org/a b"c', "https://example.org/a%20b%22c"),
        ("https://example.org/100%25", "https://example.org/100%25"),
        ("https://example.org/\r\nx", "https://example.org/x"),
        ("javascript:alert(1)", ""),
        ("//example.org/a", ""),
        ("/a", ""),
        ("https://", ""),
        ("https://example.org:port/", ""),
        ("https://" + "x" * 64 + "ü.org/", ""),
        ("", ""),
    ],
)
def test_web_address(url: str, address: str) -> None:
    """R37."""
    assert web_address(url) == address


def test_both_parts_spell_a_link_alike() -> None:
    """R60: libxml2 escapes links in the html part; the text part must name the same address."""
    link = "https://example.org/" + "".join(map(chr, range(33, 127))) + "/é/日本"
    content = fixtures.issue(0)
    lead = Card("Headline", "", link, "Source", date(2026, 11, 20), ())
    mail = RENDERER.issue(replace(content, lead=lead), NONCE)
    href = visible(mail.html_for(VALUES)).xpath("//h2/a/@href")[0]
    assert f"\n{href}\n" in mail.text


def test_a_link_to_an_address_of_ipv6_can_be_opened() -> None:
    """R60: libxml2 escapes brackets, also those that belong to the host (RFC 3986, section 3.2.2)."""
    lead = replace(fixtures.issue(0).lead, link="https://[2001:db8::1]:8080/x?y=[1]")
    mail = RENDERER.issue(replace(fixtures.issue(0), lead=lead), NONCE)
    for part in (mail.html, mail.text):
        assert "https://[2001:db8::1]:8080/x?y=%5B1%5D" in part
        assert "%5B2001" not in part


@pytest.mark.parametrize(
    ("tag", "lang", "direction", "long", "short"),
    [
        ("en", "en", "ltr", "22 November 2026", "22 November"),
        ("en-US", "en-US", "ltr", "November 22, 2026", "November 22"),
        ("de", "de", "ltr", "22. November 2026", "22. November"),
        ("pt_BR", "pt-BR", "ltr", "22 de novembro de 2026", "22 de novembro"),
        ("ja", "ja", "ltr", "2026年11月22日", "11月22日"),
        ("ar", "ar", "rtl", "22 نوفمبر 2026", "22 نوفمبر"),
        ("he", "he", "rtl", "22 בנובמבר 2026", "22 בנובמבר"),
        ("de-XX", "de-XX", "ltr", "22. November 2026", "22. November"),
        ("rue", "rue", "ltr", "22 November 2026", "22 November"),
        ("not a tag", "en", "ltr", "22 November 2026", "22 November"),
        ("", "en", "ltr", "22 November 2026", "22 November"),
    ],
)
def test_language(tag: str, lang: str, direction: str, long: str, short: str) -> None:
    """R2, R51; one that nobody knows is written as English."""
    language = Language.of(tag)
    day = date(2026, 11, 22)
    assert (language.tag, language.direction) == (lang, direction)
    assert (language.long_date(day), language.short_date(day)) == (long, short)
    assert (language.start, language.end) == (("left", "right") if direction == "ltr" else ("right", "left"))


@pytest.mark.parametrize(("tag", "name"), [("et", "Estonian"), ("de-AT", "German"), ("qqz", "qqz")])
def test_name_of(tag: str, name: str) -> None:
    assert Language.of("en").name_of(Language.of(tag)) == name
