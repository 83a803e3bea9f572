"""Trees, hedges and reeds, for every scene that has some."""

from __future__ import annotations

import math

from demo.canvas import WIDTH, Canvas, Colour, Fade, Mask, mix


def trees(
    canvas: Canvas, y: float, colour: Colour, *, count: int, size: float, span: tuple[float, float] = (-10, WIDTH + 10)
) -> None:
    """Paint a line of broad-leaved trees that stand on height `y`: each a few overlapping crowns."""
    mask = Mask()
    for _ in range(count):
        x = canvas.random.uniform(*span)
        tall = size * canvas.random.uniform(0.45, 1.25)
        broad = canvas.random.uniform(0.22, 0.42)
        for _ in range(26):
            part = canvas.random.uniform(0.12, 1.0)
            dx = canvas.random.gauss(0, tall * broad * math.sin(math.pi * min(0.92, part) ** 0.8))
            mask.ellipse(x + dx, y - part * tall, tall * canvas.random.uniform(0.05, 0.17))
        mask.box(x - tall * 0.9, y - tall * 0.12, x + tall * 0.9, y + 3, round_by=2)
    canvas.paint(mask, Fade(mix(colour, (255, 240, 220), 0.08), colour), blur=0.4)


def spruce(canvas: Canvas, mask: Mask, x: float, base: float, tall: float) -> None:
    """Add one spruce to the mask: tiers of ragged branches around a stem."""
    half = tall * canvas.random.uniform(0.15, 0.2)
    tiers = max(6, int(tall / 9))
    left, right = [], []
    for n in range(tiers + 1):
        part = n / tiers
        y = base - tall + tall * 0.94 * part
        reach = half * part**0.85 * canvas.random.uniform(0.8, 1.15) + 0.6
        drop = tall / tiers * 0.5
        left += [(x - reach * 0.42, y), (x - reach, y + drop)]
        right += [(x + reach * 0.42, y), (x + reach, y + drop)]
    mask.polygon([(x, base - tall - 3), *right, (x + half * 0.2, base), (x - half * 0.2, base), *reversed(left)])


def hedge(canvas: Canvas, y: float, colour: Colour) -> None:
    mask = Mask()
    for _ in range(1500):
        x = canvas.random.uniform(-10, WIDTH + 10)
        mask.ellipse(x, y - canvas.random.random() ** 2 * 16, canvas.random.uniform(1.5, 4.5))
    mask.box(-4, y - 4, WIDTH + 4, y + 4)
    canvas.paint(mask, colour, blur=0.4)


def reeds(
    canvas: Canvas,
    y: float,
    colour: Colour,
    *,
    count: int,
    size: float,
    span: tuple[float, float],
    rise: float = 0.0,
    clumps: bool = False,
) -> None:
    """Paint grass and reeds rooted at `y`, which drops by `rise` for every pixel to the right of the span's middle."""
    mask = Mask()
    middle = sum(span) / 2
    centres = [canvas.random.uniform(*span) for _ in range(7)]
    for _ in range(count):
        x = canvas.random.gauss(canvas.random.choice(centres), 46) if clumps else canvas.random.uniform(*span)
        root = y + rise * (x - middle) + canvas.random.uniform(-size * 0.1, size * 0.25)
        tall = size * canvas.random.uniform(0.25, 1.0) ** 1.3
        lean = canvas.random.gauss(0.05, 0.16) * tall
        tip = (x + lean * 1.6, root - tall)
        mask.line([(x, root), (x + lean * 0.6, root - tall * 0.6), tip], canvas.random.uniform(0.5, 1.4))
        if size > 40 and tall > size * 0.72:
            mask.ellipse(tip[0], tip[1], 1.8, 6)
    canvas.paint(mask, colour)


def bankside(canvas: Canvas, near: tuple[float, float], far: tuple[float, float], colour: Colour) -> None:
    """Paint reeds along the water's edge from `near` to `far`, shrinking with the distance."""
    mask = Mask()
    for _ in range(900):
        part = canvas.random.random() ** 0.6
        x, y = near[0] + (far[0] - near[0]) * part, near[1] + (far[1] - near[1]) * part
        near_by = 1 - 0.93 * part
        tall = 58 * near_by * canvas.random.uniform(0.2, 1.0) ** 1.5
        lean = canvas.random.gauss(0.04, 0.18) * tall
        root = y + canvas.random.uniform(-14, 9) * near_by
        mask.line([(x, root), (x + lean * 0.5, root - tall * 0.6), (x + lean * 1.5, root - tall)], 1.5 * near_by)
    canvas.paint(mask, colour)
