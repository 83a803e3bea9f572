"""Looking at a mail before it goes out: its html and text as files, and as pictures where Chromium is installed.

The browser is run by itself, headless, with a profile of its own: once to measure how tall the mail is at each width,
then once for each picture.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from newsletter.errors import NewsletterError
from newsletter.mail import Mail

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
#: Seconds for one run of the browser, the mail's pictures included.
_PATIENCE = 60
#: Chromium draws no picture taller than this.
_TALLEST = 16_000
_NO_PICTURES: Mapping[str, str] = {}

#: Frames are as wide as asked for, which a browser window below 500 pixels is not.
_RULER = """<!DOCTYPE html><meta charset="utf-8"><title></title>
{frames}
<script>
onload = () => {{
  const height = frame => frame.contentDocument.documentElement.scrollHeight
  document.title = "heights " + [...document.querySelectorAll("iframe")].map(height).join(" ")
}}
</script>
"""


@dataclass(frozen=True)
class _View:
    """One picture: what its file is called, how wide it is in pixels, and whether the reader's system is dark."""

    name: str
    width: int
    dark: bool = False


_VIEWS = (_View("desktop", 800), _View("phone", 360), _View("dark", 800, dark=True))


class PreviewError(NewsletterError):
    """The browser did not draw the pictures."""


def write_preview(
    mail: Mail, values: Mapping[str, str], folder: Path, name: str, *, pictures: Mapping[str, str] = _NO_PICTURES
) -> list[Path]:
    """Write the mail as a reader with these values gets it, and return the files: html, text, then pictures if any.

    `pictures` has data URLs for the addresses of pictures that need not be on the web yet. Raises PreviewError when
    there is a Chromium that fails; html and text are written then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    html, text = folder / f"{name}.html", folder / f"{name}.txt"
    markup = mail.html_for(values)
    for address, data in pictures.items():
        markup = markup.replace(f'src="{address}"', f'src="{data}"')
    html.write_text(markup, encoding="utf-8")
    text.write_text(f"Subject: {mail.subject}\n\n{mail.text_for(values)}", encoding="utf-8")
    chromium = find_chromium()
    return [html, text, *(_draw(chromium, html) if chromium else [])]


def find_chromium() -> Path | None:
    """Return the Chromium or Chrome on the PATH, if there is one."""
    found = (shutil.which(name) for name in _NAMES)
    return next((Path(path) for path in found if path), None)


def _draw(chromium: Path, html: Path) -> list[Path]:
    with tempfile.TemporaryDirectory(prefix="newsletter-preview-", ignore_cleanup_errors=True) as work:
        heights = _heights(chromium, html, Path(work))
        pictures = []
        for view in _VIEWS:
            picture = html.with_name(f"{html.stem}-{view.name}.png")
            size = f"--window-size={view.width},{min(heights[view.width], _TALLEST)}"
            scheme = ["--force-dark-mode"] if view.dark else []
            _run(chromium, Path(work), [size, *scheme, f"--screenshot={picture.absolute()}", html.absolute().as_uri()])
            if not picture.is_file():
                raise PreviewError(f"{chromium} drew no picture. The html is in {html}.")
            pictures.append(picture)
    return pictures


def _heights(chromium: Path, html: Path, work: Path) -> dict[int, int]:
    """Return width -> height of the whole mail, in pixels."""
    widths = sorted({view.width for view in _VIEWS})
    content = escape(html.read_text(encoding="utf-8"))
    frames = "\n".join(f'<iframe width="{width}" height="100" srcdoc="{content}"></iframe>' for width in widths)
    ruler = work / "ruler.html"
    ruler.write_text(_RULER.format(frames=frames), encoding="utf-8")
    shown = _run(chromium, work, ["--dump-dom", ruler.as_uri()])
    measured = re.search(r"<title>heights ([\d ]+)</title>", shown)
    if measured is None:
        raise PreviewError(f"{chromium} could not measure the mail. The html is in {html}.")
    return dict(zip(widths, map(int, measured[1].split()), strict=True))


def _run(chromium: Path, work: Path, arguments: list[str]) -> str:
    """Run the browser and return what it printed. Raises PreviewError."""
    command = [str(chromium), *_FLAGS, f"--user-data-dir={work / 'profile'}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)  # noqa: S603 - no shell
    except subprocess.TimeoutExpired as error:
        sentence = f"{chromium} did not finish within {_PATIENCE} seconds; perhaps a picture in the mail does not load."
        raise PreviewError(sentence) from error
    except OSError as error:
        raise PreviewError(f"{chromium} could not be started: {error.strerror}.") from error
    if done.returncode != 0:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise PreviewError(f"{chromium} stopped with status {done.returncode}: {last}")
    return done.stdout.decode(errors="replace")
