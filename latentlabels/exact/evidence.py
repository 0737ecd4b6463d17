"""What is known of an image, as a short mixture of products over labels.

Every p(o | y) that is summed exactly has the form sum_q omega_q prod_k phi_qk(y_k), in which a label is
pinned (known) or tilted: phi_qk(0) = 1 and phi_qk(1) = exp(tilt_qk). A factor sum_k v_k y_k, by which images are
found, is a mixture of K such products; log Z has it from the marginals instead, at the cost of one.
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
        log_found: (..., K) log v of a factor sum_k v_k y_k of each product, with Q = 1; else None.
        plus: more of the mixture, whose products are of another kind.
    """

    log_weight: Tensor
    tilt: Tensor
    pins: Tensor
    only: Tensor | None = None
    log_found: Tensor | None = None
    plus: Evidence | None = None

    @property
    def parts(self) -> tuple[Evidence, ...]:
        """Its mixtures of products of one kind."""
        return (self,) if self.plus is None else (self._replace(plus=None), *self.plus.parts)

    def joined(self) -> Evidence:
        """The same as products side by side, with neither `log_found` nor `plus`."""
        first, *others = (part._by_label() for part in self.parts)
        for other in others:
            first = _side_by_side(first, other)
        return first

    def _by_label(self) -> Evidence:
        if self.log_found is None:
            return self
        labels = self.pins.shape[-1]
        each = torch.eye(labels, dtype=torch.bool, device=self.pins.device)
        pins = torch.where(each, 1, self.pins)  # (..., K, K)
        possible = torch.where(self.pins.squeeze(-2) == 0, -torch.inf, self.log_found)
        return Evidence(self.log_weight + possible, self.tilt.new_zeros(1, 1), pins.to(self.pins.dtype))

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
    """The mixture of two evidences, weights scaled.

    Args:
        first: of Q1 products.
        second: of Q2 products.
        log_first: log mixture weight of the first, broadcast against (..., Q1).
        log_second: log mixture weight of the second.
    """
    other = second._replace(log_weight=second.log_weight + log_second)
    return first._replace(log_weight=first.log_weight + log_first, plus=other)


def pinned_where(rows: Tensor, observed: Tensor, others: Evidence) -> Evidence:
    """An evidence with those of some rows replaced by one that only pins what is known of them.

    Args:
        rows: (...) bool, which ones.
        observed: (..., K) int8.
        others: of the same rows.
    """
    rows = rows.unsqueeze(-1)
    weight = others.log_weight
    first = torch.where(torch.arange(weight.shape[-1], device=rows.device) == 0, 0.0, -torch.inf).to(weight)
    pins = torch.where(rows.unsqueeze(-1), observed.unsqueeze(-2), others.pins)
    further = None if others.plus is None else _nowhere(rows, others.plus)
    assert others.log_found is None  # which only what follows has
    return Evidence(torch.where(rows, first, weight), others.tilt, pins, plus=further)


def _nowhere(rows: Tensor, evidence: Evidence) -> Evidence:
    """An evidence of weight 0 in some rows, (..., 1)."""
    further = None if evidence.plus is None else _nowhere(rows, evidence.plus)
    return evidence._replace(log_weight=evidence.log_weight.masked_fill(rows, -torch.inf), plus=further)


def _side_by_side(first: Evidence, second: Evidence) -> Evidence:
    batch = torch.broadcast_shapes(
        *(t.shape[:-1] for t in (first.log_weight, second.log_weight)),
        *(t.shape[:-2] for t in (first.tilt, second.tilt, first.pins, second.pins)),
    )
    width = max(first.tilt.shape[-1], second.tilt.shape[-1])
    labels = first.pins.shape[-1]
    weights, tilts, pins = [], [], []
    for evidence in (first, second):
        size = evidence.log_weight.shape[-1]
        weights.append(evidence.log_weight.expand(*batch, size))
        tilts.append(evidence.tilt.expand(*batch, size, width))
        pins.append(evidence.pins.expand(*batch, size, labels))
    return Evidence(torch.cat(weights, -1), torch.cat(tilts, -2), torch.cat(pins, -2))
