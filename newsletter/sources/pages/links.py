"""The links to articles on a section page, told from those of its navigation. Pure: run it in a child (threat 8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from newsletter.sources.http import Answer
from newsletter.sources.pages.facts import is_article_type, shown
from newsletter.sources.pages.linkeddata import Node, parts, read_linked_data, strings, types
from newsletter.sources.pages.webpage import Webpage, read_page, site_of, words_of
from newsletter.sources.text import plain_text
from newsletter.stories import NotAWebAddress, canonical_url

#: Articles of one page that are read, from its top.
LINK_LIMIT = 30
#: Links of one page that are looked at.
_LOOKED_AT = 5_000

#: A headline has so many letters, or so many words; of scripts without spaces half the letters are enough.
_HEADLINE_LETTERS, _HEADLINE_WORDS = 25, 4

_DAY = re.compile(r"/((?:19|20)\d\d)[/-]?(0[1-9]|1[0-2])[/-]?(0[1-9]|[12]\d|3[01])(?=[/_-]|$)")
_MONTH = re.compile(r"/(?:19|20)\d\d/(?:0?[1-9]|1[0-2]|[a-z]{3})/")
_IDENTITY = re.compile(r"(?:^|[^0-9a-z])[a-z]{0,3}\d{5,}(?:$|[^0-9a-z])|\d{6,}", re.IGNORECASE)
_QUERY_IDENTITY = re.compile(
    r"(?:^|&)(?:id|p|story|article|newsid|nid|aid|artid|storyid|idx?no)=[\w-]*\d[\w-]*", re.IGNORECASE
)
_PAGE_ENDING = re.compile(r"\.(?:s?html?|php|aspx?|jsp|cms|ece|amp)$", re.IGNORECASE)
_MEDIA = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|avif|pdf|docx?|xlsx?|pptx?|zip|gz|mp3|m4a|mp4|m3u8|webm|ogg|wav|xml|rss|atom|json|js|css|"
    r"ics|apk|exe|epub)$",
    re.IGNORECASE,
)
#: Programs of a site that show an article in another way, or a form about it.
_TOOL = re.compile(
    r"(?:print|pdf|mail|e-?mail|comments?|share|send|contact|contact-author|tell-a-friend|search|login|rss)"
    r"(?:\.(?:php|aspx?|html?))?$",
    re.IGNORECASE,
)
#: Parts of a path that hold lists or persons, wherever they stand.
_LISTS = frozenset(
    {"tag", "tags", "category", "categories", "author", "authors", "autor", "autoren", "auteur", "kategorie"}
    | {"topic", "topics", "thema", "themen", "people", "person", "profile", "profiles", "user", "users", "contributors"}
    | {"search", "suche", "buscar", "recherche", "feed", "feeds", "rss", "comments", "comment-page", "share", "print"}
    | {"login", "signin", "sign-in", "logout", "register", "signup", "sign-up", "subscribe", "subscription", "abo"}
    | {"account", "my-account", "checkout", "cart", "wp-admin", "wp-login.php", "wp-content", "cdn-cgi", "archive"}
    | {"categoria", "page", "label", "temas", "etiqueta", "mot-cle", "dossier", "dossiers", "series", "staff"}
)
#: First parts of a path under which a site speaks of itself.
_OWN = frozenset(
    {"about", "about-us", "contact", "contact-us", "kontakt", "impressum", "imprint", "privacy", "privacy-policy"}
    | {"terms", "terms-of-service", "terms-of-use", "terms-and-conditions", "legal", "datenschutz", "cookies"}
    | {"help", "faq", "jobs", "careers", "advertise", "advertising", "werbung", "shop", "store", "newsletter", "apps"}
    | {"newsletters", "sitemap", "accessibility", "donate", "membership", "support", "corrections", "ethics", "games"}
    | {"puzzles", "crosswords", "horoscopes", "horoscope", "weather", "wetter", "tv-guide", "epaper", "e-paper", "agb"}
)
_NAVIGATION = frozenset({"nav", "footer", "header", "form"})
_NAVIGATION_CLASS = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|menu|footer|breadcrumbs?|social|share|cookie|pagination|pager|tags?|taglist)(?:$|[\s_-])",
    re.IGNORECASE,
)
#: Lists of schema.org that hold articles. A BreadcrumbList holds sections.
_LISTINGS = frozenset({"ItemList"})
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


@dataclass(frozen=True)
class Section:
    """What a section page shows: its name and the addresses of its articles, in its order."""

    title: str
    links: tuple[str, ...]


@dataclass
class _Offer:
    """One address on the page, with what speaks for its being an article."""

    url: str
    text: str = ""
    is_listed: bool = False
    is_framed: bool = False


def read_section(answer: Answer) -> Section:
    """Return the articles that the page in `answer` links to. Raises FetchError when it is no web page."""
    page = read_page(answer)
    title = shown(page.meta("og:site_name")) or page.title
    return Section(title, tuple(article_links(page)))


def article_links(page: Webpage) -> list[str]:
    """Return the addresses of the articles on a page, at most LINK_LIMIT, in its order, each once."""
    offers: dict[str, _Offer] = {}
    for url in _listed(page):
        _note(offers, page, url, "", is_listed=True, is_framed=False)
    for anchor in list(page.root.iter("a"))[:_LOOKED_AT]:
        frame = _frame(anchor)
        if frame is not None:
            _note(offers, page, anchor.get("href") or "", _headline(anchor), is_listed=False, is_framed=frame)
    return [offer.url for offer in offers.values() if _is_article(offer)][:LINK_LIMIT]


def _note(
    offers: dict[str, _Offer], page: Webpage, address: str, text: str, *, is_listed: bool, is_framed: bool
) -> None:
    """Note an address that may be an article of this site; of its links the longest text counts."""
    url = page.absolute(address).partition("#")[0]
    if not url or site_of(url) != site_of(page.url):
        return
    try:
        key = canonical_url(url)
    except NotAWebAddress:
        return
    if key == canonical_url(page.url) or not may_be_article(url):
        return
    offer = offers.setdefault(key, _Offer(url))
    offer.text = max(offer.text, text, key=len)
    offer.is_listed |= is_listed
    offer.is_framed |= is_framed


def _listed(page: Webpage) -> Iterator[str]:
    """Return the addresses that the page's JSON-LD lists: of an ItemList, or of articles that it names."""
    for node in read_linked_data(page.scripts("ld+json")):
        kinds = types(node)
        if any(map(is_article_type, kinds)):
            yield from strings(node.get("url")) + strings(node.get("mainEntityOfPage"))
        elif kinds & _LISTINGS:
            for one in parts(node.get("itemListElement"), {}):
                yield from strings(one) if isinstance(one, str) else _item_of(one)


def _item_of(element: Node) -> list[str]:
    """Return the address of an element of an ItemList: its own, or that of the thing that it lists."""
    item = element.get("item")
    return strings(element.get("url")) or (strings(item.get("url")) if isinstance(item, dict) else []) or strings(item)


def _frame(anchor: Any) -> bool | None:
    """Say whether a link stands in an <article>, a list's heading or the like; None when it stands in navigation."""
    is_heading = any(True for _ in anchor.iter(*_HEADINGS))
    for above in anchor.iterancestors():
        if above.tag == "article" or above.tag in _HEADINGS:
            return True
        if above.tag in _NAVIGATION or above.get("role") == "navigation":
            return None
        if above.tag not in {"body", "html", "main"} and _NAVIGATION_CLASS.search(above.get("class") or ""):
            return None
    return is_heading


def _headline(anchor: Any) -> str:
    """Return what a link calls its target: its heading, else all of its words, else its label."""
    heading = next(anchor.iter(*_HEADINGS), None)
    text = words_of(heading if heading is not None else anchor)
    return text or plain_text(anchor.get("aria-label") or anchor.get("title") or "")


def may_be_article(url: str) -> bool:
    """Say whether an address can be an article's: no front page, list, person, form or file."""
    parts = urlsplit(url)
    path = [part for part in unquote(parts.path).lower().split("/") if part]
    if not path:
        return bool(_QUERY_IDENTITY.search(parts.query))
    if (
        _MEDIA.search(path[-1])
        or not _LISTS.isdisjoint(path[:-1])
        or path[-1] in _LISTS
        or path[0] in _OWN
        or _TOOL.match(path[-1])
    ):
        return False
    return not re.fullmatch(r"index(?:\.\w+)?|default\.aspx?|home|(?:19|20)\d\d-?[01]\d-?[0-3]\d", path[-1]) or bool(
        parts.query
    )


def looks_like_article(url: str) -> bool:
    """Say whether an address has the shape of an article's: a date, a number, or a name of several words."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    last = _PAGE_ENDING.sub("", path.rstrip("/").rpartition("/")[2])
    if _DAY.search(path) or _MONTH.search(path.lower()) or _QUERY_IDENTITY.search(parts.query):
        return bool(last) and not re.fullmatch(r"[\d-]{1,10}", last)
    words = [word for word in re.split(r"[-_+ ]", last) if word]
    return len(words) >= _HEADLINE_WORDS or bool(_IDENTITY.search(last)) or (len(words) >= 3 and len(last) >= 24)


def _is_article(offer: _Offer) -> bool:
    """Decide by address, place on the page and text together."""
    words = offer.text.split()
    letters = sum(2 if ord(letter) > 0x2E80 else 1 for letter in offer.text)
    is_headline = len(words) >= _HEADLINE_WORDS or letters >= _HEADLINE_LETTERS
    shape = looks_like_article(offer.url)
    if offer.is_listed:
        return shape or is_headline
    return (shape and (is_headline or (offer.is_framed and bool(offer.text)))) or (offer.is_framed and is_headline)


def day_in_address(url: str) -> datetime | None:
    """Return the day in an address such as https://example.org/2026/11/17/bridge, or None."""
    match = _DAY.search(urlsplit(url).path)
    try:
        return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC) if match else None
    except ValueError:
        return None
