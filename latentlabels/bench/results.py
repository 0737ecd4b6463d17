"""What a comparison comes to: figures over seeds, tables by protocol, paired differences, and words about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..words import digits_for

WITHOUT_IMAGE = "without the image"
"""The row of the prediction that never looks at an image: each label's prevalence."""
CEILINGS = ("one-positive-all-negatives", "full-labels")


class Metric(NamedTuple):
    """How a figure is called and shown.

    Attributes:
        title: in a table's head.
        name: in a sentence.
        higher: whether more is better; None where neither is.
        percent: shown in percent.
        digits: after the point, as shown.
    """

    title: str
    name: str
    higher: bool | None
    percent: bool
    digits: int

    def show(self, value: float, sign: bool = False, error: float | None = None) -> str:
        """A value without its unit, with as many digits as its standard error allows."""
        if math.isinf(value):
            return "infinite" if value > 0 else "−infinite"
        scale = 100 if self.percent else 1
        digits = digits_for(None if error is None else error * scale, self.digits)
        return f"{value * scale:{'+' if sign else ''}.{digits}f}".replace("-", "−")


METRICS = {
    "mAP": Metric("mAP %", "mAP", True, True, 2),
    "nll": Metric("NLL", "negative log-likelihood", False, False, 3),
    "brier": Metric("Brier", "Brier score", False, False, 4),
    "ece": Metric("ECE %", "calibration error", False, True, 2),
    "f1": Metric("F1 at 0.5 %", "F1 at 0.5", True, True, 2),
    "f1_expected": Metric("F1 own %", "F1 at the threshold of its own expected F1", True, True, 2),
    "f1_best": Metric("F1 best %", "F1 at the best possible threshold", True, True, 2),
    "count_error": Metric("count error", "count error", False, False, 3),
    "count": Metric("count", "labels predicted per image", None, False, 2),
    "group_accuracy": Metric("groups %", "which groups apply", True, True, 2),
    "epoch": Metric("epoch", "epoch kept", None, False, 0),
    "seconds": Metric("seconds", "seconds per fit", False, False, 1),
    "peak_mb": Metric("memory MiB", "peak memory", False, False, 0),
}
TESTED = ("mAP", "nll", "brier", "ece", "f1", "f1_expected")


@dataclass(frozen=True)
class Spread:
    """A figure over seeds.

    Attributes:
        mean: infinite if it is so for one of them.
        sd: standard deviation of a sample, divided by n - 1; None for one seed, or where the mean is infinite.
        size: n.
        infinite: for how many it is infinite.
    """

    mean: float
    sd: float | None
    size: int
    infinite: int = 0

    def error(self, metric: Metric, num_test: int) -> float | None:
        """Standard error of the mean over seeds; of one seed, that of a share of the test images; None if unknown."""
        if self.sd is not None and self.size > 1:
            return self.sd / math.sqrt(self.size)
        if not metric.percent or math.isinf(self.mean):
            return None
        inside = min(max(self.mean, 0.0), 1.0)
        return math.sqrt(max(inside * (1 - inside), 1 / (4 * num_test)) / num_test)

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        infinite = sum(map(math.isinf, values))
        sd = float(np.std(values, ddof=1)) if len(values) > 1 and not infinite else None
        return cls(max(values) if infinite else float(np.mean(values)), sd, len(values), infinite)


@dataclass(frozen=True)
class Result:
    """An objective in a table.

    Attributes:
        objective: by name.
        kind: "ours", "published", "oracle", or "baseline": the prediction that never looks at an image.
        start: of its head.
        rule: the stopping rule that counts.
        learning_rate: that counts.
        seeds: of the fits behind the figures.
        figures: by the names in `METRICS`; none where it is not defined.
        gap: for each ceiling the share of the way in mAP from assume-negative, 0, to it, 1; may lie outside.
        at_limit: for how many seeds the last epoch was the best: with more epochs it might do better.
    """

    objective: str
    kind: str
    start: str
    rule: str
    learning_rate: float
    seeds: tuple[int, ...]
    figures: dict[str, Spread]
    gap: dict[str, float]
    at_limit: int = 0


@dataclass(frozen=True)
class Paired:
    """Ours less another objective, seed by seed.

    Attributes:
        objective: the other one.
        metric: a name in `TESTED`.
        difference: mean of ours less theirs.
        standard_error: of that mean; None with fewer than two seeds.
        p: two-sided, of a paired t-test; None with fewer than two seeds, or where the difference is the same in each.
        size: seeds that both have.
        outcome: "ahead", "level" or "behind": where ours is. Without a p, by the sign alone.
    """

    objective: str
    metric: str
    difference: float
    standard_error: float | None
    p: float | None
    size: int
    outcome: str


@dataclass(frozen=True)
class Finding:
    """Ours beside the best published objective by one metric, in words."""

    metric: str
    best: str
    outcome: str
    text: str


@dataclass(frozen=True)
class Table:
    """One protocol, one start.

    Attributes:
        protocol: "honest" or "generous".
        start: of the published objectives' heads; ours starts at the prior, its default, where it was fitted so.
        results: ours first, then the published ones by falling mAP, then the prediction without the image, then oracles.
        paired: ours against each other one.
        findings: ours against the best published one by each metric.
        serves: which would serve, in words.
    """

    protocol: str
    start: str
    results: tuple[Result, ...]
    paired: tuple[Paired, ...]
    findings: tuple[Finding, ...]
    serves: tuple[str, ...]


@dataclass(frozen=True)
class DataSet:
    """What was compared on, and how it came out."""

    name: str
    source: str
    num_train: int
    num_test: int
    num_labels: int
    true_count: float
    known_count: float
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Failure:
    """A fit that failed."""

    data: str
    objective: str
    start: str
    learning_rate: float
    seed: int
    error: str


@dataclass(frozen=True)
class Summary:
    """All tables of a comparison."""

    data: tuple[DataSet, ...]
    failures: tuple[Failure, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON: what is infinite becomes None, `Spread.infinite` tells it from not defined."""
        found = _finite(asdict(self))
        assert isinstance(found, dict)
        return found

    def to_frame(self) -> pd.DataFrame:
        """A row for each data set, protocol, start and objective; mean and standard deviation of each figure."""
        rows = []
        for data in self.data:
            for table in data.tables:
                for one in table.results:
                    row: dict[str, Any] = {"data": data.name, "protocol": table.protocol, "published_start": table.start}
                    row |= {key: getattr(one, key) for key in ("objective", "kind", "start", "rule", "learning_rate")}
                    row |= {"seeds": len(one.seeds), "at_limit": one.at_limit}
                    for key in METRICS:
                        found = one.figures.get(key)
                        row |= {key: None if found is None else found.mean, f"{key}_sd": None if found is None else found.sd}
                    row |= {f"gap_to_{ceiling}": one.gap.get(ceiling) for ceiling in CEILINGS}
                    for pair in table.paired:
                        if pair.objective == one.objective:
                            row |= {f"ours_less_{pair.metric}": pair.difference, f"p_{pair.metric}": pair.p}
                    rows.append(row)
        return pd.DataFrame(rows)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
