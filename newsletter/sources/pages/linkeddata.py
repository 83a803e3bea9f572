"""JSON-LD in web pages (schema.org), as publishers write it: in lists, graphs and pieces, and often not quite JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html import unescape

#: One thing that the data describes: its properties by name.
Node = dict[str, object]

#: Things of one page that are looked at, and how deep they may lie in one another.
_NODES = 2_000
_DEPTH = 24
_SCRIPT_LIMIT = 2_000_000

#: What hides a script from old browsers and XML parsers: <!-- -->, <![CDATA[ ]]>, and both behind // or within /* */.
_OPENING = re.compile(r"(?://|/\*)?\s*(?:<!--|<!\[CDATA\[)\s*(?:\*/)?")
_CLOSING = re.compile(r"(?://|/\*)?\s*(?:-->|\]\]>)\s*(?:\*/)?[\s;]*$")
_CLOSING_LENGTH = 60
#: A whole string, or a comma that nothing follows.
_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_WRONG_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|)')
_START = re.compile(r"[\[{]")


def read_linked_data(scripts: Iterable[str]) -> list[Node]:
    """Return every thing that the scripts describe, those that hold others before these, in their order."""
    nodes: list[Node] = []
    for text in scripts:
        for value in _values(text[:_SCRIPT_LIMIT]):
            for node in _flat(value, _DEPTH):
                if len(nodes) >= _NODES:
                    return nodes
                nodes.append(node)
    return nodes


def types(node: Node) -> set[str]:
    """Return what a thing is, such as {"NewsArticle"}; a type may be written as an address."""
    return {name.rpartition("/")[2].rpartition("#")[2].removeprefix("schema:") for name in strings(node.get("@type"))}


def strings(value: object) -> list[str]:
    """Return the texts in a value: one, those of a list, or what an @value or @id says."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, dict):
        return strings(value.get("@value") or value.get("@id"))
    if isinstance(value, list):
        return [text for one in value[:100] if not isinstance(one, list) for text in strings(one)]
    return []


def parts(value: object, index: dict[str, Node]) -> list[Node | str]:
    """Return the things and texts in a value, with references replaced by what they refer to."""
    listed = value if isinstance(value, list) else [value]
    found: list[Node | str] = []
    for one in listed[:100]:
        if isinstance(one, dict):
            identity = one.get("@id")
            found.append(index.get(identity, one) if isinstance(identity, str) and len(one) <= 2 else one)
        elif isinstance(one, str) and one.strip():
            found.append(index.get(one, one))
    return found


def by_id(nodes: Iterable[Node]) -> dict[str, Node]:
    """Return the things that have an identity by it; of several with one, that which says most."""
    index: dict[str, Node] = {}
    for node in nodes:
        identity = node.get("@id")
        if isinstance(identity, str) and len(node) > len(index.get(identity, {})):
            index[identity] = node
    return {identity: node for identity, node in index.items() if len(node) > 2}


def _flat(value: object, depth: int) -> Iterator[Node]:
    """Return the things in a value: of @graph and lists, and those that are properties of others."""
    if depth == 0:
        return
    if isinstance(value, list):
        for one in value:
            yield from _flat(one, depth - 1)
    elif isinstance(value, dict):
        if "@type" in value:
            yield value
        for one in value.values():
            if isinstance(one, dict | list):
                yield from _flat(one, depth - 1)


def _values(text: str) -> Iterator[object]:
    """Return the values in a script: first as it stands, then with the usual mistakes repaired."""
    text = text.strip("\ufeff \t\r\n")
    opening = _OPENING.match(text)
    text = text[opening.end() :] if opening else text
    text = text[:-_CLOSING_LENGTH] + _CLOSING.sub("", text[-_CLOSING_LENGTH:])
    for attempt in (str, _repaired, _unescaped):
        values = list(_decoded(attempt(text)))
        if values:
            yield from values
            return


def _decoded(text: str) -> Iterator[object]:
    """Return the values that stand in a text one after another, up to the first that is none."""
    # Not strict: line ends within strings are common.
    decoder = json.JSONDecoder(strict=False)
    start = _START.search(text)
    while start:
        try:
            value, end = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            return
        yield value
        start = _START.search(text, end)


def _unescaped(text: str) -> str:
    """Return `text` without html's references, repaired: some systems escape the whole script."""
    return _repaired(unescape(text))


def _repaired(text: str) -> str:
    """Return `text` without commas that nothing follows and without escapes that JSON does not have."""
    text = _WRONG_ESCAPE.sub(lambda match: match[0] if match[1] else "", text)
    return _COMMA.sub(lambda match: "" if match[0] == "," else match[0], text)
