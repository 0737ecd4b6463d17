"""Pictures of posteriors, calibration, training and what is known.

Every function returns a `matplotlib.figure.Figure` of fitting size that belongs to nobody: nothing is shown or saved,
and pyplot is not touched. ``figure.savefig("bars.png")`` writes one; a notebook displays it after ``%matplotlib inline``.
Colours are those of Okabe and Ito, told apart by the colour-blind. Label names may be long and in any script; characters
that no installed font has are drawn as boxes, followed by the label's column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .errors import DataError
from .evaluation import CalibrationCurve, calibration_curve
from .labels import LabelSpace
from .lettering import count, lettering
from .panels import BLUE, GREEN, GREY, PALE, TRACK, VERMILION, Style, inch_axes, sheet, write

_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most


def posterior_bars(
    marginals: npt.ArrayLike,
    space: LabelSpace,
    image: npt.ArrayLike | None = None,
    observed: npt.ArrayLike | None = None,
    truth: npt.ArrayLike | None = None,
    *,
    limit: int = 40,
) -> Figure:
    """The probabilities of one image's labels as bars by group, beside the image.

    Args:
        marginals: (K,) posterior probabilities of presence; NaN is shown as "no value".
        space: the label space.
        image: (3, H, W), uint8 or in [0, 1]; (H, W, 3) and (H, W) are taken as well.
        observed: (K,) of 1, 0 and -1: known labels are coloured and say so.
        truth: (K,) of 0 and 1: labels that are truly present have a dot.
        limit: bars at most: labels known or truly present, the first of each group, then the most probable ones.

    Raises:
        DataError: what is given does not fit the space, or is no image.
    """
    rows = _table(marginals, space, "marginals", 1)[None]
    known = None if observed is None else _table(observed, space, "observed", 1)[None]
    true = None if truth is None else _table(truth, space, "truth", 1)[None]
    pictures = None if image is None else [_picture(image)]
    return sheet(rows, space, pictures, known, true, limit, Style(9, 0.205, 2.4, 2.6))


def posterior_gallery(
    marginals: npt.ArrayLike,
    space: LabelSpace,
    images: npt.ArrayLike | Sequence[npt.ArrayLike] | None = None,
    observed: npt.ArrayLike | None = None,
    truth: npt.ArrayLike | None = None,
    *,
    limit: int = 14,
    max_images: int = 12,
) -> Figure:
    """A few images, each beside the probabilities of its foremost labels by group.

    Args:
        marginals: (N, K) posterior probabilities of presence.
        space: the label space.
        images: (N, 3, H, W) uint8, or a sequence of N images as in `posterior_bars`.
        observed: (N, K) of 1, 0 and -1.
        truth: (N, K) of 0 and 1.
        limit: bars per image at most, chosen as in `posterior_bars`.
        max_images: images at most, the first ones; how many are left out is said.

    Raises:
        DataError: what is given does not fit the space, or is no image.
    """
    rows = _table(marginals, space, "marginals", 2)
    known, true = (
        None if given is None else _table(given, space, name, 2) for given, name in ((observed, "observed"), (truth, "truth"))
    )
    shown: Sequence[Any] | None = None if images is None else list(images)  # type: ignore[arg-type]
    for given, name in ((shown, "images"), (known, "observed"), (true, "truth")):
        if given is not None and len(given) != len(rows):
            raise DataError(f"{name}: {len(given)} rows, but marginals have {len(rows)}; give one for each image")
    if not len(rows):
        return _message("no images")
    left_out = len(rows) - max_images
    notes = [f"{count(left_out, 'more image')} not shown"] if left_out > 0 else []
    pictures = None if shown is None else [_picture(image) for image in shown[:max_images]]
    return sheet(rows[:max_images], space, pictures, known, true, limit, Style(8, 0.175, 1.15, 1.5), notes)


def reliability(truth: npt.ArrayLike | CalibrationCurve, marginals: npt.ArrayLike | None = None) -> Figure:
    """How often labels came true beside how often they were said to, with the number of entries below.

    Args:
        truth: (N, K) of 0 and 1, or a curve that was worked out before, for example that of `Metrics`.
        marginals: (N, K) probabilities of presence; entries that are NaN are left out, and counted in the picture.

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
        return _message("no entries to measure calibration on")
    figure = Figure(figsize=(4.6, 5.6), layout="constrained")
    ax, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="calibrated")
    ax.plot(*zip(*filled, strict=True), color=BLUE, marker="o", markersize=5, label="found")
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), ylabel="share truly present")
    missing = f", {lost:,} without a value left out" if lost else ""
    ax.set_title(f"calibration error {100 * curve.error:.1f} %\n{sum(curve.count):,} entries{missing}", size=10)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    width = 1 / len(curve.count)
    below.bar([(b + 0.5) * width for b in range(len(curve.count))], curve.count, 0.9 * width, color=PALE)
    below.set(xlabel="predicted probability", ylabel="entries")
    below.set_yscale("log")  # nearly all entries are near 0: the others would not be seen on a linear scale
    below.set_ylim(0.7, 2 * max(curve.count))
    below.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    for axes in (ax, below):
        _plain(axes)
    figure.align_ylabels()
    return figure


def history(
    epochs: Iterable[Mapping[str, Any]],
    best_epoch: int | None = None,
    expected_labels: float | None = None,
    value: str = "log-likelihood\nof the known labels, per image",
) -> Figure:
    """What training and held-out images say by epoch, and how many labels per image are predicted.

    Args:
        epochs: mappings with `epoch`, `train_log_likelihood`, `held_out_log_likelihood` (natural logarithm, per image)
            and `predicted_count`, as in `LatentLabels.history_` and a run folder's `metrics.jsonl`; missing values are
            left out.
        best_epoch: the epoch whose weights were kept; the one with the best held-out value if not given.
        expected_labels: what the number of predicted labels is compared with.
        value: what the first two are called, where another objective was trained.
    """
    entries = list(epochs)
    lines = {
        key: [
            (float(entry.get("epoch", number)), float(entry[key]))
            for number, entry in enumerate(entries)
            if isinstance(entry.get(key), int | float) and math.isfinite(entry[key])
        ]
        for key in ("train_log_likelihood", "held_out_log_likelihood", "predicted_count")
    }
    train, held, counts = lines.values()
    if not any(lines.values()):
        return _message("no epoch was recorded")
    if best_epoch is None and held:
        best_epoch = int(max(held, key=lambda point: point[1])[0])
    figure = Figure(figsize=(6.6, 5.0 if counts else 3.6), layout="constrained")
    shares = [1.7, 1] if counts else [1]
    panels = figure.subplots(len(shares), 1, sharex=True, squeeze=False, height_ratios=shares)[:, 0]
    for ax, points, name, colour, style in (
        (panels[0], train, "training", GREY, "--"),
        (panels[0], held, "held out", BLUE, "-"),
        (panels[-1], counts, "", GREEN, "-"),
    ):
        if points:
            marker = "o" if len(points) <= 40 else None
            ax.plot(*zip(*points, strict=True), color=colour, linestyle=style, marker=marker, markersize=3.5, label=name)
    panels[0].set_ylabel(value if train or held else "")
    if counts:
        panels[1].set_ylabel("predicted labels\nper image")
        if expected_labels is not None:
            panels[1].axhline(expected_labels, color=GREY, linestyle="--", linewidth=1)
            panels[1].set_title(f"dashed: {expected_labels:.2f} expected", size=9, color=GREY, loc="right")
        low, high = panels[1].get_ylim()
        panels[1].set_ylim(min(low, 0), 1.08 * high)
    for ax in panels:
        if best_epoch is not None:
            ax.axvline(best_epoch, color=VERMILION, linewidth=1, linestyle=":", label=f"kept: epoch {best_epoch}")
        ax.grid(axis="y", color=TRACK)
        _plain(ax)
    handles, names = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def known_counts(counts: Mapping[str, Sequence[int]], *, limit: int = 40) -> Figure:
    """In how many images each label is known to be present, or absent; most often known labels first.

    Args:
        counts: label -> (known present, known absent), numbers of images, as `Observed.counts`.
        limit: labels at most; how many are left out, and how many of them are never known, is said.
    """
    if not counts:
        return _message("no labels")
    columns = {name: k for k, name in enumerate(counts)}
    order = sorted(counts, key=lambda name: (-counts[name][0], -counts[name][1]))
    shown, rest = order[:limit], order[limit:]
    present, absent = (np.asarray([counts[name][i] for name in shown], np.int64) for i in (0, 1))
    letters = lettering(shown)
    names = [letters.fit(name, columns[name]) for name in shown]
    said = [f"{number:,}" if number else "never known present" for number in present]
    denied = [f"{number:,}" if number else "" for number in absent]
    note = ""
    if rest:
        never = sum(counts[name][0] == 0 for name in rest)
        note = f"{count(len(rest), 'label')} left out, each known present in at most {counts[rest[0]][0]:,} images"
        note += f"; {never:,} never" if 0 < never < len(rest) else ""
    style = Style(9, 0.205, 3.6, 0)
    left, right = letters.width(names, style.size) + 0.3, letters.width(said, style.size) + 0.2
    room = letters.width(denied, style.size) + 0.15 if absent.any() else 0.0
    width = max(left + room + style.bars + right, letters.width([note], style.size) + 0.3)
    height = style.pitch * len(shown) + 0.55 + 0.25 * bool(note)
    figure = Figure(figsize=(width, height))
    box = (left, 0.15 + 0.25 * bool(note), room + style.bars, style.pitch * len(shown))
    ax = inch_axes(figure, box, len(shown))
    scale = max(int(present.max() + absent.max()), 1) / style.bars  # images per inch
    ax.set_xlim(-absent.max() - room * scale, -absent.max() - room * scale + (room + style.bars) * scale)
    y = range(len(shown))
    ax.barh(y, present, height=0.72, color=VERMILION, label="known present")
    if absent.any():
        ax.barh(y, -absent, height=0.72, color=GREY, label="known absent")
    ax.axvline(0, color="black", linewidth=0.8)
    edge = ax.get_xlim()[0] - 0.1 * scale
    for row in y:
        slant = "normal" if present[row] else "italic"
        write(ax, edge, row, names[row], letters, style.size, ha="right")
        write(ax, present[row] + 0.07 * scale, row, said[row], letters, style.size, style=slant)
        write(ax, -absent[row] - 0.07 * scale, row, denied[row], letters, style.size, ha="right")
    handles, kinds = ax.get_legend_handles_labels()
    corner = (0.0, 1 - 0.02 / height)
    names = [f"{kind} (images)" for kind in kinds]
    figure.legend(handles, names, loc="upper left", bbox_to_anchor=corner, frameon=False, fontsize=9, ncols=2)
    if note:
        figure.text(0.1 / width, 0.12 / height, note, size=style.size, color=GREY)
    return figure


def _table(values: npt.ArrayLike, space: LabelSpace, name: str, dims: int) -> npt.NDArray[np.float64]:
    """Marginals, known or true labels as float64, checked."""
    table = np.asarray(values, np.float64)
    if table.ndim != dims or table.shape[-1] != space.num_labels:
        wanted = f"({space.num_labels},)" if dims == 1 else f"(images, {space.num_labels})"
        raise DataError(f"{name} have shape {table.shape}, but the space has {space.num_labels} labels; expected {wanted}")
    if name != "marginals":
        if not np.isin(table, (-1, 0, 1)).all():
            raise DataError(f"{name} holds other numbers than 1 (present), 0 (absent) and -1 (unknown)")
        return table
    if (table < -_ROUNDING).any() or (table > 1 + _ROUNDING).any():
        raise DataError(f"marginals lie between {np.nanmin(table):g} and {np.nanmax(table):g}; probabilities lie in [0, 1]")
    return np.clip(table, 0, 1)


def _picture(image: npt.ArrayLike) -> npt.NDArray[Any]:
    picture = np.asarray(image)
    if picture.ndim == 3 and picture.shape[0] in (1, 3) and picture.shape[2] not in (1, 3):
        picture = picture.transpose(1, 2, 0)
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[..., 0]
    if not picture.size or not (picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)):
        raise DataError(f"image has shape {np.shape(image)}; expected (3, H, W) or (H, W, 3)")
    return picture if picture.dtype == np.uint8 else np.clip(np.nan_to_num(picture.astype(np.float64)), 0, 1)


def _message(text: str) -> Figure:
    figure = Figure(figsize=(4.6, 1.2))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=GREY, size=10)
    return figure


def _plain(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
