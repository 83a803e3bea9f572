"""From the bytes of a document to its text, whatever its server and its first line say about the encoding.

What the bytes prove comes first: a byte-order mark, the zero bytes of UTF-16, UTF-8 without a fault. Then what was
declared is tried. Bytes of Windows-1252 within UTF-8 are read as what they are, one by one.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace

from newsletter.errors import FetchError
from newsletter.sources.net.answers import Answer

#: Bytes of a document that was compressed as a file (sitemap.xml.gz), inflated (threat 7).
INFLATED_LIMIT = 10 * 1024 * 1024

#: What gzip files begin with.
GZIP = b"\x1f\x8b\x08"
#: The longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: How documents without a mark begin in encodings that do not contain ASCII (XML 1.0 appendix F; RFC 4627 section 3).
_BEGINNINGS = (
    (re.compile(rb"\0\0\0[<{\[]"), "utf-32-be"),
    (re.compile(rb"[<{\[]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0[<{\[\s]\0[^\0]"), "utf-16-be"),
    (re.compile(rb"[<{\[\s]\0[^\0]\0"), "utf-16-le"),
    (re.compile(rb"\x4c\x6f\xa7\x94"), "cp037"),
)
_DECLARED = re.compile(rb"^[^<]{0,200}<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']?([\w.: -]{1,40})")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.: -]{1,40})", re.IGNORECASE)
_LANGUAGE = re.compile(rb"<(?:\w+:)?language>\s*([A-Za-z]{2})|\bxml:lang\s*=\s*[\"']([A-Za-z]{2})")

#: Labels that Python does not know, or knows as less than what is meant by them (WHATWG Encoding).
_MEANT = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "x-euc-jp": "euc_jp",
    "big5": "big5hkscs",
    "tis-620": "cp874",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
}
#: Codecs that are no encodings of documents.
_NO_TEXT = frozenset({"utf-7", "punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined"})
_WESTERN = frozenset({"ascii", "iso8859-1", "cp1252"})
#: What a language was written in before UTF-8, for documents that declare UTF-8 and are not.
_OF_LANGUAGE = {
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "sr", "kk"), ("cp1251", "koi8-u")),
    **dict.fromkeys(("pl", "cs", "sk", "hu", "hr", "sl", "ro"), ("cp1250",)),
    **dict.fromkeys(("lt", "lv", "et"), ("cp1257",)),
    **dict.fromkeys(("tr", "az"), ("cp1254",)),
    **dict.fromkeys(("ar", "fa", "ur"), ("cp1256",)),
    "el": ("cp1253",),
    "he": ("cp1255",),
    "ja": ("cp932", "euc_jp"),
    "ko": ("cp949",),
    "th": ("cp874",),
    "zh": ("gb18030", "big5hkscs"),
}
#: The bytes that Windows-1252 has letters for where Latin-1 has controls.
_WINDOWS = {byte: bytes((byte,)).decode("cp1252", "ignore") or " " for byte in range(0x80, 0xA0)}


def _western(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are no UTF-8 as Windows-1252."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1").translate(_WINDOWS), error.end


codecs.register_error("newsletter.western", _western)


def inflated(answer: Answer) -> Answer:
    """Return `answer` with its body inflated when that is a gzip file. Raises FetchError for a damaged or huge one."""
    if not answer.body.startswith(GZIP):
        return answer
    inflator = zlib.decompressobj(wbits=31)
    try:
        body = inflator.decompress(answer.body, INFLATED_LIMIT)
    except zlib.error as error:
        raise FetchError(answer.url, "The compressed file is damaged. Try later, or tell the publisher.") from error
    if inflator.unconsumed_tail:
        raise FetchError(
            answer.url, f"The compressed file holds more than {INFLATED_LIMIT:,} bytes, so it was not read."
        )
    return replace(answer, body=body)


def beginning(body: bytes, length: int) -> bytes:
    """Return the first bytes of what is in a gzip file, at most `length`; nothing when it is damaged at once."""
    try:
        return zlib.decompressobj(wbits=31).decompress(body, length)
    except zlib.error:
        return b""


def decoded(answer: Answer) -> str:
    """Return the text of the answer's body, without a byte-order mark. Every byte string has one."""
    body = answer.body
    for mark, name in _MARKS:
        if body.startswith(mark):
            return _despite_faults(body[len(mark) :], name)
    for beginning, name in _BEGINNINGS:
        if beginning.match(body):
            return _despite_faults(body, name)
    for name in _declared(answer):
        text = _without_faults(body, name)
        if text is not None:
            return text
    return _despite_faults(body, "utf-8")


def _despite_faults(body: bytes, name: str) -> str:
    text = body.decode(name, "newsletter.western" if name == "utf-8" else "replace")
    return text.removeprefix("\ufeff")


def _declared(answer: Answer) -> Iterator[str]:
    """Yield the encodings to try for a document that does not prove one, by Python's names."""
    found = _DECLARED.match(answer.body[:1000])
    charset = _CHARSET.search(answer.content_type)
    inner = _codec(found[1].decode("ascii")) if found else ""
    outer = _codec(charset[1]) if charset else ""
    if b"\x1b" in answer.body or b"~{" in answer.body:  # seven-bit encodings are valid UTF-8, too
        yield from (name for name in (inner, outer) if name.startswith("iso2022") or name == "hz")
    yield "utf-8"
    if not _is_mostly_utf8(answer.body):
        # RFC 7303 puts the server's word first; but servers say Latin-1 about everything.
        names = (inner, outer) if outer in _WESTERN else (outer, inner)
        yield from (name for name in names if name and name != "utf-8")
        language = _LANGUAGE.search(answer.body[:20_000])
        if language and (inner or outer or "utf-8") == "utf-8":
            yield from _by_language(answer.body, (language[1] or language[2]).decode().lower())


def _codec(label: str) -> str:
    """Return Python's name for an encoding that contains ASCII, or nothing when `label` names none."""
    label = label.strip().lower()
    label = re.sub(r"^(?:x-)?(?:cp|win|windows)[-_ ]?(\d{3,4})$", r"cp\1", label)
    label = re.sub(r"^iso[-_ ]?8859[-_ ]?(\d+)(?:-[ei])?$", r"iso8859_\1", label)
    try:
        name = codecs.lookup(_MEANT.get(label, label)).name
        return name if name not in _NO_TEXT and b"<?xml".decode(name) == "<?xml" else ""
    except (LookupError, UnicodeError, ValueError, AssertionError):
        return ""


def _is_mostly_utf8(body: bytes) -> bool:
    """Say whether a few broken characters, or a cut in the last one, are all that is wrong with it as UTF-8."""
    text = body.decode("utf-8", "replace")
    faults = text.count("\ufffd")
    return faults * 4 < _beyond_ascii(text) - faults


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _by_language(body: bytes, language: str) -> tuple[str, ...]:
    names = _OF_LANGUAGE.get(language, ())
    if "koi8-u" in names:
        # Most letters are small ones: Windows-1251 has those at the end, KOI8 in the middle.
        late, middle = (
            sum(byte in group for byte in body[:100_000]) for group in (range(0xE0, 0x100), range(0xC0, 0xE0))
        )
        return names if late >= middle else names[::-1]
    return names


def _without_faults(body: bytes, name: str) -> str | None:
    """Return the text of `body` in an encoding, or None when it is another one."""
    if name in _WESTERN:
        return body.decode("latin-1").translate(_WINDOWS)
    try:
        if name == "utf-8":
            return body.decode(name)
        text = body.decode(name, "replace")
    except (LookupError, UnicodeError, ValueError):
        return None
    # Some of the letters that a vendor added to an encoding are unknown to Python; many faults are another encoding.
    return text if text.count("\ufffd") * 50 <= _beyond_ascii(text) else None
