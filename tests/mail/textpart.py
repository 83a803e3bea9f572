"""T12: the text part says what the html says (R59, R60)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.mail.view import MailView, visible_text

#: The least overlap of the two parts' words (Jaccard): of an issue (issue 4, point 8), and of a short mail, whose html may
#: say what to do when its button does nothing (R60). Characters of a line that is no address.
OVERLAP, SHORT_OVERLAP, WIDTH = 0.95, 0.85, 78
#: Scripts that put no spaces between words: each character counts as one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|shy|zwnj|#\d+|#x[0-9a-f]+);")


def problems(view: MailView) -> Iterator[str]:
    """Yield what the text part lacks or has too much; a page without a text part has no problems."""
    if not view.text:
        return
    yield from _lines(view)
    yield from _stories(view)
    yield from _links(view)
    overlap = word_overlap(view)
    if overlap < (OVERLAP if view.headlines else SHORT_OVERLAP):
        here, there = _words(visible_text(view.root)), _words(view.text)
        only = f"only in html {sorted(here - there)[:6]}, only in text {sorted(there - here)[:6]}"
        yield f"R60: the two parts share {overlap:.3f} of their words; {only}"


def word_overlap(view: MailView) -> float:
    """Return how much of the words of both parts stands in both, from 0 to 1; addresses do not count."""
    here, there = _words(visible_text(view.root)), _words(view.text)
    return len(here & there) / len(here | there) if here | there else 0.0


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(_ADDRESS.sub(" ", text))}


def _lines(view: MailView) -> Iterator[str]:
    for line in view.text.splitlines():
        if len(line) > WIDTH and not _ADDRESS.search(line):
            yield f"R59: a line of the text part has {len(line)} characters: {line[:40]}"
    if re.search("[\u2007\u034f]", view.text):
        yield "R59: the text part holds filler"
    if not any(_ENTITY.search(one) for one in (*view.headlines, *view.summaries)) and _ENTITY.search(
        _ADDRESS.sub("", view.text)
    ):
        yield "R59: the text part holds an html entity"


def _stories(view: MailView) -> Iterator[str]:
    """Headlines, summaries and links follow one another as in the html, each story's address once."""
    squeezed = _squeezed(view.text)
    at = 0
    for piece in (piece for story in zip(view.headlines, view.summaries, view.links, strict=True) for piece in story):
        found = squeezed.find(_squeezed(piece), at)
        if piece and found < 0:
            yield f"R59: the text part lacks, or has out of order: {piece[:60]}"
        at = max(at, found)
    for address in filter(None, view.links):
        count = _ADDRESS.findall(view.text).count(address)
        if count != view.links.count(address):
            yield f"R59: the text part names {address} {count} times"


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _links(view: MailView) -> Iterator[str]:
    shown = {link.get("href") for link in view.root.iter("a")}
    # An address that a story merely mentions in its own words is no link in either part.
    mentioned = set(_ADDRESS.findall(" ".join((*view.headlines, *view.summaries)))) - shown
    named = set(_ADDRESS.findall(view.text)) - mentioned
    if lost := sorted(shown - named):
        yield f"R60: links of the html that the text part lacks: {lost[:3]}"
    if more := sorted(named - shown):
        yield f"R60: addresses of the text part that the html does not link: {more[:3]}"
