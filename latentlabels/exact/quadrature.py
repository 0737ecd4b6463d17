"""Quadrature rules for the annotation integrals, with as many nodes as a stated tolerance asks for.

A uniform pick of m out of N present labels has probability 1/C(N, m) = m * int_0^1 t^(N-m) (1-t)^(m-1) dt;
Gauss-Jacobi quadrature with Q nodes makes this exact for N - m <= 2Q - 1, and nearly so far beyond.
A pick in proportion to weights has probability w / S = w * int_0^inf exp(-S u) du for a sum S of weights.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln, roots_jacobi
from torch import Tensor

_SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)

Array = NDArray[np.float64]


def tolerance(dtype: torch.dtype) -> float:
    """The relative error of a sum that its quadrature may add, by precision."""
    return 1e-10 if dtype == torch.float64 else 1e-6


@lru_cache(maxsize=4096)
def jacobi_rule(size: int, known: int) -> tuple[Array, Array]:
    """Nodes t and weights of m * int_0^1 f(t) (1-t)^(m-1) dt, m = `known` >= 1, by `size` nodes."""
    x, w = roots_jacobi(size, known - 1, 0)
    return (x + 1) / 2, w / w.sum()


@lru_cache(maxsize=4096)
def _errors(size: int, known: int, longest: int) -> tuple[Array, Array]:
    """Of n = 0..longest further labels: the true 1/C(n + m, m) and the rule's absolute error."""
    n = np.arange(longest + 1, dtype=np.float64)
    true = np.exp(gammaln(known + 1) + gammaln(n + 1) - gammaln(n + known + 1))
    t, w = jacobi_rule(size, known)
    found = np.exp(np.outer(n, np.log(t))) @ w
    error = np.abs(found - true)
    error[: 2 * size] = 0.0  # exact there but for rounding
    return true, error


@lru_cache(maxsize=4096)
def nodes_needed(expected: float, block: int, longest: int, known: int, tol: float) -> int:
    """The fewest nodes whose relative error of E[1/C(n + m, m)] is below `tol`.

    n, the number of further labels present, is a sum of independent parts, each at most `block`, of mean
    `expected`, so that P(n >= a) <= exp(-(a log(a / mean) - a + mean) / block) by Chernoff's bound; and by
    Jensen's inequality the integral is at least that at the mean.

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
    floor = math.exp(math.lgamma(known + 1) + math.lgamma(expected + 1) - math.lgamma(expected + known + 1))
    for size in _SIZES:
        if 2 * size > longest:
            return max(1, min(size, (longest + 2) // 2))
        _, error = _errors(size, known, longest)
        worst = np.maximum.accumulate(error)
        if float(np.diff(worst) @ tail) <= tol * floor:
            return size
    return (longest + 2) // 2


@lru_cache(maxsize=1024)
def _rule_tensors(size: int, known: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    if known == 0:  # nothing was picked: the integrand is taken at t = 1 alone
        log_t, log_w = np.zeros(size), np.where(np.arange(size) == 0, 0.0, -np.inf)
    else:
        t, w = jacobi_rule(size, known)
        log_t, log_w = np.log(t), np.log(w)
    return torch.tensor(log_t, dtype=dtype, device=device), torch.tensor(log_w, dtype=dtype, device=device)


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
        dtype: of the result, which also sets the tolerance.
        device: of the result, if `known` is a number; else it is that of `known`.

    Returns:
        (Q,) or (..., Q) each.
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
    rules = {m: _rule_tensors(size, m, dtype, device) for m in values}
    if isinstance(known, int) or low == high:
        return rules[low]
    table = torch.tensor([values.index(m) if m in rules else 0 for m in range(high + 1)], device=known.device)
    row = table[known.long()]
    return torch.stack([rules[m][0] for m in values])[row], torch.stack([rules[m][1] for m in values])[row]


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
