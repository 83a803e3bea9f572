"""What a page says of its article in JSON-LD (schema.org), in the form in which all ways of telling are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from newsletter.sources.feeds.dates import parse_date
from newsletter.sources.pages.linkeddata import Node, by_id, parts, read_linked_data, strings, types
from newsletter.sources.pages.webpage import Webpage
from newsletter.sources.pictures import Picture
from newsletter.sources.text import from_html, language_tag, plain_text

#: Types of schema.org that are an article although their names do not end so.
_ARTICLES = frozenset({"BlogPosting", "LiveBlogPosting", "SocialMediaPosting", "Report", "Review", "NewsMediaArticle"})
#: Types that say less of a story than an article does, in the order in which they are asked.
_LESSER = ("VideoObject", "NewsVideo", "PodcastEpisode", "AudioObject", "ImageGallery", "WebPage", "ItemPage")
#: No page was published before the Web was; years up to here stand for none.
_UNKNOWN_YEAR = 1992
#: Names that are no person's or newsroom's: addresses, and what publishing systems put there by themselves.
_NO_AUTHOR = re.compile(
    r"https?:|www\.|@|^[\d\W]+$|^(?:admin|administrator|editor|none|null|undefined|staff)$", re.IGNORECASE
)
_BY = re.compile(r"^(?:by|von|par|por|di|da|door|av|od|автор|by:|von:)[\s:]+(?=\w)", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """What one way of telling says; what it does not say is empty. `text` is the whole article."""

    title: str = ""
    description: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    authors: tuple[str, ...] = ()
    site: str = ""
    pictures: tuple[Picture, ...] = ()
    language: str = ""
    categories: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    text: str = ""
    #: Whether everybody may read the whole, where it says so.
    is_free: bool | None = None
    #: Whether it says that this is an article, and not just a page.
    is_article: bool = False


def from_linked_data(page: Webpage) -> Facts:
    """Return what the JSON-LD of a page says of its article."""
    nodes = read_linked_data(page.scripts("ld+json"))
    index = by_id(nodes)
    articles = [node for node in nodes if _is_article(node) and _title(node)]
    main = _main(articles, page)
    if main:
        return replace(_facts(main, index, page), is_article=True)
    lesser = [node for kind in _LESSER for node in nodes if kind in types(node)]
    return replace(_facts(lesser[0], index, page), text="") if lesser else Facts()


def is_article_type(name: str) -> bool:
    """Say whether a type of schema.org is one of articles: NewsArticle, ReportageNewsArticle, BlogPosting ..."""
    return name.endswith("Article") or name in _ARTICLES


def _is_article(node: Node) -> bool:
    return any(is_article_type(name) for name in types(node))


def _title(node: Node) -> str:
    return next((text for text in map(shown, strings(node.get("headline")) + strings(node.get("name"))) if text), "")


def _main(articles: list[Node], page: Webpage) -> Node | None:
    """Return the article that the page is about: the one at its address, or under its title, or the first.

    A page that names several is likely to name them as a list, and its own article with more to say than the others.
    """
    here = {_key(url) for url in (page.url, page.meta("og:url"), *(one.get("href") for one in page.links("canonical")))}
    heading = f"{page.meta('og:title')} {page.title}".casefold()

    def fitness(node: Node) -> tuple[bool, bool, bool]:
        urls = strings(node.get("url")) + strings(node.get("mainEntityOfPage")) + strings(node.get("@id"))
        return (
            any(_key(url) in here for url in urls),
            _title(node).casefold() in heading,
            "datePublished" in node,
        )

    return max(articles, key=fitness, default=None)


def _key(url: str) -> str:
    parts_of = urlsplit(url.strip()) if "[" not in url else urlsplit("")
    return f"{parts_of.netloc.removeprefix('www.')}{parts_of.path.rstrip('/')}".lower() if parts_of.path else url


def _facts(node: Node, index: dict[str, Node], page: Webpage) -> Facts:
    site = [_name(one) for one in parts(node.get("publisher"), index) + parts(node.get("isPartOf"), index)]
    return Facts(
        title=_title(node),
        description=_text(node, "description") or _text(node, "abstract") or _text(node, "alternativeHeadline"),
        published_at=_first_time(node, "datePublished", "uploadDate", "dateCreated"),
        updated_at=_first_time(node, "dateModified"),
        authors=people(_name(one) for one in parts(node.get("author"), index) + parts(node.get("creator"), index)),
        site=next(filter(None, site), ""),
        pictures=tuple(_pictures(node, index, page)),
        language=_language(node.get("inLanguage")),
        categories=words(strings(node.get("articleSection")) + strings(node.get("keywords"))),
        urls=tuple(strings(node.get("mainEntityOfPage")) + strings(node.get("url"))),
        text=_text(node, "articleBody"),
        is_free=truth(node.get("isAccessibleForFree")),
    )


def shown(text: str) -> str:
    """Return a text that may hold markup or html's references as one line."""
    return from_html(text).text if "<" in text or "&" in text else plain_text(text)


def _text(node: Node, name: str) -> str:
    return next((text for text in map(shown, strings(node.get(name))) if text), "")


def _name(thing: Node | str) -> str:
    if isinstance(thing, str):
        return shown(thing)
    joined = " ".join(strings(thing.get("givenName")) + strings(thing.get("familyName")))
    return next(map(shown, strings(thing.get("name"))), shown(joined))


def _pictures(node: Node, index: dict[str, Node], page: Webpage) -> Iterator[Picture]:
    for one in parts(node.get("image"), index) + parts(node.get("thumbnailUrl"), index):
        if isinstance(one, str):
            yield Picture(page.absolute(one))
            continue
        for address in (strings(one.get("url")) or strings(one.get("contentUrl")) or strings(one.get("@id")))[:1]:
            yield Picture(
                page.absolute(address),
                _text(one, "caption") or _text(one, "description"),
                _text(one, "creditText") or _text(one, "copyrightNotice") or _credit(one, index),
                pixels(one.get("width")),
                pixels(one.get("height")),
            )


def _credit(image: Node, index: dict[str, Node]) -> str:
    return next(filter(None, map(_name, parts(image.get("creator") or image.get("author"), index))), "")


def pixels(value: object) -> int:
    """Return a size in pixels: 1200, "1200", "1200px" or a QuantitativeValue; 0 when it is none."""
    if isinstance(value, dict):
        value = value.get("value")
    match = (
        re.match(r"\s*(\d{1,5})(?:\.\d+)?(?:\s*px)?\s*$", str(value)) if isinstance(value, str | int | float) else None
    )
    return int(match[1]) if match else 0


def truth(value: object) -> bool | None:
    """Return what a value says of yes or no: True, "true" or an address that ends so; None when it says neither."""
    said = next(iter(strings(value)), "") if not isinstance(value, bool) else str(value)
    return {"true": True, "false": False}.get(said.strip().lower().rpartition("/")[2])


def _language(value: object) -> str:
    listed = value if isinstance(value, list) else [value]
    names = [one.get("alternateName") or one.get("name") if isinstance(one, dict) else one for one in listed[:1]]
    return next((language_tag(one) for one in strings(names) if len(one) <= 11), "")


def words(texts: Iterable[str]) -> tuple[str, ...]:
    """Return sections and keywords, each once; keywords may be one text with commas."""
    words = (shown(word) for text in texts for word in re.split(r"[,;]", text[:5_000]))
    return tuple(dict.fromkeys(word for word in words if 1 < len(word) <= 80 and not word.startswith("http")))[:30]


def people(names: Iterable[str]) -> tuple[str, ...]:
    """Return authors' names, each once and in its order."""
    cleaned = (_BY.sub("", name).strip(" ,|") for name in names)
    return tuple(dict.fromkeys(name for name in cleaned if 1 < len(name) <= 120 and not _NO_AUTHOR.search(name)))[:8]


def _first_time(node: Node, *names: str) -> datetime | None:
    return first_time(text for name in names for text in strings(node.get(name)))


def first_time(texts: Iterable[str]) -> datetime | None:
    """Return the first UTC time that one of the texts names, or None."""
    times = (parse_date(text.strip()) for text in texts)
    return next((time for time in times if time and time.year > _UNKNOWN_YEAR), None)
