"""A mail's substitutions and own headers as one JSON text with places for a reader's values. Pure.

This is where the time goes: a reader costs a few microseconds, of which a mail of a thousand readers has a thousand.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from json.encoder import encode_basestring_ascii as quoted
from operator import itemgetter
from typing import Any

from newsletter.mail import HOLES, VALUES, Mail, hole_tag, hole_tags
from newsletter.providers.message import header_value

#: Stands where a value holds the nonce, as `Mail` has it: no value can name a hole.
_BLOT = "…"
#: Values that a header, JSON and html take as they are. With neither "=" nor "?" none is half of an encoded-word.
_PLAIN = re.compile("[A-Za-z0-9_.:/@+~-]+")
#: Lines that JSON and html take as they are.
_PLAIN_LINES = re.compile("[A-Za-z0-9_ .,:;/@+~!?()=%#*\n-]*")


class Variant:
    """What all readers get who see the same blocks. Threads share it."""

    def __init__(self, mail: Mail, shown: Mapping[str, bool]) -> None:
        """Take the mail apart for readers who have the conditions in `shown`, or not."""
        # The mail is filled with marks in place of values: where they turn up is where values stand.
        mark = f"q{secrets.token_hex(8)}"
        marks = {name: f"{mark}{name}q" for name in VALUES}
        marks |= {name: "" for name, is_shown in shown.items() if not is_shown}
        substitutions = mail.substitutions(marks)
        headers = [
            one for one, (_, value) in zip(mail.headers_for(marks), mail.headers, strict=True) if has_hole(mail, value)
        ]
        everything = "".join([*substitutions.values(), *(value for _, value in headers)])
        self._nonce = mail.nonce
        self._mark = re.compile(f"{mark}({'|'.join(HOLES)})q")
        self._names = sorted({found[1] for found in self._mark.finditer(everything)})
        self._values = _picker(self._names)
        # A place is an index into the values, then once more into them in html, then into the headers.
        self._headers = [_Template(self._turns(value)) for _, value in headers]
        in_headers = sorted({place for header in self._headers for place in header.places})
        self._header_values = _picker(in_headers)
        self._headers_are_plain = all(map(_is_plain, (self._turns(value) for _, value in headers)))
        html = hole_tag(mail.nonce, "", html=True)[:-1]
        start = _listed(
            "substitutions",
            [
                (tag, self._turns(quoted(value)[1:-1], html=tag.startswith(html)))
                for tag, value in substitutions.items()
            ],
        )
        whole = [(name, self._turns(quoted(value)[1:-1])) for name, value in headers]
        apart = [(name, self._header_turns(at)) for at, (name, _) in enumerate(headers)]
        self._with_plain_headers = _Template([*start, *_listed("headers", whole)])
        self._with_any_headers = _Template([*start, *_listed("headers", apart)])

    def filled(self, values: Mapping[str, str]) -> str:
        """Return `,"substitutions":{...},"headers":{...}` for one reader, without what is empty. Raises KeyError."""
        own = self._values(values)
        together = "\n".join(own)
        if self._nonce in together or not together.isascii():
            together = self._cleaned(together)
            own = tuple(together.split("\n"))
            if len(own) != len(self._names):  # a value has a line end
                own = tuple([self._cleaned(value) for value in self._values(values)])
        plain, in_html = _in_json(own, together)
        in_headers = self._header_values(own)
        if self._headers_are_plain and all(in_headers) and _PLAIN.fullmatch("".join(in_headers)):
            return self._with_plain_headers.filled((*plain, *in_html))
        headers = [quoted(_header(header.filled(own)))[1:-1] for header in self._headers]
        return self._with_any_headers.filled([*plain, *in_html, *headers])

    def _cleaned(self, value: str) -> str:
        """Return a value that JSON can carry, and that names no hole."""
        return without_halves(value).replace(self._nonce, _BLOT)

    def _header_turns(self, at: int) -> list[str | int]:
        return [2 * len(self._names) + at]

    def _turns(self, value: str, *, html: bool = False) -> list[str | int]:
        """Return fixed texts and, in turn, the places of the values whose marks stand between them."""
        turns: list[str | int] = list(self._mark.split(value))
        turns[1::2] = [self._names.index(str(name)) + html * len(self._names) for name in turns[1::2]]
        return turns


class _Template:
    """Fixed texts with places between them."""

    def __init__(self, turns: Iterable[str | int]) -> None:
        """Take texts and places in any order."""
        self.places: list[int] = []
        #: Fixed texts, with room for a value between each two.
        self._texts = [""]
        for turn in turns:
            if isinstance(turn, int):
                self.places.append(turn)
                self._texts += ["", ""]
            else:
                self._texts[-1] += turn
        self._pick = _picker(self.places)

    def filled(self, values: Sequence[str]) -> str:
        """Return the text with the values in their places. Joining takes half as long as formatting with "%s"."""
        texts = self._texts.copy()
        texts[1::2] = self._pick(values)
        return "".join(texts)


def _in_json(values: Sequence[str], together: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return values, and values in html, as JSON has them between its quotes; `together` are the values, as lines."""
    if _PLAIN_LINES.fullmatch(together) and together.count("\n") == len(values) - 1:  # as most are
        return values, values
    plain = in_html = quoted(together)[1:-1].split("\\n")
    if (escaped := escape(together)) != together:
        in_html = quoted(escaped)[1:-1].split("\\n")
    if len(plain) != len(values):  # a value has a line end, or a backslash and an n
        plain, in_html = [quoted(one)[1:-1] for one in values], [quoted(escape(one))[1:-1] for one in values]
    return plain, in_html


def without_halves(text: str) -> str:
    """Return `text` without halves of characters (surrogates), which no JSON can carry to SendGrid."""
    return text if text.isascii() else text.encode("utf-8", errors="replace").decode()


def has_hole(mail: Mail, value: str) -> bool:
    """Tell whether a header's value differs from reader to reader."""
    return any(tag in value for tag in hole_tags(mail.nonce, html=False).values())


def _listed(name: str, entries: Sequence[tuple[str, list[str | int]]]) -> list[str | int]:
    """Return the turns of a JSON object of texts called `name`; none when it is empty."""
    turns: list[str | int] = []
    for key, value in entries:
        turns += [f'{"," if turns else f",{quoted(name)}:{{"}{quoted(key)}:"', *value, '"']
    return [*turns, "}"] if turns else []


def _picker(keys: Sequence[Any]) -> Callable[[Any], tuple[str, ...]]:
    """Return what takes the values of `keys` out of a mapping or a sequence."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda values: tuple([values[key] for key in keys])


def _is_plain(turns: Sequence[str | int]) -> bool:
    """Tell whether a header is what it should be by itself, with a text at both its ends."""
    whole = "".join(str(turn) for turn in turns)
    return bool(turns[0] and turns[-1]) and header_value(whole) == whole


def _header(value: str) -> str:
    """Return what `header_value` does, which for nearly every value is nothing."""
    return value.strip() if value.isascii() and value.isprintable() and "=?" not in value else header_value(value)
