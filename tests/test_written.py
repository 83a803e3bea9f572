"""What an editor writes into an issue: Markdown's paragraphs, emphasis and links, a reader's name, who is new."""

from __future__ import annotations

import re

import pytest

from newsletter.errors import Refused
from newsletter.mail import Mail, Sender, block_tags
from newsletter.render import written

NONCE = "5f0c1e7a9b3d4826"
NEW = block_tags(NONCE, html=True)["new"]


def html(markdown: str, language: str = "en") -> list[str]:
    return [paragraph.shown for paragraph in written(markdown, language, NONCE).html]


def text(markdown: str) -> list[str]:
    return [paragraph.shown for paragraph in written(markdown, "en", NONCE).text]


def filled(markdown: str, name: str, new: str = "") -> tuple[str, str]:
    """Both parts for one reader."""
    shown = written(markdown, "en", NONCE)
    parts = [
        "\n".join(f"{one.opening}{one.shown}{one.end}" for one in paragraphs) for paragraphs in (shown.html, shown.text)
    ]
    mail = Mail("s", parts[0], parts[1], Sender("a", "a@example.org"), NONCE)
    values = {"name": name, "new": new}
    return mail.html_for(values), mail.text_for(values)


@pytest.mark.parametrize(
    ("markdown", "as_html", "as_text"),
    [
        ("One.\n\nTwo.", ["One.", "Two."], ["One.", "Two."]),
        ("One line\nand another.", ["One line and another."], ["One line and another."]),
        ("One  \ntwo", ["One<br>two"], ["One two"]),
        ("First:\n- milk\n- bread", ["First:<br>- milk<br>- bread"], ["First: - milk - bread"]),
        ("*so* and **so**", ["<em>so</em> and <strong>so</strong>"], ["so and so"]),
        (
            "See [the map](https://example.org/a?b=1&c=2).",
            ['See <a class="link text" href="https://example.org/a?b=1&amp;c=2">the map</a>.'],
            ["See the map <https://example.org/a?b=1&c=2>."],
        ),
        ("[Write](mailto:a@example.org?subject=x) us", ["Write (a@example.org) us"], ["Write (a@example.org) us"]),
        ("[a@example.org](mailto:a@example.org)", ["a@example.org"], ["a@example.org"]),
        ("[x](javascript:alert(1))", ["[x](javascript:alert(1))"], ["[x](javascript:alert(1))"]),
        ("[x](/only/here)", ["x"], ["x"]),
        ("# No heading", ["# No heading"], ["# No heading"]),
        (r"<b>no</b> & \{\{ 7*7 }}", ["&lt;b&gt;no&lt;/b&gt; &amp; {{ 7*7 }}"], ["<b>no</b> & {{ 7*7 }}"]),
        ("a \u202e b \ue000 c", ["a b c"], ["a b c"]),
        (" \n\n ", [], []),
    ],
)
def test_markdown(markdown: str, as_html: list[str], as_text: list[str]) -> None:
    assert html(markdown) == as_html
    assert text(markdown) == as_text


@pytest.mark.parametrize(("language", "mark"), [("en", "em"), ("ar", "strong"), ("ja", "strong"), ("ta", "strong")])
def test_scripts_without_slanted_letters_get_bold(language: str, mark: str) -> None:
    """R51."""
    assert html("*x*", language) == [f"<{mark}>x</{mark}>"]


@pytest.mark.parametrize(
    ("name", "said"), [("Ann", "Dear Ann,"), ("", "Dear friend of <the> fens,"), ("A & B", "Dear A & B,")]
)
def test_a_reader_is_greeted_by_name_or_else(name: str, said: str) -> None:
    as_html, as_text = filled("Dear {name|friend of <the> fens},", name)
    assert as_text == said
    assert as_html == said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_two_names_keep_their_own_words() -> None:
    assert filled("{name|one} and {name|two}", "")[1].strip() == "one and two"


def test_paragraphs_for_new_readers_and_for_the_others() -> None:
    markdown = "{new} Welcome.\n\n{not new} Hello again.\n\nNews."
    assert re.sub(r"\s+", " ", filled(markdown, "", "yes")[1]).strip() == "Welcome. News."
    assert re.sub(r"\s+", " ", filled(markdown, "")[1]).strip() == "Hello again. News."
    assert written(markdown, "en", NONCE).html[0].opening == NEW


@pytest.mark.parametrize(
    "slip",
    [
        "{name}",
        "{Name|reader}",
        "{ name | reader }",
        "{New} x",
        "{new readers} x",
        "{not new}{new} x",
        "x {new}",
        "{nmae|reader}",
        "{neu} x",
    ],
)
def test_what_is_nearly_a_mark_is_refused(slip: str) -> None:
    """It would be printed as it is, to every reader."""
    with pytest.raises(Refused, match="would be printed as it is"):
        written(f"Good morning {slip}" if slip.startswith(("{name", "{Name", "{ ")) else slip, "en", NONCE)


@pytest.mark.parametrize(
    ("markdown", "sentence"),
    [
        ("{new} Dear {name|reader}", "cannot hold"),
        ("[x](https://example.org/{name|b})", "A link's address cannot hold"),
    ],
)
def test_a_name_where_none_can_be(markdown: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        written(markdown, "en", NONCE)
