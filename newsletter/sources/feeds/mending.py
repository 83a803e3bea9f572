"""Damaged XML, put right before a parser sees it, as far as its meaning is certain.

What stands before the document's first element goes, characters that XML does not have go, and html's names for
characters become the characters. Where the result is still not well-formed, tags are balanced as a browser would do it,
stray ampersands and angle brackets are escaped, and prefixes are declared. All of it is one pass over the text.
"""

from __future__ import annotations

import re
from html.entities import html5

from lxml import etree

#: What documents begin with; before it stand blank lines, notices of PHP and the remarks of caches.
_BEGINNING = re.compile(
    r"<!doctype\b|<(?:[\w.-]{1,40}:)?(?:rss|rdf|feed|channel|urlset|sitemapindex|opml)(?=[\s>/])", re.IGNORECASE
)
_PROLOGUE = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_DOCTYPE = re.compile(r"<!doctype[^>\[]*(?:\[[^\]]*\])?[^>]*>", re.IGNORECASE)
_ENTITY = re.compile(r"<!ENTITY\s+([\w.-]+)\s+([\"'])((?:(?!\2)[^&<%]|&#\w{1,8};){0,40})\2\s*>", re.IGNORECASE)
_LOOKED_AT = 100_000
#: Controls, lone surrogates and noncharacters (XML 1.0 section 2.2); those that break lines leave a space.
_NO_CHARACTERS = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff\ufffe\uffff]+")
_LINE_BREAKS = re.compile("[\x0b\x0c]+")
_NUMBERED = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,9})|([0-9]{1,9}));?")
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{0,31});")
_KEPT_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})
#: A character beyond the first 65,536, written as the two halves that UTF-16 has for it.
_HALVES = re.compile(r"&#(5[56]\d{3}|[xX][dD][89abAB][0-9a-fA-F]{2});&#(5[67]\d{3}|[xX][dD][c-fC-F][0-9a-fA-F]{2});")

_STRAY_AMPERSAND = re.compile(r"&(?!(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);)")
_MARKUP = re.compile(r"<(?=[A-Za-z_/!?])")
_TAG = re.compile(r"<(/?)([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)([^<>]*)>")
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w:.-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
#: Elements of html without an end; unescaped html in a text has them.
_VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "source", "wbr"})
#: Elements that do not stand in one another: the next one ends the last.
_ENTRIES = frozenset({"item", "entry", "url", "sitemap"})
#: Elements of feeds that have only text, or html, in them: one of them ends another that was left open.
_LEAVES = frozenset(
    {"title", "link", "guid", "id", "description", "summary", "content", "comments", "category", "enclosure", "pubdate"}
    | {"published", "updated", "author", "source", "dc:date", "dc:creator", "dc:subject", "content:encoded"}
    | {"media:content", "media:thumbnail", "loc", "lastmod", "news:title", "news:publication_date"}
)
#: Those of them that have others in them in Atom, Media RSS and the like.
_BRANCHES = frozenset({"author", "source", "media:content"})
_DEPTH_LIMIT = 200

#: Prefixes that feeds use without declaring them.
_PREFIXES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "feedburner": "http://rssnamespace.org/feedburner/ext/1.0",
    "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#",
    "georss": "http://www.georss.org/georss",
    "gml": "http://www.opengis.net/gml",
    "image": "http://www.google.com/schemas/sitemap-image/1.1",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "media": "http://search.yahoo.com/mrss/",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xhtml": "http://www.w3.org/1999/xhtml",
}


def tree_of(text: str) -> etree._Element | None:
    """Return the root element of the document in `text`, mended where needed; None when there is no element."""
    text = trimmed(text)
    try:
        return etree.fromstring(text.encode(), _parser(recover=False))
    except etree.XMLSyntaxError:
        mended = balanced(text)
    try:
        return etree.fromstring(mended.encode(), _parser(recover=True)) if mended else None
    except etree.XMLSyntaxError:
        return None


def _parser(*, recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        recover=recover,
        resolve_entities=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )


def trimmed(text: str) -> str:
    """Return `text` from its first element on, with nothing but characters and references that XML has."""
    prologue = _PROLOGUE.match(text)
    start = _BEGINNING.search(text, prologue.end() if prologue else 0, _LOOKED_AT)
    text = text[start.start() if start else 0 :]
    doctype = _DOCTYPE.match(text)
    text = _NO_CHARACTERS.sub("", _LINE_BREAKS.sub(" ", text[doctype.end() if doctype else 0 :]))
    if "&" in text:
        text = _NAMED.sub(_Names(doctype[0] if doctype else ""), text)
        text = _NUMBERED.sub(_character, _HALVES.sub(_joined, text))
    return text.strip()


class _Names:
    """What a named reference stands for: XML's own names stay, the document's and html's become their characters."""

    def __init__(self, doctype: str) -> None:
        # No longer than scan.py lets through, and with no references to further names.
        self._own = {name: value for name, _, value in _ENTITY.findall(doctype)}

    def __call__(self, name: re.Match[str]) -> str:
        if name[1] in _KEPT_NAMES:
            return name[0]
        return self._own.get(name[1]) or html5.get(f"{name[1]};", name[0])


def _joined(halves: re.Match[str]) -> str:
    high, low = (int(half[1:], 16) if half[0] in "xX" else int(half) for half in halves.groups())
    if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
        return halves[0]
    return f"&#{0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00};"


def _character(reference: re.Match[str]) -> str:
    """Return a reference as it should be written: with its semicolon, and to a character that XML has."""
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    if 0x80 <= code <= 0x9F:  # what is meant is Windows-1252, as in html
        return bytes((code,)).decode("cp1252", "ignore")
    if code < 0x20 and code not in {9, 10, 13}:
        return ""
    return f"&#{code};" if is_xml_character(code) else "\ufffd"


def is_xml_character(code: int) -> bool:
    """Say whether XML 1.0 has this character (section 2.2)."""
    return code in {9, 10, 13} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


def balanced(text: str) -> str:
    """Return `text` with every tag that is open closed, every other end dropped, and the rest escaped."""
    soup = _Soup()
    place = 0
    while markup := _MARKUP.search(text, place):
        soup.text(text[place : markup.start()])
        place = soup.markup(text, markup.start())
    soup.text(text[place:])
    return soup.document()


class _Soup:
    """Collects markup and keeps count of the elements that are open."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._open: list[str] = []
        self._prefixes: set[str] = set()
        #: Ends of markup that the rest of the text does not have.
        self._nowhere: set[str] = set()
        self._is_over = False

    def text(self, text: str) -> None:
        if text and self._open:
            text = _STRAY_AMPERSAND.sub("&amp;", text)
            self._pieces.append(text.replace("<", "&lt;").replace(">", "&gt;"))

    def markup(self, text: str, place: int) -> int:
        """Take in what begins with the "<" at `place`, and return where it ends."""
        if text.startswith("<![CDATA[", place):
            return self._verbatim(text, place)
        if text.startswith("<!--", place):
            end = self._find("-->", text, place)
            return end + 3 if end >= 0 else place + 4
        if text.startswith(("<?", "<!"), place):
            end = self._find(">", text, place)
            return end + 1 if end >= 0 else len(text)
        tag = _TAG.match(text, place)
        if tag is None:
            self.text("<")
            return place + 1
        self._tag(tag)
        return tag.end()

    def _verbatim(self, text: str, place: int) -> int:
        """Take in a CDATA section; one without an end ends with its element."""
        start = place + len("<![CDATA[")
        end = self._find("]]>", text, start)
        rest = end + 3
        if end < 0:
            end = text.find(f"</{self._open[-1]}", start) if self._open else -1
            end = rest = end if end >= 0 else len(text)
        if self._open:
            inner = text[start:end].replace("&", "&amp;")
            self._pieces.append(inner.replace("<", "&lt;").replace(">", "&gt;"))
        return rest

    def _find(self, mark: str, text: str, place: int) -> int:
        """Return where `mark` is next, or -1; what is nowhere is looked for once."""
        end = -1 if mark in self._nowhere else text.find(mark, place)
        if end < 0:
            self._nowhere.add(mark)
        return end

    def _tag(self, tag: re.Match[str]) -> None:
        ending, name, attributes = tag.groups()
        if self._is_over:
            return
        if ending:
            self._end(name)
            return
        if name.rpartition(":")[2].lower() in _ENTRIES and name in self._open:
            self._end(name)
        if name.lower() in _LEAVES:
            left_open = [one for one in self._open if one.lower() in _LEAVES - _BRANCHES]
            if left_open:
                self._end(left_open[0])
        if len(self._open) >= _DEPTH_LIMIT:
            return
        empty = attributes.endswith("/") or (name.lower() in _VOID and len(self._open) > 2)
        self._pieces.append(f"<{name}{self._attributes(attributes)}{'/' if empty else ''}>")
        self._prefixes.update(name.split(":")[:-1])
        if not empty:
            self._open.append(name)

    def _attributes(self, written: str) -> str:
        found: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(written):
            value = (double or single or bare).replace('"', "&quot;")
            found.setdefault(name, _STRAY_AMPERSAND.sub("&amp;", value))
            self._prefixes.update(name.split(":")[:-1])
        return "".join(f' {name}="{value}"' for name, value in found.items() if name.count(":") < 2)

    def _end(self, name: str) -> None:
        """Close the element of that name and all within it; without one that is open, this is a stray end."""
        lowered = [one.lower() for one in self._open]
        if name.lower() not in lowered:
            return
        while True:
            last = self._open.pop()
            self._pieces.append(f"</{last}>")
            if last.lower() == name.lower():
                break
        self._is_over = not self._open

    def document(self) -> str:
        """Return what was collected, with its elements closed and its prefixes declared."""
        self._pieces += [f"</{name}>" for name in reversed(self._open)]
        if not self._pieces:
            return ""
        root = self._pieces[0]
        declared = set(re.findall(r"\sxmlns:([\w.-]+)=", root)) | {"xml", "xmlns"}
        missing = "".join(
            f' xmlns:{prefix}="{_PREFIXES.get(prefix, f"urn:undeclared:{prefix}")}"'
            for prefix in sorted(self._prefixes - declared)
        )
        cut = -2 if root.endswith("/>") else -1
        return "".join([root[:cut], missing, root[cut:], *self._pieces[1:]])
