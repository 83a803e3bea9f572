"""Previews as Chromium draws them: facts about the pictures, never their pixels as a whole."""

from __future__ import annotations

import socket
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from newsletter.mail import Mail, Sender
from newsletter.preview import VIEWS, Preview, PreviewError, browser, chosen, draw, find_chromium, write_preview
from newsletter.preview.browser import Page, open_browser
from newsletter.render import Renderer
from tests import mail_fixtures as fixtures
from tests.servers.http import FeedServer

pytestmark = pytest.mark.browser

PICTURES = {
    f"{fixtures.PICTURES}{number}.jpg": f"data:image/jpeg;base64,{b64encode(fixtures.picture(number)).decode()}"
    for number in range(4)
}
DARK = {view.name for view in VIEWS if view.dark or view.darkened}


@pytest.fixture(scope="module")
def chromium() -> Path:
    path = find_chromium()
    if path is None:
        pytest.fail("Chromium is missing. On Debian: apt-get install chromium")
    return path


def mail_of(body: str, head: str = "") -> Mail:
    html = f"<!DOCTYPE html><html><head><title>x</title>{head}</head><body style='margin:0'>{body}</body></html>"
    return Mail("Subject", html, "Text.", Sender("Ann", "ann@example.org"), fixtures.NONCE)


def image_of(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png)).convert("RGB")


def lightness(image: Image.Image) -> float:
    """The mean of all pixels, from 0 for black to 255."""
    return float(ImageStat.Stat(image.convert("L")).mean[0])


def colours(image: Image.Image) -> int:
    """How many different colours there are."""
    return len(image.getcolors(1 << 24) or [])


def red_pixels(image: Image.Image) -> int:
    red, green, _ = image.split()
    mask = ImageChops.darker(red.point([0] * 150 + [255] * 106), green.point([255] * 100 + [0] * 156))
    return mask.histogram()[255]


# An issue, from the first line to the last


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser keeps what is its own."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def preview(chromium: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preview]:
    """All views of an issue with a lead and three stories."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(work))
        mail = Renderer().issue(fixtures.issue(3), fixtures.NONCE)
        yield write_preview(mail, fixtures.VALUES, tmp_path_factory.mktemp("out"), "issue", pictures=PICTURES)


@pytest.fixture(scope="module")
def images(preview: Preview) -> dict[str, Image.Image]:
    """View -> its picture."""
    names = {file.stem.removeprefix("issue-"): file for file in preview.files if file.suffix == ".png"}
    return {name: Image.open(file).convert("RGB") for name, file in names.items()}


def test_the_files_are_those_that_are_named_and_nothing_else_is_left(preview: Preview, work: Path) -> None:
    pictures = [f"issue-{view.name}.png" for view in VIEWS]
    names = [file.name for file in preview.files]
    assert names == ["issue.html", "issue.txt", *pictures, "issue-sheet.png", "index.html"]
    assert sorted(preview.files) == sorted(preview.files[0].parent.iterdir())
    assert list(work.iterdir()) == []
    assert preview.notes == ()
    index = preview.files[-1].read_text(encoding="utf-8")
    assert all(f'src="{name}"' in index for name in pictures)


def test_every_picture_is_as_wide_as_its_window(images: dict[str, Image.Image]) -> None:
    """T18: 200 % is a window of 300 pixels, drawn twice as large."""
    assert {view.name: images[view.name].width for view in VIEWS} == {
        view.name: view.width * view.zoom for view in VIEWS
    }
    assert images["dark"].size == images["desktop"].size
    assert images["dark-phone"].size == images["phone"].size == images["forced-dark"].size
    assert images["images-off"].height < images["phone"].height


def test_dark_views_are_dark_and_the_others_light(images: dict[str, Image.Image]) -> None:
    """R55, R57, R58."""
    shades = {view.name: lightness(images[view.name]) for view in VIEWS}
    assert all((shade < 90) == (name in DARK) for name, shade in shades.items()), shades
    assert all(shade > 180 for name, shade in shades.items() if name not in DARK), shades


def test_forced_darkening_is_not_the_mails_own(images: dict[str, Image.Image]) -> None:
    assert ImageChops.difference(images["forced-dark"], images["dark-phone"]).getbbox() is not None


def test_the_whole_mail_is_in_the_picture(images: dict[str, Image.Image]) -> None:
    """The footer's end is in it, and little but its margin below."""
    phone = images["phone"]
    ground = Image.new("RGB", phone.size, phone.getpixel((2, phone.height - 2)))
    box = ImageChops.difference(phone, ground).getbbox()
    assert box is not None
    assert 10 < phone.height - box[3] < 100


def test_the_contact_sheet_fits_on_a_large_screen(images: dict[str, Image.Image]) -> None:
    sheet = images["sheet"]
    assert 2_000 < sheet.width < 2_560
    assert 1_500 < sheet.height < 2_560
    assert 60 < lightness(sheet) < 200
    top = sheet.crop((0, 100, sheet.width, sheet.height // 2))
    assert ImageStat.Stat(top.convert("L")).stddev[0] > 40  # the views were there when it was photographed


# Choices


def test_chosen_views_are_drawn_sharper(chromium: Path) -> None:
    mail = Renderer().confirm(fixtures.confirm())
    drawn = draw(chromium, mail, {}, views=chosen("phone,dark,zoom"), scale=2)
    assert [view.name for view in drawn.pictures] == ["dark", "phone", "zoom"]
    sizes = {view.name: image_of(picture.png).width for view, picture in drawn.pictures.items()}
    assert sizes == {"dark": 1_600, "phone": 720, "zoom": 600}
    assert image_of(drawn.sheet.png).width == 2 * drawn.sheet.width
    assert drawn.notes == ()


def test_pictures_are_shown_but_where_they_are_off(chromium: Path) -> None:
    """R47: what is left of them are words. Programs that darken a mail leave its pictures alone (R57)."""
    source = f"{fixtures.PICTURES}red.png"
    out = BytesIO()
    Image.new("RGB", (100, 100), (200, 30, 30)).save(out, "PNG")
    known = {source: f"data:image/png;base64,{b64encode(out.getvalue()).decode()}"}
    mail = mail_of(f'<img src="{source}" width="100" alt="A red square" style="display:block">')
    drawn = draw(chromium, mail, {}, pictures=known, views=chosen("phone,forced-dark,outlook,images-off"))
    red = {view.name: red_pixels(image_of(picture.png)) for view, picture in drawn.pictures.items()}
    assert red == {"outlook": 10_000, "phone": 10_000, "images-off": 0, "forced-dark": 10_000}


# What goes wrong


def test_a_mail_that_sticks_out_is_noted(chromium: Path) -> None:
    """R16."""
    mail = mail_of('<table width="500"><tr><td>wide</td></tr></table>')
    drawn = draw(chromium, mail, {}, views=chosen("desktop,phone"))
    assert drawn.notes == ("Phone: the mail is 500 pixels wide in a window of 360.",)


def test_a_mail_too_tall_for_a_picture_is_noted(chromium: Path) -> None:
    mail = mail_of('<div style="height:20000px">tall</div>')
    drawn = draw(chromium, mail, {}, views=chosen("phone"))
    assert drawn.notes == ("Phone: the mail goes on below the 16000 pixels of the picture.",)
    (picture,) = drawn.pictures.values()
    assert image_of(picture.png).size == (360, 16_000)


def test_pictures_come_from_the_web_and_those_that_do_not_are_named(chromium: Path) -> None:
    with FeedServer() as server:
        server.serve("/0.jpg", fixtures.picture(0), "image/jpeg")
        server.serve("/page.html", b"<p>no picture</p>", "text/html")
        there, gone, page = (server.url(path) for path in ("/0.jpg", "/gone.jpg", "/page.html"))
        mail = mail_of("".join(f'<img src="{url}" alt="" width="300">' for url in (there, gone, page)))
        drawn = draw(chromium, mail, {}, views=chosen("phone,images-off,no-styles"))
    assert drawn.notes == (f"This picture did not load: {gone}", f"This picture did not load: {page}")
    shown = {view.name: colours(image_of(picture.png)) > 500 for view, picture in drawn.pictures.items()}
    assert shown == {"phone": True, "images-off": False, "no-styles": True}


def test_a_picture_that_never_answers_does_not_hold_up_the_preview(
    chromium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for once; the other views do without it, and show what does load."""
    monkeypatch.setattr(browser, "_PICTURE_PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/slow.jpg"
        mail = mail_of(f'<img src="{url}" alt="slow"><img src="{fixtures.PICTURES}0.jpg" alt="there" width="300">')
        drawn = draw(chromium, mail, {}, pictures=PICTURES, views=chosen("phone,outlook,no-styles"))
        asked = requests(silent)
    assert drawn.notes == (f"This picture did not load: {url}",)
    assert asked == 1
    for picture in drawn.pictures.values():
        assert colours(image_of(picture.png)) > 500


def requests(listening: socket.socket) -> int:
    """How many connections that were made to this address asked for something."""
    listening.settimeout(0.2)
    count = 0
    while True:
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            return count
        with connection:
            connection.settimeout(0.2)
            count += bool(connection.recv(1))


def test_a_mail_cannot_run_scripts_or_read_files(chromium: Path, tmp_path: Path) -> None:
    """Threat 4: html is from others, and a newsroom's template may be anybody's."""
    secret = tmp_path / "secret.png"
    Image.new("RGB", (300, 300), "red").save(secret)
    mail = mail_of(
        f'<img src="{secret.as_uri()}" alt=""><iframe src="{secret.as_uri()}"></iframe>'
        '<p onclick="x">text</p><img src="data:," onerror="document.body.style.background=\'red\'" alt="">',
        head="<script>document.documentElement.style.background = 'red'</script>",
    )
    drawn = draw(chromium, mail, {}, views=chosen("phone"))
    (picture,) = drawn.pictures.values()
    red, _, blue = (band.getextrema() for band in image_of(picture.png).split())
    assert red == blue  # black text on white


def test_a_page_that_crashes_is_a_sentence(chromium: Path) -> None:
    with pytest.raises(PreviewError, match="chromium crashed while it drew the mail"), open_browser(chromium) as page:
        crash(page)


def crash(page: Page) -> None:
    page._pipe.call("Page.crash")


@pytest.mark.parametrize("name", ["arabic", "long", "hostile"])
def test_odd_mails_have_all_views(chromium: Path, name: str) -> None:
    """T17: right to left, endless words, hostile text. Nothing sticks out (R16)."""
    content = {"arabic": fixtures.arabic_issue(), "long": fixtures.long_issue(), "hostile": fixtures.hostile_issue()}
    mail = Renderer().issue(content[name], fixtures.NONCE)
    known = {f"{fixtures.PICTURES}{number}.jpg": PICTURES[f"{fixtures.PICTURES}0.jpg"] for number in range(11)}
    drawn = draw(chromium, mail, fixtures.VALUES, pictures=known, views=chosen("outlook,phone"))
    assert [view.name for view in drawn.pictures] == ["outlook", "phone"]
    assert drawn.notes == ()
    assert all(lightness(image_of(picture.png)) < 250 for picture in drawn.pictures.values())
