"""Known positives that are a pick of the present labels, and labels that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ObservationError
from ..exact.counting import log_binomials
from ..exact.evidence import Evidence, only_label, pinned
from ..exact.quadrature import reciprocal_rule, subset_rule, tolerance
from .base import Annotation, CountBound, numbers_of, pick_one, sized


class Ignorable(Annotation):
    """Which labels are known does not depend on their values (missing at random): p(o|y) is 1 or 0.

    For labels that were asked one by one, with answers of both kinds; and for what a user knows at query time.
    """

    kind = "ignorable"

    def _sample(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """One label asked at random, whatever its value."""
        asked = pick_one(torch.ones_like(y), None, generator) == 1
        return torch.where(asked, (y > 0.5).to(torch.int8), -1).to(torch.int8)

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        return torch.zeros(observed.shape[:-1], dtype=torch.float64, device=y.device)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        return pinned(observed, torch.float64)

    def log_cardinality(self, observed: Tensor, most: int, dtype: torch.dtype) -> Tensor | None:
        """Zero for every count."""
        return torch.zeros(*observed.shape[:-1], most + 1, dtype=dtype, device=observed.device)


class UniformPositive(Annotation):
    """The m known positives are a uniform subset of the N present labels: p(o|y) = 1/C(N, m).

    With m = 1: each image has one known label, any of its own. Images without a known positive say nothing.
    """

    kind = "uniform-positive"

    def _sample(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """One present label, any of them (m = 1)."""
        return pick_one(y, None, generator)

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        known, count = (observed == 1).sum(-1).double(), (y > 0.5).sum(-1).double()
        spare = (count - known).clamp(min=0)
        return torch.lgamma(known + 1) + torch.lgamma(spare + 1) - torch.lgamma(spare + known + 1)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        only = only_label(observed)
        log_t, log_weight = subset_rule((observed == 1).sum(-1) if only is None else 1, *bound(), dtype, observed.device)
        return Evidence(log_weight, log_t.unsqueeze(-1), observed.unsqueeze(-2), only)

    def log_cardinality(self, observed: Tensor, most: int, dtype: torch.dtype) -> Tensor | None:
        """-log C(n, m), 0 where n < m, which the pins exclude."""
        binomials = log_binomials(most, (observed == 1).sum(-1), dtype)
        return torch.where(torch.isneginf(binomials), 0.0, -binomials)


class Weighted(Annotation):
    """What annotations with a weight per label share.

    Args:
        weights: K positive numbers; only their ratios matter.
        noise: see the module.
    """

    one_positive = True

    def __init__(self, weights: Sequence[float] | Tensor | None = None, *, noise: float = 0.0):
        super().__init__(noise=noise)
        self.weights = None if weights is None else numbers_of(weights, "weights", low=0.0, low_open=True)

    def _weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        if self.weights is None:
            return torch.ones(num_labels, dtype=dtype, device=device)
        weights: Tensor = sized(self.weights, num_labels, "weights")
        return (weights / weights.max()).to(dtype=dtype, device=device)  # their scale is free, and could underflow

    def _sample(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """One present label, in proportion to the weights."""
        return pick_one(y, self._weights(y.shape[-1], torch.get_default_dtype(), y.device), generator)

    def _check(self, observed: Tensor) -> None:
        many = (observed == 1).sum(-1) > 1
        if bool(many.any()):
            rows = many.reshape(-1).nonzero().flatten().tolist()
            raise ObservationError(
                f'the annotation "{self.kind}" describes one known positive per image, but {len(rows)} images have '
                f'more (rows {", ".join(map(str, rows[:5]))}); use "uniform-positive" or "scar" for those, or one row for each'
            )

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        given = {} if self.weights is None else {"weights": self.weights.tolist()}
        return super().to_config() | given


class WeightedPositive(Weighted):
    """The one known positive is a present label, picked with probability w_k / sum_j w_j y_j (salience)."""

    kind = "weighted-positive"

    def __init__(self, weights: Sequence[float] | Tensor, *, noise: float = 0.0):
        super().__init__(weights, noise=noise)

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        weights = self._weights(observed.shape[-1], torch.float64, y.device)
        known = observed == 1
        chosen, total = (known * weights).sum(-1), (((y > 0.5) | known) * weights).sum(-1)
        picked = known.any(-1)
        return torch.where(picked, chosen, 1.0).log() - torch.where(picked, total, 1.0).log()

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        weights = self._weights(observed.shape[-1], torch.float64, observed.device)
        smallest, total = float(weights.min()), float(weights.sum())
        u, share = reciprocal_rule(1.0, max(total / smallest, 1.0 + 1e-9), tolerance(dtype))
        relative = weights / smallest
        nodes = torch.tensor(u, dtype=torch.float64, device=observed.device)
        known = observed == 1
        picked = known.any(-1, keepdim=True)  # (..., 1)
        own = (known.double() * relative).sum(-1, keepdim=True).clamp(min=1e-300)
        # w_k int exp(-S u) du with the known label's own share of S outside the product over the others
        log_share = torch.tensor(share, dtype=torch.float64, device=observed.device).log()
        log_weight = torch.where(picked, log_share + own.log() - own * nodes, -torch.inf)
        nothing = torch.where(torch.arange(len(nodes), device=observed.device) == 0, 0.0, -torch.inf).double()
        log_weight = torch.where(picked, log_weight, nothing)
        tilt = -nodes.unsqueeze(-1) * relative  # (Q, K)
        if not bool(picked.all()):
            tilt = torch.where(picked.unsqueeze(-1), tilt, 0.0)
        return Evidence(log_weight, tilt, observed.unsqueeze(-2))
