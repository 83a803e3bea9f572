"""How long it takes to fill a mail for its readers: `python -m bench.fill`, or with `--json` for scripts.

The mail has 38 KB of html and 9 KB of text, every hole and two blocks in each part. Filling is compared with what it
replaced: one regular expression over each part for each reader, which knew no blocks. Times are the fastest of several
runs; they are for comparing on one machine, never for a test.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from html import escape

from newsletter.mail import HOLES, Mail, Sender, block_tags, hole_tags

NONCE = "5f0c1e7a9b3d4826"
_STORY = "Der Stadtrat beschloss am Dienstag, die Brücke im Frühjahr für zwölf Wochen zu sperren. "
_HTML_BYTES, _TEXT_BYTES = 38_000, 9_000


def example_mail(html_bytes: int = _HTML_BYTES, text_bytes: int = _TEXT_BYTES) -> Mail:
    """Return a mail of a usual size, with every hole and two blocks in each part."""
    html = _part("<p>{}</p>\n", html_bytes, hole_tags(NONCE, html=True), block_tags(NONCE, html=True))
    text = _part("{}\n\n", text_bytes, hole_tags(NONCE, html=False), block_tags(NONCE, html=False))
    return Mail("Die Brücke", html, text, Sender("Fen Weekly", "weekly@news.example.org"), NONCE)


def readers(count: int) -> list[dict[str, str]]:
    """Return the values of as many readers; half have a name, and a third are new."""
    return [
        {
            "address": f"reader-{number}@example.org",
            "name": "Ada O’Brien & Söhne" if number % 2 else "",
            "new": "" if number % 3 else "yes",
            "since": "3. Mai 2026",
            "unsubscribe_url": f"https://news.example.org/u/k7Qm2xV9bTz4.{number:024x}",
            "preferences_url": f"https://news.example.org/p/k7Qm2xV9bTz4.{number:024x}",
            "token": f"k7Qm2xV9bTz4.{number:024x}",
            "delivery_id": f"{number:032x}",
        }
        for number in range(count)
    ]


def fill_seconds(mail: Mail, people: Iterable[Mapping[str, str]], runs: int = 3) -> float:
    """Return the seconds it takes to fill both parts for everybody, taking the mail apart included."""

    def fill() -> None:
        fresh = Mail(mail.subject, mail.html, mail.text, mail.sender, mail.nonce)
        for values in people:
            fresh.html_for(values)
            fresh.text_for(values)

    return _fastest(fill, runs)


def _before_seconds(mail: Mail, people: Iterable[Mapping[str, str]], runs: int) -> float:
    """Return the seconds of what filling replaced."""
    names = "|".join(HOLES)
    html, text = (re.compile(f"-{NONCE}{kind}.({names})-") for kind in "ht")

    def fill() -> None:
        for values in people:
            html.sub(lambda tag: escape(values[tag[1]]), mail.html)  # noqa: B023 - called at once
            text.sub(lambda tag: values[tag[1]], mail.text)  # noqa: B023

    return _fastest(fill, runs)


def _substitution_seconds(mail: Mail, people: Iterable[Mapping[str, str]], runs: int) -> float:
    """Return the seconds it takes to make everybody's substitutions for a provider that fills the mail itself."""

    def fill() -> None:
        for values in people:
            mail.substitutions(values)

    return _fastest(fill, runs)


def _part(paragraph: str, size: int, hole: Mapping[str, str], only: Mapping[str, str]) -> str:
    greeting = f"{only['name']}Guten Tag, {hole['name']}!{only['end']}{only['not_name']}Guten Tag!{only['end']}"
    welcome = f"{only['new']}\n{paragraph.format('Willkommen!')}{only['end']}\n"
    top = paragraph.format(greeting) + welcome
    end = "".join(paragraph.format(tag) for name, tag in hole.items() if name != "name")
    stories = max(0, size - len(f"{top}{end}".encode())) // len(paragraph.format(_STORY).encode())
    return top + paragraph.format(_STORY) * stories + end


def _fastest(work: Callable[[], None], runs: int) -> float:
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description="Time the filling of a mail for 10,000 readers.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--runs", type=int, default=3, help="how often to fill them all (default: 3)")
    parser.add_argument("--readers", type=int, default=10_000, help="how many readers (default: 10000)")
    options = parser.parse_args()
    mail, people = example_mail(), readers(options.readers)
    scale = 10_000 / options.readers
    figures = {
        "html_bytes": len(mail.html.encode()),
        "text_bytes": len(mail.text.encode()),
        "fill_10000_s": round(fill_seconds(mail, people, options.runs) * scale, 4),
        "fill_10000_before_s": round(_before_seconds(mail, people, options.runs) * scale, 4),
        "substitutions_10000_s": round(_substitution_seconds(mail, people, options.runs) * scale, 4),
    }
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<22}{figure:>10,}")


if __name__ == "__main__":
    main()
