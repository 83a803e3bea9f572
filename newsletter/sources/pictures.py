"""Which of the pictures that a source offers for a story is shown, and what is said about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote, urlsplit

from newsletter.sources.prose.captions import worded


@dataclass(frozen=True)
class Picture:
    """A picture of a story. `url` is absolute, or empty for no picture; 0 stands for a size that is not known."""

    url: str
    alt: str = ""
    credit: str = ""
    width: int = 0
    height: int = 0


#: Stands for the lack of one.
NO_PICTURE = Picture("")

#: Smaller ones are thumbnails that would be blown up (mail shows 600 pixels).
_LEAST_WIDTH, _LEAST_HEIGHT = 200, 100
#: Width to height beyond which a picture is a banner or a ribbon.
_WIDEST, _TALLEST = 4.0, 1 / 3
#: The width that a picture of unknown size is taken to have: more than a thumbnail, less than what is stated as large.
_ASSUMED_WIDTH = 450
#: Beyond this, more pixels are no gain.
_ENOUGH = 1600

#: Hosts and paths that count readers or show buttons and faces, never a story's picture.
_COUNTERS = re.compile(
    r"//(?:pixel|stats|counter|count|beacon|tracking?|analytics|metrics|ad|ads|px)\d*\.|feedburner\.com/~|"
    r"feedsportal\.com|doubleclick\.net|googlesyndication\.com|google-analytics\.com|scorecardresearch\.com|"
    r"quantserve\.com|vgwort\.de|facebook\.com/tr\b|feedblitz\.com|feeds\.wordpress\.com|pheedo\.com|gravatar\.com|"
    r"/core/emoji/|/smil(?:ies|eys)/|/emoji/|twemoji|/republication-tracker|/tracking-pixel|/pixel\.|/count\.gif|"
    r"share-buttons|addtoany\.com|addthis\.com|/plugins/",
    re.IGNORECASE,
)
#: Words in a file's name that say it is no picture of anything that happened.
_STAND_INS = frozenset(
    {"1x1", "ajax", "apple-touch", "avatar", "avatars", "blank", "button", "clear", "default", "dummy", "emoji"}
    | {"fallback", "favicon", "favicons", "gravatar", "icon", "icons", "loader", "loading", "logo", "logos", "logotype"}
    | {"missing", "noimage", "nopic", "pixel", "placeholder", "rss", "share", "sharing", "spacer", "spinner", "sprite"}
    | {"sprites", "tracker", "tracking", "transparent", "twittercard", "watermark", "wordmark", "nophoto", "badge"}
    | {"userpic", "thumb-default", "sitelogo", "ogimage", "opengraph", "socialshare"}
)
#: A long name that has such a word among others, of a large picture, is a headline ("...-unveils-new-logo-in-...").
_HEADLINE_WORDS, _HEADLINE_WIDTH = 5, 600
_FORMATS = re.compile(r"\.(svgz?|gif|bmp|ico|tiff?|avif|heic)(?:$|[?#])", re.IGNORECASE)
#: What no mail shows and nobody decodes safely.
_UNSHOWN = frozenset({"svg", "svgz", "ico", "avif", "heic", "tif", "tiff", "bmp"})


def best(pictures: Iterable[Picture]) -> Picture:
    """Return the picture to show, or NO_PICTURE: the widest sane one, and of those of one width the first.

    Left out are counters of readers, logos and other stand-ins, thumbnails, banners, and formats that mail programs do
    not show; an animation is taken only where there is nothing else. A picture whose size is not known counts as
    middling. Its alt text is dropped where it says nothing.
    """
    sane = (measured(picture) for picture in pictures)
    chosen = max((picture for picture in sane if is_sane(picture)), key=_rank, default=NO_PICTURE)
    return replace(chosen, alt=worded(chosen.alt))


def _rank(picture: Picture) -> tuple[bool, int]:
    return _format(picture.url) != "gif", min(picture.width or _ASSUMED_WIDTH, _ENOUGH)


def is_sane(picture: Picture) -> bool:
    """Say whether a picture may stand beside a story, by its address and what is known of its size."""
    width, height = picture.width, picture.height
    if not picture.url or _format(picture.url) in _UNSHOWN or _COUNTERS.search(picture.url):
        return False
    if 0 < width < _LEAST_WIDTH or 0 < height < _LEAST_HEIGHT:
        return False
    if width and height and not _TALLEST <= width / height <= _WIDEST:
        return False
    words = _words(picture.url)
    if _STAND_INS.isdisjoint(words):
        return True
    return len(words) > _HEADLINE_WORDS and width >= _HEADLINE_WIDTH


def _format(url: str) -> str:
    match = _FORMATS.search(urlsplit(url).path)
    return match[1].lower() if match else ""


def _words(url: str) -> list[str]:
    """Return the words of a file's name, and its folder's, where the name is only a number or a size."""
    parts = [unquote(part) for part in urlsplit(url).path.split("/") if part]
    name = re.sub(r"\.[a-z]{3,4}$", "", parts[-1] if parts else "", flags=re.IGNORECASE)
    if len(parts) > 1 and not re.search(r"[^\W\d_]{3}", name):
        name = f"{parts[-2]}-{name}"
    if re.search(
        r"no[-_]?(?:image|photo|picture|thumb)|(?:facebook|twitter|social|og|default)[-_](?:image|card|share)",
        name,
        re.I,
    ):
        return ["placeholder"]
    return [word for word in re.split(r"[\W_]+", name.lower()) if word]


# Sizes

_URL_SIZES = (
    re.compile(r"[-_/](?P<w>\d{2,4})x(?P<h>\d{2,4})(?=[-_./]|$)"),
    re.compile(r"[/,]w_(?P<w>\d{2,4})(?:,(?:[a-z]_[^,/]*,)*h_(?P<h>\d{2,4}))?(?=[,/])"),
    re.compile(r"=w(?P<w>\d{2,4})(?:-h(?P<h>\d{2,4}))?(?=-|$)"),
    re.compile(r"ichef\.bbci?\.co\.uk/[\w/]*?/(?P<w>\d{2,4})/"),
    re.compile(r"/s(?P<w>\d{2,4})(?:-c)?/"),
)
_WIDTH_NAMES, _HEIGHT_NAMES = ("w", "width", "imwidth", "maxwidth"), ("h", "height", "maxheight")


def measured(picture: Picture) -> Picture:
    """Return `picture` with the size that its address states (-150x150.jpg, ?w=300, ?resize=640,480).

    It wins over the one that a page shows it in.
    """
    url = picture.url
    if not url:
        return picture
    width, height = _query_size(urlsplit(url).query)
    for pattern in _URL_SIZES if not width else ():
        if match := pattern.search(url):
            width, height = int(match["w"]), int(match.groupdict().get("h") or 0)
            break
    return replace(picture, width=width, height=height) if width else picture


def _query_size(query: str) -> tuple[int, int]:
    try:
        values = {name.lower(): texts[-1] for name, texts in parse_qs(query, max_num_fields=50).items()}
    except ValueError:
        return 0, 0
    for name in ("resize", "fit", "crop"):
        if match := re.fullmatch(r"(\d{2,4})[,x](\d{2,4})", values.get(name, "")):
            return int(match[1]), int(match[2])
    width = next((number(values[name]) for name in _WIDTH_NAMES if name in values), 0)
    return width, next((number(values[name]) for name in _HEIGHT_NAMES if name in values), 0) if width else 0


def number(text: str) -> int:
    """Return a size in pixels as an attribute gives it ("600", "600px"), or 0 when it is none."""
    match = re.fullmatch(r"\s*(\d{1,5})(?:\.\d+)?(?:px)?\s*", text)
    return int(match[1]) if match else 0


def original(url: str) -> str:
    """Return what the addresses of one picture in several sizes have in common: no size, no query, no scheme."""
    path = re.sub(r"-\d{2,4}x\d{2,4}(?=\.\w{3,4}$)|-scaled(?=\.\w{3,4}$)", "", url.partition("?")[0])
    return path.partition("://")[2] or path


# Html

_LAZY = (
    "data-src",
    "data-lazy-src",
    "data-original",
    "data-orig-file",
    "data-full-url",
    "data-large-file",
    "data-image",
)
_SETS = ("srcset", "data-srcset", "data-lazy-srcset")
_CANDIDATE = re.compile(r"([^\s,]\S*[^\s,])(?:\s+(\d{1,5})w|\s+[\d.]{1,6}x)?\s*(?:,|$)")
_SET_LIMIT = 12


def offered(elements: Sequence[dict[str, str]]) -> list[Picture]:
    """Return the pictures that an <img> offers, its own address first; the elements before it are its <source>s.

    Lazy ones have a stand-in as their address and the picture in another attribute. A pixel that counts readers is
    none. Addresses stay as they are.
    """
    img = elements[-1]
    sizes = {img.get("width", "").strip().removesuffix("px"), img.get("height", "").strip().removesuffix("px")}
    if sizes & {"0", "1", "2"}:
        return []
    alt = img.get("alt", "")
    found = {
        img.get("src", ""): Picture(
            img.get("src", ""), alt, "", number(img.get("width", "")), number(img.get("height", ""))
        )
    }
    for name in _LAZY:
        found.setdefault(img.get(name, ""), Picture(img.get(name, ""), alt))
    for element in (img, *elements[:-1]):
        if not re.search(r"avif|svg", element.get("type", "")):
            for url, width in _set(next((element[name] for name in _SETS if name in element), "")):
                found.setdefault(url, Picture(url, alt, width=width))
    return [picture for url, picture in found.items() if url.strip() and not url.lstrip().lower().startswith("data:")]


def _set(srcset: str) -> list[tuple[str, int]]:
    """Return the addresses of a srcset with their widths, 0 where it gives a density."""
    found = _CANDIDATE.findall(" ".join(srcset[:20_000].split()))[:_SET_LIMIT]
    return [(url, int(width or 0)) for url, width in found]
