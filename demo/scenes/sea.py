"""Harbours, ships and a lighthouse."""

from __future__ import annotations

import math

from demo.canvas import HEIGHT, WIDTH, Canvas, Colour, Fade, Mask, mix


def harbour(seed: int) -> Canvas:
    """Draw gantry cranes and stacked containers at daybreak, mirrored in the dock."""
    canvas = Canvas(seed)
    canvas.sky((0, (84, 104, 128)), (190, (150, 156, 162)), (340, (232, 196, 158)), (420, (248, 220, 176)))
    canvas.clouds(-40, 220, (110, 122, 140), cover=0.5, stretch=4, strength=0.7)
    canvas.clouds(120, 380, (244, 214, 184), cover=0.45, stretch=5.5, strength=0.65)
    canvas.glow(300, 418, 440, (255, 214, 150), 0.7)
    canvas.ridge(412, 12, (166, 156, 150), length=360, bottom=432)
    _sheds(canvas, 428, (142, 136, 136))
    canvas.haze(424, 46, (250, 222, 186), 0.5)
    for x, tall, colour in ((268, 168, (140, 136, 140)), (402, 178, (128, 126, 132))):
        _gantry(canvas, x, 430, tall, colour)
    quay = Mask()
    quay.box(-4, 428, WIDTH + 4, 446)
    canvas.paint(quay, Fade((92, 92, 96), (56, 60, 68)))
    _containers(canvas, 432)
    for x, tall in ((660, 292), (912, 318)):
        _gantry(canvas, x, 434, tall, (44, 56, 70))
    canvas.water(446, (70, 84, 98), share=0.24, ripple=5)
    canvas.sparkle(452, 660, (255, 230, 184), x=300, spread=80, count=420)
    _tug(canvas, 356, 508)
    return canvas


def lighthouse(seed: int) -> Canvas:
    """Draw a lighthouse on a headland after sunset, its beam over the sea."""
    canvas = Canvas(seed)
    canvas.sky((0, (38, 58, 92)), (210, (92, 108, 138)), (340, (190, 156, 150)), (402, (236, 190, 152)))
    canvas.clouds(40, 270, (150, 136, 150), cover=0.48, stretch=5, strength=0.6)
    canvas.clouds(200, 390, (68, 82, 112), cover=0.42, stretch=7, strength=0.7)
    canvas.glow(220, 404, 380, (255, 196, 146), 0.5)
    canvas.sky((402, (166, 148, 150)), (500, (78, 92, 116)), (675, (30, 46, 70)), top=402)
    canvas.swell(402)
    canvas.sparkle(404, 620, (255, 216, 176), x=220, spread=70, count=380)
    for side, opacity in (((-20, 60, 168), 0.16), ((-20, 84, 146), 0.2)):
        beam = Mask()
        beam.polygon([(806, 148), (side[0], side[1]), (side[0], side[2]), (806, 154)])
        canvas.paint(beam, (255, 238, 196), opacity=opacity, blur=7)
    _headland(canvas)
    _tower(canvas, 806, 404)
    _surf(canvas)
    return canvas


def ferry(seed: int) -> Canvas:
    """Draw a white car ferry that crosses a sound, gulls behind her stern."""
    canvas = Canvas(seed)
    canvas.sky((0, (122, 152, 174)), (220, (184, 202, 208)), (372, (230, 226, 212)))
    canvas.clouds(-60, 250, (244, 244, 240), cover=0.5, stretch=3, strength=0.85)
    canvas.clouds(120, 350, (160, 176, 188), cover=0.4, stretch=5, strength=0.6)
    canvas.ridge(362, 18, (154, 170, 176), length=640, bottom=390)
    canvas.ridge(372, 12, (118, 138, 144), length=380, bottom=390)
    canvas.haze(374, 30, (228, 228, 218), 0.5)
    canvas.sky((378, (150, 172, 180)), (480, (88, 120, 136)), (675, (44, 76, 96)), top=378)
    canvas.swell(378)
    _hull(canvas, 250, 452)
    _decks(canvas, 250, 452)
    _funnel_and_masts(canvas, 250, 452)
    _wake(canvas, 250, 452)
    _gulls(canvas)
    return canvas


def _sheds(canvas: Canvas, y: float, colour: Colour) -> None:
    mask = Mask()
    x = -20.0
    while x < WIDTH:
        wide, tall = canvas.random.uniform(50, 120), canvas.random.uniform(16, 40)
        mask.polygon([(x, y), (x, y - tall), (x + wide / 2, y - tall - 9), (x + wide, y - tall), (x + wide, y)])
        x += wide * canvas.random.uniform(0.9, 1.7)
    for x in (92, 118):
        mask.box(x, y - 96, x + 9, y)
    canvas.paint(mask, colour)


def _gantry(canvas: Canvas, x: float, y: float, tall: float, colour: Colour) -> None:
    """Paint a ship-to-shore gantry crane whose boom reaches to the left over the water."""
    mask = Mask()
    thick = tall / 44
    legs = 0.3 * tall
    deck = y - 0.62 * tall
    for side in (0.0, legs):
        mask.line([(x + side, y), (x + side, y - 0.66 * tall)], thick * 1.2)
    mask.line([(x + legs * 0.1, y - 0.64 * tall), (x + legs * 0.42, y - tall)], thick)
    mask.line([(x + legs * 0.95, y - 0.64 * tall), (x + legs * 0.46, y - tall)], thick)
    mask.box(x - 0.56 * tall, deck - thick * 2.2, x + legs + 0.3 * tall, deck)
    mask.line([(x, y - 0.3 * tall), (x + legs, y - 0.3 * tall)], thick)
    mask.line([(x, y - 0.3 * tall), (x + legs, deck)], thick * 0.6)
    mask.line([(x + legs, y - 0.3 * tall), (x, deck)], thick * 0.6)
    for reach in (-0.53, -0.28, 0.5):
        mask.line([(x + legs * 0.44, y - tall), (x + reach * tall, deck - thick * 2)], thick * 0.5)
    mask.box(x + legs * 0.62, deck - thick * 6, x + legs * 1.3, deck - thick * 2)
    cab = x - 0.2 * tall
    mask.box(cab, deck, cab + thick * 4, deck + thick * 3.4)
    for dx in (0.5, 3.5):
        mask.line([(cab + thick * dx, deck), (cab + thick * dx, deck + 0.2 * tall)], 0.6)
    mask.box(cab - thick * 1.6, deck + 0.2 * tall, cab + thick * 5.6, deck + 0.2 * tall + thick * 2.2)
    for side in (0.0, legs):
        mask.box(x + side - thick * 1.8, y - thick * 2.4, x + side + thick * 1.8, y)
    canvas.paint(mask, Fade(mix(colour, (244, 214, 180), 0.12), colour))


def _containers(canvas: Canvas, y: float) -> None:
    """Paint stacks of containers in muted colours along the quay."""
    colours: tuple[Colour, ...] = (
        (122, 72, 60),
        (66, 92, 104),
        (150, 120, 82),
        (88, 100, 88),
        (112, 104, 106),
        (70, 74, 92),
    )
    masks = [Mask() for _ in colours]
    ribs = Mask()
    for start, count in ((520, 4), (756, 3), (1010, 5)):
        for column in range(count):
            for level in range(canvas.random.randint(1, 4)):
                left, foot = start + 43.0 * column, y - 16.5 * level
                canvas.random.choice(masks).box(left, foot - 15.5, left + 41.5, foot)
                for rib in range(1, 9):
                    ribs.line([(left + rib * 4.6, foot - 14), (left + rib * 4.6, foot - 1)], 0.5)
    for mask, colour in zip(masks, colours, strict=True):
        canvas.paint(mask, Fade(mix(colour, (230, 200, 170), 0.18), mix(colour, (30, 34, 44), 0.25)))
    canvas.paint(ribs, (30, 32, 40), opacity=0.3)


def _tug(canvas: Canvas, x: float, y: float) -> None:
    canvas.shape(
        [(x - 76, y + 6), (x + 74, y + 8), (x + 92, y - 22), (x + 48, y - 14), (x - 80, y - 12)],
        Fade((62, 50, 52), (30, 34, 44)),
    )
    canvas.shape(
        [(x - 80, y - 12), (x + 48, y - 14), (x + 92, y - 22), (x + 91, y - 18), (x + 48, y - 10), (x - 80, y - 8)],
        (150, 84, 66),
    )
    house = Mask()
    house.box(x - 18, y - 44, x + 40, y - 12)
    house.box(x - 6, y - 66, x + 32, y - 43, round_by=2)
    canvas.paint(house, Fade((222, 212, 196), (176, 168, 160)))
    dark = Mask()
    dark.box(x - 3, y - 60, x + 29, y - 50)
    dark.box(x - 46, y - 58, x - 30, y - 12)
    dark.line([(x + 12, y - 66), (x + 12, y - 96)], 1.6)
    dark.line([(x - 64, y - 12), (x - 64, y - 30)], 1.6)
    canvas.paint(dark, (52, 60, 72))
    wake = Mask()
    for n in range(60):
        part = n / 60
        wake.ellipse(
            x - 78 - 190 * part,
            y + 6 + 10 * part + canvas.random.gauss(0, 2 + 4 * part),
            16,
            1.6,
            strength=round(190 * (1 - part)),
        )
    wake.ellipse(x + 84, y + 6, 18, 3)
    canvas.paint(wake, (240, 232, 220), opacity=0.7, blur=1)


def _headland(canvas: Canvas) -> None:
    cliff = Mask()
    wave_top, wave_side = [], []
    for n in range(60):
        part = n / 59
        x = 560 + 660 * part
        wave_top.append((x, 470 - 76 * math.sin(min(1.0, part * 1.9) * math.pi / 2) + canvas.random.uniform(-2.5, 2.5)))
    for n in range(18):
        part = n / 17
        wave_side.append((560 - 90 * part + canvas.random.uniform(-12, 12), 470 + 120 * part))
    cliff.polygon([*wave_top, (1220, 640), (480, 640), *reversed(wave_side)])
    canvas.paint(cliff, Fade((66, 72, 76), (22, 30, 44)))
    canvas.texture(cliff, (16, 22, 34), cells=16, stretch=0.34, strength=0.42)
    canvas.texture(cliff, (118, 112, 112), cells=30, stretch=0.3, strength=0.16)
    turf = Mask()
    turf.polygon([*wave_top, *[(x, y + 9 + canvas.random.uniform(0, 9)) for x, y in reversed(wave_top)]])
    canvas.paint(turf, Fade((106, 108, 86), (58, 66, 60)), blur=0.8)
    for x, y, wide in ((940, 396, 86), (1050, 396, 44)):
        canvas.shape([(x, y), (x, y - 26), (x + wide, y - 26), (x + wide, y)], Fade((206, 192, 178), (150, 142, 144)))
        canvas.shape([(x - 5, y - 25), (x + 8, y - 46), (x + wide - 8, y - 46), (x + wide + 5, y - 25)], (74, 70, 82))
        canvas.shape([(x + 12, y - 8), (x + 12, y - 19), (x + 21, y - 19), (x + 21, y - 8)], (255, 214, 146))


def _tower(canvas: Canvas, x: float, y: float) -> None:
    """Paint the lighthouse: a white tapering tower with two dark bands, a gallery and a lit lantern."""
    tower = Mask()
    tower.polygon([(x - 32, y), (x - 20, y - 228), (x + 20, y - 228), (x + 32, y)])
    canvas.paint(tower, Fade((228, 216, 206), (186, 178, 180)))
    for low, high in ((0.26, 0.46), (0.68, 0.86)):
        band = Mask()
        left, right = 32 - 12 * low, 32 - 12 * high
        band.polygon(
            [
                (x - left, y - 228 * low),
                (x - right, y - 228 * high),
                (x + right, y - 228 * high),
                (x + left, y - 228 * low),
            ]
        )
        canvas.paint(band, Fade((132, 66, 62), (112, 58, 58)))
    shade = Mask()
    shade.polygon([(x + 4, y), (x + 4, y - 228), (x + 20, y - 228), (x + 32, y)])
    canvas.paint(shade, (34, 40, 62), opacity=0.34, blur=1)
    dark = Mask()
    dark.box(x - 30, y - 236, x + 30, y - 227)
    for n in range(9):
        dark.line([(x - 28 + 7 * n, y - 250), (x - 28 + 7 * n, y - 236)], 0.9)
    dark.line([(x - 29, y - 250), (x + 29, y - 250)], 1.2)
    dark.polygon([(x - 20, y - 270), (x, y - 292), (x + 20, y - 270)])
    dark.line([(x, y - 290), (x, y - 308)], 1.6)
    for low in (40, 106, 168):
        dark.box(x - 10, y - low - 14, x - 3, y - low, round_by=2)
    canvas.paint(dark, (44, 48, 62))
    _lantern(canvas, x, y)


def _lantern(canvas: Canvas, x: float, y: float) -> None:
    lamp = Mask()
    lamp.box(x - 15, y - 270, x + 15, y - 236)
    canvas.paint(lamp, Fade((255, 236, 184), (255, 216, 140)))
    bars = Mask()
    for dx in (-15, -5, 5, 15):
        bars.line([(x + dx, y - 270), (x + dx, y - 236)], 1.2)
    canvas.paint(bars, (60, 58, 66))
    canvas.glow(x, y - 253, 170, (255, 226, 164), 0.75)


def _surf(canvas: Canvas) -> None:
    foam = Mask()
    for _ in range(420):
        part = canvas.random.random()
        x = 470 + 760 * part
        y = 604 + 5 * math.sin(part * 21) + canvas.random.gauss(0, 4.5)
        foam.ellipse(
            x, y, canvas.random.uniform(4, 26), canvas.random.uniform(0.6, 2.0), strength=canvas.random.randint(40, 200)
        )
    sea = Mask()
    sea.polygon([(-4, 640), (430, 618), (640, 606), (900, 612), (WIDTH + 4, 602), (WIDTH + 4, HEIGHT), (-4, HEIGHT)])
    canvas.paint(sea, Fade((44, 58, 82), (24, 38, 60)), blur=3)
    canvas.paint(foam, (206, 204, 208), opacity=0.62, blur=1)


def _hull(canvas: Canvas, x: float, y: float) -> None:
    """Paint the hull of a ferry, about 700 pixels long, that sails to the right with her waterline at `y`."""
    hull = Mask()
    hull.polygon([(x, y), (x - 8, y - 62), (x + 640, y - 66), (x + 704, y - 72), (x + 660, y - 20), (x + 640, y)])
    canvas.paint(hull, Fade((246, 246, 242), (198, 208, 212)))
    lower = Mask()
    lower.polygon([(x, y), (x - 3, y - 23), (x + 664, y - 23), (x + 655, y - 8), (x + 640, y)])
    canvas.paint(lower, Fade((34, 72, 98), (24, 50, 72)))
    stripe = Mask()
    stripe.polygon([(x - 4, y - 30), (x + 668, y - 30), (x + 671, y - 34), (x - 4, y - 34)])
    canvas.paint(stripe, (176, 92, 66))


def _decks(canvas: Canvas, x: float, y: float) -> None:
    decks = Mask()
    decks.polygon([(x + 6, y - 62), (x + 10, y - 96), (x + 590, y - 96), (x + 622, y - 64)])
    decks.polygon([(x + 40, y - 95), (x + 44, y - 124), (x + 556, y - 124), (x + 580, y - 95)])
    decks.polygon([(x + 430, y - 123), (x + 432, y - 152), (x + 536, y - 152), (x + 556, y - 123)])
    canvas.paint(decks, Fade((250, 250, 246), (214, 222, 224)))
    lines = Mask()
    for low, left, right in ((62, 2, 624), (96, 8, 592), (124, 40, 558)):
        lines.line([(x + left, y - low), (x + right, y - low)], 1.4)
    canvas.paint(lines, (150, 164, 172))
    panes = Mask()
    for left, right, low, step in ((24, 566, 70, 17), (58, 536, 102, 17), (20, 600, 44, 34)):
        across = float(left)
        while across < right:
            panes.box(x + across, y - low - 12 if step == 17 else y - low - 7, x + across + 10, y - low, round_by=2)
            across += step
    panes.polygon([(x + 446, y - 132), (x + 446, y - 144), (x + 534, y - 144), (x + 543, y - 132)])
    canvas.paint(panes, Fade((70, 94, 112), (48, 72, 92)))


def _funnel_and_masts(canvas: Canvas, x: float, y: float) -> None:
    funnel = Mask()
    funnel.polygon([(x + 150, y - 122), (x + 158, y - 180), (x + 206, y - 180), (x + 222, y - 122)])
    canvas.paint(funnel, Fade((38, 76, 102), (30, 62, 86)))
    band = Mask()
    band.polygon([(x + 154, y - 150), (x + 156, y - 164), (x + 211, y - 164), (x + 214, y - 150)])
    canvas.paint(band, (176, 92, 66))
    rig = Mask()
    rig.line([(x + 484, y - 152), (x + 484, y - 206)], 2)
    rig.line([(x + 470, y - 186), (x + 498, y - 186)], 1.4)
    rig.line([(x + 676, y - 70), (x + 676, y - 96)], 1.6)
    for n in range(5):
        rig.box(x + 262 + 30 * n, y - 134, x + 284 + 30 * n, y - 126, round_by=3)
    canvas.paint(rig, (112, 92, 84))


def _wake(canvas: Canvas, x: float, y: float) -> None:
    """Paint the ferry's reflection, the foam along her side and the trail behind her."""
    mirror = Mask()
    mirror.polygon([(x + 10, y), (x + 640, y), (x + 600, y + 46), (x + 40, y + 46)])
    canvas.paint(mirror, (214, 222, 222), opacity=0.22, blur=12)
    wake = Mask()
    for _ in range(260):
        part = canvas.random.random() ** 1.3
        wake.ellipse(
            x + 6 - 300 * part,
            y + 2 + 16 * part + canvas.random.gauss(0, 2 + 7 * part),
            canvas.random.uniform(6, 24),
            2.0,
            strength=round(220 * (1 - part)),
        )
    for _ in range(120):
        along = canvas.random.random()
        wake.ellipse(
            x + 650 * along,
            y + canvas.random.gauss(2, 2),
            canvas.random.uniform(5, 16),
            1.8,
            strength=canvas.random.randint(60, 220),
        )
    for _ in range(60):
        wake.ellipse(
            x + 646 + canvas.random.gauss(0, 16),
            y - 3 + canvas.random.gauss(0, 4),
            canvas.random.uniform(3, 12),
            3,
            strength=200,
        )
    canvas.paint(wake, (248, 250, 248), opacity=0.8, blur=1)


def _gulls(canvas: Canvas) -> None:
    mask = Mask()
    for x, y, wide in ((150, 268, 26), (206, 226, 20), (112, 330, 30), (268, 292, 16), (60, 250, 18), (330, 246, 13)):
        mask.polygon(
            [
                (x - wide, y - wide * 0.36),
                (x - wide * 0.4, y - wide * 0.22),
                (x, y + 1),
                (x, y - 2.5),
                (x - wide * 0.42, y - wide * 0.3),
            ]
        )
        mask.polygon(
            [
                (x + wide, y - wide * 0.3),
                (x + wide * 0.42, y - wide * 0.26),
                (x, y + 1),
                (x, y - 2.5),
                (x + wide * 0.42, y - wide * 0.34),
            ]
        )
        mask.ellipse(x, y - 0.5, wide * 0.2, wide * 0.075)
    canvas.paint(mask, (238, 240, 240))
