"""Where sentences end, by the language of the text, and how many words there are. Pure."""

from __future__ import annotations

import re

from newsletter.sources.prose.abbreviations import ORDINALS, words_of

_CLOSERS = "\"'»«”“’‘)\\]›‹」』）】〉》"
#: A full stop of any script with the quotes and brackets that close after it. Those of East Asia need no space after
#: them, and neither do Ethiopia's and Armenia's; Thai and Lao have none, and a space does its work there.
_STOPS = re.compile(rf"[.!?…؟۔।॥᠃]+[{_CLOSERS}]*(?=\s|$)|[。！？｡\u1362\u1367\u1368։]+[」』”’）】〉》)»]*")
#: A full stop that leaves no doubt.
_SURE = re.compile("[。！？｡\u1362\u1367\u1368։؟۔।॥]")
#: Quotes and brackets that tell their beginning from their end.
_QUOTES = [
    re.compile(pattern)
    for pattern in [
        "„[^„“”]{1,400}[“”]",
        "“[^“”„]{1,400}”",
        "‘[^‘’]{2,400}’(?!\\w)",
        '"[^"]{1,400}"',
        r"\([^()]{1,400}\)",
        r"\[[^\[\]]{1,400}\]",
        "「[^「」]{1,400}」",
        "『[^『』]{1,400}』",
        "（[^（）]{1,400}）",
    ]
]
_FRENCH_QUOTES, _GERMAN_GUILLEMETS = re.compile("«[^«»]{1,400}»"), re.compile("»[^«»]{1,400}«")
#: The word that a full stop stands behind, with the stops within it: "Dr", "z. B", "U.S".
_WORD_BEFORE = re.compile(r"(?:(?<!\w)[^\W\d_]\.\s?){0,3}[\w'’-]+$")
_NEXT_WORD = re.compile(r"[\s\"'«»„“”‘’(\[¿¡–—-]*([\w'’-]+)?")
#: Words of their own that are abbreviations only before a number: "No. 5", "Art. 7".
_BEFORE_NUMBERS = frozenset({"no", "nos", "art", "max", "min", "est", "es", "in"})
#: Scripts that are written without spaces between words: Han, kana, Thai, Lao, Burmese, Khmer.
_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0eff\u1000-\u109f\u1780-\u17d3\U00020000-\U0003ffff]"
)


def words_in(text: str) -> int:
    """Return how many words `text` has. In scripts without spaces two characters count as one."""
    unspaced = len(_UNSPACED.findall(text))
    rest = _UNSPACED.sub(" ", text) if unspaced else text
    return sum(any(map(str.isalnum, word)) for word in rest.split()) + (unspaced + 1) // 2


def sentences(text: str, language: str = "") -> list[str]:
    """Return the sentences of one line of text, each with its full stop and what closes after it.

    `language` is a BCP 47 tag; without one the abbreviations of all known languages count.
    """
    language = language.partition("-")[0].lower()
    kept = _protected(text)
    found, start = [], 0
    for match in _STOPS.finditer(text):
        end = match.end()
        if any(first < end < last for first, last in kept) or not _is_end(text, start, match, language):
            continue
        found.append(text[start:end].strip())
        start = end
    return [*found, rest] if (rest := text[start:].strip()) else found


def _protected(text: str) -> list[tuple[int, int]]:
    """Return where quotes and brackets are: a sentence within them ends inside another."""
    guillemet = re.search("[«»]", text)
    own = [_GERMAN_GUILLEMETS if guillemet[0] == "»" else _FRENCH_QUOTES] if guillemet else []
    return [match.span() for pattern in (*_QUOTES, *own) for match in pattern.finditer(text)]


def _is_end(text: str, start: int, stop: re.Match[str], language: str) -> bool:
    """Say whether the stop ends the sentence that begins at `start`."""
    rest = text[stop.end() :]
    if _SURE.search(stop[0]) or not rest.strip():
        return True
    following = _NEXT_WORD.match(rest)
    word = (following[1] if following else None) or ""
    if word[:1].islower():
        return False
    before = _WORD_BEFORE.search(text, max(start, stop.start() - 40), stop.start())
    if stop[0][0] != "." or len(stop[0]) > 1 or not before:
        return True
    # "A. S. Pushkin": what follows is another initial, not a word that begins a sentence.
    is_initial = len(word) == 1 and rest[following.end() :].startswith(".") if following else False
    is_number_of_point = before[0].isdecimal() and len(before[0]) <= 2 and not text[start : before.start()].strip()
    return not is_number_of_point and _ends_after(before[0], "" if is_initial else word, language)


def _ends_after(before: str, following: str, language: str) -> bool:
    """Say whether a full stop between these two words ends a sentence."""
    word = re.split("['’]", before.casefold().replace(" ", ""))[-1]  # "L'on. Verdi"
    last = word.rpartition(".")[2]
    begins = re.split("['’]", following.casefold())[0] in words_of("starters", language)
    if last.isdecimal():
        return begins or language not in ORDINALS or len(last) > 2  # "am 3. Oktober"
    if last in _BEFORE_NUMBERS and word == last:
        return not following[:1].isdecimal()
    either_way = words_of("either_way", language)
    if last in either_way or word in either_way or len(last) == 1 or "." in word:
        return begins
    return last not in words_of("before_names", language)
