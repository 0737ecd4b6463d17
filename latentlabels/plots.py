"""Pictures of posteriors, calibration, training and what is known.

Every function draws on the axes that it is given, or on those of a new figure of fitting size, and returns the axes;
none shows or saves anything. Colours are those of Okabe and Ito, told apart by the colour-blind. Label names may be
long and in any script: characters that no installed font has are drawn as boxes, followed by the label's column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import font_manager
from matplotlib.ticker import MaxNLocator

from .errors import DataError
from .evaluation import CalibrationCurve, calibration_curve
from .labels import Free, Group, LabelSpace, OneOf

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILION, GREEN, GREY, PALE = "#0072B2", "#D55E00", "#009E73", "#767676", "#C9CDD2"

_LONGEST = 30  # characters of a name; the middle of a longer one is left out
_ROW = 0.21  # inches a row of text takes at 9 points


class Row(NamedTuple):
    """One line of a posterior: a heading, or an outcome with its probability.

    Attributes:
        text: the group's heading, the label, or what the outcome without a label is called.
        probability: None for a heading.
        column: of the label; None for headings and for "does not apply".
    """

    text: str
    probability: float | None
    column: int | None


def posterior_rows(probabilities: npt.ArrayLike, space: LabelSpace) -> list[Row]:
    """Marginals as lines by group; optional and requiring `OneOf` groups end with the probability of none of theirs.

    Args:
        probabilities: (K,).
        space: the label space.

    Raises:
        DataError: not one probability in [0, 1] for each label.
    """
    p = np.asarray(probabilities, np.float64)
    if p.shape != (space.num_labels,):
        raise DataError(f"probabilities have shape {p.shape}, but the space has {space.num_labels} labels")
    if not (np.isfinite(p).all() and p.min() > -1e-4 and p.max() < 1 + 1e-4):
        raise DataError("probabilities lie in [0, 1]; these hold NaN or other numbers")
    p = np.clip(p, 0, 1)
    rows: list[Row] = []
    heading = "" if any(isinstance(group, OneOf) for group in space.groups) else None
    for group in space.groups:
        own = _heading(group)
        if own != heading and not (heading is None and group.requires is None):
            rows.append(Row(own, None, None))
            heading = own
        columns = space.columns(group)
        rows += [Row(space.labels[k], float(p[k]), k) for k in columns]
        if isinstance(group, OneOf) and (group.optional or group.requires is not None):
            rows.append(Row("does not apply", float(max(0.0, 1 - p[columns].sum())), None))
    return rows


def _heading(group: Group) -> str:
    name = "other labels" if isinstance(group, Free) else group.name
    return name if group.requires is None else f"{name} (with {group.requires})"


def posterior_bars(
    probabilities: npt.ArrayLike,
    space: LabelSpace,
    known: npt.ArrayLike | None = None,
    image: npt.ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The probabilities of one image's labels as bars by group, beside the image.

    Args:
        probabilities: (K,) posterior probabilities of presence.
        space: the label space.
        known: (K,) of 1, 0 and -1; known labels are marked and coloured.
        image: (3, H, W) or (H, W, 3), uint8 or in [0, 1]; also one channel, or none. It is drawn left of the bars of a
            new figure, or to the right of `ax`.
        ax: the axes of the bars.

    Raises:
        DataError: what is given does not fit the space, or is no image.
    """
    rows = posterior_rows(probabilities, space)
    marks = np.full(space.num_labels, -1) if known is None else np.asarray(known)
    if marks.shape != (space.num_labels,):
        raise DataError(f"known has shape {marks.shape}, but the space has {space.num_labels} labels")
    picture = None if image is None else _picture(image)
    height = max(_ROW * len(rows) + 0.7, 2.6 if picture is not None else 1.2)
    if ax is None and picture is not None:
        figure = _figure((9.0, height))
        left, ax = figure.subplots(1, 2, width_ratios=[1, 1.9])
        _show(picture, left)
    elif ax is None:
        ax = _figure((6.0, height)).subplots()
    elif picture is not None:
        _show(picture, ax.inset_axes((1.25, 0, 0.6, 1)))
    face, size = _face([row.text for row in rows]), _font_size(ax, len(rows))
    for y, row in enumerate(rows):
        if row.probability is None:
            text = face.fit(row.text, None)
            ax.text(0, y, text, weight="bold", va="center", size=size, family=face.families, parse_math=False)
            continue
        mark = int(marks[row.column]) if row.column is not None else -1
        colour = PALE if row.column is None else {1: VERMILION, 0: GREY}.get(mark, BLUE)
        ax.barh(y, row.probability, height=0.72, color=colour, hatch="////" if row.column is None else None, ec="white")
        said = percent(row.probability) + {1: "  ✓ known present", 0: "  ✗ known absent"}.get(mark, "")
        ax.text(row.probability + 0.012, y, said, va="center", size=size, color="black")
    bars = [(y, row) for y, row in enumerate(rows) if row.probability is not None]
    ax.set_yticks([y for y, _ in bars])
    names = ax.set_yticklabels(
        [face.fit(row.text, row.column) for _, row in bars], size=size, family=face.families, parse_math=False
    )
    for name, (_, row) in zip(names, bars, strict=True):
        name.set_style("normal" if row.column is not None else "italic")
    _bar_axes(ax, len(rows))
    ax.set_xlim(0, 1.2)
    ax.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"], size=size)
    ax.set_xlabel("probability", size=size, loc="left")
    return ax


def reliability(truth: npt.ArrayLike, marginals: npt.ArrayLike, ax: Axes | None = None) -> Axes:
    """How often labels came true beside how often they were said to, with the number of entries below.

    Args:
        truth: (N, K) of 0 and 1.
        marginals: (N, K) probabilities of presence.
        ax: the axes of the curve; the counts are drawn below them.

    Raises:
        DataError: as `evaluation.calibration_curve`.
    """
    return reliability_of(calibration_curve(truth, marginals), ax)


def reliability_of(curve: CalibrationCurve, ax: Axes | None = None) -> Axes:
    """`reliability` of a curve worked out before, for example that of `Metrics`."""
    ax = ax or _figure((4.6, 5.0)).subplots()
    filled = [(p, f) for p, f in zip(curve.predicted, curve.frequency, strict=True) if p is not None and f is not None]
    ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="calibrated")
    ax.plot(*zip(*filled, strict=True) if filled else ([], []), color=BLUE, marker="o", label="found")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share present", aspect="equal")
    ax.set_title(f"calibration error {100 * curve.error:.1f} %", size=10)
    ax.legend(frameon=False, loc="upper left", fontsize=9)
    ax.tick_params(labelbottom=False)
    below = ax.inset_axes((0, -0.3, 1, 0.24))
    width = 1 / len(curve.count)
    below.bar([(b + 0.5) * width for b in range(len(curve.count))], curve.count, 0.9 * width, color=PALE)
    below.set(xlim=(-0.02, 1.02), xlabel="predicted probability", ylabel="entries")
    if max(curve.count) > 0:  # nearly all entries are near 0: the others would not be seen on a linear scale
        below.set_yscale("log")
        below.set_ylim(0.7, 2 * max(curve.count))
    for axes in (ax, below):
        axes.spines[["top", "right"]].set_visible(False)
    return ax


def history(epochs: Iterable[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Log-likelihood of the known labels by epoch, in training and held out; the best epoch is marked.

    Args:
        epochs: mappings with `epoch`, `train_log_likelihood` and `held_out_log_likelihood`, natural logarithm per
            image, as in `LatentLabels.history_` and a run folder's `metrics.jsonl`; missing values are left out.
        ax: the axes.
    """
    ax = ax or _figure((6.4, 3.6)).subplots()
    lines = {}
    entries = list(epochs)
    for key, name, colour, style in (
        ("train_log_likelihood", "training", GREY, "--"),
        ("held_out_log_likelihood", "held out", BLUE, "-"),
    ):
        points = [(float(entry.get("epoch", i)), _number(entry.get(key))) for i, entry in enumerate(entries)]
        lines[key] = [(x, y) for x, y in points if y is not None]
        if lines[key]:
            x, y = zip(*lines[key], strict=True)
            marker = "o" if len(x) <= 40 else None
            ax.plot(x, y, color=colour, linestyle=style, marker=marker, markersize=3.5, label=name)
    best = max(lines["held_out_log_likelihood"], key=lambda point: point[1], default=None)
    if best is not None:
        said = f"best held out: {best[1]:.3f} in epoch {best[0]:g}"
        ax.plot(*best, color=VERMILION, marker="*", markersize=13, linestyle="none", label=said)
        ax.axvline(best[0], color=VERMILION, linewidth=0.8, linestyle=":")
    if any(lines.values()):
        ax.legend(frameon=False, fontsize=9, loc="best")
    else:
        ax.text(0.5, 0.5, "no epoch was recorded", ha="center", va="center", transform=ax.transAxes, color=GREY)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel="log-likelihood per image")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#E6E8EB", linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def known_counts(counts: Mapping[str, Sequence[int]], ax: Axes | None = None) -> Axes:
    """How many images are known to show each label, or not to; unknown ones, usually most, are told in numbers.

    Args:
        counts: label -> (known present, known absent, unknown), numbers of images.
        ax: the axes.
    """
    ax = ax or _figure((7.0, _ROW * len(counts) + 1.1)).subplots()
    face, size = _face(counts), _font_size(ax, max(len(counts), 1))
    present, absent, unknown = np.asarray([list(c) for c in counts.values()], np.int64).reshape(-1, 3).T
    y = np.arange(len(counts))
    ax.barh(y, present, height=0.72, color=BLUE, label="known present")
    if absent.any():
        ax.barh(y, -absent, height=0.72, color=VERMILION, label="known absent")
    for row in y:
        said = f"{present[row]:,}" if present[row] else "never known present"
        ax.text(present[row], row, f" {said}", va="center", size=size, color="black" if present[row] else VERMILION)
        if absent[row]:
            ax.text(-absent[row], row, f"{absent[row]:,} ", va="center", ha="right", size=size)
        ax.text(1.01, row, f"{unknown[row]:,}", va="center", size=size, color=GREY, transform=ax.get_yaxis_transform())
    top = max(float(present.max(initial=0)), 1.0)
    ax.set_xlim(-1.25 * float(absent.max(initial=0)), 1.3 * max(top, 0.15 * float(absent.max(initial=0))))
    ax.set_yticks(y)
    ax.set_yticklabels(
        [face.fit(name, k) for k, name in enumerate(counts)], size=size, family=face.families, parse_math=False
    )
    _bar_axes(ax, len(counts))
    ax.text(1.01, 1.0, "unknown", va="bottom", size=size, color=GREY, transform=ax.transAxes)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    ax.set_xlabel("images", size=9)
    ax.legend(frameon=False, fontsize=9, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


def comparison_table(
    rows: Sequence[Mapping[str, Any]], ax: Axes | None = None, best: Mapping[str, str] | None = None
) -> Axes:
    """A table of results; the first key of the rows names them.

    Args:
        rows: mappings of column to value; numbers are rounded to three figures, None is a dash.
        ax: the axes.
        best: column -> "high" or "low": which of its values is set in bold.

    Raises:
        DataError: no rows.
    """
    if not rows:
        raise DataError("a comparison table needs at least one row")
    names = list(dict.fromkeys(key for row in rows for key in row))
    widths = [max(len(str(name)), *(len(_cell(row.get(name))) for row in rows)) for name in names]
    ax = ax or _figure((max(0.11 * sum(widths) + 0.3 * len(names), 3.0), 0.3 * (len(rows) + 1) + 0.2)).subplots()
    ax.set_axis_off()
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    table = ax.table(cells, colLabels=names, colWidths=[(w + 2) / sum(w + 2 for w in widths) for w in widths], loc="center")
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.4)
    face = _face([*names, *(row[0] for row in cells)])
    winners = {(_winner(rows, name, sense), names.index(name)) for name, sense in (best or {}).items() if name in names}
    for (y, x), cell in table.get_celld().items():
        cell.set(edgecolor=PALE, facecolor="white" if y else "#F1F3F5")
        cell.visible_edges = "B"
        text = cell.get_text()
        text.set(
            parse_math=False, family=face.families, ha="right" if x else "left", text=face.fit(text.get_text(), None)
        )
        if y == 0 or (y - 1, x) in winners:
            text.set_weight("bold")
    return ax


def percent(probability: float) -> str:
    """A probability in words short enough for a bar: never 0 % or 100 % for what is only nearly so."""
    if 0 < probability < 0.005:
        return "<1 %"
    if 0.995 <= probability < 1 - 1e-6:
        return ">99 %"
    return f"{100 * probability:.0f} %"


def shorten(name: str, longest: int = _LONGEST) -> str:
    """A name on one line, the middle of a long one left out."""
    name = "".join(c if c.isprintable() else " " for c in name)
    return name if len(name) <= longest else f"{name[: longest - longest // 3 - 1]}…{name[-(longest // 3) :]}"


class _Face(NamedTuple):
    families: list[str]
    missing: frozenset[str]

    def fit(self, name: str, column: int | None) -> str:
        """The name as it can be drawn; with its column where that says which label it is."""
        short = shorten(name)
        drawn = "".join("□" if c in self.missing else c for c in short)
        return drawn if drawn == short or column is None else f"{drawn} (column {column + 1})"


def _face(names: Iterable[str]) -> _Face:
    """Fonts that have the characters of the names, and the characters that none has."""
    default = font_manager.findfont("DejaVu Sans")
    wanted = frozenset("".join(shorten(name) for name in names)) - _characters(default)
    return _fallbacks(wanted) if wanted else _Face(["DejaVu Sans"], frozenset())


@lru_cache(maxsize=64)
def _characters(path: str) -> frozenset[str]:
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))


@lru_cache(maxsize=64)
def _fallbacks(wanted: frozenset[str]) -> _Face:
    families, missing = ["DejaVu Sans"], wanted
    for path, family in sorted({(entry.fname, entry.name) for entry in font_manager.fontManager.ttflist}):
        if not missing:
            break
        if family.startswith("Last Resort"):  # has a glyph for everything: the name of its script
            continue
        try:
            found = missing & _characters(path)
        except (OSError, RuntimeError):  # a font file that is gone or broken draws nothing
            continue
        resolved = font_manager.findfont(font_manager.FontProperties(family=[family])) if found else None
        if resolved == path:  # else the family's name leads to another file
            families.append(family)
            missing = missing - found
    return _Face(families, missing)


def _figure(size: tuple[float, float]) -> Any:
    from matplotlib import pyplot  # makes the figure known to a notebook, which then displays it

    return pyplot.figure(figsize=size, layout="constrained")


def _font_size(ax: Axes, rows: int) -> float:
    figure = ax.get_figure(root=True)
    inches = ax.get_position().height * (figure.get_size_inches()[1] if figure is not None else 4.0)
    return min(9.0, max(3.0, 0.68 * 72 * inches / rows))


def _bar_axes(ax: Axes, rows: int) -> None:
    ax.set_ylim(rows - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.axvline(0, color="black", linewidth=0.8)


def _show(picture: npt.NDArray[Any], ax: Axes) -> None:
    ax.imshow(picture, cmap="gray" if picture.ndim == 2 else None, interpolation="nearest")
    ax.set_anchor("N")
    ax.set_axis_off()


def _picture(image: npt.ArrayLike) -> npt.NDArray[Any]:
    picture = np.asarray(image)
    shape = picture.shape
    if picture.ndim == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4):
        picture = picture.transpose(1, 2, 0)
    elif picture.ndim == 3 and shape[2] not in (1, 3, 4):
        raise DataError(f"image has shape {shape}; expected (3, H, W) or (H, W, 3)")
    if picture.ndim not in (2, 3):
        raise DataError(f"image has shape {shape}; expected (3, H, W) or (H, W, 3)")
    picture = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    return picture if picture.dtype == np.uint8 else np.clip(picture.astype(np.float64), 0, 1)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _winner(rows: Sequence[Mapping[str, Any]], name: str, sense: str) -> int:
    values = [(_number(row.get(name)), y) for y, row in enumerate(rows)]
    found = [(value, y) for value, y in values if value is not None]
    return (max if sense == "high" else min)(found, default=(0.0, -1))[1]
