"""The figures of evaluation.json in words: what each is called, what it says, and which way is better.

The one place where they get them, for the terminal, the report and the comparison of two runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..words import number, percent_of, whole


class Style(StrEnum):
    """How a figure is written."""

    SHARE = "share"
    NUMBER = "number"
    COUNT = "count"

    def said(self, value: Any, size: Any = None) -> str:
        """A figure in words; of images that were measured, `size` says how many digits a share has."""
        if self is Style.SHARE:
            return percent_of(value, size)
        return whole(value) if self is Style.COUNT else number(value)


@dataclass(frozen=True)
class Measure:
    """A figure of evaluation.json.

    Attributes:
        key: its key there.
        name: what it is called.
        meaning: what it says.
        style: how it is written.
        higher_is_better: None where neither is.
        skill: whether it is what images add, so that it is 0 for a prediction that never looks at one.
    """

    key: str
    name: str
    meaning: str
    style: Style = Style.SHARE
    higher_is_better: bool | None = True
    skill: bool = False

    @property
    def explained(self) -> str:
        """What it says, and which way is better."""
        way = {True: "; higher is better", False: "; lower is better", None: ""}[self.higher_is_better]
        return self.meaning + way

    def of(self, figures: Mapping[str, Any]) -> Any:
        """Its value among the figures of a fit, or of the prediction without the image; None where it is missing."""
        return figures.get(self.key, 0.0 if self.skill else None)


MEASURES = (
    Measure("map", "mean average precision (mAP)", "how well each label ranks the images, averaged over labels"),
    Measure("f1", "F1 at 0.5", "decisions at probability 0.5, all labels together"),
    Measure("macro_f1", "F1 at 0.5, mean over labels", "the same for each label alone, so that rare labels count as much"),
    Measure("f1_at_thresholds", "F1 at the run's thresholds", "decisions as predict --hard makes them"),
    Measure("f1_best", "F1 at the best threshold", "the best that one threshold for all labels can reach on these images"),
    Measure("group_accuracy", "which groups apply", "how often “does this group apply” is answered correctly"),
    Measure("brier_skill", "Brier skill score", "by how much the squared error is smaller than without the image", skill=True),
    Measure("nll_gain", "likelihood gained", "of the whole label set, in nats per image", Style.NUMBER, skill=True),
    Measure("calibration_error_above", "calibration error above 5 %", "of probabilities above 5 %", higher_is_better=False),
    Measure("label_calibration_error", "calibration error of a label", "mean over labels", higher_is_better=False),
    Measure(
        "calibration_error",
        "calibration error of all",
        "mostly of absent labels near 0 %, so a model that never looks does well",
        higher_is_better=False,
    ),
    Measure("brier", "Brier score", "mean squared error of the probabilities", Style.NUMBER, False),
    Measure("nll", "negative log-likelihood", "of the whole label set, in nats per image", Style.NUMBER, False),
    Measure("num_impossible", "impossible label sets", "images whose true labels break the label space", Style.COUNT, None),
    Measure("count_error", "count error", "mean gap between expected and true number of labels", Style.NUMBER, False),
    Measure("count_nll", "count negative log-likelihood", "of the number of labels, in nats per image", Style.NUMBER, False),
    Measure("num_labels_without_positive", "labels that no image shows", "left out of means over labels", Style.COUNT, None),
)
"""All of them, in the order in which they are shown."""

_COMPARED = (
    "map", "brier_skill", "nll_gain", "nll", "brier", "f1", "f1_at_thresholds", "macro_f1", "calibration_error_above",
    "label_calibration_error", "count_error",
)  # fmt: skip
COMPARED = tuple(one for key in _COMPARED for one in MEASURES if one.key == key)
"""Those that two runs are compared by, the most important first."""
