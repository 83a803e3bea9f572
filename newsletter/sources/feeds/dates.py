"""Dates as feeds write them. What cannot be read for certain is None: a wrong date would put old news first.

Read are RFC 822 and its many dialects, ISO 8601 and W3C-DTF with parts left out, seconds since 1970, and the month
names of some fifty languages (Unicode CLDR). Words such as "today" name no date. A time without a zone is UTC; Korean
ones are Korea's. Dates such as 11/5/2026 are read only where one order of day and month is possible, or where the
weekday, the language or a twelve-hour clock tells which is meant.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

#: Years from which a date is believed.
FIRST_YEAR, LAST_YEAR = 1970, 2099

_LENGTH_LIMIT = 100
_LANGUAGES = (
    *("de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "nn", "fi", "et", "lv", "lt", "pl", "cs", "sk", "sl", "hr"),
    *("sr", "sr_Latn", "bs", "bs_Cyrl", "mk", "bg", "ro", "hu", "el", "sq", "tr", "az", "uk", "ru", "be", "kk", "ky"),
    *("uz", "ka", "hy", "he", "ar", "fa", "ur", "id", "ms", "sw", "af", "ca", "eu", "gl", "oc", "ga", "gd", "cy", "br"),
    *("is", "fo", "mt", "lb", "fy", "rm"),
)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november"),
    "december",
)
#: English is what most dates are written in; the other languages are loaded where it does not do.
_ENGLISH = {name[:length]: number for number, name in enumerate(_MONTHS, start=1) for length in range(3, len(name) + 1)}
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ISO = re.compile(r"\d{4}(?:-?\d\d-?\d\d|-?w\d\d-?\d)(?:[t ]|$)")
_CLOCK = re.compile(
    r"(?<![\d:.])(\d{1,2})\s?[:h時时시點点]\s?(\d{1,2})(?:\s?[:m分분]\s?(\d{1,2})(?:[.,]\d+)?)?(?!\d|:\d)\s?[초秒분分]?"
    r"\s?([ap]\.?\s?m\b\.?|[πμ]\.?μ\b\.?)?"
)
#: A time with a dot is one only behind a year or "kl.", or before "Uhr" or "pm".
_DOTTED = re.compile(
    r"(?:(?<=\d{4} )|(?<=kl )|(?<=kl\. )|(?<=klo ))(\d{1,2})\.(\d\d)(?![.\d])|"
    r"(?<![\d.])(\d{1,2})\.(\d\d)(?=\s?(?:uhr|[ap]\.?m))"
)
_NOON_WORD = re.compile("(오전|上午|午前)|(오후|下午|午後)")
_OFFSET = re.compile(r"(?<!\d)([+-])[+-]?(?:\s?(\d{2})(\d{2})|(\d)(\d{2})(?!\d)|(\d{1,2})(?::(\d{2}))?)(?!\d)")
_REGION = re.compile(r"\s?([a-z]+/[a-z_]+(?:/[a-z_]+)?(?:[+-]\d{1,2})?)")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})\s?[-/.,年년]\s?0*(\d{1,2})(?:\s?[-/.,月월]\s?0*(\d{1,2}))?(?!\d)")
_YEAR_LAST = re.compile(r"(?<![\d./-])(\d{1,2})(\s?[-/.]\s?|\s)(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
_PIECE = re.compile(r"\d+|[^\W\d_][^\s\d.,/;:()،-]*")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_KOREA = timezone(timedelta(hours=9))

#: Minutes east of UTC. A name with several meanings has the one that feeds mean most (CST in America, IST in India).
_ZONES = {
    **dict.fromkeys(("z", "ut", "utc", "gmt", "wet"), 0),
    **dict.fromkeys(("bst", "west", "cet", "met", "mez", "wat"), 60),
    **dict.fromkeys(("cest", "mest", "mesz", "eet", "cat", "sast"), 120),
    **dict.fromkeys(("eest", "msk", "мск", "trt", "eat"), 180),
    **dict.fromkeys(("sgt", "hkt", "pht", "awst", "wita"), 480),
    **dict.fromkeys(("jst", "kst", "wit"), 540),
    **dict.fromkeys(("hst",), -600),
    **dict.fromkeys(("akst",), -540),
    **dict.fromkeys(("pst", "pt", "akdt"), -480),
    **dict.fromkeys(("mst", "mt", "pdt"), -420),
    **dict.fromkeys(("cst", "ct", "mdt"), -360),
    **dict.fromkeys(("est", "et", "cdt", "cot", "pet"), -300),
    **dict.fromkeys(("ast", "at", "edt", "clt"), -240),
    **dict.fromkeys(("adt", "brt", "art", "clst"), -180),
    **dict.fromkeys(("ict", "wib"), 420),
    "nst": -210,
    "ndt": -150,
    "gst": 240,
    "pkt": 300,
    "ist": 330,
    "npt": 345,
    "acst": 570,
    "aest": 600,
    "acdt": 630,
    "aedt": 660,
    "nzst": 720,
    "nzdt": 780,
}


def parse_date(text: str, language: str = "") -> datetime | None:
    """Return the UTC time that `text` names, or None when it names none for certain.

    `language` is the tag of the text around it, such as en-GB: it settles the order of day and month and names of
    months that mean another one elsewhere.
    """
    return _read(text[: 2 * _LENGTH_LIMIT].strip(), language)


@lru_cache(maxsize=1024)
def _read(text: str, language: str) -> datetime | None:
    written = _folded(text)
    if not written or len(written) > _LENGTH_LIMIT:
        return None
    try:
        moment = _from_digits(written) if written.isdecimal() else _iso(written) or _moment(written, language)
        return moment.astimezone(UTC) if moment and FIRST_YEAR <= moment.year <= LAST_YEAR else None
    except (ValueError, OverflowError, OSError):
        return None


def _folded(text: str) -> str:
    """Return `text` in lower case without accents, with plain digits, dashes and single spaces."""
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isascii():
        bare = (one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))
        text = unicodedata.normalize("NFC", "".join(bare))
        text = re.sub("[\u2010-\u2015\u2212]", "-", text)
    return " ".join(text.split())


def _from_digits(written: str) -> datetime | None:
    """Return the time that digits alone stand for: a year, YYYYMMDD, YYYYMMDDhhmmss, or seconds since 1970."""
    form = {4: "%Y", 8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}.get(len(written))
    if form:
        return datetime.strptime(written, form).replace(tzinfo=UTC)
    if len(written) in {9, 10, 13}:
        return datetime.fromtimestamp(int(written) // (1000 if len(written) == 13 else 1), UTC)
    return None


def _iso(written: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written.upper()).replace(microsecond=0) if _ISO.match(written) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(written: str, language: str) -> datetime | None:
    """Return the time of a date in any other form. The clock is taken out first, then its zone; the day is left."""
    written = _DOTTED.sub(lambda found: f"{found[1] or found[3]}:{found[2] or found[4]}", written)
    clock = _CLOCK.search(written)
    zone: tzinfo = _KOREA if _HANGUL.search(written) else UTC
    rest = written
    if clock:
        after, named = _zone(written[clock.end() :])
        zone, rest = named or zone, f"{written[: clock.start()]} {after}"
    day = _named_day(rest, language, partial=not clock) or _numbered_day(rest, language, half=bool(clock and clock[4]))
    if day is None:
        return None
    return (day + _time_of_day(clock, written)).replace(tzinfo=zone) if clock else day.replace(tzinfo=zone)


def _time_of_day(clock: re.Match[str], written: str) -> timedelta:
    """Return the time since midnight. Raises ValueError when there is no such time."""
    hour, minute, second = (int(part or 0) for part in clock.groups()[:3])
    noon = _NOON_WORD.search(written)
    mark = (clock[4] or "")[:1] or (noon and ("a" if noon[1] else "p")) or ""
    # Greek has π.μ. before noon and μ.μ. after it.
    if mark in {"p", "μ"} and hour < 12:
        hour += 12
    elif mark in {"a", "π"} and hour == 12:
        hour = 0
    midnight = hour == 24 and not minute and not second
    if not midnight and (hour > 23 or minute > 59 or second > 60):
        raise ValueError(f"{clock[0]} is no time of a day")
    return timedelta(hours=hour, minutes=minute, seconds=min(second, 59))


def _zone(after: str) -> tuple[str, tzinfo | None]:
    """Return what follows a time without the zone it names, and that zone, if it names one."""
    region = _REGION.match(after)
    if region and region[1] in _regions():
        return after[region.end() :], ZoneInfo(_regions()[region[1]])
    offset = _OFFSET.search(after)
    if offset:
        hours, minutes = (int(next(filter(None, offset.group(*numbers)), 0)) for numbers in ((2, 4, 6), (3, 5, 7)))
        if hours <= 15 and minutes < 60:
            east = timedelta(hours=hours, minutes=minutes)
            return after[: offset.start()] + after[offset.end() :], timezone(-east if offset[1] == "-" else east)
    name = re.match(r"\s?\(?([^\W\d_]+)", after)
    minutes_east = _ZONES.get(name[1]) if name else None
    if name is None or minutes_east is None:
        return after, None
    return after[name.end() :], timezone(timedelta(minutes=minutes_east))


@cache
def _regions() -> dict[str, str]:
    """Return the names of the IANA time zones by the same in lower case."""
    return {name.lower(): name for name in available_timezones()}


def _named_day(written: str, language: str, *, partial: bool) -> datetime | None:
    """Return the day of a date whose month is a word; a month and a year are its first day where that is all."""
    pieces = _PIECE.findall(written)
    numbered = [piece if piece.isdecimal() else _month(piece, language) for piece in pieces]
    parts: list[str | int | None] = [part for part in numbered if part]
    for place, month in enumerate(parts):
        if not isinstance(month, int):
            continue
        before = parts[place - 1] if place else None
        after, then = (*parts[place + 1 : place + 3], None, None)[:2]
        for year, day in ((after, before), (before, after), (then, after)):
            if isinstance(year, str) and isinstance(day, str) and len(year) == 4 and len(day) <= 2:
                return _day(year, str(month), day)
        if isinstance(before, str) and isinstance(after, str) and len(before) <= 2 == len(after):
            return _day(after, str(month), before)
    if partial and len(parts) == 2 and isinstance(parts[0], int) and isinstance(parts[1], str) and len(parts[1]) == 4:
        return _day(parts[1], str(parts[0]), "1")
    return None


def _century(year: str) -> int:
    """Return a year in full; two digits mean 1970 to 2069."""
    return int(year) + (0 if len(year) == 4 else 2000 if int(year) < 70 else 1900)


def _numbered_day(written: str, language: str, *, half: bool) -> datetime | None:
    """Return the day of a date in numbers; `half` says that its clock has twelve hours."""
    found = _YEAR_FIRST.search(written)
    if found and (found[3] or found[0] == written):
        return _day(found[1], found[2], found[3] or "1")
    found = _YEAR_LAST.search(written)
    if not found:
        return None
    first, mark, second, year = found[1], found[2].strip(), found[3], found[4]
    if mark == "." or first == second:
        return _day(year, second, first)
    if len(year) == 2 and mark != "/":
        return None
    possible = [day for day in (_day(year, second, first), _day(year, first, second)) if day]
    if len(possible) == 2:
        month_first = _month_first(language, half=half)
        possible = _on_weekday(written, possible) or ([] if month_first is None else [possible[month_first]])
    return possible[0] if len(possible) == 1 else None


def _day(year: str, month: str, day: str) -> datetime | None:
    try:
        return datetime(_century(year), int(month), int(day))  # noqa: DTZ001 - the zone comes later
    except ValueError:
        return None


def _on_weekday(written: str, days: list[datetime]) -> list[datetime]:
    """Return the days that fall on the weekday that is written beside them."""
    named = [_WEEKDAYS.index(piece[:3]) for piece in _PIECE.findall(written) if piece[:3] in _WEEKDAYS]
    return [day for day in days if day.weekday() in named]


def _month_first(language: str, *, half: bool) -> bool | None:
    """Say whether the month comes first, as in the United States, or None when that cannot be told."""
    if language in {"", "en"}:
        return True if half else None
    return language.lower() == "en-us"


def _month(name: str, language: str) -> int | None:
    """Return the number of the month that `name` or a word it shortens stands for, if it is one and one only."""
    if name in _ENGLISH:
        return _ENGLISH[name]
    if len(name) < 3 and name.isascii():
        return None
    own = _month_names(language[:2].lower()).get(name)
    if own or language[:2].lower() in _LANGUAGES:
        return own
    meant = {number for tag in _LANGUAGES if (number := _month_names(tag).get(name))}
    return meant.pop() if len(meant) == 1 else None


@cache
def _month_names(tag: str) -> dict[str, int]:
    """Return the numbers of the months by their names in a language, and by what the names begin with."""
    if tag not in _LANGUAGES:
        return {}
    from babel import Locale  # noqa: PLC0415 - few feeds need it

    names: dict[str, int] = {}
    months = Locale.parse(tag).months
    for use in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            for number, form in months[use][width].items():
                name = _folded(str(form)).strip(".")
                if _PIECE.fullmatch(name):  # some languages write several words, or a number
                    names.setdefault(name, number)
    for name, number in list(names.items()):
        for length in range(3, len(name)):
            names.setdefault(name[:length], number)
    return names
