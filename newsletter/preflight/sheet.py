"""The style blocks that stay in a mail: their rules, and which elements a rule is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from newsletter.preflight.page import Element, declarations

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
#: One step of a selector: a tag, and classes, ids, attributes and pseudo classes.
_STEP = re.compile(r"(?P<tag>[a-z][a-z0-9]*|\*)?(?P<rest>(?:[.#][\w-]+|\[[^\]]+\]|::?[\w-]+(?:\([^)]*\))?)*)$", re.I)
_PART = re.compile(r"[.#][\w-]+|\[[^\]]+\]|::?[\w-]+(?:\([^)]*\))?")
#: What Outlook's own sites and apps put around a mail that they show dark: for colours, and for grounds (R56).
OUTLOOK_DARK = re.compile(r"^\[data-ogs[cb]\]\s+")


@dataclass(frozen=True)
class Declared:
    """One property that a rule sets."""

    name: str
    value: str
    important: bool


@dataclass(frozen=True)
class StyleRule:
    """A rule for one selector. `media` is the condition in lower case, empty where there is none."""

    media: str
    selector: str
    declared: tuple[Declared, ...]

    @property
    def is_dark(self) -> bool:
        """Whether it is for readers whose system is dark."""
        return "prefers-color-scheme" in self.media and "dark" in self.media


@dataclass(frozen=True)
class Sheet:
    """One style block: its text, its rules, its at-rules such as "@media (…)", and whether it is written wrongly."""

    text: str
    rules: tuple[StyleRule, ...]
    at_rules: tuple[str, ...]
    #: At-rules within at-rules, and rules within rules.
    nested: tuple[str, ...]
    #: Braces that do not match.
    is_torn: bool


def sheet_of(text: str) -> Sheet:
    """Return the style block as rules."""
    css = _COMMENT.sub("", text)
    reader = _SheetReader(css)
    reader.read()
    return Sheet(text, tuple(reader.rules), tuple(reader.at_rules), tuple(reader.nested), reader.is_torn)


class _SheetReader:
    """Walks through the braces of a style block."""

    def __init__(self, css: str) -> None:
        self._css = css
        self.rules: list[StyleRule] = []
        self.at_rules: list[str] = []
        self.nested: list[str] = []
        self.is_torn = False

    def read(self) -> None:
        heads: list[str] = []
        start = 0
        for found in re.finditer("[{}]", self._css):
            piece = self._css[start : found.start()].strip()
            start = found.end()
            if found[0] == "{":
                self._opened(" ".join(piece.split()), heads)
            elif not heads:
                self.is_torn = True
            else:
                self._closed(piece, heads)
        rest = self._css[start:].strip()
        self.is_torn = self.is_torn or bool(heads) or bool(rest and not rest.startswith("@"))
        self.at_rules += re.findall(r"@(?:import|charset|namespace)[^;]*", self._css, re.IGNORECASE)

    def _opened(self, head: str, heads: list[str]) -> None:
        head = head.rpartition(";")[2].strip()
        if heads and (head.startswith("@") or not heads[-1].startswith("@")):
            self.nested.append(f"{heads[-1]} {{ {head}")
        if head.startswith("@"):
            self.at_rules.append(head)
        heads.append(head)

    def _closed(self, body: str, heads: list[str]) -> None:
        head = heads.pop()
        if head.startswith("@"):
            return
        media = " and ".join(one[6:].strip() for one in heads if one.lower().startswith("@media")).lower()
        declared = tuple(Declared(*one) for one in declarations(body))
        for selector in head.split(","):
            self.rules.append(StyleRule(media, " ".join(selector.split()), declared))


def matches(selector: str, element: Element) -> bool:
    """Return whether the selector is for the element. One with a pseudo class is for none, `:root` apart."""
    steps = _steps(selector)
    if not steps or not _fits(steps[-1][1], element):
        return False
    here = element
    for (_, wanted), (combinator, _) in zip(reversed(steps[:-1]), reversed(steps[1:]), strict=True):
        parents = list(here.up())[1:]
        candidates = parents[:1] if combinator == ">" else parents if combinator == " " else []
        found = next((one for one in candidates if _fits(wanted, one)), None)
        if found is None:
            return False
        here = found
    return True


def weight(selector: str) -> tuple[int, int, int]:
    """Return the selector's specificity."""
    return (
        len(re.findall(r"#[\w-]+", selector)),
        len(re.findall(r"\.[\w-]+|\[[^\]]+\]|(?<!:):[\w-]+", selector)),
        len(re.findall(r"(?:^|[\s>+~])[a-z]", selector, re.IGNORECASE)),
    )


@lru_cache(maxsize=512)
def _steps(selector: str) -> tuple[tuple[str, str], ...]:
    """Return the combinator and the compound of each step, such as ((" ", "table"), (">", ".x"))."""
    found: list[tuple[str, str]] = []
    combinator = " "
    for word in re.sub(r"\s*([>+~])\s*", r" \1 ", re.sub(r"\[[^\]]*\]", _unspaced, selector)).split():
        if word in {">", "+", "~"}:
            combinator = word
        else:
            found.append((combinator, word))
            combinator = " "
    return tuple(found)


def _unspaced(found: re.Match[str]) -> str:
    return re.sub(r"\s*", "", found[0]).replace("~", "\0")


def _fits(compound: str, element: Element) -> bool:
    if compound.lower() == ":root":
        return element.tag == "html"
    parsed = _parts(compound)
    if parsed is None or (parsed[0] and parsed[0] != element.tag):
        return False
    return all(_has(part, element) for part in parsed[1])


@lru_cache(maxsize=512)
def _parts(compound: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the tag of a compound, empty for any, and its other parts; None for what cannot be read."""
    found = _STEP.match(compound)
    if found is None:
        return None
    return (found["tag"] or "*").lower().replace("*", ""), tuple(_PART.findall(found["rest"]))


def _has(part: str, element: Element) -> bool:
    if part[0] == ".":
        return part[1:] in element.classes
    if part[0] == "#":
        return part[1:] == element.attributes.get("id")
    if part[0] == ":":
        return False
    name, equals, value = part[1:-1].replace("\0", "~").partition("=")
    name, word = name.removesuffix("~").lower(), name.endswith("~")
    value = value.strip("\"'")
    if name not in element.attributes:
        return False
    held = element.attributes[name]
    return not equals or (value in held.split() if word else value == held)


def colours_dark(rules: tuple[StyleRule, ...]) -> Iterator[tuple[str, str]]:
    """Yield selector and property of each colour of text or ground that the rules set for dark systems."""
    for rule in rules:
        if rule.is_dark:
            for one in rule.declared:
                if one.name in {"color", "background-color"}:
                    yield rule.selector, one.name
