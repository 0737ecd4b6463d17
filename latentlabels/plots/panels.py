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
from matplotlib.figure import Figure

from .labels import Free, Group, LabelSpace, OneOf
from .lettering import Lettering, count, lettering, percent

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B7278"
PALE, TRACK = "#9AA3AD", "#ECEEF1"
_GAP = 0.07  # between a name, a bar and a number
_DOT = 0.14  # room for the dot of a label that is truly present

Array = npt.NDArray[np.float64]


class Style(NamedTuple):
    """Measures of one image's panel."""

    size: float
    pitch: float
    bars: float
    picture: float


class _Line(NamedTuple):
    """A bar with what stands beside it, or a heading or remark, whose probability is None."""

    text: str
    probability: float | None = None
    said: str = ""
    colour: str = GREY
    slant: str = "normal"
    true: bool = False


class _Outcome(NamedTuple):
    """A label, or that none of its group's is present (`column` is None), under its group's heading."""

    heading: str
    text: str
    probability: float
    column: int | None


def sheet(
    rows: Array,
    space: LabelSpace,
    pictures: Sequence[npt.NDArray[Any]] | None,
    observed: Array | None,
    truth: Array | None,
    limit: int,
    style: Style,
    notes: Sequence[str] = (),
) -> Figure:
    """A grid of panels, one for each of the (N, K) rows, beside its picture; notes stand below."""
    letters = lettering([*space.labels, *(group.name for group in space.groups)])
    panels = [
        _lines(p, space, None if observed is None else observed[i], None if truth is None else truth[i], limit, letters)
        for i, p in enumerate(rows)
    ]
    bars = [line for lines in panels for line in lines if line.probability is not None]
    names = letters.width((line.text for line in bars), style.size) + _GAP + (0 if truth is None else _DOT)
    numbers = letters.width((line.said for line in bars), style.size) + _GAP
    others = letters.width((line.text for lines in panels for line in lines if line.probability is None), style.size)
    notes = [*notes, *([] if truth is None else ["●  truly present"])]
    picture = 0.0 if pictures is None else style.picture + 0.15
    cell = picture + max(names + style.bars + numbers, others) + 0.3
    across = min(len(panels), max(1, min(3, int(11 / cell))))
    parts = [panels[i : i + across] for i in range(0, len(panels), across)]
    heights = [max(style.pitch * max(map(len, part)), picture) + 0.3 for part in parts]
    width = max(cell * across, letters.width(notes, style.size) + 0.3)
    height = sum(heights) + 0.2 * len(notes) + 0.05
    figure = Figure(figsize=(width, height))
    for i, lines in enumerate(panels):
        left, top = 0.15 + cell * (i % across), height - 0.15 - sum(heights[: i // across])
        if pictures is not None:
            box = (left / width, (top - style.picture) / height, style.picture / width, style.picture / height)
            ax = figure.add_axes(box, anchor="N")
            ax.imshow(pictures[i], cmap="gray", vmin=0, vmax=255 if pictures[i].dtype == np.uint8 else 1)
            ax.set_axis_off()
        long = style.pitch * len(lines)
        ax = inch_axes(figure, (left + picture + names, top - long, style.bars, long), len(lines))
        _draw(ax, lines, letters, style, names, _GAP if truth is None else _GAP + _DOT)
    for number, text in enumerate(notes):
        colour = GREEN if text.startswith("●") else GREY
        figure.text(0.15 / width, (0.1 + 0.2 * number) / height, text, size=style.size, color=colour)
    return figure


def _draw(ax: Axes, lines: Sequence[_Line], letters: Lettering, style: Style, names: float, edge: float) -> None:
    inch = 1 / style.bars  # of the axis of probabilities
    ax.set_xlim(0, 1)
    bars = [(y, line, line.probability) for y, line in enumerate(lines) if line.probability is not None]
    known = [(y, line.colour, p) for y, line, p in bars if math.isfinite(p)]
    ax.barh([y for y, *_ in bars], 1.0, height=0.7, color=TRACK, label="track")
    ax.barh([y for y, *_ in known], [p for *_, p in known], height=0.7, color=[c for _, c, _ in known], label="probability")
    true = [y for y, line, _ in bars if line.true]
    ax.plot([-_DOT * inch] * len(true), true, "o", color=GREEN, markersize=0.55 * style.size, clip_on=False, label="truth")
    for y, line in enumerate(lines):
        if line.probability is None:
            write(ax, -names * inch, y, line.text, letters, style.size, color=line.colour)
        else:
            write(ax, -edge * inch, y, line.text, letters, style.size, ha="right", style=line.slant)
            write(ax, 1 + _GAP * inch, y, line.said, letters, style.size)


def _lines(
    p: Array, space: LabelSpace, observed: Array | None, truth: Array | None, limit: int, letters: Lettering
) -> list[_Line]:
    """The lines of one image: what is known or true, the first of each group, then the most probable."""
    mixed = any(isinstance(group, OneOf) for group in space.groups)
    ranked: list[tuple[bool, bool, float, int, _Outcome]] = []
    for group in space.groups:
        found = _outcomes(group, p, space, mixed, letters)
        first = max(found, key=lambda o: _rank(o.probability))
        for o in found:
            wanted = any(given is not None and o.column is not None and given[o.column] == 1 for given in (observed, truth))
            leads = isinstance(group, OneOf) and o is first
            ranked.append((not wanted, not leads, -_rank(o.probability), len(ranked), o))
    ranked.sort(key=lambda entry: entry[:4])
    lines: list[_Line] = []
    heading = ""
    for *_, o in sorted(ranked[:limit], key=lambda entry: entry[3]):
        if o.heading != heading:
            heading = o.heading
            lines.append(_Line(heading))
        lines.append(_bar(o, observed, truth, letters))
    lost = [o.probability for *_, o in ranked[limit:] if o.column is not None]
    if lost:
        top = max((value for value in lost if math.isfinite(value)), default=1.0)
        lines.append(_Line(f"{count(len(lost), 'label')} left out{f', each below {int(100 * top) + 1} %' if top < 1 else ''}"))
    return lines


def _outcomes(group: Group, p: Array, space: LabelSpace, mixed: bool, letters: Lettering) -> list[_Outcome]:
    columns = space.columns(group)
    name = ("other labels" if mixed else "") if isinstance(group, Free) else letters.fit(group.name)
    needs = "" if group.requires is None else f"(requires {letters.fit(group.requires)})"
    found = [_Outcome(f"{name} {needs}".strip(), space.labels[k], float(p[k]), k) for k in columns]
    if isinstance(group, OneOf) and (group.optional or group.requires is not None):
        none = "none of these" if group.optional else "does not apply"
        found.append(_Outcome(found[0].heading, none, float(np.maximum(0.0, 1 - p[columns].sum())), None))
    return found


def _bar(o: _Outcome, observed: Array | None, truth: Array | None, letters: Lettering) -> _Line:
    if o.column is None:
        return _Line(o.text, o.probability, percent(o.probability), PALE, "italic")
    mark = -1 if observed is None else int(observed[o.column])
    said = percent(o.probability) + {1: "  known", 0: "  known absent"}.get(mark, "")
    colour = {1: VERMILION, 0: GREY}.get(mark, BLUE)
    return _Line(letters.fit(o.text, o.column), o.probability, said, colour, true=truth is not None and truth[o.column] == 1)


def _rank(probability: float) -> float:
    return probability if math.isfinite(probability) else -1.0


def inch_axes(figure: Figure, box: tuple[float, float, float, float], rows: int) -> Axes:
    """Axes without a frame at (left, bottom, width, height) for `rows` lines, the first one at the top."""
    width, height = figure.get_size_inches()
    left, bottom, wide, tall = box
    ax = figure.add_axes((left / width, bottom / height, wide / width, tall / height))
    ax.set_ylim(rows - 0.5, -0.5)
    ax.set_axis_off()
    return ax


def write(ax: Axes, x: float, y: float, text: str, letters: Lettering, size: float, **how: Any) -> None:
    """Text as it is, "$" included, in fonts that have its characters."""
    ax.text(x, y, text, size=size, family=list(letters.families), va="center_baseline", parse_math=False, **how)
