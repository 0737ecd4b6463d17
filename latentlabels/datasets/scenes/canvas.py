"""What the toy scenes are drawn with: dice, paint, and a canvas that moves, scales, mirrors and dims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from PIL import Image, ImageChops, ImageDraw

T = TypeVar("T")
Colour = tuple[float, float, float]
Points = Sequence[tuple[float, float]]

UNITS = 64
"""Width and height of every scene in its own units, whatever the number of pixels."""


class Dice:
    """Numbers thrown in advance for one part of a scene, taken one after another.

    Args:
        numbers: uniform on [0, 1).
    """

    def __init__(self, numbers: Sequence[float]):
        self._numbers = numbers
        self._next = 0

    def between(self, low: float, high: float) -> float:
        """A number between two bounds."""
        number = self._numbers[self._next]
        self._next += 1
        return low + (high - low) * number

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.between(0, 1) < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self.between(0, len(options)))]


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """Return `colour` with a share (0 to 1) of `other` in it."""
    return (
        colour[0] + (other[0] - colour[0]) * share,
        colour[1] + (other[1] - colour[1]) * share,
        colour[2] + (other[2] - colour[2]) * share,
    )


@dataclass(frozen=True)
class Paint:
    """What a figure is painted with: its colour and, if striped, the stripes' colour, width and direction."""

    base: Colour
    stripe: Colour | None = None
    stripe_width: float = 2.6
    slant: int = 1

    @property
    def light(self) -> Colour:
        """The colour of faces that look up."""
        return mixed(self.base, (255, 255, 255), 0.3)

    @property
    def dark(self) -> Colour:
        """The colour of faces in the shade, and of lines."""
        return mixed(self.base, (0, 0, 0), 0.34)


@lru_cache(maxsize=64)
def _stripe_pattern(size: int, width: int, slant: int) -> Image.Image:
    # one mask per width and direction serves every figure, cut where it is needed
    pattern = Image.new("L", (size, size))
    draw = ImageDraw.Draw(pattern)
    for start in range(-2 * size, 2 * size, 2 * width):
        end = start + slant * size
        draw.polygon([(start, 0), (start + width, 0), (end + width, size), (end, size)], 255)
    return pattern


class Canvas:
    """A picture to draw on, in coordinates of its own.

    Args:
        image: the RGB picture, changed in place.
        scale: pixels a unit.
        ambient: by how much each colour channel is dimmed where nothing emits light (0 to 1).
    """

    def __init__(self, image: Image.Image, scale: float, ambient: Colour = (1.0, 1.0, 1.0)):
        self.image = image
        self.ambient = ambient
        self._opaque, self._blended = ImageDraw.Draw(image), ImageDraw.Draw(image, "RGBA")  # the latter is slower
        self._x, self._y, self._dx, self._dy = 0.0, 0.0, scale, scale

    def at(self, x: float, y: float, scale: float = 1.0, mirrored: bool = False, ambient: Colour | None = None) -> Canvas:
        """Return the same picture with the origin at (x, y) and the y axis pointing up."""
        view = object.__new__(Canvas)
        view.image, view.ambient = self.image, ambient or self.ambient
        view._opaque, view._blended = self._opaque, self._blended
        view._x, view._y = self._x + x * self._dx, self._y + y * self._dy
        view._dx, view._dy = self._dx * scale * (-1 if mirrored else 1), -self._dy * scale
        return view

    def _with(self, colour: Colour, alpha: int, emits: bool) -> tuple[ImageDraw.ImageDraw, tuple[int, ...]]:
        """What to draw with, and its ink."""
        red, green, blue = (1.0, 1.0, 1.0) if emits else self.ambient
        ink = (int(colour[0] * red), int(colour[1] * green), int(colour[2] * blue))
        return (self._opaque, ink) if alpha == 255 else (self._blended, (*ink, alpha))

    def _span(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        # written out, as half of all time would go into calls of min, max and place
        left, right = self._x + x0 * self._dx, self._x + x1 * self._dx
        top, bottom = self._y + y0 * self._dy, self._y + y1 * self._dy
        if left > right:
            left, right = right, left
        if top > bottom:
            top, bottom = bottom, top
        return left, top, right, bottom

    def _pixels(self, points: Points) -> list[tuple[float, float]]:
        left, top, dx, dy = self._x, self._y, self._dx, self._dy
        return [(left + x * dx, top + y * dy) for x, y in points]

    def polygon(self, points: Points, colour: Colour, alpha: int = 255, emits: bool = False) -> None:
        """Fill a polygon."""
        draw, ink = self._with(colour, alpha, emits)
        draw.polygon(self._pixels(points), ink)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, alpha: int = 255, emits: bool = False) -> None:
        """Fill the rectangle between two corners."""
        draw, ink = self._with(colour, alpha, emits)
        draw.rectangle(self._span(x0, y0, x1, y1), ink)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: int = 255, emits: bool = False) -> None:
        """Fill an ellipse of centre (x, y) and the given radii."""
        draw, ink = self._with(colour, alpha, emits)
        draw.ellipse(self._span(x - rx, y - ry, x + rx, y + ry), ink)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle as a line of the given width, inside the radius."""
        thickness = max(1, round(width * abs(self._dx)))
        span = self._span(x - radius, y - radius, x + radius, y + radius)
        draw, ink = self._with(colour, 255, False)
        draw.ellipse(span, outline=ink, width=thickness)

    def line(self, points: Points, width: float, colour: Colour, alpha: int = 255, emits: bool = False) -> None:
        """Draw a line through the points."""
        thickness = max(1, round(width * abs(self._dx)))
        draw, ink = self._with(colour, alpha, emits)
        draw.line(self._pixels(points), ink, thickness)

    def body(self, points: Points, paint: Paint) -> None:
        """Fill a polygon with paint, stripes included."""
        self.polygon(points, paint.base)
        if paint.stripe is not None:
            self._stripes(self._pixels(points), paint)

    def _stripes(self, pixels: list[tuple[float, float]], paint: Paint) -> None:
        left, top = math.floor(min(x for x, _ in pixels)), math.floor(min(y for _, y in pixels))
        width = math.ceil(max(x for x, _ in pixels)) - left + 1
        height = math.ceil(max(y for _, y in pixels)) - top + 1
        mask = Image.new("L", (width, height))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in pixels], 255)
        thickness = max(2, round(paint.stripe_width * abs(self._dx)))
        size = 2 ** math.ceil(math.log2(max(width, height)))
        pattern = _stripe_pattern(size, thickness, paint.slant).crop((0, 0, width, height))
        assert paint.stripe is not None
        self.image.paste(self._with(paint.stripe, 255, False)[1], (left, top), ImageChops.multiply(mask, pattern))
