"""From what a source gives to what would be stored. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.models import Story
from newsletter.sources import Item
from newsletter.sources.prose.language import language_of
from newsletter.sources.prose.summaries import dateline_of, summary_of
from newsletter.sources.prose.titles import without_outlet
from newsletter.sources.text import absolute_url, language_tag, plain_text
from newsletter.stories import NotAWebAddress, canonical_url, shorten

TITLE_LIMIT = 500
#: Characters of a summary, whatever its sentences are.
SUMMARY_LIMIT = 1_000
URL_LIMIT = 2_000
CATEGORY_LIMIT = 20
DATELINE_LIMIT = 100
#: A source's clock may be wrong by so much; a date further ahead is no date.
_CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True)
class Candidate:
    """An item as it would be stored: cleaned, cut to size and dated. Its fields are columns of `Story`."""

    url: str
    link: str
    title: str
    summary: str
    author: str
    language: str
    image_url: str
    image_alt: str
    image_credit: str
    categories: tuple[str, ...]
    dateline: str
    latitude: float | None
    longitude: float | None
    published_at: datetime
    is_dated: bool


def candidates(
    items: Iterable[Item], *, language: str, now: datetime, name: str = ""
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Return what would be stored of `items`, and a sentence for each that cannot be.

    `language` is the source's, for items that name none; `name` is the source's, which headlines need not repeat. Of
    two items with one canonical URL the first counts.
    """
    items = list(items)
    titles = [plain_text(item.title) for item in items]
    headlines = without_outlet(titles, [name], [_host(item.url) for item in items])
    kept: dict[str, Candidate] = {}
    problems = []
    for item, title, headline in zip(items, titles, headlines, strict=True):
        candidate = _candidate(item, title, headline, language, now)
        if isinstance(candidate, str):
            problems.append(candidate)
        else:
            kept.setdefault(candidate.url, candidate)
    return tuple(kept.values()), tuple(problems)


def _candidate(item: Item, given_title: str, headline: str, usual_language: str, now: datetime) -> Candidate | str:
    """Return the item as it would be stored, or the sentence on why it cannot be.

    `headline` is the title without its outlet; with it the title says which texts are the title once more.
    """
    try:
        url = canonical_url(item.url)
    except NotAWebAddress as error:
        return f"{error} The entry was left out."
    link = absolute_url(item.url) or url
    title = shorten(headline, TITLE_LIMIT)
    if max(len(url), len(link)) > URL_LIMIT:
        return f"The address of {title[:80]!r} is longer than {URL_LIMIT:,} characters; the entry was left out."
    if not title:
        return f"The entry at {link} has no title; it was left out."
    given, content = _lines(item.summary), _lines(item.content)
    declared = language_tag(item.language) or usual_language
    language = language_of(f"{title}. {given or content}", declared=declared, usual=usual_language)
    image_url = absolute_url(item.image_url)
    date = item.published_at or item.updated_at
    is_dated = date is not None and date <= now + _CLOCKS_DIFFER
    latitude, longitude = item.point or (None, None)
    return Candidate(
        url=url,
        link=link,
        title=title,
        summary=shorten(summary_of(shorten(given_title, TITLE_LIMIT), given, content, language), SUMMARY_LIMIT),
        author=shorten(plain_text(item.author), 200),
        language=language,
        image_url=image_url if len(image_url) <= URL_LIMIT else "",
        image_alt=shorten(plain_text(item.image_alt), 500),
        image_credit=shorten(plain_text(item.image_credit), 200),
        categories=_categories(item.categories),
        dateline=shorten(dateline_of(given or content), DATELINE_LIMIT),
        latitude=latitude,
        longitude=longitude,
        published_at=min(date, now) if date and is_dated else now,
        is_dated=is_dated,
    )


def _host(address: str) -> str:
    """Return the host that an address names; whether it is a web address at all, canonical_url says."""
    return address.partition("://")[2].partition("/")[0].lower()


def _lines(text: str) -> str:
    """Return the text clean, line by line: a line is a block, and a heading is told from a sentence by that."""
    return "\n".join(filter(None, map(plain_text, text.splitlines())))


def _categories(given: Iterable[str]) -> tuple[str, ...]:
    clean = (shorten(plain_text(category), 100) for category in given)
    return tuple(dict.fromkeys(filter(None, clean)))[:CATEGORY_LIMIT]


def changes(story: Story, source_id: int, candidate: Candidate) -> dict[str, str]:
    """Return the columns of a known story that the candidate changes, with their new values.

    Only the source that brought a story first may change its words; what others bring is the same story from elsewhere.
    """
    if story.source_id != source_id:
        return {}
    names = ("title", "summary", "image_url", "image_alt", "image_credit")
    fresh = {name: getattr(candidate, name) for name in names}
    return {name: value for name, value in fresh.items() if value != getattr(story, name)}
