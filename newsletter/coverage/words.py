"""Text to terms: the words of a headline in one form each, its numbers by value, its dates, what capitals tell."""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from newsletter.coverage.names import Capital, german_capital
from newsletter.coverage.stems import family, fold, stem
from newsletter.coverage.tables import aliases, concepts, date_words, multipliers, number_words, series_words

#: Marks stand inside words: without them a word of Hindi or Arabic would fall apart.
_MARKS = "".join(chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c))[0] == "M")
_LETTER = rf"(?:[^\W\d_]|[{_MARKS}])"
#: Names of places that are one word with hyphens inside: Saint-Hilaire, Condé-en-Normandie, Івано-Франківськ.
_JOINED = re.compile(
    rf"[^\W\d_]{_LETTER}*(?:-(?:en|sur|sous|de|du|des|la|le|les|et|aux|lès|lez|am|an|der|im|on|upon|under|in|by|d['’]{_LETTER}+|l['’]{_LETTER}+))+-{_LETTER}+"
    rf"|(?:Saint|Sainte|St|San|Santa|Bad|Івано|Ивано|Санкт|Нью|New)-{_LETTER}+(?:-{_LETTER}+)*"
)
_TOKEN = re.compile(rf"\d+(?:[.,:\u00a0\u202f ]\d+)*|{_LETTER}+(?:['’ʼ]{_LETTER}+)*|[%€$£¥₴₽]|[.!?…:;|–—\n]")
#: German is read with its hyphens: the last part of a compound is not the surname of the first.
_GERMAN_TOKEN = re.compile(_TOKEN.pattern + "|-")
_UNITED = re.compile(r"\bUnited (Kingdom|States)\b")
_ACRONYM = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_ELISION = re.compile(r"^(?:l|d|j|m|n|s|t|c|qu|jusqu|lorsqu|puisqu|dell|all|nell|dall|sull|un)['’]", re.IGNORECASE)
#: What cannot be seen goes; all apostrophes are one, or "Meghan’s" would be somebody else than "Meghan's".
_ONE_FORM = str.maketrans(
    {**dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", ""), **dict.fromkeys("’ʼ＇", "'")}
)
_POSSESSIVE = re.compile(r"'[sS]$")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,\u00a0\u202f ]\d{3})+")
_DECIMALS = re.compile(r"(.+)[.,](\d+)")
_CLOCK = re.compile(r"\d{1,2}[:.]\d{2}")
_SCORE = re.compile(r"(?<![\d.,:/-])(\d{1,2}) ?[-:–] ?(\d{1,2})(?![\d%/.-]|[.,:]\d)")
_SPANS = (
    (0x0E00, 0x0EFF, "thai"),
    (0x1000, 0x109F, "thai"),
    (0x1780, 0x17FF, "thai"),
    (0x3040, 0x309F, "hiragana"),
    (0x30A0, 0x30FF, "katakana"),
    (0x3400, 0x4DBF, "han"),
    (0x4E00, 0x9FFF, "han"),
    (0xAC00, 0xD7AF, "hangul"),
    (0xF900, 0xFAFF, "han"),
)
_ENDS = frozenset(".!?…:;|–—\n")
_MEASURES = frozenset("%€$£¥₴₽")
_SIGNS = _MEASURES | {"-"}


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers and dates that a text names, as values."""

    numbers: frozenset[str] = frozenset()
    #: Values that name one of a series ("week 46"), and days that the text names ("monday", "11-12").
    ordinals: frozenset[str] = frozenset()
    days: frozenset[str] = frozenset()
    #: What follows a sign or a word of measure, such as percent; tables and market reports differ by these.
    measures: frozenset[str] = frozenset()
    #: Results such as "2:1", the smaller number first.
    scores: frozenset[str] = frozenset()


_NO_FIGURES = Figures()


@dataclass(frozen=True, slots=True)
class Words:
    """A text's terms in their order, how they were written, and its figures."""

    terms: tuple[str, ...]
    #: Terms with a capital where only names have one, with a capital that may mean nothing, and in small letters.
    capitals: frozenset[str]
    firsts: frozenset[str]
    smalls: frozenset[str]
    figures: Figures


def read(text: str, language: str) -> Words:
    """Return the terms of a text in a language, given by its primary tag or empty."""
    return Reader(language).read(text)


def plain(text: str) -> str:
    """Return the text with one form for each character and nothing that cannot be seen."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_ONE_FORM)
    if "United " in text:
        text = _UNITED.sub(lambda match: f"U{match[1][0]}", text)
    if "-" in text:
        text = _JOINED.sub(lambda match: match[0].replace("-", ""), text)
    return _ACRONYM.sub(lambda match: match[0].replace(".", ""), text)


class _Sort(Enum):
    """What a token is."""

    WORD = "word"
    #: A concept, or a piece of a script without blanks.
    TERMS = "terms"
    #: A number, a word that is one or multiplies one, or a day.
    FIGURE = "figure"
    END = "end"
    SIGN = "sign"


_WORD, _TERMS, _FIGURE, _END, _SIGN = _Sort
#: What a token is, its terms (or value, or day), whether it begins with a capital, and its part in `_are_titles`.
_Token = tuple[_Sort, tuple[str, ...], bool, int]
_SHORT, _SMALL, _CAPITAL = range(3)


class Reader:
    """Reads texts of one language, and remembers each token: the words of a week come again and again."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.is_german = language == "de"
        self.split = (_GERMAN_TOKEN if self.is_german else _TOKEN).findall
        self.known: dict[str, _Token] = {}

    def read(self, text: str) -> Words:
        """Return the terms of a text."""
        text = plain(text)
        tokens: list[str] = self.split(text)
        known = self.known
        sorts = [known.get(token) or self._learn(token) for token in tokens]
        trusts_capitals = not (self.is_german or _are_titles(sorts))
        terms: list[str] = []
        capitals, firsts, smalls = set[str](), set[str](), set[str]()
        figures: _FigureReader | None = None
        starts = True
        for place, (sort, found, is_capital, _) in enumerate(sorts):
            terms += found
            if sort is _WORD:
                if not is_capital:
                    smalls.add(found[0])
                else:
                    told = german_capital(tokens, place) if self.is_german else Capital.NOTHING
                    is_name = told is Capital.NAME or (trusts_capitals and not starts)
                    (smalls if told is Capital.NOUN else capitals if is_name else firsts).add(found[0])
                starts = False
            elif sort is _FIGURE:
                figures = figures or _FigureReader(tokens, self.language)
                terms += figures.take(place)
                starts = False
            else:
                starts = sort is _END or (starts and sort is _SIGN)
        told_figures = figures.figures(_SCORE.findall(text)) if figures else _NO_FIGURES
        return Words(tuple(terms), frozenset(capitals), frozenset(firsts), frozenset(smalls), told_figures)

    def spell(self, text: str) -> list[tuple[str, str]]:
        """Return each token of a text as it is written, without its article, with its term if it is a word."""
        tokens: list[str] = self.split(plain(text))
        sorts = [self.known.get(token) or self._learn(token) for token in tokens]
        return [
            (_ELISION.sub("", token) or token, found[0] if sort is _WORD else "")
            for token, (sort, found, _, _) in zip(tokens, sorts, strict=True)
        ]

    def _learn(self, token: str) -> _Token:
        length = _SHORT if len(token) <= 3 or not token[0].isalpha() else _CAPITAL if token[0].isupper() else _SMALL
        if token in _ENDS:
            learnt: _Token = (_END, (), False, length)
        elif token in _SIGNS:
            learnt = (_SIGN, (), False, length)
        elif token[0].isdigit():
            learnt = (_FIGURE, (), False, length)
        else:
            bare = _ELISION.sub("", token)  # d'Ysaline is a name
            learnt = (*_look_up(bare, self.language), bare[:1].isupper(), length)
        self.known[token] = learnt
        return learnt


def _are_titles(sorts: list[_Token]) -> bool:
    """Say whether most words begin with a capital, so that none tells a name; short words are small in title case."""
    lengths = [token[3] for token in sorts]
    capitals, smalls = lengths.count(_CAPITAL), lengths.count(_SMALL)
    return capitals + smalls > 2 and capitals >= 0.6 * (capitals + smalls)


class _FigureReader:
    """Collects the numbers and days of one text."""

    def __init__(self, tokens: list[str], language: str) -> None:
        self.tokens = tokens
        self.language = language
        self.numbers: set[str] = set()
        self.ordinals: set[str] = set()
        self.days: set[str] = set()
        self.measures: set[str] = set()

    def figures(self, scores: list[tuple[str, str]]) -> Figures:
        """Return all that was found, and the results of games among it."""
        return Figures(
            frozenset(self.numbers),
            frozenset(self.ordinals),
            frozenset(self.days),
            frozenset(self.measures),
            frozenset(":".join(sorted(score)) for score in scores),
        )

    def take(self, place: int) -> tuple[str, ...]:
        """Read the token at a place, and return the terms that it makes."""
        token = self.tokens[place]
        after_number = place > 0 and self.tokens[place - 1][0].isdigit()
        if not token[0].isdigit():
            return self._take_word(fold(_ELISION.sub("", token)), place, after_number=after_number)
        if _CLOCK.fullmatch(token) and token[-3] == ":" and place and self.tokens[place - 1] not in _MEASURES:
            self.numbers.add(token)
            return ()
        return self._value(_normal(token), place)

    def _take_word(self, folded: str, place: int, *, after_number: bool) -> tuple[str, ...]:
        value = number_words(self.language).get(folded)
        if value is not None:
            return self._value(value, place)
        day = date_words(self.language).get(folded)
        if day is not None:
            self.days.add(day)
            return ()
        return () if after_number else (stem(folded, family(self.language)),)

    def _value(self, value: str, place: int) -> tuple[str, ...]:
        tokens = self.tokens
        before = fold(tokens[place - 1]) if place else ""
        after = fold(tokens[place + 1]) if place + 1 < len(tokens) else ""
        months = date_words(self.language)
        month = _month(months.get(after)) or _month(months.get(before))
        if month and value.isdigit() and int(value) <= 31:
            self.days.add(f"{int(value)}-{month}")
            return ()
        if before in series_words() or (after in series_words() and tokens[place][-1] in "0123456789."):
            self.ordinals.add(value)
        factor = multipliers().get(after)
        if factor:
            value = _times(value, factor)
        self.numbers.add(value)
        if after in _MEASURES or before in _MEASURES or "." in value:
            self.measures.add(value)
        is_year = len(value) == 4 and value.isdigit() and 1900 <= int(value) <= 2100
        return () if is_year else (sys.intern(f"#{value}"),)


def _look_up(token: str, language: str) -> tuple[_Sort, tuple[str, ...]]:
    """Return what sort of thing a word is, and its terms."""
    if token and _script(token[0]):
        return _TERMS, _pieces_of(token)
    if family(language) == "english":
        token = _POSSESSIVE.sub("", token)
    folded = fold(token) if token else ""
    folded = aliases(language).get(folded, folded)
    if folded in number_words(language) or folded in date_words(language):
        return _FIGURE, ()
    root = sys.intern(stem(folded, family(language))) if folded else ""
    if not root:
        return _SIGN, ()
    found = concepts(language).get(root)
    if found is None and folded in multipliers():
        return _FIGURE, ()
    return (_TERMS, found) if found else (_WORD, (root,))


def _month(day: str | None) -> str:
    return day[1:] if day is not None and day[0] == "m" else ""


def _normal(number: str) -> str:
    """Return a number with a point for decimals and nothing for thousands: "1.234,5" and "1,234.5" are one."""
    number = number.replace("\u00a0", " ").replace("\u202f", " ")
    if _THOUSANDS.fullmatch(number):
        return re.sub(r"\D", "", number)
    found = _DECIMALS.fullmatch(number)
    if found is None:
        return number.replace(" ", "")
    return re.sub(r"[., ]", "", found[1]) + "." + found[2]


def _times(value: str, factor: int) -> str:
    try:
        return f"{float(value) * factor:.6g}"
    except ValueError:
        return value


@lru_cache(maxsize=65_536)
def _script(character: str) -> str:
    """Return the script of a character if it is one that is read by pieces, or nothing."""
    code = ord(character)
    if code < 0x0E00:
        return ""
    for first, last, name in _SPANS:
        if first <= code <= last:
            return name
    return "han" if code >= 0x20000 else ""


def _pieces_of(run: str) -> tuple[str, ...]:
    """Return the terms of a run of letters without blanks: katakana words whole, other scripts in pairs or threes."""
    terms: list[str] = []
    for part in _parts(run):
        script = _script(part[0])
        width = 3 if script == "thai" else 2
        if script in ("katakana", ""):
            terms.append(fold(part))
        elif script != "hiragana":
            terms.extend(part[i : i + width] for i in range(max(1, len(part) - width + 1)))
    found = concepts("ja")
    return tuple(term for piece in terms for term in found.get(piece, (sys.intern(piece),)))


def _parts(run: str) -> list[str]:
    parts: list[str] = []
    for character in run:
        script = _script(character)
        if parts and (script == _script(parts[-1][0]) or character == "ー"):
            parts[-1] += character
        else:
            parts.append(character)
    return parts
