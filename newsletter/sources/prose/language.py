"""The language that a story is written in. Pure; the model of py3langid is loaded when the first text needs it.

What a feed declares is often wrong (WordPress says en-US in half of the world), and headlines are short. So the script
speaks first: Hebrew or Thai letters leave no choice, and letters that only one language has (ї, ы, ў, پ) settle most
of the rest. Where several languages share the letters, the probabilities of py3langid decide among those that are
plausible; what is declared, and what the source mostly writes, count in favour, and are given up only on strong
evidence.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from newsletter.sources.prose.alphabets import (
    ALIASES,
    ARABIC_LETTERS,
    CYRILLIC_ALPHABETS,
    FAMILIES,
    LATIN,
    MODEL_NAMES,
    SCRIPTS,
)

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier  # type: ignore[import-untyped]

#: Letters below which only a telling script says more than the declaration.
_FEWEST_LETTERS = 20
_READ_LIMIT = 2_000
#: How many times likelier a declared language is before the text is read, and the one that the source mostly writes.
_DECLARED_ODDS, _USUAL_ODDS = 8.0, 6.0
#: English is what software declares when nobody has said anything.
_DEFAULT_ODDS = 2.0
#: What another language than the declared one must reach; and any, where nothing is declared.
_STRONG, _LIKELY = 0.55, 0.3
#: How likely a declared language has to be beside a close relative that is likelier.
_RELATIVE = 0.1
_SCRIPT_SHARE = 0.5

_NOT_PROSE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+")


def language_of(text: str, *, declared: str = "", usual: str = "") -> str:
    """Return the language of `text` as a BCP 47 tag, or nothing where it cannot be told.

    The declared tag comes back as it is (pt-BR, zh-Hant) where the text agrees with it, otherwise a primary tag.
    `usual` is what the source's other stories are written in.
    """
    known = [_canonical(declared), _canonical(usual)]
    found = _found(_NOT_PROSE.sub(" ", text[:_READ_LIMIT]), _primary(known[0]), _primary(known[1]))
    return next((tag for tag in known if tag and _primary(tag) == found), found)


def _canonical(tag: str) -> str:
    """Return a tag in its usual form: en-US, zh-Hant, and uk where somebody wrote ua."""
    parts = tag.strip().replace("_", "-").split("-")
    first = parts[0].lower()
    first = ALIASES.get(first, first)
    if not re.fullmatch(r"[a-z]{2,3}", first) or first in {"und", "mul", "zxx"}:
        return ""
    return "-".join([first, *(part.upper() if len(part) == 2 else part for part in parts[1:])])


def _primary(tag: str) -> str:
    return tag.partition("-")[0]


def _found(text: str, declared: str, usual: str) -> str:
    letters = Counter(filter(str.isalpha, text.casefold()))
    script = _script(letters)
    if script in SCRIPTS:
        return _of_script(script, letters, text, declared, usual)
    if letters.total() < _FEWEST_LETTERS or script != "latin":
        return declared or usual
    return _decided(text, LATIN, declared, usual)


def _script(letters: Counter[str]) -> str:
    """Return the script that most of the letters belong to, or nothing."""
    counts: Counter[str] = Counter()
    for letter, count in letters.items():
        counts[_script_of(letter)] += count
    if not counts:
        return ""
    if counts["kana"] and counts["kana"] + counts["han"] > _SCRIPT_SHARE * letters.total():
        return "kana"
    script, count = counts.most_common(1)[0]
    # A headline of three words with the Latin name of a firm among them is still in the other script.
    other = [(name, number) for name, number in counts.items() if name not in {"latin", ""}]
    if script == "latin" and other and max(number for _, number in other) >= 0.4 * letters.total():
        script, count = max(other, key=lambda one: one[1])
        return script
    return script if count > _SCRIPT_SHARE * letters.total() else ""


@lru_cache(maxsize=8_192)
def _script_of(letter: str) -> str:
    code = ord(letter)
    if code < 0x250 or 0x1E00 <= code < 0x1F00 or 0x2C60 <= code < 0x2C80:
        return "latin"
    return next((name for name, (_, ranges) in SCRIPTS.items() if any(low <= code <= high for low, high in ranges)), "")


def _of_script(script: str, letters: Counter[str], text: str, declared: str, usual: str) -> str:
    """Return the language of a text in another script than Latin."""
    languages, _ = SCRIPTS[script]
    if script == "cyrillic":
        languages = _fitting(letters)
    elif script == "arabic":
        languages = next((names for names, telling in ARABIC_LETTERS if telling & letters.keys()), languages)
    if len(languages) == 1:
        return languages[0]
    if letters.total() < _FEWEST_LETTERS or script in {"han", "hebrew", "ethiopic", "bengali", "tibetan"}:
        return next((tag for tag in (declared, usual) if tag in languages), languages[0])
    return _decided(text, languages, declared, usual)


def _fitting(letters: Counter[str]) -> tuple[str, ...]:
    """Return the languages of whose Cyrillic alphabets the most letters of the text are."""
    cyrillic = {letter: count for letter, count in letters.items() if _script_of(letter) == "cyrillic"}
    fits = {
        language: sum(count for letter, count in cyrillic.items() if letter in alphabet)
        for language, alphabet in CYRILLIC_ALPHABETS.items()
    }
    most = max(fits.values())
    return tuple(language for language, count in fits.items() if count == most)


# The model


def _decided(text: str, languages: tuple[str, ...], declared: str, usual: str) -> str:
    """Return the likeliest of `languages`, with what is known beforehand counted in."""
    likely = _likelihoods(text, languages)
    weighed = {name: share * _odds(name, declared, usual) for name, share in likely.items()}
    best = max(weighed, key=lambda name: weighed[name], default="")
    before = next((tag for tag in (declared, usual) if tag in languages), "")
    if before and _relatives(before) == _relatives(best):
        return before if likely.get(before, 0.0) >= _RELATIVE * likely[best] else best
    # Relatives share what speaks for the family.
    family = math.fsum(share for name, share in weighed.items() if _relatives(name) == _relatives(best))
    total = math.fsum(weighed.values())
    return best if total and family >= (_STRONG if before else _LIKELY) * total else before


def _odds(language: str, declared: str, usual: str) -> float:
    odds = 1.0
    if language == declared:
        odds *= _DEFAULT_ODDS if declared == "en" else _DECLARED_ODDS
    return odds * _USUAL_ODDS if language == usual else odds


def _relatives(language: str) -> str:
    """Return the name of the family whose languages a short text hardly tells apart."""
    return next((family[0] for family in FAMILIES if language in family), language)


def _likelihoods(text: str, languages: tuple[str, ...]) -> dict[str, float]:
    """Return how likely each of the languages is, by the text alone; together 1."""
    text = text.lower() if sum(map(str.isupper, text)) > 0.6 * sum(map(str.isalpha, text)) else text
    with _LOADING:  # threads that come at the same time would each load it
        model = _model()
    shares = dict(model.rank(text))
    known = {name: float(shares.get(MODEL_NAMES.get(name, name), 0.0)) for name in languages}
    total = math.fsum(known.values())
    return {name: share / total for name, share in known.items()} if total else {}


_LOADING = Lock()


@lru_cache(maxsize=1)
def _model() -> LanguageIdentifier:
    """Return the model; loading it takes about a second and 120 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415  For the same reason: late.

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
