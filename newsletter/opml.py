"""OPML: the file in which feed readers keep their lists of feeds (OPML 2.0). Texts in, values out, and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from newsletter.errors import ConfigurationError

#: Bytes of a file that are read. A list of ten thousand feeds has two million.
SIZE_LIMIT = 5_000_000

#: What OPML calls the kinds of source that others know, too; our other kinds keep their names.
_TYPES = {"feed": "rss", "jsonfeed": "json"}
_KINDS = {"": "feed", "rss": "feed", "atom": "feed", "rss1": "feed", "rdf": "feed", "feed": "feed", "link": "feed"}
_BARE_AMPERSAND = re.compile(rb"&(?!(?:#\d+|#x[0-9a-fA-F]+|[A-Za-z]\w*);)")
#: What XML 1.0 cannot hold, not even as a reference.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True)
class Outline:
    """One feed of a list. `folders` are those that it lies in, the outermost first; `kind` is one of ours.

    `regions` are what the list files it under; what of it is a region, who reads the list must know.
    """

    url: str
    name: str = ""
    kind: str = "feed"
    site: str = ""
    language: str = ""
    regions: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def parse(data: bytes, file: str) -> list[Outline]:
    """Return the feeds in an OPML file, in its order; `file` is its name in errors.

    No entity is expanded and nothing is fetched (threat 6). Raises ConfigurationError when this is no OPML.
    """
    if len(data) > SIZE_LIMIT:
        raise ConfigurationError(f"{file} is larger than {SIZE_LIMIT:,} bytes. Split it and import the parts.")
    root = _root(data, file)
    if not isinstance(root.tag, str) or root.tag.lower() != "opml":
        raise ConfigurationError(f"{file} is no OPML: it begins with <{root.tag}>. Export the list from a feed reader.")
    body = next((one for one in root if isinstance(one.tag, str) and one.tag.lower() == "body"), root)
    return list(_outlines(body))


def _root(data: bytes, file: str) -> Any:
    from lxml import etree  # noqa: PLC0415 - only these two commands need it

    if b"<!ENTITY" in data.replace(b"\0", b""):  # the zero bytes are those of UTF-16
        raise ConfigurationError(f"{file} declares entities, which no list of feeds needs; it was not read.")
    reader = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False, "recover": False}
    try:
        root = etree.fromstring(data, etree.XMLParser(**reader))
    except etree.XMLSyntaxError as error:
        # Addresses with a bare & are the one mistake that readers make by the thousand.
        mended = _BARE_AMPERSAND.sub(b"&amp;", data)
        try:
            root = etree.fromstring(mended, etree.XMLParser(**reader))
        except (etree.XMLSyntaxError, ValueError):
            raise ConfigurationError(f"{file} is no OPML: {error.msg}. Export it again.") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is no OPML: {error}. Export it again.") from error
    return root


def _outlines(body: Any) -> Iterator[Outline]:
    """Return the feeds below an element. Its depth is what the parser lets through, some 250 levels."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [(one, ()) for one in reversed(body)]
    while waiting:
        element, folders = waiting.pop()
        if not isinstance(element.tag, str) or element.tag.lower() != "outline":
            continue
        given = {name.lower(): " ".join(value.split()) for name, value in element.attrib.items()}
        name = given.get("text") or given.get("title") or ""
        url = given.get("xmlurl") or (given.get("url", "") if given.get("type", "").lower() in _KINDS else "")
        if url:
            yield _outline(given, url, name, folders)
            inner = folders
        else:
            inner = (*folders, name) if name else folders
        waiting += [(one, inner) for one in reversed(element)]


def _outline(given: dict[str, str], url: str, name: str, folders: tuple[str, ...]) -> Outline:
    kind = given.get("type", "").lower()
    categories = (part.strip(" /") for part in given.get("category", "").split(","))
    return Outline(
        url=url,
        name=name,
        kind=_KINDS.get(kind) or {"json": "jsonfeed"}.get(kind) or given["type"],
        site=given.get("htmlurl", ""),
        language=given.get("language", "") if given.get("language", "").lower() != "unknown" else "",
        regions=tuple(part for part in categories if part),
        folders=folders,
    )


def write(outlines: Iterable[Outline], title: str, now: datetime) -> str:
    """Return the text of an OPML 2.0 file that `parse` reads back to the same, folders apart."""
    from lxml import etree  # noqa: PLC0415 - as above

    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = _clean(title)
    etree.SubElement(head, "dateCreated").text = format_datetime(now)
    body = etree.SubElement(root, "body")
    for one in outlines:
        values = {
            "type": _TYPES.get(one.kind, one.kind),
            "text": one.name,
            "title": one.name,
            "xmlUrl": one.url,
            "htmlUrl": one.site,
            "language": one.language,
            "category": ",".join(one.regions),
        }
        etree.SubElement(body, "outline", {name: _clean(value) for name, value in values.items() if value})
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text.decode("utf-8")


def _clean(text: str) -> str:
    return _CONTROLS.sub("", text)
