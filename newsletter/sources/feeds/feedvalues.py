"""Values out of what feedparser gives back, each of the type it should have or missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from newsletter.sources.text import absolute_url

_MARKUP = re.compile(r"</[a-z]|<(?:br|hr|img|p|script|style|iframe|svg|wbr)\b|&(?:#\w+|[a-z]\w+);", re.IGNORECASE)
_PAGES = ("", "text/html", "application/xhtml+xml")
_ALTERNATE = ("", "alternate", "http://www.iana.org/assignments/relation/alternate")


def plain(value: Any) -> Any:
    """Return feedparser's dicts as plain ones: its own answer to one name with the value of another."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in dict.items(value)}
    return [plain(part) for part in value] if isinstance(value, list) else value


def string(part: dict[str, Any], name: str) -> str:
    """Return the text under `name`, or nothing."""
    value = part.get(name)
    return value if isinstance(value, str) else ""


def dicts(part: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the dicts in the list under `name`."""
    value = part.get(name)
    return [found for found in value if isinstance(found, dict)] if isinstance(value, list) else []


def is_markup(text: str) -> bool:
    """Say whether a text of unknown type looks like html."""
    return bool(_MARKUP.search(text))


def web_link(entry: dict[str, Any], base: str, *, is_atom: bool) -> str:
    """Return the address of the entry's page, or nothing.

    Of several, the page comes before other documents (RFC 4287 section 4.2.7), and the publisher's own address before
    that of a service that counts clicks. Where no link is given, a guid, an id or the address of the content is one.
    """
    for address in _addresses(entry, is_atom=is_atom):
        url = absolute_url(address, base)
        if url and url != base:  # an empty link leads back to the feed
            return url
    return ""


def _addresses(entry: dict[str, Any], *, is_atom: bool) -> Iterator[str]:
    yield string(entry, "feedburner_origlink")
    alternates = [link for link in dicts(entry, "links") if string(link, "rel") in _ALTERNATE]
    pages = [link for link in alternates if string(link, "type") in _PAGES]
    if not is_atom and pages:  # of several, the last is RSS's, as most readers see it
        yield string(entry, "link")
    yield from (string(link, "href") for link in pages)
    yield string(entry, "link")
    yield from (string(link, "href") for link in alternates)
    if "guidislink" not in entry or entry["guidislink"]:
        yield from filter(re.compile("https?://", re.IGNORECASE).match, [string(entry, "id")])
    yield from (absolute_url(string(content, "src"), string(content, "base")) for content in dicts(entry, "content"))


def point(entry: dict[str, Any]) -> tuple[float, float] | None:
    """Return the place of an entry in degrees north and east: its point, or the middle of its line, box or area.

    The point where the equator meets the meridian of Greenwich stands for a place that is not known.
    """
    where = entry.get("where")
    corners = _corners(where.get("coordinates")) if isinstance(where, dict) else []
    if not corners:
        corners = _corners([string(entry, "geo_long"), string(entry, "geo_lat")])
    if not corners:
        return None
    east, north = (sum(values) / len(corners) for values in zip(*corners, strict=True))
    if not (-90 <= north <= 90 and -180 <= east <= 180) or (north, east) == (0, 0):
        return None
    return round(north, 6), round(east, 6)


def _corners(coordinates: Any) -> list[tuple[float, float]]:
    """Return the pairs of degrees east and north in feedparser's nested coordinates."""
    if not isinstance(coordinates, (list, tuple)):
        return []
    if len(coordinates) >= 2 and all(isinstance(one, (str, float, int)) for one in coordinates[:2]):
        try:
            pair = float(coordinates[0]), float(coordinates[1])
        except ValueError:
            return []
        return [pair] if all(map(math.isfinite, pair)) else []
    return [pair for one in coordinates[:1_000] for pair in _corners(one)]
