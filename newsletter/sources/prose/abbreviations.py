"""Words that end in a full stop without ending a sentence, by language, from abbreviations.toml."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

#: Languages that write an ordinal as a number with a full stop: "am 3. Oktober".
ORDINALS = frozenset(
    {"de", "cs", "sk", "pl", "fi", "hu", "da", "nb", "nn", "no", "hr", "bs", "sr", "sl", "lv", "et", "tr", "is", "lb"}
)


@lru_cache(maxsize=256)
def words_of(table: str, language: str) -> frozenset[str]:
    """Return the words of a language in one of the tables: before_names, either_way or starters.

    Without a language the words of all of them come back; for one that the tables do not know, none.
    """
    lists = _tables()[table]
    chosen = [lists.get(language, "")] if language else lists.values()
    return frozenset(" ".join(chosen).split())


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, str]]:
    text = Path(__file__).with_name("abbreviations.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
