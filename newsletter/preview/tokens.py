"""Html as a browser cuts it into tags, comments and text, each with its own bytes, so that joined they are the html.

Regular expressions take the text of a hostile attribute for a comment; a parser does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from html import escape
from html.parser import HTMLParser
from itertools import accumulate, pairwise

#: Name and value as the browser reads it; None for an attribute without a value.
Attributes = tuple[tuple[str, str | None], ...]


class Kind(Enum):
    """What a token is."""

    START = auto()
    END = auto()
    COMMENT = auto()
    DECLARATION = auto()
    TEXT = auto()


@dataclass(frozen=True)
class Token:
    """A piece of html. `raw` is its bytes, `name` a tag's name in small letters, `data` what a comment holds."""

    kind: Kind
    raw: str
    name: str = ""
    data: str = ""
    attributes: Attributes = ()

    def get(self, name: str) -> str:
        """Return an attribute's value, empty when there is none."""
        return dict(self.attributes).get(name) or ""


def tokens(html: str) -> list[Token]:
    """Return the html in pieces, in order; `"".join(one.raw for one in tokens(html)) == html`."""
    reader = _Reader(html)
    reader.feed(html)
    reader.close()
    edges = [*(start for start, *_ in reader.found), len(html)]
    return [
        Token(kind, html[start:end], name, data, attributes)
        for (_, kind, name, data, attributes), (start, end) in zip(reader.found, pairwise(edges), strict=True)
    ]


def rewritten(token: Token, attributes: Iterable[tuple[str, str | None]]) -> str:
    """Return a start tag with these attributes, or as it was when they are its own."""
    changed = tuple(attributes)
    if changed == token.attributes:
        return token.raw
    written = (f" {name}" if value is None else f' {name}="{escape(value)}"' for name, value in changed)
    return f"<{token.name}{''.join(written)}{'/' if token.raw.endswith('/>') else ''}>"


class _Reader(HTMLParser):
    """Notes where each piece begins."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[int, Kind, str, str, Attributes]] = []
        self._lines = [0, *accumulate(len(line) + 1 for line in html.split("\n"))]

    def _note(self, kind: Kind, name: str = "", data: str = "", attributes: Attributes = ()) -> None:
        line, column = self.getpos()
        self.found.append((self._lines[line - 1] + column, kind, name, data, attributes))

    def parse_marked_section(self, i: int, report: bool = True) -> int:  # noqa: FBT001, FBT002 - as Python has it
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:  # Python's way to say that it knows no such section; to a browser it is a comment
            return self.parse_bogus_comment(i, report)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(Kind.START, tag, attributes=tuple(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._note(Kind.END, tag)

    def handle_comment(self, data: str) -> None:
        self._note(Kind.COMMENT, data=data)

    def handle_decl(self, decl: str) -> None:
        self._note(Kind.DECLARATION, data=decl)

    def unknown_decl(self, data: str) -> None:
        self._note(Kind.DECLARATION, data=data)

    def handle_pi(self, data: str) -> None:
        self._note(Kind.DECLARATION, data=data)

    def handle_data(self, data: str) -> None:
        self._note(Kind.TEXT, data=data)

    def handle_charref(self, name: str) -> None:
        self._note(Kind.TEXT, data=name)

    def handle_entityref(self, name: str) -> None:
        self._note(Kind.TEXT, data=name)
