"""The ways in which readers see a mail, as far as one browser can show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from newsletter.errors import NotFound, meant
from newsletter.preview.programs import outlook_view, without_pictures, without_styles


@dataclass(frozen=True)
class View:
    """One picture of a mail. `name` is for files and commands, `title` and `about` for people.

    `width` is the window's, in CSS pixels; `made_of` changes the html first. `dark`: the reader's system is set so;
    `darkened`: the mail program turns light mails dark by itself. `zoom` enlarges.
    """

    name: str
    title: str
    width: int
    about: str = ""
    made_of: Callable[[str], str] | None = None
    is_text: bool = False
    dark: bool = False
    darkened: bool = False
    zoom: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether any browser shows it without being told to be dark or to enlarge."""
        return not (self.dark or self.darkened or self.zoom > 1)


#: In the order in which they are shown: wide windows, then narrow ones.
VIEWS = (
    View("desktop", "Desktop", 800),
    View("dark", "Desktop, dark", 800, dark=True),
    View("outlook", "Classic Outlook", 900, "an approximation of Word", made_of=outlook_view),
    View("text", "Text part", 720, is_text=True),
    View("phone", "Phone", 360),
    View("dark-phone", "Phone, dark", 360, dark=True),
    View("images-off", "Pictures off", 360, "alternative texts", made_of=without_pictures),
    View("no-styles", "No style blocks", 360, "Gmail with other accounts", made_of=without_styles),
    View("forced-dark", "Darkened by force", 360, "roughly Gmail on Android", made_of=without_styles, darkened=True),
    View("zoom", "Zoom 200 %", 300, "large type", zoom=2),
)


def chosen(names: str) -> tuple[View, ...]:
    """Return the views named in a text such as `phone,dark`, in our order; all of them when it is empty.

    Raises NotFound for a name that no view has.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = [view.name for view in VIEWS]
    for name in wanted:
        if name not in known:
            raise NotFound("view", name, f"Views: {', '.join(known)}.", likely=meant(name, known))
    return tuple(view for view in VIEWS if view.name in wanted or not wanted)
