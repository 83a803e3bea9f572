"""A reader's values as a message takes them: most stand in the text, the html and a header in the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from newsletter.mail import Part

#: What neither quoted-printable nor html nor a header changes: at most 75 printable characters of ASCII but = & < > "
#: and ', no dot first, no space first or last.
_PLAIN = r"(?:[!#-%(-\-/-;?-~](?:[ !#-%(-;?-~]{0,73}[!#-%(-;?-~])?)?"
_VALUE = re.compile(_PLAIN)
_VALUES = re.compile(rf"{_PLAIN}(?:\n{_PLAIN})*")


@dataclass(frozen=True)
class Values:
    """What fills the holes of one mail for one reader."""

    #: Hole -> the octets that stand for it in every part and every transfer encoding.
    plain: dict[str, bytes]
    #: Hole -> the value, for those that each part writes in its own way; mostly there are none.
    special: Mapping[str, str]


class Holes:
    """The holes of one mail, in all of its parts."""

    def __init__(self, parts: Iterable[Part], nonce: str) -> None:
        self._names = sorted({name for part in parts for name in part.holes})
        self._nonce = nonce

    def of(self, values: Mapping[str, str]) -> Values:
        """Return the values of a reader that the mail asks for. Raises KeyError when one is missing."""
        own = [values[name] for name in self._names]
        # All of them are looked at in one go: a message has many holes, and seldom one that needs more.
        whole = "\n".join(own)
        if _VALUES.fullmatch(whole) and self._nonce not in whole:
            octets = whole.encode("ascii").split(b"\n")
            if len(octets) == len(own):
                return Values(dict(zip(self._names, octets, strict=True)), {})
        plain: dict[str, bytes] = {}
        special: dict[str, str] = {}
        for name, value in zip(self._names, own, strict=True):
            if _VALUE.fullmatch(value) and self._nonce not in value:
                plain[name] = value.encode("ascii")
            else:
                special[name] = value
        return Values(plain, special)
