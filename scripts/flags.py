"""Draw the flags that mails show: python scripts/flags.py FOLDER [TARGET]

FOLDER is `flags/4x3` of the package flag-icons (MIT), one SVG a flag. Each becomes a PNG of 32 by 24 pixels with a
palette in newsletter/flags, where the licence of the drawings lies. Needs Chromium; made with flag-icons 7.5.0.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from newsletter.preview import find_chromium

OURS = Path(__file__).parent.parent / "newsletter" / "flags"
WIDTH, HEIGHT = 32, 24
#: How many times larger Chromium draws a flag than it is kept, and how many stand in a row of its sheet.
_SCALE, _ROW = 8, 16
#: The first number of colours whose file is small enough is taken.
_COLOURS, _ENOUGH = (64, 48, 32, 24, 16), 700
#: Countries (ISO 3166-1 and those that it reserves), and parts of them that have a flag (ISO 3166-2).
_CODE = re.compile(r"[a-z]{2}(?:-[a-z]{2,3})?")
#: These have the form of a code and are none: "unknown", and the Pacific Community.
_NO_CODES = frozenset({"xx", "pc"})
#: How much of a grey goes into the outermost pixels, so that white has an edge on white, black on black.
_EDGE, _GREY = 0.35, 128


def main(folder: Path, target: Path) -> None:
    """Draw every flag in the folder into the target, and say how large the files are."""
    files = [file for file in sorted(folder.glob("*.svg")) if _CODE.fullmatch(file.stem) and file.stem not in _NO_CODES]
    if not files:
        sys.exit(f"There are no flags in {folder}; it should be the folder flags/4x3 of flag-icons.")
    for old in target.glob("*.png"):
        old.unlink()
    bodies = {file.stem: encoded(flag) for file, flag in zip(files, drawn(files), strict=True)}
    for name, body in bodies.items():
        (target / f"{name}.png").write_bytes(body)
    sizes = sorted(len(body) for body in bodies.values())
    print(f"{len(sizes)} flags of {sizes[0]} to {sizes[-1]} bytes, {sum(sizes):,} together.")


def drawn(files: list[Path]) -> list[Image.Image]:
    """Return the flags as RGB pictures of 32 by 24 pixels, in the order of the files."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - starts a server of its own

    images = "".join(f'<img src="{file.resolve().as_uri()}" alt="">' for file in files)
    style = f"body{{margin:0;width:{_ROW * WIDTH}px;line-height:0}}img{{width:{WIDTH}px;height:{HEIGHT}px}}"
    chromium = find_chromium() or sys.exit("Chromium is missing. On Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        sheet = Path(work) / "sheet.html"
        sheet.write_text(f"<!DOCTYPE html><style>{style}</style>{images}", encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": _ROW * WIDTH, "height": HEIGHT}, device_scale_factor=_SCALE)
        page.goto(sheet.as_uri())
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
        browser.close()
    corners = ((n % _ROW * WIDTH * _SCALE, n // _ROW * HEIGHT * _SCALE) for n in range(len(files)))
    return [_edged(_small(picture.crop((x, y, x + WIDTH * _SCALE, y + HEIGHT * _SCALE)))) for x, y in corners]


def _small(flag: Image.Image) -> Image.Image:
    return flag.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def _edged(flag: Image.Image) -> Image.Image:
    """Return the flag with an edge that is seen on every ground."""
    edge = Image.new("L", flag.size, round(255 * _EDGE))
    edge.paste(0, (1, 1, WIDTH - 1, HEIGHT - 1))
    return Image.composite(Image.new("RGB", flag.size, (_GREY, _GREY, _GREY)), flag, edge)


def encoded(flag: Image.Image) -> bytes:
    """Return the flag as a PNG with a palette and nothing beside its pixels."""
    body = b""
    for colours in _COLOURS:
        fewer = flag.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=colours, dither=Image.Dither.NONE)
        written = io.BytesIO()
        fewer.save(written, "PNG", optimize=True)
        body = written.getvalue()
        if len(body) <= _ENOUGH or not ImageChops.difference(flag, fewer.convert("RGB")).getbbox():
            break
    return body


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else OURS)
