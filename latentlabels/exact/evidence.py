"""What is known of an image, as a short mixture of products over labels.

Every p(o | y) that is summed exactly has the form sum_q omega_q prod_k phi_qk(y_k), in which a label is
pinned (known) or tilted: phi_qk(0) = 1 and phi_qk(1) = exp(tilt_qk).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Evidence(NamedTuple):
    """A mixture of Q products over K labels; leading dimensions broadcast against the batch.

    Attributes:
        log_weight: (..., Q) log omega.
        tilt: (..., Q, K) log-potential of presence of the labels that are not pinned; (..., Q, 1) if all alike.
        pins: (..., Q, K) int8, 1 present, 0 absent, -1 not pinned; (..., 1, K) if all alike.
        only: (...) the one pinned label of each row, where each has just one and it is present; else None.
    """

    log_weight: Tensor
    tilt: Tensor
    pins: Tensor
    only: Tensor | None = None

    @property
    def uniform(self) -> bool:
        """Whether one tilt serves all labels and one set of pins all products."""
        return self.tilt.shape[-1] == 1 and self.pins.shape[-2] == 1


def only_label(observed: Tensor) -> Tensor | None:
    """The one known label of each row of (..., K), if every row has one that is present and nothing else is known."""
    value, column = observed.max(-1)
    alone = (value == 1) & (observed.sum(-1, dtype=torch.int32) == 2 - observed.shape[-1])
    return column if bool(alone.all()) else None


def pinned(observed: Tensor, dtype: torch.dtype) -> Evidence:
    """The evidence that only pins what is known: Q = 1, no tilt.

    Args:
        observed: (..., K) int8.
        dtype: of the weights.
    """
    zero = torch.zeros(1, dtype=dtype, device=observed.device)
    return Evidence(zero, zero.unsqueeze(-1), observed.unsqueeze(-2))


def mix(first: Evidence, second: Evidence, log_first: Tensor | float, log_second: Tensor | float) -> Evidence:
    """The mixture of two evidences: their products side by side, weights scaled.

    Args:
        first: of Q1 products.
        second: of Q2 products.
        log_first: log mixture weight of the first, broadcast against (..., Q1).
        log_second: log mixture weight of the second.
    """
    batch = torch.broadcast_shapes(
        *(t.shape[:-1] for t in (first.log_weight, second.log_weight)),
        *(t.shape[:-2] for t in (first.tilt, second.tilt, first.pins, second.pins)),
        *(share.shape[:-1] for share in (log_first, log_second) if isinstance(share, Tensor)),
    )
    width = max(first.tilt.shape[-1], second.tilt.shape[-1])
    labels = first.pins.shape[-1]
    sizes = [evidence.log_weight.shape[-1] for evidence in (first, second)]
    weights, tilts, pins = [], [], []
    for evidence, log_share, size in zip((first, second), (log_first, log_second), sizes, strict=True):
        weights.append((evidence.log_weight + log_share).expand(*batch, size))
        tilts.append(evidence.tilt.expand(*batch, size, width))
        pins.append(evidence.pins.expand(*batch, size, labels))
    return Evidence(torch.cat(weights, -1), torch.cat(tilts, -2), torch.cat(pins, -2))
