"""Where a picture is drawn: a figure of its own or a given place, measured in inches from its top left corner."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, TransformedBbox

from ..colours import GREY, TRACK
from .lettering import Lettering, lettering

SIZE = 9.0  # points of a letter

Target = Axes | Figure | None
"""Where to draw: axes, a figure of nobody's that is sized to fit, or None for a new figure of pyplot's."""

Key = tuple[str, str, str]
"""A mark as a letter, its colour, and what it means."""


class _Place:
    """The place of a picture's axes. Letters get their size whenever it is worked out: layouts and windows change it later.

    It is the axes' locator, which matplotlib asks before it measures and before it draws them.
    """

    def __init__(self, ax: Axes, width: float, height: float):
        self.ax, self.width, self.height = ax, width, height
        self.before = ax.get_axes_locator()
        self.scale = 1.0
        self.sized: list[tuple[Callable[[float], None], float]] = []

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        box: Bbox = ax.get_position(original=True) if self.before is None else self.before(ax, renderer)
        room, dpi = TransformedBbox(box, ax.figure.transSubfigure), ax.figure.dpi
        scale = min(1.0, max(room.width / dpi / self.width, 0.01), max(room.height / dpi / self.height, 0.01))
        if not math.isclose(scale, self.scale, rel_tol=1e-3):
            self.scale = scale
            for set_size, size in self.sized:
                set_size(size * scale)
        return box

    def get_subplotspec(self) -> Any:
        """For `Figure.tight_layout`, which asks the locator for it if there is one."""
        return self.ax.get_subplotspec()

    def add(self, set_size: Callable[[float], None], size: float) -> None:
        self.sized.append((set_size, size))
        set_size(size * self.scale)


class Canvas:
    """A surface of a picture's natural size, shrunk with its letters where the place is smaller.

    Args:
        target: where to draw.
        width: natural width in inches.
        height: natural height in inches.

    Attributes:
        ax: the axes that hold all others; without frame and ticks.
        width, height: of the place, in inches before they are shrunk.
    """

    def __init__(self, target: Target, width: float, height: float):
        self.ax = target if isinstance(target, Axes) else new_axes(target, width, height, whole=True)
        room = room_of(self.ax)
        scale = min(1.0, room[0] / width, room[1] / height)
        self.width, self.height = room[0] / scale, room[1] / scale
        self._place = _Place(self.ax, self.width, self.height)
        self.ax.set_axes_locator(self._place)
        self.ax.set_axis_off()

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes at a place, in inches from the top left corner."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        ax = self.ax.inset_axes(box)
        ax.set_in_layout(False)  # all lies within the place: a layout that counted letters twice would shrink it to nothing
        return ax

    def rows(self, left: float, top: float, width: float, height: float, number: int) -> Axes:
        """Axes without a frame for `number` lines at y = 0, 1, ..., the first one at the top."""
        ax = self.axes(left, top, width, height)
        ax.set_ylim(number - 0.5, -0.5)
        ax.set_axis_off()
        return ax

    def picture(self, image: npt.NDArray[Any], left: float, top: float, side: float, anchor: str = "N") -> Axes:
        """An image as large as a square lets it be, at the square's top, or at its bottom, "S"."""
        ax = self.axes(left, top, side, side)
        ax.set_anchor(anchor)
        ax.imshow(image)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        return ax

    def text(
        self, left: float, top: float, text: str, size: float = SIZE, letters: Lettering | None = None, **how: Any
    ) -> None:
        """A line of text whose upper left corner is at a place."""
        at = (left / self.width, 1 - top / self.height)
        families = {} if letters is None else {"family": list(letters.families)}
        line = self.ax.text(*at, text, transform=self.ax.transAxes, parse_math=False, **{"va": "top", **families, **how})
        line.set_in_layout(False)
        self._place.add(line.set_fontsize, size)

    def write(self, ax: Axes, x: float, y: float, text: str, letters: Lettering, size: float = SIZE, **how: Any) -> None:
        """Text in `ax` as it is, "$" included, in fonts that have its characters, its middle at height y."""
        families = list(letters.families)
        line = ax.text(x, y, text, parse_math=False, **{"family": families, "va": "center_baseline", **how})
        self._place.add(line.set_fontsize, size)

    def dots(self, ax: Axes, x: npt.ArrayLike, y: npt.ArrayLike, size: float, **how: Any) -> None:
        """Marks of `size` points."""
        (line,) = ax.plot(np.asarray(x), np.asarray(y), **{"marker": "o", "linestyle": "", "clip_on": False, **how})
        self._place.add(line.set_markersize, size)

    def key(self, entries: Iterable[Key], left: float, top: float, size: float = SIZE) -> None:
        """What marks and colours mean, in one line."""
        plain = lettering(())
        for mark, colour, text in entries:
            self.text(left, top, mark, size, color=colour)
            left += plain.width([mark], size) + 0.06
            self.text(left, top, text, size)
            left += plain.width([text], size) + 0.2

    def ruler(self, ax: Axes, left: float, top: float, width: float, ticks: Mapping[float, str], name: str) -> None:
        """Lines through `ax` at values of x; below it, at a place as wide as it, the values and what they are."""
        low, high = ax.get_xlim()
        for tick, text in ticks.items():
            ax.axvline(tick, color=TRACK, linewidth=0.8, zorder=0)
            self.text(left + (tick - low) / (high - low) * width, top + 0.04, text, SIZE - 1, ha="center", color=GREY)
        self.text(left + width / 2, top + 0.2, name, ha="center")


def panels(target: Target, width: float, height: float, shares: Sequence[float]) -> tuple[Axes, list[Axes]]:
    """Ordinary axes below each other that share their x axis.

    Args:
        target: where to draw.
        width: of a new figure, in inches.
        height: of a new figure, in inches.
        shares: the relative heights.

    Returns:
        The axes to return to a user, which hold the others where there are several, and those from top to bottom.
    """
    outer = target if isinstance(target, Axes) else new_axes(target, width, height)
    if len(shares) == 1:
        plain(outer)
        return outer, [outer]
    outer.set_axis_off()
    gap = 0.04
    unit = (1 - gap * (len(shares) - 1)) / sum(shares)
    found: list[Axes] = []
    top = 1.0
    for share in shares:
        shared: dict[str, Any] = {"sharex": found[0]} if found else {}
        found.append(outer.inset_axes((0.0, top - share * unit, 1.0, share * unit), **shared))
        top -= share * unit + gap
        plain(found[-1])
    for ax in found[:-1]:
        ax.tick_params(labelbottom=False)
    return outer, found


def shrink(parts: Iterable[Axes], width: float, height: float) -> None:
    """Smaller letters of ordinary axes, the first of which hold the others, where the place is smaller than this, in inches."""
    parts = list(parts)
    room = room_of(parts[0])
    margin = 0.8  # of a figure's width and height are the axes', the rest is for names
    scale = max(0.7, min(1.0, room[0] / (margin * width), room[1] / (margin * height)))
    for ax in parts if scale < 1 else ():
        legend = ax.get_legend()
        for text in [ax.title, ax.xaxis.label, ax.yaxis.label, *([] if legend is None else legend.get_texts())]:
            text.set_fontsize(float(text.get_fontsize()) * scale)
        ax.tick_params(which="both", labelsize=10 * scale)


def new_axes(target: Figure | None, width: float, height: float, whole: bool = False) -> Axes:
    """Axes of a new figure, or of one that is sized to fit; they fill it if `whole`."""
    if target is None:
        from matplotlib import pyplot  # chooses a way to show windows: only where a user wants a figure of pyplot's

        target = pyplot.figure()
    target.set_size_inches(width, height)
    if whole:
        return target.add_axes((0.0, 0.0, 1.0, 1.0))
    target.set_layout_engine("constrained")
    return target.add_subplot()


def room_of(ax: Axes) -> tuple[float, float]:
    """Width and height of axes in inches."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    return max(box.width / dpi, 0.1), max(box.height / dpi, 0.1)


def message(target: Target, text: str) -> Axes:
    """Words where there is nothing to draw."""
    width = lettering(()).width([text], 10)
    canvas = Canvas(target, max(4.6, width + 0.4), 1.2)
    canvas.text(canvas.width / 2, canvas.height / 2, text, 10, ha="center", va="center", color=GREY)
    return canvas.ax


def plain(ax: Axes) -> None:
    """Axes without the frame's upper and right side, grids behind what is drawn."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
