"""A newsroom's own catalogues of fixed words: what they replace, add and lack, and what is wrong with them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from newsletter.errors import ConfigurationError
from newsletter.render import Language, Renderer
from newsletter.render.words import Words, problems
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
    """A phrase that is empty or fuzzy counts as missing."""
    text = (
        po(Unsubscribe="Baja", Corrections="")
        + '\n#, fuzzy\nmsgid "View in browser"\nmsgstr "?"\n'
        + '\nmsgid "%(num)s story"\nmsgid_plural "%(num)s stories"\nmsgstr[0] ""\nmsgstr[1] ""\n'
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


def entry(phrase: str, text: str) -> str:
    return f'msgid "{phrase}"\nmsgstr "{text}"\n'


def counted(*texts: str, phrases: tuple[str, str] = STORIES) -> str:
    lines = [f'msgstr[{number}] "{text}"' for number, text in enumerate(texts)]
    return "\n".join([f'msgid "{phrases[0]}"', f'msgid_plural "{phrases[1]}"', *lines, ""])


ALSO = "Also reported by %(outlets)s"
WRONG = {
    "placeholder": (entry(ALSO, "Auch bei %(outlet)s"), rf"{ALSO}.*%\(outlet\)s.*What it has: %\(outlets\)s\."),
    "none to have": (entry("Unsubscribe", "Weg %(name)s"), r"Unsubscribe.*%\(name\)s.*What it has: none\."),
    "number": (entry("Issue %(number)s", "Ausgabe %(number)d"), "Issue .*a % that is no placeholder"),
    "percent": (entry("Unsubscribe", "100% weg"), "Unsubscribe.*Write %% for a percent sign"),
    "open": (entry("Issue %(number)s", "Ausgabe %(number"), "Issue .*a % that is no placeholder"),
    "in a plural": (counted("eine", "%(nun)s Texte"), r"%\(num\)s story.*%\(nun\)s.*What it has: %\(num\)s"),
    "plural missing": (counted("eine", ""), r"%\(num\)s story.*has 1 of 2 plural forms\. Write msgstr\[1\], too"),
    "plural left out": (counted("eine"), r"%\(num\)s story.*has 1 of 2 plural forms\. Write msgstr\[1\], too"),
    "plurals too many": (counted("eine", "zwei", "viele"), r'more translations than.*line 4: msgid "%\(num\)s story"'),
    "no plural": (entry(STORIES[0], "eine"), r"%\(num\)s story.*needs a line msgid_plural"),
    "plural of none": (counted("weg", "weg", phrases=(UNSUBSCRIBE, "x")), "Unsubscribe.*take msgid_plural out"),
    "twice": (entry("Unsubscribe", "Weg") + "\n" + entry("Unsubscribe", "Raus"), "Unsubscribe.*translated twice"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_phrase_that_could_not_be_shown_is_named_before_a_story_needs_it(name: str, tmp_path: Path) -> None:
    """Not only in the week in which an outlet or a number comes up."""
    text, sentence = WRONG[name]
    renderer = own_words(tmp_path, "words/de.po", text)
    with pytest.raises(ConfigurationError, match=rf"words/de\.po.*{sentence.replace(ALSO, re.escape(ALSO))}"):
        renderer.missing_words("de")
    [problem] = renderer.catalogue_problems()
    assert "words/de.po" in problem
    issue_text(renderer, "fr")


@pytest.mark.parametrize(
    "text",
    [
        entry(ALSO, "Auch anderswo"),
        entry(ALSO, "%(outlets)s: %(outlets)s, 100%%"),
        counted("eine Geschichte", "%(num)s Geschichten"),
        entry("Printed on %(day)s", "Gedruckt am %(day)s"),
        counted("ein Blatt", "%(num)s von %(all)s", phrases=("One of %(all)s", "%(num)s of %(all)s")),
        entry("Unsubscribe", "Weg") + "\n" + entry("Unsubscribe", "Weg"),
        "#, fuzzy\n" + entry(ALSO, "Auch bei %(outlet)s"),
        "#~ " + entry(ALSO, "Auch bei %(outlet)s").replace("\nmsgstr", "\n#~ msgstr"),
    ],
    ids=["left out", "percent", "plural", "own", "own plural", "twice alike", "fuzzy", "obsolete"],
)
def test_what_can_be_shown_is_no_problem(text: str, tmp_path: Path) -> None:
    """Phrases that we do not have are those of a newsroom's own templates."""
    renderer = own_words(tmp_path, "words/de.po", text)
    assert renderer.catalogue_problems() == ()
    assert issue_text(renderer, "de")


def test_our_own_catalogues_have_no_problems() -> None:
    assert problems(WORDS, WORDS) == []


@pytest.mark.parametrize("tag", ["de-AT", "de_AT", "DE-at"])
@pytest.mark.parametrize("name", ["de-AT.po", "DE-AT.po", "de_at.po", "de-AT.PO", "DE.po", "De.Po"])
def test_capitals_of_a_file_name_do_not_matter(name: str, tag: str, tmp_path: Path) -> None:
    renderer = own_words(tmp_path, f"words/{name}", po(Unsubscribe="Nimmer schicken"))
    assert "\nNimmer schicken\n" in issue_text(renderer, tag)
    assert renderer.catalogue_problems() == ()


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    """`newsletter check` asks for them: of each file, also of languages that no edition has, and of names as well."""
    own_words(tmp_path, "words/german.po", po(Unsubscribe="Weg"))
    own_words(tmp_path, "words/LT.po", po(Unsubscribe="x"))
    own_words(tmp_path, "words/lt.po", po(Unsubscribe="y"))
    own_words(tmp_path, "words/fr.po", "<html>")
    own_words(tmp_path, "words/es.po", entry("Unsubscribe", "%") + "\n" + entry(ALSO, "%(x)s"))
    renderer = own_words(tmp_path, "editions/alps/words/de.po", counted("eine"))
    found = [re.sub(r"^\S*/words/", "", sentence)[:24] for sentence in renderer.catalogue_problems()]
    wanted = ["LT.po and lt.po are bo", "es.po: “Unsubscribe” i", "es.po: “Also reported "]
    assert [one[:22] for one in found] == [*wanted, "fr.po is no catalogue ", "german.po is named aft"]
    assert len(renderer.catalogue_problems("alps")) == len(found) + 1
    assert "editions/alps/words/de.po" in renderer.catalogue_problems("alps")[0]
    with pytest.raises(ConfigurationError, match=r"LT\.po and lt\.po are both named after the language 'lt'"):
        renderer.missing_words("lt-LT")


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
