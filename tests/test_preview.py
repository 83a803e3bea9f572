"""Previews: files always, pictures where Chromium is, sentences where it fails."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from newsletter import preview
from newsletter.preview import PreviewError, find_chromium, write_preview
from newsletter.render import Renderer
from tests import mail_fixtures as fixtures
from tests.servers.http import FeedServer

MAIL = Renderer().issue(fixtures.issue(1, pictures=False), fixtures.NONCE)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which only this folder is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def browser(folder: Path, script: str, name: str = "chromium") -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


def test_html_and_text_are_written_without_a_browser(path: Path, tmp_path: Path) -> None:
    written = write_preview(MAIL, fixtures.VALUES, tmp_path / "new" / "folder", "carpathian-2026-W47")
    assert [file.name for file in written] == ["carpathian-2026-W47.html", "carpathian-2026-W47.txt"]
    html, text = (file.read_text(encoding="utf-8") for file in written)
    assert html == MAIL.html_for(fixtures.VALUES)
    assert text == f"Subject: {MAIL.subject}\n\n{MAIL.text_for(fixtures.VALUES)}"


def test_the_browser_is_found_on_the_path(path: Path) -> None:
    assert find_chromium() is None
    browser(path, "exit 0", "google-chrome")
    assert find_chromium() == path / "google-chrome"
    browser(path, "exit 0", "chromium")
    assert find_chromium() == path / "chromium"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo 'no display' >&2; exit 3", "chromium stopped with status 3: no display"),
        ("exit 3", "stopped with status 3: it said nothing"),
        ("echo '<title>something else</title>'", "could not measure the mail. The html is in .*issue.html"),
        ("echo '<title>heights 10 20</title>'", "drew no picture. The html is in .*issue.html"),
        ("exec /bin/sleep 60", "did not finish within 0.5 seconds"),
    ],
)
def test_a_browser_that_fails_is_a_sentence(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str
) -> None:
    """And html and text are there all the same."""
    monkeypatch.setattr(preview, "_PATIENCE", 0.5)
    browser(path, script)
    with pytest.raises(PreviewError, match=sentence):
        write_preview(MAIL, fixtures.VALUES, tmp_path, "issue")
    assert (tmp_path / "issue.html").is_file()
    assert (tmp_path / "issue.txt").is_file()


def test_a_program_that_is_none_is_a_sentence(path: Path, tmp_path: Path) -> None:
    program = path / "chromium"
    program.write_bytes(b"\x7fELF nonsense")
    program.chmod(0o755)
    with pytest.raises(PreviewError, match="could not be started"):
        write_preview(MAIL, fixtures.VALUES, tmp_path, "issue")


@pytest.mark.browser
def test_pictures_show_the_whole_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Desk, phone and dark, from the first line to the last, with their pictures; no other file is left."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    with FeedServer() as server:
        server.serve("/0.jpg", fixtures.picture(0), "image/jpeg")
        content = fixtures.issue(1)
        lead, *more = (replace(card, image_url=server.url("/0.jpg")) for card in (content.lead, *content.more))
        content = replace(content, lead=lead, more=tuple(more), view_url=server.url("/issues/1"))
        mail = Renderer().issue(content, fixtures.NONCE)
        written = write_preview(mail, fixtures.VALUES, tmp_path / "out", "issue")
    assert sorted(written) == sorted((tmp_path / "out").iterdir())
    assert list(work.iterdir()) == []
    assert [file.name for file in written] == [
        "issue.html",
        "issue.txt",
        "issue-desktop.png",
        "issue-phone.png",
        "issue-dark.png",
    ]
    desktop, phone, dark = (Image.open(file).convert("RGB") for file in written[2:])
    assert (desktop.width, phone.width, dark.size) == (800, 360, desktop.size)
    sheet, paper, dark_paper = (255, 255, 255), (244, 241, 234), (19, 21, 23)
    for image, ground in ((desktop, paper), (phone, paper), (dark, dark_paper)):
        assert image.getpixel((2, 2)) == ground
        assert image.getpixel((2, image.height - 2)) == ground
    assert dark.getpixel((110, desktop.height // 2)) == (28, 31, 34)
    assert desktop.getpixel((110, desktop.height // 2)) == sheet
    reds = {phone.getpixel((180, y)) for y in range(120, 300)}
    assert len(reds) > 50  # a sky, not a sheet
    last = [y for y in range(phone.height) if any(phone.getpixel((x, y)) != paper for x in range(16, 344, 2))][-1]
    assert 20 < phone.height - last < 100  # the footer's end is in it, and nothing but its margin below
