"""Which capitals tell a name: in German every noun has one, in headlines every word may, so the words around count."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from newsletter.coverage.tables import german_words

#: Endings of German nouns that are made from other words; hardly any name has them.
_OF_NOUNS = ("ung", "ungen", "heit", "heiten", "keit", "keiten", "schaft", "schaften", "tion", "tionen", "tät", "nis")
#: A first word of a sentence that ends so may be an adjective with a capital.
_OF_ADJECTIVES = ("e", "er", "es", "en", "em")


class Capital(Enum):
    """What the capital of a word tells."""

    NAME = "name"
    NOTHING = "nothing"
    #: It stands where only nouns do that are no names, whatever its capital.
    NOUN = "noun"


def german_capital(tokens: Sequence[str], place: int) -> Capital:
    """Return what the capital of a German word tells, from the words beside it."""
    token, before = tokens[place], tokens[place - 1].casefold() if place else ""
    after = tokens[place + 1] if place + 1 < len(tokens) else ""
    is_adjective = len(token) > 5 and token.endswith("er") and after[:1].isupper()
    if before in german_words("articles") or before[:1].isdigit():
        return Capital.NAME if is_adjective and not before[:1].isdigit() else Capital.NOUN
    if token.endswith(_OF_NOUNS):
        return Capital.NOUN
    if before in german_words("before_places"):
        return Capital.NAME
    return Capital.NAME if _is_second(tokens, place) else Capital.NOTHING


def _is_second(tokens: Sequence[str], place: int) -> bool:
    """Say whether a word follows another with a capital as a surname follows a first name, or a name a title."""
    before = tokens[place - 1] if place else ""
    if not before[:1].isupper() or before.casefold() in german_words("measures"):
        return False
    begins = place == 1 or not tokens[place - 2][0].isalnum()
    return not before.endswith(_OF_ADJECTIVES if begins else "er")
