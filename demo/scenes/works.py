"""What people built to move water and power."""

from __future__ import annotations

import math
from itertools import pairwise

from demo.canvas import HEIGHT, WIDTH, Canvas, Fade, Mask, mix
from demo.scenes.plants import bankside, trees


def pumping_station(seed: int) -> Canvas:
    """Draw a brick pumping station with its chimney at the end of a straight drain, at dusk."""
    canvas = Canvas(seed)
    canvas.sky((0, (52, 74, 104)), (190, (122, 132, 150)), (330, (222, 170, 134)), (392, (244, 202, 150)))
    canvas.clouds(20, 250, (196, 156, 148), cover=0.42, stretch=5, strength=0.6)
    canvas.clouds(190, 370, (92, 98, 122), cover=0.36, stretch=7, strength=0.7)
    canvas.glow(930, 392, 380, (255, 196, 130), 0.55)
    canvas.ridge(392, 5, (98, 92, 98), bottom=402)
    trees(canvas, 396, (74, 72, 80), count=90, size=11)
    _engine_house(canvas, 340, 398)
    _arched_windows(canvas, 340, 398)
    canvas.water(398, (44, 56, 76), share=0.3, ripple=3)
    for points, top, bottom in (
        ([(-10, 398), (560, 398), (548, 410), (-10, 560)], (78, 82, 66), (44, 50, 42)),
        ([(WIDTH + 10, 396), (640, 398), (652, 408), (WIDTH + 10, 600)], (84, 82, 66), (40, 46, 40)),
    ):
        bank = Mask()
        bank.polygon(points)
        canvas.paint(bank, Fade(top, bottom))
        canvas.ground(bank, (134, 124, 84), 400, bottom=620, strength=0.5)
        canvas.ground(bank, (34, 42, 36), 400, bottom=620, strength=0.4)
    for start, end in (((-20, 572), (548, 411)), ((WIDTH + 20, 606), (652, 409))):
        bankside(canvas, start, end, (36, 42, 36))
    canvas.haze(396, 34, (246, 200, 156), 0.35)
    return canvas


def pylons(seed: int) -> Canvas:
    """Draw a line of pylons that crosses stubble fields towards a low sun."""
    canvas = Canvas(seed)
    canvas.sky((0, (94, 110, 138)), (180, (170, 158, 160)), (330, (236, 190, 146)), (430, (250, 218, 166)))
    canvas.clouds(30, 260, (232, 190, 168), cover=0.46, stretch=6, strength=0.7)
    canvas.clouds(-60, 190, (78, 92, 122), cover=0.4, stretch=4, strength=0.7)
    canvas.glow(330, 428, 460, (255, 214, 150), 0.75)
    canvas.ridge(430, 12, (158, 134, 122), length=620)
    canvas.ridge(444, 10, (128, 110, 100), length=420)
    trees(canvas, 446, (104, 92, 88), count=90, size=11)
    canvas.haze(440, 40, (250, 212, 168), 0.5)
    field = Mask()
    field.polygon([(-4, 452), (WIDTH + 4, 448), (WIDTH + 4, HEIGHT), (-4, HEIGHT)])
    canvas.paint(field, Fade((168, 136, 98), (74, 62, 52)))
    _stubble(canvas, 452)
    canvas.ground(field, (214, 178, 122), 450, strength=0.42)
    canvas.ground(field, (62, 52, 46), 450, strength=0.4)
    _pylon_line(canvas)
    return canvas


def wind_farm(seed: int) -> Canvas:
    """Draw turbines that stand in the sea, row behind row, in morning light."""
    canvas = Canvas(seed)
    horizon = 432.0
    canvas.sky((0, (128, 160, 180)), (230, (190, 206, 208)), (432, (240, 226, 202)))
    canvas.clouds(-80, 240, (236, 238, 234), cover=0.5, stretch=4.5, strength=0.75)
    canvas.clouds(200, 420, (204, 206, 204), cover=0.42, stretch=9, strength=0.55)
    canvas.glow(860, 380, 420, (255, 234, 194), 0.6)
    canvas.sky((432, (172, 186, 186)), (540, (104, 134, 146)), (675, (58, 88, 106)), top=horizon)
    canvas.swell(horizon)
    canvas.sparkle(horizon + 2, 668, (255, 244, 216), x=860, spread=90, count=620)
    for x, base, tall, turn, far in (
        (70, 437, 108, 20, 0.80),
        (188, 438, 114, 76, 0.76),
        (322, 438, 118, 48, 0.74),
        (1116, 438, 112, 8, 0.78),
        (1010, 439, 122, 98, 0.72),
        (470, 441, 152, 30, 0.55),
        (928, 443, 164, 64, 0.48),
        (770, 446, 206, 12, 0.28),
        (268, 452, 258, 84, 0.1),
        (596, 462, 300, 40, 0.0),
    ):
        _turbine(canvas, x, base, tall=tall, turn=turn, far=far)
    canvas.haze(horizon, 38, (242, 232, 212), 0.5)
    return canvas


def _engine_house(canvas: Canvas, x: float, y: float) -> None:
    """Paint a brick hall with a gable, a lower wing and a tapering chimney."""
    brick, shade = (128, 78, 64), (78, 52, 52)
    walls = Mask()
    walls.box(x, y - 96, x + 180, y)
    walls.polygon([(x, y - 95), (x + 90, y - 140), (x + 180, y - 95)])
    canvas.paint(walls, Fade(brick, shade))
    wing = Mask()
    wing.box(x + 180, y - 66, x + 290, y)
    canvas.paint(wing, Fade((112, 70, 60), (70, 48, 50)))
    canvas.shape(
        [(x + 172, y - 64), (x + 190, y - 98), (x + 282, y - 98), (x + 298, y - 64)], Fade((66, 66, 78), (52, 52, 64))
    )
    canvas.shape(
        [(x - 8, y - 92), (x + 90, y - 146), (x + 188, y - 92), (x + 180, y - 92), (x + 90, y - 136), (x, y - 92)],
        (58, 56, 66),
    )
    chimney = Mask()
    chimney.polygon([(x - 52, y), (x - 44, y - 268), (x - 22, y - 268), (x - 14, y)])
    chimney.box(x - 49, y - 274, x - 17, y - 262)
    chimney.box(x - 47, y - 250, x - 19, y - 246)
    canvas.paint(chimney, Fade((140, 88, 72), (72, 50, 50)))
    for mask in (walls, wing, chimney):
        canvas.texture(mask, (62, 44, 46), cells=160, stretch=2.4, strength=0.4)
    side = Mask()
    side.polygon([(x - 52, y), (x - 44, y - 268), (x - 36, y - 268), (x - 38, y)])
    canvas.paint(side, (48, 40, 48), opacity=0.45, blur=3)


def _arched_windows(canvas: Canvas, x: float, y: float) -> None:
    panes = Mask()
    for n in range(4):
        left = x + 16 + 41 * n
        panes.box(left, y - 70, left + 24, y - 22)
        panes.ellipse(left + 12, y - 70, 12)
    panes.ellipse(x + 90, y - 108, 11)
    for n in range(3):
        panes.box(x + 198 + 30 * n, y - 48, x + 214 + 30 * n, y - 18, round_by=3)
    canvas.paint(panes, Fade((255, 214, 142), (232, 164, 96)))
    bars = Mask()
    for n in range(4):
        left = x + 16 + 41 * n
        bars.line([(left + 12, y - 82), (left + 12, y - 22)], 1.6)
        for height in (36, 52, 68):
            bars.line([(left, y - height), (left + 24, y - height)], 1.2)
    canvas.paint(bars, (74, 52, 48))
    canvas.glow(x + 90, y - 50, 120, (255, 190, 110), 0.22)


def _stubble(canvas: Canvas, horizon: float) -> None:
    rows = Mask()
    for n in range(-40, 60):
        far = 640 + n * 9
        near = 640 + n * 118 - 300
        rows.polygon([(far, horizon), (far + 1.4, horizon), (near + 26, HEIGHT), (near, HEIGHT)])
    canvas.paint(rows, Fade((196, 160, 114), (116, 90, 66)), opacity=0.6, blur=1.6)


def _pylon_line(canvas: Canvas) -> None:
    """Paint pylons from the front right to the far left, and the sagging wires between them."""
    feet = []
    for n in range(7):
        near = 0.62**n
        feet.append((385 + 560 * near, 446 + 128 * near, 436 * near))
    wires = Mask()
    for (x, y, tall), (far_x, far_y, far_tall) in pairwise(feet):
        for height, reach in _ARMS:
            for side in (-1, 1):
                start = (x + side * reach * tall, y - height * tall)
                end = (far_x + side * reach * far_tall, far_y - height * far_tall)
                wires.line(_sag(start, end, tall * 0.09), 0.4 + tall / 520)
    for height, reach in _ARMS:
        for side in (-1, 1):
            x, y, tall = feet[0]
            start = (x + side * reach * tall, y - height * tall)
            wires.line(_sag(start, (x + 700 + side * 150, y - height * tall * 1.75), 60), 1.3)
    canvas.paint(wires, (62, 58, 64), opacity=0.75)
    for x, y, tall in reversed(feet):
        mask = Mask()
        _pylon(mask, x, y, tall)
        canvas.paint(mask, mix((52, 50, 58), (196, 162, 140), 0.75 * (1 - tall / 436)))


#: The arms of a pylon: how high they are and how far they reach, both as shares of its height.
_ARMS = ((0.93, 0.1), (0.8, 0.15), (0.67, 0.12))


def _pylon(mask: Mask, x: float, y: float, tall: float) -> None:
    thick = max(0.5, tall / 120)
    waist = (y - 0.6 * tall, 0.035 * tall)
    foot = 0.115 * tall
    top = (x, y - tall)
    for side in (-1, 1):
        mask.line(
            [(x + side * foot, y), (x + side * waist[1], waist[0]), (x + side * 0.02 * tall, y - 0.95 * tall), top],
            thick,
        )
    levels = [0.0, 0.17, 0.32, 0.45, 0.6, 0.68, 0.76, 0.84, 0.93]
    half = [
        foot + (waist[1] - foot) * min(1.0, level / 0.6) - 0.014 * tall * max(0.0, level - 0.6) / 0.35
        for level in levels
    ]
    for n in range(len(levels) - 1):
        low, high = y - levels[n] * tall, y - levels[n + 1] * tall
        mask.line([(x - half[n], low), (x + half[n + 1], high)], thick * 0.55)
        mask.line([(x + half[n], low), (x - half[n + 1], high)], thick * 0.55)
        mask.line([(x - half[n + 1], high), (x + half[n + 1], high)], thick * 0.55)
    for height, reach in _ARMS:
        arm = y - height * tall
        mask.line([(x - reach * tall, arm), (x + reach * tall, arm)], thick * 0.9)
        for side in (-1, 1):
            mask.line([(x + side * reach * tall, arm), (x, arm - 0.04 * tall)], thick * 0.7)
            mask.line([(x + side * reach * tall, arm), (x + side * reach * tall, arm + 0.03 * tall)], thick)


def _sag(start: tuple[float, float], end: tuple[float, float], depth: float) -> list[tuple[float, float]]:
    return [
        (
            start[0] + (end[0] - start[0]) * t,
            start[1] + (end[1] - start[1]) * t + depth * math.sin(math.pi * t) * (1 - 0.35 * t),
        )
        for t in (n / 24 for n in range(25))
    ]


def _turbine(canvas: Canvas, x: float, base: float, *, tall: float, turn: float, far: float) -> None:
    """Paint a turbine whose hub is `tall` above its base; `far` (0 to 1) makes it paler and its foot less yellow."""
    colour = mix((248, 248, 244), (204, 212, 210), far)
    hub = base - tall
    tower = Mask()
    tower.polygon(
        [(x - tall * 0.017, base), (x - tall * 0.009, hub), (x + tall * 0.009, hub), (x + tall * 0.017, base)]
    )
    shadow = mix((116, 134, 144), (196, 206, 206), far)
    canvas.paint(tower, Fade(colour, mix(colour, shadow, 0.5)))
    shade = Mask()
    shade.polygon(
        [(x - tall * 0.017, base), (x - tall * 0.009, hub), (x - tall * 0.002, hub), (x - tall * 0.004, base)]
    )
    canvas.paint(shade, shadow, opacity=0.6, blur=0.6)
    foot = Mask()
    foot.box(x - tall * 0.024, base - tall * 0.075, x + tall * 0.024, base + tall * 0.012)
    foot.box(x - tall * 0.036, base - tall * 0.08, x + tall * 0.036, base - tall * 0.068)
    canvas.paint(foot, mix((206, 168, 84), (206, 208, 200), far))
    blades = Mask()
    for n in range(3):
        angle = math.radians(turn + 120 * n)
        dx, dy = math.sin(angle), -math.cos(angle)
        long = tall * 0.56
        blades.polygon(
            [
                (x - dy * tall * 0.006, hub + dx * tall * 0.006),
                (x + dx * long * 0.2 + dy * tall * 0.02, hub + dy * long * 0.2 - dx * tall * 0.02),
                (x + dx * long, hub + dy * long),
                (x + dx * long * 0.2 - dy * tall * 0.008, hub + dy * long * 0.2 + dx * tall * 0.008),
            ]
        )
    blades.ellipse(x, hub, tall * 0.018)
    canvas.paint(blades, mix(colour, shadow, 0.18))
