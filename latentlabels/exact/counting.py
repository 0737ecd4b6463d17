"""The distribution of the number of present labels: a generating function, evaluated on the unit circle."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .forest import Forest

_ELEMENTS = 1 << 22  # complex numbers held at once
_POINTS = 16  # roots of unity that rows are sized for
_NEVER = 42.0  # minus the log of a probability that counts as none
_FEW = 40  # labels at once, up to which looking for a bound costs more than it saves
_RATIOS = (1.5, 2.0, 3.0, 5.0, 9.0, 20.0, 60.0)  # the best of them is near the best of all


def count_probs(forest: Forest, logits: Tensor) -> Tensor:
    """P(N = n) for n = 0..n_max, N the number of present labels, a generalised Poisson-binomial.

    E[z^N] at roots of unity, then an inverse Fourier transform, in double precision: the absolute error is near 1e-15,
    whatever the precision of `logits`. As many roots as there may be labels present: numbers whose probability is below
    1e-18 are given 0, so that thousands of rare labels cost little more than a few.

    Args:
        forest: of the label space.
        logits: (..., L).

    Returns:
        (..., n_max + 1) of the precision of `logits`.
    """
    lead, flat = logits.shape[:-1], logits.detach().double().reshape(-1, logits.shape[-1])
    probs = torch.zeros(len(flat), forest.max_count + 1, dtype=torch.float64, device=flat.device)
    rows = max(1, _ELEMENTS // ((forest.num_labels + 2) * _POINTS))
    for part in torch.arange(len(flat), device=flat.device).split(rows):
        size = _most(forest, flat[part]) + 1
        probs[part, :size] = _by_fourier(forest, flat[part], size)
    return probs.to(logits.dtype).reshape(*lead, forest.max_count + 1)


def _most(forest: Forest, logits: Tensor) -> int:
    """A number of labels that every row exceeds with a probability below e^-42, about 6e-19: nothing, at double precision.

    Chernoff's bound, P(N >= n) <= E[z^N] / z^n for every z > 1, with the expectation exact.
    """
    if forest.max_count <= _FEW or not len(logits):
        return forest.max_count
    z = torch.tensor(_RATIOS, dtype=torch.float64, device=logits.device)
    bound = ((_generating(forest, logits, z).log() + _NEVER) / z.log()).nan_to_num(nan=torch.inf)
    most = float(bound.amin(-1).max())
    return math.ceil(most) if most < forest.max_count else forest.max_count


def _by_fourier(forest: Forest, logits: Tensor, size: int) -> Tensor:
    """P(N = n) of n = 0..size - 1, which hold all probability: (N, size)."""
    half = size // 2 + 1  # the others are conjugates
    z = torch.polar(
        torch.ones(half, dtype=torch.float64, device=logits.device),
        -2 * math.pi * torch.arange(half, dtype=torch.float64, device=logits.device) / size,
    )
    points = max(1, _ELEMENTS // ((forest.num_labels + 2) * max(len(logits), 1)))
    values = torch.cat([_generating(forest, logits, part) for part in z.split(points)], -1)
    probs = torch.fft.irfft(values, n=size, dim=-1).clamp(min=0.0)
    return probs / probs.sum(-1, keepdim=True)


def _generating(forest: Forest, logits: Tensor, z: Tensor) -> Tensor:
    """E[z^N] of each row at each z: (N, Z)."""
    ones = torch.ones(len(logits), len(z), forest.num_labels + 2, dtype=z.dtype, device=z.device)
    below = ones  # product over the children of a label of their generating functions
    for block in reversed(forest.blocks):
        present, none = (value.exp().unsqueeze(1) for value in block.outcomes(logits))
        own = none + (present * below[..., block.columns]).sum(-1) * z.unsqueeze(-1)
        below = _multiply_into(below, block.parents, own)
    return below[..., forest.num_labels]


def _multiply_into(target: Tensor, index: Tensor, factors: Tensor) -> Tensor:
    out = target.clone()
    for column in index.unique().tolist():
        out[..., column] = out[..., column] * factors[..., index == column].prod(-1)
    return out


def log_binomials(most: int, known: Tensor, dtype: torch.dtype) -> Tensor:
    """Log C(n, m) for n = 0..most, -inf where n < m.

    Args:
        most: the largest n.
        known: (...) m.
        dtype: of the result.

    Returns:
        (..., most + 1).
    """
    n = torch.arange(most + 1, dtype=torch.float64, device=known.device)
    m = known.unsqueeze(-1).double()
    value = torch.lgamma(n + 1) - torch.lgamma(m + 1) - torch.lgamma((n - m).clamp(min=0) + 1)
    return torch.where(n >= m, value, -torch.inf).to(dtype)
