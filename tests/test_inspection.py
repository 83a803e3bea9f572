"""`newsletter check` on a newsroom's own templates: every mail once, every catalogue, what nobody reads any more."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from sqlmodel import select

from newsletter.app import App, make_app
from newsletter.cli.inspection import inspect
from newsletter.letters.examples import example_mails
from newsletter.models import Edition
from newsletter.preflight import check_mail
from newsletter.render import Renderer
from newsletter.resources import templates_folder
from newsletter.settings import load
from tests.builders import edition_fields
from tests.commands import CommandLine

MAILS = ["confirm", "welcome", "goodbye", "address", "moved", "data", "review", "sources"]
BASE_URL = "https://news.example.org"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with the test newsroom and a reader."""
    folder = tmp_path_factory.mktemp("installation")
    command = CommandLine(folder)
    command.set_up("http://127.0.0.1:1/feed.xml", base_url=BASE_URL)
    command.readers(1)
    return folder


@pytest.fixture
def newsroom(installation: Path, tmp_path: Path) -> Path:
    """A copy of the installation, with an empty folder of own templates."""
    folder = tmp_path / "newsroom"
    shutil.copytree(installation, folder)
    settings = folder / "newsletter.toml"
    settings.write_text('templates = "ours"\n' + settings.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "ours").mkdir()
    return folder


def write(newsroom: Path, name: str, text: str) -> None:
    file = newsroom / "ours" / "email" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def app_of(newsroom: Path) -> App:
    return make_app(load(newsroom / "newsletter.toml"))


def to_mend(newsroom: Path) -> list[tuple[str, str]]:
    """Each part that needs attention, and why, without the folder's name."""
    found = inspect(app_of(newsroom))
    return [(one.part, one.message.replace(f"{newsroom}/", "")) for one in found if not one.ok]


def test_all_is_well_without_a_word(newsroom: Path) -> None:
    assert to_mend(newsroom) == []


def test_a_broken_template_is_named_once_with_the_mails_it_breaks(newsroom: Path) -> None:
    write(newsroom, "_base.html", "<!DOCTYPE html>\n{{ 1/0 }}")
    [(part, message)] = to_mend(newsroom)
    assert part == "mails of fen-weekly"
    assert message == f"{', '.join(MAILS)}: Template _base.html, line 2: division by zero."


@pytest.mark.parametrize("mail", MAILS)
def test_each_mail_is_rendered(mail: str, newsroom: Path) -> None:
    write(newsroom, f"{mail}/body.txt", "{{ nope }}")
    [(_, message)] = to_mend(newsroom)
    assert message.startswith(f"{mail}: Template {mail}/body.txt, line 1: 'nope' is undefined.")


def test_the_issue_is_for_another_command(newsroom: Path) -> None:
    """`issue check` looks at it, with the stories it has."""
    write(newsroom, "issue/body.html", "{{ nope }}")
    assert to_mend(newsroom) == []


def test_a_mail_has_one_line_with_what_preflight_finds_first(newsroom: Path) -> None:
    ours = (templates_folder() / "email" / "goodbye" / "body.html").read_text(encoding="utf-8")
    bad = '<img src="http://x.example/1.webp"><a href="#">here</a>'
    write(newsroom, "goodbye/body.html", ours.replace("{% block content %}", "{% block content %}" + bad))
    [(part, message)] = to_mend(newsroom)
    assert part == "mails of fen-weekly"
    assert re.fullmatch(r"goodbye: R\d+: .+\. And \d+ more\.", message)


def test_templates_of_one_edition_are_looked_at_for_that_edition(newsroom: Path) -> None:
    write(newsroom, "editions/fen-weekly/welcome/subject.txt", "{{ nope }}")
    write(newsroom, "editions/other/welcome/subject.txt", "{{ nope }}")
    [(part, message)] = to_mend(newsroom)
    assert part == "mails of fen-weekly"
    assert message.startswith("welcome: Template editions/fen-weekly/welcome/subject.txt, line 1: ")


def test_an_edition_that_is_switched_off_sends_none(newsroom: Path) -> None:
    write(newsroom, "_base.html", "{{ nope }}")
    with app_of(newsroom).db.transaction() as session:
        session.exec(select(Edition)).one().enabled = False
    assert [part for part, _ in to_mend(newsroom) if part.startswith("mails")] == []


def test_every_problem_of_the_catalogues_is_named_once(newsroom: Path) -> None:
    """Also of languages that no edition has; the mails of one that has it cannot be made, which goes without saying."""
    write(newsroom, "words/de.po", 'msgid "Unsubscribe"\nmsgstr "%(x)s"\n\nmsgid "Corrections"\nmsgstr "%"\n')
    write(newsroom, "words/en.po", 'msgid "Unsubscribe"\nmsgstr "%(x)s"\n')
    write(newsroom, "editions/fen-weekly/words/deutsch.po", "")
    parts, messages = zip(*to_mend(newsroom), strict=True)
    assert set(parts) == {"words"}
    assert [message.partition(" ")[0] for message in messages] == [
        "ours/email/words/de.po:",
        "ours/email/words/de.po:",
        "ours/email/words/en.po:",
        "ours/email/editions/fen-weekly/words/deutsch.po",
    ]


@pytest.mark.parametrize("folder", ["", "editions/fen-weekly/"])
@pytest.mark.parametrize(
    ("name", "instead"), [("_look.txt", "edition set EDITION accent="), ("_words.txt", "words/en.po")]
)
def test_a_template_of_an_earlier_version_is_named_with_what_replaced_it(
    folder: str, name: str, instead: str, newsroom: Path
) -> None:
    write(newsroom, f"{folder}{name}", "{%- set light = {} -%}")
    [(part, message)] = to_mend(newsroom)
    assert part == "templates"
    assert message.startswith(f"ours/email/{folder}{name} is no longer read: ")
    assert instead in message


def test_a_folder_of_templates_that_is_not_there_is_named(newsroom: Path) -> None:
    (newsroom / "ours").rmdir()
    [(part, message)] = to_mend(newsroom)
    assert part == "templates"
    assert "ours is no folder, so all templates are ours" in message


@pytest.mark.parametrize("base_url", [BASE_URL, "http://127.0.0.1:8000"])
@pytest.mark.parametrize("language", ["en", "de", "lt", "uk"])
def test_our_own_mails_have_no_findings(language: str, base_url: str) -> None:
    """Else `newsletter check` would tell every newsroom of what it cannot mend. tests/mail judges all languages."""
    edition = Edition(**edition_fields("fen-weekly", 1), language=language)
    made = {name: make() for name, make in example_mails(Renderer(), edition, base_url).items()}
    assert sorted(made) == sorted(MAILS)
    for mail in made.values():
        assert check_mail(mail, language=language, site=base_url) == []
