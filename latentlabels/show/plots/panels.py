"""Label probabilities of images as panels of bars, measured before they are drawn so that no text overlaps or is cut off.

Lengths are in inches, sizes of letters in points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from ...space import LabelSpace
from ...words import count, percent
from ..colours import BLUE, GREEN, GREY, PALE, TRACK, VERMILION
from ..top_labels import Outcome, foremost
from .lettering import Lettering, lettering
from .surface import Canvas, Key, Target, room_of

_GAP = 0.07  # between a name, a bar and a number
_DOT = 0.14  # room for the dot of a label that is truly present
_PAGE = 11.0  # width that several panels may take
BARS = "probability that the label is present"

Array = npt.NDArray[np.float64]


class Style(NamedTuple):
    """Measures of one image's panel."""

    size: float
    pitch: float
    bars: float
    picture: float


class Line(NamedTuple):
    """A bar with what stands beside it, or a heading or remark, whose probability is None."""

    text: str
    probability: float | None = None
    said: str = ""
    colour: str = GREY
    slant: str = "normal"
    true: bool = False


def sheet(
    target: Target,
    rows: Array,
    space: LabelSpace,
    pictures: Sequence[npt.NDArray[Any]] | None,
    observed: Array | None,
    truth: Array | None,
    limit: int,
    style: Style,
    notes: Sequence[str] = (),
) -> Axes:
    """A grid of panels, one for each of the (N, K) rows, beside its picture; notes stand below."""
    letters = lettering([*space.labels, *(group.name for group in space.groups)])
    panels = [
        _lines(p, space, None if observed is None else observed[i], None if truth is None else truth[i], limit, letters)
        for i, p in enumerate(rows)
    ]
    true = [("●", GREEN, "truly present")] if truth is not None else []
    return grid(target, panels, pictures, letters, style, [("■", BLUE, BARS), *true], notes)


def grid(
    target: Target,
    panels: Sequence[Sequence[Line]],
    pictures: Sequence[npt.NDArray[Any]] | None,
    letters: Lettering,
    style: Style,
    key: Sequence[Key],
    notes: Sequence[str] = (),
) -> Axes:
    """Panels of bars, each beside its picture; what marks mean and notes stand below."""
    dotted = any(mark == "●" for mark, *_ in key)
    bars = [line for lines in panels for line in lines if line.probability is not None]
    names = letters.width((line.text for line in bars), style.size) + _GAP + dotted * _DOT
    numbers = letters.width((line.said for line in bars), style.size) + _GAP
    others = letters.width((line.text for lines in panels for line in lines if line.probability is None), style.size)
    picture = 0.0 if pictures is None else style.picture + 0.15
    cell = picture + max(names + style.bars + numbers, others) + 0.3
    below = [letters.width(notes, style.size), sum(letters.width([f"●{text}"], style.size) + 0.26 for *_, text in key)]
    across = _across(target, cell, [style.pitch * len(lines) + 0.3 for lines in panels])
    parts = [panels[i : i + across] for i in range(0, len(panels), across)]
    heights = [max(style.pitch * max(map(len, part)) + 0.3, picture + 0.15) for part in parts]
    width = max(cell * across, max(below) + 0.3)
    height = sum(heights) + 0.2 * (len(notes) + 1) + 0.05
    canvas = Canvas(target, width, height)
    for i, lines in enumerate(panels):
        left, top = 0.15 + cell * (i % across), 0.15 + sum(heights[: i // across])
        if pictures is not None:
            canvas.picture(pictures[i], left, top, style.picture)
        ax = canvas.rows(left + picture + names, top, style.bars, style.pitch * len(lines), len(lines))
        _draw(canvas, ax, lines, letters, style, names, _GAP + dotted * _DOT)
    canvas.key(key, 0.15, sum(heights), style.size)
    for number, text in enumerate(notes, 1):
        canvas.text(0.15, sum(heights) + 0.2 * number, text, style.size, color=GREY)
    return canvas.ax


def _across(target: Target, cell: float, heights: Sequence[float]) -> int:
    """How many panels stand side by side: up to three on a page, or what lets a given place show them largest."""
    most = min(len(heights), 3)
    if not isinstance(target, Axes):
        return max(1, min(most, int(_PAGE / cell)))
    wide, tall = room_of(target)
    pages = {n: (n * cell, sum(max(heights[i : i + n]) for i in range(0, len(heights), n))) for n in range(1, most + 1)}
    return max(pages, key=lambda n: min(1.0, wide / pages[n][0], tall / pages[n][1]))


def _draw(canvas: Canvas, ax: Axes, lines: Sequence[Line], letters: Lettering, style: Style, names: float, edge: float) -> None:
    inch = 1 / style.bars  # of the axis of probabilities
    ax.set_xlim(0, 1)
    bars = [(y, line, line.probability) for y, line in enumerate(lines) if line.probability is not None]
    known = [(y, line.colour, p) for y, line, p in bars if math.isfinite(p)]
    ax.barh([y for y, *_ in bars], 1.0, height=0.7, color=TRACK, label="track")
    ax.barh([y for y, *_ in known], [p for *_, p in known], height=0.7, color=[c for _, c, _ in known], label="probability")
    true = [y for y, line, _ in bars if line.true]
    canvas.dots(ax, [-_DOT * inch] * len(true), true, 0.55 * style.size, color=GREEN, label="truth")
    for y, line in enumerate(lines):
        if line.probability is None:
            canvas.write(ax, -names * inch, y, line.text, letters, style.size, color=line.colour)
        else:
            canvas.write(ax, -edge * inch, y, line.text, letters, style.size, ha="right", style=line.slant)
            canvas.write(ax, 1 + _GAP * inch, y, line.said, letters, style.size)


def _lines(
    p: Array, space: LabelSpace, observed: Array | None, truth: Array | None, limit: int, letters: Lettering
) -> list[Line]:
    """The lines of one image, under a heading for each group."""
    found = foremost(p, space, observed, truth, limit)
    lines: list[Line] = []
    above = ""
    for o in found.shown:
        heading = _heading(o, letters)
        if heading != above:
            above = heading
            lines.append(Line(heading))
        lines.append(_bar(o, letters))
    if found.silent:
        lines.append(Line(f"{len(found.silent)} groups do not apply, each above {100 * min(found.silent_above, 0.99):.0f} %"))
    if found.num_left_out:
        bound = f", each below {100 * found.below:.0f} %" if found.below is not None else ""
        lines.append(Line(f"{count(found.num_left_out, 'label')} left out{bound}"))
    return lines


def _heading(o: Outcome, letters: Lettering) -> str:
    needs = "" if o.requires is None else f"(requires {letters.fit(o.requires)})"
    return f"{letters.fit(o.group)} {needs}".strip()


def _bar(o: Outcome, letters: Lettering) -> Line:
    if o.column is None:
        return Line(o.text, o.probability, percent(o.probability), PALE, "italic")
    said = percent(o.probability) + {1: "  known", 0: "  known absent"}.get(o.known, "")
    colour = {1: VERMILION, 0: GREY}.get(o.known, BLUE)
    return Line(letters.fit(o.text, o.column), o.probability, said, colour, true=o.true)
