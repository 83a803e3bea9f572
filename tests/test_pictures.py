"""Pictures: which one is chosen, what is said beside it, and what is made of its bytes for a mail."""

from __future__ import annotations

import hashlib
import io
import pickle
import random
import struct
import threading
import warnings
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin
from PIL.ExifTags import GPS, IFD, Base

from newsletter.sources.pictures import NO_PICTURE, Picture, best, measured, original
from newsletter.sources.prose.captions import credited, worded
from newsletter.sources.prose.resized import (
    FILE_LIMIT,
    LOGO_WIDTH,
    SMALL_FILE_LIMIT,
    SMALL_SIDE,
    WIDTH,
    Made,
    PictureRefused,
    made,
    made_logo,
)

# The choice

PHOTO = "https://post.example/2026/11/bridge.jpg"


@pytest.mark.parametrize(
    "url",
    [
        "https://post.example/img/logo.png",
        "https://post.example/site-logo@2x.png",
        "https://post.example/favicon-196.png",
        "https://post.example/themes/t/images/avatar_default.jpg",
        "https://0.gravatar.com/abc.jpg",
        "https://post.example/placeholder.jpg",
        "https://post.example/no-image.jpg",
        "https://post.example/og-image.png",
        "https://post.example/facebook-share.jpg",
        "https://post.example/1x1.jpg",
        "https://post.example/spacer.gif",
        "https://s.w.org/images/core/emoji/14/72x72/1f600.png",
        "https://pixel.wp.com/b.gif?host=post.example",
        "https://feeds.feedburner.com/~r/post/~4/abc",
        "http://feeds.feedburner.com/~ff/post?d=yIl2AUoC8zA",
        "https://ad.doubleclick.net/x.jpg",
        "https://stats.post.example/b.jpg",
        "https://www.facebook.com/tr?id=1",
        "https://post.example/chart.svg",
        "https://post.example/photo.avif",
    ],
)
def test_what_is_no_picture_of_a_story_is_left_out(url: str) -> None:
    assert best([Picture(url)]) == NO_PICTURE
    assert best([Picture(url), Picture(PHOTO)]).url == PHOTO


@pytest.mark.parametrize(
    "picture",
    [
        Picture(PHOTO, width=1, height=1),
        Picture(PHOTO, width=150),
        Picture(PHOTO, width=800, height=60),
        Picture(PHOTO, width=2000, height=200),
        Picture(PHOTO, width=300, height=1200),
        Picture("https://post.example/bridge-150x150.jpg"),
        Picture("https://post.example/bridge.jpg?w=96"),
        Picture("https://post.example/bridge.jpg?resize=120,80"),
        Picture("https://post.example/bridge-150x150.jpg", width=600, height=600),
        Picture(""),
    ],
)
def test_thumbnails_banners_and_pixels_are_left_out(picture: Picture) -> None:
    assert best([picture]) == NO_PICTURE


@pytest.mark.parametrize(
    ("pictures", "place"),
    [
        ([Picture("https://e.org/a.jpg", width=600), Picture("https://e.org/b.jpg", width=1024)], 1),
        ([Picture("https://e.org/a.jpg", width=600), Picture("https://e.org/b.jpg", width=600)], 0),
        ([Picture("https://e.org/a.jpg", width=300), Picture("https://e.org/b.jpg")], 1),
        ([Picture("https://e.org/a.jpg"), Picture("https://e.org/b.jpg", width=1024)], 1),
        ([Picture("https://e.org/a.jpg", width=3000), Picture("https://e.org/b.jpg", width=5000)], 0),
        ([Picture("https://e.org/a.gif", width=1000), Picture("https://e.org/b.jpg", width=400)], 1),
        ([Picture("https://e.org/a.gif", width=1000)], 0),
        ([Picture("https://e.org/a-300x200.jpg"), Picture("https://e.org/a-1024x683.jpg")], 1),
        ([Picture("https://e.org/a.jpg?w=240"), Picture("https://e.org/a.jpg?w=900")], 1),
        ([Picture("https://e.org/mayor-unveils-new-logo-of-the-city.jpg", width=1200)], 0),
        ([Picture("https://e.org/logos/dam-breaks.jpg")], 0),
    ],
)
def test_the_widest_sane_picture_is_chosen(pictures: list[Picture], place: int) -> None:
    assert best(pictures).url == pictures[place].url


@pytest.mark.parametrize(
    ("url", "size"),
    [
        ("https://e.org/a-150x150.jpg", (150, 150)),
        ("https://e.org/a-1024x683-1.jpg", (1024, 683)),
        ("https://e.org/a.jpg?w=300", (300, 0)),
        ("https://e.org/a.jpg?width=640&height=360", (640, 360)),
        ("https://i0.wp.com/e.org/a.jpg?resize=640%2C480&ssl=1", (640, 480)),
        ("https://e.org/a.jpg?fit=1200,800", (1200, 800)),
        ("https://res.example/image/upload/w_800,h_600,c_fill/a.jpg", (800, 600)),
        ("https://lh3.example/abc=w1200-h630-p", (1200, 630)),
        ("https://ichef.bbci.co.uk/ace/standard/240/cpsprodpb/1/a.jpg", (240, 0)),
        ("https://1.bp.example/-x/s1600/a.jpg", (1600, 0)),
        ("https://e.org/2026/11/20/a.jpg", (0, 0)),
        ("https://e.org/a.jpg?w=large&" + "&".join(f"a{n}=1" for n in range(90)), (0, 0)),
    ],
)
def test_sizes_are_read_from_addresses(url: str, size: tuple[int, int]) -> None:
    picture = measured(Picture(url))
    assert (picture.width, picture.height) == size


def test_one_picture_in_several_sizes_is_one() -> None:
    urls = [
        "https://e.org/a-300x200.jpg",
        "http://e.org/a.jpg?w=3",
        "https://e.org/a-scaled.jpg",
        "https://e.org/a.jpg",
    ]
    assert {original(url) for url in urls} == {"e.org/a.jpg"}


# Words beside it


@pytest.mark.parametrize(
    ("alt", "words"),
    [
        ("image", ""), ("Bild 3", ""), ("Logo", ""), ("Post logo", ""), ("IMG_2034", ""), ("dsc00012.JPG", ""), ("Фото", ""),
        ("kyiv-attack-2026-11-20", ""), ("a1b2c3d4e5f6", ""), ("- 12 -", ""), ("画像", ""), ("", ""),
        ("A bridge at dusk", "A bridge at dusk"), ("A photo of the mayor", "A photo of the mayor"), ("Київ", "Київ"),
    ],
)  # fmt: skip
def test_alt_text_that_says_nothing_counts_as_none(alt: str, words: str) -> None:
    assert worded(alt) == words
    assert best([Picture(PHOTO, alt)]).alt == words


@pytest.mark.parametrize(
    ("caption", "words", "credit"),
    [
        ("A bridge. Photo: Jane Doe/Reuters", "A bridge.", "Jane Doe/Reuters"),
        ("A bridge (Photo by John Smith/Getty Images)", "A bridge", "John Smith/Getty Images"),
        ("The mayor speaks (AP Photo/Jane Doe)", "The mayor speaks", "AP Photo/Jane Doe"),
        ("View of the river | Jane Doe/AFP", "View of the river", "Jane Doe/AFP"),
        ("Photo credit: NASA. The moon", "The moon", "NASA"),
        ("Ein Haus in Berlin. Bild: Max Muster/dpa", "Ein Haus in Berlin.", "Max Muster/dpa"),
        ("Foto: dpa", "", "dpa"),
        ("Un pont à Paris. Crédit photo : AFP", "Un pont à Paris.", "AFP"),
        ("Wójt gminy. Fot. Jan Kowalski", "Wójt gminy.", "Jan Kowalski"),
        ("Мер міста. Фото: Укрінформ", "Мер міста.", "Укрінформ"),
        ("© Reuters / Max Muster", "", "Reuters / Max Muster"),
        ("Photographs of the dead were shown", "Photographs of the dead were shown", ""),
        ("The picture of the year was won by Anna", "The picture of the year was won by Anna", ""),
        ("", "", ""),
    ],
)
def test_credits_are_told_from_captions(caption: str, words: str, credit: str) -> None:
    assert credited(caption) == (words, credit)


# What is made of one


def scene(width: int = 800, height: int = 600, mode: str = "RGB") -> Image.Image:
    """Return a picture with something on it; its upper half is dark, its lower half light."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width // 2, height // 2), fill=(200, 40, 30))
    return image.convert(mode)


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(7).randbytes(3 * width * height))


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def opened(result: Made) -> Image.Image:
    image = Image.open(io.BytesIO(result.body))
    image.load()
    assert (image.width, image.height) == (result.width, result.height)
    assert image.get_format_mimetype() == result.media_type
    assert hashlib.sha256(result.body).hexdigest() == result.sha256
    assert len(result.body) <= FILE_LIMIT
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_every_kind_of_picture_becomes_one_for_a_mail(kind: str) -> None:
    result = made(saved(scene(), kind))
    assert opened(result).size == (800, 600)
    # A GIF has few colours, for which PNG is smaller.
    assert result.media_type == ("image/png" if kind == "GIF" else "image/jpeg")
    assert result.media_type == "image/png" or opened(result).info["progressive"]


def test_a_picture_is_made_as_wide_as_a_mail_shows_it() -> None:
    assert opened(made(saved(scene(3000, 2000)))).size == (WIDTH, 800)
    assert opened(made(saved(scene(300, 200)))).size == (300, 200)


def test_a_tall_picture_leaves_room_for_the_headline() -> None:
    """Its upper part is kept, where faces are: a quarter of what is over goes from the top."""
    image = opened(made(striped(800, 1600))).convert("RGB")
    assert image.size == (800, 800)
    assert image.getpixel((400, 150)) == pytest.approx((200, 0, 0), abs=8)
    assert image.getpixel((400, 300)) == pytest.approx((0, 160, 0), abs=8)
    assert image.getpixel((400, 790)) == pytest.approx((0, 160, 0), abs=8)


def test_a_file_is_never_larger_than_its_limit() -> None:
    result = made(saved(noise(1600, 1600), "PNG"))
    assert opened(result).width <= WIDTH
    assert len(result.body) <= FILE_LIMIT == 120_000  # R22
    assert result.small is not None
    assert len(result.small.body) <= SMALL_FILE_LIMIT == 25_000


def striped(width: int, height: int) -> bytes:
    """Return a picture of three bands along its longer side: red, green, blue."""
    image = Image.new("RGB", (width, height), (0, 160, 0))
    draw = ImageDraw.Draw(image)
    if width >= height:
        draw.rectangle((0, 0, width // 4, height), fill=(200, 0, 0))
        draw.rectangle((width * 3 // 4, 0, width, height), fill=(0, 0, 200))
    else:
        draw.rectangle((0, 0, width, height // 4), fill=(200, 0, 0))
        draw.rectangle((0, height * 3 // 4, width, height), fill=(0, 0, 200))
    return saved(image, "PNG")


@pytest.mark.parametrize(
    ("size", "first", "last"),
    [
        ((1600, 800), (0, 160, 0), (0, 160, 0)),  # the middle of a wide one
        ((800, 1600), (200, 0, 0), (0, 160, 0)),  # the upper part of a tall one
        ((900, 900), (0, 160, 0), (0, 160, 0)),
    ],
)
def test_the_small_copy_is_the_square_that_a_card_shows(
    size: tuple[int, int], first: tuple[int, int, int], last: tuple[int, int, int]
) -> None:
    small = made(striped(*size)).small
    assert small is not None
    image = opened(small).convert("RGB")
    assert image.size == (SMALL_SIDE, SMALL_SIDE)
    middle = SMALL_SIDE // 2
    ends = [image.getpixel((middle, y) if size[1] > size[0] else (20 + y // 2, middle)) for y in (4, SMALL_SIDE - 4)]
    if size[0] != size[1]:
        assert ends == [pytest.approx(first, abs=8), pytest.approx(last, abs=8)]


@pytest.mark.parametrize(
    ("size", "side"), [((200, 100), None), ((200, 140), 140), ((272, 272), None), ((400, 272), 272)]
)
def test_a_small_copy_is_never_blown_up(size: tuple[int, int], side: int | None) -> None:
    small = made(saved(scene(*size))).small
    assert (small.width if small else None) == side


def logo(width: int, height: int, ink: tuple[int, ...] = (20, 40, 60, 255)) -> Image.Image:
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill=ink)
    return image


@pytest.mark.parametrize(
    ("size", "made_size", "shown"),
    [
        ((2000, 400), (1120, 224), 280),
        ((560, 100), (560, 100), 280),
        ((300, 60), (300, 60), 150),
        ((600, 600), (480, 480), 120),
        ((80, 24), (80, 24), 40),
    ],
)
def test_a_logo_is_shown_at_half_its_pixels_and_fits_the_top_of_a_mail(
    size: tuple[int, int], made_size: tuple[int, int], shown: int
) -> None:
    made_one = made_logo(saved(logo(*size), "PNG"))
    assert opened(made_one.picture).size == made_size
    assert made_one.shown_width == shown


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_a_logo_stays_transparent(kind: str) -> None:
    picture = made_logo(saved(logo(800, 200), kind)).picture
    assert picture.media_type == "image/png"
    image = opened(picture).convert("RGBA")
    outside, inside = image.getpixel((5, 5)), image.getpixel((400, 100))
    assert isinstance(outside, tuple)
    assert outside[3] == 0
    assert inside == pytest.approx((20, 40, 60, 255), abs=4)


def test_a_logo_that_is_a_photograph_stays_one() -> None:
    picture = made_logo(saved(scene(1600, 400))).picture
    assert (picture.media_type, picture.width) == ("image/jpeg", LOGO_WIDTH)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_logo_is_never_larger_than_its_limit(seed: int) -> None:
    """The first becomes fewer colours, the second fewer pixels."""
    image = noise(1120, 300 if seed == 1 else 480).convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    picture = made_logo(saved(image, "PNG")).picture
    assert len(picture.body) <= FILE_LIMIT
    assert opened(picture).mode in {"RGBA", "P"}


@pytest.mark.parametrize(
    ("image", "hides"),
    [
        (logo(400, 100), True),
        (logo(400, 100, (240, 230, 220, 255)), False),
        (logo(400, 100).convert("RGB"), False),
        (logo(400, 100).convert("RGB").convert("RGBA"), False),
    ],
    ids=["dark on nothing", "light on nothing", "on a ground of its own", "likewise, with an alpha channel"],
)
def test_a_logo_that_dark_mode_swallows_is_known_r57(image: Image.Image, hides: bool) -> None:
    assert made_logo(saved(image, "PNG")).hides_in_dark is hides


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (lambda: saved(logo(60, 20), "PNG"), "only 60 x 20 pixels; a mail needs 80 x 24"),
        (lambda: saved(logo(3000, 100), "PNG"), "too wide for the top of a mail"),
        (lambda: saved(logo(200, 600), "PNG"), "too tall for the top of a mail"),
        (lambda: saved(Image.new("RGBA", (400, 100), (9, 9, 9, 0)), "PNG"), "all but blank"),
        (lambda: saved(Image.new("RGB", (400, 100), "white"), "PNG"), "all but blank"),
        (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (lambda: saved(logo(400, 100), "PNG")[:120], "damaged"),
    ],
    ids=["small", "wide", "tall", "transparent", "white", "svg", "damaged"],
)
def test_what_is_no_logo_is_a_sentence(body: Callable[[], bytes], sentence: str) -> None:
    with pytest.raises(PictureRefused, match=sentence):
        made_logo(body())


def test_no_metadata_of_a_logo_is_left_threat_26() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "Jane Doe")
    assert b"Jane Doe" not in made_logo(saved(logo(800, 200), "PNG", pnginfo=notes)).picture.body


def test_a_flat_drawing_stays_sharp() -> None:
    drawing = Image.new("RGB", (900, 500), "white")
    ImageDraw.Draw(drawing).rectangle((100, 100, 300, 300), fill=(0, 87, 183))
    result = made(saved(drawing, "PNG"))
    assert result.media_type == "image/png"
    assert opened(result).convert("RGB").getpixel((200, 200)) == (0, 87, 183)


def located() -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    exif[Base.Artist] = "Jane Doe"
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] = (50.0, 27.0, 0.0)
    return exif


def test_no_metadata_is_left_threat_26() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    body = saved(
        scene(), exif=located(), icc_profile=profile, comment=b"taken at home", xmp=b"<x:xmpmeta>home</x:xmpmeta>"
    )
    assert b"Jane Doe" in body
    image = opened(made(body))
    assert dict(image.getexif()) == {}
    assert {"exif", "icc_profile", "comment", "xmp", "photoshop"}.isdisjoint(image.info)
    for secret in (b"Exif", b"Jane Doe", b"home", b"ICC_PROFILE", b"xmp"):
        assert secret in body
        assert secret not in made(body).body


def test_metadata_of_a_drawing_is_left_behind_too() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "Jane Doe")
    drawing = Image.new("RGB", (900, 500), "white")
    ImageDraw.Draw(drawing).rectangle((100, 100, 300, 300), fill="black")
    result = made(saved(drawing, "PNG", pnginfo=notes))
    assert result.media_type == "image/png"
    assert b"Jane Doe" not in result.body


def test_a_picture_taken_on_its_side_is_set_upright() -> None:
    image = opened(made(saved(scene(800, 600), exif=located())))
    assert image.size == (600, 600)
    sides = [image.convert("L").getpixel((x, 400)) for x in (590, 10)]
    assert sides == [pytest.approx(5, abs=12), pytest.approx(250, abs=12)]


def test_a_large_picture_on_its_side_is_set_upright_too() -> None:
    """It is made smaller before it is turned."""
    image = opened(made(saved(scene(5_000, 3_000), "PNG", exif=located())))
    assert image.size == (1200, 1200)
    assert image.convert("L").getpixel((1190, 1000)) == pytest.approx(5, abs=12)


@pytest.mark.parametrize("alt", ["a_" * 500, "a-" * 40_000 + "!", "img" + "_" * 40_000 + "!"])
def test_no_alt_text_takes_long_threat_8(alt: str) -> None:
    assert len(worded(alt)) <= 1_000


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P", "LA", "RGBA", "PA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = scene(mode="RGBA" if mode == "PA" else mode)
    image = image.quantize(64) if mode == "PA" else image
    result = opened(made(saved(image, kind))).convert("RGB")
    halves = [result.convert("L").resize((1, 1), box=(400, top, 800, top + 60)).getpixel((0, 0)) for top in (0, 540)]
    assert halves == [pytest.approx(12, abs=30), pytest.approx(243, abs=30)]


def test_sixteen_bits_become_eight() -> None:
    deep = Image.linear_gradient("L").resize((400, 300)).convert("I").point(lambda value: value * 256).convert("I;16")
    result = opened(made(saved(deep, "PNG"))).convert("L")
    assert [result.getpixel((200, y)) for y in (2, 297)] == [pytest.approx(2, abs=8), pytest.approx(252, abs=8)]


def test_what_is_transparent_becomes_white() -> None:
    image = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 200, 300), fill=(200, 0, 0, 255))
    for body in (
        saved(image, "PNG"),
        saved(image.quantize(8), "PNG"),
        saved(image, "WEBP", lossless=True),
        saved(image, "GIF"),
    ):
        result = opened(made(body)).convert("RGB")
        assert result.getpixel((350, 150)) == (255, 255, 255)


def test_colours_are_those_that_the_profile_means() -> None:
    """A profile in which the first number means green and the second red: what says red is green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tmp!", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tmp!", b"gXYZ", 1)
    image = Image.new("RGB", (400, 300), (255, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 100, 300), fill=(0, 0, 0))
    shown = [
        opened(made(saved(image, "PNG", icc_profile=one))).convert("RGB").getpixel((300, 150))
        for one in (profile, swapped, b"damaged")
    ]
    assert shown == [pytest.approx(colour, abs=6) for colour in ((255, 0, 0), (0, 255, 0), (255, 0, 0))]


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (400, 300), colour) for colour in ("white", "blue")]
    ImageDraw.Draw(frames[0]).rectangle((0, 0, 200, 300), fill="red")
    body = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert opened(made(body)).convert("RGB").getpixel((100, 100)) == pytest.approx((255, 0, 0), abs=4)


def bomb_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def with_size(body: bytes, place: int, form: str, *size: int) -> bytes:
    return body[:place] + struct.pack(form, *size) + body[place + struct.calcsize(form) :]


def bomb_jpeg() -> bytes:
    body = saved(scene(), "JPEG")
    return with_size(body, body.index(b"\xff\xc0") + 5, ">HH", 20_000, 20_000)


def gif_with_a_frame_larger_than_its_screen() -> bytes:
    body = saved(scene(), "GIF")
    return with_size(body, body.index(b"\x2c\0\0\0\0") + 5, "<HH", 9_000, 9_000)


HTML = b"<html><script>alert(1)</script></html>"
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "svg": (lambda: b"<?xml version='1.0'?><!-- x --><svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "html": (lambda: b"<!DOCTYPE html><p>Not found", "a web page or XML"),
    "pdf": (lambda: b"%PDF-1.7", "a PDF document"),
    "avif": (lambda: b"\0\0\0\x1cftypavif", "AVIF or HEIC"),
    "tiff": (lambda: saved(scene(), "TIFF"), "BMP, TIFF"),
    "bmp": (lambda: saved(scene(), "BMP"), "BMP, TIFF"),
    "empty": (lambda: b"", "The file is empty"),
    "text": (lambda: b"hello", "of no kind that is known"),
    "truncated jpeg": (lambda: saved(scene())[:3_000], "damaged"),
    "truncated png": (lambda: saved(scene(), "PNG")[:2_000], "damaged"),
    "only a header": (lambda: b"\x89PNG\r\n\x1a\n", "damaged"),
    "only a beginning": (lambda: b"\xff\xd8\xff", "damaged"),
    "only a riff": (lambda: b"RIFF\0\0\0\0WEBPVP8 ", "damaged"),
    "png bomb": (lambda: bomb_png(20_000, 20_000), "20000 x 20000 pixels"),
    "jpeg bomb": (bomb_jpeg, "20000 x 20000 pixels"),
    "gif bomb": (lambda: with_size(saved(scene(), "GIF"), 6, "<HH", 20_000, 20_000), "20000 x 20000 pixels"),
    "webp bomb": (
        lambda: b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (19_999).to_bytes(3, "little") * 2,
        "20000 x 20000 pixels",
    ),
    "gif frame bomb": (gif_with_a_frame_larger_than_its_screen, "pixels|damaged"),
    "jpeg and html": (lambda: saved(scene()) + HTML, "something else hidden in it"),
    "png and html": (lambda: saved(scene(), "PNG") + HTML, "something else hidden in it"),
    "html in a comment": (lambda: saved(scene(), comment=HTML), "something else hidden in it"),
    "gif and zip": (lambda: saved(scene(), "GIF") + b"PK\x05\x06" + bytes(18), "something else hidden in it"),
    "png and pdf": (lambda: saved(scene(), "PNG") + b"%PDF-1.4", "something else hidden in it"),
    "too small": (lambda: saved(scene(199, 150)), "only 199 x 150 pixels"),
    "too wide": (lambda: saved(scene(1200, 120)), "too wide"),
    "too tall": (lambda: saved(scene(300, 1200)), "too tall"),
    "white": (lambda: saved(Image.new("RGB", (600, 400), "white")), "all but blank"),
    "transparent": (lambda: saved(Image.new("RGBA", (600, 400), (9, 9, 9, 0)), "PNG"), "all but blank"),
    "too heavy": (lambda: b"\xff\xd8\xff" + bytes(15_000_001), "larger than 15 MB"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_no_mail_shows_is_refused_with_a_sentence_threat_26(name: str) -> None:
    build, sentence = REFUSED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(PictureRefused, match=sentence):
            made(build())


def test_damage_anywhere_raises_nothing_else() -> None:
    chance = random.Random(3)
    bodies = [saved(scene(320, 240), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF")]
    survived = 0
    for _ in range(200):
        body = bytearray(chance.choice(bodies))
        for _ in range(chance.randint(1, 8)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        try:
            survived += bool(made(bytes(body)).body)
        except PictureRefused:
            continue
    assert survived


def test_other_users_of_pillow_keep_their_limit() -> None:
    limit = Image.MAX_IMAGE_PIXELS
    threads = [threading.Thread(target=made, args=(saved(scene()),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit == Image.MAX_IMAGE_PIXELS


def test_it_can_run_in_a_child_process() -> None:
    body = saved(scene())
    assert pickle.loads(pickle.dumps(made))(body) == made(body)
    assert pickle.loads(pickle.dumps(made(body))) == made(body)
