"""The pages around the views: the text part as a page, the contact sheet, and the index that a person opens."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from newsletter.mail import Mail
from newsletter.preview.browser import Picture
from newsletter.preview.programs import preheader, with_pictures
from newsletter.preview.views import View

#: From here on a window is wide, in CSS pixels.
_WIDE = 600
#: On the contact sheet: how wide a wide and a narrow view are shown, the space between them, and at the edges.
_SHOWN_WIDE, _SHOWN_NARROW, _GAP, _EDGE = 552, 360, 24, 36
#: On the contact sheet: how much of the beginning and of the end of a long mail is shown.
_BEGINNING, _END = 760, 260
#: The contact sheet is at least so wide, for the line from the inbox.
_NARROWEST = 720


@dataclass(frozen=True)
class Inbox:
    """What readers see before they open a mail."""

    sender: str
    subject: str
    preheader: str


@dataclass(frozen=True)
class Tile:
    """One view on the contact sheet, sizes in its pixels. `left_out` is in the mail's; none when all of it is shown."""

    view: View
    picture: Picture
    data: str
    width: int
    height: int
    end: int
    left_out: int


def inbox(mail: Mail, values: Mapping[str, str]) -> Inbox:
    """Return the mail's line in an inbox."""
    return Inbox(mail.sender.name, mail.subject, preheader(mail.html_for(values)))


def text_file(mail: Mail, values: Mapping[str, str]) -> str:
    """Return the text part as it is written to a file, below its subject."""
    return f"Subject: {mail.subject}\n\n{mail.text_for(values)}"


def documents(
    mail: Mail, values: Mapping[str, str], pictures: Mapping[str, str], views: Sequence[View]
) -> dict[View, str]:
    """Return the html page behind each view."""
    html = with_pictures(mail.html_for(values), pictures)
    text = _page("text", text=text_file(mail, values))
    return {view: text if view.is_text else view.made_of(html) if view.made_of else html for view in views}


def sheet_page(line: Inbox, pictures: Mapping[View, Picture]) -> tuple[str, int]:
    """Return the contact sheet as html, and how wide it is in pixels."""
    tiles = [_tile(view, picture) for view, picture in pictures.items()]
    rows = [row for row in _rows(tiles) if row]
    width = max([_NARROWEST, *(sum(tile.width + _GAP for tile in row) - _GAP for row in rows)])
    return _page("sheet", line=line, rows=rows, width=width, gap=_GAP, edge=_EDGE), width + 2 * _EDGE


def index_page(name: str, line: Inbox, pictures: Mapping[View, Picture], notes: Sequence[str]) -> str:
    """Return the page that shows the files of a preview, which lie beside it and begin with `name`."""
    wide = [(view, picture) for view, picture in pictures.items() if view.width >= _WIDE]
    narrow = [(view, picture) for view, picture in pictures.items() if view.width < _WIDE]
    return _page("index", name=name, line=line, rows=[row for row in (wide, narrow) if row], notes=notes, live=[])


def live_page(name: str, line: Inbox, shown: Mapping[View, str], notes: Sequence[str]) -> str:
    """Return the index for when there are no pictures: the browser of whoever opens it shows the views it can."""
    live = [(view, document) for view, document in shown.items() if view.is_plain]
    return _page("index", name=name, line=line, rows=[], notes=notes, live=live)


def _tile(view: View, picture: Picture) -> Tile:
    width = _SHOWN_WIDE if view.width >= _WIDE else _SHOWN_NARROW
    ratio = width / picture.width
    height = round(picture.height * ratio)
    end = _END if height > _BEGINNING + _END else 0
    shown = _BEGINNING if end else height
    data = f"data:image/png;base64,{b64encode(picture.png).decode()}"
    return Tile(view, picture, data, width, shown, end, round((height - shown - end) / ratio))


def _rows(tiles: Sequence[Tile]) -> tuple[list[Tile], list[Tile]]:
    return [one for one in tiles if one.view.width >= _WIDE], [one for one in tiles if one.view.width < _WIDE]


def _page(template: str, /, **values: object) -> str:
    return _environment().get_template(f"{template}.html").render(values)


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
