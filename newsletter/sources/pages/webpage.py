"""A web page as a tree, and the small questions that articles, section pages and the search for feeds ask of it.

Everything here is pure and may take long on hostile html: call it in a child, through `Client.parse` (threat 8).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from lxml import etree, html

from newsletter.errors import FetchError
from newsletter.sources.detect import Shape, refusal, shape_of
from newsletter.sources.http import Answer
from newsletter.sources.text import absolute_url, from_html, plain_text

#: Bytes of a page that are looked at; news pages with all their scripts have one or two million.
PAGE_LIMIT = 5_000_000

_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
#: What pages mean by these names (WHATWG Encoding, section 4.2): always the larger set.
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-9": "cp1254",
    "utf-16": "utf-8",
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
}
#: Domains under which registries give out names, such as co.uk and com.au.
_SHARED = frozenset({"ac", "co", "com", "edu", "gob", "gouv", "gov", "gv", "ne", "net", "or", "org"})
#: Hosts under which every first label is a site of somebody else.
_HOSTING = frozenset(
    {"blogspot.com", "github.io", "gitlab.io", "medium.com", "substack.com", "tumblr.com", "wordpress.com"}
)


@dataclass(frozen=True)
class Webpage:
    """A page that was read. `url` is where it was found, after redirects; `root` its html element."""

    url: str
    root: Any

    @cached_property
    def base(self) -> str:
        """Where its relative addresses start from."""
        given = next((one.get("href") or "" for one in self.root.iter("base")), "")
        return absolute_url(given, self.url) or self.url

    @cached_property
    def metas(self) -> dict[str, list[str]]:
        """What its <meta> elements say: names in lower case -> contents in their order."""
        found: dict[str, list[str]] = {}
        for element in self.root.iter("meta"):
            content = plain_text(element.get("content") or element.get("value") or "")
            names = {element.get(key) or "" for key in ("property", "name", "itemprop", "http-equiv")}
            for name in names if content else ():
                found.setdefault(name.strip().lower(), []).append(content)
        return found

    def meta(self, *names: str) -> str:
        """Return the content of the first of these that the page has."""
        return next((self.metas[name][0] for name in names if name in self.metas), "")

    def links(self, *relations: str) -> Iterator[Any]:
        """Return its <link> elements with one of these relations."""
        for element in self.root.iter("link"):
            if set((element.get("rel") or "").lower().split()) & set(relations) and element.get("href"):
                yield element

    def scripts(self, kind: str) -> Iterator[str]:
        """Return the texts of its scripts of a type."""
        for element in self.root.iter("script"):
            if kind in (element.get("type") or "").lower():
                yield element.text or ""

    @cached_property
    def title(self) -> str:
        """What its <title> says; drawings have titles, too, and theirs do not count."""
        titles = (
            one for one in self.root.iter("title") if not any(above.tag == "svg" for above in one.iterancestors())
        )
        return next((text for text in map(words_of, titles) if text), "")

    def absolute(self, address: str) -> str:
        """Return `address` as an absolute URL, or nothing when it is none."""
        return absolute_url(address, self.base)


def read_page(answer: Answer) -> Webpage:
    """Return the web page in `answer`. Raises FetchError when it is something else."""
    if not _is_html(answer):
        raise refusal(answer, Shape.PAGE)
    text = decoded(answer.body[:PAGE_LIMIT], answer.content_type)
    # The parser trusts what the markup says of its encoding, so it gets bytes whose encoding is known.
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser, ensure_head_body=True)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise FetchError(answer.url, "This page is empty or damaged beyond reading. Open it in a browser.") from error
    return Webpage(answer.url, root)


def _is_html(answer: Answer) -> bool:
    shape = shape_of(answer.body)
    if shape is Shape.PAGE:
        return True
    return shape in {Shape.XML, Shape.TEXT, Shape.BINARY} and "html" in answer.content_type.lower()


def decoded(body: bytes, content_type: str) -> str:
    """Return the text of a page: by its byte-order mark, else as UTF-8 where it is that, else by what it declares."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        declared = _CHARSET.search(content_type) or _CHARSET.search(body[:4096].decode("ascii", "replace"))
        return body.decode(_encoding(declared[1] if declared else ""), "replace")


def _encoding(name: str) -> str:
    """Return the codec for what a page calls its encoding."""
    try:
        codec = codecs.lookup(name).name if name else "utf-8"
        b"".decode(codec)
    except (LookupError, ValueError):
        return "cp1252"
    return _MEANT.get(codec, codec)


def words_of(element: Any) -> str:
    """Return what an element of the tree says, as one line."""
    return from_html(etree.tostring(element, encoding="unicode", method="html", with_tail=False)).text or plain_text(
        element.text_content()
    )


def site_of(url: str) -> str:
    """Return the registered domain of `url`, such as example.org for https://m.news.example.org/1.

    Without the list of all registries it is a guess: the last two labels, or three where the second is one that
    registries use, or the host is one where everybody has a label.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    labels = host.split(".")
    if ":" in host or labels[-1].isdecimal() or len(labels) <= 2:
        return host
    shared = labels[-2] in _SHARED and len(labels[-1]) == 2
    hosted = ".".join(labels[-2:]) in _HOSTING and labels[-3] != "www"
    return ".".join(labels[-3 if shared or hosted else -2 :])
