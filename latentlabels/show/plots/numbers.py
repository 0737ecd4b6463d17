"""Pictures of predictions on many images together: how many labels, how frequent, which ones together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...errors import DataError
from ...space import LabelSpace, OneOf
from ...words import count, percent
from ..colours import BLUE, GREEN, GREY, MISSING, PALE, SHADES, TRACK, VERMILION
from .arguments import Array, probabilities, table
from .lettering import Lettering, lettering
from .surface import SIZE, Canvas, Key, Target, message, panels, shrink

_PITCH = 0.23  # inches of a row
_SPAN = 3.8  # inches of the axis of shares
_COUNTS = (5.6, 3.4)  # inches of the picture of numbers
_CELL = 0.34  # inches of a heat map's cell
_TAIL = 5e-4  # numbers of labels beyond which there is less than this are not drawn


def count_distribution(
    count_probs: npt.ArrayLike, *, truth: npt.ArrayLike | None = None, expected: float | None = None, ax: Target = None
) -> Axes:
    """How many labels are present at once: the share of images by their number of labels.

    Args:
        count_probs: (N, n + 1) or (n + 1,), the probabilities of 0, 1, ..., n labels, as `Posterior.count_probs`. Of
            several images the mean is drawn: the share of images that is expected. Rows with NaN are left out.
        truth: (N, K) of 0 and 1, whose numbers are drawn as dots; or the shares of images with 0, 1, ... labels, (m,).
        expected: the number of labels that is expected, drawn as a line.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: shapes that do not agree, or what is no distribution.
    """
    rows = probabilities(count_probs, "count_probs")
    if rows.ndim not in (1, 2) or (rows.ndim and not rows.shape[-1]):
        raise DataError(f"count_probs have shape {rows.shape}; expected (images, n + 1) or (n + 1,)")
    rows = np.atleast_2d(rows)
    true = None if truth is None else _true_counts(truth, rows, np.ndim(count_probs))
    kept = rows[np.isfinite(rows).all(1)]
    if not len(kept):
        return message(ax, "no images with a number of labels")
    if not np.allclose(kept.sum(1), 1, atol=1e-3):
        raise DataError("count_probs do not sum to 1 over the numbers 0..n")
    shares = kept.mean(0)
    last = int(np.flatnonzero(shares >= _TAIL).max())
    if true is not None and true.size:
        last = max(last, int(np.flatnonzero(true >= _TAIL).max(initial=0)))
    outer, (drawn,) = panels(ax, *_COUNTS, [1])
    drawn.bar(np.arange(len(shares))[: last + 1], 100 * shares[: last + 1], 0.8, color=BLUE, label="model")
    mean = float(shares @ np.arange(len(shares)))
    title = f"{mean:.1f} labels per image on average"
    if true is not None and true.size:
        drawn.plot(
            np.arange(len(true))[: last + 1],
            100 * true[: last + 1],
            "o",
            color=GREEN,
            markersize=8 if last <= 40 else 4,
            markeredgecolor="white",
            clip_on=False,
            label="truth",
        )
        title += f", {true @ np.arange(len(true)):.1f} in truth"
    if expected is not None:
        drawn.axvline(expected, color=VERMILION, linestyle="--", linewidth=1.2, ymax=0.84, label=f"{expected:.2f} expected")
    lost = len(rows) - len(kept)
    drawn.set_title(title + (f"\n{count(lost, 'image')} without a value left out" if lost else ""), size=10)
    single = len(rows) == 1
    drawn.set(xlabel="number of labels present", ylabel="probability (%)" if single else "share of images (%)")
    drawn.set_xlim(min(-0.6, (expected or 0) - 0.6), max(last, expected or 0) + 0.6)
    drawn.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    drawn.grid(axis="y", color=TRACK)
    drawn.set_ylim(bottom=0)
    marks = sorted(zip(*drawn.get_legend_handles_labels(), strict=True), key=lambda mark: mark[1] != "model")
    if len(marks) > 1:
        drawn.set_ylim(0, 1.2 * drawn.get_ylim()[1])  # room for the legend above all that is drawn
        drawn.legend(*zip(*marks, strict=True), loc="upper right", frameon=False, fontsize=SIZE, ncols=3)
    shrink([outer], *_COUNTS)
    return outer


def _true_counts(truth: npt.ArrayLike, rows: Array, dims: int) -> Array:
    """The shares of images that truly have 0, 1, ... labels."""
    given = np.asarray(truth, np.float64)
    if given.ndim == 1:
        return np.nan_to_num(probabilities(given, "truth"))
    if given.ndim != 2 or (dims == 2 and len(given) != len(rows)):
        raise DataError(f"truth has shape {given.shape}, count_probs have {rows.shape}; give one row for each image")
    if not np.isin(given, (0, 1)).all():
        raise DataError("truth holds values other than 1 (present) and 0 (absent)")
    return np.bincount(given.sum(1).astype(np.int64)) / max(len(given), 1)


def prevalence(
    prior: npt.ArrayLike,
    posterior: npt.ArrayLike,
    space: LabelSpace,
    *,
    truth: npt.ArrayLike | None = None,
    limit: int = 30,
    ax: Target = None,
) -> Axes:
    """How frequent each label was expected to be before the fit, and how frequent the fit finds it.

    Args:
        prior: (K,) shares of the images that show each label, as stated or worked out beforehand.
        posterior: (K,) shares that the model finds, such as ``posterior.marginals.mean(0)``.
        space: the label space.
        truth: (K,) true shares, drawn as green dots.
        limit: labels at most: those that moved most; how many are left out is said.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: what is given does not fit the space, or is no share.
    """
    before, after = table(prior, space, "prior", 1), table(posterior, space, "posterior", 1)
    true = None if truth is None else table(truth, space, "true prevalences", 1)
    moved = np.nan_to_num(np.abs(after - before), nan=-1.0)
    chosen = np.argsort(-moved, kind="stable")[: max(limit, 1)]
    rest = np.delete(moved, chosen)
    chosen = chosen[np.argsort(-np.nan_to_num(after[chosen], nan=-1.0), kind="stable")]
    letters = lettering(space.labels[k] for k in chosen)
    names = [letters.fit(space.labels[k], int(k)) for k in chosen]
    said = [f"{percent(before[k])} → {percent(after[k])}" for k in chosen]
    note = ""
    if len(rest):
        note = f"{count(len(rest), 'label')} left out, each moved by {100 * max(rest.max(), 0):.1f} percentage points at most"
    key: list[Key] = [
        ("○", GREY, "before the fit"),
        ("●", BLUE, "after it"),
        *([("●", GREEN, "truth")] if true is not None else []),
    ]
    header = "before → after"
    left, right = letters.width(names, SIZE) + 0.3, letters.width([*said, header], SIZE) + 0.3
    tall = _PITCH * len(chosen)
    width = max(left + _SPAN + right, letters.width([note], SIZE) + 0.3)
    canvas = Canvas(ax, width, 0.4 + tall + 0.45 + 0.22 * bool(note))
    canvas.key(key, left, 0.1)
    canvas.text(left + _SPAN * (1.06 + 0.03) / 1.06, 0.1, header, color=GREY)
    drawn = canvas.rows(left, 0.4, _SPAN, tall, len(chosen))
    values = np.concatenate([given[chosen] for given in (before, after, true) if given is not None])
    top = max(0.01, float(np.nan_to_num(values).max()))
    drawn.set_xlim(-0.03 * top, 1.03 * top)
    ticks = [tick for tick in MaxNLocator(5).tick_values(0, top) if 0 <= tick <= 1.03 * top]
    canvas.ruler(drawn, left, 0.4 + tall, _SPAN, {t: f"{100 * t:g} %" for t in ticks}, "share of images that show the label")
    y = np.arange(len(chosen))
    drawn.hlines(y, before[chosen], after[chosen], color=PALE, linewidth=1.5, label="change")
    canvas.dots(drawn, before[chosen], y, 6.5, color=GREY, markerfacecolor="white", markeredgewidth=1.3, label="prior")
    canvas.dots(drawn, after[chosen], y, 7.5, color=BLUE, label="posterior")
    if true is not None:
        canvas.dots(drawn, true[chosen], y, 5.0, color=GREEN, markeredgecolor="white", markeredgewidth=0.8, label="truth")
    low, high = drawn.get_xlim()
    for row, name in enumerate(names):
        canvas.write(drawn, low - 0.02 * top, row, name, letters, ha="right")
        canvas.write(drawn, high + 0.03 * top, row, said[row], letters, color=GREY)
    if note:
        canvas.text(0.15, 0.4 + tall + 0.45, note, color=GREY)
    return canvas.ax


def co_occurrence(
    together: npt.ArrayLike,
    space: LabelSpace,
    *,
    labels: Sequence[str] | None = None,
    limit: int = 24,
    ax: Target = None,
) -> Axes:
    """Which labels go together: of the images that show a row's label, the share that show a column's.

    A row of all images stands on top, for comparison.

    Args:
        together: (L, L) of P(both present), the diagonal each label's prevalence, as `Posterior.co_occurrence`.
        space: the label space.
        labels: the L labels; all K of the space if not given.
        limit: labels at most: the most frequent ones, in the order of the space; how many are left out is said.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: a shape that does not fit the labels, or what is no probability.
        LabelSpaceError: a label that the space lacks.
    """
    columns = list(range(space.num_labels)) if labels is None else [space.index(label) for label in labels]
    both = probabilities(together, "together")
    if both.shape != (len(columns),) * 2:
        hint = "" if labels is not None else "; say which labels they are by labels=[...]"
        raise DataError(f"together has shape {both.shape}, but there are {len(columns)} labels{hint}")
    if not columns:
        return message(ax, "no labels")
    share = np.diagonal(both)
    frequent = np.argsort(-np.nan_to_num(share, nan=-1.0), kind="stable")[: max(limit, 1)]
    chosen = np.asarray(sorted(frequent.tolist(), key=lambda place: columns[place]))
    number = len(chosen)
    with np.errstate(divide="ignore", invalid="ignore"):
        given = np.where(share[chosen, None] > 0, both[np.ix_(chosen, chosen)] / share[chosen, None], np.nan)
    np.fill_diagonal(given, np.nan)
    shown = np.clip(np.vstack([share[chosen], given]), 0, 1)
    letters = lettering(space.labels[columns[place]] for place in chosen)
    names = [letters.fit(space.labels[columns[place]], columns[place], 24) for place in chosen]
    left = max(letters.width([*names, "all images"], SIZE), 0.5) + 0.25
    above = letters.width(names, SIZE) + 0.2
    notes = ["grey: the label itself" + (", or a label that no image shows" if np.isnan(given).sum() > number else "")]
    if len(columns) > number:
        below = percent(float(np.nan_to_num(np.delete(share, chosen)).max()))
        notes.append(f"{count(len(columns) - number, 'label')} left out, each in {below} of the images at most")
    legend = "of the images that show the row's label, % that show the column's"
    side = _CELL * number
    width = max(left + side, letters.width([legend, *notes], SIZE) + 0.15, 3.0) + 0.15
    height = above + side + _CELL + 0.1 + 0.6 + 0.2 * len(notes)
    canvas = Canvas(ax, width, height)
    for first, last, top in ((0, 1, above), (1, number + 1, above + _CELL + 0.1)):
        part = canvas.axes(left, top, side, _CELL * (last - first))
        _heat(canvas, part, shown[first:last], letters)
        part.set_label("all images" if first == 0 else "given")
        if first:
            _borders(part, [columns[place] for place in chosen], space)
        for row, name in enumerate(["all images"] if first == 0 else names):
            canvas.write(part, -0.5 - 0.07 / _CELL, row, name, letters, ha="right")
        if first == 0:
            for column, name in enumerate(names):
                canvas.write(part, column, -0.5 - 0.07 / _CELL, name, letters, rotation=90, ha="center", va="bottom")
    _scale(canvas, 0.15, above + side + _CELL + 0.22, legend)
    for line, text in enumerate(notes):
        canvas.text(0.15, height - 0.05 - 0.2 * (len(notes) - line), text, color=GREY)
    return canvas.ax


def _heat(canvas: Canvas, ax: Axes, values: Array, letters: Lettering) -> None:
    """Shares as shades, with their percents."""
    shades = colormaps[SHADES].with_extremes(bad=MISSING)  # not the colour behind: a page may make that transparent
    ax.imshow(values, cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            said = percent(float(value)).removesuffix(" %")
            canvas.write(ax, column, row, said, letters, SIZE - 1.5, ha="center", color="white" if value > 0.55 else "black")


def _borders(ax: Axes, columns: Sequence[int], space: LabelSpace) -> None:
    """Lines where a group ends; free labels have none between them."""
    group = {k: number for number, g in enumerate(space.groups) if isinstance(g, OneOf) for k in space.columns(g)}
    for place, (one, other) in enumerate(itertools.pairwise(columns)):
        if group.get(one, -1) != group.get(other, -1):
            ax.axhline(place + 0.5, color="black", linewidth=0.9)
            ax.axvline(place + 0.5, color="black", linewidth=0.9)


def _scale(canvas: Canvas, left: float, top: float, name: str) -> None:
    """What shades mean."""
    ax = canvas.axes(left + 0.3, top, 1.6, 0.14)
    shades: Any = np.linspace(0, 1, 128)[None]
    ax.imshow(shades, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    ax.set(xticks=[], yticks=[])
    canvas.text(left + 0.25, top - 0.02, "0 %", SIZE - 1, ha="right", color=GREY)
    canvas.text(left + 1.95, top - 0.02, "100 %", SIZE - 1, color=GREY)
    canvas.text(left, top + 0.2, name)
