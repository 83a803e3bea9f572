"""Fields, floods, forests and dunes."""

from __future__ import annotations

import math
from itertools import pairwise

from demo.canvas import HEIGHT, WIDTH, Canvas, Colour, Fade, Mask, mix
from demo.scenes.plants import reeds, spruce, trees


def flood_meadow(seed: int) -> Canvas:
    """Draw a flooded meadow under a clearing sky, a church behind the trees and a fence that walks into the water."""
    canvas = Canvas(seed)
    canvas.sky((0, (96, 116, 134)), (170, (142, 158, 168)), (300, (214, 206, 190)), (345, (236, 218, 188)))
    canvas.clouds(-140, 260, (74, 90, 108), cover=0.5, stretch=3.4, strength=0.85)
    canvas.clouds(60, 330, (240, 232, 218), cover=0.42, stretch=4.2, strength=0.7)
    canvas.glow(790, 335, 420, (255, 222, 170), 0.5)
    canvas.ridge(330, 10, (126, 134, 138), length=500, bottom=352)
    _church(canvas, 455, 336, (92, 102, 110))
    trees(canvas, 340, (78, 90, 94), count=150, size=17)
    trees(canvas, 347, (56, 68, 70), count=46, size=30, span=(-20, 420))
    trees(canvas, 348, (50, 62, 64), count=20, size=36, span=(980, 1230))
    canvas.haze(350, 46, (226, 214, 196), 0.5)
    canvas.water(350, (120, 130, 136), share=0.22, ripple=4)
    canvas.sparkle(356, 500, (252, 234, 202), x=790, spread=70, count=300)
    for y, share in ((378, 0.35), (402, 0.55)):
        reeds(canvas, y, mix((130, 134, 122), (62, 70, 62), share), count=500, size=9, span=(0, WIDTH), clumps=True)
    _fence(canvas)
    reeds(canvas, 664, (34, 42, 38), count=620, size=70, span=(-20, 500))
    reeds(canvas, 680, (26, 33, 31), count=300, size=58, span=(860, 1230))
    return canvas


def furrows(seed: int) -> Canvas:
    """Draw a ploughed field whose furrows run to the horizon under a high sky."""
    canvas = Canvas(seed)
    horizon = 318.0
    canvas.sky((0, (104, 142, 172)), (200, (168, 192, 204)), (320, (226, 226, 214)))
    canvas.clouds(-60, 290, (246, 244, 238), cover=0.5, stretch=2.6, strength=0.92)
    canvas.clouds(110, 330, (172, 184, 194), cover=0.36, stretch=4.5, strength=0.6)
    canvas.ridge(horizon, 4, (138, 152, 152), bottom=330)
    trees(canvas, horizon + 2, (104, 122, 116), count=110, size=12)
    trees(canvas, horizon + 5, (74, 94, 86), count=16, size=34, span=(830, 960))
    _ploughland(canvas, horizon + 4)
    _farmhouse(canvas, 905, horizon + 8)
    canvas.haze(horizon + 6, 44, (226, 224, 212), 0.4)
    return canvas


def forest_mist(seed: int) -> Canvas:
    """Draw ranks of spruce that fade into mist, with a rising sun behind them."""
    canvas = Canvas(seed)
    canvas.sky((0, (156, 176, 180)), (260, (214, 216, 204)), (420, (236, 224, 200)))
    canvas.glow(420, 190, 420, (255, 236, 198), 0.65)
    air: Colour = (206, 212, 204)
    near: Colour = (28, 46, 46)
    for rank in range(6):
        share = (rank / 5) ** 1.15
        base = 250 + 74 * rank
        colour = mix(air, near, 0.14 + 0.86 * share)
        line = canvas.ridge(base + 26, 34, colour, length=520)
        mask = Mask()
        tall = 46 + 34 * rank
        x = -40.0
        while x < WIDTH + 40:
            spruce(canvas, mask, x, line(x) + 14, tall * canvas.random.uniform(0.6, 1.25))
            x += tall * canvas.random.uniform(0.12, 0.42)
        canvas.paint(mask, colour)
        if rank < 5:
            canvas.haze(base + 66, 76, (226, 224, 210), 0.62 - 0.07 * rank)
    return canvas


def night_sky(seed: int) -> Canvas:
    """Draw the Milky Way above pines and a cabin with one lit window."""
    canvas = Canvas(seed)
    canvas.sky((0, (12, 20, 42)), (300, (26, 46, 76)), (520, (62, 88, 108)), (600, (104, 116, 118)))
    _milky_way(canvas)
    stars = Mask()
    for _ in range(1500):
        size = 0.35 + 1.2 * canvas.random.random() ** 7
        stars.ellipse(
            canvas.random.uniform(0, WIDTH),
            canvas.random.uniform(0, 560),
            size,
            strength=canvas.random.randint(70, 255),
        )
    canvas.paint(stars, (236, 240, 250))
    for star_x, star_y in ((214, 96), (640, 60), (1010, 188), (372, 250), (858, 300)):
        canvas.glow(star_x, star_y, 11, (220, 230, 255), 0.9)
    canvas.ridge(566, 26, (36, 56, 70), length=600)
    line = canvas.ridge(604, 18, (16, 28, 38), length=400)
    mask = Mask()
    x = -30.0
    while x < WIDTH + 30:
        if not 560 < x < 700:
            tall = canvas.random.uniform(60, 190) * (1.25 if x < 300 or x > 960 else 0.7)
            spruce(canvas, mask, x, line(x) + 20, tall)
        x += canvas.random.uniform(14, 44)
    canvas.paint(mask, (11, 20, 29))
    _cabin(canvas, 630, 606)
    return canvas


def dunes(seed: int) -> Canvas:
    """Draw a path of planks that leads through dune grass to a quiet sea."""
    canvas = Canvas(seed)
    canvas.sky((0, (132, 158, 178)), (200, (190, 204, 210)), (296, (228, 222, 208)))
    canvas.clouds(-60, 270, (246, 242, 234), cover=0.5, stretch=3.2, strength=0.8)
    canvas.sky((296, (158, 180, 184)), (350, (112, 146, 156)), (430, (136, 162, 164)), top=296, bottom=430)
    canvas.swell(296, bottom=430)
    beach = Mask()
    beach.polygon([(-4, 408), (400, 392), (820, 400), (WIDTH + 4, 386), (WIDTH + 4, HEIGHT), (-4, HEIGHT)])
    canvas.paint(beach, Fade((226, 212, 184), (190, 168, 132)))
    canvas.ground(beach, (158, 136, 104), 392, strength=0.35)
    foam = Mask()
    foam.polygon(
        [(-4, 402), (400, 387), (820, 395), (WIDTH + 4, 381), (WIDTH + 4, 386), (820, 400), (400, 392), (-4, 408)]
    )
    canvas.paint(foam, (246, 246, 240), opacity=0.8, blur=1.2)
    _planks(canvas)
    for side in (-1, 1):
        _dune(canvas, side)
    return canvas


def _church(canvas: Canvas, x: float, y: float, colour: Colour) -> None:
    mask = Mask()
    mask.box(x - 8, y - 52, x + 8, y)
    mask.polygon([(x - 9, y - 51), (x, y - 98), (x + 9, y - 51)])
    mask.polygon([(x + 6, y), (x + 6, y - 22), (x + 14, y - 32), (x + 54, y - 32), (x + 60, y - 22), (x + 60, y)])
    canvas.paint(mask, Fade(mix(colour, (190, 190, 186), 0.25), colour))


def _fence(canvas: Canvas) -> None:
    """Paint fence posts that shrink with the distance, their rails, and both again in the water."""
    posts = []
    for n in range(11):
        near = 0.72**n
        posts.append((1010 - 640 * (1 - near) * 1.16, 392 + 226 * near, 118 * near, 9.5 * near))
    upper, mirror = Mask(), Mask()
    for x, y, tall, thick in posts:
        lean = canvas.random.uniform(-0.05, 0.05) * tall
        upper.polygon(
            [(x - thick / 2, y), (x - thick / 2 + lean, y - tall), (x + thick / 2 + lean, y - tall), (x + thick / 2, y)]
        )
        mirror.polygon(
            [(x - thick / 2, y), (x + thick / 2, y), (x + thick / 2 + lean, y + tall * 0.7), (x + lean, y + tall * 0.7)]
        )
    for (x, y, tall, thick), (far_x, far_y, far_tall, _) in pairwise(posts):
        for height in (0.84, 0.45):
            start, end = (x, y - tall * height), (far_x, far_y - far_tall * height)
            upper.line([start, end], thick * 0.32)
            mirror.line([(x, y + tall * height * 0.7), (far_x, far_y + far_tall * height * 0.7)], thick * 0.3)
    canvas.paint(mirror, (64, 74, 80), opacity=0.45, blur=2.2)
    canvas.paint(upper, Fade((66, 68, 66), (36, 42, 42)))


def _ploughland(canvas: Canvas, horizon: float) -> None:
    """Paint earth with furrows that meet at one point on the horizon."""
    field = Mask()
    field.box(-4, horizon, WIDTH + 4, HEIGHT)
    canvas.paint(field, Fade((134, 114, 92), (72, 54, 44)))
    far_x = 520.0
    dark, light, green = Mask(), Mask(), Mask()
    for n in range(-46, 47):
        x = far_x + n * 84
        start = (far_x + n * 5.2, horizon)
        dark.polygon([start, (start[0] + 2.2, horizon), (x + 40, HEIGHT), (x, HEIGHT)])
        light.polygon([(start[0] + 2.4, horizon), (start[0] + 3.2, horizon), (x + 56, HEIGHT), (x + 42, HEIGHT)])
        if n % 2 == 0:
            green.polygon([(start[0] + 3.3, horizon), (start[0] + 4, horizon), (x + 72, HEIGHT), (x + 60, HEIGHT)])
    canvas.paint(dark, Fade((112, 94, 78), (44, 33, 29)), blur=1.2)
    canvas.paint(light, Fade((156, 136, 108), (124, 96, 72)), blur=0.8)
    canvas.paint(green, Fade((142, 146, 102), (92, 112, 62)), blur=1.0)
    canvas.ground(field, (50, 37, 31), horizon, strength=0.5)
    canvas.ground(field, (182, 154, 116), horizon, strength=0.32)


def _farmhouse(canvas: Canvas, x: float, y: float) -> None:
    canvas.shape([(x - 26, y), (x - 26, y - 20), (x + 22, y - 20), (x + 22, y)], Fade((216, 206, 188), (186, 174, 156)))
    canvas.shape([(x - 30, y - 19), (x - 16, y - 38), (x + 14, y - 38), (x + 26, y - 19)], (134, 84, 68))
    canvas.shape([(x + 24, y), (x + 24, y - 26), (x + 44, y - 36), (x + 64, y - 26), (x + 64, y)], (98, 100, 98))
    windows = Mask()
    for n in range(3):
        windows.box(x - 20 + 14 * n, y - 14, x - 14 + 14 * n, y - 6)
    windows.box(x + 4, y - 46, x + 9, y - 36)
    canvas.paint(windows, (84, 78, 76))


def _milky_way(canvas: Canvas) -> None:
    """Paint the band of the galaxy from the lower left to the upper right: soft light, dust and dense small stars."""
    for n in range(26):
        part = n / 25
        x, y = 120 + 960 * part, 520 - 500 * part
        canvas.glow(x, y + canvas.random.uniform(-14, 14), canvas.random.uniform(110, 210), (150, 166, 206), 0.085)
    dust = Mask()
    for _ in range(90):
        part = canvas.random.random()
        off = canvas.random.gauss(0, 16)
        x, y = 120 + 960 * part + off, 520 - 500 * part + off * 1.6
        dust.ellipse(
            x, y, canvas.random.uniform(12, 46), canvas.random.uniform(8, 20), strength=canvas.random.randint(60, 200)
        )
    canvas.paint(dust, (18, 28, 52), opacity=0.34, blur=13)
    grains = Mask()
    for _ in range(3800):
        part, off = canvas.random.random(), canvas.random.gauss(0, 62)
        x, y = 120 + 960 * part + off * 0.52, 520 - 500 * part + off
        size = canvas.random.uniform(0.28, 0.6)
        grains.ellipse(x, y, size, strength=canvas.random.randint(40, 190))
    canvas.paint(grains, (226, 230, 246))


def _cabin(canvas: Canvas, x: float, y: float) -> None:
    canvas.shape([(x - 34, y + 8), (x - 34, y - 18), (x + 34, y - 18), (x + 34, y + 8)], (24, 30, 36))
    canvas.shape([(x - 42, y - 16), (x, y - 44), (x + 42, y - 16)], (14, 22, 30))
    canvas.shape([(x + 14, y - 30), (x + 14, y - 50), (x + 22, y - 50), (x + 22, y - 26)], (16, 24, 32))
    canvas.glow(x - 12, y - 4, 84, (255, 188, 96), 0.5)
    canvas.shape([(x - 20, y + 2), (x - 20, y - 11), (x - 5, y - 11), (x - 5, y + 2)], (255, 214, 138))
    canvas.shape([(x - 13.4, y + 2), (x - 13.4, y - 11), (x - 12, y - 11), (x - 12, y + 2)], (60, 46, 40))


def _planks(canvas: Canvas) -> None:
    """Paint a boardwalk that narrows towards the beach, plank by plank."""
    plank, gap = Mask(), Mask()
    y = 404.0
    while y < HEIGHT + 20:
        near = (y - 396) / (HEIGHT - 396)
        tall = 1.6 + 15 * near
        middle = 596 + 26 * math.sin(near * 2.6)
        half = 15 + 210 * near
        lean = canvas.random.uniform(-3, 3) * near
        plank.polygon(
            [
                (middle - half, y + lean),
                (middle + half, y - lean),
                (middle + half + tall, y + tall * 0.82 - lean),
                (middle - half - tall, y + tall * 0.82 + lean),
            ]
        )
        gap.polygon(
            [
                (middle - half - tall, y + tall * 0.8 + lean),
                (middle + half + tall, y + tall * 0.8 - lean),
                (middle + half + tall, y + tall - lean),
                (middle - half - tall, y + tall + lean),
            ]
        )
        y += tall
    canvas.paint(plank, Fade((190, 178, 158), (140, 122, 104)))
    canvas.texture(plank, (112, 98, 84), cells=60, stretch=9, strength=0.25)
    canvas.paint(gap, (74, 62, 54), opacity=0.8)


def _dune(canvas: Canvas, side: int) -> None:
    """Paint one dune with its grass, on the left (-1) or right (1) of the path."""
    edge = [
        (600 + side * (34 + 620 * t), 420 + 8 * math.sin(t * 9 + side) - 108 * math.sin(t * 2.4))
        for t in (n / 40 for n in range(41))
    ]
    foot = [(600 + side * (34 + 245 * t), 420 + 260 * t) for t in (n / 10 for n in range(11))]
    dune = Mask()
    dune.polygon([*edge, (600 + side * 660, HEIGHT + 4), *reversed(foot)])
    canvas.paint(dune, Fade((222, 206, 172), (176, 152, 116)))
    canvas.ground(dune, (150, 128, 96), 330, strength=0.25)
    for tone, count in (((112, 122, 92), 520), ((154, 156, 112), 480), ((84, 98, 74), 280)):
        blades = Mask()
        for _ in range(count):
            t = canvas.random.random() ** 0.8
            root_x, top_y = edge[round(t * 40)]
            low = canvas.random.random() ** 1.7
            x = root_x + canvas.random.uniform(-16, 16)
            y = top_y + (HEIGHT + 30 - top_y) * low + 4
            if abs(x - 600) < 40 + 250 * max(0.0, (y - 420) / 260):
                continue
            for _ in range(3):
                tall = (10 + 78 * max(0.05, (y - 330) / 345)) * canvas.random.uniform(0.4, 1.0)
                lean = tall * canvas.random.gauss(0.3, 0.22)
                blades.line([(x, y), (x + lean * 0.35, y - tall * 0.65), (x + lean, y - tall)], 0.5 + tall / 80)
        canvas.paint(blades, tone, blur=0.7)
