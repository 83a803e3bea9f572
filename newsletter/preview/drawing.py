"""The pictures of a mail: every view, and the contact sheet that has them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.mail import Mail
from newsletter.preview.browser import Picture, open_browser
from newsletter.preview.pages import documents, inbox, sheet_page
from newsletter.preview.views import VIEWS, View

#: How many pictures that do not load are named.
_NAMED = 5
_NO_PICTURES: Mapping[str, str] = {}


@dataclass(frozen=True)
class Drawn:
    """The pictures of a mail, in the order of the views; `notes` are sentences about what an editor should know."""

    pictures: Mapping[View, Picture]
    sheet: Picture
    notes: tuple[str, ...]


def draw(
    chromium: Path,
    mail: Mail,
    values: Mapping[str, str],
    *,
    pictures: Mapping[str, str] = _NO_PICTURES,
    views: Sequence[View] = VIEWS,
    scale: int = 1,
) -> Drawn:
    """Draw the mail as a reader with these values sees it.

    `pictures` has data URLs for the addresses of pictures that need not be on the web yet; the browser fetches the
    others. `scale` is for sharper pictures: 2 has twice as many pixels a line. Raises PreviewError.
    """
    of_document: dict[str, list[View]] = {}
    for view, document in documents(mail, values, pictures, views).items():
        of_document.setdefault(document, []).append(view)
    drawn: dict[View, Picture] = {}
    missing: list[str] = []
    with open_browser(chromium) as page:
        for document, its_views in of_document.items():
            missing += page.show(document)
            for view in its_views:
                drawn[view] = page.picture(
                    view.width, scale=max(scale, view.zoom), dark=view.dark, darkened=view.darkened
                )
        ordered = {view: drawn[view] for view in views}
        sheet, width = sheet_page(inbox(mail, values), ordered)
        page.show(sheet)
        contact = page.picture(width, scale=scale)
    return Drawn(ordered, contact, (*_missing(missing), *_sizes(ordered)))


def _missing(addresses: Iterable[str]) -> list[str]:
    """Return sentences about pictures that did not load."""
    each = list(dict.fromkeys(one if len(one) < 200 else f"{one[:60]}…" for one in addresses))
    more = [f"{len(each) - _NAMED} more pictures did not load."] if len(each) > _NAMED else []
    return [*(f"This picture did not load: {address}" for address in each[:_NAMED]), *more]


def _sizes(pictures: Mapping[View, Picture]) -> list[str]:
    """Return sentences about mails that stick out of their window (R16), or are longer than a picture can be."""
    wide = [
        f"{view.title}: the mail is {picture.content_width} pixels wide in a window of {picture.width}."
        for view, picture in pictures.items()
        if picture.content_width > picture.width
    ]
    long = [
        f"{view.title}: the mail goes on below the {picture.height} pixels of the picture."
        for view, picture in pictures.items()
        if picture.is_cut
    ]
    return [*wide, *long]
