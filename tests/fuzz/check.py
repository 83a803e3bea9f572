"""One damaged document through every reader of documents, and what must hold of all that comes out (F12)."""

from __future__ import annotations

import math
import pickle
import re
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from types import FrameType
from urllib.parse import urlsplit

from newsletter.errors import FetchError
from newsletter.sources import Fetched, Item
from newsletter.sources.detect import shape_of
from newsletter.sources.feed import parse_feed
from newsletter.sources.jsonfeed import parse_json_feed
from newsletter.sources.net.answers import Answer
from newsletter.sources.sitemap import Sitemap, parse_sitemap
from newsletter.sources.text import from_html, plain_text
from tests.fuzz.mutate import mutant, seeds

#: Seconds of computing after which a reader hangs; those that a busy machine takes away do not count.
LIMIT = 10
_TYPES = ("", "application/rss+xml", "text/xml; charset=utf-8", "text/html; charset=iso-8859-1", "x; charset=utf-16")
#: What no line of text has: controls, marks that override the direction, lone surrogates, noncharacters.
_NO_TEXT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_SIZES = {"title": 1_000, "summary": 10_000, "content": 10_000, "author": 500, "image_alt": 1_000, "image_credit": 500}


class Hang(BaseException):
    """A reader took too long. It is no Exception, so that no reader can swallow it."""


@dataclass(frozen=True)
class Failure:
    """What went wrong with the document of a number."""

    number: int
    reader: str
    what: str


def failures(numbers: Sequence[int]) -> Iterator[Failure]:
    """Yield what goes wrong with the documents of these numbers."""
    documents = seeds()
    for number in numbers:
        answer = Answer("https://feeds.example/dir/feed.xml", mutant(number, documents), _TYPES[number % len(_TYPES)])
        for reader, read in READERS.items():
            what = _tried(read, answer)
            if what:
                yield Failure(number, reader, what)


def _tried(read: Callable[[Answer], object], answer: Answer) -> str:
    """Return what goes wrong when `read` reads `answer`, or nothing."""
    try:
        with _limited():
            result = read(answer)
    except FetchError as error:
        return "" if error.sentence.isprintable() and len(error.sentence) < 600 else f"a sentence: {error.sentence!r}"
    except Hang:
        return f"took more than {LIMIT} s"
    except Exception:  # noqa: BLE001 - this is what is looked for
        return traceback.format_exc(limit=-4)
    return "; ".join(_wrong(result))


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _html(answer: Answer) -> object:
    text = answer.body.decode("utf-8", "surrogateescape")
    extract = from_html(text, answer.url)
    return [plain_text(text), extract.text, *(picture.alt for picture in extract.pictures)]


READERS: dict[str, Callable[[Answer], object]] = {
    "feed": parse_feed,
    "jsonfeed": parse_json_feed,
    "sitemap": parse_sitemap,
    "shape": lambda answer: shape_of(answer.body),
    "html": _html,
}


def _wrong(result: object) -> Iterator[str]:
    """Yield what does not hold of a result."""
    if pickle.loads(pickle.dumps(result)) != result:
        yield "it is another after it travelled between processes"
    if isinstance(result, list):
        yield from (f"text {text[:80]!r}" for text in result if _NO_TEXT.search(text))
    if isinstance(result, Sitemap):
        yield from (f"address {child.url!r}" for child in result.children if not _is_web_address(child.url))
        result = result.fetched
    if isinstance(result, Fetched):
        yield from (f"problem {problem!r}" for problem in result.problems if not problem.isprintable())
        if len(result.items) > 200 or len(result.title) > 1_000:
            yield "it is too large"
        for item in result.items:
            yield from _wrong_with(item)


def _wrong_with(item: Item) -> Iterator[str]:
    if not item.title.strip():
        yield "no title"
    if not _is_web_address(item.url) or not (not item.image_url or _is_web_address(item.image_url)):
        yield f"address {item.url!r} {item.image_url!r}"
    for time in (item.published_at, item.updated_at):
        if time is not None and (time.tzinfo is not UTC or not 1969 < time.year < 2101):
            yield f"time {time!r}"
    texts = [(name, getattr(item, name)) for name in (*_SIZES, "language")]
    for name, text in [*texts, *(("category", category) for category in item.categories)]:
        found = _NO_TEXT.search(text.replace("\n", " ") if name == "content" else text)
        if found or len(text) > _SIZES.get(name, 100):
            yield f"{name} {text[:80]!r}"
    if len(item.categories) > 20:
        yield "too many categories"
    if item.point and not (
        all(map(math.isfinite, item.point)) and abs(item.point[0]) <= 90 and abs(item.point[1]) <= 180
    ):
        yield f"point {item.point}"


def _is_web_address(url: str) -> bool:
    parts = urlsplit(url)
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and not _NO_TEXT.search(url)
    )
