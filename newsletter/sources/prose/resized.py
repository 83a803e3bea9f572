"""From the bytes that an address gave to the picture that a mail shows: small, plain, and nobody's secret (threat 26).

Whatever comes in is drawn again, so nothing but the pixels comes out: no place where it was taken, no thumbnail of what
was cut off, no script behind the end. What is no photograph or drawing that mail programs show is refused with a
sentence. This runs in a child process, since decoders are where hostile pictures do their harm.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from PIL.Image import Image

#: What is decoded at most: bytes of a file, and pixels of a picture.
BODY_LIMIT = 15_000_000
PIXEL_LIMIT = 40_000_000
#: What a mail takes: its column is 600 CSS pixels wide, and screens show two pixels for each (R22). A picture that is
#: taller than wide loses what is over, or a phone's first screen would show no headline.
WIDTH, HEIGHT = 1200, 1200
FILE_LIMIT = 120_000
#: The small copy beside a headline: a square of 136 CSS pixels, all of one shape so that the column has one edge.
SMALL_SIDE, SMALL_FILE_LIMIT = 272, 25_000
#: Squares of fewer pixels than this would be blown up.
_LEAST_SIDE = 136
#: A logo is shown in at most so many CSS pixels, wide and tall; screens show up to four pixels for each.
LOGO_SHOWN = 280, 120
LOGO_WIDTH, LOGO_HEIGHT = 1120, 480
LOGO_LEAST_WIDTH, LOGO_LEAST_HEIGHT = 80, 24
LOGO_WIDEST, LOGO_TALLEST = 20.0, 1 / 2
#: Grey (0 to 255) below which what is seen of a logo is lost on dark ground.
_LOST_IN_DARK = 90
LEAST_WIDTH, LEAST_HEIGHT = 200, 100
WIDEST, TALLEST = 4.0, 1 / 3

_QUALITIES = (82, 75, 68, 60, 52, 45)
#: Standard deviation of every colour (0 to 127) below which nothing is to be seen.
_BLANK = 4.0
#: A drawing or screenshot has no more colours than this, and is smaller and sharper as PNG.
_FLAT_COLOURS = 256

#: What makes a file something else as well, wherever it stands in it.
_POLYGLOT = re.compile(rb"<(?:!doctype|html|head|body|script|svg|iframe|object|embed|\?php)[\s>/]|%PDF-\d", re.I)
_ARCHIVE_END = b"PK\x05\x06"
_FORMATS = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"))
#: What is often served as a picture and is none.
_SVG = rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.{0,500}?)?(?:<!--.{0,500}?-->\s*)?(?:<!doctype svg.{0,500}?)?<svg[\s>]"
_OTHERS = (
    (re.compile(_SVG, re.IGNORECASE | re.DOTALL), "an SVG drawing"),
    (
        re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|script|\?xml|!--)", re.IGNORECASE),
        "a web page or XML",
    ),
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb".{4}ftyp(?:avif|avis|heic|heix|mif1|msf1)", re.DOTALL), "AVIF or HEIC"),
    (re.compile(rb"BM|II\*\x00|MM\x00\*|\x00\x00\x01\x00"), "BMP, TIFF or an icon"),
    (re.compile(rb"\s*$"), "empty"),
)


class PictureRefused(NewsletterError, ValueError):
    """A picture that no mail can show. The text says why, and what may be done."""


@dataclass(frozen=True)
class Made:
    """A picture for mails: image/jpeg or image/png without metadata. `sha256` is of the body, in hexadecimal.

    `small` is the copy that stands beside a headline; None where this one has too few pixels for another.
    """

    body: bytes
    media_type: str
    width: int
    height: int
    sha256: str
    small: Made | None = None


@dataclass(frozen=True)
class Logo:
    """A picture of a newsletter's name. One that `hides_in_dark` is dark on nothing: dark ground swallows it (R57)."""

    picture: Made
    hides_in_dark: bool

    @property
    def shown_width(self) -> int:
        """How many CSS pixels wide it is shown: half of its own, within LOGO_SHOWN."""
        width, height = LOGO_SHOWN
        share = min(0.5, width / self.picture.width, height / self.picture.height)
        return max(1, int(self.picture.width * share))


def made(body: bytes) -> Made:
    """Return the picture in `body` for a mail: sRGB, upright, on white, at most WIDTH wide and FILE_LIMIT bytes large.

    It is never taller than wide. Beside it stands its small copy: the square that a card shows, SMALL_SIDE wide.

    JPEG, PNG, WebP and GIF (its first frame) are read. Raises PictureRefused with a sentence for everything else, for
    pictures that are damaged, too small, too large, all but blank or of an absurd shape, and for files that are
    something else besides.
    """
    image = _read(body, _on_white)
    _look_at(image)
    image = _not_tall(image)
    large, square = _file(*_encoded(_fitted(image, WIDTH, HEIGHT), FILE_LIMIT)), _square(image)
    small = _file(*_encoded(square, SMALL_FILE_LIMIT)) if square else None
    return large if small is None or small.sha256 == large.sha256 else replace(large, small=small)


def made_logo(body: bytes) -> Logo:
    """Return the logo in `body` for a mail: drawn again as `made` does, but of the shape of a name, and transparent.

    A JPEG stays one, the rest becomes PNG; it is at most LOGO_WIDTH wide and LOGO_HEIGHT tall. Raises PictureRefused
    with a sentence.
    """
    image = _read(body, _as_layer)
    _look_at_logo(image)
    fitted = _fitted(image, LOGO_WIDTH, LOGO_HEIGHT)
    is_jpeg = _kind(body) == "JPEG"
    picture = _file(*((_jpeg(_on_white(fitted), FILE_LIMIT), "image/jpeg") if is_jpeg else (_png(fitted), "image/png")))
    return Logo(picture, hides_in_dark=_hides_in_dark(fitted))


def _read(body: bytes, drawn: Callable[[Image], Image]) -> Image:
    """Return the picture in a file, upright and in sRGB, as `drawn` makes it. Raises PictureRefused."""
    _inspect(body)
    try:
        return drawn(_decoded(body))
    except (PictureRefused, MemoryError):  # The child process answers for its memory.
        raise
    except Exception as error:  # Decoders raise anything on damaged input.
        raise PictureRefused(
            f"The picture is damaged and cannot be shown ({type(error).__name__}). Choose another one."
        ) from error


def _file(body: bytes, media_type: str) -> Made:
    with _opened(body) as result:
        width, height = result.size
    return Made(body, media_type, width, height, hashlib.sha256(body).hexdigest())


# Before anything is decoded


def _inspect(body: bytes) -> None:
    """Refuse what can be told from the file without decoding it."""
    if len(body) > BODY_LIMIT:
        raise PictureRefused(f"The picture's file is larger than {BODY_LIMIT // 1_000_000} MB. Choose a smaller one.")
    kind = _kind(body)
    if _POLYGLOT.search(body) or _ARCHIVE_END in body[-66_000:]:
        raise PictureRefused(
            f"The file is {kind} with something else hidden in it (a web page, script or archive). "
            "Choose another picture."
        )
    width, height = _stated_size(body, kind)
    if width * height > PIXEL_LIMIT:
        raise PictureRefused(
            f"The picture has {width} x {height} pixels, more than the {PIXEL_LIMIT // 1_000_000} million that are "
            "decoded. Choose a smaller one."
        )


def _kind(body: bytes) -> str:
    """Return the format of the file by its first bytes, whatever its server called it."""
    for start, name in _FORMATS:
        if body.startswith(start):
            return name
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return "WEBP"
    what = next((name for pattern, name in _OTHERS if pattern.match(body[:2_000])), "of no kind that is known")
    raise PictureRefused(f"The file is {what}, not a JPEG, PNG, WebP or GIF picture. Choose another picture.")


def _stated_size(body: bytes, kind: str) -> tuple[int, int]:
    """Return width and height as the header states them; 0 where it is too damaged to say."""
    try:
        if kind == "PNG":
            return struct.unpack(">II", body[16:24])
        if kind == "GIF":
            return struct.unpack("<HH", body[6:10])
        return _webp_size(body) if kind == "WEBP" else _jpeg_size(body)
    except struct.error:
        return 0, 0


def _webp_size(body: bytes) -> tuple[int, int]:
    if body[12:16] == b"VP8X":
        return 1 + int.from_bytes(body[24:27], "little"), 1 + int.from_bytes(body[27:30], "little")
    if body[12:16] == b"VP8L":
        bits = int.from_bytes(body[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", body[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(body: bytes) -> tuple[int, int]:
    """Return the size in the first frame header of a JPEG (ITU T.81 section B.2.2)."""
    place = 2
    while place + 9 <= len(body) and body[place] == 0xFF:
        marker, length = struct.unpack(">BH", body[place + 1 : place + 4])
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", body[place + 5 : place + 9])
            return width, height
        place += 1 if marker == 0xFF else 2 + length
    return 0, 0


# Drawing it again


def _opened(body: bytes) -> Image:
    from PIL import Image  # noqa: PLC0415  Only this function of the program draws.

    return Image.open(io.BytesIO(body), formats=("JPEG", "PNG", "WEBP", "GIF"))


def _decoded(body: bytes) -> Image:
    """Return the first frame, upright and in sRGB."""
    from PIL import ImageOps  # noqa: PLC0415

    with _opened(body) as image:
        if image.width * image.height > PIXEL_LIMIT:  # A frame may be larger than the header says.
            raise PictureRefused("The picture has more pixels than its header states. Choose another picture.")
        profile = image.info.get("icc_profile")
        image.draft("RGB", (2 * WIDTH, 2 * HEIGHT))
        image.load()
        upright = ImageOps.exif_transpose(_halved(image))
    return _in_srgb(upright, profile if isinstance(profile, bytes) else b"")


def _halved(image: Image) -> Image:
    """Return a picture that is several times too wide at a whole fraction of its size, so that its copies are small."""
    factor = image.width // (2 * WIDTH)
    if factor < 2 or image.mode not in {"RGB", "RGBA", "L", "LA", "CMYK"}:
        return image
    smaller = image.reduce(factor)
    smaller.info, orientation = dict(image.info), image.getexif()
    smaller.getexif().update(orientation)
    return smaller


def _in_srgb(image: Image, profile: bytes) -> Image:
    """Return the picture with the colours that its profile means; a profile that is damaged means none."""
    from PIL import ImageCms  # noqa: PLC0415

    if profile and image.mode in {"RGBA", "LA"}:
        opaque = _in_srgb(image.convert(image.mode[:-1]), profile)
        opaque.putalpha(image.getchannel("A"))
        return opaque
    if not profile or image.mode not in {"RGB", "CMYK", "L"}:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def _on_white(image: Image) -> Image:
    """Return the picture in RGB, white where it is transparent."""
    from PIL import Image as Images  # noqa: PLC0415

    layer = _as_layer(image)
    if layer.mode == "RGB":
        return layer
    ground = Images.new("RGB", layer.size, "white")
    ground.paste(layer, mask=layer.getchannel("A"))
    return ground


def _as_layer(image: Image) -> Image:
    """Return the picture in RGBA, or in RGB where nothing of it can be transparent."""
    if image.mode.startswith("I"):  # 16 bits a pixel: the upper eight are what is seen.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    transparent = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def _look_at(image: Image) -> None:
    """Refuse a picture that would look wrong in a mail."""
    from PIL import ImageStat  # noqa: PLC0415

    width, height = image.size
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        raise PictureRefused(
            f"The picture has only {width} x {height} pixels; a mail needs {LEAST_WIDTH} x {LEAST_HEIGHT}. "
            "Choose a larger one."
        )
    if not TALLEST <= width / height <= WIDEST:
        raise PictureRefused(
            f"The picture of {width} x {height} pixels is too {'wide' if width > height else 'tall'} for a mail. "
            "Choose another one."
        )
    if max(ImageStat.Stat(image).stddev) < _BLANK:
        raise PictureRefused("The picture is all but blank. Choose another one.")


def _look_at_logo(image: Image) -> None:
    """Refuse a logo that would look wrong at the top of a mail."""
    from PIL import ImageStat  # noqa: PLC0415

    width, height = image.size
    if width < LOGO_LEAST_WIDTH or height < LOGO_LEAST_HEIGHT:
        raise PictureRefused(
            f"The logo has only {width} x {height} pixels; a mail needs {LOGO_LEAST_WIDTH} x {LOGO_LEAST_HEIGHT}, "
            f"and looks sharp from {2 * LOGO_SHOWN[0]} on. Choose a larger one."
        )
    if not LOGO_TALLEST <= width / height <= LOGO_WIDEST:
        raise PictureRefused(
            f"The logo of {width} x {height} pixels is too {'wide' if width > height else 'tall'} for the top of a "
            "mail. Choose another one."
        )
    if max(ImageStat.Stat(image).stddev) < _BLANK:
        raise PictureRefused("The logo is all but blank. Choose another one.")


def _hides_in_dark(logo: Image) -> bool:
    from PIL import ImageStat  # noqa: PLC0415

    if logo.mode == "RGB" or ImageStat.Stat(logo.getchannel("A")).extrema[0][0] > 0:
        return False
    seen = logo.getchannel("A").point(lambda value: 255 if value > 127 else 0)
    return ImageStat.Stat(logo.convert("L"), mask=seen).mean[0] < _LOST_IN_DARK


def _fitted(image: Image, width: int, height: int) -> Image:
    """Return the picture in the size of a mail, never larger than it came."""
    share = min(1.0, width / image.width, height / image.height)
    return _resized(image, max(1, round(image.width * share)), max(1, round(image.height * share)))


def _not_tall(image: Image) -> Image:
    """Return the picture, of one that is taller than wide the square in its upper part, where faces are."""
    side, top = image.width, (image.height - image.width) // 4
    return image.crop((0, top, side, top + side)) if top > 0 else image


def _square(image: Image) -> Image | None:
    """Return the middle square of a picture, which a card shows; None where it has too few pixels."""
    side = image.height
    if side < _LEAST_SIDE:
        return None
    left, shown = (image.width - side) // 2, min(side, SMALL_SIDE)
    return _resized(image.crop((left, 0, left + side, side)), shown, shown)


def _resized(image: Image, width: int, height: int) -> Image:
    from PIL import Image as Images  # noqa: PLC0415

    if image.size == (width, height):
        return image
    return image.resize((width, height), Images.Resampling.LANCZOS, reducing_gap=3.0)


def _encoded(image: Image, limit: int) -> tuple[bytes, str]:
    """Return the file, as PNG where that is smaller for a flat picture, and its type."""
    jpeg = _jpeg(image, limit)
    if image.getcolors(_FLAT_COLOURS):
        png = _saved(image.quantize(_FLAT_COLOURS), "PNG", optimize=True)
        if len(png) <= min(len(jpeg), limit):
            return png, "image/png"
    return jpeg, "image/jpeg"


def _jpeg(image: Image, limit: int) -> bytes:
    """Return the picture as a JPEG of at most `limit` bytes: of less quality first, then of less size."""
    while True:
        for quality in _QUALITIES:
            body = _saved(image, "JPEG", quality=quality, progressive=True, optimize=True)
            if len(body) <= limit:
                return body
        image = _resized(image, max(1, image.width * 4 // 5), max(1, image.height * 4 // 5))


def _png(image: Image) -> bytes:
    """Return a logo as a PNG of at most FILE_LIMIT bytes: of fewer colours first, then of less size."""
    while True:
        for colours in (image, image.quantize(_FLAT_COLOURS)):
            body = _saved(colours, "PNG", optimize=True)
            if len(body) <= FILE_LIMIT:
                return body
        image = _resized(image, max(1, image.width * 4 // 5), max(1, image.height * 4 // 5))


def _saved(image: Image, kind: str, **options: int) -> bytes:
    """Return the pixels alone as a file: what the decoder noted beside them stays behind."""
    from PIL import Image as Images  # noqa: PLC0415

    bare = Images.new(image.mode, image.size)
    if image.mode == "P" and image.palette:
        bare.putpalette(image.getpalette(image.palette.mode) or [], image.palette.mode)
    bare.paste(image)
    written = io.BytesIO()
    bare.save(written, kind, **options)
    return written.getvalue()
