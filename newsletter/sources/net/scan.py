"""A look at markup before any parser sees it: refuses what is made to do harm (threats 6 and 8). Pure and linear.

It reads like the most forgiving of parsers: a tag ends at the next `<` at the latest, an end tag closes whatever is
open inside its element, and what begins a comment or CDATA section that never ends is passed over. So a damaged feed
passes; comments, CDATA and text may hold anything.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator

from newsletter.errors import FetchError
from newsletter.sources.net.answers import Answer

MAX_DEPTH = 256
MAX_ATTRIBUTES = 256
MAX_TAG_BYTES = 65_536
MAX_ELEMENTS = 500_000
MAX_ENTITIES = 300

_TOKEN = re.compile(
    rb"<(?:!--|!\[CDATA\[|[?!]"
    rb"|(/?)([A-Za-z_:\x80-\xff][^\s/<>\"'=]*+)((?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+)(>?))"
)
#: What begins a section that is not looked into -> what ends it.
_SECTIONS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_QUOTED = re.compile(rb"\"[^\"]*+\"|'[^']*+'|=")
_ENTITY = re.compile(rb"ENTITY\s", re.IGNORECASE)
#: A short text without further entities, as some feeds define for `nbsp`; or the W3C's own sets, which RSS 1.0 names.
_HARMLESS_ENTITY = re.compile(
    rb"""ENTITY\s++(?:[\w.-]++\s++(?:"(?:[^"&%<]|&\#\w{1,8};){0,40}+"|'(?:[^'&%<]|&\#\w{1,8};){0,40}+')"""
    rb"""|%\s++[\w.-]++\s++PUBLIC\s++"-//W3C//ENTITIES\ [^"<]{1,60}"\s++"https?://www\.w3\.org/[^"<]{1,100}")\s*+>"""
)
#: Elements of html that many leave open; they pile up without being nested.
_LEFT_OPEN = frozenset({b"br", b"hr", b"img", b"input", b"wbr", b"p", b"li", b"BR", b"HR", b"IMG", b"P", b"LI"})
_LEFT_OPEN_LIMIT = 5_000

_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
_CHARSET = re.compile(r"\bcharset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
#: The first bytes of markup in encodings that do not read like ASCII.
_SIGNATURES = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
    (b"\x4c\x6f\xa7\x94", "cp037"),  # <?xm in EBCDIC
)
#: Encodings of Python that no document has; they would hide markup, and some take ages.
_NOT_FOR_DOCUMENTS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape"})
_PROBE = bytes(range(32, 127)) + b"\t\r\n +ADw- ~{<~} \x1b$B<R\x1b(B"


def refuse_hostile(answer: Answer) -> None:
    """Raise FetchError for markup that is made to do harm: entities that grow or reach out, or far too much structure.

    What is not markup passes.
    """
    if answer.body.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in {b"{", b"["}:
        return
    for text in _readings(answer):
        structure = _Structure(answer.url)
        for token in _tokens(text):
            if token[2] is None:
                structure.declare(token)
            elif token[1]:
                structure.close(token[2])
            else:
                structure.open(token)


def _refusal(url: str, what: str) -> FetchError:
    return FetchError(
        url, f"{what}, as only documents do that are broken or made to do harm, so it was not read. Tell the publisher."
    )


def _tokens(text: bytes) -> Iterator[re.Match[bytes]]:
    """Yield the tags, and the starts of declarations (<!), outside of comments, CDATA and instructions."""
    position = 0
    endless: set[bytes] = set()
    while token := _TOKEN.search(text, position):
        position = token.end()
        if token[2] is not None:
            yield token
            continue
        start = token[0]
        if start == b"<!":
            yield token
        elif start not in endless:
            end = text.find(_SECTIONS[start], position)
            if end < 0:
                endless.add(start)
            else:
                position = end


class _Structure:
    """What is open while a document is gone through."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack: list[bytes] = []
        self._open: Counter[bytes] = Counter()
        self._left_open = 0
        self._elements = 0
        self._entities = 0

    def declare(self, token: re.Match[bytes]) -> None:
        """Look at a declaration. Raises FetchError for an entity that is more than a short text."""
        self._count()
        if not _ENTITY.match(token.string, token.end()):
            return
        self._entities += 1
        if self._entities > MAX_ENTITIES or not _HARMLESS_ENTITY.match(token.string, token.end()):
            raise _refusal(self._url, "It defines entities that grow or reach out of it (<!ENTITY)")

    def open(self, token: re.Match[bytes]) -> None:
        """Look at a start tag. Raises FetchError when it is too much of anything."""
        name, attributes, closed = token[2], token[3], token[4]
        self._count()
        if len(attributes) > 2 * MAX_ATTRIBUTES or not closed:
            self._refuse_large_tag(token)
        if attributes.endswith(b"/") and closed:
            return
        self._stack.append(name)
        self._open[name] += 1
        self._left_open += name in _LEFT_OPEN
        if len(self._stack) - self._left_open > MAX_DEPTH or self._left_open > _LEFT_OPEN_LIMIT:
            raise _refusal(self._url, f"Its elements are nested more than {MAX_DEPTH} deep")

    def close(self, name: bytes) -> None:
        """Close the innermost element of this name with all that is in it; one of nothing means nothing."""
        if not self._open[name]:
            self._count()
        while self._open[name]:
            inner = self._stack.pop()
            self._open[inner] -= 1
            self._left_open -= inner in _LEFT_OPEN
            if inner == name:
                return

    def _count(self) -> None:
        """Count a start tag, a declaration, or an end tag of nothing. Raises FetchError when they are too many."""
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise _refusal(self._url, f"It has more than {MAX_ELEMENTS:,} elements")

    def _refuse_large_tag(self, token: re.Match[bytes]) -> None:
        end = token.end() if token[4] else token.string.find(b"<", token.end())
        if (end if end >= 0 else len(token.string)) - token.start() > MAX_TAG_BYTES:
            raise _refusal(self._url, f"One of its tags is longer than {MAX_TAG_BYTES:,} bytes")
        if len(_QUOTED.sub(b" ", token[3].rstrip(b"/")).split()) > MAX_ATTRIBUTES:
            raise _refusal(self._url, f"One of its elements has more than {MAX_ATTRIBUTES} attributes")


def _readings(answer: Answer) -> Iterator[bytes]:
    """Yield the body as parsers may read it: as it is, and decoded from what hides markup from a look at the bytes."""
    start = answer.body.lstrip(b" \t\r\n")[:4]
    signed = next((name for signature, name in _SIGNATURES if start.startswith(signature)), "")
    names = [signed] if signed else _named(answer)
    texts = [_decoded(answer, name) for name in names]
    if None in texts or not texts:
        yield answer.body
    yield from (text for text in texts if text is not None)


def _named(answer: Answer) -> list[str]:
    """Return the encodings that the header and the document name."""
    charset, declared = _CHARSET.search(answer.content_type), _DECLARED.search(answer.body, 0, 1_000)
    names = [charset[1] if charset else "", declared[1].decode("ascii") if declared else ""]
    return [name for name in dict.fromkeys(names) if name]


def _decoded(answer: Answer, encoding: str) -> bytes | None:
    """Return the body decoded, as UTF-8, or None when its markup can be read as it is. Raises FetchError."""
    try:
        name = codecs.lookup(encoding).name
        if name in _NOT_FOR_DOCUMENTS:
            raise _refusal(answer.url, f"It says that it is written in {encoding!r}")
        if _PROBE.decode(name, "replace") == _PROBE.decode("ascii"):
            return None
        errors = "replace" if name.startswith("utf-") and name != "utf-7" else "strict"
        return answer.body.decode(name, errors).encode("utf-8", "replace")
    except (LookupError, UnicodeError):  # No parser can read it so either.
        return None
