"""The script that draws the flags, with two drawings of our own."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.browser

_HALVES = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480">'
    '<path fill="{}" d="M0 0h640v240H0z"/><path fill="{}" d="M0 240h640v240H0z"/></svg>'
)


def test_flags_are_drawn_each_from_its_own_file(tmp_path: Path) -> None:
    colours = {"aa": ("#0057B7", "#FFD700"), "bb": ("#FFFFFF", "#DC143C")}
    for name, halves in colours.items():
        (tmp_path / f"{name}.svg").write_text(_HALVES.format(*halves), encoding="utf-8")
    (tmp_path / "drawn").mkdir()
    # A process of its own: this one may have a browser of the tests, and playwright takes one loop a process.
    command = [sys.executable, "-m", "scripts.flags", str(tmp_path), str(tmp_path / "drawn")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.startswith("2 flags of ")
    for name, (above, below) in colours.items():
        body = (tmp_path / "drawn" / f"{name}.png").read_bytes()
        assert len(body) < 300
        with Image.open(io.BytesIO(body)) as image:
            assert image.size == (32, 24)
            shown = image.convert("RGB")
        assert [shown.getpixel((16, y)) for y in (6, 18)] == [tuple(bytes.fromhex(one[1:])) for one in (above, below)]
