"""Quadrature rules for the annotation integrals, with as many nodes as a stated tolerance asks for.

A uniform pick of m out of N present labels has probability 1/C(N, m) = m * int_0^1 t^(N-m) (1-t)^(m-1) dt;
Gauss-Jacobi quadrature with Q nodes makes this exact for N - m <= 2Q - 1, and nearly so far beyond.
A pick in proportion to weights has probability w / S = w * int_0^inf exp(-S u) du for a sum S of weights.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import gammaln, logsumexp
from torch import Tensor

_SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)

_LOOKED_AT = 120  # numbers of labels by which a rule is judged
_LARGE = 1e100  # of a polynomial, above which its unit changes
_LOG_MOST = 600.0  # of a share of an integral, above which it is certainly too large

Array = NDArray[np.float64]


def tolerance(dtype: torch.dtype) -> float:
    """The relative error of a sum that its quadrature may add, by precision."""
    return 1e-10 if dtype == torch.float64 else 1e-6


@lru_cache(maxsize=4096)
def jacobi_rule(size: int, known: int) -> tuple[Array, Array]:
    """Nodes t and log-weights of m * int_0^1 f(t) (1-t)^(m-1) dt, m = `known` >= 1, by `size` nodes.

    Nodes are the eigenvalues of the Jacobi matrix (Golub and Welsch, 1969), improved by Newton's method; a weight is
    1 / sum_k p_k(t)^2 over the orthonormal polynomials (Christoffel), a sum of positive terms that is kept as a mantissa and
    a logarithm. So weights of e^-3000, which count where f grows as fast as they fall, keep their digits, and m may be
    thousands: measured for m to 5,000 and 1,024 nodes, the relative error of a moment is below 2e-11.
    """
    a, k = float(known - 1), np.arange(size, dtype=np.float64)
    s = 2 * k + a
    diagonal = (2 * k * (k + a + 1) + a) / np.where(s > 0, s * (s + 2), 1.0)
    if known == 1:
        diagonal[0] = 0.5
    k, s = k[1:], s[1:]
    beside = k * (k + a) / (s * np.sqrt(s * s - 1))
    t = np.clip(eigvalsh_tridiagonal(diagonal, beside), np.finfo(np.float64).tiny, 1.0)
    for _ in range(2):
        step, log_weight = _newton(t, diagonal, beside)
        better = t - step
        t = np.where((better > 0) & (better < 1), better, t)
    return t, log_weight


def _newton(t: Array, diagonal: Array, beside: Array) -> tuple[Array, Array]:
    """p_Q / p_Q' at t, and the logarithm of 1 / sum_{k < Q} p_k^2, by the three-term recurrence."""
    last, own = np.zeros_like(t), np.ones_like(t)
    last_slope, slope = np.zeros_like(t), np.zeros_like(t)
    squares, log_unit = np.ones_like(t), np.zeros_like(t)  # polynomials are in units of exp(log_unit)
    for k, centre in enumerate(diagonal):
        before, after = beside[k - 1] if k else 0.0, beside[k] if k < len(beside) else 1.0
        last, own, last_slope, slope = (
            own,
            ((t - centre) * own - before * last) / after,
            slope,
            ((t - centre) * slope + own - before * last_slope) / after,
        )
        if k < len(beside):
            squares = squares + own * own
        large = np.maximum(np.abs(own), np.abs(last))
        if large.max() > _LARGE:
            less = np.where(large > _LARGE, 1 / large, 1.0)
            last, own, last_slope, slope = last * less, own * less, last_slope * less, slope * less
            squares, log_unit = squares * less * less, log_unit - np.log(less)
    return own / slope, -np.log(squares) - 2 * log_unit


@lru_cache(maxsize=4096)
def _log_errors(size: int, known: int, longest: int) -> tuple[Array, Array]:
    """Of n = 0..longest further labels: log 1/C(n + m, m), and the relative error of the rule."""
    n = np.arange(longest + 1, dtype=np.float64)
    true = gammaln(known + 1) + gammaln(n + 1) - gammaln(n + known + 1)
    t, log_weight = jacobi_rule(size, known)
    found = logsumexp(np.outer(n, np.log(t)) + log_weight, axis=1)
    error = np.abs(np.expm1(found - true))
    error[: 2 * size] = 0.0  # exact there but for rounding
    return true, error


@lru_cache(maxsize=4096)
def nodes_needed(expected: float, block: int, longest: int, known: int, tol: float) -> int:
    """The fewest nodes whose relative error of E[1/C(n + m, m)] is below `tol`.

    n, the number of further labels present, is a sum of independent parts, each at most `block`, of mean
    `expected`, so that P(n >= a) <= exp(-(a log(a / mean) - a + mean) / block) by Chernoff's bound; and by
    Jensen's inequality the integral is at least that at the mean. Numbers n whose own relative error is below a quarter of
    `tol` add less than that to the whole, whatever their probabilities.

    Args:
        expected: mean of n, an upper bound.
        block: the largest part.
        longest: the largest n.
        known: m.
        tol: relative error.
    """
    expected = min(max(expected, 1e-3), float(longest)) if longest else 0.0
    if longest <= 1:
        return 1
    a = np.arange(1, longest + 1, dtype=np.float64)
    with np.errstate(divide="ignore"):
        exponent = -(a * np.log(a / expected) - a + expected) / block
    tail = np.where(a > expected, np.exp(np.minimum(exponent, 0.0)), 1.0)
    log_floor = math.lgamma(known + 1) + math.lgamma(expected + 1) - math.lgamma(expected + known + 1)
    for size in _SIZES:
        if 2 * size > longest:
            return max(1, min(size, (longest + 2) // 2))
        log_true, error = _log_errors(size, known, longest)
        shown = np.where(error > tol / 4, error, 0.0) * np.exp(np.minimum(log_true - log_floor, _LOG_MOST))
        worst = np.maximum.accumulate(shown)
        if float(np.diff(worst) @ tail) <= 0.75 * tol:
            return size
    return (longest + 2) // 2


@lru_cache(maxsize=1024)
def _rule_tensors(size: int, known: int, device: torch.device) -> tuple[Tensor, Tensor]:
    if known == 0:  # nothing was picked: the integrand is taken at t = 1 alone
        log_t, log_w = np.zeros(size), np.where(np.arange(size) == 0, 0.0, -np.inf)
    else:
        t, log_w = jacobi_rule(size, known)
        log_t = np.log(t)
    return torch.tensor(log_t, device=device), torch.tensor(log_w, device=device)


def subset_rule(
    known: Tensor | int,
    expected: float,
    block: int,
    longest: int,
    dtype: torch.dtype,
    device: torch.device | None = None,
) -> tuple[Tensor, Tensor]:
    """log t and log weights for rows with `known` picked labels each.

    Args:
        known: (...) m of every row, or one number; one m for all gives tensors without leading dimensions.
        expected: an upper bound of the mean number of further labels, over rows.
        block: the largest number of labels of one tree.
        longest: the largest number of further labels.
        dtype: of the logits, which sets the tolerance.
        device: of the result, if `known` is a number; else it is that of `known`.

    Returns:
        (Q,) or (..., Q) each, in double precision.
    """
    if isinstance(known, int):
        low = high = known
        device = torch.device("cpu") if device is None else device
    else:
        low, high = (int(bound) for bound in torch.aminmax(known)) if known.numel() else (0, 0)
        device = known.device
    expected = 2.0 ** (math.ceil(4 * math.log2(max(expected, 0.05))) / 4)  # few distinct rules to work out
    values = [low] if isinstance(known, int) or low == high else sorted(set(known.flatten().tolist()))
    tol = tolerance(dtype)
    size = max(nodes_needed(expected, block, longest, m, tol) if m else 1 for m in values)
    rules = {m: _rule_tensors(size, m, device) for m in values}
    if isinstance(known, int) or low == high:
        return rules[low]
    table = torch.tensor([values.index(m) if m in rules else 0 for m in range(high + 1)], device=known.device)
    row = table[known.long()]
    return torch.stack([rules[m][0] for m in values])[row], torch.stack([rules[m][1] for m in values])[row]


class AnySubsetRule(NamedTuple):
    """One rule for any number m of picked labels: sum_q w_q(m) t_q^n = 1/C(n + m, m).

    Attributes:
        log_t: (Q + 1,) nodes; the last is t = 1, the whole of the integral where nothing was picked.
        log_rest: (Q + 1,) log(1 - t); 0 for the last.
        log_share: (Q + 1,) weights of the nodes; -inf for the last.
    """

    log_t: Tensor
    log_rest: Tensor
    log_share: Tensor

    def log_weights(self, known: Tensor) -> Tensor:
        """log w_q(m) for m = `known`, whole numbers (...): (..., Q + 1)."""
        m = known.unsqueeze(-1).to(self.log_share.dtype)
        picked = self.log_share + m.clamp(min=1).log() + (m - 1).clamp(min=0) * self.log_rest
        nothing = torch.where(torch.isneginf(self.log_share), 0.0, -torch.inf)
        return torch.where(m > 0, picked, nothing)


@lru_cache(maxsize=64)
def any_subset_rule(longest: int) -> AnySubsetRule:
    """The rule for at most `longest` present labels, picked or not, in double precision.

    The integrand t^n (1 - t)^(m - 1) is a polynomial of degree n + m - 1, so that Gauss-Legendre quadrature with half as many
    nodes is exact for every m. Where fewer keep to the tolerance of float32, fewer are taken: a rule whose nodes depend on m
    needs fewer still (`subset_rule`), but cannot stand in a graph of operations that is the same for all images.
    """
    exact = max(1, (longest + 1) // 2)
    size = next((size for size in _SIZES if size < exact and _serves_any(size, longest)), exact)
    t, log_share = jacobi_rule(size, 1)
    log_t, log_rest, log_w = np.append(np.log(t), 0.0), np.append(np.log1p(-t), 0.0), np.append(log_share, -np.inf)
    return AnySubsetRule(torch.from_numpy(log_t), torch.from_numpy(log_rest), torch.from_numpy(log_w))


def _serves_any(size: int, longest: int) -> bool:
    """Whether so many nodes keep to the tolerance for all numbers of labels; of many numbers some are looked at."""
    t, log_share = jacobi_rule(size, 1)
    numbers = np.unique(np.geomspace(1, longest + 1, min(longest + 1, _LOOKED_AT)).round()) - 1
    for known in numbers[1:]:
        n = numbers[numbers <= longest - known]
        true = gammaln(known + 1) + gammaln(n + 1) - gammaln(n + known + 1)
        log_weight = log_share + math.log(known) + (known - 1) * np.log1p(-t)
        found = logsumexp(np.outer(n, np.log(t)) + log_weight, axis=1)
        if np.abs(np.expm1(found - true)).max() > tolerance(torch.float32):
            return False
    return True


@lru_cache(maxsize=256)
def reciprocal_rule(smallest: float, largest: float, tol: float) -> tuple[Array, Array]:
    """u and weights with sum_q weight_q exp(-S u_q) = 1/S for S in [smallest, largest], to relative error `tol`.

    The trapezoidal rule after u = exp(x) (Beylkin and Monzon, 2005): its error falls exponentially in 1/step.
    The widest step that keeps to `tol` on a fine grid of S is used.
    """
    grid = np.geomspace(smallest, largest, 400)
    low = math.log(tol / 4) - math.log(largest)
    high = math.log(-math.log(tol / 4) + 2) - math.log(smallest)
    for step in np.geomspace(2.0, 0.05, 120):
        x = np.arange(low, high + step, step)
        u, w = np.exp(x), step * np.exp(x)
        if np.abs((np.exp(-np.outer(grid, u)) @ w) * grid - 1).max() <= tol:
            return u, w
    raise ArithmeticError(f"no rule for 1/S on [{smallest}, {largest}] within {tol}")
