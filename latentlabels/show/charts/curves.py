"""Charts over axes: training by epoch, calibration, the number of labels. Each carries its numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...metrics import CalibrationCurve
from ...words import number, percent, whole
from ..blocks import Beside, Block, Chart, Details, Legend, Series, Text, plain_table
from .axes import linear, powers, shares

_TAIL = 5e-4  # numbers of labels beyond which there is less than this are not drawn
_MARKED = 40  # epochs above which single ones are not marked
_LINES = {"train_log_likelihood": ("grey", "dashes", "training"), "held_out_log_likelihood": ("blue", "line", "held out")}


def stacked(blocks: Sequence[Block]) -> Beside:
    """Blocks that stay together where others stand beside them."""
    return Beside(blocks, "stack")


def history(
    epochs: Iterable[Mapping[str, Any]],
    best_epoch: int | None = None,
    expected_labels: float | None = None,
    value: str = "log-likelihood of the known labels, per image",
) -> list[Block]:
    """What training and held-out images say by epoch, and how many labels per image are predicted.

    Args:
        epochs: mappings with `epoch`, `train_log_likelihood`, `held_out_log_likelihood` and `predicted_count`; missing values
            are left out. Their epochs are counted from 0, those shown from 1.
        best_epoch: from 0, the epoch whose weights were kept; the one with the best held-out value if not given.
        expected_labels: what the number of predicted labels is compared with.
        value: what the first two are called.
    """
    entries = list(epochs)
    numbers = [_number(entry.get("epoch")) for entry in entries]
    at = [1 + (float(i) if found is None else found) for i, found in enumerate(numbers)]  # people count from 1
    lines = {
        key: [(x, y) for x, entry in zip(at, entries, strict=True) if (y := _number(entry.get(key))) is not None]
        for key in (*_LINES, "predicted_count")
    }
    if not any(lines.values()):
        return [Text("No epoch was recorded.")]
    held = lines["held_out_log_likelihood"]
    best = None if best_epoch is None else best_epoch + 1
    if best is None and held:
        best = int(max(held, key=lambda point: point[1])[0])
    parts = []
    values = [(key, *look) for key, look in _LINES.items() if lines[key]]
    if values:
        series = [(colour, mark, name, lines[key]) for key, colour, mark, name in values]
        parts.append(_by_epoch(value, series, at, best))
    counts = lines["predicted_count"]
    if counts:
        series = [("green", "line", "predicted", counts)]
        if expected_labels is not None:
            level = [(min(at), expected_labels), (max(at), expected_labels)]
            series.insert(0, ("grey", "dashes", f"{expected_labels:.2f} expected", level))
        parts.append(_by_epoch("predicted labels per image", series, at, best, low=0.0))
    rows = [[whole(x), *(number(_number(entry.get(key))) for key in lines)] for x, entry in zip(at, entries, strict=True)]
    table = plain_table(("epoch", "training", "held out", "predicted labels"), rows, range(4))
    return [Beside(parts, "charts"), Details("Training as a table", [table])]


def _by_epoch(
    name: str,
    lines: Sequence[tuple[str, str, str, list[tuple[float, float]]]],
    at: Sequence[float],
    best: int | None,
    low: float | None = None,
) -> Beside:
    """One chart with what its lines mean."""
    ys = [y for *_, points in lines for _, y in points]
    y = linear(name, ys, low=None if low is None else min(low, *ys))
    x = linear("epoch", at, whole=True)
    series, entries = [], []
    if best is not None and at[0] <= best <= at[-1]:
        series.append(Series([(best, y.low), (best, y.high)], "orange", "dashes"))
        entries.append(("orange dashes", f"kept: epoch {best}"))
    for colour, mark, called, points in lines:
        series.append(Series(points, colour, mark))
        entries.insert(len(entries) - (1 if entries and "kept" in entries[-1][1] else 0), (f"{colour} {mark}", called))
        if mark == "line" and len(points) <= _MARKED:
            hints = [f"epoch {whole(a)}: {number(b)}" for a, b in points]
            series.append(Series(points, colour, "dots", hints=hints))
    said = "; ".join(
        f"{called}: {number(points[0][1])} at first, {number(points[-1][1])} at last" for *_, called, points in lines
    )
    return stacked([Legend(entries), Chart(x, y, series, f"{name} by epoch; {said}")])


def reliability(curve: CalibrationCurve) -> list[Block]:
    """How often labels are present, by predicted probability, with the number of entries of each bin.

    Args:
        curve: calibration by bins of equal width.
    """
    bins = list(zip(curve.predicted, curve.frequency, curve.count, strict=True))
    filled = [(p, f, n) for p, f, n in bins if p is not None and f is not None]
    if not filled:
        return [Text("There are no entries to measure calibration on.")]
    x, width = shares("predicted probability"), 1 / len(bins)
    hints = [f"predicted {percent(p)}, present {percent(f)}, {n:,} entries" for p, f, n in filled]
    points = [(p, f) for p, f, _ in filled]
    above = Chart(
        x,
        shares("share present"),
        [
            Series([(0, 0), (1, 1)], "grey", "dashes"),
            Series(points, "blue", "line"),
            Series(points, "blue", "dots", hints=hints),
        ],
        f"share of labels truly present by predicted probability: {'; '.join(hints)}",
        tall=13.0,
    )
    heights = [((number + 0.5) * width, float(n)) for number, (*_, n) in enumerate(bins) if n]
    below = Chart(
        x,
        powers("entries, on a scale of equal factors", max(n for _, n in heights), lambda n: f"{n:,.0f}"),
        [Series(heights, "pale", "bars", 0.9 * width, [f"{n:,.0f} entries" for _, n in heights])],
        "number of entries by predicted probability",
        tall=4.5,
    )
    legend = Legend([("blue line", "this fit"), ("grey dashes", "perfect calibration")])
    title = f"Calibration error {100 * curve.error:.1f} %, {sum(curve.count):,} entries."
    rows = [(percent(p), percent(f), f"{n:,}") for p, f, n in filled]
    table = plain_table(("predicted", "present", "entries"), rows, range(3))
    return [Text(title, "fine"), legend, above, below, Details("Calibration as a table", [table])]


def count_distribution(
    count_probs: NDArray[np.float64], truth: NDArray[np.float64] | None = None, expected: float | None = None
) -> list[Block]:
    """How many labels are present at once: the share of images by their number of labels.

    Args:
        count_probs: (n + 1,) shares of images with 0, 1, ..., n labels, according to the model.
        truth: (m + 1,) the true shares.
        expected: the number of labels per image that is expected.
    """
    if not np.isfinite(count_probs).all() or not len(count_probs):
        return [Text("There are no images with a number of labels.")]
    true = None if truth is None or not len(truth) else np.nan_to_num(truth)
    columns = [count_probs] if true is None else [count_probs, true]
    last = max(int(np.flatnonzero(values >= _TAIL).max(initial=0)) for values in columns)
    means = [float(values @ np.arange(len(values))) for values in columns]
    given = [np.pad(values, (0, max(last + 1 - len(values), 0)))[: last + 1].tolist() for values in columns]
    y = shares("share of images", 1.05 * max(map(max, given)))
    x = _of_numbers(last, expected)
    series = [Series(list(enumerate(given[0])), "blue", "bars", hints=[f"{n}: {percent(p)}" for n, p in enumerate(given[0])])]
    entries = [("blue", "according to the fit")]
    said = f"{means[0]:.1f} labels per image on average"
    if true is not None:
        hints = [f"{n}: {percent(p)} in truth" for n, p in enumerate(given[1])]
        series.append(Series(list(enumerate(given[1])), "green", "dots", hints=hints))
        entries.append(("green dot", "truth"))
        said += f", {means[1]:.1f} in truth"
    if expected is not None:
        series.append(Series([(expected, 0.0), (expected, y.high)], "orange", "dashes"))
        entries.append(("orange dashes", f"{expected:.2f} expected"))
    rows = [(f"{n}", *(percent(values[n]) for values in given)) for n in range(last + 1)]
    head = ("number of labels", "according to the fit", *(["truth"] if true is not None else []))
    chart = Chart(x, y, series, f"distribution of the number of labels per image: {said}")
    table = plain_table(head, rows, range(len(head)))
    return [
        Text(f"{said[0].upper()}{said[1:]}.", "fine"),
        Legend(entries),
        chart,
        Details("Number of labels as a table", [table]),
    ]


def _of_numbers(last: int, expected: float | None) -> Any:
    """An axis with room for a whole bar at each end."""
    found = linear("number of labels present", [0.0, float(max(last, expected or 0, 1))], whole=True, most=10)
    return type(found)(found.name, -0.6, found.high + 0.6, found.ticks)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
