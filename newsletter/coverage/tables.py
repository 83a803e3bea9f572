"""What is known of words before any story is read: how common they are, which mean one thing, which name days."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from newsletter.coverage.stems import family, fold, stem

#: Files of justext's word lists, which stand in the order of how common the words are, by primary language tag.
_LISTS = {
    "af": "Afrikaans", "ar": "Arabic", "be": "Belarusian", "bg": "Bulgarian", "bs": "Bosnian", "ca": "Catalan",
    "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish",
    "gl": "Galician", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ka": "Georgian", "kk": "Kazakh", "ko": "Korean",
    "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "nb": "Norwegian_Bokmal", "nl": "Dutch",
    "nn": "Norwegian_Nynorsk", "no": "Norwegian_Bokmal", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
}  # fmt: skip
#: The most common words of a list are dropped: they say nothing of what a story is about.
STOP_WORDS = 120
#: How often the words that name a concept stand in stories, at a guess.
CONCEPT_SHARE = 0.012
#: The same for words that news uses all the time.
COMMON_SHARE = 0.03


@lru_cache(maxsize=1)
def _routines() -> dict[str, Any]:
    return _load("routines.toml")


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("newsletter.coverage").joinpath(name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def known_languages() -> frozenset[str]:
    """Return the languages whose common words are known."""
    return frozenset(_LISTS)


@lru_cache(maxsize=64)
def common_words(language: str) -> tuple[str, ...]:
    """Return the common words of a language, folded, the most common first; nothing for a language without a list.

    A list that is not where it was in the versions we know is like a language without one: words are weighed by the
    batch alone then.
    """
    return tuple(_words_of_list(language))


@lru_cache(maxsize=64)
def most_common_words(language: str, count: int) -> tuple[str, ...]:
    """Return the first of `common_words`, without reading them all."""
    return tuple(islice(_words_of_list(language), count))


def _words_of_list(language: str) -> Iterator[str]:
    found = find_spec("justext")  # which does not load the package
    folder = found.submodule_search_locations if found else None
    path = Path(*folder[:1], "stoplists", f"{_LISTS[language]}.txt") if folder and language in _LISTS else None
    if path is None or not path.is_file():
        return
    seen: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        word = fold(line.strip(".,;:()\"'«»„“”"))
        if word and word not in seen:
            seen.add(word)
            yield word


@lru_cache(maxsize=64)
def shares(language: str) -> MappingProxyType[str, float]:
    """Return, for the stems of common words, about which share of stories has them. Stop words have a share of 1."""
    rules = family(language)
    found: dict[str, float] = {}
    for rank, word in enumerate(common_words(language)):
        share = 1.0 if rank < STOP_WORDS else 4.0 / (rank + 4)
        root = stem(word, rules)
        found[root] = max(share, found.get(root, 0.0))
    for word in _load_common().get(language, "").split():
        root = stem(fold(word), rules)
        found[root] = max(COMMON_SHARE, found.get(root, 0.0))
    return MappingProxyType(found)


@lru_cache(maxsize=64)
def concepts(language: str) -> MappingProxyType[str, tuple[str, ...]]:
    """Return, for the stems of headline words, the concepts that they name, each written as "=name"."""
    rules = family(language)
    found: dict[str, tuple[str, ...]] = {}
    for concept, words in _load_concepts().items():
        for word in str(words.get(language, "")).split():
            root = fold(word) if language == "ja" else stem(fold(word), rules)
            if f"={concept}" not in found.get(root, ()):
                found[root] = (*found.get(root, ()), f"={concept}")
    return MappingProxyType(found)


@lru_cache(maxsize=1)
def _load_concepts() -> dict[str, dict[str, str]]:
    return _load("concepts.toml")


@lru_cache(maxsize=1)
def _load_common() -> dict[str, str]:
    return _load("common.toml")


@lru_cache(maxsize=64)
def number_words(language: str) -> MappingProxyType[str, str]:
    """Return the value of each word that is a number from 2 on; "one" is too often an article."""
    words = str(_routines()["numbers"].get(language, "")).split()
    return MappingProxyType(
        {fold(form): str(value) for value, forms in enumerate(words, 1) if value > 1 for form in forms.split("|")}
    )


@lru_cache(maxsize=1)
def multipliers() -> MappingProxyType[str, int]:
    """Return what a word such as "million" multiplies the number before it by."""
    powers = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
    table = _routines()["multipliers"]
    return MappingProxyType({fold(word): power for name, power in powers.items() for word in table[name].split()})


@lru_cache(maxsize=1)
def series_words() -> frozenset[str]:
    """Return the words whose number tells one of a series."""
    return frozenset(fold(word) for word in _routines()["series"]["words"])


@lru_cache(maxsize=8)
def german_words(kind: str) -> frozenset[str]:
    """Return the German words of a kind in small letters: those before places, articles, or measures."""
    return frozenset(_routines()["german"][kind].split())


@lru_cache(maxsize=1)
def shared_concepts() -> frozenset[str]:
    """Return the concepts that events of many kinds have in common."""
    return frozenset(f"={name}" for name in _routines()["shared"]["concepts"].split())


@lru_cache(maxsize=64)
def aliases(language: str) -> MappingProxyType[str, str]:
    """Return the one name of each place that a language calls by several which no rule would join, all folded."""
    words = str(_routines()["aliases"].get(language, "")).split()
    return MappingProxyType({fold(other): fold(name) for other, name in (word.split("=") for word in words)})


@lru_cache(maxsize=64)
def before_places(language: str) -> frozenset[str]:
    """Return the words of a language that stand before places, in small letters."""
    return frozenset(str(_routines()["before_places"].get(language, "")).split())


@lru_cache(maxsize=64)
def countries(language: str) -> frozenset[str]:
    """Return the stems of the words in the names of countries in a language, but for short ones and saints."""
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 (as in date_words)

    try:
        names = Locale.parse(language or "en").territories.values()
    except (UnknownLocaleError, ValueError):
        return frozenset()
    rules = family(language)
    words = (fold(word) for name in names if "." not in name for word in name.split() if word[0].isupper())
    return frozenset(stem(aliases(language).get(word, word), rules) for word in words if len(word) > 3)


@lru_cache(maxsize=64)
def date_words(language: str) -> MappingProxyType[str, str]:
    """Return the names of weekdays ("d0" is Monday) and months ("m1" is January) of a language, folded."""
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 (babel is slow to load, and most commands read no text)

    try:
        locale = Locale.parse(language or "en")
    except (UnknownLocaleError, ValueError):
        return MappingProxyType({})
    found: dict[str, str] = {}
    for sort, table in (("m", locale.months), ("d", locale.days)):
        for form in ("format", "stand-alone"):
            for number, name in table[form]["wide"].items():
                found.setdefault(fold(name), f"{sort}{number}")
    return MappingProxyType(_with_cases(found))


def _with_cases(found: dict[str, str]) -> dict[str, str]:
    """Add the accusatives and locatives that Slavic weekdays take: суботу, w środę."""
    cases = {
        name[:-1] + ending: day
        for name, day in found.items()
        if day[0] == "d" and name[-1:] in {"а", "я", "a"}
        for ending in ("у", "ю", "е", "e", "y")
    }
    return {**cases, **found}


@lru_cache(maxsize=1)
def routine_phrases() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the kinds of routine headlines with their phrases, in small letters."""
    return tuple(
        (kind, tuple(phrase.casefold() for phrase in table["phrases"]))
        for kind, table in _routines().items()
        if "phrases" in table
    )
