"""Flags (R54): which region has one, what the files are, and where mails find them."""

from __future__ import annotations

import io
from pathlib import Path

import pycountry
import pytest
from PIL import Image

from newsletter import flags
from newsletter.db import Database
from tests.sites import make_site

FOLDER = Path(flags.__file__).parent
FILES = sorted(FOLDER.glob("*.png"))


@pytest.mark.parametrize(
    ("code", "file"),
    [
        ("UA", "ua.png"),
        ("LT", "lt.png"),
        ("GB", "gb.png"),
        ("GB-SCT", "gb-sct.png"),
        ("GB-WLS", "gb-wls.png"),
        ("GB-NIR", "gb-nir.png"),
        ("GB-ENG", "gb-eng.png"),
        ("ES-CT", "es-ct.png"),
        ("EU", "eu.png"),
        ("XK", "xk.png"),
        ("UK", "gb.png"),
        ("EL", "gr.png"),
        ("US-TX", ""),
        ("DE-BY", ""),
        ("XX", ""),
        ("fen-north", ""),
        ("lt", ""),
        ("", ""),
        ("../LT", ""),
        ("LT.PNG", ""),
    ],
)
def test_a_region_has_its_own_flag_or_none(code: str, file: str) -> None:
    assert flags.file_of(code) == file
    assert flags.address_of("https://n.example", code) == (f"https://n.example/flags/{file}" if file else "")
    assert (flags.body_of(file) is not None) == bool(file)


def test_every_country_has_a_flag() -> None:
    assert [one.alpha_2 for one in pycountry.countries if not flags.file_of(one.alpha_2)] == []


def test_flags_are_small_and_hold_nothing_but_pixels() -> None:
    assert len(FILES) > 250
    for file in FILES:
        body = file.read_bytes()
        assert len(body) < 700, file.name
        with Image.open(io.BytesIO(body)) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "P", (32, 24)), file.name
            assert image.info == {}, file.name


def test_a_white_flag_has_an_edge() -> None:
    """On the white sheet the flag of Japan would otherwise be a dot."""
    with Image.open(FOLDER / "jp.png") as image:
        colours = image.convert("RGB")
    assert colours.getpixel((1, 1)) == (255, 255, 255)
    edge = colours.getpixel((0, 5))
    assert isinstance(edge, tuple)
    assert max(edge) < 225


def test_the_licence_of_the_drawings_lies_beside_them() -> None:
    text = (FOLDER / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("The MIT License (MIT)\n\nCopyright (c) 2013 Panayiotis Lipiridis\n")


def test_a_flag_is_shown_to_everybody_and_nothing_else_is(sqlite_database: Database) -> None:
    """Threat 26, as for pictures: no cookie, no sniffing, no path."""
    client = make_site(sqlite_database).client
    answer = client.get("/flags/gb-sct.png")
    assert (answer.status_code, answer.content) == (200, (FOLDER / "gb-sct.png").read_bytes())
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "set-cookie" not in answer.headers
    assert client.head("/flags/gb-sct.png").status_code == 200
    for name in (
        "xx.png",
        "LT.png",
        "lt",
        "LICENSE",
        "__init__.py",
        "..%2fmodels.py",
        "%2e%2e",
        "%00.png",
        "x" * 3_000,
    ):
        assert client.get(f"/flags/{name}").status_code == 404, name
