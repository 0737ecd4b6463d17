"""Pictures of calibration and of training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from ...metrics import CalibrationCurve, calibration_curve
from ..colours import BLUE, GREEN, GREY, PALE, TRACK, VERMILION
from .surface import SIZE, Target, message, panels, shrink

_RELIABILITY = (4.6, 5.4)  # inches


def reliability(truth: npt.ArrayLike | CalibrationCurve, marginals: npt.ArrayLike | None = None, *, ax: Target = None) -> Axes:
    """How often labels are present, by predicted probability, with the number of entries below.

    Args:
        truth: (N, K) of 0 and 1, or a curve that was worked out before, for example that of `Metrics`.
        marginals: (N, K) probabilities of presence; entries that are NaN are left out, and counted in the picture.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: as `evaluation.calibration_curve`.
    """
    lost = 0
    if isinstance(truth, CalibrationCurve):
        curve = truth
    else:
        present, p = np.asarray(truth), np.asarray(marginals, np.float64)
        kept = np.isfinite(p) if present.shape == p.shape else np.ones_like(p, bool)
        lost = int((~kept).sum())
        if lost:
            present, p = present[kept][None], p[kept][None]
        curve = calibration_curve(present, p) if p.size else CalibrationCurve((), (), ())
    filled = [(p, f) for p, f in zip(curve.predicted, curve.frequency, strict=True) if p is not None and f is not None]
    if not filled:
        return message(ax, "no entries to measure calibration on")
    outer, (above, below) = panels(ax, *_RELIABILITY, (3.2, 1))
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect calibration")
    above.plot(*zip(*filled, strict=True), color=BLUE, marker="o", markersize=5, label="this fit")
    above.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), ylabel="share present")
    above.legend(loc="best", frameon=False, fontsize=SIZE)
    missing = f", {lost:,} without a value left out" if lost else ""
    outer.set_title(f"calibration error {100 * curve.error:.1f} %\n{sum(curve.count):,} entries{missing}", size=10)
    width = 1 / len(curve.count)
    below.bar([(b + 0.5) * width for b in range(len(curve.count))], curve.count, 0.9 * width, color=PALE)
    below.set(xlabel="predicted probability", ylabel="entries")
    below.set_yscale("log")  # nearly all entries are near 0: the others would not be seen on a linear scale
    below.set_ylim(0.7, 2 * max(curve.count))
    below.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    shrink([outer, above, below], *_RELIABILITY)
    return outer


def history(
    epochs: Iterable[Mapping[str, Any]],
    best_epoch: int | None = None,
    expected_labels: float | None = None,
    value: str = "log-likelihood\nof the known labels, per image",
    *,
    ax: Target = None,
) -> Axes:
    """What training and held-out images say by epoch, and how many labels per image are predicted.

    Args:
        epochs: mappings with `epoch`, `train_log_likelihood`, `held_out_log_likelihood` (natural logarithm, per image)
            and `predicted_count`, as in `LatentLabels.history_` and a run folder's `metrics.jsonl`; missing values are
            left out. Their epochs are counted from 0, those of the axis from 1.
        best_epoch: from 0, the epoch whose weights were kept; the one with the best held-out value if not given.
        expected_labels: what the number of predicted labels is compared with.
        value: what the first two are called, where another objective was trained.
        ax: see `latentlabels.plots`.
    """
    entries = list(epochs)
    lines = {
        key: [
            (float(entry.get("epoch", number)) + 1, float(entry[key]))
            for number, entry in enumerate(entries)
            if isinstance(entry.get(key), int | float) and math.isfinite(entry[key])
        ]
        for key in ("train_log_likelihood", "held_out_log_likelihood", "predicted_count")
    }
    train, held, counts = lines.values()
    if not any(lines.values()):
        return message(ax, "no epoch was recorded")
    if best_epoch is None and held:
        best_epoch = int(max(held, key=lambda point: point[1])[0]) - 1
    shares = [1.7, 1.0] if counts else [1.0]
    size = (6.6, 4.8 if counts else 3.4)
    outer, found = panels(ax, *size, shares)
    for place, points, name, colour, style in (
        (found[0], train, "training", GREY, "--"),
        (found[0], held, "held out", BLUE, "-"),
        (found[-1], counts, "", GREEN, "-"),
    ):
        if points:
            marker = "o" if len(points) <= 40 else None
            place.plot(*zip(*points, strict=True), color=colour, linestyle=style, marker=marker, markersize=3.5, label=name)
    found[0].set_ylabel(value if train or held else "")
    if counts:
        found[1].set_ylabel("predicted labels\nper image")
        if expected_labels is not None:
            found[1].axhline(expected_labels, color=GREY, linestyle="--", linewidth=1, label=f"{expected_labels:.2f} expected")
        low, high = found[1].get_ylim()
        found[1].set_ylim(min(low, 0), 1.08 * high)
        if expected_labels is not None:
            found[1].legend(loc="lower right", fontsize=SIZE, edgecolor="none", framealpha=0.9)
    for place in found:
        if best_epoch is not None:
            kept = best_epoch + 1
            place.axvline(kept, color=VERMILION, linewidth=1, linestyle=":", label=f"kept: epoch {kept}")
        place.grid(axis="y", color=TRACK)
    handles, names = found[0].get_legend_handles_labels()
    if handles:
        found[0].legend(handles, names, loc="best", fontsize=SIZE, edgecolor="none", framealpha=0.9)
    found[-1].set_xlabel("epoch")
    found[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    shrink([outer, *found], *size)
    return outer
