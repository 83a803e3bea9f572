"""A newsroom's own catalogues of fixed words: what they replace, add and lack, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from newsletter.errors import ConfigurationError
from newsletter.render import Language, Renderer
from newsletter.render.words import Words
from tests import mail_fixtures as fixtures
from tests.test_words import UNSUBSCRIBE, WORDS, forms, phrases, singular

STORIES = ("%(num)s story", "%(num)s stories")


def own_words(folder: Path, name: str, text: str) -> Renderer:
    """A renderer for a newsroom with a catalogue of its own; `name` is such as "words/de.po"."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n' + text, encoding="utf-8")
    return Renderer(folder)


def issue_text(renderer: Renderer, tag: str) -> str:
    return renderer.issue(replace(fixtures.issue(1), language=tag), fixtures.NONCE).text


def po(**translations: str) -> str:
    return "\n".join(f'msgid "{phrase}"\nmsgstr "{text}"\n' for phrase, text in translations.items())


@pytest.mark.parametrize("tag", ["de", "de-AT"])
def test_a_newsroom_replaces_single_phrases_and_keeps_the_others(tag: str, tmp_path: Path) -> None:
    renderer = own_words(tmp_path, "words/de.po", po(Unsubscribe="Nicht mehr schicken"))
    ours, theirs = issue_text(Renderer(), tag), issue_text(renderer, tag)
    assert theirs == ours.replace("Abbestellen", "Nicht mehr schicken") != ours
    assert renderer.missing_words(tag) == ()


def test_the_closest_catalogue_wins(tmp_path: Path) -> None:
    """An edition's own, then the newsroom's for the region, the newsroom's, ours."""
    own_words(tmp_path, "words/de.po", po(Unsubscribe="Eins", Corrections="Eins"))
    own_words(tmp_path, "words/de-AT.po", po(Unsubscribe="Zwei"))
    renderer = own_words(tmp_path, "editions/alps/words/de.po", po(Unsubscribe="Drei"))
    folders = [tmp_path / "words", WORDS]
    assert Words.of(Language.of("de-AT"), folders).translations.gettext(UNSUBSCRIBE) == "Zwei"
    assert Words.of(Language.of("de-AT"), folders).translations.gettext("Corrections") == "Eins"
    assert Words.of(Language.of("de-CH"), folders).translations.gettext(UNSUBSCRIBE) == "Eins"
    content = fixtures.issue(1)
    content = replace(content, language="de", look=replace(content.look, templates="alps"))
    assert "\nDrei\n" in renderer.issue(content, fixtures.NONCE).text


def test_a_newsroom_may_count_with_forms_of_its_own(tmp_path: Path) -> None:
    """Each file counts as its header says: Latvian tools disagree on the order of the three forms."""
    text = (
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Plural-Forms: nplurals=3; plural=(n % 10 == 0 || n % 100 >= 11 && n % 100 <= 19 ? 0'
        ' : n % 10 == 1 && n % 100 != 11 ? 1 : 2);\\n"\n\n'
        'msgid "%(num)s story"\nmsgid_plural "%(num)s stories"\n'
        'msgstr[0] "zero"\nmsgstr[1] "one"\nmsgstr[2] "other"\n'
    )
    (tmp_path / "lv.po").write_text(text, encoding="utf-8")
    words = Words.of(Language.of("lv"), [tmp_path, WORDS]).translations
    found = [words.ngettext(*STORIES, number) for number in (0, 1, 2, 11, 21)]
    assert found == ["zero", "one", "other", "zero", "one"]
    assert words.gettext(UNSUBSCRIBE) != UNSUBSCRIBE


def marked(message: Message) -> str:
    """An entry of a catalogue that puts each phrase between angles."""
    one, *many = forms(message.id)
    if not many:
        return f'msgid "{one}"\nmsgstr "‹{one}›"\n'
    return f'msgid "{one}"\nmsgid_plural "{many[0]}"\nmsgstr[0] "‹{one}›"\nmsgstr[1] "‹{many[0]}›"\n'


@pytest.mark.parametrize("tag", ["rue", "sk", "sr-Latn"])
def test_a_newsroom_adds_a_language(tag: str, tmp_path: Path) -> None:
    """Also one that CLDR does not know, such as Rusyn."""
    header = '"Content-Type: text/plain; charset=utf-8\\n"\n"Plural-Forms: nplurals=2; plural=(n > 2);\\n"\n'
    entries = [f'msgid ""\nmsgstr ""\n"Language: {tag}\\n"\n{header}', *map(marked, phrases())]
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / f"{tag}.po").write_text("\n".join(entries), encoding="utf-8")
    renderer = Renderer(tmp_path)
    assert "‹Unsubscribe›" in issue_text(renderer, tag)
    assert renderer.missing_words(tag) == ()
    words = Words.of(Language.of(tag), [tmp_path / "words", WORDS]).translations
    assert [words.ngettext(*STORIES, number) for number in (2, 3)] == [f"‹{phrase}›" for phrase in STORIES]


def test_a_language_without_a_catalogue_is_shown_in_english_and_all_is_named() -> None:
    renderer = Renderer()
    assert renderer.missing_words("eu") == tuple(singular(message) for message in phrases())
    assert f"\n{UNSUBSCRIBE}\n" in issue_text(renderer, "eu")
    one, many = (Words.of(Language.of("eu"), [WORDS]).translations.ngettext(*STORIES, number) for number in (1, 2))
    assert (one, many) == STORIES


@pytest.mark.parametrize("tag", ["en", "en-GB", "en-US"])
def test_english_misses_nothing(tag: str) -> None:
    assert Renderer().missing_words(tag) == ()


def test_what_a_partial_catalogue_lacks_is_named_and_shown_in_english(tmp_path: Path) -> None:
    """A phrase that is empty, fuzzy or lacks a plural form counts as missing."""
    text = (
        po(Unsubscribe="Baja", Corrections="")
        + '\n#, fuzzy\nmsgid "View in browser"\nmsgstr "?"\n'
        + '\nmsgid "%(num)s story"\nmsgid_plural "%(num)s stories"\nmsgstr[0] "1"\nmsgstr[1] ""\n'
    )
    renderer = own_words(tmp_path, "words/eu.po", text)
    assert renderer.missing_words("eu") == tuple(
        singular(message) for message in phrases() if singular(message) != UNSUBSCRIBE
    )
    shown_text = issue_text(renderer, "eu")
    assert "\nBaja\n" in shown_text
    assert "\nView in browser\n" in shown_text
    words = Words.of(Language.of("eu"), [tmp_path / "words", WORDS]).translations
    assert [words.ngettext(*STORIES, number) for number in (1, 2)] == list(STORIES)


def test_what_a_partial_catalogue_lacks_comes_from_ours(tmp_path: Path) -> None:
    text = po(Unsubscribe="") + '\n#, fuzzy\nmsgid "View in browser"\nmsgstr "?"\n'
    renderer = own_words(tmp_path, "words/de.po", text)
    assert issue_text(renderer, "de") == issue_text(Renderer(), "de")
    assert renderer.missing_words("de") == ()


@pytest.mark.parametrize(
    "text",
    [
        'msgid "Unsubscribe"\nmsgid "Corrections"\nmsgstr "x"\n',
        "<html>Not found</html>\n",
        'msgid "Unsubscribe"\nmsgstr "\\xff\\q"\nnonsense\n',
    ],
    ids=["no translation", "html", "nonsense"],
)
def test_a_broken_catalogue_is_named(text: str, tmp_path: Path) -> None:
    renderer = own_words(tmp_path, "words/de.po", text)
    with pytest.raises(ConfigurationError, match=r"words/de\.po is no catalogue of words: .+"):
        issue_text(renderer, "de")


@pytest.mark.parametrize(
    "content",
    [
        b'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Unsubscribe"\nmsgstr "\xff\xfe"\n',
        b'msgid ""\nmsgstr "Content-Type: text/plain; charset=klingon\\n"\n\nmsgid "Unsubscribe"\nmsgstr "x"\n',
        b'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n ** import os);\\n"\n\nmsgid "a"\nmsgstr "b"\n',
        b'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=many; plural=(n != 1);\\n"\n\nmsgid "a"\nmsgstr "b"\n',
    ],
    ids=["no utf-8", "unknown charset", "no rule", "no number"],
)
def test_a_catalogue_that_cannot_be_used_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "words" / "de.po"
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"words/de\.po is no catalogue of words: .+"):
        issue_text(Renderer(tmp_path), "de")


@pytest.mark.parametrize("text", ["Ausgabe %(nane)s", "Ausgabe %(number)d%", "Ausgabe %(number"])
def test_a_phrase_that_cannot_be_filled_is_an_error_that_says_so(text: str, tmp_path: Path) -> None:
    renderer = own_words(tmp_path, "words/de.po", f'msgid "Issue %(number)s"\nmsgstr "{text}"\n')
    with pytest.raises(ConfigurationError, match="issue/body"):
        issue_text(renderer, "de")


def test_a_region_s_language_falls_back_to_the_language(tmp_path: Path) -> None:
    renderer = own_words(tmp_path, "words/pt.po", po(Unsubscribe="Cancelar", Corrections="Erros"))
    own_words(tmp_path, "words/pt-BR.po", po(Corrections="Erramos"))
    words = {
        tag: Words.of(Language.of(tag), [tmp_path / "words", WORDS]).translations for tag in ("pt", "pt-BR", "pt-PT")
    }
    assert {tag: one.gettext(UNSUBSCRIBE) for tag, one in words.items()} == dict.fromkeys(words, "Cancelar")
    assert {tag: one.gettext("Corrections") for tag, one in words.items()} == {
        "pt": "Erros",
        "pt-BR": "Erramos",
        "pt-PT": "Erros",
    }
    assert "\nCancelar\n" in issue_text(renderer, "pt-BR")
    assert issue_text(Renderer(), "de-AT") == issue_text(Renderer(), "de")
