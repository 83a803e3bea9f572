"""Whether a text stands in another one, however its lines are broken and its words are marked."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NOT_LETTERS = re.compile(r"[\W_]+")


def letters_of(text: str) -> str:
    """Return the letters and digits of a text alone, so that line breaks and marks make no difference."""
    return _NOT_LETTERS.sub("", text)


def words_of(text: str) -> str:
    """Return the same without capitals."""
    return letters_of(text).casefold()


def first_astray(pieces: Iterable[str], text: str) -> int | None:
    """Return the place of the first piece that does not come after those before it, or None where all do."""
    at = 0
    for place, piece in enumerate(pieces):
        at = text.find(piece, at)
        if at < 0:
            return place
        at += len(piece)
    return None


def in_order(pieces: Iterable[str], text: str) -> bool:
    """Return whether the pieces can be found one after the other, as far as they are there at all."""
    return first_astray((one for one in pieces if one in text), text) is None
