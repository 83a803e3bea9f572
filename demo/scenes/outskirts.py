"""A railway line and a football ground at the edge of town."""

from __future__ import annotations

from itertools import pairwise

from demo.canvas import HEIGHT, WIDTH, Canvas, Fade, Mask, mix
from demo.scenes.plants import hedge


def railway(seed: int) -> Canvas:
    """Draw a single line across flat land, with a signal, wires and a far train."""
    canvas = Canvas(seed)
    canvas.sky((0, (110, 144, 170)), (210, (176, 196, 204)), (356, (236, 228, 208)))
    canvas.clouds(-60, 270, (246, 244, 238), cover=0.5, stretch=3, strength=0.85)
    canvas.clouds(150, 350, (170, 184, 192), cover=0.42, stretch=6, strength=0.6)
    canvas.ridge(358, 4, (150, 162, 158), bottom=372)
    hedge(canvas, 362, (112, 130, 118))
    field = Mask()
    field.box(-4, 364, WIDTH + 4, HEIGHT)
    canvas.paint(field, Fade((164, 168, 122), (92, 112, 70)))
    canvas.ground(field, (198, 188, 132), 362, strength=0.24)
    canvas.ground(field, (66, 90, 60), 362, strength=0.22)
    bed = Mask()
    bed.polygon([(570, 364), (590, 364), (1000, HEIGHT), (160, HEIGHT)])
    canvas.paint(bed, Fade((172, 164, 150), (122, 114, 106)))
    canvas.ground(bed, (82, 78, 76), 364, strength=0.36)
    canvas.ground(bed, (212, 204, 190), 364, strength=0.25)
    _track(canvas, 580, 364)
    _railcar(canvas, 580, 366)
    _signal(canvas, 838, 560)
    _poles(canvas)
    canvas.haze(364, 34, (236, 228, 208), 0.45)
    return canvas


def pitch(seed: int) -> Canvas:
    """Draw a small football ground under floodlights, before kick-off."""
    canvas = Canvas(seed)
    canvas.sky((0, (28, 42, 72)), (200, (58, 80, 112)), (330, (120, 126, 144)), (380, (168, 150, 150)))
    canvas.clouds(20, 320, (84, 98, 128), cover=0.48, stretch=5, strength=0.6)
    canvas.ridge(366, 10, (44, 56, 74), length=300, bottom=392)
    hedge(canvas, 372, (34, 46, 58))
    _stand(canvas, 250, 392)
    grass = Mask()
    grass.box(-4, 392, WIDTH + 4, HEIGHT)
    canvas.paint(grass, Fade((84, 122, 92), (46, 84, 60)))
    _mown(canvas, 392)
    canvas.ground(grass, (30, 62, 46), 392, strength=0.32)
    _pitch_lines(canvas)
    _goal(canvas, 820, 462)
    for x, tall in ((92, 300), (428, 236), (772, 236), (1112, 300)):
        _floodlight(canvas, x, 396, tall)
    canvas.haze(400, 70, (150, 172, 186), 0.28)
    return canvas


def _track(canvas: Canvas, x: float, horizon: float) -> None:
    """Paint sleepers and two rails that meet at (x, horizon)."""
    sleepers, rails, shine = Mask(), Mask(), Mask()
    distance = 1.0
    while distance < 46:
        near = 1 / distance
        y = horizon + 330 * near
        half = 250 * near
        sleepers.polygon(
            [(x - half, y), (x + half, y), (x + half * 1.06, y + 26 * near), (x - half * 1.06, y + 26 * near)]
        )
        distance += 0.21
    canvas.paint(sleepers, Fade((132, 118, 104), (84, 70, 62)))
    for side in (-1, 1):
        foot = x + side * 176
        rails.polygon(
            [
                (x + side * 0.5 - 0.6, horizon),
                (x + side * 0.5 + 0.6, horizon),
                (foot + 11, HEIGHT + 24),
                (foot - 11, HEIGHT + 24),
            ]
        )
        shine.polygon(
            [
                (x + side * 0.5 - 0.3, horizon),
                (x + side * 0.5 + 0.3, horizon),
                (foot + 4, HEIGHT + 24),
                (foot - 4, HEIGHT + 24),
            ]
        )
    canvas.paint(rails, Fade((128, 112, 104), (86, 66, 58)))
    canvas.paint(shine, Fade((232, 228, 216), (196, 198, 200)))


def _railcar(canvas: Canvas, x: float, y: float) -> None:
    """Paint a small train that comes head on along the track."""
    body = Mask()
    body.polygon(
        [(x - 17, y + 1), (x - 17, y - 25), (x - 12, y - 34), (x + 12, y - 34), (x + 17, y - 25), (x + 17, y + 1)]
    )
    canvas.paint(body, Fade((70, 104, 116), (46, 72, 84)))
    front = Mask()
    front.box(x - 13, y - 29, x - 1.5, y - 17, round_by=2)
    front.box(x + 1.5, y - 29, x + 13, y - 17, round_by=2)
    canvas.paint(front, (38, 48, 58))
    nose = Mask()
    nose.box(x - 17, y - 13, x + 17, y - 2)
    canvas.paint(nose, (216, 168, 84))
    for side in (-1, 1):
        canvas.glow(x + side * 11, y - 7, 20, (255, 246, 216), 0.9)


def _signal(canvas: Canvas, x: float, y: float) -> None:
    mask = Mask()
    mask.box(x - 4, y - 300, x + 4, y)
    mask.box(x - 20, y - 330, x + 20, y - 226, round_by=9)
    mask.box(x - 14, y - 14, x + 14, y + 2)
    for step in range(10):
        mask.line([(x + 4, y - 40 - 22 * step), (x + 18, y - 40 - 22 * step)], 1.5)
    mask.line([(x + 18, y - 248), (x + 18, y - 10)], 1.5)
    canvas.paint(mask, Fade((48, 54, 60), (66, 70, 72)))
    lamps = Mask()
    for height in (306, 278):
        lamps.ellipse(x, y - height, 9)
    canvas.paint(lamps, (74, 62, 60))
    canvas.shape([(x - 8, y - 258), (x + 8, y - 258), (x + 8, y - 242), (x - 8, y - 242)], (84, 168, 128), blur=2.5)
    canvas.glow(x, y - 250, 44, (140, 255, 196), 0.75)
    plate = Mask()
    plate.box(x - 11, y - 214, x + 11, y - 184, round_by=1)
    canvas.paint(plate, (232, 230, 220))


def _poles(canvas: Canvas) -> None:
    """Paint a line of telegraph poles on the left of the track, and their wires."""
    mask, wires = Mask(), Mask()
    tops = []
    for n in range(9):
        near = 0.66**n
        x, y, tall = 566 - 470 * near, 364 + 186 * near, 352 * near
        mask.polygon([(x - 4.5 * near, y), (x - 3 * near, y - tall), (x + 3 * near, y - tall), (x + 4.5 * near, y)])
        for level in (0.96, 0.9):
            mask.box(x - 30 * near, y - tall * level - 2.5 * near, x + 30 * near, y - tall * level + 2.5 * near)
        tops.append((x, y - tall * 0.96, near))
    for (x, y, near), (far_x, far_y, far) in pairwise(tops):
        for reach in (-27, -12, 12, 27):
            start, end = (x + reach * near, y), (far_x + reach * far, far_y)
            middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 20 * near)
            wires.line([start, middle, end], 0.5 + 0.4 * near)
    for reach in (-27, -12, 12, 27):
        wires.line([(tops[0][0] + reach, tops[0][1]), (-10, tops[0][1] - 40 + reach * 0.3)], 0.9)
    canvas.paint(wires, (84, 86, 88), opacity=0.7)
    canvas.paint(mask, Fade((94, 84, 76), (74, 66, 60)))


def _stand(canvas: Canvas, x: float, y: float) -> None:
    """Paint a low covered stand with rows of seats, some people and a lit roof edge."""
    back = Mask()
    back.polygon([(x, y), (x, y - 84), (x + 700, y - 84), (x + 700, y)])
    canvas.paint(back, Fade((38, 46, 60), (66, 76, 88)))
    for row in range(6):
        seats = Mask()
        across = x + 8.0
        while across < x + 690:
            seats.box(across, y - 62 + row * 10, across + 7, y - 55 + row * 10, round_by=1.5)
            across += 10
        canvas.paint(seats, mix((66, 108, 122), (110, 148, 152), row / 5))
    crowd = Mask()
    for _ in range(150):
        px, row = canvas.random.uniform(x + 10, x + 690), canvas.random.randint(0, 5)
        crowd.ellipse(px, y - 66 + row * 10, 2.6)
        crowd.box(px - 3.6, y - 63 + row * 10, px + 3.6, y - 55 + row * 10, round_by=2)
    canvas.paint(crowd, (34, 38, 48))
    roof = Mask()
    roof.polygon(
        [
            (x - 18, y - 92),
            (x + 10, y - 116),
            (x + 690, y - 116),
            (x + 718, y - 92),
            (x + 718, y - 84),
            (x - 18, y - 84),
        ]
    )
    canvas.paint(roof, Fade((84, 92, 104), (52, 60, 74)))
    posts = Mask()
    for n in range(8):
        posts.box(x + 4 + 98.5 * n, y - 86, x + 7 + 98.5 * n, y)
    posts.box(-4, y - 6, WIDTH + 4, y)
    canvas.paint(posts, (196, 204, 206), opacity=0.7)


def _mown(canvas: Canvas, horizon: float) -> None:
    stripes = Mask()
    for n in range(-14, 15, 2):
        stripes.polygon(
            [
                (600 + n * 66, horizon),
                (600 + (n + 1) * 66, horizon),
                (600 + (n + 1) * 214, HEIGHT),
                (600 + n * 214, HEIGHT),
            ]
        )
    canvas.paint(stripes, Fade((112, 150, 108), (70, 112, 76)), opacity=0.75, blur=0.8)


def _pitch_lines(canvas: Canvas) -> None:
    """Paint the touchline, the penalty area in front of the goal and the corner of the centre circle."""
    lines = Mask()
    lines.polygon([(-4, 461), (WIDTH + 4, 461), (WIDTH + 4, 463.5), (-4, 463.5)])
    for points in (
        [(560, 462), (486, 556), (1166, 556), (1080, 462)],
        [(700, 462), (676, 498), (972, 498), (940, 462)],
    ):
        lines.line(points, 3)
    lines.ellipse(824, 530, 5, 2.4)
    canvas.paint(lines, (232, 238, 232), opacity=0.85, blur=0.4)


def _goal(canvas: Canvas, x: float, y: float) -> None:
    net, frame = Mask(), Mask()
    left, right, tall = x - 78, x + 78, 58
    for n in range(27):
        dx = left + n * (right - left) / 26
        net.line([(dx, y - tall), (dx * 0.94 + x * 0.06, y - tall - 8), (dx * 0.94 + x * 0.06, y - 8)], 0.5)
    for n in range(9):
        dy = y - tall - 6 + n * 7
        net.line([(left + 4, dy), (right - 4, dy)], 0.5)
    canvas.paint(net, (226, 232, 234), opacity=0.45)
    frame.box(left - 2.5, y - tall, left + 2.5, y + 1)
    frame.box(right - 2.5, y - tall, right + 2.5, y + 1)
    frame.box(left - 2.5, y - tall - 3, right + 2.5, y - tall + 2)
    canvas.paint(frame, (246, 248, 248))


def _floodlight(canvas: Canvas, x: float, y: float, tall: float) -> None:
    mask = Mask()
    thick = tall / 70
    mask.polygon([(x - thick * 1.4, y), (x - thick * 0.7, y - tall), (x + thick * 0.7, y - tall), (x + thick * 1.4, y)])
    wide, high = tall * 0.15, tall * 0.12
    mask.box(x - wide, y - tall - high, x + wide, y - tall + 3)
    canvas.paint(mask, (74, 84, 98))
    lamps = Mask()
    for row in range(3):
        for column in range(5):
            lamps.ellipse(
                x - wide * 0.8 + column * wide * 0.4, y - tall - high * 0.84 + row * high * 0.38, tall * 0.013
            )
    canvas.paint(lamps, (255, 252, 238))
    canvas.glow(x, y - tall - high / 2, tall * 0.82, (226, 236, 255), 0.62)
    canvas.glow(x, y - tall - high / 2, tall * 0.24, (255, 252, 240), 0.75)
