"""Messages joined from pieces that were encoded once: the same content as went in, in bytes that no server changes (F15)."""

from __future__ import annotations

import email.policy
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.mail import CONDITIONS, HOLES, VALUES, Mail, Part, Recipient, Sender, block_tags, hole_tag
from newsletter.providers.message import body, build, compiled
from newsletter.providers.message.fields import printable
from newsletter.providers.message.values import Holes
from tests.contracts.providers import NONCE, make_mail, make_reader

DATE = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
#: Words of many scripts, and all that is special to an encoding, to SMTP or to html.
WORDS = st.sampled_from(
    [
        *("Fen", "Żółw", "Київ", "Straße", "橋が再び開通", "أسبوع", "שבוע", "ສະບາຍດີ", "👩‍🚒🇺🇦", "é", "€", "\u00ad"),
        *(".", "..", ".\n", "\n.\n", "\r\n.\r\n", "\r.\r", "=", "=\n", "=?", "?=", "=3D", "--=_alternative", "-"),
        *(" ", "  ", "\t", " \n", "\t\n", "\n", "\n\n", "\r\n", "\x00", "\x0b", "\x0c", "\x1b", "\x85", "\u2028"),
        *("x" * 74, "x" * 75, "x" * 76, "x" * 77, "." * 80, "=" * 30, "é" * 40, "橋" * 20, "\ud800", "&<>\"'"),
    ]
)
TEXT = (
    st.lists(WORDS | st.text(max_size=5), max_size=8).map("".join).map(lambda text: text.replace("<!", "<"))
)  # a comment would hide a tag
TAGS = {kind: [*(hole_tag(NONCE, name, html=kind == "html") for name in HOLES), ""] for kind in ("html", "text")}


@st.composite
def parts(draw: st.DrawFn, kind: str) -> str:
    """Return a part with holes anywhere and blocks, which are never one in another."""
    tags = block_tags(NONCE, html=kind == "html")
    turns = []
    for _ in range(draw(st.integers(0, 6))):
        piece = draw(TEXT) + draw(st.sampled_from(TAGS[kind])) + draw(st.sampled_from(["", "", "\n"]))
        opening = draw(st.sampled_from(["", "", *(name for one in CONDITIONS for name in (one, f"not_{one}"))]))
        turns.append(f"{tags[opening]}{piece}{tags['end']}" if opening else piece)
    return "".join(turns) + draw(TEXT)


VALUE = st.lists(WORDS | st.text(max_size=5), max_size=3).map("".join)
READERS = st.fixed_dictionaries(dict.fromkeys(VALUES, st.just("") | VALUE))


def whole_lines(text: str) -> str:
    """Return text as it comes back: CRLF line ends, and a question mark for half of a surrogate pair."""
    return re.sub(r"\r\n|\r|\n", "\r\n", text).encode("utf-8", errors="replace").decode()


def expected(mail: Mail, kind: str, values: Mapping[str, str]) -> str:
    """Return a part filled in another way: piece by piece, as text."""
    part = mail.html_part if kind == "html" else mail.text_part
    own = part.own(values)
    turns = part.pieces(part.answers(values))
    return "".join(whole_lines(own[turn] if at % 2 else turn) for at, turn in enumerate(turns))


def check_bytes(data: bytes) -> None:
    """RFC 5321 section 4.5.2, RFC 5322 section 2.1.1, RFC 2045 section 6.7; threat 25."""
    assert data.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", data)
    assert not re.search(rb"(?m)^\.", data)
    head, _, body = data.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not re.search(rb"[ \t]\r\n", body)


@settings(max_examples=200, deadline=None)
@given(text=parts("text"), html=parts("html").filter(bool), values=READERS)
@example(text=hole_tag(NONCE, "name"), html=hole_tag(NONCE, "name", html=True), values=dict.fromkeys(VALUES, ""))
@example(text="é" * 9 + hole_tag(NONCE, "name") * 3, html="x", values=dict.fromkeys(VALUES, ""))
@example(
    text="橋" + hole_tag(NONCE, "name") + "ab" + hole_tag(NONCE, "name"), html="x", values=dict.fromkeys(VALUES, "x")
)
def test_any_mail_comes_back_as_it_went_in(text: str, html: str, values: Mapping[str, str]) -> None:
    mail = make_mail(text=text, html=html)
    data = build(mail, Recipient("d1", "ada@example.org", "Ada", values), date=DATE)
    check_bytes(data)
    message = message_from_bytes(data, policy=email.policy.compat32)
    parsed = {part.get_content_subtype(): part for part in message.walk() if not part.is_multipart()}
    assert [*parsed] == ["plain", "html"]
    for subtype, kind in (("plain", "text"), ("html", "html")):
        payload = parsed[subtype].get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.decode() == expected(mail, kind, values)


@settings(max_examples=200, deadline=None)
@given(text=parts("text"), values=READERS)
@example(text="x", values=dict.fromkeys(VALUES, ""))
@example(text="x\n\n", values=dict.fromkeys(VALUES, ""))
@example(text="橋" * 20 + hole_tag(NONCE, "name") + "\n\n", values=dict.fromkeys(VALUES, ""))
def test_text_alone_comes_back_as_it_went_in(text: str, values: Mapping[str, str]) -> None:
    """U7: one part, whose fields are the message's. How many empty lines there are at its end makes no difference."""
    mail = make_mail(text=text).text_alone
    data = build(mail, Recipient("d1", "ada@example.org", "Ada", values), date=DATE)
    check_bytes(data)
    assert data.endswith(b"\r\n")
    message = message_from_bytes(data, policy=email.policy.compat32)
    assert (message.get_content_type(), message.is_multipart()) == ("text/plain", False)
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().rstrip("\r\n") == expected(mail, "text", values).rstrip("\r\n")


@pytest.mark.parametrize("end", [" \n", "\t\n", " ", ".\n", "=\n", "é \n", "\n.\n"], ids=repr)
def test_no_line_is_too_long_whatever_stands_at_its_end(end: str) -> None:
    """binascii makes a line of 77 of one with 74 octets and a space."""
    for length in range(66, 160):
        mail = make_mail(text="x" * length + end, html="x" * length + end + hole_tag(NONCE, "name", html=True))
        data = build(mail, Recipient("d1", "ada@example.org", "Ada", dict.fromkeys(VALUES, "n")), date=DATE)
        check_bytes(data)
        text = next(part for part in message_from_bytes(data).walk() if part.get_content_subtype() == "plain")
        payload = text.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.decode() == whole_lines(mail.text)


@settings(max_examples=100, deadline=None)
@given(values=READERS, name=TEXT, subject=TEXT, sender=TEXT)
def test_any_reader_has_the_intended_headers_each_once(
    values: Mapping[str, str], name: str, subject: str, sender: str
) -> None:
    """Threat 1. Trap 2: nothing in a List- header looks like an encoded-word."""
    mail = make_mail(subject=subject, sender=Sender(sender, "weekly@news.example.org"))
    data = build(mail, Recipient("d1", "ada@example.org", name, values), date=DATE)
    check_bytes(data)
    message = message_from_bytes(data, policy=email.policy.compat32)
    names = ["Date", "From", "To", "Subject", *(header for header, _ in mail.headers), "MIME-Version", "Content-Type"]
    assert message.keys() == names
    for header, _ in mail.headers:
        assert "=?" not in str(message[header])


@pytest.mark.parametrize(
    "around",
    ["{}", "{}\n", "a{}", "a\n{}", "a {} b", "{}{}", "{}\n{}\n", ".{}.", "é{}橋{}é", "x" * 75 + "{}" + "x" * 76],
)
@pytest.mark.parametrize("wide", ["", "橋" * 50], ids=["quoted-printable", "base64"])
def test_a_hole_may_stand_anywhere(around: str, wide: str) -> None:
    mail = make_mail(text=around.replace("{}", hole_tag(NONCE, "name")) + wide)
    for value in ("", " ", ".", "..x", "." * 200, " x ", "x\n", "\n.\n", "=", "é" * 100, "x" * 300, "\r\n.\r\n"):
        values = {**make_reader(1).values, "name": value}
        data = build(mail, Recipient("d1", "ada@example.org", "", values), date=DATE)
        check_bytes(data)
        part = next(one for one in message_from_bytes(data).walk() if one.get_content_subtype() == "plain")
        encoding = "base64" if wide or "橋" in around else "quoted-printable"
        assert part["Content-Transfer-Encoding"] == encoding
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.decode() == whole_lines(around.replace("{}", value) + wide)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("token", "token"),
        ("=?utf-8?q?x?=", "=%3Futf-8?q?x?="),
        ("x\r\nBcc: a@b.c", "x%0D%0ABcc: a@b.c"),
        ("ü\u2028x", "%C3%BC%E2%80%A8x"),
        (" x ", "x"),
        ("?=", "?="),
    ],
)
def test_a_hole_in_a_header_is_printable_ascii(value: str, written: str) -> None:
    mail = make_mail(headers=(("Message-ID", f"<{hole_tag(NONCE, 'token')}@n.example>"),))
    reader = Recipient("d1", "ada@example.org", "", {**make_reader(1).values, "token": value})
    assert f"Message-ID: <{written}@n.example>\r\n".encode() in build(mail, reader, date=DATE)


def test_an_encoded_word_that_text_and_value_make_together_is_broken_up() -> None:
    tag = hole_tag(NONCE, "token")
    mail = make_mail(headers=(("Message-ID", f"<a={tag}?q?x?@n.example>"),))
    reader = Recipient("d1", "ada@example.org", "", {**make_reader(1).values, "token": ""})
    assert b"Message-ID: <a=%3Fq?x?@n.example>\r\n" in build(mail, reader, date=DATE)


def test_a_header_with_holes_is_folded_at_commas_only() -> None:
    """RFC 2369 section 2."""
    data = build(make_mail(), make_reader(1), date=DATE)
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    at = next(at for at, line in enumerate(lines) if line.startswith(b"List-Unsubscribe:"))
    assert lines[at].endswith(b">,")
    assert lines[at + 1] == b" <mailto:editors@news.example.org?subject=unsubscribe>"


def test_a_mail_is_compiled_once_and_what_is_fixed_is_shared() -> None:
    mail = make_mail(html="<p>" + "fixed text " * 2_000 + hole_tag(NONCE, "name", html=True))
    assert compiled(mail) is compiled(mail)
    first, second = (compiled(mail).pieces(make_reader(number), DATE) for number in (1, 7))
    shared = {id(piece) for piece in first} & {id(piece) for piece in second}
    assert sum(len(piece) for piece in first if id(piece) in shared) > 20_000


def test_pieces_take_little_more_than_the_whole_would() -> None:
    """A hole costs two soft line breaks at most in quoted-printable, and one line end in base64."""
    for text in ("plain words and a hole {} again " * 100, "橋が再び開通した{}。" * 100):
        values = {**make_reader(1).values, "name": "Ada"}
        tagged = make_mail(text=text.replace("{}", hole_tag(NONCE, "name")), html="")
        whole = make_mail(text=text.replace("{}", "Ada"), html="")
        reader = Recipient("d1", "ada@example.org", "", values)
        assert len(build(tagged, reader, date=DATE)) - len(build(whole, reader, date=DATE)) <= 7 * 100


ALL_HOLES = [hole_tag(NONCE, name) for name in HOLES]
HTML = Part("", NONCE, html=True)
NEARLY_PLAIN = st.text(st.sampled_from([*"ab .=&<>'\"-/\n\r\t~é"]), max_size=8) | st.sampled_from(
    [
        "Ada Lund",
        "https://news.example.org/u/k7Qm2xV9bTz4.0000",
        "3. Mai 2026",
        "3. März 2026",
        NONCE,
        "x" * 75,
        "x" * 76,
    ]
)


@settings(max_examples=500, deadline=None)
@given(values=st.fixed_dictionaries(dict.fromkeys(HOLES, NEARLY_PLAIN | VALUE)))
def test_a_value_that_is_plain_is_the_same_in_every_part(values: Mapping[str, str]) -> None:
    """And each of them is taken for what it is, whatever the others are."""
    own = Holes([Part("".join(ALL_HOLES), NONCE, html=False)], NONCE).of(values)
    assert own.plain.keys() | own.special.keys() == set(HOLES)
    assert not own.plain.keys() & own.special.keys()
    assert all(values[name] == value for name, value in own.special.items())
    for name, octets in own.plain.items():
        written = HTML.written(values[name])
        assert octets == body.quoted_value(written) == body._octets(written) == values[name].encode()
        assert octets.decode() == printable(values[name].strip())


def test_most_values_are_plain() -> None:
    """Or nothing is gained by looking."""
    links = dict.fromkeys(("unsubscribe_url", "preferences_url"), "https://news.example.org/u/k7Qm2xV9bTz4.0000")
    values = {**make_reader(1).values, "name": "Ada Lund", "since": "3. Mai 2026", **links}
    assert not Holes([Part("".join(ALL_HOLES), NONCE, html=False)], NONCE).of(values).special


@given(st.text(st.characters(codec="ascii"), max_size=90) | st.text(max_size=80))
def test_a_value_that_needs_no_encoding_is_the_same_without(value: str) -> None:
    assert body.quoted_value(value) == body._quoted(body._octets(value))
