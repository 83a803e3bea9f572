"""The language of segments, from text to a tree. Pure: what lists, tags and fields there are is not known here.

either := every ("or" every)*
every  := part+
part   := ["-"] ( "(" either ")" | term )
term   := name | name ":" value ("," value)* | "field:" slug comparison value ("," value)* | name comparison date
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from subscribers.errors import SubscriberError

#: Longer than anything a person writes; what is deeper or longer would end in a limit of the database.
TEXT_LIMIT = 2_000
_DEPTH_LIMIT = 20
_TERM_LIMIT = 40

_NAME = re.compile(r"[a-z][a-z-]*", re.IGNORECASE)
_SLUG = re.compile(r"[\w-]+")
_COMPARISON = re.compile(r"<=|>=|=|<|>")
_BARE = re.compile(r'[^\s(),"]+')
_SPACE = re.compile(r"\s*")
_NO_VALUE = "a value is missing here; one with spaces stands in quotation marks."
#: Controls and halves of characters, which no database takes.
_UNSTORABLE = frozenset({"Cc", "Cs"})


class SegmentError(SubscriberError, ValueError):
    """A segment that cannot be understood. `column` is where, counted from 1, and `sentence` why."""

    def __init__(self, text: str, position: int, sentence: str) -> None:
        self.column = position + 1
        self.sentence = sentence
        shown = "".join(letter if letter.isprintable() else " " for letter in text[:TEXT_LIMIT])
        pointer = f"\n  {shown}\n  {' ' * position}^" if len(text) <= TEXT_LIMIT else ""
        super().__init__(f"The segment cannot be understood at column {self.column}: {sentence}{pointer}")


@dataclass(frozen=True)
class Term:
    """One condition, such as `tag:donor,member` or `field:born<1990-01-01`.

    `position` is where it begins in the text, from 0. `key` is the field's slug, for `field` alone; `comparison` and
    `values` are empty where the term has none. Of several values a reader needs one.
    """

    position: int
    name: str
    key: str = ""
    comparison: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Not:
    """Readers whom `part` does not mean."""

    part: Node


@dataclass(frozen=True)
class Every:
    """Readers whom every one of `parts` means; they stand side by side in the text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Either:
    """Readers whom at least one of `parts` means; `or` stands between them."""

    parts: tuple[Node, ...]


Node = Term | Not | Every | Either


def parse(text: str) -> Node:
    """Return what a segment's text says. Raises SegmentError, which names the column."""
    if len(text) > TEXT_LIMIT:
        raise SegmentError(text, TEXT_LIMIT, f"it is longer than {TEXT_LIMIT} characters.")
    return _Parser(text).whole()


def named_in(text: str) -> frozenset[tuple[str, str]]:
    """Return the lists, tags and fields that a segment names, such as ("tag", "staff"), in lower case; none if broken.

    Whether they are there is not looked at.
    """
    try:
        return frozenset(_named(parse(text)))
    except SegmentError:
        return frozenset()


def _named(node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, Not):
        yield from _named(node.part)
    elif isinstance(node, Every | Either):
        for part in node.parts:
            yield from _named(part)
    elif node.name == "field":
        yield "field", node.key.casefold()
    elif node.name in {"list", "tag"}:
        yield from ((node.name, value.casefold()) for value in node.values)


class _Parser:
    """Reads a text from left to right; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.terms = 0

    def whole(self) -> Node:
        node = self.either()
        if self.at < len(self.text):
            self.fail("this parenthesis was never opened.")
        return node

    def either(self) -> Node:
        parts = [self.every()]
        while self.takes_or():
            parts.append(self.every())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def every(self) -> Node:
        parts: list[Node] = []
        while self.more():
            parts.append(self.part())
        if not parts:
            self.fail("a condition is missing here, such as list:weekly, tag:donor or no-name.")
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def part(self) -> Node:
        if not self.takes("-"):
            return self.group() if self.takes("(") else self.term()
        if self.at == len(self.text) or self.text[self.at].isspace() or self.text[self.at] == "-":
            self.fail("write one hyphen directly before what it turns around, such as -tag:staff.", self.at - 1)
        return Not(self.group() if self.takes("(") else self.term())

    def group(self) -> Node:
        """Read from behind an opening parenthesis to behind the one that closes it."""
        opened = self.at - 1
        self.depth += 1
        if self.depth > _DEPTH_LIMIT:
            self.fail(f"parentheses are nested more than {_DEPTH_LIMIT} deep.", opened)
        node = self.either()
        if not self.takes(")"):
            self.fail("this parenthesis is not closed.", opened)
        self.depth -= 1
        return node

    def term(self) -> Term:
        position = self.at
        self.terms += 1
        if self.terms > _TERM_LIMIT:
            self.fail(f"a segment has at most {_TERM_LIMIT} conditions; one takes several values, such as tag:a,b.")
        name = self.reads(_NAME, "a condition begins with its name, such as list:weekly, tag:donor or no-name.")
        name = name.lower()
        if name in {"and", "not"}:
            why = (
                "readers must meet every condition anyway; leave it out" if name == "and" else "write a hyphen instead"
            )
            self.fail(f"`{name}` is no word of segments: {why}.", position)
        if self.takes(":"):
            if name == "field":
                key = self.reads(_SLUG, "the field's name is missing, such as field:town=Lviv.").lower()
                return self.finished(Term(position, name, key, *self.compared()))
            return self.finished(Term(position, name, "", "", self.values()))
        return self.finished(Term(position, name, "", *self.compared()))

    def compared(self) -> tuple[str, tuple[str, ...]]:
        found = _COMPARISON.match(self.text, self.at)
        if not found:
            return "", ()
        self.at = found.end()
        return found.group(), self.values()

    def values(self) -> tuple[str, ...]:
        values = [self.value()]
        while self.takes(","):
            values.append(self.value())
        return tuple(values)

    def value(self) -> str:
        start = self.at
        value = self.quoted() if self.takes('"') else self.reads(_BARE, _NO_VALUE)
        if any(unicodedata.category(letter) in _UNSTORABLE for letter in value):
            self.fail("this value has a control character in it.", start)
        return unicodedata.normalize("NFC", value)

    def quoted(self) -> str:
        """Read from behind an opening quotation mark to behind the one that closes it."""
        opened, end = self.at - 1, self.text.find('"', self.at)
        if end < 0:
            self.fail("this quotation mark is not closed.", opened)
        value, self.at = self.text[self.at : end], end + 1
        if not value.strip():
            self.fail("there is nothing between these quotation marks.", opened)
        return value

    def finished(self, term: Term) -> Term:
        """Return the term when nothing sticks to it."""
        if self.at < len(self.text) and not self.text[self.at].isspace() and self.text[self.at] != ")":
            self.fail("a space is missing here, or a value with such signs needs quotation marks.")
        return term

    def more(self) -> bool:
        """Tell whether another part follows in this row of conditions."""
        self.skip_space()
        return self.at < len(self.text) and self.text[self.at] != ")" and not self.or_ahead()

    def or_ahead(self) -> bool:
        after = self.text[self.at + 2 : self.at + 3]
        return self.text[self.at : self.at + 2].lower() == "or" and (not after or after.isspace() or after in "()")

    def takes_or(self) -> bool:
        if not self.or_ahead():
            return False
        self.at += 2
        return True

    def takes(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += 1
        return True

    def reads(self, pattern: re.Pattern[str], otherwise: str) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            self.fail(otherwise)
        self.at = found.end()
        return found.group()

    def skip_space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def fail(self, sentence: str, position: int | None = None) -> NoReturn:
        raise SegmentError(self.text, self.at if position is None else position, sentence)
