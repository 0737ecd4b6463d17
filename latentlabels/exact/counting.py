"""The distribution of the number of present labels: a generating function, evaluated on the unit circle."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .forest import Forest

_ELEMENTS = 1 << 22  # complex numbers held at once


def count_probs(forest: Forest, logits: Tensor) -> Tensor:
    """P(N = n) for n = 0..n_max, N the number of present labels, a generalised Poisson-binomial.

    E[z^N] at the n_max + 1 roots of unity, then an inverse Fourier transform, in double precision: the
    absolute error is near 1e-15, whatever the precision of `logits`.

    Args:
        forest: of the label space.
        logits: (..., L).

    Returns:
        (..., n_max + 1) of the precision of `logits`.
    """
    size = forest.max_count + 1
    lead, flat = logits.shape[:-1], logits.detach().double().reshape(-1, logits.shape[-1])
    half = size // 2 + 1  # the others are conjugates
    z = torch.polar(
        torch.ones(half, dtype=torch.float64, device=flat.device),
        -2 * math.pi * torch.arange(half, dtype=torch.float64, device=flat.device) / size,
    )
    points = max(1, _ELEMENTS // (forest.num_labels + 2))
    rows = max(1, points // half)
    values = torch.zeros(len(flat), half, dtype=torch.complex128, device=flat.device)
    for row in range(0, len(flat), rows):
        for point in range(0, half, points):
            part = _generating(forest, flat[row : row + rows], z[point : point + points])
            values[row : row + rows, point : point + points] = part
    probs = torch.fft.irfft(values, n=size, dim=-1).clamp(min=0.0)
    probs = probs / probs.sum(-1, keepdim=True)
    return probs.to(logits.dtype).reshape(*lead, size)


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
