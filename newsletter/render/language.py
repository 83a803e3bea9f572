"""What a mail needs to know of a language: its direction, and how it writes days and the names of others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.lists import format_list

#: Languages whose scripts have neither capitals nor slanted letters, and are tall (R51).
UPRIGHT = frozenset({
    "ar", "fa", "ur", "ps", "ckb", "ug", "sd", "he", "yi", "ja", "zh", "ko", "hi", "mr", "ne", "bn", "as", "gu",
    "pa", "ta", "te", "kn", "ml", "or", "si", "th", "lo", "my", "km",
})  # fmt: skip
#: English as the world writes it: "22 November 2026". `en-US` still means what it says.
_ENGLISH = Locale("en", "001")


@dataclass(frozen=True)
class Language:
    """A language. `tag` is its BCP 47 name for a lang attribute (R2); days are written as `locale` does."""

    tag: str
    locale: Locale

    @classmethod
    def of(cls, tag: str) -> Language:
        """Return the language that `tag` names. One that nobody knows is written as English."""
        tag = tag.replace("_", "-")
        if not re.fullmatch("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag):
            return cls("en", _ENGLISH)
        for known in (tag, tag.partition("-")[0]):
            try:
                locale = Locale.parse(known, sep="-")
            except (UnknownLocaleError, ValueError):
                continue
            return cls(tag, _ENGLISH if str(locale) == "en" else locale)
        return cls(tag, _ENGLISH)

    @property
    def primary(self) -> str:
        """The language without script and region."""
        return self.tag.partition("-")[0].lower()

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return str(self.locale.text_direction)

    @property
    def opposite(self) -> str:
        """The other direction."""
        return "ltr" if self.direction == "rtl" else "rtl"

    @property
    def start(self) -> str:
        """The side where lines begin, by its physical name: logical properties fail in too many mail programs (R51)."""
        return "right" if self.direction == "rtl" else "left"

    @property
    def end(self) -> str:
        """The side where lines end."""
        return "left" if self.direction == "rtl" else "right"

    def long_date(self, day: date) -> str:
        """Return such as "22 November 2026"."""
        return str(format_date(day, "long", locale=self.locale))

    def short_date(self, day: date) -> str:
        """Return such as "20 November"."""
        return str(format_skeleton("MMMMd", day, locale=self.locale))

    def listed(self, names: Sequence[str]) -> str:
        """Return such as "A, B and C"."""
        return str(format_list(list(names), locale=self.locale))

    def name_of(self, other: Language) -> str:
        """Return what this language calls the other one, or the other's tag when it has no word for it."""
        return str(self.locale.languages.get(other.primary, other.tag))
