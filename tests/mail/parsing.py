"""T2: the html is without a parse error, for browsers and for Word, and what is opened is closed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import html5lib

from newsletter.preview import outlook_view
from tests.mail.view import MailView, without_comments


def problems(view: MailView) -> Iterator[str]:
    """Yield each parse error with its line, and each element of a table without its end."""
    for name, html in (("html", without_comments(view.html)), ("Outlook view", outlook_view(view.html))):
        yield from (f"T2: the {name} has a parse error: {error}" for error in errors(html))
        for tag in ("table", "tr", "td"):
            opened, closed = (len(re.findall(rf"<{mark}{tag}\b", html)) for mark in ("", "/"))
            if opened != closed:
                yield f"T2: the {name} opens <{tag}> {opened} times and closes it {closed} times"


def errors(html: str) -> list[str]:
    """Return what the parser of html5lib complains about: the name of the error and what stands in its line."""
    parser = html5lib.HTMLParser()
    parser.parse(html)
    lines = html.splitlines() or [""]
    return [f"{code} near {lines[min(line, len(lines)) - 1][:80]!r}" for (line, _), code, _ in parser.errors]
