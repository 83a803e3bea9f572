"""What the meta elements of a page say of its article: OpenGraph, article:*, twitter:*, Dublin Core, older names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from newsletter.sources.pages.facts import Facts, first_time, people, shown, truth, words
from newsletter.sources.pages.webpage import Webpage
from newsletter.sources.pictures import Picture
from newsletter.sources.text import language_tag

_TITLES = ("og:title", "twitter:title", "parsely-title", "sailthru.title", "dc.title", "dcterms.title", "headline")
_DESCRIPTIONS = ("og:description", "description", "twitter:description", "dc.description", "dcterms.description")
_PUBLISHED = (
    "article:published_time",
    "article:published:time",
    "article:published",
    "og:article:published_time",
    "og:published_time",
    "datepublished",
    "rnews:datepublished",
    "parsely-pub-date",
    "sailthru.date",
    "cxenseparse:recs:publishtime",
    "article.published",
    "publish-date",
    "publishdate",
    "publish_date",
    "publication_date",
    "pubdate",
    "originalpublicationdate",
    "published",
    "citation_publication_date",
    "dcterms.issued",
    "dc.date.issued",
    "dcterms.created",
    "dc.date.created",
    "date.created",
    "datecreated",
    "dcterms.date",
    "dc.date",
    "date",
    "created",
    "release_date",
    "article_date_original",
    "displaydate",
)
_UPDATED = (
    "article:modified_time",
    "article:modified",
    "og:updated_time",
    "datemodified",
    "dcterms.modified",
    "dc.date.modified",
    "article.updated",
    "last-modified",
    "lastmod",
    "revision_date",
    "updated",
)
_AUTHORS = (
    "author",
    "article:author",
    "byl",
    "parsely-author",
    "sailthru.author",
    "dc.creator",
    "dcterms.creator",
    "cxenseparse:author",
    "article:author_name",
    "citation_author",
)
_CATEGORIES = ("article:section", "parsely-section", "article:tag", "news_keywords", "keywords")
_IMAGES = (
    "og:image:secure_url",
    "og:image",
    "og:image:url",
    "twitter:image",
    "twitter:image:src",
    "sailthru.image.full",
    "parsely-image-url",
    "thumbnail",
    "image",
)


def from_meta(page: Webpage) -> Facts:
    """Return what the meta elements of a page say of its article."""
    names = (name for key in _AUTHORS for name in page.metas.get(key, ()))
    return Facts(
        title=shown(page.meta(*_TITLES)),
        description=_description(page),
        published_at=_time(page, _PUBLISHED),
        updated_at=_time(page, _UPDATED),
        authors=people(map(shown, names)),
        site=shown(page.meta("og:site_name", "twitter:app:name:iphone", "application-name", "dc.publisher")),
        pictures=tuple(_pictures(page)),
        language=_language(page),
        categories=words(word for key in _CATEGORIES for word in page.metas.get(key, ())),
        is_article=page.meta("og:type").lower().endswith("article"),
        is_free=truth(page.meta("article:content_tier").replace("free", "true").replace("locked", "false")),
    )


def _description(page: Webpage) -> str:
    """Return the description; of two that begin alike the longer, since cards on social networks are short."""
    offered = [shown(page.meta(name)) for name in _DESCRIPTIONS if name in page.metas]
    first = offered[0] if offered else ""
    start = re.sub(r"[\s.…\[\]]+$", "", first)
    return max((one for one in offered if one.startswith(start)), key=len, default="")


def _time(page: Webpage, names: tuple[str, ...]) -> datetime | None:
    return first_time(text for name in names for text in page.metas.get(name, ()))


def _language(page: Webpage) -> str:
    """Return the language of the html element, or of a meta element; many leave og:locale at en_US, so it is last."""
    given = (page.root.get("lang") or "", page.root.get("{http://www.w3.org/XML/1998/namespace}lang") or "")
    named = (page.meta(name).partition(",")[0] for name in ("content-language", "dc.language", "language", "og:locale"))
    return next((tag for tag in map(language_tag, (*given, *named)) if tag), "")


def _pictures(page: Webpage) -> Iterator[Picture]:
    alt = page.meta("og:image:alt", "twitter:image:alt")
    for name in _IMAGES:
        addresses = page.metas.get(name, [])
        sizes = [page.metas.get(f"og:image:{side}", []) for side in ("width", "height")]
        for place, address in enumerate(addresses[:10]):
            # Sizes belong to the picture before them; where some have none, only the first is certain.
            known = name.startswith("og:") and (place == 0 or all(len(one) == len(addresses) for one in sizes))
            width, height = (_number(one, place) if known else 0 for one in sizes)
            yield Picture(page.absolute(address), shown(alt), "", width, height)


def _number(sizes: list[str], place: int) -> int:
    text = sizes[place].removesuffix("px") if place < len(sizes) else ""
    return int(text) if text.isdecimal() and len(text) < 6 else 0
