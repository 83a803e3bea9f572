"""The fixed words of mails in the editions' languages: gettext catalogues, read as they are written (.po).

The English phrase is the key. What a catalogue does not have is shown in English, and named by `missing`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from newsletter.errors import ConfigurationError
from newsletter.render.language import Language

#: The language that the phrases in the templates are written in.
_SOURCE = "en"


@dataclass(frozen=True)
class Words:
    """The phrases of one language; `missing` are those that it shows in English, in the order of the catalogue."""

    translations: NullTranslations
    missing: tuple[str, ...]

    @classmethod
    def of(cls, language: Language, folders: Sequence[Path]) -> Words:
        """Return a language's words. A file in an earlier folder goes before the same phrase in a later one.

        A folder holds files such as `de.po` and `pt-BR.po`, and the last one `messages.pot` with every phrase. Each
        file counts plurals as its own header says. Raises ConfigurationError for a file that is no catalogue.
        """
        translations = NullTranslations()
        translated: set[str] = set()
        for file in reversed([file for folder in folders for file in _files(folder, language)]):
            catalog, closer = _read(file, language)
            closer.add_fallback(translations)
            translations = closer
            translated |= {phrase for phrase, done in _phrases(catalog).items() if done}
        wanted = [] if language.primary == _SOURCE else _phrases(_read(folders[-1] / "messages.pot", language)[0])
        return cls(translations, tuple(phrase for phrase in wanted if phrase not in translated))


def _files(folder: Path, language: Language) -> list[Path]:
    """Return the catalogues of a language in a folder, the closest first: pt-BR, then pt."""
    names = dict.fromkeys([language.tag, language.primary])
    return [file for name in names if (file := folder / f"{name}.po").is_file()]


def _read(file: Path, language: Language) -> tuple[Catalog, NullTranslations]:
    """Return a catalogue with what is translated in it whole, and the same fit to be asked."""
    try:
        with file.open("rb") as opened:
            catalog = read_po(opened, locale=str(language.locale), abort_invalid=True)
        # Of a language that CLDR does not know, Babel would leave out the header, and with it the rule for plurals.
        catalog.locale = language.locale
        return catalog, _compiled(catalog)
    except (PoFileError, ValueError, LookupError, OSError) as error:
        raise ConfigurationError(f"{file} is no catalogue of words: {error}") from error


def _phrases(catalog: Catalog) -> dict[str, bool]:
    """Return every phrase of a catalogue, of one that has a plural the singular, and whether it is translated."""
    return {
        message.id if isinstance(message.id, str) else message.id[0]: _is_translated(message)
        for message in catalog
        if message.id
    }


def _is_translated(message: Message) -> bool:
    """Return False also where one of the plural forms is missing, or somebody should still look at it."""
    forms = message.string if isinstance(message.string, (list, tuple)) else [message.string]
    return all(forms) and not message.fuzzy


def _compiled(catalog: Catalog) -> NullTranslations:
    whole = Catalog(locale=catalog.locale, charset="utf-8", fuzzy=False)
    whole.mime_headers = [("Plural-Forms", catalog.plural_forms)]
    for message in catalog:
        if message.id and _is_translated(message):
            whole[message.id] = message
    file = io.BytesIO()
    write_mo(file, whole)
    file.seek(0)
    return GNUTranslations(file)
