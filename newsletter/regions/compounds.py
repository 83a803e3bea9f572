"""Names that no table can list, found by how they are made: American counties, German words with Bundes-."""

from __future__ import annotations

import re

from newsletter.regions.lexicon import Hit, Kind, Raw
from newsletter.regions.text import Text, small_words

#: What marks a county of the United States, and the countries that have counties too.
COUNTY = frozenset({"county"})
OTHER_COUNTIES = ("GB", "IE", "KE", "NO", "SE", "HR", "HU", "RO", "EE", "LR", "TW", "CN")
_COUNTY = re.compile(
    r"(?:[A-Z][\w.'-]+ ){1,2}(?:County|Parish|Township|Twp\.)"
    r"(?! Council| Cricket| Championship| Cup| Hall| FC|,? (?:Durham|Cork))"
)
#: Bundeshaushalt, Bundesgesundheitsministerin; but not what other federations have (Bundesstaat) or what clubs play in.
_FEDERAL = re.compile(r"\bBundes(?!staat|liga|ligist|r[aä]t|heer)[a-zäöüß]{3,40}(?:-[\wÄÖÜäöüß-]{2,40})?")
#: What else is federal, in German: these need something else that speaks for them.
_FEDERATIONS = ("AT", "CH", "US", "RU", "BE")


def compounds(text: Text, languages: tuple[str, ...]) -> list[Hit]:
    """Return what is a name by how it is made, in the languages the text is read in."""
    found = counties(text) if "en" in languages else []
    return found + _federal(text) if "de" in languages and "Bundes" in text.exact else found


def counties(text: Text) -> list[Hit]:
    """Return what reads like a county or township of the United States: Kanawha County, Readington Township."""
    hits: list[Hit] = []
    if not any(word in text.exact for word in ("County", "Parish", "Township", "Twp.")):
        return hits
    for match in _COUNTY.finditer(text.exact):
        first = match[0].split()[0]
        start = match.start() + (
            len(first) + 1 if first.lower() in small_words()["en"] and match[0].count(" ") > 1 else 0
        )
        if start not in text.starts or match[0].count(" ") > 0:
            hits.append(
                Hit(start, match.end(), (Raw(text.exact[start : match.end()], "US", Kind.PART, (), "?", COUNTY),))
            )
    return hits


def _federal(text: Text) -> list[Hit]:
    """Return the German words with Bundes-: of Germany, unless the story speaks for another federation."""
    return [
        Hit(
            match.start(),
            match.end(),
            (
                Raw(match[0], "DE", Kind.SEAT),
                *(Raw(match[0], code, Kind.SEAT, (), "?") for code in _FEDERATIONS),
            ),
        )
        for match in _FEDERAL.finditer(text.exact)
    ]
