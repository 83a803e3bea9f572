"""The fixed words of mails, and what mails show of them (issue 4, point 4). Newsrooms have theirs too."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from newsletter.mail import Mail
from newsletter.render import IssueContent, Language, Renderer, SourcesContent, TroubledSource
from newsletter.render.words import Words
from newsletter.resources import templates_folder
from tests import mail_fixtures as fixtures

WORDS = templates_folder() / "email" / "words"
SCRIPT = Path(__file__).parent.parent / "scripts" / "words.py"
RENDERER = Renderer()
LANGUAGES = sorted(file.stem for file in WORDS.glob("*.po"))
every_language = pytest.mark.parametrize("tag", LANGUAGES)
UNSUBSCRIBE = "Unsubscribe"


@cache
def catalogue(file: Path) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=file.stem.replace("-", "_") if file.suffix == ".po" else None, abort_invalid=True)


def phrases() -> list[Message]:
    return [message for message in catalogue(WORDS / "messages.pot") if message.id]


def forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    """A phrase or translation with all its plural forms."""
    return (text,) if isinstance(text, str) else tuple(text or ())


def singular(message: Message) -> str:
    return forms(message.id)[0]


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\((\w+)\)s", text))


def translated(tag: str) -> Iterator[tuple[Message, str]]:
    """Every phrase with each form of its translation."""
    for message in catalogue(WORDS / f"{tag}.po"):
        if message.id:
            yield from ((message, form) for form in forms(message.string))


def test_bringing_a_catalogue_up_to_date_loses_nothing(tmp_path: Path) -> None:
    """Notes of translators stay, and a phrase that changed a little keeps its translation, to be looked at."""
    project = tmp_path / "project"
    shutil.copytree(SCRIPT.parent, project / "scripts")
    shutil.copytree(WORDS.parent.parent, project / "templates")
    for part in ("web", "signup"):
        shutil.copytree(SCRIPT.parent.parent / "newsletter" / part, project / "newsletter" / part)
    shutil.copy(SCRIPT.parent.parent / "newsletter" / "wording.py", project / "newsletter")
    file = project / "templates" / "email" / "words" / "de.po"
    before = file.read_text(encoding="utf-8")
    noted = before.replace('msgid "Unsubscribe"', '# Kurz halten.\nmsgid "Unsubscribe it"')
    file.write_text(noted, encoding="utf-8")
    script = [sys.executable, str(project / "scripts" / SCRIPT.name)]
    checked = subprocess.run([*script, "--check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (
        1,
        "templates/email/words/de.po is not up to date\nRun `make words`.\n",
    )
    subprocess.run(script, capture_output=True, check=True)
    wanted = before.replace('msgid "Unsubscribe"', '# Kurz halten.\n#, fuzzy\nmsgid "Unsubscribe"')
    assert file.read_text(encoding="utf-8") == wanted
    assert subprocess.run([*script, "--check"], capture_output=True, check=False).returncode == 0


# What mails show


def plain_issue(tag: str) -> IssueContent:
    """An issue whose stories say nothing that could be a phrase of ours."""
    issue = fixtures.issue(1)
    lead, more = (
        replace(card, headline="Ľubovňa 47", summary="Svidník.", link="https://tatra.example.org/47", image_alt="")
        for card in (issue.lead, *issue.more)
    )
    lead = replace(lead, also=("Tatra Post", "Uzh Courier"), image_credit="Ada Reed", language="sk")
    return replace(issue, language=tag, lead=lead, more=(more,), corrections="Sanok: **47**.", tagline="Uzh")


def mails(tag: str) -> Iterator[Mail]:
    """Every mail of the product in this language: each weekday, one and many, with and without what may be missing."""
    who = replace(fixtures.identity(), language=tag)
    issue = plain_issue(tag)
    made = RENDERER.issue(issue, fixtures.NONCE)
    yield made
    yield RENDERER.issue(replace(issue, lead=replace(issue.lead, source="")), fixtures.NONCE)
    yield RENDERER.test_marked(made, who)
    for weekday in range(7):
        yield RENDERER.confirm(replace(fixtures.confirm(), identity=who, weekday=weekday, valid_days=weekday + 1))
        yield RENDERER.confirm(replace(fixtures.confirm(), identity=who, further=("Tatra Weekly",)))
    yield RENDERER.welcome(replace(fixtures.welcome(), identity=who, tagline="", latest_subject="Sanok 47"))
    yield RENDERER.goodbye(replace(fixtures.goodbye(), identity=who))
    for back_url in (fixtures.moved().back_url, ""):
        yield RENDERER.moved(replace(fixtures.moved(), identity=who, back_url=back_url))
    for number in range(1, 8):
        yield RENDERER.address(replace(fixtures.address(), identity=who, valid_days=number))
        yield RENDERER.data(replace(fixtures.data(), identity=who, valid_hours=number))
    review = replace(fixtures.review(), identity=who, subject="Sanok 47", findings=("Sanok.",), send_at="2026-11-22")
    for number in (1, 2):
        yield RENDERER.review(replace(review, headlines=("Sanok",) * number, sends_unapproved=number == 1))
        yield RENDERER.sources(SourcesContent(identity=who, sources=(TroubledSource("Uzh", "Sanok."),) * number))


@cache
def shown(tag: str) -> str:
    """All that the mails of a language say, in subjects and both parts, on one line."""
    parts = (part for mail in mails(tag) for part in (mail.subject, re.sub("<[^>]*>", " ", mail.html), mail.text))
    return " ".join(unescape(" ".join(parts)).split())


def pieces(text: str) -> list[str]:
    """What stands between the placeholders of a phrase, where it is letters enough to be known again."""
    found = (piece.strip(string.punctuation + "“”„«»׳״「」 \u00a0") for piece in re.split(r"%\(\w+\)s", text))
    return [" ".join(piece.split()) for piece in found if len(piece) > 4]


def english() -> set[str]:
    return {piece for message in phrases() for form in forms(message.id) for piece in pieces(form)}


def in_text(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def test_the_mails_of_this_test_show_every_phrase() -> None:
    assert [words for words in sorted(english()) if not in_text(words, shown("en"))] == []


@every_language
def test_no_mail_shows_an_english_phrase(tag: str) -> None:
    assert [words for words in sorted(english()) if in_text(words, shown(tag))] == []


@every_language
def test_every_phrase_is_shown_in_the_language(tag: str) -> None:
    own = [form for message, form in translated(tag) if not message.pluralizable]
    assert [piece for form in own for piece in pieces(form) if piece not in shown(tag)] == []


@every_language
def test_the_links_of_a_footer_fit_a_phone(tag: str) -> None:
    """Of 14 pixels each, 40 letters fill a line at 320 pixels, and 20 Japanese ones; three links stand side by side."""
    words = Words.of(Language.of(tag), [WORDS]).translations
    links = [words.gettext(phrase) for phrase in ("Change preferences", UNSUBSCRIBE, "View in browser")]
    assert [link for link in links if len(link) > (14 if tag == "ja" else 28)] == []


@every_language
def test_names_in_a_translation_are_text(tag: str) -> None:
    """A catalogue is trusted as templates are; what fills its phrases is not (threat 3)."""
    hostile = "<b onclick=x>R&D</b> 100% %(list)s {{ 7 * 7 }}"
    who = replace(fixtures.identity(), language=tag, edition_name=hostile)
    mail = RENDERER.welcome(replace(fixtures.welcome(), identity=who, list_name=hostile))
    assert hostile in mail.subject
    assert "<b " not in mail.html
    assert mail.html.count("100% %(list)s {{ 7 * 7 }}") > 3
