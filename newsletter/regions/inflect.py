"""The forms of a name in the cases of a language, by rules on how the name ends (data/endings.txt)."""

from __future__ import annotations

from functools import lru_cache

from newsletter.regions.data import read_sections
from newsletter.regions.text import script

_CYRILLIC = frozenset({"uk", "ru", "be", "bg", "mk", "sr"})
_SCRIPT_LANGUAGES = {
    "CYRILLIC": _CYRILLIC,
    "GREEK": frozenset({"el"}),
    "HANGUL": frozenset({"ko"}),
    "ARMENIAN": frozenset({"hy"}),
    "GEORGIAN": frozenset({"ka"}),
}
_OTHERS = frozenset().union(*_SCRIPT_LANGUAGES.values())
#: A shorter name is the same in every case, or it would be found inside other words.
_SHORTEST = 4
_LONGEST_RULE = 4
_PLACES_STAY = frozenset({"en", "fr", "es", "pt", "it"})


@lru_cache(maxsize=1)
def rules() -> dict[str, dict[str, frozenset[str]]]:
    """Return for each language: what a name ends with -> the endings that may stand in its place."""
    table: dict[str, dict[str, frozenset[str]]] = {}
    for language, lines in read_sections("endings.txt").items():
        for line in lines:
            end, _, endings = line.partition(":")
            bare = end.strip().strip("-")
            table.setdefault(language, {})[bare] = frozenset(form.strip("-") for form in endings.split()) | {bare}
    return table


def stems(name: str, language: str = "", *, is_place: bool = True) -> dict[str, dict[str, frozenset[str]]]:
    """Return what to look for of a folded name: each stem with what may follow it, language by language.

    With `language` only that one's rules are used, else those of every language in the script of the name. The name
    as it is, which any language may use, is not among the results. Some languages change adjectives, but no places.
    """
    if len(name) < _SHORTEST:
        return {}
    found: dict[str, dict[str, frozenset[str]]] = {}
    for each in (language,) if language else _languages_of(script(name[-1])):
        if each not in rules() or (is_place and each in _PLACES_STAY):
            continue
        end, endings = _rule(each, name[-_LONGEST_RULE:])
        stem = name[: len(name) - len(end)]
        if len(stem) >= 2 and endings:
            found.setdefault(stem, {})[each] = endings
    return found


def adjectives(word: str, language: str) -> list[str]:
    """Return the cases of the adjective that begins a name of two words; the word alone where no rule fits it."""
    end, endings = _rule(f"{language} adjective", word[-_LONGEST_RULE:])
    return sorted({word[: len(word) - len(end)] + ending for ending in endings} | {word})


def forget() -> None:
    """Let go of what was kept for speed while many names were added."""
    _rule.cache_clear()


@lru_cache(maxsize=16)
def _languages_of(name_script: str) -> frozenset[str]:
    if name_script in _SCRIPT_LANGUAGES:
        return _SCRIPT_LANGUAGES[name_script]
    return (
        frozenset(language for language in rules() if " " not in language) - _OTHERS
        if name_script == "LATIN"
        else frozenset()
    )


@lru_cache(maxsize=65_536)
def _rule(language: str, last: str) -> tuple[str, frozenset[str]]:
    """Return the longest end of the name that has a rule, and its endings; no endings when the name never changes."""
    table = rules().get(language, {})
    for start in range(len(last)):
        if last[start:] in table:
            return last[start:], table[last[start:]]
    return "", table.get("", frozenset())
