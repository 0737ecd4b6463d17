"""Pictures of a comparison: who stands where by ranking, probability and calibration, and ranking against probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from ..show.colours import BLUE, GREY, PALE, TRACK, VERMILION
from ..show.plots.lettering import lettering
from .results import CEILINGS, METRICS, Result, Spread, Table

_COLOURS = {"ours": VERMILION, "published": BLUE, "baseline": GREY, "oracle": GREY}
_NAMES = {
    "ours": "ours",
    "published": "published",
    "baseline": "without looking at the image",
    "oracle": "learns from complete labels",
}
_Dashes = tuple[float, tuple[float, float]]
_DASHES: tuple[_Dashes, _Dashes] = ((0, (1, 1.8)), (0, (4, 2)))
_SIZE = 9
_PITCH = 0.225  # inches a row


def comparison(honest: Table, generous: Table | None = None) -> Figure:
    """A row for each objective, a panel each for mAP, negative log-likelihood and calibration error.

    Filled dots with their standard deviation are of the honest protocol, hollow ones of the generous one. Vertical lines
    are the ceilings. What is infinite, or far from all others, stands at the edge beside an arrow, with its value.
    """
    ranks = {"baseline": 1, "oracle": 2}
    order = sorted(honest.results, key=lambda one: (ranks.get(one.kind, 0), -_mean(one, "mAP")))
    others = {} if generous is None else {one.objective: one for one in generous.results}
    names = [one.objective for one in order]
    left = lettering(names).width(names, _SIZE) + 0.25
    wide, between, height = 2.75, 0.3, _PITCH * len(order)
    width, top, bottom = left + 3 * (wide + between), 0.75, 0.5
    tall = height + top + bottom
    figure = Figure(figsize=(width, tall))
    for number, metric in enumerate(("mAP", "nll", "ece")):
        box = ((left + number * (wide + between)) / width, bottom / tall, wide / width, height / tall)
        ax = figure.add_axes(box)
        _rows(ax, order, others, metric)
        if metric == "mAP":
            for objective, dashes in zip(CEILINGS, _DASHES, strict=True):
                _ceiling(ax, honest, objective, dashes)
            for y, one in enumerate(order):
                weight = "bold" if one.kind == "ours" else "normal"
                x = -0.12 / wide
                ax.text(
                    x, y, one.objective, transform=ax.get_yaxis_transform(), ha="right", va="center", size=_SIZE,
                    color=_COLOURS[one.kind] if one.kind != "published" else "black", weight=weight,
                )  # fmt: skip
    _legend(figure, honest, bool(others), tall)
    return figure


def _mean(one: Result, metric: str) -> float:
    found = one.figures.get(metric)
    return -math.inf if found is None else found.mean


def _scaled(found: Spread, metric: str) -> tuple[float, float]:
    scale = 100 if METRICS[metric].percent else 1
    return found.mean * scale, (found.sd or 0.0) * scale


def _rows(ax: Axes, order: Sequence[Result], others: dict[str, Result], metric: str) -> None:
    how = METRICS[metric]
    fitted = [one for one in (*order, *others.values()) if metric in one.figures and one.kind != "baseline"]
    shown = [_scaled(one.figures[metric], metric) for one in fitted]
    low, high = _limits([value for value, _ in shown], bool(how.higher))
    ax.set(xlim=(low, high), ylim=(len(order) - 0.5, -0.5), yticks=[])
    for y, one in enumerate(order):
        if y % 2 == 0:
            ax.axhspan(y - 0.5, y + 0.5, color=TRACK, alpha=0.55, linewidth=0, zorder=0)
        colour = _COLOURS[one.kind]
        if one.objective in others and metric in others[one.objective].figures:
            value, _ = _scaled(others[one.objective].figures[metric], metric)
            if low <= value <= high:
                ax.plot([value], [y], "D", markersize=4.5, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=0.9)
        if metric not in one.figures:
            continue
        value, sd = _scaled(one.figures[metric], metric)
        if low <= value <= high:
            ax.plot([value - sd, value + sd], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
            ax.plot([value], [y], "o", color=colour, markersize=5.5)
            continue
        above = value > high
        said = "infinite" if math.isinf(value) else f"{value:.{min(how.digits, 2)}f}"
        ax.plot([high if above else low], [y], ">" if above else "<", color=colour, markersize=6, clip_on=False)
        offset, side = (-7, "right") if above else (7, "left")
        ax.annotate(
            said, (high if above else low, y), (offset, 0), textcoords="offset points", ha=side, va="center", size=_SIZE - 1,
            color=colour,
        )  # fmt: skip
    ax.set_xlabel(f"{how.name}{' %' if how.percent else ''} ({'more' if how.higher else 'less'} is better)", size=_SIZE)
    ax.tick_params(axis="x", labelsize=_SIZE - 1)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.grid(axis="x", color="white", linewidth=1)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_axisbelow(True)


def _limits(values: Sequence[float], higher: bool) -> tuple[float, float]:
    """The range of an axis, without the few that lie so far off on the worse side that they would press the rest together."""
    finite = sorted((value for value in values if math.isfinite(value)), reverse=higher)
    if not finite:
        return 0.0, 1.0
    kept = finite[: max(2, math.ceil(0.5 * len(finite)))]
    reach = 4 * abs(kept[-1] - kept[0])
    for value in finite[len(kept) :]:
        if abs(value - kept[0]) <= max(reach, 1e-9):
            kept.append(value)
    low, high = min(kept), max(kept)
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.01
    return low - pad, high + pad


def _ceiling(ax: Axes, table: Table, objective: str, dashes: _Dashes) -> None:
    one = next((one for one in table.results if one.objective == objective), None)
    if one is not None and "mAP" in one.figures:
        ax.axvline(100 * one.figures["mAP"].mean, color=GREY, linewidth=1, linestyle=dashes, zorder=1)


def _legend(figure: Figure, honest: Table, both: bool, tall: float) -> None:
    kinds = [kind for kind in _COLOURS if any(one.kind == kind for one in honest.results)]
    handles = [Line2D([], [], color=_COLOURS[kind], marker="o", linestyle="", label=_NAMES[kind]) for kind in kinds]
    there = {one.objective for one in honest.results}
    handles += [
        Line2D([], [], color=GREY, linestyle=dashes, linewidth=1, label=f"ceiling: {name}")
        for name, dashes in zip(CEILINGS, _DASHES, strict=True)
        if name in there
    ]
    if both:
        hollow = Line2D([], [], color="black", marker="D", markersize=4.5, linestyle="", label="generous protocol")
        hollow.set_markerfacecolor("none")
        handles.append(hollow)
    handles.append(Line2D([], [], color="black", linewidth=1.4, label="± standard deviation"))
    place = (0.005, 1 - 0.03 / tall)
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=place, ncols=3, frameon=False, fontsize=_SIZE)


# --- ranking against probability ------------------------------------------------------------------------


class _Point(NamedTuple):
    """Where an objective stands; `said` and `marker` tell what lies beyond the edge."""

    x: float
    y: float
    name: str
    kind: str
    marker: str


def tradeoff(table: Table) -> Figure:
    """Each objective at its mAP and negative log-likelihood, which falls upwards: the upper right corner is the place to be.

    What is infinite, or far from all others, stands at the edge as a triangle, with its value.
    """
    figure = Figure(figsize=(7.4, 5.2), layout="constrained")
    ax = figure.subplots()
    both = [one for one in table.results if {"mAP", "nll"} <= one.figures.keys() and one.kind != "baseline"]
    left, right = _limits([100 * one.figures["mAP"].mean for one in both], higher=True)
    low, high = _limits([one.figures["nll"].mean for one in both], higher=False)
    ax.set(xlim=(left, right), ylim=(high, low))
    points: list[_Point] = []
    for one in both:
        x, y = 100 * one.figures["mAP"].mean, one.figures["nll"].mean
        marker, said = "o", one.objective
        if x < left:
            marker, said = "<", f"{said}, mAP {x:.1f} %"
        if y > high:
            marker, said = "v", f"{said}, {'infinite' if math.isinf(y) else f'{y:.1f}'}"
        points.append(_Point(max(x, left), min(y, high), said, one.kind, marker))
    for point in points:
        ax.plot(
            [point.x], [point.y], point.marker, color=_COLOURS[point.kind], markersize=8 if point.kind == "ours" else 6,
            clip_on=False, markeredgecolor="white", markeredgewidth=0.6, zorder=3,
        )  # fmt: skip
    ax.set_xlabel("mAP % (more is better)", size=_SIZE)
    ax.set_ylabel("negative log-likelihood per image (less, upwards, is better)", size=_SIZE)
    ax.tick_params(labelsize=_SIZE - 1)
    ax.grid(color=TRACK)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    _name(figure, ax, points)
    return figure


def _name(figure: Figure, ax: Axes, points: Sequence[_Point]) -> None:
    """Write names beside dots, each at the nearest place where it covers neither dot nor name; a line leads to far ones."""
    figure.draw_without_rendering()  # what layout and scales come to is known only then
    scale = figure.dpi / 72
    spots = [ax.transData.transform((point.x, point.y)) for point in points]
    letters = lettering([point.name for point in points])
    taken = [Bbox.from_bounds(x - 4 * scale, y - 4 * scale, 8 * scale, 8 * scale) for x, y in spots]
    inside = Bbox.from_extents(*(ax.bbox.x0 + 2, ax.bbox.y0 + 2, ax.bbox.x1 + 4 * scale, ax.bbox.y1 + 4 * scale))
    # ours first, then the most crowded ones, which have the fewest places
    crowd = [sum(abs(a - x) < 90 * scale and abs(b - y) < 30 * scale for x, y in spots) for a, b in spots]
    for i in sorted(range(len(points)), key=lambda i: (points[i].kind != "ours", -crowd[i])):
        name, (x, y) = points[i].name, spots[i]
        bold = 1.12 if points[i].kind == "ours" else 1.0
        wide, tall = bold * letters.width([name], _SIZE - 1) * figure.dpi, (_SIZE + 1) * scale
        place = next(
            (box for box in _places(x, y, wide, tall, scale) if _free(box, inside, taken)),
            Bbox.from_bounds(x + 6 * scale, y - tall / 2, wide, tall),
        )
        taken.append(place)
        far = min(abs(place.x0 - x), abs(place.x1 - x)) > 10 * scale or not place.y0 - 6 * scale <= y <= place.y1 + 6 * scale
        where = ax.transData.inverted().transform
        if far:
            end = (min(max(x, place.x0), place.x1), place.y1 if place.y1 < y else place.y0)
            (x0, y0), (x1, y1) = where((x, y)), where(end)
            ax.plot([x0, x1], [y0, y1], color=PALE, linewidth=0.6, zorder=2, clip_on=False)
        colour = "black" if points[i].kind == "published" else _COLOURS[points[i].kind]
        weight = "bold" if points[i].kind == "ours" else "normal"
        tx, ty = where((place.x0, (place.y0 + place.y1) / 2))
        ax.text(tx, ty, name, size=_SIZE - 1, va="center_baseline", ha="left", color=colour, weight=weight, zorder=4)


def _places(x: float, y: float, wide: float, tall: float, scale: float) -> list[Bbox]:
    """Where a name may stand, the nearest places first."""
    near = 6 * scale
    boxes: list[tuple[float, float]] = []
    for ring in range(14):
        gap = near + 9 * ring * scale
        for dy in (0, gap, -gap) if ring else (0, 0.5 * tall, -0.5 * tall):
            aside = near if ring and dy else gap
            boxes += [(x + aside, y + dy - tall / 2), (x - aside - wide, y + dy - tall / 2)]
        boxes += [(x - wide / 2, y + gap), (x - wide / 2, y - gap - tall)]
    return [Bbox.from_bounds(left, bottom, wide, tall) for left, bottom in boxes]


def _free(box: Bbox, inside: Bbox, taken: Sequence[Bbox]) -> bool:
    if box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1:
        return False
    return not any(box.overlaps(other) for other in taken)
