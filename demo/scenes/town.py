"""Roofs, a bridge and a tram in the rain."""

from __future__ import annotations

from demo.canvas import HEIGHT, WIDTH, Canvas, Colour, Fade, Mask, mix
from demo.scenes.plants import hedge


def roofs(seed: int) -> Canvas:
    """Draw the roofs of an old town in the evening, row behind row, with lit windows and smoke."""
    canvas = Canvas(seed)
    canvas.sky((0, (72, 90, 122)), (170, (142, 140, 160)), (300, (222, 176, 156)), (390, (246, 208, 168)))
    canvas.clouds(-20, 220, (208, 176, 172), cover=0.46, stretch=4.5, strength=0.6)
    canvas.clouds(80, 320, (96, 104, 132), cover=0.4, stretch=6, strength=0.6)
    canvas.glow(880, 372, 400, (255, 214, 164), 0.55)
    canvas.ridge(352, 18, (176, 150, 148), length=500)
    _spire(canvas, 372, 372, 190, (150, 130, 136))
    _spire(canvas, 806, 384, 132, (142, 124, 132))
    tones: tuple[tuple[Colour, Colour], ...] = (
        ((150, 124, 126), (172, 148, 142)),
        ((132, 98, 96), (150, 124, 118)),
        ((112, 74, 70), (126, 102, 98)),
        ((82, 54, 56), (94, 78, 80)),
    )
    for row, (roof, wall) in enumerate(tones):
        y = 404 + 66 * row + 6 * row * row
        _house_row(canvas, y, 62 + 30 * row, roof, wall, lit=0.16 + 0.1 * row)
        if row < 3:
            canvas.haze(y + 34, 60, (232, 190, 164), 0.34 - 0.08 * row)
    for x, y in ((248, 452), (934, 512)):
        _smoke(canvas, x, y)
    return canvas


def bridge(seed: int) -> Canvas:
    """Draw a stone bridge with five arches across a slow river, and the old town behind it."""
    canvas = Canvas(seed)
    canvas.sky((0, (134, 158, 176)), (190, (192, 202, 204)), (380, (240, 226, 202)))
    canvas.clouds(-70, 240, (246, 244, 238), cover=0.52, stretch=3.4, strength=0.8)
    canvas.clouds(140, 360, (190, 194, 198), cover=0.42, stretch=6, strength=0.55)
    canvas.glow(240, 350, 380, (255, 230, 186), 0.45)
    canvas.ridge(338, 26, (178, 186, 182), length=640)
    _spire(canvas, 892, 340, 186, (140, 140, 146))
    _spire(canvas, 318, 340, 122, (152, 152, 154))
    _house_row(canvas, 318, 44, (166, 136, 124), (208, 198, 182), lit=0.0)
    canvas.haze(330, 60, (238, 226, 206), 0.5)
    _house_row(canvas, 366, 60, (152, 116, 104), (206, 194, 178), lit=0.0)
    canvas.haze(386, 46, (238, 226, 206), 0.4)
    hedge(canvas, 406, (96, 112, 96))
    hedge(canvas, 412, (74, 92, 80))
    bank = Mask()
    bank.box(-4, 400, WIDTH + 4, 440)
    canvas.paint(bank, Fade((106, 116, 90), (86, 94, 78)))
    _arches(canvas, 436)
    _walkway(canvas, 436)
    canvas.water(436, (96, 114, 116), share=0.26, ripple=4)
    canvas.sparkle(440, 640, (255, 240, 208), x=240, spread=90, count=260)
    return canvas


def tram(seed: int) -> Canvas:
    """Draw a tram in the rain on a wet evening street."""
    canvas = Canvas(seed)
    canvas.sky((0, (78, 92, 108)), (300, (134, 142, 148)), (500, (170, 166, 156)))
    canvas.clouds(-80, 300, (62, 74, 90), cover=0.55, stretch=3.5, strength=0.6)
    _facades(canvas, 476)
    canvas.haze(470, 130, (168, 164, 156), 0.35)
    pavement = Mask()
    pavement.box(-4, 474, WIDTH + 4, 492)
    canvas.paint(pavement, Fade((116, 114, 114), (90, 92, 96)))
    for x in (120, 1058):
        _lamp(canvas, x, 484)
    _tram(canvas, 236, 500)
    wires = Mask()
    wires.line([(-4, 168), (WIDTH + 4, 152)], 1.4)
    wires.line([(-4, 146), (600, 152), (WIDTH + 4, 132)], 0.9)
    canvas.paint(wires, (46, 52, 60), opacity=0.85)
    canvas.water(506, (52, 60, 70), share=0.42, ripple=3.5)
    rails = Mask()
    for y in (534, 548, 604, 624):
        rails.box(-4, y, WIDTH + 4, y + 2.2 + (y - 534) / 60)
    canvas.paint(rails, (188, 190, 188), opacity=0.5, blur=0.6)
    for x in (120, 1058):
        canvas.glow(x, 560, 110, (255, 212, 150), 0.3)
    canvas.glow(960, 540, 150, (255, 226, 176), 0.3)
    canvas.rain((214, 222, 230), count=1100, slant=0.2, strength=0.3)
    return canvas


def _house_row(canvas: Canvas, y: float, size: float, roof: Colour, wall: Colour, *, lit: float) -> None:
    """Paint a row of houses side by side whose eaves are near `y`; a share `lit` of the windows has light."""
    walls, dark, light, chimneys, side_roofs, gables = (Mask() for _ in range(6))
    x = -size * canvas.random.uniform(0.2, 1.0)
    while x < WIDTH:
        wide = size * canvas.random.uniform(0.9, 1.9)
        eaves = y - size * canvas.random.uniform(-0.12, 0.3)
        peak = size * canvas.random.uniform(0.5, 0.78)
        walls.box(x, eaves, x + wide, HEIGHT)
        if canvas.random.random() < 0.3:
            gables.polygon([(x - 3, eaves + 2), (x + wide / 2, eaves - wide * 0.5), (x + wide + 3, eaves + 2)])
        else:
            slope = wide * 0.08
            ends = [(x + slope, eaves - peak), (x + wide - slope, eaves - peak)]
            side_roofs.polygon([(x - 3, eaves + 2), *ends, (x + wide + 3, eaves + 2)])
        _chimney(chimneys, x + wide * canvas.random.choice((0.22, 0.74)), eaves - peak, size, peak)
        step = size * 0.36
        across = x + step * 0.45
        while across + size * 0.17 < x + wide - 2:
            for level in range(4):
                top = eaves + size * (0.16 + 0.5 * level)
                mask = light if canvas.random.random() < lit else dark
                mask.box(across, top, across + size * 0.17, top + size * 0.27)
            across += step
        x += wide
    canvas.paint(chimneys, mix(roof, (40, 30, 34), 0.3))
    canvas.paint(walls, Fade(mix(wall, (255, 224, 190), 0.12), mix(wall, (44, 42, 52), 0.35)))
    canvas.paint(dark, mix(wall, (40, 46, 60), 0.6))
    canvas.paint(light, Fade((255, 222, 158), (246, 190, 116)))
    canvas.paint(side_roofs, mix(roof, (60, 46, 48), 0.12))
    canvas.paint(gables, roof)
    for mask in (side_roofs, gables):
        canvas.texture(mask, mix(roof, (30, 24, 28), 0.45), cells=200, stretch=5, strength=0.4)


def _chimney(mask: Mask, x: float, ridge: float, size: float, peak: float) -> None:
    """Add a stack with two pots that stands up from the roof's ridge."""
    mask.box(x, ridge - size * 0.2, x + size * 0.15, ridge + peak * 0.6)
    for pot in (0.02, 0.09):
        mask.box(x + size * pot, ridge - size * 0.27, x + size * (pot + 0.045), ridge - size * 0.19)


def _spire(canvas: Canvas, x: float, y: float, tall: float, colour: Colour) -> None:
    mask = Mask()
    half = tall * 0.11
    mask.box(x - half, y - tall * 0.5, x + half, y + 40)
    mask.polygon(
        [
            (x - half * 1.15, y - tall * 0.49),
            (x - half * 0.5, y - tall * 0.64),
            (x, y - tall),
            (x + half * 0.5, y - tall * 0.64),
            (x + half * 1.15, y - tall * 0.49),
        ]
    )
    mask.line([(x, y - tall * 1.06), (x, y - tall * 0.98)], 1)
    canvas.paint(mask, Fade(mix(colour, (70, 70, 90), 0.15), mix(colour, (240, 206, 176), 0.3)))


def _smoke(canvas: Canvas, x: float, y: float) -> None:
    puffs = Mask()
    for n in range(46):
        part = n / 45
        puffs.ellipse(
            x + 54 * part**1.5 + canvas.random.gauss(0, 2 + 7 * part),
            y - 120 * part,
            4 + 15 * part,
            strength=round(110 * (1 - part)),
        )
    canvas.paint(puffs, (238, 224, 214), opacity=0.65, blur=7)


#: Where the bridge's piers stand.
_PIERS = (226, 470, 730, 974)


def _deck(y: float, x: float) -> float:
    """Return the height of the parapet at `x`, for a bridge with its feet at `y`."""
    return y - 104 - 34 * (1 - ((x - 600) / 600) ** 2)


def _arches(canvas: Canvas, y: float) -> None:
    """Paint the bridge: a gently humped parapet over five arches with cutwaters, its feet in the water at `y`."""
    behind = canvas.image.copy()
    stone = Mask()
    stone.polygon([(float(x), _deck(y, x)) for x in range(-4, WIDTH + 5, 4)] + [(WIDTH + 4, y + 4), (-4, y + 4)])
    canvas.paint(stone, Fade((196, 182, 158), (136, 126, 112)))
    canvas.texture(stone, (108, 98, 88), cells=130, stretch=3, strength=0.26)
    canvas.texture(stone, (228, 216, 192), cells=90, stretch=3, strength=0.2)
    rims, vaults, views = Mask(), Mask(), Mask()
    for middle, half, rise in ((112, 84, 66), (342, 98, 82), (600, 108, 92), (858, 98, 82), (1088, 84, 66)):
        for mask, more in ((rims, 9), (vaults, 0)):
            mask.ellipse(middle, y - 6, half + more, rise + more)
        views.ellipse(middle + half * 0.13, y - 6, half * 0.88, rise * 0.92)
    canvas.paint(rims, Fade((214, 202, 180), (150, 140, 124)))
    canvas.paint(vaults, Fade((78, 76, 74), (112, 110, 102)))
    canvas.image.paste(behind, mask=views.image)
    for x in _PIERS:
        pier = Mask()
        pier.polygon([(x - 22, y + 4), (x - 16, y - 52), (x, y - 66), (x + 16, y - 52), (x + 22, y + 4)])
        canvas.paint(pier, Fade((206, 194, 172), (130, 122, 110)))
        side = Mask()
        side.polygon([(x, y - 66), (x + 16, y - 52), (x + 22, y + 4), (x, y + 4)])
        canvas.paint(side, (78, 76, 76), opacity=0.42)


def _walkway(canvas: Canvas, y: float) -> None:
    """Paint the edge of the bridge's parapet, its lamps and four people crossing."""
    edge, lamps = Mask(), Mask()
    edge.line([(float(x), _deck(y, x) + 16) for x in range(-4, WIDTH + 5, 8)], 2)
    canvas.paint(edge, (112, 102, 92), opacity=0.7)
    for x in _PIERS:
        lamps.line([(x, _deck(y, x)), (x, _deck(y, x) - 40)], 1.8)
        lamps.box(x - 4, _deck(y, x) - 52, x + 4, _deck(y, x) - 40, round_by=2)
    for x, stride in ((388, 1), (406, -1), (640, 1), (884, 1)):
        lamps.ellipse(x, _deck(y, x) - 22, 2.6)
        lamps.box(x - 3, _deck(y, x) - 19, x + 3, _deck(y, x) + 1, round_by=2.5)
        lamps.line([(x, _deck(y, x) - 2), (x + 3 * stride, _deck(y, x) + 4)], 2)
    canvas.paint(lamps, (70, 66, 66))


def _facades(canvas: Canvas, y: float) -> None:
    """Paint town houses of four or five storeys along a street, some rooms lit."""
    colours: tuple[Colour, ...] = ((120, 112, 108), (104, 108, 114), (134, 120, 106), (96, 98, 106), (124, 106, 100))
    dark, light, ledges, shops = Mask(), Mask(), Mask(), Mask()
    x, last = -60.0, -1
    while x < WIDTH:
        wide, storeys = canvas.random.uniform(130, 210), canvas.random.choice((4, 4, 5))
        pick = canvas.random.choice([n for n in range(len(colours)) if n != last])
        last, top = pick, y - 26 - 68 * storeys + canvas.random.uniform(-10, 14)
        house = Mask()
        house.box(x, top, x + wide, y)
        canvas.paint(house, Fade(mix(colours[pick], (190, 190, 186), 0.16), mix(colours[pick], (44, 48, 58), 0.22)))
        canvas.shape([(x - 2, top), (x + 10, top - 26), (x + wide - 10, top - 26), (x + wide + 2, top)], (70, 72, 80))
        ledges.box(x, top - 2, x + wide, top + 3)
        ledges.box(x, y - 62, x + wide, y - 57)
        count = int(wide // 40)
        step = wide / count
        for column in range(count):
            left = x + step * (column + 0.5) - 10
            for level in range(storeys):
                head = top + 16 + (y - 76 - top) / storeys * level
                (light if canvas.random.random() < 0.24 else dark).box(left, head, left + 20, head + 36)
        shops.box(x + 10, y - 48, x + wide - 10, y - 8, round_by=1)
        x += wide
    canvas.paint(dark, Fade((74, 84, 96), (56, 64, 76)))
    canvas.paint(light, Fade((250, 216, 158), (226, 180, 118)))
    canvas.paint(ledges, (72, 74, 82), opacity=0.7)
    canvas.paint(shops, Fade((240, 206, 150), (196, 156, 112)), opacity=0.62, blur=1.4)


def _lamp(canvas: Canvas, x: float, y: float) -> None:
    mask = Mask()
    mask.line([(x, y), (x, y - 178)], 3)
    mask.box(x - 6, y - 12, x + 6, y)
    mask.polygon([(x - 12, y - 206), (x, y - 218), (x + 12, y - 206)])
    canvas.paint(mask, (46, 50, 58))
    canvas.shape([(x - 7, y - 178), (x - 11, y - 206), (x + 11, y - 206), (x + 7, y - 178)], (255, 230, 178))
    canvas.glow(x, y - 192, 150, (255, 214, 150), 0.6)


def _tram(canvas: Canvas, x: float, y: float) -> None:
    """Paint a tram of two cars, about 730 pixels long, its rails at `y`."""
    shadow = Mask()
    shadow.box(x - 6, y - 8, x + 736, y + 4)
    canvas.paint(shadow, (20, 24, 32), opacity=0.6, blur=5)
    for left, right, front in ((x, x + 356, False), (x + 372, x + 728, True)):
        _car(canvas, left, right, y, front=front)
    _pantograph(canvas, x, y)
    canvas.glow(x + 722, y - 54, 120, (255, 240, 204), 0.8)
    canvas.shape([(x + 714, y - 60), (x + 728, y - 60), (x + 728, y - 48), (x + 714, y - 48)], (255, 248, 224))


def _car(canvas: Canvas, left: float, right: float, y: float, *, front: bool) -> None:
    body = Mask()
    nose = 36 if front else 0
    tail = 0 if front else 36
    body.polygon(
        [
            (left + tail * 0.5, y - 176),
            (right - nose * 0.5, y - 176),
            (right, y - 96),
            (right, y - 22),
            (left, y - 22),
            (left, y - 96),
        ]
    )
    canvas.paint(body, Fade((232, 226, 212), (202, 196, 186)))
    skirt = Mask()
    skirt.box(left, y - 84, right, y - 18, round_by=4)
    canvas.paint(skirt, Fade((46, 92, 96), (28, 62, 70)))
    trim = Mask()
    trim.box(left, y - 88, right, y - 84)
    trim.box(left + 10, y - 184, right - 10, y - 174, round_by=3)
    canvas.paint(trim, (84, 88, 92))
    _tram_windows(canvas, left, right, y, front=front)
    wheels = Mask()
    for hub in (left + 66, left + 104, right - 104, right - 66):
        wheels.ellipse(hub, y - 12, 14)
    wheels.box(left + 44, y - 24, left + 126, y - 12)
    wheels.box(right - 126, y - 24, right - 44, y - 12)
    canvas.paint(wheels, (34, 38, 46))


def _pantograph(canvas: Canvas, x: float, y: float) -> None:
    """Paint the joint between the cars, the arm that reaches the wire and the box on the roof."""
    joint = Mask()
    joint.box(x + 356, y - 168, x + 372, y - 26)
    joint.line([(x + 190, y - 184), (x + 232, y - 244), (x + 262, y - 314)], 2.6)
    joint.line([(x + 246, y - 184), (x + 232, y - 244)], 2)
    joint.box(x + 236, y - 340, x + 290, y - 336)
    joint.line([(x + 262, y - 314), (x + 262, y - 338)], 2.4)
    joint.box(x + 420, y - 194, x + 520, y - 184, round_by=3)
    canvas.paint(joint, (50, 54, 62))


def _tram_windows(canvas: Canvas, left: float, right: float, y: float, *, front: bool) -> None:
    glass, people, doors = Mask(), Mask(), Mask()
    across = left + 22
    while across + 46 < right - (60 if front else 16):
        glass.box(across, y - 160, across + 46, y - 100, round_by=4)
        if canvas.random.random() < 0.7:
            head = across + canvas.random.uniform(12, 32)
            people.ellipse(head, y - 122, 7, 9)
            people.box(head - 11, y - 115, head + 11, y - 100, round_by=6)
            people.box(head - 11, y - 106, head + 11, y - 100)
        across += 54
    for door in (left + 128, left + 236):
        doors.box(door - 2, y - 164, door + 50, y - 24, round_by=3)
    canvas.paint(glass, Fade((255, 234, 186), (240, 208, 150)))
    canvas.paint(people, (74, 66, 64), opacity=0.8)
    canvas.paint(doors, Fade((52, 74, 80), (34, 52, 60)))
    panes = Mask()
    for door in (left + 128, left + 236):
        for half in (3, 26):
            panes.box(door + half, y - 156, door + half + 19, y - 40, round_by=3)
    canvas.paint(panes, Fade((250, 226, 174), (214, 180, 128)))
    if front:
        canvas.shape(
            [(right - 34, y - 160), (right - 20, y - 160), (right - 5, y - 98), (right - 34, y - 98)],
            Fade((118, 140, 152), (70, 90, 104)),
        )
