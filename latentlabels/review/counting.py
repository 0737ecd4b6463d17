"""How many of some events happen: the Poisson-binomial distribution, exactly, and mixtures of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import fftconvolve
from scipy.stats import norm

_Floats = NDArray[np.float64]
_QUANTILES = 201


def count_distribution(probabilities: ArrayLike) -> _Floats:
    """P(n of N independent events happen), n = 0..N, from their probabilities (N,): (N + 1,).

    The polynomials (1 - p + p z) are multiplied two by two, so that the work is N log^2 N. The absolute error is near 1e-15.
    """
    p = np.asarray(probabilities, np.float64).reshape(-1)
    size = len(p)
    factors = np.stack([1 - p, p], axis=1)
    while len(factors) > 1:
        if len(factors) % 2:
            one = np.zeros((1, factors.shape[1]))
            one[0, 0] = 1.0
            factors = np.concatenate([factors, one])
        length = 2 * factors.shape[1] - 1
        transformed = np.fft.rfft(factors, length, axis=1)
        factors = np.fft.irfft(transformed[0::2] * transformed[1::2], length, axis=1)
    out = np.ones(1) if not len(factors) else factors[0]
    out = np.clip(out[: size + 1], 0.0, None)
    return np.asarray(out / out.sum(), np.float64)


def with_pairs(distribution: ArrayLike, probabilities: ArrayLike) -> _Floats:
    """The distribution of a number plus twice the number of further independent events; what is above the largest counts as it.

    Args:
        distribution: P(N = n) for n = 0..M.
        probabilities: of the further events, each of which counts two.

    Returns:
        (M + 1,).
    """
    p, pairs = np.asarray(distribution, np.float64), np.asarray(probabilities, np.float64)
    pairs = pairs[pairs > 0]
    if not len(pairs):
        return p
    twice = np.zeros(2 * len(pairs) + 1)
    twice[::2] = count_distribution(pairs)
    out = np.clip(fftconvolve(p, twice), 0.0, None)
    out[len(p) - 1] = out[len(p) - 1 :].sum()
    return np.asarray(out[: len(p)] / out[: len(p)].sum(), np.float64)


def with_errors(distribution: ArrayLike, factor: float, shift: float = 0.0) -> _Floats:
    """The distribution of a number that is wrong by a factor and by a summand, rounded and between 0 and the largest number.

    Args:
        distribution: P(N = n) for n = 0..M.
        factor: the standard deviation of the logarithm of the factor, which is normal around 0.
        shift: the standard deviation of the summand, which is normal around 0.

    Returns:
        (M + 1,); factor and summand are taken at 201 quantiles each.
    """
    p = np.asarray(distribution, np.float64)
    numbers = np.arange(len(p))
    quantiles = norm.ppf((np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    scaled = _mean(p, (numbers * one for one in np.exp(factor * quantiles).tolist())) if factor else p
    return _mean(scaled, (numbers + one for one in (shift * quantiles).tolist())) if shift else scaled


def _mean(p: _Floats, places: Iterable[_Floats]) -> _Floats:
    """The mean of distributions that have the same probabilities in other places."""
    out, number = np.zeros(len(p)), 0
    for place in places:
        out += np.bincount(np.clip(np.rint(place), 0, len(p) - 1).astype(np.int64), p, len(p))
        number += 1
    return out / number


def interval(distribution: ArrayLike, coverage: float = 0.95) -> tuple[int, int]:
    """The central interval of a number: from the least n with P(N <= n) > (1 - coverage) / 2 to the same from above.

    Args:
        distribution: P(N = n) for n = 0, 1, ...
        coverage: in (0, 1); the interval holds N with at least this probability.
    """
    p = np.asarray(distribution, np.float64)
    tail = (1 - coverage) / 2
    below = np.cumsum(p)
    low = int(np.searchsorted(below, tail, side="right"))
    high = int(np.searchsorted(below, 1 - tail, side="left"))
    return min(low, len(p) - 1), min(high, len(p) - 1)
