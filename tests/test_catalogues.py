"""Our catalogues of fixed words, of mails and of pages: complete, whole, and set as print sets them (issues 4 and 6)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from gettext import c2py
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from newsletter.render import Language
from newsletter.render.words import Words
from newsletter.resources import templates_folder

SCRIPT = Path(__file__).parent.parent / "scripts" / "words.py"
#: The languages that issue 4 asks for, but English, which the phrases are written in.
ASKED = {"de", "fr", "es", "uk", "ru", "pl", "et", "lv", "lt", "ar", "he", "ja", "hi"}
KINDS = {kind: templates_folder() / kind / "words" for kind in ("email", "web")}
CATALOGUES = [file for folder in KINDS.values() for file in sorted(folder.glob("*.po"))]


def named(file: Path) -> str:
    """A catalogue as test runs name it: web-de."""
    return f"{file.parent.parent.name}-{file.stem}"


every_catalogue = pytest.mark.parametrize("file", CATALOGUES, ids=named)
#: A number of each kind that the languages tell apart, and two that end alike but are not.
NUMBERS = (0, 1, 2, 3, 5, 10, 11, 12, 20, 21, 22, 100, 101, 111)
#: What stands around what is quoted; Arabic and Hebrew papers use more than one kind.
QUOTES = {
    "el": "«»",
    **dict.fromkeys(("de", "et", "lt"), "„“"),
    **dict.fromkeys(("pl", "lv"), "„”"),
    **dict.fromkeys(("fr", "es", "ru", "uk"), "«»"),
    "ar": "«»“”",
    "he": "„“”״",
    "ja": "「」『』",
    "hi": "“”",
}


@cache
def catalogue(file: Path) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=file.stem.replace("-", "_") if file.suffix == ".po" else None, abort_invalid=True)


def phrases(folder: Path) -> list[Message]:
    return [message for message in catalogue(folder / "messages.pot") if message.id]


def forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    """A phrase or translation with all its plural forms."""
    return (text,) if isinstance(text, str) else tuple(text or ())


def singular(message: Message) -> str:
    return forms(message.id)[0]


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\((\w+)\)s", text))


def translated(file: Path) -> Iterator[tuple[Message, str]]:
    """Every phrase with each form of its translation."""
    for message in catalogue(file):
        if message.id:
            yield from ((message, form) for form in forms(message.string))


@pytest.mark.parametrize("kind", KINDS)
def test_every_language_of_the_issue_has_a_catalogue(kind: str) -> None:
    assert {file.stem for file in KINDS[kind].glob("*.po")} >= ASKED


@every_catalogue
def test_a_catalogue_is_complete(file: Path) -> None:
    own = catalogue(file)
    found = {singular(message): all(forms(message.string)) and not message.fuzzy for message in own if message.id}
    assert [singular(message) for message in phrases(file.parent) if not found.get(singular(message))] == []


@every_catalogue
def test_a_translation_has_the_placeholders_of_its_phrase_and_no_others(file: Path) -> None:
    """A form that stands for a single number may say it in a word: "one day", and the dual of Arabic."""
    own = catalogue(file)
    uses = Counter(map(c2py(own.plural_expr), range(1000)))
    wrong = []
    for message in own:
        for number, form in enumerate(forms(message.string)):
            in_word = ["num"] if message.pluralizable and uses[number] == 1 and "num" not in placeholders(form) else []
            whole = sorted(placeholders(form) + in_word) == placeholders(singular(message))
            if message.id and (not whole or "%" in re.sub(r"%\(\w+\)s", "", form)):
                wrong.append(form)
    assert wrong == []


@every_catalogue
def test_plural_forms_are_those_that_the_language_has(file: Path) -> None:
    """By CLDR, as far as it tells whole numbers apart: a mail counts neither parts nor millions."""
    own = catalogue(file)
    kinds = {Locale.parse(file.stem, sep="-").plural_form(number) for number in range(1000)}
    assert own.num_plurals == len(kinds)
    counted = [message for message in own if message.pluralizable]
    assert counted
    assert {len(forms(message.string)) for message in counted} == {len(kinds)}


@every_catalogue
def test_each_number_gets_its_form(file: Path) -> None:
    own = catalogue(file)
    form, kind = c2py(own.plural_expr), Locale.parse(file.stem, sep="-").plural_form
    pairs = {(form(number), kind(number)) for number in range(1000)}
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}), pairs


@every_catalogue
def test_what_is_shown_is_the_form_of_the_number(file: Path) -> None:
    own = catalogue(file)
    form, words = c2py(own.plural_expr), Words.of(Language.of(file.stem), [file.parent]).translations
    counted = [message for message in own if message.pluralizable]
    for one, many in (forms(message.id) for message in counted):
        wanted = [forms(own[one].string)[form(number)] for number in NUMBERS]
        assert [words.ngettext(one, many, number) for number in NUMBERS] == wanted


@every_catalogue
def test_nothing_is_left_in_english(file: Path) -> None:
    """But for phrases of placeholders and punctuation alone, which need not differ."""
    same = {form for message, form in translated(file) if form in forms(message.id)}
    assert [form for form in same if re.search(r"[A-Za-z]", re.sub(r"%\(\w+\)s", "", form))] == []


@every_catalogue
def test_a_translation_is_set_as_print_sets_it(file: Path) -> None:
    """No straight quotes, no blanks at the ends or in pairs, no hyphen for a dash, no three points for an ellipsis."""
    wrong = [form for _, form in translated(file) if re.search(r"""["'`]|^\s|\s$|\s\s| - |\.\.""", form)]
    assert wrong == []


@every_catalogue
def test_a_translation_ends_as_its_phrase_does(file: Path) -> None:
    """A colon introduces what follows, and a heading or button has no full stop. A Japanese quote may end both."""
    stops = (".", "。", "।")
    ends = {".": (*stops, "」"), "?": ("?", "؟", "？", ";", "か", "か。"), ":": (":", "：")}
    wrong = []
    for message, form in translated(file):
        wanted = ends.get(singular(message)[-1])
        if form.rstrip("“”»)").endswith(wanted or stops) is (wanted is None):
            wrong.append(form)
    assert wrong == []


@pytest.mark.parametrize("file", [file for file in CATALOGUES if file.stem in QUOTES], ids=named)
def test_quotes_are_those_of_the_language(file: Path) -> None:
    wrong = [form for _, form in translated(file) if not {*form} & {*"“”„«»״「」『』‘‚"} <= {*QUOTES[file.stem]}]
    assert wrong == []
    assert any({*form} & {*QUOTES[file.stem]} for _, form in translated(file))


def test_the_catalogues_are_up_to_date_with_the_templates() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
