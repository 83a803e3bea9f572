"""What is said of templates that are broken: always a sentence that names the file (issue 4, docs/templates.md)."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.errors import ConfigurationError
from newsletter.render import Look, Renderer
from newsletter.resources import templates_folder
from tests import mail_fixtures as fixtures

OURS = templates_folder() / "email"
DOCTYPE = "<!DOCTYPE html>"
MACROS = (OURS / "_macros.html").read_text(encoding="utf-8")
NESTED = "<style>.a{color:#111111}@media print{.a{color:#222222}@media screen{.a{color:#333333}}}</style>"
ITSELF = 'names this file itself. To build on ours, write "newsletter/'


def made(folder: Path, files: dict[str, str | bytes], look: Look = Look()) -> str:  # noqa: B008 - frozen
    """The html of an issue by a newsroom's own templates."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Renderer(folder).issue(replace(fixtures.issue(1), look=look), fixtures.NONCE).html


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        # The likeliest slip, and its kin.
        (
            "issue/body.html",
            '{% extends "issue/body.html" %}',
            'Template issue/body.html, line 1: {% extends "issue/body.html" %} ' + ITSELF + 'issue/body.html".',
        ),
        ("issue/body.txt", "\n{%- include 'issue/body.txt' %}", "issue/body.txt, line 2: {% include"),
        ("_macros.html", '\n{% from "_macros.html" import band with context %}', ITSELF + '_macros.html".'),
        ("_base.html", '{% extends "_base.html" %}', ITSELF + '_base.html".'),
        (
            "_base.html",
            '{% extends "newsletter/issue/body.html" %}',
            "The templates _base.html and newsletter/issue/body.html read one another without end.",
        ),
        (
            "issue/body.html",
            DOCTYPE + "\n{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
            "Template issue/body.html, line 2: a macro or block calls itself without end.",
        ),
        # Nothing to show, nothing to inline.
        ("issue/body.html", "", "Template issue/body.html makes an empty mail."),
        ("issue/body.html", "  \n{# only this #}\n", "Template issue/body.html makes an empty mail."),
        ("issue/body.html", DOCTYPE, "Template issue/body.html makes an empty mail."),
        ("issue/body.html", DOCTYPE + "<!-- x", "Template issue/body.html makes an empty mail."),
        ("issue/body.html", "text", f"Template issue/body.html must start with exactly {DOCTYPE}"),
        ("_styles.html", NESTED, "issue/body.html: its first style block (_styles.html) has an @ rule inside another"),
        # What Python says, with the place.
        ("issue/body.html", DOCTYPE + "\n{{ 1/0 }}", "Template issue/body.html, line 2: division by zero."),
        ("issue/subject.txt", "{{ 'a' + 1 }}", "issue/subject.txt, line 1: can only concatenate str"),
        ("issue/body.txt", "{{ lead.update(x=1) }}", "issue/body.txt, line 1: access to attribute 'update'"),
        ("issue/body.txt", "{% for i in range(9999999) %}{% endfor %}", "issue/body.txt, line 1: Range too big."),
        ("issue/body.txt", "{{ more[99].headline }}", "issue/body.txt, line 1: list object has no element 99."),
        ("issue/body.txt", "{{ lead | sorted }}", "Template issue/body.txt, line 1: No filter named 'sorted'."),
        # In another file than the one that is rendered.
        (
            "_macros.html",
            MACROS.replace("{{ caller() }}\n</td>", "{{ caller() }}\n{{ nope }}</td>"),
            "'nope' is undefined. docs/templates.md lists what this mail has.",
        ),
        (
            "_macros.html",
            "{% macro band(ground) %}{% endmacro %}",
            "the template '_macros.html' (imported on line 3 in 'issue/body.html') does not export",
        ),
        ("_imprint.txt", "a\n{{ 1/0 }}", "Template _imprint.txt, line 2: division by zero."),
        ("_styles.html", "\n<style>{% if %}</style>", "Template _styles.html, line 2: Expected an expression"),
        # Bytes that are no UTF-8.
        ("issue/body.html", b"\n\n\xfcber", "Template issue/body.html, line 3, is not in UTF-8. Save it as UTF-8."),
        ("_imprint.txt", b"\xfcber", "Template _imprint.txt, line 1, is not in UTF-8. Save it as UTF-8."),
        # Phrases of a newsroom's own.
        ("issue/body.txt", '{{ _("On %(day)s") }}', "line 1: a phrase cannot be filled: it is not given %(day)s."),
        ("issue/body.html", '{{ _("On %(day)s") }}', "line 1: a phrase cannot be filled: it is not given %(day)s."),
        ("issue/body.txt", '{{ _("100%") }}', "line 1: a phrase cannot be filled: incomplete format."),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(file: str, text: str | bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(sentence)) as caught:
        made(tmp_path, {file: text})
    assert file in str(caught.value)
    assert caught.value.__cause__ is not None or "makes an empty" in sentence or "must start" in sentence
    assert str(tmp_path) not in str(caught.value)


def test_a_template_of_one_edition_is_told_from_the_newsroom_s(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"editions/north/issue/body.html": "{{ 1/0 }}", "issue/body.html": "{{ nope }}"}
    with pytest.raises(ConfigurationError, match=r"^Template editions/north/issue/body\.html, line 1: division"):
        made(tmp_path, files, Look(templates="north"))
    with pytest.raises(ConfigurationError, match=r"^Template issue/body\.html, line 1: 'nope' is undefined"):
        made(tmp_path, {})


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Some editors write one; before the doctype it would cost the mail its mode (R1)."""
    body = (OURS / "_base.html").read_bytes().removeprefix(b"\xef\xbb\xbf")
    assert made(tmp_path, {"_base.html": b"\xef\xbb\xbf" + body}) == made(tmp_path / "none", {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "_fonts.txt").write_text("x", encoding="utf-8")
    (tmp_path / "_fonts.txt").chmod(0)
    with pytest.raises(ConfigurationError, match=r"Template _fonts\.txt cannot be read: Permission denied\."):
        made(tmp_path, {})
