"""Which of the pictures that a source offers for a story is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A picture of a story. `url` is absolute, or empty for no picture; 0 stands for a size that is not known."""

    url: str
    alt: str = ""
    credit: str = ""
    width: int = 0
    height: int = 0


#: Stands for the lack of one.
NO_PICTURE = Picture("")


def best(pictures: Iterable[Picture]) -> Picture:
    """Return the picture to show: the widest, and of those of one width the first; NO_PICTURE when there is none."""
    return max((picture for picture in pictures if picture.url), key=lambda one: one.width, default=NO_PICTURE)
