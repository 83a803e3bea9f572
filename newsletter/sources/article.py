"""One article by its address: headline, text, date and picture from JSON-LD, meta elements, plain html and the text.

Nothing gets past a paywall: where a page says that its whole text is not for everybody, only what it shows counts.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Item, Previous
from newsletter.sources.entries import fetched, unchanged
from newsletter.sources.feeds.dates import parse_date
from newsletter.sources.http import Answer, Client
from newsletter.sources.pages.facts import Facts, from_linked_data
from newsletter.sources.pages.links import day_in_address
from newsletter.sources.pages.markup_facts import from_markup
from newsletter.sources.pages.meta_facts import from_meta
from newsletter.sources.pages.walls import refuse_wall
from newsletter.sources.pages.webpage import Webpage, read_page, site_of
from newsletter.sources.pictures import Picture, best
from newsletter.sources.text import plain_text
from newsletter.stories import shorten

#: What a page is asked for.
HTML = "text/html, application/xhtml+xml;q=0.9, */*;q=0.1"

#: Characters of an article's text that are kept, and of a summary that is made from it.
_TEXT_LIMIT = 20_000
_SUMMARY_LIMIT = 600
#: A text shorter than this is no article's; what the JSON-LD gives is better.
_SHORT_TEXT = 250
#: A description of no more characters, such as a place name, says nothing of the story.
_SHORT_SUMMARY = 25

#: Characters of a title that are looked at.
_TITLE_LIMIT = 1_000
#: A heading of so many characters is a headline.
_HEADLINE = 25
#: A part of a title that another part of the page repeats is the headline when it has so many characters.
_REPEATED = 10

_CUT = re.compile(r"(?:…|\.\.\.|\[(?:…|\.\.\.|&hellip;)\]|\(\.\.\.\))\s*$")
_SEPARATOR = re.compile(r"\s+(?:[|\-–—•·»«›*/~]|::|\|\|)\s+|\s*(?:[|｜ㅣ：]|--)\s*")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Article:
    """An article as its page shows it.

    `site` is the name of the site. `is_free` says whether everybody may read the whole, and is None where the page does
    not say. `is_certain` is false for a page that does not call itself an article and has no date.
    """

    item: Item
    site: str = ""
    is_free: bool | None = None
    is_certain: bool = True


def read_article(answer: Answer) -> Article:
    """Return the article in `answer`.

    Raises FetchError when this is no web page, has no headline, or shows a wall (consent, login, JavaScript) instead.
    """
    page = read_page(answer)
    told = (from_linked_data(page), from_meta(page), from_markup(page))
    says_so = told[0].is_article or told[1].is_article
    text = _readable(page)
    if not says_so:
        refuse_wall(page, text)
    site = _site(told, page)
    title = _title(told, page, site)
    if not title:
        raise FetchError(answer.url, "This page has no headline, so it is no article. Open it in a browser.")
    is_free = told[0].is_free if told[0].is_free is not None else told[1].is_free
    content = _content(told[0], text, is_free=is_free).removeprefix(title).strip()
    published, updated = _times(told, page)
    picture = _picture(told)
    item = Item(
        url=_canonical(told, page),
        title=title,
        summary=_summary(told, content, title),
        published_at=published,
        updated_at=updated,
        author=_author(told, {_bare(site), _bare(told[0].site)}),
        language=_first(told, lambda one: one.language, ""),
        image_url=picture.url,
        image_alt=picture.alt,
        image_credit=picture.credit,
        content=content,
        categories=_first(told, lambda one: one.categories, ()),
    )
    return Article(item, site, is_free, says_so or _has_date(told, page, content))


def _first(told: Iterable[Facts], value: Callable[[Facts], Any], otherwise: Any) -> Any:
    return next(filter(None, map(value, told)), otherwise)


def _site(told: Sequence[Facts], page: Webpage) -> str:
    """Return the site's name: what the page's meta elements say, then its publisher, then its host."""
    names = (told[1].site, told[0].site, (urlsplit(page.url).hostname or "").removeprefix("www."))
    return next(filter(None, names), "")


def _title(told: Sequence[Facts], page: Webpage, site: str) -> str:
    """Return the headline without the site's name: the one that most parts of the page agree on, else the first.

    One that is cut, or is only the site's name, loses to the others.
    """
    names = {_bare(name) for name in (site, told[0].site, site_of(page.url).partition(".")[0]) if name}
    linked, meta, heading = (one.title for one in told)
    # A heading is what readers see; a short one may as well be the site's name or a logo's words.
    is_sound = len(heading) >= _HEADLINE or (heading in page.title and len(heading) >= _REPEATED)
    order = (linked, heading, meta) if is_sound else (linked, meta, heading)
    offered = [title[:_TITLE_LIMIT] for title in (*order, page.title) if title]
    titles = [title for title in (_without_site(title, names, offered) for title in offered) if title]
    own = [title for title in titles if _bare(title) not in names] or titles
    whole = [title for title in own if not _CUT.search(title) and not _is_cut(title, own)] or own
    # No vote for <title>: it is written for search engines, and og:title often repeats it.
    bare = [_bare(_without_site(one.title[:_TITLE_LIMIT], names, offered)) for one in told]
    return max(whole, key=lambda title: bare.count(_bare(title)), default="")


def _is_cut(title: str, others: Iterable[str]) -> bool:
    """Say whether `title` is one of the others cut off: schema.org wants no headline over 110 characters."""
    start = _CUT.sub("", title)
    return len(start) >= 60 and any(other.startswith(start) and len(other) > len(title) for other in others)


def _bare(text: str) -> str:
    """Return the letters and digits of a text, to compare names by."""
    return "".join(_WORD.findall(text.casefold())).removeprefix("the").replace("_", "")


def _without_site(title: str, names: set[str], offered: Sequence[str]) -> str:
    """Return a title without the parts at its end or beginning that name the site.

    A part goes when it is the site's name, or when what is left is what another part of the page calls itself.
    """
    for _ in range(3):
        places = list(_SEPARATOR.finditer(title))
        heads = [title[: place.start()].strip() for place in places]
        tails = [title[place.end() :].strip() for place in places]
        known = next((part for part in (*heads, *tails) if part in offered and len(part) >= _REPEATED), "")
        if known:
            return known
        if places and _names(tails[-1], names):
            title = heads[-1]
        elif places and _names(heads[0], names):
            title = tails[0]
        else:
            break
    return title


def _names(part: str, names: set[str]) -> bool:
    """Say whether a part of a title is the site's name, or begins with it: Example News UK."""
    bare = _bare(part)
    return any(
        bare == name or (len(name) > 3 and bare.startswith(name) and len(bare) < len(name) + 9) for name in names
    )


def _readable(page: Webpage) -> str:
    """Return the text of the article without what stands around it."""
    import trafilatura  # noqa: PLC0415 - takes half a second to load, and only articles need it

    try:
        text = trafilatura.extract(
            page.root, url=page.url, include_comments=False, include_tables=False, include_images=False
        )
    except Exception as error:  # It raises anything on odd trees; the page's other words are still good.
        raise FetchError(page.url, f"The text of this page cannot be read ({type(error).__name__}).") from error
    return text or ""


def _content(linked: Facts, text: str, *, is_free: bool | None) -> str:
    """Return the text to keep. What JSON-LD holds of a paid article is not what the page shows, so it stays unread."""
    shown = plain_text(" ".join(text.splitlines()))
    if len(shown) < _SHORT_TEXT and is_free is not False and len(linked.text) > len(shown):
        shown = linked.text
    return shorten(shown, _TEXT_LIMIT)


def _summary(told: Sequence[Facts], content: str, title: str) -> str:
    """Return what the page says the article is about; one that is cut loses to the others, and to the text."""
    offered = [one.description for one in told if one.description and _bare(one.description) != _bare(title)]
    whole = [text for text in offered if not _CUT.search(text) and len(text) > _SHORT_SUMMARY]
    if whole:
        return whole[0]
    if content:
        return shorten(content, _SUMMARY_LIMIT)
    return next(iter(offered), "")


def _author(told: Sequence[Facts], names: set[str]) -> str:
    """Return the authors' names; people before the site itself."""
    people = (tuple(name for name in one.authors if _bare(name) not in names) for one in told)
    return ", ".join(next(filter(None, people), ()) or _first(told, lambda one: one.authors, ()))


def _times(told: Sequence[Facts], page: Webpage) -> tuple[datetime | None, datetime | None]:
    """Return when the article was published and updated. The day in an address beats what plain html may mean."""
    linked, meta, markup = told
    published, day = linked.published_at or meta.published_at, day_in_address(page.url)
    if published is None:
        seen = markup.published_at
        published = seen if seen and (day is None or seen.date() == day.date()) else day or _guessed_day(page)
    updated = linked.updated_at or meta.updated_at or markup.updated_at
    return published, updated if published is None or updated is None or updated > published else None


def _has_date(told: Sequence[Facts], page: Webpage, content: str) -> bool:
    """Say whether the page itself is dated. Lists of stories show dates, too, but have no text of their own."""
    linked, meta, markup = told
    if linked.published_at or meta.published_at or day_in_address(page.url):
        return True
    return markup.published_at is not None and len(content) >= _SHORT_TEXT


def _guessed_day(page: Webpage) -> datetime | None:
    """Return the day that htmldate finds in the page's text, its last resort and ours; None when there is none."""
    import htmldate  # noqa: PLC0415 - takes as long to load as the rest of a command, and few articles need it

    try:
        day = htmldate.find_date(copy.deepcopy(page.root), original_date=True, extensive_search=False, url=page.url)
    except Exception:  # noqa: BLE001 - it raises anything on odd trees, and a story may have no date
        return None
    return parse_date(day) if day else None


def _picture(told: Sequence[Facts]) -> Picture:
    """Return the picture to show: what the article names, else what it shows; with words and credit from wherever."""
    pictures = [picture for one in told for picture in one.pictures]
    named = best(picture for one in told[:2] for picture in one.pictures)
    chosen = named if named.url else best(pictures)
    twins = [one for one in pictures if _file(one.url) == _file(chosen.url)]
    alt = chosen.alt or next((one.alt for one in twins if one.alt), "")
    return replace(chosen, alt=alt, credit=chosen.credit or next((one.credit for one in twins if one.credit), ""))


def _file(url: str) -> str:
    """Return what two sizes of one picture have in common: the name of the file."""
    return re.sub(r"[-_]\d{2,4}x\d{2,4}(?=\.)", "", urlsplit(url).path.rpartition("/")[2]).lower()


def _canonical(told: Sequence[Facts], page: Webpage) -> str:
    """Return the address that the page gives as its own, where that can be; else where it was found.

    Some sites name their front page or a section there on every page, and some another site.
    """
    asked = urlsplit(page.url)
    offered = [one.get("href") or "" for one in page.links("canonical")]
    offered += [page.meta("og:url"), *(url for one in told for url in one.urls)]
    for url in map(page.absolute, offered):
        parts = urlsplit(url)
        path = parts.path.rstrip("/")
        is_above = asked.path.rstrip("/") != path and asked.path.startswith(f"{path}/")
        if url and site_of(url) == site_of(page.url) and (path or parts.query) and not (is_above and not parts.query):
            return url
    return page.url


class ArticleSource:
    """A source of kind `article`: one article, which is its only item."""

    def __init__(self, url: str, client: Client) -> None:
        self._url = url
        self._client = client

    def fetch(self, previous: Previous) -> Fetched:
        """Return the article, or `not_modified`. Raises FetchError."""
        answer = self._client.get(self._url, previous, accept=HTML)
        if answer.not_modified:
            return unchanged(answer)
        article = self._client.parse(read_article, answer)
        return fetched(answer, article.site, [article.item])
