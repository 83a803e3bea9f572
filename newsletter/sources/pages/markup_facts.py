"""What the html of a page shows of its article: microdata, headings, <time> elements, bylines and figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

from lxml import etree

from newsletter.sources.pages.facts import Facts, first_time, people, pixels
from newsletter.sources.pages.webpage import Webpage, words_of
from newsletter.sources.pictures import Picture
from newsletter.sources.text import language_tag, plain_text

#: Places in which the article itself is looked for, most certain first.
_BODIES = (
    "//*[@itemprop='articleBody']",
    "//article[not(ancestor::article)]",
    "//main",
    "//*[@role='main']",
    "//*[contains(@class,'article') or contains(@class,'entry-content') or contains(@class,'post-content')]",
)
_TITLES = (
    "//h1[@itemprop='headline' or @itemprop='name']",
    "//*[@itemprop='headline']",
    "//h1[contains(@class,'headline') or contains(@class,'title')]",
    "//article//h1",
    "//main//h1",
    "//h1",
    "//article//h2[contains(@class,'title') or contains(@class,'headline')]",
)
_PUBLISHED = (
    "//*[@itemprop='datePublished']",
    "//time[@pubdate]",
    "//article[1]//header//time",
    "//time[contains(@class,'publish') or contains(@class,'entry-date') or contains(@class,'posted')]",
    "//article[1]//time[@datetime]",
    "//main//time[@datetime]",
    "//*[contains(@class,'publish') or contains(@class,'pubdate') or contains(@class,'dateline')"
    " or contains(@class,'entry-date') or contains(@class,'post-date') or contains(@class,'article-date')"
    " or contains(@class,'timestamp')]",
    "//time",
)
_UPDATED = ("//*[@itemprop='dateModified']", "//time[contains(@class,'updated') or contains(@class,'modified')]")
_AUTHORS = (
    "//*[@itemprop='author']//*[@itemprop='name']",
    "//*[@itemprop='author']",
    "//*[@rel='author']",
    "//article//a[contains(@href,'/author/') or contains(@href,'/authors/') or contains(@href,'/autor/')]",
    "//*[contains(@class,'byline')]//a",
    "//*[contains(@class,'author-name') or contains(@class,'byline-name')]",
)
#: Elements that hold a byline, with more words than the names.
_BYLINES = ("//*[contains(@class,'byline')]", "//*[contains(@class,'author')]", "//*[contains(@id,'author')]")
#: One to three names of people in a row, each of two to four words that begin with a capital.
_NAME = r"[^\W\d_a-z][\w.'’-]+(?: (?:de|von|van|der|la|el|al|di|du|bin|ten|[^\W\d_a-z])[\w.'’-]*){1,3}"
_NAMES = re.compile(
    r"(?:(?i:words by|written by|by|von|par|por|di|door|av|af|od):?\s+)?"
    rf"({_NAME}(?:(?:, | and | und | et | y ){_NAME}){{0,2}})\s*(?:$|[|•·,(/\d–-])"
)
#: From so many names in different places on, they are those of other articles, too.
_MANY = 4
_LANGUAGES = "//article | //main | //body"
_CREDIT_CLASS = re.compile(r"credit|copyright|photographer|source|attribution", re.IGNORECASE)
_CREDIT = re.compile(
    r"(?:photo(?:graph)?(?: by| credit)?|foto|image(?: credit)?|picture|credit|bild|cr[ée]dits?|source|quelle|фото|©)"
    r"\s*[:/–-]?\s+([^.]{3,80})\.?$",
    re.IGNORECASE,
)
_SOURCES = ("src", "data-src", "data-original", "data-lazy-src", "data-hi-res-src")


def from_markup(page: Webpage) -> Facts:
    """Return what the html of a page shows of its article."""
    return Facts(
        title=_title(page),
        description=plain_text(_said(page, ("//*[@itemprop='description']",), most=1_000)),
        published_at=_time(page, _PUBLISHED),
        updated_at=_time(page, _UPDATED),
        authors=_authors(page),
        pictures=tuple(_pictures(page)),
        language=next(filter(None, (language_tag(one.get("lang") or "") for one in _found(page, _LANGUAGES))), ""),
    )


@cache
def _path(expression: str) -> Any:
    return etree.XPath(expression)


def _found(page: Webpage, expression: str) -> list[Any]:
    return list(_path(expression)(page.root))[:50]


def _said(page: Webpage, expressions: Iterable[str], most: int = 300) -> str:
    """Return the first text that is there and not longer than a headline can be."""
    texts = (_text(one) for expression in expressions for one in _found(page, expression))
    return next((text for text in texts if 0 < len(text) <= most), "")


def _text(element: Any) -> str:
    return plain_text(element.get("content") or "") or words_of(element)


def _title(page: Webpage) -> str:
    """Return the page's headline; where it has several <h1>, the one that its <title> repeats."""
    headings = [text for text in map(_text, _found(page, "//h1")) if text]
    repeated = [text for text in headings if text in page.title and len(text) > 15]
    return max(repeated, key=len, default="") or _said(page, _TITLES)


def _time(page: Webpage, expressions: Iterable[str]) -> datetime | None:
    for expression in expressions:
        for element in _found(page, expression)[:5]:
            texts = (element.get("datetime"), element.get("content"), element.get("title"), element.text_content())
            time = first_time(plain_text(text[:300]) for text in texts if text)
            if time:
                return time
    return None


def _authors(page: Webpage) -> tuple[str, ...]:
    for expression in _AUTHORS:
        names = people(text for text in map(_text, _found(page, expression)[:8]) if len(text) <= 60)
        if names:
            return names if len(names) < _MANY else names[:1]
    for expression in _BYLINES:
        for element in _found(page, expression)[:5]:
            match = _NAMES.match(_text(element)[:200])
            if match:
                return people(re.split(r", | and | und | et | y ", match[1]))
    return ()


def _pictures(page: Webpage) -> Iterator[Picture]:
    """Return the pictures in the article, those of figures first."""
    for body in _BODIES:
        pictures = [
            picture for one in _found(page, f"({body})[1]//figure[.//img]")[:20] if (picture := _figure(one, page)).url
        ]
        pictures += [_image(one, page) for one in _found(page, f"({body})[1]//img")[:30]]
        if pictures:
            yield from pictures
            return


def _figure(figure: Any, page: Webpage) -> Picture:
    image = _image(next(figure.iter("img")), page)
    captions = list(figure.iter("figcaption"))
    if not captions:
        return image
    caption, credit = _caption(captions[0])
    return Picture(image.url, image.alt or caption, credit, image.width, image.height)


def _caption(element: Any) -> tuple[str, str]:
    """Return the words under a picture and who made it."""
    whole = words_of(element) or plain_text(element.text_content())
    marked = next((one for one in element.iter() if _CREDIT_CLASS.search(one.get("class") or "")), None)
    if marked is not None and marked is not element:
        credit = plain_text(marked.text_content())
        return plain_text(whole.replace(credit, "")), _CREDIT.sub(r"\1", credit)
    match = _CREDIT.search(whole)
    return (plain_text(whole[: match.start()]), plain_text(match[1])) if match else (whole, "")


def _image(element: Any, page: Webpage) -> Picture:
    """Return the picture of an <img>; a pixel that counts readers has no address."""
    width, height = pixels(element.get("width")), pixels(element.get("height"))
    # Scripts that load pictures late put whole lists of them (srcset) where one address belongs.
    addresses = ((element.get(name) or "").strip().partition(" ")[0].rstrip(",") for name in _SOURCES)
    url = next((url for url in map(page.absolute, addresses) if url), "")
    if 0 < width < 50 or 0 < height < 50:
        url = ""
    return Picture(url, plain_text(element.get("alt") or ""), "", width, height)
