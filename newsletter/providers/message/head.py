"""A message's header: what is fixed is written and checked once, what is a reader's own each time (threat 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import format_datetime

from newsletter.errors import Refused
from newsletter.mail import Mail, Part, Recipient
from newsletter.providers.message.body import BOUNDARY
from newsletter.providers.message.fields import at_commas, folded, header_value, mailbox, printable, unstructured
from newsletter.providers.message.values import Values

#: RFC 5322 section 2.1.1, without the line break.
_LONGEST_LINE = 998


class Head:
    """The header of one mail."""

    def __init__(self, mail: Mail) -> None:
        sender = mail.sender
        reply_to = folded("Reply-To", mailbox("", sender.reply_to)) if sender.reply_to else ""
        #: The first two fields, of the date that was asked for last.
        self._first: tuple[datetime | None, bytes] = (None, b"")
        self._from = folded("From", mailbox(sender.name, sender.address))
        self._subject = (reply_to + folded("Subject", unstructured(mail.subject))).encode("ascii")
        self._own = _OwnFields(mail.header_parts)
        last = folded("MIME-Version", ["1.0"])
        if mail.html:  # else the body has a type of its own
            last += folded("Content-Type", ["multipart/alternative;", f'boundary="{BOUNDARY}"'])
        self._last = last.encode("ascii")
        self._names = ["Date", "From", "To", *(["Reply-To"] if reply_to else []), "Subject"]
        self._names += [*(name for name, _ in mail.headers), "MIME-Version", *(["Content-Type"] if mail.html else [])]

    def check(self, recipient: Recipient, own: Values) -> None:
        """Raise Refused when the message to a reader would hold other headers than intended."""
        _check(self.fields(recipient, own, datetime(2000, 1, 1, tzinfo=UTC)), self._names)

    def fields(self, recipient: Recipient, own: Values, date: datetime) -> bytes:
        """Return all fields for one reader. Raises ConfigurationError or Refused for what cannot stand in them."""
        known, first = self._first
        if known != date:
            first = (folded("Date", [format_datetime(date)]) + self._from).encode("ascii")
            self._first = (date, first)
        tokens = mailbox(recipient.name, recipient.address)
        to = folded("To", tokens)
        if not to.isascii() or not "".join(tokens).isprintable():
            raise _not_as_intended()
        return b"".join([first, to.encode("ascii"), self._subject, self._own.fill(recipient.values, own), self._last])


class _OwnFields:
    """The headers that the mail sets itself, whose values may have holes."""

    def __init__(self, parts: tuple[tuple[str, Part], ...]) -> None:
        self._parts = parts
        self._asking = [part for _, part in parts if part.asks]
        self._variants: dict[tuple[tuple[bool, ...], ...], _Variant] = {}

    def fill(self, values: Mapping[str, str], own: Values) -> bytes:
        """Return the fields for one reader. Raises Refused when a line would be too long."""
        asked = tuple([part.answers(values) for part in self._asking])
        if (variant := self._variants.get(asked)) is None:
            answers = tuple([part.answers(values) for _, part in self._parts])
            variant = self._variants[asked] = _Variant(self._parts, answers)
        return variant.fill(own)


class _Variant:
    """The same fields with all blocks decided: fixed pieces and the names of holes in turn."""

    def __init__(self, parts: tuple[tuple[str, Part], ...], answers: tuple[tuple[bool, ...], ...]) -> None:
        pieces = [""]
        # How a value is written is the same in all headers, since none is html.
        self._written = parts[0][1].written
        for (name, part), some in zip(parts, answers, strict=True):
            first, *rest = _field(name, part.pieces(some))
            pieces[-1] += first
            pieces += rest
        self._holes = pieces[1::2]
        self._turns: list[bytes] = [piece.encode("ascii") for piece in pieces]
        self._longest = max(len(line) for piece in self._turns[::2] for line in piece.split(b"\r\n"))

    def fill(self, own: Values) -> bytes:
        """Return the fields with a reader's values, each as printable ASCII."""
        octets = own.plain
        if own.special:
            octets = octets | {name: self._octets(value) for name, value in own.special.items()}
        filled = self._turns.copy()
        filled[1::2] = [octets[name] for name in self._holes]
        fields = b"".join(filled)
        if b"=?" in fields:
            fields = fields.replace(b"=?", b"=%3F")
        if self._longest + sum(map(len, filled[1::2])) > _LONGEST_LINE:
            _check_lines(fields)
        return fields

    def _octets(self, value: str) -> bytes:
        return printable(self._written(value).strip()).encode("ascii")


def _field(name: str, pieces: Sequence[str]) -> list[str]:
    """Return a field's fixed text and names of holes in turn; with holes, it is folded at each comma."""
    if len(pieces) == 1:
        return [folded(name, at_commas(header_value(pieces[0])))]
    turns = list(pieces)
    turns[0], turns[-1] = turns[0].lstrip(), turns[-1].rstrip()
    turns[::2] = ["\r\n ".join(at_commas(printable(piece))) for piece in turns[::2]]
    return [f"{name}: {turns[0]}", *turns[1:-1], f"{turns[-1]}\r\n"]


def _check(fields: bytes, intended: list[str]) -> None:
    """Raise Refused when there are other fields than intended, or a line that no server has to take."""
    parsed = BytesHeaderParser(policy=compat32).parsebytes(fields + b"\r\n")
    if parsed.keys() != intended or parsed.get_payload():
        raise _not_as_intended()
    _check_lines(fields)


def _check_lines(fields: bytes) -> None:
    if any(len(line) > _LONGEST_LINE for line in fields.split(b"\r\n")):
        raise Refused(f"The message would have a header line of more than {_LONGEST_LINE} octets. It was not sent.")


def _not_as_intended() -> Refused:
    return Refused("The message would not have exactly the headers it should have. It was not sent.")
