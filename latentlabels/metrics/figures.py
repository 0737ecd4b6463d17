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
        calibration_error: expected calibration error over all N * K entries, 15 bins of equal width.
        f1: micro F1 of "probability above 0.5"; 1 where no label is present and none is predicted.
        macro_f1: mean F1 over the labels that some image shows.
        count_error: mean distance of the expected from the true number of present labels.
        count_nll: mean of -log p(true number of labels | x); None without `count_probs`.
        group_accuracy: share of (image, group) pairs, over the optional and the requiring `OneOf` groups, for which
            "one of its labels is present" (probability above 0.5) is right; None without such groups.
        calibration: the curve behind `calibration_error`.
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
    f1: float
    macro_f1: float | None
    count_error: float
    count_nll: float | None
    group_accuracy: float | None
    calibration: CalibrationCurve

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON: what is infinite becomes None (`num_impossible` tells it from not asked)."""
        out = dataclasses.asdict(self)
        for key, value in out.items():
            if isinstance(value, float) and not math.isfinite(value):
                out[key] = None
        out["calibration"] = {key: list(value) for key, value in out["calibration"].items()}
        return out
