"""What an issue says beside its stories, and whether both parts print it: R42, R45 and R59."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from newsletter.mail import Mail
from newsletter.preflight.comparing import letters_of, words_of
from newsletter.preflight.finding import Finding, warnings
from newsletter.preflight.known import Known
from newsletter.preflight.page import Page
from newsletter.preflight.reading import MARKS, Reading
from newsletter.render import IssueContent
from newsletter.render.text import display_text, shortened
from newsletter.render.written import Paragraph, written

_FILES = {"html": "issue/body.html", "text": "issue/body.txt"}


def masthead(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R45, R59: which newsletter this is, and of which day."""
    del known
    name = display_text(content.edition_name)
    titles = [words_of(reading.page.name_of(one)) for one in reading.page.all("h1")]
    if titles and not any(words_of(one) in title for one in (name, reading.mail.subject) for title in titles):
        fix = "Print {{ edition }} or {{ subject }} in the h1."
        yield from warnings("R45", "The h1 says neither the edition's name nor the subject", [f"“{name}”"], fix)
    wanted = {
        "date": ("issue's date", reading.language.long_date(content.day)),
        "tagline": ("edition's tagline", display_text(content.tagline)),
    }
    held = {"html": reading.shown_letters, "text": letters_of(reading.text)}
    for printed, (what, value) in wanted.items():
        lacking = [part for part in _FILES if letters_of(value) not in held[part]]
        for part in lacking:
            fix = f"Print {{{{ {printed} }}}} in {_FILES[part]}."
            yield from warnings("R59", f"The {part} part lacks the {what}", [f"“{shortened(value, 60)}”"], fix)


def own_words(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R59: what the editor wrote reaches every reader it is meant for, paragraph by paragraph."""
    del known
    pieces = {"intro": content.intro, "corrections": content.corrections, "closing": content.closing}
    for name, markdown in pieces.items():
        said = written(markdown, reading.language.primary, reading.mail.nonce)
        shown = {"html": _plain_html(reading, said.html), "text": _plain_text(reading, said.text)}
        held = {"html": reading.shown_letters, "text": letters_of(reading.text)}
        for part, paragraphs in shown.items():
            missing = [f"“{shortened(one, 60)}”" for one in paragraphs if letters_of(one) not in held[part]]
            what = f"The {part} part lacks words of the editor's {name}"
            yield from warnings("R59", what, missing, f"Print {name} in {_FILES[part]}, with each paragraph's tags.")


def _plain_html(reading: Reading, paragraphs: tuple[Paragraph, ...]) -> list[str]:
    found = []
    for one in paragraphs:
        mail: Mail = replace(reading.mail, html=f"{one.opening}<p>{one.shown}</p>{one.end}")
        page = Page.of(mail.html_for(reading.marks))
        found += [page.text_of(element) for element in page.all("p")]
    return found


def _plain_text(reading: Reading, paragraphs: tuple[Paragraph, ...]) -> list[str]:
    texts = [f"{one.opening}\n{one.shown}\n{one.end}" if one.opening else one.shown for one in paragraphs]
    filled = [replace(reading.mail, text=one).text_for(reading.marks) for one in texts]
    return [" ".join(one.split()) for one in filled if one.strip()]


def reason(reading: Reading, content: IssueContent, known: Known) -> Iterator[Finding]:
    """R42: why a reader gets this: at which address, on which list, since when."""
    del known
    wanted = {
        "the reader's address": (MARKS["address"], "hole.address"),
        "the day on which they joined": (MARKS["since"], "hole.since"),
        "the list's name": (display_text(content.list_name), "list_name"),
    }
    for part, file in _FILES.items():
        held = letters_of(reading.shown_text if part == "html" else reading.text)
        missing = {what: printed for what, (value, printed) in wanted.items() if letters_of(value) not in held}
        fix = f"Print {', '.join(f'{{{{ {one} }}}}' for one in missing.values())} in the footer of {file}."
        yield from warnings("R42", f"The {part} part does not say why a reader gets it; it lacks", missing, fix)


RULES = (reason, masthead, own_words)
