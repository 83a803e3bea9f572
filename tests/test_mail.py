"""The values that travel between rendering, the ledger and the providers; holes and blocks, and how they are filled."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import ConfigurationError, Refused
from newsletter.mail import (
    HOLES,
    Mail,
    Outcome,
    Sender,
    Status,
    as_for_nobody,
    block_tags,
    check_blocks,
    header_text,
    hole_tag,
    hole_tags,
    outcome_for_all,
    refuse_nonce,
    substitution_bytes,
)
from newsletter.render.inlining import inline
from newsletter.render.markup import block_mark, hide_public_blocks, public_page
from tests.contracts.mails import ANY_PART, ANY_VALUES, OPENINGS, Part, expected, mail_of, squeezed
from tests.contracts.providers import NONCE, make_mail, make_reader, make_readers

ROOT = Path(__file__).parent.parent
ONLY_HTML, ONLY_TEXT = block_tags(NONCE, html=True), block_tags(NONCE, html=False)
HOLE_HTML, HOLE_TEXT = hole_tags(NONCE, html=True), hole_tags(NONCE, html=False)
MARK = block_mark(NONCE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Flood warning lifted", "Flood warning lifted"),
        ("  Flood \t warning\u00a0lifted ", "Flood warning lifted"),
        ("Flood\r\nBcc: a@b.c", "Flood Bcc: a@b.c"),
        ("Flood\u2028Bcc: a@b.c", "Flood Bcc: a@b.c"),
        ("nul\x00del\x7fnel\x85end", "nul del nel end"),
        ("right \u202eto left\u2069", "right to left"),
        ("=?UTF-8?Q?x=0D=0ABcc:_a@b.c?=", "= ?UTF-8?Q?x=0D=0ABcc:_a@b.c? ="),
        ("=??=", "= ?? ="),
        ("a=?=?=?=", "a= ? = ? = ? ="),
        ("cafe\u0301", "café"),
        ("\ud800 lone", "lone"),
        ("", ""),
    ],
)
def test_header_text_is_one_line_that_nobody_decodes(text: str, expected: str) -> None:
    """Threat 1."""
    assert header_text(text) == expected


@given(st.text() | st.text(alphabet="=?\r\n\x00 Qb"))
def test_header_text_holds_for_any_text(text: str) -> None:
    made = header_text(text)
    assert made.isprintable() or not any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 for one in made)
    assert "=?" not in made
    assert "?=" not in made
    assert made == made.strip()
    assert len(made) <= 400
    assert header_text(made) == made


def test_header_text_is_cut_with_an_ellipsis() -> None:
    assert header_text("word " * 10, 12) == "word word w…"
    assert len(header_text("x" * 1000)) == 400


def test_each_part_is_filled_in_its_own_way() -> None:
    mail = replace(
        make_mail(),
        html=f"<a href='{hole_tag(NONCE, 'unsubscribe_url', html=True)}'>",
        text=hole_tag(NONCE, "unsubscribe_url"),
        headers=(("X-Since", hole_tag(NONCE, "since")),),
    )
    values = {"unsubscribe_url": "https://n.example/u?a=1&b='2'", "since": "<May>"}
    assert mail.html_for(values) == "<a href='https://n.example/u?a=1&amp;b=&#x27;2&#x27;'>"
    assert mail.text_for(values) == "https://n.example/u?a=1&b='2'"
    assert mail.headers_for(values) == (("X-Since", "<May>"),)


def test_a_value_cannot_name_a_hole() -> None:
    """Threat 3: not even one that has the nonce, for us or for a provider that fills values, too."""
    mail = make_mail(text=HOLE_TEXT["since"], html="", headers=(("X-Since", HOLE_TEXT["since"]),))
    values = {"since": HOLE_TEXT["token"], "token": "secret"}
    assert mail.text_for(values) == "-…t.token-"
    assert mail.headers_for(values) == (("X-Since", "-…t.token-"),)
    assert mail.substitutions(values) == {HOLE_TEXT["since"]: "-…t.token-"}


def test_text_without_the_nonce_names_no_hole() -> None:
    """Threat 3: a feed may hold every other spelling of a tag."""
    story = "-token- %token% {{ token }} [unsubscribe] <%body%> -t.token- -ffffffffffffffff" + "t.token-"
    mail = replace(make_mail(), text=story, html=story)
    values = make_reader(1).values
    assert mail.text_for(values) == story
    assert mail.html_for(values) == story


def test_a_missing_value_is_an_error_and_not_a_tag_in_somebody_s_mail() -> None:
    with pytest.raises(KeyError):
        make_mail().text_for({"address": "a@b.example"})


def test_html_and_text_have_tags_of_their_own() -> None:
    tags = [*hole_tags(NONCE, html=True).values(), *hole_tags(NONCE, html=False).values()]
    assert len(set(tags)) == 2 * len(HOLES)
    assert set(ONLY_HTML) == set(ONLY_TEXT) == {*OPENINGS, "end"}
    assert not set(ONLY_HTML.values()) & set(ONLY_TEXT.values())


# --- blocks


def greeting(only: dict[str, str], hole: dict[str, str]) -> str:
    return f"{only['name']}Dear {hole['name']}{only['end']}{only['not_name']}Dear reader{only['end']}"


@pytest.mark.parametrize(
    ("values", "html", "text"),
    [
        ({"name": "Ada & Bo", "new": "yes"}, "<p>Dear Ada &amp; Bo<b>new</b></p>", "Dear Ada & Bo\n"),
        ({"name": "", "new": ""}, "<p>Dear reader</p>", "Dear reader\n"),
    ],
)
def test_a_block_is_shown_to_those_it_is_for(values: dict[str, str], html: str, text: str) -> None:
    new = f"{ONLY_HTML['new']}<b>new</b>{ONLY_HTML['end']}"
    mail = make_mail(html=f"<p>{greeting(ONLY_HTML, HOLE_HTML)}{new}</p>", text=f"{greeting(ONLY_TEXT, HOLE_TEXT)}\n")
    assert mail.html_for(values) == html
    assert mail.text_for(values) == text


IF, NOT, END = ONLY_TEXT["new"], ONLY_TEXT["not_new"], ONLY_TEXT["end"]


@pytest.mark.parametrize(
    ("text", "new", "others"),
    [
        (f"A\n\n{IF}\nW\n{END}\n\nB\n", "A\n\nW\n\nB\n", "A\n\nB\n"),
        (f"A\n\n{IF}\nW\n\n{END}\nB\n", "A\n\nW\n\nB\n", "A\n\nB\n"),
        (f"A\n\n{IF}\n\nW\n\n{END}\n\nB\n", "A\n\nW\n\nB\n", "A\n\nB\n"),
        (f"A\n\n  {IF}\nW\n {END} \n\nB\n", "A\n\nW\n\nB\n", "A\n\nB\n"),
        (f"A\n{IF}\nW\n{END}\nB\n", "A\nW\nB\n", "A\nB\n"),
        (f"A\n{IF}\nW\n{END}\n\nB\n", "A\nW\n\nB\n", "A\n\nB\n"),
        (f"A\n{IF}W{END}\nB\n", "A\nW\nB\n", "A\nB\n"),
        (f"A\n{IF}W\nX{END}\nB\n", "A\nW\nX\nB\n", "A\nB\n"),
        (f"A\n\n{IF}W{END}\n\nB\n", "A\n\nW\n\nB\n", "A\n\nB\n"),
        (f"A\n\n{IF}\nW\n{END}\n\n{NOT}\nV\n{END}\n\nB\n", "A\n\nW\n\nB\n", "A\n\nV\n\nB\n"),
        (f"A\n\n{IF}\nW\n{END}\n{IF}\nX\n{END}\n\nB\n", "A\n\nW\nX\n\nB\n", "A\n\nB\n"),
        (f"{IF}\nW\n{END}\n\nB\n", "W\n\nB\n", "B\n"),
        (f"A\n\n{IF}\nW\n{END}\n", "A\n\nW\n", "A\n"),
        (f"A\n\n{IF}\nW\n{END}", "A\n\nW\n", "A\n"),
        (f"{IF}\nW\n{END}\n", "W\n", "\n"),
        (f"A{IF}, W{END}, B\n", "A, W, B\n", "A, B\n"),
        (f"A {IF}W {END}B\n", "A W B\n", "A B\n"),
        (f"A\n{IF}W {END}B\n", "A\nW B\n", "A\nB\n"),
        (f"A\n\n\n\nB\n{IF}W{END}\n", "A\n\n\n\nB\nW\n", "A\n\n\n\nB\n"),
    ],
)
def test_a_block_of_the_text_part_takes_its_lines_with_it(text: str, new: str, others: str) -> None:
    """R59: whoever reads it sees no gap where a block is not for them."""
    mail = make_mail(html="<p>", text=text)
    assert mail.text_for({"new": "yes"}) == new
    assert mail.text_for({"new": ""}) == others
    for values in ({"new": "yes"}, {"new": ""}):
        assert substituted(mail, values, random.Random(0)) == ("<p>", mail.text_for(values))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("{new}x", 'does not close `for_readers("new")`'),
        ("x{end}", "closes a block of `for_readers` where none is open"),
        ("{new}{end}{end}", "closes a block of `for_readers` where none is open"),
        ("{new}{name}{end}{end}", 'opens `for_readers("name")` inside `for_readers("new")`'),
        ("{old}x{end}", 'asks `for_readers("old")`, but only for name, not_name, new, not_new can be asked.'),
        ("{cut}", "changes a tag of `hole` or `only`"),
        ("{loud}", "changes a tag of `hole` or `only`"),
    ],
)
@pytest.mark.parametrize("html", [True, False])
def test_blocks_that_cannot_be_filled_are_refused(part: str, words: str, html: bool) -> None:
    only, hole = block_tags(NONCE, html=html), hole_tags(NONCE, html=html)
    tags = only | {"old": only["new"].replace("new", "old"), "cut": hole["name"][:-1], "loud": hole["name"].upper()}
    printed = f"<p>{part.format(**tags)}</p>"
    mail = make_mail(**{"html" if html else "text": printed})
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        check_blocks(mail)
    assert str(caught.value).startswith(f"The mail's body.{'html' if html else 'txt'} ")


def test_a_block_inside_a_comment_for_word_is_refused() -> None:
    """Comments do not nest; around the comment it may stand."""
    new, end = ONLY_HTML["new"], ONLY_HTML["end"]
    with pytest.raises(ConfigurationError, match="Put it around the comment"):
        check_blocks(make_mail(html=f"<!--[if mso]><b>{new}x{end}</b><![endif]-->"))
    mail = make_mail(html=f"{new}<!--[if mso]>{HOLE_HTML['name']}<![endif]-->{end}")
    assert mail.html_for({"name": "Ada", "new": "yes"}) == "<!--[if mso]>Ada<![endif]-->"


def test_tags_survive_the_inliner_where_templates_print_them() -> None:
    """P11: in running text, between rows and cells, in links and other attributes, and beside comments for Word."""
    name, new, end = HOLE_HTML["name"], ONLY_HTML["new"], ONLY_HTML["end"]
    body = (
        f'<p class="a">{new}Dear <b>{name}</b>{end}</p>{new}<!--[if mso]><br><![endif]-->{end}'
        f"<table>{new}<tr><td>{name}</td></tr>{end}<tr><td>x</td>{new}<td>y</td>{end}</tr></table>"
        f'<a href="https://n.example/?q={name}" title="{name}">z</a>'
    )
    page = "<!DOCTYPE html>\n<html><head><style>.a{color:#111111}</style></head><body>" + body + "</body></html>"
    mail = make_mail(html=inline(page))
    check_blocks(mail)
    assert mail.html.count(name) == page.count(name)
    assert mail.html.count(new) == mail.html.count(end) == 4
    assert NONCE not in mail.html_for({"name": "Ada", "new": "yes"})
    assert "<table><tr><td>x</td></tr></table>" in mail.html_for({"name": "Ada", "new": ""})


# --- the same bytes, whoever fills (issue 4, point 3)


def substituted(mail: Mail, values: dict[str, str], chance: random.Random) -> tuple[str, str]:
    """Return html and text as a provider fills them that replaces tags in any order, and in what it put in, too."""
    html, text = mail.tagged_html, mail.tagged_text
    tags = list(mail.substitutions(values).items())
    for _ in range(4):  # SendGrid's guide: "up to 4 nested substitutions"
        chance.shuffle(tags)
        for tag, value in tags:
            html, text = html.replace(tag, value), text.replace(tag, value)
    return html, text


@settings(max_examples=500, deadline=None)
@given(html=ANY_PART, text=ANY_PART, values=ANY_VALUES, chance=st.randoms(use_true_random=False))
def test_a_provider_s_substitutions_make_the_same_bytes(
    html: Part, text: Part, values: dict[str, str], chance: random.Random
) -> None:
    mail = mail_of(html, text)
    check_blocks(mail)
    assert substituted(mail, values, chance) == (mail.html_for(values), mail.text_for(values))
    tags = [*mail.substitutions(values)]
    assert not [(one, other) for one in tags for other in tags if one != other and one in other]
    assert all(NONCE not in value for value in mail.substitutions(values).values())


@settings(max_examples=500, deadline=None)
@given(html=ANY_PART, text=ANY_PART, values=ANY_VALUES)
def test_a_reader_reads_what_is_for_them_and_nothing_else(html: Part, text: Part, values: dict[str, str]) -> None:
    mail = mail_of(html, text)
    assert mail.html_for(values) == expected(html, values, html=True)
    assert squeezed(mail.text_for(values)) == squeezed(expected(text, values, html=False))


@settings(deadline=None)
@given(text=st.text(alphabet="ab \n\t-", max_size=60), values=ANY_VALUES)
def test_a_part_without_blocks_is_kept_to_the_last_blank(text: str, values: dict[str, str]) -> None:
    """Mails approved before there were blocks are filled as they were."""
    holes = f"{text}{HOLE_TEXT['since']}{text}"
    mail = make_mail(text=holes, html=text)
    assert mail.html_for(values) == text
    assert mail.text_for(values) == f"{text}{values['since'].replace(NONCE, '…')}{text}"
    assert (mail.tagged_html, mail.tagged_text) == (mail.html, mail.text)


def test_substitutions_are_only_what_the_mail_says() -> None:
    """What a reader's copy does not say is not the provider's to know, nor what stands in blocks for others."""
    mail = make_mail(html=f"{ONLY_HTML['new']}{HOLE_HTML['address']}{ONLY_HTML['end']}", text=HOLE_TEXT["token"])
    values = dict(make_reader(1).values)
    assert mail.substitutions(values | {"new": ""}) == {HOLE_TEXT["token"]: "token-1", f"-{NONCE}h.block1-": ""}


def test_the_bytes_of_substitutions_are_counted_as_utf_8_with_their_tags() -> None:
    mail = make_mail(html=f"{ONLY_HTML['name']}«{HOLE_HTML['name']}»{ONLY_HTML['end']}", text=HOLE_TEXT["name"])
    html_tag, text_tag = f"-{NONCE}h.block1-", HOLE_TEXT["name"]
    assert substitution_bytes(mail, {"name": "🦉"}) == len(html_tag) + 2 + 4 + 2 + len(text_tag) + 4
    assert substitution_bytes(mail, {"name": ""}) == len(html_tag) + len(text_tag)


# --- the public page


def test_the_public_page_shows_what_is_for_a_reader_of_whom_nothing_is_known() -> None:
    """U12."""
    blocks = "".join(f"{ONLY_HTML[opening]}[{opening}]{ONLY_HTML['end']}" for opening in OPENINGS)
    named = f"{ONLY_HTML['name']}{HOLE_HTML['name']}{ONLY_HTML['end']}"
    mine = f"<!--{MARK} reader-->{HOLE_HTML['address']}{blocks}<!--/{MARK} reader-->"
    html = f"<p>{blocks}{named}{mine}</p>"
    assert as_for_nobody(blocks, NONCE) == "[not_name][not_new]"
    assert public_page(html, NONCE, "https://n.example/") == "<p>[not_name][not_new]</p>"
    with pytest.raises(ConfigurationError, match="outside the macro `for_reader`"):
        public_page(f"{ONLY_HTML['not_name']}{HOLE_HTML['name']}{ONLY_HTML['end']}", NONCE, "https://n.example/")


READER, SHUT_READER = f"<!--{MARK} reader-->", f"<!--/{MARK} reader-->"
PUBLIC, SHUT_PUBLIC = f"<!--{MARK} public-->", f"<!--/{MARK} public-->"
NEW, SHUT = ONLY_HTML["new"], ONLY_HTML["end"]


@pytest.mark.parametrize(
    ("html", "words"),
    [
        (f"{NEW}{READER}{SHUT}{SHUT_READER}", "closes the macro `for_readers` before `for_reader`"),
        (f"{READER}{NEW}{SHUT_READER}{SHUT}", "closes the macro `for_reader` before `for_readers`"),
        (f"{NEW}{PUBLIC}{SHUT}{SHUT_PUBLIC}", "closes the macro `for_readers` before `for_public`"),
        (f"{NEW}x{READER}{SHUT}y{NEW}{SHUT_READER}z{SHUT}", "closes the macro `for_readers` before `for_reader`"),
        (f"{PUBLIC}{NEW}{SHUT}{SHUT_PUBLIC}", "may hold no comment"),
    ],
)
def test_macros_that_cross_are_refused(html: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        hide_public_blocks(html, NONCE)


def test_macros_may_stand_in_each_other() -> None:
    html = f"{NEW}{READER}x{SHUT_READER}{SHUT}{READER}{NEW}y{SHUT}{SHUT_READER}{NEW}{PUBLIC}z{SHUT_PUBLIC}{SHUT}"
    hidden = hide_public_blocks(html, NONCE)
    mail = make_mail(html=hidden)
    check_blocks(mail)
    assert mail.html_for({"new": ""}) == f"{READER}{SHUT_READER}"
    assert public_page(hidden, NONCE, "https://n.example/") == ""


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "other"},
        {"html": "other"},
        {"text": "other"},
        {"nonce": "other"},
        {"sender": Sender("other", "weekly@news.example.org", "editors@news.example.org")},
        {"sender": Sender("Fen Weekly, the", "weekly@news.example.org")},
    ],
)
def test_the_hash_covers_everything_a_reader_sees(change: dict[str, object]) -> None:
    assert make_mail().content_hash == make_mail().content_hash
    assert make_mail(**change).content_hash != make_mail().content_hash


def test_the_hash_does_not_cover_the_headers_that_sending_adds() -> None:
    assert make_mail(headers=()).content_hash == make_mail().content_hash


def test_a_story_that_knows_the_nonce_is_refused() -> None:
    refuse_nonce(NONCE, "an honest headline", "")
    with pytest.raises(Refused, match="Draft the issue again"):
        refuse_nonce(NONCE, "fine", f"<a href='https://evil.example/?t={hole_tag(NONCE, 'token')}'>")


def test_one_outcome_for_all_keeps_order_and_details() -> None:
    readers = make_readers(2)
    assert outcome_for_all(readers, Status.DEFERRED, "busy", reference="r1", retry_after=5.0) == [
        Outcome(reader.delivery_id, Status.DEFERRED, "busy", "r1", 5.0) for reader in readers
    ]


def test_the_benchmark_of_filling_runs() -> None:
    command = [sys.executable, "-m", "bench.fill", "--json", "--runs", "1", "--readers", "10"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout)
    assert 37_500 < figures["html_bytes"] <= 38_000
    assert 8_800 < figures["text_bytes"] <= 9_000
    assert figures["fill_10000_s"] > 0
