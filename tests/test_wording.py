"""The words of pages: which language is shown, what a newsroom's own catalogue changes, and that none is forgotten."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.errors import ConfigurationError
from newsletter.render.words import problems
from newsletter.resources import templates_folder
from newsletter.wording import Wordings, phrase

ROOT = Path(__file__).parent.parent
WORDS = templates_folder() / "web" / "words"
PHRASE = "All newsletters"


def _own(folder: Path, language: str, said: str) -> Wordings:
    words = folder / "words"
    words.mkdir(parents=True, exist_ok=True)
    (words / f"{language}.po").write_text(
        f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "{PHRASE}"\nmsgstr "{said}"\n',
        encoding="utf-8",
    )
    return Wordings(folder)


def test_english_needs_no_catalogue() -> None:
    wording = Wordings().of("en-GB")
    assert (wording.language.tag, wording.say(PHRASE)) == ("en-GB", PHRASE)


def test_a_language_without_words_is_shown_as_english_and_says_so() -> None:
    """R2: a lang attribute names what is there, or a screen reader speaks English with another language's sounds."""
    assert Wordings().of("cy").language.tag == "en"


def test_the_first_language_with_words_is_taken(tmp_path: Path) -> None:
    wordings = _own(tmp_path, "cy", "Pob cylchlythyr")
    assert [wordings.of(*tags).say(PHRASE) for tags in [("", "cy"), ("gd", "cy"), ("en", "cy")]] == [
        "Pob cylchlythyr",
        "Pob cylchlythyr",
        PHRASE,
    ]
    assert wordings.of("gd").say(PHRASE) == PHRASE


def test_values_and_numbers_are_filled_in() -> None:
    wording = Wordings().of("en")
    assert wording.say(phrase("It worked for %(days)s days."), days=7) == "It worked for 7 days."
    assert [wording.count("%(num)s day", "%(num)s days", number) for number in (1, 2)] == ["1 day", "2 days"]


def test_a_percent_sign_without_values_stays() -> None:
    assert Wordings().of("en").say("100 %") == "100 %"


def test_direction_is_the_language_s(tmp_path: Path) -> None:
    assert _own(tmp_path, "ar", "كل النشرات").of("ar").language.direction == "rtl"


def test_offered_are_english_and_what_there_are_words_for(tmp_path: Path) -> None:
    tags = [language.tag for language in _own(tmp_path, "cy", "Pob cylchlythyr").offered()]
    assert {"cy", "en"} <= set(tags)
    assert tags == sorted(set(tags))


def test_a_broken_catalogue_gets_a_sentence(tmp_path: Path) -> None:
    wordings = _own(tmp_path, "cy", "Pob %(x)s")
    with pytest.raises(ConfigurationError, match=r"cy\.po.*which it is not given"):
        wordings.of("cy")


def test_our_own_catalogues_have_no_problems() -> None:
    assert problems(WORDS, WORDS) == []


def test_every_phrase_of_templates_and_code_is_collected() -> None:
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / "words.py", "--check"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
