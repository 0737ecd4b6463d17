"""The vehicles and shapes of the toy scenes.

A figure is drawn in its own frame: one unit is a pixel of a 64 px picture at scale 1, x runs from its rear
to its front, y upwards from the ground on which it stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .canvas import Canvas, Colour, Paint, Points

TYRE: Colour = (34, 34, 40)
RIM: Colour = (176, 178, 184)
GLASS: Colour = (62, 84, 104)
GLARE: Colour = (150, 178, 198)
STEEL: Colour = (84, 86, 94)
LAMP_OFF: Colour = (150, 150, 146)
LAMP_ON: Colour = (255, 244, 178)
TAIL_OFF: Colour = (122, 26, 28)
TAIL_ON: Colour = (255, 52, 40)
_CORNERS = 40  # of a circle


def _circle(x: float, y: float, radius: float) -> Points:
    turn = 2 * math.pi / _CORNERS
    return [(x + radius * math.cos(k * turn), y + radius * math.sin(k * turn)) for k in range(_CORNERS)]


def _smooth(points: Points, rounds: int = 2) -> Points:
    # Chaikin's corner cutting: what looks drawn with a ruler looks pressed from sheet metal
    for _ in range(rounds):
        cut: list[tuple[float, float]] = []
        for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
            cut += [(0.8 * x0 + 0.2 * x1, 0.8 * y0 + 0.2 * y1), (0.2 * x0 + 0.8 * x1, 0.2 * y0 + 0.8 * y1)]
        points = cut
    return points


def _wheel(canvas: Canvas, x: float, radius: float) -> None:
    canvas.ellipse(x, radius, radius, radius, TYRE)
    canvas.ellipse(x, radius, 0.52 * radius, 0.52 * radius, RIM)
    canvas.ellipse(x, radius, 0.18 * radius, 0.18 * radius, STEEL)


def _lamps(canvas: Canvas, front: tuple[float, float], rear: tuple[float, float], lit: bool, size: float = 1.0) -> None:
    canvas.ellipse(*front, 1.2 * size, 1.3 * size, LAMP_ON if lit else LAMP_OFF, emits=lit)
    canvas.ellipse(*rear, 0.9 * size, 1.2 * size, TAIL_ON if lit else TAIL_OFF, emits=lit)


_SALOON = _smooth([(-20, 3.6), (-20.8, 10.5), (-18.8, 13.2), (-13.8, 13.8), (-9.2, 20.4), (4.6, 20.6),
                   (11.2, 14), (18.6, 12.4), (20.8, 9.6), (20.6, 3.6)])  # fmt: skip
_HATCHBACK = _smooth([(-19.4, 3.6), (-20.2, 10.5), (-19, 14.4), (-15.4, 20.6), (4, 20.8),
                      (11, 14.2), (18, 12.6), (20.4, 9.6), (20.2, 3.6)])  # fmt: skip


def _car(canvas: Canvas, paint: Paint, doors: int, lit: bool, variant: float) -> None:
    hatchback = variant < 0.5
    canvas.body(_HATCHBACK if hatchback else _SALOON, paint)
    canvas.box(-19.6, 3.4, 20, 5.6, paint.dark)
    canvas.line([(-18.6, 13.2), (18, 12.2)], 0.5, paint.light)
    back = -14.2 if hatchback else -11.6
    rear_top = -12.6 if hatchback else -8
    pillar = -3.0 if doors == 4 else -6.0  # a car without rear doors has one long door and no window behind it
    if doors == 4:
        canvas.polygon([(back, 14.2), (rear_top, 19), (pillar - 1.1, 19.2), (pillar - 1.1, 14.2)], GLASS)
    canvas.polygon([(pillar + 1.1, 14.2), (pillar + 1.1, 19.2), (3.6, 19.2), (8.8, 14.2)], GLASS)
    canvas.polygon([(3.2, 19.2), (4.6, 17.9), (1.8, 14.2), (0, 14.2)], GLARE, alpha=150)
    seams = (back + 2.4, pillar, 7.6) if doors == 4 else (pillar, 7.6)
    for x in seams:
        canvas.line([(x, 13.4), (x, 5.6)], 2.4, paint.base)  # no stripe hides a door
        canvas.line([(x, 13.8), (x, 5.6)], 0.9, paint.dark)
    for x in seams[:-1]:  # a handle near the rear seam of each door
        canvas.box(x + 0.6, 10.4, x + 4, 12.8, paint.base)
        canvas.box(x + 1.0, 11.2, x + 3.4, 12.1, STEEL)
    for x in (-12.2, 12):
        canvas.ellipse(x, 4.6, 5.0, 5.0, paint.dark)
        _wheel(canvas, x, 4.2)
    _lamps(canvas, LAMPS["car"], (-19.6, 10.4), lit)


_BUS = _smooth([(-23, 3.6), (-23, 25), (22, 25), (23.4, 14), (23.4, 3.6)], 1)


def _bus(canvas: Canvas, paint: Paint, lit: bool, variant: float) -> None:
    canvas.body(_BUS, paint)
    canvas.box(-22, 23.4, 21.4, 24.8, paint.light)
    canvas.box(-22.8, 3.4, 23, 5.2, paint.dark)
    for k in range(5):
        canvas.box(-21 + 6.9 * k, 15, -15.6 + 6.9 * k, 21.4, GLASS)
        canvas.polygon(
            [(-19 + 6.9 * k, 15), (-17 + 6.9 * k, 15), (-16 + 6.9 * k, 21.4), (-18 + 6.9 * k, 21.4)], GLARE, alpha=110
        )
    canvas.box(13.8, 5.2, 18.2, 21.4, GLASS)
    canvas.line([(16, 5.2), (16, 21.4)], 0.5, paint.dark)
    canvas.polygon([(20, 13), (20, 21.4), (22.4, 21.4), (23.4, 13)], GLASS)
    for x in (-13.4, 9.2):
        canvas.ellipse(x, 4.4, 4.8, 4.8, paint.dark)
        _wheel(canvas, x, 4.0)
    _lamps(canvas, LAMPS["bus"], (-22.6, 8.4), lit)


_CAB = _smooth([(9.6, 4), (9.6, 20.4), (16.8, 20.4), (20.6, 12.8), (21.6, 11.6), (21.8, 4)], 1)


def _truck(canvas: Canvas, paint: Paint, lit: bool, variant: float) -> None:
    canvas.box(-22, 4.2, 18, 6.6, STEEL)
    canvas.box(8.0, 6, 9.2, 24.6, STEEL)
    canvas.body([(-22.4, 6.8), (-22.4, 25.4), (6.8, 25.4), (6.8, 6.8)], paint)
    canvas.box(-22.4, 24.2, 6.8, 25.4, paint.light)
    canvas.box(-22.4, 6.8, 6.8, 8.2, paint.dark)
    for x in (-22.4, 6.2):
        canvas.line([(x + 0.3, 6.8), (x + 0.3, 25.4)], 0.6, paint.dark)
    canvas.body(_CAB, paint)
    canvas.polygon([(12.6, 12.8), (12.6, 18.6), (16, 18.6), (18.9, 12.8)], GLASS)
    canvas.line([(11.6, 19), (11.6, 5.4)], 0.5, paint.dark)
    canvas.box(9.8, 4, 21.6, 5.4, paint.dark)
    for x in (-17, -8, 15.4):
        _wheel(canvas, x, 4.3)
    _lamps(canvas, LAMPS["truck"], (-22, 5.4), lit)


def _bike(canvas: Canvas, paint: Paint, lit: bool, variant: float) -> None:
    radius = 7.6
    for x in (-10.4, 10.4):
        canvas.ring(x, radius, radius, 1.5, TYRE)
        canvas.ring(x, radius, radius - 1.3, 0.5, RIM)
        for k in range(4):
            dx, dy = 6.2 * math.cos(k * math.pi / 4 + variant), 6.2 * math.sin(k * math.pi / 4 + variant)
            canvas.line([(x - dx, radius - dy), (x + dx, radius + dy)], 0.25, RIM)
    rear, crank, seat, head, front = (-10.4, 7.6), (-1.8, 7.2), (-4.6, 17), (7.2, 17.6), (10.4, 7.6)
    canvas.line([seat, (-5, 19.4)], 1.0, STEEL)
    canvas.line([head, (6.6, 20.6), (9.8, 21.6)], 1.2, TYRE)
    for start, end in ((rear, crank), (rear, seat), (seat, crank), (crank, head), (seat, head), (head, front)):
        dx, dy = end[0] - start[0], end[1] - start[1]
        across = (-dy / math.hypot(dx, dy) * 1.05, dx / math.hypot(dx, dy) * 1.05)
        canvas.body(
            [(start[0] + across[0], start[1] + across[1]), (end[0] + across[0], end[1] + across[1]),
             (end[0] - across[0], end[1] - across[1]), (start[0] - across[0], start[1] - across[1])], paint
        )  # fmt: skip
    for x, first, last in ((-10.4, 0.15, 0.85), (10.4, 0.3, 0.95)):  # mudguards
        outer = [(x + 9.2 * math.cos(t), 7.6 + 9.2 * math.sin(t)) for t in _arc(first, last)]
        inner = [(x + 7.6 * math.cos(t), 7.6 + 7.6 * math.sin(t)) for t in reversed(_arc(first, last))]
        canvas.body([*outer, *inner], paint)
    canvas.ellipse(*crank, 2.0, 2.0, STEEL)
    canvas.ellipse(-5.4, 19.8, 3.4, 1.1, TYRE)
    _lamps(canvas, LAMPS["bike"], (-18.6, 12), lit, 1.1)


def _arc(first: float, last: float, count: int = 9) -> list[float]:
    return [math.pi * (first + (last - first) * k / (count - 1)) for k in range(count)]


_BALL = _circle(0, 10, 10)


def _ball(canvas: Canvas, paint: Paint, lit: bool, variant: float) -> None:
    canvas.body(_BALL, paint)
    shade = [(10 * math.cos(t), 10 + 10 * math.sin(t)) for t in _arc(1.0, 2.0, 20)]
    canvas.polygon([*shade, (7, 6.4), (0, 4.4), (-7, 6.4)], (0, 0, 0), alpha=50)
    canvas.ellipse(3.2, 14.4, 2.8, 2.2, (255, 255, 255), alpha=130)


def _box(canvas: Canvas, paint: Paint, lit: bool, variant: float) -> None:
    canvas.body([(-11, 0), (-11, 18), (6, 18), (6, 0)], paint)
    canvas.polygon([(-11, 18), (-6.4, 22), (10.6, 22), (6, 18)], paint.light)
    canvas.polygon([(6, 0), (6, 18), (10.6, 22), (10.6, 4)], paint.dark)
    canvas.line([(-10.7, 0), (-10.7, 18)], 0.5, paint.dark)
    canvas.line([(-11, 0.3), (6, 0.3)], 0.6, paint.dark)


def _cone(canvas: Canvas, paint: Paint, lit: bool, variant: float) -> None:
    canvas.polygon([(-11, 0), (-11, 1.6), (11, 1.6), (11, 0)], paint.dark)
    canvas.body([(-9, 1.6), (-1, 22), (1, 22), (9, 1.6)], paint)
    canvas.polygon([(3.6, 1.6), (0.4, 22), (1, 22), (9, 1.6)], (0, 0, 0), alpha=54)
    canvas.polygon([(-5.8, 1.6), (-0.9, 21), (-0.3, 21), (-3.4, 1.6)], (255, 255, 255), alpha=70)


LAMPS: dict[str, tuple[float, float]] = {
    "car": (19.6, 10.2), "bus": (22.8, 8.4), "truck": (21, 8.2), "bike": (9.6, 18.4),
}  # fmt: skip
"""Where the headlight of each vehicle is, in its frame."""

EXHAUSTS: dict[str, tuple[float, float]] = {
    "car": (-21.5, 4.5), "bus": (-23.5, 4.5), "truck": (8.6, 25), "bike": (-13, 4), "ball": (-7, 14), "box": (-4, 21),
    "cone": (0, 22),
}  # fmt: skip
"""Where smoke rises from each figure."""

HALF_LENGTHS: dict[str, float] = {
    "car": 20.5, "bus": 23.4, "truck": 22.4, "bike": 19.0, "ball": 10.0, "box": 11.0, "cone": 11.0,
}  # fmt: skip
"""How far each figure reaches to either side of its origin."""

_FIGURES: dict[str, Callable[[Canvas, Paint, bool, float], None]] = {
    "bus": _bus, "truck": _truck, "bike": _bike, "ball": _ball, "box": _box, "cone": _cone,
}  # fmt: skip


def draw_figure(canvas: Canvas, name: str, paint: Paint, doors: int = 4, lit: bool = False, variant: float = 0.0) -> None:
    """Draw a vehicle or a shape, standing on the origin of `canvas` with its front towards positive x.

    Args:
        canvas: where; its units are those of the figure.
        name: car, bike, bus, truck, ball, box or cone.
        paint: colour and stripes.
        doors: 2 or 4, of a car.
        lit: whether its lamps are on.
        variant: 0 to 1, picks among builds of the same vehicle.
    """
    canvas.ellipse(0, 0, HALF_LENGTHS[name] * 1.02, 2.0, (0, 0, 0), alpha=80)
    if name == "car":
        _car(canvas, paint, doors, lit, variant)
    else:
        _FIGURES[name](canvas, paint, lit, variant)
