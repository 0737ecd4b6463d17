"""Thresholds: from which probability on a label is called present.

Given N images, let label k be called present where p_k >= t, let n be the number of images where it is, and W the number of
images that show it. With w the true labels (0 or 1), TP = sum of w over the images called present, and

    F1 = 2 TP / (n + W),    precision = TP / n,    recall = TP / W.

Where nobody has seen the true labels, the posterior has an expectation of TP and of W: w = p, since p is the probability that
the label is present. "Expected" is the ratio of these expectations, not the expectation of the ratio: they differ by O(1 / N),
and the ratio needs one sort. It is right as far as the probabilities are calibrated, and it reads no label.

At its best threshold, t* = F1* / 2: including one more image with probability p raises F1 as long as p > F1 / 2 (Zhao et al.,
"Beyond Fano's inequality", JMLR 2013; Lipton et al., "Optimal thresholding of classifiers to maximize F1 measure", ECML 2014).

All candidates are compared exactly, by sorting: O(N log N) for each label, O(N K log(N K)) for one threshold for all. Images of
one probability are called alike. A threshold lies halfway between the lowest probability that it includes and the next lower
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..metrics.cuts import Cuts, cuts
from ..words import count
from .aims import MACRO, MICRO, PRECISION, Aim

NEVER = float(np.nextafter(np.float32(1), np.float32(2)))
"""A threshold that no probability reaches."""
_SLACK = 1e-7  # probabilities are float32, in which 0.7 is a little less


@dataclass(frozen=True)
class Source:
    """What thresholds were found from.

    Attributes:
        kind: "posterior": the probabilities of images, no label read. "images": complete labels. "unset": nothing; 0.5 each.
        num_images: how many images.
    """

    kind: Literal["posterior", "images", "unset"] = "unset"
    num_images: int = 0

    def __str__(self) -> str:
        if self.kind == "unset":
            return "nothing: 0.5 for each label"
        if self.kind == "images":
            return count(self.num_images, "complete image")
        return f"the posterior of {count(self.num_images, 'image')}"


@dataclass(frozen=True, eq=False)
class Thresholds:
    """A threshold for each of K labels.

    Attributes:
        values: (K,) float32: a label is present where its probability is at least this. `NEVER` where it never is.
        aim: what they are good for.
        source: what they were found from.
        expected: (K,) of each label, at its threshold, the figure of the aim (F1, precision or recall) as `source` expects it;
            NaN where it is not defined or, for a precision, cannot be reached.
        overall: F1 of all labels together for "f1-micro"; otherwise the mean of `expected` where it is defined.
        borrowed: numbers of labels that no complete image shows, whose thresholds are those of the posterior.
    """

    values: NDArray[np.float32]
    aim: Aim
    source: Source
    expected: NDArray[np.float64]
    overall: float
    borrowed: tuple[int, ...] = ()

    @classmethod
    def halves(cls, num_labels: int) -> Thresholds:
        """0.5 each, of a model that has seen nothing to find others by."""
        nothing = np.full(num_labels, np.nan)
        return cls(np.full(num_labels, 0.5, np.float32), Aim(), Source(), nothing, float("nan"))

    def decide(self, marginals: NDArray[np.float32]) -> NDArray[np.int8]:
        """1 where a probability (N, K) is at least the threshold of its label: int8 (N, K)."""
        return (marginals >= self.values).astype(np.int8)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; NaN becomes None."""
        return {
            "values": [float(value) for value in self.values],
            "aim": str(self.aim),
            "source": self.source.kind,
            "num_images": self.source.num_images,
            "expected": [None if value != value else float(value) for value in self.expected],
            "overall": None if self.overall != self.overall else self.overall,
            "borrowed": list(self.borrowed),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Thresholds:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: something else.
        """
        nan = float("nan")
        return cls(
            np.array(stored["values"], np.float32),
            Aim.of(stored["aim"]),
            Source(stored["source"], int(stored["num_images"])),
            np.array([nan if value is None else value for value in stored["expected"]], np.float64),
            nan if stored["overall"] is None else float(stored["overall"]),
            tuple(map(int, stored["borrowed"])),
        )


def expected_thresholds(marginals: NDArray[np.float32], aim: Aim | str = MICRO) -> Thresholds:
    """The best thresholds by the posterior's own expectation over N images; no label is read.

    Args:
        marginals: (N, K) probabilities of presence.
        aim: what they are good for.

    Returns:
        Thresholds. For a precision that no set of images is expected to reach, the threshold is that precision itself: a label
        of such a probability has it.

    Raises:
        DataError: no images, or probabilities outside [0, 1].
        ConfigError: an unknown aim.
    """
    p = _checked(marginals)
    return _best(p, p.astype(np.float64), Aim.of(aim), Source("posterior", len(p)))


def empirical_thresholds(
    marginals: NDArray[np.float32], truth: NDArray[np.int8], aim: Aim | str = MICRO, expected: Thresholds | None = None
) -> Thresholds:
    """The best thresholds on N images whose labels are all known.

    With few images they are noisy: below a few hundred of them, thresholds by the posterior's expectation after calibration are
    mostly better.

    Args:
        marginals: (N, K) probabilities of presence.
        truth: (N, K) of 0 and 1.
        aim: what they are good for.
        expected: thresholds of the same aim for labels that no image shows; None for those of `expected_thresholds` on these
            images.

    Returns:
        Thresholds; `NEVER` for a precision that no threshold reaches.

    Raises:
        DataError: no images, sizes that differ, or values out of range.
        ConfigError: an unknown aim.
    """
    p, aim = _checked(marginals), Aim.of(aim)
    y = np.asarray(truth)
    if y.shape != p.shape or not np.isin(y, (0, 1)).all():
        raise DataError(f"truth is {y.shape}; expected 0 and 1 of shape {p.shape}, as the probabilities have")
    found = _best(p, y.astype(np.float64), aim, Source("images", len(p)))
    lacking = np.flatnonzero(~y.any(0))
    if aim.kind == MICRO or not len(lacking):
        return found
    other = expected_thresholds(p, aim) if expected is None else expected
    found.values[lacking], found.expected[lacking] = other.values[lacking], other.expected[lacking]
    return Thresholds(
        found.values, aim, found.source, found.expected, _mean(found.expected), tuple(int(column) for column in lacking)
    )


def _checked(marginals: NDArray[np.float32]) -> NDArray[np.float32]:
    p = np.asarray(marginals, np.float32)
    if p.ndim != 2 or not len(p):
        raise DataError(f"thresholds need probabilities (N, K) of at least one image, not {p.shape}")
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError("thresholds need probabilities in [0, 1]; some are outside, or NaN")
    return p


def _thresholds(found: Cuts) -> NDArray[np.float32]:
    """Thresholds (C,) halfway between the lowest probability that is called present and the next lower one."""
    lowest = np.asarray(found.lowest, np.float32)
    below = np.append(lowest[1:], np.float32(0))
    cut = ((lowest.astype(np.float64) + below) / 2).astype(np.float32)
    return np.where(cut <= below, lowest, cut)  # where no number lies between


def _best(p: NDArray[np.float32], w: NDArray[np.float64], aim: Aim, source: Source) -> Thresholds:
    if aim.kind == MICRO:
        cut, overall = _best_f1(cuts(p.ravel(), w.ravel()))
        values = np.full(p.shape[1], cut, np.float32)
        called = p >= values
        with np.errstate(invalid="ignore"):
            expected = 2 * (w * called).sum(0) / (called.sum(0) + w.sum(0))
        return Thresholds(values, aim, source, expected, overall)
    find = {MACRO: _best_f1, PRECISION: _with_precision}.get(aim.kind, _with_recall)
    never = NEVER if source.kind == "images" else aim.level or 0.5
    pairs = [find(cuts(p[:, k], w[:, k]), aim.level, never) for k in range(p.shape[1])]
    expected = np.array([figure for _, figure in pairs])
    return Thresholds(np.array([cut for cut, _ in pairs], np.float32), aim, source, expected, _mean(expected))


def _best_f1(found: Cuts, level: float | None = None, never: float = 0.5) -> tuple[float, float]:
    best = found.best
    if best is None:
        return 0.5, float("nan")  # whatever is called present is wrong, and nothing is missing
    return float(_thresholds(found)[best]), float(found.f1[best])


def _with_precision(found: Cuts, level: float | None, never: float) -> tuple[float, float]:
    precision = found.hits / found.called
    enough = np.flatnonzero(precision >= (level or 0) - _SLACK)
    return (float(_thresholds(found)[enough[-1]]), float(precision[enough[-1]])) if len(enough) else (never, float("nan"))


def _with_recall(found: Cuts, level: float | None, never: float) -> tuple[float, float]:
    if found.total <= 0:
        return 0.5, float("nan")
    recall = found.hits / found.total
    first = int(np.flatnonzero(recall >= min(level or 0, recall[-1]) - _SLACK)[0])
    return float(_thresholds(found)[first]), float(recall[first])


def _mean(figures: NDArray[np.float64]) -> float:
    defined = figures[~np.isnan(figures)]
    return float(defined.mean()) if len(defined) else float("nan")
