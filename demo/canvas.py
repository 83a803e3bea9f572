"""A small paint box on Pillow: skies, land, water, light and texture, drawn large and scaled down once.

Positions are in pixels of the finished picture (1200 x 675). Everything that looks random comes from the seed, so the
same scene is drawn the same way each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1200, 675
#: How much larger than the finished picture everything is drawn, for smooth edges.
SCALE = 2
_FULL = (WIDTH * SCALE, HEIGHT * SCALE)

Colour = tuple[int, int, int]
Point = tuple[float, float]


class Fade(NamedTuple):
    """A colour at the top and one at the bottom of what is painted."""

    top: Colour
    bottom: Colour


Fill = Colour | Fade


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return `first` with `share` (0 to 1) of `second` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def profile(random: Random, *, detail: int = 6, length: float = 420.0) -> Callable[[float], float]:
    """Return a wavy function of x with values of about -1 to 1; `length` is its longest wave in pixels."""
    waves = [(length / 2**n, 0.5**n, random.uniform(0, 1000)) for n in range(detail)]
    lattice = [random.uniform(-1, 1) for _ in range(256)]

    def smooth(x: float) -> float:
        cell = math.floor(x)
        part = x - cell
        part = part * part * (3 - 2 * part)
        return lattice[cell % 256] * (1 - part) + lattice[(cell + 1) % 256] * part

    return lambda x: sum(height * smooth((x + offset) / wave) for wave, height, offset in waves) / 1.6


class Mask:
    """Where paint goes: shapes that are drawn together and painted in one stroke."""

    def __init__(self) -> None:
        self.image = Image.new("L", _FULL, 0)
        self._draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Sequence[Point], strength: int = 255) -> None:
        """Add a filled polygon."""
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=strength)

    def box(
        self, left: float, top: float, right: float, bottom: float, *, round_by: float = 0, strength: int = 255
    ) -> None:
        """Add a rectangle, with round corners where `round_by` is given."""
        corners = (left * SCALE, top * SCALE, max(left, right - 0.5) * SCALE, max(top, bottom - 0.5) * SCALE)
        self._draw.rounded_rectangle(corners, radius=round_by * SCALE, fill=strength)

    def ellipse(self, x: float, y: float, across: float, high: float | None = None, strength: int = 255) -> None:
        """Add an ellipse around (x, y) with the radii `across` and `high`."""
        high = across if high is None else high
        corners = ((x - across) * SCALE, (y - high) * SCALE, (x + across) * SCALE, (y + high) * SCALE)
        self._draw.ellipse(corners, fill=strength)

    def line(self, points: Sequence[Point], width: float = 1.0, strength: int = 255) -> None:
        """Add a line; a width below half a pixel is drawn fainter instead."""
        thick = max(1, round(width * SCALE))
        strength = round(strength * min(1.0, max(0.3, width * SCALE)))
        self._draw.line([(x * SCALE, y * SCALE) for x, y in points], fill=strength, width=thick, joint="curve")


class Canvas:
    """A picture in the making."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.image = Image.new("RGB", _FULL)

    # Light and air

    def sky(self, *stops: tuple[float, Colour], top: float = 0, bottom: float = HEIGHT) -> None:
        """Fill the height from `top` to `bottom` with colours at `stops`, each a height in pixels and its colour."""
        column = Image.new("RGB", (1, _FULL[1]))
        ordered = sorted(stops)
        for row in range(round(top * SCALE), round(bottom * SCALE)):
            column.putpixel((0, row), _colour_at(ordered, row / SCALE))
        area = (0, round(top * SCALE), _FULL[0], round(bottom * SCALE))
        part = column.crop((0, area[1], 1, area[3])).resize((_FULL[0], area[3] - area[1]))
        self.image.paste(part, area[:2])

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float = 0.8) -> None:
        """Let light spread from (x, y); it brightens what is there."""
        size = round(2 * radius * SCALE)
        light = Image.radial_gradient("L").point(
            [round(255 * max(0.0, 1 - v / 181) ** 2.2 * strength) for v in range(256)]
        )
        light = light.resize((size, size), Image.Resampling.BICUBIC)
        whole = Image.new("L", _FULL, 0)
        whole.paste(light, (round((x - radius) * SCALE), round((y - radius) * SCALE)))
        black = Image.new("RGB", _FULL)
        black.paste(colour, mask=whole)
        self.image = ImageChops.screen(self.image, black)

    def clouds(
        self,
        top: float,
        bottom: float,
        colour: Colour,
        *,
        cover: float = 0.5,
        stretch: float = 3.0,
        strength: float = 0.8,
    ) -> None:
        """Drift clouds between two heights. `cover` is how much of the sky they take, `stretch` how flat they lie."""
        noise = self._noise(cells=5, stretch=stretch)
        edge = 255 * (1 - cover)
        noise = noise.point([round(255 * strength * _ease((v - edge) / 110)) for v in range(256)])
        self._paste(colour, ImageChops.multiply(noise, _soft_band(top, bottom)))

    def haze(self, y: float, height: float, colour: Colour, strength: float = 0.6) -> None:
        """Lay mist that is thickest at height `y` and thins out within `height` above and below."""
        column = Image.new("L", (1, _FULL[1]))
        for row in range(_FULL[1]):
            away = abs(row / SCALE - y) / height
            column.putpixel((0, row), round(255 * strength * max(0.0, 1 - away) ** 1.6))
        self._paste(colour, column.resize(_FULL))

    # Things

    def paint(self, mask: Mask, fill: Fill, *, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Paint the masked area, optionally see-through or out of focus."""
        image = mask.image
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * SCALE))
        if opacity < 1:
            image = image.point([round(v * opacity) for v in range(256)])
        self._paste(fill, image)

    def shape(self, points: Sequence[Point], fill: Fill, *, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Paint one polygon."""
        mask = Mask()
        mask.polygon(points)
        self.paint(mask, fill, opacity=opacity, blur=blur)

    def ridge(
        self, y: float, height: float, fill: Fill, *, detail: int = 6, length: float = 420.0, bottom: float = HEIGHT
    ) -> Callable[[float], float]:
        """Paint land whose skyline moves by `height` around `y`; return the skyline's y for an x."""
        wave = profile(self.random, detail=detail, length=length)

        def line(x: float) -> float:
            return y - height * wave(x)

        top = [(float(x), line(x)) for x in range(-4, WIDTH + 5, 2)]
        self.shape([(-4, bottom), *top, (WIDTH + 4, bottom)], fill)
        return line

    def texture(
        self, mask: Mask, colour: Colour, *, stretch: float = 1.0, cells: int = 60, strength: float = 0.25
    ) -> None:
        """Roughen the masked area with patches of `colour`: grass, brick, earth."""
        noise = self._noise(cells=cells, stretch=stretch, octaves=3)
        noise = noise.point([round(255 * strength * _ease((v - 110) / 70)) for v in range(256)])
        self._paste(colour, ImageChops.multiply(noise, mask.image))

    def ground(
        self, mask: Mask, colour: Colour, horizon: float, *, bottom: float = HEIGHT, strength: float = 0.3
    ) -> None:
        """Roughen level ground in the masked area: fine and flat at the horizon, coarse towards the viewer."""
        deep = bottom - horizon
        for start, end, cells, stretch in (
            (-0.12, 0.2, 420, 7.0),
            (0.03, 0.5, 240, 4.5),
            (0.25, 1.0, 150, 3.2),
            (0.5, 1.7, 90, 2.4),
        ):
            noise = self._noise(cells=cells, stretch=stretch, octaves=2)
            noise = noise.point([round(255 * strength * _ease((v - 70) / 150)) for v in range(256)])
            band = ImageChops.multiply(_soft_band(horizon + start * deep, horizon + end * deep), mask.image)
            self._paste(colour, ImageChops.multiply(noise, band))

    def water(
        self, y: float, tint: Colour, *, share: float = 0.35, ripple: float = 5.0, bottom: float = HEIGHT
    ) -> None:
        """Mirror what stands above `y` into the water below it, blurred and broken by ripples."""
        line = round(y * SCALE)
        depth = round(bottom * SCALE) - line
        above = self.image.crop((0, max(0, line - depth), _FULL[0], line)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        above = above.resize((_FULL[0], depth)).filter(ImageFilter.GaussianBlur(1.2 * SCALE))
        moved = Image.new("RGB", above.size)
        wave = profile(self.random, detail=7, length=60)
        row = 0
        while row < depth:
            deep = row / depth
            thick = max(1, round(1 + 5 * deep))
            shift = round(wave(row * 0.9 / SCALE * 6) * ripple * SCALE * (0.25 + deep))
            strip = above.crop((0, row, _FULL[0], min(depth, row + thick)))
            moved.paste(ImageChops.offset(strip, shift, 0), (0, row))
            row += thick
        moved = Image.blend(moved, Image.new("RGB", moved.size, tint), share)
        self.image.paste(moved, (0, line))

    def swell(self, horizon: float, *, bottom: float = HEIGHT) -> None:
        """Paint wave crests and troughs that grow towards the viewer."""
        light, dark = Mask(), Mask()
        deep = bottom - horizon
        for n in range(1500):
            near = self.random.random() ** 1.5
            y = horizon + 2 + deep * near
            x = self.random.uniform(-60, WIDTH + 60)
            half = (4 + 60 * near) * self.random.uniform(0.3, 1.0)
            mask = light if n % 2 else dark
            lift = 0.5 + 3.2 * near
            mask.polygon(
                [(x - half, y), (x, y - lift * 0.55), (x + half, y), (x, y + lift * 0.3)], self.random.randint(40, 200)
            )
        self.paint(dark, (24, 48, 68), opacity=0.32, blur=0.8)
        self.paint(light, (214, 224, 222), opacity=0.3, blur=0.8)

    def sparkle(self, top: float, bottom: float, colour: Colour, *, x: float, spread: float, count: int = 500) -> None:
        """Scatter short bright strokes on water under a light at `x`; wider and longer towards the viewer."""
        mask = Mask()
        for _ in range(count):
            near = self.random.random() ** 1.4
            y = top + (bottom - top) * near
            centre = self.random.gauss(x, spread * (0.35 + near))
            half = 3 + 22 * near * self.random.random()
            mask.line([(centre - half, y), (centre + half, y)], 0.5 + 1.6 * near, self.random.randint(60, 230))
        self.paint(mask, colour, opacity=0.75, blur=0.4)

    def rain(self, colour: Colour, *, count: int = 900, slant: float = 0.18, strength: float = 0.35) -> None:
        """Draw falling rain over everything."""
        mask = Mask()
        for _ in range(count):
            x, y = self.random.uniform(-60, WIDTH), self.random.uniform(-60, HEIGHT)
            long = self.random.uniform(14, 46)
            mask.line(
                [(x, y), (x - long * slant, y + long)], self.random.uniform(0.4, 1.2), self.random.randint(50, 255)
            )
        self.paint(mask, colour, opacity=strength, blur=0.5)

    # The end

    def finish(self, *, grain: int = 5, vignette: float = 0.22) -> Image.Image:
        """Return the finished picture: scaled down, darker towards the corners, with a trace of grain."""
        picture = self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        dark = Image.radial_gradient("L").point([round(255 * vignette * _ease((v - 90) / 165)) for v in range(256)])
        picture.paste((8, 12, 20), mask=dark.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        size = (WIDTH * 2 // 3, HEIGHT * 2 // 3)
        speckle = Image.frombytes("L", size, self.random.randbytes(size[0] * size[1]))
        speckle = speckle.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        speckle = speckle.point([128 + round((v - 128) * grain / 128) for v in range(256)])
        return ImageChops.overlay(picture, Image.merge("RGB", [speckle] * 3))

    def _noise(self, *, cells: int, stretch: float, octaves: int = 6) -> Image.Image:
        """Return cloudy noise over the whole canvas, spread over the full range of greys."""
        total = Image.new("L", _FULL, 128)
        weight = 0.0
        for n in range(octaves):
            high = cells * 2**n
            across = max(2, round(high * WIDTH / HEIGHT / stretch))
            grid = Image.frombytes("L", (across, high), self.random.randbytes(across * high))
            weight += 0.56**n
            total = Image.blend(total, grid.resize(_FULL, Image.Resampling.BICUBIC), 0.56**n / weight)
        low, top = total.getextrema()
        assert isinstance(low, (int, float))
        assert isinstance(top, (int, float))
        return total.point([round(255 * min(1.0, max(0.0, (v - low) / (top - low)))) for v in range(256)])

    def _paste(self, fill: Fill, mask: Image.Image) -> None:
        box = mask.getbbox()
        if box is None:
            return
        if not isinstance(fill, Fade):
            self.image.paste(fill, mask=mask)
            return
        column = Image.new("RGB", (1, box[3] - box[1]))
        for row in range(column.height):
            column.putpixel((0, row), mix(fill.top, fill.bottom, row / max(1, column.height - 1)))
        self.image.paste(column.resize((box[2] - box[0], box[3] - box[1])), box[:2], mask.crop(box))


def save(picture: Image.Image, path: Path, limit: int) -> int:
    """Write `picture` as a JPEG of at most `limit` bytes, as good as fits, and return its size in bytes."""
    for quality in range(86, 40, -4):
        picture.save(path, "JPEG", quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= limit:
            break
    return path.stat().st_size


def _ease(value: float) -> float:
    part = min(1.0, max(0.0, value))
    return part * part * (3 - 2 * part)


def _colour_at(stops: Sequence[tuple[float, Colour]], y: float) -> Colour:
    before = stops[0]
    for after in stops[1:]:
        if y < after[0]:
            return mix(before[1], after[1], max(0.0, (y - before[0]) / (after[0] - before[0])))
        before = after
    return before[1]


def _soft_band(top: float, bottom: float) -> Image.Image:
    """Return a mask that is full between two heights and fades out within the outer third on both sides."""
    column = Image.new("L", (1, _FULL[1]))
    fade = (bottom - top) / 3
    for row in range(_FULL[1]):
        y = row / SCALE
        column.putpixel((0, row), round(255 * min(_ease((y - top) / fade), _ease((bottom - y) / fade))))
    return column.resize(_FULL)
