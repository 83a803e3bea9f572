"""Slugs: the short names that commands and addresses of pages use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from urllib.parse import urlsplit

#: The longest slug that an entry of the newsroom file may have.
_LENGTH = 64
#: What a source is called whose name and host have nothing that a slug could be made of.
_NAMELESS = "source"
_ADDRESS = re.compile(r"[\d.]+|.*:.*")


def _table(letters: str) -> dict[str, str]:
    """Return letter -> Latin letters, from pairs such as "ш=sh"; "ь=" leaves a letter out."""
    return {pair[0]: pair[2:] for pair in letters.split()}


#: Letters that no accent explains; those of the German umlauts are written out.
_LATIN = _table("ä=ae ö=oe ü=ue ß=ss æ=ae œ=oe ø=o ł=l đ=d ð=d þ=th ħ=h ı=i")
_CYRILLIC = _table(
    "а=a б=b в=v г=g д=d е=e ё=yo ж=zh з=z и=i й=i к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ц=ts ч=ch ш=sh "
    "щ=shch ъ= ы=y ь= э=e ю=yu я=ya і=i ї=i є=ie ґ=g ў=u ј=j љ=lj њ=nj ћ=c ђ=dj џ=dz ќ=k ѓ=g ѕ=dz"
)
#: Where a name has letters that only Ukrainian uses (resolution 55 of its government, 2010).
_UKRAINIAN = _table("г=h и=y ю=iu я=ia")
_GREEK = _table(
    "α=a β=v γ=g δ=d ε=e ζ=z η=i θ=th ι=i κ=k λ=l μ=m ν=n ξ=x ο=o π=p ρ=r σ=s ς=s τ=t υ=y φ=f χ=ch ψ=ps ω=o"
)
_WRITTEN = _LATIN | _CYRILLIC | _GREEK
_ONLY_UKRAINIAN = frozenset("іїєґ")


def from_name(name: str) -> str:
    """Return a slug made from a name: "The Harbour Post" -> "the-harbour-post"; empty when nothing is left.

    Letters with accents, Cyrillic and Greek are written in a to z: "Neue Zürcher" -> "neue-zuercher".
    """
    return re.sub(r"[^a-z0-9]+", "-", _in_latin(name)).strip("-")[:_LENGTH].rstrip("-")


def _in_latin(name: str) -> str:
    """Return a name in small letters, those that have a Latin spelling in it."""
    lower = unicodedata.normalize("NFC", re.sub("['’ʼ]", "", name.lower()))
    written = _WRITTEN | _UKRAINIAN if not _ONLY_UKRAINIAN.isdisjoint(lower) else _WRITTEN
    return "".join(written.get(letter) or _without_accents(letter, written) for letter in lower)


def _without_accents(letter: str, written: dict[str, str]) -> str:
    """Return a letter as it is written without its accents: é -> e, ά -> a."""
    if letter in written:
        return written[letter]
    parts = unicodedata.normalize("NFKD", letter)
    return "".join(written.get(part, part) for part in parts if not unicodedata.combining(part))


def from_name_or_host(name: str, url: str) -> str:
    """Return a slug made from a name, or from the host in `url` where the name has no letters that a slug may have.

    It is "source" where neither has any, such as a host that is an address in numbers.
    """
    made = from_name(name)
    if re.search("[a-z]", made):
        return made
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    made = from_name(host) if host.isascii() and not _ADDRESS.fullmatch(host) else ""
    return made or _NAMELESS


def free(wanted: str, taken: Container[str]) -> str:
    """Return `wanted`, or the first of wanted-2, wanted-3 ... that is not taken."""
    slug, number = wanted, 1
    while slug in taken:
        number += 1
        ending = f"-{number}"
        slug = wanted[: _LENGTH - len(ending)].rstrip("-") + ending
    return slug
