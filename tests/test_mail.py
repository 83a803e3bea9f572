"""The values that travel between rendering, the ledger and the providers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import Refused
from newsletter.mail import (
    HOLES,
    Outcome,
    Sender,
    Status,
    header_text,
    hole_tag,
    hole_tags,
    outcome_for_all,
    refuse_nonce,
)
from tests.contracts.providers import NONCE, make_mail, make_reader, make_readers


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


def test_a_value_that_names_a_hole_is_left_alone() -> None:
    """Threat 3: holes are found once, in the mail, and never in what fills them."""
    mail = replace(make_mail(), text=hole_tag(NONCE, "since"), html="")
    assert mail.text_for({"since": hole_tag(NONCE, "token"), "token": "secret"}) == hole_tag(NONCE, "token")


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


def test_substitutions_fill_as_the_parts_do() -> None:
    values = make_reader(1).values
    mail = make_mail()
    html, text = mail.html, mail.text
    for tag, value in mail.substitutions(values).items():
        html, text = html.replace(tag, value), text.replace(tag, value)
    assert html == mail.html_for(values)
    assert text == mail.text_for(values)


def test_html_and_text_have_tags_of_their_own() -> None:
    tags = [*hole_tags(NONCE, html=True).values(), *hole_tags(NONCE, html=False).values()]
    assert len(set(tags)) == 2 * len(HOLES)


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
