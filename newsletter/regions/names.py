"""Where the names come from: CLDR and ISO 3166 through babel and pycountry, and our own tables in data/."""

from __future__ import annotations

import gettext
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from newsletter.regions.data import read_sections
from newsletter.regions.lexicon import Kind, Raw
from newsletter.regions.places import subdivision
from newsletter.regions.text import fold

#: (name, code or time zone) -> the languages that use it.
_Names = dict[tuple[str, str], set[str]]

#: Languages whose names of countries are read in texts of any language, where nothing else has the same name.
_EVERYWHERE = frozenset(
    [
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "pl",
        "cs",
        "sk",
        "sv",
        "da",
        "nb",
        "fi",
        "hu",
        "ro",
        "uk",
        "ru",
        "hr",
        "sl",
        "tr",
        "el",
        "ar",
        "he",
        "fa",
        "zh",
        "ja",
        "ko",
        "hi",
        "bn",
        "th",
    ]
)
_SHORTEST_EVERYWHERE = 5
#: Names of countries in other languages that are words in English.
_ENGLISH_WORDS = frozenset({"island", "chili", "polen", "columbia"})
#: Kosovo and the European Union have names in CLDR and none in ISO 3166-1.
_BEYOND_ISO = frozenset({"XK", "EU"})
_LABELS = {"weak": Kind.WEAK, "club": Kind.CLUB}
_MARK = re.compile(r"\s+([?~])([a-zA-Z|]*)$")
_ASIDE = re.compile(r"\s*[（(](.+?)[)）]")
#: Parts of the official names of states that no paper writes, and which others would share.
_GENERIC = frozenset(
    [
        "central",
        "centre",
        "center",
        "north",
        "northern",
        "south",
        "southern",
        "east",
        "eastern",
        "west",
        "western",
        "nord",
        "sud",
        "est",
        "ouest",
        "norte",
        "sur",
        "capital",
        "littoral",
        "plateau",
        "savannah",
        "islands",
        "island",
        "district",
        "region",
        "province",
        "state",
        "city",
        "metropolitan",
        "national",
        "union",
        "centro",
        "nordeste",
        "victoria",
        "saint",
        "paul",
        "trinity",
        "green",
        "river",
        "port",
        "king",
        "george",
        "house",
        "high",
        "upper",
        "lower",
        "middle",
        "general",
        "distrito",
        "federal",
        "territory",
        "coast",
    ]
)


def world() -> Iterator[Raw]:
    """Yield every name that is known without a newsroom. Reads the tables of babel and pycountry, about a second."""
    territories, zones = _cldr()
    ours = [*_countries(), *_lines("subdivisions.txt"), *_listed("cities.txt", Kind.CITY)]
    yield from _localised(territories, ours)
    yield from _zone_cities(zones, ours)
    del territories, zones
    yield from ours
    yield from _official(ours)
    yield from _listed("seats.txt", Kind.SEAT)
    yield from _listed("leaders.txt", Kind.LEADER)
    yield from _listed("outlets.txt", Kind.OUTLET)
    yield from _peoples()
    yield from _phrases()
    yield from _postal()


def countries() -> frozenset[str]:
    """Return the codes of ISO 3166-1 and the two beyond it."""
    import pycountry  # noqa: PLC0415 - loads its tables, which only tagging needs

    return frozenset(country.alpha_2 for country in pycountry.countries) | _BEYOND_ISO


def _locales() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each language of CLDR with its data, read from babel's files past its cache, which would keep them all."""
    from babel import localedata  # noqa: PLC0415 - heavy, only tagging needs it

    for name in sorted(localedata.locale_identifiers()):
        language, _, variant = name.partition("_")
        if not variant or (len(variant) == 4 and variant.isalpha()):
            with Path(localedata.resolve_locale_filename(name)).open("rb") as file:
                yield language, pickle.load(file)  # noqa: S301 - babel's own file, as babel reads it


def _cldr() -> tuple[_Names, _Names]:
    """Return the names of countries and the cities of time zones: (name, code or zone) -> languages."""
    known = countries()
    territories: _Names = {}
    zones: _Names = {}
    for language, data in _locales():
        for code, name in data.get("territories", {}).items():
            if code in known:
                for each in _variants(name):
                    territories.setdefault((each, code), set()).add(language)
        if language in _EVERYWHERE:
            for zone, names in data.get("time_zones", {}).items():
                if "city" in names:
                    zones.setdefault((names["city"], zone), set()).add(language)
    return territories, zones


def _variants(name: str) -> list[str]:
    """Return the ways to write a name of CLDR: without and with what stands in brackets, and before a comma."""
    aside = _ASIDE.search(name)
    names = [_ASIDE.sub("", name)]
    if aside and " " not in aside[1] and not aside[1].isupper():
        names.append(aside[1])
    names = [each.partition(",")[0].strip() for each in names]
    names += [each.replace(" & ", " and ") for each in names if " & " in each]
    return [each for each in names if len(each) > 1 and " – " not in each and not each.isupper()]


def _localised(territories: _Names, ours: list[Raw]) -> Iterator[Raw]:
    """Yield the names of countries; one that something else has too, or a short one, only in its languages."""
    meanings: dict[str, set[str]] = {}
    for name, code in [*territories, *((raw.text, raw.code.partition("-")[0]) for raw in ours)]:
        meanings.setdefault(fold(name), set()).add(code)
    marked = _marked(ours)
    for (name, code), languages in territories.items():
        folded = fold(name)
        if (folded, code) in marked:
            continue
        is_sure = len(meanings[folded]) == 1 and (len(name) >= _SHORTEST_EVERYWHERE or not name.isascii())
        everywhere = is_sure and folded not in _ENGLISH_WORDS and not languages.isdisjoint(_EVERYWHERE)
        yield Raw(name, code, Kind.COUNTRY, tuple(sorted(languages)), everywhere=everywhere)


def _marked(ours: list[Raw]) -> set[tuple[str, str]]:
    """Return the names, folded, that our own table of countries has with a mark: CLDR has them without."""
    return {(fold(raw.text), raw.code) for raw in ours if raw.doubt and raw.kind is Kind.COUNTRY}


def _countries() -> Iterator[Raw]:
    for language, lines in read_sections("countries.txt").items():
        for line in lines:
            code, _, names = line.partition(":")
            for name in _split(names, ","):
                everywhere = language in _EVERYWHERE and len(name) > _SHORTEST_EVERYWHERE
                yield _raw(name, code, Kind.COUNTRY, "" if language == "any" else language, everywhere=everywhere)


def _official(ours: list[Raw]) -> Iterator[Raw]:
    """Yield the English names of ISO 3166-1 and, as weak hints, the names of ISO 3166-2."""
    import pycountry  # noqa: PLC0415 - loads its tables, which only tagging needs

    marked = _marked(ours)
    for country in pycountry.countries:
        for field in ("name", "official_name", "common_name"):
            name = str(getattr(country, field, "") or "")
            before, comma, after = name.partition(", ")
            if comma and "," not in after:
                yield Raw(f"{after} {before}", country.alpha_2, Kind.COUNTRY, ("en",), everywhere=True)
            elif name and not comma and (fold(name), country.alpha_2) not in marked:
                yield Raw(name, country.alpha_2, Kind.COUNTRY, ("en",))
    known = {raw.code for raw in ours}
    for part in pycountry.subdivisions:
        name = _ASIDE.sub("", part.name).partition(",")[0].partition("[")[0].strip()
        if part.code not in known and len(name) > 4 and not _words(name) & _GENERIC:
            yield Raw(name, part.code, Kind.PART, (), "?")


def translations(codes: Sequence[str]) -> Iterator[Raw]:
    """Yield the names of parts of countries in the languages that pycountry has for them."""
    import pycountry  # noqa: PLC0415 - loads its tables, which only tagging needs

    parts = [part for code in codes if (part := subdivision(code)) is not None]
    if not parts:
        return
    for language in sorted(_EVERYWHERE):
        path = Path(pycountry.LOCALES_DIR) / language / "LC_MESSAGES" / "iso3166-2.mo"
        if path.exists():
            with path.open("rb") as file:
                table = gettext.GNUTranslations(file)
            for part in parts:
                name = table.gettext(part.name)
                if name != part.name and len(name) > 3 and not _words(name) & _GENERIC:
                    yield Raw(name, part.code, Kind.PART, (language,))


def _words(name: str) -> set[str]:
    return set(fold(name).replace("-", " ").split())


def _lines(file: str) -> Iterator[Raw]:
    """Yield the names of a table whose lines are a code and names divided by commas."""
    for lines in read_sections(file).values():
        for line in lines:
            code, _, names = line.partition(":")
            yield from (_raw(name, code, Kind.PART) for name in _split(names, ","))


def _listed(file: str, kind: Kind) -> Iterator[Raw]:
    """Yield the names of a table whose sections are codes and whose lines are places divided by semicolons."""
    for code, lines in read_sections(file).items():
        for line in lines:
            label, has_label, listed = line.partition(": ")
            is_labelled = bool(has_label) and label in _LABELS
            for place in _split(listed if is_labelled else line, ";"):
                first, has_others, others = place.partition("=")
                for name in (first.strip(), *_split(others, ",")) if has_others else (place,):
                    yield _raw(name, code, _LABELS[label] if is_labelled else kind)


def _zone_cities(zones: _Names, known: list[Raw]) -> Iterator[Raw]:
    """Yield what other languages call the cities of our own table that time zones are named after."""
    ours = {fold(raw.text): raw for raw in known if raw.kind is not Kind.COUNTRY}
    english = {zone: city for (city, zone), languages in zones.items() if "en" in languages}
    for (city, zone), languages in zones.items():
        named = english.get(zone, zone.rpartition("/")[2].replace("_", " "))
        place = ours.get(fold(named))
        if place is not None and not place.doubt and fold(city) not in ours:
            yield Raw(city, place.code, Kind.CITY, tuple(sorted(languages)))


def _peoples() -> Iterator[Raw]:
    for language, lines in read_sections("demonyms.txt").items():
        for line in lines:
            code, _, names = line.partition(":")
            yield from (_raw(name, code, Kind.PEOPLE, language) for name in _split(names, ","))


def _phrases() -> Iterator[Raw]:
    for section, lines in read_sections("phrases.txt").items():
        word, _, which = section.partition(" ")
        kind, code, language = (Kind.WEAK, which, "") if word == "weak" else (Kind.NOTHING, "", which)
        for line in lines:
            languages = (language,) if language else ()
            yield from (Raw(phrase, code, kind, languages) for phrase in _split(line, ";"))


def _postal() -> Iterator[Raw]:
    """Yield the letters that the United States and Canada write after a town: Paris, TX."""
    import pycountry  # noqa: PLC0415 - loads its tables, which only tagging needs

    for part in pycountry.subdivisions:
        if part.country_code in {"US", "CA"}:
            yield Raw(part.code.partition("-")[2], part.code, Kind.PART, ("en",), "?", frozenset({"postal"}))


def _split(names: str, separator: str) -> list[str]:
    return [name.strip() for name in names.split(separator) if name.strip()]


def _raw(name: str, code: str, kind: Kind, language: str = "", *, everywhere: bool = False) -> Raw:
    """Return the name of a table without its mark."""
    mark = _MARK.search(name)
    languages = (language,) if language else ()
    if mark is None:
        return Raw(name, code, kind, languages, everywhere=everywhere)
    limits = frozenset(mark[2].split("|")) - {""}
    return Raw(name[: mark.start()], code, kind, languages, mark[1], limits, everywhere)
