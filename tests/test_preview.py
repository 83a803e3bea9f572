"""Previews: files always, pictures where Chromium is, sentences where it fails, and the mail as lesser programs show it."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from newsletter.errors import NotFound
from newsletter.preview import (
    VIEWS,
    PreviewError,
    browser,
    chosen,
    find_chromium,
    outlook_view,
    with_pictures,
    without_pictures,
    without_styles,
    write_preview,
)
from newsletter.preview.browser import Picture
from newsletter.preview.pages import Inbox, index_page, sheet_page
from newsletter.preview.programs import preheader
from newsletter.preview.tokens import tokens
from newsletter.render import Renderer
from tests import mail_fixtures as fixtures
from tests.commands import CommandLine

MAIL = Renderer().issue(fixtures.issue(1, pictures=False), fixtures.NONCE)
HTML = {
    name: Renderer().issue(content, fixtures.NONCE).html_for(fixtures.VALUES)
    for name, content in {
        "ten": fixtures.issue(),
        "arabic": fixtures.arabic_issue(),
        "long": fixtures.long_issue(),
        "hostile": fixtures.hostile_issue(),
    }.items()
}
every_mail = pytest.mark.parametrize("html", HTML.values(), ids=HTML)


class Read(HTMLParser):
    """What a browser finds in html: tags with their attributes, text and comments."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ends: list[str] = []
        self.text = ""
        self.comments: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.ends.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def of(self, *names: str) -> list[dict[str, str | None]]:
        """The attributes of each of these tags."""
        return [attributes for name, attributes in self.tags if name in names]


# Files and failures


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which only this folder is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, script: str, name: str = "chromium") -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def test_without_a_browser_there_are_html_text_and_an_index(path: Path, tmp_path: Path) -> None:
    """The index lets the browser of whoever opens it show what it can, without scripts."""
    preview = write_preview(MAIL, fixtures.VALUES, tmp_path / "new" / "folder", "carpathian-2026-W47")
    assert [file.name for file in preview.files] == [
        "carpathian-2026-W47.html",
        "carpathian-2026-W47.txt",
        "index.html",
    ]
    assert "apt-get install chromium" in preview.notes[0]
    html, text, index = (file.read_text(encoding="utf-8") for file in preview.files)
    assert html == MAIL.html_for(fixtures.VALUES)
    assert text == f"Subject: {MAIL.subject}\n\n{MAIL.text_for(fixtures.VALUES)}"
    frames = Read(index).of("iframe")
    assert [frame["title"] for frame in frames] == [
        "Desktop",
        "Classic Outlook",
        "Text part",
        "Phone",
        "Pictures off",
        "No style blocks",
    ]
    assert frames[0]["srcdoc"] == html
    assert all(frame.get("sandbox", "missing") is None for frame in frames)
    assert preview.notes[0] in Read(index).text


def test_the_browser_is_found_on_the_path(path: Path) -> None:
    assert find_chromium() is None
    program(path, "exit 0", "google-chrome")
    assert find_chromium() == path / "google-chrome"
    program(path, "exit 0", "chromium")
    assert find_chromium() == path / "chromium"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo 'no display' >&2; exit 3", "chromium stopped with status 3: no display"),
        ("exit 3", "stopped with status 3: it said nothing"),
        ("exec 3<&- 4>&-; echo 'no pipe' >&2; exit 4", "stopped with status 4: no pipe"),
        (
            r"""printf '{"id": 1, "error": {"message": "not here"}}\0' >&4; exec /bin/sleep 9""",
            "refused Target.*: not here",
        ),
        (
            r"""printf '{"method": "Inspector.targetCrashed"}\0' >&4; exec /bin/sleep 9""",
            "crashed while it drew the mail",
        ),
        ("exec /bin/sleep 60", "did not finish within 0.5 seconds"),
        ("/bin/sleep 60", "did not finish within 0.5 seconds"),
    ],
    ids=["says why", "says nothing", "closes the pipe", "refuses", "crashes", "sleeps", "leaves a child"],
)
def test_a_browser_that_fails_is_a_sentence(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str
) -> None:
    """And html, text and index are there all the same."""
    monkeypatch.setattr(browser, "_PATIENCE", 0.5)
    monkeypatch.setattr(browser, "_GOODBYE", 0.2)
    program(path, script)
    with pytest.raises(PreviewError, match=rf"{sentence}\. The mail is there without pictures: .*/out/index.html"):
        write_preview(MAIL, fixtures.VALUES, tmp_path / "out", "issue")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["index.html", "issue.html", "issue.txt"]
    index = Read((tmp_path / "out/index.html").read_text(encoding="utf-8"))
    assert "Chromium failed" in index.text
    assert len(index.of("iframe")) == 6


def test_a_program_that_is_none_is_a_sentence(path: Path, tmp_path: Path) -> None:
    file = path / "chromium"
    file.write_bytes(b"\x7fELF nonsense")
    file.chmod(0o755)
    with pytest.raises(PreviewError, match=r"chromium stopped with status 1\d\d: "):
        write_preview(MAIL, fixtures.VALUES, tmp_path, "issue")


def test_a_folder_that_cannot_be_written_is_a_sentence(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(PreviewError, match=f"{tmp_path}/file.* cannot be written: .*Choose another folder"):
            write_preview(MAIL, fixtures.VALUES, folder, "issue")
    (tmp_path / "issue.txt").mkdir()
    with pytest.raises(PreviewError, match="issue.txt cannot be written: Is a directory"):
        write_preview(MAIL, fixtures.VALUES, tmp_path, "issue")


def test_files_of_the_same_name_are_overwritten(path: Path, tmp_path: Path) -> None:
    (tmp_path / "issue.txt").write_text("old", encoding="utf-8")
    write_preview(MAIL, fixtures.VALUES, tmp_path, "issue")
    assert "old" not in (tmp_path / "issue.txt").read_text(encoding="utf-8").splitlines()


# Which views


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", [view.name for view in VIEWS]),
        (" , ", [view.name for view in VIEWS]),
        ("phone,dark", ["dark", "phone"]),
        (" zoom ,zoom", ["zoom"]),
    ],
)
def test_views_are_chosen_by_name(asked: str, names: list[str]) -> None:
    assert [view.name for view in chosen(asked)] == names


def test_an_unknown_view_is_a_sentence_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"no view called 'phones'. Did you mean phone\? Views: desktop, .*, zoom"):
        chosen("desktop,phones")


def test_the_command_asks_before_it_works(tmp_path: Path) -> None:
    command = CommandLine(tmp_path)
    assert "no view called 'fone'" in command("issue", "preview", "any", "--only", "fone", code=1).err
    assert "--scale" in command("issue", "preview", "any", "--scale", "9", code=2).err


# The pages around the views


def picture(height: int) -> Picture:
    return Picture(b"png", 360, height, 1, 360, is_cut=False)


@pytest.mark.parametrize("views", [VIEWS, VIEWS[:1], chosen("phone,dark,zoom")], ids=["all", "one", "three"])
def test_the_contact_sheet_has_a_labelled_tile_for_every_view(views: tuple[object, ...]) -> None:
    page, width = sheet_page(Inbox("Ann", "A & B", "soon"), {view: picture(500) for view in VIEWS if view in views})
    read = Read(page)
    assert len(read.of("figure")) == len(views)
    assert all(view.title in read.text for view in VIEWS if view in views)
    assert "A & B" in read.text
    assert "not shown" not in read.text
    assert 720 < width <= 2400


def test_the_contact_sheet_shows_both_ends_of_a_long_mail() -> None:
    """A phone's 360 pixels are 360 on the sheet, too."""
    (phone,) = chosen("phone")
    page, _ = sheet_page(Inbox("Ann", "Subject", ""), {phone: picture(5_020)})
    assert "4,000 pixels not shown" in Read(page).text
    heights = [str(part["style"]) for part in Read(page).of("div") if "part" in (part["class"] or "")]
    assert heights == ["height: 760px", "height: 260px"]


def test_the_index_shows_every_picture_and_quotes_what_others_wrote() -> None:
    notes = ["This picture did not load: https://example.org/<b>"]
    index = index_page("a b", Inbox("Ann", "<script>1</script>", ""), {view: picture(9) for view in VIEWS}, notes)
    read = Read(index)
    assert [image["src"] for image in read.of("img")] == [f"a%20b-{view.name}.png" for view in VIEWS]
    assert not read.of("script", "iframe")
    assert notes[0] in " ".join(read.text.split())
    assert index.startswith("<!DOCTYPE html>")


# The mail as programs show it


@every_mail
def test_the_pieces_of_a_mail_are_the_mail(html: str) -> None:
    assert "".join(token.raw for token in tokens(html)) == html


@pytest.mark.parametrize(
    "html",
    [
        "",
        "R&D <b>x</b> &amp &copy;2 &#8199;&",
        "<!--[if !mso]><!-->x<!--<![endif]-->",
        "<![if !mso]>a<![endif]><![CDATA[x]]>y<![foo[x]]>z",
        "a\r\nb<br\n/><p",
        "<style>a>b{}</style",
        "<!-- open",
        '<img alt="<!--[if mso]>-->" src=x>',
    ],
)
def test_the_pieces_of_broken_html_are_the_html(html: str) -> None:
    """T17: whatever a newsroom's own template does, a preview shows it."""
    assert "".join(token.raw for token in tokens(html)) == html
    for change in (without_pictures, without_styles, outlook_view, preheader):
        change(html)


@every_mail
def test_without_styles_nothing_else_is_gone(html: str) -> None:
    """R15."""
    bare = without_styles(html)
    assert "<style" not in bare
    assert "@media" not in bare
    body = html.index("<body")
    assert bare.endswith(html[body:])


@pytest.mark.parametrize(
    ("html", "bare"),
    [
        ("<style>a{}</style>b<STYLE type=x>c</STYLE>d", "bd"),
        ("<!--[if mso]><style>a{}</style><![endif]-->b<!--kept-->", "b<!--kept-->"),
        ('<p title="<style>">a</p>', '<p title="<style>">a</p>'),
        ("a<style>never closed", "a"),
    ],
)
def test_styles_are_cut_out_exactly(html: str, bare: str) -> None:
    assert without_styles(html) == bare


@every_mail
def test_without_pictures_only_their_words_are_left(html: str) -> None:
    """R47, T7."""
    before, after = (
        Read(with_pictures(html, {f"{fixtures.PICTURES}0.jpg": "data:image/jpeg;base64,AAAA"})),
        Read(without_pictures(html)),
    )
    assert any("src" in image for image in before.of("img"))
    assert not any("src" in image for image in after.of("img"))
    assert [image.get("alt") for image in after.of("img")] == [image.get("alt") for image in before.of("img")]
    assert after.text == before.text


@pytest.mark.parametrize(
    ("html", "bare"),
    [
        ('<img src="a.png" alt="A" width=9>', '<img alt="A" width="9">'),
        ("<img srcset='a 2x' src='b'/>", "<img/>"),
        ('<td background="a.png" bgcolor="#ffffff">', '<td bgcolor="#ffffff">'),
        ("<td style=\"color:red;background:url('a;b.png')\">", '<td style="color:red;background:none">'),
        ("<style>a{background:url(data:image/png;base64,AA)}</style>", "<style>a{background:none}</style>"),
        ('<a href="a.png">b</a>', '<a href="a.png">b</a>'),
    ],
)
def test_every_way_to_a_picture_is_cut(html: str, bare: str) -> None:
    assert without_pictures(html) == bare


def test_pictures_are_put_in_where_their_address_is_a_source() -> None:
    html = '<img src="https://a.example/1?b=1&amp;c=2"><a href="https://a.example/1?b=1&amp;c=2">x</a>'
    assert with_pictures(html, {"https://a.example/1?b=1&c=2": "data:,x"}) == html.replace(
        'src="https://a.example/1?b=1&amp;c=2"', 'src="data:,x"'
    )


@every_mail
def test_word_gets_its_own_pieces_and_balanced_tables(html: str) -> None:
    """T2, T8, R24: what is in comments for Word fits with what is around it."""
    word = Read(outlook_view(html))
    assert not any("[if" in comment or "endif" in comment for comment in word.comments)
    for name in ("table", "tr", "td"):
        assert len(word.of(name)) == word.ends.count(name)
    assert len(word.of("table")) > len(Read(html).of("table"))
    styles = [str(attributes["style"]) for _, attributes in word.tags if "style" in attributes]
    assert not re.search("max-width|border-radius|float|opacity", " ".join(styles))
    outside = [attributes for name, attributes in word.tags if name not in {"td", "th"}]
    assert not any("padding" in re.sub("mso-padding-alt", "", attributes.get("style") or "") for attributes in outside)
    assert not any(re.search(r"(?:^|;)\s*(?:width|height):", image.get("style") or "") for image in word.of("img"))
    assert all(image.get("width", "").isdigit() for image in word.of("img"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("html", "word"),
    [
        ("a<!--[if mso]><table><tr><td><![endif]-->b", "a<table><tr><td>b"),
        ("a<!--[if !mso]><!--><p>b</p><!--<![endif]-->c", "ac"),
        ("a<!--[if !mso]>-->b<!--<![endif]-->c", "ac"),
        ("a<![if !mso]>b<![endif]>c", "ac"),
        ("a<![if mso]>b<![endif]>c", "abc"),
        ("a<!--[if !mso]>b<![endif]-->c<!--kept-->", "ac<!--kept-->"),
        ("<!--[if gte mso 9]>a<![endif]--><!--[if lt mso 12]>b<![endif]--><!--[if mso 16]>c<![endif]-->", "ac"),
        ("<!--[if (gte mso 9)|(IE)]>a<![endif]--><!--[if IE]>b<![endif]--><!--[if mso | IE]>c<![endif]-->", "ac"),
        ("<!--[if (gte mso 9)&(lte mso 15)]>a<![endif]--><!--[if gt mso 15]>b<![endif]-->", "b"),
        ("<!--[if mso]><xml><o:PixelsPerInch>96</o:PixelsPerInch></xml>a<![endif]-->", "a"),
        ('<p style="padding:4px;margin:0;Max-Width:9px">a</p>', '<p style="margin:0">a</p>'),
        ('<td style="padding:4px;float:left">a</td>', '<td style="padding:4px">a</td>'),
        (
            '<img src="a" width="136" style="width:96px;height:auto;border:0">',
            '<img src="a" width="136" style="border:0">',
        ),
        ("<p style=\"font-family:'A;B';float:left\">", '<p style="font-family:&#x27;A;B&#x27;">'),
        ("<style>@import x;a{b:c;float:left;d:e}@media x{a{b:c}}e{opacity:1}</style>", "<style>a{b:c;d:e}e{}</style>"),
        ('<p title="<!--[if mso]>a<![endif]-->">b</p>', '<p title="<!--[if mso]>a<![endif]-->">b</p>'),
        (
            '<!--[if mso]><i hidden style="mso-text-raise:18pt">&emsp;</i><![endif]-->',
            '<i style="vertical-align:18pt">&emsp;</i>',
        ),
    ],
)
def test_what_word_makes_of_it(html: str, word: str) -> None:
    """T8, R17, R19, R20, R23, R40."""
    assert outlook_view(html) == word


@pytest.mark.parametrize(
    ("html", "said"),
    [
        (
            '<body><div style="display:none;max-height:0">A &amp; <b>B</b> c&#8199;&#847; &#8199;&#847; </div>x',
            "A & B c",
        ),
        ('<div style="DISPLAY : none"><div>in</div> side</div>out', "in side"),
        ("<body><p>no such line</p>", ""),
    ],
)
def test_the_line_after_the_subject(html: str, said: str) -> None:
    """R33, R35."""
    assert preheader(html) == said


@every_mail
def test_every_mail_has_a_line_after_the_subject(html: str) -> None:
    assert len(preheader(html)) > 20


def test_previews_load_nothing_heavy_for_help() -> None:
    """libraries.md: --help stays under 0.3 s."""
    code = "import sys, newsletter.cli.issue; assert 'newsletter.preview' not in sys.modules and 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
