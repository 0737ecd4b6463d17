"""The rate of mistakes among known labels, and what is probable of each image at each rate.

log L(e) = sum over images of log p(known labels | image, e), by out-of-sample probabilities, is a function of one number. With a
flat prior on e in [0, 1/2] the posterior of e is proportional to L: it is taken at a few rates around its maximum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor

from ..annotation import Annotation
from ..distributions import LabelVector
from .mistaken import MistakenLabels, Path, path_of

_LEAST, _LARGEST = 1e-6, 0.5
_DROP = 8.0  # of log L, beyond which a rate does not count
_POINTS = 15
_AT_ONCE = 1 << 21  # numbers (rows x labels x products) that are worked on at once
_PRODUCTS = 24  # of an image's evidence, about

_Floats = NDArray[np.float64]


class _Part(NamedTuple):
    """Rows whose known labels came about in one way.

    Attributes:
        rows: (B,) their numbers.
        q: of these images alone.
        observed: (B, K) what is known of them.
        path: the way.
        expected: (B,) labels of each, where picks are read as reports.
    """

    rows: Tensor
    q: LabelVector
    observed: Tensor
    path: Path
    expected: Tensor | None

    def model(self, how: Annotation, rate: float) -> MistakenLabels:
        return MistakenLabels(how, rate, self.path, self.expected)


class RateGrid(NamedTuple):
    """The posterior of the rate of mistakes.

    Attributes:
        best: the rate of the largest likelihood.
        rates: (G,) where it is taken.
        weights: (G,) their probabilities, which sum to 1.
    """

    best: float
    rates: _Floats
    weights: _Floats

    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """The central interval of the rate."""
        below = (np.cumsum(self.weights) - self.weights / 2) / self.weights.sum()
        tail = (1 - coverage) / 2
        return float(np.interp(tail, below, self.rates)), float(np.interp(1 - tail, below, self.rates))


class KnownLabels:
    """Known labels of N images, and what the images alone say.

    Args:
        q: p(y | x), batch shape (N,).
        observed: int8 (N, K) of 1, 0, -1; a row without a known label says nothing.
        how: the annotation of labels that are no mistakes.
    """

    def __init__(self, q: LabelVector, observed: NDArray[np.int8], how: Annotation):
        self.how, self.num_labels = how, observed.shape[1]
        known = torch.from_numpy(np.ascontiguousarray(observed, np.int8))
        rows = torch.nonzero((known != -1).any(-1)).flatten()
        self.parts = list(self._parted(q, known[rows], rows))

    def _parted(self, q: LabelVector, known: Tensor, rows: Tensor) -> Iterator[_Part]:
        paths = path_of(known, self.how)
        picks = [int(m) if path is Path.PICKED else 0 for path, m in zip(paths, (known == 1).sum(-1).tolist(), strict=True)]
        ways = list(zip(paths, picks, strict=True))
        for way in sorted(set(ways), key=lambda one: (one[0].value, one[1])):
            path, m = way
            own = torch.tensor([place for place, one in enumerate(ways) if one == way])
            size = max(1, _AT_ONCE // (self.num_labels * _PRODUCTS * 2**m))
            for some in own.split(size):
                with torch.no_grad():
                    here = q.take(rows[some])
                    expected = here.marginals.sum(-1) if path is Path.REPORTED and not self.how.one_by_one else None
                yield _Part(rows[some], here, known[some], path, expected)

    @torch.no_grad()
    def log_likelihood(self, rate: float) -> float:
        """log L(e)."""
        return sum(float(part.q.log_marginal(part.observed, part.model(self.how, rate)).double().sum()) for part in self.parts)

    @torch.no_grad()
    def present(self, rate: float) -> Iterator[tuple[NDArray[np.int64], _Floats]]:
        """Rows (B,), and p(label present | image, known labels, e) of each, (B, K); all rows with a known label, in parts."""
        for part in self.parts:
            posterior = part.q.condition(part.observed, part.model(self.how, rate))
            yield part.rows.numpy(), posterior.marginals.double().clamp(0.0, 1.0).numpy()

    def rates(self) -> RateGrid:
        """The posterior of e; of no known labels the flat prior, at one rate."""
        if not self.parts:
            return RateGrid(0.0, np.array([_LEAST]), np.ones(1))
        return rate_grid(self.log_likelihood)


def rate_grid(log_likelihood: Callable[[float], float]) -> RateGrid:
    """The posterior of a rate in [0, 1/2] with a flat prior, from its log-likelihood, which has one maximum."""
    found = minimize_scalar(
        lambda log_rate: -log_likelihood(math.exp(log_rate)),
        bounds=(math.log(_LEAST), math.log(_LARGEST)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    candidates = {float(math.exp(found.x)): -float(found.fun), _LEAST: log_likelihood(_LEAST), _LARGEST: log_likelihood(_LARGEST)}
    best = max(candidates, key=lambda rate: candidates[rate])
    top = candidates[best]

    def short(rate: float) -> float:
        return log_likelihood(rate) - top + _DROP

    low = _LEAST if candidates[_LEAST] > top - _DROP else float(brentq(short, _LEAST, best, rtol=0.02, xtol=1e-6))
    high = _LARGEST if candidates[_LARGEST] > top - _DROP else float(brentq(short, best, _LARGEST, rtol=0.02, xtol=1e-6))
    rates = np.linspace(low, high, _POINTS)
    logs = np.array([log_likelihood(float(rate)) for rate in rates])
    weights = np.exp(logs - logs.max())
    weights[[0, -1]] /= 2  # the rule of trapezia
    return RateGrid(best, rates, weights / weights.sum())
