"""What is measured of label probabilities: `Metrics`, and the curve behind its calibration error."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CalibrationCurve:
    """Observed frequencies against predicted probabilities, in bins of equal width over [0, 1].

    Attributes:
        predicted: mean predicted probability of each bin; None where the bin is empty.
        frequency: share of the bin's entries that are present; None where it is empty.
        count: number of (image, label) entries in each bin.
    """

    predicted: tuple[float | None, ...]
    frequency: tuple[float | None, ...]
    count: tuple[int, ...]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over entries of the gap in their bin."""
        gaps = [
            n * abs(f - p)
            for p, f, n in zip(self.predicted, self.frequency, self.count, strict=True)
            if p is not None and f is not None
        ]
        return sum(gaps) / max(sum(self.count), 1)


@dataclass(frozen=True)
class Confusion:
    """The label that images show which are wrongly ranked among the first for another one.

    Attributes:
        label: its column.
        share: of the wrong images that show it.
        otherwise: of all images without the ranked label that show it.
    """

    label: int
    share: float
    otherwise: float


@dataclass(frozen=True)
class LabelFigures:
    """One label against complete labels of N images; decisions are "probability above 0.5".

    Attributes:
        support: images that show it.
        average_precision: None if no image shows it. In random order it is support / N on average.
        precision: share of the images decided to show it that do; None if there is none.
        recall: share of the images that show it that are decided to; None if no image shows it.
        f1: None if no image shows it and none is decided to.
        predicted: its mean probability, to compare with support / N.
        brier: mean squared error of its probabilities.
        calibration_error: expected calibration error over its N entries, 15 bins of equal width.
        confused_with: what it is confused with, if the images say so.
    """

    support: int
    average_precision: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    predicted: float
    brier: float
    calibration_error: float
    confused_with: Confusion | None = None


@dataclass(frozen=True)
class LabelScores:
    """The figures of K labels, and the calibration of all entries above 5 %."""

    figures: tuple[LabelFigures, ...]
    above: CalibrationCurve


@dataclass(frozen=True)
class Metrics:
    """The results of `evaluate`; None where a figure is not defined for these labels.

    Attributes:
        num_images: N.
        num_labels: K.
        num_labels_without_positive: labels that no image shows; `map` and `macro_f1` leave them out.
        map: mean average precision over the labels that some image shows.
        per_label_ap: average precision by label, None for a label that no image shows.
        nll: mean of -log p(y | x) per image, natural logarithm; infinite if some true label set has probability 0.
        num_impossible: images whose true label set has probability 0 (for example one that breaks a group); None
            without log-probabilities, as `nll`.
        brier: mean squared error of the probabilities over all N * K entries.
        calibration_error: expected calibration error over all N * K entries, 15 bins of equal width. Where labels are many,
            absent ones fill the first bin, and a prediction that never looks at an image does best; so read it with the two
            below, and beside the value of that prediction.
        calibration_error_above: the same over the entries with a probability above 5 %; None without any.
        label_calibration_error: the mean over labels of the calibration error of each.
        f1: micro F1 of "probability above 0.5"; 1 where no label is present and none is predicted.
        macro_f1: mean F1 over the labels that some image shows.
        count_error: mean distance of the expected from the true number of present labels.
        count_nll: mean of -log p(true number of labels | x); None without `count_probs`.
        group_accuracy: share of (image, group) pairs, over the optional and the requiring `OneOf` groups, for which
            "one of its labels is present" (probability above 0.5) is right; None without such groups.
        calibration: the curve behind `calibration_error`.
        per_label: the figures of each label.
        confusion: for each `OneOf` group the numbers of images by (label shown, label of the largest probability), None for
            "none of them"; images that show several labels of the group are left out.
    """

    num_images: int
    num_labels: int
    num_labels_without_positive: int
    map: float | None
    per_label_ap: dict[str, float | None]
    nll: float | None
    num_impossible: int | None
    brier: float
    calibration_error: float
    calibration_error_above: float | None
    label_calibration_error: float
    f1: float
    macro_f1: float | None
    count_error: float
    count_nll: float | None
    group_accuracy: float | None
    calibration: CalibrationCurve
    per_label: dict[str, LabelFigures]
    confusion: dict[str, tuple[tuple[str | None, str | None, int], ...]]

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON: what is infinite becomes None (`num_impossible` tells it from not asked)."""
        out = dataclasses.asdict(self)
        for key, value in out.items():
            if isinstance(value, float) and not math.isfinite(value):
                out[key] = None
        out["calibration"] = {key: list(value) for key, value in out["calibration"].items()}
        out["confusion"] = {group: [list(cell) for cell in cells] for group, cells in out["confusion"].items()}
        names = list(self.per_label)
        for figures in out["per_label"].values():
            if figures["confused_with"] is not None:
                figures["confused_with"]["label"] = names[figures["confused_with"]["label"]]
        return out
