"""The script that draws the flags, with two drawings of our own."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from scripts.flags import drawn, encoded

pytestmark = pytest.mark.browser

_HALVES = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480">'
    '<path fill="{}" d="M0 0h640v240H0z"/><path fill="{}" d="M0 240h640v240H0z"/></svg>'
)


def test_flags_are_drawn_in_the_order_of_their_files(tmp_path: Path) -> None:
    colours = {"aa": ("#0057B7", "#FFD700"), "bb": ("#FFFFFF", "#DC143C")}
    files = []
    for name, halves in colours.items():
        file = tmp_path / f"{name}.svg"
        file.write_text(_HALVES.format(*halves), encoding="utf-8")
        files.append(file)
    flags = drawn(files)
    for flag, (above, below) in zip(flags, colours.values(), strict=True):
        body = encoded(flag)
        assert len(body) < 300
        with Image.open(io.BytesIO(body)) as image:
            assert image.size == (32, 24)
            shown = image.convert("RGB")
        assert [shown.getpixel((16, y)) for y in (6, 18)] == [tuple(bytes.fromhex(one[1:])) for one in (above, below)]
