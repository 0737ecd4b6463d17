"""Two runs side by side: their verdicts and figures, what differs in their settings, and what each label gains or loses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checks import Verdict
from ..errors import RunError
from ..show.blocks import Block, Cell, Row, Section, Table, Text
from ..show.blocks import Verdict as Banner
from ..show.pages import page
from ..words import NONE, count, finite, listed, number, percent_of, quoted, whole
from ..writing import write_text
from .contents import Contents, gather

_DEVIATIONS = 2.0
_SEARCHABLE = 12

# key, name, style, whether higher is better (None: neither)
_COMPLETE: tuple[tuple[str, str, str, bool | None], ...] = (
    ("map", "mean average precision", "share", True),
    ("brier_skill", "Brier skill score", "share", True),
    ("nll_gain", "likelihood gained, nats per image", "number", True),
    ("nll", "negative log-likelihood", "number", False),
    ("brier", "Brier score", "number", False),
    ("f1", "F1 at 0.5", "share", True),
    ("f1_at_thresholds", "F1 at the run's thresholds", "share", True),
    ("macro_f1", "F1 at 0.5, mean over labels", "share", True),
    ("calibration_error_above", "calibration error above 5 %", "share", False),
    ("label_calibration_error", "calibration error of a label", "share", False),
    ("count_error", "count error", "number", False),
)
_FIT: tuple[tuple[str, str, str, bool | None], ...] = (
    ("num_images", "images", "count", None),
    ("expected_labels", "expected labels per image", "number", None),
    ("predicted_count", "predicted labels per image", "number", None),
    ("seconds", "seconds", "count", None),
)


@dataclass(frozen=True)
class Figure:
    """A figure of both runs.

    Attributes:
        name: what it is.
        values: of the first run and of the second; None where it is missing.
        style: "share", "number" or "count".
        better: whether higher is better; None where neither is.
        sizes: images that each was measured on; None where it was not measured on images.
    """

    name: str
    values: tuple[float | None, float | None]
    style: str
    better: bool | None
    sizes: tuple[float | None, float | None] = (None, None)

    @property
    def said(self) -> tuple[str, str]:
        """Both in words."""
        a, b = (_said(value, self.style, size) for value, size in zip(self.values, self.sizes, strict=True))
        return a, b

    def better_of(self, names: tuple[str, str]) -> str:
        """The name of the better run; "" where neither is, as far as the shown digits tell."""
        a, b = self.values
        if self.better is None or a is None or b is None or self.said[0] == self.said[1]:
            return ""
        return names[(b > a) == self.better]


@dataclass(frozen=True)
class LabelChange:
    """A label in both runs.

    Attributes:
        label: its name.
        values: average precision on complete labels, or the area under the ROC curve on held-out known labels.
        support: images that show it, of those measured on; the smaller number.
    """

    label: str
    values: tuple[float, float]
    support: int

    @property
    def gain(self) -> float:
        """Of the second run over the first."""
        return self.values[1] - self.values[0]

    @property
    def is_clear(self) -> bool:
        """Whether it is more than two standard errors of the difference, as if the images were other ones each time.

        On the same images the difference is more certain than that, so that nothing is called clear too early.
        """
        variance = sum(max(value * (1 - value), 1 / (4 * self.support)) / self.support for value in self.values)
        return abs(self.gain) > _DEVIATIONS * math.sqrt(variance)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        known = {"label": self.label, "values": list(self.values), "support": self.support}
        return {**known, "gain": self.gain, "clear": self.is_clear}


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        names: of their folders.
        verdicts: on them.
        figures: of both.
        same_images: whether both were evaluated on images with the same complete labels; None where one was not evaluated.
        differs: key of the config, and its value in each; None where it is not set.
        changes: labels of both, the greatest loss first.
        measured_by: what the labels' figures are.
        alone: labels of the first run alone, and of the second alone.
    """

    names: tuple[str, str]
    verdicts: tuple[Verdict, Verdict]
    figures: tuple[Figure, ...]
    same_images: bool | None
    differs: tuple[tuple[str, Any, Any], ...]
    changes: tuple[LabelChange, ...]
    measured_by: str
    alone: tuple[tuple[str, ...], tuple[str, ...]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "verdicts": [one.to_dict() for one in self.verdicts],
            "same_images": self.same_images,
            "figures": [{"name": one.name, "values": list(one.values), "higher_is_better": one.better} for one in self.figures],
            "differs": [{"key": key, "values": [a, b]} for key, a, b in self.differs],
            "measured_by": self.measured_by,
            "labels": [one.to_dict() for one in self.changes],
            "only_in": [list(labels) for labels in self.alone],
        }


def compare(first: str | Path, second: str | Path) -> Comparison:
    """Compare two runs by what their folders hold.

    Raises:
        RunError: no run folder, a damaged one, or a fit that is not finished.
    """
    pair = gather(Path(first)), gather(Path(second))
    for one in pair:
        if not one.run.weights:
            raise RunError(
                f"{one.folder}: its fit is not finished; resume it with `latentlabels fit --resume --out {quoted(one.folder)}`"
            )
    short = tuple(one.folder.resolve().name for one in pair)
    names = short if short[0] != short[1] else tuple(str(one.folder) for one in pair)
    supports = [_of_labels(one, "per_label", "support") for one in pair]
    sizes = [finite(one.metrics.get("num_images")) for one in pair]
    same: bool | None = None
    if all(supports):
        same = supports[0] == supports[1] and sizes[0] == sizes[1]
    changes, measured_by = _changes(pair, supports, bool(same))
    labels = [one.run.space.labels for one in pair]
    alone = tuple(tuple(x for x in own if x not in set(other)) for own, other in (labels, labels[::-1]))
    return Comparison(
        (names[0], names[1]), (pair[0].verdict, pair[1].verdict), _figures(pair), same, _differs(pair), changes, measured_by,
        (alone[0], alone[1]),
    )  # fmt: skip


def write_comparison(found: Comparison, path: str | Path) -> Path:
    """Write the comparison as a page of its own; returns its path."""
    path = Path(path)
    a, b = found.names
    top: list[Block] = [
        Banner(one.level.value, f"{name}: {one.because}", [one.weakest_sentence] if one.weakest else [])
        for name, one in zip(found.names, found.verdicts, strict=True)
    ]
    sections = [
        Section("Figures", _figures_shown(found)),
        Section("What differs in the settings", _differs_shown(found)),
        Section("Labels: gains and losses", _changes_shown(found)),
    ]
    write_text(path, page(f"{a} and {b}", top, sections, script=True))
    return path


# --- what is compared ------------------------------------------------------------------------------------

_Pair = tuple[Contents, Contents]


def _figures(pair: _Pair) -> tuple[Figure, ...]:
    found: list[Figure] = []
    sizes = tuple(finite(one.metrics.get("num_images")) for one in pair)
    for key, name, style, better in _COMPLETE:
        a, b = (finite(one.metrics.get(key)) for one in pair)
        found.append(Figure(name, (a, b), style, better, (sizes[0], sizes[1])))
    gains = [_gain(one) for one in pair]
    found.append(Figure("gain on held-out known labels, nats per image", (gains[0], gains[1]), "number", True))
    for key, name, style, better in _FIT:
        a, b = (finite(one.run.diagnostics.get(key)) for one in pair)
        found.append(Figure(name, (a, b), style, better))
    kept = [None if one.best_epoch is None else one.best_epoch + 1.0 for one in pair]  # people count from 1
    found.append(Figure("epoch kept", (kept[0], kept[1]), "count", None))
    return tuple(one for one in found if one.values != (None, None))


def _gain(contents: Contents) -> float | None:
    """Over not looking at the image: what two runs with other held-out images or annotations can be compared by."""
    plain = contents.run.diagnostics.get("without_image")
    base = finite(plain.get("held_out_log_likelihood")) if isinstance(plain, Mapping) else None
    value = finite(contents.run.diagnostics.get("held_out_log_likelihood"))
    return None if base is None or value is None else value - base


def _of_labels(contents: Contents, key: str, figure: str) -> dict[str, float]:
    """A figure of each label of evaluation.json, where it has one."""
    given = contents.metrics.get(key)
    values = {
        str(label): finite(one.get(figure)) if isinstance(one, Mapping) else None
        for label, one in (given.items() if isinstance(given, Mapping) else ())
    }
    return {label: value for label, value in values.items() if value is not None}


def _changes(pair: _Pair, supports: list[dict[str, float]], same: bool) -> tuple[tuple[LabelChange, ...], str]:
    precisions = [_of_labels(one, "per_label", "average_precision") for one in pair]
    if same or (precisions[0] and precisions[1]):
        measured_by, values = "average precision on complete labels", precisions
        sizes = supports
    else:
        measured_by, ranked = "area under the ROC curve, held-out known labels", [_ranking(one) for one in pair]
        values, sizes = ([{label: pair[i] for label, pair in one.items()} for one in ranked] for i in (1, 0))
    common = [label for label in values[0] if label in values[1] and min(sizes[0][label], sizes[1][label]) > 0]
    found = [
        LabelChange(label, (values[0][label], values[1][label]), int(min(sizes[0][label], sizes[1][label]))) for label in common
    ]
    return tuple(sorted(found, key=lambda one: (one.gain, one.label))), measured_by


def _ranking(contents: Contents) -> dict[str, tuple[float, float]]:
    """Label -> images known to show it, and the area."""
    given = contents.run.diagnostics.get("known_ranking")
    found = {}
    for label, ranked in given.items() if isinstance(given, Mapping) else ():
        values = [finite(x) for x in ranked] if isinstance(ranked, list | tuple) else []
        if len(values) == 2 and values[0] is not None and values[1] is not None:
            found[str(label)] = (values[0], values[1])
    return found


def _differs(pair: _Pair) -> tuple[tuple[str, Any, Any], ...]:
    a, b = (_flat(one.run.config) for one in pair)
    return tuple((key, a.get(key), b.get(key)) for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key))


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return flat


# --- how it is shown -------------------------------------------------------------------------------------


def _figures_shown(found: Comparison) -> list[Block]:
    blocks: list[Block] = []
    if found.same_images is False:
        blocks.append(Text("The runs were evaluated on different images, so their figures cannot be compared closely."))
    elif found.same_images is None:
        blocks.append(Text("Not both runs were evaluated on complete labels: run latentlabels evaluate with the same images."))
    rows = [Row((one.name, *one.said, one.better_of(found.names))) for one in found.figures]
    blocks.append(Table(("figure", *found.names, "better"), rows, frozenset((1, 2))))
    return blocks


def _said(value: float | None, style: str, size: float | None) -> str:
    if value is None:
        return NONE
    if style == "share":
        return percent_of(value, size)
    return {"count": whole}.get(style, number)(value)


def _points(gain: float) -> str:
    """A difference of two shares in percentage points."""
    points = round(100 * gain)
    return f"{points:+d}".replace("-", "−") if points else "0"


def _differs_shown(found: Comparison) -> list[Block]:
    if not found.differs:
        return [Text("Both runs have the same settings.")]
    rows = [Row((Cell(key), Cell(_setting(key, a), "wide"), Cell(_setting(key, b), "wide"))) for key, a, b in found.differs]
    return [Table(("setting", *found.names), rows)]


def _setting(key: str, value: Any) -> str:
    if value is None:
        return NONE
    if key == "labels" and isinstance(value, list):
        return f"{count(len(value), 'entry', 'entries')} of a label space"
    return listed(value, 10) if isinstance(value, list) else str(value)


def _changes_shown(found: Comparison) -> list[Block]:
    blocks: list[Block] = []
    if found.changes:
        better = sum(one.gain > 0 and one.is_clear for one in found.changes)
        worse = sum(one.gain < 0 and one.is_clear for one in found.changes)
        a, b = found.names
        blocks.append(
            Text(
                f"By {found.measured_by}, {b} is clearly better than {a} in {count(better, 'label')} and clearly worse in "
                f"{worse:,}, of {len(found.changes):,}. Clear is more than two standard errors; of several labels a few may be "
                "clear by chance."
            )
        )
        rows = [
            Row((
                one.label,
                *(Cell(percent_of(value, one.support), value=value) for value in one.values),
                Cell(_points(one.gain), value=one.gain),
                Cell(whole(one.support), value=one.support),
                "clear" if one.is_clear else "",
            ))
            for one in found.changes
        ]  # fmt: skip
        search = "find a label" if len(rows) > _SEARCHABLE else ""
        head = ("label", a, b, "gain in points", "images that show it", "")
        blocks.append(Table(head, rows, frozenset((1, 2, 3, 4)), sortable=True, search=search))
    else:
        blocks.append(Text("No label was measured in both runs."))
    for name, labels in zip(found.names, found.alone, strict=True):
        if labels:
            blocks.append(Text(f"Only {name} has {listed(labels, 10)}."))
    return blocks
