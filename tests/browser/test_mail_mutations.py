"""T16: templates that are broken on purpose where only a browser shows it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from newsletter.preview import outlook_view
from tests.mail import axe, layout
from tests.mail.mutations import DRAWN, Mutation, survived
from tests.mail.pages import SCHEMES, MailPage, mail_page
from tests.mail.view import MailView, without_styles

pytestmark = pytest.mark.browser


def _sideways(page: MailPage, view: MailView) -> list[str]:
    page.open(view.html, width=320)
    return layout.overflows(page)


def _unlike(page: MailPage, view: MailView) -> list[str]:
    page.open(view.html, width=320)
    whole = (layout.size(page), layout.boxes(page))
    page.open(without_styles(view.html), width=320)
    same = (layout.size(page), layout.boxes(page)) == whole
    return [] if same else ["R15: the page is another without style blocks"]


def _covered(page: MailPage, view: MailView) -> list[str]:
    page.open(view.html, width=320)
    return [*layout.overlapping(layout.boxes(page)), *layout.cut(page)]


def _accessible(page: MailPage, view: MailView) -> list[str]:
    found = []
    for scheme in SCHEMES:
        page.open(view.html, width=320, scheme=scheme)
        found += axe.findings(page.page)
    return found


def _in_word(page: MailPage, view: MailView) -> list[str]:
    page.open(outlook_view(view.html), width=900)
    return [*layout.outside(layout.boxes(page), 150, 750), *layout.tall_bands(page)]


#: What test_mail.py looks at for a rule.
CHECKS = {
    "R15": _unlike,
    "R16": _sideways,
    "R17": _in_word,
    "R18": _in_word,
    "R44": _accessible,
    "T8": _covered,
    "T18": _covered,
}


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[MailPage]:
    """One page for all tests."""
    with mail_page(chromium) as opened:
        yield opened


@pytest.mark.parametrize("mutation", DRAWN, ids=lambda mutation: mutation.name)
def test_the_browser_notices(page: MailPage, mutation: Mutation, tmp_path: Path) -> None:
    """T16."""
    assert survived(mutation, tmp_path, partial(CHECKS[mutation.rule], page)) == ""
