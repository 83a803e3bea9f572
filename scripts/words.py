"""Collect the fixed phrases of mails and pages into `messages.pot`, and bring the catalogues up to date with it.

`python scripts/words.py` writes; with `--check` it only says what is not up to date, and exits with 1. A phrase that
changed a little keeps its translation, marked as fuzzy: it is shown in English until somebody has looked at it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

ROOT = Path(__file__).parent.parent
EMAIL = ROOT / "templates" / "email"
WEB = ROOT / "templates" / "web"
#: Phrases of pages that stand in Python, marked with `phrase` or counted with `count`.
CODE = [ROOT / "newsletter" / "web", ROOT / "newsletter" / "signup", ROOT / "newsletter" / "wording.py"]
_OPTIONS = {"trimmed": "true", "silent": "false"}
_FUNCTIONS = ("_", "gettext", "ngettext")
_MARKS: dict[str, tuple[int, ...] | None] = {"phrase": None, "count": (1, 2)}


def collected(templates: Path, code: Iterable[Path] = ()) -> Catalog:
    """Return every phrase of the templates in a folder and of Python files, in the order of the files."""
    catalog = Catalog(fuzzy=False)
    for file in _templates(templates):
        with file.open("rb") as opened:
            for _, function, phrase, _ in babel_extract(opened, _FUNCTIONS, [], _OPTIONS):
                # Of a call with several arguments a tuple, with None for those that are no plain text.
                one, *many = [
                    text for text in ([phrase] if isinstance(phrase, str) else phrase or ()) if text is not None
                ]
                catalog.add((one, many[0]) if function == "ngettext" else one)
    for file in code:
        with file.open("rb") as opened:
            for _, phrase, _, _ in extract("python", opened, keywords=_MARKS):
                catalog.add(phrase)
    return catalog


def as_text(catalog: Catalog) -> bytes:
    """Return a catalogue as its file. Its header holds what programs need, and no dates: they change on their own."""
    language = catalog.locale_identifier
    header = {
        "Language": language or "",
        **({"Plural-Forms": catalog.plural_forms} if language else {}),
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
    }
    lines = ['msgid ""', 'msgstr ""', *(f'"{name}: {value}\\n"' for name, value in header.items()), "", ""]
    phrases = io.BytesIO()
    write_po(phrases, catalog, width=100, omit_header=True, ignore_obsolete=True)
    return "\n".join(lines).encode() + phrases.getvalue()


def files() -> Iterator[tuple[Path, bytes]]:
    """Return every catalogue with what it should hold."""
    code = sorted(file for place in CODE for file in (place.rglob("*.py") if place.is_dir() else [place]))
    for folder, python in ((EMAIL, []), (WEB, code)):
        template = collected(folder, python)
        yield folder / "words" / "messages.pot", as_text(template)
        for file in sorted((folder / "words").glob("*.po")):
            with file.open("rb") as opened:
                catalog = read_po(opened, locale=file.stem.replace("-", "_"), abort_invalid=True)
            catalog.update(template)
            yield file, as_text(catalog)


def _templates(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.suffix in {".html", ".txt"}]


def main() -> None:
    """Write the catalogues, or check them."""
    outdated = [(file, text) for file, text in files() if not file.is_file() or file.read_bytes() != text]
    for file, text in outdated:
        print(
            f"{file.relative_to(ROOT)} is not up to date"
            if "--check" in sys.argv
            else f"Wrote {file.relative_to(ROOT)}"
        )
        if "--check" not in sys.argv:
            file.write_bytes(text)
    if outdated and "--check" in sys.argv:
        print("Run `make words`.")
        sys.exit(1)


if __name__ == "__main__":
    main()
