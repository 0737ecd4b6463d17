"""The background of the toy scenes: sky, houses, road, and what stands about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from .canvas import UNITS, Canvas, Colour, Dice, Paint, mixed
from .figures import STEEL, draw_figure

HORIZON = 40.0
KERB = 46.0
Sky = tuple[Colour, Colour]
Glow = tuple[float, float, float, Colour, float]
"""x, y, radius, colour and strength (0 to 1) of a light."""

_SKIES: tuple[Sky, ...] = (  # top and bottom of the sky by day
    ((92, 164, 226), (204, 230, 244)),
    ((120, 186, 232), (240, 236, 220)),
    ((128, 142, 202), (252, 208, 170)),
    ((158, 186, 204), (226, 232, 234)),
)
_WET_SKY: Sky = ((116, 126, 140), (184, 190, 196))
_NIGHT_SKIES: tuple[Sky, ...] = (((8, 12, 36), (36, 44, 88)), ((14, 10, 40), (66, 48, 88)))
_WALLS: tuple[Colour, ...] = (
    (198, 182, 160), (172, 126, 110), (132, 142, 154), (208, 196, 172), (146, 156, 152), (186, 164, 160),
    (116, 116, 128),
)  # fmt: skip


def draw_backdrop(width: int, dice: Mapping[str, Dice], night: bool, rain: bool) -> tuple[Canvas, list[Glow]]:
    """Draw a street without traffic.

    Args:
        width: width and height in pixels.
        dice: takes from "sky", "city" and "street".
        night: whether it is dark.
        rain: whether the sky is grey and the road wet.

    Returns:
        The canvas, dimmed by the light of the scene, and the lamps whose glow is still to be added.
    """
    ambient = _ambient(dice["sky"], night, rain)
    sky = dice["sky"].choice(_NIGHT_SKIES if night else (_WET_SKY,) if rain else _SKIES)
    canvas = Canvas(_sky(*sky, width), width / UNITS, ambient)
    _heavens(canvas, dice["sky"], sky, night, rain)
    _skyline(canvas, dice["city"], night)
    return canvas, _street(canvas, dice["street"], night, rain)


def _ambient(dice: Dice, night: bool, rain: bool) -> Colour:
    level = dice.between(0.85, 1.15)
    if night:
        return 0.36 * level, 0.39 * level, 0.58 * level
    level = min(level, 1.0) * (0.82 if rain else 1.0)
    return level, level, min(1.0, level * 1.02)


def _sky(top: Colour, bottom: Colour, width: int) -> Image.Image:
    horizon = int(HORIZON / UNITS * width)
    share = np.minimum(np.arange(width, dtype=np.float32) / horizon, 1.0)[:, None]
    column = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    strip = Image.fromarray(np.ascontiguousarray(column.astype(np.uint8)[:, None, :]))
    return strip.resize((width, width), Image.Resampling.NEAREST)


def _heavens(canvas: Canvas, dice: Dice, sky: Sky, night: bool, rain: bool) -> None:
    x, y, clear = dice.between(6, 58), dice.between(5, 13), dice.chance(0.6)
    spots = [(dice.between(0, 64), dice.between(1, 26), dice.between(0.5, 1.0)) for _ in range(14)]
    if night:
        if not rain:
            for star_x, star_y, brightness in spots:
                canvas.box(star_x, star_y, star_x + 0.5, star_y + 0.5, (235, 235, 255), int(220 * brightness), True)
        if clear and not rain:
            canvas.ellipse(x, y, 3.4, 3.4, (244, 238, 208), emits=True)
            canvas.ellipse(x + 1.6, y - 0.9, 2.9, 2.9, mixed(*sky, y / HORIZON), emits=True)
        return
    if clear and not rain:
        canvas.ellipse(x, y, 3.6, 3.6, (255, 240, 180), 235, True)
    for cloud_x, cloud_y, size in spots[:3]:
        shade = (196, 202, 210) if rain else (255, 255, 255)
        for dx, dy, radius in ((-4.5, 0.6, 2.4), (-1, -0.8, 3.4), (3.2, 0.2, 2.8), (6, 0.9, 1.9)):
            x, y = cloud_x + dx * size, cloud_y * 0.6 + 2 + dy * size
            canvas.ellipse(x, y, radius * 1.4 * size, radius * size, shade, 120)


def _skyline(canvas: Canvas, dice: Dice, night: bool) -> None:
    kind = dice.choice(("towers", "houses", "hills"))
    if kind == "hills":
        for green in ((112, 146, 104), (98, 134, 100), (124, 150, 104)):
            x, height = dice.between(-5, 69), dice.between(8, 15)
            canvas.ellipse(x, HORIZON + 4, dice.between(22, 36), height, green)
        x = dice.between(4, 40)
        for _ in range(2):
            _house(canvas, dice, x, 6.5, night)
            x += 14
        return
    x = dice.between(-6, 0)
    while x < UNITS:
        if kind == "houses":
            width = dice.between(11, 15)
            _house(canvas, dice, x, width, night)
            x += width + dice.between(0.5, 4)
        else:
            width = dice.between(9, 15)
            _tower(canvas, dice, x, width, night)
            x += width + dice.between(-0.5, 1.5)


def _window(dice: Dice, night: bool) -> tuple[Colour, bool]:
    light = dice.between(0, 1)
    if night and light < 0.42:
        return (255, 214, 130) if light < 0.3 else (214, 226, 236), True
    return ((74, 92, 110) if light < 0.7 else (110, 134, 152)), False


def _tower(canvas: Canvas, dice: Dice, x: float, width: float, night: bool) -> None:
    wall, top = dice.choice(_WALLS), HORIZON - dice.between(13, 32)
    canvas.box(x, top, x + width, HORIZON + 2, wall)
    canvas.box(x, top, x + width, top + 0.8, mixed(wall, (255, 255, 255), 0.25))
    canvas.box(x + width - 1.4, top, x + width, HORIZON + 2, mixed(wall, (0, 0, 0), 0.18))
    columns = int((width - 2) / 3.2)
    margin = (width - 1 - 3.2 * columns + 1.2) / 2
    look = [_window(dice, night) for _ in range(6)]  # six windows, repeated with a shift from floor to floor
    shift = 0
    y = top + 2.6
    while y < HORIZON - 3:
        for k in range(columns):
            colour, emits = look[(k + shift) % 6]
            left = x + margin + 3.2 * k
            canvas.box(left, y, left + 1.8, y + 2.2, colour, emits=emits)
        y += 4.2
        shift += 2 if shift % 4 else 3


def _house(canvas: Canvas, dice: Dice, x: float, width: float, night: bool) -> None:
    wall, height = dice.choice(_WALLS), dice.between(0.75, 1.0) * width
    top = HORIZON + 2 - height
    canvas.box(x, top, x + width, HORIZON + 2, wall)
    roof: Colour = dice.choice(((126, 84, 74), (96, 90, 96), (110, 92, 80)))
    canvas.polygon([(x - 1, top), (x + width / 2, top - 0.5 * width), (x + width + 1, top)], roof)
    for share in (0.2, 0.62):
        colour, emits = _window(dice, night)
        canvas.box(x + share * width, top + 2, x + (share + 0.2) * width, top + 2 + 0.24 * width, colour, emits=emits)
    door = mixed(wall, (40, 30, 30), 0.5)
    canvas.box(x + 0.43 * width, HORIZON + 2 - 0.42 * width, x + 0.58 * width, HORIZON + 2, door)


def _street(canvas: Canvas, dice: Dice, night: bool, rain: bool) -> list[Glow]:
    tone = dice.between(-12, 12)
    pavement: Colour = (176 + tone, 172 + tone, 166 + tone)
    road: Colour = (98 + tone, 98 + tone, 104 + tone)
    if rain:
        road = mixed(road, (46, 56, 72), 0.45)
        pavement = mixed(pavement, (96, 104, 116), 0.4)
    canvas.box(0, HORIZON + 1, UNITS, KERB, pavement)
    canvas.box(0, KERB - 0.8, UNITS, KERB + 0.5, mixed(pavement, (0, 0, 0), 0.3))
    canvas.box(0, KERB + 0.5, UNITS, UNITS, road)
    offset = dice.between(-12, 0)
    slab = offset
    while slab < UNITS:
        canvas.line([(slab, HORIZON + 1), (slab - 1.5, KERB - 0.8)], 0.3, mixed(pavement, (0, 0, 0), 0.16))
        slab += 6
    y = dice.between(59.5, 61)
    for k in range(6):
        canvas.polygon([(offset + 14 * k, y), (offset + 14 * k + 7, y), (offset + 14 * k + 6.6, y + 1.1),
                        (offset + 14 * k - 0.6, y + 1.1)], (222, 220, 206))  # fmt: skip

    if dice.chance(0.45):  # a hedge
        left, length = dice.between(-6, 50), dice.between(10, 26)
        canvas.box(left, 38.4, left + length, 42.4, (84, 122, 76))
        canvas.box(left, 38.4, left + length, 39.2, (108, 142, 90))
    if dice.chance(0.4):  # a grey car parked behind: no colour, hence never the main object
        grey, x = dice.between(118, 168), dice.between(8, 56)
        view = canvas.at(x, 46.2, 0.5, dice.chance(0.5))
        draw_figure(view, "car", Paint((grey, grey, grey + 4)), 4, False, dice.between(0, 1))
    if dice.chance(0.3):  # a bin
        x = dice.between(4, 58)
        canvas.box(x, 41, x + 3, 45, (96, 98, 100))
        canvas.box(x - 0.4, 40.3, x + 3.4, 41.2, (70, 72, 76))
    glows: list[Glow] = []
    if dice.chance(0.6):  # a street lamp
        x, arm = dice.between(5, 59), dice.choice((-5.0, 5.0))
        canvas.line([(x, 45), (x, 17), (x + arm, 16)], 0.8, STEEL)
        canvas.box(x + arm - 1.6, 15.6, x + arm + 1.6, 16.9, (255, 226, 158) if night else (190, 190, 186), emits=night)
        if night:
            glows.append((x + arm, 16.6, 6.0, (255, 206, 130), 0.6))
    return glows
