"""Damage to documents, as networks, publishing systems and enemies do it. The same chance gives the same damage."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"

#: Pieces that have upset readers of feeds.
PIECES = (
    *(b"&#55296;", b"&#xD800;&#xDC00;", b"&#0;", b"&#x110000;", b"&#99999999999;", b"&nbsp;", b"&lt;", b"&amp;amp;"),
    *(b"&", b"<", b">", b"]]>", b"<![CDATA[", b"<!--", b"-->", b"<?", b"?>", b"<!DOCTYPE x>", b"<!ENTITY a 'b'>"),
    *(
        b"</item>",
        b"<item>",
        b"<entry>",
        b"</channel>",
        b"</rss>",
        b"<title>",
        b"</title>",
        b"<link/>",
        b"<br>",
        b"<p>",
    ),
    *(b"<media:content url='x.jpg' width='99999999999'/>", b"<media:description>", b"<georss:point>1 x</georss:point>"),
    *(b"<gml:Point srsName='EPSG:x'><gml:pos>1</gml:pos></gml:Point>", b"<geo:lat>nan</geo:lat>", b"<where/>"),
    *(b"<content type='xhtml' mode='base64'>", b"<summary src='http://['>", b"xml:base='http://['", b"http://["),
    *(b"http://\xff/", b"javascript:alert(1)", b"https://user:pass@host/", b"//", b"http://a.example:99999/"),
    *(
        b"encoding='utf-16'",
        b"encoding='punycode'",
        b"encoding=''",
        b"xmlns=''",
        b"xmlns:x='http://search.yahoo.com/mrss/'",
    ),
    *(
        b"\x00",
        b"\x0b",
        b"\x1b$B",
        b"\x85",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xc3",
        b"\xf4\x90",
    ),
    *(
        one.encode()
        for one in ("\u202e", "\u2028", "\ufeff", "e" + "\u0301" * 40, "👩\u200d👩", "ﷺ", "İ", "\U000e0041")
    ),
    *(
        b"=?UTF-8?Q?x=0D=0ABcc:_a@b.c?=",
        b"{{ 7*7 }}",
        b"%00",
        b"NaN",
        b"Infinity",
        b"-0",
        b"1e999",
        b"9" * 400,
        b"null",
    ),
    *(
        b"0000-00-00",
        b"Tue, 99 Zzz 99999 99:99:99 +9999",
        b"9999-12-31T23:59:60-23:59",
        b"<pubDate>",
        b"<dc:date>12:00</dc:date>",
    ),
    *(b'{"', b'"}', b"[", b"]", b'"version":1', b'"items":{}', b'"url":null', b"\\ud800", b"\\u0000", b"//", b","),
)
_TAG = re.compile(rb"<[^<>]{1,200}>")
_ATTRIBUTE = re.compile(rb"\s[\w:]+=(?:\"[^\"<]{0,200}\"|'[^'<]{0,200}')")
_NUMBER = re.compile(rb"\d+")
_ENCODINGS = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "latin-1",
    "cp1252",
    "cp1251",
    "koi8-r",
    "cp932",
    "gb18030",
    "cp037",
)


def seeds() -> list[bytes]:
    """Return the documents to start from: every feed and sitemap of the tests, in the same order everywhere."""
    paths = sorted([*(DATA / "feeds").iterdir(), *(DATA / "sitemaps").iterdir()])
    return [path.read_bytes() for path in paths if ".expected" not in path.name]


def mutant(number: int, documents: list[bytes]) -> bytes:
    """Return the damaged document of that number."""
    chance = random.Random(number)
    body = chance.choice(documents)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8, 20))):
        body = chance.choice(DAMAGES)(body, chance, documents)[:200_000] or b"<"
    return body


def _place(body: bytes, chance: random.Random) -> int:
    return chance.randrange(len(body) + 1)


def _span(body: bytes, chance: random.Random) -> tuple[int, int]:
    start = _place(body, chance)
    return start, min(len(body), start + int(chance.expovariate(1 / 60)) + 1)


def flip(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Change some bytes."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def delete(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Lose a piece."""
    start, end = _span(body, chance)
    return body[:start] + body[end:]


def repeat(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Have a piece several times."""
    start, end = _span(body, chance)
    return body[:start] + body[start:end] * chance.choice((2, 3, 10, 200)) + body[end:]


def swap(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Exchange two pieces."""
    first, second, third, fourth = sorted(_place(body, chance) for _ in range(4))
    return body[:first] + body[third:fourth] + body[second:third] + body[first:second] + body[fourth:]


def insert(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Get a piece that upsets readers."""
    place = _place(body, chance)
    return body[:place] + chance.choice(PIECES) * chance.choice((1, 1, 1, 2, 50)) + body[place:]


def cut(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Break off."""
    return body[: _place(body, chance)]


def splice(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Go on as another document."""
    other = chance.choice(documents)
    return body[: _place(body, chance)] + other[_place(other, chance) :]


def _exchanged(pattern: re.Pattern[bytes], body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    own = list(pattern.finditer(body))
    foreign = list(pattern.finditer(chance.choice(documents)))
    if not own or not foreign:
        return body
    place = chance.choice(own)
    return body[: place.start()] + chance.choice(foreign)[0] + body[place.end() :]


def tags(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Have a tag of another document in the place of one."""
    return _exchanged(_TAG, body, chance, documents)


def attributes(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Have an attribute of another document in the place of one."""
    return _exchanged(_ATTRIBUTE, body, chance, documents)


def untag(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Lose a tag."""
    found = list(_TAG.finditer(body))
    if not found:
        return body
    place = chance.choice(found)
    return body[: place.start()] + body[place.end() :]


def numbers(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Have numbers that nobody expects."""
    found = list(_NUMBER.finditer(body))
    if not found:
        return body
    place = chance.choice(found)
    number = chance.choice((b"0", b"-1", b"1e400", b"9" * 30, b"4294967296", b"0x41", b"", "٣".encode(), b"0.1"))
    return body[: place.start()] + number + body[place.end() :]


def lie(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Be in another encoding than is said."""
    text = body.decode(chance.choice(("utf-8", "latin-1")), "replace")
    return text.encode(chance.choice(_ENCODINGS), chance.choice(("replace", "ignore", "xmlcharrefreplace")))


def soup(body: bytes, chance: random.Random, documents: list[bytes]) -> bytes:
    """Have characters from all over Unicode."""
    place = _place(body, chance)
    characters = "".join(
        chr(chance.choice((chance.randrange(0xD800), chance.randrange(0xE000, 0x110000)))) for _ in range(40)
    )
    return body[:place] + characters.encode() + body[place:]


Damage = Callable[[bytes, random.Random, list[bytes]], bytes]
DAMAGES: tuple[Damage, ...] = (
    *(
        flip,
        delete,
        repeat,
        swap,
        insert,
        insert,
        insert,
        cut,
        splice,
        tags,
        tags,
        attributes,
        untag,
        numbers,
        lie,
        soup,
    ),
)
