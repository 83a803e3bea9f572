"""The tree of a feed, before feedparser reads it: which of its entries are the newest, and what they show.

Media RSS is taken out here, since feedparser mixes its titles and descriptions with those of the entry, and forgets
which credit belongs to which picture.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from newsletter.sources.feeds.dates import parse_date
from newsletter.sources.pictures import Picture
from newsletter.sources.text import absolute_url, from_html

#: Elements that date an entry, the most telling first.
_DATES = ("pubdate", "published", "issued", "date", "updated", "modified", "created")
_OLDEST = datetime.min.replace(tzinfo=UTC)
_PICTURE_NAME = re.compile(r"\.(?:jpe?g|png|webp|gif)(?:$|[?#])", re.IGNORECASE)
#: Elements of one entry, and characters of a name, that are looked at.
_PART_LIMIT, _NAME_LENGTH = 500, 500
_NAMES = tuple(
    f"{{*}}{name}" for name in ("author", "creator", "name", "email", "managingEditor", "webMaster", "publisher")
)
_SOUND_OR_FILM = re.compile(
    r"\.(?:mp[34]|m4[av]|mov|webm|m3u8|mpd|ogg|wav|avi|wmv|flv|swf|pdf)(?:$|[?#])|youtu|vimeo", re.IGNORECASE
)
#: Media elements of one entry that are looked at, and the length of a description that still describes a picture.
_MEDIA_LIMIT, _ALT_LIMIT = 100, 400


@dataclass(frozen=True)
class Media:
    """What an entry's Media RSS says: its pictures, and words that are the entry's where it has none of its own."""

    pictures: tuple[Picture, ...] = ()
    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()


def name_of(element: Any) -> str:
    """Return the name of an element in lower case and without its namespace; nothing for what is no element."""
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def entries_of(root: Any) -> list[Any]:
    """Return the elements that are entries, in order."""
    return list(root.iter("{*}item", "{*}entry", "{*}ITEM", "{*}Item"))


def newest(entries: list[Any], limit: int) -> list[Any]:
    """Return the newest entries in their order, at most `limit`. The others are taken out of the tree."""
    if len(entries) <= limit:
        return entries
    places = sorted(range(len(entries)), key=lambda place: _date(entries[place]), reverse=True)
    kept = set(places[:limit])
    for place, entry in enumerate(entries):
        if place not in kept:
            _remove(entry)
    return [entries[place] for place in sorted(kept)]


def _date(entry: Any) -> datetime:
    """Return when an entry appeared; one without a date counts as the oldest."""
    found = {name: child.text for child in reversed(entry) if (name := name_of(child)) in _DATES and child.text}
    dates = (parse_date(found[name]) for name in _DATES if name in found)
    return next((date for date in dates if date), _OLDEST)


def one_by_one(root: Any, entries: list[Any]) -> Iterator[Any]:
    """Yield for each entry the tree with this entry alone. The tree itself is taken apart."""
    parents = [entry.getparent() for entry in entries]
    for entry in entries:
        _remove(entry)
    for entry, parent in zip(entries, parents, strict=True):
        if parent is not None:
            parent.append(entry)
            yield copy.deepcopy(root)
            parent.remove(entry)


def bound(root: Any, entries: list[Any]) -> None:
    """Take out what no feed has: of an entry more than _PART_LIMIT elements, and the ends of endless names.

    feedparser takes a time that grows with the square of both (threat 8).
    """
    for entry in entries:
        del entry[_PART_LIMIT:]
    for element in root.iter(*_NAMES):
        element.text = (element.text or "")[:_NAME_LENGTH]


def settle_places(root: Any) -> None:
    """Take out the names of systems of coordinates that are not numbers of the EPSG; over them, feedparser raises."""
    for element in root.iter("{http://www.opengis.net/gml}*"):
        if element.get("srsName") and not re.search(r"EPSG:+\d{1,6}$", element.get("srsName")):
            del element.attrib["srsName"]


def settle_links(entry: Any) -> None:
    """Make feedparser read the links of an RSS item as they are meant; Atom's need no help.

    A guid that is no web address is no link, whatever isPermaLink says or does not say. The text of a link is its
    address, and comes before links of Atom beside it.
    """
    if name_of(entry) != "item":
        return
    links = [child for child in entry if name_of(child) == "link"]
    written = [link for link in links if (link.text or "").strip()]
    for link in links:
        if link in written:
            link.attrib.pop("uri", None)
            link.attrib.pop("url", None)
        elif written and link.tag.startswith("{http://www.w3.org/2005/Atom}") and link.get("rel") != "enclosure":
            _remove(link)
    for guid in (child for child in entry if name_of(child) == "guid"):
        is_address = re.match(r"\s*https?://", guid.text or "", re.IGNORECASE)
        guid.set("isPermaLink", guid.get("isPermaLink", "true").strip().lower() if is_address else "false")


def may_have_media(text: str) -> bool:
    """Say whether Media RSS may be in a document; where it is not, nobody need look at every element."""
    return "search.yahoo.com/mrss" in text or "<media:" in text


def take_media(entry: Any, base: str) -> Media:
    """Take the Media RSS elements out of an entry and return what they say. Relative addresses start from `base`."""
    elements = [element for element in entry.iter(etree.Element) if _is_media(element)]
    outermost = [element for element in elements if not _is_media(element.getparent())]
    pictures = [picture for element in elements[:_MEDIA_LIMIT] for picture in _pictures(element, base)]
    words = {
        name: next((text for element in outermost[:_MEDIA_LIMIT] if (text := _said(element, name))), "")
        for name in ("title", "description", "keywords", "category")
    }
    for element in outermost:
        _remove(element)
    keywords = tuple(word.strip() for word in f"{words['keywords']},{words['category']}".split(",") if word.strip())
    return Media(tuple(pictures), words["title"], words["description"], keywords)


def _is_media(element: Any) -> bool:
    return element is not None and isinstance(element.tag, str) and "search.yahoo.com/mrss" in element.tag


def _said(element: Any, name: str) -> str:
    """Return what a media element or one of its children of that name says."""
    return next((_words(one) for one in element.iter(etree.Element) if name_of(one) == name and _words(one)), "")


def _words(element: Any) -> str:
    return from_html("".join(element.itertext())).text


def _pictures(element: Any, base: str) -> Iterator[Picture]:
    name = name_of(element)
    url = absolute_url(element.get("url") or (element.text or "" if name == "thumbnail" else ""), base)
    if not url or not (name == "thumbnail" or (name == "content" and is_picture(element.attrib, url))):
        return
    description, title = _nearest(element, "description"), _nearest(element, "title")
    alt = description if len(description) <= _ALT_LIMIT else ""
    yield Picture(
        url, alt or title, _nearest(element, "credit"), size(element.get("width")), size(element.get("height"))
    )


def _nearest(element: Any, name: str) -> str:
    """Return what is said about a media element: in it, or beside it or one that it is in (Media RSS 1.5.1)."""
    while element is not None:
        said = [_words(child) for child in element if name_of(child) == name and _is_media(child)]
        if any(said):
            return next(filter(None, said))
        if not _is_media(element):
            break
        element = element.getparent()
    return ""


def is_picture(media: Any, url: str) -> bool:
    """Say whether a media element or an enclosure, by its attributes, is a picture.

    One that says nothing but its size is taken for one: whoever fetches it will see.
    """
    kind, medium = (media.get("type") or "").lower(), (media.get("medium") or "").lower()
    if kind or medium:
        return kind.startswith("image/") or medium == "image"
    sized = bool(media.get("width") and media.get("height")) and not media.get("duration")
    return bool(_PICTURE_NAME.search(url)) or (sized and not _SOUND_OR_FILM.search(url))


def size(written: str | None) -> int:
    """Return a width or height in pixels, or 0 when it is none."""
    digits = (written or "").strip().removesuffix("px")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else 0


def _remove(element: Any) -> None:
    """Take an element out of its parent, but not the text behind it."""
    parent = element.getparent()
    if parent is None:
        return
    before = element.getprevious()
    if element.tail and before is not None:
        before.tail = (before.tail or "") + element.tail
    elif element.tail:
        parent.text = (parent.text or "") + element.tail
    parent.remove(element)
