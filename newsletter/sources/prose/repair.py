"""Text that was decoded as something else than it was, put right again. Text that is right stays as it is.

Two accidents are common in feeds. UTF-8 that was read as Windows-1252 or Latin-1, once or twice, makes every letter
beyond ASCII two or three ("Ã¼"): ftfy knows those, and only its repair of the encoding is used, never its change of
quotes or widths. And pages in an old 8-bit encoding of a script of its own were read as Latin-1, so that whole words
are accented letters ("Óêðà¿íà"): no language is written like that, and the encoding in which the words look most like
its script's is taken.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

#: A word of at least three letters from the upper half of Latin-1 and nothing else.
_ODD_WORD = re.compile("[\x80-\xff]{3,}")
_ODD = re.compile("[\xa1-\xff]")
_LETTER = re.compile(r"[^\W\d_]")
#: Share of odd letters among all letters, and number of odd words, from which a text counts as misread.
_ODD_SHARE = 0.6
_ODD_WORDS = 2
#: What the best candidate has to score; a headline in its own encoding scores 0.55 to 0.75.
_LIKELY = 0.45
#: Share of one letter among all from which a candidate is no language.
_MONOTONOUS = 0.25
#: Characters that are looked at.
_SAMPLE = 2_000


@dataclass(frozen=True)
class _Encoding:
    """An 8-bit encoding, the letters of its script, and the ten or so that make most of its running text."""

    name: str
    script: re.Pattern[str]
    common: frozenset[str]


_CYRILLIC = re.compile("[\u0400-\u045f\u0490\u0491]")
_COMMON_CYRILLIC = frozenset("оеаинтсрвлкі")
_ENCODINGS = (
    _Encoding("cp1251", _CYRILLIC, _COMMON_CYRILLIC),
    _Encoding("koi8-u", _CYRILLIC, _COMMON_CYRILLIC),
    _Encoding("iso8859-5", _CYRILLIC, _COMMON_CYRILLIC),
    _Encoding("cp1253", re.compile("[\u0370-\u03ff]"), frozenset("αοιετσνηυρςάίόέ")),
    _Encoding("cp1255", re.compile("[\u05d0-\u05ea]"), frozenset("יוהלאמרתשב")),
)


def repaired(text: str) -> str:
    """Return `text` with misread encodings put right. Text that is right, or beyond repair, comes back as it is."""
    if text.isascii():
        return text
    import ftfy  # noqa: PLC0415  A tenth of a second, and half of all feeds are plain ASCII.

    fixed = ftfy.fix_encoding(text)
    # ftfy may have changed a few letters of what was never UTF-8: the second look is at the text as it came.
    return _eight_bit(text) if _ODD_WORD.search(fixed) and _is_odd(fixed) else fixed


def _eight_bit(text: str) -> str:
    """Return `text`, which reads as accented letters only, decoded as the 8-bit encoding that it is really in."""
    sample = text[:_SAMPLE]
    scores = {encoding.name: _score(sample.translate(_table(encoding.name)), encoding) for encoding in _ENCODINGS}
    best = max(scores, key=lambda name: scores[name])
    return text.translate(_table(best)) if scores[best] > _LIKELY else text


def _is_odd(text: str) -> bool:
    text = text[:_SAMPLE]
    letters, odd = len(_LETTER.findall(text)), len(_ODD.findall(text))
    words = _ODD_WORD.findall(text)
    return odd >= _ODD_SHARE * letters and (len(words) >= _ODD_WORDS or any(len(word) > 5 for word in words))


@lru_cache(maxsize=8)
def _table(encoding: str) -> dict[int, str]:
    """Return what the characters of Windows-1252 and Latin-1 beyond ASCII are in `encoding`."""
    table: dict[int, str] = {}
    for byte in range(0x80, 0x100):
        for assumed in ("latin-1", "cp1252"):
            try:
                table[ord(bytes([byte]).decode(assumed))] = bytes([byte]).decode(encoding)
            except UnicodeDecodeError:
                continue
    return table


def _score(text: str, encoding: _Encoding) -> float:
    """Return how much `text` looks like a language of the script, from 0 to 1."""
    letters = encoding.script.findall(text)
    if not letters:
        return 0.0
    counts = Counter(letter.lower() for letter in letters)
    common = sum(count for letter, count in counts.items() if letter in encoding.common) / len(letters)
    own = len(letters) / max(len(re.findall("[^\x00-\x7f\\s]", text)), 1)
    # A capital after a small letter: koi8 read as cp1251, or the other way round.
    twisted = sum(before.islower() and after.isupper() for before, after in pairwise(text)) / len(letters)
    # One letter over and over: the first bytes of what is UTF-8 after all.
    if counts.most_common(1)[0][1] > _MONOTONOUS * len(letters) > 5:
        return 0.0
    return common * min(own * 1.1, 1.0) * (1 - min(3 * twisted, 1.0))
