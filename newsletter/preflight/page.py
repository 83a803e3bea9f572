"""A finished mail's html as it is written: no parser's repairs hide what is wrong with it.

Elements, texts and comments are kept in flat lists in the order of the document, so that depth costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser

from newsletter.render.text import display_text, shortened

_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "o:allowpng",
})  # fmt: skip
_WORD_ONLY = re.compile(r"^\[if\s+(?![^\]]*!\s*mso)[^\]]*mso[^\]]*\]>(.*)<!\[endif\]$", re.DOTALL)
_WORD_COMMENT = re.compile(r"<!--(\[if\s+(?![^\]]*!\s*mso)[^\]]*mso[^\]]*\])>(.*?)<!\[endif\]-->", re.DOTALL)
_NOT_IN_WORD = re.compile(r"<!--\[if\s+!mso\]><!-->.*?<!--<!\[endif\]-->", re.DOTALL)
_DECLARATION = re.compile(r"""((?:[^;"'(]|"[^"]*"|'[^']*'|\([^)]*\))*);?""")
_HIDDEN = frozenset({"style", "script", "title", "template", "xml"})
#: Characters of a place in a finding.
_SHOWN = 60


@dataclass(eq=False)
class Element:
    """A start tag and what belongs to it. `index` to `end` are its places among the page's elements, itself first."""

    tag: str
    attributes: Mapping[str, str]
    parent: Element | None
    index: int
    first_run: int
    #: The comments just before it, with nothing but blanks between.
    before: str
    #: The tags that it lies in.
    around: frozenset[str]
    end: int = -1
    last_run: int = -1

    @cached_property
    def style(self) -> dict[str, str]:
        """The style attribute: property -> value, both in lower case; the last of a property counts."""
        return {name: value for name, value, _ in declarations(self.attributes.get("style", ""))}

    @cached_property
    def classes(self) -> frozenset[str]:
        """The names in its class attribute."""
        return frozenset(self.attributes.get("class", "").split())

    def up(self) -> Iterator[Element]:
        """Yield the element and what it lies in, the innermost first."""
        here: Element | None = self
        while here is not None:
            yield here
            here = here.parent

    def inside(self, *tags: str) -> bool:
        """Return whether it lies in one of these."""
        return not self.around.isdisjoint(tags)

    @cached_property
    def is_hidden(self) -> bool:
        """Whether it, or what it lies in, is not drawn."""
        return any(
            one.style.get("display") == "none" or "hidden" in one.attributes or one.tag in _HIDDEN for one in self.up()
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text between two tags, or the alternative text of a picture."""

    text: str
    element: Element
    is_alt: bool = False


@dataclass(frozen=True)
class Page:
    """A mail's html, or what Word reads of it."""

    elements: tuple[Element, ...]
    runs: tuple[Run, ...]
    comments: tuple[str, ...]
    #: Tags that are closed and were not open, or stay open, such as "</td>".
    unbalanced: tuple[str, ...]
    #: The tags inside comments that only Word reads.
    word: tuple[Element, ...] = field(default=())

    @classmethod
    def of(cls, html: str) -> Page:
        """Return the html as a page."""
        reader = _Reader()
        reader.feed(html)
        reader.close()
        return reader.page()

    def all(self, *tags: str) -> list[Element]:
        """Return the elements with one of these tags, in order."""
        return [one for one in self.elements if one.tag in tags]

    def first(self, tag: str) -> Element | None:
        """Return the first element with this tag."""
        return next((one for one in self.elements if one.tag == tag), None)

    def within(self, element: Element) -> tuple[Element, ...]:
        """Return what lies in the element, in order."""
        return self.elements[element.index + 1 : element.end]

    def own_runs(self, element: Element) -> list[Run]:
        """Return the texts that stand in the element itself, not in an element within."""
        return [one for one in self.runs[element.first_run : element.last_run] if one.element is element]

    def name_of(self, element: Element) -> str:
        """Return what a screen reader says of the element: its text with the alternative texts of its pictures."""
        if label := element.attributes.get("aria-label", "").strip():
            return label
        return " ".join("".join(run.text for run in self.runs[element.first_run : element.last_run]).split())

    def text_of(self, element: Element) -> str:
        """Return the text of the element without alternative texts."""
        runs = self.runs[element.first_run : element.last_run]
        return " ".join("".join(run.text for run in runs if not run.is_alt).split())

    def place(self, element: Element) -> str:
        """Return the element in a few characters, for a finding."""
        if name := display_text(self.name_of(element)):
            return f"<{element.tag}> “{shortened(name, _SHOWN)}”"
        for attribute in ("src", "href", "class", "name"):
            if value := display_text(element.attributes.get(attribute, "")):
                return f'<{element.tag} {attribute}="{shortened(value, _SHOWN)}">'
        return f"<{element.tag}>"


def word_page(html: str) -> Page:
    """Return what Word makes of the html: comments for it are read, what is kept from it is left out (T8)."""
    return Page.of(_WORD_COMMENT.sub(lambda found: found[2], _NOT_IN_WORD.sub("", html)))


def declarations(style: str) -> Iterator[tuple[str, str, bool]]:
    """Yield property, value and whether it is important, of each declaration."""
    for piece in _DECLARATION.findall(style):
        name, colon, value = piece.partition(":")
        if colon:
            value, bang, _ = value.strip().lower().partition("!important")
            yield name.strip().lower(), value.strip(), bool(bang)


class _Reader(HTMLParser):
    """Reads a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._elements: list[Element] = []
        self._runs: list[Run] = []
        self._comments: list[str] = []
        self._word: list[Element] = []
        self._unbalanced: list[str] = []
        self._open: list[Element] = []
        self._before = ""

    def page(self) -> Page:
        for element in self._open:
            self._unbalanced.append(f"<{element.tag}>")
            self._finish(element)
        return Page(
            tuple(self._elements),
            tuple(self._runs),
            tuple(self._comments),
            tuple(self._unbalanced),
            tuple(self._word),
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = self._open[-1] if self._open else None
        attributes = {name: value or "" for name, value in reversed(attrs)}
        around = parent.around | {parent.tag} if parent else frozenset()
        element = Element(tag, attributes, parent, len(self._elements), len(self._runs), self._before, around)
        self._before = ""
        self._elements.append(element)
        if alt := attributes.get("alt", "") if tag == "img" else "":
            self._runs.append(Run(f" {alt} ", element, is_alt=True))
        elif tag == "br":
            self._runs.append(Run(" ", parent or element))
        if tag in _VOID:
            self._finish(element)
        else:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._finish(self._open.pop())

    def handle_endtag(self, tag: str) -> None:
        self._before = ""
        if all(one.tag != tag for one in self._open):
            self._unbalanced.append(f"</{tag}>")
            return
        while (element := self._open.pop()).tag != tag:
            self._unbalanced.append(f"<{element.tag}>")
            self._finish(element)
        self._finish(element)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self._before = ""
        if self._open:
            self._runs.append(Run(data, self._open[-1]))

    def handle_comment(self, data: str) -> None:
        self._comments.append(data)
        self._before += data
        if found := _WORD_ONLY.match(data):
            self._word += Page.of(found[1]).elements

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Return where "<![if …]>" ends; Python's own raises AssertionError for words it does not know."""
        del report
        return self.rawdata.find(">", i) + 1 or -1

    def _finish(self, element: Element) -> None:
        element.end, element.last_run = len(self._elements), len(self._runs)
