"""T11: the order in which a mail is read by who hears it, or sees it in a terminal (R46)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from tests.mail.programs import found
from tests.mail.view import MailView

_OPTIONS = (
    *("-dump", "-nolist", "-width=78", "-force_html", "-stdin", "-cfg=/dev/null"),
    *("-assume_charset=utf-8", "-display_charset=utf-8"),
)


def read(html: str) -> str:
    """Return the mail as lynx writes it, line by line."""
    command = [found("lynx"), *_OPTIONS]
    environment = {"LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "TERM": "dumb"}
    done = subprocess.run(command, input=html.encode(), capture_output=True, check=True, env=environment, timeout=30)
    return done.stdout.decode("utf-8", errors="replace")


def problems(view: MailView) -> Iterator[str]:
    """Yield the headlines, and the footer's words, that are not read in their place."""
    heard, at = _squeezed(read(view.html)), 0
    for piece in (*view.headlines, *view.footer):
        place = heard.find(_squeezed(piece), at)
        if place < 0:
            yield f"R46: not read, or read out of order: {piece[:60]}"
        at = max(at, place)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
