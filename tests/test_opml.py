"""OPML: what feed readers write comes in, what goes out comes back the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from newsletter.errors import ConfigurationError
from newsletter.opml import SIZE_LIMIT, Outline, parse, write

NOW = datetime(2026, 11, 17, 8, tzinfo=UTC)


def opml(body: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><opml version="2.0"><head/><body>{body}</body></opml>'.encode()


@pytest.mark.parametrize(
    ("body", "outline"),
    [
        ('<outline type="rss" text="Post" xmlUrl="https://a.example/f"/>', Outline("https://a.example/f", "Post")),
        ('<outline title="Post" xmlUrl="https://a.example/f"/>', Outline("https://a.example/f", "Post")),
        ('<outline text="Post" title="Old" xmlurl="https://a.example/f"/>', Outline("https://a.example/f", "Post")),
        ('<outline text="A &amp;&#10; B" xmlUrl=" https://a.example/f "/>', Outline("https://a.example/f", "A & B")),
        ('<outline type="atom" text="P" XMLURL="https://a.example/f"/>', Outline("https://a.example/f", "P")),
        ('<outline type="link" text="P" url="https://a.example/f"/>', Outline("https://a.example/f", "P")),
        (
            '<outline type="json" text="P" xmlUrl="https://a.example/f"/>',
            Outline("https://a.example/f", "P", "jsonfeed"),
        ),
        ('<outline type="page" text="P" xmlUrl="https://a.example/f"/>', Outline("https://a.example/f", "P", "page")),
        (
            '<outline text="P" xmlUrl="u" htmlUrl="h" language="uk" category="UA, /Fens/Coast ,"/>',
            Outline("u", "P", site="h", language="uk", regions=("UA", "Fens/Coast")),
        ),
        ('<outline text="P" xmlUrl="u" language="unknown"/>', Outline("u", "P")),
        ('<outline xmlUrl="u"/>', Outline("u")),
        (
            '<outline text="News"><outline text="Coast"><outline text="P" xmlUrl="u"/></outline></outline>',
            Outline("u", "P", folders=("News", "Coast")),
        ),
    ],
)
def test_what_readers_write(body: str, outline: Outline) -> None:
    assert parse(opml(body), "feeds.opml") == [outline]


def test_feeds_keep_their_order_and_folders() -> None:
    body = '<outline text="A"><outline text="1" xmlUrl="u1"/><outline text="2" xmlUrl="u2"/></outline><outline text="3" xmlUrl="u3"/>'
    assert [(one.name, one.folders) for one in parse(opml(body), "f")] == [("1", ("A",)), ("2", ("A",)), ("3", ())]


@pytest.mark.parametrize(
    "data",
    [
        b'<opml version="1.1"><outline text="P" xmlUrl="https://a.example/?a=1&b=2"/></opml>',
        b'\xef\xbb\xbf<opml><body><outline text="P" xmlUrl="https://a.example/?a=1&amp;b=2"/></body></opml>',
        '<?xml version="1.0" encoding="UTF-16"?><opml><body><outline text="P" xmlUrl="https://a.example/?a=1&amp;b=2"/></body></opml>'.encode("utf-16"),
        b'<OPML><BODY><OUTLINE TEXT="P" XMLURL="https://a.example/?a=1&amp;b=2"/></BODY></OPML>',
        b'<!DOCTYPE opml><opml><body><outline text="P" xmlUrl="https://a.example/?a=1&amp;b=2"/></body></opml>',
    ],
    ids=["bare ampersand, no body", "byte-order mark", "UTF-16", "capitals", "a document type"],
)  # fmt: skip
def test_files_as_they_are(data: bytes) -> None:
    assert parse(data, "feeds.opml") == [Outline("https://a.example/?a=1&b=2", "P")]


BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is no OPML"),
        (b"not xml", "is no OPML"),
        (b"<html><body/></html>", "it begins with <html>"),
        (b"<opml><body><outline", "is no OPML"),
        (f'<!DOCTYPE opml [<!ENTITY l0 "lol">{BOMB}]><opml><body><outline text="&l9;"/></body></opml>'.encode(), "entities"),
        (b'<!DOCTYPE o [<!ENTITY x SYSTEM "file:///etc/passwd">]><opml><body><outline text="a">&x;</outline></body></opml>', "entities"),
        ('<!DOCTYPE o [<!ENTITY x "y">]><opml/>'.encode("utf-16"), "entities"),
        (opml("<outline text='x'>" * 50_000), "is no OPML"),
        (b" " * (SIZE_LIMIT + 1), "is larger than 5,000,000 bytes"),
    ],
    ids=["empty", "text", "html", "cut off", "billion laughs", "a file", "UTF-16 entity", "deep", "large"],
)  # fmt: skip
def test_what_is_no_list_is_a_sentence(data: bytes, sentence: str) -> None:
    """Threat 6: nothing is expanded and nothing is fetched."""
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        parse(data, "feeds.opml")
    assert str(caught.value).startswith("feeds.opml ")


def test_what_is_written_comes_back() -> None:
    outlines = [
        Outline("https://a.example/?a=1&b=2", 'The "Post" <1>', "feed", "https://a.example/", "en", ("UA", "fens")),
        Outline("https://b.example/feed.json", "Пошта", "jsonfeed"),
        Outline("https://c.example/news", "C", "page"),
        Outline("https://d.example/x", "D", "newsroom.notices:NoticesSource"),
    ]
    text = write(outlines, "Sources", NOW)
    assert '<opml version="2.0">' in text
    assert "<dateCreated>Tue, 17 Nov 2026 08:00:00 +0000</dateCreated>" in text
    assert 'type="rss"' in text
    assert parse(text.encode(), "feeds.opml") == outlines


def test_what_xml_cannot_hold_is_left_out() -> None:
    (outline,) = parse(write([Outline("https://a.example/", "A\x00\x0b\ud800B")], "x\x01", NOW).encode(), "f")
    assert outline.name == "AB"
