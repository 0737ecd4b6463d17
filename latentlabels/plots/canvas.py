"""Where a picture is drawn: a figure of its own or a given place, measured in inches from its top left corner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .lettering import Lettering

# Okabe and Ito's colours, told apart by the colour-blind
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B7278"
PALE, TRACK = "#9AA3AD", "#ECEEF1"
SIZE = 9.0  # points of a letter

Target = Axes | Figure | None
"""Where to draw: axes, a figure of nobody's that is sized to fit, or None for a new figure of pyplot's."""


class Canvas:
    """A surface of a picture's natural size, shrunk with its letters where the place is smaller.

    Args:
        target: where to draw.
        width: natural width in inches.
        height: natural height in inches.

    Attributes:
        ax: the axes that hold all others; without frame and ticks.
        scale: of lengths and letters, at most 1.
        width, height: of the place, in inches before they are scaled.
    """

    def __init__(self, target: Target, width: float, height: float):
        self.ax = target if isinstance(target, Axes) else new_axes(target, width, height, whole=True)
        room = room_of(self.ax)
        self.scale = min(1.0, room[0] / width, room[1] / height)
        self.width, self.height = room[0] / self.scale, room[1] / self.scale
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

    def text(self, left: float, top: float, text: str, size: float = SIZE, **how: Any) -> None:
        """A line of text whose upper left corner is at a place."""
        at = (left / self.width, 1 - top / self.height)
        size = size * self.scale
        line = self.ax.text(*at, text, size=size, transform=self.ax.transAxes, va="top", parse_math=False, **how)
        line.set_in_layout(False)

    def write(self, ax: Axes, x: float, y: float, text: str, letters: Lettering, size: float = SIZE, **how: Any) -> None:
        """Text in `ax` as it is, "$" included, in fonts that have its characters, its middle at height y."""
        families = list(letters.families)
        ax.text(x, y, text, size=size * self.scale, family=families, va="center_baseline", parse_math=False, **how)

    def legend(self, handles: Sequence[Any], names: Sequence[str], top: float = 0.0) -> None:
        """What the colours mean, in one line at the left."""
        legend = self.ax.legend(
            handles, names, loc="upper left", bbox_to_anchor=(0.0, 1 - top / self.height), ncols=len(names), frameon=False,
            fontsize=SIZE * self.scale, borderaxespad=0.0, borderpad=0.2, columnspacing=1.4, handlelength=1.4,
        )  # fmt: skip
        legend.set_in_layout(False)


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
    box, dpi = ax.get_window_extent(), ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return max(box.width / dpi, 0.1), max(box.height / dpi, 0.1)


def message(target: Target, text: str) -> Axes:
    """Words where there is nothing to draw."""
    canvas = Canvas(target, 4.6, 1.2)
    canvas.ax.text(0.5, 0.5, text, ha="center", va="center", color=GREY, size=10 * canvas.scale, transform=canvas.ax.transAxes)
    return canvas.ax


def plain(ax: Axes) -> None:
    """Axes without the frame's upper and right side, grids behind what is drawn."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
