"""A message's body: text and html as alternatives or text alone, in pieces encoded once and holes encoded alone.

In quoted-printable a hole stands between soft line breaks on a line of its own; in base64 it takes what it needs of the
text around it to fill its last group of three octets. Either way the pieces around a hole do not depend on it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from newsletter.mail import Mail, Part
from newsletter.providers.message.values import Values

#: "=_" appears neither in quoted-printable nor in base64 (RFC 2045 section 6.7), so no part can hold the boundary.
BOUNDARY = "=_alternative"
#: RFC 2045 section 6.7: 76 characters a line; a soft line break must still have room on the last one.
_LINE = 75
_SOFT_BREAK = b"=\r\n"
#: A line or a part of one that quoted-printable leaves alone: no dot first, no space last, at most 75 octets.
_AS_IT_STANDS = re.compile(r"(?:[!-\-/-<>-~](?:[ !-<>-~]{0,73}[!-<>-~])?)?")
_LINE_END = re.compile(r"\r\n|\r|\n")


class _Variant(Protocol):
    """A part with all its blocks decided, encoded but for the holes."""

    def encode(self, value: str) -> bytes:
        """Return a value as `fill` takes it. One that needs no encoding is taken as it stands."""
        ...

    def fill(self, own: Mapping[str, bytes]) -> list[bytes]:
        """Return the part with a reader's values, in pieces that are broken where no blank stands."""
        ...


class Body:
    """The body of one mail."""

    def __init__(self, mail: Mail) -> None:
        start, end = f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY}--\r\n".encode()
        self._text = _Encoded(mail.text_part, "plain", start if mail.html else b"", b"\r\n")
        self._html = _Encoded(mail.html_part, "html", start, b"\r\n" + end) if mail.html else None

    def fields(self, values: Mapping[str, str]) -> bytes:
        """Return the fields that say what the body is where it is text alone: no fields of the header's own do.

        Raises KeyError when a value is missing.
        """
        return b"" if self._html else self._text.fields(values)

    def pieces(self, values: Mapping[str, str], own: Values) -> list[bytes]:
        """Return the body for one reader, in pieces. Raises KeyError when a value is missing."""
        text = self._text.fill(values, own)
        return text + self._html.fill(values, own) if self._html else text


class _Encoded:
    """A part with what stands before and after it; each variant is encoded when the first reader needs it.

    With nothing `before` it the part is the whole body: its fields are the message's, and it ends with one line end,
    since empty lines at the end of a body are none to a signature (RFC 6376 section 3.4.4).
    """

    def __init__(self, part: Part, subtype: str, before: bytes, after: bytes) -> None:
        self._part = part
        self._type = f'Content-Type: text/{subtype}; charset="utf-8"\r\n'.encode()
        self._before, self._after = before, after
        #: The fields of a variant, and the variant.
        self._variants: dict[tuple[bool, ...], tuple[bytes, _Variant]] = {}

    def fields(self, values: Mapping[str, str]) -> bytes:
        return self._of(values)[0]

    def fill(self, values: Mapping[str, str], own: Values) -> list[bytes]:
        _, variant = self._of(values)
        if not own.special:
            return variant.fill(own.plain)
        special = {name: variant.encode(self._part.written(value)) for name, value in own.special.items()}
        return variant.fill(own.plain | special)

    def _of(self, values: Mapping[str, str]) -> tuple[bytes, _Variant]:
        answers = self._part.answers(values)
        if (known := self._variants.get(answers)) is None:
            known = self._variants[answers] = self._variant(self._part.pieces(answers))
        return known

    def _variant(self, pieces: Sequence[str]) -> tuple[bytes, _Variant]:
        """Return the pieces in the shorter transfer encoding, and the fields that say which."""
        fixed, holes = [_octets(piece) for piece in pieces[::2]], list(pieces[1::2])
        whole = b"".join(fixed)
        # Quoted-printable adds two octets to each octet outside ASCII, base64 a third to all of them.
        outside = len(whole.translate(None, bytes(range(128))))
        is_base64 = outside * 6 > len(whole)
        encoding = b"base64" if is_base64 else b"quoted-printable"
        fields = self._type + b"Content-Transfer-Encoding: " + encoding + b"\r\n"
        before = self._before + fields + b"\r\n" if self._before else b""
        if is_base64:
            return fields, _Base64(fixed, holes, before, self._after)
        if not self._before:
            fixed[-1] = fixed[-1].rstrip(b"\r\n")
        return fields, _Quoted(fixed, holes, before, self._after)


class _Quoted:
    """Quoted-printable (RFC 2045 section 6.7)."""

    def __init__(self, fixed: list[bytes], holes: list[str], before: bytes, after: bytes) -> None:
        last = len(fixed) - 1
        turns = []
        for at, piece in enumerate(fixed):
            ends_line = piece.startswith(b"\r\n") or (at == last and not piece)
            encoded = (b"" if at == 0 or ends_line else _SOFT_BREAK) + _quoted(piece)
            begins_line = at == last or not encoded or encoded.endswith(b"\r\n")
            turns += [encoded + (b"" if begins_line else _SOFT_BREAK), b""]
        self._turns = [before + turns[0], *turns[1:-1]]
        self._turns[-1] += after
        self._holes = holes

    def encode(self, value: str) -> bytes:
        """Return a value encoded for lines of its own."""
        return quoted_value(value)

    def fill(self, own: Mapping[str, bytes]) -> list[bytes]:
        """Return the part with a reader's values, each on a line of its own."""
        turns = self._turns.copy()
        turns[1::2] = [own[name] for name in self._holes]
        return turns


class _Base64:
    """Base64 (RFC 2045 section 6.8)."""

    def __init__(self, fixed: list[bytes], holes: list[str], before: bytes, after: bytes) -> None:
        self._fixed = fixed
        self._holes = holes
        self._before, self._after = before, after.removeprefix(b"\r\n")  # the last line has its end
        #: How far into which piece -> the octets from there in whole groups, encoded, and what is left over.
        self._known: dict[tuple[int, int], tuple[bytes, bytes]] = {}

    def encode(self, value: str) -> bytes:
        """Return a value's octets."""
        return _octets(value)

    def fill(self, own: Mapping[str, bytes]) -> list[bytes]:
        """Return the part with a reader's values; a hole has lines of its own, filled up from the piece after it."""
        first, carry = self._from(0, 0)
        turns = [self._before, first]
        for at, name in enumerate(self._holes, 1):
            carry += own[name]
            taken = -len(carry) % 3
            following = self._fixed[at]
            if len(following) < taken:
                carry += following
                continue
            turns.append(_base64(carry + following[:taken]))
            piece, carry = self._from(at, taken)
            turns.append(piece)
        return [*turns, _base64(carry), self._after]

    def _from(self, at: int, taken: int) -> tuple[bytes, bytes]:
        """Return the piece without its first `taken` octets as whole lines, and the up to two octets left over."""
        if (known := self._known.get((at, taken))) is None:
            octets = self._fixed[at][taken:]
            end = len(octets) - len(octets) % 3
            known = self._known[at, taken] = (_base64(octets[:end]), octets[end:])
        return known


def _octets(text: str) -> bytes:
    """Return text in UTF-8 (R6) with CRLF as its line ends; half of a surrogate pair becomes a question mark."""
    if "\n" in text or "\r" in text:
        text = _LINE_END.sub("\r\n", text)
    return text.encode("utf-8", errors="replace")


def _quoted(octets: bytes) -> bytes:
    """Return octets encoded: lines of at most 76, the last 75; none begins with a dot or ends with a space."""
    encoded = binascii.b2a_qp(octets, istext=True)
    if len(encoded) <= _LINE and b"\n" not in encoded and not encoded.startswith(b"."):
        return encoded
    lines = encoded.replace(b"\r\n", b"\n").split(b"\n")  # binascii breaks lines with LF where it met no CRLF
    lines = [made for line in lines[:-1] for made in _broken(line, _LINE + 1)] + _broken(lines[-1], _LINE)
    return b"\r\n".join([made for line in lines for made in _without_dot(line)])


def _broken(line: bytes, most: int) -> list[bytes]:
    """Return a line as one or two of at most `most`: binascii makes one too long where a space stands at its end."""
    if len(line) <= most:
        return [line]
    at = -3 if line[-3:-2] == b"=" else -1
    return [line[:at] + b"=", line[at:]]


def quoted_value(value: str) -> bytes:
    """Return a reader's value encoded for lines of its own. Most of them are, as they stand."""
    return value.encode("ascii") if _AS_IT_STANDS.fullmatch(value) else _quoted(_octets(value))


def _without_dot(line: bytes) -> list[bytes]:
    """Return a line so that no server can take it for the end of the message, broken where it would become too long."""
    lines: list[bytes] = []
    while line.startswith(b"."):
        line = line[1:]
        if len(line) + 3 <= _LINE:
            return [*lines, b"=2E" + line]
        lines.append(b"=2E=")
    return [*lines, line]


def _base64(octets: bytes) -> bytes:
    """Return octets as lines of at most 76, each with its line end."""
    lines = [binascii.b2a_base64(octets[at : at + 57], newline=False) for at in range(0, len(octets), 57)]
    return b"".join([line + b"\r\n" for line in lines])
