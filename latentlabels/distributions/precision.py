"""How many digits answers keep: what is computed in more of them, and what rounding puts out of range."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Values as they are, or in float32 where they have fewer digits: sums over labels need more than a network's 8 bits.

    A numpy array becomes a tensor.
    """
    values = torch.as_tensor(values)
    if not values.is_floating_point():
        return values.to(torch.get_default_dtype())
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def within_one(probs: Tensor) -> Tensor:
    """Probabilities that rounding has put above 1 (or below 0) as 1 (or 0), with their gradient."""
    return probs + (probs.clamp(0.0, 1.0) - probs).detach()


def is_mild(log_potential: Tensor) -> bool:
    """Whether probabilities times the potential keep 12 digits: it multiplies their absolute error of 1e-16."""
    return not log_potential.numel() or float(log_potential.detach().max()) < math.log(1e4)
