"""What publishers' software adds to a text and no reader of a card needs: the patterns of boilerplate.toml, in one."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_ARROWS = r"[\s.…:»>→›\])\[➔➡►▶-]*"
#: A capital letter of Latin, Cyrillic or Greek; re has no name for it.
_CAPITAL = "[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĻŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽȘȚЀ-ЯҐΆΈ-Ϋ]"
_PLACE = r"[^\W\d_][\w.’' -]{1,40}"
_NAME = rf"{_CAPITAL}[\w.’'-]*"

#: Characters of an aside at most.
_ASIDE_LENGTH = 400
_PARTICLE = "(?:van|von|de|der|den|da|di|del|la|le|al|bin|el)"


@dataclass(frozen=True)
class Boilerplate:
    """The patterns by their use."""

    #: "The post X appeared first on Y", to the end of the text.
    first_on: re.Pattern[str]
    #: The same as a sentence of its own.
    first_on_whole: re.Pattern[str]
    #: One of these is in each of those, in small letters; looking for them first costs a hundredth.
    first_on_hints: tuple[str, ...]
    #: A sentence or block that leads to the rest of the story.
    more: re.Pattern[str]
    #: The same at the end of a text, after something that ends a sentence or shows a cut.
    more_end: re.Pattern[str]
    #: And after a word that was cut.
    more_plain: re.Pattern[str]
    #: A sentence or block that is no part of any story.
    noise: re.Pattern[str]
    #: A sentence that says who reports it, which is worth something only where there is no other.
    aside: re.Pattern[str]
    #: A word that is in each of those; looking for one first costs a tenth.
    aside_hint: re.Pattern[str]
    #: A plea between two sentences without a stop.
    glued: re.Pattern[str]
    #: One of these is in each of those.
    glued_hints: tuple[str, ...]
    #: A note in brackets.
    bracketed: re.Pattern[str]
    #: "KYIV, Nov 20 (Reuters) -", "Hamburg (dpa) -", "PORT ARTHUR, Texas -", "(AP) —" at the beginning.
    dateline: re.Pattern[str]
    #: "By Jane Doe |" before a text, or as a block or sentence of its own.
    byline: re.Pattern[str]

    def is_aside(self, sentence: str) -> bool:
        """Say whether a sentence only says who reports the story."""
        return len(sentence) <= _ASIDE_LENGTH and bool(
            self.aside_hint.search(sentence) and self.aside.fullmatch(sentence)
        )

    def is_hinted(self, text: str) -> bool:
        """Say whether `text` may name where it appeared first."""
        small = text.lower()
        return any(hint in small for hint in self.first_on_hints)


@lru_cache(maxsize=1)
def boilerplate() -> Boilerplate:
    """Return the patterns. Putting them together takes a third of a second, so it waits for the first text."""
    path = Path(__file__).with_name("boilerplate.toml")
    groups: dict[str, list[str]] = tomllib.loads(path.read_text(encoding="utf-8"))

    def any_of(*names: str) -> str:
        return f"(?:{'|'.join(pattern for name in names for pattern in groups[name])})"

    more, case = any_of("more"), re.IGNORECASE
    outlet, person = f"(?-i:{any_of('broadcasters')})", rf"(?-i:{_NAME}(?: {_PARTICLE})?(?: {_NAME}){{1,3}})"
    aside = any_of("asides").replace("<name>", person).replace("<outlet>", outlet)
    noise = any_of("page", "sharing", "letters", "rights", "counts", "names", "others")
    return Boilerplate(
        first_on=re.compile(rf"(?:^|(?<=[\s.!?…\]])){any_of('first_on')}.{{0,250}}$", case),
        first_on_whole=re.compile(rf"{any_of('first_on')}.{{0,250}}", case),
        first_on_hints=tuple(groups["first_on_hints"]),
        more=re.compile(rf"[\s\[(]*{more}{_ARROWS}", case),
        more_end=re.compile(rf"(?:^|(?<=[.!?…»”\"’\])。！？:|]))\s*[\[(]?{more}{_ARROWS}$", case),
        more_plain=re.compile(rf"\s+[\[(]?{any_of('more_plain')}{_ARROWS}$"),
        noise=re.compile(rf"\W*{noise}\W*", case),
        aside=re.compile(rf"\W*{aside}\W*", case),
        aside_hint=re.compile(any_of("aside_hints")),
        glued_hints=tuple(groups["glued_hints"]),
        glued=re.compile(rf"(?:^|(?<=\s)){any_of('glued')}(?=\s+(?-i:{_CAPITAL}|[\d\"“‘„«])|\s*$)", case),
        bracketed=re.compile(rf"\s?{any_of('bracketed')}", case),
        dateline=_dateline(any_of("agencies")),
        byline=_byline(),
    )


def _dateline(agencies: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?:{_PLACE}(?:[,/] ?{_PLACE}){{0,3}}(?:,? ?\(?\d{{1,2}}\.? ?\w{{0,10}}\.?\)?)?[ ,.]{{0,2}})?"
        rf"\((?:{agencies}|[A-ZА-ЯІЇЄ]{{2,5}})\)\s*[-–—:.]+\s*|"
        rf"{_PLACE} \([a-z]{{3}}\) [-–—]+\s+|"
        rf"(?=(?:{_CAPITAL}[ .'’/-]?){{4}}){_CAPITAL}(?:{_CAPITAL}|[ .'’/-]){{2,30}}(?:, ?[^\W\d_][\w. ]{{0,30}})?"
        rf"\s*[-–—]+\s+(?={_CAPITAL}|[\d„“\"«'])|"
        rf"{agencies}\s*[-–—:]+\s+"
    )


def _byline() -> re.Pattern[str]:
    return re.compile(
        rf"(?i:by|von|par|por|di|door|av|af|text|author|autore?|автор):?\s+{_NAME}"
        rf"(?:\s+(?:(?:van|von|de|der|den|da|di|del|la|le|al|bin)\s+)*{_NAME}){{1,3}}"
        rf"(?:(?:,| and| und| et| y| e|,? &)\s+{_NAME}(?:\s+{_NAME}){{1,3}}){{0,3}}"
        r"(?:,\s+[\w ]{3,40}?)?(?:\s*[|•·–—:]\s*|\s+-\s+|\s*$)"
    )
