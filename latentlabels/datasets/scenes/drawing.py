"""Draws the toy scenes: one coloured vehicle or shape on a street, from a set of labels and a throw of dice.

A scene is 64 units wide and high, y growing downwards. It is drawn three times too large with PIL and scaled
down; lamps, smoke and camera noise are added to the small picture. All dice are thrown before the first line
is drawn, so two pictures from the same dice differ by their labels alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from .backdrop import draw_backdrop
from .canvas import UNITS, Canvas, Colour, Dice, Paint, mixed
from .figures import EXHAUSTS, HALF_LENGTHS, LAMP_ON, LAMPS, TAIL_ON, draw_figure

Floats = npt.NDArray[np.float32]

SUPERSAMPLE = 3

PAINTS: dict[str, Colour] = {
    "red": (214, 42, 40), "yellow": (246, 204, 40), "green": (44, 158, 70), "blue": (38, 98, 214),
    "purple": (146, 62, 186), "white": (242, 242, 240),
}  # fmt: skip
"""The paint of the main object, by label."""

_LEAVES: tuple[Colour, ...] = ((76, 140, 66), (98, 154, 62), (58, 118, 74), (134, 150, 58))

_OF_FIGURE = frozenset({*PAINTS, *HALF_LENGTHS, "2-doors", "4-doors", "striped"})
_SEEN = 16  # of 255: what a puff of smoke changes at its edge

_PARTS = ("sky", "city", "street", "figure", "tree", "smoke", "rain", "pole", "camera")
_THROWS = 160  # more than any part of a scene takes


@dataclass(frozen=True)
class Throw:
    """Everything about a scene that its labels leave open.

    Args:
        numbers: uniform on [0, 1), shape (parts, throws).
        noise: of the camera, standard normal, shape (size, size, 3).
    """

    numbers: npt.NDArray[np.float64]
    noise: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int = UNITS) -> Throw:
        """Throw the dice of one scene of `size` pixels."""
        return cls(rng.random((len(_PARTS), _THROWS)), rng.standard_normal((size, size, 3), dtype=np.float32))

    def dice(self) -> dict[str, Dice]:
        """Fresh dice for each part of the scene."""
        return {part: Dice(row) for part, row in zip(_PARTS, self.numbers.tolist(), strict=True)}


class Scene(NamedTuple):
    """A drawn scene.

    Attributes:
        pixels: RGB, shape (3, size, size).
        boxes: left, top, right and bottom of what shows a label, as shares of the picture. Night and rain are everywhere and
            have none, nor have headlights, whose light falls on several places.
    """

    pixels: npt.NDArray[np.uint8]
    boxes: Mapping[str, tuple[float, float, float, float]]


def draw_scene(present: Collection[str], throw: Throw) -> Scene:
    """Draw the scene that shows the given labels.

    Args:
        present: one colour of `PAINTS`; one vehicle (car, bike, bus, truck) or shape (ball, box, cone); for a car
            2-doors or 4-doors; and any of striped, headlights, smoke, night, rain, tree.
        throw: the dice of the scene and its size.
    """
    present = frozenset(present)
    size = throw.noise.shape[0]
    dice = throw.dice()
    night, rain = "night" in present, "rain" in present
    name = next(figure for figure in HALF_LENGTHS if figure in present)
    lit = "headlights" in present and name in LAMPS

    canvas, glows = draw_backdrop(SUPERSAMPLE * size, dice, night, rain)
    ambient = canvas.ambient
    figure = _Figure.of(name, dice["figure"])
    boxes = {}
    if "tree" in present:
        before = canvas.image.copy()
        _tree(canvas, dice["tree"], figure)
        boxes["tree"] = _changed(before, canvas.image)

    # street lamps light the object more than the houses behind it
    near = (ambient[0] * 1.62, ambient[1] * 1.5, ambient[2] * 1.2) if night else ambient
    view = canvas.at(figure.x, figure.ground, figure.scale, figure.mirrored, near)
    paint = _paint(present, dice["figure"])
    if lit and night:
        x, y = LAMPS[name]
        view.polygon([(x, y), (x + 60, y + 5), (x + 60, -9), (x + 8, -4)], LAMP_ON, alpha=46, emits=True)
    before = canvas.image.copy()
    draw_figure(view, name, paint, 2 if "2-doors" in present else 4, lit, dice["figure"].between(0, 1))
    box = _changed(before, canvas.image)
    boxes |= {label: box for label in present if label in _OF_FIGURE}
    _pole(canvas, dice["pole"], figure)
    if rain:
        _mirror(canvas.image, figure)
        _rain(canvas, dice["rain"], night)

    pixels = np.array(canvas.image.reduce(SUPERSAMPLE), dtype=np.float32)
    for x, y, radius, colour, strength in glows:
        _glow(pixels, x, y, radius, colour, strength)
    if lit:
        x, y = figure.at(*LAMPS[name])
        _glow(pixels, x, y, 7.0 if night else 4.2, LAMP_ON, 0.75)
        x, y = figure.at(-HALF_LENGTHS[name], 9)
        _glow(pixels, x, y, 4.0 if night else 2.4, TAIL_ON, 0.55)
    if "smoke" in present:
        clear = pixels.copy()
        _smoke(pixels, dice["smoke"], figure, name, ambient)
        seen = np.abs(pixels - clear).max(-1) > _SEEN
        boxes["smoke"] = _changed(Image.new("L", seen.shape), Image.fromarray(np.uint8(255) * seen))
    return Scene(_photograph(pixels, dice["camera"], throw.noise), boxes)


def _changed(before: Image.Image, after: Image.Image) -> tuple[float, float, float, float]:
    """The box around what was drawn, as shares of the picture; the whole picture where nothing was."""
    left, top, right, bottom = ImageChops.difference(before, after).getbbox() or (0, 0, *after.size)
    return left / after.width, top / after.height, right / after.width, bottom / after.height


@dataclass(frozen=True)
class _Figure:
    """Where the main object stands, in units of the scene."""

    x: float
    ground: float
    scale: float
    mirrored: bool
    half_length: float

    @classmethod
    def of(cls, name: str, dice: Dice) -> _Figure:
        scale = dice.between(0.88, 1.14)
        reach = HALF_LENGTHS[name] * scale
        room = max(0.0, 30.0 - reach)
        return cls(32 + dice.between(-room, room), dice.between(50.5, 56.5), scale, dice.chance(0.5), reach)

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.x + x * self.scale * (-1 if self.mirrored else 1), self.ground - y * self.scale


def _paint(present: Collection[str], dice: Dice) -> Paint:
    colour = next(colour for colour in PAINTS if colour in present)
    light = dice.between(0.9, 1.05)
    red, green, blue = (min(255.0, channel * light + dice.between(-11, 11)) for channel in PAINTS[colour])
    width, slant = dice.between(2.2, 3.2), dice.choice((-1, 0, 1))
    if "striped" not in present:
        return Paint((red, green, blue))
    stripe = (52, 50, 58) if colour in ("white", "yellow") else (246, 244, 238)
    return Paint((red, green, blue), stripe, width, slant)


def _tree(canvas: Canvas, dice: Dice, figure: _Figure) -> None:
    # a place where the crown is not hidden: beside a small figure, above a long one
    x = figure.x + dice.choice((-1, 1)) * min(max(figure.half_length * 0.9, 12.0), 22.0) + dice.between(-3, 3)
    x = min(max(x, 6.0), 58.0)
    leaves, height = dice.choice(_LEAVES), dice.between(0.92, 1.12)
    view = canvas.at(x, 44.5, height)
    dark, bright = mixed(leaves, (0, 20, 0), 0.35), mixed(leaves, (240, 255, 160), 0.22)
    view.ellipse(0, 0, 5, 1, (0, 0, 0), alpha=60)
    if dice.chance(0.35):
        view.box(-1.1, 0, 1.1, 7, (98, 70, 50))
        for bottom, top, half in ((5, 19, 8.5), (12, 26, 7), (19, 33, 5)):
            view.polygon([(-half, bottom), (0, top), (half, bottom)], dark)
            view.polygon([(-half + 1, bottom + 0.8), (0, top), (half * 0.25, bottom + 0.8)], leaves)
        return
    view.polygon([(-1.5, 0), (-0.8, 14), (0.8, 14), (1.5, 0)], (104, 74, 52))
    for dx, y, radius in ((-4.4, 18, 5.6), (4.4, 18.4, 5.4), (0, 22, 7.2), (0, 16.6, 5)):
        view.ellipse(dx + 0.5, y - 0.9, radius + 0.3, radius + 0.3, dark)
    for dx, y, radius in ((-4.2, 18.8, 5), (4, 19.2, 4.7), (0, 23, 6.2)):
        view.ellipse(dx, y, radius, radius, leaves)
    for dx, y, radius in ((-4.8, 20.4, 2.2), (-0.6, 25.4, 3), (3.6, 21, 1.9)):
        view.ellipse(dx, y, radius, radius, bright)


def _pole(canvas: Canvas, dice: Dice, figure: _Figure) -> None:
    x = figure.x + dice.between(-0.9, 0.9) * figure.half_length
    grey, foot = dice.between(70, 120), min(figure.ground + dice.between(2.5, 5), 63)
    if dice.chance(0.2):
        canvas.box(x - 1.0, -1, x + 1.0, foot, (grey, grey, grey + 4))
        canvas.box(x - 1.0, -1, x - 0.4, foot, (grey + 40, grey + 40, grey + 44))
        canvas.box(x - 1.7, foot - 2, x + 1.7, foot, (grey - 14, grey - 14, grey - 10))


def _mirror(picture: Image.Image, figure: _Figure) -> None:
    """Reflect what stands on the wet road in it."""
    width = picture.width
    ground = round((figure.ground + 0.6) * width / UNITS)
    height = picture.height - ground
    above = picture.crop((0, ground - height, width, ground)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    picture.paste(Image.blend(picture.crop((0, ground, width, ground + height)), above, 0.3), (0, ground))


def _rain(canvas: Canvas, dice: Dice, night: bool) -> None:
    slope = dice.between(-2.4, 2.4)
    alpha = 112 if night else 136
    for _ in range(46):
        x, y = dice.between(-2, 66), dice.between(-4, 62)
        length = dice.between(0.75, 1.2)
        canvas.line([(x, y), (x + slope * length, y + 6.4 * length)], 0.45, (214, 224, 238), alpha, emits=True)


@lru_cache(maxsize=8)
def _axis(size: int) -> Floats:
    return ((np.arange(size, dtype=np.float32) + 0.5) * (UNITS / size)).astype(np.float32)


def _bell(size: int, x: float, y: float, radius: float) -> Floats:
    """exp(-distance^2 / radius^2), shape (size, size, 1)."""
    axis = _axis(size)
    bell: Floats = np.multiply.outer(np.exp(-(((axis - y) / radius) ** 2)), np.exp(-(((axis - x) / radius) ** 2)))
    return bell[:, :, None]


def _glow(pixels: Floats, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
    # "screen" blending: light adds up, but never beyond white
    share = strength * _bell(pixels.shape[0], x, y, radius)
    pixels += share * np.asarray(colour, np.float32) * (1 - pixels / 255)


def _smoke(pixels: Floats, dice: Dice, figure: _Figure, name: str, ambient: Colour) -> None:
    x, y = figure.at(*EXHAUSTS[name])
    x = min(max(x, 7.0), 57.0)
    drift = (1 if figure.mirrored else -1) * dice.between(-1.2, 1.0)
    size, brightness = pixels.shape[0], 0.66 + 0.34 * ambient[0]
    tone = dice.between(48, 72)
    for k in range(6):
        radius = 2.4 + 0.6 * k + dice.between(-0.3, 0.4)
        puff_x, puff_y = x + drift * k + dice.between(-1, 1), y - 0.4 - 4.0 * k + dice.between(-0.8, 0.8)
        thick = 0.9 - 0.09 * k
        # a dark puff with a bright crown: one of them stands out from any background
        for dx, dy, share, shade in ((0.0, 0.0, 1.0, tone + 6 * k), (-0.25, -0.3, 0.56, tone + 92)):
            bell = _bell(size, puff_x + dx * radius, puff_y + dy * radius, radius * share)
            pixels += np.minimum(1.9 * bell, 1.0) * thick * (shade * brightness - pixels)


def _photograph(pixels: Floats, dice: Dice, noise: Floats) -> npt.NDArray[np.uint8]:
    """Exposure, colour cast and noise of the camera; returns (3, size, size)."""
    exposure, contrast = dice.between(0.93, 1.07), dice.between(0.9, 1.06)
    cast = np.asarray([dice.between(-5, 5) for _ in range(3)], np.float32)
    exposed = (pixels - 110) * np.float32(contrast) + (cast + np.float32(110 * exposure))
    exposed += np.float32(dice.between(1.5, 6.5)) * noise
    return np.ascontiguousarray(np.clip(exposed, 0, 255).astype(np.uint8).transpose(2, 0, 1))
