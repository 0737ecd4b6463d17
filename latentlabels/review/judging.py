"""Known labels judged by predictions that have not seen them: the probability that each is wrong, and how many are.

The number has a mixture of Poisson-binomial distributions, if the predictions are right. Real predictions are not, in two
ways that the interval allows for. Fits to labels with mistakes learn some of them, and labels that are hard to see look wrong:
a factor. And errors of the fits themselves look like mistakes: a summand, which is seen in how the number falls as more
predictions are mixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..annotation import Annotation
from ..distributions import LabelVector
from ..estimator.cross_fitting import CrossFit
from .counting import count_distribution, interval, with_errors, with_pairs
from .noise_rate import KnownLabels
from .results import Gain, Setting

COVERAGE = 0.95
FACTOR = 0.2
"""The standard deviation of the logarithm of the factor by which the number is wrong, as found on data sets."""

_Floats = NDArray[np.float64]


class Judgement(NamedTuple):
    """Known labels of N images judged, E of them in order of rows.

    Attributes:
        rows: (E,) the image of each.
        columns: (E,) its label.
        wrong: (E,) the probability that it is wrong.
        known: what they were judged by.
        settings: the posterior of the rate of mistakes and the sharpness of the predictions.
        numbers: (E + 1,) P(n of them are wrong), if the predictions are right.
        gain: how much better known labels are predicted from their own image than from others.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    wrong: _Floats
    known: KnownLabels
    settings: Sequence[Setting]
    numbers: _Floats
    gain: Gain

    def interval(self, shift: float = 0.0) -> tuple[int, int]:
        """The number of wrong ones is in it with a probability of about 95 %; all numbers where the fits cannot tell.

        Args:
            shift: the standard deviation of how many errors of the fits count as mistakes.
        """
        if not self.gain.clear:
            return 0, len(self.rows)
        return interval(with_errors(self.numbers, FACTOR, shift), COVERAGE)

    @property
    def expected(self) -> float:
        """Number of wrong ones."""
        return float(self.wrong.sum())

    @property
    def rate(self) -> tuple[float, float, float]:
        """The mean of the rate of mistakes, and its central 95 %; NaN where nothing is known."""
        if not len(self.rows):
            return math.nan, math.nan, math.nan
        rates, weights = np.array([[one.rate, one.weight] for one in self.settings]).T
        order = np.argsort(rates)
        below = np.cumsum(weights[order]) - weights[order] / 2
        low, high = np.interp([(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], below, rates[order])
        return float(rates @ weights), float(low), float(high)

    @property
    def sharpness(self) -> float:
        """The mean of the sharpness."""
        return sum(one.weight * one.sharpness for one in self.settings)

    def present(self, rows: NDArray[np.int64]) -> _Floats:
        """(B, K) p(label present | image, known labels) of some images, at the most probable setting."""
        best = max(self.settings, key=lambda one: one.weight)
        return self.known.at(math.log(best.sharpness)).present(best, torch.from_numpy(rows))


def judge(q: LabelVector, observed: NDArray[np.int8], how: Annotation) -> Judgement:
    """How probably each known label is wrong.

    Args:
        q: p(y | x) of N images alone, by fits that have not seen them; batch shape (N,).
        observed: int8 (N, K) of 1, 0, -1.
        how: the annotation of labels that are no mistakes.
    """
    rows, columns = np.nonzero(observed != -1)
    known = KnownLabels(q, observed, how)
    settings = known.settings()
    each, numbers = np.zeros(len(rows)), np.zeros(len(rows) + 1)
    for one in settings:
        wrong = known.at(math.log(one.sharpness)).wrong(one.rate, one.share)
        each += one.weight * wrong.either[rows, columns]
        numbers += one.weight * with_pairs(count_distribution(wrong.flipped[rows, columns]), wrong.exchanged)
    gain = known.gain(max(settings, key=lambda one: one.weight))
    return Judgement(rows, columns, each, known, settings, numbers, gain)


def own_errors(crossed: CrossFit, observed: NDArray[np.int8], expected: float) -> float:
    """About how many errors of the fits themselves count as mistakes.

    The mixture of R predictions hides the errors in which they differ. If their number falls as 1 / R, from e_1 for one
    prediction to e_R, then (e_1 - e_R) / (R - 1) of them are left. 0 for one repeat, which cannot say.

    Args:
        crossed: the predictions.
        observed: int8 (N, K) of 1, 0, -1: the known labels that are judged.
        expected: e_R, how many are wrong by all repeats.
    """
    if crossed.repeats == 1:
        return 0.0
    alone = KnownLabels(crossed.first, observed, crossed.annotation)
    number = sum(
        one.weight * float(alone.at(math.log(one.sharpness)).wrong(one.rate, one.share).either.sum())
        for one in alone.settings()
    )
    return abs(number - expected) / (crossed.repeats - 1)
