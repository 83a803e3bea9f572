"""Looking at a mail before it goes out: its html and text as files, and as pictures where Chromium is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from newsletter.mail import Mail
from newsletter.preview.browser import PreviewError, find_chromium
from newsletter.preview.drawing import Drawn, draw
from newsletter.preview.pages import documents, inbox, index_page, live_page, text_file
from newsletter.preview.programs import outlook_view, with_pictures, without_pictures, without_styles
from newsletter.preview.views import VIEWS, View, chosen

__all__ = [
    "VIEWS",
    "Drawn",
    "Preview",
    "PreviewError",
    "View",
    "chosen",
    "draw",
    "find_chromium",
    "outlook_view",
    "with_pictures",
    "without_pictures",
    "without_styles",
    "write_preview",
]

_NO_PICTURES: Mapping[str, str] = {}
_NOT_DRAWN = "There are no pictures: Chromium failed."
_NO_CHROMIUM = "There are no pictures: Chromium was not found (Debian: apt-get install chromium)."


@dataclass(frozen=True)
class Preview:
    """The files of a preview: html, text, the views' pictures, the contact sheet, and last the index that shows them.

    `notes` are sentences about what an editor should know.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_preview(
    mail: Mail,
    values: Mapping[str, str],
    folder: Path,
    name: str,
    *,
    pictures: Mapping[str, str] = _NO_PICTURES,
    views: Sequence[View] = VIEWS,
    scale: int = 1,
) -> Preview:
    """Write the mail as a reader with these values gets it, pictures of the views, and an `index.html` that shows all.

    The files' names begin with `name`; older ones of that name are overwritten. `pictures` has data URLs for the
    addresses of pictures that need not be on the web yet. Without Chromium, the index shows what the browser of
    whoever opens it can. Raises PreviewError when the folder cannot be written, or when there is a Chromium that fails;
    html, text and such an index are there then.
    """
    html, text, index = folder / f"{name}.html", folder / f"{name}.txt", folder / "index.html"
    chromium, line = find_chromium(), inbox(mail, values)
    notes = (_NOT_DRAWN if chromium else _NO_CHROMIUM,)
    with _writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        html.write_text(with_pictures(mail.html_for(values), pictures), encoding="utf-8")
        text.write_text(text_file(mail, values), encoding="utf-8")
        index.write_text(live_page(name, line, documents(mail, values, pictures, views), notes), encoding="utf-8")
    if chromium is None:
        return Preview((html, text, index), notes)
    try:
        drawn = draw(chromium, mail, values, pictures=pictures, views=views, scale=scale)
    except PreviewError as error:
        raise PreviewError(f"{error} The mail is there without pictures: {index}") from error
    files = {folder / f"{name}-{view.name}.png": picture for view, picture in drawn.pictures.items()}
    files[folder / f"{name}-sheet.png"] = drawn.sheet
    with _writing_to(folder):
        for file, picture in files.items():
            file.write_bytes(picture.png)
        index.write_text(index_page(name, line, drawn.pictures, drawn.notes), encoding="utf-8")
    return Preview((html, text, *files, index), drawn.notes)


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sentence = f"{error.filename or folder} cannot be written: {error.strerror}. Choose another folder."
        raise PreviewError(sentence) from error
