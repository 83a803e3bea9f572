"""Headlines: without the outlet that is named in them, and told from columns that are no story. Pure."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from newsletter.sources.prose.sentences import words_in

#: What stands between a headline and an outlet after it.
_LAST = re.compile(r"(?P<rest>.*\S)(?:\s+[-–—·•|]\s+|\s+::\s+|\s*\|\s+)(?P<last>\S.*)", re.DOTALL)
#: And between one before it and the headline.
_FIRST = re.compile(r"(?P<first>[^:|]{2,60}?)\s*(?P<mark>[:|])\s+(?P<rest>\S.*)", re.DOTALL)
_DOMAIN = re.compile(r"(?:[\w-]+\.)+[a-z]{2,12}", re.IGNORECASE)
#: Words of an outlet's name that its host may lack.
_COMMON = re.compile(
    r"\b(?:the|der|die|das|le|la|les|el|il|de|online|news|nachrichten|noticias|actualités|новини|новости|com|net|org)\b"
)
#: The end of a host's name: "co.uk", "com.br", "de".
_ENDING = re.compile(r"(?:\.(?:co|com|org|net|gov|edu|ac|in))?\.[a-z-]+(?::\d+)?$")
#: Readers of other people's feeds, which end each headline with the outlet it is from.
_AGGREGATORS = frozenset({"news.google.com"})
#: An outlet has at most so many words.
_OUTLET_WORDS = 5
#: What has to be left of a headline.
_FEWEST_WORDS, _FEWEST_LETTERS = 3, 15
#: An ending that so many headlines of a fetch share, and this part of them, is no part of any.
_FEWEST_ALIKE, _PART_ALIKE = 4, 1 / 3
#: From so many headlines on, of which nearly all end like that, all endings at an aggregator are outlets.
_FEWEST_AGGREGATED, _PART_AGGREGATED = 8, 0.95
#: Outlets after a headline at most: "Headline | Section | Outlet" has two.
_OUTLETS = 2


@dataclass(frozen=True)
class _Table:
    """titles.toml: the letters of outlets' names, and the patterns of columns by language."""

    outlets: frozenset[str]
    columns: dict[str, re.Pattern[str]]


@dataclass(frozen=True)
class _Outlets:
    """What counts as an outlet in the headlines of one fetch; names are letters in which two writings agree."""

    names: frozenset[str]
    #: Endings and beginnings that many headlines have.
    endings: frozenset[str]
    beginnings: frozenset[str]
    #: Whether each headline of an aggregator ends with its outlet.
    is_aggregated: bool


@lru_cache(maxsize=1)
def _table() -> _Table:
    """Return the table; it waits for the first headline."""
    groups = tomllib.loads(Path(__file__).with_name("titles.toml").read_text(encoding="utf-8"))
    columns = {name: re.compile("|".join(patterns), re.IGNORECASE) for name, patterns in groups["columns"].items()}
    return _Table(frozenset(map(_letters, groups["outlets"]["names"])), columns)


def is_routine(title: str, language: str = "") -> bool:
    """Say whether a headline is that of a column rather than of one story.

    Such are rounds of the news, open threads, pictures of the week, corrections, podcasts, listings and live tickers.
    `language` is a BCP 47 tag; the patterns of English count besides its own, and without one those of all languages.
    """
    columns = _table().columns
    base = language.partition("-")[0].lower()
    wanted = ("any", "en", base) if base in columns else tuple(columns)
    title = title[:300].strip()
    return any(columns[name].search(title) for name in dict.fromkeys(wanted))


def without_outlet(titles: Sequence[str], names: Sequence[str], hosts: Sequence[str]) -> list[str]:
    """Return the headlines of one fetch without the outlet before or after them: "Ferry reopens - Odesa Post".

    `names` are the source's; `hosts` has the host of each story. An ending goes when it is one of the names or the
    host's in other words, when a third of the headlines (four or more) share it, and at an aggregator when it is a
    domain, an outlet of titles.toml, or when all of its headlines have one. At least three words stay.
    """
    outlets = _outlets_of(titles, names, hosts)
    return [_bare(title, host.lower(), outlets) for title, host in zip(titles, hosts, strict=True)]


def _bare(title: str, host: str, outlets: _Outlets) -> str:
    for _ in range(_OUTLETS):
        parts = _LAST.fullmatch(title)
        if not parts or not _is_enough(parts["rest"]) or not _is_outlet(parts["last"], host, outlets):
            break
        title = parts["rest"].rstrip()
        outlets = _Outlets(outlets.names, outlets.endings, outlets.beginnings, is_aggregated=False)
    parts = _FIRST.match(title)
    is_own = parts is not None and _is_own_beginning(parts["first"], parts["mark"], outlets)
    return parts["rest"] if parts and is_own and _is_enough(parts["rest"]) else title


def _is_enough(rest: str) -> bool:
    """Say whether enough is left; letters of scripts without spaces say more each."""
    words, letters = words_in(rest), len(_letters(rest))
    is_unspaced = not rest.isascii() and letters <= 2 * words + 1
    return words >= _FEWEST_WORDS and (letters >= _FEWEST_LETTERS or (is_unspaced and 2 * letters >= _FEWEST_LETTERS))


def _is_outlet(last: str, host: str, outlets: _Outlets) -> bool:
    """Say whether the last part of a headline is an outlet."""
    if words_in(last) > _OUTLET_WORDS:
        return False
    letters = _letters(last)
    if letters in outlets.names or letters in outlets.endings:
        return True
    if host in _AGGREGATORS:
        return outlets.is_aggregated or letters in _table().outlets or _DOMAIN.fullmatch(last) is not None
    return _is_host(last, host)


def _is_host(last: str, host: str) -> bool:
    """Say whether a name is that of a host in other letters: "AP News" of apnews.com, "BBC News" of bbc.co.uk."""
    host = host.removeprefix("www.")
    label = _ENDING.sub("", host).rpartition(".")[2]
    if not label or (not last[:1].isupper() and not _DOMAIN.fullmatch(last)):
        return False
    letters = _letters(last)
    return letters in {_letters(label), _letters(host)} or (
        _core(last) == _core(label.replace("-", " ")) and _core(last) != ""
    )


def _is_own_beginning(first: str, mark: str, outlets: _Outlets) -> bool:
    """Say whether a headline begins with its outlet, and not with whom it is about ("Bloomberg: I will not run")."""
    letters = _letters(first)
    return letters in outlets.names and (mark == "|" or letters in outlets.beginnings)


def _outlets_of(titles: Sequence[str], names: Sequence[str], hosts: Sequence[str]) -> _Outlets:
    lasts = [parts["last"] if (parts := _LAST.fullmatch(title)) else "" for title in titles]
    firsts = [parts["first"] if (parts := _FIRST.match(title)) else "" for title in titles]
    named = [last for last in lasts if last and (not last[0].islower() or _DOMAIN.fullmatch(last))]
    aggregated = [last for last, host in zip(lasts, hosts, strict=True) if host.lower() in _AGGREGATORS]
    having = sum(bool(last) and words_in(last) <= _OUTLET_WORDS for last in aggregated)
    return _Outlets(
        names=frozenset(_names_of(names)),
        endings=_shared(named, len(titles)),
        beginnings=_shared(firsts, len(titles)),
        is_aggregated=having >= max(_FEWEST_AGGREGATED, _PART_AGGREGATED * len(aggregated)),
    )


def _shared(parts: Iterable[str], count: int) -> frozenset[str]:
    """Return the letters of the parts that enough of so many headlines have."""
    counted = Counter(letters for part in parts if (letters := _letters(part)))
    return frozenset(one for one, times in counted.items() if times >= max(_FEWEST_ALIKE, _PART_ALIKE * count))


def _names_of(names: Sequence[str]) -> Iterable[str]:
    """Return the letters of each name, with and without what is added to it: "BBC News - World", "AP via Google"."""
    for name in filter(None, map(str.strip, names)):
        outlet = re.split(r"\s+[-–—|·:]\s+|:\s+|\s+via\s+", name)[0]
        for one in {name, outlet}:
            if letters := _letters(one):
                yield letters
                yield letters.removeprefix("the") if letters.startswith("the") else f"the{letters}"


def _core(name: str) -> str:
    return _letters(_COMMON.sub(" ", name.casefold().replace(".", " ")))


def _letters(text: str) -> str:
    """Return the letters and digits of a text, in which two writings of it agree."""
    return "".join(filter(str.isalnum, text.casefold()))
