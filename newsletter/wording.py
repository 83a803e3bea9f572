"""What the readers' pages say, in the readers' languages: catalogues in `templates/web/words`, as those of the mails.

A phrase that stands in Python is marked with `phrase`, so that `make words` finds it, and said by `Wording.say`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.render.language import Language
from newsletter.render.words import Words
from newsletter.resources import templates_folder

_ENGLISH = "en"


def phrase(text: str) -> str:
    """Return the text as it is; what it is called with is collected for translation."""
    return text


@dataclass(frozen=True)
class Wording:
    """The words of one language. `language` is what is really shown: English where there is no catalogue."""

    language: Language
    words: Words

    def say(self, text: str, **values: object) -> str:
        """Return a phrase in this language, with its values filled in: "%(days)s" is `days`."""
        said = self.words.translations.gettext(text)
        return said % values if values else said

    def count(self, one: str, many: str, number: int, **values: object) -> str:
        """Return the form of a phrase that goes with a number, which it has as "%(num)s"."""
        return self.words.translations.ngettext(one, many, number) % {"num": number, **values}


class Wordings:
    """The words of every language, each read once. `override` is a newsroom's folder whose `words` go before ours."""

    def __init__(self, override: Path | None = None) -> None:
        own = [override / "words"] if override else []
        self._folders = [*own, templates_folder() / "web" / "words"]
        self._known: dict[str, Wording] = {}

    def of(self, *tags: str) -> Wording:
        """Return the words of the first of these languages that there are any for, or English. "" is passed over.

        Raises ConfigurationError for a catalogue that cannot be read or shown.
        """
        for tag in filter(None, tags):
            if tag not in self._known:
                self._known[tag] = _read(tag, self._folders)
            if self._known[tag].language.primary == Language.of(tag).primary:
                return self._known[tag]
        return self._known.setdefault(_ENGLISH, _read(_ENGLISH, self._folders))

    def offered(self) -> tuple[Language, ...]:
        """Return every language that the pages speak, by their tags; English among them."""
        tags = {file.stem for folder in self._folders for file in folder.glob("*.po")} | {_ENGLISH}
        return tuple(Language.of(tag) for tag in sorted(tags))


def _read(tag: str, folders: Sequence[Path]) -> Wording:
    language = Language.of(tag)
    words = Words.of(language, folders)
    if language.primary != _ENGLISH and words.none_there:
        language = Language.of(_ENGLISH)
    return Wording(language, words)
