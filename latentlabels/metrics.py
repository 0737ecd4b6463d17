"""Metrics of posterior label probabilities against complete labels, and one against known labels only.

All shares, precisions and errors are fractions in [0, 1], log-probabilities are natural. Ranking is measured by the
average precision of each label and its mean (mAP); probabilities by the negative log-likelihood of whole label sets,
the Brier score and the calibration error; decisions at 0.5 by F1; and the group structure by how often "does this
group apply" is answered right.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from .errors import DataError
from .space import LabelSpace, OneOf

Array = npt.NDArray[np.float64]

_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most


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


def evaluate(
    truth: npt.ArrayLike,
    marginals: npt.ArrayLike,
    log_prob: npt.ArrayLike | None = None,
    count_probs: npt.ArrayLike | None = None,
    space: LabelSpace | None = None,
    *,
    predicted_by: LabelSpace | None = None,
) -> Metrics:
    """Measure label probabilities against complete labels.

    Args:
        truth: (N, K) of 0 and 1.
        marginals: (N, K) probabilities of presence.
        log_prob: (N,) natural log-probability of each image's complete label set, or None.
        count_probs: (N, n_max + 1) distribution of the number of present labels, or None.
        space: names and groups the K labels; without it they are free and numbered.
        predicted_by: the space that the predictions come from, where it is another one (for example all free).
            "A label of the group is present" has the sum of the marginals as its probability if it is one group there,
            and is 1 minus the product of the absences if its labels are independent there.

    Raises:
        DataError: shapes that do not agree (both are named), no images, a truth other than 0 and 1, probabilities
            that are NaN or outside [0, 1].
    """
    present, p = _checked(truth, marginals)
    num_images, num_labels = p.shape
    space = LabelSpace.free(f"label {k}" for k in range(num_labels)) if space is None else space
    for given, what in ((space, "space"), (predicted_by or space, "predicted_by")):
        if given.num_labels != num_labels:
            raise DataError(f"marginals have shape {p.shape}, but {what} has {given.num_labels} labels")
    precision = _precisions(present, p)
    scored = [value for value in precision if value is not None]
    decided = p > 0.5
    hits, wrong = (decided & present).sum(0), (decided ^ present).sum(0)
    shown = present.any(0)
    label_f1 = 2 * hits[shown] / (2 * hits + wrong)[shown]
    curve = _curve(present, p, 15)
    numbers = present.sum(1)
    counts = None if count_probs is None else _checked_counts(count_probs, num_images)
    expected = p.sum(1) if counts is None else counts @ np.arange(counts.shape[1])
    nll, num_impossible = (None, None) if log_prob is None else _nll(log_prob, num_images)
    return Metrics(
        num_images=num_images,
        num_labels=num_labels,
        num_labels_without_positive=num_labels - len(scored),
        map=float(np.mean(scored)) if scored else None,
        per_label_ap=dict(zip(space.labels, precision, strict=True)),
        nll=nll,
        num_impossible=num_impossible,
        brier=float(np.mean((p - present) ** 2)),
        calibration_error=curve.error,
        f1=_ratio(2 * int(hits.sum()), 2 * int(hits.sum()) + int(wrong.sum())),
        macro_f1=float(label_f1.mean()) if label_f1.size else None,
        count_error=float(np.abs(expected - numbers).mean()),
        count_nll=None if counts is None else _count_nll(counts, numbers),
        group_accuracy=_group_accuracy(present, p, space, predicted_by or space),
        calibration=curve,
    )


def map_known(observed: npt.ArrayLike, marginals: npt.ArrayLike) -> float | None:
    """Mean average precision against known labels only: a stopping rule that needs no complete labels.

    For each label, images with the label known present are ranked against all others: those with the label known absent
    and those with the label unknown. Some of the latter show the label, so the figure is too low. It is still comparable
    between epochs of one fit.

    Args:
        observed: (N, K) of 1, 0 and -1.
        marginals: (N, K) probabilities of presence.

    Returns:
        The mean over the labels with a known positive, or None if there is none.

    Raises:
        DataError: as `evaluate`.
    """
    known = np.asarray(observed)
    if not np.isin(known, (-1, 0, 1)).all():
        raise DataError(f"observed holds {_strangers(known, (-1, 0, 1))}; known labels are 1, 0 and -1")
    present, p = _checked(known == 1, marginals, "observed")
    scored = [value for value in _precisions(present, p) if value is not None]
    return float(np.mean(scored)) if scored else None


def calibration_curve(truth: npt.ArrayLike, marginals: npt.ArrayLike, bins: int = 15) -> CalibrationCurve:
    """Predicted probabilities and observed frequencies over all N * K entries.

    Args:
        truth: (N, K) of 0 and 1.
        marginals: (N, K) probabilities of presence.
        bins: number of bins of equal width; bin b holds b / bins <= p < (b + 1) / bins, the last one also p = 1.

    Raises:
        DataError: as `evaluate`, or fewer than one bin.
    """
    if bins < 1:
        raise DataError(f"bins is {bins}; give at least 1")
    return _curve(*_checked(truth, marginals), bins)


def _curve(present: npt.NDArray[np.bool_], p: Array, bins: int) -> CalibrationCurve:
    where = np.minimum((p.ravel() * bins).astype(np.int64), bins - 1)
    count = np.bincount(where, minlength=bins)
    sums = np.bincount(where, p.ravel(), bins), np.bincount(where, present.ravel(), bins)
    predicted, frequency = (
        tuple(float(s) / int(n) if n else None for s, n in zip(total, count, strict=True)) for total in sums
    )
    return CalibrationCurve(predicted, frequency, tuple(int(n) for n in count))


def _precisions(present: npt.NDArray[np.bool_], p: Array) -> list[float | None]:
    return [
        float(average_precision_score(column, score)) if column.any() else None
        for column, score in zip(present.T, p.T, strict=True)
    ]


def _group_accuracy(present: npt.NDArray[np.bool_], p: Array, space: LabelSpace, predicted: LabelSpace) -> float | None:
    right: list[npt.NDArray[np.bool_]] = []
    for group in space.groups:
        if not isinstance(group, OneOf) or not (group.optional or space.parent(group) is not None):
            continue
        columns = space.columns(group)
        applies = _any_present(p[:, columns], [predicted.labels[k] for k in columns], predicted)
        right.append((applies > 0.5) == present[:, columns].any(1))
    return float(np.mean(right)) if right else None


def _any_present(p: Array, labels: Sequence[str], predicted: LabelSpace) -> Array:
    groups: dict[str, list[int]] = {}
    for k, label in enumerate(labels):
        groups.setdefault(predicted.group_of(label).name, []).append(k)
    # labels of one group exclude each other, so that their probabilities add; different groups count as independent
    absent = np.prod([1 - np.minimum(p[:, columns].sum(1), 1) for columns in groups.values()], axis=0)
    return 1 - absent


def _nll(log_prob: npt.ArrayLike, num_images: int) -> tuple[float, int]:
    values = np.asarray(log_prob, np.float64)
    if values.shape != (num_images,):
        raise DataError(f"log_prob has shape {values.shape}, but the marginals need ({num_images},)")
    if np.isnan(values).any() or (values > 10 * _ROUNDING).any():
        raise DataError("log_prob holds NaN or values above 0; give the natural log-probability of each true label set")
    return float(-values.mean()), int(np.isneginf(values).sum())


def _count_nll(counts: Array, numbers: npt.NDArray[np.int64]) -> float:
    inside = numbers < counts.shape[1]
    found = np.where(inside, counts[np.arange(len(counts)), np.where(inside, numbers, 0)], 0.0)
    with np.errstate(divide="ignore"):  # a number that was given no chance costs infinity
        return float(-np.log(found).mean())


def _checked_counts(count_probs: npt.ArrayLike, num_images: int) -> Array:
    counts = np.asarray(count_probs, np.float64)
    if counts.ndim != 2 or counts.shape[0] != num_images or not counts.shape[1]:
        raise DataError(f"count_probs have shape {counts.shape}, but expected ({num_images}, n_max + 1)")
    counts = _probabilities(counts, "count_probs")
    if not np.allclose(counts.sum(1), 1, atol=1e-3):
        raise DataError("count_probs do not sum to 1 over the numbers 0..n_max")
    return counts


def _checked(truth: npt.ArrayLike, marginals: npt.ArrayLike, name: str = "truth") -> tuple[npt.NDArray[np.bool_], Array]:
    present, p = np.asarray(truth), np.asarray(marginals, np.float64)
    if present.shape != p.shape or p.ndim != 2:
        raise DataError(f"{name} has shape {present.shape}, but marginals have {p.shape}; both must be (images, labels)")
    if not p.size:
        raise DataError(f"{name} has shape {present.shape}: there is nothing to evaluate")
    if not np.isin(present, (0, 1)).all():
        raise DataError(
            f"{name} holds {_strangers(present, (0, 1))}; complete labels must all be 1 or 0. "
            "Leave out images whose labels are not all known"
        )
    return present.astype(bool), _probabilities(p, "marginals")


def _probabilities(p: Array, name: str) -> Array:
    if np.isnan(p).any():
        where = np.argwhere(np.isnan(p))
        raise DataError(f"{name} are NaN in {len(where)} places (the first in row {where[0][0]}, column {where[0][1]})")
    if (p < -_ROUNDING).any() or (p > 1 + _ROUNDING).any():
        raise DataError(f"{name} lie between {p.min():g} and {p.max():g}; give probabilities in [0, 1], not logits")
    return np.clip(p, 0.0, 1.0)


def _strangers(values: npt.NDArray[Any], known: tuple[int, ...]) -> str:
    wrong = ~np.isin(values, known)
    return f"{values[wrong][0]} and the like in {int(wrong.sum())} places"


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
