"""A story's text made ready for looking names up: one form, its words, its sentences, its capitals, its language."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from newsletter.regions.data import read_sections

#: Scripts that are written without spaces between words, by Unicode names: any place in them may be a word's end.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'", "‘": "'", "`": "'", "ʻ": "'"})
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'»”)\]]*\s+(?=[\"'«“„(\[]*\w)|(?<=[。！？])|\n")
#: What ends in a full stop without ending a sentence: an initial, or a short word with a capital (St., Gov., Calif.).
_ABBREVIATION = re.compile(r"(?:^|[\s(.])(?:\w|[A-Z][a-z]{1,4})\.$")
#: What ends a word. In a text of which every one is a space no name is found inside a word.
_BREAKS = re.compile(r"[\s\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2010-\u2027\u2030-\u205e]")
_ENOUGH_FOR_CASE = 240
_WORD = re.compile(r"[^\W\d_]+")
_LATIN_WORD = re.compile(r"[a-zà-öø-ÿāăąćčđēěęğģīįķłńňōőœřśšşţťūůűųźżž]+")


class Case(Enum):
    """What the capitals of a part of the text can tell."""

    SENTENCE = "sentence"  # names begin with a capital, other words do not
    TITLE = "title"  # nearly every word begins with one
    NONE = "none"  # all letters are small or all are capitals


@dataclass(frozen=True)
class Text:
    """A headline and a summary as one text, in the forms names are looked up in.

    `exact` and `folded` have the same length, `spaced` begins with a space more and has spaces for all that ends words;
    `headline_end` is where the summary begins; `starts` are the places where sentences begin, the first is 0.
    """

    exact: str
    folded: str
    spaced: str
    headline_end: int
    starts: tuple[int, ...]
    headline_case: Case
    summary_case: Case

    @classmethod
    def of(cls, headline: str, summary: str) -> Text:
        head, body = one_form(headline), one_form(summary)
        exact = f"{head}\n{body}"
        starts, case = _starts(exact, len(head)), _case(body[:_ENOUGH_FOR_CASE])
        folded = exact.casefold()
        return cls(exact, folded, f" {spaced(folded)}", len(head), starts, _case(head), case)

    def case_at(self, position: int) -> Case:
        """Return what capitals can tell in the part of the text that the position is in."""
        return self.headline_case if position <= self.headline_end else self.summary_case


def one_form(text: str) -> str:
    """Return the text in NFC with plain apostrophes and single spaces, and with no letter that folding makes longer."""
    if text.isascii():
        return " ".join(text.split())
    text = " ".join(unicodedata.normalize("NFC", text).translate(_APOSTROPHES).split())
    if len(text.casefold()) != len(text):
        text = "".join(letter if len(letter.casefold()) == 1 else letter.casefold() for letter in text)
    return text


def fold(text: str) -> str:
    """Return one_form of the text without its capitals."""
    return one_form(text).casefold()


def spaced(folded: str) -> str:
    """Return the text with a space for each character that ends a word."""
    return _BREAKS.sub(" ", folded)


def _starts(text: str, headline_end: int) -> tuple[int, ...]:
    found = [0]
    for match in _SENTENCE_END.finditer(text):
        is_break = match.start() == headline_end or not _ABBREVIATION.search(
            text, max(0, match.start() - 8), match.start()
        )
        if is_break and match.end() < len(text):
            found.append(match.end())
    return tuple(found)


def _case(part: str) -> Case:
    if part.upper() == part or part.lower() == part:
        return Case.NONE
    words = [word for word in _WORD.findall(part) if len(word) > 3]
    capitals = sum(word[0].isupper() for word in words[1:])
    return Case.TITLE if len(words) > 3 and capitals > 0.7 * (len(words) - 1) else Case.SENTENCE


@lru_cache(maxsize=8192)
def joins(character: str) -> bool:
    """Say whether the character makes one word with its neighbour: a letter, digit or mark of a script with spaces."""
    if unicodedata.category(character)[0] not in "LMN":
        return False
    return not unicodedata.name(character, "").startswith(_UNSPACED)


def is_mark(character: str) -> bool:
    """Say whether the character is a mark that belongs to the letter before it (Unicode category M)."""
    return unicodedata.category(character)[0] == "M"


@lru_cache(maxsize=8192)
def script(character: str) -> str:
    """Return the first word of the letter's Unicode name (LATIN, CYRILLIC ...), or "" when it is no letter."""
    return unicodedata.name(character, "").partition(" ")[0].partition("-")[0] if character.isalpha() else ""


def languages(text: Text, language: str) -> tuple[str, ...]:
    """Return the languages to read the text in: the given one if its script fits, else by its words."""
    letters = [letter for letter in text.folded[:80] if letter.isalpha()]
    found = script(letters[len(letters) // 2]) if letters else ""
    given = re.split(r"[-_]", language.lower())[0]
    expected = _SCRIPTS.get(given, "LATIN")
    if given and (found in {"", expected} or {found, expected} <= _EAST_ASIAN):
        return (given,)
    if found == "LATIN":
        return (_by_words(text.folded),)
    if found == "CYRILLIC":
        return _cyrillic(text.folded)
    return tuple(language for language, name in _SCRIPTS.items() if name == found)


def _by_words(folded: str) -> str:
    """Return the language most of whose small words the text holds; English when none tells."""
    words = _LATIN_WORD.findall(folded)
    scores = {language: sum(word in small for word in words) for language, small in small_words().items()}
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] > scores["en"] else "en"


def _cyrillic(folded: str) -> tuple[str, ...]:
    if any(letter in folded for letter in "іїєґ"):
        return ("be",) if "ў" in folded else ("uk",)
    if any(letter in folded for letter in "ђјљњћџќѓѕ"):
        return ("sr", "mk")
    if any(letter in folded for letter in "ыэё"):
        return ("ru",)
    return ("uk", "ru", "bg")


@lru_cache(maxsize=1)
def small_words() -> dict[str, frozenset[str]]:
    """Return each language's small words, lower case, from data/languages.txt."""
    sections = read_sections("languages.txt")
    return {language: frozenset(" ".join(lines).split()) for language, lines in sections.items()}


_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA"}
#: Languages that are not written in Latin letters.
_SCRIPTS = {
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "mn", "tg"), "CYRILLIC"),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "ckb", "ug", "sd"), "ARABIC"),
    **dict.fromkeys(("he", "yi"), "HEBREW"),
    **dict.fromkeys(("hi", "mr", "ne"), "DEVANAGARI"),
    **dict.fromkeys(("bn", "as"), "BENGALI"),
    **dict.fromkeys(("zh", "yue"), "CJK"),
    "el": "GREEK",
    "hy": "ARMENIAN",
    "ka": "GEORGIAN",
    "th": "THAI",
    "ko": "HANGUL",
    "ja": "HIRAGANA",
    "ta": "TAMIL",
    "te": "TELUGU",
    "kn": "KANNADA",
    "ml": "MALAYALAM",
    "gu": "GUJARATI",
    "pa": "GURMUKHI",
    "am": "ETHIOPIC",
    "ti": "ETHIOPIC",
    "km": "KHMER",
    "lo": "LAO",
    "my": "MYANMAR",
    "si": "SINHALA",
}
