"""The fixed words of mails in the editions' languages: gettext catalogues, read as they are written (.po).

The English phrase is the key. What a catalogue does not have is shown in English, and named by `missing`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, PoFileParser

from newsletter.errors import ConfigurationError
from newsletter.render.language import Language

#: The language that the phrases in the templates are written in.
_SOURCE = "en"
#: A language as a catalogue is named after it, once "_" is written "-": de, pt-BR, sr-Latn.
_TAG = re.compile("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
#: What jinja gives every phrase that counts.
_COUNT = "num"


@dataclass(frozen=True)
class Words:
    """The phrases of one language; `missing` are those that it shows in English, in the order of the catalogue.

    `none_there` is True where nothing at all is translated.
    """

    translations: NullTranslations
    missing: tuple[str, ...]
    none_there: bool = False

    @classmethod
    def of(cls, language: Language, folders: Sequence[Path]) -> Words:
        """Return a language's words. A file in an earlier folder goes before the same phrase in a later one.

        A folder holds files such as `de.po` and `pt-BR.po`, and the last one `messages.pot` with every phrase. Each
        file counts plurals as its own header says. Raises ConfigurationError for a file that is no catalogue, and for
        one that could not be shown as it is written; `problems` says what that is.
        """
        translations = NullTranslations()
        translated: set[str] = set()
        for file in reversed([file for folder in folders for file in _files(folder, language)]):
            catalog, closer = _usable(file, language, folders[-1])
            closer.add_fallback(translations)
            translations = closer
            translated |= {phrase for phrase, done in _phrases(catalog).items() if done}
        wanted = [] if language.primary == _SOURCE else _phrases(_read(folders[-1] / "messages.pot", language)[0])
        missing = tuple(phrase for phrase in wanted if phrase not in translated)
        return cls(translations, missing, none_there=not translated)


def problems(folder: Path, ours: Path) -> list[str]:
    """Return what is wrong with the catalogues in a folder, as sentences that name file and phrase.

    `ours` is the folder with all our phrases of the same kind, mails' or pages'.

    These are files that are named after no language or after one twice, that cannot be read, and phrases with
    placeholders that do not exist, with some of their plural forms only, or translated in two ways. Phrases that we do
    not have are those of a newsroom's own templates.
    """
    found: list[str] = []
    for file in sorted(folder.glob("*.[pP][oO]")):
        tag = file.stem.replace("_", "-")
        if not _TAG.fullmatch(tag):
            found.append(f"{file} is named after no language, so nobody reads it: call it such as de.po or pt-BR.po.")
            continue
        language = Language.of(tag)
        try:
            _files(folder, language)
            found += _wrong(file, _read(file, language)[0], ours)
        except ConfigurationError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def _files(folder: Path, language: Language) -> list[Path]:
    """Return the catalogues of a language in a folder, the closest first: pt-BR, then pt.

    Capitals do not matter, nor whether it says pt_BR. Raises ConfigurationError where that leaves two files.
    """
    files: list[Path] = []
    for tag in dict.fromkeys([language.tag.lower(), language.primary]):
        named = [one for one in sorted(folder.glob("*.[pP][oO]")) if one.stem.replace("_", "-").lower() == tag]
        if len(named) > 1:
            raise ConfigurationError(
                f"{named[0]} and {named[1].name} are both named after the language {tag!r}. Keep one of them."
            )
        files += named
    return files


def _usable(file: Path, language: Language, ours: Path) -> tuple[Catalog, NullTranslations]:
    """Return a catalogue with what is translated in it whole, and the same fit to be asked."""
    catalog, translations = _read(file, language)
    for sentence in _wrong(file, catalog, ours):
        raise ConfigurationError(sentence)
    return catalog, translations


class _Noted(Catalog):
    """A catalogue that takes down which phrases come again with another text, which Babel drops."""

    def __init__(self, language: Language) -> None:
        super().__init__(locale=str(language.locale))
        self.repeated: list[str] = []

    def __setitem__(self, id: str | list[str] | tuple[str, ...], message: Message) -> None:  # noqa: A002 - Babel's
        before = self.get(id, message.context) if id else None
        if before and before.string != message.string:
            self.repeated.append(_forms(message.id)[0])
        super().__setitem__(id, message)


def _read(file: Path, language: Language) -> tuple[_Noted, NullTranslations]:
    """Return a catalogue and what is translated in it whole. Raises ConfigurationError when it is none."""
    catalog = _Noted(language)
    try:
        with file.open("rb") as opened:
            PoFileParser(catalog, abort_invalid=True).parse(opened)
        # Of a language that CLDR does not know, Babel would leave out the header, and with it the rule for plurals.
        catalog.locale = language.locale
        return catalog, _compiled(catalog)
    except PoFileError as error:
        line = file.read_text(encoding="utf-8", errors="replace").splitlines()[error.lineno].strip()
        said = str(error).removesuffix(f" on {error.lineno}")
        raise ConfigurationError(
            f"{file} is no catalogue of words: {said} (line {error.lineno + 1}: {line})."
        ) from error
    except (ValueError, LookupError, OSError) as error:
        raise ConfigurationError(f"{file} is no catalogue of words: {error}") from error


def _wrong(file: Path, catalog: _Noted, ours: Path) -> Iterator[str]:
    """Yield a sentence for each phrase of a catalogue that could not be shown as it is written."""
    for phrase in dict.fromkeys(catalog.repeated):
        yield f"{file}: “{phrase}” is translated twice, and differently. Keep one of them."
    for message in catalog:
        if not message.id or message.fuzzy or not any(forms := _forms(message.string)):
            continue
        one, *many = _forms(message.id)
        yield from (f"{file}: “{one}” {sentence}" for sentence in _wrong_forms(message, forms))
        if bool(many) is not _counts(ours).get(one, bool(many)):
            yield f"{file}: “{one}” {_MISCOUNTED[bool(many)]}"


_MISCOUNTED = {
    True: "has plural forms, but the templates ask for one text: take msgid_plural out, and write a single msgstr.",
    False: "counts, so it needs a line msgid_plural and a line msgstr[0], msgstr[1] ... for each plural form.",
}


def _wrong_forms(message: Message, forms: Sequence[str]) -> Iterator[str]:
    if not all(forms):
        missing = ", ".join(f"msgstr[{number}]" for number, form in enumerate(forms) if not form)
        yield f"has {sum(map(bool, forms))} of {len(forms)} plural forms. Write {missing}, too."
    known = {name for phrase in _forms(message.id) for name in _PLACEHOLDER.findall(phrase)}
    known |= {_COUNT} if message.pluralizable else set()
    for form in forms:
        for name in dict.fromkeys(_PLACEHOLDER.findall(form)):
            if name not in known:
                there = ", ".join(f"%({one})s" for one in sorted(known)) or "none"
                yield f"is translated with %({name})s, which it is not given. What it has: {there}."
        if "%" in _PLACEHOLDER.sub("", form).replace("%%", ""):
            yield f"is translated with a % that is no placeholder, in “{form}”. Write %% for a percent sign."


@cache
def _counts(ours: Path) -> dict[str, bool]:
    """Return each of our phrases, and whether it has a plural."""
    catalog, _ = _read(ours / "messages.pot", Language.of(_SOURCE))
    return {_forms(message.id)[0]: message.pluralizable for message in catalog if message.id}


def _forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return a phrase or a translation with all its plural forms."""
    return (text,) if isinstance(text, str) else tuple(text or ())


def _phrases(catalog: Catalog) -> dict[str, bool]:
    """Return every phrase of a catalogue, of one that has a plural the singular, and whether it is translated."""
    return {_forms(message.id)[0]: _is_translated(message) for message in catalog if message.id}


def _is_translated(message: Message) -> bool:
    """Return False also where somebody should still look at it."""
    return all(_forms(message.string or "")) and not message.fuzzy


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
